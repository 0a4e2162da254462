/* SPDX-License-Identifier: MIT */
/* Heads of stanzas, sealing, answers.  Sealed text is compared byte by byte: it is what others
 * will read. */
#include "xml_kit.h"

#include "core/stanza.h"
#include "failing_alloc.h"

#include <stdio.h>

#define MESSAGE "<message xmlns='jabber:client'"

static struct jb_jid jid(const char *text)
{
    struct jb_jid j;

    assert_int_equal(jb_jid_parse(jb_strz(text), &arena, &j), 0);
    return j;
}

static struct jb_draft draft_of(struct jb_doc *doc, const char *text)
{
    struct jb_draft d = { .doc = doc, .arena = &arena };

    *doc = parse_good(text);
    assert_int_equal(jb_stanza_read_head(doc, &arena, &d.h), 0);
    return d;
}

/* Nodes and head are what a parse of the sealed text gives, also where they were only moved. */
static void check_as_parsed(const struct jb_stanza *s)
{
    static const struct jb_xml_bounds bounds = {
        .depth = 32, .attributes = 67, .namespaces = 32, .elements = 4096, .name_bytes = 256
    };
    struct jb_stanza_head h;
    struct jb_doc doc;

    assert_int_equal(jb_xml_parse(jb_str(s->doc.text, s->doc.bytes), &bounds, &arena, &doc),
                     JB_XML_OK);
    assert_int_equal(doc.count, s->doc.count);
    assert_int_equal(doc.cdata, s->doc.cdata);
    for (uint16_t k = 0; k < doc.count; k++) {
        const struct jb_node *a = &s->doc.nodes[k], *b = &doc.nodes[k];
        assert_int_equal(a->start, b->start);
        assert_int_equal(a->content, b->content);
        assert_int_equal(a->content_end, b->content_end);
        assert_int_equal(a->end, b->end);
        assert_int_equal(a->ns_at, b->ns_at);
        assert_int_equal(a->ns_bytes, b->ns_bytes);
        assert_int_equal(a->name_bytes, b->name_bytes);
        assert_int_equal(a->next, b->next);
        assert_int_equal(a->prefix_bytes, b->prefix_bytes);
        assert_int_equal(a->ns, b->ns);
        assert_int_equal(a->depth, b->depth);
        assert_int_equal(a->has_child, b->has_child);
    }
    assert_int_equal(jb_stanza_read_head(&doc, &arena, &h), 0);
    assert_true(jb_str_eq(h.id, s->h.id) && h.kind == s->h.kind && h.type == s->h.type);
    assert_true(jb_jid_eq(h.from, s->h.from) && h.from_malformed == s->h.from_malformed);
    assert_true(jb_jid_eq(h.to, s->h.to) && h.to_malformed == s->h.to_malformed);
}

static struct jb_stanza *seal(const struct jb_draft *d)
{
    struct jb_stanza *s;

    assert_int_equal(jb_draft_seal(d, &jb_allocator_libc, 42, &s), 0);
    assert_int_equal(s->stamp_us, 42);
    check_as_parsed(s);
    return s;
}

/* Sealed from `in` without a change. */
static void check_sealed(const char *in, const char *wanted)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, in);
    struct jb_stanza *s = seal(&d);

    assert_str_equal(jb_str(s->doc.text, s->doc.bytes), wanted);
    jb_stanza_unref(s);
}

