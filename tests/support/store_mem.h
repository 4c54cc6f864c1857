// SPDX-License-Identifier: MIT-0
// store_mem.h -- a store in memory, for tests, and as an example of a store
//
//     mem_world world;                        // what all processes share
//     mem_world_init(&world);
//     store_mem a, b;                         // two processes
//     store_mem_init(&a, &world);
//     store_mem_init(&b, &world);
//     ... ckpt_init(&ctx, &(ckpt_desc){ .store = &a.base }) ...
//     store_mem_kill(&a);                     // as SIGKILL does
//     mem_world_free(&world);
//
// Time stands still but for mem_tick(). A call through b on a place that was
// opened through a is a call of a forked child. One thread at a time.
#ifndef STORE_MEM_H
#define STORE_MEM_H

#include "ckpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
    #define MEM_FN __attribute__((unused)) static
#else
    #define MEM_FN static
#endif

typedef struct store_mem store_mem;

typedef struct mem_gen {
    struct mem_gen *next;
    ckpt_gen        name;
    size_t          size;
    unsigned char  *bytes;
} mem_gen;

typedef struct mem_claim {
    struct mem_claim *next;
    uint64_t          epoch;
    const store_mem  *by;           // NULL: gone
    int64_t           beat_ms;
    uint64_t          acked;
    bool              gave_up;
    char              owner[160];
} mem_claim;

// A run, or one that is being made.
typedef struct mem_run {
    struct mem_run *next;
    uint64_t        number;         // grows in the order of the list
    bool            aside;          // being made
    bool            gone;           // removed, but a place may point to it
    char            id[CKPT_ID_MAX + 1];
    mem_gen        *gens;           // newest first
    mem_claim      *claims;         // newest first
} mem_run;

typedef struct mem_place {
    struct mem_place *next;
    mem_run          *run;
    const store_mem  *by;
    bool              leftover;     // opened as one
    uint64_t          epoch;        // of the claim it holds, or 0
    size_t            size;         // what was put
    unsigned char    *bytes;
} mem_place;

typedef struct mem_world {
    int64_t    mono_ms, wall_ms;
    uint64_t   numbers, tokens, nonces;
    size_t     capacity, used;      // bytes of generations; 0: any
    mem_run   *runs;
    mem_place *places;
} mem_world;

struct store_mem {
    ckpt_store base;
    mem_world *world;
    bool       dead;
};

static ckpt_code mem_fail(ckpt_error *err, ckpt_code code, const char *op)
{
    err->sys = 0;
    err->op = op;
    return code;
}

// Copies a text, and cuts it to what fits.
static void mem_text(char *to, size_t cap, const char *text)
{
    const size_t n = strlen(text);
    memcpy(to, text, n < cap ? n + 1 : cap);
    to[cap - 1] = '\0';
}

static mem_place *mem_at(void *place)
{
    return *(mem_place **)place;
}

// Refuses a call that a dead process cannot make, nor a forked one.
static ckpt_code mem_enter(ckpt_store *s, const mem_place *at, ckpt_error *err)
{
    const store_mem *self = (const store_mem *)s;
    if (self->dead) {
        return mem_fail(err, CKPT_ERR_IO, "call a killed store");
    }
    if (at != NULL && at->by != self) {
        return mem_fail(err, CKPT_ERR_FORKED, "call after fork");
    }
    return CKPT_OK;
}

//--- Lists --------------------------------------------------------------------

// Gives the name of a run in a listing: one being made has a name of its own,
// for there may be several of one id.
static void mem_name(const mem_run *run, char name[CKPT_ID_MAX + 1])
{
    if (run->aside) {
        snprintf(name, CKPT_ID_MAX + 1, "new-%lu", (unsigned long)run->number);
    } else {
        memcpy(name, run->id, CKPT_ID_MAX + 1);
    }
}

static mem_run *mem_find(mem_world *w, bool aside, const char *id)
{
    for (mem_run *run = w->runs; run != NULL; run = run->next) {
        char name[CKPT_ID_MAX + 1];
        mem_name(run, name);
        if (!run->gone && run->aside == aside && strcmp(name, id) == 0) {
            return run;
        }
    }
    return NULL;
}

