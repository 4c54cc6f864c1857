// SPDX-License-Identifier: MIT-0
// The contract of a store, over PostgreSQL.
#if !defined(_GNU_SOURCE)
    #define _GNU_SOURCE
#endif

#include "contract.h"
#include "ckpt_store_pg.h"
#include "cluster.h"

// Through a pooler, or not.
typedef struct pg_user {
    bool          pooled;
    ckpt_store_pg pg[CONTRACT_PROCESSES + 1];
    unsigned      count;
} pg_user;

static ckpt_store *pg_process(void *user, unsigned number)
{
    pg_user *u = (pg_user *)user;
    ckpt_error err;
    const ckpt_store_pg_desc desc = {
        .conninfo = u->pooled ? cluster.pool : cluster_conninfo(),
        .create = true
    };
    if (!CT_OK(ckpt_store_pg_open(&u->pg[number], &desc, &err))) {
        printf("%s: %s\n", err.op, ckpt_store_pg_message(&u->pg[number]));
        return NULL;
    }
    u->count = number + 1 > u->count ? number + 1 : u->count;
    return &u->pg[number].base;
}

static ckpt_store *pg_make(void *user)
{
    pg_user *u = (pg_user *)user;
    u->count = 0;
    if (!cluster_start() || (u->pooled && !cluster_pool())) {
        return NULL;
    }
    ckpt_store *s = pg_process(user, 0);
    CHECK(cluster_empty());
    return s;
}

// A power cut leaves nothing of the server but what it has flushed.
static ckpt_store *pg_cut(void *user)
{
    cluster_kill();
    CHECK(cluster_up());
    return pg_process(user, CONTRACT_PROCESSES);
}

static void pg_kill(void *user, unsigned number)
{
    (void)user, (void)number;       // its beats stop, and nothing else
}

// Nothing is left of a run that is not there: no row of it in any table.
static void pg_free(void *user)
{
    pg_user *u = (pg_user *)user;
    for (unsigned i = 0; i < u->count; i++) {
        ckpt_store_pg_close(&u->pg[i]);
    }
    if (u->count > 0) {
        CHECK_INT(cluster_number(
            "SELECT (SELECT count(*) FROM ckpt_claim WHERE run NOT IN "
            "(SELECT run FROM ckpt_run)) + (SELECT count(*) FROM ckpt_gen "
            "WHERE run NOT IN (SELECT run FROM ckpt_run)) + "
            "(SELECT count(*) FROM ckpt_chunk WHERE run NOT IN "
            "(SELECT run FROM ckpt_run))"), 0);
    }
}

#define PG_CONTRACT(of)                                                        \
    .make = pg_make, .free = pg_free, .process = pg_process, .kill = pg_kill,  \
    .cut = pg_cut, .user = &(of)

static pg_user pg_here;
static pg_user pg_pooled = { .pooled = true };

static const contract contract_of_pg = { PG_CONTRACT(pg_here) };
static const contract contract_of_pool = { PG_CONTRACT(pg_pooled) };

CONTRACT_SUITE(contract_pg, contract_of_pg)
CONTRACT_SUITE(contract_pg_pool, contract_of_pool)
