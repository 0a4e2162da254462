/* SPDX-License-Identifier: MIT */
#include "core/credentials.h"
#include "core/scram_profile.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>
#include <cmocka.h>

static void test_profile(void **state)
{
    struct jb_scram_profile p, q;
    uint8_t bytes[JB_SCRAM_PROFILE_BYTES];
    struct jb_str text = jb_str((const char *)bytes, sizeof bytes);

    (void)state;
    jb_scram_profile_init(&p);
    assert_int_equal(p.digests, 7);
    jb_scram_profile_add(&p, &(struct jb_scram_profile){ 1, 5000, 0 });
    assert_int_equal(p.digests, 7); /* an import of nobody */
    jb_scram_profile_add(&p, &(struct jb_scram_profile){ 3, 4096, 10 });
    jb_scram_profile_add(&p, &(struct jb_scram_profile){ 6, 5000, 1ull << 40 });
    assert_int_equal(p.digests, 2);
    assert_int_equal(p.iterations, 5000);
    assert_int_equal(p.accounts, (1ull << 40) + 10);
    jb_scram_profile_encode(&p, bytes);
    assert_int_equal(jb_scram_profile_decode(&q, text), 0);
    assert_int_equal(q.digests, p.digests);
    assert_int_equal(q.iterations, p.iterations);
    assert_int_equal(q.accounts, p.accounts);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(jb_scram_profile_decode(&q, jb_str(text.p, n)), JB_EINVAL);
    assert_int_equal(q.digests, 7);
    bytes[0]++;
    assert_int_equal(jb_scram_profile_decode(&q, text), JB_EINVAL);
    bytes[0]--;
    bytes[4] = 0; /* no digests */
    assert_int_equal(jb_scram_profile_decode(&q, text), JB_EINVAL);
    bytes[4] = 8; /* one there is not */
    assert_int_equal(jb_scram_profile_decode(&q, text), JB_EINVAL);
    bytes[4] = 2;
    bytes[7] = 0; /* 0x0088 iterations */
    assert_int_equal(jb_scram_profile_decode(&q, text), JB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_profile) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
