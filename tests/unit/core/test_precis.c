/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "core/precis.h"

#include <stdlib.h>
#include <uninorm.h>

/* One code point of each kind that RFC 8264 section 9 names. */
static void test_derived_property(void **state)
{
    (void)state;
    static const struct {
        uint32_t cp;
        enum jb__precis_property property;
    } rows[] = {
        { 0x00, JB__PRECIS_DISALLOWED },  /* control */
        { ' ', JB__PRECIS_FREEFORM },     /* spaces */
        { '!', JB__PRECIS_VALID },        /* ASCII7 */
        { '~', JB__PRECIS_VALID },        /* ASCII7 */
        { 0x7f, JB__PRECIS_DISALLOWED },  /* control */
        { 0xa0, JB__PRECIS_FREEFORM },    /* no-break space: HasCompat */
        { 0xad, JB__PRECIS_DISALLOWED },  /* soft hyphen: ignorable */
        { 0xb7, JB__PRECIS_CONTEXT },     /* middle dot: exception */
        { 0xd7, JB__PRECIS_FREEFORM },    /* multiplication sign: symbol */
        { 0xdf, JB__PRECIS_VALID },       /* sharp s: exception */
        { 0xe9, JB__PRECIS_VALID },       /* Ll, with a canonical decomposition */
        { 0x1c5, JB__PRECIS_FREEFORM },   /* titlecase digraph: HasCompat */
        { 0x340, JB__PRECIS_FREEFORM },   /* NFKC changes it */
        { 0x34f, JB__PRECIS_DISALLOWED }, /* combining grapheme joiner: ignorable */
        { 0x378, JB__PRECIS_UNASSIGNED },
        { 0x3c2, JB__PRECIS_VALID },      /* final sigma: exception */
        { 0x488, JB__PRECIS_FREEFORM },   /* Me: other letters and digits */
        { 0x5bf, JB__PRECIS_VALID },      /* Mn */
        { 0x600, JB__PRECIS_DISALLOWED }, /* Cf that is not ignorable */
        { 0x640, JB__PRECIS_DISALLOWED }, /* tatweel: exception */
        { 0x660, JB__PRECIS_CONTEXT },
        { 0x6f9, JB__PRECIS_CONTEXT },
        { 0x1100, JB__PRECIS_DISALLOWED }, /* old Hangul jamo */
        { 0x1f88, JB__PRECIS_FREEFORM },   /* Lt */
        { 0x200b, JB__PRECIS_DISALLOWED }, /* zero width space: ignorable */
        { 0x200c, JB__PRECIS_CONTEXT },    /* join control */
        { 0x200d, JB__PRECIS_CONTEXT },
        { 0x200e, JB__PRECIS_DISALLOWED }, /* left-to-right mark */
        { 0x2019, JB__PRECIS_FREEFORM },   /* punctuation */
        { 0x202e, JB__PRECIS_DISALLOWED }, /* right-to-left override */
        { 0x212a, JB__PRECIS_FREEFORM },   /* Kelvin sign: HasCompat */
        { 0x2163, JB__PRECIS_FREEFORM },   /* Roman numeral four: HasCompat */
        { 0x2180, JB__PRECIS_FREEFORM },   /* Nl */
        { 0x221e, JB__PRECIS_FREEFORM },   /* infinity */
        { 0x265a, JB__PRECIS_FREEFORM },   /* black chess king */
        { 0x3007, JB__PRECIS_VALID },      /* ideographic zero: exception */
        { 0x302e, JB__PRECIS_DISALLOWED }, /* Hangul tone mark: exception */
        { 0x30fb, JB__PRECIS_CONTEXT },
        { 0xac00, JB__PRECIS_VALID },        /* Hangul syllable */
        { 0xd7b0, JB__PRECIS_DISALLOWED },   /* old Hangul jamo */
        { 0xe000, JB__PRECIS_DISALLOWED },   /* private use */
        { 0xf900, JB__PRECIS_FREEFORM },     /* compatibility ideograph */
        { 0xfdd0, JB__PRECIS_DISALLOWED },   /* noncharacter */
        { 0xfe0f, JB__PRECIS_DISALLOWED },   /* variation selector: ignorable */
        { 0xff21, JB__PRECIS_FREEFORM },     /* fullwidth A */
        { 0xfffe, JB__PRECIS_DISALLOWED },   /* noncharacter */
        { 0x10400, JB__PRECIS_VALID },       /* Lu */
        { 0x1f600, JB__PRECIS_FREEFORM },    /* emoji */
        { 0xe0001, JB__PRECIS_DISALLOWED },  /* language tag */
        { 0x10ffff, JB__PRECIS_DISALLOWED }, /* noncharacter */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (jb__precis_property(rows[i].cp) != rows[i].property)
            fail_msg("U+%04X", rows[i].cp);
}

static void test_inert(void **state)
{
    (void)state;
    static const uint32_t yes[] = {
        0xd7, 0x2019, 0x221e, 0x2180, 0x265a, 0x20dd, 0x1f600, 0x1f3fb
    };
    static const uint32_t no[] = { 'a',    ' ',    0xa0,   0x1f88, 0x2002, 0x2122,
                                   0x212a, 0x2163, 0x24b6, 0x0640, 0xfe0f, 0x378 };

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(jb__precis_is_inert(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(jb__precis_is_inert(no[i]));
}

struct string {
    bool ok;
    uint32_t v[8]; /* up to the first zero */
};

static size_t length(const struct string *s)
{
    size_t n = 0;

    while (n < 8 && s->v[n])
        n++;
    return n;
}

/* RFC 5892 appendix A, each rule from both sides. */
static void test_contextual_rules(void **state)
{
    (void)state;
    static const struct string rows[] = {
        /* A.1 ZWNJ: behind a virama, or between joining letters with transparent ones beside */
        { true, { 0x915, 0x94d, 0x200c, 0x937 } },
        { true, { 0x628, 0x200c, 0x628 } },
        { true, { 0x628, 0x64b, 0x200c, 0x64b, 0x627 } },
        { false, { 0x627, 0x200c, 0x628 } }, /* alef joins on its right only */
        { false, { 0x628, 0x200c } },
        { false, { 0x200c, 0x628 } },
        { false, { 0x628, 0x200c, 0x64b } },
        { false, { 'a', 0x200c, 'b' } },
        /* A.2 ZWJ */
        { true, { 0x915, 0x94d, 0x200d } },
        { false, { 0x915, 0x200d } },
        { false, { 0x200d } },
        { false, { 'a', 0x200d, 'b' } },
        { false, { 0x628, 0x200d, 0x628 } },
        /* A.3 middle dot: Catalan */
        { true, { 'l', 0xb7, 'l' } },
        { true, { 'l', 0xb7, 'l', 0xb7, 'l' } },
        { false, { 'l', 0xb7, 'a' } },
        { false, { 'a', 0xb7, 'l' } },
        { false, { 'l', 0xb7 } },
        { false, { 0xb7, 'l' } },
        /* A.4 keraia */
        { true, { 0x375, 0x3b1 } },
        { false, { 0x375, 'a' } },
        { false, { 0x3b1, 0x375 } },
        /* A.5, A.6 geresh, gershayim */
        { true, { 0x5d0, 0x5f3 } },
        { true, { 0x5d0, 0x5f4, 0x5d1 } },
        { false, { 'a', 0x5f3 } },
        { false, { 0x5f4, 0x5d0 } },
        /* A.7 katakana middle dot */
        { true, { 0x30fb, 0x30a2 } },
        { true, { 0x3042, 0x30fb } },
        { true, { 'a', 0x30fb, 'b', 0x6f22 } },
        { false, { 'a', 0x30fb, 'b' } },
        { false, { 0x30fb } },
        /* A.8, A.9 two sets of digits */
        { true, { 0x660, 0x669 } },
        { true, { 0x6f0, 0x6f9 } },
        { true, { 0x660, '1' } },
        { false, { 0x660, 0x6f0 } },
        { false, { 0x6f9, 'a', 0x669 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = length(&rows[i]);
        uint32_t *v = malloc(n * sizeof *v); /* exactly: a sanitizer sees a look behind the end */
        memcpy(v, rows[i].v, n * sizeof *v);
        if (jb__precis_context_ok(v, n) != rows[i].ok)
            fail_msg("row %zu", i);
        free(v);
    }
}

/* RFC 5893 section 2: the six conditions. */
static void test_bidi_rule(void **state)
{
    (void)state;
    static const struct string rows[] = {
        { true, { 'a', 'b', '1' } },
        { true, { 'a', '-', 'b' } },
        { true, { 'a', 0x300 } },
        { false, { '1', 'a' } },     /* 1: first of class L, R or AL */
        { false, { '-', 'a' } },     /* 1 */
        { false, { 0x300, 'a' } },   /* 1 */
        { false, { 0x661, 0x627 } }, /* 1 */
        { true, { 0x5d0, 0x5d1 } },
        { true, { 0x627, '-', 0x627 } },
        { false, { 0x5d0, 'a', 0x5d1 } },        /* 2: no L in a right-to-left string */
        { true, { 0x5d0, '1' } },                /* 3: may end in a number */
        { true, { 0x627, 0x661 } },              /* 3 */
        { true, { 0x5d0, 0x5b0 } },              /* 3: and marks behind */
        { false, { 0x5d0, '-' } },               /* 3 */
        { false, { 0x627, 0x661, '1', 0x627 } }, /* 4: one kind of numbers */
        { false, { 'a', 0x5d0 } },               /* 5: no R in a left-to-right string */
        { false, { 'a', 0x661 } },               /* 5 */
        { false, { 'a', '-' } },                 /* 6 */
        { true, { 'a', '1', 0x300 } },           /* 6 */
        { false, { 0 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (jb__precis_bidi_ok(rows[i].v, length(&rows[i])) != rows[i].ok)
            fail_msg("row %zu", i);
    assert_false(jb__precis_is_rtl((const uint32_t[]){ 'a', '1', 0x300 }, 3));
    assert_true(jb__precis_is_rtl((const uint32_t[]){ 'a', 0x5d0 }, 2));
    assert_true(jb__precis_is_rtl((const uint32_t[]){ 'a', 0x661 }, 2));
}

static void assert_points(const struct jb__points *p, const uint32_t *v, size_t n)
{
    assert_int_equal(p->n, n);
    assert_memory_equal(p->v, v, n * sizeof *v);
}

static void test_mappings(void **state)
{
    (void)state;
    static struct jb__points p;

    p = (struct jb__points){ 6, { 'A', 0x130, 0x3a3, 0x1e9e, 0x131, 0x130 } };
    assert_int_equal(jb__points_lower(&p), 0);
    assert_points(&p, (const uint32_t[]){ 'a', 'i', 0x307, 0x3c3, 0xdf, 0x131, 'i', 0x307 }, 8);
    p = (struct jb__points){ 6, { 0xff21, 0x3000, 0xff65, 0xff9e, 0x212a, 0xffe9 } };
    jb__points_map_width(&p);
    assert_points(&p, (const uint32_t[]){ 'A', ' ', 0x30fb, 0x3099, 0x212a, 0x2190 }, 6);
    p = (struct jb__points){ 3, { 'e', 0x301, 0x2126 } };
    assert_int_equal(jb__points_nfc(&p), 0);
    assert_points(&p, (const uint32_t[]){ 0xe9, 0x3a9 }, 2);
}

/* The range that jb__points_map_width looks at holds all wide and narrow forms. */
static void test_width_forms_are_where_we_look(void **state)
{
    (void)state;

    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        ucs4_t out[UC_DECOMPOSITION_MAX_LENGTH];
        int tag;
        if (uc_decomposition(cp, &tag, out) < 0 ||
            (tag != UC_DECOMP_WIDE && tag != UC_DECOMP_NARROW))
            continue;
        assert_true(cp == 0x3000 || (cp >= 0xff01 && cp <= 0xffee));
    }
}

static void test_points_bounds(void **state)
{
    (void)state;
    static struct jb__points p;
    static char text[JB__PRECIS_POINTS + 1];
    size_t n;

    memset(text, 'a', sizeof text);
    assert_int_equal(jb__points_decode(jb_str(text, JB__PRECIS_POINTS), &p), 0);
    assert_int_equal(p.n, JB__PRECIS_POINTS);
    assert_int_equal(jb__points_decode(jb_str(text, JB__PRECIS_POINTS + 1), &p), JB_EINVAL);
    assert_int_equal(jb__points_decode(JB_STR("\xc3"), &p), JB_EINVAL);
    p = (struct jb__points){ 2, { 'a', 0x1f600 } };
    assert_int_equal(jb__points_encode(&p, text, 4, &n), JB_EINVAL);
    assert_int_equal(jb__points_encode(&p, text, 5, &n), 0);
    assert_str_equal(jb_str(text, n), "a\xf0\x9f\x98\x80");
    /* Normalization and case mapping that outgrow the buffer: refused, not written past it. */
    p.n = JB__PRECIS_POINTS;
    for (size_t i = 0; i < p.n; i++)
        p.v[i] = 0x1d160; /* three code points each in NFC */
    assert_int_equal(jb__points_nfc(&p), JB_EINVAL);
    for (size_t i = 0; i < p.n; i++)
        p.v[i] = 0x130;
    assert_int_equal(jb__points_lower(&p), JB_EINVAL);
    p.n = JB__PRECIS_POINTS / 2;
    assert_int_equal(jb__points_lower(&p), 0);
    assert_int_equal(p.n, JB__PRECIS_POINTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived_property),
        cmocka_unit_test(test_inert),
        cmocka_unit_test(test_contextual_rules),
        cmocka_unit_test(test_bidi_rule),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_width_forms_are_where_we_look),
        cmocka_unit_test(test_points_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
