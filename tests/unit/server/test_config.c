/* SPDX-License-Identifier: MIT */
/* The configuration: what a file means, what is refused and with which words, what a reload tells.
 * Adversarial case 95. */
#include "base/log.h"
#include "server/config.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static const struct conf_option ping_options[] = {
    { "interval", CONF_MS, "30s", "how often", 1000, 3600000 },
    { "targets", CONF_LIST, NULL, "whom" },
    { 0 },
};
static const struct conf_option version_options[] = {
    { "show_os", CONF_BOOL, "false", "names the operating system" },
    { "token", CONF_STRING, NULL, "proves who asks", .flags = CONF_SECRET },
    { 0 },
};
static const struct conf_module module_list[] = { { "ping", ping_options },
                                                  { "version", version_options },
                                                  { "time", NULL } };
static const struct config_modules modules = { module_list, 3 };

static char folder[] = "/tmp/jabiru-config-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static const char *write_file(const char *name, struct jb_str text, mode_t mode)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fchmod(fileno(f), mode), 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const struct config *load(const char *text)
{
    const struct config *c;
    struct config_error error;
    int rc = config_load(write_file("a.conf", jb_strz(text), 0600), NULL, &modules, &c, &error);

    if (rc != 0)
        print_error("%s\n", error.text);
    assert_int_equal(rc, 0);
    return c;
}

#define assert_str(slice, z) assert_true(jb_str_eqz(slice, z))

static void test_defaults(void **state)
{
    const struct config *c;
    struct config_error error;

    (void)state;
    setenv("XDG_STATE_HOME", "/var/state", 1);
    assert_int_equal(config_load(NULL, NULL, &modules, &c, &error), 0);
    assert_str(c->data, "/var/state/jabiru");
    assert_int_equal(c->listener_count, 1);
    assert_str(c->listeners[0].address, "127.0.0.1");
    assert_int_equal(c->listeners[0].port, 5280);
    assert_int_equal(c->listeners[0].tls, CONFIG_TLS_OFF);
    assert_int_equal(c->host_count, 1);
    assert_str(c->hosts[0].name, "localhost");
    assert_false(c->hosts[0].registration);
    assert_true(c->hosts[0].modules[0].enabled);
    assert_int_equal(c->hosts[0].modules[0].values[0].number, 30000);
    assert_int_equal(c->scram_iterations, 10000);
    assert_int_equal(c->log.level, JB_LOG_INFO);
    assert_memory_equal(&c->limits, &jb_limits_default, sizeof c->limits);
    config_unref(c);

    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "/home/juliet", 1);
    assert_int_equal(config_load(NULL, NULL, &modules, &c, &error), 0);
    assert_str(c->data, "/home/juliet/.local/state/jabiru");
    config_unref(c);
}

