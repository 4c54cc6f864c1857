// SPDX-License-Identifier: MIT-0
/*
    llm_world.h -- what an agent on a language model does to the world

    Options, tools, JSON and HTTP, for llm_agent.c and llm_agent.cpp: all of it
    is C and C++, and nothing here knows ckpt. Whatever takes long calls .alive
    again and again, at least about once a second, and gives up if that returns
    false.
*/
#ifndef LLM_WORLD_H
#define LLM_WORLD_H

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    OUTPUT_MAX = 16 * 1024,             // bytes of a tool that the model sees
    ANSWER_MAX = 8 * 1024 * 1024,       // bytes of an answer of the server
    TURNS_MAX  = 1000,                  // answers of the model
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

typedef struct options {
    const char *runs, *id, *task, *model, *answer_path;
    const char *url, *key;              // of the server
    long        tries, wait_ms;
    long        tool_s, request_s;      // how long a tool, a request may take
    int         attempts;
} options;

typedef struct world {
    bool         (*alive)(void *user);
    void          *user;
    const options *o;
    CURL          *curl;
    char          *body;                // what the server answered
    size_t         body_len;
    char           output[OUTPUT_MAX + 256];    // of a tool, and how it ended,
    size_t         output_len;                  // without a NUL in it
} world;

// A stop ends a request at once, and lets a tool come to its end.
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
    stopped = sig;                      // a handler may do no more
}

static void take_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = stop;
    action.sa_flags = (int)SA_RESETHAND;        // a second one kills
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);           // else nobody can wait for a tool
}

// Without memory the agent dies, and its next start resumes the run.
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

// Waits. False if there is no use in going on.
static bool wait_for(world *w, int64_t ms)
{
    int64_t end = now_ms() + ms;
    while (now_ms() < end && !stopped && w->alive(w->user)) {
        poll(NULL, 0, ms < 200 ? (int)ms : 200);
    }
    return !stopped && w->alive(w->user);
}

//--- Options ------------------------------------------------------------------

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

// The plus makes every getopt() stop at the task.
static bool parse_options(options *o, int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "+d:i:m:o:u:a:n:w:t:T:")) != -1;) {
        switch (c) {
        case 'd': o->runs = optarg; break;
        case 'i': o->id = optarg; break;
        case 'm': o->model = optarg; break;
        case 'o': o->answer_path = optarg; break;
        case 'u': o->url = optarg; break;
        case 'a': o->attempts = atoi(optarg); break;
        case 'n': o->tries = atol(optarg); break;
        case 'w': o->wait_ms = atol(optarg); break;
        case 't': o->tool_s = atol(optarg); break;
        case 'T': o->request_s = atol(optarg); break;
        default:  return false;
        }
    }
    o->task = optind == argc - 1 ? argv[optind] : NULL;
    return o->task != NULL && o->model != NULL;
}

// False if the options are wrong. Without -i and -o there is no id and no path.
static bool parse(options *o, int argc, char **argv)
{
    memset(o, 0, sizeof(*o));
    o->runs = "runs";
    o->model = getenv("OPENAI_MODEL");
    o->url = env_or("OPENAI_BASE_URL", "https://api.openai.com/v1");
    o->key = env_or("OPENAI_API_KEY", "none");
    o->tries = 8;
    o->wait_ms = 1000;
    o->tool_s = 120;
    o->request_s = 900;
    bool good = parse_options(o, argc, argv);
    if (!good) {
        fprintf(stderr, "usage: llm_agent [-d runs] [-i id] [-o answer file]\n"
                "    [-m model] [-u url] [-a attempts] [-n tries] [-w ms before"
                " the next try]\n    [-T seconds for a request] [-t seconds for"
                " a tool] task\n");
    }
    return good;
}

static int print_answer(const options *o)
{
    FILE *f = fopen(o->answer_path, "r");
    if (f == NULL) {
        fprintf(stderr, "llm_agent: %s: done, but the answer is not there\n",
                o->answer_path);
        return 0;
    }
    for (int c; (c = getc(f)) != EOF;) {
        putchar(c);
    }
    fclose(f);
    putchar('\n');
    return 0;
}

//--- JSON ---------------------------------------------------------------------

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

