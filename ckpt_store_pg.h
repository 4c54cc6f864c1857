/*
    ckpt_store_pg.h -- a store of ckpt.h in PostgreSQL                 v0.1.0

    Do this in *one* C or C++ file, before anything else is included in it:

        #define CKPT_STORE_PG_IMPLEMENTATION
        #include "ckpt_store_pg.h"          // includes ckpt.h

    and link with libpq, and with ckpt.h implemented in this file or another.

    This file keeps the checkpoints of ckpt.h in tables of a database, for runs
    that more than one machine may resume. Open a store, give &pg.base to
    ckpt_init(), and close the store when no run of it is open any more:

        static ckpt_store_pg pg;
        ckpt_store_pg_desc   desc = { .conninfo = "dbname=agents" };
        ckpt_code            rc = ckpt_store_pg_open(&pg, &desc, NULL);

    The store needs POSIX.1-2008 and libpq, and was tested with PostgreSQL 15,
    17 and 18. While it opens, the search_path says where its tables are; after
    that, statements name their schema. The store keeps no state in a session,
    so that it works through a pooler that gives each transaction another
    session. CockroachDB and YugabyteDB speak the protocol; they were not
    tested.

    IN THE DATABASE
    ===============
    ckpt_store_pg_schema() returns the statements that make these tables:

        ckpt_run    one row for each run: its id, the highest epoch, the beat
                    of that epoch's owner, a version that every change of the
                    run counts up, and the last two generations of the epoch.
                    That of a generation is its seq, where its bytes are
                    (layout), and the bytes that most saves change
        ckpt_claim  one row for each claim: who made it, and whether the owner
                    has let go
        ckpt_gen    one row for each generation of a lower epoch
        ckpt_chunk  the other bytes: streams, to which saves append. Generations
                    share chunks, so a save sends only what is new
        ckpt_gens   a view of all generations

    A save is one statement and one flush. It succeeds only while the owner's
    epoch is the highest and the version is the one that the owner saw last: so
    a late owner cannot write, and a save that is sent twice stands once. Before
    the first save of a run, another statement makes its row, with epoch 0: that
    is no run yet. The save then fills that very row, so that it is done once,
    and not at all after the run has gone: a number is never given again. Where
    no save follows, ckpt_sweep() removes the row.

    CAVEATS
    =======
      - CKPT_OK means durable as far as the database keeps its word. A server
        with fsync=off, or a replica that is promoted without the last commits
        (asynchronous replication), forgets acknowledged saves. Fix: do not
        promote such a replica, or set synchronous_commit and
        synchronous_standby_names. Where the wait for a standby is cancelled,
        the save, or the removal, is CKPT_ERR_NOT_DURABLE.
      - Beats are committed asynchronously. A crash of the server may take the
        last second of them back.
      - A claimant recognizes a dead owner by the age of its beat, on the
        server's clock. A slow owner can be taken for dead. It then gets
        CKPT_ERR_CLAIM_LOST; work is done twice, but nothing saved is lost.
        Fix: raise .lease_ms.
      - While owners do not reach the database, they cannot beat. Of the time
        in which the server was down, the store knows. A network that failed,
        or a standby that took over late, looks to it as if those owners were
        dead. Fix: raise .lease_ms above the time that an outage or a failover
        takes.
      - Behind a pooler, what another client SETs may stay in a session. A
        search_path leads a store that opens there to other tables, and
        .create makes them there. synchronous_commit = off makes saves that
        a crash of the server takes back. Fix: let every client use SET LOCAL,
        or the pooler reset its sessions (server_reset_query_always).
      - The library looks up the name of a host without a time-out. Fix: name
        the host by its address.
      - The store allocates memory, and so does libpq.

    LICENSE
    =======
    SPDX-License-Identifier: MIT-0, see the end of ckpt.h.
*/
#if defined(CKPT_IMPLEMENTATION) && !defined(CKPT_STORE_PG_IMPLEMENTATION)
    #define CKPT_STORE_PG_IMPLEMENTATION
#endif

#ifdef CKPT_STORE_PG_IMPLEMENTATION
    #if defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE) && \
        !defined(_GNU_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
        #define _POSIX_C_SOURCE 200809L
    #endif
#endif

#include "ckpt.h"

#ifndef CKPT_STORE_PG_H
#define CKPT_STORE_PG_H

#ifdef __cplusplus
extern "C" {
#endif

// Options of a store. Only .conninfo is required. The store copies it, and
// reads the desc only while it opens.
typedef struct ckpt_store_pg_desc {
    const char *conninfo;       // as libpq takes it: "host=... dbname=..." or
                                // "postgresql://..."; of several hosts, the
                                // next one is tried when one is too slow (see
                                // connect_timeout) or only reads
    bool        create;         // make the tables, if there are none
    int32_t     timeout_ms;     // of each call, with every attempt that it
                                // makes; default: 10000
    uint64_t    size_max;       // the largest checkpoint that the store takes;
                                // default: any
} ckpt_store_pg_desc;

// A store in a database. The caller owns it and must not move it while it is
// open. An open store holds one connection. Any number of contexts and runs may
// use one store, one thread at a time: each thread opens a store of its own.
typedef struct ckpt_store_pg {
    ckpt_store base;                    // pass &pg.base to ckpt_init
    struct {
        ckpt_store_methods methods;
        struct pg_conn    *conn;        // NULL: none at the moment
        char              *conninfo;    // NULL: closed
        int64_t            pid;         // of the process that connected
        int32_t            timeout_ms;
        uint32_t           host, hosts; // the one to connect to; how many
        bool               local;       // no standby has what a call did
        int64_t            seed_pid;    // of the process that got the seed
        uint64_t           nonces;      // that were given so far
        char               seed[20];    // that no other store has
        char               schema[260]; // of the tables, quoted, with a dot
        char               message[256];
    } priv;                             // not part of the API
} ckpt_store_pg;

// Connects to the database, and looks at the tables. *err says more about a
// failure; err may be NULL. After a failure pg is closed, but for its message.
//
// Returns
//   CKPT_OK             the store is open until ckpt_store_pg_close()
//   CKPT_ERR_ARGUMENT   .conninfo is missing or cannot be parsed, or
//                       .timeout_ms is negative
//   CKPT_ERR_NOT_FOUND  there is no database of that name, or it has no tables
//                       and .create was not set
//   CKPT_ERR_ACCESS     the database refuses this user, or the user may not
//                       read or make the tables
//   CKPT_ERR_FORMAT     the tables are of another version of the store
//   CKPT_ERR_RESOURCE   there is no memory, or the server has too many clients
//   CKPT_ERR_NO_SPACE   the server's disk is full
//   CKPT_ERR_IO         nobody answers there, or not in time; err->sys is then
//                       ETIMEDOUT
CKPT_API CKPT_CHECKED ckpt_code ckpt_store_pg_open(
    ckpt_store_pg *pg, const ckpt_store_pg_desc *desc, ckpt_error *err);

// Closes a store. Finish or abandon its runs before; no context may use the
// store afterwards. A store that is closed, or whose opening failed, may be
// closed again.
CKPT_API void ckpt_store_pg_close(ckpt_store_pg *pg);

// Returns what the server or libpq said about the last failure, for people.
// Never NULL; valid until the next call of the store.
CKPT_API const char *ckpt_store_pg_message(const ckpt_store_pg *pg);

// Returns the statements that make the tables, for a database that may only be
// changed by others.
CKPT_API const char *ckpt_store_pg_schema(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CKPT_STORE_PG_H */

//--- Implementation -----------------------------------------------------------

#ifdef CKPT_STORE_PG_IMPLEMENTATION
#ifndef CKPT_STORE_PG_IMPLEMENTATION_DONE
#define CKPT_STORE_PG_IMPLEMENTATION_DONE

// ROOMS, from the ground up. A room uses only rooms above its own line. The
// rooms with a bar stand side by side: none uses another. The rules R1 to R13
// stand in ckpt.h, at the door of its implementation.
//
//   The tables           the schema
//   Bytes                buffers that grow, numbers, sums
//   Calls                libpq: connecting, sending, waiting, trying again
//   Layouts              where the bytes of a generation are
//   Places               what a place holds; which generations stand
//   Looking and reading  what a place sees
//   Claims               | use places
//   Arrays and ranges    |
//   Putting              | use looking and reading: a range is read, in part
//   Publishing           | uses putting, too: what was put is written anew
//   Removing             | uses arrays and ranges
//   The store            the table of methods, listing, opening and closing

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef CLOCK_MONOTONIC
    #error "include ckpt_store_pg.h (with CKPT_STORE_PG_IMPLEMENTATION) first \
in the file, or define _POSIX_C_SOURCE=200809L"
#endif

// Makes the function return the code of a call, unless that is CKPT_OK.
#define CKPT__PG_TRY(call)                                                     \
    do {                                                                       \
        const ckpt_code ckpt__pg_tried = (call);                               \
        if (ckpt__pg_tried != CKPT_OK) {                                       \
            return ckpt__pg_tried;                                             \
        }                                                                      \
    } while (0)

//--- The tables ---------------------------------------------------------------

// The time of the server in ms since 1970. Here and below, each function and
// operator is called with the very types that PostgreSQL has it for, or by the
// name of its schema: else one of another schema might fit better, which
// somebody put there.
#define CKPT__PG_MS(time) "(extract(epoch FROM " time ")*1000::numeric)::int8"

// A foreign key would cost each save a lock on another row, so there is none:
// every statement that removes a run removes its rows in all tables. The pages
// of the runs are left half empty, and nothing is moved out of their rows, so
// that a save need not touch an index.
#define CKPT__PG_TABLE "CREATE TABLE IF NOT EXISTS "
static const char ckpt__pg_tables[] =
    CKPT__PG_TABLE "ckpt_run (run bigint GENERATED ALWAYS AS IDENTITY"
    " PRIMARY KEY, id bytea NOT NULL UNIQUE, epoch bigint NOT NULL,"
    " version bigint NOT NULL, acked bigint NOT NULL,"
    " beat_at timestamptz NOT NULL,\n"
    " token bigint NOT NULL, gen bytea NOT NULL,"
    " prev_token bigint NOT NULL, prev bytea NOT NULL)"
    " WITH (fillfactor=50, toast_tuple_target=8160);\n"
    CKPT__PG_TABLE "ckpt_claim (run bigint, epoch bigint,"
    " nonce bytea NOT NULL, owner bytea NOT NULL, state bigint NOT NULL,"
    " acked bigint NOT NULL, beat_at timestamptz NOT NULL,"
    " PRIMARY KEY (run, epoch));\n"
    CKPT__PG_TABLE "ckpt_gen (run bigint, token bigint,"
    " epoch bigint NOT NULL, gen bytea NOT NULL, PRIMARY KEY (run, token));\n"
    CKPT__PG_TABLE "ckpt_chunk (run bigint, stream bigint, at bigint,"
    " bytes bytea NOT NULL, PRIMARY KEY (run, stream, at));\n"
    "CREATE OR REPLACE VIEW ckpt_gens (run, token, epoch, gen)"
    " AS SELECT run, token, epoch, gen FROM ckpt_run"
    " WHERE token <> 0 UNION ALL"
    " SELECT run, prev_token, epoch, prev FROM ckpt_run"
    " WHERE prev_token <> 0 UNION ALL"
    " SELECT run, token, epoch, gen FROM ckpt_gen;\n"
    CKPT__PG_TABLE "ckpt_schema (version bigint PRIMARY KEY);\n"
    "INSERT INTO ckpt_schema VALUES (1) ON CONFLICT DO NOTHING;\n";

CKPT_API const char *ckpt_store_pg_schema(void)
{
    return ckpt__pg_tables;
}

//--- Bytes --------------------------------------------------------------------

// Bytes that grow. Once memory is short, failed stays set and the bytes are not
// to be used.
typedef struct ckpt__pg_buf {
    char  *at;
    size_t n, cap;
    bool   failed;
} ckpt__pg_buf;

static void ckpt__pg_free(ckpt__pg_buf *b)
{
    free(b->at);
    memset(b, 0, sizeof(*b));
}

// Makes room for n more bytes, and returns where they go, or NULL.
static char *ckpt__pg_room(ckpt__pg_buf *b, size_t n)
{
    if (b->cap - b->n < n && !b->failed) {
        const size_t cap = (b->n + n) * 2;
        char *at = (char *)realloc(b->at, cap);
        b->failed = at == NULL;
        b->at = at != NULL ? at : b->at;
        b->cap = at != NULL ? cap : b->cap;
    }
    if (b->failed) return NULL;
    b->n += n;
    return b->at + (b->n - n);
}

static void ckpt__pg_add(ckpt__pg_buf *b, const void *bytes, size_t n)
{
    char *to = n > 0 ? ckpt__pg_room(b, n) : NULL;
    if (to != NULL) {
        memcpy(to, bytes, n);
    }
}

// Writes a number of size bytes, the highest first, as the protocol has it.
static void ckpt__pg_write(char *to, uint64_t value, unsigned size)
{
    for (; size > 0; value >>= 8) {
        to[--size] = (char)(unsigned char)(value & 255);
    }
}

static void ckpt__pg_add_int(ckpt__pg_buf *b, uint64_t value, unsigned size)
{
    char bytes[8];
    ckpt__pg_write(bytes, value, size);
    ckpt__pg_add(b, bytes, size);
}

static uint64_t ckpt__pg_int(const char *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)bytes[i];
    }
    return value;
}

// The product of two polynomials modulo that of CRC-32C. Bit 31 is x^0.
static uint32_t ckpt__pg_crc_mul(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
        product ^= a & bit ? b : 0;
        b = (b >> 1) ^ (b & 1 ? 0x82f63b78U : 0);
    }
    return product;
}

// The CRC of A followed by B, from their CRCs and the length of B.
static uint32_t ckpt__pg_crc_join(uint32_t a, uint32_t b, uint64_t n)
{
    uint32_t power = 1U << 31, square = 1U << 23;       // x^0, x^8
    for (; n != 0; n >>= 1) {
        power = n & 1 ? ckpt__pg_crc_mul(power, square) : power;
        square = ckpt__pg_crc_mul(square, square);
    }
    return ckpt__pg_crc_mul(power, a) ^ b;
}

//--- Calls --------------------------------------------------------------------

enum { CKPT__PG_ARGS_MAX = 16 };

