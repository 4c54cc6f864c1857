// SPDX-License-Identifier: MIT-0
// A standby of the server, on the same machine: what only reads can be looked
// at, and takes over when the server dies.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif

#include "ckpt.h"
#include "ckpt_store_pg.h"
#include "place.h"

static struct {
    ckpt_store_pg pg, far;      // on the server; on the standby, or on both
    ckpt_ctx      ctx, watcher;
    ckpt_run      run;
    ckpt_error    err;
    char          info[700];    // of the standby
    char          buf[1 << 16];
} t;

static const char read_only[] = "write: the database is read-only";

static ckpt_code open_as(ckpt_store_pg *pg, const char *conninfo, bool create,
                         int32_t timeout_ms)
{
    const ckpt_store_pg_desc desc = {
        .conninfo = conninfo, .create = create, .timeout_ms = timeout_ms
    };
    return ckpt_store_pg_open(pg, &desc, &t.err);
}

// A server with a standby, which follows it from here on.
static bool ready(void)
{
    memset(&t, 0, sizeof(t));
    if (!cluster_start()) {
        test_skip("there is no PostgreSQL server");
        return false;
    }
    snprintf(t.info, sizeof(t.info), "host=%s port=%d user=ckpt "
             "dbname=postgres", cluster.dir, (int)CLUSTER_STANDBY);
    return CHECK(cluster_follow()) &&
           CHECK_INT(open_as(&t.pg, cluster_conninfo(), true, 0), CKPT_OK) &&
           CHECK(cluster_empty());
}

static void done(void)
{
    ckpt_store_pg_close(&t.pg);
    ckpt_store_pg_close(&t.far);
}

// Waits until the standby shows all that the server has.
static bool caught_up(void)
{
    long long behind = 1;
    for (unsigned i = 0; i < 6000 && behind != 0; i++) {
        behind = cluster_number(
            "SELECT 1 - count(*) FROM pg_stat_replication "
            "WHERE replay_lsn >= pg_current_wal_flush_lsn()");
        cluster_sleep_ms(behind != 0 ? 10 : 0);
    }
    return CHECK_INT(behind, 0);
}

static bool init_as(ckpt_ctx *ctx, ckpt_store_pg *pg, int64_t lease_ms)
{
    const ckpt_desc desc = {
        .store = &pg->base, .throttle_ms = CKPT_OFF, .beat_ms = CKPT_OFF,
        .lease_ms = lease_ms
    };
    return CHECK_INT(ckpt_init(ctx, &desc), CKPT_OK);
}

static ckpt_code save_message(uint64_t turn)
{
    const ckpt_save_desc save = {
        .turn = turn, .append_at = t.run.messages,
        .messages = ckpt_text("[{\"said\":\"hello\"}]"), .anew = true
    };
    return ckpt_save(&t.run, &save);
}

//--- It only reads ------------------------------------------------------------

static void opening_a_standby_makes_nothing_and_says_so(void)
{
    char info[700];
    if (!ready() || !caught_up()) {
        return;
    }
    CHECK_INT(open_as(&t.far, t.info, false, 500), CKPT_OK);
    ckpt_store_pg_close(&t.far);
    CHECK_INT(open_as(&t.far, t.info, true, 500), CKPT_OK);
    ckpt_store_pg_close(&t.far);
    snprintf(info, sizeof(info), "host=%s port=%d user=ckpt dbname=template1",
             cluster.dir, (int)CLUSTER_STANDBY);
    CHECK_INT(open_as(&t.far, info, false, 500), CKPT_ERR_NOT_FOUND);
    CHECK_STR(t.err.op, "find the tables: .create makes them");
    CHECK_INT(open_as(&t.far, info, true, 500), CKPT_ERR_ACCESS);
    CHECK_STR(t.err.op, read_only);
    CHECK(ckpt_store_pg_message(&t.far)[0] != '\0');
    done();
}

static bool count_run(void *user, const ckpt_run_info *info)
{
    unsigned *count = (unsigned *)user;
    *count += info->state == CKPT_STATE_LIVE ? 1 : 100;
    return true;
}

