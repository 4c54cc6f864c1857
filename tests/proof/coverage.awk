# SPDX-License-Identifier: MIT-0
# coverage.awk -- the outcomes of conditions that no test reaches
#
#     awk -v table=tests/proof/coverage.txt -f tests/proof/coverage.awk \
#         EXPORT HEADER...
#
# EXPORT is what "llvm-cov export -skip-expansions" prints, with a new line
# before each "[". A condition is a part of an if, a loop, ?:, && or ||; it has
# two outcomes, true and false. A case of a switch is one condition.
# See tests/proof/coverage.sh; prints its findings and its last line.

# Of "line, column, line, column, true, false, ..." the place; counts both.
function condition(text,    f) {
    split(text, f, ",")
    key = f[1] SUBSEP f[2] SUBSEP f[3] SUBSEP f[4]
    if (!(key in yes)) {
        order[++keys] = key
    }
    yes[key] += f[5]
    no[key] += f[6]
}

# What stands from one place of the source to another.
function source(name, key,    f, i, text, part) {
    split(key, f, SUBSEP)
    for (i = f[1]; i <= f[3]; i++) {
        part = line[name, i]
        if (i == f[3]) {
            part = substr(part, 1, f[4] - 1)
        }
        part = i == f[1] ? substr(part, f[2]) : part
        sub(/^ +/, "", part)
        sub(/ *\/\/.*/, "", part)
        text = text (text == "" ? "" : " ") part
    }
    return text
}

# The function that line belongs to: the last name before "(" at the margin.
function owner(name, i,    text) {
    for (; i > 0; i--) {
        text = line[name, i]
        if (text ~ /^[a-zA-Z].*\(/ && text !~ /;$/) {
            sub(/\(.*/, "", text)
            sub(/.*[ *]/, "", text)
            return text
        }
    }
    return "?"
}

# One outcome: reached, or in the table, or a finding.
function outcome(name, key, what, count,    f, entry) {
    entry = owner(name, key + 0) " | " source(name, key) " | " what
    if (count > 0) {
        reached++
        taken[entry] = 1
    } else if (listed[entry] < rows[entry]) {
        listed[entry]++
    } else if (refused > 0 && entry ~ /^ckpt__sys_/) {
        printf "skip   %s -- tests were skipped here\n", entry
        excused++
    } else {
        split(key, f, SUBSEP)
        printf "FAILED %s:%s: never %s: %s\n", name, f[1], what, entry
        missing++
    }
}

function file(path,    name, i, n, k) {
    for (i = 2; i < ARGC; i++) {
        name = ARGV[i]
        n = length(path) - length(name)
        if (n >= 0 && substr(path, n + 1) == name) {
            files[name] = 1
            for (k = 1; k <= keys; k++) {
                found[name, k] = order[k]
                count_yes[name, k] = yes[order[k]]
                count_no[name, k] = no[order[k]]
            }
            total[name] = keys
        }
    }
    keys = 0
    split("", yes); split("", no)
}

BEGIN {
    while ((getline text <table) > 0) {
        n = index(text, " -- ")
        if (text !~ /^#/ && n > 0) {
            entry = substr(text, 1, n - 1)
            sub(/ +$/, "", entry)
            reason[entry] = substr(text, n + 4)
            rows[entry]++
        }
    }
}

FILENAME != ARGV[1] { line[FILENAME, FNR] = $0; next }
over { next }
# nine numbers; segments have fewer, and words
/^\[[0-9]+,[0-9]+,[0-9]+,[0-9]+,[0-9]+,[0-9]+,[0-9]+,/ {
    condition(substr($0, 2))
}
/"filename":/ {
    text = $0
    sub(/.*"filename":"/, "", text)
    sub(/".*/, "", text)
    file(text)
}
/"functions":$/ { over = 1 }

END {
    for (name in files) {
        for (n = 1; n <= total[name]; n++) {
            outcome(name, found[name, n], "true", count_yes[name, n])
            outcome(name, found[name, n], "false", count_no[name, n])
        }
    }
    for (entry in reason) {
        excused += listed[entry]
        if (listed[entry] == rows[entry] || refused > 0 ||
            (entry in taken && entry ~ /^ckpt__sys_/)) {    # systems differ
            printf "skip   %s -- %s\n", entry, reason[entry]
        } else {
            printf "FAILED is in the table, and %s: %s\n", \
                entry in taken ? "was reached" : "not in the headers", entry
            missing++
        }
    }
    printf "%d of %d outcomes of conditions reached, %d more are listed\n", \
        reached, reached + missing + excused, excused
    printf "%d passed, %d failed\n", reached, missing
}
