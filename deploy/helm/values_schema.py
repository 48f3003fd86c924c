"""What may stand in the values of the Helm chart, as a JSON Schema: every setting by its name, and no secret."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["values_schema"]

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SWITCH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_QUANTITY: Schema = {"type": ["string", "integer"]}
_FREE: Schema = {"type": "object"}
_NAMES: Schema = {"type": "array", "items": {"type": "string", "pattern": "^[a-z0-9-]+$"}}
_PEERS: Schema = {
    "type": "array",
    "items": {"type": "object"},
    "description": "NetworkPolicyPeers; none = as the comment in values.yaml says",
}


def values_schema(known: Mapping[str, Any], everybodys: Sequence[str]) -> Schema:
    """Return the schema; `known` are the tables of the services, `everybodys` the settings that all of them have."""
    services = known["services"]
    own = {
        "nameOverride": _TEXT,
        "fullnameOverride": _TEXT,
        "global": _FREE,
        "image": _image(),
        "log": {"enum": ["kafka", "postgres"]},
        "partitions": _COUNT,
        "settings": _settings(everybodys),
        "services": _closed({name: _service(one) for name, one in services.items()}),
        "scheduling": _closed({"nodeSelector": _FREE, "tolerations": {"type": "array"}, "priorityClassName": _TEXT}),
        "database": _closed({"port": _port(), "to": _PEERS}),
        "kafka": _kafka(),
        "print": _print(),
        "secrets": _secrets(),
        "certificates": _certificates(),
        "network": _network(),
        "autoscaling": _autoscaling(services),
        "monitoring": _monitoring(),
    }
    dialect = {"$schema": "https://json-schema.org/draft-07/schema#", "title": "Values of the Helm chart heraut"}
    return {**dialect, **_closed(own, required=["image"])}


def _closed(properties: Mapping[str, Any], *, required: Iterable[str] = ()) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        **({"required": list(required)} if required else {}),
    }


def _image() -> Schema:
    return _closed(
        {
            "repository": {"type": "string", "minLength": 1},
            # A tag can be moved, a digest cannot: what was tried is what runs.
            "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            "pullSecrets": {"type": "array", "items": _TEXT},
        },
        required=["repository", "digest"],
    )


def _settings(names: Iterable[str]) -> Schema:
    """Return the schema of settings; whoever has traces made sets OpenTelemetry's own beside ours."""
    value = {"type": ["string", "integer", "number"]}
    return {**_closed(dict.fromkeys(names, value)), "patternProperties": {"^OTEL_[A-Z0-9_]+$": value}}


def _service(one: Mapping[str, Any]) -> Schema:
    return _closed(
        {
            "replicas": {"type": "integer", "minimum": 0},
            "resources": _closed({"requests": _FREE, "limits": _FREE}),
            "settings": _settings(one["settings"]),
            "secretSettings": _some_of(one["secretSettings"]),
            "podAnnotations": _FREE,
            **({"webhooks": _NAMES} if one["webhooks"] else {}),
        }
    )


def _some_of(names: Iterable[str]) -> Schema:
    found = sorted(names)
    return {"type": "array", "uniqueItems": True, **({"items": {"enum": found}} if found else {"maxItems": 0})}


def _kafka() -> Schema:
    source = _closed(
        {"topic": {"type": "string", "pattern": "^heraut\\.cohort\\.([a-z0-9][a-z0-9-]{0,62}\\.)?v1$"}, "user": _TEXT},
        required=["topic", "user"],
    )
    return _closed(
        {
            "bootstrapServers": {"type": "string", "pattern": "^[^, ]+:[0-9]+(,[^, ]+:[0-9]+)*$"},
            "securityProtocol": {"enum": ["SASL_SSL", "SSL", "SASL_PLAINTEXT", "PLAINTEXT"]},
            "saslMechanism": {"enum": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]},
            "ports": {"type": "array", "items": _port()},
            "to": _PEERS,
            "topics": {"enum": ["job", "strimzi", "none"]},
            "replication": _COUNT,
            "minInSync": _COUNT,
            "strimzi": _closed({"cluster": _TEXT, "namespace": _TEXT, "sources": {"type": "array", "items": source}}),
        }
    )


def _print() -> Schema:
    modes = {"enum": ["ReadWriteOnce", "ReadWriteMany"]}
    return _closed({"existingClaim": _TEXT, "size": _QUANTITY, "storageClass": _TEXT, "accessMode": modes})


def _certificates() -> Schema:
    return _closed({"certManager": _SWITCH, "issuer": _closed({"name": _TEXT, "kind": _TEXT, "group": _TEXT})})


def _network() -> Schema:
    return _closed(
        {
            "enabled": _SWITCH,
            **dict.fromkeys(("names", "watch", "front"), _PEERS),
            **dict.fromkeys(("out", "identity", "traces"), _outgoing()),
        }
    )


def _monitoring() -> Schema:
    return _closed(
        {
            "enabled": _SWITCH,
            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
            "labels": _FREE,
            "runbooks": _TEXT,
            "dashboards": _SWITCH,
            "dashboardLabels": _FREE,
        }
    )


def _secrets() -> Schema:
    return _closed(
        {
            "kind": {"enum": ["existing", "external"]},
            "external": _closed(
                {
                    "apiVersion": _TEXT,
                    "store": _closed({"name": _TEXT, "kind": {"enum": ["SecretStore", "ClusterSecretStore"]}}),
                    "prefix": _TEXT,
                    "refresh": _TEXT,
                }
            ),
        }
    )


def _autoscaling(services: Iterable[str]) -> Schema:
    return _closed(
        {
            "kind": {"enum": ["none", "hpa", "keda"]},
            "services": _some_of(services),
            "lagSeconds": _COUNT,
            "maxReplicas": _COUNT,
            "calmSeconds": _COUNT,
            "prometheus": _TEXT,
        }
    )


def _outgoing() -> Schema:
    return _closed({"to": _PEERS, "ports": {"type": "array", "items": _port()}})


def _port() -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": 65535}
