// SPDX-License-Identifier: MIT-0
// What other processes do between two calls of a claimant, a finisher, a
// retrier or a pruner; and owners of whom little is known.
#include "strange.h"
#include "test.h"

#include <setjmp.h>

#define LIST(X)                                                                \
    X(a_claim_that_was_overtaken_at_once_is_given_up_unread)                   \
    X(a_damaged_run_that_was_claimed_above_is_not_handed_out)                  \
    X(a_run_that_took_an_environment_meanwhile_is_not_removed)                 \
    X(a_run_that_was_damaged_meanwhile_is_not_resumed)                         \
    X(a_start_leaves_alone_what_is_not_finished_after_all)                     \
    X(a_run_that_was_exhausted_meanwhile_is_not_resumed)                       \
    X(a_leftover_that_was_claimed_above_is_not_removed)                        \
    X(a_run_that_never_stands_still_is_busy)                                   \
    X(damage_is_not_believed_while_the_owner_lives)                            \
    X(damage_is_not_believed_if_a_claim_came_meanwhile)                        \
    X(a_foreign_run_can_be_removed)                                            \
    X(start_says_of_everything_in_its_way_that_it_exists)                      \
    X(a_start_whose_claim_came_second_says_that_the_run_exists)                \
    X(start_removes_what_was_finished)                                         \
    X(a_finish_that_cannot_remove_refuses_all_but_itself)                      \
    X(force_completes_what_a_live_owner_finished)                              \
    X(who_has_ended_a_run_goes_on_removing_it)                                 \
    X(retry_brings_back_what_is_not_wholly_kept_yet)                           \
    X(eight_future_beats_are_watched_at_a_time)                                \
    X(a_future_beat_is_not_watched_without_a_clock)                            \
    X(query_passes_on_that_an_id_is_refused)                                   \
    X(a_run_that_vanishes_is_not_scanned)                                      \
    X(stale_can_count_nothing)                                                 \
    X(dead_claims_alone_lead_to_the_fallback)                                  \
    X(fallback_max_is_the_callers)                                             \
    X(a_fallback_may_keep_no_dead_letter)                                      \
    X(a_run_without_a_checkpoint_can_only_be_finished)                         \
    X(a_damaged_run_that_cannot_be_looked_at_is_not_finished)                  \
    X(a_damaged_run_that_was_lost_is_closed)                                   \
    X(an_environment_that_was_struck_off_unsurely_is_released)                 \
    X(an_environment_of_an_earlier_claim_is_left_alone)                        \
    X(a_release_that_fails_needs_no_place_for_its_failure)                     \
    X(of_two_retriers_one_brings_the_run_back)                                 \
    X(of_a_retrier_and_a_pruner_one_has_its_way)                               \
    X(a_pruner_stays_by_what_it_has_judged)                                    \
    X(what_was_saved_meanwhile_is_not_pruned)                                  \
    X(what_was_damaged_meanwhile_is_not_pruned)                                \
    X(what_was_completed_meanwhile_is_not_retried)                             \
    X(what_was_lost_meanwhile_is_not_retried)                                  \
    X(a_damaged_run_that_cannot_be_read_again_is_not_lost)                     \
    X(an_opener_is_not_pruned_under_its_feet)                                  \
    X(an_opener_of_a_done_run_meets_its_pruner)                                \
    X(two_pruners_count_a_run_once)                                            \
    X(a_finisher_that_is_fenced_while_it_keeps_removes_nothing)                \
    X(a_claimant_of_a_run_that_is_being_kept_hands_out_nothing)                \
    X(a_run_that_goes_while_it_is_verified_is_not_found)                       \
    X(a_sweep_does_not_count_what_another_one_removed)                         \
    X(where_there_is_one_process_an_unknown_owner_is_gone)                     \
    X(a_claimant_that_gave_up_is_no_owner)                                     \
    X(a_call_within_a_call_on_a_run_is_refused_and_changes_nothing)            \
    X(a_call_from_an_event_on_its_run_is_refused)                              \
    X(after_a_jump_out_of_a_call_only_abandon_is_left)                         \
    X(an_environment_is_not_released_within_a_call)                            \
    X(an_environment_released_after_a_jump_stays_on_its_run)
TEST_SUITE(race, LIST)

static int restored(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

//--- What changes while a run is claimed --------------------------------------

static void finish_above(void)
{
    mem_claim *third = job()->claims;           // below is the claimant's own
    while (third->epoch != 3) {
        third = third->next;
    }
    third->epoch = 0;
    mem_clear(&t.world, job(), 3, NULL, 2);     // its generations are gone
}

static void in_turn(void)
{
    add_claim(3, &t.other);
    // Without a look before it reads, the claimant reads what stands, and its
    // second look finds nobody above.
    race(FAULT_LOOK | FAULT_READ, 2, finish_above);
}

static void a_claim_that_was_overtaken_at_once_is_given_up_unread(void)
{
    begin_crashed();
    race(FAULT_CLAIM, 1, in_turn);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_LIVE);
    CHECK_INT(t.fault.count, 1);                // one look, and no read
}

static void claim_above(void)
{
    add_claim(job()->claims->epoch + 1, &t.other);
}

static void race_with_the_next_read(void)
{
    race(FAULT_READ, 1, claim_above);
}

static void a_damaged_run_that_was_claimed_above_is_not_handed_out(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    race(FAULT_CLAIM, 1, race_with_the_next_read);
    CHECK_INT(recover(fallen, 0, &info), CKPT_OK);
    CHECK_INT(t.fallbacks, 0);
    CHECK_INT(info.fallen_back, 0);
    CHECK_INT(info.failed, 0);                  // it is somebody else's
}

