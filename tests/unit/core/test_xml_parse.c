/* SPDX-License-Identifier: MIT */
/* What the parser takes and what it refuses, with the reason; adversarial cases 22 to 32. */
#include "xml_kit.h"

#include "failing_alloc.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

static enum jb_xml_fault parse_within(struct jb_str text, const struct jb_xml_bounds *bounds)
{
    struct jb_str copy = exact_copy(text, text.n);
    struct jb_doc doc;
    enum jb_xml_fault fault = jb_xml_parse(copy, bounds, &arena, &doc);

    assert_int_equal(fault == JB_XML_OK, doc.count > 0);
    free((void *)(uintptr_t)copy.p);
    jb__arena_reset(&arena);
    return fault;
}

static void check(const char *text, enum jb_xml_fault wanted)
{
    enum jb_xml_fault fault = parse_within(jb_strz(text), &kit_bounds);

    if (fault != wanted)
        fail_msg("%s: %d, not %d", text, fault, wanted);
}

static void check_all(const char *const *texts, size_t count, enum jb_xml_fault wanted)
{
    for (size_t i = 0; i < count; i++)
        check(texts[i], wanted);
}

static void takes_xml(void **state)
{
    static const char *const texts[] = {
        "<a/>",
        "<a></a>",
        "<a ></a >",
        "<a\t\r\n/>",
        "<a b=''/>",
        "<a b = \"'\" c\n=\t'\"'/>",
        "<a>b</a>",
        "<a><b/><b/>c<d>e</d></a>",
        "<_/>",
        "<a-b.c1_/>",
        "<a xml:lang='en'/>",
        "<a b='>' c=']]>'>></a>",
        "<a>]</a>",
        "<a>]]</a>",
        "<a>]>]</a>",
        "<a>]]&gt;</a>",
        "<a>&lt;&gt;&amp;&apos;&quot;&#9;&#x0A;&#xd7ff;&#xE000;&#x10FFFF;&#65533;</a>",
        "<a b='&lt;&#32;'/>",
        "<a>\x7f\xc2\x80\xef\xbf\xbd\xef\xbb\xbf\xf4\x8f\xbf\xbf</a>",
        "<a b='\xef\xbf\xbd\t\r\n'/>",
        "<\xc3\xa9 \xe4\xb8\x80='\xd7\x90'/>",
        "<a><![CDATA[]]></a>",
        "<a><![CDATA[<b>&c;]]]]></a>",
        "<a><![CDATA[\xef\xbf\xbd\r\n\t]]></a>",
        "<?xml version='1.0'?><a/>",
        "<?xml version=\"1.0\" encoding='UTF-8' standalone='yes' ?> \r\n\t<a/>",
        "<?xml version = '1.0' standalone='no'?><a/>",
    };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_OK);
}

/* Case 22. */
static void restricts(void **state)
{
    static const char *const texts[] = {
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!ENTITY b 'c'>",
        "<!-- a --><a/>",
        "<a><!-- b --></a>",
        "<a/><!-- b -->",
        "<?b?><a/>",
        "<a><?b c?></a>",
        "<a><?",
        "<?",
        "<a/><?b?>",
        "<a>&b;</a>",
        "<a>&b.c-1;</a>",
        "<a b='&nbsp;'/>",
        "<?xml version='1.0'?><!DOCTYPE a><a/>",
        "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE a><a/>",
        /* a declaration that is not quite one is a processing instruction */
        "<?xml version='1.1'?><a/>",
        "<?xml?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='1.0'encoding='utf-8'?><a/>",
        "<?xml version='1.0' standalone='maybe'?><a/>",
        "<?xml version='1.0' b='c'?><a/>",
        "<?xml version='1.0'",
        "<?xml version='1.0",
        "<?xml version=",
        "<?xml version=1.0?><a/>",
        "<?xml version",
        "<?xmlversion='1.0'?><a/>",
        "<?xml versionx='1.0'?><a/>",
        "<?xml version",
        "<?xml version '1.0'?><a/>",
    };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_RESTRICTED);
}

