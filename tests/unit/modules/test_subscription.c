/* SPDX-License-Identifier: MIT */
/* The subscription state machine against every row of RFC 6121 appendix A. */
#include "test.h"

#include "modules/rfc6121_roster.h"
#include "modules/rfc6121_subscription.h"

/* The nine states of appendix A.1. */
enum {
    NONE = 0,
    NONE_OUT = ROSTER_ASK,
    NONE_IN = ROSTER_PENDING_IN,
    NONE_OUT_IN = ROSTER_ASK | ROSTER_PENDING_IN,
    TO = ROSTER_TO,
    TO_IN = ROSTER_TO | ROSTER_PENDING_IN,
    FROM = ROSTER_FROM,
    FROM_OUT = ROSTER_FROM | ROSTER_ASK,
    BOTH = ROSTER_TO | ROSTER_FROM,
};

static const uint8_t nine[] = { NONE,  NONE_OUT, NONE_IN,  NONE_OUT_IN, TO,
                                TO_IN, FROM,     FROM_OUT, BOTH };

enum { MUST = 1, NOT = 0 }; /* be routed (A.2), be delivered (A.3) */

struct row {
    uint8_t before;
    bool pass;
    uint8_t after;
};

#define TABLE_BITS (ROSTER_TO | ROSTER_FROM | ROSTER_ASK | ROSTER_PENDING_IN)

static void check_table(enum subscription_side side, enum jb_stanza_type type,
                        const struct row rows[9])
{
    for (size_t i = 0; i < 9; i++) {
        struct subscription_step step = subscription_step(rows[i].before, side, type);
        assert_int_equal(rows[i].before, nine[i]); /* none left out */
        assert_int_equal(step.state & TABLE_BITS, rows[i].after);
        assert_int_equal(step.pass, rows[i].pass);
    }
}

/* A.2.1 */
static void test_table_a_2_1(void **state)
{
    static const struct row rows[9] = {
        { NONE, MUST, NONE_OUT },
        { NONE_OUT, MUST, NONE_OUT },
        { NONE_IN, MUST, NONE_OUT_IN },
        { NONE_OUT_IN, MUST, NONE_OUT_IN },
        { TO, MUST, TO },
        { TO_IN, MUST, TO_IN },
        { FROM, MUST, FROM_OUT },
        { FROM_OUT, MUST, FROM_OUT },
        { BOTH, MUST, BOTH },
    };

    (void)state;
    check_table(SUBSCRIPTION_OUT, JB_TYPE_SUBSCRIBE, rows);
}

/* A.2.2 */
static void test_table_a_2_2(void **state)
{
    static const struct row rows[9] = {
        { NONE, MUST, NONE },           { NONE_OUT, MUST, NONE }, { NONE_IN, MUST, NONE_IN },
        { NONE_OUT_IN, MUST, NONE_IN }, { TO, MUST, NONE },       { TO_IN, MUST, NONE_IN },
        { FROM, MUST, FROM },           { FROM_OUT, MUST, FROM }, { BOTH, MUST, FROM },
    };

    (void)state;
    check_table(SUBSCRIPTION_OUT, JB_TYPE_UNSUBSCRIBE, rows);
}

/* A.2.3 */
static void test_table_a_2_3(void **state)
{
    static const struct row rows[9] = {
        { NONE, NOT, NONE },     { NONE_OUT, NOT, NONE_OUT },
        { NONE_IN, MUST, FROM }, { NONE_OUT_IN, MUST, FROM_OUT },
        { TO, NOT, TO },         { TO_IN, MUST, BOTH },
        { FROM, NOT, FROM },     { FROM_OUT, NOT, FROM_OUT },
        { BOTH, NOT, BOTH },
    };

    (void)state;
    check_table(SUBSCRIPTION_OUT, JB_TYPE_SUBSCRIBED, rows);
}

/* A.2.4 */
static void test_table_a_2_4(void **state)
{
    static const struct row rows[9] = {
        { NONE, NOT, NONE },     { NONE_OUT, NOT, NONE_OUT },
        { NONE_IN, MUST, NONE }, { NONE_OUT_IN, MUST, NONE_OUT },
        { TO, NOT, TO },         { TO_IN, MUST, TO },
        { FROM, MUST, NONE },    { FROM_OUT, MUST, NONE_OUT },
        { BOTH, MUST, TO },
    };

    (void)state;
    check_table(SUBSCRIPTION_OUT, JB_TYPE_UNSUBSCRIBED, rows);
}

