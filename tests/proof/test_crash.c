// SPDX-License-Identifier: MIT-0
// Crashes: after every system call of every operation the power is cut, in
// every way a disk may take it, and the next boot must find what was promised.
//
// A scenario is a function that works on one run and says after each step which
// facts hold from then on. A kill between two steps must leave the facts before
// or after, nothing else, whole, and so that work goes on.
#include "crc.h"
#include "simdisk.h"
#include "test.h"
#include "whole.h"

#include <unistd.h>

#define LIST(X)                                                                \
    X(a_begin_is_whole_or_not_there)                                           \
    X(a_save_is_the_old_one_or_the_new_one)                                    \
    X(a_phase_ends_or_does_not)                                                \
    X(an_effect_has_begun_before_its_tool_runs)                                \
    X(a_resume_loses_nothing_and_counts_its_attempt)                           \
    X(a_resume_over_a_damaged_newest_loses_no_older)                           \
    X(a_clean_interrupt_gives_back_or_does_not)                                \
    X(an_attempt_that_failed_is_counted)                                       \
    X(a_completed_run_never_comes_back)                                        \
    X(a_failed_run_never_comes_back)                                           \
    X(a_kept_run_is_a_run_or_a_kept_one)                                       \
    X(a_run_done_once_is_a_run_or_a_done_one)                                  \
    X(a_kept_run_is_never_begun_over)                                          \
    X(an_exhausted_run_is_kept_when_it_fails)                                  \
    X(a_run_whose_fallback_failed_is_kept)                                     \
    X(a_fallback_may_remove_a_run)                                             \
    X(a_retried_kept_run_is_failed_or_interrupted)                             \
    X(a_retry_gives_the_attempts_back)                                         \
    X(a_removed_run_never_comes_back)                                          \
    X(a_removed_kept_run_never_comes_back)                                     \
    X(a_pruned_run_never_comes_back)                                           \
    X(a_sweep_removes_leftovers_and_nothing_else)                              \
    X(an_environment_is_held_from_before_it_is_made)                           \
    X(a_recovery_may_crash_as_well)                                            \
    X(saves_in_place_are_the_old_one_or_the_new_one)                           \
    X(saves_in_place_of_any_size_are_the_old_one_or_the_new_one)               \
    X(messages_added_in_place_are_there_or_not)                                \
    X(what_is_saved_in_place_between_saves_is_there_or_not)                    \
    X(a_run_that_was_saved_in_place_ends_or_does_not)                          \
    X(a_run_that_was_saved_in_place_is_resumed_in_either_way)                  \
    X(a_recovery_of_what_was_saved_in_place_may_crash_as_well)                 \
    X(without_flushes_a_killed_process_loses_nothing)                          \
    X(without_flushes_a_power_cut_leaves_damage_or_an_older_save)              \
    X(a_disk_that_ignores_directory_syncs_loses_what_was_acknowledged)         \
    X(a_disk_that_ignores_file_syncs_loses_what_was_acknowledged)              \
    X(a_rename_that_is_not_atomic_loses_what_was_acknowledged)

TEST_SUITE(crash, LIST)

// How much is looked at; larger numbers look at more. CKPT_LONG=yes takes the
// second ones.
#ifndef CRASH_BOUND
#define CRASH_BOUND  test_rounds(256, 4096)     // states of one cut
#endif
#ifndef CRASH_SHARE
#define CRASH_SHARE  test_rounds(4, 1)          // one in so many is cut again
#endif
#ifndef CRASH_SOME
#define CRASH_SOME   test_rounds(16, 64)        // of one cut of large files
#endif
#ifndef CRASH_FEW
#define CRASH_FEW    test_rounds(6, 12)         // where there are many cuts
#endif

#define ID       "a-run"
#define DIR_NAME "runs/r-a-run"

enum { PAD = 700, LONG = 14000, BUF = 64 * 1024, FACTS = 24 };

// What is true of the run.
typedef struct fact {
    bool     run, finished;         // there; half removed
    uint32_t kept;                  // 0, CKPT_STATE_FAILED or CKPT_STATE_DONE
    uint64_t turn;                  // of the last save: it tells the content
    unsigned attempt, phases, effects, uncertain, held;
    bool     acked;                 // told to the caller
} fact;

// A process with a store, a context and a run.
typedef struct actor {
    sim_disk     *disk;
    sim_proc     *proc;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    bool          record;           // the undisturbed run, which sets facts
    fact          now;              // what held at last
    fact          facts[FACTS];     // recorded
    unsigned      count, acks;
    uint64_t      from;             // calls before the first that may be cut
    bool          failed;           // a step of the undisturbed run did
} actor;

typedef bool scenario(actor *a);

static struct {
    ckpt_store_fs_durability durability;
    unsigned    bad, looked;        // states
    bool        expect_bad;         // count them, and print nothing
    bool        second;             // cut the recovery short as well
    bool        kill_only;          // the power stays
    bool        once;               // the run was begun with .once
    bool        loose;              // without flushes: old, damaged, not wrong
    bool        may_be_older;       // a generation was damaged
    bool        vary;               // contents of many sizes
    bool        append;             // each turn adds a message
    unsigned    torn;               // states with a generation that is torn
    const char *why;                // what was wrong with the last state
    uint64_t    rng;
    char        buf[BUF], text[2][LONG + 200];
} t;

// --- What is saved

// The messages that turns have added, each its own.
static ckpt_bytes added(uint64_t from, uint64_t to)
{
    char *p = t.text[0];
    for (uint64_t turn = from; turn <= to; turn++) {
        p += sprintf(p, "%c\"%llu:", turn == from ? '[' : ',',
                     (unsigned long long)turn);
        memset(p, (char)('a' + turn), 300 + 40 * (size_t)turn);
        p += 300 + 40 * (size_t)turn;
        *p++ = '"';
    }
    memcpy(p, "]", 2);
    return ckpt_text(t.text[0]);
}

// The messages (part 0) or the state (part 1) of a turn: nobody else's.
static ckpt_bytes content(uint64_t turn, int part)
{
    char *p = t.text[part];
    uint64_t rng = sim_mix(turn, 77 + (uint64_t)part);
    int size = PAD;
    if (turn == 0) {
        return ckpt_text(part == 0 ? "[]" : "{}");
    }
    if (t.append && part == 0) {
        return added(1, turn);
    }
    if (t.vary) {
        size = turn % 4 == 3 ? LONG : 100 + (int)(turn % 4) * PAD;
    }
    p += sprintf(p, part == 0 ? "[\"%llu\",\"" : "{\"turn\":%llu,\"of\":\"",
                 (unsigned long long)turn);
    for (int i = 0; i < size; i++) {
        *p++ = (char)('a' + sim_next(&rng) % 26);
    }
    sprintf(p, part == 0 ? "\"]" : "\"}");
    return ckpt_text(t.text[part]);
}