// What became of one attempt to execute a statement.
typedef enum ckpt__pg_fate {
    CKPT__PG_DONE,
    CKPT__PG_FAILED,        // the server refused it: call->rc
    CKPT__PG_AGAIN,         // the server rolled it back, or was not reached:
                            // call->rc, unless another attempt succeeds
    CKPT__PG_LOST           // the same, but the statement may have been done
} ckpt__pg_fate;

// A statement with its arguments, and what came of it.
typedef struct ckpt__pg_call {
    ckpt_store_pg *pg;
    ckpt_error    *err;
    const char    *op;
    int64_t        until_ms;        // on the monotonic clock
    bool           once;            // does not try again
    bool           lost;            // an attempt was lost: it may have been
                                    // done
    ckpt_code      rc;
    PGresult      *res;
    int            n;
    Oid            types[CKPT__PG_ARGS_MAX];
    const char    *values[CKPT__PG_ARGS_MAX];
    int            lengths[CKPT__PG_ARGS_MAX];
    char           ints[CKPT__PG_ARGS_MAX][8];
} ckpt__pg_call;

// Types of arguments, as the protocol numbers them.
enum {
    CKPT__PG_BYTEA = 17, CKPT__PG_INT8 = 20, CKPT__PG_BYTEAS = 1001,
    CKPT__PG_INT8S = 1016
};

static int64_t ckpt__pg_clock_ms(clockid_t clock)
{
    struct timespec ts = { 0, 0 };
    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void ckpt__pg_begin(ckpt__pg_call *call, ckpt_store_pg *pg,
                           ckpt_error *err, const char *op)
{
    memset(call, 0, sizeof(*call));
    call->pg = pg;
    call->err = err;
    call->op = op;
    pg->priv.local = false;
    call->until_ms = ckpt__pg_clock_ms(CLOCK_MONOTONIC) + pg->priv.timeout_ms;
}

// Takes the arguments and the result away. Time and err go on.
static void ckpt__pg_reset(ckpt__pg_call *call)
{
    PQclear(call->res);
    call->res = NULL;
    call->n = 0;
    call->lost = false;
}

static void ckpt__pg_arg(ckpt__pg_call *call, Oid type, const void *bytes,
                         size_t n)
{
    call->types[call->n] = type;
    call->values[call->n] = bytes != NULL ? (const char *)bytes : "";
    call->lengths[call->n++] = (int)n;
}

static void ckpt__pg_arg_int(ckpt__pg_call *call, uint64_t value)
{
    ckpt__pg_write(call->ints[call->n], value, 8);
    ckpt__pg_arg(call, CKPT__PG_INT8, call->ints[call->n], 8);
}

static int ckpt__pg_rows(const ckpt__pg_call *call)
{
    return PQntuples(call->res);
}

// A number of a row of the result; 0 for NULL.
static uint64_t ckpt__pg_col(const ckpt__pg_call *call, int row, int column)
{
    if (PQgetlength(call->res, row, column) != 8) return 0;
    return ckpt__pg_int(PQgetvalue(call->res, row, column), 8);
}

// What a SQLSTATE that begins with these characters means. The first that fits
// counts.
static const struct ckpt__pg_state {
    const char *prefix;
    ckpt_code   rc;
    const char *op;
} ckpt__pg_states[] = {
    { "28",    CKPT_ERR_ACCESS,    "log in: the database refuses this user" },
    { "3D000", CKPT_ERR_NOT_FOUND, "connect: there is no such database" },
    { "42P01", CKPT_ERR_NOT_FOUND, "find the tables: .create makes them" },
    { "3F000", CKPT_ERR_NOT_FOUND, "find the tables: there is no schema" },
    { "42703", CKPT_ERR_FORMAT,    "use the tables: they are of another kind" },
    { "42501", CKPT_ERR_ACCESS,    "use the tables: the user lacks a right" },
    { "25006", CKPT_ERR_ACCESS,    "write: the database is read-only" },
    { "53100", CKPT_ERR_NO_SPACE,  "write: the server's disk is full" },
    { "53300", CKPT_ERR_RESOURCE,  "connect: the server has too many clients" },
    { "53",    CKPT_ERR_RESOURCE,  "execute: the server is short of memory" },
    { "54",    CKPT_ERR_TOO_LARGE, "write: a limit of the server is reached" },
    { "55P03", CKPT_ERR_BUSY,      "execute: a row is locked" },
    { "57014", CKPT_ERR_IO,        "execute: the statement was cancelled" }
};

// Judges a SQLSTATE, or "" when there is none. CKPT_ERR_NOT_FOUND is for a
// store that opens: of a store that is open, the code would say that there is
// no such run, and the core would begin a new one.
static ckpt__pg_fate ckpt__pg_judge(ckpt__pg_call *call, const char *state,
                                    bool sent)
{
    const size_t count = sizeof(ckpt__pg_states) / sizeof(ckpt__pg_states[0]);
    call->rc = CKPT_ERR_IO;
    call->err->op = call->op;
    for (size_t i = 0; i < count; i++) {
        const struct ckpt__pg_state *s = &ckpt__pg_states[i];
        if (strncmp(state, s->prefix, strlen(s->prefix)) == 0) {
            call->rc = s->rc;
            call->err->op = s->op;
            if (s->rc == CKPT_ERR_NOT_FOUND &&
                call->pg->priv.schema[0] != '\0') {
                call->rc = CKPT_ERR_IO;
                call->err->op = "find the tables: they were there before";
            }
            // A server that is short of connections has more of them soon, and
            // after a failover another server takes the writes.
            return strcmp(s->prefix, "53300") == 0 ||
                   strcmp(s->prefix, "25006") == 0 ? CKPT__PG_AGAIN
                                                   : CKPT__PG_FAILED;
        }
    }
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0) {
        return CKPT__PG_AGAIN;
    }
    // No state: the connection broke. 08: it broke somewhere else. 57P: the
    // server stops, or does not work yet. 40003: the server does not know.
    if (state[0] == '\0' || strncmp(state, "08", 2) == 0 ||
        strncmp(state, "57P", 3) == 0 || strcmp(state, "40003") == 0) {
        return sent ? CKPT__PG_LOST : CKPT__PG_AGAIN;
    }
    return CKPT__PG_FAILED;
}

// Keeps what was said for people.
static void ckpt__pg_keep_message(ckpt_store_pg *pg, const char *text)
{
    (void)snprintf(pg->priv.message, sizeof(pg->priv.message), "%s",
                   text != NULL ? text : "");
}

// Ends the connection. A child of fork() only closes its copy of the socket: it
// must not say good-bye for its parent.
static void ckpt__pg_hang_up(ckpt_store_pg *pg)
{
    if (pg->priv.conn != NULL && pg->priv.pid == (int64_t)getpid()) {
        PQfinish(pg->priv.conn);
    } else if (pg->priv.conn != NULL) {
        (void)close(PQsocket(pg->priv.conn));
    }
    pg->priv.conn = NULL;
}

// Waits until the socket is ready. False: the time is over.
static bool ckpt__pg_wait(const ckpt__pg_call *call, short events)
{
    struct pollfd fd = { PQsocket(call->pg->priv.conn), events, 0 };
    for (;;) {
        const int64_t left = call->until_ms -
                             ckpt__pg_clock_ms(CLOCK_MONOTONIC);
        if (left <= 0) {
            call->err->sys = ETIMEDOUT;
            return false;
        }
        const int r = poll(&fd, 1, (int)left);
        if (r > 0 || (r < 0 && errno != EINTR)) return true;
    }
}

// Finds the SQLSTATE in a verbose message: "FATAL:  28P01: ...". libpq has no
// other way to ask for that of a connection that failed.
static void ckpt__pg_find_state(const char *text, char state[6])
{
    static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    state[0] = '\0';
    for (; (text = strstr(text, ":  ")) != NULL; text += 3) {
        if (strspn(text + 3, set) == 5 && text[8] == ':') {
            memcpy(state, text + 3, 5);
            state[5] = '\0';
            return;
        }
    }
}

// Takes a notice of the server. One that comes from the wait for a standby says
// that the wait was cancelled: the statement was done on this server alone. Its
// text is of any language, and its SQLSTATE is that of any warning.
static void ckpt__pg_notice(void *arg, const PGresult *res)
{
    const char *from = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    if (from != NULL && strcmp(from, "SyncRepWaitForLSN") == 0) {
        ((ckpt_store_pg *)arg)->priv.local = true;
    }
}

// Starts to connect to one of the hosts that the conninfo names, and finds out
// how many there are and how long each may take. libpq goes on to another host
// only when one refuses: it leaves connect_timeout to its caller here.
static PGconn *ckpt__pg_start(ckpt_store_pg *pg, int64_t *most_ms)
{
    const char *keys[5] = { "dbname" }, *values[5] = { pg->priv.conninfo };
    size_t n = 1;
    PQconninfoOption *options = PQconninfoParse(pg->priv.conninfo, NULL);
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        char *at = o->val;
        uint32_t count = 1;
        if (at != NULL && strcmp(o->keyword, "connect_timeout") == 0) {
            *most_ms = (int64_t)strtol(at, NULL, 10) * 1000;
        }
        const bool named = at != NULL && (strcmp(o->keyword, "host") == 0 ||
                                          strcmp(o->keyword, "hostaddr") == 0 ||
                                          strcmp(o->keyword, "port") == 0);
        if (!named) continue;
        for (const char *c = at; *c != '\0'; c++) {
            count += *c == ',';
        }
        for (uint32_t k = pg->priv.host % count; k > 0; k--) {
            at = strchr(at, ',') + 1;
        }
        at[strcspn(at, ",")] = '\0';
        keys[n] = o->keyword;
        values[n++] = at;
        pg->priv.hosts = count > pg->priv.hosts ? count : pg->priv.hosts;
    }
    PGconn *conn = PQconnectStartParams(keys, values, 1);
    PQconninfoFree(options);
    return conn;
}

// Connects, unless there is a connection that works. Those hosts that were not
// tried yet share the time.
static ckpt__pg_fate ckpt__pg_connect(ckpt__pg_call *call, uint32_t tried)
{
    ckpt_store_pg *pg = call->pg;
    const int64_t until = call->until_ms;
    int64_t most = 0;
    char state[6];
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    if (pg->priv.pid != (int64_t)getpid() ||
        (pg->priv.conn != NULL && PQstatus(pg->priv.conn) == CONNECTION_BAD)) {
        ckpt__pg_hang_up(pg);
    }
    if (pg->priv.conn != NULL) return CKPT__PG_DONE;
    pg->priv.pid = (int64_t)getpid();
    pg->priv.conn = ckpt__pg_start(pg, &most);
    if (pg->priv.conn == NULL) {
        call->rc = CKPT_ERR_RESOURCE;
        return CKPT__PG_FAILED;
    }
    (void)PQsetErrorVerbosity(pg->priv.conn, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(pg->priv.conn, ckpt__pg_notice, pg);
    const int64_t now = ckpt__pg_clock_ms(CLOCK_MONOTONIC);
    const int64_t share = (until - now) / (pg->priv.hosts - tried);
    call->until_ms = now + (most > 0 && most < share ? most : share);
    call->err->sys = 0;
    bool in_time = true;
    while (PQstatus(pg->priv.conn) != CONNECTION_BAD && in_time &&
           status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        in_time = ckpt__pg_wait(call, status == PGRES_POLLING_READING ?
                                      POLLIN : POLLOUT);
        status = in_time ? PQconnectPoll(pg->priv.conn) : status;
    }
    call->until_ms = until;
    if (status == PGRES_POLLING_OK &&
        PQsetnonblocking(pg->priv.conn, 1) == 0) {
        return CKPT__PG_DONE;
    }
    ckpt__pg_keep_message(pg, PQerrorMessage(pg->priv.conn));
    ckpt__pg_find_state(PQerrorMessage(pg->priv.conn), state);
    ckpt__pg_hang_up(pg);
    pg->priv.host++;
    const ckpt__pg_fate fate = ckpt__pg_judge(call, state, false);
    if (call->err->op == call->op) {
        call->err->op = in_time ? "connect: nobody answers there"
                                : "connect: the database is too slow";
    }
    return fate;
}

// Sends what libpq has not sent yet, and waits for an answer.
static bool ckpt__pg_await(ckpt__pg_call *call)
{
    PGconn *conn = call->pg->priv.conn;
    int flushed = PQflush(conn);
    while (flushed > 0) {
        if (!ckpt__pg_wait(call, POLLIN | POLLOUT) ||
            PQconsumeInput(conn) == 0) {
            return false;
        }
        flushed = PQflush(conn);
    }
    if (flushed < 0) return false;
    while (PQisBusy(conn)) {
        if (!ckpt__pg_wait(call, POLLIN) || PQconsumeInput(conn) == 0) {
            return false;
        }
    }
    return true;
}

// Executes a statement once.
static ckpt__pg_fate ckpt__pg_attempt(ckpt__pg_call *call, const char *sql)
{
    static const int binary[CKPT__PG_ARGS_MAX] = {
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
    };
    ckpt__pg_fate fate = CKPT__PG_AGAIN;
    for (uint32_t i = 0; fate == CKPT__PG_AGAIN && i < call->pg->priv.hosts;
         i++) {
        fate = ckpt__pg_connect(call, i);
    }
    if (fate != CKPT__PG_DONE) return fate;
    PGconn *conn = call->pg->priv.conn;
    // Several statements at once go without arguments: those of the schema.
    const int sent = call->n > 0 ?
        PQsendQueryParams(conn, sql, call->n, call->types, call->values,
                          call->lengths, binary, 1) :
        PQsendQuery(conn, sql);
    fate = CKPT__PG_DONE;
    while (sent == 1 && fate != CKPT__PG_LOST) {
        if (!ckpt__pg_await(call)) {
            fate = CKPT__PG_LOST;
            break;
        }
        PGresult *res = PQgetResult(conn);
        if (res == NULL) return fate;
        const ExecStatusType status = PQresultStatus(res);
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
            PQclear(call->res);
            call->res = res;
            continue;
        }
        const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
        ckpt__pg_keep_message(call->pg, PQresultErrorMessage(res));
        fate = ckpt__pg_judge(call, state != NULL ? state : "", true);
        PQclear(res);
    }
    if (sent == 0 || call->pg->priv.message[0] == '\0') {
        ckpt__pg_keep_message(call->pg, PQerrorMessage(conn));
    }
    call->rc = CKPT_ERR_IO;
    call->err->op = call->op;
    ckpt__pg_hang_up(call->pg);
    return CKPT__PG_LOST;
}

