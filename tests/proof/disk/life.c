// SPDX-License-Identifier: MIT-0
/*
    life.c -- the life of a run on whatever file system a directory is on

        life [-aer] [-l seconds] [-o other] [-s seconds] dir

    -a   judge by age, also where locks could tell
    -e   calls fail here that were done: an owner that is told of an I/O error
         tries again, three times at most
    -r   this file system may be refused when the store is opened: that is right
    -l   the lease of each process (1). On a machine that is slow or busy an
         owner can be quiet for a second, and is taken for dead then
    -o   another path to the same directory, through another client of its
         server: every other process uses it
    -s   how long an answer may take (20)

    Four things are played in dir/runs, each by processes of their own:

    life    a run begins, saves, appends, completes a phase, ends an effect, is
            killed in another; a new process resumes it, keeps it as failed; it
            is retried, interrupted, resumed, completed; its id is used again; a
            run with .once stays done
    race    twenty times two processes at once claim a run whose owner was
            killed, or has interrupted it: exactly one gets it. Whoever gets
            it, only one is acknowledged
    pause   an owner is stopped, in the middle of saves or between beats, taken
            by force, and goes on: it is told so, and changes nothing of what
            the new owner saved, also if that one has finished the run
    contest an owner in the midst of its saves, which nobody stops, is taken by
            force: all that it was acknowledged is what the new owner loads

    At the end nothing may be left in the directory but what is kept. Every
    clause is a line, "ok" or "FAILED". A store that refuses to be opened is a
    line "refused", with its code and sentence: that is one failed clause, or,
    with -r, one that passed. The last line is "N passed, N failed".
*/
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE                 // MAP_ANONYMOUS
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "ckpt_store_fs.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BEAT_MS = 200, RACES = 20, NAMES = 160,
    PAUSES = 4, CONTESTS = 12           // rounds of each kind of pause, and of
                                        // contests
};

// What a process tells the one that started it.
typedef struct report {
    char      what;
    ckpt_code code;
    uint64_t  n;
    char      why[240];
} report;

typedef struct child {
    pid_t pid;
    int   say, hear;                    // ends of two pipes
} child;

static struct {
    unsigned *count;                    // passed, failed: of all processes
    char      dir[4096];
    char      other[4096];              // the same one; "": there is no other
    bool      age, may_fail, may_refuse;
    int       seconds, lease_ms;
    unsigned  started;                  // processes so far
    // Of this process:
    child           parent;
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_checkpoint last;
    ckpt_run_info   info;
    char            buf[4 * 1024 * 1024];
} l = { .seconds = 20, .lease_ms = 1000 };

// -- Clauses --

static bool clause(bool ok, const char *format, ...)
{
    va_list args;
    char line[1024];
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    printf("%s %s\n", ok ? "ok    " : "FAILED", line);
    fflush(stdout);
    l.count[!ok]++;
    return ok;
}

static const char *code_name(ckpt_code rc)
{
    switch (rc) {
#define CKPT_X(name, value, text) case CKPT_##name: return #name;
    CKPT_CODE_MAP(CKPT_X)
#undef CKPT_X
    }
    return "no code";
}

// Says what rc is, with all that is known about it.
static const char *told(ckpt_code rc, const ckpt_error *e)
{
    static char text[600];
    if (rc >= 0 || e == NULL || e->code != rc) {
        return code_name(rc);
    }
    snprintf(text, sizeof(text), "%s (%s%s%s): %s", code_name(rc),
             e->op != NULL ? e->op : "", e->sys != 0 ? ": " : "",
             e->sys != 0 ? strerror(e->sys) : "", e->msg);
    return text;
}

static bool gives(ckpt_code rc, ckpt_code want, const ckpt_error *e,
                  const char *sentence)
{
    return rc == want ? clause(true, "%s", sentence)
                      : clause(false, "%s: %s gives %s", sentence,
                               code_name(want), told(rc, e));
}

static bool run_gives(ckpt_code rc, ckpt_code want, const char *sentence)
{
    return gives(rc, want, &l.run.error, sentence);
}

static bool ctx_gives(ckpt_code rc, ckpt_code want, const char *sentence)
{
    return gives(rc, want, ckpt_last_error(&l.ctx), sentence);
}

// The same thing many times: one clause, with what was wrong first.
typedef struct tally {
    unsigned times, bad;
    char     first[700];
} tally;

static bool tell(tally *t, bool ok, const char *format, ...)
{
    t->times++;
    t->bad += !ok;
    if (!ok && t->bad == 1) {
        va_list args;
        va_start(args, format);
        vsnprintf(t->first, sizeof(t->first), format, args);
        va_end(args);
    }
    return ok;
}

