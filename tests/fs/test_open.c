// SPDX-License-Identifier: MIT-0
// Opening a store of files, and the directories that it must refuse or bear:
// each gives its own code and a sentence, leaves what is there as it is, and
// works again once the cause is gone.
#if defined(__linux__) && !defined(_GNU_SOURCE)
    #define _GNU_SOURCE                 // unshare(), mount(), setgroups()
#endif
#if !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
    #define _POSIX_C_SOURCE 200809L
#endif

#include "ckpt_store_fs.h"
#include "temp_dir.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
    #include <grp.h>
    #include <sched.h>
    #include <sys/mount.h>
#endif

#define LIST(X)                                                                \
    X(a_missing_directory_is_made_for_its_owner_alone)                         \
    X(a_directory_can_be_named_in_any_way)                                     \
    X(a_store_can_be_opened_twice_and_closed_twice)                            \
    X(options_out_of_their_range_are_refused)                                  \
    X(locks_are_refused_where_there_are_none)                                  \
    X(a_missing_parent_is_told)                                                \
    X(what_is_no_directory_is_foreign)                                         \
    X(a_link_to_a_directory_is_followed)                                       \
    X(a_directory_others_can_write_to_is_unsafe)                               \
    X(a_directory_of_another_user_is_foreign)                                  \
    X(every_failing_call_of_an_open_has_its_code)                              \
    X(a_parent_that_was_not_synced_is_synced_by_the_next_open)                 \
    X(a_directory_that_cannot_be_written_to_is_an_access_error)                \
    X(a_directory_that_cannot_be_read_is_an_access_error)                      \
    X(a_run_of_another_user_is_left_alone)                                     \
    X(a_read_only_file_system_is_an_access_error)                              \
    X(a_full_store_says_so_by_the_call_table)                                  \
    X(a_full_file_system_says_so_and_works_again)                              \
    X(a_file_system_without_inodes_says_so_and_works_again)                    \
    X(a_run_can_be_ended_on_a_full_file_system)                                \
    X(a_run_can_be_ended_without_inodes)                                       \
    X(a_file_size_limit_says_no_space)                                         \
    X(no_descriptors_is_a_resource_error_at_every_number)
TEST_SUITE(open, LIST)

//--- What every test needs ----------------------------------------------------

static struct {
    char            dir[256], runs[300];
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_run_info   info;
    ckpt_error      err;
    ckpt_checkpoint last;
    ckpt_fs_calls   calls;
    const char     *fails;              // the call that fails
    int             with, calls_left;   // -errno, and how many go well before
    unsigned        syncs;
    char            buf[64 * 1024];
} t;

// An empty directory for the test, and the name of a store in it. TMPDIR says
// on which file system.
static bool setup(void)
{
    memset(&t, 0, sizeof(t));
    if (!CHECK(temp_dir_make(t.dir, sizeof(t.dir), "open"))) {
        return false;
    }
    snprintf(t.runs, sizeof(t.runs), "%s/runs", t.dir);
    t.fs.priv.root = -1;
    return true;
}

static void teardown(void)
{
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&t.fs);
    (void)temp_dir_remove(t.dir);
}

static uint64_t sum_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * UINT64_C(1099511628211);
    }
    return h;
}

static uint64_t sum_file(uint64_t h, const char *path)
{
    char buf[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
        h = sum_bytes(h, buf, n);
    }
    if (f != NULL) {
        fclose(f);
    }
    return h;
}

// A sum over names, kinds, modes and contents of everything below a path.
static uint64_t sum_tree(const char *path)
{
    char sub[1024];
    uint64_t sum = 0;
    struct dirent *e;
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, ".probe") == 0) {     // the store's clock
            continue;
        }
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        uint64_t h = sum_bytes(UINT64_C(14695981039346656037), sub,
                               strlen(sub));
        if (lstat(sub, &st) == 0) {
            h = sum_bytes(h, &st.st_mode, sizeof(st.st_mode));
            h = S_ISREG(st.st_mode) ? sum_file(h, sub) : h;
            h += S_ISDIR(st.st_mode) ? sum_tree(sub) : 0;
        }
        sum += h;                       // in whatever order they come
    }
    if (d != NULL) {
        closedir(d);
    }
    return sum;
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

// A failure has its code, says what was being done and what to do, and
// leaves a closed store.
static bool says(ckpt_code rc, ckpt_code wanted)
{
    return CHECK_INT(rc, wanted) && CHECK_INT(t.err.code, wanted) &&
           CHECK(t.err.msg != NULL && strlen(t.err.msg) > 6) &&
           CHECK_STR(t.err.msg, ckpt_code_message(wanted)) &&
           CHECK(t.err.op != NULL && t.err.op[0] != '\0');
}

