// SPDX-License-Identifier: MIT-0
// test_exchange.c -- publishing by exchange: what a save costs, when a file is
// written in place, and how the newest generation is found
#include "simdisk.h"
#include "test.h"
#include "whole.h"

#include <limits.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_steady_save_syncs_the_data_of_one_file_and_no_directory)               \
    X(a_growing_transcript_is_synced_about_once_a_save)                        \
    X(a_start_syncs_one_file_its_directory_and_the_root)                       \
    X(a_resume_syncs_one_file_its_directory_and_the_root)                      \
    X(a_finish_syncs_one_file_its_directory_and_the_root)                      \
    X(a_short_run_needs_eight_syncs)                                           \
    X(a_recovery_needs_at_most_eight_syncs_a_run)                              \
    X(where_another_kernel_can_mount_a_claim_is_synced_before_it_counts)       \
    X(without_promises_for_a_power_cut_nothing_is_synced)                      \
    X(without_a_generation_a_claim_is_synced_before_lower_ones_go)             \
    X(an_end_whose_rename_fails_needs_one_sync_more)                           \
    X(an_end_syncs_what_was_removed_before_the_last_generation_goes)           \
    X(a_kept_run_stands_alone_also_after_a_power_cut)                          \
    X(after_a_failed_sync_of_names_the_only_durable_file_is_not_written)       \
    X(a_run_whose_name_may_not_be_durable_is_synced_with_the_next_save)        \
    X(a_damaged_newest_does_not_replace_the_one_before_it)                     \
    X(an_older_file_in_place_of_the_newest_replaces_nothing)                   \
    X(a_save_upon_the_one_before_the_newest_leaves_that_one_alone)             \
    X(a_save_that_failed_leaves_no_ranges_of_another_spare)                    \
    X(a_claim_that_could_not_be_looked_at_is_given_up)                         \
    X(a_claim_that_was_made_in_spite_of_its_error_is_ours)                     \
    X(who_removes_a_leftover_touches_no_higher_claim)                          \
    X(a_save_asks_for_no_times)                                                \
    X(what_stays_is_not_written)                                               \
    X(what_is_added_costs_the_same_at_any_length)                              \
    X(of_messages_given_whole_only_what_is_new_is_written)                     \
    X(messages_given_whole_are_compared_to_their_last_byte)                    \
    X(the_first_saves_of_a_claim_make_new_files)                               \
    X(a_file_with_two_names_is_not_written_in_place)                           \
    X(a_spare_of_another_device_is_not_written)                                \
    X(a_spare_that_is_another_file_is_not_written)                             \
    X(a_spare_that_was_removed_is_made_anew)                                   \
    X(what_another_base_has_is_not_in_the_spare)                               \
    X(a_spare_is_brought_up_to_date_from_one_base)                             \
    X(what_is_built_upon_the_older_generation_leaves_it_alone)                 \
    X(the_newest_is_known_by_its_seq_under_either_name)                        \
    X(an_exchange_that_fails_loses_nothing)                                    \
    X(damage_of_what_was_acknowledged_is_told)                                 \
    X(a_rename_that_was_done_in_spite_of_its_error_is_done)                    \
    X(a_save_that_moves_damaged_bytes_leaves_the_one_before_it)                \
    X(a_maker_that_has_not_claimed_yet_is_claimed_first)                       \
    X(a_spare_that_grew_enough_is_used)                                        \
    X(a_save_upon_a_damaged_newest_leaves_the_one_before_it)                   \
    X(a_full_disk_leaves_both_generations)                                     \
    X(a_spare_that_could_not_grow_is_as_long_as_it_became)                     \
    X(a_spare_whose_growth_failed_is_not_written)                              \
    X(a_write_that_fails_in_place_leaves_the_newest)                           \
    X(a_file_whose_write_failed_is_not_written_again)                          \
    X(a_sync_that_fails_is_unsure_and_its_file_is_not_used_again)              \
    X(a_transcript_that_shrinks_leaves_blanks)                                 \
    X(the_way_is_chosen_by_the_file_system_and_by_the_caller)                  \
    X(an_observer_of_an_exchange_finds_both_generations)                       \
    X(an_observer_of_saves_in_place_is_given_no_mixture)                       \
    X(verify_of_a_run_that_is_saved_finds_no_damage)                           \
    X(verify_of_a_torn_save_that_nobody_acknowledged_finds_no_damage)          \
    X(an_owner_that_is_paused_in_its_finish_brings_nothing_back)               \
    X(names_that_never_stand_still_are_busy)                                   \
    X(a_generation_that_is_never_under_a_name_is_stale)                        \
    X(a_record_may_fill_size_max_and_has_its_room_all_the_same)                \
    X(a_run_that_has_shrunk_is_whole_under_a_smaller_size_max)                 \
    X(a_spare_of_another_size_is_not_written)                                  \
    X(messages_that_are_cut_off_in_place_are_gone)                             \
    X(a_mark_whose_time_cannot_be_read_proves_nothing)                         \
    X(a_leftover_that_cannot_be_looked_at_is_left)                             \
    X(a_temporary_file_alone_keeps_no_id)                                      \
    X(a_claimant_that_died_above_an_end_is_swept_once)                         \
    X(a_maker_that_cannot_see_what_it_made_leaves_no_run)                      \
    X(a_directory_that_is_not_seen_under_its_new_name_was_not_renamed)         \
    X(a_close_that_was_interrupted_has_closed)                                 \
    X(a_store_by_age_survives_any_call_that_fails)
TEST_SUITE(exchange, LIST)

#define ID  "a-run"
#define DIR "runs/r-a-run/"

enum { BUF = 1 << 20 };

static struct {
    sim_disk       *disk;
    sim_proc       *proc;
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_run_info   info;
    ckpt_checkpoint last;
    unsigned        calls[SIM_CALLS];       // made since the last count()
    uint64_t        written;                // bytes, likewise
    unsigned        synced;                 // syncs before heartbeat.1 went
    unsigned        synced_last;            // and before a generation went last
    sim_call        fails;                  // ... with err, if that is not 0
    unsigned        fails_at, seen;
    int             err;
    bool            unread, linked;         // no open after a link succeeds
    bool            no_spare;               // the next open of prev fails
    void          (*before_exchange)(void);
    void          (*before_unlink)(void);   // the first one, of any process
    char            text[BUF], buf[2 * BUF];
} t;

static sim_verdict hook(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict v = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    t.calls[e->call]++;
    t.written += e->call == SIM_WRITE ? e->size : 0;
    if (e->call == SIM_UNLINK && strcmp(e->name, "heartbeat.1") == 0) {
        t.synced = t.calls[SIM_SYNC];
    } else if (e->call == SIM_UNLINK &&
               strncmp(e->name, "checkpoint.", 11) == 0) {
        t.synced_last = t.calls[SIM_SYNC];
    }
    if (t.err != 0 && e->call == t.fails && ++t.seen == t.fails_at) {
        v.action = SIM_FAIL;
        v.err = t.err;
    }
    if (t.linked && e->call == SIM_OPEN) {
        v.action = SIM_FAIL;
        v.err = EMFILE;
    }
    if (t.no_spare && e->call == SIM_OPEN && e->name != NULL &&
        strcmp(e->name, "checkpoint.1.prev.json") == 0) {
        v.action = SIM_FAIL;
        v.err = EMFILE;
        t.no_spare = false;
    }
    t.linked = t.unread && e->call == SIM_LINK ? true
                                               : t.linked && v.err == 0;
    if (t.before_unlink != NULL && e->call == SIM_UNLINK) {
        void (*now)(void) = t.before_unlink;
        t.before_unlink = NULL;
        now();
    }
    return v;
}

static void count(void)
{
    memset(t.calls, 0, sizeof(t.calls));
    t.written = 0;
}

static void fail(sim_call call, unsigned at, int err)
{
    t.fails = call;
    t.fails_at = at;
    t.err = err;
    t.seen = 0;
}

static ckpt_code open_store(ckpt_store_fs *fs, sim_proc *proc,
                            ckpt_store_fs_publishing publishing,
                            ckpt_store_fs_durability durability)
{
    ckpt_store_fs_desc d;
    memset(&d, 0, sizeof(d));
    d.dir = "runs";
    d.publishing = publishing;
    d.durability = durability;
    d.calls = sim_calls();
    d.calls_user = proc;
    return ckpt_store_fs_open(fs, &d, NULL);
}

// size_max: 0 for the default.
static ckpt_code init_sized(ckpt_ctx *ctx, ckpt_store_fs *fs, int64_t size_max)
{
    ckpt_desc d;
    memset(&d, 0, sizeof(d));
    d.store = &fs->base;
    d.throttle_ms = CKPT_OFF;
    d.beat_ms = CKPT_OFF;
    d.size_max = size_max;
    return ckpt_init(ctx, &d);
}

static ckpt_code init(ckpt_ctx *ctx, ckpt_store_fs *fs)
{
    return init_sized(ctx, fs, 0);
}

static void setup(void)
{
    memset(&t, 0, sizeof(t));
    t.disk = sim_disk_new(1);
    t.disk->inodes[SIM_ROOT]->uid = (uint32_t)geteuid();
    t.disk->exchanges = 1;
    t.proc = sim_proc_new(t.disk, 100);
    t.proc->uid = (uint32_t)geteuid();
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    CHECK_INT(init(&t.ctx, &t.fs), CKPT_OK);
    t.proc->hook = hook;
}