static void sum(const tally *t, const char *sentence)
{
    if (t->bad == 0 && t->times > 0) {
        clause(true, "%s (%u times)", sentence, t->times);
    } else {
        clause(false, "%s: %u of %u times not%s%s", sentence, t->bad, t->times,
               t->bad > 0 ? ": " : "", t->first);
    }
}

// -- Time, and processes --

static void wait_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
                                  .tv_nsec = (long)(ms % 1000) * 1000000 },
              NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t deadline(void)
{
    return now_ms() + (int64_t)l.seconds * 1000;
}

static ckpt_code open_store(ckpt_error *err)
{
    const ckpt_store_fs_desc desc = {
        .dir = l.dir,
        .liveness = l.age ? CKPT_STORE_FS_AGE : CKPT_STORE_FS_AUTO };
    const ckpt_code rc = ckpt_store_fs_open(&l.fs, &desc, err);
    return rc != CKPT_OK ? rc : ckpt_init(&l.ctx, &(ckpt_desc){
        .store = &l.fs.base, .owner = "life", .throttle_ms = CKPT_OFF,
        .lease_ms = l.lease_ms, .beat_ms = BEAT_MS,
        .resume_max = CKPT_UNLIMITED });
}

typedef void act_fn(unsigned number);

static void play(act_fn *fn, unsigned number)
{
    ckpt_error err = { .msg = "" };
    alarm((unsigned)l.seconds * 4);     // a call that never returns
    const ckpt_code rc = open_store(&err);
    if (rc == CKPT_OK) {
        fn(number);
        ckpt_store_fs_close(&l.fs);
    } else {
        gives(rc, CKPT_OK, &err, "the store opens once more");
    }
    fflush(stdout);
    _exit(0);
}

static child start(act_fn *fn, unsigned number)
{
    int down[2], up[2];
    fflush(stdout);
    if (pipe(down) != 0 || pipe(up) != 0) {
        perror("life: pipe");
        exit(2);
    }
    l.started++;
    const child c = { .pid = fork(), .say = down[1], .hear = up[0] };
    if (c.pid < 0) {                    // kill() would take -1 for everybody
        perror("life: fork");
        exit(2);
    }
    if (c.pid == 0) {
        if (l.started % 2 == 0 && l.other[0] != '\0') {
            memcpy(l.dir, l.other, sizeof(l.dir));
        }
        close(down[1]);
        close(up[0]);
        l.parent = (child){ .say = up[1], .hear = down[0] };
        play(fn, number);
    }
    close(down[0]);
    close(up[1]);
    return c;
}

// How a child ended. A last word ends one that waits for it.
static int end(const child *c)
{
    int status = 0;
    close(c->say);
    waitpid(c->pid, &status, 0);
    close(c->hear);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        clause(false, "every call returns");
    }
    return status;
}

static int act(act_fn *fn)
{
    const child c = start(fn, 0);
    return end(&c);
}

static void say_why(char what, ckpt_code code, uint64_t n, const char *why)
{
    report r = { .what = what, .code = code, .n = n };
    snprintf(r.why, sizeof(r.why), "%s", why);
    (void)!write(l.parent.say, &r, sizeof(r));
}

static void say(char what, ckpt_code code, uint64_t n)
{
    say_why(what, code, n, told(code, &l.run.error));
}

// One report, if it comes in time.
static bool hear(const child *c, report *r, int64_t until)
{
    const int64_t left = until - now_ms();
    struct pollfd p = { .fd = c->hear, .events = POLLIN };
    return poll(&p, 1, left > 0 ? (int)left : 0) > 0 &&
           read(c->hear, r, sizeof(*r)) == (ssize_t)sizeof(*r);
}

static void go_on(const child *c)
{
    (void)!write(c->say, "g", 1);
}

// Whether the parent has said something, or is gone, within ms.
static bool told_to_go_on(int ms)
{
    char c;
    struct pollfd p = { .fd = l.parent.hear, .events = POLLIN };
    if (poll(&p, 1, ms) <= 0) {
        return false;
    }
    (void)!read(l.parent.hear, &c, 1);
    return true;
}

// An owner that waits and beats: the first code that is no success.
static ckpt_code wait_and_beat(void)
{
    ckpt_code rc = CKPT_OK;
    while (!told_to_go_on(BEAT_MS / 4)) {
        const ckpt_code beat = ckpt_beat(&l.run);
        rc = rc < 0 ? rc : beat;
    }
    return rc < 0 ? rc : CKPT_OK;
}

// -- Runs --

// Message n, of the first owner ('a') or another one.
static const char *message(char who, uint64_t n)
{
    static char text[600];
    const int pad = (int)(n * 37 % 400);
    snprintf(text, sizeof(text), "{\"who\":\"%c\",\"n\":%llu,\"pad\":\"%0*d\"}",
             who, (unsigned long long)n, pad, 0);
    return text;
}

