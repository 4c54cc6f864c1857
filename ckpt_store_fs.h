/*
    ckpt_store_fs.h -- a store of ckpt.h in a directory of files       v0.1.0

    Do this in *one* C or C++ file, before anything else is included in it:

        #define CKPT_IMPLEMENTATION
        #define CKPT_STORE_FS_IMPLEMENTATION
        #include "ckpt_store_fs.h"          // includes ckpt.h

    Needs POSIX.1-2008. With -std=c99 the system headers hide what it uses
    unless _POSIX_C_SOURCE is defined before the first of them; the lines below
    take care of that, and the compiler stops with a message if they came late.

    ON DISK
    =======
    One directory for each run, named by its id:

        runs/                               0700, ours alone
            r-invoice-4711/
                heartbeat.1                 the claim of epoch 1, one line of
                                            JSON; its mtime is the last sign
                                            of life; its owner locks it
                checkpoint.1.json           the newest generation of epoch 1
                checkpoint.1.prev.json      the one before it
                heartbeat.2                 the claim of the process that
                checkpoint.2.json           resumed it, and what it saved
                bad.2.1.damaged.json        a generation that was set aside
                .t.2.5ke3...                a file being written
            .failed/                        dead letters
            .new-5ke3...                    a run being made
            .probe                          its mtime is this file system's
                                            clock, where beats are judged by
                                            age

    A run directory is "r-" and the id, with a-z 0-9 _ - kept and every other
    byte as %xx, while that fits in 200 bytes; else "b-" and base32 of the id.

    A checkpoint is plain JSON that checks itself (see README, "On disk"). It
    is replaced by: write a temporary file, fsync it, keep the old one as prev,
    rename, fsync the directory, look whether the claim still stands. So a
    reader sees the old one or the new one and never a mixture, and never
    waits.

    CAVEATS
    =======
      - A disk that lies about flushes, a mount without barriers, an NFS export
        with "async": OK is as good as they are. Fix: do not use them.
      - FAT and object-store mounts cannot replace a file atomically. Fix: keep
        runs elsewhere; the state of a run is small.
      - On network file systems a dead owner is recognized by the age of its
        beat, so a slow one can be taken for dead: it then gets
        CKPT_ERR_CLAIM_LOST, work is done twice, nothing saved is lost.
        Fix: raise .lease_ms.
      - A process that ignores SIGXFSZ gets an error when it reaches its file
        size limit; one that does not is killed by it.
      - Reading a directory allocates memory in the C library, and nothing else
        here does.

    LICENSE
    =======
    MIT-0, see the end of ckpt.h.
*/
#ifdef CKPT_STORE_FS_IMPLEMENTATION
    #if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE) && \
        !defined(__APPLE__) && !defined(__FreeBSD__)
        #define _POSIX_C_SOURCE 200809L
    #endif
#endif

#ifndef CKPT_STORE_FS_H
#define CKPT_STORE_FS_H

#include "ckpt.h"

