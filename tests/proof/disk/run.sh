#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- real file systems, real limits, real kills: sh tests/proof/disk/run.sh
#
#     sh tests/proof/disk/run.sh [block|cut|limits|kill|errors|mounts|vm ...]
#
# block   states that a power cut can leave on ext4, xfs and btrfs: every write
#         and flush of a session goes into a log (logdisk.c), STATES states (60)
#         are made from it (crash.c), mounted, and judged (agent.c); with the
#         durability POWER, and with PROCESS; and of a long session that saves
#         in place and exchanges generations hundreds of times, of whose files
#         some must be torn (but on btrfs)
# cut     the same file systems on a disk with a cache that is lost (cutdisk.c):
#         three processes at work in one store, killed and started again, until
#         the power goes at a random moment, which may be in the recovery from
#         the cut before. CUTS cuts (25) in a row, on one image, for each file
#         system; after each a copy of it is judged. Then with PROCESS, judged
#         as POWER, and on a disk that ignores flushes: some must be bad
# limits  the suite "open" on each file system, as root and as nobody: not ours,
#         read-only, no descriptors, a file size limit, a full tmpfs. Then a run
#         (full.c) while ext4, xfs, btrfs and tmpfs are full in bytes, ext4 and
#         tmpfs in files, and while a quota of ext4, xfs, btrfs is used up
# kill    SIGKILL at every system call of a session but its exec
# errors  EIO, ENOSPC, EINTR and EMFILE once at every third system call of a
#         session that reaches the disk; EIO and ENOSPC also from it on
# mounts  the life of a run, races and pauses (life.c) on MOUNTS (mounts.sh):
#         kernels (ext4, xfs, btrfs, tmpfs, overlay), fuses (bindfs, mergerfs,
#         unionfs-fuse, gocryptfs, encfs, fuse-overlayfs, ntfs-3g, sshfs to this
#         machine), quirks (quirkfs.c: QUIRKS, or all, one after another). Its
#         table is at its end; what each life said is in $B/disk/life.*
# vm      the same on SYSTEMS (vfat exfat f2fs nfs nfs3 smb smb0) in a virtual
#         machine (vm/vm.sh), which is emulated, needs no KVM, cannot write to
#         the host, serves NFS and SMB to itself, and is ended after VM_SECONDS
#         (3000)
#
# Without a name all run.
#
# Needs root, FUSE, loop devices and strace; installs what it may, says what it
# skips and why. STEP is which system calls (1: every one; of kill by default,
# of errors 3), SEED what is drawn: the states of block are the same with the
# same SEED, cut has real processes, so its moments are not. The disks of block
# and cut tear a write only between SECTOR bytes (4096). With 512 a torn block
# of a directory (xfs) or super block (btrfs) makes a file system that cannot be
# mounted, now and then, whoever wrote what. Everything that is built goes to
# $B/disk, the disks to $DISKS (/dev/shm if that is there).
cd "$(dirname "$0")/../../.." || exit 1
: "${B:=build}" "${CC:=cc}" "${STB:=/usr/include/stb}" "${STATES:=60}"
: "${SEED:=$(date +%s)}" "${CUTS:=25}" "${SECTOR:=4096}"
: "${MOUNTS:=kernels fuses quirks}" "${VM_SECONDS:=3000}"
: "${SYSTEMS:=vfat exfat f2fs nfs nfs3 smb smb0}"
parts=${*:-block cut limits kill errors mounts vm}

skip_all() { echo "skip   disk: $1"; echo "0 passed, 0 failed"; exit 0; }
[ "$(id -u)" = 0 ] || skip_all "needs root, to mount"
[ "$(uname -s)" = Linux ] || skip_all "knows Linux only"
if [ -z "$CKPT_DISK_NS" ]; then
    command -v unshare >/dev/null 2>&1 || skip_all "needs unshare"
    # Our mounts are nobody else's, and go with us.
    CKPT_DISK_NS=1 exec unshare -m sh "$0" "$@"
fi
# The compiler and stb_sprintf.h.
CC=$CC STB=$STB sh tests/tools/deps.sh demo || exit 1

