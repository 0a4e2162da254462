/* SPDX-License-Identifier: MIT */
#include "server/web_assets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_BYTES_MAX = 1024 * 1024, POLICIES_MAX = 8, ASSET_FIELDS = 10 };

struct policy {
    struct jb_str name, value;
};

struct web_assets {
    const struct jb_allocator *alloc;
    char *manifest;          /* the file's text; slices of the assets point into it */
    char *tags;              /* the ETags, one behind the other */
    char *bodies;            /* every body, one behind the other */
    struct web_asset *items; /* by path */
    size_t count;
    struct policy policies[POLICIES_MAX];
    size_t policy_count;
};

/* What web_assets_open carries from step to step. */
struct loader {
    struct web_assets *assets;
    int folder; /* descriptor */
    size_t manifest_bytes;
    size_t room;          /* assets there can be: the manifest's lines */
    struct jb_str *files; /* names, by asset */
    size_t body_bytes;    /* of all bodies */
    size_t tag_bytes;     /* of all tags */
    size_t line;          /* of the manifest, for messages */
    char *why;
};

JB_PRINTF(3, 4)
static int fail(struct loader *l, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->why, WEB_ASSETS_WHY_BYTES, format, args);
    va_end(args);
    return code;
}

static int fail_line(struct loader *l, const char *what)
{
    return fail(l, JB_EINVAL, "manifest, line %zu: %s", l->line, what);
}

/* Cuts the next line off *rest.  False at the end, or when the last line has no newline. */
static bool next_line(struct jb_str *rest, struct jb_str *line)
{
    return jb_str_cut(*rest, '\n', line, rest);
}

/* Splits a line at its tabs; returns how many fields there are, at most max + 1. */
static size_t split(struct jb_str line, struct jb_str *fields, size_t max)
{
    size_t n = 0;
    bool more = true;

    while (more && n < max)
        more = jb_str_cut(line, '\t', &fields[n++], &line);
    return more ? max + 1 : n;
}

/* --- reading files --- */

