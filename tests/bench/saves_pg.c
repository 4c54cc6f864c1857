// SPDX-License-Identifier: MIT-0
// saves_pg.c -- what a save in PostgreSQL costs, beside bare statements
//
//     bench_pg [rounds]                                   (400)
//
// It makes a server of its own, with fsync, and prints medians in microseconds:
// of statements that know nothing of ckpt, of the methods of the store, and of
// the calls of the core. All take turns, so that they were measured on the same
// machine in the same state; a ratio is the median of those of the rounds. "One
// row of the whole state" is how LangGraph's saver for PostgreSQL keeps one. It
// judges nothing; it fails if a call does.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif
#define CLUSTER_HERE

#include "ckpt.h"
#include "ckpt_store_pg.h"
#include "cluster.h"

#include <inttypes.h>
#include <pthread.h>

enum { KIB = 1024, WORKS = 11, ROUNDS_MAX = 4000 };

static struct {
    PGconn       *conn;
    ckpt_store_pg pg;
    ckpt_ctx      ctx;
    ckpt_run      run[2];           // whose transcript is short, and long
    uint64_t      seq;
    char         *text;             // 4 MiB of JSON
    double        us[WORKS][ROUNDS_MAX];
} b;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_pg: %s: %s\n", what, why);
    exit(1);
}

static double now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

//--- Bare statements ----------------------------------------------------------

static void bare(const char *sql, const char *bytes, size_t n)
{
    char number[32];
    const char *values[3] = { "1", number, bytes };
    const int lengths[3] = { 0, 0, (int)n }, formats[3] = { 0, 0, 1 };
    snprintf(number, sizeof(number), "%" PRIu64, ++b.seq);
    PGresult *res = PQexecParams(b.conn, sql, bytes != NULL ? 3 : 2, NULL,
                                 values, lengths, formats, 1);
    if (PQresultStatus(res) != PGRES_TUPLES_OK &&
        PQresultStatus(res) != PGRES_COMMAND_OK) {
        die(sql, PQerrorMessage(b.conn));
    }
    PQclear(res);
}

// Fence, save and beat, a row for each message: what ckpt's save is held to.
#define BARE_SAVE                                                              \
    "WITH mine AS (UPDATE bare_run SET seq = $2::bigint, "                     \
    "beat_at = clock_timestamp() WHERE id = $1::bigint AND epoch = 1 "         \
    "RETURNING id) INSERT INTO bare_message SELECT id, $2::bigint, $3::bytea " \
    "FROM mine"
#define BARE_BEAT(lax)                                                         \
    "UPDATE bare_run SET beat_at = clock_timestamp()" lax                      \
    " WHERE id = $1::bigint AND epoch = 1 AND $2::bigint > 0"

static void bare_save(void)  { bare(BARE_SAVE, b.text, KIB); }
static void bare_beat(void)  { bare(BARE_BEAT(""), NULL, 0); }

static void bare_lax_beat(void)
{
    bare(BARE_BEAT(" FROM (SELECT set_config('synchronous_commit', 'off', "
                   "true)) AS lax"), NULL, 0);
}

// A row for each save, with the whole state in it.
#define WHOLE "INSERT INTO whole VALUES ($1::bigint, $2::bigint, $3::bytea)"

static void whole_4k(void)   { bare(WHOLE, b.text, 4 * KIB); }
static void whole_4m(void)   { bare(WHOLE, b.text, 4 * KIB * KIB); }

//--- The store ----------------------------------------------------------------

// A generation of a head, a transcript and a tail, as the core writes it.
typedef struct bare_gen {
    ckpt_store_pg *pg;
    uint64_t       place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    ckpt_gen       gen;
    uint64_t       size;            // of the transcript
    uint32_t       crc;
} bare_gen;

static bare_gen small_gen, large_gen;

static void store_must(ckpt_code rc, const char *what)
{
    if (rc != CKPT_OK) {
        die(what, ckpt_store_pg_message(&b.pg));
    }
}

static void store_put(bare_gen *g, const void *bytes, uint64_t offset,
                      uint64_t size, uint32_t crc)
{
    ckpt_store *s = &b.pg.base;
    const ckpt_part part = { bytes, offset, size, crc };
    ckpt_error err;
    store_must(s->methods->put(s, g->place, &g->gen, &part, &err), "put");
}

// Adds n bytes to the transcript.
static void store_save(bare_gen *g, size_t n)
{
    const char *head = b.text + 8;
    store_put(g, head, 0, 512, ckpt_crc32c(0, head, 512));
    if (g->size > 0) {
        store_put(g, NULL, 512, g->size, g->crc);
    }
    store_put(g, b.text, 0, n, ckpt_crc32c(0, b.text, n));
    store_put(g, head, 0, 200, ckpt_crc32c(0, head, 200));
    g->size += n;
    g->crc = ckpt_crc32c(g->crc, b.text, n);
    g->gen.epoch = 1;
    g->gen.seq = ++b.seq;
}

