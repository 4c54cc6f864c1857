#!/bin/sh
# SPDX-License-Identifier: MIT-0
# mutants.sh -- variants of the store in PostgreSQL that lose saves or let two
# owners write: each must fail a test
#
#     sh tests/pg/mutants.sh [part of a sentence]
#
# The first one is what one writes first: the fence only looks at the row of the
# run, and two transactions look at the same time. Without CKPT_LONG that one
# alone is tried. The last line is "N passed, N failed".
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${CC:=cc}" "${PQ:=$(pg_config --includedir)}"
: "${PG_BIN:=$(pg_config --bindir)}"
export PG_BIN
work=$B/pg_mutants
mkdir -p "$work" || exit 1
passed=0 failed=0 filter=$1 first=yes long=

# mutant SENTENCE TESTS SED...: the store without what the sentence says, which
# fails one of the tests of that name.
mutant() {
    sentence=$1 tests=$2; shift 2
    case $sentence in *"$filter"*) ;; *) return ;; esac
    [ -n "$CKPT_LONG" ] || [ -n "$filter" ] || [ "$first" = yes ] || return
    first=no
    sed "$@" ckpt_store_pg.h >"$work/ckpt_store_pg.h"
    cp ckpt.h "$work"
    printf '%s\n' '#define CKPT_STORE_PG_IMPLEMENTATION' \
        '#include "ckpt_store_pg.h"' >"$work/pg.c"
    what=survived
    if cmp -s ckpt_store_pg.h "$work/ckpt_store_pg.h"; then
        what="is not one: the text is gone"
    elif ! $CC -w -std=c99 -I"$work" -I"$PQ" -c -o "$work/pg.o" \
            "$work/pg.c" || ! $CC -pthread -o "$work/run_pg" \
            "$B"/obj/run_pg.o "$B"/obj/test_pg*.o "$work/pg.o" \
            "$B/libckpt.a" -lpq; then
        what="does not compile"
    elif ! CKPT_LONG=$long timeout 100 "$work/run_pg" "$tests" >"$work/log" 2>&1; then
        what=
    fi
    if [ -z "$what" ]; then
        passed=$((passed + 1)); echo "ok     noticed: $sentence"
    else
        failed=$((failed + 1)); echo "FAILED $sentence: $what"
    fi
}

mutant "a fence that only looks" a_claimant_waits \
    -e 's/CKPT__PG_SAVE("\$2")/"SELECT run FROM ckpt_run WHERE run = $1 AND epoch = $2 AND version = $3 AND length($4) + $5 > 0"/'
mutant "a fence that looks, and does not look again after it waited" \
    pg.an_owner_that_waits \
    -e '/prev = gen, token = version/,/RETURNING/s/WHERE run = \$1 AND epoch = " epoch " AND version = \$3 /WHERE run IN (SELECT run FROM ckpt_run WHERE run = $1 AND epoch = " epoch " AND version = $3) /'
mutant "a save that does not ask for its epoch" contract_pg. \
    -e '/prev = gen, token = version/,/RETURNING/s/ AND epoch = " epoch " AND version/ AND $2 > 0 AND version/' \
    -e 's/w->epoch != p->epoch || !w->mine/false/' \
    -e 's/ AND version = \$3 RETURNING run"$/ AND $3 >= 0 RETURNING run"/'
mutant "a first save that fills the row of somebody else" pg.a_first_save \
    -e 's/^    "WHERE run = \$1 AND epoch = " epoch " AND version = \$3 RETURNING run"$/    "WHERE (run = $1 OR epoch = 0) AND epoch = " epoch " AND version = $3 RETURNING run"/'
mutant "a range is kept, and its chunks may be gone" _kept_ \
    -e 's/item->stream != 0 && gen->trust == 0/false/'
mutant "chunks are counted once and never again" _kept_ \
    -e 's/gens\[count - 1\].trust - 1 : 0;/gens[count - 1].trust : 0;/'
mutant "a claim whose answer was lost is made again under another name" pg.a_claim_w \
    -e 's/if (p->trying != epoch) {/{/'
mutant "a claim whose answer was lost is kept when its place is closed" pg.a_claim_w \
    -e 's/ OR nonce = \$4)"/ AND $4 IS NOT NULL)"/'
mutant "a save that no standby has is durable" pg.a_save_that_no_standby \
    -e 's/(ckpt_store_pg \*)arg)->priv.local = true/(ckpt_store_pg *)arg)->priv.local = false/'
