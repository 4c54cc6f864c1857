// SPDX-License-Identifier: MIT-0
// The command, on runs in PostgreSQL.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif

#include "ckpt.h"
#include "ckpt_store_pg.h"
#include "place.h"

#include <stdarg.h>

#define ODD "\xff\x01'z"            // an id, and how the command shows it
#define ODD_SHOWN "\\xff\\x01'z"

static struct {
    ckpt_store_pg pg;
    ckpt_ctx      ctx;
    ckpt_run      held;             // live, until the test ends
    char          info[700];        // how the command connects
    char          out[1 << 16];     // what it printed, on both outputs
} u;

//--- Runs, and the command ----------------------------------------------------

static bool begin(ckpt_run *run, const char *id, bool once)
{
    const ckpt_run_desc desc = { .id = id, .once = once };
    const ckpt_save_desc save = {
        .anew = true, .turn = 2, .messages = ckpt_text("[{\"said\":\"hello\"}]")
    };
    return CHECK_INT(ckpt_open(&u.ctx, run, &desc), CKPT_OK) &&
           CHECK_INT(ckpt_save(run, &save), CKPT_OK);
}

// One run in each state that does not take long to reach.
static bool ready(void)
{
    static ckpt_run run;
    const ckpt_finish_desc keep = { .reason = "no quota", .keep = true };
    memset(&u, 0, sizeof(u));
    if (!cluster_start()) {
        test_skip("there is no PostgreSQL server");
        return false;
    }
    const ckpt_store_pg_desc desc = {
        .conninfo = cluster_conninfo(), .create = true
    };
    ckpt_error err;
    snprintf(u.info, sizeof(u.info), "%s", cluster_conninfo());
    if (!CHECK_INT(ckpt_store_pg_open(&u.pg, &desc, &err), CKPT_OK) ||
        !CHECK_INT(ckpt_init(&u.ctx, &(ckpt_desc){
            .store = &u.pg.base, .throttle_ms = CKPT_OFF }), CKPT_OK) ||
        !CHECK(cluster_empty())) {
        return false;
    }
    bool made = begin(&u.held, "held", false) && begin(&run, "kept", false) &&
        CHECK_INT(ckpt_finish(&run, CKPT_FAILED, &keep), CKPT_OK) &&
        begin(&run, "once", true) &&
        CHECK_INT(ckpt_finish(&run, CKPT_COMPLETED, NULL), CKPT_OK) &&
        begin(&run, ODD, false) &&
        CHECK_INT(ckpt_finish(&run, CKPT_INTERRUPTED, NULL), CKPT_OK) &&
        begin(&run, "bad", false);
    ckpt_abandon(&run);
    return made && CHECK(cluster_sql("UPDATE ckpt_run SET gen = '', prev = '' "
                                     "WHERE id = 'bad'"));
}

// The owner of the live run did not notice anything.
static void done(void)
{
    const ckpt_save_desc save = { .turn = 3 };
    CHECK_INT(ckpt_save(&u.held, &save), CKPT_OK);
    CHECK_INT(ckpt_finish(&u.held, CKPT_COMPLETED, NULL), CKPT_OK);
    ckpt_store_pg_close(&u.pg);
}

