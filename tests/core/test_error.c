// SPDX-License-Identifier: MIT-0
// test_error.c -- errors: each code that a call returns says what it is about,
// in the words of whoever knows best: the store, the check of an argument, or,
// where nobody has named it, the code
#include "strange.h"
#include "test.h"

#define LIST(X)                                                                \
    X(a_finished_run_says_so)                                                  \
    X(an_option_that_is_wrong_is_named)                                        \
    X(an_argument_that_is_wrong_is_named)                                      \
    X(a_closed_run_says_so)                                                    \
    X(a_name_that_is_not_there_says_so)                                        \
    X(an_id_that_is_taken_says_so)                                             \
    X(a_live_run_says_so)                                                      \
    X(a_busy_run_says_so_and_when_to_come_back)                                \
    X(a_claim_that_is_lost_says_so)                                            \
    X(an_exhausted_run_says_so)                                                \
    X(a_failed_run_says_so)                                                    \
    X(a_child_of_fork_is_told_so)                                              \
    X(damage_says_where)                                                       \
    X(a_higher_format_says_so)                                                 \
    X(a_foreign_record_says_so)                                                \
    X(a_checkpoint_that_was_replaced_says_so)                                  \
    X(a_store_that_fails_is_asked_what_it_did)                                 \
    X(a_store_that_does_not_name_what_it_did_is_named)                         \
    X(a_buffer_that_is_too_small_says_so)                                      \
    X(a_checkpoint_that_is_too_large_says_so)                                  \
    X(wrong_json_says_whose_it_is_and_where)                                   \
    X(a_gap_says_so)                                                           \
    X(phases_that_are_too_many_say_so)                                         \
    X(effects_that_are_too_many_say_so)                                        \
    X(environments_that_are_held_say_so)                                       \
    X(an_environment_that_is_not_released_says_so)                             \
    X(what_succeeds_says_nothing)                                              \
    X(an_error_of_a_context_is_of_its_own_call)                                \
    X(an_error_is_one_line_of_text)                                            \
    X(a_live_run_says_who_claimed_it)                                          \
    X(a_text_that_has_no_room_is_cut)                                          \
    X(every_state_has_a_name)                                                  \
    X(what_is_missing_is_refused_and_nothing_crashes)                          \
    X(a_context_that_was_never_initialized_is_refused)                         \
    X(a_run_that_is_open_is_not_opened_again)                                  \
    X(what_was_not_loaded_is_not_written_over)
TEST_SUITE(error, LIST)

static void says(const ckpt_error *e, ckpt_code code, const char *op)
{
    CHECK_INT(e->code, code);
    CHECK_STR(e->op, op);
    CHECK_STR(e->msg, ckpt_code_message(code));
}

static void ctx_says(ckpt_code rc, ckpt_code code, const char *op)
{
    CHECK_INT(rc, code);
    says(ckpt_last_error(&t.ctx), code, op);
}

static void run_says(ckpt_code rc, ckpt_code code, const char *op)
{
    CHECK_INT(rc, code);
    says(&t.run.error, code, op);
}

static ckpt_code finish(ckpt_outcome outcome, bool keep)
{
    ckpt_finish_desc d;
    memset(&d, 0, sizeof(d));
    d.keep = keep;
    return ckpt_finish(&t.run, outcome, &d);
}

static ckpt_code begin_effect(const char *id)
{
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    return ckpt_effect_begin(&t.run, id, &s, &effect);
}

//--- A store that does not name what it did -----------------------------------

static ckpt_code nameless(ckpt_code rc, ckpt_error *err)
{
    if (rc < 0) {
        memset(err, 0, sizeof(*err));
    }
    return rc;
}

static ckpt_code nameless_publish(ckpt_store *s, void *place, ckpt_gen *gen,
                                  ckpt_error *err)
{
    return nameless(fault_publish(s, place, gen, err), err);
}

static ckpt_code nameless_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                               uint64_t offset, void *buf, size_t n,
                               size_t *got, ckpt_error *err)
{
    return nameless(fault_read(s, place, gen, offset, buf, n, got, err), err);
}

static ckpt_code nameless_env(ckpt_store *s, void *place, ckpt_moment *now,
                              ckpt_error *err)
{
    return nameless(fault_env(s, place, now, err), err);
}