static void wants_utf8(void **state)
{
    static const char *const texts[] = {
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        "<?xml version='1.0' encoding=\"ISO-8859-1\" standalone='yes'?><a/>",
        "<?xml version='1.0' encoding='utf8'?><a/>",
        "<?xml version='1.0' encoding=''?><a/>",
    };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_ENCODING);
}

/* Case 24: one element, and nothing around it. */
static void wants_one_element(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "a",
        "<",
        " <a/>",
        "\xef\xbb\xbf<a/>",
        "<a/> ",
        "<a/>b",
        "<a/><b/>",
        "<a>",
        "<a><b/>",
        "<a>b",
        "<a></a>\n",
        "<a/><",
        "<?xml version='1.0'?>",
        "<?xml version='1.0'?>a",
    };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_BAD_FORMAT);
    assert_int_equal(parse_within(JB_STR_NONE, &kit_bounds), JB_XML_BAD_FORMAT);
}

static void refuses_bad_tags(void **state)
{
    static const char *const texts[] = { "<>",
                                         "<a",
                                         "<a ",
                                         "<a/",
                                         "<a/b>",
                                         "<a / >",
                                         "<a b/>",
                                         "<a b=/>",
                                         "<a b=c/>",
                                         "<a b='c/>",
                                         "<a b='c'",
                                         "<a b=",
                                         "<a b",
                                         "<a b='c'd=''/>",
                                         "<a b='<'/>",
                                         "<a b='&'/>",
                                         "<a ='b'/>",
                                         "<a 'b'/>",
                                         "<1/>",
                                         "<-a/>",
                                         "<.a/>",
                                         "< a/>",
                                         "<a 1=''/>",
                                         "<:a/>",
                                         "<a:/>",
                                         "<a:b:c/>",
                                         "<a :b=''/>",
                                         "<a b:=''/>",
                                         "<a: xmlns:a='u'/>",
                                         "<b a:='' xmlns:a='u'/>",
                                         "</a>",
                                         "<a></b>",
                                         "<a></a",
                                         "<a></",
                                         "<a></ a>",
                                         "<a></a b>",
                                         "<a><b></a></b>",
                                         "<a><",
                                         "<a></>",
                                         "<a></aa>",
                                         "<aa></a>" };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_NOT_WELL_FORMED);
}

/* Case 23 among others. */
static void refuses_bad_characters(void **state)
{
    static const char *const texts[] = { "<a>]]></a>",
                                         "<a><!></a>",
                                         "<a><![CDATA[</a>",
                                         "<a><![CDATA[]]</a>",
                                         "<a><![cdata[]]></a>",
                                         "<![CDATA[a]]>",
                                         "<a/><![CDATA[]]>",
                                         "<!a><a/>",
                                         "<a>&</a>",
                                         "<a>&;</a>",
                                         "<a>&lt</a>",
                                         "<a>&LT b</a>",
                                         "<a>&#;</a>",
                                         "<a>&#x;</a>",
                                         "<a>&#0;</a>",
                                         "<a>&#x1;</a>",
                                         "<a>&#xD800;</a>",
                                         "<a>&#xdfff;</a>",
                                         "<a>&#xFFFE;</a>",
                                         "<a>&#xffff;</a>",
                                         "<a>&#x110000;</a>",
                                         "<a>&#99999999999999999999;</a>",
                                         "<a>&#X41;</a>",
                                         "<a>&#-1;</a>",
                                         "<a>&#x4g;</a>",
                                         "<a>&#4a;</a>",
                                         "<a>&# 65;</a>",
                                         "<a>&#65</a>",
                                         "<a>&#00000000000000000000000000000065;</a>",
                                         "<a>\x01</a>",
                                         "<a>\x1f</a>",
                                         "<a>\x01z/></a>",
                                         "<a b='\x08'/>",
                                         "<a><![CDATA[\x02]]></a>",
                                         "<a>\xef\xbf\xbe</a>",
                                         "<a>\xef\xbf\xbf</a>",
                                         "<a b='\xef\xbf\xbf'/>",
                                         "<a><![CDATA[\xef\xbf\xbe]]></a>",
                                         "<\xc3\x97/>",
                                         "<a\xc2\xb7/>",
                                         "<\xcd\xbf/>",
                                         "<a>&\xc3\x97;</a>",
                                         "<a>&1b;</a>" };
    static const struct jb_str nul[] = { JB_STR_INIT("<a>\0</a>"), JB_STR_INIT("<a b='\0'/>"),
                                         JB_STR_INIT("<a\0/>"), JB_STR_INIT("<a>&#\0;</a>") };
    (void)state;

    check_all(texts, COUNT(texts), JB_XML_NOT_WELL_FORMED);
    for (size_t i = 0; i < COUNT(nul); i++)
        assert_int_equal(parse_within(nul[i], &kit_bounds), JB_XML_NOT_WELL_FORMED);
}

