/* SPDX-License-Identifier: MIT */
/* Prints the options of the server itself, as `jabirud --explain` does; used while building, for
 * jabirud.conf(5). */
#include "server/config.h"

#include <stdio.h>

enum { MOST_BYTES = 1024 * 1024 };

int main(int argc, char **argv)
{
    static const struct config_modules none = { NULL, 0 };
    struct jb__buf out;

    jb__buf_init(&out, &jb_allocator_abort, MOST_BYTES);
    int rc = config_explain(argc > 1 ? argv[1] : NULL, &none, &out);
    fwrite(out.p, 1, out.n, stdout);
    jb__buf_deinit(&out);
    return rc == 0 && fflush(stdout) == 0 ? 0 : 1;
}
