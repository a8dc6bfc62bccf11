# part_meeting.sh - barrier and event: processes that wait for each other.  Read by run.

for verb in barrier event; do
    run "$kith" $verb --help
    ok "$verb --help shows an example" \
        eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
    run "$kith" $verb --nonsense
    says "$verb refuses an unknown option" 2 "no option --nonsense"
    run "$kith" -s b $verb
    says "$verb needs a name" 2 "Too few words"
done
for words in "barrier a" "barrier a 2" "barrier a --reset" "event a set" "event a clear" \
    "event a wait" "event a test"; do
    run "$kith" $words
    says "$words without a space says so" 2 "needs a space"
    run "$kith" -s "file://$work/zeros" $words
    ok "$words in a file that is no space is corrupt" [ "$status" -eq 4 -a -z "$out" ]
done
for words in "barrier a" "barrier a --reset" "barrier a --abort" "event a test"; do
    run "$kith" -s b $words
    ok "$words in a missing space answers no" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
done
for parties in 0 8191 -1 x 1.5 1x "" " 2" 4294967297 99999999999999999999; do
    run "$kith" -s b barrier a "$parties"
    says "a barrier for '$parties' is wrong usage" 2 "no number of parties"
done
run "$kith" -s b barrier a 2 3
says "a barrier has one number" 2 "one word too many"
run "$kith" -s b barrier a --reset --abort
says "--reset and --abort exclude each other" 2 "exclude"
for words in "2 --reset" "2 --abort" "--reset -w 1" "--abort --index"; do
    run "$kith" -s b barrier a $words
    says "barrier a $words is wrong usage" 2 "does not wait"
done
for words in "-w 1" "--index"; do
    run "$kith" -s b barrier a $words
    says "barrier a $words wants the number" 2 "number of parties"
done
run "$kith" -s b barrier a 2 -w soon
says "a barrier's -w takes seconds" 2 "needs seconds"
run "$kith" -s b event a
says "an event needs to be told what" 2 "Too few words"
run "$kith" -s b event a unset
says "and of four things one" 2 '"unset" is none of'
run "$kith" -s b event a set b
says "and no more than one" 2 "one word too many"
for word in set clear test; do
    run "$kith" -s b event a $word -w 1
    says "event a $word does not wait" 2 "goes with wait alone"
done
run "$kith" -s b event a wait -w soon
says "an event's -w takes seconds" 2 "needs seconds"
run "$kith" ls
gives "and none of these made a space" 0 ""
run "$kith" -s b set a key value
for words in "barrier a" "barrier a 2" "barrier a --reset" "event a set" "event a clear" \
    "event a wait" "event a test"; do
    run "$kith" -s b $words
    ok "$words is refused where that is a dict" \
        eval '[ "$status" -eq 3 ] && [ -z "$out" ] && [ -n "$err" ]'
done

# ---- barrier

run "$kith" -s b barrier missing
ok "a missing barrier answers no" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
run "$kith" -s b barrier one 1
gives "a barrier for one lets it go" 0 ""
run "$kith" -s b barrier one 1 --index
gives "--index prints that it was the first" 0 0
run "$kith" -s b barrier one 1 --json
gives "and so does --json" 0 '{"name": "one", "index": 0}'
run "$kith" -s b barrier one 2
says "another number than it was made for is refused" 3 "waits for 1 to arrive, not 2"
run "$kith" -s b barrier most 8190 -w 0
says "8190 are possible" 1 "not reached by all"

# arrives NUMBER WORDS…: starts one that waits at the barrier "b", whose output is in meet.NUMBER;
# leaves its pid in $party.
arrives() {
    local number=$1
    shift
    perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$kith" -s b barrier "$@" \
        >"$work/meet.$number" 2>"$work/meet.$number.err" &
    party=$!
    until_asleep $party
}
# gone PID NUMBER: waits for its end, and leaves $status, $out and $err.
gone() {
    wait "$1" 2>/dev/null
    status=$?
    out=$(cat "$work/meet.$2")
    err=$(cat "$work/meet.$2.err")
}

