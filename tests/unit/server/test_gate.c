/* SPDX-License-Identifier: MIT */
/* The gate: every limit at limit - 1, limit, limit + 1, and counts that always return to zero. */
#include "test.h"
#include "server/gate.h"

#include <stdio.h>

enum { START_MS = 100000000, MINUTE_MS = 60 * 1000 };

struct fixture {
    struct gate gate;
    struct jb_limits limits;
    uint64_t now_ms;
};

/* Limits far away but for those that a test sets. */
static int setup(void **state)
{
    static struct fixture f;
    static const struct jb__hash_key key = { 1, 2 };

    f.limits = jb_limits_default;
    f.limits.connections = 1000000;
    f.limits.connections_per_address = 1000000;
    f.limits.unauthenticated_per_address = 1000000;
    f.limits.unauthenticated = 1000000;
    f.limits.accept_rate_per_address = 1000000;
    f.limits.address_table = 1024;
    f.now_ms = START_MS;
    gate_init(&f.gate, &key);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gate_deinit(&f->gate);
    return 0;
}

static struct jb__addr addr(const char *text)
{
    struct jb__addr a;

    assert_int_equal(jb__addr_parse(&a, jb_strz(text)), 0);
    a.port = 40000;
    return a;
}

/* The n-th of as many addresses as a test likes. */
static struct jb__addr numbered(unsigned n)
{
    char text[32];

    snprintf(text, sizeof text, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    return addr(text);
}

static enum jb_limit enter(struct fixture *f, const char *text)
{
    struct jb__addr a = addr(text);

    return gate_enter(&f->gate, &f->limits, &a, f->now_ms);
}

static void leave(struct fixture *f, const char *text, bool authenticated)
{
    struct jb__addr a = addr(text);

    gate_leave(&f->gate, &a, authenticated);
}

static void authenticated(struct fixture *f, const char *text)
{
    struct jb__addr a = addr(text);

    gate_authenticated(&f->gate, &a);
}

static void failed(struct fixture *f, const char *text)
{
    struct jb__addr a = addr(text);

    gate_auth_failed(&f->gate, &f->limits, &a, f->now_ms);
}

static enum jb_limit move(struct fixture *f, const char *was, const char *is)
{
    struct jb__addr a = addr(was), b = addr(is);

    return gate_move(&f->gate, &f->limits, &a, &b, f->now_ms);
}

static void assert_empty(const struct fixture *f)
{
    assert_int_equal(f->gate.connections, 0);
    assert_int_equal(f->gate.unauthenticated, 0);
}

/* ---- the limits ---- */

static void test_connections(void **state)
{
    struct fixture *f = *state;

    f->limits.connections = 3;
    for (unsigned i = 0; i < 3; i++) {
        struct jb__addr a = numbered(i);
        assert_int_equal(gate_enter(&f->gate, &f->limits, &a, f->now_ms), JB_LIMIT_COUNT);
    }
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_connections);
    assert_int_equal(f->gate.connections, 3);
    leave(f, "10.0.0.1", false);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    leave(f, "10.0.0.0", false);
    leave(f, "10.0.0.2", false);
    assert_empty(f);
}

static void test_connections_per_address(void **state)
{
    struct fixture *f = *state;

    f->limits.connections_per_address = 2;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    authenticated(f, "192.0.2.1");
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_connections_per_address);
    assert_int_equal(enter(f, "192.0.2.2"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", true);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.2", false);
    assert_empty(f);
}

static void test_unauthenticated_per_address(void **state)
{
    struct fixture *f = *state;

    f->limits.unauthenticated_per_address = 2;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_unauthenticated_per_address);
    authenticated(f, "192.0.2.1");
    assert_int_equal(f->gate.unauthenticated, 1);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_unauthenticated_per_address);
    leave(f, "192.0.2.1", true);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

/* ---- what an address is ---- */