static ckpt_code open_run(void)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = ID;
    return ckpt_open(&t.ctx, &t.run, &d);
}

static void teardown(void)
{
    t.err = 0;
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&t.fs);
    CHECK_STR(t.disk->misuse, NULL);
    CHECK_INT(sim_open_count(t.proc), 0);
    sim_disk_free(t.disk);
}

// One message of so many bytes.
static ckpt_bytes message(char fill, size_t size)
{
    t.text[0] = '[';
    t.text[1] = '"';
    memset(t.text + 2, fill, size);
    memcpy(t.text + 2 + size, "\"]", 3);
    return ckpt_text(t.text);
}

static ckpt_code save(uint64_t turn, char fill, size_t size)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = message(fill, size);
    return ckpt_save(&t.run, &s);
}

static ckpt_code append(uint64_t turn, size_t size)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = message('m', size);
    s.append_at = t.run.messages;
    return ckpt_save(&t.run, &s);
}

static ckpt_code load(void)
{
    return ckpt_load(&t.run, &t.last, t.buf, sizeof(t.buf));
}

// A run whose next save is in place; its turn is 2.
static void begin(size_t size)
{
    setup();
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(save(1, 'a', size), CKPT_OK);
    CHECK_INT(save(2, 'a', size), CKPT_OK);
    CHECK_INT(save(2, 'a', size), CKPT_OK);
    count();
}

// What another process does.
static sim_proc *other(void)
{
    sim_proc *p = sim_proc_new(t.disk, 200);
    p->uid = (uint32_t)geteuid();
    return p;
}

static int other_link(const char *from, const char *to)
{
    sim_proc *p = other();
    const int dir = sim_calls()->open(p, -1, "runs/r-a-run", CKPT_FS_DIR);
    const int r = sim_calls()->link(p, dir, from, dir, to);
    sim_kill(p);
    return r;
}

// Opens a file and leaves it open.
static int other_open(const char *name)
{
    sim_proc *p = other();
    const int dir = sim_calls()->open(p, -1, "runs/r-a-run", CKPT_FS_DIR);
    return sim_calls()->open(p, dir, name, CKPT_FS_READ) >= 0 ? 0 : -1;
}

static int other_exchange(const char *a, const char *b)
{
    sim_proc *p = other();
    const int dir = sim_calls()->open(p, -1, "runs/r-a-run", CKPT_FS_DIR);
    const int r = sim_calls()->exchange(p, dir, a, b);
    sim_kill(p);
    return r;
}

static int other_unlink(const char *name)
{
    sim_proc *p = other();
    const int dir = sim_calls()->open(p, -1, "runs/r-a-run", CKPT_FS_DIR);
    const int r = sim_calls()->unlink(p, dir, name);
    sim_kill(p);
    return r;
}

static void crash(void)
{
    sim_kill(t.proc);
    ckpt_abandon(&t.run);
    ckpt_store_fs_close(&t.fs);
    t.proc = other();
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    CHECK_INT(init(&t.ctx, &t.fs), CKPT_OK);
    t.proc->hook = hook;
}

//--- What a save costs --------------------------------------------------------

static void a_steady_save_syncs_the_data_of_one_file_and_no_directory(void)
{
    static const size_t sizes[] = { 1000, 16000, 200000 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin(sizes[i]);
        for (uint64_t k = 0; k < 500; k++) {
            CHECK_INT(save(3 + k, (char)('a' + k % 26), sizes[i]), CKPT_OK);
        }
        CHECK_INT(t.calls[SIM_DATASYNC], 500);
        CHECK_INT(t.calls[SIM_SYNC], 0);
        CHECK_INT(t.calls[SIM_EXCHANGE], 500);
        CHECK_INT(t.calls[SIM_RENAME], 0);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 502);
        teardown();
    }
}

static void a_growing_transcript_is_synced_about_once_a_save(void)
{
    begin(10);
    for (uint64_t k = 0; k < 500; k++) {
        CHECK_INT(append(3 + k, 1000), CKPT_OK);
    }
    CHECK(t.calls[SIM_DATASYNC] + t.calls[SIM_SYNC] <= 550);
    CHECK_INT(t.calls[SIM_RENAME], 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.run.messages, 501);
    teardown();
}

static unsigned syncs(void)
{
    return t.calls[SIM_DATASYNC] + t.calls[SIM_SYNC];
}

static void setup_as(ckpt_store_fs_publishing publishing)
{
    setup();
    ckpt_store_fs_close(&t.fs);
    CHECK_INT(open_store(&t.fs, t.proc, publishing, CKPT_STORE_FS_POWER),
              CKPT_OK);
    count();
}

// The last way is the one by rename.
static const ckpt_store_fs_publishing ways[] = { CKPT_STORE_FS_EXCHANGE,
                                                 CKPT_STORE_FS_RENAME };

static void a_start_syncs_one_file_its_directory_and_the_root(void)
{
    for (size_t i = 0; i < 2; i++) {
        setup_as(ways[i]);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(t.calls[SIM_DATASYNC], 1);
        CHECK_INT(t.calls[SIM_SYNC], 2);
        teardown();
    }
}

static void a_resume_syncs_one_file_its_directory_and_the_root(void)
{
    begin(1000);
    crash();
    count();
    CHECK_INT(open_run(), CKPT_OK);             // claims and adopts
    CHECK_INT(t.calls[SIM_DATASYNC], 1);
    CHECK_INT(t.calls[SIM_SYNC], 2);
    teardown();
}

static void a_finish_syncs_one_file_its_directory_and_the_root(void)
{
    for (size_t i = 0; i < 2; i++) {
        setup_as(ways[i]);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(save(1, 'a', 1000), CKPT_OK);
        count();
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(t.calls[SIM_DATASYNC], 1);
        CHECK_INT(t.calls[SIM_SYNC], 2);
        teardown();
    }
}

static void a_short_run_needs_eight_syncs(void)
{
    for (size_t i = 0; i < 2; i++) {
        setup_as(ways[i]);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(save(1, 'a', 1000), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(syncs(), 8);
        teardown();
    }
}

static ckpt_outcome complete(ckpt_run *run, void *user,
                             ckpt_finish_desc *finish)
{
    (void)run, (void)user, (void)finish;
    return CKPT_COMPLETED;
}

static void a_recovery_needs_at_most_eight_syncs_a_run(void)
{
    ckpt_recover_desc d;
    memset(&d, 0, sizeof(d));
    d.resume = complete;
    for (int crashes = 1; crashes <= 3; crashes++) {
        begin(1000);
        for (int i = 1; i < crashes; i++) {
            crash();
            CHECK_INT(open_run(), CKPT_OK);
        }
        crash();
        count();
        CHECK_INT(ckpt_recover(&t.ctx, &t.run, &d, NULL), CKPT_OK);
        CHECK(syncs() <= 8);
        CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
        teardown();
    }
}

// A server can lose its power while the claimant lives.
static void where_another_kernel_can_mount_a_claim_is_synced_before_it_counts(
    void)
{
    begin(1000);
    t.disk->local = 0;
    crash();
    t.fs.priv.ours_alone = false;
    sim_advance(t.disk, 600000);
    count();
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(t.calls[SIM_DATASYNC], 2);
    CHECK_INT(t.calls[SIM_SYNC], 3);
    teardown();
}

// Else a power cut could leave nothing but a temporary file, which keeps the
// directory, and which nobody removes.
static void without_a_generation_a_claim_is_synced_before_lower_ones_go(void)
{
    begin(1000);
    crash();
    CHECK_INT(other_unlink("checkpoint.1.json"), 0);
    CHECK_INT(other_unlink("checkpoint.1.prev.json"), 0);
    count();
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, NULL), CKPT_OK);
    CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
    CHECK_INT(t.synced, 1);
    teardown();
}

static void an_end_whose_rename_fails_needs_one_sync_more(void)
{
    begin(1000);
    fail(SIM_RENAME, 1, EIO);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(t.seen, 1);
    CHECK_INT(t.calls[SIM_SYNC], 3);
    CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
    teardown();
}

// What was removed since the last sync may come back alone in a power cut.
static void an_end_syncs_what_was_removed_before_the_last_generation_goes(void)
{
    static const char *const left[] = { "heartbeat.1", "checkpoint.1.json",
                                        ".t.1.x", "bad.1.damaged.json" };
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        char path[64];
        setup_as(CKPT_STORE_FS_RENAME);
        CHECK_INT(open_run(), CKPT_OK);
        crash();
        ckpt_store_fs_close(&t.fs);
        CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_RENAME,
                             CKPT_STORE_FS_POWER), CKPT_OK);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(save(1, 'a', 1000), CKPT_OK);
        CHECK_INT(save(2, 'a', 1000), CKPT_OK);
        CHECK_INT(save(3, 'a', 1000), CKPT_OK);
        snprintf(path, sizeof(path), DIR "%s", left[i]);
        CHECK(sim_find(t.disk, path) == NULL);
        sim_put(t.disk, path, SIM_FILE, "", 0)->uid = t.proc->uid;
        count();
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(t.synced_last, 2);    // of the end itself, and this one
        CHECK_INT(t.calls[SIM_SYNC], 3);
        CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
        teardown();
    }
}

