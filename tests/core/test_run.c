// SPDX-License-Identifier: MIT-0
// Runs, from the outside: everything that ckpt.h says about begin, resume,
// save, load, beat, phases, effects, finish and execute, over a store in
// memory whose clock stands still.
#include "ckpt.h"
#include "store_fault.h"
#include "store_mem.h"
#include "test.h"

#define LIST(X)                                                                \
    X(options_out_of_range_are_refused)                                        \
    X(options_beyond_all_numbers_are_refused)                                  \
    X(a_store_of_another_version_is_refused)                                   \
    X(a_new_run_exists_before_its_first_save)                                  \
    X(an_id_is_1_to_120_bytes)                                                 \
    X(ids_may_be_any_bytes)                                                    \
    X(metadata_comes_back_as_it_was_given)                                     \
    X(metadata_that_is_not_given_is_absent)                                    \
    X(metadata_that_is_no_utf8_is_refused_with_its_position)                   \
    X(start_refuses_a_run_that_exists)                                         \
    X(resume_refuses_a_run_that_does_not_exist)                                \
    X(open_begins_and_then_resumes)                                            \
    X(a_live_run_is_refused)                                                   \
    X(force_takes_a_live_run_and_the_old_owner_stops)                          \
    X(the_fourth_claimant_that_died_makes_the_run_busy_for_a_while)            \
    X(a_race_for_a_new_run_has_one_winner)                                     \
    X(a_child_of_fork_owns_nothing)                                            \
    X(a_zeroed_run_is_safe_on_every_call)                                      \
    X(a_finished_run_is_safe_on_every_call)                                    \
    X(a_closed_run_uses_its_context_no_more)                                   \
    X(an_opening_that_failed_zeroes_the_run)                                   \
    X(a_state_must_be_an_object_and_is_kept_verbatim)                          \
    X(messages_must_be_an_array_and_are_kept_verbatim)                         \
    X(a_turn_is_kept_as_given_up_to_its_limit)                                 \
    X(a_save_of_a_lower_turn_is_the_last_one_all_the_same)                     \
    X(what_is_absent_stays_as_it_was_saved)                                    \
    X(messages_are_appended_at_the_end)                                        \
    X(messages_are_cut_before_they_are_appended)                               \
    X(a_gap_in_the_messages_is_refused)                                        \
    X(append_at_zero_means_all_messages)                                       \
    X(a_skipped_save_loses_no_messages)                                        \
    X(a_cut_never_gives_damaged_messages_a_new_life)                           \
    X(a_cut_of_damaged_messages_is_not_the_callers_fault)                      \
    X(json_nested_too_deep_is_refused_with_its_position)                       \
    X(a_checkpoint_beyond_size_max_is_refused_and_the_old_one_stays)           \
    X(a_run_without_room_for_a_reason_is_left_without_one)                     \
    X(load_needs_as_many_bytes_as_it_says)                                     \
    X(a_load_of_what_is_damaged_fills_in_nothing)                              \
    X(the_first_save_is_stored_and_the_second_is_throttled)                    \
    X(every_call_is_stored_without_a_throttle)                                 \
    X(only_boundary_turns_are_stored_and_skips_beat_not)                       \
    X(a_failed_save_does_not_throttle_the_next_one)                            \
    X(a_save_is_dated_when_it_was_entered)                                     \
    X(the_throttle_never_moves_back)                                           \
    X(force_phases_effects_and_finish_are_never_throttled)                     \
    X(due_agrees_with_save)                                                    \
    X(a_beat_renews_the_heartbeat_when_it_is_old_enough)                       \
    X(a_beat_needs_no_save)                                                    \
    X(a_failed_beat_is_returned_and_the_claim_is_still_held)                   \
    X(a_save_whose_beat_fails_is_saved)                                        \
    X(each_error_of_a_save_leaves_the_old_or_the_new_checkpoint)               \
    X(a_save_that_could_not_look_is_unsure)                                    \
    X(a_long_random_life_agrees_with_a_model)                                  \
    X(a_refused_save_is_counted_and_reported)                                  \
    X(events_and_counters_follow_the_calls)                                    \
    X(every_event_is_told_under_its_published_name)                            \
    X(an_owner_that_crashed_or_hung_is_told_once)                              \
    X(last_error_says_what_and_why)                                            \
    X(duplicate_phases_both_run_on_a_fresh_run)                                \
    X(a_resume_skips_exactly_the_completed_phases)                             \
    X(of_a_duplicated_phase_as_many_are_skipped_as_were_complete)              \
    X(the_output_of_a_phase_is_that_of_the_last_one)                           \
    X(phases_have_a_limit)                                                     \
    X(phase_names_and_outputs_are_checked)                                     \
    X(an_effect_is_new_then_ended)                                             \
    X(an_effect_that_a_crash_left_begun_is_uncertain)                          \
    X(an_ended_effect_is_known_after_a_crash)                                  \
    X(an_ended_effect_drops_at_a_higher_turn)                                  \
    X(a_begun_effect_stays_until_it_is_settled)                                \
    X(effects_are_known_by_turn_and_id)                                        \
    X(a_begin_that_failed_can_be_repeated)                                     \
    X(effects_have_a_limit)                                                    \
    X(effect_ids_and_results_are_checked)                                      \
    X(next_walks_the_effects_that_are_held)                                    \
    X(complete_and_fail_delete_the_run)                                        \
    X(failed_with_keep_leaves_a_dead_letter)                                   \
    X(an_interrupted_run_is_listed_with_all_it_had)                            \
    X(finish_can_bring_a_last_save)                                            \
    X(a_reason_is_cut_between_characters_and_repaired)                         \
    X(finish_refuses_other_outcomes_and_held_environments)                     \
    X(a_finish_that_failed_can_be_repeated)                                    \
    X(a_finish_that_crashed_is_completed_by_the_next_claimant)                 \
    X(a_crash_costs_an_attempt_and_attempts_end)                               \
    X(resume_max_can_be_never_and_unlimited)                                   \
    X(an_interrupt_gives_its_attempt_back_and_retry_does_not)                  \
    X(progress_starts_the_attempts_anew)                                       \
    X(saving_the_same_turn_again_is_no_progress)                               \
    X(attempts_of_runs_are_independent)                                        \
    X(the_generation_before_a_damaged_one_is_loaded)                           \
    X(a_damaged_head_does_not_change_the_order_of_generations)                 \
    X(what_was_damaged_while_open_is_noticed)                                  \
    X(a_damaged_first_generation_of_a_claim_gives_way_to_the_adopted_one)      \
    X(a_phase_that_was_lost_with_its_save_is_to_be_done)                       \
    X(a_run_without_a_whole_checkpoint_is_damaged_and_left_alone)              \
    X(a_fingerprint_that_differs_is_told)                                      \
    X(a_note_names_turn_reason_and_uncertain_calls)                            \
    X(a_note_tells_of_all_claims_and_of_the_last_end_only)                     \
    X(a_note_needs_a_resume_and_room)                                          \
    X(execute_finishes_on_every_return)                                        \
    X(a_resumed_agent_goes_on_with_its_next_query)                             \
    X(execute_does_not_call_the_work_if_the_run_cannot_be_opened)              \
    X(execute_degrades_when_a_new_run_cannot_be_made)                          \
    X(a_load_without_checkpoints_leaves_the_run_as_it_is)                      \
    X(execute_does_not_degrade_otherwise)                                      \
    X(execute_returns_what_finish_said)                                        \
    X(the_store_that_keeps_nothing_always_succeeds)                            \
    X(effects_work_within_a_process_without_a_store)                           \
    X(held_environments_are_released_before_a_finish)                          \
    X(latest_needs_a_filter_and_gives_the_furthest)                            \
    X(latest_compares_texts_and_not_their_hashes)                              \
    X(an_empty_filter_matches_everything)                                      \
    X(what_is_being_removed_is_neither_latest_nor_stale)                       \
    X(the_owner_of_a_resumed_run_is_who_resumed_it)                            \
    X(stale_gives_the_oldest_first)                                            \
    X(resume_next_walks_the_interrupted_runs)                                  \
    X(resume_next_tells_and_counts_what_it_cannot_read)                        \
    X(the_fallback_is_told_why_it_is_asked)                                    \
    X(remove_and_retry_have_their_codes)                                       \
    X(a_scan_can_be_stopped_and_fails_only_as_a_whole)                         \
    X(a_run_of_once_is_kept_as_done_when_it_completes)                         \
    X(once_is_remembered_from_the_begin_on)                                    \
    X(once_keeps_no_other_outcome)                                             \
    X(a_run_that_was_finished_answers_that_its_work_is_done)                   \
    X(a_run_can_be_used_again_after_it_was_finished)                           \
    X(a_watchdog_that_starts_a_done_job_again_repeats_nothing)                 \
    X(execute_does_not_call_the_work_of_a_run_that_ended)                      \
    X(a_failed_run_that_was_kept_is_not_opened)                                \
    X(kept_runs_are_shown_and_passed_over)                                     \
    X(a_kept_finish_leaves_its_generation_and_its_claim_alone)                 \
    X(a_kept_run_whose_removal_of_the_rest_failed_is_kept)                     \
    X(what_was_half_removed_without_being_completed_is_begun_anew)             \
    X(a_birth_is_of_one_run_alone)                                             \
    X(a_damaged_run_is_kept_as_lost)                                           \
    X(a_lost_run_can_be_kept_again_after_a_failure)                            \
    X(nothing_is_lost_for_an_error_or_a_newer_format)                          \
    X(a_missing_newest_generation_is_told_at_a_resume)                         \
    X(a_missing_newest_generation_is_told_to_its_owner)                        \
    X(a_save_that_was_not_acknowledged_is_not_missed)                          \
    X(a_missing_generation_is_told_over_claimants_that_died)                   \
    X(a_whole_run_is_verified_whatever_its_state)                              \
    X(verify_finds_every_damage_and_says_whether_it_can_be_resumed)            \
    X(verify_reads_generations_of_every_epoch)                                 \
    X(verify_has_a_code_for_what_it_cannot_judge)                              \
    X(the_wait_grows_with_the_claimants_that_died)                             \
    X(claimants_that_gave_up_do_not_count)                                     \
    X(thirty_three_dead_claimants_are_counted_among_others)                    \
    X(claims_above_a_kept_generation_change_nothing)                           \
    X(claims_and_generations_do_not_pile_up)                                   \
    X(old_claims_that_could_not_be_removed_are_removed_later)                  \
    X(a_run_can_be_finished_on_a_full_store)                                   \
    X(a_run_can_be_removed_when_nothing_makes_room)                            \
    X(an_interruption_needs_room)                                              \
    X(a_run_is_removed_from_a_full_store)                                      \
    X(a_removal_without_an_outcome_looks_before_and_after)                     \
    X(prune_removes_kept_runs_that_are_strictly_older)                         \
    X(prune_removes_the_states_it_is_told)                                     \
    X(a_dry_run_of_prune_tells_the_same_and_claims_nothing)                    \
    X(prune_is_stopped_by_its_function)                                        \
    X(prune_keeps_what_has_no_known_age)                                       \
    X(prune_keeps_what_holds_environments)                                     \
    X(prune_refuses_what_it_cannot_be_asked)                                   \
    X(prune_goes_on_after_a_run_that_it_cannot_remove)
TEST_SUITE(run, LIST)

// What an event said.
typedef struct heard {
    char       name[64], id[CKPT_ID_MAX + 1];
    uint64_t   epoch, turn;
    uint32_t   attempt;
    ckpt_code  code;                    // of its error, OK if it has none
    const char *op;
} heard;

static struct {
    mem_world   world;
    store_mem   mem, other;
    store_fault fault;
    ckpt_ctx    ctx, ctx2;
    ckpt_run    run, run2;
    ckpt_checkpoint last;
    unsigned    events[CKPT_EVENT_COUNT];
    heard       heard[CKPT_EVENT_COUNT];     // by the last one of a kind
    char        last_event[64];
    ckpt_code   event_error;
    char        buf[1 << 20];
} t;

static void count_event(void *user, const ckpt_event *event)
{
    heard *e = &t.heard[event->kind];
    (void)user;
    t.events[event->kind]++;
    snprintf(e->name, sizeof(e->name), "%s", event->name);
    snprintf(e->id, sizeof(e->id), "%s", event->id);
    e->epoch = event->epoch;
    e->turn = event->turn;
    e->attempt = event->attempt;
    e->code = event->error != NULL ? event->error->code : CKPT_OK;
    e->op = event->error != NULL ? event->error->op : "";
    snprintf(t.last_event, sizeof(t.last_event), "%s", event->name);
    t.event_error = e->code;
}

// What the last event of that kind said of the run "job".
static void check_heard(ckpt_event_kind kind, uint64_t epoch, uint64_t turn,
                       uint32_t attempt, ckpt_code code)
{
    const heard *e = &t.heard[kind];
    CHECK(t.events[kind] > 0);
    CHECK_STR(e->id, "job");
    CHECK_INT(e->epoch, epoch);
    CHECK_INT(e->turn, turn);
    CHECK_INT(e->attempt, attempt);
    CHECK_INT(e->code, code);
    t.events[kind] = 0;
}

static ckpt_desc plain_desc(void)
{
    ckpt_desc d;
    memset(&d, 0, sizeof(d));
    d.store = &t.fault.base;
    d.owner = "tester";
    d.throttle_ms = CKPT_OFF;
    d.event = count_event;
    return d;
}

static void setup_with(const ckpt_desc *desc)
{
    ckpt_desc d = *desc;
    mem_world_free(&t.world);
    memset(&t, 0, sizeof(t));
    mem_world_init(&t.world);
    store_mem_init(&t.mem, &t.world);
    store_mem_init(&t.other, &t.world);
    store_fault_init(&t.fault, &t.mem.base);
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    d.store = &t.other.base;
    d.event = NULL;
    CHECK_INT(ckpt_init(&t.ctx2, &d), CKPT_OK);
}

static void setup(void)
{
    const ckpt_desc d = plain_desc();
    setup_with(&d);
}

static ckpt_run_desc named(const char *id)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = id;
    return d;
}

static ckpt_code open_run(const char *id)
{
    const ckpt_run_desc d = named(id);
    return ckpt_open(&t.ctx, &t.run, &d);
}

static void begin(void)
{
    setup();
    CHECK_INT(open_run("job"), CKPT_OK);
}

// Ends the process, as SIGKILL does, and starts another one.
static void crash(void)
{
    store_mem_kill(&t.mem);
    ckpt_abandon(&t.run);
    store_mem_init(&t.mem, &t.world);
    fault_none(&t.fault);
}

static ckpt_save_desc saving(uint64_t turn, const char *messages,
                             const char *state)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = ckpt_text(messages);
    s.state = ckpt_text(state);
    return s;
}

static ckpt_code save(uint64_t turn, const char *messages, const char *state)
{
    const ckpt_save_desc s = saving(turn, messages, state);
    return ckpt_save(&t.run, &s);
}

static ckpt_code append(uint64_t turn, const char *messages, uint64_t at)
{
    ckpt_save_desc s = saving(turn, messages, NULL);
    s.append_at = at;
    return ckpt_save(&t.run, &s);
}

static ckpt_code load(void)
{
    return ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf));
}

static bool same(ckpt_bytes b, const char *text)
{
    const bool equal = b.ptr != NULL && b.len == strlen(text) &&
                       memcmp(b.ptr, text, b.len) == 0;
    if (!equal) {
        printf("    \"%.*s\" is not \"%s\"\n", (int)b.len,
               b.ptr != NULL ? (const char *)b.ptr : "", text);
    }
    return equal;
}

static ckpt_code query(const char *id, ckpt_run_info *info)
{
    return ckpt_query(&t.ctx2, id, info);
}

// The newest generation of the first run, as the store has it.
static mem_gen *newest(void)
{
    mem_run *run = t.world.runs;
    while (run != NULL && (run->gone || run->gens == NULL)) {
        run = run->next;
    }
    return run->gens;
}

static unsigned char *find_bytes(mem_gen *gen, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= gen->size; i++) {
        if (memcmp(gen->bytes + i, text, n) == 0) {
            return gen->bytes + i;
        }
    }
    return NULL;
}

// Makes a generation one of a higher format. Another format has another head; a
// head that differs in the number alone is a damaged one of ours.
static void make_newer(mem_gen *gen)
{
    memcpy(find_bytes(gen, "\"ckpt\":1,\"crc\""), "\"ckpt\":2,\"sum\"", 14);
}

// Damages a generation right behind its head. The second time repairs it.
static void damage(mem_gen *gen)
{
    find_bytes(gen, "\n")[8] ^= 0x40;
}

//--- Context ------------------------------------------------------------------

// S08: config values out of range are rejected
static void options_out_of_range_are_refused(void)
{
    setup();
    for (int i = 0; i < 13; i++) {
        ckpt_desc d = plain_desc();
        ckpt_ctx ctx;
        switch (i) {
        case 0:  d.store = NULL; break;
        case 1:  d.throttle_ms = -2; break;
        case 2:  d.every_turns = -2; break;
        case 3:  d.beat_ms = -2; break;
        case 4:  d.lease_ms = -1; break;
        case 5:  d.lease_ms = 39999; break;             // < 2 * 20000
        case 6:  d.beat_ms = 30001; break;              // > 60000 / 2
        case 7:  d.resume_max = -3; break;
        case 8:  d.size_max = -1; break;
        case 9:  d.size_max = 1023; break;
        case 10: d.size_max = (int64_t)CKPT_SIZE_MAX + 1; break;
        case 11: d.size_max = INT64_MAX; break;
        default: d.resume_max = INT32_MIN; break;
        }
        CHECK_INT(ckpt_init(&ctx, &d), CKPT_ERR_ARGUMENT);
        CHECK_INT(ckpt_last_error(&ctx)->code, CKPT_ERR_ARGUMENT);
        CHECK(ckpt_last_error(&ctx)->msg != NULL);
    }
    ckpt_desc d = plain_desc();
    d.lease_ms = 40000;
    d.size_max = 1024;
    d.resume_max = 0;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_OK);
    CHECK_STR(ckpt_last_error(&t.ctx)->op, "");         // nothing failed
    CHECK(ckpt_last_error(&t.ctx)->msg != NULL);
}

static void options_beyond_all_numbers_are_refused(void)
{
    setup();
    ckpt_desc d = plain_desc();
    d.beat_ms = INT64_MAX;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
    ckpt_store_methods limited = *t.fault.base.methods;
    ckpt_store store = t.fault.base;
    limited.size_max = 4096;                    // of the store, not ours
    store.methods = &limited;
    d = plain_desc();
    d.store = &store;
    d.size_max = -5;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
}

static void a_store_of_another_version_is_refused(void)
{
    setup();
    ckpt_store_methods methods = *t.fault.base.methods;
    ckpt_store store = t.fault.base;
    ckpt_desc d = plain_desc();
    d.store = &store;
    store.methods = &methods;
    methods.version = CKPT_STORE_VERSION + 1;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
    methods.version = CKPT_STORE_VERSION;
    methods.place_size = CKPT_PLACE_SIZE + 1;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
    store.methods = NULL;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
}

//--- Opening ------------------------------------------------------------------

// E01, S14, A04 for turns; R5
static void a_new_run_exists_before_its_first_save(void)
{
    ckpt_run_info info;
    begin();
    CHECK_STR(t.run.id, "job");
    CHECK_INT(t.run.epoch, 1);
    CHECK_INT(t.run.seq, 1);
    CHECK(t.run.turn == 0 && t.run.turn_max == 0 && t.run.attempt == 0);
    CHECK(t.run.messages == 0 && t.run.durable);
    CHECK(!t.run.resumed && !t.run.older && !t.run.fingerprint_differs);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.epoch, 1);
    CHECK_INT(t.last.seq, 1);
    CHECK_INT(t.last.outcome, CKPT_RUNNING);
    CHECK_INT(t.last.saved_at_ms, t.world.wall_ms);
    CHECK(same(t.last.messages, "[]") && same(t.last.phases, "[]"));
    CHECK(same(t.last.effects, "[]") && same(t.last.held, "[]"));
    CHECK(same(t.last.state, "{}") && t.last.reason == NULL);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_LIVE);
    CHECK_STR(info.owner, "tester");
}

// S04. We differ on purpose: white space is an id like another (an id means
// nothing to us), and there is a longest one.
static void an_id_is_1_to_120_bytes(void)
{
    char id[CKPT_ID_MAX + 2];
    ckpt_run_info info;
    setup();
    memset(id, 'x', sizeof(id));
    id[CKPT_ID_MAX + 1] = '\0';
    CHECK_INT(open_run(id), CKPT_ERR_ARGUMENT);
    CHECK_INT(query(id, &info), CKPT_ERR_ARGUMENT);
    id[CKPT_ID_MAX] = '\0';
    CHECK_INT(open_run(id), CKPT_OK);
    CHECK_INT(query(id, &info), CKPT_OK);
    CHECK_STR(info.id, id);
    ckpt_abandon(&t.run);
    CHECK_INT(open_run(""), CKPT_ERR_ARGUMENT);
    CHECK_INT(open_run(NULL), CKPT_ERR_ARGUMENT);
    CHECK_INT(query("", &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(query(NULL, &info), CKPT_ERR_ARGUMENT);
    const ckpt_run_desc none = named("");
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &none), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &none), CKPT_ERR_ARGUMENT);
    CHECK_INT(open_run(" "), CKPT_OK);
}

// S01: a given id is kept; S30
static void ids_may_be_any_bytes(void)
{
    static const char *const ids[] = {
        "..", "/", "a/../b", "%", "%25", "\xff\xfe", "\x01", "\"\\", "A", "a",
        "\xe2\x82\xac", "\x7f", "\n"
    };
    setup();
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        CHECK_INT(open_run(ids[i]), CKPT_OK);
        CHECK(!t.run.resumed);
        CHECK_INT(save(i + 1, NULL, NULL), CKPT_OK);
        ckpt_abandon(&t.run);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        CHECK_INT(open_run(ids[i]), CKPT_OK);
        CHECK_STR(t.run.id, ids[i]);
        CHECK_INT(t.run.turn, i + 1);
        ckpt_abandon(&t.run);
    }
}

// ET9, E18, E19, S14, S30
static void metadata_comes_back_as_it_was_given(void)
{
    ckpt_run_desc d = named("job");
    setup();
    d.meta.agent_id = "agent \"7\"";
    d.meta.agent_name = "\xe2\x82\xac\n\t\x01";
    d.meta.task_id = "";
    d.meta.caller_id = "\\u0041";
    d.meta.channel_id = "channel";
    d.meta.guild_id = "guild";
    d.meta.prompt = "Check it.\nThen check it again: \xf0\x9f\x98\x80";
    d.meta.model_tier = "large";
    d.meta.parent_run_id = "../parent";
    d.meta.fingerprint = "v1";
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(save(1, "[1]", "{\"a\":1}"), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(load(), CKPT_OK);
        CHECK_STR(t.last.meta.agent_id, d.meta.agent_id);
        CHECK_STR(t.last.meta.agent_name, d.meta.agent_name);
        CHECK_STR(t.last.meta.task_id, "");
        CHECK_STR(t.last.meta.caller_id, d.meta.caller_id);
        CHECK_STR(t.last.meta.channel_id, "channel");
        CHECK_STR(t.last.meta.guild_id, "guild");
        CHECK_STR(t.last.meta.prompt, d.meta.prompt);
        CHECK_STR(t.last.meta.model_tier, "large");
        CHECK_STR(t.last.meta.parent_run_id, "../parent");
        CHECK_STR(t.last.meta.fingerprint, "v1");
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);    // without any metadata
    }
}

// ET9: what the caller does not say is absent, and not ""
static void metadata_that_is_not_given_is_absent(void)
{
    static const ckpt_meta none;
    begin();
    CHECK_INT(load(), CKPT_OK);
    CHECK(memcmp(&t.last.meta, &none, sizeof(none)) == 0);
}

static void metadata_that_is_no_utf8_is_refused_with_its_position(void)
{
    ckpt_run_desc d = named("job");
    setup();
    d.meta.agent_id = "fine";
    d.meta.prompt = "abc\xff";
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_ERR_UTF8);
    CHECK_INT(ckpt_last_error(&t.ctx)->pos, 3);
    CHECK_STR(ckpt_last_error(&t.ctx)->op, "prompt");
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_UTF8);
    CHECK(t.world.runs == NULL);
}

