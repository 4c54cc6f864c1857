// SPDX-License-Identifier: MIT-0
// What file systems, snapshots, cleaners and other programs do to a store, and
// no disk of a test does by itself: inodes that are made up, link counts that
// say something else, foreign files, directories under names of the store, a
// clock that is ahead, calls that are missing. Each through the table of calls.
#if !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
    #define _POSIX_C_SOURCE 200809L
#endif

#include "ckpt_store_fs.h"
#include "temp_dir.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_life_goes_on_after_any_call_that_fails)                                \
    X(a_life_by_age_goes_on_after_any_call_that_fails)                         \
    X(a_call_that_failed_after_its_work_is_judged_by_looking)                  \
    X(a_call_that_was_interrupted_after_its_work_leaves_nothing_behind)        \
    X(a_run_whose_old_directory_is_not_found_any_more_begins)                  \
    X(directories_survive_any_call_that_fails)                                 \
    X(what_others_put_there_never_keeps_an_id)                                 \
    X(what_others_put_there_survives_any_call_that_fails)                      \
    X(what_others_put_there_is_no_run_of_a_scan)                               \
    X(a_run_is_never_cleared_away)                                             \
    X(a_file_under_the_name_of_a_run_is_foreign)                               \
    X(a_directory_under_a_name_of_the_store_blocks_nothing)                    \
    X(a_pipe_or_socket_under_the_name_of_the_probe_is_moved_away)              \
    X(a_snapshot_of_hard_links_makes_no_second_owner)                          \
    X(a_removed_run_stays_removed_though_a_snapshot_has_its_claim)             \
    X(link_counts_and_inodes_that_are_made_up_do_no_harm)                      \
    X(a_checkpoint_that_was_touched_or_copied_is_still_the_same)               \
    X(an_unlink_that_changes_nothing_ends)                                     \
    X(without_locks_no_claim_is_held_open)                                     \
    X(an_owner_that_let_go_leaves_no_lock_to_its_child)                        \
    X(a_host_that_is_certain_of_its_locks_takes_no_run_of_a_guest)             \
    X(a_free_lock_of_another_kernel_proves_nothing)                            \
    X(a_missing_process_is_gone_after_two_beats_where_there_are_no_locks)      \
    X(a_beat_in_the_future_is_watched_by_programs_that_run_once)               \
    X(a_beat_of_1970_is_a_beat)                                                \
    X(a_mark_of_a_beat_goes_with_its_run)                                      \
    X(a_mark_that_lies_in_the_future_is_made_anew)                             \
    X(a_mark_without_its_run_is_swept)                                         \
    X(a_leftover_from_the_future_is_swept_in_time)                             \
    X(a_leftover_counts_as_swept_when_it_is_gone)                              \
    X(who_gives_up_writes_into_no_claim_but_its_own)                           \
    X(a_name_that_stays_taken_is_told)                                         \
    X(who_lost_a_run_takes_away_what_its_open_files_kept)                      \
    X(what_a_file_system_lacks_is_named_when_the_store_is_opened)              \
    X(an_unsuitable_parent_is_named_when_the_store_is_first_made)              \
    X(a_link_that_a_local_file_system_lacks_is_named)                          \
    X(a_store_that_was_never_opened_can_be_closed)                             \
    X(a_full_or_closed_file_system_is_not_called_unsuitable)                   \
    X(a_mode_that_lets_others_write_is_mended_when_asked)                      \
    X(a_root_that_was_removed_is_not_an_empty_store)                           \
    X(a_parent_that_may_not_be_read_is_no_obstacle)                            \
    X(a_store_that_leads_nowhere_says_so)                                      \
    X(the_owner_of_a_claim_is_described_within_its_room)

TEST_SUITE(world, LIST)

//--- What every test needs ----------------------------------------------------

#define REAL (ckpt_store_fs_calls())

typedef struct lack {
    const char *call;                   // this call fails, always
    int         with;
    const char *name;                   // if its name begins so
} lack;

static struct {
    char           dir[256], runs[300];
    ckpt_fs_calls  calls;
    ckpt_store_fs  fs;
    ckpt_ctx       ctx;
    ckpt_run       run, other;
    ckpt_run_info  info;
    ckpt_error     err;
    long           made, at;            // calls so far; the one that fails
    int            with;                // its error
    bool           after;               // it has done its work
    int            local, gone;
    bool           odd;                 // inodes are made up, link counts are 1
    uint64_t       inodes;
    unsigned       readers;             // of files, that have closed them
    lack           lacks[2];
    bool           forgets;             // the rename of a run fails when it is
                                        // done, and its descriptor is no use
    int            new_dir;             // that descriptor
    unsigned       forgotten;
    unsigned       idle_unlinks;        // that say that they have worked
    int64_t        mono_ms;
    unsigned       held;                // claims that are open
} t;

// Whether this call fails.
static bool fails(void)
{
    return t.made++ == t.at;
}

static int lacking(const char *call, const char *name)
{
    for (int i = 0; i < 2; i++) {
        const lack *l = &t.lacks[i];
        if (l->call != NULL && strcmp(l->call, call) == 0 &&
            (l->name == NULL || strncmp(name, l->name, strlen(l->name)) == 0)) {
            return l->with;
        }
    }
    return 0;
}

#define DO(call, name, real)                                                   \
    do {                                                                       \
        const bool hit = fails();                                              \
        const int lacks_it = lacking(call, name);                              \
        if (lacks_it != 0) return -lacks_it;                                   \
        if (hit && !t.after) return -t.with;                                   \
        const int result = (real);                                             \
        return hit ? -t.with : result;                                         \
    } while (0)

// A call that gives something to close fails without having done it.
#define GET(call, name, real)                                                  \
    do {                                                                       \
        const int lacks_it = lacking(call, name);                              \
        if (fails()) return -t.with;                                           \
        return lacks_it != 0 ? -lacks_it : (real);                             \
    } while (0)

static int w_open(void *u, int dir, const char *name, int flags)
{
    if ((flags & CKPT_FS_EXCL) && t.after && t.made == t.at) {
        const int fd = REAL->open(u, dir, name, flags);
        if (fd >= 0) {
            (void)REAL->close(u, fd);   // it is made, and says that it failed
        }
    }
    GET(flags & CKPT_FS_CREATE ? "create" : "open", name,
        strncmp(name, ".new-", 5) != 0 ? REAL->open(u, dir, name, flags) :
        (t.new_dir = REAL->open(u, dir, name, flags)));
}

