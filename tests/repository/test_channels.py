"""A channel has several places in the repository; the test of a channel that lacks some of them names these."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from notification.topics import DELIVERIES_ATTEMPTED, DELIVERIES_REFUSED, TOPIC, TOPICS

from services.core.channel import MAY_END_UNKNOWN, TO_THE_ADDRESS, Channel
from services.core.rooms import STAGES
from services.demo.checking.providers import READERS
from services.demo.made_up.channels import CONTACTS
from services.demo.standins import STANDINS
from services.dispatch.channels import ADAPTERS
from services.dispatch.config import Config, provider_addresses
from services.dispatch.provider import ProviderClass, Traits
from services.intake.records.fields import FIELDS
from services.intake.records.record import Record
from services.intake.records.validation import _channels

ROOT = Path(__file__).parents[2]


@cache
def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def _topic(channel: Channel) -> str:
    return f"heraut.notices.routed.{channel.label}.v1"


def _stage(channel: Channel) -> str:
    return f"dispatch-{channel.label}"


def _topic_is_declared(channel: Channel) -> bool:
    path = f"proto/topics/{_topic(channel)}.yaml"
    if not (ROOT / path).exists():
        return False
    return ([_stage(channel)], ["routing"]) == (_yaml(path)["consumers"], _yaml(path)["producers"])


def _topic_is_generated(channel: Channel) -> bool:
    """Tell whether readers ask for the channel's blocks: a source that no topic names is never read."""
    written = {topic.name for topic in TOPICS if _stage(channel) in topic.producers}
    return _topic(channel) in TOPIC and {DELIVERIES_ATTEMPTED, DELIVERIES_REFUSED} <= written


def _has_an_example(channel: Channel) -> bool:
    return any((ROOT / "proto" / "examples" / _topic(channel).removesuffix(".v1") / "v1").glob("*.json"))


def _is_a_stage(channel: Channel) -> bool:
    return STAGES.get(_stage(channel)) == "dispatch"


def _is_in_the_table(channel: Channel) -> bool:
    return channel in ADAPTERS


def _settings(channel: Channel) -> list[dataclasses.Field[Any]]:
    """Return the settings that are the channel's own."""
    shared = {field.name for field in dataclasses.fields(Config)}
    return [field for field in dataclasses.fields(ADAPTERS[channel].config) if field.name not in shared]


def _has_settings(channel: Channel) -> bool:
    return channel in ADAPTERS and bool(_settings(channel))


def _traits(channel: Channel) -> list[Traits]:
    """Return the traits of the channel's providers; none where it has no adapter."""
    module = vars(ADAPTERS[channel].load()) if channel in ADAPTERS else {}
    return [value for value in module.values() if isinstance(value, Traits)]


def _adapter_has_traits(channel: Channel) -> bool:
    return bool(_traits(channel)) and all(one.channel is channel for one in _traits(channel))


def _unknowns_are_expected(channel: Channel) -> bool:
    """Tell whether routing expects unknown outcomes of the channel just where dispatch may have them."""
    blind = {one.provider_class is ProviderClass.BLIND for one in _traits(channel)}
    return blind <= {bool(channel & MAY_END_UNKNOWN)}


def _somebody_is_reached(channel: Channel) -> bool:
    """Tell whether intake finds that a record which says everything can be written to on the channel."""
    said = {field.attribute: field.about.example for field in FIELDS if field.about.sealed}
    return bool(_channels(Record(**said)) & channel)


def _service(channel: Channel) -> dict[str, Any]:
    """Return what compose says of the channel's service."""
    service: dict[str, Any] = _yaml("docker-compose.yml")["services"].get(_stage(channel), {})
    return service


def _runs_in_compose(channel: Channel) -> bool:
    return bool(_service(channel).get("command") == ["services.dispatch", "--channel", channel.label])


def _compose_has_its_settings(channel: Channel) -> bool:
    return channel in ADAPTERS and _required(channel) <= set(_service(channel).get("environment", {}))


