/* SPDX-License-Identifier: MIT */
/* The send queue: order, cursors, what is counted, shapes of a stanza, and who owns what. */
#include "xml_kit.h"

#include "core/sendq.h"
#include "failing_alloc.h"

#include <stdio.h>

#define MESSAGE \
    "<message xmlns='jabber:client' from='a@b' to='c@d' id='1'><body>hi</body></message>"

static struct jb_stanza *sealed(const char *text)
{
    struct jb_stanza *s;

    assert_int_equal(jb_stanza_new(jb_strz(text), &arena, &jb_allocator_libc, 0, &s), 0);
    return s;
}

/* The next frame as one text. */
static struct jb_str next_text(const struct jb_sendq *q)
{
    static char text[1024];
    struct jb_str pieces[3];
    size_t n = 0;

    assert_non_null(q->unsent);
    jb_sendq_item_pieces(q->unsent, pieces);
    for (int i = 0; i < 3; i++) {
        if (pieces[i].n)
            memcpy(text + n, pieces[i].p, pieces[i].n);
        n += pieces[i].n;
    }
    assert_int_equal(n, jb_sendq_item_bytes(q->unsent));
    return jb_str(text, n);
}

static void keeps_order_and_counts(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    assert_null(q.unsent);
    assert_int_equal(jb_sendq_push_raw(&q, JB_STR("<a/>")), 0);
    assert_int_equal(jb_sendq_push(&q, s, NULL), 0);
    assert_int_equal(jb_sendq_push_raw(&q, JB_STR("<r/>")), 0);
    assert_int_equal(q.bytes_unsent, 8 + s->doc.bytes);
    assert_str_equal(next_text(&q), "<a/>");
    jb_sendq_sent(&q);
    assert_int_equal(q.sent, 0); /* no stanza */
    assert_str_equal(next_text(&q), MESSAGE);
    jb_sendq_sent(&q);
    assert_int_equal(q.sent, 1);
    assert_int_equal(q.acked, 1);
    assert_int_equal(q.bytes_unsent, 4);
    jb_sendq_sent(&q);
    assert_null(q.unsent);
    assert_null(q.first);
    assert_int_equal(q.bytes_unsent, 0);
    /* Emptied, it is as new. */
    assert_int_equal(jb_sendq_push_raw(&q, JB_STR("<b/>")), 0);
    assert_str_equal(next_text(&q), "<b/>");
    jb_sendq_deinit(&q);
    assert_null(q.unsent);
    assert_int_equal(s->refs, 1);
    jb_stanza_unref(s);
}

/* XEP-0198 keeps what is sent until it is acknowledged. */
static void keeps_what_is_not_acknowledged(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    q.keep = true;
    jb_sendq_number_from(&q, UINT32_MAX);
    assert_int_equal(jb_sendq_push(&q, s, NULL), 0);
    assert_int_equal(jb_sendq_push(&q, s, NULL), 0);
    jb_sendq_sent(&q);
    assert_int_equal(q.sent, 0); /* modulo 2^32 */
    assert_int_equal(q.acked, UINT32_MAX);
    assert_int_equal(q.bytes_unacked, s->doc.bytes);
    assert_int_equal(q.bytes_unsent, s->doc.bytes);
    assert_ptr_equal(q.first->next, q.unsent);
    jb_sendq_sent(&q);
    assert_null(q.unsent);
    assert_int_equal(q.bytes_unacked, 2 * s->doc.bytes);
    assert_int_equal(jb_sendq_push_raw(&q, JB_STR("<r/>")), 0);
    assert_str_equal(next_text(&q), "<r/>"); /* what is new is unsent, not the oldest kept */
    assert_int_equal(s->refs, 3);
    jb_sendq_deinit(&q);
    assert_int_equal(s->refs, 1);
    assert_int_equal(q.bytes_unacked, 0);
    jb_stanza_unref(s);
}

/* Sends all that is unsent. */
static void send_all(struct jb_sendq *q)
{
    while (q->unsent)
        jb_sendq_sent(q);
}

static void push(struct jb_sendq *q, struct jb_stanza *s, int64_t tag)
{
    const struct jb_wrap wrap = { .tag = tag };

    assert_int_equal(jb_sendq_push(q, s, &wrap), 0);
}