// Sleeps before the next attempt, each time longer. False: little or no time is
// left. An attempt that ran out of time would make a certain failure of the one
// before it an unsure one.
static bool ckpt__pg_back_off(const ckpt__pg_call *call, unsigned attempt)
{
    const int64_t left = call->until_ms - ckpt__pg_clock_ms(CLOCK_MONOTONIC);
    const int64_t jitter = (int64_t)getpid() % 7;
    const int64_t ms = (attempt < 6 ? (int64_t)1 << attempt : 64) + jitter;
    if (left < 2 * ms) return false;
    struct timespec ts = { 0, (long)(ms * 1000000) };
    (void)nanosleep(&ts, NULL);
    return true;
}

static ckpt_code ckpt__pg_no_memory(ckpt__pg_call *call)
{
    call->err->op = "find memory";
    return CKPT_ERR_RESOURCE;
}

// Executes a statement, as often as it takes.
static ckpt_code ckpt__pg_repeat(ckpt__pg_call *call, const char *sql)
{
    call->pg->priv.message[0] = '\0';
    for (unsigned attempt = 0; ; attempt++) {
        call->err->sys = 0;
        const ckpt__pg_fate fate = ckpt__pg_attempt(call, sql);
        if (fate == CKPT__PG_DONE) {
            call->err->op = NULL;               // that of an attempt before
            return CKPT_OK;
        }
        PQclear(call->res);             // of a statement whose end was lost
        call->res = NULL;
        call->lost = call->lost || fate == CKPT__PG_LOST;
        if (fate == CKPT__PG_AGAIN && call->rc == CKPT_ERR_ACCESS) {
            ckpt__pg_hang_up(call->pg);         // on a server that only reads
            call->pg->priv.host++;
        }
        if (fate == CKPT__PG_FAILED || call->once ||
            !ckpt__pg_back_off(call, attempt)) {
            return call->rc;
        }
    }
}

// Executes a statement, with the schema before the name of each table: so the
// search_path of the session does not matter. The statement must bear to be
// done twice: after an answer that was lost, another attempt follows. On
// success call->res is the result; call->lost says that an attempt before may
// have been done.
static ckpt_code ckpt__pg_do(ckpt__pg_call *call, const char *sql)
{
    static const char prefix[] = "ckpt_";       // of tables, and nothing else
    const char *schema = call->pg->priv.schema;
    ckpt__pg_buf text;
    memset(&text, 0, sizeof(text));
    for (const char *at; (at = strstr(sql, prefix)) != NULL; ) {
        ckpt__pg_add(&text, sql, (size_t)(at - sql));
        ckpt__pg_add(&text, schema, strlen(schema));
        ckpt__pg_add(&text, prefix, sizeof(prefix) - 1);
        sql = at + sizeof(prefix) - 1;
    }
    ckpt__pg_add(&text, sql, strlen(sql) + 1);
    const ckpt_code rc = text.failed ? ckpt__pg_no_memory(call)
                                     : ckpt__pg_repeat(call, text.at);
    ckpt__pg_free(&text);
    return rc;
}

// Ends a call with a code.
static ckpt_code ckpt__pg_end(ckpt__pg_call *call, ckpt_code rc)
{
    PQclear(call->res);
    call->res = NULL;
    return rc;
}

//--- Layouts ------------------------------------------------------------------

// Where the bytes of a generation are: items, one after the other. An item is a
// range of a stream, or the next bytes of the row of the generation. A stream
// is a row of chunks that saves append to; it has a number, which no other one
// of the run ever gets.
//
// What a save adds becomes a chunk if it is large, or if it follows what is
// kept and is not small, as a message does. The rest stays in the row: each
// save sends those bytes again, until what they add up to is large. So a
// transcript is a few streams, and the layout stays short.

enum {
    CKPT__PG_LARGE     = 1024,          // bytes
    CKPT__PG_SMALL     = 256,           // bytes
    CKPT__PG_SEPARATOR = 16,            // bytes between two large pieces
    CKPT__PG_CHUNK_MAX = 256 * 1024,    // bytes
    CKPT__PG_ITEMS_MAX = 256,           // with more, all is written anew
    CKPT__PG_ITEM_SIZE = 32             // bytes of an item in a layout
};

typedef struct ckpt__pg_item {
    uint64_t stream;        // 0: bytes of the row
    uint64_t from, size;    // of the stream
    uint32_t crc;           // of a range of a stream, or of a piece
    bool     open;          // the stream ends here: a save may append to it
    bool     kept;          // of a piece: it was in the base, too
} ckpt__pg_item;

typedef struct ckpt__pg_gen {
    uint64_t     epoch, token, seq;
    ckpt__pg_buf items, bytes;
    unsigned     trust;     // saves before its chunks are counted again
} ckpt__pg_gen;

static ckpt__pg_item *ckpt__pg_items(const ckpt__pg_buf *items)
{
    return (ckpt__pg_item *)(void *)items->at;
}

static size_t ckpt__pg_count(const ckpt__pg_buf *items)
{
    return items->n / sizeof(ckpt__pg_item);
}

static ckpt__pg_item *ckpt__pg_last(const ckpt__pg_buf *items)
{
    const size_t count = ckpt__pg_count(items);
    return count > 0 ? &ckpt__pg_items(items)[count - 1] : NULL;
}

static void ckpt__pg_gen_free(ckpt__pg_gen *gen)
{
    ckpt__pg_free(&gen->items);
    ckpt__pg_free(&gen->bytes);
}

// Adds a range of a stream, or so many bytes of the row.
static void ckpt__pg_push(ckpt__pg_buf *items, const ckpt__pg_item *item)
{
    ckpt__pg_item *last = ckpt__pg_last(items);
    if (last == NULL || last->stream != item->stream ||
        (item->stream != 0 && last->from + last->size != item->from)) {
        ckpt__pg_add(items, item, sizeof(*item));
        return;
    }
    last->crc = ckpt__pg_crc_join(last->crc, item->crc, item->size);
    last->size += item->size;
    last->open = item->open;
}

// A generation as the database keeps it: seq, how many items, the items, and
// the bytes.
static void ckpt__pg_encode(const ckpt__pg_gen *gen, ckpt__pg_buf *to)
{
    const ckpt__pg_item *item = ckpt__pg_items(&gen->items);
    const size_t count = ckpt__pg_count(&gen->items);
    ckpt__pg_add_int(to, gen->seq, 8);
    ckpt__pg_add_int(to, count, 8);
    for (size_t i = 0; i < count; i++, item++) {
        ckpt__pg_add_int(to, item->stream, 8);
        ckpt__pg_add_int(to, item->from, 8);
        ckpt__pg_add_int(to, item->size, 8);
        ckpt__pg_add_int(to, item->crc, 4);
        ckpt__pg_add_int(to, item->open, 4);
    }
    ckpt__pg_add(to, gen->bytes.at, gen->bytes.n);
}

// Takes what the database has of a generation apart. False: it does not fit
// together, or there is no memory (then gen->items.failed).
static bool ckpt__pg_decode(ckpt__pg_gen *gen, const char *at, size_t n)
{
    uint64_t inlined = 0;
    if (n < 16) return false;
    const uint64_t count = ckpt__pg_int(at + 8, 8);
    gen->seq = ckpt__pg_int(at, 8);
    if (count > (n - 16) / CKPT__PG_ITEM_SIZE) return false;
    at += 16;
    for (uint64_t i = 0; i < count; i++, at += CKPT__PG_ITEM_SIZE) {
        ckpt__pg_item item;
        memset(&item, 0, sizeof(item));
        item.stream = ckpt__pg_int(at, 8);
        item.from = ckpt__pg_int(at + 8, 8);
        item.size = ckpt__pg_int(at + 16, 8);
        item.crc = (uint32_t)ckpt__pg_int(at + 24, 4);
        item.open = ckpt__pg_int(at + 28, 4) != 0;
        if (item.size > UINT32_MAX || item.from > INT64_MAX / 2) return false;
        inlined += item.stream == 0 ? item.size : 0;
        ckpt__pg_add(&gen->items, &item, sizeof(item));
    }
    n -= 16 + (size_t)count * CKPT__PG_ITEM_SIZE;
    ckpt__pg_add(&gen->bytes, at, n);
    gen->items.failed = gen->items.failed || gen->bytes.failed;
    return !gen->items.failed && inlined == n;
}

//--- Places -------------------------------------------------------------------

// What a place keeps outside of the core's memory.
typedef struct ckpt__pg_work {
    bool         known;         // the next three are as the database has them,
    uint64_t     version;       // unless somebody else claimed the run
    uint64_t     epoch;         // the highest; 0: the run was removed
    bool         mine;          // the claim is there
    uint64_t     beaten;        // the seq that a save has just beaten with
    int64_t      fresh_ms;      // until then that beat counts as new
    uint64_t     row;           // of a run that is not shown yet
    ckpt__pg_buf gens;          // of all epochs, by token
    ckpt__pg_buf pieces, put;   // what was put: ranges of streams, and bytes
    ckpt__pg_gen reading;       // token 0: none
    ckpt__pg_buf window;        // bytes of a stream that were read ahead
    uint64_t     window_stream, window_from;
} ckpt__pg_work;

typedef struct ckpt__pg_place {
    int64_t        pid;         // of the process that opened it
    uint64_t       run;         // its number; 0: it was not shown yet
    uint64_t       epoch;       // of the claim it holds, or 0
    uint64_t       trying;      // of a claim that it may hold, or 0
    ckpt__pg_work *work;
    bool           doubt;       // not shown, as far as anybody knows
    bool           removed;
    char           id[CKPT_ID_MAX + 1];
    char           nonce[CKPT_NONCE_MAX + 1];   // of the claim made last
    char           owner[160];
} ckpt__pg_place;

static ckpt_store_pg *ckpt__pg_of(ckpt_store *s)
{
    return (ckpt_store_pg *)(void *)s;
}

static ckpt__pg_gen *ckpt__pg_gens(const ckpt__pg_work *w)
{
    return (ckpt__pg_gen *)(void *)w->gens.at;
}

static size_t ckpt__pg_gen_count(const ckpt__pg_work *w)
{
    return w->gens.n / sizeof(ckpt__pg_gen);
}

// Finds a generation by its name, or, without a token, any one of the epoch.
static ckpt__pg_gen *ckpt__pg_find_gen(const ckpt__pg_work *w, uint64_t epoch,
                                       uint64_t token)
{
    ckpt__pg_gen *gen = ckpt__pg_gens(w);
    for (size_t i = 0; i < ckpt__pg_gen_count(w); i++) {
        if (gen[i].epoch == epoch && (token == 0 || gen[i].token == token)) {
            return &gen[i];
        }
    }
    return NULL;
}

static void ckpt__pg_forget(ckpt__pg_work *w)
{
    for (size_t i = 0; i < ckpt__pg_gen_count(w); i++) {
        ckpt__pg_gen_free(&ckpt__pg_gens(w)[i]);
    }
    w->gens.n = 0;
    w->known = false;
}

// What was read ahead is of no use after a change.
static void ckpt__pg_read_end(ckpt__pg_work *w)
{
    ckpt__pg_gen_free(&w->reading);
    ckpt__pg_free(&w->window);
    w->reading.token = 0;
}

static void ckpt__pg_unput(ckpt__pg_work *w)
{
    ckpt__pg_free(&w->pieces);
    ckpt__pg_free(&w->put);
}

// Begins the call of a method. Fails in a child of fork().
static ckpt_code ckpt__pg_enter(ckpt__pg_call *call, ckpt_store *s,
                                ckpt__pg_place *p, ckpt_error *err,
                                const char *op)
{
    ckpt__pg_begin(call, ckpt__pg_of(s), err, op);
    return p->pid == (int64_t)getpid() ? CKPT_OK : CKPT_ERR_FORKED;
}

// Finds out whether the first publish of a place, whose answer was lost, has
// shown the run after all: then the run has the place's claim.
static ckpt_code ckpt__pg_settle(ckpt__pg_call *call, ckpt__pg_place *p)
{
    if (!p->doubt || p->run != 0) return CKPT_OK;
    ckpt__pg_arg(call, CKPT__PG_BYTEA, p->id, strlen(p->id));
    ckpt__pg_arg_int(call, p->epoch);
    ckpt__pg_arg(call, CKPT__PG_BYTEA, p->nonce, strlen(p->nonce));
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT r.run FROM ckpt_run r JOIN ckpt_claim c ON c.run = r.run "
        "WHERE r.id = $1 AND c.epoch = $2 AND c.nonce = $3"));
    if (ckpt__pg_rows(call) > 0) {
        p->run = ckpt__pg_col(call, 0, 0);
        ckpt__pg_forget(p->work);
    }
    p->doubt = false;
    ckpt__pg_reset(call);
    return CKPT_OK;
}

// Takes the generation of a row into a list. What does not fit together has no
// items there, and so no range of it is ever kept.
static void ckpt__pg_take_gen(ckpt__pg_work *w, const ckpt__pg_call *call,
                              int row)
{
    ckpt__pg_gen gen;
    memset(&gen, 0, sizeof(gen));
    gen.epoch = ckpt__pg_col(call, row, 3);
    gen.token = ckpt__pg_col(call, row, 4);
    const bool whole = ckpt__pg_decode(
        &gen, PQgetvalue(call->res, row, 5),
        (size_t)PQgetlength(call->res, row, 5));
    w->gens.failed = w->gens.failed || gen.items.failed;
    if (!whole) {
        ckpt__pg_gen_free(&gen);
    }
    ckpt__pg_add(&w->gens, &gen, sizeof(gen));
    if (w->gens.failed) {
        ckpt__pg_gen_free(&gen);
    }
}

