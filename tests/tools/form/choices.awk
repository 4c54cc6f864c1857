# SPDX-License-Identifier: MIT-0
# choices.awk -- statements that have more than one ?:
#
#     awk -f choices.awk SOURCE...

function scan(text,    i, c) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "?" && ++choices == 1) {
            at = FNR
        }
        if (c == ";" || c == "{" || c == "}") {
            if (choices > 1) {
                print FILENAME ":" at ": " choices " choices in a statement"
                bad = 1
            }
            choices = 0
        }
    }
}

FNR == 1 { inside = 0 }
{
    text = $0
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    gsub(/'([^'\\]|\\.)'/, "0", text)
    while (length(text) > 0) {
        if (inside) {
            i = index(text, "*/")
            text = i > 0 ? substr(text, i + 2) : ""
            inside = i == 0
            continue
        }
        i = index(text, "/*")
        k = index(text, "//")
        if (k > 0 && (i == 0 || k < i)) {
            text = substr(text, 1, k - 1)
            i = 0
        }
        scan(i > 0 ? substr(text, 1, i - 1) : text)
        inside = i > 0
        text = i > 0 ? substr(text, i + 2) : ""
    }
}
END { exit bad }