static cJSON *add_message(cJSON *messages, const char *role,
                          const char *content)
{
    cJSON *message = cJSON_CreateObject();
    need(message);
    add_text(message, "role", role);
    add_text(message, "content", content);
    cJSON_AddItemToArray(messages, message);
    return message;
}

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
    cJSON       *one = cJSON_CreateObject();
    size_t       n = name == NULL ? 0 : strspn(name, "abcdefghijklmnopqrstuvwx"
                     "yzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    need(one);
    snprintf(id, sizeof(id), "t%04dc%03d", (int)turn, i);
    add_text(one, "id", id);
    add_text(one, "type", "function");
    cJSON_AddItemToArray(calls, one);
    one = cJSON_AddObjectToObject(one, "function");
    need(one);
    add_text(one, "name", n > 0 && n <= 64 && !name[n] ? name : "unknown");
    add_text(one, "arguments", json != NULL ? json : "{}");
    cJSON_free(json);
    cJSON_Delete(args);
}

// Takes an answer into the transcript. False if it is none: no JSON, an error
// in its place, or neither a text nor a call.
static bool add_answer(cJSON *messages, const cJSON *all, uint64_t turn,
                       int calls_max)
{
    const cJSON *choice = cJSON_GetArrayItem(get(all, "choices"), 0);
    const cJSON *answer = get(choice, "message");
    const cJSON *asked, *calls = get(answer, "tool_calls");
    const char  *content = get_text(answer, "content");
    bool         has_text = content != NULL && *content != '\0';
    bool         has_calls = cJSON_GetArraySize(calls) > 0;
    if (has_text || has_calls) {
        cJSON *m = add_message(messages, "assistant",
                               has_text ? content : NULL);
        cJSON *list = has_calls ? cJSON_AddArrayToObject(m, "tool_calls") : m;
        int    i = 0;
        need(list);
        cJSON_ArrayForEach(asked, calls) {
            if (i < calls_max) {        // the rest was never asked for
                add_call(list, asked, turn, i++);
            }
        }
    }
    return has_text || has_calls;
}

//--- Tools --------------------------------------------------------------------

// Adds a sentence of ours to what the model sees of a tool. The buffer has room
// for it, whatever the tool printed.
static void say(world *w, const char *format, ...)
{
    char   *end = w->output + w->output_len;
    va_list args;
    va_start(args, format);
    vsnprintf(end, sizeof(w->output) - w->output_len, format, args);
    va_end(args);
    w->output_len += strlen(end);
}

// Reads once; what the model will not see is dropped. False at the end, or if
// there is nothing at the moment.
static bool read_some(world *w, int fd)
{
    char    buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n < 0 && errno != EAGAIN) {
        say(w, "error: %s", strerror(errno));
    }
    for (ssize_t i = 0; i < n && w->output_len < OUTPUT_MAX; i++) {
        w->output[w->output_len++] = buf[i] != '\0' ? buf[i] : '?';
    }
    return n > 0;
}

static void read_rest(world *w, int fd)
{
    while (w->output_len < OUTPUT_MAX && read_some(w, fd)) {
    }
    if (w->output_len == OUTPUT_MAX) {
        say(w, "\n(the rest is left out)");
    }
    close(fd);
}

// Starts a shell in a process group of its own: a Ctrl-C does not reach it, and
// all that it starts can be killed with it. It gets none of our descriptors:
// those of libcurl would not close by themselves.
static pid_t start_shell(const char *command, int out)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool good = setpgid(0, 0) == 0 && dup2(open("/dev/null", O_RDONLY), 0)
                 == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2;
        for (int fd = 3; fd < 256; fd++) {
            close(fd);
        }
        signal(SIGPIPE, SIG_DFL);
        if (good) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    if (pid > 0) {
        setpgid(pid, pid);              // whoever of the two comes first
    }
    return pid;
}

// Waits for a shell. True if it ended by itself. Its number stays taken until
// the group is killed, so that what it left in the background ends with it.
static bool watch_shell(world *w, pid_t pid, int fd, int *status)
{
    struct pollfd p = { fd, POLLIN, 0 };
    siginfo_t     ended;
    int64_t       end = now_ms() + w->o->tool_s * 1000;
    ended.si_pid = 0;
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0
           && ended.si_pid == 0 && now_ms() < end && w->alive(w->user)) {
        if (poll(&p, 1, p.fd < 0 ? 10 : 200) > 0 && !read_some(w, fd)) {
            p.fd = -1;                  // it closed its output, and may go on
        }
    }
    kill(-pid, SIGKILL);
    waitpid(pid, status, 0);
    return ended.si_pid != 0;
}

