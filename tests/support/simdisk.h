// SPDX-License-Identifier: MIT-0
// simdisk.h -- a disk in memory behind ckpt_fs_calls, that can lose its power
//
// It keeps two states: what programs see, and what would survive a power cut.
// The second one is not one state but many. A crash iterator shows them all, or
// a sample, each as a disk of its own:
//
//     sim_disk *disk = sim_disk_new(1);
//     sim_proc *p = sim_proc_new(disk, 100);
//     desc.calls = sim_calls(); desc.calls_user = p;      // and use the store
//
//     sim_crash it;
//     sim_crash_begin(&it, disk, &(sim_crash_desc){.profile = SIM_WEAKEST});
//     for (sim_disk *after; (after = sim_crash_next(&it)) != NULL;) {
//         // look at it, as a process of the next boot
//         sim_disk_free(after);
//     }
//     sim_crash_end(&it);                 // it.shown of it.total states
//
// Model. A file is durable bytes and a list of pending writes; a directory is
// durable names and a list of pending operations. sync() of a file makes its
// bytes durable, and not its name; sync() of a directory makes its names
// durable, and not what they name. A failed sync() of a file loses its pending
// writes for good, and later ones succeed without doing anything: this is what
// Linux does. Modes, owners and times are durable at once.
//
// Every system call passes a hook first, which can fail it before or after its
// effect, cut it short, kill the process, or run another process meanwhile.
//
// Not modelled: permissions (they are only reported), inode numbers used again,
// truncation (the table has none), a disk that lies other than by its flags.
// One thread at a time.
#ifndef SIMDISK_H
#define SIMDISK_H

#include "ckpt_store_fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
    #define SIM_FN __attribute__((unused)) static
#else
    #define SIM_FN static
#endif

// A store must not write what it never initialized.
#if defined(__has_feature)
    #if __has_feature(memory_sanitizer)
        #include <sanitizer/msan_interface.h>
        #define SIM_CHECK_INIT(p, n) __msan_check_mem_is_initialized((p), (n))
    #endif
#endif
#ifndef SIM_CHECK_INIT
    #define SIM_CHECK_INIT(p, n) ((void)(p), (void)(n))
#endif

//--- Types --------------------------------------------------------------------

#define SIM_SECTOR 512      // what a disk writes at once
#define SIM_FDS     64      // descriptors of a process
#define SIM_NAME   256
#define SIM_DEPTH   16      // of directories; a tree is no deeper in tests

// Flags of a disk, for tests that expect failure.
enum {
    SIM_NO_FILESYNC      = 1 << 0,  // sync() of files does nothing
    SIM_NO_DIRSYNC       = 1 << 1,  // sync() of directories does nothing
    SIM_NONATOMIC_RENAME = 1 << 2   // a crash may leave both names or neither
};

// Bytes that several inodes and disks may share.
typedef struct sim_blob {
    size_t         refs, len, cap;
    uint64_t       hash;        // 0: not known
    unsigned char *bytes;
} sim_blob;

typedef struct sim_write {
    uint64_t       offset;
    size_t         len;
    unsigned char *bytes;
} sim_write;

typedef struct sim_name {
    char     name[SIM_NAME];
    uint64_t ino;
} sim_name;

typedef struct sim_names {
    sim_name *at;
    size_t    count, cap;
} sim_names;

typedef enum sim_kind {
    SIM_FILE, SIM_DIRECTORY, SIM_SYMLINK, SIM_SPECIAL
} sim_kind;

typedef struct sim_inode {
    sim_kind   kind;
    uint32_t   uid, mode;
    uint64_t   ino, nlink;
    uint64_t   parent;              // of a directory
    int64_t    mtime_ns;
    size_t     opens;               // open file descriptions
    sim_blob  *live;                // a file's bytes; the path of a symlink
    sim_blob  *durable;             // NULL: the same as live
    sim_write *writes;              // what lies between the two
    size_t     write_count, write_cap;
    bool       sync_failed;
    sim_names  names, durable_names;
} sim_inode;

// The two halves of a directory operation. A rename has both, a create or link
// only the second one, an unlink only the first one. An exchange has one half,
// which sets both names.
enum { SIM_REMOVE = 1, SIM_SET = 2 };

typedef struct sim_op {
    uint64_t order;                 // over the whole disk
    uint64_t from_dir, to_dir, ino; // a dir is 0 where there is no such half
    uint64_t swapped;               // of an exchange: what gets the name from
    char     from[SIM_NAME], to[SIM_NAME];
    unsigned applied;               // halves that are durable
} sim_op;

// An open file description. Descriptors of several processes may share it.
typedef struct sim_file {
    size_t           refs;
    sim_inode       *inode;
    bool             writable;
    enum { SIM_UNLOCKED, SIM_SHARED, SIM_EXCLUSIVE } lock;
    struct sim_file *next;
} sim_file;

typedef struct sim_walk {
    char           (*names)[SIM_NAME];
    size_t           count, pos;
    struct sim_walk *next;
} sim_walk;

typedef enum sim_call {
    SIM_OPEN, SIM_CLOSE, SIM_READ, SIM_WRITE, SIM_SYNC, SIM_DATASYNC, SIM_STAT,
    SIM_STAT_PLAIN, SIM_STAT_AT, SIM_MKDIR, SIM_RMDIR, SIM_UNLINK, SIM_RENAME,
    SIM_LINK, SIM_EXCHANGE, SIM_LOCK, SIM_UNLOCK, SIM_CHMOD, SIM_TOUCH,
    SIM_DIR_OPEN, SIM_DIR_NEXT, SIM_DIR_CLOSE, SIM_LOCAL, SIM_EXCHANGES,
    SIM_SELF, SIM_GONE, SIM_PID, SIM_CLOCK, SIM_RANDOM, SIM_CALLS
} sim_call;

#define SIM_BIT(call) (UINT32_C(1) << (call))

// A system call that is about to happen.
typedef struct sim_event {
    sim_call    call;
    const char *title;              // "open", ...
    uint64_t    count;              // the how many-th of its process, from 1
    int         fd;                 // or directory; -1: none
    const char *name, *to;          // NULL: none
    size_t      size;
} sim_event;

typedef enum sim_action {
    SIM_GO,             // do it
    SIM_FAIL,           // fail with err. close() closes nevertheless, as on
                        // Linux
    SIM_FAIL_AFTER,     // do it, then fail with err
    SIM_SHORT,          // read or write at most size bytes
    SIM_DIE             // kill the process instead
} sim_action;

typedef struct sim_verdict {
    sim_action action;
    int        err;
    size_t     size;
} sim_verdict;

struct sim_proc;

// Called before every system call, when nothing of it is done yet. It may use
// the disk through other processes, look at its crash states, kill processes,
// switch to another thread of execution, or leave by longjmp(). dir_close() and
// pid() can neither fail nor be cut short: there it can only answer SIM_DIE.
typedef sim_verdict (*sim_hook)(void *user, struct sim_proc *p,
                                const sim_event *e);

// A process. Belongs to its disk.
typedef struct sim_proc {
    struct sim_disk *disk;
    ckpt_fs_self     self;          // a test may change it
    uint32_t         uid;
    int64_t          wall_skew_ms;  // its idea of the time
    bool             dead;          // every call fails with EIO
    sim_hook         hook;
    void            *hook_user;
    uint64_t         calls;         // so far
    uint64_t         rng;
    int              fd_base;
    sim_file        *fds[SIM_FDS];
    sim_walk        *walks;
    struct sim_proc *next;
} sim_proc;

typedef struct sim_disk {
    unsigned    flags;
    int         local;              // what local() answers
    int         exchanges;          // what exchanges() answers
    uint64_t    dev, seed, boot, started;
    uint64_t    capacity;           // in bytes of files; 0: no limit
    int64_t     mono_ms, wall_ms;   // clocks of its processes
    int64_t     fs_ns;              // the file system's own clock
    sim_inode **inodes;             // by number; NULL: none
    size_t      inode_count, inode_cap, collect_at;
    sim_op     *ops;                // pending ones, oldest first
    size_t      op_count, op_cap;
    uint64_t    order, durable_order;
    sim_file   *files;
    sim_proc   *procs;
    const char *misuse;             // the first call that broke the contract
                                    // of ckpt_fs_calls; NULL: none did
} sim_disk;

#define SIM_ROOT 1

//--- Memory -------------------------------------------------------------------

SIM_FN void *sim_alloc(size_t n)
{
    void *mem = calloc(1, n ? n : 1);
    if (!mem) abort();
    return mem;
}

// Room for one more element.
SIM_FN void *sim_grow(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return at;
    *cap = *cap ? *cap * 2 : 8;
    at = realloc(at, *cap * size);
    if (!at) abort();
    return at;
}

SIM_FN uint64_t sim_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) + UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

SIM_FN uint64_t sim_next(uint64_t *rng)
{
    *rng = *rng + UINT64_C(0x9e3779b97f4a7c15);
    return sim_mix(*rng, 0);
}

SIM_FN uint64_t sim_hash_bytes(const void *bytes, size_t n, uint64_t h)
{
    const unsigned char *b = bytes;
    h ^= UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return sim_mix(h, n);
}

