// SPDX-License-Identifier: MIT-0
// What only a database can do to a store: be killed, be cut off, be slow, wait
// for a lock, refuse. CKPT_LONG=yes makes the rounds many.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif

#include "ckpt.h"
#include "ckpt_store_pg.h"
#include "place.h"
#include "proxy.h"

#include <sys/mount.h>

//--- Stores and runs ----------------------------------------------------------

static struct {
    ckpt_store_pg pg, other;
    ckpt_ctx      ctx;
    ckpt_run      run;
    ckpt_error    err;
    char          buf[1 << 20];
} t;

static bool ready(void)
{
    memset(&t, 0, sizeof(t));
    if (!cluster_start()) {
        test_skip("there is no PostgreSQL server");
        return false;
    }
    const ckpt_store_pg_desc desc = {
        .conninfo = cluster_conninfo(), .create = true
    };
    return CHECK_INT(ckpt_store_pg_open(&t.pg, &desc, &t.err), CKPT_OK) &&
           CHECK(cluster_empty());
}

static void done(void)
{
    ckpt_store_pg_close(&t.pg);
    ckpt_store_pg_close(&t.other);
}

// Opens a store on another way to the database.
static ckpt_code open_as(ckpt_store_pg *pg, const char *conninfo,
                         int32_t timeout_ms)
{
    const ckpt_store_pg_desc desc = {
        .conninfo = conninfo, .timeout_ms = timeout_ms
    };
    return ckpt_store_pg_open(pg, &desc, &t.err);
}

static bool init_as(ckpt_ctx *ctx, ckpt_store_pg *pg)
{
    const ckpt_desc desc = {
        .store = &pg->base, .throttle_ms = CKPT_OFF, .beat_ms = CKPT_OFF,
        .lease_ms = 2
    };
    return CHECK_INT(ckpt_init(ctx, &desc), CKPT_OK);
}

// A user who owns nothing, so that rights can be taken away.
static void make_worker(void)
{
    CHECK(cluster_sql(
        "DO $$ BEGIN CREATE ROLE worker LOGIN; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$; "
        "GRANT ALL ON ckpt_run, ckpt_claim, ckpt_gen, ckpt_chunk, ckpt_gens, "
        "ckpt_schema TO worker"));
}

static uint32_t dice_state;

static uint32_t dice(uint32_t n)
{
    dice_state = dice_state * UINT32_C(1664525) + UINT32_C(1013904223);
    return (dice_state >> 8) % n;
}

//--- Claimants and owners -----------------------------------------------------

// A transaction of the test holds the key of the chunk that the owner is about
// to insert: so the owner stops in the middle of its save, after its statement
// has found that the run is its own. The claimant must wait for the owner, or
// else read what the owner has not written yet, and lose a save that is then
// acknowledged.
static void a_claimant_waits_for_an_owner_that_is_in_the_middle_of_a_save(void)
{
    place owner, claimant;
    if (!ready() || !CHECK_INT(open_as(&t.other, cluster_conninfo(), 0),
                               CKPT_OK) ||
        !place_begin(&owner, &t.pg, "a") ||
        !CHECK_INT(place_open(&claimant, &t.other, "a", CKPT_HOW_FIND),
                   CKPT_OK)) {
        return;
    }
    PGconn *holder = PQconnectdb(cluster_conninfo());
    PQclear(PQexec(holder, "BEGIN"));
    PGresult *res = PQexec(holder, "INSERT INTO ckpt_chunk SELECT run, "
                           "(version + 1) * 65536, 0, '' FROM ckpt_run");
    CHECK(PQresultStatus(res) == PGRES_COMMAND_OK);
    PQclear(res);
    deed save = { .what = deed_publish, .p = &owner, .n = 2 };
    deed claim = { .what = deed_claim, .p = &claimant, .n = 2 };
    CHECK_INT(place_put(&owner, large_text()), CKPT_OK);
    deed_begin(&save);
    while (cluster_number("SELECT count(*) FROM pg_locks WHERE NOT granted")
           < 1) {
        cluster_sleep_ms(1);
    }
    deed_begin(&claim);
    // until the claimant waits, too, or has its claim
    while (cluster_number("SELECT count(*) FROM pg_locks WHERE NOT granted")
           < 2 && cluster_number("SELECT max(epoch) FROM ckpt_run") < 2) {
        cluster_sleep_ms(1);
    }
    const bool waits = cluster_number("SELECT max(epoch) FROM ckpt_run") < 2;
    const uint64_t saw = waits ? 0 : place_newest(&claimant);
    PQclear(PQexec(holder, "ROLLBACK"));
    PQfinish(holder);
    deed_end(&save);
    deed_end(&claim);
    CHECK_INT(claim.rc, CKPT_OK);
    const uint64_t sees = waits ? place_newest(&claimant) : saw;
    CHECK(save.rc == CKPT_OK || save.rc == CKPT_ERR_CLAIM_LOST);
    CHECK(save.rc != CKPT_OK || sees == 2);
    CHECK_INT(place_save(&owner, 3, "late"), CKPT_ERR_CLAIM_LOST);
    place_close(&owner);
    place_close(&claimant);
    done();
}

// The other way round: the claimant is in the middle of its claim, and the
// owner has looked at the run as it was before, and waits. When the claim is
// made, the owner must look again.
static void an_owner_that_waits_for_a_claimant_has_lost_its_run(void)
{
    place owner;
    if (!ready()) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        PGconn *holder = PQconnectdb(cluster_conninfo());
        deed save = { .what = deed_publish, .p = &owner, .n = 2 };
        CHECK(place_begin(&owner, &t.pg, "a"));
        PQclear(PQexec(holder, "BEGIN"));
        PQclear(PQexec(holder, "UPDATE ckpt_run SET epoch = 2, "
                       "version = version + 1"));
        CHECK_INT(place_put(&owner, i == 0 ? "small" : large_text()), CKPT_OK);
        deed_begin(&save);
        while (cluster_number("SELECT count(*) FROM pg_locks "
                              "WHERE NOT granted") < 1) {
            cluster_sleep_ms(1);
        }
        PQclear(PQexec(holder, "COMMIT"));
        PQfinish(holder);
        deed_end(&save);
        CHECK_INT(save.rc, CKPT_ERR_CLAIM_LOST);
        CHECK_INT(cluster_number("SELECT epoch FROM ckpt_run"), 2);
        CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_chunk"), 0);
        place_close(&owner);
        CHECK(cluster_empty());
    }
    done();
}

static void no_acknowledged_save_is_lost_to_a_claimant(const char *conninfo)
{
    const unsigned count = test_rounds(60, 2000);
    unsigned lost = 0;
    uint64_t acked = 0;
    for (unsigned i = 0; i < count; i++) {
        place owner, claimant;
        char id[32];
        snprintf(id, sizeof(id), "run-%u", i);
        if (i == 0 && !CHECK_INT(open_as(&t.other, conninfo, 0), CKPT_OK)) {
            return;
        }
        if (!place_begin(&owner, &t.pg, id) ||
            !CHECK_INT(place_open(&claimant, &t.other, id, CKPT_HOW_FIND),
                       CKPT_OK)) {
            return;
        }
        deed saves = {
            .what = deed_save_on, .p = &owner, .acked = 1,
            .text = i % 2 == 0 ? "small" : large_text()
        };
        deed_begin(&saves);
        while (place_newest(&claimant) < 2 + i % 5) {
        }
        // while an owner saves without a pause, a claimant that is rolled back
        // each time may get no turn in its time
        ckpt_code rc = CKPT_ERR_IO;
        for (unsigned k = 0; k < 6 && rc == CKPT_ERR_IO; k++) {
            rc = place_claim(&claimant, 2);
        }
        CHECK_INT(rc, CKPT_OK);
        const uint64_t sees = place_newest(&claimant);
        deed_end(&saves);
        CHECK_INT(saves.rc, CKPT_ERR_CLAIM_LOST);
        lost += saves.acked > sees;
        acked += saves.acked;
        place_close(&owner);
        place_close(&claimant);
    }
    note_rounds("claims while an owner saves", count, acked, lost);
    CHECK_INT(lost, 0);
}

static void no_save_is_lost_that_was_acknowledged_before_a_claim(void)
{
    if (ready()) {
        no_acknowledged_save_is_lost_to_a_claimant(cluster_conninfo());
        done();
    }
}

static void nor_is_one_through_a_pooler(void)
{
    if (!ready()) {
        return;
    }
    if (!cluster_pool()) {
        TEST_SKIP("there is no pgbouncer");
    }
    ckpt_store_pg_close(&t.pg);
    CHECK_INT(open_as(&t.pg, cluster.pool, 0), CKPT_OK);
    no_acknowledged_save_is_lost_to_a_claimant(cluster.pool);
    done();
}

// There a statement that waited for another one fails with 40001.
static void a_serializable_database_is_tried_again(void)
{
    char info[700];
    if (!ready()) {
        return;
    }
    snprintf(info, sizeof(info), "%s options='-c "
             "default_transaction_isolation=serializable'", cluster_conninfo());
    ckpt_store_pg_close(&t.pg);
    CHECK_INT(open_as(&t.pg, info, 0), CKPT_OK);
    no_acknowledged_save_is_lost_to_a_claimant(info);
    done();
}

