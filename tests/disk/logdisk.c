/*
    logdisk.c -- a disk that writes down everything that is done to it

        logdisk backing log mountpoint

    A FUSE file system with two files: disk, the bytes of backing, for a loop
    device; and mark, where a program says what was acknowledged to it. Every
    write, every flush and every mark goes to the end of log, in the order in
    which they came: crash.c makes the states from it that a power cut could
    have left. A loop device on disk flushes where its file system asks for it,
    so the log shows what was ordered and what was not.
*/
#define FUSE_USE_VERSION 31
#define _XOPEN_SOURCE 700

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int             backing, log;
    off_t           size;
    pthread_mutex_t lock;
} d = { .lock = PTHREAD_MUTEX_INITIALIZER };

// A log with a hole would prove things that did not happen.
static void write_down(log_kind kind, off_t at, const void *bytes, size_t n)
{
    const log_entry e = { .offset = (uint64_t)at, .size = n, .kind = kind };
    if (write(d.log, &e, sizeof(e)) != (ssize_t)sizeof(e) ||
        (n > 0 && write(d.log, bytes, n) != (ssize_t)n)) {
        perror("logdisk: the log");
        abort();
    }
}

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

// Nothing may wait in the page cache: the order of the log is the truth.
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
    const ssize_t r = is_disk(path) ? pread(d.backing, buf, n, at) : 0;
    return r < 0 ? -errno : (int)r;
}

static int write_file(const char *path, const char *buf, size_t n, off_t at,
                      struct fuse_file_info *fi)
{
    int r = (int)n;
    (void)fi;
    pthread_mutex_lock(&d.lock);
    if (!is_disk(path)) {
        write_down(LOG_MARK, 0, buf, n);
    } else if (pwrite(d.backing, buf, n, at) == (ssize_t)n) {
        write_down(LOG_WRITE, at, buf, n);
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
        write_down(LOG_FLUSH, 0, NULL, 0);
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

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {
        .getattr = get_attributes, .readdir = list, .open = open_file,
        .read = read_file, .write = write_file, .fsync = sync_file,
        .truncate = truncate_file, .fallocate = allocate
    };
    struct stat st;
    if (argc != 4) {
        fprintf(stderr, "usage: logdisk backing log mountpoint\n");
        return 2;
    }
    d.backing = open(argv[1], O_RDWR);
    d.log = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (d.backing < 0 || d.log < 0 || fstat(d.backing, &st) != 0) {
        perror("logdisk");
        return 1;
    }
    d.size = st.st_size;
    char foreground[] = "-f";
    char *args[] = { argv[0], argv[3], foreground, NULL };
    return fuse_main(3, args, &operations, NULL);
}
