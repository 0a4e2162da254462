/* SPDX-License-Identifier: MIT */
#include "base/error.h"

const char *jb_strerror(int code)
{
    switch (code) {
    case JB_OK:
        return "success";
#define JB_ERROR_CASE(name, value, words) \
    case name:                            \
        return words;
        JB_ERRORS(JB_ERROR_CASE)
#undef JB_ERROR_CASE
    default:
        return "unknown error";
    }
}
