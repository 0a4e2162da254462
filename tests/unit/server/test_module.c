/* SPDX-License-Identifier: MIT */
/* Modules as the server sees them: which rule answers, which hooks run, whose room is where.
 *
 * The program has its own table of modules, in the place of modules/modules.c. */
#include "test.h"
#include "server/module.h"

#include <stdlib.h>

static char trace[64];
static enum verdict second_says;

static enum verdict note(char name, enum verdict v)
{
    size_t n = strlen(trace);

    assert_true(n + 1 < sizeof trace);
    trace[n] = name;
    trace[n + 1] = '\0';
    return v;
}

static enum verdict first_bound(struct session *s)
{
    (void)s;
    return note('1', NEXT);
}

static enum verdict second_bound(struct session *s)
{
    (void)s;
    return note('2', second_says);
}

static enum verdict fourth_bound(struct session *s)
{
    (void)s;
    return note('4', NEXT);
}

static enum verdict first_guard(struct user *u, struct jb_stanza *stanza, struct jb_fault *fault)
{
    (void)u;
    (void)stanza;
    *fault = JB_FAULT(FORBIDDEN, "not today");
    return REJECT;
}

static void handle_1(struct iq *iq)
{
    (void)iq;
}
static void handle_2(struct iq *iq)
{
    (void)iq;
}
static void handle_3(struct iq *iq)
{
    (void)iq;
}
static void handle_4(struct iq *iq)
{
    (void)iq;
}

static const struct module first = {
    .name = "first",
    .iqs = { { JB_NS_PING, "ping", IQ_GET, TO_HOST, handle_1 },
             { JB_NS_ROSTER, "query", IQ_GET | IQ_SET, TO_OWN, handle_2 } },
    .hooks = { .bound = first_bound, .in_guard = first_guard },
    .user_bytes = 1,
    .session_bytes = 24,
};
static const struct module second = {
    .name = "second",
    .iqs = { { JB_NS_PING, "ping", IQ_GET, TO_HOST | TO_ACCOUNT, handle_3 } },
    .hooks = { .bound = second_bound },
};
static const struct module third = { .name = "third", .user_bytes = 33, .session_bytes = 1 };
static const struct module fourth = {
    .name = "fourth",
    .iqs = { { JB_NS_REGISTER, "query", IQ_SET, TO_STRANGER, handle_4 } },
    .hooks = { .bound = fourth_bound },
    .user_bytes = 16,
    .session_bytes = 17,
};

const struct module *const modules[] = { &first, &second, &third, &fourth };
const size_t modules_count = sizeof modules / sizeof modules[0];

/* ---- iq rules ---- */

/* The handler that answers; NULL: nobody. */
static void (*answers(const bool *enabled, enum jb_ns ns, const char *name, unsigned kind,
                      unsigned target))(struct iq *iq)
{
    struct host host = { .enabled = enabled };
    const struct iq_rule *rule = modules_find_iq(&host, jb_strz(name), ns, kind, target);

    return rule ? rule->handler : NULL;
}

static void test_find_iq(void **state)
{
    static const bool all[] = { true, true, true, true };

    (void)state;
    assert_ptr_equal(answers(all, JB_NS_PING, "ping", IQ_GET, TO_HOST), handle_1);
    /* The first module does not answer for accounts; the second does. */
    assert_ptr_equal(answers(all, JB_NS_PING, "ping", IQ_GET, TO_ACCOUNT), handle_3);
    assert_null(answers(all, JB_NS_PING, "ping", IQ_SET, TO_HOST));
    assert_null(answers(all, JB_NS_PING, "pin", IQ_GET, TO_HOST));
    assert_null(answers(all, JB_NS_PING, "pings", IQ_GET, TO_HOST));
    assert_null(answers(all, JB_NS_PING, "", IQ_GET, TO_HOST));
    assert_null(answers(all, JB_NS_ROSTER, "ping", IQ_GET, TO_HOST));
    assert_null(answers(all, JB_NS_PING, "ping", IQ_GET, TO_STRANGER));
}