// Runs the command on a store, with arguments up to a NULL. Returns its exit
// code.
static int tool_on(const char *store, ...)
{
    const char *argv[16] = { PG_TOOL, "-C", store };
    int argc = 3, fd[2], status = -1;
    va_list more;
    va_start(more, store);
    while (argc < 15 && (argv[argc] = va_arg(more, const char *)) != NULL) {
        argc++;
    }
    va_end(more);
    argv[argc] = NULL;
    fflush(NULL);
    if (!CHECK(pipe(fd) == 0)) {
        return -1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 1);
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        setenv("LC_ALL", "C.UTF-8", 1);
        execv(argv[0], (char *const *)(void *)(uintptr_t)argv);
        _exit(127);
    }
    size_t n = 0;
    ssize_t got;
    close(fd[1]);
    while (n < sizeof(u.out) - 1 &&
           (got = read(fd[0], u.out + n, sizeof(u.out) - 1 - n)) > 0) {
        n += (size_t)got;
    }
    u.out[n] = '\0';
    close(fd[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define tool(...) tool_on(u.info, __VA_ARGS__, (const char *)NULL)

static bool says(const char *text)
{
    const bool does = strstr(u.out, text) != NULL;
    if (!does) {
        printf("wanted: %s\nprinted: %s\n", text, u.out);
    }
    return does;
}

// A sum over all rows.
static long long rows(void)
{
    return cluster_number(
        "SELECT sum(h)::int8 FROM (SELECT hashtext(r::text)::int8 AS h "
        "FROM ckpt_run r UNION ALL SELECT hashtext(c::text) FROM ckpt_claim c "
        "UNION ALL SELECT hashtext(g::text) FROM ckpt_gen g UNION ALL "
        "SELECT hashtext(k::text) FROM ckpt_chunk k) AS all_rows");
}

//--- Tests --------------------------------------------------------------------

static void looking_at_a_database_says_all_and_changes_nothing(void)
{
    if (!ready()) {
        return;
    }
    const long long before = rows();
    CHECK_INT(tool("ls", "-q"), 0);
    CHECK_STR(u.out, "bad\nkept\n" ODD_SHOWN "\nheld\nonce\n");
    CHECK_INT(tool("ls"), 0);
    CHECK(says("5 runs: 1 damaged, 1 failed, 1 interrupted, 1 live, 1 done"));
    CHECK_INT(tool("ls", "-q", "-s", "failed,done"), 0);
    CHECK_STR(u.out, "kept\nonce\n");
    CHECK_INT(tool("ls", "-s", "stalled"), 3);
    CHECK_INT(tool("ls", "--fail-if", "damaged"), 5);
    CHECK_INT(tool("why", "kept"), 0);
    CHECK(says("kept failed in turn 2, and is kept (no quota)"));
    CHECK_INT(tool("why", "held"), 0);
    CHECK(says("held is live in turn 2"));
    CHECK_INT(tool("why", "bad"), 0);
    CHECK(says("bad is damaged"));
    CHECK_INT(tool("show", ODD_SHOWN), 0);
    CHECK(says("was interrupted in turn 2"));
    CHECK_INT(tool("show", "held", "--messages"), 0);
    CHECK_STR(u.out, "[{\"said\":\"hello\"}]\n");
    CHECK_INT(tool("show", "nothing"), 3);
    CHECK_INT(tool("export", "once"), 0);
    CHECK(says("{\"ckpt\":1,") && says("\"run\":\"once\""));
    CHECK_INT(tool("verify", "held", "kept", "once"), 0);
    CHECK(says("3 runs read, 0 not whole"));
    CHECK_INT(tool("verify"), 5);
    CHECK(says("5 runs read, 1 not whole, 0 not readable, 0 changing"));
    CHECK_INT(tool("metrics"), 0);
    CHECK(says("ckpt_runs{state=\"live\"} 1"));
    CHECK_INT(tool("report"), 0);
    CHECK(says("Runs in database postgres on "));
    CHECK_INT(tool("watch", "kept"), 0);
    CHECK(says("failed kept turn 2"));
    CHECK_INT(tool("prune", "--older-than", "1ms", "--idle", "--kept", "-n"),
              0);
    CHECK(says("would be removed"));
    CHECK(rows() == before);
    done();
}

// What looks works there, what changes is refused.
static void runs_on_a_standby_are_looked_at_and_left_alone(void)
{
    char info[700];
    if (!ready() || !CHECK(cluster_follow())) {
        return;
    }
    const long long before = rows();
    snprintf(info, sizeof(info), "host=%s port=%d user=ckpt dbname=postgres",
             cluster.dir, (int)CLUSTER_STANDBY);
#define far(...) tool_on(info, __VA_ARGS__, (const char *)NULL)
    CHECK_INT(far("ls", "-q"), 0);
    CHECK_STR(u.out, "bad\nkept\n" ODD_SHOWN "\nheld\nonce\n");
    CHECK_INT(far("why", "held"), 0);
    CHECK(says("held is live in turn 2"));
    CHECK_INT(far("show", "held", "--messages"), 0);
    CHECK_STR(u.out, "[{\"said\":\"hello\"}]\n");
    CHECK_INT(far("verify"), 5);
    CHECK(says("5 runs read, 1 not whole, 0 not readable, 0 changing"));
    // a command that changes something waits: the standby may take over
    for (unsigned i = 0; i < test_rounds(0, 2); i++) {
        CHECK_INT(far(i == 0 ? "rm" : "retry", "kept"), 1);
        CHECK(says("read-only"));
    }
#undef far
    CHECK(rows() == before);
    done();
}

static void what_has_ended_in_a_database_is_retried_and_removed(void)
{
    if (!ready()) {
        return;
    }
    CHECK_INT(tool("retry", "kept"), 0);
    CHECK_INT(tool("why", "kept"), 0);
    CHECK(says("kept was interrupted in turn 2"));
    CHECK_INT(tool("retry", "held"), 4);
    CHECK_INT(tool("retry", ODD_SHOWN), 1);
    CHECK(says("it is neither failed nor exhausted"));
    CHECK_INT(tool("retry", "nothing"), 3);
    CHECK_INT(tool("rm", "held"), 4);
    CHECK_INT(tool("rm", "nothing"), 3);
    CHECK_INT(tool("rm", ODD_SHOWN, "bad"), 0);
    CHECK_STR(u.out, ODD_SHOWN ": removed\nbad: removed\n");
    CHECK_INT(tool("prune", "--older-than", "1ms", "--kept"), 0);
    CHECK(says("1 run removed"));
    CHECK_INT(tool("ls", "-q"), 0);
    CHECK_STR(u.out, "kept\nheld\n");
    CHECK_INT(tool("sweep"), 0);
    CHECK(says("0 leftovers removed"));
    CHECK_INT(tool("rm", "kept"), 0);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), 1);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_claim"), 1);
    done();
}

