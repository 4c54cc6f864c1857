// SPDX-License-Identifier: MIT-0
/*
    agent.c -- a scripted session over the real library, and its judge

        agent write dir marks power|process [sync]
        agent long|unflushed dir marks power
        agent storm dir marks power|process seed number
        agent check dir marks power|process

    write goes through everything a run can do: begin, saves, phases, effects,
    a resume, a clean interrupt, a finish, an end that is kept, its retry, its
    removal, an id used again. Before each step it writes into marks what it is
    about to do (a small letter), after each what was acknowledged (the capital
    one):

        b begin   s save   p phase end   c effect begin   e effect end
        f finish  d finish, kept as done  k finish, kept as failed
        r retry of what failed            x removal of what is kept

    with the id of the run and n, the number of the state. An error is tried
    again a few times, then left: what was not acknowledged is not asked for.

    long is five runs with 90 saves, each in place of the one before the last;
    it demands that generations were exchanged that often, which the store
    chooses by the type of the file system. unflushed does the same and flushes
    no file: a judge that calls that right sees nothing.

    storm is several processes in one store that do so again and again, under
    ids of their own, and are killed at random moments. Each begins by taking up
    what its predecessors left: it retries what failed, resumes, saves and
    finishes their runs, and removes what is done. Here nothing may fail. It
    ends when marks takes no more, which is the power cut, or after two seconds.

    check is given what a crash left, and the marks that had been written. With
    power, or after a kill, it demands for every run that what stands is what
    was acknowledged last or newer, whole; that one that was kept is there, as
    failed or done, and can be retried or removed, and is in nobody's way before
    that; that none that was finished or removed is there; that phases and
    effects stand; and that one save more works. With process, after a power
    cut, older or damaged is fine, wrong never is.

    All print what is wrong, and exit with 0 if nothing is. check also prints
    how many files of generations it found torn.
*/
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"
#include "random.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND_LIFE 100         // states of an id that is used again

enum { TRIES = 4, STORM_TRIES = 100, RUNS_MAX = 8192 };
enum { LONG = 45 };                     // saves of a claim, below SECOND_LIFE
enum { AGENTS = 3, STORM_MS = 2000 };
enum { NO_MARK = 3, BAD_ANSWER = 4 };   // ends of a process

static struct {
    const char     *dir;
    int             marks;
    bool            power, sync, storm;
    bool            again;              // an earlier try may have done it
    bool            unflushed;
    unsigned        exchanged;
    unsigned        steps, bad;
    char            own[16], life[24];  // how ids of this process begin
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_run_info   info;
    ckpt_checkpoint last;
    const char     *id;
    unsigned        n;
    uint64_t        append_at;
    char            message[12000], state[12000];
    char            buf[1024 * 1024];
} a;

// -- What both halves need --

static int exchange(void *user, int dir, const char *one, const char *other)
{
    const int r = ckpt_store_fs_calls()->exchange(user, dir, one, other);
    a.exchanged += r >= 0;
    return r;
}

static int datasync(void *user, int fd)
{
    return a.unflushed ? 0 : ckpt_store_fs_calls()->datasync(user, fd);
}

static bool open_store(void)
{
    static ckpt_fs_calls calls;
    ckpt_error err;
    calls = *ckpt_store_fs_calls();
    calls.exchange = exchange;
    calls.datasync = datasync;
    for (int i = 0; i < TRIES; i++) {
        if (ckpt_store_fs_open(&a.fs, &(ckpt_store_fs_desc){
                .dir = a.dir, .calls = &calls,
                .durability = a.power ? CKPT_STORE_FS_POWER
                                      : CKPT_STORE_FS_PROCESS,
            }, &err) == CKPT_OK) {
            return ckpt_init(&a.ctx, &(ckpt_desc){
                .store = &a.fs.base, .throttle_ms = CKPT_OFF,
                .beat_ms = CKPT_OFF, .resume_max = CKPT_UNLIMITED
            }) == CKPT_OK;
        }
    }
    fprintf(stderr, "agent: open %s: %s: %s\n", a.dir, err.op, err.msg);
    return false;
}

