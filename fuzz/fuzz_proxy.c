/* SPDX-License-Identifier: MIT */
/* The PROXY header, whole and byte by byte: the same verdict, bounded, and addresses that read
 * back as themselves.  The same bytes as a list of X-Forwarded-For. */
#include "fuzz.h"

#include "core/proxy.h"

static enum jb__proxy_step parse(struct jb_str in, size_t step, struct jb__proxy_header *h)
{
    enum jb__proxy_step result = JB__PROXY_MORE;

    for (size_t n = 0; result == JB__PROXY_MORE && n < in.n;) {
        n = in.n - n > step ? n + step : in.n;
        result = jb__proxy_parse(jb_str(in.p, n), h);
    }
    return result;
}

static void check_canonical(const struct jb__proxy_address *a)
{
    struct jb__proxy_address again;

    jb_assert(jb__proxy_address(jb_strz(a->text), &again));
    jb_assert(strcmp(a->text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb__proxy_header whole, split;
    struct jb__proxy_address address;
    struct jb_str in = jb_str((const char *)p, n);
    enum jb__proxy_step step = parse(in, n, &whole);

    jb_assert(parse(in, 1, &split) == step);
    if (step == JB__PROXY_DONE) {
        jb_assert(whole.bytes <= n && whole.bytes <= JB__PROXY_V2_BYTES);
        jb_assert(whole.bytes == split.bytes && whole.known == split.known);
        if (whole.known) {
            check_canonical(&whole.source);
            check_canonical(&whole.target);
        }
    }
    if (step == JB__PROXY_MORE)
        jb_assert(n < JB__PROXY_V2_BYTES);
    if (jb__proxy_address(in, &address))
        check_canonical(&address);
    return 0;
}
