#include "leased.h"

#include <math.h>

/* Seconds that a request may go out late without anybody having to know. */
#define WORTH_TELLING 0.004

void leased_add(leased *l, leased_moment m) {
    if (l->count == LEASED_MOST)
        return;
    l->moments[(l->first + l->count++) % LEASED_MOST] = m;
}

static void drop_first(leased *l) {
    l->first = (l->first + 1) % LEASED_MOST;
    l->count--;
}

void leased_clear(leased *l) {
    l->count = 0;
}

static void give_up(leased *l, double now) {
    while (l->count > 0 && (l->moments[l->first].at < now - LEASED_LATE || l->moments[l->first].at < l->not_before)) {
        drop_first(l);
        l->given_up++;
    }
}

size_t leased_wanted(const leased *l, size_t room) {
    size_t most = (size_t)fmin(fmax(1, l->most), LEASED_MOST);
    size_t needed = room < most ? room : most;
    return l->count < needed && 2 * l->count <= most ? needed - l->count : 0;
}

bool leased_take(leased *l, double now, size_t room, leased_moment *m) {
    give_up(l, now);
    bool taken = l->count > 0 && l->moments[l->first].at <= now;
    *m = l->count > 0 ? l->moments[l->first] : (leased_moment){.at = INFINITY};
    if (taken)
        drop_first(l);
    if (leased_wanted(l, taken ? room - 1 : room) > 0)
        l->wanted(l->owner);
    return taken;
}

void leased_sent(leased *l, leased_moment m, double at) {
    if (at < m.at + WORTH_TELLING || l->lates == LEASED_NEWS)
        return;
    l->late[l->lates++] = (leased_moment){.number = m.number, .at = at};
    if (at > m.at + LEASED_LATE)
        l->wanted(l->owner);
}

void leased_rejected(leased *l, leased_rejection r, double now, double seconds) {
    l->not_before = fmax(l->not_before, now + seconds);
    if (l->rejections < LEASED_NEWS)
        l->rejected[l->rejections++] = r;
    l->wanted(l->owner);
}