static ckpt_code open_dir(const char *dir)
{
    return ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
        .dir = dir, .calls = t.fails != NULL ? &t.calls : NULL }, &t.err);
}

// Opening dir gives the code, and changes nothing below the test's directory.
static bool refused(const char *dir, ckpt_code wanted)
{
    const uint64_t before = sum_tree(t.dir);
    const unsigned fds = open_descriptors();
    const bool said = says(open_dir(dir), wanted);
    const bool same = CHECK(sum_tree(t.dir) == before);
    const bool closed = CHECK_INT(open_descriptors(), fds);
    ckpt_store_fs_close(&t.fs);         // harmless
    return said && same && closed && CHECK_INT(open_descriptors(), fds);
}

static bool open_store(void)
{
    return CHECK_INT(open_dir(t.runs), CKPT_OK) &&
           CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
               .store = &t.fs.base, .throttle_ms = CKPT_OFF,
               .beat_ms = CKPT_OFF, .resume_max = CKPT_UNLIMITED }), CKPT_OK);
}

static ckpt_code save_n(unsigned n)
{
    char state[64];
    snprintf(state, sizeof(state), "{\"n\":%u}", n);
    return ckpt_save(&t.run, &(ckpt_save_desc){
        .anew = true, .turn = n, .state = ckpt_text(state) });
}

static ckpt_code start(const char *id)
{
    const ckpt_code rc = ckpt_start(&t.ctx, &t.run,
                                    &(ckpt_run_desc){ .id = id });
    t.err = *ckpt_last_error(&t.ctx);
    return rc;
}

// A store with a run "job" that was interrupted after its first save.
static bool begin(void)
{
    const bool ok = open_store() && CHECK_INT(start("job"), CKPT_OK) &&
                    CHECK_INT(save_n(1), CKPT_OK);
    ckpt_abandon(&t.run);
    return ok;
}

// Makes the claims of a run old: where its owner cannot be told to be gone, and
// where claimants died before their first save, it is waited for.
static void be_patient(const char *id)
{
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    char path[512];
    for (int epoch = 1; epoch < 100; epoch++) {
        snprintf(path, sizeof(path), "%s/r-%s/heartbeat.%d", t.runs, id,
                 epoch);
        (void)utimensat(AT_FDCWD, path, old, 0);
    }
}

// The run "job" is resumed, and says n.
static bool holds(unsigned n)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "{\"n\":%u}", n);
    be_patient("job");
    if (!CHECK_INT(ckpt_resume(&t.ctx, &t.run,
                               &(ckpt_run_desc){ .id = "job" }), CKPT_OK) ||
        !CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf)),
                   CKPT_OK)) {
        return false;
    }
    return CHECK_INT(t.last.state.len, strlen(wanted)) &&
           CHECK(memcmp(t.last.state.ptr, wanted, strlen(wanted)) == 0);
}

// Runs the body in a child, which can give away its rights, and tells whether
// all went well there.
typedef bool child_fn(void);

