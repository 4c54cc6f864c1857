/*
    storm.c -- many processes, many kills, and a ledger that forgets nothing

        cc -std=c99 -I. -I/usr/include/stb -o build/storm tests/storm.c ckpt.o
        build/storm [-s seed] [-d directory] [-n runs] [-p processes]
                    [-k kills] [-m moments] [-e stride] [mode ...]

    recover   processes recover runs while they are killed at random (-n -p -k)
    fence     the same, but every owner is taken for dead all the time
    kill      a saving loop is killed at random moments (-m)
    save      an owner stops at every system call of its save, another process
              takes the run over, the owner goes on
    finish    the same in its finish; the claimant begins the run anew
    rise      an owner stops at every call of its save, and who finishes the
              run stops at every call of that, too (every -e-th pair): what
              was finished must not rise again
    begin     the same for one that begins a run and one that sweeps

    A scan of 10,000 runs is CKPT_TEST_RUNS=10000 tests/run_all one_scan.
    Without a mode it does all. What was acknowledged is written down after the
    acknowledgement, by one write() at the end of a file: what a kill can take
    is the last line, so the ledger never says too much. The last line printed
    is "N passed, N failed".
*/
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ID "run"

enum {
    PROCESSES_MAX = 64,
    RUNS_MAX      = 20000,
    MESSAGES      = 500,                // then the transcript is cut
    TURNS         = 6,                  // of a run that makes progress
    NEVER         = 1 << 30,            // a moment that does not come
    CALLS_MAX     = 200                 // no save or finish has more
};

static struct {
    uint64_t random;
    char     base[512], dir[600];
    int      runs, processes, kills, moments, stride;
    bool     age;                       // tells who is dead; else locks do
    unsigned passed, failed;
} storm = { .runs = 100, .processes = 8, .kills = 150, .moments = 200,
            .stride = 5 };

// -- Small things --

static bool verdict(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "pass" : "FAIL", what);
    fflush(stdout);
    storm.passed += ok;
    storm.failed += !ok;
    return ok;
}

static void die(const char *what)
{
    fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
    exit(2);
}

// xorshift64*: the same seed gives the same numbers everywhere.
static uint64_t next_random(uint64_t below)
{
    storm.random ^= storm.random >> 12;
    storm.random ^= storm.random << 25;
    storm.random ^= storm.random >> 27;
    return (storm.random * UINT64_C(2685821657736338717) >> 33) % below;
}

static void wait_us(uint64_t us)
{
    struct timespec t = { .tv_sec = (time_t)(us / 1000000),
                          .tv_nsec = (long)(us % 1000000 * 1000) };
    nanosleep(&t, NULL);
}

