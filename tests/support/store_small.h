// SPDX-License-Identifier: MIT-0
// store_small.h -- the smallest complete store: 32 KiB of memory, no heap
//
// For a memory that a reset leaves alone, such as a RAM with a battery; and to
// learn from, for whoever writes a store for something else.
//
//     static small_memory ram;                // where a reset leaves it alone
//     static const small_board board = { my_clock, my_flush, NULL };
//     store_small store;
//     store_small_mount(&store, &ram, &board, my_random_number());
//     ... ckpt_init(&ctx, &(ckpt_desc){ .store = &store.base }) ...
//
// It has SMALL_RUNS runs, each with all the room that the header asks for (see
// ROOM there). One process and one thread.
//
// Everything that is kept begins with a word: its state. That is written last
// when it comes and first when it goes, and alone between two flushes; so a
// reset at any moment finds a thing whole or not there.
#ifndef STORE_SMALL_H
#define STORE_SMALL_H

#include "ckpt.h"

#include <string.h>

#define SMALL_RUNS     2
#define SMALL_CLAIMS   (CKPT_CLAIMS_MAX + 4)    // of a run, see ROOM
#define SMALL_GENS     4                        // of a run
#define SMALL_SIZE_MAX 3584

enum {
    SMALL_FREE,
    SMALL_MAKING,           // a run aside; a generation that is being written
    SMALL_THERE,            // of a claim: and its owner holds it
    SMALL_LET_GO,           // of a claim only, as the last one is
    SMALL_GAVE_UP
};

typedef struct small_claim {
    uint32_t state;
    uint32_t boot;          // in which it was made
    uint64_t epoch, acked;
    int64_t  beat_ms;       // on the clock of that boot
    char     owner[16];     // what fits of it
} small_claim;

typedef struct small_gen {
    uint32_t      state, size;
    ckpt_gen      name;     // while it is being written: the writer's epoch
    unsigned char bytes[SMALL_SIZE_MAX];
} small_gen;

typedef struct small_run {
    uint32_t    state;
    uint32_t    number;     // no other run ever has it
    char        id[CKPT_ID_MAX + 1];
    small_claim claims[SMALL_CLAIMS];
    small_gen   gens[SMALL_GENS];
} small_run;

typedef struct small_memory {
    uint32_t  magic;
    uint32_t  boot;         // how often it was mounted
    uint32_t  number;       // the last one that a run, claim or generation got
    uint64_t  seed;
    small_run runs[SMALL_RUNS];
} small_memory;

typedef char small_fits[sizeof(small_memory) <= 32 * 1024 ? 1 : -1];

// What the board has.
typedef struct small_board {
    void (*clock)(void *user, ckpt_moment *now);    // may begin with 0
    void (*flush)(void *user);      // returns when all that was written is in
                                    // the memory; a function that the compiler
                                    // does not see through
    void  *user;
} small_board;

typedef struct store_small {
    ckpt_store         base;
    small_memory      *memory;
    const small_board *board;
} store_small;

typedef struct small_place {
    small_run *run;
    uint64_t   epoch;       // of the claim it holds, or 0
    uint32_t   number;      // of its run: another one may stand there now
} small_place;

static ckpt_code small_full(ckpt_error *err)
{
    err->op = "find room in the memory";
    return CKPT_ERR_NO_SPACE;
}

#define SMALL_EACH(type, it, array)                                            \
    for (type *it = (array);                                                   \
         it < (array) + sizeof(array) / sizeof((array)[0]); it++)

//--- What is there ------------------------------------------------------------

// Gives a thing another state: all that was written before is in the memory by
// then, and nothing that is written later.
static void small_turn(const store_small *s, uint32_t *state, uint32_t to)
{
    s->board->flush(s->board->user);
    *state = to;
    s->board->flush(s->board->user);
}

static bool small_is_there(const small_place *p)
{
    return p->run->state != SMALL_FREE && p->run->number == p->number;
}

static small_claim *small_claim_of(const small_place *p, uint64_t epoch)
{
    SMALL_EACH(small_claim, claim, p->run->claims) {
        if (small_is_there(p) && claim->state != SMALL_FREE &&
            claim->epoch == epoch) {
            return claim;
        }
    }
    return NULL;
}