// The message that state n adds, or the state, of a size of its own.
static ckpt_bytes text_of(unsigned n, bool state, char *out, size_t cap)
{
    const size_t pad = (n * 7919U + (state ? 101 : 0)) % 9000;
    const int at = snprintf(out, cap, state ? "{\"n\":%u,\"pad\":\""
                                            : "[{\"n\":%u,\"pad\":\"", n);
    for (size_t i = 0; i < pad; i++) {
        out[(size_t)at + i] = (char)('a' + (i + n) % 26);
    }
    strcpy(out + (size_t)at + pad, state ? "\"}" : "\"}]");
    return ckpt_text(out);
}

static ckpt_save_desc save_of(unsigned n)
{
    return (ckpt_save_desc){
        .anew = true, .turn = n, .append_at = a.append_at,
        .messages = text_of(n, false, a.message, sizeof(a.message)),
        .state = text_of(n, true, a.state, sizeof(a.state)) };
}

static void wait_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)ms * 1000000 }, NULL);
}

static int tries(void)
{
    return a.storm ? STORM_TRIES : TRIES;
}

// Visits the files in the directories of its own runs whose names begin so.
static void each_file(const char *prefix, void (*visit)(int dir, const char *))
{
    DIR *root = opendir(a.dir);
    for (struct dirent *r; root != NULL && (r = readdir(root)) != NULL; ) {
        const bool own = strncmp(r->d_name, "r-", 2) == 0 &&
            strncmp(r->d_name + 2, a.own, strlen(a.own)) == 0;
        const int fd = !own ? -1 :
            openat(dirfd(root), r->d_name, O_RDONLY | O_DIRECTORY);
        DIR *run = fd < 0 ? NULL : fdopendir(fd);
        for (struct dirent *f; run != NULL && (f = readdir(run)) != NULL; ) {
            if (strncmp(f->d_name, prefix, strlen(prefix)) == 0) {
                visit(fd, f->d_name);
            }
        }
        if (run != NULL) {
            closedir(run);
        }
    }
    if (root != NULL) {
        closedir(root);
    }
}

static void make_old(int dir, const char *name)
{
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    (void)utimensat(dir, name, old, 0);
}

// Makes all heartbeats of its own runs old: whoever died, or failed, between
// its claim and its first save is waited for otherwise.
static void be_patient(void)
{
    each_file("heartbeat.", make_old);
}

// The run is in the hands of one who died, or of a sweep.
static void wait_busy(void)
{
    be_patient();
    if (a.storm) {
        wait_ms(2);
    }
}

// -- The script --

static void mark(char what)
{
    char line[64];
    const int n = snprintf(line, sizeof(line), "%c %s %u\n", what, a.id, a.n);
    if (write(a.marks, line, (size_t)n) != n) {
        exit(NO_MARK);                  // nobody could judge what follows
    }
}

typedef ckpt_code step_fn(void);

// The id of this life for a name in the script. It stays for eight more.
static const char *id_of(const char *name)
{
    static char ids[8][32];
    static unsigned next;
    char *id = ids[next++ % 8];
    snprintf(id, sizeof(ids[0]), "%s%s", a.life, name);
    return id;
}

static void never(char what, ckpt_code rc)
{
    const ckpt_error *e = a.run.error.code == rc ? &a.run.error
                                                 : ckpt_last_error(&a.ctx);
    printf("BAD %c %s %u gives %d: %s (%s, %d)\n", what, a.id, a.n, (int)rc,
           e->msg, e->op != NULL ? e->op : "", e->sys);
    fflush(stdout);
    exit(BAD_ANSWER);
}