/* The tags that are taken now, as a decimal number. */
static int64_t taken(struct jb_sendq *q)
{
    int64_t tag, all = 0;

    while (jb_sendq_take_acked(q, &tag))
        all = all * 10 + tag;
    return all;
}

static void acknowledges(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    q.keep = true;
    jb_sendq_number_from(&q, UINT32_MAX - 1);
    push(&q, s, 1);
    assert_int_equal(jb_sendq_push_raw(&q, JB_STR("<r/>")), 0);
    push(&q, s, 2);
    push(&q, s, 3);
    assert_false(jb_sendq_may_ack(&q, UINT32_MAX)); /* not sent yet */
    jb_sendq_sent(&q);
    jb_sendq_sent(&q); /* what is no stanza is not kept */
    jb_sendq_sent(&q);
    assert_int_equal(q.kept, 2);
    assert_true(jb_sendq_may_ack(&q, UINT32_MAX - 1));
    assert_true(jb_sendq_may_ack(&q, 0));
    assert_false(jb_sendq_may_ack(&q, 1));
    assert_false(jb_sendq_may_ack(&q, UINT32_MAX - 2));
    jb_sendq_ack(&q, UINT32_MAX);
    assert_int_equal(taken(&q), 1);
    assert_int_equal(q.kept, 1);
    send_all(&q);
    jb_sendq_ack(&q, 1);
    assert_int_equal(taken(&q), 23);
    assert_null(q.first);
    assert_int_equal(q.bytes_unacked, 0);
    push(&q, s, 4);
    send_all(&q);
    jb_sendq_ack(&q, 2);
    assert_int_equal(taken(&q), 4);
    jb_sendq_deinit(&q);
    assert_int_equal(s->refs, 1);
    jb_stanza_unref(s);
}

static void sends_again_after_rewinding(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q, other;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    jb_sendq_init(&other, &jb_allocator_libc);
    q.keep = true;
    for (int64_t tag = 1; tag <= 4; tag++)
        push(&q, s, tag);
    for (int i = 0; i < 3; i++)
        jb_sendq_sent(&q);
    jb_sendq_ack(&q, 1);
    assert_int_equal(taken(&q), 1);
    jb_sendq_move(&other, &q);
    assert_null(q.first);
    jb_sendq_rewind(&other);
    assert_int_equal(other.bytes_unsent, 3 * other.unsent->head_bytes +
                                             3 * other.unsent->middle_bytes +
                                             3 * other.unsent->tail_bytes);
    assert_int_equal(other.sent, 1);
    assert_int_equal(other.most, 3);
    assert_int_equal(other.unsent->tag, 2);
    assert_int_equal(jb_sendq_push_saved(&other, JB_STR("<message/>"), 5), 0);
    send_all(&other);
    assert_int_equal(other.sent, 5);
    jb_sendq_ack(&other, 5);
    assert_int_equal(taken(&other), 2345);
    /* An empty one moves as well. */
    jb_sendq_move(&q, &other);
    push(&q, s, 6);
    send_all(&q);
    assert_int_equal(q.sent, 6);
    jb_sendq_deinit(&q);
    jb_sendq_deinit(&other);
    assert_int_equal(s->refs, 1);
    jb_stanza_unref(s);
}