SIM_FN sim_blob *sim_blob_new(const void *bytes, size_t len)
{
    sim_blob *b = sim_alloc(sizeof *b);
    b->refs = 1;
    b->len = b->cap = len;
    b->bytes = sim_alloc(len);
    if (bytes && len) memcpy(b->bytes, bytes, len);
    return b;
}

SIM_FN sim_blob *sim_blob_ref(sim_blob *b)
{
    b->refs++;
    return b;
}

SIM_FN void sim_blob_drop(sim_blob *b)
{
    if (!b || --b->refs > 0) return;
    free(b->bytes);
    free(b);
}

SIM_FN uint64_t sim_blob_hash(sim_blob *b)
{
    if (!b->hash) b->hash = sim_hash_bytes(b->bytes, b->len, 0) | 1;
    return b->hash;
}

// Takes a reference to b and returns one to b with n bytes written into it,
// which nobody else sees. A gap is filled with zeros.
SIM_FN sim_blob *sim_blob_write(sim_blob *b, uint64_t offset, const void *buf,
                                size_t n)
{
    size_t at = (size_t)offset, end = at + n;
    if (b->refs > 1) {
        sim_blob *own = sim_blob_new(b->bytes, b->len);
        sim_blob_drop(b);
        b = own;
    }
    if (end > b->cap) {
        b->cap = end > 2 * b->cap ? end : 2 * b->cap;
        b->bytes = realloc(b->bytes, b->cap);
        if (!b->bytes) abort();
    }
    if (end > b->len) {
        memset(b->bytes + b->len, 0, end - b->len);
        b->len = end;
    }
    if (n) memcpy(b->bytes + at, buf, n);
    b->hash = 0;
    return b;
}

// A set of hashes, zero-initialized. States that are in it are not shown again.
typedef struct sim_set {
    uint64_t *at;
    size_t    count, cap;
} sim_set;

SIM_FN bool sim_set_add(sim_set *set, uint64_t h)
{
    if (2 * (set->count + 1) > set->cap) {
        sim_set bigger = {0};
        bigger.cap = set->cap ? 2 * set->cap : 64;
        bigger.at = sim_alloc(bigger.cap * sizeof *bigger.at);
        for (size_t i = 0; i < set->cap; i++)
            if (set->at[i]) sim_set_add(&bigger, set->at[i]);
        free(set->at);
        *set = bigger;
    }
    h = h ? h : 1;
    size_t i = (size_t)h & (set->cap - 1);
    while (set->at[i] && set->at[i] != h) i = (i + 1) & (set->cap - 1);
    if (set->at[i]) return false;
    set->at[i] = h;
    set->count++;
    return true;
}

SIM_FN void sim_set_free(sim_set *set)
{
    free(set->at);
    memset(set, 0, sizeof *set);
}

//--- Names --------------------------------------------------------------------

SIM_FN sim_name *sim_names_find(const sim_names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i].name, name) == 0) return &n->at[i];
    return NULL;
}

SIM_FN void sim_names_set(sim_names *n, const char *name, uint64_t ino)
{
    sim_name *e = sim_names_find(n, name);
    if (!e) {
        n->at = sim_grow(n->at, n->count, &n->cap, sizeof *n->at);
        e = &n->at[n->count++];
        memcpy(e->name, name, strlen(name) + 1);
    }
    e->ino = ino;
}

SIM_FN void sim_names_remove(sim_names *n, const char *name)
{
    sim_name *e = sim_names_find(n, name);
    if (e) *e = n->at[--n->count];
}

SIM_FN void sim_names_copy(sim_names *to, const sim_names *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        to->at = sim_grow(to->at, i, &to->cap, sizeof *to->at);
        to->at[to->count++] = from->at[i];
    }
}

SIM_FN int sim_compare_names(const void *a, const void *b)
{
    return strcmp(((const sim_name *)a)->name, ((const sim_name *)b)->name);
}

SIM_FN void sim_names_sort(sim_names *n)
{
    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, sim_compare_names);
}

//--- Inodes -------------------------------------------------------------------

SIM_FN void sim_inode_free(sim_inode *node)
{
    if (!node) return;
    sim_blob_drop(node->live);
    sim_blob_drop(node->durable);
    for (size_t i = 0; i < node->write_count; i++) free(node->writes[i].bytes);
    free(node->writes);
    free(node->names.at);
    free(node->durable_names.at);
    free(node);
}

SIM_FN void sim_mark(sim_disk *d, bool *marks, uint64_t ino)
{
    if (!ino || marks[ino] || !d->inodes[ino]) return;
    marks[ino] = true;
    sim_inode *node = d->inodes[ino];
    for (size_t i = 0; i < node->names.count; i++)
        sim_mark(d, marks, node->names.at[i].ino);
    for (size_t i = 0; i < node->durable_names.count; i++)
        sim_mark(d, marks, node->durable_names.at[i].ino);
}

// Frees inodes that neither a program nor a crash can bring back.
SIM_FN void sim_collect(sim_disk *d)
{
    bool *marks = sim_alloc(d->inode_count * sizeof *marks);
    sim_mark(d, marks, SIM_ROOT);
    for (sim_file *f = d->files; f; f = f->next)
        sim_mark(d, marks, f->inode->ino);
    for (size_t i = 0; i < d->op_count; i++) {
        sim_mark(d, marks, d->ops[i].ino);
        sim_mark(d, marks, d->ops[i].swapped);
        sim_mark(d, marks, d->ops[i].from_dir);
        sim_mark(d, marks, d->ops[i].to_dir);
    }
    for (size_t i = 0; i < d->inode_count; i++) {
        if (marks[i]) continue;
        sim_inode_free(d->inodes[i]);
        d->inodes[i] = NULL;
    }
    free(marks);
}

// Makes an inode with a number of its own.
SIM_FN sim_inode *sim_inode_new(sim_disk *d, sim_kind kind, uint32_t uid)
{
    if (d->inode_count == d->collect_at) {
        sim_collect(d);
        d->collect_at *= 2;
    }
    d->inodes = sim_grow(d->inodes, d->inode_count, &d->inode_cap,
                         sizeof(sim_inode *));
    sim_inode *node = sim_alloc(sizeof *node);
    node->kind = kind;
    node->ino = d->inode_count;
    node->uid = uid;
    node->mode = kind == SIM_DIRECTORY ? 0700 : 0600;
    node->mtime_ns = d->fs_ns;
    node->live = sim_blob_new(NULL, 0);
    d->inodes[d->inode_count++] = node;
    return node;
}

SIM_FN void sim_file_write(sim_inode *node, uint64_t offset, const void *buf,
                           size_t n)
{
    if (!node->durable) node->durable = sim_blob_ref(node->live);
    node->writes = sim_grow(node->writes, node->write_count, &node->write_cap,
                            sizeof *node->writes);
    sim_write *w = &node->writes[node->write_count++];
    w->offset = offset;
    w->len = n;
    w->bytes = sim_alloc(n);
    if (n) memcpy(w->bytes, buf, n);
    node->live = sim_blob_write(node->live, offset, buf, n);
}

SIM_FN void sim_file_sync(sim_inode *node)
{
    sim_blob_drop(node->durable);
    node->durable = NULL;
    for (size_t i = 0; i < node->write_count; i++) free(node->writes[i].bytes);
    node->write_count = 0;
}

//--- Directory operations -----------------------------------------------------

// Does an operation for programs, and logs it for crashes.
SIM_FN void sim_op_do(sim_disk *d, sim_inode *from_dir, const char *from,
                      sim_inode *to_dir, const char *to, sim_inode *node)
{
    d->ops = sim_grow(d->ops, d->op_count, &d->op_cap, sizeof *d->ops);
    sim_op *op = &d->ops[d->op_count++];
    memset(op, 0, sizeof *op);
    op->order = ++d->order;
    op->ino = node->ino;
    if (from_dir) {
        op->from_dir = from_dir->ino;
        memcpy(op->from, from, strlen(from) + 1);
        sim_names_remove(&from_dir->names, from);
        from_dir->mtime_ns = d->fs_ns;
        node->nlink--;
    }
    if (to_dir) {
        op->to_dir = to_dir->ino;
        memcpy(op->to, to, strlen(to) + 1);
        sim_name *old = sim_names_find(&to_dir->names, to);
        if (old) d->inodes[old->ino]->nlink--;
        sim_names_set(&to_dir->names, to, node->ino);
        to_dir->mtime_ns = d->fs_ns;
        node->nlink++;
        if (node->kind == SIM_DIRECTORY) node->parent = to_dir->ino;
    }
}

// Exchanges two names of a directory.
SIM_FN void sim_op_exchange(sim_disk *d, sim_inode *dir, const char *a,
                            const char *b, sim_inode *at_a, sim_inode *at_b)
{
    d->ops = sim_grow(d->ops, d->op_count, &d->op_cap, sizeof *d->ops);
    sim_op *op = &d->ops[d->op_count++];
    memset(op, 0, sizeof *op);
    op->order = ++d->order;
    op->ino = at_a->ino;
    op->swapped = at_b->ino;
    op->to_dir = dir->ino;
    memcpy(op->from, a, strlen(a) + 1);
    memcpy(op->to, b, strlen(b) + 1);
    sim_names_set(&dir->names, a, at_b->ino);
    sim_names_set(&dir->names, b, at_a->ino);
    dir->mtime_ns = d->fs_ns;
}

