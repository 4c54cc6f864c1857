// SPDX-License-Identifier: MIT-0
// Recovery: what is handed out, to whom, and how often; what a resume knows;
// what an observer sees, and that looking changes nothing.
//
// Owners are real processes that crash by _exit() or SIGKILL. Ids in brackets
// name the behaviours of the earlier systems that a test carries over; where
// we differ on purpose it says so.
#define _GNU_SOURCE                     // unshare()

#include "ckpt_store_fs.h"
#include "temp_dir.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#if defined(__linux__)
    #include <sched.h>
#endif
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_run_that_crashes_at_once_is_handed_out_resume_max_times)               \
    X(a_run_that_saves_the_same_turn_and_crashes_is_handed_out_as_often)       \
    X(a_fallback_that_crashes_gives_way_to_a_dead_letter)                      \
    X(a_run_with_hundreds_of_attempts_and_no_limit_gets_its_fallback)          \
    X(retry_brings_a_dead_letter_back_with_its_attempts)                       \
    X(retry_gives_an_exhausted_run_its_attempts_back)                          \
    X(a_higher_turn_or_a_phase_starts_the_count_anew)                          \
    X(a_turn_that_went_back_is_no_progress)                                    \
    X(a_clean_interrupt_gives_the_attempt_back)                                \
    X(the_outcome_retry_counts)                                                \
    X(attempts_of_runs_are_independent)                                        \
    X(a_claimant_that_dies_before_it_adopts_costs_patience_and_no_attempt)     \
    X(a_run_that_kills_its_claimants_is_exhausted_in_the_end)                  \
    X(resume_never_means_fallback_always)                                      \
    X(a_resume_that_fails_loses_nothing)                                       \
    X(a_store_error_is_never_a_missing_checkpoint)                             \
    X(a_damaged_run_goes_to_the_fallback_and_is_not_resumed)                   \
    X(a_damaged_run_may_be_kept_without_a_reason)                              \
    X(the_fallback_decides_what_becomes_of_a_run)                              \
    X(without_a_fallback_a_dead_letter_is_kept)                                \
    X(outcomes_keep_and_delete_as_documented)                                  \
    X(a_resumed_run_keeps_its_id_and_what_was_saved)                           \
    X(completed_phases_are_skipped_and_the_interrupted_one_starts_again)       \
    X(a_phase_name_is_skipped_as_often_as_it_was_complete)                     \
    X(a_tool_killed_halfway_is_uncertain_and_no_other_runs_twice)              \
    X(the_note_is_data_and_never_in_the_transcript)                            \
    X(another_fingerprint_is_told_and_decided_by_the_caller)                   \
    X(one_scan_tells_every_state_and_changes_nothing)                          \
    X(query_tells_and_claims_nothing)                                          \
    X(latest_wants_a_filter_and_orders_by_turn_time_and_id)                    \
    X(stale_lists_the_oldest_first_and_strictly_older_ones)                    \
    X(resume_next_passes_over_what_cannot_be_resumed)                          \
    X(a_run_can_be_recovered_while_another_one_is_bad)                         \
    X(remove_refuses_a_live_run_and_removes_letters)                           \
    X(sweep_removes_leftovers_only)                                            \
    X(a_process_with_a_used_pid_is_not_the_owner)                              \
    X(a_lock_inherited_by_a_child_does_not_keep_a_run)                         \
    X(a_clock_that_steps_harms_nobody_by_locks)                                \
    X(a_clock_that_steps_is_wrong_for_one_beat_by_age)                         \
    X(a_beat_in_the_future_is_watched_and_not_believed_for_ever)               \
    X(beats_in_the_future_are_watched_for_the_longest_lease)                   \
    X(a_run_of_another_pid_namespace_is_live_until_it_dies)                    \
    X(an_inherited_lock_in_another_pid_namespace_needs_force)                  \
    X(every_call_of_a_forked_child_is_refused)                                 \
    X(what_is_skipped_is_refused_in_a_forked_child_too)                        \
    X(a_forked_child_that_abandons_leaves_the_run_to_its_parent)               \
    X(a_stalled_owner_is_taken_over_by_force_and_told_so)                      \
    X(an_old_owner_does_not_touch_a_run_begun_anew_under_its_id)               \
    X(a_run_let_go_can_be_resumed_at_once)                                     \
    X(a_kept_run_is_one_generation_and_its_claim)                              \
    X(a_watchdog_that_starts_a_done_job_again_repeats_nothing)                 \
    X(claims_and_generations_do_not_pile_up)                                   \
    X(a_missing_newest_file_is_told)                                           \
    X(verify_finds_damage_that_a_load_does_not_meet)                           \
    X(prune_removes_what_is_old_and_keeps_what_it_does_not_know)               \
    X(a_claimant_that_gave_up_is_gone_by_age_too)

TEST_SUITE(recover, LIST)

// --- Tools

enum { HOUR = 3600, YEAR = 365 * 24 * HOUR, BUF = 256 * 1024 };

static struct {
    char            dir[256];
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_checkpoint last;
    char            buf[BUF];
    int64_t         mono_ms;            // added to the monotonic clock
    int64_t         wall_ms;            // what clock and calendar say, and
    int64_t         touch_s;            // the file system; 0: the real time
    int             fail_reads;         // -errno of every read, 0: none
} t;

static int slow_clock(void *u, ckpt_moment *now)
{
    const int r = ckpt_store_fs_calls()->clock(u, now);
    now->mono_ms += t.mono_ms;
    now->wall_ms = t.wall_ms != 0 ? t.wall_ms : now->wall_ms;
    return r;
}

// The clock of the file system, as far as files tell it that are touched or
// written.
static int slow_touch(void *u, int fd)
{
    const struct timespec at[2] = { { .tv_sec = (time_t)t.touch_s },
                                    { .tv_sec = (time_t)t.touch_s } };
    if (t.touch_s == 0) {
        return ckpt_store_fs_calls()->touch(u, fd);
    }
    return futimens(fd, at) < 0 ? -errno : 0;
}

static int64_t slow_write(void *u, int fd, const void *buf, size_t n,
                          uint64_t offset)
{
    const int64_t r = ckpt_store_fs_calls()->write(u, fd, buf, n, offset);
    if (t.touch_s != 0) {
        CHECK_INT(slow_touch(u, fd), 0);
    }
    return r;
}

static int64_t failing_read(void *u, int fd, void *buf, size_t n,
                            uint64_t offset)
{
    return t.fail_reads != 0 ? t.fail_reads
        : ckpt_store_fs_calls()->read(u, fd, buf, n, offset);
}

static int failing_unlink(void *u, int dir, const char *name)
{
    (void)u; (void)dir; (void)name;
    return -EIO;
}

// A bad sector under the claim of one epoch.
static int failing_open(void *u, int dir, const char *name, int flags)
{
    return strcmp(name, "heartbeat.777") == 0 ? -EIO
        : ckpt_store_fs_calls()->open(u, dir, name, flags);
}

// Runs a program with the directory of the test; true if it succeeds.
static bool shell(const char *script)
{
    int status = -1;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("sh", "sh", "-c", script, "sh", t.dir, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static ckpt_desc desc_of(int32_t resume_max)
{
    return (ckpt_desc){ .store = &t.fs.base, .throttle_ms = CKPT_OFF,
                        .beat_ms = CKPT_OFF, .resume_max = resume_max };
}

static bool open_store(ckpt_store_fs_liveness liveness, int32_t resume_max)
{
    static ckpt_fs_calls calls;
    const ckpt_desc desc = desc_of(resume_max);
    calls = *ckpt_store_fs_calls();
    calls.clock = slow_clock;
    calls.touch = slow_touch;
    calls.write = slow_write;
    calls.read = failing_read;
    calls.open = failing_open;
    return ckpt_store_fs_open(&t.fs, &(ckpt_store_fs_desc){
               .dir = t.dir, .durability = CKPT_STORE_FS_PROCESS,
               .liveness = liveness, .calls = &calls }, NULL) == CKPT_OK &&
           ckpt_init(&t.ctx, &desc) == CKPT_OK;
}

// An empty store; false if there is none, and then nothing can be tested.
static bool begin_by(ckpt_store_fs_liveness liveness, int32_t resume_max)
{
    memset(&t, 0, sizeof(t));
    return CHECK(temp_dir_make(t.dir, sizeof(t.dir), "recover")) &&
           CHECK(open_store(liveness, resume_max));
}

static bool begin(void)
{
    return begin_by(CKPT_STORE_FS_AUTO, 0);
}

static void end(void)
{
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&t.fs);
    CHECK(shell("chmod -R u+rwx \"$1\" && rm -rf \"$1\""));
}

static ckpt_code start(const char *id)
{
    return ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){ .id = id });
}

static ckpt_code resume(const char *id)
{
    return ckpt_resume(&t.ctx, &t.run, &(ckpt_run_desc){ .id = id });
}

static ckpt_code force(const char *id)
{
    return ckpt_resume(&t.ctx, &t.run,
                       &(ckpt_run_desc){ .id = id, .force = true });
}

static ckpt_code save(uint64_t turn)
{
    char state[64];
    snprintf(state, sizeof(state), "{\"turn\":%" PRIu64 "}", turn);
    return ckpt_save(&t.run, &(ckpt_save_desc){
        .turn = turn, .messages = ckpt_text("[{\"role\":\"user\"}]"),
        .state = ckpt_text(state), .anew = true });
}

static ckpt_code load(void)
{
    return ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf));
}

// A run that was begun, saved a turn and crashed.
static bool leave(const char *id, uint64_t turn)
{
    const bool good = start(id) == CKPT_OK && save(turn) == CKPT_OK;
    ckpt_abandon(&t.run);
    return good;
}

static ckpt_run_info query(const char *id)
{
    static ckpt_run_info info;
    if (ckpt_query(&t.ctx, id, &info) != CKPT_OK) {
        memset(&info, 0, sizeof(info));
    }
    return info;
}

static int state_of(const char *id)
{
    return (int)query(id).state;
}

// The path of a file in the directory of a run.
static const char *path_of(const char *id, const char *file)
{
    static char path[1024];
    char name[256];
    ckpt_store_fs_name(id, name);
    snprintf(path, sizeof(path), "%s/%s%s%s", t.dir, name,
             file[0] != '\0' ? "/" : "", file);
    return path;
}

// Sets the last beat of a claim so many seconds from now.
static bool beat_at(const char *id, const char *claim, int64_t seconds)
{
    const struct timespec at[2] = { { .tv_sec = time(NULL) + seconds },
                                    { .tv_sec = time(NULL) + seconds } };
    return utimensat(AT_FDCWD, path_of(id, claim), at, 0) == 0;
}

static bool write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    const bool good = f != NULL && fputs(text, f) >= 0;
    return f != NULL && fclose(f) == 0 && good;
}

// Replaces what follows a text in a file, as many bytes as there are.
static bool patch(const char *path, const char *after, const char *by)
{
    char *text = calloc(1, BUF);
    const int fd = open(path, O_RDWR);
    bool good = text != NULL && fd >= 0 && read(fd, text, BUF - 1) > 0;
    char *at = good ? strstr(text, after) : NULL;
    good = at != NULL;
    if (good) {
        const off_t offset = at - text + (off_t)strlen(after);
        good = pwrite(fd, by, strlen(by), offset) == (ssize_t)strlen(by);
    }
    close(fd);
    free(text);
    return good;
}