static void begin_nameless(void)
{
    begin();
    t.fault.methods.publish = nameless_publish;
    t.fault.methods.read = nameless_read;
    t.fault.methods.env = nameless_env;
}

//--- Arguments ----------------------------------------------------------------

static void an_option_that_is_wrong_is_named(void)
{
    static const char *const says_of[] = {
        "read .store", "read .store",
        "read .store, which is of another version",
        "read .store, which is of another version", "read .throttle_ms",
        "read .every_turns", "read .beat_ms",
        "read .lease_ms, which must be 2 * beat_ms at least",
        "read .lease_ms, which must be 2 * beat_ms at least",
        "read .resume_max", "read .size_max", "read .size_max",
        "read .store, which keeps less than 1 KiB"
    };
    for (int i = 0; i < 13; i++) {
        ckpt_desc d;
        ckpt_store no_methods;
        setup();
        memset(&d, 0, sizeof(d));
        memset(&no_methods, 0, sizeof(no_methods));
        d.store = &t.fault.base;
        switch (i) {
        case 0:  d.store = NULL; break;
        case 1:  d.store = &no_methods; break;
        case 2:  t.fault.methods.version++; break;
        case 3:  t.fault.methods.place_size = CKPT_PLACE_SIZE + 1; break;
        case 4:  d.throttle_ms = -2; break;
        case 5:  d.every_turns = -2; break;
        case 6:  d.beat_ms = -2; break;
        case 7:  d.lease_ms = 9999; break;
        case 8:  d.lease_ms = -1; d.beat_ms = CKPT_OFF; break;
        case 9:  d.resume_max = -3; break;
        case 10: d.size_max = 1023; break;
        case 11: d.size_max = (int64_t)CKPT_SIZE_MAX + 1; break;
        default: t.fault.methods.size_max = 1024; break;
        }
        ctx_says(ckpt_init(&t.ctx, &d), CKPT_ERR_ARGUMENT, says_of[i]);
    }
}

static void an_argument_that_is_wrong_is_named(void)
{
    ckpt_save_desc s;
    ckpt_prune_desc prune;
    ckpt_run_desc d = named("");
    size_t n;
    begin();
    ctx_says(ckpt_open(&t.ctx, &t.run2, &d), CKPT_ERR_ARGUMENT,
             "read the run id");
    ctx_says(ckpt_query(&t.ctx, "", &t.info), CKPT_ERR_ARGUMENT,
             "read the run id");
    ctx_says(ckpt_verify(&t.ctx, NULL, NULL), CKPT_ERR_ARGUMENT,
             "read the run id");
    ctx_says(ckpt_latest(&t.ctx, "", NULL, &t.info), CKPT_ERR_ARGUMENT,
             "read the filters");
    ctx_says(ckpt_stale(&t.ctx, -1, &t.info, 1, &n), CKPT_ERR_ARGUMENT,
             "read the age");
    ctx_says(ckpt_stale(&t.ctx, 1, NULL, 1, &n), CKPT_ERR_ARGUMENT,
             "read infos");
    memset(&prune, 0, sizeof(prune));
    ctx_says(ckpt_prune(&t.ctx, &t.run2, &prune, NULL), CKPT_ERR_ARGUMENT,
             "read .age_ms");
    prune.age_ms = 1;
    prune.states = CKPT_STATE_LIVE;
    ctx_says(ckpt_prune(&t.ctx, &t.run2, &prune, NULL), CKPT_ERR_ARGUMENT,
             "read .states");
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = CKPT_TURN_MAX + 1;
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_ARGUMENT, "read .turn");
    s.turn = 3;
    s.append_at = 1;
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_ARGUMENT, "read .append_at");
    run_says(finish(CKPT_DONE, false), CKPT_ERR_ARGUMENT, "read the outcome");
    run_says(begin_effect(""), CKPT_ERR_ARGUMENT, "read the id of an effect");
    run_says(ckpt_phase_end(&t.run, "", ckpt_text("1"), NULL),
             CKPT_ERR_ARGUMENT, "read the arguments");
}

