#!/bin/sh
# SPDX-License-Identifier: MIT-0
# run.sh -- the agent on a language model, against a server that judges it
#
#     sh tests/agent/run.sh [kills [seed [program]]]
#
# build/llm_server plays the model, and refuses what real servers refuse. Each
# check is one line, "ok" or "FAILED"; the last line is the count. Kills come
# after a random time and, where strace works, at a random system call; how many
# may be said (default: 12). Nothing here judges how long something took.
#
# The program is llm_agent, and at the same time, where there is a compiler of
# C++, llm_agent_cpp with a third of the kills; or the one that is named.
cd "$(dirname "$0")/../.." || exit 1
: "${B:=build}" "${MAKE:=make}" "${CC:=cc}" "${CXX:=c++}"
: "${STB:=/usr/include/stb}"
export LC_ALL=C.UTF-8
kills=${1:-12} seed=${2:-$(date +%s)} program=${3:-llm_agent} other='' p=0 f=0
if ! command -v curl >/dev/null; then
    echo "skip   agent: there is no curl"
    echo "0 passed, 0 failed"
    exit 0
fi
if [ $# -lt 3 ] && command -v "${CXX%% *}" >/dev/null; then
    other=llm_agent_cpp
fi
"$MAKE" -s B="$B" CC="$CC" CXX="$CXX" STB="$STB" "$B/$program" \
    ${other:+"$B/$other"} "$B/llm_server" "$B/ckpt" || exit 1
bin=$(cd "$B" && pwd)
. tests/tools/check.sh
. tests/tools/count.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
if [ "$other" ]; then
    B=$B CC=$CC CXX=$CXX STB=$STB MAKE=$MAKE sh tests/agent/run.sh \
        $(((kills + 2) / 3)) "$seed" "$other" >"$work/other" 2>&1 </dev/null &
    other_pid=$!
fi
cd "$work" || exit 1
unset OPENAI_MODEL CKPT_DIR
export OPENAI_API_KEY=none no_proxy='*'
task="Do the work."

# serve NAME: a new folder, where the agent works, and a server for it, until
# the check is over. It is a subshell.
serve() {
    mkdir "$1" && cd "$1" || exit 1
    given
    "$bin/llm_server" -l refused -f . >port &
    server=$!
    # Whoever is left is ours, and ends with the check.
    trap 'kill $server $pid 2>/dev/null; wait' EXIT
    pid=
    until_ test -s port || exit 1
    url=http://127.0.0.1:$(cat port)
    export OPENAI_BASE_URL="$url/v1"
}
given() { printf '\303\244 "q" \360\237\230\200\n' >given.txt; }

# agent MODEL OPTION...
agent() {
    model=$1; shift
    timeout -k 5 120 "$bin/$program" -m "$model" -i it -w 20 -o answer "$@" \
        "$task" 2>>errors
}
# begin MODEL: the same in the background; its number goes into $pid.
begin() {
    "$bin/$program" -m "$1" -i it -w 20 -o answer -a -1 "$task" >said \
        2>>errors &
    pid=$!
}
# ended: waits for it. Its number may soon be of another process.
ended() {
    wait "$pid"
    set -- $?
    pid=
    return "$1"
}
# requests, refused, uncertain: what the server has counted
counted() { curl -s -m 60 "$url/count" | cut -d ' ' -f "$1"; }
none_refused() { [ "$(counted 2)" = 0 ] || { cat refused; return 1; }; }

# is WHAT EXPECTED
is() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
# state KEY: what the command says of the run
state() {
    "$bin/ckpt" -C runs ls --json |
        sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

#--- The server ----------------------------------------------------------------

# refuses BODY SENTENCE, takes BODY: with a transcript of one message more.
ask() {
    printf '%s' "$1" >body
    curl -s -m 60 -o reply -w '%{http_code}' --data-binary @body \
        "$OPENAI_BASE_URL/chat/completions"
}
refuses() {
    is "$(ask "$1")" 400 && grep -q "$2" reply && tail -n 1 refused |
        grep -q "$2" && return
    echo "taken, or for another reason than \"$2\": $1"; cat reply
    return 1
}
takes() { is "$(ask "$1")" 200 || { echo "refused: $1"; cat reply; false; }; }

# with MESSAGES [MORE]
user='{"role":"user","content":"x"}'
with() { echo "{\"model\":\"odd\",\"messages\":[$1]$2}"; }
call() {
    printf '{"id":"%s","type":"function","function":{"name":"shell",' "$1"
    printf '"arguments":"{}"}}'
}
asks() {
    echo "$user,{\"role\":\"assistant\",\"content\":${2:-\"I look.\"},"
    echo "\"tool_calls\":[$1]}"
}
result() {
    echo ",{\"role\":\"tool\",\"tool_call_id\":\"$1\",\"content\":\"ran 0-0\"}"
}
right() {
    serve right
    takes "$(with "$user")" &&
    takes "$(with "{\"role\":\"system\",\"content\":\"\"},$user")" &&
    takes "$(with "$(asks "$(call a)")$(result a)")" &&
    takes "$(with "$user" ",\"tools\":[{\"type\":\"function\",\"function\":{
        \"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]")" &&
    is "$(counted 2)" 0
}
[ $# -gt 2 ] || check "the server takes what is right" right

bodies() {
    serve bodies
    long=12345678901234567890123456789012345678901
    refuses '' "not JSON" &&
    refuses '{"model":' "not JSON" &&
    refuses '[]' "no object" &&
    refuses "$(with "$user") x" "not JSON" &&
    refuses "$(with "{\"role\":\"user\",\"content\":\"$(printf '\001')\"}")" \
        "not JSON" &&
    refuses "$(with "{\"role\":\"user\",\"content\":\"$(printf '\377')\"}")" \
        "not UTF-8" &&
    refuses "$(printf '"\355\240\200"')" "not UTF-8" &&
    refuses "$(printf '"\300\200"')" "not UTF-8" &&
    refuses "$(printf '"\342\202')" "not UTF-8" &&
    refuses '{"model":"odd"}' "messages is missing" &&
    refuses "$(with '')" "empty" &&
    refuses '{"model":"odd","messages":{}}' "no array" &&
    refuses '{"messages":[]}' "no such model" &&
    refuses "$(with "$user" ',"tools":{}')" "tools is no array" &&
    refuses "$(with "$user" ',"tools":[]')" "tools is no array" &&
    refuses "$(with "$user" ',"tools":[{"type":"function"}]')" "a tool has" &&
    refuses "$(with '{"content":"x"}')" "no role" &&
    refuses "$(with '"x"')" "no role" &&
    refuses "$(with '{"role":"robot","content":"x"}')" "no role robot" &&
    refuses "$(with '{"role":"user"}')" "no content" &&
    refuses "$(with '{"role":"user","content":null}')" "no content" &&
    refuses "$(with '{"role":"assistant","content":null}')" "no content" &&
    refuses "$(with '{"role":"assistant","content":""}')" "is empty" &&
    refuses "$(with "$user$(result a)")" "no call before" &&
    refuses "$(with "$(asks "$(call a)")")" "no result" &&
    refuses "$(with "$(asks "$(call a)"),$user")" "no result" &&
    refuses "$(with "$(asks "$(call a),$(call b)")$(result a)")" "no result" &&
    refuses "$(with "$(asks "$(call a)")$(result b)")" "of no call" &&
    refuses "$(with "$(asks "$(call a),$(call b)")$(result a)$(result a)")" \
        "second of it" &&
    refuses "$(with "$(asks "$(call a)")$(result a)$(result a)")" \
        "no call before" &&
    refuses "$(with "$(asks "$(call a),$(call a)")$(result a)$(result a)")" \
        "there twice" &&
    refuses "$(with "$(asks "$(call '')")$(result '')")" "empty or longer" &&
    refuses "$(with "$(asks "$(call $long)")$(result $long)")" "longer than" &&
    refuses "$(with "$(asks '')")" "tool_calls is no array" &&
    refuses "$(with "$(asks '{"id":"a"}')$(result a)")" "no type" &&
    refuses "$(with "$(asks "$(call a | sed 's/shell/a b/')")$(result a)")" \
        "name of a function" &&
    refuses "$(with "$(asks "$(call a | sed 's/{}/{/')")$(result a)")" \
        "no object" &&
    refuses "$(with "$(asks "$(call a)" '"I see."')$(result a)")" \
        "was not given" &&
    refuses "$(with "$(asks "$(call a)")$(result a | sed s/0-0/9-9/)")" \
        "has the result" &&
    refuses "$(with "$(asks "$(call a),$(call b)")$(result a)$(result b)")" \
        "has the result" &&
    is "$(counted 2)" "$(grep -c '^400 ' refused)" &&
    is "$(counted 2)" 40 && echo "40 kinds"
}
[ $# -gt 2 ] || check "the server refuses what real servers refuse" bodies

#--- Undisturbed ---------------------------------------------------------------

cat >expected <<END
ran 0-0
ran 1-0
ran 1-1
ran 1-2
ran 2-0
ran 2-1
ran 3-0
ran 3-1
ran 3-2
ran 4-0
ran 4-1
ran 5-0
ran 6-1
ran 7-2
ran 7-3
ran 8-1
ran 8-2
END
last="The work is done. $(printf '\342\234\223')"

undisturbed() {
    serve undisturbed
    is "$(agent odd; echo $?)" "$last
0" && diff ../expected calls.log && none_refused && is "$(counted 3)" 0 &&
        is "$(cat note.txt)" "$(cat given.txt)" && is "$(state state)" 'done' ||
        { cat errors; return 1; }
    n=$(counted 1)
    is "$(agent odd; echo $?)" "$last
0" && is "$(counted 1)" "$n" && diff ../expected calls.log
}
check "a run calls each tool once, and one more start calls none" undisturbed

endless() {
    serve endless
    is "$(agent endless -t 1)" Done. || { cat errors; return 1; }
    for process in $(cat pids); do
        until_ gone "$process" || { echo "$process lives"; return 1; }
    done
    none_refused
}
# A zombie that nobody has waited for is gone, too.
gone() { case $(ps -o stat= -p "$1") in ''|Z*) ;; *) return 1 ;; esac; }
check "a tool that does not end is killed, with what it began" endless

many() {
    serve many
    is "$(agent many)" Done. && is "$(wc -l <calls.log)" 128 && none_refused ||
        { cat errors; return 1; }
}
check "of a hundred calls in one answer 64 are made, turn after turn" many

#--- Kills ---------------------------------------------------------------------

# random TABLE ROW: three random numbers from 0 to 999 in each row
awk -v seed="$seed" -v n=$((kills * 20 + 100)) 'BEGIN {
    srand(seed)
    for (; n > 0; n--) {
        print int(1000 * rand()), int(1000 * rand()), int(1000 * rand())
    }
}' >random
strace=
if strace -o /dev/null -e inject=all:signal=KILL:when=9 true 2>/dev/null; then
    :                               # it was not killed
