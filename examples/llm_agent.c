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
    for minutes: see beat(). Options, tools, JSON and HTTP are in llm_world.h.

    The tools do what the model says, with your rights: give the agent a user or
    a machine of its own. The directory of runs keeps the transcript. Ctrl-C
    lets the tool that runs end, and a second one kills the agent.

    Exit status: 0 done, and each further start prints the answer again; 75 try
    again later: it was stopped, the server does not answer, or another process
    has the run; 1 an error.
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include "llm_world.h"                  // options, tools, JSON and HTTP

enum {
    CALLS_MAX  = CKPT_EFFECTS_MAX / 2,  // calls in one answer
    RESULT_MAX = 6 * OUTPUT_MAX + 2048  // output as JSON: \u0001
};

typedef struct agent {
    ckpt_run    run;
    world       world;
    cJSON      *messages;               // the transcript
    uint64_t    turn;                   // how many answers of the model it has
    int         status;                 // how the program will exit
    options     o;
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
        run_tool(&a->world, get(asked, "function"));
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
    cJSON *message = add_message(a->messages, "tool",
                                 cJSON_GetStringValue(text));
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
        add_message(a->messages, "system", SYSTEM);
        add_message(a->messages, "user", a->o.task);
    }
    return true;
}

//--- The model ----------------------------------------------------------------

// Takes what the server sent into the transcript. False if it is no answer.
static bool take(agent *a)
{
    ckpt_bytes body = { a->world.body, a->world.body_len };
    bool       valid = ckpt_json_check(body, NULL) == CKPT_OK;
    cJSON     *all = valid ? cJSON_ParseWithLength(body.ptr, body.len) : NULL;
    bool       good = add_answer(a->messages, all, a->turn + 1, CALLS_MAX);
    cJSON_Delete(all);
    return good;
}

// Asks the model for its next answer: again after a while if the server is
// busy, broken or not there. A request that is given up has changed nothing.
static bool ask(agent *a)
{
    bool   good = false, again = true;
    long   status = 0, wait = a->o.wait_ms;
    cJSON *request = need(cJSON_CreateObject());
    add_text(request, "model", a->o.model);
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
        again = !good && !is_final(status) && i < a->o.tries
             && wait_for(&a->world, after > 0 ? 1000 * after : wait);
        wait = 2 * wait < WAIT_MAX ? 2 * wait : WAIT_MAX;
    }
    cJSON_free(json);
    if (good || stopped || !check(a, ckpt_beat(&a->run), "beat")) {
        return a->status == 0;
    }
    return fail(a, is_final(status) ? 1 : TRY_LATER, a->o.url, "no answer");
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
    if (check(a, rc, "save") && !write_file(a->o.answer_path, answer)) {
        fail(a, 1, a->o.answer_path, strerror(errno));
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
            fail(a, 1, a->o.id, "the model comes to no end");
            return CKPT_FAILED;
        }
    }
    a->status = stopped ? TRY_LATER : a->status;
    return a->status == TRY_LATER ? CKPT_INTERRUPTED : CKPT_RETRY;
}

// Opens the run, works, and says how it is left: a stop gives the attempt back,
// a failure does not, so that one that repeats itself ends some day.
static int run(agent *a, ckpt_ctx *ctx)
{
    ckpt_outcome outcome = CKPT_INTERRUPTED;
    ckpt_code    rc = ckpt_open(ctx, &a->run, &(ckpt_run_desc){
        .id = a->o.id,
        .meta = { .agent_id = "llm_agent", .prompt = a->o.task,
                  .fingerprint = a->o.task },
        .once = true,                   // no start does a finished task again
    });
    if (rc == CKPT_FINISHED) {
        return print_answer(&a->o);
    }
    if (rc < 0) {
        bool later = rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE;
        fail(a, later ? TRY_LATER : 1, a->o.id, ckpt_last_error(ctx)->msg);
        return a->status;
    }
    if (a->run.fingerprint_differs) {
        fail(a, 1, a->o.id, "the run of that id has another task");
    } else {
        outcome = work(a);
    }
    rc = ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){ .keep = true });
    bool finished = check(a, rc, "finish");
    ckpt_abandon(&a->run);              // if it could not be finished
    if (finished && outcome == CKPT_COMPLETED) {
        return print_answer(&a->o);
    }
    return a->status;
}

int main(int argc, char **argv)
{
    static agent  a = { .world = { .alive = beat, .user = &a, .o = &a.o } };
    char          id[32], answer_path[CKPT_ID_MAX + 16];
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_error    error;
    if (!parse(&a.o, argc, argv)) {
        return 1;
    }
    ckpt_bytes task = ckpt_text(a.o.task);
    snprintf(id, sizeof(id), "task-%08x",
             (unsigned)ckpt_crc32c(0, task.ptr, task.len));
    a.o.id = a.o.id != NULL ? a.o.id : id;      // the same task, the same run
    snprintf(answer_path, sizeof(answer_path), "%.120s.answer", a.o.id);
    a.o.answer_path = a.o.answer_path != NULL ? a.o.answer_path : answer_path;

    take_signals();
    if (ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = a.o.runs },
                           &error) < 0) {
        return fail(&a, 1, a.o.runs, error.msg) + 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    a.world.curl = need(curl_easy_init());
    if (ckpt_init(&ctx, &(ckpt_desc){
            .store = &fs.base,
            .owner = "llm_agent",
            .beat_ms = 2000,
            .resume_max = a.o.attempts, // 0: the default
        }) == CKPT_OK) {
        a.status = run(&a, &ctx);
    } else {
        fail(&a, 1, "init", ckpt_last_error(&ctx)->msg);
    }
    curl_easy_cleanup(a.world.curl);
    ckpt_store_fs_close(&fs);
    return a.status;
}
