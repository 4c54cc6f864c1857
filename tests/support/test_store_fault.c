// SPDX-License-Identifier: MIT-0
// The store that fails when told to, and what the core's tests rely on: that a
// fault before a call has no effect, and one after it has all of it.
#include "crc.h"
#include "store_fault.h"
#include "store_mem.h"
#include "test.h"

#define LIST(X)                                                                \
    X(a_check_value_of_the_sums_is_right)                                      \
    X(without_a_plan_calls_are_counted_and_none_fails)                         \
    X(a_fault_before_a_publish_leaves_the_old)                                 \
    X(a_fault_after_a_publish_leaves_the_new)                                  \
    X(a_put_that_failed_leaves_nothing_for_the_next)                           \
    X(a_fault_happens_at_one_call_or_for_ever)                                 \
    X(a_killed_process_lets_go_and_does_no_more)                               \
    X(a_killed_call_may_have_taken_effect)                                     \
    X(a_claimant_that_gives_up_says_so_through_it)                             \
    X(every_method_that_removes_can_fail)                                      \
    X(another_process_can_go_first)
TEST_SUITE(store_fault, LIST)

typedef struct fixture {
    mem_world   world;
    store_mem   mem, other;
    store_fault f;
    uint64_t    place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    char        nonce[CKPT_NONCE_MAX + 1];
    ckpt_gen    gen;
    ckpt_error  err;
} fixture;

static ckpt_code put(fixture *x, const char *text)
{
    ckpt_store *s = &x->f.base;
    ckpt_part part;
    memset(&part, 0, sizeof(part));
    part.bytes = text;
    part.size = strlen(text);
    part.crc = crc_of(0, text, strlen(text));
    return s->methods->put(s, x->place, &x->gen, &part, &x->err);
}

static ckpt_code save(fixture *x, const char *text)
{
    ckpt_store *s = &x->f.base;
    const ckpt_code rc = put(x, text);
    x->gen.epoch = 1;
    x->gen.seq++;
    return rc != CKPT_OK ? rc :
           s->methods->publish(s, x->place, &x->gen, &x->err);
}

static void begin(fixture *x)
{
    ckpt_store *s = &x->f.base;
    memset(x, 0, sizeof(*x));
    mem_world_init(&x->world);
    store_mem_init(&x->mem, &x->world);
    store_mem_init(&x->other, &x->world);
    store_fault_init(&x->f, &x->mem.base);
    CHECK_INT(s->methods->open(s, x->place, "a", CKPT_HOW_NEW, &x->err),
              CKPT_OK);
    CHECK_INT(s->methods->claim(s, x->place, 1, "o", x->nonce, &x->err),
              CKPT_OK);
    CHECK_INT(save(x, "old"), CKPT_OK);
}

// What stands, seen from another process.
static void check_newest(fixture *x, const char *text)
{
    ckpt_store *s = &x->other.base;
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)] = {0};
    ckpt_look look;
    char buf[64];
    size_t got = 0;
    CHECK_INT(s->methods->open(s, place, "a", CKPT_HOW_FIND, &x->err), CKPT_OK);
    CHECK_INT(s->methods->look(s, place, UINT64_MAX, &look, &x->err), CKPT_OK);
    CHECK_INT(s->methods->read(s, place, &look.gens[0], 0, buf, sizeof(buf) - 1,
                               &got, &x->err), CKPT_OK);
    buf[got] = '\0';
    CHECK_STR(buf, text);
    s->methods->close(s, place, false);
}

static void end(fixture *x)
{
    mem_world_free(&x->world);
}

static void a_check_value_of_the_sums_is_right(void)
{
    const uint32_t right = UINT32_C(0xe3069283);    // RFC 3720 and others
    CHECK(crc_of(0, "123456789", 9) == right);
    CHECK(crc_of(crc_of(0, "1234", 4), "56789", 5) == right);
    CHECK(ckpt_crc32c(0, "123456789", 9) == right);
    CHECK(ckpt_crc32c(ckpt_crc32c(0, "1234", 4), "56789", 5) == right);
}

static void without_a_plan_calls_are_counted_and_none_fails(void)
{
    fixture x;
    begin(&x);
    CHECK_INT(x.f.count, 4);        // open, claim, put, publish
    CHECK_INT(x.f.hits, 0);
    check_newest(&x, "old");
    end(&x);
}

static void a_fault_before_a_publish_leaves_the_old(void)
{
    static const ckpt_code codes[] = {
        CKPT_ERR_UNSURE, CKPT_ERR_NO_SPACE, CKPT_ERR_IO
    };
    for (unsigned i = 0; i < 3; i++) {
        fixture x;
        begin(&x);
        fault_plan(&x.f, FAULT_PUBLISH, 1, FAULT_BEFORE, codes[i]);
        CHECK_INT(save(&x, "new"), codes[i]);
        CHECK(x.err.op != NULL);
        check_newest(&x, "old");
        CHECK_INT(save(&x, "next"), CKPT_OK);
        check_newest(&x, "next");
        end(&x);
    }
}

static void a_fault_after_a_publish_leaves_the_new(void)
{
    static const ckpt_code codes[] = {
        CKPT_ERR_UNSURE, CKPT_ERR_NOT_DURABLE
    };
    for (unsigned i = 0; i < 2; i++) {
        fixture x;
        begin(&x);
        const uint64_t before = x.gen.token;
        fault_plan(&x.f, FAULT_PUBLISH, 1, FAULT_AFTER, codes[i]);
        CHECK_INT(save(&x, "new"), codes[i]);
        CHECK_INT(x.gen.token == before, codes[i] == CKPT_ERR_UNSURE);
        check_newest(&x, "new");
        end(&x);
    }
}