elif [ $? = 137 ]; then
    strace=yes
fi

# one_start: starts the agent, and kills it once. Says how it ended in $rc.
one_start() {
    row=$((row + 1))
    # shellcheck disable=SC2046
    set -- $(sed -n "${row}p" ../random)
    if [ "$n" -ge "$kills" ]; then          # enough: it may come to its end
        begin odd
    elif [ "$strace" ] && [ "$1" -lt 500 ]; then
        strace -o /dev/null -e inject=all:signal=KILL:when=$((1 + $2 * 2)) \
            "$bin/$program" -m odd -i it -w 20 -o answer -a -1 "$task" >said \
            2>>errors &
        pid=$!
    else
        begin odd
        sleep "$(printf '0.%03d' $((1 + $2 / 2)))"
        kill -9 "$pid" 2>/dev/null
    fi
    { ended; } 2>/dev/null                  # the shell says "Killed"
    rc=$?
}

# What must be so when a run is done, however often it was killed.
judge() {
    sort calls.log | uniq -d >twice
    [ ! -s twice ] || { echo "ran twice:"; cat twice; return 1; }
    is "$(cat said)" "$last" && none_refused || return 1
    lost=$(sort calls.log | comm -23 ../expected - | wc -l)
    doubts=$(counted 3)
    [ "$lost" -le "$doubts" ] ||
        { echo "$lost calls did not run, $doubts were told"; return 1; }
    asked=$(counted 1)
    begin odd
    ended && is "$(cat said)" "$last" && is "$(counted 1)" "$asked" &&
        is "$(sort calls.log | uniq -d)" "" && is "$(state state)" 'done'
}

