#!/bin/sh
# The ACL file from users.acl.template: sh render-acl.sh users.acl.template > users.acl
#
# Reads DRUMLINE_COORDINATOR_PASSWORD, DRUMLINE_WORKER_PASSWORD, DRUMLINE_CLIENT_PASSWORD, DRUMLINE_EXPORTER_PASSWORD
# (not set: that user is off), and DRUMLINE_PREFIX (default: drumline). Only SHA-256 hashes of the passwords are written. Needs sh, sed, awk and sha256sum.
set -eu

hash_of() {
    printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

coordinator=$(hash_of "${DRUMLINE_COORDINATOR_PASSWORD:?is not set}")
worker=$(hash_of "${DRUMLINE_WORKER_PASSWORD:?is not set}")
client=$(hash_of "${DRUMLINE_CLIENT_PASSWORD:?is not set}")
exporter=off
if [ -n "${DRUMLINE_EXPORTER_PASSWORD:-}" ]; then exporter="#$(hash_of "$DRUMLINE_EXPORTER_PASSWORD")"; fi

sed -e '/^ *#/d' -e '/^ *$/d' \
    -e "s/@COORDINATOR@/$coordinator/" -e "s/@WORKER@/$worker/" -e "s/@CLIENT@/$client/" -e "s/@EXPORTER@/$exporter/" \
    -e "s|@PREFIX@|${DRUMLINE_PREFIX:-drumline}|g" "$1" |
    awk '/^user / { if (line) print line; line = $0; next } { sub(/^ +/, " "); line = line $0 } END { print line }'
