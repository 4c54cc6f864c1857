// SPDX-License-Identifier: MIT-0
/*
    savers.c -- ckpt beside what people use instead

    Each kind of saver stores the same transcript, each in the way its own
    manual advises. "durable" means for all that a save survives a power cut.
*/
#define _GNU_SOURCE

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {                              // saver_kind.way
    APPENDS = 1 << 0,               // ckpt: by .append_at
    TUNED   = 1 << 1,               // SQLite: larger pages, a longer log
    ROWS    = 1 << 2,               // one row for each message
    SHARED  = 1 << 3                // one database for all savers
};

enum { FLOOR_RING = 4 << 20, KEY_MAX = 64 };

// Each kind uses its part.
struct saver {
    const saver_kind *kind;
    saver_desc        desc;
    int               dir, fd;
    uint64_t          at;           // the next offset, or row
    ckpt_store_fs     fs;
    ckpt_ctx          ctx;
    ckpt_run          run;
    sqlite3          *db;
    sqlite3_stmt     *put;
    MDB_env          *env;
    MDB_dbi           dbi;
};

static const char state[] = "{\"phase\":\"edit\",\"cursor\":12345}";

//--- Files --------------------------------------------------------------------

static void write_all(int fd, ckpt_bytes bytes, off_t offset)
{
    const char *p = bytes.ptr;
    for (size_t done = 0; done < bytes.len; ) {
        const ssize_t n = pwrite(fd, p + done, bytes.len - done,
                                 offset + (off_t)done);
        if (n < 0 && errno != EINTR) {
            die_errno("pwrite");
        }
        done += n < 0 ? 0 : (size_t)n;
    }
}

static int open_file(const saver *s, const char *name, int flags)
{
    const int fd = openat(s->dir, name, flags | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        die_errno(name);
    }
    return fd;
}

static void sync_data(const saver *s)
{
    if (s->desc.durable && fdatasync(s->fd) != 0) {
        die_errno("fdatasync");
    }
}

// The floor writes in place over blocks that the file has already, which is
// the least that any way of saving can do.
static void floor_open(saver *s)
{
    const size_t n = s->desc.adds ? FLOOR_RING : s->desc.size;
    void *zeros = must_alloc(n);
    s->fd = open_file(s, "floor", O_CREAT);
    write_all(s->fd, (ckpt_bytes){ zeros, n }, 0);
    free(zeros);
    if (fsync(s->fd) != 0 || fsync(s->dir) != 0) {
        die_errno("fsync");
    }
}

static void floor_save(saver *s, const job *j)
{
    if (s->desc.adds) {
        const ckpt_bytes kib = { j->added.ptr, j->added.len / 1024 * 1024 };
        if (s->at + kib.len > FLOOR_RING) {
            s->at = 0;
        }
        write_all(s->fd, kib, (off_t)s->at);
        s->at += kib.len;
    } else {
        write_all(s->fd, (ckpt_bytes){ j->whole.ptr, s->desc.size }, 0);
    }
    sync_data(s);
}

static void file_close(saver *s)
{
    close(s->fd);
}

// One line for each message, at the end of a file.
static void lines_open(saver *s)
{
    s->fd = open_file(s, "lines", O_CREAT);
    write_all(s->fd, s->desc.first, 0);
    s->at = s->desc.first.len;
    if (fsync(s->fd) != 0 || fsync(s->dir) != 0) {
        die_errno("fsync");
    }
}

static void lines_save(saver *s, const job *j)
{
    write_all(s->fd, j->added, (off_t)s->at);
    s->at += j->added.len;
    sync_data(s);
}

// A new file replaces the old one.
static void rename_open(saver *s)
{
    (void)s;
}

static void rename_save(saver *s, const job *j)
{
    s->fd = open_file(s, "new", O_CREAT | O_TRUNC);
    write_all(s->fd, j->whole, 0);
    if (s->desc.durable && fsync(s->fd) != 0) {
        die_errno("fsync");
    }
    close(s->fd);
    if (renameat(s->dir, "new", s->dir, "state") != 0) {
        die_errno("rename");
    }
    if (s->desc.durable && fsync(s->dir) != 0) {
        die_errno("fsync");
    }
}

static void rename_close(saver *s)
{
    (void)s;
}

//--- ckpt ---------------------------------------------------------------------

static void ckpt_save_job(saver *s, const job *j)
{
    ckpt_save_desc save = { .turn = j->turn, .messages = j->whole,
                            .state = ckpt_text(state), .force = true };
    if (s->kind->way == APPENDS && j->added.ptr != NULL) {
        save.messages = j->added;
        save.append_at = s->run.messages;
    }
    check_code("a save", ckpt_save(&s->run, &save), &s->run.error);
}

