/*
    llm_agent.c -- an agent on a language model, which survives kill -9

    Gives a task to any server that speaks the chat completions of OpenAI, runs
    the tools that the model asks for, and prints its last answer. Kill it at
    any moment and start it again: it goes on where it was, asks for nothing
    that was answered, and runs no tool call a second time.

        cc -std=c99 -I. -I/usr/include/stb -o llm_agent examples/llm_agent.c \
            -lcurl -lcjson
        export OPENAI_BASE_URL=http://localhost:8080/v1 OPENAI_API_KEY=...
        until ./llm_agent -m MODEL "Count the words of README.md."; do
            sleep 5
        done

    It teaches three things. The transcript alone says what is next: see
    "The run". A tool call is enclosed in two saves: see call(). And one thread
    is enough to beat while a model thinks for minutes: see progress().

    Its tools do what the model says, with your rights: give it a machine or a
    user of its own. The transcript is kept in the directory of runs, the last
    answer in a file.

    Exit status: 0 done, the answer is printed (also by each further start);
    75 try again later: it was stopped, the server did not answer, or another
    process has the run; 1 an error.
*/
#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first: it says which POSIX it needs

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TURNS_MAX  = 1000,                  // answers of the model
    CALLS_MAX  = 64,                    // of one answer; CKPT_EFFECTS_MAX is
                                        // twice as many
    OUTPUT_MAX = 16 * 1024,             // bytes of a tool that the model sees
    RESULT_MAX = 6 * OUTPUT_MAX + 1024, // the same as JSON: \u0001
    ANSWER_MAX = 8 * 1024 * 1024,       // bytes of an answer of the server
    WAIT_MAX   = 60 * 1000,             // ms between two tries
    TRY_LATER  = 75                     // EX_TEMPFAIL
};

#define SYSTEM "You work on a Unix machine, by tools. A call whose result " \
               "says that it may have run must not be repeated blindly: "   \
               "look at what it did first. Answer in plain text when done."

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"shell\","
    "\"description\":\"Runs a command with sh -c, without input.\","
    "\"parameters\":{\"type\":\"object\",\"required\":[\"command\"],"
    "\"properties\":{\"command\":{\"type\":\"string\"}}}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"file\",\"description\":"
    "\"Reads a file, or, given a content, replaces it whole.\","
    "\"parameters\":{\"type\":\"object\",\"required\":[\"path\"],"
    "\"properties\":{\"path\":{\"type\":\"string\"},"
    "\"content\":{\"type\":\"string\"}}}}}]";

typedef struct agent {
    ckpt_run    run;
    cJSON      *messages;               // the transcript
    uint64_t    turn;                   // how many answers of the model it has
    int         status;                 // how the program will exit

    const char *url, *key, *model, *task, *id, *runs, *answer;
    long        wait_ms, tries, tool_s, request_s;
    int         attempts;

    CURL       *curl;
    char       *body;                   // what the server answered
    size_t      body_len;
    char        output[OUTPUT_MAX + 128];       // of a tool, and how it ended
    size_t      len;
    char        result[RESULT_MAX];     // the same as a JSON string
} agent;

static volatile sig_atomic_t stopped;   // all that a signal handler may do

static void stop(int sig)
{
    stopped = sig;
}

// Says why the agent stops, and whether a later start may help.
static bool fail(agent *a, int status, const char *what, const char *why)
{
    fprintf(stderr, "llm_agent: %s: %s\n", what, why);
    a->status = status;
    return false;
}

static bool check(agent *a, ckpt_code rc, const char *what)
{
    bool lost = rc == CKPT_ERR_CLAIM_LOST;      // another process has the run
    return rc >= 0 || fail(a, lost ? TRY_LATER : 1, what, a->run.error.msg);
}

// Without memory this agent dies, and its next start resumes the run.
static void *need(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "llm_agent: out of memory\n");
        exit(1);
    }
    return memory;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Says that the run is alive. False only if it is not ours any more: any other
// failure of a beat is made up for by the next one.
static bool beat(agent *a)
{
    return ckpt_beat(&a->run) != CKPT_ERR_CLAIM_LOST;
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *get_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(get(object, key));
}

