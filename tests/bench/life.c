// SPDX-License-Identifier: MIT-0
/*
    life.c -- what a run costs besides its saves: beginnings, ends, tool calls,
    resumes, recovery, beats, scans
*/
#define _GNU_SOURCE

#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ADDED = 1024, BATCHES = 11, TEXTS = 3 };

static struct {
    char            dir[4096];
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    transcript      text[TEXTS], added;     // three, as in saves.c
    uint64_t        turn;
    void           *buf;
    size_t          told;
    double          beats;          // in one batch
    int             touched;        // the file of the floor of beats
} l;

static void check_run(const char *what, ckpt_code rc)
{
    check_code(what, rc, &l.run.error);
}

static void check_ctx(const char *what, ckpt_code rc)
{
    check_code(what, rc, ckpt_last_error(&l.ctx));
}

static void open_store(bool durable, int64_t throttle_ms, int64_t beat_ms)
{
    ckpt_error err;
    check_code("open the store", ckpt_store_fs_open(
        &l.fs, &(ckpt_store_fs_desc){
            .dir = l.dir,
            .durability = durable ? CKPT_STORE_FS_POWER
                                  : CKPT_STORE_FS_PROCESS }, &err), &err);
    check_ctx("a context", ckpt_init(&l.ctx, &(ckpt_desc){
        .store = &l.fs.base, .throttle_ms = throttle_ms, .beat_ms = beat_ms,
        .resume_max = CKPT_UNLIMITED }));
}

static void begin_table(size_t size)
{
    snprintf(l.dir, sizeof(l.dir), "%.4000s/runs", bench.dir);
    remove_tree(l.dir);
    for (uint32_t i = 0; i < TEXTS; i++) {
        transcript_make(&l.text[i], size, 0, i);
    }
    transcript_make(&l.added, ADDED + 2, 0, TEXTS);
    l.buf = must_alloc(size + (1 << 20));
    l.turn = 0;
}

static void end_table(void)
{
    remove_tree(l.dir);
    for (int i = 0; i < TEXTS; i++) {
        transcript_free(&l.text[i]);
    }
    transcript_free(&l.added);
    free(l.buf);
}

//--- Single steps -------------------------------------------------------------

static void do_start(void *unused)
{
    (void)unused;
    check_ctx("a start", ckpt_start(&l.ctx, &l.run, &(ckpt_run_desc){
        .id = "bench", .meta = { .agent_id = "bench",
                                 .prompt = "Check it." } }));
}

static void do_save(void *unused)
{
    (void)unused;
    l.turn++;
    check_run("a save", ckpt_save(&l.run, &(ckpt_save_desc){
        .turn = l.turn,
        .messages = transcript_bytes(&l.text[l.turn % TEXTS]) }));
}

static void do_add(void *unused)
{
    (void)unused;
    check_run("a save", ckpt_save(&l.run, &(ckpt_save_desc){
        .turn = ++l.turn, .messages = transcript_bytes(&l.added),
        .append_at = l.run.messages }));
}

static void do_finish(void *unused)
{
    (void)unused;
    check_run("a finish", ckpt_finish(&l.run, CKPT_COMPLETED, NULL));
}

static void do_short(void *arg)
{
    do_start(arg);
    do_save(arg);
    do_finish(arg);
}

static void do_resume(void *unused)
{
    (void)unused;
    check_ctx("a resume", ckpt_resume(&l.ctx, &l.run, &(ckpt_run_desc){
        .id = "bench" }));
}

static void do_load(void *unused)
{
    ckpt_checkpoint c;
    (void)unused;
    check_run("a load", ckpt_load(&l.run, &c, l.buf,
                                  (size_t)l.run.checkpoint_size));
}

static void do_call(void *unused)
{
    ckpt_effect effect;
    (void)unused;
    check_run("the begin of a call", ckpt_effect_begin(
        &l.run, "call", &(ckpt_save_desc){
            .turn = ++l.turn, .messages = transcript_bytes(&l.added),
            .append_at = l.run.messages }, &effect));
    check_run("the end of a call", ckpt_effect_end(
        &l.run, "call", ckpt_text("{\"ok\":true,\"rows\":[1,2,3]}")));
}

static void do_phase(void *unused)
{
    (void)unused;
    check_run("the end of a phase", ckpt_phase_end(
        &l.run, "plan", ckpt_text("{}"), NULL));
}

static void before_all(void *unused)
{
    (void)unused;
    open_store(true, CKPT_OFF, 0);
}

static void before_started(void *arg)
{
    before_all(arg);
    do_start(arg);
}

// Some saves, so that what an owner makes once is there.
static void before_saved(void *arg)
{
    before_started(arg);
    do_save(arg);
    do_save(arg);
    do_add(arg);
    do_add(arg);
}

static void before_dead(void *arg)
{
    before_saved(arg);
    ckpt_abandon(&l.run);
}

