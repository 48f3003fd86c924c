#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml mounts. Existing ones stay.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets
# Compose mounts the files with these permissions, and the container's user (10001) must be able to read them.
[ -s postgres_password ] || head -c 24 /dev/urandom | base64 | tr -d '+/=\n' > postgres_password
[ -s database_url ] || printf 'postgresql://heraut:%s@postgres/heraut' "$(cat postgres_password)" > database_url
# `heraut migrate` gives each room the login of its file.
for room in intake deduplication routing dispatch tracking; do
  [ -s "database_url_$room" ] || printf 'postgresql://heraut_%s:%s@postgres/heraut' "$room" \
    "$(head -c 24 /dev/urandom | base64 | tr -d '+/=\n')" > "database_url_$room"
done
# Who may do what; the tokens are shown this once, the file that services read has only their hashes.
add() { HERAUT_PRINCIPALS_FILE=principals.json ../../../.venv/bin/heraut principal add "$1" --role "$1" --expires 365d --token-file "$1_token"; }
[ -s operator_token ] || add operator
[ -s scrape_token ] || add scrape
[ -d keys ] || ../../../.venv/bin/python -m services.kit.vault.key_files keys
# Kafka lets each room in as a user of its own, over TLS.
../../../.venv/bin/python -m deploy.compose.kafka .
chmod 0444 postgres_password database_url* principals.json scrape_token keys/*.json kafka_*
chmod 0644 kafka_server # its image copies the file as it is, and writes on in the copy
