/* SPDX-License-Identifier: MIT */
/* The whole client against a server in the same thread: a day for every allocation that may fail;
 * and how much memory a client takes. */
#include "test.h"

#include "day.h"

#include <stdio.h>

/* Long enough to be worth compressing. */
static const char long_text[] =
    "Good night, good night! Parting is such sweet sorrow, that I shall say good night till it be "
    "morrow. Sleep dwell upon thine eyes, peace in thy breast! Would I were sleep and peace, so "
    "sweet to rest! Hence will I to my ghostly father's cell, his help to crave, and my dear hap "
    "to tell. Good night, good night!";

static int begin(struct day *d)
{
    char url[64];
    int rc = jb_client_new(&d->client, &d->f->alloc);

    if (rc != 0)
        return rc;
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", d->server->at.port);
    jb_client_set(d->client, JB_SETTING_BACKOFF_LEAST_MS, 10);
    jb_client_set(d->client, JB_SETTING_BACKOFF_MOST_MS, 10);
    jb_client_set(d->client, JB_SETTING_ACK_INTERVAL_MS, 0);
    jb_client_set(d->client, JB_SETTING_DEFLATE, d->server->may_deflate);
    rc = jb_client_set_text(d->client, JB_OPTION_URL, url);
    return rc != 0 ? rc : jb_client_connect(d->client, "romeo@localhost", "wherefore");
}

/* What is special about it. */
enum kind { PLAIN_DAY, WITHOUT_SM, WITH_DEFLATE, WITH_SASL2, WITH_LONG_ANSWERS, WITH_ODD_WORDS };

static void day_of_a_client(struct failing_alloc *f, void *ctx)
{
    static struct mini server;
    const enum kind kind = *(const enum kind *)ctx;
    struct day d = { .server = &server, .f = f, .text = "<&>" };

    mini_init(&server);
    server.without_sm = kind == WITHOUT_SM;
    server.may_deflate = kind == WITH_DEFLATE;
    server.is_sasl2 = kind == WITH_SASL2;
    server.is_wordy = kind == WITH_LONG_ANSWERS;
    server.is_odd = kind == WITH_ODD_WORDS;
    server.config.limits.deflate_threshold_bytes = 1;
    if (kind == WITH_DEFLATE)
        d.text = long_text;
    int rc = begin(&d);
    if (rc == 0)
        day_run(&d);
    else
        assert_true(rc == JB_ENOMEM && f->failed);
    if (rc == 0 && !f->all_after) { /* one failure alone is overcome */
        assert_true(d.online && d.answered && d.echoed && d.acked && d.cut && d.acked_late);
        assert_true(f->failed || server.without_sm || d.resumed);
        assert_true(f->failed || server.messages == 2);
        assert_true(f->failed || (server.packed_in > 0) == (kind == WITH_DEFLATE));
        assert_true((server.packed_out > 0) == (kind == WITH_DEFLATE));
    }
    jb_client_free(d.client);
    mini_deinit(&server);
}

static void out_of_memory(void **kind)
{
    assert_true(failing_alloc_loop(day_of_a_client, *kind) > 50);
}

/* What arrived when there was no memory to look at it is not lost (WITH_LONG_ANSWERS).  That there
 * was no memory for a mechanism's name does not mean that there is no mechanism; nor is a message
 * that there was no memory to judge a good one (WITH_ODD_WORDS). */
static enum kind kinds[] = { PLAIN_DAY,  WITHOUT_SM,        WITH_DEFLATE,
                             WITH_SASL2, WITH_LONG_ANSWERS, WITH_ODD_WORDS };

#define OUT_OF_MEMORY(words, kind) { "out of memory" words, out_of_memory, NULL, NULL, &kinds[kind] }

/* ---- memory ---- */

struct counter {
    size_t now, most;
};

static void *count_resize(void *ctx, void *p, size_t n)
{
    struct counter *c = ctx;
    size_t *head = p ? (size_t *)p - 2 : NULL;

    c->now += n - (head ? head[0] : 0);
    c->most = c->now > c->most ? c->now : c->most;
    head = realloc(head, n + 2 * sizeof *head);
    jb_assert(head);
    head[0] = n;
    return head + 2;
}

static void count_release(void *ctx, void *p)
{
    ((struct counter *)ctx)->now -= ((size_t *)p - 2)[0];
    free((size_t *)p - 2);
}