// A process that does something with the store of the test and crashes.
typedef int child_fn(void *arg);

typedef struct child {
    pid_t pid;
    int   up[2], down[2];               // to the parent, to the child
} child;

static child *current_child;            // in the child: itself

// Called by a child: says that it is ready, and waits to be killed or let on.
static void child_ready(char what)
{
    char c;
    if (write(current_child->up[1], &what, 1) != 1 ||
        read(current_child->down[0], &c, 1) != 1) {
        _exit(99);
    }
}

static bool child_start(child *c, child_fn *fn, void *arg)
{
    if (pipe(c->up) != 0 || pipe(c->down) != 0) {
        return false;
    }
    fflush(stdout);
    c->pid = fork();
    if (c->pid == 0) {
        close(c->up[0]);
        close(c->down[1]);
        current_child = c;
        _exit(fn(arg));
    }
    close(c->up[1]);
    close(c->down[0]);
    return c->pid > 0;
}

// Waits until the child says something. 0: it has died.
static char child_wait(child *c)
{
    char what = 0;
    return read(c->up[0], &what, 1) == 1 ? what : 0;
}

static void child_go(child *c)
{
    const bool went = write(c->down[1], "", 1) == 1;
    CHECK(went);
}

// Its exit status, or minus the signal that killed it.
static int child_end(child *c, int sig)
{
    int status = 0;
    if (sig != 0) {
        kill(c->pid, sig);
    }
    waitpid(c->pid, &status, 0);
    close(c->up[0]);
    close(c->down[1]);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// Runs it to its end.
static int child_run(child_fn *fn, void *arg)
{
    child c;
    return child_start(&c, fn, arg) ? child_end(&c, 0) : 98;
}

// The start time that /proc tells of a process, in ticks.
static unsigned long long told_start(const char *pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
    }
    const char *p = strrchr(text, ')');
    for (int i = 2; p != NULL && i < 22; i++) {
        p = strchr(p + 1, ' ');
    }
    return p != NULL ? strtoull(p, NULL, 10) : 0;
}

static int tell_start(void *arg)
{
    const unsigned long long start = told_start("self");
    (void)arg;
    if (write(current_child->up[1], &start, sizeof(start)) !=
            (ssize_t)sizeof(start)) {
        return 1;
    }
    child_ready('r');
    return 0;
}

// Does /proc tell a process the start time that it tells others? Under
// qemu-user it tells a child when the first process began: to us the child
// looks as if it had died and another one had its pid.
static bool starts_agree(void)
{
    static const struct timespec some_ticks = { 0, 50 * 1000 * 1000 };
    child c;
    unsigned long long start = 0;
    char pid[24];
    nanosleep(&some_ticks, NULL);
    if (!CHECK(child_start(&c, tell_start, NULL))) {
        return true;
    }
    CHECK_INT(read(c.up[0], &start, sizeof(start)), sizeof(start));
    CHECK_INT(child_wait(&c), 'r');
    snprintf(pid, sizeof(pid), "%ld", (long)c.pid);
    const bool agree = told_start(pid) == start;
    child_go(&c);
    CHECK_INT(child_end(&c, 0), 0);
    return agree;
}

#define UNTOLD "/proc tells a child another start time than its parent"

// --- Attempts

// What happened in other processes.
typedef struct shared {
    int      resumed, fallen, crash_fallback, save_first;
    int      tools[8];
    uint32_t attempts[16];
} shared;

static shared *seen;

static bool share(void)
{
    if (seen == NULL) {
        void *p = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        seen = p == MAP_FAILED ? NULL : p;
    }
    if (CHECK(seen != NULL)) {
        memset(seen, 0, sizeof(*seen));
    }
    return seen != NULL;
}

static void crash(void)
{
    raise(SIGKILL);
}

static ckpt_outcome crash_in_resume(ckpt_run *run, void *user,
                                    ckpt_finish_desc *finish)
{
    (void)user; (void)finish;
    seen->attempts[seen->resumed++ % 16] = run->attempt;
    if (seen->save_first) {             // the same turn again
        (void)!ckpt_save(run, &(ckpt_save_desc){ .turn = run->turn });
    }
    crash();
    return CKPT_RETRY;
}

static ckpt_outcome fall_back(ckpt_run *run, void *user,
                              ckpt_finish_desc *finish)
{
    (void)run; (void)user; (void)finish;
    seen->fallen++;
    if (seen->crash_fallback) {
        crash();
    }
    return CKPT_FAILED;
}

// A program that recovers whatever it finds.
static int recover_all(void *arg)
{
    const ckpt_recover_desc *desc = arg;
    ckpt_recover_info info;
    return ckpt_recover(&t.ctx, &t.run, desc, &info) == CKPT_OK ? 0 : 1;
}

static const ckpt_recover_desc crashing = {
    .resume = crash_in_resume, .fallback = fall_back
};

// Starts that program again and again, until it does not crash any more.
static int restarts(const ckpt_recover_desc *desc)
{
    ckpt_recover_desc copy = *desc;
    int n = 0;
    while (n < 50 && child_run(recover_all, &copy) == -SIGKILL) {
        n++;
    }
    return n;
}

// [L01, S41, S45, S46] max attempts 1, 2, 3, then the fallback. The count is
// in the file: it survives what it is there for, and is not cleared by a
// fallback that crashes.
static void a_run_that_crashes_at_once_is_handed_out_resume_max_times(void)
{
    if (!begin() || !share()) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK_INT(restarts(&crashing), 3);
    CHECK_INT(seen->resumed, 3);
    CHECK_INT(seen->attempts[0], 1);
    CHECK_INT(seen->attempts[1], 2);
    CHECK_INT(seen->attempts[2], 3);
    CHECK_INT(seen->fallen, 1);
    CHECK_INT(state_of("a"), CKPT_STATE_FAILED);
    CHECK_INT(query("a").turn, 1);
    end();
}

static void
a_run_that_saves_the_same_turn_and_crashes_is_handed_out_as_often(void)
{
    if (!begin() || !share()) {
        return;
    }
    CHECK(leave("a", 7));
    seen->save_first = 1;
    CHECK_INT(restarts(&crashing), 3);
    CHECK_INT(seen->resumed, 3);
    CHECK_INT(seen->fallen, 1);
    end();
}

static bool count_letters(void *user, const ckpt_run_info *info)
{
    *(int *)user += info->state == CKPT_STATE_FAILED;
    return true;
}

static int letters(void)
{
    int n = 0;
    CHECK_INT(ckpt_scan(&t.ctx, CKPT_STATE_FAILED, count_letters, &n), CKPT_OK);
    return n;
}

static void a_fallback_that_crashes_gives_way_to_a_dead_letter(void)
{
    ckpt_recover_desc desc = crashing;
    if (!begin() || !share()) {
        return;
    }
    desc.fallback_max = 2;
    seen->crash_fallback = 1;
    CHECK(leave("a", 1));
    CHECK_INT(restarts(&desc), 5);
    CHECK_INT(seen->resumed, 3);
    CHECK_INT(seen->fallen, 2);
    CHECK_INT(state_of("a"), CKPT_STATE_FAILED);
    CHECK_INT(letters(), 1);
    end();
}

// The line of a claim of a process that locked it, and is no more. What cannot
// be read of it says nothing.
#define DEAD_CLAIM "{\"claim\":1,\"acked\":               0," \
                   "\"gave_up\":false,\"locked\":true ,\"alone\":true}\n"

// Writes claims that died at once, up to an epoch.
static bool dead_claims(const char *id, int from, int to)
{
    bool good = true;
    for (int e = from; e <= to; e++) {
        char name[32];
        snprintf(name, sizeof(name), "heartbeat.%d", e);
        good = good && write_file(path_of(id, name), DEAD_CLAIM) &&
               chmod(path_of(id, name), 0600) == 0 &&
               beat_at(id, name, -3 * HOUR);
    }
    return good;
}

static void a_run_with_hundreds_of_attempts_and_no_limit_gets_its_fallback(void)
{
    if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_UNLIMITED) || !share()) {
        return;
    }
    CHECK(leave("a", 1));
    for (int i = 0; i < 100; i++) {
        CHECK_INT(resume("a"), CKPT_OK);
        ckpt_abandon(&t.run);
    }
    CHECK(dead_claims("a", 102, 102 + CKPT_CLAIMS_MAX));
    CHECK_INT(state_of("a"), CKPT_STATE_EXHAUSTED);
    CHECK_INT(restarts(&crashing), 0);
    CHECK_INT(seen->resumed, 0);
    CHECK_INT(seen->fallen, 1);
    end();
}

// [S51] What clear_resume_count was: by hand, by whoever looks after runs.
static void retry_brings_a_dead_letter_back_with_its_attempts(void)
{
    ckpt_run_info info;
    if (!begin() || !share()) {
        return;
    }
    CHECK(leave("a", 4));
    restarts(&crashing);
    CHECK_INT(letters(), 1);
    CHECK_INT(resume("a"), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "a"), CKPT_OK);
    CHECK_INT(letters(), 0);
    info = query("a");
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(info.attempt, 0);
    CHECK_INT(info.turn, 4);
    CHECK_STR(info.reason, "no resume attempt was left");
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "a"), CKPT_ERR_EXISTS);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "b"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(restarts(&crashing), 3);
    CHECK_INT(seen->resumed, 6);
    CHECK_INT(seen->fallen, 2);
    CHECK_INT(letters(), 1);
    end();
}

static void retry_gives_an_exhausted_run_its_attempts_back(void)
{
    static ckpt_run other;
    if (!begin_by(CKPT_STORE_FS_AUTO, 1)) {
        return;
    }
    CHECK(leave("a", 4));
    CHECK_INT(resume("a"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(state_of("a"), CKPT_STATE_EXHAUSTED);
    CHECK_INT(resume("a"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "a"), CKPT_OK);
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(ckpt_retry(&t.ctx, &other, "a"), CKPT_ERR_EXISTS);
    end();
}

static void a_higher_turn_or_a_phase_starts_the_count_anew(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 4));
    for (int i = 1; i <= 2; i++) {
        CHECK_INT(resume("a"), CKPT_OK);
        CHECK_INT(t.run.attempt, i);
        ckpt_abandon(&t.run);
    }
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(save(5), CKPT_OK);
    CHECK_INT(t.run.attempt, 0);
    ckpt_abandon(&t.run);
    CHECK_INT(query("a").attempt, 0);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("1"), NULL), CKPT_OK);
    CHECK_INT(t.run.attempt, 0);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    end();
}

static void a_turn_that_went_back_is_no_progress(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 9));
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(resume("a"), CKPT_OK);
        CHECK_INT(save(3), CKPT_OK);
        CHECK_INT(save(4), CKPT_OK);
        CHECK_INT(t.run.attempt, i);
        CHECK_INT(t.run.turn_max, 9);
        ckpt_abandon(&t.run);
    }
    CHECK_INT(resume("a"), CKPT_ERR_EXHAUSTED);
    end();
}

// [L25, S78] A shutdown keeps the run, where one source system deleted it.
static void a_clean_interrupt_gives_the_attempt_back(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1));
    for (int i = 0; i < 10; i++) {
        CHECK_INT(resume("a"), CKPT_OK);
        CHECK_INT(t.run.attempt, 1);
        CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED,
                              &(ckpt_finish_desc){ .reason = "stop" }),
                  CKPT_OK);
        CHECK_INT(query("a").attempt, 0);
        CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    }
    end();
}

