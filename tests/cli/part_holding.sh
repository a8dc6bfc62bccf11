# part_holding.sh - sem, once and limit: a command that is run once something is had.  Read by run.

mkfifo "$work/hold" "$work/ready"

for verb in sem once limit; do
    run "$kith" $verb --help
    ok "$verb --help shows an example" \
        eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
    run "$kith" $verb --nonsense
    says "$verb refuses an unknown option" 2 "no option --nonsense"
    run "$kith" -s h $verb
    says "$verb needs a name" 2 "Too few words"
done
for words in "sem a" "sem a -- true" "once a" "once a -- true" "limit a" "limit 1/s a -- true"; do
    run "$kith" $words
    says "$words without a space says so" 2 "needs a space"
    run "$kith" -s "file://$work/zeros" $words
    ok "$words in a file that is no space is corrupt" [ "$status" -eq 4 -a -z "$out" ]
done
for words in "sem a" "once a" "limit 1/s a"; do
    run "$kith" -s h $words --
    says "$words -- needs a command" 2 "nothing to run"
    run "$kith" -s h $words true
    says "$words takes a command after -- only" 2 "one word too many; a command stands after"
    run "$kith" -s h $words -c true -- true
    says "$words takes one command" 2 "both by -c and as words"
    run "$kith" -s h $words -E 256 -- true
    says "$words -E has a range" 2 "from 0 to 255"
    run "$kith" -s h $words -w soon -- true
    says "$words -w takes seconds" 2 "needs seconds"
done
for words in "sem a -n" "sem a -j 2" "once a -w 1" "once a --verbose" "sem a -E 5"; do
    run "$kith" -s h $words
    says "$words needs a command" 2 "nothing to run"
done
for jobs in 0 -1 x 1.5 "" 99999999999999999999 2147483648; do
    run "$kith" -s h sem a -j "$jobs" -- true
    ok "-j '$jobs' is wrong usage" eval '[ "$status" -eq 2 ] && [ -n "$err" ]'
done
run "$kith" ls
gives "and none of these made a space" 0 ""
for words in "sem a" "once a" "limit a"; do
    run "$kith" -s h $words
    ok "$words of a missing space answers no" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
done
run "$kith" -s h set a key value
for words in "sem a" "sem a -- echo ran" "once a" "once a -- echo ran" "limit a" \
    "limit 1/s a -- echo ran" "sem missing" "once missing" "limit missing"; do
    run "$kith" -s h $words
    wanted=3
    [[ $words == *missing ]] && wanted=1
    ok "$words is refused where that is a dict, or answers no where nothing is" \
        eval '[ "$status" -eq $wanted ] && [ -z "$out" ] && [ -n "$err" ]'
done

# ---- what they share: the command

for words in "sem build" "limit 1000000/s fast" "once o1"; do
    run "$kith" -s h $words -- echo one two
    gives "$words runs the command" 0 "one two"
done
for words in "sem build" "limit 1000000/s fast" "once o2"; do
    run "$kith" -s h $words -- sh -c "exit 7"
    gives "$words passes its status through" 7 ""
    run "$kith" -s h $words -- sh -c 'kill -TERM $$'
    gives "$words: a signal that ends it is 128 and its number" 143 ""
    run "$kith" -s h $words -- ./not-there
    says "$words: 127 is no such command" 127 "not-there"
    run "$kith" -s h $words -- "$work"
    says "$words: 126 cannot be run" 126 "cannot be run"
    run "$kith" -s h $words -c 'echo $((1 + 1)); exit 5'
    gives "$words -c runs a text by the shell" 5 "2"
    run "$kith" -s h $words --verbose -n -- true
    ok "$words --verbose says that it was had" \
        eval '[ "$status" -eq 0 ] && [[ $err == *"was had"* ]]'
done

# ---- sem

run "$kith" -s h sem build
gives "a semaphore has one permit" 0 \
    $'name: build\npermits: 1\nfree: 1\nbounded: true\nfair: false\nunowned: false'
run "$kith" -s h sem build -- "$kith" -s h sem build -n -- true
gives "which keeps others out" 1 ""
run "$kith" -s h sem build -- "$kith" -s h sem build --nb -E 42 -- true
gives "-E says what to exit with then" 42 ""
run "$kith" -s h sem build -- "$kith" -s h sem build -w 0.05 -E 43 -- true
gives "-w waits for a while" 43 ""
run "$kith" -s h sem build -- "$kith" -s h sem build -n --verbose -- true
ok "--verbose says why" eval '[ "$status" -eq 1 ] && [[ $err == *"was not to be had"* ]]'
run "$kith" -s h sem two -j 2 -- "$kith" -s h sem two -n -- \
    "$kith" -s h sem two -n -E 44 -- true
gives "-j 2 lets in two, and no third" 44 ""
run "$kith" -s h sem two -j2 -- "$kith" -s h sem two --json
gives "and tells how many are free" 0 \
    '{"name": "two", "permits": 2, "free": 1, "bounded": true, "fair": false, "unowned": false}'
