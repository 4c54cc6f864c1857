#!/bin/sh
# SPDX-License-Identifier: MIT-0
# deps.sh -- installs what is missing on Debian: sh tests/tools/deps.sh WHAT
#
# WHAT is demo, test, pg, fuzz (with the fuzzers), coverage or all (with the
# benchmarks, the database, the agent on a language model and what the command
# is installed with, too); bench is what the benchmarks need, lines what
# tests/bench/lines/run.sh needs, mounts and vm what only these parts of
# tests/proof/disk/run.sh need.
# Asks the tools themselves, so it is quick when everything is there. Where it
# may not install it says in one line what is needed, and fails. DEPS=no leaves
# it out: then a tool that is missing makes its own test fail.
[ "$DEPS" != no ] || exit 0
: "${CC:=cc}" "${STB:=/usr/include/stb}"
missing=
need() { case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac; }
has() { command -v "$1" >/dev/null 2>&1; }

# Can it preprocess this header? finds HEADER COMPILER FLAGS...
finds() {
    header=$1; shift
    has "$1" || return 1
    echo "#include <$header>" | "$@" -E - >/dev/null 2>&1
}

look() {
    missing=
    case $1 in mounts|vm) "look_$1"; return ;; esac
    has "$CC" || need gcc
    if has "$CC"; then
        finds stdio.h "$CC" -x c || need libc6-dev
        finds stb_sprintf.h "$CC" "-I$STB" -x c || need libstb-dev
    else
        need libc6-dev
        [ -f "$STB/stb_sprintf.h" ] || need libstb-dev
    fi
    case $1 in
    demo)  return ;;
    pg)    look_pg; return ;;
    bench) look_bench; look_pg; return ;;
    lines) finds sqlite3.h "$CC" -x c || need libsqlite3-dev; return ;;
    esac
    finds stdio.h gcc -x c || need gcc
    finds cstddef g++ -x c++ || need g++
    finds cstddef clang++ -x c++ || need clang
    has spin || need spin
    has shellcheck || need shellcheck
    has codespell || need codespell
    if ! finds string.h arm-none-eabi-gcc -x c; then
        need gcc-arm-none-eabi
        need libnewlib-arm-none-eabi
    fi
    [ "$1" != test ] || return 0
    look_fuzz
    [ "$1" != fuzz ] || return 0
    # The tools that fit the compiler lie next to it, or have a plain name.
    dir=$(clang -print-resource-dir 2>/dev/null)/../../../bin
    [ -x "$dir/llvm-cov" ] || has llvm-cov || need llvm
    [ "$1" = all ] || return 0
    look_pg
    look_agent
    look_bench
    for tool in tmux cmake meson mandoc zsh fish pkg-config zip unzip \
        chromium; do
        has $tool || need $tool
    done
}

# A server, what speaks to it, and a pooler between both.
look_pg() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need postgresql
    has pg_config || need libpq-dev
    has pgbouncer || [ -x /usr/sbin/pgbouncer ] || need pgbouncer
}

# What the agent on a language model links with, and what asks its server.
look_agent() {
    finds cjson/cJSON.h "$CC" -x c || need libcjson-dev
    finds curl/curl.h "$CC" -x c || need libcurl4-openssl-dev
    has curl || need curl
}

# libFuzzer is in a package of the compiler's version.
look_fuzz() {
    finds jansson.h "$CC" -x c || need libjansson-dev
    has clang || { need clang; return; }
    ls "$(clang -print-runtime-dir)"/libclang_rt.fuzzer*.a >/dev/null 2>&1 ||
        need "libclang-rt-$(clang -dumpversion | sed 's/\..*//')-dev"
}

# The peers, file systems to measure on, and what counts instructions.
look_bench() {
    finds cjson/cJSON.h "$CC" -x c || need libcjson-dev
    finds jansson.h "$CC" -x c || need libjansson-dev
    finds sqlite3.h "$CC" -x c || need libsqlite3-dev
    finds lmdb.h "$CC" -x c || need liblmdb-dev
    has valgrind || need valgrind
    has mkfs.ext4 || need e2fsprogs
    has mkfs.xfs || need xfsprogs
    has mkfs.btrfs || need btrfs-progs
}

# File systems over FUSE, and a server for one of them.
look_mounts() {
    has fusermount3 || need fuse3
    has pkg-config || need pkg-config
    [ -f /usr/include/fuse3/fuse.h ] || need libfuse3-dev
    for tool in bindfs mergerfs gocryptfs encfs sshfs ntfs-3g fuse-overlayfs; do
        has $tool || need $tool
    done
    has unionfs || need unionfs-fuse
    has sshd || [ -x /usr/sbin/sshd ] || need openssh-server
    has ssh || need openssh-client
}

# A virtual machine, and what it serves to itself. Its kernel is not installed.
look_vm() {
    has qemu-system-x86_64 || need qemu-system-x86
    ldd /bin/busybox 2>&1 | grep -q 'not a dynamic' || need busybox-static
    has cpio || need cpio
    has depmod || need kmod
    has mkfs.vfat || need dosfstools
    has mkfs.exfat || need exfatprogs
    has mkfs.f2fs || need f2fs-tools
    has exportfs || need nfs-kernel-server
    has smbd || need samba
    has mount.cifs || need cifs-utils
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
        </dev/null >"$log" 2>&1
}

# What is there only now may name what else is missing: twice.
for round in first second; do
    look "$1"
    [ -n "$missing" ] || exit 0
    if [ "$(id -u)" != 0 ] || ! has apt-get; then
        echo "ckpt: not found; install the Debian packages$missing" >&2
        exit 1
    fi
    echo "installing$missing"
    log=$(mktemp) || exit 1
    trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086
    if ! { { [ $round = second ] || apt update; } && apt install $missing; }
    then
        tail -n 5 "$log" >&2
        echo "ckpt: could not install$missing" >&2
        exit 1
    fi
    rm -f "$log"
done
look "$1"
[ -z "$missing" ] || { echo "ckpt: still not found:$missing" >&2; exit 1; }