static void test_ipv6_counts_by_64(void **state)
{
    struct fixture *f = *state;

    f->limits.connections_per_address = 2;
    assert_int_equal(enter(f, "2001:db8:0:1::1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "2001:db8:0:1:ffff:ffff:ffff:ffff"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "2001:db8:0:1:abcd::"), JB_LIMIT_connections_per_address);
    assert_int_equal(enter(f, "2001:db8:0:2::1"), JB_LIMIT_COUNT);
    assert_int_equal(f->gate.addresses.count, 2);
    /* Any address of the network may leave for another. */
    leave(f, "2001:db8:0:1::77", false);
    leave(f, "2001:db8:0:1::78", false);
    leave(f, "2001:db8:0:2::1", false);
    assert_empty(f);
}

static void test_ports_and_mapped(void **state)
{
    struct fixture *f = *state;
    struct jb__addr a = addr("192.0.2.1"), b = addr("192.0.2.1");

    b.port = 50000;
    f->limits.connections_per_address = 1;
    assert_int_equal(gate_enter(&f->gate, &f->limits, &a, f->now_ms), JB_LIMIT_COUNT);
    assert_int_equal(gate_enter(&f->gate, &f->limits, &b, f->now_ms),
                     JB_LIMIT_connections_per_address);
    assert_int_equal(enter(f, "::ffff:192.0.2.1"), JB_LIMIT_connections_per_address);
    assert_int_equal(enter(f, "192.0.2.2"), JB_LIMIT_COUNT); /* all 32 bits count */
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.2", false);
    assert_empty(f);
}

/* ---- rates ---- */

static void test_accept_rate(void **state)
{
    struct fixture *f = *state;
    int in = 0;

    f->limits.accept_rate_per_address = 5; /* burst: 20 */
    for (int i = 0; i < 20; i++)
        assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_accept_rate_per_address);
    assert_int_equal(enter(f, "192.0.2.2"), JB_LIMIT_COUNT);
    f->now_ms += 199;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_accept_rate_per_address);
    f->now_ms += 1;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_accept_rate_per_address);
    /* Silence earns no more than a burst. */
    f->now_ms += 24 * 60 * (uint64_t)MINUTE_MS;
    while (enter(f, "192.0.2.1") == JB_LIMIT_COUNT)
        in++;
    assert_int_equal(in, 20);
    for (int i = 0; i < 41; i++)
        leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.2", false);
    assert_empty(f);
}

/* The largest rate that can be configured does not overflow. */
static void test_accept_rate_most(void **state)
{
    struct fixture *f = *state;

    f->limits.accept_rate_per_address = jb_limit_info[JB_LIMIT_accept_rate_per_address].most;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    f->now_ms += 3600 * 1000;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    for (int i = 0; i < 1001; i++)
        leave(f, "192.0.2.1", false);
    assert_empty(f);
}

/* How many of `tries` newcomers are refused while `count` are unauthenticated. */
static int refused_at(struct fixture *f, unsigned count, int tries)
{
    struct jb_limits open = f->limits;
    int refused = 0;

    open.unauthenticated = 1000000;
    for (unsigned i = 0; i < count; i++) {
        struct jb__addr a = numbered(i);
        assert_int_equal(gate_enter(&f->gate, &open, &a, f->now_ms), JB_LIMIT_COUNT);
    }
    for (int i = 0; i < tries; i++) {
        enum jb_limit limit = enter(f, "192.0.2.1");
        if (limit == JB_LIMIT_COUNT)
            leave(f, "192.0.2.1", false);
        else
            refused++;
        assert_true(limit == JB_LIMIT_COUNT || limit == JB_LIMIT_unauthenticated);
    }
    for (unsigned i = 0; i < count; i++) {
        struct jb__addr a = numbered(i);
        gate_leave(&f->gate, &a, false);
    }
    assert_empty(f);
    return refused;
}

