/* embedded: the files that were put into the executable (or module) when it was built. See embed.c. */
#ifndef KMIRROR_EMBEDDED_H
#define KMIRROR_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* such as "lib/kmirror/cli.lua", "scripts/failover.lua", "argparse.lua" */
    const char *source;
    size_t size;
    const char *code; /* what Lua compiled the source to; nothing when it is no Lua */
    size_t code_size;
};

/* All of them, in the order of their names. */
extern const struct embedded_file embedded_files[];
extern const size_t embedded_count;

/* The file of that name; NULL when there is none. */
const struct embedded_file *embedded_find(const char *name);

#endif
