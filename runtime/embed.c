/* embed DATA FILE...: run by make, no part of kmirror. Writes files, and what Lua compiles those that are Lua to, one
 * after the other into DATA, and to standard output a C file that tells embedded.c where each of them is.
 *
 * A file is known by the path given here; one from outside the tree by its path in a folder of Lua's modules, such as
 * /usr/share/lua/5.4. */
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *data;

static long position(lua_State *L) {
    long at = ftell(data);
    return at >= 0 ? at : luaL_error(L, "cannot tell the position in the data");
}

static int append(lua_State *L, const void *part, size_t size, void *unused) {
    (void)L;
    (void)unused;
    return fwrite(part, 1, size, data) == size ? 0 : 1;
}

/* Pushes what is in the file. [-0, +1, e] */
static const char *read_all(lua_State *L, const char *path, size_t *size) {
    luaL_Buffer text;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        luaL_error(L, "cannot open %s", path);
    luaL_buffinit(L, &text);
    for (size_t got = 1; got > 0;) {
        got = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, file);
        luaL_addsize(&text, got);
    }
    fclose(file);
    luaL_pushresult(&text);
    return lua_tolstring(L, -1, size);
}

static const char *name_of(const char *path) {
    static const char folder[] = "/lua/5.";
    const char *in = path[0] == '/' ? strstr(path, folder) : NULL;
    const char *slash = in == NULL ? NULL : strchr(in + sizeof folder - 1, '/');
    return slash == NULL ? path : slash + 1;
}

static bool is_lua(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".lua") == 0;
}

/* With line numbers and the names of variables: messages and tracebacks are the same as from the source. */
static int append_code(lua_State *L, const char *path, const char *source, size_t size) {
    if (luaL_loadbufferx(L, source, size, lua_pushfstring(L, "@%s", name_of(path)), "t") != LUA_OK)
        return lua_error(L);
    return lua_dump(L, append, NULL, 0);
}

static void embed(lua_State *L, const char *path) {
    size_t size;
    const char *source = read_all(L, path, &size);
    long start = position(L);
    int failed = append(L, source, size, NULL);
    long code = position(L);
    if (failed || (is_lua(path) && append_code(L, path, source, size) != 0))
        luaL_error(L, "cannot write the data");
    printf("    {\"%s\", embedded_data + %ld, %zu, embedded_data + %ld, %ld},\n", name_of(path), start, size, code,
           position(L) - code);
    lua_settop(L, 0);
}

static int by_name(const void *a, const void *b) {
    return strcmp(name_of(*(char *const *)a), name_of(*(char *const *)b));
}

static int write_all(lua_State *L) {
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    lua_settop(L, 0);
    data = argc > 1 ? fopen(argv[1], "wb") : NULL;
    if (data == NULL)
        luaL_error(L, "usage: embed DATA FILE...; DATA must be a file that can be written");
    qsort(argv + 2, (size_t)argc - 2, sizeof *argv, by_name);
    printf("#include \"embedded.h\"\n\n"
           "__asm__(\".section .rodata\\n.local embedded_data\\n\"\n"
           "        \"embedded_data: .incbin \\\"%s\\\"\\n.previous\");\n"
           "extern const char embedded_data[] __attribute__((visibility(\"hidden\")));\n\n"
           "const struct embedded_file embedded_files[] = {\n",
           argv[1]);
    for (int i = 2; i < argc; i++)
        embed(L, argv[i]);
    printf("};\n\nconst size_t embedded_count = %d;\n", argc - 2);
    if (fclose(data) != 0 || fflush(stdout) != 0)
        luaL_error(L, "cannot write all");
    return 0;
}

int main(int argc, char **argv) {
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return EXIT_FAILURE;
    lua_pushcfunction(L, write_all);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = lua_pcall(L, 2, 0, 0);
    if (status != LUA_OK)
        fprintf(stderr, "embed: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
