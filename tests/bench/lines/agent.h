// SPDX-License-Identifier: MIT-0
// agent.h -- what the three agents share: a model, a tool, and the world
//
// The model asks for one payment a turn. The tool makes it: it appends a line
// to ./ledger, and gives the number of that line as a receipt. The transcript
// is a JSON array, from which all else can be told: how many turns there were,
// and whether a call still waits for its result. The agent that has ended
// leaves its transcript in ./report.
//
// A test says in the environment where the agent gets a signal: AGENT_AT is
// "before 3" or "after 3", next to the payment of turn 3, and AGENT_SIGNAL the
// number of the signal.
#ifndef AGENT_H
#define AGENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGENT_TURNS = 6, AGENT_MAX = 16384 };

typedef struct agent {
    char     json[AGENT_MAX];   // the transcript
    char     call[16];          // the id of the call of this turn
    char     result[32];        // its result, JSON, and how long that is
    size_t   size;
    unsigned turn;
} agent;

static volatile sig_atomic_t stop;

static void agent_on_signal(int number)
{
    stop = number;
}

static int agent_fail(const char *why)
{
    fprintf(stderr, "agent: %s\n", why);
    return 1;
}

//--- The transcript and the model ---------------------------------------------

// Takes a transcript over: n bytes, or none.
static void agent_restore(agent *a, const void *json, size_t n)
{
    if (n > 0 && n < sizeof(a->json)) {
        memcpy(a->json, json, n);
        a->json[n] = '\0';
    }
}

static void agent_begin(agent *a)
{
    signal(SIGINT, agent_on_signal);
    agent_restore(a, "[]", 2);
}

// Adds one message at the end.
static void agent_add(agent *a, const char *role, const char *name,
                      const char *value)
{
    const size_t n = strlen(a->json) - 1;
    snprintf(a->json + n, sizeof(a->json) - n,
             "%s{\"role\":\"%s\",\"%s\":%s}]", n > 1 ? "," : "", role, name,
             value);
}

// How often a text stands in the transcript.
static unsigned agent_count(const agent *a, const char *text)
{
    unsigned n = 0;
    for (const char *s = a->json; (s = strstr(s, text)) != NULL; s++) {
        n++;
    }
    return n;
}

// The call that waits for its result, or the next one: the model is asked for
// it. False if there is nothing more to do, or the agent has to stop.
static bool agent_next(agent *a)
{
    char said[48];
    a->turn = agent_count(a, "\"assistant\"");
    if (stop || (a->turn == AGENT_TURNS &&
                       agent_count(a, "\"tool\"") == AGENT_TURNS)) {
        return false;
    }
    const bool waits = agent_count(a, "\"tool\"") < a->turn;
    a->turn += !waits;
    snprintf(a->call, sizeof(a->call), "call-%u", a->turn);
    if (!waits) {
        snprintf(said, sizeof(said), "\"%s: pay the bill\"", a->call);
        agent_add(a, "assistant", "content", said);
    }
    a->size = 0;
    a->result[0] = '\0';
    return true;
}

// Takes the result of the call into the transcript.
static void agent_answer(agent *a)
{
    a->result[a->size] = '\0';
    agent_add(a, "tool", "content", a->result);
}

// What the agent leaves, unless it was stopped; the status of its process.
static void agent_report(const agent *a)
{
    FILE *f = stop ? NULL : fopen("report", "w");
    if (f != NULL) {
        fprintf(f, "%s\n", a->json);
        fclose(f);
    }
}

static int agent_end(void)
{
    puts(stop ? "Interrupted." : "Finished.");
    return stop != 0;
}

//--- The tool and the world ---------------------------------------------------

// A moment at which a test may send the signal.
static void agent_moment(const agent *a, const char *when)
{
    char        here[32];
    const char *at = getenv("AGENT_AT"), *number = getenv("AGENT_SIGNAL");
    snprintf(here, sizeof(here), "%s %u", when, a->turn);
    if (at != NULL && number != NULL && strcmp(at, here) == 0) {
        raise(atoi(number));
    }
}

static void agent_receipt(agent *a, int line)
{
    a->size = (size_t)snprintf(a->result, sizeof(a->result),
                               "{\"receipt\":%d}", line);
}

// Looks into the world: was this call made? Then it has its result.
static bool find_payment(agent *a)
{
    char  line[32];
    int   n = 0, at = 0;
    FILE *f = fopen("ledger", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        n++;
        at = strcmp(line, a->call) == 0 ? n : at;
    }
    if (f != NULL) {
        fclose(f);
    }
    if (at > 0) {
        agent_receipt(a, at);
    }
    return at > 0;
}

// The tool. What it does to the world no checkpoint can undo.
static void pay(agent *a)
{
    agent_moment(a, "before");
    FILE *f = fopen("ledger", "a");
    if (f == NULL || fprintf(f, "%s\n", a->call) < 0 || fclose(f) != 0 ||
        !find_payment(a)) {
        exit(agent_fail("the bill cannot be paid"));
    }
    agent_moment(a, "after");
}

#endif /* AGENT_H */