// Else its spare could be back, and be resumed when the kept generation rots.
static void a_kept_run_stands_alone_also_after_a_power_cut(void)
{
    begin(1000);
    const ckpt_finish_desc keep = { .keep = true };
    CHECK_INT(ckpt_finish(&t.run, CKPT_FAILED, &keep), CKPT_OK);
    CHECK_INT(t.calls[SIM_UNLINK], 1);
    CHECK(t.calls[SIM_SYNC] > t.synced_last);
    CHECK(sim_find(t.disk, DIR "checkpoint.1.prev.json") == NULL ||
          sim_find(t.disk, DIR "checkpoint.1.json") == NULL);
    teardown();
}

// The name of the file that the second save made is not durable, so the file of
// the first one may be all that a power cut leaves.
static void after_a_failed_sync_of_names_the_only_durable_file_is_not_written(
    void)
{
    setup();
    CHECK_INT(open_run(), CKPT_OK);
    fail(SIM_SYNC, 1, EIO);
    CHECK_INT(save(1, 'a', 1000), CKPT_ERR_NOT_DURABLE);
    t.err = 0;
    count();
    CHECK_INT(save(2, 'a', 1000), CKPT_OK);
    CHECK(t.calls[SIM_EXCHANGE] == 0 && t.calls[SIM_SYNC] > 0);
    CHECK_INT(save(3, 'a', 1000), CKPT_OK);
    count();
    CHECK_INT(save(4, 'a', 1000), CKPT_OK);
    CHECK(t.calls[SIM_EXCHANGE] == 1 && t.calls[SIM_SYNC] == 0);
    teardown();
}

static void a_run_whose_name_may_not_be_durable_is_synced_with_the_next_save(
    void)
{
    ckpt_gen gen = { 1, 1, 0 };
    const ckpt_part part = { "{}", 0, 2, 0 };
    uint64_t place[CKPT_PLACE_SIZE / 8];
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_error err;
    setup();
    ckpt_store *s = &t.fs.base;
    const ckpt_store_methods *m = s->methods;
    CHECK_INT(m->open(s, place, ID, CKPT_HOW_NEW, &err), CKPT_OK);
    CHECK_INT(m->claim(s, place, 1, "me", nonce, &err), CKPT_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(m->put(s, place, &gen, &part, &err), CKPT_OK);
        count();
        t.seen = 0;
        fail(SIM_SYNC, 2, i == 0 ? EIO : 0);    // the second one is the root's
        CHECK_INT(m->publish(s, place, &gen, &err),
                  i == 0 ? CKPT_ERR_NOT_DURABLE : CKPT_OK);
        CHECK_INT(t.calls[SIM_SYNC], i == 2 ? 1 : 2);
    }
    m->close(s, place, false);
    teardown();
}

// A save upon the generation before the newest takes one rename, and if it is
// damaged then, that generation is still there.
static void check_save_keeps(uint64_t turn)
{
    CHECK_INT(t.last.turn, turn);
    fail(SIM_RENAME, 2, EIO);
    CHECK_INT(save(turn + 2, 'b', 1000), CKPT_OK);
    t.err = 0;
    sim_file_write(sim_find(t.disk, DIR "checkpoint.1.json"), 700, "#", 1);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, turn);
}

// A save that nobody acknowledged is damaged, and passed over without a word.
static void a_damaged_newest_does_not_replace_the_one_before_it(void)
{
    setup_as(CKPT_STORE_FS_RENAME);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(save(1, 'a', 1000), CKPT_OK);
    CHECK_INT(save(2, 'a', 1000), CKPT_OK);
    fail(SIM_SYNC, 1, EIO);
    CHECK_INT(save(3, 'a', 1000), CKPT_ERR_NOT_DURABLE);
    t.err = 0;
    sim_file_write(sim_find(t.disk, DIR "checkpoint.1.json"), 700, "#", 1);
    CHECK_INT(load(), CKPT_OK);
    check_save_keeps(2);
    teardown();
}

// Somebody has restored the file of a backup: it is whole, so it is no damage,
// and it is not what stood there.
static void an_older_file_in_place_of_the_newest_replaces_nothing(void)
{
    size_t size = 0;
    setup_as(CKPT_STORE_FS_RENAME);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(save(1, 'a', 1000), CKPT_OK);
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.1.json", &size);
    memcpy(t.buf, b, size);
    CHECK_INT(save(2, 'a', 1000), CKPT_OK);
    CHECK_INT(save(3, 'a', 1000), CKPT_OK);
    CHECK_INT(save(4, 'a', 1000), CKPT_OK);
    sim_put(t.disk, DIR "checkpoint.1.json", SIM_FILE, t.buf, size)->uid =
        t.proc->uid;
    CHECK_INT(load(), CKPT_OLDER);
    check_save_keeps(3);
    teardown();
}

// The newest stands, was not acknowledged since the look failed, and is damaged
// then: what is left must not be written in place.
static void a_save_upon_the_one_before_the_newest_leaves_that_one_alone(void)
{
    unsigned unsure = 0;
    for (unsigned k = 0; k < 12 * SIM_CALLS; k++) {
        begin(1000);
        fail((sim_call)(k / 12), k % 12 + 1, EIO);
        const ckpt_code rc = save(3, 'b', 1000);
        t.err = 0;
        if (rc == CKPT_ERR_UNSURE && t.calls[SIM_EXCHANGE] == 1) {
            sim_inode *newest = sim_find(t.disk, DIR "checkpoint.1.json");
            sim_file_write(newest, 700, "#", 1);
            CHECK_INT(load(), CKPT_OK);
            CHECK_INT(t.last.turn, 2);
            CHECK_INT(append(4, 1000), CKPT_OK);
            CHECK_INT(append(5, 1000), CKPT_OK);
            CHECK_INT(append(6, 1000), CKPT_OK);
            CHECK_INT(load(), CKPT_OK);
            CHECK_INT(t.last.turn, 6);
            unsure++;
        }
        teardown();
    }
    CHECK(unsure > 0);
}