static void wrong_json_says_whose_it_is_and_where(void)
{
    char deep[2 * CKPT_DEPTH_MAX + 8];
    ckpt_save_desc s;
    begin();
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[1,]");
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_JSON, "read .messages");
    CHECK_INT(t.run.error.pos, 3);
    s.messages = ckpt_text("[1]");
    s.state = ckpt_text("{\"a\":\"\xff\"}");
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_UTF8, "read .state");
    CHECK_INT(t.run.error.pos, 6);
    memset(deep, '[', CKPT_DEPTH_MAX + 1);
    memset(deep + CKPT_DEPTH_MAX + 1, ']', CKPT_DEPTH_MAX + 1);
    deep[2 * CKPT_DEPTH_MAX + 2] = '\0';
    run_says(ckpt_phase_end(&t.run, "p", ckpt_text(deep), NULL), CKPT_ERR_DEPTH,
             "read the output of a phase");
    CHECK_INT(begin_effect("pay"), CKPT_OK);
    run_says(ckpt_effect_end(&t.run, "pay", ckpt_text("paid")), CKPT_ERR_JSON,
             "read a result (for text see ckpt_effect_end_text)");
    CHECK_INT(ckpt_effect_end(&t.run, "pay", ckpt_text("1")), CKPT_OK);
}

static void a_gap_says_so(void)
{
    ckpt_save_desc s;
    begin();
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[1]");
    s.append_at = 2;
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_GAP, "read .messages");
}

static void a_buffer_that_is_too_small_says_so(void)
{
    begin();
    run_says(ckpt_load(&t.run, &t.last, t.buf, 1), CKPT_ERR_BUFFER,
             "fill the caller's buffer");
}

static void a_checkpoint_that_is_too_large_says_so(void)
{
    static char large[SIZE + 8];
    begin();
    memset(large, ' ', sizeof(large) - 1);
    run_says(save_text(&t.run, 3, large), CKPT_ERR_TOO_LARGE,
             "measure a checkpoint");
}

//--- What a run is ------------------------------------------------------------

static void a_finished_run_says_so(void)
{
    ckpt_run_desc d = named("job");
    setup();
    d.once = true;
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    CHECK_INT(finish(CKPT_COMPLETED, false), CKPT_OK);
    ctx_says(open_run(&t.ctx, &t.run), CKPT_FINISHED, "use the run");
    run_says(save(1), CKPT_FINISHED, "use the run");
}

static void a_closed_run_says_so(void)
{
    setup();
    run_says(save(1), CKPT_ERR_CLOSED, "use the run");
}

static void a_name_that_is_not_there_says_so(void)
{
    size_t n;
    ckpt_note_info note;
    setup();
    ctx_says(resume(&t.ctx, &t.run), CKPT_ERR_NOT_FOUND, "open run");
    ctx_says(query(), CKPT_ERR_NOT_FOUND, "open run");
    begin();
    run_says(ckpt_effect_end(&t.run, "e", ckpt_text("1")), CKPT_ERR_NOT_FOUND,
             "look for a name");
    run_says(ckpt_phase_output(&t.run, "p", t.buf, sizeof(t.buf), &n),
             CKPT_ERR_NOT_FOUND, "look for a name");
    run_says(ckpt_note(&t.run, &note, t.buf, sizeof(t.buf)), CKPT_ERR_NOT_FOUND,
             "note a resume");
}

static void an_id_that_is_taken_says_so(void)
{
    begin();
    CHECK_INT(begin_effect("e"), CKPT_OK);
    run_says(begin_effect("e"), CKPT_ERR_EXISTS,
             "begin an effect: each call of a turn needs its own id");
    ckpt_abandon(&t.run);
    ctx_says(start(), CKPT_ERR_EXISTS, "claim the run");
}

static void a_live_run_says_so(void)
{
    begin();
    ctx_says(open_run(&t.ctx, &t.run2), CKPT_ERR_LIVE, "claim the run");
}

static void a_busy_run_says_so_and_when_to_come_back(void)
{
    begin_crashed();
    t.lies = true;
    t.life.verdict = CKPT_LIFE_UNKNOWN;
    t.life.beat_ms = t.world.mono_ms + 100000;
    ctx_says(open_run(&t.ctx, &t.run), CKPT_ERR_BUSY, "claim the run");
    CHECK(ckpt_last_error(&t.ctx)->wait_ms > 0);
}

