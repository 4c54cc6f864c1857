// SPDX-License-Identifier: MIT-0
// What the store of files does where its system fails it, where somebody else
// has been in its directories, and where a limit is reached: the cases that no
// other suite comes to.
#if defined(__linux__) && !defined(_GNU_SOURCE)
    #define _GNU_SOURCE                 // syscall numbers, MAP_ANONYMOUS
#endif
#if !defined(_FILE_OFFSET_BITS)
    #define _FILE_OFFSET_BITS 64        // readdir() needs them
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
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <sys/vfs.h>
#endif

#define LIST(X)                                                                \
    X(a_descriptor_that_is_closed_says_so)                                     \
    X(locks_are_known_by_the_file_system)                                      \
    X(no_process_has_a_number_below_one)                                       \
    X(a_process_that_may_not_be_signalled_is_not_gone)                         \
    X(a_stale_handle_is_a_name_that_is_gone)                                   \
    X(without_proc_less_is_known_and_nobody_is_gone)                           \
    X(a_proc_that_cannot_be_read_is_none)                                      \
    X(without_a_host_name_or_a_namespace_there_is_still_a_self)                \
    X(without_getrandom_there_is_a_device)                                     \
    X(without_random_bytes_nothing_is_begun)                                   \
    X(a_directory_that_cannot_be_walked_says_why)                              \
    X(a_file_that_may_not_grow_is_no_space)                                    \
    X(a_write_that_takes_nothing_is_tried_again_once)                          \
    X(a_large_piece_is_written_by_the_gibibyte)                                \
    X(a_directory_whose_sync_failed_is_opened_again)                           \
    X(a_file_that_is_shorter_than_what_was_written_is_no_save)                 \
    X(a_name_of_a_longer_id_is_nobodys)                                        \
    X(what_is_not_the_stores_stays_in_a_finished_run)                          \
    X(a_finish_removes_in_the_order_that_is_safe)                              \
    X(what_appears_while_a_run_is_removed_is_removed_too)                      \
    X(a_name_that_is_taken_is_drawn_again)                                     \
    X(only_what_was_listed_is_a_leftover)                                      \
    X(a_leftover_that_cannot_be_looked_at_is_not_swept)                        \
    X(a_leftover_that_has_been_shown_is_left_alone)                            \
    X(a_run_that_was_removed_while_it_is_held_is_empty)                        \
    X(a_look_over_a_gap_of_epochs_ends)                                        \
    X(a_look_ends_at_the_lowest_name_that_is_listed)                           \
    X(the_only_generation_is_found_though_a_listing_missed_it)                 \
    X(another_process_can_do_nothing_with_a_place)                             \
    X(a_place_can_be_looked_at_quickly_twice)                                  \
    X(an_owner_is_cut_between_characters)                                      \
    X(a_claim_that_does_not_fit_is_refused)                                    \
    X(a_claim_that_says_nothing_is_taken_all_the_same)                         \
    X(who_holds_a_lock_is_gone_only_by_all_that_is_known)                      \
    X(a_lock_that_cannot_be_tried_says_nothing)                                \
    X(without_locks_a_clock_is_needed)                                         \
    X(one_file_under_two_names_is_one_generation)                              \
    X(a_file_with_another_head_is_another_generation)                          \
    X(a_twin_that_is_gone_is_stale)                                            \
    X(a_file_with_the_same_head_is_the_same_generation)                        \
    X(a_claim_is_synced_with_what_is_published_first)                          \
    X(a_claim_is_whole_before_it_is_seen)                                      \
    X(a_checkpoint_that_could_not_be_closed_is_no_save)                        \
    X(a_save_whose_claim_was_removed_replaces_nothing)                         \
    X(a_run_whose_claim_was_removed_is_not_shown)                              \
    X(the_own_claim_is_looked_at_after_the_others)                             \
    X(a_read_that_is_stale_is_told)                                            \
    X(a_rename_is_judged_by_the_head)                                          \
    X(a_run_that_was_shown_is_known_by_its_claim)                              \
    X(a_link_that_is_something_else_is_no_link)                                \
    X(a_run_that_cannot_be_seen_is_unsure)                                     \
    X(a_system_may_say_exists_for_not_empty)                                   \
    X(a_generation_that_cannot_be_kept_aside_stays)                            \
    X(a_generation_is_set_aside_once)                                          \
    X(only_a_few_generations_are_kept_aside)                                   \
    X(a_store_that_was_removed_cannot_be_listed)                               \
    X(a_directory_with_too_long_a_name_is_not_made)                            \
    X(a_parent_matters_where_it_could_lose_the_directory)                      \
    X(locks_are_used_where_they_work)                                          \
    X(a_beat_is_the_mtime_of_its_heartbeat)                                    \
    X(a_claim_says_what_was_acknowledged_in_place)                             \
    X(a_claim_says_whether_it_is_locked_and_who_gave_up)                       \
    X(who_judges_by_age_takes_a_free_lock_for_no_death)                        \
    X(a_link_that_says_it_worked_and_did_not_is_no_claim)                      \
    X(what_a_claim_says_wrongly_is_not_believed)                               \
    X(a_claim_that_cannot_be_written_is_touched)                               \
    X(a_claim_whose_name_another_claim_has_is_lost)                            \
    X(a_beat_by_age_is_written_also_if_it_says_nothing_new)                    \
    X(a_free_lock_proves_death_only_of_a_claim_that_says_locked)               \
    X(lower_claims_go_lowest_first_and_before_all_else)                        \
    X(claims_are_removed_up_to_the_one_that_fails)                             \
    X(an_owner_that_saves_twice_collects_lower_claims_in_order)                \
    X(a_full_disk_is_looked_at_again_when_the_run_is_gone)                     \
    X(a_full_disk_keeps_what_is_to_be_kept)                                    \
    X(a_kept_run_is_in_the_way_of_a_new_one)                                   \
    X(a_kept_run_that_was_not_cleared_stays_kept)                              \
    X(a_retry_that_fails_leaves_the_run_failed)                                \
    X(a_run_that_fails_again_is_kept_again)                                    \
    X(a_kept_run_whose_head_is_damaged_is_left_alone)                          \
    X(a_completed_run_that_cannot_be_removed_is_finished)                      \
    X(verify_tells_of_a_look_that_fails)                                       \
    X(a_generation_that_goes_is_stale)                                         \
    X(what_a_higher_owner_is_removing_is_no_failure)                           \
    X(what_stands_for_the_probe_may_be_gone_before_it_is_moved)                \
    X(a_run_that_is_swept_while_it_is_made_is_made_anew)                       \
    X(what_is_dropped_beside_a_kept_one_is_gone_for_good)                      \
    X(a_generation_that_cannot_be_looked_at_keeps_its_run)                     \
    X(a_run_without_a_generation_is_removed_whole)                             \
    X(what_cannot_be_removed_is_told_and_goes_the_next_time)                   \
    X(a_run_that_is_resumed_for_ever_is_three_files)                           \
    X(what_is_no_run_is_not_listed)                                            \
    X(a_scan_of_ten_thousand_kept_runs_tells_of_each_once)

TEST_SUITE(fs, LIST)

//--- What every test needs ----------------------------------------------------

// A call of the table that goes wrong: the call, the beginning of the name it
// is given, what it returns, and which times.
typedef struct fault {
    const char *call, *name;
    int         with;
    unsigned    skip, times, hits;
    bool        done;                   // it fails, and has done all
    void      (*race)(const char *name);    // called before
} fault;

static struct {
    char           dir[256], runs[300];
    ckpt_store_fs  fs;
    ckpt_ctx       ctx;
    ckpt_run       run;
    ckpt_run_info  info;
    ckpt_error     err;
    ckpt_fs_calls  calls;
    fault          fault[2];
    void         (*alter)(ckpt_fs_stat *st);    // what stat_at() says
    ckpt_fs_self   self;                // what self() says, if it has a host
    int            self_fails, gone;    // gone: what gone() says, if not 0
    int            temp;                // the descriptor that was made last
    int64_t        pids;                // added to the process number
    char           order[2048];         // what was removed, in its order
    char           steps[2048];         // locks, syncs and links
    ino_t          root;                // of the store
    unsigned       root_syncs, removed;
    unsigned       late;                // walks after which a file appears
    unsigned       looks;               // generations that were opened
    char           big[64];             // what was written, in bytes
    uint64_t       place[2][CKPT_PLACE_SIZE / sizeof(uint64_t)];
    bool           open[2];             // what is in it
    ckpt_look      look;
    ckpt_life      life;
    char           nonce[CKPT_NONCE_MAX + 1];
} t;

#define REAL (ckpt_store_fs_calls())
#define M    (t.fs.base.methods)        // of the store

static bool hit(const char *call, const char *name)
{
    for (unsigned i = 0; i < 2; i++) {
        fault *f = &t.fault[i];
        if (f->call == NULL || strcmp(f->call, call) != 0 ||
            strncmp(f->name, name, strlen(f->name)) != 0) {
            continue;
        }
        if (f->skip > 0) {
            f->skip--;
        } else if (f->hits < f->times) {
            f->hits++;
            if (f->race != NULL) {
                f->race(name);
            }
            return true;
        }
    }
    return false;
}

// What the call that was hit returns.
static int with(const char *call)
{
    const bool first = t.fault[0].call != NULL &&
                       strcmp(t.fault[0].call, call) == 0;
    return t.fault[first ? 0 : 1].with;
}

static int bad_open(void *u, int dir, const char *name, int flags)
{
    const char *call = flags & CKPT_FS_CREATE ? "create" : "open";
    t.looks += strncmp(name, "checkpoint.", 11) == 0;
    const int r = hit(call, name) ? with(call)
                                  : REAL->open(u, dir, name, flags);
    t.temp = flags & CKPT_FS_EXCL ? r : t.temp;
    return r;
}

static int64_t bad_read(void *u, int fd, void *buf, size_t n, uint64_t offset)
{
    return hit("read", "") ? with("read") : REAL->read(u, fd, buf, n, offset);
}

static const char *kind_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "dir" :
           fd == t.temp ? "temp" : "file";
}

static int64_t bad_write(void *u, int fd, const void *buf, size_t n,
                         uint64_t offset)
{
    if (hit("swallow", "")) {
        const size_t have = strlen(t.big);
        snprintf(t.big + have, sizeof(t.big) - have, "%llu@%llu ",
                 (unsigned long long)n, (unsigned long long)offset);
        return (int64_t)n;
    }
    return hit("write", kind_of(fd)) ? with("write")
                                     : REAL->write(u, fd, buf, n, offset);
}

// Notes a step, and on what.
static void step(const char *what, const char *name)
{
    const size_t n = strlen(t.steps);
    snprintf(t.steps + n, sizeof(t.steps) - n, "%s:%s ", what, name);
}

static int bad_close(void *u, int fd)
{
    const char *kind = kind_of(fd);
    const int r = REAL->close(u, fd);
    return hit("close", kind) ? with("close") : r;
}

static int bad_sync(void *u, int fd)
{
    struct stat st;
    step("sync", kind_of(fd));
    t.root_syncs += fstat(fd, &st) == 0 && st.st_ino == t.root;
    return hit("sync", kind_of(fd)) ? with("sync") : REAL->sync(u, fd);
}

static int bad_stat(void *u, int fd, ckpt_fs_stat *st)
{
    const int r = REAL->stat(u, fd, st);
    if (hit("shrink", kind_of(fd))) {
        st->size--;
    }
    if (hit("stat", kind_of(fd))) {
        memset(st, 0, sizeof(*st));
        return with("stat");
    }
    return r;
}

static int bad_stat_at(void *u, int dir, const char *name, ckpt_fs_stat *st)
{
    const int r = REAL->stat_at(u, dir, name, st);
    if (r >= 0 && t.alter != NULL) {
        t.alter(st);
    }
    return hit("stat_at", name) ? with("stat_at") : r;
}

static int bad_mkdir(void *u, int dir, const char *name)
{
    return hit("mkdir", name) ? with("mkdir") : REAL->mkdir(u, dir, name);
}

