// SPDX-License-Identifier: MIT-0
/*
    workspace.h -- an environment that is a directory tree

    A workspace is a directory in which an agent acts. A checkpoint of it is a
    copy; a restore is a copy of the copy. Where the file system can share
    blocks between files (btrfs, xfs), a copy costs almost nothing.

        store/ws-<id>/tree/...      a checkpoint: the tree, and
        store/ws-<id>/meta.json     written last
        store/ws-<id>.new/          half made, or half released
        store/env-<n>/              a workspace somebody works in

    A checkpoint gets its name, by one rename, when all of it is on the disk,
    and loses it before any of it is removed: what has the name is whole.
    ws_restore and ws_release are what a ckpt_env_desc asks for; .user is the
    ws_store. Functions return 0 or an errno. POSIX.1-2008.
*/
#ifndef WORKSPACE_H
#define WORKSPACE_H

#include "../ckpt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
    #include <linux/fs.h>
    #include <sys/ioctl.h>
#endif

// For functions that not every program uses.
#if defined(__GNUC__) || defined(__clang__)
    #define WS_FN __attribute__((unused)) static
#else
    #define WS_FN static
#endif

enum { WS_DEPTH_MAX = 32, WS_NAME_MAX = CKPT_NAME_MAX + 8 };

#define WS_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

// Where checkpoints and workspaces are kept.
typedef struct ws_store {
    int fd;
} ws_store;

// A workspace somebody works in: what a restore gives.
typedef struct ws_env {
    int  fd;                            // of its directory
    char name[WS_NAME_MAX];             // in the store
} ws_env;

static int ws_errno(bool good)
{
    return good ? 0 : errno;
}

// Calls fn for every name in a directory but "." and "..", until it fails.
static int ws_each(int dir, int (*fn)(int dir, const char *name, void *user),
                   void *user)
{
    int fd = openat(dir, ".", WS_DIR), error = 0;
    DIR *walk = fd >= 0 ? fdopendir(fd) : NULL;
    if (walk == NULL) {
        error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    for (struct dirent *e; error == 0; ) {
        errno = 0;
        if ((e = readdir(walk)) == NULL) {
            error = errno;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            error = fn(dir, e->d_name, user);
        }
    }
    closedir(walk);
    return error;
}

//--- Remove -------------------------------------------------------------------

// Removes a tree. That it is gone already is success.
static int ws_remove(int dir, const char *name, void *ignored)
{
    int error, fd;
    (void)ignored;
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {    // EPERM: what POSIX says
        return errno;
    }
    fd = openat(dir, name, WS_DIR);
    if (fd < 0) {
        return errno;
    }
    error = ws_each(fd, ws_remove, NULL);
    close(fd);
    return error != 0 ? error
                      : ws_errno(unlinkat(dir, name, AT_REMOVEDIR) == 0 ||
                                 errno == ENOENT);
}

//--- Copy ---------------------------------------------------------------------

typedef struct ws_copy_to {
    int  fd, depth;
    bool sync;                          // to the medium, too
} ws_copy_to;

static int ws_copy_bytes(int from, int to)
{
    char buf[16 * 1024];
    ssize_t n;
#if defined(FICLONE)
    if (ioctl(to, FICLONE, from) == 0) {
        return 0;                       // else copy: that says what is wrong
    }
#endif
    while ((n = read(from, buf, sizeof(buf))) > 0) {
        for (ssize_t at = 0, w; at < n; at += w) {
            if ((w = write(to, buf + at, (size_t)(n - at))) < 0) {
                return errno;
            }
        }
    }
    return ws_errno(n == 0);
}

static int ws_copy_file(int dir, const char *name, const ws_copy_to *to)
{
    struct stat st;
    int error, out = -1;
    int in = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) != 0 ||
        (out = openat(to->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                      0600)) < 0) {
        error = errno;
    } else {
        error = ws_copy_bytes(in, out);
        if (error == 0) {
            error = ws_errno(fchmod(out, st.st_mode & 0777) == 0 &&
                             (!to->sync || fsync(out) == 0));
        }
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0 && close(out) != 0 && error == 0) {
        error = errno;
    }
    return error;
}