static mem_gen *mem_gen_find(const mem_run *run, const ckpt_gen *gen)
{
    mem_gen *at = run->gens;
    while (at != NULL && (at->name.epoch != gen->epoch ||
                          at->name.token != gen->token)) {
        at = at->next;
    }
    return at;
}

static mem_claim *mem_claim_find(const mem_run *run, uint64_t epoch)
{
    mem_claim *at = run->claims;
    while (at != NULL && at->epoch != epoch) {
        at = at->next;
    }
    return at;
}

static uint64_t mem_highest(const mem_run *run)
{
    uint64_t claim = run->claims != NULL ? run->claims->epoch : 0;
    uint64_t gen = run->gens != NULL ? run->gens->name.epoch : 0;
    return claim > gen ? claim : gen;
}

static void mem_gen_remove(mem_world *w, mem_gen **at)
{
    mem_gen *gen = *at;
    *at = gen->next;
    w->used -= gen->size;
    free(gen->bytes);
    free(gen);
}

// Removes generations and claims of epochs below a limit, but for one
// generation (or NULL) and the claim of one epoch (or 0). Nobody sees that half
// done, so the order does not matter here.
static void mem_clear(mem_world *w, mem_run *run, uint64_t below,
                      const mem_gen *keep, uint64_t epoch)
{
    for (mem_gen **at = &run->gens; *at != NULL;) {
        if ((*at)->name.epoch < below && *at != keep) {
            mem_gen_remove(w, at);
        } else {
            at = &(*at)->next;
        }
    }
    for (mem_claim **at = &run->claims; *at != NULL;) {
        mem_claim *claim = *at;
        if (claim->epoch < below && claim->epoch != epoch) {
            *at = claim->next;
            free(claim);
        } else {
            at = &claim->next;
        }
    }
}

static void mem_remove(mem_world *w, mem_run *run)
{
    mem_clear(w, run, UINT64_MAX, NULL, 0);
    run->gone = true;
}

