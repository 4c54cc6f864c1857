// SPDX-License-Identifier: MIT-0
// fuse_disk.h -- a FUSE file system with two files: disk, the bytes of an
// image, for a loop device; and mark, where a program says what was
// acknowledged to it. What becomes of writes, flushes and marks is up to who
// includes this. They come one after another, in one order.
#ifndef FUSE_DISK_H
#define FUSE_DISK_H

#define FUSE_USE_VERSION 31
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Called with the lock held. A write is in the image already.
static void on_write(off_t at, const void *bytes, size_t n);
static void on_flush(void);
static bool on_mark(const void *bytes, size_t n);   // false: EIO

static struct {
    int             image;
    off_t           size;
    pthread_mutex_t lock;
} d = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_disk(const char *path)
{
    return strcmp(path, "/disk") == 0;
}

static int get_attributes(const char *path, struct stat *st,
                          struct fuse_file_info *fi)
{
    (void)fi;
    memset(st, 0, sizeof(*st));
    st->st_nlink = 1;
    st->st_mode = S_IFREG | 0600;
    if (strcmp(path, "/") == 0) {
        st->st_mode = S_IFDIR | 0755;
    } else if (is_disk(path)) {
        st->st_size = d.size;
    } else if (strcmp(path, "/mark") != 0) {
        return -ENOENT;
    }
    return 0;
}

static int list(const char *path, void *buf, fuse_fill_dir_t fill, off_t at,
                struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    (void)path, (void)at, (void)fi, (void)flags;
    fill(buf, "disk", NULL, 0, 0);
    fill(buf, "mark", NULL, 0, 0);
    return 0;
}

// Nothing may wait in the page cache: the order in which it comes is the truth.
static int open_file(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    fi->direct_io = 1;
    return 0;
}

static int read_file(const char *path, char *buf, size_t n, off_t at,
                     struct fuse_file_info *fi)
{
    (void)fi;
    const ssize_t r = is_disk(path) ? pread(d.image, buf, n, at) : 0;
    return r < 0 ? -errno : (int)r;
}

static int write_file(const char *path, const char *buf, size_t n, off_t at,
                      struct fuse_file_info *fi)
{
    int r = (int)n;
    (void)fi;
    pthread_mutex_lock(&d.lock);
    if (!is_disk(path)) {
        r = on_mark(buf, n) ? r : -EIO;
    } else if (pwrite(d.image, buf, n, at) == (ssize_t)n) {
        on_write(at, buf, n);
    } else {
        r = -EIO;
    }
    pthread_mutex_unlock(&d.lock);
    return r;
}

static int sync_file(const char *path, int data_only,
                     struct fuse_file_info *fi)
{
    (void)data_only, (void)fi;
    if (is_disk(path)) {
        pthread_mutex_lock(&d.lock);
        on_flush();
        pthread_mutex_unlock(&d.lock);
    }
    return 0;
}

static int truncate_file(const char *path, off_t at, struct fuse_file_info *fi)
{
    (void)path, (void)at, (void)fi;
    return 0;
}

// No holes are punched: what is discarded stays as it was, which is legal.
static int allocate(const char *path, int mode, off_t at, off_t n,
                    struct fuse_file_info *fi)
{
    (void)path, (void)mode, (void)at, (void)n, (void)fi;
    return -EOPNOTSUPP;
}

static int serve(char *program, const char *image, char *mountpoint)
{
    static const struct fuse_operations operations = {
        .getattr = get_attributes, .readdir = list, .open = open_file,
        .read = read_file, .write = write_file, .fsync = sync_file,
        .truncate = truncate_file, .fallocate = allocate
    };
    struct stat st;
    char foreground[] = "-f";
    char *args[] = { program, mountpoint, foreground, NULL };
    d.image = open(image, O_RDWR);
    if (d.image < 0 || fstat(d.image, &st) != 0) {
        perror(image);
        return 1;
    }
    d.size = st.st_size;
    return fuse_main(3, args, &operations, NULL);
}

#endif /* FUSE_DISK_H */
