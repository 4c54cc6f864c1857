// The suites over PostgreSQL in one program: run_pg [-v] [part of a name].
#define TEST_SUITES(X)                                                         \
    X(contract_pg)
#include "test.h"
