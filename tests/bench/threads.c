// SPDX-License-Identifier: MIT-0
/*
    threads.c -- 16 threads save as fast as they can, each a run of its own
*/
#define _GNU_SOURCE

#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 16, KINDS_MAX = 16, SIZE = 16384, TEXTS = 3 };

typedef struct worker {
    pthread_t         thread;
    const saver_kind *kind;
    char              dir[4096], shared[4096], id[16];
    double            saves;
} worker;

// All rounds of one kind of saver.
typedef struct lane {
    const saver_kind *kind;
    samples           rate;         // saves in a second
    double            saves;
    counters          sum;
} lane;

static struct {
    pthread_barrier_t ready, go;
    pthread_mutex_t   opening;
    transcript        text[TEXTS];  // three, as in saves.c
    int64_t           until_ns;     // written before the barrier "go"
} t = { .opening = PTHREAD_MUTEX_INITIALIZER };

static void *work(void *arg)
{
    worker *w = arg;
    make_dir(w->dir);
    // One after another: a database that several open at once is busy.
    pthread_mutex_lock(&t.opening);
    saver *s = saver_open(w->kind, &(saver_desc){
        .dir = w->dir, .shared = w->shared, .id = w->id, .size = SIZE,
        .durable = true, .first = transcript_bytes(&t.text[0]) });
    pthread_mutex_unlock(&t.opening);
    pthread_barrier_wait(&t.ready);
    pthread_barrier_wait(&t.go);
    job j = { 0 };
    while (now_ns() < t.until_ns) {
        j.turn++;
        j.whole = transcript_bytes(&t.text[j.turn % TEXTS]);
        saver_save(s, &j);
    }
    w->saves = (double)j.turn;
    pthread_barrier_wait(&t.ready);
    saver_close(s);
    return NULL;
}

static void run_once(lane *l, double seconds)
{
    static worker workers[THREADS];
    char root[4096];
    double saves = 0;
    snprintf(root, sizeof(root), "%.3900s/threads", bench.dir);
    make_dir(root);
    for (int i = 0; i < THREADS; i++) {
        worker *w = &workers[i];
        w->kind = l->kind;
        snprintf(w->shared, sizeof(w->shared), "%.3900s/shared", root);
        snprintf(w->dir, sizeof(w->dir), "%.3900s/%d", root, i);
        snprintf(w->id, sizeof(w->id), "run-%d", i);
        make_dir(w->shared);
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            die("a thread", "it cannot be made");
        }
    }
    pthread_barrier_wait(&t.ready);
    sync_place();
    const counters from = counters_read();
    const int64_t start = now_ns();
    t.until_ns = start + (int64_t)(seconds * 1e9);
    pthread_barrier_wait(&t.go);
    pthread_barrier_wait(&t.ready);
    const double took = (double)(now_ns() - start) / 1e9;
    const counters to = counters_read();
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        saves += workers[i].saves;
    }
    samples_add(&l->rate, saves / took);
    l->saves += saves;
    counters_add(&l->sum, &from, &to);
    remove_tree(root);
}

void bench_threads(void)
{
    const int rounds = bench.quick ? 3 : 7;
    const double seconds = bench.quick ? 0.3 : 1.5;
    lane lanes[KINDS_MAX];
    int n = 0;
    memset(lanes, 0, sizeof(lanes));
    for (uint32_t i = 0; i < TEXTS; i++) {
        transcript_make(&t.text[i], SIZE, 0, i);
    }
    pthread_barrier_init(&t.ready, NULL, THREADS + 1);
    pthread_barrier_init(&t.go, NULL, THREADS + 1);
    for (size_t k = 0; k < saver_kinds_count; k++) {
        if (saver_kinds[k].flags & IN_THREADS) {
            lanes[n++].kind = &saver_kinds[k];
        }
    }
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            run_once(&lanes[r % 2 == 0 ? i : n - 1 - i], seconds);
        }
    }
    for (int i = 0; i < n; i++) {
        const char *name = lanes[i].kind->name;
        figure("threads", SIZE, name, "saves/s", 0,
               samples_at(&lanes[i].rate, 0.5));
        figure("threads", SIZE, name, "least", 0,
               samples_at(&lanes[i].rate, 0));
        figure("threads", SIZE, name, "most", 0,
               samples_at(&lanes[i].rate, 1));
        figure_counters("threads", SIZE, name, &lanes[i].sum, lanes[i].saves);
        samples_free(&lanes[i].rate);
    }
    pthread_barrier_destroy(&t.ready);
    pthread_barrier_destroy(&t.go);
    for (int i = 0; i < TEXTS; i++) {
        transcript_free(&t.text[i]);
    }
}
