"""The principals file: read strictly, written whole, and no secret in it."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.core.access import Principal, Role
from services.kit.errors import ConfigError
from services.kit.principals import Account, changing, issue_token, load_accounts, read_accounts, with_token

NOW = datetime(2025, 9, 1, tzinfo=UTC)
LAB = Principal("lab", frozenset({Role.SOURCE}), frozenset({"Lab B.V."}))


def a_file(*entries: Any, version: int = 1) -> bytes:
    """Return a principals file."""
    return orjson.dumps({"version": version, "principals": entries})


def an_entry(**changed: Any) -> dict[str, Any]:
    """Return an entry."""
    return {"name": "lab", "roles": ["source"], "sources": ["Lab B.V."]} | changed


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Everything that is known of a principal survives the file, and its token opens."""
    text, stored = issue_token(NOW, timedelta(days=90))
    account = Account(LAB, (stored,), "sub-1", {"k1": "PEM"}, "heraut.cohort.v1", "lab-producer")
    path = tmp_path / "principals.json"
    with changing(path) as change:
        change.accounts = change.accounts.with_account(account)

    assert [account] == list(load_accounts(path))
    assert account == load_accounts(path).of_token(text, NOW)
    assert text.split("_", 2)[2] not in path.read_text()


def test_a_token_is_random_and_long() -> None:
    """At least 128 bits, another one each time, and it can be found by scanners for leaked secrets."""
    tokens = {issue_token(NOW, timedelta(1))[0] for _ in range(100)}

    assert 100 == len(tokens)
    assert {("heraut", 8, 43)} == {(p, len(i), len(s)) for p, i, s in (token.split("_", 2) for token in tokens)}


@pytest.mark.parametrize("wrong", ["", "x", "heraut_00000000_" + "A" * 43])
def test_no_other_token_opens(wrong: str) -> None:
    """Neither another text nor another's, nor the hash that the file holds, nor a token whose day is over."""
    text, stored = issue_token(NOW, timedelta(days=90))
    (accounts := load_accounts(Path("/nonexistent"))).named("x")
    accounts = accounts.with_account(Account(LAB, (stored,)))

    assert accounts.of_token(text, NOW)
    tried = [wrong, text[:-1] + ("A" if text[-1] != "A" else "B"), stored.digest, text + "\n", text.upper()]
    assert [None] * 5 == [accounts.of_token(one, NOW) for one in tried]
    assert accounts.of_token(text, NOW + timedelta(days=90)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "not JSON"),
        (b"[]", "format 1"),
        (a_file(version=2), "format 1"),
        (orjson.dumps({"version": 1, "principals": {}}), "must be a list"),
        (a_file(7), r"principals\[0\]: must be an object"),
        (a_file(an_entry(name="Lab B.V.")), r"principals\[0\].name"),
        (a_file(an_entry(roles=[])), r"roles: must be a list of"),
        (a_file(an_entry(roles=["everything"])), r"roles: must be a list of"),
        (a_file(an_entry(role="operator")), r"role: is not known"),
        (a_file(an_entry(sources=[])), "needs sources"),
        (a_file(an_entry(roles=["operator"])), "needs sources"),
        (a_file(an_entry(sources=["a", "b"], topic="t")), "a topic speaks for one source"),
        (a_file(an_entry(kafkaUser="u")), "for a topic alone"),
        (a_file(an_entry(tokens=["heraut_secret"])), "is not a token's hash"),
        (
            a_file(an_entry(tokens=[{"id": "a", "sha256": "x", "createdAt": "?", "expiresAt": "?"}])),
            "not a token's hash",
        ),
        (a_file(an_entry(), an_entry()), "name lab: two principals have it"),
        (a_file(an_entry(topic="t"), an_entry(name="b", topic="t")), "topic t: two principals have it"),
        (a_file(an_entry(subject="s"), an_entry(name="b", subject="s")), "subject s: two principals have it"),
    ],
)
def test_a_file_with_a_fault_is_refused(text: bytes, words: str) -> None:
    """The place and what is wrong are told; hashes and keys are not repeated."""
    with pytest.raises(ConfigError, match=words) as caught:
        read_accounts(text)

    assert "heraut_secret" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    """A file is mended in one go."""
    with pytest.raises(ConfigError) as caught:
        read_accounts(a_file(an_entry(roles=["x"]), an_entry(name="?"), an_entry(name="c", more=1)))

    assert {"principals[0]", "principals[1]", "principals[2]"} == {
        line.partition(".")[0].partition(":")[0] for line in str(caught.value).splitlines()
    }


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """Who can write it can make himself an operator."""
    path = tmp_path / "principals.json"
    path.write_bytes(a_file())
    path.chmod(0o664)
    with pytest.raises(ConfigError, match="chmod go-w"):
        load_accounts(path)


def test_without_a_file_nobody_is_known(tmp_path: Path) -> None:
    """A forgotten setting opens nothing."""
    assert [] == list(load_accounts(tmp_path / "none.json"))


def test_two_changes_at_once_lose_none(tmp_path: Path) -> None:
    """The file is locked while it is changed."""
    path = tmp_path / "principals.json"

    def add(name: str) -> None:
        with changing(path) as change:
            _, stored = issue_token(NOW, timedelta(1))
            account = with_token(Account(Principal(name, frozenset({Role.AUDITOR}))), stored)
            change.accounts = change.accounts.with_account(account)

    threads = [threading.Thread(target=add, args=(f"p{at}",)) for at in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 12 == len(list(load_accounts(path)))


def test_a_change_that_fails_leaves_the_file(tmp_path: Path) -> None:
    """Nothing is half written."""
    path = tmp_path / "principals.json"
    path.write_bytes(a_file(an_entry()))
    path.chmod(0o600)

    def fail() -> None:
        with changing(path) as change:
            change.accounts = change.accounts.without("lab")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert ["lab"] == [account.name for account in load_accounts(path)]
