// SPDX-License-Identifier: MIT-0
// test_job.c -- the small opening: a store, a context and a run in one
#define _POSIX_C_SOURCE 200809L
#include "ckpt_store_fs.h"
#include "store_fault.h"
#include "store_mem.h"
#include "temp_dir.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <pthread.h>

#define LIST(X)                                                                \
    X(a_job_is_done_once)                                                      \
    X(a_job_that_was_killed_goes_on_where_it_was)                              \
    X(a_buffer_that_is_too_small_costs_no_attempt)                             \
    X(a_job_without_a_buffer_loads_by_itself)                                  \
    X(a_job_without_an_id_takes_what_was_interrupted)                          \
    X(a_job_without_an_id_takes_no_run_of_another_agent)                       \
    X(a_job_that_cannot_be_opened_leaves_nothing_open)                         \
    X(a_job_waits_until_a_run_is_not_busy)                                     \
    X(a_job_does_not_wait_longer_than_it_is_told)                              \
    X(a_job_may_have_any_store)                                                \
    X(a_job_that_could_not_load_hides_no_loss)                                 \
    X(a_run_that_cannot_be_claimed_does_not_hide_the_next)                     \
    X(whatever_is_wrong_with_one_run_another_is_resumed)                       \
    X(of_several_runs_the_one_left_longest_ago_is_taken)                       \
    X(eight_runs_that_cannot_be_resumed_are_enough)                            \
    X(a_signal_ends_the_sleep)                                                 \
    X(a_job_does_not_wait_for_what_is_known_to_last_longer)                    \
    X(a_read_that_fails_at_any_moment_costs_no_attempt)                        \
    X(an_error_of_the_store_uses_up_no_attempts)                               \
    X(an_agent_of_a_longer_name_is_another_one)                                \
    X(a_job_that_is_open_is_not_opened_again)                                  \
    X(a_job_says_what_went_wrong_and_where)                                    \
    X(a_thread_beats_under_the_callers_lock_while_another_saves)
TEST_SUITE(job, LIST)

static struct {
    ckpt_job        job, other;
    ckpt_job_desc   desc;
    ckpt_checkpoint last;
    ckpt_run_info   info;
    mem_world       world;
    store_mem       mem;
    store_fault     fault;
    char            dir[256], buf[4096], text[640];
} t;

static bool setup(void)
{
    memset(&t, 0, sizeof(t));
    t.desc.dir = t.dir;
    t.desc.id = "job";
    t.desc.buf = t.buf;
    t.desc.cap = sizeof(t.buf);
    return CHECK(temp_dir_make(t.dir, sizeof(t.dir), "job"));
}

static void teardown(void)
{
    ckpt_job_close(&t.job);
    ckpt_job_close(&t.other);
    mem_world_free(&t.world);
    (void)temp_dir_remove(t.dir);
}

static ckpt_code open_job(void)
{
    return ckpt_job_open(&t.job, &t.desc, &t.last);
}

static ckpt_code save(uint64_t turn, const char *messages)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.turn = turn;
    s.messages = ckpt_text(messages);
    s.force = true;
    return ckpt_save(&t.job.run, &s);
}

static ckpt_code complete(void)
{
    return ckpt_finish(&t.job.run, CKPT_COMPLETED, NULL);
}

static void a_job_is_done_once(void)
{
    if (!setup()) {
        return;
    }
    t.desc.once = true;
    memset(&t.last, 0xa5, sizeof(t.last));
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.open && t.job.run.open && !t.job.run.resumed);
    CHECK(t.last.turn == 0 && t.last.messages.ptr == NULL);
    CHECK_INT(save(1, "[1]"), CKPT_OK);
    CHECK_INT(complete(), CKPT_OK);
    ckpt_job_close(&t.job);
    ckpt_job_close(&t.job);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(open_job(), CKPT_FINISHED);
        CHECK(!t.job.open && !ckpt_phase(&t.job.run, "plan"));
        CHECK_INT(save(2, "[2]"), CKPT_FINISHED);
    }
    teardown();
}

static void a_job_that_was_killed_goes_on_where_it_was(void)
{
    if (!setup()) {
        return;
    }
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(3, "[\"said\"]"), CKPT_OK);
    ckpt_job_close(&t.job);                     // as a kill would leave it
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.run.resumed && t.job.run.attempt == 1);
    CHECK_INT(t.last.turn, 3);
    CHECK(t.last.messages.len == 8 &&
          memcmp(t.last.messages.ptr, "[\"said\"]", 8) == 0);
    CHECK_INT(save(4, "[]"), CKPT_OK);          // it counts as loaded
    CHECK_INT(complete(), CKPT_OK);
    teardown();
}

