// SPDX-License-Identifier: MIT-0
/*
    quirkfs.c -- a FUSE file system that passes everything on, but for one quirk

        quirkfs quirk directory mountpoint
        quirkfs list

    Each quirk is one of file systems that exist: a call that they have not, or
    refuse, or interrupt, or attributes that say something else. A call that is
    done, and then says EINTR, does so every other time.
*/
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum call {
    NO_CALL, LINK, UTIMENS, FSYNC, FSYNCDIR, FLUSH, FLOCK, MKDIR, UNLINK,
    RENAME, CREATE, WRITE
} call;

typedef enum when {
    OTHERWISE,          // what it does stands at the call
    ALWAYS,             // nothing is done, and this is the error
    OFTEN,              // the same every other time
    AFTER               // it is done, and says so every other time
} when;

static const struct quirk {
    const char *name;
    when        when;
    call        of;
    int         error;
} quirks[] = {
    { "none",           OTHERWISE, NO_CALL, 0 },
    // Attributes.
    { "mode777",        OTHERWISE, NO_CALL, 0 },  // for ever, whoever asks
    { "nlink1",         OTHERWISE, NO_CALL, 0 },  // with two names, too
    { "mtime2s",        OTHERWISE, NO_CALL, 0 },  // FAT's granularity
    { "mtime0",         OTHERWISE, NO_CALL, 0 },
    { "mtimeclose",     OTHERWISE, NO_CALL, 0 },  // each close changes it
    { "mtimewrite",     OTHERWISE, NO_CALL, 0 },  // a writer's does
    { "ino32",          OTHERWISE, NO_CALL, 0 },
    { "dynino",         OTHERWISE, NO_CALL, 0 },  // made up by libfuse
    { "cache",          OTHERWISE, NO_CALL, 0 },  // names, attributes: a second
    // Calls.
    { "hardremove",     OTHERWISE, NO_CALL, 0 },  // no .fuse_hidden
    { "noreplace",      OTHERWISE, NO_CALL, 0 },  // rename does not
    { "renamedir",      OTHERWISE, NO_CALL, 0 },  // is EXDEV for a directory
    { "linkdir",        OTHERWISE, NO_CALL, 0 },  // only within a directory
    { "writeshort",     OTHERWISE, NO_CALL, 0 },  // half of it
    { "linkEPERM",      ALWAYS, LINK, EPERM },
    { "linkEACCES",     ALWAYS, LINK, EACCES },
    { "linkENOTSUP",    ALWAYS, LINK, EOPNOTSUPP },
    { "linkENOSYS",     ALWAYS, LINK, ENOSYS },
    { "linkEMLINK",     ALWAYS, LINK, EMLINK },
    { "utimeEPERM",     ALWAYS, UTIMENS, EPERM },
    { "utimeENOSYS",    ALWAYS, UTIMENS, ENOSYS },
    { "fsyncEINVAL",    ALWAYS, FSYNC, EINVAL },
    { "dirsyncEINVAL",  ALWAYS, FSYNCDIR, EINVAL },
    { "dirsyncENOTSUP", ALWAYS, FSYNCDIR, EOPNOTSUPP },
    { "dirsyncEBADF",   ALWAYS, FSYNCDIR, EBADF },
    { "dirsyncEIO",     ALWAYS, FSYNCDIR, EIO },
    { "dirsyncEACCES",  ALWAYS, FSYNCDIR, EACCES },
    { "flushEIO",       ALWAYS, FLUSH, EIO },
    { "flockENOSYS",    ALWAYS, FLOCK, ENOSYS },
    { "flockENOLCK",    ALWAYS, FLOCK, ENOLCK },
    { "writeEINTR",     OFTEN, WRITE, EINTR },
    { "fsyncEINTR",     OFTEN, FSYNC, EINTR },
    { "mkdirEINTR",     AFTER, MKDIR, EINTR },
    { "unlinkEINTR",    AFTER, UNLINK, EINTR },
    { "renameEINTR",    AFTER, RENAME, EINTR },
    { "linkEINTR",      AFTER, LINK, EINTR },
    { "createEINTR",    AFTER, CREATE, EINTR }
};

static struct {
    const struct quirk *quirk;
    int                 root;           // the directory below
    unsigned            calls;          // that may say EINTR
    pthread_mutex_t     lock;
} q = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is(const char *name)
{
    return strcmp(q.quirk->name, name) == 0;
}

static bool every_other_time(void)
{
    pthread_mutex_lock(&q.lock);
    const bool yes = q.calls++ % 2 == 0;
    pthread_mutex_unlock(&q.lock);
    return yes;
}

