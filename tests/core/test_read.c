// SPDX-License-Identifier: MIT-0
// test_read.c -- what can be read of a run: its messages one by one, and the
// checkpoint of a run that another process has, or that has ended
#include "strange.h"
#include "test.h"

#define LIST(X)                                                                \
    X(messages_are_read_one_by_one)                                            \
    X(a_message_that_has_no_room_can_be_read_again)                            \
    X(a_walk_over_messages_ends_when_the_run_is_saved)                         \
    X(a_walk_over_damaged_messages_never_ends_well)                            \
    X(a_walk_that_ends_too_early_is_damaged)                                   \
    X(a_walk_to_its_end_counts_as_a_load)                                      \
    X(a_run_without_messages_has_no_message)                                   \
    X(white_space_between_messages_is_no_damage)                               \
    X(a_message_that_cannot_be_read_is_no_damage)                              \
    X(after_a_loss_a_walk_is_a_load)                                           \
    X(a_walk_does_not_load_the_state)                                          \
    X(peek_reads_what_another_process_saves)                                   \
    X(peek_reads_what_was_kept)                                                \
    X(peek_says_what_is_missing_and_changes_nothing)                           \
    X(peek_reads_again_what_was_saved_meanwhile)                               \
    X(peek_has_a_code_for_what_it_cannot_read)
TEST_SUITE(read, LIST)

//--- Messages -----------------------------------------------------------------

static ckpt_message message;

static ckpt_code next(size_t cap)
{
    return ckpt_message_next(&t.run, &message, t.buf, cap);
}

static bool next_is(const char *json)
{
    return CHECK_INT(next(sizeof(t.buf)), CKPT_OK) &&
           CHECK_INT(message.json.len, strlen(json)) &&
           CHECK(memcmp(message.json.ptr, json, strlen(json)) == 0);
}

static void begin_with(const char *messages)
{
    begin();
    CHECK_INT(save_text(&t.run, 3, messages), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    memset(&message, 0, sizeof(message));
}

static void messages_are_read_one_by_one(void)
{
    begin_with("[{\"a\":[1,2]},\"b,]\",3,null]");
    next_is("{\"a\":[1,2]}");
    CHECK_INT(message.number, 1);
    next_is("\"b,]\"");
    next_is("3");
    next_is("null");
    CHECK_INT(message.number, 4);
    CHECK_INT(next(0), CKPT_END);
    CHECK_INT(next(0), CKPT_END);
}

static void a_message_that_has_no_room_can_be_read_again(void)
{
    begin_with("[1,\"a longer one\",3]");
    next_is("1");
    CHECK_INT(next(13), CKPT_ERR_BUFFER);
    CHECK_INT(message.size, 14);
    CHECK_INT(message.number, 1);
    CHECK_INT(ckpt_message_next(&t.run, &message, NULL, 99), CKPT_ERR_BUFFER);
    next_is("\"a longer one\"");
    next_is("3");
    CHECK_INT(next(0), CKPT_END);
}

static void a_walk_over_messages_ends_when_the_run_is_saved(void)
{
    begin_with("[1,2]");
    next_is("1");
    CHECK_INT(save_text(&t.run, 4, "[1,2,3]"), CKPT_OK);
    CHECK_INT(next(99), CKPT_ERR_STALE);
    memset(&message, 0, sizeof(message));
    next_is("1");
    next_is("2");
    next_is("3");
    CHECK_INT(next(0), CKPT_END);
}

static void a_walk_over_damaged_messages_never_ends_well(void)
{
    for (int i = 0; i < 3; i++) {
        begin_with("[\"one\",\"two\",\"three\"]");
        next_is("\"one\"");
        if (i == 0) {
            *find_text(newest(), "one") = 'O';  // read already, and no more
            next_is("\"two\"");
            next_is("\"three\"");
            CHECK_INT(next(99), CKPT_END);
            continue;
        }
        *find_text(newest(), i == 1 ? "two" : ",\"two") = i == 1 ? 'T' : '"';
        if (i == 1) {
            next_is("\"Two\"");
        }
        CHECK_INT(next(99), CKPT_ERR_DAMAGED);
        CHECK_INT(save(5), CKPT_ERR_DAMAGED);
        CHECK_INT(load(), CKPT_OLDER);
    }
}

// The last message ends before its time.
static void a_walk_that_ends_too_early_is_damaged(void)
{
    begin_with("[\"a\",\"b1\"]");
    next_is("\"a\"");
    memcpy(find_text(newest(), "\"b1\""), "1,12", 4);
    CHECK_INT(next(99), CKPT_ERR_DAMAGED);
}

static void a_walk_to_its_end_counts_as_a_load(void)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.turn = 4;
    s.messages = ckpt_text("[9]");
    begin_with("[1,2]");
    next_is("1");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    next_is("2");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    CHECK_INT(next(99), CKPT_END);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
}

