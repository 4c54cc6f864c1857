// SPDX-License-Identifier: MIT-0
// What a store says is not believed before it was checked: values at their
// ends, ranges that are gone or short, damaged generations, looks that fail.
#include "strange.h"
#include "test.h"
#include "whole.h"

#define LIST(X)                                                                \
    X(a_prompt_longer_than_the_window_is_kept)                                 \
    X(a_parent_is_shown)                                                       \
    X(a_shown_text_is_cut_before_an_escape_that_does_not_fit)                  \
    X(a_store_may_have_a_smaller_size_max)                                     \
    X(values_beyond_size_max_are_refused_before_they_are_read)                 \
    X(a_reason_without_a_first_byte_is_cut_to_nothing)                         \
    X(an_outcome_that_is_none_is_an_interruption)                              \
    X(a_range_that_is_gone_is_stale_and_then_looked_into)                      \
    X(who_reads_what_a_later_owner_has_removed_has_lost_the_run)               \
    X(messages_that_are_read_short_are_written_whole)                          \
    X(a_range_that_is_read_short_is_stale)                                     \
    X(an_entry_that_was_damaged_is_not_the_callers_fault)                      \
    X(a_name_that_changed_while_it_was_read_is_taken_as_it_stands)             \
    X(an_id_that_is_too_long_is_damaged)                                       \
    X(an_effect_that_was_struck_off_does_not_hide_the_next)                    \
    X(without_checkpoints_no_effect_is_listed)                                 \
    X(a_note_that_cannot_be_read_says_so)                                      \
    X(a_cut_that_cannot_be_read_says_so_and_can_be_repeated)                   \
    X(a_cut_of_a_checkpoint_that_ends_early_is_damaged)                        \
    X(a_cut_of_messages_that_are_none_any_more_is_damaged)                     \
    X(what_was_lost_must_be_loaded_before_a_save)                              \
    X(a_load_that_could_not_judge_leaves_the_run_unsure)                       \
    X(a_load_that_could_not_set_aside_leaves_the_run_unsure)                   \
    X(a_run_that_is_sure_reads_nothing_to_save)                                \
    X(a_load_of_another_generation_is_not_believed)                            \
    X(a_load_of_a_wild_length_is_not_believed)                                 \
    X(nothing_is_written_until_a_look_succeeds)                                \
    X(nothing_is_removed_once_the_claim_is_lost)                               \
    X(a_save_that_failed_has_used_up_its_seq)                                  \
    X(a_first_save_that_failed_does_not_throttle)                              \
    X(an_interruption_gives_its_attempt_back_once)                             \
    X(an_effect_that_ended_is_not_begun_again)                                 \
    X(an_effect_of_an_earlier_claim_is_never_new)                              \
    X(an_end_of_a_phase_that_is_repeated_stands_once)                          \
    X(an_end_of_an_effect_that_is_repeated_ends_no_older_one)                  \
    X(an_end_that_is_not_repeated_is_of_the_effect_begun_last)                 \
    X(a_short_reason_stands_in_the_note)                                       \
    X(a_receipt_is_kept_though_the_record_had_to_be_judged_again)              \
    X(after_damage_a_run_is_not_interrupted_before_a_load)                     \
    X(force_takes_no_run_that_has_no_attempt_left)                             \
    X(an_id_may_be_that_of_the_run_or_the_info)                                \
    X(a_store_that_keeps_nothing_lists_nothing)                                \
    X(a_damaged_run_that_was_kept_unsurely_is_kept_once_more)                  \
    X(an_error_is_of_its_own_call)                                             \
    X(more_damaged_generations_than_a_look_shows_are_passed_over)              \
    X(the_newest_of_many_damaged_generations_counts)                           \
    X(a_length_that_cannot_be_checked_is_not_damage)                           \
    X(a_second_generation_that_cannot_be_read_is_a_doubt)                      \
    X(a_seq_at_its_end_is_refused)                                             \
    X(an_epoch_at_its_end_is_refused)                                          \
    X(an_owner_whose_generations_are_gone_is_told_so)                          \
    X(a_fenced_store_says_who_lost)                                            \
    X(a_beat_in_a_fenced_store_says_who_lost)                                  \
    X(a_load_in_a_fenced_store_says_who_lost)                                  \
    X(a_name_that_changes_between_two_reads_hangs_nobody)                      \
    X(a_fenced_store_says_who_lost_after_an_unsure_save)                       \
    X(a_phase_that_is_done_again_ends_again)                                   \
    X(an_end_is_of_the_effect_that_was_asked_for_last)                         \
    X(an_attempt_that_was_given_back_unsurely_still_counts)                    \
    X(an_attempt_counts_though_its_record_was_damaged)                         \
    X(what_was_acknowledged_is_read_behind_any_number_of_claims)               \
    X(claimants_that_gave_up_do_not_use_up_the_fallback)                       \
    X(a_removal_that_failed_is_no_finished_run_for_a_recovery)                 \
    X(a_record_that_is_full_can_be_adopted_and_removed)                        \
    X(a_torn_save_does_not_push_out_the_good_one)                              \
    X(after_a_damaged_adopt_two_generations_stand_again)                       \
    X(an_end_without_room_goes_on_after_a_look_that_failed)                    \
    X(a_damaged_value_is_not_handed_out)                                       \
    X(a_phase_is_looked_up_though_nobody_knows_which_record_stands)            \
    X(a_run_that_has_ended_releases_nothing)                                   \
    X(an_event_may_register_an_environment)                                    \
    X(progress_that_stands_unsurely_resets_the_attempts)                       \
    X(an_end_without_room_goes_on_after_a_reading)                             \
    X(a_second_loss_is_told_too)                                               \
    X(a_loss_that_could_not_be_set_aside_is_counted_once)                      \
    X(an_entry_that_is_no_entry_any_more_is_judged_again)                      \
    X(a_long_text_is_hashed_in_a_moment)
TEST_SUITE(doubt, LIST)

//--- What is written ----------------------------------------------------------

static void a_prompt_longer_than_the_window_is_kept(void)
{
    static char prompt[5001];
    ckpt_run_desc d = named("job");
    setup();
    for (size_t i = 0; i < 5000; i++) {
        prompt[i] = "ab\"\x01z"[i * 7 % 5];
    }
    d.meta.prompt = prompt;
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(t.last.meta.prompt != NULL &&
          strcmp(t.last.meta.prompt, prompt) == 0);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK(t.last.meta.prompt != NULL &&
          strcmp(t.last.meta.prompt, prompt) == 0);
}

static void a_parent_is_shown(void)
{
    ckpt_run_desc d = named("job");
    setup();
    d.meta.parent_run_id = "the parent";
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_STR(t.info.parent_run_id, "the parent");
}