static void test_random_early_drop(void **state)
{
    struct fixture *f = *state;

    f->limits.unauthenticated = 100;
    assert_int_equal(refused_at(f, 0, 1000), 0);
    assert_int_equal(refused_at(f, 24, 1000), 0);
    /* At a quarter 30 of 100: 1200 of 4000, ten standard deviations either way. */
    assert_in_range(refused_at(f, 25, 4000), 910, 1490);
    /* Half way from there 65 of 100. */
    assert_in_range(refused_at(f, 62, 4000), 2280, 2880);
    /* One below the limit nearly all: 99 of 100 in the mean. */
    assert_in_range(refused_at(f, 99, 4000), 3890, 4000);
    assert_int_equal(refused_at(f, 100, 1000), 1000);
    assert_int_equal(refused_at(f, 101, 1000), 1000);
}

/* Below eight there is no room for chance. */
static void test_small_limit_is_sharp(void **state)
{
    struct fixture *f = *state;

    for (unsigned limit = 1; limit < 8; limit++) {
        f->limits.unauthenticated = limit;
        assert_int_equal(refused_at(f, limit - 1, 100), 0);
        assert_int_equal(refused_at(f, limit, 100), 100);
        assert_int_equal(refused_at(f, limit + 1, 100), 100);
    }
}

/* ---- failed logins ---- */

static void test_failures(void **state)
{
    struct fixture *f = *state;

    f->limits.auth_failures_per_address = 3;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    for (int i = 0; i < 3; i++)
        failed(f, "192.0.2.1");
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT); /* at the limit */
    failed(f, "192.0.2.1");
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_auth_failures_per_address);
    assert_int_equal(enter(f, "192.0.2.2"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.2", false);
    /* The penalty outlives the connections. */
    f->now_ms += 10 * MINUTE_MS - 1;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_auth_failures_per_address);
    f->now_ms += 1;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

static void test_failures_fade(void **state)
{
    struct fixture *f = *state;

    f->limits.auth_failures_per_address = 3;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    for (int window = 0; window < 5; window++) {
        for (int i = 0; i < 3; i++)
            failed(f, "192.0.2.1");
        f->now_ms += 10 * MINUTE_MS + 1;
    }
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

static void test_failure_of_unknown_address(void **state)
{
    struct fixture *f = *state;

    failed(f, "192.0.2.1");
    assert_int_equal(f->gate.addresses.count, 0);
}

static void test_registrations(void **state)
{
    struct fixture *f = *state;
    struct jb__addr a = addr("192.0.2.1"), b = addr("192.0.2.2");

    f->limits.registration_rate = 2;
    assert_true(gate_register(&f->gate, &f->limits, &a, f->now_ms));
    assert_true(gate_register(&f->gate, &f->limits, &a, f->now_ms));
    assert_false(gate_register(&f->gate, &f->limits, &a, f->now_ms));
    assert_true(gate_register(&f->gate, &f->limits, &b, f->now_ms));
    f->now_ms += 60 * MINUTE_MS;
    assert_false(gate_register(&f->gate, &f->limits, &a, f->now_ms));
    f->now_ms += 1;
    assert_true(gate_register(&f->gate, &f->limits, &a, f->now_ms));
    assert_empty(f);
}

/* ---- the table ---- */

static void fill_table(struct fixture *f, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        struct jb__addr a = numbered(i);
        assert_int_equal(gate_enter(&f->gate, &f->limits, &a, f->now_ms), JB_LIMIT_COUNT);
    }
}

static void empty_table(struct fixture *f, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        struct jb__addr a = numbered(i);
        gate_leave(&f->gate, &a, false);
    }
}

static void test_table_full_of_connected(void **state)
{
    struct fixture *f = *state;

    fill_table(f, 0, 1024);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_address_table);
    assert_int_equal(f->gate.addresses.count, 1024);
    assert_int_equal(enter(f, "10.0.0.7"), JB_LIMIT_COUNT); /* known already */
    leave(f, "10.0.0.7", false);
    leave(f, "10.0.0.7", false);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT); /* instead of 10.0.0.7 */
    assert_int_equal(f->gate.addresses.count, 1024);
    assert_int_equal(enter(f, "10.0.0.7"), JB_LIMIT_address_table);
    leave(f, "192.0.2.1", false);
    empty_table(f, 0, 7);
    empty_table(f, 8, 1016);
    assert_empty(f);
}