static int bad_rmdir(void *u, int dir, const char *name)
{
    return hit("rmdir", name) ? with("rmdir") : REAL->rmdir(u, dir, name);
}

static int bad_unlink(void *u, int dir, const char *name)
{
    const size_t n = strlen(t.order);
    snprintf(t.order + n, sizeof(t.order) - n, "%s ", name);
    return hit("unlink", name) ? with("unlink") : REAL->unlink(u, dir, name);
}

static int bad_rename(void *u, int dir, const char *from, int to_dir,
                      const char *to)
{
    if (!hit("rename", to)) {
        return REAL->rename(u, dir, from, to_dir, to);
    }
    if (t.fault[0].done) {
        CHECK_INT(REAL->rename(u, dir, from, to_dir, to), 0);
    }
    return with("rename");
}

static int bad_link(void *u, int dir, const char *from, int to_dir,
                    const char *to)
{
    step("link", to);
    return hit("link", to) ? with("link")
                           : REAL->link(u, dir, from, to_dir, to);
}

static int bad_lock(void *u, int fd, bool exclusive)
{
    step("lock", exclusive ? "all" : "shared");
    return hit("lock", "") ? with("lock") : REAL->lock(u, fd, exclusive);
}

static int bad_unlock(void *u, int fd)
{
    step("lock", "none");
    return REAL->unlock(u, fd);
}

static int bad_chmod(void *u, int fd, uint32_t mode)
{
    return hit("chmod", "") ? with("chmod") : REAL->chmod(u, fd, mode);
}

static int bad_touch(void *u, int fd)
{
    return hit("touch", "") ? with("touch") : REAL->touch(u, fd);
}

static int bad_dir_open(void *u, int dir, void **walk)
{
    const bool fails = hit("dir_open", "") && with("dir_open") != 0;
    return fails ? with("dir_open") : REAL->dir_open(u, dir, walk);
}

// A listing may miss a name to which another file is being renamed.
static int bad_dir_next(void *u, void *walk, char name[256])
{
    int r;
    do {
        r = REAL->dir_next(u, walk, name);
    } while (r == 1 && hit("hide", name));
    return r;
}

static void plant_late(void);

static void bad_dir_close(void *u, void *walk)
{
    REAL->dir_close(u, walk);
    if (t.late > 0) {
        t.late--;
        plant_late();
    }
}

static int bad_local(void *u, int fd)
{
    return hit("local", "") ? with("local") : REAL->local(u, fd);
}

// These tests are of the way by rename.
static int no_exchange(void *u, int fd)
{
    (void)u, (void)fd;
    return 0;
}

static int bad_self(void *u, ckpt_fs_self *self)
{
    const int r = REAL->self(u, self);
    if (t.self.host[0] != '\0') {
        *self = t.self;
    }
    return t.self_fails < 0 ? t.self_fails : r;
}

static int bad_gone(void *u, int64_t pid, uint64_t start)
{
    return t.gone != 0 ? t.gone * (t.gone > 0) : REAL->gone(u, pid, start);
}

static int64_t bad_pid(void *u)
{
    return REAL->pid(u) + t.pids;
}

// From now on calls with names that begin so go wrong: after some that go
// well, so many times.
static void plan(const char *call, const char *name, int result, unsigned skip,
                 unsigned times)
{
    memset(t.fault, 0, sizeof(t.fault));
    t.fault[0] = (fault){ call, name, result, skip, times, 0, false, NULL };
}

static void no_plan(void)
{
    memset(t.fault, 0, sizeof(t.fault));
}

static ckpt_code open_store(ckpt_store_fs_liveness liveness)
{
    return ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
        .dir = t.runs, .liveness = liveness, .calls = &t.calls }, &t.err);
}

// An empty directory for the test, and a store in it that is not open yet.
static bool setup_closed(void)
{
    memset(&t, 0, sizeof(t));
    t.fs.priv.root = -1;
    t.fs.priv.calls = REAL;
    t.calls = (ckpt_fs_calls){
        bad_open, bad_close, bad_read, bad_write, bad_sync, bad_sync, bad_stat,
        bad_stat, bad_stat_at, bad_mkdir, bad_rmdir, bad_unlink, bad_rename,
        bad_link, REAL->exchange, bad_lock, bad_unlock, bad_touch, bad_chmod,
        bad_dir_open, bad_dir_next, bad_dir_close, bad_local, no_exchange,
        bad_self, bad_gone, bad_pid, REAL->clock, REAL->random, NULL
    };
    if (!CHECK(temp_dir_make(t.dir, sizeof(t.dir), "fs"))) {
        return false;
    }
    snprintf(t.runs, sizeof(t.runs), "%s/runs", t.dir);
    return true;
}

static bool setup(ckpt_store_fs_liveness liveness)
{
    return setup_closed() && CHECK_INT(open_store(liveness), CKPT_OK) &&
           CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
               .store = &t.fs.base, .throttle_ms = CKPT_OFF,
               .beat_ms = CKPT_OFF, .resume_max = CKPT_UNLIMITED }), CKPT_OK);
}

static void teardown(void)
{
    no_plan();
    t.alter = NULL;
    t.pids = 0;
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&t.fs);
    (void)temp_dir_remove(t.dir);
}

static ckpt_code start(const char *id)
{
    const ckpt_code rc = ckpt_start(&t.ctx, &t.run,
                                    &(ckpt_run_desc){ .id = id });
    t.err = *ckpt_last_error(&t.ctx);
    return rc;
}

static ckpt_code resume_job(void)
{
    return ckpt_resume(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "job" });
}

static ckpt_code save(unsigned n)
{
    char state[32];
    snprintf(state, sizeof(state), "{\"n\":%u}", n);
    const ckpt_code rc = ckpt_save(&t.run, &(ckpt_save_desc){
        .anew = true, .turn = n, .state = ckpt_text(state) });
    t.err = t.run.error;
    return rc;
}

// A store with a run "job" whose first save is done, and which is held.
static bool begin(ckpt_store_fs_liveness liveness)
{
    return setup(liveness) && CHECK_INT(start("job"), CKPT_OK) &&
           CHECK_INT(save(1), CKPT_OK);
}

// The run "job" is let go, resumed, and says n.
static void check_holds(unsigned n)
{
    static char buf[4096];
    ckpt_checkpoint last;
    char wanted[32];
    no_plan();
    ckpt_abandon(&t.run);
    snprintf(wanted, sizeof(wanted), "{\"n\":%u}", n);
    if (CHECK_INT(resume_job(), CKPT_OK) &&
        CHECK_INT(ckpt_load(&t.run, &last, buf, sizeof(buf)), CKPT_OK) &&
        CHECK_INT(last.state.len, strlen(wanted))) {
        CHECK(memcmp(last.state.ptr, wanted, strlen(wanted)) == 0);
    }
}

static void path_of(char out[600], const char *name)
{
    snprintf(out, 600, "%s/%s", t.runs, name);
}

static bool is_there(const char *name)
{
    char path[600];
    struct stat st;
    path_of(path, name);
    return lstat(path, &st) == 0;
}

