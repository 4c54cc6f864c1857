// SPDX-License-Identifier: MIT-0
/*
    saves.c -- what one save costs, by kind of saver and length of transcript

    The savers take turns: each round has a batch of saves of each of them, and
    every other round goes backwards, so that what else the machine does meets
    all alike. Before a batch the file system is synced, which is not timed.
*/
#include "bench.h"

#include <stdlib.h>
#include <string.h>

// Three texts, because with two a saver that keeps two files would find in the
// older one what it is to write.
enum { LANES_MAX = 16, ADDED = 1024, TEXTS = 3,
       STEADY = 500 };

// One saver, and what was measured of it.
typedef struct lane {
    const saver_kind *kind;
    saver            *s;
    saver_desc        desc;
    char              dir[4096];
    transcript        text[TEXTS];  // if all changes, they take turns
    transcript        added;
    job               j;
    samples           us, round_us; // each save; the median of each round
    double            cpu;
    counters          sum;
} lane;

static const char *table_name(bool durable, bool adds)
{
    if (adds) {
        return durable ? "added" : "added, process";
    }
    return durable ? "whole" : "whole, process";
}

static void lane_make(lane *l, const saver_kind *kind, size_t size, bool adds,
                      bool durable)
{
    snprintf(l->dir, sizeof(l->dir), "%.4000s/save-%zu", bench.dir,
             (size_t)(kind - saver_kinds));
    remove_tree(l->dir);
    make_dir(l->dir);
    for (uint32_t i = 0; i < TEXTS; i++) {
        transcript_make(&l->text[i], size, (size_t)(STEADY + 64) * ADDED, i);
    }
    transcript_make(&l->added, ADDED + 2, 0, TEXTS);
    l->kind = kind;
    l->desc = (saver_desc){ .dir = l->dir, .shared = l->dir, .id = "bench",
                            .size = size, .durable = durable, .adds = adds,
                            .first = transcript_bytes(&l->text[0]) };
}

static void lane_free(lane *l)
{
    remove_tree(l->dir);
    for (int i = 0; i < TEXTS; i++) {
        transcript_free(&l->text[i]);
    }
    transcript_free(&l->added);
    samples_free(&l->us);
    samples_free(&l->round_us);
}

// What the next save has to store; this is not timed.
static void lane_next(lane *l)
{
    l->j.turn++;
    if (!l->desc.adds) {
        l->j.whole = transcript_bytes(&l->text[l->j.turn % TEXTS]);
        return;
    }
    l->j.added = transcript_bytes(&l->added);
    transcript_add(&l->text[0], l->j.added);
    l->j.whole = transcript_bytes(&l->text[0]);
}

static void lane_save(void *arg)
{
    lane *l = arg;
    lane_next(l);
    saver_save(l->s, &l->j);
}

// Takes a transcript that grew back to its length. Two more saves bring a
// saver that keeps two files to where both have the new length.
static void lane_level(lane *l)
{
    if (!l->desc.adds) {
        return;
    }
    transcript_rewind(&l->text[0]);
    if (!(l->kind->flags & LEVELS)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        l->j.turn++;
        saver_save(l->s, &(job){ .turn = l->j.turn,
                                 .whole = transcript_bytes(&l->text[0]) });
    }
    for (int i = 0; i < 2; i++) {
        lane_save(l);
    }
}

static void lane_batch(lane *l, int saves, bool counts)
{
    samples batch = { 0 };
    lane_level(l);
    sync_place();
    const counters from = counters_read();
    const double cpu_from = cpu_us();
    for (int i = 0; i < saves; i++) {
        lane_next(l);
        const int64_t start = now_ns();
        saver_save(l->s, &l->j);
        samples_add(&batch, (double)(now_ns() - start) / 1e3);
    }
    const double cpu_to = cpu_us();
    if (!l->desc.durable) {
        sync_place();
    }
    const counters to = counters_read();
    if (counts) {
        for (size_t i = 0; i < batch.n; i++) {
            samples_add(&l->us, batch.v[i]);
        }
        samples_add(&l->round_us, samples_at(&batch, 0.5));
        l->cpu += cpu_to - cpu_from;
        counters_add(&l->sum, &from, &to);
    }
    samples_free(&batch);
}

// How often as long as another saver, each round against the same round of it.
static double ratio(const lane *l, const lane *to)
{
    samples ratios = { 0 };
    for (size_t i = 0; i < l->round_us.n; i++) {
        samples_add(&ratios, l->round_us.v[i] / to->round_us.v[i]);
    }
    const double median = samples_at(&ratios, 0.5);
    samples_free(&ratios);
    return median;
}

// floor is the first lane; ours is ckpt as it is meant to be used.
static void lane_figures(lane *l, lane *floor, const lane *ours, const calls *c)
{
    const char *table = table_name(l->desc.durable, l->desc.adds);
    const double n = (double)l->us.n;
    const uint64_t size = l->desc.size;
    const char *name = l->kind->name;
    figure(table, size, name, "us", 1, samples_at(&l->us, 0.5));
    figure(table, size, name, "ratio", 2, ratio(l, floor));
    figure(table, size, name, "x ckpt", 3, ratio(l, ours));
    figure(table, size, name, "p10 us", 1, samples_at(&l->us, 0.1));
    figure(table, size, name, "p10 ratio", 2,
           samples_at(&l->us, 0.1) / samples_at(&floor->us, 0.1));
    figure(table, size, name, "p90 us", 1, samples_at(&l->us, 0.9));
    figure(table, size, name, "cpu us", 1, l->cpu / n);
    figure_counters(table, size, name, &l->sum, n);
    figure_calls(table, size, name, c);
    figure(table, size, name, "saves", 0, n);
}

