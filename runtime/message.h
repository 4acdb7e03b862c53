/* message: what the executable itself has to say, on stderr: one write for each message, printable, and a line of JSON
 * when --log-format json asks for that. Needs no Lua state, as there may be none. */
#ifndef KMIRROR_MESSAGE_H
#define KMIRROR_MESSAGE_H

#include <stdbool.h>

/* From here on messages are JSON, or lines for people again. */
void message_as_json(bool json);

/* Says a text, a string of several lines at most, with no newline at its end. The traceback may be NULL. */
void message_write(const char *level, const char *text, const char *traceback);

/* stdout is written a line at a time when stderr is the same file, so that their lines do not tear each other. */
void message_keep_lines_whole(void);

#endif