// What is shown of a text is its first bytes as they stand in the record: the
// cut may fall into an escape, which is then left out.
static void a_shown_text_is_cut_before_an_escape_that_does_not_fit(void)
{
    char agent[40] = "x", shown[40] = "x";
    ckpt_run_desc d = named("job");
    memset(agent + 1, 1, 30);                   // six bytes each: 1 + 180
    memset(shown + 1, 1, (CKPT_NAME_MAX - 1) / 6);
    d.meta.agent_id = agent;
    d.meta.agent_name = agent;
    setup();
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_STR(t.info.agent_id, shown);
    CHECK_STR(t.info.agent_name, shown);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
}

static void a_store_may_have_a_smaller_size_max(void)
{
    static char big[5000];
    ckpt_desc d;
    setup();
    memset(&d, 0, sizeof(d));
    d.store = &t.fault.base;
    d.throttle_ms = CKPT_OFF;
    t.fault.methods.size_max = 4096;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    memset(big, ' ', sizeof(big) - 1);
    big[0] = '[';
    big[3000] = ']';
    big[3001] = '\0';
    CHECK_INT(save_text(&t.run, 1, big), CKPT_OK);
    big[3000] = ' ';
    big[3001] = ' ';
    big[4900] = ']';
    big[4901] = '\0';
    CHECK_INT(save_text(&t.run, 2, big), CKPT_ERR_TOO_LARGE);
    t.fault.methods.size_max = UINT64_MAX;      // is no limit
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    t.fault.methods.size_max = 1023;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
    t.fault.methods.size_max = 0;
    d.beat_ms = CKPT_OFF;
    d.lease_ms = -1;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT);
}

// Bytes that are not there must not be touched: only the length is looked at.
static void values_beyond_size_max_are_refused_before_they_are_read(void)
{
    ckpt_save_desc s;
    ckpt_bytes huge;
    begin();
    huge.ptr = "{";
    huge.len = SIZE + 1;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.state = huge;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_TOO_LARGE);
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = huge;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_TOO_LARGE);
    CHECK_INT(ckpt_phase_end(&t.run, "plan", huge, NULL), CKPT_ERR_TOO_LARGE);
    CHECK_INT(save(3), CKPT_OK);
}

static void a_reason_without_a_first_byte_is_cut_to_nothing(void)
{
    static char reason[CKPT_REASON_MAX + 100];
    ckpt_finish_desc finish;
    begin();
    memset(&finish, 0, sizeof(finish));
    memset(reason, '\x80', sizeof(reason) - 1);
    finish.reason = reason;
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, &finish), CKPT_OK);
    CHECK(find_text(newest(), "\"reason\":\"\",") != NULL);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_STR(t.info.reason, "");
}

static ckpt_outcome keep_it(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run, (void)finish;
    return *(ckpt_outcome *)user;
}

static void an_outcome_that_is_none_is_an_interruption(void)
{
    static const ckpt_outcome none[] = { CKPT_RUNNING, CKPT_DONE, CKPT_DEAD,
                                         CKPT_REMOVED };
    const ckpt_run_desc d = named("job");
    for (size_t i = 0; i < 4; i++) {
        ckpt_outcome outcome = none[i];
        setup();
        CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, keep_it, &outcome), CKPT_OK);
        CHECK_INT(query(), CKPT_OK);
        CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
        CHECK_INT(t.info.outcome, CKPT_INTERRUPTED);
    }
}

//--- What is read -------------------------------------------------------------

static void begin_with_output(void)
{
    begin();
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("{\"n\":12345}"), NULL),
              CKPT_OK);
}

static ckpt_code output(void)
{
    size_t size;
    memset(t.buf, 0, 64);
    return ckpt_phase_output(&t.run, "plan", t.buf, 64, &size);
}

static void a_range_that_is_gone_is_stale_and_then_looked_into(void)
{
    begin_with_output();
    CHECK_INT(output(), CKPT_OK);
    newest()->name.token = ++t.world.tokens;    // a copy took its place
    CHECK_INT(output(), CKPT_ERR_STALE);
    CHECK_INT(output(), CKPT_OK);
    CHECK_STR(t.buf, "{\"n\":12345}");
    CHECK_INT(save(3), CKPT_OK);
}

static void who_reads_what_a_later_owner_has_removed_has_lost_the_run(void)
{
    begin_with_output();
    add_claim(2, &t.other);
    newest()->name.token = ++t.world.tokens;
    CHECK_INT(output(), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.run.error.code, CKPT_ERR_CLAIM_LOST);
    CHECK_INT(save(3), CKPT_ERR_CLAIM_LOST);
}

static void one_less(uint64_t offset, char *buf, size_t *got)
{
    (void)offset, (void)buf;
    *got -= *got == strlen("{\"n\":12345}");
}

static void halved(uint64_t offset, char *buf, size_t *got)
{
    (void)offset, (void)buf;
    *got /= 2;
}

static void messages_that_are_read_short_are_written_whole(void)
{
    begin();
    t.change = halved;
    CHECK_INT(save_text(&t.run, 3, "[\"message\",2]"), CKPT_OK);
    t.change = NULL;
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.messages.len, strlen("[\"message\",2]"));
}

static void a_range_that_is_read_short_is_stale(void)
{
    begin_with_output();
    t.change = one_less;
    CHECK_INT(output(), CKPT_ERR_STALE);
    t.change = NULL;
    CHECK_INT(output(), CKPT_OK);
}

static ckpt_code begin_effect(const char *id)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 2;
    return ckpt_effect_begin(&t.run, id, &s, &effect);
}

static void an_entry_that_was_damaged_is_not_the_callers_fault(void)
{
    ckpt_effect effect;
    begin();
    CHECK_INT(begin_effect("pay"), CKPT_OK);
    *strchr(find_text(newest(), "\"effects\""), '{') = 'x';
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_ERR_DAMAGED);
}

static void not_an_escape(uint64_t offset, char *buf, size_t *got)
{
    (void)offset;
    if (*got == strlen("pay\\\"x") && buf[3] == '\\') {
        buf[4] = 'q';
    }
}

static void a_name_that_changed_while_it_was_read_is_taken_as_it_stands(void)
{
    ckpt_effect effect;
    begin();
    CHECK_INT(begin_effect("pay\"x"), CKPT_OK);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "pay\"x");
    t.change = not_an_escape;
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "payqx");
}

// An id of 80 quotes stands as 160 bytes, which as plain text are too many.
static void an_id_that_is_too_long_is_damaged(void)
{
    char id[81], plain[161];
    ckpt_effect effect;
    begin();
    memset(id, '"', 80);
    id[80] = '\0';
    CHECK_INT(begin_effect(id), CKPT_OK);
    memset(plain, 'x', 160);
    plain[160] = '\0';
    forge(newest(), "\\\"\\\"", plain);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_ERR_DAMAGED);
    CHECK_STR(effect.id, "");
}

static void an_effect_that_was_struck_off_does_not_hide_the_next(void)
{
    ckpt_effect effect;
    begin();
    CHECK_INT(begin_effect("one"), CKPT_OK);
    CHECK_INT(begin_effect("two"), CKPT_OK);
    CHECK_INT(begin_effect("three"), CKPT_OK);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "one");
    CHECK_INT(ckpt_effect_end(&t.run, "one", ckpt_text(NULL)), CKPT_OK);
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "two");
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_OK);
    CHECK_STR(effect.id, "three");
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_END);
}