// Sets the names of an operation's second half.
SIM_FN void sim_op_set(const sim_op *op, sim_names *names)
{
    sim_names_set(names, op->to, op->ino);
    if (op->swapped) sim_names_set(names, op->from, op->swapped);
}

SIM_FN unsigned sim_op_halves(const sim_op *op)
{
    return (op->from_dir ? (unsigned)SIM_REMOVE : 0) |
           (op->to_dir ? (unsigned)SIM_SET : 0);
}

SIM_FN void sim_dir_sync(sim_disk *d, sim_inode *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->op_count; i++) {
        sim_op *op = &d->ops[i];
        unsigned before = op->applied;
        if (op->from_dir == dir->ino && !(op->applied & SIM_REMOVE)) {
            sim_names_remove(&dir->durable_names, op->from);
            op->applied |= SIM_REMOVE;
        }
        if (op->to_dir == dir->ino && !(op->applied & SIM_SET)) {
            sim_op_set(op, &dir->durable_names);
            op->applied |= SIM_SET;
        }
        if (op->applied != before && op->order > d->durable_order)
            d->durable_order = op->order;
        if (op->applied != sim_op_halves(op)) d->ops[kept++] = *op;
    }
    d->op_count = kept;
}

//--- Disks --------------------------------------------------------------------

SIM_FN sim_disk *sim_disk_alloc(void)
{
    sim_disk *d = sim_alloc(sizeof *d);
    d->collect_at = 256;
    d->inodes = sim_grow(d->inodes, 0, &d->inode_cap, sizeof(sim_inode *));
    d->inodes[d->inode_count++] = NULL;
    return d;
}

// An empty disk. The seed decides what random() gives, and the order in which
// directories are walked.
SIM_FN sim_disk *sim_disk_new(uint64_t seed)
{
    sim_disk *d = sim_disk_alloc();
    d->seed = seed;
    d->dev = 1;
    d->local = 1;
    d->mono_ms = 1000;
    d->wall_ms = INT64_C(1700000000000);
    d->fs_ns = d->wall_ms * 1000000;
    sim_inode *root = sim_inode_new(d, SIM_DIRECTORY, 1000);
    root->nlink = 1;
    root->parent = SIM_ROOT;
    return d;
}

SIM_FN void sim_kill(sim_proc *p);

SIM_FN void sim_disk_free(sim_disk *d)
{
    if (!d) return;
    while (d->procs) {
        sim_proc *p = d->procs;
        sim_kill(p);
        d->procs = p->next;
        free(p);
    }
    for (size_t i = 0; i < d->inode_count; i++) sim_inode_free(d->inodes[i]);
    free(d->inodes);
    free(d->ops);
    free(d);
}

// Makes everything durable, as a clean shutdown does.
SIM_FN void sim_settle(sim_disk *d)
{
    for (size_t i = 1; i < d->inode_count; i++) {
        sim_inode *node = d->inodes[i];
        if (!node) continue;
        sim_file_sync(node);
        node->sync_failed = false;
        sim_names_copy(&node->durable_names, &node->names);
    }
    d->op_count = 0;
}

// Lets time pass, on all clocks.
SIM_FN void sim_advance(sim_disk *d, int64_t ms)
{
    d->mono_ms += ms;
    d->wall_ms += ms;
    d->fs_ns += ms * 1000000;
}

//--- Processes ----------------------------------------------------------------

// A process of the current boot. No two that live have the same pid.
SIM_FN sim_proc *sim_proc_new(sim_disk *d, int64_t pid)
{
    sim_proc *p = sim_alloc(sizeof *p);
    p->disk = d;
    p->uid = 1000;
    p->self.pid = pid;
    p->self.start = ++d->started;
    p->self.pid_ns = 1;
    memcpy(p->self.host, "sim", 4);
    snprintf(p->self.boot, sizeof p->self.boot, "boot-%llu",
             (unsigned long long)d->boot);
    p->rng = sim_mix(sim_mix(d->seed, d->boot), p->self.start);
    // Descriptors of one process mean nothing to another one.
    p->fd_base = (int)(d->started % 10000) * 1000;
    p->next = d->procs;
    d->procs = p;
    return p;
}

SIM_FN void sim_file_drop(sim_disk *d, sim_file *f)
{
    if (--f->refs > 0) return;
    sim_file **at = &d->files;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    f->inode->opens--;
    free(f);
}

SIM_FN void sim_walk_free(sim_proc *p, sim_walk *w)
{
    sim_walk **at = &p->walks;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    free(w->names);
    free(w);
}

// Ends a process, as SIGKILL does: its descriptors are closed, its locks are
// free, and what it wrote stays.
SIM_FN void sim_kill(sim_proc *p)
{
    p->dead = true;
    while (p->walks) sim_walk_free(p, p->walks);
    for (int i = 0; i < SIM_FDS; i++) {
        if (p->fds[i]) sim_file_drop(p->disk, p->fds[i]);
        p->fds[i] = NULL;
    }
}

// A child that has the descriptors of its parent, and so its locks.
SIM_FN sim_proc *sim_fork(sim_proc *parent, int64_t pid)
{
    sim_proc *p = sim_proc_new(parent->disk, pid);
    p->uid = parent->uid;
    p->fd_base = parent->fd_base;
    for (int i = 0; i < SIM_FDS; i++) {
        p->fds[i] = parent->fds[i];
        if (p->fds[i]) p->fds[i]->refs++;
    }
    return p;
}

// How many descriptors a process has open, walks included.
SIM_FN size_t sim_open_count(const sim_proc *p)
{
    size_t count = 0;
    for (int i = 0; i < SIM_FDS; i++) count += p->fds[i] != NULL;
    for (const sim_walk *w = p->walks; w; w = w->next) count++;
    return count;
}

//--- Paths --------------------------------------------------------------------

SIM_FN void sim_misuse(sim_disk *d, const char *what)
{
    if (!d->misuse) d->misuse = what;
}

// Where a name stands, and what it names.
typedef struct sim_place {
    sim_inode *dir, *node;      // node is NULL if there is none
    char       name[SIM_NAME];
} sim_place;

SIM_FN int sim_step(sim_disk *d, sim_inode *dir, const char *name, size_t len,
                    sim_place *at)
{
    if (len >= SIM_NAME) return -ENAMETOOLONG;
    if (!dir || dir->kind != SIM_DIRECTORY) return -ENOTDIR;
    at->dir = dir;
    memcpy(at->name, name, len);
    at->name[len] = '\0';
    const sim_name *e = sim_names_find(&dir->names, at->name);
    at->node = e ? d->inodes[e->ino] : NULL;
    if (strcmp(at->name, ".") == 0) at->node = dir;
    if (strcmp(at->name, "..") == 0) at->node = d->inodes[dir->parent];
    return 0;
}

// Follows a path from the root of the disk. Symbolic links are followed where
// directories are needed, their paths start at the root as well.
SIM_FN int sim_path_deep(sim_disk *d, const char *path, sim_place *at,
                         int links)
{
    int r = sim_step(d, d->inodes[SIM_ROOT], ".", 1, at);
    while (r == 0 && *(path += strspn(path, "/")) != '\0') {
        size_t len = strcspn(path, "/");
        sim_inode *dir = at->node;
        if (!dir) return -ENOENT;
        if (dir->kind == SIM_SYMLINK) {
            sim_place to;
            if (links == 8) return -ELOOP;
            r = sim_path_deep(d, (const char *)dir->live->bytes, &to,
                              links + 1);
            if (r) return r;
            dir = to.node;
        }
        r = sim_step(d, dir, path, len, at);
        path += len;
    }
    return r;
}

SIM_FN int sim_path(sim_disk *d, const char *path, sim_place *at)
{
    return sim_path_deep(d, path, at, 0);
}

// What a path names; NULL: nothing. A test may change its mode, uid and mtime.
SIM_FN sim_inode *sim_find(sim_disk *d, const char *path)
{
    sim_place at;
    return sim_path(d, path, &at) == 0 ? at.node : NULL;
}

SIM_FN sim_file *sim_fd(sim_proc *p, int fd)
{
    int i = fd - p->fd_base;
    sim_file *f = i >= 0 && i < SIM_FDS ? p->fds[i] : NULL;
    if (!f) sim_misuse(p->disk, "a descriptor that is not open");
    return f;
}

// Finds a name as system calls do: a path below the root of the disk where dir
// is negative, one component below the directory dir elsewhere.
SIM_FN int sim_locate(sim_proc *p, int dir, const char *name, sim_place *at)
{
    if (name[0] == '\0') return -ENOENT;
    if (dir < 0) return sim_path(p->disk, name, at);
    sim_file *f = sim_fd(p, dir);
    if (!f) return -EBADF;
    if (strchr(name, '/')) {
        sim_misuse(p->disk, "a path where a name is due");
        return -EINVAL;
    }
    return sim_step(p->disk, f->inode, name, strlen(name), at);
}

// The same for calls that change names.
SIM_FN int sim_locate_change(sim_proc *p, int dir, const char *name,
                             sim_place *at)
{
    int r = sim_locate(p, dir, name, at);
    if (r) return r;
    if (strcmp(at->name, ".") == 0 || strcmp(at->name, "..") == 0)
        return at->node->ino == SIM_ROOT ? -EBUSY : -EINVAL;
    return 0;
}

//--- Hook ---------------------------------------------------------------------