// Tries a step; true if it was acknowledged. These codes are never the answer
// to a medium that fails.
static bool step(char what, step_fn *fn)
{
    ckpt_code rc = CKPT_ERR_IO;
    mark(what);
    // Every try names the same place: what it adds may stand already.
    a.append_at = a.run.messages;
    a.again = false;
    for (int i = 0; rc < 0 && i < tries(); i++) {
        rc = fn();
        if (rc == CKPT_ERR_BUSY) {
            wait_busy();
        } else {
            a.again = true;
        }
        if (((rc == CKPT_ERR_NOT_FOUND || rc == CKPT_ERR_EXISTS) &&
             strchr("rx", what) != NULL) ||     // what was kept is there
            rc == CKPT_ERR_CLAIM_LOST || rc == CKPT_ERR_DAMAGED ||
            rc == CKPT_ERR_FOREIGN || rc == CKPT_ERR_FORMAT ||
            rc == CKPT_ERR_LIVE || rc == CKPT_ERR_ARGUMENT ||
            rc == CKPT_ERR_JSON || rc == CKPT_ERR_EXHAUSTED ||
            rc == CKPT_ERR_FAILED || rc == CKPT_ERR_HELD) {
            never(what, rc);
        }
    }
    // Only an end may find that there is nothing to do.
    if ((rc == CKPT_FINISHED && strchr("fd", what) == NULL) ||
        (rc < 0 && a.storm)) {
        never(what, rc);
    }
    if (a.sync && ++a.steps % 5 == 0) {
        sync();
    }
    if (rc >= 0) {
        mark((char)(what - 'a' + 'A'));
    }
    return rc >= 0;
}

static ckpt_code open_once(bool once)
{
    ckpt_abandon(&a.run);
    return ckpt_open(&a.ctx, &a.run, &(ckpt_run_desc){
        .id = a.id, .once = once,
        .meta = { .agent_id = "disk", .prompt = a.id } });
}

// What was completed may only now be removed: then once more.
static ckpt_code do_open(void)
{
    const ckpt_code rc = open_once(false);
    return rc == CKPT_FINISHED ? CKPT_ERR_BUSY : rc;
}

static ckpt_code do_open_once(void)
{
    return open_once(true);
}

static ckpt_code do_resume(void)
{
    ckpt_abandon(&a.run);
    return ckpt_resume(&a.ctx, &a.run, &(ckpt_run_desc){ .id = a.id });
}

static ckpt_code do_save(void)
{
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_save(&a.run, &save);
}

static ckpt_code do_phase(void)
{
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_phase_end(&a.run, "phase", ckpt_text("[1]"), &save);
}

static ckpt_code do_call(void)
{
    ckpt_effect effect;
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_effect_begin(&a.run, "call", &save, &effect);
}

static ckpt_code do_result(void)
{
    return ckpt_effect_end(&a.run, "call", ckpt_text("{\"ok\":true}"));
}

static ckpt_code do_finish(void)
{
    return ckpt_finish(&a.run, CKPT_COMPLETED, NULL);
}

static ckpt_code do_keep(void)
{
    return ckpt_finish(&a.run, CKPT_FAILED,
                       &(ckpt_finish_desc){ .keep = true, .reason = "test" });
}

static ckpt_code do_retry(void)
{
    const ckpt_code rc = ckpt_retry(&a.ctx, &a.run, a.id);
    return rc == CKPT_ERR_EXISTS && a.again ? CKPT_OK : rc;
}

static ckpt_code do_remove(void)
{
    const ckpt_code rc = ckpt_remove(&a.ctx, &a.run, a.id);
    return rc == CKPT_ERR_NOT_FOUND && a.again ? CKPT_OK : rc;
}

static void begin(const char *name, unsigned n)
{
    a.id = id_of(name);
    a.n = n;
    step('b', do_open);
}

static void saves(unsigned count)
{
    while (count-- > 0) {
        a.n++;
        step('s', do_save);
    }
}

// Takes the run up again where it stands; what it has is told by its load.
static ckpt_code again(const char *id, unsigned n)
{
    ckpt_code rc = CKPT_ERR_IO;
    a.id = id;
    a.n = n;
    for (int i = 0; rc < 0 && i < tries(); i++) {
        rc = do_resume();
        if (rc == CKPT_ERR_NOT_FOUND) {
            break;
        }
        if (rc == CKPT_ERR_BUSY) {
            wait_busy();
        }
    }
    a.n = rc == CKPT_OK ? (unsigned)a.run.turn : a.n;
    return rc;
}

// What is about to be pruned, and then was.
static struct { char id[32]; unsigned n; } pruned[8];
static unsigned pruned_count;

static bool is_pruned(void *user, const ckpt_run_info *info)
{
    (void)user;
    if (pruned_count == sizeof(pruned) / sizeof(pruned[0])) {
        return false;
    }
    strcpy(pruned[pruned_count].id, info->id);
    a.id = pruned[pruned_count].id;
    a.n = pruned[pruned_count++].n = (unsigned)info->turn;
    mark('x');
    return true;
}