for round in first second; do
    arrives 1 b 3 --index
    one=$party
    arrives 2 b 3 -i -w 60
    two=$party
    run "$kith" -s b barrier b --json
    gives "two wait for a third, the $round time" 0 \
        '{"name": "b", "parties": 3, "waiting": 2, "broken": false}'
    run "$kith" -s b barrier b 3 -i
    gives "who lets all go" 0 2
    gone $one 1
    gives "the first goes on" 0 0
    gone $two 2
    gives "and the second" 0 1
done

run "$kith" -s b barrier late 2 -w 0.05
says "a barrier not reached in time answers no" 1 "not reached by all"
run "$kith" -s b barrier late 2
says "and is broken" 1 "the time of one who waited ran out"
run "$kith" -s b barrier late
gives "which it tells" 0 $'name: late\nparties: 2\nwaiting: 0\nbroken: true'
run "$kith" -s b barrier late --reset
gives "until it is reset" 0 ""
run "$kith" -s b barrier late
ok "then it is as new" eval '[[ $out == *"broken: false"* ]]'
run "$kith" -s b stat late
ok "stat tells of a barrier" eval '[[ $out == *"type: barrier"*"parties: 2"* ]]'

arrives 1 dead 3
one=$party
arrives 2 dead 3
kill -KILL $party
gone $one 1
ok "a killed waiter breaks it, and the others are told which process died" \
    said 1 "process $party died"
run "$kith" -s b barrier dead 3
says "and so are those who come" 1 "process $party died"
wait $party 2>/dev/null

arrives 1 int 3
one=$party
arrives 2 int 3
kill -INT $party
gone $party 2
ok "SIGINT ends a wait with 130" said 130 ""
gone $one 1
ok "and breaks the barrier" said 1 "was interrupted"

arrives 1 aborted 2
run "$kith" -s b barrier aborted --abort
gives "--abort breaks it" 0 ""
gone $party 1
ok "and tells who waits" said 1 "aborted"
run "$kith" -s b barrier aborted --reset
arrives 1 aborted 2
run "$kith" -s b barrier aborted --reset
gone $party 1
ok "--reset tells who waits" said 1 "aborted"
arrives 1 aborted 2
run "$kith" rm -s b aborted
gone $party 1
ok "one that is removed is refused" said 3 "aborted"
run "$kith" -s b barrier missing --reset
ok "a reset makes none" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'

# ---- event

run "$kith" -s b event ready test
ok "an event that is not there is not set" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
run "$kith" -s b event ready wait -w 0.05
gives "to wait makes one, and answers no when it is not set in time" 1 ""
ok "which needs no sentence" [ -z "$err" ]
run "$kith" -s b event ready test
gives "it is not set" 1 ""
run "$kith" -s b event ready test --json
gives "and --json tells so" 1 '{"name": "ready", "set": false}'
run "$kith" -s b event ready set
gives "set sets it" 0 ""
run "$kith" -s b event ready set
gives "also if it is set" 0 ""
run "$kith" -s b event ready test
gives "then it is set" 0 ""
run "$kith" -s b event ready test --json
gives "and --json tells that" 0 '{"name": "ready", "set": true}'
run "$kith" -s b event ready wait
gives "who comes goes on" 0 ""
run "$kith" -s b event ready wait -w 0
gives "in no time" 0 ""
run "$kith" -s b event ready clear
gives "clear clears it" 0 ""
run "$kith" -s b event ready wait -w 0
gives "and who comes waits" 1 ""
run "$kith" -s b event other clear
gives "clear makes one that is not set" 0 ""
run "$kith" -s b event other test
gives "so it is there" 1 ""
ok "and nothing needs to be said" [ -z "$err" ]

# awaits: starts one that waits for "ready"; leaves its pid in $party.
awaits() {
    perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$kith" -s b event ready wait \
        >"$work/meet.1" 2>"$work/meet.1.err" &
    party=$!
    until_asleep $party
}
awaits
one=$party
awaits
run "$kith" -s b event ready set
gone $one 1
gives "all who wait go on when it is set" 0 ""
gone $party 1
gives "every one" 0 ""
run "$kith" -s b event ready clear
awaits
kill -INT $party
gone $party 1
ok "SIGINT ends that wait with 130" said 130 ""
awaits
run "$kith" rm -s b ready
gone $party 1
ok "an event that is removed is refused to who waits" said 3 ready
run "$kith" rm -s b
