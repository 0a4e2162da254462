/* SPDX-License-Identifier: MIT */
/* The letters of XML 1.0: which characters may stand where.  Input is valid UTF-8. */
#ifndef JB_CORE_XML_CHAR_H
#define JB_CORE_XML_CHAR_H

#include "base/str.h"

static inline bool jb__xml_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes of the character at p (p < end), or 0 when XML does not allow it (section 2.2). */
size_t jb__xml_char(const char *p, const char *end);

/* The end of the name without a colon that starts at p; p itself when none does.  Beyond ASCII only
 * letters pass that both the fourth and the fifth edition of XML 1.0 allow: parsers in use follow
 * the one or the other, and what we relay must be accepted by all of them. */
const char *jb__xml_skip_ncname(const char *p, const char *end);

/* The first byte from p on that plain text cannot just skip: '<', '&', ']', a control character, or
 * the lead byte of U+FFFE and U+FFFF; `end` when there is none. */
const char *jb__xml_skip_text(const char *p, const char *end);
/* The same in an attribute's value: `quote`, '<', '&', control characters, that lead byte. */
const char *jb__xml_skip_attr_text(const char *p, const char *end, char quote);

/* In verified text, the first byte that does not stand for itself in an attribute's value: '&', a
 * tab, a line end; `end` when there is none. */
const char *jb__xml_skip_literal(const char *p, const char *end);

/* Bytes of the reference at p ("&amp;", "&#x41;"), its character in *cp; 0: not one of the five
 * predefined and no allowed character. */
size_t jb__xml_reference(const char *p, const char *end, uint32_t *cp);
/* True when p starts "&name;" of any entity. */
bool jb__xml_is_entity(const char *p, const char *end);

/* Bytes of a harmless XML declaration at the start of text (version 1.0, UTF-8), or 0. */
size_t jb__xml_declaration(struct jb_str text);
/* Whether the text begins as a declaration of another encoding than UTF-8 does. */
bool jb__xml_is_of_other_encoding(struct jb_str text);

#endif
