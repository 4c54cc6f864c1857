// SPDX-License-Identifier: MIT-0
// crc.h -- a second opinion on the sums of ckpt: CRC-32C, a bit at a time
#ifndef CRC_H
#define CRC_H

#include "test.h"

#include <stdint.h>

// The sum of bytes that follow others whose sum is crc; 0 for the first ones.
TEST_FN uint32_t crc_of(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *at = (const unsigned char *)bytes;
    crc = ~crc;
    while (n-- > 0) {
        crc ^= *at++;
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0U - (crc & 1)));
        }
    }
    return ~crc;
}

#endif /* CRC_H */
