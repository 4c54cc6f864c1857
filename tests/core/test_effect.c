// SPDX-License-Identifier: MIT-0
// test_effect.c -- names and effects: which text names what, what a tool call
// is told, and what becomes of it when a save failed or is missing
#include "strange.h"
#include "test.h"

#define LIST(X)                                                                \
    X(phases_with_one_hash_are_two_phases)                                     \
    X(effects_with_one_hash_are_two_effects)                                   \
    X(what_an_effect_was_told_is_not_another_ones_of_that_hash)                \
    X(an_id_that_is_too_long_is_kept_as_its_beginning_and_a_hash)              \
    X(long_ids_that_differ_anywhere_are_two_effects)                           \
    X(an_agent_without_messages_makes_calls_for_ever)                          \
    X(environments_with_one_hash_are_two_environments)                         \
    X(a_record_of_a_run_whose_id_has_the_same_hash_is_foreign)                 \
    X(a_record_of_a_longer_or_shorter_id_is_foreign)                           \
    X(a_fingerprint_whose_hash_is_0_is_one)                                    \
    X(a_phase_whose_name_cannot_be_read_is_not_done_twice)                     \
    X(an_end_of_a_phase_is_repeated_only_under_its_own_name)                   \
    X(an_end_of_an_effect_is_repeated_only_under_its_own_id)                   \
    X(a_name_that_cannot_be_read_is_an_error)                                  \
    X(an_effect_that_a_missing_save_may_have_begun_is_uncertain)               \
    X(an_effect_of_this_claim_is_uncertain_after_a_loss)                       \
    X(what_each_missing_save_may_have_begun_is_uncertain)                      \
    X(an_effect_that_was_settled_is_begun_anew_after_a_loss)                   \
    X(what_is_missing_is_told_to_every_later_claimant)                         \
    X(saves_without_effects_use_up_no_doubt)                                   \
    X(any_number_of_saves_may_be_missing)                                      \
    X(a_loss_is_counted_once)                                                  \
    X(an_effect_is_not_new_because_a_torn_save_was_read_over_it)               \
    X(an_effect_has_one_key_for_ever_and_shares_it_with_none)                  \
    X(what_a_tool_printed_is_kept_as_a_json_string)                            \
    X(an_end_in_text_that_is_repeated_stands_once)                             \
    X(what_was_settled_and_begun_again_is_uncertain_after_a_loss)              \
    X(an_end_that_a_loss_has_taken_is_not_acknowledged)                        \
    X(a_run_that_is_kept_nowhere_has_no_keys)
TEST_SUITE(effect, LIST)

// FNV-1a of 64 bits is the same for both, and 0 for the third.
#define ONE  "8yn0iYCKYHlIj4-BwPqk"
#define TWO  "GReLUrM4wMqfg9yzV3KQ"
#define ZERO "!0IC=VloaY"

static ckpt_code begin_of(uint64_t turn, const char *id, ckpt_effect *effect)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    return ckpt_effect_begin(&t.run, id, &s, effect);
}

// What a begin says, or a code.
static int told(uint64_t turn, const char *id)
{
    ckpt_effect effect;
    const ckpt_code rc = begin_of(turn, id, &effect);
    return rc < 0 ? (int)rc : (int)effect.state;
}

static ckpt_code end(const char *id, const char *result)
{
    return ckpt_effect_end(&t.run, id, ckpt_text(result));
}

static bool result_is(uint64_t turn, const char *id, const char *result)
{
    ckpt_effect effect;
    char buf[64];
    size_t size;
    memset(&effect, 0, sizeof(effect));
    effect.turn = turn;
    memcpy(effect.id, id, strlen(id) + 1);
    return ckpt_effect_result(&t.run, &effect, buf, sizeof(buf), &size) ==
               CKPT_OK &&
           size == strlen(result) && memcmp(buf, result, size) == 0;
}

static void crash_and_resume(void)
{
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
}

//--- Names --------------------------------------------------------------------

static void phases_with_one_hash_are_two_phases(void)
{
    size_t size;
    begin();
    CHECK_INT(ckpt_phase_end(&t.run, ONE, ckpt_text("1"), NULL), CKPT_OK);
    crash_and_resume();
    CHECK(ckpt_phase(&t.run, TWO));
    CHECK(!ckpt_phase(&t.run, ONE));
    CHECK(ckpt_phase(&t.run, ONE));
    CHECK_INT(ckpt_phase_output(&t.run, TWO, t.buf, sizeof(t.buf), &size),
              CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_phase_end(&t.run, TWO, ckpt_text("22"), NULL), CKPT_OK);
    CHECK_INT(ckpt_phase_output(&t.run, ONE, t.buf, sizeof(t.buf), &size),
              CKPT_OK);
    CHECK_INT(size, 1);
}