static int w_close(void *u, int fd)
{
    struct stat st;
    t.readers += fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                 (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
    const int r = REAL->close(u, fd);
    return fails() ? -t.with : r;
}

static int64_t w_read(void *u, int fd, void *buf, size_t n, uint64_t offset)
{
    return fails() ? -t.with : REAL->read(u, fd, buf, n, offset);
}

static int64_t w_write(void *u, int fd, const void *buf, size_t n,
                       uint64_t offset)
{
    return fails() ? -t.with : REAL->write(u, fd, buf, n, offset);
}

static int w_sync(void *u, int fd)
{
    struct stat st;
    const bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    (void)u;                            // no power is cut here
    DO("sync", is_dir ? "dir" : "file", 0);
}

static int altered(int r, ckpt_fs_stat *st)
{
    if (r >= 0 && t.odd && !st->is_dir) {
        st->ino = ++t.inodes;
        st->nlink = 1;
    }
    if (r >= 0 && lacking("mtime", "") != 0) {
        st->mtime_ns = 0;
    }
    if (r >= 0 && lacking("reading", "") != 0) {
        st->mtime_ns += t.readers;
    }
    return r;
}

static int w_stat(void *u, int fd, ckpt_fs_stat *st)
{
    DO("stat", "", altered(REAL->stat(u, fd, st), st));
}

static int w_stat_at(void *u, int dir, const char *name, ckpt_fs_stat *st)
{
    DO("stat_at", name, altered(REAL->stat_at(u, dir, name, st), st));
}

static int w_mkdir(void *u, int dir, const char *name)
{
    DO("mkdir", name, REAL->mkdir(u, dir, name));
}

static int w_rmdir(void *u, int dir, const char *name)
{
    DO("rmdir", name, REAL->rmdir(u, dir, name));
}

static int w_unlink(void *u, int dir, const char *name)
{
    if (t.idle_unlinks > 0) {
        t.idle_unlinks--;
        return 0;
    }
    DO("unlink", name, REAL->unlink(u, dir, name));
}

// From now on nothing is found by a descriptor: it is that of a directory which
// was removed.
static void forget(int fd)
{
    char void_dir[300];
    snprintf(void_dir, sizeof(void_dir), "%s/void", t.dir);
    CHECK_INT(mkdir(void_dir, 0700), 0);
    const int other = open(void_dir, O_RDONLY | O_DIRECTORY);
    CHECK(other >= 0 && dup2(other, fd) == fd && close(other) == 0);
    CHECK_INT(rmdir(void_dir), 0);
    t.forgotten++;
}

static int w_rename(void *u, int dir, const char *from, int to_dir,
                    const char *to)
{
    if (t.forgets && strncmp(to, "r-", 2) == 0 &&
        REAL->rename(u, dir, from, to_dir, to) == 0) {
        forget(t.new_dir);
        return -EINTR;
    }
    DO("rename", to, REAL->rename(u, dir, from, to_dir, to));
}

static int w_link(void *u, int dir, const char *from, int to_dir,
                  const char *to)
{
    DO("link", to, REAL->link(u, dir, from, to_dir, to));
}

static int w_lock(void *u, int fd, bool exclusive)
{
    DO("lock", "", REAL->lock(u, fd, exclusive));
}

static int w_unlock(void *u, int fd)
{
    DO("unlock", "", REAL->unlock(u, fd));
}

static int w_touch(void *u, int fd)
{
    DO("touch", "", REAL->touch(u, fd));
}

static int w_chmod(void *u, int fd, uint32_t mode)
{
    DO("chmod", "", REAL->chmod(u, fd, mode));
}

static int w_dir_open(void *u, int dir, void **walk)
{
    GET("dir_open", "", REAL->dir_open(u, dir, walk));
}

static int w_dir_next(void *u, void *walk, char name[256])
{
    GET("dir_next", "", REAL->dir_next(u, walk, name));
}

static int w_local(void *u, int fd)
{
    (void)u, (void)fd;
    return fails() ? -t.with : t.local;
}

static int w_exchanges(void *u, int fd)
{
    (void)u, (void)fd;
    return 0;
}

static int w_self(void *u, ckpt_fs_self *self)
{
    DO("self", "", REAL->self(u, self));
}

static int w_gone(void *u, int64_t pid, uint64_t start)
{
    return t.gone >= 0 ? t.gone : REAL->gone(u, pid, start);
}

static int w_clock(void *u, ckpt_moment *now)
{
    const int r = REAL->clock(u, now);
    now->mono_ms += t.mono_ms;
    return r;
}

static int w_random(void *u, void *buf, size_t n)
{
    GET("random", "", REAL->random(u, buf, n));
}

// No call goes wrong from now on.
static void well(void)
{
    t.at = -1;
    t.odd = t.after = false;
    memset(t.lacks, 0, sizeof(t.lacks));
    t.idle_unlinks = 0;
}

static bool setup(int local)
{
    memset(&t, 0, sizeof(t));
    t.fs.priv.root = -1;
    t.fs.priv.calls = REAL;
    t.at = t.gone = -1;
    t.local = local;
    t.inodes = 1000000;
    t.calls = (ckpt_fs_calls){
        w_open, w_close, w_read, w_write, w_sync, w_sync, w_stat, w_stat,
        w_stat_at, w_mkdir, w_rmdir, w_unlink, w_rename, w_link,
        REAL->exchange, w_lock, w_unlock, w_touch, w_chmod, w_dir_open,
        w_dir_next, REAL->dir_close, w_local, w_exchanges, w_self, w_gone,
        REAL->pid, w_clock, w_random, NULL
    };
    snprintf(t.runs, sizeof(t.runs), "none");
    if (!CHECK(temp_dir_make(t.dir, sizeof(t.dir), "world"))) {
        return false;
    }
    snprintf(t.runs, sizeof(t.runs), "%s/runs", t.dir);
    return true;
}

static ckpt_code open_desc(const ckpt_store_fs_desc *desc)
{
    ckpt_store_fs_desc d = *desc;
    ckpt_store_fs_close(&t.fs);
    d.dir = d.dir == NULL ? t.runs : d.dir;
    d.calls = &t.calls;
    const ckpt_code rc = ckpt_store_fs_open(&t.fs, &d, &t.err);
    if (rc == CKPT_OK) {
        CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
            .store = &t.fs.base, .throttle_ms = CKPT_OFF,
            .resume_max = CKPT_UNLIMITED }), CKPT_OK);
    }
    return rc;
}

static ckpt_code open_store(void)
{
    return open_desc(&(ckpt_store_fs_desc){ 0 });
}

static bool begin(int local)
{
    return setup(local) && CHECK_INT(open_store(), CKPT_OK);
}

static void end(void)
{
    well();
    ckpt_abandon(&t.run);
    ckpt_abandon(&t.other);
    ckpt_store_fs_close(&t.fs);
    (void)temp_dir_remove(t.dir);
}

static ckpt_code start(void)
{
    return ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "job" });
}

static ckpt_code resume(ckpt_run *run)
{
    return ckpt_resume(&t.ctx, run, &(ckpt_run_desc){ .id = "job" });
}

static ckpt_code save(uint64_t n)
{
    char state[32];
    snprintf(state, sizeof(state), "{\"n\":%u}", (unsigned)n);
    return ckpt_save(&t.run, &(ckpt_save_desc){
        .anew = true, .turn = n, .state = ckpt_text(state) });
}

static ckpt_code complete(void)
{
    return ckpt_finish(&t.run, CKPT_COMPLETED, NULL);
}

static ckpt_run_state state(void)
{
    memset(&t.info, 0, sizeof(t.info));
    return ckpt_query(&t.ctx, "job", &t.info) == CKPT_OK ? t.info.state
                                                        : (ckpt_run_state)0;
}

