// SPDX-License-Identifier: MIT-0
/*
    server.c -- plays a model behind chat completions, and judges its client

        llm_server [-l log] [-f folder]     prints its port, and serves

    POST /v1/chat/completions answers with the next step of a script, which the
    name of the model chooses; how many answers the transcript has says which
    step is next, so the same transcript gets the same answer. What real servers
    refuse is refused with HTTP 400 and a sentence, which is a line of the log.
    Beyond that the transcript must be true: each answer in it must be the one
    that was given, and each result the one that the tool of that call prints,
    or say that the call may have run.

    GET /count gives "REQUESTS REFUSED UNCERTAIN", the last of the last
    transcript. The folder is where a step waits for a file.
*/
#define _POSIX_C_SOURCE 200809L
#include "ckpt.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 16 * 1024, BODY_MAX = 32 * 1024 * 1024,
    CALLS_MAX = 4, STEPS_MAX = 12, ID_MAX = 40
};

//--- The scripts --------------------------------------------------------------

// One call that the model asks for: its id (NULL: none at all), the tool, its
// arguments, and what its result must contain.
typedef struct scripted_call {
    const char *id, *name, *arguments, *expected;
} scripted_call;

// One answer. Before it is given the first time, trouble may come: an HTTP
// status, or 1 for an answer that is no JSON, 2 for a connection that breaks.
// wait_for is a file, or a number of milliseconds. copies: it asks so often for
// the first call, and the client may leave calls out.
typedef struct step {
    const char   *content, *wait_for;
    int           trouble, copies;
    scripted_call calls[CALLS_MAX];
} step;

typedef struct script {
    const char *model;
    step        steps[STEPS_MAX];
} script;

#define LOGS(n) "{\"command\":\"echo ran " n " | tee -a calls.log; " \
                "sleep 0.04\"}"
#define CALL(id, n) { id, "shell", LOGS(n), "ran " n }
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED HUNDRED HUNDRED

static const script scripts[] = {
    { "odd", {
        { .content = "I look.", .calls = { CALL("call_a", "0-0") } },
        { .calls = { CALL("call_b", "1-0"), CALL("call_c", "1-1"),
                     CALL("call_d", "1-2") } },
        { .calls = { CALL("call_1", "2-0"), CALL("call_1", "2-1") } },
        { .trouble = 429,
          .calls = { CALL("", "3-0"), CALL("", "3-1"), CALL(NULL, "3-2") } },
        { .trouble = 500,
          .calls = { CALL(LONG "x", "4-0"), CALL(LONG "y", "4-1") } },
        { .trouble = 1, .calls = { CALL("call_a", "5-0") } },
        { .content = "", .wait_for = "300", .calls = {
            { "f", "file", "{\"path\":\"note.txt\",\"content\":"
                           "\"\\u00e4 \\\"q\\\" \\ud83d\\ude00\\n\"}",
              "written" },
            { "g", "shell", "{\"command\":\"echo ran 6-1 >>calls.log; printf "
                            "'ran 6-1 \\\\377\\\\300\\\\000!\\\\n'\"}",
              "ran 6-1 \xef\xbf\xbd\xef\xbf\xbd?!" } } },
        { .trouble = 2, .calls = {
            { "h", "shell", "{not json", "error: no such tool" },
            { "i", "no tool\n", "{}", "error: no such tool" },
            { "j", "shell", "{\"command\":\"echo ran 7-2 | tee -a calls.log; "
                            "yes | head -c 300000\"}", "left out" },
            { "k", "shell", "{\"command\":\"echo ran 7-3 >>calls.log; kill -9 "
                            "$$\"}", "ended by signal 9" } } },
        { .trouble = 503, .calls = {
            { "l", "file", "{\"path\":\"given.txt\"}",
              "\xc3\xa4 \"q\" \xf0\x9f\x98\x80" },
            { "m", "shell", "{\"command\":\"sleep 20 & echo ran 8-1 | tee -a "
                            "calls.log; exit 3\"}", "exit status 3" },
            { "n", "shell", "{\"command\":\"echo ran 8-2 |\n tee -a calls.log"
                            "\"} and so on", "ran 8-2" } } },
        { .content = "The work is done. \xe2\x9c\x93" } } },
    // One tool that takes long, and one answer: until a file is there.
    { "long", {
        { .calls = { { "a", "shell", "{\"command\":\"echo ran 0-0 >>calls.log; "
                       "until [ -e go-tool ]; do sleep 0.1; done; echo ran 0-1 "
                       "| tee -a calls.log\"}", "ran 0-1" } } },
        { .content = "Done.", .wait_for = "go-answer" } } },
    // A tool that does not end, and what it leaves in the background.
    { "endless", {
        { .calls = { { "a", "shell", "{\"command\":\"echo $$ >>pids; sleep 1000"
                       " & echo $! >>pids; yes\"}", "killed: it took" } } },
        { .content = "Done." } } },
    { "many", {
        { .copies = 100, .calls = { { "a", "shell", "{\"command\":"
                            "\"echo ran >>calls.log\"}", "" } } },
        { .copies = 100, .calls = { { "a", "shell", "{\"command\":"
                            "\"echo ran >>calls.log\"}", "" } } },
        { .content = "Done." } } },
    { "down", { { .trouble = 500 } } },                 // these two: always
    { "garbage", { { .trouble = 1 } } },
    { "no_key", { { .trouble = 401 } } }
};