// Asks which generations stand, and whether the claim does.
static ckpt_code ckpt__pg_load(ckpt__pg_call *call, ckpt__pg_place *p)
{
    ckpt__pg_work *w = p->work;
    ckpt__pg_forget(w);
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, p->epoch);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT r.version, r.epoch, (SELECT count(*) FROM ckpt_claim c "
        "WHERE c.run = r.run AND c.epoch = $2)::int8, "
        "g.epoch, g.token, g.gen "
        "FROM ckpt_run r LEFT JOIN ckpt_gens g ON g.run = r.run "
        "WHERE r.run = $1 ORDER BY g.token"));
    const int rows = ckpt__pg_rows(call);
    w->version = rows > 0 ? ckpt__pg_col(call, 0, 0) : 0;
    w->epoch = rows > 0 ? ckpt__pg_col(call, 0, 1) : 0;
    w->mine = rows > 0 && ckpt__pg_col(call, 0, 2) > 0;
    for (int i = 0; i < rows && !PQgetisnull(call->res, i, 3); i++) {
        ckpt__pg_take_gen(w, call, i);
    }
    ckpt__pg_reset(call);
    if (w->gens.failed) {
        w->gens.failed = false;
        ckpt__pg_forget(w);
        return ckpt__pg_no_memory(call);
    }
    w->known = true;
    return CKPT_OK;
}

// Makes sure that it is known which generations stand.
static ckpt_code ckpt__pg_know(ckpt__pg_call *call, ckpt__pg_place *p)
{
    CKPT__PG_TRY(ckpt__pg_settle(call, p));
    if (p->run == 0) {
        p->work->epoch = p->epoch;
        p->work->mine = p->epoch > 0;
        return CKPT_OK;                         // nothing is there yet
    }
    return p->work->known ? CKPT_OK : ckpt__pg_load(call, p);
}

//--- Looking and reading ------------------------------------------------------

// Takes generations of whole epochs, as many as fit.
static void ckpt__pg_take_look(const ckpt__pg_call *call, ckpt_look *look)
{
    int rows = ckpt__pg_rows(call);
    if (rows > CKPT_LOOK_MAX) {
        const uint64_t cut = ckpt__pg_col(call, CKPT_LOOK_MAX, 3);
        for (rows = CKPT_LOOK_MAX; rows > 0 &&
             ckpt__pg_col(call, rows - 1, 3) == cut; ) {
            rows--;
        }
    }
    for (int i = 0; i < rows && !PQgetisnull(call->res, i, 3); i++) {
        ckpt_gen *gen = &look->gens[look->count++];
        gen->epoch = ckpt__pg_col(call, i, 3);
        gen->token = ckpt__pg_col(call, i, 4);
        if (PQgetlength(call->res, i, 5) == 8) {
            gen->seq = ckpt__pg_int(PQgetvalue(call->res, i, 5), 8);
        }
    }
}

// The method look(). One statement sees the run as it is at one moment.
static ckpt_code ckpt__pg_look(ckpt_store *s, void *place, uint64_t epoch_max,
                               ckpt_look *look, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "look at a run"));
    CKPT__PG_TRY(ckpt__pg_settle(&call, p));
    memset(look, 0, sizeof(*look));
    if (p->run == 0) {
        look->epoch = p->epoch;
        look->mine = p->epoch > 0;
        return CKPT_OK;
    }
    ckpt__pg_arg_int(&call, p->run);
    ckpt__pg_arg_int(&call, epoch_max);
    ckpt__pg_arg_int(&call, p->epoch);
    CKPT__PG_TRY(ckpt__pg_do(&call,
        "SELECT r.epoch, r.version, (SELECT count(*) FROM ckpt_claim c "
        "WHERE c.run = r.run AND c.epoch = $3)::int8, "
        "g.epoch, g.token, substr(g.gen, 1, 8) "
        "FROM ckpt_run r LEFT JOIN ckpt_gens g "
        "ON g.run = r.run AND g.epoch <= $2 WHERE r.run = $1 "
        "ORDER BY g.epoch DESC, g.token DESC LIMIT 9"));
    if (ckpt__pg_rows(&call) > 0) {
        look->epoch = ckpt__pg_col(&call, 0, 0);
        look->mine = ckpt__pg_col(&call, 0, 2) > 0;
        ckpt__pg_take_look(&call, look);
    }
    return ckpt__pg_end(&call, CKPT_OK);
}

// Reads the row of a generation, if it is not the one that is read already.
static ckpt_code ckpt__pg_read_row(ckpt__pg_call *call, ckpt__pg_place *p,
                                   const ckpt_gen *name)
{
    ckpt__pg_gen *gen = &p->work->reading;
    if (gen->token != 0 && gen->token == name->token &&
        gen->epoch == name->epoch) {
        return CKPT_OK;
    }
    ckpt__pg_read_end(p->work);
    if (p->run == 0) return CKPT_ERR_STALE;
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, name->epoch);
    ckpt__pg_arg_int(call, name->token);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT gen FROM ckpt_gens "
        "WHERE run = $1 AND epoch = $2 AND token = $3"));
    if (ckpt__pg_rows(call) == 0) return CKPT_ERR_STALE;
    const bool whole = ckpt__pg_decode(gen, PQgetvalue(call->res, 0, 0),
                                       (size_t)PQgetlength(call->res, 0, 0));
    ckpt__pg_reset(call);
    if (gen->items.failed) return ckpt__pg_no_memory(call);
    if (!whole) return CKPT_ERR_DAMAGED;
    gen->epoch = name->epoch;
    gen->token = name->token;
    return CKPT_OK;
}

// Reads bytes of a stream into the window: from one place on, at most to
// another, at least one, and a limited number. Generations share chunks, so the
// same statement asks whether this generation stands.
static ckpt_code ckpt__pg_fetch(ckpt__pg_call *call, ckpt__pg_place *p,
                                const ckpt_gen *name, uint64_t stream,
                                uint64_t from, uint64_t to)
{
    const uint64_t most = 512 * 1024;
    ckpt__pg_buf *window = &p->work->window;
    uint64_t at = from;
    window->n = 0;
    p->work->window_stream = stream;
    p->work->window_from = from;
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, stream);
    ckpt__pg_arg_int(call, from);
    ckpt__pg_arg_int(call, to - from < most ? to : from + most);
    ckpt__pg_arg_int(call, name->epoch);
    ckpt__pg_arg_int(call, name->token);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT c.at, c.bytes FROM ckpt_gens g LEFT JOIN ckpt_chunk c "
        "ON c.run = g.run AND c.stream = $2 AND c.at > $3 - 262144 "
        "AND c.at < $4 AND c.at + octet_length(c.bytes) > $3 "
        "WHERE g.run = $1 AND g.epoch = $5 AND g.token = $6 ORDER BY c.at"));
    const int rows = ckpt__pg_rows(call);
    for (int i = 0; i < rows && !PQgetisnull(call->res, i, 0); i++) {
        const uint64_t start = ckpt__pg_col(call, i, 0);
        const uint64_t size = (uint64_t)PQgetlength(call->res, i, 1);
        if (start > at || start + size <= at) break;
        ckpt__pg_add(window, PQgetvalue(call->res, i, 1) + (at - start),
                     (size_t)(start + size - at));
        at = start + size;
    }
    ckpt__pg_reset(call);
    if (window->failed) {
        ckpt__pg_free(window);
        return ckpt__pg_no_memory(call);
    }
    if (rows == 0) return CKPT_ERR_STALE;
    return at > from ? CKPT_OK : CKPT_ERR_DAMAGED;
}

// Copies bytes of an item, from one place in it on, as many as are at hand.
static ckpt_code ckpt__pg_copy(ckpt__pg_call *call, ckpt__pg_place *p,
                               const ckpt_gen *name, const ckpt__pg_item *item,
                               uint64_t from, char *buf, uint64_t *n)
{
    ckpt__pg_work *w = p->work;
    uint64_t at = item->from + from;
    const uint64_t left = item->size - from;
    if (w->window.n == 0 || w->window_stream != item->stream ||
        at < w->window_from || at - w->window_from >= w->window.n) {
        CKPT__PG_TRY(ckpt__pg_fetch(call, p, name, item->stream, at,
                                    at + left));
    }
    at -= w->window_from;
    *n = *n < left ? *n : left;
    *n = *n < w->window.n - at ? *n : w->window.n - at;
    memcpy(buf, w->window.at + at, (size_t)*n);
    return CKPT_OK;
}

// The method read(). It asks for the row of a generation once, and reads
// streams ahead, until the core ends the reading.
static ckpt_code ckpt__pg_read(ckpt_store *s, void *place, const ckpt_gen *name,
                               uint64_t offset, void *buf, size_t n,
                               size_t *got, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    uint64_t at = 0, inlined = 0;
    ckpt__pg_begin(&call, ckpt__pg_of(s), err, "read a generation");
    *got = 0;
    if (n == 0) {
        ckpt__pg_read_end(p->work);
        return CKPT_OK;
    }
    ckpt_code rc = ckpt__pg_settle(&call, p);
    rc = rc == CKPT_OK ? ckpt__pg_read_row(&call, p, name) : rc;
    const ckpt__pg_gen *gen = &p->work->reading;
    for (size_t i = 0; rc == CKPT_OK && i < ckpt__pg_count(&gen->items); i++) {
        const ckpt__pg_item *item = &ckpt__pg_items(&gen->items)[i];
        while (rc == CKPT_OK && *got < n && offset + *got >= at &&
               offset + *got - at < item->size) {
            const uint64_t from = offset + *got - at;
            uint64_t part = n - *got;
            char *to = (char *)buf + *got;
            if (item->stream == 0) {
                part = part < item->size - from ? part : item->size - from;
                memcpy(to, gen->bytes.at + inlined + from, (size_t)part);
            } else {
                rc = ckpt__pg_copy(&call, p, name, item, from, to, &part);
            }
            *got += rc == CKPT_OK ? (size_t)part : 0;
        }
        at += item->size;
        inlined += item->stream == 0 ? item->size : 0;
    }
    if (rc != CKPT_OK) {
        ckpt__pg_read_end(p->work);
        *got = 0;
    }
    return ckpt__pg_end(&call, rc);
}

//--- Claims -------------------------------------------------------------------

// Lets the database draw the seed of the store; for a child of fork(), too,
// which would otherwise give the nonces of its parent.
static ckpt_code ckpt__pg_draw(ckpt__pg_call *call)
{
    ckpt_store_pg *pg = call->pg;
    if (pg->priv.seed_pid == (int64_t)getpid()) return CKPT_OK;
    ckpt__pg_arg_int(call, sizeof(pg->priv.seed) - 1);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT right(replace(gen_random_uuid()::text, '-', ''), $1::int)"));
    (void)snprintf(pg->priv.seed, sizeof(pg->priv.seed), "%s",
                   PQgetvalue(call->res, 0, 0));
    pg->priv.seed_pid = (int64_t)getpid();
    ckpt__pg_reset(call);
    return CKPT_OK;
}

// Makes a text that no other claim gets: the seed of the store, and a number.
static void ckpt__pg_nonce(ckpt_store_pg *pg, char nonce[CKPT_NONCE_MAX + 1])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t number = ++pg->priv.nonces;
    const size_t n = strlen(pg->priv.seed);
    memcpy(nonce, pg->priv.seed, n);
    for (size_t i = 0; i < CKPT_NONCE_MAX - n; i++, number >>= 5) {
        nonce[i + n] = digits[number & 31];
    }
    nonce[CKPT_NONCE_MAX] = '\0';
}

// Who has an epoch, after a claim that did not get it. A claim whose answer was
// lost got it, if the nonce is ours.
static ckpt_code ckpt__pg_whose(ckpt__pg_call *call, const ckpt__pg_place *p,
                                uint64_t epoch, const char *nonce)
{
    ckpt__pg_reset(call);
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, epoch);
    ckpt__pg_arg(call, CKPT__PG_BYTEA, nonce, strlen(nonce));
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT (SELECT count(*) FROM ckpt_claim c WHERE c.run = r.run "
        "AND c.epoch = $2 AND c.nonce = $3)::int8 "
        "FROM ckpt_run r WHERE r.run = $1"));
    if (ckpt__pg_rows(call) == 0) return CKPT_ERR_STALE;
    return ckpt__pg_col(call, 0, 0) > 0 ? CKPT_OK : CKPT_ERR_CLAIM_LOST;
}

// The method claim(). The row of the run tells the beat of the highest epoch
// and has its generations. What it told of the epoch before moves to the rows
// of that claim and of its generations. A claim whose answer was lost may
// stand: the next call for that epoch finds it by its nonce, and close() gives
// it up. It waits for a lock only as long as its caller does: else it would be
// made behind the caller's back, and the run wait for a lease.
static ckpt_code ckpt__pg_claim(ckpt_store *s, void *place, uint64_t epoch,
                                const char *owner,
                                char nonce[CKPT_NONCE_MAX + 1], ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "claim a run"));
    (void)snprintf(p->owner, sizeof(p->owner), "%s", owner);
    CKPT__PG_TRY(ckpt__pg_draw(&call));
    if (p->trying != epoch) {
        ckpt__pg_nonce(call.pg, p->nonce);
    }
    memcpy(nonce, p->nonce, sizeof(p->nonce));
    if (p->run != 0) {
        ckpt__pg_arg_int(&call, p->run);
        ckpt__pg_arg_int(&call, epoch);
        ckpt__pg_arg(&call, CKPT__PG_BYTEA, nonce, strlen(nonce));
        ckpt__pg_arg(&call, CKPT__PG_BYTEA, p->owner, strlen(p->owner));
        ckpt__pg_arg_int(&call, (uint64_t)call.pg->priv.timeout_ms);
        ckpt_code rc = ckpt__pg_do(&call,
            "WITH old AS (SELECT r.* FROM (SELECT "
            "set_config('lock_timeout', $5::text, true)) AS lax, ckpt_run r "
            "WHERE run = $1 AND epoch < $2 FOR UPDATE OF r), "
            "gens AS (INSERT INTO ckpt_gen "
            "SELECT run, token, epoch, gen FROM old WHERE token <> 0 "
            "UNION ALL SELECT run, prev_token, epoch, prev FROM old "
            "WHERE prev_token <> 0), "
            "past AS (UPDATE ckpt_claim c SET acked = old.acked, "
            "beat_at = old.beat_at FROM old "
            "WHERE c.run = old.run AND c.epoch = old.epoch), "
            "mine AS (UPDATE ckpt_run r SET epoch = $2, "
            "version = r.version + 1, acked = 0, beat_at = clock_timestamp(), "
            "token = 0, gen = '', prev_token = 0, prev = '' "
            "FROM old WHERE r.run = old.run RETURNING r.run) "
            "INSERT INTO ckpt_claim SELECT run, $2, $3, $4, 0, 0, "
            "clock_timestamp() FROM mine RETURNING run");
        if (rc == CKPT_OK && ckpt__pg_rows(&call) == 0) {
            rc = ckpt__pg_whose(&call, p, epoch, nonce);
        }
        p->trying = rc != CKPT_OK && rc != CKPT_ERR_CLAIM_LOST &&
                    rc != CKPT_ERR_STALE ? epoch : 0;
        ckpt__pg_end(&call, rc);
        if (rc != CKPT_OK) return rc;
    }
    p->epoch = epoch;
    p->work->beaten = 0;
    ckpt__pg_forget(p->work);
    ckpt__pg_unput(p->work);
    return CKPT_OK;
}

