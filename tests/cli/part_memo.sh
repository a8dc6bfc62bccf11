# part_memo.sh - a command is run once.  Read by run.

run "$kith" memo --help
ok "memo --help shows an example" \
    eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
run "$kith" memo -- true
says "memo without a space says so" 2 "needs a space"
run "$kith" -s m memo
says "memo without a command is wrong usage" 2 "needs a command"
run "$kith" -s m memo --
says "and with none after the --" 2 "needs a command"
run "$kith" -s m memo --nonsense -- true
says "memo refuses an unknown option" 2 "no option --nonsense"

tally="$work/tally"
again=(sh -c 'echo ran >>"$0"; printf "out %s\n" "$1"; cat; exit 3' "$tally")
rm -f "$tally"
run "$kith" -s m memo -- "${again[@]}" x
gives "memo gives a command's output and exit status" 3 "out x"
run_with "something to read" "$kith" -s m memo -- "${again[@]}" x
gives "and again" 3 "out x"
ok "without running it" [ "$(wc -l <"$tally")" -eq 1 ]
run "$kith" -s m memo -- "${again[@]}" y
gives "other words are another command" 3 "out y"
(cd / && timeout 60 "$kith" -s m memo -- "${again[@]}" x >/dev/null 2>&1)
ok "and so is another folder" [ "$(wc -l <"$tally")" -eq 3 ]
run "$kith" -s m memo --ttl 1000 -- "${again[@]}" x
ok "what is younger than --ttl will do" [ "$(wc -l <"$tally")" -eq 3 ]
run "$kith" -s m memo --ttl 0 -- "${again[@]}" x
gives "what is older will not" 3 "out x"
ok "and is run again" [ "$(wc -l <"$tally")" -eq 4 ]
run "$kith" -s m memo --fresh -- "${again[@]}" x
ok "as it is with --fresh" [ "$(wc -l <"$tally")" -eq 5 ]
run_with "something to read" "$kith" -s m memo -- cat
gives "there is nothing to read" 0 ""
head -c 300000 /dev/urandom >"$work/random"
timeout 60 "$kith" -s m memo -- cat "$work/random" >"$work/first" 2>/dev/null
timeout 60 "$kith" -s m memo -- cat "$work/random" >"$work/second" 2>/dev/null
ok "bytes come out unchanged" cmp -s "$work/random" "$work/first"
ok "and do again" cmp -s "$work/random" "$work/second"
run "$kith" -s m memo -- "$work/no such command"
says "a command that is not there exits with 127" 127 "no such command"
run "$kith" -s m memo -- sh -c 'echo ran >>"$0"; kill -KILL $$' "$tally.killed"
run "$kith" -s m memo -- sh -c 'echo ran >>"$0"; kill -KILL $$' "$tally.killed"
ok "one that was killed is not stored" \
    [ "$status" -eq 137 -a "$(wc -l <"$tally.killed")" -eq 2 ]

# Of many at once one runs it: it ends only when all the others wait for it.
mkfifo "$work/gate"
slow=(sh -c 'echo ran >>"$0"; read -r line <"$1"; echo "$line"' "$tally.many" "$work/gate")
askers=()
for i in 1 2 3 4; do
    timeout 60 "$kith" -s m memo -- "${slow[@]}" >"$work/asker.$i" 2>&1 &
    askers+=($!)
done
until [ -s "$tally.many" ]; do sleep 0.02; done
echo "only once" >"$work/gate"
wait "${askers[@]}"
status=0
out=$(sort -u "$work"/asker.?)
gives "of many who ask at once all get the output" 0 "only once"
ok "and one ran the command" [ "$(wc -l <"$tally.many")" -eq 1 ]

# Whoever runs it is killed: the next one takes over.
rm -f "$tally.many"
slow+=(takeover)
"$kith" -s m memo -- "${slow[@]}" >/dev/null 2>&1 &
first=$!
until [ -s "$tally.many" ]; do sleep 0.02; done
timeout 60 "$kith" -s m memo -- "${slow[@]}" >"$work/asker.1" 2>&1 &
second=$!
kill -KILL $first
wait $first 2>/dev/null
until [ "$(wc -l <"$tally.many")" -eq 2 ]; do sleep 0.02; done
echo "the second" >"$work/gate"
wait $second
status=$?
out=$(cat "$work/asker.1")
gives "if its runner is killed the next one runs it" 0 "the second"
run "$kith" -s m ls
ok "and no lock is left" eval '[[ $out == *memo*dict* && $out != *memo-* ]]'
run "$kith" rm -s m
