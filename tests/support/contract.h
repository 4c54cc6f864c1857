// SPDX-License-Identifier: MIT-0
// contract.h -- what every store of ckpt.h must do, as a test suite
//
// Whoever writes a store says in one table how to make one and what is to be
// expected of it, and in one line that it is to be tested:
//
//     static const contract my_contract = {
//         .make = my_make, .free = my_free, .process = my_process,
//         .locks = true
//     };
//     CONTRACT_SUITE(my_store, my_contract)
//
// and names my_store among the TEST_SUITES of the program, see test.h. Several
// stores can be tested in one file. What a factory leaves out is not tested.
//
// A clause is about one method in one situation and says so in its name. It
// uses up to three processes, but one thread. It asks for no more room than the
// header promises that a store has: see ROOM there, and .capacity and .runs.
//
// What nobody can see from outside is left to the tests of the store itself:
// that a claim, a publish and a drop are durable in their order (cut the power
// in the middle of them), and that a claim is won once by threads that race.
#ifndef CONTRACT_H
#define CONTRACT_H

#include "ckpt.h"
#include "crc.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTRACT_PROCESSES 3
#define CONTRACT_PLACES    8
#define CONTRACT_NONCES    512

// How to make a store, what can be done to it from outside, and what it can.
typedef struct contract {
    // A new and empty store, as process 0 sees it. NULL: it cannot be made
    // here, and nothing is tested.
    ckpt_store *(*make)(void *user);
    // Ends everything of the last make(), also if that gave NULL.
    void (*free)(void *user);
    // The same store as another process sees it (1 or 2). Asked once for each.
    // One of CKPT_CAP_SINGLE_PROCESS needs none: its places are what other
    // processes are to other stores.
    ckpt_store *(*process)(void *user, unsigned number);
    // The same store as a child sees it that process 0 forked just now.
    ckpt_store *(*fork)(void *user);
    // Kills a process. The clause lets go of its places by close(), as its
    // system would.
    void (*kill)(void *user, unsigned number);
    // Lets time pass.
    void (*tick)(void *user, int64_t ms);
    // Cuts the power. The store as a process of the next boot sees it. A store
    // that promises nothing then has none.
    ckpt_store *(*cut)(void *user);
    void *user;

    bool     locks;         // alive() knows the owners, and never says UNKNOWN
    bool     in_place;      // who reads a generation while its owner publishes
                            // may get bytes of a later one
    uint64_t capacity;      // bytes of generations that fit into it; 0: any
    unsigned runs;          // how many of them fit into it; 0: any
} contract;

// A place, as the core keeps one: no better aligned.
typedef struct contract_place {
    ckpt_store *store;              // NULL: not open
    uint64_t    bytes[CKPT_PLACE_SIZE / sizeof(uint64_t)];
} contract_place;

typedef struct contract_test {
    const contract *with;
    ckpt_store     *s[CONTRACT_PROCESSES];
    contract_place  p[CONTRACT_PLACES];
    ckpt_look       look;
    ckpt_life       life;
    ckpt_error      err;
    char            nonces[CONTRACT_NONCES][CKPT_NONCE_MAX + 1];
    unsigned        nonce_count;    // of all claims so far, the last one last
} contract_test;

#define CT_OK(rc) CHECK_INT((rc), CKPT_OK)

//--- Calls of the store -------------------------------------------------------

// What every method owes with its code.
static ckpt_code ct_result(contract_test *t, ckpt_code rc)
{
    CHECK(rc <= CKPT_OK || rc == CKPT_END);
    if (rc == CKPT_ERR_NO_SPACE || rc == CKPT_ERR_IO) {
        CHECK(t->err.op != NULL);
    }
    memset(&t->err, 0, sizeof(t->err));
    return rc;
}

static ckpt_code ct_open(contract_test *t, unsigned p, unsigned process,
                         const char *id, ckpt_how how)
{
    contract_place *at = &t->p[p];
    ckpt_store *s = t->s[process];
    CHECK(at->store == NULL);       // else the clause forgot to close it
    memset(at, 0, sizeof(*at));
    const ckpt_code rc = s->methods->open(s, at->bytes, id, how, &t->err);
    at->store = rc == CKPT_OK ? s : NULL;
    return ct_result(t, rc);
}

static void ct_give_up(contract_test *t, unsigned p, bool gave_up)
{
    contract_place *at = &t->p[p];
    if (at->store != NULL) {
        at->store->methods->close(at->store, at->bytes, gave_up);
        memset(at->bytes, 0xa5, sizeof(at->bytes));
        at->store = NULL;
    }
}

static void ct_close(contract_test *t, unsigned p)
{
    ct_give_up(t, p, false);
}

// Whether a nonce is one, and unlike all that were given before.
static bool ct_is_nonce(const contract_test *t, const char *nonce)
{
    const size_t n = strspn(nonce, "abcdefghijklmnopqrstuvwxyz0123456789");
    bool is = n > 0 && n <= CKPT_NONCE_MAX && nonce[n] == '\0';
    for (unsigned i = 0; i < t->nonce_count; i++) {
        is = is && strcmp(t->nonces[i], nonce) != 0;
    }
    return is;
}

static ckpt_code ct_claim_as(contract_test *t, unsigned p, uint64_t epoch,
                             const char *owner)
{
    contract_place *at = &t->p[p];
    char nonce[CKPT_NONCE_MAX + 1];
    memset(nonce, '?', sizeof(nonce));
    const ckpt_code rc = ct_result(t, at->store->methods->claim(
        at->store, at->bytes, epoch, owner, nonce, &t->err));
    if (rc == CKPT_OK && CHECK(memchr(nonce, '\0', sizeof(nonce)) != NULL) &&
        CHECK(ct_is_nonce(t, nonce)) &&
        CHECK(t->nonce_count < CONTRACT_NONCES)) {
        memcpy(t->nonces[t->nonce_count++], nonce, sizeof(nonce));
    }
    return rc;
}

static ckpt_code ct_claim(contract_test *t, unsigned p, uint64_t epoch)
{
    return ct_claim_as(t, p, epoch, "tester");
}

static ckpt_code ct_look_to(contract_test *t, unsigned p, uint64_t epoch_max)
{
    contract_place *at = &t->p[p];
    memset(&t->look, 0, sizeof(t->look));
    return ct_result(t, at->store->methods->look(at->store, at->bytes,
                                                 epoch_max, &t->look, &t->err));
}

static ckpt_code ct_look(contract_test *t, unsigned p)
{
    return ct_look_to(t, p, CKPT_TURN_MAX);
}

static ckpt_code ct_alive(contract_test *t, unsigned p, uint64_t epoch)
{
    contract_place *at = &t->p[p];
    memset(&t->life, 0, sizeof(t->life));
    return ct_result(t, at->store->methods->alive(at->store, at->bytes, epoch,
                                                  &t->life, &t->err));
}

static ckpt_code ct_beat_for(contract_test *t, unsigned p, uint64_t acked)
{
    contract_place *at = &t->p[p];
    return ct_result(t, at->store->methods->beat(at->store, at->bytes, acked,
                                                 &t->err));
}

static ckpt_code ct_beat(contract_test *t, unsigned p)
{
    return ct_beat_for(t, p, 0);
}

static ckpt_code ct_read(contract_test *t, unsigned p, const ckpt_gen *gen,
                         uint64_t offset, void *buf, size_t n, size_t *got)
{
    contract_place *at = &t->p[p];
    *got = 0;
    return ct_result(t, at->store->methods->read(at->store, at->bytes, gen,
                                                 offset, buf, n, got, &t->err));
}

static ckpt_code ct_put(contract_test *t, unsigned p, const void *bytes,
                        size_t size)
{
    contract_place *at = &t->p[p];
    ckpt_gen none;
    ckpt_part part;
    memset(&none, 0, sizeof(none));
    memset(&part, 0, sizeof(part));
    part.bytes = bytes;
    part.size = size;
    part.crc = crc_of(0, bytes, size);
    return ct_result(t, at->store->methods->put(at->store, at->bytes, &none,
                                                &part, &t->err));
}

// Puts a range of the base, which holds these bytes there.
static ckpt_code ct_put_range(contract_test *t, unsigned p,
                              const ckpt_gen *base, uint64_t offset,
                              const char *bytes, size_t size)
{
    contract_place *at = &t->p[p];
    ckpt_part part;
    memset(&part, 0, sizeof(part));
    part.offset = offset;
    part.size = size;
    part.crc = crc_of(0, bytes, size);
    return ct_result(t, at->store->methods->put(at->store, at->bytes, base,
                                                &part, &t->err));
}

static ckpt_code ct_publish(contract_test *t, unsigned p, uint64_t epoch,
                            uint64_t seq, ckpt_gen *gen)
{
    contract_place *at = &t->p[p];
    gen->epoch = epoch;
    gen->seq = seq;
    gen->token = 0;
    const ckpt_code rc = ct_result(t, at->store->methods->publish(
        at->store, at->bytes, gen, &t->err));
    CHECK(gen->epoch == epoch && gen->seq == seq);
    return rc;
}

static ckpt_code ct_save(contract_test *t, unsigned p, uint64_t epoch,
                         uint64_t seq, const char *text, ckpt_gen *gen)
{
    const ckpt_code rc = ct_put(t, p, text, strlen(text));
    return rc == CKPT_OK ? ct_publish(t, p, epoch, seq, gen) : rc;
}

static ckpt_code ct_set_aside(contract_test *t, unsigned p, const ckpt_gen *gen)
{
    contract_place *at = &t->p[p];
    return ct_result(t, at->store->methods->set_aside(at->store, at->bytes, gen,
                                                      &t->err));
}

static ckpt_code ct_drop(contract_test *t, unsigned p, const ckpt_gen *gen,
                         ckpt_extent extent)
{
    contract_place *at = &t->p[p];
    return ct_result(t, at->store->methods->drop(at->store, at->bytes, gen,
                                                 extent, &t->err));
}

static ckpt_code ct_drop_older(contract_test *t, unsigned p, uint64_t epoch)
{
    ckpt_gen below;
    memset(&below, 0, sizeof(below));
    below.epoch = epoch;
    return ct_drop(t, p, &below, CKPT_DROP_OLDER);
}

static ckpt_code ct_remove(contract_test *t, unsigned p)
{
    return ct_drop(t, p, NULL, CKPT_DROP_ALL);
}

static ckpt_code ct_list(contract_test *t, ckpt_where where,
                         ckpt_cursor *cursor, char *id)
{
    ckpt_store *s = t->s[0];
    return ct_result(t, s->methods->list(s, where, cursor, id, &t->err));
}

static void ct_list_stop(contract_test *t, ckpt_where where,
                         ckpt_cursor *cursor)
{
    CHECK(ct_list(t, where, cursor, NULL) >= CKPT_OK);
}