static void ckpt_open_saver(saver *s)
{
    ckpt_error err;
    check_code("open the store", ckpt_store_fs_open(
        &s->fs, &(ckpt_store_fs_desc){
            .dir = s->desc.shared,
            .durability = s->desc.durable ? CKPT_STORE_FS_POWER
                                          : CKPT_STORE_FS_PROCESS }, &err),
        &err);
    check_code("a context", ckpt_init(&s->ctx, &(ckpt_desc){
        .store = &s->fs.base, .throttle_ms = CKPT_OFF }),
        ckpt_last_error(&s->ctx));
    check_code("a start", ckpt_start(&s->ctx, &s->run, &(ckpt_run_desc){
        .id = s->desc.id, .meta = { .agent_id = "bench" } }),
        ckpt_last_error(&s->ctx));
    for (int i = 0; i < 3; i++) {
        ckpt_save_job(s, &(job){ .whole = s->desc.first });
    }
}

static void ckpt_close_saver(saver *s)
{
    check_code("a finish", ckpt_finish(&s->run, CKPT_COMPLETED, NULL),
               &s->run.error);
    ckpt_store_fs_close(&s->fs);
}

//--- SQLite -------------------------------------------------------------------

static void sql(saver *s, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(s->db, text, NULL, NULL, &why) != SQLITE_OK) {
        die(text, why);
    }
}

static void sqlite_put(saver *s, int64_t key, ckpt_bytes value)
{
    sqlite3_bind_text(s->put, 1, s->desc.id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->put, 2, key);
    sqlite3_bind_blob64(s->put, 3, value.ptr, value.len, SQLITE_STATIC);
    if (sqlite3_step(s->put) != SQLITE_DONE) {
        die("SQLite", sqlite3_errmsg(s->db));
    }
    sqlite3_reset(s->put);
}

static void sqlite_prepare(saver *s, const char *text)
{
    if (sqlite3_prepare_v2(s->db, text, -1, &s->put, NULL) != SQLITE_OK) {
        die(text, sqlite3_errmsg(s->db));
    }
}

// Saves until the log was copied into the database once. From then on SQLite
// writes over the blocks of the log, which costs less than to make it longer.
// Lengths differ, because SQLite writes no page that stays as it is.
static void sqlite_warm_up(saver *s)
{
    const size_t page = s->kind->way & TUNED ? 32768 : 4096;
    const size_t pages = s->kind->way & TUNED ? 2000 : 1000;
    const size_t saves = 2 * pages / (s->desc.first.len / page + 2) + 3;
    sqlite_prepare(s, "INSERT INTO whole VALUES(?1,?2,?3) ON CONFLICT(run) "
                      "DO UPDATE SET turn=?2, body=?3");
    for (size_t i = 0; i < saves; i++) {
        const ckpt_bytes cut = { s->desc.first.ptr,
                                 s->desc.first.len - i % 2 };
        sqlite_put(s, 0, cut);
    }
    if (s->kind->way & ROWS) {
        sqlite3_finalize(s->put);
        sqlite_prepare(s, "INSERT INTO message VALUES(?1,?2,?3)");
    }
}

static void sqlite_open_saver(saver *s)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/db",
             s->kind->way & SHARED ? s->desc.shared : s->desc.dir);
    if (sqlite3_open(path, &s->db) != SQLITE_OK) {
        die(path, sqlite3_errmsg(s->db));
    }
    sqlite3_busy_timeout(s->db, 60000);
    if (s->kind->way & TUNED) {
        sql(s, "PRAGMA page_size=32768");
    }
    sql(s, "PRAGMA journal_mode=WAL");
    if (s->kind->way & TUNED) {
        sql(s, "PRAGMA wal_autocheckpoint=2000; PRAGMA cache_size=-65536");
    }
    sql(s, "PRAGMA synchronous=OFF");
    sql(s, "CREATE TABLE IF NOT EXISTS whole(run TEXT PRIMARY KEY, turn INT, "
           "body BLOB); CREATE TABLE IF NOT EXISTS message(run TEXT, "
           "number INT, body BLOB, PRIMARY KEY(run, number))");
    sqlite_warm_up(s);
    sql(s, s->desc.durable ? "PRAGMA synchronous=FULL"
                           : "PRAGMA synchronous=NORMAL");
}

static void sqlite_save(saver *s, const job *j)
{
    if (s->kind->way & ROWS) {
        sqlite_put(s, (int64_t)s->at++, j->added);
    } else {
        sqlite_put(s, (int64_t)j->turn, j->whole);
    }
}