// The error of a call that is not to be made, or 0.
static int refused(call of)
{
    const struct quirk *k = q.quirk;
    return k->of == of && (k->when == ALWAYS ||
                           (k->when == OFTEN && every_other_time()))
           ? -k->error : 0;
}

// What a call says that gave r, 0 or more for success.
static int said(call of, long r)
{
    if (r < 0) {
        return -errno;
    }
    return q.quirk->of == of && q.quirk->when == AFTER && every_other_time()
           ? -q.quirk->error : (int)r;
}

// The path below. What has a handle may have none any more: then it is NULL.
static const char *at(const char *path)
{
    return path[1] != '\0' ? path + 1 : ".";
}

static int fd_of(const struct fuse_file_info *fi)
{
    return (int)fi->fh;
}

static int q_getattr(const char *path, struct stat *st,
                     struct fuse_file_info *fi)
{
    const int r = said(NO_CALL, fi != NULL
        ? fstat(fd_of(fi), st)
        : fstatat(q.root, at(path), st, AT_SYMLINK_NOFOLLOW));
    if (is("mode777")) {
        st->st_mode |= 0777;
    } else if (is("nlink1")) {
        st->st_nlink = 1;
    } else if (is("ino32")) {
        st->st_ino = (uint32_t)st->st_ino;
    } else if (is("mtime2s")) {
        st->st_mtim.tv_nsec = 0;
        st->st_mtim.tv_sec &= ~1L;
    } else if (is("mtime0")) {
        st->st_mtim = (struct timespec){ .tv_sec = 0 };
    }
    return r;
}

static int q_opendir(const char *path, struct fuse_file_info *fi)
{
    const int fd = openat(q.root, at(path), O_RDONLY | O_DIRECTORY);
    fi->fh = (uint64_t)fd;
    return fd < 0 ? -errno : 0;
}

static int q_releasedir(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    close(fd_of(fi));
    return 0;
}

static int q_readdir(const char *path, void *buf, fuse_fill_dir_t fill,
                     off_t from, struct fuse_file_info *fi,
                     enum fuse_readdir_flags flags)
{
    (void)path, (void)from, (void)flags;
    const int fd = openat(fd_of(fi), ".", O_RDONLY | O_DIRECTORY);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        return -errno;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL; ) {
        fill(buf, e->d_name, NULL, 0, 0);
    }
    closedir(d);
    return 0;
}

static int q_mkdir(const char *path, mode_t mode)
{
    return said(MKDIR, mkdirat(q.root, at(path), mode));
}

static int q_unlink(const char *path)
{
    return said(UNLINK, unlinkat(q.root, at(path), 0));
}

static int q_rmdir(const char *path)
{
    return said(NO_CALL, unlinkat(q.root, at(path), AT_REMOVEDIR));
}

static int q_rename(const char *from, const char *to, unsigned flags)
{
    struct stat st;
    if (flags != 0) {
        return -EINVAL;
    }
    if (is("noreplace") && faccessat(q.root, at(to), F_OK, 0) == 0) {
        return -EEXIST;
    }
    if (is("renamedir") && fstatat(q.root, at(from), &st, 0) == 0 &&
        S_ISDIR(st.st_mode)) {
        return -EXDEV;
    }
    return said(RENAME, renameat(q.root, at(from), q.root, at(to)));
}

static bool same_directory(const char *a, const char *b)
{
    const size_t n = (size_t)(strrchr(a, '/') - a);
    return n == (size_t)(strrchr(b, '/') - b) && strncmp(a, b, n) == 0;
}

static int q_link(const char *from, const char *to)
{
    const int no = refused(LINK);
    if (no != 0) {
        return no;
    }
    if (is("linkdir") && !same_directory(from, to)) {
        return -EXDEV;
    }
    return said(LINK, linkat(q.root, at(from), q.root, at(to), 0));
}

static int q_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    if (is("mode777")) {
        return 0;
    }
    return said(NO_CALL, fi != NULL ? fchmod(fd_of(fi), mode)
                                    : fchmodat(q.root, at(path), mode, 0));
}

