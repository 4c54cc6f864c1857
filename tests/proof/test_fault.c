// SPDX-License-Identifier: MIT-0
// Faults: the k-th system call of every public call fails, for every k, before
// its effect or after it, once or for ever. The code that is returned must be
// the truth, nothing may leak, and work goes on when the fault is gone.
#include "simdisk.h"
#include "test.h"

#include <unistd.h>

#define LIST(X)                                                                \
    X(a_fault_before_its_effect_leaves_the_old_state)                          \
    X(a_fault_after_its_effect_is_judged_by_looking)                           \
    X(a_disk_that_fails_for_ever_is_survived)                                  \
    X(short_reads_and_writes_are_carried_on)                                   \
    X(interrupted_calls_are_made_again)                                        \
    X(interrupted_calls_that_had_their_effect_are_seen_through)                \
    X(a_store_that_does_not_open_says_why_and_leaks_nothing)                   \
    X(a_second_fault_in_a_save_is_no_worse)                                    \
    X(a_second_fault_in_a_finish_is_no_worse)                                  \
    X(a_fault_in_place_leaves_the_old_state_or_says_unsure)                    \
    X(a_fault_in_place_after_its_effect_is_judged_by_looking)                  \
    X(a_disk_that_fails_for_ever_in_place_is_survived)                         \
    X(what_is_short_or_interrupted_in_place_is_carried_on)

TEST_SUITE(fault, LIST)

// How much is looked at; larger numbers, and a smaller step, look at more.
#ifndef FAULT_STATES
#define FAULT_STATES test_rounds(4, 8)      // of a power cut after a call
#endif
#ifndef FAULT_STEP
#define FAULT_STEP   test_rounds(9, 3)      // between the first of two faults
#endif

#define ID       "a-run"
#define DIR_NAME "runs/r-a-run"

enum { BUF = 16 * 1024 };

static bool in_place;               // the calls write in place

// What is true of the run.
typedef struct fact {
    bool     run, finished;
    unsigned kept;                  // CKPT_STATE_FAILED, _DONE, or 0
    uint64_t turn;
    unsigned attempt, phases, uncertain, held;
} fact;

// A process with a store, a context and a run.
typedef struct actor {
    sim_disk     *disk;
    sim_proc     *proc;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    ckpt_env      env;
    ckpt_run_info info;
    bool          odd;              // a call told something that is not so
} actor;

typedef enum stage {
    EMPTY, PLAIN, ONCE, RICH, EXHAUSTED, DEAD, DONE, LEFT, STAGES
} stage;

enum {
    OPENS = 1 << 0,         // claims a run; none is open before
    ON_RUN = 1 << 1,        // works on an open run
    ENDS = 1 << 2,          // closes it
    CHANGES = 1 << 3,       // changes what stands
    AGAIN = 1 << 4,         // may say EXISTS when it is repeated
    MAY_LIVE = 1 << 5,      // without a lock the age of the beat decides
    DONE_AGAIN = 1 << 6     // repeated when it is done: not found, passed over
};

// A public call. It changes *f, which held before, to what holds after it.
typedef ckpt_code op_fn(actor *a, fact *f);

typedef struct call {
    const char *name;
    op_fn      *run;
    stage       on;
    unsigned    how;
} call;

static struct {
    sim_disk *disks[STAGES];
    sim_plan  plan[2];
    uint32_t  hit;                  // the calls that failed
    bool      with_states;          // look at power cuts as well
    unsigned  runs, states, told;
    const void *news[64];           // what was printed
    char      what[160];            // failed
    char      buf[BUF];
} t;

// --- What is saved

static ckpt_save_desc save_of(uint64_t turn)
{
    static char messages[900], state[64];
    const char c = (char)('a' + turn % 26);
    snprintf(messages, sizeof(messages), "[\"%llu\",\"",
             (unsigned long long)turn);
    const size_t n = strlen(messages);
    memset(messages + n, c, 700);
    memcpy(messages + n + 700, "\"]", 3);
    snprintf(state, sizeof(state), "{\"turn\":%llu}", (unsigned long long)turn);
    return (ckpt_save_desc){ .anew = true, .turn = turn,
                             .messages = ckpt_text(messages),
                             .state = ckpt_text(state), .force = true };
}