static void of_eight_claimants_one_wins(void)
{
    enum { CLAIMANTS = 8 };
    static ckpt_store_pg pg[CLAIMANTS];
    static place p[CLAIMANTS];
    place owner;
    if (!ready()) {
        return;
    }
    for (unsigned k = 0; k < CLAIMANTS; k++) {
        CHECK_INT(open_as(&pg[k], cluster_conninfo(), 0), CKPT_OK);
    }
    for (unsigned i = 0; i < test_rounds(40, 2000); i++) {
        deed claims[CLAIMANTS];
        unsigned won = 0;
        char id[32];
        snprintf(id, sizeof(id), "run-%u", i);
        if (!place_begin(&owner, &t.pg, id)) {
            break;
        }
        memset(claims, 0, sizeof(claims));
        for (unsigned k = 0; k < CLAIMANTS; k++) {
            CHECK_INT(place_open(&p[k], &pg[k], id, CKPT_HOW_FIND), CKPT_OK);
            claims[k].what = deed_claim;
            claims[k].p = &p[k];
            claims[k].n = 2;
        }
        for (unsigned k = 0; k < CLAIMANTS; k++) {
            deed_begin(&claims[k]);
        }
        for (unsigned k = 0; k < CLAIMANTS; k++) {
            deed_end(&claims[k]);
            won += claims[k].rc == CKPT_OK;
            CHECK(claims[k].rc == CKPT_OK ||
                  claims[k].rc == CKPT_ERR_CLAIM_LOST);
            CHECK_INT(place_save(&p[k], 2, "mine"), claims[k].rc == CKPT_OK ?
                      CKPT_OK : CKPT_ERR_CLAIM_LOST);
        }
        CHECK_INT(won, 1);
        for (unsigned k = 0; k < CLAIMANTS; k++) {
            place_close(&p[k]);
        }
        place_close(&owner);
    }
    for (unsigned k = 0; k < CLAIMANTS; k++) {
        ckpt_store_pg_close(&pg[k]);
    }
    done();
}

//--- A job --------------------------------------------------------------------

enum { TURNS = 4 };

// What the job did to the world, and what it was told was saved.
typedef struct job {
    ckpt_store_pg *pg;
    ckpt_ctx       ctx;
    ckpt_run       run;
    unsigned       effects[TURNS];
    unsigned       failed;          // calls that failed and were made again
    uint64_t       acked;           // turn
    bool           finished;
} job;

// What a call may return while the database is away: the run goes on then.
static bool may_repeat(job *j, ckpt_code rc, const ckpt_error *err)
{
    if (rc >= 0) {
        return false;
    }
    CHECK(rc == CKPT_ERR_UNSURE || rc == CKPT_ERR_IO);
    CHECK(err->code == rc && err->op != NULL && err->op[0] != '\0' &&
          err->msg != NULL);
    return ++j->failed < 50;
}

static ckpt_save_desc job_save(const job *j, uint64_t turn, char *message,
                               size_t size)
{
    // large ones become chunks, small ones do not
    ckpt_save_desc save;
    memset(&save, 0, sizeof(save));
    save.anew = true;
    memset(message, 'x', size);
    memcpy(message, "[\"", 2);
    const size_t n = turn % 2 == 0 ? size : 40;
    memcpy(message + n - 2, "\"]", 2);
    save.turn = turn;
    save.append_at = j->run.messages;
    save.messages.ptr = message;
    save.messages.len = n;
    return save;
}

// One turn: a tool call, which must happen once, and a save.
static void job_turn(job *j, uint64_t turn)
{
    char message[3000], id[16];
    ckpt_effect effect;
    ckpt_code rc;
    ckpt_save_desc none;
    memset(&none, 0, sizeof(none));
    none.anew = true;
    none.turn = turn;
    snprintf(id, sizeof(id), "call-%u", (unsigned)turn);
    do {
        rc = ckpt_effect_begin(&j->run, id, &none, &effect);
    } while (may_repeat(j, rc, &j->run.error));
    if (CHECK_INT(rc, CKPT_OK) && effect.state == CKPT_EFFECT_NEW) {
        j->effects[turn]++;
    }
    do {
        rc = ckpt_effect_end(&j->run, id, ckpt_text("\"done\""));
        // the end that was not acknowledged may stand
        rc = rc == CKPT_ERR_NOT_FOUND && j->failed > 0 ? CKPT_OK : rc;
    } while (may_repeat(j, rc, &j->run.error));
    CHECK_INT(rc, CKPT_OK);
    const uint64_t before = j->run.messages;
    do {
        // a save that was not acknowledged may stand: then there is no second
        const ckpt_save_desc save = job_save(j, turn, message,
                                             sizeof(message));
        rc = j->run.messages > before ? CKPT_OK : ckpt_save(&j->run, &save);
    } while (may_repeat(j, rc, &j->run.error));
    CHECK_INT(rc, CKPT_OK);
    j->acked = turn;
}

// A whole job in one process, whatever happens to the database.
static void job_do(job *j, ckpt_store_pg *pg)
{
    const ckpt_run_desc desc = { .id = "job" };
    ckpt_code rc;
    memset(j, 0, sizeof(*j));
    j->pg = pg;
    if (!init_as(&j->ctx, pg)) {
        return;
    }
    do {
        rc = ckpt_open(&j->ctx, &j->run, &desc);
    } while (rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE ||
             may_repeat(j, rc, ckpt_last_error(&j->ctx)));
    if (!CHECK_INT(rc, CKPT_OK)) {
        return;
    }
    if (j->run.resumed) {       // its begin was shown, and not acknowledged
        ckpt_checkpoint last;
        CHECK(ckpt_load(&j->run, &last, t.buf, sizeof(t.buf)) >= 0);
    }
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        job_turn(j, turn);
    }
    do {
        rc = ckpt_finish(&j->run, CKPT_COMPLETED, NULL);
    } while (may_repeat(j, rc, &j->run.error));
    j->finished = CHECK(rc >= 0);
}

static void job_is_done(const job *j)
{
    for (unsigned i = 0; i < TURNS; i++) {
        CHECK_INT(j->effects[i], 1);
    }
    CHECK(j->finished);
    CHECK_INT(cluster_number("SELECT (SELECT count(*) FROM ckpt_run) + "
        "(SELECT count(*) FROM ckpt_claim) + (SELECT count(*) FROM ckpt_gen) "
        "+ (SELECT count(*) FROM ckpt_chunk)"), 0);
}

// Cuts the connection at every message of a whole job.
static void cut_at_every_message(unsigned port)
{
    static job j;
    unsigned long seen = 0, step = test_rounds(11, 1);
    if (!ready() || !CHECK(proxy_start(cluster.dir, port))) {
        return;
    }
    CHECK_INT(open_as(&t.other, proxy_conninfo(), 0), CKPT_OK);
    for (unsigned long at = 1; at == 1 || seen >= at - step; at += step) {
        proxy_fail(PROXY_CUT, at);
        job_do(&j, &t.other);
        seen = proxy_seen(false);
        job_is_done(&j);
        CHECK_INT(j.failed, 0);     // the store itself went on
        if (!j.finished) {
            break;
        }
    }
    CHECK(seen > 100);
    if (step == 1) {
        printf("note   the connection was cut at each of %lu messages\n", seen);
    }
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

static void a_connection_that_is_cut_at_any_message_loses_nothing(void)
{
    cut_at_every_message(5432);
}

static void nor_does_one_to_a_pooler(void)
{
    if (!ready()) {
        return;
    }
    if (!cluster_pool()) {
        TEST_SKIP("there is no pgbouncer");
    }
    done();
    cut_at_every_message(CLUSTER_POOL);
}

enum { ANSWER = 6 };            // the message after those of a statement

// The answer to a save is cut off, and the owner may not ask what became of it:
// the save stands, so a failure would be a lie.
static void a_save_that_may_stand_is_unsure_and_no_failure(void)
{
    place p;
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432))) {
        return;
    }
    make_worker();
    char info[700];
    snprintf(info, sizeof(info), "%s user=worker", proxy_conninfo());
    CHECK_INT(open_as(&t.other, info, 0), CKPT_OK);
    if (place_begin(&p, &t.other, "a")) {
        CHECK_INT(place_put(&p, "two"), CKPT_OK);
        CHECK(cluster_sql("REVOKE SELECT ON ckpt_gens FROM worker"));
        proxy_fail(PROXY_CUT, ANSWER);
        CHECK_INT(place_publish(&p, 2), CKPT_ERR_UNSURE);
        CHECK(cluster_sql("GRANT SELECT ON ckpt_gens TO worker"));
        CHECK_INT(place_newest(&p), 2);
        CHECK_INT(place_save(&p, 3, "three"), CKPT_OK);
        place_close(&p);
    }
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

// Something on the way keeps a message of the first save, and whatever follows,
// until the run has been finished and another process is about to begin one of
// that id. What that leaves is no run, and a sweep takes it away. Where only
// the end of a statement is late, the server holds the row: then the save
// fails, and nothing is finished.
static void a_first_save_that_comes_late_brings_no_finished_run_back(void)
{
    static ckpt_run run;
    unsigned late = 0;
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432)) ||
        !init_as(&t.ctx, &t.pg)) {
        return;
    }
    CHECK_INT(open_as(&t.other, proxy_conninfo(), 500), CKPT_OK);
    for (unsigned long at = 1; at < 24; at++) {
        uint32_t count = 9;
        place p;
        CHECK_INT(place_open(&p, &t.other, "a", CKPT_HOW_NEW), CKPT_OK);
        CHECK_INT(place_claim(&p, 1), CKPT_OK);
        proxy_fail(PROXY_LATE, at);
        const ckpt_code rc = place_save(&p, 1, "one");
        CHECK(rc == CKPT_OK || at == 5 || at == 16);
        if (rc == CKPT_OK) {
            CHECK_INT(place_drop(&p, &p.gen, CKPT_DROP_ALL), CKPT_OK);
            CHECK(cluster_sql("INSERT INTO ckpt_run (id, epoch, version, acked,"
                              " beat_at, token, gen, prev_token, prev) VALUES "
                              "('a', 0, 0, 0, now(), 0, '', 0, '')"));
        }
        late += proxy_deliver();
        if (rc == CKPT_ERR_UNSURE) {
            CHECK_INT(place_newest(&p), 1);
            CHECK_INT(place_drop(&p, &p.gen, CKPT_DROP_ALL), CKPT_OK);
        }
        place_close(&p);
        CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run "
                                 "WHERE epoch > 0"), 0);
        CHECK_INT(place_open(&p, &t.pg, "a", CKPT_HOW_FIND),
                  CKPT_ERR_NOT_FOUND);
        const long long left = cluster_number("SELECT count(*) FROM ckpt_run");
        CHECK_INT(ckpt_sweep(&t.ctx, &run, &count), CKPT_OK);
        CHECK_INT(count, left);
        CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 0);
    }
    CHECK(late >= 11);
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

