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
[ -s operator_token ] || head -c 32 /dev/urandom | base64 | tr -d '+/=\n' > operator_token
[ -s keys.json ] || ../../../.venv/bin/python -m services.kit.vault.keys keys.json
chmod 0444 postgres_password database_url operator_token keys.json