static bool same(ckpt_bytes a, ckpt_bytes b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool loads(actor *a, uint64_t turn)
{
    ckpt_checkpoint last;
    const ckpt_save_desc save = save_of(turn);
    return ckpt_load(&a->run, &last, t.buf, sizeof(t.buf)) == CKPT_OK &&
           last.turn == turn &&
           (turn == 0 || (same(last.messages, save.messages) &&
                          same(last.state, save.state)));
}

// --- Processes

static ckpt_code boot(actor *a, sim_disk *disk, int64_t pid)
{
    memset(a, 0, sizeof(*a));
    a->disk = disk;
    a->proc = sim_proc_new(disk, pid);
    a->proc->uid = (uint32_t)geteuid();
    const ckpt_code rc = ckpt_store_fs_open(&a->fs, &(ckpt_store_fs_desc){
        .dir = "runs", .calls = sim_calls(), .calls_user = a->proc }, NULL);
    return rc != CKPT_OK ? rc : ckpt_init(&a->ctx, &(ckpt_desc){
        .store = &a->fs.base, .throttle_ms = CKPT_OFF, .beat_ms = CKPT_OFF });
}

static bool leave(actor *a)
{
    ckpt_abandon(&a->run);
    ckpt_store_fs_close(&a->fs);
    const bool clean = sim_open_count(a->proc) == 0 && a->disk->misuse == NULL;
    sim_kill(a->proc);
    return clean;
}

// The plan, which also remembers what it hit.
static sim_verdict hook(void *user, sim_proc *p, const sim_event *e)
{
    const uint64_t before = t.plan[0].fired + t.plan[1].fired;
    const sim_verdict v = sim_plan_hook(user, p, e);
    if (t.plan[0].fired + t.plan[1].fired > before) {
        const size_t n = strlen(t.what);
        t.hit |= SIM_BIT(e->call);
        if (n + 60 < sizeof(t.what)) {
            snprintf(t.what + n, sizeof(t.what) - n, " %s(%.40s)", e->title,
                     e->to != NULL ? e->to : e->name != NULL ? e->name : "");
        }
    }
    return v;
}

// --- Disks to begin with

static int restore_env(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

static ckpt_env_desc env_of(actor *a)
{
    return (ckpt_env_desc){ .id = "box", .restore = restore_env,
                            .timestep = ckpt_text("[7]"), .run = &a->run };
}

static ckpt_code open_run(actor *a, const char *id)
{
    return ckpt_open(&a->ctx, &a->run, &(ckpt_run_desc){
        .id = id, .meta = { .agent_id = "clerk" } });
}

static void save_to(actor *a, uint64_t turn)
{
    for (uint64_t n = 1; n <= turn; n++) {
        const ckpt_save_desc save = save_of(n);
        CHECK_INT(ckpt_save(&a->run, &save), CKPT_OK);
    }
}

static void fill_rich(actor *a)
{
    const ckpt_save_desc save = save_of(2);
    const ckpt_env_desc desc = env_of(a);
    ckpt_effect effect;
    CHECK_INT(ckpt_phase_end(&a->run, "plan", ckpt_text("[1]"), NULL), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&a->run, "done", &save, &effect), CKPT_OK);
    CHECK_INT(ckpt_effect_end(&a->run, "done", ckpt_text("[42]")), CKPT_OK);
    CHECK_INT(ckpt_effect_begin(&a->run, "call", &save, &effect), CKPT_OK);
    CHECK_INT(ckpt_env_init(&a->env, &desc), CKPT_OK);
}

static sim_disk *make(stage on)
{
    static actor a;
    sim_disk *disk = sim_disk_new(1);
    disk->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
    sim_put(disk, "runs", SIM_DIRECTORY, NULL, 0);
    sim_put(disk, "runs/.probe", SIM_FILE, NULL, 0);
    for (int i = 0; on != EMPTY && i <= (on == EXHAUSTED ? 3 : 0); i++) {
        CHECK_INT(boot(&a, disk, 100), CKPT_OK);
        CHECK_INT(ckpt_open(&a.ctx, &a.run, &(ckpt_run_desc){
            .id = ID, .meta = { .agent_id = "clerk" },
            .once = on == ONCE || on == DONE }), CKPT_OK);
        save_to(&a, i == 0 ? 2 : 0);
        if (on == RICH) {
            fill_rich(&a);
        }
        if (on == DEAD) {
            CHECK_INT(ckpt_finish(&a.run, CKPT_FAILED, &(ckpt_finish_desc){
                          .keep = true }), CKPT_OK);
        }
        if (on == DONE) {
            CHECK_INT(ckpt_finish(&a.run, CKPT_COMPLETED, NULL), CKPT_OK);
        }
        CHECK(leave(&a));
    }
    for (uint64_t k = 1; on == LEFT && sim_count(disk, "runs") < 3; k++) {
        sim_plan plan = { .at = k + 20, .verdict = { SIM_DIE, 0, 0 } };
        CHECK_INT(boot(&a, disk, 100), CKPT_OK);
        sim_set_plan(a.proc, &plan);
        CHECK(open_run(&a, "new") != CKPT_OK);
        (void)leave(&a);
    }
    sim_settle(disk);
    return disk;
}

// --- The public calls

static ckpt_code op_open_new(actor *a, fact *f)
{
    f->run = true;
    return open_run(a, ID);
}

static ckpt_code op_start(actor *a, fact *f)
{
    f->run = true;
    return ckpt_start(&a->ctx, &a->run, &(ckpt_run_desc){ .id = ID });
}

static ckpt_code op_open_old(actor *a, fact *f)
{
    f->attempt++;
    return open_run(a, ID);
}

static ckpt_code op_resume_next(actor *a, fact *f)
{
    ckpt_cursor cursor;
    memset(&cursor, 0, sizeof(cursor));
    f->attempt++;
    const ckpt_code rc = ckpt_resume_next(&a->ctx, &a->run, &cursor);
    ckpt_cursor_close(&a->ctx, &cursor);
    return rc;
}

static ckpt_code op_save(actor *a, fact *f)
{
    const ckpt_save_desc save = save_of(++f->turn);
    f->attempt = 0;
    return ckpt_save(&a->run, &save);
}

// The messages stay, and are copied; then what loads is of its turn again.
static ckpt_code op_copy(actor *a, fact *f)
{
    const ckpt_save_desc all = save_of(++f->turn);
    ckpt_save_desc save = all;
    save.messages.ptr = NULL;
    save.messages.len = 0;
    f->attempt = 0;
    const ckpt_code rc = ckpt_save(&a->run, &save);
    return rc == CKPT_OK ? ckpt_save(&a->run, &all) : rc;
}

static ckpt_code op_beat(actor *a, fact *f)
{
    (void)f;
    return ckpt_beat(&a->run);
}

static ckpt_code op_phase_end(actor *a, fact *f)
{
    const ckpt_save_desc save = save_of(++f->turn);
    f->phases++;
    f->attempt = 0;
    return ckpt_phase_end(&a->run, "more", ckpt_text("{}"), &save);
}

static ckpt_code op_effect_begin(actor *a, fact *f)
{
    ckpt_effect effect;
    const ckpt_save_desc save = save_of(++f->turn);
    f->uncertain++;
    f->attempt = 0;
    const ckpt_code rc = ckpt_effect_begin(&a->run, "next", &save, &effect);
    a->odd = a->odd || (rc == CKPT_OK) != (effect.state == CKPT_EFFECT_NEW);
    return rc;
}

static ckpt_code op_effect_end(actor *a, fact *f)
{
    f->uncertain--;
    return ckpt_effect_end(&a->run, "call", ckpt_text("[42]"));
}

static ckpt_code op_env_init(actor *a, fact *f)
{
    ckpt_env_desc desc = env_of(a);
    desc.id = "other";
    f->held++;
    return ckpt_env_init(&a->env, &desc);
}

static ckpt_code op_env_release(actor *a, fact *f)
{
    f->held--;
    if (a->env.id[0] == '\0') {
        const ckpt_env_desc desc = env_of(a);
        const ckpt_code rc = ckpt_env_init(&a->env, &desc);
        if (rc != CKPT_OK) {
            return rc;
        }
    }
    return ckpt_env_release(&a->env, NULL);
}

static ckpt_code finish(actor *a, fact *f, ckpt_outcome outcome, bool keep,
                        unsigned kept)
{
    const ckpt_save_desc save = save_of(++f->turn);
    f->attempt = 0;
    f->run = outcome == CKPT_INTERRUPTED || outcome == CKPT_RETRY || kept != 0;
    f->kept = kept;
    return ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){
        .save = &save, .keep = keep, .reason = "why" });
}

