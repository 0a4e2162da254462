/* SPDX-License-Identifier: MIT */
/* Addresses by the tables of RFC 7622 and RFC 8265, and by what must hold for any text: one
 * canonical form, which is its own.  `test_core_jid --full` runs the random part a hundred times
 * longer, and every code point. */
#include "test.h"
#include "jid_rows.h"

#include "base/utf8.h"
#include "failing_alloc.h"

#include <uninorm.h>

static bool full;

/* RFC 7622 section 3.5, both tables, in their order. */
static void test_rfc7622_examples(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("juliet@example.com"),
        SAME("juliet@example.com/foo"),
        SAME("juliet@example.com/foo bar"),
        SAME("juliet@example.com/foo@bar"),
        SAME("foo\\20bar@example.com"),
        SAME("fussball@example.com"),
        SAME("fu\u00dfball@example.com"),
        SAME("\u03c0@example.com"),
        { "\u03a3@example.com/foo", "\u03c3@example.com/foo" },
        SAME("\u03c3@example.com/foo"),
        SAME("\u03c2@example.com/foo"),
        SAME("king@example.com/\u265a"),
        SAME("example.com"),
        SAME("example.com/foobar"),
        SAME("a.example.com/b@example.net"),
        { "\"juliet\"@example.com", NULL },
        { "foo bar@example.com", NULL },
        SAME("juliet@example.com/ foo"), /* 18 is withdrawn by erratum 4560: no rule forbids it */
        { "@example.com/", NULL },
        { "henry\u2163@example.com", NULL },
        /* 21, a chess king as localpart: test_strict */
        { "juliet@", NULL },
        { "/foobar", NULL },
    };

    check_rows(rows, COUNT(rows));
}

static void test_structure(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", NULL },
        { "@", NULL },
        { "/", NULL },
        { "@/", NULL },
        { "@a", NULL },
        { "a@", NULL },
        { "a/", NULL },
        { "a@b/", NULL },
        { "a@@b", NULL },
        { "a@b@c", NULL },
        { "a b", NULL },
        { " a", NULL },
        { "a ", NULL },
        { "a@b ", NULL },
        SAME("a//"),
        SAME("a@b//@"),
        SAME("a/@"),
        SAME("a@b/ "),
        { "a@b/\t", NULL },
        { "a@b/\x7f", NULL },
        { "a\x7f@b", NULL },
        { "a@b/\xc2\x85", NULL },
        { "Romeo@Montague.EXAMPLE/Orchard", "romeo@montague.example/Orchard" },
        /* mapping never makes a separator */
        { "a\uff20b", NULL },
        { "a\uff0fb@c", NULL },
        { "a@b\uff0fc", NULL },
        { "a@b\u2100c", NULL },
        SAME("a@b/\uff0f\uff20"),
        /* not UTF-8 */
        { "\xff@b", NULL },
        { "a@b/\xc0\xaf", NULL },
        { "a@b/\xed\xa0\x80", NULL },
        { "a@b\xe2\x82", NULL },
    };
    struct jb_jid jid;

    check_rows(rows, COUNT(rows));
    assert_int_equal(jb_jid_parse(JB_STR_NONE, &arena, &jid), JB_EINVAL);
    assert_int_equal(jb_jid_parse(JB_STR("a\0b@c"), &arena, &jid), JB_EINVAL);
    assert_int_equal(jb_jid_parse(JB_STR("a@b\0"), &arena, &jid), JB_EINVAL);
    assert_int_equal(jb_jid_parse(JB_STR("a@b/c\0"), &arena, &jid), JB_EINVAL);
}

static void test_excluded_characters(void **state)
{
    (void)state;
    static const char excluded[] = "\"&'/:<>@ ";
    struct jb_str out;

    for (int c = 1; c < 256; c++) {
        char text[2] = { (char)c, 'x' };
        bool ok = c > ' ' && c < 0x7f && !strchr(excluded, c);
        assert_int_equal(jb_jid_prep_local(jb_str(text, 2), &arena, &out) == 0, ok);
        if (c < 0x80) {
            bool printable = c >= ' ' && c < 0x7f;
            assert_int_equal(jb_jid_prep_resource(jb_str(text, 2), &arena, &out) == 0, printable);
        }
        /* and its fullwidth form, which is mapped first */
        char wide[4];
        size_t n = jb__utf8_encode(0xfee0u + (uint32_t)c, wide);
        if (c > ' ' && c < 0x7f)
            assert_int_equal(jb_jid_prep_local(jb_str(wide, n), &arena, &out) == 0, ok);
    }
}