// The last checkpoint of the run that is open says n.
static bool holds(ckpt_run *run, uint64_t n)
{
    static char buf[8192];
    ckpt_checkpoint last;
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "{\"n\":%u}", (unsigned)n);
    return CHECK_INT(ckpt_load(run, &last, buf, sizeof(buf)), CKPT_OK) &&
           CHECK_INT(last.state.len, strlen(wanted)) &&
           CHECK(memcmp(last.state.ptr, wanted, strlen(wanted)) == 0);
}

static const char *path(const char *name)
{
    static char out[2][700];
    static unsigned which;
    which ^= 1;
    snprintf(out[which], sizeof(out[which]), "%s/%s", t.runs, name);
    return out[which];
}

static void plant(const char *name)
{
    FILE *f = fopen(path(name), "w");
    CHECK(f != NULL && fputs("theirs", f) >= 0 && fclose(f) == 0);
}

static void plant_dir(const char *name)
{
    CHECK_INT(mkdir(path(name), 0700), 0);
}

static bool is_there(const char *name)
{
    struct stat st;
    return lstat(path(name), &st) == 0;
}

static unsigned names(const char *dir, const char *prefix)
{
    unsigned n = 0;
    struct dirent *e;
    DIR *d = opendir(path(dir));
    while (d != NULL && (e = readdir(d)) != NULL) {
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

// Sets the mtime of a file, in seconds from now.
static void age(const char *name, int64_t seconds)
{
    struct stat st;
    const bool there = CHECK(stat(path("."), &st) == 0);
    const struct timespec at = { .tv_sec = time(NULL) + (time_t)seconds };
    const struct timespec both[2] = { at, at };
    CHECK(there && utimensat(AT_FDCWD, path(name), both, 0) == 0);
}

//--- Any call -----------------------------------------------------------------

// Goes on until some step fails.
static void life(void)
{
    uint32_t swept;
    if (open_store() != CKPT_OK || start() != CKPT_OK || save(1) != CKPT_OK ||
        save(2) != CKPT_OK || ckpt_beat(&t.run) < 0) {
        return;
    }
    ckpt_abandon(&t.run);
    if (resume(&t.run) != CKPT_OK || save(3) != CKPT_OK ||
        complete() != CKPT_OK) {
        return;
    }
    (void)!ckpt_sweep(&t.ctx, &t.other, &swept);
}

// A store that failed works again, with the id that it failed with, and
// nothing is left of all that when the run is completed.
static void is_well_again(void)
{
    uint32_t swept;
    well();
    t.gone = 1;                         // whoever was before
    ckpt_abandon(&t.run);
    ckpt_abandon(&t.other);
    ckpt_store_fs_close(&t.fs);
    CHECK_INT(open_desc(&(ckpt_store_fs_desc){ .fix_modes = true }), CKPT_OK);
    for (int i = 0; i < 2; i++) {       // the claims of an age store are young
        const char *const claims[] = { "r-job/heartbeat.1",
            "r-job/heartbeat.2", "r-job/heartbeat.3", "r-job/heartbeat.4" };
        for (int k = 0; k < 4; k++) {
            if (is_there(claims[k])) {
                age(claims[k], -3600);
            }
        }
        const ckpt_code rc = ckpt_open(&t.ctx, &t.run,
                                       &(ckpt_run_desc){ .id = "job" });
        CHECK(rc == CKPT_OK || rc == CKPT_FINISHED);
        if (rc == CKPT_OK) break;
    }
    CHECK_INT(save(9), CKPT_OK);
    CHECK(holds(&t.run, 9));
    CHECK_INT(complete(), CKPT_OK);
    struct dirent *e;
    DIR *d = opendir(t.runs);
    char name[300];
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, ".new-", 5) == 0) {
            snprintf(name, sizeof(name), "%s", e->d_name);
            age(name, -3600);           // it was left an hour ago
            snprintf(name, sizeof(name), "%s/heartbeat.1", e->d_name);
            if (is_there(name)) {
                age(name, -3600);
            }
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    CHECK_INT(ckpt_sweep(&t.ctx, &t.other, &swept), CKPT_OK);
    CHECK(state() == 0);                // only what is not ours may be there
    CHECK_INT(names("r-job", "checkpoint.9") + names("r-job", ".t."), 0);
    CHECK_INT(names("", ".new-"), 0);
    t.gone = -1;
}

// Plays a scene again and again, each time with another call that fails.
static void any_call(int local, void (*prepare)(void), void (*scene)(void),
                     int with, bool after)
{
    for (long at = 0; setup(local); at++) {
        if (prepare != NULL) {
            prepare();
        }
        t.made = 0;
        t.at = at;
        t.with = with;
        t.after = after;
        scene();
        const bool reached = t.made > at;
        is_well_again();
        end();
        if (!reached || !CHECK(at < 2000)) {
            return;
        }
    }
}

static void a_life_goes_on_after_any_call_that_fails(void)
{
    any_call(2, NULL, life, EIO, false);
}

static void a_life_by_age_goes_on_after_any_call_that_fails(void)
{
    any_call(0, NULL, life, EIO, false);
}

static void a_call_that_failed_after_its_work_is_judged_by_looking(void)
{
    any_call(0, NULL, life, EIO, true);
    any_call(0, NULL, life, EINTR, true);
}

// Who is done with a run leaves nothing in the store but the probe.
static void a_call_that_was_interrupted_after_its_work_leaves_nothing_behind(
    void)
{
    for (long at = 0; setup(0); at++) {
        t.at = at;
        t.with = EINTR;
        t.after = true;
        life();
        const bool reached = t.made > at;
        well();
        if (t.run.open) {
            (void)!complete();
            ckpt_abandon(&t.run);
        }
        CHECK_INT(names("", ".new-"), 0);
        CHECK_INT(names("r-job", ".t."), 0);
        end();
        if (!reached || !CHECK(at < 2000)) {
            return;
        }
    }
    end();
}

// A file system over FUSE that goes by paths, and believes that the rename of a
// directory failed, looks for what is opened in it under its old name.
static void a_run_whose_old_directory_is_not_found_any_more_begins(void)
{
    if (begin(0)) {
        t.forgets = true;
        CHECK_INT(start(), CKPT_OK);
        CHECK_INT(t.forgotten, 1);
        CHECK_INT(save(1), CKPT_OK);
        CHECK(holds(&t.run, 1));
        CHECK_INT(complete(), CKPT_OK);
        CHECK_INT(names("", "r-"), 0);
    }
    end();
}

static void by_age(void)
{
    const ckpt_store_fs_desc desc = { .liveness = CKPT_STORE_FS_AGE };
    t.gone = 1;
    if (open_desc(&desc) == CKPT_OK && start() == CKPT_OK) {
        ckpt_abandon(&t.run);
        (void)rmdir(path(".probe"));
        (void)unlink(path(".probe"));
        (void)mkdir(path(".probe"), 0700);
        (void)mkdir(path("r-job/checkpoint.1.json.5"), 0700);
        age("r-job/heartbeat.1", -3600);
        if (resume(&t.run) == CKPT_OK) {
            (void)mkdir(path("r-job/checkpoint.2.prev.json"), 0700);
            (void)!save(1);
        }
    }
}

static void directories_survive_any_call_that_fails(void)
{
    any_call(2, NULL, by_age, EIO, false);
}

//--- What others put there ----------------------------------------------------

static void litter(void)
{
    CHECK(mkdir(t.runs, 0700) == 0);
    plant_dir("r-job");
    plant("r-job/.DS_Store");
    plant("r-job/.nfs000000000000002a");
    plant_dir("r-job/checkpoint.1.json");
    plant_dir("r-job/heartbeat.7");
}

static void what_others_put_there_never_keeps_an_id(void)
{
    for (int local = 0; local <= 2; local += 2) {
        uint32_t swept = 9;
        if (!setup(local)) {
            return;
        }
        litter();
        CHECK_INT(open_store(), CKPT_OK);
        CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(resume(&t.run), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 0);            // nothing was done
        CHECK_INT(names("r-job", ""), 6);
        CHECK_INT(start(), CKPT_OK);
        CHECK_INT(names("", ".lost-"), 4);      // a person finds it all
        CHECK_INT(save(1), CKPT_OK);
        CHECK(holds(&t.run, 1));
        CHECK_INT(complete(), CKPT_OK);
        // A run that ends beside what others put there is as good as gone.
        CHECK_INT(start(), CKPT_OK);
        plant("r-job/.DS_Store");
        CHECK_INT(complete(), CKPT_OK);
        CHECK(is_there("r-job/.DS_Store"));
        CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 0);
        CHECK_INT(start(), CKPT_OK);
        CHECK_INT(complete(), CKPT_OK);
        CHECK_INT(names("", "r-"), 0);
        end();
    }
}

