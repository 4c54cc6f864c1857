// SPDX-License-Identifier: MIT-0
// The store over PostgreSQL without memory. This file has a store of its own,
// whose realloc() fails when it is told to.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif

#include <stdlib.h>

static unsigned long memory_calls, memory_fails_at;     // 0: never

static void *memory_realloc(void *p, size_t n)
{
    return ++memory_calls == memory_fails_at ? NULL : realloc(p, n);
}

#define realloc memory_realloc
#define CKPT_STATIC
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_PG_IMPLEMENTATION
#include "ckpt_store_pg.h"
#undef realloc
#include "test.h"
#include "cluster.h"

enum { LARGE = 1100, SMALL = 10, TIMES = 140 };

static struct {
    ckpt_store_pg pg;
    uint64_t      place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    ckpt_gen      gen;
    ckpt_error    err;
    char          large[LARGE], small[SMALL];
    char          buf[TIMES * (LARGE + SMALL) + 1];
} m;

static ckpt_code put(const char *bytes, const char *of, size_t n)
{
    const ckpt_part part = { bytes, 0, n, ckpt_crc32c(0, of, n) };
    ckpt_store *s = &m.pg.base;
    return s->methods->put(s, m.place, &m.gen, &part, &m.err);
}

static ckpt_code publish(uint64_t seq)
{
    ckpt_store *s = &m.pg.base;
    m.gen.seq = seq;
    return s->methods->publish(s, m.place, &m.gen, &m.err);
}

// A run whose first save is a chunk.
static bool begin(void)
{
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_store *s = &m.pg.base;
    memset(&m.gen, 0, sizeof(m.gen));
    m.gen.epoch = 1;
    return CHECK(cluster_empty()) &&
           CHECK_INT(s->methods->open(s, m.place, "a", CKPT_HOW_NEW, &m.err),
                     CKPT_OK) &&
           CHECK_INT(s->methods->claim(s, m.place, 1, "tester", nonce, &m.err),
                     CKPT_OK) &&
           CHECK_INT(put(m.large, m.large, LARGE), CKPT_OK) &&
           CHECK_INT(publish(1), CKPT_OK);
}

static void end(void)
{
    m.pg.base.methods->close(&m.pg.base, m.place, false);
}

// A save of so many pieces that they are fetched and written anew.
static bool put_many(void)
{
    bool good = true;
    for (unsigned i = 0; good && i < TIMES; i++) {
        good = CHECK_INT(put(NULL, m.large, LARGE), CKPT_OK) &&
               CHECK_INT(put(m.small, m.small, SMALL), CKPT_OK);
    }
    return good;
}

static bool reads_many(void)
{
    size_t got = 0;
    ckpt_store *s = &m.pg.base;
    bool good = CHECK_INT(s->methods->read(s, m.place, &m.gen, 0, m.buf,
                                           sizeof(m.buf), &got, &m.err),
                          CKPT_OK) && CHECK_INT(got, sizeof(m.buf) - 1);
    for (unsigned i = 0; good && i < TIMES; i++) {
        const char *at = m.buf + i * (LARGE + SMALL);
        good = CHECK(memcmp(at, m.large, LARGE) == 0) &&
               CHECK(memcmp(at + LARGE, m.small, SMALL) == 0);
    }
    return good;
}

static bool ready(void)
{
    memset(&m, 0, sizeof(m));
    memset(m.large, 'l', sizeof(m.large));
    memset(m.small, 's', sizeof(m.small));
    if (!cluster_start()) {
        test_skip("there is no PostgreSQL server");
        return false;
    }
    const ckpt_store_pg_desc desc = {
        .conninfo = cluster_conninfo(), .create = true
    };
    return CHECK_INT(ckpt_store_pg_open(&m.pg, &desc, &m.err), CKPT_OK);
}

// Every allocation of it fails once, or a sample does. The run goes on.
static void a_save_that_lacks_memory_is_refused_or_whole(void)
{
    const unsigned long step = test_rounds(4, 1);
    bool failed = ready();
    for (unsigned long at = 1; failed; at += step) {
        if (!begin() || !put_many()) {
            break;
        }
        memory_calls = 0;
        memory_fails_at = at;
        const ckpt_code rc = publish(2);
        failed = memory_calls >= at;
        memory_fails_at = 0;
        CHECK(failed || rc == CKPT_OK);
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_RESOURCE);
        if (rc != CKPT_OK) {
            CHECK_INT(publish(3), CKPT_OK);     // of nothing that was put
        } else if (!reads_many()) {
            break;
        }
        end();
    }
    CHECK(memory_calls > 20);
    ckpt_store_pg_close(&m.pg);
}

// Somebody changes the chunk after it was put and before it is written anew.
static void what_is_written_anew_is_what_was_put(void)
{
    if (!ready() || !begin()) {
        return;
    }
    CHECK(put_many());
    CHECK(cluster_sql("UPDATE ckpt_chunk SET bytes = "
                      "overlay(bytes PLACING 'z' FROM 9)"));
    CHECK_INT(publish(2), CKPT_ERR_DAMAGED);
    end();
    if (begin()) {
        CHECK(put_many());
        CHECK_INT(publish(2), CKPT_OK);
        CHECK(reads_many());
        end();
    }
    ckpt_store_pg_close(&m.pg);
}

#define LIST(X)                                                                \
    X(a_save_that_lacks_memory_is_refused_or_whole)                            \
    X(what_is_written_anew_is_what_was_put)

TEST_SUITE(pg_memory, LIST)