static ckpt_code append(char who, uint64_t n)
{
    char text[620];
    snprintf(text, sizeof(text), "[%s]", message(who, n));
    return ckpt_save(&l.run, &(ckpt_save_desc){
        .anew = true, .turn = n, .append_at = n - 1,
        .messages = ckpt_text(text) });
}

// Loads: the number of messages, if they are those of the first owner up to
// number own, and then of another; else -1.
static int64_t load(uint64_t own)
{
    size_t at = 0;
    uint64_t n = 0;
    ckpt_bytes value;
    const ckpt_code rc = ckpt_load(&l.run, &l.last, l.buf, sizeof(l.buf));
    if (rc != CKPT_OK) {
        clause(false, "a load: OK gives %s", told(rc, &l.run.error));
        return -1;
    }
    while (ckpt_json_next(l.last.messages, &at, NULL, &value)) {
        const char *want = message(n < own ? 'a' : 'b', n + 1);
        n++;
        if (value.len != strlen(want) ||
            memcmp(value.ptr, want, value.len) != 0) {
            clause(false, "message %llu is %.*s, not %s",
                   (unsigned long long)n, (int)value.len,
                   (const char *)value.ptr, want);
            return -1;
        }
    }
    return n == l.last.turn ? (int64_t)n : -1;
}

// Opens, resumes, or takes by force, and waits as long as that is what the
// answers mean.
enum how { OPEN, ONCE, RESUME, FORCE };

static ckpt_code claim(const char *id, enum how how)
{
    const ckpt_run_desc desc = { .id = id, .once = how == ONCE,
                                 .force = how == FORCE };
    const int64_t until = deadline();
    for (;;) {
        const ckpt_code rc = how == OPEN || how == ONCE
                           ? ckpt_open(&l.ctx, &l.run, &desc)
                           : ckpt_resume(&l.ctx, &l.run, &desc);
        if ((rc != CKPT_ERR_LIVE && rc != CKPT_ERR_BUSY) || now_ms() > until) {
            return rc;
        }
        wait_ms(20);
    }
}

// -- The life of a run --

static void effects_new(void)
{
    const ckpt_save_desc save = { .turn = l.run.turn };
    ckpt_effect effect;
    ckpt_code rc = ckpt_effect_begin(&l.run, "call-1", &save, &effect);
    if (run_gives(rc, CKPT_OK, "an effect begins")) {
        clause(effect.state == CKPT_EFFECT_NEW, "the effect is new");
        rc = ckpt_effect_end(&l.run, "call-1", ckpt_text("{\"ok\":true}"));
        run_gives(rc, CKPT_OK, "the effect ends");
    }
    rc = ckpt_effect_begin(&l.run, "call-2", &save, &effect);
    run_gives(rc, CKPT_OK, "a second effect begins");
}

// The first owner. It dies in its second effect.
static void owner(unsigned number)
{
    (void)number;
    if (!ctx_gives(claim("life", OPEN), CKPT_OK, "a run begins")) {
        return;
    }
    clause(!l.run.resumed && l.run.epoch == 1, "the run is new");
    run_gives(append('a', 1), CKPT_OK, "the run saves");
    run_gives(append('a', 2), CKPT_OK, "the run appends");
    clause(load(2) == 2, "the run loads what it saved");
    clause(ckpt_phase(&l.run, "plan"), "a phase is to be done");
    run_gives(ckpt_phase_end(&l.run, "plan", ckpt_text("[7]"), NULL), CKPT_OK,
              "the phase ends");
    effects_new();
    say('r', CKPT_OK, l.run.epoch);
    run_gives(wait_and_beat(), CKPT_OK, "its owner beats");
    fflush(stdout);
    raise(SIGKILL);
}

// Another process, while the first owner lives.
static void observer(unsigned number)
{
    (void)number;
    wait_ms(2 * (int64_t)l.lease_ms);              // beats must have come since
    if (ctx_gives(ckpt_query(&l.ctx, "life", &l.info), CKPT_OK,
                  "others see the run")) {
        clause(l.info.state == CKPT_STATE_LIVE,
               "others see that it is live (%u)",
               (unsigned)l.info.state);
    }
    ctx_gives(ckpt_open(&l.ctx, &l.run, &(ckpt_run_desc){ .id = "life" }),
              CKPT_ERR_LIVE, "a live run is not taken");
}

