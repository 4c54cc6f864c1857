// SPDX-License-Identifier: MIT-0
/*
    ckpt.c -- the command: looks at runs, checks them, and cleans up

        ckpt [-C DIR] [--json] COMMAND ...

    "ckpt help" lists the commands; ckpt(1) is the manual. The command needs
    ckpt and POSIX, and nothing else. It uses the public functions only, so it
    also shows how to look at a store with them.

        cc -std=c99 -pthread -I. -I/usr/include/stb -o ckpt examples/ckpt.c

    With libpq it looks at runs in PostgreSQL, too: DIR is a connection string
    then.

        cc -std=c99 -pthread -DCKPT_WITH_PG -I. -I/usr/include/stb \
            -I/usr/include/postgresql -o ckpt examples/ckpt.c -lpq

    Two rules hold throughout. Looking creates nothing: a command that only
    looks opens the store through a table of system calls that refuses every
    call which would make, move or remove a file, or through a table of methods
    that refuses to claim a run. And nothing that another process wrote (an id,
    a reason, an owner) reaches the terminal or a page before it is escaped: it
    could move the cursor, or hide another run.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#ifdef CKPT_WITH_PG
    #define CKPT_STORE_PG_IMPLEMENTATION
    #include "ckpt_store_pg.h"
#endif

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

enum {                                  // exit codes; others mean failure, too
    DONE, FAILED, USAGE, NOTHING, BUSY, FINDINGS, LOST
};

enum {
    STATES        = 12,
    STATE_WIDTH   = 11,                 // strlen("interrupted")
    ID_WIDTH      = 24,
    TEXT_MAX      = 4 * CKPT_REASON_MAX + 1,    // a text whose bytes are
                                                // all escaped
    ROWS_MAX      = 65536,              // that are sorted at a time
    NOT_ATTENTION = 6,                  // the first rank that is in order
    THREADS       = 4,                  // of a scan of more than
    FEW           = 32,                 // runs
    PROGRESS_MS   = 1000
};

//--- States -------------------------------------------------------------------

// What needs a person comes first; the rank is the place in this table. The
// colour is of the word alone, and says nothing that the word does not say. In
// the sentences a sign stands for: %i the id, %t the turn, %a how long ago the
// last beat was, %o the owner, %m the error, %e the outcome, %w seconds to
// wait, %x whatever else must be known.
static const struct state {
    uint32_t    bit;
    const char *name, *colour, *why;
} states[STATES] = {
    { CKPT_STATE_DAMAGED, "damaged", "31",
      "is damaged: no generation of it is whole%x. The fallback of "
      "ckpt_recover gets it; to give it up: ckpt rm %i" },
    { CKPT_STATE_NEWER, "newer", "31",
      "is too new: %m%x. Use a newer ckpt." },
    { CKPT_STATE_UNREADABLE, "unreadable", "31",
      "is unreadable: %m%x. Mend the disk or the permissions." },
    { CKPT_STATE_FOREIGN, "foreign", "31",
      "is foreign: %m%x. Find out who copied or renamed its directory." },
    { CKPT_STATE_EXHAUSTED, "exhausted", "31",
      "was interrupted in turn %t, was last heard of %a, and has no attempt "
      "left%x. Remove the cause, then: ckpt retry %i" },
    { CKPT_STATE_FAILED, "failed", "31",
      "failed in turn %t, and is kept%x. To try again: ckpt retry %i" },
    { CKPT_STATE_STALLED, "stalled", "33",
      "is stalled in turn %t: its owner %o lives, and last beat %a%x. Look at "
      "that process; once it has ended, the run can be resumed." },
    { CKPT_STATE_INTERRUPTED, "interrupted", "33",
      "was interrupted in turn %t, and last heard of %a%x. The next program "
      "that opens or recovers it resumes it." },
    { CKPT_STATE_BUSY, "busy", "33",
      "is changing, or several claimants crashed in it%x. Look again in "
      "%w s." },
    { CKPT_STATE_FINISHED, "finished", "36",
      "has ended (%e), and is not wholly removed%x. To remove the rest: ckpt "
      "sweep" },
    { CKPT_STATE_LIVE, "live", "32",
      "is live in turn %t: its owner %o beat %a%x. Nothing is to be done." },
    { CKPT_STATE_DONE, "done", "36",
      "is done since turn %t, and is kept so that its work is not done "
      "twice%x. To remove it: ckpt rm %i" }
};

static const char *const outcomes[] = {
    "running", "completed", "failed", "interrupted", "retry", "done", "dead",
    "removed"
};

static size_t rank_of(ckpt_run_state state)
{
    size_t i = 0;
    while (i < STATES - 1 && states[i].bit != (uint32_t)state) {
        i++;
    }
    return i;
}

//--- The invocation -----------------------------------------------------------

static struct options {
    const char *dir, *agent, *parent, *colour;
    const char *part;                   // of a checkpoint; "": all of it
    uint32_t    states, fail_if;
    int64_t     older_ms, lease_ms, resume_max, delay_ms;
    bool        json, exact, quiet, kept, idle, dry_run;
    char      **ids;                    // the operands
    int         count;
} opt = { .colour = "auto", .delay_ms = 2000 };

static bool coloured, utf8;             // what the output can show
static int  columns;                    // width of the terminal; 0: no limit

// What the system calls of a command that only looks know of their store.
typedef struct eyes {
    bool         unprobed;              // the store has no .probe,
    int          stand_in;              // and this descriptor stands for it
    bool         asked;
    ckpt_fs_self self;                  // once asked
} eyes;

static struct base {
    ckpt_store   *store;                // one of the next two
    ckpt_store_fs fs;
#ifdef CKPT_WITH_PG
    ckpt_store_pg      pg;
    ckpt_store_methods methods;         // of pg
#endif
    const char   *name;                 // of the store, for people
    ckpt_desc     desc;                 // of the contexts
    ckpt_ctx      ctx;
    ckpt_ctx      inner;                // for calls in the visit of a scan
    ckpt_run      run;                  // for the calls that need one
    ckpt_fs_calls calls;
    eyes          eyes;
} base;

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
    stopped = sig;
}

// Milliseconds since 1970.
static int64_t wall_ms(void)
{
    struct timespec t = { 0, 0 };
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

//--- Text for people ----------------------------------------------------------

// Decodes one character of UTF-8. Returns its length, 0 if there is none.
static size_t decode(const char *text, uint32_t *c)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    const size_t more = (size_t)(*p >= 0xc0) + (*p >= 0xe0) + (*p >= 0xf0);
    if (*p < 0x80) {
        *c = *p;
        return 1;
    }
    if (*p < 0xc0 || *p > 0xf4) return 0;
    *c = *p & (0x3fU >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        *c = *c << 6 | (p[i] & 0x3fU);
    }
    const bool wrong = *c < least[more] || *c > 0x10ffff ||
                       (*c >= 0xd800 && *c <= 0xdfff);
    return wrong ? 0 : more + 1;
}

// Tells whether a character moves the cursor, is invisible, or changes the
// direction of what follows.
static bool is_dangerous(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

// Plain ASCII, one column wide, and not the backslash that escapes.
static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '\\';
}

// Writes text into out so that it is harmless and unique: each byte of what is
// dangerous or no UTF-8 becomes \xNN, and a backslash becomes two. unescape()
// is the way back, so every id can be given to a command as it was shown. Most
// texts are plain, and a listing of many runs should not take long over them.
static const char *escape(char *out, size_t cap, const char *text)
{
    size_t n = 0, size;
    uint32_t c;
    for (; *text != '\0' && n + 17 < cap; text += size) {
        size = 1;
        if (is_plain(*text)) {
            out[n++] = *text;
            continue;
        }
        size = decode(text, &c);
        const bool keep = size > 0 && !is_dangerous(c) && (utf8 || c < 0x80);
        size = size > 0 ? size : 1;
        if (keep && c == '\\') out[n++] = '\\';
        for (size_t i = 0; i < size; i++) {
            if (keep) {
                out[n++] = text[i];
            } else {
                n += (size_t)snprintf(out + n, 5, "\\x%02x",
                                      (unsigned)(unsigned char)text[i]);
            }
        }
    }
    out[n] = '\0';
    return out;
}

static void unescape(char *text)
{
    char *out = text;
    for (; *text != '\0'; text++) {
        unsigned byte = 0;
        if (text[0] == '\\' && text[1] == '\\') {
            text++;
        } else if (sscanf(text, "\\x%2x", &byte) == 1 && byte > 0 &&
                   strspn(text + 2, "0123456789abcdefABCDEF") >= 2) {
            *out++ = (char)byte;
            text += 3;
            continue;
        }
        *out++ = *text;
    }
    *out = '\0';
}

// How many columns a character takes.
static size_t columns_of(uint32_t c)
{
    const bool wide = (c >= 0x1100 && c <= 0x115f) ||
        (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
        (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) ||
        (c >= 0xff00 && c <= 0xff60) || (c >= 0xffe0 && c <= 0xffe6) ||
        (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
    if (c >= 0x300 && c <= 0x36f) return 0;
    return wide ? 2 : 1;
}

static size_t width_of(const char *text)
{
    size_t width = 0, size;
    uint32_t c;
    for (; *text != '\0'; text += size) {
        size = 1;
        if (is_plain(*text)) {
            width++;
            continue;
        }
        size = decode(text, &c);
        width += size > 0 ? columns_of(c) : 1;
        size = size > 0 ? size : 1;
    }
    return width;
}

// Takes the middle out of a text of TEXT_MAX bytes that is too wide: names of
// runs often differ at the end. Only on a terminal, where a longer text would
// break the line.
static void shorten(char *text, size_t width)
{
    const char *mark = utf8 ? "\xe2\x80\xa6" : "~";
    size_t at = 0, from, left = 0, size;
    uint32_t c;
    if (columns == 0 || width_of(text) <= width) return;
    while ((size = decode(text + at, &c)) > 0 &&
           left + columns_of(c) <= (width - 1) / 2) {
        left += columns_of(c);
        at += size;
    }
    for (from = at; left + 1 + width_of(text + from) > width; from += size) {
        size = decode(text + from, &c);
        size = size > 0 ? size : 1;
    }
    char tail[TEXT_MAX];
    snprintf(tail, sizeof(tail), "%s", text + from);
    snprintf(text + at, TEXT_MAX - at, "%s%s", mark, tail);
}

// Writes the digits of a number before end. printf would take most of the time
// of ls.
static char *digits(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

// A span of time in at most four characters: 12s, 34m, 11h, 2d.
static const char *age_text(char out[24], int64_t ms)
{
    static const struct { int64_t ms; char unit; } units[] = {
        { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' }, { 1000, 's' }
    };
    size_t i = 0;
    if (ms < 0) return "-";
    while (i < 3 && ms < units[i].ms) {
        i++;
    }
    out[22] = units[i].unit;
    out[23] = '\0';
    return digits(out + 22, (uint64_t)(ms / units[i].ms));
}

static const char *size_text(char out[24], uint64_t bytes)
{
    static const char units[] = "BKMG";
    size_t i = 0;
    uint64_t tenths = bytes * 10;
    for (; i < 3 && tenths >= 10240; i++) {
        tenths /= 1024;
    }
    char *text = out + 22;
    text[0] = units[i];
    text[1] = '\0';
    if (i > 0 && tenths < 100) {
        text = digits(text, tenths % 10);
        *--text = '.';
    }
    return digits(text, tenths / 10);
}

// RFC 3339, or "-" for an unknown time.
static const char *time_text(char out[40], int64_t ms)
{
    const time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    if (ms <= 0 || gmtime_r(&seconds, &t) == NULL) return "-";
    const size_t n = strftime(out, 34, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, 40 - n, ".%03dZ", (int)(ms % 1000));
    return out;
}

static const char *attempts_text(char out[32], const ckpt_run_info *info)
{
    char *text = out + 31;
    *text = '\0';
    if (opt.resume_max != CKPT_UNLIMITED) {
        text = digits(text, opt.resume_max > 0 ? (uint64_t)opt.resume_max : 0);
        *--text = '/';
    }
    return digits(text, info->attempt);
}

//--- JSON ---------------------------------------------------------------------

// One object a line; keys are only ever added. The buffer is large enough for
// every text of a run, all of it escaped.
static char json_buf[32768];

static void json_begin(ckpt_json *w)
{
    ckpt_json_init(w, json_buf, sizeof(json_buf) - 1);
    w->replace = true;                  // an id need not be UTF-8
    ckpt_json_open(w, '{');
    ckpt_json_key(w, "v");
    ckpt_json_int(w, 1);
}

static void json_end(ckpt_json *w, FILE *to)
{
    ckpt_bytes line;
    ckpt_json_close(w);
    if (ckpt_json_done(w, &line) == CKPT_OK) {
        fwrite(line.ptr, 1, line.len, to);
        putc('\n', to);
    }
}

static void json_int(ckpt_json *w, const char *key, int64_t value)
{
    ckpt_json_key(w, key);
    ckpt_json_int(w, value);
}

static void json_bool(ckpt_json *w, const char *key, bool value)
{
    ckpt_json_key(w, key);
    ckpt_json_bool(w, value);
}

static void json_text(ckpt_json *w, const char *key, const char *text)
{
    ckpt_json_key(w, key);
    if (text[0] != '\0') {
        ckpt_json_string(w, ckpt_text(text));
    } else {
        ckpt_json_null(w);
    }
}

static const char *code_name(ckpt_code code)
{
    switch (code) {
#define CKPT_X(name, value, message) case CKPT_##name: return #name;
    CKPT_CODE_MAP(CKPT_X)
#undef CKPT_X
    }
    return "UNKNOWN";
}

static void json_error(ckpt_json *w, const ckpt_error *error)
{
    ckpt_json_key(w, "error");
    ckpt_json_open(w, '{');
    json_int(w, "code", error->code);
    json_text(w, "name", code_name(error->code));
    json_int(w, "sys", error->sys);
    json_int(w, "pos", (int64_t)error->pos);
    json_text(w, "op", error->op != NULL ? error->op : "");
    json_text(w, "message", error->msg != NULL ? error->msg : "");
    ckpt_json_close(w);
}

// The members of ckpt_run_info under their names, and what is made of them:
// arg is the id as a command takes it, and times are also texts.
static void json_info(ckpt_json *w, const ckpt_run_info *info)
{
    char text[TEXT_MAX], time[40];
    json_text(w, "id", info->id);
    json_text(w, "arg", escape(text, sizeof(text), info->id));
    json_text(w, "state", states[rank_of(info->state)].name);
    json_text(w, "outcome", outcomes[info->outcome]);
    json_int(w, "epoch", (int64_t)info->epoch);
    json_int(w, "seq", (int64_t)info->seq);
    json_int(w, "turn", (int64_t)info->turn);
    json_int(w, "turn_max", (int64_t)info->turn_max);
    json_int(w, "size", (int64_t)info->size);
    json_int(w, "messages", (int64_t)info->messages);
    json_int(w, "attempt", info->attempt);
    json_int(w, "phases", info->phases);
    json_int(w, "uncertain", info->uncertain);
    json_int(w, "held", info->held);
    json_int(w, "saved_at_ms", info->saved_at_ms);
    json_text(w, "saved_at", info->saved_at_ms > 0 ?
              time_text(time, info->saved_at_ms) : "");
    json_int(w, "beat_age_ms", info->beat_age_ms);
    json_int(w, "wait_ms", info->wait_ms);
    json_bool(w, "older", info->older);
    json_bool(w, "once", info->once);
    json_bool(w, "lost", info->lost);
    json_bool(w, "verified", info->verified);
    json_text(w, "birth", info->birth);
    json_text(w, "owner", info->owner);
    json_text(w, "agent_id", info->agent_id);
    json_text(w, "agent_name", info->agent_name);
    json_text(w, "task_id", info->task_id);
    json_text(w, "parent_run_id", info->parent_run_id);
    json_text(w, "reason", info->reason);
    if (info->error.code != CKPT_OK) {
        json_error(w, &info->error);
    }
}

// One run on a line, and one more fact about it.
static void json_run(const ckpt_run_info *info, const char *key, bool value)
{
    ckpt_json w;
    json_begin(&w);
    json_info(&w, info);
    if (key != NULL) json_bool(&w, key, value);
    json_end(&w, stdout);
}

//--- Errors -------------------------------------------------------------------

// What the database said about an error: the first line of that.
static void put_said(const ckpt_error *error)
{
#ifdef CKPT_WITH_PG
    char text[TEXT_MAX], line[256];
    const char *said = ckpt_store_pg_message(&base.pg);
    if (error->op == NULL || error->op[0] == '\0' || said[0] == '\0') return;
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(said, "\n"), said);
    fprintf(stderr, ": %s", escape(text, sizeof(text), line));
#else
    (void)error;
#endif
}

// Says what failed, and with what exit code the command ends. what may be an
// id, so it is escaped.
static int fail(const char *what, const ckpt_error *error)
{
    char text[TEXT_MAX];
    ckpt_json w;
    escape(text, sizeof(text), what);
    if (opt.json) {
        json_begin(&w);
        json_text(&w, "arg", text);
        json_error(&w, error);
        json_end(&w, stderr);
    } else {
        fprintf(stderr, "ckpt: %s: %s", text, error->msg);
        if (error->op != NULL && error->op[0] != '\0') {
            fprintf(stderr, " (%s)", error->op);
        }
        if (error->sys != 0) fprintf(stderr, ": %s", strerror(error->sys));
        put_said(error);
        putc('\n', stderr);
    }
    switch (error->code) {
    case CKPT_ERR_NOT_FOUND: return NOTHING;
    case CKPT_ERR_CLAIM_LOST: return LOST;
    case CKPT_ERR_LIVE:
    case CKPT_ERR_BUSY: return BUSY;
    default: return FAILED;
    }
}

static int fail_as(const char *what, ckpt_code code, const char *msg)
{
    return fail(what, &(ckpt_error){ .code = code, .msg = msg });
}

static int usage(const char *what, const char *why)
{
    char text[TEXT_MAX];
    fprintf(stderr, "ckpt: %s: %s; see: ckpt help\n",
            escape(text, sizeof(text), what), why);
    return USAGE;
}

//--- The store ----------------------------------------------------------------

// The table of system calls for a command that only looks: whatever would
// change the store is refused. Observers read the clock of the file system from
// a file that they touch. If the store has none, the clock of this machine is
// taken, which is right on local file systems; elsewhere the file is made, as
// every observer does, because an age would be wrong without it.

static int look_refuse_name(void *u, int dir, const char *name)
{
    (void)u;
    (void)name;
    return dir < 0 ? -EEXIST : -EROFS;  // mkdir of the root: it is there
}

static int look_refuse_names(void *u, int dir, const char *from, int to_dir,
                             const char *to)
{
    (void)u;
    (void)dir;
    (void)from;
    (void)to_dir;
    (void)to;
    return -EROFS;
}

static int look_refuse_mode(void *u, int fd, uint32_t mode)
{
    (void)u;
    (void)fd;
    (void)mode;
    return -EROFS;
}

static int look_sync(void *u, int fd)
{
    (void)u;
    (void)fd;
    return 0;                           // nothing was written
}

static int look_open(void *u, int dir, const char *name, int flags)
{
    const ckpt_fs_calls *sys = ckpt_store_fs_calls();
    const bool is_probe = strcmp(name, ".probe") == 0;
    eyes *e = u;
    int fd = -ENOENT;
    if (!(flags & CKPT_FS_WRITE)) return sys->open(u, dir, name, flags);
    if (!is_probe && strncmp(name, ".seen-", 6) != 0) return -EROFS;
    if (!is_probe || !e->unprobed) {
        fd = sys->open(u, dir, name, flags & ~CKPT_FS_CREATE);
    }
    if (!is_probe || fd != -ENOENT) return fd;
    if (!e->unprobed && sys->local(u, dir) == 0) {
        return sys->open(u, dir, name, flags);
    }
    e->unprobed = true;
    return e->stand_in = sys->open(u, dir, ".", CKPT_FS_DIR);
}

static int look_stat_plain(void *u, int fd, ckpt_fs_stat *st)
{
    const eyes *e = u;
    const int r = ckpt_store_fs_calls()->stat_plain(u, fd, st);
    st->is_file = st->is_file || (e->unprobed && fd == e->stand_in);
    return r;
}

// Who this process is does not change between two runs.
static int look_self(void *u, ckpt_fs_self *self)
{
    eyes *e = u;
    const int r = e->asked ? 0 : ckpt_store_fs_calls()->self(u, &e->self);
    e->asked = r >= 0;
    *self = e->self;
    return r;
}

static int look_touch(void *u, int fd)
{
    const eyes *e = u;
    return e->unprobed ? 0 : ckpt_store_fs_calls()->touch(u, fd);
}

static int look_stat_at(void *u, int dir, const char *name, ckpt_fs_stat *st)
{
    const ckpt_fs_calls *sys = ckpt_store_fs_calls();
    const eyes *e = u;
    if (!e->unprobed || strcmp(name, ".probe") != 0) {
        return sys->stat_at(u, dir, name, st);
    }
    const int r = sys->stat_at(u, dir, ".", st);
    st->mtime_ns = wall_ms() * 1000000;
    return r;
}

// What fails with one run while many are pruned or swept is an event.
static uint32_t failures;

static void on_event(void *user, const ckpt_event *event)
{
    (void)user;
    if (event->kind == CKPT_EVENT_DELETE_FAILED && event->error != NULL) {
        failures++;
        (void)fail(event->id, event->error);
    }
}

static int open_directory(bool looks)
{
    struct stat st;
    ckpt_error e;
    ckpt_fs_calls *calls = &base.calls;
    base.name = opt.dir;
    // A store that does not exist would be made: a mistyped name would show an
    // empty one.
    if (stat(opt.dir, &st) < 0) {
        return fail(opt.dir, &(ckpt_error){ .code = CKPT_ERR_NOT_FOUND,
            .sys = errno, .msg = "there is no such store" });
    }
    *calls = *ckpt_store_fs_calls();
    if (looks) {
        calls->open = look_open;
        calls->sync = look_sync;
        calls->self = look_self;
        calls->stat_at = look_stat_at;
        calls->stat_plain = look_stat_plain;
        calls->mkdir = calls->rmdir = calls->unlink = look_refuse_name;
        calls->rename = calls->link = look_refuse_names;
        calls->touch = look_touch;
        calls->chmod = look_refuse_mode;
    }
    if (ckpt_store_fs_open(&base.fs, &(ckpt_store_fs_desc){
            .dir = opt.dir, .calls = calls, .calls_user = &base.eyes }, &e)) {
        return fail(opt.dir, &e);
    }
    base.store = &base.fs.base;
    return DONE;
}

// Tells whether a store is a database: a URI, or a list such as "host=db1
// dbname=agents". A directory that is called so is given as "./host=db1".
static bool is_database(const char *store)
{
    const size_t word = strspn(store, "abcdefghijklmnopqrstuvwxyz_");
    const char *behind = store + word + strspn(store + word, " ");
    return strncmp(store, "postgresql://", 13) == 0 ||
           strncmp(store, "postgres://", 11) == 0 ||
           (word > 0 && *behind == '=');
}

#ifdef CKPT_WITH_PG

// The name of a database for people. The string itself may hold a password.
static void name_database(void)
{
    static char name[400];
    PQconninfoOption *options = PQconninfoParse(opt.dir, NULL);
    const char *host = "", *database = "";
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        const char *value = o->val != NULL ? o->val : "";
        host = strcmp(o->keyword, "host") == 0 ? value : host;
        database = strcmp(o->keyword, "dbname") == 0 ? value : database;
    }
    snprintf(name, sizeof(name), "database%s%.100s%s%.250s",
             database[0] != '\0' ? " " : "", database,
             host[0] != '\0' ? " on " : "", host);
    PQconninfoFree(options);
    base.name = name;
}

static ckpt_code look_refuse_claim(ckpt_store *s, void *place, uint64_t epoch,
                                   const char *owner,
                                   char nonce[CKPT_NONCE_MAX + 1],
                                   ckpt_error *err)
{
    (void)s;
    (void)place;
    (void)epoch;
    (void)owner;
    (void)nonce;
    err->op = "claim a run: this command only looks";
    return CKPT_ERR_ACCESS;
}

static int open_database(bool looks)
{
    ckpt_error e;
    name_database();
    const ckpt_code rc = ckpt_store_pg_open(&base.pg, &(ckpt_store_pg_desc){
        .conninfo = opt.dir }, &e);
    if (rc == CKPT_ERR_ARGUMENT) {
        return usage(base.name, "the connection string is wrong");
    }
    if (rc != CKPT_OK) return fail(base.name, &e);
    // All that changes a run needs a claim.
    base.methods = *base.pg.base.methods;
    base.methods.claim = looks ? look_refuse_claim : base.methods.claim;
    base.pg.base.methods = &base.methods;
    base.store = &base.pg.base;
    return DONE;
}

#else

static int open_database(bool looks)
{
    (void)looks;
    return fail_as("database", CKPT_ERR_ARGUMENT, "this ckpt was built without "
                   "libpq, and takes only a directory");
}

#endif

static void close_store(void)
{
    ckpt_store_fs_close(&base.fs);
#ifdef CKPT_WITH_PG
    ckpt_store_pg_close(&base.pg);
#endif
}

static int open_store(bool looks)
{
    const int code = is_database(opt.dir) ? open_database(looks)
                                          : open_directory(looks);
    if (code != DONE) return code;
    base.desc = (ckpt_desc){ .store = base.store, .owner = "ckpt(1)",
        .event = on_event, .lease_ms = opt.lease_ms,
        .resume_max = (int32_t)opt.resume_max,
        .size_max = CKPT_SIZE_MAX };    // whatever the programs allow
    const ckpt_desc full = ckpt_desc_defaults(&base.desc);
    if (ckpt_init(&base.ctx, &base.desc)) {
        return fail("options", ckpt_last_error(&base.ctx));
    }
    opt.resume_max = full.resume_max;
    base.inner = base.ctx;              // no run uses it yet
    return DONE;
}

// Proves that a record is whole. Its sum goes over what follows the first line,
// and then over that line without the eight digits of the sum, which begin at
// byte 17.
static bool is_whole(ckpt_bytes record)
{
    unsigned crc = 0;
    const char *text = record.ptr;
    const char *end = record.len > 0 ? memchr(text, '\n', record.len) : NULL;
    if (end == NULL || end - text < 25 ||
        sscanf(text, "{\"ckpt\":1,\"crc\":\"%8x", &crc) != 1) {
        return false;
    }
    const size_t head = (size_t)(end + 1 - text);
    uint32_t sum = ckpt_crc32c(0, text + head, record.len - head);
    sum = ckpt_crc32c(sum, text, 17);
    sum = ckpt_crc32c(sum, text + 25, head - 25);
    return sum == crc && ckpt_json_check(record, NULL) == CKPT_OK;
}

// Proves that a record is whole, and the one that info describes.
static bool is_record(ckpt_bytes record, const ckpt_run_info *info)
{
    int64_t epoch = 0, seq = 0;
    return is_whole(record) &&
        ckpt_json_number(ckpt_json_get(record, "epoch"), &epoch) == CKPT_OK &&
        ckpt_json_number(ckpt_json_get(record, "seq"), &seq) == CKPT_OK &&
        (uint64_t)epoch == info->epoch && (uint64_t)seq == info->seq;
}

// Reads the checkpoint that info describes, without a claim. The caller frees
// the buffer. NULL if the run has no such checkpoint, or none any more.
static char *peek(const ckpt_run_info *info, ckpt_bytes *record)
{
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)] = { 0 };
    ckpt_store *s = base.store;
    ckpt_look look = { 0 };
    ckpt_error e = { 0 };
    size_t got = 0;
    bool found = false;
    char *buf = info->size > 0 ? malloc((size_t)info->size + 1) : NULL;
    if (buf == NULL) return NULL;
    if (s->methods->open(s, place, info->id, CKPT_HOW_FIND, &e) != CKPT_OK) {
        free(buf);
        return NULL;
    }
    if (s->methods->look(s, place, CKPT_TURN_MAX, &look, &e) != CKPT_OK) {
        look.count = 0;
    }
    for (unsigned i = 0; i < look.count && !found; i++) {
        found = s->methods->read(s, place, &look.gens[i], 0, buf,
                                 (size_t)info->size, &got, &e) == CKPT_OK &&
                is_record((ckpt_bytes){ buf, got }, info);
    }
    s->methods->close(s, place, false);
    *record = (ckpt_bytes){ buf, got };
    buf[got] = '\0';
    if (!found) {
        free(buf);
        buf = NULL;
    }
    return buf;
}

//--- Cells --------------------------------------------------------------------

// A member of the record, as text: an empty one if it is no string.
static const char *member(char out[TEXT_MAX], ckpt_bytes object,
                          const char *key)
{
    if (ckpt_json_text(ckpt_json_get(object, key), out, TEXT_MAX, NULL)) {
        out[0] = '\0';
    }
    return out;
}

enum {
    STATE, RUN, BEAT, TRY, SAVED, AGENT, TASK, PARENT, OWNER, REASON, BIRTH,
    TURN, PHASES, UNCERTAIN, SIZE, MESSAGES, HELD, EPOCH, SEQ, COLUMNS
};

static const struct column {
    const char *name, *title;
    int         width;                  // negative: to the left
} all_columns[COLUMNS] = {
    { "state",  "STATE",  -STATE_WIDTH }, { "run",    "RUN",    -ID_WIDTH },
    { "beat",   "BEAT",     5 },          { "try",    "TRY",      5 },
    { "saved",  "SAVED",  -24 },          { "agent",  "AGENT",  -16 },
    { "task",   "TASK",   -16 },          { "parent", "PARENT", -24 },
    { "owner",  "OWNER",  -32 },          { "reason", "REASON", -32 },
    { "birth",  "BIRTH",  -26 },          { "turn",   "TURN",     6 },
    { "phases", "PHASES",   6 },          { "unc",    "UNC",      3 },
    { "size",   "SIZE",     6 },          { "msgs",   "MSGS",     6 },
    { "held",   "HELD",     4 },          { "epoch",  "EPOCH",    5 },
    { "seq",    "SEQ",      7 }
};

static int chosen[COLUMNS], widths[COLUMNS], chosen_count;

// Reads a list such as "state,run".
static bool choose_columns(const char *list)
{
    for (chosen_count = 0; chosen_count < COLUMNS; list++) {
        const size_t n = strcspn(list, ",");
        int i = 0;
        while (i < COLUMNS && (strlen(all_columns[i].name) != n ||
                               strncmp(all_columns[i].name, list, n) != 0)) {
            i++;
        }
        if (i == COLUMNS) return false;
        widths[chosen_count] = all_columns[i].width;
        chosen[chosen_count++] = i;
        list += n;
        if (*list == '\0') return true;
    }
    return false;
}

// Gives the run column what the terminal has left.
static void fit_columns(void)
{
    int others = chosen_count - 1, at = -1;
    for (int i = 0; i < chosen_count; i++) {
        at = chosen[i] == RUN ? i : at;
        others += chosen[i] == RUN ? 0 : abs(widths[i]);
    }
    if (columns > 0 && at >= 0) {
        const int left = columns - others;
        widths[at] = left < ID_WIDTH / 2 ? -ID_WIDTH / 2 : -left;
    }
}

static uint64_t number_of(int column, const ckpt_run_info *info)
{
    switch (column) {
    case TURN:      return info->turn;
    case PHASES:    return info->phases;
    case UNCERTAIN: return info->uncertain;
    case SIZE:      return info->size;
    case MESSAGES:  return info->messages;
    case HELD:      return info->held;
    case EPOCH:     return info->epoch;
    default:        return info->seq;
    }
}

static const char *text_of(int column, const ckpt_run_info *info, char buf[40])
{
    switch (column) {
    case STATE:  return states[rank_of(info->state)].name;
    case RUN:    return info->id;
    case TRY:    return info->seq > 0 ? attempts_text(buf, info) : "";
    case SAVED:  return time_text(buf, info->saved_at_ms);
    case AGENT:  return info->agent_id;
    case TASK:   return info->task_id;
    case PARENT: return info->parent_run_id;
    case OWNER:  return info->owner;
    case REASON: return info->reason;
    case BIRTH:  return info->birth;
    default:
        if (!opt.exact) return age_text(buf, info->beat_age_ms);
        snprintf(buf, 40, "%" PRId64, info->beat_age_ms);
        return buf;
    }
}

// The text of one cell, harmless and not yet shortened. What nobody knows is
// "-": of a damaged run there are no numbers.
static void cell(char out[TEXT_MAX], int column, const ckpt_run_info *info)
{
    char buf[40];
    const char *text = "";
    if (column < TURN) {
        text = text_of(column, info, buf);
    } else if (info->seq > 0 && column == SIZE && !opt.exact) {
        text = size_text(buf, info->size);
    } else if (info->seq > 0) {
        buf[39] = '\0';
        text = digits(buf + 39, number_of(column, info));
    }
    escape(out, TEXT_MAX, text[0] != '\0' ? text : "-");
}

// The line that is put together. What does not fit is cut off; printing cell by
// cell would take longer than looking at the runs.
static struct out {
    size_t len;
    char   text[1 << 16];
} out;

static void add(const char *text, size_t n)
{
    const size_t room = sizeof(out.text) - out.len;
    n = n < room ? n : room;
    memcpy(out.text + out.len, text, n);
    out.len += n;
}

static void add_text(const char *text)
{
    add(text, strlen(text));
}

static void add_blanks(size_t n)
{
    const size_t room = sizeof(out.text) - out.len;
    n = n < room ? n : room;
    memset(out.text + out.len, ' ', n);
    out.len += n;
}

static void add_cell(char text[TEXT_MAX], int width, bool last)
{
    const size_t want = (size_t)abs(width);
    shorten(text, want);
    const size_t has = width_of(text);
    const size_t pad = has < want ? want - has : 0;
    if (width > 0) add_blanks(pad);
    add_text(text);
    if (width < 0 && !last) add_blanks(pad);
    if (!last) add_blanks(1);
}

static void put_title(FILE *to)
{
    char text[TEXT_MAX];
    out.len = 0;
    for (int i = 0; i < chosen_count; i++) {
        snprintf(text, sizeof(text), "%s", all_columns[chosen[i]].title);
        add_cell(text, widths[i], i == chosen_count - 1);
    }
    fwrite(out.text, 1, out.len, to);
    putc('\n', to);
}

static void add_run(const ckpt_run_info *info)
{
    char text[TEXT_MAX];
    const struct state *state = &states[rank_of(info->state)];
    for (int i = 0; i < chosen_count; i++) {
        const bool is_state = coloured && chosen[i] == STATE;
        cell(text, chosen[i], info);
        if (is_state) {
            add_text("\033[");
            add_text(state->colour);
            add_text("m");
        }
        add_cell(text, widths[i], i == chosen_count - 1);
        if (is_state) add_text("\033[0m");
    }
}

//--- Rows ---------------------------------------------------------------------

// Runs come from a scan in any order. Those that need a person go first, then
// by id. A row is kept as its text, because a ckpt_run_info is ten times as
// large. ROWS_MAX rows are sorted at a time, so memory is bounded.
typedef struct row {
    size_t rank;
    char  *line;                        // "ID\0what is printed\0"
} row;

static struct list {
    row     *rows;
    size_t   count, cap;
    uint64_t counts[STATES], total;
    bool     broken;                    // out of memory
} list;

static int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return strcmp(x->line, y->line);
}

static void count_run(const ckpt_run_info *info)
{
    list.counts[rank_of(info->state)]++;
    list.total++;
}

static void list_clear(void)
{
    for (size_t i = 0; i < list.count; i++) {
        free(list.rows[i].line);
    }
    list.count = 0;
}

// Prints at most max rows, after the title; then forgets all.
static void list_print(FILE *to, size_t max)
{
    if (list.count > 0) qsort(list.rows, list.count, sizeof(row), compare_rows);
    for (size_t i = 0; i < list.count && i < max; i++) {
        const char *id = list.rows[i].line;
        fputs(id + strlen(id) + 1, to);
        putc('\n', to);
    }
    list_clear();
}

// Adds one row, with the columns that were chosen or the given text.
static bool list_add(const ckpt_run_info *info, const char *text)
{
    if (list.count == list.cap) {
        const size_t cap = list.cap > 0 ? 2 * list.cap : 64;
        row *rows = realloc(list.rows, cap * sizeof(row));
        list.broken = rows == NULL;
        if (list.broken) return false;
        list.rows = rows;
        list.cap = cap;
    }
    out.len = 0;
    add(info->id, strlen(info->id) + 1);
    if (text != NULL) {
        add_text(text);
    } else {
        add_run(info);
    }
    out.len -= out.len == sizeof(out.text);
    add("", 1);
    char *kept = malloc(out.len);
    list.broken = kept == NULL;
    if (list.broken) return false;
    memcpy(kept, out.text, out.len);
    list.rows[list.count++] = (row){ rank_of(info->state), kept };
    return true;
}

// "5 runs: 2 damaged, 3 live", in lines of 80 columns, and what to do.
static void put_sums(FILE *to)
{
    char part[64];
    uint64_t needy = 0;
    const char *between = ": ";
    int width = fprintf(to, "%" PRIu64 " run%s", list.total,
                        list.total == 1 ? "" : "s");
    for (size_t i = 0; i < STATES; i++) {
        needy += i < NOT_ATTENTION ? list.counts[i] : 0;
        if (list.counts[i] == 0) continue;
        snprintf(part, sizeof(part), "%" PRIu64 " %s", list.counts[i],
                 states[i].name);
        if (width + (int)strlen(part) > 77) {
            between = ",\n  ";
            width = 0;
        }
        width += fprintf(to, "%s%s", between, part);
        between = ", ";
    }
    if (needy > 0) {
        fprintf(to, "\n%" PRIu64 " need%s attention: ckpt why ID", needy,
                needy == 1 ? "s" : "");
    }
    putc('\n', to);
}

// A long scan says on the terminal how far it is, and takes the words away.
static void progress(bool ends)
{
    static int64_t begun, shown;
    static int     tty = -1;
    const int64_t  now = wall_ms();
    begun = begun > 0 ? begun : now;
    tty = tty < 0 ? isatty(STDERR_FILENO) && !opt.json : tty;
    if (tty && !ends && now - begun > PROGRESS_MS && now - shown > 200) {
        fprintf(stderr, "\rlooking at runs: %" PRIu64 " ", list.total);
        shown = now;
    }
    if (ends && shown > 0) fputs("\r\033[K", stderr);
    if (ends) begun = shown = 0;
}

static bool is_selected(const ckpt_run_info *info)
{
    return (opt.states == 0 || (opt.states & (uint32_t)info->state)) &&
           (opt.agent == NULL || strcmp(opt.agent, info->agent_id) == 0) &&
           (opt.parent == NULL || strcmp(opt.parent, info->parent_run_id) == 0);
}

//--- Scans --------------------------------------------------------------------

// A scan waits for one system call after the other, and on a file server each
// is a round trip. So several threads look at different runs of one listing:
// each has a store and a context of its own, and takes the next id of the
// listing when it needs one. A few runs are not worth a thread. One thread at a
// time visits, so what a visit does needs no lock; it must not use base.inner,
// whose store the first thread uses meanwhile.
//
// A context remembers what it has seen of a run, as how long a beat lies in the
// future. So a command that looks again and again does it with one context.

typedef struct scanner {
    ckpt_store_fs fs;
    eyes          eyes;
    ckpt_ctx      ctx;
    pthread_t     thread;
    ckpt_error    error;                // of its scan, if that failed
} scanner;

static struct scan {
    pthread_mutex_t    listing, visiting;
    uint64_t           listed;          // under listing: how many ids it gave,
    unsigned           running;         // the threads that run beside the first
    ckpt_cursor        cursor;
    bool               ended;           // and whether there are no more
    bool               stopped;         // under visiting: a visit said so
    ckpt_scan_fn      *visit;
    void              *user;
    ckpt_store_methods methods;         // of all stores that scan, but that
    const ckpt_store_methods *real;     // list() is list_shared()
    scanner            of[THREADS - 1];
} scan = { .listing = PTHREAD_MUTEX_INITIALIZER,
           .visiting = PTHREAD_MUTEX_INITIALIZER };

static bool visit_shared(void *unused, const ckpt_run_info *info)
{
    (void)unused;
    pthread_mutex_lock(&scan.visiting);
    scan.stopped = scan.stopped || !scan.visit(scan.user, info);
    const bool more = !scan.stopped;
    pthread_mutex_unlock(&scan.visiting);
    return more;
}

// A thread that cannot open the store leaves its part to the others.
static void *scan_along(void *arg)
{
    scanner *s = arg;
    ckpt_desc desc = base.desc;
    if (ckpt_store_fs_open(&s->fs, &(ckpt_store_fs_desc){ .dir = opt.dir,
            .calls = &base.calls, .calls_user = &s->eyes }, NULL) != CKPT_OK) {
        return NULL;
    }
    s->fs.base.methods = &scan.methods;
    desc.store = &s->fs.base;
    if (ckpt_init(&s->ctx, &desc) == CKPT_OK &&
        ckpt_scan(&s->ctx, 0, visit_shared, NULL) != CKPT_OK) {
        s->error = *ckpt_last_error(&s->ctx);
    }
    ckpt_store_fs_close(&s->fs);
    return NULL;
}

// Each thread has a few descriptors open: with fewer than these there is one.
static void start_threads(void)
{
    if (sysconf(_SC_OPEN_MAX) < 64) return;
    while (scan.running < THREADS - 1) {
        scanner *s = &scan.of[scan.running];
        if (pthread_create(&s->thread, NULL, scan_along, s) != 0) return;
        scan.running++;
    }
}

// Gives a store the next id of the one listing instead of one of its own. A
// scan whose visit said stop asks for none: that ends the listing for all.
static ckpt_code list_shared(ckpt_store *s, ckpt_where where,
                             ckpt_cursor *cursor, char id[CKPT_ID_MAX + 1],
                             ckpt_error *err)
{
    ckpt_code rc = CKPT_END;
    (void)s;
    (void)cursor;
    pthread_mutex_lock(&scan.listing);
    if (!scan.ended) {
        rc = scan.real->list(&base.fs.base, where, &scan.cursor, id, err);
        scan.ended = rc != CKPT_OK;
        if (++scan.listed == FEW) start_threads();
    }
    pthread_mutex_unlock(&scan.listing);
    return rc;
}

// ckpt_scan() over all runs, once.
static ckpt_code scan_once(ckpt_scan_fn *visit, void *user, ckpt_error *error)
{
    if (base.store != &base.fs.base) {  // a database has one connection
        const ckpt_code rc = ckpt_scan(&base.ctx, 0, visit, user);
        *error = *ckpt_last_error(&base.ctx);
        return rc;
    }
    scan.visit = visit;
    scan.user = user;
    scan.real = base.fs.base.methods;
    scan.methods = *scan.real;
    scan.methods.list = list_shared;
    base.fs.base.methods = &scan.methods;
    ckpt_code rc = ckpt_scan(&base.ctx, 0, visit_shared, NULL);
    *error = *ckpt_last_error(&base.ctx);
    for (unsigned i = 0; i < scan.running; i++) {
        pthread_join(scan.of[i].thread, NULL);
        if (scan.of[i].error.code == CKPT_OK) continue;
        rc = scan.of[i].error.code;
        *error = scan.of[i].error;
    }
    base.fs.base.methods = scan.real;
    return rc;
}

//--- ls, metrics --------------------------------------------------------------

static bool visit_ls(void *user, const ckpt_run_info *info)
{
    bool *fails = user;
    char text[TEXT_MAX];
    progress(false);
    if (!is_selected(info)) return !stopped;
    count_run(info);
    *fails = *fails || (opt.fail_if & (uint32_t)info->state);
    if (opt.json) {
        json_run(info, NULL, false);
        return !stopped;
    }
    if (list.count == ROWS_MAX) list_print(stdout, ROWS_MAX);
    return list_add(info, opt.quiet ?
                    escape(text, sizeof(text), info->id) : NULL) && !stopped;
}

static int cmd_ls(void)
{
    ckpt_error e;
    bool fails = false;
    fit_columns();
    if (!opt.json && !opt.quiet) put_title(stdout);
    const ckpt_code rc = scan_once(visit_ls, &fails, &e);
    progress(true);
    if (!opt.json) list_print(stdout, ROWS_MAX);
    if (rc != CKPT_OK) return fail(base.name, &e);
    if (list.broken) return fail_as("ls", CKPT_ERR_RESOURCE, "out of memory");
    if (!opt.json && !opt.quiet) {
        putchar('\n');
        put_sums(stdout);
    }
    const bool selects = opt.states != 0 || opt.agent != NULL ||
                         opt.parent != NULL;
    if (fails) return FINDINGS;
    return selects && list.total == 0 ? NOTHING : DONE;
}

static struct sums {
    uint64_t bytes, uncertain, held, older;
    int64_t  age_ms_max[STATES];
} sums;

static bool visit_metrics(void *user, const ckpt_run_info *info)
{
    int64_t *age = &sums.age_ms_max[rank_of(info->state)];
    (void)user;
    progress(false);
    count_run(info);
    sums.bytes += info->size;
    sums.uncertain += info->uncertain;
    sums.held += info->held;
    sums.older += info->older;
    *age = *age < info->beat_age_ms ? info->beat_age_ms : *age;
    return !stopped;
}

// The text format of Prometheus. Runs have no metric of their own: there is no
// bound on how many names a store would give to the server.
static int cmd_metrics(void)
{
    static const struct { const char *name, *help; const uint64_t *value; }
    metrics[] = {
        { "checkpoint_bytes", "Size of the newest checkpoints.", &sums.bytes },
        { "effects_uncertain", "Tool calls that began and have not ended.",
          &sums.uncertain },
        { "environments_held", "Environment checkpoints that runs hold.",
          &sums.held },
        { "runs_older", "Runs whose newest generation is damaged or missing.",
          &sums.older }
    };
    ckpt_error e;
    const ckpt_code rc = scan_once(visit_metrics, NULL, &e);
    progress(true);
    if (rc != CKPT_OK) return fail(base.name, &e);
    puts("# HELP ckpt_runs Runs in each state.\n# TYPE ckpt_runs gauge");
    for (size_t i = 0; i < STATES; i++) {
        printf("ckpt_runs{state=\"%s\"} %" PRIu64 "\n", states[i].name,
               list.counts[i]);
    }
    puts("# HELP ckpt_beat_age_seconds_max Age of the oldest last beat.\n"
         "# TYPE ckpt_beat_age_seconds_max gauge");
    for (size_t i = 0; i < STATES; i++) {
        printf("ckpt_beat_age_seconds_max{state=\"%s\"} %" PRId64 ".%03d\n",
               states[i].name, sums.age_ms_max[i] / 1000,
               (int)(sums.age_ms_max[i] % 1000));
    }
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        printf("# HELP ckpt_%s %s\n# TYPE ckpt_%s gauge\nckpt_%s %" PRIu64 "\n",
               metrics[i].name, metrics[i].help, metrics[i].name,
               metrics[i].name, *metrics[i].value);
    }
    return DONE;
}

//--- All about a run ----------------------------------------------------------

// Writes a named text, which is escaped already.
typedef void put_fn(FILE *to, const char *name, const char *text);

static void put_plain(FILE *to, const char *name, const char *text)
{
    fprintf(to, "%-7s %s\n", name, text);
}

// Each entry of a list of the record, such as "send_mail: begun, turn 13". Its
// outputs and results are the caller's, and are not shown.
static void put_entries(FILE *to, put_fn *put, const char *name,
                        ckpt_bytes array, const char *key)
{
    char text[TEXT_MAX], state[TEXT_MAX], line[TEXT_MAX + 64];
    ckpt_bytes entry;
    size_t at = 0;
    while (ckpt_json_next(array, &at, NULL, &entry)) {
        int64_t turn = 0;
        escape(line, TEXT_MAX, member(text, entry, key));
        if (ckpt_json_number(ckpt_json_get(entry, "turn"), &turn) == CKPT_OK) {
            snprintf(line + strlen(line), 64, ": %.16s, turn %" PRId64,
                     member(state, entry, "state"), turn);
        }
        put(to, name, line);
    }
}

// Everything that the columns of ls can show, and the lists of the record.
static void put_fields(FILE *to, put_fn *put, const ckpt_run_info *info,
                       ckpt_bytes record)
{
    char text[TEXT_MAX];
    for (int i = 0; i < COLUMNS; i++) {
        cell(text, i, info);
        if (i != RUN && strcmp(text, "-") != 0) {
            put(to, all_columns[i].name, text);
        }
    }
    if (info->error.code != CKPT_OK) put(to, "error", info->error.msg);
    put_entries(to, put, "phase", ckpt_json_get(record, "phases"), "name");
    put_entries(to, put, "effect", ckpt_json_get(record, "effects"), "id");
    put_entries(to, put, "env", ckpt_json_get(record, "held"), "id");
}

// What else must be known about a run: why it was left, and what a resume will
// find.
static void put_rest(FILE *to, const ckpt_run_info *info, ckpt_bytes record)
{
    char text[TEXT_MAX];
    ckpt_bytes entry;
    size_t at = 0;
    const ckpt_bytes effects = ckpt_json_get(record, "effects");
    const char *before = "; uncertain tool calls: ";
    if (info->reason[0] != '\0') {
        fprintf(to, " (%s)", escape(text, sizeof(text), info->reason));
    }
    if (info->older) fprintf(to, "; its newest generation is damaged");
    if (info->lost) fprintf(to, "; there is nothing to resume from");
    if (info->held > 0) fprintf(to, "; it holds %" PRIu32 " environments",
                                info->held);
    while (ckpt_json_next(effects, &at, NULL, &entry)) {
        char id[TEXT_MAX];
        if (strcmp(member(text, entry, "state"), "begun") == 0) {
            fprintf(to, "%s%s", before, escape(text, sizeof(text),
                                               member(id, entry, "id")));
            before = ", ";
        }
    }
}

// What the run is, since when, why, and what to do.
static void put_why(FILE *to, const ckpt_run_info *info, ckpt_bytes record)
{
    char text[TEXT_MAX];
    const bool aged = info->beat_age_ms >= 0;
    fprintf(to, "%s ", escape(text, sizeof(text), info->id));
    for (const char *c = states[rank_of(info->state)].why; *c != '\0'; c++) {
        switch (*c == '%' ? *++c : 0) {
        case 'i': fputs(escape(text, sizeof(text), info->id), to); break;
        case 't': fprintf(to, "%" PRIu64, info->turn); break;
        case 'a':
            fprintf(to, "%s ago", aged ? age_text(text, info->beat_age_ms) :
                    "some time");
            break;
        case 'o': fputs(escape(text, sizeof(text), info->owner), to); break;
        case 'm': fputs(info->error.msg, to); break;
        case 'e': fputs(outcomes[info->outcome], to); break;
        case 'w': fprintf(to, "%" PRId64, (info->wait_ms + 999) / 1000); break;
        case 'x': put_rest(to, info, record); break;
        default:  putc(*c, to);
        }
    }
    putc('\n', to);
}

// Prints JSON of the caller's. On a terminal the characters that a JSON text
// may hold as they are, and that could do harm there, become \u0000.
static void put_payload(ckpt_bytes json)
{
    const char *text = json.ptr;
    const bool tty = isatty(STDOUT_FILENO);
    for (size_t i = 0, size = 1; i < json.len; i += size) {
        uint32_t c = 0;
        size = decode(text + i, &c);
        size = size > 0 ? size : 1;
        if (!tty || !is_dangerous(c) || c == '\n') {
            fwrite(text + i, 1, size, stdout);
        } else if (c < 0x20) {
            putchar(' ');               // white space between two values
        } else if (c < 0x10000) {
            printf("\\u%04x", (unsigned)c);
        } else {
            printf("\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                   (unsigned)(0xdc00 | (c & 0x3ff)));
        }
    }
    putchar('\n');
}

// Describes a run and reads its checkpoint, which the caller frees. A run whose
// checkpoint is replaced meanwhile is looked at again. Returns an exit code.
static int look_at(const char *id, ckpt_run_info *info, char **buf,
                   ckpt_bytes *record)
{
    ckpt_checkpoint unused;             // it is read below, with its head
    *record = (ckpt_bytes){ NULL, 0 };
    for (int tries = 0; tries < 100; tries++) {
        memset(info, 0, sizeof(*info));
        const ckpt_code rc = ckpt_peek(&base.ctx, id, info, &unused, NULL, 0);
        if (rc != CKPT_OK && info->state == 0) {
            return fail(id, ckpt_last_error(&base.ctx));
        }
        *buf = peek(info, record);
        const bool replaced = info->error.code == CKPT_ERR_STALE;
        if (*buf != NULL || (info->seq == 0 && !replaced)) return DONE;
    }
    return fail_as(id, CKPT_ERR_BUSY, "it is changing; try again");
}

static int cmd_why(void)
{
    ckpt_run_info info;
    ckpt_bytes record;
    char *buf = NULL;
    char *why = NULL;
    size_t size = 0;
    ckpt_json w;
    const int rc = look_at(opt.ids[0], &info, &buf, &record);
    FILE *to = rc == DONE ? open_memstream(&why, &size) : NULL;
    if (to != NULL) {
        put_why(to, &info, record);
        fclose(to);
        why[size - 1] = '\0';           // its line feed
    }
    if (to != NULL && opt.json) {
        json_begin(&w);
        json_info(&w, &info);
        json_text(&w, "why", why);
        json_end(&w, stdout);
    } else if (to != NULL) {
        puts(why);
    }
    free(why);
    free(buf);
    return rc;
}

// Prompts and transcripts are shown only when they are asked for.
static int cmd_show(void)
{
    ckpt_run_info info;
    ckpt_bytes record;
    char *buf = NULL;
    int rc = look_at(opt.ids[0], &info, &buf, &record);
    if (rc != DONE) return rc;
    if (opt.json && !opt.part) {
        json_run(&info, NULL, false);
    } else if (!opt.part) {
        put_why(stdout, &info, record);
        putchar('\n');
        put_fields(stdout, put_plain, &info, record);
    } else if (buf == NULL) {
        rc = fail(opt.ids[0], &info.error);
    } else {
        put_payload(opt.part[0] == '\0' ? record :
                    ckpt_json_get(record, opt.part));
    }
    free(buf);
    return rc;
}

// The checkpoint as it stands, to be kept elsewhere: it checks itself.
static int cmd_export(void)
{
    ckpt_run_info info;
    ckpt_bytes record;
    char *buf = NULL;
    const int rc = look_at(opt.ids[0], &info, &buf, &record);
    if (rc != DONE) return rc;
    if (buf == NULL) return fail(opt.ids[0], &info.error);
    fwrite(record.ptr, 1, record.len, stdout);
    putchar('\n');
    free(buf);
    return DONE;
}

//--- verify, retry, rm, prune, sweep ------------------------------------------

static struct verified {
    uint64_t runs, findings, errors, busy;
} verified;

static void verify_one(const char *id)
{
    ckpt_run_info info;
    char text[TEXT_MAX];
    const ckpt_code rc = ckpt_verify(&base.inner, id, &info);
    verified.runs++;
    switch (rc) {
    case CKPT_OK: break;
    case CKPT_ERR_NOT_FOUND: verified.runs--; return;   // it went meanwhile
    case CKPT_ERR_BUSY: verified.busy++; break;
    case CKPT_ERR_DAMAGED:
    case CKPT_ERR_FORMAT:
    case CKPT_ERR_FOREIGN: verified.findings++; break;
    default: verified.errors++; break;
    }
    if (opt.json) {
        json_run(&info, "whole", rc == CKPT_OK);
    } else if (rc != CKPT_OK) {
        printf("%s: %s: %s (byte %" PRIu64 ")\n",
               escape(text, sizeof(text), id),
               states[rank_of(info.state)].name, info.error.msg,
               info.error.pos);
    }
}

static bool visit_verify(void *user, const ckpt_run_info *info)
{
    (void)user;
    list.total++;
    progress(false);
    verify_one(info->id);
    return !stopped;
}

static int cmd_verify(void)
{
    ckpt_run_info info;
    if (opt.count == 0 &&
        ckpt_scan(&base.ctx, 0, visit_verify, NULL) != CKPT_OK) {
        return fail(base.name, ckpt_last_error(&base.ctx));
    }
    for (int i = 0; i < opt.count; i++) {
        if (ckpt_query(&base.ctx, opt.ids[i], &info) != CKPT_OK) {
            return fail(opt.ids[i], ckpt_last_error(&base.ctx));
        }
        verify_one(opt.ids[i]);
    }
    progress(true);
    if (!opt.json) {
        printf("%" PRIu64 " run%s read, %" PRIu64 " not whole, %" PRIu64
               " not readable, %" PRIu64 " changing\n", verified.runs,
               verified.runs == 1 ? "" : "s", verified.findings,
               verified.errors, verified.busy);
    }
    if (verified.findings > 0) return FINDINGS;
    if (verified.errors > 0) return FAILED;
    return verified.busy > 0 ? BUSY : DONE;
}

static void put_done(const char *what, const char *id)
{
    char text[TEXT_MAX];
    ckpt_json w;
    escape(text, sizeof(text), id);
    if (opt.json) {
        json_begin(&w);
        json_text(&w, "id", id);
        json_text(&w, "arg", text);
        json_text(&w, "done", what);
        json_end(&w, stdout);
    } else {
        printf("%s: %s\n", text, what);
    }
}

// Each call judges the run again under its claim: a run that came to life
// meanwhile is refused.
static int each(ckpt_code call(ckpt_ctx *, ckpt_run *, const char *),
                const char *what)
{
    int worst = DONE;
    for (int i = 0; i < opt.count; i++) {
        const char *id = opt.ids[i];
        const ckpt_code rc = call(&base.ctx, &base.run, id);
        int code = DONE;
        if (rc == CKPT_OK) {
            put_done(what, id);
        } else if (rc == CKPT_FINISHED) {
            code = fail_as(id, rc, "it was completed; there is nothing to do");
        } else if (rc == CKPT_ERR_EXISTS) {
            ckpt_run_info info;
            const bool lives = ckpt_query(&base.inner, id, &info) == CKPT_OK &&
                (info.state & (CKPT_STATE_LIVE | CKPT_STATE_STALLED));
            code = lives ?
                fail_as(id, CKPT_ERR_LIVE, "another process has it") :
                fail_as(id, rc, "it is neither failed nor exhausted");
        } else {
            code = fail(id, ckpt_last_error(&base.ctx));
        }
        worst = worst == DONE ? code : worst;
    }
    return worst;
}

static int cmd_retry(void)
{
    return each(ckpt_retry, "can be resumed again");
}

static int cmd_rm(void)
{
    return each(ckpt_remove, "removed");
}

static bool visit_prune(void *user, const ckpt_run_info *info)
{
    uint64_t *bytes = user;
    char text[TEXT_MAX], age[24];
    *bytes += info->size;
    if (opt.json) {
        json_run(info, "dry_run", opt.dry_run);
    } else {
        printf("%-*s %4s %s\n", STATE_WIDTH, states[rank_of(info->state)].name,
               age_text(age, info->beat_age_ms),
               escape(text, sizeof(text), info->id));
    }
    return !stopped;
}

static int cmd_prune(void)
{
    ckpt_prune_desc desc = { .age_ms = opt.older_ms, .fn = visit_prune,
                             .dry_run = opt.dry_run };
    uint64_t bytes = 0;
    uint32_t count = 0;
    char size[24];
    desc.user = &bytes;
    if (opt.kept) desc.states |= CKPT_STATE_DONE | CKPT_STATE_FAILED;
    if (opt.idle) desc.states |= CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED;
    if (ckpt_prune(&base.ctx, &base.run, &desc, &count) != CKPT_OK) {
        return fail(base.name, ckpt_last_error(&base.ctx));
    }
    if (!opt.json) {
        const char *what = opt.dry_run ? "would be removed" : "removed";
        printf("%" PRIu32 " run%s %s, %s of checkpoints\n", count,
               count == 1 ? "" : "s", what, size_text(size, bytes));
    }
    return failures > 0 ? FAILED : DONE;
}

static int cmd_sweep(void)
{
    uint32_t count = 0;
    ckpt_json w;
    if (ckpt_sweep(&base.ctx, &base.run, &count) != CKPT_OK) {
        return fail(base.name, ckpt_last_error(&base.ctx));
    }
    if (opt.json) {
        json_begin(&w);
        json_int(&w, "removed", count);
        json_end(&w, stdout);
    } else {
        printf("%" PRIu32 " leftover%s removed\n", count,
               count == 1 ? "" : "s");
    }
    return failures > 0 ? FAILED : DONE;
}

//--- import -------------------------------------------------------------------

static struct import {
    ckpt_bytes record;
    char      *room;                    // for the texts that are taken from it
    size_t     left;
    ckpt_meta  meta;
    int64_t    turn;
} import;

// Reads the input, which is a checkpoint and white space behind it.
static bool read_record(void)
{
    size_t cap = 1 << 16, n = 0, got = 1;
    char *buf = malloc(cap);
    while (buf != NULL && got > 0) {
        got = fread(buf + n, 1, cap - n, stdin);
        n += got;
        if (n == cap) {
            char *more = realloc(buf, cap *= 2);
            if (more == NULL) free(buf);
            buf = more;
        }
    }
    while (n > 0 && strchr(" \t\r\n", buf[n - 1]) != NULL) {
        n--;
    }
    import.left = n + 1;
    import.room = malloc(import.left);
    import.record = (ckpt_bytes){ buf, buf != NULL ? n : 0 };
    return buf != NULL && import.room != NULL && !ferror(stdin);
}

// A member that is a text; NULL if there is none. Unescaped, and with its end,
// it is no longer than before, so that all texts fit.
static const char *take_text(ckpt_bytes object, const char *key)
{
    char *text = import.room;
    size_t n = 0;
    if (ckpt_json_text(ckpt_json_get(object, key), text, import.left, &n)) {
        return NULL;
    }
    import.room += n + 1;
    import.left -= n + 1;
    return text;
}

static int64_t take_number(ckpt_bytes object, const char *key)
{
    int64_t number = 0;
    return ckpt_json_number(ckpt_json_get(object, key), &number) ? 0 : number;
}

// Why a checkpoint cannot be imported; NULL: it can. A tool that was called and
// did not answer has a key of its run, which another run does not have.
static const char *why_not(ckpt_bytes record)
{
    const ckpt_bytes count = ckpt_json_get(record, "count");
    const char *outcome = take_text(record, "outcome");
    if (outcome == NULL || (strcmp(outcome, "running") != 0 &&
                            strcmp(outcome, "interrupted") != 0 &&
                            strcmp(outcome, "retry") != 0)) {
        return "that run has ended; there is nothing to resume";
    }
    if (take_number(count, "uncertain") > 0) {
        return "a tool call of that run is open; settle it first";
    }
    return take_number(count, "held") == 0 ? NULL :
        "that run holds environments, which stay where they are";
}

static void take_meta(void)
{
    const ckpt_bytes meta = ckpt_json_get(import.record, "meta");
    import.meta = (ckpt_meta){
        .agent_id = take_text(meta, "agent_id"),
        .agent_name = take_text(meta, "agent_name"),
        .task_id = take_text(meta, "task_id"),
        .caller_id = take_text(meta, "caller_id"),
        .channel_id = take_text(meta, "channel_id"),
        .guild_id = take_text(meta, "guild_id"),
        .prompt = take_text(meta, "prompt"),
        .model_tier = take_text(meta, "model_tier"),
        .parent_run_id = take_text(meta, "parent_run_id"),
        .fingerprint = take_text(meta, "fingerprint")
    };
}

// Saves what a checkpoint has: messages and state, phases, ended tool calls.
static ckpt_code import_all(ckpt_run *run)
{
    const ckpt_bytes record = import.record;
    const ckpt_bytes phases = ckpt_json_get(record, "phases");
    const ckpt_bytes effects = ckpt_json_get(record, "effects");
    ckpt_save_desc save = { .turn = (uint64_t)import.turn, .force = true,
        .messages = ckpt_json_get(record, "messages"),
        .state = ckpt_json_get(record, "state") };
    ckpt_bytes one;
    ckpt_code rc = ckpt_save(run, &save);
    for (size_t at = 0; !rc && ckpt_json_next(phases, &at, NULL, &one); ) {
        const char *name = take_text(one, "name");
        rc = ckpt_phase_end(run, name, ckpt_json_get(one, "output"), NULL);
    }
    save.messages = save.state = (ckpt_bytes){ NULL, 0 };
    for (size_t at = 0; !rc && ckpt_json_next(effects, &at, NULL, &one); ) {
        const char *id = take_text(one, "id");
        ckpt_effect effect;
        save.turn = (uint64_t)take_number(one, "turn");
        rc = ckpt_effect_begin(run, id, &save, &effect);
        if (!rc) rc = ckpt_effect_end(run, id, ckpt_json_get(one, "result"));
    }
    save.turn = (uint64_t)import.turn;
    return rc ? rc : ckpt_save(run, &save);
}

// Begins a run with what an exported checkpoint has. What is imported by halves
// is removed again.
static int cmd_import(void)
{
    const char *id = opt.ids[0];
    if (!read_record()) {
        return fail_as("input", CKPT_ERR_IO, "it cannot be read");
    }
    if (!is_whole(import.record)) {
        return fail_as("input", CKPT_ERR_DAMAGED, "it is no whole checkpoint");
    }
    const char *why = why_not(import.record);
    if (why != NULL) return fail_as("input", CKPT_ERR_ARGUMENT, why);
    import.turn = take_number(import.record, "turn");
    take_meta();
    const ckpt_bytes once = ckpt_json_get(import.record, "once");
    if (ckpt_start(&base.ctx, &base.run, &(ckpt_run_desc){ .id = id,
            .meta = import.meta, .once = once.len == 4 })) {    // "true"
        return fail(id, ckpt_last_error(&base.ctx));
    }
    ckpt_code rc = import_all(&base.run);
    rc = rc ? rc : ckpt_finish(&base.run, CKPT_INTERRUPTED, NULL);
    if (rc) {
        const ckpt_error why_failed = base.run.error;
        if (ckpt_finish(&base.run, CKPT_FAILED, NULL)) ckpt_abandon(&base.run);
        return fail(id, &why_failed);
    }
    put_done("can be resumed", id);
    return DONE;
}

//--- watch --------------------------------------------------------------------

typedef struct seen {
    char           id[CKPT_ID_MAX + 1];
    ckpt_run_state state;               // 0: it was not there before
    uint32_t       round;               // of the scan that saw it last
} seen;

static struct watch {
    seen    *seen;
    size_t   count, sorted, cap;
    uint32_t round;
    bool     broken;
} watching;

static int compare_seen(const void *a, const void *b)
{
    return strcmp(((const seen *)a)->id, ((const seen *)b)->id);
}

static void put_change(const char *id, const char *from, const char *to,
                       const ckpt_run_info *info)
{
    char text[TEXT_MAX], time[40];
    ckpt_json w;
    time_text(time, wall_ms());
    if (opt.json) {
        json_begin(&w);
        json_text(&w, "at", time);
        json_text(&w, "from", from);
        json_text(&w, "to", to);
        if (info != NULL) {
            json_info(&w, info);
        } else {
            json_text(&w, "id", id);
        }
        json_end(&w, stdout);
    } else {
        printf("%.19sZ %s%s%s %s", time, from, from[0] != '\0' ? " -> " : "",
               to, escape(text, sizeof(text), id));
        if (info != NULL) printf(" turn %" PRIu64, info->turn);
        putchar('\n');
    }
}

static bool visit_watch(void *user, const ckpt_run_info *info)
{
    struct watch *w = user;
    seen *s = w->sorted == 0 ? NULL :
        bsearch(info->id, w->seen, w->sorted, sizeof(seen), compare_seen);
    if (!is_selected(info)) return !stopped;
    if (s == NULL && w->count == w->cap) {
        const size_t cap = w->cap > 0 ? 2 * w->cap : 64;
        seen *more = cap > ROWS_MAX ? NULL :
                     realloc(w->seen, cap * sizeof(seen));
        w->broken = more == NULL;
        if (w->broken) return false;
        w->seen = more;
        w->cap = cap;
    }
    if (s == NULL) {
        s = &w->seen[w->count++];
        memcpy(s->id, info->id, sizeof(s->id));
        s->state = 0;
    }
    if (s->state != info->state) {
        put_change(info->id, s->state != 0 ?
                   states[rank_of(s->state)].name : "",
                   states[rank_of(info->state)].name, info);
    }
    s->state = info->state;
    s->round = w->round;
    return !stopped;
}

// Tells which runs are gone, and forgets them.
static void watch_end_round(struct watch *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->seen[i].round == w->round) {
            w->seen[n++] = w->seen[i];
        } else {
            put_change(w->seen[i].id, states[rank_of(w->seen[i].state)].name,
                       "gone", NULL);
        }
    }
    w->count = w->sorted = n;
    if (n > 0) qsort(w->seen, n, sizeof(seen), compare_seen);
    fflush(stdout);
}

// Waits until the next look, or for a key. False if no key was pressed.
static bool wait_key(int64_t ms, bool keys)
{
    struct pollfd p = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
    return !stopped && poll(&p, 1, (int)ms) > 0;
}

// A run that has ended, or that only a person can bring back, does not change
// by itself: then there is nothing to wait for.
static int cmd_watch(void)
{
    ckpt_run_info info;
    ckpt_code rc = CKPT_OK;
    const uint32_t ends = CKPT_STATE_DONE | CKPT_STATE_FAILED |
                          CKPT_STATE_EXHAUSTED;
    while (!stopped && !watching.broken) {
        watching.round++;
        if (opt.count == 0) {
            rc = ckpt_scan(&base.ctx, 0, visit_watch, &watching);
        } else {
            rc = ckpt_query(&base.ctx, opt.ids[0], &info);
            if (rc == CKPT_OK) visit_watch(&watching, &info);
        }
        const bool never = rc == CKPT_ERR_NOT_FOUND && watching.round == 1;
        if (rc != CKPT_OK && (opt.count == 0 || never)) {
            return fail(never ? opt.ids[0] : base.name,
                        ckpt_last_error(&base.ctx));
        }
        if (!stopped) watch_end_round(&watching);
        if (opt.count > 0 && (rc == CKPT_ERR_NOT_FOUND || rc == CKPT_OK) &&
            (rc != CKPT_OK || (ends & (uint32_t)info.state))) {
            return DONE;
        }
        (void)wait_key(opt.delay_ms, false);
    }
    return watching.broken ?
        fail_as("watch", CKPT_ERR_RESOURCE, "too many runs to watch") : DONE;
}

//--- top ----------------------------------------------------------------------

static struct termios terminal;

static void terminal_restore(void)
{
    printf("\033[?7h\033[?25h\033[?1049l");
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
}

static void terminal_take(void)
{
    struct termios raw;
    tcgetattr(STDIN_FILENO, &terminal);
    raw = terminal;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    printf("\033[?1049h\033[?25l\033[?7l");     // long lines are cut
}

static bool visit_top(void *user, const ckpt_run_info *info)
{
    const bool *needy = user;
    if (!is_selected(info)) return !stopped;
    count_run(info);
    if (*needy && rank_of(info->state) >= NOT_ATTENTION) return !stopped;
    if (list.count == ROWS_MAX) {       // the first ones are enough
        qsort(list.rows, list.count, sizeof(row), compare_rows);
        while (list.count > ROWS_MAX / 2) {
            free(list.rows[--list.count].line);
        }
    }
    return list_add(info, NULL) && !stopped;
}

static int terminal_size(int *rows)
{
    struct winsize size;
    *rows = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        return 80;
    }
    *rows = size.ws_row > 8 ? size.ws_row : 8;
    return size.ws_col;
}

static void draw_top(bool needy)
{
    int rows;
    columns = terminal_size(&rows);
    fit_columns();
    memset(list.counts, 0, sizeof(list.counts));
    list.total = 0;
    const ckpt_code rc = ckpt_scan(&base.ctx, 0, visit_top, &needy);
    printf("\033[H\033[J");
    if (rc != CKPT_OK) {
        printf("%s\n", ckpt_last_error(&base.ctx)->msg);
    } else {
        put_title(stdout);
        list_print(stdout, (size_t)rows - 6);
        putchar('\n');
        put_sums(stdout);
    }
    printf("\033[%d;1Hq quit  a %s  + - every %" PRId64 ".%d s", rows,
           needy ? "all runs" : "only what needs attention",
           opt.delay_ms / 1000, (int)(opt.delay_ms % 1000 / 100));
    fflush(stdout);
}

static int cmd_top(void)
{
    bool needy = false;
    char key = 0;
    terminal_take();
    while (!stopped && key != 'q') {
        key = 0;
        draw_top(needy);
        if (wait_key(opt.delay_ms, true) && read(STDIN_FILENO, &key, 1) < 1) {
            break;
        }
        needy = key == 'a' ? !needy : needy;
        if (key == '+' && opt.delay_ms > 500) opt.delay_ms /= 2;
        if (key == '-' && opt.delay_ms < 60000) opt.delay_ms *= 2;
    }
    terminal_restore();
    return DONE;
}

//--- report -------------------------------------------------------------------

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'\">\n<title>ckpt: runs</title>\n"
    "<style>\n"
    ":root{--ink:#1c1e21;--dim:#656d76;--line:#d8dee4;--red:#b42318;"
    "--yellow:#8a5a00;--green:#116329;--cyan:#0b6777;--page:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;"
    "--line:#30363d;--red:#ff8077;--yellow:#e3b341;--green:#56d364;"
    "--cyan:#56c7d8;--page:#0d1117}}\n"
    "body{font:14px/1.5 system-ui,sans-serif;color:var(--ink);"
    "background:var(--page);max-width:72rem;margin:2rem auto;"
    "padding:0 1rem}\nh1{font-size:1.3rem}p{color:var(--dim)}\n"
    "summary,.title{display:grid;grid-template-columns:7rem 1fr "
    "repeat(6,4.5rem);gap:.5rem;padding:.25rem 0;cursor:pointer}\n"
    ".title{color:var(--dim);cursor:auto}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".id{overflow-wrap:anywhere}\n"
    "details{border-top:1px solid var(--line)}\n"
    "details>div{margin:0 0 1rem 7.5rem;overflow-wrap:anywhere}\n"
    "dl{display:grid;grid-template-columns:7rem 1fr;margin:0}"
    "dt{color:var(--dim)}dd{margin:0}\n"
    ".c31{color:var(--red)}.c33{color:var(--yellow)}"
    ".c32{color:var(--green)}.c36{color:var(--cyan)}\n"
    "</style></head><body>\n";

// Text that is escaped as for a terminal, for a page.
static void html(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&': fputs("&amp;", to); break;
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        default:  putc(*text, to);
        }
    }
}

static void put_html(FILE *to, const char *name, const char *text)
{
    fprintf(to, "<dt>%s<dd>", name);
    html(to, text);
    putc('\n', to);
}

static void html_run(FILE *to, const ckpt_run_info *info, ckpt_bytes record)
{
    static const int numbers[] = { TURN, PHASES, BEAT, TRY, UNCERTAIN, SIZE };
    char text[TEXT_MAX], *why = NULL;
    size_t size = 0;
    const struct state *state = &states[rank_of(info->state)];
    fprintf(to, "<details><summary><span class=\"c%s\">%s</span>"
            "<span class=\"id\">", state->colour, state->name);
    html(to, escape(text, sizeof(text), info->id));
    fputs("</span>", to);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cell(text, numbers[i], info);
        fprintf(to, "<span class=\"n\">%s</span>", text);
    }
    fputs("</summary><div><p>", to);
    FILE *memory = open_memstream(&why, &size);
    if (memory != NULL) {
        put_why(memory, info, record);
        fclose(memory);
        html(to, why);
        free(why);
    }
    fputs("</p><dl>\n", to);
    put_fields(to, put_html, info, record);
    fputs("</dl></div></details>", to);
}

static bool visit_report(void *user, const ckpt_run_info *info)
{
    char *text = NULL;
    size_t size = 0;
    ckpt_bytes record = { NULL, 0 };
    (void)user;
    progress(false);
    if (!is_selected(info)) return !stopped;
    count_run(info);
    char *buf = peek(info, &record);
    if (buf == NULL) record = (ckpt_bytes){ NULL, 0 };
    FILE *to = open_memstream(&text, &size);
    list.broken = to == NULL;
    if (to != NULL) {
        html_run(to, info, record);
        fclose(to);
        if (list.count == ROWS_MAX) list_print(stdout, ROWS_MAX);
        (void)list_add(info, text);
    }
    free(text);
    free(buf);
    return !list.broken && !stopped;
}

static int cmd_report(void)
{
    char time[40], dir[TEXT_MAX];
    time_text(time, wall_ms());
    fputs(page_head, stdout);
    fputs("<h1>Runs in ", stdout);
    html(stdout, escape(dir, sizeof(dir), base.name));
    printf("</h1><p>As of %.19sZ. Ages are the time since the last beat.</p>\n"
           "<div class=\"title\"><span>state</span><span>run</span>"
           "<span class=\"n\">turn</span><span class=\"n\">phases</span>"
           "<span class=\"n\">beat</span><span class=\"n\">attempts</span>"
           "<span class=\"n\">uncertain</span>"
           "<span class=\"n\">size</span></div>\n", time);
    const ckpt_code rc = ckpt_scan(&base.ctx, 0, visit_report, NULL);
    progress(true);
    list_print(stdout, ROWS_MAX);
    if (rc != CKPT_OK) return fail(base.name, ckpt_last_error(&base.ctx));
    if (list.broken) {
        return fail_as("report", CKPT_ERR_RESOURCE, "out of memory");
    }
    fputs("<p>", stdout);
    put_sums(stdout);
    puts("</p></body></html>");
    return DONE;
}

//--- The command line ---------------------------------------------------------

static int cmd_help(void);

static const struct command {
    const char *name, *operands, *help;
    int       (*run)(void);
    int         least, most;            // operands
    bool        looks;
    const char *options;                // which it takes, besides -C and others
} commands[] = {
    { "ls", "[-s STATE] [-o COLUMNS] [-pq]", "lists runs, what needs attention "
      "first", cmd_ls, 0, 0, true, "saPopqf" },
    { "top", "[-d SECONDS]", "the same, live", cmd_top, 0, 0, true, "saPod" },
    { "show", "ID [--messages|--effects|--raw]", "all about a run", cmd_show, 1,
      1, true, "meR" },
    { "why", "ID", "what a run is, and what to do", cmd_why, 1, 1, true, "" },
    { "watch", "[ID] [-d SECONDS]", "tells each change of a state", cmd_watch,
      0, 1, true, "saPd" },
    { "verify", "[ID]...", "reads every byte", cmd_verify, 0, 1 << 30, true,
      "" },
    { "metrics", "", "figures for Prometheus", cmd_metrics, 0, 0, true, "" },
    { "report", ">FILE.html", "one page about all runs", cmd_report, 0, 0, true,
      "saP" },
    { "export", "ID >FILE", "writes a checkpoint as it stands", cmd_export, 1,
      1, true, "" },
    { "import", "ID <FILE", "begins a run with such a checkpoint", cmd_import,
      1, 1, false, "" },
    { "retry", "ID...", "lets a failed or exhausted run be resumed", cmd_retry,
      1, 1 << 30, false, "" },
    { "rm", "ID...", "removes runs that are not live", cmd_rm, 1, 1 << 30,
      false, "" },
    { "prune", "--older-than 30d [--kept] [--idle] [--dry-run]",
      "removes runs that ended, or were left, long ago", cmd_prune, 0, 0, false,
      "OkiD" },
    { "sweep", "", "removes what crashes left half done", cmd_sweep, 0, 0,
      false, "" },
    { "help", "", "prints this", cmd_help, 0, 0, true, "" }
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int cmd_help(void)
{
    puts("usage: ckpt [-C DIR] [--json] [--color=auto|always|never] COMMAND "
         "...\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        printf("  %s%s%s\n%24s%s\n", c->name, c->operands[0] ? " " : "",
               c->operands, "", c->help);
    }
    puts("\nThe store is DIR, else $CKPT_DIR, else \"runs\"; DIR may also be a "
         "connection\nstring of PostgreSQL. States: live, stalled, "
         "interrupted, exhausted, failed,\ndone, finished, damaged, newer, "
         "unreadable, foreign, busy. --lease and\n--resume-max are as the "
         "programs have them.\n\nExit status: 0 done; 1 failed; 2 usage; "
         "3 no such run, or none selected;\n4 live or busy, nothing done; "
         "5 verify or --fail-if found something;\n6 the claim was lost.");
    return DONE;
}

static bool parse_states(const char *names, uint32_t *set)
{
    for (;; names++) {
        const size_t n = strcspn(names, ",");
        size_t i = 0;
        while (i < STATES && (strlen(states[i].name) != n ||
                              strncmp(states[i].name, names, n) != 0)) {
            i++;
        }
        if (i == STATES) return false;
        *set |= states[i].bit;
        names += n;
        if (*names == '\0') return true;
    }
}

// A span such as 30d, 12h, 5m, 2s or 0.5s; without a unit, seconds.
static bool parse_span(const char *text, int64_t *ms)
{
    static const struct { const char *unit; double ms; } units[] = {
        { "", 1e3 }, { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 36e5 },
        { "d", 864e5 }, { "w", 6048e5 }
    };
    char *end;
    const double value = strtod(text, &end);
    if (end == text || !(value > 0)) return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0 && value * units[i].ms < 1e15) {
            *ms = (int64_t)(value * units[i].ms);
            return *ms > 0;
        }
    }
    return false;
}

static bool parse_attempts(const char *text, int64_t *max)
{
    char *end;
    *max = strtol(text, &end, 10);
    if (strcmp(text, "unlimited") == 0) *max = CKPT_UNLIMITED;
    if (strcmp(text, "never") == 0) *max = CKPT_NEVER;
    return *max == CKPT_UNLIMITED || *max == CKPT_NEVER ||
           (end > text && *end == '\0' && *max > 0 && *max <= INT32_MAX);
}

static bool parse_colour(const char *when)
{
    opt.colour = when;
    return strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 ||
           strcmp(when, "never") == 0;
}

// What an option sets. Its letter is this program's own; commands list the
// letters of theirs, and the first ones are for every command.
enum kind { FLAG, TEXT, PART, SPAN, SET, ATTEMPTS, COLOUR, COLUMN_LIST, ASKS };

static const struct option {
    char        letter;
    const char *shape, *name;
    enum kind   kind;
    void       *target;
    const char *part;
} options[] = {
    { 'C', "-C", "--dir",        TEXT,        &opt.dir,         NULL },
    { 'j', "-j", "--json",       FLAG,        &opt.json,        NULL },
    { 'c', "",   "--color",      COLOUR,      NULL,             NULL },
    { 'l', "",   "--lease",      SPAN,        &opt.lease_ms,    NULL },
    { 'r', "",   "--resume-max", ATTEMPTS,    &opt.resume_max,  NULL },
    { 'h', "-h", "--help",       ASKS,        NULL,             NULL },
    { 'V', "-V", "--version",    ASKS,        NULL,             NULL },
    { 's', "-s", "--state",      SET,         &opt.states,      NULL },
    { 'f', "",   "--fail-if",    SET,         &opt.fail_if,     NULL },
    { 'a', "",   "--agent",      TEXT,        &opt.agent,       NULL },
    { 'P', "",   "--parent",     TEXT,        &opt.parent,      NULL },
    { 'o', "-o", "--columns",    COLUMN_LIST, NULL,             NULL },
    { 'p', "-p", "--exact",      FLAG,        &opt.exact,       NULL },
    { 'q', "-q", "--quiet",      FLAG,        &opt.quiet,       NULL },
    { 'd', "-d", "--delay",      SPAN,        &opt.delay_ms,    NULL },
    { 'm', "",   "--messages",   PART,        NULL,             "messages" },
    { 'e', "",   "--effects",    PART,        NULL,             "effects" },
    { 'R', "",   "--raw",        PART,        NULL,             "" },
    { 'O', "",   "--older-than", SPAN,        &opt.older_ms,    NULL },
    { 'k', "",   "--kept",       FLAG,        &opt.kept,        NULL },
    { 'i', "",   "--idle",       FLAG,        &opt.idle,        NULL },
    { 'D', "-n", "--dry-run",    FLAG,        &opt.dry_run,     NULL }
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]), EVERYWHERE = 7 };

static bool has_value(const struct option *o)
{
    return o->kind != FLAG && o->kind != PART && o->kind != ASKS;
}

static bool set_option(const struct option *o, const char *value)
{
    switch (o->kind) {
    case FLAG:        *(bool *)o->target = true; return true;
    case TEXT:        *(const char **)o->target = value; return true;
    case PART:        opt.part = o->part; return true;
    case SPAN:        return parse_span(value, o->target);
    case SET:         return parse_states(value, o->target);
    case ATTEMPTS:    return parse_attempts(value, o->target);
    case COLOUR:      return parse_colour(value);
    case COLUMN_LIST: return choose_columns(value);
    case ASKS:        break;
    }
    return true;
}

// Finds the option that an argument names; *value is what follows "=".
static const struct option *find_option(const char *arg, char **value)
{
    const size_t n = strcspn(arg, "=");
    const bool is_long = strncmp(arg, "--", 2) == 0;
    *value = NULL;
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        if (strcmp(arg, o->shape) == 0 || strcmp(arg, o->name) == 0) return o;
        if (is_long && has_value(o) && strlen(o->name) == n &&
            strncmp(arg, o->name, n) == 0 && arg[n] == '=') {
            *value = (char *)(uintptr_t)(arg + n + 1);
            return o;
        }
    }
    return NULL;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    }
    return NULL;
}

// Takes the option argv[*i] and its value. Returns an exit code.
static int take_option(int argc, char **argv, int *i,
                       const struct command **command)
{
    const char *arg = argv[*i];
    char *value;
    const struct option *o = find_option(arg, &value);
    if (o == NULL) return usage(arg, "there is no such option");
    if (*command != NULL && o >= options + EVERYWHERE &&
        strchr((*command)->options, o->letter) == NULL) {
        return usage(arg, "the command has no such option");
    }
    if (has_value(o) && value == NULL) {
        if (++*i == argc) return usage(arg, "it needs a value");
        value = argv[*i];
    }
    if (!set_option(o, value)) {
        return usage(value, "the option has no such value");
    }
    if (o->letter == 'h') *command = find_command("help");
    if (o->letter == 'V') {
        puts("ckpt " CKPT_VERSION_STRING);
        exit(DONE);
    }
    return DONE;
}

// Reads the arguments. Returns an exit code.
static int parse(int argc, char **argv, const struct command **command)
{
    bool ended = false;                 // by "--"
    int rc = DONE;
    *command = NULL;
    opt.ids = argv;
    for (int i = 1; i < argc && rc == DONE; i++) {
        char *arg = argv[i];
        if (!ended && strcmp(arg, "--") == 0) {
            ended = true;
        } else if (!ended && arg[0] == '-' && arg[1] != '\0') {
            rc = take_option(argc, argv, &i, command);
        } else if (*command != NULL) {
            unescape(arg);
            opt.ids[opt.count++] = arg;
        } else if ((*command = find_command(arg)) == NULL) {
            rc = usage(arg, "there is no such command");
        }
    }
    if (rc != DONE || *command != NULL) return rc;
    return usage("COMMAND", "it is missing");
}

// Whether the command got what it needs. Returns an exit code.
static int check_operands(const struct command *command)
{
    if (opt.count < command->least) {
        return usage(command->name, "it needs the id of a run");
    }
    if (opt.count > command->most) {
        return usage(command->name, "too many arguments");
    }
    if (command->run == cmd_prune && opt.older_ms == 0) {
        return usage("prune", "it needs --older-than");
    }
    if (command->run == cmd_top && (!isatty(STDIN_FILENO) ||
                                    !isatty(STDOUT_FILENO))) {
        return usage("top", "it needs a terminal; watch does not");
    }
    return DONE;
}

static void find_terminal(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    const bool tty = isatty(STDOUT_FILENO);
    int rows;
    setlocale(LC_CTYPE, "");
    utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    columns = tty ? terminal_size(&rows) : 0;
    coloured = strcmp(opt.colour, "always") == 0 ||
        (strcmp(opt.colour, "auto") == 0 && tty &&
         (no_color == NULL || no_color[0] == '\0') &&
         term != NULL && strcmp(term, "dumb") != 0);
}

int main(int argc, char **argv)
{
    const struct command *command;
    const struct sigaction action = { .sa_handler = stop };
    (void)choose_columns("state,run,turn,phases,beat,try,unc,size");
    int rc = parse(argc, argv, &command);
    find_terminal();
    if (rc == DONE && command->run == cmd_help) return cmd_help();
    rc = rc == DONE ? check_operands(command) : rc;
    if (rc != DONE) return rc;
    if (opt.dir == NULL) opt.dir = getenv("CKPT_DIR");
    if (opt.dir == NULL || opt.dir[0] == '\0') opt.dir = "runs";
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    rc = open_store(command->looks || opt.dry_run);
    if (rc != DONE) return rc;
    rc = command->run();
    close_store();
    // Somebody who ends watch or top has seen enough; what else is ended has
    // not done all that it was asked for.
    if (stopped && command->run != cmd_watch && command->run != cmd_top) {
        rc = FAILED;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "ckpt: cannot write the output\n");
        rc = FAILED;
    }
    return rc;
}