// [S77] A resumed run that ends in an error keeps its checkpoint and count.
static void the_outcome_retry_counts(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1));
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(resume("a"), CKPT_OK);
        CHECK_INT(t.run.attempt, i);
        CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY,
                              &(ckpt_finish_desc){ .reason = "model down" }),
                  CKPT_OK);
        CHECK_STR(query("a").reason, "model down");
    }
    CHECK_INT(state_of("a"), CKPT_STATE_EXHAUSTED);
    CHECK_INT(resume("a"), CKPT_ERR_EXHAUSTED);
    end();
}

// [S45, L04] No table of counters that could be shared, evicted
// or raced for: each run counts for itself, under its claim.
static void attempts_of_runs_are_independent(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1) && leave("b", 1));
    CHECK_INT(resume("a"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 2);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("b"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    end();
}

// [S42] No attempt is consumed by what is not handed out. Three of them cost
// nothing: a kill while opening must not be felt.
static void
a_claimant_that_dies_before_it_adopts_costs_patience_and_no_attempt(void)
{
    ckpt_run_info info;
    if (!begin()) {
        return;
    }
    t.fs.priv.ours_alone = true;                // a bare chroot does not tell
    CHECK(leave("a", 1));
    CHECK(dead_claims("a", 2, 4));
    CHECK(beat_at("a", "heartbeat.4", 0));
    info = query("a");
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(info.wait_ms, 0);
    CHECK(dead_claims("a", 5, 14));
    CHECK(beat_at("a", "heartbeat.14", 0));
    info = query("a");                          // 13 of them: 2^10 seconds
    CHECK_INT(info.state, CKPT_STATE_BUSY);
    CHECK(info.wait_ms > 512000 && info.wait_ms <= 1024000);
    CHECK_INT(resume("a"), CKPT_ERR_BUSY);
    CHECK(beat_at("a", "heartbeat.14", -1025));
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(t.run.epoch, 15);
    end();
}

static void a_run_that_kills_its_claimants_is_exhausted_in_the_end(void)
{
    if (!begin() || !share()) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK(dead_claims("a", 2, 1 + CKPT_CLAIMS_MAX));
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK(dead_claims("a", 2 + CKPT_CLAIMS_MAX, 2 + CKPT_CLAIMS_MAX));
    CHECK_INT(state_of("a"), CKPT_STATE_EXHAUSTED);
    CHECK_INT(resume("a"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(restarts(&crashing), 0);
    CHECK_INT(seen->fallen, 1);
    end();
}

// [S47] zero_max_resume_attempts_always_fallback. Zero means the default here.
static void resume_never_means_fallback_always(void)
{
    if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_NEVER) || !share()) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK_INT(state_of("a"), CKPT_STATE_EXHAUSTED);
    CHECK_INT(restarts(&crashing), 0);
    CHECK_INT(seen->resumed, 0);
    CHECK_INT(seen->fallen, 1);
    end();
}

// --- What a recovery does with a run

static ckpt_outcome no_fallback(ckpt_run *run, void *user,
                                ckpt_finish_desc *finish)
{
    (void)run; (void)finish;
    *(int *)user += 100;
    return CKPT_COMPLETED;
}

static ckpt_outcome fail_to_finish(ckpt_run *run, void *user,
                                   ckpt_finish_desc *finish)
{
    static const ckpt_save_desc bad = { .anew = true, .turn = 2,
                                        .state = { "nonsense", 8 } };
    (void)run;
    ++*(int *)user;
    finish->save = &bad;
    return CKPT_COMPLETED;
}

// [S79] A recovery that fails leaves the run as it was, and is counted.
static void a_resume_that_fails_loses_nothing(void)
{
    int calls = 0;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = fail_to_finish,
                                     .fallback = no_fallback, .user = &calls };
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(calls, 1);
    CHECK_INT(info.resumed, 1);
    CHECK_INT(info.failed, 1);
    CHECK_INT(query("a").state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(query("a").turn, 1);
    CHECK_INT(query("a").attempt, 1);
    end();
}

// [S43, S44, S61, L03, L24] The source took a storage error for "no checkpoint"
// and fell back, which deletes. An unreadable disk proves nothing here: the
// run is left alone, its attempt is not used up, and the error is told.
static void a_store_error_is_never_a_missing_checkpoint(void)
{
    int calls = 0;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = no_fallback,
                                     .fallback = no_fallback, .user = &calls };
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1));
    t.fail_reads = -EIO;
    CHECK_INT(state_of("a"), CKPT_STATE_UNREADABLE);
    CHECK_INT(query("a").error.code, CKPT_ERR_IO);
    CHECK_INT(query("a").error.sys, EIO);
    CHECK_INT(resume("a"), CKPT_ERR_IO);
    CHECK_INT(ckpt_last_error(&t.ctx)->sys, EIO);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "a" }),
              CKPT_ERR_IO);
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(calls, 0);
    CHECK_INT(info.failed, 1);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "a"), CKPT_ERR_IO);
    t.fail_reads = 0;
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 1);
    end();
}

// Damages every generation of the first epoch of a run.
static bool spoil(const char *id)
{
    return patch(path_of(id, "checkpoint.1.json"), "\"run\":\"", "?") &&
           patch(path_of(id, "checkpoint.1.prev.json"), "\"run\":\"", "?");
}

static ckpt_outcome fallback_of_damaged(ckpt_run *run, void *user,
                                        ckpt_finish_desc *finish)
{
    ckpt_checkpoint last;
    char buf[16];
    ckpt_outcome *outcome = user;
    CHECK_INT(run->seq, 0);
    CHECK_STR(run->id, "a");
    CHECK_INT(ckpt_load(run, &last, buf, sizeof(buf)), CKPT_ERR_DAMAGED);
    CHECK(finish->keep);
    return *outcome;
}

// [S61, L24] A record that cannot be read is no poison: it is handed to the
// fallback, a bounded number of times, and its bytes are kept.
static void a_damaged_run_goes_to_the_fallback_and_is_not_resumed(void)
{
    ckpt_outcome outcome = CKPT_RETRY;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = no_fallback,
        .fallback = fallback_of_damaged, .user = &outcome };
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1) && spoil("a"));
    CHECK_INT(state_of("a"), CKPT_STATE_DAMAGED);
    CHECK_INT(resume("a"), CKPT_ERR_DAMAGED);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
        CHECK_INT(info.fallen_back, 1);
        CHECK_INT(state_of("a"), CKPT_STATE_DAMAGED);
    }
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(info.fallen_back, 0);
    CHECK_INT(info.dead_letters, 1);
    CHECK_INT(state_of("a"), CKPT_STATE_FAILED);
    CHECK(query("a").lost);
    CHECK_STR(query("a").reason, "no checkpoint of it is whole");
    CHECK_INT(letters(), 1);
    CHECK(shell("test \"$(cat \"$1\"/r-a/bad.*.damaged.json | "
                "grep -c '\"run\":\"?')\" = 2"));
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "a"), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "a"), CKPT_OK);
    CHECK(shell("test ! -e \"$1/r-a\""));
    end();
}

static ckpt_outcome fallback_without_a_reason(ckpt_run *run, void *user,
                                              ckpt_finish_desc *finish)
{
    (void)run, (void)user;
    finish->reason = NULL;
    return CKPT_FAILED;
}

static void a_damaged_run_may_be_kept_without_a_reason(void)
{
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = no_fallback,
                                     .fallback = fallback_without_a_reason };
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1) && spoil("a"));
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(info.dead_letters, 1);
    CHECK_INT(state_of("a"), CKPT_STATE_FAILED);
    CHECK(query("a").lost);
    CHECK_STR(query("a").reason, "");
    end();
}

// [S54, S60] The fallback is injected, gets the run, and its answer counts.
static void the_fallback_decides_what_becomes_of_a_run(void)
{
    int calls = 0;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = no_fallback,
                                     .fallback = no_fallback, .user = &calls };
    if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_NEVER)) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(calls, 100);
    CHECK_INT(info.fallen_back, 1);
    CHECK_INT(info.dead_letters, 0);
    CHECK_INT(state_of("a"), 0);
    CHECK_INT(letters(), 0);
    end();
}

// [S53, S60, S64] The source deletes first and falls back then: a crash in
// between loses the task. Here the run is kept until the fallback is through,
// and a dead letter after that.
static void without_a_fallback_a_dead_letter_is_kept(void)
{
    int calls = 0;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = no_fallback, .user = &calls };
    if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_NEVER)) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(calls, 0);
    CHECK_INT(info.dead_letters, 1);
    CHECK_INT(letters(), 1);
    end();
}

// [E10, L23, S71, S76, S77, S78, S81] Who leaves a run says how. Only completed
// and failed delete: a shutdown is no end of a run, and with nobody to say
// anything it is interrupted.
static void outcomes_keep_and_delete_as_documented(void)
{
    static const struct { ckpt_outcome outcome; bool keep; int state, letters; }
    cases[] = {
        { CKPT_COMPLETED,   false, 0, 0 },
        { CKPT_COMPLETED,   true,  0, 0 },
        { CKPT_FAILED,      false, 0, 0 },
        { CKPT_FAILED,      true,  CKPT_STATE_FAILED, 1 },
        { CKPT_INTERRUPTED, false, CKPT_STATE_INTERRUPTED, 0 },
        { CKPT_RETRY,       false, CKPT_STATE_INTERRUPTED, 0 }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!begin()) {
            return;
        }
        CHECK_INT(start("a"), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, cases[i].outcome, &(ckpt_finish_desc){
            .keep = cases[i].keep }), CKPT_OK);
        CHECK_INT(state_of("a"), cases[i].state);
        CHECK_INT(letters(), cases[i].letters);
        CHECK_INT(save(2), CKPT_ERR_CLOSED);
        end();
    }
}

// [S52, S55, S56, S57, S73] One run, one id: its checkpoints continue the same
// series. That it can be resumed and its attempt are never at odds: both are
// in one head.
static void a_resumed_run_keeps_its_id_and_what_was_saved(void)
{
    if (!begin()) {
        return;
    }
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){
        .id = "a", .meta = { .agent_id = "clerk", .task_id = "t1",
                             .prompt = "Check it." } }), CKPT_OK);
    CHECK_INT(save(5), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_STR(t.run.id, "a");
    CHECK(t.run.resumed);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 5);
    CHECK_INT(t.last.attempt, 1);
    CHECK_STR(t.last.meta.agent_id, "clerk");
    CHECK_STR(t.last.meta.task_id, "t1");
    CHECK_STR(t.last.meta.prompt, "Check it.");
    CHECK(t.last.state.len == 10 &&
          memcmp(t.last.state.ptr, "{\"turn\":5}", 10) == 0);
    CHECK_INT(t.last.epoch, 2);
    const uint64_t seq = t.last.seq;
    CHECK_INT(save(6), CKPT_OK);
    CHECK(t.run.seq > seq);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(state_of("a"), 0);
    end();
}