//--- Steps that clauses are made of -------------------------------------------

// How often an id is listed; of any id, if it is NULL.
static unsigned ct_count(contract_test *t, ckpt_where where, const char *id)
{
    ckpt_cursor cursor;
    char found[CKPT_ID_MAX + 1];
    unsigned count = 0, given = 0;
    ckpt_code rc;
    memset(&cursor, 0, sizeof(cursor));
    while ((rc = ct_list(t, where, &cursor, found)) == CKPT_OK &&
           CHECK(given++ < 1000)) {
        count += id == NULL || strcmp(found, id) == 0;
    }
    CHECK_INT(rc, CKPT_END);
    return count;
}

// Begins a run with one generation.
static bool ct_begin(contract_test *t, unsigned p, unsigned process,
                     const char *id, const char *text, ckpt_gen *gen)
{
    return CT_OK(ct_open(t, p, process, id, CKPT_HOW_NEW)) &&
           CT_OK(ct_claim(t, p, 1)) &&
           CT_OK(ct_save(t, p, 1, 1, text, gen));
}

// The length of what was read: behind its last byte a generation may have
// blanks.
static size_t ct_trim(const void *buf, size_t n)
{
    while (n > 0 && ((const char *)buf)[n - 1] == ' ') {
        n--;
    }
    return n;
}

// Checks that a generation holds these bytes and no others.
static void ct_holds(contract_test *t, unsigned p, const ckpt_gen *gen,
                     const char *text)
{
    char buf[256];
    size_t got = 0;
    CT_OK(ct_read(t, p, gen, 0, buf, sizeof(buf) - 1, &got));
    buf[got < sizeof(buf) ? ct_trim(buf, got) : 0] = '\0';
    CHECK_STR(buf, text);
    CT_OK(ct_read(t, p, gen, 0, NULL, 0, &got));
}

// Checks that a look sees so many generations, the newest of which holds these
// bytes. True if the newest can be used.
static bool ct_sees(contract_test *t, unsigned p, unsigned count,
                    const char *text)
{
    CT_OK(ct_look(t, p));
    if (!CHECK_INT(t->look.count, count) || count == 0) {
        return false;
    }
    const ckpt_gen newest = t->look.gens[0];
    ct_holds(t, p, &newest, text);
    return true;
}

// Where locks know nothing, a store may not say that a live owner is gone.
static void ct_lives(contract_test *t, unsigned p, uint64_t epoch)
{
    CT_OK(ct_alive(t, p, epoch));
    CHECK(t->life.verdict == CKPT_LIFE_LIVE ||
          (!t->with->locks && t->life.verdict == CKPT_LIFE_UNKNOWN));
}

// Nor may it say that a dead one is alive.
static void ct_is_gone(contract_test *t, unsigned p, uint64_t epoch)
{
    CT_OK(ct_alive(t, p, epoch));
    CHECK(t->life.verdict == CKPT_LIFE_GONE ||
          (!t->with->locks && (t->life.verdict == CKPT_LIFE_UNKNOWN ||
                               t->life.verdict == CKPT_LIFE_ABSENT)));
}

// Whether an epoch has no claim, of a run that is shown or was removed.
static bool ct_no_claim(contract_test *t, unsigned p, uint64_t epoch)
{
    CT_OK(ct_alive(t, p, epoch));
    return t->life.verdict == CKPT_LIFE_GONE && t->life.beat_ms == 0 &&
           t->life.acked == 0 && !t->life.gave_up && t->life.owner[0] == '\0';
}

static bool ct_has_claim(contract_test *t, unsigned p, uint64_t epoch)
{
    CT_OK(ct_alive(t, p, epoch));
    return t->life.beat_ms != 0;
}

static bool ct_is_fenced_write(const contract_test *t)
{
    return (t->s[0]->caps & CKPT_CAP_FENCED_WRITE) != 0;
}

// What a call of a fenced place may return: where publish() and drop() fence,
// they refuse.
static bool ct_fenced(const contract_test *t, ckpt_code rc)
{
    return rc == CKPT_ERR_CLAIM_LOST || (rc == CKPT_OK &&
                                         !ct_is_fenced_write(t));
}

// How many of so many runs the store can hold.
static unsigned ct_runs(const contract_test *t, unsigned want)
{
    return t->with->runs > 0 && t->with->runs < want ? t->with->runs : want;
}

// The size of a large generation, of which so many runs can have four each.
static size_t ct_large(const contract_test *t, unsigned runs)
{
    const uint64_t most = t->s[0]->methods->size_max;
    uint64_t size = 300 * 1000;
    size = most > 0 && most < size ? most : size;
    if (t->with->capacity > 0 && t->with->capacity / 4 / runs < size) {
        size = t->with->capacity / 4 / runs;
    }
    return (size_t)size;
}

#define CT_NEEDS(method)                                                       \
    do {                                                                       \
        if (t->with->method == NULL) {                                         \
            TEST_SKIP("the factory has no ." #method);                         \
        }                                                                      \
    } while (0)

#define CT_PROCESSES()                                                         \
    do {                                                                       \
        if (t->s[2] == NULL) {                                                 \
            TEST_SKIP("the factory has no .process");                          \
        }                                                                      \
    } while (0)

#define CT_RUNS(n)                                                             \
    do {                                                                       \
        if (ct_runs(t, n) < (n)) {                                             \
            TEST_SKIP("the store has no room for " #n " runs");                \
        }                                                                      \
    } while (0)

//--- The table ----------------------------------------------------------------

static void the_table_is_whole(contract_test *t)
{
    const ckpt_store_methods *m = t->s[0]->methods;
    CHECK_INT(m->version, CKPT_STORE_VERSION);
    CHECK(m->place_size <= CKPT_PLACE_SIZE);
    CHECK(m->open != NULL && m->list != NULL && m->look != NULL);
    CHECK(m->claim != NULL && m->alive != NULL && m->beat != NULL);
    CHECK(m->read != NULL && m->put != NULL && m->publish != NULL);
    CHECK(m->set_aside != NULL && m->drop != NULL && m->env != NULL);
    CHECK(m->close != NULL);
}

static void the_monotonic_clock_never_goes_back(contract_test *t)
{
    ckpt_store *s = t->s[0];
    ckpt_moment before = {0, 0}, now = {0, 0};
    for (int i = 0; i < 100; i++) {
        memset(&now, 0, sizeof(now));
        CT_OK(ct_result(t, s->methods->env(s, NULL, &now, &t->err)));
        CHECK(now.mono_ms >= before.mono_ms);
        CHECK(now.wall_ms >= 0);
        before = now;
    }
    if (t->with->tick != NULL) {
        t->with->tick(t->with->user, 7000);
        CT_OK(ct_result(t, s->methods->env(s, NULL, &now, &t->err)));
        CHECK(now.mono_ms >= before.mono_ms + 7000);
        CHECK(before.wall_ms == 0 || now.wall_ms >= before.wall_ms + 7000);
    }
}

//--- Open and list ------------------------------------------------------------

static void what_is_not_there_is_not_found(contract_test *t)
{
    CHECK_INT(ct_open(t, 0, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
}

static void an_empty_store_lists_nothing(contract_test *t)
{
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
    CHECK_INT(ct_count(t, CKPT_AT_LEFTOVERS, NULL), 0);
}

static void a_new_run_is_invisible_until_its_first_publish(contract_test *t)
{
    ckpt_gen gen;
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CHECK_INT(ct_open(t, 1, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_put(t, 0, "one", 3));
    CHECK_INT(ct_open(t, 1, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
    CT_OK(ct_publish(t, 0, 1, 1, &gen));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
    CHECK_INT(ct_count(t, CKPT_AT_LEFTOVERS, NULL), 0);
    if (ct_sees(t, 1, 1, "one")) {
        CHECK_INT(t->look.epoch, 1);
    }
}

static void of_two_new_runs_of_one_id_the_second_one_exists(contract_test *t)
{
    ckpt_gen first, second, next;
    CT_RUNS(2);
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_claim(t, 1, 1));       // of another run, though of the same id
    CT_OK(ct_save(t, 0, 1, 1, "one", &first));
    CHECK_INT(ct_save(t, 1, 1, 1, "two", &second), CKPT_ERR_EXISTS);
    ct_close(t, 1);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
    CT_OK(ct_open(t, 2, 0, "a", CKPT_HOW_FIND));
    ct_sees(t, 2, 1, "one");
    ct_lives(t, 2, 1);
    CT_OK(ct_save(t, 0, 1, 2, "three", &next));
    ct_sees(t, 2, 2, "three");
}

static void a_new_run_of_an_id_that_is_there_exists(contract_test *t)
{
    ckpt_gen gen;
    CT_RUNS(2);
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    ct_close(t, 0);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 1, 1));
    CHECK_INT(ct_save(t, 1, 1, 1, "two", &gen), CKPT_ERR_EXISTS);
    ct_close(t, 1);
    CT_OK(ct_open(t, 2, 0, "a", CKPT_HOW_FIND));
    ct_sees(t, 2, 1, "one");
}

// What a look tells of any run it tells of one that is not shown yet.
static void a_look_aside_tells_its_own_claim(contract_test *t)
{
    ckpt_gen gen;
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_look(t, 0));
    CHECK(t->look.epoch == 0 && !t->look.mine && t->look.count == 0);
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_look(t, 0));
    CHECK(t->look.epoch == 1 && t->look.mine && t->look.count == 0);
    ct_lives(t, 0, 1);
    CT_OK(ct_beat(t, 0));
    CT_OK(ct_save(t, 0, 1, 1, "one", &gen));
    CT_OK(ct_look(t, 0));
    CHECK(t->look.epoch == 1 && t->look.mine && t->look.count == 1);
}

static void a_run_that_was_never_shown_can_be_swept(contract_test *t)
{
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    unsigned rounds = 0;
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_put(t, 0, "one", 3));
    ct_close(t, 0);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
    memset(&cursor, 0, sizeof(cursor));
    while (ct_list(t, CKPT_AT_LEFTOVERS, &cursor, id) == CKPT_OK &&
           CHECK(rounds++ < 10)) {
        if (CT_OK(ct_open(t, 1, 0, id, CKPT_HOW_LEFTOVER))) {
            CT_OK(ct_look_to(t, 1, 0));
            CHECK_INT(t->look.count, 0);
            const uint64_t epoch = t->look.epoch;
            ct_is_gone(t, 1, epoch);
            CHECK(t->life.beat_ms != 0);
            CT_OK(ct_claim(t, 1, epoch + 1));
            CT_OK(ct_remove(t, 1));
            CT_OK(ct_remove(t, 1));
            ct_close(t, 1);
        }
    }
    CHECK_INT(ct_count(t, CKPT_AT_LEFTOVERS, NULL), 0);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
}

static void the_maker_of_a_run_is_live_before_it_is_shown(contract_test *t)
{
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    ckpt_gen gen;
    memset(&cursor, 0, sizeof(cursor));
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    // a store that makes nothing before the first publish lists nothing
    if (ct_list(t, CKPT_AT_LEFTOVERS, &cursor, id) == CKPT_OK) {
        CT_OK(ct_open(t, 1, 0, id, CKPT_HOW_LEFTOVER));
        CT_OK(ct_look_to(t, 1, 0));
        CHECK_INT(t->look.epoch, 1);
        ct_lives(t, 1, 1);
        ct_close(t, 1);
        ct_list_stop(t, CKPT_AT_LEFTOVERS, &cursor);
    }
    CT_OK(ct_save(t, 0, 1, 1, "one", &gen));
}

// Its maker was slow, not dead.
static void a_leftover_that_was_shown_meanwhile_stays(contract_test *t)
{
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    ckpt_gen gen;
    memset(&cursor, 0, sizeof(cursor));
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    if (ct_list(t, CKPT_AT_LEFTOVERS, &cursor, id) != CKPT_OK) {
        TEST_SKIP("the store lists no leftovers");
    }
    ct_list_stop(t, CKPT_AT_LEFTOVERS, &cursor);
    CT_OK(ct_open(t, 1, 0, id, CKPT_HOW_LEFTOVER));
    CT_OK(ct_claim(t, 1, 2));
    const ckpt_code rc = ct_save(t, 0, 1, 1, "one", &gen);
    CHECK(ct_fenced(t, rc));
    CT_OK(ct_remove(t, 1));
    ct_close(t, 1);
    CHECK_INT(ct_open(t, 2, 0, "a", CKPT_HOW_FIND),
              rc == CKPT_OK ? CKPT_OK : CKPT_ERR_NOT_FOUND);
    if (rc == CKPT_OK) {
        ct_sees(t, 2, 1, "one");
    }
}

// Ids that a path, a shell, a format or a folder of another system would trip
// over. The last one but two, and the last two, are the longest there are.
static unsigned ct_ids(char ids[][CKPT_ID_MAX + 1])
{
    static const char *const texts[] = {
        ".", "..", "/", "a/b", "../a", "a\\b", "A", "a", " ", "a ", "%41",
        "%", "%s%n", "r-a", "b-a", ".new-1", ".failed", ".probe", "con", "nul",
        "COM1", "*", "?", "a:b", "\"", "'", "\n", "\x01", "\x7f", "\xff",
        "\xc3\xa4", "\xed\xa0\x80", "new-1", "-rf", "a.json", "heartbeat.1",
        "a\tb"
    };
    const unsigned count = (unsigned)(sizeof(texts) / sizeof(texts[0]));
    for (unsigned i = 0; i < count; i++) {
        memset(ids[i], 0, CKPT_ID_MAX + 1);
        memcpy(ids[i], texts[i], strlen(texts[i]));
    }
    for (unsigned i = count; i < count + 3; i++) {
        memset(ids[i], i == count ? 'x' : 0xff, CKPT_ID_MAX);
        ids[i][CKPT_ID_MAX] = '\0';
    }
    ids[count + 2][CKPT_ID_MAX - 1] = 'x';
    return count + 3;
}

// Of as many runs at a time as fit into the store.
static void an_id_is_any_bytes(contract_test *t)
{
    static char ids[64][CKPT_ID_MAX + 1];
    const unsigned count = ct_ids(ids);
    ckpt_gen gen;
    for (unsigned from = 0, n; from < count; from += n) {
        n = ct_runs(t, count - from);
        for (unsigned i = from; i < from + n; i++) {
            char text[16];
            snprintf(text, sizeof(text), "%u", i);
            ct_begin(t, 0, 0, ids[i], text, &gen);
            ct_close(t, 0);
        }
        CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), n);
        CHECK_INT(ct_count(t, CKPT_AT_LEFTOVERS, NULL), 0);
        for (unsigned i = from; i < from + n; i++) {
            char text[16];
            snprintf(text, sizeof(text), "%u", i);
            CHECK_INT(ct_count(t, CKPT_AT_RUNS, ids[i]), 1);
            if (CT_OK(ct_open(t, 0, 0, ids[i], CKPT_HOW_FIND))) {
                ct_sees(t, 0, 1, text);
                CT_OK(ct_claim(t, 0, 2));
                CT_OK(ct_remove(t, 0));
                ct_close(t, 0);
            }
            CHECK_INT(ct_open(t, 0, 0, ids[i], CKPT_HOW_FIND),
                      CKPT_ERR_NOT_FOUND);
        }
        CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
    }
}

