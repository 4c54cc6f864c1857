#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- all benchmarks: sh tests/bench/run.sh [keep]
#
# As root it makes file systems of its own (FS: ext4 xfs; also btrfs), each on a
# loop device over an image that was written through, so that no save pays for
# blocks that the image does not have yet. Their mounts are in a namespace of
# ours, the images have no names, and each device frees itself with its mount:
# so all of it is gone with the last process, whatever ends that. Without root
# it measures in $B, and says so.
#
# QUICK=1 takes five minutes. TABLES names some of: whole added steady turns
# threads process life recover beat scan memory instructions resumes pg (the
# store in PostgreSQL, if there is $B/bench_pg). Everything goes to $B/bench:
# figures.tsv (bench.h says how to read it), tables.txt, tables.md and two
# pictures. "keep" puts tables and pictures into tests/bench, too: for a machine
# that does nothing else meanwhile.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${FS:=ext4 xfs}"
: "${TABLES:=whole added steady turns threads process life recover beat scan
memory instructions resumes pg}"
out=$B/bench

root=no
[ "$(id -u)" != 0 ] || [ "$(uname -s)" != Linux ] || root=yes
if [ $root = yes ] && [ -z "$CKPT_BENCH_NS" ]; then
    if unshare -m true 2>/dev/null; then
        CKPT_BENCH_NS=1 exec unshare -m sh "$0" "$@"
    fi
    root=no
fi

mkdir -p "$out" || exit 1
CKPT_LS=$(cd "$B" && pwd)/ckpt          # the command, which lists a store
[ ! -x "$CKPT_LS" ] || export CKPT_LS
work=$(mktemp -d "$out/work-XXXXXX") || exit 1
child=
mounted=
clean() {
    [ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null
    [ -z "$mounted" ] || umount "$work/m"
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# In the background, so that a signal does not wait for it.
measure() {
    "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    return $status
}

wants() { case " $(echo $TABLES) " in *" $1 "*) ;; *) return 1 ;; esac; }

#--- File systems --------------------------------------------------------------

mkfs_of() {
    case $1 in
    ext4)  mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 \
               "$2" ;;
    xfs)   mkfs.xfs -q -f -K "$2" ;;
    btrfs) mkfs.btrfs -q -f -K "$2" ;;
    *)     return 1 ;;
    esac
}

# Mounts a new file system of that kind on $work/m, and sets $loop.
mount_new() {
    mib=4096
    [ -z "$QUICK" ] || mib=1024
    mkdir -p "$work/m"
    dd if=/dev/zero of="$work/image" bs=1M count=$mib conv=fsync \
        2>"$work/log" &&
        loop=$(losetup -f --show --direct-io=on "$work/image" 2>/dev/null ||
               losetup -f --show "$work/image") || return 1
    rm "$work/image"
    mkfs_of "$1" "$loop" >>"$work/log" 2>&1 &&
        mount -o noatime "$loop" "$work/m" || { losetup -d "$loop"; return 1; }
    mounted=yes
    losetup -d "$loop"              # not before it is unmounted
}

unmount() {
    umount "$work/m" && mounted=
}

#--- The parts -----------------------------------------------------------------

# bench_in PLACE DIRECTORY [DEVICE]
bench_in() {
    mkdir -p "$2" || return 1
    for table in whole added steady turns threads process life recover beat \
        scan; do
        wants $table || continue
        # What does not depend on the file system is measured once.
        case $first$table in nobeat|noscan) continue ;; esac
        case $first$QUICK$table in
        no1steady|no1turns|no1threads|no1process|no1life|no1recover)
            continue ;;
        esac
        # shellcheck disable=SC2086
        measure "$out/bench" ${QUICK:+-q} ${3:+-d "$3"} -p "$1" -t $table \
            -o "$figures" "$2" || return 1
    done
    [ $first = no ] || ! wants instructions || count_instructions "$2" ||
        return 1
    first=no
}