static void store_publish(bare_gen *g)
{
    ckpt_store *s = &b.pg.base;
    ckpt_error err;
    memset(&err, 0, sizeof(err));
    store_must(s->methods->publish(s, g->place, &g->gen, &err), "publish");
}

static void store_begin(bare_gen *g, const char *id, size_t size)
{
    ckpt_store *s = &b.pg.base;
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_error err;
    memset(g, 0, sizeof(*g));
    store_must(s->methods->open(s, g->place, id, CKPT_HOW_NEW, &err), "open");
    store_must(s->methods->claim(s, g->place, 1, "bench", nonce, &err),
               "claim");
    store_save(g, size);
    store_publish(g);
}

static void publish_4k(void) { store_publish(&small_gen); }
static void publish_4m(void) { store_publish(&large_gen); }

static void store_beat(void)
{
    ckpt_store *s = &b.pg.base;
    ckpt_error err;
    store_must(s->methods->beat(s, small_gen.place, 1, &err), "beat");
}

//--- The core -----------------------------------------------------------------

static void run_must(ckpt_run *run, ckpt_code rc)
{
    if (rc < 0) {
        die(run->error.op, run->error.msg);
    }
}

static void run_save(ckpt_run *run)
{
    char message[KIB];
    memset(message, 'x', sizeof(message));
    memcpy(message, "[\"", 2);
    memcpy(message + sizeof(message) - 2, "\"]", 2);
    const ckpt_save_desc save = {
        .turn = run->turn + 1, .append_at = run->messages,
        .messages = { message, sizeof(message) }
    };
    run_must(run, ckpt_save(run, &save));
}

static void save_4k(void)    { run_save(&b.run[0]); }
static void save_4m(void)    { run_save(&b.run[1]); }

//--- All of them --------------------------------------------------------------

typedef struct work {
    const char *name;
    bare_gen   *before;             // what is put into it, not measured
    void      (*run)(void);
    unsigned    to;                 // the work that its ratio is to
} work;

static const work works[WORKS] = {
    { "bare statement, 1 KiB",              NULL,       bare_save,     0 },
    { "publish, 1 KiB added at 4 KiB",      &small_gen, publish_4k,    0 },
    { "publish, 1 KiB added at 4 MiB",      &large_gen, publish_4m,    1 },
    { "ckpt_save, 1 KiB added at 4 KiB",    NULL,       save_4k,       0 },
    { "ckpt_save, 1 KiB added at 4 MiB",    NULL,       save_4m,       3 },
    { "one row of the whole state, 4 KiB",  NULL,       whole_4k,      3 },
    { "bare beat, synchronous",             NULL,       bare_beat,     7 },
    { "bare beat, synchronous_commit off",  NULL,       bare_lax_beat, 7 },
    { "beat of the store",                  NULL,       store_beat,    7 },
    { "bare statement, again",              NULL,       bare_save,     0 },
    { "one row of the whole state, 4 MiB",  NULL,       whole_4m,      4 }
};

static int by_size(const void *a, const void *c)
{
    const double x = *(const double *)a, y = *(const double *)c;
    return (x > y) - (x < y);
}

static double median(double *x, unsigned n)
{
    qsort(x, n, sizeof(x[0]), by_size);
    return x[n / 2];
}

static void print_medians(unsigned rounds)
{
    static double ratio[WORKS][ROUNDS_MAX];
    for (unsigned w = 0; w < WORKS; w++) {
        for (unsigned i = 0; i < rounds; i++) {
            ratio[w][i] = b.us[w][i] / b.us[works[w].to][i];
        }
    }
    for (unsigned w = 0; w < WORKS; w++) {
        printf("%-36s %8.0f us", works[w].name, median(b.us[w], rounds));
        if (works[w].to != w) {
            printf(" %7.2f x %s", median(ratio[w], rounds),
                   works[works[w].to].name);
        }
        printf("\n");
    }
}

static void begin(void)
{
    ckpt_error err;
    if (!cluster_start()) {
        die("start a server", "there is none");
    }
    b.conn = PQconnectdb(cluster_conninfo());
    if (!cluster_sql(
            "CREATE TABLE bare_run (id bigint PRIMARY KEY, epoch bigint, "
            "seq bigint, beat_at timestamptz); "
            "INSERT INTO bare_run VALUES (1, 1, 0, now()); "
            "CREATE TABLE bare_message (id bigint, seq bigint, bytes bytea, "
            "PRIMARY KEY (id, seq)); "
            "CREATE TABLE whole (id bigint, seq bigint, bytes bytea, "
            "PRIMARY KEY (id, seq))")) {
        exit(1);
    }
    const ckpt_store_pg_desc desc = {
        .conninfo = cluster_conninfo(), .create = true
    };
    store_must(ckpt_store_pg_open(&b.pg, &desc, &err), "open");
    store_must(ckpt_init(&b.ctx, &(ckpt_desc){
        .store = &b.pg.base, .throttle_ms = CKPT_OFF }), "init");
    for (unsigned i = 0; i < 2; i++) {
        const size_t n = i == 0 ? 4 * KIB : 4 * KIB * KIB;
        run_must(&b.run[i], ckpt_open(&b.ctx, &b.run[i], &(ckpt_run_desc){
            .id = i == 0 ? "short" : "long" }));
        memcpy(b.text, "[\"", 2);
        memcpy(b.text + n - 2, "\"]", 2);
        const ckpt_save_desc save = { .turn = 1, .messages = { b.text, n } };
        run_must(&b.run[i], ckpt_save(&b.run[i], &save));
        memset(b.text, 'x', n);
    }
    store_begin(&small_gen, "small", 4 * KIB);
    store_begin(&large_gen, "large", 4 * KIB * KIB);
}

