/* SPDX-License-Identifier: MIT */
/* A file and its includes, through libconfuse, into a document.
 *
 * libconfuse knows lists of strings here and nothing else: types, ranges, duplicates and unknown
 * names are judged by our own table, at the very token, so that each complaint has its line.  Two
 * of its habits are used on purpose:
 *  - a list option also takes a single value, and its parse callback runs for each item;
 *  - a section's options with a default are parsed when the section opens, with its line: the
 *    hidden option MARKER tells us of the opening, before anything inside is read.
 * Its callbacks have no context pointer and its scanner is global: hence `reading`. */
#include "server/config_internal.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "(section)"
/* Put behind each file's text: libconfuse takes a file that ends inside of a section or comment. */
#define END_MARKER ":end:"
#define END_TEXT   "\n" END_MARKER " = 1\n"

struct reading {
    struct config_doc *doc;
    cfg_t **cfgs; /* cfgs[i] is libconfuse's side of doc->sections[i] */
    size_t section_room, given_room;
    struct file {
        const char *path;           /* in the document's arena */
        struct config_place wanted; /* by this include */
    } files[CONFIG_FILES];
    size_t file_count;
    const char *file; /* the one being read */
    size_t bytes;     /* of all files so far */
    int lines;        /* of the file being read */
    bool ended;       /* the end of the file being read was seen, at the top level */
    int rc;           /* JB_EIO when a file could not be read; else what config_fail returned */
};

static struct reading *reading;

static int fail_at(const cfg_t *cfg, const char *format, ...) JB_PRINTF(2, 3);

static struct config_place place_of(const cfg_t *cfg)
{
    /* The end mark and what libconfuse skips behind an open comment are on no line of the file. */
    return (struct config_place){ reading->file,
                                  cfg->line < reading->lines ? cfg->line : reading->lines };
}

/* The first complaint stays; libconfuse may add one of its own while it unwinds. */
static int fail_at(const cfg_t *cfg, const char *format, ...)
{
    char words[900];
    va_list ap;

    if (reading->rc == 0) {
        va_start(ap, format);
        vsnprintf(words, sizeof words, format, ap);
        va_end(ap);
        reading->rc = config_fail(reading->doc->error, place_of(cfg), "%s", words);
    }
    return -1;
}

static bool is_module(enum config_kind kind)
{
    return kind == CONFIG_MODULE || kind == CONFIG_HOST_MODULE;
}

size_t config_doc_option_count(const struct config_doc *doc, enum config_kind kind, size_t module)
{
    size_t n = 0;

    if (!is_module(kind))
        return config_sections()[kind].row_count;
    const struct conf_option *o = doc->modules->modules[module].options;
    while (o && o[n].name)
        n++;
    return n;
}

const struct conf_option *config_doc_option(const struct config_doc *doc, enum config_kind kind,
                                            size_t module, size_t option)
{
    return is_module(kind) ? &doc->modules->modules[module].options[option]
                           : &config_sections()[kind].rows[option].option;
}

/* A section as a person would say it: " in listener \"web\"". */
static void describe_section(const struct config_doc_section *s, char *out, size_t room)
{
    const char *name = config_sections()[s->kind].name;

    if (s->kind == CONFIG_ROOT)
        snprintf(out, room, " at the top level");
    else if (s->title.n)
        snprintf(out, room, " in %s \"%.*s\"", name, JB_STR_ARG(s->title));
    else
        snprintf(out, room, " in section `%s`", name);
}

/* Where else an option of this name is at home, or NULL. */
static const char *home_of(struct jb_str name)
{
    const struct config_section_info *info = config_sections();

    for (int k = 0; k < CONFIG_KINDS; k++)
        for (size_t i = 0; i < info[k].row_count; i++)
            if (jb_str_eqz(name, info[k].rows[i].option.name))
                return k == CONFIG_ROOT ? "the top level" : info[k].name;
    return NULL;
}

