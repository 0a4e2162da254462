/* SPDX-License-Identifier: MIT */
#include "core/ws_frame.h"

#include "base/assert.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV = 0x70, OPCODE = 0x0f, MASK = 0x80, LENGTH = 0x7f };

void jb_ws_init(struct jb_ws *ws, enum jb_role role, const struct jb_allocator *alloc)
{
    *ws = (struct jb_ws){ .role = (uint8_t)role, .message_limit = 1, .fragment_limit = 1 };
    jb__buf_init(&ws->message, alloc, 1);
}

void jb_ws_deinit(struct jb_ws *ws)
{
    jb__buf_deinit(&ws->message);
}

void jb_ws_set_limits(struct jb_ws *ws, uint32_t message_limit, uint32_t fragment_limit)
{
    ws->message_limit = message_limit;
    ws->fragment_limit = fragment_limit;
}

bool jb_ws_code_allowed(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

void jb_ws_mask(char *p, size_t n, const uint8_t mask[4], unsigned at)
{
    uint8_t turned[4];
    uint64_t key;

    for (unsigned i = 0; i < 4; i++)
        turned[i] = mask[(at + i) & 3];
    memcpy(&key, turned, 4);
    memcpy((char *)&key + 4, turned, 4);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= key;
        memcpy(p, &word, 8);
    }
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(p[i] ^ turned[i & 3]);
}

size_t jb_ws_write_head(char out[JB_WS_HEAD_BYTES], enum jb_ws_opcode opcode, bool rsv1,
                        uint64_t payload_bytes, const uint8_t *mask)
{
    size_t n = 2;
    int length_bytes = payload_bytes < 126 ? 0 : payload_bytes <= UINT16_MAX ? 2 : 8;

    out[0] = (char)(FIN | (rsv1 ? RSV1 : 0) | (int)opcode);
    out[1] = (char)(length_bytes == 0 ? (int)payload_bytes : length_bytes == 2 ? 126 : 127);
    for (int i = length_bytes - 1; i >= 0; i--)
        out[n++] = (char)(payload_bytes >> (8 * i));
    if (mask) {
        out[1] = (char)(out[1] | MASK);
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

static bool fail(struct jb_ws *ws, struct jb_ws_event *ev, enum jb_ws_code code, const char *words)
{
    ws->fail_code = (uint16_t)code;
    *ev = (struct jb_ws_event){
        .kind = JB_WS_EVENT_FAIL, .code = (uint16_t)code, .over = JB_LIMIT_COUNT, .words = words
    };
    jb__buf_deinit(&ws->message);
    return true;
}

static bool over(struct jb_ws *ws, struct jb_ws_event *ev, enum jb_limit limit, const char *words)
{
    fail(ws, ev, JB_WS_TOO_BIG, words);
    ev->over = limit;
    return true;
}

static bool is_control(unsigned opcode)
{
    return opcode & 8;
}

/* Bytes of the head once its first two are known. */
static size_t head_size(const uint8_t head[2])
{
    unsigned length = head[1] & LENGTH;

    return 2u + (length == 126 ? 2u : length == 127 ? 8u : 0u) + (head[1] & MASK ? 4u : 0u);
}

/* The first two bytes decide most (sections 5.2, 5.4, 5.5); true when they are wrong. */
static bool check_start(struct jb_ws *ws, struct jb_ws_event *ev)
{
    unsigned opcode = ws->head[0] & OPCODE;
    unsigned rsv = ws->head[0] & RSV;
    bool fin = ws->head[0] & FIN;

    if (rsv == RSV1 && ws->inflate && (opcode == JB_WS_TEXT || opcode == JB_WS_BINARY))
        rsv = 0;
    if (rsv)
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a reserved bit is set");
    if ((opcode > JB_WS_BINARY && opcode < JB_WS_CLOSE) || opcode > JB_WS_PONG)
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "unknown opcode");
    if (!(ws->head[1] & MASK) != (ws->role == JB_ROLE_CLIENT))
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR,
                    ws->role == JB_ROLE_SERVER ? "a client's frame must be masked"
                                               : "a server's frame must not be masked");
    if (is_control(opcode)) {
        if (!fin)
            return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a control frame must not be fragmented");
        if ((ws->head[1] & LENGTH) > 125)
            return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a control frame is at most 125 bytes");
        return false;
    }
    if ((opcode == JB_WS_CONTINUATION) != (ws->message_opcode != 0))
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR,
                    opcode ? "a new message inside a fragmented one"
                           : "a continuation without a message");
    return false;
}