static int restore_none(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static int release_fails(void *user, const ckpt_env *env)
{
    (void)user, (void)env;
    t.seen++;
    return 5;
}

static ckpt_env_desc env_of(ckpt_run *run)
{
    ckpt_env_desc d;
    memset(&d, 0, sizeof(d));
    d.id = "game";
    d.restore = restore_none;
    d.run = run;
    return d;
}

static void take_environment(void)
{
    const ckpt_env_desc d = env_of(&t.run2);
    CHECK_INT(ckpt_env_init(&t.env, &d), CKPT_OK);
}

static void a_run_that_took_an_environment_meanwhile_is_not_removed(void)
{
    begin_paused();
    race(FAULT_CLAIM, 1, take_environment);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_ERR_HELD);
    CHECK(newest() != NULL);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.held, 1);
}

static void a_run_that_was_damaged_meanwhile_is_not_resumed(void)
{
    begin_crashed();
    race(FAULT_CLAIM, 1, damage_all);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_DAMAGED);
    CHECK(newest() != NULL && newest()->next != NULL);
}

// Its outcome is damaged before the claim is made: the generation before says
// that it runs.
static void a_start_leaves_alone_what_is_not_finished_after_all(void)
{
    begin();
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    ckpt_abandon(&t.run);
    race(FAULT_CLAIM, 1, damage);
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    CHECK(newest() != NULL);
    fault_none(&t.fault);
    mem_tick(&t.world, 3600000);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.turn, 2);
}

static void exhaust(void)
{
    forge(newest(), "\"attempt\":               0",
          "\"attempt\":               3");
}

static void a_run_that_was_exhausted_meanwhile_is_not_resumed(void)
{
    begin_crashed();
    race(FAULT_CLAIM, 1, exhaust);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_EXHAUSTED);
    CHECK_INT(newest()->name.epoch, 1);
}

static void never_still(void)
{
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_STALE);
    t.fault.race = NULL;
}

// A leftover, and a sweeper that is overtaken by another one.
static void claim_leftover_above(void)
{
    mem_claim *claim = t.world.runs->claims;
    CHECK_INT(claim->epoch, 2);                 // the sweeper's own
    claim = (mem_claim *)calloc(1, sizeof(*claim));
    claim->epoch = 3;
    claim->by = &t.other;
    claim->next = t.world.runs->claims;
    t.world.runs->claims = claim;
    fault_plan(&t.fault, FAULT_DROP, 0, FAULT_BEFORE, CKPT_OK);
}

static void race_with_the_next_look(void)
{
    race(FAULT_LOOK, 1, claim_leftover_above);
}

static void a_leftover_that_was_claimed_above_is_not_removed(void)
{
    uint32_t n = 0;
    setup();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_KILL_BEFORE, CKPT_OK);
    CHECK(open_run(&t.ctx, &t.run) < 0);
    fault_none(&t.fault);
    race(FAULT_CLAIM, 1, race_with_the_next_look);
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(t.fault.count, 0);                // nothing was dropped
}

static void a_run_that_never_stands_still_is_busy(void)
{
    begin_crashed();
    race(FAULT_CLAIM, 1, never_still);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_BUSY);
    CHECK(t.fault.hits > 4);                    // it tried
    CHECK(newest() != NULL);
}

static void damage_is_not_believed_while_the_owner_lives(void)
{
    setup();
    CHECK_INT(open_run(&t.ctx2, &t.run2), CKPT_OK);
    damage();
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_BUSY);
    CHECK_INT(t.info.error.code, CKPT_ERR_STALE);
}

// A recovery repairs what it finds: here by the claim of the other process,
// while the first one is about to look whether anybody was at work.
static void repair(void)
{
    damage();
    CHECK_INT(resume(&t.ctx2, &t.run2), CKPT_OK);
}

static void damage_is_not_believed_if_a_claim_came_meanwhile(void)
{
    setup();
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    ckpt_abandon(&t.run);
    damage();
    race(FAULT_LOOK, 4, repair);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_LIVE);
    CHECK_INT(t.info.epoch, 2);
}

//--- What is in the way -------------------------------------------------------

static void a_foreign_run_can_be_removed(void)
{
    begin_crashed();
    memcpy(job()->id, "jo2", 4);                // somebody renamed it
    CHECK_INT(ckpt_query(&t.ctx, "jo2", &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_FOREIGN);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "jo2"), CKPT_OK);
    CHECK(job() == NULL);
}

static void start_says_of_everything_in_its_way_that_it_exists(void)
{
    begin_crashed();
    exhaust();
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    begin_crashed();
    add_dead_claims(4);                         // died just now
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_BUSY);
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    begin_crashed();
    forge(newest(), "\"ckpt\":1", "\"ckpt\":2");
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    begin_crashed();
    mem_gen *gen = newest();
    forge(gen, "\"length\":", "\"length\":         2097152");
    gen->bytes = (unsigned char *)realloc(gen->bytes, 2 * SIZE);
    memset(gen->bytes + gen->size, ' ', (2 * SIZE) - gen->size);
    gen->size = 2 * SIZE;
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.error.code, CKPT_ERR_TOO_LARGE);
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    begin_crashed();
    damage_all();
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    begin_crashed();
    memcpy(job()->id, "jo2", 4);
    const ckpt_run_desc d = named("jo2");
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
}

// The outcome stands, and the removal fails.
static void finish_half(ckpt_outcome outcome, bool keep)
{
    ckpt_finish_desc finish;
    memset(&finish, 0, sizeof(finish));
    finish.keep = keep;
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, outcome, &finish), CKPT_ERR_IO);
    fault_none(&t.fault);
}