static ckpt_save_desc save_of(uint64_t turn)
{
    ckpt_save_desc save = { .turn = turn, .messages = content(turn, 0),
                            .state = content(turn, 1), .force = true,
                            .anew = true };
    if (t.append) {
        save.messages = added(turn, turn);
        save.append_at = turn - 1;
    }
    return save;
}

static bool same(ckpt_bytes a, ckpt_bytes b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

// --- Processes

static bool boot(actor *a, sim_disk *disk, sim_plan *plan)
{
    memset(a, 0, sizeof(*a));
    a->disk = disk;
    a->proc = sim_proc_new(disk, 100);
    a->proc->uid = (uint32_t)geteuid();
    if (plan != NULL) {
        sim_set_plan(a->proc, plan);
    }
    return ckpt_store_fs_open(&a->fs, &(ckpt_store_fs_desc){
               .dir = "runs", .durability = t.durability,
               .calls = sim_calls(), .calls_user = a->proc }, NULL) ==
               CKPT_OK &&
           ckpt_init(&a->ctx, &(ckpt_desc){
               .store = &a->fs.base, .throttle_ms = CKPT_OFF,
               .beat_ms = CKPT_OFF }) == CKPT_OK;
}

// Ends a process. Whatever it had open must be closed by then.
static bool leave(actor *a)
{
    if (a->fs.base.methods != NULL) {
        ckpt_abandon(&a->run);
        ckpt_store_fs_close(&a->fs);
    }
    const bool clean = sim_open_count(a->proc) == 0 && a->disk->misuse == NULL;
    sim_kill(a->proc);
    return clean;
}

static sim_disk *empty_disk(void)
{
    sim_disk *disk = sim_disk_new(1);
    disk->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
    sim_put(disk, "runs", SIM_DIRECTORY, NULL, 0);
    sim_put(disk, "runs/.probe", SIM_FILE, NULL, 0);
    return disk;
}

// After a step: which facts hold now, if it succeeded.
static bool did(actor *a, ckpt_code rc, fact now)
{
    const bool ok = (rc == CKPT_OK || rc == CKPT_OLDER) && !a->proc->dead;
    a->failed = a->failed || !ok;
    if (ok) {
        a->now = now;
        a->acks++;
    }
    if (a->record && a->count < FACTS) {
        a->facts[a->count] = now;
        a->facts[a->count++].acked = true;
    }
    return ok;
}

// Before a step: what may hold on its way.
static void on_the_way(actor *a, fact now)
{
    if (a->record && a->count < FACTS) {
        a->facts[a->count] = now;
        a->facts[a->count++].acked = false;
    }
}

// --- What is found

static const char *wrong(const char *why)
{
    t.why = t.why != NULL ? t.why : why;
    return why;
}

typedef struct seen {
    unsigned      runs;
    ckpt_run_info info;
} seen;

static bool visit(void *user, const ckpt_run_info *info)
{
    seen *s = user;
    if (strcmp(info->id, ID) == 0) {
        s->runs++;
        s->info = *info;
    }
    return true;
}

static uint32_t kept_as(const ckpt_run_info *info)
{
    return (uint32_t)info->state & (CKPT_STATE_FAILED | CKPT_STATE_DONE);
}

// Looks, and changes nothing.
static const char *observe(actor *a, fact *f)
{
    ckpt_run_info info, front;
    seen s;
    ckpt_code rc = query_whole(&a->ctx, ID, &info);
    memset(f, 0, sizeof(*f));
    if (rc == CKPT_OK && info.state == CKPT_STATE_BUSY && info.wait_ms > 0) {
        sim_advance(a->disk, info.wait_ms); // a claimant died
        rc = query_whole(&a->ctx, ID, &info);
    }
    const uint64_t before = sim_hash(a->disk);
    memset(&s, 0, sizeof(s));
    if (ckpt_scan(&a->ctx, 0, visit, &s) != CKPT_OK) {
        return wrong("a scan fails");
    }
    if (s.runs != (rc == CKPT_OK)) {
        return wrong("a scan and a query differ");
    }
    if (sim_hash(a->disk) != before) {
        return wrong("looking changes something");
    }
    if (rc == CKPT_ERR_NOT_FOUND) {
        return NULL;
    }
    if (rc != CKPT_OK || ckpt_query(&a->ctx, ID, &front) != CKPT_OK ||
        s.info.state != front.state || s.info.seq != front.seq) {
        return wrong("a query fails");
    }
    f->run = true;
    f->finished = info.state == CKPT_STATE_FINISHED;
    f->kept = kept_as(&info);
    if (!f->finished && f->kept == 0 &&
        info.state != CKPT_STATE_INTERRUPTED &&
        info.state != CKPT_STATE_EXHAUSTED) {
        return wrong(info.state == CKPT_STATE_DAMAGED ? "it is damaged"
                                                      : "an odd state");
    }
    if (info.older && !t.may_be_older) {
        return wrong("a loss is told that is none");
    }
    f->turn = info.turn;
    f->attempt = info.attempt;
    f->phases = info.phases;
    f->uncertain = info.uncertain;
    f->held = info.held;
    return NULL;
}

static bool agree(const fact *f, const fact *o)
{
    if (!f->run || !o->run) {
        return f->run == o->run;
    }
    return f->kept == o->kept && f->turn == o->turn &&
           f->attempt == o->attempt && f->phases == o->phases &&
           f->uncertain == o->uncertain && f->held == o->held;
}

// Whether what is found is what was acknowledged, or what was being done.
// *match is the fact that it agrees with.
static const char *judge(const actor *dry, unsigned acks, const fact *o,
                         const fact **match)
{
    const fact *facts = dry->facts;
    const unsigned count = dry->count;
    unsigned i = 0, last;
    for (unsigned left = acks; left > 0; left--) {
        i++;
        while (!facts[i].acked) {
            i++;
        }
    }
    for (last = i + 1; last < count && !facts[last].acked; ) {
        last++;
    }
    last = last < count ? last : count - 1;
    if (o->finished) {
        // On the way out, of which no part is acknowledged.
        *match = &facts[last];
        return last > i && facts[i].run && !facts[last].run ? NULL
            : wrong("a finished run is there");
    }
    for (unsigned k = i; k <= last; k++) {
        if (agree(&facts[k], o)) {
            *match = &facts[k];
            return NULL;
        }
    }
    return wrong(!o->run && facts[i].run ? "it is lost"
                 : o->run && !facts[i].run ? "it came back"
                 : o->kept != facts[i].kept ? "it is kept as something else"
                 : o->turn < facts[i].turn ? "it is an older one"
                                           : "it is something else");
}

// --- That work goes on

static bool loads(actor *a, uint64_t turn)
{
    ckpt_checkpoint last;
    const ckpt_code rc = ckpt_load(&a->run, &last, t.buf, sizeof(t.buf));
    return (rc == CKPT_OK || rc == CKPT_OLDER) && last.turn == turn &&
           same(last.messages, content(turn, 0)) &&
           same(last.state, content(turn, 1));
}

static const char *check_entries(actor *a, const fact *o, unsigned effects)
{
    ckpt_effect effect;
    ckpt_held held;
    unsigned count = 0, ended = 0, held_count = 0;
    memset(&effect, 0, sizeof(effect));
    memset(&held, 0, sizeof(held));
    while (ckpt_effect_next(&a->run, &effect) == CKPT_OK) {
        size_t size = 0;
        char result[32];
        count++;
        if (effect.state == CKPT_EFFECT_ENDED) {
            ended++;
            if (ckpt_effect_result(&a->run, &effect, result, sizeof(result),
                                   &size) != CKPT_OK ||
                size != 4 || memcmp(result, "[42]", 4) != 0) {
                return wrong("the result of an effect is another one");
            }
        }
    }
    while (ckpt_held_next(&a->run, &held) == CKPT_OK) {
        held_count++;
    }
    if (effects != UINT32_MAX && count != effects) {
        return wrong("an effect is lost");
    }
    if (count - ended != o->uncertain || held_count != o->held) {
        return wrong("entries and counts differ");
    }
    return NULL;
}

// What may be in the directory of a run at work: its claims and two
// generations of this epoch, and no claim of a lower one.
static const char *check_files(actor *a, bool may_have_bad)
{
    char *names = sim_list(a->disk, DIR_NAME), expected[64], claim[64];
    const char *why = NULL;
    unsigned checkpoints = 0;
    snprintf(claim, sizeof(claim), "heartbeat.%llu",
             (unsigned long long)a->run.epoch);
    snprintf(expected, sizeof(expected), "checkpoint.%llu.",
             (unsigned long long)a->run.epoch);
    for (char *p = strtok(names, "\n"); p != NULL; p = strtok(NULL, "\n")) {
        const bool gen = strncmp(p, "checkpoint.", 11) == 0;
        checkpoints += gen;
        if (gen && strncmp(p, expected, strlen(expected)) != 0) {
            why = "an older generation is left";
        }
        if (strncmp(p, "heartbeat.", 10) == 0) {
            if (strcmp(p, claim) != 0) {
                why = "an older claim is left";
            }
        } else if (!gen &&
            !(may_have_bad && strncmp(p, "bad.", 4) == 0)) {
            why = "a temporary file is left";
        }
    }
    free(names);
    return why != NULL || checkpoints != 2
        ? wrong(why != NULL ? why : "not two generations") : NULL;
}

// The names in the root: the probe, and the run if it is there.
static const char *check_root(actor *a, bool run)
{
    char *names = sim_list(a->disk, "runs");
    const char *why = NULL;
    for (char *p = strtok(names, "\n"); p != NULL; p = strtok(NULL, "\n")) {
        if (strcmp(p, ".probe") != 0 &&
            !(run && strcmp(p, "r-a-run") == 0) &&
            strcmp(p, "r-other") != 0) {
            why = "a sweep left something";
        }
    }
    free(names);
    return why != NULL ? wrong(why) : NULL;
}

static int restore_env(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static ckpt_code release_all(actor *a)
{
    ckpt_code rc = CKPT_OK;
    while (rc == CKPT_OK) {
        ckpt_held held;
        ckpt_env env;
        memset(&held, 0, sizeof(held));
        rc = ckpt_held_next(&a->run, &held);
        if (rc == CKPT_OK) {
            rc = ckpt_env_init(&env, &(ckpt_env_desc){
                .id = held.id, .restore = restore_env, .run = &a->run });
        }
        if (rc == CKPT_OK) {
            rc = ckpt_env_release(&env, NULL);
        }
    }
    return rc == CKPT_END ? CKPT_OK : rc;
}

static const char *save_twice_and_finish(actor *a, const fact *o, bool bad)
{
    const bool once = a->run.resumed && t.once;
    for (uint64_t i = 1; i <= 2; i++) {
        const ckpt_save_desc save = save_of(o->turn + i);
        if (ckpt_save(&a->run, &save) != CKPT_OK ||
            !loads(a, o->turn + i)) {
            return wrong("a further save fails");
        }
    }
    const char *why = check_files(a, bad);
    if (why != NULL) {
        return why;
    }
    if (release_all(a) != CKPT_OK ||
        ckpt_finish(&a->run, CKPT_COMPLETED, NULL) != CKPT_OK) {
        return wrong("it cannot be finished");
    }
    ckpt_run_info info;
    if (once && (ckpt_query(&a->ctx, ID, &info) != CKPT_OK ||
                 info.state != CKPT_STATE_DONE ||
                 ckpt_remove(&a->ctx, &a->run, ID) != CKPT_OK)) {
        return wrong("what it did once is forgotten");
    }
    return ckpt_query(&a->ctx, ID, &info) != CKPT_ERR_NOT_FOUND
        ? wrong("it is not gone when it is finished") : NULL;
}

static ckpt_outcome never(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    wrong("a kept run is handed over");
    return CKPT_RETRY;
}

// A kept run is not opened, begun over, recovered or swept, and what it holds
// is whole. A failed one goes on when it is retried; a done one is removed, and
// may be begun anew. Says in *o what is there from then on.
static const char *end_keeping(actor *a, fact *o)
{
    const bool done = o->kept == CKPT_STATE_DONE;
    ckpt_run_info info;
    if (ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID }) !=
            (done ? CKPT_FINISHED : CKPT_ERR_FAILED) ||
        ckpt_start(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID }) !=
            CKPT_ERR_EXISTS) {
        return wrong("a kept run can be begun over");
    }
    if (ckpt_recover(&a->ctx, &a->run, &(ckpt_recover_desc){
            .resume = never }, NULL) != CKPT_OK || t.why != NULL) {
        return wrong("a kept run is recovered");
    }
    if (query_whole(&a->ctx, ID, &info) != CKPT_OK ||
        kept_as(&info) != o->kept || info.turn != o->turn || info.lost) {
        return wrong("a kept run does not stay");
    }
    if (ckpt_verify(&a->ctx, ID, NULL) != CKPT_OK) {
        return wrong("a kept run is not whole");
    }
    if (!done) {
        o->attempt = 0;
        o->kept = 0;
        return ckpt_retry(&a->ctx, &a->run, ID) != CKPT_OK
            ? wrong("a failed run cannot be retried") : NULL;
    }
    if (ckpt_retry(&a->ctx, &a->run, ID) != CKPT_FINISHED) {
        return wrong("a done run can be retried");
    }
    memset(o, 0, sizeof(*o));
    return ckpt_remove(&a->ctx, &a->run, ID) != CKPT_OK
        ? wrong("a done run cannot be removed") : NULL;
}

