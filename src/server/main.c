/* SPDX-License-Identifier: MIT */
#include "net/openssl_memory.h"
#include "server/boot.h"
#include "server/control_inject.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, EXPLAIN_BYTES = 1024 * 1024 };

static const char usage[] =
    "usage: jabirud [--config FILE] [--data DIR] [--listen ADDR:PORT]\n"
    "       jabirud --check FILE\n"
    "       jabirud --explain [KEY]\n"
    "\n"
    "  --config FILE        read the configuration from FILE (see jabirud.conf(5))\n"
    "  --data DIR           keep accounts, messages and keys in DIR\n"
    "  --listen ADDR:PORT   listen there and nowhere else\n"
    "  --check FILE         say whether FILE is a good configuration, and do nothing else\n"
    "  --explain [KEY]      print every option, or one, with default, range and meaning\n"
    "  --version            print the version\n"
    "\n"
    "Without any of these it serves localhost on 127.0.0.1:5280.\n";

static int check(const char *path)
{
    struct config_modules modules = boot_modules();
    const struct config *config;
    struct config_error error;

    if (config_load(path, NULL, &modules, &config, &error) != 0) {
        fprintf(stderr, "jabirud: %s\n", error.text);
        return EXIT_FAILURE;
    }
    config_unref(config);
    printf("%s is fine.\n", path);
    return EXIT_SUCCESS;
}

static int explain(const char *key)
{
    struct config_modules modules = boot_modules();
    struct jb__buf out;

    jb__buf_init(&out, &jb_allocator_abort, EXPLAIN_BYTES);
    int rc = config_explain(key, &modules, &out);
    size_t written = fwrite(out.p, 1, out.n, rc == 0 ? stdout : stderr);
    if (written < out.n || fflush(stdout) != 0) {
        perror("jabirud: cannot write");
        rc = JB_EIO;
    }
    jb__buf_deinit(&out);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What a burst took goes back to the system: without this the allocator raises its own threshold
 * with every large block it sees freed, and keeps what lies below.  The rest does server/memory.h,
 * for which OpenSSL is counted. */
static void tame_allocator(void)
{
    enum { LARGE_BYTES = 1024 * 1024 };

    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
    jb__openssl_memory_begin();
}

int main(int argc, char **argv)
{
    enum { CONFIG, DATA, LISTEN, CHECK, EXPLAIN, VERSION, HELP };
    static const struct option options[] = {
        { "config", required_argument, NULL, CONFIG },
        { "data", required_argument, NULL, DATA },
        { "listen", required_argument, NULL, LISTEN },
        { "check", required_argument, NULL, CHECK },
        { "explain", optional_argument, NULL, EXPLAIN },
        { "version", no_argument, NULL, VERSION },
        { "help", no_argument, NULL, HELP },
        { 0 },
    };
    struct boot_options boot = { 0 };
    bool explaining = false;
    int option;

#ifdef JABIRU_TEST_HOOKS
    if (!inject_begin()) {
        fputs("jabirud: JABIRU_INJECT is malformed\n", stderr);
        return EXIT_USAGE;
    }
#endif
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case CONFIG:
            boot.config_file = optarg;
            break;
        case DATA:
            boot.overrides.data = optarg;
            break;
        case LISTEN:
            boot.overrides.listen = optarg;
            break;
        case CHECK:
            return check(optarg);
        case EXPLAIN:
            explaining = true;
            if (optarg)
                return explain(optarg);
            break;
        case VERSION:
            puts("jabirud " JABIRU_VERSION);
            return EXIT_SUCCESS;
        case HELP:
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (explaining)
        return explain(optind < argc ? argv[optind] : NULL);
    if (optind < argc) {
        fprintf(stderr, "jabirud: what is `%s`?\n%s", argv[optind], usage);
        return EXIT_USAGE;
    }
    tame_allocator();
    return boot_run(&boot);
}
