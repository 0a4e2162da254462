/* SPDX-License-Identifier: MIT */
/* A configuration file: it is refused with one line of words, or it is a configuration, which is no
 * different from itself. */
#include "fuzz.h"

#include "server/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;
static char path[64];

static void prepare(void)
{
    if (file >= 0)
        return;
    file = memfd_create("config", MFD_CLOEXEC);
    jb_assert(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    jb_assert(setenv("XDG_STATE_HOME", "/var/state", 1) == 0);
}

static void on_difference(void *ctx, const struct config_change *change)
{
    (void)ctx;
    jb_assert(!change);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const struct config_modules modules = boot_modules();
    const struct config *config;
    struct config_error error = { "" };

    prepare();
    jb_assert(ftruncate(file, 0) == 0 && pwrite(file, p, n, 0) == (ssize_t)n);
    if (config_load(path, NULL, &modules, &config, &error) != 0) {
        jb_assert(error.text[0] && !strchr(error.text, '\n'));
        return 0;
    }
    jb_assert(config->host_count > 0);
    config_diff(config, config, on_difference, NULL);
    config_unref(config);
    return 0;
}
