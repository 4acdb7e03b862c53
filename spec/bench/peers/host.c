/* host FILE: the least that can run a Lua file with libcurl at hand. */
#include <curl/curl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    lua_State *L = luaL_newstate();
    if (argc < 2 || L == NULL)
        return 2;
    luaL_openlibs(L);
    int status = luaL_dofile(L, argv[1]);
    if (status != LUA_OK)
        fprintf(stderr, "host: %s\n", lua_tostring(L, -1));
    lua_close(L);
    curl_global_cleanup();
    return status != LUA_OK;
}