// Every way to say which database, and with no more than the right to read.
static void a_database_is_named_by_a_uri_or_a_list(void)
{
    char uri[700];
    if (!ready()) {
        return;
    }
    (void)cluster_sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; "
                      "GRANT SELECT ON ckpt_run, ckpt_claim, ckpt_gen, "
                      "ckpt_chunk, ckpt_gens, ckpt_schema TO reader");
    snprintf(uri, sizeof(uri), "postgresql:///postgres?host=%s&user=reader",
             cluster.dir);
    CHECK_INT(tool_on(uri, "ls", "-q", NULL), 0);
    CHECK_STR(u.out, "bad\nkept\n" ODD_SHOWN "\nheld\nonce\n");
    snprintf(uri, sizeof(uri), "postgres://reader:secret@/postgres?host=%s",
             cluster.dir);
    CHECK_INT(tool_on(uri, "why", "once", NULL), 0);
    CHECK(says("once is done since turn 2"));
    CHECK_INT(tool_on(uri, "rm", "once", NULL), 1);
    CHECK(says("not permitted") && says("the user lacks a right"));
    snprintf(uri, sizeof(uri), "host = %s user = ckpt dbname = postgres",
             cluster.dir);
    CHECK_INT(tool_on(uri, "rm", "once", NULL), 0);
    done();
}

