// SPDX-License-Identifier: MIT-0
/*
    turns.c -- a whole run: it is saved after each turn, and ends at 4 MiB

    What is told is the time of all saves, what reached the device, and that as
    a multiple of the transcript at its end. The savers take turns, one run
    each, as in saves.c.
*/
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 16, MESSAGE = 4190, POINTS = 20 };

// All runs of one kind of saver.
typedef struct lane {
    const saver_kind *kind;
    samples           ms, cpu_ms, kib, flushes, commits;
} lane;

static void run_turns(saver *s, transcript *t, const lane *l, unsigned turns,
                      bool points, counters from)
{
    transcript message;
    for (unsigned i = 1; i <= turns; i++) {
        transcript_make(&message, MESSAGE + 1, 0, i);
        job j = { .turn = i, .added = transcript_bytes(&message) };
        transcript_add(t, j.added);
        j.whole = transcript_bytes(t);
        saver_save(s, &j);
        transcript_free(&message);
        if (points && i % (turns / POINTS) == 0) {
            const counters now = counters_read();
            figure("bytes", i, l->kind->name, "KiB", 0, now.kib - from.kib);
        }
    }
}

static void run_once(lane *l, unsigned turns, bool points)
{
    char dir[4096];
    transcript t;
    snprintf(dir, sizeof(dir), "%.4000s/turns", bench.dir);
    make_dir(dir);
    transcript_make(&t, 64, (size_t)turns * MESSAGE, 1);
    saver *s = saver_open(l->kind, &(saver_desc){
        .dir = dir, .shared = dir, .id = "bench", .size = t.n,
        .durable = true, .adds = true, .first = transcript_bytes(&t) });
    sync_place();
    const counters from = counters_read();
    const double cpu_from = cpu_us();
    const int64_t start = now_ns();
    run_turns(s, &t, l, turns, points, from);
    samples_add(&l->ms, (double)(now_ns() - start) / 1e6);
    samples_add(&l->cpu_ms, (cpu_us() - cpu_from) / 1e3);
    sync_place();
    const counters to = counters_read();
    samples_add(&l->kib, to.kib - from.kib);
    samples_add(&l->flushes, to.flushes - from.flushes);
    samples_add(&l->commits, to.commits - from.commits);
    saver_close(s);
    transcript_free(&t);
    remove_tree(dir);
}

static void lane_figures(lane *l, unsigned turns)
{
    const char *name = l->kind->name;
    const double kib = samples_at(&l->kib, 0.5);
    const double size = (double)turns * MESSAGE / 1024;
    figure("turns", turns, name, "ms", 0, samples_at(&l->ms, 0.5));
    figure("turns", turns, name, "cpu ms", 0, samples_at(&l->cpu_ms, 0.5));
    figure("turns", turns, name, "KiB", 0, kib);
    figure("turns", turns, name, "x final size", 1, kib / size);
    figure("turns", turns, name, "flushes a turn", 2,
           samples_at(&l->flushes, 0.5) / turns);
    figure("turns", turns, name, "commits a turn", 2,
           samples_at(&l->commits, 0.5) / turns);
}

void bench_turns(void)
{
    const unsigned turns = bench.quick ? 300 : 1000;
    const int rounds = bench.quick ? 1 : 3;
    lane lanes[KINDS_MAX];
    int n = 0;
    memset(lanes, 0, sizeof(lanes));
    for (size_t k = 0; k < saver_kinds_count; k++) {
        if (saver_kinds[k].flags & IN_ADDED) {
            lanes[n++].kind = &saver_kinds[k];
        }
    }
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            run_once(&lanes[r % 2 == 0 ? i : n - 1 - i], turns, r == 0);
        }
    }
    for (int i = 0; i < n; i++) {
        lane_figures(&lanes[i], turns);
        samples_free(&lanes[i].ms);
        samples_free(&lanes[i].cpu_ms);
        samples_free(&lanes[i].kib);
        samples_free(&lanes[i].flushes);
        samples_free(&lanes[i].commits);
    }
}