static ckpt_outcome work_without(ckpt_run *run, void *user,
                                 ckpt_finish_desc *finish)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    (void)user, (void)finish;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 1;
    CHECK(!run->durable);
    CHECK_INT(ckpt_effect_begin(run, "pay", &s, &effect), CKPT_OK);
    CHECK_INT(effect.state, CKPT_EFFECT_NEW);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(run, &effect), CKPT_END);
    t.seen++;
    return CKPT_COMPLETED;
}

static void without_checkpoints_no_effect_is_listed(void)
{
    const ckpt_run_desc d = named("job");
    setup();
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_execute(&t.ctx, &t.run, &d, work_without, NULL), CKPT_OK);
    CHECK_INT(t.seen, 1);
}

static void a_note_that_cannot_be_read_says_so(void)
{
    ckpt_finish_desc finish;
    ckpt_note_info note;
    unsigned failed = 0;
    begin();
    CHECK_INT(begin_effect("one"), CKPT_OK);
    CHECK_INT(begin_effect("two"), CKPT_OK);
    memset(&finish, 0, sizeof(finish));
    finish.reason = "out of power";
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, &finish), CKPT_OK);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    for (uint32_t k = 1; k < 100; k++) {
        fault_plan(&t.fault, FAULT_READ, k, FAULT_BEFORE, CKPT_ERR_IO);
        const ckpt_code rc = ckpt_note(&t.run, &note, t.buf, sizeof(t.buf));
        if (t.fault.hits == 0) {
            CHECK_INT(rc, CKPT_OK);
            CHECK_INT(note.uncertain, 2);
            break;
        }
        CHECK_INT(rc, CKPT_ERR_IO);
        CHECK(note.message.ptr == NULL);
        failed++;
    }
    CHECK(failed >= 3);                         // the reason, and both ids
}

static const char *many_messages(void)
{
    size_t n = 1;
    t.old[0] = '[';
    for (int i = 0; i < 300; i++) {
        n += (size_t)snprintf(t.old + n, sizeof(t.old) - n, "%s\"m%03d\"",
                              i > 0 ? "," : "", i);
    }
    t.old[n] = ']';
    t.old[n + 1] = '\0';
    return t.old;
}

static ckpt_code cut_at(uint64_t at)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[\"new\"]");
    s.append_at = at;
    return ckpt_save(&t.run, &s);
}

static void a_cut_that_cannot_be_read_says_so_and_can_be_repeated(void)
{
    uint32_t k = 1;
    begin();
    CHECK_INT(save_text(&t.run, 2, many_messages()), CKPT_OK);
    for (; k < 100; k++) {
        fault_plan(&t.fault, FAULT_READ, k, FAULT_BEFORE, CKPT_ERR_IO);
        const ckpt_code rc = cut_at(2);
        if (t.fault.hits == 0) {
            CHECK_INT(rc, CKPT_OK);
            break;
        }
        CHECK_INT(rc, CKPT_ERR_IO);
        CHECK_INT(t.run.messages, 300);
    }
    fault_none(&t.fault);
    CHECK(k > 2);                               // also behind the first two
    CHECK_INT(t.run.messages, 3);
    CHECK_INT(load(), CKPT_OK);
    CHECK(strncmp((const char *)t.last.messages.ptr,
                  "[\"m000\",\"m001\",\"new\"]", 21) == 0);
}

static void ends_early(uint64_t offset, char *buf, size_t *got)
{
    (void)buf;
    *got = offset > 1024 ? 0 : *got;
}

static void a_cut_of_a_checkpoint_that_ends_early_is_damaged(void)
{
    begin();
    CHECK_INT(save_text(&t.run, 2, many_messages()), CKPT_OK);
    t.change = ends_early;
    CHECK_INT(cut_at(2), CKPT_ERR_DAMAGED);
    t.change = NULL;
    CHECK_INT(cut_at(2), CKPT_OK);
    CHECK_INT(t.run.messages, 3);
}

static void a_cut_of_messages_that_are_none_any_more_is_damaged(void)
{
    begin();
    CHECK_INT(save_text(&t.run, 2, many_messages()), CKPT_OK);
    find_text(newest(), "m000")[-1] = 'x';
    CHECK_INT(cut_at(2), CKPT_ERR_DAMAGED);
    CHECK_INT(load(), CKPT_OLDER);
}

//--- What is known of a run that is open --------------------------------------

static void what_was_lost_must_be_loaded_before_a_save(void)
{
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    fault_none(&t.fault);
    damage();                                   // of turn 2
    CHECK_INT(save(3), CKPT_ERR_DAMAGED);
    CHECK_INT(save(3), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_phase_end(&t.run, "plan", ckpt_text("1"), NULL),
              CKPT_ERR_DAMAGED);
    CHECK_INT(t.run.turn, 1);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 1);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
}

static void a_load_that_could_not_judge_leaves_the_run_unsure(void)
{
    unsigned failed = 0;
    for (uint32_t k = 1; k < 100; k++) {
        begin();
        newest()->bytes[newest()->size - 4] ^= 1;   // of the state, which stays
        fault_plan(&t.fault, FAULT_READ | FAULT_LOOK, k, FAULT_BEFORE,
                   CKPT_ERR_IO);
        const ckpt_code rc = load();
        if (t.fault.hits == 0) {
            CHECK_INT(rc, CKPT_OLDER);
            break;
        }
        fault_none(&t.fault);
        CHECK_INT(rc, CKPT_ERR_IO);
        failed++;
        CHECK_INT(save(3), CKPT_ERR_DAMAGED);
        CHECK_INT(load(), CKPT_OLDER);
        CHECK_INT(t.last.turn, 1);
        CHECK(memcmp(t.last.messages.ptr, "[\"message\"]", 11) == 0);
        CHECK_INT(save(3), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 3);
    }
    CHECK(failed >= 3);
}

static void a_load_that_could_not_set_aside_leaves_the_run_unsure(void)
{
    begin();
    damage();
    fault_plan_for_ever(&t.fault, FAULT_SET_ASIDE, 1, FAULT_BEFORE,
                        CKPT_ERR_IO);
    CHECK_INT(load(), CKPT_ERR_IO);
    CHECK_INT(save(3), CKPT_ERR_IO);            // keeps the good one
    fault_none(&t.fault);
    CHECK_INT(save(3), CKPT_ERR_DAMAGED);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(3), CKPT_OK);
}

static void a_run_that_is_sure_reads_nothing_to_save(void)
{
    begin();
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(3), CKPT_OK);
    fault_plan(&t.fault, FAULT_READ, 0, FAULT_BEFORE, CKPT_OK);
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 4;
    s.messages = ckpt_text("[\"more\"]");
    s.append_at = t.run.messages;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    CHECK_INT(t.fault.count, 0);
}

