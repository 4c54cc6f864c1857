# SPDX-License-Identifier: MIT-0
# mutate.awk -- the headers with mutations of tests/proof/mutants.txt
#
#     awk -f mutate.awk LIST HEADER...                        lists the mutants
#     awk -v apply="3 7" -v dir=D -f mutate.awk LIST HEADER...   writes D/HEADER
#     awk -v sample=N -v seed=S -f mutate.awk LIST HEADER...  N mutants of any
#                              lines, drawn, as a list like LIST
#
# A line of the first is the number, a tab, the entry without what it protects,
# a tab, and the numbers of what covers it. Ends with status 1 where an entry
# does not fit exactly one place, says not what it protects, or is missing.

function fail(what, why) {
    if (drawing) {
        return
    }
    printf "%s: %s\n", what, why >"/dev/stderr"
    failed = 1
}

# Code without its comment, and with what is quoted replaced: for counting.
function bare(text) {
    gsub(/\\\\/, "", text)
    gsub(/\\"/, "", text)
    gsub(/'\\?.'/, "0", text)
    gsub(/"[^"]*"/, "0", text)
    sub(/\/\/.*/, "", text)
    return text
}

function count(text, part,    n, at) {
    n = 0
    while ((at = index(text, part)) > 0) {
        n++
        text = substr(text, at + length(part))
    }
    return n
}

# The last line of the statement that begins in line i. The blocks of an else
# belong to it.
function statement_end(i,    k, text, parens, braces, block) {
    parens = braces = 0
    block = line[i] ~ /^ *(if|for|while|do|switch) /
    for (k = i; k <= lines; k++) {
        text = bare(line[k])
        parens += count(text, "(") - count(text, ")")
        braces += count(text, "{") - count(text, "}")
        if (parens == 0 && braces == 0 &&
            (text ~ /; *$/ || (block && text ~ /} *$/))) {
            return k
        }
    }
    return lines
}

# The line in the same function, from i in steps, that has that text in it.
function find(i, step, text,    k) {
    for (k = i + step; of[k] == of[i] && k > 0 && k <= lines; k += step) {
        if (index(line[k], text) > 0 && line[k] !~ /^ *\/\//) {
            return k
        }
    }
    return 0
}

# Moves the lines from..to so that they stand before line k.
function move(from, to, k,    i, text) {
    for (i = from; i <= to; i++) {
        text = text (i > from ? "\n" : "") line[i]
        line[i] = ""
    }
    line[k] = text "\n" line[k]
}