static int in_child(child_fn *body)
{
    int status = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        const bool ok = body();
        fflush(stdout);
        _exit(ok ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
         ? WEXITSTATUS(status) : -1;
}

// Gives root away for good. True if there was nothing to give away.
static bool drop_root(void)
{
    if (geteuid() != 0) {
        return true;
    }
#ifdef __linux__
    return setgroups(0, NULL) == 0 && setgid(65534) == 0 &&
           setuid(65534) == 0;
#else
    return setgid(65534) == 0 && setuid(65534) == 0;
#endif
}

// In a child: what is made from now on belongs to the one who is to own it.
static bool as_nobody(void)
{
    return (geteuid() != 0 || CHECK(chown(t.dir, 65534, 65534) == 0)) &&
           CHECK(drop_root()) && begin();
}

//--- Calls that fail ----------------------------------------------------------

static int failing(const char *name)
{
    if (t.fails == NULL || strcmp(t.fails, name) != 0 || t.calls_left-- > 0) {
        return 0;
    }
    return t.with;
}

#define REAL (ckpt_store_fs_calls())

static int bad_mkdir(void *u, int dir, const char *name)
{
    const int r = failing("mkdir");
    return r < 0 ? r : REAL->mkdir(u, dir, name);
}

static int bad_open(void *u, int dir, const char *name, int flags)
{
    const int r = failing(flags & CKPT_FS_CREATE ? "create" : "open");
    return r < 0 ? r : REAL->open(u, dir, name, flags);
}

static int bad_sync(void *u, int fd)
{
    const int r = failing("sync");
    t.syncs++;
    return r < 0 ? r : REAL->sync(u, fd);
}

static int64_t bad_write(void *u, int fd, const void *buf, size_t n,
                         uint64_t offset)
{
    const int r = failing("write");
    return r < 0 ? r : REAL->write(u, fd, buf, n, offset);
}

static int bad_stat(void *u, int fd, ckpt_fs_stat *st)
{
    int r = failing("stat");
    r = r < 0 ? r : REAL->stat(u, fd, st);
    st->uid += failing("owner") < 0 ? 1 : 0;
    return r;
}

static int bad_local(void *u, int fd)
{
    const int r = failing("local");
    return r < 0 ? r : failing("locks") < 0 ? 0 : REAL->local(u, fd);
}

// From now on the call fails, after some that go well.
static void fail(const char *name, int with, int calls_left)
{
    t.calls = *REAL;
    t.calls.mkdir = bad_mkdir;
    t.calls.open = bad_open;
    t.calls.sync = bad_sync;
    t.calls.write = bad_write;
    t.calls.datasync = bad_sync;
    t.calls.stat = bad_stat;
    t.calls.local = bad_local;
    t.fails = name;
    t.with = -with;
    t.calls_left = calls_left;
}

//--- Directories that are fine ------------------------------------------------

static void a_missing_directory_is_made_for_its_owner_alone(void)
{
    struct stat st;
    if (setup()) {
        const mode_t mask = umask(0);
        CHECK_INT(open_dir(t.runs), CKPT_OK);
        umask(mask);
        CHECK_INT(stat(t.runs, &st), 0);
        CHECK_INT(st.st_mode & 07777, 0700);
        CHECK_INT(st.st_uid, geteuid());
        CHECK_INT(t.err.code, CKPT_OK);
    }
    teardown();
}

static void a_directory_can_be_named_in_any_way(void)
{
    static const char *const names[] = {
        "runs", "./runs", "runs/", "runs///", ".", "sub/runs", "sub//runs/",
        "sub/../other"
    };
    const int here = open(".", O_RDONLY);
    if (setup() && CHECK(chdir(t.dir) == 0) && CHECK(mkdir("sub", 0700) == 0)) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            for (int again = 0; again < 2; again++) {
                CHECK_INT(open_dir(names[i]), CKPT_OK);
                ckpt_store_fs_close(&t.fs);
            }
        }
        CHECK_INT(open_dir(t.runs), CKPT_OK);
    }
    CHECK_INT(fchdir(here), 0);
    close(here);
    teardown();
}

static void a_store_can_be_opened_twice_and_closed_twice(void)
{
    if (setup() && begin()) {
        const unsigned fds = open_descriptors();
        ckpt_store_fs second;
        CHECK_INT(ckpt_store_fs_open(&second, &(ckpt_store_fs_desc){
                      .dir = t.runs }, NULL), CKPT_OK);
        CHECK_INT(open_descriptors(), fds + 1);
        ckpt_store_fs_close(&second);
        ckpt_store_fs_close(&second);
        CHECK_INT(open_descriptors(), fds);
        holds(1);
    }
    teardown();
}

//--- Directories that are refused ---------------------------------------------

static void options_out_of_their_range_are_refused(void)
{
    if (setup()) {
        const ckpt_store_fs_desc wrong[] = {
            { .dir = NULL },
            { .dir = "" },
            { .dir = t.runs, .durability = (ckpt_store_fs_durability)2 },
            { .dir = t.runs, .durability = (ckpt_store_fs_durability)-1 },
            { .dir = t.runs, .liveness = (ckpt_store_fs_liveness)3 },
            { .dir = t.runs, .liveness = (ckpt_store_fs_liveness)-1 },
        };
        static const char *const named[] = {
            "read .dir", "read .dir", "read .durability", "read .durability",
            "read .liveness", "read .liveness"
        };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            says(ckpt_store_fs_open(&t.fs, &wrong[i], &t.err),
                 CKPT_ERR_ARGUMENT);
            CHECK_STR(t.err.op, named[i]);
            CHECK_INT(ckpt_store_fs_open(&t.fs, &wrong[i], NULL),
                      CKPT_ERR_ARGUMENT);
        }
        CHECK(access(t.runs, F_OK) != 0);
    }
    teardown();
}