mutant "a save that is found is durable" pg.a_save_that_is_found \
    -e 's/if (gen == NULL || gen->seq != d->gen.seq) return CKPT_ERR_UNSURE;/return gen == NULL || gen->seq != d->gen.seq ? CKPT_ERR_UNSURE : CKPT_OK;/'
mutant "a removal that no standby has is durable" pg.nor_is_a_removal \
    -e 's/if (done \&\& call->pg->priv.local) {/if (false) {/'
mutant "a claim waits although its claimant has gone" pg.a_claim_that_waits \
    -e 's/\$5::text, true)/(0 * $5)::text, true)/'
mutant "what is said of a save is that of an attempt before" pg_standby.an_owner \
    -e 's/call->err->op = NULL;/(void)0;/'
mutant "an owner beats while the server is down" pg.an_outage \
    -e "s/interval '1 day'/interval '0'/"
mutant "a removal goes on without what it is to keep" pg.to_keep \
    -e 's/if (gen != NULL && !ckpt__pg_find_gen(w, gen->epoch, gen->token)) {/if (false) {/'
mutant "a save that does not say that it is acknowledged" pg.a_claimant_is \
    -e 's/"acked = greatest(acked, \$5), epoch/"acked = acked + 0 * $5, epoch/'
mutant "a beat after each save" pg.a_save_is_one \
    -e 's/if (beaten) return CKPT_OK;/(void)beaten;/'
mutant "no beat but that of a save" pg.a_save_is_one \
    -e 's/const bool beaten = acked != 0.*/const bool beaten = true ||/'
mutant "no beat after a save that waited" pg.a_save_that_waited \
    -e 's/ckpt__pg_clock_ms(CLOCK_MONOTONIC) < p->work->fresh_ms;/true;/'
long=yes        # at every message, not at some
mutant "a save that does not ask for its version" pg.a_connection_that_is_cut \
    -e '/prev = gen, token = version/,/RETURNING/s/ AND version = \$3/ AND $3 >= 0/'
mutant "a save that is lost and not looked for" pg.a_connection_that_is_cut \
    -e 's/if (gen == NULL || gen->seq != d->gen.seq) return/return/'
long=
mutant "a claim that does not ask whether it is higher" contract_pg. \
    -e 's/"WHERE run = \$1 AND epoch < \$2 FOR UPDATE OF r), "/"WHERE run = $1 AND $2 > 0 FOR UPDATE OF r), "/'
mutant "a statement that failed with 40001 is not tried again" pg.a_serial \
    -e 's/strcmp(state, "40001") == 0/strcmp(state, "none") == 0/'
mutant "chunks of what a save replaces stay" pg.any_saves \
    -e 's/sweeps = d->sweep.gone.count > 0/sweeps = false/'
mutant "a chunk goes that another generation has" pg.any_saves \
    -e 's/"AND c.at + octet_length(c.bytes) > d.a AND NOT EXISTS (SELECT 1 "/"AND c.at + octet_length(c.bytes) > d.a AND (true OR NOT EXISTS (SELECT 1 "/' \
    -e 's/"AND c.at < k.b AND c.at + octet_length(c.bytes) > k.a)) "/"AND c.at < k.b AND c.at + octet_length(c.bytes) > k.a))) "/'
mutant "a save appends to a stream that another generation ends" pg.any_saves \
    -e 's/newest->token == name->token;/true;/' \
    -e 's/piece.open = item->open && to == item->size &&/piece.open = true ||/'
mutant "a layout that gets ever longer" pg.a_transcript \
    -e 's/CKPT__PG_ITEMS_MAX = 256/CKPT__PG_ITEMS_MAX = 99999/'
mutant "a range that is put twice is appended to twice" pg.a_range \
    -e 's/if (ckpt__pg_may_append(&d->gen.items)) {/if (last != NULL \&\& last->stream != 0 \&\& last->open) {/'
mutant "a connection is waited for without end" pg.a_server_that_never \
    -e 's/if (left <= 0) {/if (left <= -4000000) {/' \
    -e 's/poll(&fd, 1, (int)left)/poll(\&fd, 1, -1)/'
mutant "the first host has all of the time" pg.of_several \
    -e 's|(until - now) / (pg->priv.hosts - tried);|until - now;|'
mutant "a child of fork says good-bye for its parent" pg.a_child \
    -e 's/pg->priv.pid == (int64_t)getpid()) {/pg->priv.pid != 0) {/'
mutant "a child of fork gives the nonces of its parent" pg.a_child \
    -e 's/if (pg->priv.seed_pid == (int64_t)getpid()) return CKPT_OK;/if (pg->priv.seed_pid != 0) return CKPT_OK;/'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