/* No proper beginning of a message is a message. */
static void refuses_every_cut(void **state)
{
    static const struct jb_str whole = JB_STR_INIT(
        "<?xml version='1.0'?><a xmlns='b' c:d='&lt;' xmlns:c='e'>f&#9;<![CDATA[g]]]]><c:h/></a >");
    (void)state;

    assert_int_equal(parse_within(whole, &kit_bounds), JB_XML_OK);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_not_equal(parse_within(jb_str(whole.p, n), &kit_bounds), JB_XML_OK);
}

/* Case 27. */
static void namespaces(void **state)
{
    static const char *const good[] = {
        "<a xmlns=''/>",
        "<p:a xmlns:p='b'/>",
        "<a p:b='' q:b='' xmlns:p='c' xmlns:q='d'/>",
        "<a b='' p:b='' xmlns='c' xmlns:p='c'/>",
        "<a xmlns='b?c=d&amp;e=f'/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<p:a xmlns:p='b'><p:a xmlns:p='c'/></p:a>",
        "<a xmlns:p='b' xmlns:q='b' p:c='' q:d=''/>",
        "<a xmlnsp='' xmlns.p=''/>",
        "<a xml:a='' xml:b=''/>",
        "<a p:b='' b='' xmlns:p='c'/>",
        "<a p:h='' p:xa='' xmlns:p='c'/>", /* names that take the same bit */
        "<a h='' xa=''/>",
    };
    static const char *const bad[] = {
        "<p:a/>",
        "<a p:b=''/>",
        "<a><p:b xmlns:p='c'/><p:b/></a>",
        "<p:a xmlns:p='b'></a>",
        "<p:a xmlns:p='b'></q:a>",
        "<a xmlns:p='b' xmlns:q='b'><p:c></q:c></a>",
        "<a b='' b=''/>",
        "<a b='' c='' b=''/>",
        "<a b='' b =''/>",
        "<a xmlns='b' xmlns='b'/>",
        "<a xmlns:p='b' xmlns:p='c'/>",
        "<a p:b='' q:b='' xmlns:p='c' xmlns:q='c'/>",
        "<a xmlns:p='c'><b xmlns:q='c' p:b='' q:b=''/></a>",
        "<a xml:b='' p:b='' xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='b'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:xmlns='b'/>",
        "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<xmlns:a/>",
        "<xml:a/>",
        "<xml:a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='b c'/>",
        "<a xmlns='b\nc'/>",
        "<a xmlns='b&#10;c'/>",
        "<a xmlns='b|c'/>",
        "<a xmlns:p='b&amp;c' xmlns:q='b&#38;c' p:d='' q:d=''/>",
    };
    (void)state;

    check_all(good, COUNT(good), JB_XML_OK);
    check_all(bad, COUNT(bad), JB_XML_NOT_WELL_FORMED);
}

