/* SPDX-License-Identifier: MIT */
#include "core/http.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "core/http_field.h"

enum role { REQUEST, RESPONSE };

static enum jb__http_step refuse(struct jb__http_parser *p, uint16_t status, const char *words)
{
    p->fault = (struct jb__http_fault){ status, words, JB_LIMIT_COUNT };
    return JB__HTTP_FAULT;
}

void jb__http_parser_init(struct jb__http_parser *p, const struct jb_limits *limits)
{
    *p = (struct jb__http_parser){ .limits = limits };
}

static enum jb__http_step refuse_limit(struct jb__http_parser *p, uint16_t status,
                                       enum jb_limit limit, const char *words)
{
    refuse(p, status, words);
    p->fault.limit = limit;
    return JB__HTTP_FAULT;
}

/* What people send by mistake gets its own words: it saves them an hour. */
static enum jb__http_step refuse_first_byte(struct jb__http_parser *p, unsigned char c)
{
    if (c == 0x16)
        return refuse(p, 400,
                      "These bytes are a TLS handshake, but this port speaks plain HTTP: "
                      "use http:// or ws:// here.");
    if (c == '<')
        return refuse(p, 400,
                      "This port speaks HTTP and XMPP over WebSocket (RFC 7395), "
                      "not XMPP over TCP.");
    return refuse(p, 400, "A message begins with a character that no HTTP message begins with.");
}

/* A header line, without its CR LF. */
static enum jb__http_step check_field(struct jb__http_parser *p, struct jb_str line)
{
    size_t name = 0;

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return refuse(p, 400, "A header begins with white space (folded lines are not taken).");
    while (name < line.n && jb__http_is_tchar(line.p[name]))
        name++;
    if (name == 0 || name == line.n || line.p[name] != ':')
        return refuse(p, 400, "A header is not of the form 'Name: value'.");
    if (++p->count > p->limits->http_headers)
        return refuse_limit(p, 431, JB_LIMIT_http_headers,
                            "The message has too many headers (limit http_headers).");
    return JB__HTTP_MORE;
}

/* A line ended at `at`, the place of its LF.  DONE: it was the empty line behind the headers. */
static enum jb__http_step end_line(struct jb__http_parser *p, struct jb_str in, size_t at)
{
    enum jb__http_step step = JB__HTTP_MORE;

    if (at == p->line || in.p[at - 1] != '\r')
        return refuse(p, 400, "A line ends with LF alone; HTTP lines end with CR LF.");
    struct jb_str line = jb_str(in.p + p->line, at - 1 - p->line);
    p->line = at + 1;
    if (p->fields != 0)
        return line.n == 0 ? JB__HTTP_DONE : check_field(p, line);
    if (line.n != 0)
        p->fields = p->line;
    else if (p->start == 0)
        p->start = p->line;
    else
        step = refuse(p, 400, "Empty lines stand where the first line should be.");
    return step;
}

static enum jb__http_step look_at(struct jb__http_parser *p, struct jb_str in, size_t i)
{
    unsigned char c = (unsigned char)in.p[i];

    if (c == '\n')
        return end_line(p, in, i);
    if (i > p->line && in.p[i - 1] == '\r')
        return refuse(p, 400, "A CR stands alone; HTTP lines end with CR LF.");
    if (i == p->start && c != '\r' && !jb__http_is_tchar((char)c))
        return refuse_first_byte(p, c);
    if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
        return refuse(p, 400, "The head holds a control character.");
    if (p->fields == 0 && (c >= 0x80 || c == '\t'))
        return refuse(p, 400, "The first line holds a character that must be percent-encoded.");
    return JB__HTTP_MORE;
}

/* Finds the end of the head, checking lines as they become complete. */
static enum jb__http_step scan(struct jb__http_parser *p, struct jb_str in)
{
    size_t most = p->limits->http_head_bytes;
    size_t end = in.n < most ? in.n : most;