static void effects_known(void)
{
    const ckpt_save_desc save = { .turn = l.run.turn };
    char result[64] = "";
    size_t size = 0;
    ckpt_effect effect;
    ckpt_code rc = ckpt_effect_begin(&l.run, "call-1", &save, &effect);
    if (run_gives(rc, CKPT_OK, "the effect that ended is found")) {
        clause(effect.state == CKPT_EFFECT_ENDED,
               "it has ended, the resume is told");
        rc = ckpt_effect_result(&l.run, &effect, result, sizeof(result), &size);
        run_gives(rc, CKPT_OK, "the effect has a result");
        clause(size == 11 && memcmp(result, "{\"ok\":true}", 11) == 0,
               "it is the right result");
    }
    rc = ckpt_effect_begin(&l.run, "call-2", &save, &effect);
    if (run_gives(rc, CKPT_OK, "the effect that had begun is found")) {
        clause(effect.state == CKPT_EFFECT_UNCERTAIN,
               "it is uncertain, the resume is told");
        rc = ckpt_effect_end(&l.run, "call-2", ckpt_text("null"));
        run_gives(rc, CKPT_OK, "the uncertain effect ends");
    }
}

// After the crash. It fails, and is kept.
static void second_owner(unsigned number)
{
    (void)number;
    if (!ctx_gives(claim("life", OPEN), CKPT_OK, "a new process resumes it")) {
        return;
    }
    clause(l.run.resumed && !l.run.older && l.run.epoch > 1 &&
           l.run.attempt == 1,
           "it is resumed as attempt 1, from the newest save");
    clause(load(2) == 2, "it is resumed with the right transcript");
    clause(!ckpt_phase(&l.run, "plan"), "the phase is not done again");
    effects_known();
    run_gives(append('a', 3), CKPT_OK, "it appends after the resume");
    run_gives(ckpt_finish(&l.run, CKPT_FAILED, &(ckpt_finish_desc){
        .keep = true, .reason = "test" }), CKPT_OK,
              "the run fails, and is kept");
}

static bool find(void *user, const ckpt_run_info *info)
{
    unsigned *found = user;
    found[0]++;
    if (strcmp(info->id, "life") == 0) {
        found[1] = (unsigned)info->state;
        l.info = *info;
    }
    return true;
}

static void retrier(unsigned number)
{
    unsigned found[2] = { 0, 0 };
    (void)number;
    ctx_gives(ckpt_scan(&l.ctx, 0, find, found), CKPT_OK, "a scan succeeds");
    clause(found[0] == 1 && found[1] == CKPT_STATE_FAILED,
           "the scan tells of one run, failed (%u, %u)", found[0], found[1]);
    clause(found[1] != 0 && strcmp(l.info.reason, "test") == 0,
           "the scan tells why");
    ctx_gives(ckpt_open(&l.ctx, &l.run, &(ckpt_run_desc){ .id = "life" }),
              CKPT_ERR_FAILED, "a failed run is not begun anew");
    ctx_gives(ckpt_retry(&l.ctx, &l.run, "life"), CKPT_OK,
              "a failed run is retried");
}

static void third_owner(unsigned number)
{
    (void)number;
    if (!ctx_gives(claim("life", RESUME), CKPT_OK,
                   "a retried run is resumed")) {
        return;
    }
    clause(load(3) == 3, "it has the right transcript then");
    run_gives(append('a', 4), CKPT_OK, "the retried run appends");
    run_gives(ckpt_finish(&l.run, CKPT_INTERRUPTED, NULL), CKPT_OK,
              "the run is interrupted");
}

static void last_owner(unsigned number)
{
    (void)number;
    const ckpt_run_desc desc = { .id = "life" };
    if (!ctx_gives(ckpt_resume(&l.ctx, &l.run, &desc), CKPT_OK,
                   "an interrupted run is resumed at once")) {
        return;
    }
    clause(load(4) == 4, "it still has the right transcript");
    run_gives(ckpt_finish(&l.run, CKPT_COMPLETED, NULL), CKPT_OK,
              "the run is completed");
}

static void next_life(unsigned number)
{
    (void)number;
    ctx_gives(ckpt_query(&l.ctx, "life", &l.info), CKPT_ERR_NOT_FOUND,
              "a completed run is gone");
    if (!ctx_gives(claim("life", OPEN), CKPT_OK,
                   "the id of a completed run is free")) {
        return;
    }
    clause(!l.run.resumed && l.run.seq <= 1 && l.run.messages == 0,
           "a new run begins under it");
    run_gives(append('a', 1), CKPT_OK, "the new run saves");
    run_gives(ckpt_finish(&l.run, CKPT_COMPLETED, NULL), CKPT_OK,
              "the new run is completed");
    ctx_gives(ckpt_query(&l.ctx, "life", &l.info), CKPT_ERR_NOT_FOUND,
              "the new run is gone, too");
}

static void once(unsigned number)
{
    (void)number;
    if (!ctx_gives(claim("once", ONCE), CKPT_OK, "a run begins with .once")) {
        return;
    }
    run_gives(append('a', 1), CKPT_OK, "the .once run saves");
    run_gives(ckpt_finish(&l.run, CKPT_COMPLETED, NULL), CKPT_OK,
              "the .once run is completed");
}