static void test_whole_file(void **state)
{
    static const char text[] =
        "# all of it\n"
        "data = \"/srv/jabiru\"\n"
        "conflict_policy = replace\n"
        "durability = \"process\"\n"
        "metrics_listen = \"[::1]:5281\"\n"
        "listener \"web\" {\n"
        "    address = \"::\", port = 443, tls = own\n"
        "    trusted_proxies = { \"127.0.0.1/32\", \"10.0.0.0/8\", \"fd00::/8\" }\n"
        "}\n"
        "listener \"inside\" { port = 5280 tls = outside proxy_protocol = true }\n"
        "module \"ping\" { interval = 1min, targets = { \"a\", \"b\" } }\n"
        "host \"Chat.Example.ORG\" {\n"
        "    admins = { \"juliet@chat.example.org\" }\n"
        "    origins = { \"HTTPS://Chat.example.org\", \"http://localhost:8080\" }\n"
        "    anonymous = true\n"
        "    modules_off = { \"version\" }\n"
        "    contact_abuse = \"mailto:abuse@example.org\"\n"
        "    module \"ping\" { targets = \"c\" }\n"
        "}\n"
        "host \"localhost\" { module \"version\" { show_os = yes } }\n"
        "log { level = debug, format = json, target = \"/var/log/jabiru.log\" }\n"
        "limits { stanza_bytes = 512KiB; auth_timeout_ms = 20s }\n"
        "websocket { deflate = true }\n";
    char fixed[sizeof text];

    (void)state;
    memcpy(fixed, text, sizeof text);
    for (char *p = fixed; *p; p++)
        if (*p == ';' || (*p == ',' && (p[1] == ' ' && p[2] != '"')))
            *p = ' '; /* options are separated by white space */
    const struct config *c = load(fixed);
    assert_str(c->data, "/srv/jabiru");
    assert_int_equal(c->conflict_policy, CONFIG_CONFLICT_REPLACE);
    assert_int_equal(c->durability, CONFIG_DURABILITY_PROCESS);
    assert_true(c->metrics.is_set && jb__addr_is_loopback(&c->metrics));
    assert_int_equal(c->metrics.port, 5281);
    assert_int_equal(c->listener_count, 2);
    assert_str(c->listeners[0].name, "web");
    assert_int_equal(c->listeners[0].port, 443);
    assert_int_equal(c->listeners[0].tls, CONFIG_TLS_OWN);
    assert_int_equal(c->listeners[1].tls, CONFIG_TLS_OUTSIDE);
    assert_true(c->listeners[1].proxy_protocol);
    assert_int_equal(c->host_count, 2);

    const struct config_host *h = config_find_host(c, JB_STR("chat.example.org"));
    assert_non_null(h);
    assert_true(h->anonymous);
    assert_int_equal(h->admins.count, 1);
    assert_int_equal(h->origins.count, 2);
    assert_str(h->origins.items[0], "https://chat.example.org");
    assert_str(h->contact_abuse.items[0], "mailto:abuse@example.org");
    assert_false(config_find_module(c, h, "version")->enabled);
    const struct config_module *ping = config_find_module(c, h, "ping");
    assert_int_equal(ping->values[0].number, 60000); /* from all hosts' */
    assert_int_equal(ping->values[1].list.count, 1); /* its own replaces the list */
    assert_str(ping->values[1].list.items[0], "c");
    h = config_find_host(c, JB_STR("localhost"));
    assert_true(config_find_module(c, h, "version")->values[0].flag);
    assert_int_equal(config_find_module(c, h, "ping")->values[1].list.count, 2);
    assert_null(config_find_module(c, h, "nothing"));
    assert_null(config_find_host(c, JB_STR("else")));

    assert_int_equal(c->log.level, JB_LOG_DEBUG);
    assert_int_equal(c->log.format, JB_LOG_JSON);
    assert_int_equal(c->limits.stanza_bytes, 512 * 1024);
    assert_int_equal(c->limits.auth_timeout_ms, 20000);
    assert_true(c->websocket.deflate);
    config_unref(config_ref(c));
    config_unref(c);
}

static void test_trusted(void **state)
{
    static const struct {
        const char *address;
        bool trusted;
    } rows[] = {
        { "10.127.1.1", true },      { "10.128.1.1", false }, { "192.0.2.1", true },
        { "192.0.2.2", false },      { "fd00::1", true },     { "fc00::1", false },
        { "::ffff:10.0.0.1", true }, { "a00::1", false },
    };
    const struct config *c = load("listener \"a\" { trusted_proxies = "
                                  "{\"10.0.0.0/9\", \"192.0.2.1\", \"fd00::/8\"} }");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__addr a;
        assert_int_equal(jb__addr_parse(&a, jb_strz(rows[i].address)), 0);
        assert_int_equal(config_is_trusted(&c->listeners[0], &a), rows[i].trusted);
    }
    config_unref(c);
}

static void test_overrides(void **state)
{
    struct config_overrides o = { .data = "/tmp/d", .listen = "[::1]:8443" };
    const struct config *c;
    struct config_error error;
    const char *path = write_file("a.conf",
                                  JB_STR("data = /srv\n"
                                         "listener \"a\" { tls = outside }\n"
                                         "listener \"b\" { port = 1 }\n"),
                                  0600);

    (void)state;
    assert_int_equal(config_load(path, &o, &modules, &c, &error), 0);
    assert_str(c->data, "/tmp/d");
    assert_int_equal(c->listener_count, 1);
    assert_str(c->listeners[0].address, "::1");
    assert_int_equal(c->listeners[0].port, 8443);
    assert_int_equal(c->listeners[0].tls, CONFIG_TLS_OUTSIDE);
    config_unref(c);
    o.listen = "localhost:1";
    assert_int_equal(config_load(path, &o, &modules, &c, &error), JB_EINVAL);
    assert_string_equal(error.text, "--listen: \"localhost:1\" is not ADDRESS:PORT");
}