static void locks_are_refused_where_there_are_none(void)
{
    if (setup()) {
        fail("locks", 1, 0);
        if (begin()) {                          // by age, then: nobody can
            CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
            CHECK_INT(t.info.state, CKPT_STATE_LIVE);   // tell that it is gone
        }
        ckpt_store_fs_close(&t.fs);
        fail("locks", 1, 0);
        says(ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
                 .dir = t.runs, .calls = &t.calls,
                 .liveness = CKPT_STORE_FS_LOCKS }, &t.err),
             CKPT_ERR_ARGUMENT);
        CHECK_INT(t.fs.priv.root, -1);
        t.fails = NULL;                         // where there are locks the
        if (open_store()) {                     // claim says that it took none
            CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
            CHECK_INT(t.info.state, CKPT_STATE_LIVE);
            holds(1);
        }
    }
    teardown();
}

static void a_missing_parent_is_told(void)
{
    char path[400];
    if (setup()) {
        snprintf(path, sizeof(path), "%s/no/runs", t.dir);
        refused(path, CKPT_ERR_NOT_FOUND);
        CHECK_INT(t.err.sys, ENOENT);
        CHECK(strstr(t.err.op, "parent") != NULL);
        snprintf(path, sizeof(path), "%s/dangling", t.dir);
        CHECK_INT(symlink("nowhere", path), 0);
        refused(path, CKPT_ERR_NOT_FOUND);
    }
    teardown();
}

static void what_is_no_directory_is_foreign(void)
{
    char path[400], *longest = malloc(6000);
    if (setup() && CHECK(longest != NULL)) {
        FILE *f = fopen(t.runs, "w");
        CHECK(f != NULL && fputs("not ours", f) >= 0 && fclose(f) == 0);
        refused(t.runs, CKPT_ERR_FOREIGN);
        CHECK_INT(t.err.sys, ENOTDIR);
        snprintf(path, sizeof(path), "%s/below", t.runs);
        refused(path, CKPT_ERR_FOREIGN);
        snprintf(path, sizeof(path), "%s/fifo", t.dir);
        CHECK_INT(mkfifo(path, 0600), 0);
        refused(path, CKPT_ERR_FOREIGN);        // and does not wait
        snprintf(path, sizeof(path), "%s/loop", t.dir);
        CHECK_INT(symlink("loop", path), 0);
        refused(path, CKPT_ERR_FOREIGN);
        CHECK_INT(t.err.sys, ELOOP);
        memset(longest, 'a', 5999);
        longest[5999] = '\0';
        refused(longest, CKPT_ERR_IO);
        CHECK_INT(t.err.sys, ENAMETOOLONG);
    }
    free(longest);
    teardown();
}

static void a_link_to_a_directory_is_followed(void)
{
    char path[400];
    if (setup() && begin()) {
        ckpt_store_fs_close(&t.fs);
        snprintf(path, sizeof(path), "%s/link", t.dir);
        CHECK_INT(symlink("runs", path), 0);
        snprintf(t.runs, sizeof(t.runs), "%s/link", t.dir);
        if (open_store()) {
            holds(1);
        }
        CHECK_INT(chmod(t.runs, 0770), 0);      // what it leads to counts
        ckpt_abandon(&t.run);
        ckpt_store_fs_close(&t.fs);
        refused(t.runs, CKPT_ERR_UNSAFE);
    }
    teardown();
}

static void a_directory_others_can_write_to_is_unsafe(void)
{
    static const mode_t unsafe[] = { 0777, 0720, 0702, 0770, 01777, 0722 };
    static const mode_t safe[] = { 0700, 0755, 0750, 0711 };
    if (setup() && begin()) {
        ckpt_store_fs_close(&t.fs);
        for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
            CHECK_INT(chmod(t.runs, unsafe[i]), 0);
            refused(t.runs, CKPT_ERR_UNSAFE);
            CHECK(strstr(t.err.msg, "chmod go-w") != NULL);
        }
        for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
            CHECK_INT(chmod(t.runs, safe[i]), 0);
            CHECK_INT(open_dir(t.runs), CKPT_OK);
            ckpt_store_fs_close(&t.fs);
        }
        if (open_store()) {
            holds(1);
        }
    }
    teardown();
}

static void a_directory_of_another_user_is_foreign(void)
{
    if (setup() && begin()) {
        ckpt_store_fs_close(&t.fs);
        fail("owner", 1, 0);
        refused(t.runs, CKPT_ERR_FOREIGN);
        t.fails = NULL;
        if (geteuid() == 0) {
            CHECK_INT(chown(t.runs, 65534, 65534), 0);
            refused(t.runs, CKPT_ERR_FOREIGN);
            CHECK_INT(chown(t.runs, 0, 0), 0);
        }
        if (open_store()) {
            holds(1);
        }
    }
    teardown();
}