static void a_start_whose_claim_came_second_says_that_the_run_exists(void)
{
    begin();
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    ckpt_abandon(&t.run);
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_CLAIM_LOST);
    CHECK_INT(start(), CKPT_ERR_EXISTS);
    CHECK_INT(start(), CKPT_OK);
}

static void start_removes_what_was_finished(void)
{
    begin();
    finish_half(CKPT_COMPLETED, false);
    ckpt_abandon(&t.run);
    CHECK_INT(start(), CKPT_OK);
    CHECK_INT(t.run.epoch, 1);
    CHECK_INT(t.run.turn, 0);
}

static void a_finish_that_cannot_remove_refuses_all_but_itself(void)
{
    begin();
    finish_half(CKPT_COMPLETED, false);
    CHECK_INT(save(3), CKPT_FINISHED);
    CHECK_INT(t.run.failed, 0);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK(job() == NULL);
    // Another outcome comes too late, and there is nothing to do with the run.
    begin();
    finish_half(CKPT_COMPLETED, false);
    CHECK_INT(ckpt_finish(&t.run, CKPT_FAILED, NULL), CKPT_FINISHED);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_FINISHED);
    CHECK_INT(t.info.outcome, CKPT_COMPLETED);
    CHECK_INT(start(), CKPT_OK);                // which removes it
    CHECK_INT(t.run.turn, 0);
}

static void force_completes_what_a_live_owner_finished(void)
{
    ckpt_run_desc d = named("job");
    begin();
    finish_half(CKPT_COMPLETED, false);
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_ERR_BUSY);
    CHECK(job() != NULL);
    d.force = true;
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_FINISHED);
    CHECK(job() == NULL);
    ckpt_abandon(&t.run);
}

// A claimant is removing the run as well, and its claim is seen by a beat.
static void who_has_ended_a_run_goes_on_removing_it(void)
{
    begin();
    finish_half(CKPT_COMPLETED, false);
    add_claim(2, &t.other);
    mem_tick(&t.world, 3600000);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(save(3), CKPT_FINISHED);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK(!t.run.open);
}

// Its owner died before it had removed the generation before.
static void retry_brings_back_what_is_not_wholly_kept_yet(void)
{
    begin();
    finish_half(CKPT_FAILED, true);
    ckpt_abandon(&t.run);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_FAILED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.turn, 2);
    CHECK_INT(t.info.epoch, 2);                 // above that of the dead one
}

//--- Beats in the future ------------------------------------------------------

static ckpt_run_state state_of(const char *id)
{
    CHECK_INT(ckpt_query(&t.ctx, id, &t.info), CKPT_OK);
    return t.info.state;
}

// Runs "r0" to "r8", whose owners are gone, and beats of tomorrow.
static void begin_in_the_future(void)
{
    setup();
    for (int i = 0; i < 9; i++) {
        char id[16];
        const ckpt_run_desc d = named(id);
        snprintf(id, sizeof(id), "r%d", i);
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
        ckpt_abandon(&t.run);
    }
    t.lies = true;
    t.life.verdict = CKPT_LIFE_UNKNOWN;
    t.life.beat_ms = t.world.mono_ms + 86400000;
}

static unsigned busy(void)
{
    unsigned n = 0;
    for (int i = 0; i < 9; i++) {
        char id[16];
        snprintf(id, sizeof(id), "r%d", i);
        n += state_of(id) == CKPT_STATE_BUSY;
    }
    return n;
}