// Prunes what is kept and old. All of it is gone only if all was told and
// counted.
static void prune(void)
{
    uint32_t count = 0;
    const ckpt_prune_desc desc = { .age_ms = 3600 * 1000, .fn = is_pruned };
    pruned_count = 0;
    ckpt_abandon(&a.run);
    be_patient();
    if (ckpt_prune(&a.ctx, &a.run, &desc, &count) == CKPT_OK &&
        count == pruned_count) {
        for (unsigned i = 0; i < count; i++) {
            a.id = pruned[i].id;
            a.n = pruned[i].n;
            mark('X');
        }
    }
}

// Runs that are kept: one is retried, one removed, others stay. Alone in the
// store, what is kept until now is pruned first.
static void play_kept(void)
{
    a.id = id_of("once");
    a.n = 0;
    step('b', do_open_once);
    saves(2);
    const bool done = step('d', do_finish);
    if (done) {
        const ckpt_code rc = open_once(false);
        if (rc == CKPT_OK || (a.storm && rc != CKPT_FINISHED)) {
            never('d', rc);                     // its work was done before
        }
    }
    begin("waste", 0);
    saves(1);
    if (step('k', do_keep)) {
        const ckpt_code rc = open_once(false);
        if (rc >= 0 || (a.storm && rc != CKPT_ERR_FAILED)) {
            never('k', rc);
        }
        step('x', do_remove);
    }
    if (!a.storm) {
        prune();
    }
    a.id = id_of("receipt");
    a.n = 0;
    step('b', do_open_once);
    saves(1);
    step('d', do_finish);
    begin("kept", 0);
    saves(1);
    step('k', do_keep);
}

static void play(void)
{
    begin("first", 0);
    saves(2);
    a.n++;
    step('p', do_phase);
    a.n++;
    step('c', do_call);
    step('e', do_result);
    saves(1);
    again(id_of("first"), a.n);         // as after a kill
    saves(2);
    const unsigned first = a.n;
    ckpt_abandon(&a.run);

    begin("gone", 0);
    saves(2);
    if (!step('f', do_finish)) {
        return;                         // else its first life would go on
    }

    begin("failed", 0);
    saves(3);
    const bool failed = step('k', do_keep);

    begin("gone", SECOND_LIFE);         // the id once more
    saves(1);
    (void)!ckpt_finish(&a.run, CKPT_INTERRUPTED, NULL);
    const unsigned second = a.n;

    a.id = id_of("failed");
    a.n = 3;
    if (failed && step('r', do_retry)) {
        again(id_of("failed"), 3);
        saves(2);
        ckpt_abandon(&a.run);
    }

    again(id_of("first"), first);
    a.n++;
    step('c', do_call);
    saves(1);
    a.n++;
    step('p', do_phase);
    step('f', do_finish);

    again(id_of("gone"), second);
    saves(3);
    play_kept();
    (void)!ckpt_sweep(&a.ctx, &a.run, NULL);
}

// Saves that each go into the file of the one before the last, but for the
// first ones of a claim.
static void play_long(void)
{
    for (unsigned i = 0; i < 5; i++) {
        char name[8] = "long";
        name[4] = (char)('a' + i);
        begin(name, 0);
        saves(LONG);
        again(id_of(name), a.n);
        saves(LONG);
        ckpt_abandon(&a.run);
    }
    if (a.exchanged < 10 * LONG - 40) {
        printf("BAD only %u generations were exchanged\n", a.exchanged);
        a.bad++;
    }
}

// -- Many of them, killed --

// What the lives before this one left.
static struct {
    struct { char id[32]; ckpt_run_state state; bool once; unsigned turn; }
             of[64];
    unsigned n;
} left;

static bool find_left(void *user, const ckpt_run_info *info)
{
    (void)user;
    if (strncmp(info->id, a.own, strlen(a.own)) == 0 && left.n < 64) {
        strcpy(left.of[left.n].id, info->id);
        left.of[left.n].state = info->state;
        left.of[left.n].once = info->once;
        left.of[left.n++].turn = (unsigned)info->turn;
    }
    return true;
}