static void namespaces_are_uris(void **state)
{
    (void)state;

    for (int c = 1; c < 256; c++) {
        char text[] = "<a xmlns=\"urn:x\"/>";
        char *x = strstr(text, "urn");
        if (c >= 0x80 || c == '&' || c == '"' || c == '<')
            continue; /* not by themselves, or not in a value */
        *x = (char)c;
        bool refused = c <= ' ' || strchr(">\\^`{|}\x7f", c);
        check(text, refused ? JB_XML_NOT_WELL_FORMED : JB_XML_OK);
    }
    check("<a xmlns='urn:\xc3\xa9'/>", JB_XML_OK);
    check("<a xmlns='&quot;'/>", JB_XML_NOT_WELL_FORMED);
    check("<a xmlns='&lt;'/>", JB_XML_NOT_WELL_FORMED);
    check("<a xmlns='&#x7f;'/>", JB_XML_NOT_WELL_FORMED);
}

/* Case 26: an element is in the namespace that is in force where it stands. */
static void scopes(void **state)
{
    static const struct {
        const char *name, *uri;
    } wanted[] = {
        { "message", "jabber:client" },
        { "x", "jabber:client" },
        { "y", "http://jabber.org/protocol/muc#user" },
        { "z", "" },
        { "w", "" },
        { "v", "urn:v" },
        { "u", "urn:u" },
        { "t", "urn:v" },
        { "s", "jabber:client" },
    };
    struct jb_doc doc = parse_good(
        "<message xmlns='jabber:client' xmlns:m='http://jabber.org/protocol/muc#user'>"
        "<x/><m:y><z xmlns=''><w/></z></m:y><m:v xmlns:m='urn:v'><m:u xmlns:m='urn:u'/><m:t/></m:v>"
        "<s/></message>");
    (void)state;

    assert_int_equal(doc.count, COUNT(wanted));
    for (uint16_t i = 0; i < COUNT(wanted); i++) {
        assert_str_equal(jb_node_name(&doc, i), wanted[i].name);
        assert_str_equal(jb_node_ns(&doc, i), wanted[i].uri);
        assert_int_equal(doc.nodes[i].ns, jb_ns_find(jb_strz(wanted[i].uri)));
        if (*wanted[i].uri) /* a view into the text, so that it fits any copy */
            assert_memory_equal(doc.text + doc.nodes[i].ns_at, wanted[i].uri,
                                strlen(wanted[i].uri));
    }
}

/* Appends `unit` so many times; a '#' in it becomes a number, another one each time. */
static char *grow(char *to, size_t cap, const char *unit, int count)
{
    size_t n = strlen(to);

    for (int i = 0; i < count; i++) {
        for (const char *c = unit; *c; c++) {
            assert_true(n + 8 < cap);
            if (*c == '#')
                n += (size_t)snprintf(to + n, cap - n, "%d", i);
            else
                to[n++] = *c;
        }
    }
    to[n] = '\0';
    return to;
}

enum { TEXT_MOST = 256 * 1024 };

static char *begin_text(const char *first)
{
    static char text[TEXT_MOST];

    snprintf(text, sizeof text, "%s", first);
    return text;
}

