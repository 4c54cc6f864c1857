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

#include "../ckpt.h"

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
    char              owner[160];
} mem_claim;

// A run, a dead letter (with one generation), or a run being made.
typedef struct mem_run {
    struct mem_run *next;
    uint64_t        number;         // grows in the order of the list
    ckpt_where      where;          // CKPT_AT_NOWHERE: being made
    bool            gone;           // removed, but a place may point to it
    char            id[CKPT_ID_MAX + 1];
    mem_gen        *gens;           // newest first
    mem_claim      *claims;         // newest first
} mem_run;

typedef struct mem_place {
    struct mem_place *next;
    mem_run          *run;
    const store_mem  *by;
    uint64_t          epoch;        // of the claim it holds, or 0
    size_t            size;         // what was put
    unsigned char    *bytes;
    bool              retry;        // shows the run in place of the dead letter
} mem_place;

typedef struct mem_world {
    int64_t    mono_ms, wall_ms;
    uint64_t   numbers, tokens;
    mem_run   *runs;
    mem_place *places;
} mem_world;

struct store_mem {
    ckpt_store base;
    mem_world *world;
    bool       dead;
};

// A second opinion on the core's sums, a bit at a time. Start with 0.
MEM_FN uint32_t mem_crc(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *at = (const unsigned char *)bytes;
    crc = ~crc;
    while (n-- > 0) {
        crc ^= *at++;
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0U - (crc & 1)));
        }
    }
    return ~crc;
}

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
    if (run->where == CKPT_AT_NOWHERE) {
        snprintf(name, CKPT_ID_MAX + 1, "new-%lu", (unsigned long)run->number);
    } else {
        memcpy(name, run->id, CKPT_ID_MAX + 1);
    }
}