static void eight_future_beats_are_watched_at_a_time(void)
{
    begin_in_the_future();
    CHECK_INT(busy(), 9);
    mem_tick(&t.world, 59999);
    CHECK_INT(busy(), 9);
    mem_tick(&t.world, 1);
    CHECK_INT(busy(), 1);                       // the ninth had no place
    CHECK_INT(state_of("r8"), CKPT_STATE_BUSY);
    mem_tick(&t.world, 60000);
    CHECK_INT(state_of("r8"), CKPT_STATE_BUSY);     // now it has one,
    CHECK_INT(state_of("r1"), CKPT_STATE_INTERRUPTED);
    mem_tick(&t.world, 60000);
    CHECK_INT(state_of("r8"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(state_of("r7"), CKPT_STATE_BUSY);     // that of another
}

static void a_future_beat_is_not_watched_without_a_clock(void)
{
    begin_in_the_future();
    fault_plan(&t.fault, FAULT_ENV, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(state_of("r0"), CKPT_STATE_BUSY);
    CHECK_INT(t.fault.hits, 1);
    mem_tick(&t.world, 60000);
    CHECK_INT(state_of("r0"), CKPT_STATE_BUSY);     // watched from now on
    mem_tick(&t.world, 60000);
    CHECK_INT(state_of("r0"), CKPT_STATE_INTERRUPTED);
}

//--- Looking after runs -------------------------------------------------------

static void query_passes_on_that_an_id_is_refused(void)
{
    setup();
    fault_plan(&t.fault, FAULT_OPEN, 1, FAULT_BEFORE, CKPT_ERR_ARGUMENT);
    CHECK_INT(query(), CKPT_ERR_ARGUMENT);
}

static bool see(void *user, const ckpt_run_info *info)
{
    (void)user, (void)info;
    t.seen++;
    return true;
}

static void a_run_that_vanishes_is_not_scanned(void)
{
    begin_in_the_future();
    CHECK_INT(ckpt_scan(&t.ctx, 0, see, NULL), CKPT_OK);
    CHECK_INT(t.seen, 9);
    fault_plan(&t.fault, FAULT_OPEN, 4, FAULT_BEFORE, CKPT_ERR_NOT_FOUND);
    t.seen = 0;
    CHECK_INT(ckpt_scan(&t.ctx, 0, see, NULL), CKPT_OK);
    CHECK_INT(t.seen, 8);
}

static void stale_can_count_nothing(void)
{
    size_t count = 7;
    begin();
    mem_tick(&t.world, 10);
    CHECK_INT(ckpt_stale(&t.ctx, 1, NULL, 0, &count), CKPT_OK);
    CHECK_INT(count, 0);
    CHECK_INT(ckpt_stale(&t.ctx, 1, NULL, 1, &count), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_stale(&t.ctx, -1, &t.info, 1, &count), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_stale(&t.ctx, 1, &t.info, 1, &count), CKPT_OK);
    CHECK_INT(count, 1);
}

static void dead_claims_alone_lead_to_the_fallback(void)
{
    ckpt_recover_info info;
    for (int i = 0; i < 2; i++) {
        setup_with(i == 0 ? CKPT_UNLIMITED : 0);
        CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
        ckpt_abandon(&t.run);
        add_dead_claims(CKPT_CLAIMS_MAX);
        mem_tick(&t.world, 3600000);
        CHECK_INT(query(), CKPT_OK);
        CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
        add_claim(2 + CKPT_CLAIMS_MAX, NULL);
        CHECK_INT(recover(fallen, 0, &info), CKPT_OK);
        CHECK_INT(info.fallen_back, 1);
        CHECK_INT(info.failed, 0);
        CHECK_INT(t.fallbacks, 1);
        CHECK_INT(t.resumes, 0);
        CHECK(job() == NULL);
    }
}

static void fallback_max_is_the_callers(void)
{
    ckpt_recover_info info;
    for (int i = 0; i < 2; i++) {
        begin_crashed();
        forge(newest(), "\"attempt\":               0",
              "\"attempt\":               4");    // one fallback crashed
        CHECK_INT(recover(fallen, i == 0 ? 1 : 2, &info), CKPT_OK);
        CHECK_INT(info.dead_letters, i == 0);
        CHECK_INT(info.fallen_back, i == 1);
        CHECK_INT(t.fallbacks, (unsigned)i);
    }
}

static ckpt_outcome gives_up(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)run, (void)user;
    t.fallbacks++;
    finish->keep = false;
    return CKPT_FAILED;
}

static void a_fallback_may_keep_no_dead_letter(void)
{
    ckpt_recover_info info;
    begin_crashed();
    exhaust();
    CHECK_INT(recover(gives_up, 0, &info), CKPT_OK);
    CHECK_INT(info.fallen_back, 1);
    CHECK_INT(info.dead_letters, 0);
    CHECK(job() == NULL);
}

static ckpt_outcome refused(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    ckpt_checkpoint last;
    ckpt_note_info note;
    (void)user, (void)finish;
    t.fallbacks++;
    fault_plan(&t.fault, FAULT_PUT | FAULT_PUBLISH, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save_text(run, 3, "[]"), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_phase_end(run, "plan", ckpt_text("1"), NULL),
              CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_load(run, &last, t.buf, sizeof(t.buf)), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_note(run, &note, t.buf, sizeof(t.buf)), CKPT_ERR_DAMAGED);
    CHECK_INT(t.fault.count, 0);
    return CKPT_COMPLETED;
}

static void a_run_without_a_checkpoint_can_only_be_finished(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    CHECK_INT(recover(refused, 0, &info), CKPT_OK);
    CHECK_INT(t.fallbacks, 1);
    CHECK_INT(info.fallen_back, 1);
    CHECK_INT(info.failed, 0);
    CHECK(job() == NULL);
}

static ckpt_outcome cannot_look(ckpt_run *run, void *user,
                                ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    t.fallbacks++;
    fault_plan(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
    return CKPT_COMPLETED;
}

static void a_damaged_run_that_cannot_be_looked_at_is_not_finished(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    CHECK_INT(recover(cannot_look, 0, &info), CKPT_OK);
    CHECK_INT(t.fallbacks, 1);
    CHECK_INT(t.fault.hits, 1);
    CHECK_INT(info.failed, 1);
    CHECK(newest() != NULL);
}

static ckpt_outcome is_lost(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)user, (void)finish;
    t.fallbacks++;
    claim_above();
    CHECK_INT(ckpt_beat(run), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_finish(run, CKPT_COMPLETED, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_finish(run, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
    return CKPT_COMPLETED;
}

static void a_damaged_run_that_was_lost_is_closed(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    CHECK_INT(recover(is_lost, 0, &info), CKPT_OK);
    CHECK_INT(t.fallbacks, 1);
    CHECK(newest() != NULL);
}

//--- Environments -------------------------------------------------------------

static void an_environment_that_was_struck_off_unsurely_is_released(void)
{
    begin();
    const ckpt_env_desc d = env_of(&t.run);
    CHECK_INT(ckpt_env_init(&t.env, &d), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_ERR_UNSURE);
    fault_plan(&t.fault, FAULT_PUBLISH, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_OK);
    CHECK_INT(t.fault.count, 1);                // it may not be durable
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
}

static void an_environment_of_an_earlier_claim_is_left_alone(void)
{
    begin();
    ckpt_env_desc d = env_of(&t.run);
    d.release = release_fails;
    CHECK_INT(ckpt_env_init(&t.env, &d), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK); // the same run, claimed anew
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(t.seen, 0);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.held, 1);
}

static void a_release_that_fails_needs_no_place_for_its_failure(void)
{
    int failure = 0;
    ckpt_env_desc d = env_of(NULL);
    setup();
    d.release = release_fails;
    CHECK_INT(ckpt_env_init(&t.env, &d), CKPT_OK);
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_ERR_IO);
    CHECK(!ckpt_env_released(&t.env));
    CHECK_INT(ckpt_env_release(&t.env, &failure), CKPT_ERR_IO);
    CHECK_INT(failure, 5);
    CHECK_INT(t.seen, 2);
}

//--- Two at the same run ------------------------------------------------------

// Each of these tries the whole of what another process does before every call
// that the first one makes to the store.

static struct {
    ckpt_code rc;               // what the other one got
    uint32_t  pruned;           // by the one of them who prunes
    bool      done;
} other;

static void other_retries(void)
{
    other.done = true;
    other.rc = ckpt_retry(&t.ctx2, &t.run2, "job");
}

// Prunes whatever may be pruned, and is older than a second.
static ckpt_code prune(ckpt_ctx *ctx, uint32_t *count)
{
    static ckpt_run run;
    ckpt_prune_desc d;
    memset(&d, 0, sizeof(d));
    d.age_ms = 1000;
    d.states = CKPT_STATE_DONE | CKPT_STATE_FAILED | CKPT_STATE_INTERRUPTED |
               CKPT_STATE_EXHAUSTED;
    return ckpt_prune(ctx, &run, &d, count);
}

static void other_prunes(void)
{
    static ckpt_run run;
    ckpt_prune_desc d;
    memset(&d, 0, sizeof(d));
    d.age_ms = 1000;
    d.states = CKPT_STATE_DONE | CKPT_STATE_FAILED | CKPT_STATE_INTERRUPTED;
    other.done = true;
    other.rc = ckpt_prune(&t.ctx2, &run, &d, &other.pruned);
}

static void other_opens(void)
{
    other.done = true;
    other.rc = open_run(&t.ctx2, &t.run2);
}

static void other_opens_and_dies(void)
{
    other_opens();
    ckpt_abandon(&t.run2);
}

static void other_forces(void)
{
    ckpt_run_desc d = named("job");
    d.force = true;
    other.done = true;
    other.rc = ckpt_resume(&t.ctx2, &t.run2, &d);
}

static void other_finishes(void)
{
    other.done = true;
    other.rc = ckpt_finish(&t.run2, CKPT_COMPLETED, NULL);
}

// Prepares what the other one does before the k-th call.
static void meet(uint32_t k, void (*what)(void))
{
    memset(&other, 0, sizeof(other));
    race(FAULT_ALL, k, what);
}

// Whether they met; then the store is as it was for both of them.
static bool met(void)
{
    fault_none(&t.fault);
    t.fault.race = NULL;
    return other.done;
}

// A run "job" of turn 2 that has ended, and is kept, since an hour.
static void begin_kept(ckpt_outcome outcome)
{
    ckpt_run_desc d = named("job");
    ckpt_finish_desc finish;
    memset(&finish, 0, sizeof(finish));
    finish.keep = true;
    d.once = true;
    setup();
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(save(2), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, outcome, &finish), CKPT_OK);
    mem_tick(&t.world, 3600000);
}

static int state_of_job(void)
{
    return ckpt_query(&t.ctx2, "job", &t.info) == CKPT_OK ? (int)t.info.state
                                                          : 0;
}

static void of_two_retriers_one_brings_the_run_back(void)
{
    unsigned first = 0, second = 0;
    for (uint32_t k = 1; k < 200; k++) {
        begin_kept(CKPT_FAILED);
        meet(k, other_retries);
        const ckpt_code rc = ckpt_retry(&t.ctx, &t.run, "job");
        if (!met()) {
            CHECK_INT(rc, CKPT_OK);
            break;
        }
        CHECK((rc == CKPT_OK) != (other.rc == CKPT_OK));
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_EXISTS);
        CHECK(other.rc == CKPT_OK || other.rc == CKPT_ERR_EXISTS);
        first += rc == CKPT_OK;
        second += other.rc == CKPT_OK;
        CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
        CHECK(t.info.attempt == 0 && t.info.turn == 2 && !t.info.older);
        CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
        CHECK(t.run.attempt == 1 && t.run.turn == 2);
        CHECK_INT(load(), CKPT_OK);
    }
    CHECK(first > 0 && second > 2);
}

static void of_a_retrier_and_a_pruner_one_has_its_way(void)
{
    for (int i = 0; i < 2; i++) {
        unsigned kept = 0, removed = 0;
        for (uint32_t k = 1; k < 200; k++) {
            begin_kept(CKPT_FAILED);
            meet(k, i == 0 ? other_retries : other_prunes);
            ckpt_code rc = i == 0 ? prune(&t.ctx, &other.pruned)
                                  : ckpt_retry(&t.ctx, &t.run2, "job");
            if (!met()) {
                break;
            }
            if (i == 0) {                       // the pruner is never stopped
                CHECK_INT(rc, CKPT_OK);
                rc = other.rc;
            } else {
                CHECK_INT(other.rc, CKPT_OK);
            }
            CHECK_INT(other.pruned, rc != CKPT_OK);
            CHECK(rc == CKPT_OK || rc == CKPT_ERR_NOT_FOUND ||
                  rc == CKPT_ERR_BUSY || rc == CKPT_ERR_EXISTS);
            CHECK_INT(state_of_job(), rc == CKPT_OK ? CKPT_STATE_INTERRUPTED
                                                    : 0);
            kept += rc == CKPT_OK;
            removed += rc != CKPT_OK;
        }
        CHECK(kept > 2 && removed > 2);
    }
}

// A retried one that was let go stays, although it could be pruned, too.
static void a_pruner_stays_by_what_it_has_judged(void)
{
    begin_kept(CKPT_FAILED);
    // Between the judgement and the claim: the next opening is the claimant's.
    meet(2, other_retries);
    t.fault.mask = FAULT_OPEN;
    CHECK_INT(prune(&t.ctx, &other.pruned), CKPT_OK);
    CHECK(met() && other.rc == CKPT_OK);
    CHECK_INT(other.pruned, 0);
    CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.epoch, 2);
    // Also one of the same state: it was resumed, and its owner died at once.
    begin_crashed();
    mem_tick(&t.world, 3600000);
    meet(2, other_opens_and_dies);
    t.fault.mask = FAULT_OPEN;
    CHECK_INT(prune(&t.ctx, &other.pruned), CKPT_OK);
    CHECK(met() && other.rc == CKPT_OK);
    CHECK_INT(other.pruned, 0);
    CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.attempt, 1);
}

