/* output: whether what was written to standard output, and to the files that were asked for, has arrived. */
#ifndef KMIRROR_OUTPUT_H
#define KMIRROR_OUTPUT_H

#include <stdbool.h>

/* To be called first thing: no file that is opened later gets the number of a standard stream that is closed, and so
 * the output of the whole run. What is read from such a stream, or written to it, fails. */
void output_open(void);
/* A file that was asked for could not be written, and somebody has said so. */
void output_lost(void);
/* Whether everything has arrived, in the end; says so when it has not. A reader that has seen enough (| head) is no
 * fault. */
bool output_arrived(void);

#endif