    jb_assert(p->fault.status == 0 && p->looked <= in.n);
    while (p->looked < end) {
        enum jb__http_step step = look_at(p, in, p->looked++);
        if (step != JB__HTTP_MORE)
            return step;
    }
    if (p->looked < most)
        return JB__HTTP_MORE;
    if (p->fields == 0)
        return refuse_limit(p, 414, JB_LIMIT_http_head_bytes,
                            "The first line is too long (limit http_head_bytes).");
    return refuse_limit(p, 431, JB_LIMIT_http_head_bytes,
                        "The head is too large (limit http_head_bytes).");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.x: 1 (any later minor version is spoken to as 1.1) or 0; -1 another major version;
 * -2 no version at all. */
static int minor_version(struct jb_str s)
{
    if (s.n != 8 || !jb_str_starts(s, JB_STR("HTTP/")) || !is_digit(s.p[5]) || s.p[6] != '.' ||
        !is_digit(s.p[7]))
        return -2;
    if (s.p[5] != '1')
        return -1;
    return s.p[7] == '0' ? 0 : 1;
}

static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_literal_char(char c)
{
    return jb__http_hex(c) >= 0 || c == ':' || c == '.';
}

bool jb__http_split_host(struct jb_str authority, struct jb_str *host, int *port)
{
    bool literal = authority.n && authority.p[0] == '[';
    struct jb_str rest = literal ? jb_str_from(authority, 1) : authority;
    size_t n = 0;
    uint64_t number;

    while (n < rest.n && (literal ? is_literal_char(rest.p[n]) : is_name_char(rest.p[n])))
        n++;
    *host = jb_str(rest.p, n);
    *port = -1;
    rest = jb_str_from(rest, n);
    if (n == 0 || (literal && (rest.n == 0 || rest.p[0] != ']')))
        return false;
    if (literal)
        rest = jb_str_from(rest, 1);
    if (rest.n == 0)
        return true;
    if (rest.p[0] != ':')
        return false;
    rest = jb_str_from(rest, 1);
    if (rest.n == 0)
        return true;
    if (!jb_str_u64(rest, 65535, &number))
        return false;
    *port = (int)number;
    return true;
}

/* The bytes that may not come out of an escape: they would mean something to a path. */
static bool is_hidden_syntax(int c)
{
    return c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '.' || c == '%' || c == ';';
}

/* The byte at the front of *s, decoded; -1 when it may not stand in a path. */
static int take_path_byte(struct jb_str *s)
{
    char c = s->p[0];
    size_t used = 1;
    int byte = (unsigned char)c;

    if (c == ';' || c == '\\')
        return -1;
    if (c == '%') {
        int high = s->n >= 3 ? jb__http_hex(s->p[1]) : -1;
        int low = s->n >= 3 ? jb__http_hex(s->p[2]) : -1;
        byte = high * 16 + low;
        used = 3;
        if (high < 0 || low < 0 || is_hidden_syntax(byte))
            return -1;
    }
    *s = jb_str_from(*s, used);
    return byte;
}

static bool is_normal_path(struct jb_str path)
{
    struct jb_str segment;
    struct jb_str rest = jb_str_from(path, 1);
    bool more;

    if (path.n == 0 || path.p[0] != '/' || !jb__utf8_valid(path))
        return false;
    do {
        more = jb_str_cut(rest, '/', &segment, &rest);
        if ((segment.n == 0 && more) || jb_str_eqz(segment, ".") || jb_str_eqz(segment, ".."))
            return false;
    } while (more);
    return true;
}

static enum jb__http_step read_path(struct jb__http_parser *p, struct jb_str raw,
                                    struct jb__http_request *out)
{
    size_t n = 0;

