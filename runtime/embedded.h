/* embedded: the files that were put into the executable (or module) when it was built. See embed.sh. */
#ifndef KMIRROR_EMBEDDED_H
#define KMIRROR_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* such as "lib/kmirror/cli.lua", "scripts/failover.lua", "argparse.lua" */
    const char *data; /* a NUL follows */
    size_t size;
};

/* All of them, in the order of their names, then one whose name is NULL. */
extern const struct embedded_file embedded_files[];

/* The file of that name; NULL when there is none. */
const struct embedded_file *embedded_find(const char *name);
/* The i-th file, from 0; NULL past the end. */
const struct embedded_file *embedded_at(size_t i);

#endif