/* RFC 8265 section 3.5, by the profile (in an address the @ of its example is excluded). */
static void test_rfc8265_usernames(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("fussball"),       SAME("fu\u00dfball"), SAME("\u03c0"),
        { "\u03a3", "\u03c3" }, SAME("\u03c3"),       SAME("\u03c2"),
        { "foo bar", NULL },    { "", NULL },         { "henry\u2163", NULL },
    };
    struct jb_str out;

    for (size_t i = 0; i < COUNT(rows); i++) {
        int rc = jb_jid_prep_local(jb_strz(rows[i].in), &arena, &out);
        assert_int_equal(rc, rows[i].out ? 0 : JB_EINVAL);
        if (rows[i].out)
            assert_str_equal(out, rows[i].out);
    }
    assert_int_equal(jb_jid_prep_local(JB_STR("\u221e"), &arena, &out), 0);
    assert_false(jb_jid_is_strict(out)); /* infinity: another server's name, but none of ours */
}

/* RFC 8265 section 4.3. */
static void test_rfc8265_passwords(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("correct horse battery staple"),
        SAME("Correct Horse Battery Staple"),
        SAME("\u03c0\u00df\u00e5"),
        SAME("Jack of \u2666s"),
        { "foo\u1680bar", "foo bar" },
        { "", NULL },
        { "my cat is a \tby", NULL },
        { "e\u0301\u3000\u00a0", "\u00e9  " },
        { "\u200b", NULL },
    };
    struct jb_str out;

    for (size_t i = 0; i < COUNT(rows); i++) {
        int rc = jb_precis_password(jb_strz(rows[i].in), &arena, &out);
        assert_int_equal(rc, rows[i].out ? 0 : JB_EINVAL);
        if (rows[i].out)
            assert_str_equal(out, rows[i].out);
    }
    static char text[JB_JID_BYTES + 1];
    memset(text, 'a', sizeof text);
    assert_int_equal(jb_precis_password(jb_str(text, JB_JID_BYTES), &arena, &out), 0);
    assert_int_equal(out.n, JB_JID_BYTES);
    assert_int_equal(jb_precis_password(jb_str(text, sizeof text), &arena, &out), JB_EINVAL);
}

/* Adversarial case 52: one canonical form, or malformed. */
static void test_case_52_one_form_or_malformed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* case */
        { "ADMIN@A.EXAMPLE", "admin@a.example" },
        { "\u00c9@a", "\u00e9@a" },
        { "\u1e9e@a", "\u00df@a" },
        { "\U00010400@a", "\U00010428@a" },
        /* Turkish: the dotless i is a letter of its own, the capital with a dot keeps it */
        SAME("ad\u0131m@a"),
        { "AD\u0130M@a", "adi\u0307m@a" },
        SAME("adi\u0307m@a"),
        { "I@a", "i@a" },
        /* width */
        { "\uff41\uff44\uff4d\uff49\uff4e@a", "admin@a" },
        { "\uff21\uff24\uff2d\uff29\uff2e@a", "admin@a" },
        { "\uff76\uff9e@a", "\u30ac@a" },
        { "a@\uff41\uff0e\uff42", "a@a.b" },
        SAME("a@b/\uff41"), /* a resource is opaque */
        /* Kelvin and Angstrom signs, ligatures: compatibility forms do not name accounts */
        { "\u212ang@a", NULL },
        { "\u212b@a", NULL },
        { "\ufb01@a", NULL },
        { "a@\u212a", "a@k" },
        { "a@b/\u212b", "a@b/\u00c5" },
        /* invisible */
        { "admin\u200b@a", NULL },
        { "ad\u00admin@a", NULL },
        { "admin\u200d@a", NULL },
        { "admin\u200c@a", NULL },
        { "admin\ufe0f@a", NULL },
        { "a@b/\u200b", NULL },
        { "a@b\u200d", NULL },
        { "a@b\u00ad", NULL },
        SAME("\u0915\u094d\u200d@a"),
        SAME("\u0628\u200c\u0628@a"),
        SAME("a@\u0915\u094d\u200d\u0937"),
    };

    check_rows(rows, COUNT(rows));
}

