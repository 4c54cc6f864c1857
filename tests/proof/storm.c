// SPDX-License-Identifier: MIT-0
/*
    storm.c -- many processes, many kills, and a ledger that forgets nothing

        make build/storm
        build/storm [-s seed] [-d directory] [-n runs] [-p processes]
                    [-k kills] [-m moments] [-e stride] [-t seconds]
                    [mode ...]

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
    life      six processes begin runs, save, call tools, finish with every
              outcome, resume, recover, retry, prune, remove and sweep, and are
              killed and stopped at random, for some time (-t 60, -n 12)

    A scan of 10,000 runs is CKPT_TEST_RUNS=10000 tests/run_all one_scan.
    Without a mode it does all. What was acknowledged is written down after the
    acknowledgement, by one write() at the end of a file: what a kill can take
    is the last line, so the ledger never says too much. The last line printed
    is "N passed, N failed".
*/
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE                 // MAP_ANONYMOUS

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
#include <sys/mman.h>
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
    int      runs, processes, kills, moments, stride, seconds;
    int      ids;                       // -n, if it is given
    bool     age;                       // tells who is dead; else locks do
    unsigned passed, failed;
} storm = { .runs = 100, .processes = 8, .kills = 150, .moments = 200,
            .stride = 5, .seconds = 60 };

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
        .anew = true, .turn = turn, .messages = ckpt_text(message),
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

// A process that is killed while it writes leaves a part of its line where the
// line crosses a page of the file (generic_perform_write() in mm/filemap.c
// looks for a fatal signal between two pages). So each line has the same size,
// which divides a page.
static void write_down(int ledger, char what, const kit *k, int64_t n)
{
    enum { LINE = 256 };
    char line[LINE + 1], text[LINE];
    snprintf(text, sizeof(text), "%c %s %" PRIu64 " %" PRIu32 " %" PRId64
             " %ld", what, k->run.id, k->run.epoch, k->run.attempt, n,
             (long)getpid());
    snprintf(line, sizeof(line), "%-*s\n", LINE - 1, text);
    if (write(ledger, line, LINE) != LINE) {
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
    if (f == NULL || !feof(f)) {
        die("read the ledger");             // else what follows would not count
    }
    fclose(f);
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
    void      (*each)(void);            // before every call, if not NULL
    const char *names[CALLS_MAX];
} trap_state = { .at = NEVER };

static const ckpt_fs_calls *sys;

static void trap(const char *name)
{
    const int n = trap_state.count++;
    if (trap_state.each != NULL) {
        trap_state.each();
    }
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
TRAP(int, datasync, (void *u, int fd), (u, fd))
TRAP(int, exchange, (void *u, int d, const char *a, const char *b),
     (u, d, a, b))
TRAP(int, stat_plain, (void *u, int fd, ckpt_fs_stat *st), (u, fd, st))
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
    c.datasync = trap_datasync;
    c.exchange = trap_exchange;
    c.stat = trap_stat;
    c.stat_plain = trap_stat_plain;
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

// -- life: everything at once, killed and stopped, and judged by a ledger --

// A run has LIFE_STEPS steps. Step n is an effect of turn n, and then a save
// of turn n; the save of an even step ends a phase. An id begins each run with
// .once, or none.
enum {
    LIFE_PROCESSES = 6,
    LIFE_IDS       = 12,                // unless -n says more
    LIFE_IDS_MAX   = 64,                // and at most
    LIFE_STEPS     = 12,
    LIFE_LEASE     = 100,               // ms
    LIFE_ENTRIES   = 4 << 20
};

// What a line of the ledger says. A line is written after the call returned,
// but for the last three, which are there before: what they are about to do
// happens between their number and `end`.
enum {
    OPENED = 1,                         // it has step n, and went on from it
    SAVED,                              // step n was acknowledged
    ALLOWED,                            // the effect of step n was told new
    ENDED,                              // its end was acknowledged
    RAN,                                // it was called
    LEFT,                               // a finish was acknowledged: outcome
    SETTLES, RETRIES, REMOVES
};

// The number of a line is its place: a line that was there before a call began
// has a number below the count of lines at that time.
typedef struct life_line {
    uint32_t what, id;
    uint64_t birth;                     // hash of the nonce of the incarnation
    uint32_t epoch, owner, n, outcome;
    uint32_t begun;                     // the count of lines before the call
    uint32_t end;                       // 0: still at it, or died meanwhile
} life_line;

// What happened. Each must, or the storm was none.
#define LIFE_COUNTS(X)                                                         \
    X(begun) X(resumed) X(saves) X(phases) X(effects) X(ended_before)          \
    X(uncertain) X(settled) X(completed) X(receipts) X(failed) X(kept)         \
    X(interrupted) X(retry) X(abandoned) X(fenced) X(finished_before)          \
    X(refused_failed) X(refused_live) X(exhausted) X(recovered) X(fallbacks)   \
    X(retries) X(removes) X(prunes) X(sweeps) X(stalls) X(kills) X(stops)

// What must not happen, found where it happened.
#define LIFE_FAULTS(X)                                                         \
    X(unloaded) X(foreign) X(mixed) X(phase_again) X(wrong_result) X(odd)

#define LIFE_FIELD(name) uint32_t name;

// Shared by all processes: a kill takes nothing of it.
typedef struct life_shared {
    uint32_t  stop, owners, lines;
    struct { LIFE_COUNTS(LIFE_FIELD) } count;
    struct { LIFE_FAULTS(LIFE_FIELD) } fault;
    uint32_t  pending[LIFE_PROCESSES];  // the line of what it is about to do
    life_line line[LIFE_ENTRIES];
} life_shared;

static life_shared *life;
static int life_slot;                   // of this process
static uint32_t life_ids;

#define LIFE_ADD(counter) __atomic_fetch_add(&(counter), 1, __ATOMIC_SEQ_CST)
#define LIFE_GET(counter) __atomic_load_n(&(counter), __ATOMIC_SEQ_CST)
#define LIFE_SET(place, value) \
    __atomic_store_n(&(place), (value), __ATOMIC_SEQ_CST)

static uint32_t life_now(void)
{
    return LIFE_GET(life->lines);
}

// Writes a line; what it says last, so that a kill leaves none or all of it.
static uint32_t life_write(life_line line)
{
    const uint32_t at = LIFE_ADD(life->lines);
    if (at >= LIFE_ENTRIES) {
        LIFE_SET(life->stop, 1);
        return at;
    }
    if (line.what >= SETTLES) {
        LIFE_SET(life->pending[life_slot], at);
    }
    const uint32_t what = line.what;
    line.what = 0;
    life->line[at] = line;
    LIFE_SET(life->line[at].what, what);
    return at;
}

// The call of the line at `at` has returned, or its process is dead.
static void life_close(uint32_t at)
{
    if (at < LIFE_ENTRIES && LIFE_GET(life->line[at].end) == 0) {
        LIFE_SET(life->line[at].end, LIFE_ADD(life->lines));
    }
}

// One that owns a run.
typedef struct life_owner {
    kit     *k;
    uint32_t id, owner;
    uint64_t birth;
    uint32_t n;                         // steps that are saved
} life_owner;

static void life_note(const life_owner *o, uint32_t what, uint32_t n,
                      uint32_t outcome, uint32_t begun)
{
    life_write((life_line){ .what = what, .id = o->id, .birth = o->birth,
        .epoch = (uint32_t)o->k->run.epoch, .owner = o->owner, .n = n,
        .outcome = outcome, .begun = begun });
}

static uint64_t life_hash(const char *nonce)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *nonce != '\0'; nonce++) {
        hash = (hash ^ (uint8_t)*nonce) * UINT64_C(0x100000001b3);
    }
    return hash;
}