// [E25]
static void
completed_phases_are_skipped_and_the_interrupted_one_starts_again(void)
{
    char out[32];
    size_t size = 0;
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "plan"));
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("{\"steps\":3}"), NULL),
              CKPT_OK);
    CHECK(ckpt_phase(&t.run, "work"));
    CHECK_INT(save(1), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK(!ckpt_phase(&t.run, "plan"));
    CHECK(ckpt_phase(&t.run, "work"));
    CHECK(ckpt_phase(&t.run, "report"));
    CHECK_INT(ckpt_phase_output(&t.run, "plan", out, sizeof(out), &size),
              CKPT_OK);
    CHECK(size == 11 && memcmp(out, "{\"steps\":3}", 11) == 0);
    end();
}

// [E26, ET1] On a fresh run both run. On a resume the source skips all of a
// name that was complete once; here as many as were complete.
static void a_phase_name_is_skipped_as_often_as_it_was_complete(void)
{
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        CHECK(ckpt_phase(&t.run, "twice"));
        CHECK_INT(ckpt_phase_end(&t.run, "twice", ckpt_text(NULL), NULL),
                  CKPT_OK);
    }
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK(!ckpt_phase(&t.run, "twice"));
    CHECK(!ckpt_phase(&t.run, "twice"));
    CHECK(ckpt_phase(&t.run, "twice"));
    end();
}

// --- Effects

enum { TOOLS = 4 };

// The transcript that is resumed names every call that has an effect.
static bool effects_are_named(void)
{
    ckpt_effect e;
    ckpt_code rc;
    memset(&e, 0, sizeof(e));
    if (load() != CKPT_OK) {
        return false;
    }
    while ((rc = ckpt_effect_next(&t.run, &e)) == CKPT_OK) {
        char messages[512] = "";
        snprintf(messages, sizeof(messages), "%.*s", (int)t.last.messages.len,
                 (const char *)t.last.messages.ptr);
        if (strstr(messages, e.id) == NULL) {
            return false;
        }
    }
    return rc == CKPT_END;
}

// Calls TOOLS tools in one turn, and is killed in one of them: before its
// effect (2 * tool) or after it (2 * tool + 1).
static int tool_agent(void *arg)
{
    const int kill_at = *(int *)arg;
    char id[16], result[16], got[64];
    size_t size;
    if (ckpt_open(&t.ctx, &t.run, &(ckpt_run_desc){ .id = "a" }) != CKPT_OK ||
        (t.run.resumed && !effects_are_named())) {
        return 2;
    }
    for (int i = 0; i < TOOLS; i++) {
        ckpt_effect e;
        const ckpt_save_desc desc = { .anew = true, .turn = 1,
            .messages = ckpt_text(
            "[{\"calls\":[\"call_0\",\"call_1\",\"call_2\",\"call_3\"]}]") };
        snprintf(id, sizeof(id), "call_%d", i);
        snprintf(result, sizeof(result), "\"done %d\"", i);
        if (ckpt_effect_begin(&t.run, id, &desc, &e) != CKPT_OK) {
            return 3;
        }
        if (e.state == CKPT_EFFECT_ENDED) {
            if (ckpt_effect_result(&t.run, &e, got, sizeof(got), &size) !=
                    CKPT_OK || memcmp(got, result, size) != 0) {
                return 4;
            }
            continue;
        }
        if (e.state == CKPT_EFFECT_UNCERTAIN) {
            seen->attempts[i]++;
        } else {
            if (kill_at == 2 * i) {
                crash();
            }
            seen->tools[i]++;
            if (kill_at == 2 * i + 1) {
                crash();
            }
        }
        if (ckpt_effect_end(&t.run, id, ckpt_text(result)) != CKPT_OK) {
            return 5;
        }
    }
    return ckpt_finish(&t.run, CKPT_COMPLETED, NULL) == CKPT_OK ? 0 : 6;
}

// [L02, L30]
static void a_tool_killed_halfway_is_uncertain_and_no_other_runs_twice(void)
{
    for (int at = 0; at < 2 * TOOLS; at++) {
        int never = -1;
        if (!begin() || !share()) {
            return;
        }
        CHECK_INT(child_run(tool_agent, &at), -SIGKILL);
        CHECK_INT(child_run(tool_agent, &never), 0);
        for (int i = 0; i < TOOLS; i++) {
            const bool killed = i == at / 2;
            CHECK_INT(seen->attempts[i], killed);
            CHECK_INT(seen->tools[i], killed ? at % 2 : 1);
        }
        end();
    }
}

// [S62, S62b, L31] One message, with the turn and why it was left. The source
// appends it to the transcript, and so saves one more at every resume. Its text
// is the caller's own reason: what to hide from a model is not known here.
static void the_note_is_data_and_never_in_the_transcript(void)
{
    ckpt_note_info note;
    ckpt_effect e;
    char buf[4096], text[4096] = "";
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, buf, sizeof(buf)), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("1"), NULL), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "call_9", &(ckpt_save_desc){
        .anew = true, .turn = 5, .messages = ckpt_text("[\"call_9\"]") }, &e),
              CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, &(ckpt_finish_desc){
        .reason = "the \"model\" is down" }), CKPT_OK);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, buf, sizeof(buf)), CKPT_OK);
    CHECK_INT(note.turn, 5);
    CHECK_INT(note.attempt, 1);
    CHECK_INT(note.phases, 1);
    CHECK_INT(note.uncertain, 1);
    CHECK_INT(ckpt_json_check(note.message, NULL), CKPT_OK);
    CHECK_INT(ckpt_json_text(ckpt_json_get(note.message, "content"), text,
                             sizeof(text), NULL), CKPT_OK);
    CHECK(strstr(text, "turn 5") != NULL);
    CHECK(strstr(text, "the \"model\" is down") != NULL);
    CHECK(strstr(text, "call_9") != NULL);
    CHECK(strstr(text, "Review progress and continue") != NULL);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.messages.len, strlen("[\"call_9\"]"));
    CHECK_STR(t.last.reason, "the \"model\" is down");
    end();
}

// [L06] Configuration is the caller's. That it differs is told.
static void another_fingerprint_is_told_and_decided_by_the_caller(void)
{
    ckpt_run_desc desc = { .id = "a", .meta = { .fingerprint = "v1" } };
    if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_UNLIMITED)) {
        return;
    }
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK(!t.run.fingerprint_differs);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK(t.run.resumed && !t.run.fingerprint_differs);
    ckpt_abandon(&t.run);
    desc.meta.fingerprint = "v2";
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK(t.run.resumed && t.run.fingerprint_differs);
    CHECK_INT(load(), CKPT_OK);
    CHECK_STR(t.last.meta.fingerprint, "v1");
    end();
}

// --- Observers

// A sum over everything below a directory but the probe: names, bytes, times,
// modes and links.
static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ p[i]) * 0x100000001b3U;
    }
    return sum;
}

static uint64_t sum_tree(int dir, const char *name);

static uint64_t sum_children(int fd)
{
    uint64_t sum = 0;
    DIR *d = fdopendir(fd);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, ".probe") != 0) {
            sum += sum_tree(dirfd(d), e->d_name);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return sum;
}

static uint64_t sum_tree(int dir, const char *name)
{
    char bytes[4096];
    struct stat st;
    ssize_t n;
    uint64_t sum = sum_bytes(0xcbf29ce484222325U, name, strlen(name));
    const int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return sum;
    }
    sum = sum_bytes(sum, &st.st_mtim, sizeof(st.st_mtim));
    sum = sum_bytes(sum, &st.st_ctim, sizeof(st.st_ctim));
    sum = sum_bytes(sum, &st.st_mode, sizeof(st.st_mode));
    sum = sum_bytes(sum, &st.st_ino, sizeof(st.st_ino));
    sum = sum_bytes(sum, &st.st_nlink, sizeof(st.st_nlink));
    if (S_ISDIR(st.st_mode)) {
        return sum + sum_children(fd);
    }
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        sum = sum_bytes(sum, bytes, (size_t)n);
    }
    close(fd);
    return sum;
}

// Runs of all kinds, one after the other.
typedef enum kind {
    INTERRUPTED, LIVE, STALLED, EXHAUSTED, HALF_FINISHED, DAMAGED, EMPTY,
    FOREIGN, NO_DIR, LINK, UNREADABLE, NEWER, LETTER, BUSY, OLDER, NO_FILES,
    RECEIPT, LOST, MISSING, KINDS
} kind;

enum { LIVE_MAX = 50 };                 // each holds two descriptors

static const struct { int state; ckpt_code error; } expected[KINDS] = {
    [INTERRUPTED]   = { CKPT_STATE_INTERRUPTED, CKPT_OK },
    [LIVE]          = { CKPT_STATE_LIVE, CKPT_OK },
    [STALLED]       = { CKPT_STATE_STALLED, CKPT_OK },
    [EXHAUSTED]     = { CKPT_STATE_EXHAUSTED, CKPT_OK },
    [HALF_FINISHED] = { CKPT_STATE_FINISHED, CKPT_OK },
    [DAMAGED]       = { CKPT_STATE_DAMAGED, CKPT_ERR_DAMAGED },
    [EMPTY]         = { CKPT_STATE_DAMAGED, CKPT_ERR_DAMAGED },
    [FOREIGN]       = { CKPT_STATE_FOREIGN, CKPT_ERR_FOREIGN },
    [NO_DIR]        = { CKPT_STATE_FOREIGN, CKPT_ERR_FOREIGN },
    [LINK]          = { CKPT_STATE_FOREIGN, CKPT_ERR_FOREIGN },
    [UNREADABLE]    = { CKPT_STATE_UNREADABLE, CKPT_ERR_IO },
    [NEWER]         = { CKPT_STATE_NEWER, CKPT_ERR_FORMAT },
    [LETTER]        = { CKPT_STATE_FAILED, CKPT_OK },
    [BUSY]          = { CKPT_STATE_BUSY, CKPT_OK },
    [OLDER]         = { CKPT_STATE_INTERRUPTED, CKPT_OK },
    [NO_FILES]      = { CKPT_STATE_FINISHED, CKPT_ERR_NOT_FOUND },
    [RECEIPT]       = { CKPT_STATE_DONE, CKPT_OK },
    [LOST]          = { CKPT_STATE_FAILED, CKPT_OK },
    [MISSING]       = { CKPT_STATE_INTERRUPTED, CKPT_OK }
};

static struct {
    ckpt_run       live[2 * LIVE_MAX];
    size_t         live_count;
    int            count, wrong;
    unsigned char *seen;
} mixed;

static kind kind_of(int i)
{
    const int k = i % KINDS;
    return (k == LIVE || k == STALLED) && i / KINDS >= LIVE_MAX ? INTERRUPTED
                                                                : (kind)k;
}

static bool make_live(const char *id, bool stalled)
{
    ckpt_run *run = &mixed.live[mixed.live_count];
    if (ckpt_start(&t.ctx, run, &(ckpt_run_desc){ .id = id }) != CKPT_OK) {
        return false;
    }
    mixed.live_count++;
    return !stalled || beat_at(id, "heartbeat.1", -3 * HOUR);
}

