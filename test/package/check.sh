#!/usr/bin/env bash
# The package as those who install it get it: its metadata, its types, its size, and a tarball that works.
set -euo pipefail
cd "$(dirname "$0")/../.."

npx publint --strict
# The file for pages that are not bundled is nothing for require.
npx attw --pack . --profile node16 --format table-flipped --exclude-entrypoints sidewire.min.js
npx size-limit

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tarball="$folder/$(npm pack --silent --pack-destination "$folder" | tail -n 1)"
test/package/command.sh "$tarball"
cp test/package/consumer.* test/package/links.mjs test/package/tsconfig.json "$folder"
tsc="$PWD/node_modules/.bin/tsc"
cd "$folder"
echo '{ "name": "consumer", "private": true, "type": "module" }' >package.json
npm install --no-audit --no-fund --silent "$tarball" aedes@1.2.0
node consumer.mjs
node links.mjs node_modules/sidewire
# As in Jest and in older Nodes, where nothing that is required may be an ES module.
node --no-experimental-require-module consumer.cjs
"$tsc" --project .
"$tsc" --project . --module esnext --moduleResolution bundler
echo "packed, types: hold in a page's program"
