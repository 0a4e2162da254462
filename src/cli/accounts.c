/* SPDX-License-Identifier: MIT */
#include "cli/accounts.h"

#include "base/privilege.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* mkdir -p, each folder for the owner alone. */
static int make_folder(const char *path)
{
    char p[CLI_DATA_BYTES];
    int n = snprintf(p, sizeof p, "%s", path);

    if (n < 0 || (size_t)n >= sizeof p)
        return JB_EFULL;
    for (char *slash = p + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        if (mkdir(p, 0700) != 0 && errno != EEXIST)
            return JB_EIO;
        *slash = '/';
    }
    return mkdir(p, 0700) == 0 || errno == EEXIST ? 0 : JB_EIO;
}

int accounts_open(const char *data, bool create, struct accounts **out)
{
    char message[512] = "";
    struct stat st;
    int rc = accounts_server_open(data, out, message);

    if (rc == 0)
        return CLI_OK;
    if (rc != JB_ENOTFOUND)
        return cli_fail(CLI_IO, "%s", message);
    if (create && stat(data, &st) != 0) {
        if (make_folder(data) != 0)
            return cli_fail(CLI_IO, "%s: %s", data, strerror(errno));
        fprintf(stderr, "jabiru: %s was not there and has been made\n", data);
    }
    if (stat(data, &st) != 0)
        return cli_fail(CLI_IO, "%s: %s", data, strerror(errno));
    /* What root would make there, the server could not open. */
    if (jb__privilege_become_owner(data) != 0)
        return cli_fail(CLI_IO, "cannot become the owner of %s: %s", data, strerror(errno));
    rc = accounts_store_open(data, out, message);
    if (rc == JB_ESTATE)
        return cli_fail(CLI_IO, "%s, but no server answers on its control socket", message);
    return rc == 0 ? CLI_OK
                   : cli_fail(CLI_IO, "%s: %s", data, message[0] ? message : jb_strerror(rc));
}

int accounts_fail(const struct accounts *a, int rc, const char *what)
{
    return cli_fail(cli_status(rc), "%s%s%s", what, what[0] ? ": " : "",
                    a->message[0] ? a->message : jb_strerror(rc));
}
