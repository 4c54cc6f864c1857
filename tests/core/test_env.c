// SPDX-License-Identifier: MIT-0
// test_env.c -- environments, the janitor, and what a run holds
//
// Ids in comments name the behaviour or the test of the source systems that a
// test stands for (A.., AT.., AS.., AF..).
#define _GNU_SOURCE                     // MAP_ANONYMOUS

#include "examples/workspace.h"
#include "ckpt_store_fs.h"
#include "store_fault.h"
#include "store_mem.h"
#include "temp_dir.h"
#include "test.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(restore_gives_the_environment_and_the_stored_timestep)                   \
    X(a_timestep_is_given_back_with_its_white_space)                           \
    X(restore_gives_a_new_environment_each_time)                               \
    X(a_failed_restore_is_passed_through_and_can_be_repeated)                  \
    X(release_calls_the_function_once)                                         \
    X(restore_after_release_is_refused_without_a_call)                         \
    X(an_environment_without_a_release_function_is_released)                   \
    X(step_counts_are_kept_over_a_resume_whatever_they_are)                    \
    X(a_timestep_is_kept_byte_for_byte)                                        \
    X(wrong_descriptions_are_refused)                                          \
    X(a_zeroed_environment_is_released)                                        \
    X(a_failed_release_leaves_it_unreleased_and_registered)                    \
    X(a_release_is_not_entered_from_within)                                    \
    X(a_sweep_from_within_a_release_calls_it_once)                             \
    X(a_janitor_registers_until_the_release)                                   \
    X(an_environment_is_registered_once)                                       \
    X(a_registered_environment_is_not_overwritten)                             \
    X(a_full_janitor_takes_what_it_has)                                        \
    X(an_environment_is_not_described_while_it_is_released)                    \
    X(entries_may_vanish_during_a_sweep)                                       \
    X(a_sweep_tries_every_release_and_names_failures)                          \
    X(a_sweep_marks_everything_released)                                       \
    X(a_full_janitor_refuses)                                                  \
    X(janitors_know_nothing_of_each_other)                                     \
    X(a_janitor_is_shared_by_threads_under_a_lock)                             \
    X(three_calls_touch_a_janitor_and_no_other)                                \
    X(it_is_held_before_it_is_made_and_struck_off_when_released)               \
    X(a_run_is_not_finished_while_it_holds)                                    \
    X(a_dead_letter_keeps_what_is_held)                                        \
    X(a_run_of_once_is_not_done_while_it_holds)                                \
    X(a_run_that_is_done_takes_no_environment)                                 \
    X(a_run_that_holds_is_not_removed)                                         \
    X(a_resume_takes_over_what_is_held)                                        \
    X(ids_of_any_text_are_found_again)                                         \
    X(a_run_holds_so_many_and_no_more)                                         \
    X(whoever_lost_the_claim_releases_nothing)                                 \
    X(whoever_lost_the_claim_releases_nothing_in_a_fenced_store)               \
    X(a_sweep_after_a_lost_claim_releases_nothing)                             \
    X(an_environment_of_a_closed_run_is_not_released)                          \
    X(an_environment_does_not_pass_to_another_run)                             \
    X(a_forked_child_releases_nothing)                                         \
    X(a_strike_that_failed_can_be_repeated)                                    \
    X(a_timestep_that_no_checkpoint_can_hold_is_refused)                       \
    X(a_hold_that_failed_holds_nothing)                                        \
    X(a_hold_that_is_not_durable_is_saved_again)                               \
    X(a_strike_that_is_not_durable_is_saved_again)                             \
    X(what_is_held_no_longer_is_released_without_a_save)                       \
    X(a_hold_after_a_change_that_was_unsure_is_written)                        \
    X(a_walk_of_what_is_held_may_release)                                      \
    X(a_kill_at_any_call_leaks_nothing)                                        \
    X(a_workspace_checkpoint_has_files_and_metadata)                           \
    X(a_checkpoint_of_no_workspace_fails)                                      \
    X(restored_workspaces_are_independent)                                     \
    X(a_released_workspace_is_gone_and_may_be_gone_before)                     \
    X(a_half_made_workspace_is_no_checkpoint_and_is_swept)                     \
    X(an_id_that_is_a_path_makes_no_workspace)
TEST_SUITE(env, LIST)

enum { ENVS = 8 };

// An environment of nothing: counts calls, and fails if told to.
typedef struct fake {
    int           restores, releases;
    int           fail;                 // what the next calls return
    ckpt_env     *again;                // to release it from within
    ckpt_janitor *sweep;                // to sweep from within
    ckpt_code     entered, restored;    // what came of it
} fake;

static int fake_restore(void *user, const ckpt_env *env, void *out)
{
    fake *f = (fake *)user;
    (void)env;
    f->restores++;
    if (f->fail == 0) {
        *(int *)out = f->restores;
    }
    return f->fail;
}

static int fake_release(void *user, const ckpt_env *env)
{
    fake *f = (fake *)user;
    (void)env;
    f->releases++;
    if (f->again != NULL) {
        int out;
        f->entered = ckpt_env_release(f->again, NULL);
        f->restored = ckpt_env_restore(f->again, &out, NULL, NULL);
    }
    if (f->sweep != NULL) {
        (void)ckpt_janitor_sweep(f->sweep, NULL);
    }
    return f->fail;
}

static ckpt_code fake_init(ckpt_env *env, fake *f, const char *id,
                           ckpt_run *run, ckpt_janitor *janitor)
{
    return ckpt_env_init(env, &(ckpt_env_desc){
        .id = id, .restore = fake_restore, .release = fake_release, .user = f,
        .run = run, .janitor = janitor
    });
}

// Two processes over one store in memory.
typedef struct side {
    store_mem   mem;
    store_fault fault;
    ckpt_ctx    ctx;
    ckpt_run    run;
} side;

typedef struct sides {
    mem_world world;
    side      a, b;
} sides;

static void side_init(side *s, mem_world *world)
{
    store_mem_init(&s->mem, world);
    store_fault_init(&s->fault, &s->mem.base);
    memset(&s->run, 0, sizeof(s->run));
    CHECK_INT(ckpt_init(&s->ctx, &(ckpt_desc){
        .store = &s->fault.base, .resume_max = CKPT_UNLIMITED
    }), CKPT_OK);
}

static sides *begin(void)
{
    static sides s;
    mem_world_init(&s.world);
    side_init(&s.a, &s.world);
    side_init(&s.b, &s.world);
    CHECK_INT(ckpt_start(&s.a.ctx, &s.a.run, &(ckpt_run_desc){ .id = "r" }),
              CKPT_OK);
    return &s;
}

static void end(sides *s)
{
    ckpt_abandon(&s->a.run);
    ckpt_abandon(&s->b.run);
    mem_world_free(&s->world);
}

static ckpt_code resume(sides *s, side *by)
{
    mem_tick(&s->world, 3600 * 1000 + 1);       // a dead claimant is forgotten
    return ckpt_resume(&by->ctx, &by->run, &(ckpt_run_desc){ .id = "r" });
}

