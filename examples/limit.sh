#!/bin/sh
# limit.sh - shells that share a rate: five calls at once, and after these 20 a second.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

for shell in a b; do
    for call in 1 2 3 4; do
        "$kith" limit 20/s calls --burst 5 -- echo "shell $shell, call $call"
    done &
done
wait