static void begin_over_litter(void)
{
    if (open_store() == CKPT_OK && start() == CKPT_OK) {
        (void)!complete();
    }
}

static void what_others_put_there_survives_any_call_that_fails(void)
{
    any_call(2, litter, begin_over_litter, EIO, false);
    any_call(2, litter, begin_over_litter, ENOENT, false);
}

static bool count_runs(void *user, const ckpt_run_info *info)
{
    (void)info;
    ++*(unsigned *)user;
    return true;
}

static void what_others_put_there_is_no_run_of_a_scan(void)
{
    unsigned n = 0;
    if (setup(2)) {
        litter();
        CHECK_INT(open_store(), CKPT_OK);
        CHECK_INT(ckpt_scan(&t.ctx, 0, count_runs, &n), CKPT_OK);
        CHECK_INT(n, 0);
    }
    end();
}

// Before its run is shown, another one is, beside what others put there.
static void a_run_is_never_cleared_away(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        CHECK_INT(save(1), CKPT_OK);
        plant("r-job/.DS_Store");
        CHECK_INT(ckpt_start(&t.ctx, &t.other, &(ckpt_run_desc){ .id = "job" }),
                  CKPT_ERR_EXISTS);
        // even if a look does not see it: the name is taken when it is shown
        CHECK(rename(path("r-job"), path("away")) == 0);
        ckpt_store *s = &t.fs.base;
        static uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
        char nonce[CKPT_NONCE_MAX + 1];
        ckpt_gen gen = { 1, 1, 0 };
        ckpt_part part = { "{}", 0, 2, 0 };
        memset(place, 0, sizeof(place));
        CHECK_INT(s->methods->open(s, place, "job", CKPT_HOW_NEW, &t.err),
                  CKPT_OK);
        CHECK_INT(s->methods->claim(s, place, 1, "x", nonce, &t.err), CKPT_OK);
        CHECK_INT(s->methods->put(s, place, &gen, &part, &t.err), CKPT_OK);
        CHECK(rename(path("away"), path("r-job")) == 0);
        CHECK_INT(s->methods->publish(s, place, &gen, &t.err),
                  CKPT_ERR_EXISTS);
        s->methods->close(s, place, false);
        CHECK(is_there("r-job/.DS_Store") && is_there("r-job/heartbeat.1"));
        CHECK_INT(names("", ".lost-"), 0);
        CHECK_INT(save(2), CKPT_OK);
        CHECK(holds(&t.run, 2));
    }
    end();
}

static void a_file_under_the_name_of_a_run_is_foreign(void)
{
    for (int local = 0; local <= 2; local += 2) {
        if (begin(local)) {
            static uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
            const ckpt_store_methods *m = t.fs.base.methods;
            const ckpt_part part = { "{}", 0, 2, 0 };
            ckpt_gen gen = { 1, 1, 0 };
            char nonce[CKPT_NONCE_MAX + 1];
            plant("r-job");
            CHECK_INT(start(), CKPT_ERR_EXISTS);        // it is in the way
            CHECK_INT(resume(&t.run), CKPT_ERR_FOREIGN);
            memset(place, 0, sizeof(place));
            CHECK_INT(m->open(&t.fs.base, place, "job", CKPT_HOW_NEW, &t.err),
                      CKPT_OK);
            CHECK_INT(m->claim(&t.fs.base, place, 1, "x", nonce, &t.err),
                      CKPT_OK);
            CHECK_INT(m->put(&t.fs.base, place, &gen, &part, &t.err), CKPT_OK);
            CHECK_INT(m->publish(&t.fs.base, place, &gen, &t.err),
                      CKPT_ERR_FOREIGN);
            m->close(&t.fs.base, place, false);
            CHECK(is_there("r-job"));
            CHECK_INT(names("", ".new-"), 0);
        }
        end();
    }
}

static void a_pipe_or_socket_under_the_name_of_the_probe_is_moved_away(void)
{
    for (int i = 0; i < 4; i++) {
        if (begin(i / 2 * 2)) {
            struct sockaddr_un at;
            struct stat st;
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            memset(&at, 0, sizeof(at));
            at.sun_family = AF_UNIX;
            snprintf(at.sun_path, sizeof(at.sun_path), "%.90s",
                     path(".probe"));
            CHECK_INT(start(), CKPT_OK);
            (void)unlink(path(".probe"));
            CHECK((i % 2 == 0 ? mkfifo(path(".probe"), 0600) :
                   bind(fd, (const struct sockaddr *)&at, sizeof(at))) == 0);
            CHECK_INT(open_store(), CKPT_OK);
            CHECK_INT(state(), CKPT_STATE_LIVE);
            CHECK(stat(path(".probe"), &st) == 0 && S_ISREG(st.st_mode));
            CHECK_INT(names("", ".lost-"), 1);
            (void)close(fd);
        }
        end();
    }
}

static void a_directory_under_a_name_of_the_store_blocks_nothing(void)
{
    for (int local = 0; local <= 2; local += 2) {
        if (begin(local)) {
            plant_dir(".probe2");
            CHECK_INT(start(), CKPT_OK);
            (void)unlink(path(".probe"));
            CHECK(symlink("nowhere", path(".probe")) == 0);
            CHECK_INT(state(), CKPT_STATE_LIVE);
            CHECK(unlink(path(".probe")) == 0);
            plant_dir(".probe");                // it is needed to judge
            plant_dir("r-job/heartbeat.2");     // the next claim
            plant_dir("r-job/checkpoint.1.prev.json");
            plant_dir("r-job/.t.1.directory");
            CHECK_INT(save(1), CKPT_OK);        // prev was moved away
            CHECK_INT(save(2), CKPT_OK);
            CHECK(holds(&t.run, 2));
            ckpt_abandon(&t.run);
            age("r-job/heartbeat.1", -3600);
            CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
            plant_dir("r-job/checkpoint.2.json");   // what it will publish
            CHECK_INT(resume(&t.run), CKPT_OK);
            CHECK(holds(&t.run, 2));
            (void)unlink(path("r-job/heartbeat.1"));
            plant_dir("r-job/heartbeat.1");
            plant_dir("r-job/heartbeat.99");    // no claim of anybody
            plant_dir("r-job/heartbeat.1.5");
            CHECK_INT(save(3), CKPT_OK);
            CHECK_INT(complete(), CKPT_OK);
            CHECK_INT(state(), 0);
            CHECK_INT(start(), CKPT_OK);
            CHECK_INT(complete(), CKPT_OK);
            CHECK_INT(names("", "r-"), 0);
        }
        end();
    }
}

