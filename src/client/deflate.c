/* SPDX-License-Identifier: MIT */
/* Compression of messages (RFC 7692), each by itself.
 *
 * zlib's memory is there while a message is being packed or unpacked, and given back when the
 * connection has nothing to do: an idle client is as small as one without. */
#include "core/deflate.h"

#include "client/client_impl.h"

/* Of what we send: 55,000 bytes for 4 KiB to look back at, which few stanzas are longer than; 15
 * bits would take 170,000. */
enum { WINDOW_BITS = 12, PACKED_BYTES_MORE = 1024 };

struct jb__compression {
    struct jb__codec codec;
    struct jb__inflate message; /* that is arriving */
    struct jb__buf packed;      /* that is leaving */
    struct jb_ws_inflater inflater;
    struct jb_ws_deflater deflater;
    uint8_t window_bits;
};

static int feed(void *ctx, struct jb_str piece, bool last, struct jb__buf *out)
{
    struct jb__compression *z = ctx;

    return jb__inflate_feed(&z->codec, &z->message, piece, last, out);
}

static int pack(void *ctx, const struct jb_str pieces[3], struct jb__buf *out)
{
    struct jb__compression *z = ctx;

    return jb__deflate_pieces(&z->codec, pieces, z->window_bits, out);
}

bool jb__deflate_can(void)
{
    return true;
}

int jb__deflate_begin(struct jb_client *c, const struct jb__ws_deflate *agreed)
{
    if (!agreed->on)
        return 0;
    struct jb__compression *z = jb_zalloc(&c->memory, sizeof *z);
    if (!z)
        return JB_ENOMEM;
    jb__codec_init(&z->codec, &c->memory, 1);
    jb__buf_init(&z->packed, &c->memory,
                 (size_t)c->stream_config.limits.stanza_bytes + PACKED_BYTES_MORE);
    z->window_bits = agreed->window_bits < WINDOW_BITS ? agreed->window_bits : WINDOW_BITS;
    z->inflater = (struct jb_ws_inflater){ feed, z };
    z->deflater = (struct jb_ws_deflater){ pack, &z->packed, z };
    c->stream.ws.inflate = &z->inflater;
    c->stream.deflate = &z->deflater;
    c->compression = z;
    return 0;
}

void jb__deflate_rest(struct jb_client *c)
{
    struct jb__compression *z = c->compression;

    if (!z)
        return;
    jb__buf_deinit(&z->packed);
    if (!z->message.serial)
        jb__codec_deinit(&z->codec);
}

void jb__deflate_end(struct jb_client *c)
{
    struct jb__compression *z = c->compression;

    if (!z)
        return;
    jb__inflate_end(&z->codec, &z->message);
    jb__deflate_rest(c);
    jb_free(&c->memory, z);
    c->compression = NULL;
}