work=$B/disk
mkdir -p "$work" || exit 1
work=$(cd "$work" && pwd)
disks=${DISKS:-/dev/shm}
[ -w "$disks" ] || disks=$work
disks=$(mktemp -d "$disks/ckpt-disk-XXXXXX") || exit 1
fuse_pid=
clean() {
    umount "$disks/m" 2>/dev/null
    umount "$disks/s" 2>/dev/null
    [ -z "$loop" ] || losetup -d "$loop" 2>/dev/null
    umount "$disks/f" 2>/dev/null
    rm -rf "$disks"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
mkdir "$disks/m" "$disks/f" "$disks/s" || exit 1

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok     $1"; }
fail() {
    failed=$((failed + 1))
    echo "FAILED $1"
    [ -z "$2" ] || head -n 12 "$2" | sed 's/^/       /'
}
skip() { echo "skip   $1"; }
has() { command -v "$1" >/dev/null 2>&1; }

# Installs what is missing, where it may: install PROGRAM PACKAGE...
install() {
    has "$1" && return
    shift
    has apt-get || return
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install "$@" >"$work/apt.log" 2>&1 \
        </dev/null || {
        apt-get -q update >"$work/apt.log" 2>&1 </dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get -q -y \
            --no-install-recommends install "$@" >"$work/apt.log" 2>&1 \
            </dev/null; }
}

warn="-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow"
build() {
    printf '%s\n' '#define CKPT_IMPLEMENTATION' \
        '#define CKPT_STORE_FS_IMPLEMENTATION' \
        '#include "ckpt_store_fs.h"' >"$work/ckpt.c"
    # shellcheck disable=SC2086
    $CC $warn -O2 -I. "-I$STB" -c -o "$work/ckpt.o" "$work/ckpt.c" &&
    $CC $warn -O2 -I. -static -o "$work/agent" tests/proof/disk/agent.c \
        "$work/ckpt.o" &&
    $CC $warn -O2 -o "$work/crash" tests/proof/disk/crash.c
}
build || { fail "the programs compile"; echo "0 passed, 1 failed"; exit 1; }

#--- block: what a power cut can leave -----------------------------------------

# A disk of ours, of $1.c: needs FUSE and loop devices.
# shellcheck disable=SC2046,SC2086
build_disk() {
    [ -c /dev/fuse ] && install fusermount3 fuse3 && has losetup &&
    { { [ -f /usr/include/fuse3/fuse.h ] && has pkg-config; } ||
      install no-such-program libfuse3-dev pkg-config; } &&
    $CC $warn -O2 $(pkg-config --cflags fuse3 | sed 's/-I/-isystem /g') \
        -o "$work/$1" "tests/proof/disk/$1.c" $(pkg-config --libs fuse3)
}

# make_image FS FILE MKFS-ARGUMENT...
make_image() {
    kind=$1 file=$2; shift 2
    rm -f "$file"
    case $kind in
    ext4)  truncate -s 48M "$file" && mkfs.ext4 -q -F \
               -E lazy_itable_init=0,lazy_journal_init=0 "$@" "$file" ;;
    xfs)   truncate -s 320M "$file" && mkfs.xfs -q -f "$@" "$file" ;;
    btrfs) truncate -s 160M "$file" && mkfs.btrfs -q -f "$@" "$file" ;;
    esac >"$work/mkfs.log" 2>&1
}

has_fs() {
    case $1 in
    xfs)   install mkfs.xfs xfsprogs ;;
    btrfs) install mkfs.btrfs btrfs-progs ;;
    ext4)  install mkfs.ext4 e2fsprogs ;;
    esac
    has "mkfs.$1" || { skip "$2: no mkfs.$1"; return 1; }
    grep -qw "$1" /proc/filesystems || modprobe "$1" 2>/dev/null || {
        skip "$2: this kernel has no $1"; return 1; }
}

# With process nothing asks for a flush, so the file system must do it often.
options() {
    case $1-$2 in ext4-process|btrfs-process) echo commit=1 ;;
    *) echo defaults ;; esac
}

disk_is_there() {
    fuse_pid=$1
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -e "$disks/f/disk" ] && return
        sleep 0.1
    done
}

