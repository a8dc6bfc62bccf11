# part_keeping.sh - dump, load, repair, mv and doctor.  Read by run.

for verb in dump load repair mv doctor; do
    run "$kith" $verb --help
    ok "$verb --help shows an example" \
        eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
    run "$kith" $verb --nonsense
    says "$verb refuses an unknown option" 2 "no option --nonsense"
done
for words in "dump" "load" "repair" "mv a b"; do
    run "$kith" $words
    says "$words without a space says so" 2 "needs a space"
done
for words in "dump" "repair" "mv a b"; do
    run "$kith" -s missing $words
    ok "$words in a missing space answers no" eval '[ "$status" -eq 1 ] && [ -n "$err" ]'
done
for words in "dump a b" "load a b" "repair x" "mv a" "mv a b c" "doctor x"; do
    run "$kith" -s s $words
    ok "$words has the wrong number of words" eval '[ "$status" -eq 2 ] && [ -n "$err" ]'
done

# ---- dump and load

run "$kith" -s kept set d name value
run "$kith" -s kept set d n 7
run "$kith" -s kept push jobs a b c
run "$kith" -s kept dump -o "$work/kept.kith"
gives "dump -o writes a file" 0 ""
run "$kith" -s kept dump -o "$work/kept.kith" --json
bytes=$(stat -c %s "$work/kept.kith")
gives "and tells of it" 0 "{\"objects\": 2, \"items\": 5, \"bytes\": $bytes}"
timeout 60 "$kith" -s kept dump >"$work/piped.kith" 2>"$work/err"
status=$?
out=
err=$(cat "$work/err")
ok "dump writes to standard output" [ "$status" -eq 0 -a -s "$work/piped.kith" ]
run "$kith" -s restored load "$work/kept.kith"
gives "load makes a space" 0 ""
run "$kith" -s restored get d name
gives "with its dicts" 0 value
run "$kith" -s restored pop jobs -n 3
gives "and its queues" 0 $'a\nb\nc'
run "$kith" -s restored load "$work/kept.kith"
says "load into a space in use answers no" 1 "in use"
run "$kith" -s restored load --only jobs --as others "$work/kept.kith" --json
ok "load --only --as takes one, under another name" is_json objects items bytes
run "$kith" -s restored pop others
gives "which is there then" 0 a
run "$kith" -s restored load --only nothing "$work/kept.kith"
says "load --only of what is not in it answers no" 1 nothing
run "$kith" -s restored load "$work/missing.kith"
says "load of a missing file is wrong usage" 2 "cannot be opened"
head -c 100 "$work/kept.kith" >"$work/cut.kith"
run "$kith" -s other load "$work/cut.kith"
says "load of a dump cut short is corrupt" 4 "cut short"
run "$kith" -s kept dump nothing
says "dump of a missing object answers no" 1 nothing
run "$kith" -s kept dump nothing -o "$work/kept.kith"
run "$kith" -s third load "$work/kept.kith"
gives "and leaves the file that was there" 0 ""
ok "and none beside it" eval '! ls "$work"/kept.kith.* >/dev/null 2>&1'
status=0
timeout 60 "$kith" -s kept dump d | timeout 60 "$kith" -s fourth load
out=$("$kith" -s fourth get d n)
gives "dump goes through a pipe" 0 7

# ---- mv

run "$kith" mv -s kept d renamed
gives "mv renames" 0 ""
run "$kith" -s kept get renamed name
gives "and all is there" 0 value
run "$kith" -s kept get d name
ok "but not under the old name" [ "$status" -eq 1 ]
run "$kith" mv -s kept renamed jobs
says "mv onto what is there answers no" 1 jobs
run "$kith" mv -s kept nothing x
says "mv of nothing answers no" 1 nothing

# ---- repair

run "$kith" -s kept repair
gives "repair of a whole space does nothing" 0 "violations: 0, nothing to repair"
run "$kith" -s "file://$work/broken?size=4M" set d "a key to be found" value
# The link to the next entry stands 40 bytes before the key; the objects behind 100 MiB of slots.
perl -e '
    open my $file, "+<:raw", $ARGV[0] or die;
    seek $file, 104898560, 0;
    read $file, my $heap, 6 << 20;
    my $at = index $heap, "a key to be found";
    die if $at < 0;
    seek $file, 104898560 + $at - 40, 0;
    print $file "\xff" x 8;
