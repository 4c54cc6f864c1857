# SPDX-License-Identifier: MIT-0
# shellcheck shell=sh disable=SC2154
# mounts.sh -- the part "mounts" of run.sh, which reads it: life.c on file
# systems of this kernel, over FUSE, and on each quirk of quirkfs.c
#
# A row of its table is a file system and what life says of it. A row that is
# not "refused" although its name is in may_refuse has to be right all the same.

# Quirks with which a store may say that it cannot be kept here, if it says so
# when it is opened. With all others it has to work.
may_refuse=" mode777 nlink1 mtime0 mtimeclose noreplace renamedir linkdir
    linkEPERM linkEACCES linkENOTSUP linkENOSYS linkEMLINK utimeEPERM
    utimeENOSYS fsyncEINVAL dirsyncEINVAL dirsyncENOTSUP dirsyncEBADF
    dirsyncEIO dirsyncEACCES flushEIO "

# Quirks with which a save may say that it failed although it was done, and an
# owner has to try again.
may_fail=" renameEINTR "

row() { printf '%-24s %7s %7s  %s\n' "$@" >>"$work/table"; }

build_life() {
    # shellcheck disable=SC2086
    $CC $warn -O2 -I. "-I$STB" -static -o "$work/life" \
        tests/proof/disk/life.c 2>"$work/cc.log" || {
        fail "life" "$work/cc.log"; return 1; }
    : >"$work/table"
}

# verdict NAME STATUS LOG: what life printed is a row, and passed or failed.
verdict() {
    line=$(tail -n 1 "$3")
    refused=$(sed -n 's/^refused //p' "$3")
    if echo "$line" | grep -q '^[0-9]* passed, [0-9]* failed$'; then
        wrong=${line##*passed, }
        row "$1" "${line%% *}" "${wrong%% *}" "${refused:+refused: $refused}"
    else
        line="ended with status $2"
        row "$1" - - "$line"
    fi
    [ "$2" = 0 ] && pass "$1: $line${refused:+, refused: $refused}" && return
    grep -v '^ok ' "$3" >"$work/bad"
    fail "$1" "$work/bad"
}

# live NAME DIRECTORY OPTION...: life there.
live() {
    name=$1 dir=$2; shift 2
    timeout -k 5 300 "$work/life" -s 10 "$@" "$dir" >"$work/one" 2>&1
    verdict "$name" $? "$work/one"
    cp "$work/one" "$work/life.$(echo "$name" | tr ' ,' '__')"
}

no_mount() { skip "disk: $1: $2"; }

# Where directories below a mount are, all new.
fresh() {
    rm -rf "$disks/src" "$disks/low" "$disks/wk"
    mkdir "$disks/src" "$disks/low" "$disks/wk"
}

# over NAME PROGRAM COMMAND...: life on what the command mounts at $disks/s.
# $opt goes to life.
over() {
    name=$1 program=$2; shift 2
    has "$program" || { no_mount "$name" "no $program"; return; }
    if ! "$@" >"$work/mount.log" 2>&1 </dev/null; then
        no_mount "$name" "$(tail -n 1 "$work/mount.log")"
    elif ! mountpoint -q "$disks/s"; then
        no_mount "$name" "it is not mounted"
    else
        # shellcheck disable=SC2086
        live "$name" "$disks/s" $opt
    fi
    leave
}

# Whoever serves it ends with its mount. One whose server died has no type.
leave() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        grep -q " $disks/s " /proc/mounts || return
        umount "$disks/s" 2>/dev/null || sleep 0.2
    done
    umount -l "$disks/s"
}

#--- File systems of this kernel -----------------------------------------------

kernels() {
    for fs in ext4 xfs btrfs; do
        has_fs $fs "disk: $fs" || continue
        make_image $fs "$disks/state" &&
        mount -t $fs -o loop "$disks/state" "$disks/s" 2>"$work/mount.log" || {
            no_mount $fs "$(tail -n 1 "$work/mount.log")"; continue; }
        live $fs "$disks/s"
        leave
    done
    mount -t tmpfs none "$disks/s" && {
        live tmpfs "$disks/s"
        rm -rf "$disks/s/runs"
        live "tmpfs, by age" "$disks/s" -a
        leave; }
    layers
}

