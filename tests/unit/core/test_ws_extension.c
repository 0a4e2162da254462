/* SPDX-License-Identifier: MIT */
#include "core/ws_extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* Answers the offers of one header; the text lives until the next call. */
static const char *answer(const char *offers, bool enabled)
{
    static char text[JB__WS_EXTENSION_BYTES + 1];
    char fields[512];
    struct jb__ws_deflate d;

    int n = snprintf(fields, sizeof fields, "Sec-WebSocket-Extensions: %s\r\n", offers);
    if (!jb__ws_extension_accept(jb_str(fields, (size_t)n), enabled, &d))
        return "malformed";
    struct jb_str s = jb__ws_extension_answer(&d, text);
    assert_int_equal(d.on, s.n > 0);
    text[s.n] = '\0';
    return text;
}

static void accepts_the_first_good_offer(void **state)
{
    static const struct {
        const char *offers, *answer;
    } rows[] = {
        { "permessage-deflate", ANSWER },
        { "permessage-deflate; client_max_window_bits", ANSWER },
        { "permessage-deflate ;client_max_window_bits = 8", ANSWER },
        { "permessage-deflate; server_no_context_takeover; client_no_context_takeover", ANSWER },
        { "permessage-deflate; server_max_window_bits=9", ANSWER "; server_max_window_bits=9" },
        { "permessage-deflate; server_max_window_bits=\"15\"",
          ANSWER "; server_max_window_bits=15" },
        { "permessage-deflate; server_max_window_bits=8", "" },
        { "permessage-deflate; server_max_window_bits=8, permessage-deflate", ANSWER },
        { "permessage-deflate; server_max_window_bits=12, permessage-deflate",
          ANSWER "; server_max_window_bits=12" },
        { "x-webkit-deflate-frame, permessage-deflate", ANSWER },
        { "mux; max-channels=4; flow-control, deflate-stream", "" },
        { "", "" },
        /* malformed parameters: declined */
        { "permessage-deflate; server_max_window_bits", "" },
        { "permessage-deflate; server_max_window_bits=16", "" },
        { "permessage-deflate; server_max_window_bits=7", "" },
        { "permessage-deflate; server_max_window_bits=09", "" },
        { "permessage-deflate; server_max_window_bits=1a", "" },
        { "permessage-deflate; server_max_window_bits=+9", "" },
        { "permessage-deflate; client_max_window_bits=16", "" },
        { "permessage-deflate; client_max_window_bits=0", "" },
        { "permessage-deflate; server_no_context_takeover=1", "" },
        { "permessage-deflate; client_no_context_takeover=true", "" },
        { "permessage-deflate; unknown", "" },
        { "permessage-deflate; client_max_window_bits; client_max_window_bits", "" },
        { "permessage-deflate; Server_max_window_bits=10", "" },
        { "Permessage-Deflate", "" },
        { "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10",
          ANSWER "; server_max_window_bits=10" },
        /* broken grammar: the handshake fails (RFC 6455 9.1) */
        { "permessage-deflate;", "malformed" },
        { "permessage-deflate; ", "malformed" },
        { "permessage-deflate; a;", "malformed" },
        { "permessage-deflate; ; a", "malformed" },
        { "permessage-deflate; a=", "malformed" },
        { "permessage-deflate; a=\"\"", "malformed" },
        { "permessage-deflate; a=\"b c\"", "malformed" },
        { "permessage-deflate; a=\"b", "malformed" },
        { "permessage-deflate; =9", "malformed" },
        { "permessage-deflate; a=b=c", "malformed" },
        { "per message", "malformed" },
        { "; a", "malformed" },
        { "permessage-deflate, \"x\"", "malformed" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = answer(rows[i].offers, true);
        if (strcmp(got, rows[i].answer) != 0)
            fail_msg("%s -> %s", rows[i].offers, got);
    }
}

/* Case 17: off by default. */
static void declines_when_off(void **state)
{
    (void)state;
    assert_string_equal(answer("permessage-deflate", false), "");
    assert_string_equal(answer("permessage-deflate;", false), "malformed");
}

static void reads_several_headers(void **state)
{
    struct jb__ws_deflate d;
    (void)state;

    assert_true(jb__ws_extension_accept(
        JB_STR("Sec-WebSocket-Extensions: a\r\nX: y\r\n"
               "sec-websocket-extensions: permessage-deflate; server_max_window_bits=11\r\n"),
        true, &d));
    assert_true(d.on && d.answer_bits && d.window_bits == 11);
    assert_true(jb__ws_extension_accept(JB_STR("X: y\r\n"), true, &d));
    assert_false(d.on);
}

/* NULL, or why not. */
static const char *agreed(const char *answer_text, bool offered, bool *on)
{
    char fields[512];
    struct jb__ws_deflate d;
    int n = snprintf(fields, sizeof fields, "Sec-WebSocket-Extensions: %s\r\n", answer_text);
    const char *why =
        jb__ws_extension_agreed(jb_str(fields, answer_text[0] ? (size_t)n : 0), offered, &d);

    *on = d.on;
    return why;
}

static void checks_the_server(void **state)
{
    static const struct {
        const char *answer, *why;
    } bad[] = {
        { "permessage-deflate", "each message by itself" },
        { "permessage-deflate; client_no_context_takeover", "each message by itself" },
        { ANSWER "; client_max_window_bits=10", "limits our window" },
        { ANSWER "; server_max_window_bits", "a parameter that there is not" },
        { ANSWER "; server_max_window_bits=16", "a parameter that there is not" },
        { ANSWER "; server_max_window_bits=7", "a parameter that there is not" },
        { ANSWER "; server_no_context_takeover", "a parameter that there is not" },
        { ANSWER "; x", "a parameter that there is not" },
        { ANSWER ", " ANSWER, "agreed twice" },
        { ANSWER ", x", "not offered" },
        { "x", "not offered" },
        { "permessage-deflate;", "not a list of extensions" },
    };
    bool on;
    (void)state;

    assert_null(agreed("", true, &on));
    assert_false(on);
    assert_null(agreed("", false, &on));
    assert_false(on);
    assert_null(agreed(ANSWER, true, &on));
    assert_true(on);
    assert_null(agreed(ANSWER "; server_max_window_bits=8", true, &on));
    assert_true(on);
    assert_null(agreed("permessage-deflate; server_no_context_takeover", true, &on));
    assert_true(on);
    assert_non_null(strstr(agreed(ANSWER, false, &on), "not offered"));
    assert_false(on);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *why = agreed(bad[i].answer, true, &on);
        if (on || !why || !strstr(why, bad[i].why))
            fail_msg("%s: %s", bad[i].answer, why ? why : "agreed");
    }
    assert_string_equal(answer(jb__ws_extension_offer().p, true), ANSWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_first_good_offer),
        cmocka_unit_test(declines_when_off),
        cmocka_unit_test(reads_several_headers),
        cmocka_unit_test(checks_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
