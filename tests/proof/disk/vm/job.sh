#!/bin/sh
# job.sh -- what the machine of vm.sh runs: LIFE, the program of life.c, on file
# systems that the host's kernel lacks, SYSTEMS, and then it switches itself off
#
# vm.sh reads what is printed: "vm: begin NAME", the output of life, "vm: end
# NAME STATUS"; or "vm: skip NAME: why". The machine has nothing to lose: what
# is started here goes with it.
printf '\nvm: on\n'                    # the BIOS leaves an open line
mkdir /tmp/m /tmp/s

live() {
    name=$1; shift
    echo "vm: begin $name"
    timeout -k 5 400 "$LIFE" -s 60 "$@" /tmp/m
    echo "vm: end $name $?"
    umount /tmp/m 2>/dev/null || umount -l /tmp/m
}

# Says what went wrong last.
skip() { echo "vm: skip $1: $(tail -n 1 /tmp/log)"; }

# image NAME MIB MKFS...: a file system of that type, mounted at $at.
image() {
    type=$1 size=$2; shift 2
    rm -f "/tmp/$type"
    { modprobe -q loop; modprobe "$type"; } >/tmp/log 2>&1 &&
    truncate -s "${size}M" "/tmp/$type" && "$@" "/tmp/$type" >/tmp/log 2>&1 &&
    mount -t "$type" -o loop "/tmp/$type" "$at" 2>/tmp/log
}

# Files have no owner and no mode there: as the store wants them.
fat() {
    at=/tmp/m
    modprobe -a nls_cp437 nls_ascii nls_utf8 2>/dev/null
    image "$@" || { skip "$1"; return; }
    umount /tmp/m
    mount -t "$1" -o loop,umask=077 "/tmp/$1" /tmp/m
    live "$1" -r
}

f2fs() {
    at=/tmp/m
    image f2fs 128 mkfs.f2fs -q || { skip f2fs; return; }
    live f2fs
}

# The server's directory is on an ext4.
served() {
    mountpoint -q /tmp/s && return
    at=/tmp/s
    image ext4 128 mkfs.ext4 -q -F
}

nfs() {
    served && modprobe -a nfsd nfs nfsv4 2>/tmp/log || { skip nfs; return; }
    mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null
    echo 10 >/proc/fs/nfsd/nfsv4leasetime
    echo 10 >/proc/fs/nfsd/nfsv4gracetime
    { exportfs -o rw,sync,no_root_squash,no_subtree_check,insecure,fsid=0 \
          127.0.0.1:/tmp/s && rpc.mountd -N 2 -N 3 && rpc.nfsd -N 3 4
    } >/tmp/log 2>&1 || { skip nfs; return; }
    echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null
    mount -t nfs4 127.0.0.1:/ /tmp/m 2>/tmp/log || { skip nfs; return; }
    live nfs
}

smb() {
    served && modprobe cifs 2>/tmp/log || { skip smb; return; }
    mkdir -p /tmp/smb /run/samba /tmp/s/smb
    printf '%s\n' '[global]' 'private dir = /tmp/smb' 'lock dir = /tmp/smb' \
        'state directory = /tmp/smb' 'cache directory = /tmp/smb' \
        'pid directory = /tmp/smb' 'log file = /tmp/smb/log' \
        'interfaces = lo' 'bind interfaces only = yes' \
        'disable netbios = yes' 'load printers = no' \
        '[runs]' 'path = /tmp/s/smb' 'read only = no' >/tmp/smb/conf
    { printf 'secret\nsecret\n' | smbpasswd -c /tmp/smb/conf -s -a root &&
      smbd -D -s /tmp/smb/conf; } >/tmp/log 2>&1 || { skip smb; return; }
    for _ in $(seq 30); do
        mount -t cifs //127.0.0.1/runs /tmp/m \
            -o username=root,password=secret,file_mode=0600,dir_mode=0700 \
            >/tmp/log 2>&1 && break
        sleep 1
    done
    mountpoint -q /tmp/m || { skip smb; return; }
    live smb
}

for system in $(echo "$SYSTEMS" | tr , ' '); do
    case $system in
    vfat)  fat vfat 64 mkfs.vfat ;;
    exfat) fat exfat 64 mkfs.exfat ;;
    f2fs)  f2fs ;;
    nfs)   nfs ;;
    smb)   smb ;;
    esac
done
echo "vm: off"
sync
busybox poweroff -f