/* A broken file, and what is said of it behind "FOLDER/". */
static const struct broken {
    const char *text;
    const char *message;
} broken[] = {
    { "prot = 1\n", "a.conf:1: unknown option `prot` at the top level" },
    { "dota = x\n", "a.conf:1: unknown option `dota` at the top level (did you mean `data`?)" },
    { "\n\nlistener \"web\" {\n  prot = 1\n}\n",
      "a.conf:4: unknown option `prot` in listener \"web\" (did you mean `port`?)" },
    { "port = 1\n",
      "a.conf:1: unknown option `port` at the top level (it belongs into `listener`)" },
    { "host \"a\" { reactors = 1 }\n",
      "a.conf:1: unknown option `reactors` in host \"a\" (it belongs into the top level)" },
    { "limits {\n stanza_byte = 1\n}\n",
      "a.conf:2: unknown option `stanza_byte` in section `limits` (did you mean `stanza_bytes`?)" },
    { "listner \"web\" { }\n",
      "a.conf:1: unknown option `listner` at the top level (did you mean `listener`?)" },
    { "host \"a\" { zzz = 1 }\n", "a.conf:1: unknown option `zzz` in host \"a\"" },
    { "host \"a\" {\n modul \"ping\" { }\n}\n",
      "a.conf:2: unknown option `modul` in host \"a\" (did you mean `module`?)" },
    { "module \"pin\" { }\n", "a.conf:1: unknown module \"pin\" (did you mean \"ping\"?)" },
    { "host \"a\" {\n\n module \"zzzz\" {\n }\n}\n", "a.conf:3: unknown module \"zzzz\"" },
    { "module \"ping\" { intervall = 5s }\n",
      "a.conf:1: unknown option `intervall` in module \"ping\" (did you mean `interval`?)" },
    { "module \"ping\" {\n show_os = true }\n",
      "a.conf:2: unknown option `show_os` in module \"ping\"" },
    { "module \"time\" { x = 1 }\n", "a.conf:1: unknown option `x` in module \"time\"" },
    { "\"(section)\" = 1\n", "a.conf:1: unknown option `(section)` at the top level" },
    { "log { \"(section)\" = 1 }\n", "a.conf:1: unknown option `(section)` in section `log`" },

    { "data = /a\n\ndata = /b\n", "a.conf:3: `data` is there twice (first at FOLDER/a.conf:1)" },
    { "host \"a\" { admins = {\"a@b\"}\n admins = {\"c@d\"} }\n",
      "a.conf:2: `admins` is there twice (first at FOLDER/a.conf:1)" },
    { "log { }\nlog { }\n", "a.conf:2: section `log` is there twice (first at FOLDER/a.conf:1)" },
    { "host \"a\" { }\nhost \"A\" { }\n",
      "a.conf:2: host \"a\" is there twice (first at FOLDER/a.conf:1)" },
    { "listener \"a\" { }\nlistener \"a\" { }\n", "a.conf:2: found duplicate title 'a'" },

    { "listener \"a\" {\n port = http\n}\n",
      "a.conf:2: `port`: \"http\" is not what it takes (a number from 1 to 65535)" },
    { "listener \"a\" { port = 0 }\n",
      "a.conf:1: `port`: \"0\" is out of range (a number from 1 to 65535)" },
    { "listener \"a\" { port = 65536 }\n",
      "a.conf:1: `port`: \"65536\" is out of range (a number from 1 to 65535)" },
    { "listener \"a\" { port = -1 }\n",
      "a.conf:1: `port`: \"-1\" is not what it takes (a number from 1 to 65535)" },
    { "listener \"a\" { port = 99999999999999999999999 }\n",
      "a.conf:1: `port`: \"99999999999999999999999\" is not what it takes (a number from 1 to "
      "65535)" },
    { "listener \"a\" { port = 1.5 }\n",
      "a.conf:1: `port`: \"1.5\" is not what it takes (a number from 1 to 65535)" },
    { "listener \"a\" { port = {1, 2} }\n", "a.conf:1: `port` takes one value, not a list" },
    { "listener \"a\" { port = 5KiB }\n",
      "a.conf:1: `port`: \"5KiB\" is not what it takes (a number from 1 to 65535)" },
    { "limits { stanza_bytes = 1TiB }\n",
      "a.conf:1: `stanza_bytes`: \"1TiB\" is not what it takes (a number of bytes from 10000 to "
      "64MiB)" },
    { "limits { stanza_bytes = 1GiB }\n",
      "a.conf:1: `stanza_bytes`: \"1GiB\" is out of range (a number of bytes from 10000 to "
      "64MiB)" },
    { "limits { auth_timeout_ms = 2h }\n",
      "a.conf:1: `auth_timeout_ms`: \"2h\" is out of range (a time from 100ms to 10min)" },
    { "host \"a\" { anonymous = maybe }\n",
      "a.conf:1: `anonymous`: \"maybe\" is not what it takes (true or false)" },
    { "log {\n\n level = loud }\n",
      "a.conf:3: `level`: \"loud\" is not what it takes (one of debug|info|warn|error)" },
    { "log { level = debug|info }\n",
      "a.conf:1: `level`: \"debug|info\" is not what it takes (one of debug|info|warn|error)" },
    { "log { target = syslog }\n",
      "a.conf:1: `target`: \"syslog\" is neither \"stderr\" nor an absolute path" },
    { "data = \"\"\n", "a.conf:1: `data`: \"\" is empty" },
    { "module \"ping\" { interval = 999 }\n",
      "a.conf:1: `interval`: \"999\" is out of range (a time from 1s to 1h)" },

    { "host \"a b\" {\n}\n", "a.conf:1: \"a b\" is not a domain name" },
    { "\nhost \"\" {\n}\n", "a.conf:2: the name of a host must have 1 to 1023 bytes" },
    { "host { }\n", "a.conf:1: missing title for section 'host'" },
    { "host \"a\" {\n admins = {\n \"a@b\",\n \"nobody\" }\n}\n",
      "a.conf:4: `admins`: \"nobody\" is not an account's address (name@host)" },
    { "host \"a\" { admins = { \"a@b/c\" } }\n",
      "a.conf:1: `admins`: \"a@b/c\" is not an account's address (name@host)" },
    { "host \"a\" { origins = { \"https://a/\" } }\n",
      "a.conf:1: `origins`: \"https://a/\" is not an origin (like https://chat.example.org, no "
      "path)" },
    { "host \"a\" { origins = { \"*\" } }\n",
      "a.conf:1: `origins`: \"*\" is not an origin (like https://chat.example.org, no path)" },
    { "host \"a\" { modules_off = { \"ping\",\n \"versoin\" } }\n",
      "a.conf:2: `modules_off`: unknown module \"versoin\" (did you mean \"version\"?)" },
    { "host \"a\" { see_other_uri = \"https://b\" }\n",
      "a.conf:1: `see_other_uri`: \"https://b\" is not a WebSocket URI (wss://...)" },
    { "host \"a\" { contact_abuse = nobody }\n",
      "a.conf:1: `contact_abuse`: \"nobody\" is not a URI (like mailto:abuse@example.org or "
      "https://...)" },
    { "listener \"a\" { address = \"localhost\" }\n",
      "a.conf:1: `address`: \"localhost\" is not an IP address (names are not looked up; 0.0.0.0 "
      "or :: means all)" },
    { "listener \"a\" { address = \"::1\n tls = { \"off\" } }\n",
      "a.conf:2: `address`: \"::1  tls = { \" is not an IP address (names are not looked up; 0.0.0.0 "
      "or :: means all)" },
    { "listener \"a\" { trusted_proxies = { \"10.0.0.1/8\" } }\n",
      "a.conf:1: `trusted_proxies`: \"10.0.0.1/8\" is not a network (an address, or like "
      "10.0.0.0/8 with no bits behind the 8)" },
    { "listener \"a\" { trusted_proxies = { \"10.0.0.0/33\" } }\n",
      "a.conf:1: `trusted_proxies`: \"10.0.0.0/33\" is not a network (an address, or like "
      "10.0.0.0/8 with no bits behind the 8)" },
    { "metrics_listen = \"0.0.0.0:5281\"\n",
      "a.conf:1: `metrics_listen`: \"0.0.0.0:5281\" is not a loopback address (127.0.0.0/8 or "
      "::1)" },
    { "metrics_listen = \"5281\"\n", "a.conf:1: `metrics_listen`: \"5281\" is not ADDRESS:PORT" },

    { "listener \"a\" { port = 1 }\nlistener \"b\" {\n address = \"0.0.0.0\"\n port = 1\n}\n",
      "a.conf:4: listener \"b\" has the port 1 of listener \"a\"" },
    { "metrics_listen = \"127.0.0.1:5280\"\nlistener \"a\" { }\n",
      "a.conf:2: listener \"a\" has the port 5280 of `metrics_listen`" },
    { "limits { stanza_bytes = 10000\n preauth_stanza_bytes = 20000 }\n",
      "a.conf:2: `preauth_stanza_bytes` must not be above `stanza_bytes`" },
    { "limits { sendq_hard_bytes = 128KiB }\n",
      "a.conf:1: `sendq_bytes` must not be above `sendq_hard_bytes`" },
    { "host \"a\" {\n tls_key = \"secret.pem\" }\n",
      "a.conf:2: `tls_key` needs `tls_certificate`" },
    { "host \"a\" { tls_certificate = \"secret.pem\" }\n",
      "a.conf:1: `tls_certificate` needs `tls_key`" },
    { "host \"a\" {\n tls_key = \"open.pem\" }\n",
      "a.conf:2: `tls_key`: everybody can read FOLDER/open.pem (chmod o-r)" },
    { "host \"a\" {\n tls_certificate = \"no.pem\" }\n",
      "a.conf:2: `tls_certificate`: cannot read FOLDER/no.pem: No such file or directory" },
    { "host \"a\" {\n tls_certificate = \"/\" }\n",
      "a.conf:2: `tls_certificate`: / is not a file" },

    { "include = no.conf\n", "a.conf:1: cannot read FOLDER/no.conf: No such file or directory" },
    { "\ninclude = \".\"\n", "a.conf:2: cannot read FOLDER/.: not a file" },
    { "include = \"a.conf\"\n", "a.conf:1: FOLDER/a.conf includes itself" },
    { "include = { good.conf, good.conf }\n",
      "a.conf:1: FOLDER/good.conf is included twice (first at FOLDER/a.conf:1)" },
    { "include = \"\"\n", "a.conf:1: `include`: \"\" is empty" },
    { "host \"a\" { include = good.conf }\n", "a.conf:1: unknown option `include` in host \"a\"" },
    { "data = /x\n\ninclude = part.conf\n",
      "part.conf:2: unknown option `rectors` at the top level (did you mean `reactors`?)" },
    { "include = good.conf\nrectors = 1\n",
      "a.conf:2: unknown option `rectors` at the top level (did you mean `reactors`?)" },
    { "reactors = 1\ninclude = good.conf\n",
      "good.conf:2: `reactors` is there twice (first at FOLDER/a.conf:1)" },
    { "include = latin.conf\n", "latin.conf:3: not UTF-8 text" },

    { "host \"a\" {\n", "a.conf:1: the file ends in host \"a\", opened at line 1" },
    { "\nhost \"a\" {\n module \"ping\" {\n }\n",
      "a.conf:4: the file ends in host \"a\", opened at line 2" },
    { "data = /x\n/* abc\n", "a.conf:2: the file ends inside of a comment or text" },
    { "host \"a\"\n", "a.conf:1: missing opening brace for section 'host'" },
    { "}\n", "a.conf:1: unexpected closing brace" },
    { "data\n", "a.conf:1: missing equal sign after option 'data'" },
    { "data = \"abc\n", "a.conf:1: premature end of file" },
    { "listener \"a\" { port = }\n", "a.conf:1: unexpected token '}'" },
    { "listener \"a\" { port = {} }\n", "a.conf:1: `port` has no value" },
    { "limits \"x\" { }\n", "a.conf:1: missing opening brace for section 'limits'" },
    { "= 5\n", "a.conf:1: unexpected token '='" },
};