/* Four were sent on one connection and one of them on the next; of the first it had three. */
static void catches_up(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q, next;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    jb_sendq_init(&next, &jb_allocator_libc);
    q.keep = true;
    jb_sendq_number_from(&q, UINT32_MAX - 1);
    for (int64_t tag = 1; tag <= 5; tag++)
        push(&q, s, tag);
    for (int i = 0; i < 4; i++)
        jb_sendq_sent(&q);
    jb_sendq_rewind(&q);
    jb_sendq_splice(&next, &q);
    jb_sendq_sent(&next);
    assert_false(jb_sendq_may_ack(&next, 1));
    assert_false(jb_sendq_catch_up(&next, 3)); /* the fifth was not sent */
    assert_false(jb_sendq_catch_up(&next, UINT32_MAX - 2));
    assert_int_equal(next.sent, UINT32_MAX);
    assert_true(jb_sendq_catch_up(&next, 1));
    assert_int_equal(next.sent, 1);
    assert_int_equal(next.unsent->tag, 4);
    assert_true(jb_sendq_catch_up(&next, UINT32_MAX)); /* nothing is taken back */
    assert_int_equal(next.sent, 1);
    jb_sendq_ack(&next, 1);
    assert_int_equal(taken(&next), 123);
    assert_false(jb_sendq_catch_up(&next, 0));
    assert_true(jb_sendq_catch_up(&next, 2)); /* all that was ever sent */
    assert_int_equal(next.unsent->tag, 5);
    send_all(&next);
    assert_int_equal(next.sent, 3);
    assert_int_equal(next.most, 3);
    jb_sendq_deinit(&q);
    jb_sendq_deinit(&next);
    jb_stanza_unref(s);
}

/* A rewound queue goes behind what waits already, which does not count any more. */
static void check_splice(uint32_t waiting, uint32_t saved)
{
    struct jb_sendq to, from;

    jb_sendq_init(&to, &jb_allocator_libc);
    jb_sendq_init(&from, &jb_allocator_libc);
    from.keep = true;
    jb_sendq_number_from(&from, UINT32_MAX);
    for (uint32_t i = 0; i < waiting; i++)
        assert_int_equal(jb_sendq_push_saved(&to, JB_STR("<waiting/>"), 0), 0);
    for (uint32_t i = 0; i < saved; i++)
        assert_int_equal(jb_sendq_push_saved(&from, JB_STR("<saved/>"), i + 1), 0);
    send_all(&from);
    jb_sendq_rewind(&from);
    jb_sendq_splice(&to, &from);
    assert_true(!from.first && !from.unsent && from.queued == 0 && from.bytes_unsent == 0);
    assert_ptr_equal(from.alloc, &jb_allocator_libc);
    assert_int_equal(to.bytes_unsent, 10 * waiting + 8 * saved);
    assert_int_equal(to.queued, (uint32_t)(UINT32_MAX + saved));
    assert_int_equal(jb_sendq_push_raw(&to, JB_STR("<new/>")), 0);
    for (uint32_t i = 0; i < waiting; i++) {
        assert_str_equal(next_text(&to), "<waiting/>");
        jb_sendq_sent(&to);
        assert_true(to.kept == 0 && to.sent == UINT32_MAX && to.acked == UINT32_MAX);
    }
    for (uint32_t i = 0; i < saved; i++) {
        assert_str_equal(next_text(&to), "<saved/>");
        jb_sendq_sent(&to);
        assert_true(to.kept == i + 1 && to.sent == i && to.acked == UINT32_MAX);
    }
    assert_str_equal(next_text(&to), "<new/>");
    jb_sendq_sent(&to);
    assert_true(!to.unsent && to.bytes_unsent == 0 && to.bytes_unacked == 8 * saved && to.keep);
    jb_sendq_ack(&to, to.sent);
    assert_int_equal(taken(&to), saved == 0 ? 0 : saved == 1 ? 1 : 12);
    assert_null(to.first);
    jb_sendq_deinit(&to);
}

static void splices(void **state)
{
    (void)state;

    for (uint32_t waiting = 0; waiting < 3; waiting++)
        for (uint32_t saved = 0; saved < 3; saved++)
            check_splice(waiting, saved);
}

/* Without stream management only what somebody asked about is kept. */
static void keeps_what_has_a_tag(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    struct jb_sendq q;
    (void)state;

    jb_sendq_init(&q, &jb_allocator_libc);
    assert_int_equal(jb_sendq_push(&q, s, NULL), 0);
    push(&q, s, 7);
    assert_int_equal(jb_sendq_push(&q, s, NULL), 0);
    send_all(&q);
    assert_int_equal(q.kept, 1);
    assert_int_equal(q.acked, 1);
    assert_int_equal(q.sent, 3);
    jb_sendq_ack(&q, 3);
    assert_int_equal(taken(&q), 7);
    assert_null(q.first);
    jb_sendq_deinit(&q);
    jb_stanza_unref(s);
}

