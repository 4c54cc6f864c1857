// SPDX-License-Identifier: MIT-0
// fragment.c -- what a piece of code in the README needs around it
//
// form.sh takes each piece out of README.md, as fragment.inc. Pieces that
// begin with "static" or "typedef" stand outside of functions (OUTSIDE). If the
// last one of them is a function of a run alone, it is called (CALL).
#define _POSIX_C_SOURCE 200809L
#include "ckpt_store_fs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct tool_call {
    const char *id, *arguments;
} tool_call;

// A store of one's own needs these.
ckpt_code flash_open(ckpt_store *s, void *place, const char *id, ckpt_how how,
                     ckpt_error *err);
ckpt_code flash_list(ckpt_store *s, ckpt_where where, ckpt_cursor *cursor,
                     char id[CKPT_ID_MAX + 1], ckpt_error *err);
ckpt_code flash_look(ckpt_store *s, void *place, uint64_t epoch_max,
                     ckpt_look *look, ckpt_error *err);
ckpt_code flash_claim(ckpt_store *s, void *place, uint64_t epoch,
                      const char *owner, char nonce[CKPT_NONCE_MAX + 1],
                      ckpt_error *err);
ckpt_code flash_alive(ckpt_store *s, void *place, uint64_t epoch,
                      ckpt_life *life, ckpt_error *err);
ckpt_code flash_beat(ckpt_store *s, void *place, uint64_t acked,
                     ckpt_error *err);
ckpt_code flash_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                     uint64_t offset, void *buf, size_t n, size_t *got,
                     ckpt_error *err);
ckpt_code flash_put(ckpt_store *s, void *place, const ckpt_gen *base,
                    const ckpt_part *part, ckpt_error *err);
ckpt_code flash_publish(ckpt_store *s, void *place, ckpt_gen *gen,
                        ckpt_error *err);
ckpt_code flash_set_aside(ckpt_store *s, void *place, const ckpt_gen *gen,
                          ckpt_error *err);
ckpt_code flash_drop(ckpt_store *s, void *place, const ckpt_gen *gen,
                     ckpt_extent extent, ckpt_error *err);
ckpt_code flash_env(ckpt_store *s, void *place, ckpt_moment *now,
                    ckpt_error *err);
void flash_close(ckpt_store *s, void *place, bool gave_up);

// And the pieces use these.
const char *call_tool(const tool_call *call);
const char *look_for(const tool_call *call);
ckpt_outcome work(ckpt_run *run, void *user, ckpt_finish_desc *finish);

const char *call_tool(const tool_call *call)
{
    printf("called %s with %s\n", call->id, call->arguments);
    return "\"done\"";
}

const char *look_for(const tool_call *call)
{
    return call->id != NULL ? "\"found\"" : NULL;
}

ckpt_outcome work(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    (void)user;
    finish->reason = "a fragment";
    printf("at work on %s\n", run->id);
    return CKPT_COMPLETED;
}

#if defined(OUTSIDE) && !defined(CALL)
#include "fragment.inc"

int main(void)
{
    return 0;
}
#else

#ifdef OUTSIDE
#include "fragment.inc"

static ckpt_code piece(ckpt_ctx *ctx, ckpt_run *run)
{
    (void)ctx;
    return CALL(run);
}
#else
static ckpt_code piece(ckpt_ctx *ctx, ckpt_run *run)
{
    static char    buf[65536];
    tool_call      call = { "call_1", "{}" };
    ckpt_save_desc save = { .turn = 1 };
    ckpt_code      rc = CKPT_OK;
    (void)ctx; (void)run; (void)buf; (void)call; (void)save;
#include "fragment.inc"
    return rc;
}
#endif

int main(void)
{
    ckpt_error    err;
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    ckpt_code     rc = ckpt_store_fs_open(&fs, &(ckpt_store_fs_desc){
        .dir = "runs" }, &err);
    if (rc == CKPT_OK) {
        rc = ckpt_init(&ctx, &(ckpt_desc){ .store = &fs.base });
    }
    if (rc == CKPT_OK) {
        rc = ckpt_open(&ctx, &run, &(ckpt_run_desc){ .id = "piece" });
    }
    if (rc == CKPT_OK) {
        rc = piece(&ctx, &run);
        printf("%d: %s\n", (int)rc, ckpt_code_message(rc));
        ckpt_abandon(&run);
    }
    return rc < 0;
}
#endif