// Each round has another order: a process of the server that has just worked is
// quicker than one that has slept, and no work may always follow its like.
static void shuffle(unsigned *order, unsigned n)
{
    static uint32_t dice = 1;
    for (unsigned i = n; i > 1; i--) {
        dice = dice * UINT32_C(1664525) + UINT32_C(1013904223);
        const unsigned k = (dice >> 8) % i, last = order[i - 1];
        order[i - 1] = order[k];
        order[k] = last;
    }
}

static void measure(unsigned from, unsigned to, unsigned rounds)
{
    unsigned order[WORKS];
    for (unsigned w = from; w < to; w++) {
        order[w - from] = w;
    }
    for (unsigned i = 0; i < rounds; i++) {
        shuffle(order, to - from);
        for (unsigned k = 0; k < to - from; k++) {
            const unsigned w = order[k];
            if (works[w].before != NULL) {
                store_save(works[w].before, KIB);
            }
            const double since = now_us();
            works[w].run();
            b.us[w][i] = now_us() - since;
        }
    }
}

//--- Many at once -------------------------------------------------------------

enum { CLIENTS = 8, SAVES = 500, IDLE = 2000 };

// A worker on a connection of its own: it saves one run, 1 KiB more each time.
static void *client(void *id)
{
    ckpt_store_pg pg;
    ckpt_ctx ctx;
    ckpt_run *run = (ckpt_run *)calloc(1, sizeof(*run));
    ckpt_error err;
    const ckpt_store_pg_desc desc = { .conninfo = cluster_conninfo() };
    if (run == NULL || ckpt_store_pg_open(&pg, &desc, &err) < 0 ||
        ckpt_init(&ctx, &(ckpt_desc){ .store = &pg.base,
                                      .throttle_ms = CKPT_OFF }) < 0) {
        die("begin a client", "no connection");
    }
    run_must(run, ckpt_open(&ctx, run, &(ckpt_run_desc){
        .id = (const char *)id }));
    for (unsigned i = 0; i < SAVES; i++) {
        run_save(run);
    }
    free(run);
    ckpt_store_pg_close(&pg);
    return NULL;
}

// How many saves a second, what each writes, and how much room a run takes.
static void many(void)
{
    static char ids[CLIENTS][16];
    pthread_t threads[CLIENTS];
    const long long wal = cluster_number(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint");
    const double since = now_us();
    for (unsigned i = 0; i < CLIENTS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "client-%u", i);
        if (pthread_create(&threads[i], NULL, client, ids[i]) != 0) {
            die("begin a client", "no thread");
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    const double took = now_us() - since;
    const long long wrote = cluster_number(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint") - wal;
    printf("%-36s %8.0f a second\n", "ckpt_save, 1 KiB, of 8 clients",
           CLIENTS * SAVES / took * 1e6);
    printf("%-36s %8lld bytes\n", "log of the server, for each",
           wrote / (CLIENTS * SAVES));
    (void)cluster_sql("TRUNCATE ckpt_run, ckpt_claim, ckpt_gen, ckpt_chunk");
    for (unsigned i = 0; i < IDLE; i++) {
        static ckpt_run run;
        char id[32];
        snprintf(id, sizeof(id), "idle-%u", i);
        run_must(&run, ckpt_open(&b.ctx, &run, &(ckpt_run_desc){ .id = id }));
        run_save(&run);
        run_must(&run, ckpt_finish(&run, CKPT_INTERRUPTED, NULL));
    }
    printf("%-36s %8lld bytes\n", "a run of 1 KiB of messages, at rest",
           cluster_number("SELECT (pg_total_relation_size('ckpt_run') + "
                          "pg_total_relation_size('ckpt_claim') + "
                          "pg_total_relation_size('ckpt_gen') + "
                          "pg_total_relation_size('ckpt_chunk'))::bigint") /
           IDLE);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 400;
    rounds = rounds > 0 && rounds <= ROUNDS_MAX ? rounds : ROUNDS_MAX;
    b.text = (char *)malloc(4 * KIB * KIB);
    if (b.text == NULL) {
        die("begin", "no memory");
    }
    memset(b.text, 'x', 4 * KIB * KIB);
    cluster.durable = true;
    begin();
    measure(0, WORKS - 1, rounds);
    measure(WORKS - 1, WORKS, rounds);      // it would disturb the others
    print_medians(rounds);
    many();
    return 0;
}
