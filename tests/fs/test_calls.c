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
    X(a_long_name_of_a_leftover_is_left_alone)                                 \
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

// The exit status of a child that does this; 99 says that it could not.
static int child_says(int (*what)(void))
{
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        _exit(what());
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
