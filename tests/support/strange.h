// SPDX-License-Identifier: MIT-0
// strange.h -- a run over a store in memory that can be told what to say: a
// test may change its answers, its owners may seem to be gone, and another
// process may do something between two calls
#ifndef STRANGE_H
#define STRANGE_H

#include "ckpt.h"
#include "crc.h"
#include "store_fault.h"
#include "store_mem.h"
#include "test.h"

#define SIZE (1 << 20)         // the largest checkpoint

static struct {
    mem_world   world;
    store_mem   mem, other;
    store_fault fault;          // around mem
    ckpt_ctx    ctx, ctx2;      // over fault, over other
    ckpt_run    run, run2;
    ckpt_env    env;
    ckpt_run_info   info;
    ckpt_checkpoint last;
    uint32_t    turn_of_race;   // which call of the mask it comes before
    void      (*race)(void);
    void      (*change)(uint64_t offset, char *buf, size_t *got);
    ckpt_life   life;           // verdict and beat that alive() says
    bool        lies;           // ... instead of what is true
    unsigned    fallbacks, resumes, seen;
    char        buf[1 << 16], old[1 << 16];
} t;

//--- A store that can be told what to say -------------------------------------

TEST_FN ckpt_code strange_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                              uint64_t offset, void *buf, size_t n,
                              size_t *got, ckpt_error *err)
{
    const ckpt_code rc = fault_read(s, place, gen, offset, buf, n, got, err);
    if (rc == CKPT_OK && n > 0 && t.change != NULL) {
        t.change(offset, (char *)buf, got);
    }
    return rc;
}

TEST_FN ckpt_code strange_alive(ckpt_store *s, void *place, uint64_t epoch,
                               ckpt_life *life, ckpt_error *err)
{
    const ckpt_code rc = fault_alive(s, place, epoch, life, err);
    if (t.lies) {
        life->verdict = t.life.verdict;
        life->beat_ms = t.life.beat_ms;
    }
    return rc;
}

TEST_FN void once(void *user, store_fault *f, uint32_t method)
{
    (void)user, (void)method;
    if (f->count == t.turn_of_race) {
        f->race = NULL;                         // it may begin another one
        t.race();
    }
}

// Does this before the at-th call from now of the methods in mask.
TEST_FN void race(uint32_t mask, uint32_t at, void (*what)(void))
{
    fault_plan(&t.fault, mask, 0, FAULT_BEFORE, CKPT_OK);
    t.turn_of_race = at;
    t.race = what;
    t.fault.race = once;
}

TEST_FN void setup_with(int32_t resume_max)
{
    ckpt_desc d;
    mem_world_free(&t.world);
    memset(&t, 0, sizeof(t));
    mem_world_init(&t.world);
    store_mem_init(&t.mem, &t.world);
    store_mem_init(&t.other, &t.world);
    store_fault_init(&t.fault, &t.mem.base);
    t.fault.methods.read = strange_read;
    t.fault.methods.alive = strange_alive;
    memset(&d, 0, sizeof(d));
    d.store = &t.fault.base;
    d.throttle_ms = CKPT_OFF;
    d.resume_max = resume_max;
    d.size_max = SIZE;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    d.store = &t.other.base;
    CHECK_INT(ckpt_init(&t.ctx2, &d), CKPT_OK);
}

TEST_FN void setup(void)
{
    setup_with(0);
}

//--- Runs ---------------------------------------------------------------------

TEST_FN ckpt_run_desc named(const char *id)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = id;
    return d;
}

TEST_FN ckpt_code open_run(ckpt_ctx *ctx, ckpt_run *run)
{
    const ckpt_run_desc d = named("job");
    return ckpt_open(ctx, run, &d);
}

TEST_FN ckpt_code resume(ckpt_ctx *ctx, ckpt_run *run)
{
    const ckpt_run_desc d = named("job");
    return ckpt_resume(ctx, run, &d);
}

TEST_FN ckpt_code start(void)
{
    const ckpt_run_desc d = named("job");
    return ckpt_start(&t.ctx, &t.run, &d);
}

TEST_FN ckpt_code save_text(ckpt_run *run, uint64_t turn, const char *messages)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = ckpt_text(messages);
    return ckpt_save(run, &s);
}

TEST_FN ckpt_code save(uint64_t turn)
{
    return save_text(&t.run, turn, "[\"message\"]");
}

TEST_FN ckpt_code load(void)
{
    return ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf));
}