// Asks the hook. 0: go on, and pass the result through sim_leave().
SIM_FN int sim_enter(sim_proc *p, sim_event e, sim_verdict *v)
{
    static const char *const titles[SIM_CALLS] = {
        "open", "close", "read", "write", "sync", "datasync", "stat",
        "stat_plain", "stat_at", "mkdir", "rmdir", "unlink", "rename", "link",
        "exchange", "lock", "unlock", "chmod", "touch", "dir_open", "dir_next",
        "dir_close", "local", "exchanges", "self", "gone", "pid", "clock",
        "random"
    };
    memset(v, 0, sizeof *v);
    if (p->dead) return -EIO;
    e.title = titles[e.call];
    e.count = ++p->calls;
    if (p->hook) *v = p->hook(p->hook_user, p, &e);
    if (v->action == SIM_DIE) sim_kill(p);
    if (p->dead) return -EIO;
    return v->action == SIM_FAIL ? -v->err : 0;
}

SIM_FN int sim_leave(const sim_verdict *v, int result)
{
    return v->action == SIM_FAIL_AFTER && result >= 0 ? -v->err : result;
}

// A ready-made hook: does something at the at-th of some calls, or from then
// on. Plans can be chained, for a fault in the handling of a fault; each counts
// for itself and the first one that applies decides.
typedef struct sim_plan {
    uint64_t         at;            // from 1; 0: never
    uint32_t         calls;         // SIM_BIT()s; 0: all
    bool             sticky;        // and all that follow
    sim_verdict      verdict;
    struct sim_plan *also;
    uint64_t         seen, fired;   // calls that it chose from, and hit
} sim_plan;

SIM_FN sim_verdict sim_plan_hook(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict v = {SIM_GO, 0, 0};
    (void)p;
    for (sim_plan *plan = user; plan; plan = plan->also) {
        if (plan->calls && !(plan->calls & SIM_BIT(e->call))) continue;
        plan->seen++;
        bool now = plan->sticky ? plan->seen >= plan->at
                                : plan->seen == plan->at;
        if (!plan->at || !now) continue;
        plan->fired++;
        if (v.action == SIM_GO) v = plan->verdict;
    }
    return v;
}

SIM_FN void sim_set_plan(sim_proc *p, sim_plan *plan)
{
    p->hook = sim_plan_hook;
    p->hook_user = plan;
}

//--- Calls: files -------------------------------------------------------------

SIM_FN int sim_do_open(sim_proc *p, int dir, const char *name, int flags)
{
    sim_disk *d = p->disk;
    sim_place at;
    int i = 0;
    while (i < SIM_FDS && p->fds[i]) i++;
    if (i == SIM_FDS) return -EMFILE;
    int r = sim_locate(p, dir, name, &at);
    if (r) return r;
    if (at.node && (flags & CKPT_FS_CREATE) && (flags & CKPT_FS_EXCL))
        return -EEXIST;
    if (at.node && at.node->kind == SIM_SYMLINK) {
        if (!(flags & CKPT_FS_FOLLOW))
            return flags & CKPT_FS_DIR ? -ENOTDIR : -ELOOP;
        r = sim_path(d, (const char *)at.node->live->bytes, &at);
        if (r) return r;
    }
    if (!at.node) {
        if (!(flags & CKPT_FS_CREATE) || at.dir->nlink == 0) return -ENOENT;
        at.node = sim_inode_new(d, SIM_FILE, p->uid);
        sim_op_do(d, NULL, NULL, at.dir, at.name, at.node);
    }
    bool is_dir = at.node->kind == SIM_DIRECTORY;
    if ((flags & CKPT_FS_DIR) && !is_dir) return -ENOTDIR;
    if (is_dir && (flags & (CKPT_FS_WRITE | CKPT_FS_CREATE))) return -EISDIR;
    sim_file *f = sim_alloc(sizeof *f);
    f->refs = 1;
    f->inode = at.node;
    f->writable = (flags & CKPT_FS_WRITE) != 0;
    f->inode->opens++;
    f->next = d->files;
    d->files = f;
    p->fds[i] = f;
    return p->fd_base + i;
}

SIM_FN int sim_do_close(sim_proc *p, int fd)
{
    sim_file *f = sim_fd(p, fd);
    if (!f) return -EBADF;
    sim_file_drop(p->disk, f);
    p->fds[fd - p->fd_base] = NULL;
    return 0;
}

SIM_FN int sim_call_open(void *u, int dir, const char *name, int flags)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_OPEN, .fd = dir, .name = name},
                      &v);
    if (r) return r;
    r = sim_do_open(u, dir, name, flags);
    if (r >= 0 && v.action == SIM_FAIL_AFTER) sim_do_close(u, r);
    return sim_leave(&v, r);
}

SIM_FN int sim_call_close(void *u, int fd)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_CLOSE, .fd = fd}, &v);
    if (p->dead) return r;
    int done = sim_do_close(p, fd);
    return r ? r : sim_leave(&v, done);
}

SIM_FN int64_t sim_call_read(void *u, int fd, void *buf, size_t n,
                             uint64_t offset)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_READ, .fd = fd, .size = n},
                      &v);
    if (r) return r;
    sim_file *f = sim_fd(u, fd);
    if (!f) return -EBADF;
    if (f->inode->kind == SIM_DIRECTORY) return -EISDIR;
    const sim_blob *b = f->inode->live;
    if (v.action == SIM_SHORT && n > v.size) n = v.size;
    if (offset >= b->len) n = 0;
    else if (n > b->len - (size_t)offset) n = b->len - (size_t)offset;
    if (n) memcpy(buf, b->bytes + offset, n);
    return v.action == SIM_FAIL_AFTER ? -(int64_t)v.err : (int64_t)n;
}

// How many of n bytes a disk has room for.
SIM_FN size_t sim_room(const sim_disk *d, const sim_inode *to, size_t n,
                       uint64_t offset)
{
    if (!d->capacity) return n;
    uint64_t used = 0;
    for (size_t i = 1; i < d->inode_count; i++) {
        const sim_inode *node = d->inodes[i];
        if (node && node != to && (node->nlink || node->opens))
            used += node->live->len;
    }
    uint64_t end = d->capacity > used ? d->capacity - used : 0;
    if (end < to->live->len) end = to->live->len;
    if (offset >= end) return 0;
    return n < end - offset ? n : (size_t)(end - offset);
}

SIM_FN int64_t sim_call_write(void *u, int fd, const void *buf, size_t n,
                              uint64_t offset)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_WRITE, .fd = fd, .size = n},
                      &v);
    if (r) return r;
    SIM_CHECK_INIT(buf, n);
    sim_file *f = sim_fd(p, fd);
    if (!f) return -EBADF;
    if (!f->writable) {
        sim_misuse(p->disk, "a write to a file opened for reading");
        return -EBADF;
    }
    size_t room = sim_room(p->disk, f->inode, n, offset);
    if (n && !room) return -ENOSPC;
    n = room;
    if (v.action == SIM_SHORT && n > v.size) n = v.size;
    if (n) {
        sim_file_write(f->inode, offset, buf, n);
        f->inode->mtime_ns = p->disk->fs_ns;
    }
    return v.action == SIM_FAIL_AFTER ? -(int64_t)v.err : (int64_t)n;
}

SIM_FN int sim_do_sync(sim_proc *p, sim_call call, int fd)
{
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = call, .fd = fd}, &v);
    if (p->dead) return r;
    sim_file *f = sim_fd(p, fd);
    if (!f) return -EBADF;
    if (f->inode->kind == SIM_DIRECTORY) {
        if (r) return r;
        if (!(p->disk->flags & SIM_NO_DIRSYNC)) sim_dir_sync(p->disk, f->inode);
    } else {
        // The kernel calls the pages clean after an error, so that the next
        // sync has nothing to do and succeeds.
        if (r && r != -EINTR) f->inode->sync_failed = true;
        if (r) return r;
        if (!f->inode->sync_failed && !(p->disk->flags & SIM_NO_FILESYNC))
            sim_file_sync(f->inode);
    }
    return sim_leave(&v, 0);
}

SIM_FN int sim_call_sync(void *u, int fd)
{
    return sim_do_sync(u, SIM_SYNC, fd);
}

// Makes the bytes and the size durable. (Times are durable at once here.)
SIM_FN int sim_call_datasync(void *u, int fd)
{
    return sim_do_sync(u, SIM_DATASYNC, fd);
}

SIM_FN void sim_do_stat(const sim_disk *d, const sim_inode *node,
                        ckpt_fs_stat *st)
{
    memset(st, 0, sizeof *st);
    st->dev = d->dev;
    st->ino = node->ino;
    st->is_dir = node->kind == SIM_DIRECTORY;
    st->is_file = node->kind == SIM_FILE;
    st->size = st->is_dir ? 4096 : node->live->len;
    st->nlink = st->is_dir && node->nlink ? 2 : node->nlink;
    st->mtime_ns = node->mtime_ns;
    st->uid = node->uid;
    st->mode = node->mode;
}

SIM_FN int sim_stat_fd(sim_proc *p, sim_call call, int fd, ckpt_fs_stat *st)
{
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = call, .fd = fd}, &v);
    if (r) return r;
    sim_file *f = sim_fd(p, fd);
    if (!f) return -EBADF;
    sim_do_stat(p->disk, f->inode, st);
    return sim_leave(&v, 0);
}

