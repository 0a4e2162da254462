/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "failing_alloc.h"

#include "base/error.h"
#include "client/host_meta_read.h"
#include "core/host_meta.h"

#include <stdio.h>

#define REL  "\"rel\":\"urn:xmpp:alt-connections:websocket\""
#define XRD  "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
#define LINK "<Link rel='urn:xmpp:alt-connections:websocket' href="

static struct jb__endpoint out[JB__ENDPOINTS_MOST];
static struct jb__tls_keys keys;
static struct jb__arena arena;

static int json(const char *text)
{
    return jb__host_meta_read_json(jb_strz(text), out, &keys);
}

static int xml(const char *text)
{
    int count = jb__host_meta_read_xml(jb_strz(text), &arena, out);

    jb__arena_reset(&arena);
    return count;
}

/* What the server writes, the client reads. */
static void our_own(void **state)
{
    const struct jb_str urls[] = { JB_STR_INIT("wss://a.example:5443/x?a=b&c=d"),
                                   JB_STR_INIT("wss://b.example/") };
    struct jb__buf buf;

    (void)state;
    for (int is_json = 0; is_json < 2; is_json++) {
        jb__buf_init(&buf, &jb_allocator_libc, 4096);
        assert_int_equal(
            is_json ? jb__host_meta_json(urls, 2, &buf) : jb__host_meta_xml(urls, 2, &buf), 0);
        assert_int_equal(is_json ? jb__host_meta_read_json(jb__buf_str(&buf), out, &keys)
                                 : jb__host_meta_read_xml(jb__buf_str(&buf), &arena, out),
                         2);
        assert_string_equal(out[0].url.host, "a.example");
        assert_string_equal(out[0].url.target, "/x?a=b&c=d");
        assert_int_equal(out[0].url.port, 5443);
        assert_string_equal(out[1].name, "b.example");
        assert_true(out[0].priority < out[1].priority);
        jb__buf_deinit(&buf);
        jb__arena_reset(&arena);
    }
}

static void extended(void **state)
{
    (void)state;
    assert_int_equal(json("{\"xmpp\":{\"ttl\":1},\"links\":["
                          "{" REL ",\"href\":\"wss://a/\"},"
                          "{" REL ",\"href\":\"wss://b/\",\"sni\":\"s.example\",\"priority\":7,"
                          "\"weight\":-1,\"ips\":[\"192.0.2.1\",5,\"x\",\"2001:db8::1\"]},"
                          "{" REL ",\"href\":\"wss://c/\",\"sni\":\"\"}]}"),
                     1); /* each must have a name */
    assert_string_equal(out[0].url.host, "b");
    assert_string_equal(out[0].name, "s.example");
    assert_int_equal(out[0].priority, 7);
    assert_int_equal(out[0].addr_count, 2);
    assert_true(jb__addr_is_v4(&out[0].addrs[0]));
}