static void a_claim_that_is_lost_says_so(void)
{
    ckpt_run_desc d = named("job");
    begin();
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 3;
    s.messages = ckpt_text("[1, 2]");
    s.state = ckpt_text("{\"a\":1}");
    d.force = true;
    CHECK_INT(ckpt_open(&t.ctx2, &t.run2, &d), CKPT_OK);
    run_says(ckpt_save(&t.run, &s), CKPT_ERR_CLAIM_LOST,
             "look whether the claim stands");
    CHECK_INT(t.run.error.pos, 0);              // nothing is wrong with these
    run_says(save(3), CKPT_ERR_CLAIM_LOST, "look whether the claim stands");
    run_says(ckpt_beat(&t.run), CKPT_ERR_CLAIM_LOST,
             "look whether the claim stands");
}

static void an_exhausted_run_says_so(void)
{
    setup_with(CKPT_NEVER);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    ckpt_abandon(&t.run);
    ctx_says(open_run(&t.ctx, &t.run), CKPT_ERR_EXHAUSTED, "claim the run");
}

static void a_failed_run_says_so(void)
{
    begin();
    CHECK_INT(finish(CKPT_FAILED, true), CKPT_OK);
    ctx_says(open_run(&t.ctx, &t.run), CKPT_ERR_FAILED, "claim the run");
}

static void a_child_of_fork_is_told_so(void)
{
    begin_nameless();
    fault_plan(&t.fault, FAULT_ENV, 1, FAULT_BEFORE, CKPT_ERR_FORKED);
    run_says(load(), CKPT_ERR_FORKED, "use the run");
}

static void damage_says_where(void)
{
    begin_crashed();
    damage_all();
    ctx_says(open_run(&t.ctx, &t.run), CKPT_ERR_DAMAGED, "read a checkpoint");
    CHECK(ckpt_last_error(&t.ctx)->pos > 0);
    CHECK_INT(query(), CKPT_OK);
    says(&t.info.error, CKPT_ERR_DAMAGED, "read a checkpoint");
    ctx_says(ckpt_verify(&t.ctx, "job", &t.info), CKPT_ERR_DAMAGED,
             "read a checkpoint");
}

static void a_higher_format_says_so(void)
{
    begin_crashed();
    memcpy(find_text(newest(), "1,\"crc\""), "2,\"sum\"", 7);
    ctx_says(open_run(&t.ctx, &t.run), CKPT_ERR_FORMAT, "read a checkpoint");
}

static void a_foreign_record_says_so(void)
{
    const ckpt_run_desc d = named("jib");
    begin_crashed();
    memcpy(job()->id, "jib", 4);
    ctx_says(ckpt_open(&t.ctx, &t.run, &d), CKPT_ERR_FOREIGN,
             "read a checkpoint");
}

static void a_checkpoint_that_was_replaced_says_so(void)
{
    size_t n;
    begin_nameless();
    CHECK_INT(ckpt_phase_end(&t.run, "p", ckpt_text("1"), NULL), CKPT_OK);
    fault_plan(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_STALE);
    run_says(ckpt_phase_output(&t.run, "p", t.buf, sizeof(t.buf), &n),
             CKPT_ERR_STALE, "read a checkpoint");
}

//--- The store ----------------------------------------------------------------

static const struct {
    ckpt_code   code;
    const char *op;             // if the store does not name it
} of_the_store[] = {
    { CKPT_ERR_IO, "call the store" },
    { CKPT_ERR_NO_SPACE, "call the store" },
    { CKPT_ERR_ACCESS, "call the store" },
    { CKPT_ERR_RESOURCE, "call the store" },
    { CKPT_ERR_UNSAFE, "call the store" },
    { CKPT_ERR_UNSUITABLE, "call the store" },
    { CKPT_ERR_UNSURE, "save a checkpoint" },
    { CKPT_ERR_NOT_DURABLE, "save a checkpoint" }
};

enum { OF_THE_STORE = sizeof(of_the_store) / sizeof(of_the_store[0]) };

static void a_store_that_fails_is_asked_what_it_did(void)
{
    for (int i = 0; i < OF_THE_STORE; i++) {
        begin();
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE,
                   of_the_store[i].code);
        run_says(save(3), of_the_store[i].code, "injected fault");
        fault_plan(&t.fault, FAULT_OPEN, 1, FAULT_BEFORE, of_the_store[i].code);
        ctx_says(open_run(&t.ctx, &t.run2), of_the_store[i].code,
                 "injected fault");
    }
}