static void a_list_that_was_stopped_begins_anew(contract_test *t)
{
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    ckpt_gen gen;
    CT_RUNS(2);
    ct_begin(t, 0, 0, "a", "one", &gen);
    ct_begin(t, 1, 0, "b", "two", &gen);
    memset(&cursor, 0, sizeof(cursor));
    CT_OK(ct_list(t, CKPT_AT_RUNS, &cursor, id));
    ct_list_stop(t, CKPT_AT_RUNS, &cursor);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 2);
}

static void two_lists_at_once_do_not_meet(contract_test *t)
{
    ckpt_cursor one, two;
    char id[CKPT_ID_MAX + 1];
    ckpt_gen gen;
    CT_RUNS(2);
    ct_begin(t, 0, 0, "a", "one", &gen);
    ct_begin(t, 1, 0, "b", "two", &gen);
    memset(&one, 0, sizeof(one));
    memset(&two, 0, sizeof(two));
    for (unsigned i = 0; i < 2; i++) {
        CT_OK(ct_list(t, CKPT_AT_RUNS, &one, id));
        CT_OK(ct_list(t, CKPT_AT_RUNS, &two, id));
    }
    CHECK_INT(ct_list(t, CKPT_AT_RUNS, &one, id), CKPT_END);
    CHECK_INT(ct_list(t, CKPT_AT_RUNS, &two, id), CKPT_END);
}

// What stands during the whole walk is given once, whatever comes and goes: one
// that was just given goes, and another one comes in its place.
static void a_list_gives_once_what_stands_all_the_while(contract_test *t)
{
    const unsigned count = ct_runs(t, 40);
    unsigned seen[40] = {0}, removed[10], given = 0, gone = 0;
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    ckpt_gen gen;
    ckpt_code rc;
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "run-%u", i);
        ct_begin(t, 0, 0, id, "one", &gen);
        ct_close(t, 0);
    }
    memset(&cursor, 0, sizeof(cursor));
    while ((rc = ct_list(t, CKPT_AT_RUNS, &cursor, id)) == CKPT_OK &&
           CHECK(given++ < 200)) {
        const unsigned at = (unsigned)strtoul(id + 4, NULL, 10);
        if (at < 40) {
            seen[at]++;
        }
        if (at < 40 && gone < 10) {
            removed[gone++] = at;
            CT_OK(ct_open(t, 0, 0, id, CKPT_HOW_FIND));
            CT_OK(ct_claim(t, 0, 2));
            CT_OK(ct_remove(t, 0));
            ct_close(t, 0);
            snprintf(id, sizeof(id), "run-%u", 100 + given);
            ct_begin(t, 0, 0, id, "one", &gen);
            ct_close(t, 0);
        }
    }
    CHECK_INT(rc, CKPT_END);
    for (unsigned i = 0; i < count; i++) {
        CHECK_INT(seen[i], 1);
    }
    for (unsigned i = 0; i < gone; i++) {
        snprintf(id, sizeof(id), "run-%u", removed[i]);
        CHECK_INT(ct_count(t, CKPT_AT_RUNS, id), 0);
    }
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), count);
}

//--- Look ---------------------------------------------------------------------

static void a_look_tells_the_newest_generation_first(contract_test *t)
{
    ckpt_gen one, two, three;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    CT_OK(ct_save(t, 0, 1, 3, "three", &three));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_look(t, 1));
    const ckpt_look look = t->look;
    CHECK_INT(look.epoch, 1);
    if (CHECK_INT(look.count, 2)) {
        CHECK(look.gens[0].token == three.token);
        CHECK(look.gens[1].token == two.token);
        CHECK(look.gens[0].seq == 0 || look.gens[0].seq == 3);
        CHECK(look.gens[1].seq == 0 || look.gens[1].seq == 2);
        CHECK(look.gens[0].epoch == 1 && look.gens[1].epoch == 1);
        ct_holds(t, 1, &look.gens[0], "three");
        ct_holds(t, 1, &look.gens[1], "two");
    }
}

static void a_look_tells_whose_claim_it_is(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_look(t, 0));
    CHECK(t->look.mine);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_look(t, 1));
    CHECK(!t->look.mine);
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_look(t, 1));
    CHECK(t->look.mine);
}

static void a_look_tells_the_highest_epoch_of_claims_too(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    ct_close(t, 1);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 3));
    for (unsigned p = 0; p < 2; p++) {
        CT_OK(ct_look(t, p));
        CHECK_INT(t->look.epoch, 3);
        CHECK_INT(t->look.count, 1);
        CHECK_INT(t->look.gens[0].epoch, 1);
    }
}

// Makes a run of so many epochs, with as many generations each as the digits
// say; the last two of them stand. The owner of the last epoch keeps its place.
static bool ct_epochs(contract_test *t, const char *digits)
{
    uint64_t seq = 1;
    ckpt_gen gen;
    for (unsigned epoch = 1; digits[epoch - 1] != '\0'; epoch++) {
        ct_close(t, 0);
        CT_OK(ct_open(t, 0, 0, "a", epoch == 1 ? CKPT_HOW_NEW : CKPT_HOW_FIND));
        CT_OK(ct_claim(t, 0, epoch));
        for (char k = '1'; k <= digits[epoch - 1]; k++) {
            char text[16];
            snprintf(text, sizeof(text), "%u.%c", epoch, k);
            const ckpt_code rc = ct_save(t, 0, epoch, seq++, text, &gen);
            if (rc == CKPT_ERR_NO_SPACE && t->with->capacity > 0) {
                test_skip("the store has no room for so many generations");
                return false;
            }
            CHECK_INT(rc, CKPT_OK);
        }
    }
    return true;
}

static void a_look_up_to_an_epoch_tells_no_higher_one(contract_test *t)
{
    static const unsigned counts[] = { 0, 2, 3, 4, 4 };
    if (!ct_epochs(t, "211")) {
        return;
    }
    for (unsigned max = 0; max <= 4; max++) {
        CT_OK(ct_look_to(t, 0, max));
        CHECK_INT(t->look.epoch, 3);
        CHECK_INT(t->look.count, counts[max]);
        if (max > 0) {
            CHECK_INT(t->look.gens[0].epoch, max < 3 ? max : 3);
        }
    }
}

