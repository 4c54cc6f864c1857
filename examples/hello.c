// SPDX-License-Identifier: MIT-0
/*
    hello.c -- the first example: an agent of 20 turns that survives kill -9

    It teaches the three calls of the simplest agent (open, save, finish), where
    errors are, and what a signal handler does. Start it, kill it or press
    Ctrl-C, and start it again: it goes on with the turn after the last one that
    was saved. Once it is finished, it is not done again.

        cc -std=c99 -I. -I/usr/include/stb -o build/hello examples/hello.c
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first in the file
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static ckpt_job job;                    // a store, a context and a run

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    stop = number;                      // a handler does nothing else
}

static int fail(void)
{
    char text[640];
    fprintf(stderr, "hello: %s\n", ckpt_job_error(&job, text, sizeof(text)));
    return 1;
}

int main(void)
{
    static char     buf[65536];         // for the last checkpoint
    ckpt_checkpoint last;

    signal(SIGINT, on_signal);
    ckpt_code rc = ckpt_job_open(&job, &(ckpt_job_desc){
        .dir = "runs", .id = "hello", .once = true,
        .buf = buf, .cap = sizeof(buf)
    }, &last);
    if (rc < 0) return fail();
    if (rc == CKPT_FINISHED) {
        puts("It was finished before.");
        return 0;
    }
    puts(job.run.resumed ? "Resumed." : "Begun.");
    ckpt_save_desc save = { .turn = last.turn };    // 0, or where it was
    while (save.turn < 20 && !stop) {
        printf("Turn %d of 20\n", (int)++save.turn);
        sleep(1);                       // the work of the turn
        if (ckpt_save(&job.run, &save) < 0) return fail();
    }
    rc = ckpt_finish(&job.run, stop ? CKPT_INTERRUPTED : CKPT_COMPLETED,
                     &(ckpt_finish_desc){ .save = &save });
    if (rc < 0) return fail();
    ckpt_job_close(&job);
    puts(stop ? "Interrupted: start it again." : "Finished.");
    return stop != 0;
}