static ino_t ino_of(const char *name)
{
    char path[600];
    struct stat st;
    path_of(path, name);
    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

// Writes a file of the store from outside.
static void plant(const char *name, const char *text)
{
    char path[600];
    path_of(path, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (CHECK(fd >= 0)) {
        CHECK_INT(write(fd, text, strlen(text)), strlen(text));
        close(fd);
    }
}

static void remove_at(const char *name)
{
    char path[600];
    path_of(path, name);
    CHECK_INT(unlink(path), 0);
}

static bool copy_file(const char *from, const char *to)
{
    char buf[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n = 0;
    if (in != NULL && out != NULL) {
        n = fread(buf, 1, sizeof(buf), in);
        n = fwrite(buf, 1, n, out);
    }
    (void)(in != NULL && fclose(in));
    return out != NULL && fclose(out) == 0 && n > 0;
}

static void plant_dir(const char *name)
{
    char path[600];
    path_of(path, name);
    CHECK_INT(mkdir(path, 0700), 0);
}

// How many names in a directory of the store begin so.
static unsigned names(const char *dir, const char *prefix)
{
    char path[600];
    unsigned n = 0;
    struct dirent *e;
    path_of(path, dir);
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

//--- The methods of the store -------------------------------------------------

static ckpt_code place(unsigned p, const char *id, ckpt_how how)
{
    memset(t.place[p], 0, sizeof(t.place[p]));
    memset(&t.err, 0, sizeof(t.err));
    const ckpt_code rc = M->open(&t.fs.base, t.place[p], id, how, &t.err);
    t.open[p] = rc == CKPT_OK;
    return rc;
}

static void place_close(unsigned p)
{
    if (t.open[p]) {
        M->close(&t.fs.base, t.place[p], false);
    }
    t.open[p] = false;
}

static ckpt_code claim_as(unsigned p, uint64_t epoch, const char *owner)
{
    return M->claim(&t.fs.base, t.place[p], epoch, owner, t.nonce, &t.err);
}

static ckpt_code claim(unsigned p, uint64_t epoch)
{
    return claim_as(p, epoch, "tester");
}

static ckpt_code beat(unsigned p, uint64_t acked)
{
    return M->beat(&t.fs.base, t.place[p], acked, &t.err);
}

static ckpt_code look(unsigned p)
{
    return M->look(&t.fs.base, t.place[p], CKPT_TURN_MAX, &t.look, &t.err);
}

static ckpt_code alive(unsigned p, uint64_t epoch)
{
    t.life.now_ms = 0;
    return M->alive(&t.fs.base, t.place[p], epoch, &t.life, &t.err);
}

// As a place of its own sees it.
static ckpt_code alive_of(const char *id, uint64_t epoch)
{
    ckpt_code rc = place(1, id, CKPT_HOW_FIND);
    rc = rc == CKPT_OK ? alive(1, epoch) : rc;
    place_close(1);
    return rc;
}

static ckpt_code put(unsigned p, const void *bytes, uint64_t size)
{
    ckpt_part part;
    memset(&part, 0, sizeof(part));
    part.bytes = bytes;
    part.size = size;
    return M->put(&t.fs.base, t.place[p], NULL, &part, &t.err);
}

static ckpt_code drop(unsigned p, const ckpt_gen *gen, ckpt_extent extent)
{
    return M->drop(&t.fs.base, t.place[p], gen, extent, &t.err);
}

static ckpt_code set_aside(unsigned p, const ckpt_gen *gen)
{
    return M->set_aside(&t.fs.base, t.place[p], gen, &t.err);
}

// A run "job" that was let go, claimed again by place 0, which has looked.
static bool begin_claimed_by(ckpt_store_fs_liveness liveness)
{
    const bool begun = begin(liveness);
    ckpt_abandon(&t.run);
    return begun && CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK) &&
           CHECK_INT(claim(0, 2), CKPT_OK);
}

static bool begin_claimed(void)
{
    return begin_claimed_by(CKPT_STORE_FS_AUTO) &&
           CHECK_INT(look(0), CKPT_OK) &&
           CHECK_INT(t.look.count, 2);          // that of the start, too
}

static void end_claimed(void)
{
    no_plan();
    place_close(0);
    teardown();
}

//--- A system that refuses ----------------------------------------------------

// Calls what in a thread for which the kernel refuses some system calls, and
// no other; it is over with the thread. False where that cannot be had.
static struct {
    const int *numbers;
    unsigned   count;
    int        error;
    void     (*what)(void);
    bool       refused;
} sandbox;

#if defined(__linux__) && defined(PR_SET_NO_NEW_PRIVS) && \
    defined(SECCOMP_MODE_FILTER)

static const int opens[] = {
    SYS_openat,
#ifdef SYS_open
    SYS_open,
#endif
};
static const int reads[] = { SYS_read };
static const int kills[] = { SYS_kill };
static const int randoms[] = { SYS_getrandom };
static const int randoms_and_reads[] = { SYS_getrandom, SYS_read };
static const int randoms_and_opens[] = {
    SYS_getrandom, SYS_openat,
#ifdef SYS_open
    SYS_open,
#endif
};
static const int fcntls[] = {
    SYS_fcntl,
#ifdef SYS_fcntl64
    SYS_fcntl64,
#endif
};
static const int names_and_stats[] = {
    SYS_uname,
#ifdef SYS_stat
    SYS_stat,
#endif
#ifdef SYS_stat64
    SYS_stat64,
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_fstatat64
    SYS_fstatat64,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
};

static struct sock_filter bpf(unsigned code, unsigned k, unsigned jump)
{
    struct sock_filter f;
    memset(&f, 0, sizeof(f));
    f.code = (uint16_t)code;
    f.k = k;
    f.jt = (uint8_t)jump;
    return f;
}

static void *refuse(void *u)
{
    struct sock_filter code[16];
    struct sock_fprog prog;
    unsigned n = 0;
    code[n++] = bpf(BPF_LD | BPF_W | BPF_ABS,
                    offsetof(struct seccomp_data, nr), 0);
    for (unsigned i = 0; i < sandbox.count; i++) {
        code[n++] = bpf(BPF_JMP | BPF_JEQ | BPF_K,
                        (unsigned)sandbox.numbers[i], sandbox.count - i);
    }
    code[n++] = bpf(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
    code[n++] = bpf(BPF_RET | BPF_K,
                    SECCOMP_RET_ERRNO | (unsigned)sandbox.error, 0);
    prog.len = (unsigned short)n;
    prog.filter = code;
    sandbox.refused = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
    if (sandbox.refused) {
        sandbox.what();
    }
    return u;
}

static bool refusing_these(const int *numbers, size_t count, int error,
                           void (*what)(void))
{
    const char *preload = getenv("LD_PRELOAD");
    pthread_t thread;
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        return false;           // valgrind calls the kernel from this thread
    }
    sandbox.numbers = numbers;
    sandbox.count = (unsigned)count;
    sandbox.error = error;
    sandbox.what = what;
    sandbox.refused = false;
    if (CHECK_INT(pthread_create(&thread, NULL, refuse, NULL), 0)) {
        CHECK_INT(pthread_join(thread, NULL), 0);
    }
    return sandbox.refused;
}

    #define REFUSING(these, error, what)                                       \
        refusing_these(these, sizeof(these) / sizeof(these[0]), error, what)
#else
    #define REFUSING(these, error, what) ((void)(what), false)
#endif

#define NO_SANDBOX "system calls cannot be refused here"

// What is asked for in the sandbox, and its answers.
static struct {
    int          r, fd;
    ckpt_fs_self self;
    uint8_t      bytes[16];
} asked;

static void ask_self(void)
{
    asked.r = REAL->self(NULL, &asked.self);
}

// Alive, and its start time another one than that which was noted.
static void ask_gone(void)
{
    asked.r = REAL->gone(NULL, (int64_t)getpid(), 4711);
}

static void ask_start(void)
{
    ask_self();
    asked.r = REAL->gone(NULL, asked.self.pid, asked.self.start);
}

static void ask_random(void)
{
    memset(asked.bytes, 0, sizeof(asked.bytes));
    asked.r = REAL->random(NULL, asked.bytes, sizeof(asked.bytes));
}

static void ask_walk(void)
{
    void *walk = NULL;
    asked.r = REAL->dir_open(NULL, asked.fd, &walk);
}

static void a_descriptor_that_is_closed_says_so(void)
{
    char byte = 0;
    void *walk = NULL;
    ckpt_fs_stat st;
    CHECK_INT(REAL->read(NULL, INT_MAX, &byte, 1, 0), -EBADF);
    CHECK_INT(REAL->write(NULL, INT_MAX, &byte, 1, 0), -EBADF);
    CHECK_INT(REAL->stat(NULL, INT_MAX, &st), -EBADF);
    CHECK_INT(REAL->sync(NULL, INT_MAX), -EBADF);
    CHECK_INT(REAL->dir_open(NULL, INT_MAX, &walk), -EBADF);
#if defined(__linux__) || defined(__APPLE__) || defined(__FreeBSD__)
    CHECK_INT(REAL->local(NULL, INT_MAX), -EBADF);
#endif
}

static void locks_are_known_by_the_file_system(void)
{
#ifdef __linux__
    struct statfs fs;
    const int shm = open("/dev/shm", O_RDONLY), proc = open("/proc", O_RDONLY);
    if (shm < 0 || proc < 0 || fstatfs(shm, &fs) != 0 ||
        (uint32_t)fs.f_type != 0x01021994) {
        (void)(shm >= 0 && close(shm));
        (void)(proc >= 0 && close(proc));
        TEST_SKIP("needs a tmpfs and a proc");
    }
    CHECK_INT(REAL->local(NULL, shm), 2);
    CHECK_INT(REAL->local(NULL, proc), 0);      // nothing to be sure of
    close(shm);
    close(proc);
#else
    TEST_SKIP("no table of file systems here");
#endif
}

static void no_process_has_a_number_below_one(void)
{
    // for kill() they are groups of processes
    CHECK_INT(REAL->gone(NULL, 0, 4711), 0);
    CHECK_INT(REAL->gone(NULL, -1, 4711), 0);
}

static void a_process_that_may_not_be_signalled_is_not_gone(void)
{
    if (!REFUSING(kills, EPERM, ask_start)) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK_INT(asked.r, 0);
    // what it says without a lie to it
    CHECK_INT(REAL->gone(NULL, asked.self.pid, asked.self.start), 0);
}

static void ask_open(void)
{
    asked.r = REAL->open(NULL, -1, "/", CKPT_FS_DIR);
}

// NFS, where another machine has removed what is open here.
static void a_stale_handle_is_a_name_that_is_gone(void)
{
    if (!REFUSING(opens, ESTALE, ask_open)) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK_INT(asked.r, -ENOENT);
    CHECK(REFUSING(opens, EIO, ask_open));
    CHECK_INT(asked.r, -EIO);
}

static void check_knows_little(void)
{
    CHECK_INT(asked.r, 0);
    CHECK_INT(asked.self.pid, getpid());
    CHECK_STR(asked.self.boot, "");
    CHECK_INT(asked.self.start, 0);
}

static void without_proc_less_is_known_and_nobody_is_gone(void)
{
    if (!REFUSING(opens, ENOENT, ask_self)) {
        TEST_SKIP(NO_SANDBOX);
    }
    check_knows_little();
    CHECK(REFUSING(opens, ENOENT, ask_gone));
    CHECK_INT(asked.r, 0);
}

static void a_proc_that_cannot_be_read_is_none(void)
{
    if (!REFUSING(reads, EIO, ask_self)) {
        TEST_SKIP(NO_SANDBOX);
    }
    check_knows_little();
    CHECK(REFUSING(reads, EIO, ask_gone));
    CHECK_INT(asked.r, 0);
}

static void without_a_host_name_or_a_namespace_there_is_still_a_self(void)
{
    if (!REFUSING(names_and_stats, EACCES, ask_self)) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK_INT(asked.r, 0);
    CHECK_STR(asked.self.host, "");
    CHECK_INT(asked.self.pid_ns, 0);
    CHECK_INT(asked.self.pid, getpid());
}

static void without_getrandom_there_is_a_device(void)
{
    uint8_t first[16];
    if (!REFUSING(randoms, ENOSYS, ask_random)) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK_INT(asked.r, 0);
    memcpy(first, asked.bytes, sizeof(first));
    CHECK(REFUSING(randoms, ENOSYS, ask_random));
    CHECK_INT(asked.r, 0);
    CHECK(memcmp(first, asked.bytes, sizeof(first)) != 0);
}

static void without_random_bytes_nothing_is_begun(void)
{
    if (!REFUSING(randoms_and_opens, EACCES, ask_random)) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK_INT(asked.r, -EACCES);
    CHECK(REFUSING(randoms_and_reads, EAGAIN, ask_random));
    CHECK_INT(asked.r, -EIO);
}

static void a_directory_that_cannot_be_walked_says_why(void)
{
    asked.fd = open("/", O_RDONLY);
    const unsigned fds = open_descriptors();
    const bool refused = REFUSING(fcntls, ENOMEM, ask_walk);
    CHECK_INT(open_descriptors(), fds);
    close(asked.fd);
    if (!refused) {
        TEST_SKIP(NO_SANDBOX);
    }
    CHECK(asked.r < 0);
}

//--- Writing ------------------------------------------------------------------

static void a_file_that_may_not_grow_is_no_space(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("write", "", -EFBIG, 0, 1);
        CHECK_INT(save(2), CKPT_ERR_NO_SPACE);
        CHECK_INT(t.err.sys, EFBIG);
        CHECK_INT(names("r-job", ".t."), 0);
        CHECK_INT(save(3), CKPT_OK);
        check_holds(3);
    }
    teardown();
}

static void a_write_that_takes_nothing_is_tried_again_once(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("write", "", 0, 0, 1);
        CHECK_INT(save(2), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        plan("write", "", 0, 0, 99);
        CHECK_INT(save(3), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, EIO);
        CHECK_INT(t.fault[0].hits, 2);
        check_holds(2);
    }
    teardown();
}

static void a_large_piece_is_written_by_the_gibibyte(void)
{
    const size_t size = ((size_t)1 << 30) + 5;
    // never touched: there is no such memory
    void *bytes = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                       0);
    if (bytes == MAP_FAILED) {
        TEST_SKIP("no room for so many addresses");
    }
    if (begin_claimed()) {
        plan("swallow", "", 0, 0, 9);
        CHECK_INT(put(0, bytes, size), CKPT_OK);
        CHECK_STR(t.big, "1073741824@0 5@1073741824 ");
    }
    end_claimed();
    CHECK_INT(munmap(bytes, size), 0);
}

static void a_directory_whose_sync_failed_is_opened_again(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("sync", "dir", -EIO, 0, 1);
        CHECK_INT(save(2), CKPT_ERR_NOT_DURABLE);
        CHECK_INT(t.err.sys, EIO);
        plan("open", ".", -EMFILE, 0, 1);
        CHECK_INT(save(3), CKPT_ERR_NOT_DURABLE);
        CHECK_INT(t.err.sys, EMFILE);
        plan("open", ".", -EMFILE, 1, 1);       // once, and not any more
        CHECK_INT(save(4), CKPT_OK);
        CHECK_INT(t.fault[0].skip, 0);
        CHECK_INT(save(5), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 0);
        check_holds(5);
    }
    teardown();
}

static void a_file_that_is_shorter_than_what_was_written_is_no_save(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("shrink", "temp", 0, 0, 1);
        CHECK_INT(save(2), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, EIO);
        CHECK_INT(names("r-job", ".t."), 0);
        check_holds(1);
    }
    teardown();
}

//--- Names --------------------------------------------------------------------

static void a_name_of_a_longer_id_is_nobodys(void)
{
    char id[CKPT_ID_MAX + 2], back[CKPT_ID_MAX + 1], name[256];
    memset(id, 'A', sizeof(id));
    id[CKPT_ID_MAX] = '\0';
    ckpt_store_fs_name(id, name);
    CHECK(name[0] == 'b' && ckpt_store_fs_id(name, back));
    CHECK_STR(back, id);
    id[CKPT_ID_MAX] = 'A';
    id[CKPT_ID_MAX + 1] = '\0';
    ckpt_store_fs_name(id, name);
    CHECK(!ckpt_store_fs_id(name, back));
}