static void take_up_one(unsigned i)
{
    a.id = left.of[i].id;
    a.n = left.of[i].turn;
    if (left.of[i].state == CKPT_STATE_DONE) {
        ckpt_abandon(&a.run);
        step('x', do_remove);
        return;
    }
    if (left.of[i].state == CKPT_STATE_FAILED) {
        ckpt_abandon(&a.run);
        step('r', do_retry);
    }
    const ckpt_code rc = again(left.of[i].id, left.of[i].turn);
    if (rc < 0 && rc != CKPT_ERR_NOT_FOUND) {
        never('-', rc);
    }
    if (rc == CKPT_OK) {
        saves(a.n > 0);                 // else nobody knows its next number
        step(left.of[i].once ? 'd' : 'f', do_finish);
    }
}

static void take_up(void)
{
    left.n = 0;
    be_patient();
    const ckpt_code rc = ckpt_scan(&a.ctx, 0, find_left, NULL);
    if (rc != CKPT_OK) {
        a.id = a.own;
        never('-', rc);
    }
    for (unsigned i = 0; i < left.n; i++) {
        take_up_one(i);
    }
}

static pid_t start(unsigned agent, unsigned life)
{
    fflush(stdout);
    const pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    snprintf(a.own, sizeof(a.own), "p%u-", agent);
    if (!open_store()) {
        exit(BAD_ANSWER);
    }
    take_up();
    for (unsigned i = 0; ; i++) {
        snprintf(a.life, sizeof(a.life), "p%u-%u-%u-", agent, life, i);
        play();
    }
}

// How one that ended by itself did, or 0.
static int ended(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) != pid) {
        return 0;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : BAD_ANSWER;
}

// number makes the ids of its lives new ones.
static int storm(unsigned number)
{
    pid_t pids[AGENTS];
    unsigned life = number * 1000, killed = 0, ms = 0;
    int end = 0;
    for (unsigned i = 0; i < AGENTS; i++) {
        pids[i] = start(i, life++);
    }
    while (end == 0 && ms < STORM_MS) {
        const unsigned nap = 1 + (unsigned)next_random(40);
        const unsigned i = (unsigned)next_random(AGENTS);
        wait_ms(nap);
        ms += nap;
        for (unsigned k = 0; end == 0 && k < AGENTS; k++) {
            end = ended(pids[k]);
        }
        if (end == 0) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
            pids[i] = start(i, life++);
            killed++;
        }
    }
    for (unsigned i = 0; i < AGENTS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    fprintf(stderr, "%u killed\n", killed);
    return end == NO_MARK ? 0 : end;
}

// -- The judge --

enum { PRESENT = 1, ABSENT = 2, FAILED = 4, DONE = 8 };

// What the marks say about a run. Every id begins absent.
typedef struct story {
    char     id[32];
    unsigned may;                       // PRESENT, ABSENT, FAILED, DONE
    unsigned acked, tried, low;         // states
    unsigned phases, phases_tried;
    char     last_tried, last_acked;
} story;

static void bad(const story *s, const char *what, long long a1, long long a2)
{
    printf("BAD %s (may %u, acked %u, tried %u, last %c%c): %s %lld %lld\n",
           s->id, s->may, s->acked, s->tried, s->last_tried,
           s->last_acked != '\0' ? s->last_acked : '-', what, a1, a2);
    a.bad++;
}

static void tell(story *s, char what, unsigned n)
{
    static const struct { char what; unsigned adds, sets; } rules[] = {
        { 'b', PRESENT, 0 }, { 'B', 0, PRESENT }, { 'S', 0, PRESENT },
        { 'f', ABSENT, 0 },  { 'F', 0, ABSENT },
        { 'k', FAILED, 0 },  { 'K', 0, FAILED },
        { 'd', DONE, 0 },    { 'D', 0, DONE },
        { 'r', PRESENT, 0 }, { 'R', 0, PRESENT },
        { 'x', ABSENT, 0 },  { 'X', 0, ABSENT },
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].what == what) {
            s->may |= rules[i].adds;
            s->may = rules[i].sets != 0 ? rules[i].sets : s->may;
        }
    }
    if (what == 'b') {
        s->low = s->acked = s->tried = n;
        s->phases = s->phases_tried = 0;
    }
    s->phases_tried += what == 'p';
    s->phases += what == 'P';
    // Who takes a run up and finishes it need not know its number.
    if (what >= 'a') {
        s->tried = n > s->tried ? n : s->tried;
        s->last_tried = what;
    } else {
        s->acked = n > s->acked ? n : s->acked;
        s->last_acked = what;
    }
}

