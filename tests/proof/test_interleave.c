// SPDX-License-Identifier: MIT-0
// Owners at work on one run at the same time: one is stopped at a system call,
// others claim the run by force and work, then it goes on. Every schedule is
// chosen, not met by chance: the owners are threads, and only the one that has
// the baton moves.
//
// Every owner adds a bit of its own to the turn when it saves. So the turn of a
// generation tells whose saves it has, and an acknowledged save that is not in
// what comes after it was lost.
#include "simdisk.h"
#include "test.h"

#include <pthread.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_paused_save_is_lost_and_told_so_or_the_claimant_has_it)                \
    X(a_save_of_both_at_any_two_calls_loses_nothing)                           \
    X(a_paused_finish_is_finished_by_the_claimant_or_undone)                   \
    X(a_paused_save_does_not_bring_a_finished_run_back)                        \
    X(a_save_within_a_removal_does_not_bring_the_run_back)                     \
    X(a_paused_keep_leaves_a_run_or_a_kept_one)                                \
    X(a_paused_finish_does_not_touch_a_run_begun_anew)                         \
    X(a_paused_save_does_not_touch_a_run_begun_anew)                           \
    X(a_paused_once_leaves_a_run_or_a_receipt)                                 \
    X(two_retries_of_a_kept_run_bring_it_back_once)                            \
    X(what_was_retried_is_not_pruned_and_what_was_pruned_not_retried)          \
    X(a_kept_run_comes_back_by_a_retry_only)                                   \
    X(a_run_is_begun_by_one_of_two)                                            \
    X(a_sweep_and_a_begin_do_not_lose_a_run)                                   \
    X(two_preemptions_each_lose_nothing)                                       \
    X(three_owners_lose_nothing)                                               \
    X(a_paused_save_in_place_is_lost_and_told_so_or_the_claimant_has_it)       \
    X(a_paused_save_in_place_does_not_bring_a_finished_run_back)               \
    X(a_paused_end_in_place_is_the_end_or_undone)                              \
    X(preemptions_of_saves_in_place_lose_nothing)

TEST_SUITE(interleave, LIST)

// How much is looked at; larger numbers look at more.
#ifndef INTERLEAVE_DRAWS
#define INTERLEAVE_DRAWS test_rounds(300, 1500) // of each kind of schedules
#endif
#ifndef INTERLEAVE_STEP
#define INTERLEAVE_STEP  test_rounds(11, 4)     // between the second moments
#endif

#define ID "a-run"

enum { OWNERS = 3, SEGMENTS = 12, BUF = 16 * 1024, FOR_EVER = 1 << 30 };

static bool in_place;               // the first owner's next save is in place

struct owner;
typedef void script(struct owner *o);

// A process that works, and what it was told.
typedef struct owner {
    sim_proc     *proc;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    script       *script;
    pthread_t     thread;
    unsigned      me;
    bool          done;
    ckpt_code     opened, saved, finished;
    bool          resumed, whole;   // what was loaded was one save
    uint32_t      pruned;
    uint64_t      epoch, seen;      // the turn it began with
    char          buf[BUF], messages[800], state[64];
} owner;

