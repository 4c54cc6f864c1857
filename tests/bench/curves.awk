# SPDX-License-Identifier: MIT-0
# curves.awk -- draws figures of the benchmarks (bench.h) as SVG
#
#     awk -v picture=cost|bytes [-v place=ext4] -f tests/bench/curves.awk \
#         figures.tsv > picture.svg
#
# cost    time of a durable save that adds 1 KiB, against the length of the
#         transcript; both axes are logarithmic
# bytes   what reached the device, against the turns of a run
#
# Without place it is the first place of the file. The colours can be told apart
# by those who see few, and on a dark page the picture follows its reader.
BEGIN {
    FS = "\t"
    left = 78; top = 64; w = 520; h = 360; right = 190
    split("#999999 #e69f00 #b5651d #0072b2 #56b4e9 #009e73 #cc79a7 #8a63d2",
          color, " ")
    cost = picture == "cost"
    wanted = cost ? "added" : "bytes"
    figure = cost ? "us" : "KiB"
}

$2 != wanted || $5 != figure || $6 == "-" { next }
place == "" { place = $1 }
$1 != place { next }

# More curves could not be told apart.
$4 ~ /tuned|LMDB row/ { next }

{
    if (!($4 in series)) { series[$4] = ++count; name[count] = $4 }
    k = series[$4]
    points[k]++
    at = $3 + 0; value = cost ? $6 + 0 : $6 * 1024
    x[k, points[k]] = at; y[k, points[k]] = value
    if (x_min == "" || at < x_min) x_min = at
    if (at > x_max) x_max = at
    if (value > 0 && (y_min == "" || value < y_min)) y_min = value
    if (value > y_max) y_max = value
}

function px(v) {
    if (cost) return left + w * log(v / x_min) / log(x_max / x_min)
    return left + w * v / x_max
}

function py(v) {
    if (v < y_low) v = y_low
    return top + h - h * log(v / y_low) / log(y_high / y_low)
}

function text(at_x, at_y, anchor, class, what) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s" \
           "</text>\n", at_x, at_y, anchor, class, what
}

function line(x1, y1, x2, y2) {
    printf "<path class=\"grid\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", \
           x1, y1, x2, y2
}

function length_name(n) {
    if (n >= 1048576) return n / 1048576 " MiB"
    return n / 1024 " KiB"
}

function bytes_name(n) {
    if (n >= 1000000000) return n / 1000000000 " GB"
    if (n >= 1000000) return n / 1000000 " MB"
    return n / 1000 " kB"
}

function time_name(us) {
    if (us >= 1000000) return us / 1000000 " s"
    if (us >= 1000) return us / 1000 " ms"
    return us " us"
}

# Labels stand at the ends of their curves, one below the other.
function place_labels(   i, j, k, n, gap) {
    gap = 16
    for (k = 1; k <= count; k++) {
        label[k] = py(y[k, points[k]])
        for (n = k - 1; n > 0 && label[sorted[n]] > label[k]; n--)
            sorted[n + 1] = sorted[n]
        sorted[n + 1] = k
    }
    for (i = 2; i <= count; i++) {
        j = sorted[i - 1]; k = sorted[i]
        if (label[k] < label[j] + gap) label[k] = label[j] + gap
    }
    n = label[sorted[count]] - (top + h)
    for (i = count; i >= 1 && n > 0; i--) {
        label[sorted[i]] -= n
        if (i > 1) n = label[sorted[i - 1]] + gap - label[sorted[i]]
    }
}

function head() {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" " \
           "font-family=\"system-ui,sans-serif\" font-size=\"13\">\n", \
           left + w + right, top + h + 56
    print "<style>"
    print ".back{fill:#ffffff}.ink{fill:#1f2328}.soft{fill:#59636e}"
    print ".strong{fill:#1f2328;font-size:16px;font-weight:600}"
    print ".grid{stroke:#d1d9e0;stroke-width:1;fill:none}"
    print ".curve{stroke-width:2;fill:none;stroke-linejoin:round}"
    print ".ours{stroke-width:3.5}.oursname{font-weight:600}"
    print "@media (prefers-color-scheme:dark){.back{fill:#0d1117}"
    print ".ink,.strong{fill:#f0f6fc}.soft{fill:#9198a1}"
    print ".grid{stroke:#3d444d}}"
    print "</style>"
    print "<rect class=\"back\" width=\"100%\" height=\"100%\"/>"
}

function axes(   v, i, step) {
    for (v = y_low; v <= y_high * 1.001; v *= 10) {
        line(left, py(v), left + w, py(v))
        text(left - 8, py(v) + 4, "end", "soft", \
             cost ? time_name(v) : bytes_name(v))
    }
    if (cost) {
        for (i = 1; i <= points[1]; i++) {
            v = x[1, i]
            line(px(v), top, px(v), top + h)
            text(px(v), top + h + 20, "middle", "soft", length_name(v))
        }
        return
    }
    step = x_max / 5
    for (v = step; v <= x_max; v += step) {
        line(px(v), top, px(v), top + h)
        text(px(v), top + h + 20, "middle", "soft", int(v + 0.5))
    }
}

function curve(k,   i, d, ours, rgb) {
    ours = name[k] ~ /^ckpt/
    rgb = color[(k - 1) % 8 + 1]
    for (i = 1; i <= points[k]; i++)
        d = d sprintf("%s%.1f %.1f", i == 1 ? "M" : "L", px(x[k, i]), \
                      py(y[k, i]))
    printf "<path class=\"curve%s\" stroke=\"%s\" d=\"%s\"%s/>\n", \
           ours ? " ours" : "", rgb, d, \
           name[k] ~ /^floor/ ? " stroke-dasharray=\"5 4\"" : ""
    printf "<path stroke=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", rgb, \
           left + w, py(y[k, points[k]]), left + w + 10, label[k]
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" " \
           "fill=\"%s\"/>\n", left + w + 12, label[k] - 5, rgb
    text(left + w + 27, label[k] + 5, "start", \
         "ink" (ours ? " oursname" : ""), name[k])
}

END {
    if (count == 0) {
        print "curves.awk: no figures of " wanted > "/dev/stderr"
        exit 1
    }
    y_low = 10 ^ int(log(y_min) / log(10) + 1e-9)
    if (y_low > y_min) y_low /= 10
    for (y_high = y_low * 10; y_high < y_max; y_high *= 10) { }
    place_labels()
    head()
    text(left, 26, "start", "strong", cost ? \
         "Cost of a durable save that adds 1 KiB" : \
         "Bytes that a run has written to the device")
    text(left, 46, "start", "soft", cost ? \
         "median, by length of the transcript, on " place : \
         "one durable save after each turn of 4 KiB, on " place)
    axes()
    text(left + w / 2, top + h + 44, "middle", "soft", cost ? \
         "length of the transcript" : "turns")
    for (k = 1; k <= count; k++) curve(k)
    print "</svg>"
}