// Finishes, but for the removal: that fails.
static bool finish_half(const char *id)
{
    ckpt_store_fs fs;
    ckpt_ctx ctx;
    ckpt_desc desc = desc_of(0);
    ckpt_fs_calls calls = *ckpt_store_fs_calls();
    calls.unlink = failing_unlink;
    desc.store = &fs.base;
    bool good = ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
                    .dir = t.dir, .durability = CKPT_STORE_FS_PROCESS,
                    .calls = &calls }, NULL) == CKPT_OK &&
                ckpt_init(&ctx, &desc) == CKPT_OK &&
                ckpt_start(&ctx, &t.run, &(ckpt_run_desc){ .id = id }) ==
                    CKPT_OK &&
                ckpt_finish(&t.run, CKPT_COMPLETED, NULL) == CKPT_ERR_IO;
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&fs);
    return good;
}

static bool make_letter(const char *id)
{
    return start(id) == CKPT_OK && save(1) == CKPT_OK &&
           ckpt_finish(&t.run, CKPT_FAILED, &(ckpt_finish_desc){
               .keep = true, .reason = "because" }) == CKPT_OK;
}

static bool make_receipt(const char *id)
{
    return ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){
               .id = id, .once = true }) == CKPT_OK && save(1) == CKPT_OK &&
           ckpt_finish(&t.run, CKPT_COMPLETED, NULL) == CKPT_OK;
}

static bool make_foreign(const char *id)
{
    char from[1024];
    const bool left = leave("somebody else", 1);
    snprintf(from, sizeof(from), "%s", path_of("somebody else", ""));
    return left && rename(from, path_of(id, "")) == 0;
}

static bool make_exhausted(const char *id)
{
    const bool left = leave(id, 1) && resume(id) == CKPT_OK;
    ckpt_abandon(&t.run);
    return left;
}

static bool make_damaged(const char *id, kind k)
{
    char newest[1024];
    const bool left = leave(id, 1);
    snprintf(newest, sizeof(newest), "%s", path_of(id, "checkpoint.1.json"));
    if (k == EMPTY) {
        return left && truncate(newest, 0) == 0 &&
               truncate(path_of(id, "checkpoint.1.prev.json"), 0) == 0;
    }
    if (k == NEWER) {
        return left && patch(newest, "\"ckpt\":", "2,\"sum") &&
               patch(path_of(id, "checkpoint.1.prev.json"), "\"ckpt\":",
                     "2,\"sum");
    }
    return left && (k == OLDER ? patch(newest, "\"run\":\"", "?") : spoil(id));
}

static ckpt_outcome never(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run; (void)user; (void)finish;
    CHECK(false);
    return CKPT_COMPLETED;
}

// Recovers, without a fallback, in a store of its own, and moves the run here.
static bool make_lost(const char *id)
{
    char from[1100], dir[256], runs[300];
    ckpt_store_fs fs;
    ckpt_ctx ctx;
    ckpt_desc desc = desc_of(0);
    const ckpt_recover_desc none = { .resume = never };
    const bool left = leave(id, 1) && spoil(id);
    snprintf(from, sizeof(from), "%s", path_of(id, ""));
    snprintf(dir, sizeof(dir), "%.200s/lost", t.dir);
    snprintf(runs, sizeof(runs), "%s%s", dir, strrchr(from, '/'));
    desc.store = &fs.base;
    bool good = left && ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
                    .dir = dir, .durability = CKPT_STORE_FS_PROCESS },
                    NULL) == CKPT_OK && ckpt_init(&ctx, &desc) == CKPT_OK &&
                rename(from, runs) == 0 &&
                ckpt_recover(&ctx, &t.run, &none, NULL) == CKPT_OK &&
                rename(runs, from) == 0;
    ckpt_store_fs_close(&fs);
    return good && temp_dir_remove(dir);
}

static bool make_kind(const char *id, kind k)
{
    switch (k) {
    case INTERRUPTED:   return leave(id, 1);
    case LIVE:          return make_live(id, false);
    case STALLED:       return make_live(id, true);
    case EXHAUSTED:     return make_exhausted(id);
    case HALF_FINISHED: return finish_half(id);
    case FOREIGN:       return make_foreign(id);
    case NO_DIR:        return write_file(path_of(id, ""), "");
    case UNREADABLE:    return leave(id, 1) && dead_claims(id, 777, 777);
    case LINK:          return symlink("/tmp", path_of(id, "")) == 0;
    case LETTER:        return make_letter(id);
    case BUSY:          return leave(id, 1) && dead_claims(id, 2, 8) &&
                               beat_at(id, "heartbeat.8", 0);
    case NO_FILES:      return mkdir(path_of(id, ""), 0700) == 0;
    case RECEIPT:       return make_receipt(id);
    case LOST:          return make_lost(id);
    case MISSING:       return leave(id, 1) &&
                               unlink(path_of(id, "checkpoint.1.json")) == 0;
    default:            return make_damaged(id, k);
    }
}

static bool check_kind(void *user, const ckpt_run_info *info)
{
    const int i = atoi(info->id);
    (void)user;
    if (i < 0 || i >= mixed.count) {
        mixed.wrong++;
        return true;
    }
    const kind k = kind_of(i);
    mixed.seen[i]++;
    if ((int)info->state != expected[k].state ||
        info->error.code != expected[k].error ||
        info->older != (k == OLDER || k == MISSING) ||
        info->lost != (k == LOST) || info->once != (k == RECEIPT) ||
        (k == BUSY) != (info->wait_ms > 0) ||
        (info->error.code != CKPT_OK && info->error.msg == NULL) ||
        (k == LETTER && strcmp(info->reason, "because") != 0)) {
        if (mixed.wrong++ < 5) {
            printf("run %s of kind %d: state %d, error %d, wait %" PRId64 "\n",
                   info->id, (int)k, (int)info->state, info->error.code,
                   info->wait_ms);
        }
    }
    return true;
}

// Looks at all of them, and changes nothing.
static void scan_mixed(void)
{
    int missing = 0;
    ckpt_run_info infos[4];
    size_t count;
    CHECK_INT(state_of("none"), 0);             // makes the probe
    (void)query("0");
    const uint64_t before = sum_tree(AT_FDCWD, t.dir);
    CHECK_INT(ckpt_scan(&t.ctx, 0, check_kind, NULL), CKPT_OK);
    for (int i = 0; i < mixed.count; i++) {
        missing += mixed.seen[i] != 1;
    }
    CHECK_INT(mixed.wrong, 0);
    CHECK_INT(missing, 0);
    CHECK_INT(ckpt_latest(&t.ctx, "nobody", NULL, infos), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_stale(&t.ctx, 60000, infos, 4, &count), CKPT_OK);
    CHECK(sum_tree(AT_FDCWD, t.dir) == before);
    CHECK(sizeof(ckpt_run_info) <= 2048);
}

// [L21, L28, E29] CKPT_TEST_RUNS says how many.
static void one_scan_tells_every_state_and_changes_nothing(void)
{
    const char *runs = getenv("CKPT_TEST_RUNS");
    bool made = true;
    if (!begin_by(CKPT_STORE_FS_AUTO, 1)) {
        return;
    }
    t.fs.priv.ours_alone = true;                // a bare chroot does not tell
    memset(&mixed, 0, sizeof(mixed));
    mixed.count = runs != NULL ? atoi(runs) : 300;
    mixed.seen = calloc((size_t)mixed.count, 1);
    for (int i = 0; i < mixed.count && made; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        made = CHECK(make_kind(id, kind_of(i)));
    }
    CHECK(shell("mkdir \"$1/r-NOT-OURS\" && : >\"$1/stray\""));
    if (made && mixed.seen != NULL) {
        scan_mixed();
    }
    for (size_t i = 0; i < mixed.live_count; i++) {
        ckpt_abandon(&mixed.live[i]);
    }
    free(mixed.seen);
    end();
}

static void query_tells_and_claims_nothing(void)
{
    ckpt_run_info info;
    char id[CKPT_ID_MAX + 2];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 3));
    CHECK_INT(ckpt_query(&t.ctx, "a", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(info.epoch, 1);
    CHECK_INT(info.turn, 3);
    CHECK_INT(info.attempt, 0);
    CHECK(info.beat_age_ms >= 0 && info.beat_age_ms < HOUR * 1000);
    CHECK_INT(query("a").epoch, 1);
    CHECK_INT(ckpt_query(&t.ctx, "b", &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_query(&t.ctx, "", &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_query(&t.ctx, NULL, &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_query(&t.ctx, id, &info), CKPT_ERR_ARGUMENT);
    end();
}

static bool leave_of(const char *id, const char *agent, const char *task,
                     uint64_t turn, int64_t wall_ms)
{
    t.wall_ms = wall_ms;
    const bool good = ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){
        .id = id, .meta = { .agent_id = agent, .task_id = task } }) ==
        CKPT_OK && save(turn) == CKPT_OK;
    ckpt_abandon(&t.run);
    t.wall_ms = 0;
    return good;
}

// [L26, L27, S23 to S26] Equal turns are ordered here.
static void latest_wants_a_filter_and_orders_by_turn_time_and_id(void)
{
    ckpt_run_info info;
    if (!begin()) {
        return;
    }
    CHECK(leave_of("c", "clerk", "t1", 3, 1000) &&
          leave_of("e", "clerk", "t2", 5, 1000) &&
          leave_of("b", "smith", "t1", 3, 2000) &&
          leave_of("a", "smith", "t3", 3, 2000) &&
          leave_of("d", "smith", "t3", 3, 2000));
    CHECK_INT(ckpt_latest(&t.ctx, NULL, NULL, &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_latest(&t.ctx, "clerk", NULL, &info), CKPT_OK);
    CHECK_STR(info.id, "e");
    CHECK_INT(ckpt_latest(&t.ctx, NULL, "t1", &info), CKPT_OK);
    CHECK_STR(info.id, "b");
    CHECK_INT(ckpt_latest(&t.ctx, "clerk", "t1", &info), CKPT_OK);
    CHECK_STR(info.id, "c");
    CHECK_INT(ckpt_latest(&t.ctx, NULL, "t3", &info), CKPT_OK);
    CHECK_STR(info.id, "a");
    CHECK_INT(ckpt_latest(&t.ctx, "smith", "t2", &info), CKPT_ERR_NOT_FOUND);
    end();
}

static bool beat_abs(const char *id, int64_t at)
{
    return beat_at(id, "heartbeat.1", at - time(NULL));
}

// [S35 to S37] As the source: strictly older, oldest first.
static void stale_lists_the_oldest_first_and_strictly_older_ones(void)
{
    ckpt_run_info infos[4];
    size_t count = 9;
    const int64_t now = 1900000000;
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1) && leave("b", 1) && leave("c", 1) && leave("d", 1));
    t.touch_s = now;
    int64_t at = time(NULL);            // beat_abs() must see one second
    do {
        at = time(NULL);
        CHECK(beat_abs("a", now - 100) && beat_abs("d", now - 200) &&
              beat_abs("b", now - 200) && beat_abs("c", now - 300));
    } while (at != time(NULL));
    CHECK_INT(ckpt_stale(&t.ctx, 100000, infos, 4, &count), CKPT_OK);
    CHECK_INT(count, 3);
    CHECK_STR(infos[0].id, "c");
    CHECK_STR(infos[1].id, "b");
    CHECK_STR(infos[2].id, "d");
    CHECK_INT(ckpt_stale(&t.ctx, 99999, infos, 4, &count), CKPT_OK);
    CHECK_INT(count, 4);
    CHECK_STR(infos[3].id, "a");
    CHECK_INT(ckpt_stale(&t.ctx, 0, infos, 2, &count), CKPT_OK);
    CHECK_INT(count, 2);
    CHECK_STR(infos[0].id, "c");
    CHECK_STR(infos[1].id, "b");
    CHECK_INT(ckpt_stale(&t.ctx, 300000, infos, 4, &count), CKPT_OK);
    CHECK_INT(count, 0);
    CHECK_INT(ckpt_stale(&t.ctx, -1, infos, 4, &count), CKPT_ERR_ARGUMENT);
    end();
}

// [E29]
static void resume_next_passes_over_what_cannot_be_resumed(void)
{
    static ckpt_run live;
    ckpt_cursor cursor = { .stage = 0 };
    int count = 0;
    if (!begin_by(CKPT_STORE_FS_AUTO, 1)) {
        return;
    }
    CHECK(leave("a", 1) && leave("b", 1) && leave("c", 1) && leave("d", 1));
    CHECK(spoil("a"));
    CHECK_INT(resume("b"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_resume(&t.ctx, &live, &(ckpt_run_desc){ .id = "c" }),
              CKPT_OK);
    while (ckpt_resume_next(&t.ctx, &t.run, &cursor) == CKPT_OK) {
        CHECK_STR(t.run.id, "d");
        count++;
        ckpt_abandon(&t.run);
    }
    CHECK_INT(count, 1);
    CHECK_INT(ckpt_resume_next(&t.ctx, &t.run, &cursor), CKPT_END);
    memset(&cursor, 0, sizeof(cursor));
    CHECK_INT(ckpt_resume_next(&t.ctx, &t.run, &cursor), CKPT_END);
    ckpt_abandon(&live);
    end();
}

static ckpt_outcome complete(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)run; (void)finish;
    ++*(int *)user;
    return CKPT_COMPLETED;
}

static void a_run_can_be_recovered_while_another_one_is_bad(void)
{
    int calls = 0;
    ckpt_recover_info info;
    const ckpt_recover_desc desc = { .resume = complete, .fallback = complete,
                                     .user = &calls };
    if (!begin_by(CKPT_STORE_FS_AUTO, 1)) {
        return;
    }
    memset(&mixed, 0, sizeof(mixed));
    for (int i = 0; i < KINDS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        CHECK(make_kind(id, (kind)i));
    }
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &desc, &info), CKPT_OK);
    CHECK_INT(info.resumed, 3);             // INTERRUPTED, OLDER, MISSING
    CHECK_INT(info.fallen_back, 3);         // EXHAUSTED, DAMAGED, EMPTY
    CHECK_INT(info.dead_letters, 0);
    CHECK_INT(info.finished, 1);
    CHECK_INT(info.failed, 5);              // FOREIGN, NO_DIR, LINK,
                                            // UNREADABLE, NEWER
    CHECK_INT(calls, 6);
    CHECK_INT(state_of("1"), CKPT_STATE_LIVE);
    CHECK_INT(state_of("11"), CKPT_STATE_NEWER);
    CHECK_INT(state_of("12"), CKPT_STATE_FAILED);   // passed over
    CHECK_INT(state_of("16"), CKPT_STATE_DONE);
    CHECK_INT(state_of("17"), CKPT_STATE_FAILED);
    CHECK_INT(query("16").epoch, 1);
    for (size_t i = 0; i < mixed.live_count; i++) {
        ckpt_abandon(&mixed.live[i]);
    }
    end();
}

