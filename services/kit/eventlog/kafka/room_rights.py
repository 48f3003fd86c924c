"""What the rooms' users may do on the brokers: access rights (ACLs) made from the contracts of the topics.

A room reads the topics that it consumes, writes those that it produces with its dead letters, and reads those as well,
because a take-over looks for its own last block. It commits offsets as its own groups. Whatever else its user may do is
taken away: he is the room's alone. Rights of other users are left alone, and told where they let somebody write.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.errors import SecurityDisabled
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request
from notification.topics import TOPICS

from services.core.rooms import STAGES
from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog.kafka.acls import (
    ALL,
    ALLOW,
    ANY,
    DESCRIBE,
    EVERY_HOST,
    LITERAL,
    USER,
    WRITE,
    check_answer,
    check_user,
)
from services.kit.eventlog.kafka.client import KafkaAdmin, KafkaSettings, connected_admin, passing_faults
from services.kit.eventlog.rights import Granted, TopicRight
from services.kit.eventlog.topics import dead_letter_topic, family_topics, readers_of

__all__ = ["RoomAcl", "grant_rooms", "needed_rights"]

# The protocol's numbers, beside those of `acls.py`.
READ = 3
TOPIC, GROUP = 2, 3
_WORDS = {ALL: "all", READ: "read", WRITE: "write", DESCRIBE: "describe"}
_KNOWN_SECONDS = 30.0
_POLL_SECONDS = 0.05


class RoomAcl(NamedTuple):
    """One access right as the brokers keep it, with the kind of thing that it is a right to."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int


def needed_rights(room: str, user: str, family_members: Iterable[str] = ()) -> set[RoomAcl]:
    """Return every right that a room's user has.

    `family_members` are the topics of upstream systems that this installation has.
    """
    stages = [stage for stage, of in STAGES.items() if of == room]
    members = family_topics(family_members)
    topics: dict[str, set[int]] = {}
    for spec in TOPICS:
        for name in members if spec.family else (spec.name,):
            if {room, *stages}.intersection(spec.consumers):
                topics.setdefault(name, set()).add(READ)
            if set(stages).intersection(spec.producers):
                topics.setdefault(name, set()).update((READ, WRITE))
            for stage in set(stages).intersection(readers_of(name)):
                topics.setdefault(dead_letter_topic(name, stage), set()).update((READ, WRITE))
    found = {_allow(TOPIC, name, user, operation) for name, some in topics.items() for operation in (*some, DESCRIBE)}
    return found | {_allow(GROUP, stage, user, operation) for stage in stages for operation in (READ, DESCRIBE)}


async def grant_rooms(kafka: KafkaSettings, users: Mapping[str, str], family_members: Iterable[str]) -> Granted:
    """Give the user of each room what it needs, and take everything else from him; safe to repeat.

    Returns once the brokers know it. Raises ConfigError for a user that is none, or of two rooms, and where we may not
    change rights; RetryableError where the brokers cannot be reached.
    """
    for user in users.values():
        check_user(user)
    if len(set(users.values())) < len(users):
        raise ConfigError("two rooms have one user of the brokers: each has its own, or there is no wall between them")
    members = tuple(family_members)
    wanted = {user: needed_rights(room, user, members) for room, user in users.items()}
    async with connected_admin(kafka) as admin:
        with passing_faults("the access rights cannot be changed"):
            try:
                await _rights_of(admin, None)  # no room may have a user, and then nobody else's are asked for
                there = {user: await _rights_of(admin, USER + user) for user in wanted}
            except SecurityDisabled:
                return Granted(enforced=False)
            given = {acl for user in wanted for acl in wanted[user] - there[user]}
            taken = {acl for user in wanted for acl in there[user] - wanted[user]}
            await _change(admin, given, taken)
            await _wait_until_known(admin, wanted)
            left = await _others(admin, wanted)
    return Granted(enforced=True, given=_told(given), taken=_told(taken), left=_told(left))


def _allow(resource: int, name: str, user: str, operation: int) -> RoomAcl:
    return RoomAcl(resource, name, LITERAL, USER + user, EVERY_HOST, operation, ALLOW)


def _told(acls: Iterable[RoomAcl]) -> tuple[TopicRight, ...]:
    return tuple(
        sorted(
            TopicRight(
                acl.name if acl.resource == TOPIC else f"group {acl.name}",
                acl.principal.removeprefix(USER),
                _WORDS.get(acl.operation, f"operation {acl.operation}"),
            )
            for acl in acls
        )
    )


# --- what is asked of the brokers ---


class _DescribeRights(Request[DescribeAclsRequest_v1]):  # type: ignore[misc] # the client has no types
    """Asks for all rights of a principal, or of everybody."""

    API_KEY = DescribeAclsRequest_v1.API_KEY

    def __init__(self, principal: str | None) -> None:
        self._principal = principal

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(ANY, None, ANY, self._principal, None, ANY, ANY)


async def _rights_of(admin: KafkaAdmin, principal: str | None) -> set[RoomAcl]:
    """Return the rights of a principal, None = of all. Raises SecurityDisabled where none are enforced."""
    answer = await admin.ask(_DescribeRights(principal))
    check_answer(answer.error_code, "read")
    return {RoomAcl(kind, name, pattern, *acl) for kind, name, pattern, acls in answer.resources for acl in acls}


async def _change(admin: KafkaAdmin, given: Iterable[RoomAcl], taken: Iterable[RoomAcl]) -> None:
    for acl in sorted(taken):
        answer = await admin.ask(DeleteAclsRequest(*acl))
        for code, *_ in answer.filter_responses:
            check_answer(code, "taken")
    for acl in sorted(given):
        answer = await admin.ask(CreateAclsRequest(*acl))
        for code, _ in answer.creation_responses:
            check_answer(code, "given")


async def _wait_until_known(admin: KafkaAdmin, wanted: Mapping[str, set[RoomAcl]]) -> None:
    deadline = time.monotonic() + _KNOWN_SECONDS
    while {user: await _rights_of(admin, USER + user) for user in wanted} != wanted:
        if time.monotonic() > deadline:
            raise RetryableError("the brokers do not know all access rights yet")
        await asyncio.sleep(_POLL_SECONDS)


async def _others(admin: KafkaAdmin, wanted: Mapping[str, set[RoomAcl]]) -> set[RoomAcl]:
    """Return the rights of users who are no room's to write to topics that rooms write."""
    written = {acl.name for acls in wanted.values() for acl in acls if acl.operation == WRITE}
    rooms = {USER + user for user in wanted}
    return {
        acl
        for acl in await _rights_of(admin, None)
        if acl.resource == TOPIC and acl.permission == ALLOW and acl.operation in {WRITE, ALL}
        and acl.principal not in rooms and _touches(acl, written)
    }  # fmt: skip


def _touches(acl: RoomAcl, topics: Iterable[str]) -> bool:
    """Tell whether a right is one to any of these topics, be it by their beginning or to all."""
    if acl.pattern == LITERAL:
        return acl.name == "*" or acl.name in topics
    return any(topic.startswith(acl.name) for topic in topics)