/* Who left longest ago is forgotten first. */
static void test_table_forgets_oldest(void **state)
{
    struct fixture *f = *state;

    f->limits.auth_failures_per_address = 1;
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT);
    failed(f, "192.0.2.1");
    failed(f, "192.0.2.1");
    leave(f, "192.0.2.1", false);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_auth_failures_per_address);
    for (unsigned i = 0; i < 1023; i++) {
        fill_table(f, i, 1);
        empty_table(f, i, 1);
    }
    assert_int_equal(f->gate.addresses.count, 1024);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_auth_failures_per_address);
    fill_table(f, 2000, 1);
    assert_int_equal(f->gate.addresses.count, 1024);
    assert_int_equal(enter(f, "192.0.2.1"), JB_LIMIT_COUNT); /* forgotten, instead of 10.0.0.0 */
    leave(f, "192.0.2.1", false);
    empty_table(f, 2000, 1);
    assert_empty(f);
}

/* ---- behind a proxy ---- */

static void test_move(void **state)
{
    struct fixture *f = *state;

    f->limits.connections_per_address = 2;
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(f->gate.connections, 1);
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    /* Refused, and counted all the same until it leaves. */
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_connections_per_address);
    assert_int_equal(f->gate.connections, 3);
    leave(f, "192.0.2.1", false);
    authenticated(f, "192.0.2.1");
    leave(f, "192.0.2.1", true);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

static void test_move_within_network(void **state)
{
    struct fixture *f = *state;

    f->limits.connections_per_address = 1;
    assert_int_equal(enter(f, "2001:db8::1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "2001:db8::1", "2001:db8::2"), JB_LIMIT_COUNT);
    leave(f, "2001:db8::2", false);
    assert_empty(f);
}

/* At the total limit a move is not one more. */
static void test_move_at_total_limit(void **state)
{
    struct fixture *f = *state;

    f->limits.connections = 1;
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

/* A moved connection is counted even when the table has no room: it must be able to leave. */
static void test_move_into_full_table(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    fill_table(f, 0, 1023);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(f->gate.addresses.count, 1025);
    leave(f, "192.0.2.1", false);
    leave(f, "127.0.0.1", false);
    empty_table(f, 0, 1023);
    assert_empty(f);
}

static void test_penalty_applies_to_moved(void **state)
{
    struct fixture *f = *state;

    f->limits.auth_failures_per_address = 1;
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    failed(f, "192.0.2.1");
    failed(f, "192.0.2.1");
    leave(f, "192.0.2.1", false);
    assert_int_equal(enter(f, "127.0.0.1"), JB_LIMIT_COUNT); /* the proxy is not to blame */
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_auth_failures_per_address);
    leave(f, "192.0.2.1", false);
    assert_empty(f);
}

/* All clients behind a proxy share its address: what is meant for one client must not fall on it.
 */
static void test_proxy_has_no_address_limits(void **state)
{
    struct fixture *f = *state;
    struct jb__addr proxy = addr("127.0.0.1");

    f->limits.connections = 300;
    f->limits.connections_per_address = 2;
    f->limits.unauthenticated_per_address = 2;
    f->limits.accept_rate_per_address = 1; /* burst: 4 */
    f->limits.auth_failures_per_address = 1;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(gate_enter_proxy(&f->gate, &f->limits, &proxy, f->now_ms), JB_LIMIT_COUNT);
        failed(f, "127.0.0.1");
    }
    assert_int_equal(gate_enter_proxy(&f->gate, &f->limits, &proxy, f->now_ms),
                     JB_LIMIT_connections);
    /* They fall on its clients. */
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_COUNT);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.1"), JB_LIMIT_connections_per_address);
    assert_int_equal(move(f, "127.0.0.1", "192.0.2.2"), JB_LIMIT_COUNT);
    for (int i = 0; i < 3; i++)
        leave(f, "192.0.2.1", false);
    leave(f, "192.0.2.2", false);
    for (int i = 0; i < 296; i++)
        leave(f, "127.0.0.1", false);
    assert_empty(f);
}

