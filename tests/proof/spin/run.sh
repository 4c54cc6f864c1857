#!/bin/sh
# SPDX-License-Identifier: MIT-0
# Model checks of the protocol: sh tests/proof/spin/run.sh [quick|full]
#
# The designed protocol must have no error in any scene, every broken variant must have one, and
# that an assertion. A search that was cut short (depth, memory, time) proves nothing and counts as
# failed. Searches are exhaustive, and COLLAPSE stores states exactly, so that nothing rests on
# hashing; but for one scene, "most", which no memory holds: a bit for each state, for twenty
# minutes at most, finds an error only if the part of the states that was reached has one.
# SPIN and CC choose the tools, SPIN_MEM the megabytes a search may take. Needs spin 6 and a C
# compiler; everything built is in build/spin.

mode=${1:-quick}
case $mode in quick|full) ;; *) echo "usage: run.sh [quick|full]" >&2; exit 2 ;; esac

here=$(cd "$(dirname "$0")" && pwd) || exit 2
root=$(cd "$here/../../.." && pwd) || exit 2
work=$root/build/spin
: "${SPIN:=spin}" "${CC:=cc}" "${SPIN_MEM:=5000}"
command -v "$SPIN" >/dev/null 2>&1 ||
    { echo "spin: not installed, nothing was checked" >&2; exit 2; }
rm -rf "$work"
mkdir -p "$work" || exit 2

# A scene says who takes part. Broken variants are looked for in the smallest scene that shows them.
two="-DOWNERS=1 -DCLAIMERS=2 -DNE=3"                # an owner taken for dead, two claimants
three="-DOWNERS=0 -DCLAIMERS=3 -DNE=4"              # a dead owner, three claimants
four="-DOWNERS=0 -DCLAIMERS=4 -DNE=4"               # a dead owner, four claimants
anew="-DOWNERS=1 -DCLAIMERS=1 -DBEGINNERS=1 -DNE=2" # the id is begun anew, old processes still run
anew2="-DOWNERS=0 -DCLAIMERS=2 -DBEGINNERS=1 -DNE=3"
# a run being made is swept
aside="-DNO_OLD -DOWNERS=0 -DCLAIMERS=1 -DBEGINNERS=1 -DSWEEPERS=1 -DNE=3"
# a dead owner, a dead claimant, three claimants, listings of any age
slow="-DOWNERS=0 -DCLAIMERS=3 -DNE=4 -DDEAD=2 -DSLOW -DMAXV=1"
# the same with an owner that still runs, and claimants that give up
giveup="-DOWNERS=1 -DCLAIMERS=2 -DNE=4 -DDEAD=2 -DSLOW -DMAXV=1 -DGIVEUP"
one="-DOWNERS=1 -DCLAIMERS=1 -DNE=2"                # an owner taken for dead, one claimant
kept="$two -DKEEP -DMAXV=1"                         # runs that are kept, tried again, pruned
tight="$two -DFULL -DMAXV=1"                        # the disk is full when a run is to end
# Where owners exchange names, an owner is taken for dead and there is one
# claimant; in the second scene the power fails, too. In the third there are an
# owner and a reader.
swap="-DOWNERS=1 -DCLAIMERS=1 -DNE=2 -DEXCHANGE"
cut="$swap -DPOWER"
read="-DOWNERS=1 -DCLAIMERS=0 -DREADERS=1 -DNE=2 -DMAXV=3"