static void reads_heads(void **state)
{
    static const struct {
        const char *text;
        int kind, type;
        const char *id;
    } rows[] = {
        { MESSAGE "/>", JB_MESSAGE, JB_TYPE_NONE, "" },
        { MESSAGE " type='normal' id='a'/>", JB_MESSAGE, JB_TYPE_NORMAL, "a" },
        { MESSAGE " type='chat'/>", JB_MESSAGE, JB_TYPE_CHAT, "" },
        { MESSAGE " type='ch&#97;t'/>", JB_MESSAGE, JB_TYPE_CHAT, "" },
        { MESSAGE " type='groupchat'/>", JB_MESSAGE, JB_TYPE_GROUPCHAT, "" },
        { MESSAGE " type='headline'/>", JB_MESSAGE, JB_TYPE_HEADLINE, "" },
        { MESSAGE " type='error'/>", JB_MESSAGE, JB_TYPE_ERROR, "" },
        { MESSAGE " type='Chat'/>", JB_MESSAGE, JB_TYPE_UNKNOWN, "" },
        { MESSAGE " type='get'/>", JB_MESSAGE, JB_TYPE_UNKNOWN, "" },
        { MESSAGE " type=''/>", JB_MESSAGE, JB_TYPE_UNKNOWN, "" },
        { "<iq xmlns='jabber:client' type='get' id='&lt;&apos;>'/>", JB_IQ, JB_TYPE_GET, "<'>" },
        { "<iq xmlns='jabber:client' type='set'/>", JB_IQ, JB_TYPE_SET, "" },
        { "<iq xmlns='jabber:client' type='result'/>", JB_IQ, JB_TYPE_RESULT, "" },
        { "<iq xmlns='jabber:client' type='error'/>", JB_IQ, JB_TYPE_ERROR, "" },
        { "<iq xmlns='jabber:client' type='chat'/>", JB_IQ, JB_TYPE_UNKNOWN, "" },
        { "<c:presence xmlns:c='jabber:client' c:type='error' c:id='x'/>", JB_PRESENCE,
          JB_TYPE_NONE, "" },
        { "<presence xmlns='jabber:client' type='unavailable'/>", JB_PRESENCE, JB_TYPE_UNAVAILABLE,
          "" },
        { "<presence xmlns='jabber:client' type='subscribe'/>", JB_PRESENCE, JB_TYPE_SUBSCRIBE,
          "" },
        { "<presence xmlns='jabber:client' type='subscribed'/>", JB_PRESENCE, JB_TYPE_SUBSCRIBED,
          "" },
        { "<presence xmlns='jabber:client' type='unsubscribe'/>", JB_PRESENCE, JB_TYPE_UNSUBSCRIBE,
          "" },
        { "<presence xmlns='jabber:client' type='unsubscribed'/>", JB_PRESENCE,
          JB_TYPE_UNSUBSCRIBED, "" },
        { "<presence xmlns='jabber:client' type='probe'/>", JB_PRESENCE, JB_TYPE_PROBE, "" },
        { "<presence xmlns='jabber:client' type='error'/>", JB_PRESENCE, JB_TYPE_ERROR, "" },
        /* a literal tab or line end in a value means a space; a reference means itself */
        { MESSAGE " id='a\tb\r\nc&#9;'/>", JB_MESSAGE, JB_TYPE_NONE, "a b c\t" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_doc doc;
        struct jb_draft d = draft_of(&doc, rows[i].text);
        assert_int_equal(d.h.kind, rows[i].kind);
        assert_int_equal(d.h.type, rows[i].type);
        assert_str_equal(d.h.id, rows[i].id);
        assert_false(jb_jid_is_set(d.h.from) || jb_jid_is_set(d.h.to));
        assert_false(d.h.from_malformed || d.h.to_malformed);
    }
    assert_string_equal(jb_stanza_kind_name(JB_PRESENCE), "presence");
}

static void refuses_what_is_no_stanza(void **state)
{
    static const char *const rows[] = {
        "<message/>",
        "<message xmlns='jabber:server'/>",
        "<Message xmlns='jabber:client'/>",
        "<iqs xmlns='jabber:client'/>",
        "<error xmlns='jabber:client'/>",
    };
    struct jb_stanza_head h;
    struct jb_stanza *s;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_doc doc = parse_good(rows[i]);
        assert_int_equal(jb_stanza_read_head(&doc, &arena, &h), JB_EINVAL);
        assert_int_equal(jb_stanza_new(jb_strz(rows[i]), &arena, &jb_allocator_libc, 0, &s),
                         JB_EINVAL);
    }
    assert_int_equal(jb_stanza_new(JB_STR("<iq"), &arena, &jb_allocator_libc, 0, &s), JB_EINVAL);
}

