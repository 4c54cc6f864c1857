/*
    agent.c -- a scripted session over the real library, and its judge

        agent write dir marks power|process [sync]
        agent check dir marks power|process

    write goes through everything a run can do: begin, saves, phases, effects,
    a resume, a clean interrupt, a finish, a dead letter and its retry, an id
    used again. Before each step it writes into marks what it is about to do
    (a small letter), after each what was acknowledged (the capital one):

        b begin   s save   p phase end   c effect begin   e effect end
        f finish  l finish with a dead letter   r retry of the letter

    with the id of the run and n, the number of the state. An error is tried
    again a few times, then left: what was not acknowledged is not asked for.

    check is given what a crash left, and the marks that had been written. With
    power, or after a kill, it demands for every run that what stands is what
    was acknowledged last or newer, whole, and never what was finished; that
    phases and effects stand; and that one save more works. With process, after
    a power cut, older or damaged is fine, wrong never is. Prints what is wrong;
    exits with 0 if nothing is.
*/
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND_LIFE 100         // states of an id that is used again

enum { TRIES = 4, RUNS_MAX = 8 };

static struct {
    const char     *dir;
    int             marks;
    bool            power, sync;
    unsigned        steps, bad;
    ckpt_store_fs   fs;
    ckpt_ctx        ctx;
    ckpt_run        run;
    ckpt_run_info   info;
    ckpt_checkpoint last;
    const char     *id;
    unsigned        n;
    uint64_t        append_at;
    char            message[12000], state[12000];
    char            buf[1024 * 1024];
} a;

// -- What both halves need --

static bool open_store(void)
{
    ckpt_error err;
    for (int i = 0; i < TRIES; i++) {
        if (ckpt_store_fs_open(&a.fs, &(ckpt_store_fs_desc){
                .dir = a.dir, .durability = a.power ? CKPT_STORE_FS_POWER
                                                    : CKPT_STORE_FS_PROCESS,
            }, &err) == CKPT_OK) {
            return ckpt_init(&a.ctx, &(ckpt_desc){
                .store = &a.fs.base, .throttle_ms = CKPT_OFF,
                .beat_ms = CKPT_OFF, .resume_max = CKPT_UNLIMITED
            }) == CKPT_OK;
        }
    }
    fprintf(stderr, "agent: open %s: %s: %s\n", a.dir, err.op, err.msg);
    return false;
}

// The message that state n adds, or the state, of a size of its own.
static ckpt_bytes text_of(unsigned n, bool state, char *out, size_t cap)
{
    const size_t pad = (n * 7919U + (state ? 101 : 0)) % 9000;
    const int at = snprintf(out, cap, state ? "{\"n\":%u,\"pad\":\""
                                            : "[{\"n\":%u,\"pad\":\"", n);
    for (size_t i = 0; i < pad; i++) {
        out[(size_t)at + i] = (char)('a' + (i + n) % 26);
    }
    strcpy(out + (size_t)at + pad, state ? "\"}" : "\"}]");
    return ckpt_text(out);
}

static ckpt_save_desc save_of(unsigned n)
{
    return (ckpt_save_desc){
        .turn = n, .append_at = a.append_at,
        .messages = text_of(n, false, a.message, sizeof(a.message)),
        .state = text_of(n, true, a.state, sizeof(a.state)) };
}

// Makes all heartbeats old: whoever died, or failed, between its claim and its
// first save is waited for otherwise.
static void be_patient(void)
{
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    DIR *root = opendir(a.dir);
    for (struct dirent *r; root != NULL && (r = readdir(root)) != NULL; ) {
        const int fd = r->d_name[0] == '.' ? -1 :
            openat(dirfd(root), r->d_name, O_RDONLY | O_DIRECTORY);
        DIR *run = fd < 0 ? NULL : fdopendir(fd);
        for (struct dirent *f; run != NULL && (f = readdir(run)) != NULL; ) {
            if (strncmp(f->d_name, "heartbeat.", 10) == 0) {
                (void)utimensat(fd, f->d_name, old, 0);
            }
        }
        if (run != NULL) {
            closedir(run);
        }
    }
    if (root != NULL) {
        closedir(root);
    }
}

