# SPDX-License-Identifier: MIT-0
# tables.awk -- prints the figures of the benchmarks (bench.h) as tables
#
#     awk [-v form=markdown] -f tests/bench/tables.awk figures.tsv
#
# A table for each place, table and size, in the order of the file; its rows
# are the variants, its columns the figures. A figure that was measured twice
# has the later value.
BEGIN {
    FS = "\t"
    title["whole"] = "One durable save, everything changes"
    title["whole, process"] = "One save for a killed process, everything changes"
    title["added"] = "One durable save, 1 KiB is added"
    title["added, process"] = "One save for a killed process, 1 KiB is added"
    title["steady"] = "500 durable saves in a row"
    title["turns"] = "A whole run, saved after each turn of 4 KiB"
    title["threads"] = "16 threads, a run each, durable"
    title["life"] = "Beginnings, ends and tool calls, durable"
    title["recover"] = "ckpt_recover of interrupted runs, durable"
    title["beat"] = "Beats, and calls that do nothing yet"
    title["scan"] = "Scans"
    title["memory"] = "Memory of a call, above that of the caller, in bytes"
    title["instructions"] = "User instructions of one durable save"
}

function length_name(n) {
    if (n >= 1048576 && n % 1048576 == 0) return n / 1048576 " MiB"
    if (n >= 1024 && n % 1024 == 0) return n / 1024 " KiB"
    return n " bytes"
}

function heading(place, table, size,   text) {
    text = table in title ? title[table] : table
    if (table == "turns") return text ": " size " turns (" place ")"
    return text ": " length_name(size) " (" place ")"
}

$2 == "bytes" { next }              # for the curves

{
    t = $1 FS $2 FS $3
    if (!(t in rows)) order[++tables] = t
    if (!((t, $4) in row)) row[t, $4] = ++rows[t]
    if (!((t, $5) in column)) column[t, $5] = ++columns[t]
    r = row[t, $4]; c = column[t, $5]
    cell[t, r, 0] = $4; cell[t, 0, c] = $5; cell[t, r, c] = $6
}

function print_table(t,   r, c, n, width, line) {
    for (c = 0; c <= columns[t]; c++) {
        width[c] = 1
        for (r = 0; r <= rows[t]; r++) {
            n = length(cell[t, r, c])
            if (n > width[c]) width[c] = n
        }
    }
    for (r = 0; r <= rows[t]; r++) {
        line = sprintf(form == "markdown" ? "| %-*s" : "%-*s", width[0],
                       cell[t, r, 0])
        for (c = 1; c <= columns[t]; c++)
            line = line sprintf(form == "markdown" ? " | %*s" : "  %*s",
                                width[c], cell[t, r, c])
        print line (form == "markdown" ? " |" : "")
        if (r == 0 && form == "markdown") {
            line = "|---|"
            for (c = 1; c <= columns[t]; c++) line = line "---:|"
            print line
        }
    }
}

END {
    for (i = 1; i <= tables; i++) {
        split(order[i], part, FS)
        line = heading(part[1], part[2], part[3])
        print form == "markdown" ? "\n### " line "\n" : "\n" line
        print_table(order[i])
    }
}
