// SPDX-License-Identifier: MIT-0
// log.h -- what logdisk.c writes and crash.c reads: entries, each followed by
// the bytes of a write or of a mark
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum log_kind { LOG_WRITE, LOG_FLUSH, LOG_MARK } log_kind;

typedef struct log_entry {
    uint64_t offset, size;
    log_kind kind;
} log_entry;

#endif /* LOG_H */