static void a_load_of_another_generation_is_not_believed(void)
{
    mem_gen *gen;
    begin();
    gen = newest();                             // the older one, over it
    CHECK_INT(gen->size, gen->next->size);
    memcpy(gen->bytes, gen->next->bytes, gen->size);
    CHECK_INT(load(), CKPT_OLDER);              // a later one was acknowledged
    CHECK_INT(t.last.turn, 1);
    CHECK_INT(t.run.turn, 1);
    CHECK(t.last.seq == t.run.seq);
    ckpt_abandon(&t.run);

    begin_crashed();
    memcpy(t.old, newest()->bytes, newest()->size);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(save(3), CKPT_OK);
    gen = newest();                             // that of another epoch
    memcpy(gen->bytes, t.old, gen->size);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
    CHECK_INT(t.last.epoch, 2);
}

static void a_load_of_a_wild_length_is_not_believed(void)
{
    begin();
    forge(newest(), "\"length\":", "\"length\":       999999999");
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 1);
}

static void force_it(void)
{
    ckpt_run_desc d = named("job");
    d.force = true;
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_OK);
}

static void nothing_is_written_until_a_look_succeeds(void)
{
    begin();
    fault_plan(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    force_it();
    fault_plan(&t.fault, FAULT_PUT | FAULT_PUBLISH, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save(4), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.fault.count, 0);
}

static void nothing_is_removed_once_the_claim_is_lost(void)
{
    begin_crashed();
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK); // the next save would do it
    force_it();
    fault_plan(&t.fault, FAULT_DROP, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save(3), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.fault.count, 0);
}

// So an unsure generation and the one after it are never of one number.
static void a_save_that_failed_has_used_up_its_seq(void)
{
    begin();
    CHECK_INT(t.run.seq, 3);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(t.run.seq, 5);
}

static void a_first_save_that_failed_does_not_throttle(void)
{
    ckpt_desc d;
    setup();
    memset(&d, 0, sizeof(d));
    d.store = &t.fault.base;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    t.world.mono_ms = 10;                       // less than the throttle
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUT, 1, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(save(1), CKPT_ERR_NO_SPACE);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(save(1), CKPT_SKIPPED);
}

static void begin_second_attempt(void)
{
    begin_crashed();
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(t.run.attempt, 2);
}

static void an_interruption_gives_its_attempt_back_once(void)
{
    begin_second_attempt();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.attempt, 1);
}

static void an_effect_that_ended_is_not_begun_again(void)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 2;
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_begin(&t.run, "pay", &s, &effect), CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("1")), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "pay", &s, &effect), CKPT_OK);
    CHECK_INT(effect.state, CKPT_EFFECT_ENDED);
}

// The crash before had begun it, and it was settled; then the checkpoint that
// says so was damaged.
static void an_effect_of_an_earlier_claim_is_never_new(void)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 2;
    begin();
    CHECK_INT(begin_effect("pay"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text(NULL)), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_begin(&t.run, "pay", &s, &effect), CKPT_ERR_UNSURE);
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(ckpt_effect_begin(&t.run, "pay", &s, &effect), CKPT_OK);
    CHECK_INT(effect.state, CKPT_EFFECT_UNCERTAIN);
}

// How a save can fail whose call is repeated: unsure, and the old or the new
// generation stands; or visible, and not durable.
static const struct {
    fault_when when;
    ckpt_code  code;
} unacknowledged[] = {
    { FAULT_BEFORE, CKPT_ERR_UNSURE }, { FAULT_AFTER, CKPT_ERR_UNSURE },
    { FAULT_AFTER, CKPT_ERR_NOT_DURABLE }
};

static void an_end_of_a_phase_that_is_repeated_stands_once(void)
{
    for (int i = 0; i < 3; i++) {
        begin();
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL),
                  CKPT_OK);
        fault_plan(&t.fault, FAULT_PUBLISH, 1, unacknowledged[i].when,
                   unacknowledged[i].code);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("2"), NULL),
                  unacknowledged[i].code);
        fault_plan(&t.fault, FAULT_PUBLISH, 0, FAULT_AFTER, CKPT_OK);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("2"), NULL),
                  CKPT_OK);
        CHECK_INT(t.fault.count, 1);            // it was published once more
        CHECK_INT(query(), CKPT_OK);
        CHECK_INT(t.info.phases, 2);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("2"), NULL),
                  CKPT_OK);                     // another one
        CHECK_INT(query(), CKPT_OK);
        CHECK_INT(t.info.phases, 3);
    }
}

static ckpt_code begin_effect_of(uint64_t turn, const char *id)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    return ckpt_effect_begin(&t.run, id, &s, &effect);
}

static bool effect_is(uint64_t turn, const char *id, ckpt_effect_state state)
{
    ckpt_effect effect;
    memset(&effect, 0, sizeof(effect));
    while (ckpt_effect_next(&t.run, &effect) == CKPT_OK) {
        if (effect.turn == turn && strcmp(effect.id, id) == 0) {
            return effect.state == state;
        }
    }
    return false;
}

static void an_end_of_an_effect_that_is_repeated_ends_no_older_one(void)
{
    for (int i = 0; i < 6; i++) {
        const ckpt_bytes result = ckpt_text(i < 3 ? "\"paid\"" : NULL);
        begin();
        CHECK_INT(begin_effect_of(2, "pay"), CKPT_OK);
        CHECK_INT(begin_effect_of(3, "pay"), CKPT_OK);
        fault_plan(&t.fault, FAULT_PUBLISH, 1, unacknowledged[i % 3].when,
                   unacknowledged[i % 3].code);
        CHECK_INT(ckpt_effect_end(&t.run, "pay", result),
                  unacknowledged[i % 3].code);
        fault_plan(&t.fault, FAULT_PUBLISH, 0, FAULT_AFTER, CKPT_OK);
        CHECK_INT(ckpt_effect_end(&t.run, "pay", result), CKPT_OK);
        CHECK_INT(t.fault.count, 1);
        CHECK(effect_is(2, "pay", CKPT_EFFECT_UNCERTAIN));
        CHECK(effect_is(3, "pay", CKPT_EFFECT_ENDED) == (i < 3));
        CHECK_INT(ckpt_effect_end(&t.run, "pay", result), CKPT_OK);
        CHECK(effect_is(2, "pay", CKPT_EFFECT_ENDED) == (i < 3));
        CHECK_INT(ckpt_effect_end(&t.run, "pay", result), CKPT_ERR_NOT_FOUND);
    }
}

// Its caller went on after an end that was not acknowledged, or was refused.
static void an_end_that_is_not_repeated_is_of_the_effect_begun_last(void)
{
    begin();
    CHECK_INT(begin_effect_of(3, "pay"), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("1")), CKPT_ERR_UNSURE);
    CHECK_INT(begin_effect_of(4, "pay"), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("2")), CKPT_OK);
    CHECK(effect_is(4, "pay", CKPT_EFFECT_ENDED));
    CHECK_INT(begin_effect_of(5, "pay"), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("[")), CKPT_ERR_JSON);
    CHECK_INT(begin_effect_of(6, "pay"), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("3")), CKPT_OK);
    CHECK(effect_is(5, "pay", CKPT_EFFECT_UNCERTAIN));
    CHECK(effect_is(6, "pay", CKPT_EFFECT_ENDED));
}