static int fail_unknown(const cfg_t *cfg, const struct config_doc_section *s, const char *name)
{
    const struct config_section_info *info = config_sections();
    struct config_doc *doc = reading->doc;
    struct jb__guess guess;
    char where[160];
    size_t count = config_doc_option_count(doc, s->kind, s->module);

    describe_section(s, where, sizeof where);
    jb__guess_begin(&guess, jb_strz(name));
    for (size_t i = 0; i < count; i++)
        jb__guess_offer(&guess, config_doc_option(doc, s->kind, s->module, i)->name);
    for (int k = CONFIG_ROOT + 1; k < CONFIG_KINDS; k++)
        if (info[k].parent == s->kind)
            jb__guess_offer(&guess, info[k].name);
    const char *home = home_of(jb_strz(name));
    if (home && !(guess.best && guess.distance <= 1))
        return fail_at(cfg, "unknown option `%.100s`%s (it belongs into %s%s%s)", name, where,
                       strchr(home, ' ') ? "" : "`", home, strchr(home, ' ') ? "" : "`");
    if (guess.best)
        return fail_at(cfg, "unknown option `%.100s`%s (did you mean `%s`?)", name, where,
                       guess.best);
    return fail_at(cfg, "unknown option `%.100s`%s", name, where);
}

/* The newest section with this cfg_t, SIZE_MAX if it was never opened. */
static size_t find_section(const cfg_t *cfg)
{
    for (size_t i = reading->doc->section_count; i-- > 0;)
        if (reading->cfgs[i] == cfg)
            return i;
    return SIZE_MAX;
}

static void *grow(void *array, size_t *room, size_t size)
{
    *room = *room ? *room * 2 : 64;
    void *p = jb_resize(&jb_allocator_abort, array, *room * size);
    jb_assert(p);
    return p;
}

static struct config_doc_section *add_section(cfg_t *cfg, enum config_kind kind)
{
    struct config_doc *doc = reading->doc;

    if (doc->section_count == reading->section_room) {
        size_t room = reading->section_room;
        doc->sections = grow(doc->sections, &room, sizeof *doc->sections);
        reading->cfgs = grow(reading->cfgs, &reading->section_room, sizeof *reading->cfgs);
    }
    size_t at = doc->section_count++;
    reading->cfgs[at] = cfg;
    doc->sections[at] = (struct config_doc_section){
        .kind = kind,
        .title = jb__arena_str(doc->arena, jb_strz(cfg->title)),
        .first = SIZE_MAX,
        .last = SIZE_MAX,
        .place = place_of(cfg),
    };
    return &doc->sections[at];
}

/* The value is in the document; libconfuse keeps a copy of an empty text. */
static void keep_nothing(void *result)
{
    *(const char **)result = "";
}

static int find_module(const cfg_t *cfg, struct config_doc_section *s)
{
    const struct config_modules *m = reading->doc->modules;
    struct jb__guess guess;

    jb__guess_begin(&guess, s->title);
    for (s->module = 0; s->module < m->count; s->module++) {
        const char *name = m->modules[s->module].name;
        if (jb_str_eqz(s->title, name))
            return 0;
        jb__guess_offer(&guess, name);
    }
    if (guess.best)
        return fail_at(cfg, "unknown module \"%.*s\" (did you mean \"%s\"?)", JB_STR_ARG(s->title),
                       guess.best);
    return fail_at(cfg, "unknown module \"%.*s\"", JB_STR_ARG(s->title));
}

static int check_title(const cfg_t *cfg, struct config_doc_section *s)
{
    struct config_doc *doc = reading->doc;
    const struct config_section_info *info = &config_sections()[s->kind];

    if (is_module(s->kind) && find_module(cfg, s) != 0)
        return -1;
    if (info->titled && (s->title.n == 0 || s->title.n > 1023))
        return fail_at(cfg, "the name of a %s must have 1 to 1023 bytes", info->name);
    if (s->kind == CONFIG_HOST && config_prepare_host(doc->arena, &s->title) != 0)
        return fail_at(cfg, "\"%.*s\" is not a domain name", JB_STR_ARG(s->title));
    for (const struct config_doc_section *o = doc->sections; o < s; o++) {
        if (o->kind != s->kind || o->parent != s->parent || !jb_str_eq(o->title, s->title))
            continue;
        if (info->titled)
            return fail_at(cfg, "%s \"%.*s\" is there twice (first at %s:%d)", info->name,
                           JB_STR_ARG(s->title), o->place.file, o->place.line);
        return fail_at(cfg, "section `%s` is there twice (first at %s:%d)", info->name,
                       o->place.file, o->place.line);
    }
    return 0;
}