static void effects_with_one_hash_are_two_effects(void)
{
    begin();
    CHECK_INT(told(3, ONE), CKPT_EFFECT_NEW);
    CHECK_INT(told(3, TWO), CKPT_EFFECT_NEW);
    CHECK_INT(end(ONE, "1"), CKPT_OK);
    CHECK(result_is(3, ONE, "1") && !result_is(3, TWO, "1"));
    crash_and_resume();
    CHECK_INT(told(3, TWO), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(3, ONE), CKPT_EFFECT_ENDED);
    CHECK_INT(told(3, TWO), CKPT_ERR_EXISTS);
    CHECK_INT(told(3, ONE), CKPT_ERR_EXISTS);
    CHECK_INT(end(ONE, "1"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(end(TWO, "2"), CKPT_OK);
    CHECK(result_is(3, ONE, "1") && result_is(3, TWO, "2"));
}

// The record is read again after a save that may have failed: the begin of the
// second one did, so its tool has not run.
static void what_an_effect_was_told_is_not_another_ones_of_that_hash(void)
{
    begin();
    CHECK_INT(told(3, ONE), CKPT_EFFECT_NEW);
    crash_and_resume();
    CHECK_INT(told(3, ONE), CKPT_EFFECT_UNCERTAIN);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(told(3, TWO), CKPT_ERR_UNSURE);
    CHECK_INT(told(3, TWO), CKPT_EFFECT_NEW);
    CHECK_INT(told(3, TWO), CKPT_ERR_EXISTS);
    CHECK_INT(told(3, ONE), CKPT_ERR_EXISTS);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(told(4, TWO), CKPT_ERR_UNSURE);
    CHECK_INT(told(3, ONE), CKPT_ERR_EXISTS);
    CHECK_INT(told(3, TWO), CKPT_ERR_EXISTS);
}

static void an_id_that_is_too_long_is_kept_as_its_beginning_and_a_hash(void)
{
    char id[1000], kept[CKPT_NAME_MAX + 1];
    ckpt_effect effect, next;
    size_t size;
    begin();
    // 949 bytes, as one provider gives them; a character of three bytes at the
    // place where it is cut, in each of its places
    for (size_t shift = 0; shift < 3; shift++) {
        memset(id, 'x', sizeof(id));
        for (size_t at = 60 + shift; at + 3 < 949; at += 3) {
            memcpy(id + at, "\xe2\x82\xac", 3);
        }
        id[949] = '\0';
        CHECK_INT(begin_of(3 + shift, id, &effect), CKPT_OK);
        CHECK_INT(effect.state, CKPT_EFFECT_NEW);
        memcpy(kept, effect.id, sizeof(kept));
        const size_t n = strlen(kept);
        CHECK(n <= CKPT_NAME_MAX && n > CKPT_NAME_MAX - 3);
        CHECK(kept[n - 33] == '~' && memcmp(kept, id, n - 33) == 0);
        CHECK_INT(told(3 + shift, id), CKPT_ERR_EXISTS);
        CHECK_INT(told(3 + shift, kept), CKPT_ERR_EXISTS);   // the same id
        CHECK_INT(end(shift == 0 ? kept : id, "1"), CKPT_OK);
        CHECK_INT(end(id, "1"), CKPT_ERR_NOT_FOUND);
        CHECK(result_is(3 + shift, kept, "1"));
    }
    crash_and_resume();
    memset(&next, 0, sizeof(next));
    CHECK_INT(ckpt_effect_next(&t.run, &next), CKPT_OK);
    CHECK_INT(next.turn, 4);                    // that of turn 3 is dropped
    CHECK_INT(begin_of(4, next.id, &next), CKPT_OK);    // in its own place
    CHECK_INT(next.state, CKPT_EFFECT_ENDED);
    CHECK_INT(ckpt_effect_result(&t.run, &next, t.buf, sizeof(t.buf), &size),
              CKPT_OK);
    CHECK_INT(told(5, id), CKPT_EFFECT_ENDED);
    memset(id, 'x', 200);
    id[150] = '\n';
    CHECK_INT(told(5, id), CKPT_ERR_ARGUMENT);
    memcpy(id + 150, "\xff", 1);
    CHECK_INT(told(5, id), CKPT_ERR_UTF8);
    CHECK_INT(end(id, "1"), CKPT_ERR_UTF8);
}

static void long_ids_that_differ_anywhere_are_two_effects(void)
{
    char id[401], other[CKPT_NAME_MAX + 1];
    ckpt_effect effect;
    begin();
    memset(id, 'x', sizeof(id));
    id[400] = '\0';
    CHECK_INT(begin_of(3, id, &effect), CKPT_OK);
    memcpy(other, effect.id, sizeof(other));
    for (size_t at = 0; at < 400; at += 50) {
        id[at] = 'y';
        CHECK_INT(begin_of(3, id, &effect), CKPT_OK);
        CHECK_INT(effect.state, CKPT_EFFECT_NEW);
        // each half of the hash tells them apart
        const char *a = effect.id + strlen(effect.id) - 32;
        const char *b = other + strlen(other) - 32;
        CHECK(memcmp(a, b, 16) != 0 && memcmp(a + 16, b + 16, 16) != 0);
        memcpy(other, effect.id, sizeof(other));
    }
}

static void an_agent_without_messages_makes_calls_for_ever(void)
{
    begin();
    for (unsigned i = 1; i <= 2 * CKPT_EFFECTS_MAX + 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "call-%u", i);
        CHECK_INT(told(i, id), CKPT_EFFECT_NEW);
        CHECK_INT(end(id, "1"), CKPT_OK);
        CHECK(result_is(i, id, "1"));
        if (i > 1) {                    // the transcript may not have it yet
            snprintf(id, sizeof(id), "call-%u", i - 1);
            CHECK(result_is(i - 1, id, "1"));
        }
        if (i > 2) {
            snprintf(id, sizeof(id), "call-%u", i - 2);
            CHECK(!result_is(i - 2, id, "1"));
        }
    }
}

static int nothing(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static ckpt_code hold(ckpt_env *env, const char *id)
{
    ckpt_env_desc d;
    memset(&d, 0, sizeof(d));
    d.id = id;
    d.restore = nothing;
    d.run = &t.run;
    return ckpt_env_init(env, &d);
}

static void environments_with_one_hash_are_two_environments(void)
{
    ckpt_env one, two;
    begin();
    CHECK_INT(hold(&one, ONE), CKPT_OK);
    CHECK_INT(hold(&two, TWO), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.held, 2);
    CHECK_INT(ckpt_env_release(&one, NULL), CKPT_OK);
    ckpt_held held;
    memset(&held, 0, sizeof(held));
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_OK);
    CHECK_STR(held.id, TWO);
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_END);
}

