/* SPDX-License-Identifier: MIT */
/* The pages the server serves: a built folder (web/build.mjs), read whole at boot, then immutable
 * and shared by all threads.
 *
 * The folder's file `manifest` is text, one record a line, fields separated by one tab:
 *
 *     jabiru-web 1
 *     policy  NAME  VALUE of the header Content-Security-Policy
 *     asset   PATH  FILE  TYPE  CACHE  POLICY  HASH  SIZE  GZIP  BR
 *     end     COUNT of assets
 *
 * PATH is what a request names ("/chat/"); one without a leading slash is a template, which no
 * request can name.  Assets stand in bytewise order of PATH.  FILE lies in the folder itself, its
 * compressed forms beside it as FILE.gz and FILE.br.  CACHE is `immutable` (the path contains the
 * hash) or `revalidate`; POLICY a name from above or `-`; GZIP and BR are sizes in bytes or `-`. */
#ifndef SERVER_WEB_ASSETS_H
#define SERVER_WEB_ASSETS_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum web_coding { WEB_IDENTITY, WEB_GZIP, WEB_BR, WEB_CODING_COUNT };

struct web_asset {
    struct jb_str path;
    struct jb_str content_type;
    struct jb_str cache_control;          /* value of Cache-Control */
    struct jb_str policy;                 /* value of Content-Security-Policy; empty for none */
    struct jb_str etag;                   /* value of ETag: weak, the same for each coding */
    struct jb_str body[WEB_CODING_COUNT]; /* p NULL: not there in that coding */
};

struct web_assets;

enum { WEB_ASSETS_WHY_BYTES = 256 };

/* Reads the folder.  On failure *out is NULL and `why` says in words what was wrong:
 *   JB_ENOTFOUND  there is no manifest: the pages are not built
 *   JB_EINVAL     the manifest or a file is not as described above
 *   JB_EFULL      more than WEB_ASSETS_MAX lines or WEB_ASSETS_BYTES_MAX bytes
 *   JB_EIO        reading failed
 *   JB_ENOMEM */
enum { WEB_ASSETS_MAX = 4096, WEB_ASSETS_BYTES_MAX = 64 * 1024 * 1024 };
JB_NODISCARD int web_assets_open(struct web_assets **out, const struct jb_allocator *alloc,
                                 const char *folder, char why[WEB_ASSETS_WHY_BYTES]);
void web_assets_close(struct web_assets *assets); /* may be NULL */

/* Where the folder is unless the configuration says: the environment's JABIRU_WEB (for tests), else
 * what the build was told (option web_dir), else below the installed share folder. */
const char *web_assets_default_folder(void);

/* The asset at a path, or the template of a name; NULL when there is none.  `assets` may be NULL.
 */
const struct web_asset *web_assets_find(const struct web_assets *assets, struct jb_str path);
size_t web_assets_count(const struct web_assets *assets);

/* The smallest coding the asset has and the request takes.  `accept` is the value of
 * Accept-Encoding, empty when absent (RFC 9110, 12.5.3).  Identity when nothing else fits. */
enum web_coding web_asset_coding(const struct web_asset *asset, struct jb_str accept);
/* The token for Content-Encoding; empty for identity, which has no such header. */
struct jb_str web_coding_token(enum web_coding coding);

/* True when If-None-Match names the asset's tag or is `*`: answer 304 (RFC 9110, 13.1.2). */
bool web_asset_is_known(const struct web_asset *asset, struct jb_str if_none_match);

struct web_value {
    struct jb_str name;
    struct jb_str value;
};

/* Appends the template to `out`, each {{name}} replaced by its value, escaped for HTML text and
 * quoted attributes; names without a value vanish.  0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int web_asset_fill(const struct web_asset *template, const struct web_value *values,
                                size_t count, struct jb__buf *out);

#endif