// Adds a run that is being made.
static mem_run *mem_add(mem_world *w, const char *id)
{
    mem_run **at = &w->runs;
    mem_run *run = (mem_run *)calloc(1, sizeof(*run));
    if (run == NULL) {
        return NULL;
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = run;
    run->number = ++w->numbers;
    run->aside = true;
    mem_text(run->id, sizeof(run->id), id);
    return run;
}

// Adds a generation as the newest of its epoch. Takes the bytes over.
static bool mem_gen_add(mem_world *w, mem_run *run, ckpt_gen *name,
                        unsigned char *bytes, size_t size)
{
    mem_gen **at = &run->gens;
    mem_gen *gen = (mem_gen *)calloc(1, sizeof(*gen));
    if (gen == NULL) {
        return false;
    }
    while (*at != NULL && (*at)->name.epoch > name->epoch) {
        at = &(*at)->next;
    }
    name->token = ++w->tokens;
    gen->name = *name;
    gen->bytes = bytes;
    gen->size = size;
    w->used += size;
    gen->next = *at;
    *at = gen;
    return true;
}

//--- Methods ------------------------------------------------------------------

static ckpt_code mem_open(ckpt_store *s, void *place, const char *id,
                          ckpt_how how, ckpt_error *err)
{
    store_mem *self = (store_mem *)s;
    const ckpt_code rc = mem_enter(s, NULL, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    mem_run *run = how == CKPT_HOW_NEW ? mem_add(self->world, id) :
        mem_find(self->world, how == CKPT_HOW_LEFTOVER, id);
    if (run == NULL && how != CKPT_HOW_NEW) {
        return mem_fail(err, CKPT_ERR_NOT_FOUND, "open run");
    }
    mem_place *at = (mem_place *)calloc(1, sizeof(*at));
    if (at == NULL || run == NULL) {
        free(at);
        return mem_fail(err, CKPT_ERR_RESOURCE, "allocate run");
    }
    at->run = run;
    at->by = self;
    at->leftover = how == CKPT_HOW_LEFTOVER;
    at->next = self->world->places;
    self->world->places = at;
    *(mem_place **)place = at;
    return CKPT_OK;
}

// The cursor is the number of the last run given. So a run that comes or goes
// meanwhile does no harm, and there is nothing to free.
static ckpt_code mem_list(ckpt_store *s, ckpt_where where, ckpt_cursor *cursor,
                          char id[CKPT_ID_MAX + 1], ckpt_error *err)
{
    const ckpt_code rc = mem_enter(s, NULL, err);
    const mem_run *run = ((store_mem *)s)->world->runs;
    if (rc != CKPT_OK || id == NULL) {
        return rc;
    }
    while (run != NULL && (run->gone ||
                           run->aside != (where == CKPT_AT_LEFTOVERS) ||
                           run->number <= cursor->stage)) {
        run = run->next;
    }
    if (run == NULL) {
        return CKPT_END;
    }
    cursor->stage = (uint32_t)run->number;
    mem_name(run, id);
    return CKPT_OK;
}

static ckpt_code mem_look(ckpt_store *s, void *place, uint64_t epoch_max,
                          ckpt_look *look, ckpt_error *err)
{
    const mem_place *at = mem_at(place);
    const mem_gen *gen = at->run->gens;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    memset(look, 0, sizeof(*look));
    look->epoch = mem_highest(at->run);
    look->mine = at->epoch != 0 && mem_claim_find(at->run, at->epoch) != NULL;
    while (gen != NULL && gen->name.epoch > epoch_max) {
        gen = gen->next;
    }
    while (gen != NULL) {           // whole epochs: each has one or two
        const mem_gen *end = gen->next;
        while (end != NULL && end->name.epoch == gen->name.epoch) {
            end = end->next;
        }
        if (look->count + (gen->next != end ? 2U : 1U) > CKPT_LOOK_MAX) {
            break;
        }
        for (; gen != end; gen = gen->next) {
            look->gens[look->count++] = gen->name;
        }
    }
    return CKPT_OK;
}

static ckpt_code mem_claim_it(ckpt_store *s, void *place, uint64_t epoch,
                              const char *owner, char nonce[CKPT_NONCE_MAX + 1],
                              ckpt_error *err)
{
    store_mem *self = (store_mem *)s;
    mem_place *at = mem_at(place);
    mem_claim **after = &at->run->claims;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (at->run->gone) {
        return mem_fail(err, CKPT_ERR_STALE, "claim a removed run");
    }
    if (mem_claim_find(at->run, epoch) != NULL) {
        return mem_fail(err, CKPT_ERR_CLAIM_LOST, "claim epoch");
    }
    mem_claim *claim = (mem_claim *)calloc(1, sizeof(*claim));
    if (claim == NULL) {
        return mem_fail(err, CKPT_ERR_RESOURCE, "allocate claim");
    }
    while (*after != NULL && (*after)->epoch > epoch) {
        after = &(*after)->next;
    }
    claim->epoch = at->epoch = epoch;
    claim->by = self;
    claim->beat_ms = self->world->mono_ms;
    mem_text(claim->owner, sizeof(claim->owner), owner);
    snprintf(nonce, CKPT_NONCE_MAX + 1, "mem%lu",
             (unsigned long)++self->world->nonces);
    claim->next = *after;
    *after = claim;
    return CKPT_OK;
}

static ckpt_code mem_alive(ckpt_store *s, void *place, uint64_t epoch,
                           ckpt_life *life, ckpt_error *err)
{
    const ckpt_code rc = mem_enter(s, NULL, err);
    const mem_claim *claim = mem_claim_find(mem_at(place)->run, epoch);
    if (rc != CKPT_OK) {
        return rc;
    }
    memset(life, 0, sizeof(*life));
    life->now_ms = ((store_mem *)s)->world->mono_ms;
    life->verdict = CKPT_LIFE_GONE;
    if (claim != NULL) {
        life->verdict = claim->by != NULL ? CKPT_LIFE_LIVE : CKPT_LIFE_GONE;
        life->beat_ms = claim->beat_ms;
        life->acked = claim->acked;
        life->gave_up = claim->gave_up;
        memcpy(life->owner, claim->owner, sizeof(life->owner));
    }
    return CKPT_OK;
}

static ckpt_code mem_beat(ckpt_store *s, void *place, uint64_t acked,
                          ckpt_error *err)
{
    const mem_place *at = mem_at(place);
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    mem_claim *claim = mem_claim_find(at->run, at->epoch);
    if (claim == NULL) {
        return mem_fail(err, CKPT_ERR_CLAIM_LOST, "beat");
    }
    claim->beat_ms = ((store_mem *)s)->world->mono_ms;
    claim->acked = acked;
    return CKPT_OK;
}

static ckpt_code mem_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                          uint64_t offset, void *buf, size_t n, size_t *got,
                          ckpt_error *err)
{
    const ckpt_code rc = mem_enter(s, NULL, err);
    *got = 0;
    if (rc != CKPT_OK || n == 0) {
        return rc;
    }
    const mem_gen *at = mem_gen_find(mem_at(place)->run, gen);
    if (at == NULL) {
        return mem_fail(err, CKPT_ERR_STALE, "read generation");
    }
    if (offset < at->size) {
        *got = at->size - (size_t)offset < n ? at->size - (size_t)offset : n;
        memcpy(buf, at->bytes + offset, *got);
    }
    return CKPT_OK;
}

static void mem_unput(mem_place *at)
{
    free(at->bytes);
    at->bytes = NULL;
    at->size = 0;
}

static ckpt_code mem_put(ckpt_store *s, void *place, const ckpt_gen *base,
                         const ckpt_part *part, ckpt_error *err)
{
    mem_place *at = mem_at(place);
    const unsigned char *from = (const unsigned char *)part->bytes;
    unsigned char *bytes;
    const size_t size = (size_t)part->size;
    ckpt_code rc = mem_enter(s, at, err);
    if (rc == CKPT_OK && from == NULL) {
        const mem_gen *gen = mem_gen_find(at->run, base);
        if (gen == NULL) {
            rc = mem_fail(err, CKPT_ERR_STALE, "copy from generation");
        } else if (part->offset > gen->size ||
                   part->size > gen->size - part->offset ||
                   ckpt_crc32c(0, gen->bytes + part->offset, size) !=
                       part->crc) {
            rc = mem_fail(err, CKPT_ERR_DAMAGED, "copy from generation");
        } else {
            from = gen->bytes + part->offset;
        }
    }
    if (rc == CKPT_OK) {
        bytes = (unsigned char *)realloc(at->bytes, at->size + size + 1);
        if (bytes != NULL) {
            memcpy(bytes + at->size, from, size);
            at->bytes = bytes;
            at->size += size;
            return CKPT_OK;
        }
        rc = mem_fail(err, CKPT_ERR_RESOURCE, "allocate generation");
    }
    if (rc != CKPT_ERR_FORKED) {
        mem_unput(at);
    }
    return rc;
}

static ckpt_code mem_publish(ckpt_store *s, void *place, ckpt_gen *gen,
                             ckpt_error *err)
{
    mem_world *w = ((store_mem *)s)->world;
    mem_place *at = mem_at(place);
    mem_run *run = at->run;
    ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (mem_claim_find(run, at->epoch) == NULL ||
        ((s->caps & CKPT_CAP_FENCED_WRITE) != 0 &&
         mem_highest(run) > at->epoch)) {
        rc = mem_fail(err, CKPT_ERR_CLAIM_LOST, "publish generation");
    } else if (run->aside && mem_find(w, false, run->id) != NULL) {
        rc = mem_fail(err, CKPT_ERR_EXISTS, "show run");
    } else if (w->capacity > 0 && w->used + at->size > w->capacity) {
        rc = mem_fail(err, CKPT_ERR_NO_SPACE, "publish generation");
    } else if (!mem_gen_add(w, run, gen, at->bytes, at->size)) {
        rc = mem_fail(err, CKPT_ERR_RESOURCE, "allocate generation");
    }
    if (rc != CKPT_OK) {
        mem_unput(at);
        return rc;
    }
    at->bytes = NULL;               // they are the generation's now
    at->size = 0;
    mem_gen **third = &run->gens;
    for (unsigned same = 0; *third != NULL; third = &(*third)->next) {
        same += (*third)->name.epoch == gen->epoch;
        if (same > 2) {
            mem_gen_remove(w, third);
            break;
        }
    }
    run->aside = false;
    return CKPT_OK;
}

static ckpt_code mem_set_aside(ckpt_store *s, void *place, const ckpt_gen *gen,
                               ckpt_error *err)
{
    const mem_place *at = mem_at(place);
    mem_gen **gens = &at->run->gens;
    const ckpt_code rc = mem_enter(s, at, err);
    while (rc == CKPT_OK && *gens != NULL) {
        if (*gens == mem_gen_find(at->run, gen)) {
            mem_gen_remove(((store_mem *)s)->world, gens);
            return CKPT_OK;         // nobody can look at it in memory
        }
        gens = &(*gens)->next;
    }
    return rc;
}

static ckpt_code mem_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                          ckpt_extent extent, ckpt_error *err)
{
    mem_world *w = ((store_mem *)s)->world;
    const mem_place *at = mem_at(place);
    mem_run *run = at->run;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (at->leftover && !run->aside) {
        return CKPT_OK;             // it was shown meanwhile
    }
    if ((s->caps & CKPT_CAP_FENCED_WRITE) != 0 &&
        mem_highest(run) > at->epoch) {
        return mem_fail(err, CKPT_ERR_CLAIM_LOST, "drop");
    }
    const mem_gen *keep = gen != NULL ? mem_gen_find(run, gen) : NULL;
    if (extent == CKPT_DROP_OLDER) {
        const uint64_t own = at->epoch + 1;     // and nothing of a higher one
        mem_clear(w, run, gen->epoch < own ? gen->epoch : own, NULL, 0);
    } else if (extent == CKPT_DROP_ALL) {
        mem_clear(w, run, at->epoch + 1, NULL, 0);
        run->gone = run->gens == NULL && run->claims == NULL;
    } else if (gen == NULL || keep != NULL) {
        mem_clear(w, run, at->epoch + 1, keep, at->epoch);
    } else if (run->gens != NULL) {
        return mem_fail(err, CKPT_ERR_STALE, "keep generation");
    }
    return CKPT_OK;
}

