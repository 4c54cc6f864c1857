// SPDX-License-Identifier: MIT-0
// whole.h -- what a run is, judged by all of its newest generation
//
// ckpt_query() reads the front of it only.
#ifndef WHOLE_H
#define WHOLE_H

#include "ckpt.h"
#include "test.h"

// As ckpt_query(), but that the newest generation is read whole.
TEST_FN ckpt_code query_whole(ckpt_ctx *ctx, const char *id,
                              ckpt_run_info *info)
{
    ckpt_checkpoint unused;
    memset(info, 0, sizeof(*info));
    const ckpt_code rc = ckpt_peek(ctx, id, info, &unused, NULL, 0);
    return info->state != 0 ? CKPT_OK : rc;     // also of a half removed one
}

#endif
