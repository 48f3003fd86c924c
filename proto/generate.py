"""Make the committed code from the contracts: `python proto/generate.py`, or `--check` whether it is fresh.

Messages: protoc (the one in grpcio-tools) turns notification/v1/*.proto into *_pb2.py and *_pb2.pyi.
Topics: topics/*.yaml become notification/topics.py, plain typed data that needs no YAML to be read.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from grpc_tools import protoc

from services.core.rooms import ROOMS, STAGES

PROTO = Path(__file__).resolve().parent
_REQUIRED = {"description", "message", "producers", "consumers", "partitions", "key", "read", "kafka"}
_OPTIONAL = {"log", "dead_letters", "family", "heads"}
# Neither dots, which would make another topic of the name, nor a hyphen first: as in the name of a host.
_SOURCE = "[a-z0-9][a-z0-9-]{0,62}"
_STAGES_OF = {room: [stage for stage, of in STAGES.items() if of == room] for room in ROOMS}

_HEAD = '''\
"""Topics as data. Made by proto/generate.py from proto/topics/*.yaml; do not edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What is promised about one topic."""

    name: str
    family: str | None  # the names of topics like this one, one a source: "{source}" stands for FAMILY_SOURCE
    message: str  # what a record's value holds
    producers: tuple[str, ...]  # the stages that write it; each is a source with sequences of its own
    consumers: tuple[str, ...]  # the stages (read = "stage") or rooms (read = "table") that read it
    partitions: int | None  # None = HERAUT_PARTITIONS
    read: str  # "stage" = each record once, by the partition's owner; "table" = whole, by everybody, into memory
    log: str  # "both", or "kafka" where the embedded log does not have it
    kafka: Mapping[str, str]  # topic configuration
    dead_letters: Mapping[str, str] = field(default_factory=dict)  # the same of its dead-letter topics
    heads: tuple[str, ...] = ()  # the stages that see how many blocks each source wrote, beside those that read them

'''


_LINE = 100  # characters of a mapping beside its name, as the formatter would leave it


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated files, or with --check name those that differ and give 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is not fresh")
    options = parser.parse_args(arguments)
    stale = []
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not options.check:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'stale' if options.check else 'written'}: {path.relative_to(PROTO.parent)}")
    return 1 if options.check and stale else 0


def generated() -> dict[Path, str]:
    """Return every generated file with the text that it should have."""
    return {**_messages(), PROTO / "notification" / "topics.py": _topics()}


def _messages() -> dict[Path, str]:
    sources = sorted((PROTO / "notification" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as out:
        status = protoc.main(
            ["protoc", f"-I{PROTO}", f"--python_out={out}", f"--pyi_out={out}", *(str(s) for s in sources)]
        )
        if status:
            raise SystemExit(status)
        made = list(Path(out).rglob("*_pb2.py*"))
        return {PROTO / path.relative_to(out): path.read_text(encoding="utf-8") for path in sorted(made)}


def _topics() -> str:
    specs = [(path.stem, _read(path)) for path in sorted((PROTO / "topics").glob("*.yaml"))]
    _check_families(specs)
    source = f'FAMILY_SOURCE: Final = "{_SOURCE}"  # what a source is called in the name of its topic\n'
    names = "".join(f'{_constant(name)}: Final = "{name}"\n' for name, _ in specs)
    entries = "".join(_entry(name, spec) for name, spec in specs)
    by_name = "TOPIC: Final[Mapping[str, TopicSpec]] = MappingProxyType({spec.name: spec for spec in TOPICS})\n"
    return f"{_HEAD}\n{source}\n{names}\nTOPICS: Final[tuple[TopicSpec, ...]] = (\n{entries})\n\n{by_name}"


def _read(path: Path) -> dict[str, Any]:
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    if faults := _REQUIRED - set(spec) | set(spec) - _REQUIRED - _OPTIONAL:
        raise SystemExit(f"{path.name}: missing or unknown: {', '.join(sorted(faults))}")
    return dict(spec)


def _check_families(specs: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise SystemExit where one name could be a topic of its own and a member of a family, or a member of two."""
    for name, spec in specs:
        if (family := spec.get("family")) is None:
            continue
        # A family is named like its topic, so two of them have no name in common.
        if family != f"{name.removesuffix('.v1')}.{{source}}.v1":
            raise SystemExit(f"{name}: its family has to be called like it, with {{source}} before the version")
        members = re.compile(re.escape(family).replace(re.escape("{source}"), _SOURCE))
        if taken := [other for other, _ in specs if members.fullmatch(other)]:
            raise SystemExit(f"{name}: a source could be given the topic {', '.join(taken)}")


def _constant(name: str) -> str:
    """`heraut.members.accepted.v1` -> `MEMBERS_ACCEPTED`."""
    return name.removeprefix("heraut.").removesuffix(".v1").replace(".", "_").upper()


def _entry(name: str, spec: Mapping[str, Any]) -> str:
    partitions = None if spec["partitions"] == "installation" else int(spec["partitions"])
    fields = {
        "name": _constant(name),
        "family": _quoted(spec["family"]) if "family" in spec else "None",
        "message": _quoted(spec["message"]),
        "producers": _tuple(_stages(spec["producers"])),
        "consumers": _tuple(_stages(spec["consumers"]) if spec["read"] == "stage" else spec["consumers"]),
        "partitions": str(partitions),
        "read": _quoted(spec["read"]),
        "log": _quoted(spec.get("log", "both")),
        "kafka": _mapping(spec["kafka"]),
        "dead_letters": _mapping(spec.get("dead_letters", {})),
    }
    if "heads" in spec:
        fields["heads"] = _tuple(_stages(spec["heads"]))
    return "    TopicSpec(\n" + "".join(f"        {key}={value},\n" for key, value in fields.items()) + "    ),\n"


def _stages(producers: Sequence[str]) -> list[str]:
    """Return the stages that write a topic; a room stands for all of its stages, so that none is forgotten."""
    return [stage for word in producers for stage in (_STAGES_OF[word] if word in ROOMS else [word])]


def _quoted(text: str) -> str:
    return f'"{text}"'


def _tuple(words: Sequence[str]) -> str:
    return "(" + ", ".join(map(_quoted, words)) + ("," if len(words) == 1 else "") + ")"


def _mapping(entries: Mapping[str, Any]) -> str:
    items = [f"{_quoted(key)}: {_quoted(str(value))}" for key, value in entries.items()]
    line = "{" + ", ".join(items) + "}"
    return line if len(line) <= _LINE else "{\n" + "".join(f"            {item},\n" for item in items) + "        }"


if __name__ == "__main__":
    sys.exit(main())
