// SPDX-License-Identifier: MIT-0
// steps.c -- what the STEP BY STEP code of the manual needs around it
//
// form.sh takes that code out of ckpt.h, as steps.inc. The agent takes two
// turns: the model calls a tool, then it only answers. With "die" the tool
// ends the process, as a crash would.
#include "ckpt_store_fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct agent {
    uint64_t    turn;
    const char *messages;
} agent;

typedef struct tool_call {
    const char *id, *result;
    size_t      size;
} tool_call;

static bool die;

static int report(const ckpt_error *e)
{
    fprintf(stderr, "%s: %s (errno %d)\n", e->op != NULL ? e->op : "?",
            e->msg != NULL ? e->msg : "?", e->sys);
    return 1;
}

static void agent_restore(agent *a, uint64_t turn, ckpt_bytes messages,
                          ckpt_bytes state)
{
    printf("restored turn %d, %d bytes of messages, %d of state\n", (int)turn,
           (int)messages.len, (int)state.len);
    a->turn = turn > 0 ? turn - 1 : 0;      // the same answer once more
}

static void make_plan(agent *a)
{
    printf("planned\n");
    a->messages = "[{\"role\":\"user\",\"content\":\"Check it.\"}]";
}

static bool agent_turn(agent *a, tool_call *call)
{
    static const tool_call none;
    *call = none;
    a->turn++;
    if (a->turn == 1) {
        call->id = "call_1";
    }
    return a->turn < 3;
}

static const char *call_tool(const tool_call *call)
{
    printf("called %s\n", call->id);
    if (die) {
        exit(7);
    }
    return "\"paid\"";
}

static const char *look_for(const tool_call *call)
{
    printf("uncertain %s\n", call->id);
    return "\"paid\"";
}

static int work(void)
{
    static char buf[65536], result[4096];
    agent     agent = { 0, "[]" };
    tool_call call;
#include "steps.inc"
    printf("finished %d\n", (int)rc);
    ckpt_store_fs_close(&fs);
    return rc < 0;
}

int main(int argc, char **argv)
{
    die = argc > 1 && strcmp(argv[1], "die") == 0;
    return work();
}