// The method alive(). Nothing proves that an owner lives; that it has let go of
// the run proves that it does not. Nobody could beat before the server started:
// else, after an outage, all owners would look dead to the first that comes
// back. For what is a day old the start of the server counts no longer, so that
// old runs get old.
static ckpt_code ckpt__pg_alive(ckpt_store *s, void *place, uint64_t epoch,
                                ckpt_life *life, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    ckpt__pg_begin(&call, ckpt__pg_of(s), err, "look at an owner");
    memset(life, 0, sizeof(*life));
    ckpt__pg_arg_int(&call, p->run);
    ckpt__pg_arg_int(&call, epoch);
    CKPT__PG_TRY(ckpt__pg_do(&call,
        "SELECT " CKPT__PG_MS("clock_timestamp()") ", " CKPT__PG_MS("l.beat_at")
        ", l.acked, l.state, l.owner FROM (SELECT 1) one LEFT JOIN "
        "(SELECT c.state, c.owner, "
        "CASE WHEN c.epoch = r.epoch THEN r.acked ELSE c.acked END AS acked, "
        "CASE WHEN c.epoch = r.epoch THEN greatest(r.beat_at, "
        "CASE WHEN c.state = 0 AND pg_postmaster_start_time() > "
        "clock_timestamp() - interval '1 day' THEN pg_postmaster_start_time() "
        "END) ELSE c.beat_at END AS beat_at FROM ckpt_claim c JOIN ckpt_run r "
        "ON r.run = c.run WHERE c.run = $1 AND c.epoch = $2) l ON true"));
    life->now_ms = (int64_t)ckpt__pg_col(&call, 0, 0);
    life->verdict = CKPT_LIFE_GONE;
    if (p->run == 0 && epoch == p->epoch && epoch != 0) {
        life->verdict = CKPT_LIFE_UNKNOWN;      // it is about to show the run
        life->beat_ms = life->now_ms;
        memcpy(life->owner, p->owner, sizeof(life->owner));
    } else if (!PQgetisnull(call.res, 0, 1)) {
        const uint64_t state = ckpt__pg_col(&call, 0, 3);
        const size_t n = (size_t)PQgetlength(call.res, 0, 4);
        life->verdict = state == 0 ? CKPT_LIFE_UNKNOWN : CKPT_LIFE_GONE;
        life->beat_ms = (int64_t)ckpt__pg_col(&call, 0, 1);
        life->acked = ckpt__pg_col(&call, 0, 2);
        life->gave_up = state == 2;
        memcpy(life->owner, PQgetvalue(call.res, 0, 4),
               n < sizeof(life->owner) ? n : sizeof(life->owner) - 1);
    }
    return ckpt__pg_end(&call, CKPT_OK);
}

// The method beat(). It need not be durable, so it waits for no flush. An owner
// that is fenced off beats its claim alone. The first beat after a save tells
// nothing that the save did not tell, so it sends nothing; but a save that
// waited, for a lock or a standby, has told the time at which it began.
static ckpt_code ckpt__pg_beat(ckpt_store *s, void *place, uint64_t acked,
                               ckpt_error *err)
{
    static const char *const beats[] = {
        "UPDATE ckpt_run SET beat_at = clock_timestamp(), "
        "acked = greatest(acked, $3) FROM (SELECT "
        "set_config('synchronous_commit', 'off', true)) AS lax "
        "WHERE run = $1 AND epoch = $2 RETURNING run",
        "UPDATE ckpt_claim SET beat_at = clock_timestamp(), "
        "acked = greatest(acked, $3) "
        "WHERE run = $1 AND epoch = $2 RETURNING run"
    };
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "beat"));
    const bool beaten = acked != 0 && p->work->beaten == acked &&
        ckpt__pg_clock_ms(CLOCK_MONOTONIC) < p->work->fresh_ms;
    p->work->beaten = 0;
    if (beaten) return CKPT_OK;
    CKPT__PG_TRY(ckpt__pg_settle(&call, p));
    int rows = p->run == 0 && p->epoch != 0;
    for (unsigned i = 0; i < 2 && rows == 0; i++) {
        ckpt__pg_reset(&call);
        ckpt__pg_arg_int(&call, p->run);
        ckpt__pg_arg_int(&call, p->epoch);
        ckpt__pg_arg_int(&call, acked);
        CKPT__PG_TRY(ckpt__pg_do(&call, beats[i]));
        rows = ckpt__pg_rows(&call);
    }
    return ckpt__pg_end(&call, rows > 0 ? CKPT_OK : CKPT_ERR_CLAIM_LOST);
}

//--- Arrays and ranges --------------------------------------------------------

// Arrays as arguments: so many elements, each of a type.
typedef struct ckpt__pg_array {
    ckpt__pg_buf buf;
    uint32_t     count;
} ckpt__pg_array;

static void ckpt__pg_element(ckpt__pg_array *a, uint32_t type,
                             const void *bytes, size_t n)
{
    if (a->count++ == 0) {
        ckpt__pg_add_int(&a->buf, 1, 4);        // dimensions
        ckpt__pg_add_int(&a->buf, 0, 4);        // there is no NULL
        ckpt__pg_add_int(&a->buf, type, 4);
        ckpt__pg_add_int(&a->buf, 0, 4);        // elements: see below
        ckpt__pg_add_int(&a->buf, 1, 4);        // the first index
    }
    ckpt__pg_add_int(&a->buf, n, 4);
    ckpt__pg_add(&a->buf, bytes, n);
}

static void ckpt__pg_element_int(ckpt__pg_array *a, uint64_t value)
{
    char bytes[8];
    ckpt__pg_write(bytes, value, 8);
    ckpt__pg_element(a, CKPT__PG_INT8, bytes, 8);
}

// Gives an array to a call. An empty array has no dimension.
static void ckpt__pg_arg_array(ckpt__pg_call *call, Oid type,
                               ckpt__pg_array *a)
{
    static const char empty[2][12] = {
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, CKPT__PG_INT8 },
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, CKPT__PG_BYTEA }
    };
    if (a->count == 0 || a->buf.failed) {
        ckpt__pg_arg(call, type, empty[type == CKPT__PG_BYTEAS], 12);
        return;
    }
    ckpt__pg_write(a->buf.at + 12, a->count, 4);
    ckpt__pg_arg(call, type, a->buf.at, a->buf.n);
}

// Adds a range of a stream.
static void ckpt__pg_range(ckpt__pg_array *ranges, const ckpt__pg_item *item)
{
    ckpt__pg_element_int(ranges, item->stream);
    ckpt__pg_element_int(ranges, item->from);
    ckpt__pg_element_int(ranges, item->from + item->size);
}

// What of the chunks goes with generations that go, and what stays.
typedef struct ckpt__pg_sweep {
    ckpt__pg_array gone, stay;          // ranges
    ckpt__pg_buf   kept, dropped;       // items
} ckpt__pg_sweep;

static void ckpt__pg_sweep_add(ckpt__pg_sweep *sweep, const ckpt__pg_buf *items,
                               bool stays)
{
    ckpt__pg_add(stays ? &sweep->kept : &sweep->dropped, items->at, items->n);
    sweep->kept.failed = sweep->kept.failed || sweep->dropped.failed;
}

// Whether one item of a list has a whole range. Where two of them have it
// together, the range is looked at in vain.
static bool ckpt__pg_has(const ckpt__pg_buf *items, const ckpt__pg_item *range)
{
    const ckpt__pg_item *item = ckpt__pg_items(items);
    for (size_t i = 0; i < ckpt__pg_count(items); i++, item++) {
        if (item->stream == range->stream && item->from <= range->from &&
            item->from + item->size >= range->from + range->size) {
            return true;
        }
    }
    return false;
}

static void ckpt__pg_sweep_end(ckpt__pg_sweep *sweep)
{
    const ckpt__pg_item *item = ckpt__pg_items(&sweep->dropped);
    for (size_t i = 0; i < ckpt__pg_count(&sweep->dropped); i++, item++) {
        if (item->stream != 0 && !ckpt__pg_has(&sweep->kept, item)) {
            ckpt__pg_range(&sweep->gone, item);
        }
    }
    item = ckpt__pg_items(&sweep->kept);
    for (size_t i = 0; i < ckpt__pg_count(&sweep->kept); i++, item++) {
        if (item->stream != 0 && sweep->gone.count > 0) {
            ckpt__pg_range(&sweep->stay, item);
        }
    }
}

static bool ckpt__pg_sweep_failed(const ckpt__pg_sweep *s)
{
    return s->kept.failed || s->gone.buf.failed || s->stay.buf.failed;
}

static void ckpt__pg_sweep_free(ckpt__pg_sweep *sweep)
{
    ckpt__pg_free(&sweep->gone.buf);
    ckpt__pg_free(&sweep->stay.buf);
    ckpt__pg_free(&sweep->kept);
    ckpt__pg_free(&sweep->dropped);
}

// The ranges of an array.
#define CKPT__PG_RANGES(array)                                                 \
    "(SELECT " array "[i], " array "[i + 1], " array "[i + 2] "                \
    "FROM generate_series(1, pg_catalog.cardinality(" array "), 3) AS i)"

// Removes the chunks that overlap a range of one array, and none of another: a
// range may begin or end within a chunk.
#define CKPT__PG_SWEEP(gone, stay)                                             \
    "sweep AS (DELETE FROM ckpt_chunk c USING mine, "                          \
    CKPT__PG_RANGES(gone) " AS d(s, a, b) WHERE c.run = mine.run "             \
    "AND c.stream = d.s AND c.at > d.a - 262144 AND c.at < d.b "               \
    "AND c.at + octet_length(c.bytes) > d.a AND NOT EXISTS (SELECT 1 "         \
    "FROM " CKPT__PG_RANGES(stay) " AS k(s, a, b) WHERE k.s = c.stream "       \
    "AND c.at < k.b AND c.at + octet_length(c.bytes) > k.a)) "

//--- Putting ------------------------------------------------------------------

// The sum of part of an item, with as little reading as it takes. If the part
// ends within the item, it is the last one of its range, and would is the sum
// that it has if the sum of the range is right.
static ckpt_code ckpt__pg_part_sum(ckpt__pg_call *call, ckpt__pg_place *p,
                                   const ckpt_gen *name,
                                   const ckpt__pg_item *item, uint64_t from,
                                   uint64_t to, uint32_t would, uint32_t *crc)
{
    // Before, within and behind: either the outer stretches are read, or the
    // part itself, whichever is shorter.
    const uint64_t ends[4] = { 0, from, to, item->size };
    const bool outside = item->size - (to - from) < to - from;
    uint32_t sums[3] = { 0, 0, 0 };
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = outside == (i != 1) ? ends[i] : ends[i + 1];
        while (at < ends[i + 1]) {
            ckpt__pg_work *w = p->work;
            uint64_t n = ends[i + 1] - at;
            CKPT__PG_TRY(ckpt__pg_fetch(call, p, name, item->stream,
                                        item->from + at,
                                        item->from + ends[i + 1]));
            n = n < w->window.n ? n : w->window.n;
            sums[i] = ckpt_crc32c(sums[i], w->window.at, (size_t)n);
            at += n;
        }
    }
    ckpt__pg_free(&p->work->window);
    *crc = sums[1];
    if (outside) {
        const uint64_t behind = item->size - to;
        const uint32_t rest = item->crc ^
            ckpt__pg_crc_join(sums[0], 0, item->size - from);
        *crc = behind == 0 ? rest : would;
        if (ckpt__pg_crc_join(*crc, sums[2], behind) != rest) {
            return CKPT_ERR_DAMAGED;
        }
    }
    return CKPT_OK;
}

// Adds bytes to what was put.
static void ckpt__pg_put_bytes(ckpt__pg_work *w, const void *bytes, size_t n,
                               uint32_t crc, bool kept)
{
    ckpt__pg_item piece;
    memset(&piece, 0, sizeof(piece));
    piece.from = w->put.n;
    piece.size = n;
    piece.crc = crc;
    piece.kept = kept;
    ckpt__pg_add(&w->put, bytes, n);
    ckpt__pg_add(&w->pieces, &piece, sizeof(piece));
}

// Fetches a range of a stream, and puts its bytes. *sum is the sum so far.
static ckpt_code ckpt__pg_put_fetched(ckpt__pg_call *call, ckpt__pg_place *p,
                                      const ckpt_gen *name,
                                      const ckpt__pg_item *range, uint32_t *sum)
{
    ckpt__pg_buf *window = &p->work->window;
    for (uint64_t at = 0, n; at < range->size; at += n) {
        CKPT__PG_TRY(ckpt__pg_fetch(call, p, name, range->stream,
                                    range->from + at,
                                    range->from + range->size));
        n = range->size - at;
        n = window->n < n ? window->n : n;
        const uint32_t crc = ckpt_crc32c(0, window->at, (size_t)n);
        ckpt__pg_put_bytes(p->work, window->at, (size_t)n, crc, true);
        *sum = ckpt__pg_crc_join(*sum, crc, n);
    }
    ckpt__pg_free(window);
    return CKPT_OK;
}

