// SPDX-License-Identifier: MIT-0
// What the file store relies on its calls of the system for, each on the real
// thing: syncs, exclusive creation, links not followed, locks, modes, and what
// is known of a process.
#if defined(__linux__) && !defined(_GNU_SOURCE)
    #define _GNU_SOURCE                 // unshare(), mount(), syscall()
#endif
#if !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
    #define _POSIX_C_SOURCE 200809L
#endif

#include "ckpt_store_fs.h"
#include "temp_dir.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
    #include <sched.h>
    #include <sys/mount.h>
    #include <sys/syscall.h>
#endif

#define LIST(X)                                                                \
    X(a_sync_reaches_the_system)                                               \
    X(what_is_opened_is_closed_by_exec)                                        \
    X(an_exclusive_create_fails_where_something_is)                            \
    X(a_file_is_no_directory)                                                  \
    X(a_symbolic_link_is_not_followed_but_at_the_root)                         \
    X(a_pipe_that_was_planted_does_not_block)                                  \
    X(what_is_made_is_ours_alone_whatever_the_umask)                           \
    X(an_exclusive_lock_is_held_once)                                          \
    X(a_process_of_another_user_is_not_gone)                                   \
    X(a_process_that_cannot_be_read_about_is_not_gone)                         \
    X(another_process_under_the_same_number_is_a_hint)                         \
    X(start_times_of_another_pid_namespace_say_nothing)                        \
    X(the_first_process_of_a_namespace_is_told_from_its_parent)                \
    X(a_lock_is_local_if_the_mount_says_so)                                    \
    X(a_time_that_does_not_fit_is_the_latest_or_the_first)                     \
    X(a_lock_can_be_given_back)                                                \
    X(a_long_name_of_a_leftover_is_left_alone)                                 \
    X(names_come_in_batches_each_of_them_once)                \
    X(a_long_directory_name_fits_no_id_and_writes_none)

TEST_SUITE(calls, LIST)

//--- What every test needs ----------------------------------------------------

static char root[256];

static const ckpt_fs_calls *calls(void)
{
    return ckpt_store_fs_calls();
}

// A directory of its own, and its descriptor.
static int begin(void)
{
    if (!CHECK(temp_dir_make(root, sizeof(root), "safety"))) {
        return -1;
    }
    const int fd = calls()->open(NULL, -1, root,
                                 CKPT_FS_DIR | CKPT_FS_FOLLOW);
    CHECK(fd >= 0);
    return fd;
}

static void end(int fd)
{
    CHECK_INT(calls()->close(NULL, fd), 0);
    (void)temp_dir_remove(root);
}

static int make(int dir, const char *name)
{
    return calls()->open(NULL, dir, name,
                         CKPT_FS_WRITE | CKPT_FS_CREATE | CKPT_FS_EXCL);
}

//--- The calls of this system -------------------------------------------------

// fsync() of this program: counts, and does what that of the system does.
static unsigned syncs;

#if defined(__linux__) && defined(SYS_fsync)
int fsync(int fd);
int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}
    #define COUNTS_SYNCS 1
#else
    #define COUNTS_SYNCS 0
#endif