// With its quotes the reason "ok" is as long as null.
static void a_short_reason_stands_in_the_note(void)
{
    ckpt_finish_desc finish;
    ckpt_note_info note;
    memset(&finish, 0, sizeof(finish));
    finish.reason = "ok";
    begin();
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, &finish), CKPT_OK);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
    t.buf[note.message.len] = '\0';
    CHECK(strstr(t.buf, "left: ok.") != NULL);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
    t.buf[note.message.len] = '\0';
    CHECK(strstr(t.buf, "left: ok.") != NULL);
    ckpt_abandon(&t.run);                       // a crash has no reason
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
    t.buf[note.message.len] = '\0';
    CHECK(strstr(t.buf, "left:") == NULL);
}

// What the record says of .once is not known while it must be judged.
static void a_receipt_is_kept_though_the_record_had_to_be_judged_again(void)
{
    ckpt_run_desc d = named("job");
    d.once = true;
    setup();
    CHECK_INT(ckpt_start(&t.ctx, &t.run, &d), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(save(1), CKPT_ERR_UNSURE);
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(1), CKPT_ERR_IO);
    fault_none(&t.fault);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_DONE);
}

// The generation that would say so is a newer one, and whoever resumes from it
// would not learn that an acknowledged save is missing.
static void after_damage_a_run_is_not_interrupted_before_a_load(void)
{
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    fault_none(&t.fault);
    damage();                                   // of turn 2
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, NULL), CKPT_ERR_DAMAGED);
    CHECK(t.run.open);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
}

static void force_takes_no_run_that_has_no_attempt_left(void)
{
    ckpt_run_desc d = named("job");
    ckpt_desc never;
    d.force = true;
    setup();
    CHECK_INT(open_run(&t.ctx2, &t.run2), CKPT_OK);
    CHECK_INT(save_text(&t.run2, 1, "[]"), CKPT_OK);
    memset(&never, 0, sizeof(never));
    never.store = &t.fault.base;
    never.throttle_ms = CKPT_OFF;
    ckpt_desc always = never;
    never.resume_max = CKPT_NEVER;
    CHECK_INT(ckpt_init(&t.ctx, &never), CKPT_OK);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_ERR_EXHAUSTED);
    CHECK_INT(save_text(&t.run2, 2, "[]"), CKPT_OK);    // its owner keeps it
    // What is finished is only removed, and that takes no attempt.
    CHECK_INT(ckpt_init(&t.ctx, &always), CKPT_OK);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    fault_plan_for_ever(&t.fault, FAULT_DROP, 1, FAULT_BEFORE,
                        CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    fault_none(&t.fault);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_init(&t.ctx, &never), CKPT_OK);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_FINISHED);
    CHECK_INT(query(), CKPT_ERR_NOT_FOUND);
}

static void an_id_may_be_that_of_the_run_or_the_info(void)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    begin_crashed();
    CHECK_STR(t.run.id, "job");
    d.id = t.run.id;
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_STR(t.run.id, "job");
    ckpt_abandon(&t.run);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(ckpt_query(&t.ctx, t.info.id, &t.info), CKPT_OK);
    CHECK_STR(t.info.id, "job");
    CHECK_INT(ckpt_verify(&t.ctx, t.info.id, &t.info), CKPT_OK);
    CHECK_STR(t.info.id, "job");
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, t.run.id), CKPT_OK);
    CHECK_INT(query(), CKPT_ERR_NOT_FOUND);
}

static void a_store_that_keeps_nothing_lists_nothing(void)
{
    ckpt_store none = ckpt_store_none();
    ckpt_effect effect;
    ckpt_held held;
    ckpt_desc d;
    setup();
    memset(&d, 0, sizeof(d));
    d.store = &none;
    d.throttle_ms = CKPT_OFF;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(begin_effect_of(1, "pay"), CKPT_OK);
    memset(&effect, 0, sizeof(effect));
    CHECK_INT(ckpt_effect_next(&t.run, &effect), CKPT_END);
    memset(&held, 0, sizeof(held));
    CHECK_INT(ckpt_held_next(&t.run, &held), CKPT_END);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
}

static ckpt_outcome fails(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)user;
    CHECK_INT(ckpt_finish(run, CKPT_FAILED, finish),
              unacknowledged[t.seen].code);
    fault_none(&t.fault);
    t.fallbacks++;
    return CKPT_FAILED;                         // so it is finished once more
}

static void a_damaged_run_that_was_kept_unsurely_is_kept_once_more(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ckpt_recover_info info;
        begin_crashed();
        damage_all();
        t.seen = i;
        t.fallbacks = 0;
        fault_plan(&t.fault, FAULT_PUBLISH, 1, unacknowledged[i].when,
                   unacknowledged[i].code);
        CHECK_INT(recover(fails, 3, &info), CKPT_OK);
        CHECK_INT(t.fallbacks, 1);
        CHECK_INT(info.dead_letters, 1);
        CHECK_INT(ckpt_verify(&t.ctx, "job", &t.info), CKPT_OK);
        CHECK_INT(t.info.state, CKPT_STATE_FAILED);
        CHECK(t.info.lost);
    }
}

static void an_error_is_of_its_own_call(void)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[1");
    begin();
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_JSON);
    CHECK_STR(t.run.error.op, "read .messages");
    CHECK_INT(t.run.error.pos, 2);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(t.run.error.code, CKPT_ERR_JSON); // of the last that failed
    CHECK_INT(ckpt_finish(&t.run, CKPT_RUNNING, NULL), CKPT_ERR_ARGUMENT);
    CHECK_STR(t.run.error.op, "read the outcome");
    CHECK_INT(t.run.error.pos, 0);
    s.messages = ckpt_text("[1");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_JSON);
    fault_plan(&t.fault, FAULT_BEAT, 1, FAULT_BEFORE, CKPT_ERR_CLAIM_LOST);
    t.world.mono_ms += 1000000;
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(t.run.error.pos, 0);
}

//--- Many generations ---------------------------------------------------------

// Generations of epochs 2 to 7, two of each, that are no checkpoints, above
// the good one, and the claims that made them; the last of them stands.
static void add_damaged(void)
{
    for (uint64_t epoch = 2; epoch <= 7; epoch++) {
        for (int i = 0; i < 2; i++) {
            ckpt_gen name = { epoch, 0, 0 };
            unsigned char *bytes = (unsigned char *)calloc(1, 400);
            CHECK(mem_gen_add(&t.world, job(), &name, bytes, 400));
        }
    }
    add_claim(7, NULL);
}

static void more_damaged_generations_than_a_look_shows_are_passed_over(void)
{
    begin_crashed();
    add_damaged();
    CHECK_INT(query(), CKPT_OK);
    CHECK(t.info.older && t.info.turn == 2);
    mem_tick(&t.world, 3600000);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(t.run.epoch, 8);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(save(4), CKPT_OK);
    CHECK_INT(newest()->name.epoch, 8);
    CHECK_INT(newest()->next->name.epoch, 8);
    CHECK(newest()->next->next == NULL);        // all others were removed
}