/* Replaces FOLDER by the folder. */
static void expected_message(const char *message, char *out, size_t room)
{
    int n = snprintf(out, room, "%s/", folder);
    const char *at;

    while ((at = strstr(message, "FOLDER"))) {
        n += snprintf(out + n, room - (size_t)n, "%.*s%s", (int)(at - message), message, folder);
        message = at + 6;
    }
    snprintf(out + n, room - (size_t)n, "%s", message);
}

static void test_broken_files(void **state)
{
    const struct config *c;
    struct config_error error;
    char expected[1024];
    unsigned wrong = 0;

    (void)state;
    write_file("secret.pem", JB_STR("x"), 0600);
    write_file("open.pem", JB_STR("x"), 0644);
    write_file("part.conf", JB_STR("storage = memory\nrectors = 2\n"), 0600);
    write_file("good.conf", JB_STR("\nreactors = 2\n"), 0600);
    write_file("latin.conf", JB_STR("\n\ndata = \"/caf\xe9\"\n"), 0600);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        const char *path = write_file("a.conf", jb_strz(broken[i].text), 0600);
        int rc = config_load(path, NULL, &modules, &c, &error);
        expected_message(broken[i].message, expected, sizeof expected);
        if (rc == 0)
            config_unref(c);
        if (rc < 0 && !c && strcmp(error.text, expected) == 0)
            continue;
        wrong++;
        print_error("%zu: %s  said:     %s\n  expected: %s\n", i, broken[i].text, error.text,
                    expected);
    }
    assert_int_equal(wrong, 0);
    config_unref(load("reactors = 1\n")); /* nothing of the failures is left behind */
}