static void remove_refuses_a_live_run_and_removes_letters(void)
{
    static ckpt_run work;
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx, &work, "a"), CKPT_ERR_LIVE);
    CHECK(beat_at("a", "heartbeat.1", -3 * HOUR));
    CHECK_INT(ckpt_remove(&t.ctx, &work, "a"), CKPT_ERR_LIVE);
    CHECK_INT(save(1), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_remove(&t.ctx, &work, "a"), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx, &work, "a"), CKPT_ERR_NOT_FOUND);
    CHECK(leave("d", 1) && spoil("d"));
    CHECK_INT(ckpt_remove(&t.ctx, &work, "d"), CKPT_OK);
    CHECK_INT(state_of("d"), 0);
    CHECK(make_letter("b") && make_letter("c"));
    CHECK_INT(start("b"), CKPT_ERR_EXISTS);     // one place for a run
    CHECK_INT(letters(), 2);
    CHECK_INT(ckpt_remove(&t.ctx, &work, "b"), CKPT_OK);
    CHECK_INT(letters(), 1);
    CHECK_INT(ckpt_remove(&t.ctx, &work, "b"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(start("b"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK(make_receipt("e"));
    CHECK_INT(ckpt_remove(&t.ctx, &work, "e"), CKPT_OK);
    CHECK_INT(state_of("e"), 0);
    CHECK(shell("test ! -e \"$1/r-a\" && test ! -e \"$1/r-d\" && "
                "test ! -e \"$1/r-e\""));
    end();
}

static int ready_before_show(void *u, int dir, const char *from, int to_dir,
                             const char *to)
{
    if (strncmp(from, ".new-", 5) == 0) {
        child_ready('n');
    }
    return ckpt_store_fs_calls()->rename(u, dir, from, to_dir, to);
}

// Begins a run, and is ready in the moment before it has its name.
static int begin_slowly(void *arg)
{
    ckpt_fs_calls calls = *ckpt_store_fs_calls();
    calls.rename = ready_before_show;
    t.fs.priv.calls = &calls;
    return start(arg) == CKPT_OK && save(1) == CKPT_OK ? 0 : 1;
}

static void sweep_removes_leftovers_only(void)
{
    child c, d;
    uint32_t count = 9;
    if (!starts_agree()) {
        TEST_SKIP(UNTOLD);
    }
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK(finish_half("b"));
    CHECK(write_file(path_of("a", ".t.1.temp"), "half written"));
    CHECK(shell("mkdir \"$1/.new-old\" \"$1/.new-young\" && "
                "touch -d '3 hours ago' \"$1/.new-old\""));
    CHECK(child_start(&c, begin_slowly, (char[]){ "c" }));
    CHECK_INT(child_wait(&c), 'n');
    CHECK(child_start(&d, begin_slowly, (char[]){ "d" }));
    CHECK_INT(child_wait(&d), 'n');
    CHECK(shell("touch -d '3 hours ago' \"$1\"/.new-*/heartbeat.1"));
    CHECK_INT(child_end(&d, SIGKILL), -SIGKILL);
    // Left by d, b finished half, and the old one; c lives.
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &count), CKPT_OK);
    CHECK_INT(count, 3);
    CHECK(shell("test -d \"$1/.new-young\" && test ! -e \"$1/.new-old\""));
    child_go(&c);
    CHECK_INT(child_end(&c, 0), 0);
    CHECK_INT(query("c").turn, 1);
    CHECK_INT(query("a").turn, 1);
    CHECK_INT(state_of("b"), 0);
    CHECK_INT(state_of("d"), 0);
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &count), CKPT_OK);
    CHECK_INT(count, 0);
    end();
}

// --- Liveness

// Patches the start time or the pid that a claim names.
static bool patch_claim(const char *id, const char *key)
{
    char line[1024] = "";
    FILE *f = fopen(path_of(id, "heartbeat.1"), "r");
    const bool got = f != NULL && fgets(line, sizeof(line), f) != NULL;
    if (f != NULL) {
        fclose(f);
    }
    const char *at = got ? strstr(line, key) : NULL;
    return at != NULL && patch(path_of(id, "heartbeat.1"), key,
                               at[strlen(key)] == '1' ? "2" : "1");
}

static void a_process_with_a_used_pid_is_not_the_owner(void)
{
    ckpt_fs_self self;
    const ckpt_fs_calls *calls = ckpt_store_fs_calls();
    memset(&self, 0, sizeof(self));
    if (!begin()) {
        return;
    }
    CHECK_INT(calls->self(NULL, &self), 0);
    CHECK_INT(calls->gone(NULL, self.pid, self.start), 0);
    CHECK_INT(calls->gone(NULL, self.pid, 0), 0);
    CHECK(self.start == 0 || calls->gone(NULL, self.pid, self.start + 1) == 2);
    // Nobody holds the lock, though a process of that pid is there: us.
    CHECK(leave("a", 1));
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    // A lock is held, and the pid is there, but it seems to be another process:
    // so it does of a live owner in another time namespace, which beats.
    CHECK_INT(start("b"), CKPT_OK);
    CHECK_INT(state_of("b"), CKPT_STATE_LIVE);
    if (self.start != 0) {
        CHECK(patch_claim("b", "\"start\":"));
        CHECK_INT(state_of("b"), CKPT_STATE_LIVE);
        CHECK(beat_at("b", "heartbeat.1", -590));       // the lease is 60 s
        CHECK_INT(state_of("b"), CKPT_STATE_STALLED);
        CHECK(beat_at("b", "heartbeat.1", -620));
        CHECK_INT(state_of("b"), CKPT_STATE_INTERRUPTED);
    }
    end();
}

// Owns a run, and has a child that lives on.
static int owner_with_child(void *arg)
{
    char c;
    if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
        return 1;
    }
    if (fork() == 0) {                  // until the parent closes the pipe
        while (read(current_child->down[0], &c, 1) == 1) {
        }
        _exit(0);
    }
    child_ready('r');
    return 0;
}

static void a_lock_inherited_by_a_child_does_not_keep_a_run(void)
{
    child c;
    if (!starts_agree()) {
        TEST_SKIP(UNTOLD);
    }
    if (!begin()) {
        return;
    }
    CHECK(child_start(&c, owner_with_child, (char[]){ "a" }));
    CHECK_INT(child_wait(&c), 'r');
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    kill(c.pid, SIGKILL);
    waitpid(c.pid, NULL, 0);
    CHECK_INT(flock(open(path_of("a", "heartbeat.1"), O_RDONLY | O_CLOEXEC),
                    LOCK_SH | LOCK_NB), -1);            // it is inherited
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 1);
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    close(c.up[0]);
    close(c.down[1]);
    end();
}

static void a_clock_that_steps_harms_nobody_by_locks(void)
{
    static const int64_t steps[] = { -YEAR, YEAR };
    static ckpt_run other;
    if (!begin_by(CKPT_STORE_FS_LOCKS, CKPT_UNLIMITED)) {
        return;
    }
    CHECK_INT(start("live"), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        CHECK(beat_at("live", "heartbeat.1", steps[i]));
        CHECK_INT(state_of("live"), steps[i] < 0 ? CKPT_STATE_STALLED
                                                 : CKPT_STATE_LIVE);
        CHECK_INT(ckpt_resume(&t.ctx, &other, &(ckpt_run_desc){ .id = "live" }),
                  CKPT_ERR_LIVE);
    }
    CHECK_INT(save(1), CKPT_OK);
    ckpt_abandon(&t.run);
    for (int i = 0; i < 2; i++) {
        char claim[32];
        snprintf(claim, sizeof(claim), "heartbeat.%d", i + 1);
        CHECK(beat_at("live", claim, steps[i]));
        CHECK_INT(state_of("live"), CKPT_STATE_INTERRUPTED);
        CHECK_INT(resume("live"), CKPT_OK);
        ckpt_abandon(&t.run);
    }
    end();
}