static void what_is_not_the_stores_stays_in_a_finished_run(void)
{
    static const char *const other[] = {
        "r-job/.t.", "r-job/.t.x.a", "r-job/.t.0.a", "r-job/.t.1",
        "r-job/.t.01.a", "r-job/heartbeat.01", "r-job/heartbeat.1x",
        "r-job/heartbeat.", "r-job/checkpoint.x.json",
        "r-job/checkpoint.1.txt", "r-job/checkpoint.1", "r-job/notes"
    };
    const size_t n = sizeof(other) / sizeof(other[0]);
    if (begin(CKPT_STORE_FS_AUTO)) {
        for (size_t i = 0; i < n; i++) {
            plant(other[i], "mine");
        }
        CHECK_INT(save(2), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        for (size_t i = 0; i < n; i++) {
            CHECK(is_there(other[i]));
        }
        CHECK_INT(names("r-job", ""), n + 2);   // and "." and ".."
    }
    teardown();
}

static void plant_late(void)
{
    char name[64];
    snprintf(name, sizeof(name), "r-job/.t.1.late%u", t.late);
    plant(name, "by a paused owner");
}

// A paused owner must find its claim gone before it can bring a file back: so
// the claims below go first, then what is being written, and the own claim,
// which keeps others out, last.
static void a_finish_removes_in_the_order_that_is_safe(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("unlink", "", -EIO, 0, 99);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
        no_plan();
        ckpt_abandon(&t.run);
        plant("r-job/.t.1.abc", "half a checkpoint");
        t.order[0] = '\0';
        CHECK_INT(resume_job(), CKPT_FINISHED);
        const char *claim = strstr(t.order, "heartbeat.1 ");
        const char *temp = strstr(t.order, ".t.1.abc ");
        const char *gen = strstr(t.order, "checkpoint.");
        const char *own = strstr(t.order, "heartbeat.2 ");
        CHECK(claim != NULL && temp != NULL && gen != NULL && own != NULL);
        CHECK(claim < temp && temp < gen && gen < own);
        CHECK(own != NULL && strstr(own, "checkpoint.") == NULL);
        CHECK(!is_there("r-job"));
    }
    teardown();
}

static void what_appears_while_a_run_is_removed_is_removed_too(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        CHECK_INT(save(2), CKPT_OK);
        t.late = 6;                             // more walks than are needed
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK(!is_there("r-job"));
        CHECK(t.late < 6);
    }
    teardown();
}

static void a_name_that_is_taken_is_drawn_again(void)
{
    if (setup(CKPT_STORE_FS_AUTO)) {
        plan("mkdir", ".new-", -EEXIST, 0, 7);
        CHECK_INT(start("job"), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 7);
        plan("create", ".t.1.", -EEXIST, 0, 7);
        CHECK_INT(save(1), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 7);
        plan("create", ".t.1.", -EEXIST, 0, 99);
        CHECK_INT(save(2), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, EEXIST);
        CHECK_INT(t.fault[0].hits, 8);
        check_holds(1);
        ckpt_abandon(&t.run);
        plan("mkdir", ".new-", -EEXIST, 0, 99);
        CHECK_INT(start("other"), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, EEXIST);
        CHECK_INT(t.fault[0].hits, 8);
    }
    teardown();
}

static void sweep_aside(const char *name)
{
    char path[600];
    path_of(path, name);
    CHECK_INT(rmdir(path), 0);
}

// Another observer has moved the directory away already.
static void what_stands_for_the_probe_may_be_gone_before_it_is_moved(void)
{
    ckpt_run_info info;
    if (setup(CKPT_STORE_FS_AUTO)) {
        char probe[512];
        snprintf(probe, sizeof(probe), "%.400s/.probe", t.runs);
        CHECK_INT(start("job"), CKPT_OK);
        (void)unlink(probe);
        CHECK(mkdir(probe, 0700) == 0);
        plan("rename", ".lost-", -ENOENT, 0, 1);
        CHECK_INT(ckpt_query(&t.ctx, "job", &info), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(ckpt_query(&t.ctx, "job", &info), CKPT_OK);
        CHECK_INT(info.state, CKPT_STATE_LIVE);
    }
    teardown();
}

// A sweeper takes the directory before its maker has opened it.
static void a_run_that_is_swept_while_it_is_made_is_made_anew(void)
{
    if (setup(CKPT_STORE_FS_AUTO)) {
        plan("open", ".new-", -ENOENT, 0, 1);
        t.fault[0].race = sweep_aside;
        CHECK_INT(start("job"), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(names("", ".new-"), 0);
        plan("open", ".new-", -ENOENT, 0, 99);
        t.fault[0].race = sweep_aside;
        ckpt_abandon(&t.run);
        CHECK_INT(start("other"), CKPT_ERR_IO); // it does not go on for ever
        CHECK_INT(t.fault[0].hits, 8);
    }
    teardown();
}

static void a_directory_with_too_long_a_name_is_not_made(void)
{
    static char name[8192];
    if (setup_closed()) {
        size_t n = (size_t)snprintf(name, sizeof(name), "%s", t.dir);
        while (n < 4094) {
            n += (size_t)snprintf(name + n, sizeof(name) - n, "/.");
        }
        memcpy(name + n - 5, "/runs", 6);
        CHECK_INT(ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
                      .dir = name }, &t.err), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, ENAMETOOLONG);
        CHECK(!is_there("."));
        plant_dir("");                          // nor opened, if it is there
        CHECK_INT(ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
                      .dir = name }, &t.err), CKPT_ERR_IO);
    }
    teardown();
}

//--- Opening ------------------------------------------------------------------

static void a_parent_matters_where_it_could_lose_the_directory(void)
{
    static const struct { const char *call; int with; ckpt_code code; } c[] = {
        { "open", -EACCES, CKPT_OK },           // somebody else's care
        { "sync", -EINVAL, CKPT_OK },           // it has nothing to sync
        { "sync", -EIO, CKPT_ERR_IO },
        { "sync", -ENOSPC, CKPT_ERR_NO_SPACE }
    };
    if (setup(CKPT_STORE_FS_AUTO)) {
        for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
            ckpt_store_fs_close(&t.fs);
            plan(c[i].call, "", c[i].with, i == 0, 1);  // it is opened second
            CHECK_INT(open_store(CKPT_STORE_FS_AUTO), c[i].code);
            CHECK_INT(t.fault[0].hits, 1);
        }
    }
    teardown();
}

static void locks_are_used_where_they_work(void)
{
    for (int local = 0; local <= 1; local++) {
        if (setup_closed()) {
            plan("local", "", local, 0, 9);
            CHECK_INT(open_store(CKPT_STORE_FS_AUTO), CKPT_OK);
            CHECK_INT(t.fs.priv.locks, local);
            ckpt_store_fs_close(&t.fs);
            CHECK_INT(open_store(CKPT_STORE_FS_AGE), CKPT_OK);
            CHECK_INT(t.fs.priv.locks, 0);
            ckpt_store_fs_close(&t.fs);
            CHECK_INT(open_store(CKPT_STORE_FS_LOCKS),
                      local != 0 ? CKPT_OK : CKPT_ERR_ARGUMENT);
        }
        teardown();
    }
}

//--- Places and looks ---------------------------------------------------------

static void only_what_was_listed_is_a_leftover(void)
{
    char name[64] = ".new-";
    memset(name + 5, 'a', 40);
    if (begin(CKPT_STORE_FS_AUTO)) {
        plant_dir(name);
        const unsigned fds = open_descriptors();
        CHECK_INT(place(0, name, CKPT_HOW_LEFTOVER), CKPT_ERR_ARGUMENT);
        CHECK_INT(place(0, "r-job", CKPT_HOW_LEFTOVER), CKPT_ERR_ARGUMENT);
        CHECK_INT(open_descriptors(), fds);
        CHECK(is_there(name));
    }
    teardown();
}

static void make_old(const char *name)
{
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    char path[600];
    path_of(path, name);
    CHECK_INT(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void a_leftover_that_cannot_be_looked_at_is_not_swept(void)
{
    uint32_t n = 9;
    if (setup(CKPT_STORE_FS_AUTO)) {
        plant_dir(".new-abc");                  // its maker may still be there
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &n), CKPT_OK);
        CHECK_INT(n, 0);
        plan("stat", "dir", -EIO, 2, 1);        // after those of the opening
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &n), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(n, 0);
        CHECK(is_there(".new-abc"));
        no_plan();
        make_old(".new-abc");
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &n), CKPT_OK);
        CHECK_INT(n, 1);
        CHECK(!is_there(".new-abc"));
    }
    teardown();
}

static void a_leftover_that_has_been_shown_is_left_alone(void)
{
    char from[600], to[600];
    if (setup(CKPT_STORE_FS_AUTO)) {
        plant_dir(".new-abc");
        path_of(from, ".new-abc");
        path_of(to, "r-job");
        CHECK_INT(place(0, ".new-abc", CKPT_HOW_LEFTOVER), CKPT_OK);
        CHECK_INT(claim(0, 1), CKPT_OK);
        CHECK_INT(rename(from, to), 0);
        plant_dir(".new-abc");                  // another one by now
        CHECK_INT(drop(0, NULL, CKPT_DROP_ALL), CKPT_OK);
        CHECK(is_there(".new-abc"));
        CHECK(is_there("r-job/heartbeat.1"));
        place_close(0);
    }
    teardown();
}

static void a_run_that_was_removed_while_it_is_held_is_empty(void)
{
    char path[600];
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        path_of(path, "r-job");
        (void)temp_dir_remove(path);
        for (unsigned refused = 0; refused < 2; refused++) {
            plan("dir_open", "", -ENOENT, 0, refused);  // systems differ
            CHECK_INT(look(0), CKPT_OK);
            CHECK_INT(t.look.epoch, 0);
            CHECK_INT(t.look.count, 0);
        }
        CHECK_INT(claim(0, 2), CKPT_ERR_STALE);
        place_close(0);
    }
    teardown();
}

static void a_look_over_a_gap_of_epochs_ends(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plant("r-job/heartbeat.9007199254740991", "");
        plant("r-job/checkpoint.1000000000.json", "x");
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        t.looks = 0;
        CHECK_INT(look(0), CKPT_OK);
        CHECK(t.looks <= 6 * (CKPT_CLAIMS_MAX + 3));
        CHECK(t.look.epoch == CKPT_TURN_MAX);
        CHECK_INT(t.look.count, 1);             // too far from the others
        CHECK_INT(t.look.gens[0].epoch, 1000000000);
        place_close(0);
    }
    teardown();
}

static void a_look_ends_at_the_lowest_name_that_is_listed(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        remove_at("r-job/heartbeat.1");
        remove_at("r-job/checkpoint.1.json");
        remove_at("r-job/checkpoint.1.prev.json");
        plant("r-job/heartbeat.5000", "");      // lowest, and has none
        plant("r-job/heartbeat.5001", "");
        plant("r-job/checkpoint.5001.json", "x");
        plant("r-job/checkpoint.5001.prev.json", "y");
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        t.looks = 0;
        CHECK_INT(look(0), CKPT_OK);
        CHECK_INT(t.looks, 6);                  // three of each epoch
        CHECK_INT(t.look.epoch, 5001);
        CHECK_INT(t.look.count, 2);
        place_close(0);
    }
    teardown();
}

// On a full disk an owner above removes the claim and keeps the generation.
static void the_only_generation_is_found_though_a_listing_missed_it(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        remove_at("r-job/heartbeat.1");
        remove_at("r-job/checkpoint.1.prev.json");
        plant("r-job/heartbeat.2", "");
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        plan("hide", "checkpoint.1.json", 0, 0, 1);
        CHECK_INT(look(0), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(t.look.epoch, 2);
        CHECK_INT(t.look.count, 1);
        CHECK_INT(t.look.gens[0].epoch, 1);
        place_close(0);
    }
    teardown();
}

static void a_place_can_be_looked_at_quickly_twice(void)
{
    if (!begin_claimed()) {
        return;
    }
    t.calls.names = ckpt_store_fs_calls()->names;
    CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        memset(&t.look, 0, sizeof(t.look));
        CHECK_INT(M->look(&t.fs.base, t.place[1], CKPT_LOOK_QUICK, &t.look,
                          &t.err), CKPT_OK);
        CHECK(t.look.epoch == 2 && t.look.gens[0].epoch == 1);
        CHECK_INT(t.look.count, 2);
    }
    place_close(1);
    end_claimed();
}

