# ---- lists: pushed, shown, looked into

run "$kith" -s lists push --list todo 1 two 3.5
gives "push --list makes a list" 0 ""
run "$kith" -s lists push todo last
gives "push finds that it is one" 0 ""
run "$kith" -s lists keys todo
gives "keys of a list are its items" 0 $'1\ntwo\n3.5\nlast'
run "$kith" -s lists get todo 1
gives "get takes an index of a list" 0 "two"
run "$kith" -s lists get todo -- -1
gives "get takes an index from the end" 0 "last"
run "$kith" -s lists get todo 4
gives "an index that is not there is an answer" 1 ""
run "$kith" -s lists ls
ok "ls names it a list" eval '[[ $out == *todo*list*4* ]]'
run "$kith" rm -s lists