static void a_record_of_a_run_whose_id_has_the_same_hash_is_foreign(void)
{
    ckpt_run_desc d = named(ONE);
    setup();
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    ckpt_abandon(&t.run);
    memcpy(job()->id, TWO, sizeof(TWO));
    d.id = TWO;
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_FOREIGN);
    memcpy(job()->id, ONE, sizeof(ONE));
    d.id = ONE;
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
}

static void a_record_of_a_longer_or_shorter_id_is_foreign(void)
{
    static const char *const others[] = { "jo%", "jo", "jo%1\x02", "Jo%1", "" };
    ckpt_run_desc d = named("jo%1");
    setup();
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    ckpt_abandon(&t.run);
    for (size_t i = 0; others[i][0] != '\0'; i++) {
        memcpy(job()->id, others[i], strlen(others[i]) + 1);
        d.id = others[i];
        CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_FOREIGN);
    }
}

static void a_fingerprint_whose_hash_is_0_is_one(void)
{
    ckpt_run_desc d = named("job");
    begin_crashed();                            // without a fingerprint
    d.meta.fingerprint = ZERO;
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK(t.run.fingerprint_differs);
    setup();
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK(!t.run.fingerprint_differs);
    ckpt_abandon(&t.run);
    d.meta.fingerprint = "other";
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK(t.run.fingerprint_differs);
}

// Its end would be refused as well, and the work be done for nothing.
static void a_phase_whose_name_cannot_be_read_is_not_done_twice(void)
{
    begin();
    CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL), CKPT_OK);
    crash_and_resume();
    fault_plan(&t.fault, FAULT_READ, 0, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK(ckpt_phase(&t.run, "other"));
    CHECK(!ckpt_phase(&t.run, "step"));
}