' "$work/broken"
run "$kith" -s "file://$work/broken" check
ok "a broken link is corrupt" [ "$status" -eq 4 ]
run "$kith" -s "file://$work/broken" repair
gives "repair mends it" 0 "violations: 1, objects kept: 1, objects lost: 0"
run "$kith" -s "file://$work/broken" check
ok "and then it is whole" [ "$status" -eq 0 ]
run "$kith" -s "file://$work/broken" get d "a key to be found"
gives "with all that was in it" 0 value
run "$kith" -s "file://$work/broken" repair --json
ok "repair --json is JSON" is_json violations objects removed lost

# ---- a dump to what is no file of its own

# "kith dump -o" puts a new file in the place of the old one, but not of a pipe or a link.
mkfifo "$work/pipe"
cat "$work/pipe" >"$work/piped" &
reader=$!
run "$kith" -s kept dump -o "$work/pipe"
gives "dump -o writes into a pipe" 0 ""
ok "which stays one" [ -p "$work/pipe" ]
wait $reader
"$kith" -s kept dump >"$work/redirected"
ok "and takes the dump" [ -s "$work/piped" -a "$(wc -c <"$work/piped")" -eq \
    "$(wc -c <"$work/redirected")" ]
echo old >"$work/link to"
ln -s "link to" "$work/link"
run "$kith" -s kept dump -o "$work/link"
gives "dump -o follows a link" 0 ""
ok "which stays one, too" [ -L "$work/link" -a "$(wc -c <"$work/link to")" -eq \
    "$(wc -c <"$work/redirected")" ]
ln -s "nothing" "$work/dangling"
run "$kith" -s kept dump -o "$work/dangling"
ok "one that leads nowhere is replaced" [ "$status" -eq 0 -a -s "$work/dangling" ]
run "$kith" -s kept dump -o "$work"
ok "a folder is no place for a dump" eval '[ "$status" -eq 3 ] && [ -d "$work" ] && [ -n "$err" ]'
ok "and nothing else is left beside" [ -z "$(ls "$work" | grep -E '^(link.*|pipe|dangling)\.')" ]

# ---- doctor

run "$kith" doctor
ok "doctor looks at the machine and at spaces" \
    eval '[ "$status" -le 1 ] && [[ $out == *"kernel: "*"space kept: 2 objects"*whole* ]]'
run "$kith" doctor --json
status=0
ok "doctor --json is JSON" is_json check ok found advice
head -c 200000 /dev/zero >"$KITH_DIR/kith.$(id -u).damaged"
run "$kith" doctor
ok "doctor says what to do about a damaged space" \
    eval '[ "$status" -eq 1 ] && [[ $out == *"!!   space damaged: "*"remove it"* ]]'
rm "$KITH_DIR/kith.$(id -u).damaged"
run "$kith" -s left.repair-0123456789abcdef set d k v
run "$kith" doctor
ok "and about what a killed repair left" \
    eval '[ "$status" -eq 1 ] && [[ $out == *"left over by a repair"*"kith gc"* ]]'
run "$kith" gc
run "$kith" doctor
ok "which is gone then" eval '[[ $out != *"left over by a repair"* ]]'
"$kith" -s kept pop jobs -n 3 >/dev/null
timeout 60 "$kith" -s kept pop jobs -w forever >/dev/null 2>&1 &
waiter=$!
popper=
until [ -n "$popper" ] && grep -qs "kith.$(id -u).kept" "/proc/$popper/maps"; do
    popper=$(cat "/proc/$waiter/task/$waiter/children" 2>/dev/null | tr -d ' ')
    sleep 0.02
done
kill -STOP "$popper"
until [ "$(sed 's/.*) //; s/ .*//' "/proc/$popper/stat")" = T ]; do sleep 0.02; done
run "$kith" doctor
ok "doctor finds a stopped process" \
    eval '[ "$status" -eq 1 ] && [[ $out == *"process $popper is stopped"* ]]'
kill -CONT "$popper"
run "$kith" -s kept push jobs end
wait $waiter

for space in kept restored third fourth other; do
    run "$kith" rm -s $space
done