static void test_case_52_direction_and_composition(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* direction */
        SAME("\u05d0\u05d1@a"),
        { "\u05d0a@a", NULL },
        { "a\u05d0@a", NULL },
        { "1\u05d0@a", NULL },
        { "admin\u202e@a", NULL },
        { "a@\u05d0a", NULL },
        { "a@1.\u05d0\u05d1", NULL }, /* all labels of such a name are bound by the rule */
        SAME("a@example.\u05d0\u05d1"),
        SAME("a@b/a\u05d0b"),
        /* order of marks, composition */
        { "e\u0301@a", "\u00e9@a" },
        { "a\u0323\u0307@a", "\u1ea1\u0307@a" },
        { "a\u0307\u0323@a", "\u1ea1\u0307@a" },
        { "a@e\u0301", "a@\u00e9" },
        { "a@b/e\u0301", "a@b/\u00e9" },
        /* what NFC turns into something the class refuses */
        { "a@b/l\u0387l", "a@b/l\u00b7l" },
        { "a@b/x\u0387y", NULL },
        { "L\u00b7L@a", "l\u00b7l@a" },
        { "a\u00b7b@a", NULL },
        /* spaces */
        { "a@b/c\u00a0d\u2003e\u3000f", "a@b/c d e f" },
        { "a\u00a0b@c", NULL },
        { "a\u3000b@c", NULL },
        /* digits of two kinds, unassigned, private, noncharacters */
        { "\u0628\u0661\u06f1@a", NULL },
        { "\u0378@a", NULL },
        { "a@b/\u0378", NULL },
        { "\ue000@a", NULL },
        { "a@b/\ue000", NULL },
        { "a@b/\ufdd0", NULL },
    };

    check_rows(rows, COUNT(rows));
}

/* `n` bytes made of a unit of text. */
static struct jb_str fill(const char *unit, size_t n)
{
    char *p = jb__arena_alloc(&arena, n);

    for (size_t i = 0; i < n; i++)
        p[i] = unit[i % strlen(unit)];
    return jb_str(p, n);
}

static int local_rc(struct jb_str s)
{
    struct jb_str out;
    int rc = jb_jid_prep_local(s, &arena, &out);

    assert_true(rc != 0 || (out.n > 0 && out.n <= JB_JID_PART_BYTES));
    return rc;
}

static int resource_rc(struct jb_str s)
{
    struct jb_str out;

    return jb_jid_prep_resource(s, &arena, &out);
}

static int domain_rc(struct jb_str s)
{
    struct jb_str out;

    return jb_jid_prep_domain(s, &arena, &out);
}

/* Adversarial case 53: a part of 1023 bytes is one, of 1024 is none, also where the limit falls
 * inside a code point; the limit is that of the canonical form. */