static void a_buffer_that_is_too_small_costs_no_attempt(void)
{
    if (!setup()) {
        return;
    }
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(3, "[1]"), CKPT_OK);
    ckpt_job_close(&t.job);
    for (int i = 0; i < 5; i++) {
        t.desc.cap = 100;
        CHECK_INT(open_job(), CKPT_ERR_BUFFER);
        CHECK(!t.job.open && t.job.needed > 100);
        CHECK_STR(ckpt_job_error(&t.job, t.text, sizeof(t.text)),
                  "run \"job\": fill the caller's buffer: the caller's buffer "
                  "is too small; bytes needed: 591");
    }
    t.desc.cap = t.job.needed;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(t.job.run.attempt, 1);
    CHECK_INT(t.last.turn, 3);
    teardown();
}

static void a_job_without_a_buffer_loads_by_itself(void)
{
    if (!setup()) {
        return;
    }
    t.desc.buf = NULL;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(3, "[1]"), CKPT_OK);
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.run.resumed && t.last.turn == 0);
    CHECK_INT(save(4, "[]"), CKPT_ERR_NOT_LOADED);
    CHECK_INT(ckpt_load(&t.job.run, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    teardown();
}

static void a_job_without_an_id_takes_what_was_interrupted(void)
{
    char first[CKPT_ID_MAX + 1], second[CKPT_ID_MAX + 1];
    if (!setup()) {
        return;
    }
    t.desc.id = NULL;
    CHECK_INT(open_job(), CKPT_OK);
    memcpy(first, t.job.run.id, sizeof(first));
    CHECK(strlen(first) == 36 && strncmp(first, "run-", 4) == 0);
    CHECK_INT(ckpt_job_open(&t.other, &t.desc, &t.last), CKPT_OK);
    memcpy(second, t.other.run.id, sizeof(second));
    CHECK(!t.other.run.resumed && strcmp(first, second) != 0);
    CHECK_INT(save(2, "[2]"), CKPT_OK);
    ckpt_job_close(&t.job);                     // the other one lives
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_STR(t.job.run.id, first);
    CHECK(t.job.run.resumed && t.last.turn == 2);
    ckpt_job_close(&t.job);
    t.desc.id = t.job.run.id;                   // which lies in the job
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_STR(t.job.run.id, first);
    t.desc.id = NULL;
    CHECK_INT(complete(), CKPT_OK);
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_OK);             // nothing is interrupted
    CHECK(!t.job.run.resumed && strcmp(t.job.run.id, first) != 0);
    teardown();
}

static void a_job_without_an_id_takes_no_run_of_another_agent(void)
{
    char first[CKPT_ID_MAX + 1];
    if (!setup()) {
        return;
    }
    t.desc.id = NULL;
    t.desc.meta.agent_id = "clerk";
    CHECK_INT(open_job(), CKPT_OK);
    memcpy(first, t.job.run.id, sizeof(first));
    ckpt_job_close(&t.job);
    t.desc.meta.agent_id = "cook";
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(!t.job.run.resumed);
    ckpt_job_close(&t.job);
    t.desc.meta.agent_id = "clerk";
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.run.resumed);
    CHECK_STR(t.job.run.id, first);
    teardown();
}

static int descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 200; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void a_job_that_cannot_be_opened_leaves_nothing_open(void)
{
    const ckpt_desc wrong = { .throttle_ms = -7 };
    if (!setup()) {
        return;
    }
    const int before = descriptors();
    t.desc.id = "";
    CHECK_INT(open_job(), CKPT_ERR_ARGUMENT);
    memset(t.text, 'x', CKPT_ID_MAX + 1);
    t.text[CKPT_ID_MAX + 1] = '\0';
    t.desc.id = t.text;
    CHECK_INT(open_job(), CKPT_ERR_ARGUMENT);
    t.desc.id = "job";
    t.desc.options = &wrong;
    CHECK_INT(open_job(), CKPT_ERR_ARGUMENT);
    CHECK_STR(t.job.error.op, "read .throttle_ms");
    t.desc.options = NULL;
    t.desc.dir = NULL;
    CHECK_INT(open_job(), CKPT_ERR_ARGUMENT);
    t.desc.dir = "/nowhere/at/all";
    CHECK_INT(open_job(), CKPT_ERR_NOT_FOUND);
    t.desc.dir = t.dir;
    CHECK_INT(ckpt_job_open(&t.other, &t.desc, &t.last), CKPT_OK);
    CHECK_INT(open_job(), CKPT_ERR_LIVE);
    ckpt_job_close(&t.other);
    CHECK_INT(descriptors(), before);
    CHECK_INT(ckpt_job_open(NULL, &t.desc, &t.last), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_job_open(&t.job, NULL, &t.last), CKPT_ERR_ARGUMENT);
    CHECK_INT(ckpt_job_open(&t.job, &t.desc, NULL), CKPT_ERR_ARGUMENT);
    ckpt_job_close(NULL);
    teardown();
}