// The call of that number, or NULL.
static const scripted_call *call_of(const step *s, int i)
{
    if (s->copies > 0) {
        return i < s->copies ? &s->calls[0] : NULL;
    }
    return i < CALLS_MAX && s->calls[i].name != NULL ? &s->calls[i] : NULL;
}

//--- State --------------------------------------------------------------------

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool            troubled[sizeof(scripts) / sizeof(*scripts)][STEPS_MAX];
static long            requests, refused, uncertain;
static FILE           *log_file;

// A request that is wrong: the sentence is kept, the first one counts.
static const char *wrong(char reason[256], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, 256, format, args);
    va_end(args);
    return reason;
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(get(object, key));
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

// A second opinion, beside that of ckpt: RFC 3629, table 3-7 of Unicode.
static bool is_utf8(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned c = p[i++], more = 0, low = 0x80, high = 0xBF;
        if (c >= 0xC2 && c <= 0xDF) {
            more = 1;
        } else if (c >= 0xE0 && c <= 0xEF) {
            more = 2;
            low = c == 0xE0 ? 0xA0 : low;
            high = c == 0xED ? 0x9F : high;
        } else if (c >= 0xF0 && c <= 0xF4) {
            more = 3;
            low = c == 0xF0 ? 0x90 : low;
            high = c == 0xF4 ? 0x8F : high;
        } else if (c >= 0x80) {
            return false;
        }
        for (; more > 0; more--, low = 0x80, high = 0xBF) {
            if (i == n || p[i] < low || p[i++] > high) {
                return false;
            }
        }
    }
    return true;
}

//--- The judge ----------------------------------------------------------------

static const char *judge_calls(const cJSON *calls, char *reason)
{
    const cJSON *one, *other;
    if (!cJSON_IsArray(calls) || cJSON_GetArraySize(calls) == 0) {
        return wrong(reason, "tool_calls is no array, or is empty");
    }
    cJSON_ArrayForEach(one, calls) {
        const cJSON *function = get(one, "function");
        const char  *id = text_of(one, "id"), *type = text_of(one, "type");
        const char  *name = text_of(function, "name");
        const char  *arguments = or_empty(text_of(function, "arguments"));
        bool         object = arguments[0] == '{'
                  && ckpt_json_check(ckpt_text(arguments), NULL) == CKPT_OK;
        if (id == NULL || *id == '\0' || strlen(id) > ID_MAX) {
            return wrong(reason, "the id of a call is missing, empty or longer "
                                 "than %d", ID_MAX);
        }
        if (type == NULL || strcmp(type, "function") != 0) {
            return wrong(reason, "a call has no type");
        }
        if (name == NULL || *name == '\0' || strlen(name) > 64
            || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                                 "TUVWXYZ0123456789_-")] != '\0') {
            return wrong(reason, "the name of a function is wrong");
        }
        if (!object) {
            return wrong(reason, "the arguments of %s are no object", id);
        }
        for (other = one->next; other != NULL; other = other->next) {
            const char *id2 = text_of(other, "id");
            if (id2 != NULL && strcmp(id, id2) == 0) {
                return wrong(reason, "the id %s is there twice", id);
            }
        }
    }
    return NULL;
}

// Takes the results that must follow an answer with calls; *m is the first
// message behind them.
static const char *judge_results(const cJSON *calls, const cJSON **m,
                                 char *reason)
{
    const cJSON *call;
    bool         seen[256] = { false };
    int          n = cJSON_GetArraySize(calls), left = n > 256 ? 256 : n;
    for (; left > 0; left--, *m = (*m)->next) {
        const char *role = text_of(*m, "role");
        const char *id = text_of(*m, "tool_call_id");
        int         i = 0, found = -1;
        if (*m == NULL || role == NULL || strcmp(role, "tool") != 0) {
            return wrong(reason, "a call has no result behind it");
        }
        cJSON_ArrayForEach(call, calls) {
            if (id != NULL && strcmp(id, text_of(call, "id")) == 0) {
                found = i;
            }
            i++;
        }
        if (found < 0 || found > 255 || seen[found]) {
            return wrong(reason, "a result is of no call, or the second of it");
        }
        seen[found] = true;
        if (text_of(*m, "content") == NULL) {
            return wrong(reason, "a result has no content");
        }
    }
    return NULL;
}