static void remove_tree(const char *path)
{
    char **argv = (char *[]){ (char[]){ "rm" }, (char[]){ "-rf" }, NULL, NULL };
    char copy[600];
    snprintf(copy, sizeof(copy), "%s", path);
    argv[2] = copy;
    const pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

// An empty directory for a store.
static void fresh_dir(const char *name)
{
    if (storm.dir[0] != '\0') {
        remove_tree(storm.dir);
    }
    snprintf(storm.dir, sizeof(storm.dir), "%s/storm-%ld-%s", storm.base,
             (long)getpid(), name);
    remove_tree(storm.dir);
}

// What every process here needs: a store, a context, a run.
typedef struct kit {
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_checkpoint last;
    char            buf[64 * 1024];
} kit;

static kit *open_kit_by(const ckpt_fs_calls *calls, bool power, bool age)
{
    kit *k = calloc(1, sizeof(*k));
    ckpt_error err;
    if (k == NULL ||
        ckpt_store_fs_open(&k->fs, &(ckpt_store_fs_desc){
            .dir = storm.dir, .calls = calls,
            .durability = power ? CKPT_STORE_FS_POWER : CKPT_STORE_FS_PROCESS,
            .liveness = age ? CKPT_STORE_FS_AGE : CKPT_STORE_FS_AUTO
        }, &err) != CKPT_OK ||
        ckpt_init(&k->ctx, &(ckpt_desc){
            .store = &k->fs.base, .throttle_ms = CKPT_OFF,
            .beat_ms = CKPT_OFF, .lease_ms = 60000,
            .resume_max = CKPT_UNLIMITED }) != CKPT_OK) {
        fprintf(stderr, "storm: cannot open %s\n", storm.dir);
        exit(2);
    }
    return k;
}

static kit *open_kit(const ckpt_fs_calls *calls, bool power)
{
    return open_kit_by(calls, power, false);
}

static void close_kit(kit *k)
{
    ckpt_abandon(&k->run);
    ckpt_store_fs_close(&k->fs);
    free(k);
}

// Saves n: the turn, a message more, and a state say the same thing.
static ckpt_code save_n(kit *k, uint64_t turn, uint64_t n)
{
    char message[64], state[64];
    snprintf(message, sizeof(message), "[{\"n\":%" PRIu64 "}]", n);
    snprintf(state, sizeof(state), "{\"n\":%" PRIu64 "}", n);
    return ckpt_save(&k->run, &(ckpt_save_desc){
        .turn = turn, .messages = ckpt_text(message),
        .append_at = k->run.messages < MESSAGES ? k->run.messages : 0,
        .state = ckpt_text(state) });
}

// Loads what save_n() saved; -1 if it cannot, -2 if it lost the claim.
static int64_t load_n(kit *k)
{
    int64_t n = -1;
    const ckpt_code rc = ckpt_load(&k->run, &k->last, k->buf, sizeof(k->buf));
    if (rc < 0 ||
        ckpt_json_number(ckpt_json_get(k->last.state, "n"), &n) != CKPT_OK) {
        return rc == CKPT_ERR_CLAIM_LOST ? -2 : -1;
    }
    return n;
}

// Makes all heartbeats old, so that nobody has to be patient after a claimant
// died: liveness is told by locks here, and does not mind.
static void age_beats(void)
{
    const struct timespec old[2] = { { .tv_sec = time(NULL) - 7200 },
                                     { .tv_sec = time(NULL) - 7200 } };
    DIR *root = opendir(storm.dir);
    for (struct dirent *r; root != NULL && (r = readdir(root)) != NULL; ) {
        const int fd = strncmp(r->d_name, "r-", 2) != 0 &&
                       strncmp(r->d_name, ".new-", 5) != 0 ? -1 :
            openat(dirfd(root), r->d_name, O_RDONLY | O_DIRECTORY);
        DIR *run = fd < 0 ? NULL : fdopendir(fd);
        for (struct dirent *f; run != NULL && (f = readdir(run)) != NULL; ) {
            if (strncmp(f->d_name, "heartbeat.", 10) == 0) {
                utimensat(fd, f->d_name, old, 0);
            }
        }
        if (run != NULL) {
            futimens(fd, old);
            closedir(run);
        }
    }
    if (root != NULL) {
        closedir(root);
    }
}

// -- recover: many processes, killed at random, and the ledger --

// Runs are of three kinds, by their number: some make progress and finish,
// some crash without any, some are left cleanly each time.
enum { WORKS, CRASHES, LEAVES };

typedef struct entry {                  // one line of the ledger
    char     what;                      // Hand-out, Save or Finish acknowledged
    int      run;
    uint64_t epoch, attempt;
    int64_t  n, pid;
} entry;

static int kind_of(int run)
{
    return run % 5 == 3 ? CRASHES : run % 5 == 4 ? LEAVES : WORKS;
}

static void write_down(int ledger, char what, const kit *k, int64_t n)
{
    char line[160];
    const int size = snprintf(line, sizeof(line), "%c %s %" PRIu64 " %" PRIu32
                              " %" PRId64 " %ld\n", what, k->run.id,
                              k->run.epoch, k->run.attempt, n, (long)getpid());
    if (write(ledger, line, (size_t)size) != size) {
        die("write the ledger");
    }
}

// Does what the kind of a run that was handed out asks for.
static void work(kit *k, int ledger)
{
    const int kind = kind_of(atoi(k->run.id));
    int64_t n = load_n(k);
    write_down(ledger, 'H', k, n);
    uint64_t turn = k->last.turn;
    for (int i = 0; n >= 0 && i < TURNS; i++) {
        turn += kind == WORKS;
        if (turn > TURNS) {
            break;
        }
        if (save_n(k, turn, (uint64_t)++n) != CKPT_OK) {
            break;
        }
        write_down(ledger, 'S', k, n);
        if (kind != WORKS && i > 0) {
            break;
        }
    }
    if (kind == WORKS && turn >= TURNS) {
        if (ckpt_finish(&k->run, CKPT_COMPLETED, NULL) == CKPT_OK) {
            write_down(ledger, 'F', k, n);
        }
    } else if (kind == LEAVES) {
        (void)!ckpt_finish(&k->run, CKPT_INTERRUPTED, NULL);
    }
    ckpt_abandon(&k->run);
}

// A worker: one pass after the other, until the parent closes the pipe.
static void worker(int stop, int ledger)
{
    kit *k = open_kit_by(NULL, false, storm.age);
    struct pollfd p = { .fd = stop, .events = POLLIN };
    for (;;) {
        ckpt_cursor cursor = { .stage = 0 };
        while (ckpt_resume_next(&k->ctx, &k->run, &cursor) == CKPT_OK) {
            work(k, ledger);
        }
        if (poll(&p, 1, 1) != 0) {
            _exit(0);
        }
    }
}

static int read_ledger(const char *name, entry *entries, int cap)
{
    FILE *f = fopen(name, "r");
    int count = 0;
    entry e;
    while (f != NULL && count < cap &&
           fscanf(f, " %c %d %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64,
                  &e.what, &e.run, &e.epoch, &e.attempt, &e.n, &e.pid) == 6) {
        entries[count++] = e;
    }
    if (f != NULL) {
        fclose(f);
    }
    return count;
}

static int by_run(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->run != y->run) {
        return x->run < y->run ? -1 : 1;
    }
    return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

// What the ledger must not show, counted.
typedef struct faults {
    int two_owners, lost, risen, uncounted, unloaded;
} faults;

// Judges the lines of one run, sorted by epoch.
static void judge_run(const entry *e, int count, faults *f)
{
    int64_t acked = 0, before = 0;      // the highest, also of older epochs
    int64_t owner = 0, hand_outs = 0;
    uint64_t epoch = 0, finished = 0;
    for (int i = 0; i < count; i++) {
        if (e[i].epoch != epoch) {
            epoch = e[i].epoch;
            before = acked;
            owner = 0;
        }
        f->risen += finished != 0 && epoch > finished;
        if (e[i].what == 'H') {
            hand_outs++;
            f->unloaded += e[i].n == -1;
            f->lost += e[i].n >= 0 && e[i].n < before;
            f->uncounted += kind_of(e[i].run) == CRASHES &&
                            e[i].attempt < (uint64_t)hand_outs;
            continue;
        }
        f->two_owners += owner != 0 && owner != e[i].pid;
        owner = e[i].pid;
        acked = e[i].n > acked ? e[i].n : acked;
        finished = e[i].what == 'F' ? epoch : finished;
    }
}

// What is on disk in the end, against the ledger.
typedef struct tally {
    int64_t hand_outs[RUNS_MAX];
    int64_t acked[RUNS_MAX];
    int64_t too_few, excess, left, older, others;
} tally;

static bool tally_run(void *user, const ckpt_run_info *info)
{
    tally *t = user;
    const int run = atoi(info->id);
    const int64_t attempt = (int64_t)info->attempt;
    if (info->state != CKPT_STATE_INTERRUPTED) {
        t->others++;
        printf("     run %s is in state %d\n", info->id, (int)info->state);
        return true;
    }
    if (kind_of(run) == WORKS) {
        t->left++;
    } else if (kind_of(run) == CRASHES) {
        t->too_few += attempt < t->hand_outs[run];
        t->excess += attempt - t->hand_outs[run];
    } else {
        t->excess += attempt;           // each was given back, or was killed
    }
    return true;
}

static void make_runs(int count)
{
    kit *k = open_kit(NULL, false);
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        if (ckpt_start(&k->ctx, &k->run, &(ckpt_run_desc){ .id = id }) < 0 ||
            save_n(k, 1, 1) != CKPT_OK) {
            die("make a run");
        }
        ckpt_abandon(&k->run);
    }
    close_kit(k);
}