static int q_chown(const char *path, uid_t uid, gid_t gid,
                   struct fuse_file_info *fi)
{
    return said(NO_CALL, fi != NULL ? fchown(fd_of(fi), uid, gid)
        : fchownat(q.root, at(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int q_truncate(const char *path, off_t n, struct fuse_file_info *fi)
{
    const int fd = fi != NULL ? fd_of(fi) : openat(q.root, at(path), O_WRONLY);
    const int r = fd < 0 ? -errno : said(NO_CALL, ftruncate(fd, n));
    if (fi == NULL && fd >= 0) {
        close(fd);
    }
    return r;
}

static int q_utimens(const char *path, const struct timespec times[2],
                     struct fuse_file_info *fi)
{
    const int no = refused(UTIMENS);
    if (no != 0) {
        return no;
    }
    return said(NO_CALL, fi != NULL
        ? futimens(fd_of(fi), times)
        : utimensat(q.root, at(path), times, AT_SYMLINK_NOFOLLOW));
}

static int q_open(const char *path, struct fuse_file_info *fi)
{
    const int fd = openat(q.root, at(path), fi->flags & ~O_NOFOLLOW);
    fi->fh = (uint64_t)fd;
    return fd < 0 ? -errno : 0;
}

static int q_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    const int fd = openat(q.root, at(path), fi->flags, mode);
    const int r = said(CREATE, fd);
    fi->fh = (uint64_t)fd;
    if (r < 0 && fd >= 0) {
        close(fd);
    }
    return r < 0 ? r : 0;
}

static int q_read(const char *path, char *buf, size_t n, off_t from,
                  struct fuse_file_info *fi)
{
    (void)path;
    return said(NO_CALL, pread(fd_of(fi), buf, n, from));
}

static int q_write(const char *path, const char *buf, size_t n, off_t from,
                   struct fuse_file_info *fi)
{
    const int no = refused(WRITE);
    (void)path;
    if (no != 0) {
        return no;
    }
    n = is("writeshort") && n > 1 ? n / 2 : n;
    return said(NO_CALL, pwrite(fd_of(fi), buf, n, from));
}

static int q_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    if (is("mtimeclose") ||
        (is("mtimewrite") && (fi->flags & O_ACCMODE) != O_RDONLY)) {
        (void)futimens(fd_of(fi), NULL);
    }
    close(fd_of(fi));
    return 0;
}

static int q_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    const int no = refused(FSYNC);
    (void)path, (void)data_only;
    return no != 0 ? no : said(NO_CALL, fsync(fd_of(fi)));
}

static int q_fsyncdir(const char *path, int data_only,
                      struct fuse_file_info *fi)
{
    const int no = refused(FSYNCDIR);
    (void)path, (void)data_only;
    return no != 0 ? no : said(NO_CALL, fsync(fd_of(fi)));
}

static int q_flush(const char *path, struct fuse_file_info *fi)
{
    (void)path, (void)fi;
    return refused(FLUSH);
}

static int q_flock(const char *path, struct fuse_file_info *fi, int how)
{
    const int no = refused(FLOCK);
    (void)path;
    return no != 0 ? no : said(NO_CALL, flock(fd_of(fi), how));
}

static int q_statfs(const char *path, struct statvfs *st)
{
    (void)path;
    return said(NO_CALL, fstatvfs(q.root, st));
}

static void *q_init(struct fuse_conn_info *connection, struct fuse_config *c)
{
    (void)connection;
    c->use_ino = !is("dynino");
    // libfuse does not know that a rename was done which then failed, and would
    // hide an open file under a name that nobody removes.
    c->hard_remove = is("hardremove") || q.quirk->when == AFTER;
    c->attr_timeout = c->entry_timeout = is("cache") ? 1.0 : 0.0;
    return NULL;
}

static const struct fuse_operations operations = {
    .getattr = q_getattr, .opendir = q_opendir, .readdir = q_readdir,
    .releasedir = q_releasedir, .mkdir = q_mkdir,
    .unlink = q_unlink, .rmdir = q_rmdir, .rename = q_rename, .link = q_link,
    .chmod = q_chmod, .chown = q_chown, .truncate = q_truncate,
    .utimens = q_utimens, .open = q_open, .create = q_create, .read = q_read,
    .write = q_write, .release = q_release, .fsync = q_fsync,
    .fsyncdir = q_fsyncdir, .flush = q_flush, .flock = q_flock,
    .statfs = q_statfs, .init = q_init
};

int main(int argc, char **argv)
{
    const bool list = argc == 2 && strcmp(argv[1], "list") == 0;
    for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++) {
        if (list) {
            puts(quirks[i].name);
        } else if (argc == 4 && strcmp(argv[1], quirks[i].name) == 0) {
            q.quirk = &quirks[i];
        }
    }
    if (q.quirk == NULL) {
        if (!list) {
            fprintf(stderr, "usage: quirkfs list | quirk directory "
                    "mountpoint\n");
        }
        return list ? 0 : 2;
    }
    q.root = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (q.root < 0) {
        perror(argv[2]);
        return 1;
    }
    char *args[] = { argv[0], argv[3], NULL };
    umask(0);
    return fuse_main(2, args, &operations, NULL);
}