// The owner lives on, and saves before the pruner has its claim.
static void save_meanwhile(void)
{
    CHECK_INT(save_text(&t.run2, 3, "[3]"), CKPT_OK);
    other.done = true;
}

static void what_was_saved_meanwhile_is_not_pruned(void)
{
    begin_paused();
    mem_tick(&t.world, 3600000);
    memset(&other, 0, sizeof(other));
    race(FAULT_CLAIM, 1, save_meanwhile);
    CHECK_INT(prune(&t.ctx, &other.pruned), CKPT_OK);
    CHECK(met());
    CHECK_INT(other.pruned, 0);
    CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.turn, 3);
    ckpt_abandon(&t.run2);
}

static void damage_meanwhile(void)
{
    damage_all();
    other.done = true;
}

// It was whole when it was judged, and now nobody knows what it is.
static void what_was_damaged_meanwhile_is_not_pruned(void)
{
    begin_kept(CKPT_FAILED);
    memset(&other, 0, sizeof(other));
    race(FAULT_CLAIM, 1, damage_meanwhile);
    CHECK_INT(prune(&t.ctx, &other.pruned), CKPT_OK);
    CHECK(met());
    CHECK_INT(other.pruned, 0);
    CHECK(job() != NULL && newest() != NULL);
    CHECK_INT(state_of_job(), CKPT_STATE_DAMAGED);
}

