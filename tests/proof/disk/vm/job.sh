#!/bin/sh
# SPDX-License-Identifier: MIT-0
# job.sh -- what the machine of vm.sh runs: LIFE, the program of life.c, on file
# systems that the host's kernel lacks, SYSTEMS, and then it switches itself off
#
# Its own files are in /vm, which is in memory; LIFE can be anywhere below /tmp.
# vm.sh reads what is printed: "vm: begin NAME", the output of life, "vm: end
# NAME STATUS"; or "vm: skip NAME: why". The machine has nothing to lose: what
# is started here goes with it.
printf '\nvm: on\n'                    # the BIOS leaves an open line
mkdir /vm/m /vm/n /vm/s

# Emulated, and on a busy host, an owner can be quiet for seconds.
live() {
    name=$1; shift
    echo "vm: begin $name"
    timeout -k 5 600 "$LIFE" -l 15 -s 60 "$@" /vm/m
    echo "vm: end $name $?"
    for at in /vm/n /vm/m; do
        umount $at 2>/dev/null || umount -l $at 2>/dev/null
    done
}

# Says what went wrong last.
skip() { echo "vm: skip $1: $(tail -n 1 /vm/log)"; }

# image NAME MIB MKFS...: a file system of that type, mounted at $at.
image() {
    type=$1 size=$2; shift 2
    rm -f "/vm/$type"
    { modprobe -q loop; modprobe "$type"; } >/vm/log 2>&1 &&
    truncate -s "${size}M" "/vm/$type" && "$@" "/vm/$type" >/vm/log 2>&1 &&
    mount -t "$type" -o loop "/vm/$type" "$at" 2>/vm/log
}

# Files have no owner and no mode there: as the store wants them.
fat() {
    at=/vm/m
    modprobe -a nls_cp437 nls_ascii nls_utf8 2>/dev/null
    image "$@" || { skip "$1"; return; }
    umount /vm/m
    mount -t "$1" -o loop,umask=077 "/vm/$1" /vm/m
    live "$1" -r
}

f2fs() {
    at=/vm/m
    image f2fs 128 mkfs.f2fs -q || { skip f2fs; return; }
    live f2fs
}

# The server's directory is on an ext4.
served() {
    mountpoint -q /vm/s && return
    at=/vm/s
    image ext4 128 mkfs.ext4 -q -F
}

# A second client is one of another network, with another name.
second_client() {
    [ ! -e /run/netns/second ] || return 0
    modprobe veth && ip netns add second &&
    ip link add to type veth peer name from netns second &&
    ip addr add 10.9.9.1/24 dev to && ip link set to up &&
    ip -n second addr add 10.9.9.2/24 dev from &&
    ip -n second link set from up && ip -n second link set lo up
}

nfs_server() {
    [ ! -e /vm/exported ] || return 0
    served && modprobe -a nfsd nfs nfsv3 nfsv4 2>/vm/log || return
    mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null
    echo 10 >/proc/fs/nfsd/nfsv4leasetime
    echo 10 >/proc/fs/nfsd/nfsv4gracetime
    { rpcbind; second_client &&
      for client in 127.0.0.1 10.9.9.0/24; do
          exportfs -o rw,sync,no_root_squash,no_subtree_check,insecure,fsid=0 \
              $client:/vm/s || return
      done && rpc.mountd && rpc.nfsd 4; } >/vm/log 2>&1 || return
    echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null
    : >/vm/exported
}

# nfs NAME OPTIONS: two clients, which keep what they know of names and
# attributes for ten minutes, unless they are made to ask.
nfs() {
    nfs_server || { skip "$1"; return; }
    mkdir -p "/vm/s/$1"
    { mount -t nfs -o "$2" "127.0.0.1:$3/$1" /vm/m &&
      nsenter --net=/run/netns/second unshare -u sh -c "hostname second
          mount -t nfs -o $2 10.9.9.1:$3/$1 /vm/n"
    } >/vm/log 2>&1 || { skip "$1"; return; }
    live "$1" -o /vm/n
}

# smb NAME OPTIONS
smb() {
    served && modprobe cifs 2>/vm/log || { skip "$1"; return; }
    mkdir -p /vm/smb /run/samba /vm/s/smb
    [ -e /vm/smb/conf ] ||
    printf '%s\n' '[global]' 'private dir = /vm/smb' 'lock dir = /vm/smb' \
        'state directory = /vm/smb' 'cache directory = /vm/smb' \
        'pid directory = /vm/smb' 'log file = /vm/smb/log' \
        'interfaces = lo' 'bind interfaces only = yes' \
        'disable netbios = yes' 'load printers = no' \
        '[runs]' 'path = /vm/s/smb' 'read only = no' >/vm/smb/conf
    [ -e /vm/smb/pass ] ||
    { printf 'secret\nsecret\n' | smbpasswd -c /vm/smb/conf -s -a root &&
      smbd -D -s /vm/smb/conf && : >/vm/smb/pass
    } >/vm/log 2>&1 || { skip "$1"; return; }
    for _ in $(seq 30); do
        mount -t cifs //127.0.0.1/runs /vm/m \
            -o username=root,password=secret,file_mode=0600,dir_mode=0700,$2 \
            >/vm/log 2>&1 && break
        sleep 1
    done
    mountpoint -q /vm/m || { skip "$1"; return; }
    live "$1"
}

for system in $(echo "$SYSTEMS" | tr , ' '); do
    case $system in
    vfat)  fat vfat 64 mkfs.vfat ;;
    exfat) fat exfat 64 mkfs.exfat ;;
    f2fs)  f2fs ;;
    nfs)   nfs nfs vers=4.2,actimeo=600 "" ;;
    nfs3)  nfs nfs3 vers=3,nolock,actimeo=600 /vm/s ;;
    nocto) nfs nocto vers=4.2,actimeo=600,nocto "" ;;
    smb)   smb smb rw ;;
    smb0)  smb smb0 closetimeo=0 ;;
    esac
done
echo "vm: off"
sync
busybox poweroff -f
