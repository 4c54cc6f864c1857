// SPDX-License-Identifier: MIT-0
// The suites over PostgreSQL in one program: run_pg [-v] [part of a name].
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif
#define CLUSTER_HERE

#define TEST_SUITES(X)                                                         \
    X(contract_pg)                                                             \
    X(contract_pg_pool)                                                        \
    X(pg)                                                                      \
    X(pg_standby)                                                              \
    X(pg_memory)                                                               \
    X(pg_tool)
#include "test.h"
#include "cluster.h"