static int count_held(ckpt_run *run)
{
    ckpt_held held = { .at = 0 };
    ckpt_code rc;
    int n = 0;
    while ((rc = ckpt_held_next(run, &held)) == CKPT_OK) {
        n++;
    }
    CHECK_INT(rc, CKPT_END);
    return n;
}

//--- Restore and release ------------------------------------------------------

// AT1 A05 A06 A07: the timestep is the very bytes that were given.
static void restore_gives_the_environment_and_the_stored_timestep(void)
{
    static const char timestep[] = "{\"reward\":1}";
    fake       f = { 0 };
    ckpt_env   env;
    ckpt_bytes got = { NULL, 0 };
    int        out = 0, failure = -1;
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "e", .restore = fake_restore, .user = &f,
        .timestep = ckpt_text(timestep)
    }), CKPT_OK);
    CHECK(!ckpt_env_released(&env));                    // A03
    CHECK_INT(ckpt_env_restore(&env, &out, &got, &failure), CKPT_OK);
    CHECK_INT(out, 1);
    CHECK_INT(failure, 0);
    CHECK(got.ptr == timestep && got.len == strlen(timestep));
    CHECK(env.timestep.ptr == timestep);                // AT8
}

// A05: with the white space around it, which only a run leaves out
static void a_timestep_is_given_back_with_its_white_space(void)
{
    static const char timestep[] = " \t{\"reward\":1}\r\n ";
    sides     *s = begin();
    fake       f = { 0 };
    ckpt_env   env;
    ckpt_bytes got = { NULL, 0 };
    char       held[32];
    size_t     size = 0;
    int        out = 0;
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "e", .restore = fake_restore, .user = &f, .run = &s->a.run,
        .timestep = { timestep, sizeof(timestep) - 1 }
    }), CKPT_OK);
    CHECK(env.timestep.ptr == timestep);
    CHECK_INT(env.timestep.len, sizeof(timestep) - 1);
    CHECK_INT(ckpt_env_restore(&env, &out, &got, NULL), CKPT_OK);
    CHECK(got.ptr == timestep && got.len == sizeof(timestep) - 1);
    CHECK_INT(ckpt_held_timestep(&s->a.run, "e", held, sizeof(held), &size),
              CKPT_OK);
    CHECK(size == strlen("{\"reward\":1}") &&
          memcmp(held, "{\"reward\":1}", size) == 0);
    end(s);
}

// AT2 A08
static void restore_gives_a_new_environment_each_time(void)
{
    fake     f = { 0 };
    ckpt_env env;
    int      first = 0, second = 0;
    CHECK_INT(fake_init(&env, &f, "e", NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_restore(&env, &first, NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_restore(&env, &second, NULL, NULL), CKPT_OK);
    CHECK(first != second);
    CHECK_INT(f.restores, 2);
}

// A12
static void a_failed_restore_is_passed_through_and_can_be_repeated(void)
{
    fake       f = { .fail = 77 };
    ckpt_env   env;
    ckpt_bytes timestep = { "x", 1 };
    int        out = -1, failure = 0;
    CHECK_INT(fake_init(&env, &f, "e", NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_restore(&env, &out, &timestep, &failure), CKPT_ERR_IO);
    CHECK_INT(failure, 77);
    CHECK(timestep.len == 1 && !ckpt_env_released(&env));
    f.fail = 0;
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, &failure), CKPT_OK);
    CHECK_INT(failure, 0);
    CHECK_INT(out, 2);
}

// AT3 AT4 A13 A15
static void release_calls_the_function_once(void)
{
    fake     f = { 0 };
    ckpt_env env;
    CHECK_INT(fake_init(&env, &f, "e", NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(f.releases, 1);
}

// AT5 A11
static void restore_after_release_is_refused_without_a_call(void)
{
    fake     f = { 0 };
    ckpt_env env;
    int      out = 5;
    CHECK_INT(fake_init(&env, &f, "e", NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, NULL), CKPT_ERR_RELEASED);
    CHECK(strstr(ckpt_code_message(CKPT_ERR_RELEASED), "released") != NULL);
    CHECK_INT(f.restores, 0);
    CHECK_INT(out, 5);
}

// AT6 A14 A20
static void an_environment_without_a_release_function_is_released(void)
{
    fake         f = { 0 };
    ckpt_env     env, *envs[1];
    ckpt_janitor janitor;
    int          out;
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "e", .restore = fake_restore, .user = &f, .janitor = &janitor
    }), CKPT_OK);
    CHECK_INT(janitor.count, 1);                        // A02
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(janitor.count, 0);
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, NULL), CKPT_ERR_RELEASED);
}

// AT7 A04 AF1 AF15
static void step_counts_are_kept_over_a_resume_whatever_they_are(void)
{
    static const int64_t steps[] = { 42, 0, -1, INT64_MAX, INT64_MIN };
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_held held = { .at = 0 };
    for (size_t i = 0; i < 5; i++) {
        ckpt_env   env;
        const char id[2] = { (char)('a' + (int)i), '\0' };
        CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
            .id = id, .restore = fake_restore, .user = &f,
            .step_count = steps[i], .run = &s->a.run
        }), CKPT_OK);
        CHECK(env.step_count == steps[i]);
    }
    ckpt_abandon(&s->a.run);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(ckpt_held_next(&s->b.run, &held), CKPT_OK);
        CHECK_INT(held.id[0], 'a' + (int)i);
        CHECK_INT(held.step_count, steps[i]);
    }
    CHECK_INT(ckpt_held_next(&s->b.run, &held), CKPT_END);
    end(s);
}

// AT8 AF2 A05
static void a_timestep_is_kept_byte_for_byte(void)
{
    static const char text[] =
        "{ \"a\" : [ 1e0, \"\\u00e4\xc3\xa4\" ] ,\"a\":2}";
    sides   *s = begin();
    fake     f = { 0 };
    ckpt_env env;
    char     got[128];
    size_t   size = 0;
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "e", .restore = fake_restore, .user = &f, .run = &s->a.run,
        .timestep = ckpt_text(text)
    }), CKPT_OK);
    ckpt_abandon(&s->a.run);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(ckpt_held_timestep(&s->b.run, "e", got, 3, &size),
              CKPT_ERR_BUFFER);
    CHECK_INT(size, strlen(text));
    CHECK_INT(ckpt_held_timestep(&s->b.run, "e", got, sizeof(got), &size),
              CKPT_OK);
    CHECK(size == strlen(text) && memcmp(got, text, size) == 0);
    CHECK_INT(ckpt_held_timestep(&s->b.run, "f", got, sizeof(got), &size),
              CKPT_ERR_NOT_FOUND);
    end(s);
}

