/* SPDX-License-Identifier: MIT */
#include "server/control_inject.h"

#ifdef JABIRU_TEST_HOOKS

#include "base/inject.h"
#include "store/inject.h"

#include <stdlib.h>

bool inject_begin(void)
{
    store_inject_begin();
    return jb__inject_parse(getenv("JABIRU_INJECT"));
}

uint32_t inject_sm_first(void)
{
    uint64_t first = 0;

    (void)jb_str_u64(jb_strz(getenv("JABIRU_SM_FIRST")), UINT32_MAX, &first);
    return (uint32_t)first;
}

static json_t *counts(void)
{
    json_t *all = json_object();

    for (int i = 0; i < JB__INJECT_COUNT; i++) {
        enum jb__inject_point point = (enum jb__inject_point)i;
        json_object_set_new(all, jb__inject_name(point),
                            json_pack("{s:I, s:I}", "calls", (json_int_t)jb__inject_calls(point),
                                      "hits", (json_int_t)jb__inject_hits(point)));
    }
    return all;
}

void control_inject(struct control_call *call)
{
    struct jb_str disarm = control_call_str(call, "disarm");
    const json_t *args = control_call_args(call);
    const char *arm = json_string_value(json_object_get(args, "arm"));
    json_t *result = counts();
    enum jb__inject_point point;
    bool fine = true;

    if (disarm.n) {
        fine = jb__inject_find(disarm, &point);
        if (fine)
            jb__inject_arm(point, 0, JB__INJECT_ONCE, 0);
    }
    if (!fine || !jb__inject_parse(arm)) {
        json_decref(result);
        control_refuse(call, CONTROL_BAD_REQUEST, "no such point, or malformed");
        return;
    }
    control_reply(call, result);
}

#endif
