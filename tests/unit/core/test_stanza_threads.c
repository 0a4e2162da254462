/* SPDX-License-Identifier: MIT */
/* A sealed stanza belongs to several threads at once; whoever leaves last frees it.  For the
 * thread sanitizer. */
#include "xml_kit.h"

#include "core/sendq.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 2000 };

static _Atomic unsigned freed;

static void *plain_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return realloc(p, n);
}

static void counting_release(void *ctx, void *p)
{
    (void)ctx;
    freed++;
    free(p);
}

static const struct jb_allocator counting = { plain_resize, counting_release, NULL };

/* Reads it all, wraps it, hands it on and lets it go. */
static void *use(void *p)
{
    struct jb_stanza *s = p;
    const struct jb_wrap wrap = { .added = JB_STR_INIT("<x xmlns='y'/>") };
    struct jb_sendq q;

    jb_sendq_init(&q, &jb_allocator_libc);
    for (int i = 0; i < ROUNDS; i++) {
        struct jb_stanza *mine = jb_stanza_ref(s);
        if (jb_sendq_push(&q, mine, i % 2 ? &wrap : NULL) != 0)
            return p;
        jb_stanza_unref(mine);
        if (!jb_node_is(&s->doc, 0, "message", JB_NS_CLIENT) ||
            !jb_str_eqz(jb_node_text(&s->doc, 1, NULL), "hi"))
            return p;
        if (i % 8 == 7)
            while (q.unsent)
                jb_sendq_sent(&q);
    }
    jb_sendq_deinit(&q);
    jb_stanza_unref(s); /* the reference that came with the thread */
    return NULL;
}

static void the_last_one_frees(void **state)
{
    pthread_t threads[THREADS];
    struct jb_stanza *s;
    (void)state;

    assert_int_equal(
        jb_stanza_new(JB_STR("<message xmlns='jabber:client'><body>hi</body></message>"), &arena,
                      &counting, 0, &s),
        0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, jb_stanza_ref(s)), 0);
    jb_stanza_unref(s);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_one_frees, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
