"""What brokers keep, judged: one of them may be lost at any moment."""

from services.kit.eventlog.durability import TopicCopies, judged


def _topic(name: str, copies: int = 3, in_sync: int = 3, least: int = 2) -> TopicCopies:
    return TopicCopies(name, [copies] * 2, [copies, in_sync], least)


def test_three_copies_of_which_two_agree_are_well() -> None:
    """Nothing is said but how many there are."""
    assert ("2 topics, 3 copies at least", (), ()) == judged([_topic("a"), _topic("b")])


def test_a_copy_alone_and_one_that_may_acknowledge_alone_are_weak() -> None:
    """They work, and a broker that is lost takes with it what was acknowledged."""
    found = judged([_topic("a", 1, 1, 1), _topic("b", least=1), _topic("c", least=1)])

    assert ((), 2) == (found.wrong, len(found.weak))
    assert found.weak[0].startswith("a has fewer than 3 copies")
    assert found.weak[1].startswith("2 topics have min.insync.replicas below 2")


def test_copies_that_are_behind_are_wrong() -> None:
    """A broker is away just now."""
    assert ("a has copies that are not up to date: is a broker away?",) == judged([_topic("a", in_sync=2)]).wrong