static void an_end_of_a_phase_is_repeated_only_under_its_own_name(void)
{
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_phase_end(&t.run, ONE, ckpt_text("1"), NULL),
              CKPT_ERR_UNSURE);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_phase_end(&t.run, TWO, ckpt_text("1"), NULL),
              CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_phase_end(&t.run, TWO, ckpt_text("2"), NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.phases, 3);
}

static void an_end_of_an_effect_is_repeated_only_under_its_own_id(void)
{
    begin();
    CHECK_INT(told(3, ONE), CKPT_EFFECT_NEW);
    CHECK_INT(told(4, TWO), CKPT_EFFECT_NEW);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(end(ONE, "1"), CKPT_ERR_UNSURE);
    CHECK_INT(end(TWO, "2"), CKPT_OK);
    CHECK(result_is(4, TWO, "2"));
    CHECK(result_is(3, ONE, "1"));
}

static ckpt_env env;

static ckpt_code call(int i)
{
    ckpt_effect effect;
    ckpt_held held;
    size_t size;
    memset(&effect, 0, sizeof(effect));
    memset(&held, 0, sizeof(held));
    switch (i) {
    case 0: return begin_of(3, "pay", &effect);
    case 1: return end("pay", "1");
    case 2: return hold(&env, "box");
    case 3: return ckpt_env_release(&t.env, NULL);
    case 4: return ckpt_phase_output(&t.run, "step", t.buf, 9, &size);
    case 5:
        effect.at = held.at = 1;
        memcpy(effect.id, "pay", 4);
        effect.turn = 3;
        return ckpt_effect_next(&t.run, &effect);
    default: return ckpt_phase_end(&t.run, "again", ckpt_text("1"), NULL);
    }
}

static void a_name_that_cannot_be_read_is_an_error(void)
{
    for (int i = 0; i < 7; i++) {
        begin();
        CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL),
                  CKPT_OK);
        CHECK_INT(hold(&t.env, "box"), CKPT_OK);
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER,
                   CKPT_ERR_NOT_DURABLE);
        CHECK_INT(ckpt_phase_end(&t.run, "again", ckpt_text("1"), NULL),
                  CKPT_ERR_NOT_DURABLE);
        fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(call(i), CKPT_ERR_IO);
        CHECK(call(i) != CKPT_ERR_IO);
    }
}

//--- What is missing ----------------------------------------------------------

// Saves turn 2, begins a call in turn 3, and that newest generation is removed
// before a resume, removed under the owner's hands, or damaged.
static void lose_the_begin(int how)
{
    begin();
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
    if (how == 2) {
        damage();
    } else {
        mem_gen_remove(&t.world, &job()->gens);
    }
    if (how != 1) {
        ckpt_abandon(&t.run);
        CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    }
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
}

static void an_effect_that_a_missing_save_may_have_begun_is_uncertain(void)
{
    for (int how = 0; how < 3; how++) {
        lose_the_begin(how);
        CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);
        CHECK_INT(told(3, "pay"), CKPT_ERR_EXISTS);
        CHECK_INT(told(2, "mail"), CKPT_EFFECT_UNCERTAIN);
        CHECK_INT(end("pay", "1"), CKPT_OK);
        CHECK_INT(told(4, "pay"), CKPT_EFFECT_NEW);     // a turn never reached
        crash_and_resume();
        CHECK_INT(told(3, "pay"), CKPT_EFFECT_ENDED);
        CHECK_INT(told(2, "mail"), CKPT_EFFECT_UNCERTAIN);
    }
}

// The tool may have ended since, in a save that is gone.
static void an_effect_of_this_claim_is_uncertain_after_a_loss(void)
{
    begin();
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
    CHECK_INT(end("pay", "1"), CKPT_OK);
    mem_gen_remove(&t.world, &job()->gens);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);
}

// A save that failed may have been acknowledged to nobody, but has a number:
// the turns that can be missing are counted by the numbers of saves, for turns
// need not follow one another.
static void what_each_missing_save_may_have_begun_is_uncertain(void)
{
    begin();
    const uint64_t seq = t.run.seq;
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(3), CKPT_ERR_IO);
    CHECK_INT(save(3), CKPT_OK);
    const uint64_t lost = t.run.seq - seq;
    mem_gen_remove(&t.world, &job()->gens);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK(t.run.older && t.run.turn == 2 && lost == 2);
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(5, "mail"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(90, "pay"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(91, "pay"), CKPT_EFFECT_NEW);
    CHECK_INT(told(4, "pay"), CKPT_EFFECT_UNCERTAIN);
}