static void a_put_that_failed_leaves_nothing_for_the_next(void)
{
    fixture x;
    begin(&x);
    fault_plan(&x.f, FAULT_PUT, 2, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(put(&x, "left"), CKPT_OK);
    CHECK_INT(put(&x, "over"), CKPT_ERR_NO_SPACE);
    check_newest(&x, "old");
    CHECK_INT(save(&x, "new"), CKPT_OK);
    check_newest(&x, "new");
    end(&x);
}

static void a_fault_happens_at_one_call_or_for_ever(void)
{
    fixture x;
    begin(&x);
    fault_plan(&x.f, FAULT_PUT | FAULT_PUBLISH, 3, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(&x, "new"), CKPT_OK);
    CHECK_INT(save(&x, "newer"), CKPT_ERR_IO);
    CHECK_INT(save(&x, "newest"), CKPT_OK);
    CHECK_INT(x.f.hits, 1);
    fault_plan_for_ever(&x.f, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(&x, "a"), CKPT_ERR_IO);
    CHECK_INT(save(&x, "b"), CKPT_ERR_IO);
    fault_none(&x.f);
    CHECK_INT(save(&x, "c"), CKPT_OK);
    check_newest(&x, "c");
    end(&x);
}

// What another process is told of the claim.
static ckpt_life alive(fixture *x)
{
    ckpt_store *s = &x->other.base;
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)] = {0};
    ckpt_life life;
    CHECK_INT(s->methods->open(s, place, "a", CKPT_HOW_FIND, &x->err), CKPT_OK);
    CHECK_INT(s->methods->alive(s, place, 1, &life, &x->err), CKPT_OK);
    s->methods->close(s, place, false);
    return life;
}

static void a_killed_process_lets_go_and_does_no_more(void)
{
    fixture x;
    ckpt_store *s = &x.f.base;
    begin(&x);
    fault_kill(&x.f);
    CHECK(save(&x, "new") < 0);
    CHECK(s->methods->beat(s, x.place, 1, &x.err) < 0);
    CHECK_INT(alive(&x).verdict, CKPT_LIFE_LIVE);
    s->methods->close(s, x.place, true);
    CHECK_INT(alive(&x).verdict, CKPT_LIFE_GONE);
    CHECK(!alive(&x).gave_up);
    check_newest(&x, "old");
    end(&x);
}

static void a_claimant_that_gives_up_says_so_through_it(void)
{
    fixture x;
    ckpt_store *s = &x.f.base;
    begin(&x);
    CHECK_INT(s->methods->beat(s, x.place, 7, &x.err), CKPT_OK);
    CHECK_INT(alive(&x).acked, 7);
    CHECK(!alive(&x).gave_up);
    s->methods->close(s, x.place, true);
    CHECK(alive(&x).gave_up);
    end(&x);
}

static void every_method_that_removes_can_fail(void)
{
    static const uint32_t methods[] = { FAULT_SET_ASIDE, FAULT_DROP };
    for (unsigned i = 0; i < 4; i++) {
        fixture x;
        ckpt_store *s = &x.f.base;
        const bool after = i % 2 == 1;
        begin(&x);
        fault_plan(&x.f, methods[i / 2], 1,
                   after ? FAULT_AFTER : FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(i / 2 == 0 ?
                  s->methods->set_aside(s, x.place, &x.gen, &x.err) :
                  s->methods->drop(s, x.place, NULL, CKPT_DROP_REST, &x.err),
                  CKPT_ERR_IO);
        CHECK_INT(x.f.hits, 1);
        ckpt_look look;
        CHECK_INT(s->methods->look(s, x.place, UINT64_MAX, &look, &x.err),
                  CKPT_OK);
        CHECK_INT(look.count, after ? 0 : 1);
        end(&x);
    }
}

static void a_killed_call_may_have_taken_effect(void)
{
    for (unsigned i = 0; i < 2; i++) {
        fixture x;
        ckpt_store *s = &x.f.base;
        begin(&x);
        fault_plan(&x.f, FAULT_ALL, 2,
                   i == 0 ? FAULT_KILL_BEFORE : FAULT_KILL_AFTER, CKPT_OK);
        CHECK_INT(save(&x, "new"), CKPT_ERR_IO);
        CHECK(x.f.killed);
        CHECK(s->methods->beat(s, x.place, 1, &x.err) < 0);
        s->methods->close(s, x.place, false);
        check_newest(&x, i == 0 ? "old" : "new");
        end(&x);
    }
}

static void take_over(void *user, store_fault *f, uint32_t method)
{
    ckpt_store *s = &((fixture *)user)->other.base;
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)] = {0};
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_error err;
    CHECK_INT(method, FAULT_PUBLISH);
    CHECK_INT(f->count, 1);
    CHECK_INT(s->methods->open(s, place, "a", CKPT_HOW_FIND, &err), CKPT_OK);
    CHECK_INT(s->methods->claim(s, place, 2, "thief", nonce, &err), CKPT_OK);
    s->methods->close(s, place, false);
}

static void another_process_can_go_first(void)
{
    fixture x;
    ckpt_look look;
    ckpt_store *s = &x.f.base;
    begin(&x);
    fault_plan(&x.f, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_OK);
    x.f.times = 0;                  // the race alone, no fault
    x.f.race = take_over;
    x.f.race_user = &x;
    CHECK_INT(save(&x, "new"), CKPT_OK);
    CHECK_INT(s->methods->look(s, x.place, UINT64_MAX, &look, &x.err), CKPT_OK);
    CHECK_INT(look.epoch, 2);
    end(&x);
}