static void another_process_can_do_nothing_with_a_place(void)
{
    ckpt_moment now;
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        CHECK_INT(put(0, "x", 1), CKPT_OK);
        t.pids = 1;
        CHECK_INT(look(0), CKPT_ERR_FORKED);
        CHECK_INT(beat(0, 0), CKPT_ERR_FORKED);
        CHECK_INT(beat(0, 4711), CKPT_ERR_FORKED);
        CHECK_INT(put(0, "y", 1), CKPT_ERR_FORKED);
        CHECK_INT(drop(0, &gen, CKPT_DROP_OLDER), CKPT_ERR_FORKED);
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_FORKED);
        CHECK_INT(drop(0, &gen, CKPT_DROP_ALL), CKPT_ERR_FORKED);
        CHECK_INT(set_aside(0, &gen), CKPT_ERR_FORKED);
        CHECK_INT(M->env(&t.fs.base, t.place[0], &now, &t.err),
                  CKPT_ERR_FORKED);
        CHECK_INT(alive(0, 2), CKPT_OK);
        M->close(&t.fs.base, t.place[0], true); // its parent did not give up
        t.open[0] = false;
        CHECK_INT(alive_of("job", 2), CKPT_OK);
        CHECK(!t.life.gave_up && t.life.acked == 0);
        CHECK_INT(names("r-job", ".t.2."), 1);  // the owner's to remove
        CHECK(is_there("r-job/heartbeat.2"));
        CHECK(is_there("r-job/checkpoint.1.json"));
        t.pids = 0;
        CHECK_INT(place(0, "new", CKPT_HOW_NEW), CKPT_OK);
        CHECK_INT(names("", ".new-"), 1);
        t.pids = 1;
        place_close(0);
        CHECK_INT(names("", ".new-"), 1);       // its maker may go on
    }
    teardown();
}

//--- Claims -------------------------------------------------------------------

static void an_owner_is_cut_between_characters(void)
{
    char owner[100], shown[100];
    for (unsigned n = 78; n <= 79; n++) {
        memset(owner, 'a', n);
        memcpy(owner + n, "\xc3\xa9zz", 5);
        snprintf(shown, sizeof(shown), "%.*s (", n == 78 ? 80 : 79, owner);
        if (begin_claimed()) {
            CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
            CHECK_INT(claim_as(1, 3, owner), CKPT_OK);
            CHECK_INT(alive(0, 3), CKPT_OK);
            CHECK(strncmp(t.life.owner, shown, strlen(shown)) == 0);
            place_close(1);
        }
        end_claimed();
    }
}

static void a_claim_that_does_not_fit_is_refused(void)
{
    char owner[100];
    if (begin_claimed()) {
        memset(&t.self, 0, sizeof(t.self));
        memset(t.self.host, 1, sizeof(t.self.host) - 1);    // six bytes each
        memset(t.self.boot, 1, sizeof(t.self.boot) - 1);
        memset(owner, 1, sizeof(owner));
        owner[80] = '\0';
        CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(claim_as(1, 3, owner), CKPT_ERR_ARGUMENT);
        CHECK(!is_there("r-job/heartbeat.3"));
        CHECK_INT(names("r-job", ".t."), 0);
        CHECK_INT(claim(1, 3), CKPT_OK);        // a shorter owner fits
        place_close(1);
    }
    end_claimed();
}

// What stands under the name of a claim is one, whatever it is.
static void a_claim_that_says_nothing_is_taken_all_the_same(void)
{
    if (begin_claimed()) {
        plant("r-job/heartbeat.3", "");
        plant("r-job/heartbeat.4", "{\"nonce\":4711}");
        CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
        plan("open", "heartbeat.3", -EIO, 0, 1);        // whatever it says
        CHECK_INT(claim(1, 3), CKPT_ERR_CLAIM_LOST);
        CHECK_INT(t.fault[0].hits, 1);
        plant_dir("r-job/heartbeat.5");
        plan("rename", ".lost-", -EIO, 0, 1);
        CHECK_INT(claim(1, 5), CKPT_ERR_CLAIM_LOST);
        CHECK_INT(t.fault[0].hits, 1);
        no_plan();
        for (uint64_t epoch = 3; epoch <= 4; epoch++) {
            CHECK_INT(claim(1, epoch), CKPT_ERR_CLAIM_LOST);
        }
        CHECK_INT(names("r-job", ".t."), 0);
        CHECK_INT(claim(1, 5), CKPT_OK);
        place_close(1);
    }
    end_claimed();
}

// The verdict on claim 2, whose lock is held, if that is its line.
static ckpt_verdict verdict(const char *line)
{
    plant("r-job/heartbeat.2", line);
    memset(&t.life, 0, sizeof(t.life));
    CHECK_INT(alive(1, 2), CKPT_OK);
    return t.life.verdict;
}

#define LOCKED "{\"locked\":true,"

static void who_holds_a_lock_is_gone_only_by_all_that_is_known(void)
{
    static const char good[] =
        LOCKED "\"boot\":\"b\",\"pid_ns\":7,\"pid\":4711,\"start\":8}";
    static const char *const bad[] = {
        LOCKED "\"pid_ns\":7,\"pid\":4711,\"start\":8}",
        LOCKED "\"boot\":\"c\",\"pid_ns\":7,\"pid\":4711,\"start\":8}",
        LOCKED "\"boot\":\"b\",\"pid\":4711,\"start\":8}",
        LOCKED "\"boot\":\"b\",\"pid_ns\":6,\"pid\":4711,\"start\":8}",
        LOCKED "\"boot\":\"b\",\"pid_ns\":7,\"start\":8}",
        LOCKED "\"boot\":\"b\",\"pid_ns\":7,\"pid\":4711}"
    };
    if (!begin_claimed() || !t.fs.priv.locks) {
        end_claimed();
        TEST_SKIP("no locks here");
    }
    strcpy(t.self.host, "h");
    strcpy(t.self.boot, "b");
    t.self.pid_ns = 7;
    t.gone = 1;
    CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
    CHECK_INT(verdict(good), CKPT_LIFE_GONE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(verdict(bad[i]), CKPT_LIFE_LIVE);
    }
    t.fs.priv.ours_alone = false;
    CHECK_INT(verdict(""), CKPT_LIFE_UNKNOWN);  // nobody said that it is locked
    t.fs.priv.ours_alone = true;
    CHECK_INT(verdict(""), CKPT_LIFE_LIVE);
    t.self_fails = -EIO;
    CHECK_INT(verdict(good), CKPT_LIFE_LIVE);
    t.self_fails = 0;
    t.gone = -1;
    CHECK_INT(verdict(good), CKPT_LIFE_LIVE);
    t.gone = 2;                                 // it is there, or another is
    CHECK_INT(verdict(good), CKPT_LIFE_REUSED);
    t.gone = 1;
    t.self.boot[0] = '\0';                      // a system without boot ids
    CHECK_INT(verdict(LOCKED "\"boot\":\"\",\"pid_ns\":7,\"pid\":1,"
                             "\"start\":8}"), CKPT_LIFE_LIVE);
    strcpy(t.self.boot, "b");
    t.self.pid_ns = 0;                          // or without namespaces
    CHECK_INT(verdict(LOCKED "\"boot\":\"b\",\"pid_ns\":0,\"pid\":1,"
                             "\"start\":8}"), CKPT_LIFE_LIVE);
    place_close(1);
    end_claimed();
}

static void a_lock_that_cannot_be_tried_says_nothing(void)
{
    if (begin_claimed()) {
        t.fs.priv.locks = true;
        plant("r-job/heartbeat.2", "{\"locked\":true}");
        plan("lock", "", -ENOLCK, 0, 1);
        CHECK_INT(alive(0, 2), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
    }
    end_claimed();
}

static void without_locks_a_clock_is_needed(void)
{
    if (begin(CKPT_STORE_FS_AGE)) {
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(alive(0, 1), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
        plan("write", "file", -EACCES, 0, 1);   // the probe
        CHECK_INT(alive(0, 1), CKPT_ERR_ACCESS);
        CHECK_INT(t.err.sys, EACCES);
        t.fs.priv.locks = true;                 // they say it without one
        plan("touch", "", -EACCES, 0, 1);
        CHECK_INT(alive(0, 1), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK(t.life.now_ms == t.life.beat_ms && t.life.now_ms > 0);
        t.fs.priv.locks = false;
        no_plan();
        place_close(0);
    }
    teardown();
}

//--- Reading, renaming --------------------------------------------------------

// A link that is not yet, or no more, the generation before.
static void one_file_under_two_names_is_one_generation(void)
{
    char current[600], prev[600];
    if (begin_claimed()) {
        path_of(current, "r-job/checkpoint.1.json");
        path_of(prev, "r-job/checkpoint.1.prev.json");
        CHECK_INT(unlink(prev), 0);
        CHECK_INT(link(current, prev), 0);
        CHECK_INT(look(0), CKPT_OK);
        CHECK_INT(t.look.count, 1);
    }
    end_claimed();
}

// By inode, size and times it is the same.
static void a_file_with_another_head_is_another_generation(void)
{
    char path[600], byte;
    size_t got = 9;
    struct stat st;
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        path_of(path, "r-job/checkpoint.1.json");
        const int fd = open(path, O_RDWR);
        CHECK(fd >= 0 && fstat(fd, &st) == 0 && pwrite(fd, "!", 1, 40) == 1);
        const struct timespec times[2] = { st.st_atim, st.st_mtim };
        CHECK_INT(futimens(fd, times), 0);
        CHECK_INT(close(fd), 0);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_ERR_STALE);
    }
    end_claimed();
}

// Two files with one head are told apart, until one of them has both names.
static void a_twin_that_is_gone_is_stale(void)
{
    char current[600], prev[600], command[1300], byte;
    size_t got = 9;
    if (begin_claimed()) {
        path_of(current, "r-job/checkpoint.1.json");
        path_of(prev, "r-job/checkpoint.1.prev.json");
        snprintf(command, sizeof(command), "cp '%s' '%s'", current, prev);
        CHECK_INT(system(command), 0);
        CHECK_INT(look(0), CKPT_OK);
        CHECK_INT(t.look.count, 2);
        CHECK(t.look.gens[0].token != t.look.gens[1].token);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &t.look.gens[1], 0, &byte, 1,
                          &got, &t.err), CKPT_OK);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &t.look.gens[1], 0, NULL, 0,
                          &got, &t.err), CKPT_OK);
        CHECK_INT(unlink(prev), 0);
        CHECK_INT(link(current, prev), 0);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &t.look.gens[1], 0, &byte, 1,
                          &got, &t.err), CKPT_ERR_STALE);
    }
    end_claimed();
}

// A copy under the same name, of another inode and time.
static void a_file_with_the_same_head_is_the_same_generation(void)
{
    char from[600], to[600], byte;
    size_t got = 0;
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        path_of(from, "r-job/checkpoint.1.json");
        path_of(to, "r-job/copy");
        CHECK(copy_file(from, to) && rename(to, from) == 0);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_OK);
        CHECK(got == 1 && byte == '{');
    }
    end_claimed();
}

// Claims the run that was begun, and notes each step of that.
static void claim_traced(bool alone)
{
    ckpt_abandon(&t.run);
    CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
    t.fs.priv.ours_alone = alone;
    t.steps[0] = '\0';
    CHECK_INT(claim(0, 2), CKPT_OK);
}

// A claim says all it has to say, and is locked, before it has its name. Where
// another kernel can mount the file system, a power cut there does not end the
// claimant here, so that the claim must be on the medium before it counts.
static void a_claim_is_whole_before_it_is_seen(void)
{
    if (begin(CKPT_STORE_FS_LOCKS)) {
        claim_traced(false);
        const char *lock = strstr(t.steps, "lock:all ");
        const char *sync = strstr(t.steps, "sync:temp ");
        const char *named = strstr(t.steps, "link:heartbeat.2 ");
        const char *kept = strstr(t.steps, "sync:dir ");
        CHECK(lock != NULL && sync != NULL && named != NULL && kept != NULL);
        CHECK(lock < named && sync < named && named < kept);
        place_close(0);
    }
    teardown();
}

// With it the name of the run becomes durable, whose maker may have died.
static void a_claim_is_synced_with_what_is_published_first(void)
{
    ckpt_gen gen = { 2, 1, 0 };
    if (begin(CKPT_STORE_FS_LOCKS)) {
        struct stat st;
        CHECK(stat(t.runs, &st) == 0);
        t.root = st.st_ino;
        claim_traced(true);
        const char *lock = strstr(t.steps, "lock:all ");
        const char *named = strstr(t.steps, "link:heartbeat.2 ");
        CHECK(lock != NULL && named != NULL && lock < named);
        CHECK(strstr(t.steps, "sync:temp ") == NULL);
        CHECK(strstr(t.steps, "sync:dir ") == NULL);
        CHECK_INT(put(0, "{}", 2), CKPT_OK);
        CHECK_INT(M->publish(&t.fs.base, t.place[0], &gen, &t.err), CKPT_OK);
        const char *dir = strstr(t.steps, "sync:dir ");
        CHECK(dir != NULL && strstr(dir + 1, "sync:dir ") != NULL);
        CHECK_INT(t.root_syncs, 1);
        place_close(0);
    }
    teardown();
}

