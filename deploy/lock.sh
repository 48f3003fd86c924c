#!/usr/bin/env bash
# Writes the lock files anew from pyproject.toml: exact versions with hashes, for every platform and Python >= 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { # compile FILE GROUP...
  local out=$1; shift
  .venv/bin/python -m uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --quiet --output-file "$out"
}
compile requirements-dev.lock --all-extras --group build --group dev
# The others have the same versions: what is tested is what runs.
compile requirements.lock --all-extras --group build --constraint requirements-dev.lock
compile deploy/image-requirements.lock --group build --constraint requirements-dev.lock
compile deploy/demo-requirements.lock --extra demo --group build --constraint requirements-dev.lock
compile deploy/otel-requirements.lock --extra otel --group build --constraint requirements-dev.lock
for tool in uv virtualenv; do
  .venv/bin/python -m uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --quiet --output-file "deploy/$tool-requirements.lock" <<< "$tool"
done
# What a release is looked at with (deploy/supply.py).
printf 'cyclonedx-bom\npip-audit\n' | .venv/bin/python -m uv pip compile - --universal --python-version 3.11 \
  --generate-hashes --no-header --no-annotate --quiet --output-file deploy/supply-requirements.lock
# What Heraut is measured against (loadtests/peers), with the same versions of what both use.
.venv/bin/python -m uv pip compile --group pyproject.toml:peers --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --quiet --constraint requirements-dev.lock --output-file loadtests/peers/requirements.lock
# What the Helm chart is held to (deploy/helm/check.py): the schemas of Kubernetes.
echo kubernetes-validate | .venv/bin/python -m uv pip compile - --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --quiet --output-file deploy/helm-requirements.lock
