/* The inside of line.c, which it shares with line_input.c, which takes what was typed apart into keys and text,
 * line_screen.c, which has the prompt on the screen, and line_keys.c, where Lua says what a key does. */
#ifndef KMIRROR_LINE_INSIDE_H
#define KMIRROR_LINE_INSIDE_H

#include "loop.h"
#include "scheduler.h"

#include <histedit.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

/* What is kept with the userdata: the functions that keys call, by name. */
enum { KEYS = 1, VALUES = 1 };

typedef enum { EDITING, ACCEPTED, ENDED } outcome;

typedef struct reader {
    EditLine *el; /* NULL: not a terminal, lines are taken as they come */
    loop *loop;
    loop_watch input, changes;
    task_wait wait;
    lua_State *L; /* who reads, while keys are looked at */
    char *bytes;  /* read, and not looked at yet */
    size_t count, room;
    char *prompt;
    char *search; /* the prompt of a search in the history, to which all keys go; NULL when there is none */
    outcome outcome;
    bool at_key; /* the next character begins a key */
    bool reading, hidden, ended, out_of_memory;
} reader;

/* ---- line.c ---- */

/* Whose libedit that is. */
reader *line_of(EditLine *el);
/* What stands before the line: the prompt, or in a search that of the search. */
char *line_prompt_of(EditLine *el);
/* A search in the history begins, with that prompt, or none is under way any more: NULL. */
void line_set_search(reader *r, const char *prompt);

/* ---- line_input.c ---- */

/* For the watch of a reader: there is something to read, or never will be again. */
void line_on_input(loop_watch *w, short events);
/* The first so many bytes have been looked at. */
void line_take(reader *r, size_t count);
/* How many bytes at the beginning of the input are text. A character that is not there as a whole yet ends them. */
size_t line_text_length(const reader *r);
/* The length of the first key, 0 while a part of it is missing. In a search an escape can be a key by itself. */
size_t line_first_key(const reader *r);
/* True when libedit can have a whole key: it would block for the rest of one. Keys without a meaning are skipped. */
bool line_has_key(reader *r);
/* What libedit reads characters with. In a search it takes all keys for that of the search, and where a key begins,
 * text for that of LINE_INSERT. */
int line_next_character(EditLine *el, wchar_t *c);
/* Forgets what was typed or pasted and not read yet, on a terminal, until nothing has come for a moment. */
void line_drop(reader *r);
/* A copy that is text in the locale's encoding in any case; NULL when there is no memory. */
char *line_valid_copy(const char *text);

/* The key that text is turned into; as text itself it never comes to libedit as a key. */
#define LINE_INSERT 0xFF
#define LINE_INSERT_KEY "\303\277"

/* ---- line_screen.c ---- */

/* Whether libedit has the terminal in hand. */
void line_edit(reader *r, bool on);
/* Takes the prompt off the screen, so that something else can be written; puts it below. */
void line_hide(reader *r);
void line_show(reader *r);
/* The cursor, to the end of the line. */
void line_move_to_end(const reader *r);
/* For the watch of a reader: the terminal has another width, or was somebody else's meanwhile. */
void line_on_change(loop_watch *w, short events);

/* ---- line_keys.c ---- */

/* Has libedit call what keys do. */
void line_bind_keys(EditLine *el);

#endif
