#include "line_inside.h"

#include "terminal.h"

#include <stdio.h>
#include <string.h>

void line_edit(reader *r, bool on) {
    if (on)
        terminal_borrow();
    el_set(r->el, EL_UNBUFFERED, on ? 1 : 0);
    if (!on)
        terminal_return();
}

/* What stands between two \1 takes no room: colours. */
static void step_over_prompt(terminal_place *at, const char *prompt, int width) {
    mbstate_t state = {0};
    size_t length = strlen(prompt), got;
    bool shown = true;
    wchar_t c;
    for (; length > 0 && (got = mbrtowc(&c, prompt, length, &state)) - 1 < length; prompt += got, length -= got) {
        if (c == L'\1')
            shown = !shown;
        else if (shown)
            terminal_step(at, c, width);
    }
}

static int row_of_cursor(const reader *r) {
    int width = terminal_columns();
    terminal_place at = {0};
    const LineInfoW *line = el_wline(r->el);
    step_over_prompt(&at, line_prompt_of(r->el), width);
    for (const wchar_t *c = line->buffer; c < line->cursor; c++)
        terminal_step(&at, *c, width);
    return at.row + (at.column == width ? 1 : 0);
}

void line_hide(reader *r) {
    if (r->el == NULL || !r->reading || r->hidden)
        return;
    int row = row_of_cursor(r);
    r->hidden = true;
    if (row > 0)
        printf("\033[%dA", row);
    fputs("\r\033[J", stdout);
    fflush(stdout);
}

void line_show(reader *r) {
    if (r->el == NULL || !r->reading || !r->hidden)
        return;
    r->hidden = false;
    fflush(stdout);
    el_set(r->el, EL_REFRESH);
}

void line_move_to_end(const reader *r) {
    const LineInfoW *line = el_wline(r->el);
    el_cursor(r->el, (int)(line->lastchar - line->cursor));
}

void line_on_change(loop_watch *w, short events) {
    reader *r = w->owner;
    (void)events;
    terminal_change change = terminal_changed();
    if (change == UNCHANGED || !r->reading)
        return;
    if (change == CONTINUED) {
        el_set(r->el, EL_PREP_TERM, 0);
        el_set(r->el, EL_PREP_TERM, 1);
    }
    line_hide(r);
    el_resize(r->el);
    line_show(r);
}
