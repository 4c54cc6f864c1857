// SPDX-License-Identifier: MIT-0
// store_fault.h -- a store around another one, whose calls fail when told to
//
//     store_fault f;
//     store_fault_init(&f, &mem.base);        // pass &f.base to ckpt_init
//     fault_plan(&f, FAULT_PUBLISH, 2, FAULT_AFTER, CKPT_ERR_UNSURE);
//     ... the second publish() from now takes effect and says unsure ...
//
// The usual faults:
//     FAULT_PUT | FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_NO_SPACE     disk full
//     FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_UNSURE       unsure: the old stands
//     FAULT_PUBLISH, FAULT_AFTER,  CKPT_ERR_UNSURE       unsure: the new stands
//     FAULT_PUBLISH, FAULT_AFTER,  CKPT_ERR_NOT_DURABLE
//     FAULT_ALL, FAULT_KILL_BEFORE or FAULT_KILL_AFTER   SIGKILL at call k
//
// To try every call once: run with no plan and read f.count, then run with
// k = 1 .. f.count. A call counts if its method is in the mask of the plan.
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "ckpt.h"

#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
    #define FAULT_FN __attribute__((unused)) static
#else
    #define FAULT_FN static
#endif

// The methods that can fail, as bits of a mask. close() cannot.
enum {
    FAULT_OPEN      = 1 << 0,
    FAULT_LIST      = 1 << 1,
    FAULT_LOOK      = 1 << 2,
    FAULT_CLAIM     = 1 << 3,
    FAULT_ALIVE     = 1 << 4,
    FAULT_BEAT      = 1 << 5,
    FAULT_READ      = 1 << 6,
    FAULT_PUT       = 1 << 7,
    FAULT_PUBLISH   = 1 << 8,
    FAULT_SET_ASIDE = 1 << 9,
    FAULT_DROP      = 1 << 10,
    FAULT_ENV       = 1 << 11,
    FAULT_WRITES    = FAULT_CLAIM | FAULT_BEAT | FAULT_PUT | FAULT_PUBLISH |
                      FAULT_SET_ASIDE | FAULT_DROP,
    FAULT_ALL       = (1 << 12) - 1
};

typedef enum fault_when {
    FAULT_BEFORE,           // it fails and has done nothing
    FAULT_AFTER,            // it fails and has done all
    FAULT_KILL_BEFORE,      // the process dies before it did anything,
    FAULT_KILL_AFTER        // or after it did all: nobody sees the result
} fault_when;

typedef struct store_fault {
    ckpt_store         base;
    ckpt_store        *inner;
    ckpt_store_methods methods;
    uint32_t           mask;        // of the methods that count
    uint32_t           at;          // the at-th call fails; 0: none does
    uint32_t           times;       // so many from there on
    fault_when         when;
    ckpt_code          code;
    uint32_t           count;       // calls of the mask since the plan
    uint32_t           hits;        // how many failed
    bool               killed;      // nothing gets through but close()

    // Called before the at-th call, to let other processes go first; at == 0:
    // before every call of the mask. Or NULL.
    void (*race)(void *user, struct store_fault *f, uint32_t method);
    void  *race_user;
} store_fault;

// What is to become of one call.
typedef struct fault_call {
    bool before, after;     // fails before, or after its effect
} fault_call;

static store_fault *fault_of(ckpt_store *s)
{
    return (store_fault *)s;
}

static fault_call fault_enter(store_fault *f, uint32_t method)
{
    fault_call call = { f->killed, false };
    if (f->killed || (f->mask & method) == 0) {
        return call;
    }
    f->count++;
    if (f->race != NULL && (f->at == 0 || f->count == f->at)) {
        f->race(f->race_user, f, method);
    }
    if (f->at == 0 || f->count < f->at || f->count - f->at >= f->times) {
        return call;
    }
    f->hits++;
    f->killed = f->when == FAULT_KILL_BEFORE || f->when == FAULT_KILL_AFTER;
    call.before = f->when == FAULT_BEFORE || f->when == FAULT_KILL_BEFORE;
    call.after = !call.before;
    return call;
}

