// SPDX-License-Identifier: MIT-0
// agent_hand.c -- the agent of agent.h, with a checkpoint written by hand
//
// The checkpoint is one file: a sum of the rest, a letter, the transcript. The
// letter says whether the last call was begun ('b'), has ended and is in the
// transcript ('e'), or all the work is finished ('f'). What stands between
// "checkpoint" and "end" is there for the checkpoint alone; run.sh counts it.

// checkpoint
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
// end
#include "agent.h"

// checkpoint
static char text[AGENT_MAX + 16];

static uint32_t sum(const char *s)
{
    uint32_t h = 2166136261u;           // FNV-1a
    while (*s != '\0') h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

static bool save(const agent *a, char state)
{
    const int n = snprintf(text, sizeof(text), "%c%s", state, a->json);
    FILE     *f = fopen("agent.tmp", "w");
    bool ok = f != NULL && fprintf(f, "%08lx%s", (unsigned long)sum(text),
                                   text) == n + 8;
    ok = ok && fflush(f) == 0 && fsync(fileno(f)) == 0;
    ok = (f == NULL || fclose(f) == 0) && ok;
    ok = ok && rename("agent.tmp", "agent.json") == 0;
    const int dir = ok ? open(".", O_RDONLY) : -1;
    ok = dir >= 0 && fsync(dir) == 0;
    return (dir < 0 || close(dir) == 0) && ok;
}

// False if there is a checkpoint that cannot be read, or is damaged.
static bool load(agent *a, char *state)
{
    char  head[9] = "";
    FILE *f = fopen("agent.json", "r");
    if (f == NULL) return errno == ENOENT;
    bool         ok = fread(head, 1, 8, f) == 8;
    const size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    ok = ok && !ferror(f) && n > 2 && strtoul(head, NULL, 16) == sum(text);
    fclose(f);
    if (!ok) return false;
    *state = text[0];
    agent_restore(a, text + 1, n - 1);
    return true;
}
// end

int main(void)
{
    static agent a;
    agent_begin(&a);
    // checkpoint
    char state = 'e';
    if (!load(&a, &state)) return agent_fail("the checkpoint is damaged");
    if (state == 'f') return 0;
    // end
    while (agent_next(&a)) {
        // checkpoint
        const bool begun = state == 'b';
        if (!begun && !save(&a, 'b')) return agent_fail("it cannot be saved");
        state = 'e';
        if (!begun || !find_payment(&a)) {
            // end
            pay(&a);
            // checkpoint
        }
        // end
        agent_answer(&a);
        // checkpoint
        if (!save(&a, state)) return agent_fail("it cannot be saved");
        // end
    }
    agent_report(&a);
    // checkpoint
    if (!stop && !save(&a, 'f')) return agent_fail("it cannot be saved");
    // end
    return agent_end();
}