static void a_store_that_does_not_name_what_it_did_is_named(void)
{
    for (int i = 0; i < OF_THE_STORE; i++) {
        begin_nameless();
        fault_plan(&t.fault, FAULT_PUBLISH, 1, FAULT_BEFORE,
                   of_the_store[i].code);
        run_says(save(3), of_the_store[i].code, of_the_store[i].op);
    }
}

//--- Limits -------------------------------------------------------------------

static void phases_that_are_too_many_say_so(void)
{
    begin();
    for (int i = 0; i < CKPT_PHASES_MAX; i++) {
        CHECK_INT(ckpt_phase_end(&t.run, "p", ckpt_text("1"), NULL), CKPT_OK);
    }
    run_says(ckpt_phase_end(&t.run, "p", ckpt_text("1"), NULL),
             CKPT_ERR_PHASES, "save a checkpoint");
}

static void effects_that_are_too_many_say_so(void)
{
    char id[16];
    begin();
    for (int i = 0; i < CKPT_EFFECTS_MAX; i++) {
        snprintf(id, sizeof(id), "call_%d", i);
        CHECK_INT(begin_effect(id), CKPT_OK);
    }
    run_says(begin_effect("one_more"), CKPT_ERR_EFFECTS, "save a checkpoint");
}

//--- Environments -------------------------------------------------------------

static struct {
    ckpt_env    *envs[1];
    ckpt_janitor janitor;
    ckpt_error   heard;
} e;

static int restore_nothing(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static int release_fails(void *user, const ckpt_env *env)
{
    (void)user, (void)env;
    return 7;
}

static void hear(void *user, const ckpt_event *event)
{
    (void)user;
    if (event->error != NULL) {
        e.heard = *event->error;
    }
}

static ckpt_code hold(void)
{
    ckpt_env_desc d;
    memset(&d, 0, sizeof(d));
    d.id = "world";
    d.restore = restore_nothing;
    d.release = release_fails;
    d.run = &t.run;
    d.janitor = &e.janitor;
    return ckpt_env_init(&t.env, &d);
}

static void environments_that_are_held_say_so(void)
{
    begin();
    ckpt_janitor_init(&e.janitor, e.envs, 1, hear, NULL);
    CHECK_INT(hold(), CKPT_OK);
    run_says(finish(CKPT_COMPLETED, false), CKPT_ERR_HELD,
             "look at the environments");
    ckpt_abandon(&t.run);
    ctx_says(ckpt_remove(&t.ctx, &t.run, "job"), CKPT_ERR_HELD,
             "look at the environments");
}

static void an_environment_that_is_not_released_says_so(void)
{
    begin();
    ckpt_janitor_init(&e.janitor, e.envs, 1, hear, NULL);
    CHECK_INT(hold(), CKPT_OK);
    memset(&e.heard, 0, sizeof(e.heard));
    CHECK_INT(ckpt_janitor_sweep(&e.janitor, NULL), 1);
    says(&e.heard, CKPT_ERR_IO, "release an environment");
    CHECK_INT(e.heard.sys, 7);
}

//--- Which call an error is of ------------------------------------------------

static bool any(void *user, const ckpt_run_info *info)
{
    (void)user, (void)info;
    return true;
}

static bool none_more(void *user, const ckpt_run_info *info)
{
    (void)user;
    CHECK_INT(info->state, CKPT_STATE_DAMAGED);
    return false;
}

static void what_succeeds_says_nothing(void)
{
    setup();
    says(ckpt_last_error(&t.ctx), CKPT_OK, "");
    ctx_says(query(), CKPT_ERR_NOT_FOUND, "open run");
    CHECK_INT(open_run(&t.ctx2, &t.run2), CKPT_OK);
    ctx_says(query(), CKPT_OK, "");
    begin_crashed();
    damage_all();
    ctx_says(ckpt_scan(&t.ctx, 0, none_more, NULL), CKPT_OK, "");
    CHECK_INT(ckpt_last_error(&t.ctx)->pos, 0);
}

static void an_error_of_a_context_is_of_its_own_call(void)
{
    begin();
    fault_plan(&t.fault, FAULT_OPEN, 1, FAULT_BEFORE, CKPT_ERR_IO);
    ctx_says(open_run(&t.ctx, &t.run2), CKPT_ERR_IO, "injected fault");
    ctx_says(ckpt_query(&t.ctx, "", &t.info), CKPT_ERR_ARGUMENT,
             "read the run id");
    a_busy_run_says_so_and_when_to_come_back();
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    ctx_says(ckpt_scan(&t.ctx, 0, any, NULL), CKPT_ERR_IO, "injected fault");
    CHECK_INT(ckpt_last_error(&t.ctx)->wait_ms, 0);
}

//--- In words -----------------------------------------------------------------

static bool reads(const ckpt_error *error, const char *text)
{
    char buf[640];
    return CHECK_STR(ckpt_error_text(error, buf, sizeof(buf)), text);
}

static void an_error_is_one_line_of_text(void)
{
    ckpt_error made;
    begin();
    CHECK_INT(save_text(&t.run, 3, "[1"), CKPT_ERR_JSON);
    reads(&t.run.error, "run \"job\": read .messages: wrong JSON; messages "
                        "must be an array, the state an object; at byte 2");
    CHECK_INT(ckpt_query(&t.ctx, "no\n\xff", &t.info), CKPT_ERR_NOT_FOUND);
    reads(ckpt_last_error(&t.ctx), "run \"no\\n\xef\xbf\xbd\": open run: "
                                   "there is nothing of that name");
    memset(&made, 0, sizeof(made));
    reads(&made, "success");
    made.op = "";
    reads(&made, "success");
    made.code = CKPT_ERR_NO_SPACE;
    made.sys = 28;
    made.op = "write a checkpoint";
    reads(&made, "write a checkpoint: no space left, or a limit; make room, "
                 "try again; errno 28");
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_prune(&t.ctx, &t.run2, &(ckpt_prune_desc){ .age_ms = 1 },
                         NULL), CKPT_ERR_IO);
    CHECK(ckpt_last_error(&t.ctx)->id == NULL);     // it is of no run
}