static void a_run_without_messages_has_no_message(void)
{
    ckpt_store none = ckpt_store_none();
    ckpt_desc d;
    begin_with("[]");
    CHECK_INT(next(99), CKPT_END);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(next(99), CKPT_ERR_CLOSED);
    memset(&d, 0, sizeof(d));
    d.store = &none;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    CHECK_INT(open_run(&t.ctx, &t.run), CKPT_OK);
    CHECK_INT(next(99), CKPT_ERR_NOT_FOUND);
}

//--- Peek ---------------------------------------------------------------------

static ckpt_code peek(const char *id)
{
    return ckpt_peek(&t.ctx2, id, &t.info, &t.last, t.buf, sizeof(t.buf));
}

static bool has(const char *messages)
{
    return t.last.messages.len == strlen(messages) &&
           memcmp(t.last.messages.ptr, messages, strlen(messages)) == 0;
}

static void peek_reads_what_another_process_saves(void)
{
    begin();
    for (uint64_t turn = 3; turn < 6; turn++) {
        CHECK_INT(save_text(&t.run, turn, turn == 4 ? "[4]" : "[\"odd\"]"),
                  CKPT_OK);
        CHECK_INT(peek("job"), CKPT_OK);
        CHECK(t.info.state == CKPT_STATE_LIVE && t.last.turn == turn);
        CHECK(has(turn == 4 ? "[4]" : "[\"odd\"]"));
    }
    CHECK_INT(ckpt_peek(&t.ctx2, "job", &t.info, &t.last, t.buf, 10),
              CKPT_ERR_BUFFER);
    CHECK_INT(t.info.size, t.run.checkpoint_size);
    CHECK_INT(ckpt_peek(&t.ctx2, "job", &t.info, &t.last, t.buf,
                        (size_t)t.info.size), CKPT_OK);
    CHECK_INT(save(6), CKPT_OK);                // its owner noticed nothing
}

static void peek_reads_what_was_kept(void)
{
    ckpt_run_desc d = named("job");
    ckpt_finish_desc f = { "no more", NULL, true };
    for (int failed = 0; failed < 2; failed++) {
        setup();
        d.once = true;
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &d), CKPT_OK);
        CHECK_INT(save_text(&t.run, 7, "[\"the result\"]"), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, failed ? CKPT_FAILED : CKPT_COMPLETED,
                              &f), CKPT_OK);
        CHECK_INT(peek("job"), CKPT_OK);
        CHECK_INT(t.info.state, failed ? CKPT_STATE_FAILED : CKPT_STATE_DONE);
        CHECK_INT(t.last.outcome, failed ? CKPT_DEAD : CKPT_DONE);
        CHECK(has("[\"the result\"]"));
        CHECK_STR(t.last.reason, "no more");
    }
}

static void peek_says_what_is_missing_and_changes_nothing(void)
{
    begin_crashed();
    damage();
    fault_plan(&t.fault, FAULT_WRITES, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_OLDER);
    CHECK_INT(t.fault.count, 0);
    CHECK(t.info.older && t.last.turn == 1);
}