static void run_shell(world *w, const char *command)
{
    int   fds[2] = { -1, -1 }, status = 0;
    pid_t pid = pipe(fds) == 0 ? start_shell(command, fds[1]) : -1;
    if (pid < 0) {
        say(w, "error: %s", strerror(errno));
        close(fds[0]);
        close(fds[1]);
        return;
    }
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    bool ended = watch_shell(w, pid, fds[0], &status);
    read_rest(w, fds[0]);
    if (!ended) {
        say(w, "\n(killed: it took more than %ld s)", w->o->tool_s);
    } else if (WIFSIGNALED(status)) {
        say(w, "\n(ended by signal %d)", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        say(w, "\n(exit status %d)", WEXITSTATUS(status));
    }
}

// The file is there as it was or as it is to be, also after a power cut.
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

static void run_file(world *w, const char *path, const char *content)
{
    int fd = -1;
    if (content != NULL && write_file(path, content)) {
        say(w, "written");
    } else if (content != NULL
               || (fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
        say(w, "error: %s", strerror(errno));
    } else {
        read_rest(w, fd);
    }
}

static void run_tool(world *w, const cJSON *function)
{
    const char *name = get_text(function, "name");
    cJSON      *args = cJSON_Parse(get_text(function, "arguments"));
    const char *command = get_text(args, "command");
    const char *path = get_text(args, "path");
    need(args);
    if (strcmp(name, "shell") == 0 && command != NULL) {
        run_shell(w, command);
    } else if (strcmp(name, "file") == 0 && path != NULL) {
        run_file(w, path, get_text(args, "content"));
    } else {
        say(w, "error: no such tool, or wrong arguments");
    }
    cJSON_Delete(args);
}

//--- HTTP ---------------------------------------------------------------------

// libcurl calls this about once a second, also while the server is silent. True
// ends the request.
static int progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c,
                    curl_off_t d)
{
    world *w = (world *)user;
    (void)a, (void)b, (void)c, (void)d;
    return stopped != 0 || !w->alive(w->user);
}

static size_t receive(char *bytes, size_t size, size_t n, void *user)
{
    world *w = (world *)user;
    (void)size;                         // it is always 1
    if (n > ANSWER_MAX - w->body_len) {
        return 0;
    }
    w->body = (char *)need(realloc(w->body, w->body_len + n + 1));
    memcpy(w->body + w->body_len, bytes, n);
    w->body_len += n;
    w->body[w->body_len] = '\0';
    return n;
}

// Sends the request once. Returns the HTTP status, 0 if there was none, and in
// *after for how many seconds the server wants to be left alone.
static long post(world *w, const char *json, curl_off_t *after)
{
    char url[1024], key[4096];
    long status = 0;
    snprintf(url, sizeof(url), "%s/chat/completions", w->o->url);
    snprintf(key, sizeof(key), "Authorization: Bearer %s", w->o->key);
    struct curl_slist *headers = curl_slist_append(NULL, key);
    need(headers);
    need(curl_slist_append(headers, "Content-Type: application/json"));
    w->body_len = 0;
    curl_easy_setopt(w->curl, CURLOPT_URL, url);
    curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(w->curl, CURLOPT_TIMEOUT, w->o->request_s);
    curl_easy_setopt(w->curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
    curl_easy_setopt(w->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(w->curl, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(w->curl, CURLOPT_XFERINFODATA, w);
    CURLcode rc = curl_easy_perform(w->curl);
    if (rc == CURLE_OK) {
        curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(w->curl, CURLINFO_RETRY_AFTER, after);
    } else {
        fprintf(stderr, "llm_agent: %s: %s\n", url, curl_easy_strerror(rc));
    }
    curl_slist_free_all(headers);
    return status;
}

// Shows the beginning of an answer that is none. It can be any bytes.
static void show_answer(const world *w, long status)
{
    fprintf(stderr, "llm_agent: HTTP %ld: ", status);
    for (size_t i = 0; i < w->body_len && i < 300; i++) {
        bool plain = w->body[i] >= ' ' && w->body[i] <= '~';
        putc(plain ? w->body[i] : '?', stderr);
    }
    putc('\n', stderr);
}

// Tells whether it is of no use to ask again: not the moment is wrong, but the
// key, the model or the transcript.
static bool is_final(long status)
{
    return status > 200 && status < 500 && status != 408 && status != 425
        && status != 429;
}

#endif /* LLM_WORLD_H */