SIM_FN int sim_call_stat(void *u, int fd, ckpt_fs_stat *st)
{
    return sim_stat_fd(u, SIM_STAT, fd, st);
}

SIM_FN int sim_call_stat_plain(void *u, int fd, ckpt_fs_stat *st)
{
    int r = sim_stat_fd(u, SIM_STAT_PLAIN, fd, st);
    st->mtime_ns = 0;                           // it was not asked for
    return r;
}

SIM_FN int sim_call_stat_at(void *u, int dir, const char *name,
                            ckpt_fs_stat *st)
{
    sim_proc *p = u;
    sim_verdict v;
    sim_place at;
    int r = sim_enter(p, (sim_event){.call = SIM_STAT_AT, .fd = dir,
                                     .name = name}, &v);
    if (r == 0) r = sim_locate(p, dir, name, &at);
    if (r) return r;
    if (!at.node) return -ENOENT;
    sim_do_stat(p->disk, at.node, st);
    return sim_leave(&v, 0);
}

SIM_FN int sim_call_touch(void *u, int fd)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_TOUCH, .fd = fd}, &v);
    if (r) return r;
    sim_file *f = sim_fd(p, fd);
    if (!f) return -EBADF;
    f->inode->mtime_ns = p->disk->fs_ns;
    return sim_leave(&v, 0);
}

SIM_FN int sim_do_lock(sim_proc *p, int fd, bool exclusive)
{
    sim_file *mine = sim_fd(p, fd);
    if (!mine) return -EBADF;
    // A lock that is converted is let go first, also when that fails.
    mine->lock = SIM_UNLOCKED;
    for (sim_file *f = p->disk->files; f; f = f->next) {
        if (f->inode != mine->inode || f->lock == SIM_UNLOCKED) continue;
        if (exclusive || f->lock == SIM_EXCLUSIVE) return -EWOULDBLOCK;
    }
    mine->lock = exclusive ? SIM_EXCLUSIVE : SIM_SHARED;
    return 0;
}

SIM_FN int sim_call_lock(void *u, int fd, bool exclusive)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_LOCK, .fd = fd}, &v);
    return r ? r : sim_leave(&v, sim_do_lock(u, fd, exclusive));
}

SIM_FN int sim_call_unlock(void *u, int fd)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_UNLOCK, .fd = fd}, &v);
    sim_file *f = r ? NULL : sim_fd(u, fd);
    if (r) return r;
    if (!f) return -EBADF;
    f->lock = SIM_UNLOCKED;
    return sim_leave(&v, 0);
}

// The disk knows no modes.
SIM_FN int sim_call_chmod(void *u, int fd, uint32_t mode)
{
    sim_verdict v;
    (void)mode;
    int r = sim_enter(u, (sim_event){.call = SIM_CHMOD, .fd = fd}, &v);
    if (r) return r;
    return sim_fd(u, fd) ? sim_leave(&v, 0) : -EBADF;
}

//--- Calls: names -------------------------------------------------------------

SIM_FN int sim_do_mkdir(sim_proc *p, int dir, const char *name)
{
    sim_place at;
    int r = sim_locate(p, dir, name, &at);
    if (r) return r;
    if (at.node) return -EEXIST;
    if (at.dir->nlink == 0) return -ENOENT;
    sim_op_do(p->disk, NULL, NULL, at.dir, at.name,
              sim_inode_new(p->disk, SIM_DIRECTORY, p->uid));
    return 0;
}

SIM_FN int sim_do_remove(sim_proc *p, int dir, const char *name, bool is_dir)
{
    sim_place at;
    int r = sim_locate_change(p, dir, name, &at);
    if (r) return r;
    if (!at.node) return -ENOENT;
    if (is_dir && at.node->kind != SIM_DIRECTORY) return -ENOTDIR;
    if (!is_dir && at.node->kind == SIM_DIRECTORY) return -EISDIR;
    if (at.node->names.count) return -ENOTEMPTY;
    sim_op_do(p->disk, at.dir, at.name, NULL, NULL, at.node);
    return 0;
}

SIM_FN bool sim_is_below(sim_disk *d, const sim_inode *node, uint64_t top)
{
    while (node->ino != top && node->ino != SIM_ROOT)
        node = d->inodes[node->parent];
    return node->ino == top;
}

SIM_FN int sim_do_rename(sim_proc *p, int dir, const char *from, int to_dir,
                         const char *to)
{
    sim_place a, b;
    int r = sim_locate_change(p, dir, from, &a);
    if (r == 0) r = sim_locate_change(p, to_dir, to, &b);
    if (r) return r;
    if (!a.node || b.dir->nlink == 0) return -ENOENT;
    if (a.node == b.node) return 0;
    bool is_dir = a.node->kind == SIM_DIRECTORY;
    if (is_dir && sim_is_below(p->disk, b.dir, a.node->ino)) return -EINVAL;
    if (b.node && is_dir && b.node->kind != SIM_DIRECTORY) return -ENOTDIR;
    if (b.node && !is_dir && b.node->kind == SIM_DIRECTORY) return -EISDIR;
    if (b.node && b.node->names.count) return -ENOTEMPTY;
    sim_op_do(p->disk, a.dir, a.name, b.dir, b.name, a.node);
    return 0;
}

SIM_FN int sim_do_exchange(sim_proc *p, int dir, const char *a, const char *b)
{
    sim_place at, bt;
    int r = sim_locate_change(p, dir, a, &at);
    if (r == 0) r = sim_locate_change(p, dir, b, &bt);
    if (r) return r;
    if (!at.node || !bt.node) return -ENOENT;
    if (at.node != bt.node)
        sim_op_exchange(p->disk, at.dir, at.name, bt.name, at.node, bt.node);
    return 0;
}

SIM_FN int sim_do_link(sim_proc *p, int dir, const char *from, int to_dir,
                       const char *to)
{
    sim_place a, b;
    int r = sim_locate_change(p, dir, from, &a);
    if (r == 0) r = sim_locate_change(p, to_dir, to, &b);
    if (r) return r;
    if (!a.node || b.dir->nlink == 0) return -ENOENT;
    if (a.node->kind == SIM_DIRECTORY) return -EPERM;
    if (b.node) return -EEXIST;
    sim_op_do(p->disk, NULL, NULL, b.dir, b.name, a.node);
    return 0;
}

SIM_FN int sim_call_mkdir(void *u, int dir, const char *name)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_MKDIR, .fd = dir,
                                     .name = name}, &v);
    return r ? r : sim_leave(&v, sim_do_mkdir(u, dir, name));
}

SIM_FN int sim_call_rmdir(void *u, int dir, const char *name)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_RMDIR, .fd = dir,
                                     .name = name}, &v);
    return r ? r : sim_leave(&v, sim_do_remove(u, dir, name, true));
}

SIM_FN int sim_call_unlink(void *u, int dir, const char *name)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_UNLINK, .fd = dir,
                                     .name = name}, &v);
    return r ? r : sim_leave(&v, sim_do_remove(u, dir, name, false));
}

SIM_FN int sim_call_rename(void *u, int dir, const char *from, int to_dir,
                           const char *to)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_RENAME, .fd = dir,
                                     .name = from, .to = to}, &v);
    return r ? r : sim_leave(&v, sim_do_rename(u, dir, from, to_dir, to));
}

SIM_FN int sim_call_link(void *u, int dir, const char *from, int to_dir,
                         const char *to)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_LINK, .fd = dir,
                                     .name = from, .to = to}, &v);
    return r ? r : sim_leave(&v, sim_do_link(u, dir, from, to_dir, to));
}

SIM_FN int sim_call_exchange(void *u, int dir, const char *a, const char *b)
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_EXCHANGE, .fd = dir,
                                     .name = a, .to = b}, &v);
    return r ? r : sim_leave(&v, sim_do_exchange(u, dir, a, b));
}

//--- Calls: walks -------------------------------------------------------------

SIM_FN int sim_call_dir_open(void *u, int dir, void **walk)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_DIR_OPEN, .fd = dir}, &v);
    if (r) return r;
    if (v.action == SIM_FAIL_AFTER) return -v.err;
    sim_file *f = sim_fd(p, dir);
    if (!f) return -EBADF;
    if (f->inode->kind != SIM_DIRECTORY) return -ENOTDIR;
    const sim_names *names = &f->inode->names;
    sim_walk *w = sim_alloc(sizeof *w);
    w->count = names->count + 2;
    w->names = sim_alloc(w->count * SIM_NAME);
    memcpy(w->names[0], ".", 2);
    memcpy(w->names[1], "..", 3);
    for (size_t i = 0; i < names->count; i++)
        memcpy(w->names[i + 2], names->at[i].name, SIM_NAME);
    // No order is promised, so there is none.
    uint64_t rng = sim_mix(p->disk->seed, w->count);
    for (size_t i = w->count - 1; i > 0; i--) {
        char tmp[SIM_NAME];
        size_t j = (size_t)(sim_next(&rng) % (i + 1));
        memcpy(tmp, w->names[i], SIM_NAME);
        memmove(w->names[i], w->names[j], SIM_NAME);
        memcpy(w->names[j], tmp, SIM_NAME);
    }
    w->next = p->walks;
    p->walks = w;
    *walk = w;
    return 0;
}