// A01 AF13
static void wrong_descriptions_are_refused(void)
{
    sides        *s = begin();
    char          longest[CKPT_NAME_MAX + 2];
    ckpt_env      env;
    ckpt_env_desc desc = { .id = "e", .run = &s->a.run };
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_ARGUMENT);   // no restore
    desc.restore = fake_restore;
    desc.id = NULL;
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_ARGUMENT);
    desc.id = "";
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_ARGUMENT);
    memset(longest, 'x', sizeof(longest));
    longest[CKPT_NAME_MAX + 1] = '\0';
    desc.id = longest;
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_ARGUMENT);
    desc.id = "\xff";
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_UTF8);
    desc.id = "line\nfeed";
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_ARGUMENT);
    desc.id = "e";
    desc.timestep = ckpt_text("{");
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_JSON);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(count_held(&s->a.run), 0);
    longest[CKPT_NAME_MAX] = '\0';
    desc.id = longest;
    desc.timestep = ckpt_text(NULL);
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_OK);
    CHECK_STR(env.id, longest);
    end(s);
}

static void a_zeroed_environment_is_released(void)
{
    ckpt_env env;
    int      out;
    memset(&env, 0, sizeof(env));
    CHECK(ckpt_env_released(&env));
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, NULL), CKPT_ERR_RELEASED);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
}

// AT12 A19 A21, instead of A17 and A18
static void a_failed_release_leaves_it_unreleased_and_registered(void)
{
    sides       *s = begin();
    fake         f = { .fail = 5 };
    ckpt_env     env, *envs[1];
    ckpt_janitor janitor;
    int          out = 0, failure = 0;
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &janitor), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, &failure), CKPT_ERR_IO);
    CHECK_INT(failure, 5);
    CHECK(!ckpt_env_released(&env));
    CHECK_INT(janitor.count, 1);
    CHECK_INT(count_held(&s->a.run), 1);
    f.fail = 0;
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, &failure), CKPT_OK);
    CHECK_INT(failure, 0);
    CHECK_INT(f.releases, 2);
    CHECK_INT(janitor.count, 0);
    CHECK_INT(count_held(&s->a.run), 0);
    end(s);
}

static void a_release_is_not_entered_from_within(void)
{
    fake     f = { 0 };
    ckpt_env env;
    CHECK_INT(fake_init(&env, &f, "e", NULL, NULL), CKPT_OK);
    f.again = &env;
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(f.entered, CKPT_ERR_RELEASING);
    CHECK_INT(f.restored, CKPT_ERR_RELEASING);
    CHECK_INT(f.releases, 1);
    CHECK_INT(f.restores, 0);
    CHECK(ckpt_env_released(&env));
}

// A35
static void a_sweep_from_within_a_release_calls_it_once(void)
{
    fake         f = { 0 }, other = { 0 };
    ckpt_env     env, second, *envs[2];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 2, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", NULL, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&second, &other, "f", NULL, &janitor), CKPT_OK);
    f.sweep = &janitor;
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(f.releases, 1);
    CHECK_INT(other.releases, 1);
    CHECK_INT(janitor.count, 0);
    CHECK(ckpt_env_released(&env) && ckpt_env_released(&second));
}

//--- The janitor --------------------------------------------------------------

// AT9 A02 A16
static void a_janitor_registers_until_the_release(void)
{
    fake         f = { 0 };
    ckpt_env     env[3], *envs[3];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 3, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(fake_init(&env[i], &f, "e", NULL, &janitor), CKPT_OK);
    }
    CHECK_INT(ckpt_env_release(&env[1], NULL), CKPT_OK);
    CHECK_INT(janitor.count, 2);
    CHECK(envs[0] == &env[0] && envs[1] == &env[2]);
    CHECK_INT(ckpt_env_release(&env[1], NULL), CKPT_OK);    // A29
    CHECK_INT(janitor.count, 2);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);
}

// A28: whatever it is described as again, it has one entry, and a release
// leaves none that points to it.
static void an_environment_is_registered_once(void)
{
    sides       *s = begin();
    fake         f = { 0 };
    ckpt_env     env, *envs[2];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 2, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&env, &f, env.id, &s->a.run, &janitor), CKPT_OK);
    CHECK_INT(janitor.count, 1);
    CHECK_STR(env.id, "e");
    ckpt_abandon(&s->a.run);                    // the same one after a resume
    CHECK_INT(resume(s, &s->a), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &janitor), CKPT_OK);
    CHECK_INT(janitor.count, 1);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(janitor.count, 0);
    CHECK_INT(f.releases, 1);
    CHECK_INT(count_held(&s->a.run), 0);
    CHECK_INT(fake_init(&env, &f, "f", NULL, &janitor), CKPT_OK);
    CHECK(!ckpt_env_released(&env));            // it can be used again
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(ckpt_env_released(&env) && f.releases == 2);
    end(s);
}

// Else the janitor could not release the copy that it knows.
static void a_registered_environment_is_not_overwritten(void)
{
    sides        *s = begin();
    fake          f = { 0 }, other = { 0 };
    ckpt_env      env, *envs[2];
    ckpt_janitor  janitor;
    ckpt_env_desc d = { .id = "e", .release = fake_release, .user = &other,
                        .janitor = &janitor };
    ckpt_janitor_init(&janitor, envs, 2, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", NULL, &janitor), CKPT_OK);
    CHECK_INT(ckpt_env_init(&env, &d), CKPT_ERR_ARGUMENT);  // no restore
    CHECK_INT(fake_init(&env, &other, "", NULL, &janitor), CKPT_ERR_ARGUMENT);
    CHECK_INT(fake_init(&env, &other, "f", NULL, &janitor), CKPT_ERR_EXISTS);
    CHECK_INT(fake_init(&env, &other, "e", &s->a.run, &janitor),
              CKPT_ERR_EXISTS);
    d.restore = fake_restore;
    d.timestep = ckpt_text("{");
    CHECK_INT(ckpt_env_init(&env, &d), CKPT_ERR_JSON);
    CHECK_INT(count_held(&s->a.run), 0);
    CHECK_INT(janitor.count, 1);
    CHECK_STR(env.id, "e");
    CHECK(!ckpt_env_released(&env));
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);
    CHECK(f.releases == 1 && other.releases == 0);
    end(s);
}

// What a full janitor knows is taken over all the same.
static void a_full_janitor_takes_what_it_has(void)
{
    fake         f = { 0 };
    ckpt_env     env, *envs[1];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", NULL, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&env, &f, "e", NULL, &janitor), CKPT_OK);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);
    CHECK_INT(f.releases, 1);
}

typedef struct nested {
    ckpt_env     *env;                  // to describe, or to release
    ckpt_janitor *janitor;
    unsigned      releases;
    ckpt_code     rc;
} nested;

static int init_within(void *user, const ckpt_env *env)
{
    nested *n = (nested *)user;
    fake    f = { 0 };
    (void)env;
    n->releases++;
    n->rc = fake_init(n->env, &f, "e", NULL, n->janitor);
    return 0;
}

