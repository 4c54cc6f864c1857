// SPDX-License-Identifier: MIT-0
/*
    agent.c -- an agent that reads texts, survives kill -9, and needs no model

    It works in four phases: survey (which files are there?), read (seven tool
    calls for each file), analyse (which files are alike?) and report. Its
    tools are shell commands. Kill it at any moment and start it again: it
    skips the phases that were complete, uses the results of the calls that
    had ended, and goes on with the turn it was in. The report is the same;
    examples/demo.c proves it.

        cc -std=c99 -I. -I/usr/include/stb -o build/agent examples/agent.c
        build/agent [-v] [-r runs] [-o report] [path ...]

    Where a real agent asks a language model, this one has a fixed plan. What
    belongs to ckpt is the same: see "Checkpoints", "Turns" and "The run".

    With -v it says of each tool call when it runs and when it has ended.

    A run that is complete is kept as done: one more start reads nothing again.
    Remove the directory of runs to begin anew.

    Exit status: 0 the report is there; 75 try again later; 1 an error, and
    the next start resumes the run.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_ID "agent"
#define PROMPT "Read these texts and report."

enum {
    FILES_MAX  = 48,                    // reads so many, see "find" below
    WORDS_MAX  = 4000,                  // compares so many words of each
    TOOLS_MAX  = 7,                     // calls in a turn
    OUTPUT_MAX = 32 * 1024,             // bytes that a tool may print
    RESULT_MAX = 6 * OUTPUT_MAX + 3,    // the same as JSON: \u0000 and quotes
    FRESH_MAX  = TOOLS_MAX * RESULT_MAX + 128 * 1024,
    LOAD_MAX   = 4 * 1024 * 1024,       // the whole checkpoint
    TRY_LATER  = 75                     // EX_TEMPFAIL
};

// A tool is a fixed script. File names reach it in $FILES, one a line, never
// as a part of its text: a file called "; rm -rf ~" is just a file.
typedef struct tool {
    const char *name, *script;
} tool;

#define EACH_FILE "printf '%s\\n' \"$FILES\" | " \
                  "while IFS= read -r f && [ \"$f\" ]; do "
#define COUNT     "sort | uniq -c | sort -k1,1nr -k2"
#define WORDS     "tr -cs A-Za-z '\\n' | tr A-Z a-z"

static const tool survey_tools[] = {
    { "find", EACH_FILE "case $f in -*) f=./$f; esac; "
              "find \"$f\" \\( -name .git -o -name build \\) -prune -o -type f"
              " -size -500 ! -path '*\n*' -exec grep -Il . {} + | sort; done"
              " | head -n 48" }
};

static const tool read_tools[TOOLS_MAX] = {
    { "lines",   "echo \"lines  $(wc -l <\"$FILES\")\"" },
    { "sha256",  "echo \"sha256 $(sha256sum <\"$FILES\" | cut -c 1-64)\"" },
    { "packed",  "echo \"packed $(gzip -9 <\"$FILES\" | wc -c) bytes\"" },
    { "must",    "echo \"must   $(grep -ciw must <\"$FILES\") lines\"" },
    { "letters", "<\"$FILES\" " WORDS " | fold -w 1 | " COUNT " | head -n 3" },
    { "words",   "<\"$FILES\" " WORDS " | " COUNT " | head -n 5" },
    { "phrases", "<\"$FILES\" " WORDS " | "
                 "awk '{ print a, b, $1; a = b; b = $1 }' | "
                 COUNT " | head -n 3" }
};

static const tool analyse_tools[] = {
    { "words", EACH_FILE "cat \"$f\"; done | " WORDS " | grep ....... | "
               COUNT " | head -n 20" }
};

// What .state keeps: how many files are read, how many are compared with those
// before them, and a digest of all results.
enum { FILES, COMPARED, DIGEST, FIELDS };
static const char *const field_names[FIELDS] = {
    "files", "compared", "digest"
};

typedef struct agent {
    ckpt_run   run;
    bool       verbose;
    ckpt_json  fresh;                   // messages that no save has sent yet
    int64_t    state[FIELDS];

    char      *paths[FILES_MAX];
    int64_t    count;
    uint32_t   hashes[FILES_MAX][WORDS_MAX];    // of the words of each file
    size_t     hash_count[FILES_MAX];
    ckpt_bytes results[TOOLS_MAX];      // of this turn, JSON strings
    char       result_buf[TOOLS_MAX][RESULT_MAX];
    char       path_list[OUTPUT_MAX + 1];       // one a line
    char       path_buf[OUTPUT_MAX + 1];        // cut into paths[]
    char       output_buf[OUTPUT_MAX + 64];
    char       fresh_buf[FRESH_MAX];
    char       state_buf[256];
    char       text_buf[RESULT_MAX];
    char       load_buf[LOAD_MAX];      // what load() read
} agent;

// Every failure stops this agent: its run is kept, and the next start resumes
// it. One that must not stop would save again (see ERRORS in ckpt.h).
static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "agent: %s: %s\n", what, why);
    return false;
}

static bool check(const agent *a, ckpt_code rc, const char *what)
{
    const ckpt_error *error = &a->run.error;
    if (rc >= 0) {
        return true;
    }
    if (error->code != rc) {            // not of the run: of a JSON function
        return fail(what, ckpt_code_message(rc));
    }
    fprintf(stderr, "agent: %s: %s (%s, errno %d)\n", what, error->msg,
            error->op != NULL ? error->op : "ckpt", error->sys);
    return false;
}

// Runs a tool. Its result is what it printed, as a JSON string. A tool that
// fails is no error of the agent: the model is told.
static bool run_tool(const agent *a, const tool *t, const char *files,
                     char *output, char *buf, ckpt_bytes *result)
{
    FILE *f = NULL;
    if (setenv("FILES", files, 1) == 0) {
        f = popen(t->script, "r");
    }
    if (f == NULL) {
        return fail(t->name, strerror(errno));
    }
    size_t len = fread(output, 1, OUTPUT_MAX, f);
    bool   good = !ferror(f) && len < OUTPUT_MAX;
    int    status = pclose(f);
    if (!good || status < 0) {
        return fail(t->name, "its output is too long or cannot be read");
    }
    if (status != 0) {
        len += (size_t)snprintf(output + len, 64, "(status %d)\n", status);
    }
    ckpt_json w;
    ckpt_json_init(&w, buf, RESULT_MAX);
    w.replace = true;                   // files need not be UTF-8, JSON must
    ckpt_json_string(&w, (ckpt_bytes){ output, len });
    return check(a, ckpt_json_done(&w, result), t->name);
}

//--- Checkpoints --------------------------------------------------------------

// Starts a new array of messages to send.
static void begin_fresh(agent *a)
{
    ckpt_json_init(&a->fresh, a->fresh_buf, sizeof(a->fresh_buf));
    ckpt_json_open(&a->fresh, '[');
}

// Describes a save of everything as it is now. Messages and state go together,
// so that no crash can part them, and only messages that are new are sent.
static bool describe(agent *a, uint64_t turn, ckpt_save_desc *save)
{
    ckpt_json w, all = a->fresh;        // a copy is closed: more may be added
    ckpt_json_close(&all);
    ckpt_json_init(&w, a->state_buf, sizeof(a->state_buf));
    ckpt_json_open(&w, '{');
    for (size_t i = 0; i < FIELDS; i++) {
        ckpt_json_key(&w, field_names[i]);
        ckpt_json_int(&w, a->state[i]);
    }
    ckpt_json_close(&w);
    *save = (ckpt_save_desc){ .turn = turn, .append_at = a->run.messages };
    return check(a, ckpt_json_done(&all, &save->messages), "messages")
        && check(a, ckpt_json_done(&w, &save->state), "state");
}

// Reads the whole checkpoint: run.checkpoint_size bytes.
static bool load(agent *a, ckpt_checkpoint *last)
{
    return check(a, ckpt_load(&a->run, last, a->load_buf, sizeof(a->load_buf)),
                 "load");
}

// Takes the state over from the last checkpoint.
static bool restore(agent *a)
{
    ckpt_checkpoint last;
    bool            good = load(a, &last);
    for (size_t i = 0; good && last.turn > 0 && i < FIELDS; i++) {
        ckpt_bytes value = ckpt_json_get(last.state, field_names[i]);
        good = check(a, ckpt_json_number(value, &a->state[i]), field_names[i]);
    }
    return good;                        // turn 0: it had not saved yet
}

// Says what a resume means. A real agent gives the note to its model.
static bool print_note(agent *a)
{
    ckpt_note_info note;
    char           text[4096];
    ckpt_code      rc = ckpt_note(&a->run, &note, a->text_buf, RESULT_MAX);
    if (rc >= 0) {
        rc = ckpt_json_text(ckpt_json_get(note.message, "content"), text,
                            sizeof(text), NULL);
    }
    if (!check(a, rc, "note")) {
        return false;
    }
    printf("resumed       turn %" PRIu64 ", attempt %" PRIu32 ", %" PRIu64
           " messages saved; for the model:\n              \"%s\"\n",
           note.turn, note.attempt, a->run.messages, text);
    return true;
}

static bool phase(agent *a, const char *name)
{
    bool todo = ckpt_phase(&a->run, name);
    printf("%-13s %s\n", name, todo ? "..." : "skipped, it is complete");
    return todo;
}

static bool phase_end(agent *a, const char *name, uint64_t turn,
                      ckpt_bytes output)
{
    ckpt_save_desc save;
    if (!describe(a, turn, &save)
        || !check(a, ckpt_phase_end(&a->run, name, output, &save), name)) {
        return false;
    }
    begin_fresh(a);
    return true;
}

// After a turn without tool calls: a save if one is due, else a sign of life.
// The messages of a skipped save stay fresh, and the next one sends them.
static bool save_or_beat(agent *a, uint64_t turn)
{
    ckpt_save_desc save;
    if (!ckpt_due(&a->run, turn)) {
        return check(a, ckpt_beat(&a->run), "beat");
    }
    if (!describe(a, turn, &save)) {
        return false;
    }
    ckpt_code rc = ckpt_save(&a->run, &save);
    if (rc == CKPT_OK) {
        begin_fresh(a);
    }
    return check(a, rc, "save");
}

//--- Turns --------------------------------------------------------------------

static void add(ckpt_json *w, const char *key, const char *text)
{
    w->replace = true;
    ckpt_json_key(w, key);
    ckpt_json_string(w, ckpt_text(text));
}

static void say(agent *a, const char *role, const char *text)
{
    ckpt_json_open(&a->fresh, '{');
    add(&a->fresh, "role", role);
    add(&a->fresh, "content", text);
    ckpt_json_close(&a->fresh);
}

// The same call has the same id in every attempt: that is how an effect that
// ended before a crash is found again.
static const char *call_id(char id[64], uint64_t turn, const tool *t)
{
    snprintf(id, 64, "turn-%" PRIu64 "-%s", turn, t->name);
    return id;
}

// What the model would answer: a text, and the calls that it asks for.
static void ask(agent *a, uint64_t turn, const char *text, const tool *tools,
                size_t n, const char *files)
{
    ckpt_json *w = &a->fresh;
    char       id[64];
    ckpt_json_open(w, '{');
    add(w, "role", "assistant");
    add(w, "content", text);
    ckpt_json_key(w, "tool_calls");
    ckpt_json_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        ckpt_json_open(w, '{');
        add(w, "id", call_id(id, turn, &tools[i]));
        add(w, "type", "function");
        ckpt_json_key(w, "function");
        ckpt_json_open(w, '{');
        add(w, "name", tools[i].name);
        add(w, "arguments", files);
        ckpt_json_close(w);
        ckpt_json_close(w);
    }
    ckpt_json_close(w);
    ckpt_json_close(w);                 // errors stay in w, see describe()
}

// Makes one tool call, or takes its result if it was made before the crash.
static bool call(agent *a, const char *id, const ckpt_save_desc *save,
                 const tool *t, const char *files, size_t i)
{
    ckpt_effect effect;
    ckpt_bytes *result = &a->results[i];
    char       *buf = a->result_buf[i];
    if (!check(a, ckpt_effect_begin(&a->run, id, save, &effect), id)) {
        return false;                   // not durable: it must not run
    }
    switch (effect.state) {
    case CKPT_EFFECT_ENDED:
        printf("  %-16s reused, it ended before the crash\n", id);
        result->ptr = buf;
        return check(a, ckpt_effect_result(&a->run, &effect, buf, RESULT_MAX,
                                           &result->len), id);
    case CKPT_EFFECT_UNCERTAIN:         // one that writes must look, or ask
        printf("  %-16s uncertain: runs again, because it only reads\n", id);
        break;
    case CKPT_EFFECT_NEW:
        break;
    }
    if (a->verbose) {
        printf("  %-16s runs\n", id);
    }
    if (!run_tool(a, t, files, a->output_buf, buf, result)
        || !check(a, ckpt_effect_end(&a->run, id, *result), id)) {
        return false;
    }
    if (a->verbose) {
        printf("  %-16s ended\n", id);
    }
    return true;
}

// One turn: the model asks for calls, they are made, their results become
// messages. Those are saved with the next turn: until then the effects hold
// the results, and a resume comes through here again.
static bool turn(agent *a, uint64_t number, const char *text,
                 const tool *tools, size_t n, const char *files)
{
    ckpt_save_desc save;
    char           id[64];
    if (a->run.turn < number) {         // else it was saved before the crash
        ask(a, number, text, tools, n, files);
    }
    if (!describe(a, number, &save)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!call(a, call_id(id, number, &tools[i]), &save, &tools[i], files,
                  i)) {
            return false;
        }
    }
    begin_fresh(a);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *bytes = a->results[i].ptr;
        int64_t             *digest = &a->state[DIGEST];
        for (size_t k = 0; k < a->results[i].len; k++) {        // FNV-1a
            *digest = (*digest ^ bytes[k]) * 16777619 & UINT32_MAX;
        }
        ckpt_json_open(&a->fresh, '{');
        add(&a->fresh, "role", "tool");
        add(&a->fresh, "tool_call_id", call_id(id, number, &tools[i]));
        ckpt_json_key(&a->fresh, "content");
        ckpt_json_raw(&a->fresh, a->results[i]);
        ckpt_json_close(&a->fresh);
    }
    return true;
}

//--- Phases -------------------------------------------------------------------

static bool survey(agent *a, const char *roots)
{
    size_t size;
    if (phase(a, "survey")
        && !(turn(a, 1, "Which texts are there?", survey_tools, 1, roots)
             && phase_end(a, "survey", 1, a->results[0]))) {
        return false;
    }
    // Always from the output of the phase: the files are those found then.
    ckpt_code rc = ckpt_phase_output(&a->run, "survey", a->text_buf,
                                     RESULT_MAX, &size);
    if (rc >= 0) {
        rc = ckpt_json_text((ckpt_bytes){ a->text_buf, size }, a->path_list,
                            sizeof(a->path_list), NULL);
    }
    strcpy(a->path_buf, a->path_list);
    for (char *path = strtok(a->path_buf, "\n");
         path != NULL && a->count < FILES_MAX; path = strtok(NULL, "\n")) {
        a->paths[a->count++] = path;
    }
    return check(a, rc, "survey");
}

static bool read_all(agent *a)
{
    int64_t *i = &a->state[FILES];
    if (!phase(a, "read")) {
        return true;
    }
    for (; *i < a->count; ++*i) {
        char  text[1024];
        char *path = a->paths[*i];
        printf("read          %d of %d: %s\n", (int)*i + 1, (int)a->count,
               path);
        snprintf(text, sizeof(text), "What is in %s?", path);
        if (!turn(a, 2 + (uint64_t)*i, text, read_tools, TOOLS_MAX, path)) {
            return false;
        }
    }
    return phase_end(a, "read", 1 + (uint64_t)a->count, ckpt_text("{}"));
}

// Hashes the first words of a file. One that is gone by now has none, and the
// tools have told the model already.
static void hash_words(agent *a, int64_t file)
{
    FILE    *f = fopen(a->paths[file], "r");
    uint32_t hash = 0;
    size_t  *n = &a->hash_count[file];
    if (f == NULL) {
        fail(a->paths[file], strerror(errno));
        return;
    }
    for (int c; *n < WORDS_MAX && (c = getc(f)) != EOF;) {
        if (!isspace(c)) {
            hash = (hash ^ (uint32_t)c) * 16777619;
        } else if (hash != 0) {
            a->hashes[file][(*n)++] = hash;
            hash = 0;
        }
    }
    fclose(f);
}

// How many of 100 words two files have in common, in the same order.
static size_t alike(const agent *a, int64_t x, int64_t y)
{
    size_t row[WORDS_MAX + 1] = { 0 };
    size_t sum = a->hash_count[x] + a->hash_count[y];
    for (size_t i = 0; i < a->hash_count[x]; i++) {
        size_t diagonal = 0;
        for (size_t k = 0; k < a->hash_count[y]; k++) {
            size_t above = row[k + 1];
            if (a->hashes[x][i] == a->hashes[y][k]) {
                row[k + 1] = diagonal + 1;
            } else if (row[k] > above) {
                row[k + 1] = row[k];
            }
            diagonal = above;
        }
    }
    return sum > 0 ? 200 * row[a->hash_count[y]] / sum : 0;
}

static bool analyse(agent *a)
{
    int64_t *x = &a->state[COMPARED];
    uint64_t base = 1 + (uint64_t)a->count;      // the last turn of "read"
    if (!phase(a, "analyse")) {
        return true;
    }
    for (int64_t i = 0; i < a->count; i++) {
        hash_words(a, i);
    }
    while (*x < a->count) {
        char    text[2048];
        int64_t nearest = 0;
        size_t  best = 0;
        printf("analyse       %d of %d: %s\n", (int)*x + 1, (int)a->count,
               a->paths[*x]);
        for (int64_t y = 0; y < *x; y++) {
            size_t percent = alike(a, *x, y);
            if (percent > best) {
                best = percent;
                nearest = y;
            }
        }
        if (best > 0) {
            snprintf(text, sizeof(text), "%s is %d %% like %s", a->paths[*x],
                     (int)best, a->paths[nearest]);
            say(a, "assistant", text);
        }
        ++*x;
        if (!save_or_beat(a, base + (uint64_t)*x)) {
            return false;
        }
    }
    base += (uint64_t)a->count + 1;
    return turn(a, base, "Which long words are frequent?", analyse_tools, 1,
                a->path_list)
        && phase_end(a, "analyse", base, a->results[0]);
}

// Writes the transcript for people. The checkpoint has all of it.
static bool print_report(agent *a, FILE *f)
{
    ckpt_checkpoint last;
    ckpt_bytes      message;
    size_t          at = 0, len;
    if (!load(a, &last)) {
        return false;
    }
    while (ckpt_json_next(last.messages, &at, NULL, &message)) {
        ckpt_code rc = ckpt_json_text(ckpt_json_get(message, "content"),
                                      a->text_buf, RESULT_MAX, &len);
        if (!check(a, rc, "message")) {
            return false;
        }
        fputs(a->text_buf, f);
        if (len == 0 || a->text_buf[len - 1] != '\n') {
            putc('\n', f);
        }
    }
    for (size_t i = 0; i < FIELDS; i++) {
        fprintf(f, "%s: %" PRId64 "\n", field_names[i], a->state[i]);
    }
    return true;
}

// The report appears whole or not at all, as a checkpoint does.
static bool report(agent *a, const char *path)
{
    char temp[4096];
    if (!phase(a, "report")) {
        return true;
    }
    if (snprintf(temp, sizeof(temp), "%s.tmp", path) >= (int)sizeof(temp)) {
        return fail(path, "the name is too long");
    }
    FILE *f = fopen(temp, "w");
    if (f == NULL) {
        return fail(temp, strerror(errno));
    }
    bool good = print_report(a, f);
    good = fflush(f) == 0 && !ferror(f) && fsync(fileno(f)) == 0 && good;
    good = fclose(f) == 0 && good;
    if (!good || rename(temp, path) != 0) {
        return fail(path, "cannot be written");
    }
    return phase_end(a, "report", a->run.turn, ckpt_text("{}"));
}

//--- The run ------------------------------------------------------------------

// Does the work of an open run, from wherever it stands.
static bool work(agent *a, const char *roots, const char *path)
{
    if (a->run.resumed && !(restore(a) && print_note(a))) {
        return false;
    }
    begin_fresh(a);
    if (a->run.messages == 0) {
        say(a, "user", PROMPT);
    }
    return survey(a, roots) && read_all(a) && analyse(a) && report(a, path);
}

// Opens the run, works, and says how it is left.
static int run(agent *a, ckpt_ctx *ctx, const char *roots, const char *path)
{
    ckpt_run_info info;
    ckpt_outcome  outcome;
    ckpt_code     rc = ckpt_open(ctx, &a->run, &(ckpt_run_desc){
        .id = RUN_ID,
        .meta = { .agent_id = "agent", .prompt = PROMPT, .fingerprint = roots },
        .once = true,                   // the next start must not begin it anew
    });
    if (rc == CKPT_FINISHED) {
        printf("done          it was complete: see %s\n", path);
        return 0;
    }
    if (rc < 0) {
        fail("open", ckpt_last_error(ctx)->msg);
        if (rc == CKPT_ERR_BUSY && ckpt_query(ctx, RUN_ID, &info) == CKPT_OK) {
            printf("busy          for %" PRId64 " ms more\n", info.wait_ms);
        }
        return rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE ? TRY_LATER : 1;
    }
    if (a->run.fingerprint_differs) {
        fail("open", "the run in there was begun with other paths");
        outcome = CKPT_INTERRUPTED;     // nothing was tried
    } else {
        outcome = work(a, roots, path) ? CKPT_COMPLETED : CKPT_RETRY;
    }
    bool finished = check(a, ckpt_finish(&a->run, outcome, NULL), "finish");
    ckpt_abandon(&a->run);              // if it could not be finished
    if (!finished || outcome != CKPT_COMPLETED) {
        return 1;
    }
    printf("done          %s\n", path);
    return 0;
}

int main(int argc, char **argv)
{
    static agent  a;                    // too large for a stack
    const char   *runs = "build/agent.runs", *path = "build/agent.report";
    char          roots[4096] = "/usr/share/common-licenses\n.";
    size_t        len = 0;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_error    error;
    for (int c; (c = getopt(argc, argv, "vr:o:")) != -1;) {
        switch (c) {
        case 'v': a.verbose = true; break;
        case 'r': runs = optarg; break;
        case 'o': path = optarg; break;
        default:
            fprintf(stderr, "usage: agent [-v] [-r runs] [-o report] "
                            "[path ...]\n");
            return 1;
        }
    }
    for (; optind < argc && len < sizeof(roots); optind++) {
        len += (size_t)snprintf(roots + len, sizeof(roots) - len, "%s%s",
                                len > 0 ? "\n" : "", argv[optind]);
    }
    if (len >= sizeof(roots) || setenv("LC_ALL", "C", 1) != 0
        || setvbuf(stdout, NULL, _IOLBF, 0) != 0) {
        return !fail("start", "too many paths, or no memory");
    }
    ckpt_code rc = ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
        .dir = runs,
    }, &error);
    if (rc < 0) {
        return !fail(runs, error.msg);
    }
    rc = ckpt_init(&ctx, &(ckpt_desc){
        .store = &fs.base,
        .owner = "agent",
        .throttle_ms = 100,
        .resume_max = CKPT_UNLIMITED,   // the demo kills without mercy
    });
    int status = rc < 0 ? !fail("init", ckpt_last_error(&ctx)->msg)
                        : run(&a, &ctx, roots, path);
    ckpt_store_fs_close(&fs);
    return status;
}