// Before some system calls a process sleeps, and now and then until it is taken
// for dead: what others do meanwhile falls between two calls.
static void life_stall(void)
{
    const uint64_t way = next_random(20000);
    if (way < 60) {
        wait_us(next_random(2000));
    } else if (way == 60) {
        LIFE_ADD(life->count.stalls);
        wait_us(LIFE_LEASE * 1000 + next_random(LIFE_LEASE * 2000));
    }
}

// Odd processes tell by age who is dead, even ones by locks where they can.
static kit *open_life_kit(void)
{
    static ckpt_fs_calls calls;
    calls = trap_calls();
    trap_state.each = life_stall;
    kit *k = open_kit_by(&calls, false, life_slot % 2 == 1);
    if (ckpt_init(&k->ctx, &(ckpt_desc){
            .store = &k->fs.base, .beat_ms = CKPT_OFF,
            .lease_ms = LIFE_LEASE, .resume_max = 1 }) != CKPT_OK) {
        die("open a context");
    }
    return k;
}

// True for CKPT_OK. A code that other processes cannot cause is a fault; of the
// codes they can, an owner is only told the first two.
static bool life_answer(const char *call, ckpt_code rc, bool owner,
                        const ckpt_error *error)
{
    static const ckpt_code causes[] = {
        CKPT_OK, CKPT_ERR_CLAIM_LOST, CKPT_FINISHED, CKPT_ERR_NOT_FOUND,
        CKPT_ERR_EXISTS, CKPT_ERR_LIVE, CKPT_ERR_BUSY, CKPT_ERR_EXHAUSTED,
        CKPT_ERR_FAILED
    };
    const size_t count = owner ? 2 : sizeof(causes) / sizeof(causes[0]);
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        known = known || rc == causes[i];
    }
    if (!known && LIFE_ADD(life->fault.odd) < 5) {
        printf("     %s: %d, %s (%s, %d)\n", call, rc, ckpt_code_message(rc),
               error->op != NULL ? error->op : "", error->sys);
        fflush(stdout);
    }
    if (rc == CKPT_ERR_CLAIM_LOST) {
        LIFE_ADD(life->count.fenced);
    }
    return rc == CKPT_OK;
}

static bool life_took(kit *k, const char *call, ckpt_code rc)
{
    return life_answer(call, rc, false, ckpt_last_error(&k->ctx));
}

static bool life_owns(life_owner *o, const char *call, ckpt_code rc)
{
    return life_answer(call, rc, true, &o->k->run.error);
}

// The save of step n, and what it is made of.
typedef struct life_save {
    char           message[64], state[128];
    ckpt_save_desc desc;
} life_save;

