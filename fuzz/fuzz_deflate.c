/* SPDX-License-Identifier: MIT */
/* Inflating any bytes, whole and byte by byte: the same verdict and text, never past the bound.
 * Deflating the same bytes and inflating them again: the same bytes. */
#include "fuzz.h"

#include "core/deflate.h"

enum { BOUND = 64 * 1024 };

static struct jb__codec codec;

static int inflate_all(struct jb_str in, size_t step, struct jb__buf *out)
{
    struct jb__inflate m;
    int rc = jb__inflate_begin(&codec, &m);

    do {
        struct jb_str piece = jb_str(in.p, in.n > step ? step : in.n);
        in = jb_str_from(in, piece.n);
        if (rc == 0)
            rc = jb__inflate_piece(&codec, &m, piece, in.n == 0, out);
    } while (rc == 0 && in.n);
    jb__inflate_end(&codec, &m);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str in = jb_str((const char *)p, n);
    struct jb__buf a, b;

    jb__codec_init(&codec, &jb_allocator_abort, 1);
    jb__buf_init(&a, &jb_allocator_abort, BOUND);
    jb__buf_init(&b, &jb_allocator_abort, BOUND);
    int rc = inflate_all(in, n, &a);
    jb_assert(inflate_all(in, 1, &b) == rc);
    jb_assert(a.n <= BOUND && (rc != JB_EFULL || a.n == BOUND));
    jb_assert(rc != 0 || jb_str_eq(jb__buf_str(&a), jb__buf_str(&b)));
    a.n = b.n = 0;
    if (n < BOUND / 2) {
        jb_assert(jb__deflate_message(&codec, in, (uint8_t)(9 + n % 7), &a) == 0);
        jb_assert(inflate_all(jb__buf_str(&a), a.n, &b) == 0);
        jb_assert(jb_str_eq(jb__buf_str(&b), in));
    }
    jb__buf_deinit(&a);
    jb__buf_deinit(&b);
    jb__codec_deinit(&codec);
    return 0;
}