static void a_checkpoint_that_could_not_be_closed_is_no_save(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("close", "temp", -EIO, 0, 1);
        CHECK_INT(save(2), CKPT_ERR_IO);
        CHECK_INT(t.fault[0].hits, 1);
        check_holds(1);
        plan("close", "temp", -EINTR, 0, 1);        // it is closed all the same
        CHECK_INT(save(3), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        check_holds(3);
    }
    teardown();
}

static void remove_claim(const char *name)
{
    char path[600];
    (void)name;
    path_of(path, "r-job/heartbeat.1");
    CHECK_INT(unlink(path), 0);
}

// A finisher takes the claim first: from then on nothing gets a name.
static void a_save_whose_claim_was_removed_replaces_nothing(void)
{
    char path[600];
    struct stat before, after;
    if (begin(CKPT_STORE_FS_AUTO)) {
        path_of(path, "r-job/checkpoint.1.json");
        CHECK(stat(path, &before) == 0);
        plan("sync", "temp", 0, 0, 1);
        t.fault[0].race = remove_claim;
        CHECK_INT(save(2), CKPT_ERR_CLAIM_LOST);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK(stat(path, &after) == 0);
        CHECK(before.st_ino == after.st_ino);
    }
    teardown();
}

// As a sweeper does, who takes the maker of a run for dead.
static void remove_claim_aside(const char *name)
{
    char path[1100];
    struct dirent *e;
    DIR *d = opendir(t.runs);
    (void)name;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, ".new-", 5) == 0) {
            snprintf(path, sizeof(path), "%s/%s/heartbeat.1", t.runs,
                     e->d_name);
            t.removed += unlink(path) == 0;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
}

static void a_run_whose_claim_was_removed_is_not_shown(void)
{
    unsigned removed = 0;
    for (unsigned k = 0; k < 8; k++) {
        if (setup(CKPT_STORE_FS_AUTO)) {
            plan("sync", "dir", 0, k, 1);
            t.fault[0].race = remove_claim_aside;
            const ckpt_code rc = start("job");
            CHECK((t.removed > 0) == (rc < 0));
            CHECK((t.removed > 0) == !is_there("r-job"));
            removed += t.removed;
        }
        teardown();
    }
    CHECK(removed >= 1);
}

static void take_and_finish(const char *name)
{
    static ckpt_store_fs fs;
    static ckpt_ctx ctx;
    static ckpt_run run;
    (void)name;
    CHECK_INT(ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = t.runs },
                                 &t.err), CKPT_OK);
    CHECK_INT(ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base }), CKPT_OK);
    CHECK_INT(ckpt_resume(&ctx, &run, &(ckpt_run_desc){
        .id = "job", .force = true }), CKPT_OK);
    CHECK_INT(ckpt_finish(&run, CKPT_COMPLETED, NULL), CKPT_OK);
    ckpt_store_fs_close(&fs);
}

// A whole claim and finish fits between the listing and the look at the own
// claim: that sees it. In the other order nothing would.
static void the_own_claim_is_looked_at_after_the_others(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("dir_open", "", 0, 0, 1);
        t.fault[0].race = take_and_finish;
        CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK(!is_there("r-job"));
    }
    teardown();
}

static void a_read_that_is_stale_is_told(void)
{
    char byte;
    size_t got = 9;
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_OK);    // it is open now
        plan("read", "", -ESTALE, 0, 1);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_ERR_STALE);
        CHECK_INT(got, 0);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_OK);
        CHECK_INT(got, 1);
    }
    end_claimed();
}

static void other_inode(ckpt_fs_stat *st)
{
    st->ino++;
    st->dev++;
}

// The answer of a rename was lost, and inodes say nothing there.
static void a_rename_is_judged_by_the_head(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (begin(CKPT_STORE_FS_AUTO)) {
            plan("rename", "checkpoint.1.json", -EIO, 0, 1);
            t.fault[0].done = i == 0;
            t.alter = other_inode;
            CHECK_INT(save(2), i == 0 ? CKPT_OK : CKPT_ERR_IO);
            CHECK_INT(t.fault[0].hits, 1);
            check_holds(i == 0 ? 2 : 1);
        }
        teardown();
    }
}

static void other_device(ckpt_fs_stat *st)
{
    st->dev++;
}

// The same for the name of a run: by its claim, whatever the inode says.
static void a_run_that_was_shown_is_known_by_its_claim(void)
{
    if (setup(CKPT_STORE_FS_AUTO)) {
        plan("rename", "r-job", -EIO, 0, 1);
        t.fault[0].done = true;
        t.alter = other_device;
        CHECK_INT(start("job"), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        t.alter = NULL;
        CHECK_INT(save(1), CKPT_OK);
    }
    teardown();
}

static void plant_temp(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "r-job/%s", name);
    plant(path, "mine");
}

static void a_link_that_is_something_else_is_no_link(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        const ino_t prev = ino_of("r-job/checkpoint.1.prev.json");
        plan("link", ".t.1.", -EIO, 0, 1);
        CHECK_INT(save(2), CKPT_ERR_IO);        // there is nothing
        plan("link", ".t.1.", -EIO, 0, 1);
        t.fault[0].race = plant_temp;
        CHECK_INT(save(2), CKPT_ERR_IO);        // there is a file of others
        CHECK_INT(t.fault[0].hits, 1);
        CHECK_INT(ino_of("r-job/checkpoint.1.prev.json"), prev);
        check_holds(1);
    }
    teardown();
}

static void a_run_that_cannot_be_seen_is_unsure(void)
{
    if (setup(CKPT_STORE_FS_AUTO)) {
        plan("rename", "r-job", -EIO, 0, 1);
        t.fault[1] = (fault){ "open", "r-job", -EIO, 1, 1, 0, false, NULL };
        CHECK_INT(start("job"), CKPT_ERR_UNSURE);
        CHECK_INT(t.fault[1].hits, 1);
        ckpt_abandon(&t.run);
        CHECK_INT(names("", ".new-"), 1);       // left as it stands
        no_plan();
        CHECK_INT(start("job"), CKPT_OK);
    }
    teardown();
}

static void plant_run(const char *name)
{
    plant_dir(name);
    plant("r-job/heartbeat.1", "");
}

static void a_system_may_say_exists_for_not_empty(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(place(0, "job", CKPT_HOW_NEW), CKPT_OK);
        CHECK_INT(claim(0, 1), CKPT_OK);
        CHECK_INT(put(0, "x", 1), CKPT_OK);
        plan("rename", "r-job", -EEXIST, 0, 1);
        t.fault[0].race = plant_run;
        ckpt_gen gen = { 1, 1, 0 };
        CHECK_INT(M->publish(&t.fs.base, t.place[0], &gen, &t.err),
                  CKPT_ERR_EXISTS);
        place_close(0);
        CHECK(is_there("r-job/heartbeat.1"));
        CHECK_INT(names("", ".new-"), 0);
        CHECK_INT(start("other"), CKPT_OK);
        plan("rmdir", "r-other", -EEXIST, 0, 1);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
    }
    teardown();
}

//--- Setting aside, keeping, removing -----------------------------------------

static void a_generation_that_cannot_be_kept_aside_stays(void)
{
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        plan("link", "bad.", -EIO, 0, 1);
        CHECK_INT(set_aside(0, &gen), CKPT_ERR_IO);
        CHECK(is_there("r-job/checkpoint.1.json"));
        CHECK_INT(set_aside(0, &gen), CKPT_OK);
        CHECK(!is_there("r-job/checkpoint.1.json"));
        CHECK(is_there("r-job/bad.1.damaged.json"));
    }
    end_claimed();
}

static void a_generation_is_set_aside_once(void)
{
    char from[600], to[600];
    if (begin_claimed()) {
        ckpt_gen gen = t.look.gens[0];
        path_of(from, "r-job/checkpoint.1.json");
        path_of(to, "r-job/bad.1.damaged.json");
        CHECK_INT(link(from, to), 0);           // as if it had stopped there
        gen.token++;
        CHECK_INT(set_aside(0, &gen), CKPT_OK);   // gone, not that one
        CHECK(is_there("r-job/checkpoint.1.json"));
        gen.token--;
        CHECK_INT(set_aside(0, &gen), CKPT_OK);
        CHECK(!is_there("r-job/checkpoint.1.json"));
        CHECK(is_there("r-job/bad.1.damaged.json"));
        CHECK_INT(names("r-job", "bad."), 1);
        CHECK_INT(set_aside(0, &gen), CKPT_OK);
    }
    end_claimed();
}

static void only_a_few_generations_are_kept_aside(void)
{
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        plant("r-job/bad.1.damaged.json", "1");
        plant("r-job/bad.2.damaged.json", "2");
        plant("r-job/bad.3.damaged.json", "3");
        plant("r-job/bad.4.damaged.json", "4");
        CHECK_INT(set_aside(0, &gen), CKPT_OK);
        CHECK(!is_there("r-job/checkpoint.1.json"));
        CHECK_INT(names("r-job", "bad."), 4);
    }
    end_claimed();
}

static void a_store_that_was_removed_cannot_be_listed(void)
{
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    memset(&cursor, 0, sizeof(cursor));
    if (setup(CKPT_STORE_FS_AUTO)) {
        plan("dir_open", "", -ENOENT, 0, 1);
        CHECK_INT(M->list(&t.fs.base, CKPT_AT_RUNS, &cursor, id, &t.err),
                  CKPT_ERR_IO);
        CHECK_INT(t.err.sys, ENOENT);
    }
    teardown();
}

//--- Claims: what they say, and who removes them ------------------------------

