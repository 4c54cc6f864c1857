/*
    ckpt_store_fs.h -- a store of ckpt.h in a directory of files       v0.1.0

    Do this in *one* C or C++ file, before anything else is included in it:

        #define CKPT_IMPLEMENTATION
        #include "ckpt_store_fs.h"          // includes ckpt.h

    This file keeps the checkpoints of ckpt.h in plain files, one directory for
    each run. Open a store, give &fs.base to ckpt_init(), and close the store
    when no run of it is open any more:

        static ckpt_store_fs fs;
        ckpt_store_fs_desc   desc = { .dir = "runs" };
        ckpt_code            rc = ckpt_store_fs_open(&fs, &desc, NULL);

    A program that works on one run at a time gets all of it by one call:
    ckpt_job_open().

    The store needs POSIX.1-2008 and stb_sprintf.h. With -std=c99 the system
    headers hide some of POSIX unless _POSIX_C_SOURCE is defined before the
    first of them is included. The lines below define it; if a system header
    came before them, the compiler stops with a message.

    ON DISK
    =======
    One directory for each run, named by its id:

        runs/                               0700, ours alone
            r-invoice-4711/
                heartbeat.1                 the claim of epoch 1: a line of JSON
                                            that says who the owner is and which
                                            save was acknowledged last. Its
                                            mtime is the owner's last beat.
                                            Where locks are used the owner
                                            holds one on it
                checkpoint.1.json           the newest generation of epoch 1
                checkpoint.1.prev.json      the one before it
                heartbeat.2                 the claim of the process that
                checkpoint.2.json           resumed it, and what it saved
                bad.1.damaged.json          a generation that was set aside
                .t.2.5ke3...                a file that is being written
            .new-5ke3...                    a run that is being made
            .probe                          observers touch it to read the clock
                                            of the file system, with which they
                                            compare the age of a beat
            .seen-r-invoice-4711            since when a beat of that run that
                                            lies in the future has not changed.
                                            Removed with the run, or by a sweep
            .lost-5ke3...                   what others put where a run, a file
                                            of a run or the probe was to be. The
                                            store never looks at it again: see
                                            what it is, and remove it

    Other files in the directory of a run (.DS_Store, a swap file) do no harm.
    Those that are left when the run is removed keep its directory, which is no
    run then: its id is free.

    The name of a run directory is "r-" and the id, in which a-z 0-9 _ - stand
    for themselves and every other byte is %xx. If that has more than 200 bytes,
    the name is "b-" and the id in base32.

    A checkpoint is plain JSON that checks itself (see README, "On disk"). To
    replace it, the owner brings prev up to date in place, syncs the data of
    that file, and exchanges the two names; or, where that is not known to be
    safe, writes a temporary file, syncs it, keeps the old checkpoint as prev,
    renames the temporary file and syncs the directory (see .publishing). Then
    the owner looks whether its claim still stands. The newer of the two files
    is the one with the higher seq in its head. A file can have blanks at its
    end: room to grow in place. A run that is kept after its end stays in its
    directory: the claim, and one generation, which says how the run ended.

    A reader never waits. A file that an owner brings up to date in place can
    change under a reader that needs longer than a save: the reader then has a
    mixture, which the sum in the head does not fit. The functions of ckpt.h
    find that, look and read again, at most 8 times, and then say busy: they
    give the old checkpoint or the new one, and never a mixture. Other programs
    (cp, jq, a backup) do not. Give them what "ckpt export" writes, or copy a
    run that has no owner.

    CAVEATS
    =======
      - CKPT_OK means durable only as far as the system keeps its word. A disk
        that lies about flushes, a mount without barriers and an NFS export with
        "async" do not. Fix: do not use them.
      - File systems without hard links (FAT, exFAT) are refused when the store
        is opened. An object-store mount that passes the test may still not
        replace a file atomically. Fix: keep runs elsewhere; they are small.
      - On network file systems a claimant recognizes a dead owner by the age
        of its beat, and can take a slow owner for dead. Both work then, until
        the next save or beat of the slow one returns CKPT_ERR_CLAIM_LOST. How
        soon one machine sees what another did is up to server and mount. Fix:
        raise .lease_ms.
      - A run on a disk that is restored from a backup or snapshot is the run of
        that time: what was done since is done again.
      - On NFS a look is right because it opens the directory anew, and the
        client then asks the server. A mount with "nocto" does not ask. Fix: do
        not use it.
      - A process that reaches its file size limit is killed by SIGXFSZ. If the
        process ignores that signal, the save returns CKPT_ERR_NO_SPACE.
      - Reading a directory allocates memory in the C library. Nothing else here
        does.

    LICENSE
    =======
    SPDX-License-Identifier: MIT-0, see the end of ckpt.h.
*/
#if defined(_WIN32)
    #error "ckpt_store_fs.h needs POSIX and does not run on Windows: give \
ckpt.h a store of your own there"
#else

#if defined(CKPT_IMPLEMENTATION) && !defined(CKPT_STORE_FS_IMPLEMENTATION)
    #define CKPT_STORE_FS_IMPLEMENTATION
#endif

#ifdef CKPT_STORE_FS_IMPLEMENTATION
    #if defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE) && \
        !defined(_GNU_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
        #define _POSIX_C_SOURCE 200809L
    #endif
    #if defined(__linux__) && !defined(_GNU_SOURCE) &&                         \
        !defined(_DEFAULT_SOURCE)
        #define _DEFAULT_SOURCE 1       // syscall(), for renameat2 and statx
    #endif
    #if !defined(_FILE_OFFSET_BITS)
        #define _FILE_OFFSET_BITS 64    // makes off_t 64 bits wide
    #endif
    #if !defined(_TIME_BITS)
        #define _TIME_BITS 64           // and time_t: for years after 2038
    #endif
#endif

#include "ckpt.h"

#ifndef CKPT_STORE_FS_H
#define CKPT_STORE_FS_H

#ifdef __cplusplus
extern "C" {
#endif

// How far a write goes before it counts as done.
typedef enum ckpt_store_fs_durability {
    CKPT_STORE_FS_POWER,    // a save survives a power cut: the store syncs
                            // the file and its directory
    CKPT_STORE_FS_PROCESS   // a save survives a killed process. After a power
                            // cut a load may say damaged or give an older save,
                            // never a wrong one
} ckpt_store_fs_durability;

// How an observer recognizes that the owner of a run is dead (R7 in ckpt.h).
typedef enum ckpt_store_fs_liveness {
    CKPT_STORE_FS_AUTO,     // by locks on local file systems, else by age
    CKPT_STORE_FS_LOCKS,    // by flock(2): at once, for owners on this kernel;
                            // others by age
    CKPT_STORE_FS_AGE       // by the age of the beat: after .lease_ms
} ckpt_store_fs_liveness;

// How the owner of a run replaces a checkpoint.
typedef enum ckpt_store_fs_publishing {
    CKPT_STORE_FS_BY_TYPE,  // by exchange where that is known to be safe (ext4,
                            // xfs and btrfs on Linux, CKPT_STORE_FS_POWER),
                            // else by rename
    CKPT_STORE_FS_RENAME,   // a new file each time, renamed over the last one
    CKPT_STORE_FS_EXCHANGE  // writes what has changed into the generation
                            // before the last one and exchanges their names:
                            // one flush a save, and no write of what stays
} ckpt_store_fs_publishing;

// What the store needs to know about a file.
typedef struct ckpt_fs_stat {
    uint64_t dev, ino;      // both together name a file that exists
    uint64_t size;          // bytes
    uint64_t nlink;         // names that the file has
    int64_t  mtime_ns;      // ns since 1970, on the file system's clock
    uint32_t uid;           // the user who owns it
    uint32_t mode;          // permission bits, and S_ISUID, S_ISGID, S_ISVTX
    bool     is_file, is_dir;
} ckpt_fs_stat;

// Identifies this process among all others.
typedef struct ckpt_fs_self {
    char     host[64];      // name of the machine; "": unknown
    char     boot[40];      // boot id; "" if the system has none
    uint64_t pid_ns;        // pid namespace; 0 if the system has none
    int64_t  pid;
    uint64_t start;         // when the process was started, in clock ticks
                            // since boot; 0: unknown
} ckpt_fs_self;

// Flags of open() in ckpt_fs_calls.
enum {
    CKPT_FS_READ   = 0,
    CKPT_FS_WRITE  = 1 << 0,    // read and write
    CKPT_FS_CREATE = 1 << 1,    // create it, mode 0600
    CKPT_FS_EXCL   = 1 << 2,    // fail if it exists
    CKPT_FS_DIR    = 1 << 3,    // must be a directory
    CKPT_FS_FOLLOW = 1 << 4     // may be a symbolic link (the root only)
};

// Every system call that the store makes. With another table the store runs on
// another system, or a test puts a simulated disk or faults under it. The table
// and what u points to must outlive the store. Threads that use one store call
// the functions without a lock between them.
//
// u is .calls_user. Unless another result is named, a function returns 0, or
// -errno on failure. After -EINTR the store repeats the call, except close,
// rename, link, self, gone, pid and clock. It repeats the making of a temporary
// file or directory under another name. A name is one component of a path,
// in the directory dir. The root and its parent alone are named by their path,
// with dir -1.
typedef struct ckpt_fs_calls {
    // Returns a descriptor, which the store closes.
    int (*open)(void *u, int dir, const char *name, int flags);
    int (*close)(void *u, int fd);

    // Return how many bytes were read or written, which can be fewer than n.
    // read() returns 0 at the end of the file.
    int64_t (*read)(void *u, int fd, void *buf, size_t n, uint64_t offset);
    int64_t (*write)(void *u, int fd, const void *buf, size_t n,
                     uint64_t offset);

    // Return when the names in a directory, or the bytes of a file and its
    // size, are on the medium.
    int (*sync)(void *u, int fd);
    int (*datasync)(void *u, int fd);

    // stat_at() does not follow a symbolic link. stat_plain() need not fill in
    // the mtime.
    int (*stat)(void *u, int fd, ckpt_fs_stat *st);
    int (*stat_plain)(void *u, int fd, ckpt_fs_stat *st);
    int (*stat_at)(void *u, int dir, const char *name, ckpt_fs_stat *st);

    int (*mkdir)(void *u, int dir, const char *name);           // mode 0700
    int (*rmdir)(void *u, int dir, const char *name);
    int (*unlink)(void *u, int dir, const char *name);

    // rename() replaces a file or an empty directory, atomically. link() fails
    // with -EEXIST if the name is taken.
    int (*rename)(void *u, int dir, const char *from, int to_dir,
                  const char *to);
    int (*link)(void *u, int dir, const char *from, int to_dir,
                const char *to);

    // Exchanges the names of two files, atomically.
    int (*exchange)(void *u, int dir, const char *a, const char *b);

    // Locks a file at once, or returns -EWOULDBLOCK. The lock ends with
    // unlock(), or when the last copy of fd is closed: a child of fork() has
    // one. The system closes those of a process that dies.
    int (*lock)(void *u, int fd, bool exclusive);
    int (*unlock)(void *u, int fd);

    // Sets the mtime of a file to the present time of the file system.
    int (*touch)(void *u, int fd);

    // Sets the permission bits of a directory.
    int (*chmod)(void *u, int fd, uint32_t mode);

    // Walks through the names in a directory. dir_next() returns 1 with a name,
    // and 0 at the end. The store closes each walk that it has opened.
    int (*dir_open)(void *u, int dir, void **walk);
    int (*dir_next)(void *u, void *walk, char name[256]);
    void (*dir_close)(void *u, void *walk);

    // Returns 2 if all processes that can see a lock on the file system of fd
    // certainly run on this kernel, 1 if they seem to, else 0.
    int (*local)(void *u, int fd);

    // Returns 1 if the file system of fd keeps its promises when the power
    // fails while a file is written in place and names are exchanged, else 0.
    int (*exchanges)(void *u, int fd);

    int (*self)(void *u, ckpt_fs_self *self);

    // Returns 1 if no process has that number, 2 if the process that has it
    // seems to have been started at another time, else 0.
    int (*gone)(void *u, int64_t pid, uint64_t start);

    // Returns a number of the calling process that differs from the number of
    // every process that was forked from it, also in another pid namespace.
    int64_t (*pid)(void *u);
    int (*clock)(void *u, ckpt_moment *now);
    int (*random)(void *u, void *buf, size_t n);    // fills n bytes

    // Reads the next names in a directory that was opened to walk through it
    // once, at least one of them, into buf, each with its NUL: 256 bytes at
    // most. Returns how many bytes they take, 0 at the end. n is at least
    // 1,024. NULL: scans take dir_open() and the others, as all else does.
    int64_t (*names)(void *u, int dir, void *buf, size_t n);
} ckpt_fs_calls;

// Options of a file store. A zero-initialized desc means the defaults; only
// .dir is required. The store reads the desc and .dir only while it opens.
typedef struct ckpt_store_fs_desc {
    const char              *dir;       // path of the store, at most 4093
                                        // bytes; made (0700) if its parent
                                        // exists; may be a symbolic link
    ckpt_store_fs_durability durability;    // default: CKPT_STORE_FS_POWER
    ckpt_store_fs_liveness   liveness;      // default: CKPT_STORE_FS_AUTO
    ckpt_store_fs_publishing publishing;    // default: by what is known of the
                                        // file system
    bool                     fix_modes; // take away the right of others to
                                        // write to the directory, if it is ours
                                        // (a volume that is group-writable)
    const ckpt_fs_calls     *calls;     // default: those of this system
    void                    *calls_user;    // u of the calls
} ckpt_store_fs_desc;

// A file store. The caller owns it and must not move it while it is open. An
// open store holds one descriptor. Any number of contexts, runs and threads may
// use one store at a time, and any number of processes one directory.
typedef struct ckpt_store_fs {
    ckpt_store base;                    // pass &fs.base to ckpt_init
    ckpt_store_fs_publishing publishing;    // how owners publish here: by
                                        // rename or by exchange
    struct {
        int                      root;  // descriptor; -1: closed
        ckpt_store_fs_durability durability;
        bool                     locks; // judge by locks, else by age
        bool                     ours_alone;    // and only processes of this
                                        // kernel can hold them
        bool                     by_op; // sum by the processor's instruction
        uint32_t                 uid;   // the user who owns the root
        const ckpt_fs_calls     *calls;
        void                    *user;
    } priv;                             // not part of the API
} ckpt_store_fs;

// Opens a store, and makes its directory if there is none. *err says more about
// a failure; err may be NULL. After a failure fs is closed.
//
// Returns
//   CKPT_OK             the store is open until ckpt_store_fs_close()
//   CKPT_ERR_ARGUMENT   .dir is NULL or empty, an option is out of its range,
//                       or CKPT_STORE_FS_LOCKS was asked for on a file system
//                       that is not local
//   CKPT_ERR_NOT_FOUND  the parent of the directory does not exist
//   CKPT_ERR_FOREIGN    the directory belongs to another user, or .dir names
//                       something that is no directory
//   CKPT_ERR_UNSAFE     others can write to the directory
//   CKPT_ERR_UNSUITABLE the file system lacks what the store needs; err->op
//                       says what: hard links, a rename that replaces a file,
//                       a sync of a directory, modes, or mtimes
//   CKPT_ERR_ACCESS     this process may not make or open the directory
//   CKPT_ERR_NO_SPACE   the disk has no room for the directory
//   CKPT_ERR_RESOURCE   there are no descriptors left, or no memory
//   CKPT_ERR_IO         any other failure of the system; err->sys is its errno
CKPT_API CKPT_CHECKED ckpt_code ckpt_store_fs_open(
    ckpt_store_fs *fs, const ckpt_store_fs_desc *desc, ckpt_error *err);

// Closes a store. Finish or abandon its runs before; no context may use the
// store afterwards. A store that is closed, or whose opening failed, may be
// closed again, and so may one that is zeroed and was never opened.
CKPT_API void ckpt_store_fs_close(ckpt_store_fs *fs);

// Returns the table for this system. A table of your own can pass calls on to
// its functions, which do not look at u.
CKPT_API const ckpt_fs_calls *ckpt_store_fs_calls(void);

// Writes the directory name of a run id of 1 to CKPT_ID_MAX bytes into name.
// Each id has one name, and the names of two ids never differ in case alone.
CKPT_API void ckpt_store_fs_name(const char *id, char name[256]);

// Writes the run id of a directory name into id. Returns false, and leaves
// nothing of use in id, if no id has that name.
CKPT_API bool ckpt_store_fs_id(const char *name, char id[CKPT_ID_MAX + 1]);

//--- The small opening --------------------------------------------------------

// A store, a context and a run in one object, for a program that works on one
// run at a time. The caller owns it: zero-initialize it, best by static, for it
// has 20 KiB; do not copy or move it. It belongs to one thread at a time.
typedef struct ckpt_job {
    ckpt_run      run;              // pass &job.run to every call on a run
    ckpt_ctx      ctx;
    ckpt_store_fs fs;               // unless the caller gave another store
    ckpt_error    error;            // of the opening; see ckpt_job_error()
    size_t        needed;           // ERR_BUFFER: how large buf must be
    bool          open;             // until ckpt_job_close()
} ckpt_job;

// What is to be opened. All but .dir, or .store, is optional.
typedef struct ckpt_job_desc {
    const char      *dir;           // where a file store keeps the runs; or
    ckpt_store      *store;         // any other store, which is open
    const char      *id;            // of the run. NULL: an interrupted run of
                                    // meta.agent_id (of anybody, if that is
                                    // NULL), else a new one with an id of its
                                    // own, which job.run.id says. Exhausted
                                    // runs are passed over, and stay
    ckpt_meta        meta;          // of a new run; an agent_id that is to be
                                    // found is shorter than CKPT_NAME_MAX
    bool             once;          // keep the run as DONE when it completes
    const char      *owner;         // who claims, for people to read
    const ckpt_desc *options;       // all others; .store and .owner are not
                                    // read there (default: the defaults)
    int64_t          wait_ms;       // how long to wait at most for the run of
                                    // that id while it is BUSY, unless it is
                                    // known to stay so longer (default: 10 000;
                                    // CKPT_OFF: not at all)
    void            *buf;           // gets the last checkpoint; NULL: the
    size_t           cap;           // caller calls ckpt_load()
} ckpt_job_desc;

// Opens the store, begins the run, or claims and resumes it, and loads its last
// checkpoint into *last, which is zeroed if the run is new. Sleeps while the
// run is BUSY; a signal ends the sleep.
//
// Returns CKPT_OK; CKPT_OLDER (> 0) as ckpt_load does; CKPT_FINISHED (> 0) if
// there is nothing to do, as ckpt_open does; CKPT_ERR_BUFFER with job->needed
// set if buf is too small; CKPT_ERR_ARGUMENT, also for a job that is open; or
// an error of ckpt_store_fs_open, ckpt_init, ckpt_open or ckpt_load. After all
// but the first two everything is closed again (a job that was open stays so),
// and a checkpoint that could not be loaded costs no attempt, unless the
// newest one is missing, or it cannot be given back.
CKPT_API CKPT_CHECKED ckpt_code ckpt_job_open(ckpt_job *job,
                                              const ckpt_job_desc *desc,
                                              ckpt_checkpoint *last);

// Writes the last error of the job, or of its run, as one line of text into
// buf, and returns buf: see ckpt_error_text().
CKPT_API const char *ckpt_job_error(const ckpt_job *job, char *buf, size_t cap);

// Closes the job. A run that was not finished is abandoned. A job that is
// closed, or zeroed, may be closed again.
CKPT_API void ckpt_job_close(ckpt_job *job);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CKPT_STORE_FS_H */

//--- Implementation -----------------------------------------------------------

#ifdef CKPT_STORE_FS_IMPLEMENTATION
#ifndef CKPT_STORE_FS_IMPLEMENTATION_DONE
#define CKPT_STORE_FS_IMPLEMENTATION_DONE

#ifndef CKPT_IMPLEMENTATION_DONE
    #error "define CKPT_IMPLEMENTATION, too, in the file of the file store"
#endif

// ROOMS, from the ground up. A room uses only rooms above its own line. The
// five rooms with a bar stand side by side: none uses another, except Places.
// The rules R1 to R13 stand in ckpt.h, at the door of its implementation.
//
//   System calls         POSIX behind the table ckpt_fs_calls
//   Names and errors     uses nothing: text in, text or a code out
//   Files                uses the table and names: opening what is ours,
//                        reading, writing, syncing, walking a directory
//   The files of a run   uses files: what a place holds, its temporary files,
//                        its generations by name and by token
//   Looking and reading  | use the files of a run
//   Claims               |
//   Publishing           |
//   Removing             |
//   Places               | uses Removing, too: a maker that closes the place of
//                        | a run that was never shown removes that run
//   The store            uses all of them: the table of methods, listing,
//                        clocks, opening and closing
//   The small opening    uses public calls only

// The file store has a private copy of stb_sprintf, under names of its own
// (R12). Otherwise a copy in the program could clash with it, and the program
// could change the separators in its numbers at any time. The store formats
// integers and strings only, into buffers that hold the longest result.
#ifdef STB_SPRINTF_H_INCLUDE
    #error "include ckpt_store_fs.h (with CKPT_STORE_FS_IMPLEMENTATION) before \
stb_sprintf.h"
#endif
#if defined(__GNUC__) || defined(__clang__)
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Wpragmas"
    #pragma GCC diagnostic ignored "-Wunknown-warning-option"
    #pragma GCC diagnostic ignored "-Wpedantic"
    #pragma GCC diagnostic ignored "-Wcast-qual"
    #pragma GCC diagnostic ignored "-Wcast-align"
    #pragma GCC diagnostic ignored "-Wconversion"
    #pragma GCC diagnostic ignored "-Wsign-conversion"
    #pragma GCC diagnostic ignored "-Wsign-compare"
    #pragma GCC diagnostic ignored "-Wshadow"
    #pragma GCC diagnostic ignored "-Wundef"
    #pragma GCC diagnostic ignored "-Wold-style-cast"
    #pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
    #pragma GCC diagnostic ignored "-Wunused-function"
    #pragma GCC diagnostic ignored "-Wmissing-field-initializers"
    #pragma GCC diagnostic ignored "-Waggressive-loop-optimizations"
#endif
#define STB_SPRINTF_DECORATE(name) ckpt__stb_##name
#define STB_SPRINTF_STATIC
#define STB_SPRINTF_NOFLOAT
#define STB_SPRINTF_NOUNALIGNED
#define STB_SPRINTF_IMPLEMENTATION
#include "stb_sprintf.h"
#if defined(__GNUC__) || defined(__clang__)
    #pragma GCC diagnostic pop
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
    #include <sys/random.h>
    #include <sys/syscall.h>
    #include <sys/sysmacros.h>
    #include <sys/vfs.h>
    // syscall() is not declared if only POSIX was asked for.
    #if (defined(_DEFAULT_SOURCE) || defined(_GNU_SOURCE)) && \
        defined(SYS_renameat2)
        #define CKPT__SYS_EXCHANGE SYS_renameat2
        #define CKPT__SYS_GETDENTS SYS_getdents64
        #if defined(__GLIBC__) && defined(SYS_statx)
            #include <linux/stat.h>
        #endif
    #endif
#elif defined(__APPLE__) || defined(__FreeBSD__)
    #include <sys/mount.h>
    #include <sys/param.h>
#endif

#if !defined(O_CLOEXEC) || !defined(O_NOFOLLOW) || !defined(AT_FDCWD)
    #error "include ckpt_store_fs.h first in the file that defines \
CKPT_IMPLEMENTATION, or define _DEFAULT_SOURCE for the whole program"
#endif

// With offsets of 32 bits the system calls fail on large directories. If this
// line does not compile, define _FILE_OFFSET_BITS=64 for the whole program.
typedef char ckpt__off_t_has_64_bits[sizeof(off_t) >= 8 ? 1 : -1];

//--- System calls -------------------------------------------------------------

// The functions of ckpt_fs_calls for POSIX. None of them looks at u.

// Turns the result of a system call into one of the table: -errno on failure.
// NFS says ESTALE where a directory or file is gone that this process holds
// open; on all other file systems the name is then simply not there.
static int ckpt__sys_result(int r)
{
    if (r >= 0) return r;
    return errno == ESTALE ? -ENOENT : -errno;
}

// Opens a file or directory. Without O_CLOEXEC a program that this process
// executes would inherit the descriptor, and with it the lock of a claim.
// Without O_NOFOLLOW the store would follow a symbolic link that another user
// has planted (R11). Without O_NONBLOCK it would wait for the other end of a
// planted pipe.
static int ckpt__sys_open(void *u, int dir, const char *name, int flags)
{
    int oflags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    (void)u;
    oflags |= flags & CKPT_FS_WRITE ? O_RDWR : O_RDONLY;
    oflags |= flags & CKPT_FS_CREATE ? O_CREAT : 0;
    oflags |= flags & CKPT_FS_EXCL ? O_EXCL : 0;
    oflags |= flags & CKPT_FS_DIR ? O_DIRECTORY : 0;
    oflags |= flags & CKPT_FS_FOLLOW ? 0 : O_NOFOLLOW;
    return ckpt__sys_result(openat(dir < 0 ? AT_FDCWD : dir, name, oflags,
                                   0600));
}

static int ckpt__sys_close(void *u, int fd)
{
    (void)u;
    return ckpt__sys_result(close(fd));
}

static int64_t ckpt__sys_read(void *u, int fd, void *buf, size_t n,
                              uint64_t offset)
{
    (void)u;
    const ssize_t r = pread(fd, buf, n, (off_t)offset);
    return r < 0 ? -errno : (int64_t)r;
}

static int64_t ckpt__sys_write(void *u, int fd, const void *buf, size_t n,
                               uint64_t offset)
{
    (void)u;
    const ssize_t r = pwrite(fd, buf, n, (off_t)offset);
    return r < 0 ? -errno : (int64_t)r;
}

static int ckpt__sys_sync(void *u, int fd)
{
    (void)u;
#ifdef F_FULLFSYNC
    // On Darwin fsync() leaves the data in the disk's cache (fsync(2); R2).
    if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
    if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY) return -errno;
#endif
    return ckpt__sys_result(fsync(fd));
}

// Brings the bytes of a file and its size to the medium, and leaves its times
// for later: those alone would cost a commit of the journal.
static int ckpt__sys_datasync(void *u, int fd)
{
#if defined(F_FULLFSYNC) || !defined(_POSIX_SYNCHRONIZED_IO) || \
    _POSIX_SYNCHRONIZED_IO <= 0
    return ckpt__sys_sync(u, fd);
#else
    (void)u;
    return ckpt__sys_result(fdatasync(fd));
#endif
}

// Copies what stat(2) found into *st. r is what that call returned. A time
// that nanoseconds in 64 bits cannot hold (after 2262) becomes the latest one.
static int ckpt__sys_fill_stat(int r, const struct stat *from, ckpt_fs_stat *st)
{
    const int64_t most = INT64_MAX / 1000000000 - 1;
    if (r < 0) return ckpt__sys_result(r);
#ifdef __APPLE__
    const struct timespec *mtime = &from->st_mtimespec;
#else
    const struct timespec *mtime = &from->st_mtim;
#endif
    st->dev = (uint64_t)from->st_dev;
    st->ino = (uint64_t)from->st_ino;
    st->size = (uint64_t)from->st_size;
    st->nlink = (uint64_t)from->st_nlink;
    int64_t seconds = (int64_t)mtime->tv_sec;
    seconds = seconds > most ? most : seconds;
    seconds = seconds < -most ? -most : seconds;
    st->mtime_ns = seconds * 1000000000 + mtime->tv_nsec;
    st->uid = (uint32_t)from->st_uid;
    st->mode = (uint32_t)from->st_mode & 07777;
    st->is_file = S_ISREG(from->st_mode);
    st->is_dir = S_ISDIR(from->st_mode);
    return 0;
}

static int ckpt__sys_stat(void *u, int fd, ckpt_fs_stat *st)
{
    struct stat from;
    (void)u;
    return ckpt__sys_fill_stat(fstat(fd, &from), &from, st);
}

// As ckpt__sys_stat(), without times. Since Linux 6.13 a file whose times were
// asked for takes new times at its next write, and the fdatasync() after that
// has an inode to write, too (multigrain timestamps).
static int ckpt__sys_stat_plain(void *u, int fd, ckpt_fs_stat *st)
{
#if defined(CKPT__SYS_EXCHANGE) && defined(STATX_BASIC_STATS)
    struct statx from;
    const int empty_path = 0x1000;      // AT_EMPTY_PATH: look at fd itself
    if (syscall(SYS_statx, fd, "", empty_path, STATX_TYPE | STATX_MODE |
                STATX_NLINK | STATX_UID | STATX_INO | STATX_SIZE,
                &from) == 0) {
        memset(st, 0, sizeof(*st));
        st->dev = (uint64_t)makedev(from.stx_dev_major, from.stx_dev_minor);
        st->ino = from.stx_ino;
        st->size = from.stx_size;
        st->nlink = from.stx_nlink;
        st->uid = from.stx_uid;
        st->mode = from.stx_mode & 07777U;
        st->is_file = S_ISREG(from.stx_mode);
        st->is_dir = S_ISDIR(from.stx_mode);
        return 0;
    }
#endif
    return ckpt__sys_stat(u, fd, st);
}

static int ckpt__sys_stat_at(void *u, int dir, const char *name,
                             ckpt_fs_stat *st)
{
    struct stat from;
    (void)u;
    return ckpt__sys_fill_stat(fstatat(dir, name, &from, AT_SYMLINK_NOFOLLOW),
                               &from, st);
}

static int ckpt__sys_mkdir(void *u, int dir, const char *name)
{
    (void)u;
    return ckpt__sys_result(mkdirat(dir < 0 ? AT_FDCWD : dir, name, 0700));
}

static int ckpt__sys_rmdir(void *u, int dir, const char *name)
{
    (void)u;
    return ckpt__sys_result(unlinkat(dir, name, AT_REMOVEDIR));
}

static int ckpt__sys_unlink(void *u, int dir, const char *name)
{
    (void)u;
    return ckpt__sys_result(unlinkat(dir, name, 0));
}

static int ckpt__sys_rename(void *u, int dir, const char *from, int to_dir,
                            const char *to)
{
    (void)u;
    return ckpt__sys_result(renameat(dir, from, to_dir, to));
}

static int ckpt__sys_link(void *u, int dir, const char *from, int to_dir,
                          const char *to)
{
    (void)u;
    return ckpt__sys_result(linkat(dir, from, to_dir, to, 0));
}

static int ckpt__sys_exchange(void *u, int dir, const char *a, const char *b)
{
    (void)u;
#if defined(CKPT__SYS_EXCHANGE)
    const unsigned exchange = 2;        // RENAME_EXCHANGE, see rename(2)
    return ckpt__sys_result((int)syscall(CKPT__SYS_EXCHANGE, dir, a, dir,
                                         b, exchange));
#else
    (void)dir, (void)a, (void)b;
    return -ENOSYS;
#endif
}

static int ckpt__sys_lock(void *u, int fd, bool exclusive)
{
    (void)u;
    return ckpt__sys_result(flock(fd, (exclusive ? LOCK_EX : LOCK_SH) |
                                      LOCK_NB));
}

static int ckpt__sys_unlock(void *u, int fd)
{
    (void)u;
    return ckpt__sys_result(flock(fd, LOCK_UN));
}

static int ckpt__sys_touch(void *u, int fd)
{
    (void)u;
    return ckpt__sys_result(futimens(fd, NULL));
}

static int ckpt__sys_chmod(void *u, int fd, uint32_t mode)
{
    (void)u;
    return ckpt__sys_result(fchmod(fd, (mode_t)mode));
}

// Opens a walk through a directory. The walk opens the directory anew: two
// walks through one descriptor would share its position, and each would miss
// the names that the other one was given. A negative dir would mean the current
// directory of the process, whose files are nobody's to remove.
static int ckpt__sys_dir_open(void *u, int dir, void **walk)
{
    if (dir < 0) return -EBADF;
    const int fd = ckpt__sys_open(u, dir, ".", CKPT_FS_DIR);
    if (fd < 0) return fd;
    *walk = fdopendir(fd);
    if (*walk == NULL) {
        const int r = -errno;
        (void)close(fd);
        return r;
    }
    return 0;
}

// Gives the next name. It skips names that do not fit: no file of the store has
// such a name.
static int ckpt__sys_dir_next(void *u, void *walk, char name[256])
{
    (void)u;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir((DIR *)walk);
        if (entry == NULL) return -errno;       // 0 at the end
        const size_t n = strlen(entry->d_name);
        if (n < 256) {
            memcpy(name, entry->d_name, n + 1);
            return 1;
        }
    }
}