// Each has a sentence and an exit code, and nobody is shown a password.
static void what_is_wrong_with_a_database_is_said(void)
{
    char info[700];
    if (!ready()) {
        return;
    }
    CHECK_INT(tool_on("nonsense=1 password=secret", "ls", NULL), 2);
    CHECK(says("the connection string is wrong"));
    CHECK(strstr(u.out, "secret") == NULL);
    CHECK_INT(tool_on("postgres://me:secret@%/d", "ls", NULL), 2);
    CHECK(strstr(u.out, "secret") == NULL);
    CHECK_INT(tool_on("host=/nowhere/at/all password=secret", "ls", NULL), 1);
    CHECK(says("connect: nobody answers there"));
    CHECK(says("ckpt: database on /nowhere/at/all: "));
    CHECK(strstr(u.out, "secret") == NULL);
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=template1",
             cluster.dir);
    CHECK_INT(tool_on(info, "ls", NULL), 3);
    CHECK(says("find the tables"));
    snprintf(info, sizeof(info), "host=%s user=ckpt dbname=none", cluster.dir);
    CHECK_INT(tool_on(info, "ls", "--json", NULL), 3);
    CHECK(says("\"name\":\"ERR_NOT_FOUND\""));
    snprintf(info, sizeof(info), "host=%s user=nobody_at_all dbname=postgres",
             cluster.dir);
    CHECK_INT(tool_on(info, "ls", NULL), 1);
    CHECK(says("log in: the database refuses this user"));
    CHECK(cluster_sql("INSERT INTO ckpt_schema VALUES (2)"));
    CHECK_INT(tool("ls"), 1);
    CHECK(says("they are of another version"));
    CHECK(cluster_sql("DELETE FROM ckpt_schema WHERE version = 2"));
    CHECK_INT(tool_on("./host=x", "ls", NULL), 3);      // a directory
    CHECK(says("there is no such store"));
    done();
}

//--- Moving -------------------------------------------------------------------

