/* SPDX-License-Identifier: MIT */
#include "core/limits.h"

const struct jb_limit_info jb_limit_info[JB_LIMIT_COUNT] = {
#define JB_LIMIT_INFO(name, def, least, most, words) { #name, words, def, least, most },
    JB_LIMITS(JB_LIMIT_INFO)
#undef JB_LIMIT_INFO
};

const struct jb_limits jb_limits_default = {
#define JB_LIMIT_VALUE(name, def, least, most, words) .name = def,
    JB_LIMITS(JB_LIMIT_VALUE)
#undef JB_LIMIT_VALUE
};