static void an_environment_is_not_described_while_it_is_released(void)
{
    ckpt_env     env, *envs[1];
    ckpt_janitor janitor;
    nested       n = { &env, &janitor, 0, CKPT_OK };
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "e", .restore = fake_restore, .release = init_within,
        .user = &n, .janitor = &janitor }), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(n.rc, CKPT_ERR_RELEASING);
    CHECK_INT(n.releases, 1);
    CHECK(ckpt_env_released(&env) && janitor.count == 0);
}

static int release_within(void *user, const ckpt_env *env)
{
    nested *n = (nested *)user;
    (void)env;
    n->releases++;
    n->rc = ckpt_env_release(n->env, NULL);
    return 0;
}

// A35: the sweep counts what is there, not what was there when it began.
static void entries_may_vanish_during_a_sweep(void)
{
    ckpt_env     env[3], *envs[4];
    ckpt_janitor janitor;
    fake         f = { 0 };
    nested       n = { &env[0], &janitor, 0, CKPT_ERR_IO };
    size_t       count = 9;
    ckpt_janitor_init(&janitor, envs, 4, NULL, NULL);
    CHECK_INT(fake_init(&env[0], &f, "a", NULL, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&env[1], &f, "b", NULL, &janitor), CKPT_OK);
    CHECK_INT(ckpt_env_init(&env[2], &(ckpt_env_desc){
        .id = "c", .restore = fake_restore, .release = release_within,
        .user = &n, .janitor = &janitor }), CKPT_OK);
    envs[3] = NULL;
    CHECK_INT(ckpt_janitor_sweep(&janitor, &count), 0);
    CHECK_INT(count, 2);                        // b and c; c released a
    CHECK(n.releases == 1 && n.rc == CKPT_OK && f.releases == 2);
    CHECK_INT(janitor.count, 0);
}

typedef struct seen {
    int  released, failed;
    char failed_ids[64];
} seen;

static void see(void *user, const ckpt_event *event)
{
    seen *s = (seen *)user;
    if (event->kind == CKPT_EVENT_ENV_RELEASED) {
        s->released++;
        CHECK(event->error == NULL);
        CHECK_STR(event->name, "environment.released");
    } else if (event->kind == CKPT_EVENT_ENV_FAILED) {
        s->failed++;
        strcat(s->failed_ids, event->id);
        CHECK(event->error != NULL && event->error->code == CKPT_ERR_IO &&
              event->error->sys == 9);
    }
}

// AT10 AT11 A30 A32 A33 A38
static void a_sweep_tries_every_release_and_names_failures(void)
{
    fake         f[5] = { { .fail = 0 } };
    ckpt_env     env[5], *envs[5];
    ckpt_janitor janitor;
    seen         s = { .failed = 0 };
    size_t       count = 0;
    ckpt_janitor_init(&janitor, envs, 5, see, &s);
    CHECK_INT(ckpt_janitor_sweep(&janitor, &count), 0);
    CHECK_INT(count, 0);
    for (int i = 0; i < 5; i++) {
        const char id[2] = { (char)('a' + i), '\0' };
        f[i].fail = i % 2 != 0 ? 9 : 0;
        CHECK_INT(fake_init(&env[i], &f[i], id, NULL, &janitor), CKPT_OK);
    }
    CHECK_INT(ckpt_janitor_sweep(&janitor, &count), 2);
    CHECK_INT(count, 5);
    CHECK_INT(janitor.count, 0);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(f[i].releases, 1);
        CHECK(ckpt_env_released(&env[i]));
    }
    CHECK_INT(s.released, 3);
    CHECK_INT(s.failed, 2);
    CHECK_STR(s.failed_ids, "db");                      // newest first
}

// AT13, not A36; so not A37 either
static void a_sweep_marks_everything_released(void)
{
    fake         good = { 0 }, bad = { .fail = 9 };
    ckpt_env     env, other, *envs[2];
    ckpt_janitor janitor;
    int          out;
    ckpt_janitor_init(&janitor, envs, 2, NULL, NULL);
    CHECK_INT(fake_init(&env, &good, "good", NULL, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&other, &bad, "bad", NULL, &janitor), CKPT_OK);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 1);
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, NULL), CKPT_ERR_RELEASED);
    CHECK_INT(ckpt_env_restore(&other, &out, NULL, NULL), CKPT_ERR_RELEASED);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&other, NULL), CKPT_OK);
    CHECK_INT(good.releases, 1);
    CHECK_INT(bad.releases, 1);
}

static void a_full_janitor_refuses(void)
{
    sides       *s = begin();
    fake         f = { 0 };
    ckpt_env     env, second, *envs[1];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &janitor), CKPT_OK);
    CHECK_INT(fake_init(&second, &f, "f", &s->a.run, &janitor),
              CKPT_ERR_ARGUMENT);
    CHECK_INT(count_held(&s->a.run), 1);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);
    CHECK_INT(count_held(&s->a.run), 0);
    end(s);
}