# check EXPECTED NAME FLAGS...: builds and searches one model; the line and the verdict go into
# files, for two run at a time.
check() {
    expected=$1 tag=$2; shift 2
    dir=$work/$tag
    mkdir -p "$dir" && cd "$dir" || return
    cp "$here/ckpt.pml" .
    verdict=failed states=0 why=
    # Most broken variants are found at once, and most scenes of the quick model are small: the
    # time goes into compiling, so they get the quick compile.
    case "$mode $expected $*" in
        quick*|*NE=2*EXCHANGE*) opt=-O0 ;;
        *NE=4*|*' none '*|*' most '*) opt=-O2 ;;
        *) opt=-O0 ;;
    esac
    store="-DCOLLAPSE -DMEMLIM=$SPIN_MEM" search="-m40000"
    # A clause "provided" and the reduction do not go together.
    case "$*" in *POWER*) store="$store -DNOREDUCE" ;; esac
    [ "$expected" != most ] || { store=-DBITSTATE search="-m40000 -w33 -k3 -Q20"; }
    begun=$(date +%s)
    if ! "$SPIN" -a "$@" ckpt.pml >spin.log 2>&1 || [ ! -f pan.c ] || grep -q Error spin.log; then
        why="spin refused the model"
    elif ! "$CC" $opt -w -DSAFETY $store -DVECTORSZ=2048 -o pan pan.c >cc.log 2>&1; then
        why="does not compile"
    else
        ./pan -E -n $search >pan.log 2>&1
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
        errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
        what=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log)
        if grep -q 'max search depth too small' pan.log; then why="cut short: depth"
        elif grep -q -e MEMLIM -e 'out of memory' pan.log; then why="cut short: memory"
        elif [ -z "$errors" ] || [ -z "$states" ]; then why="the search did not end"
        elif [ "$expected" != error ] && [ "$errors" != 0 ]; then why="error found: $what"
        elif [ "$expected" = error ] && [ "$errors" = 0 ]; then
            why="no error found, the variant is harmless or the model blind"
        elif [ "$expected" = error ] && ! grep -q 'assertion violated' pan.log; then
            why="failed, but not by an assertion: $what"
        else verdict=passed
        fi
    fi
    case $expected in
        error) wanted="an error" ;; none) wanted="no error" ;; *) wanted=sampled ;;
    esac
    [ $verdict = passed ] && shown=ok || shown="FAILED ($why)"
    printf '%-26s %-9s %12s states %4s s   %s\n' "$tag" "$wanted" "$states" \
        $(($(date +%s) - begun)) "$shown" | tee line
    rm -f pan pan.? pan.h ckpt.pml
    echo $verdict >verdict
}

