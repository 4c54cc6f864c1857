// SPDX-License-Identifier: MIT-0
// loops.h -- the inner loops of ckpt, compiled twice: as they are here, and
// portable, without vectors and the instruction for sums
#ifndef LOOPS_H
#define LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct loops {
    bool   (*check)(const char *json, size_t n);
    size_t (*write)(char *out, size_t cap, const char *text, size_t n);
    uint32_t (*sum)(const void *bytes, size_t n);       // as a context does
} loops;

extern const loops loops_fast, loops_portable;

#endif /* LOOPS_H */