// Reads a file of the store.
static const char *text_of(const char *name)
{
    static char text[2048];
    char path[600];
    path_of(path, name);
    const int fd = open(path, O_RDONLY);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void a_claim_says_what_was_acknowledged_in_place(void)
{
    char before[2048];
    if (begin(CKPT_STORE_FS_AUTO)) {
        const ino_t ino = ino_of("r-job/heartbeat.1");
        snprintf(before, sizeof(before), "%s", text_of("r-job/heartbeat.1"));
        CHECK(strstr(before, "\"acked\":               2,") != NULL);
        for (unsigned n = 2; n <= 9; n++) {
            CHECK_INT(save(n), CKPT_OK);
        }
        const char *after = text_of("r-job/heartbeat.1");
        CHECK(strstr(after, "\"acked\":              10,") != NULL);
        CHECK_INT(strlen(after), strlen(before));
        CHECK(ino_of("r-job/heartbeat.1") == ino);
        CHECK_INT(alive_of("job", 1), CKPT_OK);
        CHECK_INT(t.life.acked, 10);
    }
    teardown();
}

static void who_judges_by_age_takes_a_free_lock_for_no_death(void)
{
    if (begin(CKPT_STORE_FS_AUTO) && t.fs.priv.locks) {
        ckpt_abandon(&t.run);
        CHECK_INT(alive_of("job", 1), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_GONE);
        t.fs.priv.locks = false;        // another machine may have locked it
        CHECK_INT(alive_of("job", 1), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
    }
    teardown();
}

static void a_link_that_says_it_worked_and_did_not_is_no_claim(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        plan("link", "heartbeat.2", 0, 0, 1);
        CHECK_INT(claim(0, 2), CKPT_ERR_CLAIM_LOST);
        CHECK(!is_there("r-job/heartbeat.2"));
        no_plan();
        place_close(0);
    }
    teardown();
}

static void a_claim_says_whether_it_is_locked_and_who_gave_up(void)
{
    for (int locks = 0; locks <= 1; locks++) {
        if (!begin(CKPT_STORE_FS_AGE)) {
            teardown();
            continue;
        }
        ckpt_abandon(&t.run);
        t.fs.priv.locks = locks;
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(claim(0, 2), CKPT_OK);
        CHECK(strstr(text_of("r-job/heartbeat.2"),
                     locks ? "\"gave_up\":false,\"locked\":true ,"
                           : "\"gave_up\":false,\"locked\":false,") != NULL);
        M->close(&t.fs.base, t.place[0], true);
        t.open[0] = false;
        CHECK(strstr(text_of("r-job/heartbeat.2"),
                     locks ? "\"gave_up\":true ,\"locked\":true ,"
                           : "\"gave_up\":true ,\"locked\":false,") != NULL);
        CHECK_INT(alive_of("job", 2), CKPT_OK);
        CHECK(t.life.gave_up);
        // Who never had a claim has nothing to give up.
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        M->close(&t.fs.base, t.place[0], true);
        t.open[0] = false;
        CHECK_INT(alive_of("job", 1), CKPT_OK);
        CHECK(!t.life.gave_up);
        teardown();
    }
}

static void what_a_claim_says_wrongly_is_not_believed(void)
{
    static const char *const wrong[] = {
        "{\"acked\":-1,\"gave_up\":null}",
        "{\"acked\":9007199254740992,\"gave_up\":\"true\"}",
        "{\"acked\":\"5\",\"gave_up\":1}", "{\"acked\":5,\"gave_up\":true",
        "{\"acked\":5}x", "[1,2]", "x1}", "{\"claim\":1}", ""
    };
    char text[1200];
    if (begin_claimed()) {
        CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            plant("r-job/heartbeat.2", wrong[i]);
            memset(&t.life, 0xff, sizeof(t.life));
            CHECK_INT(alive(1, 2), CKPT_OK);
            CHECK_INT(t.life.acked, 0);
            CHECK(!t.life.gave_up);
        }
        snprintf(text, sizeof(text), "{\"acked\":5%1100s}", "");
        plant("r-job/heartbeat.2", text);
        CHECK_INT(alive(1, 2), CKPT_OK);
        CHECK_INT(t.life.acked, 0);             // only 1,024 bytes are read
        plant("r-job/heartbeat.2", "{\"of_a_later_version\":1,"
                                   "\"acked\":9007199254740991,"
                                   "\"gave_up\":true}");
        CHECK_INT(alive(1, 2), CKPT_OK);
        CHECK(t.life.acked == CKPT_TURN_MAX && t.life.gave_up);
        place_close(1);
    }
    end_claimed();
}

static void make_old(const char *name);

static time_t mtime_of(const char *name)
{
    char path[600];
    struct stat st;
    path_of(path, name);
    return lstat(path, &st) == 0 ? st.st_mtime : 0;
}

// S19, L05: the mtime of the heartbeat is the last beat, and what observers go
// by. A save beats, too.
static void a_beat_is_the_mtime_of_its_heartbeat(void)
{
    const struct timespec hour_ago[2] = {
        { .tv_sec = time(NULL) - 3600 }, { .tv_sec = time(NULL) - 3600 }
    };
    char path[600];
    for (int saves = 0; saves < 2; saves++) {
        if (!begin(CKPT_STORE_FS_AUTO)) {
            return;
        }
        path_of(path, "r-job/heartbeat.1");
        CHECK_INT(utimensat(AT_FDCWD, path, hour_ago, 0), 0);
        CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
        CHECK(t.info.beat_age_ms >= 3590000 && t.info.beat_age_ms < 3700000);
        CHECK_INT(saves ? save(2) : ckpt_beat(&t.run), CKPT_OK);
        CHECK(mtime_of("r-job/heartbeat.1") >= hour_ago[0].tv_sec + 3590);
        CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
        CHECK(t.info.beat_age_ms >= 0 && t.info.beat_age_ms < 100000);
        teardown();
    }
}

// Another file has the name of the claim: nobody may hold on to it, nor write
// into it.
static void a_claim_whose_name_another_claim_has_is_lost(void)
{
    static const char other[] = "{\"claim\":1,\"acked\":               0,"
                                "\"nonce\":\"another\"}";
    for (int age = 0; age < 2; age++) {
        char path[600], now[sizeof(other)] = "";
        if (begin_claimed_by(age ? CKPT_STORE_FS_AGE : CKPT_STORE_FS_AUTO)) {
            CHECK_INT(beat(0, 5), CKPT_OK);
            path_of(path, "r-job/heartbeat.2");
            CHECK_INT(unlink(path), 0);
            plant("r-job/heartbeat.2", other);
            CHECK_INT(beat(0, 6), CKPT_ERR_CLAIM_LOST);
            const int fd = open(path, O_RDONLY);
            CHECK_INT(read(fd, now, sizeof(now) - 1), strlen(other));
            CHECK_STR(now, other);
            close(fd);
        }
        end_claimed();
    }
}

// Observers read the clock of the server where owners write what they beat.
static void a_beat_by_age_is_written_also_if_it_says_nothing_new(void)
{
    if (begin_claimed_by(CKPT_STORE_FS_AGE)) {
        plan("touch", "", -EIO, 0, 9);
        for (int i = 0; i < 3; i++) {
            CHECK_INT(beat(0, 5), CKPT_OK);
        }
        CHECK_INT(t.fault[0].hits, 0);
    }
    end_claimed();
}

static void a_claim_that_cannot_be_written_is_touched(void)
{
    if (begin_claimed()) {
        make_old("r-job/heartbeat.2");
        plan("write", "", -ENOSPC, 0, 1);
        CHECK_INT(beat(0, 5), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 1);
        CHECK(mtime_of("r-job/heartbeat.2") > 1000);
        CHECK_INT(alive_of("job", 2), CKPT_OK);
        CHECK_INT(t.life.acked, 0);
        CHECK_INT(beat(0, 5), CKPT_OK);         // it is said the next time
        CHECK_INT(alive_of("job", 2), CKPT_OK);
        CHECK_INT(t.life.acked, 5);
    }
    end_claimed();
}

static void a_free_lock_proves_death_only_of_a_claim_that_says_locked(void)
{
    if (begin_claimed()) {
        t.fs.priv.locks = t.fs.priv.ours_alone = true;
        CHECK_INT(place(1, "job", CKPT_HOW_FIND), CKPT_OK);
        plant("r-job/heartbeat.3", "{\"locked\":true,\"alone\":true}");
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_GONE);
        plant("r-job/heartbeat.3", "{\"locked\":true,\"alone\":false}");
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
        plant("r-job/heartbeat.3", "{\"locked\":false}");
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
        plant("r-job/heartbeat.3", "");
        t.fs.priv.ours_alone = false;
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
        t.fs.priv.ours_alone = true;            // a power cut left it
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_GONE);
        t.fs.priv.locks = false;
        CHECK_INT(alive(1, 3), CKPT_OK);
        CHECK_INT(t.life.verdict, CKPT_LIFE_UNKNOWN);
        place_close(1);
    }
    end_claimed();
}

// Claims of the epochs 2 to n, in an order of their own.
static void plant_claims(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const unsigned epoch = 1 + (i * 37 + 5) % n;
        char name[64];
        snprintf(name, sizeof(name), "r-job/heartbeat.%u", epoch);
        if (epoch > 1) {
            plant(name, "{\"claim\":1}");
        }
    }
}

// Checks that the claims of the epochs 1 to n were removed in this order, and
// gives what was removed behind them.
static const char *after_claims(unsigned n)
{
    const char *at = strstr(t.order, "heartbeat.");
    for (unsigned epoch = 1; epoch <= n; epoch++) {
        char name[64];
        const size_t size = (size_t)snprintf(name, sizeof(name),
                                             "heartbeat.%u ", epoch);
        if (!CHECK(at != NULL && strncmp(at, name, size) == 0)) {
            return "";
        }
        at += size;
    }
    return at;
}

static void lower_claims_go_lowest_first_and_before_all_else(void)
{
    const ckpt_gen gen = { 100, 0, 0 };
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        plant_claims(70);                       // more than one walk collects
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(claim(0, 100), CKPT_OK);
        plant("r-job/.t.3.abc", "half a checkpoint");
        plant("r-job/heartbeat.101", "");
        t.order[0] = '\0';
        CHECK_INT(drop(0, &gen, CKPT_DROP_OLDER), CKPT_OK);
        const char *rest = after_claims(70);
        CHECK(strncmp(rest, ".t.3.abc checkpoint.1.", 22) == 0);
        CHECK(strstr(rest, "heartbeat.") == NULL);
        CHECK(is_there("r-job/heartbeat.100"));
        CHECK(is_there("r-job/heartbeat.101"));
        CHECK_INT(names("r-job", "checkpoint."), 0);
        place_close(0);
    }
    teardown();
}

static void claims_are_removed_up_to_the_one_that_fails(void)
{
    const ckpt_gen gen = { 100, 0, 0 };
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        plant_claims(40);
        CHECK_INT(place(0, "job", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(claim(0, 100), CKPT_OK);
        plan("unlink", "heartbeat.35", -EIO, 0, 1);
        CHECK_INT(drop(0, &gen, CKPT_DROP_OLDER), CKPT_ERR_IO);
        CHECK_INT(names("r-job", "heartbeat."), 40 - 34 + 1);
        CHECK_INT(names("r-job", "checkpoint.1."), 2);
        // What somebody else has removed is no failure, nor progress.
        plan("unlink", "heartbeat.", -ENOENT, 0, 99);
        CHECK_INT(drop(0, &gen, CKPT_DROP_OLDER), CKPT_OK);
        no_plan();
        plant_claims(40);
        plan("unlink", "heartbeat.", -ENOENT, 0, 99);
        CHECK_INT(drop(0, &gen, CKPT_DROP_OLDER), CKPT_OK);
        CHECK_INT(t.fault[0].hits, 32);
        place_close(0);
    }
    teardown();
}

// The lower claims stay until two generations of the own epoch stand: should
// the newer one rot, the claimant that takes the older one is still told what
// was acknowledged.
static void an_owner_that_saves_twice_collects_lower_claims_in_order(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        ckpt_abandon(&t.run);
        plant("r-job/heartbeat.3", "{\"claim\":1}");
        plant("r-job/heartbeat.2", "{\"claim\":1}");
        CHECK_INT(ckpt_resume(&t.ctx, &t.run, &(ckpt_run_desc){
            .id = "job", .force = true }), CKPT_OK);
        CHECK_INT(t.run.epoch, 4);
        CHECK(is_there("r-job/heartbeat.1"));
        t.order[0] = '\0';
        CHECK_INT(save(2), CKPT_OK);
        CHECK(strncmp(after_claims(3), "checkpoint.1.", 13) == 0);
        CHECK_INT(names("r-job", "heartbeat."), 1);
        CHECK_INT(names("r-job", "checkpoint.4."), 2);
        check_holds(2);
    }
    teardown();
}

//--- A full disk --------------------------------------------------------------

// A claimant comes above just before the run's last generation is gone.
static void claim_above(const char *name)
{
    char path[600], file[300];
    snprintf(file, sizeof(file), "r-job/%s", name);
    path_of(path, file);
    CHECK_INT(unlink(path), 0);
    plant("r-job/heartbeat.2", "");
}

static void a_full_disk_is_looked_at_again_when_the_run_is_gone(void)
{
    for (int above = 0; above <= 1; above++) {
        if (begin(CKPT_STORE_FS_AUTO)) {
            plan("write", "temp", -ENOSPC, 0, 99);
            if (above) {
                t.fault[1] = (fault){ "unlink", "checkpoint.1.json", 0, 0, 1,
                                      0, false, claim_above };
            }
            CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL),
                      above ? CKPT_ERR_CLAIM_LOST : CKPT_OK);
            CHECK_INT(t.fault[0].hits, 2);
            CHECK_INT(t.fault[1].hits, above);
            CHECK(is_there("r-job/heartbeat.2") == (above != 0));
            CHECK(is_there("r-job") == (above != 0));
        }
        teardown();
    }
}

static ckpt_run_state state_of_job(void)
{
    CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
    return t.info.state;
}

