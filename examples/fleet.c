// SPDX-License-Identifier: MIT-0
/*
    fleet.c -- workers on any number of machines, over one database

    Start it on each machine, as often as you like, with the same connection
    string. There is no leader and no queue: the tasks are runs in the database.
    A worker resumes one that nobody works on, saves each turn, and takes the
    next one. When a worker is killed, or its machine is cut off, its run is
    resumed by another worker, elsewhere, from its last save; should the first
    one come back, its next save says that the run is not its own any more.

        cc -std=c99 -I. -I/usr/include/postgresql -o fleet examples/fleet.c -lpq
        ./fleet [-w name] [-n tasks] [-t turns] "host=db.example dbname=agents"

    It makes the tables, if there are none. Exit status: 0 every task is done;
    1 an error; 75 stopped.
*/
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_PG_IMPLEMENTATION
#include "ckpt_store_pg.h"              // first: it says which POSIX it needs

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TURN_MS   = 50,                     // of work for each turn
    LEASE_MS  = 3000,                   // a worker that does not beat for that
                                        // long has lost its run
    TICK_MS   = 500,                    // between two scans
    TRY_LATER = 75,                     // EX_TEMPFAIL
    AWAY      = 30                      // scans that may fail in a row
};

static volatile sig_atomic_t stopped;

static struct {
    ckpt_store_pg pg;
    ckpt_ctx      ctx;
    ckpt_run      run;
    const char   *name;
    unsigned      tasks, turns;
} w = { .name = "worker", .tasks = 6, .turns = 20 };

static void stop(int sig)
{
    stopped = sig;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int fail(const char *what, const ckpt_error *error)
{
    fprintf(stderr, "%s: %s: %s (%s)\n", w.name, what, error->msg, error->op);
    return 1;
}

// A run that was begun and let go is a task in a queue. Another worker may have
// queued it, or be at it: that is as good.
static ckpt_code queue_tasks(void)
{
    for (unsigned i = 1; i <= w.tasks; i++) {
        char id[32];
        snprintf(id, sizeof(id), "task-%u", i);
        ckpt_code rc = ckpt_start(&w.ctx, &w.run, &(ckpt_run_desc){
            .id = id, .once = true });
        if (rc == CKPT_OK) {
            rc = ckpt_finish(&w.run, CKPT_INTERRUPTED, NULL);
        }
        if (rc < 0 && rc != CKPT_ERR_EXISTS && rc != CKPT_ERR_LIVE &&
            rc != CKPT_ERR_FAILED && rc != CKPT_ERR_CLAIM_LOST) {
            return rc;
        }
    }
    return CKPT_OK;
}

// Works on the run that was claimed, to its end. The database may be away for a
// while: a turn that could not be saved is saved with the next try. Meanwhile
// another worker may have taken the run, or have ended it.
static void work(void)
{
    unsigned failed = 0;
    printf("%s: %s from turn %u, attempt %u\n", w.name, w.run.id,
           (unsigned)w.run.turn, (unsigned)w.run.attempt);
    fflush(stdout);
    while (w.run.turn < w.turns && !stopped && failed < AWAY) {
        char message[128];
        sleep_ms(TURN_MS);              // the work
        snprintf(message, sizeof(message),
                 "[{\"role\":\"assistant\",\"content\":\"turn %u by %s\"}]",
                 (unsigned)w.run.turn + 1, w.name);
        const ckpt_code rc = ckpt_save(&w.run, &(ckpt_save_desc){
            .turn = w.run.turn + 1, .append_at = w.run.messages,
            .messages = ckpt_text(message) });
        if (rc == CKPT_ERR_CLAIM_LOST || rc == CKPT_ERR_NOT_FOUND) {
            printf("%s: %s is another one's now\n", w.name, w.run.id);
            ckpt_abandon(&w.run);
            return;
        }
        failed = rc < 0 ? failed + 1 : 0;
    }
    const ckpt_outcome outcome = w.run.turn < w.turns ? CKPT_INTERRUPTED
                                                      : CKPT_COMPLETED;
    if (ckpt_finish(&w.run, outcome, NULL) < 0) {
        (void)fail(w.run.id, &w.run.error);
        ckpt_abandon(&w.run);           // its next owner finishes it
    }
}

// Resumes what nobody works on. Returns CKPT_END when there is no more.
static ckpt_code resume_all(void)
{
    ckpt_cursor cursor = { 0 };
    ckpt_code rc = CKPT_OK;
    while (!stopped &&
           (rc = ckpt_resume_next(&w.ctx, &w.run, &cursor)) == CKPT_OK) {
        static ckpt_checkpoint last;
        static char buf[1 << 20];
        if (ckpt_load(&w.run, &last, buf, sizeof(buf)) < 0) {
            (void)fail(w.run.id, &w.run.error);
            ckpt_abandon(&w.run);
            continue;
        }
        work();                         // last.messages says what was done
    }
    ckpt_cursor_close(&w.ctx, &cursor);
    return rc;
}

// What a scan found: tasks that are done, and their messages.
typedef struct count {
    unsigned done;
    uint64_t messages;
} count;

static bool count_one(void *user, const ckpt_run_info *info)
{
    count *c = (count *)user;
    c->done++;
    c->messages += info->messages;
    return true;
}

static int fleet(void)
{
    count c = { 0, 0 };
    unsigned away = 0;
    ckpt_code rc = queue_tasks();
    while (!stopped && c.done < w.tasks && away < AWAY) {
        rc = resume_all();
        memset(&c, 0, sizeof(c));
        if (rc >= 0) {
            rc = ckpt_scan(&w.ctx, CKPT_STATE_DONE, count_one, &c);
        }
        away = rc < 0 ? away + 1 : 0;
        if (c.done < w.tasks) {
            sleep_ms(TICK_MS);
        }
    }
    if (c.done < w.tasks) {
        return stopped ? TRY_LATER : fail("work", ckpt_last_error(&w.ctx));
    }
    printf("%s: %u tasks are done, with %u messages\n", w.name, c.done,
           (unsigned)c.messages);
    return 0;
}

int main(int argc, char **argv)
{
    const char *conninfo = NULL;
    ckpt_error error;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc && argv[i][0] == '-';
        if (more && argv[i][1] == 'w') {
            w.name = argv[++i];
        } else if (more && argv[i][1] == 'n') {
            w.tasks = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (more && argv[i][1] == 't') {
            w.turns = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            conninfo = argv[i];
        }
    }
    if (conninfo == NULL) {
        return fprintf(stderr, "fleet [-w name] [-n tasks] [-t turns] "
                       "connection\n"), 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    if (ckpt_store_pg_open(&w.pg, &(ckpt_store_pg_desc){
            .conninfo = conninfo, .create = true, .timeout_ms = 2000 },
            &error) < 0) {
        return fail(ckpt_store_pg_message(&w.pg), &error);
    }
    if (ckpt_init(&w.ctx, &(ckpt_desc){
            .store = &w.pg.base, .owner = w.name, .throttle_ms = CKPT_OFF,
            .beat_ms = LEASE_MS / 6, .lease_ms = LEASE_MS }) < 0) {
        return fail("begin", ckpt_last_error(&w.ctx));
    }
    const int status = fleet();
    ckpt_store_pg_close(&w.pg);
    return status;
}