// Puts part of an item of the base. *sum is the sum of the range so far.
static ckpt_code ckpt__pg_put_item(ckpt__pg_call *call, ckpt__pg_place *p,
                                   const ckpt_gen *name,
                                   const ckpt__pg_item *item, const char *bytes,
                                   uint64_t from, uint64_t to, uint32_t wanted,
                                   uint32_t *sum)
{
    ckpt__pg_work *w = p->work;
    const uint64_t n = to - from;
    ckpt__pg_item piece = *item;
    if (item->stream == 0) {
        piece.crc = ckpt_crc32c(0, bytes + from, (size_t)n);
        ckpt__pg_put_bytes(w, bytes + from, (size_t)n, piece.crc, true);
        *sum = ckpt__pg_crc_join(*sum, piece.crc, n);
        return CKPT_OK;
    }
    piece.from += from;
    piece.size = n;
    if (n < item->size && n < CKPT__PG_SMALL) {
        // Kept as a range, few bytes would keep a whole chunk.
        return ckpt__pg_put_fetched(call, p, name, &piece, sum);
    }
    if (n < item->size) {
        const uint32_t would = wanted ^ ckpt__pg_crc_join(*sum, 0, n);
        CKPT__PG_TRY(ckpt__pg_part_sum(call, p, name, item, from, to, would,
                                       &piece.crc));
    }
    // A save may append only to the newest generation's end of a stream.
    const ckpt__pg_gen *gens = ckpt__pg_gens(w);
    const ckpt__pg_gen *newest = &gens[ckpt__pg_gen_count(w) - 1];
    piece.open = item->open && to == item->size &&
                 newest->token == name->token;
    ckpt__pg_add(&w->pieces, &piece, sizeof(piece));
    *sum = ckpt__pg_crc_join(*sum, piece.crc, n);
    return CKPT_OK;
}

// Counts the bytes that the streams of a generation have: a range that is kept
// unread may have lost its chunks. To count the chunks of a long transcript
// takes longer than to save, so only one save of many asks for it, and each one
// that follows a claim or a doubt.
static ckpt_code ckpt__pg_count_bytes(ckpt__pg_call *call,
                                      const ckpt__pg_place *p,
                                      ckpt__pg_gen *gen)
{
    ckpt__pg_sweep sweep;
    memset(&sweep, 0, sizeof(sweep));
    ckpt__pg_sweep_add(&sweep, &gen->items, false);
    ckpt__pg_sweep_end(&sweep);
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_array(call, CKPT__PG_INT8S, &sweep.gone);
    ckpt_code rc = ckpt__pg_sweep_failed(&sweep) ?
        ckpt__pg_no_memory(call) : ckpt__pg_do(call,
            "SELECT 1 FROM " CKPT__PG_RANGES("$2") " AS k(s, a, b) "
            "WHERE k.b - k.a IS DISTINCT FROM (SELECT "
            "sum(least(c.at + octet_length(c.bytes), k.b) - "
            "greatest(c.at, k.a))::int8 FROM ckpt_chunk c WHERE c.run = $1 "
            "AND c.stream = k.s AND c.at > k.a - 262144 AND c.at < k.b "
            "AND c.at + octet_length(c.bytes) > k.a)");
    ckpt__pg_sweep_free(&sweep);
    rc = rc == CKPT_OK && ckpt__pg_rows(call) > 0 ? CKPT_ERR_DAMAGED : rc;
    ckpt__pg_reset(call);
    gen->trust = rc == CKPT_OK ? 64 : 0;
    return rc;
}

// Puts a range of a base: whole ranges of streams stay where they are, and what
// the row had is known.
static ckpt_code ckpt__pg_put_range(ckpt__pg_call *call, ckpt__pg_place *p,
                                    const ckpt_gen *base, const ckpt_part *part)
{
    uint64_t at = 0, inlined = 0, left = part->size;
    uint32_t sum = 0;
    CKPT__PG_TRY(ckpt__pg_know(call, p));
    ckpt__pg_gen *gen = ckpt__pg_find_gen(p->work, base->epoch, base->token);
    if (gen == NULL) return CKPT_ERR_STALE;
    for (size_t i = 0; left > 0 && i < ckpt__pg_count(&gen->items); i++) {
        const ckpt__pg_item *item = &ckpt__pg_items(&gen->items)[i];
        const uint64_t from = part->offset > at ? part->offset - at : 0;
        if (from < item->size) {
            const uint64_t n = item->size - from < left ? item->size - from
                                                        : left;
            if (item->stream != 0 && gen->trust == 0) {
                CKPT__PG_TRY(ckpt__pg_count_bytes(call, p, gen));
            }
            CKPT__PG_TRY(ckpt__pg_put_item(call, p, base, item,
                                           gen->bytes.at + inlined, from,
                                           from + n, part->crc, &sum));
            left -= n;
        }
        at += item->size;
        inlined += item->stream == 0 ? item->size : 0;
    }
    return left == 0 && sum == part->crc ? CKPT_OK : CKPT_ERR_DAMAGED;
}

// The method put(). Nothing is sent before the generation is whole.
static ckpt_code ckpt__pg_put(ckpt_store *s, void *place, const ckpt_gen *base,
                              const ckpt_part *part, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_work *w = p->work;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "put a piece"));
    ckpt_code rc = CKPT_OK;
    if (part->bytes == NULL) {
        rc = ckpt__pg_put_range(&call, p, base, part);
    } else if (part->size > 0) {
        ckpt__pg_put_bytes(w, part->bytes, (size_t)part->size, part->crc,
                           false);
    }
    if (w->put.failed || w->pieces.failed) {
        rc = ckpt__pg_no_memory(&call);
    }
    if (rc != CKPT_OK) {
        ckpt__pg_unput(w);
    }
    return ckpt__pg_end(&call, rc);
}

//--- Publishing ---------------------------------------------------------------

// A save, ready to be sent.
typedef struct ckpt__pg_draft {
    uint64_t       streams;             // that it begins
    uint64_t       goes;                // token of the one that it replaces
    ckpt__pg_gen   gen;
    ckpt__pg_buf   row;                 // the generation as it is kept
    ckpt__pg_array stream, at, bytes;   // new chunks
    ckpt__pg_sweep sweep;
} ckpt__pg_draft;

static void ckpt__pg_draft_free(ckpt__pg_draft *d)
{
    ckpt__pg_gen_free(&d->gen);
    ckpt__pg_free(&d->row);
    ckpt__pg_free(&d->stream.buf);
    ckpt__pg_free(&d->at.buf);
    ckpt__pg_free(&d->bytes.buf);
    ckpt__pg_sweep_free(&d->sweep);
}

static bool ckpt__pg_draft_failed(const ckpt__pg_draft *d)
{
    return d->gen.items.failed || d->gen.bytes.failed || d->row.failed ||
           d->stream.buf.failed || d->at.buf.failed || d->bytes.buf.failed ||
           ckpt__pg_sweep_failed(&d->sweep);
}

// Whether a save may append to the last item: a range that was put twice must
// not be followed by two chunks at one place.
static bool ckpt__pg_may_append(const ckpt__pg_buf *items)
{
    const ckpt__pg_item *last = ckpt__pg_last(items);
    bool may = last != NULL && last->stream != 0 && last->open;
    for (const ckpt__pg_item *i = ckpt__pg_items(items); may && i < last; i++) {
        may = i->stream != last->stream ||
              i->from + i->size <= last->from + last->size;
    }
    return may;
}

// Appends bytes to the stream that the last item ends, or begins another one.
// The token of a generation is never given again, so the numbers of the streams
// that it begins are not, either.
static void ckpt__pg_draft_chunk(ckpt__pg_draft *d, const char *bytes,
                                 const ckpt__pg_item *piece)
{
    const ckpt__pg_item *last = ckpt__pg_last(&d->gen.items);
    ckpt__pg_item item = *piece;
    item.open = true;
    if (ckpt__pg_may_append(&d->gen.items)) {
        item.stream = last->stream;
        item.from = last->from + last->size;
    } else {
        item.stream = d->gen.token * 65536 + d->streams++;
        item.from = 0;
    }
    for (uint64_t at = 0; at < item.size; at += CKPT__PG_CHUNK_MAX) {
        const uint64_t most = CKPT__PG_CHUNK_MAX, left = item.size - at;
        const uint64_t n = left < most ? left : most;
        ckpt__pg_element_int(&d->stream, item.stream);
        ckpt__pg_element_int(&d->at, item.from + at);
        ckpt__pg_element(&d->bytes, CKPT__PG_BYTEA, bytes + at, (size_t)n);
    }
    ckpt__pg_push(&d->gen.items, &item);
}

// Finds how many pieces, from one on, become a chunk together: bytes that stay,
// and a large new piece with what separates it from what stays. 0: none.
static size_t ckpt__pg_chunk_of(const ckpt__pg_draft *d,
                                const ckpt__pg_item *piece, size_t n)
{
    const ckpt__pg_item *last = ckpt__pg_last(&d->gen.items);
    uint64_t kept = 0;
    size_t i = 0;
    for (; i < n && piece[i].stream == 0 && piece[i].kept; i++) {
        kept += piece[i].size;
    }
    const bool follows = i > 0 || (last != NULL && last->stream != 0);
    const size_t next = i + (follows && i < n && piece[i].stream == 0 &&
                             piece[i].size <= CKPT__PG_SEPARATOR);
    if (next < n && piece[next].stream == 0 && !piece[next].kept &&
        piece[next].size >= (follows ? CKPT__PG_SMALL : CKPT__PG_LARGE) &&
        d->streams < 65535) {
        return next + 1;
    }
    return kept >= CKPT__PG_LARGE && d->streams < 65535 ? i : 0;
}

// Joins pieces that were put one after the other.
static ckpt__pg_item ckpt__pg_join(const ckpt__pg_item *piece, size_t n)
{
    ckpt__pg_item all = piece[0];
    for (size_t i = 1; i < n; i++) {
        all.crc = ckpt__pg_crc_join(all.crc, piece[i].crc, piece[i].size);
        all.size += piece[i].size;
    }
    return all;
}

// Of several items that end one stream, a later save may append only to the one
// that reaches farthest: behind the others are its bytes.
static void ckpt__pg_shut(const ckpt__pg_buf *items)
{
    ckpt__pg_item *item = ckpt__pg_items(items);
    const size_t n = ckpt__pg_count(items);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; item[i].open && k < n; k++) {
            item[i].open = item[k].stream != item[i].stream ||
                item[k].from + item[k].size <= item[i].from + item[i].size;
        }
    }
}

// Decides where what was put goes.
static void ckpt__pg_draft_pieces(ckpt__pg_draft *d, const ckpt__pg_place *p,
                                  uint64_t seq)
{
    const ckpt__pg_work *w = p->work;
    memset(d, 0, sizeof(*d));
    d->gen.seq = seq;
    d->gen.epoch = p->epoch;
    d->gen.token = (p->run != 0 ? w->version : 0) + 1;
    const ckpt__pg_item *piece = ckpt__pg_items(&w->pieces);
    const size_t n = ckpt__pg_count(&w->pieces);
    for (size_t i = 0, taken; i < n; i += taken) {
        taken = 1;
        if (piece[i].stream != 0) {
            ckpt__pg_push(&d->gen.items, &piece[i]);
            continue;
        }
        const size_t chunk = ckpt__pg_chunk_of(d, &piece[i], n - i);
        taken = chunk > 0 ? chunk : 1;
        const ckpt__pg_item all = ckpt__pg_join(&piece[i], taken);
        const char *bytes = w->put.at + all.from;
        if (chunk > 0) {
            ckpt__pg_draft_chunk(d, bytes, &all);
        } else {
            ckpt__pg_push(&d->gen.items, &all);
            ckpt__pg_add(&d->gen.bytes, bytes, (size_t)all.size);
        }
    }
    ckpt__pg_shut(&d->gen.items);
}

// Fetches what was put as ranges of streams, so that all of it is written anew:
// saves that each cut a stream would make a layout ever longer.
static ckpt_code ckpt__pg_flatten(ckpt__pg_call *call, ckpt__pg_place *p,
                                  const ckpt_gen *base)
{
    ckpt__pg_work *w = p->work;
    ckpt__pg_buf pieces = w->pieces, put = w->put;
    ckpt_code rc = CKPT_OK;
    memset(&w->pieces, 0, sizeof(w->pieces));
    memset(&w->put, 0, sizeof(w->put));
    for (size_t i = 0; rc == CKPT_OK && i < ckpt__pg_count(&pieces); i++) {
        const ckpt__pg_item *piece = &ckpt__pg_items(&pieces)[i];
        if (piece->stream == 0) {
            ckpt__pg_put_bytes(w, put.at + piece->from, (size_t)piece->size,
                               piece->crc, piece->kept);
        } else {
            uint32_t sum = 0;
            rc = ckpt__pg_put_fetched(call, p, base, piece, &sum);
            rc = rc == CKPT_OK && sum != piece->crc ? CKPT_ERR_DAMAGED : rc;
        }
    }
    if (w->put.failed || w->pieces.failed) {
        rc = ckpt__pg_no_memory(call);
    }
    ckpt__pg_free(&pieces);
    ckpt__pg_free(&put);
    return rc;
}

// The generation that the next save of an epoch replaces: the one before the
// newest of the epoch. Returns its token, or 0.
static uint64_t ckpt__pg_replaced(const ckpt__pg_work *w, uint64_t epoch)
{
    const ckpt__pg_gen *gens = ckpt__pg_gens(w);
    const size_t count = ckpt__pg_gen_count(w);
    return count > 1 && gens[count - 2].epoch == epoch ? gens[count - 2].token
                                                       : 0;
}

// Drafts the save: where its bytes go, and which chunks go with the generation
// that it replaces.
static ckpt_code ckpt__pg_prepare(ckpt__pg_call *call, ckpt__pg_place *p,
                                  uint64_t seq, ckpt__pg_draft *d)
{
    ckpt__pg_work *w = p->work;
    const ckpt__pg_gen *gens = ckpt__pg_gens(w);
    const size_t count = ckpt__pg_gen_count(w);
    ckpt__pg_draft_pieces(d, p, seq);
    if (ckpt__pg_count(&d->gen.items) > CKPT__PG_ITEMS_MAX && count > 0) {
        const ckpt_gen base = { gens[count - 1].epoch, 0,
                                gens[count - 1].token };
        CKPT__PG_TRY(ckpt__pg_flatten(call, p, &base));
        ckpt__pg_draft_free(d);
        ckpt__pg_draft_pieces(d, p, seq);
    }
    d->gen.trust = count > 0 && gens[count - 1].trust > 0 ?
                   gens[count - 1].trust - 1 : 0;
    d->goes = ckpt__pg_replaced(w, p->epoch);
    ckpt__pg_sweep_add(&d->sweep, &d->gen.items, true);
    for (size_t i = 0; i < count; i++) {
        ckpt__pg_sweep_add(&d->sweep, &gens[i].items,
                           gens[i].token != d->goes);
    }
    ckpt__pg_sweep_end(&d->sweep);
    ckpt__pg_encode(&d->gen, &d->row);
    return ckpt__pg_draft_failed(d) ? ckpt__pg_no_memory(call) : CKPT_OK;
}