SIM_FN int sim_call_dir_next(void *u, void *walk, char name[256])
{
    sim_verdict v;
    int r = sim_enter(u, (sim_event){.call = SIM_DIR_NEXT, .fd = -1}, &v);
    if (r) return r;
    sim_walk *w = walk;
    if (v.action != SIM_FAIL_AFTER && w->pos == w->count) return 0;
    if (w->pos < w->count) memcpy(name, w->names[w->pos++], SIM_NAME);
    return sim_leave(&v, 1);
}

SIM_FN void sim_call_dir_close(void *u, void *walk)
{
    sim_proc *p = u;
    sim_verdict v;
    (void)sim_enter(p, (sim_event){.call = SIM_DIR_CLOSE, .fd = -1}, &v);
    if (!p->dead) sim_walk_free(p, walk);
}

//--- Calls: the system --------------------------------------------------------

SIM_FN int sim_call_local(void *u, int fd)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_LOCAL, .fd = fd}, &v);
    if (r) return r;
    if (!sim_fd(p, fd)) return -EBADF;
    return sim_leave(&v, p->disk->local ? 2 : 0);
}

SIM_FN int sim_call_exchanges(void *u, int fd)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_EXCHANGES, .fd = fd}, &v);
    if (r) return r;
    if (!sim_fd(p, fd)) return -EBADF;
    return sim_leave(&v, p->disk->exchanges);
}

SIM_FN int sim_call_self(void *u, ckpt_fs_self *self)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_SELF, .fd = -1}, &v);
    if (r == 0) *self = p->self;
    return r ? r : sim_leave(&v, 0);
}

SIM_FN int sim_call_gone(void *u, int64_t pid, uint64_t start)
{
    sim_proc *p = u;
    sim_verdict v;
    int gone = 1, r = sim_enter(p, (sim_event){.call = SIM_GONE, .fd = -1}, &v);
    if (r) return r;
    for (sim_proc *o = p->disk->procs; o; o = o->next)
        if (!o->dead && o->self.pid == pid)
            gone = !start || !o->self.start || o->self.start == start ? 0 : 2;
    return sim_leave(&v, gone);
}

SIM_FN int64_t sim_call_pid(void *u)
{
    sim_proc *p = u;
    sim_verdict v;
    (void)sim_enter(p, (sim_event){.call = SIM_PID, .fd = -1}, &v);
    return p->self.pid;
}

SIM_FN int sim_call_clock(void *u, ckpt_moment *now)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_CLOCK, .fd = -1}, &v);
    if (r) return r;
    now->mono_ms = p->disk->mono_ms;
    now->wall_ms = p->disk->wall_ms + p->wall_skew_ms;
    return sim_leave(&v, 0);
}

SIM_FN int sim_call_random(void *u, void *buf, size_t n)
{
    sim_proc *p = u;
    sim_verdict v;
    int r = sim_enter(p, (sim_event){.call = SIM_RANDOM, .fd = -1, .size = n},
                      &v);
    if (r) return r;
    unsigned char *b = buf;
    for (size_t i = 0; i < n; i++) b[i] = (unsigned char)sim_next(&p->rng);
    return sim_leave(&v, 0);
}

// The calls of a simulated disk. Their user pointer is a sim_proc.
SIM_FN const ckpt_fs_calls *sim_calls(void)
{
    static const ckpt_fs_calls calls = {
        .open = sim_call_open, .close = sim_call_close,
        .read = sim_call_read, .write = sim_call_write,
        .sync = sim_call_sync, .datasync = sim_call_datasync,
        .stat = sim_call_stat, .stat_plain = sim_call_stat_plain,
        .exchange = sim_call_exchange, .exchanges = sim_call_exchanges,
        .stat_at = sim_call_stat_at, .mkdir = sim_call_mkdir,
        .rmdir = sim_call_rmdir, .unlink = sim_call_unlink,
        .rename = sim_call_rename, .link = sim_call_link,
        .lock = sim_call_lock, .unlock = sim_call_unlock,
        .touch = sim_call_touch, .chmod = sim_call_chmod,
        .dir_open = sim_call_dir_open, .dir_next = sim_call_dir_next,
        .dir_close = sim_call_dir_close, .local = sim_call_local,
        .self = sim_call_self, .gone = sim_call_gone,
        .pid = sim_call_pid, .clock = sim_call_clock,
        .random = sim_call_random
    };
    return &calls;
}

//--- Tests look and meddle ----------------------------------------------------

// The bytes of a file, valid until it changes; NULL: no such file.
SIM_FN const unsigned char *sim_get(sim_disk *d, const char *path, size_t *len)
{
    const sim_inode *node = sim_find(d, path);
    if (!node || node->kind != SIM_FILE) return NULL;
    if (len) *len = node->live->len;
    return node->live->bytes;
}

// Puts something at a path whose directory exists, durable at once. What stood
// there is gone; what else is pending stays so.
SIM_FN sim_inode *sim_put(sim_disk *d, const char *path, sim_kind kind,
                          const void *bytes, size_t len)
{
    sim_place at;
    if (sim_path(d, path, &at) != 0) return NULL;
    if (at.node) at.node->nlink--;
    sim_inode *node = sim_inode_new(d, kind, at.dir->uid);
    node->live = sim_blob_write(node->live, 0, bytes, len);
    if (kind == SIM_SYMLINK)
        node->live = sim_blob_write(node->live, len, "", 1);
    node->nlink = 1;
    node->parent = at.dir->ino;
    sim_names_set(&at.dir->names, at.name, node->ino);
    sim_names_set(&at.dir->durable_names, at.name, node->ino);
    return node;
}

// How many names a directory has; 0 also if there is none.
SIM_FN size_t sim_count(sim_disk *d, const char *path)
{
    const sim_inode *node = sim_find(d, path);
    return node ? node->names.count : 0;
}

// The names of a directory, sorted, each with a line feed. To be freed.
SIM_FN char *sim_list(sim_disk *d, const char *path)
{
    const sim_inode *node = sim_find(d, path);
    sim_names names = {0};
    if (node) sim_names_copy(&names, &node->names);
    sim_names_sort(&names);
    char *text = sim_alloc(names.count * (SIM_NAME + 1) + 1);
    for (size_t i = 0; i < names.count; i++) {
        strcat(text, names.at[i].name);
        strcat(text, "\n");
    }
    free(names.at);
    return text;
}

SIM_FN sim_blob *sim_dump_dir(sim_disk *d, const sim_inode *dir, char *path,
                              size_t len, sim_blob *text)
{
    sim_names names = {0};
    sim_names_copy(&names, &dir->names);
    sim_names_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        sim_inode *node = d->inodes[names.at[i].ino];
        size_t n = strlen(names.at[i].name);
        if (len + n + 2 > SIM_DEPTH * SIM_NAME) break;
        path[len] = '/';
        memcpy(path + len + 1, names.at[i].name, n + 1);
        char line[128];
        int k = snprintf(line, sizeof line, " %c%o %u links %llu size %zu "
                         "mtime %lld sum %016llx\n", "fdls"[node->kind],
                         (unsigned)node->mode, (unsigned)node->uid,
                         (unsigned long long)node->nlink, node->live->len,
                         (long long)node->mtime_ns,
                         (unsigned long long)sim_blob_hash(node->live));
        text = sim_blob_write(text, text->len, path, len + 1 + n);
        text = sim_blob_write(text, text->len, line, (size_t)k);
        if (node->kind == SIM_DIRECTORY)
            text = sim_dump_dir(d, node, path, len + 1 + n, text);
    }
    free(names.at);
    return text;
}

// The whole tree as text, a line for each name: to see that nothing changed,
// and to print it. To be freed.
SIM_FN char *sim_dump(sim_disk *d)
{
    char path[SIM_DEPTH * SIM_NAME];
    sim_blob *text = sim_blob_new(NULL, 0);
    text = sim_dump_dir(d, d->inodes[SIM_ROOT], path, 0, text);
    text = sim_blob_write(text, text->len, "", 1);
    char *out = sim_alloc(text->len);
    memcpy(out, text->bytes, text->len);
    sim_blob_drop(text);
    return out;
}

//--- Crash states -------------------------------------------------------------

typedef enum sim_profile {
    SIM_WEAKEST,    // all that POSIX allows: of the pending operations of each
                    // directory any subset, in their order
    SIM_ORDERED     // a journal: of the pending operations of the whole disk
                    // the first ones. Bytes are as loose as above
} sim_profile;

// Zero-initialize for defaults.
typedef struct sim_crash_desc {
    sim_profile profile;
    size_t      bound;      // states to show at most; default 4096
    uint64_t    seed;       // decides which, if there are more
    sim_set    *seen;       // of several crashes, so that none of them shows
                            // a state twice; default: one of its own
    uint64_t    salt;       // what else tells states apart: for a check that
                            // knows how many saves were acknowledged, this
} sim_crash_desc;

// What may be left of one file.
typedef struct sim_variants {
    sim_blob **at;
    size_t     count, cap;
    sim_set    hashes;
} sim_variants;

// One choice among the pending operations.
typedef struct sim_shape {
    unsigned char *halves;      // of each pending operation
    double         weight;      // number of its states
} sim_shape;

