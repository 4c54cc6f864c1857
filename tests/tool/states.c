// SPDX-License-Identifier: MIT-0
/*
    states.c -- makes a store with a run in every state, and holds it

        states DIR          makes them, prints "ready", and keeps the live ones
                            alive until its input ends
        states DIR N        makes N runs that are interrupted, and ends
        states DIR ID turn  begins a run; each line of its input is one turn,
                            and the end of the input completes it
*/
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "ckpt_store_fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static ckpt_store_fs fs;
static ckpt_ctx      ctx;
static ckpt_run      run, live, stalled;

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "states: %s: %s %s\n", what, ckpt_last_error(&ctx)->msg,
                run.error.msg != NULL ? run.error.msg : "");
        exit(1);
    }
}

// Begins a run and saves one turn of it.
static void begin(ckpt_run *r, const char *id, bool once)
{
    need(!ckpt_start(&ctx, r, &(ckpt_run_desc){ .id = id, .once = once,
        .meta = { .agent_id = "clerk", .task_id = "t-1", .prompt = "Check it.",
                  .parent_run_id = "parent" } }), id);
    need(!ckpt_phase_end(r, "plan", ckpt_text("{}"), NULL), id);
    need(!ckpt_save(r, &(ckpt_save_desc){ .turn = 12,
        .messages = ckpt_text("[{\"role\":\"user\",\"content\":\"Hi\"}]"),
        .state = ckpt_text("{\"n\":1}") }), id);
}

static void finish(const char *id, bool once, ckpt_outcome outcome,
                   const char *reason)
{
    begin(&run, id, once);
    need(!ckpt_finish(&run, outcome, &(ckpt_finish_desc){ .reason = reason,
         .keep = outcome == CKPT_FAILED }), id);
}

// The path of a file of a run.
static const char *path(const char *dir, const char *id, const char *name)
{
    static char out[4096];
    char run_dir[256];
    ckpt_store_fs_name(id, run_dir);
    snprintf(out, sizeof(out), "%s/%s/%s", dir, run_dir, name);
    return out;
}

// Writes bytes into a file, at an offset.
static void patch(const char *file, long at, const char *bytes)
{
    FILE *f = fopen(file, "r+");
    need(f != NULL && fseek(f, at, SEEK_SET) == 0 && fputs(bytes, f) >= 0 &&
         fclose(f) == 0, file);
}

static void age(const char *file, int seconds)
{
    const struct timespec past = { .tv_sec = time(NULL) - seconds };
    const struct timespec times[2] = { past, past };
    need(utimensat(AT_FDCWD, file, times, 0) == 0, file);
}

// Resumes a run in processes that die at once.
static void die_in(const char *id, int times)
{
    for (; times > 0; times--) {
        int status = 0;
        const pid_t pid = fork();
        if (pid == 0) {
            static ckpt_run mine;
            _exit(ckpt_resume(&ctx, &mine, &(ckpt_run_desc){ .id = id }) < 0);
        }
        need(waitpid(pid, &status, 0) == pid && status == 0, id);
    }
}

// Leaves a finished run half removed, as a disk that fails does.
static int no_unlink(void *u, int dir, const char *name)
{
    (void)u;
    (void)dir;
    (void)name;
    return -EIO;
}

static void leave_finished(const char *dir, const char *id)
{
    ckpt_store_fs broken;
    ckpt_fs_calls calls = *ckpt_store_fs_calls();
    static ckpt_ctx other;
    static ckpt_run mine;
    calls.unlink = no_unlink;
    need(!ckpt_store_fs_open(&broken, &(ckpt_store_fs_desc){ .dir = dir,
         .calls = &calls }, NULL) &&
         !ckpt_init(&other, &(ckpt_desc){ .store = &broken.base }) &&
         !ckpt_start(&other, &mine, &(ckpt_run_desc){ .id = id }), id);
    need(ckpt_finish(&mine, CKPT_COMPLETED, NULL) < 0, id);
    ckpt_abandon(&mine);
    ckpt_store_fs_close(&broken);
}

// Copies the claim of epoch 1: claimants that crashed before their first save.
static void crash_claimants(const char *dir, const char *id, int count)
{
    char line[1024], name[64];
    FILE *f = fopen(path(dir, id, "heartbeat.1"), "r");
    need(f != NULL, id);
    const size_t n = fread(line, 1, sizeof(line), f);
    fclose(f);
    for (int i = 2; i < 2 + count; i++) {
        snprintf(name, sizeof(name), "heartbeat.%d", i);
        f = fopen(path(dir, id, name), "w");
        need(f != NULL && fwrite(line, 1, n, f) == n && fclose(f) == 0, id);
        need(chmod(path(dir, id, name), 0600) == 0, id);
    }
}