static void lose_meanwhile(void)
{
    forge(newest(), "\"lost\":", "\"lost\":true ");
    other.done = true;
}

static void complete_meanwhile(void)
{
    forge(newest(), "\"outcome\":\"dead\"", "\"outcome\":\"done\"");
    other.done = true;
}

static void what_was_completed_meanwhile_is_not_retried(void)
{
    begin_kept(CKPT_FAILED);
    memset(&other, 0, sizeof(other));
    race(FAULT_CLAIM, 1, complete_meanwhile);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_FINISHED);
    CHECK(met());
    CHECK_INT(state_of_job(), CKPT_STATE_DONE);
}

static void what_was_lost_meanwhile_is_not_retried(void)
{
    begin_kept(CKPT_FAILED);
    memset(&other, 0, sizeof(other));
    race(FAULT_CLAIM, 1, lose_meanwhile);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_DAMAGED);
    CHECK(met());
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
    CHECK(t.info.lost);
}

static void fail_every_read(void)
{
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
}

// A disk that fails under the claim says nothing about what stands on it.
static void a_damaged_run_that_cannot_be_read_again_is_not_lost(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    race(FAULT_CLAIM, 1, fail_every_read);
    CHECK_INT(recover(NULL, 0, &info), CKPT_OK);
    CHECK(t.fault.hits > 0);
    CHECK(info.failed == 1 && info.dead_letters == 0);
    fault_none(&t.fault);
    CHECK_INT(state_of_job(), CKPT_STATE_DAMAGED);
    CHECK(newest() != NULL && newest()->next != NULL);
}

static void an_opener_is_not_pruned_under_its_feet(void)
{
    for (int i = 0; i < 2; i++) {
        unsigned resumed_it = 0, removed = 0;
        for (uint32_t k = 1; k < 200; k++) {
            begin_crashed();
            mem_tick(&t.world, 3600000);
            meet(k, i == 0 ? other_opens : other_prunes);
            ckpt_code rc = i == 0 ? prune(&t.ctx, &other.pruned)
                                  : open_run(&t.ctx, &t.run2);
            if (!met()) {
                break;
            }
            if (i == 0) {
                CHECK_INT(rc, CKPT_OK);
                rc = other.rc;
                CHECK(rc == CKPT_OK || rc == CKPT_ERR_LIVE ||
                      rc == CKPT_ERR_BUSY);
            } else {
                CHECK_INT(rc, CKPT_OK);         // it begins anew, if need be
                CHECK_INT(other.rc, CKPT_OK);
            }
            if (rc == CKPT_OK) {                // and its run is its own
                CHECK_INT(other.pruned, !t.run2.resumed);
                CHECK_INT(t.run2.turn, t.run2.resumed ? 2 : 0);
                CHECK_INT(save_text(&t.run2, 3, "[]"), CKPT_OK);
                CHECK_INT(state_of_job(), CKPT_STATE_LIVE);
            } else {
                CHECK_INT(other.pruned, 1);
                CHECK_INT(state_of_job(), 0);
            }
            resumed_it += rc == CKPT_OK && t.run2.resumed;
            removed += other.pruned;
            ckpt_abandon(&t.run2);
        }
        CHECK(resumed_it > 2 && removed > 2);
    }
}

// Whoever opens a run that is done is told so, or begins one anew.
static void an_opener_of_a_done_run_meets_its_pruner(void)
{
    unsigned anew = 0;
    for (uint32_t k = 1; k < 200; k++) {
        begin_kept(CKPT_COMPLETED);
        meet(k, other_prunes);
        const ckpt_code rc = open_run(&t.ctx, &t.run2);
        if (!met()) {
            CHECK_INT(rc, CKPT_FINISHED);
            break;
        }
        CHECK_INT(other.pruned, 1);
        CHECK(rc == CKPT_FINISHED || rc == CKPT_OK);
        CHECK(rc == CKPT_FINISHED || (!t.run2.resumed && t.run2.turn == 0));
        CHECK_INT(state_of_job(), rc == CKPT_OK ? CKPT_STATE_LIVE : 0);
        anew += rc == CKPT_OK;
        ckpt_abandon(&t.run2);
    }
    CHECK(anew > 2);
}