// What every server refuses in a transcript.
static const char *judge_messages(const cJSON *messages, char *reason)
{
    if (!cJSON_IsArray(messages) || cJSON_GetArraySize(messages) == 0) {
        return wrong(reason, "messages is missing, no array or empty");
    }
    for (const cJSON *m = messages->child, *next; m != NULL; m = next) {
        const char  *role = text_of(m, "role"), *bad;
        const cJSON *content = get(m, "content"), *calls = get(m, "tool_calls");
        next = m->next;
        if (role == NULL) {
            return wrong(reason, "a message has no role");
        }
        if (strcmp(role, "tool") == 0) {
            return wrong(reason, "a result has no call before it");
        }
        bool answer = strcmp(role, "assistant") == 0;
        if (!answer && strcmp(role, "system") != 0
            && strcmp(role, "user") != 0) {
            return wrong(reason, "there is no role %.32s", role);
        }
        if (!cJSON_IsString(content) && (!answer || calls == NULL)) {
            return wrong(reason, "a message of %s has no content", role);
        }
        if (answer && cJSON_IsString(content)
            && content->valuestring[0] == '\0') {
            return wrong(reason, "the text of an answer is empty, not null");
        }
        if (calls != NULL && !answer) {
            return wrong(reason, "a message of %s has calls", role);
        }
        if (calls != NULL && ((bad = judge_calls(calls, reason)) != NULL
            || (bad = judge_results(calls, &next, reason)) != NULL)) {
            return bad;
        }
    }
    return NULL;
}

static const char *judge_tools(const cJSON *tools, char *reason)
{
    const cJSON *tool;
    if (tools != NULL && (!cJSON_IsArray(tools) || tools->child == NULL)) {
        return wrong(reason, "tools is no array, or is empty");
    }
    cJSON_ArrayForEach(tool, tools) {
        const cJSON *function = get(tool, "function");
        const char  *type = text_of(tool, "type");
        const char  *schema = text_of(get(function, "parameters"), "type");
        if (type == NULL || strcmp(type, "function") != 0
            || text_of(function, "name") == NULL || schema == NULL
            || strcmp(schema, "object") != 0) {
            return wrong(reason, "a tool has no type, name or parameters");
        }
    }
    return NULL;
}

// Whether the transcript is what was said: each answer that of its step, each
// result that of its call. Counts results that say that the call may have run.
static const char *judge_truth(const script *s, const cJSON *messages,
                               long *doubts, char *reason)
{
    const cJSON *m = messages->child;
    int          number = 0;
    *doubts = 0;
    while (m != NULL) {
        const step  *t = &s->steps[number];
        const cJSON *calls = get(m, "tool_calls"), *call;
        const char  *content = text_of(m, "content");
        if (strcmp(text_of(m, "role"), "assistant") != 0) {
            m = m->next;
            continue;
        }
        if (number == STEPS_MAX
            || strcmp(or_empty(content), or_empty(t->content)) != 0) {
            return wrong(reason, "answer %d was not given", number);
        }
        m = m->next;
        int i = 0;
        cJSON_ArrayForEach(call, calls) {
            const scripted_call *c = call_of(t, i++);
            const char          *result = text_of(m, "content");
            bool                 doubt = strstr(result, "may have run") != NULL;
            *doubts += doubt;
            if (c == NULL || (!doubt && strstr(result, c->expected) == NULL)) {
                return wrong(reason, "call %d of answer %d has the result "
                             "\"%.80s\"", i - 1, number, result);
            }
            m = m->next;
        }
        if (t->copies == 0 && call_of(t, i) != NULL) {
            return wrong(reason, "call %d of answer %d is missing", i, number);
        }
        number++;
    }
    return NULL;
}

static const script *find_script(const char *model)
{
    size_t n = sizeof(scripts) / sizeof(*scripts);
    for (size_t i = 0; model != NULL && i < n; i++) {
        if (strcmp(model, scripts[i].model) == 0) {
            return &scripts[i];
        }
    }
    return NULL;
}