/* MARKER's callback: libconfuse has just made a section.  `value` is the digit of its kind.
 * Never fails: a default that does not parse makes libconfuse abort.  The complaint is noted, and
 * the next value ends the parse. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct config_doc *doc = reading->doc;
    enum config_kind kind = (enum config_kind)(value[0] - '0');
    size_t known = find_section(cfg), parent = 0;

    keep_nothing(result);
    if (known != SIZE_MAX) /* written by a person, not by libconfuse */
        return fail_unknown(cfg, &doc->sections[known], opt->name);
    if (kind == CONFIG_HOST_MODULE) /* the host it is in is the newest */
        for (parent = doc->section_count - 1; doc->sections[parent].kind != CONFIG_HOST;)
            parent--;
    struct config_doc_section *s = add_section(cfg, kind);
    s->parent = parent;
    check_title(cfg, s);
    return 0;
}

/* Behind a failed open(). */
static void note_denied(const char *path)
{
    struct config_error *error = reading->doc->error;

    if (errno == EACCES)
        snprintf(error->denied, sizeof error->denied, "%s", path);
}

static int check_file(const cfg_t *cfg, const struct conf_option *o, struct jb_str path)
{
    struct stat st;
    int fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        const char *why = strerror(errno);
        note_denied(path.p);
        return fail_at(cfg, "`%s`: cannot read %s: %s", o->name, path.p, why);
    }
    int rc = fstat(fd, &st);
    close(fd);
    if (rc != 0 || !S_ISREG(st.st_mode))
        return fail_at(cfg, "`%s`: %s is not a file", o->name, path.p);
    if ((o->flags & CONF_PRIVATE) && (st.st_mode & S_IROTH))
        return fail_at(cfg, "`%s`: everybody can read %s (chmod o-r)", o->name, path.p);
    return 0;
}

/* Relative to the folder of the file it is written in. */
static struct jb_str resolve_path(struct jb_str path)
{
    struct jb__arena *arena = reading->doc->arena;
    const char *slash = strrchr(reading->file, '/');

    if (!slash || path.p[0] == '/')
        return jb__arena_str(arena, path);
    size_t folder = (size_t)(slash - reading->file) + 1;
    char *p = jb__arena_alloc(arena, folder + path.n + 1);
    jb_assert(p);
    memcpy(p, reading->file, folder);
    memcpy(p + folder, path.p, path.n);
    p[folder + path.n] = '\0';
    return jb_str(p, folder + path.n);
}

static int check_value(const cfg_t *cfg, const struct conf_option *o, struct jb_str *text)
{
    struct conf_value value = { .given = true };
    struct stat st;
    char allowed[256];
    const char *complaint = config_value_parse(o, reading->doc->arena, *text, &value);

    config_value_allowed(o, allowed, sizeof allowed);
    if (complaint && (o->type == CONF_STRING || o->type == CONF_LIST))
        return fail_at(cfg, "`%s`: \"%.*s\" %s", o->name, JB_STR_ARG(*text), complaint);
    if (complaint)
        return fail_at(cfg, "`%s`: \"%.*s\" %s (%s)", o->name, JB_STR_ARG(*text), complaint,
                       allowed);
    if (o->type == CONF_STRING || o->type == CONF_LIST)
        *text = value.text;
    if ((o->flags & CONF_SECRET) && stat(reading->file, &st) == 0 && (st.st_mode & S_IROTH))
        return fail_at(cfg, "`%s` is a secret, but everybody can read this file (chmod o-r)",
                       o->name);
    if (o->flags & (CONF_PATH | CONF_FILE))
        *text = resolve_path(*text);
    return o->flags & CONF_FILE ? check_file(cfg, o, *text) : 0;
}

static const struct config_given *find_given(const struct config_doc *doc, size_t section,
                                             size_t option)
{
    for (size_t i = doc->sections[section].first; i != SIZE_MAX; i = doc->given[i].next)
        if (doc->given[i].option == option)
            return &doc->given[i];
    return NULL;
}