// Sweeps, opens, loads, saves and finishes.
static const char *carry_on(actor *a, fact o, const fact *match)
{
    uint32_t swept = 0;
    sim_advance(a->disk, 120000);   // a run that was never claimed has no lock
    if (ckpt_sweep(&a->ctx, &a->run, &swept) != CKPT_OK) {
        return wrong("a sweep fails");
    }
    const char *why = check_root(a, o.run && !o.finished);
    if (why != NULL) {
        return why;
    }
    if (o.finished) {
        o.run = false;
    }
    if (o.kept != 0 && (why = end_keeping(a, &o)) != NULL) {
        return why;
    }
    ckpt_code rc = ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID });
    if (rc == CKPT_ERR_EXHAUSTED && o.run && o.attempt >= 3) {
        rc = ckpt_retry(&a->ctx, &a->run, ID);
        if (rc == CKPT_OK) {
            rc = ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID });
            o.attempt = 0;
        }
    }
    if (rc != CKPT_OK || a->run.resumed != o.run) {
        return wrong("it cannot be opened");
    }
    if (!o.run) {
        memset(&o, 0, sizeof(o));
    } else if (a->run.attempt != o.attempt + 1) {
        return wrong("the attempt is not counted");
    }
    if (!loads(a, o.turn)) {
        return wrong("what loads is no save");
    }
    why = check_entries(a, &o, o.run ? match->effects : 0);
    return why != NULL ? why
                       : save_twice_and_finish(a, &o, sim_find(a->disk,
                             DIR_NAME "/bad.1.damaged.json") != NULL);
}