// Finds a generation by its name.
static small_gen *small_gen_of(const small_place *p, uint32_t state,
                               uint64_t epoch, uint64_t token)
{
    SMALL_EACH(small_gen, gen, p->run->gens) {
        if (small_is_there(p) && gen->state == state &&
            gen->name.epoch == epoch && gen->name.token == token) {
            return gen;
        }
    }
    return NULL;
}

// The highest epoch. No generation is above all claims: only the holder of the
// highest one removes any, and keeps its own.
static uint64_t small_highest(const small_place *p)
{
    uint64_t highest = 0;
    SMALL_EACH(small_claim, claim, p->run->claims) {
        const bool there = small_is_there(p) && claim->state != SMALL_FREE;
        highest = there && claim->epoch > highest ? claim->epoch : highest;
    }
    return highest;
}

// Whether a place must not write: its claim is gone, or there is a higher one.
static bool small_is_fenced(const small_place *p)
{
    return small_claim_of(p, p->epoch) == NULL || small_highest(p) > p->epoch;
}

// Finds a run in a state; any of them, if there is no id.
static small_run *small_find(const store_small *s, uint32_t state,
                             const char *id)
{
    SMALL_EACH(small_run, run, s->memory->runs) {
        if (run->state == state && (id == NULL || strcmp(run->id, id) == 0)) {
            return run;
        }
    }
    return NULL;
}

//--- Methods ------------------------------------------------------------------

// A reset frees what is aside, and so does close(): there are no leftovers.
static ckpt_code small_open(ckpt_store *base, void *place, const char *id,
                            ckpt_how how, ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    small_place *p = (small_place *)place;
    p->run = how == CKPT_HOW_FIND ? small_find(s, SMALL_THERE, id) :
             how == CKPT_HOW_NEW ? small_find(s, SMALL_FREE, NULL) : NULL;
    if (p->run == NULL) {
        return how == CKPT_HOW_NEW ? small_full(err) : CKPT_ERR_NOT_FOUND;
    }
    if (how == CKPT_HOW_NEW) {
        memset(p->run, 0, sizeof(*p->run));
        memcpy(p->run->id, id, strlen(id) + 1);
        p->run->number = ++s->memory->number;
        small_turn(s, &p->run->state, SMALL_MAKING);
    }
    p->number = p->run->number;
    return CKPT_OK;
}

// The cursor counts the runs that it has passed.
static ckpt_code small_list(ckpt_store *base, ckpt_where where,
                            ckpt_cursor *cursor, char id[CKPT_ID_MAX + 1],
                            ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    (void)err;
    while (id != NULL && where == CKPT_AT_RUNS && cursor->stage < SMALL_RUNS) {
        const small_run *run = &s->memory->runs[cursor->stage++];
        if (run->state == SMALL_THERE) {
            memcpy(id, run->id, sizeof(run->id));
            return CKPT_OK;
        }
    }
    return CKPT_END;
}

// The newest generation of epochs up to a highest one that was published before
// a token was given, or NULL. A fenced owner publishes nothing, so a token that
// is higher is never of a lower epoch.
static small_gen *small_before(const small_place *p, uint64_t epoch_max,
                               uint64_t token)
{
    small_gen *best = NULL;
    SMALL_EACH(small_gen, gen, p->run->gens) {
        if (small_is_there(p) && gen->state == SMALL_THERE &&
            gen->name.epoch <= epoch_max && gen->name.token < token &&
            (best == NULL || gen->name.token > best->name.token)) {
            best = gen;
        }
    }
    return best;
}

// There are never more of them than fit into a look.
static ckpt_code small_look(ckpt_store *base, void *place, uint64_t epoch_max,
                            ckpt_look *look, ckpt_error *err)
{
    const small_place *p = (const small_place *)place;
    const small_gen *gen = small_before(p, epoch_max, UINT64_MAX);
    (void)base, (void)err;
    memset(look, 0, sizeof(*look));
    look->epoch = small_highest(p);
    look->mine = small_claim_of(p, p->epoch) != NULL;
    while (gen != NULL && look->count < CKPT_LOOK_MAX) {
        look->gens[look->count++] = gen->name;
        gen = small_before(p, epoch_max, gen->name.token);
    }
    return CKPT_OK;
}