static void a_save_that_failed_leaves_no_ranges_of_another_spare(void)
{
    begin(1000);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    t.no_spare = true;
    fail(SIM_DATASYNC, 1, EIO);
    CHECK(append(4, 1000) < 0);
    t.err = 0;
    CHECK_INT(append(4, 1000), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    teardown();
}

// The link is made, and no descriptor is left to read it.
static void a_claim_that_could_not_be_looked_at_is_given_up(void)
{
    begin(1000);
    crash();
    for (unsigned i = 0; i < 2 * CKPT_CLAIMS_MAX; i++) {
        t.unread = true;
        CHECK_INT(open_run(), CKPT_ERR_RESOURCE);
        t.unread = false;
    }
    CHECK_INT(ckpt_query(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(open_run(), CKPT_OK);
    teardown();
}

// On a file server the answer to link() can get lost; what asks once more then
// is told that the name is there.
static void a_claim_that_was_made_in_spite_of_its_error_is_ours(void)
{
    static const int errors[] = { EEXIST, EIO, ENOENT };
    for (size_t i = 0; i < 2 * sizeof(errors) / sizeof(errors[0]); i++) {
        sim_plan plan = { .at = 1, .calls = SIM_BIT(SIM_LINK),
                          .verdict = { SIM_FAIL_AFTER, errors[i / 2], 0 } };
        setup();
        if (i % 2 == 1) {                       // an interrupted run
            CHECK_INT(open_run(), CKPT_OK);
            ckpt_abandon(&t.run);
        }
        sim_set_plan(t.proc, &plan);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(plan.fired, 1);
        CHECK_INT(save(1, 'a', 100), CKPT_OK);
        CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
        teardown();
    }
}

static struct {
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
} claimant;

static void rename_run(const char *from, const char *to)
{
    sim_proc *p = other();
    const int root = sim_calls()->open(p, -1, "runs", CKPT_FS_DIR);
    CHECK_INT(sim_calls()->rename(p, root, from, root, to), 0);
    CHECK_INT(sim_calls()->close(p, root), 0);
}

// The maker wakes up and shows the run, and another process goes on with it.
static void show_and_claim(void)
{
    ckpt_run_desc d;
    ckpt_save_desc s;
    memset(&d, 0, sizeof(d));
    memset(&s, 0, sizeof(s));
    s.anew = true;
    d.id = ID;
    d.force = true;
    s.turn = 7;
    rename_run(".new-aaaaaaaaaaaaaaaaaaaaaaaaaa", "r-a-run");
    CHECK_INT(ckpt_resume(&claimant.ctx, &claimant.run, &d), CKPT_OK);
    CHECK_INT(ckpt_save(&claimant.run, &s), CKPT_OK);
}

static void who_removes_a_leftover_touches_no_higher_claim(void)
{
    static const char name[] = ".new-aaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint64_t place[CKPT_PLACE_SIZE / 8];
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_save_desc s;
    ckpt_error err;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 8;
    begin(1000);
    CHECK_INT(open_store(&claimant.fs, other(), CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    CHECK_INT(init(&claimant.ctx, &claimant.fs), CKPT_OK);
    rename_run("r-a-run", name);                // as if it was not shown yet
    const ckpt_store_methods *m = t.fs.base.methods;
    CHECK_INT(m->open(&t.fs.base, place, name, CKPT_HOW_LEFTOVER, &err),
              CKPT_OK);
    CHECK_INT(m->claim(&t.fs.base, place, 2, "sweeper", nonce, &err), CKPT_OK);
    t.before_unlink = show_and_claim;
    CHECK_INT(m->drop(&t.fs.base, place, NULL, CKPT_DROP_ALL, &err), CKPT_OK);
    CHECK(t.before_unlink == NULL);
    m->close(&t.fs.base, place, false);
    CHECK_INT(claimant.run.epoch, 3);
    CHECK_INT(ckpt_save(&claimant.run, &s), CKPT_OK);
    CHECK_INT(ckpt_query(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK_INT(t.info.turn, 8);
    ckpt_abandon(&claimant.run);
    ckpt_store_fs_close(&claimant.fs);
    teardown();
}

static void without_promises_for_a_power_cut_nothing_is_synced(void)
{
    setup();
    ckpt_store_fs_close(&t.fs);
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_PROCESS), CKPT_OK);
    count();
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(save(1, 'a', 1000), CKPT_OK);
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK_INT(syncs(), 0);
    teardown();
}

static void a_save_asks_for_no_times(void)
{
    begin(1000);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(append(4, 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_STAT], 0);
    CHECK(t.calls[SIM_STAT_PLAIN] > 0);
    teardown();
}

static void what_stays_is_not_written(void)
{
    begin(100000);
    CHECK_INT(append(3, 1000), CKPT_OK);
    CHECK_INT(append(4, 1000), CKPT_OK);
    count();
    CHECK_INT(append(5, 1000), CKPT_OK);        // the last message, twice
    CHECK(t.written < 4096);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.messages.len, 100000 + 4 + 3 * 1003);
    teardown();
}

static void what_is_added_costs_the_same_at_any_length(void)
{
    uint64_t written[2];
    for (int i = 0; i < 2; i++) {
        begin(i == 0 ? 1000 : 800000);
        CHECK_INT(append(3, 1000), CKPT_OK);
        CHECK_INT(append(4, 1000), CKPT_OK);
        count();
        CHECK_INT(append(5, 1000), CKPT_OK);
        written[i] = t.written;
        teardown();
    }
    CHECK_INT(written[0], written[1]);
}

// All messages so far, each of 1,000 bytes.
static ckpt_bytes transcript(unsigned n)
{
    char *p = t.text;
    for (unsigned i = 0; i < n; i++) {
        *p++ = i == 0 ? '[' : ',';
        *p++ = '"';
        memset(p, 'a' + (char)(i % 26), 1000);
        p += 1000;
        *p++ = '"';
    }
    memcpy(p, "]", 2);
    return ckpt_text(t.text);
}

static ckpt_code save_whole(uint64_t turn, ckpt_bytes messages)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = messages;
    return ckpt_save(&t.run, &s);
}

static bool loads(ckpt_bytes messages)
{
    return load() == CKPT_OK && t.last.messages.len == messages.len &&
           memcmp(t.last.messages.ptr, messages.ptr, messages.len) == 0;
}

static void of_messages_given_whole_only_what_is_new_is_written(void)
{
    begin(10);
    for (unsigned n = 1; n < 100; n++) {
        CHECK_INT(save_whole(n, transcript(n)), CKPT_OK);
    }
    count();
    CHECK_INT(save_whole(100, transcript(100)), CKPT_OK);
    CHECK(t.written < 4096);
    CHECK_INT(t.run.messages, 100);
    CHECK(loads(transcript(100)));
    CHECK_INT(save_whole(101, transcript(100)), CKPT_OK);   // nothing is new
    CHECK_INT(t.run.messages, 100);
    CHECK(loads(transcript(100)));
    teardown();
}

// A change anywhere is saved, also one that somebody else has made in the file.
static void messages_given_whole_are_compared_to_their_last_byte(void)
{
    static const char *const rows[][2] = {
        { "[1]", "[12]" }, { "[1]", "[2]" }, { "[1,2]", "[1]" },
        { "[1,2]", "[1,3]" }, { "[\"a\"]", "[\"a\" ,\"b\"]" },
        { "[1]", "[1, {\"b\": [2]}, 3]" }, { "[1]", " [1,2] " },
        { "[1 ]", "[1 ,2]" }, { "[[1]]", "[[1],2]" }, { "[1]", "[]" }
    };
    static const char *const wrong[] = {
        "[1,]", "[1,2", "[1,2]]", "[1,,2]", "[1,2}", "[1,x]", "[1"
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(10);
        CHECK_INT(save_whole(3, ckpt_text(rows[i][0])), CKPT_OK);
        CHECK_INT(save_whole(4, ckpt_text(rows[i][1])), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        const char *trimmed = rows[i][1] + (rows[i][1][0] == ' ');
        CHECK(memcmp(t.last.messages.ptr, trimmed, t.last.messages.len) == 0);
        CHECK_INT(t.last.messages.len, strrchr(trimmed, ']') + 1 - trimmed);
        teardown();
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin(10);
        CHECK_INT(save_whole(3, ckpt_text("[1]")), CKPT_OK);
        CHECK_INT(save_whole(4, ckpt_text(wrong[i])), CKPT_ERR_JSON);
        CHECK(t.run.error.pos > 1 && t.run.error.pos <= strlen(wrong[i]));
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 3);
        teardown();
    }
    begin(10);
    CHECK_INT(save_whole(3, transcript(5)), CKPT_OK);
    sim_inode *node = sim_find(t.disk, DIR "checkpoint.1.json");
    node->live->bytes[3000] ^= 1;
    CHECK_INT(save_whole(4, transcript(6)), CKPT_OK);       // and heals it
    CHECK(loads(transcript(6)));
    teardown();
}

//--- When a file is written in place ------------------------------------------

static void the_first_saves_of_a_claim_make_new_files(void)
{
    begin(1000);
    crash();
    count();
    CHECK_INT(open_run(), CKPT_OK);             // adopts
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 1);
    teardown();
}

// A snapshot made of hard links must keep what it has.
static void a_file_with_two_names_is_not_written_in_place(void)
{
    size_t size = 0, then = 0;
    begin(1000);
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.1.prev.json",
                                     &size);
    memcpy(t.buf, b, size);
    CHECK_INT(other_link("checkpoint.1.prev.json", "snapshot"), 0);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    b = sim_get(t.disk, DIR "snapshot", &then);
    CHECK(then == size && memcmp(t.buf, b, size) == 0);
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);     // into a file of its own again
    CHECK_INT(t.calls[SIM_EXCHANGE], 1);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    teardown();
}

// Files of two devices can have one number.
static void a_spare_of_another_device_is_not_written(void)
{
    begin(1000);
    t.disk->dev = 2;
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    teardown();
}

static void a_spare_that_is_another_file_is_not_written(void)
{
    size_t size = 0;
    begin(1000);
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.1.prev.json",
                                     &size);
    memcpy(t.buf, b, size);
    sim_inode *planted = sim_put(t.disk, DIR "checkpoint.1.prev.json",
                                 SIM_FILE, t.buf, size);
    CHECK_INT(other_open("checkpoint.1.prev.json"), 0);     // it stays
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK(planted->live->len == size &&
          memcmp(planted->live->bytes, t.buf, size) == 0);
    teardown();
}

static void a_spare_that_was_removed_is_made_anew(void)
{
    begin(1000);
    CHECK_INT(other_unlink("checkpoint.1.prev.json"), 0);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 1);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    teardown();
}

// Three records of one length: the body of the first one differs.
static struct {
    ckpt_look look;
    size_t    size, head;
    char      bytes[3][4096];
    uint64_t  place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
} made;

static void keep_record(int i)
{
    size_t size = 0;
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.1.json", &size);
    made.size = (size_t)t.run.checkpoint_size + 1;      // and its line feed
    if (CHECK(made.size <= size && made.size <= sizeof(made.bytes[i]))) {
        memcpy(made.bytes[i], b, made.size);
        made.head = (size_t)(strchr(made.bytes[i], '\n') - made.bytes[i]) + 1;
    }
}

// Puts a head as bytes, and its body as a range of another generation.
static ckpt_code put_record(const char *record, const ckpt_gen *bytes_base,
                            const ckpt_gen *base)
{
    const ckpt_store_methods *m = t.fs.base.methods;
    const size_t rest = made.size - made.head - 1;
    ckpt_part part = { record, 0, base == NULL ? made.size : made.head, 0 };
    ckpt_error err;
    ckpt_code rc = m->put(&t.fs.base, made.place, bytes_base, &part, &err);
    if (rc == CKPT_OK && base != NULL) {
        part = (ckpt_part){ NULL, made.head, rest,
                            ckpt_crc32c(0, record + made.head, rest) };
        rc = m->put(&t.fs.base, made.place, base, &part, &err);
        part = (ckpt_part){ "\n", 0, 1, 0 };
        rc = rc == CKPT_OK ? m->put(&t.fs.base, made.place, base, &part, &err)
                           : rc;
    }
    return rc;
}