static const ckpt_save_desc *life_step(life_save *s, const life_owner *o,
                                       uint32_t n)
{
    snprintf(s->message, sizeof(s->message), "[{\"n\":%" PRIu32 "}]", n);
    snprintf(s->state, sizeof(s->state), "{\"n\":%" PRIu32 ",\"birth\":\"%s\"}",
             n, o->k->run.birth);
    s->desc = (ckpt_save_desc){
        .turn = n, .messages = ckpt_text(s->message), .append_at = n - 1,
        .state = ckpt_text(s->state), .force = true, .anew = true };
    return &s->desc;
}

// Calls the tool of step n, and says so. False if the run is lost.
static bool life_end_effect(life_owner *o, const char *name, uint32_t n,
                            bool call)
{
    char result[128];
    snprintf(result, sizeof(result), "{\"n\":%" PRIu32 ",\"birth\":\"%s\"}",
             n, o->k->run.birth);
    if (call) {
        LIFE_ADD(life->count.effects);
        life_note(o, RAN, n, 0, 0);
    }
    const uint32_t begun = life_now();
    const bool ok = life_owns(o, "ckpt_effect_end", ckpt_effect_end(
        &o->k->run, name, ckpt_text(result)));
    if (ok) {
        life_note(o, ENDED, n, 0, begun);
    }
    return ok;
}

// The effect may have run: says that it did, calls it again, or strikes it off
// and begins anew. False if the run is lost; *again: begin it once more.
static bool life_settle(life_owner *o, const char *name, uint32_t n,
                        bool *again)
{
    const uint64_t way = next_random(4);
    LIFE_ADD(life->count.uncertain);
    if (way < 2) {
        return life_end_effect(o, name, n, way == 0);
    }
    const uint32_t at = life_write((life_line){
        .what = SETTLES, .id = o->id, .birth = o->birth, .n = n });
    const ckpt_code rc = ckpt_effect_end(&o->k->run, name,
                                         (ckpt_bytes){ .len = 0 });
    life_close(at);
    *again = life_owns(o, "ckpt_effect_end", rc);
    if (*again) {
        LIFE_ADD(life->count.settled);
    }
    return *again;
}

// An effect that has ended has the result that it ended with.
static bool life_check_result(life_owner *o, const ckpt_effect *effect,
                              uint32_t n)
{
    char result[128] = "", want[128];
    size_t size = 0;
    const ckpt_code rc = ckpt_effect_result(&o->k->run, effect, result,
                                            sizeof(result) - 1, &size);
    LIFE_ADD(life->count.ended_before);
    if (rc != CKPT_OK && ckpt_beat(&o->k->run) == CKPT_ERR_CLAIM_LOST) {
        return false;                   // another one has removed it meanwhile
    }
    snprintf(want, sizeof(want), "{\"n\":%" PRIu32 ",\"birth\":\"%s\"}", n,
             o->k->run.birth);
    if (strcmp(result, want) != 0) {
        LIFE_ADD(life->fault.wrong_result);
    }
    return true;
}

// The effect of step n, once or not at all. False if the run is lost, or is
// to be left as by a crash before the tool ran or after.
static bool life_effect(life_owner *o, uint32_t n)
{
    char name[32], state[128];
    bool again = true;
    snprintf(name, sizeof(name), "call-%" PRIu32, n);
    snprintf(state, sizeof(state), "{\"n\":%" PRIu32 ",\"birth\":\"%s\"}",
             n - 1, o->k->run.birth);
    while (again) {
        ckpt_effect effect = { .turn = 0 };
        const uint32_t begun = life_now();
        again = false;
        if (!life_owns(o, "ckpt_effect_begin", ckpt_effect_begin(
                &o->k->run, name, &(ckpt_save_desc){
                    .anew = true, .turn = n, .state = ckpt_text(state) },
                &effect))) {
            return false;
        }
        switch (effect.state) {
        case CKPT_EFFECT_NEW:
            life_note(o, ALLOWED, n, 0, begun);
            return next_random(16) != 0 &&
                   life_end_effect(o, name, n, true) && next_random(16) != 0;
        case CKPT_EFFECT_ENDED:
            return life_check_result(o, &effect, n);
        case CKPT_EFFECT_UNCERTAIN:
            if (!life_settle(o, name, n, &again)) {
                return false;
            }
        }
    }
    return true;
}

// Does the next step. False if the run is lost or to be left.
static bool life_do_step(life_owner *o)
{
    const uint32_t n = o->n + 1;
    char phase[32];
    life_save s;
    snprintf(phase, sizeof(phase), "phase-%" PRIu32, n);
    const bool even = n % 2 == 0;
    if (even && !ckpt_phase(&o->k->run, phase)) {
        LIFE_ADD(life->fault.phase_again);
    }
    if (next_random(4) != 0 && !life_effect(o, n)) {
        return false;
    }
    const uint32_t begun = life_now();
    const ckpt_save_desc *desc = life_step(&s, o, n);
    if (!life_owns(o, "a save", even
            ? ckpt_phase_end(&o->k->run, phase, ckpt_text("{}"), desc)
            : ckpt_save(&o->k->run, desc))) {
        return false;
    }
    life_note(o, SAVED, n, 0, begun);
    LIFE_ADD(life->count.saves);
    if (even) {
        LIFE_ADD(life->count.phases);
    }
    o->n = n;
    return true;
}