static void add_given(size_t section, size_t option, struct jb_str text, struct config_place place)
{
    struct config_doc *doc = reading->doc;
    struct config_doc_section *s = &doc->sections[section];

    if (doc->given_count == reading->given_room)
        doc->given = grow(doc->given, &reading->given_room, sizeof *doc->given);
    size_t at = doc->given_count++;
    doc->given[at] =
        (struct config_given){ section, option, SIZE_MAX, jb__arena_str(doc->arena, text), place };
    if (s->first == SIZE_MAX)
        s->first = at;
    else
        doc->given[s->last].next = at;
    s->last = at;
}

struct config_place config_doc_place(const struct config_doc *doc, size_t section, size_t option)
{
    const struct config_given *g = find_given(doc, section, option);

    return g ? g->place : doc->sections[section].place;
}

/* Each option's callback: one value, or one item of a list. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct config_doc *doc = reading->doc;
    size_t section = find_section(cfg);
    const struct config_doc_section *s = &doc->sections[section];
    size_t count = config_doc_option_count(doc, s->kind, s->module), i = 0;
    struct jb_str text = jb_strz(value);

    keep_nothing(result);
    if (reading->rc != 0)
        return -1;
    while (i < count && strcmp(config_doc_option(doc, s->kind, s->module, i)->name, opt->name) != 0)
        i++;
    if (i == count) /* another module's option: the schema has all of them */
        return fail_unknown(cfg, s, opt->name);
    const struct conf_option *o = config_doc_option(doc, s->kind, s->module, i);
    const struct config_given *before = find_given(doc, section, i);
    if (opt->nvalues > 1 && o->type != CONF_LIST)
        return fail_at(cfg, "`%s` takes one value, not a list", o->name);
    if (opt->nvalues <= 1 && before)
        return fail_at(cfg, "`%s` is there twice (first at %s:%d)", o->name, before->place.file,
                       before->place.line);
    if (check_value(cfg, o, &text) != 0)
        return -1;
    add_given(section, i, text, place_of(cfg));
    return 0;
}

/* libconfuse's own complaints: grammar, and names that are in no table. */
static void on_confuse_error(cfg_t *cfg, const char *format, va_list ap) JB_PRINTF(2, 0);

static void on_confuse_error(cfg_t *cfg, const char *format, va_list ap)
{
    static const char no_option[] = "no such option '";
    char words[512];
    size_t section = find_section(cfg);

    vsnprintf(words, sizeof words, format, ap);
    if (section != SIZE_MAX && strncmp(words, no_option, sizeof no_option - 1) == 0) {
        char *name = words + sizeof no_option - 1;
        char *quote = strrchr(name, '\'');
        if (quote)
            *quote = '\0';
        fail_unknown(cfg, &reading->doc->sections[section], name);
        return;
    }
    fail_at(cfg, "%s", words);
}

/* END_MARKER's callback, in any section. */
static int on_end(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    const struct config_doc_section *s = &reading->doc->sections[find_section(cfg)];
    char where[160];

    (void)opt;
    (void)value;
    keep_nothing(result);
    reading->ended = true;
    describe_section(s, where, sizeof where);
    if (s->kind == CONFIG_ROOT)
        return 0;
    return fail_at(cfg, "the file ends%s, opened at line %d", where, s->place.line);
}

/* include = "file": read when this file is done, for a parse cannot be begun inside of one. */
static int on_include(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct jb_str path = jb_strz(value);

    (void)opt;
    keep_nothing(result);
    if (reading->rc != 0)
        return -1;
    if (path.n == 0)
        return fail_at(cfg, "`include`: \"\" is empty");
    path = resolve_path(path);
    for (size_t i = 0; i < reading->file_count; i++) {
        const struct file *f = &reading->files[i];
        if (strcmp(f->path, path.p) != 0)
            continue;
        if (i == 0)
            return fail_at(cfg, "%s includes itself", path.p);
        return fail_at(cfg, "%s is included twice (first at %s:%d)", path.p, f->wanted.file,
                       f->wanted.line);
    }
    if (reading->file_count == CONFIG_FILES)
        return fail_at(cfg, "more than %d files", CONFIG_FILES);
    reading->files[reading->file_count++] = (struct file){ path.p, place_of(cfg) };
    return 0;
}