all() {
    # the protocol
    echo "none  protocol-two         $two"
    echo "none  protocol-anew        $anew"
    echo "none  protocol-anew-two    $anew2"
    echo "none  protocol-aside       $aside"
    echo "none  protocol-foreign     $anew -DFOREIGN"
    echo "none  protocol-slow        $slow -DRESUME"
    echo "none  protocol-kept-one    $one -DKEEP -DROT"
    echo "none  protocol-tight-one   $one -DFULL"
    echo "none  protocol-giveup      $giveup"
    echo "none  swap-one             $swap"
    echo "none  swap-power           $cut"
    echo "none  swap-read            $read -DEXCHANGE"
    if [ $mode = full ]; then
        echo "none  protocol-kept        $kept -DROT"
        echo "none  protocol-tight       $tight"
        echo "none  swap-two             $two -DEXCHANGE -DMAXV=1"
        echo "most  protocol-four        $four -DRESUME -DLEAN"
        echo "none  protocol-slow-all    $slow -DKEEP -DROT -DFULL -DGIVEUP"
        echo "none  protocol-three-kept  $three -DMAXV=1 -DKEEP"
        echo "none  protocol-three       $three -DRESUME"
        echo "none  protocol-any-order   $two -DLOOK_ANY"
        echo "none  protocol-two-kept    $two -DKEEP -DROT"
        echo "none  protocol-two-tight   $two -DFULL"
        echo "none  protocol-tight-kept  $tight -DKEEP -DROT"
        echo "none  protocol-two-giveup  $two -DGIVEUP"
        echo "none  protocol-two-anew    $two -DBEGINNERS=1 -DMAXV=1"
        echo "none  protocol-anew-kept   $anew -DKEEP -DFULL"
        echo "none  protocol-aside-two   -DNO_OLD -DOWNERS=0 -DCLAIMERS=2 -DBEGINNERS=1" \
             "-DSWEEPERS=1 -DNE=4 -DMAXV=1"
        echo "none  swap-two-long        $two -DEXCHANGE"
        echo "none  swap-three           $three -DEXCHANGE -DMAXV=1"
        echo "none  swap-kept            $kept -DEXCHANGE -DROT"
        echo "none  swap-slow            $slow -DRESUME -DEXCHANGE"
        echo "none  swap-tight           $swap -DFULL -DKEEP"
        echo "none  swap-giveup          $giveup -DEXCHANGE"
        echo "none  swap-anew            $anew -DEXCHANGE"
        echo "none  swap-read-power      $read -DEXCHANGE -DPOWER"
        echo "none  swap-power-kept      $cut -DKEEP"
        echo "none  swap-power-two       $two -DEXCHANGE -DPOWER -DMAXV=1"
        echo "none  read                 $read"
        # This variant is harmless: a reader goes by seq and sum, and the save is
        # acknowledged after both.
        echo "none  swap-before-sync     $cut -DV_SYNC_LATE"
        # These are limits of the protocol. On a full disk a claimant makes room
        # around the newest generation of a lower epoch. The owner of that epoch
        # may not have synced it, and may still exchange the names or remove it.
        echo "error swap-tight-two       $tight -DEXCHANGE"
        echo "error swap-tight-power     $cut -DFULL"
        # And this is one: the last exchange has failed. A reader looks at the
        # first name, the older generation, and after the rename over it at the
        # second, nothing. A server loses its power, and the rename: the first
        # name leads to the older one again, and the reader takes that.
        echo "error swap-read-outlives   $read -DEXCHANGE -DPOWER -DOUTLIVES"
        # not the protocol as written, but harmless: the own claim goes before the own generation;
        # a keeper cleans up before its look; a keeper takes its own claim away, as the last thing
        echo "none  claim-before-generation $two -DV_CLAIM_FIRST"
        echo "none  keep-cleaned-early   $three -DMAXV=1 -DKEEP -DV_KEEP_UNLOOKED"
        echo "none  kept-claim-last      $three -DMAXV=1 -DKEEP -DV_CLAIM_KEPT_LAST"
    fi
    # claim, save, hand-out
    echo "error look-before-write    $two -DV_LOOK_BEFORE"
    echo "error look-own-first       $two -DV_OWN_FIRST"
    echo "error look-next-only       $slow -DRESUME -DV_LOOK_NEXT"
    echo "error read-before-claim    $two -DV_READ_FIRST"
    echo "error read-before-look     $three -DMAXV=1 -DV_READ_AT_ONCE"
    echo "error slow-low-link        $slow -DRESUME -DV_READ_AT_ONCE -DV_LEFTOVER_NO_LOOK"
    echo "error look-as-listed       $tight -DV_LOOK_LISTED"
    echo "error leftover-unlooked    $three -DMAXV=1 -DV_LEFTOVER_NO_LOOK"
    echo "error break-stale-claim    $two -DV_BREAK"
    echo "error one-file             $two -DV_ONE_FILE"
    echo "error no-adopt             $two -DV_NO_ADOPT"
    echo "error attempt-late         $two -DV_ATTEMPT_LATE"
    # what is older goes
    echo "error collect-before-look  $two -DV_GC_EARLY"
    echo "error collect-descending   $three -DRESUME -DV_COLLECT_DESCENDING"
    echo "error finish-descending    $two -DV_FINISH_DESCENDING"
    echo "error claims-any-order     $two -DV_CLAIMS_ANY"
    # late writers
    echo "error rename-unlooked      $two -DV_NO_PRELOOK"
    echo "error prev-linked-late     $two -DV_PREV_LATE"
    echo "error temps-left           $two -DV_TEMPS_LEFT"
    echo "error claims-after-temps   $two -DV_CLAIMS_LATE"
    # finish, remove
    echo "error finish-unlooked      $two -DV_FIN_NO_LOOK"
    echo "error finish-by-name       $anew -DV_FIN_BY_NAME"
    echo "error finish-above         $slow -DRESUME -DV_FIN_ABOVE"
    echo "error generation-first     $two -DV_GEN_FIRST"
    echo "error prev-last            $two -DV_PREV_LAST"
    echo "error remove-no-outcome    $two -DV_REMOVE_NO_OUTCOME"
    echo "error full-one-look        $tight -DV_FULL_ONE_LOOK"
    # keep, retry, prune
    echo "error keep-unlooked        $kept -DV_KEEP_NO_LOOK"
    echo "error spare-left           $kept -DROT -DV_SPARE_LEFT"
    echo "error claim-kept-removed   $slow -DRESUME -DKEEP -DV_CLAIM_KEPT_REMOVED"
    echo "error retry-unfenced       $kept -DV_RETRY_UNFENCED"
    echo "error retry-in-place       $kept -DROT -DV_RETRY_IN_PLACE"
    echo "error prune-stale          $kept -DV_PRUNE_STALE"
    # A claimant removes a finished run as it has found it, and does not publish
    # the outcome under its own epoch: an owner below may exchange the names of
    # what is kept, and a claimant below may have adopted an older generation.
    echo "error removal-unpublished  $two -DV_REMOVE_DIRECT"
    echo "error swap-unpublished     $swap -DV_REMOVE_DIRECT"
    # These are of what is read where owners exchange names,
    echo "error swap-two-looks       $swap -DV_TWO_LOOKS"
    echo "error swap-look-if-same    $swap -DV_LOOK_IF_SAME"
    echo "error read-look-if-same    $read -DEXCHANGE -DV_LOOK_IF_SAME"
    echo "error swap-newest-by-name  $swap -DV_NEWEST_BY_NAME"
    echo "error read-newest-by-name  $read -DEXCHANGE -DV_NEWEST_BY_NAME"
    echo "error swap-torn-counts     $swap -DV_TORN_COUNTS"
    # and these of what is written and removed there.
    echo "error swap-newest-written  $swap -DV_NEWEST_WRITTEN"
    echo "error swap-kept-by-name    $swap -DV_KEPT_BY_NAME"
    echo "error swap-unsynced        $cut -DV_UNSYNCED"
    echo "error swap-written-again   $cut -DV_WRITTEN_AGAIN"
    echo "error swap-unsettled       $cut -DKEEP -DV_UNSETTLED"
    echo "error swap-discard         $cut -DV_DISCARD_UNSETTLED"
    # The last generation goes though what was removed, or exchanged, before it
    # may come back. The older one is removed by itself; the names are not synced
    # after a rename that failed.
    echo "error swap-removal         $cut -DV_REMOVAL_UNSYNCED"
    echo "error swap-end-unsettled   $cut -DV_END_UNSETTLED"
    echo "error swap-older-unlinked  $cut -DV_OLDER_UNLINKED"
    echo "error swap-rename-failed   $cut -DV_FAILED_UNSYNCED"
    # begin, sweep
    echo "error begin-unlooked       $aside -DV_BEGIN_NO_LOOK"
    echo "error begin-looked-late    $aside -DV_BEGIN_NO_LOOK_BEFORE"
    echo "error sweep-unchecked      $aside -DV_SWEEP_NO_CHECK"
    echo "error rename-path          $anew -DV_RENAME_PATH"
}

# A broken variant costs two seconds of compiling each, and only a change of the
# model can make it pass: so the quick model has one of each kind.
quick=" read-before-look no-adopt finish-unlooked generation-first temps-left \
retry-unfenced swap-newest-by-name swap-unsynced begin-unlooked sweep-unchecked "
wanted() {
    while read -r expected tag flags; do
        case $mode-$expected-$quick in
        quick-error-*" $tag "*|full-*|quick-none-*) echo "$expected $tag $flags" ;;
        esac
    done
}

# Two at a time: the odd lines here, the even ones beside.
all | wanted >"$work/list"
half() {
    awk -v h="$1" 'NR % 2 == h' "$work/list" |
    while read -r expected tag flags; do ( check "$expected" "$tag" $flags ) </dev/null; done
}
half 0 &
other=$!
half 1
wait $other

total=$(wc -l <"$work/list")
passed=$(cat "$work"/*/verdict 2>/dev/null | grep -c passed)
failed=$((total - passed))
echo "$((passed)) passed, $failed failed"
[ $failed -eq 0 ]
