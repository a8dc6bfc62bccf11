#!/bin/sh
# once.sh - three servers start at once; one of them makes ready what they all need.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

for server in 1 2 3; do
    # Had the one who is at it failed, or been killed, the next would do it.
    "$kith" once prepare -- sh -c 'sleep 0.1; echo "the table is made"' &&
        echo "server $server starts" &
done
wait
"$kith" once prepare
