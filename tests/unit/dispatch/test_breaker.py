"""When a channel, a domain or an incident's words are paused, and what ends it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.blame import Blame
from services.dispatch.breaker import CHANNEL, REFUSALS, Breaker, BreakerPolicy, Seen, Switch, Ways
from services.dispatch.domain import Key
from services.dispatch.outcomes import Ending, Result
from tests.unit.dispatch.people import an_id

ACCEPTED = Result(Ending.ACCEPTED)
REFUSED = Result(Ending.REFUSED, "refused-by-provider", Blame.RECIPIENT)
SENDER = Result(Ending.HELD, "smtp-554 5.7.1", Blame.SENDER)
CONTENT = Result(Ending.HELD, "http-422", Blame.CONTENT)
PUT_OFF = Result(Ending.NOT_NOW, blame=Blame.LATER)
POLICY = BreakerPolicy()


def _key(at: int) -> Key:
    return an_id(at), 1


def _ways(domain: str = "a.example", incident: str = "lab") -> Ways:
    return Ways(("content", incident, 1), ("domain", domain) if domain else None)


def _tell(breaker: Breaker, results: Sequence[Result], domain: str = "", first: int = 0) -> list[Result]:
    return [breaker.saw(Seen(_key(first + at), _ways(domain), one), 0.0) for at, one in enumerate(results)]


def _probe(breaker: Breaker, result: Result, domain: str = "", at: int = 1, now: float = 60.0) -> Result:
    """Let one attempt of a paused way go and end."""
    assert breaker.admit(_key(at), _ways(domain), now)
    seen = breaker.saw(Seen(_key(at), _ways(domain), result), now)
    breaker.probe_ended(_key(at), now)
    return seen


@given(st.lists(st.booleans(), max_size=400))
def test_a_channel_pauses_at_a_run_or_at_half_of_the_last_hundred_and_never_before(refused: list[bool]) -> None:
    """However refusals are spread, the pause begins with the first one that is too many."""
    breaker, expected = Breaker(), False
    for at, one in enumerate(refused):
        seen = refused[: at + 1]
        run = len(seen) - max([0, *(place + 1 for place, other in enumerate(seen) if not other)])
        last = seen[-POLICY.last :]
        expected = one and (run >= POLICY.run or (len(last) == POLICY.last and sum(last) * 2 >= POLICY.last))
        result = breaker.saw(Seen(_key(at), _ways(""), REFUSED if one else ACCEPTED), 0.0)

        assert expected == breaker.paused()
        assert (result.ending is Ending.HELD) == expected
        if expected:
            break


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_of_a_list_with_few_dead_accounts_nobody_waits_longer(dead: list[bool]) -> None:
    """Where each refusal is followed by nine that are accepted nothing pauses, and nothing is taken back."""
    breaker = Breaker()
    for at, one in enumerate(dead):
        _tell(breaker, [REFUSED if one else ACCEPTED, *[ACCEPTED] * 9], first=at * 10)

    assert not breaker.paused()
    assert not any(breaker.taken_back([_key(at) for at in range(len(dead) * 10)]))


def test_a_flood_takes_back_what_was_refused_since_the_last_one_was_accepted() -> None:
    """A refusal before an acceptance is believed; all after it are doubtful, and so are those that nobody here saw."""
    breaker = Breaker()
    _tell(breaker, [REFUSED, ACCEPTED, *[REFUSED] * POLICY.run])

    assert [Switch(CHANNEL, REFUSALS, POLICY.run, "refused-by-provider")] == breaker.switches
    assert [False, *[True] * (POLICY.run - 1)] == breaker.taken_back(
        [_key(0), *(_key(at) for at in range(2, POLICY.run + 1))]
    )
    assert [True] == breaker.taken_back([_key(1000)])


@given(st.sampled_from([SENDER, Result(Ending.HELD, "http-401", Blame.PROVIDER)]))
def test_one_answer_that_blames_us_or_the_provider_pauses_the_channel(answer: Result) -> None:
    """Nothing else begins, and the one that was answered so stays open."""
    breaker = Breaker()
    (result,) = _tell(breaker, [answer])

    assert (Ending.HELD, True, False) == (result.ending, breaker.paused(), breaker.may_go(0.0))


def test_probes_go_one_at_a_time_and_further_apart() -> None:
    """A provider that does not know us is asked now and then, five minutes apart at last."""
    breaker, now, waits = Breaker(), 0.0, []
    _tell(breaker, [SENDER])
    for at in range(10):
        begin = now
        while not breaker.may_go(now):
            now += 1.0
        waits.append(now - begin)
        admitted = [breaker.admit(_key(3 * at + other), _ways(""), now) for other in range(3)]
        breaker.saw(Seen(_key(3 * at), _ways(""), SENDER), now)
        breaker.probe_ended(_key(3 * at), now)

        assert [True, False, False] == admitted

    assert [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 300.0] == waits


def test_a_probe_without_any_answer_lets_another_one_go() -> None:
    """Whoever was probed with and hangs does not keep the channel paused for ever."""
    breaker = Breaker()
    _tell(breaker, [SENDER])
    _probe(breaker, PUT_OFF, now=5.0)

    assert (False, True) == (breaker.may_go(14.0), breaker.may_go(15.0))


@given(st.sampled_from([SENDER, CONTENT, REFUSED]))
def test_the_first_that_is_accepted_ends_a_pause(answer: Result) -> None:
    """It is well again: everything goes on."""
    breaker = Breaker()
    _tell(breaker, [answer] * POLICY.run)
    _probe(breaker, ACCEPTED, at=50)

    assert [] == breaker.paused_ways()
    assert [True, True] == [breaker.admit(_key(at), _ways(""), 60.0) for at in (51, 52)]


@given(st.sampled_from([SENDER, CONTENT, REFUSED]))
def test_what_was_on_the_wire_when_a_pause_began_does_not_end_it(answer: Result) -> None:
    """Another round's answers, which come later, were given before; and they take no probe's place."""
    breaker = Breaker()
    _tell(breaker, [answer] * POLICY.run)
    breaker.admit(_key(50), _ways(""), 60.0)
    breaker.saw(Seen(_key(40), _ways(""), ACCEPTED), 60.0)
    breaker.probe_ended(_key(40), 60.0)

    assert not breaker.admit(_key(51), _ways(""), 60.0)
    breaker.saw(Seen(_key(50), _ways(""), ACCEPTED), 61.0)

    assert [] == breaker.paused_ways()


def test_an_answer_about_a_recipient_ends_a_pause_that_blamed_us() -> None:
    """A portal that says of somebody that the account is closed knows our token again."""
    breaker = Breaker()
    _tell(breaker, [SENDER])
    result = _probe(breaker, REFUSED)

    assert (REFUSED, False) == (result, breaker.paused())


def test_words_that_are_not_taken_stop_their_incident_alone() -> None:
    """Others go on, and so does another version of the document."""
    breaker = Breaker()
    breaker.saw(Seen(_key(0), _ways("", "lab"), CONTENT), 0.0)

    assert not breaker.admit(_key(1), _ways("", "lab"), 0.0)
    assert breaker.admit(_key(1), _ways("", "other"), 0.0)
    assert breaker.admit(_key(1), Ways(("content", "lab", 2)), 0.0)


def test_a_domain_that_floods_pauses_alone_while_others_are_accepted() -> None:
    """Its own refusals are taken back, and no other domain's."""
    breaker = Breaker()
    for at in range(POLICY.run):
        _tell(breaker, [REFUSED], "ill.example", first=at)
        _tell(breaker, [ACCEPTED, ACCEPTED], "well.example", first=1000 + 2 * at)
    _tell(breaker, [REFUSED], "well.example", first=500)

    assert [(("domain", "ill.example"), REFUSALS)] == breaker.paused_ways()
    assert [True, False] == breaker.taken_back([_key(0), _key(500)])
    assert not breaker.admit(_key(1), _ways("ill.example"), 0.0)
    assert breaker.admit(_key(1), _ways("well.example"), 0.0)


