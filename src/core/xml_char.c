/* SPDX-License-Identifier: MIT */
#include "core/xml_char.h"

#include "base/utf8.h"

/* What a byte is good for; one table serves every scan. */
enum {
    NAME_START = 1, /* may start a name */
    NAME = 2,       /* may follow in a name */
    TEXT = 4,       /* plain in character data */
    VALUE = 8,      /* plain in an attribute's value, quotes aside */
    LITERAL = 16,   /* stands for itself there */
};

#define LETTER (NAME_START | NAME | PLAIN)
#define DIGIT  (NAME | PLAIN)
#define PLAIN  (TEXT | VALUE | LITERAL)
#define SPACE  (TEXT | VALUE)

/* 0xef leads U+FFFE and U+FFFF, which XML excludes: it takes the slow path. */
static const unsigned char class_of[256] = {
    ['\t'] = SPACE,
    ['\n'] = SPACE,
    ['\r'] = SPACE,
    [' ' ... '%'] = PLAIN,
    ['&'] = 0,
    ['\'' ... ','] = PLAIN,
    ['-' ... '.'] = DIGIT,
    ['/'] = PLAIN,
    ['0' ... '9'] = DIGIT,
    [':' ... ';'] = PLAIN,
    ['<'] = 0,
    ['=' ... '@'] = PLAIN,
    ['A' ... 'Z'] = LETTER,
    ['['] = PLAIN,
    ['\\'] = PLAIN,
    [']'] = VALUE | LITERAL,
    ['^'] = PLAIN,
    ['_'] = LETTER,
    ['`'] = PLAIN,
    ['a' ... 'z'] = LETTER,
    ['{' ... 0x7f] = PLAIN,
    [0x80 ... 0xee] = PLAIN,
    [0xef] = LITERAL,
    [0xf0 ... 0xff] = PLAIN,
};

static unsigned char class_at(const char *p)
{
    return class_of[(unsigned char)*p];
}

size_t jb__xml_char(const char *p, const char *end)
{
    size_t n;

    if ((unsigned char)*p < 0x20)
        return *p == '\t' || *p == '\n' || *p == '\r';
    if ((unsigned char)*p < 0x80)
        return 1;
    uint32_t cp = jb__utf8_decode(jb_str(p, (size_t)(end - p)), &n);
    return cp == 0xfffe || cp == 0xffff ? 0 : n;
}

