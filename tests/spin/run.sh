#!/bin/sh
# Model checks of the protocol: sh tests/spin/run.sh [quick|full]
#
# The designed protocol must have no error in any scene, every broken variant must have one. A search that was cut short (depth, memory,
# time) proves nothing and counts as failed. All searches are exhaustive; COLLAPSE stores states exactly, so nothing rests on hashing.
# SPIN and CC choose the tools, SPIN_MEM the megabytes a search may take. Needs spin 6 and a C compiler; everything built is in build/spin.

mode=${1:-quick}
case $mode in quick|full) ;; *) echo "usage: run.sh [quick|full]" >&2; exit 2 ;; esac

here=$(cd "$(dirname "$0")" && pwd) || exit 2
root=$(cd "$here/../.." && pwd) || exit 2
work=$root/build/spin
: "${SPIN:=spin}" "${CC:=cc}" "${SPIN_MEM:=4000}"
command -v "$SPIN" >/dev/null 2>&1 || { echo "spin: not installed, nothing was checked" >&2; exit 2; }
rm -rf "$work"
mkdir -p "$work" || exit 2

# A scene says who takes part. Broken variants are looked for in the smallest scene that shows them.
two="-DOWNERS=1 -DCLAIMERS=2 -DNE=3"                                    # an owner taken for dead, two claimants
three="-DOWNERS=0 -DCLAIMERS=3 -DNE=4"                                  # a dead owner, three claimants
anew="-DOWNERS=1 -DCLAIMERS=1 -DBEGINNERS=1 -DNE=2"                     # the id is begun anew while old processes still run
anew2="-DOWNERS=0 -DCLAIMERS=2 -DBEGINNERS=1 -DNE=3"
aside="-DNO_OLD -DOWNERS=0 -DCLAIMERS=1 -DBEGINNERS=1 -DSWEEPERS=1 -DNE=3"   # a run being made is swept

# check EXPECTED NAME FLAGS...: builds and searches one model; the line and the verdict go into files, for two run at a time.
check() {
    expected=$1 tag=$2; shift 2
    dir=$work/$tag
    mkdir -p "$dir" && cd "$dir" || return
    cp "$here/ckpt.pml" .
    verdict=failed states=0 why=
    # Most broken variants are found at once: the time goes into compiling, so they get the quick compile.
    case "$expected $*" in *NE=4*|none*) opt=-O2 ;; *) opt=-O0 ;; esac
    if ! "$SPIN" -a "$@" ckpt.pml >spin.log 2>&1 || [ ! -f pan.c ] || grep -q Error spin.log; then why="spin refused the model"
    elif ! "$CC" $opt -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM="$SPIN_MEM" -o pan pan.c >cc.log 2>&1; then why="does not compile"
    else
        ./pan -E -n -m20000 >pan.log 2>&1
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
        errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
        what=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log)
        if grep -q 'max search depth too small' pan.log; then why="cut short: depth"
        elif grep -q -e MEMLIM -e 'out of memory' pan.log; then why="cut short: memory"
        elif [ -z "$errors" ] || [ -z "$states" ]; then why="the search did not end"
        elif [ "$expected" = none ] && [ "$errors" != 0 ]; then why="error found: $what"
        elif [ "$expected" = error ] && [ "$errors" = 0 ]; then why="no error found, the variant is harmless or the model blind"
        elif [ "$expected" = error ] && ! grep -q 'assertion violated' pan.log; then why="failed, but not by an assertion: $what"
        else verdict=passed
        fi
    fi
    [ "$expected" = error ] && wanted="an error" || wanted="no error"
    [ $verdict = passed ] && shown=ok || shown="FAILED ($why)"
    printf '%-26s %-9s %12s states   %s\n' "$tag" "$wanted" "$states" "$shown" | tee line
    rm -f pan pan.? pan.h ckpt.pml
    echo $verdict >verdict
}

all() {
    # the protocol
    echo "none  protocol-two         $two"
    echo "none  protocol-anew        $anew"
    echo "none  protocol-anew-two    $anew2"
    echo "none  protocol-aside       $aside"
    if [ $mode = full ]; then
        # not the protocol as written, but harmless: a look at epoch + 1 alone; the own claim removed before the own generation
        echo "none  look-at-next-only    $two -DL_NEXT"
        echo "none  protocol-three       $three"
        echo "none  protocol-two-anew    $two -DBEGINNERS=1 -DMAXV=1"
        echo "none  protocol-aside-two   -DNO_OLD -DOWNERS=0 -DCLAIMERS=2 -DBEGINNERS=1 -DSWEEPERS=1 -DNE=4 -DMAXV=1"
        echo "none  claim-before-generation $two -DV_CLAIM_FIRST"
    fi
    # claim, save, hand-out
    echo "error look-before-write    $two -DV_LOOK_BEFORE"
    echo "error look-own-first       $two -DV_OWN_FIRST"
    echo "error read-before-claim    $two -DV_READ_FIRST"
    echo "error read-before-look     $three -DMAXV=1 -DV_READ_AT_ONCE"
    echo "error break-stale-claim    $two -DV_BREAK"
    echo "error one-file             $two -DV_ONE_FILE"
    echo "error no-adopt             $two -DV_NO_ADOPT"
    echo "error attempt-late         $two -DV_ATTEMPT_LATE"
    echo "error collect-before-look  $two -DV_GC_EARLY"
    echo "error leftover-unlooked    $two -DV_LEFTOVER_NO_LOOK"
    # late writers
    echo "error rename-unlooked      $two -DV_NO_PRELOOK"
    echo "error prev-linked-late     $two -DV_PREV_LATE"
    echo "error temps-left           $two -DV_TEMPS_LEFT"
    echo "error claims-after-temps   $two -DV_CLAIMS_LATE"
    # finish, remove
    echo "error finish-unlooked      $two -DV_FIN_NO_LOOK"
    echo "error finish-by-name       $anew -DV_FIN_BY_NAME"
    echo "error finish-above         $three -DMAXV=1 -DV_FIN_ABOVE"
    echo "error generation-first     $two -DV_GEN_FIRST"
    echo "error prev-last            $two -DV_PREV_LAST"
    echo "error remove-no-outcome    $two -DV_REMOVE_NO_OUTCOME"
    echo "error letter-after-removal $two -DV_KEPT_LATE"
    echo "error letter-name-taken    $anew -DV_LETTER_SKIP"
    echo "error letter-name-replaced $anew -DV_LETTER_REPLACE"
    # begin, sweep
    echo "error begin-unlooked       $aside -DV_BEGIN_NO_LOOK"
    echo "error begin-looked-late    $aside -DV_BEGIN_NO_LOOK_BEFORE"
    echo "error sweep-unchecked      $aside -DV_SWEEP_NO_CHECK"
}

# Two at a time: the odd lines here, the even ones beside.
all >"$work/list"
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
