#!/usr/bin/env bash
# The command out of the tarball ($1), in an empty folder with nothing but the runtime dependencies.
set -euo pipefail
tarball=$1
folder=$(mktemp -d)
children=()
leave() {
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap leave EXIT
cd "$folder"
export XDG_CONFIG_HOME=$folder/config XDG_CACHE_HOME=$folder/cache
unset SIDEWIRE_KEY

# Waits until a file says something.
until_says() {
  for _ in $(seq 150); do
    grep -q "$2" "$1" && return
    sleep 0.1
  done
  echo "not said in $1: $2" && cat "$1" && return 1
}

echo '{ "name": "user", "private": true }' >package.json
npm install --omit=dev --no-audit --no-fund --silent "$tarball"
npx sidewire --help >/dev/null
address=$(npx sidewire keygen 2>/dev/null)
[ "$(npx sidewire id)" = "$address" ]
npx sidewire keygen --key ann.key 2>/dev/null >/dev/null

# Not by npx, which would stand between the process and its signals.
sidewire=node_modules/.bin/sidewire
$sidewire broker --port 0 --ws-port 0 >pool.json 2>/dev/null &
children+=($!)
until_says pool.json '"ws"'
$sidewire listen --brokers pool.json >messages 2>notes &
children+=($!)
until_says notes Listening
npx sidewire send --key ann.key --brokers pool.json "$address" "from the tarball" | grep -q "16 bytes delivered"
until_says messages "from the tarball"
kill -INT "${children[@]}"
wait "${children[@]}"
children=()
echo "packed, the command: works"
