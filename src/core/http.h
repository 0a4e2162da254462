/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 heads (RFC 9112): the request a server reads, the response a client reads.
 *
 * The caller keeps the bytes that arrived so far and hands all of them to each call; the parser
 * remembers how far it looked, so a head that arrives byte by byte costs the same as one that
 * arrives whole.  It keeps offsets only, so the bytes may move between calls.
 *
 *     struct jb__http_parser parser;
 *     struct jb__http_request req;
 *     jb__http_parser_init(&parser, &limits);
 *     switch (jb__http_parse_request(&parser, jb__buf_str(&in), &req)) {
 *     case JB__HTTP_MORE:  wait for more bytes
 *     case JB__HTTP_DONE:  use req; what follows at byte req.bytes is a body or frames
 *     case JB__HTTP_FAULT: answer parser.fault (jb__http_write_fault) and close
 *     }
 *
 * Strict where two readers could disagree (request smuggling): lines end with CR LF only, no
 * folded lines, no control characters, no space before a colon, exactly one Host, at most one
 * Content-Length, no Transfer-Encoding.  One empty line before the request line is skipped
 * (section 2.2). */
#ifndef JB_CORE_HTTP_H
#define JB_CORE_HTTP_H

#include "base/str.h"
#include "core/limits.h"

/* Why a message is refused.  status 0: it is not. */
struct jb__http_fault {
    uint16_t status;   /* of the answer, 400..505 */
    const char *words; /* what was wrong and how to mend it, one or more plain sentences; static */
    enum jb_limit limit; /* the parser's faults: the limit reached, or JB_LIMIT_COUNT */
};

struct jb__http_parser {
    const struct jb_limits *limits; /* http_head_bytes, http_headers, http_body_bytes */
    struct jb__http_fault fault;    /* set with JB__HTTP_FAULT */
    size_t looked;                  /* bytes looked at */
    size_t line;                    /* where the line in progress begins */
    size_t start;                   /* where the first line begins: 0, or 2 after an empty line */
    size_t fields;                  /* where the first header begins; 0 while in the first line */
    uint32_t count;                 /* headers so far */
};

enum jb__http_step {
    JB__HTTP_MORE, /* the head is not complete */
    JB__HTTP_DONE,
    JB__HTTP_FAULT
};

enum jb__http_method {
    JB__HTTP_OTHER, /* a well-formed token that is none of these */
    JB__HTTP_GET,
    JB__HTTP_HEAD,
    JB__HTTP_POST,
    JB__HTTP_OPTIONS
};

/* Decoded bytes of a path; a longer one is answered 414.  No route comes near: this is the size
 * of a field, not a matter of taste, hence no line in limits.h. */
enum { JB__HTTP_PATH_BYTES = 1024 };

/* All slices point into the bytes handed to the parser, `path` into `decoded`: the struct must not
 * be copied, nor the bytes moved, while it is used. */
struct jb__http_request {
    struct jb_str method_name;
    enum jb__http_method method;
    struct jb_str target; /* as sent */
    struct jb_str path;   /* in normal form, see below; "*" for OPTIONS * */
    struct jb_str query;  /* behind the first '?', still encoded; empty when none */
    struct jb_str host;   /* Host, or the target's authority; host[:port]; empty only in HTTP/1.0 */
    struct jb_str fields; /* the headers, for core/http_field.h */
    uint64_t content_length; /* 0 when there is no body */
    size_t bytes;            /* of the whole head with its last empty line */
    bool http10;             /* HTTP/1.0: answer, then close; no upgrade */
    bool keep_alive;         /* the client will take more on this connection (section 9.3) */
    bool expect_continue;    /* Expect: 100-continue */
    char decoded[JB__HTTP_PATH_BYTES];
};

struct jb__http_response {
    unsigned status; /* 100..599 */
    struct jb_str reason;
    struct jb_str fields;
    size_t bytes; /* of the whole head with its last empty line */
};

/* `limits` must outlive the parser. */
void jb__http_parser_init(struct jb__http_parser *p, const struct jb_limits *limits);

/* Looks at `in`: everything since the start of the message.  After DONE or FAULT the parser is
 * spent; init it again for the next message.
 *
 * The path is percent-decoded exactly once and then must be in normal form: it begins with '/',
 * has no empty segment ("//"), no segment "." or "..", no ';' and no '\'; nothing encoded may
 * stand for '/', '\', '.', '%', ';', a control character or a byte that is not UTF-8; "%u" and
 * broken escapes do not exist.  Anything else is answered 404: such a path names nothing here, and
 * two programs in a row can never understand it differently.
 *
 * Statuses of faults: 400 syntax, 404 path, 411 Transfer-Encoding, 413 body over the limit,
 * 414 first line or path over the limit, 417 Expect, 431 head or header count over the limit,
 * 505 version. */
enum jb__http_step jb__http_parse_request(struct jb__http_parser *p, struct jb_str in,
                                          struct jb__http_request *out);

/* The same for a response; a fault's status then means nothing to a client, its words do. */
enum jb__http_step jb__http_parse_response(struct jb__http_parser *p, struct jb_str in,
                                           struct jb__http_response *out);

/* Splits "host", "host:port", "[v6]:port" as Host and Origin carry it.  *host is without brackets;
 * *port is -1 when there is none.  False when it is not of this form; letters of a name are
 * checked (LDH and '_'), an address in brackets only for its letters. */
bool jb__http_split_host(struct jb_str authority, struct jb_str *host, int *port);

#endif
