# part_cells.sh - values, arrays, lists and namespaces by get, set, add and stat.  Read by run.

run "$kith" -s cells set hits 41
gives "set without a key makes a value" 0 ""
run "$kith" -s cells add hits
gives "add takes a value without a key" 0 42
run "$kith" -s cells add hits -- -2
gives "and a number to add" 0 40
run "$kith" -s cells get hits
gives "get of a value" 0 40
run "$kith" -s cells get hits key
says "a value has no keys" 2 "no keys"
run "$kith" -s cells set hits key 1
says "which set knows too" 2 "no keys"
run "$kith" -s cells set hits 7
run "$kith" -s cells get hits --json
gives "set of a value" 0 7
run "$kith" -s cells set rate 0.5
run "$kith" -s cells add rate 0.25
gives "a value may be a float" 0 0.75
run "$kith" -s cells set word abc
says "but no text" 2 "number for a value"
run "$kith" -s cells get nothing
gives "a value that is not there is an answer" 1 ""
run "$kith" -s cells stat hits
ok "stat tells a value's type" eval '[[ $out == *"item_type: q"*"item_size: 8"* ]]'

run "$kith" -s cells set row 2 5 --array 4
gives "set --array makes an array" 0 ""
run "$kith" -s cells get row 2
gives "get takes an index of an array" 0 5
run "$kith" -s cells get row -- -4
gives "get takes an index from the end of an array" 0 0
run "$kith" -s cells add row 2 3
gives "add takes an index of an array" 0 8
run "$kith" -s cells set row -- -1 9
run "$kith" -s cells get row 3
gives "set takes an index from the end of an array" 0 9
run "$kith" -s cells get row 4
gives "an index that an array has not is an answer" 1 ""
run "$kith" -s cells set row 4 1
gives "to set as well" 1 ""
run "$kith" -s cells add row 4
gives "and to add" 1 ""
run "$kith" -s cells get row
says "an array needs an index" 2 "must be named"
run "$kith" -s cells stat row --json
ok "stat tells an array's type" eval '[[ $out == *"\"items\": 4"*"\"item_type\": \"q\""* ]]'

run "$kith" -s cells push --list todo one two
run "$kith" -s cells set todo 1 second
run "$kith" -s cells get todo 1
gives "set takes an index of a list" 0 second
run "$kith" -s cells set todo 2 third
gives "which must be there" 1 ""
run "$kith" -s cells set todo 1 x --absent
says "--absent is for dicts" 2 "dicts"
run "$kith" -s cells push todo three
run "$kith" -s cells del todo 0
gives "del takes an index of a list" 0 ""
run "$kith" -s cells del todo 7
gives "which may be absent" 1 ""
run "$kith" -s cells del todo 0 1
says "and is one at a time" 2 "one by one"
run "$kith" -s cells pop todo
gives "pop takes the last item of a list" 0 three
run "$kith" -s cells pop todo -n 5
gives "or as many as there are" 0 second
run "$kith" -s cells pop todo
gives "an empty list is an answer" 1 ""
run "$kith" -s cells pop todo -w 1
says "a list is not waited for" 2 "not waited for"
run "$kith" rm -s cells