static void reads_addresses(void **state)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, MESSAGE " to='A@B/c&amp;&apos;' from='x@'/>");
    (void)state;

    assert_str_equal(jb_jid_str(d.h.to), "a@b/c&'");
    assert_true(d.h.from_malformed && !d.h.to_malformed && !jb_jid_is_set(d.h.from));
    d = draft_of(&doc, MESSAGE " to='' from=\"a'b@c\"/>");
    assert_true(d.h.from_malformed && d.h.to_malformed);
    d = draft_of(&doc, MESSAGE " to='b/\t'/>"); /* a space, which a resource may hold */
    assert_str_equal(jb_jid_str(d.h.to), "b/ ");
}

static void sealing_copies_what_it_does_not_vouch_for(void **state)
{
    (void)state;

    check_sealed(MESSAGE "/>", MESSAGE "></message>");
    check_sealed(MESSAGE "></message>", MESSAGE "></message>");
    check_sealed("<?xml version='1.0'?>\n" MESSAGE "/>", MESSAGE "></message>");
    check_sealed(MESSAGE "\n to = \"B\"  id='\"'\ttype=\"'\" ><a  b = 'c' /> \r\n</message >",
                 MESSAGE " id='\"' type=\"'\" to='b'><a  b = 'c' /> \r\n</message>");
    check_sealed("<c:iq xmlns:c='jabber:client' xmlns:p='urn:p' from='a@b' c:from='x' p:to='y'>"
                 "<p:q p:r='&lt;'/></c:iq>",
                 "<c:iq xmlns:c='jabber:client' xmlns:p='urn:p' c:from='x' p:to='y' from='a@b'>"
                 "<p:q p:r='&lt;'/></c:iq>");
    check_sealed(MESSAGE " id='a\r\n\tb&#10;'/>", MESSAGE " id='a\r\n\tb&#10;'></message>");
    /* declared behind what is left out, in other quotes, on the root and below it, or nowhere */
    check_sealed("<c:message to='b' xmlns:c = 'jabber:client' from='a' xmlns='urn:d'\txmlns:e=\"urn:e\" id='1'>"
                 "<a/><e:b/><c:c><d xmlns='urn:x'><e:e/></d></c:c><f xmlns=''><g/></f></c:message>",
                 "<c:message xmlns:c='jabber:client' xmlns='urn:d' xmlns:e=\"urn:e\" id='1' from='a' to='b'>"
                 "<a/><e:b/><c:c><d xmlns='urn:x'><e:e/></d></c:c><f xmlns=''><g/></f></c:message>");
    check_sealed(MESSAGE " to='@' from=''/>", MESSAGE "></message>"); /* what is no address goes */
}

static void sealing_writes_addresses_so_that_they_come_back(void **state)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, MESSAGE " from='old@b' to=\"a@b/'\"/>");
    (void)state;

    d.h.from = jid("a@b/x<y>&'\"\u00e9 z");
    struct jb_stanza *s = seal(&d);
    assert_str_equal(jb_str(s->doc.text, s->doc.bytes),
                     MESSAGE " from='a@b/x&lt;y&gt;&amp;&apos;\"\u00e9 z' to='a@b/&apos;'>"
                             "</message>");
    assert_true(jb_jid_eq(s->h.from, d.h.from) && jb_jid_eq(s->h.to, d.h.to));
    jb_stanza_unref(s);
}

/* A stanza takes the language of its stream when it names none (RFC 6120 section 8.1.5). */
static void sealing_adds_the_language(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { MESSAGE "/>", MESSAGE " xml:lang='de-AT'></message>" },
        { MESSAGE " lang='fr'/>", MESSAGE " lang='fr' xml:lang='de-AT'></message>" },
        { MESSAGE " xml:lang='fr' id='1'/>", MESSAGE " xml:lang='fr' id='1'></message>" },
        { MESSAGE " xml:lang=''/>", MESSAGE " xml:lang=''></message>" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_doc doc;
        struct jb_draft d = draft_of(&doc, rows[i].in);
        d.lang = JB_STR("de-AT");
        struct jb_stanza *s = seal(&d);
        assert_str_equal(jb_str(s->doc.text, s->doc.bytes), rows[i].out);
        jb_stanza_unref(s);
    }
}

