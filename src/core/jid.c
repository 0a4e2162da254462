/* SPDX-License-Identifier: MIT */
#include "core/jid.h"

#include "base/assert.h"
#include "core/jid_domain.h"
#include "core/precis.h"

/* Which ASCII characters a canonical part may hold: L local, R resource. */
enum { L = 1, R = 2, LR = 3 };

static const uint8_t ascii_parts[128] = {
    /* clang-format off */
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    /*  !   "   #   $   %   &   '   (   )   *   +   ,   -   .   / */
    R,  LR, R,  LR, LR, LR, R,  R,  LR, LR, LR, LR, LR, LR, LR, R,
    /*0 ...                                 :   ;   <   =   >   ? */
    LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, R,  LR, R,  LR, R,  LR,
    /*@  A ... */
    R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,
    /*... Z                                     [   \   ]   ^   _ */
    R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  R,  LR, LR, LR, LR, LR,
    /*`  a ... */
    LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR,
    /*... z                                     {   |   }   ~     */
    LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, LR, 0,
    /* clang-format on */
};

struct parts {
    struct jb_str local, domain, resource;
    bool has_local, has_resource; /* the separator is there; the part may be empty */
};

/* The separators are looked for before anything is mapped (RFC 7622 section 3.1): what becomes an
 * @ or / by mapping never splits. */
static struct parts split(struct jb_str text)
{
    struct parts s = { 0 };
    struct jb_str bare;

    s.has_resource = jb_str_cut(text, '/', &bare, &s.resource);
    s.has_local = jb_str_cut(bare, '@', &s.local, &s.domain);
    if (!s.has_local) {
        s.domain = s.local;
        s.local = JB_STR_NONE;
    }
    return s;
}

static bool is_plain(struct jb_str part, uint8_t where)
{
    uint8_t all = where;

    if (part.n == 0 || part.n > JB_JID_PART_BYTES)
        return false;
    for (size_t i = 0; i < part.n; i++) {
        unsigned char c = (unsigned char)part.p[i];
        all &= c < 0x80 ? ascii_parts[c] : 0;
    }
    return all != 0;
}

static bool all_plain(const struct parts *s)
{
    return (!s->has_local || is_plain(s->local, L)) && jb__domain_is_plain(s->domain) &&
           (!s->has_resource || is_plain(s->resource, R));
}

/* The exclusions of RFC 7622 section 3.3.1. */
static bool has_excluded(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr("\"&'/:<>@", p[i]))
            return true;
    return false;
}

static int copy_plain(struct jb_str in, char *out, size_t *n)
{
    memcpy(out, in.p, in.n);
    *n = in.n;
    return 0;
}

static int local_prep(struct jb_str in, char *out, size_t *n)
{
    if (is_plain(in, L))
        return copy_plain(in, out, n);
    int rc = jb__precis_enforce(JB__PRECIS_ADDRESS, in, out, JB_JID_PART_BYTES, n);

    if (rc == 0 && has_excluded(out, *n))
        rc = JB_EINVAL;
    return rc;
}

static int domain_prep(struct jb_str in, char *out, size_t *n)
{
    return jb__domain_is_plain(in) ? copy_plain(in, out, n) : jb__domain_prep(in, out, n);
}

static int resource_prep(struct jb_str in, char *out, size_t *n)
{
    if (is_plain(in, R))
        return copy_plain(in, out, n);
    return jb__precis_enforce(JB__PRECIS_OPAQUE, in, out, JB_JID_PART_BYTES, n);
}

static int password_prep(struct jb_str in, char *out, size_t *n)
{
    return jb__precis_enforce(JB__PRECIS_OPAQUE, in, out, JB_JID_BYTES, n);
}

/* Keeps `bytes` in the arena unless `in` already says the same. */
static int keep(struct jb_str bytes, struct jb_str in, struct jb__arena *arena, struct jb_str *out)
{
    *out = jb_str_eq(bytes, in) ? in : jb__arena_str(arena, bytes);
    return out->p ? 0 : JB_ENOMEM;
}

static int prep_slow(int (*prep)(struct jb_str, char *, size_t *), struct jb_str in,
                     struct jb__arena *arena, struct jb_str *out)
{
    char bytes[JB_JID_BYTES];
    size_t n;
    int rc = prep(in, bytes, &n);

