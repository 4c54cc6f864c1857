# SPDX-License-Identifier: MIT-0
# Completion of ckpt(1) for bash.
_ckpt()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' words='' dir=() i
    local states='live stalled interrupted exhausted failed done finished
        damaged newer unreadable foreign busy'
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -C|--dir) dir=(-C "${COMP_WORDS[++i]}") ;;
        -s|--state|-o|--columns|-d|--delay|--agent|--parent|--fail-if|\
            --older-than|--lease|--resume-max) ((i++)) ;;
        -*) ;;
        *) command=${command:-${COMP_WORDS[i]}} ;;
        esac
    done
    case $before in
    -C|--dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return ;;
    -s|--state|--fail-if)
        mapfile -t COMPREPLY < <(compgen -W "$states" -- "$word")
        return ;;
    esac
    case $word,$command in
    -*,ls) words='--state --agent --parent --columns --exact --quiet
        --fail-if' ;;
    -*,top) words='--state --agent --parent --columns --delay' ;;
    -*,watch) words='--state --agent --parent --delay' ;;
    -*,show) words='--messages --effects --raw' ;;
    -*,prune) words='--older-than --kept --idle --dry-run' ;;
    -*,) words='--dir --json --color=auto --color=always --color=never --lease
        --resume-max --help --version' ;;
    *,) words='ls top show why watch verify metrics report export import
        retry rm prune sweep help' ;;
    *,show|*,why|*,watch|*,verify|*,export|*,retry|*,rm)
        # an id may hold blanks
        mapfile -t COMPREPLY < <(ckpt "${dir[@]}" ls -q 2>/dev/null |
            while IFS= read -r id; do
                [[ $id != "$word"* ]] || printf '%q\n' "$id"
            done)
        return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _ckpt ckpt
