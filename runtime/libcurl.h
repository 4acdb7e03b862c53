/* libcurl: made ready once, with memory of its own. Each request makes it allocate and free 31 times. */
#ifndef KMIRROR_LIBCURL_H
#define KMIRROR_LIBCURL_H

#include <stdbool.h>

/* Before anything else of it; as often as wanted. It stays ready for as long as the process, as its threads that look up
 * a name may. False when memory is short. */
bool libcurl_ready(void);

#endif