// Loads a run that was just opened, and compares what it holds. False if it is
// lost or wrong.
static bool life_load(life_owner *o)
{
    kit *k = o->k;
    int64_t n = 0;
    char birth[CKPT_NONCE_MAX + 1] = "";
    const ckpt_code rc = ckpt_load(&k->run, &k->last, k->buf, sizeof(k->buf));
    if (rc != CKPT_OK || k->run.older) {
        if (rc != CKPT_ERR_CLAIM_LOST && LIFE_ADD(life->fault.unloaded) < 5) {
            printf("     run %s: load says %d, older %d\n", k->run.id, rc,
                   k->run.older);
            fflush(stdout);
        }
        return false;
    }
    const ckpt_bytes said = ckpt_json_get(k->last.state, "birth");
    if (said.len > 0 && (ckpt_json_text(said, birth, sizeof(birth), NULL) !=
                         CKPT_OK || strcmp(birth, k->run.birth) != 0)) {
        LIFE_ADD(life->fault.foreign);
    }
    if (ckpt_json_number(ckpt_json_get(k->last.state, "n"), &n) != CKPT_OK) {
        n = 0;                          // nothing was saved yet
    }
    o->n = (uint32_t)n;
    if (k->run.messages != o->n ||
        (k->last.turn != o->n && k->last.turn != o->n + 1)) {
        LIFE_ADD(life->fault.mixed);
    }
    for (uint32_t i = 2; i <= o->n; i += 2) {
        char phase[32];
        snprintf(phase, sizeof(phase), "phase-%" PRIu32, i);
        if (ckpt_phase(&k->run, phase)) {
            LIFE_ADD(life->fault.phase_again);
        }
    }
    return true;
}

// Notes that a run was opened, and what it was found at.
static bool life_take(life_owner *o, kit *k, uint32_t begun)
{
    *o = (life_owner){ .k = k, .id = (uint32_t)atoi(k->run.id),
                       .owner = 1 + LIFE_ADD(life->owners),
                       .birth = life_hash(k->run.birth) };
    const bool loaded = life_load(o);
    // The handing out counts, too, where nothing could be loaded any more.
    life_note(o, OPENED, loaded ? o->n : UINT32_MAX, k->run.resumed, begun);
    if (k->run.resumed) {
        LIFE_ADD(life->count.resumed);
    } else {
        LIFE_ADD(life->count.begun);
    }
    return loaded;
}

// Does some steps, or none. False if the run is lost or to be left.
static bool life_work(life_owner *o)
{
    const uint64_t steps = next_random(4) == 0 ? 0 : next_random(8);
    for (uint64_t i = steps; i > 0 && o->n < LIFE_STEPS; i--) {
        if (!life_do_step(o)) {
            return false;
        }
        if (next_random(4) == 0 &&
            !life_owns(o, "ckpt_beat", ckpt_beat(&o->k->run))) {
            return false;
        }
    }
    return true;
}

// How to leave it: CKPT_RUNNING is a crash, *keep only goes with a failure.
static ckpt_outcome life_choose(const life_owner *o, bool *keep)
{
    const uint64_t way = o->n >= LIFE_STEPS ? 12 : next_random(16);
    *keep = way < 5;
    return way < 5 ? CKPT_FAILED : way < 7 ? CKPT_FAILED :
           way < 9 ? CKPT_INTERRUPTED : way < 11 ? CKPT_RETRY :
           way < 14 ? CKPT_COMPLETED : CKPT_RUNNING;
}

static void life_count_left(const life_owner *o, ckpt_outcome outcome,
                            bool keep)
{
    switch (outcome) {
    case CKPT_COMPLETED:
        if (o->id % 2 == 0) {
            LIFE_ADD(life->count.receipts);
        } else {
            LIFE_ADD(life->count.completed);
        }
        break;
    case CKPT_FAILED:
        if (keep) {
            LIFE_ADD(life->count.kept);
        } else {
            LIFE_ADD(life->count.failed);
        }
        break;
    case CKPT_INTERRUPTED: LIFE_ADD(life->count.interrupted); break;
    case CKPT_RETRY:       LIFE_ADD(life->count.retry); break;
    default:               break;
    }
}

// Owns a run that was opened after `begun`, until it leaves it.
static void life_own(kit *k, uint32_t begun)
{
    life_owner o;
    life_save s;
    bool keep;
    if (!life_take(&o, k, begun) || !life_work(&o)) {
        ckpt_abandon(&k->run);
        return;
    }
    const ckpt_outcome outcome = life_choose(&o, &keep);
    const bool more = o.n < LIFE_STEPS && next_random(2) == 0 && o.n % 2 == 0;
    if (outcome == CKPT_RUNNING) {
        LIFE_ADD(life->count.abandoned);
        ckpt_abandon(&k->run);
        return;
    }
    begun = life_now();
    if (life_owns(&o, "ckpt_finish", ckpt_finish(&k->run, outcome,
            &(ckpt_finish_desc){ .keep = keep,
                .save = more ? life_step(&s, &o, o.n + 1) : NULL }))) {
        if (more) {
            life_note(&o, SAVED, o.n + 1, 0, begun);
        }
        life_note(&o, LEFT, o.n, outcome == CKPT_COMPLETED && o.id % 2 == 0 ?
                  CKPT_DONE : keep ? CKPT_DEAD : outcome, begun);
        life_count_left(&o, outcome, keep);
    }
    ckpt_abandon(&k->run);
}