// A place under a second claim, which has published the first two records.
static void begin_made(ckpt_gen gen[2], bool range)
{
    char nonce[CKPT_NONCE_MAX + 1];
    ckpt_error err;
    const ckpt_store_methods *m;
    begin(1000);
    keep_record(0);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    keep_record(1);
    CHECK_INT(save(4, 'b', 1000), CKPT_OK);
    keep_record(2);
    crash();
    m = t.fs.base.methods;
    memset(made.place, 0, sizeof(made.place));
    memset(gen, 0, 2 * sizeof(*gen));
    gen[0].epoch = gen[1].epoch = 2;
    CHECK_INT(m->open(&t.fs.base, made.place, ID, CKPT_HOW_FIND, &err),
              CKPT_OK);
    CHECK_INT(m->look(&t.fs.base, made.place, 1, &made.look, &err), CKPT_OK);
    CHECK_INT(m->claim(&t.fs.base, made.place, 2, "me", nonce, &err), CKPT_OK);
    CHECK_INT(put_record(made.bytes[0], &gen[0], NULL), CKPT_OK);
    CHECK_INT(m->publish(&t.fs.base, made.place, &gen[0], &err), CKPT_OK);
    CHECK_INT(put_record(made.bytes[1], &gen[0],
                         range ? &made.look.gens[0] : NULL), CKPT_OK);
    CHECK_INT(m->publish(&t.fs.base, made.place, &gen[1], &err), CKPT_OK);
    count();
}

static void what_another_base_has_is_not_in_the_spare(void)
{
    ckpt_gen gen[2];
    ckpt_error err;
    size_t size = 0;
    begin_made(gen, true);
    CHECK_INT(put_record(made.bytes[2], &gen[1], &gen[1]), CKPT_OK);
    CHECK_INT(t.fs.base.methods->publish(&t.fs.base, made.place, &gen[0], &err),
              CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 1);
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.2.json", &size);
    CHECK(size >= made.size && memcmp(b, made.bytes[2], made.size) == 0);
    t.fs.base.methods->close(&t.fs.base, made.place, false);
    teardown();
}

static void a_spare_is_brought_up_to_date_from_one_base(void)
{
    ckpt_gen gen[2];
    begin_made(gen, false);
    CHECK_INT(put_record(made.bytes[0], &gen[1], &gen[0]), CKPT_ERR_ARGUMENT);
    t.fs.base.methods->close(&t.fs.base, made.place, false);
    teardown();
}

// The older one may be the only whole one.
static void what_is_built_upon_the_older_generation_leaves_it_alone(void)
{
    ckpt_gen gen[2], next = { 2, 9, 0 };
    ckpt_error err;
    size_t size = 0;
    begin_made(gen, false);
    CHECK_INT(put_record(made.bytes[0], &gen[0], &gen[0]), CKPT_OK);
    const unsigned char *b = sim_get(t.disk, DIR "checkpoint.2.prev.json",
                                     &size);
    CHECK(size >= made.size && memcmp(b, made.bytes[0], made.size) == 0);
    CHECK_INT(t.fs.base.methods->publish(&t.fs.base, made.place, &next, &err),
              CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    t.fs.base.methods->close(&t.fs.base, made.place, false);
    teardown();
}

//--- Which one is the newest --------------------------------------------------

// The names are not synced: a power cut can undo the last exchange.
static void the_newest_is_known_by_its_seq_under_either_name(void)
{
    begin(1000);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(other_exchange("checkpoint.1.prev.json", "checkpoint.1.json"), 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    crash();
    CHECK_INT(ckpt_query(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK(t.info.turn == 3 && !t.info.older);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    CHECK(!t.run.older);
    teardown();
}

static void an_exchange_that_fails_loses_nothing(void)
{
    begin(1000);
    fail(SIM_EXCHANGE, 1, EIO);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);     // it stands, by its seq
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    count();
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);     // keeps turn 3, not turn 2
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    CHECK_INT(other_unlink("checkpoint.1.json"), 0);
    crash();
    CHECK_INT(ckpt_query(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK(t.info.turn == 3 && t.info.older);
    teardown();
}

static void damage_of_what_was_acknowledged_is_told(void)
{
    begin(1000);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    sim_inode *node = sim_find(t.disk, DIR "checkpoint.1.json");
    node->live->bytes[600] ^= 1;
    node->live->hash = 0;
    crash();
    CHECK_INT(query_whole(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK(t.info.turn == 2 && t.info.older);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 2);
    teardown();
}

//--- What goes wrong ----------------------------------------------------------

static sim_verdict says_that_it_failed(void *user, sim_proc *p,
                                       const sim_event *e)
{
    sim_verdict v = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (e->call == SIM_RENAME && ++t.seen == t.fails_at) {
        v.action = SIM_FAIL_AFTER;
        v.err = EIO;
    }
    return v;
}

// A save renames twice: the newest generation keeps the name of the one before
// it, and then gives way.
static void a_rename_that_was_done_in_spite_of_its_error_is_done(void)
{
    for (unsigned at = 1; at <= 3; at++) {
        setup_as(CKPT_STORE_FS_RENAME);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(save(1, 'a', 100), CKPT_OK);
        t.seen = 0;
        t.fails_at = at;
        t.proc->hook = says_that_it_failed;
        CHECK_INT(save(2, 'b', 100), CKPT_OK);
        CHECK_INT(t.seen, 2);
        t.proc->hook = hook;
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 2);
        teardown();
    }
}

// What a save would copy of the newest generation is summed before the spare
// loses its head. (What both files share is not copied.)
static void a_save_upon_a_damaged_newest_leaves_the_one_before_it(void)
{
    unsigned refused = 0, older = 0;
    size_t size = 1;
    for (size_t at = 0; at < size; at++) {
        begin(600);
        CHECK_INT(append(3, 600), CKPT_OK);
        sim_inode *newest = sim_find(t.disk, DIR "checkpoint.1.json");
        size = newest->live->len - 8192;
        const char byte = (char)(newest->live->bytes[at] ^ 1);
        sim_file_write(newest, at, &byte, 1);
        const ckpt_code rc = append(4, 10);
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_DAMAGED);
        refused += rc != CKPT_OK;
        crash();
        CHECK_INT(open_run(), CKPT_OK);
        const ckpt_code loaded = load();
        CHECK(loaded == CKPT_OK || loaded == CKPT_OLDER);
        older += loaded == CKPT_OLDER;
        CHECK(t.last.turn >= (rc == CKPT_OK ? 4 : 2));
        teardown();
    }
    CHECK(refused > 1000 && older > 1000);
}

// The spare shares the state with the newest generation, until a message moves
// the state.
static void a_save_that_moves_damaged_bytes_leaves_the_one_before_it(void)
{
    static char state[30000];
    ckpt_save_desc s;
    memset(state, 'x', sizeof(state) - 1);
    memcpy(state, "{\"s\":\"", 6);
    memcpy(state + sizeof(state) - 3, "\"}", 2);
    begin(100);
    memset(&s, 0, sizeof(s));
    s.turn = 3;
    s.state = ckpt_text(state);
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    s.state = ckpt_text(NULL);
    for (s.turn = 4; s.turn < 8; s.turn++) {
        CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    }
    sim_inode *newest = sim_find(t.disk, DIR "checkpoint.1.json");
    sim_file_write(newest, 20000, "y", 1);
    CHECK_INT(append(9, 100), CKPT_ERR_DAMAGED);
    CHECK_INT(load(), CKPT_OLDER);
    CHECK_INT(t.last.turn, 6);
    teardown();
}

static uint64_t used(void)
{
    uint64_t bytes = 0;
    for (size_t i = 1; i < t.disk->inode_count; i++) {
        const sim_inode *node = t.disk->inodes[i];
        bytes += node != NULL && node->nlink > 0 ? node->live->len : 0;
    }
    return bytes;
}

static void damage_newest(void)
{
    sim_file_write(sim_find(t.disk, DIR "checkpoint.1.json"), 700, "#", 1);
}

// However little room there is: a save that does not fit changes nothing.
static void a_full_disk_leaves_both_generations(void)
{
    unsigned full = 0;
    ckpt_code rc = CKPT_ERR_NO_SPACE;
    for (uint64_t left = 0; rc == CKPT_ERR_NO_SPACE; left += 7777) {
        begin(1000);
        CHECK_INT(save(3, 'b', 1000), CKPT_OK);
        t.disk->capacity = used() + left;
        rc = save(4, 'c', 60000);
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_NO_SPACE);
        if (rc != CKPT_OK) {
            full++;
            CHECK_INT(load(), CKPT_OK);
            CHECK_INT(t.last.turn, 3);
            damage_newest();
            CHECK_INT(load(), CKPT_OLDER);
            CHECK_INT(t.last.turn, 2);
        }
        teardown();
    }
    CHECK_INT(rc, CKPT_OK);
    CHECK(full > 3);
}

// All room that is left may be in the spare.
// It was to get a quarter more than this save needs.
static void a_spare_that_grew_enough_is_used(void)
{
    begin(1000);
    t.disk->capacity = used() + 4096;
    CHECK_INT(save(3, 'b', 12500), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    teardown();
}

static void a_spare_that_could_not_grow_is_as_long_as_it_became(void)
{
    begin(1000);
    t.disk->capacity = used() + 20000;
    CHECK_INT(save(3, 'b', 60000), CKPT_ERR_NO_SPACE);
    count();
    for (uint64_t turn = 4; turn < 8; turn++) {
        CHECK_INT(save(turn, 'c', 1000), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, turn);
    }
    CHECK_INT(t.calls[SIM_EXCHANGE], 4);
    CHECK_INT(save(8, 'd', 40000), CKPT_ERR_NO_SPACE);
    t.disk->capacity = 0;
    CHECK_INT(save(8, 'd', 60000), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 8);
    crash();
    CHECK_INT(ckpt_verify(&t.ctx, ID, NULL), CKPT_OK);
    teardown();
}

static void a_spare_whose_growth_failed_is_not_written(void)
{
    sim_plan plan = { .at = 3, .calls = SIM_BIT(SIM_WRITE), .sticky = true,
                      .verdict = { SIM_FAIL, EIO, 0 } };
    begin(1000);
    sim_set_plan(t.proc, &plan);
    CHECK_INT(save(3, 'b', 60000), CKPT_ERR_IO);
    t.proc->hook = hook;
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);     // into a new file
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    teardown();
}

// The next save is written into a new file.
static void a_write_that_fails_in_place_leaves_the_newest(void)
{
    static const int errors[] = { EIO, ENOSPC };
    for (size_t i = 0; i < 2; i++) {
        begin(1000);
        fail(SIM_WRITE, 1, errors[i]);
        CHECK_INT(save(3, 'b', 1000), i == 0 ? CKPT_ERR_IO
                                             : CKPT_ERR_NO_SPACE);
        CHECK(sim_find(t.disk, DIR "checkpoint.1.prev.json") == NULL);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 2);
        CHECK_INT(save(4, 'c', 1000), CKPT_OK);
        CHECK_INT(t.calls[SIM_EXCHANGE], 0);
        CHECK_INT(load(), CKPT_OK);
        CHECK_INT(t.last.turn, 4);
        teardown();
    }
}

// Its first write failed, so its bytes are those of before, and its name could
// not be removed. What the system keeps of it in memory is not known.
static void a_file_whose_write_failed_is_not_written_again(void)
{
    sim_plan unlink = { .at = 1, .calls = SIM_BIT(SIM_UNLINK), .sticky = true,
                        .verdict = { SIM_FAIL, EIO, 0 } };
    sim_plan write = { .at = 1, .calls = SIM_BIT(SIM_WRITE),
                       .verdict = { SIM_FAIL, EIO, 0 }, .also = &unlink };
    begin(1000);
    sim_set_plan(t.proc, &write);
    CHECK_INT(save(3, 'b', 1000), CKPT_ERR_UNSURE);
    t.proc->hook = hook;
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 2);
    count();
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    teardown();
}