static unsigned read_marks(const char *path, story *stories)
{
    unsigned count = 0, n;
    char what, id[32];
    FILE *f = fopen(path, "r");
    while (f != NULL && fscanf(f, " %c %31s %u", &what, id, &n) == 3) {
        unsigned i = 0;
        while (i < count && strcmp(stories[i].id, id) != 0) {
            i++;
        }
        if (i == count) {
            if (++count > RUNS_MAX) {
                exit(2);
            }
            memset(&stories[i], 0, sizeof(stories[i]));
            strcpy(stories[i].id, id);
            stories[i].may = ABSENT;
        }
        tell(&stories[i], what, n);
    }
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return count;
}

// Loads, and compares every byte with what state n was: n, or -1.
static int64_t load_whole(const story *s)
{
    int64_t n;
    size_t at = 0;
    ckpt_bytes value, want;
    const ckpt_code rc = ckpt_load(&a.run, &a.last, a.buf, sizeof(a.buf));
    if (rc < 0 || (rc != CKPT_OK && a.power)) {
        if (rc != CKPT_ERR_DAMAGED || a.power) {
            bad(s, "load gives", rc, a.run.error.sys);
        }
        return -1;
    }
    n = (int64_t)a.last.turn;
    const unsigned low = n >= SECOND_LIFE ? SECOND_LIFE : 0;
    for (unsigned i = low + 1; i <= (unsigned)n; i++) {
        want = text_of(i, false, a.message, sizeof(a.message));
        if (!ckpt_json_next(a.last.messages, &at, NULL, &value) ||
            value.len + 2 != want.len ||
            memcmp(value.ptr, (const char *)want.ptr + 1, value.len) != 0) {
            bad(s, "another message than that of", i, n);
            return -1;
        }
    }
    want = n > low ? text_of((unsigned)n, true, a.state, sizeof(a.state))
                   : ckpt_text("{}");
    if (ckpt_json_next(a.last.messages, &at, NULL, &value) ||
        a.last.state.len != want.len ||
        memcmp(a.last.state.ptr, want.ptr, want.len) != 0) {
        bad(s, "a state of another size, or a message more", n,
            (long long)a.last.state.len);
        return -1;
    }
    if (a.last.meta.prompt == NULL || strcmp(a.last.meta.prompt, s->id) != 0) {
        bad(s, "metadata of another run", n, 0);
    }
    return n;
}

// What phases and effects a resume must know, where the marks say it.
static void judge_lists(const story *s)
{
    unsigned begun = 0, ended = 0, phases = 0;
    ckpt_effect effect = { .at = 0 };
    while (ckpt_effect_next(&a.run, &effect) == CKPT_OK) {
        begun += effect.state == CKPT_EFFECT_UNCERTAIN;
        ended += effect.state == CKPT_EFFECT_ENDED;
    }
    const bool same = s->last_acked == s->last_tried - 'a' + 'A';
    if ((s->last_tried == 'c' && same && begun == 0) ||
        (s->last_tried == 'e' && !same && begun + ended == 0) ||
        (s->last_tried == 'e' && same && ended == 0)) {
        bad(s, "an effect is lost", begun, ended);
    }
    while (phases < 10 && !ckpt_phase(&a.run, "phase")) {
        phases++;
    }
    if (phases < s->phases || phases > s->phases_tried) {
        bad(s, "phases, of", phases, s->phases);
    }
}

static ckpt_code resume(const story *s)
{
    ckpt_abandon(&a.run);
    return ckpt_resume(&a.ctx, &a.run, &(ckpt_run_desc){ .id = s->id });
}

// A number that may stand: not older than what was acknowledged.
static void judge_number(const story *s, uint64_t n)
{
    const unsigned low = s->acked > s->low ? s->acked : s->low;
    if (n == 0 && s->acked == s->low) {
        n = s->low;                     // begun, not saved yet
    }
    if (n > s->tried || (a.power && n < low)) {
        bad(s, "a state that is too old or too new", (long long)n, low);
    }
}