# Puts all of the condition in line i into cond && 0, or cond || 1.
function condition(i, what, name,    k, from, n, c, depth, text) {
    from = match(line[i], /(if|while) \(/) ? RSTART + RLENGTH : 0
    if (from == 0) {
        fail(name, "no condition")
        return
    }
    depth = 1
    for (k = i; k <= lines; k++) {
        text = k == i ? substr(line[k], from) : line[k]
        for (n = 1; n <= length(text); n++) {
            c = substr(text, n, 1)
            if (c == "'") {                     # a character, maybe escaped
                n += substr(text, n + 1, 1) == "\\" ? 3 : 2
                continue
            }
            if (c == "/" && substr(text, n, 2) == "//") {
                break
            }
            depth += (c == "(") - (c == ")")
            if (depth == 0) {
                text = substr(text, 1, n - 1) ")" substr(text, n)
                line[k] = k == i ? substr(line[k], 1, from - 1) text : text
                line[i] = substr(line[i], 1, from - 1) \
                    (what == "never" ? "0 && (" : "1 || (") \
                    substr(line[i], from)
                return
            }
        }
    }
    fail(name, "no end of the condition")
}

# Where the text of an entry stands: the line, or 0 and why.
function place(e,    i, text, begins, n, found, code) {
    text = text_of[e]
    begins = text ~ /^\^/
    sub(/^\^/, "", text)
    for (i = 1; i <= lines; i++) {
        if (of[i] != function_of[e] || line[i] ~ /^ *\/\//) {
            continue
        }
        code = line[i]
        sub(/ *\/\/.*/, "", code)
        sub(/^ */, "", code)
        if (begins ? index(code, text) == 1 : index(code, text) > 0) {
            n += begins ? 1 : count(code, text)
            found = i
        }
    }
    if (n != 1) {
        fail(entry[e], "fits " n + 0 " places instead of one")
        return 0
    }
    return found
}

function mutate(e,    i, k, end, how, text, at) {
    i = where[e]
    how = how_of[e]
    text = text_of[e]
    sub(/^\^/, "", text)
    end = statement_end(i)
    if (how == "drop") {
        for (k = i; k <= end; k++) {
            line[k] = k == i ? ";" : ""
        }
    } else if (how == "never" || how == "always") {
        condition(i, how, entry[e])
    } else if (how ~ /^before /) {
        k = find(i, -1, substr(how, 8))
        if (k > 0) { move(i, end, k) } else { fail(entry[e], "not before") }
    } else if (how ~ /^after /) {
        k = find(end, 1, substr(how, 7))
        if (k > 0) { move(i, end, k + 1) } else { fail(entry[e], "not behind") }
    } else {                                    # -> B
        at = index(line[i], text)
        line[i] = substr(line[i], 1, at - 1) substr(how, 4) \
            substr(line[i], at + length(text))
    }
}

# Cuts "function | text | mutation" into its three parts.
function parts(text, e,    bar) {
    bar = index(text, " | ")
    function_of[e] = substr(text, 1, bar - 1)
    text = substr(text, bar + 3)
    bar = index(text, " | ")
    text_of[e] = substr(text, 1, bar - 1)
    how_of[e] = substr(text, bar + 3)
    if (how_of[e] !~ /^(drop|never|always|(before|after) .*|->( .*)?)$/) {
        fail(text, "unknown mutation")
    }
}

# A mutant of line i that is no safety line: the condition, a comparison, a
# number or the whole statement. "" where there is nothing to change.
function ordinary(i,    code, pick) {
    code = line[i]
    sub(/ *\/\/.*/, "", code)
    sub(/^ */, "", code)
    pick = int(rand() * 3)
    if (code ~ /^(if|while) \(/ && pick > 0) {
        return code " | " (pick == 1 ? "never" : "always")
    }
    if (match(code, / (==|!=|<|<=|>|>=|&&|\|\|) /)) {
        pick = substr(code, RSTART, RLENGTH)
        return code " | -> " substr(code, 1, RSTART - 1) \
            opposite[pick] substr(code, RSTART + RLENGTH)
    }
    if (match(code, / [-+] [0-9]/)) {
        return code " | -> " substr(code, 1, RSTART) \
            (substr(code, RSTART + 1, 1) == "+" ? "-" : "+") \
            substr(code, RSTART + 2)
    }
    if (code ~ /^return [a-z_A-Z(]/ && code ~ /;$/ &&
        code !~ /^return (CKPT_OK|NULL|false);/) {
        return code " | -> return 0;"
    }
    if (code ~ /^[a-z(*_>.\[\]A-Z0-9-]+ ?(=|\+=|\|=|\()/ && code ~ /;$/ &&
        code !~ /^(return|const|static|char|int|uint|size_t|bool|ckpt)/ ) {
        return code " | drop"
    }
    if (code ~ /^(\(void\)!?)?ckpt__[a-z_]+\(.*;$/) {
        return code " | drop"
    }
    return ""
}

function draw(n, seed,    i, e, what, tries) {
    srand(seed)
    opposite[" == "] = " != "; opposite[" != "] = " == "
    opposite[" < "] = " <= "; opposite[" <= "] = " < "
    opposite[" > "] = " >= "; opposite[" >= "] = " > "
    opposite[" && "] = " || "; opposite[" || "] = " && "
    for (e in where) {
        marked[where[e]] = 1
    }
    drawing = 1
    for (tries = 0; n > 0 && tries < 100000; tries++) {
        i = 1 + int(rand() * lines)
        if (of[i] == "" || (i in marked) || line[i] ~ /CKPT_ASSERT/) {
            continue
        }
        what = ordinary(i)
        if (what == "" || what ~ / \| .* \| /) {
            continue
        }
        e = "drawn"
        entry[e] = of[i] " | " what
        parts(entry[e], e)
        if (place(e) == i) {
            marked[i] = 1
            n--
            print entry[e] " -- drawn"
        }
    }
}

FNR == 1 { files++ }

# The list.
files == 1 && /^needs / {
    for (n = 2; n <= NF; n++) {
        needs[$n] = 1
    }
    next
}
files == 1 && (/^#/ || /^ *$/) { next }
files == 1 {
    text = $0
    covers = sub(/^    covered by /, "", text)
    n = match(text, / -- [^|]*$/)
    why = n > 0 ? substr(text, n + 4) : ""
    if (why == "") {
        fail(text, "does not say what it protects")
    }
    text = n > 0 ? substr(text, 1, n - 1) : text
    if (covers) {
        by[entries] = by[entries] (by[entries] != "" ? "\034" : "") text
        next
    }
    if (text in number) {
        fail(text, "stands twice")
    }
    entry[++entries] = text
    number[text] = entries
    parts(text, entries)
    delete needs[function_of[entries]]
    next
}

{
    line[++lines] = $0
    if (FNR == 1) {
        first[files - 1] = lines
        name_of[files - 1] = FILENAME
        current = ""
    }
    if ($0 ~ /^[a-zA-Z].*\(/ && $0 !~ /;$/ && $0 !~ /^(typedef|enum|struct)/) {
        current = $0
        sub(/\(.*/, "", current)
        sub(/.*[ *]/, "", current)
        sub(/^ckpt__/, "", current)
    } else if ($0 ~ /^#define CKPT__[A-Z_]+\(/) {
        current = $0
        sub(/\(.*/, "", current)
        sub(/^#define CKPT__/, "", current)
    }
    of[lines] = current
    # A function ends with a brace, a macro with a line that does not go on.
    if ($0 ~ /^}/ || (current ~ /^[A-Z_]+$/ && $0 !~ /\\$/)) {
        current = ""
    }
}

END {
    for (name in needs) {
        fail(name, "has no entry")
    }
    for (e = 1; e <= entries; e++) {
        where[e] = place(e)
        n = split(by[e], other, "\034")
        covered[e] = ""
        for (k = 1; k <= n; k++) {
            if (!(other[k] in number)) {
                fail(other[k], "covers another one, and has no entry")
            }
            covered[e] = covered[e] " " number[other[k]]
        }
    }
    if (failed) {
        exit 1
    }
    if (sample > 0) {
        draw(sample, seed)
        exit 0
    }
    if (apply == "") {
        for (e = 1; e <= entries; e++) {
            print e "\t" entry[e] "\t" covered[e]
        }
        exit 0
    }
    n = split(apply, todo, " ")
    for (k = 1; k <= n; k++) {
        mutate(todo[k])
    }
    first[files] = lines + 1
    for (k = 1; k < files && !failed; k++) {
        sub(/.*\//, "", name_of[k])
        for (i = first[k]; i < first[k + 1]; i++) {
            print line[i] >(dir "/" name_of[k])
        }
    }
    exit failed
}