//--- Links and inodes ---------------------------------------------------------

static void a_snapshot_of_hard_links_makes_no_second_owner(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        ckpt_abandon(&t.run);
        // A claimant loses to another, while a snapshot links its temporary
        // file: the count of links says two.
        CHECK_INT(resume(&t.other), CKPT_OK);
        CHECK(link(path("r-job/heartbeat.2"), path("snapshot")) == 0);
        CHECK_INT(resume(&t.run), CKPT_ERR_LIVE);
        CHECK_INT(ckpt_save(&t.other, &(ckpt_save_desc){ .turn = 1 }), CKPT_OK);
    }
    end();
}

static void a_removed_run_stays_removed_though_a_snapshot_has_its_claim(void)
{
    for (int local = 0; local <= 2; local += 2) {
        if (begin(local)) {
            CHECK_INT(start(), CKPT_OK);
            CHECK_INT(save(1), CKPT_OK);
            CHECK(link(path("r-job/heartbeat.1"), path("snapshot")) == 0);
            CHECK_INT(ckpt_resume(&t.ctx, &t.other, &(ckpt_run_desc){
                .id = "job", .force = true }), CKPT_OK);
            CHECK_INT(ckpt_finish(&t.other, CKPT_COMPLETED, NULL), CKPT_OK);
            CHECK_INT(ckpt_beat(&t.run) == CKPT_SKIPPED ? save(2)
                                                        : CKPT_ERR_CLAIM_LOST,
                      CKPT_ERR_CLAIM_LOST);
            CHECK_INT(save(2), CKPT_ERR_CLAIM_LOST);
            CHECK_INT(state(), 0);
            CHECK_INT(names("", "r-"), 0);
        }
        end();
    }
}

static void link_counts_and_inodes_that_are_made_up_do_no_harm(void)
{
    if (begin(0)) {
        t.odd = true;
        CHECK_INT(start(), CKPT_OK);
        for (uint64_t n = 1; n <= 4; n++) {
            CHECK_INT(save(n), CKPT_OK);
            CHECK(holds(&t.run, n));
        }
        CHECK_INT(names("r-job", "checkpoint."), 2);
        ckpt_abandon(&t.run);
        age("r-job/heartbeat.1", -3600);
        CHECK_INT(resume(&t.run), CKPT_OK);
        CHECK(holds(&t.run, 4));
        CHECK_INT(save(5), CKPT_OK);
        CHECK_INT(complete(), CKPT_OK);
        CHECK_INT(names("", "r-"), 0);
    }
    end();
}

static void a_checkpoint_that_was_touched_or_copied_is_still_the_same(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        CHECK_INT(ckpt_save(&t.run, &(ckpt_save_desc){ .anew = true, .turn = 1,
            .messages = ckpt_text("[1]"), .state = ckpt_text("{\"n\":1}") }),
                  CKPT_OK);
        age("r-job/checkpoint.1.json", 100);
        CHECK_INT(ckpt_save(&t.run, &(ckpt_save_desc){ .anew = true, .turn = 2,
            .messages = ckpt_text("[2]"), .append_at = 1,
            .state = ckpt_text("{\"n\":2}") }), CKPT_OK);
        CHECK(holds(&t.run, 2));
        char command[2000];
        snprintf(command, sizeof(command), "cd '%s/r-job' && cp "
                 "checkpoint.1.json c && mv c checkpoint.1.json", t.runs);
        CHECK_INT(system(command), 0);
        CHECK_INT(ckpt_save(&t.run, &(ckpt_save_desc){ .anew = true, .turn = 3,
            .messages = ckpt_text("[3]"), .append_at = 2,
            .state = ckpt_text("{\"n\":3}") }), CKPT_OK);
        CHECK(holds(&t.run, 3));
        CHECK_INT(t.run.messages, 3);
    }
    end();
}

// Some answer that they have removed what is still there.
static void an_unlink_that_changes_nothing_ends(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        plant("r-job/.t.1.stuck");
        t.idle_unlinks = 1000000;
        CHECK_INT(complete(), CKPT_ERR_IO);
        t.idle_unlinks = 0;
        CHECK_INT(complete(), CKPT_OK);
        for (int i = 0; i < 2; i++) {   // more claims than one walk collects
            CHECK_INT(start(), CKPT_OK);
            ckpt_abandon(&t.run);
            for (int k = 2; k < 50; k++) {
                char name[40];
                snprintf(name, sizeof(name), "r-job/heartbeat.%d", k);
                plant(name);
                age(name, -7200);
            }
            if (i == 0) {
                t.idle_unlinks = 1000000;
                CHECK_INT(ckpt_remove(&t.ctx, &t.other, "job"), CKPT_ERR_IO);
                CHECK(t.idle_unlinks > 900000);
                t.idle_unlinks = 0;
                CHECK_INT(start(), CKPT_OK);    // ends what was begun
                CHECK_INT(complete(), CKPT_OK);
                continue;
            }
            CHECK_INT(ckpt_remove(&t.ctx, &t.other, "job"), CKPT_OK);
        }
        CHECK_INT(names("", "r-"), 0);
    }
    end();
}

// Where a file that is removed while it is open keeps a name, and where a
// directory with an open file cannot be renamed.
static void without_locks_no_claim_is_held_open(void)
{
    for (int local = 0; local <= 2; local += 2) {
        if (begin(local)) {
            unsigned before = 0, n = 0;
            for (int fd = 0; fd < 64; fd++) {
                before += fcntl(fd, F_GETFD) != -1;
            }
            CHECK_INT(start(), CKPT_OK);
            CHECK_INT(save(1), CKPT_OK);
            for (int fd = 0; fd < 64; fd++) {
                n += fcntl(fd, F_GETFD) != -1;
            }
            CHECK_INT(n - before, local == 0 ? 1 : 2);
        }
        end();
    }
}

//--- Who lives ----------------------------------------------------------------

static void an_owner_that_let_go_leaves_no_lock_to_its_child(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        const int kept = fcntl(t.fs.priv.root, F_DUPFD, 0);
        int copy = -1;                  // as a child of fork() has one
        for (int fd = 3; fd < 64; fd++) {
            struct stat a, b;
            if (fstat(fd, &a) == 0 &&
                stat(path("r-job/heartbeat.1"), &b) == 0 &&
                a.st_ino == b.st_ino) {
                copy = dup(fd);
                break;
            }
        }
        CHECK(copy >= 0);
        CHECK_INT(state(), CKPT_STATE_LIVE);
        ckpt_abandon(&t.run);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
        close(copy);
        close(kept);
    }
    end();
}