static void a_sync_that_fails_is_unsure_and_its_file_is_not_used_again(void)
{
    begin(1000);
    const uint64_t spare =
        sim_find(t.disk, DIR "checkpoint.1.prev.json")->ino;
    fail(SIM_DATASYNC, 1, EIO);
    CHECK_INT(save(3, 'b', 1000), CKPT_ERR_UNSURE);
    t.err = 0;
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 2);
    CHECK_INT(save(4, 'c', 1000), CKPT_OK);
    CHECK(sim_find(t.disk, DIR "checkpoint.1.json")->ino != spare);
    CHECK(sim_find(t.disk, DIR "checkpoint.1.prev.json")->ino != spare);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 4);
    teardown();
}

static void a_transcript_that_shrinks_leaves_blanks(void)
{
    begin(9000);
    CHECK_INT(save(3, 'b', 10), CKPT_OK);
    CHECK_INT(save(4, 'c', 10), CKPT_OK);
    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        const char *b = (const char *)sim_get(t.disk, i == 0
            ? DIR "checkpoint.1.json" : DIR "checkpoint.1.prev.json", &size);
        CHECK(size > 9000 && memchr(b + 2000, 'a', size - 2000) == NULL);
    }
    CHECK_INT(load(), CKPT_OK);
    crash();
    CHECK_INT(ckpt_verify(&t.ctx, ID, NULL), CKPT_OK);
    teardown();
}

//--- Which way ----------------------------------------------------------------

static void the_way_is_chosen_by_the_file_system_and_by_the_caller(void)
{
    static const struct {
        ckpt_store_fs_publishing publishing;
        ckpt_store_fs_durability durability;
        int local, exchanges;
        bool way;
    } rows[] = {
        { CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_POWER, 1, 1, true },
        { CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_POWER, 1, 0, false },
        { CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_POWER, 0, 1, false },
        { CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_PROCESS, 1, 1, false },
        { CKPT_STORE_FS_RENAME, CKPT_STORE_FS_POWER, 1, 1, false },
        { CKPT_STORE_FS_EXCHANGE, CKPT_STORE_FS_PROCESS, 0, 0, true }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup();
        ckpt_store_fs_close(&t.fs);
        t.disk->local = rows[i].local;
        t.disk->exchanges = rows[i].exchanges;
        CHECK_INT(open_store(&t.fs, t.proc, rows[i].publishing,
                             rows[i].durability), CKPT_OK);
        CHECK_INT(t.fs.publishing, rows[i].way ? CKPT_STORE_FS_EXCHANGE
                                               : CKPT_STORE_FS_RENAME);
        CHECK_INT(init(&t.ctx, &t.fs), CKPT_OK);
        CHECK_INT(open_run(), CKPT_OK);
        for (uint64_t k = 1; k < 5; k++) {
            CHECK_INT(save(k, 'a', 100), CKPT_OK);
        }
        CHECK_INT(t.calls[SIM_EXCHANGE], rows[i].way ? 3 : 0);
        teardown();
    }
    setup();
    ckpt_store_fs_close(&t.fs);
    CHECK_INT(open_store(&t.fs, t.proc, (ckpt_store_fs_publishing)3,
                         CKPT_STORE_FS_POWER), CKPT_ERR_ARGUMENT);
    teardown();
}

static sim_verdict exchange_once(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (e->call == SIM_OPEN && e->name != NULL && t.before_exchange != NULL &&
        strcmp(e->name, "checkpoint.1.prev.json") == 0) {
        void (*then)(void) = t.before_exchange;
        t.before_exchange = NULL;
        then();
    }
    return go;
}

static void owner_saves(void)
{
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
}

// The owner exchanges after the first name was looked at: without a second
// look the observer would find one file twice, and miss the newest.
static void an_observer_of_an_exchange_finds_both_generations(void)
{
    static ckpt_store_fs fs;
    static ckpt_ctx ctx;
    begin(1000);
    sim_proc *p = other();
    CHECK_INT(open_store(&fs, p, CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_POWER),
              CKPT_OK);
    CHECK_INT(init(&ctx, &fs), CKPT_OK);
    p->hook = exchange_once;
    t.before_exchange = owner_saves;
    CHECK_INT(query_whole(&ctx, ID, &t.info), CKPT_OK);
    CHECK(t.info.turn == 3 && !t.info.older);
    CHECK(t.before_exchange == NULL);
    ckpt_store_fs_close(&fs);
    teardown();
}

static struct {
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    unsigned      reads, first, last;   // at which reads the owner saves twice
    uint64_t      turn;
} reads;

// After the second save the file that the observer reads is another checkpoint.
static sim_verdict owner_saves_twice(void *user, sim_proc *p,
                                     const sim_event *e)
{
    const sim_verdict go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (e->call == SIM_READ && e->size > CKPT_NONCE_MAX &&
        ++reads.reads >= reads.first && reads.reads <= reads.last) {
        for (int i = 0; i < 2; i++) {
            reads.turn++;
            CHECK_INT(save(reads.turn, (char)('a' + reads.turn % 26), 3000),
                      CKPT_OK);
        }
    }
    return go;
}