/* Case 28: at the limit and one past it. */
static void limits(void **state)
{
    (void)state;

    for (int over = 0; over < 2; over++) {
        enum jb_xml_fault wanted = over ? JB_XML_TOO_BIG : JB_XML_OK;
        char *t = begin_text("");
        check(grow(grow(t, TEXT_MOST, "<a>", 32 + over), TEXT_MOST, "</a>", 32 + over), wanted);
        t = grow(begin_text("<a"), TEXT_MOST, " b#=''", 64 + over);
        check(grow(t, TEXT_MOST, "/>", 1), wanted);
        t = grow(begin_text("<a"), TEXT_MOST, " xmlns:b#='c'", 32 + over);
        check(grow(t, TEXT_MOST, "/>", 1), wanted);
        t = grow(begin_text("<a>"), TEXT_MOST, "<b/>", 4095 + over);
        check(grow(t, TEXT_MOST, "</a>", 1), wanted);
        t = grow(begin_text("<"), TEXT_MOST, "a", 256 + over);
        check(grow(t, TEXT_MOST, "/>", 1), wanted);
        t = grow(begin_text("<a "), TEXT_MOST, "b", 256 + over);
        check(grow(t, TEXT_MOST, "=''/>", 1), wanted);
        t = grow(begin_text("<a xmlns='"), TEXT_MOST, "b", UINT16_MAX + over);
        check(grow(t, TEXT_MOST, "'/>", 1), wanted);
    }
    /* Declarations count where they are in force together. */
    char *t = grow(begin_text("<a>"), TEXT_MOST, "<b xmlns:p='c'/>", 100);
    check(grow(t, TEXT_MOST, "</a>", 1), JB_XML_OK);
    t = grow(begin_text("<a xmlns='u'>"), TEXT_MOST, "<b xmlns='c'>", 31);
    t = grow(t, TEXT_MOST, "</b>", 31);
    check(grow(t, TEXT_MOST, "</a>", 1), JB_XML_OK);
    /* A prefix is bounded by how it is kept. */
    struct jb_xml_bounds wide = kit_bounds;
    wide.name_bytes = 1024;
    for (int over = 0; over < 2; over++) {
        t = grow(begin_text("<a xmlns:"), TEXT_MOST, "p", 254 + over);
        t = grow(grow(grow(t, TEXT_MOST, "='u' ", 1), TEXT_MOST, "p", 254 + over), TEXT_MOST,
                 ":b=''/>", 1);
        assert_int_equal(parse_within(jb_strz(t), &wide), over ? JB_XML_TOO_BIG : JB_XML_OK);
    }
}

/* Sealing looks for CDATA where there is some. */
static void knows_of_cdata(void **state)
{
    (void)state;

    assert_true(parse_good("<a><b><![CDATA[]]></b></a>").cdata);
    assert_false(parse_good("<a b='&lt;![CDATA[]]&gt;'>]]&gt;</a>").cdata);
}

/* Whoever refuses it can say which limit it was. */
static void names_the_limit(void **state)
{
    static const struct jb_xml_bounds narrow = {
        .depth = 2, .attributes = 2, .namespaces = 1, .elements = 2, .name_bytes = 5
    };
    static const struct {
        const char *text;
        enum jb_limit over;
    } rows[] = {
        { "<abcde xmlns='u' f=''><g/></abcde>", JB_LIMIT_COUNT },
        { "<abcde xmlns='u' f=''><g></abcde>", JB_LIMIT_COUNT },
        { "<a><b><c/></b></a>", JB_LIMIT_xml_depth },
        { "<a><b/><c/></a>", JB_LIMIT_xml_elements },
        { "<a b='' c='' d=''/>", JB_LIMIT_xml_attributes },
        { "<a xmlns='u'><b xmlns='v'/></a>", JB_LIMIT_xml_namespaces },
        { "<abcdef/>", JB_LIMIT_xml_name_bytes },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_doc doc;
        enum jb_xml_fault fault = jb_xml_parse(jb_strz(rows[i].text), &narrow, &arena, &doc);
        assert_int_equal(fault == JB_XML_TOO_BIG, rows[i].over != JB_LIMIT_COUNT);
        assert_int_equal(doc.over, rows[i].over);
    }
}