// The clock of this boot, from 1 on: a beat of 0 says that there is no claim.
static int64_t small_now(const store_small *s)
{
    ckpt_moment now;
    memset(&now, 0, sizeof(now));
    s->board->clock(s->board->user, &now);
    return now.mono_ms + 1;
}

// Its nonce is two numbers in letters: one that no other memory has, and one
// that no other claim of this memory has.
static ckpt_code small_claim_it(ckpt_store *base, void *place, uint64_t epoch,
                                const char *owner,
                                char nonce[CKPT_NONCE_MAX + 1], ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    small_memory *memory = s->memory;
    small_place *p = (small_place *)place;
    if (!small_is_there(p) || small_claim_of(p, epoch) != NULL) {
        return small_is_there(p) ? CKPT_ERR_CLAIM_LOST : CKPT_ERR_STALE;
    }
    SMALL_EACH(small_claim, claim, p->run->claims) {
        if (claim->state == SMALL_FREE) {
            memset(claim, 0, sizeof(*claim));
            (void)strncpy(claim->owner, owner, sizeof(claim->owner) - 1);
            claim->boot = memory->boot;
            claim->epoch = p->epoch = epoch;
            claim->beat_ms = small_now(s);
            memory->number++;
            for (unsigned i = 0; i < 24; i++) {
                const uint64_t from = i < 16 ? memory->seed : memory->number;
                nonce[i] = (char)('a' + (from >> i % 16 * 4 & 15));
            }
            nonce[24] = '\0';
            small_turn(s, &claim->state, SMALL_THERE);
            return CKPT_OK;
        }
    }
    return small_full(err);
}

// Of an earlier boot nobody lives, and its clock says nothing any more.
static ckpt_code small_alive(ckpt_store *base, void *place, uint64_t epoch,
                             ckpt_life *life, ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    const small_place *p = (const small_place *)place;
    const small_claim *claim = small_claim_of(p, epoch);
    const bool now = claim != NULL && claim->boot == s->memory->boot;
    (void)err;
    memset(life, 0, sizeof(*life));
    life->verdict = now && claim->state == SMALL_THERE ? CKPT_LIFE_LIVE
                                                       : CKPT_LIFE_GONE;
    life->now_ms = small_now(s);
    if (claim != NULL) {
        life->beat_ms = now ? claim->beat_ms : 1;
        life->acked = claim->acked;
        life->gave_up = claim->state == SMALL_GAVE_UP;
        memcpy(life->owner, claim->owner, sizeof(claim->owner));
    }
    return CKPT_OK;
}

// Not flushed: a beat need not be durable. Of the two words of acked only the
// lower one changes, but for once in 2^32 saves.
static ckpt_code small_beat(ckpt_store *base, void *place, uint64_t acked,
                            ckpt_error *err)
{
    const small_place *p = (const small_place *)place;
    small_claim *claim = small_claim_of(p, p->epoch);
    (void)err;
    if (claim == NULL) {
        return CKPT_ERR_CLAIM_LOST;
    }
    claim->beat_ms = small_now((const store_small *)base);
    claim->acked = acked;
    return CKPT_OK;
}

static ckpt_code small_read(ckpt_store *base, void *place, const ckpt_gen *name,
                            uint64_t offset, void *buf, size_t n, size_t *got,
                            ckpt_error *err)
{
    const small_place *p = (const small_place *)place;
    const small_gen *gen = small_gen_of(p, SMALL_THERE, name->epoch,
                                        name->token);
    (void)base, (void)err;
    *got = 0;
    if (gen != NULL && n > 0 && offset < gen->size) {
        const size_t left = gen->size - (size_t)offset;
        *got = left < n ? left : n;
        memcpy(buf, gen->bytes + offset, *got);
    }
    return gen != NULL || n == 0 ? CKPT_OK : CKPT_ERR_STALE;
}