static void a_live_run_says_who_claimed_it(void)
{
    const ckpt_error *said = ckpt_last_error(&t.ctx2);
    ckpt_desc d;
    begin();
    ckpt_abandon(&t.run);
    memset(&d, 0, sizeof(d));
    d.store = &t.fault.base;
    d.owner = "worker \"3\"";
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(resume(&t.ctx2, &t.run2), CKPT_ERR_LIVE);
    CHECK(said->owner != NULL && strstr(said->owner, "worker \"3\"") != NULL);
    reads(said, "run \"job\": claim the run: another process has it; force "
                "only if it hangs; claimed by \"worker \\\"3\\\"\"");
    ckpt_abandon(&t.run);
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_CLAIM_LOST);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_ERR_LIVE);
    CHECK(ckpt_last_error(&t.ctx)->owner == NULL);      // not the one before
    add_claim(3, NULL);
    add_claim(4, NULL);
    add_claim(5, NULL);
    add_claim(6, NULL);
    CHECK_INT(resume(&t.ctx2, &t.run2), CKPT_ERR_BUSY);
    reads(said, "run \"job\": claim the run: it is changing or in doubt; try "
                "again later; wait_ms 2000");
}

static void a_text_that_has_no_room_is_cut(void)
{
    char buf[640], cut[640];
    begin();
    CHECK_INT(save_text(&t.run, 3, "[1"), CKPT_ERR_JSON);
    const size_t n = strlen(ckpt_error_text(&t.run.error, buf, sizeof(buf)));
    CHECK(ckpt_error_text(&t.run.error, cut, 0) == cut);
    for (size_t cap = 1; cap <= n + 1; cap++) {
        memset(cut, 'x', sizeof(cut));
        const size_t k = strlen(ckpt_error_text(&t.run.error, cut, cap));
        CHECK(k < cap && memcmp(cut, buf, k) == 0 && cut[cap] == 'x');
        CHECK(cap <= n || k == n);
    }
}