static void observe_saves(unsigned first, unsigned last)
{
    begin(3000);
    sim_proc *p = other();
    memset(&reads, 0, sizeof(reads));
    reads.first = first;
    reads.last = last;
    reads.turn = 2;
    CHECK_INT(open_store(&reads.fs, p, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    CHECK_INT(init(&reads.ctx, &reads.fs), CKPT_OK);
    p->hook = owner_saves_twice;
    CHECK_INT(query_whole(&reads.ctx, ID, &t.info), CKPT_OK);
    if (first == last) {                // once: it has read again
        CHECK_INT(t.info.state, CKPT_STATE_LIVE);
        CHECK(t.info.turn >= 2 && !t.info.older);
        CHECK_INT(t.info.error.code, CKPT_OK);
    } else {                            // each time: it cannot tell
        CHECK_INT(t.info.state, CKPT_STATE_BUSY);
        CHECK_INT(t.info.turn, 0);
    }
    ckpt_store_fs_close(&reads.fs);
    teardown();
}

static void an_observer_of_saves_in_place_is_given_no_mixture(void)
{
    for (unsigned at = 1; at < 12; at++) {
        observe_saves(at, at);
    }
    observe_saves(1, UINT_MAX);
}

static void verify_of_a_run_that_is_saved_finds_no_damage(void)
{
    for (unsigned at = 1; at < 70; at++) {
        begin(3000);
        sim_proc *p = other();
        memset(&reads, 0, sizeof(reads));
        reads.first = reads.last = at;
        reads.turn = 2;
        CHECK_INT(open_store(&reads.fs, p, CKPT_STORE_FS_BY_TYPE,
                             CKPT_STORE_FS_POWER), CKPT_OK);
        CHECK_INT(init(&reads.ctx, &reads.fs), CKPT_OK);
        p->hook = owner_saves_twice;
        CHECK_INT(ckpt_verify(&reads.ctx, ID, NULL), CKPT_OK);
        ckpt_store_fs_close(&reads.fs);
        teardown();
    }
}

static sim_verdict dies_in_place(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict die = { SIM_DIE, 0, 0 }, go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    return e->call == SIM_WRITE && ++t.seen == t.fails_at ? die : go;
}

static void verify_of_a_torn_save_that_nobody_acknowledged_finds_no_damage(void)
{
    for (unsigned at = 1; at < 4; at++) {
        begin(3000);
        t.seen = 0;
        t.fails_at = at;
        t.proc->hook = dies_in_place;
        CHECK(save(3, 'b', 3000) < 0);
        crash();
        CHECK_INT(ckpt_verify(&t.ctx, ID, NULL), CKPT_OK);
        teardown();
    }
}

static const char *leads_to;            // where each look is made to find it

static sim_verdict restless(void *user, sim_proc *p, const sim_event *e)
{
    static const char newest[] = "checkpoint.1.json";
    static const char prev[] = "checkpoint.1.prev.json";
    const sim_verdict go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    if (e->call != SIM_OPEN || e->name == NULL) {
        return go;
    }
    const bool is_prev = strcmp(e->name, prev) == 0;
    if (leads_to == NULL ? is_prev : is_prev ||
        strcmp(e->name, newest) == 0) {
        const sim_inode *now = sim_find(t.disk, is_prev ? DIR
            "checkpoint.1.prev.json" : DIR "checkpoint.1.json");
        const sim_inode *file = sim_find(t.disk, DIR "mark");
        if (leads_to == NULL || now != file) {
            CHECK_INT(other_exchange(prev, newest), 0);
        }
    }
    return go;
}

// Looks at the run as a process of its own, while the names change.
static ckpt_code query_restless(void)
{
    static ckpt_store_fs fs;
    static ckpt_ctx ctx;
    sim_proc *p = other();
    CHECK_INT(open_store(&fs, p, CKPT_STORE_FS_BY_TYPE, CKPT_STORE_FS_POWER),
              CKPT_OK);
    CHECK_INT(init(&ctx, &fs), CKPT_OK);
    p->hook = restless;
    const ckpt_code rc = query_whole(&ctx, ID, &t.info);
    ckpt_store_fs_close(&fs);
    return rc;
}

// An owner is paused before the exchange that gives its outcome the name of the
// newest generation. A claimant reads the outcome, and removes the run. At one
// moment of that the owner goes on, and at another one a third claimant comes.
static struct {
    ckpt_store_fs fs[2];
    ckpt_ctx      ctx[2];
    ckpt_run      run[2];
    sim_proc     *proc[2];
    ckpt_code     rc[2];
    unsigned      swaps_at, comes_at;   // moments: removals and renames
    unsigned      seen;
    bool          paused;
} rise;

static ckpt_code take(unsigned i)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = ID;
    d.force = true;
    return ckpt_open(&rise.ctx[i], &rise.run[i], &d);
}

static sim_verdict owner_goes_on(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict v = { SIM_GO, 0, 0 };
    (void)user;
    if (e->call != SIM_UNLINK && e->call != SIM_RENAME) {
        return v;
    }
    rise.seen++;
    if (rise.seen == rise.swaps_at) {
        sim_proc *owner = other();
        const int dir = sim_calls()->open(owner, -1, "runs/r-a-run",
                                          CKPT_FS_DIR);
        (void)sim_calls()->exchange(owner, dir, "checkpoint.1.json",
                                    "checkpoint.1.prev.json");
        sim_kill(owner);
    }
    if (rise.seen == rise.comes_at) {
        p->hook = NULL;
        rise.rc[1] = take(1);
        p->hook = owner_goes_on;
    }
    return v;
}

static sim_verdict pauses(void *user, sim_proc *p, const sim_event *e)
{
    sim_verdict v = { SIM_GO, 0, 0 };
    (void)user;
    if (e->call == SIM_EXCHANGE && !rise.paused) {
        rise.paused = true;
        p->hook = NULL;
        rise.rc[0] = take(0);
        v.action = rise.seen >= rise.swaps_at ? SIM_FAIL : SIM_GO;
        v.err = ENOENT;
    }
    return v;
}

static bool a_claimant_removes(unsigned swaps_at, unsigned comes_at)
{
    memset(&rise, 0, sizeof(rise));
    begin(1000);
    rise.swaps_at = swaps_at;
    rise.comes_at = comes_at;
    for (unsigned i = 0; i < 2; i++) {
        rise.rc[i] = CKPT_ERR_LIVE;
        rise.proc[i] = other();
        CHECK_INT(open_store(&rise.fs[i], rise.proc[i], CKPT_STORE_FS_BY_TYPE,
                             CKPT_STORE_FS_POWER), CKPT_OK);
        CHECK_INT(init(&rise.ctx[i], &rise.fs[i]), CKPT_OK);
    }
    rise.proc[0]->hook = owner_goes_on;
    t.proc->hook = pauses;
    (void)!ckpt_finish(&t.run, CKPT_COMPLETED, NULL);
    t.proc->hook = hook;
    // A claimant that comes when all is gone begins the id anew.
    CHECK(rise.rc[0] != CKPT_FINISHED || rise.rc[1] != CKPT_OK ||
          !rise.run[1].resumed);
    CHECK(rise.rc[1] != CKPT_FINISHED || rise.rc[0] != CKPT_OK ||
          !rise.run[0].resumed);
    for (unsigned i = 0; i < 2; i++) {
        ckpt_abandon(&rise.run[i]);
        ckpt_store_fs_close(&rise.fs[i]);
    }
    teardown();
    return rise.seen >= comes_at;
}

static void an_owner_that_is_paused_in_its_finish_brings_nothing_back(void)
{
    unsigned swaps_at = 1, comes_at;
    do {
        for (comes_at = swaps_at; a_claimant_removes(swaps_at, comes_at);
             comes_at++) { }
    } while (comes_at > swaps_at++);
    CHECK(swaps_at > 5);
}

static void names_that_never_stand_still_are_busy(void)
{
    begin(1000);
    leads_to = NULL;
    CHECK_INT(query_restless(), CKPT_OK);
    CHECK(t.info.state == CKPT_STATE_LIVE || t.info.state == CKPT_STATE_BUSY);
    CHECK_INT(t.info.turn, 0);                  // nobody believes either one
    teardown();
}

// Both names lead to the older file whenever one of them is asked for.
static void a_generation_that_is_never_under_a_name_is_stale(void)
{
    const ckpt_store_methods *m;
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)];
    const ckpt_gen gen = { 1, 0, 4711 };        // neither of the two
    ckpt_error err;
    char buf[8];
    size_t got;
    begin(1000);
    m = t.fs.base.methods;
    memset(place, 0, sizeof(place));
    CHECK_INT(m->open(&t.fs.base, place, ID, CKPT_HOW_FIND, &err), CKPT_OK);
    CHECK_INT(other_link("checkpoint.1.prev.json", "mark"), 0);
    leads_to = DIR "mark";
    t.proc->hook = restless;
    CHECK_INT(m->read(&t.fs.base, place, &gen, 0, buf, sizeof(buf), &got, &err),
              CKPT_ERR_STALE);
    t.proc->hook = hook;
    m->close(&t.fs.base, place, false);
    teardown();
}

// The room behind a record is no part of it, however small size_max is.
static void a_record_may_fill_size_max_and_has_its_room_all_the_same(void)
{
    static const int64_t sizes[] = { 1024, 2048, 64 * 1024 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        setup();
        CHECK_INT(init_sized(&t.ctx, &t.fs, sizes[i]), CKPT_OK);
        CHECK_INT(open_run(), CKPT_OK);
        const size_t full = (size_t)sizes[i] - (size_t)t.run.checkpoint_size;
        for (uint64_t turn = 1; turn < 4; turn++) {
            CHECK_INT(save(turn, 'f', full - 2), CKPT_OK);
        }
        CHECK_INT(t.run.checkpoint_size, sizes[i]);
        CHECK_INT(save(4, 'f', full - 1), CKPT_ERR_TOO_LARGE);
        ckpt_abandon(&t.run);
        CHECK_INT(ckpt_verify(&t.ctx, ID, NULL), CKPT_OK);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK(!t.run.older);
        CHECK_INT(t.run.turn, 3);
        teardown();
    }
}

// A file keeps the room that it once had.
static void a_run_that_has_shrunk_is_whole_under_a_smaller_size_max(void)
{
    setup();
    CHECK_INT(open_run(), CKPT_OK);
    for (uint64_t turn = 1; turn < 4; turn++) {
        CHECK_INT(save(turn, 'f', 30000), CKPT_OK);
    }
    for (uint64_t turn = 4; turn < 6; turn++) {
        CHECK_INT(save(turn, 'f', 10), CKPT_OK);
    }
    ckpt_abandon(&t.run);
    CHECK_INT(init_sized(&t.ctx, &t.fs, 1024), CKPT_OK);
    CHECK_INT(ckpt_verify(&t.ctx, ID, NULL), CKPT_OK);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK(!t.run.older);
    CHECK_INT(t.run.turn, 5);
    teardown();
}