// Checks one disk as the next boot finds it, and uses it up.
static const char *check_disk(sim_disk *disk, const actor *dry, unsigned acks,
                              fact *found)
{
    actor *a = sim_alloc(sizeof(*a));
    fact o;
    t.why = NULL;
    memset(&o, 0, sizeof(o));
    const char *why = boot(a, disk, NULL) ? observe(a, &o)
                                          : wrong("the store does not open");
    const fact *match = NULL;
    if (why == NULL) {
        why = judge(dry, acks, &o, &match);
    }
    if (why == NULL) {
        why = carry_on(a, o, match);
    }
    if (!leave(a) && why == NULL) {
        why = wrong("something is left open");
    }
    *found = o;
    free(a);
    return why;
}

// --- Cuts

// The undisturbed run. False if a step of it fails.
static bool rehearse(actor *a, sim_disk *ready, scenario *s)
{
    sim_disk *disk = sim_clone(ready);
    fact start;
    bool ok = boot(a, disk, NULL) && observe(a, &start) == NULL;
    if (ok) {
        a->record = true;
        start.effects = start.uncertain;
        start.acked = true;
        a->now = a->facts[a->count++] = start;
        a->from = a->proc->calls;
        ok = s(a) && !a->failed;
    }
    const uint64_t calls = a->proc->calls;
    ok = leave(a) && ok;
    a->proc = NULL;
    a->acks = (unsigned)(calls - a->from);  // how many calls there are
    sim_disk_free(disk);
    return ok;
}

// Runs a scenario and kills it at its k-th call. True if it got to its end.
static bool act(actor *a, sim_disk *disk, const actor *dry, scenario *s,
                uint64_t k)
{
    sim_plan plan = { .at = k, .verdict = { SIM_DIE, 0, 0 } };
    if (!boot(a, disk, NULL)) {
        return true;
    }
    a->now = dry->facts[0];
    sim_set_plan(a->proc, &plan);
    (void)s(a);
    const bool ended = !a->proc->dead;
    sim_kill(a->proc);
    (void)leave(a);
    return ended;
}

static void report(sim_disk *disk, const char *why, uint64_t k, unsigned acks,
                   const fact *found)
{
    t.bad++;
    if (t.expect_bad) {
        return;
    }
    if (t.bad <= 3) {
        char *dump = sim_dump(disk);
        printf("cut at call %llu after %u steps: %s; turn %llu attempt %u "
               "run %d finished %d kept %x\n%s", (unsigned long long)k,
               acks, why, (unsigned long long)found->turn, found->attempt,
               found->run, found->finished, (unsigned)found->kept, dump);
        free(dump);
    }
    CHECK_STR(why, NULL);
}

// What a store without flushes still promises after a power cut: what loads
// is a save, whole, of a turn that there was, or the call says what is wrong.
static const char *check_loose(sim_disk *disk, const actor *dry, fact *found)
{
    actor *a = sim_alloc(sizeof(*a));
    const char *why = NULL;
    uint64_t most = 0;
    ckpt_code rc = boot(a, disk, NULL) ? CKPT_OK : CKPT_ERR_IO;
    for (unsigned i = 0; i < dry->count; i++) {
        most = dry->facts[i].turn > most ? dry->facts[i].turn : most;
    }
    t.why = NULL;
    memset(found, 0, sizeof(*found));
    sim_advance(disk, 120000);      // an empty claim is judged by its age
    rc = rc == CKPT_OK
        ? ckpt_resume(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID }) : rc;
    if (rc == CKPT_OK || rc == CKPT_OLDER) {
        found->run = true;
        found->turn = a->run.turn;
        why = a->run.turn > most || !loads(a, a->run.turn)
            ? wrong("what loads is no save") : NULL;
        const ckpt_save_desc save = save_of(found->turn + 1);
        if (why == NULL && (ckpt_save(&a->run, &save) != CKPT_OK ||
                            !loads(a, save.turn))) {
            why = wrong("a further save fails");
        }
    } else if (rc != CKPT_ERR_NOT_FOUND && rc != CKPT_ERR_DAMAGED &&
               rc != CKPT_FINISHED && rc != CKPT_ERR_FAILED) {
        why = wrong("an odd code");
    }
    (void)leave(a);
    free(a);
    return why;
}

// Whether a file has a whole head over a body that is not its own.
static bool is_torn(sim_disk *disk, const char *path)
{
    size_t size = 0;
    const unsigned char *b = sim_get(disk, path, &size);
    const unsigned char *eol = b != NULL ? memchr(b, '\n', size) : NULL;
    char digits[16], text[512] = "";
    if (eol == NULL || eol - b >= 500) {
        return false;
    }
    const size_t head = (size_t)(eol + 1 - b);
    memcpy(text, b, head);
    const char *at = strstr(text, "\"length\":");
    const size_t length = at != NULL ? (size_t)strtoull(at + 9, NULL, 10) : 0;
    if (length < head || length > size) {
        return true;
    }
    uint32_t crc = crc_of(0, b + head, length - head);
    crc = crc_of(crc, b, 17);
    crc = crc_of(crc, b + 25, head - 25);
    snprintf(digits, sizeof(digits), "%08lx", (unsigned long)crc);
    return memcmp(digits, b + 17, 8) != 0;
}