/* Letters of both editions; a choice of the living scripts, not all of them. */
static bool is_foreign_letter(uint32_t cp)
{
    static const struct {
        uint16_t first, last;
    } ranges[] = {
        { 0x00c0, 0x00d6 }, { 0x00d8, 0x00f6 }, { 0x00f8, 0x0131 }, { 0x0134, 0x013e },
        { 0x0141, 0x0148 }, { 0x014a, 0x017e }, { 0x03a3, 0x03ce }, { 0x0410, 0x044f },
        { 0x05d0, 0x05ea }, { 0x0641, 0x064a }, { 0x0905, 0x0939 }, { 0x3041, 0x3094 },
        { 0x30a1, 0x30fa }, { 0x4e00, 0x9fa5 }, { 0xac00, 0xd7a3 },
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return true;
    return false;
}

const char *jb__xml_skip_ncname(const char *p, const char *end)
{
    size_t n;

    if (p < end && (unsigned char)*p < 0x80 && !(class_at(p) & NAME_START))
        return p;
    for (;;) {
        while (p < end && (class_at(p) & NAME)) /* ASCII only */
            p++;
        if (p == end || (unsigned char)*p < 0x80 ||
            !is_foreign_letter(jb__utf8_decode(jb_str(p, (size_t)(end - p)), &n)))
            return p;
        p += n;
    }
}

/* Sixteen bytes side by side, as GCC and Clang translate it for every processor. */
typedef unsigned char block __attribute__((vector_size(16)));

/* Whether a byte in the block at p may end a scan: one that no scan skips without a look, or `also`. */
static bool needs_a_look(const char *p, char also)
{
    uint64_t found[2];
    block b;

    memcpy(&b, p, sizeof b);
    block looks = (block)(b < 0x20) | (block)(b == '&') | (block)(b == '<') | (block)(b == 0xef) |
                  (block)(b == (unsigned char)also);
    memcpy(found, &looks, sizeof found);
    return (found[0] | found[1]) != 0;
}

/* The first byte that is not of this class, or is `stop`. */
static inline const char *skip(const char *p, const char *end, unsigned char class, char stop)
{
    for (;;) {
        while (end - p >= (ptrdiff_t)sizeof(block) && !needs_a_look(p, stop))
            p += sizeof(block);
        const char *look_end = end - p > (ptrdiff_t)sizeof(block) ? p + sizeof(block) : end;
        while (p < look_end && (class_at(p) & class) && *p != stop)
            p++;
        if (p < look_end || p == end)
            return p;
    }
}

const char *jb__xml_skip_text(const char *p, const char *end)
{
    return skip(p, end, TEXT, ']');
}

const char *jb__xml_skip_attr_text(const char *p, const char *end, char quote)
{
    return skip(p, end, VALUE, quote);
}

const char *jb__xml_skip_literal(const char *p, const char *end)
{
    return skip(p, end, LITERAL, '&');
}

static bool is_xml_char(uint32_t cp)
{
    if (cp < 0x20)
        return cp == '\t' || cp == '\n' || cp == '\r';
    return cp < 0xd800 || (cp > 0xdfff && cp < 0xfffe) || cp > 0xffff;
}

/* The digits of "&#65;" or "&#x41;" from `p` on, up to the semicolon. */
static bool take_number(const char *p, const char *end, uint32_t *cp)
{
    uint32_t base = *p == 'x' ? 16 : 10;
    uint32_t v = 0;

    p += base == 16;
    if (p == end)
        return false;
    for (; p < end; p++) {
        uint32_t digit;
        if (*p >= '0' && *p <= '9')
            digit = (uint32_t)(*p - '0');
        else if (base == 16 && ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f'))
            digit = (uint32_t)((*p | 0x20) - 'a') + 10;
        else
            return false;
        v = v * base + digit;
        if (v > 0x10ffff)
            return false;
    }
    *cp = v;
    return is_xml_char(v);
}

size_t jb__xml_reference(const char *p, const char *end, uint32_t *cp)
{
    static const struct {
        struct jb_str text;
        char c;
    } named[] = {
        { JB_STR_INIT("&lt;"), '<' },   { JB_STR_INIT("&gt;"), '>' },
        { JB_STR_INIT("&amp;"), '&' },  { JB_STR_INIT("&apos;"), '\'' },
        { JB_STR_INIT("&quot;"), '"' },
    };
    enum { REFERENCE_MOST = 32 }; /* leading zeros are legal, hundreds of them are not useful */
    size_t room = (size_t)(end - p);
    const char *semicolon = memchr(p, ';', room < REFERENCE_MOST ? room : REFERENCE_MOST);

    if (!semicolon)
        return 0;
    struct jb_str whole = jb_str(p, (size_t)(semicolon - p) + 1);
    if (whole.n > 3 && p[1] == '#')
        return take_number(p + 2, semicolon, cp) ? whole.n : 0;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (jb_str_eq(whole, named[i].text)) {
            *cp = (unsigned char)named[i].c;
            return whole.n;
        }
    }
    return 0;
}

bool jb__xml_is_entity(const char *p, const char *end)
{
    const char *name_end = jb__xml_skip_ncname(p + 1, end);

    return name_end > p + 1 && name_end < end && *name_end == ';';
}

/* Takes ` name="value"` (either quote) at *s; false and *s unchanged when it is not there. */
static bool take_pseudo_attr(struct jb_str *s, struct jb_str name, struct jb_str *value)
{
    struct jb_str rest = *s;

    while (rest.n && jb__xml_is_space(rest.p[0]))
        rest = jb_str_from(rest, 1);
    if (rest.n == s->n || !jb_str_starts(rest, name))
        return false;
    rest = jb_str_from(rest, name.n);
    while (rest.n && (jb__xml_is_space(rest.p[0])))
        rest = jb_str_from(rest, 1);
    if (rest.n == 0 || rest.p[0] != '=')
        return false;
    rest = jb_str_from(rest, 1);
    while (rest.n && jb__xml_is_space(rest.p[0]))
        rest = jb_str_from(rest, 1);
    if (rest.n == 0 || (rest.p[0] != '"' && rest.p[0] != '\''))
        return false;
    char quote = rest.p[0];
    if (!jb_str_cut(jb_str_from(rest, 1), quote, value, &rest))
        return false;
    *s = rest;
    return true;
}

/* Takes `<?xml version="1.0"` at *s, which is where a declaration begins. */
static bool take_version(struct jb_str *s)
{
    struct jb_str value;

    if (!jb_str_starts(*s, JB_STR("<?xml")))
        return false;
    *s = jb_str_from(*s, 5);
    return take_pseudo_attr(s, JB_STR("version"), &value) && jb_str_eqz(value, "1.0");
}

bool jb__xml_is_of_other_encoding(struct jb_str text)
{
    struct jb_str value;

    return take_version(&text) && take_pseudo_attr(&text, JB_STR("encoding"), &value) &&
           !jb_str_eq_ascii_nocase(value, JB_STR("utf-8"));
}

size_t jb__xml_declaration(struct jb_str text)
{
    struct jb_str rest = text;
    struct jb_str value;

    if (!take_version(&rest))
        return 0;
    if (take_pseudo_attr(&rest, JB_STR("encoding"), &value) &&
        !jb_str_eq_ascii_nocase(value, JB_STR("utf-8")))
        return 0;
    if (take_pseudo_attr(&rest, JB_STR("standalone"), &value) && !jb_str_eqz(value, "yes") &&
        !jb_str_eqz(value, "no"))
        return 0;
    while (rest.n && jb__xml_is_space(rest.p[0]))
        rest = jb_str_from(rest, 1);
    if (!jb_str_starts(rest, JB_STR("?>")))
        return 0;
    return text.n - rest.n + 2;
}
