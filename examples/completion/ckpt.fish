# SPDX-License-Identifier: MIT-0
# Completion of ckpt(1) for fish.
set -l commands ls top show why watch verify metrics report export import \
    retry rm prune sweep help
set -l states live stalled interrupted exhausted failed done finished damaged \
    newer unreadable foreign busy
set -l with_ids show why watch verify export retry rm
complete -c ckpt -f
complete -c ckpt -s C -l dir -xa '(__fish_complete_directories)' -d 'The store'
complete -c ckpt -s j -l json -d 'One JSON object a line'
complete -c ckpt -l color -xa 'auto always never' -d 'Colour'
complete -c ckpt -l lease -x -d 'Lease of the programs'
complete -c ckpt -l resume-max -x -d 'Attempts of the programs'
complete -c ckpt -s h -l help -d 'Print a summary'
complete -c ckpt -s V -l version -d 'Print the version'
complete -c ckpt -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c ckpt -n "__fish_seen_subcommand_from $with_ids" \
    -a '(ckpt ls -q 2>/dev/null)'
complete -c ckpt -n '__fish_seen_subcommand_from ls top watch report' \
    -s s -l state -xa "$states" -d 'Only these states'
complete -c ckpt -n '__fish_seen_subcommand_from ls' -l fail-if \
    -xa "$states" -d 'Exit with 5'
complete -c ckpt -n '__fish_seen_subcommand_from ls' -s q -l quiet -d 'Ids'
complete -c ckpt -n '__fish_seen_subcommand_from ls' -s p -l exact \
    -d 'Exact figures'
complete -c ckpt -n '__fish_seen_subcommand_from show' -l messages
complete -c ckpt -n '__fish_seen_subcommand_from show' -l effects
complete -c ckpt -n '__fish_seen_subcommand_from show' -l raw
complete -c ckpt -n '__fish_seen_subcommand_from prune' -l older-than -x
complete -c ckpt -n '__fish_seen_subcommand_from prune' -l kept
complete -c ckpt -n '__fish_seen_subcommand_from prune' -l idle
complete -c ckpt -n '__fish_seen_subcommand_from prune' -s n -l dry-run