// AT14 A27 A41: there is no registry but the caller's.
static void janitors_know_nothing_of_each_other(void)
{
    fake         f = { 0 };
    ckpt_env     env, other, *envs[1], *others[1];
    ckpt_janitor one, two;
    ckpt_janitor_init(&one, envs, 1, NULL, NULL);
    ckpt_janitor_init(&two, others, 1, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", NULL, &one), CKPT_OK);
    CHECK_INT(fake_init(&other, &f, "e", NULL, &two), CKPT_OK);
    CHECK_INT(ckpt_janitor_sweep(&one, NULL), 0);
    CHECK(ckpt_env_released(&env) && !ckpt_env_released(&other));
    CHECK_INT(two.count, 1);
    CHECK_INT(ckpt_janitor_sweep(&two, NULL), 0);
}

enum { THREADS = 4, TURNS = 500 };

typedef struct shared {
    pthread_mutex_t lock;
    ckpt_janitor    janitor;
    ckpt_env       *envs[THREADS * ENVS];
} shared;

typedef struct worker {
    shared   *with;
    fake      f;
    int       made;
    bool      good;
    ckpt_env  env[ENVS];
} worker;

// Makes and releases, and leaves the last ones to the janitor.
static void *work(void *user)
{
    worker *w = (worker *)user;
    w->good = true;
    for (int i = 0; i < TURNS; i++) {
        for (int k = 0; k < ENVS; k++) {
            pthread_mutex_lock(&w->with->lock);
            w->good = fake_init(&w->env[k], &w->f, "e", NULL,
                                &w->with->janitor) == CKPT_OK && w->good;
            pthread_mutex_unlock(&w->with->lock);
            w->made++;
        }
        for (int k = 0; i < TURNS - 1 && k < ENVS; k++) {
            pthread_mutex_lock(&w->with->lock);
            w->good = ckpt_env_release(&w->env[k], NULL) == CKPT_OK && w->good;
            pthread_mutex_unlock(&w->with->lock);
        }
    }
    return NULL;
}

#if defined(__SANITIZE_THREAD__)
    #define THREADS_ARE_WATCHED 1
#elif defined(__has_feature)
    #if __has_feature(thread_sanitizer)
        #define THREADS_ARE_WATCHED 1
    #endif
#endif

// A40, as THREADS in ckpt.h says. Without the sanitizer this would prove only
// the lock.
static void a_janitor_is_shared_by_threads_under_a_lock(void)
{
#ifndef THREADS_ARE_WATCHED
    TEST_SKIP("only the thread sanitizer sees a race");
#endif
    static shared s;
    static worker w[THREADS];
    pthread_t     threads[THREADS];
    size_t        count = 0;
    memset(w, 0, sizeof(w));
    CHECK_INT(pthread_mutex_init(&s.lock, NULL), 0);
    ckpt_janitor_init(&s.janitor, s.envs, THREADS * ENVS, NULL, NULL);
    for (int i = 0; i < THREADS; i++) {
        w[i].with = &s;
        CHECK_INT(pthread_create(&threads[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    CHECK_INT(s.janitor.count, THREADS * ENVS);
    CHECK_INT(ckpt_janitor_sweep(&s.janitor, &count), 0);
    CHECK_INT(count, THREADS * ENVS);
    for (int i = 0; i < THREADS; i++) {
        CHECK(w[i].good);
        CHECK_INT(w[i].f.releases, w[i].made);
    }
    pthread_mutex_destroy(&s.lock);
}

// A janitor on a page that can be taken away, as another thread's lock does.
typedef struct locked {
    ckpt_janitor janitor;
    ckpt_env    *envs[2];
} locked;

static void lock_page(locked *l, size_t page, bool lock)
{
    if (mprotect(l, page, lock ? PROT_NONE : PROT_READ | PROT_WRITE) != 0) {
        _exit(3);
    }
}

// Ends with 0 if nothing but these three touches the janitor.
static int touch_while_locked(locked *l, size_t page)
{
    fake     f = { 0 };
    ckpt_env env, alone;
    int      out = 0;
    ckpt_janitor_init(&l->janitor, l->envs, 2, NULL, NULL);
    ckpt_code rc = fake_init(&env, &f, "e", NULL, &l->janitor);
    lock_page(l, page, true);
    rc |= fake_init(&alone, &f, "f", NULL, NULL);
    rc |= ckpt_env_restore(&env, &out, NULL, NULL);
    rc |= ckpt_env_released(&env) ? CKPT_ERR_RELEASED : CKPT_OK;
    rc |= ckpt_env_release(&alone, NULL);
    lock_page(l, page, false);
    rc |= ckpt_env_release(&env, NULL);
    lock_page(l, page, true);
    rc |= ckpt_env_release(&env, NULL);         // it is not there any more
    rc |= ckpt_env_restore(&env, &out, NULL, NULL) != CKPT_ERR_RELEASED;
    return rc == CKPT_OK ? 0 : 2;
}

// A40: a lock around ckpt_env_init, ckpt_env_release and ckpt_janitor_sweep is
// enough; everything else leaves the janitor alone.
static void three_calls_touch_a_janitor_and_no_other(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int          status = -1;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        void *at = mmap(NULL, page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(at != MAP_FAILED ? touch_while_locked((locked *)at, page) : 4);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

//--- What a run holds ---------------------------------------------------------

static void it_is_held_before_it_is_made_and_struck_off_when_released(void)
{
    sides        *s = begin();
    fake          f = { 0 };
    ckpt_env      env;
    ckpt_run_info info;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.held, 1);
    CHECK_INT(f.restores + f.releases, 0);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.held, 0);
    end(s);
}

static void a_run_is_not_finished_while_it_holds(void)
{
    sides        *s = begin();
    fake          f = { 0 };
    ckpt_env      env;
    ckpt_run_info info;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_ERR_HELD);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_FAILED, NULL), CKPT_ERR_HELD);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.outcome, CKPT_RUNNING);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_ERR_NOT_FOUND);
    end(s);
}

static void a_dead_letter_keeps_what_is_held(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    ckpt_run_info info;
    uint32_t  pruned = 9;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_FAILED,
                          &(ckpt_finish_desc){ .keep = true }), CKPT_OK);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_FAILED);
    CHECK_INT(info.held, 1);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(ckpt_remove(&s->b.ctx, &s->b.run, "r"), CKPT_ERR_HELD);
    mem_tick(&s->world, 86400000);
    CHECK_INT(ckpt_prune(&s->b.ctx, &s->b.run, &(ckpt_prune_desc){
        .age_ms = 1 }, &pruned), CKPT_OK);
    CHECK_INT(pruned, 0);
    CHECK_INT(ckpt_retry(&s->b.ctx, &s->b.run, "r"), CKPT_OK);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), 1);
    CHECK_INT(f.releases, 0);
    end(s);
}

// A receipt says that there is nothing left to do, and so nothing to release.
static void a_run_of_once_is_not_done_while_it_holds(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    ckpt_run_info info;
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_start(&s->a.ctx, &s->a.run, &(ckpt_run_desc){
        .id = "r", .once = true }), CKPT_OK);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_ERR_HELD);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.outcome, CKPT_RUNNING);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_query(&s->b.ctx, "r", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_DONE);
    end(s);
}

// Its work is done: nothing is made for it, held or registered.
static void a_run_that_is_done_takes_no_environment(void)
{
    sides       *s = begin();
    fake         f = { 0 };
    ckpt_env     env, *envs[2];
    ckpt_janitor j;
    const ckpt_run_desc d = { .id = "r", .once = true };
    ckpt_janitor_init(&j, envs, 2, NULL, NULL);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_start(&s->a.ctx, &s->a.run, &d), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(ckpt_open(&s->a.ctx, &s->a.run, &d), CKPT_FINISHED);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &j), CKPT_FINISHED);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(j.count, 0);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(f.releases == 0 && f.restores == 0);
    end(s);
}

