#!/bin/sh
# SPDX-License-Identifier: MIT-0
# dist.sh -- the archive of a release: sh examples/packaging/dist.sh VERSION DIR
#
# DIR gets ckpt-VERSION.tar.gz, with a copy of stb_sprintf.h in it, its bill of
# materials (SPDX) and SHA256SUMS. The same commit gives the same bytes: names
# are sorted, owners are nobody, and the time is that of the commit, or
# SOURCE_DATE_EPOCH. Needs git and GNU tar.
set -e
cd "$(dirname "$0")/../.."
version=$1 out=$2 name=ckpt-$1
: "${STB:=/usr/include/stb}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export LC_ALL=C TZ=UTC
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git ls-files -z | xargs -0 tar -cf - | (mkdir "$work/$name" &&
    tar -xf - -C "$work/$name")
mkdir "$work/$name/stb"
cp "$STB/stb_sprintf.h" "$work/$name/stb"
# The licence stands at the end of the header; it must lie next to it, too.
awk '/^This software is available under 2 licenses/ { on = 1 }
     /^\*\// { on = 0 } on' "$STB/stb_sprintf.h" >"$work/$name/stb/LICENSE"
[ -s "$work/$name/stb/LICENSE" ]
find "$work/$name" -type d -exec chmod 755 {} +
find "$work/$name" -type f -perm -100 -exec chmod 755 {} +
find "$work/$name" -type f ! -perm -100 -exec chmod 644 {} +
tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
    --numeric-owner --format=ustar -cf - "$name" | gzip -n -9 \
    >"$out/$name.tar.gz"

# SPDX 2.3. Everything in the tree is MIT-0; the copy of stb_sprintf.h is not.
sum() { sha256sum "$1" | cut -d ' ' -f 1; }
stb_version=$(sed -n 's/^\/\/ stb_sprintf - v\([0-9.]*\).*/\1/p' \
    "$STB/stb_sprintf.h")
cat >"$out/$name.spdx.json" <<END
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "$name",
  "documentNamespace": "https://spdx.org/spdxdocs/$name-$(
      sum "$out/$name.tar.gz")",
  "creationInfo": {
    "created": "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)",
    "creators": ["Tool: dist.sh"]
  },
  "packages": [
    {
      "SPDXID": "SPDXRef-ckpt",
      "name": "ckpt",
      "versionInfo": "$version",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "licenseConcluded": "MIT-0",
      "licenseDeclared": "MIT-0",
      "copyrightText": "Copyright 2026 the ckpt authors",
      "checksums": [{ "algorithm": "SHA256",
                      "checksumValue": "$(sum "$out/$name.tar.gz")" }]
    },
    {
      "SPDXID": "SPDXRef-stb-sprintf",
      "name": "stb_sprintf.h",
      "versionInfo": "${stb_version:-NOASSERTION}",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "licenseConcluded": "MIT OR Unlicense",
      "licenseDeclared": "MIT OR Unlicense",
      "copyrightText": "Copyright (c) 2017 Sean Barrett",
      "checksums": [{ "algorithm": "SHA256",
                      "checksumValue": "$(sum "$STB/stb_sprintf.h")" }]
    }
  ],
  "relationships": [
    { "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
      "relatedSpdxElement": "SPDXRef-ckpt" },
    { "spdxElementId": "SPDXRef-ckpt", "relationshipType": "CONTAINS",
      "relatedSpdxElement": "SPDXRef-stb-sprintf" }
  ]
}
END
(cd "$out" && sha256sum "$name.tar.gz" "$name.spdx.json" >SHA256SUMS)
ls "$out"