static void sqlite_close(saver *s)
{
    sqlite3_finalize(s->put);
    if (sqlite3_close(s->db) != SQLITE_OK) {
        die("SQLite", "it does not close");
    }
}

//--- LMDB ---------------------------------------------------------------------

static void check_lmdb(int rc)
{
    if (rc != 0) {
        die("LMDB", mdb_strerror(rc));
    }
}

static void lmdb_put(saver *s, const char *name, ckpt_bytes value)
{
    char copy[KEY_MAX];
    const int n = snprintf(copy, sizeof(copy), "%s", name);
    MDB_val key = { (size_t)n, copy }, data = { value.len, NULL };
    MDB_txn *txn;
    check_lmdb(mdb_txn_begin(s->env, NULL, 0, &txn));
    check_lmdb(mdb_put(txn, s->dbi, &key, &data, MDB_RESERVE));
    memcpy(data.mv_data, value.ptr, value.len);
    check_lmdb(mdb_txn_commit(txn));
}

static void lmdb_open(saver *s)
{
    MDB_txn *txn;
    check_lmdb(mdb_env_create(&s->env));
    check_lmdb(mdb_env_set_mapsize(s->env, (size_t)1 << 30));
    check_lmdb(mdb_env_open(s->env, s->desc.dir,
                            s->desc.durable ? 0 : MDB_NOSYNC, 0600));
    check_lmdb(mdb_txn_begin(s->env, NULL, 0, &txn));
    check_lmdb(mdb_dbi_open(txn, NULL, 0, &s->dbi));
    check_lmdb(mdb_txn_commit(txn));
    for (int i = 0; i < 6; i++) {   // so that it has pages to use again
        lmdb_put(s, s->desc.id, s->desc.first);
    }
}

static void lmdb_save(saver *s, const job *j)
{
    char key[KEY_MAX];
    if (!(s->kind->way & ROWS)) {
        lmdb_put(s, s->desc.id, j->whole);
        return;
    }
    snprintf(key, sizeof(key), "%.32s/%012llu", s->desc.id,
             (unsigned long long)s->at++);
    lmdb_put(s, key, j->added);
}

static void lmdb_close(saver *s)
{
    mdb_env_close(s->env);
}

//--- The kinds ----------------------------------------------------------------

// The floor comes first: the others are measured against it.
const saver_kind saver_kinds[] = {
    { "floor: write in place", IN_WHOLE | IN_ADDED | IN_THREADS,
      floor_open, floor_save, file_close, 0 },
    { "JSONL append", IN_ADDED,
      lines_open, lines_save, file_close, 0 },
    { "temp + rename", IN_WHOLE | IN_ADDED | IN_THREADS,
      rename_open, rename_save, rename_close, 0 },
    { "ckpt .messages", IN_WHOLE | IN_ADDED | IN_THREADS | LEVELS,
      ckpt_open_saver, ckpt_save_job, ckpt_close_saver, 0 },
    { "ckpt .append_at", IN_ADDED | LEVELS,
      ckpt_open_saver, ckpt_save_job, ckpt_close_saver, APPENDS },
    { "SQLite upsert", IN_WHOLE | IN_ADDED,
      sqlite_open_saver, sqlite_save, sqlite_close, 0 },
    { "SQLite upsert, tuned", IN_WHOLE | IN_ADDED,
      sqlite_open_saver, sqlite_save, sqlite_close, TUNED },
    { "SQLite row a message", IN_ADDED,
      sqlite_open_saver, sqlite_save, sqlite_close, ROWS },
    { "SQLite, one database", IN_THREADS,
      sqlite_open_saver, sqlite_save, sqlite_close, SHARED },
    { "SQLite, a database each", IN_THREADS,
      sqlite_open_saver, sqlite_save, sqlite_close, 0 },
    { "LMDB", IN_WHOLE | IN_ADDED,
      lmdb_open, lmdb_save, lmdb_close, 0 },
    { "LMDB row a message", IN_ADDED,
      lmdb_open, lmdb_save, lmdb_close, ROWS }
};

const size_t saver_kinds_count = sizeof(saver_kinds) / sizeof(saver_kinds[0]);

saver *saver_open(const saver_kind *kind, const saver_desc *desc)
{
    saver *s = must_alloc(sizeof(*s));
    s->kind = kind;
    s->desc = *desc;
    s->dir = open(desc->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) {
        die_errno(desc->dir);
    }
    kind->open(s);
    return s;
}

void saver_save(saver *s, const job *j)
{
    s->kind->save(s, j);
}

void saver_close(saver *s)
{
    s->kind->close(s);
    close(s->dir);
    free(s);
}
