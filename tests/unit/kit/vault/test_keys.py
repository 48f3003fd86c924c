"""The key ring keeps its keys to itself."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from services.kit.errors import RetryableError
from services.kit.vault.keys import PURPOSES, KeyRing, KeyRingError, KeyVersionError


def test_a_ring_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else on the machine reads the keys, and printing the ring shows none."""
    path = tmp_path / "keys.json"
    ring = KeyRing.create(path)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "KeyRing()" == repr(ring)
    assert ring.pepper("match") != ring.pepper("lookup")


def test_a_ring_is_never_overwritten(tmp_path: Path) -> None:
    """Making a ring where there is one would lose every sealed payload."""
    path = tmp_path / "keys.json"
    before = KeyRing.create(path).pepper("match")

    with pytest.raises(FileExistsError):
        KeyRing.create(path)

    assert before == KeyRing.load(path).pepper("match")
    assert ["keys.json"] == [entry.name for entry in tmp_path.iterdir()]


def test_the_newest_version_is_used_and_older_ones_still_open(tmp_path: Path) -> None:
    """Rotation adds a version; what was closed before it stays readable."""
    path = tmp_path / "keys.json"
    version, wrapped = KeyRing.create(path).wrap(b"k" * 32, b"id")
    document = json.loads(path.read_text())
    document["kek"]["2"] = document["peppers"]["content"]["1"]
    path.write_text(json.dumps(document))
    rotated = KeyRing.load(path)

    assert (1, 2) == (version, rotated.wrap(b"k" * 32, b"id")[0])
    assert b"k" * 32 == rotated.unwrap(version, wrapped, b"id")
    with pytest.raises(InvalidTag):
        rotated.unwrap(version, wrapped, b"another id")
    with pytest.raises(KeyRingError, match="version 3"):
        rotated.unwrap(3, wrapped, b"id")


def test_a_rotation_adds_a_version_of_every_key_and_keeps_those_before(tmp_path: Path) -> None:
    """What begins takes the new keys; what began keeps its own. The file stays its owner's alone."""
    path = tmp_path / "keys.json"
    before = KeyRing.create(path)
    rotated = KeyRing.rotate(path)
    again = KeyRing.rotate(path)

    assert [(1, 2, 3)] * len(PURPOSES) == [
        tuple(ring.pepper(purpose)[0] for ring in (before, rotated, again)) for purpose in PURPOSES
    ]
    assert [before.pepper(one) for one in PURPOSES] == [again.pepper(one, 1) for one in PURPOSES]
    assert 3 * len(PURPOSES) == len({again.pepper(one, version) for one in PURPOSES for version in (1, 2, 3)})
    assert (1, 2, 3) == tuple(ring.wrap(b"k" * 32, b"id")[0] for ring in (before, rotated, again))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert ["keys.json"] == [entry.name for entry in tmp_path.iterdir()]


def test_a_ring_with_a_fault_is_not_rotated(tmp_path: Path) -> None:
    """It stays as it is, for whoever mends it."""
    path = tmp_path / "keys.json"
    path.write_text("{}")

    with pytest.raises(KeyRingError):
        KeyRing.rotate(path)

    assert "{}" == path.read_text()


def test_a_key_that_is_missing_is_named_and_never_replaced(tmp_path: Path) -> None:
    """A hash with another version would be another id: what needs the key waits, and says which one."""
    ring = KeyRing.create(tmp_path / "keys.json")
    secrets = [key for keys in ring.peppers.values() for key in keys.values()]

    with pytest.raises(KeyVersionError, match="no key 'notice' of version 2") as caught:
        ring.pepper("notice", 2)

    assert isinstance(caught.value, RetryableError)
    assert not any(key.hex() in str(caught.value) or repr(key) in str(caught.value) for key in secrets)
    with pytest.raises(KeyVersionError, match="no key 'notice' of version 0"):
        ring.pepper("notice", 0)  # an incident of which nobody said what it began with


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kek": {"1": "c2hvcnQ="}, "peppers": {}}', '{"kek": 3}'])
def test_a_broken_ring_is_told_without_its_keys(tmp_path: Path, text: str) -> None:
    """What is wrong is said by path; nothing of the file is repeated."""
    path = tmp_path / "keys.json"
    path.write_text(text)

    with pytest.raises(KeyRingError) as caught:
        KeyRing.load(path)

    assert "c2hvcnQ" not in str(caught.value)


def test_a_missing_ring_is_said_to_be_missing(tmp_path: Path) -> None:
    """The commonest mistake has its own words."""
    with pytest.raises(KeyRingError, match="there is no key ring"):
        KeyRing.load(tmp_path / "keys.json")