// Checks a state, and keeps what it was to show it.
static void check(sim_disk *disk, const actor *dry, uint64_t k, unsigned acks)
{
    fact found;
    sim_disk *before = sim_clone(disk);
    const char *why = t.loose ? check_loose(disk, dry, &found)
                              : check_disk(disk, dry, acks, &found);
    t.looked++;
    t.torn += is_torn(before, DIR_NAME "/checkpoint.1.json") ||
              is_torn(before, DIR_NAME "/checkpoint.1.prev.json");
    if (why != NULL) {
        report(before, why, k, acks, &found);
    } else {
        CHECK(why == NULL);
    }
    sim_disk_free(before);
}

// What a next boot does, to be cut short in its turn.
static bool recovery(actor *a)
{
    fact f = a->now;
    ckpt_code rc;
    if (f.finished) {
        rc = ckpt_sweep(&a->ctx, &a->run, NULL);
        f.run = f.finished = false;
        return did(a, rc, f);
    }
    const ckpt_run_desc desc = { .id = ID, .once = t.once };
    if (f.kept == CKPT_STATE_DONE) {
        memset(&f, 0, sizeof(f));
        if (!did(a, ckpt_remove(&a->ctx, &a->run, ID), f)) {
            return false;
        }
    } else if (f.kept == CKPT_STATE_FAILED) {
        f.kept = 0;
        f.attempt = 0;
        if (!did(a, ckpt_retry(&a->ctx, &a->run, ID), f)) {
            return false;
        }
    }
    rc = ckpt_open(&a->ctx, &a->run, &desc);
    if (rc == CKPT_ERR_EXHAUSTED) {
        f.attempt = 0;
        if (!did(a, ckpt_retry(&a->ctx, &a->run, ID), f)) {
            return false;
        }
        rc = ckpt_open(&a->ctx, &a->run, &desc);
    }
    f.attempt = f.run ? f.attempt + 1 : 0;
    f.run = true;
    if (!did(a, rc, f)) {
        return false;
    }
    const ckpt_save_desc save = save_of(++f.turn);
    f.attempt = 0;
    f.effects = f.uncertain;
    return did(a, ckpt_save(&a->run, &save), f);
}

// Cuts the power once more, at one moment of a recovery from a state.
static void cut_again(sim_disk *after)
{
    static actor dry, a;
    sim_disk *ready = sim_clone(after);
    sim_advance(ready, 10000);          // no patience is needed
    if (CHECK(rehearse(&dry, ready, recovery))) {
        sim_disk *disk = sim_clone(ready);
        sim_crash it;
        // Entries are as the first scenario left them.
        for (unsigned i = 0; i < dry.count; i++) {
            dry.facts[i].effects = UINT32_MAX;
        }
        const uint64_t k = 1 + sim_next(&t.rng) % (dry.acks + 1);
        (void)act(&a, disk, &dry, recovery, k);
        sim_crash_begin(&it, disk, &(sim_crash_desc){
            .profile = SIM_WEAKEST, .bound = 6, .seed = t.rng });
        for (sim_disk *d; (d = sim_crash_next(&it)) != NULL; ) {
            check(d, &dry, k, a.acks);
            sim_disk_free(d);
        }
        sim_crash_end(&it);
        sim_disk_free(disk);
    }
    sim_disk_free(ready);
}

static void cut(sim_disk *ready, scenario *s, sim_profile profile)
{
    static actor dry, a;
    sim_set known = { NULL, 0, 0 };
    bool ended = false;
    if (!CHECK(rehearse(&dry, ready, s))) {
        return;
    }
    for (uint64_t k = 1; !ended; k++) {
        sim_disk *disk = sim_clone(ready);
        sim_crash it;
        ended = act(&a, disk, &dry, s, k);
        sim_crash_begin(&it, disk, &(sim_crash_desc){
            .profile = profile, .seen = &known, .salt = a.acks, .seed = k,
            .bound = t.loose || t.expect_bad ? CRASH_FEW :
                     t.vary ? CRASH_SOME : CRASH_BOUND
        });
        for (sim_disk *d; !t.kill_only && (d = sim_crash_next(&it)) != NULL; ) {
            if (t.second) {
                if (sim_next(&t.rng) % CRASH_SHARE == 0) {
                    cut_again(d);
                }
            } else {
                check(d, &dry, k, a.acks);
            }
            sim_disk_free(d);
        }
        sim_crash_end(&it);
        if (!t.expect_bad && !t.second && !t.loose) {
            check(disk, &dry, k, a.acks);   // killed, and the power stays
        }
        sim_disk_free(disk);
    }
    sim_set_free(&known);
}

static void begin_test(ckpt_store_fs_durability durability)
{
    memset(&t, 0, sizeof(t));
    t.durability = durability;
    t.rng = 1;
}

// What a test has set goes on from here.
static void prove_more(sim_disk *ready, scenario *s)
{
    cut(ready, s, SIM_WEAKEST);
    cut(ready, s, SIM_ORDERED);
    if (getenv("CRASH_COUNT") != NULL) {
        printf("%u states, %u of them torn\n", t.looked, t.torn);
    }
    sim_disk_free(ready);
}

static void prove_as(sim_disk *ready, scenario *s, bool once)
{
    begin_test(CKPT_STORE_FS_POWER);
    t.once = once;
    prove_more(ready, s);
}

// Every cut of a scenario, on every disk that keeps POSIX.
static void prove(sim_disk *ready, scenario *s)
{
    prove_as(ready, s, false);
}

// The same of a run that was begun with .once.
static void prove_once(sim_disk *ready, scenario *s)
{
    prove_as(ready, s, true);
}

// --- Disks to begin with

// A run with so many saves whose owner crashed, and crashed again after so
// many resumes.
static sim_disk *crashed_of(uint64_t turns, unsigned resumes, bool once)
{
    static actor a;
    sim_disk *disk = empty_disk();
    begin_test(CKPT_STORE_FS_POWER);
    for (unsigned i = 0; i <= resumes; i++) {
        CHECK(boot(&a, disk, NULL));
        CHECK_INT(ckpt_open(&a.ctx, &a.run, &(ckpt_run_desc){
                      .id = ID, .once = once }), CKPT_OK);
        for (uint64_t n = 1; i == 0 && n <= turns; n++) {
            const ckpt_save_desc save = save_of(n);
            CHECK_INT(ckpt_save(&a.run, &save), CKPT_OK);
        }
        sim_kill(a.proc);
        (void)leave(&a);
    }
    sim_settle(disk);
    return disk;
}