# record FS LEVEL SESSION: goes into $disks/log, and begins on $disks/base.
record() {
    make_image "$1" "$disks/base" || return 1
    cp --sparse=always "$disks/base" "$disks/disk"
    rm -f "$disks/log"
    "$work/logdisk" "$disks/disk" "$disks/log" "$disks/f" \
        >"$work/logdisk.log" 2>&1 &
    disk_is_there $!
    often=
    [ "$2" = power ] || often=sync
    rc=1
    loop=$(losetup -f --show "$disks/f/disk") &&
    mount -t "$1" -o "$(options "$1" "$2")" "$loop" "$disks/m" &&
    "$work/agent" "$3" "$disks/m/runs" "$disks/f/mark" "$2" $often &&
    cp "$disks/log" "$disks/recorded" && rc=0
    disk_goes
    return $rc
}

disk_goes() {
    umount "$disks/m"
    losetup -d "$loop" && loop=
    umount "$disks/f" && wait "$fuse_pid"
}

# judge FS LEVEL ASKED: states that are bad go to $work/bad.
judge() {
    good=0 worse=0 torn=0
    : >"$work/bad"
    for number in $(seq "$STATES"); do
        cp --sparse=always "$disks/base" "$disks/state"
        "$work/crash" "$disks/recorded" "$disks/state" "$disks/marks" \
            "$SEED" "$number" "$SECTOR" >"$work/figures" || return 1
        if ! mount -t "$1" -o loop "$disks/state" "$disks/s" \
                2>"$work/one"; then
            worse=$((worse + 1))
            sed "s/^/state $number: /" "$work/one" >>"$work/bad"
            continue
        fi
        if "$work/agent" check "$disks/s/runs" "$disks/marks" "$3" \
                >"$work/one" 2>&1; then
            good=$((good + 1))
        else
            worse=$((worse + 1))
            sed "s/^/state $number: /" "$work/one" >>"$work/bad"
        fi
        torn=$((torn + $(grep -c '^[1-9].* torn$' "$work/one")))
        umount "$disks/s" || return 1
    done
}

block() {
    build_disk logdisk 2>"$work/cc.log" || {
        skip "block: needs /dev/fuse, libfuse3-dev and losetup"; return; }
    for fs in ext4 xfs btrfs; do
        has_fs $fs "block $fs" || continue
        for level in power process; do
            name="$fs, $level"
            if ! record $fs $level write 2>"$work/one"; then
                fail "$name: the session" "$work/one"
                continue
            fi
            judge $fs $level $level ||
                { fail "$name: the states cannot be made"; continue; }
            line="$name: $good of $STATES states ($(cat "$work/figures"))"
            [ "$worse" = 0 ] && pass "$line" ||
                fail "$line, seed $SEED" "$work/bad"
            [ $level = process ] || continue
            # The net must catch: without fsync the promise of power breaks.
            judge $fs $level power
            line="$name, but asked for power: $worse of $STATES states are bad"
            [ "$worse" -gt 0 ] && pass "$line" || fail "$line, seed $SEED"
        done
        in_place $fs
    done
}

# in_place FS: a judge that never saw a torn file has judged nothing. Only btrfs
# tears none: it writes elsewhere, and then changes where the bytes are.
in_place() {
    name="$1, in place"
    for session in long unflushed; do
        record "$1" power $session >"$work/one" 2>&1 ||
            { fail "$name: the session $session" "$work/one"; return; }
        judge "$1" power power ||
            { fail "$name: the states cannot be made"; return; }
        line="$STATES states ($(cat "$work/figures")), $torn with a torn file"
        if [ $session = long ]; then
            line="$name: $good of $line"
            [ "$worse" = 0 ] && { [ "$torn" -gt 0 ] || [ "$1" = btrfs ]; } &&
                pass "$line" || fail "$line, seed $SEED" "$work/bad"
        else
            line="$name, but nothing is flushed: $worse of $line are bad"
            [ "$worse" -gt 0 ] && pass "$line" || fail "$line, seed $SEED"
        fi
    done
}

#--- cut: a disk that loses its cache ------------------------------------------