static void a_clock_that_steps_is_wrong_for_one_beat_by_age(void)
{
    const int64_t now = 1900000000;
    if (!begin_by(CKPT_STORE_FS_AGE, 0)) {
        return;
    }
    t.touch_s = now;
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    t.touch_s = now + 60;                               // a lease, not more
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    t.touch_s = now + 61;
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    t.touch_s = now + YEAR;
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);   // wrong, and
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);              // for one beat
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    t.touch_s = now - YEAR;
    CHECK_INT(state_of("a"), CKPT_STATE_BUSY);          // not known
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    CHECK_INT(save(1), CKPT_OK);
    end();
}

static void a_beat_in_the_future_is_watched_and_not_believed_for_ever(void)
{
    static const ckpt_store_fs_liveness ways[] = { CKPT_STORE_FS_AGE,
                                                   CKPT_STORE_FS_LOCKS };
    for (int i = 0; i < 2; i++) {
        if (!begin_by(ways[i], 0)) {
            return;
        }
        CHECK(leave("a", 1));
        CHECK(beat_at("a", "heartbeat.1", YEAR));
        if (ways[i] == CKPT_STORE_FS_AGE) {
            CHECK_INT(state_of("a"), CKPT_STATE_BUSY);
            const int64_t wait_ms = query("a").wait_ms;
            CHECK(wait_ms > 50000 && wait_ms <= 60000);
            t.mono_ms += 59000;
            CHECK_INT(state_of("a"), CKPT_STATE_BUSY);
            CHECK(beat_at("a", "heartbeat.1", YEAR + 1));   // it does change
            t.mono_ms += 59000;
            CHECK_INT(state_of("a"), CKPT_STATE_BUSY);
            CHECK_INT(resume("a"), CKPT_ERR_BUSY);
            t.mono_ms += 61000;
        }
        CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
        CHECK_INT(resume("a"), CKPT_OK);
        end();
    }
}

// One more than can be watched at a time, which must not take the slot of the
// first, although two such leases are more than 64 bits hold.
static void beats_in_the_future_are_watched_for_the_longest_lease(void)
{
    const int64_t lease_ms = INT64_MAX / 2 + 1;
    static const char *const ids[] = { "a", "b", "c", "d", "e", "f", "g", "h",
                                       "i" };
    if (!begin_by(CKPT_STORE_FS_AGE, 0)) {
        return;
    }
    for (int i = 0; i < 9; i++) {
        CHECK(leave(ids[i], 1) && beat_at(ids[i], "heartbeat.1", YEAR));
    }
    CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
        .store = &t.fs.base, .lease_ms = lease_ms }), CKPT_OK);
    for (int i = 0; i < 9; i++) {
        CHECK_INT(state_of(ids[i]), CKPT_STATE_BUSY);
    }
    t.mono_ms = lease_ms;
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(state_of("i"), CKPT_STATE_BUSY);          // was not watched
    end();
}

#if defined(__linux__)
// Runs a function as the first process of a pid namespace of its own.
static int in_namespace(void *arg)
{
    child_fn *fn;
    int status = 0;
    memcpy(&fn, arg, sizeof(fn));
    if (unshare(CLONE_NEWPID) != 0) {
        child_ready('x');
        return 0;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(fn((char[]){ "a" }));
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int plain_owner(void *arg)
{
    if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
        return 1;
    }
    child_ready('r');
    return 0;
}

// An owner, not the first process there, that dies and leaves a child.
static int owner_dies(void *arg)
{
    int status;
    const pid_t owner = fork();
    if (owner == 0) {
        if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
            _exit(1);
        }
        if (fork() == 0) {
            pause();                    // until its namespace ends
        }
        _exit(0);
    }
    waitpid(owner, &status, 0);
    child_ready('r');
    return 0;
}

static char start_in_namespace(child *c, child_fn *fn)
{
    CHECK(child_start(c, in_namespace, &fn));
    return child_wait(c);
}
#endif

static void a_run_of_another_pid_namespace_is_live_until_it_dies(void)
{
#if defined(__linux__)
    child c;
    if (!begin()) {
        return;
    }
    if (start_in_namespace(&c, plain_owner) == 'r') {
        CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
        CHECK_INT(resume("a"), CKPT_ERR_LIVE);
        child_go(&c);
        CHECK_INT(child_end(&c, 0), 0);
        CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
        CHECK_INT(resume("a"), CKPT_OK);
        end();
        return;
    }
    child_end(&c, SIGKILL);
    end();
#endif
    TEST_SKIP("a pid namespace needs Linux and root");
}

static void an_inherited_lock_in_another_pid_namespace_needs_force(void)
{
#if defined(__linux__)
    child c;
    if (!begin()) {
        return;
    }
    if (start_in_namespace(&c, owner_dies) == 'r') {
        CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
        CHECK_INT(resume("a"), CKPT_ERR_LIVE);
        CHECK_INT(force("a"), CKPT_OK);
        CHECK_INT(save(2), CKPT_OK);
        child_go(&c);
        CHECK_INT(child_end(&c, 0), 0);
        end();
        return;
    }
    child_end(&c, SIGKILL);
    end();
#endif
    TEST_SKIP("a pid namespace needs Linux and root");
}

// --- Forks

#define REFUSED(call) ((call) == CKPT_ERR_FORKED ? 0 : (printf(                \
    "%s in a forked child is not refused\n", #call), fflush(stdout), 1))

static int restore_nothing(void *user, const ckpt_env *env, void *out)
{
    (void)user; (void)env; (void)out;
    return 0;
}

// Tries every call on a run that is the parent's. Returns how many were not
// refused.
static int call_everything(void *arg)
{
    static ckpt_env env;
    ckpt_effect e;
    ckpt_held held;
    ckpt_note_info note;
    char buf[2048];
    size_t size;
    int n = 0;
    const ckpt_save_desc desc = { .anew = true, .turn = 2,
                                  .messages = ckpt_text("[]") };
    const ckpt_save_desc forced = { .turn = 2, .force = true };
    (void)arg;
    memset(&held, 0, sizeof(held));
    n += REFUSED(ckpt_save(&t.run, &forced));
    n += REFUSED(ckpt_beat(&t.run));
    n += REFUSED(load());
    n += REFUSED(ckpt_phase_end(&t.run, "p", ckpt_text("1"), NULL));
    n += REFUSED(ckpt_phase_output(&t.run, "plan", buf, sizeof(buf), &size));
    n += REFUSED(ckpt_effect_begin(&t.run, "new", &desc, &e));
    n += REFUSED(ckpt_effect_begin(&t.run, "old", &(ckpt_save_desc){
                                       .turn = 1 }, &e));
    n += REFUSED(ckpt_effect_end(&t.run, "old", ckpt_text("1")));
    memset(&e, 0, sizeof(e));
    n += REFUSED(ckpt_effect_next(&t.run, &e));
    n += REFUSED(ckpt_note(&t.run, &note, buf, sizeof(buf)));
    n += REFUSED(ckpt_held_next(&t.run, &held));
    n += REFUSED(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "vm", .restore = restore_nothing, .run = &t.run }));
    n += REFUSED(ckpt_finish(&t.run, CKPT_COMPLETED, NULL));
    return n;
}

static void every_call_of_a_forked_child_is_refused(void)
{
    ckpt_effect e;
    const ckpt_save_desc desc = { .anew = true, .turn = 1,
                                  .messages = ckpt_text("[]") };
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("1"), NULL), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "old", &desc, &e), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume("a"), CKPT_OK);
    const uint64_t before = sum_tree(AT_FDCWD, t.dir);
    CHECK_INT(child_run(call_everything, NULL), 0);
    CHECK(sum_tree(AT_FDCWD, t.dir) == before);
    CHECK_INT(save(2), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    end();
}

static int call_skipped(void *arg)
{
    const ckpt_save_desc desc = { .turn = 2 };
    (void)arg;
    return REFUSED(ckpt_save(&t.run, &desc)) + REFUSED(ckpt_beat(&t.run));
}

// Throttled, or just beaten: the child should learn that it is none all the
// same, and not go on as if it were the owner.
static void what_is_skipped_is_refused_in_a_forked_child_too(void)
{
    if (!begin()) {
        return;
    }
    CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
        .store = &t.fs.base, .throttle_ms = HOUR * 1000,
        .beat_ms = HOUR * 1000, .lease_ms = 2 * HOUR * 1000 }), CKPT_OK);
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(child_run(call_skipped, NULL), 0);
    end();
}

static int abandon_and_look(void *arg)
{
    (void)arg;
    ckpt_abandon(&t.run);
    return save(2) == CKPT_ERR_CLOSED ? 0 : 1;
}

static void a_forked_child_that_abandons_leaves_the_run_to_its_parent(void)
{
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(child_run(abandon_and_look, NULL), 0);
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    CHECK_INT(save(2), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    end();
}

// --- Fencing

// An owner that sleeps while it is overtaken. Returns which call was not told.
static int overtaken(void *arg)
{
    if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
        return 1;
    }
    child_ready('r');
    if (save(9) != CKPT_ERR_CLAIM_LOST || save(10) != CKPT_ERR_CLAIM_LOST) {
        return 2;
    }
    if (ckpt_beat(&t.run) != CKPT_ERR_CLAIM_LOST ||
        ckpt_phase_end(&t.run, "p", ckpt_text("1"), NULL) !=
            CKPT_ERR_CLAIM_LOST) {
        return 3;
    }
    if (ckpt_finish(&t.run, CKPT_COMPLETED, NULL) != CKPT_ERR_CLAIM_LOST) {
        return 4;
    }
    return save(11) == CKPT_ERR_CLOSED ? 0 : 5;
}

// The same, but the first thing it does is to beat, or to finish.
static int overtaken_beats(void *arg)
{
    if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
        return 1;
    }
    child_ready('r');
    return ckpt_beat(&t.run) == CKPT_ERR_CLAIM_LOST &&
           save(9) == CKPT_ERR_CLAIM_LOST ? 0 : 2;
}

static int overtaken_finishes(void *arg)
{
    if (start(arg) != CKPT_OK || save(1) != CKPT_OK) {
        return 1;
    }
    child_ready('r');
    return ckpt_finish(&t.run, CKPT_FAILED, &(ckpt_finish_desc){
               .keep = true }) == CKPT_ERR_CLAIM_LOST ? 0 : 2;
}

static child_fn *const sleepers[] = { overtaken, overtaken_beats,
                                      overtaken_finishes };

// [L22]
static void a_stalled_owner_is_taken_over_by_force_and_told_so(void)
{
    if (!starts_agree()) {
        TEST_SKIP(UNTOLD);
    }
    for (size_t i = 0; i < 3; i++) {
        child c;
        if (!begin()) {
            return;
        }
        CHECK(child_start(&c, sleepers[i], (char[]){ "a" }));
        CHECK_INT(child_wait(&c), 'r');
        CHECK(beat_at("a", "heartbeat.1", -3 * HOUR));
        CHECK_INT(state_of("a"), CKPT_STATE_STALLED);
        CHECK_INT(resume("a"), CKPT_ERR_LIVE);
        CHECK_INT(force("a"), CKPT_OK);
        CHECK_INT(save(2), CKPT_OK);
        child_go(&c);
        CHECK_INT(child_end(&c, 0), 0);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 2);
        CHECK_INT(save(3), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
        CHECK_INT(query("a").turn, 3);
        CHECK_INT(letters(), 0);
        end();
    }
}

