// SPDX-License-Identifier: MIT-0
/*
    names.c -- an owner, and one who asks for its run, in other namespaces

        names own DIR READY GO  begins the run "job", saves, writes one byte to
                                the file READY, waits until GO is there, saves
        names ask DIR           asks for "job" as any program does, without
                                force
        names work DIR          begins "job", or resumes it, and says which;
                                saves turn after turn until it is killed

    "own" and "ask" end with 0, if all was as it has to be: the save of an owner
    is acknowledged to the end, and who asks is told that another process has
    the run. "ask" ends with 3 if it was handed the run.
*/
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "ckpt_store_fs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static ckpt_store_fs fs;
static ckpt_ctx      ctx;
static ckpt_run      run;

static int fail(const char *what, ckpt_code rc, const char *op)
{
    printf("%s: %d, %s (%s)\n", what, (int)rc, ckpt_code_message(rc),
           op != NULL ? op : "");
    return 1;
}

static int open_store(const char *dir)
{
    ckpt_error err;
    ckpt_code rc = ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
        .dir = dir, .durability = CKPT_STORE_FS_PROCESS }, &err);
    if (rc < 0) {
        return fail("open the store", rc, err.op);
    }
    rc = ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base,
                                       .throttle_ms = CKPT_OFF,
                                       .resume_max = CKPT_UNLIMITED });
    return rc < 0 ? fail("init", rc, "") : 0;
}

static ckpt_code open_job(void)
{
    return ckpt_open(&ctx, &run, &(ckpt_run_desc){ .id = "job" });
}

static ckpt_code save(uint64_t turn)
{
    return ckpt_save(&run, &(ckpt_save_desc){
        .anew = true, .turn = turn, .messages = ckpt_text("[\"saved\"]") });
}

static bool make(const char *path)
{
    FILE *f = fopen(path, "w");
    return f != NULL && fclose(f) == 0;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int own(const char *ready, const char *go)
{
    ckpt_code rc = open_job();
    if (rc < 0) {
        return fail("own", rc, ckpt_last_error(&ctx)->op);
    }
    rc = save(run.turn + 1);
    if (rc != CKPT_OK || !make(ready)) {
        return fail("the first save", rc, run.error.op);
    }
    while (access(go, F_OK) != 0) {
        pause_ms(2);
    }
    rc = save(run.turn + 1);
    if (rc != CKPT_OK) {
        return fail("the last save", rc, run.error.op);
    }
    ckpt_abandon(&run);
    return 0;
}

static int ask(void)
{
    const ckpt_code rc = open_job();
    if (rc == CKPT_ERR_LIVE) {
        return 0;
    }
    (void)fail("ask", rc, ckpt_last_error(&ctx)->op);
    return rc >= 0 ? 3 : 1;
}

static int work(void)
{
    const ckpt_code rc = open_job();
    if (rc < 0) {
        return fail("work", rc, ckpt_last_error(&ctx)->op);
    }
    printf("%s at turn %d\n", run.resumed ? "resumed" : "begun", (int)run.turn);
    fflush(stdout);
    for (;;) {
        if (save(run.turn + 1) != CKPT_OK) {
            return fail("save", run.error.code, run.error.op);
        }
        pause_ms(5);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc >= 3 ? argv[1] : "";
    if (argc < 3) {
        return 2;
    }
    if (open_store(argv[2]) != 0) {
        return 1;
    }
    if (strcmp(what, "own") == 0 && argc == 5) {
        return own(argv[3], argv[4]);
    }
    if (strcmp(what, "ask") == 0) {
        return ask();
    }
    return strcmp(what, "work") == 0 ? work() : 2;
}