static void test_flood_through_proxy(void **state)
{
    struct fixture *f = *state;
    struct jb__addr proxy = addr("127.0.0.1");

    f->limits.unauthenticated = 4;
    for (int i = 0; i < 4; i++)
        assert_int_equal(gate_enter_proxy(&f->gate, &f->limits, &proxy, f->now_ms), JB_LIMIT_COUNT);
    assert_int_equal(gate_enter_proxy(&f->gate, &f->limits, &proxy, f->now_ms),
                     JB_LIMIT_unauthenticated);
    authenticated(f, "127.0.0.1");
    assert_int_equal(gate_enter_proxy(&f->gate, &f->limits, &proxy, f->now_ms), JB_LIMIT_COUNT);
    leave(f, "127.0.0.1", true);
    for (int i = 0; i < 4; i++)
        leave(f, "127.0.0.1", false);
    assert_empty(f);
}

/* ---- all together ---- */

/* Random lives of connections: counts agree with a plain model at each step, and end at zero. */
static void test_random_lives(void **state)
{
    enum { MOST = 400, STEPS = 50000 };
    static struct life {
        struct jb__addr at;
        bool authenticated;
    } lives[MOST];
    struct fixture *f = *state;
    uint64_t seed = 4711;
    unsigned n = 0, unauthenticated = 0;

    f->limits.connections = 300;
    f->limits.connections_per_address = 20;
    f->limits.unauthenticated_per_address = 15;
    f->limits.unauthenticated = 200;
    f->limits.accept_rate_per_address = 20;
    f->limits.address_table = 40;
    f->limits.auth_failures_per_address = 30;
    for (int step = 0; step < STEPS; step++) {
        struct jb__addr a = numbered((unsigned)(test_random(&seed) % 60));
        unsigned dice = (unsigned)(test_random(&seed) % 100);
        struct life *l = n ? &lives[test_random(&seed) % n] : NULL;
        f->now_ms += test_random(&seed) % 20;
        if (dice < 45 && n < MOST) {
            if (gate_enter(&f->gate, &f->limits, &a, f->now_ms) == JB_LIMIT_COUNT) {
                lives[n++] = (struct life){ a, false };
                unauthenticated++;
            }
        } else if (l && dice < 60 && !l->authenticated) {
            (void)gate_move(&f->gate, &f->limits, &l->at, &a, f->now_ms);
            l->at = a;
        } else if (l && dice < 75 && !l->authenticated) {
            gate_authenticated(&f->gate, &l->at);
            l->authenticated = true;
            unauthenticated--;
        } else if (l && dice < 78) {
            gate_auth_failed(&f->gate, &f->limits, &l->at, f->now_ms);
        } else if (l) {
            gate_leave(&f->gate, &l->at, l->authenticated);
            unauthenticated -= !l->authenticated;
            *l = lives[--n];
        }
        assert_int_equal(f->gate.connections, n);
        assert_int_equal(f->gate.unauthenticated, unauthenticated);
    }
    while (n > 0) {
        gate_leave(&f->gate, &lives[n - 1].at, lives[n - 1].authenticated);
        n--;
    }
    assert_empty(f);
}

#define gate_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gate_test(test_connections),
        gate_test(test_connections_per_address),
        gate_test(test_unauthenticated_per_address),
        gate_test(test_ipv6_counts_by_64),
        gate_test(test_ports_and_mapped),
        gate_test(test_accept_rate),
        gate_test(test_accept_rate_most),
        gate_test(test_random_early_drop),
        gate_test(test_small_limit_is_sharp),
        gate_test(test_failures),
        gate_test(test_failures_fade),
        gate_test(test_failure_of_unknown_address),
        gate_test(test_registrations),
        gate_test(test_table_full_of_connected),
        gate_test(test_table_forgets_oldest),
        gate_test(test_move),
        gate_test(test_move_within_network),
        gate_test(test_move_at_total_limit),
        gate_test(test_move_into_full_table),
        gate_test(test_penalty_applies_to_moved),
        gate_test(test_proxy_has_no_address_limits),
        gate_test(test_flood_through_proxy),
        gate_test(test_random_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