static void ckpt__sys_dir_close(void *u, void *walk)
{
    (void)u;
    (void)closedir((DIR *)walk);
}

#ifdef CKPT__SYS_GETDENTS

// An entry of getdents64(2) has its length at 16, its name at 19. The names are
// moved to the beginning of the buffer, over what has been read. Those that do
// not fit are skipped, as above.
static int64_t ckpt__sys_names(void *u, int dir, void *buf, size_t n)
{
    char *to = (char *)buf;
    long got = 1;
    (void)u;
    while (to == (char *)buf && got > 0) {
        uint16_t entry;
        got = syscall(CKPT__SYS_GETDENTS, dir, buf, n);
        if (got < 0) return -errno;
        const char *end = to + got;
        for (const char *from = to; from < end; from += entry) {
            memcpy(&entry, from + 16, sizeof(entry));
            const size_t size = strlen(from + 19) + 1;
            if (size > 256) continue;
            memmove(to, from + 19, size);
            to += size;
        }
    }
    return to - (char *)buf;
}

#else
    #define ckpt__sys_names NULL
#endif

// Reads a small file of /proc as text. The text is empty if that fails.
static void ckpt__sys_read_proc(const char *path, char *buf, size_t cap)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, buf, cap - 1);
    buf[n > 0 ? n : 0] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
}

#if defined(__linux__)
// Copies the type of the mount that fd is on into type, "" if /proc does not
// tell: /proc/self/fdinfo/FD has the number of the mount, and the line of that
// number in mountinfo has the type behind a field that is "-" (proc(5)). No
// field before that one can be "-" alone: blanks in paths are escaped, and
// paths begin with '/'.
static void ckpt__sys_mount_type(int fd, char type[32])
{
    char text[1024], field[32], path[48];
    int column = 0;
    size_t n = 0;
    bool is_it = false, is_next = false;
    ckpt__stb_sprintf(path, "/proc/self/fdinfo/%d", fd);
    ckpt__sys_read_proc(path, text, sizeof(text));
    const char *found = strstr(text, "mnt_id:");
    const unsigned long mount = found != NULL ? strtoul(found + 7, NULL, 10)
                                              : 0;
    type[0] = '\0';
    const int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; mounts >= 0 && got > 0 && type[0] == '\0'; ) {
        got = read(mounts, text, sizeof(text));
        for (ssize_t i = 0; i < got; i++) {
            const char c = text[i];
            if (c != ' ' && c != '\n') {        // long fields are cut
                field[n] = c;
                n += n < sizeof(field) - 1;
                continue;
            }
            field[n] = '\0';
            n = 0;
            if (is_next) {
                memcpy(type, field, sizeof(field));
                break;
            }
            is_it = column == 0 ? strtoul(field, NULL, 10) == mount : is_it;
            is_next = is_it && strcmp(field, "-") == 0;
            column = c == ' ' ? column + 1 : 0;
        }
    }
    if (mounts >= 0) {
        (void)close(mounts);
    }
}
#endif

// Returns whether every process that can see a lock on this file system runs on
// this kernel: 2 if the type of its mount says so; 1 if only statfs(2) does,
// which repeats the type of the server's file system on 9p, virtiofs and some
// FUSE; else 0, and a free lock proves nothing (R7).
static int ckpt__sys_local(void *u, int fd)
{
    (void)u;
#if defined(__linux__)
    static const uint32_t numbers[] = {     // linux/magic.h
        0xef53,                         // ext2, ext3, ext4
        0x58465342, 0x9123683e,         // xfs, btrfs
        0xf2f52010, 0x24051905, 0x72b6, // f2fs, ubifs, jffs2
        0x2fc12fc1, 0xca451a4e,         // zfs, bcachefs
        0x794c7630,                     // overlayfs
        0x01021994, 0x858458f6          // tmpfs, ramfs
    };
    static const char names[] = " ext2 ext3 ext4 xfs btrfs f2fs ubifs jffs2 zfs"
                                " bcachefs overlay tmpfs ramfs rootfs ";
    struct statfs fs;
    char type[32], word[34];
    bool seems = false;
    if (fstatfs(fd, &fs) != 0) return -errno;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        seems = seems || (uint32_t)fs.f_type == numbers[i];
    }
    if (!seems) return 0;
    ckpt__sys_mount_type(fd, type);
    if (type[0] == '\0') return 1;
    ckpt__stb_sprintf(word, " %s ", type);
    return strstr(names, word) != NULL ? 2 : 0;
#elif defined(__APPLE__) || defined(__FreeBSD__)
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0) return -errno;
    return (fs.f_flags & MNT_LOCAL) != 0 ? 2 : 0;
#else
    (void)fd;
    return 0;
#endif
}

// The types that lost no acknowledged save in any of the power cuts that were
// tried (tests/proof/disk).
static int ckpt__sys_exchanges(void *u, int fd)
{
    (void)u;
#if defined(CKPT__SYS_EXCHANGE)
    char type[32], word[34];
    ckpt__sys_mount_type(fd, type);
    ckpt__stb_sprintf(word, " %s ", type);
    return strstr(" ext4 xfs btrfs ", word) != NULL;
#else
    (void)fd;
    return 0;
#endif
}

// Returns the start time of a process in clock ticks since boot: field 22 of
// /proc/PID/stat (proc(5)). name is its number or "self". 0 means unknown; so
// it is if field 1 is another number than pid: /proc is that of another pid
// namespace then. Field 2 is the name of the program; it can contain blanks and
// parentheses, so the fields are counted from the last ')' of the line.
static uint64_t ckpt__sys_start_time(const char *name, int64_t pid)
{
    char path[48], text[512];
    ckpt__stb_sprintf(path, "/proc/%.20s/stat", name);
    ckpt__sys_read_proc(path, text, sizeof(text));
    if ((int64_t)strtoll(text, NULL, 10) != pid) return 0;
    const char *p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    return p != NULL ? strtoull(p + 1, NULL, 10) : 0;
}

// Returns the number of this process's pid namespace, 0 if it is not known.
static uint64_t ckpt__sys_pid_ns(void)
{
    struct stat ns;
    return stat("/proc/self/ns/pid", &ns) == 0 ? (uint64_t)ns.st_ino : 0;
}

// Describes this process. What the system does not tell stays "" or 0.
static int ckpt__sys_self(void *u, ckpt_fs_self *self)
{
    (void)u;
    memset(self, 0, sizeof(*self));
    if (gethostname(self->host, sizeof(self->host) - 1) != 0) {
        self->host[0] = '\0';
    }
    ckpt__sys_read_proc("/proc/sys/kernel/random/boot_id", self->boot,
                        sizeof(self->boot));
    self->boot[strcspn(self->boot, "\n")] = '\0';
    self->pid_ns = ckpt__sys_pid_ns();
    self->pid = (int64_t)getpid();
    self->start = ckpt__sys_start_time("self", self->pid);
    return 0;
}

// Returns 1 only if no process has that number: a fact. Returns 2 if the
// process that has it shows another start time: a hint, for emulators and time
// namespaces show start times that differ for one process (R7). An EPERM from
// kill() means that some process has the number. Where /proc does not show this
// very process, it shows those of another pid namespace.
static int ckpt__sys_gone(void *u, int64_t pid, uint64_t start)
{
    char text[24];
    (void)u;
    if (pid <= 0) return 0;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return 1;
    if (ckpt__sys_start_time("self", (int64_t)getpid()) == 0) return 0;
    ckpt__stb_sprintf(text, "%lld", (long long)pid);
    const uint64_t now = ckpt__sys_start_time(text, pid);
    return now != 0 && start != 0 && now != start ? 2 : 0;
}

// Returns a number of this process. The first processes of a new pid namespace
// have low numbers, which a parent in another namespace can have, too: pid 1 of
// a container that forks pid 1 of a nested one. So a low number is told apart
// by the namespace, at the cost of one stat(2). A descendant could have a
// number from 300 on (RESERVED_PIDS in the kernel's pid.c) in common with its
// ancestor only after hundreds of forks in the new namespace.
static int64_t ckpt__sys_pid(void *u)
{
    const int64_t pid = (int64_t)getpid();
    (void)u;
    return pid >= 300 ? pid : (int64_t)(ckpt__sys_pid_ns() << 10) + pid;
}

// Reads a clock in milliseconds. On failure it sets *r to -errno and returns 0.
static int64_t ckpt__sys_clock_ms(clockid_t clock, int *r)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) {
        *r = -errno;
        return 0;
    }
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int ckpt__sys_clock(void *u, ckpt_moment *now)
{
    int r = 0;
    (void)u;
    now->mono_ms = ckpt__sys_clock_ms(CLOCK_MONOTONIC, &r);
    now->wall_ms = ckpt__sys_clock_ms(CLOCK_REALTIME, &r);
    return r;
}

// Fills buf with random bytes: from getrandom(2), or from /dev/urandom where
// that call is missing or fails.
static int ckpt__sys_random(void *u, void *buf, size_t n)
{
    (void)u;
#if defined(__linux__)
    if (getrandom(buf, n, 0) == (ssize_t)n) return 0;
#endif
    const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    const bool filled = read(fd, buf, n) == (ssize_t)n;
    (void)close(fd);
    return filled ? 0 : -EIO;
}

static const ckpt_fs_calls ckpt__sys_calls = {
    ckpt__sys_open, ckpt__sys_close, ckpt__sys_read, ckpt__sys_write,
    ckpt__sys_sync, ckpt__sys_datasync, ckpt__sys_stat, ckpt__sys_stat_plain,
    ckpt__sys_stat_at, ckpt__sys_mkdir, ckpt__sys_rmdir, ckpt__sys_unlink,
    ckpt__sys_rename, ckpt__sys_link, ckpt__sys_exchange, ckpt__sys_lock,
    ckpt__sys_unlock, ckpt__sys_touch, ckpt__sys_chmod, ckpt__sys_dir_open,
    ckpt__sys_dir_next, ckpt__sys_dir_close, ckpt__sys_local,
    ckpt__sys_exchanges, ckpt__sys_self, ckpt__sys_gone, ckpt__sys_pid,
    ckpt__sys_clock, ckpt__sys_random, ckpt__sys_names
};

CKPT_API const ckpt_fs_calls *ckpt_store_fs_calls(void)
{
    return &ckpt__sys_calls;
}

//--- Names and errors ---------------------------------------------------------

// No function of this room touches a file.

typedef unsigned long long ckpt__ull;   // what "%llu" takes

#define CKPT__FS_BODY_MAX      200  // of a directory name, without its prefix
#define CKPT__FS_NAME_SIZE     208  // room for a directory name
#define CKPT__FS_RANDOM_DIGITS 26   // base32 digits of 128 bits
#define CKPT__FS_SET_ASIDE_MAX 4    // generations set aside in one run
#define CKPT__FS_PATH_MAX      4096 // bytes of the path of the store
#define CKPT__FS_ROUNDS_MAX    256  // walks through a directory to clear it
#define CKPT__FS_TRIES_MAX     8    // names that are tried

static const char ckpt__fs_base32[] = "abcdefghijklmnopqrstuvwxyz234567";

// Writes n bytes as base32 digits without padding, and a NUL.
static void ckpt__fs_base32_encode(char *out, const uint8_t *p, size_t n)
{
    uint32_t bits = 0, have = 0;
    while (n-- > 0) {
        bits = bits << 8 | *p++;
        for (have += 8; have >= 5; have -= 5) {
            *out++ = ckpt__fs_base32[bits >> (have - 5) & 31];
        }
    }
    if (have > 0) {
        *out++ = ckpt__fs_base32[bits << (5 - have) & 31];
    }
    *out = '\0';
}

// Decodes base32 without padding into text of less than cap bytes. Returns
// false if a character is no digit, if a decoded byte is NUL, or if the text is
// empty or does not fit.
static bool ckpt__fs_base32_decode(char *out, size_t cap, const char *p)
{
    uint32_t bits = 0, have = 0;
    size_t n = 0;
    for (; *p != '\0'; p++) {
        const char *digit = strchr(ckpt__fs_base32, *p);
        if (digit == NULL || n == cap) return false;
        bits = bits << 5 | (uint32_t)(digit - ckpt__fs_base32);
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n] = (char)(uint8_t)(bits >> have & 0xff);
            if (out[n++] == '\0') return false;
        }
    }
    out[n < cap ? n : cap - 1] = '\0';
    return n > 0 && n < cap;
}

// Tells whether a byte of an id stands for itself in a directory name.
static bool ckpt__fs_is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

CKPT_API void ckpt_store_fs_name(const char *id, char name[256])
{
    static const char hex[] = "0123456789abcdef";
    size_t size = 0;
    char *out = name;
    for (const char *p = id; *p != '\0'; p++) {
        size += ckpt__fs_is_name_byte(*p) ? 1U : 3U;
    }
    *out++ = size <= CKPT__FS_BODY_MAX ? 'r' : 'b';
    *out++ = '-';
    if (size > CKPT__FS_BODY_MAX) {
        ckpt__fs_base32_encode(out, (const uint8_t *)id, strlen(id));
        return;
    }
    for (const char *p = id; *p != '\0'; p++) {
        if (ckpt__fs_is_name_byte(*p)) {
            *out++ = *p;
        } else {
            *out++ = '%';
            *out++ = hex[(uint8_t)*p >> 4];
            *out++ = hex[(uint8_t)*p & 15];
        }
    }
    *out = '\0';
}

CKPT_API bool ckpt_store_fs_id(const char *name, char id[CKPT_ID_MAX + 1])
{
    char again[256];
    size_t n = 0;
    if ((name[0] != 'r' && name[0] != 'b') || name[1] != '-' ||
        strlen(name) > CKPT__FS_BODY_MAX + 2) {
        return false;
    }
    if (name[0] == 'b' &&
        !ckpt__fs_base32_decode(id, CKPT_ID_MAX + 1, name + 2)) {
        return false;
    }
    for (const char *p = name + 2; name[0] == 'r' && *p != '\0'; p++) {
        if (n == CKPT_ID_MAX) return false;
        if (*p == '%') {
            if (!ckpt__is_hex(p[1]) || !ckpt__is_hex(p[2])) return false;
            id[n] = (char)(uint8_t)ckpt__hex(p + 1, 2);
            p += 2;
        } else {
            id[n] = *p;
        }
        if (id[n++] == '\0') return false;
    }
    if (name[0] == 'r') {
        id[n] = '\0';
    }
    // Without this check r-%61 would be a second directory of the run a, beside
    // r-a.
    ckpt_store_fs_name(id, again);
    return id[0] != '\0' && strcmp(again, name) == 0;
}

// What a file in the directory of a run is, by its name.
typedef enum ckpt__fs_kind {
    CKPT__FS_OTHER,             // no file of this store
    CKPT__FS_CLAIM,             // heartbeat.N
    CKPT__FS_NEWEST,            // checkpoint.N.json
    CKPT__FS_PREV,              // checkpoint.N.prev.json: the one before it
    CKPT__FS_TEMP,              // .t.N.RANDOM
    CKPT__FS_SET_ASIDE          // bad.I.damaged.json
} ckpt__fs_kind;