static ckpt_code mem_env(ckpt_store *s, void *place, ckpt_moment *now,
                         ckpt_error *err)
{
    const mem_world *w = ((store_mem *)s)->world;
    now->mono_ms = w->mono_ms;
    now->wall_ms = w->wall_ms;
    return mem_enter(s, place != NULL ? mem_at(place) : NULL, err);
}

static void mem_close(ckpt_store *s, void *place, bool gave_up)
{
    const store_mem *self = (const store_mem *)s;
    mem_place *at = mem_at(place);
    mem_place **all = &self->world->places;
    if (at->by != self) {
        return;                     // a forked child owns nothing
    }
    mem_claim *claim = mem_claim_find(at->run, at->epoch);
    if (claim != NULL) {
        claim->by = NULL;
        claim->gave_up = gave_up && !self->dead;
    }
    while (*all != at) {
        all = &(*all)->next;
    }
    *all = at->next;
    mem_unput(at);
    free(at);
}

//--- For tests ----------------------------------------------------------------

MEM_FN void mem_world_init(mem_world *w)
{
    memset(w, 0, sizeof(*w));
    w->mono_ms = 1000;
    w->wall_ms = INT64_C(1700000000000);
}

MEM_FN void mem_world_free(mem_world *w)
{
    while (w->places != NULL) {
        mem_place *at = w->places;
        w->places = at->next;
        mem_unput(at);
        free(at);
    }
    while (w->runs != NULL) {
        mem_run *run = w->runs;
        w->runs = run->next;
        mem_remove(w, run);
        free(run);
    }
}

MEM_FN void mem_tick(mem_world *w, int64_t ms)
{
    w->mono_ms += ms;
    w->wall_ms += ms;
}

MEM_FN void store_mem_init(store_mem *s, mem_world *w)
{
    static const ckpt_store_methods methods = {
        CKPT_STORE_VERSION, sizeof(mem_place *), 0,
        mem_open, mem_list, mem_look, mem_claim_it, mem_alive, mem_beat,
        mem_read, mem_put, mem_publish, mem_set_aside, mem_drop, mem_env,
        mem_close
    };
    memset(s, 0, sizeof(*s));
    s->base.methods = &methods;
    s->world = w;
}

// Ends a process, as SIGKILL does: its claims stand and their owner is gone.
// What it still calls fails and does nothing; it may close its places.
MEM_FN void store_mem_kill(store_mem *s)
{
    s->dead = true;
    for (mem_run *run = s->world->runs; run != NULL; run = run->next) {
        for (mem_claim *at = run->claims; at != NULL; at = at->next) {
            if (at->by == s) {
                at->by = NULL;
            }
        }
    }
}

#endif /* STORE_MEM_H */