static void test_case_53_refused_never_cut(void **state)
{
    (void)state;
    static const char e_acute[] = "\u00e9";

    assert_int_equal(local_rc(fill("a", 1023)), 0);
    assert_int_equal(local_rc(fill("a", 1024)), JB_EINVAL);
    assert_int_equal(local_rc(fill("A", 1023)), 0);
    assert_int_equal(local_rc(fill("A", 1024)), JB_EINVAL);
    assert_int_equal(local_rc(fill(e_acute, 1022)), 0);
    assert_int_equal(local_rc(fill(e_acute, 1023)), JB_EINVAL); /* cut inside */
    assert_int_equal(local_rc(fill(e_acute, 1024)), JB_EINVAL);
    assert_int_equal(local_rc(fill("\u20ac", 1024)), JB_EINVAL);
    assert_int_equal(local_rc(fill("\uff41", 3 * 1023)), 0); /* 1023 letters a */
    assert_int_equal(local_rc(fill("\uff41", 3 * 1024)), JB_EINVAL);
    assert_int_equal(local_rc(fill("\u0130", 2 * 341)), 0); /* grows to three bytes each */
    assert_int_equal(local_rc(fill("\u0130", 2 * 342)), JB_EINVAL);
    assert_int_equal(local_rc(fill("a", 100000)), JB_EINVAL);
    assert_int_equal(local_rc(fill("\u0130", 100000)), JB_EINVAL);
    assert_int_equal(resource_rc(fill("a", 1023)), 0);
    assert_int_equal(resource_rc(fill("a", 1024)), JB_EINVAL);
    assert_int_equal(resource_rc(fill(e_acute, 1022)), 0);
    assert_int_equal(resource_rc(fill(e_acute, 1023)), JB_EINVAL);
    assert_int_equal(resource_rc(fill("e\u0301", 3 * 511)), 0); /* 1022 when composed */
    assert_int_equal(resource_rc(fill("e\u0301", 3 * 512)), JB_EINVAL);
    assert_int_equal(domain_rc(fill("a.", 1023)), 0);
    assert_int_equal(domain_rc(fill("a.", 1024)), 0); /* its last byte is the dot that goes */
    assert_int_equal(domain_rc(fill("a.", 1025)), JB_EINVAL);
    assert_int_equal(domain_rc(fill("A.", 1023)), 0);
    assert_int_equal(domain_rc(fill("A.", 1025)), JB_EINVAL);
    assert_int_equal(domain_rc(fill("\u00fc.", 1023)), 0); /* 341 labels and dots, less the last */
    assert_int_equal(domain_rc(fill("\u00fc.", 1024)), JB_EINVAL); /* cut inside */
    assert_int_equal(domain_rc(fill("\u00fc.", 1025)), JB_EINVAL);
    for (size_t n = 250; n < 256; n++) { /* about the most bytes a label of 63 letters can have */
        struct jb_str label = fill("\u4f8b", n / 3 * 3);
        struct jb_str ascii = fill("a", n);
        memcpy((char *)ascii.p, label.p, label.n);
        assert_int_equal(domain_rc(ascii), JB_EINVAL);
    }
    assert_int_equal(domain_rc(fill("a", 63)), 0);
    assert_int_equal(domain_rc(fill("a", 64)), JB_EINVAL);
    assert_int_equal(domain_rc(fill("A", 64)), JB_EINVAL);
    assert_int_equal(domain_rc(fill("\u00fc", 2 * 57)), 0);         /* A-label of 63 */
    assert_int_equal(domain_rc(fill("\u00fc", 2 * 63)), JB_EINVAL); /* and longer */
}

static void test_longest_address(void **state)
{
    (void)state;
    struct jb_jid jid;

    for (int upper = 0; upper < 2; upper++) {
        struct jb_str text = fill("a", JB_JID_BYTES);
        char *p = (char *)text.p;
        p[1023] = '@';
        for (int i = 1; i < 1023; i += 2)
            p[1024 + i] = '.';
        p[2047] = '/';
        p[0] = upper ? 'A' : 'a';
        assert_int_equal(jb_jid_parse(text, &arena, &jid), 0);
        assert_int_equal(jb_jid_local(jid).n, 1023);
        assert_int_equal(jb_jid_domain(jid).n, 1023);
        assert_int_equal(jb_jid_resource(jid).n, 1023);
        assert_int_equal(jb_jid_str(jid).n, JB_JID_BYTES);
        assert_int_equal(jid.p == text.p, !upper);
    }
}

/* What Nodeprep and Resourceprep peers send (docs/decisions/0002-addresses.md): kept where both
 * sides have the same form, ours where RFC 7622 has another, refused where it has none. */