static void every_failing_call_of_an_open_has_its_code(void)
{
    static const char *const calls[] = {
        "mkdir", "open", "sync", "stat", "local"
    };
    static const struct { int sys; ckpt_code code; } errors[] = {
        { EIO, CKPT_ERR_IO }, { ENOSPC, CKPT_ERR_NO_SPACE },
        { EDQUOT, CKPT_ERR_NO_SPACE }, { EMFILE, CKPT_ERR_RESOURCE },
        { ENFILE, CKPT_ERR_RESOURCE }, { ENOMEM, CKPT_ERR_RESOURCE },
        { EACCES, CKPT_ERR_ACCESS }, { EPERM, CKPT_ERR_ACCESS },
        { EROFS, CKPT_ERR_ACCESS }, { ELOOP, CKPT_ERR_FOREIGN },
        { ENOTDIR, CKPT_ERR_FOREIGN }, { EINVAL, CKPT_ERR_IO },
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (size_t k = 0; k < sizeof(errors) / sizeof(errors[0]); k++) {
            if (i == 1 && errors[k].sys == EACCES) {
                continue;               // the parent may be closed to us
            }
            if (!setup()) {
                continue;
            }
            const unsigned fds = open_descriptors();
            fail(calls[i], errors[k].sys, 0);
            says(open_dir(t.runs), errors[k].code);
            CHECK_INT(t.err.sys, errors[k].sys);
            CHECK_INT(open_descriptors(), fds);
            fail(calls[i], EINTR, 0);
            t.with = 0;                 // and well again
            CHECK_INT(open_dir(t.runs), CKPT_OK);
            teardown();
        }
    }
}

// What is acknowledged later stands or falls with the name of the directory.
static void a_parent_that_was_not_synced_is_synced_by_the_next_open(void)
{
    if (setup()) {
        fail("sync", EIO, 0);
        says(open_dir(t.runs), CKPT_ERR_IO);
        fail("sync", 0, 0);
        t.syncs = 0;
        CHECK_INT(open_dir(t.runs), CKPT_OK);
        CHECK_INT(t.syncs, 1);
    }
    teardown();
}

//--- Directories that fail later ----------------------------------------------

// Where nothing can be written a begin and a resume fail, with what stands
// untouched, and looking still works.
static bool only_looks(ckpt_code wanted)
{
    const uint64_t before = sum_tree(t.runs);
    bool ok = says(start("other"), wanted);
    const ckpt_code rc = ckpt_resume(&t.ctx, &t.run,
                                     &(ckpt_run_desc){ .id = "job" });
    t.err = *ckpt_last_error(&t.ctx);
    ok = says(rc, wanted) && ok;
    ok = CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK) && ok;
    ok = CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED) && ok;
    ok = CHECK_INT(ckpt_query(&t.ctx, "other", &t.info),
                   CKPT_ERR_NOT_FOUND) && ok;
    return CHECK(sum_tree(t.runs) == before) && ok;
}

static bool child_cannot_write(void)
{
    char run[400];
    if (!as_nobody()) {
        return false;
    }
    snprintf(run, sizeof(run), "%s/r-job", t.runs);
    bool ok = CHECK(chmod(run, 0500) == 0) && CHECK(chmod(t.runs, 0500) == 0);
    ckpt_store_fs_close(&t.fs);
    ok = open_store() && only_looks(CKPT_ERR_ACCESS) && ok;
    ok = CHECK_INT(t.err.sys, EACCES) && ok;
    ckpt_store_fs_close(&t.fs);
    // nor can a store be made there
    char below[400];
    snprintf(below, sizeof(below), "%s/new", t.runs);
    ok = refused(below, CKPT_ERR_ACCESS) && ok;
    ok = CHECK(chmod(run, 0700) == 0) && CHECK(chmod(t.runs, 0700) == 0) && ok;
    return open_store() && holds(1) && CHECK_INT(save_n(2), CKPT_OK) &&
           CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK) && ok;
}

static void a_directory_that_cannot_be_written_to_is_an_access_error(void)
{
    if (setup()) {
        CHECK_INT(in_child(child_cannot_write), 0);
    }
    teardown();
}

static bool child_cannot_read(void)
{
    bool ok = as_nobody();
    ckpt_store_fs_close(&t.fs);
    ok = CHECK(chmod(t.runs, 0) == 0) && ok;
    ok = says(open_dir(t.runs), CKPT_ERR_ACCESS) && ok;
    ok = CHECK(chmod(t.runs, 0700) == 0) && CHECK(chmod(t.dir, 0) == 0) && ok;
    ok = says(open_dir(t.runs), CKPT_ERR_ACCESS) && ok;
    ok = CHECK(chmod(t.dir, 0700) == 0) && ok;
    return open_store() && holds(1) && ok;
}

