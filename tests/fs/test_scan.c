// SPDX-License-Identifier: MIT-0
// test_scan.c -- what a scan reads of a run, and what it may say after that
#include "simdisk.h"
#include "test.h"
#include "whole.h"

#include <errno.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_scan_makes_at_most_sixteen_calls_a_run_whatever_its_transcript)        \
    X(a_scan_asks_for_the_time_once_a_second)                                  \
    X(a_beat_after_the_time_was_read_is_compared_with_a_new_time)              \
    X(a_head_says_all_that_a_scan_tells)                                       \
    X(a_torn_body_under_a_whole_head_is_not_judged_yet)                        \
    X(a_damaged_head_gives_way_to_the_generation_before_it)                    \
    X(a_front_that_does_not_match_its_sum_is_damage)                           \
    X(the_record_of_another_run_is_foreign_by_its_front)                       \
    X(after_a_power_cut_a_scan_reads_both_heads)                               \
    X(an_acknowledged_save_under_the_second_name_is_found)                     \
    X(an_owner_that_went_on_after_a_failed_finish_is_seen)                     \
    X(a_file_of_another_user_is_asked_for_where_others_may_write)              \
    X(claims_above_a_generation_are_counted)                                   \
    X(a_directory_with_the_name_of_a_claim_is_no_claim)                        \
    X(a_recovery_reads_no_more_of_a_run_that_lives)                            \
    X(who_prunes_believes_no_front)                                            \
    X(a_run_that_goes_while_it_is_listed_is_passed_over)                       \
    X(damage_is_judged_again_if_more_is_known_of_its_owner)                    \
    X(an_end_that_was_not_exchanged_yet_is_found)                              \
    X(a_torn_end_that_nobody_acknowledged_ends_nothing)                        \
    X(a_run_that_is_let_go_during_a_scan_was_not_interrupted_before)           \
    X(a_run_that_cannot_be_read_has_its_owner_and_age)                         \
    X(a_scan_leaves_no_mark_of_a_run_that_beats)                               \
    X(a_look_that_fails_once_leaves_no_old_time)
TEST_SUITE(scan, LIST)

#define DIR "runs/r-a-run/"

static struct {
    sim_disk      *disk;
    sim_proc      *proc;
    ckpt_store_fs  fs;
    ckpt_ctx       ctx;
    ckpt_run       run[20];
    ckpt_run_info  info;
    unsigned       calls[SIM_CALLS], runs;
    uint64_t       read;            // bytes that were asked for
    int64_t        pause_ms;        // before each run that is told
    unsigned       boots, at;       // the call at which something happens
    void         (*happens)(void);
    sim_call       call;
    unsigned       fails_at;        // the call that fails
    bool           dies;            // at the next exchange
    sim_proc      *owner;
    char           text[1 << 17];
} t;

static sim_verdict hook(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (t.fails_at > 0 && --t.fails_at == 0) {
        go.action = SIM_FAIL;
        go.err = EIO;
    }
    if (t.dies && e->call == SIM_EXCHANGE) {
        go.action = SIM_DIE;
    }
    t.calls[e->call]++;
    t.read += e->call == SIM_READ ? e->size : 0;
    if (t.happens != NULL && e->call == t.call && --t.at == 0) {
        t.happens();
        t.happens = NULL;
    }
    return go;
}

// Another process looks from now on.
static void boot(void)
{
    ckpt_store_fs_desc d;
    ckpt_desc desc;
    memset(&d, 0, sizeof(d));
    memset(&desc, 0, sizeof(desc));
    t.proc = sim_proc_new(t.disk, 100 + (int64_t)t.boots++);
    t.proc->uid = (uint32_t)geteuid();
    d.dir = "runs";
    d.calls = sim_calls();
    d.calls_user = t.proc;
    CHECK_INT(ckpt_store_fs_open(&t.fs, &d, NULL), CKPT_OK);
    desc.store = &t.fs.base;
    desc.throttle_ms = desc.beat_ms = CKPT_OFF;
    CHECK_INT(ckpt_init(&t.ctx, &desc), CKPT_OK);
    t.proc->hook = hook;
}

static void setup(void)
{
    memset(&t, 0, sizeof(t));
    t.disk = sim_disk_new(1);
    t.disk->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
    t.disk->exchanges = 1;
    boot();
}

static void crash(void)
{
    sim_kill(t.proc);
    for (size_t i = 0; i < sizeof(t.run) / sizeof(t.run[0]); i++) {
        ckpt_abandon(&t.run[i]);
    }
    ckpt_store_fs_close(&t.fs);
    boot();
}

