#!/bin/sh
# event.sh - clients wait until the server is ready, and nobody asks again and again.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

for client in 1 2; do
    "$kith" event ready wait -w 60 && echo "client $client is served" &
done
"$kith" event ready test 2>/dev/null || echo "the server is not ready"
"$kith" event ready set
wait