// Of a run without a whole checkpoint: nobody died above it.
static void the_newest_of_many_damaged_generations_counts(void)
{
    begin_crashed();
    damage_all();
    add_damaged();
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_DAMAGED);
}

static void a_length_that_cannot_be_checked_is_not_damage(void)
{
    begin_crashed();
    forge(newest(), "\"length\":", "\"length\":       999999999");
    // The quick look reads the head and beyond the end, then the other one.
    fault_plan(&t.fault, FAULT_READ, 4, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.fault.hits, 1);
    CHECK_INT(t.info.state, CKPT_STATE_UNREADABLE);
    CHECK_INT(t.info.error.code, CKPT_ERR_IO);
}

// It may be the newer one.
static void a_second_generation_that_cannot_be_read_is_a_doubt(void)
{
    begin_crashed();
    fault_plan_for_ever(&t.fault, FAULT_READ, 2, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_UNREADABLE);
    fault_none(&t.fault);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
}

static void a_seq_at_its_end_is_refused(void)
{
    begin_crashed();
    forge(newest(), "\"seq\":               3", "\"seq\":9007199254740991");
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_TOO_LARGE);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.turn, 2);
}

static void an_epoch_at_its_end_is_refused(void)
{
    ckpt_recover_info info;
    begin_crashed();
    add_claim(CKPT_TURN_MAX, NULL);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_EXHAUSTED);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_EXHAUSTED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.run, "job"), CKPT_ERR_EXHAUSTED);
    CHECK_INT(recover(fallen, 0, &info), CKPT_OK);
    CHECK_INT(info.failed, 1);
    CHECK_INT(t.fallbacks, 0);
    CHECK_INT(job()->claims->epoch, CKPT_TURN_MAX);
}

static void begin_fenced(void)
{
    setup();
    t.mem.base.caps |= CKPT_CAP_FENCED_WRITE;
    t.fault.base.caps |= CKPT_CAP_FENCED_WRITE;
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
}

// Another process takes the run from its owner.
static void take_over(void)
{
    ckpt_run_desc d = named("job");
    d.force = true;
    CHECK_INT(ckpt_resume(&t.ctx2, &t.run2, &d), CKPT_OK);
}

static void a_fenced_store_says_who_lost(void)
{
    begin_fenced();
    CHECK_INT(save(1), CKPT_OK);
    take_over();
    CHECK_INT(save(2), CKPT_ERR_CLAIM_LOST);
    fault_plan(&t.fault, FAULT_ALL, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save(3), CKPT_ERR_CLAIM_LOST);    // without asking again
    CHECK_INT(t.fault.count, 0);
    CHECK_INT(save_text(&t.run2, 5, "[]"), CKPT_OK);
    ckpt_abandon(&t.run);
}

// An owner in a long tool call saves nothing that the store could refuse.
static void a_beat_in_a_fenced_store_says_who_lost(void)
{
    begin_fenced();
    CHECK_INT(save(1), CKPT_OK);
    take_over();
    CHECK(ckpt_beat(&t.run) >= 0);              // no beat is due
    mem_tick(&t.world, 60000);
    CHECK_INT(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST);
    ckpt_abandon(&t.run);
}

static void a_load_in_a_fenced_store_says_who_lost(void)
{
    begin_fenced();
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(save(2), CKPT_OK);
    take_over();
    CHECK_INT(save_text(&t.run2, 3, "[]"), CKPT_OK);
    CHECK_INT(save_text(&t.run2, 4, "[]"), CKPT_OK);
    CHECK_INT(load(), CKPT_ERR_CLAIM_LOST);
    ckpt_abandon(&t.run);
}

// It was valid when it was found, and is not when it is compared.
static ckpt_code read_another_name(ckpt_store *s, void *place,
                                   const ckpt_gen *gen, uint64_t offset,
                                   void *buf, size_t n, size_t *got,
                                   ckpt_error *err)
{
    const ckpt_code rc = fault_read(s, place, gen, offset, buf, n, got, err);
    if (rc == CKPT_OK && n == 6 && *got == 6) {
        memcpy(buf, "xxxx\\u", 6);
    }
    return rc;
}

static void a_name_that_changes_between_two_reads_hangs_nobody(void)
{
    ckpt_save_desc s;
    ckpt_effect e;
    setup();
    ckpt_store_methods methods = *t.fault.base.methods;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&t.run, "xxxxxx", &s, &e), CKPT_OK);
    methods.read = read_another_name;
    t.fault.base.methods = &methods;
    CHECK_INT(ckpt_effect_end(&t.run, "xxxxxx", ckpt_text("1")),
              CKPT_ERR_NOT_FOUND);
    ckpt_abandon(&t.run);
}

static void an_owner_whose_generations_are_gone_is_told_so(void)
{
    setup();
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(save(1), CKPT_ERR_UNSURE);
    while (job()->gens != NULL) {
        mem_gen_remove(&t.world, &job()->gens);
    }
    CHECK_INT(save(2), CKPT_ERR_NOT_FOUND);
    CHECK_INT(save(2), CKPT_ERR_NOT_FOUND);     // and it is not lost
}

// The later owner has removed what the earlier one has to read again.
static void a_fenced_store_says_who_lost_after_an_unsure_save(void)
{
    begin_fenced();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(save(1), CKPT_ERR_UNSURE);
    take_over();
    CHECK_INT(save_text(&t.run2, 2, "[2]"), CKPT_OK);
    CHECK_INT(save_text(&t.run2, 3, "[3]"), CKPT_OK);
    CHECK_INT(save(4), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(save(5), CKPT_ERR_CLAIM_LOST);
}

//--- What comes after a fault -------------------------------------------------

static void a_phase_that_is_done_again_ends_again(void)
{
    begin();
    CHECK(ckpt_phase(&t.run, "step"));
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_NOT_DURABLE);
    CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL),
              CKPT_ERR_NOT_DURABLE);
    CHECK_INT(save(3), CKPT_OK);
    CHECK(ckpt_phase(&t.run, "step"));
    CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.phases, 2);
}

// The caller did not repeat the end, but came back to another effect.
static void an_end_is_of_the_effect_that_was_asked_for_last(void)
{
    begin();
    CHECK_INT(begin_effect_of(2, "pay"), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(begin_effect_of(3, "pay"), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_NOT_DURABLE);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("1")),
              CKPT_ERR_NOT_DURABLE);
    CHECK_INT(begin_effect_of(2, "pay"), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("2")), CKPT_OK);
    CHECK(effect_is(2, "pay", CKPT_EFFECT_ENDED));
    CHECK(effect_is(3, "pay", CKPT_EFFECT_ENDED));
}

// A run of attempt 2 whose interruption stands, and may be lost.
static void begin_given_back(void)
{
    begin_second_attempt();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_NOT_DURABLE);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL),
              CKPT_ERR_NOT_DURABLE);
}