static void test_find_iq_targets(void **state)
{
    static const bool all[] = { true, true, true, true };

    (void)state;
    /* One's own account is asked with TO_OWN | TO_ACCOUNT: either kind of rule fits. */
    assert_ptr_equal(answers(all, JB_NS_ROSTER, "query", IQ_SET, TO_OWN | TO_ACCOUNT), handle_2);
    assert_ptr_equal(answers(all, JB_NS_PING, "ping", IQ_GET, TO_OWN | TO_ACCOUNT), handle_3);
    /* Somebody else's account does not give away its roster. */
    assert_null(answers(all, JB_NS_ROSTER, "query", IQ_GET, TO_ACCOUNT));
    assert_ptr_equal(answers(all, JB_NS_REGISTER, "query", IQ_SET, TO_STRANGER), handle_4);
    assert_null(answers(all, JB_NS_REGISTER, "query", IQ_SET, TO_HOST));
    assert_null(answers(all, JB_NS_REGISTER, "query", IQ_GET, TO_STRANGER));
}

static void test_find_iq_enabled(void **state)
{
    static const bool none[] = { false, false, false, false };
    static const bool without_first[] = { false, true, true, true };

    (void)state;
    assert_null(answers(none, JB_NS_PING, "ping", IQ_GET, TO_HOST));
    assert_ptr_equal(answers(without_first, JB_NS_PING, "ping", IQ_GET, TO_HOST), handle_3);
    assert_null(answers(without_first, JB_NS_ROSTER, "query", IQ_GET, TO_OWN));
}

/* A namespace that is not in the table is no namespace of any rule. */
static void test_find_iq_unknown_ns(void **state)
{
    static const bool all[] = { true, true, true, true };

    (void)state;
    assert_null(answers(all, JB_NS_NONE, "ping", IQ_GET, TO_HOST));
    assert_null(answers(all, JB_NS_NONE, "", ~0u, ~0u));
}

/* ---- hooks ---- */

static const char *run_bound(const bool *enabled, enum verdict *v)
{
    struct host host = { .enabled = enabled };
    const struct host *h = &host;

    trace[0] = '\0';
    *v = hooks_run(bound, h, (NULL));
    return trace;
}

static void test_hooks_order(void **state)
{
    static const bool all[] = { true, true, true, true };
    static const bool without_second[] = { true, false, true, true };
    static const bool none[] = { false, false, false, false };
    enum verdict v;

    (void)state;
    second_says = NEXT;
    assert_string_equal(run_bound(all, &v), "124");
    assert_int_equal(v, NEXT);
    assert_string_equal(run_bound(without_second, &v), "14");
    assert_int_equal(v, NEXT);
    assert_string_equal(run_bound(none, &v), "");
    assert_int_equal(v, NEXT);
}

static void test_hooks_stop(void **state)
{
    static const bool all[] = { true, true, true, true };
    enum verdict v;

    (void)state;
    second_says = DONE;
    assert_string_equal(run_bound(all, &v), "12");
    assert_int_equal(v, DONE);
    second_says = REJECT;
    assert_string_equal(run_bound(all, &v), "12");
    assert_int_equal(v, REJECT);
}

/* Hooks that come in pairs are run for modules that are off, too. */
static void test_hooks_run_all(void **state)
{
    (void)state;
    trace[0] = '\0';
    second_says = NEXT;
    assert_int_equal(hooks_run_all(bound, (NULL)), NEXT);
    assert_string_equal(trace, "124");
}

static void test_hooks_fault(void **state)
{
    static const bool all[] = { true, true, true, true };
    struct host host = { .enabled = all };
    const struct host *h = &host;
    struct jb_fault fault = JB_NO_FAULT;

    (void)state;
    assert_int_equal(hooks_run(in_guard, h, (NULL, NULL, &fault)), REJECT);
    assert_int_equal(fault.condition, JB_STANZA_FORBIDDEN);
    assert_int_equal(hooks_run(in_act, h, (NULL, NULL, &fault)), NEXT);
}