static void refuse(const char *path, int code, const char *message)
{
    const struct config *c;
    struct config_error error;
    char expected[1024];

    assert_int_equal(config_load(path, NULL, &modules, &c, &error), code);
    assert_null(c);
    expected_message(message, expected, sizeof expected);
    assert_string_equal(error.text, expected);
}

static void test_files(void **state)
{
    size_t n = 10 * 1024 * 1024;
    char *big = malloc(n);

    (void)state;
    assert_non_null(big);
    memset(big, '#', n);
    refuse(write_file("big.conf", jb_str(big, n), 0600), JB_EINVAL, "big.conf: larger than 1 MiB");
    big[1000] = '\n';
    config_unref(load("")); /* empty is all defaults */
    write_file("a.conf", jb_str(big, 1024 * 1024), 0600);
    assert_int_equal(0, truncate(path_of("a.conf"), 1024 * 1024));
    free(big);
    refuse(path_of("missing.conf"), JB_EIO, "missing.conf: cannot read: No such file or directory");
    refuse(path_of(""), JB_EIO, ": cannot read: not a file");
    refuse(write_file("a.conf", JB_STR("data = /a\n\0\n"), 0600), JB_EINVAL,
           "a.conf:2: not UTF-8 text");
    refuse(write_file("a.conf", JB_STR("# \xff\n"), 0600), JB_EINVAL, "a.conf:1: not UTF-8 text");
    refuse(write_file("a.conf", JB_STR("# \xc3"), 0600), JB_EINVAL, "a.conf:1: not UTF-8 text");
    refuse(write_file("a.conf", JB_STR("\nmodule \"version\" { token = hush }\n"), 0644), JB_EINVAL,
           "a.conf:2: `token` is a secret, but everybody can read this file (chmod o-r)");
    config_unref(load("module \"version\" { token = hush }\n")); /* 0600 */
    if (getuid() != 0)
        refuse(write_file("a.conf", JB_STR(""), 0), JB_EIO,
               "a.conf: cannot read: Permission denied");
}

