// SPDX-License-Identifier: MIT-0
/*
    measure.c -- clocks, the counters of the block device, system calls
*/
#define _GNU_SOURCE

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NO_TRACING = 77 };

static struct {
    FILE *out;
    int   dir;                      // bench.dir
    char  stat[256], journal[256];  // "": the system does not tell
} m;

//--- Failures -----------------------------------------------------------------

void die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

void die_errno(const char *what)
{
    die(what, strerror(errno));
}

void check_code(const char *what, ckpt_code rc, const ckpt_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench: %s: %s\n", err->op, err->msg);
        die(what, ckpt_code_message(rc));
    }
}

void *must_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        die("memory", "there is none left");
    }
    return p;
}

//--- Clocks and samples -------------------------------------------------------

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return 1e6 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void samples_add(samples *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 64 : 2 * s->cap;
        s->v = realloc(s->v, s->cap * sizeof(*s->v));
        if (s->v == NULL) {
            die("memory", "there is none left");
        }
    }
    s->v[s->n++] = value;
}

static int compare(const void *x, const void *y)
{
    const double p = *(const double *)x, q = *(const double *)y;
    return (p > q) - (p < q);
}

double samples_at(const samples *s, double share)
{
    if (s->n == 0) {
        return NAN;
    }
    qsort(s->v, s->n, sizeof(*s->v), compare);
    return s->v[(size_t)(share * (double)(s->n - 1) + 0.5)];
}

void samples_free(samples *s)
{
    free(s->v);
    *s = (samples){ 0 };
}

//--- The block device ---------------------------------------------------------

// A device has a file with its counts; a journal of ext4 has one that is named
// by the device and the inode of the journal, which is number 8.
void counters_open(const char *device)
{
    char link[256], target[256];
    struct stat st;
    m.dir = open(bench.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m.dir < 0 || fstat(m.dir, &st) != 0) {
        die_errno(bench.dir);
    }
    if (device == NULL) {
        snprintf(link, sizeof(link), "/sys/dev/block/%u:%u",
                 major(st.st_dev), minor(st.st_dev));
        const ssize_t n = readlink(link, target, sizeof(target) - 1);
        if (n <= 0) {
            return;                 // a disk that is none, or a pool of some
        }
        target[n] = '\0';
        device = strrchr(target, '/') + 1;
    } else {
        snprintf(link, sizeof(link), "/sys/class/block/%.200s", device);
    }
    snprintf(m.stat, sizeof(m.stat), "%.200s/stat", link);
    snprintf(m.journal, sizeof(m.journal), "/proc/fs/jbd2/%.200s-8/info",
             device);
}

// Reads at most count numbers from the beginning of a file.
static int read_numbers(const char *path, double *numbers, int count)
{
    FILE *f = path[0] == '\0' ? NULL : fopen(path, "r");
    int n = 0;
    while (f != NULL && n < count && fscanf(f, "%lf", &numbers[n]) == 1) {
        n++;
    }
    if (f != NULL) {
        fclose(f);
    }
    return n;
}

counters counters_read(void)
{
    enum { SECTORS = 6, FLUSHES = 15, MOST = 17 };
    double v[MOST];
    counters c = { NAN, NAN, NAN };
    const int n = read_numbers(m.stat, v, MOST);
    if (n > SECTORS) {
        c.kib = v[SECTORS] / 2;
    }
    if (n > FLUSHES) {
        c.flushes = v[FLUSHES];
    }
    if (read_numbers(m.journal, v, 1) == 1) {
        c.commits = v[0];
    }
    return c;
}

void counters_add(counters *sum, const counters *from, const counters *to)
{
    sum->kib += to->kib - from->kib;
    sum->flushes += to->flushes - from->flushes;
    sum->commits += to->commits - from->commits;
}

void sync_place(void)
{
    if (syncfs(m.dir) != 0) {
        die_errno("syncfs");
    }
}

//--- Figures ------------------------------------------------------------------

void figure_open(const char *path)
{
    m.out = fopen(path, "a");
    if (m.out == NULL) {
        die_errno(path);
    }
}

void figure(const char *table, uint64_t size, const char *variant,
            const char *name, int digits, double value)
{
    fprintf(m.out, "%s\t%s\t%llu\t%s\t%s\t", bench.place, table,
            (unsigned long long)size, variant, name);
    if (isnan(value)) {
        fprintf(m.out, "-\n");
    } else {
        fprintf(m.out, "%.*f\n", digits, value);
    }
    fflush(m.out);
}

void figure_counters(const char *table, uint64_t size, const char *variant,
                     const counters *sum, double n)
{
    figure(table, size, variant, "flushes", 2, sum->flushes / n);
    figure(table, size, variant, "commits", 2, sum->commits / n);
    figure(table, size, variant, "KiB", 1, sum->kib / n);
}

void figure_calls(const char *table, uint64_t size, const char *variant,
                  const calls *c)
{
    figure(table, size, variant, "calls", 1, c->all);
    figure(table, size, variant, "syncs", 2, c->syncs);
}

//--- System calls -------------------------------------------------------------

// The child stops twice: the parent counts what it calls between. If the parent
// is killed, nobody else would wake the child.
static void traced_child(bench_fn *before, bench_fn *op, void *arg,
                         unsigned count)
{
    const pid_t self = getpid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    before(arg);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(NO_TRACING);
    }
    kill(self, SIGSTOP);
    for (unsigned i = 0; i < count; i++) {
        op(arg);
    }
    kill(self, SIGSTOP);
    _exit(0);
}

static bool waits_for_medium(uint64_t number)
{
    return number == SYS_fsync || number == SYS_fdatasync ||
           number == SYS_msync || number == SYS_syncfs;
}

static void count_call(pid_t child, calls *c)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info),
               &info) < 0) {
        die_errno("ptrace");
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        c->all++;
        c->syncs += waits_for_medium(info.entry.nr);
    }
}

calls calls_of(bench_fn *before, bench_fn *op, void *arg, unsigned count)
{
    const long trap = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    calls c = { -1, 0 };            // the call that stops the child
    int status, stops = 0;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        traced_child(before, op, arg, count);
    }
    while (stops < 2) {
        if (waitpid(child, &status, 0) != child) {
            die_errno("waitpid");
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_TRACING) {
            return (calls){ NAN, NAN };
        }
        if (!WIFSTOPPED(status)) {
            die("a traced operation", "it failed");
        }
        if (WSTOPSIG(status) == SIGSTOP && ++stops == 1) {
            ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)trap);
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            count_call(child, &c);
        }
        ptrace(stops < 2 ? PTRACE_SYSCALL : PTRACE_DETACH, child, NULL, NULL);
    }
    waitpid(child, &status, 0);
    return (calls){ c.all / count, c.syncs / count };
}

//--- Directories --------------------------------------------------------------

void make_dir(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        die_errno(path);
    }
}

void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(dirfd(d), e->d_name, 0) != 0) {
            char below[4096];
            snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
            remove_tree(below);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    rmdir(path);
}
