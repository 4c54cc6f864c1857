// SPDX-License-Identifier: MIT-0
/*
    resumes.c -- what a run costs that is resumed for ever

        resumes directory [resumes [runs]]      (4000, 10000)

    A run is begun and resumed again and again, each time by a process that
    saves once and dies. Only the first turn is new, so that nothing starts the
    attempts anew after that. The figures tell whether it gets slower or larger:
    the files in its directory, the system calls of a resume, and the time of
    one, as it passed, and as the processor spent it, which others at work on
    the machine disturb less. The time of the 10th is that of other runs, each
    resumed ten times between two of the last resumes of the old one, so that
    both were measured on the same machine in the same state.

    Then a scan over runs that are kept, one half failed, the other half done,
    with how many it told.

    Everything is made in a new directory in the one given, and is removed. It
    prints and judges nothing; it fails if a call of the library does.
*/
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 11, SCANS = 5, YOUNG = 10 };

static struct {
    char          base[512], root[600];
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    unsigned      calls;
} b;

// One resume: what it took, and what it came to.
typedef struct sample {
    int64_t  ns, cpu_ns;
    unsigned calls, files;
    uint32_t attempt;
    uint64_t epoch;
} sample;

static void clean(void);

static void die(const char *what, ckpt_code rc)
{
    fprintf(stderr, "resumes: %s: %s (%s)\n", what, ckpt_code_message(rc),
            ckpt_last_error(&b.ctx)->op);
    clean();
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *x, const void *y)
{
    const int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;
    return (p > q) - (p < q);
}

static int64_t median(const int64_t *of, size_t n)
{
    int64_t sorted[SAMPLES];
    memcpy(sorted, of, n * sizeof(*of));
    qsort(sorted, n, sizeof(*sorted), compare);
    return sorted[n / 2];
}

// -- Counting system calls --

static const ckpt_fs_calls *sys;

#define COUNT(result, name, params, args)                                      \
    static result count_##name params                                          \
    {                                                                          \
        b.calls++;                                                             \
        return sys->name args;                                                 \
    }

COUNT(int, open, (void *u, int d, const char *n, int f), (u, d, n, f))
COUNT(int, close, (void *u, int fd), (u, fd))
COUNT(int64_t, read, (void *u, int fd, void *p, size_t n, uint64_t o),
      (u, fd, p, n, o))
COUNT(int64_t, write, (void *u, int fd, const void *p, size_t n, uint64_t o),
      (u, fd, p, n, o))
COUNT(int, sync, (void *u, int fd), (u, fd))
COUNT(int, stat, (void *u, int fd, ckpt_fs_stat *st), (u, fd, st))
COUNT(int, stat_at, (void *u, int d, const char *n, ckpt_fs_stat *st),
      (u, d, n, st))
COUNT(int, unlink, (void *u, int d, const char *n), (u, d, n))
COUNT(int, rename, (void *u, int d, const char *f, int e, const char *t),
      (u, d, f, e, t))
COUNT(int, link, (void *u, int d, const char *f, int e, const char *t),
      (u, d, f, e, t))
COUNT(int, lock, (void *u, int fd, bool x), (u, fd, x))
COUNT(int, touch, (void *u, int fd), (u, fd))
COUNT(int, dir_open, (void *u, int d, void **w), (u, d, w))

// Reading a directory is a system call for many names, so only its opening
// counts; clocks, random bytes and what is known of the process do not.
static const ckpt_fs_calls *counting_calls(void)
{
    static ckpt_fs_calls c;
    sys = ckpt_store_fs_calls();
    c = *sys;
    c.open = count_open;
    c.close = count_close;
    c.read = count_read;
    c.write = count_write;
    c.sync = count_sync;
    c.stat = count_stat;
    c.stat_at = count_stat_at;
    c.unlink = count_unlink;
    c.rename = count_rename;
    c.link = count_link;
    c.lock = count_lock;
    c.touch = count_touch;
    c.dir_open = count_dir_open;
    return &c;
}

// -- The store --

static void open_store(void)
{
    ckpt_code rc = ckpt_store_fs_open(&b.fs, &(ckpt_store_fs_desc){
        .dir = b.root, .calls = counting_calls() }, NULL);
    if (rc == CKPT_OK) {
        rc = ckpt_init(&b.ctx, &(ckpt_desc){
            .store = &b.fs.base, .throttle_ms = CKPT_OFF,
            .resume_max = CKPT_UNLIMITED });
    }
    if (rc != CKPT_OK) {
        die("open the store", rc);
    }
}

static int run_dir(const char *id)
{
    char name[256], path[900];
    ckpt_store_fs_name(id, name);
    snprintf(path, sizeof(path), "%s/%s", b.root, name);
    return open(path, O_RDONLY | O_DIRECTORY);
}