/* The widest bounds there are, filled; start tags alone are the most nodes for their bytes. */
static void widest_bounds(void **state)
{
    static const struct jb_xml_bounds widest = {
        .depth = 256, .attributes = 67, .namespaces = 256, .elements = 65535, .name_bytes = 1024
    };
    (void)state;

    char *t = grow(begin_text(""), TEXT_MOST, "<a>", 256);
    assert_int_equal(parse_within(jb_strz(t), &widest), JB_XML_BAD_FORMAT);
    assert_int_equal(parse_within(jb_strz(grow(t, TEXT_MOST, "</a>", 256)), &widest), JB_XML_OK);
    size_t n = 65536 * 4;
    char *many = malloc(n + 8);
    memcpy(many, "<a>", 3);
    for (size_t i = 0; i < 65535; i++)
        memcpy(many + 3 + 4 * i, "<b/>", 4);
    memcpy(many + 3 + 4 * 65534, "</a>", 4);
    assert_int_equal(parse_within(jb_str(many, 3 + 4 * 65535), &widest), JB_XML_OK);
    memcpy(many + 3 + 4 * 65534, "<b/></a>", 8);
    assert_int_equal(parse_within(jb_str(many, 7 + 4 * 65535), &widest), JB_XML_TOO_BIG);
    free(many);
}

/* Case 30: memory is in proportion to the text. */
static void memory_is_in_proportion(void **state)
{
    static const char *const units[] = { "<b/>", "<b></b>", "<", "a", "&lt;", "<b c='d'/>" };
    (void)state;

    for (size_t i = 0; i < COUNT(units); i++) {
        for (int count = 1; count < 5000; count = count * 3 / 2 + 1) {
            struct jb_doc doc;
            char *t = grow(begin_text("<a>"), TEXT_MOST, units[i], count);
            t = grow(t, TEXT_MOST, "</a>", 1);
            size_t before = arena.used;
            enum jb_xml_fault fault = jb_xml_parse(jb_strz(t), &kit_bounds, &arena, &doc);
            assert_int_not_equal(fault, JB_XML_NO_MEMORY);
            assert_true(arena.used - before <= 13 * strlen(t) + 64);
            jb__arena_reset(&arena);
        }
    }
    /* And there is none for elements that would be one too many. */
    struct jb_xml_bounds few = kit_bounds;
    few.elements = 8;
    char *t = grow(grow(begin_text("<a>"), TEXT_MOST, "<b/>", 1000), TEXT_MOST, "</a>", 1);
    struct jb_doc doc;
    assert_int_equal(jb_xml_parse(jb_strz(t), &few, &arena, &doc), JB_XML_TOO_BIG);
    assert_true(arena.used <= 8 * sizeof(struct jb_node) + 64);
}

static double cpu_ns(struct jb_str text)
{
    static const struct jb_xml_bounds many = {
        .depth = 32, .attributes = 64, .namespaces = 32, .elements = 65535, .name_bytes = 256
    };
    struct timespec from, to;
    double best = 0;

    for (int run = 0; run < 9; run++) {
        struct jb_doc doc;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_int_equal(jb_xml_parse(text, &many, &arena, &doc), JB_XML_OK);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        jb__arena_reset(&arena);
        double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        best = run == 0 || ns < best ? ns : best;
    }
    return best;
}

/* Case 29: twice the text takes about twice the time, also where every attribute must be compared
 * with all others. */
static void time_is_linear(void **state)
{
    static const char *const units[] = {
        "<b/>",
        "<b xmlns='c'/>",
        "<b><b><b/></b></b>",
        "aaaaaaaaaaaaaaaa]&lt;",
        "<![CDATA[a]]]]>",
        "<b c='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&amp;'/>",
        "<b a1='' b1='' c1='' d1='' e1='' f1='' g1='' h1='' i1='' j1='' k1='' l1='' m1='' n1=''/>",
        "<b xmlns:p='1' xmlns:q='2' xmlns:r='3' xmlns:s='4' p:a='' q:a='' r:a='' s:a=''/>",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(units); i++) {
        double ratio = 99;
        int count = 60000 / (int)strlen(units[i]);
        count = count > 1000 ? 1000 : count;
        for (int attempt = 0; attempt < 5 && ratio > 2.6; attempt++) {
            char *t =
                grow(grow(begin_text("<a>"), TEXT_MOST, units[i], count), TEXT_MOST, "</a>", 1);
            double once = cpu_ns(jb_strz(t));
            t = grow(grow(begin_text("<a>"), TEXT_MOST, units[i], 2 * count), TEXT_MOST, "</a>", 1);
            ratio = cpu_ns(jb_strz(t)) / once;
        }
        if (ratio > 2.6)
            fail_msg("%s: twice the text takes %.1f times as long", units[i], ratio);
    }
}