static void a_sync_reaches_the_system(void)
{
    if (!COUNTS_SYNCS) {
        TEST_SKIP("fsync() cannot be watched here");
    }
    const int dir = begin(), fd = make(dir, "file");
    const unsigned before = syncs;
    CHECK_INT(calls()->sync(NULL, fd), 0);
    CHECK_INT(syncs - before, 1);
    CHECK_INT(calls()->sync(NULL, dir), 0);
    CHECK_INT(syncs - before, 2);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void what_is_opened_is_closed_by_exec(void)
{
    const int dir = begin(), fd = make(dir, "file");
    CHECK((fcntl(dir, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void an_exclusive_create_fails_where_something_is(void)
{
    const int dir = begin(), fd = make(dir, "file");
    CHECK(fd >= 0);
    CHECK_INT(make(dir, "file"), -EEXIST);
    CHECK_INT(symlinkat("nowhere", dir, "link"), 0);
    CHECK_INT(make(dir, "link"), -EEXIST);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void a_file_is_no_directory(void)
{
    const int dir = begin(), fd = make(dir, "file");
    CHECK_INT(calls()->close(NULL, fd), 0);
    CHECK_INT(calls()->open(NULL, dir, "file", CKPT_FS_DIR), -ENOTDIR);
    end(dir);
}

static void a_symbolic_link_is_not_followed_but_at_the_root(void)
{
    ckpt_fs_stat st;
    const int dir = begin();
    int fd = make(dir, "file");
    CHECK_INT(calls()->close(NULL, fd), 0);
    CHECK_INT(symlinkat("file", dir, "link"), 0);
    CHECK(calls()->open(NULL, dir, "link", CKPT_FS_READ) < 0);
    CHECK(calls()->open(NULL, dir, "link", CKPT_FS_WRITE) < 0);
    CHECK_INT(calls()->stat_at(NULL, dir, "link", &st), 0);
    CHECK(!st.is_file);
    fd = calls()->open(NULL, dir, "link", CKPT_FS_FOLLOW);
    CHECK(fd >= 0);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void a_pipe_that_was_planted_does_not_block(void)
{
    const int dir = begin();
    char path[300];
    snprintf(path, sizeof(path), "%s/pipe", root);
    CHECK_INT(mkfifo(path, 0600), 0);
    const int fd = calls()->open(NULL, dir, "pipe", CKPT_FS_READ);
    CHECK(fd >= 0);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void what_is_made_is_ours_alone_whatever_the_umask(void)
{
    ckpt_fs_stat st;
    const mode_t was = umask(0);
    const int dir = begin(), fd = make(dir, "file");
    CHECK_INT(calls()->mkdir(NULL, dir, "runs"), 0);
    (void)umask(was);
    CHECK_INT(calls()->stat(NULL, fd, &st), 0);
    CHECK_INT(st.mode, 0600);
    CHECK_INT(calls()->stat_at(NULL, dir, "runs", &st), 0);
    CHECK_INT(st.mode, 0700);
    CHECK_INT(calls()->close(NULL, fd), 0);
    end(dir);
}

static void an_exclusive_lock_is_held_once(void)
{
    const int dir = begin(), a = make(dir, "file");
    const int b = calls()->open(NULL, dir, "file", CKPT_FS_WRITE);
    CHECK_INT(calls()->lock(NULL, a, true), 0);
    CHECK_INT(calls()->lock(NULL, b, true), -EWOULDBLOCK);
    CHECK_INT(calls()->lock(NULL, b, false), -EWOULDBLOCK);
    CHECK_INT(calls()->close(NULL, a), 0);
    CHECK_INT(calls()->lock(NULL, b, false), 0);
    CHECK_INT(calls()->close(NULL, b), 0);
    end(dir);
}

//--- Who is gone --------------------------------------------------------------

#if defined(__GNUC__) && defined(__ELF__)
// What a child does counts when a test is measured.
extern int __llvm_profile_write_file(void) __attribute__((weak));
static void child_exit(int status)
{
    if (__llvm_profile_write_file != NULL) {
        (void)__llvm_profile_write_file();
    }
    _exit(status);
}
#else
static void child_exit(int status)
{
    _exit(status);
}
#endif

// The exit status of a child that does this; 99 says that it could not.
static int child_says(int (*what)(void))
{
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        child_exit(what());
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int as_nobody(void)
{
    // kill() of a process of root is refused with EPERM: it is alive
    return setuid(65534) != 0 ? 99 : calls()->gone(NULL, 1, 0);
}

static void a_process_of_another_user_is_not_gone(void)
{
    const int said = child_says(as_nobody);
    if (said == 99) {
        TEST_SKIP("needs root");
    }
    CHECK_INT(said, 0);
}

static int without_proc(void)
{
#ifdef __linux__
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0) {
        return 99;
    }
    if (open("/proc/self/stat", O_RDONLY | O_CLOEXEC) >= 0) {
        return 98;                      // qemu-user makes it up
    }
    return calls()->gone(NULL, (int64_t)getpid(), 4711);
#else
    return 99;
#endif
}

static void a_process_that_cannot_be_read_about_is_not_gone(void)
{
    ckpt_fs_self self;
    CHECK_INT(calls()->self(NULL, &self), 0);
    CHECK_INT(calls()->gone(NULL, self.pid, 0), 0);     // nothing to compare
    const int said = child_says(without_proc);
    if (said == 99) {
        TEST_SKIP("needs root and mount(), to hide /proc");
    }
    if (said == 98) {
        TEST_SKIP("/proc cannot be hidden from a process here");
    }
    CHECK_INT(said, 0);
}

static void another_process_under_the_same_number_is_a_hint(void)
{
    ckpt_fs_self self;
    CHECK_INT(calls()->self(NULL, &self), 0);
    if (self.start == 0) {
        TEST_SKIP("no start times here");
    }
    CHECK_INT(calls()->gone(NULL, self.pid, self.start), 0);
    CHECK_INT(calls()->gone(NULL, self.pid, self.start + 1), 2);
}

#ifdef __linux__
// Makes a /proc of our own, in a namespace of our own.
static bool own_proc(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/proc", "tmpfs", 0, NULL) == 0 &&
           open("/proc/self/stat", O_RDONLY | O_CLOEXEC) < 0 &&
           mkdir("/proc/self", 0700) == 0 &&
           mkdir("/proc/self/fdinfo", 0700) == 0;
}

static bool write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    return f != NULL && fputs(text, f) >= 0 && fclose(f) == 0;
}

// Its /proc shows another process as "self": it is that of another namespace.
static int with_a_foreign_proc(void)
{
    static const char fields[] = "(a) b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1"
                                 " 0 4712 0 0";
    char dir[64], path[100], text[3][300];
    const int pid = (int)getpid();
    if (!own_proc()) {
        return 99;
    }
    snprintf(dir, sizeof(dir), "/proc/%d", pid);
    snprintf(path, sizeof(path), "%s/stat", dir);
    snprintf(text[0], sizeof(text[0]), "%d %s", pid, fields);
    if (mkdir(dir, 0700) != 0 || !write_file(path, text[0]) ||
        !write_file("/proc/self/stat", text[0])) {
        return 99;
    }
    ckpt_fs_self self;
    (void)calls()->self(NULL, &self);
    const int seen = calls()->gone(NULL, pid, 4711) == 2 &&
                     calls()->gone(NULL, pid, 4712) == 0 &&
                     self.start == 4712;
    (void)unlink(path);                 // nothing is known of it
    if (!seen || calls()->gone(NULL, pid, 4711) != 0) {
        return 1;
    }
    // A line that was cut, one of no process, one of another process: of itself
    // alone nothing is known.
    (void)write_file(path, text[0]);
    *strchr(strchr(text[0], ')') + 1, ')') = '\0';
    snprintf(text[1], sizeof(text[1]), "%d nothing", pid);
    snprintf(text[2], sizeof(text[2]), "%d %s", pid + 1, fields);
    for (int i = 0; i < 3; i++) {
        (void)write_file("/proc/self/stat", text[i]);
        (void)calls()->self(NULL, &self);
        if (self.start != 0 || calls()->gone(NULL, pid, 4711) != 0) {
            return 2 + i;
        }
    }
    return 0;
}

// Forks into a pid namespace of its own. The child says its number to fd, and
// does the same once more.
static int say_pid_in_a_namespace(int fd, int more)
{
    int status = 0;
    if (unshare(CLONE_NEWPID) != 0) {
        return 99;
    }
    const pid_t child = fork();
    if (child == 0) {
        const int64_t said = calls()->pid(NULL);
        if (getpid() != 1 || write(fd, &said, sizeof(said)) < 0) {
            _exit(98);
        }
        child_exit(more > 0 ? say_pid_in_a_namespace(fd, more - 1) : 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child &&
           WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int in_a_new_namespace(void)
{
    int64_t said[2] = { 0, 0 };
    int ends[2];
    if (pipe(ends) != 0) {
        return 96;
    }
    const int r = say_pid_in_a_namespace(ends[1], 1);
    if (r != 0) {
        return r;
    }
    return read(ends[0], said, sizeof(said)) == (ssize_t)sizeof(said) &&
           said[0] != said[1] && said[0] != calls()->pid(NULL) ? 0 : 1;
}

// What /proc says of the mount of the directory, of which statfs says that its
// locks are local.
static int local_where(const char *fdinfo, const char *mountinfo)
{
    char path[64];
    const int fd = open("/proc", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    (void)unlink("/proc/self/mountinfo");
    if (!write_file(path, fdinfo) ||
        (mountinfo != NULL && !write_file("/proc/self/mountinfo", mountinfo))) {
        return -1;
    }
    const int said = calls()->local(NULL, fd);
    close(fd);
    return said;
}

static int with_mounts(void)
{
    static const char id[] = "pos:\t0\nflags:\t0100000\nmnt_id:\t36\n";
    char text[4000];
    if (!own_proc()) {
        return 99;
    }
    const char *line = "36 35 0:3 / /proc rw,a - tmpfs none rw\n";
    if (local_where(id, line) != 2 ||
        local_where(id, "35 1 0:1 / / rw - 9p none rw\n"
                    "36 35 0:3 / /proc rw,a shared:1 - tmpfs none rw\n") != 2) {
        return 1;
    }
    // over a kilobyte of another mount, and of a long field
    memset(text, 'x', sizeof(text));
    memcpy(text, "135 1 0:1 / /", 13);
    snprintf(text + 2500, sizeof(text) - 2500, " rw - 9p a b\n%s", line);
    if (local_where(id, text) != 2) {
        return 2;
    }
    // what the server says of its own file system
    if (local_where(id, "36 35 0:3 / /proc rw - 9p none rw\n") != 0 ||
        local_where(id, "36 35 0:3 / /proc rw - fuse.x none rw\n") != 0) {
        return 3;
    }
    if (local_where(id, "37 35 0:3 / /proc rw - tmpfs none rw\n") != 1 ||
        local_where("flags:\t0\n", line) != 1 ||
        local_where(id, NULL) != 1) {
        return 4;
    }
    return 0;
}

static int with_odd_times(void)
{
    void *walk;
    ckpt_fs_stat st;
    if (!own_proc()) {                  // a tmpfs, where times have 64 bits
        return 99;
    }
    const int fd = open("/proc/a", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const struct timespec late[2] = { { INT64_MAX / 4, 0 },
                                      { INT64_MAX / 4, 0 } };
    const struct timespec early[2] = { { -(INT64_MAX / 4), 0 },
                                       { -(INT64_MAX / 4), 0 } };
    if (fd < 0 || futimens(fd, late) != 0 ||
        calls()->stat_plain(NULL, -1, &st) != -EBADF ||
        calls()->dir_open(NULL, -1, &walk) != -EBADF ||
        calls()->stat(NULL, fd, &st) != 0 ||
        st.mtime_ns < INT64_MAX - INT64_C(2000000000)) {
        return 1;
    }
    return futimens(fd, early) == 0 && calls()->stat(NULL, fd, &st) == 0 &&
           st.mtime_ns < -INT64_MAX + INT64_C(3000000000) ? 0 : 2;
}
#else
static int with_a_foreign_proc(void) { return 99; }
static int in_a_new_namespace(void) { return 99; }
static int with_mounts(void) { return 99; }
static int with_odd_times(void) { return 99; }
#endif

static void start_times_of_another_pid_namespace_say_nothing(void)
{
    const int said = child_says(with_a_foreign_proc);
    if (said == 99) {
        TEST_SKIP("needs root and mount(), for a /proc of its own");
    }
    CHECK_INT(said, 0);
}

// Pid 1 forks pid 1: each would take itself for the owner of the other's run.
static void the_first_process_of_a_namespace_is_told_from_its_parent(void)
{
    const int said = child_says(in_a_new_namespace);
    if (said == 99) {
        TEST_SKIP("needs root and pid namespaces");
    }
    CHECK_INT(said, 0);
}

static void a_lock_is_local_if_the_mount_says_so(void)
{
    const int said = child_says(with_mounts);
    if (said == 99) {
        TEST_SKIP("needs root and mount(), for a /proc of its own");
    }
    CHECK_INT(said, 0);
}

static void a_time_that_does_not_fit_is_the_latest_or_the_first(void)
{
    const int said = child_says(with_odd_times);
    if (said == 99) {
        TEST_SKIP("needs root and mount(), for a tmpfs");
    }
    CHECK_INT(said, 0);
}

static void a_lock_can_be_given_back(void)
{
    const int dir = begin();
    const int one = make(dir, "a");
    const int two = calls()->open(NULL, dir, "a", CKPT_FS_WRITE);
    CHECK_INT(calls()->lock(NULL, one, true), 0);
    CHECK_INT(calls()->lock(NULL, two, false), -EWOULDBLOCK);
    CHECK_INT(calls()->unlock(NULL, one), 0);
    CHECK_INT(calls()->lock(NULL, two, true), 0);
    CHECK_INT(calls()->close(NULL, one), 0);
    CHECK_INT(calls()->close(NULL, two), 0);
    end(dir);
}

//--- What is too long ---------------------------------------------------------

static void a_long_name_of_a_leftover_is_left_alone(void)
{
    static ckpt_ctx ctx;
    static ckpt_run run;
    static ckpt_store_fs fs;
    ckpt_store_fs_desc s;
    ckpt_desc d;
    ckpt_fs_stat st;
    ckpt_cursor cursor;
    char name[256] = ".new-";
    struct { char id[256], guard[8]; } out;
    const int dir = begin();
    uint32_t n = 0;
    memset(name + 5, 'a', 200);
    name[205] = '\0';
    CHECK_INT(calls()->mkdir(NULL, dir, name), 0);
    memset(&s, 0, sizeof(s));
    memset(&d, 0, sizeof(d));
    s.dir = root;
    d.store = &fs.base;
    CHECK_INT(ckpt_store_fs_open(&fs, &s, NULL), CKPT_OK);
    CHECK_INT(ckpt_init(&ctx, &d), CKPT_OK);
    memset(&cursor, 0, sizeof(cursor));
    memset(&out, 0, sizeof(out));
    ckpt_error err;
    CHECK_INT(fs.base.methods->list(&fs.base, CKPT_AT_LEFTOVERS, &cursor,
                                    out.id, &err), CKPT_END);
    CHECK_STR(out.id, "");
    CHECK_INT(ckpt_sweep(&ctx, &run, &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(calls()->stat_at(NULL, dir, name, &st), 0);
    ckpt_store_fs_close(&fs);
    end(dir);
}

static void a_long_directory_name_fits_no_id_and_writes_none(void)
{
    struct { char id[CKPT_ID_MAX + 1], guard[256]; } out;
    char name[256] = "r-";
    size_t n;
    memset(name + 2, 'a', 200);
    name[202] = '\0';
    memset(&out, 0x55, sizeof(out));
    CHECK(!ckpt_store_fs_id(name, out.id));
    memset(name, 'a', 202);                     // base32 of zeros, but for 'b'
    memcpy(name, "b-bb", 4);
    for (n = 4; n < 202; n++) {
        name[n] = "mfrggzdf"[n % 8];
    }
    CHECK(!ckpt_store_fs_id(name, out.id));
    for (n = 0; n < sizeof(out.guard) && out.guard[n] == 0x55; n++) {
    }
    CHECK_INT(n, sizeof(out.guard));
}

// How many names of 200 bytes there are, -1 if one is another or comes twice.
static int count_names(int in)
{
    const int dir = in < 0 ? -1 : openat(in, ".", O_RDONLY);
    union { uint64_t aligned; char bytes[1024]; } buf;
    bool seen[100] = { false };
    int count = 0;
    int64_t n = 1;
    while (n > 0) {
        n = calls()->names(NULL, dir < 0 ? in : dir, buf.bytes,
                           sizeof(buf.bytes));
        for (const char *at = buf.bytes; at < buf.bytes + n;
             at += strlen(at) + 1) {
            if (at[0] == '.') continue;
            const int i = strlen(at) == 200 ? atoi(at + 190) : 100;
            if (i >= 100 || seen[i]) return -1;
            seen[i] = true;
            count++;
        }
    }
    close(dir);
    return n < 0 ? (int)n : count;
}

static void names_come_in_batches_each_of_them_once(void)
{
    char name[201];
    const int dir = begin();
    if (calls()->names == NULL) {
        end(dir);
        TEST_SKIP("this system has no such call");
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "%0200d", i);
        CHECK_INT(close(openat(dir, name, O_CREAT | O_WRONLY, 0600)), 0);
    }
    CHECK_INT(count_names(dir), 100);
    CHECK_INT(count_names(dir), 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "%0200d", i);
        CHECK_INT(calls()->unlink(NULL, dir, name), 0);
    }
    CHECK_INT(count_names(dir), 0);
    CHECK_INT(count_names(-1), -EBADF);
    const int file = openat(dir, "file", O_CREAT | O_RDWR, 0600);
    CHECK_INT(count_names(file), -ENOTDIR);
    close(file);
    CHECK_INT(calls()->unlink(NULL, dir, "file"), 0);
    end(dir);
}