static void once_more(unsigned number)
{
    (void)number;
    ctx_gives(claim("once", ONCE), CKPT_FINISHED,
              "a .once run that is done is not done again");
    if (ctx_gives(ckpt_query(&l.ctx, "once", &l.info), CKPT_OK,
                  "a .once run that is done is kept")) {
        clause(l.info.state == CKPT_STATE_DONE, "it is kept as done (%u)",
               (unsigned)l.info.state);
    }
}

static void life(void)
{
    report r;
    const child first = start(owner, 0);
    if (hear(&first, &r, deadline()) && r.what == 'r') {
        act(observer);
    }
    go_on(&first);
    const int status = end(&first);
    clause(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
           "the owner is killed in an effect");
    act(second_owner);
    act(retrier);
    act(third_owner);
    act(last_owner);
    act(next_life);
    act(once);
    act(once_more);
}

// -- Two claimants --

static const char *race_id(unsigned number)
{
    static char id[32];
    snprintf(id, sizeof(id), "race-%u", number);
    return id;
}

// The owner of them all, to be killed. It interrupts every other one before.
static void owner_of_many(unsigned number)
{
    static ckpt_run runs[RACES];
    (void)number;
    for (unsigned i = 0; i < RACES; i++) {
        const ckpt_run_desc desc = { .id = race_id(i) };
        ckpt_code rc = ckpt_open(&l.ctx, &runs[i], &desc);
        char text[620];
        snprintf(text, sizeof(text), "[%s]", message('a', 1));
        if (rc == CKPT_OK) {
            rc = ckpt_save(&runs[i], &(ckpt_save_desc){
                .anew = true, .turn = 1, .messages = ckpt_text(text) });
        }
        if (rc == CKPT_OK && i % 2 == 1) {
            rc = ckpt_finish(&runs[i], CKPT_INTERRUPTED, NULL);
        }
        if (rc != CKPT_OK) {
            clause(false, "run %u of a race begins: OK gives %s", i,
                   told(rc, runs[i].open ? &runs[i].error
                                         : ckpt_last_error(&l.ctx)));
            return;
        }
    }
    say('r', CKPT_OK, 0);
    (void)told_to_go_on(-1);
    raise(SIGKILL);
}

// Tries again and again, and says what it heard.
static void claimant(unsigned number)
{
    ckpt_code rc;
    const ckpt_run_desc desc = { .id = race_id(number) };
    say('r', CKPT_OK, 0);
    (void)told_to_go_on(-1);
    while ((rc = ckpt_resume(&l.ctx, &l.run, &desc)) != CKPT_OK) {
        say_why('l', rc, 0, told(rc, ckpt_last_error(&l.ctx)));
        if (told_to_go_on(10)) {
            return;
        }
    }
    say('w', CKPT_OK, l.run.epoch);
    rc = load(1) == 1 ? append('b', 2) : CKPT_ERR_DAMAGED;
    say('s', rc, 0);
    rc = wait_and_beat();
    rc = rc == CKPT_OK ? ckpt_finish(&l.run, CKPT_COMPLETED, NULL) : rc;
    say('f', rc, 0);
}

// What two claimants have said.
typedef struct race {
    unsigned  wins, losses, late;       // late: after the first win
    unsigned  saves;                    // that were acknowledged
    uint64_t  epoch[2];                 // of the first two wins
    int64_t   won_ms[2];                // when they were heard of
    ckpt_code loss, save, finish;       // the first that is wrong
    char      lost[240], why[240];      // of the loss, of the save
} race;

static void note(race *a, const report *r)
{
    if (r->what == 'w') {
        a->epoch[a->wins % 2] = r->n;
        a->won_ms[a->wins++ % 2] = now_ms();
    } else if (r->what == 'l') {
        a->losses++;
        a->late += a->wins > 0;
        if (r->code != CKPT_ERR_LIVE && r->code != CKPT_ERR_BUSY &&
            a->loss == CKPT_OK) {
            a->loss = r->code;
            memcpy(a->lost, r->why, sizeof(a->lost));
        }
    } else if (r->what == 's') {
        a->save = r->code;
        memcpy(a->why, r->why, sizeof(a->why));
        a->saves += r->code == CKPT_OK;
    } else if (r->what == 'f') {
        a->finish = r->code;
    }
}