// An observer sees on it what it sees on the server.
static void runs_on_a_standby_are_seen(void)
{
    ckpt_run_info info;
    ckpt_checkpoint last;
    unsigned count = 0;
    const ckpt_run_desc desc = { .id = "job" };
    if (!ready() || !init_as(&t.ctx, &t.pg, 0)) {
        return;
    }
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    for (uint64_t turn = 1; turn < 60; turn++) {        // with some chunks
        CHECK_INT(save_message(turn), CKPT_OK);
    }
    caught_up();
    CHECK_INT(open_as(&t.far, t.info, false, 500), CKPT_OK);
    if (init_as(&t.watcher, &t.far, 0)) {
        CHECK_INT(ckpt_scan(&t.watcher, 0, count_run, &count), CKPT_OK);
        CHECK_INT(count, 1);
        CHECK_INT(ckpt_query(&t.watcher, "job", &info), CKPT_OK);
        CHECK(info.state == CKPT_STATE_LIVE && info.turn == 59);
        CHECK_INT(ckpt_query(&t.watcher, "none", &info), CKPT_ERR_NOT_FOUND);
        CHECK_INT(ckpt_peek(&t.watcher, "job", &info, &last, t.buf,
                            sizeof(t.buf)), CKPT_OK);
        CHECK(last.turn == 59 && last.messages.len == 59 * 16 + 60);
        CHECK_INT(ckpt_verify(&t.watcher, "job", &info), CKPT_OK);
        CHECK_INT(ckpt_latest(&t.watcher, "", "", &info), CKPT_ERR_ARGUMENT);
        CHECK_INT(save_message(60), CKPT_OK);
        caught_up();
        CHECK_INT(ckpt_query(&t.watcher, "job", &info), CKPT_OK);
        CHECK_INT(info.turn, 60);
    }
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    done();
}

// A call that is refused at the standby says so, and the run goes on where it
// is.
static void what_would_change_a_run_on_a_standby_is_refused(void)
{
    static ckpt_run other;
    ckpt_run_info info;
    const ckpt_run_desc desc = { .id = "job" }, more = { .id = "new" };
    place p;
    if (!ready() || !init_as(&t.ctx, &t.pg, 2)) {
        return;
    }
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK_INT(save_message(1), CKPT_OK);
    caught_up();
    CHECK_INT(open_as(&t.far, t.info, false, 1000), CKPT_OK);
    CHECK_INT(place_open(&p, &t.far, "job", CKPT_HOW_FIND), CKPT_OK);
    CHECK_INT(place_claim(&p, 2), CKPT_ERR_ACCESS);
    CHECK_STR(p.err.op, read_only);
    place_close(&p);
    CHECK_INT(place_open(&p, &t.far, "new", CKPT_HOW_NEW), CKPT_OK);
    CHECK_INT(place_claim(&p, 1), CKPT_OK);         // nothing is written yet
    CHECK_INT(place_save(&p, 1, "one"), CKPT_ERR_ACCESS);
    CHECK_STR(p.err.op, read_only);
    place_close(&p);
    if (init_as(&t.watcher, &t.far, 2)) {
        CHECK_INT(ckpt_open(&t.watcher, &other, &more), CKPT_ERR_ACCESS);
        CHECK_STR(ckpt_last_error(&t.watcher)->op, read_only);
        // its claim is a lease old, as the beat of the standby's start is
        cluster_sleep_ms(20);
        CHECK_INT(ckpt_open(&t.watcher, &other, &desc), CKPT_ERR_ACCESS);
        CHECK_STR(ckpt_last_error(&t.watcher)->op, read_only);
        CHECK_INT(ckpt_query(&t.watcher, "job", &info), CKPT_OK);
        CHECK(info.epoch == 1 && info.turn == 1);
    }
    CHECK_INT(save_message(2), CKPT_OK);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 1);
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    done();
}

// Of two hosts the first one is a standby.
static void a_standby_is_passed_over_for_the_server_that_writes(void)
{
    char info[700];
    place p;
    if (!ready() || !caught_up()) {
        return;
    }
    snprintf(info, sizeof(info), "host=%s,%s port=%d,%d user=ckpt "
             "dbname=postgres", cluster.dir, cluster.dir, (int)CLUSTER_STANDBY,
             (int)CLUSTER_SERVER);
    CHECK_INT(open_as(&t.far, info, false, 0), CKPT_OK);
    if (place_begin(&p, &t.far, "a")) {
        CHECK_INT(place_save(&p, 2, large_text()), CKPT_OK);
        CHECK_INT(place_newest(&p), 2);
        place_close(&p);
    }
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_chunk"), 1);
    done();
}

//--- It takes over ------------------------------------------------------------