    while (raw.n) {
        int byte = take_path_byte(&raw);
        if (byte < 0)
            return refuse(p, 404, "No page has such a name.");
        if (n == sizeof out->decoded)
            return refuse(p, 414, "The path is too long.");
        out->decoded[n++] = (char)byte;
    }
    out->path = jb_str(out->decoded, n);
    if (!is_normal_path(out->path))
        return refuse(p, 404, "No page has such a name.");
    return JB__HTTP_DONE;
}

/* "scheme://authority" off the front of *target (RFC 9112 3.2.2: must be accepted). */
static bool take_authority(struct jb_str *target, struct jb_str *authority)
{
    static const struct jb_str schemes[] = { JB_STR_INIT("http://"), JB_STR_INIT("https://"),
                                             JB_STR_INIT("ws://"), JB_STR_INIT("wss://") };

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = schemes[i].n;
        if (target->n < n || !jb_str_eq_ascii_nocase(jb_str(target->p, n), schemes[i]))
            continue;
        struct jb_str rest = jb_str_from(*target, n);
        n = 0;
        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
            n++;
        *authority = jb_str(rest.p, n);
        *target = jb_str_from(rest, n);
        return true;
    }
    return false;
}

static enum jb__http_step read_target(struct jb__http_parser *p, struct jb__http_request *out)
{
    struct jb_str target = out->target;
    struct jb_str authority, path, host;
    int port;

    if (target.n == 0 || memchr(target.p, '#', target.n))
        return refuse(p, 400, "The request's target is empty or holds a '#'.");
    if (out->method == JB__HTTP_OPTIONS && jb_str_eqz(target, "*")) {
        out->path = target;
        return JB__HTTP_DONE;
    }
    if (take_authority(&target, &authority)) {
        if (!jb__http_split_host(authority, &host, &port))
            return refuse(p, 400, "The host in the request's target is malformed.");
        out->host = authority;
    } else if (target.p[0] != '/') {
        return refuse(p, 400, "The request's target is neither a path nor a URL.");
    }
    jb_str_cut(target, '?', &path, &out->query);
    return read_path(p, path.n ? path : JB_STR("/"), out);
}

static enum jb__http_method method_of(struct jb_str name)
{
    if (jb_str_eqz(name, "GET"))
        return JB__HTTP_GET;
    if (jb_str_eqz(name, "HEAD"))
        return JB__HTTP_HEAD;
    if (jb_str_eqz(name, "POST"))
        return JB__HTTP_POST;
    return jb_str_eqz(name, "OPTIONS") ? JB__HTTP_OPTIONS : JB__HTTP_OTHER;
}

static enum jb__http_step read_request_line(struct jb__http_parser *p, struct jb_str line,
                                            struct jb__http_request *out)
{
    struct jb_str rest;
    struct jb_str version;

    jb_str_cut(line, ' ', &out->method_name, &rest);
    jb_str_cut(rest, ' ', &out->target, &version);
    int minor = minor_version(version);
    if (minor == -1)
        return refuse(p, 505, "This server speaks HTTP/1.1.");
    if (minor < 0 || !jb__http_is_token(out->method_name))
        return refuse(p, 400, "The first line is not of the form 'GET /path HTTP/1.1'.");
    out->method = method_of(out->method_name);
    out->http10 = minor == 0;
    return JB__HTTP_DONE;
}

/* How often the headers stand that decide where a message ends and whom it is for. */
struct framing {
    unsigned hosts, lengths, codings;
    struct jb_str host, length, expect;
};

static void read_framing(struct jb_str fields, struct framing *f)
{
    struct jb_str name;
    struct jb_str value;

    *f = (struct framing){ 0 };
    while (jb__http_field_next(&fields, &name, &value)) {
        if (jb_str_eq_ascii_nocase(name, JB_STR("host"))) {
            f->hosts++;
            f->host = value;
        } else if (jb_str_eq_ascii_nocase(name, JB_STR("content-length"))) {
            f->lengths++;
            f->length = value;
        } else if (jb_str_eq_ascii_nocase(name, JB_STR("transfer-encoding"))) {
            f->codings++;
        } else if (jb_str_eq_ascii_nocase(name, JB_STR("expect"))) {
            f->expect = value;
        }
    }
}

static enum jb__http_step read_host(struct jb__http_parser *p, const struct framing *f,
                                    struct jb__http_request *out)
{
    struct jb_str host;
    int port;