/* Longer than what is kept free for addresses. */
#define PREFIX "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
#define ADDED  "<x xmlns='yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'/>"

static void wraps(void **state)
{
    static const struct {
        const char *stanza, *to, *added, *wanted;
    } rows[] = {
        { MESSAGE, "e@f/g&'<>", "",
          "<message xmlns='jabber:client' id='1' from='a@b' to='e@f/g&amp;&apos;&lt;&gt;'>"
          "<body>hi</body></message>" },
        { MESSAGE, NULL, "<x xmlns='y'/>",
          "<message xmlns='jabber:client' id='1' from='a@b' to='c@d'><body>hi</body>"
          "<x xmlns='y'/></message>" },
        { MESSAGE, NULL, "",
          "<message xmlns='jabber:client' id='1' from='a@b' to='c@d'><body>hi</body></message>" },
        { "<c:iq xmlns:c='jabber:client' type=\"get\"/>", "e@f", "<x xmlns='y'/>",
          "<c:iq xmlns:c='jabber:client' type=\"get\" to='e@f'><x xmlns='y'/></c:iq>" },
        { "<presence xmlns='jabber:client' ></presence >", "e@f", "",
          "<presence xmlns='jabber:client' to='e@f'></presence>" },
        { "<" PREFIX ":iq xmlns:" PREFIX "='jabber:client' type='get'/>", NULL, ADDED,
          "<" PREFIX ":iq xmlns:" PREFIX "='jabber:client' type='get'>" ADDED "</" PREFIX ":iq>" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_stanza *s = sealed(rows[i].stanza);
        struct jb_wrap wrap = { .added = jb_strz(rows[i].added) };
        struct jb_sendq q;
        if (rows[i].to)
            assert_int_equal(jb_jid_parse(jb_strz(rows[i].to), &arena, &wrap.to), 0);
        jb_sendq_init(&q, &jb_allocator_libc);
        assert_int_equal(jb_sendq_push(&q, s, &wrap), 0);
        assert_true(q.unsent->counted);
        assert_str_equal(next_text(&q), rows[i].wanted);
        assert_int_equal(q.bytes_unsent, strlen(rows[i].wanted));
        parse_good(rows[i].wanted);
        jb_sendq_deinit(&q);
        jb_stanza_unref(s);
    }
}

static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_stanza *s = ctx;
    const struct jb_wrap wrap = { .added = JB_STR_INIT("<x xmlns='y'/>") };
    struct jb_sendq q;
    unsigned pushed = 0;

    jb_sendq_init(&q, &f->alloc);
    int rc = jb_sendq_push(&q, s, NULL);
    pushed += rc == 0;
    assert_true(rc == 0 || rc == JB_ENOMEM);
    rc = jb_sendq_push(&q, s, &wrap);
    pushed += rc == 0;
    assert_true(rc == 0 || rc == JB_ENOMEM);
    assert_int_equal(s->refs, 1 + pushed); /* what was not appended took nothing */
    rc = jb_sendq_push_raw(&q, JB_STR("<a/>"));
    pushed += rc == 0;
    assert_true(rc == 0 || rc == JB_ENOMEM);
    rc = jb_sendq_push_saved(&q, JB_STR("<message/>"), 0);
    pushed += rc == 0;
    assert_true(rc == 0 || rc == JB_ENOMEM);
    assert_int_equal(pushed == 4, !f->failed);
    while (q.unsent)
        jb_sendq_sent(&q);
    assert_int_equal(q.bytes_unsent, 0);
    jb_sendq_deinit(&q);
}

static void out_of_memory(void **state)
{
    struct jb_stanza *s = sealed(MESSAGE);
    (void)state;

    assert_int_equal(failing_alloc_loop(short_of_memory, s), 4);
    assert_int_equal(s->refs, 1);
    jb_stanza_unref(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_order_and_counts),
        TEST(keeps_what_is_not_acknowledged),
        TEST(acknowledges),
        TEST(sends_again_after_rewinding),
        TEST(catches_up),
        TEST(splices),
        TEST(keeps_what_has_a_tag),
        TEST(wraps),
        TEST(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