static mem_run *mem_find(mem_world *w, ckpt_where where, const char *id)
{
    for (mem_run *run = w->runs; run != NULL; run = run->next) {
        char name[CKPT_ID_MAX + 1];
        mem_name(run, name);
        if (!run->gone && run->where == where && strcmp(name, id) == 0) {
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

static void mem_gen_remove(mem_gen **at)
{
    mem_gen *gen = *at;
    *at = gen->next;
    free(gen->bytes);
    free(gen);
}

// Removes generations of epochs up to a highest one, and claims if asked.
static void mem_clear(mem_run *run, uint64_t epoch_max, bool claims)
{
    for (mem_gen **at = &run->gens; *at != NULL;) {
        if ((*at)->name.epoch <= epoch_max) {
            mem_gen_remove(at);
        } else {
            at = &(*at)->next;
        }
    }
    for (mem_claim **at = &run->claims; claims && *at != NULL;) {
        mem_claim *claim = *at;
        if (claim->epoch <= epoch_max) {
            *at = claim->next;
            free(claim);
        } else {
            at = &claim->next;
        }
    }
}

static void mem_remove(mem_run *run)
{
    mem_clear(run, UINT64_MAX, true);
    run->gone = true;
}

static mem_run *mem_add(mem_world *w, ckpt_where where, const char *id)
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
    run->where = where;
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
    gen->next = *at;
    *at = gen;
    return true;
}

static bool mem_gen_copy(mem_world *w, mem_run *to, const mem_gen *gen)
{
    ckpt_gen name = gen->name;
    unsigned char *bytes = (unsigned char *)malloc(gen->size + 1);
    if (bytes != NULL) {
        if (gen->size > 0) {
            memcpy(bytes, gen->bytes, gen->size);
        }
        if (mem_gen_add(w, to, &name, bytes, gen->size)) {
            return true;
        }
    }
    free(bytes);
    return false;
}

//--- Methods ------------------------------------------------------------------

static ckpt_code mem_open(ckpt_store *s, void *place, const char *id,
                          ckpt_how how, ckpt_error *err)
{
    store_mem *self = (store_mem *)s;
    const bool aside = how == CKPT_HOW_NEW || how == CKPT_HOW_RETRY;
    const bool letter = how == CKPT_HOW_LETTER || how == CKPT_HOW_RETRY;
    ckpt_code rc = mem_enter(s, NULL, err);
    mem_run *run = mem_find(self->world, letter ? CKPT_AT_FAILED :
                            how == CKPT_HOW_LEFTOVER ? CKPT_AT_NOWHERE :
                            CKPT_AT_RUNS, id);
    if (rc == CKPT_OK && run == NULL && how != CKPT_HOW_NEW) {
        rc = mem_fail(err, CKPT_ERR_NOT_FOUND, "open run");
    }
    if (rc != CKPT_OK) {
        return rc;
    }
    mem_place *at = (mem_place *)calloc(1, sizeof(*at));
    if (at != NULL && aside) {
        const mem_gen *begin = letter ? run->gens : NULL;
        run = mem_add(self->world, CKPT_AT_NOWHERE, id);
        if (run != NULL && begin != NULL &&
            !mem_gen_copy(self->world, run, begin)) {
            mem_remove(run);
            run = NULL;
        }
    }
    if (at == NULL || run == NULL) {
        free(at);
        return mem_fail(err, CKPT_ERR_RESOURCE, "allocate run");
    }
    at->run = run;
    at->by = self;
    at->retry = how == CKPT_HOW_RETRY;
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
    while (run != NULL && (run->gone || run->where != where ||
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
    const ckpt_code rc = mem_enter(s, NULL, err);
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
                              const char *owner, ckpt_error *err)
{
    store_mem *self = (store_mem *)s;
    mem_place *at = mem_at(place);
    mem_claim **after = &at->run->claims;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (at->run->gone) {
        return mem_fail(err, CKPT_ERR_NOT_FOUND, "claim a removed run");
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
        memcpy(life->owner, claim->owner, sizeof(life->owner));
    }
    return CKPT_OK;
}

static ckpt_code mem_beat(ckpt_store *s, void *place, ckpt_error *err)
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
                   mem_crc(0, gen->bytes + part->offset, size) != part->crc) {
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
                             bool settle, ckpt_error *err)
{
    mem_world *w = ((store_mem *)s)->world;
    mem_place *at = mem_at(place);
    mem_run *run = at->run;
    ckpt_code rc = mem_enter(s, at, err);
    (void)settle;                   // names are always right in memory
    if (rc != CKPT_OK) {
        return rc;
    }
    if (run->gone || ((s->caps & CKPT_CAP_FENCED_WRITE) != 0 &&
                      mem_highest(run) > gen->epoch)) {
        rc = mem_fail(err, CKPT_ERR_CLAIM_LOST, "publish generation");
    } else if (run->where == CKPT_AT_NOWHERE &&
               mem_find(w, CKPT_AT_RUNS, run->id) != NULL) {
        rc = mem_fail(err, CKPT_ERR_EXISTS, "show run");
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
            mem_gen_remove(third);
            break;
        }
    }
    mem_run *letter = mem_find(w, CKPT_AT_FAILED, run->id);
    if (run->where == CKPT_AT_NOWHERE && at->retry && letter != NULL) {
        mem_remove(letter);
    }
    run->where = CKPT_AT_RUNS;
    return CKPT_OK;
}

static ckpt_code mem_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                          const char *reason, ckpt_error *err)
{
    const mem_place *at = mem_at(place);
    mem_gen **gens = &at->run->gens;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (reason == NULL) {
        mem_clear(at->run, gen->epoch - 1, false);
        return CKPT_OK;
    }
    while (*gens != NULL && *gens != mem_gen_find(at->run, gen)) {
        gens = &(*gens)->next;
    }
    if (*gens == NULL) {
        return mem_fail(err, CKPT_ERR_STALE, "set aside");
    }
    mem_gen_remove(gens);           // nobody can look at it in memory
    return CKPT_OK;
}

static ckpt_code mem_move(ckpt_store *s, void *place, const ckpt_gen *gen,
                          ckpt_where to, ckpt_error *err)
{
    mem_world *w = ((store_mem *)s)->world;
    const mem_place *at = mem_at(place);
    mem_run *run = at->run;
    const ckpt_code rc = mem_enter(s, at, err);
    if (rc != CKPT_OK) {
        return rc;
    }
    if (to == CKPT_AT_FAILED) {
        mem_run *old = mem_find(w, CKPT_AT_FAILED, run->id);
        const mem_gen *keep = gen != NULL ? mem_gen_find(run, gen) : run->gens;
        if (keep == NULL) {
            return mem_fail(err, CKPT_ERR_STALE, "keep dead letter");
        }
        mem_run *letter = mem_add(w, CKPT_AT_FAILED, run->id);
        if (letter == NULL || !mem_gen_copy(w, letter, keep)) {
            if (letter != NULL) {
                mem_remove(letter);
            }
            return mem_fail(err, CKPT_ERR_RESOURCE, "keep dead letter");
        }
        if (old != NULL) {
            mem_remove(old);
        }
    }
    // a dead letter and a leftover have no claim that could be fenced off
    mem_clear(run, at->epoch != 0 ? at->epoch : UINT64_MAX, true);
    if (run->gens != NULL || run->claims != NULL) {
        return mem_fail(err, CKPT_ERR_CLAIM_LOST, "remove run");
    }
    run->gone = true;
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

static void mem_close(ckpt_store *s, void *place)
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
        mem_remove(run);
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
        mem_read, mem_put, mem_publish, mem_drop, mem_move, mem_env, mem_close
    };
    memset(s, 0, sizeof(*s));
    s->base.methods = &methods;
    s->base.caps = CKPT_CAP_LOCKS | CKPT_CAP_VOLATILE;
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
