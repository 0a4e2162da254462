/* SPDX-License-Identifier: MIT */
/* The whole client over TLS, for every allocation that may fail: it finds the endpoint by the
 * domain's web server, and logs in with tokens. */
#include "test.h"

#include "day.h"

#include "base/clock.h"
#include "net/tls.h"

#include <stdio.h>

static char dir[] = "/tmp/jabiru-client-XXXXXX";
static struct jb__tls_own own; /* the certificate for localhost */
static struct jb__tls_ctx *tls;

static int make_certificate(void **state)
{
    static const char *const hosts[] = { "localhost" };
    struct jb__tls_error err = { "" };

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    own = (struct jb__tls_own){
        .dir = dir, .hosts = hosts, .count = 1, .now_s = jb__clock_wall_us() / 1000000
    };
    if (jb__tls_own_certificate(&own, &err) != 0)
        fail_msg("%s", err.text);
    const struct jb__tls_cert cert = { "localhost", own.cert_file, own.key_file };
    const struct jb__tls_config config = { &jb_allocator_libc, &cert, 1, own.now_s, JB__TLS_1_3 };
    if (jb__tls_ctx_new(&config, &tls, &err) != 0)
        fail_msg("%s", err.text);
    return 0;
}

static int remove_certificate(void **state)
{
    char command[64];

    (void)state;
    jb__tls_ctx_unref(tls);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* What is special about it. */
enum kind { WITH_DISCOVERY, WITH_TOKENS, WITH_A_TOKEN_ALONE };

static int set_up(struct day *d, enum kind kind)
{
    char text[1024];
    int rc = 0;

    snprintf(text, sizeof text, "wss://localhost:%u/", d->server->at.port);
    if (kind != WITH_DISCOVERY)
        rc = jb_client_set_text(d->client, JB_OPTION_URL, text);
    if (rc == 0)
        rc = jb_client_set_text(d->client, JB_OPTION_CA_FILE, own.cert_file);
    snprintf(text, sizeof text, "01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE %s",
             mini_token(1, false));
    if (rc == 0 && kind == WITH_A_TOKEN_ALONE)
        rc = jb_client_set_text(d->client, JB_OPTION_TOKEN, text);
    return rc;
}

static int begin(struct day *d, enum kind kind)
{
    int rc = jb_client_new(&d->client, &d->f->alloc);

    if (rc != 0)
        return rc;
    jb_client_set(d->client, JB_SETTING_DISCOVERY_PORT, d->server->at.port);
    jb_client_set(d->client, JB_SETTING_BACKOFF_LEAST_MS, 10);
    jb_client_set(d->client, JB_SETTING_BACKOFF_MOST_MS, 10);
    jb_client_set(d->client, JB_SETTING_ACK_INTERVAL_MS, 0);
    rc = set_up(d, kind);
    return rc != 0 ? rc
                   : jb_client_connect(d->client, "romeo@localhost",
                                       kind == WITH_A_TOKEN_ALONE ? NULL : "wherefore");
}

/* When nothing failed, all that is special has happened. */
static void assert_special(const struct mini *server, enum kind kind)
{
    assert_int_equal(server->messages, 2);
    assert_int_equal(server->pages, kind == WITH_DISCOVERY ? 3 : 0);
    if (kind == WITH_TOKENS)
        assert_int_equal(server->token_logins, 1);
    if (kind == WITH_A_TOKEN_ALONE)
        assert_int_equal(server->token_logins, 2);
}

static void day_of_a_client(struct failing_alloc *f, void *ctx)
{
    static struct mini server;
    const enum kind kind = *(const enum kind *)ctx;
    struct day d = { .server = &server, .f = f, .text = "<&>" };

    mini_init(&server);
    server.tls = tls;
    server.has_pages = kind == WITH_DISCOVERY;
    server.is_sasl2 = server.gives_tokens = kind != WITH_DISCOVERY;
    server.tokens = server.is_odd = kind == WITH_A_TOKEN_ALONE;
    int rc = begin(&d, kind);
    if (rc == 0)
        day_run(&d);
    else
        assert_true(rc == JB_ENOMEM && f->failed);
    if (rc == 0 && !f->all_after) { /* one failure alone is overcome */
        assert_true(d.online && d.answered && d.echoed && d.acked && d.cut && d.acked_late);
        assert_true(f->failed || d.resumed);
    }
    if (!f->failed)
        assert_special(&server, kind);
    jb_client_free(d.client);
    mini_deinit(&server);
}

static void out_of_memory(void **kind)
{
    assert_true(failing_alloc_loop(day_of_a_client, *kind) > 50);
}

/* What the next login needs is not lost for want of memory (WITH_A_TOKEN_ALONE). */
static enum kind kinds[] = { WITH_DISCOVERY, WITH_TOKENS, WITH_A_TOKEN_ALONE };

#define OUT_OF_MEMORY(words, kind) { "out of memory" words, out_of_memory, NULL, NULL, &kinds[kind] }

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUT_OF_MEMORY(" while the endpoint is found", WITH_DISCOVERY),
        OUT_OF_MEMORY(" with tokens", WITH_TOKENS),
        OUT_OF_MEMORY(" with a token alone", WITH_A_TOKEN_ALONE),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
