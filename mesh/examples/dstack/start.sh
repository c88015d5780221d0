#!/bin/sh
# Starts a node: with a key that is made once, and the list of nodes at PEERS_URL. Further options of `up` may follow.
set -eu
state=${STATE:-/var/lib/sidewire-mesh}
interface=${INTERFACE:-wg0}
key=$state/$interface.private
umask 077
mkdir -p "$state"
if [ ! -s "$key" ]; then
  sidewire-mesh keygen >"$key.new"
  mv "$key.new" "$key"
fi
exec sidewire-mesh up "$interface" --create --private-key "$key" --listen-port 51820 --state "$state" \
  --peers-url "$PEERS_URL" --publish 8080 --index-overlay 10.88.0.0/24 "$@"