// Returns what is wrong with a request, or NULL, and then its script and step.
static const char *judge(const char *body, size_t n, const script **s,
                         int *number, char *reason)
{
    const char  *bad = NULL;
    const cJSON *m, *messages;
    long         doubts = 0;
    if (!is_utf8((const unsigned char *)body, n)) {
        return wrong(reason, "the body is not UTF-8");
    }
    // ckpt's check is strict where cJSON is not: control characters, numbers.
    cJSON *all = ckpt_json_check((ckpt_bytes){ body, n }, NULL) == CKPT_OK
               ? cJSON_ParseWithLength(body, n) : NULL;
    if (!cJSON_IsObject(all)) {
        bad = wrong(reason, "the body is not JSON, or no object");
    } else if ((*s = find_script(text_of(all, "model"))) == NULL) {
        bad = wrong(reason, "there is no such model");
    } else if ((bad = judge_messages(get(all, "messages"), reason)) == NULL
               && (bad = judge_tools(get(all, "tools"), reason)) == NULL) {
        messages = get(all, "messages");
        if ((*s)->steps[0].trouble == 0) {
            bad = judge_truth(*s, messages, &doubts, reason);
        }
        *number = 0;
        cJSON_ArrayForEach(m, messages) {
            *number += strcmp(text_of(m, "role"), "assistant") == 0;
        }
    }
    cJSON_Delete(all);
    pthread_mutex_lock(&lock);
    uncertain = bad == NULL ? doubts : uncertain;
    pthread_mutex_unlock(&lock);
    return bad;
}

//--- Answers ------------------------------------------------------------------

// Sends all bytes, or leaves it if the client is gone.
static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool reply(int fd, int status, const char *more, const char *body)
{
    char head[256];
    int  n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\nContent-Type: "
                      "application/json\r\nContent-Length: %zu\r\n%s\r\n",
                      status, status == 200 ? "OK" : "Error", strlen(body),
                      more);
    return send_all(fd, head, (size_t)n) && send_all(fd, body, strlen(body));
}

static bool reply_error(int fd, int status, const char *more, const char *why)
{
    cJSON *error, *all = cJSON_CreateObject();
    error = cJSON_AddObjectToObject(all, "error");
    cJSON_AddStringToObject(error, "message", why);
    char *text = cJSON_PrintUnformatted(all);
    bool  good = reply(fd, status, more, text);
    cJSON_Delete(all);
    cJSON_free(text);
    return good;
}

static void wait_for(const char *what)
{
    char *end;
    long  ms = strtol(what, &end, 10);
    bool  number = *end == '\0';
    struct timespec t = { .tv_nsec = (number ? ms : 50) * 1000000 };
    do {
        nanosleep(&t, NULL);
    } while (!number && access(what, F_OK) != 0);
}

static bool reply_step(int fd, const script *s, int number)
{
    const step *t = &s->steps[number];
    cJSON *all = cJSON_CreateObject(), *calls = NULL;
    cJSON *choices = cJSON_AddArrayToObject(all, "choices");
    cJSON *choice = cJSON_CreateObject(), *m;
    cJSON_AddStringToObject(all, "object", "chat.completion");
    cJSON_AddItemToArray(choices, choice);
    m = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(m, "role", "assistant");
    if (t->content != NULL) {
        cJSON_AddStringToObject(m, "content", t->content);
    } else {
        cJSON_AddNullToObject(m, "content");
    }
    const scripted_call *c;
    for (int i = 0; (c = call_of(t, i)) != NULL; i++) {
        cJSON *one = cJSON_CreateObject(), *function;
        calls = calls != NULL ? calls : cJSON_AddArrayToObject(m, "tool_calls");
        cJSON_AddItemToArray(calls, one);
        if (c->id != NULL) {
            cJSON_AddStringToObject(one, "id", c->id);
        }
        cJSON_AddStringToObject(one, "type", "function");
        function = cJSON_AddObjectToObject(one, "function");
        cJSON_AddStringToObject(function, "name", c->name);
        cJSON_AddStringToObject(function, "arguments", c->arguments);
    }
    cJSON_AddStringToObject(choice, "finish_reason",
                            calls != NULL ? "tool_calls" : "stop");
    char *text = cJSON_PrintUnformatted(all);
    bool  good = reply(fd, 200, "", text);
    cJSON_Delete(all);
    cJSON_free(text);
    return good;
}

