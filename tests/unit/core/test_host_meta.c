/* SPDX-License-Identifier: MIT */
#include "core/host_meta.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct jb_str urls[] = { JB_STR_INIT("wss://example.org/xmpp-websocket"),
                                      JB_STR_INIT("ws://a/?x=1&y=\"'\\<") };

typedef int write_document(const struct jb_str *list, size_t count, struct jb__buf *out);

static void expect(write_document *write, size_t count, const char *expected)
{
    struct jb__buf out;

    jb__buf_init(&out, &jb_allocator_libc, 4096);
    assert_int_equal(write(urls, count, &out), 0);
    if (!jb_str_eqz(jb__buf_str(&out), expected))
        fail_msg("%.*s", JB_STR_ARG(jb__buf_str(&out)));
    for (size_t max = 0; max < out.n; max++) {
        struct jb__buf tight;
        jb__buf_init(&tight, &jb_allocator_libc, max);
        assert_int_equal(write(urls, count, &tight), JB_EFULL);
        assert_int_equal(tight.n, 0);
        jb__buf_deinit(&tight);
    }
    jb__buf_deinit(&out);
}

#define REL "urn:xmpp:alt-connections:websocket"

static void writes_xml(void **state)
{
    (void)state;
    expect(jb__host_meta_xml, 0,
           "<?xml version='1.0' encoding='utf-8'?>\n"
           "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'/>");
    expect(jb__host_meta_xml, 2,
           "<?xml version='1.0' encoding='utf-8'?>\n"
           "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
           "<Link rel='" REL "' href='wss://example.org/xmpp-websocket'/>"
           "<Link rel='" REL "' href='ws://a/?x=1&amp;y=&quot;&apos;\\&lt;'/></XRD>");
}

static void writes_json(void **state)
{
    (void)state;
    expect(jb__host_meta_json, 0, "{\"links\":[]}\n");
    expect(jb__host_meta_json, 2,
           "{\"links\":[{\"rel\":\"" REL "\",\"href\":\"wss://example.org/xmpp-websocket\"},"
           "{\"rel\":\"" REL "\",\"href\":\"ws://a/?x=1&y=\\\"'\\\\<\"}]}\n");
}

static void refuses_control_characters(void **state)
{
    const struct jb_str bad = JB_STR("ws://a/\nb");
    struct jb__buf out;
    (void)state;

    jb__buf_init(&out, &jb_allocator_libc, 4096);
    assert_int_equal(jb__host_meta_json(&bad, 1, &out), JB_EINVAL);
    assert_int_equal(out.n, 0);
    jb__buf_deinit(&out);
}

static void document_scenario(struct failing_alloc *f, void *ctx)
{
    write_document *const *write = ctx;
    struct jb__buf out;

    jb__buf_init(&out, &f->alloc, 4096);
    int rc = (*write)(urls, 2, &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_int_equal(out.n > 0, !f->failed);
    jb__buf_deinit(&out);
}

static void survives_no_memory(void **state)
{
    write_document *writers[] = { jb__host_meta_xml, jb__host_meta_json };
    (void)state;

    for (size_t i = 0; i < 2; i++)
        assert_true(failing_alloc_loop(document_scenario, &writers[i]) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_xml),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(refuses_control_characters),
        cmocka_unit_test(survives_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