static void add_text(cJSON *object, const char *key, const char *value)
{
    need(value != NULL ? cJSON_AddStringToObject(object, key, value)
                       : cJSON_AddNullToObject(object, key));
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

// Adds a sentence to what the model will see of a tool: the end of the buffer
// has room for it, whatever the tool printed.
static void say(agent *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(a->output + a->len, sizeof(a->output) - a->len, format, args);
    va_end(args);
    a->len += strlen(a->output + a->len);
}

// Reads once. False at the end, or if there is nothing now.
static bool read_some(agent *a, int fd)
{
    char    buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n > 0) {
        size_t room = OUTPUT_MAX - a->len;
        room = (size_t)n < room ? (size_t)n : room;
        memcpy(a->output + a->len, buf, room);
        a->len += room;
    } else if (n < 0 && errno != EAGAIN) {
        say(a, "error: %s", strerror(errno));
    }
    return n > 0;
}

// Starts a shell in a process group of its own: a Ctrl-C does not reach it, and
// what it starts can be ended with it.
static pid_t start_shell(const char *command, int out)
{
    pid_t pid = fork();
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        signal(SIGPIPE, SIG_DFL);
        if (setpgid(0, 0) == 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1
            && dup2(out, 2) == 2) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    if (pid > 0) {
        setpgid(pid, pid);              // whoever of the two comes first
    }
    return pid;
}