static void teardown(void)
{
    for (size_t i = 0; i < sizeof(t.run) / sizeof(t.run[0]); i++) {
        ckpt_abandon(&t.run[i]);
    }
    ckpt_store_fs_close(&t.fs);
    CHECK_STR(t.disk->misuse, NULL);
    CHECK_INT(sim_open_count(t.proc), 0);
    sim_disk_free(t.disk);
}

static ckpt_code open_run(size_t i, const char *id)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = id;
    d.meta.agent_id = "the agent";
    return ckpt_open(&t.ctx, &t.run[i], &d);
}

static ckpt_code save(size_t i, uint64_t turn, size_t size)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    memset(t.text, 'm', size + 3);
    t.text[0] = '[';
    t.text[1] = t.text[size + 2] = '"';
    memcpy(t.text + size + 3, "]", 2);
    s.turn = turn;
    s.messages = ckpt_text(t.text);
    s.anew = true;
    return ckpt_save(&t.run[i], &s);
}

// A run with four saves, the last two in place, of turns up to 4.
static void begin(size_t size)
{
    setup();
    CHECK_INT(open_run(0, "a-run"), CKPT_OK);
    for (uint64_t turn = 1; turn <= 4; turn++) {
        CHECK_INT(save(0, turn, size), CKPT_OK);
    }
}

static bool told(void *user, const ckpt_run_info *info)
{
    (void)user;
    t.info = *info;
    t.runs++;
    sim_advance(t.disk, t.pause_ms);
    return true;
}

static void scan(void)
{
    t.runs = 0;
    t.read = 0;
    memset(t.calls, 0, sizeof(t.calls));
    memset(&t.info, 0, sizeof(t.info));
    CHECK_INT(ckpt_scan(&t.ctx, 0, told, NULL), CKPT_OK);
}

// Flips a bit of what stands under a name.
static void damage(const char *path, size_t at)
{
    sim_inode *node = sim_find(t.disk, path);
    if (CHECK(node != NULL && node->live->len > at)) {
        node->live->bytes[at] ^= 1;
        node->live->hash = 0;
    }
}

static size_t find(const char *path, const char *text)
{
    const sim_inode *node = sim_find(t.disk, path);
    const char *bytes = (const char *)node->live->bytes;
    for (size_t i = 0; i + strlen(text) <= node->live->len; i++) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) return i;
    }
    CHECK(false);
    return 0;
}

static int other(const char *call, const char *a, const char *b)
{
    sim_proc *p = sim_proc_new(t.disk, 0);
    p->uid = (uint32_t)geteuid();
    const int dir = sim_calls()->open(p, -1, "runs/r-a-run", CKPT_FS_DIR);
    const int r = strcmp(call, "mkdir") == 0 ? sim_calls()->mkdir(p, dir, a)
        : strcmp(call, "rename") == 0 ? sim_calls()->rename(p, dir, a, dir, b)
        : sim_calls()->exchange(p, dir, a, b);
    sim_kill(p);
    return r;
}

//--- What it costs ------------------------------------------------------------

// The calls of a scan that are system calls: names come in batches, one batch
// and the end of a small directory, by a descriptor that is there, and clocks
// need none.
static unsigned system_calls(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SIM_CALLS; i++) {
        n += i == SIM_DIR_NEXT || i == SIM_DIR_CLOSE || i == SIM_CLOCK ?
            0 : t.calls[i];
    }
    return n + t.calls[SIM_DIR_OPEN];
}

static void finish_all(void)
{
    for (size_t i = 0; i < 20; i++) {
        CHECK_INT(ckpt_finish(&t.run[i], CKPT_INTERRUPTED, NULL), CKPT_OK);
    }
}