// A run that stands: right, and able to go on.
static void judge_present(const story *s)
{
    int64_t n = load_whole(s);
    if (n < 0) {
        return;
    }
    judge_number(s, (uint64_t)n);
    if (n == 0 && s->acked == s->low) {
        n = s->low;                     // begun, not saved yet
    }
    if (a.power) {
        judge_lists(s);
    }
    a.append_at = a.run.messages;
    const ckpt_save_desc save = save_of((unsigned)n + 1);
    ckpt_code rc = ckpt_save(&a.run, &save);
    if (rc != CKPT_OK) {
        bad(s, "one save more gives", rc, a.run.error.sys);
    }
    rc = resume(s);
    if (rc != CKPT_OK || load_whole(s) != n + 1) {
        bad(s, "and then it cannot be resumed", rc, n + 1);
    }
}

// A run that is kept: it says so to everybody and in every way, and nobody
// takes it up or begins it anew.
static void judge_kept(const story *s, unsigned is)
{
    const ckpt_run_desc desc = { .id = s->id };
    ckpt_code rc = ckpt_verify(&a.ctx, s->id, &a.info);
    if (rc != CKPT_OK && (a.power || rc != CKPT_ERR_DAMAGED)) {
        bad(s, "verify of a kept run gives", rc, ckpt_last_error(&a.ctx)->sys);
    }
    if (a.info.state != (is == DONE ? CKPT_STATE_DONE : CKPT_STATE_FAILED)) {
        bad(s, "verify of a kept run tells state", a.info.state, is);
    }
    judge_number(s, a.info.turn);
    if (a.info.messages % SECOND_LIFE != a.info.turn % SECOND_LIFE) {
        bad(s, "messages of a kept run", (long long)a.info.messages, is);
    }
    rc = ckpt_open(&a.ctx, &a.run, &desc);
    if (rc != (is == DONE ? CKPT_FINISHED : CKPT_ERR_FAILED)) {
        bad(s, "open of a kept run gives", rc, is);
    }
    rc = ckpt_start(&a.ctx, &a.run, &desc);
    if (rc != CKPT_ERR_EXISTS) {
        bad(s, "start of a kept run gives", rc, is);
    }
}

// One that failed can be retried, and goes on then.
static void judge_failed(const story *s)
{
    judge_kept(s, FAILED);
    ckpt_code rc = ckpt_retry(&a.ctx, &a.run, s->id);
    rc = rc == CKPT_OK ? resume(s) : rc;
    if (rc != CKPT_OK) {
        bad(s, "retry, or resume after it, gives", rc,
            ckpt_last_error(&a.ctx)->sys);
    } else {
        judge_present(s);
    }
}

// One that is done cannot; it can be removed, and stays away.
static void judge_done(const story *s)
{
    judge_kept(s, DONE);
    ckpt_code rc = ckpt_retry(&a.ctx, &a.run, s->id);
    if (rc != CKPT_FINISHED) {
        bad(s, "retry of a run that is done gives", rc, 0);
    }
    rc = ckpt_remove(&a.ctx, &a.run, s->id);
    rc = rc == CKPT_OK ? resume(s) : rc;
    if (rc != CKPT_ERR_NOT_FOUND) {
        bad(s, "resume after a removal gives", rc, 0);
    }
}

static void judge(const story *s)
{
    unsigned is = ABSENT;
    ckpt_code rc = resume(s);
    if (rc == CKPT_FINISHED) {          // kept, or it has been removed only now
        is = ckpt_query(&a.ctx, s->id, &a.info) == CKPT_OK ? DONE : ABSENT;
    } else if (rc == CKPT_OK || rc == CKPT_ERR_FAILED) {
        is = rc == CKPT_OK ? PRESENT : FAILED;
    } else if (rc != CKPT_ERR_NOT_FOUND &&
               (a.power || rc != CKPT_ERR_DAMAGED)) {
        bad(s, "resume gives", rc, ckpt_last_error(&a.ctx)->sys);
        return;
    }
    if (a.power && (s->may & is) == 0) {
        bad(s, "it is", is, rc);
    }
    switch (is) {
    case PRESENT: judge_present(s); break;
    case FAILED:  judge_failed(s); break;
    case DONE:    judge_done(s); break;
    default:      break;
    }
    ckpt_abandon(&a.run);
}

