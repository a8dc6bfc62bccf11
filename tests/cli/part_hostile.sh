# part_hostile.sh - names and words that are meant to spoil what is printed.  Read by run.

bad=$'two\nlines \e[31mred\xc2\x9b'
shown='two\nlines \x1b[31mred\xc2\x9b'
pattern=${shown//\\/\\\\} # for "says"
run "$kith" -s bad set "$bad" k v
gives "a name may have anything in it but a slash" 0 ""
run "$kith" -s bad set größe k v
run "$kith" -s bad ls
ok "ls has a line for each, in which a terminal finds nothing to obey" \
    eval '[ "$(wc -l <"$work/out")" -eq 2 ] && [[ $out == *"$shown "*dict* ]]'
ok "and letters stay letters, as wide as they are" \
    eval '[[ $out == *"größe                    dict"* ]]'
run "$kith" -s bad ls --json
ok "ls --json is JSON all the same" is_json name type
run "$kith" -s bad stat "$bad"
ok "stat shows it so as well" eval '[[ $out == "name: $shown"$'"'\n'"'type* ]]'
run "$kith" -s bad pop "$bad"
says "and so does a sentence" 3 "\"$pattern\" is a dict"
ok "which is one line" [ "$(wc -l <"$work/err")" -eq 1 ]
run "$kith" -s bad get "$bad" k
gives "it is got by its name" 0 v
run "$kith" --complete -s bad get ""
gives "completion leaves it out" 0 $'größe\tdict'
run "$kith" -s bad lock "$bad lock" -- "$kith" -s bad locks
ok "locks shows it so, too" \
    eval '[ "$(wc -l <"$work/out")" -eq 1 ] && [[ $out == "$shown lock "* ]]'
run "$kith" -s bad lock "$bad lock" -- true
run "$kith" -s bad locks
ok "and when it is free" \
    eval '[ "$(wc -l <"$work/out")" -eq 1 ] && [[ $out == "$shown lock "*free ]]'
run "$kith" -s "$bad" set d k v
run "$kith" ls
ok "a space's name is shown so" \
    eval '[ "$(wc -l <"$work/out")" -eq 2 ] && [[ $out == *"$shown "* ]]'
run "$kith" doctor
ok "by doctor as well" eval '[[ $out == *"space $shown: "* ]]'
run "$kith" rm -s "$bad"
run "$kith" rm -s bad

run "$kith" "$bad"
says "an unknown verb is shown in one line" 2 "no verb \"$pattern\""
run "$kith" -s s get "--$bad" k
says "an unknown option too" 2 "no option --$pattern."
run "$kith" -s s get -é k
says "a letter is not cut" 2 "no option -é."
run "$kith" -s s get $'-\xff' k
says "and what is no letter is shown" 2 'no option -\\xff.'
for verb in $("$kith" --help | sed -n 's/^  \([a-z]\{1,\}\)  *[a-z].*/\1/p'); do
    if [ -c /dev/full ]; then
        timeout 60 "$kith" $verb --help >/dev/full 2>"$work/err"
        status=$? out= err=$(cat "$work/err")
        says "$verb --help that cannot be printed is refused" 3 "cannot be written"
    fi
done
