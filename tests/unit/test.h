/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka with the headers it wants, and slices in assertions. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str_equal(slice, cstr)                                  \
    do {                                                               \
        struct jb_str slice_ = (slice);                                \
        assert_int_equal(slice_.n, strlen(cstr));                      \
        assert_memory_equal(slice_.n ? slice_.p : "", cstr, slice_.n); \
    } while (0)

/* The next number of a small generator (xorshift64*): tests are random, but the same each run. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

#endif