static void make_claim_of_another_boot(void)
{
    char command[900];
    snprintf(command, sizeof(command),
             "sed -i 's/\"boot\":\"./\"boot\":\"x/' '%s'",
             path("r-job/heartbeat.1"));
    CHECK_INT(system(command), 0);
}

// The claim was made in another boot, or on another machine; here its lock is
// free. Only where no other kernel can have the lock does that prove anything.
static void a_free_lock_of_another_kernel_proves_nothing(void)
{
    for (int local = 1; local <= 2; local++) {
        if (begin(local)) {
            CHECK_INT(start(), CKPT_OK);
            ckpt_abandon(&t.run);
            CHECK_INT(state(), CKPT_STATE_INTERRUPTED);     // of this boot
            make_claim_of_another_boot();
            CHECK_INT(state(), local == 1 ? CKPT_STATE_LIVE
                                          : CKPT_STATE_INTERRUPTED);
            age("r-job/heartbeat.1", -61);
            CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
        }
        end();
    }
}

// A guest sees the type of its host's file system, and nothing else; its locks
// stay in the guest. The host is certain that only its own processes can lock.
static void a_host_that_is_certain_of_its_locks_takes_no_run_of_a_guest(void)
{
    if (begin(1)) {
        CHECK_INT(start(), CKPT_OK);
        ckpt_abandon(&t.run);
        make_claim_of_another_boot();
        t.local = 2;
        CHECK_INT(open_store(), CKPT_OK);
        CHECK_INT(state(), CKPT_STATE_LIVE);
        age("r-job/heartbeat.1", -61);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
    }
    end();
}

static void
a_missing_process_is_gone_after_two_beats_where_there_are_no_locks(void)
{
    if (begin(0)) {                     // a beat every 20 s
        CHECK_INT(start(), CKPT_OK);
        t.gone = 1;
        CHECK_INT(state(), CKPT_STATE_LIVE);
        age("r-job/heartbeat.1", -39);
        CHECK_INT(state(), CKPT_STATE_LIVE);
        age("r-job/heartbeat.1", -44);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
        t.gone = 2;                     // another one, perhaps
        CHECK_INT(state(), CKPT_STATE_LIVE);
        age("r-job/heartbeat.1", -61);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
    }
    end();
}

// Each look is one of a program of its own.
static ckpt_run_state once(void)
{
    CHECK_INT(open_store(), CKPT_OK);
    return state();
}

static void a_beat_in_the_future_is_watched_by_programs_that_run_once(void)
{
    for (int i = 0; i < 3; i++) {
        if (begin(0)) {
            CHECK_INT(start(), CKPT_OK);
            t.gone = i == 2 ? 1 : 0;
            age("r-job/heartbeat.1", 7200);
            CHECK_INT(once(), CKPT_STATE_BUSY);
            CHECK(t.info.wait_ms > 50000 && t.info.wait_ms <= 60000);
            age(".seen-r-job", -30);
            CHECK_INT(once(), CKPT_STATE_BUSY);
            CHECK(t.info.wait_ms > 20000 && t.info.wait_ms <= 30000);
            if (i == 1) {               // it does beat
                age("r-job/heartbeat.1", 7201);
                age(".seen-r-job", -70);
                CHECK_INT(once(), CKPT_STATE_BUSY);
                CHECK(t.info.wait_ms > 50000);
            }
            age(".seen-r-job", -61);
            CHECK_INT(once(), CKPT_STATE_INTERRUPTED);
            // One that was cut says nothing.
            CHECK(truncate(path(".seen-r-job"), 5) == 0);
            CHECK_INT(once(), CKPT_STATE_BUSY);
            // A mark that cannot be kept is none.
            CHECK(unlink(path(".seen-r-job")) == 0);
            t.lacks[0] = (lack){ "create", EACCES, ".seen-" };
            CHECK_INT(once(), CKPT_STATE_BUSY);
            CHECK(!is_there(".seen-r-job"));
        }
        end();
    }
}

static void a_beat_of_1970_is_a_beat(void)
{
    static uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    const struct timespec zero[2] = { { .tv_sec = 0 }, { .tv_sec = 0 } };
    ckpt_life life;
    if (begin(0)) {
        const ckpt_store_methods *m = t.fs.base.methods;
        CHECK_INT(start(), CKPT_OK);
        CHECK(utimensat(AT_FDCWD, path("r-job/heartbeat.1"), zero, 0) == 0);
        memset(place, 0, sizeof(place));
        CHECK_INT(m->open(&t.fs.base, place, "job", CKPT_HOW_FIND, &t.err),
                  CKPT_OK);
        CHECK_INT(m->alive(&t.fs.base, place, 1, &life, &t.err), CKPT_OK);
        CHECK_INT(life.beat_ms, 1);
        m->close(&t.fs.base, place, false);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
    }
    end();
}

static void a_mark_of_a_beat_goes_with_its_run(void)
{
    if (begin(0)) {
        CHECK_INT(start(), CKPT_OK);
        age("r-job/heartbeat.1", 7200);
        CHECK_INT(state(), CKPT_STATE_BUSY);
        CHECK(is_there(".seen-r-job"));
        CHECK_INT(complete(), CKPT_OK);
        CHECK(!is_there(".seen-r-job"));
    }
    end();
    if (begin(2)) {                     // who is certainly alive needs none
        CHECK_INT(start(), CKPT_OK);
        age("r-job/heartbeat.1", 7200);
        CHECK_INT(state(), CKPT_STATE_LIVE);
        ckpt_abandon(&t.run);
        CHECK_INT(state(), CKPT_STATE_INTERRUPTED);
        CHECK(!is_there(".seen-r-job"));
    }
    end();
}

static void a_mark_that_lies_in_the_future_is_made_anew(void)
{
    if (begin(0)) {
        struct stat st;
        CHECK_INT(start(), CKPT_OK);
        age("r-job/heartbeat.1", 7200);
        CHECK_INT(once(), CKPT_STATE_BUSY);
        age(".seen-r-job", 3600);               // the clock was set back
        CHECK_INT(once(), CKPT_STATE_BUSY);
        CHECK(stat(path(".seen-r-job"), &st) == 0);
        CHECK(st.st_mtime < time(NULL) + 1800);
    }
    end();
}

static void a_mark_without_its_run_is_swept(void)
{
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        plant(".seen-r-job");
        plant(".seen-r-gone");
        plant(".seen-.new-gone");
        CHECK_INT(ckpt_sweep(&t.ctx, &t.other, NULL), CKPT_OK);
        CHECK(is_there(".seen-r-job"));
        CHECK_INT(names("", ".seen-"), 1);
    }
    end();
}

// A leftover, too, is swept by a program that runs once an hour.
static void a_leftover_from_the_future_is_swept_in_time(void)
{
    uint32_t swept = 9;
    if (begin(0)) {
        plant_dir(".new-abc");
        plant(".new-abc/heartbeat.1");
        age(".new-abc/heartbeat.1", 7200);
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 0);
        CHECK(is_there(".seen-.new-abc"));
        // a sweep decides by what was seen, and this is not long enough
        CHECK_INT(open_store(), CKPT_OK);
        age(".seen-.new-abc", -61);
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 1);
        CHECK(!is_there(".new-abc") && !is_there(".seen-.new-abc"));
    }
    end();
}