static int read_whole(struct loader *l, const char *name, char *to, size_t n)
{
    int fd = openat(l->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t got = 0;
    char beyond;

    if (fd < 0)
        return fail(l, JB_EIO, "%s: %s", name, strerror(errno));
    while (got < n) {
        ssize_t r = read(fd, to + got, n - got);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        got += (size_t)r;
    }
    bool longer = got == n && read(fd, &beyond, 1) == 1;

    close(fd);
    if (got < n || longer)
        return fail(l, JB_EINVAL, "%s: not %zu bytes long as the manifest says", name, n);
    return 0;
}

static int read_manifest(struct loader *l)
{
    struct stat st;

    if (fstatat(l->folder, "manifest", &st, 0) < 0)
        return fail(l, errno == ENOENT ? JB_ENOTFOUND : JB_EIO, "manifest: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > MANIFEST_BYTES_MAX)
        return fail(l, JB_EINVAL, "manifest: not a file of 1 to %d bytes", MANIFEST_BYTES_MAX);
    l->manifest_bytes = (size_t)st.st_size;
    l->assets->manifest = jb_alloc(l->assets->alloc, l->manifest_bytes);
    if (!l->assets->manifest)
        return fail(l, JB_ENOMEM, "%s", jb_strerror(JB_ENOMEM));
    return read_whole(l, "manifest", l->assets->manifest, l->manifest_bytes);
}

/* --- understanding the manifest --- */

static int add_policy(struct loader *l, struct jb_str line)
{
    struct web_assets *a = l->assets;
    struct jb_str f[3];

    if (split(line, f, 3) != 3 || f[1].n == 0)
        return fail_line(l, "a policy has a name and a value");
    if (a->policy_count == POLICIES_MAX)
        return fail_line(l, "too many policies");
    a->policies[a->policy_count++] = (struct policy){ f[1], f[2] };
    return 0;
}

static bool find_policy(const struct web_assets *a, struct jb_str name, struct jb_str *value)
{
    *value = JB_STR_NONE;
    if (jb_str_eqz(name, "-"))
        return true;
    for (size_t i = 0; i < a->policy_count; i++) {
        if (jb_str_eq(a->policies[i].name, name)) {
            *value = a->policies[i].value;
            return true;
        }
    }
    return false;
}

static bool find_cache_control(struct jb_str name, struct jb_str *value)
{
    if (jb_str_eqz(name, "immutable"))
        *value = JB_STR("public, max-age=31536000, immutable");
    else if (jb_str_eqz(name, "revalidate"))
        *value = JB_STR("no-cache");
    else
        return false;
    return true;
}

/* A size, or `-` for a coding that is not there.  Until the bodies are read, p is a mark only. */
static bool parse_size(struct jb_str field, bool optional, struct jb_str *body)
{
    uint64_t n;

    *body = JB_STR_NONE;
    if (optional && jb_str_eqz(field, "-"))
        return true;
    if (!jb_str_u64(field, WEB_ASSETS_BYTES_MAX, &n))
        return false;
    *body = jb_str("", (size_t)n);
    return true;
}

/* Names of the folder's own files only: the manifest is ours, but a slip must not read elsewhere.
 */
static bool is_file_name(struct jb_str name)
{
    return name.n > 0 && name.n <= 200 && name.p[0] != '.' && !memchr(name.p, '/', name.n);
}

static int add_asset(struct loader *l, struct jb_str line)
{
    struct web_assets *a = l->assets;
    struct web_asset *asset = &a->items[a->count];
    struct jb_str f[ASSET_FIELDS];

    if (split(line, f, ASSET_FIELDS) != ASSET_FIELDS)
        return fail_line(l, "an asset has nine fields");
    if (f[1].n == 0 || f[3].n == 0 || f[6].n == 0 || !is_file_name(f[2]))
        return fail_line(l, "path, file, type and hash are needed");
    if (a->count > 0 && jb_str_cmp(a->items[a->count - 1].path, f[1]) >= 0)
        return fail_line(l, "paths are not in order");
    asset->path = f[1];
    asset->content_type = f[3];
    asset->etag = f[6]; /* the hash, until the tags are made */
    if (!find_cache_control(f[4], &asset->cache_control))
        return fail_line(l, "unknown cache rule");
    if (!find_policy(a, f[5], &asset->policy))
        return fail_line(l, "unknown policy");
    for (size_t c = 0; c < WEB_CODING_COUNT; c++) {
        if (!parse_size(f[7 + c], c != WEB_IDENTITY, &asset->body[c]))
            return fail_line(l, "a size is not a number");
        l->body_bytes += asset->body[c].n;
    }
    if (l->body_bytes > WEB_ASSETS_BYTES_MAX)
        return fail(l, JB_EFULL, "the files are over %d bytes", WEB_ASSETS_BYTES_MAX);
    l->tag_bytes += f[6].n + strlen("W/\"\"");
    l->files[a->count++] = f[2];
    return 0;
}

static int check_end(struct loader *l, struct jb_str line, struct jb_str rest)
{
    struct jb_str f[2];
    uint64_t n;

    if (split(line, f, 2) != 2 || !jb_str_u64(f[1], WEB_ASSETS_MAX, &n) || n != l->assets->count ||
        rest.n > 0)
        return fail_line(l, "the end does not name the number of assets");
    return 0;
}

static int parse_manifest(struct loader *l)
{
    struct jb_str rest = jb_str(l->assets->manifest, l->manifest_bytes);
    struct jb_str line, kind, ignored;

    l->line = 1;
    if (!next_line(&rest, &line) || !jb_str_eqz(line, "jabiru-web 1"))
        return fail_line(l, "this is not a manifest of version 1");
    for (l->line = 2; next_line(&rest, &line); l->line++) {
        int r;

        jb_str_cut(line, '\t', &kind, &ignored);
        if (jb_str_eqz(kind, "end"))
            return check_end(l, line, rest);
        if (jb_str_eqz(kind, "policy"))
            r = add_policy(l, line);
        else if (!jb_str_eqz(kind, "asset"))
            r = fail_line(l, "neither policy nor asset nor end");
        else
            r = add_asset(l, line);
        if (r < 0)
            return r;
    }
    return fail_line(l, "the end is missing");
}

/* --- filling in --- */

static void make_tags(struct loader *l)
{
    char *p = l->assets->tags;

    for (size_t i = 0; i < l->assets->count; i++) {
        struct web_asset *asset = &l->assets->items[i];
        char *start = p;

        memcpy(p, "W/\"", 3);
        memcpy(p + 3, asset->etag.p, asset->etag.n);
        p += 3 + asset->etag.n;
        *p++ = '"';
        asset->etag = jb_str(start, (size_t)(p - start));
    }
}

static int read_bodies(struct loader *l)
{
    static const char *const suffix[WEB_CODING_COUNT] = { "", ".gz", ".br" };
    char *p = l->assets->bodies;

    for (size_t i = 0; i < l->assets->count; i++) {
        for (size_t c = 0; c < WEB_CODING_COUNT; c++) {
            struct jb_str *body = &l->assets->items[i].body[c];
            char name[256];
            int r;

            if (!body->p)
                continue;
            snprintf(name, sizeof name, "%.*s%s", JB_STR_ARG(l->files[i]), suffix[c]);
            r = read_whole(l, name, p, body->n);
            if (r < 0)
                return r;
            body->p = p;
            p += body->n;
        }
    }
    return 0;
}

static size_t count_lines(struct jb_str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static int load(struct loader *l)
{
    struct web_assets *a = l->assets;
    int r = read_manifest(l);

    if (r < 0)
        return r;
    l->room = count_lines(jb_str(a->manifest, l->manifest_bytes));
    if (l->room > WEB_ASSETS_MAX)
        return fail(l, JB_EFULL, "manifest: more than %d lines", WEB_ASSETS_MAX);
    a->items = jb_zalloc(a->alloc, (l->room + 1) * sizeof *a->items);
    l->files = jb_alloc(a->alloc, (l->room + 1) * sizeof *l->files);
    if (!a->items || !l->files)
        return fail(l, JB_ENOMEM, "%s", jb_strerror(JB_ENOMEM));
    r = parse_manifest(l);
    if (r < 0)
        return r;
    a->tags = jb_alloc(a->alloc, l->tag_bytes + 1);
    a->bodies = jb_alloc(a->alloc, l->body_bytes + 1);
    if (!a->tags || !a->bodies)
        return fail(l, JB_ENOMEM, "%s", jb_strerror(JB_ENOMEM));
    make_tags(l);
    return read_bodies(l);
}

int web_assets_open(struct web_assets **out, const struct jb_allocator *alloc, const char *folder,
                    char why[WEB_ASSETS_WHY_BYTES])
{
    struct loader l = { .why = why };
    int r;

    *out = NULL;
    why[0] = '\0';
    l.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l.folder < 0)
        return fail(&l, errno == ENOENT ? JB_ENOTFOUND : JB_EIO, "%s: %s", folder, strerror(errno));
    l.assets = jb_zalloc(alloc, sizeof *l.assets);
    if (l.assets) {
        l.assets->alloc = alloc;
        r = load(&l);
    } else {
        r = fail(&l, JB_ENOMEM, "%s", jb_strerror(JB_ENOMEM));
    }
    close(l.folder);
    jb_free(alloc, l.files);
    if (r < 0)
        web_assets_close(l.assets);
    else
        *out = l.assets;
    return r;
}

void web_assets_close(struct web_assets *assets)
{
    if (!assets)
        return;
    jb_free(assets->alloc, assets->bodies);
    jb_free(assets->alloc, assets->tags);
    jb_free(assets->alloc, assets->items);
    jb_free(assets->alloc, assets->manifest);
    jb_free(assets->alloc, assets);
}

const char *web_assets_default_folder(void)
{
    const char *folder = getenv("JABIRU_WEB");

    return folder && *folder ? folder : JABIRU_WEB_DIR;
}

/* --- serving --- */

const struct web_asset *web_assets_find(const struct web_assets *assets, struct jb_str path)
{
    size_t from = 0, to = assets ? assets->count : 0;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = jb_str_cmp(assets->items[middle].path, path);

        if (order == 0)
            return &assets->items[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

size_t web_assets_count(const struct web_assets *assets)
{
    return assets ? assets->count : 0;
}

struct jb_str web_coding_token(enum web_coding coding)
{
    return coding == WEB_BR ? JB_STR("br") : coding == WEB_GZIP ? JB_STR("gzip") : JB_STR_NONE;
}

/* A weight of nothing, "0" or "0.000": not this one. */
static bool is_zero(struct jb_str weight)
{
    for (size_t i = 0; i < weight.n; i++) {
        if (weight.p[i] != (i == 1 ? '.' : '0'))
            return false;
    }
    return weight.n > 0;
}

static bool is_refused(struct jb_str parameters)
{
    struct jb_str one, name, value;
    bool more = true;

    while (more) {
        more = jb_str_cut(parameters, ';', &one, &parameters);
        jb_str_cut(jb_str_trim(one), '=', &name, &value);
        if (jb_str_eq_ascii_nocase(name, JB_STR("q")))
            return is_zero(value);
    }
    return false;
}

static bool is_accepted(struct jb_str accept, struct jb_str token)
{
    struct jb_str item, name, parameters;
    bool any = false, more = true;

    while (more) {
        more = jb_str_cut(accept, ',', &item, &accept);
        jb_str_cut(item, ';', &name, &parameters);
        name = jb_str_trim(name);
        if (jb_str_eq_ascii_nocase(name, token))
            return !is_refused(parameters);
        if (jb_str_eqz(name, "*"))
            any = !is_refused(parameters);
    }
    return any;
}

enum web_coding web_asset_coding(const struct web_asset *asset, struct jb_str accept)
{
    enum web_coding best = WEB_IDENTITY;

    for (enum web_coding c = WEB_GZIP; c < WEB_CODING_COUNT; c++) {
        if (asset->body[c].p && asset->body[c].n < asset->body[best].n &&
            is_accepted(accept, web_coding_token(c)))
            best = c;
    }
    return best;
}

bool web_asset_is_known(const struct web_asset *asset, struct jb_str if_none_match)
{
    struct jb_str opaque = jb_str_from(asset->etag, 2); /* compared weakly: without W/ */
    struct jb_str item;
    bool more = true;

    while (more) {
        more = jb_str_cut(if_none_match, ',', &item, &if_none_match);
        item = jb_str_trim(item);
        if (jb_str_starts(item, JB_STR("W/")))
            item = jb_str_from(item, 2);
        if (jb_str_eq(item, opaque) || jb_str_eqz(item, "*"))
            return true;
    }
    return false;
}

/* --- templates --- */

static int append_escaped(struct jb__buf *out, struct jb_str text)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            r = jb__buf_append(out, "&amp;", 5);
            break;
        case '<':
            r = jb__buf_append(out, "&lt;", 4);
            break;
        case '>':
            r = jb__buf_append(out, "&gt;", 4);
            break;
        case '"':
            r = jb__buf_append(out, "&quot;", 6);
            break;
        case '\'':
            r = jb__buf_append(out, "&#39;", 5);
            break;
        default:
            r = jb__buf_append(out, &text.p[i], 1);
        }
    }
    return r;
}

static int append_value(struct jb__buf *out, struct jb_str name, const struct web_value *values,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jb_str_eq(values[i].name, name))
            return append_escaped(out, values[i].value);
    }
    return 0;
}

static const char *find_mark(struct jb_str text, const char mark[2])
{
    return text.n < 2 ? NULL : memmem(text.p, text.n, mark, 2);
}

int web_asset_fill(const struct web_asset *template, const struct web_value *values, size_t count,
                   struct jb__buf *out)
{
    struct jb_str rest = template->body[WEB_IDENTITY];
    const char *open_mark, *close_mark;

    while ((open_mark = find_mark(rest, "{{")) != NULL) {
        size_t before = (size_t)(open_mark - rest.p);
        struct jb_str inner = jb_str_from(rest, before + 2);
        struct jb_str name;
        int r;

        close_mark = find_mark(inner, "}}");
        if (!close_mark)
            break;
        name = jb_str(inner.p, (size_t)(close_mark - inner.p));
        r = jb__buf_append(out, rest.p, before);
        if (r == 0)
            r = append_value(out, name, values, count);
        if (r < 0)
            return r;
        rest = jb_str_from(inner, name.n + 2);
    }
    return jb__buf_append(out, rest.p, rest.n);
}