static void start_refuses_a_run_that_exists(void)
{
    const ckpt_run_desc d = named("job");
    setup();
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(ckpt_start(&t.ctx, &t.run2, &d), CKPT_ERR_EXISTS);    // live
    crash();
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
    damage(newest());
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
}

// S26
static void resume_refuses_a_run_that_does_not_exist(void)
{
    const ckpt_run_desc d = named("job");
    ckpt_run_info info;
    setup();
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_NOT_FOUND);
    CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
    CHECK(t.world.runs == NULL);
}

// S73: the resumed run has the same id and continues its series
static void open_begins_and_then_resumes(void)
{
    begin();
    CHECK_INT(save(4, "[1,2]", "{\"n\":4}"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.resumed && !t.run.older);
    CHECK_INT(t.run.epoch, 2);
    CHECK_INT(t.run.seq, 3);
    CHECK_INT(t.run.turn, 4);
    CHECK_INT(t.run.messages, 2);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.state, "{\"n\":4}") && same(t.last.messages, "[1,2]"));
    CHECK_INT(t.events[CKPT_EVENT_RESUMED], 1);
}

static void a_live_run_is_refused(void)
{
    const ckpt_run_desc d = named("job");
    ckpt_run_info info;
    begin();
    CHECK_INT(ckpt_open(&t.ctx2, &t.run2, &d), CKPT_ERR_LIVE);
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_ERR_LIVE);
    mem_tick(&t.world, 60001);                  // stalled is alive, too
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_STALLED);
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_ERR_LIVE);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
}

// R4: "claim lost is sticky"
static void force_takes_a_live_run_and_the_old_owner_stops(void)
{
    ckpt_run_desc d = named("job");
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    d.force = true;
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_OK);
    CHECK_INT(t.run2.epoch, 2);
    CHECK_INT(t.run2.turn, 1);
    CHECK_INT(save(2, "[1,2]", NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.events[CKPT_EVENT_CLAIM_LOST], 1);
    CHECK_INT(save(3, NULL, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(load(), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.events[CKPT_EVENT_CLAIM_LOST], 1);
    CHECK_INT(t.run.error.code, CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
    const ckpt_save_desc s = saving(2, "[1,7]", NULL);
    CHECK_INT(ckpt_save(&t.run2, &s), CKPT_OK);
    CHECK_INT(ckpt_load(&t.run2, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK(same(t.last.messages, "[1,7]"));
    ckpt_abandon(&t.run2);
}

// Resumes, and dies before it adopts.
static void die_before_the_adopt(void)
{
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_KILL_BEFORE, CKPT_ERR_IO);
    CHECK_INT(open_run("job"), CKPT_ERR_IO);
    crash();
}

// R6: "a kill while opening must not be felt"
static void the_fourth_claimant_that_died_makes_the_run_busy_for_a_while(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    crash();
    for (int i = 0; i < 4; i++) {
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
        CHECK_INT(info.wait_ms, 0);
        die_before_the_adopt();
    }
    CHECK_INT(open_run("job"), CKPT_ERR_BUSY);
    CHECK_INT(ckpt_last_error(&t.ctx)->wait_ms, 2000);
    mem_tick(&t.world, 1999);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_BUSY);
    CHECK_INT(info.wait_ms, 1);
    CHECK_INT(open_run("job"), CKPT_ERR_BUSY);
    mem_tick(&t.world, 1);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.epoch, 6);
    CHECK_INT(t.run.attempt, 1);                // it cost patience alone
}

static void race_begin(void *user, store_fault *f, uint32_t method)
{
    const ckpt_run_desc d = named("job");
    (void)user;
    (void)method;
    f->race = NULL;
    CHECK_INT(ckpt_start(&t.ctx2, &t.run2, &d), CKPT_OK);
}

static void a_race_for_a_new_run_has_one_winner(void)
{
    const ckpt_run_desc d = named("job");
    for (int i = 0; i < 2; i++) {
        setup();
        fault_plan(&t.fault, FAULT_PUBLISH, 0, FAULT_BEFORE, CKPT_OK);
        t.fault.race = race_begin;
        if (i == 0) {
            CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
        } else {
            CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_ERR_LIVE);
        }
        CHECK_INT(ckpt_beat(&t.run2), CKPT_OK);
        ckpt_abandon(&t.run2);
    }
}

// What points to the store of the parent points to that of the child.
static void make_child_of(const ckpt_run *run, ckpt_run *child)
{
    const ckpt_store *parent = &t.fault.base, *other = &t.other.base;
    *child = *run;
    for (size_t i = 0; i + sizeof(parent) <= sizeof(*child);
         i += sizeof(parent)) {
        if (memcmp((char *)child + i, &parent, sizeof(parent)) == 0) {
            memcpy((char *)child + i, &other, sizeof(other));
        }
    }
}

static void a_child_of_fork_owns_nothing(void)
{
    ckpt_effect effect;
    const ckpt_save_desc s = saving(2, NULL, NULL);
    begin();
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    mem_tick(&t.world, 21000);
    make_child_of(&t.run, &t.run2);
    CHECK_INT(ckpt_save(&t.run2, &s), CKPT_ERR_FORKED);
    CHECK_INT(ckpt_beat(&t.run2), CKPT_ERR_FORKED);
    CHECK_INT(ckpt_phase_end(&t.run2, "p", ckpt_text(NULL), NULL),
              CKPT_ERR_FORKED);
    CHECK_INT(ckpt_effect_begin(&t.run2, "e", &s, &effect), CKPT_ERR_FORKED);
    CHECK(effect.state != CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_finish(&t.run2, CKPT_COMPLETED, NULL), CKPT_ERR_FORKED);
    CHECK_INT(ckpt_finish(&t.run2, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);      // the parent goes on
    CHECK_INT(t.run.turn, 2);
}

//--- Closed runs --------------------------------------------------------------

// A load that fails fills in nothing: not what it read, and not what stood in
// the caller's struct before.
static void check_load(ckpt_run *run, void *buf, size_t cap, ckpt_code want)
{
    static const ckpt_checkpoint nothing;
    memset(&t.last, 0xa5, sizeof(t.last));
    CHECK_INT(ckpt_load(run, &t.last, buf, cap), want);
    if (want != CKPT_OK) {
        CHECK(memcmp(&t.last, &nothing, sizeof(nothing)) == 0);
    }
}

static void check_closed(ckpt_run *run)
{
    const ckpt_save_desc s = saving(1, NULL, NULL);
    ckpt_effect effect;
    ckpt_note_info note;
    ckpt_held held;
    ckpt_env env;
    ckpt_env_desc env_desc;
    char buf[16];
    size_t size = 9;
    memset(&effect, 0, sizeof(effect));
    memset(&held, 0, sizeof(held));
    memset(&env_desc, 0, sizeof(env_desc));
    check_load(run, buf, sizeof(buf), CKPT_ERR_CLOSED);
    CHECK(!ckpt_due(run, 1));
    CHECK_INT(ckpt_save(run, &s), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_beat(run), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_finish(run, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_finish(run, CKPT_RUNNING, NULL), CKPT_ERR_CLOSED);
    CHECK(ckpt_phase(run, "p"));
    CHECK_INT(ckpt_phase_output(run, "p", buf, sizeof(buf), &size),
              CKPT_ERR_CLOSED);
    CHECK_INT(size, 0);
    CHECK_INT(ckpt_phase_end(run, "p", ckpt_text(NULL), NULL),
              CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_effect_begin(run, "e", &s, &effect), CKPT_ERR_CLOSED);
    CHECK(effect.state != CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_effect_end(run, "e", ckpt_text("1")), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_effect_result(run, &effect, buf, sizeof(buf), &size),
              CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_effect_next(run, &effect), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_note(run, &note, buf, sizeof(buf)), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_held_next(run, &held), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_held_timestep(run, "e", buf, sizeof(buf), &size),
              CKPT_ERR_CLOSED);
    env_desc.id = "e";
    env_desc.run = run;
    CHECK_INT(ckpt_env_init(&env, &env_desc), CKPT_ERR_ARGUMENT);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(run->error.code, CKPT_ERR_CLOSED);
    CHECK_STR(run->error.msg, ckpt_code_message(CKPT_ERR_CLOSED));
    ckpt_abandon(run);
    ckpt_abandon(run);
}

// "every call on a zeroed run is safe and returns CKPT_ERR_CLOSED"
static void a_zeroed_run_is_safe_on_every_call(void)
{
    setup();
    check_closed(&t.run);
}

// E15, L34: there a save after the end would have brought it back
static void a_finished_run_is_safe_on_every_call(void)
{
    static const ckpt_outcome outcomes[] = {
        CKPT_COMPLETED, CKPT_FAILED, CKPT_INTERRUPTED, CKPT_RETRY
    };
    for (size_t i = 0; i < 4; i++) {
        begin();
        CHECK_INT(ckpt_finish(&t.run, outcomes[i], NULL), CKPT_OK);
        check_closed(&t.run);
        CHECK_STR(t.run.id, "job");             // still there to be read
        CHECK_INT(t.run.epoch, 1);
    }
    begin();
    ckpt_abandon(&t.run);
    check_closed(&t.run);
}

// For a context may be gone when its last run is finished.
static void a_closed_run_uses_its_context_no_more(void)
{
    begin();
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    memset(t.events, 0, sizeof(t.events));
    check_closed(&t.run);
    for (int i = 0; i < CKPT_EVENT_COUNT; i++) {
        CHECK_INT(t.events[i], 0);
    }
    CHECK_INT(t.run.failed, 0);
}

static void an_opening_that_failed_zeroes_the_run(void)
{
    static ckpt_run zero;
    const ckpt_run_desc d = named("job");
    setup();
    memset(&t.run, 0xa5, sizeof(t.run));
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_NOT_FOUND);
    CHECK(memcmp(&t.run, &zero, sizeof(zero)) == 0);
    memset(&t.run, 0xa5, sizeof(t.run));
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(open_run("job"), CKPT_ERR_NO_SPACE);
    CHECK(memcmp(&t.run, &zero, sizeof(zero)) == 0);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_NO_SPACE);
    CHECK_STR(ckpt_last_error(&t.ctx)->op, "injected fault");
    check_closed(&t.run);
}

//--- Saves --------------------------------------------------------------------

// S06, S57: json_array_rejected, json_primitive_rejected, invalid_json_raises,
// empty_string_raises, non_json_string_raises, empty_object_passes
static void a_state_must_be_an_object_and_is_kept_verbatim(void)
{
    static const struct {
        const char *state;
        ckpt_code   code;
        uint64_t    pos;
    } bad[] = {
        { "[]", CKPT_ERR_JSON, 0 }, { "1", CKPT_ERR_JSON, 0 },
        { "null", CKPT_ERR_JSON, 0 }, { "\"{}\"", CKPT_ERR_JSON, 0 },
        { "", CKPT_ERR_JSON, 0 }, { "  ", CKPT_ERR_JSON, 2 },
        { "not json", CKPT_ERR_JSON, 0 }, { "{", CKPT_ERR_JSON, 1 },
        { "{}x", CKPT_ERR_JSON, 2 }, { "{\"a\":}", CKPT_ERR_JSON, 5 },
        { "{\"a\":\"\xff\"}", CKPT_ERR_UTF8, 6 }
    };
    static const char *const good[] = {
        "{}", "{ \"b\" : 1.50 ,\t\"a\":[ ]}", "{\"\\u0041\":\"\\ud800\"}",
        "{\"a\":1,\"a\":2}", "{\"t\":1e999}"
    };
    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(save(5, "[7]", bad[i].state), bad[i].code);
        CHECK_INT(t.run.error.code, bad[i].code);
        CHECK_INT(t.run.error.pos, bad[i].pos);
        CHECK_STR(t.run.error.op, "read .state");
    }
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.state, "{}") && same(t.last.messages, "[]"));
    CHECK_INT(t.last.turn, 0);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_INT(save(1, NULL, good[i]), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.state, good[i]));
    }
    CHECK_INT(save(1, NULL, "\n {\"x\":1} \t"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.state, "{\"x\":1}"));
}

// S06 for messages; S30
static void messages_must_be_an_array_and_are_kept_verbatim(void)
{
    static const struct {
        const char *messages;
        ckpt_code   code;
        uint64_t    pos;
    } bad[] = {
        { "{}", CKPT_ERR_JSON, 0 }, { "1", CKPT_ERR_JSON, 0 },
        { "", CKPT_ERR_JSON, 0 }, { "[", CKPT_ERR_JSON, 1 },
        { "[1", CKPT_ERR_JSON, 2 }, { "[1,]", CKPT_ERR_JSON, 3 },
        { "[,]", CKPT_ERR_JSON, 1 }, { "[1]]", CKPT_ERR_JSON, 3 },
        { "[1 2]", CKPT_ERR_JSON, 3 }, { "[1],", CKPT_ERR_JSON, 3 },
        { "[\"\xc0\"]", CKPT_ERR_UTF8, 2 }
    };
    static const struct {
        const char *messages;
        uint64_t    count;
    } good[] = {
        { "[]", 0 }, { "[ ]", 0 }, { "[1]", 1 }, { "[ 1 , [2,3] ]", 2 },
        { "[{\"role\":\"user\",\"content\":\"a\\nb\"},\n null]", 2 },
        { "[\"],[\",\"\\\"\"]", 2 }, { "[[[[]]],{},\"\"]", 3 }
    };
    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(save(5, bad[i].messages, NULL), bad[i].code);
        CHECK_INT(t.run.error.pos, bad[i].pos);
        CHECK_STR(t.run.error.op, "read .messages");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_INT(save(1, good[i].messages, NULL), CKPT_OK);
        CHECK_INT(t.run.messages, good[i].count);
        CHECK_INT(load(), CKPT_OK);
        if (i != 1) {
            CHECK(same(t.last.messages, good[i].messages));
        }
    }
}

// S05: zero_is_valid, positive_is_valid, negative_raises (ours has no sign;
// what was one is beyond the limit); S25 does not apply to one record
static void a_turn_is_kept_as_given_up_to_its_limit(void)
{
    begin();
    CHECK_INT(save(0, NULL, NULL), CKPT_OK);
    CHECK_INT(save(CKPT_TURN_MAX, NULL, NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, CKPT_TURN_MAX);
    CHECK_INT(save(CKPT_TURN_MAX + 1, NULL, NULL), CKPT_ERR_ARGUMENT);
    CHECK_INT(save((uint64_t)-1, NULL, NULL), CKPT_ERR_ARGUMENT);
    CHECK_INT(save(3, NULL, NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    CHECK_INT(t.last.turn_max, CKPT_TURN_MAX);
    CHECK_INT(t.run.turn_max, CKPT_TURN_MAX);
}

// E14: each load is a full snapshot, whatever a save left out
// S25, in a run. We differ on purpose: the last save counts, whatever its turn.
static void a_save_of_a_lower_turn_is_the_last_one_all_the_same(void)
{
    begin();
    CHECK_INT(save(5, "[5]", NULL), CKPT_OK);
    CHECK_INT(save(3, "[3]", NULL), CKPT_OK);
    CHECK(t.run.turn == 3 && t.run.turn_max == 5);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.turn == 3 && t.run.turn_max == 5);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[3]"));
    CHECK(t.last.turn == 3 && t.last.turn_max == 5);
    CHECK_INT(save(4, NULL, NULL), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);                // no progress below 5
    CHECK_INT(save(6, NULL, NULL), CKPT_OK);
    CHECK_INT(t.run.attempt, 0);
}

static void what_is_absent_stays_as_it_was_saved(void)
{
    begin();
    CHECK_INT(save(1, "[1,2]", "{\"a\":1}"), CKPT_OK);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2]") && same(t.last.state, "{\"a\":1}"));
    CHECK_INT(t.last.turn, 2);
    CHECK_INT(save(3, NULL, "{}"), CKPT_OK);
    CHECK_INT(save(4, "[]", NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[]") && same(t.last.state, "{}"));
}

static void messages_are_appended_at_the_end(void)
{
    begin();
    CHECK_INT(append(1, "[ \"a\" ]", 0), CKPT_OK);
    CHECK_INT(append(2, "[\"b\",\"c\"]", 1), CKPT_OK);
    CHECK_INT(append(3, "[]", 3), CKPT_OK);
    CHECK_INT(append(4, "[{}]", 3), CKPT_OK);
    CHECK_INT(t.run.messages, 4);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[ \"a\" ,\"b\",\"c\",{}]"));
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(append(5, "[5]", 4), CKPT_OK);
    CHECK_INT(t.run.messages, 5);
}

static void messages_are_cut_before_they_are_appended(void)
{
    for (uint64_t at = 1; at <= 4; at++) {
        static const char *const want[] = {
            "[[1,\",]\"],9]", "[[1,\",]\"] , {\"a\":[2]},9]",
            "[[1,\",]\"] , {\"a\":[2]},\"\\\"3\" ,9]",
            "[[1,\",]\"] , {\"a\":[2]},\"\\\"3\" ,4,9]"
        };
        begin();
        CHECK_INT(save(1, "[[1,\",]\"] , {\"a\":[2]},\"\\\"3\" ,4]", NULL),
                  CKPT_OK);
        CHECK_INT(append(2, "[9]", at), CKPT_OK);
        CHECK_INT(t.run.messages, at + 1);
        CHECK_INT(load(), CKPT_OK);
        size_t i = 0, k = 0;                    // but for white space
        const char *got = (const char *)t.last.messages.ptr;
        for (const char *w = want[at - 1]; *w != '\0'; w++) {
            k += *w != ' ';
        }
        for (size_t j = 0; j < t.last.messages.len; j++) {
            i += got[j] != ' ';
        }
        CHECK_INT(i, k);
        CHECK_INT(append(3, "[]", 1), CKPT_OK);
        CHECK_INT(t.run.messages, 1);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(ckpt_json_check(t.last.messages, NULL), CKPT_OK);
        CHECK(memcmp(t.last.messages.ptr, "[[1,\",]\"]", 9) == 0);
    }
}

static void a_gap_in_the_messages_is_refused(void)
{
    begin();
    CHECK_INT(append(1, "[1]", 1), CKPT_ERR_GAP);
    CHECK_INT(save(1, "[1,2]", NULL), CKPT_OK);
    CHECK_INT(append(2, "[3]", 3), CKPT_ERR_GAP);
    CHECK_INT(append(2, "[]", UINT64_MAX), CKPT_ERR_GAP);
    CHECK_INT(append(2, "[]", (UINT64_C(1) << 32) + 2), CKPT_ERR_GAP);
    CHECK_INT(append(2, NULL, 1), CKPT_ERR_ARGUMENT);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2]"));
    CHECK_INT(t.last.turn, 1);
}

static void append_at_zero_means_all_messages(void)
{
    begin();
    CHECK_INT(save(1, "[1,2,3]", NULL), CKPT_OK);
    CHECK_INT(append(2, "[9]", 0), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[9]"));
}

static void a_skipped_save_loses_no_messages(void)
{
    ckpt_desc d = plain_desc();
    d.throttle_ms = 1000;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(append(1, "[1]", 0), CKPT_OK);
    CHECK_INT(append(2, "[2]", 1), CKPT_SKIPPED);
    CHECK_INT(append(3, "[2,3]", 1), CKPT_SKIPPED);
    mem_tick(&t.world, 1000);
    CHECK_INT(append(4, "[2,3,4]", 1), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2,3,4]"));
}

// R1: a load gives one whole save. What was damaged on the medium must
// not get a good sum by being copied.
static void a_cut_never_gives_damaged_messages_a_new_life(void)
{
    begin();
    CHECK_INT(save(1, "[\"aaaa\",\"bbbb\"]", NULL), CKPT_OK);
    CHECK_INT(save(2, "[\"aaaa\",\"bbbb\",\"cccc\"]", NULL), CKPT_OK);
    unsigned char *at = find_bytes(newest(), "aaaa");
    if (!CHECK(at != NULL)) {
        return;
    }
    *at = 'X';
    const ckpt_code rc = append(3, "[\"dddd\"]", 1);
    CHECK(rc == CKPT_ERR_DAMAGED || rc == CKPT_OK);
    const ckpt_code loaded = load();
    CHECK(loaded == CKPT_OLDER || loaded == CKPT_OK);
    CHECK(find_bytes(newest(), "Xaaa") == NULL);
    CHECK(t.last.messages.len > 7 &&
          memcmp(t.last.messages.ptr, "[\"aaaa\"", 7) == 0);
}

static void a_cut_of_damaged_messages_is_not_the_callers_fault(void)
{
    begin();
    CHECK_INT(save(1, "[\"aaaa\",\"bbbb\"]", NULL), CKPT_OK);
    unsigned char *at = find_bytes(newest(), "aaaa");
    if (!CHECK(at != NULL)) {
        return;
    }
    *at = '"';
    CHECK_INT(append(2, "[\"dddd\"]", 1), CKPT_ERR_DAMAGED);
}

// S06; the limit is ours
static void json_nested_too_deep_is_refused_with_its_position(void)
{
    static char deep[2 * CKPT_DEPTH_MAX + 8];
    begin();
    for (size_t n = CKPT_DEPTH_MAX; n <= CKPT_DEPTH_MAX + 1; n++) {
        memcpy(deep, "{\"a\":", 5);             // the object is one level
        memset(deep + 5, '[', n - 1);
        memset(deep + 5 + n - 1, ']', n - 1);
        memcpy(deep + 5 + 2 * (n - 1), "}", 2);
        const ckpt_code rc = save(1, NULL, deep);
        CHECK_INT(rc, n == CKPT_DEPTH_MAX ? CKPT_OK : CKPT_ERR_DEPTH);
        if (rc != CKPT_OK) {
            CHECK_INT(t.run.error.pos, 5 + CKPT_DEPTH_MAX - 1);
        }
        CHECK_INT(load(), CKPT_OK);
    }
}

// L16, E28: "size cap option with defined error"
static void a_checkpoint_beyond_size_max_is_refused_and_the_old_one_stays(void)
{
    ckpt_desc d = plain_desc();
    static char big[4096];
    d.size_max = 2048;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    memset(big, ' ', sizeof(big));
    big[0] = '[';
    big[1] = '"';
    size_t fits = 0;
    for (size_t n = 3; n < 3000; n++) {         // the exact limit
        memset(big + 2, 'x', n);
        memcpy(big + 1 + n, "\"]", 3);
        const ckpt_code rc = save(n, big, NULL);
        if (rc == CKPT_OK) {
            CHECK(t.run.checkpoint_size <= 2048);
            fits = n;
        } else {
            CHECK_INT(rc, CKPT_ERR_TOO_LARGE);
            CHECK(n == fits + 1 || n > fits);
        }
        big[1 + n] = 'x';
    }
    CHECK_INT(t.run.checkpoint_size, 2048);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, fits);
    CHECK_INT(t.last.messages.len, fits + 3);
    CHECK_INT(ckpt_phase_end(&t.run, "a phase too many", ckpt_text(NULL),
                             NULL), CKPT_ERR_TOO_LARGE);
    CHECK_INT(save(1, "[]", NULL), CKPT_OK);    // and room is made by cutting
    memset(big, 'p', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    ckpt_run_desc long_one = named("other");
    long_one.meta.prompt = big;
    CHECK_INT(ckpt_start(&t.ctx, &t.run2, &long_one), CKPT_ERR_TOO_LARGE);
}

static void load_needs_as_many_bytes_as_it_says(void)
{
    begin();
    CHECK_INT(save(1, "[1,2]", "{\"a\":1}"), CKPT_OK);
    const size_t size = (size_t)t.run.checkpoint_size;
    for (size_t cap = 0; cap <= size; cap++) {
        char *buf = (char *)malloc(cap > 0 ? cap : 1);
        check_load(&t.run, buf, cap, cap < size ? CKPT_ERR_BUFFER : CKPT_OK);
        CHECK(cap < size || same(t.last.state, "{\"a\":1}"));
        free(buf);
    }
}

// S61: a checkpoint is judged before it is handed out
static void a_load_of_what_is_damaged_fills_in_nothing(void)
{
    begin();
    damage(newest());
    check_load(&t.run, t.buf, sizeof(t.buf), CKPT_ERR_DAMAGED);
    damage(newest());                           // repaired
    check_load(&t.run, t.buf, sizeof(t.buf), CKPT_OK);
    CHECK(same(t.last.messages, "[]"));
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    check_load(&t.run, t.buf, sizeof(t.buf), CKPT_ERR_IO);
}

//--- Throttles ----------------------------------------------------------------

static void begin_throttled(int64_t throttle_ms, int64_t every_turns)
{
    ckpt_desc d = plain_desc();
    d.throttle_ms = throttle_ms;
    d.every_turns = every_turns;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
}

// ET3, E03, E04
static void the_first_save_is_stored_and_the_second_is_throttled(void)
{
    begin_throttled(1000, 0);
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    mem_tick(&t.world, 999);
    CHECK_INT(save(2, "[2]", NULL), CKPT_SKIPPED);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1]"));
    mem_tick(&t.world, 1);
    CHECK_INT(save(3, "[3]", NULL), CKPT_OK);
    crash();                                    // the clock is of the claim
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(4, "[4]", NULL), CKPT_OK);
}