static void a_run_that_holds_is_not_removed(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(ckpt_remove(&s->b.ctx, &s->b.run, "r"), CKPT_ERR_HELD);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

static void a_resume_takes_over_what_is_held(void)
{
    sides     *s = begin();
    fake       f = { 0 };
    ckpt_env   env, taken;
    int        out = 0;
    uint64_t   seq;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    store_mem_kill(&s->a.mem);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    seq = s->b.run.seq;
    CHECK_INT(fake_init(&taken, &f, "e", &s->b.run, NULL), CKPT_OK);
    CHECK_INT(s->b.run.seq, seq);               // nothing had to be saved
    CHECK_INT(count_held(&s->b.run), 1);
    CHECK_INT(ckpt_env_restore(&taken, &out, NULL, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&taken, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), 0);
    CHECK_INT(ckpt_finish(&s->b.run, CKPT_COMPLETED, NULL), CKPT_OK);
    end(s);
}

static void ids_of_any_text_are_found_again(void)
{
    static const char *const ids[] = {
        "a\"b", "back\\slash", "\xc3\xa4\xf0\x9f\x8c\x8d",
        "../../etc", "\\u0041", "A", "\x7f"
    };
    enum { N = sizeof(ids) / sizeof(ids[0]) };
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env[N];
    ckpt_held held = { .at = 0 };
    for (int i = 0; i < N; i++) {
        CHECK_INT(fake_init(&env[i], &f, ids[i], &s->a.run, NULL), CKPT_OK);
    }
    ckpt_abandon(&s->a.run);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    for (int i = 0; i < N; i++) {
        CHECK_INT(ckpt_held_next(&s->b.run, &held), CKPT_OK);
        CHECK_STR(held.id, ids[i]);
    }
    for (int i = 0; i < N; i++) {
        CHECK_INT(fake_init(&env[i], &f, ids[i], &s->b.run, NULL), CKPT_OK);
        CHECK_INT(count_held(&s->b.run), N - i);
        CHECK_INT(ckpt_env_release(&env[i], NULL), CKPT_OK);
    }
    CHECK_INT(ckpt_finish(&s->b.run, CKPT_COMPLETED, NULL), CKPT_OK);
    end(s);
}

static void a_run_holds_so_many_and_no_more(void)
{
    static ckpt_env env[CKPT_HELD_MAX + 1];
    sides *s = begin();
    fake   f = { 0 };
    char   id[16];
    for (int i = 0; i < CKPT_HELD_MAX; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        CHECK_INT(fake_init(&env[i], &f, id, &s->a.run, NULL), CKPT_OK);
    }
    CHECK_INT(fake_init(&env[CKPT_HELD_MAX], &f, "more", &s->a.run, NULL),
              CKPT_ERR_HELD);
    CHECK(ckpt_env_released(&env[CKPT_HELD_MAX]));
    ckpt_abandon(&s->a.run);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), CKPT_HELD_MAX);
    CHECK_INT(fake_init(&env[7], &f, "e7", &s->b.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env[7], NULL), CKPT_OK);
    CHECK_INT(fake_init(&env[7], &f, "more", &s->b.run, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), CKPT_HELD_MAX);
    end(s);
}

//--- Claims -------------------------------------------------------------------

// b takes the run over from a, which goes on and does not know it.
static void steal(sides *s)
{
    CHECK_INT(ckpt_resume(&s->b.ctx, &s->b.run, &(ckpt_run_desc){
        .id = "r", .force = true
    }), CKPT_OK);
}

static void whoever_lost_the_claim_releases_nothing(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env, late;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    steal(s);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(f.releases, 0);
    CHECK(!ckpt_env_released(&env));
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(fake_init(&late, &f, "f", &s->a.run, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

// Its core does not look before it writes: here it has to.
static void whoever_lost_the_claim_releases_nothing_in_a_fenced_store(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    s->a.mem.base.caps |= CKPT_CAP_FENCED_WRITE;
    s->a.fault.base.caps |= CKPT_CAP_FENCED_WRITE;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    steal(s);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(f.releases, 0);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

static void a_sweep_after_a_lost_claim_releases_nothing(void)
{
    sides       *s = begin();
    fake         f = { 0 };
    ckpt_env     env, *envs[1];
    ckpt_janitor janitor;
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, &janitor), CKPT_OK);
    steal(s);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 1);
    CHECK_INT(f.releases, 0);
    CHECK_INT(janitor.count, 0);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

static void an_environment_of_a_closed_run_is_not_released(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_CLOSED);
    CHECK_INT(f.releases, 0);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

// The caller uses one ckpt_run for one run after the other.
static void an_environment_does_not_pass_to_another_run(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_finish(&s->a.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
    CHECK_INT(ckpt_start(&s->a.ctx, &s->a.run, &(ckpt_run_desc){ .id = "q" }),
              CKPT_OK);
    CHECK(ckpt_env_release(&env, NULL) < 0);
    CHECK_INT(f.releases, 0);
    CHECK_INT(resume(s, &s->b), CKPT_OK);
    CHECK_INT(count_held(&s->b.run), 1);
    end(s);
}

//--- Faults -------------------------------------------------------------------

static void a_strike_that_failed_can_be_repeated(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_NO_SPACE);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_ERR_NO_SPACE);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(count_held(&s->a.run), 1);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->a.run), 0);
    CHECK_INT(f.releases, 1);
    end(s);
}

static void a_timestep_that_no_checkpoint_can_hold_is_refused(void)
{
    static char timestep[4096];
    sides   *s = begin();
    ckpt_env env;
    const ckpt_env_desc desc = { .id = "e", .restore = fake_restore,
                                 .timestep = { timestep, sizeof(timestep) },
                                 .run = &s->a.run };
    memset(timestep, ' ', sizeof(timestep));
    timestep[0] = '1';
    ckpt_abandon(&s->a.run);
    CHECK_INT(ckpt_init(&s->a.ctx, &(ckpt_desc){
        .store = &s->a.fault.base, .size_max = 2048 }), CKPT_OK);
    CHECK_INT(ckpt_start(&s->a.ctx, &s->a.run, &(ckpt_run_desc){ .id = "x" }),
              CKPT_OK);
    CHECK_INT(ckpt_env_init(&env, &desc), CKPT_ERR_TOO_LARGE);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(count_held(&s->a.run), 0);
    end(s);
}

static void a_hold_that_failed_holds_nothing(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env;
    fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_BEFORE, CKPT_ERR_IO);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_ERR_IO);
    CHECK(ckpt_env_released(&env));
    CHECK_INT(count_held(&s->a.run), 0);
    fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_ERR_UNSURE);
    CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->a.run), 1);
    end(s);
}

// OK means durable: what is only visible must be published once more.
static void a_hold_that_is_not_durable_is_saved_again(void)
{
    static const ckpt_code codes[] = { CKPT_ERR_NOT_DURABLE, CKPT_ERR_UNSURE };
    for (int i = 0; i < 2; i++) {
        sides    *s = begin();
        fake      f = { 0 };
        ckpt_env  env;
        fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_AFTER, codes[i]);
        CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), codes[i]);
        fault_plan(&s->a.fault, FAULT_PUBLISH, 0, FAULT_AFTER, CKPT_OK);
        CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
        CHECK_INT(s->a.fault.count, 1);
        CHECK_INT(count_held(&s->a.run), 1);
        end(s);
    }
}

// Else a power cut would give back an environment that was released.
static void a_strike_that_is_not_durable_is_saved_again(void)
{
    static const ckpt_code codes[] = { CKPT_ERR_NOT_DURABLE, CKPT_ERR_UNSURE };
    for (int i = 0; i < 2; i++) {
        sides    *s = begin();
        fake      f = { 0 };
        ckpt_env  env;
        CHECK_INT(fake_init(&env, &f, "e", &s->a.run, NULL), CKPT_OK);
        fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_AFTER, codes[i]);
        CHECK_INT(ckpt_env_release(&env, NULL), codes[i]);
        fault_plan(&s->a.fault, FAULT_PUBLISH, 0, FAULT_AFTER, CKPT_OK);
        CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
        CHECK_INT(s->a.fault.count, 1);
        CHECK_INT(count_held(&s->a.run), 0);
        CHECK_INT(f.releases, 1);
        end(s);
    }
}