static void life_open(kit *k)
{
    char id[16];
    const uint32_t number = (uint32_t)next_random(life_ids);
    snprintf(id, sizeof(id), "%" PRIu32, number);
    const ckpt_run_desc desc = { .id = id, .once = number % 2 == 0,
                                 .force = next_random(6) == 0 };
    const uint64_t way = next_random(4);
    const uint32_t begun = life_now();
    const ckpt_code rc = way == 0 ? ckpt_start(&k->ctx, &k->run, &desc) :
                         way == 1 ? ckpt_resume(&k->ctx, &k->run, &desc) :
                                    ckpt_open(&k->ctx, &k->run, &desc);
    if (life_took(k, "opening", rc)) {
        life_own(k, begun);
        return;
    }
    switch (rc) {
    case CKPT_FINISHED:      LIFE_ADD(life->count.finished_before); break;
    case CKPT_ERR_FAILED:    LIFE_ADD(life->count.refused_failed); break;
    case CKPT_ERR_LIVE:      LIFE_ADD(life->count.refused_live); break;
    case CKPT_ERR_EXHAUSTED: LIFE_ADD(life->count.exhausted); break;
    default: break;
    }
    ckpt_abandon(&k->run);
}

static void life_resume(kit *k)
{
    ckpt_cursor cursor = { .stage = 0 };
    uint32_t begun = life_now();
    ckpt_code rc;
    while ((rc = ckpt_resume_next(&k->ctx, &k->run, &cursor)) == CKPT_OK) {
        life_own(k, begun);
        if (LIFE_GET(life->stop)) {
            ckpt_cursor_close(&k->ctx, &cursor);
            return;
        }
        begun = life_now();
    }
    (void)life_took(k, "ckpt_resume_next", rc == CKPT_END ? CKPT_OK : rc);
}

// What ckpt_recover calls; user is where the kit and the count of lines before
// the run was opened are.
typedef struct life_recovery {
    kit     *k;
    uint32_t begun;
} life_recovery;

static ckpt_outcome life_carry_on(ckpt_run *run, void *user,
                                  ckpt_finish_desc *finish)
{
    life_recovery *r = user;
    life_owner o;
    (void)run;
    LIFE_ADD(life->count.recovered);
    ckpt_outcome outcome = CKPT_INTERRUPTED;
    if (life_take(&o, r->k, r->begun) && life_work(&o)) {
        outcome = life_choose(&o, &finish->keep);
    }
    r->begun = life_now();
    return outcome;
}

static ckpt_outcome life_fall_back(ckpt_run *run, void *user,
                                   ckpt_finish_desc *finish)
{
    life_recovery *r = user;
    (void)finish;
    LIFE_ADD(life->count.fallbacks);
    if (run->seq == 0) {                // nothing of it is whole
        LIFE_ADD(life->fault.unloaded);
    }
    r->begun = life_now();
    return next_random(2) == 0 ? CKPT_FAILED : CKPT_RETRY;
}

static void life_recover(kit *k)
{
    life_recovery r = { .k = k, .begun = life_now() };
    (void)life_took(k, "ckpt_recover", ckpt_recover(&k->ctx, &k->run,
        &(ckpt_recover_desc){ .resume = life_carry_on,
            .fallback = life_fall_back, .user = &r }, NULL));
}

// Retries or removes a run.
static void life_change(kit *k, uint32_t what)
{
    char id[16];
    const uint32_t number = (uint32_t)next_random(life_ids);
    snprintf(id, sizeof(id), "%" PRIu32, number);
    const uint32_t at = life_write((life_line){ .what = what, .id = number });
    const ckpt_code rc = what == REMOVES ? ckpt_remove(&k->ctx, &k->run, id)
                                         : ckpt_retry(&k->ctx, &k->run, id);
    if (at < LIFE_ENTRIES) {
        life->line[at].outcome = (uint32_t)rc;
    }
    life_close(at);
    if (life_took(k, what == REMOVES ? "ckpt_remove" : "ckpt_retry", rc)) {
        if (what == REMOVES) {
            LIFE_ADD(life->count.removes);
        } else {
            LIFE_ADD(life->count.retries);
        }
    }
}

// Told of each run that is about to be pruned.
static bool life_prune_one(void *user, const ckpt_run_info *info)
{
    uint32_t *at = user;
    life_close(*at);
    *at = life_write((life_line){ .what = REMOVES,
                                  .id = (uint32_t)atoi(info->id) });
    return true;
}

static void life_prune(kit *k)
{
    uint32_t at = LIFE_ENTRIES, count = 0;
    const ckpt_code rc = ckpt_prune(&k->ctx, &k->run, &(ckpt_prune_desc){
        .age_ms = 1 + (int64_t)next_random(400), .fn = life_prune_one,
        .states = next_random(8) == 0 ? CKPT_STATE_INTERRUPTED : 0,
        .user = &at }, &count);
    life_close(at);
    if (life_took(k, "ckpt_prune", rc) && count > 0) {
        LIFE_ADD(life->count.prunes);
    }
}

static void life_sweep(kit *k)
{
    if (life_took(k, "ckpt_sweep", ckpt_sweep(&k->ctx, &k->run, NULL))) {
        LIFE_ADD(life->count.sweeps);
    }
}