storm() {
    serve storm
    n=0 row=0 finished=0 all_doubts=0
    while [ "$n" -lt "$kills" ]; do
        rm -rf runs answer calls.log note.txt
        rc=none
        while [ "$rc" != 0 ]; do
            one_start
            case $rc in
            0)   ;;
            137) n=$((n + 1)) ;;
            75)  sleep 0.1 ;;               # another start was just killed
            *)   echo "it ended with $rc (seed $seed)"; tail -n 5 errors
                 return 1 ;;
            esac
        done
        judge || { echo "seed $seed, start $row"; return 1; }
        finished=$((finished + 1)) all_doubts=$((all_doubts + doubts))
    done
    echo "$n kills, $finished runs, $all_doubts calls in doubt"
}
check "killed at any moment, no call runs twice, and nothing is refused" storm

#--- Stops and others ----------------------------------------------------------

heart() { stat -c %Y%y runs/r-it/heartbeat.*; }
beats() { [ "$(heart)" != "$before" ]; }

# The tool and the answer end only when a file is there, which is made after
# the heart has beaten meanwhile.
alive() {
    serve alive
    begin long
    until_ test -s calls.log || { cat errors; return 1; }
    before=$(heart)
    until_ beats || { echo "no beat while the tool ran"; return 1; }
    is "$(agent long; echo $?)" 75 || return 1
    : >go-tool
    until_ grep -q 'ran 0-1' calls.log
    sleep 0.2                           # the model is asked, or soon will be
    before=$(heart)
    until_ beats || { echo "no beat while the model thought"; return 1; }
    : >go-answer
    ended && is "$(cat said)" Done. && none_refused
}
check "it beats while a tool and the model take long, and has no twin" alive