// Runs a command, and beats meanwhile. That the shell has ended is seen without
// a wait, so that its number is still its own when its group is killed: what it
// left in the background ends with it.
static void run_shell(agent *a, const char *command)
{
    int       fds[2], status = 0;
    int64_t   end = now_ms() + a->tool_s * 1000;
    siginfo_t ended = { .si_pid = 0 };
    if (pipe(fds) != 0) {
        say(a, "error: %s", strerror(errno));
        return;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    pid_t pid = start_shell(command, fds[1]);
    close(fds[1]);
    if (pid < 0) {
        say(a, "error: %s", strerror(errno));
        close(fds[0]);
        return;
    }
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0
           && ended.si_pid == 0 && now_ms() < end && beat(a)) {
        if (poll(&p, 1, p.fd < 0 ? 10 : 200) > 0) {
            p.fd = read_some(a, p.fd) ? p.fd : -1;      // -1: it is closed
        }
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    while (a->len < OUTPUT_MAX && read_some(a, fds[0])) {
    }
    close(fds[0]);
    if (a->len == OUTPUT_MAX) {
        say(a, "\n(the rest is left out)");
    }
    if (ended.si_pid == 0) {
        say(a, "\n(killed: it took more than %ld s)", a->tool_s);
    } else if (WIFSIGNALED(status)) {
        say(a, "\n(ended by signal %d)", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        say(a, "\n(exit status %d)", WEXITSTATUS(status));
    }
}

// A file is there as it was or as it is to be, also after a power cut.
static bool write_file(const char *path, const char *content)
{
    char temp[4096];
    if (snprintf(temp, sizeof(temp), "%s.tmp", path) >= (int)sizeof(temp)) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *f = fopen(temp, "w");
    if (f == NULL) {
        return false;
    }
    fputs(content, f);
    bool good = fflush(f) == 0 && !ferror(f) && fsync(fileno(f)) == 0;
    return fclose(f) == 0 && good && rename(temp, path) == 0;
}

static void run_file(agent *a, const char *path, const char *content)
{
    int fd = -1;
    if (content != NULL) {
        bool good = write_file(path, content);
        say(a, "%s", good ? "written" : strerror(errno));
    } else if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
        say(a, "error: %s", strerror(errno));
    } else {
        while (a->len < OUTPUT_MAX && read_some(a, fd)) {
        }
        close(fd);
    }
}

static void run_tool(agent *a, const cJSON *function)
{
    const char *name = get_text(function, "name");
    cJSON      *args = cJSON_Parse(get_text(function, "arguments"));
    const char *command = get_text(args, "command");
    const char *path = get_text(args, "path");
    if (strcmp(name, "shell") == 0 && command != NULL) {
        run_shell(a, command);
    } else if (strcmp(name, "file") == 0 && path != NULL) {
        run_file(a, path, get_text(args, "content"));
    } else {
        say(a, "error: no such tool, or an argument is missing or wrong");
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

// Makes one tool call, or takes its result if it was made before the crash, and
// adds the result to the transcript.
//
// The save before the call has the answer of the model that asks for it, and
// the results of the calls before it: no server would take that transcript yet.
// That is right, because a resume comes through here again for the calls that
// are missing, before it asks the model for more. So nothing else needs a save:
// a result is kept with its call until the first save of the next turn.
static bool call(agent *a, const cJSON *made)
{
    const char    *id = get_text(made, "id");
    ckpt_save_desc save;
    ckpt_effect    effect;
    ckpt_json      w;
    ckpt_bytes     result = { a->result, 0 };
    char          *json = describe(a, &save);
    ckpt_code      rc = ckpt_effect_begin(&a->run, id, &save, &effect);
    cJSON_free(json);
    if (!check(a, rc, id)) {
        return false;                   // it is not saved: it must not run
    }
    fprintf(stderr, "llm_agent: %s: %s%s\n", id,
            get_text(get(made, "function"), "name"),
            effect.state == CKPT_EFFECT_ENDED ? ", done before" : "");
    if (effect.state == CKPT_EFFECT_ENDED) {
        rc = ckpt_effect_result(&a->run, &effect, a->result, RESULT_MAX,
                                &result.len);
    } else {
        a->len = 0;
        if (effect.state == CKPT_EFFECT_NEW) {
            run_tool(a, get(made, "function"));
        } else {
            // The policy: nobody knows whether it ran, and it may run even now,
            // so the model has to look. A tool that only reads, or that knows
            // run.birth and run.epoch, could simply run again.
            say(a, "interrupted: this call may have run, and may still run. "
                   "Look at what it did before you repeat it.");
        }
        for (char *p = a->output; p < a->output + a->len; p++) {
            *p = *p != '\0' ? *p : '?';         // cJSON ends a string there
        }
        ckpt_json_init(&w, a->result, RESULT_MAX);
        w.replace = true;               // tools print any bytes, JSON is UTF-8
        ckpt_json_string(&w, (ckpt_bytes){ a->output, a->len });
        rc = ckpt_json_done(&w, &result);
        rc = rc < 0 ? rc : ckpt_effect_end(&a->run, id, result);
    }
    if (!check(a, rc, id)) {
        return false;
    }
    cJSON *content = need(cJSON_ParseWithLength(a->result, result.len));
    cJSON *message = add_message(a, "tool", cJSON_GetStringValue(content));
    add_text(message, "tool_call_id", id);
    cJSON_Delete(content);
    return true;
}

// Takes the transcript over from the last checkpoint, or begins one.
static bool restore(agent *a)
{
    ckpt_checkpoint last;
    const cJSON    *message;
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
    cJSON_ArrayForEach(message, a->messages) {
        a->turn += strcmp(get_text(message, "role"), "assistant") == 0;
    }
    return true;
}

//--- The model ----------------------------------------------------------------

// libcurl calls this about once a second, also while the model is silent: that
// is when to beat, and no thread is needed. True ends the request.
static int progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c,
                    curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return stopped != 0 || !beat(user);
}

static size_t receive(char *bytes, size_t size, size_t n, void *user)
{
    agent *a = user;
    (void)size;                         // it is always 1
    if (n > ANSWER_MAX - a->body_len) {
        return 0;
    }
    a->body = need(realloc(a->body, a->body_len + n + 1));
    memcpy(a->body + a->body_len, bytes, n);
    a->body[a->body_len += n] = '\0';
    return n;
}

// Adds a call that the model asked for. Models give ids that are empty, missing
// or too long, and the same id twice. So each call gets an id of its turn and
// its number: unique in the run, the same in each attempt, and of a form that
// every server takes. Arguments that are no JSON would be refused when they are
// sent back.
static void add_call(agent *a, cJSON *calls, const cJSON *asked, int number)
{
    char        id[48];
    const cJSON *function = get(asked, "function");
    const char  *name = get_text(function, "name");
    const char  *arguments = get_text(function, "arguments");
    cJSON       *args = cJSON_Parse(arguments);
    cJSON       *one = need(cJSON_CreateObject());
    size_t       n = name == NULL ? 0 : strspn(name, "abcdefghijklmnopqrstuvwx"
                     "yzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    snprintf(id, sizeof(id), "t%04dc%03d", (int)a->turn, number);
    add_text(one, "id", id);
    add_text(one, "type", "function");
    cJSON_AddItemToArray(calls, one);
    one = need(cJSON_AddObjectToObject(one, "function"));
    add_text(one, "name", n > 0 && n <= 64 && !name[n] ? name : "unknown");
    add_text(one, "arguments", cJSON_IsObject(args) ? arguments : "{}");
    cJSON_Delete(args);
}

// Takes an answer into the transcript. False if it is none: no JSON, no UTF-8,
// an error in its place, or neither a text nor a call.
static bool take(agent *a)
{
    ckpt_bytes body = { a->body, a->body_len };
    bool       valid = a->body != NULL && ckpt_json_check(body, NULL) >= 0;
    cJSON     *all = valid ? cJSON_Parse(a->body) : NULL;
    const cJSON *answer = get(cJSON_GetArrayItem(get(all, "choices"), 0),
                              "message");
    const cJSON *asked, *calls = get(answer, "tool_calls");
    const char  *content = get_text(answer, "content");
    int          number = 0, n = cJSON_GetArraySize(calls);
    bool         empty = content == NULL || *content == '\0';
    valid = n > 0 || !empty;
    if (valid) {
        cJSON *m = add_message(a, "assistant", empty ? NULL : content);
        cJSON *list = n > 0 ? need(cJSON_AddArrayToObject(m, "tool_calls"))
                            : NULL;
        a->turn++;
        cJSON_ArrayForEach(asked, calls) {
            if (number < CALLS_MAX) {   // what is left out is not asked for
                add_call(a, list, asked, number++);
            }
        }
    }
    cJSON_Delete(all);
    return valid;
}

// Sends the transcript once. Returns the HTTP status, 0 if there was none; in
// *after how many seconds the server wants to be left alone.
static long post(agent *a, const char *json, curl_off_t *after)
{
    char url[1024], key[1024];
    long status = 0;
    snprintf(url, sizeof(url), "%s/chat/completions", a->url);
    snprintf(key, sizeof(key), "Authorization: Bearer %s", a->key);
    struct curl_slist *headers = NULL;
    headers = need(curl_slist_append(NULL, "Content-Type: application/json"));
    headers = need(curl_slist_append(headers, key));
    a->body_len = 0;
    curl_easy_setopt(a->curl, CURLOPT_URL, url);
    curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(a->curl, CURLOPT_TIMEOUT, a->request_s);
    curl_easy_setopt(a->curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(a->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(a->curl, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(a->curl, CURLOPT_XFERINFODATA, a);
    CURLcode rc = curl_easy_perform(a->curl);
    if (rc == CURLE_OK) {
        curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(a->curl, CURLINFO_RETRY_AFTER, after);
    } else {
        fprintf(stderr, "llm_agent: %s: %s\n", url, curl_easy_strerror(rc));
    }
    curl_slist_free_all(headers);
    return status;
}

// Tells whether to ask again is of no use: what is wrong is not the moment.
static bool is_final(long status)
{
    return status > 200 && status < 500 && status != 408 && status != 425
        && status != 429;
}

// Waits, and beats. False if there is no use in trying again.
static bool wait_for(agent *a, int64_t ms)
{
    for (int64_t end = now_ms() + ms; now_ms() < end && !stopped && beat(a);) {
        poll(NULL, 0, ms < 200 ? (int)ms : 200);        // a signal ends it
    }
    return !stopped && beat(a);
}

// Asks the model for its next answer: again after a while if the server is
// busy, broken or not there. A request that is given up has changed nothing.
static bool ask(agent *a)
{
    long   status = 0, wait = a->wait_ms;
    cJSON *request = need(cJSON_CreateObject());
    add_text(request, "model", a->model);
    cJSON_AddItemReferenceToObject(request, "messages", a->messages);
    need(cJSON_AddRawToObject(request, "tools", tools));
    char *json = need(cJSON_PrintUnformatted(request));
    cJSON_Delete(request);
    for (long i = 0; i < a->tries; i++, wait *= 2) {
        curl_off_t after = 0;
        status = post(a, json, &after);
        if (status == 200 && take(a)) {
            cJSON_free(json);
            return true;
        }
        if (status != 0) {
            fprintf(stderr, "llm_agent: HTTP %ld: %.200s\n", status,
                    a->body_len > 0 ? a->body : "no answer");
        }
        wait = wait < WAIT_MAX ? wait : WAIT_MAX;
        if (is_final(status) || i + 1 == a->tries
            || !wait_for(a, after > 0 ? after * 1000 : wait)) {
            break;
        }
    }
    cJSON_free(json);
    return check(a, ckpt_beat(&a->run), "beat") && !stopped
        && fail(a, is_final(status) ? 1 : TRY_LATER, a->url, "no answer");
}

//--- The run ------------------------------------------------------------------

// Keeps the last answer: in the run, so that no resume asks for it again, and
// in a file, because what a run that is done has saved cannot be loaded.
static ckpt_outcome end(agent *a, const char *answer)
{
    ckpt_save_desc save;
    char          *json = describe(a, &save);
    save.force = true;
    ckpt_code rc = ckpt_save(&a->run, &save);
    cJSON_free(json);
    if (!check(a, rc, "save")) {
        return CKPT_RETRY;
    }
    if (!write_file(a->answer, answer)) {
        fail(a, 1, a->answer, strerror(errno));
        return CKPT_RETRY;
    }
    return CKPT_COMPLETED;
}

// Does what the transcript says is next. While the last answer of the model
// asks for calls of which not each has a result, the next one is made; then the
// model is asked. An answer that asks for no call is the last. A resume needs
// nothing but this.
static ckpt_outcome work(agent *a)
{
    bool good = restore(a);
    while (good && !stopped) {
        const cJSON *m, *answer = NULL, *calls;
        int          results = 0;
        cJSON_ArrayForEach(m, a->messages) {
            bool is_answer = strcmp(get_text(m, "role"), "assistant") == 0;
            answer = is_answer ? m : answer;
            results = is_answer ? 0 : results + 1;
        }
        calls = get(answer, "tool_calls");
        if (answer != NULL && calls == NULL) {
            return end(a, get_text(answer, "content"));
        }
        if (results < cJSON_GetArraySize(calls)) {
            good = call(a, cJSON_GetArrayItem(calls, results));
        } else if (a->turn < TURNS_MAX) {
            good = ask(a);
        } else {
            fail(a, 1, a->id, "the model does not come to an end");
            return CKPT_FAILED;
        }
    }
    if (stopped) {
        a->status = TRY_LATER;
    }
    return a->status == TRY_LATER ? CKPT_INTERRUPTED : CKPT_RETRY;
}

static int print_answer(agent *a)
{
    int c;
    FILE *f = fopen(a->answer, "r");
    if (f == NULL) {
        fail(a, 0, a->answer, "done, but the answer is not there any more");
        return 0;
    }
    while ((c = getc(f)) != EOF) {
        putchar(c);
    }
    fclose(f);
    putchar('\n');
    return 0;
}

// Opens the run, works, and says how it is left.
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
        fail(a, 1, a->id, "this run was begun with another task");
    } else {
        outcome = work(a);
    }
    // A stop gives the attempt back, a failure does not: they end some day.
    rc = ckpt_finish(&a->run, outcome, &(ckpt_finish_desc){ .keep = true });
    if (outcome == CKPT_COMPLETED && check(a, rc, "finish")) {
        return print_answer(a);
    }
    ckpt_abandon(&a->run);              // if it could not be finished
    return a->status;
}

static int usage(void)
{
    fprintf(stderr, "usage: llm_agent [-d runs] [-i id] [-m model] [-o answer]"
            " [-u url]\n                 [-a attempts] [-n tries] [-w ms]"
            " [-t tool seconds]\n                 [-T request seconds] task\n");
    return 1;
}

int main(int argc, char **argv)
{
    static agent  a = { .runs = "runs", .wait_ms = 1000, .tries = 8,
                        .tool_s = 120, .request_s = 900, .status = 1 };
    char          id[32], answer[CKPT_ID_MAX + 16];
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_error    error;
    a.url = getenv("OPENAI_BASE_URL");
    a.key = getenv("OPENAI_API_KEY");
    a.model = getenv("OPENAI_MODEL");
    for (int c; (c = getopt(argc, argv, "d:i:m:o:u:a:n:w:t:T:")) != -1;) {
        switch (c) {
        case 'd': a.runs = optarg; break;
        case 'i': a.id = optarg; break;
        case 'm': a.model = optarg; break;
        case 'o': a.answer = optarg; break;
        case 'u': a.url = optarg; break;
        case 'a': a.attempts = atoi(optarg); break;
        case 'n': a.tries = atol(optarg); break;
        case 'w': a.wait_ms = atol(optarg); break;
        case 't': a.tool_s = atol(optarg); break;
        case 'T': a.request_s = atol(optarg); break;
        default: return usage();
        }
    }
    if (optind != argc - 1 || a.model == NULL) {
        return usage();
    }
    a.task = argv[optind];
    if (a.id == NULL) {                 // the same task is the same run
        ckpt_bytes t = ckpt_text(a.task);
        snprintf(id, sizeof(id), "task-%08x",
                 (unsigned)ckpt_crc32c(0, t.ptr, t.len));
        a.id = id;
    }
    if (a.answer == NULL) {
        snprintf(answer, sizeof(answer), "%.*s.answer", CKPT_ID_MAX, a.id);
        a.answer = answer;
    }
    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){ .dir = a.runs },
                           &error) < 0) {
        fail(&a, 1, a.runs, error.msg);
        return 1;
    }
    if (ckpt_init(&ctx, &(ckpt_desc){
            .store = &fs.base,
            .owner = "llm_agent",
            .beat_ms = 2000,
            .resume_max = a.attempts,   // 0: the default
        }) < 0) {
        fail(&a, 1, "init", ckpt_last_error(&ctx)->msg);
    } else {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        a.curl = need(curl_easy_init());
        a.status = run(&a, &ctx);
        curl_easy_cleanup(a.curl);
    }
    ckpt_store_fs_close(&fs);
    return a.status;
}