static void test_stringprep_differences(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("\u265a@a"), /* a symbol: the same for both */
        SAME("i\u2665ny@a"),
        SAME("\U0001f600@a"),
        SAME("o\u2019neil@a"),
        { "I\u2665NY@a", "i\u2665ny@a" },
        { "\u2665\ufe0f@a", NULL }, /* Nodeprep drops the selector: two forms */
        { "\u2122@a", NULL },       /* Nodeprep: tm */
        { "\u2460@a", NULL },       /* Nodeprep: 1 */
        { "\u1f88@a", NULL },       /* Nodeprep: two letters */
        { "\u0640\u0627@a", NULL }, /* tatweel: disallowed by name */
        SAME("stra\u00dfe@a"),      /* Nodeprep: strasse; RFC 7622 3.5 has it so */
        { "\u03a3\u03c2@a", "\u03c3\u03c2@a" },
        SAME("a@b/\u2122\u2460\uff21"), /* Resourceprep maps; OpaqueString does not */
        { "a@b/\u2665\ufe0f", NULL },
        { "a@b/x\u00ady", NULL },
    };

    check_rows(rows, COUNT(rows));
}

static void test_strict(void **state)
{
    (void)state;
    static const char *const yes[] = { "",         "romeo",        "\u00e9",
                                       "l\u00b7l", "\u05d0\u05d1", "foo\\20bar" };
    static const char *const no[] = { "\u265a", "a\u2019b", "\U0001f600", "\u221e",
                                      "ROMEO",  "\u00c9",   "e\u0301",    "a b",
                                      "a@b",    "\xff",     "\uff41",     "\u00b7" };

    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(jb_jid_is_strict(jb_strz(yes[i])));
    for (size_t i = 0; i < COUNT(no); i++)
        assert_false(jb_jid_is_strict(jb_strz(no[i])));
}

static void test_views(void **state)
{
    (void)state;
    struct jb_jid jid, other;

    assert_int_equal(jb_jid_parse(JB_STR("romeo@montague.example/orchard"), &arena, &jid), 0);
    assert_int_equal(arena.used, 0); /* nothing is allocated */
    assert_true(jb_jid_is_set(jid));
    assert_str_equal(jb_jid_local(jid), "romeo");
    assert_str_equal(jb_jid_domain(jid), "montague.example");
    assert_str_equal(jb_jid_resource(jid), "orchard");
    assert_str_equal(jb_jid_bare_str(jid), "romeo@montague.example");
    assert_str_equal(jb_jid_str(jb_jid_bare(jid)), "romeo@montague.example");
    assert_int_equal(jb_jid_parse(JB_STR("montague.example/orchard"), &arena, &other), 0);
    assert_str_equal(jb_jid_local(other), "");
    assert_str_equal(jb_jid_domain(other), "montague.example");
    assert_str_equal(jb_jid_bare_str(other), "montague.example");
    assert_str_equal(jb_jid_resource(other), "orchard");
    assert_int_equal(jb_jid_parse(JB_STR("Romeo@montague.example/chamber"), &arena, &other), 0);
    assert_true(jb_jid_eq_bare(jid, other));
    assert_false(jb_jid_eq(jid, other));
    assert_true(jb_jid_eq(jb_jid_bare(jid), jb_jid_bare(other)));
    assert_false(jb_jid_eq(jid, jb_jid_bare(jid)));
    assert_false(jb_jid_is_set(JB_JID_NONE));
}

static void test_make(void **state)
{
    (void)state;
    static const char *const texts[] = { "b", "a@b", "b/c", "a@b/c", "\u00e9@\u00e9/\u00e9" };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct jb_jid jid, made;
        assert_int_equal(jb_jid_parse(jb_strz(texts[i]), &arena, &jid), 0);
        assert_int_equal(
            jb_jid_make(jb_jid_local(jid), jb_jid_domain(jid), jb_jid_resource(jid), &arena, &made),
            0);
        assert_true(jb_jid_eq(jid, made));
        assert_true(made.p != jid.p);
    }
}