run "$kith" -s h sem two -j 3 -- echo ran
says "another number than it was made with is refused" 3 "lets 2 run at once, not 3"
run "$kith" -s h sem two --jobs=2 -- echo same
gives "and the same is not" 0 same
run "$kith" -s h stat two
ok "stat tells it too" eval '[ "$status" -eq 0 ] && [[ $out == *"type: semaphore"*"permits: 2"* ]]'
run "$kith" -s h sem gone -- "$kith" rm -s h gone
gives "it may be removed meanwhile" 0 ""

run "$kith" -s h sem build -- sh -c "cat '$work/hold' >/dev/null 2>&1 & exit 0"
gives "the command ends before its child" 0 ""
run "$kith" -s h sem build -n -- echo free
gives "a child in the background does not keep the permit" 0 "free"
: >"$work/hold"

# Twelve commands, two at a time: each is counted while it runs.
busy=(sh -c '"$0" -s h add running now 1 >>"$1"; "$0" -s h add running now -1 >/dev/null' "$kith"
    "$work/busy")
runners=()
rm -f "$work/busy"
for i in $(seq 12); do
    timeout 60 "$kith" -s h sem two -- "${busy[@]}" 2>>"$work/busy" &
    runners+=($!)
done
wait "${runners[@]}"
status=0 out=$(sort -u "$work/busy") err=
ok "never more than two are at it" eval '[ "$(wc -l <"$work/busy")" -eq 12 ] && [ "${out##*
}" -le 2 ]'

# Killed, kith gives the permit back, and who waits for it gets it.
"$kith" -s h sem build -- sh -c "echo \$PPID >'$work/ready'; exec cat '$work/hold'" \
    >/dev/null 2>&1 &
holder=$!
read -r keeper <"$work/ready"
"$kith" -s h sem build -- echo never >/dev/null 2>&1 &
dying=$!
until_asleep $dying
"$kith" -s h sem build -- echo waited >"$work/waited" 2>&1 &
waiter=$!
until_asleep $waiter
kill -KILL $dying
wait $dying 2>/dev/null
run "$kith" -s h sem build -n -- true
gives "a killed waiter changes nothing" 1 ""
kill -KILL "$keeper"
wait $holder 2>/dev/null
wait $waiter
status=$? out=$(cat "$work/waited")
gives "a killed holder gives its permit back, to the one who waits" 0 waited
run "$kith" -s h sem build
ok "and then it is free" eval '[[ $out == *"permits: 1"*"free: 1"* ]]'

# ---- once

run "$kith" -s h once o1 -- echo again
gives "what is done is not done again" 0 ""
run "$kith" -s h once o1 --verbose -- echo again
ok "--verbose says so" eval '[ "$status" -eq 0 ] && [ -z "$out" ] && [[ $err == *"done already"* ]]'
run "$kith" -s h once o1 -c "echo again"
gives "by -c neither" 0 ""
run "$kith" -s h once o1
gives "it tells that it is done" 0 $'name: o1\nstate: done'
run "$kith" -s h once o3 -- false
gives "a command that fails has not done it" 1 ""
run "$kith" -s h once o3 --json
gives "and it is open" 0 '{"name": "o3", "state": "open"}'
run "$kith" -s h once o3 -- "$kith" -s h once o3
gives "while it is run it is claimed" 0 $'name: o3\nstate: claimed'
run "$kith" rm -s h o3
run "$kith" -s h once o3 -- echo again
gives "removed, it is done once more" 0 again
run "$kith" -s h once o4 -- "$kith" rm -s h o4
ok "removed meanwhile, it is not known as done" eval '[ "$status" -eq 3 ] && [ -n "$err" ]'

# runs_once NAME: starts one that runs until told how to exit by the fifo, leaves $first, $keeper.
runs_once() {
    "$kith" -s h once "$1" -- \
        sh -c "echo \$PPID >'$work/ready'; read -r how <'$work/hold'; exit \$how" >/dev/null 2>&1 &
    first=$!
    read -r keeper <"$work/ready"
}
# asks_once NAME: starts one that waits for it.
asks_once() {
    "$kith" -s h once "$1" -- sh -c 'echo took over; exit 9' >"$work/waited" 2>&1 &
    second=$!
    until_asleep $second
}
runs_once o5
run "$kith" -s h once o5 -n -- echo ran
gives "while another runs it, -n does not wait" 1 ""
run "$kith" -s h once o5 -w 0.05 -E 44 -- echo ran
gives "and -w for a while" 44 ""
asks_once o5
echo 0 >"$work/hold"
wait $first
status=$?
gives "it is done" 0 "$out"
wait $second
status=$? out=$(cat "$work/waited")
gives "and who waited goes on without running it" 0 ""