static void a_scan_makes_at_most_sixteen_calls_a_run_whatever_its_transcript(
    void)
{
    char id[16];
    unsigned calls[2];
    uint64_t read[2];
    setup();
    for (size_t i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "run-%zu", i);
        CHECK_INT(open_run(i, id), CKPT_OK);
        CHECK_INT(save(i, 1, i < 10 ? 1000 : 100000), CKPT_OK);
        CHECK_INT(save(i, 2, i < 10 ? 1000 : 100000), CKPT_OK);
        if (i == 9 || i == 19) {
            scan();
            CHECK_INT(t.runs, i + 1);
            calls[i / 10] = system_calls();
            read[i / 10] = t.read;
        }
    }
    for (int i = 0; i < 2; i++) {
        // Of runs that were let go, and of those whose owner was killed.
        if (i == 0) finish_all();
        crash();
        sim_advance(t.disk, 10);
        scan();
        CHECK_INT(t.runs, 20);
        CHECK(system_calls() <= 20 * 16 + 10);
        CHECK(t.read <= UINT64_C(20) * 2048);
        CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
        for (size_t k = 0; i == 0 && k < 20; k++) {
            snprintf(id, sizeof(id), "run-%zu", k);
            CHECK_INT(open_run(k, id), CKPT_OK);
            CHECK_INT(save(k, 3, k < 10 ? 1000 : 100000), CKPT_OK);
        }
    }
    // What a run that lives costs more does not depend on its transcript.
    CHECK(calls[1] <= 2 * calls[0] && read[1] <= 2 * read[0]);
    teardown();
}

static void a_scan_asks_for_the_time_once_a_second(void)
{
    setup();
    CHECK_INT(open_run(0, "a-run"), CKPT_OK);
    CHECK_INT(open_run(1, "b-run"), CKPT_OK);
    CHECK_INT(open_run(2, "c-run"), CKPT_OK);
    crash();
    sim_advance(t.disk, 5000);
    scan();
    CHECK_INT(t.calls[SIM_TOUCH], 1);
    CHECK_INT(t.info.beat_age_ms, 5000);
    t.pause_ms = 1000;
    scan();
    CHECK_INT(t.runs, 3);
    CHECK_INT(t.calls[SIM_TOUCH], 3);
    CHECK_INT(t.info.beat_age_ms, 7000);
    t.pause_ms = 999;
    scan();
    CHECK_INT(t.calls[SIM_TOUCH], 2);           // the third run is after 1,998
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK_INT(t.info.beat_age_ms, 5000 + 3000 + 2997);
    teardown();
}

static bool beats(void *user, const ckpt_run_info *info)
{
    (void)user;
    (void)!told(NULL, info);
    sim_advance(t.disk, 500);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(ckpt_beat(&t.run[i]), CKPT_OK);
    }
    return true;
}

static void a_beat_after_the_time_was_read_is_compared_with_a_new_time(void)
{
    setup();
    CHECK_INT(open_run(0, "a-run"), CKPT_OK);
    CHECK_INT(open_run(1, "b-run"), CKPT_OK);
    memset(t.calls, 0, sizeof(t.calls));
    t.fs.priv.locks = false;                    // else the lock decides
    CHECK_INT(ckpt_scan(&t.ctx, CKPT_STATE_LIVE, beats, NULL), CKPT_OK);
    CHECK_INT(t.runs, 2);
    CHECK_INT(t.info.beat_age_ms, 0);
    teardown();
}

//--- What it may say ----------------------------------------------------------

static void a_head_says_all_that_a_scan_tells(void)
{
    ckpt_run_info whole;
    ckpt_save_desc s;
    ckpt_effect effect;
    memset(&s, 0, sizeof(s));
    s.turn = 4;
    begin(1000);
    CHECK_INT(ckpt_effect_begin(&t.run[0], "call", &s, &effect), CKPT_OK);
    crash();
    CHECK_INT(query_whole(&t.ctx, "a-run", &whole), CKPT_OK);
    CHECK(whole.verified);
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK(!t.info.verified);
    t.info.verified = true;
    CHECK_INT(memcmp(&t.info, &whole, sizeof(whole)), 0);
    CHECK(whole.turn == 4 && whole.uncertain == 1 && whole.messages == 1);
    CHECK_STR(whole.agent_id, "the agent");
    CHECK_INT(ckpt_verify(&t.ctx, "a-run", &whole), CKPT_OK);
    CHECK(whole.verified);
    teardown();
}

static void a_torn_body_under_a_whole_head_is_not_judged_yet(void)
{
    begin(1000);
    crash();
    damage(DIR "checkpoint.1.json", 1000);
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK(t.info.turn == 4 && !t.info.verified);
    CHECK_INT(ckpt_verify(&t.ctx, "a-run", &t.info), CKPT_ERR_DAMAGED);
    CHECK_INT(open_run(0, "a-run"), CKPT_OK);   // whoever claims it reads all
    CHECK(t.run[0].older && t.run[0].turn == 3);
    teardown();
}