static void before_resumed(void *arg)
{
    before_dead(arg);
    do_resume(arg);
}

static void after(void)
{
    if (l.run.open) {
        do_finish(NULL);
    }
    ckpt_store_fs_close(&l.fs);
}

typedef struct step {
    const char *name;
    bench_fn   *before, *op;
} step;

static void bench_step(const step *s, size_t size, int count)
{
    samples us = { 0 };
    counters sum = { 0 };
    const calls c = calls_of(s->before, s->op, NULL, 1);
    remove_tree(l.dir);
    for (int i = 0; i < count; i++) {
        s->before(NULL);
        sync_place();
        const counters from = counters_read();
        const int64_t start = now_ns();
        s->op(NULL);
        samples_add(&us, (double)(now_ns() - start) / 1e3);
        const counters to = counters_read();
        counters_add(&sum, &from, &to);
        after();
    }
    figure("life", size, s->name, "us", 0, samples_at(&us, 0.5));
    figure("life", size, s->name, "p10 us", 0, samples_at(&us, 0.1));
    figure_counters("life", size, s->name, &sum, count);
    figure_calls("life", size, s->name, &c);
    samples_free(&us);
}

void bench_life(void)
{
    static const step steps[] = {
        { "start",             before_all,     do_start },
        { "first save",        before_started, do_save },
        { "next save",         before_saved,   do_save },
        { "1 KiB added",       before_saved,   do_add },
        { "end of a phase",    before_saved,   do_phase },
        { "tool call",         before_saved,   do_call },
        { "finish",            before_saved,   do_finish },
        { "short run",         before_all,     do_short },
        { "claim + adopt",     before_dead,    do_resume },
        { "load",              before_resumed, do_load }
    };
    static const size_t sizes[] = { 4096, 4 << 20 };
    for (size_t k = 0; k < 2; k++) {
        begin_table(sizes[k]);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            bench_step(&steps[i], sizes[k], bench.quick ? 9 : 41);
        }
        end_table();
    }
}

//--- Many runs ----------------------------------------------------------------

// Makes runs whose owner died. Nobody asks how long that takes, so no flush.
static void make_dead(unsigned count)
{
    open_store(false, CKPT_OFF, 0);
    for (unsigned i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof(id), "run-%06u", i);
        check_ctx("a start", ckpt_start(&l.ctx, &l.run, &(ckpt_run_desc){
            .id = id, .meta = { .agent_id = "bench", .task_id = id } }));
        do_save(NULL);
        do_save(NULL);
        ckpt_abandon(&l.run);
    }
    ckpt_store_fs_close(&l.fs);
    sync_place();
}

static ckpt_outcome complete(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)run;
    (void)user;
    (void)finish;
    return CKPT_COMPLETED;
}

void bench_recover(void)
{
    static const struct { size_t size; unsigned quick, full; } s[] = {
        { 4096, 200, 1000 }, { 262144, 50, 250 }
    };
    for (size_t k = 0; k < 2; k++) {
        const unsigned count = bench.quick ? s[k].quick : s[k].full;
        const size_t size = s[k].size;
        ckpt_recover_info info;
        counters sum = { 0 };
        begin_table(size);
        make_dead(count);
        open_store(true, CKPT_OFF, 0);
        const counters from = counters_read();
        const int64_t start = now_ns();
        check_ctx("a recovery", ckpt_recover(&l.ctx, &l.run,
            &(ckpt_recover_desc){ .resume = complete }, &info));
        const double seconds = (double)(now_ns() - start) / 1e9;
        const counters to = counters_read();
        counters_add(&sum, &from, &to);
        if (info.resumed != count) {
            die("a recovery", "it did not resume all runs");
        }
        ckpt_store_fs_close(&l.fs);
        figure("recover", size, "ckpt_recover", "runs", 0, count);
        figure("recover", size, "ckpt_recover", "runs/s", 0, count / seconds);
        figure_counters("recover", size, "ckpt_recover", &sum, count);
        end_table();
    }
}

static bool count_told(void *unused, const ckpt_run_info *info)
{
    (void)unused;
    (void)info;
    l.told++;
    return true;
}

static void do_scan(void *unused)
{
    (void)unused;
    l.told = 0;
    check_ctx("a scan", ckpt_scan(&l.ctx, 0, count_told, NULL));
}

// The floor: it opens each run, and reads the beginning of its checkpoint.
static void do_list(void *unused)
{
    (void)unused;
    l.told = 0;
    DIR *d = opendir(l.dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        char kib[1024];
        if (e->d_name[0] == '.') {
            continue;
        }
        const int dir = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY);
        const int fd = openat(dir, "checkpoint.1.json", O_RDONLY);
        if (fd < 0 || read(fd, kib, sizeof(kib)) <= 0) {
            die_errno("a checkpoint");
        }
        close(fd);
        close(dir);
        l.told++;
    }
    closedir(d);
}