static void a_directory_that_cannot_be_read_is_an_access_error(void)
{
    if (setup()) {
        CHECK_INT(in_child(child_cannot_read), 0);
    }
    teardown();
}

// A run that root began in a store of ours (with a wrong sudo, say).
static void a_run_of_another_user_is_left_alone(void)
{
    char run[400];
    if (geteuid() != 0) {
        TEST_SKIP("needs root, to give a run away");
    }
    if (setup() && begin()) {
        snprintf(run, sizeof(run), "%s/r-job", t.runs);
        CHECK_INT(chown(run, 65534, 65534), 0);
        const uint64_t before = sum_tree(t.runs);
        const ckpt_code rc = ckpt_resume(&t.ctx, &t.run,
                                         &(ckpt_run_desc){ .id = "job" });
        t.err = *ckpt_last_error(&t.ctx);
        says(rc, CKPT_ERR_FOREIGN);
        CHECK(sum_tree(t.runs) == before);
        CHECK_INT(chown(run, 0, 0), 0);
        holds(1);
    }
    teardown();
}

static void a_full_store_says_so_by_the_call_table(void)
{
    static const char *const calls[] = { "mkdir", "create", "write", "sync" };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (setup() && begin()) {
            const uint64_t before = sum_tree(t.runs);
            ckpt_store_fs_close(&t.fs);
            fail("none", ENOSPC, 0);
            if (!open_store()) {
                continue;
            }
            t.fails = calls[i];
            says(start("other"), CKPT_ERR_NO_SPACE);
            CHECK(sum_tree(t.runs) == before);
            t.fails = "none";
            holds(1);
            t.fails = calls[i];
            if (strcmp(calls[i], "mkdir") != 0) {
                CHECK_INT(save_n(2), CKPT_ERR_NO_SPACE);
                CHECK_INT(t.run.error.code, CKPT_ERR_NO_SPACE);
                CHECK(strstr(t.run.error.msg, "make room") != NULL);
            }
            t.fails = "none";
            CHECK_INT(save_n(3), CKPT_OK);
            ckpt_abandon(&t.run);
            holds(3);
        }
        teardown();
    }
}

//--- File systems -------------------------------------------------------------

#ifdef __linux__

static const char *mount_options;

// In a child of root: a small file system of our own on the test's directory,
// which nobody else sees.
static bool private_mount(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", t.dir, "tmpfs", 0, mount_options) == 0;
}

static bool child_can_mount(void)
{
    return private_mount();
}