// A process: one thing after the other, until it is told to stop.
static void life_process(int slot)
{
    life_slot = slot;
    storm.random = storm.random * UINT64_C(0x9e3779b97f4a7c15) | 1;
    kit *k = open_life_kit();
    while (!LIFE_GET(life->stop)) {
        const uint64_t way = next_random(100);
        if (way < 66) {
            life_open(k);
        } else if (way < 74) {
            life_resume(k);
        } else if (way < 80) {
            life_recover(k);
        } else if (way < 91) {
            life_change(k, RETRIES);
        } else if (way < 94) {
            life_change(k, REMOVES);
        } else if (way < 97) {
            life_prune(k);
        } else {
            life_sweep(k);
        }
    }
    close_kit(k);
    _exit(0);
}

static pid_t life_start(int slot)
{
    fflush(stdout);
    (void)next_random(2);               // else all do the same
    const pid_t pid = fork();
    if (pid == 0) {
        life_process(slot);
    }
    if (pid < 0) {
        die("fork");
    }
    return pid;
}

static int64_t life_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Whether everything happened that a life is made of.
static bool life_has_all(void)
{
    bool all = true;
#define LIFE_IS_THERE(name) all = all && LIFE_GET(life->count.name) > 0;
    LIFE_COUNTS(LIFE_IS_THERE)
#undef LIFE_IS_THERE
    return all;
}

// Whether to go on: for some time, and on a slow machine a few times as long
// until everything happened.
static bool life_goes_on(int64_t since)
{
    const int64_t ms = life_ms() - since, most = (int64_t)storm.seconds * 1000;
    return !LIFE_GET(life->stop) &&
           (ms < most || (ms < 6 * most && !life_has_all()));
}

// Kills processes and starts others for them; stops some until they are taken
// for dead, and lets them go on.
static void life_torment(void)
{
    const int64_t since = life_ms();
    pid_t pids[LIFE_PROCESSES];
    int64_t asleep[LIFE_PROCESSES] = { 0 };     // until when; 0: it runs
    for (int i = 0; i < LIFE_PROCESSES; i++) {
        pids[i] = life_start(i);
    }
    while (life_goes_on(since)) {
        wait_us(next_random(40000));
        const int at = (int)next_random(LIFE_PROCESSES);
        if (next_random(3) == 0 && asleep[at] == 0) {
            kill(pids[at], SIGSTOP);
            asleep[at] = life_ms() + LIFE_LEASE + (int64_t)next_random(400);
            LIFE_ADD(life->count.stops);
        } else if (next_random(2) == 0) {
            kill(pids[at], SIGKILL);
            waitpid(pids[at], NULL, 0);
            life_close(life->pending[at]);
            pids[at] = life_start(at);
            asleep[at] = 0;
            LIFE_ADD(life->count.kills);
        }
        for (int i = 0; i < LIFE_PROCESSES; i++) {
            if (asleep[i] != 0 && asleep[i] < life_ms()) {
                kill(pids[i], SIGCONT);
                asleep[i] = 0;
            }
        }
    }
    LIFE_SET(life->stop, 1);
    for (int i = 0; i < LIFE_PROCESSES; i++) {
        int status = 0;
        kill(pids[i], SIGCONT);
        waitpid(pids[i], &status, 0);
        if (status != 0) {
            LIFE_ADD(life->fault.odd);
            printf("     a process ended with status %d\n", status);
        }
    }
}

// -- life: the judgement --

// What the ledger must not show, counted.
typedef struct life_verdicts {
    int risen, once, kept, lost, again, begun_again, owners, late;
} life_verdicts;

static int life_by_birth(const void *a, const void *b)
{
    const life_line *const *x = a, *const *y = b;
    if ((*x)->birth != (*y)->birth) {
        return (*x)->birth < (*y)->birth ? -1 : 1;
    }
    return *x < *y ? -1 : *x > *y;
}

static uint32_t life_at(const life_line *line)
{
    return (uint32_t)(line - life->line);
}

static void life_print_line(const life_line *l)
{
    printf("       line %" PRIu32 ": kind %" PRIu32 ", birth %" PRIx64
           ", epoch %" PRIu32 ", owner %" PRIu32 ", step %" PRIu32
           ", outcome %" PRId32 ", begun at %" PRIu32 ", ended at %" PRIu32
           "\n", life_at(l), l->what, l->birth, l->epoch, l->owner, l->n,
           (int32_t)l->outcome, l->begun, l->end);
}

// Counts a fault, and prints what happened to the run around its two lines.
static void life_fault(int *count, const char *what, const life_line *a,
                       const life_line *b)
{
    if (++*count > 3) {
        return;
    }
    const life_line *from = a < b ? a : b, *to = a < b ? b : a;
    printf("     run %" PRIu32 ": %s (line %" PRIu32 ", then %" PRIu32 ")\n",
           a->id, what, life_at(a), life_at(b));
    from = life_at(from) > 100 ? from - 100 : life->line;
    for (to = to + 10; from < to && life_at(from) < LIFE_ENTRIES; from++) {
        if (from->what != 0 && from->id == a->id) {
            life_print_line(from);
        }
    }
}