// The floor of a listing: every name in the tree, opened and looked at.
static void do_walk(void *unused)
{
    (void)unused;
    struct stat st;
    l.told = 0;
    DIR *d = opendir(l.dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL; ) {
        if (e->d_name[0] == '.') {
            continue;
        }
        const int dir = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY);
        DIR *run = dir < 0 || fstat(dir, &st) != 0 ? NULL : fdopendir(dir);
        if (run == NULL) {
            die_errno("the directory of a run");
        }
        for (struct dirent *f; (f = readdir(run)) != NULL; ) {
            if (f->d_name[0] == '.') {
                continue;
            }
            const int fd = openat(dir, f->d_name, O_RDONLY);
            if (fd < 0 || fstat(fd, &st) != 0) {
                die_errno("a file of a run");
            }
            close(fd);
        }
        closedir(run);
        l.told++;
    }
    closedir(d);
}

// The command, as a process of its own.
static void do_ls(void *unused)
{
    (void)unused;
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execl(getenv("CKPT_LS"), "ckpt", "-C", l.dir, "ls", (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
        die("ckpt ls", "it failed");
    }
}

static void scan_figures(size_t size, const char *variant, bench_fn *op,
                         unsigned count)
{
    samples us = { 0 };
    for (int i = 0; i < 7; i++) {
        const int64_t start = now_ns();
        op(NULL);
        samples_add(&us, (double)(now_ns() - start) / 1e3);
        if (l.told != count) {
            die(variant, "it did not tell all runs");
        }
    }
    figure("scan", size, variant, "runs", 0, count);
    figure("scan", size, variant, "us a run", 1,
           samples_at(&us, 0.5) / count);
    if (op != do_ls) {
        calls c = calls_of(before_all, op, NULL, 1);
        c.all /= count;
        c.syncs /= count;
        figure_calls("scan", size, variant, &c);
    }
    samples_free(&us);
}

void bench_scan(void)
{
    static const struct { size_t size; unsigned quick, full; } s[] = {
        { 4096, 1000, 10000 }, { 65536, 200, 1000 }, { 1 << 20, 20, 100 }
    };
    for (size_t k = 0; k < 3; k++) {
        const unsigned count = bench.quick ? s[k].quick : s[k].full;
        begin_table(s[k].size);
        make_dead(count);
        scan_figures(s[k].size, "floor: open, read 1 KiB", do_list, count);
        scan_figures(s[k].size, "floor: open, stat all", do_walk, count);
        open_store(true, CKPT_OFF, 0);
        scan_figures(s[k].size, "ckpt_scan", do_scan, count);
        ckpt_store_fs_close(&l.fs);
        if (getenv("CKPT_LS") != NULL) {
            l.told = count;
            scan_figures(s[k].size, "ckpt ls, its own process", do_ls, count);
        }
        end_table();
    }
}

//--- Beats --------------------------------------------------------------------

static void do_beat(void *unused)
{
    (void)unused;
    check_run("a beat", ckpt_beat(&l.run));
}

static void do_due(void *unused)
{
    (void)unused;
    l.told += ckpt_due(&l.run, l.turn + 1);
}

static void do_touch(void *unused)
{
    (void)unused;
    if (futimens(l.touched, NULL) != 0) {
        die_errno("futimens");
    }
}

static void before_beats(void *unused)
{
    (void)unused;
    open_store(false, CKPT_OFF, CKPT_OFF);
    do_start(NULL);
    do_save(NULL);
    do_beat(NULL);
    l.touched = openat(AT_FDCWD, l.dir, O_RDONLY | O_DIRECTORY);
}

static void before_quiet(void *unused)
{
    (void)unused;
    open_store(false, 3600000, 15000);
    do_start(NULL);
    do_save(NULL);
    do_beat(NULL);
}

void bench_beat(void)
{
    static const step steps[] = {
        { "floor: futimens",      before_beats, do_touch },
        { "ckpt_beat",            before_beats, do_beat },
        { "ckpt_beat, not due",   before_quiet, do_beat },
        { "ckpt_due",             before_quiet, do_due },
        { "ckpt_save, throttled", before_quiet, do_save }
    };
    const int count = bench.quick ? 500 : 5000;
    begin_table(4096);
    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        samples ns = { 0 };
        const calls c = calls_of(steps[k].before, steps[k].op, NULL, 16);
        remove_tree(l.dir);
        steps[k].before(NULL);
        for (int i = 0; i < BATCHES; i++) {
            const int64_t start = now_ns();
            for (int j = 0; j < count; j++) {
                steps[k].op(NULL);
            }
            samples_add(&ns, (double)(now_ns() - start) / count);
        }
        if (steps[k].before == before_beats) {
            close(l.touched);
        }
        after();
        figure("beat", 4096, steps[k].name, "ns", 0, samples_at(&ns, 0.5));
        figure_calls("beat", 4096, steps[k].name, &c);
        samples_free(&ns);
    }
    end_table();
}