// ET4, E05 (ours: CKPT_OFF; a negative throttle is a mistake)
static void every_call_is_stored_without_a_throttle(void)
{
    begin_throttled(CKPT_OFF, 0);
    for (uint64_t turn = 1; turn <= 5; turn++) {
        CHECK_INT(save(turn, NULL, NULL), CKPT_OK);
        CHECK_INT(t.run.turn, turn);
    }
    CHECK_INT(t.run.saves, 5);
}

// skips_non_boundary_turns, heartbeat_not_called_on_skip, S11 to S13, S15
static void only_boundary_turns_are_stored_and_skips_beat_not(void)
{
    begin_throttled(0, 2);
    CHECK_INT(save(0, NULL, NULL), CKPT_SKIPPED);
    CHECK_INT(save(1, NULL, NULL), CKPT_SKIPPED);
    CHECK(t.run.saves == 0 && t.run.beats == 0 && t.run.skipped == 2);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);
    CHECK(t.run.saves == 1 && t.run.beats == 1);
    CHECK_INT(save(3, NULL, NULL), CKPT_SKIPPED);
    CHECK_INT(t.run.turn, 2);
    CHECK_INT(t.events[CKPT_EVENT_SKIPPED], 3);
    ckpt_save_desc s = saving(3, NULL, NULL);
    s.force = true;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    CHECK_INT(t.run.turn, 3);
}

// ET5, E06, E07, checkpoint_repo_error_swallowed (ours returns it)
static void a_failed_save_does_not_throttle_the_next_one(void)
{
    begin_throttled(1000, 0);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    mem_tick(&t.world, 20000);                  // a beat is due, too
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(save(2, NULL, NULL), CKPT_ERR_NO_SPACE);
    CHECK_INT(t.run.beats, 1);                  // S15: no beat without a save
    CHECK_INT(save(3, NULL, NULL), CKPT_OK);
    CHECK_INT(t.run.beats, 2);
    CHECK_INT(save(4, NULL, NULL), CKPT_SKIPPED);
}

static void slow_store(void *user, store_fault *f, uint32_t method)
{
    (void)user;
    (void)f;
    (void)method;
    mem_tick(&t.world, 400);
}

// ET6, E08
static void a_save_is_dated_when_it_was_entered(void)
{
    begin_throttled(1000, 0);
    const int64_t entry = t.world.wall_ms;
    fault_plan(&t.fault, FAULT_PUBLISH, 0, FAULT_BEFORE, CKPT_OK);
    t.fault.race = slow_store;
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(t.world.wall_ms, entry + 400);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.saved_at_ms, entry);
    mem_tick(&t.world, 599);
    CHECK_INT(save(2, NULL, NULL), CKPT_SKIPPED);
    mem_tick(&t.world, 1);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);
}

// E09, L36: a wall clock that jumps changes no throttle
static void the_throttle_never_moves_back(void)
{
    begin_throttled(1000, 0);
    mem_tick(&t.world, 20000);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    t.world.wall_ms = 0;
    CHECK_INT(save(2, NULL, NULL), CKPT_SKIPPED);
    t.world.mono_ms -= 3000;                    // as no clock should
    ckpt_save_desc s = saving(3, NULL, NULL);
    s.force = true;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    t.world.mono_ms += 3999;
    CHECK_INT(save(4, NULL, NULL), CKPT_SKIPPED);
    t.world.mono_ms += 1;
    CHECK_INT(save(5, NULL, NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.saved_at_ms, 0);
}

// E16, L33: there the last save before a stop could be dropped
static void force_phases_effects_and_finish_are_never_throttled(void)
{
    ckpt_effect e;
    ckpt_save_desc s = saving(1, "[1]", NULL);
    begin_throttled(1000, 100);
    CHECK_INT(ckpt_phase_end(&t.run, "p", ckpt_text("1"), &s), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "e", &s, &e), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "e", ckpt_text("2")), CKPT_OK);
    s.force = true;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    CHECK_INT(t.run.saves, 4);
    ckpt_finish_desc f;
    memset(&f, 0, sizeof(f));
    s.force = false;
    s.turn = 7;
    f.save = &s;
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, &f), CKPT_OK);
    ckpt_run_info info;
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.turn, 7);
}

static void due_agrees_with_save(void)
{
    begin_throttled(700, 3);
    for (uint64_t turn = 0; turn < 40; turn++) {
        const bool due = ckpt_due(&t.run, turn);
        CHECK_INT(save(turn, NULL, NULL), due ? CKPT_OK : CKPT_SKIPPED);
        mem_tick(&t.world, 100);
    }
    CHECK(t.run.saves > 3 && t.run.skipped > 20);
    CHECK_INT(t.run.saves + t.run.skipped, 40);
    // who cannot read the clock saves rather too often
    fault_plan(&t.fault, FAULT_ENV, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK(ckpt_due(&t.run, 42));
}

//--- Beats --------------------------------------------------------------------

// S19, S31, S33
static void a_beat_renews_the_heartbeat_when_it_is_old_enough(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);    // beats, too
    CHECK_INT(ckpt_beat(&t.run), CKPT_SKIPPED);
    mem_tick(&t.world, 19999);
    CHECK_INT(ckpt_beat(&t.run), CKPT_SKIPPED);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.beat_age_ms, 19999);
    mem_tick(&t.world, 1);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.beat_age_ms, 0);
    CHECK_INT(t.run.beats, 2);
    ckpt_desc d = plain_desc();
    d.beat_ms = CKPT_OFF;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(t.events[CKPT_EVENT_BEAT], 2);
}

// L05. We differ on purpose from S13 and S15: a beat needs no save, because
// the first generation exists before the run is handed out.
static void a_beat_needs_no_save(void)
{
    ckpt_run_info info;
    begin();
    mem_tick(&t.world, 50000);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    CHECK_INT(t.run.saves, 0);
    mem_tick(&t.world, 50000);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_LIVE);
}

// heartbeat_repo_error_swallowed: S17, but returned
static void a_failed_beat_is_returned_and_the_claim_is_still_held(void)
{
    begin();
    fault_plan(&t.fault, FAULT_BEAT, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_IO);
    CHECK_INT(t.run.error.code, CKPT_ERR_IO);
    CHECK_INT(t.events[CKPT_EVENT_BEAT_FAILED], 1);
    CHECK_INT(t.run.beats, 0);
    CHECK_INT(ckpt_beat(&t.run), CKPT_OK);
    fault_plan(&t.fault, FAULT_ENV, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_IO);
    mem_tick(&t.world, 20000);
    fault_plan(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_IO);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
}

// S17
static void a_save_whose_beat_fails_is_saved(void)
{
    for (uint32_t at = 1; at <= 2; at++) {
        begin();
        // The first one says what was acknowledged, the second that we live.
        fault_plan(&t.fault, FAULT_BEAT, at, FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        CHECK_INT(t.fault.hits, 1);
        CHECK_INT(t.events[CKPT_EVENT_BEAT_FAILED], 1);
        CHECK_INT(t.run.saves, 1);
        CHECK_INT(t.run.failed, 0);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.messages, "[1]"));
    }
}

//--- Errors of a save ---------------------------------------------------------

// ERRORS in the header; S28
static void each_error_of_a_save_leaves_the_old_or_the_new_checkpoint(void)
{
    static const struct {
        uint32_t   mask;
        fault_when when;
        ckpt_code  code;
        bool       new_stands;
    } rows[] = {
        { FAULT_PUT, FAULT_BEFORE, CKPT_ERR_NO_SPACE, false },
        { FAULT_PUT, FAULT_BEFORE, CKPT_ERR_IO, false },
        { FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_NO_SPACE, false },
        { FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_IO, false },
        { FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_ACCESS, false },
        { FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_RESOURCE, false },
        { FAULT_PUBLISH, FAULT_BEFORE, CKPT_ERR_UNSURE, false },
        { FAULT_PUBLISH, FAULT_AFTER, CKPT_ERR_UNSURE, true },
        { FAULT_PUBLISH, FAULT_AFTER, CKPT_ERR_NOT_DURABLE, true },
        { FAULT_ENV, FAULT_BEFORE, CKPT_ERR_IO, false }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        CHECK_INT(save(1, "[1]", "{\"n\":1}"), CKPT_OK);
        // the clock is read once to see whether a save is due
        fault_plan(&t.fault, rows[i].mask, rows[i].mask == FAULT_ENV ? 2 : 1,
                   rows[i].when, rows[i].code);
        CHECK_INT(append(2, "[2]", 1), rows[i].code);
        CHECK_INT(t.run.error.code, rows[i].code);
        CHECK_STR(t.run.error.op, "injected fault");
        CHECK_INT(t.run.failed, 1);
        CHECK_INT(t.events[CKPT_EVENT_SAVE_FAILED], 1);
        fault_none(&t.fault);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.messages, rows[i].new_stands ? "[1,2]" : "[1]"));
        CHECK(same(t.last.state, "{\"n\":1}"));
        CHECK_INT(append(2, "[2]", 1), CKPT_OK);        // "save again"
        CHECK_INT(append(3, "[3]", 2), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.messages, "[1,2,3]"));
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(t.run.messages, 3);
        CHECK(!t.run.older);
    }
}

// R4: "After a failed look nothing is written until a look succeeds"
static void a_save_that_could_not_look_is_unsure(void)
{
    begin();
    fault_plan_for_ever(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(1, "[1]", NULL), CKPT_ERR_UNSURE);
    fault_plan_for_ever(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
    t.fault.mask |= FAULT_PUT;
    CHECK_INT(save(2, "[2]", NULL), CKPT_ERR_IO);
    CHECK_INT(t.fault.count, 1);                // the look; nothing was put
    fault_none(&t.fault);
    CHECK_INT(save(3, "[3]", NULL), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[3]"));
}

// What a run is to hold.
typedef struct model {
    int      messages[64];
    unsigned count, phases;
    uint64_t turn;
    int      state;
} model;

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % sides;
}

static void render(const model *m, unsigned from, char *out)
{
    size_t n = (size_t)sprintf(out, "[");
    for (unsigned i = from; i < m->count; i++) {
        n += (size_t)sprintf(out + n, "%s%d", i > from ? "," : "",
                             m->messages[i]);
    }
    sprintf(out + n, "]");
}

// Whether what is loaded is what the model says.
static bool agrees(const model *m)
{
    char messages[1024], state[32];
    ckpt_bytes value;
    size_t at = 0;
    unsigned phases = 0;
    render(m, 0, messages);
    snprintf(state, sizeof(state), "{\"n\":%d}", m->state);
    if (load() != CKPT_OK) {
        return false;
    }
    while (ckpt_json_next(t.last.phases, &at, NULL, &value)) {
        phases++;
    }
    return t.last.messages.len == strlen(messages) &&
           memcmp(t.last.messages.ptr, messages, strlen(messages)) == 0 &&
           t.last.state.len == strlen(state) &&
           memcmp(t.last.state.ptr, state, strlen(state)) == 0 &&
           t.last.turn == m->turn && phases == m->phases &&
           t.run.messages == m->count && t.run.turn == m->turn;
}

// Makes one random call, and the model that follows from it.
static ckpt_code live(uint32_t *seed, model *m)
{
    char messages[1024], state[32];
    ckpt_save_desc s;
    const unsigned at = dice(seed, m->count + 1);
    const unsigned what = dice(seed, 4);
    s = saving(m->turn + dice(seed, 2), NULL, NULL);
    m->turn = s.turn;
    if (what != 1) {
        m->count = at;
        for (unsigned n = dice(seed, 4); n > 0 && m->count < 64; n--) {
            m->messages[m->count++] = (int)dice(seed, 100000);
        }
        render(m, at, messages);
        s.messages = ckpt_text(messages);
        s.append_at = at;
    }
    if (what != 2) {
        m->state = (int)dice(seed, 1000000);
        snprintf(state, sizeof(state), "{\"n\":%d}", m->state);
        s.state = ckpt_text(state);
    }
    if (what == 3 && m->phases < CKPT_PHASES_MAX) {
        char output[32];
        snprintf(output, sizeof(output), "[%u]", dice(seed, 1000000));
        m->phases++;
        return ckpt_phase_end(&t.run, "p", ckpt_text(output), &s);
    }
    return ckpt_save(&t.run, &s);
}

// S30, E14, R1: with faults at random, and crashes
static void a_long_random_life_agrees_with_a_model(void)
{
    static const ckpt_code codes[] = { CKPT_ERR_NO_SPACE, CKPT_ERR_UNSURE,
                                       CKPT_ERR_NOT_DURABLE };
    ckpt_desc d = plain_desc();
    uint32_t seed = 20261121;
    model m;
    unsigned wrong = 0, crashes = 0;
    memset(&m, 0, sizeof(m));
    d.resume_max = CKPT_UNLIMITED;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(0, NULL, "{\"n\":0}"), CKPT_OK);
    for (int i = 0; i < 1000 && wrong == 0; i++) {
        const uint32_t fault = dice(&seed, 8);
        model next = m;
        if (fault < 3) {
            const bool after = fault == 2 || (fault == 1 && dice(&seed, 2));
            fault_plan(&t.fault, FAULT_PUBLISH, 1,
                       after ? FAULT_AFTER : FAULT_BEFORE, codes[fault]);
        } else if (fault == 3) {
            crash();
            crashes++;
            wrong += open_run("job") != CKPT_OK || !agrees(&m);
        }
        const ckpt_code rc = live(&seed, &next);
        fault_none(&t.fault);
        wrong += fault < 3 ? rc != codes[fault] : rc != CKPT_OK;
        if (rc == CKPT_OK || rc == CKPT_ERR_NOT_DURABLE ||
            (rc == CKPT_ERR_UNSURE && agrees(&next))) {
            m = next;
        }
        wrong += !agrees(&m);
    }
    CHECK_INT(wrong, 0);
    CHECK(crashes > 50);
}

// S16: "a failed save (including failure to serialize/validate) is logged"
static void a_refused_save_is_counted_and_reported(void)
{
    begin();
    CHECK_INT(save(1, "{}", NULL), CKPT_ERR_JSON);
    CHECK_INT(t.run.failed, 1);
    CHECK_INT(t.events[CKPT_EVENT_SAVE_FAILED], 1);
    CHECK_INT(t.event_error, CKPT_ERR_JSON);
}

// S82, S83
static void events_and_counters_follow_the_calls(void)
{
    begin_throttled(1000, 0);
    CHECK_STR(t.last_event, "run.begun");
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(t.events[CKPT_EVENT_SAVED], 1);
    CHECK_STR(t.last_event, "heartbeat.updated");
    CHECK_INT(save(2, NULL, NULL), CKPT_SKIPPED);
    CHECK_STR(t.last_event, "checkpoint.skipped");
    CHECK_INT(load(), CKPT_OK);
    CHECK_STR(t.last_event, "checkpoint.loaded");
    CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, 1), CKPT_ERR_BUFFER);
    CHECK_STR(t.last_event, "checkpoint.load_failed");
    CHECK_INT(t.event_error, CKPT_ERR_BUFFER);
    CHECK(t.run.saves == 1 && t.run.skipped == 1 && t.run.failed == 0 &&
          t.run.beats == 1);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_STR(t.last_event, "checkpoint.deleted");
    CHECK_INT(t.events[CKPT_EVENT_SAVED], 2);
    for (int i = 0; i < CKPT_EVENT_COUNT; i++) {
        const bool seen = i == CKPT_EVENT_BEGUN || i == CKPT_EVENT_SAVED ||
            i == CKPT_EVENT_SKIPPED || i == CKPT_EVENT_LOADED ||
            i == CKPT_EVENT_LOAD_FAILED || i == CKPT_EVENT_DELETED ||
            i == CKPT_EVENT_BEAT;
        CHECK_INT(t.events[i] > 0, seen);
    }
}

static ckpt_outcome no_fallback(ckpt_run *run, void *user, ckpt_finish_desc *f);
static int fail_release(void *user, const ckpt_env *env);
static int restore_nothing(void *user, const ckpt_env *env, void *out);

// A run from its begin to the loss of its claim.
static void tell_of_a_life(void)
{
    ckpt_run_desc forced = named("job");
    forced.force = true;
    begin_throttled(0, 2);
    check_heard(CKPT_EVENT_BEGUN, 1, 0, 0, CKPT_OK);
    CHECK_INT(save(1, NULL, NULL), CKPT_SKIPPED);
    check_heard(CKPT_EVENT_SKIPPED, 1, 0, 0, CKPT_OK);
    CHECK_INT(save(2, "[1]", NULL), CKPT_OK);
    check_heard(CKPT_EVENT_SAVED, 1, 2, 0, CKPT_OK);
    check_heard(CKPT_EVENT_BEAT, 1, 2, 0, CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    check_heard(CKPT_EVENT_LOADED, 1, 2, 0, CKPT_OK);
    CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, 1), CKPT_ERR_BUFFER);
    check_heard(CKPT_EVENT_LOAD_FAILED, 1, 2, 0, CKPT_ERR_BUFFER);
    CHECK_INT(save(4, "{}", NULL), CKPT_ERR_JSON);
    check_heard(CKPT_EVENT_SAVE_FAILED, 1, 2, 0, CKPT_ERR_JSON);
    mem_tick(&t.world, 20000);
    fault_plan(&t.fault, FAULT_BEAT, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_IO);
    check_heard(CKPT_EVENT_BEAT_FAILED, 1, 2, 0, CKPT_ERR_IO);
    CHECK_STR(t.heard[CKPT_EVENT_BEAT_FAILED].op, "injected fault");
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    check_heard(CKPT_EVENT_STALE, 2, 2, 1, CKPT_OK);
    check_heard(CKPT_EVENT_RESUMED, 2, 2, 1, CKPT_OK);
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &forced), CKPT_OK);
    CHECK_INT(save(4, NULL, NULL), CKPT_ERR_CLAIM_LOST);
    // The save was published before the look: the event has its turn.
    check_heard(CKPT_EVENT_CLAIM_LOST, 2, 4, 0, CKPT_OK);
    ckpt_abandon(&t.run);
    ckpt_abandon(&t.run2);
    damage(newest());
    CHECK_INT(open_run("job"), CKPT_OK);
    check_heard(CKPT_EVENT_SET_ASIDE, 4, t.run.turn, t.run.attempt, CKPT_OK);
}

// The ends of runs.
static void tell_of_ends(void)
{
    ckpt_run_desc once = named("job");
    once.once = true;
    begin();
    CHECK_INT(save(3, NULL, NULL), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    check_heard(CKPT_EVENT_DELETE_FAILED, 1, 3, 0, CKPT_ERR_IO);
    CHECK_STR(t.heard[CKPT_EVENT_DELETE_FAILED].op, "injected fault");
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    check_heard(CKPT_EVENT_DELETED, 1, 3, 0, CKPT_OK);
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &once), CKPT_OK);
    CHECK_INT(save(4, NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    check_heard(CKPT_EVENT_KEPT, 1, 4, 0, CKPT_OK);
}

// A run that cannot be made.
static void tell_of_a_degraded_run(void)
{
    const ckpt_run_desc job = named("job");
    setup();
    fault_plan_for_ever(&t.fault, FAULT_OPEN, 2, FAULT_BEFORE,
                        CKPT_ERR_NO_SPACE);
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &job, no_fallback, NULL), CKPT_OK);
    check_heard(CKPT_EVENT_DEGRADED, 0, 0, 0, CKPT_ERR_NO_SPACE);
    CHECK_STR(t.heard[CKPT_EVENT_DEGRADED].op, "injected fault");
}

// A run that cannot be read, and has no attempt left.
static void tell_of_a_recovery(void)
{
    ckpt_recover_desc recover;
    ckpt_desc d = plain_desc();
    memset(&recover, 0, sizeof(recover));
    recover.resume = recover.fallback = no_fallback;
    d.resume_max = CKPT_NEVER;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(5, NULL, NULL), CKPT_OK);
    crash();
    fault_plan(&t.fault, FAULT_ALIVE, 2, FAULT_BEFORE, CKPT_ERR_ACCESS);
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &recover, NULL), CKPT_OK);
    check_heard(CKPT_EVENT_LOAD_FAILED, 0, 0, 0, CKPT_ERR_ACCESS);
    CHECK_STR(t.heard[CKPT_EVENT_LOAD_FAILED].op, "injected fault");
    CHECK_INT(ckpt_recover(&t.ctx, &t.run, &recover, NULL), CKPT_OK);
    check_heard(CKPT_EVENT_FALLBACK, 2, 5, 1, CKPT_OK);
}

// The janitor has events of its own: the id is that of an environment.
static void tell_of_environments(void)
{
    ckpt_env envs[2], *known[2];
    ckpt_env_desc d;
    ckpt_janitor janitor;
    setup();
    memset(&d, 0, sizeof(d));
    ckpt_janitor_init(&janitor, known, 2, count_event, NULL);
    d.id = "job";
    d.restore = restore_nothing;
    d.janitor = &janitor;
    CHECK_INT(ckpt_env_init(&envs[0], &d), CKPT_OK);
    d.release = fail_release;
    CHECK_INT(ckpt_env_init(&envs[1], &d), CKPT_OK);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 1);
    check_heard(CKPT_EVENT_ENV_RELEASED, 0, 0, 0, CKPT_OK);
    check_heard(CKPT_EVENT_ENV_FAILED, 0, 0, 0, CKPT_ERR_IO);
}

// S82: "event constants exist with exact values" (test_events.py), each told
// by a call that anybody can make, with id, epoch, turn, attempt and error. We
// differ on purpose where the thing itself does: a beat or a checkpoint is not
// deleted apart from its run, and reconciliation is data (S62, L31). S83: there
// are no levels; what failed has an error.
static void every_event_is_told_under_its_published_name(void)
{
    static const char *const names[] = {
        "run.begun", "checkpoint.recovery.resume",
        "checkpoint.recovery.fallback", "checkpoint.saved",
        "checkpoint.save_failed", "checkpoint.skipped", "checkpoint.loaded",
        "checkpoint.load_failed", "checkpoint.set_aside",
        "checkpoint.deleted", "checkpoint.delete_failed", "checkpoint.kept",
        "heartbeat.updated", "heartbeat.update_failed",
        "heartbeat.stale_detected", "claim.lost", "execution.degraded",
        "environment.released", "environment.release_failed"
    };
    static void (*const tell[])(void) = {
        tell_of_a_life, tell_of_ends, tell_of_a_degraded_run,
        tell_of_a_recovery, tell_of_environments
    };
    char seen[CKPT_EVENT_COUNT][64];
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < sizeof(tell) / sizeof(tell[0]); i++) {
        tell[i]();
        for (int k = 0; k < CKPT_EVENT_COUNT; k++) {
            if (t.heard[k].name[0] != '\0') {
                memcpy(seen[k], t.heard[k].name, sizeof(seen[k]));
            }
        }
    }
    CHECK_INT(CKPT_EVENT_COUNT, sizeof(names) / sizeof(names[0]));
    for (int i = 0; i < CKPT_EVENT_COUNT; i++) {
        CHECK_STR(seen[i], names[i]);
    }
}

