#!/bin/sh
# SPDX-License-Identifier: MIT-0
# jsonsuite.sh -- the JSON reader over the public JSON test suite
#
#     sh tests/fuzz/jsonsuite.sh DIRECTORY
#
# The directory has its files y_*.json, n_*.json and i_*.json (as the
# test_parsing of nst/JSONTestSuite); they are not part of this project. The
# last line is "N passed, N failed".
case $1 in
/*) dir=$1 ;;
?*) dir=$(pwd)/$1 ;;
*)  echo "usage: sh tests/fuzz/jsonsuite.sh DIRECTORY" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.." || exit 1
: "${CC:=cc}" "${B:=build}"
mkdir -p "$B/fuzz" || exit 1
"$CC" -std=c99 -Wall -Wextra -Wpedantic -I. -O1 -g -o "$B/fuzz/jsonsuite" \
    tests/fuzz/jsonsuite.c || exit 1
exec "$B/fuzz/jsonsuite" "$dir"/*.json
