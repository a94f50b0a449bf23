#!/bin/sh
# Makes a peer unless there is one, and leaves its member line for network.sh. Run again it changes nothing.
#   member.sh LABEL URL [FLAGS of `peerage peer init`]
set -eu
: "${PEERAGE_DATA_DIR:=/data}" "${MEMBERS_DIR:=/members}" "${PASSWORD_FILE:=/run/secrets/password}"
label=$1
url=$2
shift 2
key_file=$PEERAGE_DATA_DIR/peer/key.json

if [ ! -e "$key_file" ]; then
  # Inside a container every address is the container's own; the port is the one that others dial.
  peerage peer init --no-input --dir "$PEERAGE_DATA_DIR/peer" --password-file "$PASSWORD_FILE" \
    --label "$label" --listen "0.0.0.0:${url##*:}" --advertise "$url" "$@"
fi

key=$(sed -n 's/.*"public_key" *: *"\([0-9a-f]*\)".*/\1/p' "$key_file")
if [ -z "$key" ]; then
  echo "member.sh: there is no public key in $key_file" >&2
  exit 3
fi
printf '%s=%s@%s\n' "$label" "$key" "$url" > "$MEMBERS_DIR/$label.member"