# power_cut FS LEVEL NUMBER [lies]: a session on $disks/image, until the power
# goes. What the file system and the agents do first is to recover from the cut
# before, if there was one.
# shellcheck disable=SC2086
power_cut() {
    cp --sparse=always "$disks/image" "$disks/disk"
    "$work/cutdisk" "$disks/disk" "$disks/image" "$disks/marks" "$disks/f" \
        "$SEED" "$3" "$SECTOR" $4 >>"$work/cuts" 2>"$work/cutdisk.log" &
    disk_is_there $!
    rc=1
    loop=$(losetup -f --show "$disks/f/disk") &&
    mount -t "$1" -o "$(options "$1" "$2")" "$loop" "$disks/m" && {
        "$work/agent" storm "$disks/m/runs" "$disks/f/mark" "$2" "$SEED" "$3" \
            2>>"$work/killed"
        rc=$?
    }
    # If it did not go by itself.
    { echo cut >"$disks/f/mark"; } 2>"$work/cutdisk.log"
    disk_goes
    return $rc
} 2>>"$work/one"

# judge_cut FS: a copy of what is left; the image itself goes on.
judge_cut() {
    cp --sparse=always "$disks/image" "$disks/state"
    mount -t "$1" -o loop "$disks/state" "$disks/s" || return 1
    "$work/agent" check "$disks/s/runs" "$disks/marks" power
    rc=$?
    umount "$disks/s"
    return $rc
} >>"$work/one" 2>&1

# cuts FS LEVEL COUNT row|fresh [lies]: all on one image, which ends with the
# first bad one and is kept then; or each on a new one.
# shellcheck disable=SC2086
cuts() {
    good=0 worse=0
    : >"$work/bad"; : >"$work/cuts"; : >"$work/killed"
    rm -f "$disks/marks"
    for number in $(seq "$3"); do
        if [ "$number" = 1 ] || [ "$4" = fresh ]; then
            make_image "$1" "$disks/image" || return 1
            : >"$disks/marks"
        fi
        : >"$work/one"
        if power_cut "$1" "$2" "$number" $5 && judge_cut "$1"; then
            good=$((good + 1))
        else
            worse=$((worse + 1))
            sed "s/^/cut $number: /" "$work/one" >>"$work/bad"
            [ "$4" = fresh ] || {
                cp --sparse=always "$disks/image" "$work/bad.$1"
                cp "$disks/marks" "$work/bad.$1.marks"
                break; }
        fi
    done
    figures=$(awk 'FNR == NR { n += $1; next } { m[$1]++; l += $2; p += $3 }
        END { printf "%d while it mounted, %d of %d sectors lost, %d kills",
              m["mounting"], l, p, n }' "$work/killed" "$work/cuts")
}

cut() {
    build_disk cutdisk 2>"$work/cc.log" || {
        skip "cut: needs /dev/fuse, libfuse3-dev and losetup"; return; }
    for fs in ext4 xfs btrfs; do
        has_fs $fs "cut $fs" || continue
        cuts $fs power "$CUTS" row || { fail "cut $fs: no image"; continue; }
        line="cut $fs: $good of $CUTS in a row ($figures)"
        [ "$worse" = 0 ] && pass "$line" || fail "$line, seed $SEED" "$work/bad"
        # The net must catch, as it does in block, and a disk that lies.
        cuts $fs process 8 fresh
        line="cut $fs, process, but asked for power: $worse of 8 are bad"
        [ "$worse" -gt 0 ] && pass "$line" || fail "$line, seed $SEED"
        cuts $fs power 8 fresh lies
        line="cut $fs, a disk that ignores flushes: $worse of 8 are bad"
        [ "$worse" -gt 0 ] && pass "$line" || fail "$line, seed $SEED"
    done
}

#--- limits: the suite of bad directories, on each file system -----------------

limits() {
    printf '#define TEST_SUITES(X) X(open)\n#include "test.h"\n' \
        >"$work/open_main.c"
    # shellcheck disable=SC2086
    $CC $warn -O1 -I. -Itests/support -static -o "$work/open" tests/fs/test_open.c \
        "$work/open_main.c" "$work/ckpt.o" || { fail "test_open"; return; }
    cp "$work/open" "$disks/open" && chmod 755 "$disks" "$disks/open"
    for fs in here ext4 xfs btrfs tmpfs; do
        if [ $fs = tmpfs ]; then
            mount -t tmpfs none "$disks/s"
        elif [ $fs != here ]; then
            has_fs $fs "limits on $fs" || continue
            make_image $fs "$disks/state" &&
            mount -t $fs -o loop "$disks/state" "$disks/s"
        fi || { skip "limits on $fs: it cannot be mounted"; continue; }
        chmod 1777 "$disks/s"
        for who in root nobody; do
            if [ $who = root ]; then TMPDIR=$disks/s "$disks/open"
            else TMPDIR=$disks/s setpriv --reuid 65534 --regid 65534 \
                     --clear-groups "$disks/open"
            fi >"$work/one" 2>&1
            line="limits on $fs as $who: $(tail -n 1 "$work/one")"
            grep -q '^[1-9][0-9]* passed, 0 failed$' "$work/one" &&
                pass "$line" || fail "$line" "$work/one"
        done
        [ $fs = here ] || umount "$disks/s"
    done
    # shellcheck disable=SC2086
    $CC $warn -O2 -I. -static -o "$work/full" tests/proof/disk/full.c \
        "$work/ckpt.o" || { fail "full"; return; }
    cp "$work/full" "$disks/full" && chmod 755 "$disks/full"
    full tmpfs bytes size=4m
    full tmpfs files nr_inodes=64
    full ext4 bytes defaults
    full ext4 files defaults -N 64
    full xfs bytes defaults
    full btrfs bytes defaults
    quota_ext4
    quota_xfs
    quota_btrfs
}

# mount_new FS OPTIONS MKFS-ARGUMENT...: a new file system, for nobody to use.
mount_new() {
    kind=$1 with=$2; shift 2
    if [ "$kind" = tmpfs ]; then
        mount -t tmpfs -o "$with" none "$disks/s"
    else
        make_image "$kind" "$disks/state" "$@" &&
        mount -t "$kind" -o "loop,$with" "$disks/state" "$disks/s"
    fi 2>"$work/one" || return 1
    chmod 1777 "$disks/s"
}

as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups "$@" >"$work/one" 2>&1
}