// Takes the run over; true if that told of an owner that crashed or hung.
static bool tells_of_stale(ckpt_run *run, bool force)
{
    ckpt_run_desc d = named("job");
    d.force = force;
    t.events[CKPT_EVENT_STALE] = 0;
    CHECK_INT(ckpt_resume(&t.ctx, run, &d), CKPT_OK);
    CHECK(t.events[CKPT_EVENT_STALE] <= 1);
    return t.events[CKPT_EVENT_STALE] == 1;
}

// S82: heartbeat.stale_detected
static void an_owner_that_crashed_or_hung_is_told_once(void)
{
    ckpt_desc d = plain_desc();
    d.resume_max = CKPT_UNLIMITED;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK(tells_of_stale(&t.run2, false));
    CHECK(!tells_of_stale(&t.run, true));       // it lives
    ckpt_abandon(&t.run2);
    mem_tick(&t.world, 60001);
    CHECK(tells_of_stale(&t.run2, true));       // it hangs
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_finish(&t.run2, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK(!tells_of_stale(&t.run2, false));     // it let the run go
    CHECK_INT(ckpt_finish(&t.run2, CKPT_RETRY, NULL), CKPT_OK);
    mem_tick(&t.world, 60001);
    CHECK(!tells_of_stale(&t.run2, false));
    CHECK_INT(ckpt_finish(&t.run2, CKPT_COMPLETED, NULL), CKPT_OK);
}

// ERRORS in the header
static void last_error_says_what_and_why(void)
{
    const ckpt_run_desc d = named("nobody");
    begin();
    CHECK_INT(ckpt_resume(&t.ctx, &t.run2, &d), CKPT_ERR_NOT_FOUND);
    const ckpt_error *e = ckpt_last_error(&t.ctx);
    CHECK_INT(e->code, CKPT_ERR_NOT_FOUND);
    CHECK_STR(e->msg, ckpt_code_message(CKPT_ERR_NOT_FOUND));
    fault_plan(&t.fault, FAULT_OPEN, 1, FAULT_BEFORE, CKPT_ERR_ACCESS);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run2, &d), CKPT_ERR_ACCESS);
    CHECK_STR(ckpt_last_error(&t.ctx)->op, "injected fault");
    CHECK_INT(append(1, "[1]", 5), CKPT_ERR_GAP);
    CHECK_INT(t.run.error.code, CKPT_ERR_GAP);
    CHECK_STR(t.run.error.msg, ckpt_code_message(CKPT_ERR_GAP));
    // each run has an error of its own
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_ACCESS);
}

//--- Phases -------------------------------------------------------------------

static ckpt_code phase_end(const char *name, const char *output)
{
    return ckpt_phase_end(&t.run, name, ckpt_text(output), NULL);
}

// ET1, E26
static void duplicate_phases_both_run_on_a_fresh_run(void)
{
    begin();
    CHECK(ckpt_phase(&t.run, "ask"));
    CHECK_INT(phase_end("ask", "1"), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "ask"));
    CHECK_INT(phase_end("ask", "2"), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "ask"));
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.phases, "[{\"name\":\"ask\",\"output\":1},"
                              "{\"name\":\"ask\",\"output\":2}]"));
}

// ET13, E25
static void a_resume_skips_exactly_the_completed_phases(void)
{
    begin();
    CHECK_INT(phase_end("plan", "{\"a\":1}"), CKPT_OK);
    CHECK_INT(phase_end("read \xe2\x82\xac\"", NULL), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "write"));         // and the crash is in there
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!ckpt_phase(&t.run, "plan"));
    CHECK(!ckpt_phase(&t.run, "read \xe2\x82\xac\""));
    CHECK(ckpt_phase(&t.run, "write"));
    CHECK(ckpt_phase(&t.run, "plan"));          // consumed
    CHECK(ckpt_phase(&t.run, "read"));
    CHECK_INT(phase_end("write", "3"), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "write"));         // done now, not before
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!ckpt_phase(&t.run, "write"));
    CHECK(!ckpt_phase(&t.run, "plan"));
}

// the first N occurrences that were complete are skipped, not all
static void of_a_duplicated_phase_as_many_are_skipped_as_were_complete(void)
{
    begin();
    CHECK_INT(phase_end("ask", "1"), CKPT_OK);
    CHECK_INT(phase_end("tell", "1"), CKPT_OK);
    CHECK_INT(phase_end("ask", "2"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!ckpt_phase(&t.run, "ask"));
    CHECK(!ckpt_phase(&t.run, "ask"));
    CHECK(ckpt_phase(&t.run, "ask"));
    CHECK(!ckpt_phase(&t.run, "tell"));
    CHECK(ckpt_phase(&t.run, "tell"));
}

static void the_output_of_a_phase_is_that_of_the_last_one(void)
{
    char buf[32];
    size_t size = 0;
    begin();
    CHECK_INT(phase_end("ask", "\"first\""), CKPT_OK);
    CHECK_INT(phase_end("b", NULL), CKPT_OK);
    CHECK_INT(phase_end("ask", " [ 2 ] "), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        for (size_t cap = 0; cap <= 5; cap++) {
            const ckpt_code rc = ckpt_phase_output(&t.run, "ask", buf, cap,
                                                   &size);
            CHECK_INT(rc, cap < 5 ? CKPT_ERR_BUFFER : CKPT_OK);
            CHECK_INT(size, 5);
        }
        CHECK(memcmp(buf, "[ 2 ]", 5) == 0);
        CHECK_INT(ckpt_phase_output(&t.run, "b", buf, sizeof(buf), &size),
                  CKPT_OK);
        CHECK(size == 4 && memcmp(buf, "null", 4) == 0);
        CHECK_INT(ckpt_phase_output(&t.run, "c", buf, sizeof(buf), &size),
                  CKPT_ERR_NOT_FOUND);
        CHECK_INT(size, 0);
        fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(ckpt_phase_output(&t.run, "b", buf, sizeof(buf), &size),
                  CKPT_ERR_IO);
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
    }
}

static void phases_have_a_limit(void)
{
    char name[16];
    begin();
    for (int i = 0; i < CKPT_PHASES_MAX; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        CHECK_INT(phase_end(name, "0"), CKPT_OK);
    }
    CHECK_INT(phase_end("one more", "0"), CKPT_ERR_PHASES);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    for (int i = 0; i < CKPT_PHASES_MAX; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        CHECK(!ckpt_phase(&t.run, name));
        CHECK(ckpt_phase(&t.run, name));
    }
    CHECK_INT(phase_end("one more", "0"), CKPT_ERR_PHASES);
}

static void phase_names_and_outputs_are_checked(void)
{
    char name[CKPT_NAME_MAX + 2];
    begin();
    memset(name, 'n', sizeof(name));
    name[CKPT_NAME_MAX + 1] = '\0';
    CHECK_INT(phase_end(name, "1"), CKPT_ERR_ARGUMENT);
    name[CKPT_NAME_MAX] = '\0';
    CHECK_INT(phase_end(name, "1"), CKPT_OK);
    CHECK_INT(phase_end("", "1"), CKPT_ERR_ARGUMENT);
    CHECK_INT(phase_end(NULL, "1"), CKPT_ERR_ARGUMENT);
    CHECK_INT(phase_end("a\nb", "1"), CKPT_ERR_ARGUMENT);
    CHECK_INT(t.run.error.pos, 1);
    CHECK_INT(phase_end("ab\xff", "1"), CKPT_ERR_UTF8);
    CHECK_INT(t.run.error.pos, 2);
    CHECK_INT(phase_end("p", ""), CKPT_ERR_JSON);
    CHECK_INT(phase_end("p", "[1,"), CKPT_ERR_JSON);
    CHECK_INT(t.run.error.pos, 3);
    CHECK_INT(phase_end("p", "\"\xff\""), CKPT_ERR_UTF8);
    CHECK_INT(load(), CKPT_OK);
    ckpt_bytes value;
    size_t at = 0, n = 0;
    while (ckpt_json_next(t.last.phases, &at, NULL, &value)) {
        n++;
    }
    CHECK_INT(n, 1);
}

// Attack: no reason fits any more, so the run could not be left at all.
static void a_run_without_room_for_a_reason_is_left_without_one(void)
{
    static const ckpt_outcome outcomes[] = { CKPT_COMPLETED, CKPT_FAILED,
                                             CKPT_INTERRUPTED, CKPT_RETRY };
    char state[2100], reason[CKPT_REASON_MAX + 1];
    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        const ckpt_finish_desc why = { .reason = reason };
        ckpt_finish_desc large = why;
        ckpt_desc d = plain_desc();
        ckpt_code rc = CKPT_OK;
        d.size_max = 2048;
        setup_with(&d);
        CHECK_INT(open_run("job"), CKPT_OK);
        for (size_t n = 9; rc == CKPT_OK && n < sizeof(state); n++) {
            memset(state, ' ', n);              // as much as fits
            memcpy(state, "{\"x\":1", 6);
            memcpy(state + n - 1, "}", 2);
            rc = save(1, NULL, state);
        }
        CHECK_INT(rc, CKPT_ERR_TOO_LARGE);
        CHECK_INT(t.run.checkpoint_size, 2048);
        const ckpt_save_desc too_large = saving(2, NULL, state);
        large.save = &too_large;                // that is another matter
        CHECK_INT(ckpt_finish(&t.run, outcomes[i], &large),
                  CKPT_ERR_TOO_LARGE);
        large.reason = NULL;
        CHECK_INT(ckpt_finish(&t.run, outcomes[i], &large),
                  CKPT_ERR_TOO_LARGE);
        CHECK_INT(ckpt_finish(&t.run, outcomes[i], &why), CKPT_OK);
        CHECK(!t.run.open);
    }
}

//--- Effects ------------------------------------------------------------------

static ckpt_effect_state effect_begin(const char *id, uint64_t turn)
{
    ckpt_effect e;
    const ckpt_save_desc s = saving(turn, NULL, NULL);
    CHECK_INT(ckpt_effect_begin(&t.run, id, &s, &e), CKPT_OK);
    CHECK_STR(e.id, id);
    CHECK_INT(e.turn, turn);
    return e.state;
}

// A second begin of it in the same claim is refused, and writes nothing.
static void begun_already(const char *id, uint64_t turn)
{
    ckpt_effect e;
    const ckpt_save_desc s = saving(turn, NULL, NULL);
    const uint64_t seq = t.run.seq;
    CHECK_INT(ckpt_effect_begin(&t.run, id, &s, &e), CKPT_ERR_EXISTS);
    CHECK_INT(e.state, CKPT_EFFECT_UNCERTAIN);          // do not run it
    CHECK(strstr(t.run.error.op, "its own id") != NULL);
    CHECK_INT(t.run.seq, seq);
}

static ckpt_code effect_end(const char *id, const char *result)
{
    return ckpt_effect_end(&t.run, id, ckpt_text(result));
}

// Reads the result of an effect that has ended.
static ckpt_code result_of(const char *id, uint64_t turn, const char *want)
{
    ckpt_effect e;
    size_t size = 0;
    char buf[64];
    memset(&e, 0, sizeof(e));
    e.turn = turn;
    snprintf(e.id, sizeof(e.id), "%s", id);
    const ckpt_code rc = ckpt_effect_result(&t.run, &e, buf, sizeof(buf) - 1,
                                            &size);
    if (rc == CKPT_OK) {
        buf[size] = '\0';
        CHECK_STR(buf, want);
    }
    return rc;
}

// S68, L02: a save before the tool runs, and one after
static void an_effect_is_new_then_ended(void)
{
    ckpt_effect e;
    const ckpt_save_desc s = saving(3, "[\"call\"]", NULL);
    begin();
    CHECK_INT(ckpt_effect_begin(&t.run, "c1", &s, &e), CKPT_OK);
    CHECK_INT(e.state, CKPT_EFFECT_NEW);
    CHECK_INT(t.run.turn, 3);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.effects, "[{\"turn\":3,\"epoch\":1,\"id\":\"c1\","
                               "\"state\":\"begun\"}]"));
    CHECK(same(t.last.messages, "[\"call\"]"));
    CHECK_INT(result_of("c1", 3, ""), CKPT_ERR_NOT_FOUND);
    CHECK_INT(effect_end("c1", " {\"r\":\"\\u20ac\"} "), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.effects, "[{\"turn\":3,\"epoch\":1,\"id\":\"c1\","
                               "\"state\":\"ended\",\"result\":"
                               "{\"r\":\"\\u20ac\"}}]"));
    CHECK_INT(result_of("c1", 3, "{\"r\":\"\\u20ac\"}"), CKPT_OK);
    begun_already("c1", 3);
    CHECK_INT(effect_end("c1", "1"), CKPT_ERR_NOT_FOUND);
}

static void an_effect_that_a_crash_left_begun_is_uncertain(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(effect_begin("c1", 2), CKPT_EFFECT_NEW);
    begun_already("c1", 2);
    crash();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.uncertain, 1);
    CHECK_INT(open_run("job"), CKPT_OK);
    const uint64_t seq = t.run.seq;
    CHECK_INT(effect_begin("c1", 2), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(t.run.seq, seq);                  // nothing is written
    begun_already("c1", 2);                     // whatever claim began it
    CHECK_INT(effect_end("c1", "\"found out\""), CKPT_OK);
    begun_already("c1", 2);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(effect_begin("c1", 2), CKPT_EFFECT_ENDED);
    begun_already("c1", 2);
}

static void an_ended_effect_is_known_after_a_crash(void)
{
    ckpt_effect e;
    const ckpt_save_desc s = saving(2, NULL, NULL);
    begin();
    CHECK_INT(effect_begin("c\"\\\xe2\x82\xac", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("c\"\\\xe2\x82\xac", "[1,2]"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "c\"\\\xe2\x82\xac", &s, &e), CKPT_OK);
    CHECK_INT(e.state, CKPT_EFFECT_ENDED);
    CHECK_INT(e.result_size, 5);
    CHECK_STR(e.id, "c\"\\\xe2\x82\xac");
    for (size_t cap = 0; cap <= 5; cap++) {
        char buf[8];
        size_t size = 0;
        CHECK_INT(ckpt_effect_result(&t.run, &e, buf, cap, &size),
                  cap < 5 ? CKPT_ERR_BUFFER : CKPT_OK);
        CHECK_INT(size, 5);
        CHECK(cap < 5 || memcmp(buf, "[1,2]", 5) == 0);
    }
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(result_of("c\"\\\xe2\x82\xac", 2, ""), CKPT_ERR_IO);
}

static void an_ended_effect_drops_at_a_higher_turn(void)
{
    begin();
    CHECK_INT(effect_begin("a", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("b", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("c", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("b", "\"B\""), CKPT_OK);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(result_of("b", 2, "\"B\""), CKPT_OK);
    CHECK_INT(effect_end("c", "\"C\""), CKPT_OK);
    CHECK_INT(result_of("b", 2, "\"B\""), CKPT_OK);
    CHECK_INT(save(3, NULL, NULL), CKPT_OK);    // neither messages nor state
    CHECK_INT(result_of("b", 2, "\"B\""), CKPT_OK);
    CHECK_INT(save(3, "[\"B\"]", NULL), CKPT_OK);
    CHECK_INT(result_of("b", 2, ""), CKPT_ERR_NOT_FOUND);
    CHECK_INT(result_of("c", 2, ""), CKPT_ERR_NOT_FOUND);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.effects, "[{\"turn\":2,\"epoch\":1,\"id\":\"a\","
                               "\"state\":\"begun\"}]"));
    CHECK_INT(effect_end("a", "\"A\""), CKPT_OK);
    ckpt_effect e;
    const ckpt_save_desc s = saving(3, NULL, "{\"A\":1}");
    CHECK_INT(ckpt_effect_begin(&t.run, "d", &s, &e), CKPT_OK);
    CHECK_INT(result_of("a", 2, ""), CKPT_ERR_NOT_FOUND);
}

static void a_begun_effect_stays_until_it_is_settled(void)
{
    begin();
    CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_NEW);
    CHECK_INT(save(9, NULL, NULL), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(20, NULL, NULL), CKPT_OK);
    CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(effect_end("a", NULL), CKPT_OK);          // it never ran
    CHECK_INT(effect_end("a", NULL), CKPT_ERR_NOT_FOUND);
    CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_NEW);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.effects, "[{\"turn\":1,\"epoch\":2,\"id\":\"a\","
                               "\"state\":\"begun\"}]"));
}

static void effects_are_known_by_turn_and_id(void)
{
    begin();
    CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("a", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("A", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("a", "2"), CKPT_OK);           // the newest
    CHECK_INT(effect_end("a", "1"), CKPT_OK);
    CHECK_INT(effect_end("a", "0"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(result_of("a", 1, "1"), CKPT_OK);
    CHECK_INT(result_of("a", 2, "2"), CKPT_OK);
    CHECK_INT(result_of("a", 3, ""), CKPT_ERR_NOT_FOUND);
}

// "After an error the call can be repeated as long as the tool was not run."
static void a_begin_that_failed_can_be_repeated(void)
{
    static const struct {
        fault_when when;
        ckpt_code  code;
    } rows[] = {
        { FAULT_BEFORE, CKPT_ERR_NO_SPACE }, { FAULT_BEFORE, CKPT_ERR_UNSURE },
        { FAULT_AFTER, CKPT_ERR_UNSURE }, { FAULT_AFTER, CKPT_ERR_NOT_DURABLE }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ckpt_effect e;
        const ckpt_save_desc s = saving(1, NULL, NULL);
        begin();
        for (int k = 0; k < 3; k++) {
            fault_plan(&t.fault, FAULT_PUBLISH, 1, rows[i].when, rows[i].code);
            CHECK_INT(ckpt_effect_begin(&t.run, "a", &s, &e), rows[i].code);
            CHECK_INT(e.state, CKPT_EFFECT_UNCERTAIN);  // do not run it
        }
        fault_none(&t.fault);
        CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_NEW);
        begun_already("a", 1);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.effects, "[{\"turn\":1,\"epoch\":1,\"id\":\"a\","
                                   "\"state\":\"begun\"}]"));
        CHECK_INT(effect_end("a", "1"), CKPT_OK);
    }
}

static void effects_have_a_limit(void)
{
    char id[16];
    ckpt_effect e;
    const ckpt_save_desc s = saving(1, NULL, NULL);
    const ckpt_save_desc next = saving(2, "[7]", NULL);
    begin();
    for (int i = 0; i < CKPT_EFFECTS_MAX; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        CHECK_INT(effect_begin(id, 1), CKPT_EFFECT_NEW);
    }
    CHECK_INT(ckpt_effect_begin(&t.run, "x", &s, &e), CKPT_ERR_EFFECTS);
    CHECK_INT(effect_end("e7", "7"), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "x", &s, &e), CKPT_ERR_EFFECTS);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "x", &s, &e), CKPT_ERR_EFFECTS);
    CHECK_INT(ckpt_effect_begin(&t.run, "x", &next, &e), CKPT_OK);
    CHECK_INT(e.state, CKPT_EFFECT_NEW);        // for e7 was dropped by it
    CHECK_INT(effect_end("e63", NULL), CKPT_OK);
    CHECK_INT(effect_begin("y", 2), CKPT_EFFECT_NEW);
}

static void effect_ids_and_results_are_checked(void)
{
    char id[CKPT_NAME_MAX + 2];
    ckpt_effect e;
    const ckpt_save_desc s = saving(1, NULL, NULL), bad = saving(1, "1", NULL);
    begin();
    memset(id, 'i', sizeof(id));
    id[CKPT_NAME_MAX + 1] = id[CKPT_NAME_MAX] = '\0';
    CHECK_INT(effect_begin(id, 1), CKPT_EFFECT_NEW);
    CHECK_INT(ckpt_effect_begin(&t.run, "", &s, &e), CKPT_ERR_ARGUMENT);
    CHECK(strstr(t.run.error.op, "id of an effect") != NULL);
    CHECK_STR(e.id, "");
    CHECK_INT(ckpt_effect_begin(&t.run, NULL, &s, &e), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_effect_begin(&t.run, "a", NULL, &e), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_effect_begin(&t.run, "a\xff", &s, &e), CKPT_ERR_UTF8);
    CHECK_INT(t.run.error.pos, 1);
    CHECK_INT(ckpt_effect_begin(&t.run, "a", &bad, &e), CKPT_ERR_JSON);
    CHECK_INT(e.state, CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(effect_end(id, ""), CKPT_ERR_JSON);
    CHECK_INT(effect_end(id, "[1"), CKPT_ERR_JSON);
    CHECK_INT(t.run.error.pos, 2);
    CHECK_INT(effect_end(id, "\"\xff\""), CKPT_ERR_UTF8);
    CHECK_INT(effect_end("nobody", "1"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(effect_end(id, "1"), CKPT_OK);
}

static void next_walks_the_effects_that_are_held(void)
{
    ckpt_effect e;
    begin();
    memset(&e, 0, sizeof(e));
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_END);
    CHECK_INT(effect_begin("a", 1), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("b", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("b", "[2]"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    memset(&e, 0, sizeof(e));
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_OK);
    CHECK_STR(e.id, "a");
    CHECK(e.turn == 1 && e.state == CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_OK);
    CHECK_STR(e.id, "b");
    CHECK(e.turn == 2 && e.state == CKPT_EFFECT_ENDED && e.result_size == 3);
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_END);
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_END);
    memset(&e, 0, sizeof(e));
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_effect_next(&t.run, &e), CKPT_ERR_IO);
}

//--- Finish -------------------------------------------------------------------

static ckpt_code finish(ckpt_outcome outcome, const char *reason, bool keep)
{
    ckpt_finish_desc f;
    memset(&f, 0, sizeof(f));
    f.reason = reason;
    f.keep = keep;
    return ckpt_finish(&t.run, outcome, &f);
}

// ET7, E10, S27, S36, S64, S76
static void complete_and_fail_delete_the_run(void)
{
    ckpt_run_info info;
    for (int i = 0; i < 2; i++) {
        begin();
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        ckpt_run_desc d = named("another");
        CHECK_INT(ckpt_start(&t.ctx, &t.run2, &d), CKPT_OK);
        CHECK_INT(finish(i == 0 ? CKPT_COMPLETED : CKPT_FAILED, "why", false),
                  CKPT_OK);
        CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(query("another", &info), CKPT_OK);    // others stay
        CHECK_INT(open_run("job"), CKPT_OK);            // and it may come back
        CHECK(!t.run.resumed && t.run.turn == 0);
    }
}

static bool note_state(void *user, const ckpt_run_info *info)
{
    *(ckpt_run_info *)user = *info;
    return true;
}

// E11, L35: there the reason was lost
static void failed_with_keep_leaves_a_dead_letter(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(save(7, "[1]", NULL), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, "no \"idea\"", true), CKPT_OK);
    CHECK_STR(t.last_event, "checkpoint.kept");
    CHECK_INT(query("job", &info), CKPT_OK);    // it stays where it stands
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    CHECK_INT(info.outcome, CKPT_DEAD);
    CHECK(!info.lost && !info.older);
    memset(&info, 0, sizeof(info));
    CHECK_INT(ckpt_scan(&t.ctx2, 0, note_state, &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    CHECK_STR(info.id, "job");
    CHECK_STR(info.reason, "no \"idea\"");
    CHECK_INT(info.turn, 7);
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.resumed && t.run.turn == 7);
}

// ET8, E10, E29, S62
static void an_interrupted_run_is_listed_with_all_it_had(void)
{
    ckpt_run_desc d = named("job");
    ckpt_run_info info;
    setup();
    d.meta.agent_id = "clerk";
    d.meta.task_id = "t-1";
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(phase_end("plan", "1"), CKPT_OK);
    CHECK_INT(effect_begin("e", 4), CKPT_EFFECT_NEW);
    CHECK_INT(save(5, "[1,2,3]", "{\"s\":1}"), CKPT_OK);
    CHECK_INT(finish(CKPT_INTERRUPTED, "shutdown", false), CKPT_OK);
    memset(&info, 0, sizeof(info));
    CHECK_INT(ckpt_scan(&t.ctx2, CKPT_STATE_INTERRUPTED, note_state, &info),
              CKPT_OK);
    CHECK_STR(info.id, "job");
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(info.outcome, CKPT_INTERRUPTED);
    CHECK_STR(info.agent_id, "clerk");
    CHECK_STR(info.task_id, "t-1");
    CHECK_STR(info.reason, "shutdown");
    CHECK(info.turn == 5 && info.phases == 1 && info.uncertain == 1);
    CHECK_INT(open_run("job"), CKPT_OK);        // at once, no lease to wait
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2,3]"));
    CHECK_STR(t.last.meta.agent_id, "clerk");
    CHECK_STR(t.last.reason, "shutdown");
    CHECK_INT(t.last.outcome, CKPT_RUNNING);
}

