#!/bin/sh
# SPDX-License-Identifier: MIT-0
# state.sh -- what a result depends on, as a name; to be read in with "."
#
# state_of FILE...: a name for the contents of files. Of C it is the code
# alone, so that what a comment says makes no result old.
state_of() {
    for file in "$@"; do
        case $file in
        *.[ch]) "${AWK:-awk}" -f tests/tools/form/code.awk "$file" | grep . ;;
        *)      cat "$file" ;;
        esac
    done | cksum | tr ' ' -
}
