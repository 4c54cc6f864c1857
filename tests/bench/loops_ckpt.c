// SPDX-License-Identifier: MIT-0
// loops_ckpt.c -- one of the two copies of ckpt; -DLOOPS= says its name
#include "loops.h"

#define CKPT_STATIC
#define CKPT_IMPLEMENTATION
#include "ckpt.h"

static bool check(const char *json, size_t n)
{
    const ckpt_bytes bytes = { json, n };
    return ckpt_json_check(bytes, NULL) == CKPT_OK;
}

static size_t write(char *out, size_t cap, const char *text, size_t n)
{
    const ckpt_bytes bytes = { text, n };
    ckpt_bytes json;
    ckpt_json w;
    ckpt_json_init(&w, out, cap);
    ckpt_json_string(&w, bytes);
    return ckpt_json_done(&w, &json) == CKPT_OK ? json.len : 0;
}

// A context asks its processor once.
static uint32_t sum(const void *bytes, size_t n)
{
    static int by_op = -1;
    if (by_op < 0) {
        by_op = ckpt__crc_has_op();
    }
    return ckpt__crc(by_op != 0, 0, bytes, n);
}

const loops LOOPS = { check, write, sum };
