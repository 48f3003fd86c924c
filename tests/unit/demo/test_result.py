"""The result of a demo has the names that others rely on."""

from pathlib import Path

import pytest

from services.demo.checking.check import Verdict
from services.demo.made_up.expectation import Expectation
from services.demo.result import DemoWish, Result

NAMES = {
    "people", "members", "notices", "seconds", "throughputPerSecond", "lost", "duplicates", "somebodyElses", "split",
    "balanced", "log", "seed", "printDir", "console", "metrics",
}  # fmt: skip


def _result(verdict: Verdict) -> Result:
    wish = DemoWish(20, 3, supplements=False, log="postgres", seed=1, data=None, keep=False)
    ledger = {"balanced": True, "totals": {"received": 30, "notified": 20}}
    return Result(wish, ledger, Expectation(), verdict, 2.0, Path("data"), Path("print"), "/", "/metrics", ())


def test_the_json_has_every_name_of_the_interface() -> None:
    """What acceptance checks read stands in the JSON under its name."""
    document = _result(Verdict(somebody_elses=2, split=3)).as_json()

    assert NAMES <= set(document)
    assert (20, 30, 20, 15.0) == tuple(
        document[name] for name in ("people", "members", "notices", "throughputPerSecond")
    )
    assert (2, 3) == (document["somebodyElses"], document["split"])


@pytest.mark.parametrize("wrong", ["lost", "duplicates", "somebody_elses", "unexpected", "untold"])
def test_each_mistake_ends_the_demo_with_a_fault(wrong: str) -> None:
    """One mistake of any kind is enough."""
    verdict = Verdict()
    setattr(verdict, wrong, 1)

    assert not _result(verdict).holds


def test_a_split_person_is_no_mistake() -> None:
    """Whom the written rule tells apart is told as two, and the demo holds."""
    assert _result(Verdict(split=1)).holds