static void test_confusable(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool alike;
    } rows[] = {
        { "admin", "admin", true },
        { "admin", "\u0430dmin", true }, /* Cyrillic a */
        { "admin", "adm\u0456n", true },
        { "admin", "adm\u0131n", true }, /* dotless i */
        { "admin", "adrnin", true },     /* rn for m */
        { "admin", "\u03b1dmin", true }, /* Greek alpha */
        { "admin", "\uff41dmin", true },
        { "admin", "admin\u200b", true },
        { "admin", "ADMIN", true },
        { "hello", "he11o", true },
        { "hello", "hell0", true },
        { "hello", "hell\u0966", true }, /* Devanagari zero */
        { "paypal", "\u0440\u0430\u0443\u0440\u0430\u04cf", true },
        { "scope", "\u0455\u0441\u043e\u0440\u0435", true },
        { "noon", "\u0578\u0585\u0585\u0578", true },
        { "wave", "vvave", true },
        { "admin", "adm\u00edn", false }, /* an accent is seen */
        { "admin", "admins", false },
        { "romeo", "juliet", false },
        { "fu\u00dfball", "fussball", true },
        { "\u0438\u0432\u0430\u043d", "ivan", false },
        { "\xff", "\xff", true },
        { "\xff", "\xfe", false },
        { "", "", true },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (jb_jid_confusable(jb_strz(rows[i].a), jb_strz(rows[i].b)) != rows[i].alike)
            fail_msg("%s %s", rows[i].a, rows[i].b);
        assert_int_equal(jb_jid_confusable(jb_strz(rows[i].b), jb_strz(rows[i].a)), rows[i].alike);
    }
    struct jb_str x, y;
    assert_int_equal(jb_jid_skeleton(JB_STR("\u0430dmin"), &arena, &x), 0);
    assert_int_equal(jb_jid_skeleton(JB_STR("admin"), &arena, &y), 0);
    assert_true(jb_str_eq(x, y));
    assert_int_equal(jb_jid_skeleton(JB_STR("\xff"), &arena, &x), JB_EINVAL);
    assert_int_equal(jb_jid_skeleton(fill("m", 1023), &arena, &x), 0);
}

/* Text from an alphabet in which the trouble is. */
static size_t random_text(uint64_t *seed, char *out)
{
    static const uint32_t alphabet[] = {
        'a',    'l',    'I',    'x',    'n',    '-',    '-',    '.',     '1',     '@',     '/',
        '[',    ':',    ' ',    0xb7,   0xdf,   0xe9,   0x130,  0x131,   0x300,   0x301,   0x307,
        0x323,  0x340,  0x345,  0x387,  0x390,  0x3a3,  0x3c2,  0x3c3,   0x375,   0x5d0,   0x5f3,
        0x5b0,  0x627,  0x628,  0x64b,  0x661,  0x6f1,  0x915,  0x94d,   0x958,   0x1100,  0x1161,
        0x13a0, 0xab70, 0x1c90, 0x1e9e, 0x1f88, 0x1fef, 0x200b, 0x200c,  0x200d,  0x2126,  0x212a,
        0x2163, 0x2665, 0x2adc, 0x3000, 0x3002, 0x3042, 0x3099, 0x30fb,  0xac00,  0xf900,  0xfb1d,
        0xfe0f, 0xff0e, 0xff21, 0xff65, 0xff76, 0xff9e, 0xffa1, 0x10400, 0x1d15e, 0x1f600,
    };
    size_t points = 1 + test_random(seed) % 12;
    size_t n = 0;

    for (size_t i = 0; i < points; i++) {
        uint32_t cp = alphabet[test_random(seed) % COUNT(alphabet)];
        if (test_random(seed) % 8 == 0)
            cp = (uint32_t)(test_random(seed) % 0x110000);
        if (cp >= 0xd800 && cp <= 0xdfff)
            cp = 'a';
        n += jb__utf8_encode(cp, out + n);
    }
    return n;
}

typedef int prep_fn(struct jb_str in, struct jb__arena *arena, struct jb_str *out);
static prep_fn *const preps[] = { jb_jid_prep_local, jb_jid_prep_domain, jb_jid_prep_resource,
                                  jb_precis_password };

