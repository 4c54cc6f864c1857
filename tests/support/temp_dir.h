// SPDX-License-Identifier: MIT-0
// temp_dir.h -- a directory for a test, in TMPDIR or /tmp, and its removal
//
//     char dir[256];
//     CHECK(temp_dir_make(dir, sizeof(dir), "open"));
//     temp_dir_remove(dir);                   // with all that is in it
//
// Include it after what asks for POSIX, such as ckpt_store_fs.h.
#ifndef TEMP_DIR_H
#define TEMP_DIR_H

#include "test.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

TEST_FN bool temp_dir_make(char *dir, size_t size, const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, size, "%.200s/ckpt-%s-XXXXXX",
             base != NULL && base[0] == '/' ? base : "/tmp", name);
    return mkdtemp(dir) != NULL;
}

// Also what a test has made unreadable. Follows no link. True if it is gone.
TEST_FN bool temp_dir_remove(const char *path)
{
    struct stat st;
    struct dirent *e;
    DIR *d = NULL;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        (void)chmod(path, 0700);
        d = opendir(path);
    }
    while (d != NULL && (e = readdir(d)) != NULL) {
        char child[1024];
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
            (void)temp_dir_remove(child);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return remove(path) == 0;
}

#endif /* TEMP_DIR_H */
