#!/bin/sh
# snapshot.sh - a space is dumped, spoiled, and had again from the dump.
set -eu
kith=${KITH:-kith}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

"$kith" -s "file://$folder/shop?size=16M" set prices apple 3
"$kith" -s "file://$folder/shop" dump -o "$folder/monday.kith"
"$kith" -s "file://$folder/shop" set prices apple 300

# Into a space of its own, or beside what is there, under another name.
"$kith" -s "file://$folder/again?size=16M" load "$folder/monday.kith"
"$kith" -s "file://$folder/shop" load --only prices --as "prices of monday" "$folder/monday.kith"

echo "now: $("$kith" -s "file://$folder/shop" get prices apple)"
echo "on monday: $("$kith" -s "file://$folder/again" get prices apple)," \
    "$("$kith" -s "file://$folder/shop" get "prices of monday" apple)"