/* The payload's length from a complete head; false when it is not the shortest form or over 2^63.
 */
static bool read_length(const uint8_t *head, uint64_t *length)
{
    unsigned short_form = head[1] & LENGTH;

    *length = short_form;
    if (short_form == 126) {
        *length = (uint64_t)head[2] << 8 | head[3];
        return *length > 125;
    }
    if (short_form == 127) {
        *length = 0;
        for (int i = 2; i < 10; i++)
            *length = *length << 8 | head[i];
        return *length > UINT16_MAX && *length <= INT64_MAX;
    }
    return true;
}

/* A data frame begins: counts and bounds it before any of its bytes is kept. */
static bool begin_data(struct jb_ws *ws, struct jb_ws_event *ev)
{
    if (ws->frame_opcode != JB_WS_CONTINUATION) {
        ws->message_opcode = ws->frame_opcode;
        ws->compressed = ws->head[0] & RSV1;
        ws->utf8 = JB__UTF8_OK;
        ws->fragments = 0;
        ws->message.max = ws->message_limit;
    }
    if (++ws->fragments > ws->fragment_limit)
        return over(ws, ev, JB_LIMIT_ws_fragments, "too many fragments in one message");
    /* A compressed frame longer than the message may be can still be valid, but nobody sends it. */
    if (ws->frame_left > ws->message.max - ws->message.n)
        return over(ws, ev, JB_LIMIT_stanza_bytes, "the message is over the size limit");
    return false;
}

/* Collects the head; true when an event (a failure) is ready or more input is needed. */
static bool take_head(struct jb_ws *ws, char **p, size_t *n, struct jb_ws_event *ev)
{
    while (ws->head_bytes < 2 || ws->head_bytes < head_size(ws->head)) {
        if (*n == 0)
            return true;
        ws->head[ws->head_bytes++] = (uint8_t) * (*p)++;
        (*n)--;
        if (ws->head_bytes == 2 && check_start(ws, ev))
            return true;
    }
    size_t size = head_size(ws->head);
    if (!read_length(ws->head, &ws->frame_left))
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a length that is not in its shortest form");
    ws->fin = ws->head[0] & FIN;
    ws->frame_opcode = ws->head[0] & OPCODE;
    if (ws->head[1] & MASK)
        memcpy(ws->mask, ws->head + size - 4, 4);
    else
        memset(ws->mask, 0, 4);
    ws->mask_at = 0;
    ws->control_bytes = 0;
    ws->in_payload = true;
    ws->head_bytes = 0;
    return !is_control(ws->frame_opcode) && begin_data(ws, ev);
}

static bool deliver_close(struct jb_ws *ws, struct jb_ws_event *ev)
{
    unsigned n = ws->control_bytes;
    unsigned code = JB_WS_NO_CODE;

    if (n == 1)
        return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a close frame with half a code");
    if (n >= 2) {
        code = (unsigned)(uint8_t)ws->control[0] << 8 | (uint8_t)ws->control[1];
        if (!jb_ws_code_allowed(code))
            return fail(ws, ev, JB_WS_PROTOCOL_ERROR, "a close code that must not be sent");
        if (!jb__utf8_valid(jb_str(ws->control + 2, n - 2)))
            return fail(ws, ev, JB_WS_BAD_DATA, "a close reason that is not UTF-8");
    }
    ws->close_seen = true;
    *ev = (struct jb_ws_event){ .kind = JB_WS_EVENT_CLOSE,
                                .code = (uint16_t)code,
                                .data = ws->control + 2,
                                .bytes = n >= 2 ? n - 2 : 0 };
    return true;
}

