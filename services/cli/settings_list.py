"""The settings as people read them: each with its form, its default, who needs it, and what it means."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple

from services.core.environment import ENVIRONMENT, is_for, is_known
from services.core.rooms import STAGES, dispatch_stage
from services.dispatch.channels import ADAPTERS
from services.kit.config import ServiceConfig, form_of
from services.rendering.letters.profile import Profile

__all__ = ["COMMANDS", "Described", "config_of", "described_settings", "page"]

COMMANDS = "commands"  # who needs a setting that is for no service
_EVERY = "every service"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_URL = "postgresql://user:password@host:port/database"


class Described(NamedTuple):
    """One setting. `default` is None where it is unset, or has to be given (`needed`).

    `needed_with`: the choices, `NAME=word`, with which it has to be given.
    """

    name: str
    form: str
    default: str | None
    needed: bool
    secret: bool  # it may be given as a file, `<name>_FILE`
    processes: tuple[str, ...]
    meaning: str
    needed_with: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """Return in words who needs it."""
        return ", ".join(self.processes)

    @property
    def otherwise(self) -> str:
        """Return in words what holds where it is not given."""
        if self.needed_with:
            return f"needed with {' or '.join(self.needed_with)}"
        return "needed" if self.needed else self.default or "unset"


def config_of(stage: str) -> type[ServiceConfig]:
    """Return the class of a process's settings."""
    for channel, adapter in ADAPTERS.items():
        if stage == dispatch_stage(channel):
            return adapter.config
    found: type[ServiceConfig] = import_module(f"services.{STAGES[stage]}.config").Config
    return found


def described_settings() -> list[Described]:
    """Return every setting, in the order in which the code has them."""
    read = {stage: {field.metadata["env"]: field for field in _declared(config_of(stage))} for stage in STAGES}
    return [_described(name, read) for name in ENVIRONMENT]


def _declared(config: type[ServiceConfig]) -> Iterator["Field[Any]"]:
    return (field for field in fields(config) if "env" in field.metadata)


def _described(name: str, read: Mapping[str, Mapping[str, "Field[Any]"]]) -> Described:
    known = [found[name] for found in read.values() if name in found]
    # What no class of settings declares is a login of the database or of the brokers, or the command line's token.
    form = form_of(known[0].metadata["parse"]) if known else _URL if name.startswith("HERAUT_DATABASE_URL") else "text"
    default = known[0].default if known else None
    stages = [stage for stage in STAGES if is_for(name, stage) and (not known or name in read[stage])]
    return Described(
        name,
        form,
        None if default is MISSING else _as_written(default),
        default is MISSING,
        is_known(f"{name}_FILE"),
        (_EVERY,) if len(stages) == len(STAGES) else tuple(stages) or (COMMANDS,),
        ENVIRONMENT[name],
        _needed_with(name),
    )


def _needed_with(name: str) -> tuple[str, ...]:
    choices = dict.fromkeys(choice for stage in STAGES for choice in _choices(stage))
    return tuple(f"{setting}={word}" for setting, word, needed in choices if name in needed)


def _choices(stage: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for choice in config_of(stage).choices:
        yield from ((choice.setting, word, needed) for word, needed in choice.needed.items())


def _as_written(default: Any) -> str | None:
    """Return a default as it would be written in the environment; None where there is none."""
    match default:
        case None | ():
            return None
        case tuple():
            return ",".join(default)
        case timedelta():
            return _duration(default.total_seconds())
        case float():
            return _duration(default)
        case Profile():
            return default.name
    return str(default)


def _duration(seconds: float) -> str:
    """Return a time in the largest unit of which it is five or more, so that 72h stay hours."""
    size, unit = next((one for one in _UNITS if seconds >= 5 * one[0]), _UNITS[-1])
    return f"{seconds / size:g}{unit}"


def page() -> str:
    """Return the page of all settings, in Markdown."""
    head = "# Settings\n\n" + _ABOUT + "\n| variable | form | default | for | meaning |\n|---|---|---|---|---|\n"
    rows = (
        (f"`{one.name}`{'*' if one.secret else ''}", one.form, _quoted(one), one.who, one.meaning)
        for one in described_settings()
    )
    return head + "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _quoted(one: Described) -> str:
    return f"`{one.default}`" if one.default else one.otherwise


_ABOUT = (
    "All by environment; `heraut settings` shows them too, and which of them are given. An unknown `HERAUT_*` name is\n"
    "an error. What has a star may be given as a file instead: `<NAME>_FILE`. *Needed* is what its process does not\n"
    "start without; *needed with* names the choice that asks for it, `HERAUT_EMAIL_PROVIDER=smtp` as long as no other\n"
    "provider is chosen. Each process gets what is for it, and no other's secrets.\n"
)