static void a_look_tells_whole_epochs_as_many_as_fit(contract_test *t)
{
    if (!ct_epochs(t, "222221")) {
        return;
    }
    CT_OK(ct_look(t, 0));           // 1 + 2 + 2 + 2, and not half of the next
    CHECK_INT(t->look.epoch, 6);
    if (CHECK_INT(t->look.count, CKPT_LOOK_MAX - 1)) {
        CHECK_INT(t->look.gens[0].epoch, 6);
        CHECK_INT(t->look.gens[6].epoch, 3);
    }
    CT_OK(ct_look_to(t, 0, 2));
    if (CHECK_INT(t->look.count, 4)) {
        CHECK_INT(t->look.gens[0].epoch, 2);
        CHECK_INT(t->look.gens[3].epoch, 1);
    }
}

static void a_look_tells_a_claim_behind_a_gap(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 9));
    CT_OK(ct_look(t, 0));
    CHECK(t->look.epoch == 9 && t->look.mine);
    CT_OK(ct_look_to(t, 1, 1));
    CHECK(t->look.epoch == 9 && t->look.mine && t->look.count == 1);
}

// Lower claims are removed in time, and a look must not walk up from its own.
static void a_look_tells_the_highest_claim_without_the_lower_ones(
    contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    for (unsigned epoch = 2; epoch < 5; epoch++) {
        ct_close(t, 1);
        CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
        CT_OK(ct_claim(t, 1, epoch));
    }
    CT_OK(ct_save(t, 1, 4, 2, "two", &gen));
    CT_OK(ct_save(t, 1, 4, 3, "three", &gen));
    CT_OK(ct_drop_older(t, 1, 4));
    CT_OK(ct_look(t, 0));
    CHECK_INT(t->look.epoch, 4);
    CHECK(!t->look.mine);
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_look_to(t, 2, 0));
    CHECK_INT(t->look.epoch, 4);
    CT_OK(ct_claim(t, 2, 5));
    CT_OK(ct_look_to(t, 1, 0));
    CHECK(t->look.epoch == 5 && t->look.mine);
}

static void of_a_removed_run_nothing_is_left(contract_test *t)
{
    ckpt_gen one, two;
    char buf[8];
    size_t got;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_save(t, 1, 2, 2, "two", &two));
    CT_OK(ct_drop(t, 1, &two, CKPT_DROP_ALL));
    for (unsigned p = 0; p < 3; p++) {
        CT_OK(ct_look(t, p));
        CHECK(t->look.epoch == 0 && !t->look.mine && t->look.count == 0);
        CHECK(ct_no_claim(t, p, 1));
        CHECK(ct_no_claim(t, p, 2));
        CHECK_INT(ct_read(t, p, &two, 0, buf, 1, &got), CKPT_ERR_STALE);
    }
}

static void a_look_is_at_the_run_as_it_is_now(contract_test *t)
{
    ckpt_gen one, two, three;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    ct_sees(t, 1, 1, "one");
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    ct_sees(t, 1, 2, "two");
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 2, 2));
    CT_OK(ct_look(t, 1));
    CHECK_INT(t->look.epoch, 2);
    CT_OK(ct_save(t, 2, 2, 3, "three", &three));
    ct_sees(t, 1, 3, "three");
    ct_sees(t, 0, 3, "three");
}

static void looking_changes_nothing(contract_test *t)
{
    ckpt_gen one, two;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_look(t, 1));
    const ckpt_look before = t->look;
    CT_OK(ct_alive(t, 1, 1));
    const int64_t beat = t->life.beat_ms;
    for (unsigned i = 0; i < 20; i++) {
        ct_sees(t, 1, 2, "two");
        ct_lives(t, 1, 1);
        CHECK(t->life.beat_ms == beat);
        CHECK(before.gens[0].token == t->look.gens[0].token);
        CHECK(before.gens[1].token == t->look.gens[1].token);
    }
    ct_close(t, 1);
    CT_OK(ct_beat(t, 0));
    CT_OK(ct_look(t, 0));
    CHECK(t->look.mine);
}

//--- Claims and life ----------------------------------------------------------

static void a_claim_is_won_once(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    ct_close(t, 0);
    for (uint64_t epoch = 2; epoch < 20; epoch++) {
        unsigned won = 0;
        for (unsigned i = 0; i < 3; i++) {
            CT_OK(ct_open(t, i, i, "a", CKPT_HOW_FIND));
        }
        for (unsigned i = 0; i < 3; i++) {
            const unsigned p = (unsigned)(epoch + i) % 3;
            const ckpt_code rc = ct_claim(t, p, epoch);
            CHECK_INT(rc, i == 0 ? CKPT_OK : CKPT_ERR_CLAIM_LOST);
            won += rc == CKPT_OK;
            CT_OK(ct_look(t, p));
            CHECK_INT(t->look.mine, i == 0);
            CHECK_INT(t->look.epoch, epoch);
        }
        CHECK_INT(won, 1);
        for (unsigned i = 0; i < 3; i++) {
            ct_close(t, i);
        }
    }
}

static void a_claim_stays_taken_when_its_owner_is_gone(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    ct_close(t, 0);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CHECK_INT(ct_claim(t, 1, 1), CKPT_ERR_CLAIM_LOST);
    CT_OK(ct_claim(t, 1, 2));
}

static void a_live_owner_can_be_claimed_over(contract_test *t)
{
    ckpt_gen one, two;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_save(t, 1, 2, 2, "two", &two));
    ct_lives(t, 0, 2);
    ct_sees(t, 1, 2, "two");
}

// A place is opened before it is claimed, and the run may go in between.
static void a_claim_of_a_removed_run_is_stale(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_remove(t, 0));
    CHECK_INT(ct_claim(t, 1, 2), CKPT_ERR_STALE);
    ct_close(t, 0);
    ct_begin(t, 0, 0, "a", "again", &gen);      // which is another run
    CHECK_INT(ct_claim(t, 2, 2), CKPT_ERR_STALE);
    ct_sees(t, 0, 1, "again");
    CHECK_INT(t->look.epoch, 1);
}

// ct_claim() compares each with all before it.
static void a_nonce_is_never_given_twice(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    for (unsigned round = 0; round < 3; round++) {
        if (!ct_begin(t, 0, round, "a", "one", &gen)) {
            return;
        }
        for (unsigned epoch = 2; epoch < 12; epoch++) {
            CT_OK(ct_open(t, 1, epoch % 3, "a", CKPT_HOW_FIND));
            CT_OK(ct_claim(t, 1, epoch));
            if (epoch == 11) {
                CT_OK(ct_remove(t, 1));
            }
            ct_close(t, 1);
        }
        ct_close(t, 0);
    }
    CHECK_INT(t->nonce_count, 33);
}

static void a_claim_says_who_made_it(contract_test *t)
{
    static const char *const owners[] = {
        "worker-3", "", "a \"quoted\" \\ one", "\xc3\xa4\n\t\x01",
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
    };
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    for (unsigned i = 0; i < 5; i++) {
        char owner[256];            // valid during the call only
        snprintf(owner, sizeof(owner), "%s", owners[i]);
        CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
        CT_OK(ct_claim_as(t, 1, i + 2, owner));
        memset(owner, 'x', sizeof(owner) - 1);
        ct_lives(t, 0, i + 2);
        CHECK(memchr(t->life.owner, '\0', sizeof(t->life.owner)) != NULL);
        ct_close(t, 1);
    }
    CT_OK(ct_alive(t, 0, 2));
    CHECK(strstr(t->life.owner, "worker-3") != NULL);
}

static void a_claimant_that_gives_up_says_so(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    for (unsigned epoch = 2; epoch < 6; epoch++) {
        CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
        CT_OK(ct_claim(t, 1, epoch));
        ct_lives(t, 0, epoch);
        CHECK(!t->life.gave_up);
        ct_give_up(t, 1, epoch % 2 == 0);
        ct_is_gone(t, 0, epoch);
        CHECK_INT(t->life.gave_up, epoch % 2 == 0);
    }
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    for (unsigned epoch = 1; epoch < 6; epoch++) {
        CHECK(ct_has_claim(t, 2, epoch));
        CHECK_INT(t->life.gave_up, epoch == 2 || epoch == 4);
    }
}

static void a_claim_says_what_was_acknowledged(contract_test *t)
{
    static const uint64_t acked[] = {
        0, 1, 7, 7, 4294967296, CKPT_TURN_MAX
    };
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_alive(t, 1, 1));
    // Where publish() refuses late owners itself, what it published is
    // acknowledged, and the store may say so without a beat.
    const uint64_t said = t->life.acked;
    CHECK(said == 0 || (said == gen.seq && ct_is_fenced_write(t)));
    for (unsigned i = 0; i < 6; i++) {
        CT_OK(ct_beat_for(t, 0, acked[i]));
        CT_OK(ct_alive(t, 1, 1));
        CHECK(t->life.acked == (acked[i] > said ? acked[i] : said));
    }
    ct_close(t, 0);
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_beat_for(t, 1, 9));
    CT_OK(ct_alive(t, 1, 1));
    CHECK(t->life.acked == CKPT_TURN_MAX);
    CT_OK(ct_alive(t, 1, 2));
    CHECK(t->life.acked == 9);
}

static void an_owner_is_live_while_it_holds_its_place(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    ct_lives(t, 0, 1);
    ct_lives(t, 1, 1);
    CHECK(t->life.beat_ms != 0);
    CHECK(t->life.now_ms >= t->life.beat_ms);
}

static void an_owner_that_let_go_is_gone(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    ct_close(t, 0);
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    ct_is_gone(t, 1, 1);
    ct_sees(t, 1, 1, "one");
}

static void an_owner_that_was_killed_is_gone(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    CT_NEEDS(kill);
    if (!ct_begin(t, 0, 1, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_put(t, 0, "two", 3));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    ct_lives(t, 1, 1);
    t->with->kill(t->with->user, 1);
    ct_is_gone(t, 1, 1);
    ct_sees(t, 1, 1, "one");
    CT_OK(ct_claim(t, 1, 2));
    ct_lives(t, 1, 2);
    ct_is_gone(t, 1, 1);
    ct_close(t, 0);
    ct_lives(t, 1, 2);
}

static void a_reader_that_lets_go_does_not_end_a_claim(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
        ct_sees(t, 1, 1, "one");
        ct_lives(t, 1, 1);
        ct_close(t, 1);
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CHECK_INT(ct_claim(t, 1, 1), CKPT_ERR_CLAIM_LOST);
    ct_close(t, 1);
    ct_lives(t, 0, 1);
    CT_OK(ct_beat(t, 0));
}

static void nobody_lives_in_an_epoch_without_a_claim(contract_test *t)
{
    ckpt_gen gen;
    if (ct_begin(t, 0, 0, "a", "one", &gen)) {
        CHECK(ct_no_claim(t, 0, 7));
        CHECK(ct_has_claim(t, 0, 1));
    }
}

static void a_beat_makes_the_last_beat_now(contract_test *t)
{
    ckpt_gen gen;
    CT_NEEDS(tick);
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_alive(t, 0, 1));
    const int64_t first = t->life.beat_ms, since = t->life.now_ms;
    t->with->tick(t->with->user, 60000);
    CT_OK(ct_alive(t, 0, 1));
    CHECK(t->life.beat_ms == first);
    CHECK(t->life.now_ms - since >= 60000);
    CT_OK(ct_beat(t, 0));
    CT_OK(ct_alive(t, 0, 1));
    CHECK(t->life.beat_ms - first >= 60000);
    CHECK(t->life.now_ms - t->life.beat_ms < 60000);
}