static sim_disk *crashed(uint64_t turns, unsigned resumes)
{
    return crashed_of(turns, resumes, false);
}

// A run with so many saves that was kept: begun with .once and completed, or
// failed.
static sim_disk *kept(uint64_t turns, ckpt_outcome outcome)
{
    static actor a;
    sim_disk *disk = empty_disk();
    begin_test(CKPT_STORE_FS_POWER);
    CHECK(boot(&a, disk, NULL));
    CHECK_INT(ckpt_open(&a.ctx, &a.run, &(ckpt_run_desc){
                  .id = ID, .once = outcome == CKPT_COMPLETED }), CKPT_OK);
    for (uint64_t n = 1; n <= turns; n++) {
        const ckpt_save_desc save = save_of(n);
        CHECK_INT(ckpt_save(&a.run, &save), CKPT_OK);
    }
    CHECK_INT(ckpt_finish(&a.run, outcome, &(ckpt_finish_desc){
                  .keep = outcome == CKPT_FAILED, .reason = "no" }), CKPT_OK);
    CHECK(leave(&a));
    sim_settle(disk);
    return disk;
}

// --- Scenarios

static ckpt_code open_run(actor *a)
{
    return ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID });
}

static bool reopen(actor *a)
{
    fact f = a->now;
    f.attempt++;
    return did(a, open_run(a), f);
}

static bool save_next(actor *a)
{
    fact f = a->now;
    const ckpt_save_desc save = save_of(++f.turn);
    f.attempt = 0;
    return did(a, ckpt_save(&a->run, &save), f);
}

static bool begins(actor *a)
{
    fact f = a->now;
    f.run = true;
    return did(a, open_run(a), f);
}

static void a_begin_is_whole_or_not_there(void)
{
    prove(empty_disk(), begins);
}

static bool saves_thrice(actor *a)
{
    return begins(a) && save_next(a) && save_next(a) && save_next(a);
}

static void a_save_is_the_old_one_or_the_new_one(void)
{
    prove(empty_disk(), saves_thrice);
}

static bool ends_a_phase(actor *a)
{
    fact f = a->now;
    if (!reopen(a)) {
        return false;
    }
    const ckpt_save_desc save = save_of(++f.turn);
    f.phases++;
    f.attempt = 0;
    if (!did(a, ckpt_phase_end(&a->run, "plan", ckpt_text("{}"), &save), f)) {
        return false;
    }
    f.phases++;
    return did(a, ckpt_phase_end(&a->run, "plan", ckpt_text("{}"), NULL), f);
}

static void a_phase_ends_or_does_not(void)
{
    prove(crashed(1, 0), ends_a_phase);
}

static bool does_an_effect(actor *a)
{
    ckpt_effect effect;
    fact f = a->now;
    if (!reopen(a)) {
        return false;
    }
    const ckpt_save_desc save = save_of(++f.turn);
    f.attempt = 0;
    f.effects = f.uncertain = 1;
    if (!did(a, ckpt_effect_begin(&a->run, "call", &save, &effect), f)) {
        return false;
    }
    f.uncertain = 0;
    return did(a, ckpt_effect_end(&a->run, "call", ckpt_text("[42]")), f);
}

static void an_effect_has_begun_before_its_tool_runs(void)
{
    prove(crashed(1, 0), does_an_effect);
}

static bool resumes(actor *a)
{
    return reopen(a) && save_next(a) && save_next(a);
}

static void a_resume_loses_nothing_and_counts_its_attempt(void)
{
    prove(crashed(2, 0), resumes);
    prove(crashed(2, 1), resumes);
    prove(crashed(0, 2), resumes);
}

static void a_resume_over_a_damaged_newest_loses_no_older(void)
{
    sim_disk *disk = crashed(3, 0);
    size_t size = 0;
    const unsigned char *bytes =
        sim_get(disk, DIR_NAME "/checkpoint.1.json", &size);
    CHECK(bytes != NULL);
    char *copy = sim_alloc(size);
    memcpy(copy, bytes, size);
    copy[size / 2] ^= 1;
    sim_put(disk, DIR_NAME "/checkpoint.1.json", SIM_FILE, copy, size);
    free(copy);
    begin_test(CKPT_STORE_FS_POWER);
    t.may_be_older = true;
    prove_more(disk, resumes);
}

static bool leaves(actor *a, ckpt_outcome outcome)
{
    fact f = a->now;
    if (!reopen(a)) {
        return false;
    }
    const ckpt_save_desc save = save_of(f.turn);
    f.attempt += outcome == CKPT_RETRY;
    return did(a, ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){
                   .reason = "later", .save = &save }), f);
}

static bool is_interrupted(actor *a)
{
    return leaves(a, CKPT_INTERRUPTED);
}

static void a_clean_interrupt_gives_back_or_does_not(void)
{
    prove(crashed(2, 1), is_interrupted);
}

static bool gives_up_for_now(actor *a)
{
    return leaves(a, CKPT_RETRY);
}

static void an_attempt_that_failed_is_counted(void)
{
    prove(crashed(2, 1), gives_up_for_now);
}

static bool finishes(actor *a, ckpt_outcome outcome, bool keep)
{
    fact f = a->now;
    if (!reopen(a) || !save_next(a)) {
        return false;
    }
    const ckpt_save_desc save = save_of(f.turn + 2);
    f.run = keep || t.once;
    f.kept = keep ? CKPT_STATE_FAILED : t.once ? CKPT_STATE_DONE : 0;
    f.turn += 2;
    f.attempt = 0;
    return did(a, ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){
                   .save = &save, .keep = keep }), f);
}

static bool completes(actor *a)
{
    return finishes(a, CKPT_COMPLETED, false);
}

static void a_completed_run_never_comes_back(void)
{
    prove(crashed(2, 0), completes);
}

static bool fails(actor *a)
{
    return finishes(a, CKPT_FAILED, false);
}

static void a_failed_run_never_comes_back(void)
{
    prove(crashed(1, 0), fails);
}

static bool fails_and_is_kept(actor *a)
{
    return finishes(a, CKPT_FAILED, true);
}

static void a_kept_run_is_a_run_or_a_kept_one(void)
{
    prove(crashed(2, 0), fails_and_is_kept);
}

static void a_run_done_once_is_a_run_or_a_done_one(void)
{
    prove_once(crashed_of(2, 0, true), completes);
}