// Whether a file has the head of a generation and the bytes of others.
static bool is_torn(int fd)
{
    static char bytes[sizeof(a.buf)];
    unsigned sum = 0;
    size_t length = 0;
    const ssize_t got = read(fd, bytes, sizeof(bytes) - 1);
    bytes[got > 0 ? got : 0] = '\0';
    const char *body = strstr(bytes, "},\n");
    const char *size = strstr(bytes, "\"length\":");
    if (body == NULL || size == NULL || size > body ||
        sscanf(bytes, "{\"ckpt\":1,\"crc\":\"%8x\"", &sum) != 1 ||
        sscanf(size, "\"length\":%zu", &length) != 1 ||
        length > (size_t)got || length < (size_t)(body - bytes) + 3) {
        return got > 0;
    }
    // The sum of a record is that of its body, and of its head without it.
    const size_t head = (size_t)(body - bytes) + 3, at = 17, digits = 8;
    uint32_t is = ckpt_crc32c(0, bytes + head, length - head);
    is = ckpt_crc32c(is, bytes, at);
    return ckpt_crc32c(is, bytes + at + digits, head - at - digits) != sum;
}

// What a cut has torn, of the files of generations.
static struct { unsigned torn, all; } files;

static void count_torn(int dir, const char *name)
{
    const int fd = openat(dir, name, O_RDONLY);
    if (fd >= 0) {
        files.all++;
        files.torn += is_torn(fd);
        close(fd);
    }
}

static bool no_wreck(void *user, const ckpt_run_info *info)
{
    (void)user;
    printf("BAD %s is in state %d: %s\n", info->id, (int)info->state,
           info->error.msg != NULL ? info->error.msg : "");
    a.bad++;
    return true;
}

static void check(const char *marks)
{
    static story stories[RUNS_MAX];
    const unsigned count = read_marks(marks, stories);
    uint32_t wreck = CKPT_STATE_UNREADABLE | CKPT_STATE_FOREIGN |
                     CKPT_STATE_NEWER | CKPT_STATE_LIVE | CKPT_STATE_STALLED;
    wreck |= a.power ? CKPT_STATE_DAMAGED : 0U;
    each_file("checkpoint.", count_torn);
    printf("%u of %u files torn\n", files.torn, files.all);
    be_patient();
    if (ckpt_scan(&a.ctx, wreck, no_wreck, NULL) != CKPT_OK ||
        ckpt_sweep(&a.ctx, &a.run, NULL) != CKPT_OK) {
        printf("BAD scan or sweep: %s\n", ckpt_last_error(&a.ctx)->msg);
        a.bad++;
    }
    for (unsigned i = 0; i < count; i++) {
        judge(&stories[i]);
    }
}

int main(int argc, char **argv)
{
    const char verb = argc < 5 ? '-' : argv[1][0];
    if (strchr("wlusc", verb) == NULL || argc > 7 ||
        (verb == 's' && argc < 7)) {
        fprintf(stderr, "usage: agent write|long|unflushed|storm|check dir "
                "marks power|process [sync | seed number]\n");
        return 2;
    }
    a.dir = argv[2];
    a.power = strcmp(argv[4], "power") == 0;
    a.sync = argc == 6;
    a.storm = verb == 's';
    a.unflushed = verb == 'u';
    a.marks = verb == 'c' ? -1 :
              open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if ((verb != 'c' && a.marks < 0) || (verb != 's' && !open_store())) {
        printf("BAD the store cannot be opened, or the marks\n");
        return verb == 'c' ? 1 : NO_MARK;
    }
    if (verb == 'c') {
        check(argv[3]);
    } else if (verb == 'w') {
        play();
        ckpt_abandon(&a.run);
    } else if (verb != 's') {
        play_long();
    } else {
        const unsigned number = (unsigned)strtoul(argv[6], NULL, 10);
        seed_random(strtoull(argv[5], NULL, 10), number);
        return storm(number);
    }
    ckpt_store_fs_close(&a.fs);
    return a.bad > 0;
}