static pid_t start_worker(const int *stop, int ledger)
{
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        close(stop[1]);
        worker(stop[0], ledger);
    }
    return pid;
}

// Kills a random worker again and again, and starts another one for it.
static void torment(int ledger)
{
    pid_t pids[PROCESSES_MAX];
    int stop[2];
    if (pipe(stop) != 0) {
        die("pipe");
    }
    for (int i = 0; i < storm.processes; i++) {
        pids[i] = start_worker(stop, ledger);
    }
    for (int i = 0; i < storm.kills / (storm.age ? 4 : 1); i++) {
        const uint64_t victim = next_random((uint64_t)storm.processes);
        wait_us(next_random(20000));
        kill(pids[victim], SIGKILL);
        waitpid(pids[victim], NULL, 0);
        if (storm.age || i % 8 == 0) {
            age_beats();
        }
        pids[victim] = start_worker(stop, ledger);
    }
    close(stop[0]);
    close(stop[1]);
    for (int i = 0; i < storm.processes; i++) {
        waitpid(pids[i], NULL, 0);
    }
    // What is left goes to one that is not killed. Three passes: a run that
    // was finished half is removed by the first one who comes.
    for (int i = 0; i < 3; i++) {
        age_beats();
        kit *k = open_kit_by(NULL, false, storm.age);
        ckpt_cursor cursor = { .stage = 0 };
        while (ckpt_resume_next(&k->ctx, &k->run, &cursor) == CKPT_OK) {
            work(k, ledger);
        }
        close_kit(k);
    }
    age_beats();
}