static FILE *open_text(const char *path, const char **why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        *why = strerror(errno);
        note_denied(path);
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        *why = "not a file";
        close(fd);
        return NULL;
    }
    FILE *f = fdopen(fd, "r");
    jb_assert(f); /* only memory can be missing */
    return f;
}

/* Its text with the end mark behind it, malloc'd; NULL after a complaint. */
static char *read_text(const struct file *file, size_t *n)
{
    static const char end[] = END_TEXT;
    const char *why;
    FILE *f = open_text(file->path, &why);

    if (!f) {
        if (file->wanted.file)
            config_fail(reading->doc->error, file->wanted, "cannot read %s: %s", file->path, why);
        else
            config_fail(reading->doc->error, (struct config_place){ file->path, 0 },
                        "cannot read: %s", why);
        reading->rc = JB_EIO;
        return NULL;
    }
    char *text = jb_alloc(&jb_allocator_abort, CONFIG_FILE_BYTES + sizeof end);
    jb_assert(text);
    *n = fread(text, 1, CONFIG_FILE_BYTES + 1, f);
    fclose(f);
    memcpy(text + *n, end, sizeof end - 1);
    return text;
}

/* Size and letters, with the line of the first bad one. */
static int check_text(const char *path, struct jb_str text)
{
    struct config_place place = { path, 0 };
    struct jb_str line;

    if (text.n > CONFIG_FILE_BYTES)
        return config_fail(reading->doc->error, place, "larger than 1 MiB");
    reading->bytes += text.n;
    if (reading->bytes > CONFIG_TOTAL_BYTES)
        return config_fail(reading->doc->error, place,
                           "with this file the configuration is larger than 4 MiB");
    for (place.line = 1; text.n > 0; reading->lines = place.line++) {
        jb_str_cut(text, '\n', &line, &text);
        if (!jb__utf8_valid(line) || memchr(line.p, '\0', line.n))
            return config_fail(reading->doc->error, place, "not UTF-8 text");
    }
    return 0;
}

/* An option with "= {}" never comes by on_value; a list may be empty, the rest may not. */
static int check_empty(const struct reading *r, size_t section)
{
    const struct config_doc *doc = r->doc;
    const struct config_doc_section *s = &doc->sections[section];

    for (const cfg_opt_t *opt = r->cfgs[section]->opts; opt->name; opt++) {
        if (opt->type != CFGT_STR || opt->nvalues > 0 || !(opt->flags & CFGF_MODIFIED))
            continue;
        for (size_t i = 0; i < config_doc_option_count(doc, s->kind, s->module); i++) {
            const struct conf_option *o = config_doc_option(doc, s->kind, s->module, i);
            if (o->type != CONF_LIST && strcmp(o->name, opt->name) == 0)
                return config_fail(doc->error, s->place, "`%s` has no value", o->name);
        }
    }
    return 0;
}

/* Parses a file into the open top level. */
static int parse_file(cfg_t *cfg, const struct file *file)
{
    size_t n = 0;
    char *text = read_text(file, &n);

    if (!text)
        return reading->rc;
    reading->file = file->path;
    reading->ended = false;
    reading->lines = 1;
    int rc = check_text(file->path, jb_str(text, n));
    if (rc == 0) {
        FILE *f = fmemopen(text, n + sizeof END_TEXT - 1, "r");
        jb_assert(f);
        int parsed = cfg_parse_fp(cfg, f);
        fclose(f);
        if (reading->rc == 0 && (parsed != CFG_SUCCESS || !reading->ended))
            fail_at(cfg, "the file ends inside of a comment or text");
        rc = reading->rc;
    }
    jb_free(&jb_allocator_abort, text);
    return rc;
}

/* For whoever has to know which files a reload will read. */
static void keep_files(void)
{
    struct config_doc *doc = reading->doc;
    struct jb_str *items = jb__arena_alloc(doc->arena, reading->file_count * sizeof *items);

    jb_assert(items);
    for (size_t i = 0; i < reading->file_count; i++)
        items[i] = jb_strz(reading->files[i].path);
    doc->files = (struct conf_list){ items, reading->file_count };
}