// What a place was writing is free again.
static void small_unput(const small_place *p)
{
    small_gen *gen = small_gen_of(p, SMALL_MAKING, p->epoch, 0);
    if (gen != NULL) {
        gen->state = SMALL_FREE;
    }
}

// Finds what a place is writing, or begins it. NULL: there is no room.
static small_gen *small_out(const small_place *p)
{
    small_gen *out = small_gen_of(p, SMALL_MAKING, p->epoch, 0);
    SMALL_EACH(small_gen, gen, p->run->gens) {
        if (out == NULL && gen->state == SMALL_FREE) {
            memset(gen, 0, sizeof(*gen));
            gen->name.epoch = p->epoch;
            gen->state = SMALL_MAKING;
            out = gen;
        }
    }
    return out;
}

static ckpt_code small_put(ckpt_store *base, void *place, const ckpt_gen *from,
                           const ckpt_part *part, ckpt_error *err)
{
    const small_place *p = (const small_place *)place;
    const small_gen *gen = small_gen_of(p, SMALL_THERE, from->epoch,
                                        from->token);
    small_gen *out = small_is_fenced(p) ? NULL : small_out(p);
    const size_t n = (size_t)part->size;
    const void *bytes = part->bytes;
    ckpt_code rc = CKPT_OK;
    (void)base;
    if (bytes == NULL && gen != NULL && part->offset <= gen->size &&
        part->size <= gen->size - part->offset) {
        bytes = gen->bytes + part->offset;
    }
    if (small_is_fenced(p)) {
        rc = CKPT_ERR_CLAIM_LOST;
    } else if (out == NULL || part->size > SMALL_SIZE_MAX - out->size) {
        rc = small_full(err);
    } else if (bytes == NULL || ckpt_crc32c(0, bytes, n) != part->crc) {
        rc = CKPT_ERR_DAMAGED;
    }
    if (rc != CKPT_OK) {
        small_unput(p);
        return rc;
    }
    memcpy(out->bytes + out->size, bytes, n);
    out->size += (uint32_t)n;
    return CKPT_OK;
}

// Frees the generation before the one before, and shows the new one; and then
// the run, if that is new.
static ckpt_code small_publish(ckpt_store *base, void *place, ckpt_gen *name,
                               ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    const small_place *p = (const small_place *)place;
    small_gen *gen = small_gen_of(p, SMALL_MAKING, p->epoch, 0);
    const bool lost = gen == NULL || small_is_fenced(p);
    (void)err;
    if (lost || (p->run->state == SMALL_MAKING &&
                 small_find(s, SMALL_THERE, p->run->id) != NULL)) {
        small_unput(p);
        return lost ? CKPT_ERR_CLAIM_LOST : CKPT_ERR_EXISTS;
    }
    name->token = ++s->memory->number;
    gen->name = *name;
    small_gen *old = small_before(p, p->epoch, name->token);
    old = old != NULL ? small_before(p, p->epoch, old->name.token) : NULL;
    if (old != NULL && old->name.epoch == p->epoch) {
        small_turn(s, &old->state, SMALL_FREE);
    }
    small_turn(s, &gen->state, SMALL_THERE);
    if (p->run->state == SMALL_MAKING) {
        small_turn(s, &p->run->state, SMALL_THERE);
    }
    return CKPT_OK;
}

static ckpt_code small_set_aside(ckpt_store *base, void *place,
                                 const ckpt_gen *name, ckpt_error *err)
{
    const small_place *p = (const small_place *)place;
    small_gen *gen = small_gen_of(p, SMALL_THERE, name->epoch, name->token);
    (void)err;
    if (gen != NULL) {
        small_turn((const store_small *)base, &gen->state, SMALL_FREE);
    }
    return CKPT_OK;
}

// The claim of the lowest epoch below a limit, but for that of a place.
static small_claim *small_lowest(const small_place *p, uint64_t below)
{
    small_claim *lowest = NULL;
    SMALL_EACH(small_claim, claim, p->run->claims) {
        if (claim->state != SMALL_FREE && claim->epoch < below &&
            claim->epoch != p->epoch &&
            (lowest == NULL || claim->epoch < lowest->epoch)) {
            lowest = claim;
        }
    }
    return lowest;
}