static void a_beat_without_its_claim_is_claim_lost(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_remove(t, 1));
    CHECK_INT(ct_beat(t, 0), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ct_beat(t, 1), CKPT_ERR_CLAIM_LOST);
}

static void a_forked_child_owns_nothing(contract_test *t)
{
    contract_place *at = &t->p[0];
    ckpt_gen one, gen;
    ckpt_moment now;
    char buf[8];
    size_t got;
    CT_NEEDS(fork);
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_put(t, 0, "two", 3));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_look(t, 1));
    // its copies of the places stand at the same addresses
    const contract_place parent = *at, reader = t->p[1];
    at->store = t->p[1].store = t->with->fork(t->with->user);
    CHECK_INT(ct_look(t, 1), CKPT_ERR_FORKED);
    CHECK_INT(ct_claim(t, 1, 2), CKPT_ERR_FORKED);
    ct_lives(t, 1, 1);
    ct_close(t, 1);
    CHECK_INT(ct_look(t, 0), CKPT_ERR_FORKED);
    CHECK_INT(ct_claim(t, 0, 2), CKPT_ERR_FORKED);
    CHECK_INT(ct_beat(t, 0), CKPT_ERR_FORKED);
    CHECK_INT(ct_put(t, 0, "child", 5), CKPT_ERR_FORKED);
    CHECK_INT(ct_publish(t, 0, 1, 2, &gen), CKPT_ERR_FORKED);
    CHECK_INT(ct_set_aside(t, 0, &one), CKPT_ERR_FORKED);
    CHECK_INT(ct_drop_older(t, 0, 1), CKPT_ERR_FORKED);
    CHECK_INT(ct_drop(t, 0, NULL, CKPT_DROP_REST), CKPT_ERR_FORKED);
    CHECK_INT(ct_remove(t, 0), CKPT_ERR_FORKED);
    CHECK_INT(ct_result(t, at->store->methods->env(at->store, at->bytes, &now,
                                                   &t->err)), CKPT_ERR_FORKED);
    ct_lives(t, 0, 1);
    CT_OK(ct_read(t, 0, &one, 0, buf, sizeof(buf), &got));
    CHECK(ct_trim(buf, got) == 3 && memcmp(buf, "one", 3) == 0);
    ct_give_up(t, 0, true);
    *at = parent;
    t->p[1] = reader;
    ct_sees(t, 1, 1, "one");
    ct_lives(t, 0, 1);
    CHECK(!t->life.gave_up);
    CT_OK(ct_beat(t, 0));
    CT_OK(ct_publish(t, 0, 1, 2, &gen));
    ct_sees(t, 0, 2, "two");
}

static void a_claim_ends_with_its_owner_though_a_child_is_left(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    CT_NEEDS(fork);
    CT_NEEDS(kill);
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    (void)t->with->fork(t->with->user);
    t->with->kill(t->with->user, 0);
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    ct_is_gone(t, 1, 1);
}

//--- Read ---------------------------------------------------------------------

static void a_read_gives_any_range_and_stops_at_the_end(contract_test *t)
{
    char buf[16];
    size_t got;
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "0123456789", &gen)) {
        return;
    }
    for (unsigned from = 0; from < 13; from++) {
        for (size_t n = 1; n < 13; n++) {
            const size_t left = from < 10 ? 10 - from : 0;
            memset(buf, '?', sizeof(buf));
            CT_OK(ct_read(t, 0, &gen, from, buf, n, &got));
            CHECK(buf[n] == '?' && got <= n);
            got = ct_trim(buf, got);
            CHECK_INT(got, left < n ? left : n);
            CHECK(got == 0 || memcmp(buf, &"0123456789"[from], got) == 0);
        }
    }
    CT_OK(ct_read(t, 0, &gen, UINT64_C(1) << 40, buf, 1, &got));
    CHECK_INT(got, 0);
}

static void two_generations_can_be_read_by_turns(contract_test *t)
{
    ckpt_gen one, two;
    char buf[8];
    size_t got;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    for (unsigned i = 0; i < 3; i++) {
        CT_OK(ct_read(t, 0, &one, i, buf, 1, &got));
        CHECK(got == 1 && buf[0] == "one"[i]);
        CT_OK(ct_read(t, 0, &two, i, buf, 1, &got));
        CHECK(got == 1 && buf[0] == "two"[i]);
    }
    CT_OK(ct_read(t, 0, &two, 0, NULL, 0, &got));
    CT_OK(ct_read(t, 0, &two, 0, NULL, 0, &got));
    ct_holds(t, 0, &one, "one");
}

static void a_generation_that_was_replaced_twice_is_stale(contract_test *t)
{
    ckpt_gen first, gen;
    char buf[8];
    size_t got;
    if (!ct_begin(t, 0, 0, "a", "first", &first)) {
        return;
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_save(t, 0, 1, 2, "gen-2", &gen));
    ct_holds(t, 1, &first, "first");
    // many times: a name of one that is gone must not come back for another
    for (uint64_t seq = 3; seq < 30; seq++) {
        CT_OK(ct_save(t, 0, 1, seq, "other", &gen));
        CHECK_INT(ct_read(t, 1, &first, 0, buf, sizeof(buf), &got),
                  CKPT_ERR_STALE);
    }
}

static void a_reader_sees_one_generation_or_stale(contract_test *t)
{
    ckpt_gen first, gen;
    char buf[8];
    size_t got;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "aaaaaa", &first)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_read(t, 1, &first, 0, buf, 3, &got));
    CHECK(got == 3 && memcmp(buf, "aaa", 3) == 0);
    for (uint64_t seq = 2; seq < 8; seq++) {
        CT_OK(ct_save(t, 0, 1, seq, "bbbbbb", &gen));
        const ckpt_code rc = ct_read(t, 1, &first, 3, buf, 3, &got);
        CHECK(rc == CKPT_ERR_STALE || t->with->in_place ||
              (rc == CKPT_OK && got == 3 && memcmp(buf, "aaa", 3) == 0));
    }
}

static void a_generation_that_never_was_is_stale(contract_test *t)
{
    ckpt_gen gen;
    char buf[8];
    size_t got;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    ckpt_gen other = gen;
    other.token = ~gen.token;
    CHECK_INT(ct_read(t, 0, &other, 0, buf, 1, &got), CKPT_ERR_STALE);
    other = gen;
    other.epoch = 2;
    CHECK_INT(ct_read(t, 0, &other, 0, buf, 1, &got), CKPT_ERR_STALE);
    ct_holds(t, 0, &gen, "one");
}

//--- Put and publish ----------------------------------------------------------

static void publish_keeps_the_one_before(contract_test *t)
{
    ckpt_gen before, gen;
    if (!ct_begin(t, 0, 0, "a", "1", &before)) {
        return;
    }
    for (uint64_t seq = 2; seq < 10; seq++) {
        char last[2] = { (char)('0' + seq - 1), '\0' };
        char text[2] = { (char)('0' + seq), '\0' };
        CT_OK(ct_save(t, 0, 1, seq, text, &gen));
        if (ct_sees(t, 0, 2, text)) {
            CHECK(t->look.gens[0].token == gen.token);
            CHECK(t->look.gens[1].token == before.token);
        }
        ct_holds(t, 0, &before, last);
        ct_holds(t, 0, &gen, text);
        before = gen;
    }
}

static void a_token_is_never_used_again(contract_test *t)
{
    uint64_t tokens[20];
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        tokens[i] = gen.token;
        for (unsigned k = 0; k < i; k++) {
            CHECK(tokens[k] != tokens[i]);
        }
        char text[8];
        snprintf(text, sizeof(text), "more %u", i);
        CT_OK(ct_save(t, 0, 1, i + 2, text, &gen));
    }
}

static void pieces_are_joined_in_order(contract_test *t)
{
    ckpt_gen base, gen;
    if (!ct_begin(t, 0, 0, "a", "0123456789", &base)) {
        return;
    }
    CT_OK(ct_put_range(t, 0, &base, 0, "0123", 4));
    CT_OK(ct_put(t, 0, "--", 2));
    CT_OK(ct_put_range(t, 0, &base, 2, "23456789", 8));
    CT_OK(ct_put_range(t, 0, &base, 0, "01", 2));
    CT_OK(ct_put(t, 0, "+", 1));
    CT_OK(ct_publish(t, 0, 1, 2, &gen));
    ct_sees(t, 0, 2, "0123--2345678901+");
    // the one before is a base too
    CT_OK(ct_put_range(t, 0, &base, 5, "56789", 5));
    CT_OK(ct_publish(t, 0, 1, 3, &gen));
    ct_sees(t, 0, 2, "56789");
}

static void a_base_may_be_of_an_older_epoch(contract_test *t)
{
    ckpt_gen base, gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "0123456789", &base)) {
        return;
    }
    ct_close(t, 0);
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_look(t, 1));
    base = t->look.gens[0];
    CT_OK(ct_put(t, 1, "<", 1));
    CT_OK(ct_put_range(t, 1, &base, 3, "3456789", 7));
    CT_OK(ct_publish(t, 1, 2, 2, &gen));
    if (ct_sees(t, 1, 2, "<3456789")) {
        CHECK_INT(t->look.gens[0].epoch, 2);
        CHECK_INT(t->look.gens[1].epoch, 1);
    }
    ct_holds(t, 1, &base, "0123456789");
}

static void a_large_generation_comes_back_whole(contract_test *t)
{
    const size_t size = ct_large(t, 1), piece = size / 24 + 1, cut = size / 300;
    const size_t cap = 2 * size + 65536;        // blanks may follow
    unsigned char *want = (unsigned char *)malloc(size);
    unsigned char *have = (unsigned char *)malloc(cap);
    ckpt_gen base, gen;
    size_t got = 0;
    if (CHECK(want != NULL && have != NULL) &&
        ct_begin(t, 0, 0, "a", "one", &base)) {
        for (size_t i = 0; i < size; i++) {
            want[i] = (unsigned char)(i * 7 + i / 251);
        }
        for (size_t i = 0; i < size; i += piece) {
            CT_OK(ct_put(t, 0, want + i,
                         size - i < piece ? size - i : piece));
        }
        CT_OK(ct_publish(t, 0, 1, 2, &base));
        CT_OK(ct_put_range(t, 0, &base, cut, (const char *)want + cut,
                           size - cut));
        CT_OK(ct_publish(t, 0, 1, 3, &gen));
        CT_OK(ct_read(t, 0, &base, 0, have, cap, &got));
        CHECK(ct_trim(have, got) == size && memcmp(want, have, size) == 0);
        CT_OK(ct_read(t, 0, &gen, 0, have, cap, &got));
        CHECK(ct_trim(have, got) == size - cut &&
              memcmp(want + cut, have, size - cut) == 0);
    }
    free(want);
    free(have);
}