static void measure_idle(bool deflate)
{
    static struct mini server;
    struct counter count = { 0 };
    struct failing_alloc f = { .alloc = { count_resize, count_release, &count } };
    struct day d = { .server = &server, .f = &f, .text = long_text };

    mini_init(&server);
    server.may_deflate = deflate;
    assert_int_equal(begin(&d), 0);
    while (!d.echoed || !d.acked) {
        day_turn(&d);
        for (const struct jb_event *ev; (ev = jb_client_next(d.client)) != NULL;)
            day_on_event(&d, ev);
        if (!d.acked || !d.echoed)
            day_act(&d);
    }
    day_turn(&d);
    assert_null(jb_client_next(d.client));
    printf("# idle%s: %zu bytes, at most %zu\n", deflate ? ", compressing" : "", count.now,
           count.most);
    assert_true(count.now <= 16 * 1024);
    jb_client_free(d.client);
    assert_int_equal(count.now, 0);
    mini_deinit(&server);
}

static void an_idle_client_is_small(void **state)
{
    (void)state;
    measure_idle(false);
    measure_idle(true);
}

/* ---- what is refused without a connection ---- */

static void settings_have_ranges(void **state)
{
    struct jb_client *c;

    (void)state;
    assert_int_equal(jb_client_new(&c, NULL), 0);
#define TRY(name, def, least, most, words)                                         \
    assert_int_equal(jb_client_set(c, JB_SETTING_##name, least), 0);               \
    assert_int_equal(jb_client_set(c, JB_SETTING_##name, most), 0);                \
    assert_int_equal(jb_client_set(c, JB_SETTING_##name, (most) + 1u), JB_EINVAL); \
    if ((least) > 0)                                                               \
        assert_int_equal(jb_client_set(c, JB_SETTING_##name, (least)-1u), JB_EINVAL);
    JB_SETTINGS(TRY)
#undef TRY
    assert_int_equal(jb_client_set(c, JB_SETTING_COUNT, 1), JB_EINVAL);
    assert_int_equal(jb_client_set_text(c, JB_OPTION_COUNT, "x"), JB_EINVAL);
    assert_int_equal(jb_client_set_text(c, JB_OPTION_URL, "https://localhost/"), JB_EINVAL);
    assert_int_equal(jb_client_set_text(c, JB_OPTION_MECHANISM, "SCRAM"), JB_EINVAL);
    assert_int_equal(jb_client_set_text(c, JB_OPTION_MECHANISM, "SCRAM-SHA-1"), 0);
    assert_int_equal(jb_client_set_text(c, JB_OPTION_MECHANISM, NULL), 0);
    jb_client_free(c);
    jb_client_free(NULL);
}

static void addresses_are_looked_at(void **state)
{
    static const char *const bad[] = { "", "@", "a@", "@b", "a b@c", "a@b@c", "\xff@b" };
    struct jb_client *c;

    (void)state;
    assert_int_equal(jb_client_new(&c, NULL), 0);
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        assert_int_equal(jb_client_connect(c, bad[k], "x"), JB_EINVAL);
    assert_int_equal(jb_client_connect(c, NULL, "x"), JB_EINVAL);
    assert_int_equal(jb_client_connect(c, "romeo@localhost", NULL), JB_EINVAL);
    assert_string_equal(jb_client_jid(c), "");
    assert_int_equal(jb_client_send(c, "<message/>", NULL), JB_ESTATE);
    assert_int_equal(jb_client_connect(c, "ROMEO@LocalHost/x", "x"), 0);
    assert_string_equal(jb_client_jid(c), "romeo@localhost");
    assert_int_equal(jb_client_connect(c, "romeo@localhost", "x"), JB_ESTATE);
    jb_client_free(c);
}

static void a_client_says_when_it_is_over(void **state)
{
    struct jb_client *c;
    const struct jb_event *ev;

    (void)state;
    assert_int_equal(jb_client_new(&c, NULL), 0);
    assert_true(jb_client_is_over(c));
    assert_int_equal(jb_client_set_text(c, JB_OPTION_URL, "ws://127.0.0.1:1/"), 0);
    assert_int_equal(jb_client_connect(c, "romeo@localhost", "x"), 0);
    assert_false(jb_client_is_over(c));
    jb_client_disconnect(c);
    assert_false(jb_client_is_over(c)); /* there is something to be told */
    ev = jb_client_next(c);
    assert_int_equal(jb_event_kind(ev), JB_EVENT_OFFLINE);
    assert_int_equal(jb_event_acked_by(ev), JB_ACKED_BY_NONE);
    assert_true(jb_client_is_over(c));
    jb_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUT_OF_MEMORY("", PLAIN_DAY),
        OUT_OF_MEMORY(" without stream management", WITHOUT_SM),
        OUT_OF_MEMORY(" while compressing", WITH_DEFLATE),
        OUT_OF_MEMORY(" in one round", WITH_SASL2),
        OUT_OF_MEMORY(" for long answers", WITH_LONG_ANSWERS),
        OUT_OF_MEMORY(" for odd words", WITH_ODD_WORDS),
        cmocka_unit_test(an_idle_client_is_small),
        cmocka_unit_test(settings_have_ranges),
        cmocka_unit_test(addresses_are_looked_at),
        cmocka_unit_test(a_client_says_when_it_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
