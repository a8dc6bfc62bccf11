# part_wait.sh - waiting for a key.  Read by run.

run "$kith" wait --help
ok "wait --help shows an example" \
    eval '[ "$status" -eq 0 ] && [[ $out == *"example"*"kith "* ]] && [ -z "$err" ]'
run "$kith" wait d k
says "wait without a space says so" 2 "needs a space"
run "$kith" -s w wait d
ok "wait of no key is wrong usage" eval '[ "$status" -eq 2 ] && [ -n "$err" ]'
run "$kith" -s w wait d k --changed --gone
says "--changed and --gone exclude each other" 2 "exclude"

run "$kith" -s w wait d k -w 0.05
gives "a key that does not come in time is an answer" 1 ""
ok "which needs no sentence" [ -z "$err" ]
run "$kith" -s w set d k value
run "$kith" -s w wait d k
gives "a key that is there is not waited for" 0 value
run "$kith" -s w wait d k --changed -w 0.05
gives "unless it has to change" 1 ""
run "$kith" -s w wait d k --gone -w 0.05
gives "or to go" 1 ""
run "$kith" -s w wait d nothing --gone
gives "what is not there is gone" 0 ""

# waits NAME STATUS STDOUT WORDS… -- WORDS…: the first words wait, and the second end that.
waits() {
    local name=$1 want=$2 text=$3 first=()
    shift 3
    while [ "$1" != -- ]; do
        first+=("$1")
        shift
    done
    shift
    "$kith" -s w "${first[@]}" >"$work/waited" 2>"$work/err" &
    waiter=$!
    until_asleep $waiter
    "$kith" -s w "$@" >/dev/null
    wait $waiter
    status=$?
    out=$(cat "$work/waited")
    err=$(cat "$work/err")
    gives "$name" "$want" "$text"
}

waits "wait returns when the key comes" 0 7 wait d late -- set d late 7
waits "wait --changed returns when it changes" 0 8 wait d late --changed -- set d late 8
waits "wait --changed answers no when it goes" 1 "" wait d late --changed -- del d late
waits "wait --gone returns when it goes" 0 "" wait d k --gone -- del d k
waits "wait makes the dict that it waits in" 0 1 wait new key -- set new key 1
run "$kith" rm -s w