static int parse_all(cfg_t *cfg, const char *path)
{
    int rc = 0;

    add_section(cfg, CONFIG_ROOT);
    if (!path)
        return 0;
    reading->doc->sections[0].place.file = jb__arena_str(reading->doc->arena, jb_strz(path)).p;
    reading->files[reading->file_count++].path = reading->doc->sections[0].place.file;
    for (size_t i = 0; i < reading->file_count && rc == 0; i++) /* grows by includes */
        rc = parse_file(cfg, &reading->files[i]);
    for (size_t i = 0; i < reading->doc->section_count && rc == 0; i++)
        rc = check_empty(reading, i);
    keep_files();
    return rc;
}

/* libconfuse's tables.  They point to each other and are copied by cfg_init: freed right after. */
struct schema {
    cfg_opt_t *opts[CONFIG_KINDS];
    char markers[CONFIG_KINDS][8]; /* "{k}": a default list of one digit */
};

static cfg_opt_t list_option(const char *name, char *default_list, cfg_callback_t callback)
{
    return (cfg_opt_t){
        .name = name,
        .type = CFGT_STR,
        .flags = CFGF_LIST | (default_list ? 0 : CFGF_NODEFAULT),
        .def = { .parsed = default_list },
        .parsecb = callback,
    };
}

static size_t count_module_options(const struct config_modules *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->count; i++)
        for (const struct conf_option *o = m->modules[i].options; o && o->name; o++)
            n++;
    return n;
}

static void build_kind(struct schema *schema, enum config_kind kind, const struct config_modules *m)
{
    const struct config_section_info *info = config_sections();
    size_t n = 0, room = info[kind].row_count + count_module_options(m) + CONFIG_KINDS + 4;
    cfg_opt_t *opts = jb_zalloc(&jb_allocator_abort, room * sizeof *opts);

    jb_assert(opts);
    schema->opts[kind] = opts;
    for (size_t i = 0; i < info[kind].row_count; i++)
        opts[n++] = list_option(info[kind].rows[i].option.name, NULL, on_value);
    for (size_t i = 0; is_module(kind) && i < m->count; i++)
        for (const struct conf_option *o = m->modules[i].options; o && o->name; o++)
            opts[n++] = list_option(o->name, NULL, on_value);
    /* Sections inside were built before: their kinds have larger numbers. */
    for (int k = (int)kind + 1; k < CONFIG_KINDS; k++)
        if (info[k].parent == kind)
            opts[n++] = (cfg_opt_t){
                .name = info[k].name,
                .type = CFGT_SEC,
                .flags =
                    CFGF_MULTI | (info[k].titled ? CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE),
                .subopts = schema->opts[k],
            };
    opts[n++] = list_option(END_MARKER, NULL, on_end);
    if (kind == CONFIG_ROOT) {
        opts[n++] = list_option("include", NULL, on_include);
    } else {
        snprintf(schema->markers[kind], sizeof schema->markers[kind], "{%d}", (int)kind);
        opts[n++] = list_option(MARKER, schema->markers[kind], on_section);
    }
    opts[n] = (cfg_opt_t)CFG_END();
}

int config_doc_read(struct config_doc *doc, const char *path)
{
    struct reading r = { .doc = doc };
    struct schema schema;

    jb_assert(!reading);
    reading = &r;
    for (int k = CONFIG_KINDS; k-- > 0;)
        build_kind(&schema, (enum config_kind)k, doc->modules);
    cfg_t *cfg = cfg_init(schema.opts[CONFIG_ROOT], CFGF_NONE);
    jb_assert(cfg);
    for (int k = 0; k < CONFIG_KINDS; k++)
        jb_free(&jb_allocator_abort, schema.opts[k]);
    cfg_set_error_function(cfg, on_confuse_error);
    int rc = parse_all(cfg, path);
    cfg_free(cfg);
    jb_free(&jb_allocator_abort, r.cfgs);
    reading = NULL;
    return rc;
}

void config_doc_deinit(struct config_doc *doc)
{
    jb_free(&jb_allocator_abort, doc->sections);
    jb_free(&jb_allocator_abort, doc->given);
    doc->sections = NULL;
    doc->given = NULL;
}