def _is_scraped(channel: Channel) -> bool:
    jobs = {job["job_name"]: job for job in _yaml("deploy/prometheus/prometheus.yml")["scrape_configs"]}
    return f"{_stage(channel)}:8080" in jobs["dispatch"]["static_configs"][0]["targets"]


def _required(channel: Channel) -> set[str]:
    """Return the variables of the channel's own settings that have no default, or none but another provider."""
    if channel not in ADAPTERS:
        return set()
    return {field.metadata["env"] for field in _settings(channel) if field.default is dataclasses.MISSING} | {
        one.setting for one in provider_addresses(ADAPTERS[channel].config) if one.instead
    }


def _people_have_it(channel: Channel) -> bool:
    """Tell whether the demo makes people up whom the channel reaches; everybody has a postal address."""
    return channel in CONTACTS or bool(channel & TO_THE_ADDRESS)


def _demo_has_a_stand_in(channel: Channel) -> bool:
    """Tell whether the demo gives the channel somewhere to hand over to: a stand-in behind each required setting."""
    known = {STANDINS[channel].setting} if channel in STANDINS else set()
    return channel in ADAPTERS and _required(channel) <= known


def _compose_has_its_stand_in(channel: Channel) -> bool:
    """Tell whether somebody of the stack's demo listens where the service looks for it, unless told otherwise.

    Mails go to a catcher, which shows them.
    """
    if channel not in STANDINS:
        return True
    services = _yaml("docker-compose.yml")["services"]
    ports = dict(option.split("=") for option in services["standins"]["command"] if "=" in option)
    demo = {f"standins:{ports.get(f'--{STANDINS[channel].name}-port')}", "mail:1025"}
    named = set(re.findall(r"://([a-z]+:[0-9]+)", str(_service(channel).get("environment"))))
    return bool(named) and named <= demo and all("demo" in services[one.split(":")[0]]["profiles"] for one in named)


def _demo_reads_it(channel: Channel) -> bool:
    """Tell whether the demo's check reads what was handed over on the channel; letters lie in the print folder."""
    return channel in READERS or channel is Channel.LETTER


def _addresses(channel: Channel) -> set[str]:
    """Return the settings of which `heraut up` and `heraut doctor` know that they are a provider's address."""
    return {one.setting for one in provider_addresses(ADAPTERS[channel].config)} if channel in ADAPTERS else set()


def _command_line_knows_its_provider(channel: Channel) -> bool:
    """Tell whether `heraut up` runs without the channel's provider, and `heraut doctor` looks at it."""
    return channel in ADAPTERS and _required(channel) == _addresses(channel)


PLACES: Mapping[str, Callable[[Channel], bool]] = {
    "topic with its consumer in proto/topics": _topic_is_declared,
    "topic in proto/notification/topics.py (make contracts)": _topic_is_generated,
    "golden example in proto/examples": _has_an_example,
    "what reaches it in services/intake/records/validation.py": _somebody_is_reached,
    "stage in services/core/rooms.py": _is_a_stage,
    "entry in services/dispatch/channels/__init__.py": _is_in_the_table,
    "settings in services/dispatch/config.py": _has_settings,
    "adapter with traits in services/dispatch/channels": _adapter_has_traits,
    "MAY_END_UNKNOWN in services/core/channel.py, where its provider is blind": _unknowns_are_expected,
    "service in docker-compose.yml": _runs_in_compose,
    "required settings of the service in docker-compose.yml": _compose_has_its_settings,
    "scrape target in deploy/prometheus/prometheus.yml": _is_scraped,
    "required settings as addresses in services/dispatch/config.py": _command_line_knows_its_provider,
    "row in services/demo/made_up/channels.py": _people_have_it,
    "stand-in in services/demo/standins": _demo_has_a_stand_in,
    "port of its stand-in in docker-compose.yml": _compose_has_its_stand_in,
    "reader of hand-overs in services/demo/checking/providers.py": _demo_reads_it,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("channel", Channel, ids=lambda channel: channel.label)
def test_a_channel_has_its_place(channel: Channel, place: str) -> None:
    """A channel that is forgotten somewhere is noticed here, not on the day that a notice takes it."""
    assert PLACES[place](channel), f"{channel.label} lacks: {place}"
