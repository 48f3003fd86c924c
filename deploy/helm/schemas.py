"""Holds what the chart makes for operators to the operators' own schemas: nothing unknown, nothing missing.

Those of Prometheus, KEDA, cert-manager and External Secrets come as types from npm, those of Strimzi from its classes.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from deploy.helm.tools import ToolMissing
from deploy.kafka import broker

__all__ = ["broken"]

CHECKOUT = Path(__file__).resolve().parents[2]
_NPM = CHECKOUT / "var" / "helm-types"
_STRIMZI = CHECKOUT / "var" / "helm-strimzi"
_PACKAGES = {
    "@kubernetes-models/prometheus-operator": "6.0.0", "@kubernetes-models/keda": "2.0.0",
    "@kubernetes-models/cert-manager": "6.0.0", "@kubernetes-models/external-secrets": "2.0.0",
    "typescript": "7.0.2",
}  # fmt: skip
_TYPES = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "@kubernetes-models/prometheus-operator",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "@kubernetes-models/prometheus-operator",
    ("keda.sh/v1alpha1", "ScaledObject"): "@kubernetes-models/keda",
    ("cert-manager.io/v1", "Certificate"): "@kubernetes-models/cert-manager",
    ("external-secrets.io/v1", "ExternalSecret"): "@kubernetes-models/external-secrets",
}
_CLASSES = {
    "KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}
_OURS = "kafka.strimzi.io/v1"


def broken(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give what is wrong with the operators' resources among these; others are left alone. Raises ToolMissing."""
    yield from _wrongly_typed([one for one in documents if (one["apiVersion"], one["kind"]) in _TYPES])
    yield from _not_strimzis([one for one in documents if one["apiVersion"] == _OURS])


def _wrongly_typed(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Have TypeScript read them as literals of their types, which must have nothing more, then their validators."""
    if not documents:
        return
    if shutil.which("npm") is None:
        raise ToolMissing("npm is needed: it comes with Node.js")
    _install()
    source = _NPM / "look.mts"
    source.write_text("\n".join(_program(documents)), encoding="utf-8")
    options = ["--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    for command in ([_NPM / "node_modules/.bin/tsc", *options, source], ["node", source.with_suffix(".mjs")]):
        done = subprocess.run([str(word) for word in command], cwd=_NPM, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{done.stdout}{done.stderr}".strip()
            return


def _install() -> None:
    wanted = [f"{name}@{version}" for name, version in _PACKAGES.items()]
    marker = _NPM / "installed.json"
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == wanted:
        return
    _NPM.mkdir(parents=True, exist_ok=True)
    (_NPM / "package.json").write_text("{}", encoding="utf-8")
    subprocess.run(["npm", "install", "--silent", "--ignore-scripts", *wanted], cwd=_NPM, check=True)
    marker.write_text(json.dumps(wanted), encoding="utf-8")


def _program(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    used = {(one["apiVersion"], one["kind"]) for one in documents}
    for version, kind in sorted(used):
        yield f'import {{ {kind}, I{kind} }} from "{_TYPES[version, kind]}/{version}/{kind}";'
    for number, one in enumerate(documents):
        yield f"const one{number}: I{one['kind']} = {json.dumps(one)};"
        yield f"new {one['kind']}(one{number}).validate();"


def _not_strimzis(documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not documents:
        return
    schemas = {kind: _closed(_schema(kind)) for kind in {one["kind"] for one in documents}}
    for one in documents:
        for fault in jsonschema.Draft202012Validator(schemas[one["kind"]]).iter_errors(one):
            yield f"{one['kind']} {one['metadata']['name']}: {fault.json_path}: {fault.message}"


def _schema(kind: str) -> dict[str, Any]:
    file = _STRIMZI / f"{kind}.yaml"
    if not file.exists():
        _make_schemas()
    versions = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
    (schema,) = [one["schema"]["openAPIV3Schema"] for one in versions if one["name"] == _OURS.partition("/")[2]]
    found: dict[str, Any] = schema
    return found


def _make_schemas() -> None:
    try:
        mvn = broker.maven()
    except broker.BrokerUnavailable as error:
        raise ToolMissing("Maven is needed: Strimzi's schemas are made of its classes") from error
    _STRIMZI.mkdir(parents=True, exist_ok=True)
    jars = _STRIMZI / "jars"
    pom = CHECKOUT / "deploy" / "helm" / "strimzi.xml"
    fetch = [mvn, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    subprocess.run(fetch, check=True)
    with tempfile.TemporaryDirectory(dir=_STRIMZI) as folder:
        made = [f"{name}={folder}/{kind}.yaml" for kind, name in _CLASSES.items()]
        command = ["java", "-cp", f"{jars}/*", "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *made]
        subprocess.run(command, check=True, capture_output=True)
        for kind in _CLASSES:
            (Path(folder) / f"{kind}.yaml").rename(_STRIMZI / f"{kind}.yaml")


def _closed(schema: Any) -> Any:
    """Return a schema that knows no properties but its own: a cluster would drop them without a word."""
    if isinstance(schema, Mapping):
        found = {name: _closed(one) for name, one in schema.items()}
        if "properties" in found and isinstance(found["properties"], Mapping):
            found.setdefault("additionalProperties", False)
        return found
    return [_closed(one) for one in schema] if isinstance(schema, Iterable) and not isinstance(schema, str) else schema