// Claims a run, and does not hear that it has it.
static bool claim_unheard(place *p, uint64_t epoch)
{
    const bool open = CHECK_INT(place_open(p, &t.other, "a", CKPT_HOW_FIND),
                                CKPT_OK);
    proxy_fail(PROXY_MUTE, ANSWER);
    return CHECK_INT(place_claim(p, epoch), CKPT_ERR_IO) && open &&
           CHECK_INT(cluster_number("SELECT max(epoch) FROM ckpt_run"),
                     (long long)epoch);
}

// A claimant that was not told has the claim: it makes it again and owns it, or
// it ends, and nobody waits for its lease.
static void a_claim_whose_answer_was_lost_is_owned_or_given_up(void)
{
    const ckpt_run_desc desc = { .id = "a" };
    place p, owner;
    ckpt_life life;
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432)) ||
        !CHECK_INT(open_as(&t.other, proxy_conninfo(), 300), CKPT_OK) ||
        !place_begin(&owner, &t.pg, "a")) {
        return;
    }
    place_close(&owner);
    if (claim_unheard(&p, 2)) {
        CHECK_INT(place_claim(&p, 2), CKPT_OK);
        CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
        place_close(&p);
    }
    if (claim_unheard(&p, 3)) {
        CHECK_INT(place_open(&owner, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
        place_close(&p);
        CHECK_INT(t.pg.base.methods->alive(&t.pg.base, owner.bytes, 3, &life,
                                           &owner.err), CKPT_OK);
        CHECK_INT(life.verdict, CKPT_LIFE_GONE);
        CHECK(life.gave_up);
        place_close(&owner);
    }
    // with the usual lease, which is a minute
    CHECK(cluster_empty());
    CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){ .store = &t.pg.base }), CKPT_OK);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    ckpt_abandon(&t.run);
    if (claim_unheard(&p, 2)) {
        place_close(&p);
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
        CHECK(t.run.resumed && t.run.epoch == 3);
        ckpt_abandon(&t.run);
    }
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

// Somebody holds the row of the run, and the claimant goes away before the row
// is free. The server gives the claim up, too, so that nobody waits for the
// lease of an owner that is not there.
static void a_claim_that_waits_is_given_up_with_its_claimant(void)
{
    place owner, p;
    if (!ready() || !place_begin(&owner, &t.pg, "a") ||
        !CHECK_INT(open_as(&t.other, cluster_conninfo(), 300), CKPT_OK)) {
        return;
    }
    PGconn *holder = PQconnectdb(cluster_conninfo());
    PQclear(PQexec(holder, "BEGIN"));
    PQclear(PQexec(holder, "SELECT * FROM ckpt_run FOR UPDATE"));
    CHECK_INT(place_open(&p, &t.other, "a", CKPT_HOW_FIND), CKPT_OK);
    const ckpt_code rc = place_claim(&p, 2);
    CHECK(rc == CKPT_ERR_IO || rc == CKPT_ERR_BUSY);
    place_close(&p);
    long long waiting = 1;
    for (unsigned i = 0; i < 1000 && waiting > 0; i++) {
        waiting = cluster_number("SELECT count(*) FROM pg_locks "
                                 "WHERE NOT granted");
        cluster_sleep_ms(waiting > 0 ? 10 : 0);
    }
    CHECK_INT(waiting, 0);
    PQclear(PQexec(holder, "ROLLBACK"));
    PQfinish(holder);
    CHECK_INT(place_save(&owner, 2, "two"), CKPT_OK);   // behind any claim
    CHECK_INT(cluster_number("SELECT max(epoch) FROM ckpt_run"), 1);
    place_close(&owner);
    done();
}

// The statement passes, the answer does not, and no call ever waits for ever.
static void a_connection_that_falls_silent_is_given_up(void)
{
    static job j;
    unsigned long seen = 1000, step = test_rounds(61, 7);
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432))) {
        return;
    }
    for (unsigned long at = 20; seen >= at; at += step) {
        CHECK_INT(open_as(&t.other, proxy_conninfo(), 200), CKPT_OK);
        proxy_fail(PROXY_MUTE, at);
        job_do(&j, &t.other);
        seen = proxy_seen(false);
        job_is_done(&j);
        ckpt_store_pg_close(&t.other);
        if (!j.finished) {
            break;
        }
    }
    proxy_stop();
    done();
}

//--- A server that dies -------------------------------------------------------

static void a_server_that_is_killed_loses_no_acknowledged_save(void)
{
    enum { PATIENCE = 120000 };     // ms: a machine may be slow to restart it
    const unsigned count = test_rounds(3, 200);
    place owner, next;
    uint64_t epoch = 1, acked = 0;
    unsigned lost = 0;
    if (!ready()) {
        return;
    }
    ckpt_store_pg_close(&t.pg);
    CHECK_INT(open_as(&t.pg, cluster_conninfo(), PATIENCE), CKPT_OK);
    CHECK(place_begin(&owner, &t.pg, "a"));
    for (unsigned i = 0; i < count; i++) {
        deed saves = {
            .what = deed_save_on, .p = &owner,
            .text = i % 2 == 0 ? "small" : large_text()
        };
        CHECK_INT(open_as(&t.other, cluster_conninfo(), PATIENCE),
                  CKPT_OK);
        CHECK_INT(place_open(&next, &t.other, "a", CKPT_HOW_FIND), CKPT_OK);
        deed_begin(&saves);
        while (place_newest(&next) < 3) {
        }
        cluster_sleep_ms((long)(i * 7 % 40));
        cluster_kill();
        CHECK(cluster_up());
        // the owner has gone on: it ends when another one claims
        CHECK_INT(place_claim(&next, ++epoch), CKPT_OK);
        const uint64_t sees = place_newest(&next);
        deed_end(&saves);
        CHECK_INT(saves.rc, CKPT_ERR_CLAIM_LOST);
        CHECK(saves.acked >= 2);
        acked += saves.acked - 1;
        lost += saves.acked > sees;
        place_close(&owner);
        CHECK_INT(place_open(&owner, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(place_claim(&owner, ++epoch), CKPT_OK);
        const ckpt_gen all = { epoch, 0, 0 };
        CHECK_INT(t.pg.base.methods->drop(&t.pg.base, owner.bytes, &all,
                                          CKPT_DROP_OLDER, &owner.err),
                  CKPT_OK);
        place_close(&next);
        ckpt_store_pg_close(&t.other);
    }
    place_close(&owner);
    note_rounds("kills of the server", count, acked, lost);
    CHECK_INT(lost, 0);
    done();
}

static ckpt_run_state state_of(const char *id)
{
    ckpt_run_info info;
    memset(&info, 0, sizeof(info));
    CHECK_INT(ckpt_query(&t.ctx, id, &info), CKPT_OK);
    return info.state;
}

// No owner could beat while the server was down; one that has let go need not.
static void an_outage_of_the_server_makes_no_owner_look_dead(void)
{
    const ckpt_run_desc desc = { .id = "a" }, gone = { .id = "gone" };
    static ckpt_run other;
    if (!ready()) {
        return;
    }
    CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){ .store = &t.pg.base }), CKPT_OK);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK_INT(ckpt_open(&t.ctx, &other, &gone), CKPT_OK);
    ckpt_abandon(&other);
    CHECK(cluster_sql("UPDATE ckpt_run SET beat_at = "
                      "pg_postmaster_start_time() - interval '2 hours'"));
    cluster_kill();
    CHECK(cluster_up());
    CHECK_INT(state_of("a"), CKPT_STATE_LIVE);
    CHECK_INT(state_of("gone"), CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_open(&t.ctx, &other, &desc), CKPT_ERR_LIVE);
    ckpt_abandon(&t.run);
    CHECK_INT(state_of("a"), CKPT_STATE_INTERRUPTED);
    done();
}

// Waits until a save waits for a standby. False: it has ended before.
static bool waits_for_standby(deed *save)
{
    while (cluster_number("SELECT count(*) FROM pg_stat_activity "
                          "WHERE wait_event = 'SyncRep'") == 0) {
        if (pthread_tryjoin_np(save->thread, NULL) == 0) {
            return false;
        }
        cluster_sleep_ms(1);
    }
    return true;
}

// Begins a save that waits for a standby which never comes.
static bool save_for_standby(deed *save, place *p, uint64_t *seq)
{
    bool waits = false;
    while (!waits && *seq < 1000) {     // the server hears of it a bit later
        memset(save, 0, sizeof(*save));
        save->what = deed_publish;
        save->p = p;
        save->n = ++*seq;
        CHECK_INT(place_put(p, "more"), CKPT_OK);
        deed_begin(save);
        waits = waits_for_standby(save);
    }
    return CHECK(waits);
}

static const char cancel[] =
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
    "WHERE wait_event = 'SyncRep'";

static void a_save_that_no_standby_has_is_not_durable(void)
{
    uint64_t seq = 1;
    deed save;
    place p;
    if (!ready() || !place_begin(&p, &t.pg, "a") ||
        !CHECK(set_standby("nobody"))) {
        return;
    }
    for (unsigned i = 0; i < 2 && save_for_standby(&save, &p, &seq); i++) {
        CHECK_INT(cluster_number(cancel), 1);
        deed_end(&save);
        CHECK_INT(save.rc, CKPT_ERR_NOT_DURABLE);
        CHECK_STR(p.err.op, "save: no standby has it");
        CHECK_INT(place_newest(&p), seq);
    }
    CHECK(set_standby(""));
    CHECK_INT(place_save(&p, seq + 1, "on"), CKPT_OK);
    place_close(&p);
    done();
}

static ckpt_code deed_drop(deed *d)
{
    return place_drop(d->p, &d->p->gen, (ckpt_extent)d->n);
}