static void an_attempt_that_was_given_back_unsurely_still_counts(void)
{
    begin_given_back();
    CHECK_INT(ckpt_finish(&t.run, CKPT_RETRY, NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.attempt, 2);
    begin_given_back();
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(t.run.attempt, 2);
    CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.attempt, 1);
}

static void an_attempt_counts_though_its_record_was_damaged(void)
{
    begin_crashed();
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(1), CKPT_OK);
    CHECK_INT(t.run.attempt, 1);
    ckpt_abandon(&t.run);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.attempt, 1);
}

// Claims of epochs from 2 on, whose claimants lived and gave up.
static void add_given_up(uint64_t n)
{
    for (uint64_t epoch = 2; epoch < 2 + n; epoch++) {
        add_claim(epoch, NULL);
        job()->claims->gave_up = true;
    }
}

static void what_was_acknowledged_is_read_behind_any_number_of_claims(void)
{
    begin_crashed();
    mem_gen_remove(&t.world, &job()->gens);
    add_given_up(200);
    CHECK_INT(query(), CKPT_OK);
    CHECK(t.info.older);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OLDER);
    begin_crashed();                            // nor does it loop on nothing
    while (job()->gens != NULL) {
        mem_gen_remove(&t.world, &job()->gens);
    }
    add_given_up(200);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_FINISHED);
}

static void claimants_that_gave_up_do_not_use_up_the_fallback(void)
{
    ckpt_recover_info info;
    begin_crashed();
    damage_all();
    add_given_up(9);
    CHECK_INT(recover(fallen, 0, &info), CKPT_OK);
    CHECK_INT(t.fallbacks, 1);
    CHECK_INT(info.dead_letters, 0);
}

static void a_removal_that_failed_is_no_finished_run_for_a_recovery(void)
{
    ckpt_recover_info info;
    begin();
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    ckpt_abandon(&t.run);
    for (int failed = 1; failed >= 0; failed--) {
        fault_plan_for_ever(&t.fault, FAULT_DROP, (unsigned)failed,
                            FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(recover(NULL, 0, &info), CKPT_OK);
        CHECK_INT(info.failed, failed);
        CHECK_INT(info.finished, !failed);
    }
    CHECK(job() == NULL);
}

// Its reason is the shortest there is, shorter than null.
static void a_record_that_is_full_can_be_adopted_and_removed(void)
{
    static char big[SIZE];
    ckpt_note_info note;
    for (int i = 0; i < 2; i++) {
        const ckpt_finish_desc f = { i == 0 ? "" : "x", NULL, false };
        begin();
        CHECK_INT(ckpt_finish(&t.run, CKPT_INTERRUPTED, &f), CKPT_OK);
        CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
        CHECK_INT(save_text(&t.run, 3, "[\"\"]"), CKPT_OK);
        const size_t n = SIZE - (size_t)t.run.checkpoint_size;
        memset(big, 'x', n + 4);
        memcpy(big, "[\"", 2);
        memcpy(big + 2 + n, "\"]", 3);
        CHECK_INT(save_text(&t.run, 3, big), CKPT_OK);
        CHECK_INT(t.run.checkpoint_size, SIZE);
        ckpt_abandon(&t.run);
        CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
        CHECK_INT(t.run.turn, 3);
        CHECK_INT(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_OK);
        CHECK(strstr(t.buf, "Why it was left") == NULL);
        ckpt_abandon(&t.run);
        CHECK_INT(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_OK);
    }
}

// The next save makes the newest file the one before it.
static void a_torn_save_does_not_push_out_the_good_one(void)
{
    begin();
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    damage();
    CHECK_INT(save(4), CKPT_OK);
    CHECK(!t.run.older);
    damage();
    ckpt_abandon(&t.run);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK(t.info.older && t.info.turn == 2);
}

static void after_a_damaged_adopt_two_generations_stand_again(void)
{
    begin_crashed();
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(save(3), CKPT_OK);
    damage();
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
}

// Nothing but its claims stands any more, so nothing can be published.
static void fail_the_next_look(void)
{
    fault_plan(&t.fault, FAULT_LOOK, 1, FAULT_BEFORE, CKPT_ERR_IO);
}

static void an_end_without_room_goes_on_after_a_look_that_failed(void)
{
    for (int i = 0; i < 3; i++) {
        begin();
        t.world.capacity = 1;
        race(FAULT_DROP, 2, fail_the_next_look);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
        CHECK(job()->gens == NULL);
        CHECK_INT(save(3), CKPT_FINISHED);
        t.world.capacity = i == 0 ? 1 : 0;
        if (i == 2) {
            add_claim(2, &t.other);
        }
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL),
                  i == 2 ? CKPT_ERR_CLAIM_LOST : CKPT_OK);
        CHECK(!t.run.open && (job() == NULL) == (i < 2));
    }
}

static void a_damaged_value_is_not_handed_out(void)
{
    ckpt_effect effect;
    size_t size;
    for (int phase = 0; phase < 2; phase++) {
        begin();
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("\"good\""), NULL),
                  CKPT_OK);
        CHECK_INT(ckpt_phase_end(&t.run, "next", ckpt_text("\"last\""), NULL),
                  CKPT_OK);
        CHECK_INT(begin_effect_of(2, "pay"), CKPT_OK);
        CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("\"paid\"")),
                  CKPT_OK);
        memset(&effect, 0, sizeof(effect));
        effect.turn = 2;
        memcpy(effect.id, "pay", 4);
        *find_text(newest(), phase ? "good" : "paid") ^= 1;
        CHECK_INT(phase ? ckpt_phase_output(&t.run, "step", t.buf, 64, &size)
                        : ckpt_effect_result(&t.run, &effect, t.buf, 64, &size),
                  CKPT_ERR_DAMAGED);
        fault_plan(&t.fault, FAULT_PUT, 0, FAULT_BEFORE, CKPT_OK);
        CHECK_INT(save(9), CKPT_ERR_DAMAGED);   // nothing is built on it
        CHECK_INT(t.fault.count, 0);
        CHECK_INT(load(), CKPT_OLDER);          // and it is told what is left
        CHECK_INT(ckpt_phase_output(&t.run, "step", t.buf, 64, &size), CKPT_OK);
        CHECK(size == 6 && memcmp(t.buf, "\"good\"", 6) == 0);
    }
}

static void a_phase_is_looked_up_though_nobody_knows_which_record_stands(void)
{
    begin();
    CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_UNSURE);
    CHECK_INT(save(3), CKPT_ERR_UNSURE);
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(save(3), CKPT_ERR_IO);
    CHECK(!ckpt_phase(&t.run, "step"));
    CHECK(ckpt_phase(&t.run, "step"));
    fault_none(&t.fault);
    CHECK_INT(save(3), CKPT_OK);
}