// Until one has won, and the other one has then tried twice more: the try that
// was under way, and one that began later.
static race one_race(unsigned number)
{
    race a = { .save = CKPT_ERR_CLOSED, .finish = CKPT_ERR_CLOSED };
    const child c[2] = { start(claimant, number), start(claimant, number) };
    report r;
    const int64_t until = deadline();
    const bool ready = hear(&c[0], &r, until) && hear(&c[1], &r, until);
    go_on(&c[0]);
    go_on(&c[1]);
    struct pollfd p[2] = { { .fd = c[0].hear, .events = POLLIN },
                           { .fd = c[1].hear, .events = POLLIN } };
    while (ready && a.late < 2 && a.wins < 2 && now_ms() < until) {
        poll(p, 2, 100);
        for (int i = 0; i < 2; i++) {
            if (p[i].revents != 0 && hear(&c[i], &r, 0)) {
                note(&a, &r);
            } else if (p[i].revents != 0) {
                p[i].fd = -1;           // it has ended
            }
        }
    }
    go_on(&c[0]);
    go_on(&c[1]);
    for (int i = 0; i < 2; i++) {
        while (hear(&c[i], &r, until)) {
            note(&a, &r);
        }
        end(&c[i]);
    }
    return a;
}

static void races(void)
{
    tally one = { .times = 0 }, fenced = one, heard = one, whole = one;
    report r;
    const child many = start(owner_of_many, 0);
    const bool ready = hear(&many, &r, deadline() + 20000);
    go_on(&many);
    end(&many);
    if (!ready) {
        return;
    }
    wait_ms(l.lease_ms + BEAT_MS);
    for (unsigned i = 0; i < RACES && one.bad < 2; i++) {
        const race a = one_race(i);
        if (a.wins == 0) {
            tell(&one, false, "race %u: none of them, after %u tries, %s", i,
                 a.losses, code_name(a.loss));
            continue;
        }
        tell(&one, a.wins == 1, "race %u: both, epoch %llu and %lld ms later"
             " epoch %llu", i, (unsigned long long)a.epoch[0],
             (long long)(a.won_ms[1] - a.won_ms[0]),
             (unsigned long long)a.epoch[1]);
        tell(&fenced, a.saves <= 1 && (a.wins == 1 || a.epoch[0] != a.epoch[1]),
             "race %u: %u saves, of epochs %llu and %llu", i, a.saves,
             (unsigned long long)a.epoch[0], (unsigned long long)a.epoch[1]);
        tell(&heard, a.loss == CKPT_OK, "race %u: %s", i, a.lost);
        tell(&whole, a.save == CKPT_OK && a.finish == CKPT_OK,
             "race %u: save %s, finish %s", i, a.why,
             code_name(a.finish));
    }
    sum(&one, "of two claimants exactly one gets the run");
    sum(&fenced, "no two of them are acknowledged");
    sum(&heard, "the other one is told that it is live or busy");
    sum(&whole, "the winner loads, saves and finishes");
}

// -- An owner that is paused, or taken in the midst of its saves --

enum { SAVES_TAKEN, SAVES_FINISHED, BEATS_FINISHED, CONTESTED, KINDS };

// Whether the taker keeps the run, and saves and loads while the owner is told.
static bool is_kept(unsigned number)
{
    return number % KINDS == SAVES_TAKEN || number % KINDS == CONTESTED;
}

static const char *paused_id(unsigned number)
{
    static char id[32];
    snprintf(id, sizeof(id), "paused-%u", number);
    return id;
}

// Saves or, after three saves, beats, until it hears that it must not.
static void paused_owner(unsigned number)
{
    char why[700];
    ckpt_code rc = claim(paused_id(number), OPEN);
    snprintf(why, sizeof(why), "%s", told(rc, ckpt_last_error(&l.ctx)));
    const bool beats = number % KINDS == BEATS_FINISHED;
    unsigned tries = 0;
    uint64_t n = 1;
    while (rc >= 0) {
        if (beats && n > 3) {
            rc = ckpt_beat(&l.run);
            snprintf(why, sizeof(why), "%s", told(rc, &l.run.error));
            wait_ms(5);
            continue;
        }
        rc = append('a', n);
        snprintf(why, sizeof(why), "%s", told(rc, &l.run.error));
        if (rc == CKPT_ERR_UNSURE || rc == CKPT_ERR_NOT_DURABLE ||
            (rc == CKPT_ERR_IO && l.may_fail && tries++ < 3)) {
            rc = CKPT_OK;               // once more
        } else if (rc == CKPT_OK) {
            say('s', rc, n++);
        }
    }
    const ckpt_code next = append('a', n);
    snprintf(why + strlen(why), sizeof(why) - strlen(why), "; next time %s",
             code_name(next));
    ckpt_abandon(&l.run);               // what it had open keeps no name
    say_why('e', rc, n, why);
}

