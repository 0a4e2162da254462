/* SPDX-License-Identifier: MIT */
/* What the files config_*.c share.  The way of a configuration:
 *
 *     config_read.c      file -> document: sections and checked values with their places (libconfuse)
 *     config.c           document -> struct config, checks between values
 *     config_options.c   the table of options, and the checks of single values
 *     config_value.c     text <-> value of each type
 *     config_explain.c, config_diff.c
 *                        the same table told to people */
#ifndef SERVER_CONFIG_INTERNAL_H
#define SERVER_CONFIG_INTERNAL_H

#include "base/guess.h"
#include "server/config.h"

enum {
    CONFIG_FILE_BYTES = 1024 * 1024,            /* of one file */
    CONFIG_TOTAL_BYTES = 4 * CONFIG_FILE_BYTES, /* of the file and all includes */
    CONFIG_FILES = 64,                          /* the file itself and its includes */
    CONFIG_ARENA_BYTES = 1024 * 1024 * 1024,    /* above what CONFIG_TOTAL_BYTES can take */
};

enum config_kind {
    CONFIG_ROOT,
    CONFIG_LISTENER,
    CONFIG_HOST,
    CONFIG_LOG,
    CONFIG_WEBSOCKET,
    CONFIG_LIMITS,
    CONFIG_MODULE,      /* module "x" { } for all hosts */
    CONFIG_HOST_MODULE, /* the same inside of a host */
    CONFIG_KINDS
};

/* A kind of section.  Its options are rows; a module's come from the module. */
struct config_row {
    struct conf_option option;
    size_t offset; /* of the field in struct config, config_listener or config_host */
};

struct config_section_info {
    const char *name;  /* "listener"; "" for the top level */
    const char *words; /* for --explain */
    const struct config_row *rows;
    size_t row_count;
    bool titled;
    enum config_kind parent;
};

/* Indexed by enum config_kind. */
const struct config_section_info *config_sections(void);

struct config_place {
    const char *file; /* NULL: not from a file */
    int line;
};

/* One value in a file; a list of three is three of these. */
struct config_given {
    size_t section; /* index into config_doc.sections */
    size_t option;  /* index of the section's rows, or of the module's options */
    size_t next;    /* index of the section's next one; SIZE_MAX: none */
    struct jb_str text;
    struct config_place place;
};

struct config_doc_section {
    enum config_kind kind;
    size_t parent;       /* index of the section around it; 0: the top level */
    struct jb_str title; /* canonical for a host */
    size_t module;       /* index into modules, for the module kinds */
    size_t first, last;  /* its values, indices into config_doc.given; SIZE_MAX: none */
    struct config_place place;
};

/* A file and its includes as read: what is in it is right as far as one value can be. */
struct config_doc {
    struct jb__arena *arena;
    const struct config_modules *modules;
    struct conf_list files;              /* the file and its includes */
    struct config_doc_section *sections; /* [0] is the top level */
    size_t section_count;
    struct config_given *given;
    size_t given_count;
    struct config_error *error;
};

/* 0, JB_EINVAL, JB_EIO.  The arrays are malloc'd: free with config_doc_deinit, also on failure. */
JB_NODISCARD int config_doc_read(struct config_doc *doc, const char *path);
void config_doc_deinit(struct config_doc *doc);
size_t config_doc_option_count(const struct config_doc *doc, enum config_kind kind, size_t module);
const struct conf_option *config_doc_option(const struct config_doc *doc, enum config_kind kind,
                                            size_t module, size_t option);
/* Where the option's value stands; the section's place when it is not given. */
struct config_place config_doc_place(const struct config_doc *doc, size_t section, size_t option);

/* A host's name in its canonical form.  0 or JB_EINVAL. */
JB_NODISCARD int config_prepare_host(struct jb__arena *arena, struct jb_str *name);

/* Writes "file:line: words" into the error and returns JB_EINVAL. */
int config_fail(struct config_error *error, struct config_place place, const char *format, ...)
    JB_PRINTF(3, 4);

/* Parses one text (for CONF_LIST: takes an item) into *value.  NULL, or why not. */
const char *config_value_parse(const struct conf_option *option, struct jb__arena *arena,
                               struct jb_str text, struct conf_value *value);
/* What is allowed: "a number from 1 to 65535". */
void config_value_allowed(const struct conf_option *option, char *out, size_t room);
/* As it would be written: true, 256KiB, 25s, "text", { "a", "b" }; (none) when unset. */
int config_value_print(const struct conf_option *option, const struct conf_value *value,
                       struct jb__buf *out);
/* The default. */
void config_value_default(const struct conf_option *option, struct jb__arena *arena,
                          struct conf_value *value);

/* Memory of a configuration behind its public face. */
struct config_part {
    enum config_kind kind;
    struct jb_str title, host; /* host: the title of the host around it */
    size_t module;             /* for CONFIG_HOST_MODULE */
    const struct conf_value *values;
};

struct config_tree {
    struct config c; /* first: config_unref gets this */
    _Atomic unsigned refs;
    struct jb__arena arena;
    const struct config_modules *modules;
    struct config_part *parts; /* in the order of enum config_kind, then of the file */
    size_t part_count;
};

#endif