static void an_effect_that_was_settled_is_begun_anew_after_a_loss(void)
{
    lose_the_begin(0);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text(NULL)), CKPT_OK);
    CHECK_INT(told(3, "mail"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
    CHECK_INT(told(3, "pay"), CKPT_ERR_EXISTS);
}

// Whoever claims the run goes on from an older save, and knows of the missing
// one only what its record says.
static void what_is_missing_is_told_to_every_later_claimant(void)
{
    lose_the_begin(0);
    for (int i = 0; i < 2; i++) {               // and tells nobody
        crash_and_resume();
        CHECK(t.run.older);
        CHECK_INT(load(), CKPT_OLDER);
        CHECK_INT(ckpt_verify(&t.ctx2, "job", &t.info), CKPT_ERR_DAMAGED);
        CHECK(t.info.older && !t.info.lost);
    }
    CHECK_INT(told(3, "mail"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(load(), CKPT_OK);                 // a save has followed
    crash_and_resume();
    CHECK(!t.run.older);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);
    crash_and_resume();
    CHECK_INT(told(4, "pay"), CKPT_EFFECT_NEW);
    crash_and_resume();
    CHECK_INT(told(3, "call"), CKPT_EFFECT_NEW);
}

// A throttled agent saves some turns without effects, and not others.
static void saves_without_effects_use_up_no_doubt(void)
{
    for (int crashes = 0; crashes < 2; crashes++) {
        lose_the_begin(0);
        CHECK_INT(told(1, "old"), CKPT_EFFECT_UNCERTAIN);   // nor do old turns
        for (uint64_t turn = 3; turn < 7; turn++) {
            CHECK_INT(save(turn), CKPT_OK);
        }
        if (crashes) {
            crash_and_resume();
        }
        CHECK_INT(told(8, "pay"), CKPT_EFFECT_UNCERTAIN);
        CHECK_INT(told(9, "pay"), CKPT_EFFECT_NEW);
    }
}

// What the claim says was acknowledged may be rubbish.
static void any_number_of_saves_may_be_missing(void)
{
    begin_crashed();
    job()->claims->acked = UINT64_C(1) << 50;
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);
    crash_and_resume();
    CHECK_INT(told(4, "pay"), CKPT_EFFECT_UNCERTAIN);
}

static void a_loss_is_counted_once(void)
{
    lose_the_begin(1);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(told(3, "pay"), CKPT_ERR_UNSURE);
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_UNCERTAIN);   // not ERR_DAMAGED
    CHECK_INT(told(4, "pay"), CKPT_EFFECT_NEW);
}

// The torn save dropped the first effect, and so its second one was read into
// the place of the first one.
static void an_effect_is_not_new_because_a_torn_save_was_read_over_it(void)
{
    ckpt_save_desc s;
    ckpt_effect e;
    begin();
    CHECK_INT(told(2, "stay"), CKPT_EFFECT_NEW);
    CHECK_INT(told(2, "mail"), CKPT_EFFECT_NEW);
    CHECK_INT(end("mail", "1"), CKPT_OK);
    CHECK_INT(told(2, "pay"), CKPT_EFFECT_NEW);
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[1]");
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_begin(&t.run, "call", &s, &e), CKPT_ERR_UNSURE);
    newest()->bytes[newest()->size - 2] ^= 1;
    CHECK_INT(told(2, "pay"), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(told(2, "stay"), CKPT_ERR_EXISTS);
    CHECK(!t.run.older);                        // nobody was told of that save
    CHECK_INT(told(3, "call"), CKPT_EFFECT_NEW);
}

//--- Keys and texts -----------------------------------------------------------

static void key_of(uint64_t turn, const char *id, char key[CKPT_KEY_SIZE + 1])
{
    ckpt_effect effect;
    CHECK_INT(begin_of(turn, id, &effect), CKPT_OK);
    CHECK_INT(strlen(effect.key), CKPT_KEY_SIZE);
    CHECK_INT(strspn(effect.key, "0123456789abcdef"), CKPT_KEY_SIZE);
    memcpy(key, effect.key, sizeof(effect.key));
}

