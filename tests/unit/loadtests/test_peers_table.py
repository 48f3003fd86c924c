"""The table of peers: what is counted, and how it is said."""

from pathlib import Path

from loadtests.peers.contenders import WORDS, contenders
from loadtests.peers.peer import Figures, Promise, by_part
from loadtests.peers.servers import Servers
from loadtests.peers.table import as_markdown, how_near, row_of
from loadtests.processes import Cost

_SCRIPT = Figures(1_000, 0.5, {"Python": 0.02, "PostgreSQL": 0.01})


def test_a_person_costs_what_all_parts_used() -> None:
    """Servers are counted: a peer that lets its queue do the work does not look cheap."""
    assert 30.0 == round(_SCRIPT.cost, 6)
    assert 10.0 == round(_SCRIPT.cost_of("PostgreSQL"), 6)
    assert 2_000 == _SCRIPT.rate


def test_processes_of_a_kind_are_one_part() -> None:
    """A peer with ten workers is not shown as ten, and no server's CPU is Python's."""
    used = {name: Cost(cpu, 0) for name, cpu in {"worker-1": 1.0, "worker-2": 2.0, "postgres": 0.5}.items()}

    assert {"Python": 3.0, "PostgreSQL": 0.5} == by_part(used, {"postgres": "PostgreSQL", "kafka": "broker"})


def test_a_row_has_medians_and_says_how_far_rounds_lie_apart() -> None:
    """One slow round does not make a row, and is seen."""
    slow = Figures(1_000, 5.0, {"Python": 0.09, "PostgreSQL": 0.01})
    quick = Figures(1_000, 0.4, {"Python": 0.01, "PostgreSQL": 0.01})
    row = row_of("script", "a script", (), [slow, quick, _SCRIPT])

    assert (2_000, 30.0, (20.0, 100.0)) == (row.rate, round(row.cost, 6), tuple(round(one, 6) for one in row.spread))
    assert {"Python": 20.0, "PostgreSQL": 10.0} == {part: round(cost, 6) for part, cost in row.parts.items()}


def test_the_table_says_what_is_kept_and_what_is_not() -> None:
    """Whoever reads that a script is cheap reads beside it what it does not do."""
    row = row_of("script", "a script", (Promise.REPLICAS,), [_SCRIPT])
    line = as_markdown([row]).splitlines()[-1]

    assert (
        "| `script`: a script | 2,000 | 30.0 (30.0-30.0) | Python 20.0, PostgreSQL 10.0 | 1,000 | replicas "
        "| sealed, survives kills, nobody twice, ledger |"
    ) == line


def test_the_distance_is_said_both_ways() -> None:
    """A script that is cheaper than we are is said to be, and so is one that is dearer."""
    ours = row_of("heraut-kafka", "Heraut", tuple(Promise), [Figures(1_000, 0.25, {"Python": 0.06})])
    dear = row_of("celery", "Celery", (), [Figures(100, 1.0, {"Python": 0.6})])
    rows = [ours, row_of("script", "a script", (), [_SCRIPT]), dear]

    assert (
        "- `script` uses 0.5 times the CPU of `heraut-kafka` a person, and tells 0.5 times as many people a second.\n"
        "- `celery` uses 100 times the CPU of `heraut-kafka` a person, and tells 0.025 times as many people a second.\n"
    ) == how_near(rows, "heraut-kafka")


def test_there_is_no_distance_to_who_did_not_take_part() -> None:
    """A run of some peers alone still has a table."""
    assert "" == how_near([row_of("script", "a script", (), [_SCRIPT])], "heraut-kafka")


def test_who_can_be_asked_for_takes_part(tmp_path: Path) -> None:
    """The command line names every peer, in the order in which they come."""
    assert [*WORDS] == [peer.word for peer in contenders(Servers(tmp_path))]
