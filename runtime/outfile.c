#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is there ---- */

typedef struct place {
    enum {
        ABSENT,
        REGULAR,
        STREAM,
        REFUSED
    } kind;              /* STREAM: a pipe or a device, or what this process writes to anyway */
    const char *problem; /* why it was refused */
    mode_t mode;
} place;

static place refuse(const char *problem) {
    return (place){.kind = REFUSED, .problem = problem};
}

enum { DESCRIPTORS_LOOKED_AT = 64 }; /* who redirects one by hand names a low one */

/* What this process has open for writing, by a redirection or as its log. */
static bool is_own_output(const struct stat *status) {
    struct stat own;
    for (int fd = STDOUT_FILENO; fd < DESCRIPTORS_LOOKED_AT; fd++)
        if (fstat(fd, &own) == 0 && own.st_dev == status->st_dev && own.st_ino == status->st_ino &&
            (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
            return true;
    return false;
}

/* Who may have put a link there for us to follow. */
static bool is_trusted(uid_t owner) {
    return owner == geteuid() || owner == 0;
}

static place look(const char *path) {
    struct stat link, status;
    if (lstat(path, &link) != 0)
        return errno == ENOENT ? (place){.kind = ABSENT} : refuse(strerror(errno));
    if (S_ISLNK(link.st_mode) && !is_trusted(link.st_uid))
        return refuse("it is a symbolic link of another user");
    if (stat(path, &status) != 0)
        return refuse(errno == ENOENT ? "it is a symbolic link to nothing" : strerror(errno));
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) || is_own_output(&status))
        return (place){.kind = STREAM};
    if (S_ISDIR(status.st_mode))
        return refuse(strerror(EISDIR));
    if (!S_ISREG(status.st_mode))
        return refuse("it is neither a file nor a pipe");
    if (status.st_uid != geteuid())
        return refuse("it belongs to another user");
    return (place){.kind = REGULAR, .mode = status.st_mode & 07777};
}

/* ---- writing ---- */

static bool write_all(int fd, const char *content, size_t size) {
    while (size > 0) {
        ssize_t put = write(fd, content, size);
        if (put < 0 && errno != EINTR)
            return false;
        content += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* Opens what is there for writing; does not wait until somebody reads from a pipe. */
static int open_plainly(const char *path, int flags) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0666);
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static const char *reason(int error) {
    return error == ENXIO ? "nobody reads from it" : strerror(error);
}

static bool sync_folder_of(const char *path, char *folder) {
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* not every file system can */
    if (fd >= 0)
        close(fd);
    return ok;
}

static mode_t usual_mode(void) {
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static bool close_whole(int fd, mode_t mode, const char *content, size_t size, bool sync) {
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, content, size) && (!sync || fsync(fd) == 0);
    int error = errno;
    ok = close(fd) == 0 && ok;
    errno = ok ? 0 : error != 0 ? error : errno;
    return ok;
}

/* Writes beside the path, under a name that nobody knows, and renames. `content` NULL: only tries whether that can be
 * done. Returns 0 or an errno. [-0, +0, m] */
static int write_beside(lua_State *L, const char *path, mode_t mode, const char *content, size_t size, bool sync) {
    char *beside = lua_newuserdatauv(L, strlen(path) + sizeof ".XXXXXX", 0);
    stpcpy(stpcpy(beside, path), ".XXXXXX");
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return errno;
    bool ok = close_whole(fd, mode, content, size, sync);
    ok = ok && (content == NULL || rename(beside, path) == 0);
    int error = ok ? 0 : errno;
    if (!ok || content == NULL)
        unlink(beside);
    else if (sync && !sync_folder_of(path, beside))
        error = errno;
    lua_pop(L, 1);
    return error;
}

static int write_stream(const char *path, const char *content, size_t size) {
    int fd = open_plainly(path, O_APPEND);
    if (fd < 0)
        return errno;
    int error = content != NULL && !write_all(fd, content, size) ? errno : 0;
    return close(fd) != 0 && error == 0 ? errno : error;
}

/* ---- the module ---- */

static int result(lua_State *L, const char *path, const char *problem) {
    if (problem == NULL) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, problem);
    return 2;
}

/* write(path, content | nil: only try, whether it is to be on the disk when this returns) -> true | nil, problem. A
 * file of one's own is replaced as a whole, by way of another one, or is as it was; a link to one stays a link; into
 * pipes and devices it is written plainly. Nothing else is touched. */
static int write_file(lua_State *L) {
    size_t size = 0;
    const char *path = luaL_checkstring(L, 1), *content = luaL_optlstring(L, 2, NULL, &size);
    place there = look(path);
    if (there.kind == REFUSED)
        return result(L, path, there.problem);
    int error;
    if (there.kind == STREAM) {
        error = write_stream(path, content, size);
    } else {
        char *real = there.kind == REGULAR ? realpath(path, NULL) : NULL;
        error = write_beside(L, real != NULL ? real : path, there.kind == REGULAR ? there.mode : usual_mode(), content,
                             size, lua_toboolean(L, 3) != 0);
        free(real);
    }
    return result(L, path, error != 0 ? reason(error) : NULL);
}

/* is_stream(path) -> whether it is a pipe or a device, which is written only once */
static int is_stream(lua_State *L) {
    lua_pushboolean(L, look(luaL_checkstring(L, 1)).kind == STREAM);
    return 1;
}

static int close_file(lua_State *L) {
    luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

/* A link that somebody else has put there is not followed, and a disk is no log. */
static const char *not_to_be_opened(const char *path) {
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISLNK(status.st_mode) && !is_trusted(status.st_uid))
        return "it is a symbolic link of another user";
    return stat(path, &status) == 0 && S_ISBLK(status.st_mode) ? "it is neither a file nor a pipe" : NULL;
}

/* open(path, "append" | "new") -> file, not buffered: a line of a log is one write | nil, problem. "new": it must not
 * be there yet. */
static int open_file(lua_State *L) {
    static const char *const ways[] = {"append", "new", NULL};
    const char *path = luaL_checkstring(L, 1);
    int way = luaL_checkoption(L, 2, NULL, ways);
    if (not_to_be_opened(path) != NULL)
        return result(L, path, not_to_be_opened(path));
    luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
    file->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    int fd = open_plainly(path, way == 0 ? O_APPEND | O_CREAT : O_CREAT | O_EXCL);
    file->f = fd >= 0 ? fdopen(fd, way == 0 ? "a" : "w") : NULL;
    if (file->f == NULL) {
        const char *problem = reason(errno);
        if (fd >= 0)
            close(fd);
        return result(L, path, problem);
    }
    file->closef = close_file;
    setvbuf(file->f, NULL, _IONBF, 0);
    return 1;
}

int luaopen_outfile(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"write", write_file}, {"is_stream", is_stream}, {"open", open_file}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