/* prep(prep(x)) == prep(x), and text that Unicode calls the same has the same form or none. */
static bool check_prep(prep_fn *prep, struct jb_str in)
{
    struct jb_str out, again;
    uint8_t nfd[512];
    size_t nfd_n = sizeof nfd;

    if (prep(in, &arena, &out) != 0)
        return false;
    assert_true(jb__utf8_valid(out) && out.n > 0);
    if (prep(out, &arena, &again) != 0 || !jb_str_eq(out, again))
        fail_msg("<%.*s> -> <%.*s> -> ?", JB_STR_ARG(in), JB_STR_ARG(out));
    assert_ptr_equal(again.p, out.p);
    uint8_t *same = u8_normalize(UNINORM_NFD, (const uint8_t *)in.p, in.n, nfd, &nfd_n);
    assert_ptr_equal(same, nfd);
    if (prep(jb_str((const char *)nfd, nfd_n), &arena, &again) == 0)
        assert_true(jb_str_eq(out, again));
    return true;
}

static void check_address(struct jb_str text)
{
    struct jb_jid jid, again;

    if (jb_jid_parse(text, &arena, &jid) != 0)
        return;
    assert_int_equal(jb_jid_parse(jb_jid_str(jid), &arena, &again), 0);
    assert_true(jb_jid_eq(jid, again) && again.p == jid.p);
    assert_int_equal(jid.resource, again.resource);
}

static void test_case_52_prep_is_idempotent(void **state)
{
    (void)state;
    uint64_t seed = 52;
    size_t good[COUNT(preps)] = { 0 };
    size_t rounds = full ? 10000000 : 100000;

    for (size_t i = 0; i < rounds; i++) {
        char bytes[64];
        struct jb_str text = jb_str(bytes, random_text(&seed, bytes));
        for (size_t p = 0; p < COUNT(preps); p++)
            good[p] += check_prep(preps[p], text);
        check_address(text);
        jb__arena_reset(&arena);
    }
    for (size_t p = 0; p < COUNT(preps); p++)
        assert_true(good[p] > rounds / 200); /* enough of them were valid */
}

static void test_every_code_point_is_idempotent(void **state)
{
    (void)state;

    for (uint32_t cp = 0; cp <= (full ? 0x10ffffu : 0x2fffu); cp++) {
        char bytes[8];
        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        size_t n = jb__utf8_encode(cp, bytes);
        bytes[n] = 'l';
        for (size_t p = 0; p < COUNT(preps); p++) {
            check_prep(preps[p], jb_str(bytes, n));
            check_prep(preps[p], jb_str(bytes, n + 1));
        }
        jb__arena_reset(&arena);
    }
}

static void out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__arena a;
    struct jb_jid jid;
    struct jb_str part;
    const int expected_first = f->fail_at == 1 ? JB_ENOMEM : 0;

    (void)ctx;
    jb__arena_init(&a, &f->alloc, ARENA_BYTES);
    int rc = jb_jid_parse(JB_STR("Rom\u00c9o@B\u00dccher.example/e\u0301"), &a, &jid);
    assert_int_equal(rc, expected_first);
    assert_int_equal(jb_jid_is_set(jid), rc == 0);
    jb__arena_deinit(&a);
    jb__arena_init(&a, &f->alloc, ARENA_BYTES);
    rc = jb_jid_prep_local(JB_STR("ROMEO"), &a, &part);
    assert_true(rc == 0 || (rc == JB_ENOMEM && f->failed && !part.p));
    rc = jb_jid_skeleton(JB_STR("romeo"), &a, &part);
    assert_true(rc == 0 || (rc == JB_ENOMEM && f->failed && !part.p));
    rc = jb_jid_make(JB_STR_NONE, JB_STR("a"), JB_STR_NONE, &a, &jid);
    assert_true(rc == 0 || (rc == JB_ENOMEM && f->failed && !jid.p));
    /* A canonical address needs no memory. */
    assert_int_equal(jb_jid_parse(JB_STR("romeo@a.example/b"), &a, &jid), 0);
    jb__arena_deinit(&a);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(out_of_memory, NULL) >= 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rfc7622_examples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_structure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_excluded_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rfc8265_usernames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rfc8265_passwords, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_case_52_one_form_or_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_case_52_direction_and_composition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_case_53_refused_never_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_longest_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stringprep_differences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_views, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_make, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_confusable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_case_52_prep_is_idempotent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_code_point_is_idempotent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
    };

    full = argc > 1 && strcmp(argv[1], "--full") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