# Root may use what is reserved, and has no quota: nobody has neither.
full() {
    fs=$1 what=$2; shift 2
    name="no room for $what on $fs"
    [ "$fs" = tmpfs ] || has_fs "$fs" "$name" || return
    mount_new "$fs" "$@" || { skip "$name: it cannot be mounted"; return; }
    as_nobody "$disks/full" "$disks/s" "$what" ENOSPC &&
        pass "$name" || fail "$name" "$work/one"
    umount "$disks/s"
}

# quota FS DIRECTORY RAISE...: a quota that is set already, and then raised.
quota() {
    name="a quota on $1" where=$2; shift 2
    rm -f "$disks/raised"
    : >"$work/one"
    as_nobody "$disks/full" "$where" bytes EDQUOT "$disks/raised" &
    full_pid=$!
    for _ in $(seq 600); do
        grep -q '^full' "$work/one" && break
        kill -0 "$full_pid" 2>/dev/null || break
        sleep 0.1
    done
    "$@" >"$work/raise.log" 2>&1 || fail "$name cannot be raised"
    : >"$disks/raised"
    wait "$full_pid" && pass "$name" || fail "$name" "$work/one"
    umount "$disks/s"
}

quota_ext4() {
    has_fs ext4 "a quota on ext4" || return
    install setquota quota
    has setquota || { skip "a quota on ext4: no setquota"; return; }
    mount_new ext4 usrquota -O quota || {
        skip "a quota on ext4: this kernel has none"; return; }
    setquota -u 65534 0 4096 0 0 "$disks/s" || {
        fail "a quota on ext4 cannot be set"; umount "$disks/s"; return; }
    quota ext4 "$disks/s" setquota -u 65534 0 16384 0 0 "$disks/s"
}

quota_xfs() {
    has_fs xfs "a quota on xfs" || return
    mount_new xfs uquota || {
        skip "a quota on xfs: this kernel has none"; return; }
    xfs_quota -x -c 'limit bhard=4m 65534' "$disks/s" || {
        fail "a quota on xfs cannot be set"; umount "$disks/s"; return; }
    quota xfs "$disks/s" xfs_quota -x -c 'limit bhard=16m 65534' "$disks/s"
}

