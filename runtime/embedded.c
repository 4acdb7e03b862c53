#include "embedded.h"

#include <string.h>

const struct embedded_file *embedded_find(const char *name) {
    for (const struct embedded_file *file = embedded_files; file->name; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

const struct embedded_file *embedded_at(size_t i) {
    const struct embedded_file *file = embedded_files;
    while (i > 0 && file->name) {
        file++;
        i--;
    }
    return file->name ? file : NULL;
}