/* A.3.1 */
static void test_table_a_3_1(void **state)
{
    static const struct row rows[9] = {
        { NONE, MUST, NONE_IN },   { NONE_OUT, MUST, NONE_OUT_IN },
        { NONE_IN, NOT, NONE_IN }, { NONE_OUT_IN, NOT, NONE_OUT_IN },
        { TO, MUST, TO_IN },       { TO_IN, NOT, TO_IN },
        { FROM, NOT, FROM },       { FROM_OUT, NOT, FROM_OUT },
        { BOTH, NOT, BOTH },
    };

    (void)state;
    check_table(SUBSCRIPTION_IN, JB_TYPE_SUBSCRIBE, rows);
}

/* A.3.2 */
static void test_table_a_3_2(void **state)
{
    static const struct row rows[9] = {
        { NONE, NOT, NONE },     { NONE_OUT, NOT, NONE_OUT },
        { NONE_IN, MUST, NONE }, { NONE_OUT_IN, MUST, NONE_OUT },
        { TO, NOT, TO },         { TO_IN, MUST, TO },
        { FROM, MUST, NONE },    { FROM_OUT, MUST, NONE_OUT },
        { BOTH, MUST, TO },
    };

    (void)state;
    check_table(SUBSCRIPTION_IN, JB_TYPE_UNSUBSCRIBE, rows);
}

/* A.3.3 */
static void test_table_a_3_3(void **state)
{
    static const struct row rows[9] = {
        { NONE, NOT, NONE },          { NONE_OUT, MUST, TO },   { NONE_IN, NOT, NONE_IN },
        { NONE_OUT_IN, MUST, TO_IN }, { TO, NOT, TO },          { TO_IN, NOT, TO_IN },
        { FROM, NOT, FROM },          { FROM_OUT, MUST, BOTH }, { BOTH, NOT, BOTH },
    };

    (void)state;
    check_table(SUBSCRIPTION_IN, JB_TYPE_SUBSCRIBED, rows);
}

/* A.3.4 */
static void test_table_a_3_4(void **state)
{
    static const struct row rows[9] = {
        { NONE, NOT, NONE },       { NONE_OUT, MUST, NONE },
        { NONE_IN, NOT, NONE_IN }, { NONE_OUT_IN, MUST, NONE_IN },
        { TO, MUST, NONE },        { TO_IN, MUST, NONE_IN },
        { FROM, NOT, FROM },       { FROM_OUT, MUST, FROM },
        { BOTH, MUST, FROM },
    };

    (void)state;
    check_table(SUBSCRIPTION_IN, JB_TYPE_UNSUBSCRIBED, rows);
}

/* A.3.1, note 2: who has the subscription is told so again. */
static void test_subscribers_are_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        struct subscription_step step =
            subscription_step(nine[i], SUBSCRIPTION_IN, JB_TYPE_SUBSCRIBE);
        assert_int_equal(step.auto_approve, (nine[i] & ROSTER_FROM) != 0);
    }
}

/* Nothing but `subscribe` is answered in the user's name. */
static void test_nothing_else_is_answered(void **state)
{
    static const enum jb_stanza_type others[] = { JB_TYPE_SUBSCRIBED, JB_TYPE_UNSUBSCRIBE,
                                                  JB_TYPE_UNSUBSCRIBED };

    (void)state;
    for (size_t i = 0; i < 9; i++)
        for (size_t t = 0; t < 3; t++)
            assert_false(subscription_step(nine[i], SUBSCRIPTION_IN, others[t]).auto_approve);
}

/* Section 3.4.2: the states in which `subscribed` is a pre-approval, and only those. */
static void test_pre_approval_is_noted(void **state)
{
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        bool early = nine[i] == NONE || nine[i] == NONE_OUT || nine[i] == TO;
        struct subscription_step step =
            subscription_step(nine[i], SUBSCRIPTION_OUT, JB_TYPE_SUBSCRIBED);
        assert_int_equal((step.state & ROSTER_APPROVED) != 0, early);
        if (early)
            assert_true(step.state & ROSTER_LISTED);
    }
}

/* Section 3.4.2: a pre-approved request is granted, not shown, and uses the approval up. */
static void test_pre_approval_is_used(void **state)
{
    static const struct {
        uint8_t before, after;
    } rows[] = { { NONE, FROM }, { NONE_OUT, FROM_OUT }, { TO, BOTH } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t before = rows[i].before | ROSTER_APPROVED | ROSTER_LISTED;
        struct subscription_step step =
            subscription_step(before, SUBSCRIPTION_IN, JB_TYPE_SUBSCRIBE);
        assert_true(step.auto_approve);
        assert_false(step.pass);
        assert_int_equal(step.state, rows[i].after | ROSTER_LISTED);
    }
}