// Nor is a removal, whatever it removes. What is gone is gone, so to repeat it
// succeeds.
static void nor_is_a_removal_that_no_standby_has(void)
{
    static const ckpt_extent extents[] = {
        CKPT_DROP_OLDER, CKPT_DROP_REST, CKPT_DROP_ALL
    };
    uint64_t seq = 1;
    deed save;
    place p;
    if (!ready() || !place_begin(&p, &t.pg, "a") ||
        !CHECK_INT(place_claim(&p, 2), CKPT_OK) ||
        !CHECK(set_standby("nobody"))) {
        return;
    }
    if (save_for_standby(&save, &p, &seq)) {
        CHECK_INT(cluster_number(cancel), 1);
        deed_end(&save);
    }
    for (unsigned i = 0; i < 3; i++) {
        deed drop = { .what = deed_drop, .p = &p, .n = extents[i] };
        deed_begin(&drop);
        if (CHECK(waits_for_standby(&drop))) {
            CHECK_INT(cluster_number(cancel), 1);
            deed_end(&drop);
        }
        CHECK_INT(drop.rc, CKPT_ERR_NOT_DURABLE);
        CHECK_STR(p.err.op, "remove: no standby has it");
    }
    CHECK_INT(place_drop(&p, &p.gen, CKPT_DROP_ALL), CKPT_OK);
    CHECK(set_standby(""));
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 0);
    place_close(&p);
    done();
}

// It is seen, and so it stands; but its answer was lost, and with that the word
// that a standby has it.
static void a_save_that_is_found_waits_for_the_standby(void)
{
    static const char end[] =
        "SELECT count(pg_terminate_backend(pid, 9999)) FROM pg_stat_activity "
        "WHERE wait_event = 'SyncRep'";
    uint64_t seq = 1;
    deed save;
    place p;
    if (!ready() || !place_begin(&p, &t.pg, "a") ||
        !CHECK(set_standby("nobody"))) {
        return;
    }
    bool waits = save_for_standby(&save, &p, &seq);
    if (waits) {
        CHECK_INT(cluster_number(end), 1);
        waits = CHECK(waits_for_standby(&save));
    }
    CHECK(set_standby(""));
    if (waits) {
        deed_end(&save);
        CHECK_INT(save.rc, CKPT_OK);
        CHECK_INT(place_newest(&p), seq);
    }
    place_close(&p);
    done();
}

//--- What is refused ----------------------------------------------------------

static void refused(const char *conninfo, ckpt_code rc, const char *op)
{
    const ckpt_store_pg_desc desc = {
        .conninfo = conninfo, .timeout_ms = 2000
    };
    ckpt_store_pg pg;
    ckpt_error err;
    CHECK_INT(ckpt_store_pg_open(&pg, &desc, &err), rc);
    CHECK_INT(err.code, rc);
    CHECK_STR(err.op, op);
    CHECK(err.msg != NULL && err.msg[0] != '\0');
    ckpt_store_pg_close(&pg);
    ckpt_store_pg_close(&pg);
}

static void what_is_wrong_with_a_connection_is_said(void)
{
    char info[700];
    if (!ready()) {
        return;
    }
    refused(NULL, CKPT_ERR_ARGUMENT, "read the options");
    refused("host", CKPT_ERR_ARGUMENT, "read the options");
    refused("nonsense=1", CKPT_ERR_ARGUMENT, "read the options");
    refused("host=/nowhere/at/all", CKPT_ERR_IO,
            "connect: nobody answers there");
    snprintf(info, sizeof(info), "host=%s user=nobody_at_all dbname=postgres",
             cluster.dir);
    refused(info, CKPT_ERR_ACCESS, "log in: the database refuses this user");
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=none", cluster.dir);
    refused(info, CKPT_ERR_NOT_FOUND, "connect: there is no such database");
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=template1",
             cluster.dir);
    refused(info, CKPT_ERR_NOT_FOUND, "find the tables: .create makes them");
    const ckpt_store_pg_desc desc = {
        .conninfo = cluster_conninfo(), .timeout_ms = -1
    };
    CHECK_INT(ckpt_store_pg_open(&t.other, &desc, &t.err), CKPT_ERR_ARGUMENT);
    done();
}

static void tables_of_another_version_are_left_alone(void)
{
    if (!ready()) {
        return;
    }
    CHECK(cluster_sql("INSERT INTO ckpt_schema VALUES (2)"));
    refused(cluster_conninfo(), CKPT_ERR_FORMAT,
            "look at the tables: they are of another version");
    CHECK(cluster_sql("DELETE FROM ckpt_schema"));
    refused(cluster_conninfo(), CKPT_ERR_FORMAT,
            "look at the tables: they are of another version");
    CHECK(cluster_sql("INSERT INTO ckpt_schema VALUES (1)"));
    CHECK_INT(open_as(&t.other, cluster_conninfo(), 0), CKPT_OK);
    done();
}

// A save that is refused, and goes on when it is not any more.
static void refused_save(place *p, uint64_t seq, const char *text,
                         const char *before, const char *after, ckpt_code rc,
                         const char *op)
{
    CHECK(cluster_sql(before));
    CHECK_INT(place_save(p, seq, text), rc);
    CHECK_STR(p->err.op, op);
    CHECK(ckpt_store_pg_message(p->pg)[0] != '\0');
    CHECK(cluster_sql(after));
    CHECK_INT(place_newest(p), seq - 1);
    CHECK_INT(place_save(p, seq, text), CKPT_OK);
    CHECK_INT(place_newest(p), seq);
}

static void a_save_that_the_database_refuses_changes_nothing(void)
{
    char info[700];
    place p;
    if (!ready()) {
        return;
    }
    make_worker();
    snprintf(info, sizeof(info), "host=%s user=worker dbname=postgres",
             cluster.dir);
    CHECK_INT(open_as(&t.other, info, 0), CKPT_OK);
    if (!place_begin(&p, &t.other, "a")) {
        return;
    }
    refused_save(&p, 2, "two", "REVOKE UPDATE ON ckpt_run FROM worker",
                 "GRANT UPDATE ON ckpt_run TO worker", CKPT_ERR_ACCESS,
                 "use the tables: the user lacks a right");
    refused_save(&p, 3, large_text(), "REVOKE INSERT ON ckpt_chunk FROM worker",
                 "GRANT INSERT ON ckpt_chunk TO worker", CKPT_ERR_ACCESS,
                 "use the tables: the user lacks a right");
    refused_save(&p, 4, large_text(), "ALTER TABLE ckpt_chunk RENAME TO gone",
                 "ALTER TABLE gone RENAME TO ckpt_chunk", CKPT_ERR_IO,
                 "find the tables: they were there before");
    refused_save(&p, 5, "five", "ALTER TABLE ckpt_run RENAME version TO v",
                 "ALTER TABLE ckpt_run RENAME v TO version", CKPT_ERR_FORMAT,
                 "use the tables: they are of another kind");
    place_close(&p);
    ckpt_store_pg_close(&t.other);
    snprintf(info, sizeof(info), "%s options='-c "
             "default_transaction_read_only=on'", cluster_conninfo());
    CHECK_INT(open_as(&t.other, info, 500), CKPT_OK);
    CHECK_INT(place_open(&p, &t.other, "a", CKPT_HOW_FIND), CKPT_OK);
    CHECK_INT(place_newest(&p), 5);     // it can be read
    CHECK_INT(place_claim(&p, 2), CKPT_ERR_ACCESS);
    CHECK_STR(p.err.op, "write: the database is read-only");
    place_close(&p);
    CHECK_INT(place_open(&p, &t.other, "b", CKPT_HOW_NEW), CKPT_OK);
    CHECK_INT(place_claim(&p, 1), CKPT_OK);
    CHECK_INT(place_save(&p, 1, "one"), CKPT_ERR_ACCESS);
    CHECK_STR(p.err.op, "write: the database is read-only");
    place_close(&p);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 1);
    done();
}

// Executes a statement in the session of a store, as another client of a pooler
// does.
static void in_session(ckpt_store_pg *pg, const char *sql)
{
    PGconn *conn = pg->priv.conn;
    CHECK(PQsetnonblocking(conn, 0) == 0);
    PGresult *res = PQexec(conn, sql);
    CHECK(PQresultStatus(res) == PGRES_COMMAND_OK);
    PQclear(res);
    CHECK(PQsetnonblocking(conn, 1) == 0);
}

// So a server answers that was the primary one before a failover.
static void a_server_that_has_become_read_only_is_left_for_another(void)
{
    place p;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    in_session(&t.pg, "SET default_transaction_read_only TO on");
    CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
    in_session(&t.pg, "SET default_transaction_read_only TO on");
    CHECK_INT(place_claim(&p, 2), CKPT_OK);
    CHECK_INT(place_newest(&p), 2);
    place_close(&p);
    done();
}

// In one schema there are no tables, in the other one there are empty ones.
static void a_search_path_that_another_client_left_does_no_harm(void)
{
    static const char *const paths[] = {
        "SET search_path TO nowhere", "SET search_path TO decoy"
    };
    const ckpt_run_desc desc = { .id = "a" };
    ckpt_save_desc save = { .messages = ckpt_text("[]") };
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    CHECK(cluster_sql("CREATE SCHEMA decoy"));
    CHECK(cluster_sql("CREATE TABLE decoy.ckpt_run (LIKE ckpt_run); "
                      "CREATE TABLE decoy.ckpt_claim (LIKE ckpt_claim); "
                      "CREATE TABLE decoy.ckpt_gen (LIKE ckpt_gen); "
                      "CREATE TABLE decoy.ckpt_chunk (LIKE ckpt_chunk); "
                      "CREATE TABLE decoy.ckpt_gens (LIKE ckpt_gens)"));
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
        save.turn = i + 1;
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        in_session(&t.pg, paths[i]);
        save.turn = i + 2;
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        ckpt_abandon(&t.run);
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
        CHECK(t.run.resumed && t.run.turn == i + 2);
        ckpt_abandon(&t.run);
    }
    CHECK(cluster_sql("DROP SCHEMA decoy CASCADE"));
    done();
}