/* ---- rooms ---- */

static void assert_apart(const unsigned char *a, size_t a_bytes, const unsigned char *b,
                         size_t b_bytes)
{
    assert_true(a + a_bytes <= b || b + b_bytes <= a);
}

static void assert_inside(const unsigned char *room, size_t bytes, const unsigned char *all,
                          size_t all_bytes)
{
    assert_true(room >= all && room + bytes <= all + all_bytes);
    assert_int_equal((uintptr_t)room % _Alignof(max_align_t), 0);
}

static void test_user_rooms(void **state)
{
    const struct module *const with_room[] = { &first, &third, &fourth };
    struct user u = { .data = calloc(1, modules_user_bytes()) };

    (void)state;
    assert_non_null(u.data);
    for (size_t i = 0; i < 3; i++) {
        unsigned char *room = module_user_data(with_room[i], &u);
        assert_inside(room, with_room[i]->user_bytes, u.data, modules_user_bytes());
        for (size_t other = 0; other < i; other++)
            assert_apart(room, with_room[i]->user_bytes, module_user_data(with_room[other], &u),
                         with_room[other]->user_bytes);
    }
    free(u.data);
}

static void test_session_rooms(void **state)
{
    const struct module *const with_room[] = { &first, &third, &fourth };
    struct session s = { .data = calloc(1, modules_session_bytes()) };

    (void)state;
    assert_non_null(s.data);
    for (size_t i = 0; i < 3; i++) {
        unsigned char *room = module_session_data(with_room[i], &s);
        assert_inside(room, with_room[i]->session_bytes, s.data, modules_session_bytes());
        for (size_t other = 0; other < i; other++)
            assert_apart(room, with_room[i]->session_bytes,
                         module_session_data(with_room[other], &s),
                         with_room[other]->session_bytes);
    }
    free(s.data);
}

/* The rooms stand right behind the struct, in the same block: it must not push them off their
 * alignment. */
static void test_rooms_behind_struct(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct user) % _Alignof(max_align_t), 0);
    assert_int_equal(sizeof(struct session) % _Alignof(max_align_t), 0);
}

static void test_init_again(void **state)
{
    size_t user = modules_user_bytes(), session = modules_session_bytes();

    (void)state;
    modules_init();
    assert_int_equal(modules_user_bytes(), user);
    assert_int_equal(modules_session_bytes(), session);
}

/* ---- configuration ---- */

static void test_option_and_enabled(void **state)
{
    static const bool enabled[] = { true, false, true, true };
    static const struct conf_value fourth_values[] = { { .number = 40 }, { .number = 41 } };
    static const struct config_module configured[] = {
        { .name = "first" },
        { .name = "second" },
        { .name = "third" },
        { .name = "fourth", .values = fourth_values },
    };
    static const struct config_host config = { .modules = configured };
    struct host host = { .config = &config, .enabled = enabled };

    (void)state;
    assert_true(module_enabled(&first, &host));
    assert_false(module_enabled(&second, &host));
    assert_true(module_enabled(&fourth, &host));
    assert_int_equal(module_option(&fourth, &host, 0)->number, 40);
    assert_int_equal(module_option(&fourth, &host, 1)->number, 41);
}

static int init(void **state)
{
    (void)state;
    modules_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_iq),
        cmocka_unit_test(test_find_iq_targets),
        cmocka_unit_test(test_find_iq_enabled),
        cmocka_unit_test(test_find_iq_unknown_ns),
        cmocka_unit_test(test_hooks_order),
        cmocka_unit_test(test_hooks_stop),
        cmocka_unit_test(test_hooks_fault),
        cmocka_unit_test(test_hooks_run_all),
        cmocka_unit_test(test_user_rooms),
        cmocka_unit_test(test_session_rooms),
        cmocka_unit_test(test_rooms_behind_struct),
        cmocka_unit_test(test_init_again),
        cmocka_unit_test(test_option_and_enabled),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