static void judge_ledger(entry *entries, int count, tally *t)
{
    faults f = { .lost = 0 };
    int from = 0, saves = 0, hand_outs = 0;
    // Lines of one process keep their order: qsort need not be stable, for no
    // rule looks at the order within an epoch.
    qsort(entries, (size_t)count, sizeof(entries[0]), by_run);
    for (int i = 0; i < count; i++) {
        t->hand_outs[entries[i].run] += entries[i].what == 'H';
        saves += entries[i].what != 'H';
        hand_outs += entries[i].what == 'H';
        if (i + 1 == count || entries[i + 1].run != entries[i].run) {
            judge_run(entries + from, i + 1 - from, &f);
            from = i + 1;
        }
    }
    printf("     %d hand-outs and %d acknowledged saves of %d runs, %d "
           "processes, %d kills\n", hand_outs, saves, storm.runs,
           storm.processes, storm.kills / (storm.age ? 4 : 1));
    verdict(hand_outs > 0 && f.unloaded == 0, "every hand-out can be loaded");
    verdict(f.two_owners == 0, "never two owners that both get a save "
                               "acknowledged in one epoch");
    verdict(f.lost == 0, "no acknowledged save is lost");
    verdict(f.risen == 0, "nothing is handed out after an acknowledged finish");
    verdict(f.uncounted == 0, "every hand-out is counted before it is made");
}

static void storm_recover_by(bool age)
{
    enum { ENTRIES = 2000000 };
    char name[700];
    storm.age = age;
    fresh_dir("recover");
    snprintf(name, sizeof(name), "%s.ledger", storm.dir);
    const int ledger = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                            0600);
    entry *entries = malloc(ENTRIES * sizeof(*entries));
    tally *t = calloc(1, sizeof(*t));
    if (ledger < 0 || entries == NULL || t == NULL) {
        die(name);
    }
    make_runs(storm.runs);
    torment(ledger);
    judge_ledger(entries, read_ledger(name, entries, ENTRIES), t);
    kit *k = open_kit_by(NULL, false, age);
    verdict(ckpt_scan(&k->ctx, 0, tally_run, t) == CKPT_OK && t->left == 0 &&
            t->others == 0, "every run that makes progress is finished and "
                            "gone, every other one is interrupted");
    verdict(t->too_few == 0, "attempts on disk are at least the hand-outs");
    printf("     %" PRId64 " attempts without a hand-out\n", t->excess);
    if (!age) {                         // else one can also be overtaken there
        verdict(t->excess <= storm.kills,
                "attempts beyond the hand-outs are at most the kills");
    }
    close_kit(k);
    close(ledger);
    unlink(name);
    free(entries);
    free(t);
}

static void storm_recover(void)
{
    storm_recover_by(false);
}

// Where age decides and all beats look old, everybody is taken for dead at any
// moment: only the fencing stands between the owners.
static void storm_fence(void)
{
    storm_recover_by(true);
}

// -- kill: one process that saves, killed at random --

static void save_loop(int out)
{
    kit *k = open_kit(NULL, true);
    int64_t n = -2;                     // could not open: say so, and why
    const ckpt_code rc = ckpt_open(&k->ctx, &k->run,
                                   &(ckpt_run_desc){ .id = ID });
    if (rc == CKPT_OK) {
        n = k->run.resumed ? load_n(k) : 0;
        // The first generation has no state yet.
        n = n == -1 && k->run.turn == 0 ? 0 : n;
    } else {
        n = rc == CKPT_ERR_BUSY ? -3 : -2;
        if (n == -2) {
            printf("     opening failed: %d, %s\n", rc,
                   ckpt_last_error(&k->ctx)->msg);
            fflush(stdout);
        }
    }
    do {
        if (write(out, &n, sizeof(n)) != (ssize_t)sizeof(n)) {
            _exit(1);
        }
    } while (n >= 0 && save_n(k, (uint64_t)(n + 1), (uint64_t)(n + 1)) ==
             CKPT_OK && ++n > 0);
    _exit(n == -3 ? 0 : 1);
}

static void storm_kill(void)
{
    int64_t acked = 0, opened = 0, busy = 0, wrong = 0, between = 0;
    fresh_dir("kill");
    for (int i = 0; i < storm.moments; i++) {
        int pipes[2], status;
        if (pipe(pipes) != 0) {
            die("pipe");
        }
        fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            save_loop(pipes[1]);
        }
        close(pipes[1]);
        int64_t n, first = 1;
        if (next_random(4) == 0) {      // while it opens
            wait_us(next_random(8000));
            kill(pid, SIGKILL);
        }
        while (read(pipes[0], &n, sizeof(n)) == (ssize_t)sizeof(n)) {
            if (n < 0) {
                busy += n == -3;
                wrong += n != -3;
                break;
            }
            if (first) {                // what it has loaded
                opened++;
                between += n == acked + 1;
                if (n != acked && n != acked + 1) {
                    printf("     loaded %" PRId64 " after %" PRId64 " was "
                           "acknowledged\n", n, acked);
                    wrong++;
                }
                wait_us(next_random(12000));
                kill(pid, SIGKILL);
            } else {
                wrong += n != acked + 1;
            }
            first = 0;
            acked = n;
        }
        close(pipes[0]);
        waitpid(pid, &status, 0);
        if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0) {
            printf("     ended by itself after %" PRId64 "\n", acked);
            wrong++;
            break;
        }
        age_beats();
    }
    printf("     %d kills, %" PRId64 " opened, %" PRId64 " saves, %" PRId64
           " loads of the one being saved, %" PRId64 " patient\n",
           storm.moments, opened, acked, between, busy);
    verdict(wrong == 0 && opened > 0 && acked > 0,
            "every load gives the last acknowledged checkpoint or the one "
            "being saved");
}