// Whoever may create functions in a schema of the search_path could else do
// what the user of the store may do.
static void what_somebody_planted_is_not_called(void)
{
    static char more[9000];
    place p;
    ckpt_life life;
    if (!ready()) {
        return;
    }
    CHECK(cluster_sql(
        "CREATE SCHEMA planted; SET search_path TO planted; "
        "CREATE FUNCTION cardinality(bigint[]) RETURNS int LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE 'called'; END $$; "
        "CREATE FUNCTION quote_ident(name) RETURNS text LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE 'called'; END $$; "
        "CREATE FUNCTION times(numeric, int) RETURNS numeric LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE 'called'; END $$; "
        "CREATE OPERATOR * (LEFTARG = numeric, RIGHTARG = int, "
        "FUNCTION = times); "
        "ALTER ROLE ckpt SET search_path TO planted, public"));
    CHECK_INT(open_as(&t.other, cluster_conninfo(), 0), CKPT_OK);
    if (place_begin(&p, &t.other, "a")) {
        memset(more, 'y', sizeof(more) - 1);
        for (uint64_t seq = 2; seq < 7; seq++) {
            CHECK_INT(place_save(&p, seq, seq % 2 == 0 ? more : "short"),
                      CKPT_OK);
        }
        CHECK_INT(t.other.base.methods->alive(&t.other.base, p.bytes, 1, &life,
                                              &p.err), CKPT_OK);
        CHECK(life.now_ms > 0);
        CHECK_INT(t.other.base.methods->drop(&t.other.base, p.bytes, &p.gen,
                                             CKPT_DROP_REST, &p.err), CKPT_OK);
        CHECK_INT(place_newest(&p), 6);
        place_close(&p);
    }
    CHECK(cluster_sql("ALTER ROLE ckpt RESET search_path; "
                      "DROP SCHEMA planted CASCADE"));
    done();
}

// That a run is not there is an answer; that its table is not there is none.
static void tables_that_cannot_be_seen_are_not_a_run_that_is_gone(void)
{
    const ckpt_code no = CKPT_ERR_IO;
    ckpt_store *s = &t.pg.base;
    ckpt_cursor cursor;
    ckpt_look look;
    ckpt_life life;
    char buf[8], id[CKPT_ID_MAX + 1];
    size_t got;
    place p, more;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    const ckpt_store_methods *m = s->methods;
    memset(&cursor, 0, sizeof(cursor));
    CHECK(cluster_sql("ALTER TABLE ckpt_run RENAME TO gone; "
                      "ALTER TABLE ckpt_gens RENAME TO gones"));
    CHECK_INT(m->look(s, p.bytes, 9, &look, &p.err), no);
    CHECK_STR(p.err.op, "find the tables: they were there before");
    CHECK_INT(m->read(s, p.bytes, &p.gen, 0, buf, 8, &got, &p.err), no);
    CHECK_INT(m->alive(s, p.bytes, 1, &life, &p.err), no);
    CHECK_INT(m->beat(s, p.bytes, 7, &p.err), no);
    CHECK_INT(place_save(&p, 2, "two"), no);
    CHECK_INT(m->set_aside(s, p.bytes, &p.gen, &p.err), no);
    CHECK_INT(m->drop(s, p.bytes, NULL, CKPT_DROP_ALL, &p.err), no);
    CHECK_INT(m->list(s, CKPT_AT_RUNS, &cursor, id, &p.err), no);
    CHECK_INT(place_open(&more, &t.pg, "a", CKPT_HOW_FIND), no);
    CHECK(cluster_sql("ALTER TABLE gone RENAME TO ckpt_run; "
                      "ALTER TABLE gones RENAME TO ckpt_gens"));
    CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
    CHECK_INT(place_newest(&p), 2);
    place_close(&p);
    done();
}

// A server that rolls a save back each time says so with 40001. The last of the
// attempts must have the time to hear it.
static void a_save_that_is_rolled_back_until_the_end_is_not_unsure(void)
{
    place p;
    if (!ready()) {
        return;
    }
    CHECK(cluster_sql("CREATE OR REPLACE FUNCTION roll_back() "
                      "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                      "RAISE SQLSTATE '40001'; END $$"));
    CHECK_INT(open_as(&t.other, cluster_conninfo(), 200), CKPT_OK);
    if (place_begin(&p, &t.other, "a")) {
        CHECK(cluster_sql("CREATE TRIGGER t BEFORE UPDATE ON ckpt_run "
                          "FOR EACH ROW EXECUTE FUNCTION roll_back()"));
        for (unsigned i = 0; i < 5; i++) {
            CHECK_INT(place_save(&p, 2, "two"), CKPT_ERR_IO);
        }
        CHECK(cluster_sql("DROP TRIGGER t ON ckpt_run"));
        CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
        place_close(&p);
    }
    done();
}

// Text that does not get smaller.
static const char *noise(void)
{
    static char text[3 << 20];
    dice_state = 1;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        text[i] = (char)(' ' + dice(94));
    }
    return text;
}

static void a_full_disk_refuses_a_save_and_keeps_what_it_has(void)
{
    char dir[300], sql[400];
    place p;
    if (!ready()) {
        return;
    }
    snprintf(dir, sizeof(dir), "%s/small", cluster.dir);
    snprintf(sql, sizeof(sql), "CREATE TABLESPACE small LOCATION '%s'", dir);
    if (mkdir(dir, 0700) < 0 || mount("ckpt", dir, "tmpfs", 0, "size=2m") < 0) {
        TEST_SKIP("no small disk can be mounted");
    }
    CHECK(chown(dir, cluster.uid, cluster.gid) == 0);
    CHECK(cluster_sql(sql));
    if (place_begin(&p, &t.pg, "a")) {
        CHECK_INT(place_save(&p, 2, large_text()), CKPT_OK);
        refused_save(&p, 3, noise(),
                     "ALTER TABLE ckpt_chunk SET TABLESPACE small",
                     "ALTER TABLE ckpt_chunk SET TABLESPACE pg_default",
                     CKPT_ERR_NO_SPACE, "write: the server's disk is full");
        place_close(&p);
    }
    CHECK(cluster_sql("DROP TABLESPACE small"));
    CHECK(umount(dir) == 0);
    done();
}

static void an_id_may_have_every_byte(void)
{
    bool seen[256] = { false };
    ckpt_cursor cursor;
    char id[CKPT_ID_MAX + 1];
    place p;
    unsigned count = 0;
    if (!ready()) {
        return;
    }
    for (unsigned c = 1; c < 256; c++) {
        const char byte[] = { 'a', (char)(unsigned char)c, 'z', '\0' };
        CHECK(place_begin(&p, &t.pg, byte));
        place_close(&p);
        CHECK_INT(place_open(&p, &t.pg, byte, CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(place_newest(&p), 1);
        place_close(&p);
    }
    memset(&cursor, 0, sizeof(cursor));
    ckpt_store *s = &t.pg.base;
    while (s->methods->list(s, CKPT_AT_RUNS, &cursor, id, &t.err) == CKPT_OK) {
        CHECK(strlen(id) == 3 && !seen[(unsigned char)id[1]]);
        seen[(unsigned char)id[1]] = true;
        count++;
    }
    CHECK_INT(count, 255);
    done();
}

// It accepts, as its system does for it, and never answers.
static void a_server_that_never_answers_is_given_up(void)
{
    char path[300], info[400];
    if (!ready()) {
        return;
    }
    snprintf(path, sizeof(path), "%s/silent", cluster.dir);
    (void)mkdir(path, 0755);
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=postgres", path);
    snprintf(path, sizeof(path), "%s/silent/.s.PGSQL.5432", cluster.dir);
    (void)unlink(path);
    const int fd = proxy_socket(path, true);
    CHECK(fd >= 0);
    CHECK_INT(open_as(&t.other, info, 100), CKPT_ERR_IO);
    CHECK_INT(t.err.sys, ETIMEDOUT);
    CHECK_STR(t.err.op, "connect: the database is too slow");
    close(fd);
    done();
}

// Of two hosts the first one accepts and never answers, or refuses. Both may be
// named by lists, or the port once for both.
static void of_several_hosts_one_that_answers_is_found(void)
{
    static const char *const more[] = {
        "", "connect_timeout=1", "port=5432", "port=5432,5432"
    };
    char path[300], info[900];
    place p;
    if (!ready()) {
        return;
    }
    snprintf(path, sizeof(path), "%s/silent", cluster.dir);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/silent/.s.PGSQL.5432", cluster.dir);
    (void)unlink(path);
    const int fd = proxy_socket(path, true);
    CHECK(fd >= 0);
    for (unsigned i = 0; i < 8; i++) {
        const char *first = i < 4 ? "/silent" : "/none";
        char id[16];
        snprintf(id, sizeof(id), "run-%u", i);
        snprintf(info, sizeof(info), "host=%s%s,%s user=ckpt dbname=postgres "
                 "%s", cluster.dir, first, cluster.dir, more[i % 4]);
        const ckpt_code rc = open_as(&t.other, info, 3000);
        if (CHECK_INT(rc, CKPT_OK) && place_begin(&p, &t.other, id)) {
            place_close(&p);
        }
        ckpt_store_pg_close(&t.other);
    }
    snprintf(info, sizeof(info), "host=%s/silent,%s/silent user=ckpt "
             "dbname=postgres", cluster.dir, cluster.dir);
    CHECK_INT(open_as(&t.other, info, 100), CKPT_ERR_IO);
    CHECK_INT(t.err.sys, ETIMEDOUT);
    close(fd);
    done();
}

static void the_printed_schema_is_what_the_store_makes(void)
{
    char info[700];
    if (!ready()) {
        return;
    }
    CHECK(cluster_sql("DROP DATABASE IF EXISTS by_hand"));
    CHECK(cluster_sql("CREATE DATABASE by_hand"));
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=by_hand",
             cluster.dir);
    refused(info, CKPT_ERR_NOT_FOUND, "find the tables: .create makes them");
    PGconn *conn = PQconnectdb(info);
    (void)PQsetNoticeProcessor(conn, cluster_be_quiet, NULL);
    for (unsigned again = 0; again < 2; again++) {
        PGresult *res = PQexec(conn, ckpt_store_pg_schema());
        CHECK(PQresultStatus(res) == PGRES_COMMAND_OK);
        PQclear(res);
    }
    PQfinish(conn);
    CHECK_INT(open_as(&t.other, info, 0), CKPT_OK);
    place p;
    CHECK(place_begin(&p, &t.other, "a"));
    place_close(&p);
    done();
}

//--- Chunks -------------------------------------------------------------------

// A transcript in the test's own memory.
static char   model[1 << 19];
static size_t model_size;

// The messages of the model, from one on, as an array; and where it stands.
static size_t model_ends[4096];
static size_t model_count;

static void model_add(size_t size)
{
    char *to = model + model_size;
    const size_t comma = model_count > 0;
    to[0] = ',';
    memset(to + comma, 'a' + (int)dice(26), size);
    to[comma] = to[comma + size - 1] = '"';
    model_size += comma + size;
    model_ends[model_count++] = model_size;
}

static bool model_is(ckpt_run *run)
{
    ckpt_checkpoint last;
    if (!CHECK_INT(ckpt_load(run, &last, t.buf, sizeof(t.buf)), CKPT_OK)) {
        return false;
    }
    return CHECK_INT(last.messages.len, model_size + 2) &&
           CHECK(memcmp((const char *)last.messages.ptr + 1, model,
                        model_size) == 0);
}

// Appends, cuts and replaces at random, with small and large states; what is
// loaded is what was saved, and at the end no chunk is left over.
static void any_saves_come_back_as_they_were(void)
{
    static char state[9000], out[1 << 19];
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    dice_state = 7;
    model_size = model_count = 0;
    const ckpt_run_desc desc = { .id = "edited" };
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    for (unsigned i = 0; i < test_rounds(300, 3000); i++) {
        const bool keeps = dice(9) > 0 && model_size < sizeof(model) / 2;
        const size_t cut = dice(3) == 0 ? dice(4) : 0;
        size_t keep = keeps ? model_count : 0;
        keep = cut < keep ? keep - cut : keep;
        model_count = keep;
        model_size = keep > 0 ? model_ends[keep - 1] : 0;
        const size_t from = model_size + (keep > 0);
        for (uint32_t n = 1 + dice(3); n > 0; n--) {
            model_add(dice(4) == 0 ? 2 + dice(9000) : 2 + dice(1300));
        }
        memcpy(out, "[", 1);
        memcpy(out + 1, model + from, model_size - from);
        memcpy(out + 1 + model_size - from, "]", 1);
        ckpt_save_desc save = {
            .turn = i, .append_at = keep, .messages = { out, model_size - from
                                                             + 2 }, .anew = true
        };
        if (dice(2) == 0) {
            const size_t n = 20 + dice(sizeof(state) - 20);
            memset(state, ' ', n);
            memcpy(state, "{", 1);
            memcpy(state + n - 1, "}", 1);
            save.state.ptr = state;
            save.state.len = n;
        }
        if (!CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK) ||
            (dice(4) == 0 && !model_is(&t.run))) {
            break;
        }
        if (dice(30) == 0) {        // another claim, from what the store has
            ckpt_abandon(&t.run);
            cluster_sleep_ms(5);
            CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
            CHECK(model_is(&t.run));
        }
    }
    CHECK(model_is(&t.run));
    for (unsigned i = 0; i < 3; i++) {
        const ckpt_save_desc save = {
            .anew = true, .turn = 10000 + i, .messages = ckpt_text("[]"),
            .state = ckpt_text("{}")
        };
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
    }
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_chunk"), 0);
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    done();
}

// Each edit of the last message ends a stream in the middle, and the next
// message begins another one.
static void a_transcript_that_is_edited_for_ever_stays_in_few_pieces(void)
{
    static char out[4096];
    const ckpt_run_desc desc = { .id = "edited" };
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    dice_state = 5;
    model_size = model_count = 0;
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    for (unsigned i = 0; i < 700; i++) {
        const size_t keep = model_count - (i % 2);
        model_count = keep;
        model_size = keep > 0 ? model_ends[keep - 1] : 0;
        const size_t from = model_size + (keep > 0);
        model_add(400);
        const size_t n = model_size - from;
        memcpy(out, "[", 1);
        memcpy(out + 1, model + from, n);
        memcpy(out + 1 + n, "]", 1);
        const ckpt_save_desc save = {
            .anew = true, .turn = i, .append_at = keep,
            .messages = { out, n + 2 }
        };
        if (!CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK)) {
            break;
        }
    }
    CHECK(model_is(&t.run));
    CHECK(cluster_number("SELECT octet_length(gen) FROM ckpt_run") < 9500);
    CHECK(cluster_number("SELECT sum(octet_length(bytes)) FROM ckpt_chunk") <
          4 * (long long)model_size);
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    done();
}

