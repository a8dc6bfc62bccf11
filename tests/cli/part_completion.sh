# part_completion.sh - what kith offers to the shells.  Read by run.

# The candidates for the last word, without what is said about them.
offered() {
    run "$kith" --complete "$@"
    out=$(printf '%s\n' "$out" | cut -f 1)
}

offered ""
verbs=$out
ok "every verb of --help is offered" eval '[ "$status" -eq 0 ] &&
    [ "$(printf "%s\n" $verbs | sort)" = \
      "$("$kith" --help | sed -n "s/^  \([a-z]\{1,\}\)  *[a-z].*/\1/p" | sort)" ]'
offered po
gives "a verb is completed" 0 pop
offered --vers
gives "an option before the verb is, too" 0 --version

for verb in $verbs; do
    run "$kith" $verb --help
    said=$(printf '%s\n' "$out" | grep -o '^  *-.*' | grep -oE -e '(^|[ ,])--?[a-z][a-z-]*' |
        tr -d ' ,' | sort -u)
    offered $verb -
    missing=$(comm -23 <(printf '%s\n' $said) <(printf '%s\n' "$out" | sort -u))
    ok "every option of $verb --help is offered${missing:+: not }$(echo $missing)" \
        [ -n "$said" -a -z "$missing" ]
done

run "$kith" -s words set by-host k v
run "$kith" -s words push jobs a
offered -s wor
gives "spaces are offered after -s" 0 words
offered -s words get by
gives "dicts are offered where a dict is wanted" 0 by-host
offered -s words pop ""
gives "queues where a queue is" 0 jobs
offered rm -s words ""
gives "and all where any will do" 0 $'by-host\njobs'
offered rm -s words by-host ""
gives "as often as there may be some" 0 $'by-host\njobs'
offered -s words get by-host ""
gives "a key is not guessed" 0 ""
offered push -w ""
gives "nor the value of an option" 0 ""
offered pop -s words -- -
gives "nor what belongs to a command" 0 ""
run env KITH_URL=words "$kith" --complete get b
out=$(printf '%s\n' "$out" | cut -f 1)
gives "KITH_URL names the space here too" 0 by-host
run "$kith" rm -s words

# ---- the files for the shells

source_dir=${KITH_SOURCE:-.}
run bash -n "$source_dir/data/completion/kith.bash"
gives "the file for bash parses" 0 ""
run bash -c '. "$1"; COMP_WORDS=("$2" --help); COMP_WORDS=("$2" po); COMP_CWORD=1; _kith
    echo "${COMPREPLY[@]}"' bash "$source_dir/data/completion/kith.bash" "$kith"
gives "and completes" 0 pop
run bash -c '. "$1"; COMP_WORDS=("$2" x -- seq); COMP_CWORD=3; _kith
    printf "%s\n" "${COMPREPLY[@]}" | grep -x seq | head -n 1' bash \
    "$source_dir/data/completion/kith.bash" "$kith"
gives "a command under -- as well" 0 seq
if command -v zsh >/dev/null; then
    run zsh -n "$source_dir/data/completion/_kith"
    gives "the file for zsh parses" 0 ""
    # The function itself, with what zsh would call told to print.
    run zsh -f -c '_describe() { print -l -- $candidates }; words=("$2" po); CURRENT=2
        . "$1"' zsh "$source_dir/data/completion/_kith" "$kith"
    ok "and completes" eval '[ "$status" -eq 0 ] && [[ $out == "pop:"* ]]'
fi
