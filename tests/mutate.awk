# mutate.awk -- the safety lines of the headers, and the headers without one
#
#     awk -f tests/mutate.awk HEADER...                          lists them
#     awk -v apply="3 7" -v dir=D -f tests/mutate.awk HEADER...  writes D/HEADER
#
# See tests/mutate.sh for what the tags mean. A line of the list is the number,
# a tab, the function, a tab and the mutation. Ends with status 1 where a tag
# does not fit its line any more.

function fail(i, why) {
    printf "%s: %s: %s\n", at[i], why, line[i] >"/dev/stderr"
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

function count(text, c,    n, s) {
    n = 0
    for (s = text; index(s, c) > 0; s = substr(s, index(s, c) + 1)) {
        n++
    }
    return n
}

# The last line of the statement that begins in line i. The blocks of an else
# belong to it.
function statement_end(i,    k, text, parens, braces, block) {
    parens = braces = 0
    block = line[i] ~ /^ *(if|for|while) /
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
        if (index(bare(line[k]), text) > 0 || index(line[k], text) > 0) {
            if (line[k] !~ /^ *\/\//) {
                return k
            }
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
function condition(i, what,    k, from, n, c, depth, text) {
    from = match(line[i], /(if|while) \(/) ? RSTART + RLENGTH : 0
    if (from == 0) {
        fail(i, "no condition")
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
    fail(i, "no end of the condition")
}

# Replaces a by b in line i; "..." in a stands for anything.
function replace(i, a, b,    from, n, dots, rest, text) {
    text = line[i]
    dots = index(a, "...")
    if (dots == 0) {
        from = index(text, a)
        n = length(a)
    } else {
        from = index(text, substr(a, 1, dots - 1))
        rest = substr(a, dots + 3)
        n = index(substr(text, from + dots - 1), rest)
        if (rest == "") {
            n = length(text) - from + 1
        } else if (n > 0) {
            n += dots - 2 + length(rest)
        }
    }
    if (from == 0 || n == 0) {
        fail(i, "nothing to replace")
        return
    }
    line[i] = substr(text, 1, from - 1) b substr(text, from + n)
}

function mutate(i, how,    k, end, arrow) {
    sub(/^\[[^]]*\] /, "", how)
    end = statement_end(i)
    arrow = index(how, " ->")
    if (how == "drop") {
        for (k = i; k <= end; k++) {
            line[k] = k == i ? ";" : ""
        }
    } else if (how == "never" || how == "always") {
        condition(i, how)
    } else if (how ~ /^before /) {
        k = find(i, -1, substr(how, 8))
        if (k > 0) { move(i, end, k) } else { fail(i, "nothing before") }
    } else if (how ~ /^after /) {
        k = find(end, 1, substr(how, 7))
        if (k > 0) { move(i, end, k + 1) } else { fail(i, "nothing behind") }
    } else if (arrow > 0) {
        replace(i, substr(how, 1, arrow - 1), substr(how, arrow + 4))
    } else {
        fail(i, "unknown mutation")
    }
}

# A tag on line i. Those of one function that have the same [label] are one.
function tag(i, how,    name) {
    name = of[i] "\t" how
    if (how ~ /^\[/) {
        name = of[i] "\t" substr(how, 1, index(how, "]"))
    } else if (name in seen) {
        name = name " #" ++times[name]
    }
    if (!(name in seen)) {
        if (of[i] "\t" how == name) {
            times[name] = 1
        }
        seen[name] = ++tags
        if (apply == "") {
            print tags "\t" name
        }
    }
    if ((" " apply " ") ~ (" " seen[name] " ")) {
        todo_at[++todos] = i
        todo[todos] = how
    }
}

{
    line[++lines] = $0
    at[lines] = FILENAME ":" FNR
    if (FNR == 1) {
        first[++files] = lines
        name_of[files] = FILENAME
        current = ""
    }
    if ($0 ~ /^[a-zA-Z].*\(/ && $0 !~ /;$/ && $0 !~ /^(typedef|enum|struct)/) {
        current = $0
        sub(/\(.*/, "", current)
        sub(/.*[ *]/, "", current)
        sub(/^ckpt__/, "", current)
    }
    of[lines] = current
}

END {
    for (i = 1; i <= lines; i++) {
        if (match(line[i], /\/\/ safe: /) == 0) {
            continue
        }
        how = substr(line[i], RSTART + RLENGTH)
        for (k = i; line[k] ~ /^ *\/\/ safe: /; ) {
            k++
        }
        tag(k, how)
    }
    # Tags are comments; they would stand in the way of what is moved.
    for (i = 1; i <= lines; i++) {
        sub(/ *\/\/ safe: .*/, "", line[i])
    }
    for (i = todos; i > 0; i--) {
        mutate(todo_at[i], todo[i])
    }
    first[files + 1] = lines + 1
    for (k = 1; k <= files && apply != "" && !failed; k++) {
        sub(/.*\//, "", name_of[k])
        for (i = first[k]; i < first[k + 1]; i++) {
            print line[i] >(dir "/" name_of[k])
        }
    }
    exit failed
}