static void finish_can_bring_a_last_save(void)
{
    ckpt_finish_desc f;
    ckpt_save_desc s = saving(9, "[2]", "{\"z\":0}");
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    memset(&f, 0, sizeof(f));
    f.save = &s;
    s.append_at = 2;
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, &f), CKPT_ERR_GAP);
    s.append_at = 1;
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, &f), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2]") && same(t.last.state, "{\"z\":0}"));
    CHECK_INT(t.last.turn, 9);
}

// "longer ones are cut", "what is none is replaced"
static void a_reason_is_cut_between_characters_and_repaired(void)
{
    char reason[CKPT_REASON_MAX + 8];
    begin();
    memset(reason, 'r', sizeof(reason));
    reason[CKPT_REASON_MAX + 7] = '\0';
    memcpy(reason + CKPT_REASON_MAX - 1, "\xe2\x82\xac", 3);
    CHECK_INT(finish(CKPT_RETRY, reason, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(strlen(t.last.reason), CKPT_REASON_MAX - 1);
    CHECK_INT(finish(CKPT_RETRY, "a\xff" "b\n\"", false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_STR(t.last.reason, "a\xef\xbf\xbd" "b\n\"");
    CHECK_INT(finish(CKPT_INTERRUPTED, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);                 // "of the last retry or ..."
    CHECK_STR(t.last.reason, "a\xef\xbf\xbd" "b\n\"");
}

static int restore_nothing(void *user, const ckpt_env *env, void *out)
{
    (void)user;
    (void)env;
    (void)out;
    return 0;
}

static int fail_release(void *user, const ckpt_env *env)
{
    (void)user;
    (void)env;
    return 7;
}

static ckpt_outcome no_fallback(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    (void)run;
    (void)user;
    (void)f;
    return CKPT_COMPLETED;
}

static void finish_refuses_other_outcomes_and_held_environments(void)
{
    ckpt_env env;
    ckpt_env_desc d;
    ckpt_run_info info;
    begin();
    CHECK_INT(finish(CKPT_RUNNING, NULL, false), CKPT_ERR_ARGUMENT);
    for (int i = CKPT_DONE; i <= CKPT_REMOVED; i++) {
        CHECK_INT(finish((ckpt_outcome)i, NULL, false), CKPT_ERR_ARGUMENT);
    }
    CHECK_INT(finish((ckpt_outcome)99, NULL, false), CKPT_ERR_ARGUMENT);
    memset(&d, 0, sizeof(d));
    d.id = "world";
    d.restore = restore_nothing;
    d.run = &t.run;
    CHECK_INT(ckpt_env_init(&env, &d), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_HELD);
    CHECK_INT(finish(CKPT_FAILED, NULL, false), CKPT_ERR_HELD);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.held, 1);
    CHECK_INT(finish(CKPT_INTERRUPTED, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    d.run = &t.run;
    CHECK_INT(ckpt_env_init(&env, &d), CKPT_OK);        // taken over
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
}

// S64: deletes are best effort there; ours say so and can be repeated
static void a_finish_that_failed_can_be_repeated(void)
{
    ckpt_run_info info;
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_IO);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);    // it is still open
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_IO);
    CHECK_STR(t.last_event, "checkpoint.delete_failed");
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
}

// R8, L29
static void a_finish_that_crashed_is_completed_by_the_next_claimant(void)
{
    ckpt_run_info info;
    begin();
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_KILL_BEFORE, CKPT_ERR_IO);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_IO);
    crash();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
    CHECK_INT(open_run("job"), CKPT_FINISHED);
    CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!t.run.resumed);
}

//--- Attempts -----------------------------------------------------------------

static void begin_with_max(int32_t resume_max)
{
    ckpt_desc d = plain_desc();
    d.resume_max = resume_max;
    setup_with(&d);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
}

// S41, S45, S46, L01: max_resume_attempts_exhausted
static void a_crash_costs_an_attempt_and_attempts_end(void)
{
    ckpt_run_info info;
    begin_with_max(2);
    for (uint32_t i = 1; i <= 2; i++) {
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(t.run.attempt, i);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.attempt, i);
    }
    crash();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_EXHAUSTED);
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);     // and it stays so
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
}

// S47: zero_max_resume_attempts_always_fallback
static void resume_max_can_be_never_and_unlimited(void)
{
    begin_with_max(CKPT_NEVER);
    crash();
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
    begin_with_max(CKPT_UNLIMITED);
    for (uint32_t i = 1; i <= 20; i++) {
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(t.run.attempt, i);
    }
}

// S77
static void an_interrupt_gives_its_attempt_back_and_retry_does_not(void)
{
    begin_with_max(3);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(finish(CKPT_INTERRUPTED, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(finish(CKPT_RETRY, "again", false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 2);
    CHECK_INT(finish(CKPT_RETRY, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 3);
    CHECK_INT(finish(CKPT_RETRY, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
}

static void progress_starts_the_attempts_anew(void)
{
    begin_with_max(2);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);    // above the turn as adopted
    CHECK_INT(t.run.attempt, 0);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(phase_end("p", "1"), CKPT_OK);    // one more phase
    CHECK_INT(t.run.attempt, 0);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    ckpt_finish_desc f;
    const ckpt_save_desc s = saving(3, NULL, NULL);
    memset(&f, 0, sizeof(f));
    f.save = &s;
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, &f), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
}

static void saving_the_same_turn_again_is_no_progress(void)
{
    begin_with_max(3);
    CHECK_INT(save(5, NULL, NULL), CKPT_OK);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);    // it went back
    for (uint32_t i = 1; i <= 3; i++) {
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(save(3, NULL, NULL), CKPT_OK);
        CHECK_INT(save(5, NULL, NULL), CKPT_OK);
        CHECK_INT(effect_begin("e", 5), i == 1 ? CKPT_EFFECT_NEW
                                               : CKPT_EFFECT_UNCERTAIN);
        CHECK_INT(t.run.attempt, i);
    }
    crash();
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
}

// independent_counters_per_execution
static void attempts_of_runs_are_independent(void)
{
    begin_with_max(1);
    const ckpt_run_desc d = named("b");
    CHECK_INT(ckpt_start(&t.ctx, &t.run2, &d), CKPT_OK);
    ckpt_abandon(&t.run2);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    crash();
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(open_run("b"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
}

//--- Damage -------------------------------------------------------------------

// R1, L24, L37; S29 raises there and then strands the run
static void the_generation_before_a_damaged_one_is_loaded(void)
{
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    CHECK_INT(save(2, "[1,2]", NULL), CKPT_OK);
    crash();
    damage(newest());
    ckpt_run_info info;
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK(info.older && info.turn == 1);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.older && t.run.resumed);
    CHECK_INT(t.run.turn, 1);
    CHECK_INT(t.events[CKPT_EVENT_SET_ASIDE], 1);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK(same(t.last.messages, "[1]"));
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(2, "[1,2]", NULL), CKPT_OK);
    CHECK(!t.run.older);
    CHECK_INT(load(), CKPT_OK);
}

// R1: the seq in a head that is not whole says nothing
static void a_damaged_head_does_not_change_the_order_of_generations(void)
{
    for (int i = 0; i < 2; i++) {
        begin();
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);       // seq 2
        CHECK_INT(save(2, "[1,2]", NULL), CKPT_OK);     // seq 3
        crash();
        mem_gen *gen = i == 0 ? newest() : newest()->next;
        unsigned char *seq = find_bytes(gen, "\"seq\":");
        if (!CHECK(seq != NULL)) {
            return;
        }
        // 3 becomes 1: the newest seems to be the older one. 2 becomes 6: the
        // older one seems to be the newest; then a false alarm is allowed.
        seq[6 + 15] ^= i == 0 ? 2 : 4;
        ckpt_run_info info;
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK(info.older || i == 1);
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK(t.run.older || i == 1);
        const ckpt_code rc = load();
        CHECK(rc == CKPT_OLDER || (rc == CKPT_OK && i == 1));
        CHECK_INT(t.last.turn, i == 0 ? 1 : 2);
    }
}

// The newest generation is damaged under its owner, who loads the one before
// it, of turn 1, and goes on from there.
static void fall_back_and_go_on(void)
{
    damage(newest());
    CHECK_INT(load(), CKPT_OLDER);
    CHECK(same(t.last.messages, "[1]"));
    CHECK_INT(t.run.turn, 1);
    CHECK_INT(t.last.epoch, 1);
    CHECK_INT(append(2, "[2]", 1), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1,2]"));
}

static void what_was_damaged_while_open_is_noticed(void)
{
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    CHECK_INT(save(2, "[1,2]", NULL), CKPT_OK);
    fall_back_and_go_on();
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    damage(newest());
    damage(newest()->next);
    CHECK_INT(load(), CKPT_ERR_DAMAGED);
    CHECK_INT(t.run.error.code, CKPT_ERR_DAMAGED);
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(load(), CKPT_ERR_IO);             // never means damaged
}

// The generation before ours is one of the last owner's, of a lower epoch.
static void a_damaged_first_generation_of_a_claim_gives_way_to_the_adopted_one(
    void)
{
    begin();
    CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    fall_back_and_go_on();
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
}

// Who comes back to an older generation in its own claim skips what that one
// has, and nothing more.
static void a_phase_that_was_lost_with_its_save_is_to_be_done(void)
{
    begin();
    CHECK_INT(phase_end("a", "1"), CKPT_OK);
    CHECK_INT(phase_end("b", "2"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    damage(newest());
    damage(newest()->next);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK(!ckpt_phase(&t.run, "a"));
    // Also if no name can be read, and what is known of the names decides.
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK(ckpt_phase(&t.run, "b"));
    fault_none(&t.fault);
    CHECK_INT(phase_end("b", "2"), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
}

static void a_run_without_a_whole_checkpoint_is_damaged_and_left_alone(void)
{
    ckpt_run_info info;
    begin();
    crash();
    mem_gen *before = newest();
    damage(before);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_DAMAGED);
    CHECK_INT(info.error.code, CKPT_ERR_DAMAGED);
    CHECK(info.error.pos > 0);
    CHECK_INT(open_run("job"), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_DAMAGED);
    CHECK_INT(open_run("job"), CKPT_ERR_DAMAGED);
    CHECK(newest() == before && before->next == NULL);
    CHECK(t.world.runs->claims->next == NULL);  // nothing was claimed
}

// L06; who gives none does not ask
static void a_fingerprint_that_differs_is_told(void)
{
    static const struct {
        const char *then, *now;
        bool        differs;
    } rows[] = {
        { "v1", "v1", false }, { "v1", "v2", true }, { NULL, NULL, false },
        { NULL, "v1", true }, { "v1", NULL, false }, { "a\"b", "a\"b", false },
        { "", "", false }, { "", "v1", true }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ckpt_run_desc d = named("job");
        setup();
        d.meta.fingerprint = rows[i].then;
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK(!t.run.fingerprint_differs);
        crash();
        d.meta.fingerprint = rows[i].now;
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK_INT(t.run.fingerprint_differs, rows[i].differs);
    }
}

//--- The note -----------------------------------------------------------------

// S62, L30, L31: "turn 5", the reason, "Review progress and continue"; as data
static void a_note_names_turn_reason_and_uncertain_calls(void)
{
    ckpt_note_info note;
    char text[1024] = "";
    begin();
    CHECK_INT(phase_end("plan", "1"), CKPT_OK);
    CHECK_INT(save(5, "[1]", NULL), CKPT_OK);
    CHECK_INT(effect_begin("call_\"7\"", 5), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("done", 5), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("done", "1"), CKPT_OK);
    CHECK_INT(finish(CKPT_RETRY, "the \"model\" timed out", false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(effect_begin("fresh", 6), CKPT_EFFECT_NEW);
    const uint64_t seq = t.run.seq;
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_INT(note.turn, 6);
    CHECK_INT(note.attempt, t.run.attempt);
    CHECK_INT(note.phases, 1);
    CHECK_INT(note.uncertain, 1);
    CHECK_INT(ckpt_json_check(note.message, NULL), CKPT_OK);
    CHECK(same(ckpt_json_get(note.message, "role"), "\"system\""));
    CHECK_INT(ckpt_json_text(ckpt_json_get(note.message, "content"), text,
                             sizeof(text), NULL), CKPT_OK);
    CHECK(strstr(text, "from turn 6") != NULL);
    CHECK(strstr(text, "the \"model\" timed out") != NULL);
    CHECK(strstr(text, "call_\"7\"") != NULL);
    CHECK(strstr(text, "done") == NULL && strstr(text, "fresh") == NULL);
    CHECK(strstr(text, "Review progress and continue") != NULL);
    CHECK_INT(t.run.seq, seq);
    CHECK_INT(load(), CKPT_OK);
    CHECK(same(t.last.messages, "[1]"));
}

// The content of the note of the run.
static const char *note_text(ckpt_note_info *note)
{
    static char text[2048];
    text[0] = '\0';
    CHECK_INT(ckpt_note(&t.run, note, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_INT(ckpt_json_text(ckpt_json_get(note->message, "content"), text,
                             sizeof(text), NULL), CKPT_OK);
    return text;
}

#define NOTE_CALLS                                                             \
    " Of turn 5, the call a was begun and may have run; check before you "     \
    "repeat it. Of turn 7, the call b was begun and may have run; check "      \
    "before you repeat it. Review progress and continue."

// S62, L30: word for word, with the calls of every claim before this one; and
// a crash has no reason, also if an earlier end had one.
static void a_note_tells_of_all_claims_and_of_the_last_end_only(void)
{
    ckpt_note_info note;
    begin();
    CHECK_INT(phase_end("plan", "1"), CKPT_OK);
    CHECK_INT(phase_end("write", "2"), CKPT_OK);
    CHECK_INT(effect_begin("a", 5), CKPT_EFFECT_NEW);
    CHECK_INT(effect_begin("b", 7), CKPT_EFFECT_NEW);
    CHECK_INT(finish(CKPT_RETRY, "it timed out", false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_STR(note_text(&note),
              "This run was interrupted and is resumed from turn 7 (attempt "
              "1). Phases complete: 2. Why it was left: it timed out."
              NOTE_CALLS);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_STR(note_text(&note),
              "This run was interrupted and is resumed from turn 7 (attempt "
              "2). Phases complete: 2." NOTE_CALLS);
    CHECK(note.turn == 7 && note.attempt == 2 && note.phases == 2 &&
          note.uncertain == 2);
}

static void a_note_needs_a_resume_and_room(void)
{
    ckpt_note_info note;
    begin();
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)),
              CKPT_ERR_NOT_FOUND);
    CHECK_INT(effect_begin("e", 1), CKPT_EFFECT_NEW);
    CHECK_INT(finish(CKPT_RETRY, "because", false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
    const size_t size = note.message.len;
    CHECK(size < 1024 + 130);
    for (size_t cap = 0; cap <= size + 32; cap++) {
        char *buf = (char *)malloc(cap > 0 ? cap : 1);
        const ckpt_code rc = ckpt_note(&t.run, &note, buf, cap);
        if (cap < size) {
            CHECK_INT(rc, CKPT_ERR_BUFFER);
        } else if (cap == size + 32) {
            CHECK_INT(rc, CKPT_OK);
        } else {
            CHECK(rc == CKPT_OK || rc == CKPT_ERR_BUFFER);
        }
        free(buf);
    }
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_ERR_IO);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
}

//--- Execute ------------------------------------------------------------------

typedef struct script {
    unsigned         calls;
    ckpt_outcome     outcome;
    ckpt_finish_desc finish;
    bool             finish_itself, durable;
    ckpt_code        saved, beaten, phase;
} script;

static ckpt_outcome work(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    script *s = (script *)user;
    const ckpt_save_desc desc = saving(1, "[1]", NULL);
    s->calls++;
    s->durable = run->durable;
    s->saved = ckpt_save(run, &desc);
    s->beaten = ckpt_beat(run);
    s->phase = ckpt_phase_end(run, "p", ckpt_text("1"), NULL);
    *f = s->finish;
    if (s->finish_itself) {
        CHECK_INT(ckpt_finish(run, CKPT_COMPLETED, NULL), CKPT_OK);
    }
    return s->outcome;
}

static ckpt_code execute(script *s)
{
    const ckpt_run_desc d = named("job");
    return ckpt_execute(&t.ctx, &t.run, &d, work, s);
}

// ET10, E21, E22, S71: every return finishes; an interrupt leaves the record
static void execute_finishes_on_every_return(void)
{
    static const struct {
        ckpt_outcome   outcome;
        bool           keep;
        ckpt_run_state state;
    } rows[] = {
        { CKPT_COMPLETED, false, (ckpt_run_state)0 },
        { CKPT_FAILED, false, (ckpt_run_state)0 },
        { CKPT_FAILED, true, CKPT_STATE_FAILED },
        { CKPT_INTERRUPTED, false, CKPT_STATE_INTERRUPTED },
        { CKPT_RETRY, false, CKPT_STATE_INTERRUPTED }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        script s;
        ckpt_run_info info;
        memset(&s, 0, sizeof(s));
        memset(&info, 0, sizeof(info));
        setup();
        s.outcome = rows[i].outcome;
        s.finish.keep = rows[i].keep;
        s.finish.reason = "said so";
        CHECK_INT(execute(&s), CKPT_OK);
        CHECK(s.calls == 1 && s.durable && s.saved == CKPT_OK);
        CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLOSED);
        CHECK_INT(ckpt_scan(&t.ctx2, 0, note_state, &info), CKPT_OK);
        CHECK_INT(info.state, rows[i].state);
        CHECK(info.state == 0 || strcmp(info.reason, "said so") == 0);
    }
    script s;
    memset(&s, 0, sizeof(s));
    setup();
    s.outcome = CKPT_FAILED;
    s.finish_itself = true;
    CHECK_INT(execute(&s), CKPT_OK);
    CHECK_INT(t.events[CKPT_EVENT_DELETED], 1);
}

// S44: what is no failure of storage is not papered over
static void execute_does_not_call_the_work_if_the_run_cannot_be_opened(void)
{
    script s;
    ckpt_run_desc d = named("job");
    memset(&s, 0, sizeof(s));
    setup();
    CHECK_INT(ckpt_start(&t.ctx2, &t.run2, &d), CKPT_OK);
    CHECK_INT(execute(&s), CKPT_ERR_LIVE);
    d = named("");
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, work, &s), CKPT_ERR_ARGUMENT);
    d = named("x");
    d.meta.prompt = "\xff";
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, work, &s), CKPT_ERR_UTF8);
    CHECK_INT(s.calls, 0);
    CHECK_INT(t.events[CKPT_EVENT_DEGRADED], 0);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLOSED);
}

// An agent as it should be written: it sets up and takes its task only when it
// is not resumed, and asks its model in a loop.
typedef struct actor {
    unsigned set_up, queries;
    uint64_t dies_at;                   // turn, 0: none
    char     history[256];              // a JSON array
    char     first[256];                // what its model was asked first
} actor;

static void actor_says(actor *a, const char *what)
{
    const size_t n = strlen(a->history) - 1;    // its bracket
    snprintf(a->history + n, sizeof(a->history) - n, "%s\"%s\"]",
             n > 1 ? "," : "", what);
}

static ckpt_outcome actor_work(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    actor *a = (actor *)user;
    ckpt_save_desc s = saving(run->turn, NULL, NULL);
    a->queries = 0;
    (void)f;
    if (run->resumed) {
        CHECK_INT(ckpt_load(run, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
        snprintf(a->history, sizeof(a->history), "%.*s",
                 (int)t.last.messages.len, (const char *)t.last.messages.ptr);
    } else {
        a->set_up++;
        snprintf(a->history, sizeof(a->history), "[]");
        actor_says(a, "set up");
        actor_says(a, "task");
    }
    while (s.turn < 3) {
        if (a->queries++ == 0) {
            snprintf(a->first, sizeof(a->first), "%s", a->history);
        }
        actor_says(a, "answer");
        s.turn++;
        s.messages = ckpt_text(a->history);
        CHECK_INT(ckpt_save(run, &s), CKPT_OK);
        if (s.turn == a->dies_at) {
            ckpt_abandon(run);                  // as a kill would
            return CKPT_FAILED;
        }
    }
    return CKPT_COMPLETED;
}

// A52, A53, A54, AG5: the first thing that a resumed agent does is the next
// query, on the history that was saved; it neither sets up again nor is given
// its task again, whatever the caller passes.
static void a_resumed_agent_goes_on_with_its_next_query(void)
{
    ckpt_run_desc d = named("job");
    actor a;
    memset(&a, 0, sizeof(a));
    setup();
    d.meta.prompt = "task";
    a.dies_at = 2;
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, actor_work, &a), CKPT_OK);
    CHECK(a.set_up == 1 && a.queries == 2);
    d.meta.prompt = "another task";
    a.dies_at = 3;
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, actor_work, &a), CKPT_OK);
    CHECK(a.set_up == 1 && a.queries == 1);
    CHECK_STR(a.first, "[\"set up\",\"task\",\"answer\",\"answer\"]");
    CHECK_STR(t.last.meta.prompt, "task");
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.turn, 3);                   // 2 saved and 1 query
    CHECK_INT(load(), CKPT_OK);
    CHECK_STR(t.last.meta.prompt, "task");
    CHECK(same(t.last.messages,
               "[\"set up\",\"task\",\"answer\",\"answer\",\"answer\"]"));
}

// ET11, E24
static void execute_degrades_when_a_new_run_cannot_be_made(void)
{
    static const uint32_t masks[] = { FAULT_OPEN, FAULT_CLAIM, FAULT_PUT,
                                      FAULT_PUBLISH };
    static const ckpt_code codes[] = { CKPT_ERR_IO, CKPT_ERR_NO_SPACE,
                                       CKPT_ERR_ACCESS, CKPT_ERR_RESOURCE };
    for (size_t i = 0; i < 16; i++) {
        script s;
        memset(&s, 0, sizeof(s));
        setup();
        s.outcome = CKPT_COMPLETED;
        // the first opening only looks
        fault_plan_for_ever(&t.fault, masks[i / 4], i / 4 == 0 ? 2 : 1,
                            FAULT_BEFORE, codes[i % 4]);
        CHECK_INT(execute(&s), CKPT_OK);
        CHECK(s.calls == 1 && !s.durable);
        CHECK_INT(s.saved, CKPT_OK);
        CHECK(s.beaten == CKPT_OK || s.beaten == CKPT_SKIPPED);
        CHECK_INT(s.phase, CKPT_OK);
        CHECK_INT(t.events[CKPT_EVENT_DEGRADED], 1);
        check_heard(CKPT_EVENT_DEGRADED, i / 4 == 0 ? 0 : 1, 0, 0,
                   codes[i % 4]);
        CHECK_INT(t.events[CKPT_EVENT_CLAIM_LOST], 0);
        fault_none(&t.fault);
        ckpt_run_info info;
        CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
    }
}

// Work that does not look at run->resumed, in a run without checkpoints.
static ckpt_outcome load_first(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    const ckpt_save_desc s = saving(1, "[1]", NULL);
    (void)user;
    (void)f;
    CHECK(!run->durable);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ckpt_load(run, &t.last, t.buf, sizeof(t.buf)),
                  CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_save(run, &s), CKPT_OK);
        CHECK_STR(run->birth, "0");
    }
    return CKPT_COMPLETED;
}

static void a_load_without_checkpoints_leaves_the_run_as_it_is(void)
{
    const ckpt_run_desc job = named("job");
    setup();
    fault_plan_for_ever(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &job, load_first, NULL), CKPT_OK);
}