static ckpt_code op_complete(actor *a, fact *f)
{
    return finish(a, f, CKPT_COMPLETED, false, 0);
}

static ckpt_code op_complete_once(actor *a, fact *f)
{
    return finish(a, f, CKPT_COMPLETED, false, CKPT_STATE_DONE);
}

static ckpt_code op_keep(actor *a, fact *f)
{
    return finish(a, f, CKPT_FAILED, true, CKPT_STATE_FAILED);
}

static ckpt_code op_interrupt(actor *a, fact *f)
{
    return finish(a, f, CKPT_INTERRUPTED, false, 0);
}

static ckpt_code op_leave_to_retry(actor *a, fact *f)
{
    return finish(a, f, CKPT_RETRY, false, 0);
}

static ckpt_code op_load(actor *a, fact *f)
{
    ckpt_checkpoint last;
    const ckpt_code rc = ckpt_load(&a->run, &last, t.buf, sizeof(t.buf));
    a->odd = a->odd || (rc == CKPT_OK && last.turn != f->turn);
    return rc;
}

static ckpt_code op_phase_output(actor *a, fact *f)
{
    size_t size = 0;
    (void)f;
    const ckpt_code rc = ckpt_phase_output(&a->run, "plan", t.buf, BUF, &size);
    a->odd = a->odd || (rc == CKPT_OK && memcmp(t.buf, "[1]", 3) != 0);
    return rc;
}

static ckpt_code op_effects(actor *a, fact *f)
{
    ckpt_effect effect;
    ckpt_code rc;
    unsigned n = 0;
    size_t size = 0;
    (void)f;
    memset(&effect, 0, sizeof(effect));
    while ((rc = ckpt_effect_next(&a->run, &effect)) == CKPT_OK) {
        n++;
        if (effect.state == CKPT_EFFECT_ENDED) {
            rc = ckpt_effect_result(&a->run, &effect, t.buf, BUF, &size);
            if (rc != CKPT_OK) {
                return rc;
            }
            a->odd = a->odd || memcmp(t.buf, "[42]", 4) != 0;
        }
    }
    a->odd = a->odd || (rc == CKPT_END && n != 2);
    return rc == CKPT_END ? CKPT_OK : rc;
}

static ckpt_code op_held(actor *a, fact *f)
{
    ckpt_held held;
    size_t size = 0;
    (void)f;
    memset(&held, 0, sizeof(held));
    ckpt_code rc = ckpt_held_next(&a->run, &held);
    a->odd = a->odd || (rc == CKPT_OK && strcmp(held.id, "box") != 0);
    if (rc == CKPT_OK) {
        rc = ckpt_held_timestep(&a->run, "box", t.buf, BUF, &size);
        a->odd = a->odd || (rc == CKPT_OK && memcmp(t.buf, "[7]", 3) != 0);
    }
    return rc;
}

static ckpt_code op_note(actor *a, fact *f)
{
    ckpt_note_info note;
    (void)f;
    return ckpt_note(&a->run, &note, t.buf, BUF);
}

// What an observer may say of a run that is interrupted and whole.
static bool is_true_of_it(const ckpt_run_info *info)
{
    return (info->state & (CKPT_STATE_INTERRUPTED | CKPT_STATE_LIVE |
                           CKPT_STATE_BUSY | CKPT_STATE_UNREADABLE)) != 0;
}

static ckpt_code op_query(actor *a, fact *f)
{
    (void)f;
    const ckpt_code rc = ckpt_query(&a->ctx, ID, &a->info);
    a->odd = a->odd || (rc == CKPT_OK && !is_true_of_it(&a->info));
    return rc;
}

static bool visit(void *user, const ckpt_run_info *info)
{
    actor *a = user;
    a->odd = a->odd || !is_true_of_it(info);
    return true;
}

static ckpt_code op_scan(actor *a, fact *f)
{
    (void)f;
    return ckpt_scan(&a->ctx, 0, visit, a);
}

static ckpt_code op_latest(actor *a, fact *f)
{
    (void)f;
    return ckpt_latest(&a->ctx, "clerk", NULL, &a->info);
}

