"""Who may write to upstream's topics: access rights (ACLs) on the brokers, compared, taken and given.

A reader cannot see who produced a record, so a topic is a trust domain: its producer alone may write to it. What is
decided is a pure function of what there is. The rights of the rooms' own users are in `room_rights.py`.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka.errors import SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request

from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog.kafka.client import KafkaAdmin, KafkaSettings, connected_admin, passing_faults
from services.kit.eventlog.rights import Granted, TopicRight
from services.kit.eventlog.topics import family_topics

__all__ = ["Acl", "Changes", "check_answer", "check_user", "grant_producers", "needed_changes"]

# The protocol's numbers (Kafka's AclOperation, AclPermissionType, PatternType, ResourceType).
ANY, ALL, WRITE, DESCRIBE = 1, 2, 4, 8
ALLOW = 3
MATCHING, LITERAL = 2, 3
_TOPIC = 2
_WORDS = {ALL: "all", WRITE: "write", DESCRIBE: "describe"}

USER, _EVERYBODY = "User:", "*"
EVERY_HOST = "*"

# The controller commits a change at once, and brokers hear of it within some hundred milliseconds.
_KNOWN_SECONDS = 30.0
_POLL_SECONDS = 0.05


class Acl(NamedTuple):
    """One access right as the brokers keep it. `name` is a topic's, or the beginning of some, or `*`."""

    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to change on one topic, and who else may write to it by a right that is not the topic's own."""

    create: Sequence[Acl]
    delete: Sequence[Acl]
    left: Sequence[Acl]


def needed_changes(topic: str, user: str, existing: Iterable[Acl]) -> Changes:
    """Return what lets `user` write to a topic, and nobody else by a right to write to this topic.

    `existing` are the rights that match the topic. A right that an operator narrowed to some hosts is enough. Who may
    not write any more loses the right to describe, which came with it; every other right stays.
    """
    allowed = [acl for acl in existing if acl.permission == ALLOW]
    own = [acl for acl in allowed if acl.pattern == LITERAL and acl.name == topic]
    wanted = _wanted(topic, user)
    there = {(acl.principal, acl.operation) for acl in own}
    producer = USER + user
    former = {acl.principal for acl in own if acl.operation == WRITE} - {producer}
    delete = [acl for acl in own if acl.principal in former and acl.operation in {WRITE, DESCRIBE}]
    writing = [acl for acl in allowed if acl.operation in {WRITE, ALL} and acl.principal != producer]
    return Changes(
        create=[acl for acl in wanted if (acl.principal, acl.operation) not in there],
        delete=sorted(delete),
        left=sorted(set(writing).difference(delete)),
    )


async def grant_producers(kafka: KafkaSettings, producers: Mapping[str, str]) -> Granted:
    """Let each topic of `producers` be written by its user alone; returns once the brokers know it. Safe to repeat.

    Users without a limit (`super.users` of the brokers) are not seen here, and write as before. Raises ConfigError for
    a topic that belongs to no family, for a user that is none, and where we may not change rights; RetryableError
    where the brokers cannot be reached.
    """
    family_topics(producers)
    for user in producers.values():
        check_user(user)
    async with connected_admin(kafka) as admin:
        with passing_faults("the access rights cannot be changed"):
            try:
                before = await _compare(admin, producers)
            except SecurityDisabled:
                return Granted(enforced=False)
            await _change(admin, before)
            await _wait_until_known(admin, producers)
    return Granted(
        enforced=True,
        given=_rights((topic, acl) for topic, needed in before.items() for acl in needed.create),
        taken=_rights((topic, acl) for topic, needed in before.items() for acl in needed.delete),
        left=_rights((topic, acl) for topic, needed in before.items() for acl in needed.left),
    )


def _wanted(topic: str, user: str) -> list[Acl]:
    return [Acl(topic, LITERAL, USER + user, EVERY_HOST, operation, ALLOW) for operation in (WRITE, DESCRIBE)]


def check_user(user: str) -> None:
    """Raise ConfigError where this is no user's name, or means everybody."""
    if not user or user == _EVERYBODY or user.startswith(USER) or not user.isprintable():
        raise ConfigError(f"{user!r} is no user of the brokers: give a name, without {USER}, and not {_EVERYBODY}")


def _rights(acls: Iterable[tuple[str, Acl]]) -> tuple[TopicRight, ...]:
    found = {TopicRight(topic, acl.principal.removeprefix(USER), _WORDS[acl.operation]) for topic, acl in acls}
    return tuple(sorted(found))


# --- what is asked of the brokers ---


class _DescribeAcls(Request[DescribeAclsRequest_v1]):  # type: ignore[misc] # the client has no types
    """Asks for the rights that match a topic. aiokafka's own request takes version 2, whose form it does not have."""

    API_KEY = DescribeAclsRequest_v1.API_KEY

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(_TOPIC, self._topic, MATCHING, None, None, ANY, ANY)


async def _compare(admin: KafkaAdmin, producers: Mapping[str, str]) -> dict[str, Changes]:
    """Return what has to change on each topic. Raises SecurityDisabled where no rights are enforced."""
    return {topic: needed_changes(topic, user, await _existing(admin, topic)) for topic, user in producers.items()}


async def _existing(admin: KafkaAdmin, topic: str) -> list[Acl]:
    answer = await admin.ask(_DescribeAcls(topic))
    check_answer(answer.error_code, "read")
    return [Acl(name, pattern, *acl) for _, name, pattern, acls in answer.resources for acl in acls]


async def _change(admin: KafkaAdmin, needed: Mapping[str, Changes]) -> None:
    """Take rights before any are given: a topic never has two producers."""
    for acl in [acl for changes in needed.values() for acl in changes.delete]:
        answer = await admin.ask(DeleteAclsRequest(_TOPIC, *acl))
        for code, _, matching in answer.filter_responses:
            check_answer(code, "taken")
            for one in matching:
                check_answer(one[0], "taken")
    for acl in [acl for changes in needed.values() for acl in changes.create]:
        answer = await admin.ask(CreateAclsRequest(_TOPIC, *acl))
        for code, _ in answer.creation_responses:
            check_answer(code, "given")


async def _wait_until_known(admin: KafkaAdmin, producers: Mapping[str, str]) -> None:
    deadline = time.monotonic() + _KNOWN_SECONDS
    while any(needed.create or needed.delete for needed in (await _compare(admin, producers)).values()):
        if time.monotonic() > deadline:
            raise RetryableError("the brokers do not know all access rights yet")
        await asyncio.sleep(_POLL_SECONDS)


def check_answer(code: int, done: str) -> None:
    """Raise what a broker's answer means: a passing fault and SecurityDisabled as they are, else ConfigError."""
    error = for_code(code)
    if not code:
        return
    if error is SecurityDisabled or error.retriable:
        raise error
    raise ConfigError(
        f"access rights cannot be {done}: {error.__name__}; our user needs DESCRIBE and ALTER of the cluster"
    )
