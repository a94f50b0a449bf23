#!/bin/sh
# Joins the network, which changes nothing where the peer is in it already, and becomes the peer.
#   start.sh [FLAGS of `peerage peer run`]
set -eu
: "${PEERAGE_DATA_DIR:=/data}" "${MEMBERS_DIR:=/members}" "${PASSWORD_FILE:=/run/secrets/password}"

peerage net join "$MEMBERS_DIR/network.json" --dir "$PEERAGE_DATA_DIR/peer"
exec peerage peer run --dir "$PEERAGE_DATA_DIR/peer" --password-file "$PASSWORD_FILE" "$@"
