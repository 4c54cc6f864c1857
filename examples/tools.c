// SPDX-License-Identifier: MIT-0
/*
    tools.c -- tool calls that are not repeated after a crash

    It teaches the three states of a call. Each of three turns sends a letter,
    which is a line in ./outbox. Kill it at any moment and start it again: each
    letter is sent once. A call that has ended is not made again; a call that a
    kill cut off is uncertain, and the agent looks into the outbox before it
    repeats the call. What cannot be looked up is for a person, or the model, to
    decide.

        cc -std=c99 -I. -I/usr/include/stb -o build/tools examples/tools.c
*/
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"              // first in the file
#include <stdio.h>
#include <string.h>

enum { LETTERS = 3 };

static ckpt_job job;

static int fail(void)
{
    char text[640];
    fprintf(stderr, "tools: %s\n", ckpt_job_error(&job, text, sizeof(text)));
    return 1;
}

// The tool. What it does to the world no checkpoint can undo.
static bool send_letter(const char *id)
{
    FILE *f = fopen("outbox", "a");
    printf("sending %s\n", id);
    return f != NULL && fprintf(f, "%s\n", id) > 0 && fclose(f) == 0;
}

// Looks into the world: has this letter been sent?
static bool was_sent(const char *id)
{
    char  line[64];
    bool  found = false;
    FILE *f = fopen("outbox", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = found || strcmp(line, id) == 0;
    }
    return (f == NULL || fclose(f) == 0) && found;
}

// Makes one tool call, unless it was made before the crash.
static ckpt_code call_tool(ckpt_run *run, const ckpt_save_desc *save,
                           const char *id)
{
    ckpt_effect effect;
    ckpt_code   rc = ckpt_effect_begin(run, id, save, &effect);
    if (rc != CKPT_OK) {
        return rc;                      // not saved: it must not run
    }
    if (effect.state == CKPT_EFFECT_ENDED) {
        return CKPT_OK;                 // ckpt_effect_result() has its result
    }
    bool sent = effect.state == CKPT_EFFECT_UNCERTAIN && was_sent(id);
    if (!sent && !send_letter(id)) {
        return ckpt_effect_end_text(run, id, ckpt_text("it could not be sent"));
    }
    return ckpt_effect_end_text(run, id, ckpt_text("sent"));
}

// One turn: the model asks for a call. What it said was saved before the crash
// if the run stands in this turn already.
static ckpt_code turn(ckpt_run *run, uint64_t number)
{
    char           messages[256], id[32];
    ckpt_save_desc save = { .turn = number };
    snprintf(id, sizeof(id), "letter-%d", (int)number);
    snprintf(messages, sizeof(messages),
             "[{\"role\":\"assistant\",\"content\":\"I send %s.\"}]", id);
    if (run->turn < number) {
        save.messages = ckpt_text(messages);
        save.append_at = run->messages;
    }
    return call_tool(run, &save, id);
}

int main(void)
{
    static char     buf[65536];
    ckpt_checkpoint last;
    ckpt_code rc = ckpt_job_open(&job, &(ckpt_job_desc){
        .dir = "runs", .id = "letters", .once = true,
        .buf = buf, .cap = sizeof(buf)
    }, &last);
    if (rc < 0) return fail();
    if (rc == CKPT_FINISHED) return 0;
    for (uint64_t n = last.turn > 0 ? last.turn : 1; n <= LETTERS; n++) {
        if (turn(&job.run, n) < 0) return fail();
    }
    return ckpt_finish(&job.run, CKPT_COMPLETED, NULL) < 0 ? fail() : 0;
}