// Answers one request. False ends the connection.
static bool answer(int fd, const char *body, size_t n)
{
    char          reason[256];
    const script *s = NULL;
    int           number = 0;
    const char   *bad = judge(body, n, &s, &number, reason);
    pthread_mutex_lock(&lock);
    requests++;
    refused += bad != NULL;
    if (bad != NULL && log_file != NULL) {
        fprintf(log_file, "400 %s\n", bad);
        fflush(log_file);
    }
    int trouble = 0;
    if (bad == NULL) {
        bool *before = &troubled[s - scripts][number];
        trouble = *before && number > 0 ? 0 : s->steps[number].trouble;
        *before = true;
    }
    pthread_mutex_unlock(&lock);
    if (bad != NULL) {
        return reply_error(fd, 400, "", bad);
    }
    if (s->steps[number].wait_for != NULL) {
        wait_for(s->steps[number].wait_for);
    }
    switch (trouble) {
    case 0:   return reply_step(fd, s, number);
    case 1:   return reply(fd, 200, "", "<html>no {json</html>");
    case 2:   return false;
    case 429: return reply_error(fd, 429, "Retry-After: 0\r\n", "slow down");
    default:  return reply_error(fd, trouble, "", "trouble");
    }
}

//--- HTTP ---------------------------------------------------------------------

// Returns the value of a header field, or NULL. The head ends with a NUL.
static const char *field(const char *head, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = strstr(head, "\r\n"); p != NULL;
         p = strstr(p + 2, "\r\n")) {
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':') {
            return p + 3 + n + strspn(p + 3 + n, " \t");
        }
    }
    return NULL;
}

// Serves one request; *have bytes of it may lie in head already, and what
// belongs to the next one is left there. False ends the connection.
static bool serve(int fd, char *head, size_t *have)
{
    char *end = NULL, count[64];
    while ((head[*have] = '\0', end = strstr(head, "\r\n\r\n")) == NULL) {
        ssize_t n = *have < HEAD_MAX ? recv(fd, head + *have, HEAD_MAX - *have,
                                            0) : 0;
        if (n <= 0) {
            return false;
        }
        *have += (size_t)n;
    }
    end[2] = '\0';
    size_t      body_at = (size_t)(end - head) + 4;
    const char *length = field(head, "Content-Length");
    const char *expect = field(head, "Expect");
    size_t      size = length != NULL ? strtoul(length, NULL, 10) : 0;
    bool        post = strncmp(head, "POST /v1/chat/completions ", 26) == 0;
    bool        get_count = strncmp(head, "GET /count ", 11) == 0;
    if (field(head, "Transfer-Encoding") != NULL || size > BODY_MAX) {
        reply_error(fd, 411, "Connection: close\r\n", "say how long it is");
        return false;
    }
    if (expect != NULL && strncasecmp(expect, "100-continue", 12) == 0
        && !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25)) {
        return false;
    }
    char  *body = malloc(size + 1);
    size_t got = *have - body_at < size ? *have - body_at : size;
    bool   good = body != NULL;
    if (good) {
        memcpy(body, head + body_at, got);
    }
    *have -= body_at + got;
    memmove(head, head + body_at + got, *have);
    while (good && got < size) {
        ssize_t n = recv(fd, body + got, size - got, 0);
        good = n > 0;
        got += good ? (size_t)n : 0;
    }
    if (good && post) {
        good = answer(fd, body, size);
    } else if (good && get_count) {
        pthread_mutex_lock(&lock);
        snprintf(count, sizeof(count), "%ld %ld %ld\n", requests, refused,
                 uncertain);
        pthread_mutex_unlock(&lock);
        good = reply(fd, 200, "", count);
    } else if (good) {
        good = reply_error(fd, 404, "", "there is nothing of that name");
    }
    free(body);
    return good;
}

static void *connection(void *arg)
{
    int    fd = *(int *)arg;
    char  *head = malloc(HEAD_MAX + 1);
    size_t have = 0;
    free(arg);
    while (head != NULL && serve(fd, head, &have)) {
    }
    free(head);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t          size = sizeof(address);
    pthread_t          thread;
    for (int c; (c = getopt(argc, argv, "l:f:")) != -1;) {
        if (c == '?' || (c == 'f' && chdir(optarg) != 0)) {
            fprintf(stderr, "usage: llm_server [-l log] [-f folder]\n");
            return 1;
        }
        if (c == 'l') {
            log_file = fopen(optarg, "a");
        }
    }
    signal(SIGPIPE, SIG_IGN);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0
        || bind(listener, (struct sockaddr *)&address, size) != 0
        || listen(listener, 64) != 0
        || getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("llm_server");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int *fd = malloc(sizeof(*fd));
        if (fd == NULL || (*fd = accept(listener, NULL, NULL)) < 0) {
            free(fd);
            continue;
        }
        if (pthread_create(&thread, NULL, connection, fd) != 0) {
            close(*fd);
            free(fd);
        } else {
            pthread_detach(thread);
        }
    }
}