// Frees claims of epochs below a limit, and then generations but for one; also
// what others were writing.
static void small_clear(const store_small *s, const small_place *p,
                        uint64_t below, const small_gen *keep)
{
    small_claim *claim;
    while ((claim = small_lowest(p, below)) != NULL) {
        small_turn(s, &claim->state, SMALL_FREE);
    }
    SMALL_EACH(small_gen, gen, p->run->gens) {
        if (gen != keep && (gen->state == SMALL_MAKING ||
                            gen->name.epoch < below)) {
            small_turn(s, &gen->state, SMALL_FREE);
        }
    }
}

// A run goes with its state, all at once.
static ckpt_code small_drop(ckpt_store *base, void *place, const ckpt_gen *name,
                            ckpt_extent extent, ckpt_error *err)
{
    const store_small *s = (const store_small *)base;
    const small_place *p = (const small_place *)place;
    const small_gen *keep = name == NULL ? NULL :
        small_gen_of(p, SMALL_THERE, name->epoch, name->token);
    (void)err;
    if (!small_is_there(p) || small_is_fenced(p)) {
        return small_is_there(p) ? CKPT_ERR_CLAIM_LOST : CKPT_OK;
    }
    if (extent == CKPT_DROP_REST && name != NULL && keep == NULL) {
        return CKPT_ERR_STALE;
    }
    if (extent == CKPT_DROP_ALL) {
        small_turn(s, &p->run->state, SMALL_FREE);
    } else {
        small_clear(s, p, extent == CKPT_DROP_OLDER ? name->epoch : UINT64_MAX,
                    keep);
    }
    return CKPT_OK;
}

static ckpt_code small_env(ckpt_store *base, void *place, ckpt_moment *now,
                           ckpt_error *err)
{
    const small_board *board = ((const store_small *)base)->board;
    (void)place, (void)err;
    board->clock(board->user, now);
    return CKPT_OK;
}

static void small_close(ckpt_store *base, void *place, bool gave_up)
{
    const store_small *s = (const store_small *)base;
    const small_place *p = (const small_place *)place;
    small_claim *claim = small_claim_of(p, p->epoch);
    small_unput(p);
    if (claim != NULL) {
        claim->state = gave_up ? SMALL_GAVE_UP : SMALL_LET_GO;
    }
    if (small_is_there(p) && p->run->state == SMALL_MAKING) {
        small_turn(s, &p->run->state, SMALL_FREE);
    }
}

//--- Mounting -----------------------------------------------------------------

// Takes a memory into use: empty, if it is none yet, else as the last boot left
// it. seed is a number that no other memory and no earlier life of this one
// had, from a source of random bits.
static inline void store_small_mount(store_small *s, small_memory *memory,
                                     const small_board *board, uint64_t seed)
{
    static const ckpt_store_methods methods = {
        CKPT_STORE_VERSION, sizeof(small_place), SMALL_SIZE_MAX,
        small_open, small_list, small_look, small_claim_it, small_alive,
        small_beat, small_read, small_put, small_publish, small_set_aside,
        small_drop, small_env, small_close
    };
    const uint32_t magic = UINT32_C(0x70736b63) + SMALL_RUNS;
    s->base.methods = &methods;
    s->base.caps = CKPT_CAP_FENCED_WRITE | CKPT_CAP_SINGLE_PROCESS;
    s->memory = memory;
    s->board = board;
    if (memory->magic != magic) {
        memset(memory, 0, sizeof(*memory));
        memory->seed = seed;
        small_turn(s, &memory->magic, magic);
    }
    small_turn(s, &memory->boot, memory->boot + 1);
    SMALL_EACH(small_run, run, memory->runs) {
        run->state = run->state == SMALL_THERE ? SMALL_THERE : SMALL_FREE;
        SMALL_EACH(small_gen, gen, run->gens) {
            gen->state = gen->state == SMALL_THERE ? SMALL_THERE : SMALL_FREE;
        }
    }
}

#endif /* STORE_SMALL_H */