static void an_old_owner_does_not_touch_a_run_begun_anew_under_its_id(void)
{
    for (size_t i = 0; i < 3; i++) {
        child c;
        if (!begin()) {
            return;
        }
        CHECK(child_start(&c, sleepers[i], (char[]){ "a" }));
        CHECK_INT(child_wait(&c), 'r');
        CHECK_INT(force("a"), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(start("a"), CKPT_OK);
        CHECK_INT(save(50), CKPT_OK);
        (void)query("a");
        const uint64_t before = sum_tree(AT_FDCWD, t.dir);
        child_go(&c);
        CHECK_INT(child_end(&c, 0), 0);
        CHECK(sum_tree(AT_FDCWD, t.dir) == before);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 50);
        CHECK_INT(t.run.epoch, 1);
        end();
    }
}

static void a_run_let_go_can_be_resumed_at_once(void)
{
    if (!begin_by(CKPT_STORE_FS_AGE, 0)) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, NULL), CKPT_OK);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.attempt, 2);
    end();
}

// --- Runs that are kept, and what is left of others

// The names in the directory of a run, in order, with a space behind each.
static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *files_of(const char *id)
{
    static char all[4096];
    char names[64][64], *order[64];
    size_t n = 0;
    DIR *d = opendir(path_of(id, ""));
    for (struct dirent *e; d != NULL && n < 64 && (e = readdir(d)) != NULL; ) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            snprintf(names[n], sizeof(names[n]), "%.60s", e->d_name);
            order[n] = names[n];
            n++;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    qsort(order, n, sizeof(order[0]), by_name);
    all[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(strcat(all, order[i]), " ");
    }
    return all;
}

static unsigned count_files(const char *id)
{
    unsigned n = 0;
    for (const char *p = files_of(id); *p != '\0'; p++) {
        n += *p == ' ';
    }
    return n;
}

static void a_kept_run_is_one_generation_and_its_claim(void)
{
    for (int i = 0; i < 2; i++) {
        if (!begin()) {
            return;
        }
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &(ckpt_run_desc){
            .id = "a", .once = true }), CKPT_OK);
        CHECK_INT(save(1), CKPT_OK);
        ckpt_abandon(&t.run);
        CHECK_INT(resume("a"), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, i == 0 ? CKPT_COMPLETED : CKPT_FAILED,
                              &(ckpt_finish_desc){ .keep = true }), CKPT_OK);
        CHECK_STR(files_of("a"), "checkpoint.2.json heartbeat.2 ");
        CHECK_INT(state_of("a"), i == 0 ? CKPT_STATE_DONE : CKPT_STATE_FAILED);
        CHECK_INT(resume("a"), i == 0 ? CKPT_FINISHED : CKPT_ERR_FAILED);
        CHECK_STR(files_of("a"), "checkpoint.2.json heartbeat.2 ");
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "a"), CKPT_OK);
        CHECK(shell("test ! -e \"$1/r-a\""));
        end();
    }
}

// What an agent does from its first line to its last. It dies in its tool, the
// first time.
static ckpt_outcome pay_once(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    ckpt_effect e;
    (void)user; (void)f;
    if (ckpt_phase(run, "plan")) {
        seen->tools[0]++;
        CHECK_INT(ckpt_phase_end(run, "plan", ckpt_text("1"), NULL), CKPT_OK);
    }
    CHECK_INT(ckpt_effect_begin(run, "pay", &(ckpt_save_desc){ .turn = 1 },
                                &e), CKPT_OK);
    if (e.state == CKPT_EFFECT_NEW) {
        seen->tools[1]++;
        crash();
    }
    return CKPT_COMPLETED;
}

static int do_job(void *arg)
{
    (void)arg;
    return ckpt_execute(&t.ctx, &t.run, &(ckpt_run_desc){
        .id = "a", .once = true }, pay_once, NULL);
}

static void a_watchdog_that_starts_a_done_job_again_repeats_nothing(void)
{
    if (!begin() || !share()) {
        return;
    }
    CHECK_INT(child_run(do_job, NULL), -SIGKILL);
    CHECK_INT(child_run(do_job, NULL), CKPT_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(child_run(do_job, NULL), CKPT_FINISHED);
    }
    CHECK_INT(seen->tools[0], 1);
    CHECK_INT(seen->tools[1], 1);
    CHECK_INT(state_of("a"), CKPT_STATE_DONE);
    end();
}

// However its owners end, a run that is resumed for ever stays small.
static void claims_and_generations_do_not_pile_up(void)
{
    for (int i = 0; i < 3; i++) {
        unsigned most = 0;
        if (!begin_by(CKPT_STORE_FS_AUTO, CKPT_UNLIMITED)) {
            return;
        }
        CHECK(leave("a", 1));
        for (int n = 2; n <= 200; n++) {
            if (!CHECK_INT(resume("a"), CKPT_OK)) {
                break;
            }
            CHECK_INT(t.run.epoch, n);
            if (i == 1) {
                CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL),
                          CKPT_OK);
            } else if (i == 2) {
                CHECK_INT(save(1), CKPT_OK);
            }
            ckpt_abandon(&t.run);
            const unsigned files = count_files("a");
            most = files > most ? files : most;
        }
        CHECK(most >= 3 && most <= 7);          // two claims, at most four
        end();                                  // generations, and a look
    }
}

// Deleted by a person, or taken by a virus scanner: an effect that had begun
// would be new again, and run twice, unasked.
static void a_missing_newest_file_is_told(void)
{
    ckpt_effect e;
    const ckpt_save_desc turn = { .turn = 5 };
    if (!begin()) {
        return;
    }
    CHECK_INT(start("a"), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "pay", &turn, &e), CKPT_OK);
    const uint64_t seq = t.run.seq;
    ckpt_abandon(&t.run);
    CHECK_INT(unlink(path_of("a", "checkpoint.1.json")), 0);
    CHECK(query("a").older);
    CHECK_INT(ckpt_verify(&t.ctx, "a", NULL), CKPT_ERR_DAMAGED);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK(t.run.older && t.run.seq > seq);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(5), CKPT_OK);
    CHECK_INT(save(6), CKPT_OK);
    // The same, while its owner lives.
    const uint64_t last = t.run.seq;
    CHECK_INT(unlink(path_of("a", "checkpoint.2.json")), 0);
    CHECK(query("a").older);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 5);
    CHECK_INT(save(6), CKPT_OK);
    CHECK(t.run.seq > last);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 6);
    // And if it saves before it looks.
    const uint64_t behind = t.run.seq;
    CHECK_INT(unlink(path_of("a", "checkpoint.2.json")), 0);
    CHECK(save(7) < 0);
    CHECK_INT(save(7), CKPT_ERR_DAMAGED);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 5);
    CHECK_INT(save(7), CKPT_OK);
    CHECK(t.run.seq > behind);
    ckpt_abandon(&t.run);
    CHECK(!query("a").older);
    end();
}

static void verify_finds_damage_that_a_load_does_not_meet(void)
{
    if (!begin()) {
        return;
    }
    CHECK(leave("a", 1) && leave("b", 1) && make_receipt("c"));
    CHECK_INT(ckpt_verify(&t.ctx, "a", NULL), CKPT_OK);
    CHECK_INT(ckpt_verify(&t.ctx, "c", NULL), CKPT_OK);
    CHECK(patch(path_of("a", "checkpoint.1.prev.json"), "\"run\":\"", "?"));
    CHECK_INT(truncate(path_of("b", "checkpoint.1.prev.json"), 100), 0);
    (void)query("a");
    const uint64_t before = sum_tree(AT_FDCWD, t.dir);
    CHECK_INT(ckpt_verify(&t.ctx, "a", NULL), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_verify(&t.ctx, "b", NULL), CKPT_ERR_DAMAGED);
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK(!query("a").older);
    CHECK(sum_tree(AT_FDCWD, t.dir) == before);
    t.fail_reads = -EIO;
    CHECK_INT(ckpt_verify(&t.ctx, "c", NULL), CKPT_ERR_IO);
    t.fail_reads = 0;
    CHECK_INT(ckpt_verify(&t.ctx, "d", NULL), CKPT_ERR_NOT_FOUND);
    end();
}

static void prune_removes_what_is_old_and_keeps_what_it_does_not_know(void)
{
    const ckpt_prune_desc day = { .age_ms = 24 * INT64_C(3600000) };
    ckpt_prune_desc any = { .age_ms = 1, .states = CKPT_STATE_INTERRUPTED };
    uint32_t n = 9;
    if (!begin()) {
        return;
    }
    CHECK(make_receipt("old") && make_letter("older") && make_receipt("new") &&
          make_receipt("future") && make_receipt("unknown") &&
          leave("left", 1));
    CHECK(beat_at("old", "heartbeat.1", -25 * HOUR));
    CHECK(beat_at("older", "heartbeat.1", -100 * HOUR));
    CHECK(beat_at("left", "heartbeat.1", -YEAR));
    CHECK(beat_at("future", "heartbeat.1", YEAR));
    CHECK_INT(unlink(path_of("unknown", "heartbeat.1")), 0);
    any.dry_run = true;
    CHECK_INT(ckpt_prune(&t.ctx, &t.run, &any, &n), CKPT_OK);
    CHECK_INT(n, 1);
    CHECK_INT(state_of("left"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run, &day, &n), CKPT_OK);
    CHECK_INT(n, 2);
    CHECK(shell("test ! -e \"$1/r-old\" && test ! -e \"$1/r-older\""));
    CHECK_INT(state_of("new"), CKPT_STATE_DONE);
    CHECK_INT(state_of("future"), CKPT_STATE_DONE);
    CHECK_INT(state_of("unknown"), CKPT_STATE_DONE);
    CHECK_INT(state_of("left"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run, &day, &n), CKPT_OK);
    CHECK_INT(n, 0);
    end();
}

static int fail_rename(void *u, int dir, const char *from, int to_dir,
                       const char *to)
{
    (void)u; (void)dir; (void)from; (void)to_dir; (void)to;
    return -ENOSPC;
}

// Where locks are not to be had, a beat of a claimant that gave up is no sign
// of life.
static void a_claimant_that_gave_up_is_gone_by_age_too(void)
{
    ckpt_store_fs fs;
    ckpt_ctx ctx;
    ckpt_fs_calls full = *ckpt_store_fs_calls();
    ckpt_desc desc = desc_of(0);
    full.rename = fail_rename;
    if (!begin_by(CKPT_STORE_FS_AGE, 0)) {
        return;
    }
    CHECK(leave("a", 1));
    CHECK(beat_at("a", "heartbeat.1", -3 * HOUR));
    desc.store = &fs.base;
    CHECK_INT(ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
        .dir = t.dir, .durability = CKPT_STORE_FS_PROCESS,
        .liveness = CKPT_STORE_FS_AGE, .calls = &full }, NULL), CKPT_OK);
    CHECK_INT(ckpt_init(&ctx, &desc), CKPT_OK);
    CHECK_INT(ckpt_resume(&ctx, &t.run, &(ckpt_run_desc){ .id = "a" }),
              CKPT_ERR_NO_SPACE);
    ckpt_store_fs_close(&fs);
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(query("a").wait_ms, 0);
    CHECK_INT(resume("a"), CKPT_OK);
    CHECK_INT(t.run.epoch, 3);
    end();
}