// The run is replaced again and again, and then it is not.
static void setup_busy(uint32_t times)
{
    CHECK(setup());
    mem_world_init(&t.world);
    store_mem_init(&t.mem, &t.world);
    store_fault_init(&t.fault, &t.mem.base);
    t.desc.store = &t.fault.base;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(1, "[1]"), CKPT_OK);
    ckpt_job_close(&t.job);
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_STALE);
    t.fault.times = times;
}

static void a_job_waits_until_a_run_is_not_busy(void)
{
    setup_busy(8);
    CHECK_INT(open_job(), CKPT_OK);             // after two waits
    CHECK_INT(t.fault.hits, 8);
    CHECK_INT(t.last.turn, 1);
    ckpt_job_close(&t.job);
    teardown();
}

static void a_job_does_not_wait_longer_than_it_is_told(void)
{
    setup_busy(1000);
    t.desc.wait_ms = CKPT_OFF;
    CHECK_INT(open_job(), CKPT_ERR_BUSY);
    CHECK_INT(t.fault.hits, 4);
    t.desc.wait_ms = 250;
    CHECK_INT(open_job(), CKPT_ERR_BUSY);
    CHECK_INT(t.fault.hits, 16);
    CHECK(!t.job.open);
    teardown();
}

static void a_job_may_have_any_store(void)
{
    const ckpt_desc options = { .resume_max = 1 };
    setup_busy(0);
    t.desc.dir = NULL;
    t.desc.options = &options;
    t.desc.owner = "me";
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.run.resumed);
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_ERR_EXHAUSTED);
    CHECK_INT(ckpt_query(&t.job.ctx, "job", &t.info), CKPT_OK);
    CHECK(strstr(t.info.owner, "me") != NULL);
    teardown();
}

// The newest save is damaged, and the buffer is too small at first.
static void a_job_that_could_not_load_hides_no_loss(void)
{
    setup_busy(0);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(2, "[2]"), CKPT_OK);
    ckpt_job_close(&t.job);
    t.world.runs->gens->bytes[t.world.runs->gens->size - 2] ^= 1;
    t.desc.cap = 100;
    CHECK_INT(open_job(), CKPT_ERR_BUFFER);
    t.desc.cap = sizeof(t.buf);
    CHECK_INT(open_job(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 1);
    teardown();
}

// Two interrupted runs, of which the older one is given.
static void setup_two(char older[CKPT_ID_MAX + 1])
{
    CHECK(setup());
    mem_world_init(&t.world);
    store_mem_init(&t.mem, &t.world);
    store_fault_init(&t.fault, &t.mem.base);
    t.desc.store = &t.fault.base;
    t.desc.id = "older";
    CHECK_INT(open_job(), CKPT_OK);
    memcpy(older, t.job.run.id, CKPT_ID_MAX + 1);
    ckpt_job_close(&t.job);
    mem_tick(&t.world, 1000);
    t.desc.id = "newer";
    CHECK_INT(open_job(), CKPT_OK);
    ckpt_job_close(&t.job);
    t.desc.id = NULL;
}

static void a_run_that_cannot_be_claimed_does_not_hide_the_next(void)
{
    char older[CKPT_ID_MAX + 1];
    setup_two(older);
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_ACCESS);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_STR(t.job.run.id, "newer");
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_STR(t.job.run.id, older);
    teardown();
}