// Two describe the same copy, and the first one has struck it off.
static void what_is_held_no_longer_is_released_without_a_save(void)
{
    sides    *s = begin();
    fake      f[2] = { { 0 }, { 0 } };
    ckpt_env  env[2];
    CHECK_INT(fake_init(&env[0], &f[0], "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(fake_init(&env[1], &f[1], "e", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(ckpt_env_release(&env[0], NULL), CKPT_OK);
    fault_plan(&s->a.fault, FAULT_PUBLISH, 0, FAULT_AFTER, CKPT_OK);
    CHECK_INT(ckpt_env_release(&env[1], NULL), CKPT_OK);
    CHECK_INT(s->a.fault.count, 0);
    CHECK_INT(count_held(&s->a.run), 0);
    end(s);
}

// What is held is counted after the record was judged again.
static void a_hold_after_a_change_that_was_unsure_is_written(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env[3];
    ckpt_held held = { .at = 0 };
    CHECK_INT(fake_init(&env[0], &f, "a", &s->a.run, NULL), CKPT_OK);
    fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(ckpt_env_release(&env[0], NULL), CKPT_ERR_UNSURE);
    CHECK_INT(fake_init(&env[1], &f, "b", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->a.run), 1);
    fault_plan(&s->a.fault, FAULT_PUBLISH, 1, FAULT_AFTER, CKPT_ERR_UNSURE);
    CHECK_INT(fake_init(&env[2], &f, "c", &s->a.run, NULL), CKPT_ERR_UNSURE);
    CHECK_INT(fake_init(&env[0], &f, "d", &s->a.run, NULL), CKPT_OK);
    CHECK_INT(count_held(&s->a.run), 3);
    CHECK_INT(ckpt_held_next(&s->a.run, &held), CKPT_OK);
    CHECK_STR(held.id, "b");
    end(s);
}

// The natural loop after a resume: take over and release each.
static void a_walk_of_what_is_held_may_release(void)
{
    sides    *s = begin();
    fake      f = { 0 };
    ckpt_env  env[4];
    ckpt_held held = { .at = 0 };
    ckpt_code rc;
    for (int i = 0; i < 4; i++) {
        const char id[2] = { (char)('a' + i), '\0' };
        CHECK_INT(fake_init(&env[i], &f, id, &s->a.run, NULL), CKPT_OK);
    }
    while ((rc = ckpt_held_next(&s->a.run, &held)) == CKPT_OK) {
        ckpt_env taken;
        CHECK_INT(fake_init(&taken, &f, held.id, &s->a.run, NULL), CKPT_OK);
        CHECK_INT(ckpt_env_release(&taken, NULL), CKPT_OK);
    }
    CHECK_INT(rc, CKPT_END);
    CHECK_INT(f.releases, 4);
    CHECK_INT(count_held(&s->a.run), 0);
    end(s);
}

// What exists in the world, and where it is made and released.
typedef struct things {
    bool exists[2];
} things;

static int thing_release(void *user, const ckpt_env *env)
{
    ((things *)user)->exists[env->id[0] - 'a'] = false;
    return 0;
}

// Makes two, releases one, saves, releases the other, finishes. Stops where
// something fails.
static bool live(side *s, things *t)
{
    ckpt_env env[2];
    for (int i = 0; i < 2; i++) {
        const char id[2] = { (char)('a' + i), '\0' };
        if (s->fault.killed || ckpt_env_init(&env[i], &(ckpt_env_desc){
                .id = id, .restore = fake_restore, .release = thing_release,
                .user = t, .run = &s->run }) != CKPT_OK) {
            return false;
        }
        t->exists[i] = true;
    }
    return ckpt_env_release(&env[0], NULL) == CKPT_OK
        && ckpt_save(&s->run, &(ckpt_save_desc){ .turn = 1, .force = true })
           == CKPT_OK
        && ckpt_env_release(&env[1], NULL) == CKPT_OK
        && ckpt_finish(&s->run, CKPT_COMPLETED, NULL) == CKPT_OK;
}

static void a_kill_at_any_call_leaks_nothing(void)
{
    static const fault_when when[] = { FAULT_KILL_BEFORE, FAULT_KILL_AFTER };
    uint32_t deaths = 0;
    for (uint32_t k = 0; k < 400; k++) {
        sides    *s = begin();
        things    t = { { false, false } };
        ckpt_held held = { .at = 0 };
        fault_plan(&s->a.fault, FAULT_ALL, k / 2 + 1, when[k % 2], CKPT_ERR_IO);
        const bool lived = live(&s->a, &t);
        deaths += s->a.fault.killed;
        store_mem_kill(&s->a.mem);
        if (!lived && resume(s, &s->b) == CKPT_OK) {
            while (ckpt_held_next(&s->b.run, &held) == CKPT_OK) {
                t.exists[held.id[0] - 'a'] = false;     // found: no leak
            }
        }
        CHECK(!t.exists[0] && !t.exists[1]);
        end(s);
        if (lived && k % 2 != 0) {
            break;
        }
    }
    CHECK(deaths > 30);
}

//--- Workspaces ---------------------------------------------------------------

typedef struct place {
    char     dir[256];
    ws_store ws;
    ws_env   home;                      // a workspace with two files
} place;

static place *place_make(void)
{
    static place p;
    CHECK(temp_dir_make(p.dir, sizeof(p.dir), "env"));
    CHECK_INT(ws_open(&p.ws, p.dir), 0);
    CHECK_INT(ws_env_make(&p.ws, -1, &p.home), 0);
    CHECK_INT(ws_write(p.home.fd, "file", "one"), 0);
    CHECK_INT(mkdirat(p.home.fd, "dir", 0700), 0);
    CHECK_INT(ws_write(p.home.fd, "dir/script", "two"), 0);
    CHECK_INT(fchmodat(p.home.fd, "dir/script", 0700, 0), 0);
    return &p;
}

static void place_end(place *p)
{
    (void)ws_env_end(&p->ws, &p->home);
    close(p->ws.fd);
    CHECK_INT(ws_remove(AT_FDCWD, p->dir, NULL), 0);
}

static const char *read_text(int dir, const char *name)
{
    static char text[64];
    const int   fd = openat(dir, name, O_RDONLY);
    ssize_t     n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return n >= 0 ? text : NULL;
}

static bool exists(const place *p, const char *name)
{
    return faccessat(p->ws.fd, name, F_OK, 0) == 0;
}

static ckpt_env ws_env_of(place *p, const char *id)
{
    ckpt_env env;
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = id, .restore = ws_restore, .release = ws_release, .user = &p->ws
    }), CKPT_OK);
    return env;
}