// Copies an entry of a directory into another one. What is neither file nor
// directory is refused: it could not be restored as what it was.
static int ws_copy(int dir, const char *name, void *user)
{
    const ws_copy_to *to = (const ws_copy_to *)user;
    ws_copy_to        in = { -1, to->depth + 1, to->sync };
    struct stat       st;
    int               error, from;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (S_ISREG(st.st_mode)) {
        return ws_copy_file(dir, name, to);
    }
    if (!S_ISDIR(st.st_mode) || in.depth > WS_DEPTH_MAX) {
        return S_ISDIR(st.st_mode) ? ELOOP : ENOTSUP;
    }
    from = openat(dir, name, WS_DIR);
    if (from < 0 || mkdirat(to->fd, name, 0700) != 0 ||
        (in.fd = openat(to->fd, name, WS_DIR)) < 0) {
        error = errno;
    } else {
        error = ws_each(from, ws_copy, &in);
        error = error != 0 ? error
                           : ws_errno((!in.sync || fsync(in.fd) == 0) &&
                                      fchmod(in.fd, st.st_mode & 0777) == 0);
    }
    if (from >= 0) {
        close(from);
    }
    if (in.fd >= 0) {
        close(in.fd);
    }
    return error;
}

// Copies what is in a directory into a new one, down to the medium.
static int ws_copy_tree(int from, int dir, const char *name)
{
    ws_copy_to to = { -1, 0, true };
    int        error;
    if (mkdirat(dir, name, 0700) != 0 ||
        (to.fd = openat(dir, name, WS_DIR)) < 0) {
        return errno;
    }
    error = ws_each(from, ws_copy, &to);
    error = error != 0 ? error : ws_errno(fsync(to.fd) == 0);
    close(to.fd);
    return error;
}

//--- The store ----------------------------------------------------------------

// Opens a store, and makes its directory if needed.
WS_FN int ws_open(ws_store *ws, const char *dir)
{
    ws->fd = -1;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return errno;
    }
    ws->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ws_errno(ws->fd >= 0);
}

// The name of a checkpoint. An id becomes a path only if it is harmless.
static int ws_name(const char *id, const char *end, char name[WS_NAME_MAX])
{
    for (const char *c = id; *c != '\0'; c++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_-", *c) == NULL) {
            return EINVAL;
        }
    }
    const int n = snprintf(name, WS_NAME_MAX, "ws-%s%s", id, end);
    return *id != '\0' && n < WS_NAME_MAX ? 0 : EINVAL;
}

static int ws_write(int dir, const char *name, const char *text)
{
    const size_t len = strlen(text);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = ws_errno(fd >= 0);
    if (error == 0) {
        const ssize_t n = write(fd, text, len);
        error = n == (ssize_t)len ? ws_errno(fsync(fd) == 0)
                                  : n < 0 ? errno : ENOSPC;
        error = close(fd) == 0 || error != 0 ? error : errno;
    }
    return error;
}

// Makes a checkpoint of the workspace that the descriptor from is open on.
// meta is kept with it, as it is.
WS_FN int ws_checkpoint(ws_store *ws, const char *id, int from,
                        const char *meta)
{
    char name[WS_NAME_MAX], half[WS_NAME_MAX];
    int  fd = -1, error = ws_name(id, "", name);
    error = error != 0 ? error : ws_name(id, ".new", half);
    error = error != 0 ? error : ws_remove(ws->fd, half, NULL);
    if (error == 0) {
        error = ws_errno(mkdirat(ws->fd, half, 0700) == 0 &&
                         (fd = openat(ws->fd, half, WS_DIR)) >= 0);
    }
    error = error != 0 ? error : ws_copy_tree(from, fd, "tree");
    error = error != 0 ? error : ws_write(fd, "meta.json", meta);
    error = error != 0 ? error : ws_errno(fsync(fd) == 0);
    if (fd >= 0) {
        close(fd);
    }
    // A checkpoint of that name stays: rename replaces only what is empty.
    return error != 0 ? error
                      : ws_errno(renameat(ws->fd, half, ws->fd, name) == 0 &&
                                 fsync(ws->fd) == 0);
}

