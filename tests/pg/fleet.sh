#!/bin/sh
# SPDX-License-Identifier: MIT-0
# fleet.sh -- examples/fleet.c on three hosts, one of which dies and one of which
# is cut off
#
#     sh tests/pg/fleet.sh FLEET PG_BIN
#
# The hosts are network namespaces, and so it needs root. A server of its own
# listens on a bridge between them. The last line is "N passed, N failed".
fleet=$1 bin=$2
name=ckpt$$
skip() { echo "skip   fleet: $1"; echo "0 passed, 0 failed"; exit 0; }
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip >/dev/null && command -v runuser >/dev/null ||
    skip "there is no ip, or no runuser"
[ -x "$bin/initdb" ] || skip "there is no PostgreSQL server"
ip netns add "$name.a" 2>/dev/null || skip "no network namespace can be made"
ip netns del "$name.a"

work=$(mktemp -d "${TMPDIR:-/tmp}/ckpt-fleet-XXXXXX") || exit 1
pids=
end() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -9 $pids 2>/dev/null
    as pg_ctl -s -D "$work/data" -m immediate stop >/dev/null 2>&1
    for host in a b c; do ip netns del "$name.$host" 2>/dev/null; done
    ip link del "$name" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM
as() {
    tool=$bin/$1; shift
    # not every build of a server comes with a client
    [ -x "$tool" ] || tool=${tool##*/}
    (cd "$work" && runuser -u nobody -- "$tool" "$@")
}

# Addresses of documentation, which nobody's network has.
net=198.51.100
ip link add "$name" type bridge && ip addr add $net.1/24 dev "$name" &&
    ip link set "$name" up || skip "no bridge can be made"
n=10
for host in a b c; do
    n=$((n + 1))
    ip netns add "$name.$host" &&
    ip link add "$name$host" type veth peer name eth0 netns "$name.$host" &&
    ip link set "$name$host" master "$name" up &&
    ip -n "$name.$host" addr add $net.$n/24 dev eth0 &&
    ip -n "$name.$host" link set eth0 up || skip "no host can be made"
done
chown nobody "$work"
as initdb -D "$work/data" -U ckpt -A trust --locale=C -N >"$work/log" 2>&1 &&
    echo "host all all $net.0/24 trust" >>"$work/data/pg_hba.conf" &&
    as pg_ctl -w -s -D "$work/data" -l "$work/server.log" \
        -o "-k $work -c listen_addresses=$net.1 -c fsync=off" start ||
    { cat "$work/log"; echo "0 passed, 1 failed"; exit 1; }

passed=0 failed=0
check() {
    sentence=$1; shift
    if "$@"; then
        passed=$((passed + 1)); echo "ok     $sentence"
    else
        failed=$((failed + 1)); echo "FAILED $sentence"
        cat "$work"/*.out
    fi
}
info="host=$net.1 user=ckpt dbname=postgres connect_timeout=2"

# worker HOST: starts one there, and says its number.
worker() {
    ip netns exec "$name.$1" "$fleet" -w "$1" -n 6 -t 60 "$info" \
        >"$work/$1.out" 2>&1 &
    pids="$pids $!"
    echo $! >"$work/$1.pid"
}
sql() { as psql -At -h "$work" -U ckpt postgres -c "$1" 2>/dev/null; }

# until COMMAND...: for a minute at most.
until_() {
    tries=0
    while [ $tries -lt 300 ] && ! "$@"; do
        tries=$((tries + 1)); sleep 0.2
    done
    "$@"
}
works() { grep -q 'from turn' "$work/$1.out" 2>/dev/null; }
saved() {
    [ "$(sql 'SELECT count(*) FROM ckpt_run WHERE acked > 5')" -ge 3 ]
}

worker a
worker b
worker c
check "a worker on each host takes a run, and saves it" eval \
    'until_ works a && until_ works b && until_ works c && until_ saved'
kill -9 "$(cat "$work/a.pid")"
ip link set "${name}b" down
check "the worker that is left ends every run" wait "$(cat "$work/c.pid")"
check "no message is lost, and none is there twice" grep -q \
    '^c: 6 tasks are done, with 360 messages$' "$work/c.out"
check "it resumed runs of the other two" [ "$(grep -c \
    'from turn [1-9]' "$work/c.out")" -ge 2 ]
ip link set "${name}b" up
check "the one that was cut off notices, and finds all done" eval \
    'wait "$(cat "$work/b.pid")" && grep -q "another one.s now" "$work/b.out"'
check "each run has one row, and no chunk is left over" [ "$(sql \
    'SELECT (SELECT count(*) FROM ckpt_run) + 1000 * (SELECT count(*) FROM
     ckpt_chunk WHERE run NOT IN (SELECT run FROM ckpt_run))')" = 6 ]
echo "$passed passed, $failed failed"
[ $failed = 0 ]