static ckpt_code fault_fail(const store_fault *f, ckpt_error *err)
{
    err->sys = 0;
    err->op = "injected fault";
    return f->killed ? CKPT_ERR_IO : f->code;
}

// Ends a call that got through: it fails after its effect only if it had one.
static ckpt_code fault_leave(const store_fault *f, fault_call call,
                             ckpt_code rc, ckpt_error *err)
{
    return call.after && rc >= 0 ? fault_fail(f, err) : rc;
}

// Makes the inner store drop what was put: a copy from a generation that
// cannot be is refused, and a refused put drops the others.
static void fault_unput(const store_fault *f, void *place)
{
    ckpt_gen nothing;
    ckpt_part part;
    ckpt_error ignored;
    if (f->killed) {
        return;
    }
    memset(&nothing, 0, sizeof(nothing));
    memset(&part, 0, sizeof(part));
    memset(&ignored, 0, sizeof(ignored));
    part.size = 1;
    (void)f->inner->methods->put(f->inner, place, &nothing, &part, &ignored);
}

//--- Methods ------------------------------------------------------------------

// Calls the inner method, or not.
#define FAULT_PASS(METHOD, CALL)                                               \
    store_fault *f = fault_of(s);                                              \
    const fault_call call = fault_enter(f, METHOD);                            \
    if (call.before) {                                                         \
        return fault_fail(f, err);                                             \
    }                                                                          \
    return fault_leave(f, call, f->inner->methods->CALL, err)

static ckpt_code fault_open(ckpt_store *s, void *place, const char *id,
                            ckpt_how how, ckpt_error *err)
{
    store_fault *f = fault_of(s);
    const fault_call call = fault_enter(f, FAULT_OPEN);
    if (call.before) {
        return fault_fail(f, err);
    }
    const ckpt_code rc = f->inner->methods->open(f->inner, place, id, how, err);
    if (call.after && rc == CKPT_OK) {
        // nobody calls close() on a place whose open() failed
        f->inner->methods->close(f->inner, place, false);
    }
    return fault_leave(f, call, rc, err);
}

static ckpt_code fault_list(ckpt_store *s, ckpt_where where,
                            ckpt_cursor *cursor, char id[CKPT_ID_MAX + 1],
                            ckpt_error *err)
{
    if (id == NULL) {               // an end, as close() is one
        return fault_of(s)->inner->methods->list(fault_of(s)->inner, where,
                                                 cursor, NULL, err);
    }
    FAULT_PASS(FAULT_LIST, list(f->inner, where, cursor, id, err));
}

static ckpt_code fault_look(ckpt_store *s, void *place, uint64_t epoch_max,
                            ckpt_look *look, ckpt_error *err)
{
    FAULT_PASS(FAULT_LOOK, look(f->inner, place, epoch_max, look, err));
}

static ckpt_code fault_claim(ckpt_store *s, void *place, uint64_t epoch,
                             const char *owner, char nonce[CKPT_NONCE_MAX + 1],
                             ckpt_error *err)
{
    FAULT_PASS(FAULT_CLAIM, claim(f->inner, place, epoch, owner, nonce, err));
}

static ckpt_code fault_alive(ckpt_store *s, void *place, uint64_t epoch,
                             ckpt_life *life, ckpt_error *err)
{
    FAULT_PASS(FAULT_ALIVE, alive(f->inner, place, epoch, life, err));
}

static ckpt_code fault_beat(ckpt_store *s, void *place, uint64_t acked,
                            ckpt_error *err)
{
    FAULT_PASS(FAULT_BEAT, beat(f->inner, place, acked, err));
}

static ckpt_code fault_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                            uint64_t offset, void *buf, size_t n, size_t *got,
                            ckpt_error *err)
{
    if (n == 0) {
        return fault_of(s)->inner->methods->read(
            fault_of(s)->inner, place, gen, offset, buf, n, got, err);
    }
    FAULT_PASS(FAULT_READ,
               read(f->inner, place, gen, offset, buf, n, got, err));
}