static void two_pruners_count_a_run_once(void)
{
    unsigned tried = 0;
    for (uint32_t k = 1; k < 200; k++) {
        uint32_t mine = 9;
        begin_kept(CKPT_FAILED);
        meet(k, other_prunes);
        CHECK_INT(prune(&t.ctx, &mine), CKPT_OK);
        if (!met()) {
            CHECK_INT(mine, 1);
            break;
        }
        CHECK_INT(mine + other.pruned, 1);
        CHECK_INT(state_of_job(), 0);
        tried++;
    }
    CHECK(tried > 10);
}

// A finisher that was fenced off removes nothing, whatever it has published.
static void a_finisher_that_is_fenced_while_it_keeps_removes_nothing(void)
{
    unsigned kept = 0, lost = 0;
    for (uint32_t k = 1; k < 200; k++) {
        ckpt_run_desc d = named("job");
        d.once = true;
        setup();
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK_INT(save(1), CKPT_OK);
        CHECK_INT(save(2), CKPT_OK);
        meet(k, other_forces);
        const ckpt_code rc = ckpt_finish(&t.run, CKPT_COMPLETED, NULL);
        if (!met()) {
            CHECK_INT(rc, CKPT_OK);
            break;
        }
        if (rc == CKPT_OK) {
            CHECK_INT(other.rc, CKPT_FINISHED); // it was told, and has nothing
            CHECK_INT(state_of_job(), CKPT_STATE_DONE);
            CHECK(newest()->next == NULL);
            kept++;
            continue;
        }
        CHECK_INT(rc, CKPT_ERR_CLAIM_LOST);
        CHECK_INT(other.rc, CKPT_OK);
        CHECK_INT(state_of_job(), CKPT_STATE_LIVE);
        CHECK_INT(ckpt_load(&t.run2, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
        CHECK_INT(t.last.turn, 2);
        CHECK_INT(save_text(&t.run2, 3, "[]"), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run2, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(state_of_job(), CKPT_STATE_DONE);
        CHECK_INT(t.info.turn, 3);
        lost++;
    }
    CHECK(kept > 0 && lost > 0);
}

// The claimant of a run that ends in the meantime hands out nothing.
static void a_claimant_of_a_run_that_is_being_kept_hands_out_nothing(void)
{
    unsigned finished = 0, taken = 0;
    for (uint32_t k = 1; k < 200; k++) {
        ckpt_run_desc d = named("job");
        d.once = true;
        setup();
        CHECK_INT(ckpt_open(&t.ctx2, &t.run2, &d), CKPT_OK);
        CHECK_INT(save_text(&t.run2, 1, "[]"), CKPT_OK);
        d.force = true;
        meet(k, other_finishes);
        const ckpt_code rc = ckpt_resume(&t.ctx, &t.run, &d);
        if (!met()) {
            ckpt_abandon(&t.run2);
            break;
        }
        if (rc == CKPT_OK) {                    // the owner has lost it
            CHECK_INT(other.rc, CKPT_ERR_CLAIM_LOST);
            CHECK_INT(state_of_job(), CKPT_STATE_LIVE);
            CHECK_INT(save(2), CKPT_OK);
            taken++;
        } else {
            CHECK_INT(rc, CKPT_FINISHED);
            CHECK(other.rc == CKPT_OK || other.rc == CKPT_ERR_CLAIM_LOST);
            CHECK_INT(state_of_job(), CKPT_STATE_DONE);
            CHECK(!ckpt_phase(&t.run, "p"));
            finished++;
        }
        ckpt_abandon(&t.run);
    }
    CHECK(finished > 2 && taken > 0);
}

static void remove_it(void)
{
    other.done = true;
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_OK);
}

static void a_run_that_goes_while_it_is_verified_is_not_found(void)
{
    begin();
    ckpt_abandon(&t.run);
    memset(&other, 0, sizeof(other));
    race(FAULT_OPEN, 2, remove_it);             // it was described before
    CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_ERR_NOT_FOUND);
    CHECK(met());
}

// "Loops count only what they really removed."
static void a_sweep_does_not_count_what_another_one_removed(void)
{
    uint32_t n = 9;
    begin();
    finish_half(CKPT_COMPLETED, false);
    ckpt_abandon(&t.run);
    memset(&other, 0, sizeof(other));
    race(FAULT_OPEN, 1, remove_it);
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &n), CKPT_OK);
    CHECK(met());
    CHECK_INT(n, 0);
    CHECK(job() == NULL);
}

//--- What is known of an owner ------------------------------------------------

// A claim of which the store knows no better is of an earlier boot.
static void where_there_is_one_process_an_unknown_owner_is_gone(void)
{
    for (int i = 0; i < 2; i++) {
        begin_crashed();
        t.lies = true;
        t.life.verdict = CKPT_LIFE_UNKNOWN;
        t.life.beat_ms = t.world.mono_ms;
        t.fault.base.caps |= i == 1 ? CKPT_CAP_SINGLE_PROCESS : 0;
        CHECK_INT(query(), CKPT_OK);
        CHECK_INT(t.info.state, i == 1 ? CKPT_STATE_INTERRUPTED
                                       : CKPT_STATE_LIVE);
        CHECK_INT(resume(&t.ctx, &t.run), i == 1 ? CKPT_OK : CKPT_ERR_LIVE);
    }
    // What it does know is believed.
    begin_crashed();
    t.lies = true;
    t.life.verdict = CKPT_LIFE_LIVE;
    t.life.beat_ms = t.world.mono_ms;
    t.fault.base.caps |= CKPT_CAP_SINGLE_PROCESS;
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_LIVE);
}