static void drops_and_additions(void **state)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, MESSAGE ">0<a/>1<b><c/></b>2<d/>3</message>");
    uint16_t a = jb_node_first(&doc, 0), b = jb_node_next(&doc, a), c = jb_node_next(&doc, b);
    (void)state;

    assert_int_equal(jb_draft_drop(&d, a), 0);
    assert_int_equal(jb_draft_drop(&d, b), 0);
    assert_int_equal(jb_draft_drop(&d, c), 0);
    assert_int_equal(jb_draft_add(&d, JB_STR("<x xmlns='urn:x'/>")), 0);
    assert_int_equal(jb_draft_add(&d, JB_STR("<y xmlns='urn:y'/>")), 0);
    struct jb_stanza *s = seal(&d);
    assert_str_equal(jb_stanza_inner(s), "0123<x xmlns='urn:x'/><y xmlns='urn:y'/>");
    assert_int_equal(s->doc.count, 3);
    assert_str_equal(jb_node_ns(&s->doc, 2), "urn:y");
    jb_stanza_unref(s);

    d = draft_of(&doc, MESSAGE "><a/><b/></message>");
    assert_int_equal(jb_draft_drop(&d, jb_node_next(&doc, 1)), 0);
    s = seal(&d);
    assert_str_equal(jb_stanza_inner(s), "<a/>");
    jb_stanza_unref(s);
}

static void drops_are_bounded(void **state)
{
    char text[1024] = MESSAGE ">";
    struct jb_doc doc;
    (void)state;

    for (int i = 0; i <= JB_DRAFT_DROPS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "<a/>");
    snprintf(text + strlen(text), sizeof text - strlen(text), "</message>");
    struct jb_draft d = draft_of(&doc, text);
    for (uint16_t i = 1; i <= JB_DRAFT_DROPS; i++)
        assert_int_equal(jb_draft_drop(&d, i), 0);
    assert_int_equal(jb_draft_drop(&d, JB_DRAFT_DROPS + 1), JB_EFULL);
    struct jb_stanza *s = seal(&d);
    assert_str_equal(jb_stanza_inner(s), "<a/>");
    jb_stanza_unref(s);
}

/* Adversarial case 23: CDATA is kept as text, escaped anew. */
static void sealing_opens_cdata(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "<b><![CDATA[<i a='1'>&amp;</i>]]></b>",
          "<b>&lt;i a=&apos;1&apos;&gt;&amp;amp;&lt;/i&gt;</b>" },
        { "<![CDATA[]]>", "" },
        { "a<![CDATA[b]]>c", "abc" },
        { "<![CDATA[a]]><![CDATA[b]]>", "ab" },
        { "<![CDATA[<![CDATA[]]>", "&lt;![CDATA[" },
        { "<![CDATA[]]]]><![CDATA[>]]>", "]]&gt;" },
        /* two pieces that meet make no end of a section */
        { "<![CDATA[]]]>]>", "]&#93;>" },
        { "<![CDATA[]]]]>>", "]]&gt;" },
        { "]<![CDATA[]]>]>", "]&#93;>" },
        { "]]<![CDATA[]]>>", "]]&gt;" },
        { "]]<![CDATA[>]]>", "]]&gt;" },
        /* nor one line end of two */
        { "<![CDATA[\r]]>\n", "\r&#10;" },
        { "\r<![CDATA[\n]]>", "\r&#10;" },
        { "\r<![CDATA[]]>\n", "\r&#10;" },
        { "<![CDATA[\r\n]]>", "\r\n" },
        /* what only looks like one stays */
        { "<b c=']]>'/><![CDATA[]]><d e='f>'/>", "<b c=']]>'/><d e='f>'/>" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char in[256], out[256];
        snprintf(in, sizeof in, MESSAGE ">%s</message>", rows[i].in);
        snprintf(out, sizeof out, MESSAGE ">%s</message>", rows[i].out);
        check_sealed(in, out);
        struct jb_doc before = parse_good(in), after = parse_good(out);
        assert_true(before.cdata || !strstr(rows[i].in, "CDATA"));
        assert_false(after.cdata);
        for (uint16_t n = 0; n < before.count; n++)
            assert_true(
                jb_str_eq(jb_node_text(&before, n, &arena), jb_node_text(&after, n, &arena)));
    }
}