// Each effect that stands is two pieces of a save, and small ones become one
// item of the layout.
static void many_effects_do_not_write_the_transcript_anew(void)
{
    static char text[100000];
    const char *stream = "SELECT min(stream) FROM ckpt_chunk "
                         "WHERE octet_length(bytes) > 50000";
    const ckpt_run_desc desc = { .id = "a" };
    ckpt_save_desc save = { .anew = true, .turn = 1,
                            .messages = { text, sizeof(text) } };
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    memset(text, 'x', sizeof(text));
    memcpy(text, "[\"", 2);
    memcpy(text + sizeof(text) - 2, "\"]", 2);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
    const long long before = cluster_number(stream);
    CHECK(before > 0);
    save.append_at = t.run.messages;
    save.messages = ckpt_text("[]");
    for (unsigned i = 0; i < CKPT_EFFECTS_MAX; i++) {
        char id[16];
        ckpt_effect effect;
        snprintf(id, sizeof(id), "call-%u", i);
        CHECK_INT(ckpt_effect_begin(&t.run, id, &save, &effect), CKPT_OK);
    }
    CHECK_INT(cluster_number(stream), before);
    ckpt_abandon(&t.run);
    done();
}

// The core does not, but a store takes any ranges in any order.
static void a_range_may_be_put_twice_and_followed_by_more_each_time(void)
{
    static char want[20000], have[20001];
    const size_t n = sizeof(large) - 1;
    place p;
    size_t size = 0, got = 0;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    ckpt_store *s = &t.pg.base;
    CHECK_INT(place_save(&p, 2, large_text()), CKPT_OK);
    const ckpt_gen base = p.gen;
    for (unsigned i = 0; i < 4; i++) {
        const ckpt_part range = { NULL, 0, n, ckpt_crc32c(0, large, n) };
        CHECK_INT(s->methods->put(s, p.bytes, &base, &range, &p.err), CKPT_OK);
        memcpy(want + size, large, n);
        size += n;
        char more[500];
        memset(more, 'a' + (int)i, sizeof(more));
        const ckpt_part part = {
            more, 0, sizeof(more), ckpt_crc32c(0, more, sizeof(more))
        };
        CHECK_INT(s->methods->put(s, p.bytes, &base, &part, &p.err), CKPT_OK);
        memcpy(want + size, more, sizeof(more));
        size += sizeof(more);
    }
    CHECK_INT(place_publish(&p, 3), CKPT_OK);
    CHECK_INT(s->methods->read(s, p.bytes, &p.gen, 0, have, sizeof(have), &got,
                               &p.err), CKPT_OK);
    CHECK(got == size && memcmp(want, have, size) == 0);
    place_close(&p);
    done();
}

static ckpt_code place_keep(place *p, uint64_t offset)
{
    const size_t n = sizeof(large) - 1;
    const ckpt_part range = {
        NULL, offset, n, ckpt_crc32c(0, large_text(), n)
    };
    return p->pg->base.methods->put(&p->pg->base, p->bytes, &p->gen, &range,
                                    &p->err);
}

// A save appends to a range and keeps the range once more, and the next one
// appends to that: what the first one appended lies behind it.
static void only_the_end_of_a_stream_is_appended_to(void)
{
    const size_t n = sizeof(large) - 1;
    size_t got = 0;
    place p;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    ckpt_store *s = &t.pg.base;
    for (unsigned first = 0; first < 2; first++) {
        const uint64_t seq = 2 + 3 * first;
        CHECK_INT(place_save(&p, seq, large_text()), CKPT_OK);
        const ckpt_gen base = p.gen;
        CHECK_INT(place_keep(&p, 0), CKPT_OK);
        if (first == 0) {
            CHECK_INT(place_put(&p, large_text()), CKPT_OK);
        }
        CHECK_INT(place_keep(&p, 0), CKPT_OK);
        if (first == 1) {
            CHECK_INT(place_put(&p, large_text()), CKPT_OK);
        }
        CHECK_INT(place_publish(&p, seq + 1), CKPT_OK);
        CHECK(p.gen.token != base.token);
        CHECK_INT(place_keep(&p, first == 0 ? 2 * n : 0), CKPT_OK);
        CHECK_INT(place_put(&p, large_text()), CKPT_OK);
        CHECK_INT(place_publish(&p, seq + 2), CKPT_OK);
        CHECK_INT(s->methods->read(s, p.bytes, &p.gen, 0, t.buf, sizeof(t.buf),
                                   &got, &p.err), CKPT_OK);
        CHECK(got == 2 * n && memcmp(t.buf, large, n) == 0 &&
              memcmp(t.buf + n, large, n) == 0);
    }
    place_close(&p);
    done();
}