static void a_damaged_head_gives_way_to_the_generation_before_it(void)
{
    for (size_t at = 9; at < 440; at += 71) {
        begin(1000);
        crash();
        damage(DIR "checkpoint.1.json", at);
        scan();
        CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
        CHECK(t.info.turn == (at == 17 ? 4 : 3) && t.info.older);
        teardown();
    }
}

static void a_front_that_does_not_match_its_sum_is_damage(void)
{
    begin(1000);
    crash();
    damage(DIR "checkpoint.1.json", find(DIR "checkpoint.1.json", "agent"));
    scan();
    CHECK(t.info.turn == 3 && t.info.older && !t.info.verified);
    CHECK_STR(t.info.agent_id, "the agent");
    damage(DIR "checkpoint.1.prev.json",
           find(DIR "checkpoint.1.prev.json", "the agent"));
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_DAMAGED);
    teardown();
}

static void the_record_of_another_run_is_foreign_by_its_front(void)
{
    sim_proc *p;
    begin(1000);
    crash();
    p = sim_proc_new(t.disk, 0);
    p->uid = (uint32_t)geteuid();
    const int root = sim_calls()->open(p, -1, "runs", CKPT_FS_DIR);
    CHECK_INT(sim_calls()->rename(p, root, "r-a-run", root, "r-b-run"), 0);
    sim_kill(p);
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_FOREIGN);
    CHECK_STR(t.info.id, "b-run");
    teardown();
}

// The names of an exchange are not synced, and the claim may have lost what it
// says of acknowledged saves.
static void after_a_power_cut_a_scan_reads_both_heads(void)
{
    begin(1000);
    CHECK_INT(other("exchange", "checkpoint.1.json", "checkpoint.1.prev.json"),
              0);
    damage(DIR "heartbeat.1", 34);              // 4 was acknowledged: 4 or 5
    damage(DIR "heartbeat.1", 33);
    t.disk->boot++;
    crash();
    scan();
    CHECK(t.info.turn == 4 && !t.info.older);
    teardown();
}

static void an_acknowledged_save_under_the_second_name_is_found(void)
{
    begin(1000);
    CHECK_INT(other("exchange", "checkpoint.1.json", "checkpoint.1.prev.json"),
              0);
    scan();                                     // its owner lives
    CHECK(t.info.turn == 4 && t.info.state == CKPT_STATE_LIVE);
    crash();
    scan();
    CHECK(t.info.turn == 4 && !t.info.older);
    teardown();
}

// The outcome stands under the first name, and the save after it under the
// second.
static void an_owner_that_went_on_after_a_failed_finish_is_seen(void)
{
    unsigned failures = 0;
    for (unsigned at = 1; at < 80; at++) {
        ckpt_run_info whole;
        begin(1000);
        t.fails_at = at;
        const ckpt_code rc = ckpt_finish(&t.run[0], CKPT_INTERRUPTED, NULL);
        t.fails_at = 0;
        t.dies = true;
        if (rc < 0 && t.run[0].open && save(0, 5, 1000) < 0) {
            failures++;
        }
        t.dies = false;
        crash();
        scan();
        CHECK_INT(query_whole(&t.ctx, "a-run", &whole), CKPT_OK);
        CHECK(t.info.seq == whole.seq && t.info.turn == whole.turn);
        CHECK(t.info.outcome == whole.outcome && t.info.state == whole.state);
        teardown();
    }
    CHECK(failures > 3);
}

static void a_file_of_another_user_is_asked_for_where_others_may_write(void)
{
    for (int i = 0; i < 2; i++) {
        begin(1000);
        crash();
        sim_find(t.disk, DIR "checkpoint.1.json")->uid++;
        sim_find(t.disk, DIR "checkpoint.1.prev.json")->uid++;
        sim_find(t.disk, "runs/r-a-run")->mode |= i == 0 ? 020 : 002;
        scan();
        CHECK_INT(t.info.state, CKPT_STATE_FOREIGN);
        teardown();
    }
}

static void claims_above_a_generation_are_counted(void)
{
    begin(1000);
    crash();
    CHECK_INT(other("rename", "heartbeat.1", "heartbeat.7"), 0);
    scan();
    CHECK(t.info.turn == 4 && t.info.epoch == 1);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    teardown();
}

static void a_directory_with_the_name_of_a_claim_is_no_claim(void)
{
    begin(1000);
    CHECK_INT(ckpt_finish(&t.run[0], CKPT_INTERRUPTED, NULL), CKPT_OK);
    crash();
    CHECK_INT(other("mkdir", "heartbeat.9", NULL), 0);
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK(t.info.turn == 4 && t.info.beat_age_ms >= 0);
    teardown();
}