# Both layers of an overlay are on a tmpfs; the directory is the lower one's.
layers() {
    fresh
    mount -t tmpfs none "$disks/src" && mkdir "$disks/src/up" "$disks/src/wk" &&
    mkdir -m 700 "$disks/low/runs" || return
    opt=
    over overlay mount mount -t overlay none "$disks/s" -o \
        "lowerdir=$disks/low,upperdir=$disks/src/up,workdir=$disks/src/wk"
    umount "$disks/src"
}

#--- FUSE ----------------------------------------------------------------------

fuses() {
    opt=
    fresh
    over bindfs bindfs bindfs "$disks/src" "$disks/s"
    fresh
    over mergerfs mergerfs mergerfs -o minfreespace=1M \
        "$disks/src:$disks/low" "$disks/s"
    fresh
    over unionfs-fuse unionfs unionfs -o cow "$disks/src=RW:$disks/low=RO" \
        "$disks/s"
    fresh
    over gocryptfs gocryptfs mount_gocryptfs
    fresh
    over encfs encfs mount_encfs
    fresh
    over fuse-overlayfs fuse-overlayfs fuse-overlayfs \
        -o "lowerdir=$disks/low,upperdir=$disks/src,workdir=$disks/wk" \
        "$disks/s"
    over "ntfs-3g, permissions" ntfs-3g mount_ntfs permissions
    opt=-r                              # everything is mode 777
    over ntfs-3g ntfs-3g mount_ntfs defaults
    fresh                               # no link counts, inodes of its own
    over sshfs sshfs mount_sshfs
    end_sshd
    opt=
}

mount_gocryptfs() {
    gocryptfs -q -init -scryptn 10 -extpass "echo secret" "$disks/src" &&
    gocryptfs -q -extpass "echo secret" "$disks/src" "$disks/s"
}

mount_encfs() {
    echo secret | encfs --standard --stdinpass "$disks/src" "$disks/s"
}

mount_ntfs() {
    rm -f "$disks/state"
    truncate -s 64M "$disks/state" && mkntfs -F -Q -q "$disks/state" &&
    ntfs-3g -o "$1" "$disks/state" "$disks/s"
}

# A server of ours, which knows one key, made for it.
mount_sshfs() {
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    [ -x "$sshd" ] || { echo "no sshd"; return 1; }
    keys=$work/ssh port=$((20000 + $$ % 20000))
    rm -rf "$keys"
    mkdir -m 700 "$keys" && mkdir -p /run/sshd &&
    ssh-keygen -q -t ed25519 -N '' -f "$keys/host" &&
    ssh-keygen -q -t ed25519 -N '' -f "$keys/user" &&
    printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' \
        "HostKey $keys/host" "AuthorizedKeysFile $keys/user.pub" \
        'UsePAM no' 'StrictModes no' 'PasswordAuthentication no' \
        "PidFile $keys/pid" 'Subsystem sftp internal-sftp' >"$keys/config" &&
    "$sshd" -f "$keys/config" -E "$keys/log" || return 1
    sshfs -o "port=$port,IdentityFile=$keys/user" \
        -o StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null \
        "root@127.0.0.1:$disks/src" "$disks/s"
}

end_sshd() {
    [ ! -f "$work/ssh/pid" ] || kill "$(cat "$work/ssh/pid")"
}

#--- Quirks --------------------------------------------------------------------

quirks() {
    build_disk quirkfs 2>"$work/cc.log" || {
        no_mount quirkfs "needs /dev/fuse and libfuse3-dev"; return; }
    for quirk in ${QUIRKS:-$("$work/quirkfs" list)}; do
        case $may_refuse in *[[:space:]]"$quirk"[[:space:]]*) opt=-r ;;
        *) opt= ;; esac
        case $may_fail in *" $quirk "*) opt=-e ;; esac
        fresh
        over "quirk $quirk" "$work/quirkfs" "$work/quirkfs" "$quirk" \
            "$disks/src" "$disks/s"
    done
    opt=
}

show_table() {
    echo
    { printf '%-24s %7s %7s\n' "file system" passed failed
      cat "$work/table"; } | sed 's/^/       /'
    echo
}

mounts() {
    build_life || return
    sh tests/tools/deps.sh mounts
    for group in $MOUNTS; do $group; done
    show_table
}