static ckpt_code op_stale(actor *a, fact *f)
{
    size_t count;
    (void)f;
    return ckpt_stale(&a->ctx, 0, &a->info, 1, &count);
}

static ckpt_outcome interrupts(ckpt_run *run, void *user,
                               ckpt_finish_desc *desc)
{
    (void)run, (void)user, (void)desc;
    return CKPT_INTERRUPTED;
}

// An event or a count says what goes wrong with one run; the code does not.
static ckpt_code op_recover(actor *a, fact *f)
{
    ckpt_recover_info info;
    f->kept = CKPT_STATE_FAILED;
    const ckpt_code rc = ckpt_recover(&a->ctx, &a->run, &(ckpt_recover_desc){
        .resume = interrupts }, &info);
    return rc == CKPT_OK && info.dead_letters + info.finished != 1
        ? CKPT_ERR_UNSURE : rc;
}

static ckpt_code op_execute(actor *a, fact *f)
{
    (void)f;
    const ckpt_code rc = ckpt_execute(&a->ctx, &a->run,
                                      &(ckpt_run_desc){ .id = ID },
                                      interrupts, NULL);
    ckpt_abandon(&a->run);              // open if it could not be finished
    return rc;
}

static ckpt_code op_remove(actor *a, fact *f)
{
    f->run = false;
    return ckpt_remove(&a->ctx, &a->run, ID);
}

static ckpt_code op_retry_dead(actor *a, fact *f)
{
    f->kept = 0;
    f->attempt = 0;
    return ckpt_retry(&a->ctx, &a->run, ID);
}

static ckpt_code op_prune(actor *a, fact *f)
{
    uint32_t count = 0;
    f->run = false;
    sim_advance(a->disk, 10000);
    const ckpt_code rc = ckpt_prune(&a->ctx, &a->run, &(ckpt_prune_desc){
        .age_ms = 5000 }, &count);
    return rc == CKPT_OK && count != 1 ? CKPT_ERR_UNSURE : rc;
}

// A kept run is not handed out. The code that says so is the success here.
static ckpt_code op_open_dead(actor *a, fact *f)
{
    (void)f;
    const ckpt_code rc = open_run(a, ID);
    a->odd = a->odd || rc == CKPT_OK || a->run.id[0] != '\0';
    return rc == CKPT_ERR_FAILED ? CKPT_OK : rc;
}

static ckpt_code op_open_done(actor *a, fact *f)
{
    const ckpt_save_desc save = save_of(9);
    (void)f;
    const ckpt_code rc = open_run(a, ID);
    a->odd = a->odd || rc == CKPT_OK || a->run.open ||
             (rc == CKPT_FINISHED &&
              (ckpt_phase(&a->run, "more") ||
               ckpt_save(&a->run, &save) != CKPT_FINISHED));
    return rc == CKPT_FINISHED ? CKPT_OK : rc;
}

static ckpt_code op_start_kept(actor *a, fact *f)
{
    (void)f;
    const ckpt_code rc = ckpt_start(&a->ctx, &a->run,
                                    &(ckpt_run_desc){ .id = ID });
    a->odd = a->odd || rc == CKPT_OK || a->run.id[0] != '\0';
    return rc == CKPT_ERR_EXISTS ? CKPT_OK : rc;
}

static ckpt_code op_retry(actor *a, fact *f)
{
    f->attempt = 0;
    return ckpt_retry(&a->ctx, &a->run, ID);
}

static ckpt_code op_sweep(actor *a, fact *f)
{
    uint32_t count;
    (void)f;
    return ckpt_sweep(&a->ctx, &a->run, &count);
}

#define WRITES (ON_RUN | CHANGES)

static const call ops[] = {
    { "open, new", op_open_new, EMPTY, OPENS | CHANGES },
    { "start", op_start, EMPTY, OPENS | CHANGES },
    { "open, old", op_open_old, PLAIN, OPENS | CHANGES | MAY_LIVE },
    { "resume_next", op_resume_next, PLAIN, OPENS | CHANGES | MAY_LIVE },
    { "save", op_save, PLAIN, WRITES },
    { "save, copying", op_copy, RICH, WRITES },
    { "beat", op_beat, PLAIN, ON_RUN },
    { "phase_end", op_phase_end, RICH, WRITES },
    { "effect_begin", op_effect_begin, RICH, WRITES },
    { "effect_end", op_effect_end, RICH, WRITES },
    { "env_init", op_env_init, RICH, WRITES },
    { "env_release", op_env_release, RICH, WRITES },
    { "finish, completed", op_complete, PLAIN, WRITES | ENDS },
    { "finish, once", op_complete_once, ONCE, WRITES | ENDS },
    { "finish, kept", op_keep, PLAIN, WRITES | ENDS },
    { "finish, interrupted", op_interrupt, PLAIN, WRITES | ENDS },
    { "finish, retry", op_leave_to_retry, PLAIN, WRITES | ENDS },
    { "load", op_load, PLAIN, ON_RUN },
    { "phase_output", op_phase_output, RICH, ON_RUN },
    { "effect_next, _result", op_effects, RICH, ON_RUN },
    { "held_next, _timestep", op_held, RICH, ON_RUN },
    { "note", op_note, RICH, ON_RUN },
    { "query", op_query, PLAIN, 0 },
    { "scan", op_scan, PLAIN, 0 },
    { "latest", op_latest, PLAIN, 0 },
    { "stale", op_stale, PLAIN, 0 },
    { "recover", op_recover, EXHAUSTED, CHANGES | DONE_AGAIN | MAY_LIVE },
    { "execute", op_execute, PLAIN, CHANGES | MAY_LIVE },
    { "remove", op_remove, PLAIN, CHANGES | DONE_AGAIN | MAY_LIVE },
    { "remove, dead", op_remove, DEAD, CHANGES | DONE_AGAIN },
    { "remove, done", op_remove, DONE, CHANGES | DONE_AGAIN },
    { "prune, dead", op_prune, DEAD, CHANGES | DONE_AGAIN },
    { "prune, done", op_prune, DONE, CHANGES | DONE_AGAIN },
    { "retry, dead", op_retry_dead, DEAD, CHANGES | AGAIN },
    { "open, dead", op_open_dead, DEAD, 0 },
    { "open, done", op_open_done, DONE, 0 },
    { "start, dead", op_start_kept, DEAD, 0 },
    { "start, done", op_start_kept, DONE, 0 },
    { "retry", op_retry, EXHAUSTED, CHANGES | AGAIN | MAY_LIVE },
    { "sweep", op_sweep, LEFT, 0 }
};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