drains() {
    serve drains
    begin long
    until_ test -s calls.log || { cat errors; return 1; }
    kill -TERM "$pid"
    : >go-tool
    ended
    is $? 75 && is "$(cat calls.log)" "ran 0-0
ran 0-1" && is "$(state state)" interrupted && is "$(state attempt)" 0 ||
        return 1
    begin long                          # now while the model thinks
    until_ grep -q 'begun before' errors || { cat errors; return 1; }
    kill -INT "$pid"
    ended
    is $? 75 && is "$(state attempt)" 0 || return 1
    : >go-answer
    is "$(agent long; echo $?)" "Done.
0" && is "$(wc -l <calls.log)" 2 && none_refused
}
check "a stop ends the tool, saves it, and gives the attempt back" drains

trouble() {
    serve trouble
    for model in down garbage; do
        is "$(agent $model -n 3; echo $?)" 75 && is "$(state attempt)" 0 &&
            is "$(state state)" interrupted || return 1
    done
    is "$(counted 1)" 6 && is "$(agent no_key; echo $?)" 1 &&
        is "$(counted 1)" 7 || return 1
    is "$(agent odd -u http://127.0.0.1:9 -n 2; echo $?)" 75 || return 1
    is "$(agent odd -u nonsense://x -n 2; echo $?)" 75 || return 1
    is "$(agent odd -i other -d other; echo $?)" "$last
0" && none_refused || return 1
    task="Do other work."
    is "$(agent odd; echo $?)" 1 || return 1
    task="Do the work."
    rm -f calls.log
    is "$(agent odd; echo $?)" "$last
0" && diff ../expected calls.log && none_refused
}
check "a server that is down, broken or refuses loses nothing" trouble

if [ "$other" ]; then
    wait "$other_pid"
    count "$work/other" $?
    passed=$((passed + p)) failed=$((failed + f))
    echo "== $other"
    grep -v ' passed, ' "$work/other"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
