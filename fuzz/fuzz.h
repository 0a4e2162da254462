/* SPDX-License-Identifier: MIT */
/* What every fuzz target shares: the entry point, and a check that ends the run. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/assert.h"
#include "base/str.h"

/* The input may hold anything; p is not NUL-terminated and exactly n bytes long.  Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#endif