// If the text at *p begins with prefix, moves *p behind it and returns true.
static bool ckpt__fs_skip_prefix(const char **p, const char *prefix)
{
    const size_t n = strlen(prefix);
    const bool has = strncmp(*p, prefix, n) == 0;
    *p += has ? n : 0;
    return has;
}

// Parses an epoch at *p and moves *p behind it. It refuses a sign and a leading
// zero: if heartbeat.07 counted as the claim of epoch 7, the store would remove
// heartbeat.7 in its place, and heartbeat.07 would stay for ever. It also
// refuses a number above CKPT_TURN_MAX.
static bool ckpt__fs_parse_epoch(const char **p, uint64_t *epoch)
{
    *epoch = 0;
    if (**p < '1' || **p > '9') return false;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        *epoch = *epoch * 10 + (uint64_t)(**p - '0');
        if (*epoch > CKPT_TURN_MAX) return false;
    }
    return true;
}

// Parses the name of a file in a run. *epoch becomes the epoch in the name, or
// 0 for a generation that was set aside; for the files of others it means
// nothing.
static ckpt__fs_kind ckpt__fs_parse_name(const char *name, uint64_t *epoch)
{
    const char *p = name;
    *epoch = 0;
    if (ckpt__fs_skip_prefix(&p, "heartbeat.")) {
        return ckpt__fs_parse_epoch(&p, epoch) && *p == '\0' ? CKPT__FS_CLAIM
                                                             : CKPT__FS_OTHER;
    }
    if (ckpt__fs_skip_prefix(&p, "checkpoint.")) {
        if (!ckpt__fs_parse_epoch(&p, epoch)) return CKPT__FS_OTHER;
        if (strcmp(p, ".json") == 0) return CKPT__FS_NEWEST;
        return strcmp(p, ".prev.json") == 0 ? CKPT__FS_PREV : CKPT__FS_OTHER;
    }
    if (ckpt__fs_skip_prefix(&p, ".t.")) {
        return ckpt__fs_parse_epoch(&p, epoch) && *p == '.' ? CKPT__FS_TEMP
                                                            : CKPT__FS_OTHER;
    }
    return ckpt__fs_skip_prefix(&p, "bad.") ? CKPT__FS_SET_ASIDE
                                            : CKPT__FS_OTHER;
}

// Writes the name of the claim of an epoch.
static void ckpt__fs_claim_name(char *out, uint64_t epoch)
{
    memcpy(out, "heartbeat.", 10);
    out[10 + ckpt__number(out + 10, epoch, 1, '0')] = '\0';
}

// Writes the name of the newest generation of an epoch, or of the one before
// it.
static void ckpt__fs_gen_name(char *out, uint64_t epoch, bool prev)
{
    memcpy(out, "checkpoint.", 11);
    strcpy(out + 11 + ckpt__number(out + 11, epoch, 1, '0'),
           prev ? ".prev.json" : ".json");
}

// Describes a failed call in *err, by what the store was doing and the errno
// -r, and returns the code for it. ELOOP and ENOTDIR mean that something stands
// under a name of the store that the store did not make; ckpt__fs_open_ours()
// returns -ELOOP for such files, too.
static ckpt_code ckpt__fs_fail(ckpt_error *err, const char *op, int64_t r)
{
    err->op = op;
    err->sys = (int)-r;
    switch (-r) {
    case ENOSPC: case EFBIG:
#ifdef EDQUOT
    case EDQUOT:
#endif
        return CKPT_ERR_NO_SPACE;
    case EMFILE: case ENFILE: case ENOMEM: return CKPT_ERR_RESOURCE;
    case EROFS:
        err->op = "write to a file system that is mounted read-only";
        return CKPT_ERR_ACCESS;
    case EACCES: case EPERM: return CKPT_ERR_ACCESS;
    case ELOOP: case ENOTDIR:
        return CKPT_ERR_FOREIGN;        // not made by this store
    default: return CKPT_ERR_IO;
    }
}

// Describes a failed link(2). Some file systems have no hard links, or not
// here: FAT says EPERM, others ENOTSUP, ENOSYS, EMLINK or EXDEV. Android says
// EACCES: the store has just made the file in that directory, so the directory
// itself cannot be what is not permitted.
static ckpt_code ckpt__fs_fail_link(ckpt_error *err, const char *op, int64_t r)
{
    static const int none[] = {
        EPERM, EACCES, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK, EXDEV
    };
    const ckpt_code rc = ckpt__fs_fail(err, op, r);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (-r == none[i]) return CKPT_ERR_UNSUITABLE;
    }
    return rc;
}

//--- Files --------------------------------------------------------------------

// Files and directories by descriptor and name, without a place.

// Calls a function of the table again as long as a signal interrupts it, for an
// interrupted call had no effect. An interrupted close, rename or link can have
// had its effect: the store calls these once, and after rename and link looks
// at the names.
#define CKPT__FS_RETRY(r, call) \
    do { (r) = (call); } while ((r) == -EINTR)

// The file store behind the store that the core passes to a method.
static ckpt_store_fs *ckpt__fs_of(ckpt_store *s)
{
    return (ckpt_store_fs *)(void *)s;
}

static int ckpt__fs_open(ckpt_store_fs *fs, int dir, const char *name,
                         int flags)
{
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->open(fs->priv.user, dir, name, flags));
    return r;
}

// Closes a descriptor unless it is -1, and makes it -1.
static void ckpt__fs_close(ckpt_store_fs *fs, int *fd)
{
    if (*fd >= 0) {
        (void)fs->priv.calls->close(fs->priv.user, *fd);
    }
    *fd = -1;
}

static int ckpt__fs_stat(ckpt_store_fs *fs, int fd, ckpt_fs_stat *st)
{
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->stat(fs->priv.user, fd, st));
    return r;
}

// Without the mtime.
static int ckpt__fs_stat_plain(ckpt_store_fs *fs, int fd, ckpt_fs_stat *st)
{
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->stat_plain(fs->priv.user, fd, st));
    return r;
}

static int ckpt__fs_stat_at(ckpt_store_fs *fs, int dir, const char *name,
                            ckpt_fs_stat *st)
{
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->stat_at(fs->priv.user, dir, name, st));
    return r;
}

// Removes a file. Succeeds, too, if the file is not there.
static int ckpt__fs_unlink(ckpt_store_fs *fs, int dir, const char *name)
{
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->unlink(fs->priv.user, dir, name));
    return r == -ENOENT ? 0 : r;
}

// Writes a file or directory to the medium, if this store promises that a save
// survives a power cut (R2). A sync that a signal interrupts is made again by
// the same descriptor: EINTR says that the wait ended early, and is no verdict
// about the bytes, unlike EIO (fsync(2); PostgreSQL does the same in
// pg_fsync_no_writethrough()).
static int ckpt__fs_sync(ckpt_store_fs *fs, int fd)
{
    int r = 0;
    if (fs->priv.durability == CKPT_STORE_FS_POWER) {
        CKPT__FS_RETRY(r, fs->priv.calls->sync(fs->priv.user, fd));
    }
    return r;
}

// The same for the bytes of a file.
static int ckpt__fs_datasync(ckpt_store_fs *fs, int fd)
{
    int r = 0;
    if (fs->priv.durability == CKPT_STORE_FS_POWER) {
        CKPT__FS_RETRY(r, fs->priv.calls->datasync(fs->priv.user, fd));
    }
    return r;
}

// Makes the names in the root durable. It opens the root anew each time: all
// runs and threads share the store's own descriptor, and after a failed sync of
// one run no other run could rely on a sync by that descriptor (R2).
static int ckpt__fs_sync_root(ckpt_store_fs *fs)
{
    int fd = ckpt__fs_open(fs, fs->priv.root, ".", CKPT_FS_DIR);
    const int r = fd < 0 ? fd : ckpt__fs_sync(fs, fd);
    ckpt__fs_close(fs, &fd);
    return r;
}

// Writes size bytes at an offset. Fails if write() accepts nothing for the
// second time: otherwise this function could loop for ever.
static int ckpt__fs_write(ckpt_store_fs *fs, int fd, const void *bytes,
                          uint64_t size, uint64_t offset)
{
    const uint8_t *p = (const uint8_t *)bytes;
    const size_t most = (size_t)1 << 30;        // macOS: below INT_MAX
    for (int idle = 0; size > 0; ) {
        int64_t r;
        const size_t n = size < most ? (size_t)size : most;
        CKPT__FS_RETRY(r, fs->priv.calls->write(fs->priv.user, fd, p, n,
                                                offset));
        if (r < 0) return (int)r;
        if (r == 0 && ++idle == 2) return -EIO;
        p += r;
        offset += (uint64_t)r;
        size -= (uint64_t)r;
    }
    return 0;
}

// Writes blanks up to an offset. Behind a record only white space may follow.
static int ckpt__fs_fill(ckpt_store_fs *fs, int fd, uint64_t from, uint64_t to)
{
    char blanks[1024];
    int r = 0;
    memset(blanks, ' ', sizeof(blanks));
    while (r == 0 && from < to) {
        const uint64_t n = to - from < sizeof(blanks) ? to - from
                                                      : sizeof(blanks);
        r = ckpt__fs_write(fs, fd, blanks, n, from);
        from += n;
    }
    return r;
}

// Reads n bytes at an offset, or less if the file ends before. Returns how
// many.
static int64_t ckpt__fs_read(ckpt_store_fs *fs, int fd, void *buf, size_t n,
                             uint64_t offset)
{
    size_t got = 0;
    while (got < n) {
        int64_t r;
        CKPT__FS_RETRY(r, fs->priv.calls->read(fs->priv.user, fd,
                                               (uint8_t *)buf + got, n - got,
                                               offset + got));
        if (r <= 0) return r < 0 ? r : (int64_t)got;
        got += (size_t)r;
    }
    return (int64_t)got;
}

// Writes 128 random bits as base32 digits, which make a name unique.
static int ckpt__fs_random_digits(ckpt_store_fs *fs,
                                  char out[CKPT__FS_RANDOM_DIGITS + 1])
{
    uint8_t bytes[16];
    int r;
    CKPT__FS_RETRY(r, fs->priv.calls->random(fs->priv.user, bytes,
                                             sizeof(bytes)));
    if (r == 0) {
        ckpt__fs_base32_encode(out, bytes, sizeof(bytes));
    }
    return r;
}

// What tells a file from all others that exist.
typedef struct ckpt__fs_file {
    uint64_t dev, ino;
} ckpt__fs_file;

// What a generation is known by: its token, the number of its save, and the
// file that it stands in. Only a look asks for the seq, which is 0 otherwise,
// and if the head is damaged.
typedef struct ckpt__fs_id {
    uint64_t      token, seq;
    ckpt__fs_file file;
} ckpt__fs_id;

#define CKPT__FS_HEAD 512       // bytes of a file that its token is made of

// Reads the beginning of a generation, and makes its token of that: a number.
// Two generations of a run never have the same head, for each try to save has a
// higher seq. Inode and mtime would not do: a file system over FUSE can make up
// inodes, some set the mtime when a file is closed, and whoever touches the
// file changes its mtime (R13).
static int ckpt__fs_read_token(ckpt_store_fs *fs, int fd,
                               uint8_t head[CKPT__FS_HEAD], uint64_t *token)
{
    uint64_t hash = 0xcbf29ce484222325U, word;
    memset(head, 0, CKPT__FS_HEAD);
    const int64_t n = ckpt__fs_read(fs, fd, head, CKPT__FS_HEAD, 0);
    for (size_t i = 0; i < CKPT__FS_HEAD; i += sizeof(word)) {
        memcpy(&word, head + i, sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;             // what differs high counts low, too
    }
    *token = hash;
    return n < 0 ? (int)n : 0;
}

static ckpt__fs_file ckpt__fs_file_of(const ckpt_fs_stat *st)
{
    const ckpt__fs_file file = { st->dev, st->ino };
    return file;
}

static bool ckpt__fs_same_file(ckpt__fs_file a, ckpt__fs_file b)
{
    return a.ino == b.ino && a.dev == b.dev;
}

// Opens a plain file of our own user to read it, and fills in *st, the mtime
// only if timed: whoever asks for the times of a generation makes the save that
// writes over it dearer. Returns -ENOENT for a directory: no file of the store
// is there, and what stands in its place must not block a run for ever. Returns
// -ELOOP for anything else: somebody planted it, and the store must not read it
// as a claim or a generation (R11).
static int ckpt__fs_open_ours(ckpt_store_fs *fs, int dir, const char *name,
                              bool timed, ckpt_fs_stat *st)
{
    int fd = ckpt__fs_open(fs, dir, name, CKPT_FS_READ);
    int r = fd;
    if (fd >= 0) {
        r = timed ? ckpt__fs_stat(fs, fd, st) : ckpt__fs_stat_plain(fs, fd, st);
    }
    if (r >= 0 && (!st->is_file || st->uid != fs->priv.uid)) {
        r = st->is_dir ? -ENOENT : -ELOOP;
    }
    if (r < 0) {
        ckpt__fs_close(fs, &fd);
        return r;
    }
    return fd;
}

// Tells whether a directory has that name.
static bool ckpt__fs_is_dir(ckpt_store_fs *fs, int dir, const char *name)
{
    ckpt_fs_stat st;
    return ckpt__fs_stat_at(fs, dir, name, &st) >= 0 && st.is_dir;
}

// Moves what is not the store's out of the way, to a new name in the root,
// where a person finds it. Otherwise what others put there could keep an id, or
// block a run, for ever.
static int ckpt__fs_move_out(ckpt_store_fs *fs, int dir, const char *name)
{
    char random[CKPT__FS_RANDOM_DIGITS + 1], lost[40];
    const int r = ckpt__fs_random_digits(fs, random);
    if (r < 0) return r;
    ckpt__stb_sprintf(lost, ".lost-%s", random);
    return fs->priv.calls->rename(fs->priv.user, dir, name, fs->priv.root,
                                  lost);
}

// A walk through a directory, used as
//
//      for (bool more = ckpt__fs_walk_begin(&w, fs, dir);
//           more && ckpt__fs_walk_next(&w); ) { w.name ... }
//
// The loop must run to its end, because ckpt__fs_walk_next() closes the walk
// there. Then w.r is below 0 if the walk failed.
typedef struct ckpt__fs_walk {
    ckpt_store_fs *fs;
    void          *walk;
    int            r;           // below 0: the walk failed
    int            dir;
    bool           by_batch;    // with names(), not with dir_open() and so on
    size_t         at, end;     // of the batch, in bytes
    char           name[256];
    union {
        uint64_t aligned;
        char     bytes[1024];
    } batch;
} ckpt__fs_walk;

// Takes the next name of a batch. Fails with 0 at the end.
static int ckpt__fs_batch_next(ckpt__fs_walk *w)
{
    if (w->at == w->end) {
        int64_t r;
        CKPT__FS_RETRY(r, w->fs->priv.calls->names(w->fs->priv.user, w->dir,
                                                   w->batch.bytes,
                                                   sizeof(w->batch.bytes)));
        if (r <= 0) return (int)r;
        w->at = 0;
        w->end = (size_t)r;
    }
    const char *name = w->batch.bytes + w->at;
    const size_t size = strlen(name) + 1;
    memcpy(w->name, name, size);        // a name has at most 255 bytes
    w->at += size;
    return 1;
}

// Opens a walk. Returns false if the walk fails or the directory is gone.
static bool ckpt__fs_walk_begin(ckpt__fs_walk *w, ckpt_store_fs *fs, int dir)
{
    w->fs = fs;
    w->by_batch = false;
    CKPT__FS_RETRY(w->r, fs->priv.calls->dir_open(fs->priv.user, dir,
                                                  &w->walk));
    if (w->r == -ENOENT) {      // the directory was removed, so it is empty
        w->r = 0;
        return false;
    }
    return w->r >= 0;
}

// The same for a scan, which walks once through a directory that it has just
// opened: by that descriptor, if no server has names that this machine does not
// know yet. (A walk that begins anew by an old descriptor could miss what was
// made since.)
static bool ckpt__fs_walk_once(ckpt__fs_walk *w, ckpt_store_fs *fs, int dir)
{
    if (!fs->priv.ours_alone || fs->priv.calls->names == NULL) {
        return ckpt__fs_walk_begin(w, fs, dir);
    }
    w->fs = fs;
    w->dir = dir;
    w->by_batch = true;
    w->at = w->end = 0;
    w->r = 0;
    return true;
}

// Reads the next name, but for the directory itself and its parent. Returns
// false at the end and on failure.
static bool ckpt__fs_walk_next(ckpt__fs_walk *w)
{
    do {
        if (w->by_batch) {
            w->r = ckpt__fs_batch_next(w);
            continue;
        }
        CKPT__FS_RETRY(w->r, w->fs->priv.calls->dir_next(w->fs->priv.user,
                                                         w->walk, w->name));
    } while (w->r > 0 && (strcmp(w->name, ".") == 0 ||
                          strcmp(w->name, "..") == 0));
    if (w->r <= 0 && !w->by_batch) {
        w->fs->priv.calls->dir_close(w->fs->priv.user, w->walk);
    }
    return w->r > 0;
}

//--- The files of a run -------------------------------------------------------

// What a place holds, and what more than one of the rooms below does with the
// files of a run.

// A file of a generation that this place has published.
typedef struct ckpt__fs_own {
    ckpt__fs_file file;         // ino 0: there is none, or it is not known
    uint64_t      size;         // of the file, room to grow in included
    uint64_t      end;          // behind it there are only blanks
    uint64_t      token;        // of the generation
} ckpt__fs_own;

// A range that a generation shares with the one before it: the same bytes, at
// the same offset.
typedef struct ckpt__fs_range {
    uint64_t offset, size;
    uint32_t crc;
} ckpt__fs_range;

#define CKPT__FS_RANGES 2       // the metadata and the messages, mostly

// The token of what has the second name, after a quick look.
enum { CKPT__FS_SECOND = 1 };

// What the store keeps in a place. The place holds the run's directory and
// claim by descriptor: if the run is removed and another run gets the name,
// calls on this place still reach the old directory and cannot harm the new
// run (R5).
typedef struct ckpt__fs_place {
    int      dir;               // descriptor of the run's directory; -1: none
    int      claim;             // of the claim, if we hold a lock on it
    int      reading;           // descriptor of a generation; -1: none
    int      writing;           // of the file that is written; -1: none
    uint64_t epoch;             // of the claim, 0: none
    ckpt__fs_file claim_file;   // what claim is open on
    uint64_t reading_token;     // of the generation that is being read
    uint64_t written;           // bytes in the temporary file so far
    uint64_t acked;             // as it stands in the claim
    int64_t  opener_pid;        // the process that opened this place, or 0
    ckpt_how opened_as;
    bool     unshown;           // the run does not have its name yet
    bool     others_write;      // others may put files into its directory
    bool     dir_spoiled;       // a sync of dir has failed
    bool     unsettled;         // names were exchanged, removed or claimed
                                // since the last sync, or that sync failed
    bool     name_durable;      // the name of the run, in the root
    bool     keeps_prev;        // what is written builds upon that one, not
                                // upon what has the name of the newest
    bool     in_place;          // the spare is written, not a temporary file
    bool     newest_is_prev;    // an exchange failed: the newest generation
                                // has the name of the one before it
    bool     quick;             // the last look was one of a scan
    ckpt__fs_own   newest, spare;       // the last two generations
    ckpt__fs_range shared[CKPT__FS_RANGES];     // between these two, and
    ckpt__fs_range sharing[CKPT__FS_RANGES];    // newest and what is written
    char     name[CKPT__FS_NAME_SIZE];  // of the run, in the root
    char     new_name[40];              // of an unshown run, in the root
    char     temp_name[56];             // of the temporary file, in dir
    char     nonce[CKPT__FS_RANDOM_DIGITS + 1];
} ckpt__fs_place;

// The file store's view of a place. The core owns the memory.
static ckpt__fs_place *ckpt__fs_place_of(void *place)
{
    return (ckpt__fs_place *)place;
}

// Only the process that opened a place may use it. A child after fork() has the
// same descriptors, and without this check it would write as the owner, at the
// same time as the owner (R3). The opener of a run that exists is the process
// that first looks at all of it, or claims it: a scan does neither, and need
// not ask for its process id.
static ckpt_code ckpt__fs_check_opener(ckpt_store_fs *fs, ckpt__fs_place *p)
{
    const int64_t pid = fs->priv.calls->pid(fs->priv.user);
    p->opener_pid = p->opener_pid != 0 ? p->opener_pid : pid;
    return p->opener_pid == pid ? CKPT_OK : CKPT_ERR_FORKED;
}

// The members of a claim's line that are read, and their names.
enum {
    CKPT__FS_ACKED, CKPT__FS_GAVE_UP, CKPT__FS_LOCKED, CKPT__FS_NONCE,
    CKPT__FS_HOST, CKPT__FS_BOOT, CKPT__FS_PID_NS, CKPT__FS_PID, CKPT__FS_START,
    CKPT__FS_ALONE, CKPT__FS_OWNER, CKPT__FS_MEMBERS
};

static const char ckpt__fs_members[CKPT__FS_MEMBERS][8] = {
    "acked", "gave_up", "locked", "nonce", "host", "boot", "pid_ns", "pid",
    "start", "alone", "owner"
};

// The line of a claim, and its members in it.
typedef struct ckpt__fs_line {
    char       text[1024];
    bool       whole;           // the claim is neither empty nor damaged
    ckpt_bytes member[CKPT__FS_MEMBERS];
} ckpt__fs_line;

// Returns where a value ends that is a plain string, a whole number or a flag;
// NULL if it is none.
static const uint8_t *ckpt__fs_value_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = p;
    if (p < end && *p == '"') {
        p = ckpt__clean(p + 1, end);
        return p < end && *p == '"' ? p + 1 : NULL;
    }
    if (end - p > 5 && memcmp(p, "true", 4) == 0) return p + 4;
    if (end - p > 5 && memcmp(p, "false", 5) == 0) return p + 5;
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p == from || (*from == '0' && p > from + 1) ? NULL : p;
}

// Gives the next member of the line of a claim, as ckpt_json_next() does. A
// scan reads as many claims as there are runs, so this function takes what a
// claimant writes by itself, in a tenth of the time.
static bool ckpt__fs_next_member(ckpt_bytes line, size_t *at, ckpt_bytes *key,
                                 ckpt_bytes *value)
{
    const uint8_t *text = (const uint8_t *)line.ptr, *end = text + line.len;
    if (line.len - *at < 3 || text[*at] != (*at == 0 ? '{' : ',') ||
        text[*at + 1] != '"') {
        return ckpt_json_next(line, at, key, value);
    }
    const uint8_t *name = text + *at + 2, *p = ckpt__clean(name, end);
    const size_t n = (size_t)(p - name);
    if (end - p < 3 || p[0] != '"' || p[1] != ':') {
        return ckpt_json_next(line, at, key, value);
    }
    for (p += 2; p < end && *p == ' '; ) {
        p++;
    }
    const uint8_t *from = p, *stop = ckpt__fs_value_end(p, end);
    for (p = stop; p != NULL && p < end && *p == ' '; ) {
        p++;
    }
    if (p == NULL || p == end || (*p != ',' && *p != '}')) {
        return ckpt_json_next(line, at, key, value);
    }
    key->ptr = name;
    key->len = n;
    value->ptr = from;
    value->len = (size_t)(stop - from);
    *at = *p == ',' ? (size_t)(p - text) : line.len;
    return true;
}