// All that must leave a kept run as it is.
static bool leaves_it_kept(actor *a)
{
    const bool done = a->now.kept == CKPT_STATE_DONE;
    ckpt_code rc = open_run(a);
    rc = rc == (done ? CKPT_FINISHED : CKPT_ERR_FAILED) ? CKPT_OK
         : rc == CKPT_OK ? CKPT_ERR_EXISTS : rc;
    if (!did(a, rc, a->now)) {
        return false;
    }
    rc = ckpt_start(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID });
    rc = rc == CKPT_ERR_EXISTS ? CKPT_OK
         : rc == CKPT_OK ? CKPT_ERR_EXISTS : rc;
    return did(a, rc, a->now) &&
           did(a, ckpt_recover(&a->ctx, &a->run, &(ckpt_recover_desc){
                   .resume = never }, NULL), a->now) &&
           did(a, ckpt_sweep(&a->ctx, &a->run, NULL), a->now);
}

static void a_kept_run_is_never_begun_over(void)
{
    prove(kept(2, CKPT_FAILED), leaves_it_kept);
    prove(kept(2, CKPT_COMPLETED), leaves_it_kept);
}

static ckpt_outcome give_up(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run, (void)finish;
    return *(const ckpt_outcome *)user;
}

static bool recovers(actor *a, ckpt_fallback_fn *fallback, ckpt_outcome outcome)
{
    fact f = a->now;
    f.attempt++;
    on_the_way(a, f);
    f.run = outcome == CKPT_FAILED;
    f.kept = f.run ? CKPT_STATE_FAILED : 0;
    return did(a, ckpt_recover(&a->ctx, &a->run, &(ckpt_recover_desc){
                   .resume = give_up, .fallback = fallback,
                   .user = &outcome }, NULL), f);
}

static bool recovers_to_be_kept(actor *a)
{
    return recovers(a, NULL, CKPT_FAILED);
}

static void an_exhausted_run_is_kept_when_it_fails(void)
{
    prove(crashed(1, 3), recovers_to_be_kept);
}

static bool falls_back_to_be_kept(actor *a)
{
    return recovers(a, give_up, CKPT_FAILED);
}

static void a_run_whose_fallback_failed_is_kept(void)
{
    prove(crashed(1, 3), falls_back_to_be_kept);
}

static bool falls_back_and_removes(actor *a)
{
    return recovers(a, give_up, CKPT_COMPLETED);
}

static void a_fallback_may_remove_a_run(void)
{
    prove(crashed(1, 3), falls_back_and_removes);
}

static bool retries(actor *a)
{
    fact f = a->now;
    f.attempt = 0;
    f.kept = 0;
    return did(a, ckpt_retry(&a->ctx, &a->run, ID), f);
}

static void a_retried_kept_run_is_failed_or_interrupted(void)
{
    prove(kept(2, CKPT_FAILED), retries);
}

static void a_retry_gives_the_attempts_back(void)
{
    prove(crashed(1, 3), retries);
}

static bool removes(actor *a)
{
    fact f = a->now;
    f.run = false;
    return did(a, ckpt_remove(&a->ctx, &a->run, ID), f);
}

static void a_removed_run_never_comes_back(void)
{
    prove(crashed(2, 0), removes);
}

static void a_removed_kept_run_never_comes_back(void)
{
    prove(kept(2, CKPT_FAILED), removes);
    prove(kept(2, CKPT_COMPLETED), removes);
}

// A kept run that was left for a minute goes, and no other.
static bool prunes(actor *a)
{
    uint32_t count = 0;
    fact f = a->now;
    f.run = false;
    sim_advance(a->disk, 60000);
    const ckpt_code rc = ckpt_prune(&a->ctx, &a->run, &(ckpt_prune_desc){
        .age_ms = 30000 }, &count);
    // What goes wrong with one run is no error of the whole.
    return did(a, rc == CKPT_OK && count != 1 ? CKPT_ERR_IO : rc, f);
}

static void a_pruned_run_never_comes_back(void)
{
    prove(kept(2, CKPT_FAILED), prunes);
    prove(kept(2, CKPT_COMPLETED), prunes);
}
// Leaves the disk as a kill at the k-th call of a scenario does.
static void kill_at(sim_disk *disk, scenario *s, uint64_t k)
{
    static actor a, dry;
    memset(&dry, 0, sizeof(dry));
    (void)act(&a, disk, &dry, s, k);
    sim_settle(disk);
}

static bool begins_another(actor *a)
{
    return ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = "new" }) ==
           CKPT_OK;
}

static bool completes_another(actor *a)
{
    return ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){ .id = "old" }) ==
           CKPT_OK && ckpt_finish(&a->run, CKPT_COMPLETED, NULL) == CKPT_OK;
}

static bool sweeps(actor *a)
{
    uint32_t count = 0;
    const bool ok = did(a, ckpt_sweep(&a->ctx, &a->run, &count), a->now);
    if (a->record) {
        CHECK_INT(count, 2);
        CHECK(check_root(a, true) == NULL);
    }
    return ok;
}

// Beside the run: one half made, whose maker died, and one half removed.
static void a_sweep_removes_leftovers_and_nothing_else(void)
{
    sim_disk *disk = crashed(1, 0);
    uint64_t k = 1;
    for (; sim_count(disk, "runs") < 3; k++) {
        kill_at(disk, begins_another, k + 20);
    }
    CHECK(sim_find(disk, "runs/r-new") == NULL);
    for (k = 1; k < 400; k++) {
        sim_disk *copy = sim_clone(disk);
        kill_at(copy, completes_another, k);
        if (sim_find(copy, "runs/r-old") != NULL &&
            sim_find(copy, "runs/r-old/checkpoint.1.json") == NULL) {
            sim_disk_free(disk);
            disk = copy;
            break;
        }
        sim_disk_free(copy);
    }
    CHECK(k < 400);
    sim_advance(disk, 120000);
    prove(disk, sweeps);
}

static bool holds_and_releases(actor *a)
{
    ckpt_env env;
    fact f = a->now;
    if (!reopen(a)) {
        return false;
    }
    f.attempt++;
    f.held = 1;
    if (!did(a, ckpt_env_init(&env, &(ckpt_env_desc){
                 .id = "box", .restore = restore_env, .run = &a->run }), f)) {
        return false;
    }
    f.held = 0;
    return did(a, ckpt_env_release(&env, NULL), f);
}

static void an_environment_is_held_from_before_it_is_made(void)
{
    prove(crashed(1, 0), holds_and_releases);
}

// --- Saves in place

// On these disks the third save of a claim and all that follow write in place.
static sim_disk *exchanging(sim_disk *disk)
{
    disk->exchanges = 1;
    return disk;
}

static bool saves_often(actor *a)
{
    bool ok = a->now.run ? reopen(a) : begins(a);
    for (int i = 0; ok && i < 6; i++) {
        ok = save_next(a);
    }
    return ok;
}