static void every_state_has_a_name(void)
{
    static const char *const names[] = {
        "live", "stalled", "interrupted", "exhausted", "finished", "damaged",
        "newer", "unreadable", "foreign", "busy", "failed", "done"
    };
    for (unsigned i = 0; i < 12; i++) {
        CHECK_STR(ckpt_state_name((ckpt_run_state)(1 << i)), names[i]);
    }
    CHECK_INT(CKPT_STATE_ALL, (1 << 12) - 1);
    CHECK_STR(ckpt_state_name((ckpt_run_state)0), "");
    CHECK_STR(ckpt_state_name(CKPT_STATE_ALL), "");
    CHECK_STR(ckpt_state_name((ckpt_run_state)(1 << 12)), "");
}

static void what_is_missing_is_refused_and_nothing_crashes(void)
{
    const ckpt_run_desc none = named(NULL), job_desc = named("job");
    const ckpt_prune_desc prune = { .age_ms = 1 };
    ckpt_message message = { .number = 0 };
    ckpt_recover_desc r;
    ckpt_cursor cursor;
    ckpt_effect call;
    ckpt_held held;
    size_t n;
    begin();
    memset(&r, 0, sizeof(r));
    memset(&cursor, 0, sizeof(cursor));
    memset(&call, 0, sizeof(call));
    memset(&held, 0, sizeof(held));
#define REFUSED(call) CHECK_INT(call, CKPT_ERR_ARGUMENT)
    REFUSED(ckpt_init(NULL, NULL));
    REFUSED(ckpt_init(&t.ctx2, NULL));
    REFUSED(ckpt_open(NULL, &t.run2, &job_desc));
    REFUSED(ckpt_open(&t.ctx, NULL, &job_desc));
    REFUSED(ckpt_open(&t.ctx, &t.run2, NULL));
    REFUSED(ckpt_open(&t.ctx, &t.run2, &none));
    REFUSED(ckpt_start(&t.ctx, &t.run2, NULL));
    REFUSED(ckpt_start(&t.ctx, NULL, &job_desc));
    REFUSED(ckpt_resume(&t.ctx, &t.run2, NULL));
    REFUSED(ckpt_resume(&t.ctx, NULL, &job_desc));
    REFUSED(ckpt_message_next(&t.run, NULL, t.buf, 9));
    REFUSED(ckpt_message_next(NULL, &message, t.buf, 9));
    REFUSED(ckpt_verify(NULL, "job", NULL));
    REFUSED(ckpt_resume_next(&t.ctx, NULL, &cursor));
    REFUSED(ckpt_prune(&t.ctx, NULL, &prune, NULL));
    REFUSED(ckpt_env_init(&t.env, NULL));
    REFUSED(ckpt_execute(&t.ctx, &t.run2, &job_desc, NULL, NULL));
    REFUSED(ckpt_load(NULL, &t.last, t.buf, 9));
    REFUSED(ckpt_load(&t.run, NULL, t.buf, 9));
    CHECK_INT(ckpt_load(&t.run, &t.last, NULL, 9999), CKPT_ERR_BUFFER);
    CHECK(!ckpt_due(NULL, 1) && ckpt_phase(NULL, "a"));
    CHECK(ckpt_phase(&t.run, NULL));
    REFUSED(ckpt_save(&t.run, NULL));
    REFUSED(ckpt_save(NULL, NULL));
    REFUSED(ckpt_beat(NULL));
    REFUSED(ckpt_finish(NULL, CKPT_COMPLETED, NULL));
    ckpt_abandon(NULL);
    REFUSED(ckpt_phase_output(&t.run, NULL, t.buf, 9, &n));
    REFUSED(ckpt_phase_output(&t.run, "a", t.buf, 9, NULL));
    REFUSED(ckpt_phase_end(&t.run, NULL, ckpt_text("1"), NULL));
    REFUSED(ckpt_effect_begin(&t.run, "a", NULL, &call));
    REFUSED(ckpt_effect_begin(&t.run, NULL, NULL, NULL));
    REFUSED(ckpt_effect_end(&t.run, NULL, ckpt_text("1")));
    REFUSED(ckpt_effect_end(NULL, "a", ckpt_text("1")));
    REFUSED(ckpt_effect_result(&t.run, NULL, t.buf, 9, &n));
    REFUSED(ckpt_effect_result(&t.run, &call, t.buf, 9, NULL));
    REFUSED(ckpt_effect_next(&t.run, NULL));
    REFUSED(ckpt_note(&t.run, NULL, t.buf, 9));
    REFUSED(ckpt_query(&t.ctx, NULL, &t.info));
    REFUSED(ckpt_query(&t.ctx, "job", NULL));
    REFUSED(ckpt_scan(&t.ctx, 0, NULL, NULL));
    REFUSED(ckpt_verify(&t.ctx, NULL, NULL));
    REFUSED(ckpt_latest(&t.ctx, "a", "b", NULL));
    REFUSED(ckpt_stale(&t.ctx, 1, NULL, 0, NULL));
    REFUSED(ckpt_resume_next(&t.ctx, &t.run2, NULL));
    REFUSED(ckpt_recover(&t.ctx, &t.run2, NULL, NULL));
    REFUSED(ckpt_recover(&t.ctx, &t.run2, &r, NULL));   // no function
    REFUSED(ckpt_remove(&t.ctx, &t.run2, NULL));
    REFUSED(ckpt_remove(&t.ctx, NULL, "job"));
    REFUSED(ckpt_retry(&t.ctx, NULL, "job"));
    REFUSED(ckpt_prune(&t.ctx, &t.run2, NULL, NULL));
    REFUSED(ckpt_sweep(&t.ctx, NULL, NULL));
    REFUSED(ckpt_env_init(NULL, NULL));
    REFUSED(ckpt_env_release(NULL, NULL));
    CHECK(ckpt_env_released(NULL));
    CHECK_INT(ckpt_env_restore(NULL, NULL, NULL, NULL), CKPT_ERR_RELEASED);
    REFUSED(ckpt_held_next(&t.run, NULL));
    REFUSED(ckpt_held_timestep(&t.run, NULL, t.buf, 9, &n));
#undef REFUSED
    CHECK_INT(save(3), CKPT_OK);                // and the run is as it was
}