/* Each prefix of a good file is loaded or refused, and never anything else. */
static void test_truncated(void **state)
{
    static const char text[] = "data = \"/x\" # c\nhost \"a\" { admins = { \"a@b\", \"c@d\" } }\n"
                               "/* c */ module \"ping\" { interval = 5s }\ninclude = good.conf\n";
    const struct config *c;
    struct config_error error;

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        const char *path = write_file("a.conf", jb_str(text, n), 0600);
        if (config_load(path, NULL, &modules, &c, &error) == 0)
            config_unref(c);
        else
            assert_true(error.text[0] != '\0');
    }
}

struct changes {
    char text[4096];
    size_t n;
};

static void on_change(void *ctx, const struct config_change *change)
{
    struct changes *c = ctx;

    c->n += (size_t)snprintf(c->text + c->n, sizeof c->text - c->n, "%s: %s -> %s%s\n", change->key,
                             change->from, change->to, change->restart ? " (restart)" : "");
}

static void test_diff(void **state)
{
    const struct config *from =
        load("data = /a\nlistener \"a\" { port = 1 }\nlistener \"old\" { port = 2 }\n"
             "host \"x\" { registration = true }\nhost \"gone\" { }\n"
             "module \"version\" { token = one }\n"
             "limits { stanza_bytes = 300000 }\n");
    const struct config *to =
        load("data = /b\nlistener \"a\" { port = 3 trusted_proxies = \"::1\" }\n"
             "host \"x\" { admins = { \"a@x\", \"b@x\" } module \"ping\" { interval = 5s } }\n"
             "host \"new\" { }\nlimits { stanza_bytes = 512KiB }\nlog { level = warn }\n"
             "module \"version\" { token = two }\n");
    struct changes changes = { .n = 0 };

    (void)state;
    config_diff(from, to, on_change, &changes);
    assert_string_equal(changes.text, "data: \"/a\" -> \"/b\" (restart)\n"
                                      "log.level: info -> warn\n"
                                      "limits.stanza_bytes: 300000 -> 512KiB\n"
                                      "listener \"a\" port: 1 -> 3 (restart)\n"
                                      "listener \"a\" trusted_proxies: {} -> { \"::1\" }\n"
                                      "host \"x\" admins: {} -> { \"a@x\", \"b@x\" }\n"
                                      "host \"x\" registration: true -> false\n"
                                      "host \"x\" module \"ping\" interval: 30s -> 5s\n"
                                      "host \"x\" module \"version\" token: (hidden) -> (hidden)\n"
                                      "host \"new\": (none) -> (there)\n"
                                      "listener \"old\": (there) -> (none) (restart)\n"
                                      "host \"gone\": (there) -> (none)\n");
    changes.n = 0;
    changes.text[0] = '\0';
    config_diff(to, to, on_change, &changes);
    assert_string_equal(changes.text, "");
    config_unref(from);
    config_unref(to);
}

