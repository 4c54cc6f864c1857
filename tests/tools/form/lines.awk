# SPDX-License-Identifier: MIT-0
# lines.awk -- code lines of a header: those that are neither empty nor comment
#
#     awk -v most=4550 -f lines.awk HEADER
#
# Fails above most, and if a section of the implementation has above 500.

# Adds the code of a line, or of a part of it.
function scan(text,    i, k) {
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    gsub(/'([^'\\]|\\.)'/, "0", text)
    while (length(text) > 0) {
        if (inside) {
            i = index(text, "*/")
            if (i == 0) {
                return
            }
            text = substr(text, i + 2)
            inside = 0
        }
        i = index(text, "/*")
        k = index(text, "//")
        if (k > 0 && (i == 0 || k < i)) {
            code = code substr(text, 1, k - 1)
            return
        }
        code = code (i > 0 ? substr(text, 1, i - 1) : text)
        inside = i > 0
        text = i > 0 ? substr(text, i + 2) : ""
    }
}

/^\/\/--- Implementation/ { implementation = 1 }
/^\/\/--- / {
    section = $0
    gsub(/^\/\/--- | -+$/, "", section)
}
{
    code = ""
    scan($0)
    if (code !~ /^[ \t]*$/) {
        all++
        lines[section] += implementation
    }
}
END {
    for (section in lines) {
        if (lines[section] > 500) {
            print section ": " lines[section] " code lines"
            bad = 1
        }
    }
    print all " code lines, of at most " most
    exit bad || all > most || all < 100
}
