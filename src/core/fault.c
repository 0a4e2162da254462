/* SPDX-License-Identifier: MIT */
#include "core/fault.h"

#include "base/assert.h"

static const struct {
    const char *name;
    enum jb_error_type type;
} stanza_errors[] = { { "", JB_ERROR_TYPE_CANCEL },
#define JB_STANZA_ERROR_ROW(name, element, type) { element, JB_ERROR_TYPE_##type },
                      JB_STANZA_ERRORS(JB_STANZA_ERROR_ROW)
#undef JB_STANZA_ERROR_ROW
};

static const char *const stream_errors[] = { "",
#define JB_STREAM_ERROR_ROW(name, element) element,
                                             JB_STREAM_ERRORS(JB_STREAM_ERROR_ROW)
#undef JB_STREAM_ERROR_ROW
};

static const char *const error_types[] = { "", "auth", "cancel", "continue", "modify", "wait" };

const char *jb_stanza_error_name(enum jb_stanza_error condition)
{
    return stanza_errors[condition].name;
}

const char *jb_stream_error_name(enum jb_stream_error condition)
{
    return stream_errors[condition];
}

static void write_words(struct jb_xml *x, enum jb_ns ns, const char *words)
{
    if (!words)
        return;
    jb_xml_open(x, "text", ns);
    jb_xml_attrz(x, "xml:lang", "en");
    jb_xml_text(x, jb_strz(words));
    jb_xml_close(x);
}

void jb_fault_write(struct jb_xml *x, const struct jb_fault *fault)
{
    enum jb_error_type type = fault->type;

    jb_assert(fault->condition != JB_STANZA_OK);
    if (type == JB_ERROR_TYPE_USUAL)
        type = stanza_errors[fault->condition].type;
    jb_xml_open(x, "error", JB_NS_NONE);
    jb_xml_attrz(x, "type", error_types[type]);
    jb_xml_leaf(x, stanza_errors[fault->condition].name, JB_NS_STANZA_ERRORS, JB_STR_NONE);
    write_words(x, JB_NS_STANZA_ERRORS, fault->words);
    jb_xml_close(x);
}

void jb_stream_error_write(struct jb_xml *x, enum jb_stream_error condition, const char *words,
                           struct jb_str more)
{
    jb_xml_open(x, "stream:error", JB_NS_NONE);
    jb_xml_attr(x, "xmlns:stream", jb_ns_uri(JB_NS_STREAMS));
    jb_xml_leaf(x, stream_errors[condition], JB_NS_STREAM_ERRORS, JB_STR_NONE);
    write_words(x, JB_NS_STREAM_ERRORS, words);
    if (more.n)
        jb_xml_raw(x, more);
    jb_xml_close(x);
}