// Counts what is in a directory, or removes it.
static unsigned files_in(int fd, bool removes)
{
    unsigned n = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            n++;
            if (removes && unlinkat(fd, e->d_name, 0) != 0) {
                (void)files_in(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY),
                               true);
                (void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
            }
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

static void clean(void)
{
    if (b.base[0] != '\0') {
        (void)files_in(open(b.base, O_RDONLY | O_DIRECTORY), true);
        (void)rmdir(b.base);
    }
}

// -- Resumes --

static ckpt_code save_once(void)
{
    return ckpt_save(&b.run, &(ckpt_save_desc){
        .turn = 1, .messages = ckpt_text("[{\"role\":\"user\"}]"),
        .state = ckpt_text("{\"at\":1}") });
}

// The life of a claimant, up to its death.
static void claimant(const char *id, int out)
{
    sample s = { .ns = -1 };
    open_store();
    b.calls = 0;
    const int64_t from = now_ns(CLOCK_MONOTONIC);
    const int64_t cpu_from = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    const ckpt_code rc = ckpt_resume(&b.ctx, &b.run,
                                     &(ckpt_run_desc){ .id = id });
    s.cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_from;
    s.ns = rc == CKPT_OK ? now_ns(CLOCK_MONOTONIC) - from : -1;
    s.calls = b.calls;
    s.attempt = b.run.attempt;
    s.epoch = b.run.epoch;
    if (rc != CKPT_OK || save_once() != CKPT_OK) {
        fprintf(stderr, "resumes: %s\n", ckpt_last_error(&b.ctx)->msg);
        s.ns = -1;
    }
    _exit(write(out, &s, sizeof(s)) != (ssize_t)sizeof(s));
}

static sample resume(const char *id)
{
    sample s = { .ns = -1 };
    int ends[2];
    if (pipe(ends) != 0) {
        die("pipe", CKPT_ERR_RESOURCE);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        claimant(id, ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &s, sizeof(s)) != (ssize_t)sizeof(s) || s.ns < 0) {
        die("a resume", CKPT_ERR_IO);
    }
    close(ends[0]);
    waitpid(pid, NULL, 0);
    s.files = files_in(run_dir(id), false);
    return s;
}

static void start(const char *id, bool once)
{
    const ckpt_code rc = ckpt_start(&b.ctx, &b.run, &(ckpt_run_desc){
        .id = id, .once = once, .meta = { .agent_id = "bench" } });
    if (rc != CKPT_OK) {
        die("a start", rc);
    }
}

// The tenth resume of a new run.
static sample young(unsigned number)
{
    char id[32];
    sample s = { .ns = -1 };
    snprintf(id, sizeof(id), "young-%u", number);
    start(id, false);
    ckpt_abandon(&b.run);
    for (unsigned i = 0; i < YOUNG; i++) {
        s = resume(id);
    }
    return s;
}

static void print_times(const char *what, const int64_t *tenth,
                        const int64_t *last, unsigned count)
{
    const double t = (double)median(tenth, SAMPLES) / 1e3;
    const double l = (double)median(last, SAMPLES) / 1e3;
    printf("%-14s %.0f us for the 10th, %.0f us for number %u: %.2f times\n",
           what, t, l, count, l / t);
}

static void bench_resumes(unsigned count)
{
    int64_t tenth[2][SAMPLES], last[2][SAMPLES];
    sample s = { .ns = -1 };
    unsigned most = 0;
    start("old", false);
    ckpt_abandon(&b.run);
    for (unsigned i = 1; i <= count + SAMPLES / 2; i++) {
        const unsigned k = i + SAMPLES / 2 - count;     // large before the end
        if (k < SAMPLES) {
            s = young(k);
            tenth[0][k] = s.ns;
            tenth[1][k] = s.cpu_ns;
        }
        s = resume("old");
        most = s.files > most ? s.files : most;
        if (k < SAMPLES) {
            last[0][k] = s.ns;
            last[1][k] = s.cpu_ns;
        }
        if (i == 10 || i == 100 || i == 1000 || i == count) {
            printf("resume %5u   %u files, %3u system calls, epoch %" PRIu64
                   ", attempt %" PRIu32 "\n", i, s.files, s.calls, s.epoch,
                   s.attempt);
        }
    }
    printf("most files     %u\n", most);
    print_times("time", tenth[0], last[0], count);
    print_times("processor time", tenth[1], last[1], count);
}

// -- A scan --

static bool count_told(void *user, const ckpt_run_info *info)
{
    (void)info;
    ++*(unsigned *)user;
    return true;
}

static void bench_scan(unsigned runs)
{
    int64_t ns[SCANS];
    unsigned told = 0;
    for (unsigned i = 0; i < runs; i++) {
        const bool once = i % 2 == 0;
        char id[32];
        snprintf(id, sizeof(id), "kept-%u", i);
        start(id, once);
        const ckpt_code rc = ckpt_finish(
            &b.run, once ? CKPT_COMPLETED : CKPT_FAILED,
            &(ckpt_finish_desc){ .keep = true });
        if (rc != CKPT_OK) {
            die("a finish", rc);
        }
    }
    for (int i = 0; i < SCANS; i++) {
        told = 0;
        const int64_t from = now_ns(CLOCK_MONOTONIC);
        const ckpt_code rc = ckpt_scan(&b.ctx, 0, count_told, &told);
        ns[i] = now_ns(CLOCK_MONOTONIC) - from;
        if (rc != CKPT_OK) {
            die("a scan", rc);
        }
    }
    printf("scan           %.1f ms for %u kept runs, %u told\n",
           (double)median(ns, SCANS) / 1e6, runs, told);
}

int main(int argc, char **argv)
{
    const unsigned resumes = argc < 3 ? 4000 :
                             (unsigned)strtoul(argv[2], NULL, 10);
    const unsigned runs = argc < 4 ? 10000 :
                          (unsigned)strtoul(argv[3], NULL, 10);
    if (argc < 2 || argc > 4 || resumes < 2 * SAMPLES ||
        strlen(argv[1]) > 400) {
        fprintf(stderr, "usage: resumes directory [resumes [runs]]\n");
        return 2;
    }
    snprintf(b.base, sizeof(b.base), "%s/ckpt-bench-XXXXXX", argv[1]);
    if (mkdtemp(b.base) == NULL) {
        perror(b.base);
        return 2;
    }
    snprintf(b.root, sizeof(b.root), "%s/runs", b.base);
    open_store();
    bench_resumes(resumes);
    ckpt_store_fs_close(&b.fs);
    snprintf(b.root, sizeof(b.root), "%s/kept", b.base);
    open_store();
    bench_scan(runs);
    ckpt_store_fs_close(&b.fs);
    clean();
    return 0;
}