// Reads the line of a claim, at most 1,024 bytes; the size of the file, if that
// is known, spares the read that finds the end. The line is empty if the claim
// is empty or damaged, as a power cut can leave it: such a claim still counts,
// but says nothing about its claimant. The walk stops at the first fault; so
// what ends behind its last value is valid.
static int ckpt__fs_read_claim(ckpt_store_fs *fs, int fd, uint64_t size,
                               ckpt__fs_line *line)
{
    const size_t most = sizeof(line->text);
    const int64_t r = ckpt__fs_read(fs, fd, line->text, size > 0 &&
                                    size < most ? (size_t)size : most, 0);
    ckpt_bytes text = { line->text, r > 0 ? (size_t)r : 0 }, key, value;
    const char *end = line->text;
    char name[sizeof(ckpt__fs_members[0])];
    size_t at = 0, next = 0;            // what ckpt__fs_members has next
    memset(line->member, 0, sizeof(line->member));
    while (ckpt__fs_next_member(text, &at, &key, &value)) {
        end = (const char *)value.ptr + value.len;
        if (key.ptr == NULL || key.len >= sizeof(name)) continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        for (size_t i = 0; i < CKPT__FS_MEMBERS; i++) {
            const size_t k = (next + i) % CKPT__FS_MEMBERS;
            if (name[0] == ckpt__fs_members[k][0] &&
                strcmp(name, ckpt__fs_members[k]) == 0) {
                line->member[k] = value;
                next = k + 1;
                break;
            }
        }
    }
    const size_t rest = text.len - (size_t)(end - line->text);
    line->whole = line->text[0] == '{' && end > line->text && rest > 0 &&
                  rest <= 2 && memcmp(end, "}\n", rest) == 0;
    if (!line->whole) {
        memset(line->member, 0, sizeof(line->member));
    }
    return r < 0 ? (int)r : 0;
}

// Returns 1 if the claim of that name has the nonce of this place, 0 if it has
// another nonce or says nothing, -ENOENT if no such claim is there.
static int ckpt__fs_claim_has_nonce(ckpt_store_fs *fs, int dir,
                                    const char *name, const char *nonce)
{
    char text[CKPT__FS_RANDOM_DIGITS + 1];
    ckpt__fs_line line;
    ckpt_fs_stat st;
    int fd = ckpt__fs_open_ours(fs, dir, name, false, &st);
    if (fd < 0) return fd;
    const int r = ckpt__fs_read_claim(fs, fd, st.size, &line);
    ckpt__fs_close(fs, &fd);
    if (r < 0) return r;
    return ckpt_json_text(line.member[CKPT__FS_NONCE], text, sizeof(text),
                          NULL) == CKPT_OK && strcmp(text, nonce) == 0;
}

// Returns 1 if the claim of this place still has its name, 0 if not, and
// -errno if that cannot be seen (R4). The file under the name is our claim if
// it is the file that this place holds open, or if it has our nonce. The link
// count of the open file tells nothing: a snapshot made of hard links adds a
// name, and NFS and FUSE keep one for a file that is removed while it is open.
static int ckpt__fs_claim_stands(ckpt_store_fs *fs, const ckpt__fs_place *p)
{
    char name[64];
    ckpt_fs_stat st;
    ckpt__fs_claim_name(name, p->epoch);
    if (p->claim >= 0 && ckpt__fs_stat_at(fs, p->dir, name, &st) >= 0 &&
        ckpt__fs_same_file(ckpt__fs_file_of(&st), p->claim_file)) {
        return 1;
    }
    const int r = ckpt__fs_claim_has_nonce(fs, p->dir, name, p->nonce);
    return r == -ENOENT ? 0 : r;
}

// Returns CKPT_OK if the claim of this place still has its name (R4).
//
// A remover, or a later owner, first removes the names of the lower claims and
// then all temporary files. So an owner that was paused either finds here that
// its claim is gone, or finds later that the source of its rename is gone. In
// both cases the owner cannot bring a finished run back (R8). That is why both
// temporary files of a save are made before this call, and why both renames
// follow it. (Variants temps-left, claims-after-temps, prev-linked-late and
// rename-unlooked in tests/proof/spin/run.sh.)
static ckpt_code ckpt__fs_check_claim(ckpt_store_fs *fs,
                                      const ckpt__fs_place *p, ckpt_error *err)
{
    const int r = ckpt__fs_claim_stands(fs, p);
    if (r < 0) return ckpt__fs_fail(err, "look at the claim", r);
    return r == 0 ? CKPT_ERR_CLAIM_LOST : CKPT_OK;
}

// Opens the claim of this place to write to it. A store that judges by locks
// holds the claim open, and with it the lock. Any other store opens it each
// time: where a file that is removed while it is open keeps a name (NFS, FUSE),
// a claim held open would keep the directory of a finished run, and SMB would
// not rename the directory of a new one. Returns -ENOENT if the claim is gone.
static int ckpt__fs_open_claim(ckpt_store_fs *fs, const ckpt__fs_place *p)
{
    char name[64];
    if (p->claim >= 0) return p->claim;
    const int r = ckpt__fs_claim_stands(fs, p);
    if (r <= 0) return r < 0 ? r : -ENOENT;
    ckpt__fs_claim_name(name, p->epoch);
    return ckpt__fs_open(fs, p->dir, name, CKPT_FS_WRITE);
}

// Ends what ckpt__fs_open_claim() began. On some file systems a write succeeds
// and the close says that it did not.
static int ckpt__fs_close_claim(ckpt_store_fs *fs, const ckpt__fs_place *p,
                                int fd)
{
    return fd == p->claim ? 0 : fs->priv.calls->close(fs->priv.user, fd);
}

// Makes the names in the run's directory durable. After a failed sync a second
// sync by the same descriptor could succeed although the names never reached
// the medium. So this function opens the directory anew before the next sync
// (R2).
static int ckpt__fs_sync_run(ckpt_store_fs *fs, ckpt__fs_place *p)
{
    int r = 0;
    if (p->dir_spoiled) {
        const int fresh = ckpt__fs_open(fs, p->dir, ".", CKPT_FS_DIR);
        if (fresh < 0) return fresh;
        ckpt__fs_close(fs, &p->dir);
        p->dir = fresh;
    }
    r = ckpt__fs_sync(fs, p->dir);
    p->dir_spoiled = p->unsettled = r < 0;
    return r;
}

// Makes the names of the generations of an epoch durable before one of them is
// removed, unless they are. An owner that publishes by exchange does not sync
// the names; if the power failed after a removal, the exchange before it could
// be undone and the removal not, and the name that is gone would be that of the
// newest one. Of another owner's generations nobody knows whether their names
// are durable.
static int ckpt__fs_settle(ckpt_store_fs *fs, ckpt__fs_place *p, uint64_t epoch)
{
    return p->unsettled || epoch != p->epoch ? ckpt__fs_sync_run(fs, p) : 0;
}