// Whether what a says must be known to whoever b is: it was acknowledged to an
// earlier epoch, or before the call of b began.
static bool life_before(const life_line *a, const life_line *b)
{
    return a->epoch < b->epoch || life_at(a) < b->begun;
}

static bool life_is_acked(const life_line *l)
{
    return l->what == SAVED || l->what == ALLOWED || l->what == ENDED ||
           l->what == LEFT;
}

// An effect that was begun is new again only if somebody struck it off.
static bool life_was_settled(life_line *const *lines, size_t count,
                             const life_line *a, const life_line *b)
{
    for (size_t i = 0; i < count; i++) {
        const life_line *l = lines[i];
        if (l->what == SETTLES && l->n == a->n && life_at(l) < life_at(b) &&
            (l->end == 0 || l->end >= a->begun)) {
            return true;
        }
    }
    return false;
}

// Judges two lines of one incarnation.
static void life_judge_pair(life_line *const *lines, size_t count,
                            const life_line *a, const life_line *b,
                            life_verdicts *v)
{
    const bool effect = b->what == ALLOWED && a->n == b->n;
    if (a->what == LEFT && (b->what == OPENED || life_is_acked(b)) &&
        a->owner != b->owner && life_before(a, b) &&
        (a->outcome == CKPT_COMPLETED || a->outcome == CKPT_DONE ||
         a->outcome == CKPT_FAILED)) {
        life_fault(&v->risen, "it ended, and came back", a, b);
    }
    if (a->what == SAVED && b->what == OPENED && life_before(a, b) &&
        b->n < a->n) {
        life_fault(&v->lost, "a save was acknowledged, and is lost", a, b);
    }
    if (a->what == ENDED && effect && life_before(a, b)) {
        life_fault(&v->again, "an effect had ended, and is new again", a, b);
    }
    if (a->what == ALLOWED && effect && life_before(a, b) &&
        !life_was_settled(lines, count, a, b)) {
        life_fault(&v->begun_again, "an effect was begun, and is new again", a,
                   b);
    }
    if (life_is_acked(a) && life_is_acked(b) && a->epoch == b->epoch &&
        a->owner < b->owner) {
        life_fault(&v->owners, "two owners of one epoch", a, b);
    }
    if (a->what == OPENED && life_is_acked(b) && b->epoch < a->epoch &&
        life_at(a) < b->begun) {
        life_fault(&v->late, "a later claim was handed out, and then an "
                   "earlier one had a save acknowledged", a, b);
    }
}

static void life_judge_births(life_line **lines, size_t count,
                              life_verdicts *v)
{
    qsort(lines, count, sizeof(lines[0]), life_by_birth);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && lines[to]->birth == lines[from]->birth;
             to++) {
        }
        for (size_t i = from; lines[from]->birth != 0 && i < to; i++) {
            for (size_t j = from; j < to; j++) {
                if (i != j) {
                    life_judge_pair(lines + from, to - from, lines[i],
                                    lines[j], v);
                }
            }
        }
    }
}

// Whether somebody may have removed (or retried) what a left, before b opened.
// Whatever the call answered: one whose outcome stands, and that is overtaken
// before it looks, answers what it finds then.
static bool life_is_excused(life_line *const *lines, size_t count,
                            const life_line *a, const life_line *b)
{
    for (size_t i = 0; i < count && lines[i] < b; i++) {
        const life_line *l = lines[i];
        if ((l->what == REMOVES ||
             (l->what == RETRIES && a->outcome == CKPT_DEAD)) &&
            (l->end == 0 || l->end >= a->begun)) {
            return true;
        }
    }
    return false;
}

// Judges all lines of an id, in their order: what was kept stands.
static void life_judge_id(life_line *const *lines, size_t count,
                          life_verdicts *v)
{
    for (size_t i = 0; i < count; i++) {
        const life_line *a = lines[i], *b = NULL;
        if (a->what != LEFT ||
            (a->outcome != CKPT_DONE && a->outcome != CKPT_DEAD)) {
            continue;
        }
        for (size_t j = i + 1; j < count && b == NULL; j++) {
            if (lines[j]->what == OPENED && lines[j]->begun > life_at(a)) {
                b = lines[j];
            }
        }
        if (b != NULL && !life_is_excused(lines, count, a, b)) {
            life_fault(a->outcome == CKPT_DONE ? &v->once : &v->kept,
                       "it was kept, and yet somebody opened it", a, b);
        }
    }
}

static void life_judge(life_verdicts *v)
{
    const uint32_t all = life_now() < LIFE_ENTRIES ? life_now() : LIFE_ENTRIES;
    life_line **lines = malloc((all + 1) * sizeof(life_line *));
    if (lines == NULL) {
        die("judge");
    }
    for (uint32_t id = 0; id < life_ids; id++) {
        size_t count = 0;
        for (uint32_t i = 0; i < all; i++) {
            life_line *l = &life->line[i];
            if (l->what != 0 && l->what != RAN && l->id == id) {
                lines[count++] = l;
            }
        }
        life_judge_id(lines, count, v);
        life_judge_births(lines, count, v);
    }
    free(lines);
}