static int restores(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static int releases(void *user, const ckpt_env *env)
{
    (void)user, (void)env;
    t.seen++;
    return 0;
}

// Its record lists the environment for ever, and nothing can be struck off it.
static void a_run_that_has_ended_releases_nothing(void)
{
    ckpt_finish_desc f;
    ckpt_env_desc d;
    memset(&f, 0, sizeof(f));
    memset(&d, 0, sizeof(d));
    begin();
    d.id = "world";
    d.restore = restores;
    d.release = releases;
    d.run = &t.run;
    f.keep = true;
    CHECK_INT(ckpt_env_init(&t.env, &d), CKPT_OK);
    fault_plan(&t.fault, FAULT_DROP, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_FAILED, &f), CKPT_ERR_IO);
    CHECK_INT(ckpt_env_release(&t.env, NULL), CKPT_FINISHED);
    CHECK_INT(t.seen, 0);
    CHECK(!ckpt_env_released(&t.env));
    CHECK_INT(ckpt_finish(&t.run, CKPT_FAILED, &f), CKPT_OK);
    CHECK_INT(query(), CKPT_OK);
    CHECK_INT(t.info.held, 1);
}

static ckpt_env others[2];
static ckpt_code told_in_event;

static void register_another(void *user, const ckpt_event *event)
{
    ckpt_env_desc d;
    memset(&d, 0, sizeof(d));
    d.id = "other";
    d.restore = restores;
    d.janitor = (ckpt_janitor *)user;
    if (event->kind == CKPT_EVENT_SAVED) {
        told_in_event = ckpt_env_init(&others[1], &d);
    }
}

// The janitor has room for one, and it is taken before the event.
static void an_event_may_register_an_environment(void)
{
    ckpt_env *envs[2] = { NULL, NULL };
    ckpt_janitor janitor;
    ckpt_env_desc d;
    ckpt_desc desc;
    for (int i = 0; i < 2; i++) {
        setup();
        memset(&desc, 0, sizeof(desc));
        desc.store = &t.fault.base;
        desc.event = register_another;
        desc.event_user = &janitor;
        CHECK_INT(ckpt_init(&t.ctx, &desc), CKPT_OK);
        ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
        CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
        memset(&d, 0, sizeof(d));
        d.id = "world";
        d.restore = restores;
        d.run = &t.run;
        d.janitor = &janitor;
        told_in_event = CKPT_OK;
        if (i == 1) {
            fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
            CHECK_INT(ckpt_env_init(&others[0], &d), CKPT_ERR_IO);
            CHECK_INT(janitor.count, 0);        // and the place is free again
        }
        CHECK_INT(ckpt_env_init(&others[0], &d), CKPT_OK);
        CHECK_INT(told_in_event, CKPT_ERR_ARGUMENT);
        fault_plan(&t.fault, FAULT_ENV, 1, FAULT_BEFORE, CKPT_ERR_IO);
        CHECK_INT(ckpt_env_init(&others[0], &d), CKPT_ERR_IO);
        CHECK(janitor.count == 1 && envs[0] == &others[0] && envs[1] == NULL);
        CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);
        ckpt_abandon(&t.run);
    }
}

static void progress_that_stands_unsurely_resets_the_attempts(void)
{
    begin_crashed();
    for (int i = 0; i < 5; i++) {
        CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
        CHECK_INT(t.run.attempt, 1);
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL),
                  CKPT_ERR_UNSURE);
        CHECK_INT(ckpt_phase_end(&t.run, "step", ckpt_text("1"), NULL),
                  CKPT_OK);
        CHECK_INT(t.run.attempt, 0);
        ckpt_abandon(&t.run);
    }
}

static void an_end_without_room_goes_on_after_a_reading(void)
{
    begin();
    t.world.capacity = 1;
    race(FAULT_DROP, 2, fail_the_next_look);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_ERR_IO);
    CHECK_INT(load(), CKPT_ERR_NOT_FOUND);
    CHECK_INT(save(3), CKPT_FINISHED);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK(job() == NULL);
}

// A state must not be saved behind messages that it does not follow.
static void a_second_loss_is_told_too(void)
{
    ckpt_save_desc s;
    begin();
    CHECK_INT(save(3), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    mem_gen_remove(&t.world, &job()->gens);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 3);
    mem_gen_remove(&t.world, &job()->gens);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
    begin();
    CHECK_INT(save(3), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    mem_gen_remove(&t.world, &job()->gens);
    CHECK_INT(load(), CKPT_OLDER);
    mem_gen_remove(&t.world, &job()->gens);
    memset(&s, 0, sizeof(s));
    s.state = ckpt_text("{\"after\":3}");
    CHECK(ckpt_save(&t.run, &s) < 0);
    CHECK(ckpt_save(&t.run, &s) < 0);
    CHECK_INT(load(), CKPT_OLDER);
}

static void a_loss_that_could_not_be_set_aside_is_counted_once(void)
{
    begin();
    CHECK_INT(begin_effect_of(3, "pay"), CKPT_OK);
    damage();
    fault_plan(&t.fault, FAULT_SET_ASIDE, 1, FAULT_BEFORE, CKPT_ERR_IO);
    t.fault.times = 3;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(load(), CKPT_ERR_IO);
    }
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(begin_effect_of(4, "a"), CKPT_OK);
    CHECK(effect_is(4, "a", CKPT_EFFECT_UNCERTAIN));
    ckpt_save_desc s;
    ckpt_effect e;
    memset(&s, 0, sizeof(s));
    s.turn = 5;
    CHECK_INT(ckpt_effect_begin(&t.run, "b", &s, &e), CKPT_OK);
    CHECK_INT(e.state, CKPT_EFFECT_NEW);
}

static void an_entry_that_is_no_entry_any_more_is_judged_again(void)
{
    ckpt_effect effect;
    size_t size;
    begin();
    CHECK_INT(begin_effect_of(2, "pay"), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("1")), CKPT_OK);
    memset(&effect, 0, sizeof(effect));
    effect.turn = 2;
    memcpy(effect.id, "pay", 4);
    find_text(newest(), "{\"turn\":2,")[8] = 'x';
    CHECK_INT(ckpt_effect_result(&t.run, &effect, t.buf, 64, &size),
              CKPT_ERR_DAMAGED);
    fault_plan(&t.fault, FAULT_PUT, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(save(9), CKPT_ERR_DAMAGED);
    CHECK_INT(t.fault.count, 0);
    CHECK_INT(load(), CKPT_OLDER);
}

// Its length was counted anew for each of its characters: that took minutes.
static void a_long_text_is_hashed_in_a_moment(void)
{
    static char text[8 << 20];
    ckpt_run_desc d = named("job");
    ckpt_desc desc;
    setup();
    memset(&desc, 0, sizeof(desc));
    desc.store = &t.mem.base;
    desc.size_max = CKPT_SIZE_MAX;
    CHECK_INT(ckpt_init(&t.ctx, &desc), CKPT_OK);
    memset(text, 'x', sizeof(text) - 1);
    d.meta.fingerprint = text;
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK(!t.run.fingerprint_differs);
    text[0] = 'y';
    ckpt_abandon(&t.run);
    CHECK_INT(ckpt_resume(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK(t.run.fingerprint_differs);
}