    if (f->hosts > 1)
        return refuse(p, 400, "There is more than one Host header.");
    if (f->hosts == 0 && !out->http10)
        return refuse(p, 400, "There is no Host header.");
    if (f->hosts == 1 && !jb__http_split_host(f->host, &host, &port))
        return refuse(p, 400, "The Host header is not of the form 'name' or 'name:port'.");
    out->host = f->host;
    return JB__HTTP_DONE;
}

static enum jb__http_step read_body(struct jb__http_parser *p, const struct framing *f,
                                    struct jb__http_request *out)
{
    bool no_body = out->method == JB__HTTP_GET || out->method == JB__HTTP_HEAD ||
                   jb__http_field_count(out->fields, JB_STR("upgrade")) > 0;

    if (f->codings > 0 && (f->lengths > 0 || out->http10))
        return refuse(p, 400, "Transfer-Encoding stands beside Content-Length or in HTTP/1.0.");
    if (f->codings > 0)
        return refuse(p, 411, "Send the body with Content-Length, not with Transfer-Encoding.");
    if (f->lengths > 1)
        return refuse(p, 400, "There is more than one Content-Length header.");
    if (f->lengths == 1 && !jb_str_u64(f->length, UINT64_MAX, &out->content_length))
        return refuse(p, 400, "Content-Length is not a number.");
    if (no_body && out->content_length > 0)
        return refuse(p, 400, "This kind of request has no body.");
    if (out->content_length > p->limits->http_body_bytes)
        return refuse_limit(p, 413, JB_LIMIT_http_body_bytes,
                            "The body is too large (limit http_body_bytes).");
    if (f->expect.n && !jb_str_eq_ascii_nocase(f->expect, JB_STR("100-continue")))
        return refuse(p, 417, "The Expect header asks for something unknown.");
    out->expect_continue = f->expect.n > 0 && !out->http10;
    return JB__HTTP_DONE;
}

/* The first line and the header lines of a complete head. */
static void cut_head(const struct jb__http_parser *p, struct jb_str in, struct jb_str *line,
                     struct jb_str *fields)
{
    *line = jb_str(in.p + p->start, p->fields - 2 - p->start);
    *fields = jb_str(in.p + p->fields, p->looked - 2 - p->fields);
}

enum jb__http_step jb__http_parse_request(struct jb__http_parser *p, struct jb_str in,
                                          struct jb__http_request *out)
{
    enum jb__http_step step = scan(p, in);
    struct framing framing;
    struct jb_str line;

    if (step != JB__HTTP_DONE)
        return step;
    memset(out, 0, offsetof(struct jb__http_request, decoded));
    out->bytes = p->looked;
    cut_head(p, in, &line, &out->fields);
    if ((step = read_request_line(p, line, out)) != JB__HTTP_DONE)
        return step;
    read_framing(out->fields, &framing);
    if ((step = read_host(p, &framing, out)) != JB__HTTP_DONE)
        return step;
    if ((step = read_body(p, &framing, out)) != JB__HTTP_DONE)
        return step;
    if ((step = read_target(p, out)) != JB__HTTP_DONE)
        return step;
    out->keep_alive =
        !out->http10 && !jb__http_list_has(out->fields, JB_STR("connection"), JB_STR("close"));
    return JB__HTTP_DONE;
}

enum jb__http_step jb__http_parse_response(struct jb__http_parser *p, struct jb_str in,
                                           struct jb__http_response *out)
{
    enum jb__http_step step = scan(p, in);
    struct jb_str line, version, rest, code;
    uint64_t status;

    if (step != JB__HTTP_DONE)
        return step;
    cut_head(p, in, &line, &out->fields);
    jb_str_cut(line, ' ', &version, &rest);
    jb_str_cut(rest, ' ', &code, &out->reason);
    if (minor_version(version) < 0 || code.n != 3 || !jb_str_u64(code, 599, &status) ||
        status < 100)
        return refuse(p, 400, "The server's first line is not that of an HTTP/1.1 response.");
    out->status = (unsigned)status;
    out->bytes = p->looked;
    return JB__HTTP_DONE;
}
