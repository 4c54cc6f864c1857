// SPDX-License-Identifier: MIT-0
/*
    llm_agent.cpp -- the agent of llm_agent.c, as it is written in C++

    Options, environment, output, exit status and runs are those of llm_agent.c,
    whose head says what the agent does. Each of the two programs goes on with
    runs of the other.

        c++ -std=c++17 -I. -I/usr/include/stb -o llm_agent_cpp \
            examples/llm_agent.cpp -lcurl -lcjson

    It teaches what C++ makes of the same calls. Destructors give back what is
    held: the run, the connection, each JSON value. A failure is an exception,
    so no tool can run after a save that failed. No exception may pass through
    libcurl or ckpt, which are C: see beat().
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include "llm_world.h"                  // options, tools, JSON and HTTP

#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

constexpr int    CALLS_MAX  = CKPT_EFFECTS_MAX / 2;     // calls in one answer
constexpr size_t RESULT_MAX = 6 * OUTPUT_MAX + 2048;    // as JSON: \u0001

//--- What is held, and what is thrown -----------------------------------------

// A run that was not finished is abandoned, also when an exception passes.
struct Job : ckpt_job {                 // neither copied nor moved
    Job() : ckpt_job() {}
    ~Job() { ckpt_job_close(this); }
    Job(const Job &) = delete;
    Job &operator=(const Job &) = delete;
};

// Without memory the run is left as a crash leaves it.
template <class T> static T *must(T *memory)
{
    return memory != nullptr ? memory : throw std::bad_alloc();
}

struct World : world {                  // neither copied nor moved
    World() : world() { curl = must(curl_easy_init()); }
    ~World() { curl_easy_cleanup(curl); free(body); }
    World(const World &) = delete;
    World &operator=(const World &) = delete;
};

struct Delete {
    void operator()(cJSON *json) const { cJSON_Delete(json); }
    void operator()(char *text) const { cJSON_free(text); }
};

using Json = std::unique_ptr<cJSON, Delete>;

static std::string print(const Json &json)
{
    std::unique_ptr<char, Delete> text(cJSON_PrintUnformatted(json.get()));
    return must(text.get());
}

// Why the agent stops, and how the program will exit.
struct Failure : std::runtime_error {
    Failure(int code, const std::string &what, const std::string &why)
        : std::runtime_error(what + ": " + why), status(code) {}
    int status;
};

static int report(const Failure &failure)
{
    std::cerr << "llm_agent: " + std::string(failure.what()) + "\n";
    return failure.status;
}

//--- The agent ----------------------------------------------------------------

class Agent {
public:
    explicit Agent(const options &given);
    int run();

private:
    options     o;
    std::string id, answer_path;
    Job         job;
    World       w;
    Json        messages;               // the transcript
    std::string fresh;                  // what the run does not have of it
    uint64_t    turn = 0;               // how many answers of the model it has
    int         status = 0;             // how the program will exit

    void           check(ckpt_code rc, const char *what) const;
    ckpt_save_desc describe();
    std::string    make_call(const cJSON *asked, const ckpt_effect &effect);
    void           call(const cJSON *asked);
    void           restore();
    bool           take();
    void           ask();
    ckpt_outcome   end(const char *answer);
    ckpt_outcome   work();
    ckpt_code      open();
};

// Says that the run is alive: see llm_agent.c. Only C code calls this.
static bool beat(void *run) noexcept
{
    return ckpt_beat(static_cast<ckpt_run *>(run)) != CKPT_ERR_CLAIM_LOST;
}

Agent::Agent(const options &given) : o(given)
{
    char of_task[32];                   // the same task is the same run
    snprintf(of_task, sizeof(of_task), "task-%08x",
             static_cast<unsigned>(ckpt_crc32c(0, o.task, strlen(o.task))));
    id = o.id != nullptr ? o.id : of_task;
    answer_path = id.substr(0, 120) + ".answer";
    o.id = id.c_str();
    o.answer_path = o.answer_path ? o.answer_path : answer_path.c_str();
    w.alive = beat;
    w.user = &job.run;
    w.o = &o;
}

// Every save that failed stops this agent, so that it need not know whether the
// save was written: the next start finds out.
void Agent::check(ckpt_code rc, const char *what) const
{
    const ckpt_error &e = job.run.error;        // not of the JSON functions
    const int code = rc == CKPT_ERR_CLAIM_LOST ? TRY_LATER : 1;
    if (rc < 0) {
        throw Failure(code, what, e.code == rc ? e.msg : ckpt_code_message(rc));
    }
}

//--- Checkpoints --------------------------------------------------------------

// Describes a save of all messages that the run does not have yet. The save is
// valid until the next call.
ckpt_save_desc Agent::describe()
{
    const Json     list(must(cJSON_CreateArray()));
    uint64_t       i = 0;
    cJSON         *message;
    ckpt_save_desc save = {};
    cJSON_ArrayForEach(message, messages.get()) {
        if (i++ >= job.run.messages) {
            cJSON_AddItemReferenceToArray(list.get(), message);
        }
    }
    fresh = print(list);
    save.turn = turn;
    save.messages = ckpt_text(fresh.c_str());
    save.append_at = job.run.messages;
    return save;
}

// Runs a tool whose call is begun, or may have run, and ends the call. Why the
// model has to look at a call that is in doubt, llm_agent.c says.
std::string Agent::make_call(const cJSON *asked, const ckpt_effect &effect)
{
    std::string json(RESULT_MAX, '\0');
    ckpt_json   writer;
    ckpt_bytes  result;
    w.output_len = 0;
    if (effect.state == CKPT_EFFECT_NEW) {
        run_tool(&w, get(asked, "function"));
    } else {
        say(&w, "interrupted: this call may have run, and may still be "
            "running; look at what it did before you repeat it");
    }
    ckpt_json_init(&writer, json.data(), json.size());
    writer.replace = true;              // tools print any bytes, JSON is UTF-8
    ckpt_json_string(&writer, { w.output, w.output_len });
    check(ckpt_json_done(&writer, &result), effect.id);
    check(ckpt_effect_end(&job.run, effect.id, result), effect.id);
    json.resize(result.len);
    return json;
}

// Makes one call, or takes the result of a call that ended before a crash, and
// adds the result to the transcript. Why nothing else has to be saved,
// llm_agent.c says.
void Agent::call(const cJSON *asked)
{
    const char    *call_id = get_text(asked, "id");
    ckpt_save_desc save = describe();
    ckpt_effect    effect;
    std::string    json;
    check(ckpt_effect_begin(&job.run, call_id, &save, &effect), call_id);
    const bool is_new = effect.state == CKPT_EFFECT_NEW;
    std::cerr << "llm_agent: " + std::string(call_id) + " "
               + get_text(get(asked, "function"), "name")
               + (is_new ? "\n" : ", begun before\n");
    if (effect.state == CKPT_EFFECT_ENDED) {
        size_t size = 0;
        json.resize(effect.result_size);
        check(ckpt_effect_result(&job.run, &effect, json.data(), json.size(),
                                 &size), call_id);
    } else {
        json = make_call(asked, effect);
    }
    const Json text(must(cJSON_ParseWithLength(json.data(), json.size())));
    cJSON *message = add_message(messages.get(), "tool",
                                 cJSON_GetStringValue(text.get()));
    add_text(message, "tool_call_id", call_id);
}

// Takes the transcript over from the last checkpoint, or begins one.
void Agent::restore()
{
    messages.reset(must(cJSON_CreateArray()));
    if (job.run.resumed) {
        ckpt_checkpoint last;
        std::string buf(static_cast<size_t>(job.run.checkpoint_size), '\0');
        check(ckpt_load(&job.run, &last, buf.data(), buf.size()), "load");
        const char *json = static_cast<const char *>(last.messages.ptr);
        messages.reset(must(cJSON_ParseWithLength(json, last.messages.len)));
    }
    if (cJSON_GetArraySize(messages.get()) == 0) {
        add_message(messages.get(), "system", SYSTEM);
        add_message(messages.get(), "user", o.task);
    }
}

//--- The model ----------------------------------------------------------------

// Takes what the server sent into the transcript. False if it is no answer.
bool Agent::take()
{
    if (ckpt_json_check({ w.body, w.body_len }, nullptr) != CKPT_OK) {
        return false;
    }
    const Json all(cJSON_ParseWithLength(w.body, w.body_len));
    return add_answer(messages.get(), all.get(), turn + 1, CALLS_MAX);
}

// Asks the model for its next answer: again after a while if the server is
// busy, broken or not there. A request that is given up has changed nothing.
void Agent::ask()
{
    bool       again = true;
    long       http = 0, wait = o.wait_ms;
    const Json request(must(cJSON_CreateObject()));
    add_text(request.get(), "model", o.model);
    cJSON_AddItemReferenceToObject(request.get(), "messages", messages.get());
    must(cJSON_AddRawToObject(request.get(), "tools", tools));
    const std::string json = print(request);
    for (long i = 1; again; i++) {
        curl_off_t after = 0;
        http = post(&w, json.c_str(), &after);
        if (http == 200 && take()) {
            return;
        }
        if (http > 0) {
            show_answer(&w, http);
        }
        after = std::min<curl_off_t>(after, HOUR);
        again = !is_final(http) && i < o.tries
             && wait_for(&w, after > 0 ? 1000 * after : wait);
        wait = std::min<long>(2 * wait, WAIT_MAX);
    }
    if (!stopped) {
        check(ckpt_beat(&job.run), "beat");
        throw Failure(is_final(http) ? 1 : TRY_LATER, o.url, "no answer");
    }
}

//--- The run ------------------------------------------------------------------

// Keeps the last answer: in the run, so that no resume asks for it again, and
// in a file, because nobody can load what a run that is done has saved.
ckpt_outcome Agent::end(const char *answer)
{
    ckpt_save_desc save = describe();
    save.force = true;
    try {
        check(ckpt_save(&job.run, &save), "save");
        if (write_file(o.answer_path, answer)) {
            return CKPT_COMPLETED;
        }
        throw Failure(1, o.answer_path, strerror(errno));
    } catch (const Failure &failure) {
        status = report(failure);       // also if a stop has come
        return CKPT_RETRY;
    }
}

// Does what the transcript says is next, and a resume needs nothing else: makes
// the first call that has no result, or asks the model, or comes to the end.
ckpt_outcome Agent::work()
{
    for (restore(); !stopped;) {
        const cJSON *message, *answer = nullptr;
        int          results = 0;
        turn = 0;
        cJSON_ArrayForEach(message, messages.get()) {
            results++;
            if (get_text(message, "role") == std::string("assistant")) {
                answer = message;
                results = 0;
                turn++;
            }
        }
        const cJSON *calls = get(answer, "tool_calls");
        if (answer != nullptr && calls == nullptr) {
            return end(get_text(answer, "content"));
        }
        if (results < cJSON_GetArraySize(calls)) {
            call(cJSON_GetArrayItem(calls, results));
        } else if (turn < TURNS_MAX) {
            ask();
        } else {
            status = report(Failure(1, o.id, "the model comes to no end"));
            return CKPT_FAILED;
        }
    }
    status = TRY_LATER;
    return CKPT_INTERRUPTED;
}

// Opens the run. CKPT_FINISHED: an earlier start has done the task.
ckpt_code Agent::open()
{
    ckpt_checkpoint last;
    ckpt_desc       how = {};
    ckpt_job_desc   what = {};
    how.beat_ms = 2000;
    how.resume_max = o.attempts;        // 0: the default
    what.options = &how;
    what.owner = what.meta.agent_id = "llm_agent";
    what.dir = o.runs;
    what.id = o.id;
    what.meta.prompt = what.meta.fingerprint = o.task;
    what.once = true;                   // no start does a finished task again
    what.wait_ms = CKPT_OFF;            // whoever starts the agent can wait
    const ckpt_code rc = ckpt_job_open(&job, &what, &last);
    if (rc < 0) {
        const bool later = rc == CKPT_ERR_BUSY || rc == CKPT_ERR_LIVE;
        const bool by_store = ckpt_last_error(&job.ctx)->code == CKPT_OK;
        const char *about = by_store ? o.runs : o.id;
        throw Failure(later ? TRY_LATER : 1, about, job.error.msg);
    }
    return rc;
}

// Opens the run, works, and says how it is left: a stop gives the attempt back,
// a failure does not, so that one that repeats itself ends some day.
int Agent::run()
{
    ckpt_outcome     outcome = CKPT_INTERRUPTED;
    ckpt_finish_desc finish = {};
    if (open() == CKPT_FINISHED) {
        return print_answer(&o);
    }
    try {
        if (!job.run.fingerprint_differs) {
            outcome = work();
        } else {
            status = report(Failure(1, o.id,
                                    "the run of that id has another task"));
        }
    } catch (const Failure &failure) {
        status = report(failure);
        status = stopped ? TRY_LATER : status;
        outcome = status == TRY_LATER ? CKPT_INTERRUPTED : CKPT_RETRY;
    }
    finish.keep = true;
    check(ckpt_finish(&job.run, outcome, &finish), "finish");
    return outcome == CKPT_COMPLETED ? print_answer(&o) : status;
}

int main(int argc, char **argv)
{
    options given;
    if (!parse(&given, argc, argv)) {
        return 1;
    }
    take_signals();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    try {
        return Agent(given).run();
    } catch (const Failure &failure) {
        return report(failure);
    } catch (const std::bad_alloc &) {
        fputs("llm_agent: out of memory\n", stderr);
        return 1;
    }
}
