#include "files.h"

#include "chunk.h"
#include "embedded.h"

#include <dirent.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The checkout's folder, with a slash; empty when the executable is not in the build folder of one. */
static char root[PATH_MAX];

/* Where the executable is; false when the system does not tell. */
static bool find_executable(char path[PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static void find_root(void) {
    char path[PATH_MAX], marker[PATH_MAX + 32];
    root[0] = '\0';
    if (!find_executable(path))
        return;
    char *build = strstr(path, "/build/");
    for (char *next = build; next != NULL; next = strstr(next + 1, "/build/"))
        build = next;
    if (build == NULL)
        return;
    build[1] = '\0';
    snprintf(marker, sizeof marker, "%sruntime/files.c", path);
    if (access(marker, R_OK) == 0)
        memcpy(root, path, strlen(path) + 1);
}

static bool push_file(lua_State *L, const char *path) {
    FILE *file = fopen(path, "rb");
    luaL_Buffer source;
    if (file == NULL)
        return false;
    luaL_buffinit(L, &source);
    size_t got;
    do {
        char *part = luaL_prepbuffer(&source);
        got = fread(part, 1, LUAL_BUFFERSIZE, file);
        luaL_addsize(&source, got);
    } while (got > 0);
    fclose(file);
    luaL_pushresult(&source);
    return true;
}

/* Pushes source and chunk name of a file of the checkout, and returns 2; 0 when there is none. [-0, +(0|2), m] */
static int read_from_disk(lua_State *L, const char *name) {
    if (root[0] == '\0')
        return 0;
    const char *path = lua_pushfstring(L, "%s%s", root, name);
    if (!push_file(L, path))
        return 0;
    lua_pushfstring(L, "@%s", path);
    return 2;
}

int files_read(lua_State *L, const char *name) {
    const struct embedded_file *file = embedded_find(name);
    if (read_from_disk(L, name) == 2)
        return 2;
    if (file == NULL)
        return 0;
    lua_pushlstring(L, file->source, file->size);
    lua_pushfstring(L, "@%s", name);
    return 2;
}

/* ---- require() ---- */

/* Where the module `a.b` may be among the files. */
static const char *const places[] = {"lib/%s.lua", "%s.lua", "%s/init.lua"};

/* Pushes the file as a function, and its name, and returns 2; 0 when there is none. One on disk that is as it was
 * when kmirror was built need not be compiled again. [-0, +(0|2), e] */
static int load_file(lua_State *L, const char *name) {
    const struct embedded_file *file = embedded_find(name);
    if (read_from_disk(L, name) == 2) {
        size_t size;
        const char *source = lua_tolstring(L, -2, &size), *chunk = lua_tostring(L, -1);
        if (file == NULL || file->size != size || memcmp(file->source, source, size) != 0) {
            if (luaL_loadbufferx(L, source, size, chunk, "t") != LUA_OK)
                return lua_error(L);
            lua_pushstring(L, chunk + 1);
            return 2;
        }
    }
    if (file == NULL)
        return 0;
    chunk_load(L, file);
    lua_pushstring(L, name);
    return 2;
}

/* find(module's name, what its globals are) -> loader, file name | nil */
static int find_own(lua_State *L) {
    const char *name = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (load_file(L, lua_pushfstring(L, places[i], name)) == 2) {
            lua_pushvalue(L, 2);
            lua_setupvalue(L, -3, 1); /* _ENV, the one upvalue of a chunk */
            return 2;
        }
    return 0;
}

/* The folder of Lua modules that `make dist` puts beside the executable, with a slash; empty when there is none.
 * [-0, +1, m] */
static void push_bundle(lua_State *L) {
    char path[PATH_MAX];
    bool found = find_executable(path);
    for (int i = 0; found && i < 2; i++) /* the executable's name, and bin */
        *strrchr(path, '/') = '\0', found = strchr(path, '/') != NULL;
    lua_pushfstring(L, "%s/lib/kmirror/lua/", path);
    if (!found || access(lua_tostring(L, -1), X_OK) != 0)
        lua_pushliteral(L, ""), lua_replace(L, -2);
}

void files_open(lua_State *L) {
    int natives = lua_gettop(L);
    find_root();
    load_file(L, "lib/kmirror/modules.lua");
    lua_pop(L, 1);
    lua_pushcfunction(L, find_own);
    lua_pushvalue(L, natives);
    lua_pushliteral(L, LUA_PATH_DEFAULT);
    lua_pushliteral(L, LUA_CPATH_DEFAULT);
    push_bundle(L);
    lua_call(L, 5, 0);
    lua_settop(L, natives - 1);
}

int files_folders(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    const char *slash = strrchr(path, '/');
    char real[PATH_MAX], link[PATH_MAX];
    lua_pushlstring(L, slash == NULL ? "." : path, slash == NULL ? 1 : (size_t)(slash - path + 1));
    if (realpath(path, real) == NULL || realpath(lua_tostring(L, -1), link) == NULL)
        return luaL_fileresult(L, 0, path);
    lua_pushlstring(L, real, (size_t)(strrchr(real, '/') - real + 1));
    lua_pushfstring(L, strcmp(link, "/") == 0 ? "%s" : "%s/", link);
    return 2;
}

/* ---- the scripts ---- */

/* Adds `name.lua` to the set on top. */
static void add_script(lua_State *L, const char *name) {
    size_t length = strlen(name);
    if (length <= 4 || strcmp(name + length - 4, ".lua") != 0 || strchr(name, '/') != NULL)
        return;
    lua_pushlstring(L, name, length - 4);
    lua_pushboolean(L, true);
    lua_rawset(L, -3);
}

static void add_scripts_on_disk(lua_State *L, const char *scripts) {
    DIR *folder = opendir(lua_pushfstring(L, "%s%s", root, scripts));
    lua_pop(L, 1);
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        add_script(L, entry->d_name);
    closedir(folder);
}

static void add_built_in_scripts(lua_State *L, const char *scripts) {
    size_t length = strlen(scripts);
    for (const struct embedded_file *file = embedded_files; file < embedded_files + embedded_count; file++)
        if (strncmp(file->name, scripts, length) == 0)
            add_script(L, file->name + length);
}

void files_list_scripts(lua_State *L, const char *scripts) {
    int list = lua_gettop(L);
    lua_newtable(L);
    if (root[0] != '\0')
        add_scripts_on_disk(L, scripts);
    else
        add_built_in_scripts(L, scripts);
    for (lua_pushnil(L); lua_next(L, list + 1) != 0; lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    }
    lua_settop(L, list);
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, list);
    lua_call(L, 1, 0);
    lua_settop(L, list);
}
