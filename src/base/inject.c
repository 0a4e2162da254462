/* SPDX-License-Identifier: MIT */
#include "base/inject.h"

#ifdef JABIRU_TEST_HOOKS

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static struct {
    _Atomic uint64_t calls;
    _Atomic uint64_t hits;
    _Atomic uint64_t k; /* 0: not armed */
    enum jb__inject_how how;
    int signal;
} points[JB__INJECT_COUNT];

static const char *const names[JB__INJECT_COUNT] = {
#define NAME(name, text) text,
    JB__INJECT_POINTS(NAME)
#undef NAME
};

bool jb__inject(enum jb__inject_point point)
{
    uint64_t call = atomic_fetch_add(&points[point].calls, 1) + 1;
    uint64_t k = atomic_load(&points[point].k);

    if (k == 0 || call < k || (call > k && points[point].how != JB__INJECT_EVER))
        return false;
    atomic_fetch_add(&points[point].hits, 1);
    if (points[point].how != JB__INJECT_SIGNAL)
        return true;
    kill(getpid(), points[point].signal);
    return false;
}

void jb__inject_arm(enum jb__inject_point point, uint64_t k, enum jb__inject_how how, int signal)
{
    atomic_store(&points[point].k, 0); /* at rest while the rest is set */
    atomic_store(&points[point].calls, 0);
    atomic_store(&points[point].hits, 0);
    points[point].how = how;
    points[point].signal = signal;
    atomic_store(&points[point].k, k);
}

uint64_t jb__inject_calls(enum jb__inject_point point)
{
    return atomic_load(&points[point].calls);
}

uint64_t jb__inject_hits(enum jb__inject_point point)
{
    return atomic_load(&points[point].hits);
}

const char *jb__inject_name(enum jb__inject_point point)
{
    return names[point];
}

bool jb__inject_find(struct jb_str name, enum jb__inject_point *point)
{
    for (int i = 0; i < JB__INJECT_COUNT; i++) {
        if (!jb_str_eqz(name, names[i]))
            continue;
        *point = (enum jb__inject_point)i;
        return true;
    }
    return false;
}

/* POINT:K, POINT:K+ or POINT:K=SIGNAL */
static bool arm_one(struct jb_str text)
{
    enum jb__inject_how how = JB__INJECT_ONCE;
    enum jb__inject_point point;
    struct jb_str name, number, after;
    uint64_t k, signal = 0;

    if (!jb_str_cut(text, ':', &name, &number))
        return false;
    if (number.n && number.p[number.n - 1] == '+') {
        how = JB__INJECT_EVER;
        number.n--;
    } else if (jb_str_cut(number, '=', &number, &after)) {
        how = JB__INJECT_SIGNAL;
        if (!jb_str_u64(after, (uint64_t)NSIG - 1, &signal) || signal == 0)
            return false;
    }
    if (!jb__inject_find(name, &point) || !jb_str_u64(number, UINT64_MAX, &k) || k == 0)
        return false;
    jb__inject_arm(point, k, how, (int)signal);
    return true;
}

bool jb__inject_parse(const char *text)
{
    struct jb_str rest = jb_strz(text), one;
    bool more = rest.n > 0;

    while (more) {
        more = jb_str_cut(rest, ',', &one, &rest);
        if (!arm_one(one))
            return false;
    }
    return true;
}

#endif