static void a_spare_of_another_size_is_not_written(void)
{
    begin(1000);
    sim_inode *spare = sim_find(t.disk, DIR "checkpoint.1.prev.json");
    sim_file_write(spare, spare->live->len, "more", 4);
    CHECK_INT(save(3, 'b', 1000), CKPT_OK);
    CHECK_INT(t.calls[SIM_EXCHANGE], 0);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.turn, 3);
    teardown();
}

static void messages_that_are_cut_off_in_place_are_gone(void)
{
    ckpt_save_desc s;
    begin(3000);
    CHECK_INT(append(3, 1000), CKPT_OK);
    CHECK_INT(append(4, 1000), CKPT_OK);
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = 5;
    s.messages = ckpt_text("[\"instead\"]");
    s.append_at = 1;                            // less than both files share
    CHECK_INT(ckpt_save(&t.run, &s), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.last.messages.len, 3000 + 4 + strlen(",\"instead\""));
    CHECK_INT(append(6, 1000), CKPT_OK);
    CHECK_INT(load(), CKPT_OK);
    CHECK_INT(t.run.messages, 3);
    teardown();
}

// Without its time a mark would say that the beat has stood for ever.
static void a_mark_whose_time_cannot_be_read_proves_nothing(void)
{
    begin(1000);
    t.disk->local = 0;
    crash();
    sim_find(t.disk, DIR "heartbeat.1")->mtime_ns += INT64_C(1000000000000);
    CHECK_INT(ckpt_query(&t.ctx, ID, &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_BUSY);
    for (unsigned at = 1; at < 6; at++) {
        fail(SIM_STAT, at, EIO);
        (void)!ckpt_query(&t.ctx, ID, &t.info);
        CHECK(t.info.state != CKPT_STATE_INTERRUPTED);
    }
    teardown();
}

static sim_verdict die_at(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict die = { SIM_DIE, 0, 0 }, go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    return e->call == SIM_OPEN && e->name != NULL &&
           strncmp(e->name, ".t.", 3) == 0 ? die : go;
}

static void a_leftover_that_cannot_be_looked_at_is_left(void)
{
    uint32_t swept = 0;
    setup();
    t.proc->hook = die_at;
    CHECK(open_run() != CKPT_OK);
    crash();
    sim_advance(t.disk, 600000);
    for (unsigned at = 1; at < 8; at++) {
        sim_advance(t.disk, 600000);
        fail(SIM_STAT, at, EIO);
        const ckpt_code rc = ckpt_sweep(&t.ctx, &t.run, &swept);
        CHECK(rc == CKPT_OK || rc == CKPT_ERR_IO);
    }
    t.err = 0;
    sim_advance(t.disk, 600000);
    CHECK(ckpt_sweep(&t.ctx, &t.run, &swept) == CKPT_OK);
    char *names = sim_list(t.disk, "runs");
    CHECK(strstr(names, ".new-") == NULL);
    free(names);
    teardown();
}

// A power cut can leave of a claimant what it had half written, and no claim.
static void a_temporary_file_alone_keeps_no_id(void)
{
    setup();
    CHECK_INT(sim_calls()->mkdir(other(), -1, "runs/r-a-run"), 0);
    CHECK(sim_put(t.disk, DIR ".t.3.abcdef", SIM_FILE, "x", 1) != NULL);
    CHECK_INT(open_run(), CKPT_OK);
    CHECK(!t.run.resumed);
    CHECK_INT(save(1, 'a', 100), CKPT_OK);
    teardown();
}

static void put_temp(const char *path)
{
    sim_put(t.disk, path, SIM_FILE, "x", 1)->uid = t.proc->uid;
}

// Its claim would be above that of whoever sweeps now.
static void a_maker_that_has_not_claimed_yet_is_claimed_first(void)
{
    uint64_t place[CKPT_PLACE_SIZE / 8];
    ckpt_look look;
    ckpt_error err;
    begin(10);
    sim_put(t.disk, "runs/.new-abcdef", SIM_DIRECTORY, NULL, 0)->uid =
        t.proc->uid;
    put_temp("runs/.new-abcdef/.t.1.abcdef");
    ckpt_store *s = &t.fs.base;
    memset(place, 0, sizeof(place));
    CHECK_INT(s->methods->open(s, place, ".new-abcdef", CKPT_HOW_LEFTOVER,
                               &err), CKPT_OK);
    CHECK_INT(s->methods->look(s, place, 0, &look, &err), CKPT_OK);
    CHECK_INT(look.epoch, 0);
    s->methods->close(s, place, false);
    teardown();
}

static void a_claimant_that_died_above_an_end_is_swept_once(void)
{
    uint32_t swept = 9;
    begin(1000);
    put_temp(DIR ".t.40.abcdef");
    put_temp(DIR ".t.7.abcdef");
    CHECK_INT(ckpt_finish(&t.run, CKPT_COMPLETED, NULL), CKPT_OK);
    CHECK(sim_find(t.disk, "runs/r-a-run") != NULL);    // it may be at work
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
    CHECK_INT(swept, 1);
    CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
    CHECK_INT(ckpt_sweep(&t.ctx, &t.run, &swept), CKPT_OK);
    CHECK_INT(swept, 0);
    teardown();
}

// The claim fails, and then the look at the directory that was made for it.
static void a_maker_that_cannot_see_what_it_made_leaves_no_run(void)
{
    for (uint64_t at = 1; at < 6; at++) {
        sim_plan look = { .at = at, .calls = SIM_BIT(SIM_STAT),
                          .verdict = { SIM_FAIL, EIO, 0 } };
        sim_plan claim = { .at = 1, .calls = SIM_BIT(SIM_LINK), .sticky = true,
                           .verdict = { SIM_FAIL, EIO, 0 }, .also = &look };
        setup();
        sim_set_plan(t.proc, &claim);
        CHECK(open_run() < 0);
        t.proc->hook = hook;
        CHECK(sim_find(t.disk, "runs/r-a-run") == NULL);
        CHECK_INT(open_run(), CKPT_OK);
        teardown();
    }
}

static sim_verdict hides_moved(void *user, sim_proc *p, const sim_event *e)
{
    const sim_verdict fails = { SIM_FAIL, EIO, 0 }, go = { SIM_GO, 0, 0 };
    (void)user, (void)p;
    return e->call == SIM_STAT_AT && strncmp(e->name, ".new-", 5) == 0 &&
           e->name[strlen(e->name) - 1] == '.' ? fails : go;
}

// A file system that is not known is tried out when the store is opened.
static void a_directory_that_is_not_seen_under_its_new_name_was_not_renamed(
    void)
{
    setup();
    ckpt_store_fs_close(&t.fs);
    t.disk->local = 0;
    t.proc->hook = hides_moved;
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_ERR_UNSUITABLE);
    t.proc->hook = hook;
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    teardown();
}

// Judged by age, a claim is closed at once.
static void a_close_that_was_interrupted_has_closed(void)
{
    for (unsigned at = 1; at < 20; at++) {
        setup();
        ckpt_store_fs_close(&t.fs);
        t.disk->local = 0;
        CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                             CKPT_STORE_FS_POWER), CKPT_OK);
        fail(SIM_CLOSE, at, EINTR);
        CHECK_INT(open_run(), CKPT_OK);
        CHECK_INT(save(1, 'a', 100), CKPT_OK);
        CHECK_INT(load(), CKPT_OK);
        teardown();
    }
}

// Every call of opening a store on a file system that is not known, and of a
// short run there, fails once. (Here the clocks stand still, so that each call
// is the same one each time.)
static bool one_call_fails(sim_action action, int err, uint64_t at)
{
    sim_plan plan = { .at = at, .verdict = { action, err, 0 } };
    setup();
    ckpt_store_fs_close(&t.fs);
    t.disk->local = 0;
    sim_set_plan(t.proc, &plan);
    ckpt_code rc = open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                              CKPT_STORE_FS_POWER);
    if (rc == CKPT_OK) {
        rc = open_run();
        rc = rc == CKPT_OK ? save(1, 'a', 100) : rc;
        rc = rc == CKPT_OK ? ckpt_finish(&t.run, CKPT_COMPLETED, NULL) : rc;
        ckpt_abandon(&t.run);
        ckpt_store_fs_close(&t.fs);
    }
    t.proc->hook = hook;
    CHECK_INT(open_store(&t.fs, t.proc, CKPT_STORE_FS_BY_TYPE,
                         CKPT_STORE_FS_POWER), CKPT_OK);
    teardown();
    return plan.fired > 0;
}

static void a_store_by_age_survives_any_call_that_fails(void)
{
    static const int errors[] = { EIO, EINTR };
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t at = 1; one_call_fails(SIM_FAIL, errors[i], at); at++) { }
        for (uint64_t at = 1; one_call_fails(SIM_FAIL_AFTER, errors[i], at);
             at++) { }
    }
}
