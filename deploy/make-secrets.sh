#!/bin/sh
# Makes a password for each of the seven peers of compose.yaml; those that are there stay as they are.
#   make-secrets.sh [DIRECTORY]      deploy/secrets by default
# Compose hands files over as they are, so they must belong to the user in the container (10001): run it as
# root, or set SECRETS_OWNER to whom your Docker maps that user.
set -eu
: "${SECRETS_OWNER:=10001:10001}"
directory=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$directory"

for number in 1 2 3 4 5 6 7; do
  file=$directory/peer${number}_password
  if [ ! -s "$file" ]; then
    head -c 24 /dev/urandom | base64 > "$file.partial"
    chown "$SECRETS_OWNER" "$file.partial"
    mv "$file.partial" "$file"
  fi
done
