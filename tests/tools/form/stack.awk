# SPDX-License-Identifier: MIT-0
# stack.awk -- the deepest stack of a file, from gcc -fcallgraph-info=su
#
#     awk -v max=1024 -f stack.awk ckpt.h core.ci
#
# Adds up frames along every chain of calls, and fails for a sum above max,
# for recursion and for frames without a bound. A call through a pointer goes
# to a store or a callback of the caller, whose stack is theirs, or to a static
# function that is called in no other way; the deepest of these is added: of
# the methods of the store that keeps nothing where the source line names
# methods, else of the others.
function quoted(key,    s) {
    s = $0
    if (!sub(".*" key ": \"", "", s)) return ""
    sub(/".*/, "", s)
    return s
}
FNR == NR { source[FNR] = $0; next }
/^node:/ {
    name = quoted("title")
    label = quoted("label")
    if (match(label, /[0-9]+ bytes \([a-z,]+\)/)) {
        what = substr(label, RSTART, RLENGTH)
        frame[name] = what + 0
        if (what ~ /\(dynamic\)/) { print name ": no bound"; bad = 1 }
        names[++count] = name
    }
}
/^edge:/ {
    from = quoted("sourcename"); to = quoted("targetname")
    if (to == "__indirect_call") {
        n = split(quoted("label"), at, ":")
        to = source[at[n - 1]] ~ /methods->/ ? "(store)" : "(callback)"
    }
    if (!seen[from, to]++) calls[from] = calls[from] SUBSEP to
    if (from != to) called[to] = 1
}
function depth(f,    list, n, i, d, best, next_) {
    if (f in done) return done[f]
    if (!(f in frame) && f !~ /^[(]/) return 0
    if (busy[f]) { print "recursion: " f; bad = 1; return 0 }
    busy[f] = 1
    best = 0; next_ = ""
    n = split(f in pointed ? pointed[f] : calls[f], list, SUBSEP)
    for (i = 1; i <= n; i++) {
        if (list[i] == "") continue
        d = depth(list[i])
        if (d > best) { best = d; next_ = list[i] }
    }
    busy[f] = 0
    then[f] = next_
    return done[f] = frame[f] + best
}
END {
    for (i = 1; i <= count; i++)
        if (names[i] ~ /:/ && !(names[i] in called)) {
            to = names[i] ~ /__none_/ ? "(store)" : "(callback)"
            pointed[to] = pointed[to] SUBSEP names[i]
        }
    for (i = 1; i <= count; i++) {
        d = depth(names[i])
        if (d > deepest) { deepest = d; top = names[i] }
        if (names[i] !~ /:/ && d > max) {
            over++
            line = sprintf("%6d %s", d, names[i])
            for (f = then[names[i]]; f != ""; f = then[f]) {
                title = f; sub(/.*:/, "", title)
                line = line " > " title " (" frame[f] + 0 ")"
            }
            print line
        }
    }
    if (count == 0) { print "no call graph"; exit 1 }
    title = top; sub(/.*:/, "", title)
    print deepest " bytes in " title ", of at most " max \
          (over ? "; " over " functions above" : "")
    exit bad || deepest > max
}