static void execute_does_not_degrade_otherwise(void)
{
    static const struct {
        uint32_t  mask;
        ckpt_code code;
    } rows[] = {
        { FAULT_OPEN, CKPT_ERR_IO },            // it could not look
        { FAULT_PUBLISH, CKPT_ERR_UNSURE }, { FAULT_PUBLISH, CKPT_ERR_EXISTS },
        { FAULT_PUBLISH, CKPT_ERR_NOT_DURABLE }
    };
    script s;
    memset(&s, 0, sizeof(s));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup();
        fault_plan_for_ever(&t.fault, rows[i].mask, 1, FAULT_BEFORE,
                            rows[i].code);
        CHECK_INT(execute(&s), rows[i].code);
    }
    static const uint32_t masks[] = { FAULT_LOOK, FAULT_ALIVE, FAULT_READ,
                                      FAULT_CLAIM, FAULT_PUBLISH, FAULT_ENV };
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        begin();                                // a run that is there
        crash();
        fault_plan_for_ever(&t.fault, masks[i], 1, FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(execute(&s), CKPT_ERR_IO);
    }
    CHECK_INT(s.calls, 0);
    CHECK_INT(t.events[CKPT_EVENT_DEGRADED], 0);
}

// ET12, E23: the work is done all the same, and the error is not silent
static void execute_returns_what_finish_said(void)
{
    script s;
    memset(&s, 0, sizeof(s));
    setup();
    s.outcome = CKPT_COMPLETED;
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(execute(&s), CKPT_ERR_IO);
    CHECK_INT(s.calls, 1);
    CHECK_INT(t.events[CKPT_EVENT_DELETE_FAILED], 1);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    setup();
    s.outcome = CKPT_RUNNING;            // none: as if interrupted
    CHECK_INT(execute(&s), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.resumed);
}

//--- The store that keeps nothing ---------------------------------------------

static ckpt_store none;

static void setup_none(void)
{
    ckpt_desc d = plain_desc();
    none = ckpt_store_none();
    d.store = &none;
    setup_with(&d);
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
}

// ET2, E02, E17
static void the_store_that_keeps_nothing_always_succeeds(void)
{
    static const ckpt_outcome outcomes[] = {
        CKPT_COMPLETED, CKPT_FAILED, CKPT_INTERRUPTED, CKPT_RETRY
    };
    setup_none();
    for (size_t i = 0; i < 4; i++) {
        const ckpt_run_desc d = named("job");
        ckpt_run_info info;
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK(!t.run.resumed);
        CHECK_INT(save(1, "[1,2,3]", "{\"a\":1}"), CKPT_OK);
        CHECK_INT(append(2, "[4]", 3), CKPT_OK);
        CHECK_INT(append(3, "[9]", 2), CKPT_OK);
        CHECK_INT(t.run.messages, 3);
        CHECK_INT(append(4, "[9]", 4), CKPT_ERR_GAP);
        CHECK_INT(save(4, "nonsense", NULL), CKPT_ERR_JSON);
        CHECK(ckpt_beat(&t.run) >= 0);
        CHECK(ckpt_phase(&t.run, "p"));
        CHECK_INT(phase_end("p", "1"), CKPT_OK);
        CHECK(ckpt_phase(&t.run, "p"));
        CHECK_INT(load(), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_finish(&t.run, outcomes[i], NULL), CKPT_OK);
        CHECK_INT(ckpt_query(&t.ctx, "job", &info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_NOT_FOUND);
    }
    memset(&t.run, 0, sizeof(t.run));
    CHECK_INT(ckpt_scan(&t.ctx, 0, note_state, NULL), CKPT_OK);
}

// "phases and effects work within the process"
static void effects_work_within_a_process_without_a_store(void)
{
    ckpt_effect e;
    const ckpt_save_desc s = saving(1, NULL, NULL);
    setup_none();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "a", &s, &e), CKPT_OK);
    CHECK_INT(e.state, CKPT_EFFECT_NEW);
    begun_already("a", 1);
    CHECK_INT(effect_end("a", "[1]"), CKPT_OK);
    CHECK_INT(effect_end("a", "[1]"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(result_of("a", 1, ""), CKPT_ERR_NOT_FOUND);       // kept nowhere
    begun_already("a", 1);
    CHECK_INT(effect_begin("b", 2), CKPT_EFFECT_NEW);
    CHECK_INT(effect_end("b", NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
}

//--- Environments, and looking after runs -------------------------------------

// What of environments concerns a run
static void held_environments_are_released_before_a_finish(void)
{
    static ckpt_env envs[CKPT_HELD_MAX + 1];
    ckpt_env_desc d;
    ckpt_held held;
    char id[16], buf[16];
    size_t size = 0, n = 0;
    begin();
    memset(&d, 0, sizeof(d));
    d.restore = restore_nothing;
    d.run = &t.run;
    d.id = id;
    d.timestep = ckpt_text("{\"t\":1}");
    for (int i = 0; i < CKPT_HELD_MAX; i++) {
        snprintf(id, sizeof(id), "env%d", i);
        d.step_count = i == 0 ? INT64_MIN : i;
        CHECK_INT(ckpt_env_init(&envs[i], &d), CKPT_OK);
    }
    snprintf(id, sizeof(id), "one more");
    CHECK_INT(ckpt_env_init(&envs[CKPT_HELD_MAX], &d), CKPT_ERR_HELD);
    d.timestep = ckpt_text("{");
    CHECK_INT(ckpt_env_init(&envs[CKPT_HELD_MAX], &d), CKPT_ERR_JSON);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    memset(&held, 0, sizeof(held));
    for (; ckpt_held_next(&t.run, &held) == CKPT_OK; n++) {
        CHECK_INT(held.timestep_size, 7);
        CHECK(held.step_count == (n == 0 ? INT64_MIN : (int64_t)n));
    }
    CHECK_INT(n, CKPT_HELD_MAX);
    CHECK_INT(ckpt_held_timestep(&t.run, "env5", buf, 6, &size),
              CKPT_ERR_BUFFER);
    CHECK_INT(size, 7);
    CHECK_INT(ckpt_held_timestep(&t.run, "env5", buf, 7, &size), CKPT_OK);
    CHECK(memcmp(buf, "{\"t\":1}", 7) == 0);
    CHECK_INT(ckpt_held_timestep(&t.run, "env64", buf, 7, &size),
              CKPT_ERR_NOT_FOUND);
    memset(&held, 0, sizeof(held));
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_ERR_IO);
    // One that is kept as failed may hold some, and keeps them.
    CHECK_INT(finish(CKPT_FAILED, NULL, true), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_ERR_HELD);
    ckpt_run_info info;
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    CHECK_INT(info.held, CKPT_HELD_MAX);
    CHECK(t.world.runs->claims->next == NULL);  // nothing was claimed
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    memset(&held, 0, sizeof(held));
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_OK);
    CHECK_STR(held.id, "env0");
}

static void begin_of(const char *id, const char *agent, const char *task,
                     uint64_t turn)
{
    ckpt_run_desc d = named(id);
    const ckpt_save_desc s = saving(turn, NULL, NULL);
    d.meta.agent_id = agent;
    d.meta.task_id = task;
    CHECK_INT(ckpt_start(&t.ctx, &t.run2, &d), CKPT_OK);
    CHECK_INT(ckpt_save(&t.run2, &s), CKPT_OK);
    ckpt_abandon(&t.run2);
}

// S23 to S26, L27
static void latest_needs_a_filter_and_gives_the_furthest(void)
{
    ckpt_run_info info;
    setup();
    begin_of("x3", "a", "t1", 3);
    begin_of("x1", "a", "t2", 1);
    begin_of("x5", "b", "t1", 5);
    begin_of("y5", "b", "t1", 5);
    mem_tick(&t.world, 1);
    begin_of("z1", "a", "t2", 1);
    CHECK_INT(ckpt_latest(&t.ctx, NULL, NULL, &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_latest(&t.ctx, "a", NULL, &info), CKPT_OK);
    CHECK_STR(info.id, "x3");
    CHECK_INT(ckpt_latest(&t.ctx, NULL, "t1", &info), CKPT_OK);
    CHECK_STR(info.id, "x5");                   // the id that sorts first
    CHECK_INT(ckpt_latest(&t.ctx, "a", "t1", &info), CKPT_OK);
    CHECK_INT(info.turn, 3);                    // both must match
    CHECK_INT(ckpt_latest(&t.ctx, "a", "t2", &info), CKPT_OK);
    CHECK_STR(info.id, "z1");                   // the newer of equal turns
    CHECK_INT(ckpt_latest(&t.ctx, "c", NULL, &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_latest(&t.ctx, "a", "t9", &info), CKPT_ERR_NOT_FOUND);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_latest(&t.ctx, "a", NULL, &info), CKPT_ERR_IO);
}

// S24: the hash of that agent is 0, and the name of the others begins alike
static void latest_compares_texts_and_not_their_hashes(void)
{
    char long_a[CKPT_NAME_MAX + 11], long_b[CKPT_NAME_MAX + 11];
    ckpt_run_info info;
    memset(long_a, 'x', sizeof(long_a));
    long_a[sizeof(long_a) - 1] = '\0';
    memcpy(long_b, long_a, sizeof(long_b));
    long_b[sizeof(long_b) - 2] = 'y';
    setup();
    begin_of("a", "clerk", "task", 9);
    begin_of("b", NULL, NULL, 9);
    CHECK_INT(ckpt_latest(&t.ctx, "77kepQFQ8Kl", NULL, &info),
              CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_latest(&t.ctx, NULL, "77kepQFQ8Kl", &info),
              CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_latest(&t.ctx, "cle", NULL, &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_latest(&t.ctx, "clerks", NULL, &info), CKPT_ERR_NOT_FOUND);
    begin_of("c", "77kepQFQ8Kl", NULL, 1);
    CHECK_INT(ckpt_latest(&t.ctx, "77kepQFQ8Kl", NULL, &info), CKPT_OK);
    CHECK_STR(info.id, "c");
    begin_of("d", long_a, long_b, 1);           // shown in part
    CHECK_INT(ckpt_latest(&t.ctx, long_a, long_b, &info), CKPT_OK);
    CHECK_STR(info.id, "d");
    CHECK_INT(ckpt_latest(&t.ctx, long_b, NULL, &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_latest(&t.ctx, NULL, long_a, &info), CKPT_ERR_NOT_FOUND);
    long_a[CKPT_NAME_MAX] = '\0';
    CHECK_INT(ckpt_latest(&t.ctx, long_a, NULL, &info), CKPT_ERR_NOT_FOUND);
    begin_of("e", long_a, NULL, 1);             // the longest one shown whole
    CHECK_INT(ckpt_latest(&t.ctx, long_a, NULL, &info), CKPT_OK);
    CHECK_STR(info.id, "e");
}

// S23: an empty filter is none
static void an_empty_filter_matches_everything(void)
{
    ckpt_run_info info;
    setup();
    begin_of("a", "clerk", "task", 9);
    begin_of("b", "", NULL, 10);
    CHECK_INT(ckpt_latest(&t.ctx, "", NULL, &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_latest(&t.ctx, NULL, "", &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_latest(&t.ctx, "", "", &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_latest(&t.ctx, "", "task", &info), CKPT_OK);
    CHECK_STR(info.id, "a");
    CHECK_INT(ckpt_latest(&t.ctx, "clerk", "", &info), CKPT_OK);
    CHECK_STR(info.id, "a");
}

// S26, S34: what has ended is left out, also while it is being removed
static void what_is_being_removed_is_neither_latest_nor_stale(void)
{
    ckpt_run_desc d = named("job");
    ckpt_run_info info;
    size_t n = 9;
    setup();
    d.meta.agent_id = "a";
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(save(9, NULL, NULL), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    ckpt_abandon(&t.run);
    mem_tick(&t.world, INT64_C(86400000));
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
    CHECK_INT(ckpt_latest(&t.ctx, "a", NULL, &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_stale(&t.ctx, 1, &info, 1, &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(t.events[CKPT_EVENT_STALE], 0);
}

// S33: the owner is who claimed last
static void the_owner_of_a_resumed_run_is_who_resumed_it(void)
{
    ckpt_run_info info;
    ckpt_desc d = plain_desc();
    const ckpt_run_desc job = named("job");
    begin();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_STR(info.owner, "tester");
    crash();
    d.owner = "second";
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &job), CKPT_OK);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_STR(info.owner, "second");
}

// S34, S35: strictly older, oldest first, ties by id
static void stale_gives_the_oldest_first(void)
{
    ckpt_run_info infos[4];
    size_t n = 9;
    setup();
    begin_of("c", NULL, NULL, 1);
    begin_of("b", NULL, NULL, 1);
    mem_tick(&t.world, 10);
    begin_of("a", NULL, NULL, 1);
    mem_tick(&t.world, 10);
    begin_of("d", NULL, NULL, 1);
    CHECK_INT(ckpt_stale(&t.ctx, 9, infos, 4, &n), CKPT_OK);
    CHECK_INT(n, 3);
    CHECK_STR(infos[0].id, "b");
    CHECK_STR(infos[1].id, "c");
    CHECK_STR(infos[2].id, "a");
    CHECK_INT(t.events[CKPT_EVENT_STALE], 3);   // each listed one is told
    CHECK_STR(t.heard[CKPT_EVENT_STALE].id, "a");
    CHECK_INT(ckpt_stale(&t.ctx, 10, infos, 4, &n), CKPT_OK);
    CHECK_INT(n, 2);                            // equal is not stale
    CHECK_INT(ckpt_stale(&t.ctx, 0, infos, 1, &n), CKPT_OK);
    CHECK(n == 1 && strcmp(infos[0].id, "b") == 0);
    CHECK_INT(ckpt_stale(&t.ctx, 20, infos, 4, &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(ckpt_stale(&t.ctx, -1, infos, 4, &n), CKPT_ERR_ARGUMENT);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_stale(&t.ctx, 0, infos, 4, &n), CKPT_ERR_IO);
}

// S41: each interrupted run, once
static void resume_next_walks_the_interrupted_runs(void)
{
    ckpt_cursor cursor;
    unsigned n = 0;
    ckpt_code rc;
    begin();                                    // this one lives
    begin_of("a", NULL, NULL, 1);
    begin_of("b", NULL, NULL, 1);
    memset(&cursor, 0, sizeof(cursor));
    while ((rc = ckpt_resume_next(&t.ctx, &t.run2, &cursor)) == CKPT_OK) {
        CHECK(t.run2.resumed && t.run2.id[0] == (n == 0 ? 'a' : 'b'));
        n++;
        CHECK_INT(ckpt_finish(&t.run2, CKPT_COMPLETED, NULL), CKPT_OK);
    }
    CHECK_INT(rc, CKPT_END);
    CHECK_INT(n, 2);
    CHECK_INT(ckpt_beat(&t.run2), CKPT_ERR_CLOSED);
    memset(&cursor, 0, sizeof(cursor));
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_resume_next(&t.ctx, &t.run2, &cursor), CKPT_ERR_IO);
    ckpt_cursor_close(&t.ctx, &cursor);
}

// S82: a failure is told and counted, and a state is none
static void resume_next_tells_and_counts_what_it_cannot_read(void)
{
    ckpt_cursor cursor;
    ckpt_desc d = plain_desc();
    d.resume_max = 1;
    setup_with(&d);
    begin_of("job", NULL, NULL, 1);
    CHECK_INT(open_run("job"), CKPT_OK);        // its last attempt
    ckpt_abandon(&t.run);
    begin_of("live", NULL, NULL, 1);
    CHECK_INT(open_run("live"), CKPT_OK);
    memset(&cursor, 0, sizeof(cursor));
    CHECK_INT(ckpt_resume_next(&t.ctx, &t.run2, &cursor), CKPT_END);
    CHECK_INT(cursor.failed, 0);
    CHECK_INT(t.events[CKPT_EVENT_LOAD_FAILED], 0);
    for (mem_gen *gen = newest(); gen != NULL; gen = gen->next) {
        damage(gen);
    }
    memset(&cursor, 0, sizeof(cursor));
    CHECK_INT(ckpt_resume_next(&t.ctx, &t.run2, &cursor), CKPT_END);
    CHECK_INT(cursor.failed, 1);
    CHECK_INT(t.events[CKPT_EVENT_LOAD_FAILED], 1);
    check_heard(CKPT_EVENT_LOAD_FAILED, 0, 0, 0, CKPT_ERR_DAMAGED);
}

typedef struct reasons {
    unsigned calls;
    char     reason[64];
    bool     keep;
} reasons;

static ckpt_outcome note_fallback(ckpt_run *run, void *user,
                                  ckpt_finish_desc *f)
{
    reasons *r = (reasons *)user;
    (void)run;
    r->calls++;
    r->keep = f->keep;
    snprintf(r->reason, sizeof(r->reason), "%s", f->reason);
    return CKPT_FAILED;
}

// S60: why, without contents; and it is what is kept unless the fallback says
// something else
static void the_fallback_is_told_why_it_is_asked(void)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        const char *why = damaged ? "no checkpoint of it is whole"
                                  : "no resume attempt was left";
        ckpt_recover_desc recover;
        ckpt_run_info info;
        ckpt_desc d = plain_desc();
        reasons r;
        memset(&r, 0, sizeof(r));
        memset(&recover, 0, sizeof(recover));
        recover.resume = recover.fallback = note_fallback;
        recover.user = &r;
        d.resume_max = CKPT_NEVER;
        setup_with(&d);
        CHECK_INT(open_run("job"), CKPT_OK);
        crash();
        if (damaged) {
            damage(newest());
        }
        CHECK_INT(ckpt_recover(&t.ctx, &t.run, &recover, NULL), CKPT_OK);
        CHECK(r.calls == 1 && r.keep);
        CHECK_STR(r.reason, why);
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.state, CKPT_STATE_FAILED);
        CHECK_STR(info.reason, why);
    }
}

static void remove_and_retry_have_their_codes(void)
{
    ckpt_run_info info;
    uint32_t swept = 9;
    begin();
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_ERR_LIVE);
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_ERR_EXISTS);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "nobody"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "nobody"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, ""), CKPT_ERR_ARGUMENT);
    crash();
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_ERR_EXISTS);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(query("job", &info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_beat(&t.run2), CKPT_ERR_CLOSED);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, NULL, true), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx2, &t.run2, "job"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(ckpt_sweep(&t.ctx2, &t.run2, &swept), CKPT_OK);
    CHECK_INT(swept, 0);
    CHECK_INT(open_run("job"), CKPT_OK);
    crash();
    damage(newest());
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_ERR_DAMAGED);
}

static bool stop_at_once(void *user, const ckpt_run_info *info)
{
    (void)info;
    ++*(unsigned *)user;
    return false;
}

// "Returns CKPT_OK, also when fn stopped it, or an error of the store if the
// runs cannot be listed."
static void a_scan_can_be_stopped_and_fails_only_as_a_whole(void)
{
    unsigned n = 0;
    uint32_t swept = 0;
    ckpt_run_info info;
    setup();
    begin_of("a", NULL, NULL, 1);
    begin_of("b", NULL, NULL, 1);
    CHECK_INT(ckpt_scan(&t.ctx, 0, stop_at_once, &n), CKPT_OK);
    CHECK_INT(n, 1);
    CHECK_INT(ckpt_scan(&t.ctx, CKPT_STATE_LIVE, stop_at_once, &n), CKPT_OK);
    CHECK_INT(n, 1);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_scan(&t.ctx, 0, stop_at_once, &n), CKPT_ERR_IO);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run2, &swept), CKPT_ERR_IO);
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    t.fault.times = 2;                          // it is read twice
    memset(&info, 0, sizeof(info));
    CHECK_INT(ckpt_scan(&t.ctx, CKPT_STATE_UNREADABLE, note_state, &info),
              CKPT_OK);                         // one bad run stops nothing
    CHECK_STR(info.id, "a");
    CHECK_INT(info.error.code, CKPT_ERR_IO);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run2, "a"), CKPT_ERR_IO);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run2, "a"), CKPT_OK);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run2, "a"), CKPT_ERR_NOT_FOUND);
    for (int i = 0; i < 4; i++) {               // four die before they adopt
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_KILL_BEFORE, CKPT_ERR_IO);
        CHECK_INT(open_run("b"), CKPT_ERR_IO);
        crash();
    }
    CHECK_INT(ckpt_remove(&t.ctx, &t.run2, "b"), CKPT_ERR_BUSY);
    mem_tick(&t.world, 2000);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run2, "b"), CKPT_OK);
}

//--- Runs that are kept -------------------------------------------------------

static ckpt_run_desc named_once(const char *id)
{
    ckpt_run_desc d = named(id);
    d.once = true;
    return d;
}

static ckpt_code open_once(const char *id)
{
    const ckpt_run_desc d = named_once(id);
    return ckpt_open(&t.ctx, &t.run, &d);
}

// A run "job" of .once that has completed, at turn 7.
static void begin_done(void)
{
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    CHECK_INT(save(7, "[1,2]", "{\"a\":1}"), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, "well", false), CKPT_OK);
}

// One that failed and was kept.
static void begin_failed(void)
{
    begin();
    CHECK_INT(save(7, "[1,2]", "{\"a\":1}"), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, "because", true), CKPT_OK);
}

// The state of the run "job".
static int state_of_job(void)
{
    ckpt_run_info info;
    return ckpt_query(&t.ctx2, "job", &info) == CKPT_OK ? (int)info.state : 0;
}

static mem_run *job(void)
{
    return mem_find(&t.world, false, "job");
}

static unsigned claims_of_job(void)
{
    unsigned n = 0;
    for (mem_claim *at = job()->claims; at != NULL; at = at->next) {
        n++;
    }
    return n;
}

static unsigned gens_of_job(void)
{
    unsigned n = 0;
    for (mem_gen *at = job()->gens; at != NULL; at = at->next) {
        n++;
    }
    return n;
}

static void a_run_of_once_is_kept_as_done_when_it_completes(void)
{
    ckpt_run_info info;
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(info.once && info.state == CKPT_STATE_LIVE);
    CHECK_INT(save(7, "[1,2]", NULL), CKPT_OK);
    char birth[CKPT_NONCE_MAX + 1];
    memcpy(birth, t.run.birth, sizeof(birth));
    CHECK_INT(finish(CKPT_COMPLETED, "well", false), CKPT_OK);
    CHECK_STR(t.last_event, "checkpoint.kept");
    CHECK_INT(t.events[CKPT_EVENT_DELETED], 0);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_DONE);
    CHECK_INT(info.outcome, CKPT_DONE);
    CHECK(info.once && !info.lost && !info.older);
    CHECK(info.turn == 7 && info.messages == 2 && info.epoch == 1);
    CHECK_STR(info.reason, "well");
    CHECK_STR(info.birth, birth);
    CHECK_INT(info.error.code, CKPT_OK);
    CHECK(info.wait_ms == 0 && info.beat_age_ms == 0);
}

