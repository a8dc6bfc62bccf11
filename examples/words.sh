#!/bin/sh
# words.sh - several shells count words into one dict.
#
#     examples/words.sh FILE…
#
# Every `kith add` is atomic, so that the counts are right however the shells meet.  KITH names the
# program if it is not in the PATH.
set -eu
kith=${KITH:-kith}
export KITH_URL="file://$(mktemp -u)?size=16M"
trap '"$kith" rm -s "$KITH_URL"' EXIT

for file in "$@"; do
    tr -cs '[:alpha:]' '\n' <"$file" | while read -r word; do
        [ -z "$word" ] || "$kith" add words "$word" >/dev/null
    done &
done
wait
"$kith" keys words --items | sort -k 2nr -k 1 | head -n 5