// AS1 AF11 A57 A43
static void a_workspace_checkpoint_has_files_and_metadata(void)
{
    place *p = place_make();
    CHECK_INT(ws_checkpoint(&p->ws, "s1", p->home.fd, "{\"steps\":7}\n"), 0);
    CHECK_STR(read_text(p->ws.fd, "ws-s1/tree/file"), "one");
    CHECK_STR(read_text(p->ws.fd, "ws-s1/tree/dir/script"), "two");
    CHECK_STR(read_text(p->ws.fd, "ws-s1/meta.json"), "{\"steps\":7}\n");
    CHECK(!exists(p, "ws-s1.new"));
    // a second one of that id does not touch the first
    CHECK(ws_checkpoint(&p->ws, "s1", p->home.fd, "{}\n") != 0);
    CHECK_STR(read_text(p->ws.fd, "ws-s1/meta.json"), "{\"steps\":7}\n");
    place_end(p);
}

// AS2 A42 AF13
static void a_checkpoint_of_no_workspace_fails(void)
{
    place *p = place_make();
    CHECK(ws_checkpoint(&p->ws, "s1", -1, "{}\n") != 0);
    CHECK(!exists(p, "ws-s1"));
    place_end(p);
}

// AS3 AT2 A08 A09 A10 A46
static void restored_workspaces_are_independent(void)
{
    place      *p = place_make();
    ws_env      one, two;
    struct stat st;
    CHECK_INT(ws_checkpoint(&p->ws, "s1", p->home.fd, "{}\n"), 0);
    ckpt_env env = ws_env_of(p, "s1");
    CHECK_INT(ckpt_env_restore(&env, &one, NULL, NULL), CKPT_OK);
    CHECK_INT(unlinkat(one.fd, "file", 0), 0);
    CHECK_INT(ws_write(one.fd, "file", "changed"), 0);
    CHECK_INT(ckpt_env_restore(&env, &two, NULL, NULL), CKPT_OK);
    CHECK_STR(read_text(two.fd, "file"), "one");
    CHECK_STR(read_text(p->home.fd, "file"), "one");
    CHECK_INT(fstatat(two.fd, "dir/script", &st, 0), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK_STR(read_text(one.fd, "file"), "changed");
    CHECK_STR(read_text(two.fd, "dir/script"), "two");
    CHECK_INT(ws_env_end(&p->ws, &one), 0);
    CHECK_INT(ws_env_end(&p->ws, &two), 0);
    place_end(p);
}

// AS4 AS5 AS6 A25 A47
static void a_released_workspace_is_gone_and_may_be_gone_before(void)
{
    place       *p = place_make();
    ckpt_env    *envs[1], env;
    ckpt_janitor janitor;
    CHECK_INT(ws_checkpoint(&p->ws, "s1", p->home.fd, "{}\n"), 0);
    env = ws_env_of(p, "s1");
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(!exists(p, "ws-s1") && !exists(p, "ws-s1.new"));
    env = ws_env_of(p, "s1");
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);   // AS5
    CHECK_INT(ws_checkpoint(&p->ws, "s2", p->home.fd, "{}\n"), 0);
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "s2", .restore = ws_restore, .release = ws_release,
        .user = &p->ws, .janitor = &janitor
    }), CKPT_OK);
    CHECK_INT(ckpt_janitor_sweep(&janitor, NULL), 0);   // AS6
    CHECK(!exists(p, "ws-s2"));
    place_end(p);
}

static bool keep_s1(void *user, const char *id)
{
    (void)user;
    return strcmp(id, "s1") == 0;
}

// A57 A61
static void a_half_made_workspace_is_no_checkpoint_and_is_swept(void)
{
    place   *p = place_make();
    ws_env   out;
    unsigned count = 0;
    int      failure = 0;
    CHECK_INT(ws_checkpoint(&p->ws, "s1", p->home.fd, "{}\n"), 0);
    CHECK_INT(ws_checkpoint(&p->ws, "s2", p->home.fd, "{}\n"), 0);
    CHECK_INT(renameat(p->ws.fd, "ws-s2", p->ws.fd, "ws-s2.new"), 0);
    CHECK_INT(ws_checkpoint(&p->ws, "s3", p->home.fd, "{}\n"), 0);
    ckpt_env env = ws_env_of(p, "s2");
    CHECK_INT(ckpt_env_restore(&env, &out, NULL, &failure), CKPT_ERR_IO);
    CHECK_INT(failure, ENOENT);
    CHECK_INT(ws_sweep(&p->ws, keep_s1, NULL, &count), 0);
    CHECK_INT(count, 3);                // s2, s3 and the workspace
    CHECK(exists(p, "ws-s1") && !exists(p, "ws-s2.new") && !exists(p, "ws-s3"));
    place_end(p);
}

static void an_id_that_is_a_path_makes_no_workspace(void)
{
    place   *p = place_make();
    ckpt_env env = ws_env_of(p, "../x");
    int      failure = 0;
    CHECK_INT(ws_checkpoint(&p->ws, "../x", p->home.fd, "{}\n"), EINVAL);
    CHECK_INT(ws_checkpoint(&p->ws, "x.new", p->home.fd, "{}\n"), EINVAL);
    CHECK_INT(ckpt_env_release(&env, &failure), CKPT_ERR_IO);
    CHECK_INT(failure, EINVAL);
    place_end(p);
}

// In the file store, where a child of fork() really is one.
static void a_forked_child_releases_nothing(void)
{
    place        *p = place_make();
    char          dir[300];
    ckpt_store_fs fs;
    static ckpt_ctx ctx;
    static ckpt_run run;
    ckpt_env      env, *envs[1];
    ckpt_janitor  janitor;
    int           status = -1;
    snprintf(dir, sizeof(dir), "%s/runs", p->dir);
    CHECK_INT(ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = dir },
                                 NULL), CKPT_OK);
    CHECK_INT(ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base }), CKPT_OK);
    CHECK_INT(ckpt_start(&ctx, &run, &(ckpt_run_desc){ .id = "r" }), CKPT_OK);
    ckpt_janitor_init(&janitor, envs, 1, NULL, NULL);
    CHECK_INT(ckpt_env_init(&env, &(ckpt_env_desc){
        .id = "s1", .restore = ws_restore, .release = ws_release,
        .user = &p->ws, .run = &run, .janitor = &janitor
    }), CKPT_OK);
    CHECK_INT(ws_checkpoint(&p->ws, "s1", p->home.fd, "{}\n"), 0);
    const pid_t pid = fork();
    if (pid == 0) {                     // as a hook at exit would
        const ckpt_code rc = ckpt_env_release(&env, NULL);
        _exit(rc == CKPT_ERR_FORKED ? (int)ckpt_janitor_sweep(&janitor, NULL)
                                    : 99);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 1);  // one failure: not released
    CHECK(exists(p, "ws-s1"));
    CHECK_INT(ckpt_env_release(&env, NULL), CKPT_OK);
    CHECK(!exists(p, "ws-s1"));
    CHECK_INT(ckpt_finish(&run, CKPT_COMPLETED, NULL), CKPT_OK);
    ckpt_store_fs_close(&fs);
    place_end(p);
}
