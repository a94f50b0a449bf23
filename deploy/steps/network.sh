#!/bin/sh
# Makes the network of all members that left their lines, unless there is one.
#   network.sh NAME [FLAGS of `peerage net create`]
set -eu
: "${MEMBERS_DIR:=/members}"
name=$1
shift

if [ ! -e "$MEMBERS_DIR/network.json" ]; then
  cat "$MEMBERS_DIR"/*.member > "$MEMBERS_DIR/members"
  peerage net create "$name" --members "$MEMBERS_DIR/members" --out "$MEMBERS_DIR/network.json" "$@"
fi