/* Part of a control frame; true when the frame is complete or wrong. */
static bool take_control(struct jb_ws *ws, char *piece, size_t n, struct jb_ws_event *ev)
{
    memcpy(ws->control + ws->control_bytes, piece, n);
    ws->control_bytes = (uint8_t)(ws->control_bytes + n);
    if (ws->frame_left > 0)
        return false;
    ws->in_payload = false;
    if (ws->frame_opcode == JB_WS_CLOSE)
        return deliver_close(ws, ev);
    *ev = (struct jb_ws_event){ .kind = ws->frame_opcode == JB_WS_PING ? JB_WS_EVENT_PING
                                                                       : JB_WS_EVENT_PONG,
                                .opcode = ws->frame_opcode,
                                .data = ws->control,
                                .bytes = ws->control_bytes };
    return true;
}

static bool deliver_message(struct jb_ws *ws, char *data, size_t n, struct jb_ws_event *ev)
{
    *ev = (struct jb_ws_event){
        .kind = JB_WS_EVENT_MESSAGE, .opcode = ws->message_opcode, .data = data, .bytes = n
    };
    ws->message_opcode = 0;
    return true;
}

/* Keeps a piece of a message that is not here as a whole; true when it failed. */
static bool collect(struct jb_ws *ws, struct jb_str piece, bool last, struct jb_ws_event *ev)
{
    size_t before = ws->message.n;
    int rc = ws->compressed ? ws->inflate->feed(ws->inflate->ctx, piece, last, &ws->message)
                            : jb__buf_append(&ws->message, piece.p, piece.n);

    if (rc == JB_EFULL)
        return over(ws, ev, JB_LIMIT_stanza_bytes, "the message is over the size limit");
    if (rc == JB_EINVAL)
        return fail(ws, ev, JB_WS_BAD_DATA, "the message does not inflate");
    if (rc != 0)
        return fail(ws, ev, JB_WS_INTERNAL, "no memory for the message");
    if (ws->message_opcode == JB_WS_TEXT)
        ws->utf8 = jb__utf8_check(ws->utf8, ws->message.p + before, ws->message.n - before);
    return false;
}

/* Part of a data frame; true when there is an event. */
static bool take_data(struct jb_ws *ws, char *piece, size_t n, struct jb_ws_event *ev)
{
    bool frame_done = ws->frame_left == 0;
    bool message_done = frame_done && ws->fin;
    bool in_place = message_done && ws->message.n == 0 && ws->fragments == 1 && !ws->compressed;

    if (in_place) {
        if (ws->message_opcode == JB_WS_TEXT)
            ws->utf8 = jb__utf8_check(ws->utf8, piece, n);
    } else if (collect(ws, jb_str(piece, n), message_done, ev)) {
        return true;
    }
    if (ws->utf8 == JB__UTF8_BAD || (message_done && ws->utf8 != JB__UTF8_OK))
        return fail(ws, ev, JB_WS_BAD_DATA, "text that is not UTF-8");
    if (frame_done)
        ws->in_payload = false;
    if (!message_done)
        return false;
    if (in_place)
        return deliver_message(ws, piece, n, ev);
    ws->handed_out = true;
    return deliver_message(ws, ws->message.p, ws->message.n, ev);
}

void jb_ws_next(struct jb_ws *ws, char **p, size_t *n, struct jb_ws_event *ev)
{
    *ev = (struct jb_ws_event){ .kind = JB_WS_EVENT_NONE };
    if (ws->handed_out) {
        jb__buf_deinit(&ws->message);
        ws->handed_out = false;
    }
    if (ws->fail_code || ws->close_seen) { /* section 1.4: nothing counts after a close */
        *p += *n;
        *n = 0;
        return;
    }
    for (;;) {
        if (!ws->in_payload && take_head(ws, p, n, ev))
            return;
        if (*n == 0 && ws->frame_left > 0)
            return;
        size_t piece_bytes = *n < ws->frame_left ? *n : (size_t)ws->frame_left;
        char *piece = *p;
        *p += piece_bytes;
        *n -= piece_bytes;
        ws->frame_left -= piece_bytes;
        jb_ws_mask(piece, piece_bytes, ws->mask, ws->mask_at);
        ws->mask_at = (uint8_t)((ws->mask_at + piece_bytes) & 3);
        if (is_control(ws->frame_opcode) ? take_control(ws, piece, piece_bytes, ev)
                                         : take_data(ws, piece, piece_bytes, ev))
            return;
    }
}