// -- The script --

static void mark(char what)
{
    char line[64];
    const int n = snprintf(line, sizeof(line), "%c %s %u\n", what, a.id, a.n);
    if (write(a.marks, line, (size_t)n) != n) {
        exit(3);                        // nobody could judge what follows
    }
}

typedef ckpt_code step_fn(void);

// Tries a step; true if it was acknowledged. These codes are never the answer
// to a medium that fails.
static bool step(char what, step_fn *fn)
{
    ckpt_code rc = CKPT_ERR_IO;
    mark(what);
    // Every try names the same place: what it adds may stand already.
    a.append_at = a.run.messages;
    for (int i = 0; rc < 0 && i < TRIES; i++) {
        rc = fn();
        if (rc == CKPT_ERR_BUSY) {
            be_patient();
        }
        if (rc == CKPT_ERR_CLAIM_LOST || rc == CKPT_ERR_DAMAGED ||
            rc == CKPT_ERR_FOREIGN || rc == CKPT_ERR_FORMAT ||
            rc == CKPT_ERR_LIVE || rc == CKPT_ERR_ARGUMENT ||
            rc == CKPT_ERR_JSON || rc == CKPT_ERR_EXHAUSTED) {
            const ckpt_error *e = a.run.error.code == rc ? &a.run.error
                                : ckpt_last_error(&a.ctx);
            printf("BAD %c %s %u gives %d: %s (%s, %d)\n", what, a.id, a.n,
                   (int)rc, e->msg, e->op != NULL ? e->op : "", e->sys);
            exit(4);
        }
    }
    if (a.sync && ++a.steps % 5 == 0) {
        sync();
    }
    if (rc >= 0) {
        mark((char)(what - 'a' + 'A'));
    }
    return rc >= 0;
}

static ckpt_code do_open(void)
{
    ckpt_abandon(&a.run);
    return ckpt_open(&a.ctx, &a.run, &(ckpt_run_desc){
        .id = a.id, .meta = { .agent_id = "disk", .prompt = a.id } });
}

static ckpt_code do_resume(void)
{
    ckpt_abandon(&a.run);
    return ckpt_resume(&a.ctx, &a.run, &(ckpt_run_desc){ .id = a.id });
}

static ckpt_code do_save(void)
{
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_save(&a.run, &save);
}

static ckpt_code do_phase(void)
{
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_phase_end(&a.run, "phase", ckpt_text("[1]"), &save);
}

static ckpt_code do_call(void)
{
    ckpt_effect effect;
    const ckpt_save_desc save = save_of(a.n);
    return ckpt_effect_begin(&a.run, "call", &save, &effect);
}

static ckpt_code do_result(void)
{
    return ckpt_effect_end(&a.run, "call", ckpt_text("{\"ok\":true}"));
}

static ckpt_code do_finish(void)
{
    return ckpt_finish(&a.run, CKPT_COMPLETED, NULL);
}

static ckpt_code do_letter(void)
{
    return ckpt_finish(&a.run, CKPT_FAILED,
                       &(ckpt_finish_desc){ .keep = true, .reason = "test" });
}

static ckpt_code do_retry(void)
{
    const ckpt_code rc = ckpt_retry(&a.ctx, &a.run, a.id);
    return rc == CKPT_ERR_EXISTS ? CKPT_OK : rc;    // an earlier try did it
}

static void begin(const char *id, unsigned n)
{
    a.id = id;
    a.n = n;
    step('b', do_open);
}

static void saves(unsigned count)
{
    while (count-- > 0) {
        a.n++;
        step('s', do_save);
    }
}

