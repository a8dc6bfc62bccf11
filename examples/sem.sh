#!/bin/sh
# sem.sh - six jobs are started at once, and two at a time run.
set -eu
kith=${KITH:-kith}

if [ "${1:-}" = job ]; then # it runs itself for each
    "$kith" push seen "$("$kith" add busy now 1)"
    sleep 0.05
    "$kith" add busy now -1 >/dev/null
    exit
fi

export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT
for number in 1 2 3 4 5 6; do
    "$kith" sem builders -j 2 -- "$0" job &
done
wait
"$kith" pop seen -n 6 | sort -n | tail -n 1 | {
    read -r most
    [ "$most" -le 2 ] && echo "never more than two were at it"
}