// Opens a new workspace: a copy of the directory from, or empty for from < 0.
WS_FN int ws_env_make(ws_store *ws, int from, ws_env *env)
{
    int error = EEXIST;
    env->fd = -1;
    for (unsigned n = 0; error == EEXIST; n++) {
        snprintf(env->name, sizeof(env->name), "env-%u", n);
        error = ws_errno(mkdirat(ws->fd, env->name, 0700) == 0);
    }
    error = error != 0 ? error
          : ws_errno((env->fd = openat(ws->fd, env->name, WS_DIR)) >= 0);
    if (error == 0 && from >= 0) {
        ws_copy_to to = { env->fd, 0, false };
        error = ws_each(from, ws_copy, &to);
    }
    return error;
}

// Ends a workspace, also one that was half made.
WS_FN int ws_env_end(ws_store *ws, ws_env *env)
{
    if (env->fd >= 0) {
        close(env->fd);
    }
    env->fd = -1;
    return ws_remove(ws->fd, env->name, NULL);
}

// A ckpt_restore_fn. out is a ws_env; end it with ws_env_end().
WS_FN int ws_restore(void *user, const ckpt_env *checkpoint, void *out)
{
    ws_store *ws = (ws_store *)user;
    ws_env   *env = (ws_env *)out;
    char      name[WS_NAME_MAX];
    int       dir = -1, fd = -1, error = ws_name(checkpoint->id, "", name);
    if (error == 0 && ((dir = openat(ws->fd, name, WS_DIR)) < 0 ||
                       (fd = openat(dir, "tree", WS_DIR)) < 0)) {
        error = errno;
    }
    if (error == 0 && (error = ws_env_make(ws, fd, env)) != 0) {
        (void)ws_env_end(ws, env);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (dir >= 0) {
        close(dir);
    }
    return error;
}

// A ckpt_release_fn. Takes the name away first: a tree half removed has none.
WS_FN int ws_release(void *user, const ckpt_env *checkpoint)
{
    ws_store *ws = (ws_store *)user;
    char      name[WS_NAME_MAX], half[WS_NAME_MAX];
    int       error = ws_name(checkpoint->id, "", name);
    error = error != 0 ? error : ws_name(checkpoint->id, ".new", half);
    error = error != 0 ? error : ws_remove(ws->fd, half, NULL);
    if (error == 0 && renameat(ws->fd, name, ws->fd, half) != 0) {
        return errno == ENOENT ? 0 : errno;     // gone already
    }
    error = error != 0 ? error : ws_errno(fsync(ws->fd) == 0);
    return error != 0 ? error : ws_remove(ws->fd, half, NULL);
}

typedef struct ws_sweeping {
    bool   (*keep)(void *user, const char *id);
    void    *user;
    unsigned count;
} ws_sweeping;

static int ws_sweep_one(int dir, const char *name, void *user)
{
    ws_sweeping *s = (ws_sweeping *)user;
    const bool   ours = strncmp(name, "ws-", 3) == 0;
    if ((!ours && strncmp(name, "env-", 4) != 0) ||
        (ours && strchr(name, '.') == NULL && s->keep(s->user, name + 3))) {
        return 0;
    }
    s->count++;
    return ws_remove(dir, name, NULL);
}

// Removes every workspace, every half made checkpoint, and every whole one
// that is not to be kept. Only for who holds the claim of the run that the
// store belongs to. *count (may be NULL) is how many were removed.
WS_FN int ws_sweep(ws_store *ws, bool (*keep)(void *user, const char *id),
                   void *user, unsigned *count)
{
    ws_sweeping s = { keep, user, 0 };
    const int   error = ws_each(ws->fd, ws_sweep_one, &s);
    if (count != NULL) {
        *count = s.count;
    }
    return error;
}

#endif