// --- What is found

// How another process sees the run.
static const char *observe(sim_disk *disk, fact *f)
{
    static actor a;
    const char *why = NULL;
    ckpt_code rc = boot(&a, disk, 300);
    const ckpt_run_info *info = &a.info;
    memset(f, 0, sizeof(*f));
    rc = rc == CKPT_OK ? ckpt_query(&a.ctx, ID, &a.info) : rc;
    f->run = rc == CKPT_OK;
    if (rc != CKPT_OK && rc != CKPT_ERR_NOT_FOUND) {
        why = "another process cannot look";
    }
    if (f->run) {
        // Without any generation it is half removed, by a process that lives.
        f->finished = info->state == CKPT_STATE_FINISHED ||
                      (info->state == CKPT_STATE_BUSY && info->seq == 0);
        f->kept = (unsigned)info->state & (CKPT_STATE_FAILED | CKPT_STATE_DONE);
        f->turn = info->turn;
        f->attempt = info->attempt;
        f->phases = info->phases;
        f->uncertain = info->uncertain;
        f->held = info->held;
        if (info->state & (CKPT_STATE_DAMAGED | CKPT_STATE_UNREADABLE |
                           CKPT_STATE_FOREIGN | CKPT_STATE_NEWER)) {
            why = "another process sees no run";
        }
        why = info->older ? "the newest is damaged" : why;
    }
    return leave(&a) ? why : "an observer leaves something open";
}

static bool agree(const fact *f, const fact *o, bool any_attempt)
{
    if (!f->run || !o->run) {
        return f->run == o->run;
    }
    return !o->finished && f->kept == o->kept && f->turn == o->turn &&
           (any_attempt || f->attempt == o->attempt) &&
           f->phases == o->phases && f->uncertain == o->uncertain &&
           f->held == o->held;
}

// Whether the code is the truth about what is found.
static const char *judge(const call *op, ckpt_code rc, const fact *before,
                         const fact *after, const fact *o)
{
    // What takes several steps may stop between two of them.
    const bool steps = (op->how & ON_RUN) == 0 ||
                       op->run == op_env_release || op->run == op_copy;
    const bool old = agree(before, o, steps), new = agree(after, o, steps);
    if (rc == CKPT_OK) {
        return new ? NULL : "it is not what succeeded";
    }
    if (before->run && !after->run && (o->finished || new)) {
        return NULL;                    // the outcome stands, to be gone on
    }
    if (before->kept == 0 && after->kept != 0 && new) {
        return NULL;                    // likewise; what is spare may be left
    }
    if (rc == CKPT_ERR_UNSURE || steps) {
        return old || new ? NULL : "it is neither the old nor the new one";
    }
    if (rc == CKPT_ERR_NOT_DURABLE) {
        return new ? NULL : "the new one does not stand";
    }
    return old ? NULL : "the old one does not stand";
}

// What a power cut leaves, after a success or a failure.
static const char *check_states(sim_disk *disk, const call *op, ckpt_code rc,
                                const fact *before, const fact *after)
{
    sim_crash it;
    const char *why = NULL;
    sim_crash_begin(&it, disk, &(sim_crash_desc){
        .profile = SIM_WEAKEST, .bound = FAULT_STATES, .seed = t.runs });
    for (sim_disk *d; (d = sim_crash_next(&it)) != NULL; ) {
        fact o;
        const char *now = observe(d, &o);
        t.states++;
        if (now == NULL) {
            now = judge(op, rc == CKPT_OK ? rc : CKPT_ERR_UNSURE, before,
                        after, &o);
        }
        why = why == NULL && now != NULL ? now : why;
        sim_disk_free(d);
    }
    sim_crash_end(&it);
    return why;
}

// Temporary files of the run, and runs half made.
static size_t leftovers(sim_disk *disk)
{
    size_t count = 0;
    char *names = sim_list(disk, DIR_NAME);
    for (const char *p = names; (p = strstr(p, ".t.")) != NULL; p += 3) {
        count++;
    }
    free(names);
    names = sim_list(disk, "runs");
    for (const char *p = names; (p = strstr(p, ".new-")) != NULL; p += 5) {
        count++;
    }
    free(names);
    return count;
}

// --- Faults

typedef struct fault {
    sim_verdict verdict;
    bool        sticky;
    uint32_t    calls;
} fault;

// What the code of an errno is.
static ckpt_code code_of(int err)
{
    return err == ENOSPC ? CKPT_ERR_NO_SPACE : err == EACCES ? CKPT_ERR_ACCESS
         : err == EMFILE ? CKPT_ERR_RESOURCE : CKPT_ERR_IO;
}

