// SPDX-License-Identifier: MIT-0
/*
    llm_agent.c -- an agent on a language model, which survives kill -9

    It gives a task to any server that speaks the chat completions of OpenAI,
    runs the tools that the model asks for, and prints the last answer. Kill it
    at any moment and start it again: it goes on where it was, and runs no tool
    call a second time.

        cc -std=c99 -I. -I/usr/include/stb -o llm_agent examples/llm_agent.c \
            -lcurl -lcjson
        export OPENAI_BASE_URL=http://localhost:8080/v1 OPENAI_API_KEY=...
        ./llm_agent -m MODEL "Count the words of README.md."

    It teaches three things. The transcript alone says what is next, also after
    a crash: see work(). Two saves enclose each tool call, and nothing else has
    to be saved: see call(). One thread is enough to beat while a model thinks
    for minutes: see beat(). The tools, JSON and HTTP are in llm_world.h.

    The tools do what the model says, with your rights: give the agent a user or
    a machine of its own. The directory of runs keeps the transcript. Ctrl-C
    lets the tool that runs end, and a second one kills the agent.

    Exit status: 0 done, and each further start prints the answer again; 75 try
    again later: it was stopped, the server does not answer, or another process
    has the run; 1 an error.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include "llm_world.h"                  // tools, JSON and HTTP

enum {
    TURNS_MAX  = 1000,                  // answers of the model
    CALLS_MAX  = CKPT_EFFECTS_MAX / 2,  // calls in one answer
    RESULT_MAX = 6 * OUTPUT_MAX + 2048, // output as JSON: \u0001
    WAIT_MAX   = 60 * 1000,             // ms between two tries, if the server
    HOUR       = 3600,                  // does not say how many seconds
    TRY_LATER  = 75                     // EX_TEMPFAIL
};

#define SYSTEM                                                                 \
    "You work on a Unix machine by calling tools. If a result says that a "    \
    "call may have run, do not just repeat the call: look at what it did. "    \
    "When the task is done, answer without a call."

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"shell\","
    "\"description\":\"Runs a command with sh -c, without input.\","
    "\"parameters\":{\"type\":\"object\",\"required\":[\"command\"],"
    "\"properties\":{\"command\":{\"type\":\"string\"}}}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"file\",\"description\":"
    "\"Replaces a file as a whole; without content, reads it.\","
    "\"parameters\":{\"type\":\"object\",\"required\":[\"path\"],"
    "\"properties\":{\"path\":{\"type\":\"string\"},"
    "\"content\":{\"type\":\"string\"}}}}}]";

typedef struct agent {
    ckpt_run    run;
    world       world;
    cJSON      *messages;               // the transcript
    uint64_t    turn;                   // how many answers of the model it has
    int         status;                 // how the program will exit
    const char *runs, *id, *task, *model, *answer_path;
    long        tries, wait_ms;
    int         attempts;
    char        result[RESULT_MAX];     // of a call, as a JSON string
} agent;

// Says why the agent stops, and how the program will exit.
static bool fail(agent *a, int status, const char *what, const char *why)
{
    fprintf(stderr, "llm_agent: %s: %s\n", what, why);
    a->status = status;
    return false;
}

// Every save that failed stops this agent, so that it need not know whether the
// save was written: the next start finds out.
static bool check(agent *a, ckpt_code rc, const char *what)
{
    bool        lost = rc == CKPT_ERR_CLAIM_LOST;   // another process has it
    const char *why = a->run.error.msg;
    if (a->run.error.code != rc) {      // not of the run: of a JSON function
        why = ckpt_code_message(rc);
    }
    return rc >= 0 || fail(a, lost ? TRY_LATER : 1, what, why);
}

// Says that the run is alive. It is called about once a second while a tool
// runs or the model thinks, so that no thread is needed. False only if the run
// is not ours any more: the next beat makes up for one that fails otherwise.
static bool beat(void *user)
{
    agent *a = user;
    return ckpt_beat(&a->run) != CKPT_ERR_CLAIM_LOST;
}

static cJSON *add_message(agent *a, const char *role, const char *content)
{
    cJSON *message = need(cJSON_CreateObject());
    add_text(message, "role", role);
    add_text(message, "content", content);
    cJSON_AddItemToArray(a->messages, message);
    return message;
}

//--- Tools --------------------------------------------------------------------

static void run_tool(agent *a, const cJSON *function)
{
    const char *name = get_text(function, "name");
    cJSON      *args = need(cJSON_Parse(get_text(function, "arguments")));
    const char *command = get_text(args, "command");
    const char *path = get_text(args, "path");
    if (strcmp(name, "shell") == 0 && command != NULL) {
        run_shell(&a->world, command);
    } else if (strcmp(name, "file") == 0 && path != NULL) {
        run_file(&a->world, path, get_text(args, "content"));
    } else {
        say(&a->world, "error: no such tool, or wrong arguments");
    }
    cJSON_Delete(args);
}

//--- Checkpoints --------------------------------------------------------------

// Describes a save of all messages that the run does not have yet. The caller
// frees what is returned.
static char *describe(agent *a, ckpt_save_desc *save)
{
    cJSON   *fresh = need(cJSON_CreateArray()), *message;
    uint64_t i = 0;
    cJSON_ArrayForEach(message, a->messages) {
        if (i++ >= a->run.messages) {
            cJSON_AddItemReferenceToArray(fresh, message);
        }
    }
    char *json = need(cJSON_PrintUnformatted(fresh));
    cJSON_Delete(fresh);
    *save = (ckpt_save_desc){ .turn = a->turn, .messages = ckpt_text(json),
                              .append_at = a->run.messages };
    return json;
}

// Runs a tool whose call is begun, or may have run, and ends the call.
static ckpt_code make_call(agent *a, const cJSON *asked,
                           const ckpt_effect *effect, ckpt_bytes *result)
{
    ckpt_json w;
    a->world.output_len = 0;
    if (effect->state == CKPT_EFFECT_NEW) {
        run_tool(a, get(asked, "function"));
    } else {
        // The policy: nobody knows whether it ran, and it may still be running,
        // so the model has to look. A tool that only reads could simply run
        // again, and so could one that refuses an old run.birth and run.epoch.
        say(&a->world, "interrupted: this call may have run, and may still be "
            "running; look at what it did before you repeat it");
    }
    ckpt_json_init(&w, a->result, RESULT_MAX);
    w.replace = true;                   // tools print any bytes, JSON is UTF-8
    ckpt_json_string(&w, (ckpt_bytes){ a->world.output, a->world.output_len });
    ckpt_code rc = ckpt_json_done(&w, result);
    return rc < 0 ? rc : ckpt_effect_end(&a->run, effect->id, *result);
}

// Makes one call, or takes its result if it ended before a crash, and adds the
// result to the transcript.
//
// The save before the call has the answer that asks for it, and the results of
// the calls before it. No server would take that transcript as it is; but none
// sees it, because after a crash work() comes here again for each call that has
// no result, and only then asks the model. Nothing else has to be saved: the
// run keeps a result with its call until the first save of the next turn.
static bool call(agent *a, const cJSON *asked)
{
    const char    *id = get_text(asked, "id");
    const char    *name = get_text(get(asked, "function"), "name");
    ckpt_save_desc save;
    ckpt_effect    effect;
    ckpt_bytes     result = { a->result, 0 };
    char          *json = describe(a, &save);
    ckpt_code      rc = ckpt_effect_begin(&a->run, id, &save, &effect);
    cJSON_free(json);
    if (!check(a, rc, id)) {
        return false;                   // it is not saved: it must not run
    }
    fprintf(stderr, "llm_agent: %s %s%s\n", id, name,
            effect.state == CKPT_EFFECT_NEW ? "" : ", begun before");
    if (effect.state == CKPT_EFFECT_ENDED) {
        rc = ckpt_effect_result(&a->run, &effect, a->result, RESULT_MAX,
                                &result.len);
    } else {
        rc = make_call(a, asked, &effect, &result);
    }
    if (!check(a, rc, id)) {
        return false;
    }
    cJSON *text = need(cJSON_ParseWithLength(result.ptr, result.len));
    cJSON *message = add_message(a, "tool", cJSON_GetStringValue(text));
    add_text(message, "tool_call_id", id);
    cJSON_Delete(text);
    return true;
}

// Takes the transcript over from the last checkpoint, or begins one.
static bool restore(agent *a)
{
    ckpt_checkpoint last;
    size_t          cap = (size_t)a->run.checkpoint_size;
    if (a->run.resumed) {
        void *buf = need(malloc(cap));
        if (!check(a, ckpt_load(&a->run, &last, buf, cap), "load")) {
            return false;
        }
        a->messages = need(cJSON_ParseWithLength(last.messages.ptr,
                                                 last.messages.len));
        free(buf);
    } else {
        a->messages = need(cJSON_CreateArray());
    }
    if (cJSON_GetArraySize(a->messages) == 0) {
        add_message(a, "system", SYSTEM);
        add_message(a, "user", a->task);
    }
    return true;
}

//--- The model ----------------------------------------------------------------

// Adds a call that the model asked for. Models give ids that are empty, missing
// or too long, and one id twice. So each call gets an id of its turn and its
// number: it is unique in the run, the same in each attempt, and of a form that
// every server takes. A wrong name, or arguments that are no strict JSON, would
// be refused when they are sent back.
static void add_call(cJSON *calls, const cJSON *asked, uint64_t turn, int i)
{
    char        id[48];
    const cJSON *function = get(asked, "function");
    const char  *name = get_text(function, "name");
    cJSON       *args = cJSON_Parse(get_text(function, "arguments"));
    char        *json = cJSON_IsObject(args) ? cJSON_PrintUnformatted(args)
                                             : NULL;
    cJSON       *one = need(cJSON_CreateObject());
    size_t       n = name == NULL ? 0 : strspn(name, "abcdefghijklmnopqrstuvwx"
                     "yzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    snprintf(id, sizeof(id), "t%04dc%03d", (int)turn, i);
    add_text(one, "id", id);
    add_text(one, "type", "function");
    cJSON_AddItemToArray(calls, one);
    one = need(cJSON_AddObjectToObject(one, "function"));
    add_text(one, "name", n > 0 && n <= 64 && !name[n] ? name : "unknown");
    add_text(one, "arguments", json != NULL ? json : "{}");
    cJSON_free(json);
    cJSON_Delete(args);
}

// Takes an answer into the transcript. False if it is none: no JSON, no UTF-8,
// an error in its place, or neither a text nor a call.
static bool take(agent *a)
{
    ckpt_bytes   body = { a->world.body, a->world.body_len };
    bool         valid = ckpt_json_check(body, NULL) == CKPT_OK;
    cJSON       *all = valid ? cJSON_ParseWithLength(body.ptr, body.len) : NULL;
    const cJSON *choice = cJSON_GetArrayItem(get(all, "choices"), 0);
    const cJSON *answer = get(choice, "message");
    const cJSON *asked, *calls = get(answer, "tool_calls");
    const char  *content = get_text(answer, "content");
    bool         has_text = content != NULL && *content != '\0';
    bool         has_calls = cJSON_GetArraySize(calls) > 0;
    if (has_text || has_calls) {
        cJSON *m = add_message(a, "assistant", has_text ? content : NULL);
        cJSON *list = has_calls ? cJSON_AddArrayToObject(m, "tool_calls") : m;
        int    i = 0;
        need(list);
        cJSON_ArrayForEach(asked, calls) {
            if (i < CALLS_MAX) {        // the rest was never asked for
                add_call(list, asked, a->turn + 1, i++);
            }
        }
    }
    cJSON_Delete(all);
    return has_text || has_calls;
}

// Waits, and beats. False if there is no use in going on.
static bool wait_for(agent *a, int64_t ms)
{
    for (int64_t end = now_ms() + ms; now_ms() < end && !stopped && beat(a);) {
        poll(NULL, 0, ms < 200 ? (int)ms : 200);
    }
    return !stopped && beat(a);
}

// Asks the model for its next answer: again after a while if the server is
// busy, broken or not there. A request that is given up has changed nothing.
static bool ask(agent *a)
{
    bool   good = false, again = true;
    long   status = 0, wait = a->wait_ms;
    cJSON *request = need(cJSON_CreateObject());
    add_text(request, "model", a->model);
    cJSON_AddItemReferenceToObject(request, "messages", a->messages);
    need(cJSON_AddRawToObject(request, "tools", tools));
    char *json = need(cJSON_PrintUnformatted(request));
    cJSON_Delete(request);
    for (long i = 1; again && !good; i++) {
        curl_off_t after = 0;
        status = post(&a->world, json, &after);
        good = status == 200 && take(a);
        if (status > 0 && !good) {
            show_answer(&a->world, status);
        }
        after = after < HOUR ? after : HOUR;
        again = !good && !is_final(status) && i < a->tries
             && wait_for(a, after > 0 ? 1000 * after : wait);
        wait = 2 * wait < WAIT_MAX ? 2 * wait : WAIT_MAX;
    }
    cJSON_free(json);
    if (good || stopped || !check(a, ckpt_beat(&a->run), "beat")) {
        return a->status == 0;
    }
    return fail(a, is_final(status) ? 1 : TRY_LATER, a->world.url, "no answer");
}

//--- The run ------------------------------------------------------------------

// Keeps the last answer: in the run, so that no resume asks for it again, and
// in a file, because nobody can load what a run that is done has saved.
static ckpt_outcome end(agent *a, const char *answer)
{
    ckpt_save_desc save;
    char          *json = describe(a, &save);
    save.force = true;
    ckpt_code rc = ckpt_save(&a->run, &save);
    cJSON_free(json);
    if (check(a, rc, "save") && !write_file(a->answer_path, answer)) {
        fail(a, 1, a->answer_path, strerror(errno));
    }
    return a->status == 0 ? CKPT_COMPLETED : CKPT_RETRY;
}

// Does what the transcript says is next, and a resume needs nothing else. If
// the last answer of the model asks for calls of which one has no result yet,
// that call is made; if each has one, the model is asked. An answer that asks
// for no call is the end.
static ckpt_outcome work(agent *a)
{
    bool good = restore(a);
    while (good && !stopped) {
        const cJSON *m, *answer = NULL;
        int          results = 0;
        a->turn = 0;
        cJSON_ArrayForEach(m, a->messages) {
            results++;
            if (strcmp(get_text(m, "role"), "assistant") == 0) {
                answer = m;
                results = 0;
                a->turn++;
            }
        }
        const cJSON *calls = get(answer, "tool_calls");
        if (answer != NULL && calls == NULL) {
            return end(a, get_text(answer, "content"));
        }
        if (results < cJSON_GetArraySize(calls)) {
            good = call(a, cJSON_GetArrayItem(calls, results));
        } else if (a->turn < TURNS_MAX) {
            good = ask(a);
        } else {
            fail(a, 1, a->id, "the model comes to no end");
            return CKPT_FAILED;
        }
    }
    a->status = stopped ? TRY_LATER : a->status;
    return a->status == TRY_LATER ? CKPT_INTERRUPTED : CKPT_RETRY;
}

static int print_answer(agent *a)
{
    FILE *f = fopen(a->answer_path, "r");
    if (f == NULL) {
        fail(a, 0, a->answer_path, "done, but the answer is not there");
        return 0;
    }
    for (int c; (c = getc(f)) != EOF;) {
        putchar(c);
    }
    fclose(f);
    putchar('\n');
    return 0;
}

// Opens the run, works, and says how it is left: a stop gives the attempt back,
// a failure does not, so that one that repeats itself ends some day.
static int run(agent *a, ckpt_ctx *ctx)
{
    ckpt_outcome outcome = CKPT_INTERRUPTED;
    ckpt_code    rc = ckpt_open(ctx, &a->run, &(ckpt_run_desc){
        .id = a->id,
        .meta = { .agent_id = "llm_agent", .prompt = a->task,
                  .fingerprint = a->task },
        .once = true,                   // no start does a finished task again
    });
    if (rc == CKPT_FINISHED) {
        return print_answer(a);
    }
    if (rc < 0) {
        bool later = rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE;
        fail(a, later ? TRY_LATER : 1, a->id, ckpt_last_error(ctx)->msg);
        return a->status;
    }
    if (a->run.fingerprint_differs) {
        fail(a, 1, a->id, "the run of that id has another task");
    } else {
        outcome = work(a);
    }
    rc = ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){ .keep = true });
    bool finished = check(a, rc, "finish");
    ckpt_abandon(&a->run);              // if it could not be finished
    return finished && outcome == CKPT_COMPLETED ? print_answer(a) : a->status;
}

static bool parse(agent *a, int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "d:i:m:o:u:a:n:w:t:T:")) != -1;) {
        switch (c) {
        case 'd': a->runs = optarg; break;
        case 'i': a->id = optarg; break;
        case 'm': a->model = optarg; break;
        case 'o': a->answer_path = optarg; break;
        case 'u': a->world.url = optarg; break;
        case 'a': a->attempts = atoi(optarg); break;
        case 'n': a->tries = atol(optarg); break;
        case 'w': a->wait_ms = atol(optarg); break;
        case 't': a->world.tool_s = atol(optarg); break;
        case 'T': a->world.request_s = atol(optarg); break;
        default:  return false;
        }
    }
    a->task = optind == argc - 1 ? argv[optind] : NULL;
    return a->task != NULL && a->model != NULL;
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

int main(int argc, char **argv)
{
    static agent a = {
        .world = { .alive = beat, .user = &a, .tool_s = 120, .request_s = 900 },
        .runs = "runs", .tries = 8, .wait_ms = 1000
    };
    char          id[32], answer_path[CKPT_ID_MAX + 16];
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_error    error;
    a.world.url = env_or("OPENAI_BASE_URL", "https://api.openai.com/v1");
    a.world.key = env_or("OPENAI_API_KEY", "none");
    a.model = getenv("OPENAI_MODEL");
    if (!parse(&a, argc, argv)) {
        fprintf(stderr, "usage: llm_agent [-d runs] [-i id] [-o answer file]\n"
                "    [-m model] [-u url] [-a attempts] [-n tries] [-w ms before"
                " the next try]\n    [-T seconds for a request] [-t seconds for"
                " a tool] task\n");
        return 1;
    }
    ckpt_bytes task = ckpt_text(a.task);
    snprintf(id, sizeof(id), "task-%08x",
             (unsigned)ckpt_crc32c(0, task.ptr, task.len));
    a.id = a.id != NULL ? a.id : id;    // the same task is the same run
    snprintf(answer_path, sizeof(answer_path), "%.120s.answer", a.id);
    a.answer_path = a.answer_path != NULL ? a.answer_path : answer_path;

    struct sigaction action = { .sa_handler = stop };
    action.sa_flags = (int)SA_RESETHAND;        // a second one kills
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);           // else nobody can wait for a tool
    if (ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = a.runs },
                           &error) < 0) {
        return fail(&a, 1, a.runs, error.msg) + 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    a.world.curl = need(curl_easy_init());
    if (ckpt_init(&ctx, &(ckpt_desc){
            .store = &fs.base,
            .owner = "llm_agent",
            .beat_ms = 2000,
            .resume_max = a.attempts,   // 0: the default
        }) == CKPT_OK) {
        a.status = run(&a, &ctx);
    } else {
        fail(&a, 1, "init", ckpt_last_error(&ctx)->msg);
    }
    curl_easy_cleanup(a.world.curl);
    ckpt_store_fs_close(&fs);
    return a.status;
}
