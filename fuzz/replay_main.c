/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target once over every file of the folders given: kept seeds and old crashes.
 * A folder that cannot be read or holds no file is a failure, so that no target passes unseen. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes go into a block of exactly their size: a sanitizer then sees a read past the end. */
static bool run_file(int folder, const char *name)
{
    struct stat info;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool ok = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (ok) {
        size_t n = (size_t)info.st_size;
        uint8_t *bytes = malloc(n ? n : 1);
        ok = bytes && read(fd, bytes, n) == (ssize_t)n;
        if (ok)
            LLVMFuzzerTestOneInput(bytes, n);
        free(bytes);
    }
    close(fd);
    return ok;
}

/* Returns how many files were run, or -1. */
static int run_folder(const char *path)
{
    DIR *folder = opendir(path);
    int files = 0;

    if (!folder)
        return -1;
    for (struct dirent *e = readdir(folder); e && files >= 0; e = readdir(folder)) {
        if (e->d_name[0] == '.')
            continue;
        files = run_file(dirfd(folder), e->d_name) ? files + 1 : -1;
    }
    closedir(folder);
    return files;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int files = run_folder(argv[i]);
        if (files <= 0) {
            fprintf(stderr, "%s: %s\n", argv[i], files == 0 ? "no seeds" : "cannot be read");
            return 1;
        }
        printf("%s: %d seeds\n", argv[i], files);
    }
    return argc > 1 ? 0 : 1;
}