// A check that saw no torn generation has proved nothing.
static void saves_in_place_are_the_old_one_or_the_new_one(void)
{
    prove(exchanging(empty_disk()), saves_often);
    CHECK(t.torn > 0);
}

static void saves_in_place_of_any_size_are_the_old_one_or_the_new_one(void)
{
    begin_test(CKPT_STORE_FS_POWER);
    t.vary = true;
    prove_more(exchanging(empty_disk()), saves_often);
    CHECK(t.torn > 0);
}

static void messages_added_in_place_are_there_or_not(void)
{
    begin_test(CKPT_STORE_FS_POWER);
    t.append = true;
    prove_more(exchanging(empty_disk()), saves_often);
    CHECK(t.torn > 0);
}

static bool does_everything(actor *a)
{
    ckpt_effect effect;
    bool ok = begins(a) && save_next(a) && save_next(a);
    fact f = a->now;
    const ckpt_save_desc save = save_of(++f.turn);
    f.effects = f.uncertain = 1;
    ok = ok && did(a, ckpt_effect_begin(&a->run, "call", &save, &effect), f);
    f.uncertain = 0;
    ok = ok && did(a, ckpt_effect_end(&a->run, "call", ckpt_text("[42]")), f);
    f.phases++;
    ok = ok && did(a, ckpt_phase_end(&a->run, "plan", ckpt_text("{}"), NULL),
                   f);
    f.attempt = 0;
    return ok && did(a, ckpt_finish(&a->run, CKPT_INTERRUPTED, NULL), f);
}

static void what_is_saved_in_place_between_saves_is_there_or_not(void)
{
    prove(exchanging(empty_disk()), does_everything);
    CHECK(t.torn > 0);
}

static bool saves_and_completes(actor *a)
{
    fact gone;
    memset(&gone, 0, sizeof(gone));
    return begins(a) && save_next(a) && save_next(a) && save_next(a) &&
           did(a, ckpt_finish(&a->run, CKPT_COMPLETED, NULL), gone);
}

static bool saves_and_is_kept(actor *a)
{
    if (!begins(a) || !save_next(a) || !save_next(a) || !save_next(a)) {
        return false;
    }
    fact f = a->now;
    f.kept = CKPT_STATE_FAILED;
    return did(a, ckpt_finish(&a->run, CKPT_FAILED, &(ckpt_finish_desc){
                   .keep = true, .reason = "no" }), f);
}

static void a_run_that_was_saved_in_place_ends_or_does_not(void)
{
    prove(exchanging(empty_disk()), saves_and_completes);
    CHECK(t.torn > 0);
    prove(exchanging(empty_disk()), saves_and_is_kept);
    CHECK(t.torn > 0);
}

// One way reads what the other one has written.
static void a_run_that_was_saved_in_place_is_resumed_in_either_way(void)
{
    for (int way = 0; way < 2; way++) {
        static actor a;
        sim_disk *disk = exchanging(empty_disk());
        begin_test(CKPT_STORE_FS_POWER);
        CHECK(boot(&a, disk, NULL) && saves_often(&a));
        sim_kill(a.proc);
        (void)leave(&a);
        sim_settle(disk);
        disk->exchanges = way;
        prove(disk, way == 0 ? resumes : saves_often);
    }
}

static void a_recovery_of_what_was_saved_in_place_may_crash_as_well(void)
{
    static scenario *const of[] = {
        saves_often, does_everything, saves_and_completes, saves_and_is_kept
    };
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        sim_disk *ready = exchanging(empty_disk());
        begin_test(CKPT_STORE_FS_POWER);
        t.second = true;
        t.rng = i + 1;
        cut(ready, of[i], SIM_WEAKEST);
        CHECK(t.looked > 0);
        sim_disk_free(ready);
    }
}

// --- Twice, and on other disks

// One moment of the recovery from each state that the first cut left is drawn.
static void a_recovery_may_crash_as_well(void)
{
    static scenario *const of[] = {
        saves_thrice, resumes, is_interrupted, does_an_effect, completes,
        fails_and_is_kept, recovers_to_be_kept, retries,
        retries, removes, removes, prunes, prunes, completes
    };
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        const bool once = i == 13;
        sim_disk *ready = i == 0 ? empty_disk()
            : i < 8 || once ? crashed_of(1, i < 6 || once ? 0 : 3, once)
            : kept(1, i == 10 || i == 12 ? CKPT_COMPLETED : CKPT_FAILED);
        begin_test(CKPT_STORE_FS_POWER);
        t.once = once;
        t.second = true;
        t.rng = i + 1;
        cut(ready, of[i], SIM_WEAKEST);
        CHECK(t.looked > 0);
        sim_disk_free(ready);
    }
}

static scenario *const common[] = {
    saves_thrice, resumes, ends_a_phase, does_an_effect, is_interrupted,
    completes, fails_and_is_kept, holds_and_releases
};
enum { COMMON = sizeof(common) / sizeof(common[0]) };

static void without_flushes_a_killed_process_loses_nothing(void)
{
    for (size_t i = 0; i < COMMON; i++) {
        sim_disk *ready = i == 0 ? empty_disk() : crashed(1, 0);
        begin_test(CKPT_STORE_FS_PROCESS);
        t.kill_only = true;
        cut(ready, common[i], SIM_WEAKEST);
        sim_disk_free(ready);
    }
}

static void without_flushes_a_power_cut_leaves_damage_or_an_older_save(void)
{
    for (size_t i = 0; i < COMMON; i++) {
        sim_disk *ready = i == 0 ? empty_disk() : crashed(1, 0);
        begin_test(CKPT_STORE_FS_PROCESS);
        t.loose = true;
        cut(ready, common[i], SIM_WEAKEST);
        sim_disk_free(ready);
    }
}

// Counts the states that break a promise where POSIX is not kept.
static unsigned broken(unsigned flags, scenario *s)
{
    sim_disk *ready = s == saves_thrice ? empty_disk() : crashed(1, 0);
    ready->flags = flags;
    begin_test(CKPT_STORE_FS_POWER);
    t.expect_bad = true;
    cut(ready, s, SIM_WEAKEST);
    sim_disk_free(ready);
    return t.bad;
}

static void a_disk_that_ignores_directory_syncs_loses_what_was_acknowledged(
    void)
{
    CHECK(broken(SIM_NO_DIRSYNC, saves_thrice) > 0);
    CHECK(broken(SIM_NO_DIRSYNC, completes) > 0);
}

static void a_disk_that_ignores_file_syncs_loses_what_was_acknowledged(void)
{
    CHECK(broken(SIM_NO_FILESYNC, saves_thrice) > 0);
}

static void a_rename_that_is_not_atomic_loses_what_was_acknowledged(void)
{
    CHECK(broken(SIM_NONATOMIC_RENAME, saves_thrice) > 0);
}
