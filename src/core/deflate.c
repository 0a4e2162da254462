/* SPDX-License-Identifier: MIT */
#include "core/deflate.h"

#include "base/assert.h"

#include <limits.h>
#include <zlib.h>

enum { WINDOW_BITS_MIN = 9, WINDOW_BITS_MAX = 15, MEM_LEVEL = 6 };

/* What a sender strips off each message and a receiver puts back (RFC 7692 7.2): the length fields
 * of the empty stored block that a sync flush writes. */
static const unsigned char tail[4] = { 0x00, 0x00, 0xff, 0xff };

struct jb__inflater {
    struct jb__inflater *older, *newer; /* among the busy ones */
    uint64_t serial;                    /* of the message it is lent for */
    bool complete; /* nothing came since the start or since a block marked final: no tail is due */
    z_stream z;
};

static void *z_alloc(void *ctx, unsigned count, unsigned size)
{
    size_t bytes = (size_t)count * size;

    return bytes ? jb_alloc(ctx, bytes) : NULL;
}

static void z_free(void *ctx, void *p)
{
    jb_free(ctx, p);
}

static void z_prepare(z_stream *z, const struct jb_allocator *alloc)
{
    *z = (z_stream){ .zalloc = z_alloc, .zfree = z_free };
    memcpy(&z->opaque, &alloc, sizeof alloc); /* zlib's pointer has no const */
}

/* Points zlib at what it may read, whose interface has no const either, unless asked for it. */
static void z_input(z_stream *z, const void *p, size_t n)
{
    jb_assert(n <= UINT_MAX);
    memcpy(&z->next_in, &p, sizeof p);
    z->avail_in = (unsigned)n;
}

/* Points zlib at the free part of `out`, which is made larger when there is none.
 * 0, JB_EFULL (out->n is out->max), JB_ENOMEM. */
static int z_output(z_stream *z, struct jb__buf *out)
{
    size_t left = out->max - out->n;

    if (left == 0)
        return JB_EFULL;
    if (out->n >= out->cap) {
        size_t more = out->n < 256 ? 256 : out->n;
        int rc = jb__buf_reserve(out, more < left ? more : left);
        if (rc != 0)
            return rc;
    }
    size_t room = out->cap - out->n < left ? out->cap - out->n : left;
    z->next_out = (unsigned char *)out->p + out->n;
    z->avail_out = room < UINT_MAX ? (unsigned)room : UINT_MAX;
    return 0;
}

/* ---- the codec ---- */

void jb__codec_init(struct jb__codec *c, const struct jb_allocator *alloc, unsigned inflaters)
{
    jb_assert(inflaters > 0);
    *c = (struct jb__codec){ .alloc = alloc, .most = inflaters };
}

static void inflater_free(struct jb__codec *c, struct jb__inflater *f)
{
    inflateEnd(&f->z);
    jb_free(c->alloc, f);
    c->count--;
}

static struct jb__inflater *inflater_new(struct jb__codec *c)
{
    struct jb__inflater *f = jb_alloc(c->alloc, sizeof *f);

    if (!f)
        return NULL;
    *f = (struct jb__inflater){ 0 };
    z_prepare(&f->z, c->alloc);
    if (inflateInit2(&f->z, -WINDOW_BITS_MAX) != Z_OK) {
        jb_free(c->alloc, f);
        return NULL;
    }
    c->count++;
    return f;
}

void jb__codec_deinit(struct jb__codec *c)
{
    jb_assert(!c->oldest);
    if (c->idle)
        inflater_free(c, c->idle);
    for (size_t i = 0; i < sizeof c->deflaters / sizeof c->deflaters[0]; i++) {
        if (c->deflaters[i])
            deflateEnd(c->deflaters[i]);
        jb_free(c->alloc, c->deflaters[i]);
    }
    *c = (struct jb__codec){ .alloc = c->alloc, .most = c->most };
}

static void unlink_busy(struct jb__codec *c, struct jb__inflater *f)
{
    *(f->older ? &f->older->newer : &c->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &c->newest) = f->older;
    f->older = f->newer = NULL;
}

/* From the newest: a message in one piece is found at once, however many others are unfinished. */
static struct jb__inflater *find_busy(const struct jb__codec *c, uint64_t serial)
{
    struct jb__inflater *f = c->newest;

    while (f && f->serial > serial)
        f = f->older;
    return f && f->serial == serial ? f : NULL;
}

/* ---- inflating ---- */

static void inflater_reset(struct jb__inflater *f)
{
    int rc = inflateReset(&f->z);

    jb_assert(rc == Z_OK); /* it fails only on a stream that was never set up */
}

int jb__inflate_begin(struct jb__codec *c, struct jb__inflate *m)
{
    struct jb__inflater *f = c->idle;

    m->serial = 0;
    if (f) {
        c->idle = NULL;
    } else if (c->count < c->most) {
        f = inflater_new(c);
    } else {
        f = c->oldest;
        unlink_busy(c, f);
    }
    if (!f)
        return JB_ENOMEM;
    inflater_reset(f);
    f->complete = true;
    f->serial = m->serial = ++c->serial;
    f->older = c->newest;
    *(f->older ? &f->older->newer : &c->oldest) = f;
    c->newest = f;
    return 0;
}

/* One call of inflate() into the free part of `out`, or, when that is full, into one byte that no
 * message may yield.  1: call again, 0: the input is used up, or an error. */