// After a put that failed: nothing changed, and nothing is left over that the
// next generation would begin with.
static void ct_unchanged(contract_test *t, unsigned p)
{
    ckpt_gen gen;
    ct_sees(t, p, 1, "0123456789");
    CT_OK(ct_save(t, p, 1, 2, "after", &gen));
    ct_sees(t, p, 2, "after");
}

static void a_range_with_another_sum_is_damaged(contract_test *t)
{
    ckpt_gen base;
    if (ct_begin(t, 0, 0, "a", "0123456789", &base)) {
        CT_OK(ct_put(t, 0, "left", 4));
        CHECK_INT(ct_put_range(t, 0, &base, 2, "23x5", 4), CKPT_ERR_DAMAGED);
        ct_unchanged(t, 0);
    }
}

static void a_range_beyond_the_end_is_damaged(contract_test *t)
{
    ckpt_gen base;
    if (ct_begin(t, 0, 0, "a", "0123456789", &base)) {
        CT_OK(ct_put(t, 0, "left", 4));
        CHECK_INT(ct_put_range(t, 0, &base, 8, "89", 3), CKPT_ERR_DAMAGED);
        ct_unchanged(t, 0);
    }
}

static void a_range_of_no_generation_is_refused(contract_test *t)
{
    ckpt_gen base, none;
    if (ct_begin(t, 0, 0, "a", "0123456789", &base)) {
        memset(&none, 0, sizeof(none));
        CT_OK(ct_put(t, 0, "left", 4));
        const ckpt_code rc = ct_put_range(t, 0, &none, 0, "0", 1);
        CHECK(rc == CKPT_ERR_STALE || rc == CKPT_ERR_DAMAGED);
        ct_unchanged(t, 0);
    }
}

static void what_was_not_published_is_not_there(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_put(t, 0, "two", 3));
    ct_sees(t, 0, 1, "one");
    ct_close(t, 0);
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_FIND));
    ct_sees(t, 0, 1, "one");
    CT_OK(ct_claim(t, 0, 2));
    CT_OK(ct_save(t, 0, 2, 2, "three", &gen));
    ct_sees(t, 0, 2, "three");
}

static void two_writers_do_not_mix(contract_test *t)
{
    ckpt_gen base, old, young;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "base", &base)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_put(t, 0, "old ", 4));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_put(t, 1, "young ", 6));
    (void)ct_put(t, 0, "one", 3);
    CT_OK(ct_put(t, 1, "one", 3));
    CT_OK(ct_publish(t, 1, 2, 2, &young));
    ct_holds(t, 1, &young, "young one");
    const ckpt_code rc = ct_publish(t, 0, 1, 2, &old);
    if (rc == CKPT_OK) {
        ct_holds(t, 1, &old, "old one");
    }
    ct_holds(t, 1, &young, "young one");
}

static void an_older_epoch_cannot_harm_a_higher_one(contract_test *t)
{
    ckpt_gen gen, young;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_save(t, 1, 2, 2, "young", &young));
    for (uint64_t seq = 2; seq < 6; seq++) {
        CHECK(ct_fenced(t, ct_save(t, 0, 1, seq, "old", &gen)));
        CT_OK(ct_look(t, 1));
        CHECK_INT(t->look.epoch, 2);
        CHECK(t->look.mine);
        CHECK(t->look.gens[0].token == young.token);
        ct_holds(t, 1, &young, "young");
    }
    CT_OK(ct_look(t, 0));
    CHECK_INT(t->look.epoch, 2);    // so it learns that it is fenced off
    CT_OK(ct_save(t, 1, 2, 6, "more", &young));
    ct_holds(t, 1, &young, "more");
}

// Also what it had put already when its claim went.
static void a_publish_without_its_claim_is_claim_lost(contract_test *t)
{
    ckpt_gen gen, young;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_put(t, 0, "half", 4));
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_save(t, 1, 2, 2, "two", &young));
    CT_OK(ct_save(t, 1, 2, 3, "three", &young));
    CT_OK(ct_drop_older(t, 1, 2));
    CHECK_INT(ct_publish(t, 0, 1, 2, &gen), CKPT_ERR_CLAIM_LOST);
    if (ct_put(t, 0, "again", 5) == CKPT_OK) {
        CHECK_INT(ct_publish(t, 0, 1, 3, &gen), CKPT_ERR_CLAIM_LOST);
    }
    CHECK_INT(ct_beat(t, 0), CKPT_ERR_CLAIM_LOST);
    ct_sees(t, 1, 2, "three");
    CHECK(t->look.epoch == 2 && t->look.mine);
    CT_OK(ct_save(t, 1, 2, 4, "four", &young));
    ct_sees(t, 1, 2, "four");
}

static void what_was_published_survives_a_power_cut(contract_test *t)
{
    ckpt_gen gen;
    CT_NEEDS(cut);
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_beat_for(t, 0, 1));
    CT_OK(ct_save(t, 0, 1, 2, "two", &gen));
    CT_OK(ct_beat_for(t, 0, 2));
    CT_OK(ct_put(t, 0, "three", 5));
    t->p[0].store = NULL;           // nobody is there to close it
    t->s[0] = t->with->cut(t->with->user);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_look(t, 1));
    CHECK_INT(t->look.epoch, 1);
    CHECK(!t->look.mine);
    if (CHECK(t->look.count >= 1)) {
        const ckpt_gen newest = t->look.gens[0];
        ct_holds(t, 1, &newest, "two");
    }
    ct_is_gone(t, 1, 1);
    CHECK(t->life.beat_ms != 0);
    CHECK(t->life.acked <= 2);      // as far as it survived
    CHECK(!t->life.gave_up);
    CHECK_INT(ct_claim(t, 1, 1), CKPT_ERR_CLAIM_LOST);
    CT_OK(ct_claim(t, 1, 2));
    ct_lives(t, 1, 2);
    CT_OK(ct_save(t, 1, 2, 3, "three", &gen));
    CT_OK(ct_look(t, 1));
    const ckpt_gen newest = t->look.gens[0];
    ct_holds(t, 1, &newest, "three");
}

static void a_run_that_was_removed_stays_so_after_a_power_cut(contract_test *t)
{
    ckpt_gen gen;
    CT_NEEDS(cut);
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &gen));
    CT_OK(ct_drop(t, 0, &gen, CKPT_DROP_ALL));
    t->p[0].store = NULL;
    t->s[0] = t->with->cut(t->with->user);
    CHECK_INT(ct_open(t, 1, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
}

//--- Room ---------------------------------------------------------------------

// Saves so many bytes.
static ckpt_code ct_fill(contract_test *t, unsigned p, uint64_t epoch,
                         uint64_t seq, size_t size, ckpt_gen *gen)
{
    char piece[1000];
    memset(piece, 'a' + (int)(seq % 26), sizeof(piece));
    for (size_t left = size; left > 0; ) {
        const size_t n = left < sizeof(piece) ? left : sizeof(piece);
        const ckpt_code rc = ct_put(t, p, piece, n);
        if (rc != CKPT_OK) {
            return rc;
        }
        left -= n;
    }
    return ct_publish(t, p, epoch, seq, gen);
}

// Whether a generation is what ct_fill() saved.
static bool ct_is_filled(contract_test *t, unsigned p, const ckpt_gen *gen,
                         uint64_t seq, size_t size)
{
    bool is = true;
    for (size_t from = 0; from <= size; from += 1000) {
        char buf[1000];
        size_t got = 0;
        const size_t left = size - from;
        CT_OK(ct_read(t, p, gen, from, buf, sizeof(buf), &got));
        got = ct_trim(buf, got);
        is = is && got == (left < sizeof(buf) ? left : sizeof(buf));
        for (size_t i = 0; i < got; i++) {
            is = is && buf[i] == 'a' + (char)(seq % 26);
        }
    }
    return is;
}

// A large generation where room is short, and a small one elsewhere.
static size_t ct_ample(const contract_test *t, unsigned runs)
{
    const bool any = t->with->capacity == 0 && t->s[0]->methods->size_max == 0;
    return any ? 1000 : ct_large(t, runs);
}

// The two of an epoch, the first one of each claimant, and the one that is
// being written; and claims, of claimants that crash in a row.
static void there_is_room_for_four_generations_of_each_run(contract_test *t)
{
    const unsigned runs = ct_runs(t, 3);
    const size_t size = ct_ample(t, runs);
    char id[16];
    ckpt_gen gen;
    for (unsigned i = 0; i < runs; i++) {
        snprintf(id, sizeof(id), "run-%u", i);
        CT_OK(ct_open(t, i, 0, id, CKPT_HOW_NEW));
        CT_OK(ct_claim(t, i, 1));
        for (uint64_t seq = 1; seq < 6; seq++) {
            CT_OK(ct_fill(t, i, 1, seq, size, &gen));
        }
    }
    for (unsigned i = 0; i < runs; i++) {
        snprintf(id, sizeof(id), "run-%u", i);
        ct_close(t, i);
        for (unsigned epoch = 2; epoch <= CKPT_CLAIMS_MAX + 2; epoch++) {
            ct_close(t, i);
            CT_OK(ct_open(t, i, 0, id, CKPT_HOW_FIND));
            CT_OK(ct_claim(t, i, epoch));
        }
    }
    for (unsigned i = 0; i < runs; i++) {
        CT_OK(ct_fill(t, i, CKPT_CLAIMS_MAX + 2, 6, size, &gen));
        CT_OK(ct_fill(t, i, CKPT_CLAIMS_MAX + 2, 7, size, &gen));
        CHECK(ct_is_filled(t, i, &gen, 7, size));
        CT_OK(ct_look(t, i));
        if (CHECK_INT(t->look.count, 4)) {
            const ckpt_gen old = t->look.gens[2];
            CHECK(ct_is_filled(t, i, &old, 5, size));
        }
    }
}

static void what_was_put_and_left_takes_no_room(contract_test *t)
{
    const size_t size = ct_ample(t, 1);
    ckpt_gen gen;
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_fill(t, 0, 1, 1, size, &gen));
    CT_OK(ct_fill(t, 0, 1, 2, size, &gen));
    CT_OK(ct_put(t, 0, "half", 4));
    ct_close(t, 0);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_fill(t, 1, 2, 3, size, &gen));
    CT_OK(ct_fill(t, 1, 2, 4, size, &gen));
    CHECK(ct_is_filled(t, 1, &gen, 4, size));
}