def test_probes_of_a_domain_that_is_paused_say_nothing_of_the_channel() -> None:
    """A domain that stays ill for days pauses nobody else."""
    breaker = Breaker()
    for at in range(POLICY.run):
        _tell(breaker, [ACCEPTED], "well.example", first=1000 + at)
        _tell(breaker, [REFUSED], "ill.example", first=at)
    _tell(breaker, [REFUSED] * 200, "ill.example", first=100)

    assert not breaker.paused()


def test_a_pause_narrows_to_the_domain_that_began_it() -> None:
    """Where another domain's mail passes, the channel goes on and the one that blamed us stays paused."""
    breaker = Breaker()
    _tell(breaker, [SENDER], "strict.example")
    _probe(breaker, ACCEPTED, "well.example")

    assert [(("domain", "strict.example"), "sender")] == breaker.paused_ways()


def test_an_answer_that_only_one_recipient_gets_is_that_recipients_try() -> None:
    """Whoever began a pause that others ended is put off the next time, and pauses nothing any more."""
    breaker = Breaker()
    _tell(breaker, [SENDER])
    _probe(breaker, ACCEPTED)
    (again,) = _tell(breaker, [SENDER])

    assert (Ending.NOT_NOW, False) == (again.ending, breaker.paused())


def test_the_last_try_of_many_who_are_put_off_is_a_flood_as_well() -> None:
    """A server that puts everybody off for hours is ill, and its people stay open."""
    breaker = Breaker()
    ended = [breaker.saw(Seen(_key(at), _ways(""), PUT_OFF, last_try=True), 0.0) for at in range(POLICY.run)]

    assert [PUT_OFF] * (POLICY.run - 1) == ended[:-1]
    assert (Ending.HELD, True) == (ended[-1].ending, breaker.paused())


def test_refusals_are_forgotten_once_they_must_have_been_told() -> None:
    """What is remembered of them is bounded by time."""
    breaker = Breaker()
    _tell(breaker, [ACCEPTED, *[REFUSED] * POLICY.run])
    _probe(breaker, ACCEPTED, at=100)

    assert (True, False) == (breaker.takes_back(0.0), breaker.takes_back(2 * POLICY.window + 1.0))


def test_the_number_of_domains_that_are_watched_is_bounded() -> None:
    """A list in which every address has a domain of its own does not fill the memory."""
    breaker = Breaker(BreakerPolicy(most_ways=10))
    for at in range(100):
        _tell(breaker, [ACCEPTED, REFUSED], f"d{at}.example", first=2 * at)

    assert len(breaker._lanes) <= 12