// How many bytes one more message of 1 KiB sends.
static unsigned long sent_by_a_save(size_t transcript)
{
    static char text[1 << 22];
    char message[1024];
    const ckpt_run_desc desc = { .id = transcript < 10000 ? "short" : "long" };
    static ckpt_run run;
    CHECK_INT(ckpt_open(&t.ctx, &run, &desc), CKPT_OK);
    memset(text, 'x', transcript);
    memcpy(text, "[\"", 2);
    memcpy(text + transcript - 2, "\"]", 2);
    memset(message, 'y', sizeof(message));
    memcpy(message, "[\"", 2);
    memcpy(message + sizeof(message) - 2, "\"]", 2);
    ckpt_save_desc save = { .messages = { text, transcript } };
    CHECK_INT(ckpt_save(&run, &save), CKPT_OK);
    for (unsigned i = 0; i < 10; i++) {
        proxy_fail(PROXY_WORK, 0);
        save.turn++;
        save.append_at = run.messages;
        save.messages.ptr = message;
        save.messages.len = sizeof(message);
        CHECK_INT(ckpt_save(&run, &save), CKPT_OK);
    }
    const unsigned long sent = proxy_seen(true);
    CHECK(ckpt_finish(&run, CKPT_COMPLETED, NULL) >= 0);
    return sent;
}

static void a_save_sends_what_is_new_whatever_the_transcript(void)
{
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432))) {
        return;
    }
    CHECK_INT(open_as(&t.other, proxy_conninfo(), 0), CKPT_OK);
    if (init_as(&t.ctx, &t.other)) {
        const unsigned long few = sent_by_a_save(4096);
        const unsigned long many = sent_by_a_save(1 << 22);
        CHECK(few > 1024 && few < 5000);
        CHECK(many < few + 200);
    }
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

static ckpt_code place_beat(place *p, uint64_t acked)
{
    return p->pg->base.methods->beat(&p->pg->base, p->bytes, acked, &p->err);
}

// How many messages one statement is: Parse, Bind, Describe, Execute and Sync,
// and as many answers, one more if it returns a row.
static bool is_statement(unsigned long messages)
{
    return CHECK(messages >= 10 && messages <= 11);
}

// Fence, save and beat are one statement, whatever the core asks for. The beat
// that follows a save at once sends nothing; any other one is sent.
static void a_save_is_one_statement(void)
{
    const ckpt_run_desc desc = { .id = "a" };
    ckpt_save_desc save = { .messages = ckpt_text("[]") };
    ckpt_ctx ctx;
    place p;
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432))) {
        return;
    }
    CHECK_INT(open_as(&t.other, proxy_conninfo(), 0), CKPT_OK);
    CHECK_INT(ckpt_init(&ctx, &(ckpt_desc){
        .store = &t.other.base, .throttle_ms = CKPT_OFF }), CKPT_OK);
    CHECK_INT(ckpt_open(&ctx, &t.run, &desc), CKPT_OK);
    for (save.turn = 1; save.turn < 5; save.turn++) {
        proxy_fail(PROXY_WORK, 0);
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        // the first one beats, too: it is time
        CHECK(save.turn == 1 || is_statement(proxy_seen(false)));
    }
    CHECK(ckpt_finish(&t.run, CKPT_COMPLETED, NULL) >= 0);
    if (place_begin(&p, &t.other, "b")) {
        proxy_fail(PROXY_WORK, 0);
        CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
        CHECK_INT(place_beat(&p, 2), CKPT_OK);
        is_statement(proxy_seen(false));
        for (uint64_t acked = 2; acked < 5; acked++) {
            proxy_fail(PROXY_WORK, 0);
            CHECK_INT(place_beat(&p, acked), CKPT_OK);
            is_statement(proxy_seen(false));
        }
        place_close(&p);
    }
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

// Such a save has told a time that is long gone when it is acknowledged.
static void a_save_that_waited_is_followed_by_a_beat(void)
{
    place p;
    if (!ready() || !CHECK(proxy_start(cluster.dir, 5432)) ||
        !CHECK_INT(open_as(&t.other, proxy_conninfo(), 0), CKPT_OK) ||
        !place_begin(&p, &t.other, "a")) {
        return;
    }
    PGconn *holder = PQconnectdb(cluster_conninfo());
    PQclear(PQexec(holder, "BEGIN"));
    PQclear(PQexec(holder, "INSERT INTO ckpt_chunk SELECT run, "
                   "(version + 1) * 65536, 0, '' FROM ckpt_run"));
    deed save = { .what = deed_publish, .p = &p, .n = 2 };
    CHECK_INT(place_put(&p, large_text()), CKPT_OK);
    deed_begin(&save);
    while (cluster_number("SELECT count(*) FROM pg_locks WHERE NOT granted")
           < 1) {
        cluster_sleep_ms(1);
    }
    cluster_sleep_ms(2100);
    PQclear(PQexec(holder, "ROLLBACK"));
    PQfinish(holder);
    deed_end(&save);
    CHECK_INT(save.rc, CKPT_OK);
    proxy_fail(PROXY_WORK, 0);
    CHECK_INT(place_beat(&p, 2), CKPT_OK);
    is_statement(proxy_seen(false));
    place_close(&p);
    ckpt_store_pg_close(&t.other);
    proxy_stop();
    done();
}

// An owner saves, and ends without another beat. Somebody takes its last save
// away, or harms it: whoever resumes the run is told.
static void a_claimant_is_told_that_an_acknowledged_save_is_missing(void)
{
    static const char *const harms[] = {
        "UPDATE ckpt_run SET token = prev_token, gen = prev, prev_token = 0, "
        "prev = ''",
        "UPDATE ckpt_run SET token = 0, gen = ''",
        "UPDATE ckpt_run SET gen = substr(gen, 1, 100)",
        "DELETE FROM ckpt_chunk"
    };
    static ckpt_run next;
    if (!ready()) {
        return;
    }
    // with the usual .beat_ms, so that the last save is not followed by a beat
    CHECK_INT(ckpt_init(&t.ctx, &(ckpt_desc){
        .store = &t.pg.base, .throttle_ms = CKPT_OFF }), CKPT_OK);
    for (unsigned i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
        const ckpt_run_desc desc = { .id = "a" };
        static char text[5000];
        ckpt_checkpoint last;
        ckpt_code rc;
        memset(text, 'x', sizeof(text));
        memcpy(text, "[\"", 2);
        memcpy(text + sizeof(text) - 2, "\"]", 2);
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
        ckpt_save_desc save = { .anew = true, .turn = 1,
                                .messages = ckpt_text("[1]") };
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        save.turn = 2;
        save.messages.ptr = text;
        save.messages.len = sizeof(text);
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        CHECK_INT(cluster_number("SELECT acked FROM ckpt_run"),
                  (long long)t.run.seq);
        ckpt_abandon(&t.run);
        CHECK(cluster_sql(harms[i]));
        do {
            rc = ckpt_open(&t.ctx, &next, &desc);
        } while (rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE);
        CHECK_INT(rc, CKPT_OK);
        CHECK(next.resumed && next.older);
        CHECK_INT(ckpt_load(&next, &last, t.buf, sizeof(t.buf)), CKPT_OLDER);
        CHECK_INT(last.messages.len, 3);
        ckpt_abandon(&next);
        CHECK(cluster_empty());
    }
    done();
}

// What somebody did to the rows is noticed, and never believed.
static void rows_that_were_changed_are_damaged(void)
{
    static const char *const harms[] = {
        "UPDATE ckpt_chunk SET bytes = overlay(bytes PLACING 'z' FROM 9)",
        "DELETE FROM ckpt_chunk",
        "UPDATE ckpt_chunk SET at = at + 1",
        "UPDATE ckpt_run SET gen = substr(gen, 1, 300)",
        "UPDATE ckpt_run SET gen = ''",
        "UPDATE ckpt_run SET gen = overlay(gen PLACING 'zzzz' FROM 10)",
        "UPDATE ckpt_run SET gen = overlay(gen PLACING 'zzzz' FROM 40)"
    };
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    for (unsigned i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
        const ckpt_run_desc desc = { .id = "harmed" };
        ckpt_checkpoint last;
        static char text[5000];
        memset(text, 'x', sizeof(text));
        memcpy(text, "[\"", 2);
        memcpy(text + sizeof(text) - 2, "\"]", 2);
        CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
        const ckpt_save_desc save = { .messages = { text, sizeof(text) } };
        CHECK_INT(ckpt_save(&t.run, &save), CKPT_OK);
        CHECK(cluster_sql(harms[i]));
        const ckpt_code rc = ckpt_load(&t.run, &last, t.buf, sizeof(t.buf));
        CHECK_INT(rc, CKPT_OLDER);      // the one before has no chunks
        CHECK_INT(last.messages.len, 2);
        ckpt_abandon(&t.run);
        CHECK(cluster_empty());
    }
    done();
}

