#!/bin/sh
# barrier.sh - nobody begins the second half before all have done the first.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

for part in 1 2 3; do
    {
        "$kith" add sums total $((part * part)) >/dev/null
        # If one of the three died here the others would exit with 1, and a sentence that names it.
        "$kith" barrier added 3 -w 60 &&
            echo "part $part is a share of $("$kith" get sums total)"
    } &
done
wait