static ckpt_code fault_put(ckpt_store *s, void *place, const ckpt_gen *base,
                           const ckpt_part *part, ckpt_error *err)
{
    store_fault *f = fault_of(s);
    const fault_call call = fault_enter(f, FAULT_PUT);
    if (call.before || call.after) {
        fault_unput(f, place);
        return fault_fail(f, err);
    }
    return f->inner->methods->put(f->inner, place, base, part, err);
}

static ckpt_code fault_publish(ckpt_store *s, void *place, ckpt_gen *gen,
                               ckpt_error *err)
{
    store_fault *f = fault_of(s);
    const fault_call call = fault_enter(f, FAULT_PUBLISH);
    ckpt_gen done = *gen;
    if (call.before) {
        fault_unput(f, place);
        return fault_fail(f, err);
    }
    const ckpt_code rc = f->inner->methods->publish(f->inner, place, &done,
                                                    err);
    // who is unsure what stands cannot know its token either
    if (!call.after || f->code == CKPT_ERR_NOT_DURABLE) {
        *gen = done;
    }
    return fault_leave(f, call, rc, err);
}

static ckpt_code fault_set_aside(ckpt_store *s, void *place,
                                 const ckpt_gen *gen, ckpt_error *err)
{
    FAULT_PASS(FAULT_SET_ASIDE, set_aside(f->inner, place, gen, err));
}

static ckpt_code fault_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                            ckpt_extent extent, ckpt_error *err)
{
    FAULT_PASS(FAULT_DROP, drop(f->inner, place, gen, extent, err));
}

static ckpt_code fault_env(ckpt_store *s, void *place, ckpt_moment *now,
                           ckpt_error *err)
{
    FAULT_PASS(FAULT_ENV, env(f->inner, place, now, err));
}

// Also what the kernel does for a killed process, when the test lets go; such a
// process says nothing more.
static void fault_close(ckpt_store *s, void *place, bool gave_up)
{
    store_fault *f = fault_of(s);
    f->inner->methods->close(f->inner, place, gave_up && !f->killed);
}

//--- For tests ----------------------------------------------------------------

// Wraps a store. Counts all calls, and none fails.
FAULT_FN void store_fault_init(store_fault *f, ckpt_store *inner)
{
    static const ckpt_store_methods methods = {
        CKPT_STORE_VERSION, 0, 0,
        fault_open, fault_list, fault_look, fault_claim, fault_alive,
        fault_beat, fault_read, fault_put, fault_publish, fault_set_aside,
        fault_drop, fault_env, fault_close
    };
    memset(f, 0, sizeof(*f));
    f->inner = inner;
    f->methods = methods;
    f->methods.place_size = inner->methods->place_size;
    f->methods.size_max = inner->methods->size_max;
    f->base.methods = &f->methods;
    f->base.caps = inner->caps;
    f->mask = FAULT_ALL;
}

// Makes the at-th call from now of the methods in mask fail, once. 0: none.
FAULT_FN void fault_plan(store_fault *f, uint32_t mask, uint32_t at,
                         fault_when when, ckpt_code code)
{
    f->mask = mask;
    f->at = at;
    f->times = 1;
    f->when = when;
    f->code = code;
    f->count = f->hits = 0;
}

// As fault_plan, and all such calls after it, until the next plan.
FAULT_FN void fault_plan_for_ever(store_fault *f, uint32_t mask, uint32_t at,
                                  fault_when when, ckpt_code code)
{
    fault_plan(f, mask, at, when, code);
    f->times = UINT32_MAX;
}

// Nothing fails any more, and a killed process is a new one.
FAULT_FN void fault_none(store_fault *f)
{
    fault_plan(f, FAULT_ALL, 0, FAULT_BEFORE, CKPT_OK);
    f->killed = false;
}

// Kills the process now.
FAULT_FN void fault_kill(store_fault *f)
{
    f->killed = true;
}

#endif /* STORE_FAULT_H */