static const char *check_code(const call *op, const fault *f, ckpt_code rc)
{
    // The answers of link and rename are not waited for twice, but judged.
    const bool judged = (t.hit & (SIM_BIT(SIM_LINK) |
                                  SIM_BIT(SIM_RENAME) |
                                  SIM_BIT(SIM_EXCHANGE))) != 0;
    const bool harmless = f->verdict.action == SIM_SHORT ||
                          (f->verdict.err == EINTR && !judged);
    if (op->run == op_latest && rc == CKPT_ERR_NOT_FOUND) {
        return NULL;                    // what cannot be read is not matched
    }
    if (rc == CKPT_OK || (!harmless && rc == code_of(f->verdict.err))) {
        return NULL;
    }
    // Who may make a file and no link to it is on Android, not without rights.
    if (rc == CKPT_ERR_UNSUITABLE && f->verdict.err == EACCES &&
        (t.hit & SIM_BIT(SIM_LINK)) != 0) {
        return NULL;
    }
    if (!harmless && (op->how & CHANGES) &&
        (rc == CKPT_ERR_UNSURE || rc == CKPT_ERR_NOT_DURABLE)) {
        return NULL;
    }
    if (!harmless && (op->how & MAY_LIVE) &&
        (rc == CKPT_ERR_LIVE || rc == CKPT_ERR_BUSY || rc == CKPT_END ||
         rc == CKPT_ERR_EXISTS)) {
        return NULL;
    }
    return "it has an odd code";
}

// A fresh process takes the run over and goes on with it.
static const char *take_over(sim_disk *disk, const fact *o)
{
    static actor a;
    const char *why = NULL;
    sim_advance(disk, 120000);
    ckpt_code rc = boot(&a, disk, 400);
    rc = rc == CKPT_OK ? open_run(&a, ID) : rc;
    if (o->kept == CKPT_STATE_DONE && rc == CKPT_FINISHED) {
        rc = ckpt_remove(&a.ctx, &a.run, ID);
        rc = rc == CKPT_OK ? open_run(&a, ID) : rc;
    } else if (o->kept != 0 && rc != CKPT_ERR_FAILED) {
        why = "what was kept is handed out";
    } else if (rc == CKPT_FINISHED && o->finished) {
        rc = open_run(&a, ID);
    }
    if ((rc == CKPT_ERR_EXHAUSTED || rc == CKPT_ERR_FAILED) &&
        ckpt_retry(&a.ctx, &a.run, ID) == CKPT_OK) {
        rc = open_run(&a, ID);
    }
    const bool run = o->run && !o->finished && o->kept != CKPT_STATE_DONE;
    const uint64_t next = a.run.turn + 1;
    if (why != NULL) {
        ;                               // it is told already
    } else if (rc != CKPT_OK || a.run.resumed != run) {
        why = "it cannot be taken over";
    } else if (!loads(&a, run ? o->turn : 0)) {
        why = "what loads is no save";
    }
    const ckpt_save_desc save = save_of(next);
    if (why == NULL && (ckpt_save(&a.run, &save) != CKPT_OK ||
                        !loads(&a, next))) {
        why = "a new owner cannot save";
    }
    return leave(&a) ? why : "a new owner leaves something open";
}

// Makes the call again, or the next save, now that nothing fails.
static const char *go_on(actor *a, const call *op, ckpt_code rc, fact *f)
{
    if (op->how & ENDS) {
        if (rc == CKPT_OK) {
            return a->run.open ? "it is finished and open" : NULL;
        }
        fact again = *f;
        again.turn = a->run.turn;
        if (!a->run.open) {
            return "it failed and is closed";
        }
        rc = op->run(a, &again);
        return rc == CKPT_OK ? NULL
            : rc == CKPT_ERR_CLAIM_LOST ? "finished again, it has no claim"
            : "it cannot be finished again";
    }
    sim_advance(a->disk, 10000);
    if (op->how & OPENS) {
        if (rc != CKPT_OK && (a->run.open || a->run.id[0] != '\0')) {
            return "a run that did not open is not zeroed";
        }
        if (rc != CKPT_OK && open_run(a, ID) != CKPT_OK) {
            return "it cannot be opened afterwards";
        }
    } else if ((op->how & ON_RUN) == 0) {
        fact again = *f;
        const ckpt_code next = rc == CKPT_OK ? rc : op->run(a, &again);
        if (next != CKPT_OK &&
            !((op->how & DONE_AGAIN) && (next == CKPT_ERR_NOT_FOUND ||
                                         next == CKPT_ERR_UNSURE)) &&
            !((op->how & AGAIN) && next == CKPT_ERR_EXISTS)) {
            return "it cannot be done again";
        }
        fact o = { 0 };
        uint32_t swept;
        const char *why = next != CKPT_OK && (op->how & DONE_AGAIN)
            ? observe(a->disk, &o) : NULL;
        // What is half removed is not kept any more: a sweep removes it.
        if (why == NULL && next != CKPT_OK && op->run == op_prune &&
            o.finished) {
            why = ckpt_sweep(&a->ctx, &a->run, &swept) != CKPT_OK ||
                  swept != 1 ? "it is not swept away" : observe(a->disk, &o);
        }
        return why == NULL && next != CKPT_OK && (op->how & DONE_AGAIN) &&
               !agree(&again, &o, true) ? "done again, it is not done" : why;
    }
    const ckpt_save_desc save = save_of(a->run.turn + 1);
    if (ckpt_save(&a->run, &save) != CKPT_OK || !loads(a, save.turn)) {
        return "the next save fails";
    }
    return NULL;
}

