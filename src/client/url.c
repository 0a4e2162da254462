/* SPDX-License-Identifier: MIT */
#include "client/url.h"

#include "core/http.h"

#include <stdio.h>

static bool take_scheme(struct jb_str *rest, struct jb__url *url)
{
    static const struct {
        struct jb_str head;
        bool tls;
    } known[] = {
        { JB_STR_INIT("wss://"), true },
        { JB_STR_INIT("ws://"), false },
        { JB_STR_INIT("https://"), true },
    };

    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        const size_t n = known[k].head.n;
        if (rest->n < n || !jb_str_eq_ascii_nocase(jb_str(rest->p, n), known[k].head))
            continue;
        url->tls = known[k].tls;
        *rest = jb_str_from(*rest, n);
        return true;
    }
    return false;
}

static bool keep(struct jb_str text, char *out, size_t most)
{
    if (text.n == 0 || text.n > most)
        return false;
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return true;
}

/* Path and query go into a request line as they stand. */
static bool is_visible(struct jb_str target)
{
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] > '~' || target.p[i] == '#')
            return false;
    return true;
}

int jb__url_parse(struct jb_str text, struct jb__url *url)
{
    struct jb_str rest = text, host;
    size_t n = 0;
    int port;

    *url = (struct jb__url){ 0 };
    if (!take_scheme(&rest, url))
        return JB_EINVAL;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct jb_str target = jb_str_from(rest, n);
    if (!jb__http_split_host(jb_str(rest.p, n), &host, &port) || port == 0 ||
        !keep(host, url->host, JB__URL_HOST_BYTES) || !is_visible(target))
        return JB_EINVAL;
    url->port = port > 0 ? (uint16_t)port : url->tls ? 443 : 80;
    if (target.n && target.p[0] == '/')
        return keep(target, url->target, JB__URL_TARGET_BYTES) ? 0 : JB_EINVAL;
    url->target[0] = '/'; /* an empty path, perhaps with a query */
    if (target.n && !keep(target, url->target + 1, JB__URL_TARGET_BYTES - 1))
        return JB_EINVAL;
    return 0;
}

struct jb_str jb__url_authority(const struct jb__url *url, char out[JB__URL_AUTHORITY_BYTES])
{
    bool v6 = strchr(url->host, ':') != NULL;
    bool usual = url->port == (url->tls ? 443 : 80);
    char port[8] = "";

    if (!usual)
        snprintf(port, sizeof port, ":%u", url->port);
    int n = snprintf(out, JB__URL_AUTHORITY_BYTES, "%s%s%s%s", v6 ? "[" : "", url->host,
                     v6 ? "]" : "", port);
    return jb_str(out, (size_t)n);
}
