// SPDX-License-Identifier: MIT-0
// place.h -- a place of the store in PostgreSQL, and what threads do with it
//
//     place p;
//     place_begin(&p, &pg, "id") && place_save(&p, 2, "two");
//     deed save = { .what = deed_publish, .p = &p, .n = 3 };
//     deed_begin(&save); ... deed_end(&save); CHECK_INT(save.rc, CKPT_OK);
#ifndef PLACE_H
#define PLACE_H

#include "ckpt.h"
#include "ckpt_store_pg.h"
#include "cluster.h"

#include <pthread.h>

// Prints how many rounds there were, if they are many: so it is on record.
TEST_FN void note_rounds(const char *of, unsigned n, uint64_t acked,
                         unsigned lost)
{
    if (test_is_long()) {
        printf("note   %u %s, %llu saves acknowledged, %u lost\n", n, of,
               (unsigned long long)acked, lost);
    }
}

// A place, and what it saves: its text alone.
typedef struct place {
    ckpt_store_pg *pg;
    uint64_t       bytes[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    ckpt_gen       gen;
    ckpt_error     err;
} place;

TEST_FN ckpt_code place_open(place *p, ckpt_store_pg *pg, const char *id,
                             ckpt_how how)
{
    memset(p, 0, sizeof(*p));
    p->pg = pg;
    return pg->base.methods->open(&pg->base, p->bytes, id, how, &p->err);
}

TEST_FN ckpt_code place_claim(place *p, uint64_t epoch)
{
    char nonce[CKPT_NONCE_MAX + 1];
    p->gen.epoch = epoch;
    return p->pg->base.methods->claim(&p->pg->base, p->bytes, epoch, "tester",
                                      nonce, &p->err);
}

TEST_FN ckpt_code place_put(place *p, const char *text)
{
    const ckpt_part part = {
        text, 0, strlen(text), ckpt_crc32c(0, text, strlen(text))
    };
    return p->pg->base.methods->put(&p->pg->base, p->bytes, &p->gen, &part,
                                    &p->err);
}

TEST_FN ckpt_code place_publish(place *p, uint64_t seq)
{
    p->gen.seq = seq;
    return p->pg->base.methods->publish(&p->pg->base, p->bytes, &p->gen,
                                        &p->err);
}

TEST_FN ckpt_code place_save(place *p, uint64_t seq, const char *text)
{
    const ckpt_code rc = place_put(p, text);
    return rc == CKPT_OK ? place_publish(p, seq) : rc;
}

// The seq of the newest generation.
TEST_FN uint64_t place_newest(place *p)
{
    ckpt_look look;
    const ckpt_code rc = p->pg->base.methods->look(
        &p->pg->base, p->bytes, CKPT_TURN_MAX, &look, &p->err);
    CHECK_INT(rc, CKPT_OK);
    return rc == CKPT_OK && look.count > 0 ? look.gens[0].seq : 0;
}

TEST_FN void place_close(place *p)
{
    p->pg->base.methods->close(&p->pg->base, p->bytes, false);
}

TEST_FN ckpt_code place_drop(place *p, const ckpt_gen *gen, ckpt_extent extent)
{
    return p->pg->base.methods->drop(&p->pg->base, p->bytes, gen, extent,
                                     &p->err);
}

TEST_FN bool place_begin(place *p, ckpt_store_pg *pg, const char *id)
{
    return CHECK_INT(place_open(p, pg, id, CKPT_HOW_NEW), CKPT_OK) &&
           CHECK_INT(place_claim(p, 1), CKPT_OK) &&
           CHECK_INT(place_save(p, 1, "one"), CKPT_OK);
}

// What a thread does with a place, and what came of it.
typedef struct deed {
    ckpt_code (*what)(struct deed *d);
    place      *p;
    uint64_t    n;
    const char *text;
    ckpt_code   rc;
    uint64_t    acked;
    pthread_t   thread;
} deed;

TEST_FN void *deed_main(void *arg)
{
    deed *d = (deed *)arg;
    d->rc = d->what(d);
    return NULL;
}

TEST_FN bool deed_begin(deed *d)
{
    return CHECK(pthread_create(&d->thread, NULL, deed_main, d) == 0);
}

TEST_FN void deed_end(deed *d)
{
    (void)pthread_join(d->thread, NULL);
}

TEST_FN ckpt_code deed_publish(deed *d)
{
    return place_publish(d->p, d->n);
}

TEST_FN ckpt_code deed_claim(deed *d)
{
    return place_claim(d->p, d->n);
}

// Saves until that is refused, and remembers what was acknowledged last.
TEST_FN ckpt_code deed_save_on(deed *d)
{
    ckpt_code rc = CKPT_OK;
    for (uint64_t seq = 2; rc == CKPT_OK && seq < 10000000; seq++) {
        rc = place_save(d->p, seq, d->text);
        d->acked = rc == CKPT_OK ? seq : d->acked;
    }
    return rc;
}

static char large[4000];        // becomes a chunk

TEST_FN const char *large_text(void)
{
    memset(large, 'x', sizeof(large) - 1);
    return large;
}

TEST_FN bool set_standby(const char *name)
{
    char sql[100];
    snprintf(sql, sizeof(sql), "ALTER SYSTEM SET synchronous_standby_names "
             "TO '%s'", name);
    return cluster_sql(sql) && cluster_sql("SELECT pg_reload_conf()");
}

#endif /* PLACE_H */