// Takes the run up again where it stands; what it has is told by its load.
static void again(const char *id, unsigned n)
{
    a.id = id;
    a.n = n;
    for (int i = 0; i < TRIES; i++) {
        const ckpt_code rc = do_resume();
        if (rc >= 0) {
            a.n = (unsigned)a.run.turn;
            return;
        }
        if (rc == CKPT_ERR_BUSY) {
            be_patient();
        }
    }
}

static void play(void)
{
    begin("first", 0);
    saves(2);
    a.n++;
    step('p', do_phase);
    a.n++;
    step('c', do_call);
    step('e', do_result);
    saves(1);
    again("first", a.n);                // as after a kill
    saves(2);
    const unsigned first = a.n;
    ckpt_abandon(&a.run);

    begin("gone", 0);
    saves(2);
    if (!step('f', do_finish)) {
        return;                         // else its first life would go on
    }

    begin("letter", 0);
    saves(3);
    const bool letter = step('l', do_letter);

    begin("gone", SECOND_LIFE);         // the id once more
    saves(1);
    (void)!ckpt_finish(&a.run, CKPT_INTERRUPTED, NULL);
    const unsigned second = a.n;

    a.id = "letter";
    a.n = 3;
    if (letter && step('r', do_retry)) {
        again("letter", 3);
        saves(2);
        ckpt_abandon(&a.run);
    }

    again("first", first);
    a.n++;
    step('c', do_call);
    saves(1);
    a.n++;
    step('p', do_phase);
    step('f', do_finish);

    again("gone", second);
    saves(3);
    begin("kept", 0);
    saves(1);
    step('l', do_letter);
    (void)!ckpt_sweep(&a.ctx, &a.run, NULL);
}

// -- The judge --

enum { PRESENT = 1, ABSENT = 2, LETTER = 4 };

// What the marks say about a run. Every id begins absent.
typedef struct story {
    char     id[32];
    unsigned may;                       // PRESENT, ABSENT, LETTER
    unsigned acked, tried, low;         // states
    unsigned phases, phases_tried;
    char     last_tried, last_acked;
} story;

static void bad(const story *s, const char *what, long long a1, long long a2)
{
    printf("BAD %s (may %u, acked %u, tried %u, last %c%c): %s %lld %lld\n",
           s->id, s->may, s->acked, s->tried, s->last_tried,
           s->last_acked != '\0' ? s->last_acked : '-', what, a1, a2);
    a.bad++;
}

static void tell(story *s, char what, unsigned n)
{
    static const struct { char what; unsigned adds, sets; } rules[] = {
        { 'b', PRESENT, 0 }, { 'B', 0, PRESENT },
        { 'f', ABSENT, 0 },  { 'F', 0, ABSENT },
        { 'l', LETTER, 0 },  { 'L', 0, LETTER },
        { 'r', PRESENT, 0 }, { 'R', 0, PRESENT },
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].what == what) {
            s->may |= rules[i].adds;
            s->may = rules[i].sets != 0 ? rules[i].sets : s->may;
        }
    }
    s->low = what == 'b' ? n : s->low;
    s->acked = what == 'b' ? n : s->acked;
    s->phases = what == 'b' ? 0 : s->phases;
    s->phases_tried = what == 'b' ? 0 : s->phases_tried;
    s->phases_tried += what == 'p';
    s->phases += what == 'P';
    if (what >= 'a') {
        s->tried = n;
        s->last_tried = what;
    } else {
        s->acked = n;
        s->last_acked = what;
    }
}

static unsigned read_marks(const char *path, story *stories)
{
    unsigned count = 0, n;
    char what, id[32];
    FILE *f = fopen(path, "r");
    while (f != NULL && fscanf(f, " %c %31s %u", &what, id, &n) == 3) {
        unsigned i = 0;
        while (i < count && strcmp(stories[i].id, id) != 0) {
            i++;
        }
        if (i == count) {
            if (++count > RUNS_MAX) {
                exit(2);
            }
            memset(&stories[i], 0, sizeof(stories[i]));
            strcpy(stories[i].id, id);
            stories[i].may = ABSENT;
        }
        tell(&stories[i], what, n);
    }
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return count;
}

