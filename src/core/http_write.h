/* SPDX-License-Identifier: MIT */
/* Writing HTTP responses.  The writer is sticky: errors are remembered, the closing call reports
 * the first and then leaves the buffer as it was before begin.
 *
 *     struct jb__http_writer w;
 *     jb__http_begin(&w, &out, 200);
 *     jb__http_header(&w, "Content-Type", JB_STR("text/html; charset=utf-8"));
 *     jb__http_security(&w, JB_STR("default-src 'self'"));
 *     int rc = jb__http_end(&w, page);
 */
#ifndef JB_CORE_HTTP_WRITE_H
#define JB_CORE_HTTP_WRITE_H

#include "base/buf.h"
#include "core/http.h"

struct jb__http_writer {
    struct jb__buf *buf; /* where the text goes; the caller's */
    size_t start;        /* buf->n at begin */
    unsigned status;     /* 0: a request */
    int err;             /* first error, 0 so far */
};

/* The status line.  A status without a standard phrase gets an empty one. */
void jb__http_begin(struct jb__http_writer *w, struct jb__buf *buf, unsigned status);
/* A request line instead (for the client); `target` is visible ASCII. */
void jb__http_begin_request(struct jb__http_writer *w, struct jb__buf *buf, const char *method,
                            struct jb_str target);
/* "Name: value".  A value with CR, LF or NUL is refused (sticky JB_EINVAL), whoever brought it. */
void jb__http_header(struct jb__http_writer *w, const char *name, struct jb_str value);
void jb__http_header_u64(struct jb__http_writer *w, const char *name, uint64_t value);
/* An IMF-fixdate (RFC 9110 5.6.7): Date, Last-Modified. */
void jb__http_header_date(struct jb__http_writer *w, const char *name, int64_t unix_s);
/* X-Content-Type-Options, Referrer-Policy and, unless `csp` is empty, Content-Security-Policy. */
void jb__http_security(struct jb__http_writer *w, struct jb_str csp);

/* Content-Length (not for a request, 1xx, 204 and 304; RFC 9110 8.6), the empty line and the body.
 * 0, JB_ENOMEM, JB_EFULL, JB_EINVAL. */
JB_NODISCARD int jb__http_end(struct jb__http_writer *w, struct jb_str body);
/* The same without the body: for HEAD, and when the body goes out by another way. */
JB_NODISCARD int jb__http_end_without_body(struct jb__http_writer *w, uint64_t length);

/* A whole answer to a fault: its words as plain text, Connection: close. */
JB_NODISCARD int jb__http_write_fault(struct jb__buf *buf, struct jb__http_fault fault);

/* The standard phrase; "" when there is none. */
const char *jb__http_reason(unsigned status);

enum { JB__HTTP_DATE_BYTES = 29 };
/* "Sun, 06 Nov 1994 08:49:37 GMT" with a NUL behind it; years 0 to 9999, others are clamped. */
void jb__http_date(int64_t unix_s, char out[JB__HTTP_DATE_BYTES + 1]);

#endif