static void lane_open(void *arg)
{
    lane *l = arg;
    l->s = saver_open(l->kind, &l->desc);
    lane_level(l);
}

// In a directory of its own: a saver that is open here would be in the way.
static calls lane_calls(const saver_kind *kind, size_t size, bool adds,
                        bool durable)
{
    lane *l = must_alloc(sizeof(*l));
    lane_make(l, kind, size, adds, durable);
    const calls c = calls_of(lane_open, lane_save, l, 8);
    lane_free(l);
    free(l);
    return c;
}

static int saves_in_batch(size_t size, bool adds)
{
    if (size > 1 << 20) {
        return adds ? 4 : 3;
    }
    if (adds) {
        return size <= 8192 ? 4 : 10;
    }
    return size <= 16384 ? 20 : 8;
}

static int rounds_of(size_t size)
{
    if (size > 4 << 20) {
        return bench.quick ? 2 : 9;
    }
    return bench.quick ? 5 : 21;
}

static void bench_size(size_t size, bool adds, bool durable)
{
    static lane lanes[LANES_MAX];
    calls c[LANES_MAX];
    const int rounds = rounds_of(size);
    const unsigned flag = adds ? IN_ADDED : IN_WHOLE;
    int n = 0, ours = 0;
    memset(lanes, 0, sizeof(lanes));
    for (size_t k = 0; k < saver_kinds_count; k++) {
        if (saver_kinds[k].flags & flag) {
            c[n] = lane_calls(&saver_kinds[k], size, adds, durable);
            lane_make(&lanes[n], &saver_kinds[k], size, adds, durable);
            lane_open(&lanes[n]);
            ours = saver_kinds[k].flags & LEVELS ? n : ours;
            n++;
        }
    }
    // The first round warms up. Short transcripts have shorter batches, or
    // their length would not be the one that is told: so they have more.
    const int more = adds && size <= 8192 ? 3 : 1;
    for (int r = -1; r < rounds * more; r++) {
        for (int i = 0; i < n; i++) {
            lane_batch(&lanes[r % 2 == 0 ? i : n - 1 - i],
                       saves_in_batch(size, adds), r >= 0);
        }
    }
    for (int i = 0; i < n; i++) {
        lane_figures(&lanes[i], &lanes[0], &lanes[ours], &c[i]);
    }
    for (int i = 0; i < n; i++) {
        saver_close(lanes[i].s);
        lane_free(&lanes[i]);
    }
}

void bench_whole(bool durable)
{
    static const size_t sizes[] = { 1024, 16384, 262144, 4 << 20 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bench_size(sizes[i], false, durable);
    }
}

void bench_added(bool durable)
{
    static const size_t sizes[] = { 4096, 65536, 1 << 20, 4 << 20, 16 << 20 };
    const size_t count = durable ? 5 : 4;
    for (size_t i = 0; i < count; i++) {
        bench_size(sizes[i], true, durable);
    }
}

// Many saves in a row, without a sync between: what the journal adds now and
// then, and what it costs to grow.
static void steady_of(const char *variant, const saver_kind *kind, bool adds)
{
    const size_t size = 65536;
    lane *l = must_alloc(sizeof(*l));
    counters sum = { 0 };
    lane_make(l, kind, size, adds, true);
    const calls c = calls_of(lane_open, lane_save, l, STEADY);
    lane_free(l);
    lane_make(l, kind, size, adds, true);
    lane_open(l);
    sync_place();
    const counters from = counters_read();
    const int64_t start = now_ns();
    for (int i = 0; i < STEADY; i++) {
        lane_save(l);
    }
    const double seconds = (double)(now_ns() - start) / 1e9;
    const counters to = counters_read();
    counters_add(&sum, &from, &to);
    saver_close(l->s);
    lane_free(l);
    free(l);
    figure("steady", size, variant, "seconds", 2, seconds);
    figure("steady", size, variant, "flushes", 0, sum.flushes);
    figure("steady", size, variant, "commits", 0, sum.commits);
    figure("steady", size, variant, "KiB", 0, sum.kib);
    figure("steady", size, variant, "syncs", 0, c.syncs * STEADY);
}

void bench_steady(void)
{
    for (size_t k = 0; k < saver_kinds_count; k++) {
        const saver_kind *kind = &saver_kinds[k];
        if (kind->flags & IN_WHOLE) {
            char name[64];
            snprintf(name, sizeof(name), "%.40s, same length", kind->name);
            steady_of(name, kind, false);
        }
        if ((kind->flags & IN_ADDED) && !(kind->flags & IN_WHOLE)) {
            char name[64];
            snprintf(name, sizeof(name), "%.40s, growing", kind->name);
            steady_of(name, kind, true);
        }
    }
}

// What a tool that counts instructions is asked to look at.
extern void bench_one_save(void *arg);

void bench_one_save(void *arg)
{
    lane_save(arg);
}

void bench_instructions(const char *kind, bool adds, size_t size)
{
    void (*volatile save)(void *) = bench_one_save;
    lane *l = must_alloc(sizeof(*l));
    for (size_t k = 0; k < saver_kinds_count; k++) {
        if (strcmp(saver_kinds[k].name, kind) == 0) {
            lane_make(l, &saver_kinds[k], size, adds, true);
            lane_open(l);
            for (int i = 0; i < 4; i++) {
                save(l);
            }
            saver_close(l->s);
            lane_free(l);
        }
    }
    free(l);
}
