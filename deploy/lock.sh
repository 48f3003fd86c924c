#!/usr/bin/env bash
# Writes the lock files anew from pyproject.toml: exact versions with hashes, for every platform and Python >= 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { # compile FILE GROUP...
  local out=$1; shift
  .venv/bin/python -m uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --quiet --output-file "$out"
}
compile requirements.lock --group build
compile requirements-dev.lock --group build --group dev
for tool in uv virtualenv; do
  .venv/bin/python -m uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --quiet --output-file "deploy/$tool-requirements.lock" <<< "$tool"
done
