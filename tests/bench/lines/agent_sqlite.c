// SPDX-License-Identifier: MIT-0
// agent_sqlite.c -- the agent of agent.h, with a checkpoint in SQLite
//
// One table has the transcript and whether the work is finished, the other one
// the calls: one without a result was begun. What stands between "checkpoint"
// and "end" is there for the checkpoint alone; run.sh counts it.

// checkpoint
#include <sqlite3.h>
// end
#include "agent.h"

// checkpoint
static sqlite3 *db;

static int fail(void)
{
    return agent_fail(sqlite3_errmsg(db));
}

// Runs statements without arguments.
static bool sql(const char *statements)
{
    return sqlite3_exec(db, statements, NULL, NULL, NULL) == SQLITE_OK;
}

// Runs one statement, whose ?1 is text. The first column of its row goes to
// out. Returns the length of that, 0 without a row, or -1 after an error.
static int query(const char *statement, const char *text, char *out, size_t cap)
{
    int           n = 0;
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, statement, -1, &s, NULL) != SQLITE_OK) return -1;
    if (sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        n = snprintf(out, cap, "%s", (const char *)sqlite3_column_text(s, 0));
    }
    return sqlite3_finalize(s) == SQLITE_OK && (!n || n < (int)cap) ? n : -1;
}

// In one transaction: the transcript, and what becomes of the call.
static bool save(const agent *a, const char *statement)
{
    return sql("BEGIN") && query(statement, a->call, NULL, 0) == 0 &&
           query("UPDATE state SET json = ?1", a->json, NULL, 0) == 0 &&
           sql("COMMIT");
}
// end

int main(void)
{
    static agent a;
    agent_begin(&a);
    // checkpoint
    static char json[AGENT_MAX];
    if (sqlite3_open("agent.db", &db) != SQLITE_OK ||
        !sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
             "CREATE TABLE IF NOT EXISTS state"
             " (id TEXT PRIMARY KEY, json TEXT NOT NULL, finished INT);"
             "CREATE TABLE IF NOT EXISTS calls (id TEXT PRIMARY KEY, done INT);"
             "INSERT OR IGNORE INTO state VALUES ('pay', '[]', 0)")) {
        return fail();
    }
    int n = query("SELECT json FROM state WHERE id = ?1", "pay", json,
                  sizeof(json));
    if (n <= 0) return fail();
    agent_restore(&a, json, (size_t)n);
    n = query("SELECT 1 FROM state WHERE id = ?1 AND finished", "pay", json,
              sizeof(json));
    if (n != 0) return n < 0 ? fail() : 0;
    // end
    while (agent_next(&a)) {
        // checkpoint
        n = query("SELECT 1 FROM calls WHERE id = ?1", a.call, json,
                  sizeof(json));
        if (n == 0 && !save(&a, "INSERT INTO calls VALUES (?1, 0)")) n = -1;
        if (n < 0) return fail();
        if (n == 0 || !find_payment(&a)) {
            // end
            pay(&a);
            // checkpoint
        }
        // end
        agent_answer(&a);
        // checkpoint
        if (!save(&a, "UPDATE calls SET done = 1 WHERE id = ?1")) return fail();
        // end
    }
    agent_report(&a);
    // checkpoint
    if (!stop && !sql("UPDATE state SET finished = 1")) return fail();
    if (sqlite3_close(db) != SQLITE_OK) return fail();
    // end
    return agent_end();
}