// "remembered from the begin on": what a resume says does not matter
static void once_is_remembered_from_the_begin_on(void)
{
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK(t.last.once);
    CHECK_INT(finish(CKPT_INTERRUPTED, NULL, false), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(state_of_job(), CKPT_STATE_DONE);
    setup();
    CHECK_INT(open_run("job"), CKPT_OK);
    crash();
    CHECK_INT(open_once("job"), CKPT_OK);
    CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK(!t.last.once);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(state_of_job(), 0);
    // Its way through a dead letter changes nothing.
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, NULL, true), CKPT_OK);
    CHECK_INT(ckpt_retry(&t.ctx2, &t.run2, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(state_of_job(), CKPT_STATE_DONE);
}

static void once_keeps_no_other_outcome(void)
{
    static const struct {
        ckpt_outcome outcome;
        bool         keep;
        int          state;
    } rows[] = {
        { CKPT_COMPLETED, true, CKPT_STATE_DONE },
        { CKPT_FAILED, false, 0 },
        { CKPT_FAILED, true, CKPT_STATE_FAILED },
        { CKPT_INTERRUPTED, false, CKPT_STATE_INTERRUPTED },
        { CKPT_RETRY, true, CKPT_STATE_INTERRUPTED }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup();
        CHECK_INT(open_once("job"), CKPT_OK);
        CHECK_INT(finish(rows[i].outcome, NULL, rows[i].keep), CKPT_OK);
        CHECK_INT(state_of_job(), rows[i].state);
    }
}

// "every question on it answers that its work is done already"
static void check_over(ckpt_run *run)
{
    const ckpt_save_desc s = saving(1, "[1]", NULL);
    ckpt_save_desc forced = s;
    ckpt_effect effect;
    ckpt_note_info note;
    ckpt_held held;
    ckpt_env env;
    ckpt_env_desc env_desc;
    char buf[16];
    size_t size = 9;
    forced.force = true;
    memset(&held, 0, sizeof(held));
    memset(&env_desc, 0, sizeof(env_desc));
    memset(t.events, 0, sizeof(t.events));
    CHECK_STR(run->id, "job");
    CHECK(!run->resumed && run->epoch == 0);
    check_load(run, t.buf, sizeof(t.buf), CKPT_FINISHED);
    CHECK(!ckpt_due(run, 1) && !ckpt_due(run, 0));
    CHECK_INT(ckpt_save(run, &s), CKPT_FINISHED);
    CHECK_INT(ckpt_save(run, &forced), CKPT_FINISHED);
    CHECK_INT(ckpt_beat(run), CKPT_FINISHED);
    CHECK(!ckpt_phase(run, "p") && !ckpt_phase(run, "p"));
    CHECK_INT(ckpt_phase_output(run, "p", buf, sizeof(buf), &size),
              CKPT_FINISHED);
    CHECK_INT(size, 0);
    CHECK_INT(ckpt_phase_end(run, "p", ckpt_text("1"), &s), CKPT_FINISHED);
    CHECK_INT(ckpt_effect_begin(run, "e", &s, &effect), CKPT_FINISHED);
    CHECK_INT(effect.state, CKPT_EFFECT_ENDED);
    CHECK_INT(ckpt_effect_end(run, "e", ckpt_text("1")), CKPT_FINISHED);
    CHECK_INT(ckpt_effect_result(run, &effect, buf, sizeof(buf), &size),
              CKPT_FINISHED);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(run, &effect), CKPT_FINISHED);
    CHECK_INT(ckpt_note(run, &note, buf, sizeof(buf)), CKPT_FINISHED);
    CHECK_INT(ckpt_held_next(run, &held), CKPT_FINISHED);
    CHECK_INT(ckpt_held_timestep(run, "e", buf, sizeof(buf), &size),
              CKPT_FINISHED);
    env_desc.id = "e";
    env_desc.restore = restore_nothing;
    env_desc.run = run;
    CHECK_INT(ckpt_env_init(&env, &env_desc), CKPT_FINISHED);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(ckpt_finish(run, CKPT_COMPLETED, NULL), CKPT_FINISHED);
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, NULL), CKPT_FINISHED);
    CHECK_INT(ckpt_finish(run, CKPT_RUNNING, NULL), CKPT_FINISHED);
    ckpt_abandon(run);
    CHECK_INT(ckpt_beat(run), CKPT_FINISHED);
    CHECK_INT(run->error.code, CKPT_FINISHED);  // described, but no failure
    CHECK(run->failed == 0 && run->saves == 0 && run->skipped == 0);
    for (int i = 0; i < CKPT_EVENT_COUNT; i++) {
        CHECK_INT(t.events[i], 0);
    }
}

static void a_run_that_was_finished_answers_that_its_work_is_done(void)
{
    const ckpt_run_desc d = named("job");
    for (int i = 0; i < 4; i++) {
        if (i < 2) {                            // it is DONE
            begin_done();
        } else {                                // it is removed only now
            begin();
            fault_plan(&t.fault, FAULT_DROP, 1, FAULT_KILL_BEFORE, CKPT_OK);
            CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_IO);
            crash();
        }
        memset(&t.run, 0xa5, sizeof(t.run));
        const ckpt_code rc = i % 2 == 0 ? open_run("job")
                                        : ckpt_resume(&t.ctx, &t.run, &d);
        CHECK_INT(rc, CKPT_FINISHED);
        CHECK(ckpt_last_error(&t.ctx) != NULL);
        check_over(&t.run);
        CHECK_INT(state_of_job(), i < 2 ? CKPT_STATE_DONE : 0);
    }
    CHECK_INT(open_run("job"), CKPT_OK);        // the id is free again
    CHECK(!t.run.resumed && ckpt_phase(&t.run, "p"));
}

// A run that was finished leaves nothing that the next opening would see.
static void a_run_can_be_used_again_after_it_was_finished(void)
{
    begin_done();
    CHECK_INT(open_run("job"), CKPT_FINISHED);
    CHECK_INT(open_run("other"), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "p") && ckpt_due(&t.run, 1));
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLOSED);
    CHECK(ckpt_phase(&t.run, "p"));
}

// What an agent does from its first line to its last, whatever is there.
static struct {
    unsigned phases, tools, finished;
} did;

static ckpt_outcome agent(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    ckpt_save_desc s = saving(1, NULL, NULL);
    ckpt_effect e;
    (void)user;
    (void)f;
    if (ckpt_phase(run, "plan")) {
        if (ckpt_phase_end(run, "plan", ckpt_text("1"), &s) == CKPT_OK) {
            did.phases++;
        }
    }
    if (ckpt_effect_begin(run, "pay", &s, &e) == CKPT_OK &&
        e.state == CKPT_EFFECT_NEW) {
        did.tools++;
        if (ckpt_effect_end(run, "pay", ckpt_text("1")) != CKPT_OK) {
            return CKPT_INTERRUPTED;
        }
    }
    if (ckpt_finish(run, CKPT_COMPLETED, NULL) == CKPT_OK) {
        did.finished++;
    }
    return CKPT_COMPLETED;
}

// The loop of a watchdog: whatever happens, and whenever it is killed, the
// work of a .once job is done once.
static void a_watchdog_that_starts_a_done_job_again_repeats_nothing(void)
{
    const ckpt_run_desc d = named_once("job");
    unsigned tried = 0;
    for (uint32_t die_at = 1; die_at < 1000; die_at++) {
        setup();
        memset(&did, 0, sizeof(did));
        fault_plan(&t.fault, FAULT_WRITES, die_at, FAULT_KILL_AFTER, CKPT_OK);
        (void)!ckpt_execute(&t.ctx, &t.run, &d, agent, NULL);
        const bool died = t.fault.killed;
        crash();
        for (int i = 0; i < 3; i++) {
            const ckpt_code rc = ckpt_execute(&t.ctx, &t.run, &d, agent, NULL);
            CHECK(rc == CKPT_OK || rc == CKPT_FINISHED);
            CHECK(i == 0 || rc == CKPT_FINISHED);
        }
        CHECK(did.phases <= 1 && did.tools <= 1 && did.finished <= 1);
        CHECK_INT(state_of_job(), CKPT_STATE_DONE);
        tried++;
        if (!died) {
            break;
        }
    }
    CHECK(tried > 30 && tried < 999);
}

static void execute_does_not_call_the_work_of_a_run_that_ended(void)
{
    script s;
    memset(&s, 0, sizeof(s));
    begin_done();
    CHECK_INT(execute(&s), CKPT_FINISHED);
    CHECK_INT(ckpt_beat(&t.run), CKPT_FINISHED);
    begin_failed();
    CHECK_INT(execute(&s), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLOSED);
    CHECK_INT(s.calls, 0);
    CHECK_INT(t.events[CKPT_EVENT_DEGRADED], 0);
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
}

// "the run is zeroed: CKPT_ERR_FAILED if it failed and was kept"
static void a_failed_run_that_was_kept_is_not_opened(void)
{
    static ckpt_run zero;
    const ckpt_run_desc d = named("job");
    ckpt_run_desc forced = d;
    forced.force = true;
    begin_failed();
    memset(&t.run, 0xa5, sizeof(t.run));
    CHECK_INT(open_run("job"), CKPT_ERR_FAILED);
    CHECK(memcmp(&t.run, &zero, sizeof(zero)) == 0);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_FAILED);
    CHECK_STR(ckpt_last_error(&t.ctx)->msg,
              ckpt_code_message(CKPT_ERR_FAILED));
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &forced), CKPT_ERR_FAILED);
    check_closed(&t.run);
    CHECK_INT(claims_of_job(), 1);              // nothing was claimed in vain
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
}

static bool count_run(void *user, const ckpt_run_info *info)
{
    ++*(unsigned *)user;
    CHECK_STR(info->id, "job");
    return true;
}

static ckpt_outcome no_work(ckpt_run *run, void *user, ckpt_finish_desc *f)
{
    (void)run;
    (void)f;
    ++*(unsigned *)user;
    return CKPT_COMPLETED;
}

// Whoever looks after runs sees those that are kept, and passes over them.
static void kept_runs_are_shown_and_passed_over(void)
{
    const ckpt_run_desc d = named("job");
    for (int i = 0; i < 2; i++) {
        const uint32_t state = i == 0 ? CKPT_STATE_DONE : CKPT_STATE_FAILED;
        ckpt_run_info info;
        ckpt_recover_info counted;
        ckpt_recover_desc recover;
        ckpt_cursor cursor;
        unsigned n = 0, worked = 0;
        uint32_t swept = 9;
        size_t stale = 9;
        memset(&recover, 0, sizeof(recover));
        memset(&cursor, 0, sizeof(cursor));
        recover.resume = recover.fallback = no_work;
        recover.user = &worked;
        setup();
        ckpt_run_desc mine = named_once("job");
        mine.meta.agent_id = "a";
        mine.meta.task_id = "t";
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &mine), CKPT_OK);
        CHECK_INT(finish(i == 0 ? CKPT_COMPLETED : CKPT_FAILED, NULL, true),
                  CKPT_OK);
        mem_tick(&t.world, INT64_C(86400000));
        CHECK_INT(ckpt_scan(&t.ctx2, 0, count_run, &n), CKPT_OK);
        CHECK_INT(ckpt_scan(&t.ctx2, state, count_run, &n), CKPT_OK);
        CHECK_INT(ckpt_scan(&t.ctx2, CKPT_STATE_ALL & ~state, count_run, &n),
                  CKPT_OK);
        CHECK_INT(n, 2);
        CHECK_INT(ckpt_latest(&t.ctx2, "a", "t", &info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_stale(&t.ctx2, 1, &info, 1, &stale), CKPT_OK);
        CHECK_INT(stale, 0);
        CHECK_INT(ckpt_recover(&t.ctx, &t.run, &recover, &counted), CKPT_OK);
        CHECK(counted.resumed == 0 && counted.fallen_back == 0 &&
              counted.dead_letters == 0 && counted.finished == 0 &&
              counted.failed == 0 && worked == 0);
        CHECK_INT(ckpt_resume_next(&t.ctx, &t.run, &cursor), CKPT_END);
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 0);
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
        CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"),
                  i == 0 ? CKPT_FINISHED : CKPT_OK);
        CHECK_INT(state_of_job(), i == 0 ? CKPT_STATE_DONE
                                         : CKPT_STATE_INTERRUPTED);
        CHECK_INT(claims_of_job(), i == 0 ? 1 : 2);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK_INT(state_of_job(), 0);
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    }
}

// "a running spare beside it would rise again when the kept one rots"
static void a_kept_finish_leaves_its_generation_and_its_claim_alone(void)
{
    for (int i = 0; i < 2; i++) {
        setup();
        CHECK_INT(open_once("job"), CKPT_OK);
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        CHECK_INT(save(2, "[1,2]", NULL), CKPT_OK);
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK(gens_of_job() == 3 && claims_of_job() == 2);
        CHECK_INT(finish(i == 0 ? CKPT_COMPLETED : CKPT_FAILED, NULL, true),
                  CKPT_OK);
        CHECK(gens_of_job() == 1 && claims_of_job() == 1);
        CHECK_INT(job()->claims->epoch, 2);
        damage(newest());                       // it rots, and nothing rises
        CHECK_INT(state_of_job(), CKPT_STATE_DAMAGED);
        CHECK_INT(open_run("job"), CKPT_ERR_DAMAGED);
        CHECK_INT(ckpt_retry(&t.ctx, &t.run2, "job"), CKPT_ERR_DAMAGED);
        CHECK(gens_of_job() == 1);
    }
}

static void a_kept_run_whose_removal_of_the_rest_failed_is_kept(void)
{
    for (int i = 0; i < 2; i++) {
        setup();
        CHECK_INT(open_once("job"), CKPT_OK);
        CHECK_INT(save(1, NULL, NULL), CKPT_OK);
        fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
        const ckpt_outcome outcome = i == 0 ? CKPT_COMPLETED : CKPT_FAILED;
        CHECK_INT(finish(outcome, NULL, true), CKPT_ERR_IO);
        CHECK_STR(t.last_event, "checkpoint.delete_failed");
        CHECK_INT(state_of_job(), i == 0 ? CKPT_STATE_DONE : CKPT_STATE_FAILED);
        CHECK_INT(gens_of_job(), 2);
        CHECK_INT(finish(outcome, NULL, true), CKPT_OK);        // again
        CHECK_INT(gens_of_job(), 1);
        CHECK_INT(state_of_job(), i == 0 ? CKPT_STATE_DONE : CKPT_STATE_FAILED);
    }
    // Another outcome than the one that stands comes too late.
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_IO);
    CHECK_INT(finish(CKPT_INTERRUPTED, NULL, false), CKPT_FINISHED);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_ERR_CLOSED);
    CHECK_INT(state_of_job(), CKPT_STATE_DONE);
}

// Removes half of it, as a crash in the middle of a removal does.
static void half_removed(ckpt_outcome outcome)
{
    begin();
    CHECK_INT(save(7, "[1]", NULL), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_KILL_BEFORE, CKPT_OK);
    if (outcome == CKPT_REMOVED) {
        ckpt_abandon(&t.run);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_ERR_IO);
    } else {
        CHECK_INT(finish(outcome, NULL, false), CKPT_ERR_IO);
    }
    crash();
    ckpt_run_info info;
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
    CHECK_INT(info.outcome, outcome);
    CHECK_INT(info.turn, 7);
}

// Only completed work is done: of anything else the id is free.
static void what_was_half_removed_without_being_completed_is_begun_anew(void)
{
    static const ckpt_outcome outcomes[] = { CKPT_FAILED, CKPT_REMOVED };
    const ckpt_run_desc d = named("job");
    for (size_t i = 0; i < 2; i++) {
        half_removed(outcomes[i]);
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK(!t.run.resumed && t.run.turn == 0 && t.run.epoch == 1);
        CHECK_INT(t.events[CKPT_EVENT_DELETED], 1);
        half_removed(outcomes[i]);
        CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_NOT_FOUND);
        CHECK_INT(state_of_job(), 0);
        half_removed(outcomes[i]);
        CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
        half_removed(outcomes[i]);
        CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_NOT_FOUND);
        half_removed(outcomes[i]);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK_INT(state_of_job(), 0);
        half_removed(outcomes[i]);
        uint32_t swept = 0;
        CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
        CHECK_INT(swept, 1);
        CHECK_INT(state_of_job(), 0);
    }
    half_removed(CKPT_COMPLETED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_FINISHED);
    CHECK_INT(state_of_job(), 0);
}

static void a_birth_is_of_one_run_alone(void)
{
    char births[4][CKPT_NONCE_MAX + 1];
    begin();
    memcpy(births[0], t.run.birth, sizeof(births[0]));
    CHECK(strlen(births[0]) > 0);
    for (int i = 0; i < 3; i++) {
        ckpt_run_info info;
        crash();
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_STR(t.run.birth, births[0]);      // whoever goes on with it
        CHECK_INT(load(), CKPT_OK);
        CHECK_STR(t.last.birth, births[0]);
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_STR(info.birth, births[0]);
        CHECK_INT(save((uint64_t)i + 1, NULL, NULL), CKPT_OK);
    }
    for (int i = 1; i < 4; i++) {               // the id again, another run
        CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
        CHECK_INT(open_run("job"), CKPT_OK);
        memcpy(births[i], t.run.birth, sizeof(births[i]));
        for (int k = 0; k < i; k++) {
            CHECK(strcmp(births[i], births[k]) != 0);
        }
    }
}

//--- Runs of which nothing is whole -------------------------------------------

static ckpt_code recover(ckpt_fallback_fn *fallback, ckpt_recover_info *info)
{
    ckpt_recover_desc d;
    static unsigned worked;
    memset(&d, 0, sizeof(d));
    d.resume = no_work;
    d.fallback = fallback;
    d.user = &worked;
    worked = 0;
    const ckpt_code rc = ckpt_recover(&t.ctx, &t.run, &d, info);
    CHECK(fallback != NULL || worked == 0);
    return rc;
}

static void damage_all(void)
{
    for (mem_gen *gen = newest(); gen != NULL; gen = gen->next) {
        damage(gen);
    }
}

static void a_damaged_run_is_kept_as_lost(void)
{
    ckpt_recover_info counted;
    ckpt_run_info info;
    const ckpt_run_desc d = named("job");
    setup();
    CHECK_INT(open_once("job"), CKPT_OK);
    CHECK_INT(save(5, "[1,2]", NULL), CKPT_OK);
    CHECK_INT(save(6, "[1,2]", NULL), CKPT_OK);
    const uint64_t acked = t.run.seq;
    crash();
    damage_all();
    CHECK_INT(recover(NULL, &counted), CKPT_OK);
    CHECK(counted.dead_letters == 1 && counted.failed == 0);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    CHECK_INT(info.outcome, CKPT_DEAD);
    CHECK(info.lost && info.turn == 0 && info.messages == 0);
    CHECK(info.seq > acked && !info.older);
    CHECK_STR(info.reason, "no checkpoint of it is whole");
    CHECK(strlen(info.birth) > 0);
    CHECK(gens_of_job() == 1 && claims_of_job() == 1);
    CHECK_INT(ckpt_verify(&t.ctx2, "job", NULL), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_ERR_EXISTS);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_DAMAGED);
    CHECK_INT(claims_of_job(), 1);              // that was known before
    CHECK_INT(recover(NULL, &counted), CKPT_OK);
    CHECK(counted.dead_letters == 0 && counted.failed == 0);
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!t.run.resumed);
}

static ckpt_outcome keep_damaged(ckpt_run *run, void *user,
                                 ckpt_finish_desc *finish)
{
    ckpt_run_info info;
    (void)user;
    finish->reason = "it was rotten";
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, finish), CKPT_ERR_IO);
    CHECK_INT(gens_of_job(), 2);                // nothing is gone yet
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, finish), CKPT_ERR_IO);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(info.state == CKPT_STATE_FAILED && info.lost);
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, finish), CKPT_OK);
    CHECK_STR(t.last_event, "checkpoint.kept");
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, finish), CKPT_ERR_CLOSED);
    return CKPT_FAILED;
}

static void a_lost_run_can_be_kept_again_after_a_failure(void)
{
    ckpt_recover_info counted;
    ckpt_run_info info;
    begin();
    CHECK_INT(save(5, "[1,2]", NULL), CKPT_OK);
    crash();
    damage_all();
    CHECK_INT(recover(keep_damaged, &counted), CKPT_OK);
    CHECK_INT(counted.fallen_back, 1);
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(info.state == CKPT_STATE_FAILED && info.lost);
    CHECK_STR(info.reason, "it was rotten");
    CHECK_INT(gens_of_job(), 1);
}

// Damaged is what was read and is not whole, and nothing else.
static void nothing_is_lost_for_an_error_or_a_newer_format(void)
{
    ckpt_recover_info counted;
    for (int i = 0; i < 3; i++) {
        begin();
        CHECK_INT(save(5, "[1,2]", NULL), CKPT_OK);
        crash();
        if (i > 0) {                            // one is damaged, and the other
            damage(newest()->next);             // cannot be judged
        }
        if (i == 2) {
            make_newer(newest());
        } else {
            fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE,
                                CKPT_ERR_IO);
        }
        CHECK_INT(recover(NULL, &counted), CKPT_OK);
        CHECK_INT(counted.failed, 1);
        CHECK(counted.dead_letters == 0 && counted.fallen_back == 0);
        fault_none(&t.fault);
        CHECK(gens_of_job() == 2 && claims_of_job() == 1);
        CHECK_INT(state_of_job(), i == 2 ? CKPT_STATE_NEWER
                                         : CKPT_STATE_INTERRUPTED);
    }
}

//--- What is missing ----------------------------------------------------------

static void remove_newest(void)
{
    mem_gen_remove(&t.world, &job()->gens);
}

// A person, or a virus scanner, deleted it: an effect that had begun would be
// new again, and run twice, unasked.
static void a_missing_newest_generation_is_told_at_a_resume(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
    CHECK_INT(effect_begin("pay", 5), CKPT_EFFECT_NEW);
    const uint64_t seq = t.run.seq;
    crash();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(!info.older);
    remove_newest();
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(info.older && info.state == CKPT_STATE_INTERRUPTED);
    CHECK_INT(info.turn, 4);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.older && t.run.resumed && t.run.turn == 4);
    CHECK(t.run.seq > seq);                     // no number is used twice
    CHECK_INT(load(), CKPT_OLDER);
    CHECK(same(t.last.messages, "[1]"));
    CHECK(t.last.seq > seq);
    CHECK_INT(save(5, NULL, NULL), CKPT_OK);
    CHECK(!t.run.older);
    CHECK_INT(load(), CKPT_OK);
    crash();                                    // and it was told once
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK(!info.older);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(!t.run.older);
}

static void a_missing_newest_generation_is_told_to_its_owner(void)
{
    for (int i = 0; i < 2; i++) {
        begin();
        CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
        CHECK_INT(save(5, "[1,2]", NULL), CKPT_OK);
        const uint64_t seq = t.run.seq;
        remove_newest();
        if (i == 0) {                           // a save finds it first
            CHECK(append(6, "[3]", 2) < 0);
            CHECK_INT(append(6, "[3]", 2), CKPT_ERR_DAMAGED);
            CHECK_INT(phase_end("p", NULL), CKPT_ERR_DAMAGED);
        }
        CHECK_INT(load(), CKPT_OLDER);
        CHECK(same(t.last.messages, "[1]"));
        CHECK(t.run.older && t.run.turn == 4 && t.run.messages == 1);
        CHECK_INT(append(5, "[2]", 1), CKPT_OK);
        CHECK(t.run.seq > seq && !t.run.older);
        CHECK_INT(load(), CKPT_OK);
        CHECK(same(t.last.messages, "[1,2]"));
    }
}

// What was never acknowledged is not missed.
static void a_save_that_was_not_acknowledged_is_not_missed(void)
{
    static const ckpt_code codes[] = { CKPT_ERR_UNSURE, CKPT_ERR_NOT_DURABLE };
    for (size_t i = 0; i < 2; i++) {
        ckpt_run_info info;
        begin();
        CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, codes[i]);
        CHECK_INT(save(5, "[1,2]", NULL), codes[i]);
        crash();
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.turn, 5);
        remove_newest();
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK(info.turn == 4 && !info.older);
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK(!t.run.older);
        CHECK_INT(load(), CKPT_OK);
    }
}

// The claim of the owner stays while claimants die above it.
static void a_missing_generation_is_told_over_claimants_that_died(void)
{
    begin();
    CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
    CHECK_INT(save(5, "[1,2]", NULL), CKPT_OK);
    crash();
    die_before_the_adopt();
    die_before_the_adopt();
    remove_newest();
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.epoch, 4);
    CHECK(t.run.older && t.run.turn == 4);
    CHECK_INT(load(), CKPT_OLDER);
    // Of one that was adopted, and is missing, too.
    crash();
    remove_newest();
    CHECK_INT(job()->gens->name.epoch, 1);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.run.epoch == 5 && t.run.older);
}

//--- Verify -------------------------------------------------------------------

static ckpt_code verify(ckpt_run_info *info)
{
    memset(info, 0xa5, sizeof(*info));
    return ckpt_verify(&t.ctx, "job", info);
}

static void a_whole_run_is_verified_whatever_its_state(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_LIVE);
    CHECK_STR(info.id, "job");
    CHECK(info.turn == 4 && info.messages == 1 && !info.older);
    CHECK_INT(info.error.code, CKPT_OK);
    crash();
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_OK);
    begin_done();
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_DONE);
    begin_failed();
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    half_removed(CKPT_COMPLETED);
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
    begin_with_max(CKPT_NEVER);
    crash();
    CHECK_INT(verify(&info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_EXHAUSTED);
}