#ifdef __cplusplus
extern "C" {
#endif

// How far a write goes before it counts as done.
typedef enum ckpt_store_fs_durability {
    CKPT_STORE_FS_POWER,    // survives a power cut: fsync file and directory
    CKPT_STORE_FS_PROCESS   // survives a killed process. After a power cut a
                            // load may say damaged or give an older save,
                            // never a wrong one
} ckpt_store_fs_durability;

// How a dead owner is recognized.
typedef enum ckpt_store_fs_liveness {
    CKPT_STORE_FS_AUTO,     // locks on local file systems, age elsewhere
    CKPT_STORE_FS_LOCKS,    // flock(2): exact on one kernel
    CKPT_STORE_FS_AGE       // the age of the heartbeat
} ckpt_store_fs_liveness;

// What the store wants to know about a file.
typedef struct ckpt_fs_stat {
    uint64_t dev, ino, size, nlink;
    int64_t  mtime_ns;
    uint32_t uid;
    uint32_t mode;          // permission bits only
    bool     is_file, is_dir;
} ckpt_fs_stat;

// What distinguishes this process from every other one.
typedef struct ckpt_fs_self {
    char     host[64];
    char     boot[40];      // boot id; "" if the system has none
    uint64_t pid_ns;        // pid namespace; 0 if the system has none
    int64_t  pid;
    uint64_t start;         // start time of the process, in ticks; 0: unknown
} ckpt_fs_self;

// Flags of open().
enum {
    CKPT_FS_READ   = 0,
    CKPT_FS_WRITE  = 1 << 0,    // read and write
    CKPT_FS_CREATE = 1 << 1,    // create it, mode 0600
    CKPT_FS_EXCL   = 1 << 2,    // fail if it exists
    CKPT_FS_DIR    = 1 << 3,    // must be a directory
    CKPT_FS_FOLLOW = 1 << 4     // may be a symbolic link (the root only)
};

// Every system call the store makes. Each returns -errno on failure. Names are
// one path component, but for the root. This table is how the store is ported,
// and how tests put a simulated disk or faults under it.
typedef struct ckpt_fs_calls {
    int (*open)(void *u, int dir, const char *name, int flags);  // descriptor
    int (*close)(void *u, int fd);
    int64_t (*read)(void *u, int fd, void *buf, size_t n, uint64_t offset);
    int64_t (*write)(void *u, int fd, const void *buf, size_t n,
                     uint64_t offset);
    int (*sync)(void *u, int fd);           // file or directory, to the medium
    int (*stat)(void *u, int fd, ckpt_fs_stat *st);
    int (*stat_at)(void *u, int dir, const char *name, ckpt_fs_stat *st);
    int (*mkdir)(void *u, int dir, const char *name);           // mode 0700
    int (*rmdir)(void *u, int dir, const char *name);
    int (*unlink)(void *u, int dir, const char *name);
    int (*rename)(void *u, int dir, const char *from, int to_dir,
                  const char *to);
    int (*link)(void *u, int dir, const char *from, int to_dir,
                const char *to);
    int (*lock)(void *u, int fd, bool exclusive);   // at once, or -EWOULDBLOCK
    int (*touch)(void *u, int fd);          // mtime = the file system's now
    int (*dir_open)(void *u, int dir, void **walk);
    int (*dir_next)(void *u, void *walk, char name[256]);   // 1, 0 at the end
    void (*dir_close)(void *u, void *walk);
    int (*local)(void *u, int fd);          // 1: locks work here; 2: and the
                                            // contents are lost with the power
    int (*self)(void *u, ckpt_fs_self *self);
    int (*gone)(void *u, int64_t pid, uint64_t start);  // 1: certainly gone
    int64_t (*pid)(void *u);
    int (*clock)(void *u, ckpt_moment *now);
    int (*random)(void *u, void *buf, size_t n);
} ckpt_fs_calls;

// Options of a file store. Zero-initialize for defaults.
typedef struct ckpt_store_fs_desc {
    const char              *dir;       // required; created (0700) if its
                                        // parent exists; may be a symlink
    ckpt_store_fs_durability durability;    // default: CKPT_STORE_FS_POWER
    ckpt_store_fs_liveness   liveness;      // default: CKPT_STORE_FS_AUTO
    const ckpt_fs_calls     *calls;     // default: those of this system
    void                    *calls_user;
} ckpt_store_fs_desc;

// A file store. Owned by the caller; holds one descriptor. Any number of
// contexts, runs and threads may use it at a time; do not move it while any
// does.
typedef struct ckpt_store_fs {
    ckpt_store base;                    // pass &fs.base to ckpt_init
    struct {
        int                      root;  // -1: closed
        ckpt_store_fs_durability durability;
        bool                     locks;
        const ckpt_fs_calls     *calls;
        void                    *user;
    } priv;                             // not part of the API
} ckpt_store_fs;

// Opens a store, creating its directory if needed. *err (may be NULL) tells
// more about a failure.
//
// Returns CKPT_ERR_ARGUMENT if dir is NULL or an option out of its range or
// locks are asked for where there are none; CKPT_ERR_UNSAFE if others can write
// to the directory; CKPT_ERR_FOREIGN if it belongs to another user;
// CKPT_ERR_NOT_FOUND if its parent does not exist; CKPT_ERR_ACCESS,
// CKPT_ERR_NO_SPACE, CKPT_ERR_RESOURCE, CKPT_ERR_IO. fs is closed then.
CKPT_API CKPT_CHECKED ckpt_code ckpt_store_fs_open(
    ckpt_store_fs *fs, const ckpt_store_fs_desc *desc, ckpt_error *err);

// Closes a store. No context may use it afterwards; runs that are still open
// must be finished or abandoned before.
CKPT_API void ckpt_store_fs_close(ckpt_store_fs *fs);

// The calls of this system, to wrap them.
CKPT_API const ckpt_fs_calls *ckpt_store_fs_calls(void);

// Writes the directory name of a run id into name. Reversible: every id has
// one name, and no two ids that differ have names that differ only in case.
CKPT_API void ckpt_store_fs_name(const char *id, char name[256]);

// Reads a directory name back. False for a name that no id has.
CKPT_API bool ckpt_store_fs_id(const char *name, char id[CKPT_ID_MAX + 1]);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CKPT_STORE_FS_H */