TEST_FN ckpt_code query(void)
{
    return ckpt_query(&t.ctx, "job", &t.info);
}

// A run "job" with two generations, of turns 1 and 2, that is open.
TEST_FN void begin(void)
{
    setup();
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(save(2), CKPT_OK);
}

// The same, and its owner has crashed.
TEST_FN void begin_crashed(void)
{
    begin();
    ckpt_abandon(&t.run);
}

// The same, but its owner, the other process, is still there and seems not to
// be: it was stopped for long, and lives on.
TEST_FN void begin_paused(void)
{
    setup();
    CHECK_INT(open_run(&t.ctx2, &t.run2), CKPT_OK);
    CHECK_INT(save_text(&t.run2, 1, "[]"), CKPT_OK);
    t.lies = true;
    t.life.verdict = CKPT_LIFE_GONE;
    t.life.beat_ms = t.world.mono_ms;
}

TEST_FN ckpt_outcome resumed(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    t.resumes++;
    return CKPT_COMPLETED;
}

TEST_FN ckpt_outcome fallen(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    t.fallbacks++;
    return CKPT_COMPLETED;
}

TEST_FN ckpt_code recover(ckpt_fallback_fn *fallback, int32_t fallback_max,
                         ckpt_recover_info *info)
{
    ckpt_recover_desc d;
    memset(&d, 0, sizeof(d));
    d.resume = resumed;
    d.fallback = fallback;
    d.fallback_max = fallback_max;
    return ckpt_recover(&t.ctx, &t.run, &d, info);
}

//--- What the store has -------------------------------------------------------

TEST_FN mem_run *job(void)
{
    mem_run *run = t.world.runs;
    while (run != NULL && (run->gone || run->aside)) {
        run = run->next;
    }
    return run;
}

TEST_FN mem_gen *newest(void)
{
    return job()->gens;
}

TEST_FN char *find_text(mem_gen *gen, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= gen->size; i++) {
        if (memcmp(gen->bytes + i, text, n) == 0) {
            return (char *)gen->bytes + i;
        }
    }
    CHECK(false);
    return (char *)gen->bytes;
}

// Damages a generation right behind its head. The second time repairs it.
TEST_FN void damage_one(mem_gen *gen)
{
    find_text(gen, "\n")[8] ^= 0x40;
}

TEST_FN void damage(void)
{
    damage_one(newest());
}

TEST_FN void damage_all(void)
{
    for (mem_gen *gen = newest(); gen != NULL; gen = gen->next) {
        damage_one(gen);
    }
}

// Where the digits of the two sums stand that cover the head.
enum { CRC_AT = 17, HEAD_AT = 35 };

TEST_FN void sign(mem_gen *gen, size_t at, uint32_t crc)
{
    char digits[16];
    snprintf(digits, sizeof(digits), "%08lx", (unsigned long)crc);
    memcpy(gen->bytes + at, digits, 8);
}

// Replaces text in a generation by one of the same length, and signs it. Not
// for what stands between the head and the prompt: that has a sum of its own.
TEST_FN void forge(mem_gen *gen, const char *from, const char *to)
{
    const unsigned char *b = gen->bytes;
    const size_t head = (size_t)(find_text(gen, "\n") + 1 - (const char *)b);
    uint32_t crc;
    memcpy(find_text(gen, from), to, strlen(to));
    crc = crc_of(0, b, CRC_AT);
    crc = crc_of(crc, b + CRC_AT + 8, HEAD_AT - CRC_AT - 8);
    sign(gen, HEAD_AT, crc_of(crc, b + HEAD_AT + 8, head - HEAD_AT - 8));
    crc = crc_of(0, b + head, gen->size - 1 - head);
    crc = crc_of(crc, b, CRC_AT);
    sign(gen, CRC_AT, crc_of(crc, b + CRC_AT + 8, head - CRC_AT - 8));
}

// A claim of nobody, or of the other process.
TEST_FN void add_claim(uint64_t epoch, const store_mem *by)
{
    mem_claim *claim = (mem_claim *)calloc(1, sizeof(*claim));
    claim->epoch = epoch;
    claim->by = by;
    claim->beat_ms = t.world.mono_ms;
    claim->next = job()->claims;
    job()->claims = claim;
}

// Claims of epochs from 2 on, whose owners died before they adopted.
TEST_FN void add_dead_claims(uint64_t n)
{
    for (uint64_t epoch = 2; epoch < 2 + n; epoch++) {
        add_claim(epoch, NULL);
    }
}

#endif // STRANGE_H