// Creates a temporary file of an epoch under a unique name, p->temp_name.
// Returns its descriptor. A call that fails or is interrupted may have made the
// file all the same, which would keep the directory of a finished run: so it is
// removed, and an interrupted call is repeated under another name.
static int ckpt__fs_create_temp(ckpt_store_fs *fs, ckpt__fs_place *p,
                                uint64_t epoch)
{
    char random[CKPT__FS_RANDOM_DIGITS + 1];
    int r = 0;
    for (int tries = 0; tries < CKPT__FS_TRIES_MAX; tries += r != -EINTR) {
        r = ckpt__fs_random_digits(fs, random);
        if (r < 0) return r;
        ckpt__stb_sprintf(p->temp_name, ".t.%llu.%s", (ckpt__ull)epoch, random);
        r = fs->priv.calls->open(fs->priv.user, p->dir, p->temp_name,
                                 CKPT_FS_WRITE | CKPT_FS_CREATE | CKPT_FS_EXCL);
        if (r >= 0) return r;
        if (r != -EEXIST) {
            (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
        }
        if (r != -EEXIST && r != -EINTR) break;
    }
    return r;
}

// Opens a file that has the name of a generation, and reads what the generation
// is known by, but for its seq: head is what that can be read from.
static int ckpt__fs_open_named(ckpt_store_fs *fs, int dir, const char *name,
                               uint8_t head[CKPT__FS_HEAD], ckpt__fs_id *id)
{
    ckpt_fs_stat st;
    int fd = ckpt__fs_open_ours(fs, dir, name, false, &st);
    const int r = fd < 0 ? fd : ckpt__fs_read_token(fs, fd, head, &id->token);
    if (r < 0) {
        ckpt__fs_close(fs, &fd);
        return r;
    }
    id->file = ckpt__fs_file_of(&st);
    return fd;
}

// Reads what the generation of that name is known by.
static int ckpt__fs_identify(ckpt_store_fs *fs, int dir, const char *name,
                             ckpt__fs_id *id)
{
    uint8_t head[CKPT__FS_HEAD];
    int fd = ckpt__fs_open_named(fs, dir, name, head, id);
    const int r = fd;
    ckpt__fs_close(fs, &fd);
    id->seq = r < 0 ? 0 : ckpt__head_seq(fs->priv.by_op, (const char *)head);
    return r < 0 ? r : 0;
}

// Tells two files with the same head apart: a damaged generation can have the
// head of the one before it, which may be whole. One file under both names is
// one generation, as a crash between link and rename leaves it.
static void ckpt__fs_tell_apart(const ckpt__fs_id *newest, ckpt__fs_id *prev)
{
    if (prev->token == newest->token &&
        !ckpt__fs_same_file(prev->file, newest->file)) {
        prev->token++;
    }
}

// Opens the file of a generation and writes its name. The owner can rename or
// exchange its generations at any time, so a name does not say which generation
// stands there; the token does. (The core finds out by head and sum whether the
// generation is whole, R13.) If both names led to one file, the owner may have
// exchanged them in between, and the look is made again. Returns -ESTALE if the
// file has neither name any more.
static int ckpt__fs_open_gen(ckpt_store_fs *fs, const ckpt__fs_place *p,
                             const ckpt_gen *gen, char name[256])
{
    ckpt__fs_id id[2];
    uint8_t head[CKPT__FS_HEAD];
    int r = -ESTALE;
    for (int tries = 0; tries < CKPT__FS_TRIES_MAX; tries++) {
        memset(id, 0, sizeof(id));
        r = -ESTALE;
        for (int i = 0; i < 2; i++) {
            ckpt__fs_gen_name(name, gen->epoch, i == 1);
            int fd = ckpt__fs_open_named(fs, p->dir, name, head, &id[i]);
            if (i == 1) {
                ckpt__fs_tell_apart(&id[0], &id[1]);
            }
            if (fd >= 0 && id[i].token == gen->token) return fd;
            r = fd < 0 && fd != -ENOENT ? fd : r;
            ckpt__fs_close(fs, &fd);
        }
        if (r != -ESTALE || id[0].file.ino == 0 ||
            !ckpt__fs_same_file(id[0].file, id[1].file)) {
            break;
        }
    }
    return r;
}

// Makes p->reading the file of a generation. The file stays open between calls,
// so that a reader gets all pieces from one file even if the owner publishes
// the next generation meanwhile. An owner that publishes by exchange writes
// into that file when it saves for the second time; the reader then gets a
// mixture, which the core tells by its sum, and reads again (R1). After a quick
// look an observer asks whose file that is only if others may put files into
// the directory; a claimant always asks. Returns CKPT_ERR_STALE if the
// generation is not there any more.
static ckpt_code ckpt__fs_open_for_reading(ckpt_store_fs *fs, ckpt__fs_place *p,
                                           const ckpt_gen *gen, ckpt_error *err)
{
    char name[256];
    ckpt_fs_stat st;
    if (p->reading >= 0 && p->reading_token == gen->token) return CKPT_OK;
    ckpt__fs_close(fs, &p->reading);
    if (p->quick) {                     // what has that name by now
        ckpt__fs_gen_name(name, gen->epoch, gen->token == CKPT__FS_SECOND);
        p->reading = p->others_write ?
            ckpt__fs_open_ours(fs, p->dir, name, false, &st) :
            ckpt__fs_open(fs, p->dir, name, CKPT_FS_READ);
    } else {
        p->reading = ckpt__fs_open_gen(fs, p, gen, name);
    }
    p->reading_token = gen->token;
    if (p->reading == -ESTALE || (p->quick && p->reading == -ENOENT)) {
        return CKPT_ERR_STALE;
    }
    if (p->reading >= 0) return CKPT_OK;
    return ckpt__fs_fail(err, "open a checkpoint", p->reading);
}

// Closes the generation that is being read, and removes the file that is being
// written. Of a spare that is partly overwritten nothing is left to keep, and
// what was written so far could be a whole record that no save acknowledged.
// Returns CKPT_ERR_UNSURE if the spare cannot be removed, else rc.
static ckpt_code ckpt__fs_discard_put(ckpt_store_fs *fs, ckpt__fs_place *p,
                                      ckpt_code rc)
{
    char spare[64];
    const bool is_temp = p->writing >= 0 && !p->in_place;
    ckpt__fs_close(fs, &p->reading);
    ckpt__fs_close(fs, &p->writing);
    if (is_temp) {
        (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
    }
    if (!p->in_place) return rc;
    ckpt__fs_gen_name(spare, p->epoch, true);
    p->in_place = false;
    memset(&p->spare, 0, sizeof(p->spare));
    if (ckpt__fs_settle(fs, p, p->epoch) >= 0 &&
        ckpt__fs_unlink(fs, p->dir, spare) >= 0) {
        return rc;
    }
    p->newest_is_prev = true;           // perhaps; and nothing is lost if not
    return CKPT_ERR_UNSURE;
}

// Reads what the two generations of an epoch are known by; *count of them are
// there. It asks for each name: a listing of the directory could miss a name to
// which the owner renames another file at that moment. Between the two looks
// the owner can exchange the names, or rename a file, and then remove one: the
// newest generation may have been under the second name at the first look and
// under the first name at the second. So the looks count only if the first name
// leads to the same generation after them: by its head, for inodes can be made
// up. One file under both names is one generation, as a crash leaves it.
static int ckpt__fs_identify_both(ckpt_store_fs *fs, int dir, uint64_t epoch,
                                  ckpt__fs_id id[2], unsigned *count)
{
    for (int tries = 0; tries < CKPT__FS_TRIES_MAX; tries++) {
        ckpt__fs_id seen[3];            // the first name, the second, the first
        bool there[3];
        *count = 0;
        memset(seen, 0, sizeof(seen));
        for (int i = 0; i < 3; i++) {
            char name[64];
            ckpt__fs_gen_name(name, epoch, i == 1);
            const int r = ckpt__fs_identify(fs, dir, name, &seen[i]);
            // What was planted (-ELOOP) is told as foreign.
            if (r < 0 && r != -ENOENT && r != -ELOOP) return r;
            there[i] = r != -ENOENT;
            if (there[i] && i < 2) {
                id[(*count)++] = seen[i];
            }
        }
        if (*count == 2 && ckpt__fs_same_file(id[0].file, id[1].file)) {
            *count = 1;
        }
        if (there[0] == there[2] && seen[0].token == seen[2].token) return 0;
    }
    return -ESTALE;                     // the names never stand still
}

// Adds the generations of an epoch to a look, the newest first: that with the
// higher seq in its head. Their names tell it only if a head is damaged: an
// exchange of names is not synced, so after a power cut the newer generation
// can have the name of the older one (R1). The caller makes sure that there is
// room for two.
static ckpt_code ckpt__fs_look_epoch(ckpt_store_fs *fs, int dir,
                                     uint64_t epoch, ckpt_look *look,
                                     ckpt_error *err)
{
    ckpt__fs_id id[2];
    unsigned count;
    memset(id, 0, sizeof(id));
    CKPT_ASSERT(epoch > 0 && look->count + 2 <= CKPT_LOOK_MAX);
    const int r = ckpt__fs_identify_both(fs, dir, epoch, id, &count);
    if (r == -ESTALE) return CKPT_ERR_STALE;
    if (r < 0) return ckpt__fs_fail(err, "look at a checkpoint", r);
    ckpt__fs_tell_apart(&id[0], &id[1]);
    const bool swap = count == 2 && id[0].seq != 0 && id[1].seq > id[0].seq;
    for (unsigned i = 0; i < count; i++) {
        ckpt_gen *gen = &look->gens[look->count++];
        gen->epoch = epoch;
        gen->seq = id[swap ? 1 - i : i].seq;
        gen->token = id[swap ? 1 - i : i].token;
    }
    return CKPT_OK;
}

// A claim is one line of JSON. It begins with the values that its claimant
// writes over: the seq of the last save that was acknowledged, and whether the
// claimant gave up. Both values have a fixed width and stand in the first
// sector of the file. A disk writes a sector whole or not at all, so that no
// observer reads half of a value.
//
//      {"claim":1,"acked":              31,"gave_up":false,"locked":true ,...
#define CKPT__FS_ACKED_OFFSET   19
#define CKPT__FS_ACKED_WIDTH    16
#define CKPT__FS_GAVE_UP_OFFSET 46
#define CKPT__FS_LOCKED_OFFSET  61

//--- Looking and reading ------------------------------------------------------

// An observer needs no claim to look at a run and to read it, and changes
// nothing in the run (R3).

// Adds the generations of an epoch and of lower epochs, as many as fit. listed
// is the highest epoch of which the listing showed a generation. Above listed
// there are only claimants that died before they published, and perhaps a
// generation that the listing missed during a rename. After more than
// CKPT_CLAIMS_MAX epochs without a generation the search goes on at listed, and
// ends if it is below listed already.
//
// lowest is the lowest epoch of which the listing showed any name. After the
// search has found a generation, it ends at lowest: the listing shows every
// claim, for no process renames claims, and a generation whose claim is gone
// was replaced by an owner above. Before that the search goes on below lowest:
// on a full disk the only generation can be one whose claim was removed, and
// the listing may have missed that generation.
static ckpt_code ckpt__fs_look_downwards(ckpt_store_fs *fs, int dir,
                                         uint64_t epoch, uint64_t listed,
                                         uint64_t lowest, ckpt_look *look,
                                         ckpt_error *err)
{
    ckpt_code rc = CKPT_OK;
    uint32_t misses = 0;
    while (rc == CKPT_OK && epoch > 0 && look->count + 2 <= CKPT_LOOK_MAX) {
        const unsigned before = look->count;
        if (look->count > 0 && epoch < lowest) break;
        rc = ckpt__fs_look_epoch(fs, dir, epoch, look, err);
        misses = look->count > before ? 0 : misses + 1;
        epoch--;
        if (misses > CKPT_CLAIMS_MAX && epoch < listed) break;
        if (misses > CKPT_CLAIMS_MAX) {
            epoch = listed;
            misses = 0;
        }
    }
    return rc;
}

// The method look(). The listing of the directory gives the highest epoch. A
// directory that has a name of the store is none of its files. One that holds
// nothing but what others put there is no run: its id is free. If there are
// only temporary files, the highest of these gives the epoch: a claimant can
// die while an owner below it ends the run, and whoever removes the rest needs
// a claim above that file. (Beside a claim such a file means nothing.)
static ckpt_code ckpt__fs_look(ckpt_store *s, void *place, uint64_t epoch_max,
                               ckpt_look *look, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    ckpt__fs_walk w;
    const bool quick = epoch_max == CKPT_LOOK_QUICK;
    uint64_t epoch, listed = 0, lowest = UINT64_MAX, temps = 0, newest = 0;
    uint64_t prev = 0;
    bool foreign = false, ours = p->opened_as != CKPT_HOW_FIND || p->epoch > 0;
    const bool once = quick && !p->quick;
    memset(look, 0, sizeof(*look));
    ckpt__fs_close(fs, &p->reading);
    p->quick = quick;
    const ckpt_code rc = quick ? CKPT_OK : ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    for (bool more = once ? ckpt__fs_walk_once(&w, fs, p->dir)
                          : ckpt__fs_walk_begin(&w, fs, p->dir);
         more && ckpt__fs_walk_next(&w); ) {
        const ckpt__fs_kind kind = ckpt__fs_parse_name(w.name, &epoch);
        const bool is_gen = kind == CKPT__FS_NEWEST || kind == CKPT__FS_PREV;
        const bool is_other = kind == CKPT__FS_OTHER ||
            (epoch > look->epoch && epoch != p->epoch && !quick &&
             ckpt__fs_is_dir(fs, p->dir, w.name));
        foreign = foreign || is_other;
        ours = ours || !is_other;
        if (kind == CKPT__FS_TEMP && !is_other && epoch > temps) temps = epoch;
        if (is_other || (!is_gen && kind != CKPT__FS_CLAIM)) continue;
        if (epoch > look->epoch) look->epoch = epoch;
        if (epoch < lowest) lowest = epoch;
        if (kind == CKPT__FS_NEWEST && epoch > newest) newest = epoch;
        if (kind == CKPT__FS_PREV && epoch > prev) prev = epoch;
        if (is_gen && epoch <= epoch_max && epoch > listed) listed = epoch;
    }
    if (w.r < 0) return ckpt__fs_fail(err, "list the directory of a run", w.r);
    if (foreign && !ours) return CKPT_ERR_NOT_FOUND;
    if (look->epoch == 0 && p->opened_as == CKPT_HOW_FIND) {
        look->epoch = temps;
    }
    // Look at our own claim last; the listing has shown all higher claims. In
    // the other order another process could claim, finish and remove the run in
    // between, and the owner would see its own claim and no higher one (R4).
    if (p->epoch != 0) {
        const int r = ckpt__fs_claim_stands(fs, p);
        if (r < 0) return ckpt__fs_fail(err, "look at the claim", r);
        look->mine = r == 1;
    }
    if (quick && newest >= prev) {      // the names say enough for a scan
        look->count = newest == 0 ? 0 : 1 + (prev == newest);
        look->gens[0].epoch = look->gens[1].epoch = newest;
        look->gens[1].token = CKPT__FS_SECOND;
    }
    if (quick) return CKPT_OK;
    return ckpt__fs_look_downwards(fs, p->dir, epoch_max < look->epoch ?
                                   epoch_max : look->epoch, listed, lowest,
                                   look, err);
}

// The method read(). With n == 0 the reader is done, and the file is closed.
static ckpt_code ckpt__fs_read_gen(ckpt_store *s, void *place,
                                   const ckpt_gen *gen, uint64_t offset,
                                   void *buf, size_t n, size_t *got,
                                   ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    *got = 0;
    if (n == 0) {
        ckpt__fs_close(fs, &p->reading);
        return CKPT_OK;
    }
    const ckpt_code rc = ckpt__fs_open_for_reading(fs, p, gen, err);
    if (rc != CKPT_OK) return rc;
    const int64_t r = ckpt__fs_read(fs, p->reading, buf, n, offset);
    if (r < 0) {
        ckpt__fs_close(fs, &p->reading);
        return r == -ESTALE ? CKPT_ERR_STALE :
            ckpt__fs_fail(err, "read a checkpoint", r);
    }
    *got = (size_t)r;
    return CKPT_OK;
}

//--- Claims -------------------------------------------------------------------

// A claimant writes its line into a temporary file and links that file under
// the name of the claim. Only one claimant can win, because link(2) fails if
// the name is taken. The winner is the owner and beats; observers judge whether
// the owner lives (R7).
//
// On a file system that no other kernel can mount, a claimant syncs neither its
// line nor the name of its claim: a power cut takes every claimant along, so it
// cannot free an epoch that somebody still holds. The name reaches the medium
// with that of the first generation of the claim, in one sync of the directory,
// before the run is handed out; so no attempt goes uncounted (R6). Of the line
// a power cut may leave nothing, and then the empty line says that the claimant
// is gone. Elsewhere a server can lose its power while claimants live, and both
// are synced before the claim counts.

// Writes the line of a claim: who the claimant is, and a nonce by which the
// claimant recognizes its own claim.
static ckpt_code ckpt__fs_format_claim(ckpt_store_fs *fs, const char *nonce,
                                       const char *owner, char *buf, size_t cap,
                                       size_t *n)
{
    static const char fixed[] = "{\"claim\":1,\"acked\":               0,"
                                "\"gave_up\":false,\"locked\":false,";
    const size_t comma = sizeof(fixed) - 2;     // offset of the last comma
    ckpt_fs_self self;
    ckpt_moment now;
    ckpt_json w;
    ckpt_bytes line;
    char when[32];
    memset(&self, 0, sizeof(self));
    memset(&now, 0, sizeof(now));
    (void)fs->priv.calls->self(fs->priv.user, &self);
    (void)fs->priv.calls->clock(fs->priv.user, &now);
    ckpt__time_write(when, now.wall_ms);
    ckpt_json_init(&w, buf + comma, cap - comma - 1);
    w.replace = true;
    ckpt_json_open(&w, '{');
    ckpt_json_key(&w, "nonce");
    ckpt_json_string(&w, ckpt_text(nonce));
    ckpt_json_key(&w, "host");
    ckpt_json_string(&w, ckpt_text(self.host));
    ckpt_json_key(&w, "boot");
    ckpt_json_string(&w, ckpt_text(self.boot));
    ckpt_json_key(&w, "pid_ns");
    ckpt_json_int(&w, (int64_t)self.pid_ns);
    ckpt_json_key(&w, "pid");
    ckpt_json_int(&w, self.pid);
    ckpt_json_key(&w, "start");
    ckpt_json_int(&w, (int64_t)self.start);
    ckpt_json_key(&w, "alone");
    ckpt_json_bool(&w, fs->priv.ours_alone);
    ckpt_json_key(&w, "when");
    ckpt_json_string(&w, ckpt_text(when));
    ckpt_json_key(&w, "owner");
    ckpt_bytes who = ckpt_text(owner);
    while (who.len > 80 || (who.len > 0 &&  // not within a character
           ((uint8_t)owner[who.len] & 0xc0) == 0x80)) {
        who.len--;
    }
    ckpt_json_string(&w, who);
    ckpt_json_close(&w);
    if (ckpt_json_done(&w, &line) != CKPT_OK) return CKPT_ERR_ARGUMENT;
    memcpy(buf, fixed, comma + 1);
    if (fs->priv.locks) {
        memcpy(buf + CKPT__FS_LOCKED_OFFSET, "true ", 5);
    }
    *n = comma + line.len;
    buf[(*n)++] = '\n';
    return CKPT_OK;
}

// Links the temporary file under the name of the claim. The result of link()
// does not tell whether this claimant has won: on NFS the link can be made
// although the answer says that it failed (link(2), BUGS). The claim under the
// name tells it, by the nonce of the winner. The temporary name goes before the
// claim is read: SMB keeps a file open that was closed, and refuses to open it
// under a second name until the first one is gone.
static ckpt_code ckpt__fs_link_claim(ckpt_store_fs *fs, ckpt__fs_place *p,
                                     uint64_t epoch, ckpt_error *err)
{
    char name[64];
    ckpt__fs_claim_name(name, epoch);
    int linked = fs->priv.calls->link(fs->priv.user, p->dir, p->temp_name,
                                      p->dir, name);
    if (linked == -EEXIST && ckpt__fs_is_dir(fs, p->dir, name) &&
        ckpt__fs_move_out(fs, p->dir, name) >= 0) {
        linked = fs->priv.calls->link(fs->priv.user, p->dir, p->temp_name,
                                      p->dir, name);
    }
    (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);    // else swept later
    int r = ckpt__fs_claim_has_nonce(fs, p->dir, name, p->nonce);
    const bool won = r == 1;
    // If link() succeeded and the name is gone, a higher owner has removed our
    // claim as a lower one.
    if (!won && (r == 0 || linked == -EEXIST ||
                 (linked >= 0 && r == -ENOENT))) {
        return CKPT_ERR_CLAIM_LOST;
    }
    if (!won) {
        // A process that removes the run, or takes it over, removes the
        // temporary files of all claimants; then link() finds no source.
        if (linked == -ENOENT) return CKPT_ERR_STALE;
        return linked < 0 ? ckpt__fs_fail_link(err, "link the claim", linked)
                          : ckpt__fs_fail(err, "look at the claim", r);
    }
    p->unsettled = fs->priv.ours_alone;
    r = p->unsettled ? 0 : ckpt__fs_sync_run(fs, p);
    return r < 0 ? ckpt__fs_fail(err, "sync the claim", r) : CKPT_OK;
}

// Writes the line of a claim into the temporary file, and brings it to the
// medium where that must be. The file stays open as *fd if this store holds
// locks. The lock comes before the name: otherwise an observer could see the
// claim without a lock and take the claimant for dead (R7).
static int ckpt__fs_write_claim(ckpt_store_fs *fs, ckpt__fs_place *p, int *fd,
                                const char *line, size_t n)
{
    ckpt_fs_stat st;
    int r = 0;
    if (fs->priv.locks) {
        CKPT__FS_RETRY(r, fs->priv.calls->lock(fs->priv.user, *fd, true));
    }
    r = r < 0 ? r : ckpt__fs_write(fs, *fd, line, n, 0);
    r = r < 0 || fs->priv.ours_alone ? r : ckpt__fs_datasync(fs, *fd);
    r = r < 0 ? r : ckpt__fs_stat(fs, *fd, &st);
    if (r < 0) return r;
    p->claim_file = ckpt__fs_file_of(&st);
    if (fs->priv.locks) return 0;
    r = fs->priv.calls->close(fs->priv.user, *fd);
    *fd = -1;
    return r == -EINTR ? 0 : r;         // Linux has closed it (close(2))
}

// The method claim(). If it succeeds, the place holds the claim.
static ckpt_code ckpt__fs_claim(ckpt_store *s, void *place, uint64_t epoch,
                                const char *owner, char *nonce,
                                ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    char line[1024];
    size_t n = 0;
    ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    int r = ckpt__fs_random_digits(fs, p->nonce);
    if (r < 0) return ckpt__fs_fail(err, "get random bytes", r);
    rc = ckpt__fs_format_claim(fs, p->nonce, owner, line, sizeof(line), &n);
    if (rc != CKPT_OK) return rc;
    int fd = ckpt__fs_create_temp(fs, p, epoch);
    if (fd < 0) {
        rc = ckpt__fs_fail(err, "make the claim", fd);
        return fd == -ENOENT ? CKPT_ERR_STALE : rc;     // the run was removed
    }
    r = ckpt__fs_write_claim(fs, p, &fd, line, n);
    if (r < 0) {
        (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
        rc = ckpt__fs_fail(err, "write the claim", r);
    } else {
        rc = ckpt__fs_link_claim(fs, p, epoch, err);
    }
    if (rc != CKPT_OK) {
        // The claim may stand all the same. Nobody may count it as a crash.
        if (fd >= 0) {
            (void)ckpt__fs_write(fs, fd, "true ", 5, CKPT__FS_GAVE_UP_OFFSET);
        }
        ckpt__fs_close(fs, &fd);
        return rc;
    }
    p->claim = fd;
    p->epoch = epoch;
    p->acked = 0;
    memcpy(nonce, p->nonce, sizeof(p->nonce));
    return CKPT_OK;
}

// The method beat(). Writing acked into the claim renews the claim's mtime.
// Where observers judge by age the owner writes it at each beat: the server of
// the file system sets the mtime of a write, and so both the beat and the probe
// have the time of one clock. A touch would send the clock of this machine. A
// store with locks touches the claim if acked has not changed, and also if
// acked cannot be written.
static ckpt_code ckpt__fs_beat(ckpt_store *s, void *place, uint64_t acked,
                               ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    char digits[CKPT__FS_ACKED_WIDTH + 8];
    int r = -EAGAIN;
    const ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    const int fd = ckpt__fs_open_claim(fs, p);
    if (fd == -ENOENT) return CKPT_ERR_CLAIM_LOST;
    if (fd < 0) return ckpt__fs_fail(err, "open the heartbeat", fd);
    if (acked != p->acked || !fs->priv.locks) {
        (void)ckpt__number(digits, acked, CKPT__FS_ACKED_WIDTH, ' ');
        r = ckpt__fs_write(fs, fd, digits, CKPT__FS_ACKED_WIDTH,
                           CKPT__FS_ACKED_OFFSET);
        p->acked = r < 0 ? p->acked : acked;
    }
    if (r < 0) {
        CKPT__FS_RETRY(r, fs->priv.calls->touch(fs->priv.user, fd));
    }
    const int closed = ckpt__fs_close_claim(fs, p, fd);
    r = r < 0 ? r : closed;
    if (r < 0) return ckpt__fs_fail(err, "touch the heartbeat", r);
    return ckpt__fs_check_claim(fs, p, err);
}

// Reads the clock of this file system: the mtime of a file that is renewed now,
// in the way in which owners beat. An observer compares it with the mtime of a
// claim; the clock of a file server need not agree with the clock of this
// machine. What is no file under the name of the probe is moved away: otherwise
// no observer could read the clock, and dead runs would stay for ever.
static int ckpt__fs_probe_clock(ckpt_store_fs *fs, int64_t *now_ms)
{
    static const char name[] = ".probe";
    ckpt_fs_stat st;
    const int flags = CKPT_FS_WRITE | CKPT_FS_CREATE;
    int r = 0, fd = ckpt__fs_open(fs, fs->priv.root, name, flags);
    if (fd == -EISDIR || fd == -ELOOP || fd == -ENXIO ||    // ENXIO: a socket
        (fd >= 0 && ckpt__fs_stat_plain(fs, fd, &st) >= 0 && !st.is_file)) {
        ckpt__fs_close(fs, &fd);
        r = ckpt__fs_move_out(fs, fs->priv.root, name);
        r = r == -ENOENT ? 0 : r;               // another observer was quicker
        fd = r < 0 ? r : ckpt__fs_open(fs, fs->priv.root, name, flags);
    }
    if (fd < 0) return fd;
    if (fs->priv.locks) {
        CKPT__FS_RETRY(r, fs->priv.calls->touch(fs->priv.user, fd));
    } else {
        r = ckpt__fs_write(fs, fd, "\n", 1, 0);
    }
    ckpt__fs_close(fs, &fd);
    r = r < 0 ? r : ckpt__fs_stat_at(fs, fs->priv.root, name, &st);
    *now_ms = r < 0 ? 0 : st.mtime_ns / 1000000;
    return r;
}

// Tells whether a member of a claim's line is true.
static bool ckpt__fs_claim_flag(const ckpt__fs_line *line, int member)
{
    const ckpt_bytes value = line->member[member];
    return value.len == 4 && memcmp(value.ptr, "true", 4) == 0;
}

// What an observer knows of the process that made a claim.
typedef struct ckpt__fs_claimant {
    bool same_boot;             // the claim is of this boot of this machine
    int  gone;                  // as the table says; 0 for another pid
                                // namespace, where a number means nothing
} ckpt__fs_claimant;

// Asks about the process that the line of a claim names. An unknown boot is not
// the same as another unknown one: two machines can both lack a boot id.
static ckpt__fs_claimant ckpt__fs_ask_claimant(ckpt_store_fs *fs,
                                               const ckpt__fs_line *line)
{
    const ckpt_bytes *is = line->member;
    ckpt__fs_claimant c = { false, 0 };
    ckpt_fs_self self;
    char boot[sizeof(self.boot)];
    int64_t pid = 0, ns = 0, start = 0;
    memset(&self, 0, sizeof(self));
    c.same_boot = fs->priv.calls->self(fs->priv.user, &self) == 0 &&
        ckpt_json_text(is[CKPT__FS_BOOT], boot, sizeof(boot), NULL) ==
            CKPT_OK &&
        self.boot[0] != '\0' && strcmp(boot, self.boot) == 0;
    if (c.same_boot &&
        ckpt_json_number(is[CKPT__FS_PID_NS], &ns) == CKPT_OK &&
        self.pid_ns != 0 && (uint64_t)ns == self.pid_ns &&
        ckpt_json_number(is[CKPT__FS_PID], &pid) == CKPT_OK &&
        ckpt_json_number(is[CKPT__FS_START], &start) == CKPT_OK) {
        c.gone = fs->priv.calls->gone(fs->priv.user, pid, (uint64_t)start);
    }
    return c;
}

// Judges whether the owner of a claim lives: a fact beats a hint (R7).
//
// A lock that is held means that the owner lives, unless no process has its
// number: then a child inherited the lock. If another process seems to have the
// number, that is a hint, and the age decides (CKPT_LIFE_REUSED). A lock that
// is free proves that the owner is gone only if the owner took it, and on this
// kernel: in this boot, or on a file system that no other kernel can mount, as
// the owner saw, too. (A guest that mounts a directory of its host may see only
// the type of the host's file system, and its locks stay in the guest.) There
// an empty line is what a power cut left of a claim: no living process shows a
// claim without its line. Without a lock the number of a process that is
// missing is a hint: a copy of a virtual machine has the same boot and the same
// numbers.
static ckpt_verdict ckpt__fs_judge_owner(ckpt_store_fs *fs, int fd,
                                         const ckpt__fs_line *line)
{
    const bool cut = !line->whole && fs->priv.ours_alone;
    int r = -ENOTSUP;
    if (fs->priv.locks && (cut || ckpt__fs_claim_flag(line, CKPT__FS_LOCKED))) {
        CKPT__FS_RETRY(r, fs->priv.calls->lock(fs->priv.user, fd, false));
    }
    if (r == 0) {
        const bool alone = cut || (fs->priv.ours_alone &&
                                   ckpt__fs_claim_flag(line, CKPT__FS_ALONE));
        return alone || ckpt__fs_ask_claimant(fs, line).same_boot ?
            CKPT_LIFE_GONE : CKPT_LIFE_UNKNOWN;
    }
    const ckpt__fs_claimant c = ckpt__fs_ask_claimant(fs, line);
    if (r != -EWOULDBLOCK) {
        return c.gone == 1 ? CKPT_LIFE_ABSENT : CKPT_LIFE_UNKNOWN;
    }
    if (c.gone == 1) return CKPT_LIFE_GONE;
    return c.gone == 0 ? CKPT_LIFE_LIVE : CKPT_LIFE_REUSED;
}

// Returns for how long a beat in the future has not changed. Nobody knows how
// old such a beat is, so an observer leaves a mark in the root, and whoever
// looks later, in whatever process, finds in the mark since when the beat has
// stood: after a lease the owner counts as gone (R7). The mark tells a new beat
// by its claim and time. A mark can lie in the future itself, as when the clock
// was set back: it is made anew, or it would say nothing until that time comes.
static int64_t ckpt__fs_unchanged_ms(ckpt_store_fs *fs, const ckpt__fs_place *p,
                                     uint64_t epoch, const ckpt_life *life)
{
    char name[256], mark[64], seen[64];
    ckpt_fs_stat st;
    ckpt__stb_sprintf(name, ".seen-%s", p->opened_as == CKPT_HOW_LEFTOVER ?
                      p->new_name : p->name);
    const int n = ckpt__stb_sprintf(mark, "%20llu %20lld\n", (ckpt__ull)epoch,
                                    (long long)life->beat_ms);
    int fd = ckpt__fs_open_ours(fs, fs->priv.root, name, true, &st);
    const bool same = fd >= 0 && st.mtime_ns / 1000000 <= life->now_ms &&
        ckpt__fs_read(fs, fd, seen, (size_t)n, 0) == n &&
        memcmp(seen, mark, (size_t)n) == 0;
    ckpt__fs_close(fs, &fd);
    if (same) return life->now_ms - st.mtime_ns / 1000000;
    fd = ckpt__fs_open(fs, fs->priv.root, name, CKPT_FS_WRITE | CKPT_FS_CREATE);
    if (fd >= 0) {
        (void)ckpt__fs_write(fs, fd, mark, (uint64_t)n, 0);
    }
    ckpt__fs_close(fs, &fd);
    return 0;
}

// Describes the owner of a claim for people: "worker-3 (host, pid 4711)".
static void ckpt__fs_describe_owner(char out[160], const ckpt__fs_line *line)
{
    const ckpt_bytes *is = line->member;
    char owner[96], host[64];
    int64_t pid = 0;
    owner[0] = host[0] = '\0';
    (void)!ckpt_json_text(is[CKPT__FS_OWNER], owner, sizeof(owner), NULL);
    (void)!ckpt_json_text(is[CKPT__FS_HOST], host, sizeof(host), NULL);
    (void)!ckpt_json_number(is[CKPT__FS_PID], &pid);
    ckpt__stb_sprintf(out, "%s%s(%.35s, pid %lld)", owner,
                      owner[0] != '\0' ? " " : "", host, (long long)pid);
}

// The method alive(). The observer changes nothing in the run (R3): the probe
// and the marks are files of the root.
static ckpt_code ckpt__fs_alive(ckpt_store *s, void *place, uint64_t epoch,
                                ckpt_life *life, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    ckpt_fs_stat st;
    char name[64];
    ckpt__fs_line line;
    int64_t acked = 0;
    const int64_t given_ms = life->now_ms;
    memset(life, 0, sizeof(*life));
    life->now_ms = given_ms;
    const int r = given_ms != 0 ? 0 : ckpt__fs_probe_clock(fs, &life->now_ms);
    if (r < 0 && !fs->priv.locks) {
        return ckpt__fs_fail(err, "touch the probe", r);
    }
    ckpt__fs_claim_name(name, epoch);
    int fd = ckpt__fs_open_ours(fs, p->dir, name, true, &st);
    if (fd == -ENOENT) {
        // Without a claim a run has no owner. The maker of a leftover may live
        // and not have claimed yet: the age of the leftover's directory decides
        // (R7).
        life->verdict = CKPT_LIFE_GONE;
        if (p->opened_as == CKPT_HOW_LEFTOVER) {
            const int sys = ckpt__fs_stat(fs, p->dir, &st);
            if (sys < 0) {              // else the leftover would look old
                return ckpt__fs_fail(err, "look at the directory of a run",
                                     sys);
            }
            life->beat_ms = st.mtime_ns / 1000000;
            life->verdict = CKPT_LIFE_UNKNOWN;
        }
        return CKPT_OK;
    }
    if (fd < 0) return ckpt__fs_fail(err, "open the heartbeat", fd);
    life->beat_ms = st.mtime_ns / 1000000;
    life->beat_ms += life->beat_ms == 0;        // 0 would say: no claim
    if (given_ms != 0 && life->beat_ms > given_ms) {
        (void)ckpt__fs_probe_clock(fs, &life->now_ms);
    }
    life->now_ms = life->now_ms != 0 ? life->now_ms : life->beat_ms;
    (void)ckpt__fs_read_claim(fs, fd, st.size, &line);
    ckpt__fs_describe_owner(life->owner, &line);
    (void)!ckpt_json_number(line.member[CKPT__FS_ACKED], &acked);
    life->acked = acked > 0 && acked <= (int64_t)CKPT_TURN_MAX ?
                  (uint64_t)acked : 0;
    life->gave_up = ckpt__fs_claim_flag(&line, CKPT__FS_GAVE_UP);
    life->verdict = ckpt__fs_judge_owner(fs, fd, &line);
    ckpt__fs_close(fs, &fd);
    // Only the highest claim has a mark: two would write over each other's.
    ckpt__fs_claim_name(name, epoch + 1);
    if (life->beat_ms > life->now_ms && life->verdict != CKPT_LIFE_GONE &&
        life->verdict != CKPT_LIFE_LIVE &&
        ckpt__fs_stat_at(fs, p->dir, name, &st) == -ENOENT) {
        life->unchanged_ms = ckpt__fs_unchanged_ms(fs, p, epoch, life);
    }
    return CKPT_OK;
}

//--- Publishing ---------------------------------------------------------------

// The owner of a claim publishes in one of two ways. In both, the next process
// after a crash finds the old generation or the new one, and always a whole
// one, as far as what stood before the save was whole. So does an observer,
// which may have to look again: see ckpt__fs_open_for_reading().
//
// By rename: the owner writes the next generation into a temporary file, syncs
// it, keeps the newest generation as prev, renames the temporary file to the
// name of the newest, and syncs the directory (R2).
//
// By exchange: the owner brings the generation before the newest one, the
// spare, up to date in place. It writes what has changed, and syncs the data of
// the file. From then on the new generation stands, for its head has the higher
// seq. The exchange of the two names is for people only: neither a look nor a
// claimant goes by the names, so the directory needs no sync, and a crash or a
// failure between sync and exchange loses nothing. A power cut during the write
// leaves a torn spare. Its seq is above every seq that was acknowledged, so
// nobody takes it for a loss (R1), and the newest generation is as it was.
// While the spare is written the owner needs no look at its claim: it writes
// only to a file that it has made itself, and makes no name. So an owner that
// was paused cannot bring back what a later owner has removed.
//
// The owner first makes sure that the newest generation is whole, as far as
// that costs little, and that the spare is long enough. If not, the spare stays
// whole, and the save goes by rename. A write that fails after that costs the
// spare, and never the newest generation: on a medium that fails, or on a full
// disk where each write takes new room (btrfs).
//
// A file is written in place only if this claim has made it, if it has one
// name (a snapshot made of hard links would change with it), if no write to it
// has failed, and if the name of the other file is durable. The first
// generations of a claim and those after a failure go by rename. (Measured:
// one flush and no commit of the journal a save, where the way by rename needs
// four and two; make bench.)

// How many bytes are read at a time: they stand on the stack.
enum { CKPT__FS_PIECE = 3072 };

// How large a generation may be that is summed whole before each save.
enum { CKPT__FS_SUMMED_MAX = 1 << 18 };

// What a file of n bytes gets as its size, so that it can grow in place: a
// growing transcript outgrows its file only about once in a quarter of itself.
static uint64_t ckpt__fs_roomy(uint64_t n)
{
    return (n + n / 4 + 8192 + 4095) / 4096 * 4096;
}

// Tells whether the newest generation, base, has the sum that its head says.
// Once the spare is written, base alone is whole; if base was damaged on the
// medium, nothing would be left of the run (R1). Of a large base this function
// does not read what the spare shares with it, so that a save costs the same
// whatever the length of the transcript. Damage there is found by the next
// load, and by a save that has to move those bytes; that save loses the spare.
static bool ckpt__fs_is_whole(ckpt_store_fs *fs, ckpt__fs_place *p,
                              const ckpt_gen *base, ckpt_error *err)
{
    uint8_t buf[CKPT__FS_PIECE];
    char head[CKPT__HEAD_SIZE] = { 0 }, again[CKPT__HEAD_SIZE];
    ckpt__section sum = { CKPT__HEAD_SIZE, 0, 0 };
    ckpt__record rec;
    if (ckpt__fs_open_for_reading(fs, p, base, err) != CKPT_OK) return false;
    (void)ckpt__fs_read(fs, p->reading, head, sizeof(head), 0);
    memcpy(again, head, sizeof(head));
    ckpt__head_fields(again, &rec, true);
    const bool all = rec.length <= CKPT__FS_SUMMED_MAX;
    while (sum.size < rec.length) {
        ckpt__section next = { rec.length - sum.size, 0, 0 };
        next.size = next.size < sizeof(buf) ? next.size : sizeof(buf);
        bool shared = false;
        for (int i = 0; i < CKPT__FS_RANGES && !shared && !all; i++) {
            const uint64_t ahead = p->shared[i].offset - sum.size;
            shared = ahead == 0;
            if (shared || ahead < next.size) {  // no range behind wraps so low
                next.size = (uint32_t)(shared ? p->shared[i].size : ahead);
                next.crc = p->shared[i].crc;
            }
        }
        if (shared) {
            ckpt__section_join(&sum, &next, false);
            continue;
        }
        const int64_t got = ckpt__fs_read(fs, p->reading, buf, next.size,
                                          sum.size);
        if (got != (int64_t)next.size) return false;
        sum.crc = ckpt__crc(fs->priv.by_op, sum.crc, buf, next.size);
        sum.size += next.size;
    }
    ckpt__head_write(again, &rec, false, sum.crc, false);
    return memcmp(again, head, CKPT__HEAD_SIZE) == 0;
}

// Opens the spare to bring it up to date from the newest generation, base, with
// a record that begins with this part. A spare that is too short grows first,
// by blanks behind what it has: on a full disk it stays whole, and has what
// room it got for a smaller save. Returns a negative number if there is no
// spare that may be written in place, and has changed nothing in it then.
static int ckpt__fs_open_spare(ckpt_store_fs *fs, ckpt__fs_place *p,
                               const ckpt_gen *base, const ckpt_part *part,
                               ckpt_error *err)
{
    char name[64], head[CKPT__HEAD_SIZE];
    ckpt_fs_stat st;
    ckpt__record rec;
    if (fs->publishing != CKPT_STORE_FS_EXCHANGE || p->spare.token == 0 ||
        base->token != p->newest.token || part->bytes == NULL ||
        part->size < CKPT__HEAD_SIZE) {
        return -ENOENT;
    }
    memcpy(head, part->bytes, sizeof(head));
    ckpt__head_fields(head, &rec, true);
    ckpt__fs_gen_name(name, p->epoch, true);
    int fd = ckpt__fs_open(fs, p->dir, name, CKPT_FS_WRITE);
    if (fd < 0) return fd;
    int r = ckpt__fs_stat_plain(fs, fd, &st);
    if (r >= 0 && (st.nlink != 1 || st.size != p->spare.size ||
                   !ckpt__fs_same_file(ckpt__fs_file_of(&st), p->spare.file) ||
                   !ckpt__fs_is_whole(fs, p, base, err))) {
        r = -ESTALE;
    }
    if (r >= 0 && rec.length >= st.size) {      // behind it is a line feed
        r = ckpt__fs_fill(fs, fd, st.size, ckpt__fs_roomy(rec.length + 1U));
        r = ckpt__fs_stat_plain(fs, fd, &st) < 0 ? -EIO : r;
        p->spare.size = r == -EIO ? 0 : st.size;        // 0: leave it alone
        r = r != -EIO && st.size > rec.length ? 0 : r;  // enough for this one
    }
    if (r >= 0) return fd;
    ckpt__fs_close(fs, &fd);
    return r;
}

// Creates the file that becomes the newest generation. Nobody reads a run that
// is not shown, so there the file gets its own name at once: with a journal the
// sync of the file then brings the names along, and the sync of the directory
// is free.
static int ckpt__fs_create_gen(ckpt_store_fs *fs, ckpt__fs_place *p)
{
    if (!p->unshown) return ckpt__fs_create_temp(fs, p, p->epoch);
    ckpt__fs_gen_name(p->temp_name, p->epoch, false);
    return ckpt__fs_open(fs, p->dir, p->temp_name,
                         CKPT_FS_WRITE | CKPT_FS_CREATE);
}

// Returns how many bytes at the beginning of a range the spare has already, and
// their sum.
static uint64_t ckpt__fs_shared(const ckpt__fs_place *p, const ckpt_part *part,
                                uint32_t *crc)
{
    for (int i = 0; i < CKPT__FS_RANGES; i++) {
        const ckpt__fs_range *range = &p->shared[i];
        if (p->in_place && part->offset == p->written && range->size > 0 &&
            range->offset == part->offset && range->size <= part->size) {
            *crc = range->crc;
            return range->size;
        }
    }
    *crc = 0;
    return 0;
}

// Remembers a range that stays where it is in the generation being read, if it
// is one of the largest. If that one becomes the spare, the save after this one
// writes into its file, and need not write the range. Of another base than the
// newest generation the spare has nothing.
static void ckpt__fs_share(ckpt__fs_place *p, const ckpt_part *part)
{
    ckpt__fs_range *least = p->sharing;
    for (int i = 1; i < CKPT__FS_RANGES; i++) {
        least = p->sharing[i].size < least->size ? &p->sharing[i] : least;
    }
    if (part->offset == p->written && part->size > least->size &&
        p->reading_token == p->newest.token) {
        least->offset = part->offset;
        least->size = part->size;
        least->crc = part->crc;
    }
}

// Copies a range of the generation being read into the file that is written,
// but for what the spare has already, and sums the copy. If the range was
// damaged on the medium and nobody summed the copy, the next generation would
// have a good sum over damaged messages (R13). What the spare has already was
// summed when it was written; if it has been damaged since, the sum of the next
// generation says so.
static ckpt_code ckpt__fs_copy_range(ckpt_store_fs *fs, ckpt__fs_place *p,
                                     const ckpt_part *part, ckpt_error *err)
{
    uint8_t buf[CKPT__FS_PIECE];
    uint32_t crc;
    uint64_t copied = ckpt__fs_shared(p, part, &crc);
    CKPT_ASSERT(p->reading >= 0 && p->writing >= 0);
    while (copied < part->size) {
        const uint64_t left = part->size - copied;
        const size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
        const int64_t got = ckpt__fs_read(fs, p->reading, buf, n,
                                          part->offset + copied);
        if (got < 0) return ckpt__fs_fail(err, "read the last checkpoint", got);
        if ((size_t)got < n) {
            return CKPT_ERR_DAMAGED;            // the file was cut
        }
        crc = ckpt__crc(fs->priv.by_op, crc, buf, n);
        const int r = ckpt__fs_write(fs, p->writing, buf, n,
                                     p->written + copied);
        if (r < 0) return ckpt__fs_fail(err, "write a checkpoint", r);
        copied += n;
    }
    return crc == part->crc ? CKPT_OK : CKPT_ERR_DAMAGED;
}

// Whether a generation that is not our newest one stands as prev: what has the
// name of the newest is damaged then, or an older file that somebody put there,
// and must not replace the one that is built upon.
static bool ckpt__fs_is_prev(ckpt_store_fs *fs, const ckpt__fs_place *p,
                             const ckpt_gen *base)
{
    char name[64];
    ckpt__fs_id id;
    if (base == NULL || base->token == p->newest.token) return false;
    ckpt__fs_gen_name(name, p->epoch, true);
    return ckpt__fs_identify(fs, p->dir, name, &id) >= 0 &&
           id.token == base->token;
}

// The method put(). If a piece fails, it discards all pieces so far: otherwise
// these would become the beginning of the next generation. A spare is brought
// up to date from one base: the other one that stands is the spare itself, of
// which the pieces so far have overwritten a part.
static ckpt_code ckpt__fs_put(ckpt_store *s, void *place, const ckpt_gen *base,
                              const ckpt_part *part, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    if (p->writing < 0) {
        p->written = 0;
        p->keeps_prev = ckpt__fs_is_prev(fs, p, base);
        memset(p->sharing, 0, sizeof(p->sharing));
        p->writing = ckpt__fs_open_spare(fs, p, base, part, err);
        p->in_place = p->writing >= 0;
        if (!p->in_place) {
            p->writing = ckpt__fs_create_gen(fs, p);
        }
        if (p->writing < 0) {
            return ckpt__fs_fail(err, "make a temporary file", p->writing);
        }
    }
    if (part->bytes != NULL) {
        const int r = ckpt__fs_write(fs, p->writing, part->bytes, part->size,
                                     p->written);
        rc = r < 0 ? ckpt__fs_fail(err, "write a checkpoint", r) : CKPT_OK;
    } else if (p->in_place && base->token != p->newest.token) {
        rc = CKPT_ERR_ARGUMENT;
    } else {
        rc = ckpt__fs_open_for_reading(fs, p, base, err);
        rc = rc == CKPT_OK ? ckpt__fs_copy_range(fs, p, part, err) : rc;
        rc = rc == CKPT_ERR_STALE ? CKPT_ERR_DAMAGED : rc;
        ckpt__fs_share(p, part);
    }
    p->written += part->size;
    return rc == CKPT_OK ? rc : ckpt__fs_discard_put(fs, p, rc);
}

// Brings the written file to the medium and closes it (R2). Blanks make it as
// long as it has to be first: they overwrite what the spare had behind the
// record, and give a file that may become a spare room to grow. The system can
// report an error of an earlier write in the sync, by a file that is too short,
// or in the close. *own becomes what is known of the file. Reading it sets its
// time of access, so it is read before the sync: after it, that time would be
// one more change, and the next sync of the directory wait for it.
static ckpt_code ckpt__fs_flush(ckpt_store_fs *fs, ckpt__fs_place *p,
                                ckpt__fs_own *own, ckpt_error *err)
{
    ckpt_fs_stat st;
    uint8_t head[CKPT__FS_HEAD];
    uint64_t end = p->spare.end, size = p->spare.size;
    if (!p->in_place) {
        end = size = fs->publishing == CKPT_STORE_FS_EXCHANGE ?
            ckpt__fs_roomy(p->written) : p->written;
    }
    int r = ckpt__fs_fill(fs, p->writing, p->written, end);
    if (r < 0) return ckpt__fs_fail(err, "write a checkpoint", r);
    r = ckpt__fs_read_token(fs, p->writing, head, &own->token);
    if (r < 0) return ckpt__fs_fail(err, "read a checkpoint", r);
    r = ckpt__fs_datasync(fs, p->writing);
    if (r < 0) return ckpt__fs_fail(err, "sync a checkpoint", r);
    r = ckpt__fs_stat_plain(fs, p->writing, &st);
    if (r < 0 || st.size != size) {
        return ckpt__fs_fail(err, "write a checkpoint", r < 0 ? r : -EIO);
    }
    own->file = ckpt__fs_file_of(&st);
    own->size = st.size;
    own->end = p->written;
    r = fs->priv.calls->close(fs->priv.user, p->writing);
    p->writing = -1;
    // After EINTR Linux has closed the descriptor, too (close(2)).
    return r < 0 && r != -EINTR ? ckpt__fs_fail(err, "close a checkpoint", r)
                                : CKPT_OK;
}

// How a rename ended, as a look at the new name shows.
typedef enum ckpt__fs_renamed {
    CKPT__FS_RENAMED,
    CKPT__FS_NOT_RENAMED,       // certainly: another file has the name, or none
    CKPT__FS_UNSEEN             // the new name cannot be looked at
} ckpt__fs_renamed;

// Renames a generation within the directory of the run. If rename() says that
// it failed, this function looks which generation has the new name: on a
// network file system the file can be renamed although the answer was lost
// (rename(2), BUGS). The file is known by this token, or, if twin is not NULL,
// by the token of the file of that name. *sys becomes the result of rename(). A
// directory under the new name is moved out of the way.
static ckpt__fs_renamed ckpt__fs_rename_in_run(ckpt_store_fs *fs,
                                               const ckpt__fs_place *p,
                                               const char *from, const char *to,
                                               const char *twin, uint64_t token,
                                               int *sys)
{
    ckpt__fs_id own = { 0, 0, { 0, 0 } }, seen;
    int r = fs->priv.calls->rename(fs->priv.user, p->dir, from, p->dir, to);
    if (r == -EISDIR && ckpt__fs_move_out(fs, p->dir, to) >= 0) {
        r = fs->priv.calls->rename(fs->priv.user, p->dir, from, p->dir, to);
    }
    *sys = r;
    if (r >= 0) return CKPT__FS_RENAMED;
    if (twin != NULL) {
        (void)ckpt__fs_identify(fs, p->dir, twin, &own);
        token = own.token;
    }
    r = ckpt__fs_identify(fs, p->dir, to, &seen);
    if (r >= 0 && seen.token == token) return CKPT__FS_RENAMED;
    if (r >= 0 || r == -ENOENT) return CKPT__FS_NOT_RENAMED;
    return CKPT__FS_UNSEEN;
}

// Makes a second link to the newest generation; the caller renames the link to
// prev. If the caller renamed the newest itself and crashed then, the run would
// have no newest generation. link_name is "" if there is nothing to keep: the
// owner has published no generation yet, or an earlier save that failed has
// kept the newest already.
static ckpt_code ckpt__fs_link_newest(ckpt_store_fs *fs, ckpt__fs_place *p,
                                      const char *newest, const char *prev,
                                      char link_name[56], ckpt_error *err)
{
    char random[CKPT__FS_RANDOM_DIGITS + 1];
    ckpt__fs_id last = { 0, 0, { 0, 0 } }, there = { 1, 0, { 0, 0 } };
    ckpt_fs_stat st, prev_st;
    link_name[0] = '\0';
    if (p->newest_is_prev || p->keeps_prev) return CKPT_OK;
    int r = ckpt__fs_stat_at(fs, p->dir, newest, &st);
    if (r == -ENOENT || (r >= 0 && st.is_dir)) {
        return CKPT_OK;                 // nothing published yet
    }
    r = r < 0 ? r : ckpt__fs_stat_at(fs, p->dir, prev, &prev_st);
    if (r >= 0 && ckpt__fs_same_file(ckpt__fs_file_of(&prev_st),
                                     ckpt__fs_file_of(&st))) {
        return CKPT_OK;                 // a save that failed came this far
    }
    r = r == -ENOENT || r >= 0 ? ckpt__fs_random_digits(fs, random) : r;
    if (r < 0) return ckpt__fs_fail(err, "look at the last checkpoint", r);
    ckpt__stb_sprintf(link_name, ".t.%llu.%s", (ckpt__ull)p->epoch, random);
    r = fs->priv.calls->link(fs->priv.user, p->dir, newest, p->dir, link_name);
    if (r >= 0) return CKPT_OK;
    (void)ckpt__fs_identify(fs, p->dir, newest, &last);
    (void)ckpt__fs_identify(fs, p->dir, link_name, &there);
    if (there.token == last.token) return CKPT_OK;      // it is made
    link_name[0] = '\0';
    return ckpt__fs_fail_link(err, "keep the last checkpoint", r);
}

// Makes the newest generation prev, and the temporary file the newest. Returns
// CKPT_ERR_UNSURE if the owner cannot see whether the file was renamed; if the
// file still has its temporary name then, a later owner removes it.
static ckpt_code ckpt__fs_replace_newest(ckpt_store_fs *fs, ckpt__fs_place *p,
                                         uint64_t token, ckpt_error *err)
{
    char newest[64], prev[64], link_name[56];
    ckpt__fs_renamed renamed = CKPT__FS_NOT_RENAMED;
    int sys = 0;
    ckpt__fs_gen_name(newest, p->epoch, false);
    ckpt__fs_gen_name(prev, p->epoch, true);
    ckpt_code rc = ckpt__fs_link_newest(fs, p, newest, prev, link_name, err);
    if (rc == CKPT_OK) {
        rc = ckpt__fs_check_claim(fs, p, err);
    }
    if (rc == CKPT_OK && link_name[0] != '\0' &&
        ckpt__fs_rename_in_run(fs, p, link_name, prev, newest, 0, &sys) !=
            CKPT__FS_RENAMED) {
        rc = ckpt__fs_fail(err, "keep the last checkpoint", sys);
    }
    if (rc == CKPT_OK) {
        renamed = ckpt__fs_rename_in_run(fs, p, p->temp_name, newest, NULL,
                                         token, &sys);
        rc = renamed == CKPT__FS_RENAMED ? CKPT_OK :
            ckpt__fs_fail(err, "rename a checkpoint", sys);
    }
    if (link_name[0] != '\0') {
        (void)ckpt__fs_unlink(fs, p->dir, link_name);
    }
    if (renamed == CKPT__FS_NOT_RENAMED) {
        (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
    }
    return renamed == CKPT__FS_UNSEEN ? CKPT_ERR_UNSURE : rc;
}

// Publishes the temporary file, by rename.
static ckpt_code ckpt__fs_publish_temp(ckpt_store_fs *fs, ckpt__fs_place *p,
                                       ckpt_error *err)
{
    ckpt__fs_own own;
    memset(&p->spare, 0, sizeof(p->spare));
    ckpt_code rc = ckpt__fs_flush(fs, p, &own, err);
    if (rc != CKPT_OK) {
        ckpt__fs_close(fs, &p->writing);
        (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
        return rc;
    }
    rc = p->unshown ? CKPT_OK : ckpt__fs_replace_newest(fs, p, own.token, err);
    if (rc == CKPT_ERR_UNSURE) {
        memset(&p->newest, 0, sizeof(p->newest));
    }
    if (rc != CKPT_OK) return rc;
    if (!p->newest_is_prev) {
        p->spare = p->newest;
    }
    p->newest = own;
    p->newest_is_prev = false;
    const int r = ckpt__fs_sync_run(fs, p);
    if (r < 0) {
        // The new name may not be on the medium. The file that would be the
        // spare may then be the only one that a power cut leaves.
        p->spare.token = 0;
        (void)ckpt__fs_fail(err, "sync the directory of a run", r);
        return CKPT_ERR_NOT_DURABLE;
    }
    return CKPT_OK;
}

// Publishes the spare, by exchange. A file whose write or sync has failed is
// not written again: the system may believe that its bytes are on the medium
// (R2). Its name is removed, but a power cut can bring it back, so after a
// failed sync nobody knows which generation stands. After a failed exchange the
// new generation stands all the same, under the other name.
static ckpt_code ckpt__fs_publish_spare(ckpt_store_fs *fs, ckpt__fs_place *p,
                                        ckpt_error *err)
{
    char newest[64], prev[64];
    ckpt__fs_own own;
    ckpt__fs_id id;
    const ckpt_code rc = ckpt__fs_flush(fs, p, &own, err);
    if (rc != CKPT_OK) {
        return ckpt__fs_discard_put(fs, p, rc == CKPT_ERR_NO_SPACE
                                               ? rc : CKPT_ERR_UNSURE);
    }
    ckpt__fs_gen_name(newest, p->epoch, false);
    ckpt__fs_gen_name(prev, p->epoch, true);
    p->in_place = false;
    p->unsettled = true;
    p->spare = p->newest;
    p->newest = own;
    int r = fs->priv.calls->exchange(fs->priv.user, p->dir, prev, newest);
    if (r < 0) {
        r = ckpt__fs_identify(fs, p->dir, newest, &id);
        p->newest_is_prev = r < 0 || id.token != own.token;
    }
    if (p->newest_is_prev) {
        memset(&p->spare, 0, sizeof(p->spare));
    }
    return CKPT_OK;
}

// Clears a directory that has the name of a run, and holds nothing of one: what
// others put there (a .DS_Store, a swap file, the file of a dead client of NFS)
// must not keep an id for ever. Returns -EEXIST if a run is there, or somebody
// is making its claim; the first of the two walks finds that before anything is
// moved. The directory is never renamed itself: another process can begin the
// run meanwhile, and what is moved then must not be that run. For the same
// reason no file of a run is ever moved.
static int ckpt__fs_clear_dir(ckpt_store_fs *fs, const char *name)
{
    ckpt__fs_walk w;
    uint64_t epoch;
    int dir = ckpt__fs_open(fs, fs->priv.root, name, CKPT_FS_DIR);
    int r = dir < 0 ? dir : 0;
    for (int walks = 0; r == 0 && walks < 2; walks++) {
        for (bool more = ckpt__fs_walk_begin(&w, fs, dir);
             more && ckpt__fs_walk_next(&w); ) {
            const ckpt__fs_kind kind = ckpt__fs_parse_name(w.name, &epoch);
            if (kind != CKPT__FS_OTHER && !ckpt__fs_is_dir(fs, dir, w.name)) {
                r = -EEXIST;
            } else if (walks == 1) {
                const int moved = ckpt__fs_move_out(fs, dir, w.name);
                r = moved < 0 && moved != -ENOENT ? moved : r;
            }
        }
        r = w.r < 0 ? w.r : r;
    }
    ckpt__fs_close(fs, &dir);
    return r;
}

// Returns 1 if the directory of that name is the one of this place: by our
// claim, or, before there is one, by its inode. p->dir becomes a new descriptor
// of it, then: after a rename that failed although it was done, a file system
// over FUSE can look for the old one under the old name. Returns 0 if it is
// another directory or file, or none.
static int ckpt__fs_find_own_dir(ckpt_store_fs *fs, ckpt__fs_place *p,
                                 const char *name)
{
    ckpt_fs_stat own, st;
    char claim[64];
    int dir = ckpt__fs_open(fs, fs->priv.root, name, CKPT_FS_DIR);
    int r = dir;
    if (dir >= 0 && p->epoch > 0) {
        ckpt__fs_claim_name(claim, p->epoch);
        r = ckpt__fs_claim_has_nonce(fs, dir, claim, p->nonce);
    } else if (dir >= 0) {
        r = ckpt__fs_stat(fs, p->dir, &own);
        r = r < 0 ? r : ckpt__fs_stat(fs, dir, &st);
        r = r < 0 ? r : ckpt__fs_same_file(ckpt__fs_file_of(&st),
                                           ckpt__fs_file_of(&own));
    }
    if (r == 1) {
        ckpt__fs_close(fs, &p->dir);
        p->dir = dir;
        return 1;
    }
    ckpt__fs_close(fs, &dir);
    return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

// Gives a run that was made aside its name (R5). Returns CKPT_ERR_EXISTS if
// another run of that id is there: a rename never replaces a directory that is
// not empty. Returns CKPT_ERR_FOREIGN if the name is that of a file.
static ckpt_code ckpt__fs_show_run(ckpt_store_fs *fs, ckpt__fs_place *p,
                                   ckpt_error *err)
{
    const ckpt_code rc = ckpt__fs_check_claim(fs, p, err);
    if (rc != CKPT_OK) return rc;       // a sweep took it for a leftover
    int r = -EEXIST, cleared = 0;
    for (int tries = 0; tries < CKPT__FS_TRIES_MAX && cleared == 0 &&
         (r == -EEXIST || r == -ENOTEMPTY); tries++) {
        cleared = tries == 0 ? 0 : ckpt__fs_clear_dir(fs, p->name);
        cleared = cleared == -ENOENT ? 0 : cleared;     // that run is gone
        r = cleared < 0 ? r : fs->priv.calls->rename(fs->priv.user,
                                                     fs->priv.root, p->new_name,
                                                     fs->priv.root, p->name);
    }
    if (r < 0) {
        const int shown = ckpt__fs_find_own_dir(fs, p, p->name);
        if (shown < 0) {
            p->unshown = false;         // it may be shown: do not remove it
            (void)ckpt__fs_fail(err, "show the run", r);
            return CKPT_ERR_UNSURE;
        }
        if (shown == 0 && cleared < 0 && cleared != -EEXIST) {
            return ckpt__fs_fail(err, "move what others put there away",
                                 cleared);
        }
        if (shown == 0) {
            return r == -EEXIST || r == -ENOTEMPTY ? CKPT_ERR_EXISTS :
                ckpt__fs_fail(err, "show the run", r);
        }
    }
    p->unshown = false;
    return CKPT_OK;
}

// The method publish(). It uses up what was put, unless it returns
// CKPT_ERR_FORKED. With the first generation of a claim the name of the run
// becomes durable, too: the run may be new, or its maker may have died before
// this.
static ckpt_code ckpt__fs_publish(ckpt_store *s, void *place, ckpt_gen *gen,
                                  ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    ckpt__fs_close(fs, &p->reading);
    rc = p->in_place ? ckpt__fs_publish_spare(fs, p, err)
                     : ckpt__fs_publish_temp(fs, p, err);
    memcpy(p->shared, p->sharing, sizeof(p->shared));
    gen->token = p->newest.token;
    rc = rc == CKPT_OK && p->unshown ? ckpt__fs_show_run(fs, p, err) : rc;
    if (rc != CKPT_OK || p->name_durable) return rc;
    const int r = ckpt__fs_sync_root(fs);
    p->name_durable = r >= 0;
    if (r >= 0) return CKPT_OK;
    (void)ckpt__fs_fail(err, "sync the store", r);
    return CKPT_ERR_NOT_DURABLE;
}

//--- Removing -----------------------------------------------------------------

// Only the holder of a claim removes (R3). It removes nothing of a higher epoch
// from a run, and works in an order in which no older owner and no crash brings
// back what was removed (R8).

// The method set_aside(). The damaged generation gets the first free name of
// bad.1.damaged.json, bad.2.damaged.json and so on. No file is replaced; if all
// of these names are used, the generation is removed.
static ckpt_code ckpt__fs_set_aside(ckpt_store *s, void *place,
                                    const ckpt_gen *gen, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    char name[256], bad[64];
    ckpt_fs_stat st;
    ckpt__fs_close(fs, &p->reading);
    const ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    int r, fd = ckpt__fs_open_gen(fs, p, gen, name);
    if (fd == -ESTALE) return CKPT_OK;          // it is gone already
    memset(&p->newest, 0, sizeof(p->newest));   // one of these goes
    memset(&p->spare, 0, sizeof(p->spare));
    p->newest_is_prev = false;
    r = fd < 0 ? fd : ckpt__fs_stat(fs, fd, &st);
    ckpt__fs_close(fs, &fd);
    r = r < 0 ? r : ckpt__fs_settle(fs, p, gen->epoch);
    for (uint32_t n = 1; r >= 0 && n <= CKPT__FS_SET_ASIDE_MAX; n++) {
        ckpt_fs_stat there;
        ckpt__stb_sprintf(bad, "bad.%u.damaged.json", n);
        r = fs->priv.calls->link(fs->priv.user, p->dir, name, p->dir, bad);
        if (r >= 0 || (ckpt__fs_stat_at(fs, p->dir, bad, &there) >= 0 &&
                       ckpt__fs_same_file(ckpt__fs_file_of(&there),
                                          ckpt__fs_file_of(&st)))) {
            r = 0;
            break;
        }
        r = r == -EEXIST ? 0 : r;
    }
    r = r < 0 ? r : ckpt__fs_unlink(fs, p->dir, name);
    return r < 0 ? ckpt__fs_fail(err, "set a checkpoint aside", r) : CKPT_OK;
}

// Writes the name under which a generation stands, or "" if it is gone or gen
// is NULL.
static int ckpt__fs_name_of_gen(ckpt_store_fs *fs, const ckpt__fs_place *p,
                                const ckpt_gen *gen, char name[256])
{
    int fd = gen != NULL ? ckpt__fs_open_gen(fs, p, gen, name) : -ESTALE;
    const int r = fd < 0 ? fd : 0;
    ckpt__fs_close(fs, &fd);
    if (r < 0) {
        name[0] = '\0';
    }
    return r == -ESTALE ? 0 : r;
}

#define CKPT__FS_CLAIMS_BATCH 32    // claims that one walk collects

// Collects the claims of epochs below a limit, except the claim of the epoch
// own, in ascending order: the lowest, if there are more than the array holds.
// Returns how many it has collected.
static int ckpt__fs_collect_claims(ckpt_store_fs *fs, const ckpt__fs_place *p,
                                   uint64_t below, uint64_t own,
                                   uint64_t lowest[CKPT__FS_CLAIMS_BATCH])
{
    ckpt__fs_walk w;
    uint64_t epoch;
    int n = 0;
    for (bool more = ckpt__fs_walk_begin(&w, fs, p->dir);
         more && ckpt__fs_walk_next(&w); ) {
        if (ckpt__fs_parse_name(w.name, &epoch) != CKPT__FS_CLAIM ||
            epoch >= below || epoch == own ||
            (n == CKPT__FS_CLAIMS_BATCH && epoch > lowest[n - 1])) {
            continue;
        }
        int i = n < CKPT__FS_CLAIMS_BATCH ? n++ : n - 1;
        for (; i > 0 && lowest[i - 1] > epoch; i--) {
            lowest[i] = lowest[i - 1];
        }
        lowest[i] = epoch;
    }
    return w.r < 0 ? w.r : n;
}

// Removes the claims of epochs below a limit, except the claim of the epoch
// own. The lowest claim goes first. In another order there would be a moment at
// which a low claim stands and the claims between it and the remover's are
// gone. If the claimant of the low claim looked only then, it would take the
// run from an owner that has not lost it. (Variant collect-descending in
// tests/proof/spin/run.sh.)
static int ckpt__fs_remove_claims(ckpt_store_fs *fs, ckpt__fs_place *p,
                                  uint64_t below, uint64_t own)
{
    uint64_t lowest[CKPT__FS_CLAIMS_BATCH];
    int n, removed, rounds = 0;
    do {
        removed = 0;
        n = ckpt__fs_collect_claims(fs, p, below, own, lowest);
        for (int i = 0; i < n; i++) {
            char name[64];
            int r;
            ckpt__fs_claim_name(name, lowest[i]);
            CKPT__FS_RETRY(r, fs->priv.calls->unlink(fs->priv.user, p->dir,
                                                     name));
            if (r < 0 && r != -ENOENT && !ckpt__fs_is_dir(fs, p->dir, name)) {
                return r;
            }
            removed += r >= 0;
        }
        p->unsettled = p->unsettled || removed > 0;
        if (n < CKPT__FS_CLAIMS_BATCH || removed == 0) return n < 0 ? n : 0;
    } while (++rounds < CKPT__FS_ROUNDS_MAX);
    return -EIO;                        // what was removed is still there
}

// Removes the files of some kinds (an OR of 1 << kind) of epochs below a limit,
// except the file named keep. If it cannot remove a file, it goes on with the
// others. Returns how many it removed, or the -errno of a failure.
static int ckpt__fs_remove_files(ckpt_store_fs *fs, ckpt__fs_place *p,
                                 unsigned kinds, uint64_t below,
                                 const char *keep)
{
    ckpt__fs_walk w;
    uint64_t epoch;
    int failed = 0, n = 0;
    for (bool more = ckpt__fs_walk_begin(&w, fs, p->dir);
         more && ckpt__fs_walk_next(&w); ) {
        const ckpt__fs_kind kind = ckpt__fs_parse_name(w.name, &epoch);
        if ((kinds >> kind & 1) && epoch < below && strcmp(w.name, keep) != 0) {
            int r;
            CKPT__FS_RETRY(r, fs->priv.calls->unlink(fs->priv.user, p->dir,
                                                     w.name));
            n += r >= 0;
            p->unsettled = p->unsettled || r >= 0;
            if (r < 0 && r != -ENOENT && !ckpt__fs_is_dir(fs, p->dir, w.name)) {
                failed = r;
            }
        }
    }
    if (w.r < 0) return w.r;
    return failed < 0 ? failed : n;
}

// Removes the claims below a limit, then all temporary files of epochs up to
// the remover's own, then the generations below the limit, except the file
// named keep. A listing can miss a temporary file that an owner makes
// meanwhile, and the owner could rename that file after all; so the remover
// lists the directory until it finds none (see ckpt__fs_check_claim()).
static int ckpt__fs_remove_below(ckpt_store_fs *fs, ckpt__fs_place *p,
                                 uint64_t below, const char *keep)
{
    int rounds = 0;
    int r = ckpt__fs_remove_claims(fs, p, below, p->epoch);
    do {
        r = r < 0 ? r : ckpt__fs_remove_files(fs, p, 1U << CKPT__FS_TEMP,
                                              p->epoch + 1, "");
    } while (r > 0 && ++rounds < CKPT__FS_ROUNDS_MAX);
    if (r > 0) return -EIO;             // what was removed is still there
    return r < 0 ? r :
        ckpt__fs_remove_files(fs, p, 1U << CKPT__FS_NEWEST |
                              1U << CKPT__FS_PREV, below, keep);
}

// Removes a directory from the root, durably. Leaves a directory alone that is
// not empty: a claimant above the remover is at work in it, or a later run has
// the name.
static int ckpt__fs_remove_dir(ckpt_store_fs *fs, const char *name)
{
    char mark[256];
    int r;
    ckpt__stb_sprintf(mark, ".seen-%s", name);
    (void)ckpt__fs_unlink(fs, fs->priv.root, mark);
    CKPT__FS_RETRY(r, fs->priv.calls->rmdir(fs->priv.user, fs->priv.root,
                                            name));
    if (r < 0 && r != -ENOTEMPTY && r != -EEXIST && r != -ENOENT) return r;
    return ckpt__fs_sync_root(fs);
}

// Renames the generation that says that the run has ended over the other one of
// its epoch, and writes its name. So one step takes the older generation away,
// and no crash can show that one alone: where the older one stands after a
// crash, the rename was not done, and the last one stands, too. If rename()
// fails, nobody knows the name, and a sync must settle it.
static int ckpt__fs_replace_older(ckpt_store_fs *fs, ckpt__fs_place *p,
                                  const ckpt_gen *gen, char name[256])
{
    char other[64];
    ckpt__fs_gen_name(other, gen->epoch, false);
    ckpt__fs_gen_name(other, gen->epoch, strcmp(name, other) == 0);
    int r = fs->priv.calls->rename(fs->priv.user, p->dir, name, p->dir, other);
    if (r >= 0) {
        memcpy(name, other, strlen(other) + 1);
        return 0;
    }
    r = ckpt__fs_sync_run(fs, p);
    return r < 0 ? r : ckpt__fs_name_of_gen(fs, p, gen, name);
}

// Removes a run in an order in which no crash can bring it back (R8):
// everything except the generation that says that the run has ended, durably;
// then that generation; then the claim; then the directory. If the sync in
// between were left out and the power failed, an older generation could be
// there after the reboot without the last one; the next process would then
// resume a run that has ended. It is left out only if nothing was removed but
// the one generation that the last one was renamed over, and if the names were
// durable before. Without a generation our own claim must be durable before the
// lower ones go: else a temporary file could be all that a power cut leaves.
static int ckpt__fs_remove_run(ckpt_store_fs *fs, ckpt__fs_place *p,
                               const ckpt_gen *gen, char name[256])
{
    char claim[64];
    const uint64_t epoch = gen != NULL ? gen->epoch : p->epoch;
    ckpt__fs_claim_name(claim, p->epoch);
    int r = name[0] != '\0' ? ckpt__fs_replace_older(fs, p, gen, name)
                            : ckpt__fs_settle(fs, p, epoch);
    r = r < 0 ? r : ckpt__fs_remove_below(fs, p, p->epoch + 1, name);
    r = r < 0 ? r : ckpt__fs_remove_files(fs, p, 1U << CKPT__FS_SET_ASIDE, 1,
                                          "");  // their names have epoch 0
    r = r < 0 ? r : ckpt__fs_settle(fs, p, epoch);
    r = r < 0 || name[0] == '\0' ? r : ckpt__fs_unlink(fs, p->dir, name);
    r = r < 0 ? r : ckpt__fs_unlink(fs, p->dir, claim);
    return r < 0 ? r : ckpt__fs_remove_dir(fs, p->name);
}

// Removes the lower claims, the temporary files and all generations but gen; or
// all generations, if gen is NULL (R8). What was set aside stays. name is the
// name of gen, "" if gen stands nowhere.
static ckpt_code ckpt__fs_remove_rest(ckpt_store_fs *fs, ckpt__fs_place *p,
                                      const ckpt_gen *gen, const char *name,
                                      ckpt_error *err)
{
    ckpt_look look;
    int r = 0;
    if (gen != NULL && name[0] == '\0') {
        // gen stands nowhere. If its epoch has no generation, a higher owner
        // has removed gen with all the rest. If its epoch has another
        // generation, the remover does not know it, and leaves it alone.
        memset(&look, 0, sizeof(look));
        ckpt_code rc = ckpt__fs_look_epoch(fs, p->dir, gen->epoch, &look, err);
        if (rc != CKPT_OK || look.count == 0) return rc;
        // A higher owner removes our claim first: if the claim is gone, that
        // owner is removing what is here.
        rc = ckpt__fs_check_claim(fs, p, err);
        if (rc == CKPT_ERR_CLAIM_LOST) return CKPT_OK;
        return rc == CKPT_OK ? CKPT_ERR_STALE : rc;
    }
    r = ckpt__fs_remove_below(fs, p, p->epoch + 1, name);
    r = r < 0 ? r : ckpt__fs_sync_run(fs, p);
    return r < 0 ? ckpt__fs_fail(err, "remove what is not kept", r) : CKPT_OK;
}

// Removes a run that was never shown. If its maker has shown it meanwhile,
// p->new_name names nothing or another directory, and this function leaves the
// run alone. What others put there is moved out. If the directory stays all the
// same, that is a failure: each sweep would count it as removed again (R13).
static int ckpt__fs_remove_unshown(ckpt_store_fs *fs, ckpt__fs_place *p)
{
    int r = ckpt__fs_find_own_dir(fs, p, p->new_name);
    p->unshown = false;
    if (r == 0) return 0;
    // The remover's own claim goes last: if the maker lives after all, it finds
    // that claim and stops. No claim and no generation of a higher epoch goes
    // (R3): while the remover slept, the maker may have shown the run, and
    // others claimed it. A maker whose claim failed made that of epoch 1.
    const uint64_t above = p->epoch > 0 ? p->epoch + 1 : 2;
    char claim[64];
    ckpt__fs_claim_name(claim, p->epoch);
    r = r < 0 ? r : ckpt__fs_remove_claims(fs, p, above, p->epoch);
    r = r < 0 ? r : ckpt__fs_remove_files(fs, p, 1U << CKPT__FS_TEMP,
                                          CKPT_TURN_MAX + 1, "");
    r = r < 0 ? r : ckpt__fs_remove_files(fs, p, ~(1U << CKPT__FS_OTHER |
                                                   1U << CKPT__FS_CLAIM),
                                          above, "");
    r = r < 0 ? r : ckpt__fs_unlink(fs, p->dir, claim);
    if (r < 0) return r;
    (void)ckpt__fs_clear_dir(fs, p->new_name);
    r = ckpt__fs_remove_dir(fs, p->new_name);
    return ckpt__fs_is_dir(fs, fs->priv.root, p->new_name) ? -ENOTEMPTY : r;
}

// The method drop().
static ckpt_code ckpt__fs_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                               ckpt_extent extent, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    char name[256];
    int r = 0;
    ckpt__fs_close(fs, &p->reading);
    const ckpt_code rc = ckpt__fs_check_opener(fs, p);
    if (rc != CKPT_OK) return rc;
    if (p->opened_as == CKPT_HOW_LEFTOVER) {
        r = ckpt__fs_remove_unshown(fs, p);
        return r < 0 ? ckpt__fs_fail(err, "remove a leftover", r) : CKPT_OK;
    }
    if (extent == CKPT_DROP_OLDER) {
        r = ckpt__fs_remove_below(fs, p, gen->epoch, "");
        return r < 0 ? ckpt__fs_fail(err, "remove older checkpoints", r)
                     : CKPT_OK;
    }
    if (extent == CKPT_DROP_REST && gen != NULL) {
        r = ckpt__fs_settle(fs, p, gen->epoch);
    }
    r = r < 0 ? r : ckpt__fs_name_of_gen(fs, p, gen, name);
    if (r < 0) return ckpt__fs_fail(err, "look at the last checkpoint", r);
    if (extent == CKPT_DROP_REST) {
        return ckpt__fs_remove_rest(fs, p, gen, name, err);
    }
    r = ckpt__fs_remove_run(fs, p, gen, name);
    return r < 0 ? ckpt__fs_fail(err, "remove the run", r) : CKPT_OK;
}

//--- Places -------------------------------------------------------------------

// A place is opened on a run, on a new run that is made aside, or on a
// leftover.

// Makes the directory of a new run under a unique name in the root. Publishing
// gives the run its own name (R5).
static ckpt_code ckpt__fs_make_run_dir(ckpt_store_fs *fs, ckpt__fs_place *p,
                                       ckpt_error *err)
{
    char random[CKPT__FS_RANDOM_DIGITS + 1];
    int r = 0;
    for (int tries = 0; tries < CKPT__FS_TRIES_MAX; tries += r != -EINTR) {
        r = ckpt__fs_random_digits(fs, random);
        if (r < 0) return ckpt__fs_fail(err, "get random bytes", r);
        ckpt__stb_sprintf(p->new_name, ".new-%s", random);
        r = fs->priv.calls->mkdir(fs->priv.user, fs->priv.root, p->new_name);
        if (r == -EEXIST) continue;
        p->dir = r < 0 ? r : ckpt__fs_open(fs, fs->priv.root, p->new_name,
                                           CKPT_FS_DIR);
        if (r >= 0 && p->dir == -ENOENT) {
            continue;           // a sweep took it for a leftover: try again
        }
        p->unshown = p->dir >= 0;
        if (p->unshown) return CKPT_OK;
        // A directory may be made all the same.
        (void)fs->priv.calls->rmdir(fs->priv.user, fs->priv.root, p->new_name);
        if (r != -EINTR) {
            return ckpt__fs_fail(err, "make the directory of a run", p->dir);
        }
    }
    return ckpt__fs_fail(err, "make the directory of a run", -EEXIST);
}

// Returns -ENOENT if the directory of the store was removed. A store whose
// directory was removed and made anew under a living process looks empty, and
// every run in it looks as if it had never been.
static int ckpt__fs_root_stands(ckpt_store_fs *fs)
{
    ckpt_fs_stat st;
    const int r = ckpt__fs_stat(fs, fs->priv.root, &st);
    return r >= 0 && st.nlink == 0 ? -ENOENT : r;
}

// Opens the directory of a run or leftover, if it belongs to our own user.
// Returns CKPT_ERR_NOT_FOUND if it is not there.
static ckpt_code ckpt__fs_open_run_dir(ckpt_store_fs *fs, ckpt__fs_place *p,
                                       const char *name, ckpt_error *err)
{
    ckpt_fs_stat st;
    p->dir = ckpt__fs_open(fs, fs->priv.root, name, CKPT_FS_DIR);
    int r = p->dir < 0 ? p->dir : ckpt__fs_stat(fs, p->dir, &st);
    if (r >= 0 && st.uid != fs->priv.uid) {
        r = -ELOOP;
    }
    p->others_write = r >= 0 && (st.mode & 022) != 0;
    if (r == -ENOENT) {
        r = ckpt__fs_root_stands(fs);
        return r < 0 ? ckpt__fs_fail(err, "find the directory of the store", r)
                     : CKPT_ERR_NOT_FOUND;
    }
    return r < 0 ? ckpt__fs_fail(err, "open the directory of a run", r)
                 : CKPT_OK;
}

// The method close(). The maker of a run that was never shown removes that run.
// A child after fork() closes its descriptors and changes nothing of its
// parent's (R3).
static void ckpt__fs_place_close(ckpt_store *s, void *place, bool gave_up)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    const bool looked = p->epoch == 0 && !p->unshown;
    const bool ours = !looked && ckpt__fs_check_opener(fs, p) == CKPT_OK;
    const bool lost = ours && p->epoch > 0 && ckpt__fs_claim_stands(fs, p) == 0;
    ckpt__fs_close(fs, &p->reading);
    if (ours) {
        (void)ckpt__fs_discard_put(fs, p, CKPT_OK);
    }
    if (ours && gave_up) {
        const int fd = ckpt__fs_open_claim(fs, p);
        if (fd >= 0) {
            (void)ckpt__fs_write(fs, fd, "true ", 5, CKPT__FS_GAVE_UP_OFFSET);
            (void)ckpt__fs_close_claim(fs, p, fd);
        }
    }
    if (p->unshown && ours) {
        (void)ckpt__fs_remove_unshown(fs, p);
    }
    if (ours && p->claim >= 0) {
        // A child of fork() has the descriptor, too, and would keep the lock.
        (void)fs->priv.calls->unlock(fs->priv.user, p->claim);
    }
    ckpt__fs_close(fs, &p->writing);
    ckpt__fs_close(fs, &p->claim);
    ckpt__fs_close(fs, &p->dir);
    if (lost) {
        // The remover of the run could not remove the directory while a file
        // was open here: NFS and FUSE keep a name for such a file. We take the
        // empty directory away, which is no run.
        (void)fs->priv.calls->rmdir(fs->priv.user, fs->priv.root,
                                    p->opened_as == CKPT_HOW_LEFTOVER ?
                                    p->new_name : p->name);
    }
}

// The method open().
static ckpt_code ckpt__fs_place_open(ckpt_store *s, void *place, const char *id,
                                     ckpt_how how, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt__fs_place *p = ckpt__fs_place_of(place);
    char name[256];
    ckpt_code rc;
    memset(p, 0, sizeof(*p));
    p->dir = p->claim = p->reading = p->writing = -1;
    p->opened_as = how;
    if (how != CKPT_HOW_FIND) {
        p->opener_pid = fs->priv.calls->pid(fs->priv.user);
    }
    if (how == CKPT_HOW_LEFTOVER) {
        if (strncmp(id, ".new-", 5) != 0 ||
            strlen(id) >= sizeof(p->new_name)) {
            return CKPT_ERR_ARGUMENT;
        }
        memcpy(p->new_name, id, strlen(id) + 1);
        rc = ckpt__fs_open_run_dir(fs, p, p->new_name, err);
    } else {
        ckpt_store_fs_name(id, name);
        memcpy(p->name, name, strlen(name) + 1);
        rc = how == CKPT_HOW_FIND ? ckpt__fs_open_run_dir(fs, p, p->name, err)
                                  : ckpt__fs_make_run_dir(fs, p, err);
    }
    if (rc != CKPT_OK) {
        ckpt__fs_place_close(s, place, false);
    }
    return rc;
}

//--- The store ----------------------------------------------------------------

// The table of methods, and how a user opens and closes the store.

// Ends a listing. The stage of a cursor is 0 before the walk, 1 during the walk
// and 2 afterwards.
static void ckpt__fs_end_list(ckpt_store_fs *fs, ckpt_cursor *cursor)
{
    if (cursor->priv != NULL) {
        fs->priv.calls->dir_close(fs->priv.user, cursor->priv);
    }
    cursor->priv = NULL;
    cursor->stage = 2;
}

// The method list(). Whoever asks for leftovers sweeps, so the marks of what is
// gone go, too: an observer can leave one after the removal of its run.
static ckpt_code ckpt__fs_list(ckpt_store *s, ckpt_where where,
                               ckpt_cursor *cursor, char *id, ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    ckpt_fs_stat st;
    char name[256];
    int r = 0;
    if (id == NULL || cursor->stage == 2) {
        ckpt__fs_end_list(fs, cursor);
        return CKPT_END;
    }
    if (cursor->stage == 0) {
        r = ckpt__fs_root_stands(fs);
        if (r >= 0) {
            CKPT__FS_RETRY(r, fs->priv.calls->dir_open(fs->priv.user,
                                                       fs->priv.root,
                                                       &cursor->priv));
        }
        cursor->stage = r < 0 ? 0 : 1;
    }
    while (r >= 0) {
        CKPT__FS_RETRY(r, fs->priv.calls->dir_next(fs->priv.user, cursor->priv,
                                                   name));
        if (r <= 0) break;
        if (where == CKPT_AT_RUNS && ckpt_store_fs_id(name, id)) return CKPT_OK;
        if (where == CKPT_AT_LEFTOVERS && strncmp(name, ".new-", 5) == 0 &&
            strlen(name) < 40) {
            memcpy(id, name, strlen(name) + 1);
            return CKPT_OK;
        }
        if (where == CKPT_AT_LEFTOVERS && strncmp(name, ".seen-", 6) == 0 &&
            ckpt__fs_stat_at(fs, fs->priv.root, name + 6, &st) == -ENOENT) {
            (void)ckpt__fs_unlink(fs, fs->priv.root, name);
        }
    }
    ckpt__fs_end_list(fs, cursor);
    return r < 0 ? ckpt__fs_fail(err, "list the runs", r) : CKPT_END;
}

// The method env().
static ckpt_code ckpt__fs_env(ckpt_store *s, void *place, ckpt_moment *now,
                              ckpt_error *err)
{
    ckpt_store_fs *fs = ckpt__fs_of(s);
    if (place != NULL) {
        const ckpt_code rc =
            ckpt__fs_check_opener(fs, ckpt__fs_place_of(place));
        if (rc != CKPT_OK) return rc;
    }
    const int r = fs->priv.calls->clock(fs->priv.user, now);
    return r < 0 ? ckpt__fs_fail(err, "read the clock", r) : CKPT_OK;
}

static const ckpt_store_methods ckpt__fs_methods = {
    CKPT_STORE_VERSION, sizeof(ckpt__fs_place), 0, ckpt__fs_place_open,
    ckpt__fs_list, ckpt__fs_look, ckpt__fs_claim, ckpt__fs_alive,
    ckpt__fs_beat, ckpt__fs_read_gen, ckpt__fs_put, ckpt__fs_publish,
    ckpt__fs_set_aside, ckpt__fs_drop, ckpt__fs_env, ckpt__fs_place_close
};

// Makes the directory of the store, if there is none.
static int ckpt__fs_make_root(ckpt_store_fs *fs, const char *dir, bool *existed)
{
    int r;
    if (strlen(dir) >= CKPT__FS_PATH_MAX - 2) return -ENAMETOOLONG;
    CKPT__FS_RETRY(r, fs->priv.calls->mkdir(fs->priv.user, -1, dir));
    *existed = r == -EEXIST;
    return *existed ? 0 : r;
}

// Makes the name of the store's directory durable (R2). Each opening syncs the
// name again: the process that made the directory may have died before its own
// sync, and a power cut would take the store away with every run in it. Of a
// parent directory that may not be read the store syncs the new directory
// instead, and a file system with a journal brings its name along. If that
// cannot be opened or synced, a store that is there is used all the same,
// unless the medium fails or is full.
static int ckpt__fs_sync_name(ckpt_store_fs *fs, const char *dir, bool existed)
{
    char parent[CKPT__FS_PATH_MAX];
    size_t n = strlen(dir);
    memcpy(parent, dir, n + 1);
    while (n > 1 && parent[n - 1] == '/') {
        n--;
    }
    while (n > 0 && parent[n - 1] != '/') {
        n--;
    }
    memcpy(parent + n, ".", 2);
    int fd = ckpt__fs_open(fs, -1, parent, CKPT_FS_DIR | CKPT_FS_FOLLOW);
    if (fd == -EACCES) {                // ours to write, and not to read
        fd = ckpt__fs_open(fs, -1, dir, CKPT_FS_DIR | CKPT_FS_FOLLOW);
    }
    const int r = fd < 0 ? fd : ckpt__fs_sync(fs, fd);
    ckpt__fs_close(fs, &fd);
    return existed && r < 0 && r != -EIO && r != -ENOSPC ? 0 : r;
}

// Checks that the directory of the store belongs to this user and that nobody
// else may write to it: another user could otherwise plant runs in it. A volume
// that a container gets is often group-writable, each time it is mounted.
static ckpt_code ckpt__fs_check_root(ckpt_store_fs *fs, bool fix_modes,
                                     ckpt_error *err)
{
    ckpt_fs_stat st;
    int r = ckpt__fs_stat(fs, fs->priv.root, &st);
    if (r >= 0 && fix_modes && st.uid == (uint32_t)geteuid() &&
        (st.mode & 022)) {
        r = fs->priv.calls->chmod(fs->priv.user, fs->priv.root,
                                  st.mode & ~(uint32_t)022);
        r = r < 0 ? r : ckpt__fs_stat(fs, fs->priv.root, &st);
        if (r < 0 || (st.mode & 022)) {
            (void)ckpt__fs_fail(err, "take write permission from others", r);
            return CKPT_ERR_UNSUITABLE;
        }
    }
    if (r < 0) return ckpt__fs_fail(err, "look at the store", r);
    fs->priv.uid = st.uid;
    err->op = "look at the store: its directory is another user's";
    if (st.uid != (uint32_t)geteuid()) return CKPT_ERR_FOREIGN;
    err->op = "look at the store: .fix_modes or chmod go-w changes its mode";
    return st.mode & 022 ? CKPT_ERR_UNSAFE : CKPT_OK;
}

// Makes a file of some bytes under a temporary name.
static int ckpt__fs_try_file(ckpt_store_fs *fs, ckpt__fs_place *p, uint64_t n)
{
    int fd = ckpt__fs_create_temp(fs, p, 1);
    if (fd < 0) return fd;
    int r = ckpt__fs_write(fs, fd, "\n\n", n, 0);
    r = r < 0 ? r : ckpt__fs_datasync(fs, fd);
    const int closed = fs->priv.calls->close(fs->priv.user, fd);
    return r < 0 || closed == -EINTR ? r : closed;
}

// Fails if the mtime of a file changes when a reader closes the file: a claim
// would look fresh for as long as somebody looks at it, and no dead owner would
// ever be recognized (R7). The times of a file system go in steps, so the probe
// must have a later time first; on steps of seconds this function gives up.
static int ckpt__fs_try_reading(ckpt_store_fs *fs, const ckpt__fs_place *p,
                                const char *name)
{
    ckpt_fs_stat before, after;
    int64_t now_ms = 0;
    int tries = 0;
    int r = ckpt__fs_stat_at(fs, p->dir, name, &before);
    while (r >= 0 && now_ms <= before.mtime_ns / 1000000 && tries++ < 64) {
        r = ckpt__fs_probe_clock(fs, &now_ms);
    }
    if (r < 0) return r;
    int fd = ckpt__fs_open_ours(fs, p->dir, name, false, &after);
    r = fd;
    ckpt__fs_close(fs, &fd);
    r = r < 0 ? r : ckpt__fs_stat_at(fs, p->dir, name, &after);
    if (r < 0) return r;
    return after.mtime_ns == before.mtime_ns ? 0 : -EIO;
}

// Tries, in a directory of its own, what the store needs of a file system. A
// call that says that it failed may have done its work, so the names tell.
// *op says what was tried last.
static int ckpt__fs_try_needs(ckpt_store_fs *fs, ckpt__fs_place *p,
                              const char **op)
{
    static const char one[] = "checkpoint.1.json";
    ckpt_fs_stat st;
    char moved[sizeof(p->new_name)];
    int r = ckpt__fs_try_file(fs, p, 1);
    if (r < 0) return r;
    *op = "try the file system of the store: it has no hard links";
    r = fs->priv.calls->link(fs->priv.user, p->dir, p->temp_name, p->dir, one);
    (void)ckpt__fs_unlink(fs, p->dir, p->temp_name);
    if (ckpt__fs_stat_at(fs, p->dir, one, &st) < 0) return r < 0 ? r : -EIO;
    *op = "try the file system of the store: rename replaces no file";
    r = ckpt__fs_try_file(fs, p, 2);
    r = r < 0 ? r : fs->priv.calls->rename(fs->priv.user, p->dir, p->temp_name,
                                           p->dir, one);
    if (ckpt__fs_stat_at(fs, p->dir, one, &st) < 0 || st.size != 2) {
        return r < 0 ? r : -EIO;
    }
    *op = "try the file system of the store: it has no modification times";
    if (st.mtime_ns <= 0) return -EIO;
    *op = "try the file system of the store: readers change the times of files";
    r = ckpt__fs_try_reading(fs, p, one);
    if (r < 0) return r;
    *op = "try the file system of the store: no sync of a directory";
    r = ckpt__fs_sync_run(fs, p);
    if (r < 0) return r;
    *op = "try the file system of the store: no rename of a directory";
    ckpt__stb_sprintf(moved, "%s.", p->new_name);
    r = fs->priv.calls->rename(fs->priv.user, fs->priv.root, p->new_name,
                               fs->priv.root, moved);
    if (ckpt__fs_stat_at(fs, fs->priv.root, moved, &st) < 0) {
        return r < 0 ? r : -EIO;
    }
    memcpy(p->new_name, moved, sizeof(moved));
    const int dir = ckpt__fs_open(fs, fs->priv.root, moved, CKPT_FS_DIR);
    if (dir < 0) return dir;
    ckpt__fs_close(fs, &p->dir);        // see ckpt__fs_find_own_dir()
    p->dir = dir;
    return 0;
}

// Names what a file system that is not known lacks, when the store is opened:
// otherwise a run would find it out late, by an errno. A store that cannot be
// written to now (a full disk, a read-only mount) can still be read.
static ckpt_code ckpt__fs_try_out(ckpt_store_fs *fs, ckpt_error *err)
{
    ckpt__fs_place p;
    const char *op = "try the file system of the store: write a file";
    memset(&p, 0, sizeof(p));
    p.claim = p.reading = p.writing = -1;
    ckpt_code rc = ckpt__fs_make_run_dir(fs, &p, err);
    const bool made = rc == CKPT_OK;
    if (made) {
        const int r = ckpt__fs_try_needs(fs, &p, &op);
        rc = r < 0 ? ckpt__fs_fail(err, op, r) : CKPT_OK;
        (void)ckpt__fs_remove_files(fs, &p, ~0U, UINT64_MAX, "");
        ckpt__fs_close(fs, &p.dir);
        (void)fs->priv.calls->rmdir(fs->priv.user, fs->priv.root, p.new_name);
    }
    if (rc == CKPT_OK || rc == CKPT_ERR_NO_SPACE || rc == CKPT_ERR_RESOURCE ||
        (rc == CKPT_ERR_ACCESS && !made)) {
        return CKPT_OK;
    }
    return CKPT_ERR_UNSUITABLE;
}

// Decides whether claimants judge an owner by its lock or by the age of its
// beat (R7), and how owners publish.
static ckpt_code ckpt__fs_choose(ckpt_store_fs *fs,
                                 ckpt_store_fs_liveness liveness,
                                 ckpt_store_fs_publishing publishing,
                                 ckpt_error *err)
{
    int local;
    CKPT__FS_RETRY(local, fs->priv.calls->local(fs->priv.user, fs->priv.root));
    if (local < 0) return ckpt__fs_fail(err, "look at the store", local);
    if (liveness == CKPT_STORE_FS_LOCKS && local == 0) {
        err->op = "look at the store: its locks cannot be relied on";
        return CKPT_ERR_ARGUMENT;
    }
    fs->priv.locks = liveness != CKPT_STORE_FS_AGE && local > 0;
    fs->priv.ours_alone = local == 2;
    fs->priv.by_op = ckpt__crc_has_op();
    if (publishing == CKPT_STORE_FS_BY_TYPE) {
        publishing = local > 0 &&
            fs->priv.durability == CKPT_STORE_FS_POWER &&
            fs->priv.calls->exchanges(fs->priv.user, fs->priv.root) == 1 ?
            CKPT_STORE_FS_EXCHANGE : CKPT_STORE_FS_RENAME;
    }
    fs->publishing = publishing;
    return local > 0 ? CKPT_OK : ckpt__fs_try_out(fs, err);
}

// Opens the directory of the store, and looks at it.
static ckpt_code ckpt__fs_open_root(ckpt_store_fs *fs,
                                    const ckpt_store_fs_desc *desc,
                                    ckpt_error *err)
{
    bool existed;
    int r = ckpt__fs_make_root(fs, desc->dir, &existed);
    if (r == -ENOENT) {
        (void)ckpt__fs_fail(err, "open the store: its parent does not exist",
                            r);
        return CKPT_ERR_NOT_FOUND;
    }
    if (r < 0) return ckpt__fs_fail(err, "make the store", r);
    r = fs->priv.root = ckpt__fs_open(fs, -1, desc->dir,
                                      CKPT_FS_DIR | CKPT_FS_FOLLOW);
    if (r == -ENOENT) {
        (void)ckpt__fs_fail(err, "open the store: a symbolic link to nothing",
                            r);
        return CKPT_ERR_NOT_FOUND;
    }
    if (r < 0) {
        return ckpt__fs_fail(err, r == -ENOTDIR ?
                             "open the store: it is no directory" :
                             "open the store", r);
    }
    ckpt_code rc = ckpt__fs_check_root(fs, desc->fix_modes, err);
    if (rc != CKPT_OK) return rc;
    // The file system is tried out before the name of the store is synced: one
    // that cannot sync a directory is named as unsuitable, and not as failing.
    rc = ckpt__fs_choose(fs, desc->liveness, desc->publishing, err);
    if (rc != CKPT_OK) return rc;
    r = ckpt__fs_sync_name(fs, desc->dir, existed);
    return r < 0 ? ckpt__fs_fail(err, "make the store durable", r) : CKPT_OK;
}

CKPT_API ckpt_code ckpt_store_fs_open(ckpt_store_fs *fs,
                                      const ckpt_store_fs_desc *desc,
                                      ckpt_error *err)
{
    ckpt_error unused;
    err = err != NULL ? err : &unused;
    memset(err, 0, sizeof(*err));
    memset(fs, 0, sizeof(*fs));
    fs->base.methods = &ckpt__fs_methods;
    fs->priv.root = -1;
    fs->priv.durability = desc->durability;
    fs->priv.calls = desc->calls != NULL ? desc->calls : &ckpt__sys_calls;
    fs->priv.user = desc->calls_user;
    ckpt_code rc = CKPT_ERR_ARGUMENT;
    if (desc->dir == NULL || desc->dir[0] == '\0') {
        err->op = "read .dir";
    } else if ((unsigned)desc->durability > CKPT_STORE_FS_PROCESS) {
        err->op = "read .durability";
    } else if ((unsigned)desc->liveness > CKPT_STORE_FS_AGE) {
        err->op = "read .liveness";
    } else if ((unsigned)desc->publishing > CKPT_STORE_FS_EXCHANGE) {
        err->op = "read .publishing";
    } else {
        rc = ckpt__fs_open_root(fs, desc, err);
    }
    if (rc != CKPT_OK) {
        ckpt_store_fs_close(fs);
    }
    return ckpt__fill_error(err, rc);
}

CKPT_API void ckpt_store_fs_close(ckpt_store_fs *fs)
{
    if (fs->priv.calls == NULL) return;         // zeroed, and never opened
    ckpt__fs_close(fs, &fs->priv.root);
}

//--- End of the implementation ------------------------------------------------

#undef CKPT__FS_ACKED_OFFSET
#undef CKPT__FS_ACKED_WIDTH
#undef CKPT__FS_BODY_MAX
#undef CKPT__FS_CLAIMS_BATCH
#undef CKPT__FS_GAVE_UP_OFFSET
#undef CKPT__FS_LOCKED_OFFSET
#undef CKPT__FS_HEAD
#undef CKPT__FS_NAME_SIZE
#undef CKPT__FS_RANDOM_DIGITS
#undef CKPT__FS_RANGES
#undef CKPT__FS_RETRY
#undef CKPT__FS_PATH_MAX
#undef CKPT__FS_ROUNDS_MAX
#undef CKPT__FS_SET_ASIDE_MAX
#undef CKPT__FS_TRIES_MAX
#undef CKPT__SYS_EXCHANGE
#undef CKPT__SYS_GETDENTS
#undef ckpt__sys_names
#undef STB_SPRINTF_DECORATE
#undef STB_SPRINTF_STATIC
#undef STB_SPRINTF_NOFLOAT
#undef STB_SPRINTF_NOUNALIGNED
#undef STB_SPRINTF_IMPLEMENTATION
#undef STB_SPRINTF_H_INCLUDE
#undef STB_SPRINTF_MIN
#undef STBSP__ASAN
#undef STBSP__PUBLICDEC
#undef STBSP__PUBLICDEF
#undef STBSP__ATTRIBUTE_FORMAT
#undef STBSP__NOTUSED
#undef STBSP__METRIC_JEDEC
#undef STBSP__METRIC_NOSPACE
#undef STBSP__METRIC_1024
#undef STBSP__HALFWIDTH
#undef stbsp__uintptr

//--- The small opening --------------------------------------------------------

#ifndef CKPT_NO_SUPERVISING

enum { CKPT__JOB_TRIES = 8 };

// The interrupted run that was left longest ago, of one agent or of any, but
// for those that were tried.
typedef struct ckpt__job_search {
    const char *agent_id;
    int64_t     age_ms;
    char        id[CKPT_ID_MAX + 1];
    char        tried[CKPT__JOB_TRIES][CKPT_ID_MAX + 1];
} ckpt__job_search;

static bool ckpt__job_visit(void *user, const ckpt_run_info *info)
{
    ckpt__job_search *s = (ckpt__job_search *)user;
    // A longer id is shown cut off.
    bool fits = s->agent_id == NULL ||
                (strcmp(s->agent_id, info->agent_id) == 0 &&
                 strlen(info->agent_id) < CKPT_NAME_MAX);
    for (int i = 0; i < CKPT__JOB_TRIES; i++) {
        fits = fits && strcmp(s->tried[i], info->id) != 0;
    }
    if (fits && (s->id[0] == '\0' || info->beat_age_ms > s->age_ms)) {
        memcpy(s->id, info->id, sizeof(s->id));
        s->age_ms = info->beat_age_ms;
    }
    return true;
}

// Whether the code of a resume is about that run alone, so that another run may
// be resumed all the same.
static bool ckpt__job_passes(ckpt_code rc)
{
    switch (rc) {
    case CKPT_FINISHED: case CKPT_ERR_NOT_FOUND: case CKPT_ERR_LIVE:
    case CKPT_ERR_BUSY: case CKPT_ERR_EXISTS: case CKPT_ERR_EXHAUSTED:
    case CKPT_ERR_FAILED: case CKPT_ERR_DAMAGED: case CKPT_ERR_FORMAT:
    case CKPT_ERR_FOREIGN: case CKPT_ERR_TOO_LARGE: case CKPT_ERR_ACCESS:
        return true;
    default:
        return false;
    }
}

// Resumes an interrupted run. Other programs may take what was found before it
// is claimed, so the search goes on; CKPT_ERR_NOT_FOUND ends it.
static ckpt_code ckpt__job_resume(ckpt_job *job, const ckpt_run_desc *desc)
{
    ckpt__job_search s;
    memset(&s, 0, sizeof(s));
    s.agent_id = desc->meta.agent_id;
    for (int tries = 0; tries < CKPT__JOB_TRIES; tries++) {
        ckpt_run_desc found = *desc;
        s.id[0] = '\0';
        ckpt_code rc = ckpt_scan(&job->ctx, CKPT_STATE_INTERRUPTED,
                                 ckpt__job_visit, &s);
        if (rc != CKPT_OK) return rc;
        if (s.id[0] == '\0') break;
        memcpy(s.tried[tries], s.id, sizeof(s.id));
        found.id = s.id;
        rc = ckpt_resume(&job->ctx, &job->run, &found);
        if (!ckpt__job_passes(rc)) return rc;
    }
    return CKPT_ERR_NOT_FOUND;
}

#else

static ckpt_code ckpt__job_resume(ckpt_job *job, const ckpt_run_desc *desc)
{
    (void)job, (void)desc;
    return CKPT_ERR_NOT_FOUND;
}

#endif

// Resumes an interrupted run, or begins one under an id that is new.
static ckpt_code ckpt__job_take_any(ckpt_job *job, const ckpt_run_desc *desc)
{
    const ckpt_fs_calls *calls = ckpt_store_fs_calls();
    char id[5 + CKPT_NONCE_MAX] = "run-";
    ckpt_run_desc fresh = *desc;
    const ckpt_code rc = ckpt__job_resume(job, desc);
    if (rc != CKPT_ERR_NOT_FOUND) return rc;
    uint32_t noise[4];
    const int r = calls->random(NULL, noise, sizeof(noise));
    if (r < 0) {
        job->error.code = ckpt__fs_fail(&job->error, "make a run id", r);
        return job->error.code;
    }
    for (size_t i = 0; i < 4; i++) {            // the NUL behind stands there
        ckpt__hex_write(id + 4 + 8 * i, 8, noise[i]);
    }
    fresh.id = id;
    return ckpt_start(&job->ctx, &job->run, &fresh);
}

// Opens the run, and waits as long as it is BUSY and the caller would wait. A
// signal ends the sleep: the program is to see it.
static ckpt_code ckpt__job_open_run(ckpt_job *job, const ckpt_job_desc *d)
{
    int64_t left = d->wait_ms == 0 ? 10000 : d->wait_ms;
    ckpt_run_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.id = d->id;
    desc.meta = d->meta;
    desc.once = d->once;
    for (;;) {
        const ckpt_code rc = d->id == NULL ?
            ckpt__job_take_any(job, &desc) :
            ckpt_open(&job->ctx, &job->run, &desc);
        const int64_t told = ckpt_last_error(&job->ctx)->wait_ms;
        const int64_t wait = told > 0 ? told : 100;
        if (rc != CKPT_ERR_BUSY || wait > left) return rc;
        const struct timespec ts = { (time_t)(wait / 1000),
                                     (long)(wait % 1000) * 1000000 };
        if (nanosleep(&ts, NULL) != 0) return rc;
        left -= wait;
    }
}

// Loads the last checkpoint. If that fails, nothing was done in this attempt,
// and so it is given back: but not if saves are missing, for the run must say
// so until somebody has heard it.
static ckpt_code ckpt__job_load(ckpt_job *job, const ckpt_job_desc *d,
                                ckpt_checkpoint *last)
{
    if (!job->run.resumed || d->buf == NULL) return CKPT_OK;
    const ckpt_code rc = ckpt_load(&job->run, last, d->buf, d->cap);
    if (rc >= CKPT_OK) return rc;
    job->needed = rc == CKPT_ERR_BUFFER ? (size_t)job->run.checkpoint_size : 0;
    job->error = job->run.error;
    if (!job->run.older) {
        (void)!ckpt_finish(&job->run, CKPT_INTERRUPTED, NULL);
    }
    job->run.error = job->error;
    return rc;
}

// Opens the store, if the caller gave none, and makes the context.
static ckpt_code ckpt__job_init(ckpt_job *job, const ckpt_job_desc *d)
{
    ckpt_desc desc;
    ckpt_store_fs_desc fs;
    memset(&desc, 0, sizeof(desc));
    memset(&fs, 0, sizeof(fs));
    if (d->options != NULL) {
        desc = *d->options;
    }
    desc.store = d->store;
    desc.owner = d->owner;
    if (desc.store == NULL) {
        fs.dir = d->dir;
        const ckpt_code rc = ckpt_store_fs_open(&job->fs, &fs, &job->error);
        if (rc != CKPT_OK) return rc;
        desc.store = &job->fs.base;
    }
    const ckpt_code rc = ckpt_init(&job->ctx, &desc);
    job->error = *ckpt_last_error(&job->ctx);
    return rc;
}

CKPT_API ckpt_code ckpt_job_open(ckpt_job *job, const ckpt_job_desc *desc,
                                 ckpt_checkpoint *last)
{
    char id[CKPT_ID_MAX + 1];
    if (job == NULL || desc == NULL || last == NULL) return CKPT_ERR_ARGUMENT;
    if (job->open) {
        memset(&job->run.error, 0, sizeof(job->run.error));
        job->run.error.op = "open a job that is open";
        return ckpt__fill_error(&job->run.error, CKPT_ERR_ARGUMENT);
    }
    ckpt_job_desc d = *desc;
    if (d.id != NULL && strlen(d.id) <= CKPT_ID_MAX) {
        memcpy(id, d.id, strlen(d.id) + 1);     // it may lie in the job
        d.id = id;
    }
    memset(job, 0, sizeof(*job));
    memset(last, 0, sizeof(*last));
    ckpt_code rc = ckpt__job_init(job, &d);
    if (rc == CKPT_OK) {
        rc = ckpt__job_open_run(job, &d);
        if (rc != CKPT_OK && job->error.code == CKPT_OK) {
            job->error = *ckpt_last_error(&job->ctx);
        }
    }
    if (rc == CKPT_OK) {
        rc = ckpt__job_load(job, &d, last);
    }
    job->open = true;
    if (rc != CKPT_OK && rc != CKPT_OLDER) {
        ckpt_job_close(job);
    }
    return rc;
}

CKPT_API const char *ckpt_job_error(const ckpt_job *job, char *buf, size_t cap)
{
    const bool later = job->run.error.code != CKPT_OK;
    return ckpt_error_text(later ? &job->run.error : &job->error, buf, cap);
}

CKPT_API void ckpt_job_close(ckpt_job *job)
{
    if (job == NULL || !job->open) return;
    ckpt_abandon(&job->run);
    ckpt_store_fs_close(&job->fs);
    job->open = false;
}

#endif /* CKPT_STORE_FS_IMPLEMENTATION_DONE */
#endif /* CKPT_STORE_FS_IMPLEMENTATION */

#endif /* _WIN32 */