// Loads, and compares every byte with what state n was: n, or -1.
static int64_t load_whole(const story *s)
{
    int64_t n;
    size_t at = 0;
    ckpt_bytes value, want;
    const ckpt_code rc = ckpt_load(&a.run, &a.last, a.buf, sizeof(a.buf));
    if (rc < 0 || (rc != CKPT_OK && a.power)) {
        if (rc != CKPT_ERR_DAMAGED || a.power) {
            bad(s, "load gives", rc, a.run.error.sys);
        }
        return -1;
    }
    n = (int64_t)a.last.turn;
    const unsigned low = n >= SECOND_LIFE ? SECOND_LIFE : 0;
    for (unsigned i = low + 1; i <= (unsigned)n; i++) {
        want = text_of(i, false, a.message, sizeof(a.message));
        if (!ckpt_json_next(a.last.messages, &at, NULL, &value) ||
            value.len + 2 != want.len ||
            memcmp(value.ptr, (const char *)want.ptr + 1, value.len) != 0) {
            bad(s, "another message than that of", i, n);
            return -1;
        }
    }
    want = n > low ? text_of((unsigned)n, true, a.state, sizeof(a.state))
                   : ckpt_text("{}");
    if (ckpt_json_next(a.last.messages, &at, NULL, &value) ||
        a.last.state.len != want.len ||
        memcmp(a.last.state.ptr, want.ptr, want.len) != 0) {
        bad(s, "a state of another size, or a message more", n,
            (long long)a.last.state.len);
        return -1;
    }
    if (a.last.meta.prompt == NULL || strcmp(a.last.meta.prompt, s->id) != 0) {
        bad(s, "metadata of another run", n, 0);
    }
    return n;
}

// What phases and effects a resume must know, where the marks say it.
static void judge_lists(const story *s)
{
    unsigned begun = 0, ended = 0, phases = 0;
    ckpt_effect effect = { .at = 0 };
    while (ckpt_effect_next(&a.run, &effect) == CKPT_OK) {
        begun += effect.state == CKPT_EFFECT_UNCERTAIN;
        ended += effect.state == CKPT_EFFECT_ENDED;
    }
    const bool same = s->last_acked == s->last_tried - 'a' + 'A';
    if ((s->last_tried == 'c' && same && begun == 0) ||
        (s->last_tried == 'e' && !same && begun + ended == 0) ||
        (s->last_tried == 'e' && same && ended == 0)) {
        bad(s, "an effect is lost", begun, ended);
    }
    while (phases < 10 && !ckpt_phase(&a.run, "phase")) {
        phases++;
    }
    if (phases < s->phases || phases > s->phases_tried) {
        bad(s, "phases, of", phases, s->phases);
    }
}

static bool find_letter(void *user, const ckpt_run_info *info)
{
    story *s = user;
    if (strcmp(info->id, s->id) == 0) {
        a.info = *info;
        s->id[31] = 1;                  // found
        return false;
    }
    return true;
}

static bool is_letter(const story *s)
{
    story copy = *s;
    copy.id[31] = 0;
    const ckpt_code rc = ckpt_scan(&a.ctx, CKPT_STATE_FAILED, find_letter,
                                   &copy);
    if (rc != CKPT_OK) {
        bad(s, "scan gives", rc, 0);
    }
    return copy.id[31] == 1;
}

static ckpt_code resume(const story *s)
{
    ckpt_abandon(&a.run);
    return ckpt_resume(&a.ctx, &a.run, &(ckpt_run_desc){ .id = s->id });
}