runs_once o6
asks_once o6
echo 5 >"$work/hold"
wait $first
status=$? out=
gives "one fails, with its command's status" 5 ""
wait $second
status=$? out=$(cat "$work/waited")
gives "and the next runs it" 9 "took over"

runs_once o7
asks_once o7
kill -KILL "$keeper"
wait $first 2>/dev/null
wait $second
status=$? out=$(cat "$work/waited")
gives "one is killed, and the next runs it" 9 "took over"

# ---- limit

for rate in 10 10/ /s s -1/s +5/s 1e3/s 0x10/s 10/x 10/ss 10/S " 10/s" "10/s " "10 /s" .5/s 5./s \
    1,5/s inf/s nan/s 10//s 1/2/s "" $'10/s\n'; do
    run "$kith" -s h limit "$rate" web -- echo ran
    says "the rate $(printf %q "$rate") is refused" 2 "no rate"
done
for rate in 0/s 0.0/d 0.0000001/s 1000000001/s 99999999999999999999999/d \
    "$(printf '9%.0s' {1..400})/s"; do
    run "$kith" -s h limit "$rate" web -- echo ran
    says "the rate '${rate:0:30}' is out of range" 2 "out of range"
done
for burst in 0 -1 x 1.5 1000001 99999999999999999999; do
    run "$kith" -s h limit 10/s web --burst "$burst" -- echo ran
    ok "a burst of '$burst' is refused" eval '[ "$status" -eq 2 ] && [ -z "$out" ] && [ -n "$err" ]'
done
run "$kith" -s h limit web 10/s -- echo ran
says "the rate comes first" 2 '"web" is no rate'
run "$kith" -s h limit web -- echo ran
says "a command wants a rate" 2 "a rate and a limiter"
run "$kith" -s h limit web --burst 2
says "and so does a burst" 2 "a rate and a limiter"
run "$kith" -s h limit 10/s web --burst 2 --tokens 3
says "no more tokens than the burst are to be had" 2 "No more tokens"
run "$kith" -s h limit web
ok "and none of these made one" [ "$status" -eq 1 ]

for pair in 10/s=10.0 2.5/s=2.5 90/m=1.5 9/h=0.0025 43200/d=0.5; do
    rate=${pair%=*}
    run "$kith" -s h limit "$rate" "r${rate//\//-}"
    gives "$rate is a rate, and without a command it takes a token" 0 ""
    run "$kith" -s h limit "r${rate//\//-}"
    ok "of ${pair#*=} a second" [ "$(sed -n 2p "$work/out")" = "rate: ${pair#*=}" ]
done

run "$kith" -s h limit 1/d slow --burst 2 -- echo first
gives "a burst goes through at once" 0 first
run "$kith" -s h limit 1/d slow -n -- echo second
gives "all of it" 0 second
run "$kith" -s h limit 1/d slow -n -- echo third
gives "and then -n answers no" 1 ""
run "$kith" -s h limit 1/d slow -w 5 -E 42 -- echo third
gives "so does a wait that would be too long, at once" 42 ""
run "$kith" -s h limit 1/d slow -n --verbose
ok "--verbose says why" \
    eval '[ "$status" -eq 1 ] && [[ $err == *"limiter \"slow\" was not to be had"* ]]'
run "$kith" -s h limit slow --json
ok "--json tells how it stands" is_json name rate burst available next
ok "with nothing available" eval '[[ $out == *"\"burst\": 2, \"available\": 0, \"next\": 8"* ]]'
run "$kith" -s h limit 1/d many -b 5 -t 3 -- echo three
gives "--tokens takes so many" 0 three
run "$kith" -s h limit many
ok "and leaves the others" eval '[[ $out == *"available: 2"* ]]'
run "$kith" -s h limit 1/d many -t 3 -n
gives "which are too few for three more" 1 ""
run "$kith" -s h limit 1/d many -t 6
ok "more than its burst are refused" eval '[ "$status" -eq 3 ] && [[ $err == *many* ]]'
run "$kith" -s h limit 2/d many -- echo ran
says "another rate than it was made with is refused" 3 "was made with a rate of"
run "$kith" -s h limit 1/d many -b 4 -- echo ran
says "and another burst" 3 "a burst of 5"
run "$kith" -s h limit 3600/h fast-h
run "$kith" -s h limit 60/m fast-h
gives "the same rate may be said otherwise" 0 ""
run "$kith" -s h limit 50/s tick
run "$kith" -s h limit 50/s tick -- echo waited
gives "a token is waited for" 0 waited
run "$kith" -s h limit 50/s tick -w 60 -- echo waited
gives "with -w, too" 0 waited
"$kith" -s h limit 1000000/s fast -- sh -c 'echo $$' >"$work/pid" &
limited=$!
wait $limited
ok "the command takes the place of kith" [ "$(cat "$work/pid")" -eq $limited ]
run "$kith" -s h stat slow
ok "stat tells of a limiter" eval '[[ $out == *"type: limiter"*"burst: 2"* ]]'
run "$kith" rm -s h
