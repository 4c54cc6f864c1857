// SPDX-License-Identifier: MIT-0
/*
    bench.h -- what the benchmarks share

    The program measures, and writes one line for each figure into a file of
    tab-separated values:

        place  table  size  variant  figure  value

    tables.awk prints that file as tables, curves.awk draws it. So no figure is
    formatted in more than one place, and others can read what was measured.
    Nothing here judges: a benchmark fails only if a call fails.
*/
#ifndef BENCH_H
#define BENCH_H

#include "ckpt_store_fs.h"

#include <stdint.h>
#include <stdio.h>

// What was asked for on the command line.
typedef struct bench_options {
    const char *place;              // name of the file system in the figures
    const char *dir;                // where everything is made and removed
    bool        quick;
} bench_options;

extern bench_options bench;

//--- measure.c: clocks, counters, figures -------------------------------------

void die(const char *what, const char *why);
void die_errno(const char *what);
void check_code(const char *what, ckpt_code rc, const ckpt_error *err);
void *must_alloc(size_t size);

int64_t now_ns(void);
double  cpu_us(void);               // user and system time of the process

// A list of measurements. Zero-initialize it.
typedef struct samples {
    double *v;
    size_t  n, cap;
} samples;

void   samples_add(samples *s, double value);
double samples_at(const samples *s, double share);  // 0.5: the median
void   samples_free(samples *s);

// What a block device has done so far. A count that the system does not tell
// is negative.
typedef struct counters {
    double kib, flushes, commits;
} counters;

// Finds the device of bench.dir; device may name it where the file system
// hides it, or be NULL.
void     counters_open(const char *device);
counters counters_read(void);
void     counters_add(counters *sum, const counters *from, const counters *to);
void     sync_place(void);

// Writes the figure of a variant; NAN is written as "-".
void figure_open(const char *path);
void figure(const char *table, uint64_t size, const char *variant,
            const char *name, int digits, double value);
void figure_counters(const char *table, uint64_t size, const char *variant,
                     const counters *sum, double n);

// System calls of one operation, and how many of them wait for the medium:
// counted in a child that is traced. NAN where tracing is not allowed.
typedef struct calls {
    double all, syncs;
} calls;

typedef void bench_fn(void *arg);

calls calls_of(bench_fn *before, bench_fn *op, void *arg, unsigned count);
void  figure_calls(const char *table, uint64_t size, const char *variant,
                   const calls *c);

void make_dir(const char *path);
void remove_tree(const char *path);

//--- transcript.c: what is saved ----------------------------------------------

// A JSON array of messages that can grow and be cut back to its beginning.
typedef struct transcript {
    char  *p;
    size_t n, base, cap;
} transcript;

void       transcript_make(transcript *t, size_t size, size_t room,
                           uint32_t seed);
void       transcript_add(transcript *t, ckpt_bytes array);
void       transcript_rewind(transcript *t);
ckpt_bytes transcript_bytes(const transcript *t);
void       transcript_free(transcript *t);

//--- savers.c: ckpt and its peers ---------------------------------------------

// One save.
typedef struct job {
    uint64_t   turn;
    ckpt_bytes whole;               // the transcript
    ckpt_bytes added;               // the messages that are new at its end, as
                                    // an array; absent: all is new
} job;

typedef struct saver_desc {
    const char *dir;                // exists, and belongs to this saver
    const char *shared;             // exists, and is the same for all savers
    const char *id;                 // of the run
    size_t      size;               // of the transcript
    bool        durable;            // across a power cut; else a killed process
    bool        adds;               // each save adds to the transcript
    ckpt_bytes  first;              // the transcript it begins with
} saver_desc;

// The tables that a kind of saver has a row in.
enum {
    IN_WHOLE   = 1 << 0,            // everything changes
    IN_ADDED   = 1 << 1,            // a message is added
    IN_THREADS = 1 << 2,
    LEVELS     = 1 << 3             // a save of the beginning takes it back
};

typedef struct saver saver;

typedef struct saver_kind {
    const char *name;
    unsigned    flags;
    void      (*open)(saver *s);
    void      (*save)(saver *s, const job *j);
    void      (*close)(saver *s);
    unsigned    way;                // for kinds that share functions
} saver_kind;

extern const saver_kind saver_kinds[];
extern const size_t     saver_kinds_count;

saver *saver_open(const saver_kind *kind, const saver_desc *desc);
void   saver_save(saver *s, const job *j);
void   saver_close(saver *s);

//--- The tables ---------------------------------------------------------------

void bench_whole(bool durable);     // saves.c
void bench_added(bool durable);
void bench_steady(void);
void bench_instructions(const char *kind, bool adds, size_t size);
void bench_turns(void);             // turns.c
void bench_threads(void);           // threads.c
void bench_life(void);              // life.c
void bench_recover(void);
void bench_beat(void);
void bench_scan(void);

#endif