static ckpt_code keep(void)
{
    return ckpt_finish(&t.run, CKPT_FAILED, &(ckpt_finish_desc){
        .keep = true, .reason = "no money" });
}

static void a_full_disk_keeps_what_is_to_be_kept(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        CHECK_INT(save(2), CKPT_OK);
        plan("write", "temp", -ENOSPC, 0, 99);
        CHECK_INT(keep(), CKPT_ERR_NO_SPACE);
        CHECK_INT(t.fault[0].hits, 2);          // again, once there was room
        CHECK_INT(names("r-job", "checkpoint."), 1);
        no_plan();
        CHECK_INT(keep(), CKPT_OK);
        CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
        CHECK_INT(t.info.turn, 2);
        CHECK_INT(names("r-job", ""), 2 + 2);
    }
    teardown();
}

//--- Kept runs ----------------------------------------------------------------

static void a_kept_run_is_in_the_way_of_a_new_one(void)
{
    if (begin(CKPT_STORE_FS_AUTO) && CHECK_INT(keep(), CKPT_OK)) {
        CHECK_INT(start("job"), CKPT_ERR_EXISTS);
        CHECK_INT(resume_job(), CKPT_ERR_FAILED);
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "job" }),
                  CKPT_ERR_FAILED);
        CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
        CHECK_STR(t.info.reason, "no money");
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK_INT(start("job"), CKPT_OK);
    }
    teardown();
}

static void a_kept_run_that_was_not_cleared_stays_kept(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("unlink", "checkpoint.1.prev.json", -EIO, 0, 1);
        CHECK_INT(keep(), CKPT_ERR_IO);
        ckpt_abandon(&t.run);
        CHECK_INT(names("r-job", "checkpoint."), 2);
        CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
        CHECK_INT(resume_job(), CKPT_ERR_FAILED);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK(!is_there("r-job"));
    }
    teardown();
}

static void a_retry_that_fails_leaves_the_run_failed(void)
{
    if (begin(CKPT_STORE_FS_AUTO) && CHECK_INT(keep(), CKPT_OK)) {
        t.fs.priv.ours_alone = false;
        for (unsigned k = 0; k < 2; k++) {
            plan("sync", "temp", -EIO, k, 1);   // of the claim, and the record
            CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_IO);
            CHECK_INT(t.fault[0].hits, 1);
            CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
        }
        no_plan();
        CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
    }
    teardown();
}

static void a_run_that_fails_again_is_kept_again(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        for (unsigned n = 1; n <= 3; n++) {
            CHECK_INT(keep(), CKPT_OK);
            CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
            CHECK_INT(names("r-job", ""), 2 + 2);
            CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_OK);
            check_holds(1);
        }
    }
    teardown();
}

// A kept run whose only generation is damaged says nothing any more, not even
// that it failed: people look at it, and only ckpt_remove() takes it away.
static void a_kept_run_whose_head_is_damaged_is_left_alone(void)
{
    uint32_t n = 9;
    if (begin(CKPT_STORE_FS_AUTO) && CHECK_INT(keep(), CKPT_OK)) {
        plant("r-job/checkpoint.1.json", "{\"ckpt\":1,\"crc\":\"00000000\"}\n");
        CHECK_INT(state_of_job(), CKPT_STATE_DAMAGED);
        CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_DAMAGED);
        CHECK_INT(ckpt_prune(&t.ctx, &t.run, &(ckpt_prune_desc){ .age_ms = 1 },
                             &n), CKPT_OK);
        CHECK_INT(n, 0);
        CHECK_INT(start("job"), CKPT_ERR_EXISTS);
        CHECK_INT(names("r-job", ""), 2 + 2);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK(!is_there("r-job"));
    }
    teardown();
}

static void a_completed_run_that_cannot_be_removed_is_finished(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        plan("unlink", "checkpoint.", -EIO, 0, 99);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
        ckpt_abandon(&t.run);
        CHECK_INT(resume_job(), CKPT_FINISHED);
        CHECK_INT(start("job"), CKPT_ERR_IO);   // it cannot be begun, either
        no_plan();
        CHECK_INT(start("job"), CKPT_OK);
    }
    teardown();
}

static void verify_tells_of_a_look_that_fails(void)
{
    unsigned hits, k = 0;
    if (begin(CKPT_STORE_FS_AUTO)) {
        do {
            plan("dir_open", "", -EIO, k++, 1);
            const ckpt_code rc = ckpt_verify(&t.ctx, "job", &t.info);
            hits = t.fault[0].hits;
            CHECK_INT(rc, hits > 0 ? CKPT_ERR_IO : CKPT_OK);
        } while (hits > 0 && k < 20);
        CHECK(k > 3 && k < 20);                 // each of its looks has failed
    }
    teardown();
}

//--- Removing -----------------------------------------------------------------

static void a_generation_that_goes_is_stale(void)
{
    char path[600], byte;
    size_t got = 9;
    if (begin_claimed()) {
        ckpt_gen gen = t.look.gens[0];
        gen.token++;                            // another one stands there
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_STALE);
        CHECK_INT(names("r-job", "checkpoint."), 2);
        gen.token--;
        path_of(path, "r-job/checkpoint.1.json");
        CHECK_INT(unlink(path), 0);
        CHECK_INT(M->read(&t.fs.base, t.place[0], &gen, 0, &byte, 1, &got,
                          &t.err), CKPT_ERR_STALE);
        CHECK_INT(got, 0);
    }
    end_claimed();
}

// A higher owner removes our claim first, and then the generations: while it is
// at that, nothing is left for us to do.
static void what_a_higher_owner_is_removing_is_no_failure(void)
{
    char path[600];
    unsigned hits, k = 0;
    if (begin_claimed()) {
        ckpt_gen gen = t.look.gens[0];
        gen.token++;
        do {
            plan("stat", "", -EIO, k++, 1);
            const ckpt_code rc = drop(0, &gen, CKPT_DROP_REST);
            hits = t.fault[0].hits;
            CHECK_INT(rc, hits > 0 ? CKPT_ERR_IO : CKPT_ERR_STALE);
        } while (hits > 0 && k < 20);
        CHECK(k > 1 && k < 20);
        plan("stat_at", "heartbeat.2", -EIO, 0, 1);
        t.fault[1] = (fault){ "open", "heartbeat.2", -EIO, 0, 1, 0, false,
                              NULL };
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_IO);
        no_plan();
        path_of(path, "r-job/heartbeat.2");
        CHECK_INT(unlink(path), 0);
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_OK);
        CHECK_INT(names("r-job", "checkpoint."), 2);
    }
    end_claimed();
}

// A spare that a power cut brings back would be resumed if the kept one rots.
static void what_is_dropped_beside_a_kept_one_is_gone_for_good(void)
{
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        plan("sync", "dir", -EIO, 0, 9);
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_IO);
        CHECK_INT(t.fault[0].hits, 1);
    }
    end_claimed();
}

static void a_generation_that_cannot_be_looked_at_keeps_its_run(void)
{
    if (begin_claimed()) {
        ckpt_gen gen = t.look.gens[0];
        plan("open", "checkpoint.1.json", -EIO, 0, 9);
        CHECK_INT(drop(0, &gen, CKPT_DROP_ALL), CKPT_ERR_IO);
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_IO);
        CHECK_INT(t.err.sys, EIO);
        gen.token++;                            // not there; what else is?
        plan("open", "checkpoint.1.json", -EIO, 1, 9);
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_IO);
        CHECK(t.fault[0].hits > 0);
        CHECK_INT(names("r-job", "checkpoint."), 2);
        CHECK_INT(names("r-job", "heartbeat."), 2);
    }
    end_claimed();
}

static void a_run_without_a_generation_is_removed_whole(void)
{
    if (begin_claimed()) {
        plant("r-job/.t.1.abc", "half a checkpoint");
        plant("r-job/bad.1.damaged.json", "bad");
        CHECK_INT(drop(0, NULL, CKPT_DROP_ALL), CKPT_OK);
        CHECK(!is_there("r-job"));
    }
    end_claimed();
}

static void what_cannot_be_removed_is_told_and_goes_the_next_time(void)
{
    static const char *const stuck[] = {
        "heartbeat.1", ".t.1.abc", "checkpoint.1.prev.json"
    };
    if (begin_claimed()) {
        const ckpt_gen gen = t.look.gens[0];
        plant("r-job/.t.1.abc", "half a checkpoint");
        for (unsigned i = 0; i < 3; i++) {
            char path[64];
            snprintf(path, sizeof(path), "r-job/%s", stuck[i]);
            plan("unlink", stuck[i], -EIO, 0, 9);
            CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_ERR_IO);
            CHECK_INT(t.err.sys, EIO);
            CHECK(is_there(path));
            CHECK(is_there("r-job/checkpoint.1.json"));
        }
        no_plan();
        CHECK_INT(drop(0, &gen, CKPT_DROP_REST), CKPT_OK);
        CHECK_INT(names("r-job", ""), 2 + 2);   // it, the claim, "." and ".."
    }
    end_claimed();
}

// Each owner saves and lets go: its claim and its two generations are left.
static void a_run_that_is_resumed_for_ever_is_three_files(void)
{
    if (begin(CKPT_STORE_FS_AUTO)) {
        t.fs.priv.durability = CKPT_STORE_FS_PROCESS;
        for (unsigned n = 2; n < 300; n++) {
            ckpt_abandon(&t.run);
            if (!CHECK_INT(resume_job(), CKPT_OK) ||
                !CHECK_INT(save(n), CKPT_OK)) {
                break;
            }
            CHECK_INT(names("r-job", ""), 3 + 2);   // and "." and ".."
        }
        check_holds(299);
    }
    teardown();
}

//--- Listing ------------------------------------------------------------------

static void what_is_no_run_is_not_listed(void)
{
    static const char *const other[] = {
        "notes", "r-", "r-Big", "x-job", ".new-abc", ".failed", "b-", "r-a b"
    };
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    memset(&cursor, 0, sizeof(cursor));
    if (begin(CKPT_STORE_FS_AUTO)) {
        for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
            plant_dir(other[i]);
        }
        CHECK_INT(M->list(&t.fs.base, CKPT_AT_RUNS, &cursor, id, &t.err),
                  CKPT_OK);
        CHECK_STR(id, "job");
        CHECK_INT(M->list(&t.fs.base, CKPT_AT_RUNS, &cursor, id, &t.err),
                  CKPT_END);
    }
    teardown();
}

#define MANY 10000

static struct {
    unsigned told[MANY], n, failed;
} scanned;

static bool count_kept(void *u, const ckpt_run_info *info)
{
    unsigned i = MANY;
    (void)u;
    if (CHECK(sscanf(info->id, "k%u", &i) == 1 && i < MANY)) {
        scanned.told[i]++;
    }
    scanned.n++;
    scanned.failed += info->state == CKPT_STATE_FAILED;
    return true;
}

// In memory, where there is some: it is about the listing, not about a disk.
static void a_scan_of_ten_thousand_kept_runs_tells_of_each_once(void)
{
    const char *base = getenv("TMPDIR");
    char before[256];
    snprintf(before, sizeof(before), "%s", base != NULL ? base : "/tmp");
    if (access("/dev/shm", W_OK) == 0) {
        CHECK_INT(setenv("TMPDIR", "/dev/shm", 1), 0);
    }
    memset(&scanned, 0, sizeof(scanned));
    if (setup(CKPT_STORE_FS_AUTO)) {
        t.fs.priv.durability = CKPT_STORE_FS_PROCESS;
        bool kept = true;
        for (unsigned i = 0; i < MANY && kept; i++) {
            char id[16];
            snprintf(id, sizeof(id), "k%u", i);
            kept = CHECK_INT(start(id), CKPT_OK) && CHECK_INT(keep(), CKPT_OK);
        }
        CHECK_INT(ckpt_scan(&t.ctx, 0, count_kept, NULL), CKPT_OK);
        CHECK_INT(scanned.n, MANY);
        CHECK_INT(scanned.failed, MANY);
        for (unsigned i = 0; i < MANY; i++) {
            CHECK_INT(scanned.told[i], 1);
        }
    }
    teardown();
    CHECK_INT(setenv("TMPDIR", before, 1), 0);
}
