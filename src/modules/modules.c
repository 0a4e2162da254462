/* SPDX-License-Identifier: MIT */
#include "modules/modules.h"

const struct module *const modules[] = {
#define MODULE(symbol) &symbol,
#include "modules/modules.def"
#undef MODULE
};
const size_t modules_count = sizeof modules / sizeof modules[0];
