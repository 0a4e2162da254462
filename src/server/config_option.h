/* SPDX-License-Identifier: MIT */
/* The description of one option of the configuration file.
 *
 * The server's own options (config_options.c) and every module's are arrays of this struct.  From
 * them come the parser's schema, the defaults, the checks, `jabirud --explain`, the manual page and
 * what a reload reports; nothing about an option is written down a second time. */
#ifndef SERVER_CONFIG_OPTION_H
#define SERVER_CONFIG_OPTION_H

#include "base/arena.h"
#include "base/str.h"

enum conf_type {
    CONF_BOOL,   /* true or false (also yes, no, on, off) */
    CONF_INT,    /* decimal digits, least..most */
    CONF_BYTES,  /* the same, also "256KiB", "50MiB", "1GiB" */
    CONF_MS,     /* milliseconds; also "250ms", "25s", "5min", "1h" */
    CONF_STRING, /* any text */
    CONF_LIST,   /* any number of texts: { "a", "b" } */
    CONF_ENUM,   /* one of `choices` */
};

enum {
    CONF_RESTART = 1, /* a reload keeps the old value and says that a restart is needed */
    CONF_SECRET = 2,  /* never printed; the file it stands in must not be readable by everybody */
    CONF_PATH = 4,    /* a path; relative ones are taken from the folder of the file it stands in */
    CONF_FILE = 8,    /* CONF_PATH of a file that must be readable when the file is loaded */
    CONF_PRIVATE = 16, /* CONF_FILE that must not be readable by everybody */
};

struct conf_option {
    const char *name; /* lower-case words with '_'; NULL ends an array */
    enum conf_type type;
    const char *value;   /* the default, as it would be written; NULL: unset (text), empty (list) */
    const char *words;   /* what it means: a clause for --explain and the manual, no full stop */
    int64_t least, most; /* CONF_INT, CONF_BYTES, CONF_MS; both 0: 0..INT32_MAX */
    const char *choices; /* CONF_ENUM: "off|own|outside" */
    unsigned flags;      /* CONF_RESTART | ... */
    /* A further check of each text (CONF_STRING, CONF_LIST), NULL: none.  May replace *text by its
     * canonical form in the arena.  Returns NULL, or why not: "is not an address". */
    const char *(*check)(struct jb__arena *arena, struct jb_str *text);
};

struct conf_list {
    const struct jb_str *items; /* each with a NUL behind it */
    size_t count;
};

/* A checked value.  Lives as long as the configuration it is in. */
struct conf_value {
    bool given;            /* stands in the file; otherwise this is the default */
    bool flag;             /* CONF_BOOL */
    int64_t number;        /* CONF_INT, CONF_BYTES, CONF_MS; CONF_ENUM: which choice, from 0 */
    struct jb_str text;    /* CONF_STRING (empty: unset), CONF_ENUM; a NUL behind it */
    struct conf_list list; /* CONF_LIST */
};

/* A module as the configuration knows it: its name in `module "name" { }` and its options. */
struct conf_module {
    const char *name;
    const struct conf_option *options; /* ended by a row without a name; NULL: none */
};

#endif
