/* SPDX-License-Identifier: MIT */
/* An HTTP head, whole and byte by byte: the same verdict; whatever is accepted keeps its promises
 * and is then read by everything that reads headers. */
#include "fuzz.h"

#include "core/http.h"
#include "core/http_field.h"
#include "core/proxy.h"
#include "core/ws_handshake.h"

static enum jb__http_step parse(struct jb_str in, size_t step, struct jb__http_parser *p,
                                struct jb__http_request *req)
{
    enum jb__http_step result = JB__HTTP_MORE;

    jb__http_parser_init(p, &jb_limits_default);
    for (size_t n = 0; result == JB__HTTP_MORE && n < in.n;) {
        n = in.n - n > step ? n + step : in.n;
        result = jb__http_parse_request(p, jb_str(in.p, n), req);
    }
    return result;
}

static bool trust_all_v4(void *ctx, struct jb_str address)
{
    (void)ctx;
    return memchr(address.p, '.', address.n) != NULL;
}

static void read_everything(const struct jb__http_request *req)
{
    static const struct jb_str host = JB_STR_INIT("a");
    const struct jb__ws_handshake_options options = { { &host, 1, &host, 1, false },
                                                      JB__WS_PROTOCOL_XMPP,
                                                      true };
    struct jb__ws_handshake h;
    struct jb__proxy_origin origin;
    struct jb__buf out;

    jb__buf_init(&out, &jb_allocator_abort, 4096);
    jb__ws_handshake_check(req, &options, &h);
    jb_assert(jb__ws_handshake_answer(&h, &out) == 0);
    out.n = 0;
    jb__proxy_resolve(req->fields, JB_STR("10.0.0.1"), trust_all_v4, NULL, &origin);
    jb_assert(origin.address.text[0] != '\0');
    jb__http_accept_coding(req->fields, 7);
    jb__http_none_match(req->fields, JB_STR("\"a\""));
    if (jb__http_query_get(req->query, JB_STR("a"), &out) == 0)
        jb_assert(!memchr(out.p ? out.p : "x", '\n', out.n));
    jb__buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct jb__http_request whole, split;
    struct jb__http_parser a, b;
    struct jb__http_response resp;
    struct jb_str in = jb_str((const char *)p, n);
    enum jb__http_step step = parse(in, n, &a, &whole);

    jb_assert(parse(in, 1, &b, &split) == step);
    jb_assert(a.fault.status == b.fault.status);
    if (step == JB__HTTP_DONE) {
        jb_assert(whole.bytes <= n && whole.bytes == split.bytes);
        jb_assert(whole.bytes <= jb_limits_default.http_head_bytes);
        jb_assert(jb_str_eq(whole.path, split.path));
        jb_assert(whole.path.p[0] == '/' || whole.method == JB__HTTP_OPTIONS);
        jb_assert(!memmem(whole.path.p, whole.path.n, "//", 2));
        jb_assert(!memmem(whole.path.p, whole.path.n, "/../", 4));
        read_everything(&whole);
    }
    jb__http_parser_init(&a, &jb_limits_default);
    if (n && jb__http_parse_response(&a, in, &resp) == JB__HTTP_DONE)
        jb_assert(resp.status >= 100 && resp.status <= 599 && resp.bytes <= n);
    return 0;
}