static void verify_finds_every_damage_and_says_whether_it_can_be_resumed(void)
{
    static const struct {
        bool           newest, spare, missing, older;
        ckpt_run_state state;
    } rows[] = {
        { true, false, false, true, CKPT_STATE_INTERRUPTED },
        { false, true, false, false, CKPT_STATE_INTERRUPTED },
        { true, true, false, false, CKPT_STATE_DAMAGED },
        { false, false, true, true, CKPT_STATE_INTERRUPTED }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ckpt_run_info info;
        begin();
        CHECK_INT(save(4, "[1]", NULL), CKPT_OK);
        crash();
        if (rows[i].newest) {
            damage(newest());
        }
        if (rows[i].spare) {
            damage(newest()->next);
        }
        if (rows[i].missing) {
            remove_newest();
        }
        const unsigned gens = gens_of_job();
        CHECK_INT(verify(&info), CKPT_ERR_DAMAGED);
        CHECK_INT(info.state, rows[i].state);
        CHECK_INT(info.older, rows[i].older);
        CHECK_INT(info.error.code, CKPT_ERR_DAMAGED);
        CHECK(info.error.msg != NULL);
        CHECK_INT(info.error.pos > 0, !rows[i].missing);
        CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_DAMAGED);
        CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_ERR_DAMAGED);
        CHECK(gens_of_job() == gens && claims_of_job() == 1);
        CHECK_INT(open_run("job"), rows[i].state == CKPT_STATE_DAMAGED ?
                  CKPT_ERR_DAMAGED : CKPT_OK);
    }
    begin_done();
    damage(newest());
    CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_ERR_DAMAGED);
}

// Also what stands below many others.
static void verify_reads_generations_of_every_epoch(void)
{
    begin();
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);        // keeps those it adopted from
    crash();
    CHECK_INT(gens_of_job(), 3);
    for (unsigned i = 0; i < 3; i++) {
        mem_gen *gen = job()->gens;
        for (unsigned k = 0; k < i; k++) {
            gen = gen->next;
        }
        CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_OK);
        damage(gen);
        CHECK_INT(ckpt_verify(&t.ctx, "job", NULL), CKPT_ERR_DAMAGED);
        damage(gen);                            // repairs it
    }
}

static void verify_has_a_code_for_what_it_cannot_judge(void)
{
    ckpt_run_info info;
    begin();
    CHECK_INT(ckpt_verify(&t.ctx, "", &info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_verify(&t.ctx, NULL, NULL), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_verify(&t.ctx, "nobody", &info), CKPT_ERR_NOT_FOUND);
    crash();
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(verify(&info), CKPT_ERR_IO);
    CHECK_INT(info.state, CKPT_STATE_UNREADABLE);
    CHECK_INT(info.error.code, CKPT_ERR_IO);
    fault_plan(&t.fault, FAULT_LOOK, 2, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(verify(&info), CKPT_ERR_IO);      // what it says agrees
    CHECK_INT(info.state, CKPT_STATE_UNREADABLE);
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_STALE);
    CHECK_INT(verify(&info), CKPT_ERR_BUSY);    // it changed all the while
    fault_none(&t.fault);
    memcpy(job()->id, "jo2", 4);                // somebody renamed it
    CHECK_INT(ckpt_verify(&t.ctx, "jo2", &info), CKPT_ERR_FOREIGN);
    CHECK_INT(info.state, CKPT_STATE_FOREIGN);
    begin();
    crash();
    make_newer(newest());
    CHECK_INT(verify(&info), CKPT_ERR_FORMAT);
    CHECK_INT(info.state, CKPT_STATE_NEWER);
    begin();
    crash();
    mem_gen_remove(&t.world, &job()->gens);     // the only one
    CHECK_INT(verify(&info), CKPT_ERR_NOT_FOUND);
    CHECK_INT(info.state, CKPT_STATE_FINISHED);
}

//--- Claims -------------------------------------------------------------------

// A claim of nobody, made now.
static mem_claim *add_claim(uint64_t epoch)
{
    mem_claim *claim = (mem_claim *)calloc(1, sizeof(*claim));
    claim->epoch = epoch;
    claim->beat_ms = t.world.mono_ms;
    claim->next = job()->claims;
    job()->claims = claim;
    return claim;
}

// R6
static void the_wait_grows_with_the_claimants_that_died(void)
{
    static const struct {
        unsigned died;
        int64_t  wait_ms;
    } rows[] = {
        { 1, 0 }, { 2, 0 }, { 3, 0 }, { 4, 2000 }, { 5, 4000 }, { 6, 8000 },
        { 10, 128000 }, { 14, 2048000 }, { 15, 3600000 }, { 16, 3600000 },
        { CKPT_CLAIMS_MAX, 3600000 }
    };
    ckpt_run_info info;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        crash();
        mem_tick(&t.world, 7200000);
        for (unsigned k = 0; k < rows[i].died; k++) {
            add_claim(2 + k);
        }
        const int64_t wait = rows[i].wait_ms;
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.wait_ms, wait);
        CHECK_INT(info.state, wait > 0 ? CKPT_STATE_BUSY
                                       : CKPT_STATE_INTERRUPTED);
        if (wait > 0) {
            mem_tick(&t.world, wait - 1);
            CHECK_INT(query("job", &info), CKPT_OK);
            CHECK_INT(info.wait_ms, 1);
            CHECK_INT(open_run("job"), CKPT_ERR_BUSY);
            CHECK_INT(ckpt_last_error(&t.ctx)->wait_ms, 1);
            mem_tick(&t.world, 1);
        }
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(t.run.epoch, rows[i].died + 2);
        CHECK_INT(t.run.attempt, 1);
    }
    // More of them than that, and nobody tries any more.
    begin();
    crash();
    for (unsigned k = 0; k <= CKPT_CLAIMS_MAX; k++) {
        add_claim(2 + k);
    }
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_EXHAUSTED);
    CHECK_INT(info.wait_ms, 0);
    CHECK_INT(open_run("job"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_OK);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
}

// "A living claimant that gives up (a full disk) marks its claim"
static void claimants_that_gave_up_do_not_count(void)
{
    ckpt_run_info info;
    begin();
    crash();
    for (unsigned i = 0; i < 50; i++) {
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE,
                   CKPT_ERR_NO_SPACE);
        CHECK_INT(open_run("job"), CKPT_ERR_NO_SPACE);
        CHECK(job()->claims->gave_up);
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
        CHECK(info.wait_ms == 0 && info.attempt == 0);
    }
    // The dead among them count all the same.
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_INT(query("job", &info), CKPT_OK);
        CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
        add_claim(52 + 2 * i);
        add_claim(53 + 2 * i)->gave_up = true;
    }
    CHECK_INT(query("job", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_BUSY);
    CHECK_INT(info.wait_ms, 2000);
    mem_tick(&t.world, 2000);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    CHECK_INT(claims_of_job(), 60);
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    CHECK_INT(claims_of_job(), 1);              // and none is left of all that
}

static void thirty_three_dead_claimants_are_counted_among_others(void)
{
    begin();
    crash();
    for (uint64_t i = 0; i < 62; i++) {
        add_claim(2 + i)->gave_up = i % 2 == 1 && i < 58;
    }
    CHECK_INT(state_of_job(), CKPT_STATE_EXHAUSTED);
}

// "Claims above a kept generation change neither verdict nor waits."
static void claims_above_a_kept_generation_change_nothing(void)
{
    for (int i = 0; i < 2; i++) {
        const int state = i == 0 ? CKPT_STATE_DONE : CKPT_STATE_FAILED;
        for (unsigned n = 1; n <= 40; n += 13) {
            ckpt_run_info info;
            if (i == 0) {
                begin_done();
            } else {
                begin_failed();
            }
            for (unsigned k = 0; k < n; k++) {
                add_claim(2 + k);
            }
            CHECK_INT(query("job", &info), CKPT_OK);
            CHECK_INT(info.state, state);
            CHECK(info.wait_ms == 0 && !info.older);
            CHECK_INT(open_run("job"), i == 0 ? CKPT_FINISHED
                                              : CKPT_ERR_FAILED);
            job()->claims->by = &t.other;       // the last one lives
            CHECK_INT(state_of_job(), state);
            CHECK_INT(open_run("job"), i == 0 ? CKPT_FINISHED
                                              : CKPT_ERR_FAILED);
            CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"),
                      i == 0 ? CKPT_FINISHED : CKPT_OK);
            CHECK_INT(state_of_job(), i == 0 ? state
                                             : CKPT_STATE_INTERRUPTED);
            CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        }
    }
}

// A run that is resumed for ever leaves a bounded number of claims and of
// generations, however each of its owners ends.
static void claims_and_generations_do_not_pile_up(void)
{
    for (int i = 0; i < 4; i++) {
        unsigned most_claims = 0, most_gens = 0, wrong = 0;
        ckpt_desc d = plain_desc();
        d.resume_max = CKPT_UNLIMITED;
        setup_with(&d);
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        for (unsigned n = 1; n <= 4000; n++) {
            ckpt_abandon(&t.run);
            wrong += open_run("job") != CKPT_OK || t.run.epoch != n + 1 ||
                     t.run.turn != 1 || t.run.older;
            if (i == 1) {                       // interrupted
                wrong += finish(CKPT_INTERRUPTED, NULL, false) != CKPT_OK;
            } else if (i == 2) {                // killed after some saves
                wrong += save(1, NULL, NULL) != CKPT_OK ||
                         save(1, NULL, NULL) != CKPT_OK;
            } else if (i == 3 && n % 2 == 0) {  // one in two saves
                wrong += save(1, NULL, NULL) != CKPT_OK;
            }
            const unsigned claims = claims_of_job(), gens = gens_of_job();
            most_claims = claims > most_claims ? claims : most_claims;
            most_gens = gens > most_gens ? gens : most_gens;
        }
        CHECK_INT(wrong, 0);
        CHECK(most_claims <= 3);
        CHECK(most_gens <= 4);
    }
}

// A removal that fails is tried again by the next save, and fails no save.
static void old_claims_that_could_not_be_removed_are_removed_later(void)
{
    begin();
    CHECK_INT(save(1, NULL, NULL), CKPT_OK);
    crash();
    CHECK_INT(open_run("job"), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(2, NULL, NULL), CKPT_OK);
    CHECK_INT(t.fault.hits, 1);
    CHECK_INT(t.run.failed, 0);
    CHECK_INT(claims_of_job(), 2);
    CHECK_INT(save(3, NULL, NULL), CKPT_OK);
    CHECK_INT(claims_of_job(), 1);
    CHECK_INT(gens_of_job(), 2);
    fault_plan(&t.fault, FAULT_DROP, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save(4, NULL, NULL), CKPT_OK);
    CHECK_INT(t.fault.count, 0);                // and then nothing is left
}

//--- A full store -------------------------------------------------------------

static const struct {
    ckpt_outcome outcome;
    bool         once, keep;
    int          state;
} ends[] = {
    { CKPT_COMPLETED, false, false, 0 },
    { CKPT_FAILED, false, false, 0 },
    { CKPT_COMPLETED, true, false, CKPT_STATE_DONE },
    { CKPT_FAILED, false, true, CKPT_STATE_FAILED }
};

enum { ENDS = sizeof(ends) / sizeof(ends[0]) };

// The generation before makes room for the outcome.
static void a_run_can_be_finished_on_a_full_store(void)
{
    for (size_t i = 0; i < ENDS; i++) {
        ckpt_run_desc d = named("job");
        d.once = ends[i].once;
        setup();
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        t.world.capacity = t.world.used + 100;
        CHECK_INT(save(2, "[1]", NULL), CKPT_ERR_NO_SPACE);
        CHECK_INT(gens_of_job(), 2);            // a save throws nothing away
        memset(t.events, 0, sizeof(t.events));
        CHECK_INT(finish(ends[i].outcome, "why", ends[i].keep), CKPT_OK);
        CHECK_INT(state_of_job(), ends[i].state);
        CHECK_INT(t.events[CKPT_EVENT_SAVED], 1);       // its outcome stood
        CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLOSED);
        if (ends[i].state != 0) {
            CHECK(gens_of_job() == 1 && claims_of_job() == 1);
        }
    }
}

// What is not to be kept goes without its outcome, what is stays as it is.
static void a_run_can_be_removed_when_nothing_makes_room(void)
{
    for (size_t i = 0; i < ENDS; i++) {
        ckpt_run_desc d = named("job");
        d.once = ends[i].once;
        setup();
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        t.world.capacity = 1;
        memset(t.events, 0, sizeof(t.events));
        if (ends[i].state == 0) {
            CHECK_INT(finish(ends[i].outcome, NULL, false), CKPT_OK);
            CHECK_INT(state_of_job(), 0);
            CHECK_INT(t.world.used, 0);
            CHECK_INT(t.events[CKPT_EVENT_DELETED], 1);
            continue;
        }
        CHECK_INT(finish(ends[i].outcome, NULL, ends[i].keep),
                  CKPT_ERR_NO_SPACE);
        CHECK_INT(t.run.error.code, CKPT_ERR_NO_SPACE);
        CHECK_INT(state_of_job(), CKPT_STATE_LIVE);
        CHECK_INT(gens_of_job(), 1);
        CHECK_INT(load(), CKPT_OK);             // it is open, and whole
        CHECK(same(t.last.messages, "[1]"));
        t.world.capacity = 0;
        CHECK_INT(finish(ends[i].outcome, NULL, ends[i].keep), CKPT_OK);
        CHECK_INT(state_of_job(), ends[i].state);
    }
}

// An interruption is no end: it takes nothing away to make room.
static void an_interruption_needs_room(void)
{
    static const ckpt_outcome outcomes[] = { CKPT_INTERRUPTED, CKPT_RETRY };
    for (size_t i = 0; i < 2; i++) {
        begin();
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        t.world.capacity = t.world.used;
        CHECK_INT(finish(outcomes[i], NULL, false), CKPT_ERR_NO_SPACE);
        CHECK_INT(gens_of_job(), 2);
        ckpt_abandon(&t.run);
        CHECK_INT(state_of_job(), CKPT_STATE_INTERRUPTED);
        CHECK_INT(open_run("job"), CKPT_ERR_NO_SPACE);
        t.world.capacity = 0;
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(t.run.turn, 1);
    }
}

static void a_run_is_removed_from_a_full_store(void)
{
    for (int i = 0; i < 4; i++) {
        if (i < 2) {
            begin();
            CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
            ckpt_abandon(&t.run);
        } else if (i == 2) {
            begin_done();
        } else {
            begin_failed();
        }
        t.world.capacity = i == 0 ? t.world.used : 1;
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
        CHECK_INT(state_of_job(), 0);
        CHECK_INT(t.world.used, 0);
        CHECK_INT(t.events[CKPT_EVENT_DELETED], 1);
    }
    begin_failed();                             // but a retry writes
    t.world.capacity = t.world.used;
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_NO_SPACE);
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
    t.world.capacity = 0;
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_OK);
}

static void claim_above_now(void *user, store_fault *f, uint32_t method)
{
    (void)method;
    f->race = NULL;
    add_claim(job()->claims->epoch + 1)->by = &t.other;
    *(unsigned *)user = gens_of_job();
}

// A claimant may come while a run is removed without its outcome: then the run
// is his, if its generation was still there, and else nobody's, but the owner
// is told that it lost it in any case.
static void a_removal_without_an_outcome_looks_before_and_after(void)
{
    unsigned lost = 0, done = 0;
    for (uint32_t k = 1; k < 20; k++) {
        unsigned gens = 9;
        begin();
        CHECK_INT(save(1, "[1]", NULL), CKPT_OK);
        t.world.capacity = 1;
        fault_plan(&t.fault, FAULT_LOOK, k, FAULT_AFTER, CKPT_OK);
        t.fault.times = 0;                      // nothing fails
        t.fault.race = claim_above_now;
        t.fault.race_user = &gens;
        const ckpt_code rc = finish(CKPT_COMPLETED, NULL, false);
        if (t.fault.race != NULL) {             // there was no such look
            CHECK_INT(rc, CKPT_OK);
            done++;
            break;
        }
        CHECK_INT(rc, CKPT_ERR_CLAIM_LOST);
        CHECK_INT(gens_of_job(), gens);         // nothing is removed after it
        CHECK_INT(job()->claims->epoch, 2);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_CLOSED);
        lost++;
    }
    CHECK_INT(done, 1);
    CHECK_INT(lost, 5);
}

//--- Prune --------------------------------------------------------------------

enum { DAY = 86400000 };

static ckpt_prune_desc older_than(int64_t age_ms)
{
    ckpt_prune_desc d;
    memset(&d, 0, sizeof(d));
    d.age_ms = age_ms;
    return d;
}

// Runs of every kind: "done", "failed", "interrupted", "exhausted", "damaged"
// and "live", of which the last three are never of the default.
static void begin_many(void)
{
    ckpt_desc desc = plain_desc();
    desc.resume_max = 1;
    setup_with(&desc);
    CHECK_INT(open_run("damaged"), CKPT_OK);
    ckpt_abandon(&t.run);
    damage(newest());
    CHECK_INT(open_once("done"), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, NULL, false), CKPT_OK);
    CHECK_INT(open_run("failed"), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, NULL, true), CKPT_OK);
    CHECK_INT(open_run("interrupted"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(open_run("exhausted"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(open_run("exhausted"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(open_run("live"), CKPT_OK);
    memset(t.events, 0, sizeof(t.events));
}

// What is left, as the first letters of the ids in the order of the store.
static bool add_letter(void *user, const ckpt_run_info *info)
{
    char *letters = (char *)user;
    const size_t n = strlen(letters);
    letters[n] = strcmp(info->id, "done") == 0 ? 'D' : info->id[0];
    letters[n + 1] = '\0';
    return true;
}

static const char *left(void)
{
    static char letters[16];
    letters[0] = '\0';
    CHECK_INT(ckpt_scan(&t.ctx2, 0, add_letter, letters), CKPT_OK);
    return letters;
}

static void prune_removes_kept_runs_that_are_strictly_older(void)
{
    ckpt_prune_desc d = older_than(DAY);
    uint32_t n = 9;
    begin_many();
    CHECK_STR(left(), "dDfiel");
    mem_tick(&t.world, DAY);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_INT(n, 0);                            // equal is not older
    CHECK_STR(left(), "dDfiel");
    mem_tick(&t.world, 1);
    memset(&t.run2, 0xa5, sizeof(t.run2));
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_INT(n, 2);
    CHECK_STR(left(), "diel");                  // only what is kept
    CHECK_INT(t.events[CKPT_EVENT_DELETED], 2);
    CHECK_INT(ckpt_beat(&t.run2), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, NULL), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(open_once("done"), CKPT_OK);      // its work may be done again
    CHECK(!t.run.resumed);
}

static void prune_removes_the_states_it_is_told(void)
{
    static const struct {
        uint32_t    states, count;
        const char *left;
    } rows[] = {
        { 0, 2, "diel" },
        { CKPT_STATE_DONE, 1, "dfiel" },
        { CKPT_STATE_FAILED, 1, "dDiel" },
        { CKPT_STATE_INTERRUPTED, 1, "dDfel" },
        { CKPT_STATE_EXHAUSTED, 1, "dDfil" },
        { CKPT_STATE_DONE | CKPT_STATE_FAILED | CKPT_STATE_INTERRUPTED |
          CKPT_STATE_EXHAUSTED, 4, "dl" }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ckpt_prune_desc d = older_than(DAY);
        uint32_t n = 9;
        d.states = rows[i].states;
        begin_many();
        mem_tick(&t.world, DAY + 1);
        d.dry_run = true;
        CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
        CHECK_INT(n, rows[i].count);
        CHECK_STR(left(), "dDfiel");
        d.dry_run = false;
        CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
        CHECK_INT(n, rows[i].count);
        CHECK_STR(left(), rows[i].left);
        CHECK_INT(save(1, NULL, NULL), CKPT_OK);        // of the live one
    }
}

static void a_dry_run_of_prune_tells_the_same_and_claims_nothing(void)
{
    char dry[16] = "", wet[16] = "";
    ckpt_prune_desc d = older_than(1);
    uint32_t n = 9;
    begin_many();
    mem_tick(&t.world, 10);
    const uint64_t nonces = t.world.nonces, tokens = t.world.tokens;
    d.dry_run = true;
    d.fn = add_letter;
    d.user = dry;
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_INT(n, 2);
    CHECK(t.world.nonces == nonces && t.world.tokens == tokens);
    CHECK_INT(t.events[CKPT_EVENT_DELETED], 0);
    d.dry_run = false;
    d.user = wet;
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_STR(dry, "Df");
    CHECK_STR(wet, dry);
}

static bool stop_at_failed(void *user, const ckpt_run_info *info)
{
    ++*(unsigned *)user;
    CHECK(info->state == CKPT_STATE_DONE || info->state == CKPT_STATE_FAILED);
    CHECK_INT(info->beat_age_ms, 10);
    return info->state != CKPT_STATE_FAILED;
}

static void prune_is_stopped_by_its_function(void)
{
    for (int dry = 0; dry < 2; dry++) {
        ckpt_prune_desc d = older_than(1);
        unsigned told = 0;
        uint32_t n = 9;
        d.fn = stop_at_failed;
        d.user = &told;
        d.dry_run = dry == 1;
        begin_many();
        mem_tick(&t.world, 10);
        CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
        CHECK_INT(told, 2);
        CHECK_INT(n, 1);                        // the one before it
        CHECK_STR(left(), dry == 1 ? "dDfiel" : "dfiel");
    }
}

static void prune_keeps_what_has_no_known_age(void)
{
    ckpt_prune_desc d = older_than(1);
    for (int i = 0; i < 2; i++) {
        uint32_t n = 9;
        begin_done();
        mem_tick(&t.world, DAY);
        if (i == 0) {                           // its beat is in the future
            job()->claims->beat_ms = t.world.mono_ms + DAY;
        } else {                                // its claim is gone
            mem_claim *claim = job()->claims;
            job()->claims = NULL;
            free(claim);
        }
        CHECK_INT(ckpt_prune(&t.ctx, &t.run, &d, &n), CKPT_OK);
        CHECK_INT(n, 0);
        CHECK_INT(state_of_job(), CKPT_STATE_DONE);
    }
}

static void prune_keeps_what_holds_environments(void)
{
    ckpt_prune_desc d = older_than(1);
    ckpt_env env;
    ckpt_env_desc e;
    uint32_t n = 9;
    memset(&e, 0, sizeof(e));
    e.id = "world";
    e.restore = restore_nothing;
    e.run = &t.run;
    begin();
    CHECK_INT(ckpt_env_init(&env, &e), CKPT_OK);
    CHECK_INT(finish(CKPT_FAILED, NULL, true), CKPT_OK);
    mem_tick(&t.world, DAY);
    for (int dry = 1; dry >= 0; dry--) {
        d.dry_run = dry == 1;
        CHECK_INT(ckpt_prune(&t.ctx, &t.run, &d, &n), CKPT_OK);
        CHECK_INT(n, 0);
    }
    CHECK_INT(t.events[CKPT_EVENT_DELETE_FAILED], 0);
    CHECK_INT(state_of_job(), CKPT_STATE_FAILED);
    CHECK_INT(claims_of_job(), 1);
}

static void prune_refuses_what_it_cannot_be_asked(void)
{
    static const int64_t ages[] = { 0, -1, INT64_MIN };
    const uint32_t allowed = CKPT_STATE_DONE | CKPT_STATE_FAILED |
                             CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED;
    uint32_t n = 9;
    begin_many();
    mem_tick(&t.world, DAY);
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        const ckpt_prune_desc d = older_than(ages[i]);
        CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_ERR_ARGUMENT);
        CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_ARGUMENT);
    }
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        ckpt_prune_desc d = older_than(1);
        d.states = bit | CKPT_STATE_DONE;
        d.dry_run = true;
        CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n),
                  (bit & allowed) != 0 ? CKPT_OK : CKPT_ERR_ARGUMENT);
    }
    const ckpt_prune_desc d = older_than(1);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_ERR_IO);
    CHECK_INT(n, 0);
    CHECK_STR(left(), "dDfiel");
}

// One that cannot be removed is an event, and stops nothing.
static void prune_goes_on_after_a_run_that_it_cannot_remove(void)
{
    const ckpt_prune_desc d = older_than(1);
    uint32_t n = 9;
    begin_many();
    mem_tick(&t.world, DAY);
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_INT(n, 1);
    CHECK_STR(left(), "dDiel");
    CHECK_INT(t.events[CKPT_EVENT_DELETE_FAILED], 1);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &d, &n), CKPT_OK);
    CHECK_INT(n, 1);
}
