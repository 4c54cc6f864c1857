// SPDX-License-Identifier: MIT-0
// random.h -- the same numbers everywhere from the same seed
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static uint64_t random_state;

// xorshift64*
static inline uint64_t next_random(uint64_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(2685821657736338717) >> 33) % below;
}

static inline void seed_random(uint64_t seed, uint64_t number)
{
    random_state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) +
                   number * UINT64_C(0xd1342543de82ef95);
    for (int i = 0; i < 8; i++) {
        (void)next_random(2);
    }
}

#endif /* RANDOM_H */