static ckpt_outcome never(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    CHECK(false);
    return CKPT_INTERRUPTED;
}

static void a_recovery_reads_no_more_of_a_run_that_lives(void)
{
    static ckpt_run other_run;
    ckpt_recover_desc d;
    ckpt_cursor cursor;
    memset(&d, 0, sizeof(d));
    memset(&cursor, 0, sizeof(cursor));
    d.resume = never;
    begin(100000);
    t.read = 0;
    CHECK_INT(ckpt_recover(&t.ctx, &other_run, &d, NULL), CKPT_OK);
    CHECK_INT(ckpt_resume_next(&t.ctx, &other_run, &cursor), CKPT_END);
    CHECK(t.read > 0 && t.read < 8192);
    CHECK_INT(cursor.failed, 0);
    teardown();
}

static void who_prunes_believes_no_front(void)
{
    static ckpt_run other_run;
    ckpt_prune_desc d;
    uint32_t count = 0;
    memset(&d, 0, sizeof(d));
    d.age_ms = 1;
    d.states = CKPT_STATE_INTERRUPTED;
    d.dry_run = true;
    begin(1000);
    crash();
    sim_advance(t.disk, 5000);
    CHECK_INT(ckpt_prune(&t.ctx, &other_run, &d, &count), CKPT_OK);
    CHECK_INT(count, 1);
    damage(DIR "checkpoint.1.json", 1000);
    damage(DIR "checkpoint.1.prev.json", 1000);
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_prune(&t.ctx, &other_run, &d, &count), CKPT_OK);
    CHECK_INT(count, 0);
    d.dry_run = false;
    CHECK_INT(ckpt_prune(&t.ctx, &other_run, &d, &count), CKPT_OK);
    CHECK_INT(count, 0);
    teardown();
}

static void move_away(void)
{
    sim_proc *p = sim_proc_new(t.disk, 0);
    p->uid = (uint32_t)geteuid();
    const int root = sim_calls()->open(p, -1, "runs", CKPT_FS_DIR);
    CHECK_INT(sim_calls()->rename(p, root, "r-a-run", root, ".away"), 0);
    sim_kill(p);
}

static void a_run_that_goes_while_it_is_listed_is_passed_over(void)
{
    static ckpt_run other_run;
    ckpt_recover_info info;
    ckpt_recover_desc d;
    memset(&d, 0, sizeof(d));
    d.resume = never;
    begin(1000);
    crash();
    t.call = SIM_OPEN;
    t.at = 1;
    t.happens = move_away;
    CHECK_INT(ckpt_recover(&t.ctx, &other_run, &d, &info), CKPT_OK);
    CHECK(t.happens == NULL);
    CHECK(info.resumed == 0 && info.failed == 0 && info.finished == 0);
    teardown();
}

static void kill_owner(void)
{
    sim_kill(t.owner);
}

// Its process goes just before the last look at the owner, whose beat is old.
static void damage_is_judged_again_if_more_is_known_of_its_owner(void)
{
    begin(1000);
    t.owner = t.proc;
    boot();
    t.fs.priv.locks = false;
    damage(DIR "checkpoint.1.json", 100);
    damage(DIR "checkpoint.1.prev.json", 100);
    sim_advance(t.disk, 70000);
    memset(t.calls, 0, sizeof(t.calls));
    t.call = SIM_GONE;
    t.at = 3;
    t.happens = kill_owner;
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK(t.happens == NULL);
    CHECK_INT(t.info.state, CKPT_STATE_DAMAGED);
    CHECK_INT(t.calls[SIM_GONE], 5);            // it was looked at twice more
    memset(&t.run[0], 0, sizeof(t.run[0]));     // its process is gone
    teardown();
}

//--- Owners that die, or go on, while somebody looks --------------------------

// A run that is to be kept, with two generations, and is killed while it ends
// in place: before it exchanges the names, or, torn, in the middle of a write.
static void end_killed(sim_call call, unsigned at)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    setup();
    d.id = "a-run";
    d.once = true;
    CHECK_INT(ckpt_open(&t.ctx, &t.run[0], &d), CKPT_OK);
    for (uint64_t turn = 1; turn <= 4; turn++) {
        CHECK_INT(save(0, turn, 3000), CKPT_OK);
    }
    t.owner = t.proc;
    t.call = call;
    t.at = at;
    t.happens = kill_owner;
    CHECK(ckpt_finish(&t.run[0], CKPT_COMPLETED, NULL) < 0);
    CHECK(t.happens == NULL);
    memset(&t.run[0], 0, sizeof(t.run[0]));
    boot();
}

