/* terminal: the terminal that a prompt is on: how wide it is, when that changes, where text ends on it, and that it is
 * given back as it was found. */
#ifndef KMIRROR_TERMINAL_H
#define KMIRROR_TERMINAL_H

#include <stdbool.h>
#include <wchar.h>

/* From here on a process that ends, however it does (a crash among it), leaves the terminal as it is now. What is
 * pasted comes between marks; see keys.h. */
void terminal_borrow(void);
/* Gives it back, if it was borrowed. Made for signal handlers. */
void terminal_return(void);

/* A descriptor that is ready when terminal_changed() has something to tell; -1 when there is none left, or when
 * somebody watches already. */
int terminal_watch(void);
void terminal_unwatch(void);

typedef enum { UNCHANGED, RESIZED, CONTINUED } terminal_change;
/* CONTINUED: the process was stopped, and somebody else had the terminal. */
terminal_change terminal_changed(void);

int terminal_columns(void);

typedef struct terminal_place {
    int row, column; /* from 0 */
} terminal_place;

/* Where the cursor is after one more character, on a terminal of that width. */
void terminal_step(terminal_place *at, wchar_t c, int columns);

#endif