// Also that of an epoch which is not below, and whose owner goes on.
static void drop_older_frees_what_is_half_written(contract_test *t)
{
    const size_t size = ct_ample(t, 1);
    ckpt_gen gen;
    CT_PROCESSES();
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_NEW));
    CT_OK(ct_claim(t, 0, 1));
    CT_OK(ct_fill(t, 0, 1, 1, size, &gen));
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_put(t, 1, "half", 4));
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 2, 3));
    CT_OK(ct_fill(t, 2, 3, 2, size, &gen));
    CT_OK(ct_drop_older(t, 2, 2));
    CT_OK(ct_fill(t, 2, 3, 3, size, &gen));
    ct_close(t, 2);
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 2, 4));
    CT_OK(ct_fill(t, 2, 4, 4, size, &gen));
    CT_OK(ct_fill(t, 2, 4, 5, size, &gen));
    CHECK(ct_is_filled(t, 2, &gen, 5, size));
    if (ct_publish(t, 1, 2, 2, &gen) == CKPT_OK) {
        ct_holds(t, 1, &gen, "half");
    }
}

// Every claimant adds one or two, and nobody drops the older ones.
static void a_full_store_keeps_what_it_has_and_can_drop(contract_test *t)
{
    const size_t size = ct_large(t, 1);
    const uint64_t most = t->with->capacity / size + 2;
    ckpt_code rc = CKPT_OK;
    ckpt_gen gen;
    uint64_t epoch, seq = 0;
    unsigned count = 0;
    if (t->with->capacity == 0) {
        TEST_SKIP("the store has no .capacity");
    }
    for (epoch = 1; rc == CKPT_OK && CHECK(epoch <= most); epoch++) {
        ct_close(t, 0);
        CT_OK(ct_open(t, 0, 0, "a", epoch == 1 ? CKPT_HOW_NEW : CKPT_HOW_FIND));
        CT_OK(ct_claim(t, 0, epoch));
        for (unsigned i = 0; i < 2 && rc == CKPT_OK; i++) {
            rc = ct_fill(t, 0, epoch, ++seq, size, &gen);
            count += rc == CKPT_OK;
        }
    }
    CHECK_INT(rc, CKPT_ERR_NO_SPACE);
    epoch--;
    for (unsigned again = 0; again < 3; again++) {
        CHECK_INT(ct_fill(t, 0, epoch, seq, size, &gen), CKPT_ERR_NO_SPACE);
        CT_OK(ct_look(t, 0));
        const ckpt_look look = t->look;
        CHECK(look.epoch == epoch && look.mine);
        CHECK(look.count == count || look.count >= CKPT_LOOK_MAX - 1);
        for (unsigned i = 0; i < look.count; i++) {
            CHECK(ct_is_filled(t, 0, &look.gens[i], seq - 1 - i, size));
        }
    }
    CT_OK(ct_beat_for(t, 0, 1));    // it needs no more room than it has
    const ckpt_gen newest = t->look.gens[0];
    CT_OK(ct_drop_older(t, 0, newest.epoch));
    CT_OK(ct_drop(t, 0, &newest, CKPT_DROP_REST));
    CHECK(ct_is_filled(t, 0, &newest, seq - 1, size));
    CT_OK(ct_fill(t, 0, epoch, seq, size, &gen));
    CHECK(ct_is_filled(t, 0, &gen, seq, size));
    CT_OK(ct_drop(t, 0, NULL, CKPT_DROP_REST));
    CT_OK(ct_remove(t, 0));
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
}

//--- Set aside ----------------------------------------------------------------

static void what_is_set_aside_is_not_seen_any_more(contract_test *t)
{
    ckpt_gen one, two, gen;
    char buf[8];
    size_t got;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_set_aside(t, 0, &two));
    for (unsigned p = 0; p < 2; p++) {
        if (ct_sees(t, p, 1, "one")) {
            CHECK(t->look.gens[0].token == one.token);
        }
        CHECK_INT(ct_read(t, p, &two, 0, buf, 1, &got), CKPT_ERR_STALE);
    }
    CT_OK(ct_save(t, 0, 1, 3, "three", &gen));
    ct_sees(t, 0, 2, "three");
    ct_holds(t, 0, &one, "one");
}

static void the_one_before_can_be_set_aside(contract_test *t)
{
    ckpt_gen one, two;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    CT_OK(ct_set_aside(t, 0, &one));
    ct_sees(t, 0, 1, "two");
    CT_OK(ct_set_aside(t, 0, &two));
    ct_sees(t, 0, 0, NULL);
    CHECK_INT(t->look.epoch, 1);
    CHECK(t->look.mine);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
}

static void one_of_an_older_epoch_can_be_set_aside(contract_test *t)
{
    ckpt_gen one, two, three;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    ct_close(t, 0);
    CT_OK(ct_open(t, 0, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 0, 2));
    CT_OK(ct_save(t, 0, 2, 3, "three", &three));
    CT_OK(ct_set_aside(t, 0, &two));
    if (ct_sees(t, 0, 2, "three")) {
        CHECK(t->look.gens[1].token == one.token);
    }
    // and it goes with the run
    CT_OK(ct_drop(t, 0, &three, CKPT_DROP_ALL));
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
}

//--- Drop ---------------------------------------------------------------------

// Checks that a place holds the only generation there is, or (NULL) that there
// is none, and that its claim is the only one.
static void ct_is_rest(contract_test *t, unsigned p, uint64_t epoch,
                       const ckpt_gen *gen, const char *text)
{
    CT_OK(ct_look(t, p));
    CHECK(t->look.epoch == epoch && t->look.mine);
    if (CHECK_INT(t->look.count, gen != NULL) && gen != NULL) {
        CHECK(t->look.gens[0].token == gen->token);
        ct_holds(t, p, gen, text);
    }
    for (uint64_t low = 1; low < epoch; low++) {
        CHECK(ct_no_claim(t, p, low));
    }
    CHECK(ct_has_claim(t, p, epoch));
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
}

static void drop_older_removes_claims_and_generations_below(contract_test *t)
{
    if (!ct_epochs(t, "2010")) {
        return;
    }
    CT_OK(ct_look(t, 0));
    const ckpt_gen newest = t->look.gens[0];
    for (unsigned again = 0; again < 2; again++) {
        CT_OK(ct_drop_older(t, 0, 3));
        CT_OK(ct_look(t, 0));
        CHECK(t->look.epoch == 4 && t->look.mine);
        if (CHECK_INT(t->look.count, 1)) {
            CHECK(t->look.gens[0].token == newest.token);
            ct_holds(t, 0, &newest, "3.1");
        }
        for (uint64_t epoch = 1; epoch <= 4; epoch++) {
            CHECK(epoch < 3 ? ct_no_claim(t, 0, epoch)
                            : ct_has_claim(t, 0, epoch));
        }
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CHECK_INT(ct_claim(t, 1, 3), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ct_claim(t, 1, 4), CKPT_ERR_CLAIM_LOST);
    CT_OK(ct_claim(t, 1, 5));
}

static void drop_older_keeps_both_generations_of_the_epoch(contract_test *t)
{
    if (!ct_epochs(t, "12")) {
        return;
    }
    CT_OK(ct_drop_older(t, 0, 1));  // nothing is below the first epoch
    ct_sees(t, 0, 3, "2.2");
    CHECK(ct_has_claim(t, 0, 1));
    CT_OK(ct_drop_older(t, 0, 2));
    ct_sees(t, 0, 2, "2.2");
    CHECK(t->look.epoch == 2 && t->look.mine);
    CHECK(ct_no_claim(t, 0, 1));
}

static void drop_rest_keeps_one_generation_and_the_claim(contract_test *t)
{
    if (!ct_epochs(t, "112")) {
        return;
    }
    CT_OK(ct_look(t, 0));
    const ckpt_gen newest = t->look.gens[0];
    for (unsigned again = 0; again < 2; again++) {
        CT_OK(ct_drop(t, 0, &newest, CKPT_DROP_REST));
        ct_is_rest(t, 0, 3, &newest, "3.2");
    }
}

// A claimant drops before it has adopted, too.
static void drop_rest_keeps_a_generation_of_a_lower_epoch(contract_test *t)
{
    if (!ct_epochs(t, "200")) {
        return;
    }
    CT_OK(ct_look(t, 0));
    const ckpt_gen before = t->look.gens[1];
    for (unsigned again = 0; again < 2; again++) {
        CT_OK(ct_drop(t, 0, &before, CKPT_DROP_REST));
        ct_is_rest(t, 0, 3, &before, "1.1");
    }
}

static void drop_rest_of_no_generation_keeps_the_claim(contract_test *t)
{
    ckpt_gen gen;
    if (!ct_epochs(t, "201")) {
        return;
    }
    for (unsigned again = 0; again < 2; again++) {
        CT_OK(ct_drop(t, 0, NULL, CKPT_DROP_REST));
        ct_is_rest(t, 0, 3, NULL, NULL);
    }
    CT_OK(ct_open(t, 1, 0, "a", CKPT_HOW_FIND));
    CT_OK(ct_beat(t, 0));
    CT_OK(ct_save(t, 0, 3, 9, "more", &gen));
    ct_sees(t, 1, 1, "more");
}

// Whoever is mistaken about what stands must not lose it.
static void drop_rest_of_one_that_is_gone_removes_nothing(contract_test *t)
{
    ckpt_gen one, two, three;
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_save(t, 0, 1, 2, "two", &two));
    CT_OK(ct_save(t, 0, 1, 3, "three", &three));
    CHECK_INT(ct_drop(t, 0, &one, CKPT_DROP_REST), CKPT_ERR_STALE);
    ct_sees(t, 0, 2, "three");
    ct_holds(t, 0, &two, "two");
}

static void a_removed_run_is_not_there(contract_test *t)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!ct_epochs(t, "2011")) {
            return;
        }
        CT_OK(ct_look(t, 0));
        const ckpt_gen newest = t->look.gens[0];
        for (unsigned again = 0; again < 2; again++) {
            CT_OK(ct_drop(t, 0, i == 0 ? &newest : NULL, CKPT_DROP_ALL));
            CHECK_INT(ct_open(t, 1, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
            CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
            CHECK_INT(ct_count(t, CKPT_AT_LEFTOVERS, NULL), 0);
        }
        CT_OK(ct_drop(t, 0, NULL, CKPT_DROP_REST));
        CT_OK(ct_drop_older(t, 0, 4));
        ct_close(t, 0);
        CHECK_INT(ct_open(t, 0, 0, "a", CKPT_HOW_FIND), CKPT_ERR_NOT_FOUND);
    }
}