static void a_context_that_was_never_initialized_is_refused(void)
{
    static ckpt_ctx zeroed;
    const ckpt_run_desc d = named("job");
    setup();
    CHECK_INT(ckpt_open(&zeroed, &t.run, &d), CKPT_ERR_ARGUMENT);
    CHECK_STR(ckpt_last_error(&zeroed)->op,
              "use a context that was never initialized");
    CHECK_INT(ckpt_query(&zeroed, "job", &t.info), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_sweep(&zeroed, &t.run, NULL), CKPT_ERR_ARGUMENT);
}

static void a_run_that_is_open_is_not_opened_again(void)
{
    const ckpt_run_desc d = named("other");
    begin();
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_ERR_ARGUMENT);
    CHECK_STR(ckpt_last_error(&t.ctx)->op,
              "use a run that is open: finish it first");
    CHECK_INT(recover(NULL, 0, NULL), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_remove(&t.ctx, &t.run, "other"), CKPT_ERR_ARGUMENT);
    CHECK_INT(save(3), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
    memset(&t.run2, 0xa5, sizeof(t.run2));      // what was never zeroed is new
    CHECK_INT(open_run(&t.ctx, &t.run2), CKPT_OK);
}

// That is how transcripts are lost: a program that forgets to load begins with
// an empty one, and saves it.
static void what_was_not_loaded_is_not_written_over(void)
{
    ckpt_save_desc s;
    ckpt_effect call;
    begin();
    memset(&s, 0, sizeof(s));
    s.turn = 3;
    s.state = ckpt_text("{\"n\":1}");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    s.state = ckpt_text(NULL);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);  // neither messages nor state
    s.messages = ckpt_text("[1]");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    says(&t.run.error, CKPT_ERR_NOT_LOADED, "save over what was not loaded");
    s.append_at = 1;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    CHECK_INT(ckpt_effect_begin(&t.run, "a", &s, &call), CKPT_ERR_NOT_LOADED);
    CHECK_INT(ckpt_phase_end(&t.run, "a", ckpt_text("1"), &s),
              CKPT_ERR_NOT_LOADED);
    CHECK_INT(ckpt_load(&t.run, &t.last, t.buf, 9), CKPT_ERR_BUFFER);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    s.anew = true;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    s.anew = false;
    s.append_at = 2;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);  // they are ours now
    s.append_at = 0;
    s.state = ckpt_text("{}");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    setup();                                    // there is nothing to load
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
}