static const char *after_call(actor *a, const call *op, const fault *f,
                              ckpt_code rc, const fact *before,
                              const fact *after, size_t open)
{
    fact o;
    const char *why = check_code(op, f, rc);
    why = why == NULL && a->odd ? "it says what is not so" : why;
    why = why == NULL ? observe(a->disk, &o) : why;
    why = why == NULL ? judge(op, rc, before, after, &o) : why;
    if (why == NULL && !(op->how & OPENS) && !(op->how & ENDS) &&
        sim_open_count(a->proc) != open) {
        why = "it leaks a descriptor";
    }
    if (why == NULL && rc != CKPT_OK && (op->how & OPENS) &&
        sim_open_count(a->proc) != open) {
        why = "it leaks a descriptor as it fails to open";
    }
    const uint32_t cleaning = SIM_BIT(SIM_UNLINK) | SIM_BIT(SIM_RMDIR);
    if (why == NULL && op->on != LEFT && !f->sticky &&
        (t.hit & cleaning) == 0 && leftovers(a->disk) != 0) {
        why = "it leaves a temporary file";
    }
    if (why == NULL && t.with_states && !f->sticky && (op->how & CHANGES)) {
        why = check_states(a->disk, op, rc, before, after);
    }
    return why;
}

// Whether a failure of a call was not printed yet.
static bool is_news(const call *op, const char *why)
{
    for (unsigned i = 0; i + 1 < t.told; i += 2) {
        if (t.news[i] == op && t.news[i + 1] == why) {
            return false;
        }
    }
    if (t.told + 1 >= sizeof(t.news) / sizeof(t.news[0])) {
        return false;
    }
    t.news[t.told++] = op;
    t.news[t.told++] = why;
    return true;
}

// Saves until the next save of this claim is made in place. The turn stays, and
// with it the effects that have ended.
static void save_until_in_place(actor *a)
{
    for (int i = 0; i < 2; i++) {
        const ckpt_save_desc save = save_of(a->run.turn);
        CHECK_INT(ckpt_save(&a->run, &save), CKPT_OK);
    }
}

// Makes a call with the plan. False if the plan had no effect any more.
static bool try_call(const call *op, const fault *f)
{
    static actor a;
    fact before, after, o;
    sim_disk *disk = sim_clone(t.disks[op->on]);
    const char *why = NULL;
    CHECK_INT(boot(&a, disk, 200), CKPT_OK);
    if (op->how & ON_RUN) {
        CHECK_INT(open_run(&a, ID), CKPT_OK);
    }
    if (in_place) {
        save_until_in_place(&a);
    }
    CHECK(observe(disk, &before) == NULL);
    const size_t open = sim_open_count(a.proc);
    after = before;
    t.hit = 0;
    t.what[0] = '\0';
    t.runs++;
    a.proc->hook = hook;
    a.proc->hook_user = &t.plan[0];
    ckpt_code rc = op->run(&a, &after);
    a.proc->hook = NULL;
    const bool fired = t.plan[0].fired > 0;
    why = after_call(&a, op, f, rc, &before, &after, open);
    why = why == NULL ? go_on(&a, op, rc, &before) : why;
    if (!leave(&a) && why == NULL) {
        why = "something is left open";
    }
    why = why == NULL ? observe(disk, &o) : why;
    why = why == NULL ? take_over(disk, &o) : why;
    if (!CHECK_STR(why, NULL) && is_news(op, why)) {
        printf("    %s, %s: code %d, call %llu%s, %s errno %d\n   %s\n",
               why, op->name, rc, (unsigned long long)t.plan[0].at,
               f->sticky ? ", all that follow or one more" : "",
               f->verdict.action == SIM_FAIL ? "fails with" :
               f->verdict.action == SIM_SHORT ? "is short"
                                              : "is done and fails with",
               f->verdict.err, t.what);
    }
    sim_disk_free(disk);
    return fired;
}

static void make_disks(void)
{
    memset(&t, 0, sizeof(t));
    for (int i = 0; i < STAGES; i++) {
        t.disks[i] = make((stage)i);
        t.disks[i]->exchanges = in_place;
    }
}

static void free_disks(void)
{
    for (int i = 0; i < STAGES; i++) {
        sim_disk_free(t.disks[i]);
    }
    if (getenv("FAULT_COUNT") != NULL) {
        printf("%u runs, %u states\n", t.runs, t.states);
    }
}

// One fault at every call of every operation; of those on an open run, where
// they write in place.
static void try_all(const fault *f)
{
    for (size_t i = 0; i < OPS; i++) {
        bool fired = !in_place || (ops[i].how & ON_RUN);
        for (uint64_t k = 1; fired && k < 2000; k++) {
            memset(t.plan, 0, sizeof(t.plan));
            t.plan[0].at = k;
            t.plan[0].calls = f->calls;
            t.plan[0].sticky = f->sticky;
            t.plan[0].verdict = f->verdict;
            fired = try_call(&ops[i], f);
        }
    }
}

static const int errors[] = { EIO, ENOSPC, EACCES, EMFILE };
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

static void a_fault_before_its_effect_leaves_the_old_state(void)
{
    make_disks();
    for (size_t i = 0; i < ERRORS; i++) {
        const fault f = { .verdict = { SIM_FAIL, errors[i], 0 } };
        t.with_states = i == 0;
        try_all(&f);
    }
    free_disks();
}

static void a_fault_after_its_effect_is_judged_by_looking(void)
{
    const fault f = { .verdict = { SIM_FAIL_AFTER, EIO, 0 } };
    make_disks();
    t.with_states = true;
    try_all(&f);
    free_disks();
}