// The statements of a save: fence, save and beat at once. The row of the run is
// updated first and only if the epoch and the version are those that the owner
// knows; everything else follows from that row. PostgreSQL waits for a claimant
// that is about to change the row, and then looks at the row again. An earlier
// owner that only looked at the row would write although it has lost the run.
// Nothing can fence off a save that stands, so it counts as acknowledged: if it
// is missing later, that is told.
#define CKPT__PG_SAVE(epoch)                                                   \
    "UPDATE ckpt_run SET version = version + 1, beat_at = clock_timestamp(), " \
    "acked = greatest(acked, $5), epoch = $2, "                                \
    "prev_token = token, prev = gen, token = version + 1, gen = $4 "           \
    "WHERE run = $1 AND epoch = " epoch " AND version = $3 RETURNING run"
#define CKPT__PG_CHUNKS                                                        \
    "INSERT INTO ckpt_chunk SELECT mine.run, c.s, c.a, c.b "                   \
    "FROM mine, unnest($6, $7, $8) AS c(s, a, b)"

static const char *ckpt__pg_save_text(bool first, uint32_t chunks, bool sweeps)
{
    if (first) {
        return "WITH mine AS (" CKPT__PG_SAVE("0") "), "
               "made AS (INSERT INTO ckpt_claim SELECT run, $2, $9, $10, "
               "0, 0, clock_timestamp() FROM mine), "
               "new AS (" CKPT__PG_CHUNKS ") SELECT run FROM mine";
    }
    if (sweeps) {
        return "WITH mine AS (" CKPT__PG_SAVE("$2") "), "
               CKPT__PG_SWEEP("$9", "$10")
               ", new AS (" CKPT__PG_CHUNKS ") SELECT run FROM mine";
    }
    if (chunks == 0) return CKPT__PG_SAVE("$2");
    return "WITH mine AS (" CKPT__PG_SAVE("$2") ") INSERT INTO ckpt_chunk "
           "SELECT run, $6, $7, $8 FROM mine RETURNING run";
}

// Gives new chunks to a call: a single one needs no array.
static void ckpt__pg_arg_chunks(ckpt__pg_call *call, ckpt__pg_draft *d,
                                bool alone)
{
    enum { ONE = 24 };                          // bytes before the first one
    if (alone) {
        ckpt__pg_arg(call, CKPT__PG_INT8, d->stream.buf.at + ONE, 8);
        ckpt__pg_arg(call, CKPT__PG_INT8, d->at.buf.at + ONE, 8);
        ckpt__pg_arg(call, CKPT__PG_BYTEA, d->bytes.buf.at + ONE,
                     d->bytes.buf.n - ONE);
        return;
    }
    ckpt__pg_arg_array(call, CKPT__PG_INT8S, &d->stream);
    ckpt__pg_arg_array(call, CKPT__PG_INT8S, &d->at);
    ckpt__pg_arg_array(call, CKPT__PG_BYTEAS, &d->bytes);
}

// Makes the row that the first save fills. Whoever begins a run of that id
// meanwhile gets the same row, and one of them fills it. A save that made a row
// of its own could be done late, and bring back a run that was removed. The
// number must be durable before it is used: a server that crashes could give it
// again, and a late save would fill another row.
static ckpt_code ckpt__pg_make_row(ckpt__pg_call *call, ckpt__pg_place *p)
{
    ckpt__pg_arg(call, CKPT__PG_BYTEA, p->id, strlen(p->id));
    ckpt_code rc = ckpt__pg_do(call,
        "INSERT INTO ckpt_run AS r (id, epoch, version, acked, beat_at, token, "
        "gen, prev_token, prev) VALUES ($1, 0, 0, 0, clock_timestamp(), 0, '', "
        "0, '') ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp() "
        "WHERE r.epoch = 0 RETURNING r.run");
    if (rc == CKPT_OK && ckpt__pg_rows(call) > 0) {
        p->work->row = ckpt__pg_col(call, 0, 0);
    } else if (rc == CKPT_OK) {
        rc = CKPT_ERR_EXISTS;
    }
    ckpt__pg_reset(call);               // a row that was made late is no save
    return rc;
}

// Sends a draft.
static ckpt_code ckpt__pg_send(ckpt__pg_call *call, ckpt__pg_place *p,
                               ckpt__pg_draft *d)
{
    const uint32_t chunks = d->stream.count;
    const bool first = p->run == 0;
    // Several chunks go with the text of a sweep, which then removes nothing.
    const bool sweeps = d->sweep.gone.count > 0 || chunks > 1;
    if (first) {
        CKPT__PG_TRY(ckpt__pg_make_row(call, p));
    }
    ckpt__pg_arg_int(call, first ? p->work->row : p->run);
    ckpt__pg_arg_int(call, p->epoch);
    ckpt__pg_arg_int(call, d->gen.token - 1);
    ckpt__pg_arg(call, CKPT__PG_BYTEA, d->row.at, d->row.n);
    ckpt__pg_arg_int(call, d->gen.seq);
    if (first || chunks > 0 || sweeps) {
        ckpt__pg_arg_chunks(call, d, chunks == 1 && !first && !sweeps);
    }
    if (first) {
        ckpt__pg_arg(call, CKPT__PG_BYTEA, p->nonce, strlen(p->nonce));
        ckpt__pg_arg(call, CKPT__PG_BYTEA, p->owner, strlen(p->owner));
    } else if (sweeps) {
        ckpt__pg_arg_array(call, CKPT__PG_INT8S, &d->sweep.gone);
        ckpt__pg_arg_array(call, CKPT__PG_INT8S, &d->sweep.stay);
    }
    return ckpt__pg_do(call, ckpt__pg_save_text(first, chunks, sweeps));
}

// The save stands: what is known follows.
static void ckpt__pg_stands(ckpt__pg_place *p, ckpt__pg_draft *d)
{
    ckpt__pg_work *w = p->work;
    for (size_t i = 0; i < ckpt__pg_gen_count(w); i++) {
        ckpt__pg_gen *gen = &ckpt__pg_gens(w)[i];
        if (gen->token == d->goes) {
            ckpt__pg_gen_free(gen);
            w->gens.n -= sizeof(*gen);
            memmove(gen, gen + 1, w->gens.n - i * sizeof(*gen));
            break;
        }
    }
    ckpt__pg_add(&w->gens, &d->gen, sizeof(d->gen));
    w->version = d->gen.token;
    w->known = true;
    if (w->gens.failed) {
        w->gens.failed = false;
        ckpt__pg_forget(w);                     // and asked for again
        return;
    }
    memset(&d->gen, 0, sizeof(d->gen));         // its memory has moved
}

// Finds out what became of a save that found neither its epoch nor its version:
// the run was begun by somebody else, removed or claimed, or a statement whose
// answer was lost was done late, perhaps that of this save. A save that stands
// may still wait for a standby: a commit that follows does not return before
// the standby has both.
static ckpt_code ckpt__pg_judge_save(ckpt__pg_call *call, ckpt__pg_place *p,
                                     const ckpt__pg_draft *d)
{
    ckpt__pg_reset(call);
    if (p->run == 0) {
        p->doubt = true;
        CKPT__PG_TRY(ckpt__pg_settle(call, p));
        if (p->run == 0) return CKPT_ERR_EXISTS;
    }
    CKPT__PG_TRY(ckpt__pg_load(call, p));
    const ckpt__pg_work *w = p->work;
    if (w->epoch != p->epoch || !w->mine) return CKPT_ERR_CLAIM_LOST;
    const ckpt__pg_gen *gen = ckpt__pg_find_gen(w, p->epoch, d->gen.token);
    if (gen == NULL || gen->seq != d->gen.seq) return CKPT_ERR_UNSURE;
    call->pg->priv.local = false;
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, p->epoch);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "UPDATE ckpt_run SET beat_at = clock_timestamp() "
        "WHERE run = $1 AND epoch = $2 RETURNING run"));
    return ckpt__pg_rows(call) > 0 ? CKPT_OK : CKPT_ERR_CLAIM_LOST;
}

// The method publish().
static ckpt_code ckpt__pg_publish(ckpt_store *s, void *place, ckpt_gen *name,
                                  ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_work *w = p->work;
    ckpt__pg_call call;
    ckpt__pg_draft d;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "save"));
    memset(&d, 0, sizeof(d));
    ckpt__pg_read_end(w);
    ckpt_code rc = ckpt__pg_know(&call, p);
    if (rc == CKPT_OK && (w->epoch != p->epoch || !w->mine)) {
        rc = CKPT_ERR_CLAIM_LOST;
    }
    rc = rc == CKPT_OK ? ckpt__pg_prepare(&call, p, name->seq, &d) : rc;
    const uint64_t token = d.gen.token;
    if (rc == CKPT_OK) {
        const bool first = p->run == 0;
        rc = ckpt__pg_send(&call, p, &d);
        const bool lost = call.lost;
        if (rc == CKPT_ERR_EXISTS ||
            (rc == CKPT_OK && ckpt__pg_rows(&call) == 0)) {
            rc = ckpt__pg_judge_save(&call, p, &d);
            // after a verdict it is known what stands
        } else if (rc == CKPT_OK) {
            p->run = first ? ckpt__pg_col(&call, 0, 0) : p->run;
            w->epoch = p->epoch;
            w->mine = true;
            ckpt__pg_stands(p, &d);
        }
        // Of an attempt that was lost, only a verdict tells what became of it.
        rc = lost && rc != CKPT_OK && rc != CKPT_ERR_CLAIM_LOST &&
             rc != CKPT_ERR_EXISTS ? CKPT_ERR_UNSURE : rc;
    }
    if (rc == CKPT_ERR_UNSURE || rc == CKPT_ERR_CLAIM_LOST) {
        p->doubt = p->run == 0;
        ckpt__pg_forget(w);
    }
    name->token = rc == CKPT_OK ? token : name->token;
    w->beaten = rc == CKPT_OK ? name->seq : 0;
    w->fresh_ms = call.until_ms - call.pg->priv.timeout_ms + 2000;
    if (rc == CKPT_OK && call.pg->priv.local) {
        err->op = "save: no standby has it";
        rc = CKPT_ERR_NOT_DURABLE;
    }
    ckpt__pg_unput(w);
    ckpt__pg_draft_free(&d);
    return ckpt__pg_end(&call, rc);
}

//--- Removing -----------------------------------------------------------------

// What stays in the row of a run: the newest of its two generations that does,
// and the other one.
#define CKPT__PG_STAY(column, prev, none)                                      \
    column " = CASE WHEN $8 = 1 THEN " column " WHEN $9 = 1 THEN " prev        \
    " ELSE " none " END, " prev " = CASE WHEN $8 + $9 = 2 THEN " prev          \
    " ELSE " none " END"

// What a removal takes: all of the run, or generations below an epoch but for
// one, or one alone.
typedef struct ckpt__pg_removal {
    bool     all;
    uint64_t below, claims_below;       // epochs
    uint64_t only, keep;                // tokens
} ckpt__pg_removal;

// Removes generations and their chunks, and claims below an epoch but for our
// own.
static ckpt_code ckpt__pg_remove(ckpt__pg_call *call, ckpt__pg_place *p,
                                 const ckpt__pg_removal *r)
{
    const ckpt__pg_work *w = p->work;
    ckpt__pg_sweep sweep;
    bool row[2] = { false, false };     // the newest stays, the one before it
    memset(&sweep, 0, sizeof(sweep));
    for (size_t i = 0; i < ckpt__pg_gen_count(w); i++) {
        const ckpt__pg_gen *gen = &ckpt__pg_gens(w)[i];
        const bool stays = gen->epoch >= r->below || gen->token == r->keep ||
                           (r->only != 0 && gen->token != r->only);
        ckpt__pg_sweep_add(&sweep, &gen->items, stays);
        if (gen->epoch == p->epoch) {
            row[1] = row[0];
            row[0] = stays;
        }
    }
    ckpt__pg_sweep_end(&sweep);
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, p->epoch);
    ckpt__pg_arg_int(call, w->version);
    ckpt__pg_arg_int(call, r->claims_below);
    ckpt__pg_arg_int(call, r->below);
    ckpt__pg_arg_int(call, r->only);
    ckpt__pg_arg_int(call, r->keep);
    ckpt__pg_arg_int(call, row[0]);
    ckpt__pg_arg_int(call, row[1]);
    ckpt__pg_arg_array(call, CKPT__PG_INT8S, &sweep.gone);
    ckpt__pg_arg_array(call, CKPT__PG_INT8S, &sweep.stay);
    const ckpt_code rc = ckpt__pg_sweep_failed(&sweep) ?
        ckpt__pg_no_memory(call) : ckpt__pg_do(call,
            "WITH mine AS (UPDATE ckpt_run SET version = version + 1, "
            CKPT__PG_STAY("token", "prev_token", "0") ", "
            CKPT__PG_STAY("gen", "prev", "''")
            " WHERE run = $1 AND epoch = $2 AND version = $3 RETURNING run), "
            "claims AS (DELETE FROM ckpt_claim c USING mine "
            "WHERE c.run = mine.run AND c.epoch < $4 AND c.epoch <> $2), "
            "gens AS (DELETE FROM ckpt_gen g USING mine "
            "WHERE g.run = mine.run AND g.epoch < $5 "
            "AND ($6 = 0 OR g.token = $6) AND g.token <> $7), "
            CKPT__PG_SWEEP("$10", "$11")
            "SELECT 1 FROM mine");
    ckpt__pg_sweep_free(&sweep);
    return rc;
}

// Removes the whole run. Where another statement of this owner is still on its
// way, its version is not the one that is known, so that no row of it is left.
static ckpt_code ckpt__pg_remove_all(ckpt__pg_call *call, ckpt__pg_place *p)
{
    ckpt__pg_arg_int(call, p->run);
    ckpt__pg_arg_int(call, p->epoch);
    ckpt__pg_arg_int(call, p->work->version);
    return ckpt__pg_do(call,
        "WITH mine AS (DELETE FROM ckpt_run WHERE run = $1 AND epoch = $2 "
        "AND version = $3 RETURNING run), "
        "claims AS (DELETE FROM ckpt_claim c USING mine "
        "WHERE c.run = mine.run), "
        "gens AS (DELETE FROM ckpt_gen g USING mine WHERE g.run = mine.run), "
        "sweep AS (DELETE FROM ckpt_chunk c USING mine "
        "WHERE c.run = mine.run) SELECT 1 FROM mine");
}