static int inflate_step(struct jb__inflater *f, struct jb__buf *out)
{
    unsigned char spill;
    int rc = z_output(&f->z, out);
    bool full = rc == JB_EFULL;

    if (full) {
        f->z.next_out = &spill;
        f->z.avail_out = 1;
    } else if (rc != 0) {
        return rc;
    }
    unsigned room = f->z.avail_out;
    rc = inflate(&f->z, Z_SYNC_FLUSH);
    unsigned made = room - f->z.avail_out;
    if (full && made)
        return JB_EFULL;
    out->n += made;
    if (rc == Z_MEM_ERROR)
        return JB_ENOMEM;
    if (rc == Z_STREAM_END) { /* a block marked final: what follows is a new stream (7.2.3.4) */
        f->complete = f->z.avail_in == 0;
        inflater_reset(f);
        return f->z.avail_in > 0;
    }
    if (rc != Z_OK && rc != Z_BUF_ERROR)
        return JB_EINVAL;
    return f->z.avail_out == 0;
}

static int inflate_all(struct jb__inflater *f, const void *p, size_t n, struct jb__buf *out)
{
    int step;

    if (n == 0)
        return 0;
    f->complete = false;
    z_input(&f->z, p, n);
    while ((step = inflate_step(f, out)) > 0)
        ;
    return step;
}

int jb__inflate_piece(struct jb__codec *c, struct jb__inflate *m, struct jb_str piece, bool last,
                      struct jb__buf *out)
{
    enum { BETWEEN_BLOCKS = 128 }; /* in z_stream.data_type after inflate() */
    struct jb__inflater *f = find_busy(c, m->serial);

    if (!f)
        return JB_ECLOSED;
    int rc = inflate_all(f, piece.p, piece.n, out);
    if (rc != 0 || !last || f->complete)
        return rc;
    size_t before = out->n;
    rc = inflate_all(f, tail, sizeof tail, out);
    if (rc == 0 && (out->n != before || !(f->z.data_type & BETWEEN_BLOCKS)))
        rc = JB_EINVAL; /* the tail was taken for the rest of a block */
    return rc;
}

void jb__inflate_end(struct jb__codec *c, struct jb__inflate *m)
{
    struct jb__inflater *f = find_busy(c, m->serial);

    m->serial = 0;
    if (!f)
        return;
    unlink_busy(c, f);
    if (c->idle)
        inflater_free(c, f);
    else
        c->idle = f;
}

int jb__inflate_feed(struct jb__codec *c, struct jb__inflate *m, struct jb_str piece, bool last,
                     struct jb__buf *out)
{
    int rc = m->serial ? 0 : jb__inflate_begin(c, m);

    if (rc == 0)
        rc = jb__inflate_piece(c, m, piece, last, out);
    if (rc != 0 || last)
        jb__inflate_end(c, m);
    return rc;
}

/* ---- deflating ---- */

static z_stream *deflater_get(struct jb__codec *c, uint8_t window_bits)
{
    z_stream **slot = &c->deflaters[window_bits - WINDOW_BITS_MIN];

    if (*slot) {
        int rc = deflateReset(*slot);
        jb_assert(rc == Z_OK);
        return *slot;
    }
    z_stream *z = jb_alloc(c->alloc, sizeof *z);
    if (!z)
        return NULL;
    z_prepare(z, c->alloc);
    if (deflateInit2(z, Z_BEST_SPEED, Z_DEFLATED, -window_bits, MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        jb_free(c->alloc, z);
        return NULL;
    }
    return *slot = z;
}

/* `flush`: Z_NO_FLUSH, or Z_SYNC_FLUSH behind the last piece. */
static int deflate_piece(z_stream *z, struct jb_str text, int flush, struct jb__buf *out)
{
    z_input(z, text.p, text.n);
    do {
        int rc = z_output(z, out);
        if (rc != 0)
            return rc;
        unsigned room = z->avail_out;
        rc = deflate(z, flush);
        jb_assert(rc == Z_OK || rc == Z_BUF_ERROR);
        out->n += room - z->avail_out;
    } while (z->avail_out == 0);
    return 0;
}

int jb__deflate_pieces(struct jb__codec *c, const struct jb_str pieces[3], uint8_t window_bits,
                       struct jb__buf *out)
{
    size_t before = out->n;
    int rc = 0;

    jb_assert(window_bits >= WINDOW_BITS_MIN && window_bits <= WINDOW_BITS_MAX);
    z_stream *z = deflater_get(c, window_bits);
    if (!z)
        return JB_ENOMEM;
    for (int k = 0; k < 3 && rc == 0; k++)
        if (pieces[k].n > 0)
            rc = deflate_piece(z, pieces[k], Z_NO_FLUSH, out);
    if (rc == 0)
        rc = deflate_piece(z, JB_STR_NONE, Z_SYNC_FLUSH, out);
    if (rc != 0) {
        out->n = before;
        return rc;
    }
    jb_assert(out->n - before > sizeof tail &&
              memcmp(out->p + out->n - sizeof tail, tail, sizeof tail) == 0);
    out->n -= sizeof tail;
    return 0;
}

int jb__deflate_message(struct jb__codec *c, struct jb_str text, uint8_t window_bits,
                        struct jb__buf *out)
{
    const struct jb_str pieces[3] = { text };

    return jb__deflate_pieces(c, pieces, window_bits, out);
}
