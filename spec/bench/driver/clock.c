/* Preloaded while instructions are counted: what Lua takes the seed of its hashes from is the same each time, and so is
 * what collides. */
#include <time.h>

time_t time(time_t *at) {
    const time_t always = 1700000000;
    if (at != NULL)
        *at = always;
    return always;
}
