// SPDX-License-Identifier: MIT-0
// agent_ckpt.c -- the agent of agent.h, with ckpt
//
// What stands between "checkpoint" and "end" is there for the checkpoint alone;
// run.sh counts it. What is left is the same program in all three.

// checkpoint
#define CKPT_IMPLEMENTATION
#include "ckpt_store_fs.h"
// end
#include "agent.h"

// checkpoint
static ckpt_job job;

static int fail(void)
{
    char text[640];
    return agent_fail(ckpt_job_error(&job, text, sizeof(text)));
}
// end

int main(void)
{
    static agent a;
    agent_begin(&a);
    // checkpoint
    static char     buf[2 * AGENT_MAX];
    ckpt_checkpoint last;
    ckpt_code rc = ckpt_job_open(&job, &(ckpt_job_desc){
        .dir = "runs", .id = "pay", .once = true, .buf = buf, .cap = sizeof(buf)
    }, &last);
    if (rc < 0 || rc == CKPT_FINISHED) return rc < 0 ? fail() : 0;
    agent_restore(&a, last.messages.ptr, last.messages.len);
    // end
    while (agent_next(&a)) {
        // checkpoint
        ckpt_effect    effect;
        ckpt_save_desc save = { .turn = a.turn, .messages = ckpt_text(a.json) };
        rc = ckpt_effect_begin(&job.run, a.call, &save, &effect);
        if (rc < 0) return fail();
        if (effect.state == CKPT_EFFECT_NEW ||
            (effect.state == CKPT_EFFECT_UNCERTAIN && !find_payment(&a))) {
            // end
            pay(&a);
            // checkpoint
        }
        rc = effect.state == CKPT_EFFECT_ENDED ? ckpt_effect_result(&job.run,
                 &effect, a.result, sizeof(a.result), &a.size)
           : ckpt_effect_end(&job.run, a.call, ckpt_text(a.result));
        if (rc < 0) return fail();
        // end
        agent_answer(&a);
    }
    agent_report(&a);
    // checkpoint
    rc = ckpt_finish(&job.run, stop ? CKPT_INTERRUPTED : CKPT_COMPLETED, NULL);
    if (rc < 0) return fail();
    // end
    return agent_end();
}
