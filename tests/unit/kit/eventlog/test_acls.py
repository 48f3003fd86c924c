"""What has to change so that a topic has one producer: decided from the rights that there are."""

import pytest

from services.kit.errors import ConfigError
from services.kit.eventlog.kafka import KafkaSettings
from services.kit.eventlog.kafka.acls import ALL, ALLOW, DESCRIBE, LITERAL, WRITE, Acl, grant_producers, needed_changes

TOPIC = "heraut.cohort.lab.v1"
PREFIXED, DENY, READ = 4, 2, 3  # of Kafka's PatternType, AclPermissionType, AclOperation


def an_acl(user: str, operation: int, **changed: object) -> Acl:
    """Return a right to the topic."""
    return Acl(TOPIC, LITERAL, f"User:{user}", "*", operation, ALLOW)._replace(**changed)  # type: ignore[arg-type]


def both(user: str) -> list[Acl]:
    """Return the rights of a producer."""
    return [an_acl(user, WRITE), an_acl(user, DESCRIBE)]


def test_a_producer_without_rights_gets_them() -> None:
    """To write, and to describe, on every host."""
    needed = needed_changes(TOPIC, "lab", [])
    assert (both("lab"), [], []) == (needed.create, needed.delete, needed.left)


def test_a_producer_with_its_rights_changes_nothing() -> None:
    """Repeated, nothing is given and nothing taken."""
    needed = needed_changes(TOPIC, "lab", both("lab"))
    assert ([], [], []) == (needed.create, needed.delete, needed.left)


def test_who_is_not_the_producer_any_more_loses_what_a_producer_has() -> None:
    """The former producer's rights go, on whichever host and whoever gave them, and those of everybody."""
    former = [*both("old"), an_acl("old", WRITE, host="10.0.0.1"), an_acl("other", WRITE), an_acl("*", WRITE)]
    needed = needed_changes(TOPIC, "lab", former)
    assert (both("lab"), sorted(former)) == (needed.create, needed.delete)


def test_other_rights_are_left_alone() -> None:
    """Reading, describing and denials are not a producer's; another topic's rights are not this one's."""
    others = [
        an_acl("audit", READ),
        an_acl("audit", DESCRIBE),
        an_acl("old", WRITE, permission=DENY),
        an_acl("lab", WRITE, permission=DENY),
    ]
    needed = needed_changes(TOPIC, "lab", [*others, *both("lab")])
    assert ([], [], []) == (needed.create, needed.delete, needed.left)


def test_a_right_that_was_narrowed_to_a_host_is_enough() -> None:
    """An operator who lets the producer write from one address only is not overruled."""
    needed = needed_changes(TOPIC, "lab", [acl._replace(host="10.0.0.1") for acl in both("lab")])
    assert ([], []) == (needed.create, needed.delete)


def test_a_denial_is_no_right() -> None:
    """Who is denied to write has no right to write yet."""
    assert both("lab") == needed_changes(TOPIC, "lab", [an_acl("lab", WRITE, permission=DENY)]).create


def test_wider_rights_are_left_and_named() -> None:
    """A right to all topics, to a prefix, or to do everything serves more than this topic: it stays, and is told."""
    wide = [
        an_acl("everywhere", WRITE, name="*"),
        an_acl("prefix", WRITE, name="heraut.", pattern=PREFIXED),
        an_acl("boss", ALL),
    ]
    needed = needed_changes(TOPIC, "lab", [*wide, *both("lab"), an_acl("lab", WRITE, name="*")])
    assert ([], [], sorted(wide)) == (needed.create, needed.delete, needed.left)


@pytest.mark.parametrize("user", ["", "*", "User:lab", "lab\n"])
async def test_a_user_that_is_none_gets_no_right(user: str) -> None:
    """Nobody and everybody are no producers; nothing is asked of the brokers then."""
    with pytest.raises(ConfigError, match="is no user of the brokers"):
        await grant_producers(KafkaSettings(bootstrap_servers="127.0.0.1:1"), {TOPIC: user})


async def test_only_topics_with_a_family_have_producers_of_their_own() -> None:
    """No user is let into a topic that Heraut's own rooms write."""
    with pytest.raises(ConfigError, match="no topic that an installation may ask for"):
        await grant_producers(KafkaSettings(bootstrap_servers="127.0.0.1:1"), {"heraut.members.accepted.v1": "lab"})
