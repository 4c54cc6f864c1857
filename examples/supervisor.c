// SPDX-License-Identifier: MIT-0
/*
    supervisor.c -- keeps workers at work, and minds neither their death nor
                    its own

    Queues tasks, starts a worker program for each, another one when it died.
    There is no list of who works on what that a crash could lose: the store is
    the list. A run that is interrupted needs a program; one that is live has
    one, whoever started it; one that is done stays as a receipt, so that no
    start does its work a second time; one that failed stays to be looked at.

        cc -std=c99 -I. -I/usr/include/stb -o supervisor examples/supervisor.c
        ./supervisor [-c] [-r] [-f task] [-n tasks] [-d runs]

    With -c it kills workers at random, to show that they come back. Kill the
    supervisor, and its workers go on; start it again, and it goes on with them.
    Ctrl-C stops all of them cleanly. With -f the task of that number fails, and
    with -r tasks that failed, or died too often, are tried again. Receipts and
    failures are pruned when they are a week old. Exit status: 0 every task is
    done; 75 stopped; 1 an error, another supervisor is at work, or a task
    failed.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    TASKS_MAX = 99,
    TURNS     = 30,                     // that a task takes
    TICK_MS   = 250,                    // between two scans
    TRY_LATER = 75,                     // EX_TEMPFAIL
    WEEK_MS   = 7 * 24 * 3600 * 1000,
    NEEDY     = CKPT_STATE_INTERRUPTED | CKPT_STATE_FINISHED,
    HOPEFUL   = NEEDY | CKPT_STATE_LIVE | CKPT_STATE_STALLED | CKPT_STATE_BUSY
};

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
    stopped = sig;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static int fail(const char *what, const ckpt_error *error)
{
    fprintf(stderr, "supervisor: %s: %s\n", what, error->msg);
    return 1;
}

// What both programs need: where runs are kept, and how.
typedef struct base {
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;                  // our own
} base;

static bool base_open(base *b, const char *dir, const char *owner, int32_t max)
{
    ckpt_error e;
    if (ckpt_store_fs_open(&b->fs, &(ckpt_store_fs_desc){ .dir = dir }, &e)) {
        return !fail(dir, &e);
    }
    if (ckpt_init(&b->ctx, &(ckpt_desc){ .store = &b->fs.base, .owner = owner,
                                         .beat_ms = 1000, .resume_max = max,
                                         .throttle_ms = CKPT_OFF })) {
        return !fail("init", ckpt_last_error(&b->ctx));
    }
    // A clean stop is worth it: it gives the attempt back.
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    return true;
}

//--- The worker ---------------------------------------------------------------

// Any program can be one: it is told a store and an id, and resumes that run.
static int worker(const char *dir, const char *id, bool fails)
{
    ckpt_outcome outcome = CKPT_COMPLETED;
    const ckpt_finish_desc failure = { .keep = true,
                                       .reason = "it was told to" };
    static base b;
    if (!base_open(&b, dir, "worker", 0)) {
        return 1;
    }
    ckpt_code rc = ckpt_resume(&b.ctx, &b.run, &(ckpt_run_desc){ .id = id });
    if (rc == CKPT_FINISHED) {
        return 0;                       // another one was faster: good
    }
    if (rc == CKPT_ERR_LIVE || rc == CKPT_ERR_BUSY || rc == CKPT_ERR_FAILED) {
        return TRY_LATER;               // it is another one's, or nobody's
    }
    if (rc < 0) {
        return fail(id, ckpt_last_error(&b.ctx));
    }
    // Every turn is progress, so an attempt is one death within one turn.
    while (!stopped && b.run.turn < (fails ? TURNS / 2 : TURNS)) {
        sleep_ms(100 + (long)getpid() % 100);           // the work
        rc = ckpt_save(&b.run, &(ckpt_save_desc){
            .turn = b.run.turn + 1, .append_at = b.run.messages,
            .messages = ckpt_text("[{\"role\":\"assistant\"}]") });
        if (rc < 0) {
            return fail(id, &b.run.error);
        }
    }
    if (stopped || fails) {
        outcome = stopped ? CKPT_INTERRUPTED : CKPT_FAILED;
    }
    rc = ckpt_finish(&b.run, outcome, stopped || !fails ? NULL : &failure);
    return rc < 0 ? fail(id, &b.run.error) : 0;
}

//--- The supervisor -----------------------------------------------------------

typedef struct task {
    char          id[16];
    ckpt_run_info info;
    bool          found;                // by the last scan; if not, it was done
                                        // so long ago that it was pruned
    pid_t         pid;                  // of a worker of ours, or 0
} task;

typedef struct supervisor {
    base        b;
    const char *program, *dir;
    bool        chaos, retry, screen, shown;
    int         count, left, done, starts, deaths, kills, fails;
    task        tasks[TASKS_MAX];
} supervisor;

// A run that was begun and let go is a task in a queue, and a durable one.
// Queueing is a phase: if we die in it, the next start does it again, and finds
// some tasks there.
static bool queue_tasks(supervisor *s)
{
    static ckpt_run run;
    char count[16];
    for (task *t = s->tasks; t < s->tasks + s->count; t++) {
        ckpt_code rc = ckpt_start(&s->b.ctx, &run, &(ckpt_run_desc){
            .id = t->id, .once = true });
        if (rc == CKPT_OK) {
            rc = ckpt_finish(&run, CKPT_INTERRUPTED, NULL);
        }
        // In any state: one that is done is not to be done again.
        if (rc != CKPT_OK && rc != CKPT_ERR_EXISTS) {
            return !fail("queue", ckpt_last_error(&s->b.ctx));
        }
    }
    snprintf(count, sizeof(count), "%d", s->count);
    return !ckpt_phase_end(&s->b.run, "queue", ckpt_text(count), NULL) ||
           !fail("queue", &s->b.run.error);
}

// The supervisor is a run, too. That makes it the only one as long as it lives,
// and tells it after a crash how many tasks it had queued.
static bool supervisor_open(supervisor *s)
{
    char count[16] = "";
    const ckpt_code rc = ckpt_open(&s->b.ctx, &s->b.run, &(ckpt_run_desc){
        .id = "supervisor" });
    if (rc < 0) {
        return !fail("open", ckpt_last_error(&s->b.ctx));
    }
    for (int i = 0; i < TASKS_MAX; i++) {
        snprintf(s->tasks[i].id, sizeof(s->tasks[i].id), "task-%02d", i + 1);
    }
    if (ckpt_phase(&s->b.run, "queue")) {
        return queue_tasks(s);
    }
    if (ckpt_phase_output(&s->b.run, "queue", count, sizeof(count) - 1,
                          &(size_t){ 0 }) != CKPT_OK) {
        return !fail("resume", &s->b.run.error);
    }
    s->count = atoi(count);
    return true;
}

static bool visit(void *user, const ckpt_run_info *info)
{
    supervisor *s = user;
    for (task *t = s->tasks; t < s->tasks + s->count; t++) {
        if (strcmp(t->id, info->id) == 0) {
            t->info = *info;
            t->found = true;
        }
    }
    return true;
}

// Puts the store in order: what ended long ago goes; what failed, or died too
// often, may be tried again.
static bool tidy(supervisor *s)
{
    static ckpt_run run;
    if (ckpt_prune(&s->b.ctx, &run, &(ckpt_prune_desc){ .age_ms = WEEK_MS },
                   NULL) != CKPT_OK) {
        return !fail("prune", ckpt_last_error(&s->b.ctx));
    }
    for (const task *t = s->tasks; s->retry && t < s->tasks + s->count; t++) {
        const ckpt_code rc = ckpt_retry(&s->b.ctx, &run, t->id);
        if (rc != CKPT_OK && rc != CKPT_FINISHED && rc != CKPT_ERR_EXISTS &&
            rc != CKPT_ERR_NOT_FOUND) {
            fail(t->id, ckpt_last_error(&s->b.ctx));
        }
    }
    return true;
}

// exec closes the files of the store, so a worker inherits no claim of ours.
static void start_worker(supervisor *s, task *t)
{
    const bool fails = t == s->tasks + s->fails - 1;
    t->pid = fork();
    if (t->pid == 0) {
        execlp(s->program, s->program, fails ? "--fail" : "--worker", s->dir,
               t->id, (char *)NULL);
        _exit(127);
    }
    s->starts += t->pid > 0;
}

static const char *state_name(const task *t)
{
    return ckpt_state_name(t->found ? t->info.state : CKPT_STATE_DONE);
}

// On a screen the table stays in its place; elsewhere only the sums are shown.
static void show(supervisor *s)
{
    if (s->screen) {
        if (s->shown) {
            printf("\033[%dA", s->count + 2);
        }
        printf("run       state        %-*s  attempt  owner\n", TURNS, "turn");
        for (const task *t = s->tasks; t < s->tasks + s->count; t++) {
            const uint64_t turn = t->found ? t->info.turn : TURNS;
            char bar[TURNS + 1] = "";
            memset(bar, '#', turn < TURNS ? (size_t)turn : TURNS);
            printf("\033[K%-9s %-12s %-*s  %7u  %s\n", t->id, state_name(t),
                   TURNS, bar, t->found ? (unsigned)t->info.attempt : 0,
                   t->found ? t->info.owner : "");
        }
    }
    printf("%d of %d done, %d starts, %d deaths, %d of them by our hand\n",
           s->done, s->count, s->starts, s->deaths, s->kills);
    s->shown = true;
    fflush(stdout);
}

// One look at everything, and a worker for each run that needs one.
static bool tick(supervisor *s)
{
    int status;
    s->left = s->done = 0;
    for (task *t = s->tasks; t < s->tasks + s->count; t++) {
        t->found = false;
        if (t->pid > 0 && waitpid(t->pid, &status, WNOHANG) != 0) {
            t->pid = 0;
            s->deaths += WIFSIGNALED(status);
        }
    }
    if (ckpt_scan(&s->b.ctx, 0, visit, s) != CKPT_OK) {
        return !fail("scan", ckpt_last_error(&s->b.ctx));
    }
    for (task *t = s->tasks; t < s->tasks + s->count; t++) {
        s->done += !t->found || t->info.state == CKPT_STATE_DONE;
        s->left += t->found && (t->info.state & HOPEFUL);
        // Not while a worker of ours is coming up.
        if (t->found && t->pid <= 0 && (t->info.state & NEEDY)) {
            start_worker(s, t);
        }
    }
    const task *victim = &s->tasks[rand() % s->count];
    if (s->chaos && victim->pid > 0) {
        s->kills += kill(victim->pid, SIGKILL) == 0;
    }
    show(s);
    return true;
}

static int supervise(supervisor *s)
{
    do {
        if (!tick(s) || ckpt_beat(&s->b.run) < 0) {
            return 1;
        }
        sleep_ms(TICK_MS);
    } while (s->left > 0 && !stopped);
    if (ckpt_finish(&s->b.run, s->left > 0 ? CKPT_INTERRUPTED : CKPT_COMPLETED,
                    NULL) < 0) {
        return fail("finish", &s->b.run.error);
    }
    return s->left > 0 ? TRY_LATER : s->done < s->count;
}

int main(int argc, char **argv)
{
    static supervisor s = { .dir = "build/supervisor.runs", .count = 8 };
    if (argc == 4 && (strcmp(argv[1], "--worker") == 0 ||
                      strcmp(argv[1], "--fail") == 0)) {
        return worker(argv[2], argv[3], argv[1][2] == 'f');
    }
    srand((unsigned)getpid());
    s.program = argv[0];
    s.screen = isatty(STDOUT_FILENO);
    for (int c; (c = getopt(argc, argv, "crf:n:d:")) != -1; ) {
        switch (c) {
        case 'c': s.chaos = true; break;
        case 'r': s.retry = true; break;
        case 'f': s.fails = atoi(optarg); break;
        case 'n': s.count = atoi(optarg); break;
        case 'd': s.dir = optarg; break;
        default:  s.count = 0;
        }
    }
    if (s.count < 1 || s.count > TASKS_MAX) {
        fprintf(stderr, "usage: supervisor [-c] [-r] [-f task] [-n tasks] "
                        "[-d runs]\n");
        return 1;
    }
    return base_open(&s.b, s.dir, "supervisor", CKPT_UNLIMITED) &&
           supervisor_open(&s) && tidy(&s) ? supervise(&s) : 1;
}