static void an_id_can_be_begun_again_and_is_another_run(contract_test *t)
{
    ckpt_gen one, ghost, again;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &one)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_remove(t, 0));
    ct_begin(t, 2, 2, "a", "again", &again);
    // whoever still holds the first one can do nothing to the second
    for (unsigned p = 0; p < 2; p++) {
        CT_OK(ct_look(t, p));
        CHECK(t->look.epoch == 0 && !t->look.mine && t->look.count == 0);
        CHECK(ct_no_claim(t, p, 1));
        CHECK_INT(ct_claim(t, p, 2), CKPT_ERR_STALE);
        CHECK(ct_save(t, p, 1, 9, "ghost", &ghost) != CKPT_OK);
        (void)ct_set_aside(t, p, &again);
        (void)ct_drop_older(t, p, 9);
        (void)ct_drop(t, p, &one, CKPT_DROP_REST);
        (void)ct_drop(t, p, NULL, CKPT_DROP_REST);
        (void)ct_drop(t, p, &again, CKPT_DROP_ALL);
        (void)ct_remove(t, p);
        ct_close(t, p);
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    ct_sees(t, 1, 1, "again");
    ct_lives(t, 1, 1);
    CT_OK(ct_look(t, 2));
    CHECK(t->look.mine);
    CT_OK(ct_save(t, 2, 1, 2, "two", &again));
    ct_sees(t, 1, 2, "two");
}

// Tells what a fenced owner did not take from the one above it.
static void ct_is_unharmed(contract_test *t, unsigned p, ckpt_gen *young)
{
    CT_OK(ct_look(t, p));
    CHECK(t->look.epoch == 2 && t->look.mine);
    CHECK(t->look.gens[0].token == young->token);
    ct_holds(t, p, young, "young");
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
    CT_OK(ct_beat(t, p));
    CT_OK(ct_save(t, p, 2, young->seq + 1, "young", young));
    CHECK(ct_has_claim(t, p, 2));
}

static void a_fenced_owner_removes_nothing_of_a_higher_epoch(contract_test *t)
{
    ckpt_gen old, young;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "old", &old)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CT_OK(ct_save(t, 1, 2, 2, "young", &young));
    CHECK(ct_fenced(t, ct_drop_older(t, 0, 1)));
    ct_is_unharmed(t, 1, &young);
    CHECK(ct_fenced(t, ct_drop(t, 0, &old, CKPT_DROP_REST)));
    ct_is_unharmed(t, 1, &young);
    CHECK(ct_fenced(t, ct_drop(t, 0, NULL, CKPT_DROP_REST)));
    ct_is_unharmed(t, 1, &young);
    CHECK(ct_fenced(t, ct_drop(t, 0, &old, CKPT_DROP_ALL)));
    ct_is_unharmed(t, 1, &young);
    CHECK(ct_fenced(t, ct_remove(t, 0)));
    ct_is_unharmed(t, 1, &young);
    ct_close(t, 0);
    CT_OK(ct_open(t, 2, 2, "a", CKPT_HOW_FIND));
    ct_lives(t, 2, 2);
}

static void a_claim_without_generations_keeps_the_run(contract_test *t)
{
    ckpt_gen gen;
    CT_PROCESSES();
    if (!ct_begin(t, 0, 0, "a", "one", &gen)) {
        return;
    }
    CT_OK(ct_open(t, 1, 1, "a", CKPT_HOW_FIND));
    CT_OK(ct_claim(t, 1, 2));
    CHECK(ct_fenced(t, ct_drop(t, 0, &gen, CKPT_DROP_ALL)));
    CT_OK(ct_look(t, 1));
    CHECK(t->look.mine);
    CHECK_INT(t->look.epoch, 2);
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, "a"), 1);
    // whoever claimed finishes what the other one began
    CT_OK(ct_remove(t, 1));
    CHECK_INT(ct_count(t, CKPT_AT_RUNS, NULL), 0);
    CT_OK(ct_look(t, 1));
    CHECK_INT(t->look.epoch, 0);
}

//--- The suite ----------------------------------------------------------------

#define CONTRACT_LIST(X)                                                       \
    X(the_table_is_whole)                                                      \
    X(the_monotonic_clock_never_goes_back)                                     \
    X(what_is_not_there_is_not_found)                                          \
    X(an_empty_store_lists_nothing)                                            \
    X(a_new_run_is_invisible_until_its_first_publish)                          \
    X(of_two_new_runs_of_one_id_the_second_one_exists)                         \
    X(a_new_run_of_an_id_that_is_there_exists)                                 \
    X(a_look_aside_tells_its_own_claim)                                        \
    X(a_run_that_was_never_shown_can_be_swept)                                 \
    X(the_maker_of_a_run_is_live_before_it_is_shown)                           \
    X(a_leftover_that_was_shown_meanwhile_stays)                               \
    X(an_id_is_any_bytes)                                                      \
    X(a_list_that_was_stopped_begins_anew)                                     \
    X(two_lists_at_once_do_not_meet)                                           \
    X(a_list_gives_once_what_stands_all_the_while)                             \
    X(a_look_tells_the_newest_generation_first)                                \
    X(a_look_tells_whose_claim_it_is)                                          \
    X(a_look_tells_the_highest_epoch_of_claims_too)                            \
    X(a_look_up_to_an_epoch_tells_no_higher_one)                               \
    X(a_look_tells_whole_epochs_as_many_as_fit)                                \
    X(a_look_tells_a_claim_behind_a_gap)                                       \
    X(a_look_tells_the_highest_claim_without_the_lower_ones)                   \
    X(of_a_removed_run_nothing_is_left)                                        \
    X(a_look_is_at_the_run_as_it_is_now)                                       \
    X(looking_changes_nothing)                                                 \
    X(a_claim_is_won_once)                                                     \
    X(a_claim_stays_taken_when_its_owner_is_gone)                              \
    X(a_live_owner_can_be_claimed_over)                                        \
    X(a_claim_of_a_removed_run_is_stale)                                       \
    X(a_nonce_is_never_given_twice)                                            \
    X(a_claim_says_who_made_it)                                                \
    X(a_claimant_that_gives_up_says_so)                                        \
    X(a_claim_says_what_was_acknowledged)                                      \
    X(an_owner_is_live_while_it_holds_its_place)                               \
    X(an_owner_that_let_go_is_gone)                                            \
    X(an_owner_that_was_killed_is_gone)                                        \
    X(a_reader_that_lets_go_does_not_end_a_claim)                              \
    X(nobody_lives_in_an_epoch_without_a_claim)                                \
    X(a_beat_makes_the_last_beat_now)                                          \
    X(a_beat_without_its_claim_is_claim_lost)                                  \
    X(a_forked_child_owns_nothing)                                             \
    X(a_claim_ends_with_its_owner_though_a_child_is_left)                      \
    X(a_read_gives_any_range_and_stops_at_the_end)                             \
    X(two_generations_can_be_read_by_turns)                                    \
    X(a_generation_that_was_replaced_twice_is_stale)                           \
    X(a_reader_sees_one_generation_or_stale)                                   \
    X(a_generation_that_never_was_is_stale)                                    \
    X(publish_keeps_the_one_before)                                            \
    X(a_token_is_never_used_again)                                             \
    X(pieces_are_joined_in_order)                                              \
    X(a_base_may_be_of_an_older_epoch)                                         \
    X(a_large_generation_comes_back_whole)                                     \
    X(a_range_with_another_sum_is_damaged)                                     \
    X(a_range_beyond_the_end_is_damaged)                                       \
    X(a_range_of_no_generation_is_refused)                                     \
    X(what_was_not_published_is_not_there)                                     \
    X(two_writers_do_not_mix)                                                  \
    X(an_older_epoch_cannot_harm_a_higher_one)                                 \
    X(a_publish_without_its_claim_is_claim_lost)                               \
    X(what_was_published_survives_a_power_cut)                                 \
    X(a_run_that_was_removed_stays_so_after_a_power_cut)                       \
    X(there_is_room_for_four_generations_of_each_run)                          \
    X(what_was_put_and_left_takes_no_room)                                     \
    X(drop_older_frees_what_is_half_written)                                   \
    X(a_full_store_keeps_what_it_has_and_can_drop)                             \
    X(what_is_set_aside_is_not_seen_any_more)                                  \
    X(the_one_before_can_be_set_aside)                                         \
    X(one_of_an_older_epoch_can_be_set_aside)                                  \
    X(drop_older_removes_claims_and_generations_below)                         \
    X(drop_older_keeps_both_generations_of_the_epoch)                          \
    X(drop_rest_keeps_one_generation_and_the_claim)                            \
    X(drop_rest_keeps_a_generation_of_a_lower_epoch)                           \
    X(drop_rest_of_no_generation_keeps_the_claim)                              \
    X(drop_rest_of_one_that_is_gone_removes_nothing)                           \
    X(a_removed_run_is_not_there)                                              \
    X(an_id_can_be_begun_again_and_is_another_run)                             \
    X(a_fenced_owner_removes_nothing_of_a_higher_epoch)                        \
    X(a_claim_without_generations_keeps_the_run)

static const contract *contract_now;    // of the suite that runs

static void contract_run(void (*clause)(contract_test *t))
{
    static contract_test t;
    const contract *with = contract_now;
    memset(&t, 0, sizeof(t));
    t.with = with;
    t.s[0] = with->make(with->user);
    if (t.s[0] == NULL) {
        with->free(with->user);
        TEST_SKIP("the store cannot be made here");
    }
    for (unsigned i = 1; i < CONTRACT_PROCESSES; i++) {
        t.s[i] = with->process != NULL ? with->process(with->user, i) :
                 (t.s[0]->caps & CKPT_CAP_SINGLE_PROCESS) != 0 ? t.s[0] : NULL;
    }
    clause(&t);
    for (unsigned p = 0; p < CONTRACT_PLACES; p++) {
        ct_close(&t, p);
    }
    with->free(with->user);
}

#define CONTRACT_CASE(name)                                                    \
    static void contract_##name(void)                                          \
    {                                                                          \
        contract_run(name);                                                    \
    }
#define CONTRACT_ENTRY(name) { #name, contract_##name },

CONTRACT_LIST(CONTRACT_CASE)

static const test_case contract_cases[] = { CONTRACT_LIST(CONTRACT_ENTRY) };

#define CONTRACT_SUITE(noun, factory)                                          \
    static void contract_use_##noun(void)                                      \
    {                                                                          \
        contract_now = &(factory);                                             \
    }                                                                          \
    extern const test_suite test_suite_##noun;                                 \
    const test_suite test_suite_##noun = {                                     \
        #noun, contract_cases,                                                 \
        sizeof(contract_cases) / sizeof(contract_cases[0]),                    \
        contract_use_##noun                                                    \
    };

#endif /* CONTRACT_H */