static void a_disk_that_fails_for_ever_is_survived(void)
{
    make_disks();
    for (size_t i = 0; i < ERRORS; i++) {
        const fault f = { .verdict = { SIM_FAIL, errors[i], 0 },
                          .sticky = true };
        try_all(&f);
    }
    free_disks();
}

static void short_reads_and_writes_are_carried_on(void)
{
    const uint32_t calls = SIM_BIT(SIM_READ) | SIM_BIT(SIM_WRITE);
    make_disks();
    for (int sticky = 0; sticky < 2; sticky++) {
        const fault f = { .verdict = { SIM_SHORT, 0, sticky ? 100 : 1 },
                          .sticky = sticky, .calls = calls };
        try_all(&f);
    }
    free_disks();
}

static void interrupted_calls_are_made_again(void)
{
    const uint32_t never = SIM_BIT(SIM_LOCAL) | SIM_BIT(SIM_SELF) |
        SIM_BIT(SIM_GONE) | SIM_BIT(SIM_PID) | SIM_BIT(SIM_CLOCK) |
        SIM_BIT(SIM_DIR_CLOSE);
    const fault f = { .verdict = { SIM_FAIL, EINTR, 0 },
                      .calls = ~never & (SIM_BIT(SIM_CALLS) - 1) };
    make_disks();
    t.with_states = true;
    try_all(&f);
    free_disks();
}

// Of what can be interrupted when its effect is there already.
static void interrupted_calls_that_had_their_effect_are_seen_through(void)
{
    const fault f = { .verdict = { SIM_FAIL_AFTER, EINTR, 0 },
                      .calls = SIM_BIT(SIM_RENAME) | SIM_BIT(SIM_LINK) |
                               SIM_BIT(SIM_EXCHANGE) | SIM_BIT(SIM_CLOSE) |
                               SIM_BIT(SIM_UNLINK) | SIM_BIT(SIM_RMDIR) };
    make_disks();
    t.with_states = true;
    try_all(&f);
    free_disks();
}

static void a_store_that_does_not_open_says_why_and_leaks_nothing(void)
{
    for (int sticky = 0; sticky < 2; sticky++) {
        for (uint64_t k = 1; k < 100; k++) {
            sim_disk *disk = sim_disk_new(1);
            ckpt_store_fs fs;
            ckpt_error err;
            disk->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
            sim_proc *p = sim_proc_new(disk, 100);
            sim_plan plan = { .at = k, .sticky = sticky,
                              .verdict = { SIM_FAIL, EACCES, 0 } };
            const ckpt_store_fs_desc desc = {
                .dir = "runs", .calls = sim_calls(), .calls_user = p };
            p->uid = (uint32_t)geteuid();
            sim_set_plan(p, &plan);
            const ckpt_code rc = ckpt_store_fs_open(&fs, &desc, &err);
            p->hook = NULL;
            if (rc != CKPT_OK) {
                CHECK_INT(rc, CKPT_ERR_ACCESS);
                CHECK_INT(err.sys, EACCES);
                CHECK_INT(sim_open_count(p), 0);
                CHECK_INT(ckpt_store_fs_open(&fs, &desc, &err), CKPT_OK);
            }
            ckpt_store_fs_close(&fs);
            CHECK_INT(sim_open_count(p), 0);
            sim_disk_free(disk);
            if (plan.fired == 0) {
                break;
            }
        }
    }
}

// --- Two faults

// The second one after the first, for all pairs of a step.
static void try_pairs(const call *op, sim_action one, sim_action two,
                      uint64_t step)
{
    const fault f = { .verdict = { one, EIO, 0 }, .sticky = true };
    bool fired = true;
    for (uint64_t k = 1; fired; k += step) {
        bool second = true;
        for (uint64_t n = k + 1; second && fired; n++) {
            memset(t.plan, 0, sizeof(t.plan));
            t.plan[0] = (sim_plan){ .at = k, .verdict = { one, EIO, 0 },
                                    .also = &t.plan[1] };
            t.plan[1] = (sim_plan){ .at = n, .verdict = { two, EIO, 0 } };
            fired = try_call(op, &f);
            second = t.plan[1].fired > 0;
        }
    }
}

static void try_all_pairs(op_fn *run, uint64_t step)
{
    static const sim_action of[] = { SIM_FAIL, SIM_FAIL_AFTER };
    make_disks();
    for (size_t i = 0; i < OPS; i++) {
        for (int k = 0; k < 4 && ops[i].run == run; k++) {
            try_pairs(&ops[i], of[k & 1], of[k >> 1], step);
        }
    }
    free_disks();
}

static void a_second_fault_in_a_save_is_no_worse(void)
{
    try_all_pairs(op_save, 1);
}

static void a_second_fault_in_a_finish_is_no_worse(void)
{
    try_all_pairs(op_complete, FAULT_STEP);
    try_all_pairs(op_keep, FAULT_STEP);
}

// --- The same in place

static void in_place_too(void (*test)(void))
{
    in_place = true;
    test();
    in_place = false;
}

static void a_fault_in_place_leaves_the_old_state_or_says_unsure(void)
{
    in_place_too(a_fault_before_its_effect_leaves_the_old_state);
}

static void a_fault_in_place_after_its_effect_is_judged_by_looking(void)
{
    in_place_too(a_fault_after_its_effect_is_judged_by_looking);
}

static void a_disk_that_fails_for_ever_in_place_is_survived(void)
{
    in_place_too(a_disk_that_fails_for_ever_is_survived);
}

static void what_is_short_or_interrupted_in_place_is_carried_on(void)
{
    in_place_too(short_reads_and_writes_are_carried_on);
    in_place_too(interrupted_calls_are_made_again);
    in_place_too(interrupted_calls_that_had_their_effect_are_seen_through);
}