/* Section 3.2.2: `unsubscribed` takes it back and is not routed; nothing else does. */
static void test_pre_approval_is_taken_back(void **state)
{
    static const uint8_t early[] = { NONE, NONE_OUT, TO };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t before = early[i] | ROSTER_APPROVED | ROSTER_LISTED;
        struct subscription_step step =
            subscription_step(before, SUBSCRIPTION_OUT, JB_TYPE_UNSUBSCRIBED);
        assert_int_equal(step.state, early[i] | ROSTER_LISTED);
        assert_false(step.pass);
        step = subscription_step(before, SUBSCRIPTION_IN, JB_TYPE_UNSUBSCRIBED);
        assert_true(step.state & ROSTER_APPROVED);
        step = subscription_step(before, SUBSCRIPTION_IN, JB_TYPE_UNSUBSCRIBE);
        assert_true(step.state & ROSTER_APPROVED);
    }
}

/* Asking puts the contact in the roster (3.1.2), being asked does not (3.1.3), approving does
 * (3.1.5), and no step takes him out. */
static void test_the_roster_grows_by_the_user_alone(void **state)
{
    static const enum jb_stanza_type all[] = { JB_TYPE_SUBSCRIBE, JB_TYPE_SUBSCRIBED,
                                               JB_TYPE_UNSUBSCRIBE, JB_TYPE_UNSUBSCRIBED };

    (void)state;
    assert_true(subscription_step(NONE, SUBSCRIPTION_OUT, JB_TYPE_SUBSCRIBE).state & ROSTER_LISTED);
    assert_true(subscription_step(NONE_IN, SUBSCRIPTION_OUT, JB_TYPE_SUBSCRIBED).state &
                ROSTER_LISTED);
    for (size_t t = 0; t < 4; t++)
        assert_false(subscription_step(NONE, SUBSCRIPTION_IN, all[t]).state & ROSTER_LISTED);
    for (size_t i = 0; i < 9; i++)
        for (size_t t = 0; t < 4; t++) {
            uint8_t before = nine[i] | ROSTER_LISTED;
            assert_true(subscription_step(before, SUBSCRIPTION_IN, all[t]).state & ROSTER_LISTED);
            assert_true(subscription_step(before, SUBSCRIPTION_OUT, all[t]).state & ROSTER_LISTED);
        }
}

/* Two accounts of this server that start as mirror images remain so, whoever sends what. */
static uint8_t mirror(uint8_t state)
{
    uint8_t other = 0;

    other |= state & ROSTER_TO ? ROSTER_FROM : 0;
    other |= state & ROSTER_FROM ? ROSTER_TO : 0;
    other |= state & ROSTER_ASK ? ROSTER_PENDING_IN : 0;
    other |= state & ROSTER_PENDING_IN ? ROSTER_ASK : 0;
    return other;
}

static void test_both_sides_agree(void **state)
{
    static const enum jb_stanza_type all[] = { JB_TYPE_SUBSCRIBE, JB_TYPE_SUBSCRIBED,
                                               JB_TYPE_UNSUBSCRIBE, JB_TYPE_UNSUBSCRIBED };

    (void)state;
    for (size_t i = 0; i < 9; i++)
        for (size_t t = 0; t < 4; t++) {
            struct subscription_step out = subscription_step(nine[i], SUBSCRIPTION_OUT, all[t]);
            uint8_t other = mirror(nine[i]);
            if (out.pass)
                other = subscription_step(other, SUBSCRIPTION_IN, all[t]).state & TABLE_BITS;
            assert_int_equal(other, mirror(out.state & TABLE_BITS));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_a_2_1),
        cmocka_unit_test(test_table_a_2_2),
        cmocka_unit_test(test_table_a_2_3),
        cmocka_unit_test(test_table_a_2_4),
        cmocka_unit_test(test_table_a_3_1),
        cmocka_unit_test(test_table_a_3_2),
        cmocka_unit_test(test_table_a_3_3),
        cmocka_unit_test(test_table_a_3_4),
        cmocka_unit_test(test_subscribers_are_answered),
        cmocka_unit_test(test_nothing_else_is_answered),
        cmocka_unit_test(test_pre_approval_is_noted),
        cmocka_unit_test(test_pre_approval_is_used),
        cmocka_unit_test(test_pre_approval_is_taken_back),
        cmocka_unit_test(test_the_roster_grows_by_the_user_alone),
        cmocka_unit_test(test_both_sides_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
