// SPDX-License-Identifier: MIT-0
/*
    hello.c -- the first example: an agent of 20 turns that survives kill -9

    It teaches the five calls of the simplest agent (open a store, init, open a
    run, save, finish), and what a signal handler does. Start it, kill it or
    press Ctrl-C, and start it again: it goes on with the turn after the last
    one that was saved. Once it is finished, it is not done again.

        cc -std=c99 -I. -I/usr/include/stb -o build/hello examples/hello.c
*/
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first in the file
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    stop = number;                      // a handler does nothing else
}

static int fail(const ckpt_error *err)
{
    fprintf(stderr, "hello: %s\n", err->msg);
    return 1;
}

int main(void)
{
    static ckpt_run run;
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_error      err;

    signal(SIGINT, on_signal);
    if (ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = "runs" },
                           &err) < 0) {
        return fail(&err);
    }
    ckpt_code rc = ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base });
    if (rc >= 0) {
        rc = ckpt_open(&ctx, &run, &(ckpt_run_desc){ .id = "hello",
                                                     .once = true });
    }
    if (rc < 0) {
        return fail(ckpt_last_error(&ctx));
    }
    if (rc == CKPT_FINISHED) {
        puts("It was finished before.");
        return 0;
    }
    ckpt_save_desc save = { .turn = run.turn };     // 0, or where it was
    puts(run.resumed ? "Resumed." : "Begun.");
    while (save.turn < 20 && !stop) {
        printf("Turn %d of 20\n", (int)++save.turn);
        sleep(1);                       // the work of the turn
        if (ckpt_save(&run, &save) < 0) {
            return fail(&run.error);
        }
    }
    if (ckpt_finish(&run, stop ? CKPT_INTERRUPTED : CKPT_COMPLETED, NULL) < 0) {
        return fail(&run.error);
    }
    puts(stop ? "Interrupted: start it again." : "Finished.");
    return stop != 0;
}