# Callgrind counts what one function of the benchmark does, four times.
count_instructions() {
    command -v valgrind >/dev/null 2>&1 || {
        echo "bench: no instructions are counted: valgrind is missing" >&2
        return 0
    }
    sizes='1024 16384 262144 4194304'
    [ -z "$QUICK" ] || sizes='1024 262144'
    for size in $sizes; do
        for what in 'whole/ckpt .messages' 'added/ckpt .append_at' \
            'whole/SQLite upsert' 'added/SQLite row a message' 'whole/LMDB'; do
            measure valgrind --tool=callgrind --log-file="$work/valgrind" \
                --callgrind-out-file="$work/callgrind" \
                --toggle-collect=bench_one_save "$out/bench" -i "${what%%/*}" \
                $size "${what#*/}" "$1" || return 1
            awk -v size=$size -v kind="${what#*/}" '
                $2 == "Collected" && $3 == ":" {
                    printf "user\tinstructions\t%s\t%s\tinstructions\t%d\n",
                           size, kind, $4 / 4
                }' "$work/valgrind" >>"$figures"
        done
    done
}

resumes() {
    place=/dev/shm
    [ -w $place ] || place=$work
    if [ -n "$QUICK" ]; then
        set -- 400 1000
    else
        set -- 4000 10000
    fi
    measure "$out/resumes" $place "$@"
}

postgres() {
    set -- "$B/bench_pg" 400
    [ -z "$QUICK" ] || set -- "$B/bench_pg" 100
    echo "Saves in PostgreSQL, beside bare statements and LangGraph's layout" \
        "(${TMPDIR:-/tmp})"
    measure "$@"
}

machine() {
    model=$(awk -F': *' '/^model name/ { print $2; exit }' /proc/cpuinfo)
    echo "$(getconf _NPROCESSORS_ONLN) x ${model:-$(uname -m)}," \
        "$(uname -s) $(uname -r | sed 's/[^0-9.].*//')," \
        "$1, $(date +%Y-%m-%d)," \
        "load $(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)"
}

figures=$work/figures.tsv
: >"$figures"
first=yes
where='in the directory it was built in'
[ $root = no ] || where='loop devices'
about=$(machine "$where")
if [ $root = yes ]; then
    for fs in $FS; do
        mount_new "$fs" || {
            cat "$work/log" >&2
            echo "bench: $fs is left out: it cannot be made here" >&2
            continue
        }
        bench_in "$fs" "$work/m/d" "${loop#/dev/}" || exit 1
        unmount
    done
else
    echo "bench: without root it measures in $B, and makes no file systems" >&2
    bench_in here "$work/d" || exit 1
fi
if wants memory; then
    measure "$out/memory" "$figures" "$work" || exit 1
fi
! wants resumes || resumes >"$work/resumes" || exit 1
if wants pg && [ -x "$B/bench_pg" ]; then
    postgres >"$work/pg" || exit 1
elif wants pg; then
    echo "bench: the store in PostgreSQL is left out: there is no libpq" >&2
fi

#--- What comes of it ----------------------------------------------------------

mv "$figures" "$out/figures.tsv"
{
    echo "$about"
    awk -f tests/bench/tables.awk "$out/figures.tsv"
    [ ! -f "$work/resumes" ] || { echo; cat "$work/resumes"; }
    [ ! -f "$work/pg" ] || { echo; cat "$work/pg"; }
} >"$out/tables.txt"
{
    echo "$about"
    awk -v form=markdown -f tests/bench/tables.awk "$out/figures.tsv"
    [ ! -f "$work/resumes" ] || { echo; sed 's/^/    /' "$work/resumes"; }
    [ ! -f "$work/pg" ] || { echo; sed 's/^/    /' "$work/pg"; }
} >"$out/tables.md"
for picture in cost bytes; do
    awk -v picture=$picture -f tests/bench/curves.awk "$out/figures.tsv" \
        >"$work/svg" 2>"$work/log" && mv "$work/svg" "$out/$picture.svg"
done
cat "$out/tables.txt"
if [ "$1" = keep ]; then
    cp "$out/cost.svg" "$out/bytes.svg" tests/bench || exit 1
    sed '/^## Figures/q' tests/bench/README.md >"$work/readme"
    {
        cat "$work/readme"
        echo
        echo '![What a durable save costs, by length of transcript](cost.svg)'
        echo
        echo '![What a run has written, by turns](bytes.svg)'
        echo
        cat "$out/tables.md"
    } >tests/bench/README.md
fi
