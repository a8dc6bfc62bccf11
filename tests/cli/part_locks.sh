# part_locks.sh - lock and locks.  Read by run.

for verb in lock locks; do
    run "$kith" $verb --help
    ok "$verb --help shows an example" \
        eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
    run "$kith" $verb --nonsense
    says "$verb refuses an unknown option" 2 "no option --nonsense"
done
run "$kith" lock report -- true
says "lock without a space says so" 2 "needs a space"
run "$kith" locks
says "locks without a space says so" 2 "needs a space"
run "$kith" -s missing locks
ok "locks in a missing space answers no" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
run "$kith" -s locked lock report
says "lock needs a command" 2 "nothing to run"
run "$kith" -s locked lock report --
says "lock needs a command after --, too" 2 "nothing to run"
run "$kith" -s locked lock report true
says "a command stands after --" 2 "one word too many"
run "$kith" -s locked lock report -c true -- true
says "lock takes one command" 2 "both by -c and as words"
run "$kith" -s locked lock report -s -x -- true
says "lock is shared or exclusive" 2 "not both"
run "$kith" -s locked lock report -E 256 -- true
says "-E has a range" 2 "from 0 to 255"
run "$kith" -s locked lock report -w soon -- true
says "-w takes seconds" 2 "needs seconds"
run "$kith" ls
gives "and none of these made a space" 0 ""

# ---- the command

run "$kith" -s locked lock report -- echo one two
gives "the command runs" 0 "one two"
run "$kith" -s locked lock report -- sh -c "exit 7"
gives "its status passes through" 7 ""
run "$kith" -s locked lock report -- sh -c 'kill -TERM $$'
gives "a signal that ends it is 128 and its number" 143 ""
run "$kith" -s locked lock report -- ./not-there
says "127 is no such command" 127 "not-there"
run "$kith" -s locked lock report -- "$work"
says "126 cannot be run" 126 "cannot be run"
run "$kith" -s locked lock report -c 'echo $((1 + 1)); exit 5'
gives "-c runs a text by the shell" 5 "2"
run "$kith" -s locked lock -n report -- echo free
gives "it is free after each of them" 0 "free"
run env KITH_URL=locked "$kith" lock report -s -- echo shared
gives "-s after the verb is not the space" 0 "shared"
run "$kith" -s locked lock report -o -- echo closed
gives "-o is accepted" 0 "closed"

# ---- who has it

inner() { run "$kith" -s locked lock "$@"; }
inner report -- "$kith" -s locked lock -n report -- true
gives "exclusive keeps exclusive out" 1 ""
inner report -- "$kith" -s locked lock -n -s report -- true
gives "exclusive keeps shared out" 1 ""
inner -s report -- "$kith" -s locked lock -n report -- true
gives "shared keeps exclusive out" 1 ""
inner -s report -- "$kith" -s locked lock -n -s report -- echo both
gives "shared goes with shared" 0 "both"
inner report -- "$kith" -s locked lock -n -E 42 report -- true
gives "-E says what a lock not had exits with" 42 ""
inner report -- "$kith" -s locked lock -w 0.05 -E 43 report -- true
gives "-w waits for a while" 43 ""
inner report -- "$kith" -s locked lock -n --verbose report -- true
ok "--verbose says why" eval '[ "$status" -eq 1 ] && [[ $err == *"not to be had"* ]]'
inner report -- "$kith" -s locked lock -n other -- echo other
gives "another lock is another" 0 "other"

# A background child does not keep it: it holds a pipe open, so it is there while we look.
run "$kith" -s locked lock report -- sh -c "cat '$work/hold' >/dev/null 2>&1 & exit 0"
gives "the command ends before its child" 0 ""
run "$kith" -s locked lock -n report -- echo free
gives "a child in the background does not keep the lock" 0 "free"
: >"$work/hold"

# Killed, kith leaves the lock free, and tells the next.
"$kith" -s locked lock report -- sh -c "echo \$PPID >'$work/ready'; exec cat '$work/hold'" \
    >/dev/null 2>&1 &
read -r keeper <"$work/ready"
run "$kith" -s locked lock -n report -- true
gives "it is held" 1 ""
run "$kith" -s locked locks --json
ok "locks --json is JSON" is_json name type owner since waiters
ok "and names the owner" \
    eval '[[ $out == *"\"name\": \"report\""*"\"pid\": $keeper,"*"\"alive\": true"* ]]'
run "$kith" -s locked locks
ok "locks shows who holds it" eval '[[ $out == *report*held*"pid $keeper,"* ]]'
ok "and what is free" eval '[[ $out == *other*free* ]]'
kill -KILL "$keeper"
wait "$!" 2>/dev/null
run "$kith" -s locked lock report -- sh -c 'echo "died: $KITH_OWNER_DIED"'
gives "a killed keeper leaves it free, with the news" 0 "died: 1"
run "$kith" -s locked lock report -- sh -c 'echo "died: $KITH_OWNER_DIED"'
gives "told once" 0 "died: "

# Waiters are shown, and get it.
"$kith" -s locked lock report -- sh -c "echo \$PPID >'$work/ready'; exec cat '$work/hold'" \
    >/dev/null 2>&1 &
first=$!
read -r keeper <"$work/ready"
"$kith" -s locked lock -s report -- echo waited >"$work/waited" 2>&1 &
second=$!
for _ in $(seq 500); do
    run "$kith" -s locked locks --json
    [[ $out == *'"name": "report"'*'"waiters": 1'* ]] && break
    sleep 0.02
done
ok "a waiter is counted" eval '[[ $out == *"\"name\": \"report\""*"\"waiters\": 1"* ]]'
run "$kith" -s locked locks
ok "and shown, with what it waits for" eval '[[ $out == *held*"waits -s"*"pid $second,"* ]]'
: >"$work/hold"
wait "$first" "$second"
run cat "$work/waited"
gives "it gets the lock when the holder ends" 0 "waited"
run "$kith" -s locked ls --json
ok "such a lock is a lock" eval '[[ $out == *"\"name\": \"report\", \"type\": \"lock\""* ]]'
run "$kith" rm -s locked