// -- Stopping at a system call --

// The calls of the store, numbered from when they are armed: before number
// `at` the process stops itself. Calls that touch nothing shared do not count.
static struct {
    int         at, count;
    const char *names[CALLS_MAX];
} trap_state = { .at = NEVER };

static const ckpt_fs_calls *sys;

static void trap(const char *name)
{
    const int n = trap_state.count++;
    if (trap_state.at != NEVER && n < CALLS_MAX) {
        trap_state.names[n] = name;
    }
    if (n == trap_state.at) {
        raise(SIGSTOP);
    }
}

#define TRAP(result, name, params, args)                                       \
    static result trap_##name params                                           \
    {                                                                          \
        trap(#name);                                                           \
        return sys->name args;                                                 \
    }

TRAP(int, open, (void *u, int d, const char *n, int f), (u, d, n, f))
TRAP(int, close, (void *u, int fd), (u, fd))
TRAP(int64_t, read, (void *u, int fd, void *b, size_t n, uint64_t o),
     (u, fd, b, n, o))
TRAP(int64_t, write, (void *u, int fd, const void *b, size_t n, uint64_t o),
     (u, fd, b, n, o))
TRAP(int, sync, (void *u, int fd), (u, fd))
TRAP(int, stat, (void *u, int fd, ckpt_fs_stat *st), (u, fd, st))
TRAP(int, stat_at, (void *u, int d, const char *n, ckpt_fs_stat *st),
     (u, d, n, st))
TRAP(int, rmdir, (void *u, int d, const char *n), (u, d, n))
TRAP(int, unlink, (void *u, int d, const char *n), (u, d, n))
TRAP(int, rename, (void *u, int d, const char *f, int e, const char *t),
     (u, d, f, e, t))
TRAP(int, link, (void *u, int d, const char *f, int e, const char *t),
     (u, d, f, e, t))
TRAP(int, touch, (void *u, int fd), (u, fd))
TRAP(int, dir_open, (void *u, int d, void **w), (u, d, w))
TRAP(int, dir_next, (void *u, void *w, char n[256]), (u, w, n))

static ckpt_fs_calls trap_calls(void)
{
    sys = ckpt_store_fs_calls();
    ckpt_fs_calls c = *sys;
    c.open = trap_open;
    c.close = trap_close;
    c.read = trap_read;
    c.write = trap_write;
    c.sync = trap_sync;
    c.stat = trap_stat;
    c.stat_at = trap_stat_at;
    c.rmdir = trap_rmdir;
    c.unlink = trap_unlink;
    c.rename = trap_rename;
    c.link = trap_link;
    c.touch = trap_touch;
    c.dir_open = trap_dir_open;
    c.dir_next = trap_dir_next;
    return c;
}

// What a process that was stopped tells in the end.
typedef struct told {
    ckpt_code first, then, beat, last;  // the call it was stopped in, and more
    int       calls;                    // of that call, if it was not stopped
    char      name[16];                 // before which call it stopped
} told;

typedef struct stopped {
    pid_t pid;
    int   out;                          // what it tells
    bool  is;                           // it stopped, and did not end
} stopped;

typedef enum deed {
    SAVE, FIRST_SAVE, COMPLETE, KEEP, TAKE_AND_COMPLETE, REMOVE, BEGIN, SWEEP
} deed;

static void tell(int out, const told *t)
{
    const bool ok = write(out, t, sizeof(*t)) == (ssize_t)sizeof(*t);
    _exit(!ok);
}

// Comes to own the run, as far as the deed needs that.
static bool get_ready(kit *k, deed what)
{
    const ckpt_run_desc desc = { .id = ID, .force = true };
    switch (what) {
    case BEGIN: case SWEEP: case REMOVE: return true;
    case TAKE_AND_COMPLETE: return ckpt_resume(&k->ctx, &k->run, &desc) >= 0;
    case FIRST_SAVE:        return ckpt_start(&k->ctx, &k->run, &desc) >= 0;
    default:                return ckpt_start(&k->ctx, &k->run, &desc) >= 0 &&
                                   save_n(k, 1, 1) == CKPT_OK;
    }
}

static ckpt_code deed_call(kit *k, deed what)
{
    switch (what) {
    case SAVE: case FIRST_SAVE: return save_n(k, 2, 2);
    case REMOVE: return ckpt_remove(&k->ctx, &k->run, ID);
    case SWEEP:  return ckpt_sweep(&k->ctx, &k->run, NULL);
    case BEGIN:  return ckpt_start(&k->ctx, &k->run,
                                   &(ckpt_run_desc){ .id = ID });
    case KEEP:   return ckpt_finish(&k->run, CKPT_FAILED,
                                    &(ckpt_finish_desc){ .keep = true });
    default:     return ckpt_finish(&k->run, CKPT_COMPLETED, NULL);
    }
}

// Does the deed, and stops at call `at` of it.
static void do_deed(deed what, int at, int out)
{
    const ckpt_fs_calls calls = trap_calls();
    kit *k = open_kit_by(&calls, false, what == REMOVE || what == SWEEP);
    told t = { .first = CKPT_ERR_CLOSED };
    if (!get_ready(k, what)) {
        tell(out, &t);
    }
    trap_state.at = at;
    trap_state.count = 0;
    t.first = deed_call(k, what);
    t.calls = trap_state.count;
    if (at < t.calls && at < CALLS_MAX) {
        snprintf(t.name, sizeof(t.name), "%s", trap_state.names[at]);
    }
    trap_state.at = NEVER;
    t.then = save_n(k, 3, 3);
    if (what == BEGIN) {                // it stays
        tell(out, &t);
    }
    t.beat = ckpt_beat(&k->run);
    t.last = ckpt_finish(&k->run, CKPT_COMPLETED, NULL);
    tell(out, &t);
}

static stopped start_deed(deed what, int at)
{
    stopped s = { .out = -1 };
    int pipes[2], status;
    if (pipe(pipes) != 0) {
        die("pipe");
    }
    fflush(stdout);
    s.pid = fork();
    if (s.pid == 0) {
        close(pipes[0]);
        do_deed(what, at, pipes[1]);
    }
    close(pipes[1]);
    s.out = pipes[0];
    if (waitpid(s.pid, &status, WUNTRACED) != s.pid) {
        die("waitpid");
    }
    s.is = WIFSTOPPED(status);
    return s;
}

static told go_on(stopped *s)
{
    told t = { .first = CKPT_ERR_CLOSED };
    if (s->is) {
        kill(s->pid, SIGCONT);
    }
    if (read(s->out, &t, sizeof(t)) != (ssize_t)sizeof(t)) {
        t.first = CKPT_ERR_CLOSED;
    }
    close(s->out);
    if (s->is) {
        waitpid(s->pid, NULL, 0);
    }
    return t;
}

static bool sticky(const told *t)
{
    // A beat that lost the claim is told so; a finish closes after that.
    return t->then == CKPT_ERR_CLAIM_LOST && t->beat == CKPT_ERR_CLAIM_LOST &&
           t->last == CKPT_ERR_CLAIM_LOST;
}

// -- save: the owner stops in its save --

static void storm_save(void)
{
    int wrong = 0, lost = 0, acked = 0, refused = 0, order = 0, last_lost = -1;
    for (int at = 0; at < CALLS_MAX; at++) {
        fresh_dir("save");
        stopped owner = start_deed(SAVE, at);
        if (!owner.is) {                // through with its save
            told t = go_on(&owner);
            wrong += t.first != CKPT_OK;
            break;
        }
        kit *k = open_kit(NULL, false);
        const ckpt_code polite = ckpt_resume(&k->ctx, &k->run,
                                             &(ckpt_run_desc){ .id = ID });
        refused += polite == CKPT_ERR_LIVE;
        const ckpt_code rc = ckpt_resume(&k->ctx, &k->run, &(ckpt_run_desc){
            .id = ID, .force = true });
        const int64_t n = rc == CKPT_OK ? load_n(k) : -1;
        bool good = rc == CKPT_OK && (n == 1 || n == 2) &&
                    save_n(k, 10, 10) == CKPT_OK;
        const told t = go_on(&owner);
        if (t.first == CKPT_ERR_CLAIM_LOST) {
            lost++;
            order += acked > 0;         // lost after one that was not
            last_lost = at;
        } else {
            acked++;
            good = good && t.first == CKPT_OK && n == 2;
        }
        good = good && sticky(&t) && load_n(k) == 10 &&
               save_n(k, 11, 11) == CKPT_OK && load_n(k) == 11;
        if (!good) {
            printf("     call %d (%s): claim %d, found %" PRId64 ", told %d %d "
                   "%d %d\n", at, t.name, rc, n, t.first, t.then, t.beat,
                   t.last);
            wrong++;
        }
        close_kit(k);
    }
    printf("     %d stops: %d lost the claim, %d had their save acknowledged; "
           "the last to lose it stopped at call %d\n", lost + acked, lost,
           acked, last_lost);
    verdict(wrong == 0 && lost > 0, "an owner that stops in its save loses its "
            "claim, or the claimant has that save");
    verdict(order == 0, "before its look ends it loses the claim, after that "
                        "it does not");
    verdict(refused == lost + acked, "a stopped owner is live: without force "
                                     "its run is refused");
}

// -- finish: the owner stops in its finish, the run is begun anew --

// Claims the run by force; what is handed out is saved, what is finished or
// kept is begun anew. Returns what there must be in the end, 0 if something is
// wrong.
static int64_t claim_or_begin(kit *k, bool *anew)
{
    const ckpt_code rc = ckpt_resume(&k->ctx, &k->run, &(ckpt_run_desc){
        .id = ID, .force = true });
    *anew = rc == CKPT_FINISHED || rc == CKPT_ERR_NOT_FOUND ||
            (rc == CKPT_ERR_FAILED &&
             ckpt_remove(&k->ctx, &k->run, ID) == CKPT_OK);
    if (*anew) {
        return ckpt_start(&k->ctx, &k->run, &(ckpt_run_desc){ .id = ID }) ==
               CKPT_OK && save_n(k, 100, 100) == CKPT_OK ? 100 : 0;
    }
    return rc == CKPT_OK && load_n(k) == 1 && save_n(k, 10, 10) == CKPT_OK ? 10
                                                                           : 0;
}

static void storm_finish(deed what)
{
    int wrong = 0, stops = 0, begun = 0, order = 0;
    for (int at = 0; at < CALLS_MAX; at++) {
        bool anew = false;
        fresh_dir("finish");
        stopped owner = start_deed(what, at);
        if (!owner.is) {
            wrong += go_on(&owner).first != CKPT_OK;
            break;
        }
        stops++;
        kit *k = open_kit(NULL, false);
        const int64_t n = claim_or_begin(k, &anew);
        begun += anew;
        order += begun > 0 && !anew;
        const uint64_t epoch = k->run.epoch, seq = k->run.seq;
        const told t = go_on(&owner);
        const bool told_right = anew
            ? t.first == CKPT_OK || t.first == CKPT_ERR_CLAIM_LOST
            : t.first == CKPT_ERR_CLAIM_LOST;
        const bool good = n > 0 && told_right && t.then == CKPT_ERR_CLOSED &&
                    load_n(k) == n &&
                    k->run.epoch == epoch && k->run.seq == seq &&
                    save_n(k, 200, (uint64_t)n + 1) == CKPT_OK &&
                    load_n(k) == n + 1;
        if (!good) {
            printf("     call %d (%s): anew %d, saved %" PRId64 ", told %d\n",
                   at, t.name, anew, n, t.first);
            wrong++;
        }
        close_kit(k);
    }
    printf("     %d stops, %d times finished and begun anew\n", stops, begun);
    verdict(wrong == 0 && begun > 0 && begun < stops, what == KEEP ?
            "an owner that stops as it keeps its run harms neither the "
            "claimant nor the run begun anew" :
            "an owner that stops in its finish harms neither the claimant nor "
            "the run begun anew");
    verdict(order == 0, "once the outcome stands nothing is handed out");
}

// -- rise: one stops in its save, one in its finish --

// Stops an old owner and a finisher, and lets the owner go on first. True if
// the run is gone afterwards. *more: both did stop.
static bool stays_gone(const deed who[2], const int at[2], bool *more,
                       told said[2])
{
    ckpt_run_info info;
    remove_tree(storm.dir);
    stopped owner = start_deed(who[0], at[0]);
    age_beats();                        // where age decides, it seems dead
    stopped finisher = start_deed(who[1], at[1]);
    *more = owner.is && finisher.is;
    said[0] = go_on(&owner);
    said[1] = go_on(&finisher);
    kit *k = open_kit(NULL, false);
    const ckpt_code rc = ckpt_query(&k->ctx, ID, &info);
    close_kit(k);
    return !*more || said[1].first != CKPT_OK || rc == CKPT_ERR_NOT_FOUND ||
           (rc == CKPT_OK && info.state == CKPT_STATE_FINISHED);
}

static void storm_rise(const deed who[2], const char *what)
{
    int pairs = 0, risen = 0, at[2];
    bool any = true;
    fresh_dir("rise");
    for (at[0] = 0; any && at[0] < CALLS_MAX; at[0]++) {
        bool more = true;
        any = false;
        for (at[1] = at[0] % storm.stride; more && at[1] < CALLS_MAX;
             at[1] += storm.stride) {
            told t[2];
            const bool gone = stays_gone(who, at, &more, t);
            any = any || more;
            pairs += more;
            risen += !gone;
            if (!gone && risen <= 5) {
                printf("     owner before call %d (%s), the other before call "
                       "%d (%s): the run is there again\n", at[0], t[0].name,
                       at[1], t[1].name);
            }
        }
    }
    printf("     %d pairs of stops, %d risen\n", pairs, risen);
    verdict(risen == 0 && pairs > 0, what);
}

static void rise_finished(void)
{
    storm_rise((deed[2]){ SAVE, TAKE_AND_COMPLETE },
               "what was finished does not rise again by a late save");
}

static void rise_removed(void)
{
    storm_rise((deed[2]){ FIRST_SAVE, REMOVE },
               "what was removed does not rise again by a late save");
}

// -- begin: one stops while it begins a run, and is swept for dead --

// True if what was acknowledged is there. first: who goes on first.
static bool begins_right(const int at[2], int first, bool *more, told said[2])
{
    ckpt_run_info info;
    stopped who[2];
    remove_tree(storm.dir);
    who[0] = start_deed(BEGIN, at[0]);
    age_beats();
    who[1] = start_deed(SWEEP, at[1]);
    *more = who[0].is && who[1].is;
    said[first] = go_on(&who[first]);
    said[!first] = go_on(&who[!first]);
    kit *k = open_kit(NULL, false);
    const ckpt_code rc = ckpt_query(&k->ctx, ID, &info);
    close_kit(k);
    // Busy: the claim of the sweeper, which then saw that the run is shown.
    // Live: the maker took no lock, and its last save is a beat of just now.
    const bool there = rc == CKPT_OK && (info.state & (
        CKPT_STATE_INTERRUPTED | CKPT_STATE_BUSY | CKPT_STATE_LIVE)) != 0;
    return said[0].first != CKPT_OK ? !there || info.turn == 0 :
        there && info.turn == (said[0].then == CKPT_OK ? 3 : 0);
}

static void storm_begin(void)
{
    int pairs = 0, wrong = 0, at[2];
    bool any = true;
    fresh_dir("begin");
    for (at[0] = 0; any && at[0] < CALLS_MAX; at[0]++) {
        bool more = true;
        any = false;
        for (at[1] = at[0] % storm.stride; more && at[1] < CALLS_MAX;
             at[1] += storm.stride) {
            for (int first = 0; first < 2; first++) {
                told t[2];
                const bool right = begins_right(at, first, &more, t);
                any = any || more;
                pairs += more;
                wrong += !right;
                if (!right && wrong <= 5) {
                    printf("     begin before call %d (%s), sweep before call "
                           "%d (%s), %s first: told %d, then %d\n", at[0],
                           t[0].name, at[1], t[1].name,
                           first ? "sweep" : "begin", t[0].first, t[0].then);
                }
            }
        }
    }
    printf("     %d pairs of stops, %d wrong\n", pairs, wrong);
    verdict(wrong == 0 && pairs > 0, "a run whose maker is taken for dead is "
            "begun whole, or its maker is told");
}

// -- Modes --

static void finish_complete(void)
{
    storm_finish(COMPLETE);
}

static void finish_keep(void)
{
    storm_finish(KEEP);
}

static const struct {
    const char *name;
    void      (*run)(void);
} modes[] = {
    { "recover", storm_recover }, { "fence", storm_fence },
    { "kill", storm_kill },       { "save", storm_save },
    { "finish", finish_complete }, { "finish", finish_keep },
    { "rise", rise_finished },    { "rise", rise_removed },
    { "begin", storm_begin }
};

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = optind; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return optind >= argc;
}

