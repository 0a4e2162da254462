/* SPDX-License-Identifier: MIT */
/* Assertions that stay in release builds: they state what only a mistake of ours can break. */
#ifndef JB_BASE_ASSERT_H
#define JB_BASE_ASSERT_H

/* Prints the failed expression with its place to stderr and aborts. */
_Noreturn void jb__assert_fail(const char *expr, const char *file, int line);

#define jb_assert(expr) \
    ((__builtin_expect(!!(expr), 1)) ? (void)0 : jb__assert_fail(#expr, __FILE__, __LINE__))

#endif
