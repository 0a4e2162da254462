/* SPDX-License-Identifier: MIT */
/* What is in force: hosts are found by their name, modules are on or off per host, and what was
 * loaded goes with its last reader.
 *
 * The program has its own table of modules, in the place of modules/modules.c. */
#include "test.h"
#include "server/host.h"
#include "server/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct module first = { .name = "first" };
static const struct module second = { .name = "second" };
static const struct module third = { .name = "third" };
const struct module *const modules[] = { &first, &second, &third };
const size_t modules_count = sizeof modules / sizeof modules[0];

static const struct conf_module known[] = {
    { "first", NULL },
    { "second", NULL },
    { "third", NULL },
};

static struct conf *load(const char *text)
{
    const struct config_modules all = { known, 3 };
    const struct config *config;
    struct config_error error;
    char path[] = "/tmp/jabiru-test-host-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    if (config_load(path, NULL, &all, &config, &error) != 0) {
        (void)unlink(path);
        fail_msg("%s", error.text);
    }
    assert_int_equal(unlink(path), 0);
    return conf_new(config);
}

static const char three_hosts[] = "host \"a.example\" { modules_off = { \"second\" } }\n"
                                  "host \"b.example\" { modules_off = { \"first\", \"third\" } }\n"
                                  "host \"c.example\" { }\n"
                                  "limits { resources = 3 }\n";

static void test_find(void **state)
{
    static const char *const names[] = { "a.example", "b.example", "c.example" };
    static const char *const others[] = { "",           "a",        "a.example.", "A.EXAMPLE",
                                          "xa.example", "a.exampl", "d.example",  "a.examplea" };
    struct conf *c = load(three_hosts);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct host *h = conf_find_host(c, jb_strz(names[i]));
        assert_ptr_equal(h, &c->hosts[i]);
        assert_str_equal(jb_jid_str(h->jid), names[i]);
        assert_int_equal(h->jid.local, 0);
        assert_int_equal(h->jid.resource, 0);
        assert_ptr_equal(h->conf, c);
        assert_str_equal(h->config->name, names[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(conf_find_host(c, jb_strz(others[i])));
    conf_unref(c);
}

/* Towards DNS, TLS and HTTP a host has another name. */
static void test_ascii_name(void **state)
{
    struct conf *c = load("host \"b\xc3\xbc"
                          "cher.example\" { }\nhost \"a.example\" { }\n");

    (void)state;
    assert_str_equal(c->hosts[0].ascii, "xn--bcher-kva.example");
    assert_int_equal(c->hosts[0].ascii.p[c->hosts[0].ascii.n], 0);
    assert_ptr_equal(conf_find_host(c, JB_STR("b\xc3\xbc"
                                              "cher.example")),
                     &c->hosts[0]);
    assert_null(conf_find_host(c, c->hosts[0].ascii));
    assert_str_equal(c->hosts[1].ascii, "a.example");
    conf_unref(c);
}

static void test_enabled(void **state)
{
    static const bool wanted[3][3] = { { true, false, true },
                                       { false, true, false },
                                       { true, true, true } };
    struct conf *c = load(three_hosts);

    (void)state;
    for (size_t h = 0; h < 3; h++)
        for (size_t m = 0; m < 3; m++) {
            assert_int_equal(c->hosts[h].enabled[m], wanted[h][m]);
            assert_int_equal(module_enabled(modules[m], &c->hosts[h]), wanted[h][m]);
        }
    conf_unref(c);
}

static void test_limits_in_force(void **state)
{
    struct conf *c = load(three_hosts);

    (void)state;
    assert_int_equal(c->stream.limits.resources, 3);
    assert_int_equal(c->stream.limits.stanza_bytes, jb_limits_default.stanza_bytes);
    conf_unref(c);
}

static void test_defaults_serve_a_host(void **state)
{
    struct conf *c = load("");

    (void)state;
    assert_true(c->config->host_count > 0);
    assert_ptr_equal(conf_find_host(c, c->config->hosts[0].name), &c->hosts[0]);
    conf_unref(c);
}

/* The leak checker says whether the last reader took everything along. */
static void test_references(void **state)
{
    struct conf *c = load(three_hosts);

    (void)state;
    assert_int_equal(c->refs, 1);
    assert_ptr_equal(conf_ref(c), c);
    assert_ptr_equal(conf_ref(c), c);
    conf_unref(c);
    conf_unref(c);
    assert_int_equal(c->refs, 1);
    assert_non_null(conf_find_host(c, JB_STR("b.example")));
    conf_unref(c);
    conf_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_ascii_name),
        cmocka_unit_test(test_enabled),
        cmocka_unit_test(test_limits_in_force),
        cmocka_unit_test(test_defaults_serve_a_host),
        cmocka_unit_test(test_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
