#!/bin/sh
# workers.sh - a queue between shells: one fills it, some empty it, and all end by themselves.
#
#     examples/workers.sh FILE…     prints how many lines the files have together
#
# The sum is added up by whoever has done a file; nobody collects it.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

printf '%s\n' "$@" | "$kith" push files -
for worker in 1 2 3; do
    while file=$("$kith" pop files); do # an empty queue answers no
        "$kith" add sums lines "$(wc -l <"$file")" >/dev/null
    done &
done
wait
"$kith" get sums lines
