# SPDX-License-Identifier: MIT-0
# shellcheck shell=sh disable=SC2154
# vm.sh -- the part "vm" of run.sh, which reads it: life.c on file systems that
# this kernel lacks
#
# A virtual machine, emulated, so that it needs nothing of the host: a kernel of
# Debian, an initial disk with busybox and init, and the host's root over 9p,
# which it cannot write to. Its job (job.sh) ends by switching it off. It is
# built in $B/vm once, and boots in some ten seconds.

# What the initial disk must load to see the host's root.
vm_modules="virtio_pci 9pnet_virtio 9p overlay"

# The kernel's package, unpacked. linux-image-amd64 only names it.
vm_kernel() {
    [ ! -f "$vm/unpacked" ] || return 0
    package=$(apt-cache depends linux-image-amd64 |
              sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    [ -n "$package" ] &&
    ( cd "$vm" && rm -rf k ./*.deb && apt-get -q download "$package" &&
      dpkg -x linux-image-*.deb k && rm linux-image-*.deb &&
      depmod -b k "${package#linux-image-}" && touch unpacked )
}

# Its modules in the order in which they are to be loaded, and busybox.
vm_disk() {
    root=$vm/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/mod" "$root/proc" "$root/sys" "$root/dev" \
        "$root/host" "$root/rw" "$root/new" &&
    cp /bin/busybox "$root/bin/busybox" &&
    cp tests/proof/disk/vm/init "$root/init" && chmod 755 "$root/init" || return
    for module in $vm_modules; do
        modprobe -d "$vm/k" -S "$(ls "$vm/k/lib/modules")" --show-depends \
            "$module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$vm/list"
    while read -r module; do
        cp "$module" "$root/mod/" && basename "$module"
    done <"$vm/list" >"$root/mod/list"
    ( cd "$root" && find . | cpio -o -H newc --quiet ) | gzip -1 >"$vm/disk.gz"
}

# Runs the job until the machine is off, or its time is up.
vm_run() {
    timeout -k 5 "$VM_SECONDS" qemu-system-x86_64 -M pc -cpu max -smp 1 \
        -accel tcg -m 1024 -nographic -no-reboot -monitor none -net none \
        -kernel "$vm"/k/boot/vmlinuz-* -initrd "$vm/disk.gz" \
        -append "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off \
JOB=$(pwd)/tests/proof/disk/vm/job.sh LIFE=$work/life \
MODULES=$vm/k/lib/modules SYSTEMS=$(echo "$SYSTEMS" | tr ' ' ,)" \
        -virtfs "local,path=/,mount_tag=host,security_model=none,\
readonly=on,multidevs=remap" </dev/null >"$vm/console" 2>&1
}

# What each file system printed, into $vm/said.NAME, and how it ended.
vm_parse() {
    rm -f "$vm"/said.*
    tr -d '\r' <"$vm/console" | awk -v said="$vm/said." '
        /^vm: begin / { name = order[++n] = $3; status[name] = "none"; next }
        /^vm: end /   { status[name] = $4; close(said name); name = ""; next }
        /^vm: skip /  { skip = $0; sub(/^vm: skip /, "", skip)
                        print "skip", skip; next }
        name != ""    { print >(said name) }
        END           { for (i = 1; i <= n; i++)
                            print "end", order[i], status[order[i]] }'
}

vm() {
    vm=$(dirname "$work")/vm
    build_life && mkdir -p "$vm" || return
    [ "$(uname -m)" = x86_64 ] || { no_mount vm "knows x86-64 only"; return; }
    sh tests/tools/deps.sh vm
    for tool in qemu-system-x86_64 busybox cpio depmod apt-get; do
        has $tool || { no_mount vm "no $tool"; return; }
    done
    vm_kernel >"$work/one" 2>&1 && vm_disk >>"$work/one" 2>&1 || {
        no_mount vm "$(tail -n 1 "$work/one")"; return; }
    vm_run
    rc=$?
    vm_parse >"$vm/parsed"
    while read -r what name status; do
        case $what in
        skip) no_mount "${name%:}" "$status" ;;
        end)  [ -f "$vm/said.$name" ] || : >"$vm/said.$name"
              verdict "$name" "$status" "$vm/said.$name" ;;
        esac
    done <"$vm/parsed"
    tail -n 20 "$vm/console" >"$work/one"
    grep -q '^vm: off' "$vm/console" || fail "vm: status $rc" "$work/one"
    show_table
}
