/* SPDX-License-Identifier: MIT */
/* Reading HTTP headers and queries.  `fields` is the slice that a parser of core/http.h returned:
 * checked lines, so nothing here fails on syntax.  Names compare without case. */
#ifndef JB_CORE_HTTP_FIELD_H
#define JB_CORE_HTTP_FIELD_H

#include "base/buf.h"

/* Takes the first header off *fields; false when none is left.  The value has no outer space. */
bool jb__http_field_next(struct jb_str *fields, struct jb_str *name, struct jb_str *value);
/* The same, skipping headers of other names. */
bool jb__http_field_next_named(struct jb_str *fields, struct jb_str name, struct jb_str *value);
/* The first header of this name; false (and *value empty) when there is none. */
bool jb__http_field_find(struct jb_str fields, struct jb_str name, struct jb_str *value);
size_t jb__http_field_count(struct jb_str fields, struct jb_str name);

/* Takes the first item off a list cut by `sep` (',' or ';'), without outer space; empty items are
 * skipped, separators in quoted strings do not cut.  False when none is left. */
bool jb__http_list_next(struct jb_str *list, char sep, struct jb_str *item);

/* A walk over a list that several headers of one name may carry together (RFC 9110 5.3):
 *     struct jb__http_list walk = { fields, JB_STR("upgrade"), JB_STR_NONE };
 *     while (jb__http_list_walk(&walk, &item)) ... */
struct jb__http_list {
    struct jb_str fields; /* headers not looked at yet */
    struct jb_str name;
    struct jb_str rest; /* of the value being cut */
};
bool jb__http_list_walk(struct jb__http_list *walk, struct jb_str *item);
/* True when one item of the list is `token` (without case). */
bool jb__http_list_has(struct jb_str fields, struct jb_str name, struct jb_str token);

/* True for one or more tchar (RFC 9110 5.6.2). */
bool jb__http_is_token(struct jb_str s);
bool jb__http_is_tchar(char c);
/* The value of a hexadecimal digit, -1 when it is none. */
int jb__http_hex(char c);

/* Appends the value of the first parameter `name` of a query ("a=1&b=%20"), decoded ('+' is a
 * space).  0, JB_ENOTFOUND, JB_EINVAL (broken escape, control character, not UTF-8), or what the
 * buffer says; on failure the buffer is as before. */
JB_NODISCARD int jb__http_query_get(struct jb_str query, struct jb_str name, struct jb__buf *out);

/* Content codings, best first when the client likes them equally. */
enum jb__http_coding { JB__HTTP_BR, JB__HTTP_GZIP, JB__HTTP_IDENTITY, JB__HTTP_CODINGS };

/* The coding to answer with, by Accept-Encoding (RFC 9110 12.5.3).  `have`: bits 1 << coding of
 * what exists; identity always exists and is returned when nothing else is wanted. */
enum jb__http_coding jb__http_accept_coding(struct jb_str fields, unsigned have);

/* True when If-None-Match names `etag` (with its quotes; weak comparison, RFC 9110 13.1.2) or is
 * "*": the answer to GET is then 304. */
bool jb__http_none_match(struct jb_str fields, struct jb_str etag);

#endif