/* A root with as many attributes as are allowed gets the addresses and the language too. */
static void sealing_has_room_for_its_marks(void **state)
{
    char text[2048] = MESSAGE;
    struct jb_doc doc;
    (void)state;

    for (int i = 0; i < 63; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " a%d=''", i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "/>");
    struct jb_draft d = draft_of(&doc, text);
    d.h.from = jid("a@b");
    d.h.to = jid("c@d");
    d.lang = JB_STR("en");
    struct jb_stanza *s = seal(&d);
    assert_true(jb_jid_eq(s->h.from, d.h.from) && jb_jid_eq(s->h.to, d.h.to));
    jb_stanza_unref(s);
}

static void heads_for_wraps(void **state)
{
    struct jb_doc doc = parse_good(MESSAGE " to='a@b' id='1' from='c@d'><x/></message>");
    char out[512];
    (void)state;

    struct jb_jid to = jid("e@f/<&'>");
    size_t n = jb_stanza_write_head(&doc, &(struct jb_stanza_marks){ .to = to }, out);
    assert_str_equal(jb_str(out, n), MESSAGE " id='1' to='e@f/&lt;&amp;&apos;&gt;'>");
    assert_true(n <= jb_stanza_head_bytes(&doc, &(struct jb_stanza_marks){ .to = to }));
    n = jb_stanza_write_head(&doc, &(struct jb_stanza_marks){ .from = to }, out);
    assert_str_equal(jb_str(out, n), MESSAGE " id='1' from='e@f/&lt;&amp;&apos;&gt;'>");
}

/* The promise of room holds for any start tag and the worst of addresses. */
static void room_for_a_head_is_enough(void **state)
{
    static const char *const roots[] = {
        MESSAGE "/>",
        MESSAGE "></message>",
        "<iq\txmlns='jabber:client'\n/>",
        MESSAGE " a=''b=''/>", /* refused: white space is needed */
        MESSAGE " to='x' from='y' to1=''/>",
    };
    struct jb_jid jid_of_quotes = jid("a@b/''''''''''''''''''''''''''''''''''''''''");
    struct jb_stanza_marks worst = { jid_of_quotes, jid_of_quotes, JB_STR("de-1996") };
    (void)state;

    for (size_t i = 0; i < COUNT(roots); i++) {
        struct jb_doc doc;
        if (jb_xml_parse(jb_strz(roots[i]), &kit_bounds, &arena, &doc) != JB_XML_OK)
            continue;
        size_t most = jb_stanza_head_bytes(&doc, &worst);
        char *out = malloc(most);
        assert_true(jb_stanza_write_head(&doc, &worst, out) <= most);
        free(out);
    }
}

static void errors_swap_addresses_and_keep_the_id(void **state)
{
    struct jb_doc doc;
    struct jb_draft d =
        draft_of(&doc, "<iq xmlns='jabber:client' type='get' id=\"a'&lt;\" from='a@b/c' to='d@e'>"
                       "<q xmlns='urn:q'/></iq>");
    const struct jb_fault fault = JB_FAULT(SERVICE_UNAVAILABLE, "no");
    struct jb__buf buf;
    struct jb_xml x;
    (void)state;

    jb__buf_init(&buf, &jb_allocator_libc, 4096);
    jb_xml_begin(&x, &buf);
    jb_stanza_write_error(&x, &d.h, JB_JID_NONE, &fault);
    assert_int_equal(jb_xml_end(&x), 0);
    assert_str_equal(
        jb__buf_str(&buf),
        "<iq xmlns='jabber:client' type='error' from='d@e' to='a@b/c' id='a&apos;&lt;'>"
        "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no</text></error></iq>");
    buf.n = 0;
    d.h.id = JB_STR_NONE;
    d.h.from = JB_JID_NONE;
    jb_xml_begin(&x, &buf);
    jb_stanza_open(&x, JB_PRESENCE, NULL, JB_JID_NONE, JB_JID_NONE, JB_STR_NONE);
    jb_xml_close(&x);
    jb_stanza_write_error(&x, &d.h, jid("x@y"), &JB_FAULT(BAD_REQUEST, NULL));
    assert_int_equal(jb_xml_end(&x), 0);
    assert_str_equal(jb__buf_str(&buf),
                     "<presence xmlns='jabber:client'/>"
                     "<iq xmlns='jabber:client' type='error' from='x@y' id=''><error type='modify'>"
                     "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    jb__buf_deinit(&buf);
}

static void too_much_added_is_refused(void **state)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, MESSAGE "/>");
    struct jb_stanza *s;
    char *many = jb__arena_alloc(&arena, 4 * 66000);
    (void)state;

    for (size_t i = 0; i < 66000; i++)
        memcpy(many + 4 * i, "<a/>", 4);
    assert_int_equal(jb_draft_add(&d, jb_str(many, 4 * 66000)), 0);
    assert_int_equal(jb_draft_seal(&d, &jb_allocator_libc, 0, &s), JB_EFULL);
}