/* What is no SHA-256 in base 64 is passed over; and who pins nothing trusts none of before. */
static void pinned_keys(void **state)
{
    char text[2048];
    int n;

    (void)state;
    assert_int_equal(json("{\"xmpp\":{\"public-key-pins-sha-256\":["
                          "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","
                          "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\"," /* 31 bytes */
                          "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\"," /* 33 bytes */
                          "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\",\"\",7,null,"
                          "\"!AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","
                          "\"//////////////////////////////////////////8=\"]}}"),
                     0);
    assert_int_equal(keys.count, 2);
    for (uint8_t k = 0; k < JB__TLS_KEY_BYTES; k++)
        assert_int_equal(keys.hash[0][k], k);
    assert_int_equal(keys.hash[1][31], 0xff);

    n = snprintf(text, sizeof text, "{\"xmpp\":{\"public-key-pins-sha-256\":[1");
    for (int k = 0; k < JB__TLS_KEYS_MOST + 1; k++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      ",\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"");
    snprintf(text + n, sizeof text - (size_t)n, "]}}");
    assert_int_equal(json(text), 0);
    assert_int_equal(keys.count, JB__TLS_KEYS_MOST);

    assert_int_equal(json("{\"xmpp\":{\"public-key-pins-sha-256\":{}}}"), 0);
    assert_int_equal(keys.count, 0);
}

static void nothing_in_it(void **state)
{
    static const char *const no_json[] = { "{}", "[]", "{\"links\":{}}", "{\"links\":[1,null,{}]}",
                                           "{\"links\":[{" REL ",\"href\":\"ws://a/\"},{" REL
                                           ",\"href\":\"https://a/\"},"
                                           "{\"rel\":\"x\",\"href\":\"wss://a/\"},{" REL
                                           ",\"href\":7},{" REL "}]}" };
    static const char *const no_xml[] = { XRD "</XRD>", XRD LINK "'ws://a/'/></XRD>",
                                          XRD LINK "'HTTPS://a/'/></XRD>",
                                          XRD "<Link rel='x' href='wss://a/'/></XRD>" };

    (void)state;
    for (size_t k = 0; k < sizeof no_json / sizeof no_json[0]; k++)
        assert_int_equal(json(no_json[k]), 0);
    for (size_t k = 0; k < sizeof no_xml / sizeof no_xml[0]; k++)
        assert_int_equal(xml(no_xml[k]), 0);
}

static void malformed(void **state)
{
    static const char *const bad_json[] = { "", "{", "x", "{\"a\":1,\"a\":2}", "{} {}", "\xff" };
    static const char *const bad_xml[] = {
        "", "<", "<XRD/>", "\xff", "<!DOCTYPE a><a/>", XRD "<!-- x --></XRD>"
    };

    (void)state;
    for (size_t k = 0; k < sizeof bad_json / sizeof bad_json[0]; k++)
        assert_int_equal(json(bad_json[k]), JB_EINVAL);
    for (size_t k = 0; k < sizeof bad_xml / sizeof bad_xml[0]; k++)
        assert_int_equal(xml(bad_xml[k]), JB_EINVAL);
}

static void too_many(void **state)
{
    char text[4096] = "{\"links\":[{}";
    struct jb_str one = JB_STR(",{" REL ",\"href\":\"wss://a/\"}");
    size_t n = strlen(text);

    (void)state;
    for (int k = 0; k < JB__ENDPOINTS_MOST + 3; k++, n += one.n)
        memcpy(text + n, one.p, one.n);
    memcpy(text + n, "]}", 3);
    assert_int_equal(json(text), JB__ENDPOINTS_MOST);
}

static void without_memory(struct failing_alloc *f, void *ctx)
{
    enum { MANY = 600 }; /* elements: they fill a block, and what needs a copy needs another one */
    static const char head[] = XRD, tail[] = LINK "'wss://a/?b&amp;c'/></XRD>";
    static char text[sizeof head + sizeof tail + 4 * MANY];
    struct jb__arena failing;
    char *p = text;

    (void)ctx;
    memcpy(p, head, sizeof head - 1);
    p += sizeof head - 1;
    for (int k = 0; k < MANY; k++, p += 4)
        memcpy(p, "<x/>", 4);
    memcpy(p, tail, sizeof tail);
    jb__arena_init(&failing, &f->alloc, 1 << 20);
    int count = jb__host_meta_read_xml(jb_strz(text), &failing, out);
    assert_int_equal(count, f->failed ? JB_ENOMEM : 1);
    jb__arena_deinit(&failing);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(without_memory, NULL) > 1);
}

static int make_arena(void **state)
{
    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, 1 << 20);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    jb__arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own),   cmocka_unit_test(extended),
        cmocka_unit_test(pinned_keys), cmocka_unit_test(nothing_in_it),
        cmocka_unit_test(malformed), cmocka_unit_test(too_many), cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
