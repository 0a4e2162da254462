/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/list.h"

struct actor {
    int number;
    struct jb__list node;
};

static int sum_in_order(struct jb__list *head)
{
    int digits = 0;

    jb__list_each(it, next, head) digits =
        digits * 10 + jb__container_of(it, struct actor, node)->number;
    return digits;
}

static void test_order(void **state)
{
    (void)state;
    struct jb__list head;
    struct actor a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 };

    jb__list_init(&head);
    assert_true(jb__list_empty(&head));
    assert_int_equal(sum_in_order(&head), 0);
    jb__list_push(&head, &a.node);
    jb__list_push(&head, &b.node);
    jb__list_push(&head, &c.node);
    assert_false(jb__list_empty(&head));
    assert_int_equal(sum_in_order(&head), 123);
    jb__list_remove(&b.node);
    assert_int_equal(sum_in_order(&head), 13);
    jb__list_remove(&b.node); /* harmless */
    jb__list_push(&head, &b.node);
    assert_int_equal(sum_in_order(&head), 132);
    jb__list_remove(&a.node);
    jb__list_remove(&b.node);
    jb__list_remove(&c.node);
    assert_true(jb__list_empty(&head));
}

static void test_body_may_remove(void **state)
{
    (void)state;
    struct jb__list head;
    struct actor all[10];

    jb__list_init(&head);
    for (int i = 0; i < 10; i++) {
        all[i].number = i;
        jb__list_push(&head, &all[i].node);
    }
    jb__list_each(it, next, &head)
    {
        if (jb__container_of(it, struct actor, node)->number % 2 == 0)
            jb__list_remove(it);
    }
    assert_int_equal(sum_in_order(&head), 13579);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_body_may_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