static bool life_see_one(void *user, const ckpt_run_info *info)
{
    int *wrong = user;
    const uint32_t good = CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED |
                          CKPT_STATE_FAILED | CKPT_STATE_DONE |
                          CKPT_STATE_FINISHED | CKPT_STATE_BUSY;
    if ((info->state & good) == 0 || info->older || info->lost) {
        (*wrong)++;
        printf("     run %s is in state %d, older %d, lost %d\n", info->id,
               (int)info->state, info->older, info->lost);
    }
    return true;
}

// When all is quiet: opens every run once more, for the ledger, and looks at
// what is left.
static int life_look_back(void)
{
    int wrong = 0;
    wait_us(2 * LIFE_LEASE * 1000);
    kit *k = open_life_kit();
    if (ckpt_sweep(&k->ctx, &k->run, NULL) != CKPT_OK ||
        ckpt_scan(&k->ctx, 0, life_see_one, &wrong) != CKPT_OK) {
        wrong++;
    }
    for (uint32_t i = 0; i < life_ids; i++) {
        char id[16];
        life_owner o;
        snprintf(id, sizeof(id), "%" PRIu32, i);
        const ckpt_code whole = ckpt_verify(&k->ctx, id, NULL);
        if (whole != CKPT_OK && whole != CKPT_ERR_NOT_FOUND) {
            printf("     verifying run %s: %d\n", id, whole);
            wrong++;
        }
        const uint32_t begun = life_now();
        const ckpt_code rc = ckpt_open(&k->ctx, &k->run, &(ckpt_run_desc){
            .id = id, .once = i % 2 == 0 });
        if (rc == CKPT_OK && !life_take(&o, k, begun)) {
            wrong++;
        }
        ckpt_abandon(&k->run);
    }
    close_kit(k);
    trap_state.each = NULL;
    return wrong;
}

static void life_print_counts(void)
{
    int column = 0;
#define LIFE_PRINT(name)                                                       \
    if (column + (int)sizeof(#name) + 10 > 74) {                               \
        column = 0;                                                            \
    }                                                                          \
    column += printf("%s%s %" PRIu32, column == 0 ? "\n     " : ", ", #name,   \
                     life->count.name);
    printf("     %" PRIu32 " lines of %d processes and %" PRIu32 " ids",
           life_now(), LIFE_PROCESSES, life_ids);
    LIFE_COUNTS(LIFE_PRINT)
    printf("\n");
#undef LIFE_PRINT
    if (life_now() >= LIFE_ENTRIES) {
        printf("     the ledger is full: it ended early\n");
    }
}

static void life_tell(const life_verdicts *v, int wrong)
{
    life_print_counts();
    verdict(life_has_all(), "everything happened that a life is made of");
    verdict(v->risen == 0 && v->once == 0, "no completed run comes back: what "
            "is done is not begun again before it was removed");
    verdict(v->kept == 0, "a failed run that is kept stays until it is retried "
                          "or removed");
    verdict(v->lost == 0, "no acknowledged save is lost: whoever resumes a run "
                          "finds it");
    verdict(v->again == 0 && v->begun_again == 0, "no effect whose end was "
            "acknowledged, or that was begun and not settled, is new again");
    verdict(v->owners == 0, "no two owners have a save acknowledged in one "
                            "epoch");
    verdict(v->late == 0, "who was taken for dead has no save acknowledged "
                          "after its run was handed out");
    const uint32_t mixed = life->fault.unloaded + life->fault.foreign +
                           life->fault.mixed + life->fault.phase_again +
                           life->fault.wrong_result;
    printf("     unloaded %" PRIu32 ", foreign %" PRIu32 ", mixed %" PRIu32
           ", phases again %" PRIu32 ", wrong results %" PRIu32 "\n",
           life->fault.unloaded, life->fault.foreign, life->fault.mixed,
           life->fault.phase_again, life->fault.wrong_result);
    verdict(mixed == 0, "every run loads as one whole save of its own");
    verdict(life->fault.odd == 0 && wrong == 0, "kills and stops damage "
            "nothing, and no call fails but for another process");
}

static void storm_life(void)
{
    life_verdicts v = { .lost = 0 };
    life = mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (life == MAP_FAILED) {
        die("mmap the ledger");
    }
    life->lines = 1;                    // so that no line has number 0
    life_ids = storm.ids == 0 ? LIFE_IDS : storm.ids < LIFE_IDS_MAX ?
               (uint32_t)storm.ids : LIFE_IDS_MAX;
    fresh_dir("life");
    life_torment();
    const int wrong = life_look_back();
    life_judge(&v);
    life_tell(&v, wrong);
    munmap(life, sizeof(*life));
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
    { "begin", storm_begin },     { "life", storm_life }
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
    for (int c; (c = getopt(argc, argv, "s:d:n:p:k:m:e:t:")) != -1; ) {
        const int number = c == 'd' || c == '?' ? 1 : atoi(optarg);
        switch (c) {
        case 's': storm.random = strtoull(optarg, NULL, 10); break;
        case 'd': snprintf(storm.base, sizeof(storm.base), "%s", optarg); break;
        case 'n': storm.runs = storm.ids = number; break;
        case 'p': storm.processes = number; break;
        case 'k': storm.kills = number; break;
        case 'm': storm.moments = number; break;
        case 'e': storm.stride = number; break;
        case 't': storm.seconds = number; break;
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
                "[-e stride] [-t seconds]\n             "
                "[recover|fence|kill|save|finish|rise|begin|life ...]\n");
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