static bool child_read_only(void)
{
    bool ok = CHECK(private_mount()) && begin() &&
        CHECK(mount("none", t.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0) &&
        only_looks(CKPT_ERR_ACCESS);
    ok = CHECK_INT(t.err.sys, EROFS) && ok;
    ckpt_store_fs_close(&t.fs);
    ok = open_store() && only_looks(CKPT_ERR_ACCESS) && ok;
    ckpt_store_fs_close(&t.fs);
    char fresh[400];
    snprintf(fresh, sizeof(fresh), "%s/fresh", t.dir);
    ok = refused(fresh, CKPT_ERR_ACCESS) && ok;
    return CHECK(mount("none", t.dir, NULL, MS_REMOUNT, NULL) == 0) &&
           open_store() && holds(1) && ok;
}

// Fills what is left with files of a size, or with empty ones.
static unsigned fill(size_t size)
{
    static const char zeros[4096];
    char path[400];
    unsigned n = 0;
    for (bool more = true; more && n < 1000; n++) {
        snprintf(path, sizeof(path), "%s/fill-%u", t.dir, n);
        const int fd = open(path, O_WRONLY | O_CREAT, 0600);
        more = fd >= 0 &&
               (size == 0 || write(fd, zeros, size) == (ssize_t)size);
        if (fd >= 0) {
            close(fd);
        }
    }
    return n;
}

static void make_room(unsigned files)
{
    char path[400];
    for (unsigned i = 0; i < files; i++) {
        snprintf(path, sizeof(path), "%s/fill-%u", t.dir, i);
        (void)unlink(path);
    }
}

// Begin, open, save and finish, while there is no room and when there is.
static bool bears_full(size_t fill_size)
{
    bool ok = CHECK(private_mount()) && begin();
    unsigned files = fill(fill_size);
    const uint64_t before = sum_tree(t.runs);
    ok = says(start("other"), CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK_INT(t.err.sys, ENOSPC) && ok;
    const ckpt_code rc = ckpt_resume(&t.ctx, &t.run,
                                     &(ckpt_run_desc){ .id = "job" });
    t.err = *ckpt_last_error(&t.ctx);
    ok = says(rc, CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK(sum_tree(t.runs) == before) && ok;
    char fresh[400];
    snprintf(fresh, sizeof(fresh), "%s/fresh", t.dir);
    ckpt_store_fs_close(&t.fs);
    if (fill_size == 0) {               // a directory takes no block here
        ok = refused(fresh, CKPT_ERR_NO_SPACE) && ok;
    }
    make_room(files);
    ok = open_store() && holds(1) && ok;
    files = fill(fill_size);
    ok = CHECK_INT(save_n(2), CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK_INT(ckpt_beat(&t.run), CKPT_OK) && ok;
    make_room(files);
    ok = CHECK_INT(save_n(3), CKPT_OK) && ok;
    ckpt_abandon(&t.run);
    return holds(3) &&
           CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK) && ok;
}

// How a run is ended, and what it is then; 0: it is gone.
typedef struct ending {
    ckpt_outcome outcome;
    bool         once, keep;
    int          state;
} ending;

static int state_now(const char *id)
{
    return ckpt_query(&t.ctx, id, &t.info) == CKPT_OK ? (int)t.info.state : 0;
}

// Fills up. On this file system a link takes an inode as well, so that a save
// needs two of them; one is left, which is not enough.
static unsigned fill_up(size_t size)
{
    const unsigned files = fill(size);
    make_room(size == 0 ? 1 : 0);
    return files;
}

// Ends a run while there is no room. With a generation that can be spared its
// outcome can be written; without one it is removed all the same, unless it is
// to be kept.
static bool ends_full(const ending *e, size_t fill_size, bool spare)
{
    const bool fits = spare || e->state == 0;
    const ckpt_finish_desc desc = { .keep = e->keep };
    bool ok = CHECK_INT(ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){
                            .id = "job", .once = e->once }), CKPT_OK);
    ok = ok && (!spare || CHECK_INT(save_n(1), CKPT_OK));
    const unsigned files = fill_up(fill_size);
    ok = CHECK_INT(save_n(2), CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK_INT(ckpt_finish(&t.run, e->outcome, &desc),
                   fits ? CKPT_OK : CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK_INT(state_now("job"), fits ? e->state : CKPT_STATE_LIVE) && ok;
    make_room(files);
    if (!fits) {                        // it is open, and can be ended later
        ok = CHECK_INT(ckpt_finish(&t.run, e->outcome, &desc), CKPT_OK) && ok;
        ok = CHECK_INT(state_now("job"), e->state) && ok;
    }
    if (e->state != 0) {
        ok = CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK) && ok;
    }
    return CHECK_INT(state_now("job"), 0) && ok;
}

static bool all_end_full(size_t fill_size)
{
    static const ending endings[] = {
        { CKPT_COMPLETED, false, false, 0 },
        { CKPT_FAILED, false, false, 0 },
        { CKPT_COMPLETED, true, false, CKPT_STATE_DONE },
        { CKPT_FAILED, false, true, CKPT_STATE_FAILED }
    };
    bool ok = CHECK(private_mount()) && open_store();
    for (size_t i = 0; ok && i < 8; i++) {
        ok = CHECK(ends_full(&endings[i / 2], fill_size, i % 2 == 0));
    }
    // Who removes it must claim it first, and that takes room; what stands is
    // left as it is.
    ok = ok && begin();
    const unsigned files = fill_up(fill_size);
    const uint64_t before = sum_tree(t.runs);
    ok = CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK(sum_tree(t.runs) == before) && ok;
    make_room(files);
    return CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK) && ok;
}

static bool child_ends_without_blocks(void)
{
    return all_end_full(4096);
}

static bool child_ends_without_inodes(void)
{
    return all_end_full(0);
}

static bool child_no_blocks(void)
{
    return bears_full(4096);
}

static bool child_no_inodes(void)
{
    return bears_full(0);
}

static void on_small_disk(const char *options, child_fn *body)
{
    mount_options = options;
    if (geteuid() != 0) {
        TEST_SKIP("needs root, to mount");
    }
    if (setup()) {
        if (in_child(child_can_mount) != 0) {
            teardown();
            TEST_SKIP("a file system cannot be mounted here");
        }
        CHECK_INT(in_child(body), 0);
    }
    teardown();
}

static void a_read_only_file_system_is_an_access_error(void)
{
    on_small_disk("mode=0700", child_read_only);
}

static void a_full_file_system_says_so_and_works_again(void)
{
    on_small_disk("mode=0700,size=256k", child_no_blocks);
}

static void a_file_system_without_inodes_says_so_and_works_again(void)
{
    on_small_disk("mode=0700,nr_inodes=32", child_no_inodes);
}

static void a_run_can_be_ended_on_a_full_file_system(void)
{
    on_small_disk("mode=0700,size=256k", child_ends_without_blocks);
}

static void a_run_can_be_ended_without_inodes(void)
{
    on_small_disk("mode=0700,nr_inodes=32", child_ends_without_inodes);
}

#else

static void a_run_can_be_ended_on_a_full_file_system(void)
{
    TEST_SKIP("knows how to mount on Linux only");
}

static void a_run_can_be_ended_without_inodes(void)
{
    TEST_SKIP("knows how to mount on Linux only");
}

static void a_read_only_file_system_is_an_access_error(void)
{
    TEST_SKIP("knows how to mount on Linux only");
}

static void a_full_file_system_says_so_and_works_again(void)
{
    TEST_SKIP("knows how to mount on Linux only");
}

static void a_file_system_without_inodes_says_so_and_works_again(void)
{
    TEST_SKIP("knows how to mount on Linux only");
}

#endif

//--- Limits of the process ----------------------------------------------------

static bool child_file_size(void)
{
    const struct rlimit none = { 100, RLIM_INFINITY };
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    bool ok = begin() && holds(1);
    // what this program says goes to a file, too
    fflush(stdout);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    const ckpt_code rc = save_n(2);
    setrlimit(RLIMIT_FSIZE, &all);
    ok = CHECK_INT(rc, CKPT_ERR_NO_SPACE) && ok;
    ok = CHECK_INT(t.run.error.sys, EFBIG) && ok;
    ok = CHECK_INT(save_n(3), CKPT_OK) && ok;
    ckpt_abandon(&t.run);
    return holds(3) && ok;
}

static void a_file_size_limit_says_no_space(void)
{
    if (setup()) {
        CHECK_INT(in_child(child_file_size), 0);
    }
    teardown();
}

static void limit_descriptors(rlim_t n)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// Opens, begins, saves, loads and looks with room for n more descriptors.
// What succeeds has succeeded; what fails is a lack of descriptors.
static bool with_descriptors(rlim_t base, rlim_t n, bool *all)
{
    bool ok = true;
    ckpt_code rc[5] = { 0 };
    be_patient("job");
    limit_descriptors(base + n);
    rc[0] = open_dir(t.runs);
    if (rc[0] == CKPT_OK) {
        (void)!ckpt_init(&t.ctx, &(ckpt_desc){
            .store = &t.fs.base, .throttle_ms = CKPT_OFF,
            .resume_max = CKPT_UNLIMITED });
        rc[1] = ckpt_resume(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "job" });
        rc[2] = rc[1] == CKPT_OK ? save_n(1) : CKPT_OK;
        rc[3] = rc[1] == CKPT_OK
              ? ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf)) : CKPT_OK;
        ckpt_abandon(&t.run);
        rc[4] = start("other");
        if (rc[4] == CKPT_OK) {
            rc[4] = ckpt_finish(&t.run, CKPT_COMPLETED, NULL);
        }
        ckpt_abandon(&t.run);
        ckpt_store_fs_close(&t.fs);
    }
    limit_descriptors(256);
    *all = true;
    for (int i = 0; i < 5; i++) {
        ok = CHECK(rc[i] == CKPT_OK || rc[i] == CKPT_ERR_RESOURCE) && ok;
        *all = *all && rc[i] == CKPT_OK;
    }
    return ok;
}

static bool child_descriptors(void)
{
    bool ok = begin(), all = false;
    ckpt_store_fs_close(&t.fs);
    const int next = open("/", O_RDONLY);
    close(next);
    const rlim_t base = (rlim_t)next;
    for (rlim_t n = 0; !all && n < 20; n++) {
        const unsigned fds = open_descriptors();
        ok = with_descriptors(base, n, &all) && ok;
        ok = CHECK_INT(open_descriptors(), fds) && ok;
        ok = open_store() && holds(1) && ok;
        ckpt_abandon(&t.run);
        // what was half made is no more than can be swept
        ok = CHECK_INT(ckpt_sweep(&t.ctx, &t.run, NULL), CKPT_OK) && ok;
        be_patient("other");
        const ckpt_code rc = ckpt_remove(&t.ctx, &t.run, "other");
        ok = CHECK(rc == CKPT_OK || rc == CKPT_ERR_NOT_FOUND) && ok;
        ckpt_store_fs_close(&t.fs);
    }
    return CHECK(all) && ok;
}

static void no_descriptors_is_a_resource_error_at_every_number(void)
{
    if (setup()) {
        CHECK_INT(in_child(child_descriptors), 0);
    }
    teardown();
}
