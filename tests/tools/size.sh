#!/bin/sh
# SPDX-License-Identifier: MIT-0
# size.sh -- how large the core is on a Cortex-M4, and other figures
#
# Fails when the code and the constants of the core are larger there than they
# are today, with all parts or without those that can be left out, or when the
# core has writable data. Truth costs: names are compared by their text, and
# nothing is done twice or lost.
cd "$(dirname "$0")/../.." || exit 1
: "${CC:=cc}" "${STB:=/usr/include/stb}" "${B:=build}" "${ARM:=arm-none-eabi-}"
max=38656 max_least=29760
left_out="-DCKPT_NO_SUPERVISING -DCKPT_NO_ENVIRONMENTS -DCKPT_NO_NOTE
          -DCKPT_NO_DOUBLES"
work=$B/size
mkdir -p "$work" || exit 1
for tool in "$CC" "${ARM}gcc"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "size: no $tool"; exit 1; }
done
arm="${ARM}gcc -mcpu=cortex-m4 -mthumb -std=c99 -Os -ffreestanding
     -ffunction-sections -fdata-sections -I. -I$STB"

printf '%s\n' '#define CKPT_IMPLEMENTATION' '#include "ckpt.h"' \
    >"$work/core.c" || exit 1
# shellcheck disable=SC2086
$arm -c -o "$work/core.o" "$work/core.c" || exit 1
"${ARM}size" -A "$work/core.o" | awk -v max="$max" '
    /^\.text/       { text += $2 }
    /^\.rodata/     { constants += $2 }
    /^\.(data|bss)/ { data += $2 }
    END {
        sum = text + constants
        printf "core, Cortex-M4 -Os      %6d bytes, of at most %d\n", sum, max
        printf "  code                   %6d bytes\n", text
        printf "  constants              %6d bytes\n", constants
        printf "  writable data          %6d bytes\n", data
        exit text == 0 || sum > max || data > 0
    }'
fits=$?
# shellcheck disable=SC2086
$arm $left_out -c -o "$work/least.o" "$work/core.c" || exit 1
"${ARM}size" -A "$work/least.o" | awk -v max="$max_least" '
    /^\.(text|rodata)/ { sum += $2 }
    END {
        printf "  without its parts      %6d bytes, of at most %d\n", sum, max
        exit sum == 0 || sum > max
    }' || fits=1

# What is left of it in a program that uses the everyday functions only.
cat >"$work/everyday.c" <<'END'
#include "ckpt.h"
int everyday(ckpt_ctx *ctx, ckpt_run *run, void *buf);
int everyday(ckpt_ctx *ctx, ckpt_run *run, void *buf)
{
    static ckpt_store store;
    ckpt_desc desc = { .store = &store };
    ckpt_run_desc run_desc = { .id = "a" };
    ckpt_save_desc save = { .turn = 1 };
    ckpt_checkpoint last;
    store = ckpt_store_none();
    return ckpt_init(ctx, &desc) | ckpt_open(ctx, run, &run_desc) |
           ckpt_load(run, &last, buf, 4096) | ckpt_due(run, 1) |
           ckpt_save(run, &save) | ckpt_beat(run) |
           ckpt_finish(run, CKPT_COMPLETED, NULL);
}
END
# shellcheck disable=SC2086
if $arm -c -o "$work/everyday.o" "$work/everyday.c" &&
   $arm -nostartfiles -Wl,--gc-sections -Wl,-e,everyday -o "$work/everyday" \
       "$work/everyday.o" "$work/core.o" -lc -lgcc 2>"$work/log"; then
    "${ARM}size" -A "$work/everyday" | awk '
        /^\.(text|rodata)/ { sum += $2 }
        END { printf "  everyday functions only %5d bytes, with the C " \
                     "library\n", sum }'
else
    cat "$work/log"
    fits=1
fi

echo '#include "ckpt.h"
char size_of_run[sizeof(ckpt_run)]; char size_of_ctx[sizeof(ckpt_ctx)];' \
    >"$work/sizes.c"
# shellcheck disable=SC2086
$arm -c -o "$work/arm.o" "$work/sizes.c" || exit 1
"$CC" -I. -c -o "$work/host.o" "$work/sizes.c" || exit 1
for of in run ctx; do
    for on in arm host; do
        n=$(nm -S -t d "$work/$on.o" 2>/dev/null |
            awk -v of="size_of_$of" '$4 == of { print $2 + 0 }')
        printf 'sizeof(ckpt_%s), %-9s%6d bytes\n' $of $on "$n"
    done
done
exit $fits