    *out = JB_STR_NONE;
    return rc == 0 ? keep(jb_str(bytes, n), in, arena, out) : rc;
}

int jb_jid_prep_local(struct jb_str in, struct jb__arena *arena, struct jb_str *out)
{
    *out = in;
    return is_plain(in, L) ? 0 : prep_slow(local_prep, in, arena, out);
}

int jb_jid_prep_domain(struct jb_str in, struct jb__arena *arena, struct jb_str *out)
{
    *out = in;
    return jb__domain_is_plain(in) ? 0 : prep_slow(domain_prep, in, arena, out);
}

int jb_jid_prep_resource(struct jb_str in, struct jb__arena *arena, struct jb_str *out)
{
    *out = in;
    return is_plain(in, R) ? 0 : prep_slow(resource_prep, in, arena, out);
}

int jb_precis_password(struct jb_str in, struct jb__arena *arena, struct jb_str *out)
{
    *out = in;
    return is_plain(in, R) ? 0 : prep_slow(password_prep, in, arena, out);
}

bool jb_jid_is_strict(struct jb_str local)
{
    char bytes[JB_JID_PART_BYTES];
    size_t n;

    if (local.n == 0 || is_plain(local, L))
        return true;
    return jb__precis_enforce(JB__PRECIS_USERNAME, local, bytes, sizeof bytes, &n) == 0 &&
           !has_excluded(bytes, n) && jb_str_eq(local, jb_str(bytes, n));
}

static struct jb_jid view(const char *p, size_t local, size_t domain, size_t resource)
{
    return (struct jb_jid){ p, (uint16_t)local, (uint16_t)domain, (uint16_t)resource };
}

/* Prepares the parts one behind the other into `out` (room for JB_JID_BYTES). */
static int prep_parts(const struct parts *s, char *out, struct jb_jid *jid)
{
    size_t at = 0;
    size_t local = 0, domain = 0, resource = 0;
    int rc = 0;

    if (s->has_local) {
        rc = local_prep(s->local, out, &local);
        at = local;
        out[at++] = '@';
    }
    if (rc == 0) {
        rc = domain_prep(s->domain, out + at, &domain);
        at += domain;
    }
    if (rc == 0 && s->has_resource) {
        out[at++] = '/';
        rc = resource_prep(s->resource, out + at, &resource);
    }
    *jid = view(out, local, domain, resource);
    return rc;
}

/* Apart from jb_jid_parse, which then needs no buffer. */
static int parse_slow(struct jb_str text, const struct parts *s, struct jb__arena *arena,
                      struct jb_jid *out)
{
    char bytes[JB_JID_BYTES];
    struct jb_jid jid;
    struct jb_str kept;
    int rc = prep_parts(s, bytes, &jid);

    if (rc == 0)
        rc = keep(jb_jid_str(jid), text, arena, &kept);
    if (rc == 0)
        *out = view(kept.p, jid.local, jid.domain, jid.resource);
    return rc;
}

int jb_jid_parse(struct jb_str text, struct jb__arena *arena, struct jb_jid *out)
{
    struct parts s = split(text);

    *out = JB_JID_NONE;
    if (!all_plain(&s))
        return parse_slow(text, &s, arena, out);
    *out = view(text.p, s.local.n, s.domain.n, s.resource.n);
    return 0;
}

int jb_jid_make(struct jb_str local, struct jb_str domain, struct jb_str resource,
                struct jb__arena *arena, struct jb_jid *out)
{
    jb_assert(local.n <= JB_JID_PART_BYTES && resource.n <= JB_JID_PART_BYTES);
    jb_assert(domain.n > 0 && domain.n <= JB_JID_PART_BYTES);
    *out = JB_JID_NONE;
    char *p = jb__arena_alloc(arena, local.n + 1 + domain.n + 1 + resource.n);
    if (!p)
        return JB_ENOMEM;
    *out = view(p, local.n, domain.n, resource.n);
    if (local.n) {
        memcpy(p, local.p, local.n);
        p += local.n;
        *p++ = '@';
    }
    memcpy(p, domain.p, domain.n);
    p += domain.n;
    if (resource.n) {
        *p++ = '/';
        memcpy(p, resource.p, resource.n);
    }
    return 0;
}