// What no call returns.
static const ckpt_code not_tried = CKPT_SKIPPED;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t  moved;
    owner           owners[OWNERS];
    unsigned        count;
    unsigned        who;            // has the baton
    struct { unsigned who; uint64_t calls; } plan[SEGMENTS];
    unsigned        segments, segment;
    uint64_t        left;           // calls in this segment
    sim_disk       *ready, *disk;
    unsigned        runs;
    ckpt_outcome    kept;           // how the run of the test was left before
    bool            once;           // it is begun with .once
    const char     *told[32];
    unsigned        told_count;
} t = { .mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

// --- The baton

// Gives the baton to the next owner of the plan that is not done.
static void pass_on(void)
{
    while (t.segment + 1 < t.segments) {
        t.segment++;
        t.who = t.plan[t.segment].who;
        t.left = t.plan[t.segment].calls;
        if (!t.owners[t.who].done && t.left > 0) {
            pthread_cond_broadcast(&t.moved);
            return;
        }
    }
    t.left = FOR_EVER;                  // the plan is at its end: in turn
    for (unsigned i = 0; i < t.count; i++) {
        t.who = i;
        if (!t.owners[i].done) {
            break;
        }
    }
    pthread_cond_broadcast(&t.moved);
}

// Waits for the baton, with the mutex held.
static void await(const owner *o)
{
    while (t.who != o->me) {
        pthread_cond_wait(&t.moved, &t.mutex);
    }
}

static sim_verdict hook(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict go = { SIM_GO, 0, 0 };
    (void)p, (void)e;
    if (t.left == 0) {
        pass_on();
        await(user);
    }
    t.left--;
    return go;
}

static void *be_owner(void *user)
{
    owner *o = user;
    pthread_mutex_lock(&t.mutex);
    await(o);
    o->script(o);
    o->done = true;
    pass_on();
    pthread_mutex_unlock(&t.mutex);
    return NULL;
}

// --- Owners

static void boot(owner *o, unsigned me, script *s)
{
    sim_proc *p = sim_proc_new(t.disk, 100 + (int64_t)me);
    memset(o, 0, sizeof(*o));
    o->proc = p;
    o->me = me;
    o->script = s;
    o->opened = o->saved = o->finished = not_tried;
    p->uid = (uint32_t)geteuid();
    CHECK_INT(ckpt_store_fs_open(&o->fs, &(ckpt_store_fs_desc){
        .dir = "runs", .calls = sim_calls(), .calls_user = p }, NULL), CKPT_OK);
    CHECK_INT(ckpt_init(&o->ctx, &(ckpt_desc){
        .store = &o->fs.base, .throttle_ms = CKPT_OFF, .beat_ms = CKPT_OFF,
        .resume_max = CKPT_UNLIMITED }), CKPT_OK);
}

static void leave(owner *o)
{
    o->proc->hook = NULL;
    ckpt_abandon(&o->run);
    ckpt_store_fs_close(&o->fs);
    CHECK_INT(sim_open_count(o->proc), 0);
    sim_kill(o->proc);
}

static void fill(owner *o, uint64_t turn)
{
    snprintf(o->messages, sizeof(o->messages), "[\"%llu%*s\"]",
             (unsigned long long)turn, 600 + (int)(turn % 32), "");
    snprintf(o->state, sizeof(o->state), "{\"turn\":%llu}",
             (unsigned long long)turn);
}

static bool same(ckpt_bytes a, const char *text)
{
    return a.len == strlen(text) && memcmp(a.ptr, text, a.len) == 0;
}

static void load(owner *o)
{
    ckpt_checkpoint last;
    const ckpt_code rc = ckpt_load(&o->run, &last, o->buf, sizeof(o->buf));
    fill(o, last.turn);
    o->whole = rc == CKPT_ERR_CLAIM_LOST ||
        (rc == CKPT_OK && last.turn == o->run.turn &&
         same(last.messages, last.turn == 0 ? "[]" : o->messages) &&
         same(last.state, last.turn == 0 ? "{}" : o->state));
}

static void save(owner *o)
{
    const uint64_t turn = o->run.turn | UINT64_C(1) << o->me;
    fill(o, turn);
    o->saved = ckpt_save(&o->run, &(ckpt_save_desc){
        .anew = true, .turn = turn, .messages = ckpt_text(o->messages),
        .state = ckpt_text(o->state) });
}

static void take(owner *o, bool force)
{
    o->opened = ckpt_open(&o->ctx, &o->run, &(ckpt_run_desc){
        .id = ID, .once = t.once, .force = force });
    if (o->opened == CKPT_OK) {
        o->resumed = o->run.resumed;
        o->epoch = o->run.epoch;
        o->seen = o->run.turn;
        load(o);
    }
}

static void saves(owner *o)
{
    save(o);
}

static void completes(owner *o)
{
    o->finished = ckpt_finish(&o->run, CKPT_COMPLETED, NULL);
}

static void keeps(owner *o)
{
    o->finished = ckpt_finish(&o->run, CKPT_FAILED, &(ckpt_finish_desc){
        .keep = true });
}

static void takes_and_saves(owner *o)
{
    take(o, true);
    if (o->opened == CKPT_OK) {
        save(o);
    }
}

static void takes_and_completes(owner *o)
{
    take(o, true);
    if (o->opened == CKPT_OK) {
        completes(o);
    }
}

// Finishes what is there, and begins anew.
static void replaces(owner *o)
{
    for (int tries = 0; tries < 4; tries++) {
        take(o, true);
        if (o->opened == CKPT_OK && !o->resumed) {
            save(o);
            return;
        }
        if (o->opened == CKPT_OK) {
            completes(o);
        }
        if (o->opened == CKPT_ERR_FAILED) {
            o->finished = ckpt_remove(&o->ctx, &o->run, ID);
        }
        ckpt_abandon(&o->run);
    }
}

static void begins_and_saves(owner *o)
{
    take(o, false);
    if (o->opened == CKPT_OK) {
        save(o);
    }
}

static void sweeps(owner *o)
{
    uint32_t count;
    sim_advance(t.disk, 600000);        // what has no claim is old
    o->finished = ckpt_sweep(&o->ctx, &o->run, &count);
}

static void retries(owner *o)
{
    o->finished = ckpt_retry(&o->ctx, &o->run, ID);
}

// Only what is kept, and was left at least a minute ago.
static void prunes(owner *o)
{
    o->finished = ckpt_prune(&o->ctx, &o->run, &(ckpt_prune_desc){
        .age_ms = 60000 }, &o->pruned);
}

// Also what was left to be resumed.
static void prunes_all(owner *o)
{
    o->finished = ckpt_prune(&o->ctx, &o->run, &(ckpt_prune_desc){
        .age_ms = 60000,
        .states = CKPT_STATE_DONE | CKPT_STATE_FAILED |
                  CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED }, &o->pruned);
}

// --- Schedules

// A run whose owner, the first one, saved once and lives.
static void begin(script *first, bool begun)
{
    t.disk = sim_clone(t.ready);
    t.count = 0;
    if (t.kept != CKPT_RUNNING) {       // long ago, by an owner that is gone
        boot(&t.owners[0], 0, NULL);
        take(&t.owners[0], false);
        save(&t.owners[0]);
        CHECK_INT(t.owners[0].saved, CKPT_OK);
        CHECK_INT(ckpt_finish(&t.owners[0].run, t.kept, &(ckpt_finish_desc){
            .keep = true }), CKPT_OK);
        leave(&t.owners[0]);
        sim_advance(t.disk, 120000);
    }
    boot(&t.owners[0], 0, first);
    t.count = 1;
    if (begun) {
        take(&t.owners[0], false);
        save(&t.owners[0]);
        CHECK_INT(t.owners[0].saved, CKPT_OK);
        t.owners[0].saved = not_tried;
    }
}

static void add(script *s)
{
    boot(&t.owners[t.count], t.count, s);
    t.count++;
}

static void segment(unsigned who, uint64_t calls)
{
    t.plan[t.segments].who = who;
    t.plan[t.segments++].calls = calls;
}

// Plays a plan to its end. Returns whether the first owner was stopped at all.
static void play(void)
{
    t.segment = 0;
    t.who = t.plan[0].who;
    t.left = t.plan[0].calls;
    t.runs++;
    for (unsigned i = 0; i < t.count; i++) {
        t.owners[i].proc->hook = hook;
        t.owners[i].proc->hook_user = &t.owners[i];
        t.owners[i].proc->calls = 0;
        if (pthread_create(&t.owners[i].thread, NULL, be_owner,
                           &t.owners[i]) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < t.count; i++) {
        pthread_join(t.owners[i].thread, NULL);
    }
    t.segments = 0;
}

// What look() finds instead of a turn.
enum { NO_RUN = -1, NOT_WHOLE = -2, FAILED = -3, DONE = -4 };

// The turn that a fresh process finds, or what else it does. What failed and
// was kept must be whole as well: it is retried, resumed and loaded.
static long long look(sim_disk *disk)
{
    static owner o;
    static ckpt_run_info info;
    sim_disk *now = t.disk;
    long long turn = NOT_WHOLE;
    t.disk = disk;
    boot(&o, 9, NULL);
    take(&o, true);
    const bool kept = o.opened == CKPT_ERR_FAILED;
    if (kept && ckpt_retry(&o.ctx, &o.run, ID) == CKPT_OK) {
        take(&o, true);
    }
    if (o.opened == CKPT_FINISHED) {
        const ckpt_code rc = ckpt_query(&o.ctx, ID, &info);
        turn = rc == CKPT_ERR_NOT_FOUND ? NO_RUN
            : rc == CKPT_OK && info.state == CKPT_STATE_DONE &&
              !info.older && info.turn > 0 ? DONE : NOT_WHOLE;
    } else if (o.opened == CKPT_OK && o.whole) {
        turn = o.resumed ? (long long)o.seen : NO_RUN;
    }
    if (turn >= 0) {
        fill(&o, o.seen | 512);
        const ckpt_save_desc next = { .anew = true, .turn = o.seen | 512,
                                      .messages = ckpt_text(o.messages),
                                      .state = ckpt_text(o.state) };
        turn = ckpt_save(&o.run, &next) != CKPT_OK ? NOT_WHOLE : turn;
    }
    if (kept) {
        turn = turn > 0 ? FAILED : NOT_WHOLE;
    }
    leave(&o);
    t.disk = now;
    return turn;
}

// --- What must hold

static const char *check_owner(const owner *o)
{
    if (o->opened == CKPT_ERR_IO && t.owners[1].script == sweeps) {
        return NULL;                    // it was swept away while it was made
    }
    if (o->opened == CKPT_OK && !o->whole) {
        return "what was loaded is no save";
    }
    if (o->saved != CKPT_OK && o->saved != CKPT_ERR_CLAIM_LOST &&
        o->saved != not_tried) {
        return "a save has an odd code";
    }
    if (o->script == retries) {
        return o->finished == CKPT_OK || o->finished == CKPT_ERR_EXISTS ||
               o->finished == CKPT_ERR_BUSY ||
               o->finished == CKPT_ERR_NOT_FOUND
            ? NULL : "a retry has an odd code";
    }
    if (o->finished != CKPT_OK && o->finished != CKPT_ERR_CLAIM_LOST &&
        o->finished != not_tried) {
        return "a finish has an odd code";
    }
    if (o->opened < 0 && o->opened != CKPT_ERR_LIVE &&
        o->opened != CKPT_ERR_BUSY && o->opened != CKPT_ERR_FAILED &&
        o->opened != CKPT_ERR_EXISTS && o->opened != CKPT_ERR_CLAIM_LOST &&
        o->opened != CKPT_ERR_NOT_FOUND) {
        return "an opening has an odd code";
    }
    return NULL;
}

// Nobody finishes: no acknowledged save is missing further on.
static const char *check_saves(long long turn)
{
    uint64_t acked = 1;                 // the first owner's, before
    for (unsigned i = 0; i < t.count; i++) {
        const owner *a = &t.owners[i];
        acked |= a->saved == CKPT_OK ? UINT64_C(1) << i : 0;
        for (unsigned k = 0; k < t.count; k++) {
            const owner *b = &t.owners[k];
            if (i == k || a->opened != CKPT_OK || b->opened != CKPT_OK) {
                continue;
            }
            if (a->epoch == b->epoch) {
                return "two have one epoch";
            }
            if (a->saved == CKPT_OK && b->epoch > a->epoch &&
                (b->seen & UINT64_C(1) << i) == 0) {
                return "a claimant has not what was acknowledged";
            }
        }
    }
    return turn < 0 ? "the run is lost"
        : ((uint64_t)turn & acked) != acked ? "an acknowledged save is lost"
                                            : NULL;
}

// The first one finishes while the second one takes the run and saves.
static const char *check_finish(long long turn)
{
    const owner *a = &t.owners[0], *b = &t.owners[1];
    const long long kept = a->script == keeps ? FAILED : t.once ? DONE : NO_RUN;
    const bool has = b->opened == CKPT_OK && b->saved == CKPT_OK;
    if (a->finished == CKPT_OK && b->opened == CKPT_OK && b->resumed) {
        return "what was acknowledged as finished was handed out";
    }
    if (turn == NOT_WHOLE) {
        return "the run is not whole";
    }
    if (kept != NO_RUN && b->opened == CKPT_OK && !b->resumed) {
        return "what is kept was begun anew";
    }
    if (kept != NO_RUN && turn != kept &&
        (a->finished == CKPT_OK || b->opened == CKPT_ERR_FAILED ||
         b->opened == CKPT_FINISHED)) {
        return "what was told to be kept is not";
    }
    if (has && turn < 0) {
        return "an acknowledged save is lost";
    }
    if (has && ((uint64_t)turn & 2) == 0) {
        return "what is there is not the new owner's";
    }
    return !has && turn >= 0 && a->finished == CKPT_OK ? "it came back" : NULL;
}

// The second one has finished the run while the first one saved.
static const char *check_gone(long long turn)
{
    const owner *a = &t.owners[0], *b = &t.owners[1];
    if (a->saved == CKPT_OK && b->opened == CKPT_OK && (b->seen & 1) == 0) {
        return "a claimant has not what was acknowledged";
    }
    return b->finished == CKPT_OK && turn != NO_RUN ? "it came back" : NULL;
}

// The second one has the run, begun anew; the old owner leaves it alone.
static const char *check_replaced(long long turn)
{
    const owner *b = &t.owners[1];
    if (b->opened != CKPT_OK || b->resumed || b->saved != CKPT_OK) {
        return "it was not begun anew";
    }
    return turn != 2 ? "the new run was touched" : NULL;
}

static const char *check_begun(long long turn)
{
    const owner *a = &t.owners[0], *b = &t.owners[1];
    const bool first = a->opened == CKPT_OK && !a->resumed;
    const bool second = b->opened == CKPT_OK && !b->resumed;
    if (first && second) {
        return "both have begun it";
    }
    const uint64_t acked = (a->saved == CKPT_OK ? 1U : 0U) |
                           (b->saved == CKPT_OK ? 2U : 0U);
    if ((first || second) && turn < 0) {
        return "a run that was begun is not there";
    }
    return turn >= 0 && ((uint64_t)turn & acked) != acked
        ? "an acknowledged save is lost" : NULL;
}

// The run is kept, and may be retried, pruned and opened at the same time.
static const char *check_kept(long long turn)
{
    unsigned retried = 0, pruned = 0, taken = 0, anew = 0;
    unsigned retriers = 0, overtaken = 0, told_gone = 0;
    bool retrier = false, pruner = false;
    for (unsigned i = 0; i < t.count; i++) {
        const owner *o = &t.owners[i];
        retried += o->script == retries && o->finished == CKPT_OK;
        pruned += o->pruned;
        retriers += o->script == retries;
        overtaken += o->script == retries && o->finished == CKPT_ERR_EXISTS;
        told_gone += o->script == retries &&
                     o->finished == CKPT_ERR_NOT_FOUND;
        // Who had published, and was overtaken before he looked, may not be
        // told so; his word stands all the same.
        retrier = retrier || (o->script == retries &&
                              (o->finished == CKPT_OK ||
                               o->finished == CKPT_ERR_EXISTS));
        pruner = pruner || o->script == prunes || o->script == prunes_all;
        taken += o->opened == CKPT_OK && o->resumed;
        anew += o->opened == CKPT_OK && !o->resumed;
    }
    if (retried > 1) {
        return "two have retried it";
    }
    if (retriers == t.count && turn < 0) {
        return "nobody has retried it";
    }
    if (pruned > 1) {
        return "two have pruned it";
    }
    if (retried > 0 && pruned > 0) {
        return "what was retried was pruned";
    }
    if (taken > 0 && !retrier) {
        return "it came back without a retry";
    }
    if (anew > 0 && !pruner) {
        return "what is kept was begun anew";
    }
    if (retried > 0 && (turn < 0 || (turn & 1) == 0)) {
        return "what was retried is not there";
    }
    if (pruned > 0 && anew == 0 && turn != NO_RUN) {
        return "what was pruned came back";
    }
    if (retried > 0 || pruned > 0 || taken > 0 || anew > 0) {
        return NULL;
    }
    // A pruner that was overtaken after it had published counts nothing; the
    // retrier above completes what it finds, and is told that the run is gone.
    if (turn == NO_RUN && pruner && told_gone > 0) {
        return NULL;
    }
    // A retrier that was overtaken after it had published, by another one or by
    // a pruner, may be told that the run is no longer kept, and that is so.
    const bool others = retriers > 1 || pruner;
    return turn == FAILED ||
           (overtaken > 0 && others && turn >= 0 && (turn & 1) != 0)
        ? NULL : "it is kept no more";
}

static void report(const char *why, uint64_t k, uint64_t n)
{
    for (unsigned i = 0; i < t.told_count; i++) {
        if (t.told[i] == why) {
            return;
        }
    }
    if (t.told_count < sizeof(t.told) / sizeof(t.told[0])) {
        t.told[t.told_count++] = why;
    }
    printf("    %s: first stopped before call %llu, second %llu\n", why,
           (unsigned long long)k, (unsigned long long)n);
    for (unsigned i = 0; i < t.count; i++) {
        const owner *o = &t.owners[i];
        printf("    owner %u: opened %d resumed %d epoch %llu seen %llu "
               "saved %d finished %d\n", i, o->opened, o->resumed,
               (unsigned long long)o->epoch, (unsigned long long)o->seen,
               o->saved, o->finished);
    }
    char *dump = sim_dump(t.disk);
    printf("%s", dump);
    free(dump);
}

typedef const char *checker(long long turn);

// Ends a schedule: all that was told must hold, also after a power cut.
static void judge(checker *check, uint64_t k, uint64_t n, bool cut)
{
    const char *why = t.disk->misuse;
    sim_crash it;
    for (unsigned i = 0; i < t.count && why == NULL; i++) {
        why = check_owner(&t.owners[i]);
    }
    if (cut && why == NULL) {
        sim_crash_begin(&it, t.disk, &(sim_crash_desc){
            .profile = SIM_WEAKEST, .bound = 3, .seed = t.runs });
        for (sim_disk *d; (d = sim_crash_next(&it)) != NULL; ) {
            const char *now = check(look(d));
            why = why == NULL ? now : why;
            sim_disk_free(d);
        }
        sim_crash_end(&it);
    }
    for (unsigned i = 0; i < t.count; i++) {
        leave(&t.owners[i]);
    }
    if (why == NULL) {
        sim_disk *copy = sim_clone(t.disk);
        why = check(look(copy));
        sim_disk_free(copy);
    }
    if (!CHECK_STR(why, NULL)) {
        report(why, k, n);
    }
    sim_disk_free(t.disk);
}

static void begin_test(void)
{
    t.segments = t.count = t.runs = t.told_count = 0;
    t.ready = sim_disk_new(1);
    t.ready->exchanges = in_place;
    t.ready->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
    sim_put(t.ready, "runs", SIM_DIRECTORY, NULL, 0);
    sim_put(t.ready, "runs/.probe", SIM_FILE, NULL, 0);
}

static void end_test(void)
{
    if (getenv("INTERLEAVE_COUNT") != NULL) {
        printf("%u schedules\n", t.runs);
    }
    sim_disk_free(t.ready);
}

// The first one is stopped at each of its calls, the second one at each of its
// own after that (step 0: never), then they go on, the first one first.
static void all_moments(script *first, bool begun, script *second,
                        checker *check, uint64_t step)
{
    begin_test();
    for (uint64_t k = 0, all = 1; k < all; k++) {
        uint64_t others = 1;
        for (uint64_t n = 1; n <= others; n += step) {
            begin(first, begun);
            add(second);
            const bool whole = step == 0;
            segment(0, k);
            segment(1, whole ? FOR_EVER : n);
            segment(0, FOR_EVER);
            segment(1, FOR_EVER);
            play();
            all = t.owners[0].proc->calls + 1;
            others = whole ? 0 : t.owners[1].proc->calls;
            judge(check, k, n, whole);
            if (whole) {
                break;
            }
        }
    }
    end_test();
}

static void a_paused_save_is_lost_and_told_so_or_the_claimant_has_it(void)
{
    all_moments(saves, true, takes_and_saves, check_saves, 0);
}

static void a_save_of_both_at_any_two_calls_loses_nothing(void)
{
    all_moments(saves, true, takes_and_saves, check_saves, INTERLEAVE_STEP);
}

static void a_paused_finish_is_finished_by_the_claimant_or_undone(void)
{
    all_moments(completes, true, takes_and_saves, check_finish, 0);
    all_moments(completes, true, takes_and_saves, check_finish,
                INTERLEAVE_STEP);
}

static void a_paused_save_does_not_bring_a_finished_run_back(void)
{
    all_moments(saves, true, takes_and_completes, check_gone, 0);
    all_moments(saves, true, takes_and_completes, check_gone, INTERLEAVE_STEP);
}

// The whole save fits between two steps of the removal, or is itself stopped
// there: its file must find no directory that it could bring back.
static void a_save_within_a_removal_does_not_bring_the_run_back(void)
{
    begin_test();
    begin(saves, true);
    add(takes_and_completes);
    segment(1, FOR_EVER);
    play();
    const uint64_t all = t.owners[1].proc->calls;
    judge(check_gone, 0, 0, false);
    for (uint64_t n = all > 70 ? all - 70 : 1; n < all; n++) {
        for (uint64_t k = 1; k < 60; k += INTERLEAVE_STEP) {
            for (uint64_t more = 1; more < 24; more += INTERLEAVE_STEP) {
                begin(saves, true);
                add(takes_and_completes);
                segment(1, n);
                segment(0, k);
                segment(1, more);
                segment(0, FOR_EVER);
                segment(1, FOR_EVER);
                play();
                judge(check_gone, k, n, false);
            }
        }
    }
    end_test();
}

static void a_paused_keep_leaves_a_run_or_a_kept_one(void)
{
    all_moments(keeps, true, takes_and_saves, check_finish, 0);
    all_moments(keeps, true, takes_and_saves, check_finish, INTERLEAVE_STEP);
}

static void a_paused_once_leaves_a_run_or_a_receipt(void)
{
    t.once = true;
    all_moments(completes, true, takes_and_saves, check_finish, 0);
    all_moments(completes, true, takes_and_saves, check_finish,
                INTERLEAVE_STEP);
    t.once = false;
}

static void two_retries_of_a_kept_run_bring_it_back_once(void)
{
    t.kept = CKPT_FAILED;
    all_moments(retries, false, retries, check_kept, 0);
    all_moments(retries, false, retries, check_kept, INTERLEAVE_STEP);
    t.kept = CKPT_RUNNING;
}

static void what_was_retried_is_not_pruned_and_what_was_pruned_not_retried(void)
{
    static script *const pruners[] = { prunes, prunes_all };
    t.kept = CKPT_FAILED;
    for (unsigned i = 0; i < 2; i++) {
        all_moments(retries, false, pruners[i], check_kept, 0);
        all_moments(pruners[i], false, retries, check_kept, 0);
        all_moments(retries, false, pruners[i], check_kept, INTERLEAVE_STEP);
        all_moments(pruners[i], false, retries, check_kept, INTERLEAVE_STEP);
    }
    t.kept = CKPT_RUNNING;
}

static void a_kept_run_comes_back_by_a_retry_only(void)
{
    t.kept = CKPT_FAILED;
    all_moments(retries, false, takes_and_saves, check_kept, 0);
    all_moments(takes_and_saves, false, retries, check_kept, 0);
    all_moments(prunes, false, takes_and_saves, check_kept, 0);
    all_moments(takes_and_saves, false, prunes, check_kept, 0);
    all_moments(retries, false, takes_and_saves, check_kept, INTERLEAVE_STEP);
    all_moments(prunes, false, takes_and_saves, check_kept, INTERLEAVE_STEP);
    t.kept = CKPT_RUNNING;
}

static void a_paused_finish_does_not_touch_a_run_begun_anew(void)
{
    all_moments(completes, true, replaces, check_replaced, 0);
    all_moments(keeps, true, replaces, check_replaced, 0);
}

static void a_paused_save_does_not_touch_a_run_begun_anew(void)
{
    all_moments(saves, true, replaces, check_replaced, 0);
}

static void a_run_is_begun_by_one_of_two(void)
{
    all_moments(begins_and_saves, false, begins_and_saves, check_begun, 0);
    all_moments(begins_and_saves, false, takes_and_saves, check_begun, 0);
    all_moments(begins_and_saves, false, takes_and_saves, check_begun,
                INTERLEAVE_STEP);
}

static void a_sweep_and_a_begin_do_not_lose_a_run(void)
{
    all_moments(begins_and_saves, false, sweeps, check_begun, 0);
    all_moments(begins_and_saves, false, sweeps, check_begun, INTERLEAVE_STEP);
}

// Schedules that are drawn: so many owners, each stopped so often.
static void draw(script *first, bool begun, script *others, unsigned count,
                 unsigned stops, checker *check)
{
    uint64_t rng = count * 100 + stops;
    begin_test();
    for (unsigned i = 0; i < INTERLEAVE_DRAWS; i++) {
        begin(first, begun);
        for (unsigned k = 1; k < count; k++) {
            add(others);
        }
        for (unsigned k = 0; k < count * stops; k++) {
            segment(stops > 1 ? k % count : (unsigned)(sim_next(&rng) % count),
                    sim_next(&rng) % 120);
        }
        play();
        judge(check, i, 0, i % 8 == 0);
    }
    end_test();
}

static void two_preemptions_each_lose_nothing(void)
{
    draw(saves, true, takes_and_saves, 2, 2, check_saves);
    draw(completes, true, takes_and_saves, 2, 2, check_finish);
    draw(keeps, true, takes_and_saves, 2, 2, check_finish);
    draw(completes, true, replaces, 2, 2, check_replaced);
    draw(begins_and_saves, false, takes_and_saves, 2, 2, check_begun);
}

static void three_owners_lose_nothing(void)
{
    draw(saves, true, takes_and_saves, 3, 1, check_saves);
    draw(saves, true, takes_and_saves, 3, 2, check_saves);
}

// --- In place

static void in_place_too(void (*test)(void))
{
    in_place = true;
    test();
    in_place = false;
}

static void a_paused_save_in_place_is_lost_and_told_so_or_the_claimant_has_it(
    void)
{
    in_place_too(a_paused_save_is_lost_and_told_so_or_the_claimant_has_it);
    in_place_too(a_save_of_both_at_any_two_calls_loses_nothing);
}

static void a_paused_save_in_place_does_not_bring_a_finished_run_back(void)
{
    in_place_too(a_paused_save_does_not_bring_a_finished_run_back);
    in_place_too(a_save_within_a_removal_does_not_bring_the_run_back);
}

static void a_paused_end_in_place_is_the_end_or_undone(void)
{
    in_place_too(a_paused_finish_is_finished_by_the_claimant_or_undone);
    in_place_too(a_paused_keep_leaves_a_run_or_a_kept_one);
    in_place_too(a_paused_once_leaves_a_run_or_a_receipt);
    in_place_too(a_paused_finish_does_not_touch_a_run_begun_anew);
    in_place_too(a_paused_save_does_not_touch_a_run_begun_anew);
}

static void preemptions_of_saves_in_place_lose_nothing(void)
{
    in_place_too(two_preemptions_each_lose_nothing);
    in_place_too(three_owners_lose_nothing);
}