static void make_all(const char *dir)
{
    // Their beats are so old that the tool says the same for half a minute.
    static const char *const dead[] = {
        "interrupted", "left", "done", "failed", "finished", "damaged", "torn",
        "older", "newer", "foreign"
    };
    ckpt_effect effect;
    char other[4096];
    begin(&live, "live", false);
    begin(&stalled, "stalled", false);
    age(path(dir, "stalled", "heartbeat.1"), 600);
    begin(&run, "interrupted", false);
    need(!ckpt_effect_begin(&run, "send_mail", &(ckpt_save_desc){ .turn = 13,
         .messages = ckpt_text("[{\"role\":\"assistant\"}]"),
         .append_at = 1 }, &effect), "effect");
    ckpt_abandon(&run);
    finish("left", false, CKPT_INTERRUPTED, "a clean \033[31mstop");
    begin(&run, "exhausted", false);
    ckpt_abandon(&run);
    die_in("exhausted", 3);
    finish("done", true, CKPT_COMPLETED, NULL);
    finish("failed", false, CKPT_FAILED, "the <model> refused & left");
    leave_finished(dir, "finished");
    finish("damaged", false, CKPT_INTERRUPTED, NULL);
    patch(path(dir, "damaged", "checkpoint.1.json"), 100, "XXXX");
    patch(path(dir, "damaged", "checkpoint.1.prev.json"), 100, "XXXX");
    finish("torn", false, CKPT_INTERRUPTED, NULL);
    patch(path(dir, "torn", "checkpoint.1.json"), 600, "XXXX");
    patch(path(dir, "torn", "checkpoint.1.prev.json"), 600, "XXXX");
    finish("older", false, CKPT_INTERRUPTED, NULL);
    patch(path(dir, "older", "checkpoint.1.json"), 600, "XXXX");
    finish("newer", false, CKPT_INTERRUPTED, NULL);
    patch(path(dir, "newer", "checkpoint.1.json"), 0, "{\"ckpt\":9,\"sum");
    patch(path(dir, "newer", "checkpoint.1.prev.json"), 0,
          "{\"ckpt\":9,\"sum");
    finish("original", false, CKPT_INTERRUPTED, NULL);
    snprintf(other, sizeof(other), "%s", path(dir, "foreign", ""));
    need(rename(path(dir, "original", ""), other) == 0, "foreign");
    finish("unreadable", false, CKPT_INTERRUPTED, NULL);
    need(chmod(path(dir, "unreadable", ""), 0) == 0, "unreadable");
    // It would clear the screen, end the line and turn what follows around.
    finish("evil \\ \033[2J\n\xe2\x80\xae \xff\xc3\xa9", false,
           CKPT_INTERRUPTED, "\033[2J<script>");
    begin(&run, "busy", false);
    ckpt_abandon(&run);
    crash_claimants(dir, "busy", 20);
    for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++) {
        age(path(dir, dead[i], "heartbeat.1"), 330);
    }
}

int main(int argc, char **argv)
{
    char id[64], line[256];
    uint64_t turn = 0;
    if (argc < 2) return 2;
    need(!ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = argv[1],
         .durability = CKPT_STORE_FS_PROCESS }, &run.error), argv[1]);
    need(!ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base, .owner = "states",
         .throttle_ms = CKPT_OFF }), argv[1]);
    if (argc == 2) {
        make_all(argv[1]);
    } else if (argc == 3) {
        for (int i = 0; i < atoi(argv[2]); i++) {
            snprintf(id, sizeof(id), "run-with-quite-a-long-name-%06d", i);
            finish(id, false, CKPT_INTERRUPTED, NULL);
        }
        return 0;
    } else {
        begin(&live, argv[2], true);
    }
    printf("ready %ld\n", (long)getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        need(!ckpt_save(&live, &(ckpt_save_desc){ .turn = ++turn + 12 }),
             "save");
        puts("saved");
        fflush(stdout);
    }
    if (argc > 3) need(!ckpt_finish(&live, CKPT_COMPLETED, NULL), "finish");
    return 0;
}