// Takes it by force, and goes on or finishes it.
static void taker(unsigned number)
{
    ckpt_code rc = claim(paused_id(number), FORCE);
    say('t', rc, 0);
    if (rc != CKPT_OK) {
        clause(false, "it is taken by force: OK gives %s",
               told(rc, ckpt_last_error(&l.ctx)));
        return;
    }
    const int64_t n = load(UINT64_MAX);
    rc = n > 0 ? append('b', (uint64_t)n + 1) : CKPT_ERR_DAMAGED;
    if (!is_kept(number) && rc == CKPT_OK) {
        rc = ckpt_finish(&l.run, CKPT_COMPLETED, NULL);
    }
    say('l', rc, n > 0 ? (uint64_t)n : 0);
    if (!is_kept(number) || rc != CKPT_OK) {
        return;
    }
    rc = wait_and_beat();
    if (rc == CKPT_OK && load((uint64_t)n) != n + 1) {
        rc = CKPT_ERR_DAMAGED;
    }
    rc = rc == CKPT_OK ? append('b', (uint64_t)n + 2) : rc;
    if (rc == CKPT_OK && load((uint64_t)n) != n + 2) {
        rc = CKPT_ERR_DAMAGED;
    }
    rc = rc == CKPT_OK ? ckpt_finish(&l.run, CKPT_COMPLETED, NULL) : rc;
    say('d', rc, 0);
}

static void gone(unsigned number)
{
    say('g', ckpt_query(&l.ctx, paused_id(number), &l.info), 0);
}

// Of each kind of pause.
typedef struct verdicts {
    tally told, stands, whole, gone;
} verdicts;

// Hears until the word that ends it. *n becomes the last number saved.
static bool hear_word(const child *c, char word, report *r, uint64_t *n)
{
    const int64_t until = deadline();
    while (hear(c, r, until)) {
        *n = r->what == 's' ? r->n : *n;
        if (r->what == word) {
            return true;
        }
    }
    return false;
}

// Another one takes the run from an owner, which goes on, or never stopped:
// what both hear then.
static void taken(const child *first, unsigned number, uint64_t acked,
                  verdicts *v)
{
    uint64_t none = 0;
    report r = { .code = CKPT_ERR_CLOSED, .why = "it is not taken" };
    const child second = start(taker, number);
    const bool has = hear_word(&second, 'l', &r, &none) && r.code == CKPT_OK;
    const uint64_t loaded = r.n;
    kill(first->pid, SIGCONT);
    report e = { .code = CKPT_OK };
    const bool ended = hear_word(first, 'e', &e, &acked);
    tell(&v->told, has && ended && e.code == CKPT_ERR_CLAIM_LOST,
         "round %u: %s", number, !has ? "it was not taken" :
         !ended ? "it is never told" : e.why);
    tell(&v->stands, has && acked <= loaded,
         "round %u: %llu was acknowledged, %llu loaded", number,
         (unsigned long long)acked, (unsigned long long)loaded);
    if (!ended) {
        kill(first->pid, SIGKILL);
    }
    go_on(&second);
    if (is_kept(number) && has) {
        r = (report){ .code = CKPT_ERR_CLOSED, .why = "it says no more" };
        (void)hear_word(&second, 'd', &r, &none);
    }
    tell(&v->whole, r.code == CKPT_OK, "round %u: %s", number, r.why);
    end(&second);
}

static void one_pause(unsigned number, verdicts *v)
{
    report r = { .what = '-' };
    uint64_t acked = 0;
    int status = 0;
    const int64_t until = deadline();
    const child first = start(paused_owner, number);
    while (acked < 3 && hear(&first, &r, until) && r.what == 's') {
        acked = r.n;
    }
    if (acked < 3) {
        tell(&v->told, false, "round %u: it saved %llu times, %s", number,
             (unsigned long long)acked, r.why);
        kill(first.pid, SIGKILL);
        end(&first);
        return;
    }
    wait_ms(1 + number * 5 % 23);
    if (number % KINDS != CONTESTED) {
        kill(first.pid, SIGSTOP);
        waitpid(first.pid, &status, WUNTRACED);
    }
    while (hear(&first, &r, 0)) {
        acked = r.what == 's' ? r.n : acked;
    }
    if (number % KINDS == CONTESTED || WIFSTOPPED(status)) {
        taken(&first, number, acked, v);
    } else {
        tell(&v->told, false, "round %u: it ended before that, %s", number,
             r.why);
    }
    end(&first);
    const child after = start(gone, number);
    r.code = CKPT_ERR_CLOSED;
    (void)hear_word(&after, 'g', &r, &acked);
    tell(&v->gone, r.code == CKPT_ERR_NOT_FOUND, "round %u: a query gives %s",
         number, code_name(r.code));
    end(&after);
}