static void whatever_is_wrong_with_one_run_another_is_resumed(void)
{
    static const ckpt_code codes[] = {
        CKPT_FINISHED, CKPT_ERR_NOT_FOUND, CKPT_ERR_LIVE, CKPT_ERR_BUSY,
        CKPT_ERR_EXISTS, CKPT_ERR_EXHAUSTED, CKPT_ERR_FAILED, CKPT_ERR_DAMAGED,
        CKPT_ERR_FORMAT, CKPT_ERR_FOREIGN, CKPT_ERR_TOO_LARGE
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char older[CKPT_ID_MAX + 1];
        setup_two(older);
        fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, codes[i]);
        CHECK_INT(open_job(), CKPT_OK);
        CHECK(t.job.run.resumed);
        CHECK_STR(t.job.run.id, "newer");
        teardown();
    }
}

static void of_several_runs_the_one_left_longest_ago_is_taken(void)
{
    char older[CKPT_ID_MAX + 1];
    setup_two(older);
    mem_tick(&t.world, 1000);
    t.desc.id = "older";                        // now it is the younger one
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(ckpt_beat(&t.job.run), CKPT_OK);
    ckpt_job_close(&t.job);
    t.desc.id = NULL;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_STR(t.job.run.id, "newer");
    teardown();
}

static void eight_runs_that_cannot_be_resumed_are_enough(void)
{
    char id[] = "a";
    setup_busy(0);
    for (; id[0] < 'j'; id[0]++) {
        t.desc.id = id;
        CHECK_INT(open_job(), CKPT_OK);
        ckpt_job_close(&t.job);
    }
    t.desc.id = NULL;
    fault_plan(&t.fault, FAULT_CLAIM, 1, FAULT_BEFORE, CKPT_ERR_LIVE);
    t.fault.times = 8;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(!t.job.run.resumed);
    ckpt_job_close(&t.job);
    fault_plan(&t.fault, FAULT_LIST, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(open_job(), CKPT_ERR_IO);
    teardown();
}

static void on_alarm(int number)
{
    (void)number;
}

static void a_signal_ends_the_sleep(void)
{
    struct sigaction action, before;
    const struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
    setup_busy(1000000);
    t.desc.wait_ms = 3600000;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_alarm;
    CHECK(sigaction(SIGALRM, &action, &before) == 0);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    CHECK_INT(open_job(), CKPT_ERR_BUSY);
    CHECK(sigaction(SIGALRM, &before, NULL) == 0);
    teardown();
}

// Four claimants crashed: the store knows that it takes two seconds.
static void a_job_does_not_wait_for_what_is_known_to_last_longer(void)
{
    setup_busy(0);
    for (uint64_t epoch = 2; epoch < 6; epoch++) {
        mem_claim *claim = (mem_claim *)calloc(1, sizeof(*claim));
        claim->epoch = epoch;
        claim->beat_ms = t.world.mono_ms;
        claim->next = t.world.runs->claims;
        t.world.runs->claims = claim;
    }
    t.desc.wait_ms = 1900;
    CHECK_INT(open_job(), CKPT_ERR_BUSY);
    CHECK_INT(t.job.error.wait_ms, 2000);
    teardown();
}

static void a_read_that_fails_at_any_moment_costs_no_attempt(void)
{
    unsigned failed = 0;
    for (uint32_t at = 1; at < 20; at++) {
        setup_busy(0);
        fault_plan(&t.fault, FAULT_READ, at, FAULT_BEFORE, CKPT_ERR_IO);
        const ckpt_code rc = open_job();
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_IO);
        CHECK(t.job.open == (rc == CKPT_OK) && t.job.needed == 0);
        failed += rc != CKPT_OK;
        ckpt_job_close(&t.job);
        fault_none(&t.fault);
        CHECK_INT(open_job(), CKPT_OK);
        CHECK(t.job.run.attempt == (rc == CKPT_OK ? 2 : 1));
        teardown();
    }
    CHECK(failed > 2);
}

static void an_error_of_the_store_uses_up_no_attempts(void)
{
    char older[CKPT_ID_MAX + 1];
    setup_two(older);
    fault_plan_for_ever(&t.fault, FAULT_PUBLISH, 1, FAULT_AFTER,
                        CKPT_ERR_NOT_DURABLE);
    CHECK_INT(open_job(), CKPT_ERR_NOT_DURABLE);
    CHECK_INT(t.fault.hits, 1);                 // of one run, and once
    fault_none(&t.fault);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.job.run.resumed);
    teardown();
}