static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__arena own;
    struct jb_doc doc;
    struct jb_stanza *s = NULL;
    struct jb_draft d = { .doc = &doc, .arena = &own };
    (void)ctx;

    jb__arena_init(&own, &f->alloc, 1024 * 1024);
    enum jb_xml_fault fault =
        jb_xml_parse(JB_STR(MESSAGE " id='&lt;\t' to='A@b/&amp;'><![CDATA[x]]></message>"),
                     &kit_bounds, &own, &doc);
    assert_int_equal(fault, f->failed ? JB_XML_NO_MEMORY : JB_XML_OK);
    if (fault == JB_XML_OK) {
        int rc = jb_stanza_read_head(&doc, &own, &d.h);
        if (rc == 0)
            rc = jb_draft_add(&d, JB_STR("<x/>"));
        if (rc == 0)
            rc = jb_draft_seal(&d, &f->alloc, 0, &s);
        assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
        jb_stanza_unref(s);
    }
    jb__arena_deinit(&own);
}

/* The arena has its own bound, which fails like memory does: each size fails at another place. */
static void out_of_memory(void **state)
{
    const struct jb_str text =
        JB_STR(MESSAGE " id='&lt;\t' to='A@b/&amp;'><![CDATA[x]]></message>");
    bool sealed = false;
    (void)state;

    assert_true(failing_alloc_loop(short_of_memory, NULL) > 1);
    for (size_t bytes = 0; bytes < 16 * 1024 && !sealed; bytes += 16) {
        struct jb__arena small;
        struct jb_doc doc;
        struct jb_stanza *s = NULL;
        struct jb_draft d = { .doc = &doc, .arena = &small };
        jb__arena_init(&small, &jb_allocator_libc, bytes);
        if (jb_xml_parse(text, &kit_bounds, &small, &doc) == JB_XML_OK) {
            int rc = jb_stanza_read_head(&doc, &small, &d.h);
            if (rc == 0)
                rc = jb_draft_add(&d, JB_STR("<x/>"));
            if (rc == 0)
                rc = jb_draft_seal(&d, &jb_allocator_libc, 0, &s);
            assert_true(rc == 0 || rc == JB_ENOMEM);
            sealed = rc == 0;
            jb_stanza_unref(s);
        }
        jb__arena_deinit(&small);
    }
    assert_true(sealed);
}

static void references_are_counted(void **state)
{
    struct jb_doc doc;
    struct jb_draft d = draft_of(&doc, MESSAGE "/>");
    struct jb_stanza *s = seal(&d);
    (void)state;

    assert_ptr_equal(jb_stanza_ref(s), s);
    jb_stanza_unref(s);
    assert_int_equal(s->doc.count, 1);
    jb_stanza_unref(s);
    jb_stanza_unref(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_heads),
        TEST(refuses_what_is_no_stanza),
        TEST(reads_addresses),
        TEST(sealing_copies_what_it_does_not_vouch_for),
        TEST(sealing_writes_addresses_so_that_they_come_back),
        TEST(sealing_adds_the_language),
        TEST(drops_and_additions),
        TEST(drops_are_bounded),
        TEST(sealing_opens_cdata),
        TEST(sealing_has_room_for_its_marks),
        TEST(heads_for_wraps),
        TEST(room_for_a_head_is_enough),
        TEST(errors_swap_addresses_and_keep_the_id),
        TEST(too_much_added_is_refused),
        TEST(out_of_memory),
        TEST(references_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