static void pauses(void)
{
    static const char *const kinds[KINDS][2] = {
        { "an owner stopped in its saves and taken is told",
          "the new owner's saves are not touched by it" },
        { "an owner stopped in its saves, its run finished, is told",
          "the new owner saves and finishes" },
        { "an owner stopped in its beats, its run finished, is told",
          "the new owner saves and finishes" },
        { "an owner taken in the midst of its saves is told",
          "the new owner's saves are not touched by it" } };
    static verdicts v[KINDS];
    for (unsigned i = 0; i < KINDS * CONTESTS; i++) {
        const bool wanted = i % KINDS == CONTESTED || i < KINDS * PAUSES;
        if (wanted && v[i % KINDS].told.bad < 2) {
            one_pause(i, &v[i % KINDS]);
        }
    }
    for (int k = 0; k < KINDS; k++) {
        sum(&v[k].told, kinds[k][0]);
        sum(&v[k].stands, "what it was acknowledged stands");
        sum(&v[k].whole, kinds[k][1]);
        sum(&v[k].gone, "what was finished is gone, and does not come back");
    }
}

// -- What is left --

static bool all_but(void *user, const ckpt_run_info *info)
{
    char *names = user;
    const size_t n = strlen(names);
    if (strcmp(info->id, "once") != 0) {
        snprintf(names + n, NAMES - n, " %s (%u)", info->id,
                 (unsigned)info->state);
    }
    return true;
}

// The names in a directory but the probe and skip, in names. How many.
static unsigned list(const char *dir, const char *skip, char names[NAMES])
{
    unsigned count = 0;
    DIR *d = opendir(dir);
    names[0] = '\0';
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        const size_t n = strlen(names);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, ".probe") != 0 && strcmp(e->d_name, skip) != 0) {
            snprintf(names + n, NAMES - n, " %s", e->d_name);
            count++;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return count;
}

// A file system may be late with what was closed: a second at most.
static unsigned list_patiently(const char *dir, const char *skip,
                               char names[NAMES])
{
    unsigned count = list(dir, skip, names);
    for (int i = 0; i < 10 && count > 0; i++) {
        wait_ms(100);
        count = list(dir, skip, names);
    }
    return count;
}

static void left(unsigned number)
{
    char names[NAMES] = "", path[sizeof(l.dir) + 16];
    (void)number;
    ctx_gives(ckpt_scan(&l.ctx, 0, all_but, names), CKPT_OK,
              "a last scan succeeds");
    clause(names[0] == '\0',
           "the last scan tells of nothing but what is kept:%s", names);
    clause(list_patiently(l.dir, "r-once", names) == 0,
           "nothing but what is kept is in the directory:%s", names);
    ctx_gives(ckpt_sweep(&l.ctx, &l.run, NULL), CKPT_OK, "a sweep succeeds");
    clause(list_patiently(l.dir, "r-once", names) == 0,
           "after a sweep nothing but what is kept is there:%s", names);
    snprintf(path, sizeof(path), "%s/r-once", l.dir);
    clause(list(path, "", names) == 2, "the kept run is two files:%s", names);
    ctx_gives(ckpt_remove(&l.ctx, &l.run, "once"), CKPT_OK,
              "the kept run is removed");
    clause(list_patiently(l.dir, "", names) == 0,
           "after that the directory is empty:%s", names);
}

// Opens the store once for all: whether it goes on.
static bool opens(void)
{
    ckpt_error err = { .msg = "" };
    const ckpt_code rc = open_store(&err);
    if (rc == CKPT_OK) {
        ckpt_store_fs_close(&l.fs);
        return clause(true, "the store opens");
    }
    printf("refused %s\n", told(rc, &err));
    clause(l.may_refuse, "the store is refused%s",
           l.may_refuse ? "" : ", and should not be");
    return false;
}

int main(int argc, char **argv)
{
    int option;
    const char *other = "";
    while ((option = getopt(argc, argv, "aerl:o:s:")) != -1) {
        switch (option) {
        case 'a': l.age = true; break;
        case 'e': l.may_fail = true; break;
        case 'r': l.may_refuse = true; break;
        case 'l': l.lease_ms = atoi(optarg) * 1000; break;
        case 'o': other = optarg; break;
        case 's': l.seconds = atoi(optarg); break;
        default:  argc = 0; break;
        }
    }
    if (optind != argc - 1 || l.seconds < 1 || l.lease_ms < 1 ||
        strlen(argv[optind]) > 4000 || strlen(other) > 4000) {
        fprintf(stderr, "usage: life [-aer] [-l seconds] [-o other] "
                        "[-s seconds] dir\n");
        return 2;
    }
    if (other[0] != '\0') {
        snprintf(l.other, sizeof(l.other), "%s/runs", other);
    }
    snprintf(l.dir, sizeof(l.dir), "%s/runs", argv[optind]);
    l.count = mmap(NULL, 2 * sizeof(*l.count), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l.count == MAP_FAILED) {
        perror("life: mmap");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (opens()) {
        life();
        races();
        pauses();
        act(left);
    }
    printf("%u passed, %u failed\n", l.count[0], l.count[1]);
    return l.count[1] > 0;
}