typedef struct sim_crash {
    sim_disk      *disk;        // is only read
    sim_crash_desc desc;
    sim_set        own;
    sim_names     *tree;        // names of each directory, scratch
    uint64_t      *paths;       // of each inode: hash of its paths; 0: none
    uint64_t      *nlink;
    sim_blob     **chosen;      // bytes of each file
    sim_variants  *variants;    // of each inode; none: it is clean
    sim_shape     *shapes;
    size_t         shape_count, shape_cap, shape_pos;
    double         digits;      // position within a shape
    double         tries;
    uint64_t       rng;
    double         total;       // states there are
    bool           exact;       // false: total is an estimate
    bool           sampled;     // not all of them were shown
    size_t         shown, same; // states shown; found equal to one shown before
} sim_crash;

// How many choices are looked at one by one, before sampling begins.
#define SIM_SHAPES 16384

SIM_FN void sim_variant(sim_variants *v, sim_blob *b)
{
    if (!sim_set_add(&v->hashes, sim_blob_hash(b))) {
        sim_blob_drop(b);
        return;
    }
    v->at = sim_grow(v->at, v->count, &v->cap, sizeof(sim_blob *));
    v->at[v->count++] = b;
}

// The first sectors of a file and, up to size bytes, zeros.
SIM_FN sim_blob *sim_cut(const sim_blob *b, size_t kept, size_t size)
{
    sim_blob *cut = sim_blob_new(b->bytes, kept);
    if (size > kept) cut = sim_blob_write(cut, size - 1, "", 1);
    return cut;
}

// A file that had no durable bytes: any length of it may be there, and zeros
// where its length came first.
SIM_FN void sim_variants_fresh(const sim_inode *node, sim_variants *v)
{
    size_t len = node->live->len, sectors = len / SIM_SECTOR;
    for (size_t i = 1; i <= sectors; i++) {
        // Of a long file: the first cuts, the last ones and some between.
        bool some = i < 4 || i + 2 > sectors || i % (sectors / 4 + 1) == 0;
        if (sectors <= 8 || some)
            sim_variant(v, sim_cut(node->live, i * SIM_SECTOR, 0));
    }
    sim_variant(v, sim_cut(node->live, 0, len));
    sim_variant(v, sim_cut(node->live, len / 2, len));
}

// Durable bytes that are written over: each sector is the old or the new one,
// and so is the length.
SIM_FN void sim_variants_in_place(const sim_inode *node, sim_variants *v,
                                  uint64_t *rng)
{
    const sim_blob *old = node->durable, *live = node->live;
    size_t count = 0, sectors = (live->len + SIM_SECTOR - 1) / SIM_SECTOR;
    size_t *at = sim_alloc(sectors * sizeof *at);
    for (size_t i = 0; i < sectors; i++) {
        size_t off = i * SIM_SECTOR, end = off + SIM_SECTOR;
        if (end > live->len) end = live->len;
        if (end > old->len || memcmp(old->bytes + off, live->bytes + off,
                                     end - off) != 0) at[count++] = i;
    }
    bool all = count <= 4;
    for (uint64_t i = 0, n = all ? UINT64_C(1) << count : 16; i < n; i++) {
        uint64_t draw = sim_next(rng);
        for (int grown = 0; grown <= (live->len > old->len); grown++) {
            size_t len = grown ? live->len : old->len;
            sim_blob *b = sim_cut(old, old->len, len);
            for (size_t k = 0; k < count; k++) {
                size_t off = at[k] * SIM_SECTOR, n_new = SIM_SECTOR;
                bool new_one = all ? (i >> k & 1) : sim_mix(draw, k) & 1;
                if (i == 0) new_one = false;        // of the samples too
                if (!new_one || off >= len) continue;
                if (n_new > len - off) n_new = len - off;
                b = sim_blob_write(b, off, live->bytes + off, n_new);
            }
            sim_variant(v, b);
        }
    }
    free(at);
}

// All that a crash may leave of a file with pending writes: first what is
// durable, last what programs see.
SIM_FN void sim_variants_of(const sim_inode *node, sim_variants *v,
                            uint64_t *rng)
{
    sim_variant(v, sim_blob_ref(node->durable));
    sim_blob *b = sim_blob_ref(node->durable);
    for (size_t i = 0; i + 1 < node->write_count; i++) {
        const sim_write *w = &node->writes[i];
        b = sim_blob_write(b, w->offset, w->bytes, w->len);
        if (node->write_count <= 8 || i % (node->write_count / 8) == 0)
            sim_variant(v, sim_blob_ref(b));
    }
    sim_blob_drop(b);
    if (node->durable->len == 0) sim_variants_fresh(node, v);
    else sim_variants_in_place(node, v, rng);
    sim_variant(v, sim_blob_ref(node->live));
}

// The halves of an operation that a crash may keep, beyond those that are
// durable. Returns how many choices there are; the first one keeps least, the
// last one most.
SIM_FN size_t sim_op_choices(const sim_disk *d, const sim_op *op,
                             unsigned char choices[4])
{
    size_t count = 0;
    unsigned all = sim_op_halves(op), pending = all & ~op->applied;
    for (unsigned m = 0; m <= 3; m++) {
        unsigned state = m | op->applied;
        if (m & ~pending) continue;
        if (all == 3 && !(d->flags & SIM_NONATOMIC_RENAME)) {
            // It never loses a name: gone here means present there.
            if (state == SIM_REMOVE) continue;
            if (state == SIM_SET && op->from_dir == op->to_dir) continue;
        }
        choices[count++] = (unsigned char)m;
    }
    return count;
}

// The operations of a prefix of the log: 0 is the shortest, what follows adds
// one operation in three steps, where the first two are renames torn apart.
SIM_FN void sim_prefix(const sim_crash *it, size_t n, unsigned char *halves)
{
    const sim_disk *d = it->disk;
    size_t least = 0;
    while (least < d->op_count && d->ops[least].order <= d->durable_order)
        least++;
    for (size_t i = 0; i < d->op_count; i++) {
        const sim_op *op = &d->ops[i];
        unsigned all = sim_op_halves(op), m = i < least + n / 3 ? all : 0;
        if (i == least + n / 3 && all == 3 && n % 3 &&
            (d->flags & SIM_NONATOMIC_RENAME)) m = (unsigned)(n % 3);
        halves[i] = (unsigned char)(m & ~op->applied);
    }
}

// Finds what can be reached from a directory: counts its names, and sums up a
// hash of all its paths.
SIM_FN void sim_reach(sim_crash *it, uint64_t dir, uint64_t path, int depth)
{
    for (size_t i = 0; i < it->tree[dir].count; i++) {
        const sim_name *e = &it->tree[dir].at[i];
        uint64_t h = sim_hash_bytes(e->name, strlen(e->name), path);
        it->paths[e->ino] += h | 1;
        it->nlink[e->ino]++;
        if (it->disk->inodes[e->ino]->kind == SIM_DIRECTORY &&
            depth < SIM_DEPTH) sim_reach(it, e->ino, h, depth + 1);
    }
}

// Builds the names of every directory after a crash.
SIM_FN void sim_build_tree(sim_crash *it, const unsigned char *halves)
{
    const sim_disk *d = it->disk;
    for (size_t i = 1; i < d->inode_count; i++)
        if (d->inodes[i])
            sim_names_copy(&it->tree[i], &d->inodes[i]->durable_names);
    for (size_t i = 0; i < d->op_count; i++) {
        const sim_op *op = &d->ops[i];
        if (halves[i] & SIM_REMOVE)
            sim_names_remove(&it->tree[op->from_dir], op->from);
        if (halves[i] & SIM_SET) sim_op_set(op, &it->tree[op->to_dir]);
        // A rename that is torn first makes room for the new name.
        else if ((halves[i] & SIM_REMOVE) && op->to_dir &&
                 !(op->applied & SIM_SET))
            sim_names_remove(&it->tree[op->to_dir], op->to);
    }
    memset(it->paths, 0, d->inode_count * sizeof *it->paths);
    memset(it->nlink, 0, d->inode_count * sizeof *it->nlink);
    it->paths[SIM_ROOT] = it->nlink[SIM_ROOT] = 1;
    sim_reach(it, SIM_ROOT, 1, 0);
}

// Adds a choice among the pending operations, unless it leaves the same names
// as another one.
SIM_FN void sim_shape_add(sim_crash *it, sim_set *known,
                          const unsigned char *halves)
{
    const sim_disk *d = it->disk;
    sim_shape shape = {NULL, 1};
    uint64_t h = 0;
    sim_build_tree(it, halves);
    for (size_t i = 1; i < d->inode_count; i++) {
        if (!it->paths[i]) continue;
        h += sim_mix(it->paths[i], i);
        if (it->variants[i].count)
            shape.weight *= (double)it->variants[i].count;
    }
    if (!sim_set_add(known, h)) return;
    shape.halves = sim_alloc(d->op_count);
    if (d->op_count) memcpy(shape.halves, halves, d->op_count);
    it->shapes = sim_grow(it->shapes, it->shape_count, &it->shape_cap,
                          sizeof *it->shapes);
    it->shapes[it->shape_count++] = shape;
    it->total += shape.weight;
}