// A run that stands: right, and able to go on.
static void judge_present(const story *s)
{
    int64_t n = load_whole(s);
    const unsigned low = s->acked > s->low ? s->acked : s->low;
    if (n < 0) {
        return;
    }
    if (n == 0 && s->acked == s->low) {
        n = s->low;                     // begun, not saved yet
    }
    if (n > s->tried || (a.power && n < low)) {
        bad(s, "a state that is too old or too new", n, low);
    }
    if (a.power) {
        judge_lists(s);
    }
    a.append_at = a.run.messages;
    const ckpt_save_desc save = save_of((unsigned)n + 1);
    ckpt_code rc = ckpt_save(&a.run, &save);
    if (rc != CKPT_OK) {
        bad(s, "one save more gives", rc, a.run.error.sys);
    }
    rc = resume(s);
    if (rc != CKPT_OK || load_whole(s) != n + 1) {
        bad(s, "and then it cannot be resumed", rc, n + 1);
    }
}

static void judge(const story *s)
{
    bool letter = is_letter(s);
    ckpt_code rc = resume(s);
    if (rc == CKPT_ERR_FINISHED) {      // and only now it has been removed
        rc = resume(s);
        letter = is_letter(s);
    }
    const unsigned is = rc == CKPT_OK ? PRESENT : letter ? LETTER : ABSENT;
    if (rc != CKPT_OK && rc != CKPT_ERR_NOT_FOUND &&
        (a.power || rc != CKPT_ERR_DAMAGED)) {
        bad(s, "resume gives", rc, ckpt_last_error(&a.ctx)->sys);
        return;
    }
    if (a.power && (s->may & is) == 0) {
        bad(s, "it is", is, rc);
    }
    if (rc == CKPT_OK) {
        judge_present(s);
    }
    if (rc == CKPT_ERR_NOT_FOUND && letter) {
        rc = ckpt_retry(&a.ctx, &a.run, s->id);
        if (rc != CKPT_OK && (a.power || rc != CKPT_ERR_DAMAGED)) {
            bad(s, "retry of the letter gives", rc,
                ckpt_last_error(&a.ctx)->sys);
        } else if (rc == CKPT_OK && (rc = resume(s)) != CKPT_OK) {
            bad(s, "resume after the retry gives", rc, 0);
        } else if (rc == CKPT_OK) {
            judge_present(s);
        }
    }
    ckpt_abandon(&a.run);
}

static bool no_wreck(void *user, const ckpt_run_info *info)
{
    (void)user;
    printf("BAD %s is in state %d: %s\n", info->id, (int)info->state,
           info->error.msg != NULL ? info->error.msg : "");
    a.bad++;
    return true;
}

static void check(const char *marks)
{
    static story stories[RUNS_MAX];
    const unsigned count = read_marks(marks, stories);
    uint32_t wreck = CKPT_STATE_UNREADABLE | CKPT_STATE_FOREIGN |
                     CKPT_STATE_NEWER | CKPT_STATE_LIVE | CKPT_STATE_STALLED;
    wreck |= a.power ? CKPT_STATE_DAMAGED : 0U;
    be_patient();
    if (ckpt_scan(&a.ctx, wreck, no_wreck, NULL) != CKPT_OK ||
        ckpt_sweep(&a.ctx, &a.run, NULL) != CKPT_OK) {
        printf("BAD scan or sweep: %s\n", ckpt_last_error(&a.ctx)->msg);
        a.bad++;
    }
    for (unsigned i = 0; i < count; i++) {
        judge(&stories[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 6 ||
        (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "check") != 0)) {
        fprintf(stderr, "usage: agent write|check dir marks power|process "
                "[sync]\n");
        return 2;
    }
    a.dir = argv[2];
    a.power = strcmp(argv[4], "power") == 0;
    a.sync = argc == 6;
    if (argv[1][0] == 'w') {
        a.marks = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (a.marks < 0 || !open_store()) {
            return 3;
        }
        play();
        ckpt_abandon(&a.run);
    } else {
        if (!open_store()) {
            printf("BAD the store cannot be opened\n");
            return 1;
        }
        check(argv[3]);
    }
    ckpt_store_fs_close(&a.fs);
    return a.bad > 0;
}