static void a_leftover_counts_as_swept_when_it_is_gone(void)
{
    uint32_t swept = 9;
    if (begin(2)) {
        plant_dir(".new-abc");
        plant(".new-abc/.DS_Store");
        t.lacks[0] = (lack){ "rmdir", ENOTEMPTY, ".new-" };
        for (int i = 0; i < 3; i++) {
            age(".new-abc", -3600);
            CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
            CHECK_INT(swept, i < 2 ? 0 : 1);
            CHECK_INT(names("", ".new-"), i < 2 ? 1 : 0);
            CHECK_INT(names("", ".lost-"), 1);
            t.lacks[0].call = i == 0 ? t.lacks[0].call : NULL;
        }
    }
    end();
}

// Who gives up says so in its claim, if that is still there.
static void who_gives_up_writes_into_no_claim_but_its_own(void)
{
    for (int local = 0; local <= 2; local += 2) {
        if (begin(local)) {
            static uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
            ckpt_store *s = &t.fs.base;
            char nonce[CKPT_NONCE_MAX + 1], line[300] = "";
            for (int i = 0; i < 2; i++) {
                CHECK_INT(start(), CKPT_OK);
                ckpt_abandon(&t.run);
                memset(place, 0, sizeof(place));
                CHECK_INT(s->methods->open(s, place, "job", CKPT_HOW_FIND,
                                           &t.err), CKPT_OK);
                CHECK_INT(s->methods->claim(s, place, 2, "x", nonce, &t.err),
                          CKPT_OK);
                if (i == 0) {
                    CHECK(unlink(path("r-job/heartbeat.2")) == 0);
                    plant("r-job/heartbeat.2");
                }
                s->methods->close(s, place, true);
                FILE *f = fopen(path("r-job/heartbeat.2"), "r");
                CHECK(f != NULL && fgets(line, sizeof(line), f) != NULL &&
                      fclose(f) == 0);
                CHECK(i == 0 ? strcmp(line, "theirs") == 0
                             : strstr(line, "\"gave_up\":true ") != NULL);
                CHECK(temp_dir_remove(path("r-job")));
            }
        }
        end();
    }
}

// The name is taken each time, by a directory that can be cleared, or not.
static void a_name_that_stays_taken_is_told(void)
{
    for (int i = 0; i < 2; i++) {
        if (begin(2)) {
            static uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
            ckpt_store *s = &t.fs.base;
            char nonce[CKPT_NONCE_MAX + 1];
            ckpt_gen gen = { 1, 1, 0 };
            ckpt_part part = { "{}", 0, 2, 0 };
            memset(place, 0, sizeof(place));
            CHECK_INT(s->methods->open(s, place, "job", CKPT_HOW_NEW, &t.err),
                      CKPT_OK);
            CHECK_INT(s->methods->claim(s, place, 1, "x", nonce, &t.err),
                      CKPT_OK);
            CHECK_INT(s->methods->put(s, place, &gen, &part, &t.err), CKPT_OK);
            plant_dir("r-job");
            t.lacks[0] = (lack){ "rename", ENOTEMPTY, "r-job" };
            if (i == 1) {
                t.lacks[1] = (lack){ "open", EACCES, "r-job" };
            }
            CHECK_INT(s->methods->publish(s, place, &gen, &t.err),
                      i == 0 ? CKPT_ERR_EXISTS : CKPT_ERR_UNSURE);
            s->methods->close(s, place, false);
            CHECK_INT(names("", ".new-"), i);
        }
        end();
    }
}

// Its directory stood because a file in it was open here, under another name.
static void who_lost_a_run_takes_away_what_its_open_files_kept(void)
{
    if (begin(0)) {
        CHECK_INT(start(), CKPT_OK);
        plant("r-job/.fuse_hidden0000001");
        CHECK_INT(ckpt_resume(&t.ctx, &t.other, &(ckpt_run_desc){
            .id = "job", .force = true }), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.other, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK(is_there("r-job"));
        CHECK_INT(save(1), CKPT_ERR_CLAIM_LOST);
        CHECK(unlink(path("r-job/.fuse_hidden0000001")) == 0);
        ckpt_abandon(&t.run);
        CHECK(!is_there("r-job"));
    }
    end();
}

//--- What a store needs -------------------------------------------------------

static void what_a_file_system_lacks_is_named_when_the_store_is_opened(void)
{
    static const struct { lack lacks; const char *says; } cases[] = {
        { { "link", EPERM, NULL }, "hard links" },
        { { "link", ENOSYS, NULL }, "hard links" },
        { { "link", EACCES, NULL }, "hard links" },
        { { "rename", EEXIST, "checkpoint." }, "replaces" },
        { { "rename", EXDEV, ".new-" }, "rename of a directory" },
        { { "mtime", 1, NULL }, "modification times" },
        { { "reading", 1, NULL }, "readers change the times" },
        { { "sync", EINVAL, "dir" }, "sync of a directory" },
        { { "sync", EINVAL, "file" }, "write a file" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!setup(0)) {
            return;
        }
        CHECK(mkdir(t.runs, 0700) == 0);
        t.lacks[0] = cases[i].lacks;
        if (strcmp(t.lacks[0].call, "sync") == 0) {
            t.local = 0;
        }
        CHECK_INT(open_store(), CKPT_ERR_UNSUITABLE);
        CHECK(t.err.code == CKPT_ERR_UNSUITABLE &&
              strstr(t.err.op, cases[i].says) != NULL);
        CHECK_INT(names("", ".new-"), 0);
        t.local = 2;                            // known to have all that
        CHECK(i == 5 || cases[i].lacks.call[0] == 's' ||
              open_store() == CKPT_OK);
        end();
    }
    // Without a sync of directories a store still survives a killed process.
    if (setup(0)) {
        t.lacks[0] = (lack){ "sync", EINVAL, NULL };
        CHECK_INT(open_desc(&(ckpt_store_fs_desc){
            .durability = CKPT_STORE_FS_PROCESS }), CKPT_OK);
        CHECK_INT(start(), CKPT_OK);
    }
    end();
}

// The first opening makes the directory and has to sync its parent, too: it
// says the same as the second.
static void an_unsuitable_parent_is_named_when_the_store_is_first_made(void)
{
    static const int errors[] = { EINVAL, ENOTSUP, EBADF, EIO, EACCES };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (setup(0)) {
            t.lacks[0] = (lack){ "sync", errors[i], "dir" };
            for (int opening = 1; opening <= 2; opening++) {
                CHECK_INT(open_store(), CKPT_ERR_UNSUITABLE);
                CHECK(strstr(t.err.op, "sync of a directory") != NULL);
                CHECK_INT(t.err.sys, errors[i]);
            }
        }
        end();
    }
}

static void a_store_that_was_never_opened_can_be_closed(void)
{
    struct stat before, after;
    static ckpt_store_fs fs;
    CHECK(fstat(STDIN_FILENO, &before) == 0);   // 0 is somebody's descriptor
    ckpt_store_fs_close(&fs);
    CHECK(fstat(STDIN_FILENO, &after) == 0 && before.st_ino == after.st_ino);
}

