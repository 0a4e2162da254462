/* SPDX-License-Identifier: MIT */
#include "core/http_write.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 200, "OK" },
    { 201, "Created" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 426, "Upgrade Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 505, "HTTP Version Not Supported" },
};

const char *jb__http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

static void put(struct jb__http_writer *w, struct jb_str s)
{
    if (w->err == 0)
        w->err = jb__buf_append(w->buf, s.p, s.n);
}

void jb__http_begin(struct jb__http_writer *w, struct jb__buf *buf, unsigned status)
{
    char line[64];

    jb_assert(status >= 100 && status <= 599);
    *w = (struct jb__http_writer){ .buf = buf, .start = buf->n, .status = status };
    int n = snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", status, jb__http_reason(status));
    put(w, jb_str(line, (size_t)n));
}

void jb__http_begin_request(struct jb__http_writer *w, struct jb__buf *buf, const char *method,
                            struct jb_str target)
{
    *w = (struct jb__http_writer){ .buf = buf, .start = buf->n };
    put(w, jb_strz(method));
    put(w, JB_STR(" "));
    put(w, target);
    put(w, JB_STR(" HTTP/1.1\r\n"));
}

static bool breaks_line(struct jb_str value)
{
    return value.n && (memchr(value.p, '\r', value.n) || memchr(value.p, '\n', value.n) ||
                       memchr(value.p, '\0', value.n));
}

void jb__http_header(struct jb__http_writer *w, const char *name, struct jb_str value)
{
    if (w->err == 0 && breaks_line(value))
        w->err = JB_EINVAL;
    put(w, jb_strz(name));
    put(w, JB_STR(": "));
    put(w, value);
    put(w, JB_STR("\r\n"));
}

void jb__http_header_u64(struct jb__http_writer *w, const char *name, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);

    jb__http_header(w, name, jb_str(digits, (size_t)n));
}

void jb__http_header_date(struct jb__http_writer *w, const char *name, int64_t unix_s)
{
    char date[JB__HTTP_DATE_BYTES + 1];

    jb__http_date(unix_s, date);
    jb__http_header(w, name, jb_str(date, JB__HTTP_DATE_BYTES));
}

void jb__http_security(struct jb__http_writer *w, struct jb_str csp)
{
    jb__http_header(w, "X-Content-Type-Options", JB_STR("nosniff"));
    jb__http_header(w, "Referrer-Policy", JB_STR("no-referrer"));
    if (csp.n)
        jb__http_header(w, "Content-Security-Policy", csp);
}

static int finish(struct jb__http_writer *w)
{
    if (w->err != 0)
        w->buf->n = w->start;
    return w->err;
}

int jb__http_end_without_body(struct jb__http_writer *w, uint64_t length)
{
    if (w->status >= 200 && w->status != 204 && w->status != 304)
        jb__http_header_u64(w, "Content-Length", length);
    put(w, JB_STR("\r\n"));
    return finish(w);
}

int jb__http_end(struct jb__http_writer *w, struct jb_str body)
{
    if (jb__http_end_without_body(w, body.n) != 0)
        return w->err;
    put(w, body);
    return finish(w);
}

int jb__http_write_fault(struct jb__buf *buf, struct jb__http_fault fault)
{
    struct jb__http_writer w;

    jb__http_begin(&w, buf, fault.status);
    jb__http_header(&w, "Content-Type", JB_STR("text/plain; charset=utf-8"));
    jb__http_header(&w, "Connection", JB_STR("close"));
    jb__http_security(&w, JB_STR_NONE);
    if (jb__http_end_without_body(&w, strlen(fault.words) + 1) != 0)
        return w.err;
    put(&w, jb_strz(fault.words));
    put(&w, JB_STR("\n"));
    return finish(&w);
}

/* Not gmtime_r(3): the C library may read the time zone's file in it, and the core does no I/O.
 * The era arithmetic counts years from 1 March, so that the leap day is a year's last. */
void jb__http_date(int64_t unix_s, char out[JB__HTTP_DATE_BYTES + 1])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    const int64_t first = -62167219200; /* 0000-01-01 */
    const int64_t last = 253402300799;  /* 9999-12-31 23:59:59 */
    char text[80]; /* more than it needs: the compiler does not know the ranges */
    int64_t s = unix_s < first ? first : unix_s > last ? last : unix_s;
    int64_t days = (s - first) / 86400 - 60; /* since 0000-03-01 */
    unsigned second = (unsigned)((s - first) % 86400);
    unsigned weekday = (unsigned)((days + 62) % 7); /* 1970-01-01, a Thursday, is 719468 */

    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day = days - era * 146097; /* of the era of 400 years */
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t yday = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * yday + 2) / 153; /* 0 is March */
    int64_t mday = yday - (153 * month + 2) / 5 + 1;
    year += era * 400 + (month >= 10);
    snprintf(text, sizeof text, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", weekdays + 3 * weekday,
             (unsigned)mday, months + 3 * month, (unsigned)year, second / 3600, second / 60 % 60,
             second % 60);
    memcpy(out, text, JB__HTTP_DATE_BYTES + 1);
}