static void an_end_that_was_not_exchanged_yet_is_found(void)
{
    end_killed(SIM_EXCHANGE, 1);
    CHECK_INT(ckpt_verify(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_DONE);
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_DONE);
    CHECK(t.info.verified);                     // it was read whole
    teardown();
}

static void a_torn_end_that_nobody_acknowledged_ends_nothing(void)
{
    end_killed(SIM_EXCHANGE, 1);
    damage(DIR "checkpoint.1.prev.json", 2000); // the spare, under its name
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.turn, 4);
    t.disk->boot++;
    crash();
    scan();
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(t.info.turn, 4);
    teardown();
}

static void owner_lets_go(void)
{
    CHECK_INT(ckpt_finish(&t.run[0], CKPT_COMPLETED, NULL), CKPT_OK);
}

// The owner ends its run after the observer has listed its files.
static void a_run_that_is_let_go_during_a_scan_was_not_interrupted_before(void)
{
    static ckpt_store_fs fs;
    static ckpt_ctx ctx;
    ckpt_store_fs_desc d;
    ckpt_desc desc;
    memset(&d, 0, sizeof(d));
    memset(&desc, 0, sizeof(desc));
    begin(1000);
    sim_proc *p = sim_proc_new(t.disk, 300);
    p->uid = (uint32_t)geteuid();
    d.dir = "runs";
    d.calls = sim_calls();
    d.calls_user = p;
    CHECK_INT(ckpt_store_fs_open(&fs, &d, NULL), CKPT_OK);
    desc.store = &fs.base;
    CHECK_INT(ckpt_init(&ctx, &desc), CKPT_OK);
    p->hook = hook;
    t.call = SIM_LOCK;
    t.at = 1;
    t.happens = owner_lets_go;
    t.proc->hook = NULL;
    const ckpt_code rc = ckpt_query(&ctx, "a-run", &t.info);
    CHECK(t.happens == NULL);
    CHECK(rc == CKPT_ERR_NOT_FOUND || t.info.state == CKPT_STATE_FINISHED);
    ckpt_store_fs_close(&fs);
    t.proc->hook = hook;
    teardown();
}

static sim_verdict refuse(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict v = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (e->call == SIM_OPEN && strncmp(e->name, "checkpoint.", 11) == 0) {
        v.action = SIM_FAIL;
        v.err = EACCES;
    }
    return v;
}

static void a_run_that_cannot_be_read_has_its_owner_and_age(void)
{
    begin(1000);
    crash();
    sim_advance(t.disk, 5000);
    t.proc->hook = refuse;
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_UNREADABLE);
    CHECK_INT(t.info.beat_age_ms, 5000);
    CHECK(t.info.owner[0] != '\0');
    t.proc->hook = hook;
    teardown();
}

static void a_scan_leaves_no_mark_of_a_run_that_beats(void)
{
    setup();
    CHECK_INT(open_run(0, "a-run"), CKPT_OK);
    CHECK_INT(open_run(1, "b-run"), CKPT_OK);
    t.fs.priv.locks = false;
    sim_advance(t.disk, 10);
    CHECK_INT(ckpt_scan(&t.ctx, CKPT_STATE_LIVE, beats, NULL), CKPT_OK);
    CHECK(sim_find(t.disk, "runs/.seen-r-a-run") == NULL);
    CHECK(sim_find(t.disk, "runs/.seen-r-b-run") == NULL);
    teardown();
}

static sim_verdict refuse_once(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict v = { SIM_GO, 0, 0 };
    (void)user;
    if (e->call == SIM_DIR_OPEN) {
        v.action = SIM_FAIL;
        v.err = EIO;
        p->hook = hook;
    }
    return v;
}

static void a_look_that_fails_once_leaves_no_old_time(void)
{
    begin(1000);
    crash();
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK_INT(t.info.beat_age_ms, 0);
    sim_advance(t.disk, 5000);
    t.proc->hook = refuse_once;
    CHECK_INT(ckpt_query(&t.ctx, "a-run", &t.info), CKPT_OK);
    CHECK(t.proc->hook == hook);
    CHECK_INT(t.info.beat_age_ms, 5000);
    teardown();
}