/* Case 32: nesting costs no stack. */
static void *parse_deep(void *p)
{
    static const struct jb_xml_bounds deep = {
        .depth = 256, .attributes = 8, .namespaces = 8, .elements = 65535, .name_bytes = 64
    };

    for (size_t i = 0; i < 10; i++)
        if (parse_within(*(struct jb_str *)p, &deep) != JB_XML_TOO_BIG)
            return p;
    return NULL;
}

static void deep_nesting_on_a_small_stack(void **state)
{
    enum { DEEP = 1000000 };
    pthread_attr_t attr;
    pthread_t thread;
    void *failed;
    char *text = malloc(3 * DEEP);
    struct jb_str slice = jb_str(text, 3 * DEEP);
    (void)state;

    for (size_t i = 0; i < DEEP; i++)
        memcpy(text + 3 * i, "<a>", 3);
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, 128 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, parse_deep, &slice), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    pthread_attr_destroy(&attr);
    free(text);
}

/* Any name may stand alone, whichever its place in the table of names. */
static void one_attribute(void **state)
{
    char text[32];
    (void)state;

    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "<a b%d=''/>", i);
        check(text, JB_XML_OK);
    }
}

/* Names that differ are told apart, also where they share a place in the table of names. */
static void attributes_with_prefixes(void **state)
{
    (void)state;

    char *t = grow(begin_text("<a xmlns:p='u'"), TEXT_MOST, " p:b#=''", 63);
    check(grow(t, TEXT_MOST, "/>", 1), JB_XML_OK);
    t = grow(begin_text("<a xmlns:p='u' xmlns:q='u'"), TEXT_MOST, " p:b#=''", 61);
    check(grow(t, TEXT_MOST, " q:b60=''/>", 1), JB_XML_NOT_WELL_FORMED);
}

struct short_text {
    struct jb_str text;
    uint16_t count;
};

static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    const struct short_text *given = ctx;
    struct jb__arena own;
    struct jb_doc doc;

    jb__arena_init(&own, &f->alloc, 1024 * 1024);
    enum jb_xml_fault fault = jb_xml_parse(given->text, &kit_bounds, &own, &doc);
    assert_int_equal(fault, f->failed ? JB_XML_NO_MEMORY : JB_XML_OK);
    assert_int_equal(doc.count, f->failed ? 0 : given->count);
    jb__arena_deinit(&own);
}

static void out_of_memory(void **state)
{
    struct short_text t = { .count = 1000 };
    (void)state;

    t.text = jb_strz(grow(grow(begin_text("<a>"), TEXT_MOST, "<b/>", 999), TEXT_MOST, "</a>", 1));
    assert_true(failing_alloc_loop(short_of_memory, &t) > 0);
    /* A namespace with a reference in it is written anew; this one takes a block of its own. */
    t.text = jb_strz(grow(grow(begin_text("<a xmlns='&amp;"), TEXT_MOST, "u", 20000), TEXT_MOST,
                          "'/>", 1));
    t.count = 1;
    assert_true(failing_alloc_loop(short_of_memory, &t) > 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_xml),
        TEST(restricts),
        TEST(wants_utf8),
        TEST(wants_one_element),
        TEST(refuses_bad_tags),
        TEST(refuses_bad_characters),
        TEST(refuses_every_cut),
        TEST(namespaces),
        TEST(namespaces_are_uris),
        TEST(scopes),
        TEST(limits),
        TEST(knows_of_cdata),
        TEST(names_the_limit),
        TEST(widest_bounds),
        TEST(memory_is_in_proportion),
        TEST(time_is_linear),
        TEST(deep_nesting_on_a_small_stack),
        TEST(one_attribute),
        TEST(attributes_with_prefixes),
        TEST(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