static void an_effect_has_one_key_for_ever_and_shares_it_with_none(void)
{
    char keys[6][CKPT_KEY_SIZE + 1], again[CKPT_KEY_SIZE + 1];
    ckpt_effect effect;
    begin();
    key_of(3, "pay", keys[0]);
    key_of(3, "pay1", keys[1]);
    key_of(31, "pay", keys[2]);
    key_of(3, "1pay", keys[3]);
    crash_and_resume();
    key_of(3, "pay", again);
    CHECK_STR(again, keys[0]);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "pay");
    CHECK_STR(effect.key, keys[0]);
    CHECK_INT(begin_of(3, "pay", &effect), CKPT_ERR_EXISTS);
    CHECK_STR(effect.key, "");
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);       // another run
    key_of(3, "pay", keys[4]);
    key_of(31, "pay", keys[5]);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < i; k++) {
            CHECK(strcmp(keys[i], keys[k]) != 0);
        }
    }
}

static void what_a_tool_printed_is_kept_as_a_json_string(void)
{
    static const char printed[] = "a \"b\"\n\xff\0c";
    const ckpt_bytes text = { printed, sizeof(printed) - 1 };
    ckpt_effect effect;
    char out[64], back[64];
    size_t size, len;
    begin();
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_effect_end_text(&t.run, "pay", text), CKPT_OK);
    CHECK(result_is(3, "pay", "\"a \\\"b\\\"\\n\xef\xbf\xbd\\u0000c\""));
    crash_and_resume();
    CHECK_INT(begin_of(3, "pay", &effect), CKPT_OK);
    CHECK_INT(effect.state, CKPT_EFFECT_ENDED);
    CHECK_INT(ckpt_effect_result(&t.run, &effect, out, sizeof(out), &size),
              CKPT_OK);
    CHECK_INT(size, effect.result_size);
    CHECK_INT(ckpt_json_text((ckpt_bytes){ out, size }, back, sizeof(back),
                             &len), CKPT_OK);
    CHECK(len == 11 && memcmp(back, "a \"b\"\n\xef\xbf\xbd\0c", 11) == 0);
    CHECK_INT(told(3, "mail"), CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_effect_end_text(&t.run, "mail", ckpt_text(NULL)), CKPT_OK);
    CHECK(result_is(3, "mail", "\"\""));        // it has ended, with nothing
    CHECK_INT(ckpt_effect_end_text(&t.run, "none", text), CKPT_ERR_NOT_FOUND);
}

static void an_end_in_text_that_is_repeated_stands_once(void)
{
    static char big[SIZE + 2];
    begin();
    CHECK_INT(told(3, "pay"), CKPT_EFFECT_NEW);
    memset(big, 'x', SIZE + 1);
    CHECK_INT(ckpt_effect_end_text(&t.run, "pay", ckpt_text(big)),
              CKPT_ERR_TOO_LARGE);
    memset(big, 1, SIZE / 2);                   // six bytes each
    big[SIZE / 2] = '\0';
    CHECK_INT(ckpt_effect_end_text(&t.run, "pay", ckpt_text(big)),
              CKPT_ERR_TOO_LARGE);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_end_text(&t.run, "pay", ckpt_text("ok")),
              CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_end_text(&t.run, "pay", ckpt_text("ok")), CKPT_OK);
    CHECK(result_is(3, "pay", "\"ok\""));
    CHECK_INT(load(), CKPT_OK);
}

// The second time its tool has run, and the save that says so is damaged.
static void what_was_settled_and_begun_again_is_uncertain_after_a_loss(void)
{
    begin();
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text(NULL)), CKPT_OK);
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_NEW);
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_UNCERTAIN);
}

static void an_end_that_a_loss_has_taken_is_not_acknowledged(void)
{
    begin();
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_NEW);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(end("pay", "1"), CKPT_ERR_UNSURE);
    damage();
    CHECK_INT(end("pay", "1"), CKPT_ERR_DAMAGED);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(end("pay", "1"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(told(5, "pay"), CKPT_EFFECT_UNCERTAIN);
}

// Two such runs would have the same ones, and a tool act for one of them only.
static void a_run_that_is_kept_nowhere_has_no_keys(void)
{
    ckpt_store none = ckpt_store_none();
    ckpt_effect effect;
    ckpt_desc d;
    setup();
    memset(&d, 0, sizeof(d));
    d.store = &none;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(begin_of(1, "pay", &effect), CKPT_OK);
    CHECK_INT(effect.state, CKPT_EFFECT_NEW);
    CHECK_STR(effect.key, "");
}