// Neither is a range kept of what does not fit together, though its bytes may
// be there.
static void no_range_of_a_damaged_generation_is_kept(void)
{
    static const char text[] = "a text of which the end will be cut off";
    const ckpt_part range = { NULL, 0, 6, ckpt_crc32c(0, text, 6) };
    ckpt_store *s = &t.pg.base;
    place p, next;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    CHECK_INT(place_save(&p, 2, text), CKPT_OK);
    CHECK_INT(place_open(&next, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
    CHECK_INT(place_claim(&next, 2), CKPT_OK);
    CHECK_INT(s->methods->put(s, next.bytes, &p.gen, &range, &next.err),
              CKPT_OK);
    CHECK(cluster_sql("UPDATE ckpt_gen SET "
                      "gen = substr(gen, 1, octet_length(gen) - 10)"));
    CHECK_INT(place_claim(&next, 3), CKPT_OK);      // so it asks again
    CHECK_INT(s->methods->put(s, next.bytes, &p.gen, &range, &next.err),
              CKPT_ERR_DAMAGED);
    CHECK_INT(place_save(&next, 3, "whole"), CKPT_OK);
    place_close(&next);
    place_close(&p);
    done();
}

// Ranges that a save keeps are not read, so their chunks are counted: when an
// owner keeps them first, and from time to time.
static void a_range_whose_chunks_are_gone_is_not_kept(void)
{
    static const char *const harms[] = {
        "DELETE FROM ckpt_chunk", "UPDATE ckpt_chunk SET at = at + 1",
        "UPDATE ckpt_chunk SET bytes = substr(bytes, 1, 3000)"
    };
    place p, next;
    if (!ready()) {
        return;
    }
    for (unsigned i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
        CHECK(place_begin(&p, &t.pg, "a"));
        CHECK_INT(place_save(&p, 2, large_text()), CKPT_OK);
        CHECK_INT(place_open(&next, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
        CHECK_INT(place_claim(&next, 2), CKPT_OK);
        next.gen = p.gen;
        CHECK(cluster_sql(harms[i]));
        CHECK_INT(place_keep(&next, 0), CKPT_ERR_DAMAGED);
        place_close(&next);
        place_close(&p);
        CHECK(cluster_empty());
    }
    done();
}

static void nor_is_it_kept_for_long_by_an_owner_that_goes_on(void)
{
    static char text[5000];
    const ckpt_run_desc desc = { .id = "a" };
    ckpt_checkpoint last;
    ckpt_code rc = CKPT_OK;
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    memset(text, 'x', sizeof(text));
    memcpy(text, "[\"", 2);
    memcpy(text + sizeof(text) - 2, "\"]", 2);
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    ckpt_save_desc save = { .messages = { text, sizeof(text) } };
    for (unsigned i = 0; i < 200 && rc == CKPT_OK; i++) {
        if (i == 9) {
            CHECK(cluster_sql("DELETE FROM ckpt_chunk"));
        }
        save.append_at = t.run.messages;
        rc = ckpt_save(&t.run, &save);
        CHECK(rc == CKPT_OK || i > 9);
        save.messages = ckpt_text("[7]");
    }
    CHECK_INT(rc, CKPT_ERR_DAMAGED);
    CHECK(ckpt_load(&t.run, &last, t.buf, sizeof(t.buf)) < 0);
    ckpt_abandon(&t.run);
    done();
}

// What is gone already is success, unless another generation of its epoch may
// be what the caller means. What stands is left alone in either case.
static void to_keep_a_generation_that_is_gone_removes_nothing(void)
{
    place p, next;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
    const ckpt_gen two = p.gen;
    CHECK_INT(place_open(&next, &t.pg, "a", CKPT_HOW_FIND), CKPT_OK);
    CHECK_INT(place_claim(&next, 2), CKPT_OK);
    CHECK_INT(place_save(&next, 3, "three"), CKPT_OK);
    CHECK(cluster_sql("DELETE FROM ckpt_gen WHERE token = 2"));
    CHECK_INT(place_drop(&next, &two, CKPT_DROP_REST), CKPT_ERR_STALE);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_gens"), 2);
    CHECK(cluster_sql("DELETE FROM ckpt_gen"));
    CHECK_INT(place_drop(&next, &two, CKPT_DROP_REST), CKPT_OK);
    CHECK_INT(place_newest(&next), 3);
    place_close(&next);
    place_close(&p);
    done();
}

//--- Processes ----------------------------------------------------------------

// Every method but three refuses a child. True if they do.
static bool child_is_refused(place *p)
{
    ckpt_store *s = &t.pg.base;
    const ckpt_store_methods *m = s->methods;
    const ckpt_code no = CKPT_ERR_FORKED;
    const ckpt_part part = { "child", 0, 5, ckpt_crc32c(0, "child", 5) };
    ckpt_gen gen = p->gen;
    ckpt_look look;
    ckpt_moment now;
    char nonce[CKPT_NONCE_MAX + 1];
    return m->look(s, p->bytes, 9, &look, &p->err) == no &&
           m->claim(s, p->bytes, 2, "child", nonce, &p->err) == no &&
           m->beat(s, p->bytes, 1, &p->err) == no &&
           m->put(s, p->bytes, &gen, &part, &p->err) == no &&
           m->publish(s, p->bytes, &gen, &p->err) == no &&
           m->set_aside(s, p->bytes, &gen, &p->err) == no &&
           m->drop(s, p->bytes, &gen, CKPT_DROP_OLDER, &p->err) == no &&
           m->drop(s, p->bytes, NULL, CKPT_DROP_REST, &p->err) == no &&
           m->drop(s, p->bytes, NULL, CKPT_DROP_ALL, &p->err) == no &&
           m->env(s, p->bytes, &now, &p->err) == no;
}

// The child speaks on a connection of its own, and the parent's goes on.
static void a_child_of_fork_leaves_the_connection_alone(void)
{
    place p, more;
    if (!ready() || !place_begin(&p, &t.pg, "a")) {
        return;
    }
    const int backend = PQbackendPID(t.pg.priv.conn);
    const pid_t pid = fork();
    if (pid == 0) {
        char text[8] = "";
        size_t got = 0;
        ckpt_life life;
        ckpt_store *s = &t.pg.base;
        bool good = child_is_refused(&p);
        good = good && s->methods->read(s, p.bytes, &p.gen, 0, text, 8, &got,
                                        &p.err) == CKPT_OK && got == 3;
        good = good && s->methods->alive(s, p.bytes, 1, &life, &p.err) ==
                       CKPT_OK && life.beat_ms != 0;
        s->methods->close(s, p.bytes, true);
        good = good && place_begin(&more, &t.pg, "b");
        _exit(good ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    CHECK_INT(place_save(&p, 2, "two"), CKPT_OK);
    CHECK_INT(place_newest(&p), 2);
    CHECK_INT(PQbackendPID(t.pg.priv.conn), backend);
    CHECK(place_begin(&more, &t.pg, "c"));
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 3);
    CHECK_INT(cluster_number("SELECT count(DISTINCT nonce) FROM ckpt_claim"),
              3);
    place_close(&more);
    place_close(&p);
    done();
}

static void a_run_is_resumed_when_its_owner_does_not_beat(void)
{
    ckpt_run_info info;
    const ckpt_run_desc desc = { .id = "a" };
    static ckpt_run mine;
    if (!ready() || !init_as(&t.ctx, &t.pg)) {
        return;
    }
    CHECK_INT(ckpt_open(&t.ctx, &t.run, &desc), CKPT_OK);
    cluster_sleep_ms(20);               // ten leases
    CHECK_INT(ckpt_query(&t.ctx, "a", &info), CKPT_OK);
    CHECK_INT(info.state, CKPT_STATE_INTERRUPTED);
    CHECK_INT(ckpt_open(&t.ctx, &mine, &desc), CKPT_OK);
    CHECK(mine.resumed);
    const ckpt_save_desc save = { .turn = 1 };
    CHECK_INT(ckpt_save(&t.run, &save), CKPT_ERR_CLAIM_LOST);
    CHECK_INT(ckpt_save(&mine, &save), CKPT_OK);
    ckpt_abandon(&t.run);
    CHECK(ckpt_finish(&mine, CKPT_COMPLETED, NULL) >= 0);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_claim"), 0);
    done();
}

#define LIST(X)                                                                \
    X(a_claimant_waits_for_an_owner_that_is_in_the_middle_of_a_save)           \
    X(an_owner_that_waits_for_a_claimant_has_lost_its_run)                     \
    X(no_save_is_lost_that_was_acknowledged_before_a_claim)                    \
    X(nor_is_one_through_a_pooler)                                             \
    X(a_serializable_database_is_tried_again)                                  \
    X(of_eight_claimants_one_wins)                                             \
    X(a_connection_that_is_cut_at_any_message_loses_nothing)                   \
    X(nor_does_one_to_a_pooler)                                                \
    X(a_save_that_may_stand_is_unsure_and_no_failure)                          \
    X(a_first_save_that_comes_late_brings_no_finished_run_back)                \
    X(a_claim_whose_answer_was_lost_is_owned_or_given_up)                      \
    X(a_claim_that_waits_is_given_up_with_its_claimant)                        \
    X(a_connection_that_falls_silent_is_given_up)                              \
    X(a_server_that_is_killed_loses_no_acknowledged_save)                      \
    X(an_outage_of_the_server_makes_no_owner_look_dead)                        \
    X(a_save_that_no_standby_has_is_not_durable)                               \
    X(nor_is_a_removal_that_no_standby_has)                                    \
    X(a_save_that_is_found_waits_for_the_standby)                              \
    X(what_is_wrong_with_a_connection_is_said)                                 \
    X(tables_of_another_version_are_left_alone)                                \
    X(a_save_that_the_database_refuses_changes_nothing)                        \
    X(a_save_that_is_rolled_back_until_the_end_is_not_unsure)                  \
    X(a_server_that_has_become_read_only_is_left_for_another)                  \
    X(a_search_path_that_another_client_left_does_no_harm)                     \
    X(what_somebody_planted_is_not_called)                                     \
    X(tables_that_cannot_be_seen_are_not_a_run_that_is_gone)                   \
    X(a_full_disk_refuses_a_save_and_keeps_what_it_has)                        \
    X(an_id_may_have_every_byte)                                               \
    X(a_server_that_never_answers_is_given_up)                                 \
    X(of_several_hosts_one_that_answers_is_found)                              \
    X(the_printed_schema_is_what_the_store_makes)                              \
    X(any_saves_come_back_as_they_were)                                        \
    X(a_transcript_that_is_edited_for_ever_stays_in_few_pieces)                \
    X(many_effects_do_not_write_the_transcript_anew)                           \
    X(a_range_may_be_put_twice_and_followed_by_more_each_time)                 \
    X(only_the_end_of_a_stream_is_appended_to)                                 \
    X(a_save_sends_what_is_new_whatever_the_transcript)                        \
    X(a_save_is_one_statement)                                                 \
    X(a_save_that_waited_is_followed_by_a_beat)                                \
    X(a_claimant_is_told_that_an_acknowledged_save_is_missing)                 \
    X(rows_that_were_changed_are_damaged)                                      \
    X(no_range_of_a_damaged_generation_is_kept)                                \
    X(to_keep_a_generation_that_is_gone_removes_nothing)                       \
    X(a_range_whose_chunks_are_gone_is_not_kept)                               \
    X(nor_is_it_kept_for_long_by_an_owner_that_goes_on)                        \
    X(a_child_of_fork_leaves_the_connection_alone)                             \
    X(a_run_is_resumed_when_its_owner_does_not_beat)

TEST_SUITE(pg, LIST)