// Removes what a removal takes. gen must be there for that: if it is gone while
// another generation of its epoch is there, the result is gone.
static ckpt_code ckpt__pg_take(ckpt__pg_call *call, ckpt__pg_place *p,
                               const ckpt__pg_removal *r, const ckpt_gen *gen,
                               ckpt_code gone)
{
    ckpt__pg_work *w = p->work;
    ckpt__pg_read_end(w);
    ckpt__pg_forget(w);
    CKPT__PG_TRY(ckpt__pg_settle(call, p));
    if (p->run == 0) return CKPT_OK;
    for (unsigned i = 0; i < 4; i++) {
        CKPT__PG_TRY(ckpt__pg_know(call, p));
        if (w->epoch == 0) return CKPT_OK;      // it is removed
        if (w->epoch != p->epoch || !w->mine) return CKPT_ERR_CLAIM_LOST;
        if (gen != NULL && !ckpt__pg_find_gen(w, gen->epoch, gen->token)) {
            return ckpt__pg_find_gen(w, gen->epoch, 0) ? gone : CKPT_OK;
        }
        const ckpt_code rc = r->all ? ckpt__pg_remove_all(call, p)
                                    : ckpt__pg_remove(call, p, r);
        const bool done = rc == CKPT_OK && ckpt__pg_rows(call) > 0;
        ckpt__pg_forget(w);
        ckpt__pg_reset(call);
        p->removed = p->removed || (done && r->all);
        if (done && call->pg->priv.local) {
            call->err->op = "remove: no standby has it";
            return CKPT_ERR_NOT_DURABLE;
        }
        if (done || rc != CKPT_OK) return rc;
    }
    return CKPT_ERR_BUSY;
}

// The method drop(). All of it goes at once, so that the order does not matter.
// A removal that no standby has is told once: if it is undone, the outcome of
// the run stands again, and the next one that opens the run removes it.
static ckpt_code ckpt__pg_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                               ckpt_extent extent, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "remove"));
    const uint64_t below = extent == CKPT_DROP_OLDER ? gen->epoch : INT64_MAX;
    const ckpt_gen *keep = extent == CKPT_DROP_REST ? gen : NULL;
    const ckpt__pg_removal removal = {
        extent == CKPT_DROP_ALL, below, below, 0,
        keep != NULL ? keep->token : 0
    };
    return ckpt__pg_take(&call, p, &removal, keep, CKPT_ERR_STALE);
}

// The method set_aside(). Nothing is kept for people: a database has its
// backups.
static ckpt_code ckpt__pg_set_aside(ckpt_store *s, void *place,
                                    const ckpt_gen *name, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    CKPT__PG_TRY(ckpt__pg_enter(&call, s, p, err, "set a generation aside"));
    const ckpt__pg_removal removal = { false, INT64_MAX, 0, name->token, 0 };
    return ckpt__pg_take(&call, p, &removal, name, CKPT_OK);
}

//--- The store ----------------------------------------------------------------

// The table of methods, and how a user opens and closes the store.

// The method open(). A leftover is a row that no first save has filled.
static ckpt_code ckpt__pg_open(ckpt_store *s, void *place, const char *id,
                               ckpt_how how, ckpt_error *err)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    ckpt__pg_begin(&call, ckpt__pg_of(s), err, "open a run");
    memset(p, 0, sizeof(*p));
    p->pid = (int64_t)getpid();
    (void)snprintf(p->id, sizeof(p->id), "%s", id);
    if (how != CKPT_HOW_NEW) {
        ckpt__pg_arg(&call, CKPT__PG_BYTEA, p->id, strlen(p->id));
        ckpt__pg_arg_int(&call, how == CKPT_HOW_LEFTOVER);
        CKPT__PG_TRY(ckpt__pg_do(&call, "SELECT run FROM ckpt_run "
                                 "WHERE id = $1 AND (epoch = 0) = ($2 = 1)"));
        const bool found = ckpt__pg_rows(&call) > 0;
        p->run = found ? ckpt__pg_col(&call, 0, 0) : 0;
        ckpt__pg_reset(&call);
        if (!found) return CKPT_ERR_NOT_FOUND;
    }
    p->work = (ckpt__pg_work *)calloc(1, sizeof(*p->work));
    return p->work != NULL ? CKPT_OK : ckpt__pg_no_memory(&call);
}

// The method close(). That the owner has let go need not be durable, and is not
// tried twice: the age of its beat tells it, too.
static void ckpt__pg_close(ckpt_store *s, void *place, bool gave_up)
{
    ckpt__pg_place *p = (ckpt__pg_place *)place;
    ckpt__pg_call call;
    ckpt_error err;
    memset(&err, 0, sizeof(err));
    if (ckpt__pg_enter(&call, s, p, &err, "let go") == CKPT_OK &&
        p->epoch + p->trying != 0 && p->run != 0 && !p->removed) {
        call.once = true;
        ckpt__pg_arg_int(&call, p->run);
        ckpt__pg_arg_int(&call, p->epoch);
        ckpt__pg_arg_int(&call, gave_up || p->trying != 0 ? 2 : 1);
        ckpt__pg_arg(&call, CKPT__PG_BYTEA, p->nonce, strlen(p->nonce));
        (void)ckpt__pg_do(&call,
            "UPDATE ckpt_claim SET state = $3 FROM (SELECT "
            "set_config('synchronous_commit', 'off', true)) AS lax "
            "WHERE run = $1 AND (epoch = $2 OR nonce = $4)");
        ckpt__pg_reset(&call);
    }
    ckpt__pg_forget(p->work);
    ckpt__pg_free(&p->work->gens);
    ckpt__pg_unput(p->work);
    ckpt__pg_read_end(p->work);
    free(p->work);
    p->work = NULL;
}

// Ends a listing. The stage of a cursor is the next row of its page, or
// UINT32_MAX when the listing is over.
static ckpt_code ckpt__pg_end_list(ckpt_cursor *cursor, ckpt_code rc)
{
    PQclear((PGresult *)cursor->priv);
    cursor->priv = NULL;
    cursor->stage = UINT32_MAX;
    return rc;
}

// The method list(), by keyset: an id is never behind one that follows it.
static ckpt_code ckpt__pg_list(ckpt_store *s, ckpt_where where,
                               ckpt_cursor *cursor, char *id, ckpt_error *err)
{
    PGresult *page = (PGresult *)cursor->priv;
    ckpt__pg_call call;
    const int rows = page != NULL ? PQntuples(page) : 0;
    ckpt__pg_begin(&call, ckpt__pg_of(s), err, "list the runs");
    if (id == NULL || cursor->stage == UINT32_MAX) {
        return ckpt__pg_end_list(cursor, CKPT_END);
    }
    if (cursor->stage == (uint32_t)rows) {      // the page is over, or none
        const char *last = rows > 0 ? PQgetvalue(page, rows - 1, 0) : "";
        const int size = rows > 0 ? PQgetlength(page, rows - 1, 0) : 0;
        ckpt__pg_arg(&call, CKPT__PG_BYTEA, last, (size_t)size);
        ckpt__pg_arg_int(&call, where == CKPT_AT_LEFTOVERS);
        const ckpt_code rc = ckpt__pg_do(&call,
            "SELECT id FROM ckpt_run WHERE id > $1 "
            "AND (epoch = 0) = ($2 = 1) ORDER BY id LIMIT 100");
        if (rc != CKPT_OK) return ckpt__pg_end_list(cursor, rc);
        PQclear(page);
        cursor->priv = page = call.res;
        cursor->stage = 0;
        if (PQntuples(page) == 0) return ckpt__pg_end_list(cursor, CKPT_END);
    }
    const int row = (int)cursor->stage++;
    const int n = PQgetlength(page, row, 0);
    const size_t most = n < CKPT_ID_MAX ? (size_t)n : CKPT_ID_MAX;
    memcpy(id, PQgetvalue(page, row, 0), most);
    id[most] = '\0';
    return CKPT_OK;
}

// The method env().
static ckpt_code ckpt__pg_env(ckpt_store *s, void *place, ckpt_moment *now,
                              ckpt_error *err)
{
    const ckpt__pg_place *p = (const ckpt__pg_place *)place;
    (void)s, (void)err;
    now->mono_ms = ckpt__pg_clock_ms(CLOCK_MONOTONIC);
    now->wall_ms = ckpt__pg_clock_ms(CLOCK_REALTIME);
    return p == NULL || p->pid == (int64_t)getpid() ? CKPT_OK : CKPT_ERR_FORKED;
}

static const ckpt_store_methods ckpt__pg_methods = {
    CKPT_STORE_VERSION, sizeof(ckpt__pg_place), 0, ckpt__pg_open, ckpt__pg_list,
    ckpt__pg_look, ckpt__pg_claim, ckpt__pg_alive, ckpt__pg_beat, ckpt__pg_read,
    ckpt__pg_put, ckpt__pg_publish, ckpt__pg_set_aside, ckpt__pg_drop,
    ckpt__pg_env, ckpt__pg_close
};

// Fills in what a call of the user's says about its result.
static ckpt_code ckpt__pg_tell(ckpt_error *err, ckpt_code rc)
{
    err->code = rc;
    err->msg = ckpt_code_message(rc);
    err->op = rc != CKPT_OK && err->op != NULL ? err->op : "";
    return rc;
}

// Looks whether the tables are there, of this version, and in which schema.
static ckpt_code ckpt__pg_look_at_tables(ckpt__pg_call *call)
{
    ckpt__pg_arg_int(call, 0);
    CKPT__PG_TRY(ckpt__pg_do(call,
        "SELECT max(s.version), min(quote_ident(n.nspname::text)) "
        "FROM ckpt_schema s, pg_catalog.pg_class c, pg_catalog.pg_namespace n "
        "WHERE c.oid = s.tableoid AND n.oid = c.relnamespace "
        "AND s.version > $1"));
    ckpt_store_pg *pg = call->pg;
    const size_t n = sizeof(pg->priv.schema);
    const bool fits =
        ckpt__pg_col(call, 0, 0) == 1 &&
        (size_t)PQgetlength(call->res, 0, 1) < n - 1;
    if (fits) {
        (void)snprintf(pg->priv.schema, n, "%s.", PQgetvalue(call->res, 0, 1));
    }
    ckpt__pg_reset(call);
    call->err->op = "look at the tables: they are of another version";
    return fits ? CKPT_OK : CKPT_ERR_FORMAT;
}

// Makes the tables that are missing. Two that do this at once disturb each
// other, so it is tried again; the text bears that.
static ckpt_code ckpt__pg_make_tables(ckpt__pg_call *call)
{
    ckpt_code rc = CKPT_OK;
    for (unsigned i = 0; i < 5; i++) {
        ckpt__pg_reset(call);
        call->op = "make the tables";
        rc = ckpt__pg_do(call, ckpt__pg_tables);
        if (rc != CKPT_ERR_IO || !ckpt__pg_back_off(call, 5)) break;
    }
    ckpt__pg_reset(call);
    CKPT__PG_TRY(rc);
    return ckpt__pg_look_at_tables(call);
}

CKPT_API ckpt_code ckpt_store_pg_open(ckpt_store_pg *pg,
                                      const ckpt_store_pg_desc *desc,
                                      ckpt_error *err)
{
    ckpt_error unused;
    ckpt__pg_call call;
    err = err != NULL ? err : &unused;
    memset(err, 0, sizeof(*err));
    memset(pg, 0, sizeof(*pg));
    pg->priv.methods = ckpt__pg_methods;
    pg->priv.methods.size_max = desc->size_max;
    pg->base.methods = &pg->priv.methods;
    pg->base.caps = CKPT_CAP_FENCED_WRITE;
    pg->priv.timeout_ms = desc->timeout_ms > 0 ? desc->timeout_ms : 10000;
    pg->priv.hosts = 1;
    err->op = "read the options";
    if (desc->conninfo == NULL || desc->timeout_ms < 0) {
        return ckpt__pg_tell(err, CKPT_ERR_ARGUMENT);
    }
    PQconninfoOption *options = PQconninfoParse(desc->conninfo, NULL);
    if (options == NULL) return ckpt__pg_tell(err, CKPT_ERR_ARGUMENT);
    PQconninfoFree(options);
    const size_t n = strlen(desc->conninfo) + 1;
    ckpt__pg_begin(&call, pg, err, "look at the tables");
    pg->priv.conninfo = (char *)malloc(n);
    if (pg->priv.conninfo == NULL) {
        return ckpt__pg_tell(err, ckpt__pg_no_memory(&call));
    }
    memcpy(pg->priv.conninfo, desc->conninfo, n);
    call.once = true;                           // nobody there: say so at once
    ckpt_code rc = ckpt__pg_look_at_tables(&call);
    ckpt__pg_reset(&call);
    if (rc == CKPT_ERR_NOT_FOUND && pg->priv.conn != NULL && desc->create) {
        rc = ckpt__pg_make_tables(&call);
    }
    rc = rc == CKPT_OK ? ckpt__pg_draw(&call) : rc;
    ckpt__pg_reset(&call);
    if (rc != CKPT_OK) {
        ckpt_store_pg_close(pg);
    }
    return ckpt__pg_tell(err, rc);
}

CKPT_API void ckpt_store_pg_close(ckpt_store_pg *pg)
{
    ckpt__pg_hang_up(pg);
    free(pg->priv.conninfo);
    pg->priv.conninfo = NULL;
}

CKPT_API const char *ckpt_store_pg_message(const ckpt_store_pg *pg)
{
    return pg->priv.message;
}

//--- End of the implementation ------------------------------------------------

#undef CKPT__PG_CHUNKS
#undef CKPT__PG_MS
#undef CKPT__PG_RANGES
#undef CKPT__PG_SAVE
#undef CKPT__PG_STAY
#undef CKPT__PG_SWEEP
#undef CKPT__PG_TABLE
#undef CKPT__PG_TRY

#endif /* CKPT_STORE_PG_IMPLEMENTATION_DONE */
#endif /* CKPT_STORE_PG_IMPLEMENTATION */