static bool read_options(int argc, char **argv)
{
    storm.random = (uint64_t)time(NULL);
    snprintf(storm.base, sizeof(storm.base), "%s",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    for (int c; (c = getopt(argc, argv, "s:d:n:p:k:m:e:")) != -1; ) {
        const int number = c == 'd' || c == '?' ? 1 : atoi(optarg);
        switch (c) {
        case 's': storm.random = strtoull(optarg, NULL, 10); break;
        case 'd': snprintf(storm.base, sizeof(storm.base), "%s", optarg); break;
        case 'n': storm.runs = number; break;
        case 'p': storm.processes = number; break;
        case 'k': storm.kills = number; break;
        case 'm': storm.moments = number; break;
        case 'e': storm.stride = number; break;
        default: return false;
        }
        if (number < 0 || (number == 0 && c != 'k' && c != 's')) {
            return false;
        }
    }
    return storm.runs <= RUNS_MAX && storm.processes <= PROCESSES_MAX;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: storm [-s seed] [-d directory] [-n runs] "
                "[-p processes] [-k kills]\n             [-m moments] "
                "[-e stride] [recover|fence|kill|save|finish|rise|begin ...]"
                "\n");
        return 2;
    }
    printf("seed %" PRIu64 "\n", storm.random);
    storm.random = storm.random * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (wanted(modes[i].name, argc, argv)) {
            const time_t begin = time(NULL);
            modes[i].run();
            printf("     %s took %ld s\n", modes[i].name,
                   (long)(time(NULL) - begin));
        }
    }
    remove_tree(storm.dir);
    printf("%u passed, %u failed\n", storm.passed, storm.failed);
    return storm.failed > 0 || storm.passed == 0;
}