static void an_agent_of_a_longer_name_is_another_one(void)
{
    char name[CKPT_NAME_MAX + 2];
    if (!setup()) {
        return;
    }
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    t.desc.id = NULL;
    t.desc.meta.agent_id = name;
    CHECK_INT(open_job(), CKPT_OK);
    ckpt_job_close(&t.job);
    name[CKPT_NAME_MAX] = '\0';
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(!t.job.run.resumed);
    teardown();
}

static void a_job_that_is_open_is_not_opened_again(void)
{
    if (!setup()) {
        return;
    }
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(1, "{"), CKPT_ERR_JSON);
    CHECK_INT(open_job(), CKPT_ERR_ARGUMENT);
    char text[200];
    CHECK_STR(ckpt_job_error(&t.job, text, sizeof(text)),
              "open a job that is open: an argument is missing, wrong or out "
              "of range");
    CHECK_INT(save(1, "[1]"), CKPT_OK);
    teardown();
}

static void a_job_says_what_went_wrong_and_where(void)
{
    if (!setup()) {
        return;
    }
    t.desc.owner = "worker-3";
    CHECK_INT(ckpt_job_open(&t.other, &t.desc, &t.last), CKPT_OK);
    CHECK_INT(open_job(), CKPT_ERR_LIVE);
    (void)ckpt_job_error(&t.job, t.text, sizeof(t.text));
    CHECK(strstr(t.text, "run \"job\": claim the run: another process has it")
          == t.text && strstr(t.text, "worker-3") != NULL);
    ckpt_job_close(&t.other);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(save(1, "{}"), CKPT_ERR_JSON);
    (void)ckpt_job_error(&t.job, t.text, sizeof(t.text));
    CHECK(strstr(t.text, "run \"job\": read .messages: wrong JSON") == t.text);
    t.desc.dir = "/nowhere/at/all";
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_ERR_NOT_FOUND);
    (void)ckpt_job_error(&t.job, t.text, sizeof(t.text));
    CHECK(strstr(t.text, "there is nothing of that name; errno 2") != NULL);
    teardown();
}

// Two threads, one run, and one lock around each call on the run.
typedef struct beats {
    ckpt_run       *run;
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    bool            end;
    int             beaten, failed;
} beats;

static void *beat_on(void *user)
{
    beats *b = user;
    pthread_mutex_lock(&b->lock);
    while (!b->end) {
        b->failed += ckpt_beat(b->run) != CKPT_OK;
        b->beaten++;
        pthread_cond_signal(&b->changed);
        pthread_mutex_unlock(&b->lock);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static void a_thread_beats_under_the_callers_lock_while_another_saves(void)
{
    const ckpt_desc every = { .throttle_ms = CKPT_OFF, .beat_ms = CKPT_OFF };
    beats           b = { .run = &t.job.run };
    pthread_t       thread;
    char            messages[32];
    if (!setup()) {
        return;
    }
    t.desc.options = &every;
    CHECK_INT(open_job(), CKPT_OK);
    CHECK_INT(pthread_mutex_init(&b.lock, NULL), 0);
    CHECK_INT(pthread_cond_init(&b.changed, NULL), 0);
    if (CHECK_INT(pthread_create(&thread, NULL, beat_on, &b), 0)) {
        for (int i = 1; i <= 20; i++) {
            snprintf(messages, sizeof(messages), "[%d]", i);
            pthread_mutex_lock(&b.lock);
            for (int n = b.beaten; b.beaten == n; ) {
                pthread_cond_wait(&b.changed, &b.lock);
            }
            CHECK_INT(save((uint64_t)i, messages), CKPT_OK);
            pthread_mutex_unlock(&b.lock);
        }
        pthread_mutex_lock(&b.lock);
        b.end = true;
        pthread_mutex_unlock(&b.lock);
        CHECK_INT(pthread_join(thread, NULL), 0);
    }
    pthread_cond_destroy(&b.changed);
    pthread_mutex_destroy(&b.lock);
    CHECK_INT(b.failed, 0);
    CHECK(b.beaten >= 20 && t.job.run.beats >= 40);     // a save beats, too
    CHECK_INT(t.job.run.saves, 20);
    ckpt_job_close(&t.job);
    CHECK_INT(open_job(), CKPT_OK);
    CHECK(t.last.turn == 20 && t.last.messages.len == 4 &&
          memcmp(t.last.messages.ptr, "[20]", 4) == 0);
    teardown();
}