static void explain(const char *key, int code, const char *expected)
{
    struct jb__buf out;

    jb__buf_init(&out, &jb_allocator_libc, 1024 * 1024);
    assert_int_equal(config_explain(key, &modules, &out), code);
    assert_int_equal(jb__buf_append(&out, "", 1), 0);
    assert_string_equal(out.p, expected);
    jb__buf_deinit(&out);
}

static void test_explain(void **state)
{
    struct jb__buf out;

    (void)state;
    explain("listener.port", 0,
            "listener.port\n    TCP port to listen on\n"
            "    a number from 1 to 65535; default 5280; a change needs a restart\n");
    explain("stanza_bytes", 0,
            "limits.stanza_bytes\n    bytes of a stanza (XEP-0478 advertises it)\n"
            "    a number of bytes from 10000 to 64MiB; default 256KiB; a reload takes it up\n");
    explain("module.version", 0,
            "module.version.show_os\n    names the operating system\n"
            "    true or false; default false; a reload takes it up\n"
            "module.version.token\n    proves who asks\n"
            "    a text; default (none); a reload takes it up; secret\n");
    explain("stanza_bites", JB_ENOTFOUND,
            "unknown option `stanza_bites` (did you mean `stanza_bytes`?)\n");
    explain("limits.stanza_bites", JB_ENOTFOUND,
            "unknown option `limits.stanza_bites` (did you mean `limits.stanza_bytes`?)\n");
    explain("qqqqqqqqqqqqqqqqqqqq", JB_ENOTFOUND, "unknown option `qqqqqqqqqqqqqqqqqqqq`\n");

    jb__buf_init(&out, &jb_allocator_libc, 1024 * 1024);
    assert_int_equal(config_explain(NULL, &modules, &out), 0);
    for (size_t i = 0; i < JB_LIMIT_COUNT; i++) /* every limit is an option */
        assert_non_null(memmem(out.p, out.n, jb_limit_info[i].name, strlen(jb_limit_info[i].name)));
    jb__buf_deinit(&out);
    jb__buf_init(&out, &jb_allocator_libc, 100);
    assert_int_equal(config_explain(NULL, &modules, &out), JB_EFULL);
    jb__buf_deinit(&out);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const files[] = { "a.conf",    "big.conf",   "secret.pem", "open.pem",
                                         "part.conf", "latin.conf", "good.conf" };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(path_of(files[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_trusted),      cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_broken_files), cmocka_unit_test(test_files),
        cmocka_unit_test(test_truncated),    cmocka_unit_test(test_diff),
        cmocka_unit_test(test_explain),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