# Here a quota is that of a subvolume, and also root's.
quota_btrfs() {
    has_fs btrfs "a quota on btrfs" || return
    mount_new btrfs defaults || {
        skip "a quota on btrfs: it cannot be mounted"; return; }
    { btrfs quota enable "$disks/s" && btrfs subvolume create "$disks/s/q" &&
      btrfs qgroup limit 4M "$disks/s/q" && chmod 1777 "$disks/s/q"
    } >"$work/one" 2>&1 || {
        skip "a quota on btrfs: $(head -n 1 "$work/one")"
        umount "$disks/s"; return; }
    quota btrfs "$disks/s/q" btrfs qgroup limit 16M "$disks/s/q"
}

#--- kill, errors: at every system call ----------------------------------------

# session LEVEL STRACE-OPTIONS...: exit status of the session.
session() {
    level=$1; shift
    rm -rf "$disks/runs" "$disks/marks"
    : >"$disks/marks"
    strace -f -qq -o "$disks/trace" "$@" "$work/agent" write "$disks/runs" \
        "$disks/marks" "$level" >"$work/said" 2>&1
}

# What is left must be as the marks say.
left_well() {
    "$work/agent" check "$disks/runs" "$disks/marks" power >"$work/one" 2>&1
}

can_strace() {
    install strace strace
    has strace || { skip "$1: no strace"; return 1; }
    session power -e trace=all && [ -s "$disks/trace" ] || {
        skip "$1: strace cannot trace here"; return 1; }
    calls=$(wc -l <"$disks/trace")
}

# Calls are counted each for itself, so this is every call once: "name n".
moments() {
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$disks/trace" | awk -v s="$1" '
        { n[$1]++ } (NR + s - 1) % s == 0 { print $1, n[$1] }'
}

kill_at() {
    can_strace kill || return
    good=0 worse=0
    : >"$work/bad"
    moments "${STEP:-1}" | grep -v '^execve' >"$work/moments"
    while read -r call n; do
        session power -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
            2>/dev/null
        rc=$?
        if [ $rc = 137 ] && left_well; then good=$((good + 1)); else
            worse=$((worse + 1))
            echo "killed at $call $n, status $rc" >>"$work/bad"
            sed 's/^/    /' "$work/one" >>"$work/bad"
        fi
    done <"$work/moments"
    line="SIGKILL at $good of $((good + worse)) system calls, of $calls"
    [ "$worse" = 0 ] && pass "$line" || fail "$line" "$work/bad"
}

# The calls by which the library reaches the disk.
disk_calls=openat,close,pread64,pwrite64,fsync,fstat,newfstatat,mkdirat
disk_calls=$disk_calls,unlinkat,renameat,linkat,flock,utimensat,getdents64
disk_calls=$disk_calls,fstatfs

# errors_at ERROR SUFFIX: once at each call, or from it on.
errors_at() {
    good=0 worse=0
    : >"$work/bad"
    session power -e trace="$disk_calls"
    moments "${STEP:-3}" >"$work/moments"
    while read -r call n; do
        session power -e trace="$call" -e inject="$call:error=$1:when=$n$2"
        rc=$?
        if { [ $rc = 0 ] || [ $rc = 3 ]; } && left_well; then
            good=$((good + 1))
        else
            worse=$((worse + 1))
            echo "$1 at $call $n$2, status $rc" >>"$work/bad"
            cat "$work/said" "$work/one" | sed 's/^/    /' >>"$work/bad"
        fi
    done <"$work/moments"
    for_ever=${2:+ and at all after it}
    line="$1 at a call$for_ever: $good of $((good + worse)) moments"
    [ "$worse" = 0 ] && pass "$line" || fail "$line" "$work/bad"
}

errors() {
    can_strace errors || return
    for error in EIO ENOSPC EINTR EMFILE; do
        errors_at $error ''
    done
    errors_at EIO +
    errors_at ENOSPC +
}

#--- mounts, vm: other file systems --------------------------------------------

. tests/proof/disk/mounts.sh
. tests/proof/disk/vm/vm.sh

for part in $parts; do
    case $part in
    block) block ;;
    cut) cut ;;
    limits) limits ;;
    kill) kill_at ;;
    errors) errors ;;
    mounts) mounts ;;
    vm) vm ;;
    *) echo "disk: no such part: $part" >&2; exit 2 ;;
    esac
done
echo "seed $SEED"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