SIM_FN void sim_shapes_weakest(sim_crash *it, sim_set *known)
{
    const sim_disk *d = it->disk;
    unsigned char *halves = sim_alloc(d->op_count), choices[4];
    double combinations = 1;
    for (size_t i = 0; i < d->op_count; i++)
        combinations *= (double)sim_op_choices(d, &d->ops[i], choices);
    it->exact = combinations <= SIM_SHAPES;
    size_t n = it->exact ? (size_t)combinations : SIM_SHAPES / 4;
    for (size_t k = 0; k < n; k++) {
        size_t rest = k;
        for (size_t i = 0; i < d->op_count; i++) {
            size_t count = sim_op_choices(d, &d->ops[i], choices);
            size_t pick = rest % count;
            rest /= count;
            // Of a sample: the least, the most, and draws.
            if (!it->exact && k > 1) pick = sim_next(&it->rng) % count;
            if (!it->exact && k == 1) pick = count - 1;
            if (!it->exact && k == 0) pick = 0;
            halves[i] = choices[pick];
        }
        sim_shape_add(it, known, halves);
    }
    if (!it->exact)
        it->total *= combinations / (double)n;
    free(halves);
}

// Begins to show what a power cut at this moment may leave. The disk must not
// change before sim_crash_end().
SIM_FN void sim_crash_begin(sim_crash *it, sim_disk *d,
                            const sim_crash_desc *desc)
{
    memset(it, 0, sizeof *it);
    it->disk = d;
    it->desc = *desc;
    if (!it->desc.bound) it->desc.bound = 4096;
    if (!it->desc.seen) it->desc.seen = &it->own;
    it->rng = sim_mix(desc->seed, d->seed);
    it->exact = true;
    it->tree = sim_alloc(d->inode_count * sizeof *it->tree);
    it->paths = sim_alloc(d->inode_count * sizeof *it->paths);
    it->nlink = sim_alloc(d->inode_count * sizeof *it->nlink);
    it->chosen = sim_alloc(d->inode_count * sizeof(sim_blob *));
    it->variants = sim_alloc(d->inode_count * sizeof *it->variants);
    for (size_t i = 1; i < d->inode_count; i++)
        if (d->inodes[i] && d->inodes[i]->durable)
            sim_variants_of(d->inodes[i], &it->variants[i], &it->rng);
    sim_set known = {0};
    if (desc->profile == SIM_WEAKEST) {
        sim_shapes_weakest(it, &known);
    } else {
        unsigned char *halves = sim_alloc(d->op_count);
        for (size_t n = 0; n <= 3 * d->op_count; n++) {
            sim_prefix(it, n, halves);
            sim_shape_add(it, &known, halves);
        }
        free(halves);
    }
    sim_set_free(&known);
    it->sampled = !it->exact || it->total > (double)it->desc.bound;
}

// Moves to the next state to look at: all of them in turn, or draws, where the
// choices among operations are equally likely however many states they have,
// and the two extremes come first. False at the end.
SIM_FN bool sim_crash_step(sim_crash *it, size_t *shape, bool *draw)
{
    *draw = it->sampled && it->tries >= 2;
    if (it->sampled) {
        if (it->shown >= it->desc.bound ||
            it->tries >= 4.0 * (double)it->desc.bound) return false;
        *shape = it->tries == 0 ? 0 : it->shape_count - 1;
        if (!it->exact && it->tries == 1) *shape = 1 % it->shape_count;
        if (*draw) *shape = (size_t)(sim_next(&it->rng) % it->shape_count);
        return true;
    }
    if (it->tries > 0 &&
        ++it->digits >= it->shapes[it->shape_pos].weight) {
        it->digits = 0;
        it->shape_pos++;
    }
    *shape = it->shape_pos;
    return it->shape_pos < it->shape_count;
}

// Chooses the bytes of every reachable file. Returns a hash of the state, in
// which only names, bytes and times count, and which names are one file.
SIM_FN uint64_t sim_crash_choose(sim_crash *it, bool draw)
{
    const sim_disk *d = it->disk;
    uint64_t h = it->desc.salt, sum = 0;
    size_t rest = (size_t)it->digits;
    for (size_t i = 1; i < d->inode_count; i++) {
        if (!it->paths[i]) continue;
        const sim_variants *v = &it->variants[i];
        it->chosen[i] = d->inodes[i]->live;
        if (v->count) {
            size_t pick = rest % v->count;
            rest /= v->count;
            if (draw) pick = (size_t)(sim_next(&it->rng) % v->count);
            else if (it->sampled) pick = it->tries == 0 ? 0 : v->count - 1;
            it->chosen[i] = v->at[pick];
        }
        uint64_t one = sim_mix(it->paths[i], (uint64_t)d->inodes[i]->kind);
        one = sim_mix(one, (uint64_t)d->inodes[i]->mtime_ns);
        sum += sim_mix(one, sim_blob_hash(it->chosen[i]));
    }
    return sim_mix(h, sum);
}

// A disk of its own with the names in tree and the bytes in chosen.
SIM_FN sim_disk *sim_crash_disk(const sim_crash *it)
{
    const sim_disk *from = it->disk;
    sim_disk *d = sim_disk_alloc();
    sim_inode **inodes = d->inodes;
    size_t cap = d->inode_cap;
    *d = *from;
    d->boot = from->boot + 1;
    d->inodes = inodes;
    d->inode_cap = cap;
    d->ops = NULL;
    d->op_count = d->op_cap = 0;
    d->files = NULL;
    d->procs = NULL;
    d->inode_count = 1;
    for (size_t i = 1; i < from->inode_count; i++) {
        const sim_inode *old = from->inodes[i];
        d->inodes = sim_grow(d->inodes, i, &d->inode_cap, sizeof(sim_inode *));
        d->inodes[d->inode_count++] = NULL;
        if (!it->paths[i]) continue;
        sim_inode *node = sim_alloc(sizeof *node);
        *node = *old;
        node->opens = 0;
        node->nlink = it->nlink[i];
        node->live = sim_blob_ref(it->chosen[i]);
        node->durable = NULL;
        node->writes = NULL;
        node->write_count = node->write_cap = 0;
        node->sync_failed = false;
        memset(&node->names, 0, sizeof node->names);
        memset(&node->durable_names, 0, sizeof node->durable_names);
        sim_names_copy(&node->names, &it->tree[i]);
        sim_names_copy(&node->durable_names, &it->tree[i]);
        d->inodes[i] = node;
    }
    for (size_t i = 1; i < d->inode_count; i++) {
        const sim_names *names = &it->tree[i];
        for (size_t k = 0; d->inodes[i] && k < names->count; k++)
            d->inodes[names->at[k].ino]->parent = i;
    }
    d->inodes[SIM_ROOT]->parent = SIM_ROOT;
    return d;
}

// The next state, as a disk after the next boot, to be freed; NULL: no more.
SIM_FN sim_disk *sim_crash_next(sim_crash *it)
{
    size_t shape;
    bool draw;
    while (sim_crash_step(it, &shape, &draw)) {
        // The names stay built while only the bytes differ.
        if (it->sampled || it->digits == 0)
            sim_build_tree(it, it->shapes[shape].halves);
        uint64_t h = sim_crash_choose(it, draw);
        it->tries++;
        if (sim_set_add(it->desc.seen, h)) {
            it->shown++;
            return sim_crash_disk(it);
        }
        it->same++;
    }
    return NULL;
}

SIM_FN void sim_crash_end(sim_crash *it)
{
    for (size_t i = 0; i < it->disk->inode_count; i++) {
        free(it->tree[i].at);
        for (size_t k = 0; k < it->variants[i].count; k++)
            sim_blob_drop(it->variants[i].at[k]);
        free(it->variants[i].at);
        sim_set_free(&it->variants[i].hashes);
    }
    for (size_t i = 0; i < it->shape_count; i++) free(it->shapes[i].halves);
    free(it->shapes);
    free(it->tree);
    free(it->paths);
    free(it->nlink);
    free(it->chosen);
    free(it->variants);
    sim_set_free(&it->own);
}

// A hash of all that programs see: equal before and after, nothing changed.
// With the live state in place of a crash, the same builder makes a copy.
SIM_FN uint64_t sim_live(sim_crash *it, sim_disk *d)
{
    memset(it, 0, sizeof *it);
    it->disk = d;
    it->tree = sim_alloc(d->inode_count * sizeof *it->tree);
    it->paths = sim_alloc(d->inode_count * sizeof *it->paths);
    it->nlink = sim_alloc(d->inode_count * sizeof *it->nlink);
    it->chosen = sim_alloc(d->inode_count * sizeof(sim_blob *));
    it->variants = sim_alloc(d->inode_count * sizeof *it->variants);
    for (size_t i = 1; i < d->inode_count; i++)
        if (d->inodes[i])
            sim_names_copy(&it->tree[i], &d->inodes[i]->names);
    it->paths[SIM_ROOT] = it->nlink[SIM_ROOT] = 1;
    sim_reach(it, SIM_ROOT, 1, 0);
    return sim_crash_choose(it, false);
}

SIM_FN uint64_t sim_hash(sim_disk *d)
{
    sim_crash it;
    uint64_t h = sim_live(&it, d);
    sim_crash_end(&it);
    return h;
}

// A copy of a disk as after a clean shutdown, to begin many runs with.
SIM_FN sim_disk *sim_clone(sim_disk *d)
{
    sim_crash it;
    (void)sim_live(&it, d);
    sim_disk *copy = sim_crash_disk(&it);
    sim_crash_end(&it);
    return copy;
}

#endif /* SIMDISK_H */