// Its beat is fresh, and where age decides it would look alive for a lease.
static void a_claimant_that_gave_up_is_no_owner(void)
{
    begin_crashed();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_NO_SPACE);
    t.lies = true;
    t.life.verdict = CKPT_LIFE_UNKNOWN;
    t.life.beat_ms = t.world.mono_ms;
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(t.run.epoch, 3);
}

//--- Calls within calls -------------------------------------------------------

// Every call on a run, as a signal handler or a callback might make it.
static void call_in(void)
{
    ckpt_effect effect;
    ckpt_held held;
    ckpt_note_info note;
    ckpt_save_desc s;
    ckpt_env_desc e;
    size_t size;
    memset(&effect, 0, sizeof(effect));
    memset(&held, 0, sizeof(held));
    memset(&s, 0, sizeof(s));
    s.anew = true;
    memset(&e, 0, sizeof(e));
    s.turn = 99;
    s.force = true;
    s.messages = ckpt_text("[\"from within\"]");
    e.run = &t.run;
    e.id = "world";
    e.restore = restored;
    const ckpt_code said[] = {
        ckpt_save(&t.run, &s), ckpt_beat(&t.run), load(),
        ckpt_finish(&t.run, CKPT_COMPLETED, NULL),
        ckpt_phase_end(&t.run, "plan", ckpt_text("1"), NULL),
        ckpt_phase_output(&t.run, "plan", t.old, sizeof(t.old), &size),
        ckpt_effect_begin(&t.run, "pay", &s, &effect),
        ckpt_effect_end(&t.run, "pay", ckpt_text("1")),
        ckpt_effect_result(&t.run, &effect, t.old, sizeof(t.old), &size),
        ckpt_effect_next(&t.run, &effect), ckpt_held_next(&t.run, &held),
        ckpt_held_timestep(&t.run, "world", t.old, sizeof(t.old), &size),
        ckpt_note(&t.run, &note, t.old, sizeof(t.old)),
        ckpt_env_init(&t.env, &e)
    };
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        CHECK_INT(said[i], CKPT_ERR_REENTERED);
    }
    CHECK(!ckpt_due(&t.run, 99));
    CHECK(ckpt_phase(&t.run, "plan"));
    CHECK_INT(effect.state, CKPT_EFFECT_UNCERTAIN);
    t.seen++;
}

static void a_call_within_a_call_on_a_run_is_refused_and_changes_nothing(void)
{
    uint32_t at = 0;
    do {
        begin();
        race(FAULT_ALL, ++at, call_in);
        CHECK_INT(save(3), CKPT_OK);
        CHECK_INT(t.run.error.code, 0);
        CHECK_INT(load(), CKPT_OK);
        CHECK(t.last.turn == 3 && t.last.phases.len == 2);
        CHECK_INT(save(4), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
        t.fault.race = NULL;
        CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_OK);
    } while (t.seen > 0);
    CHECK(at > 6);      // clock, put, publish, look, beat and more were tried
}

static void call_from_event(void *user, const ckpt_event *event)
{
    (void)user, (void)event;
    if (t.seen == 0) {
        call_in();
    }
}

static void a_call_from_an_event_on_its_run_is_refused(void)
{
    ckpt_desc d;
    setup();
    memset(&d, 0, sizeof(d));
    d.store = &t.mem.base;
    d.throttle_ms = CKPT_OFF;
    d.size_max = SIZE;
    d.event = call_from_event;
    t.seen = 1;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(start(), CKPT_OK);
    t.seen = 0;
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(t.seen, 1);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
}

static jmp_buf out_of_it;

static void jump_out(void)
{
    longjmp(out_of_it, 1);
}

static void after_a_jump_out_of_a_call_only_abandon_is_left(void)
{
    begin();
    race(FAULT_PUBLISH, 1, jump_out);
    if (setjmp(out_of_it) == 0) {
        CHECK(save(3) == CKPT_OK && false);     // it does not return
    }
    call_in();
    ckpt_abandon(&t.run);
    CHECK_INT(save(3), CKPT_ERR_CLOSED);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 2);
    CHECK_INT(save(3), CKPT_OK);
}

static int released(void *user, const ckpt_env *env)
{
    (void)user, (void)env;
    t.seen++;
    if (t.turn_of_race == 99) {         // jumps out of a save of its own
        race(FAULT_PUBLISH, 1, jump_out);
        if (setjmp(out_of_it) == 0) {
            CHECK(save(3) == CKPT_OK && false);
        }
    }
    return 0;
}

static void hold(void)
{
    ckpt_env_desc e;
    begin();
    memset(&e, 0, sizeof(e));
    e.run = &t.run;
    e.id = "world";
    e.restore = restored;
    e.release = released;
    CHECK_INT(ckpt_env_init(&t.env, &e), CKPT_OK);
}

static void release_in(void)
{
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_ERR_REENTERED);
}

static void an_environment_is_not_released_within_a_call(void)
{
    hold();
    race(FAULT_PUBLISH, 1, release_in);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(t.seen, 0);
    CHECK(!ckpt_env_released(&t.env));
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_OK);
    CHECK_INT(t.seen, 1);
}

// It is released, and its run does not know; a resume finds it.
static void an_environment_released_after_a_jump_stays_on_its_run(void)
{
    ckpt_held held;
    hold();
    t.turn_of_race = 99;
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_ERR_REENTERED);
    CHECK_INT(t.seen, 1);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    memset(&held, 0, sizeof(held));
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_OK);
    CHECK_STR(held.id, "world");
}