// Executes a line of the shell in a directory. There, runs is a store, and $DB
// is the database.
static int shell(const char *line)
{
    char all[2000];
    snprintf(all, sizeof(all), "cd '%s/moved' && "
             "ckpt() { \"$TOOL\" \"$@\"; }; %s", cluster.dir, line);
    const int status = system(all);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void prepare_shell(void)
{
    char path[500];
    char *tool_path = realpath(PG_TOOL, NULL);
    CHECK(setenv("TOOL", tool_path, 1) == 0 && setenv("DB", u.info, 1) == 0);
    free(tool_path);
    snprintf(path, sizeof(path), "%s/moved", cluster.dir);
    (void)temp_dir_remove(path);
    CHECK(mkdir(path, 0700) == 0);
    CHECK_INT(shell("mkdir -m 700 runs"), 0);
}

// A run with all that can be moved.
static bool begin_rich(ckpt_run *run, const char *id)
{
    const ckpt_run_desc desc = {
        .id = id, .once = true, .meta = { .agent_id = "clerk",
        .prompt = "say \"hello\"\n", .fingerprint = "seven" }
    };
    ckpt_save_desc save = {
        .turn = 4, .messages = ckpt_text("[{\"said\":\"hello\"}, 2]"),
        .state = ckpt_text("{\"k\" : [1]}")
    };
    ckpt_effect effect;
    bool good = CHECK_INT(ckpt_open(&u.ctx, run, &desc), CKPT_OK) &&
        CHECK_INT(ckpt_save(run, &save), CKPT_OK) &&
        CHECK_INT(ckpt_phase_end(run, "plan", ckpt_text("{\"o\":1}"), NULL),
                  CKPT_OK) &&
        CHECK_INT(ckpt_phase_end(run, "plan", ckpt_text(NULL), NULL), CKPT_OK);
    memset(&save, 0, sizeof(save));
    for (save.turn = 4; good && save.turn < 6; save.turn++) {
        good = CHECK_INT(ckpt_effect_begin(run, save.turn == 4 ? "a" : "b",
                                           &save, &effect), CKPT_OK) &&
            CHECK_INT(ckpt_effect_end(run, effect.id, ckpt_text("\"yes\"")),
                      CKPT_OK);
    }
    return good;
}

static void a_run_moves_from_a_database_to_a_directory_and_back(void)
{
    static ckpt_run run;
    const ckpt_run_desc desc = { .id = "back" };
    ckpt_effect effect;
    ckpt_checkpoint last;
    size_t n = 0;
    if (!ready() || !begin_rich(&run, "there") ||
        !CHECK_INT(ckpt_finish(&run, CKPT_INTERRUPTED, NULL), CKPT_OK)) {
        return;
    }
    prepare_shell();
    CHECK_INT(shell("ckpt -C \"$DB\" export there >1 && "
                    "ckpt -C runs import moved <1 >out && "
                    "ckpt -C runs export moved >2 && "
                    "ckpt -C \"$DB\" import back <2 >out && "
                    "ckpt -C \"$DB\" export back >3"), 0);
    // but for the two lines with sums, numbers, the id and the birth
    CHECK_INT(shell("for i in 1 2 3; do sed 1,2d $i >rest.$i; done; "
                    "[ -s rest.1 ] && cmp rest.1 rest.2 && cmp rest.1 rest.3"),
              0);
    if (CHECK_INT(ckpt_open(&u.ctx, &run, &desc), CKPT_OK)) {
        CHECK(run.resumed && run.turn == 5);
        CHECK_INT(ckpt_load(&run, &last, u.out, sizeof(u.out)), CKPT_OK);
        CHECK_INT(last.messages.len, strlen("[{\"said\":\"hello\"}, 2]"));
        CHECK(!ckpt_phase(&run, "plan") && !ckpt_phase(&run, "plan") &&
              ckpt_phase(&run, "plan"));
        const ckpt_save_desc save = { .turn = 5 };
        CHECK_INT(ckpt_effect_begin(&run, "b", &save, &effect), CKPT_OK);
        CHECK_INT(effect.state, CKPT_EFFECT_ENDED);
        CHECK_INT(ckpt_effect_result(&run, &effect, u.out, sizeof(u.out), &n),
                  CKPT_OK);
        CHECK(n == 5 && memcmp(u.out, "\"yes\"", 5) == 0);
        CHECK_INT(ckpt_finish(&run, CKPT_COMPLETED, NULL), CKPT_OK);
        CHECK_INT(ckpt_open(&u.ctx, &run, &desc), CKPT_FINISHED);
    }
    done();
}

static void what_cannot_be_moved_is_refused_and_leaves_nothing(void)
{
    static ckpt_run run;
    ckpt_effect effect;
    const ckpt_save_desc save = { .turn = 6 };
    if (!ready() || !begin_rich(&run, "there")) {
        return;
    }
    prepare_shell();
    CHECK_INT(shell("ckpt -C \"$DB\" export there >whole"), 0);
    CHECK_INT(ckpt_effect_begin(&run, "open", &save, &effect), CKPT_OK);
    CHECK_INT(shell("ckpt -C \"$DB\" export there >open"), 0);
    const long long before = cluster_number("SELECT count(*) FROM ckpt_run");
    CHECK_INT(shell("ckpt -C \"$DB\" export once >once"), 0);
    CHECK_INT(shell("for i in open once; do "
                    "ckpt -C \"$DB\" import new <$i 2>>said && exit 7; done; "
                    "grep -q 'call of that run is open' said && "
                    "grep -q 'that run has ended' said"), 0);
    CHECK_INT(shell("for cut in 0 1 20 300 -2; do "
                    "head -c $cut whole | ckpt -C \"$DB\" import new "
                    "2>>cut.said && exit 7; done; sed s/yes/yet/ whole | "
                    "ckpt -C \"$DB\" import new 2>>cut.said && exit 7; "
                    "[ \"$(grep -c 'no whole checkpoint' cut.said)\" = 6 ]"),
              0);
    CHECK_INT(shell("ckpt -C \"$DB\" import there <whole 2>said"), 1);
    CHECK_INT(cluster_number("SELECT count(*) FROM ckpt_run"), before);
    ckpt_abandon(&run);
    done();
}

#define LIST(X)                                                                \
    X(looking_at_a_database_says_all_and_changes_nothing)                      \
    X(runs_on_a_standby_are_looked_at_and_left_alone)                          \
    X(what_has_ended_in_a_database_is_retried_and_removed)                     \
    X(a_database_is_named_by_a_uri_or_a_list)                                  \
    X(what_is_wrong_with_a_database_is_said)                                   \
    X(a_run_moves_from_a_database_to_a_directory_and_back)                     \
    X(what_cannot_be_moved_is_refused_and_leaves_nothing)

TEST_SUITE(pg_tool, LIST)
