// SPDX-License-Identifier: MIT-0
/*
    full.c -- a run on a file system, or under a quota, that becomes full

        full dir bytes|files ENOSPC|EDQUOT [raised]

    Saves, fills dir with bytes or with empty files until the system gives the
    error, and demands of the library what must hold then: a new run says that
    the store is full, by that error, and so does a save, unless it goes into
    files that are there; what was acknowledged last still is there; a beat
    works. Then it removes what it filled, or, if there is a file to wait for,
    says "full" and waits until raised is there: saves, loads and a finish work
    again, and a fresh store finds what was saved. Prints what is wrong; exits
    with 0 if nothing is.
*/
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STATE = 100000, BIG = 1024 * 1024, FILES_MAX = 100000, SECONDS = 60 };

static struct {
    const char     *dir;
    int             want;               // errno
    bool            bytes;
    unsigned        files, bad;
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run, other;
    ckpt_checkpoint last;
    char            name[400], state[STATE], buf[4 * STATE];
} f;

static void demand(bool holds, const char *what, const ckpt_error *e)
{
    if (!holds) {
        printf("BAD %s: %d, errno %d, %s\n", what, (int)e->code, e->sys,
               e->msg != NULL ? e->msg : "");
        f.bad++;
    }
}

static ckpt_bytes state_of(unsigned n)
{
    const int at = snprintf(f.state, sizeof(f.state), "{\"n\":%u,\"pad\":\"",
                            n);
    memset(f.state + at, (int)('a' + n % 26), sizeof(f.state) - 3 - (size_t)at);
    strcpy(f.state + sizeof(f.state) - 3, "\"}");
    return ckpt_text(f.state);
}

static ckpt_code save(unsigned n)
{
    return ckpt_save(&f.run, &(ckpt_save_desc){ .anew = true, .turn = n,
                                                .state = state_of(n) });
}

// The state that was saved with n is there, byte for byte.
static void holds(unsigned n, const char *when)
{
    const ckpt_code rc = ckpt_load(&f.run, &f.last, f.buf, sizeof(f.buf));
    const ckpt_bytes want = state_of(n);
    demand(rc == CKPT_OK, when, &f.run.error);
    demand(rc != CKPT_OK || (f.last.turn == n && f.last.state.len == want.len &&
           memcmp(f.last.state.ptr, want.ptr, want.len) == 0), when,
           &f.run.error);
}

static bool open_store(void)
{
    ckpt_error err;
    snprintf(f.name, sizeof(f.name), "%.300s/runs", f.dir);
    ckpt_code rc = ckpt_store_fs_open(&f.fs, &(ckpt_store_fs_desc){
        .dir = f.name }, &err);
    demand(rc == CKPT_OK, "open the store", &err);
    return rc == CKPT_OK && ckpt_init(&f.ctx, &(ckpt_desc){
        .store = &f.fs.base, .throttle_ms = CKPT_OFF, .beat_ms = 1,
    }) == CKPT_OK;
}

// Writes one more file, as much of n bytes as there is room for, in steps.
// Returns false if not even its first step is done.
static bool fill_one(size_t n, size_t step)
{
    static const char zeros[BIG];
    size_t done = 0;
    snprintf(f.name, sizeof(f.name), "%.300s/fill-%u", f.dir, f.files);
    const int fd = open(f.name, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) {
        return false;
    }
    f.files++;
    ssize_t r = 0;
    while (done < n && (r = write(fd, zeros, step)) == (ssize_t)step) {
        done += step;
    }
    // What was promised only may not be there.
    const bool well = fsync(fd) == 0 && (n == 0 || done > 0);
    return close(fd) == 0 && well;
}

// Until twice after a sync there is no room for anything more.
static void fill(void)
{
    for (int i = 0; i < 2; i++) {
        while (f.bytes && fill_one((size_t)64 * BIG, BIG)) { }
        while (f.files < FILES_MAX && fill_one(f.bytes ? 4096 : 0, 4096)) { }
        sync();
    }
}

static void while_full(void)
{
    const ckpt_error *e = ckpt_last_error(&f.ctx);
    ckpt_code rc = ckpt_open(&f.ctx, &f.other, &(ckpt_run_desc){
        .id = "other" });
    if (rc == CKPT_OK) {                // there was room for its claim
        rc = ckpt_save(&f.other, &(ckpt_save_desc){ .anew = true, .turn = 1,
                                                    .state = state_of(1) });
        e = &f.other.error;
    }
    demand(rc == CKPT_ERR_NO_SPACE && e->sys == f.want, "a new run", e);
    ckpt_abandon(&f.other);
    for (unsigned n = 2, acked = 1; n < 5; n++) {
        rc = save(n);
        acked = rc == CKPT_OK ? n : acked;
        demand((rc == CKPT_ERR_NO_SPACE && f.run.error.sys == f.want) ||
               (rc == CKPT_OK && f.fs.publishing == CKPT_STORE_FS_EXCHANGE),
               "a save", &f.run.error);
        holds(acked, "the checkpoint that was acknowledged last");
    }
    rc = ckpt_beat(&f.run);
    demand(rc >= 0, "a beat", &f.run.error);
}

static void make_room(const char *raised)
{
    if (raised != NULL) {
        printf("full\n");
        fflush(stdout);
        for (int i = 0; i < SECONDS * 100 && access(raised, F_OK) != 0; i++) {
            nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        }
        return;
    }
    while (f.files > 0) {
        f.files--;
        snprintf(f.name, sizeof(f.name), "%.300s/fill-%u", f.dir, f.files);
        (void)unlink(f.name);
    }
    sync();
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: full dir bytes|files ENOSPC|EDQUOT [raised]\n");
        return 2;
    }
    f.dir = argv[1];
    f.bytes = strcmp(argv[2], "bytes") == 0;
    f.want = strcmp(argv[3], "EDQUOT") == 0 ? EDQUOT : ENOSPC;
    const ckpt_run_desc job = { .id = "job" };
    if (!open_store()) {
        return 1;
    }
    ckpt_code rc = ckpt_open(&f.ctx, &f.run, &job);
    demand(rc == CKPT_OK && save(1) == CKPT_OK, "the first save", &f.run.error);
    fill();
    while_full();
    make_room(argc == 5 ? argv[4] : NULL);
    demand(save(5) == CKPT_OK, "a save where there is room", &f.run.error);
    holds(5, "and its load");
    ckpt_abandon(&f.run);
    ckpt_store_fs_close(&f.fs);
    if (!open_store()) {
        return 1;
    }
    rc = ckpt_resume(&f.ctx, &f.run, &job);
    demand(rc == CKPT_OK, "a resume", ckpt_last_error(&f.ctx));
    holds(5, "what it finds");
    rc = ckpt_finish(&f.run, CKPT_COMPLETED, NULL);
    demand(rc == CKPT_OK, "a finish", &f.run.error);
    ckpt_store_fs_close(&f.fs);
    return f.bad > 0;
}
