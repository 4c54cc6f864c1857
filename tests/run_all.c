// SPDX-License-Identifier: MIT-0
// All suites in one program: run_all [-v] [part of "suite.test"].
#define TEST_SUITES(X)                                                         \
    X(json)                                                                    \
    X(number)                                                                  \
    X(rules)                                                                   \
    X(record)                                                                  \
    X(run)                                                                     \
    X(recover)                                                                 \
    X(env)                                                                     \
    X(large)                                                                   \
    X(open)                                                                    \
    X(job)                                                                     \
    X(fs)                                                                      \
    X(world)                                                                   \
    X(exchange)                                                                \
    X(scan)                                                                    \
    X(crash)                                                                   \
    X(fault)                                                                   \
    X(interleave)                                                              \
    X(effect)                                                                  \
    X(error)                                                                   \
    X(doubt)                                                                   \
    X(read)                                                                    \
    X(race)                                                                    \
    X(calls)                                                                   \
    X(simdisk)                                                                 \
    X(store_fault)                                                             \
    X(contract_mem)                                                            \
    X(contract_mem_fenced)                                                     \
    X(contract_fault)                                                          \
    X(contract_mem_little)                                                     \
    X(contract_small)                                                          \
    X(contract_sim)                                                            \
    X(contract_sim_age)                                                        \
    X(contract_sim_exchange)                                                   \
    X(contract_sim_quick)                                                      \
    X(contract_sim_little)                                                     \
    X(contract_fs)                                                             \
    X(store_small)                                                             \
    X(single_process)
// What these prove, they prove of stores and of a disk that only tests use.
#define TEST_DOUBLES                                                           \
    " simdisk store_fault contract_mem contract_mem_fenced contract_fault "    \
    "contract_mem_little contract_small store_small "
#include "test.h"