// Opens a store that knows both servers.
static bool open_both(ckpt_store_pg *pg)
{
    char info[700];
    snprintf(info, sizeof(info), "host=%s,%s port=%d,%d user=ckpt "
             "dbname=postgres", cluster.dir, cluster.dir, (int)CLUSTER_SERVER,
             (int)CLUSTER_STANDBY);
    return CHECK_INT(open_as(pg, info, false, 60000), CKPT_OK);
}

// The server dies, and the standby becomes one.
static void fail_over(void)
{
    cluster_kill();
    CHECK(cluster_tell("standby", "promote"));
}

// The old server comes back for the tests that follow, and the new one goes.
static void back(void)
{
    done();
    CHECK(cluster_tell("standby", "immediate"));
    cluster.followed = false;
    CHECK(cluster_up());
    CHECK(set_standby(""));
}

// An owner saves all the time, and each save waits for the standby. It notices
// nothing of the change, and another process finds what was acknowledged.
static void an_owner_goes_on_with_the_standby_that_takes_over(void)
{
    const unsigned count = test_rounds(1, 10);
    uint64_t acked = 0;
    unsigned lost = 0;
    for (unsigned i = 0; i < count; i++) {
        place owner, next;
        if (!ready() || !open_both(&t.far) || !CHECK(set_standby("*")) ||
            !place_begin(&owner, &t.far, "a")) {
            return;
        }
        deed saves = {
            .what = deed_save_on, .p = &owner,
            .text = i % 2 == 0 ? large_text() : "small"
        };
        deed_begin(&saves);
        CHECK_INT(place_open(&next, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
        while (place_newest(&next) < 3) {
        }
        place_close(&next);
        cluster_sleep_ms((long)(i * 7 % 40));
        fail_over();
        ckpt_store_pg_close(&t.pg);
        CHECK_INT(open_as(&t.pg, t.info, false, 0), CKPT_OK);
        CHECK_INT(place_open(&next, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
        const uint64_t before = place_newest(&next);
        while (place_newest(&next) < before + 3) {      // it goes on there
        }
        CHECK_INT(place_claim(&next, 2), CKPT_OK);
        const uint64_t sees = place_newest(&next);
        deed_end(&saves);
        CHECK_INT(saves.rc, CKPT_ERR_CLAIM_LOST);
        CHECK(saves.acked > before);
        acked += saves.acked;
        lost += saves.acked > sees;
        CHECK_INT(place_save(&next, sees + 1, "on"), CKPT_OK);
        place_close(&owner);
        place_close(&next);
        back();
    }
    note_rounds("standbys that took over", count, acked, lost);
    CHECK_INT(lost, 0);
}

// A standby that was down has not heard of the last saves, and takes over all
// the same: that forgets acknowledged saves. The owner is told, and its next
// save is whole.
static void an_owner_is_told_that_the_standby_lacks_its_last_saves(void)
{
    const ckpt_run_desc desc = { .id = "job" };
    ckpt_checkpoint last;
    if (!ready() || !open_both(&t.far) || !init_as(&t.ctx, &t.far, 0)) {
        return;
    }
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    for (uint64_t turn = 1; turn < 90; turn++) {
        if (turn == 80) {
            caught_up();
            CHECK(cluster_tell("standby", "fast"));
        }
        CHECK_INT(save_message(turn), CKPT_OK);
    }
    cluster_kill();
    CHECK(cluster_serve("standby", CLUSTER_STANDBY));
    CHECK(cluster_tell("standby", "promote"));
    CHECK_INT(save_message(90), CKPT_ERR_UNSURE);
    CHECK_STR(t.run.error.op, "save a checkpoint");
    CHECK_INT(save_message(90), CKPT_ERR_DAMAGED);
    CHECK_INT(ckpt_load(&t.run, &last, t.buf, sizeof(t.buf)), CKPT_OLDER);
    CHECK(last.turn == 79 && t.run.messages == 79);
    CHECK_INT(save_message(80), CKPT_OK);
    CHECK_INT(ckpt_load(&t.run, &last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_INT(last.messages.len, 80 * 16 + 81);
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    back();
}

#define LIST(X)                                                                \
    X(opening_a_standby_makes_nothing_and_says_so)                             \
    X(runs_on_a_standby_are_seen)                                              \
    X(what_would_change_a_run_on_a_standby_is_refused)                         \
    X(a_standby_is_passed_over_for_the_server_that_writes)                     \
    X(an_owner_goes_on_with_the_standby_that_takes_over)                       \
    X(an_owner_is_told_that_the_standby_lacks_its_last_saves)

TEST_SUITE(pg_standby, LIST)