static void a_link_that_a_local_file_system_lacks_is_named(void)
{
    static const int errors[] = { EPERM, EACCES, ENOTSUP, EOPNOTSUPP, ENOSYS,
                                  EMLINK, EXDEV };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (begin(2)) {
            CHECK_INT(start(), CKPT_OK);
            t.lacks[0] = (lack){ "link", errors[i], NULL };
            CHECK_INT(save(1), CKPT_ERR_UNSUITABLE);
            CHECK_INT(complete(), CKPT_ERR_UNSUITABLE);
            ckpt_abandon(&t.run);
            CHECK_INT(resume(&t.run), CKPT_ERR_UNSUITABLE);
            t.lacks[0].with = EIO;
            CHECK_INT(resume(&t.run), CKPT_ERR_IO);
            well();
            CHECK_INT(resume(&t.run), CKPT_OK);
        }
        end();
    }
}

static void a_full_or_closed_file_system_is_not_called_unsuitable(void)
{
    static const struct { lack lacks; ckpt_code begins; } cases[] = {
        { { "create", ENOSPC, ".t." }, CKPT_ERR_NO_SPACE },
        { { "mkdir", ENOSPC, ".new-" }, CKPT_ERR_NO_SPACE },
        { { "mkdir", EROFS, ".new-" }, CKPT_ERR_ACCESS },
        { { "create", EMFILE, ".t." }, CKPT_ERR_RESOURCE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (begin(0)) {
            t.lacks[0] = cases[i].lacks;
            CHECK_INT(open_store(), CKPT_OK);
            CHECK_INT(start(), cases[i].begins);
            CHECK_INT(names("", ".new-"), 0);
        }
        end();
    }
}

// Some say that they have changed a mode, and have none.
static int idle_chmod(void *u, int fd, uint32_t mode)
{
    (void)u, (void)fd, (void)mode;
    return 0;
}

static void a_mode_that_lets_others_write_is_mended_when_asked(void)
{
    const ckpt_store_fs_desc fix = { .fix_modes = true };
    struct stat st;
    if (!begin(2)) {
        return;
    }
    CHECK_INT(open_desc(&fix), CKPT_OK);        // nothing to mend
    CHECK(chmod(t.runs, 0770) == 0);
    CHECK_INT(open_store(), CKPT_ERR_UNSAFE);
    CHECK(strstr(t.err.op, ".fix_modes") != NULL);
    CHECK(stat(t.runs, &st) == 0 && (st.st_mode & 0777) == 0770);
    t.lacks[0] = (lack){ "chmod", EPERM, NULL };
    CHECK_INT(open_desc(&fix), CKPT_ERR_UNSUITABLE);
    CHECK_INT(t.err.sys, EPERM);
    well();
    t.calls.chmod = idle_chmod;
    CHECK_INT(open_desc(&fix), CKPT_ERR_UNSUITABLE);
    t.calls.chmod = w_chmod;
    CHECK_INT(open_desc(&fix), CKPT_OK);
    CHECK(stat(t.runs, &st) == 0 && (st.st_mode & 0777) == 0750);
    CHECK(chmod(t.runs, 03770) == 0);           // as a volume of a group has it
    CHECK_INT(open_desc(&fix), CKPT_OK);
    CHECK(stat(t.runs, &st) == 0 && (st.st_mode & 07777) == 03750);
    CHECK_INT(start(), CKPT_OK);
    if (geteuid() == 0) {                       // another user's stays as it is
        ckpt_abandon(&t.run);
        CHECK(chmod(t.runs, 0770) == 0 && chown(t.runs, 65534, 65534) == 0);
        CHECK_INT(open_desc(&fix), CKPT_ERR_FOREIGN);
        CHECK(stat(t.runs, &st) == 0 && (st.st_mode & 0777) == 0770);
    }
    end();
}

static void a_root_that_was_removed_is_not_an_empty_store(void)
{
    unsigned n = 0;
    if (begin(2)) {
        CHECK_INT(start(), CKPT_OK);
        ckpt_abandon(&t.run);
        CHECK(temp_dir_remove(t.runs) && mkdir(t.runs, 0700) == 0);
        CHECK_INT(state(), CKPT_STATE_UNREADABLE);
        CHECK_INT(t.info.error.code, CKPT_ERR_IO);
        CHECK_INT(resume(&t.run), CKPT_ERR_IO);
        CHECK_INT(start(), CKPT_ERR_IO);
        CHECK_INT(ckpt_scan(&t.ctx, 0, count_runs, &n), CKPT_ERR_IO);
        CHECK_INT(n, 0);
        CHECK_INT(open_store(), CKPT_OK);
        CHECK_INT(start(), CKPT_OK);
    }
    end();
}

static void a_parent_that_may_not_be_read_is_no_obstacle(void)
{
    if (setup(2)) {
        char parent[310];
        snprintf(parent, sizeof(parent), "%s/.", t.dir);
        t.lacks[0] = (lack){ "open", EACCES, parent };
        CHECK_INT(open_store(), CKPT_OK);       // the first time, too
        CHECK_INT(start(), CKPT_OK);
        ckpt_abandon(&t.run);
        CHECK_INT(open_store(), CKPT_OK);
        CHECK_INT(resume(&t.run), CKPT_OK);
    }
    end();
}

static void a_store_that_leads_nowhere_says_so(void)
{
    if (setup(2)) {
        CHECK(symlink("nowhere", t.runs) == 0);
        CHECK_INT(open_store(), CKPT_ERR_NOT_FOUND);
        CHECK(strstr(t.err.op, "symbolic link") != NULL);
        CHECK(unlink(t.runs) == 0);
        const int fd = open(t.runs, O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
        CHECK_INT(open_store(), CKPT_ERR_FOREIGN);
        CHECK(strstr(t.err.op, "no directory") != NULL);
        CHECK(unlink(t.runs) == 0);
        strcat(t.runs, "/below");
        CHECK_INT(open_store(), CKPT_ERR_NOT_FOUND);
        CHECK(strstr(t.err.op, "parent") != NULL);
    }
    end();
}

// Attack: a claim whose owner, host and number are as long as they can be.
static void the_owner_of_a_claim_is_described_within_its_room(void)
{
    if (begin(2)) {
        char line[400], owner[96], host[64];
        memset(owner, 'o', sizeof(owner) - 1);
        owner[sizeof(owner) - 1] = '\0';
        memset(host, 'h', sizeof(host) - 1);
        host[sizeof(host) - 1] = '\0';
        CHECK_INT(start(), CKPT_OK);
        ckpt_abandon(&t.run);
        FILE *f = fopen(path("r-job/heartbeat.1"), "w");
        snprintf(line, sizeof(line), "{\"pid\":%lld,\"host\":\"%s\","
                 "\"owner\":\"%s\"}\n", (long long)-9007199254740991, host,
                 owner);
        CHECK(f != NULL && fputs(line, f) >= 0 && fclose(f) == 0);
        (void)state();
        CHECK(strlen(t.info.owner) < sizeof(t.info.owner));
        CHECK(t.info.owner[0] == 'o' && strstr(t.info.owner, "(hhh") != NULL &&
              strchr(t.info.owner, ')') != NULL);
    }
    end();
}
