# SPDX-License-Identifier: MIT-0
# code.awk -- C without its comments, or with -v comments=1 the comments alone
#
# Line numbers stay: what is left out leaves an empty line.
{
    out = ""; said = ""; quote = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (inside) {
            if (two == "*/") { inside = 0; i++ } else said = said c
        } else if (quote != "") {
            out = out c
            if (c == "\\") { i++; out = out substr($0, i, 1) }
            else if (c == quote) quote = ""
        } else if (two == "/*") { inside = 1; i++; out = out " " }
        else if (two == "//") { said = said substr($0, i + 2); break }
        else { if (c == "\"" || c == "'") quote = c; out = out c }
    }
    sub(/[ \t]+$/, "", out)
    print comments ? said : out
}