static void save_once_more(void)
{
    CHECK_INT(save_text(&t.run2, 8, "[8]"), CKPT_OK);
    CHECK_INT(save_text(&t.run2, 9, "[9]"), CKPT_OK);
}

static void peek_reads_again_what_was_saved_meanwhile(void)
{
    for (uint32_t at = 1; at < 8; at++) {
        setup();
        CHECK_INT(open_run(&t.ctx2, &t.run2), CKPT_OK);
        CHECK_INT(save_text(&t.run2, 1, "[1]"), CKPT_OK);
        race(FAULT_READ, at, save_once_more);
        CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                            sizeof(t.buf)), CKPT_OK);
        CHECK(has(t.last.turn == 9 ? "[9]" : "[1]"));
        CHECK_INT(t.info.turn, t.last.turn);
    }
}

static void peek_has_a_code_for_what_it_cannot_read(void)
{
    begin_crashed();
    CHECK_INT(peek("nobody"), CKPT_ERR_NOT_FOUND);
    CHECK_INT(peek(""), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_peek(&t.ctx2, "job", NULL, &t.last, t.buf, 9),
              CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_peek(&t.ctx2, "job", &t.info, NULL, t.buf, 9),
              CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_peek(&t.ctx2, "job", &t.info, &t.last, NULL, 9999),
              CKPT_ERR_BUFFER);
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_ERR_IO);
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_STALE);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_ERR_BUSY);
    fault_plan(&t.fault, FAULT_OPEN, 2, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_ERR_IO);
    fault_plan(&t.fault, FAULT_OPEN | FAULT_READ, 0, FAULT_BEFORE, CKPT_OK);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_OK);
    fault_plan(&t.fault, FAULT_READ, t.fault.count - 2, FAULT_BEFORE,
               CKPT_ERR_STALE);
    CHECK_INT(ckpt_peek(&t.ctx, "job", &t.info, &t.last, t.buf,
                        sizeof(t.buf)), CKPT_OK);       // read again
    fault_none(&t.fault);
    damage_all();
    CHECK_INT(peek("job"), CKPT_ERR_DAMAGED);
    CHECK_INT(t.info.state, CKPT_STATE_DAMAGED);
    CHECK(t.last.messages.ptr == NULL);
}

//--- More of messages ---------------------------------------------------------

static void white_space_between_messages_is_no_damage(void)
{
    begin_with("[ \"a\", \"b\" ,\n\t{ \"c\": 1 }\n]");
    next_is("\"a\"");
    next_is("\"b\"");
    next_is("{ \"c\": 1 }");
    CHECK_INT(next(0), CKPT_END);
}

static void a_message_that_cannot_be_read_is_no_damage(void)
{
    begin_with("[1]");
    fault_plan_for_ever(&t.fault, FAULT_READ, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(next(99), CKPT_ERR_IO);
    fault_none(&t.fault);
    next_is("1");
    CHECK_INT(next(0), CKPT_END);
}

static void change_second(uint64_t offset, char *buf, size_t *got)
{
    (void)offset;
    if (*got == 3 && memcmp(buf, "\"b\"", 3) == 0) {
        buf[1] = 'B';
    }
}

static void after_a_loss_a_walk_is_a_load(void)
{
    begin_with("[1]");
    damage();
    CHECK_INT(save(4), CKPT_ERR_DAMAGED);
    next_is("1");
    CHECK_INT(next(0), CKPT_END);
    CHECK(t.run.older);
    CHECK_INT(save(4), CKPT_OK);
    begin_with("[\"a\",\"b\"]");
    next_is("\"a\"");
    t.change = change_second;                   // and the first one was right
    CHECK_INT(next(99), CKPT_ERR_STALE);
}

static void a_walk_does_not_load_the_state(void)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    begin();
    s.turn = 3;
    s.state = ckpt_text("{\"money\":1}");
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK_INT(resume(&t.ctx, &t.run), CKPT_OK);
    memset(&message, 0, sizeof(message));
    while (next(99) == CKPT_OK) {}
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_ERR_NOT_LOADED);
    s.anew = true;
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    s.anew = false;                             // it is ours now
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
}
