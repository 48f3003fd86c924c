"""Keys lie in one file a purpose, each process has its own, and what seals cannot open."""

import base64
import json
import stat
from hashlib import blake2b
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.core.keys import KEY_FILES, KEYS_OF, PURPOSES, UNWRAP, VERSIONS, WRAP
from services.core.rooms import ROOMS
from services.kit.errors import ConfigError, RetryableError
from services.kit.vault.key_files import convert_ring, create_keys, load_keys, rotate_keys
from services.kit.vault.keys import KeyRingError, KeyVersionError

DATA_KEY = b"k" * 32


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else on the machine reads them, and printing the ring shows none."""
    ring = create_keys(tmp_path / "keys")

    assert 0o700 == stat.S_IMODE((tmp_path / "keys").stat().st_mode)
    assert {f"{name}.json": 0o600 for name in KEY_FILES} == {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()
    }
    assert "KeyRing()" == repr(ring)
    assert ring.pepper("match") != ring.pepper("lookup")


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    """Making keys where there are some would lose every sealed payload."""
    before = create_keys(tmp_path / "keys").pepper("match")

    with pytest.raises(FileExistsError):
        create_keys(tmp_path / "keys")

    assert before == load_keys(tmp_path / "keys").pepper("match")
    assert ["keys"] == [entry.name for entry in tmp_path.iterdir()]


def test_what_intake_has_seals_and_opens_nothing(tmp_path: Path) -> None:
    """A room that is taken over uses the keys that it has: intake's open no data key, not even one that it sealed."""
    create_keys(tmp_path / "keys")
    intake, dispatch = (load_keys(tmp_path / "keys", KEYS_OF[room]) for room in ("intake", "dispatch"))
    version, wrapped = intake.wrap(DATA_KEY, b"id")
    public = {path.name for path in (tmp_path / "keys").iterdir()} - {"unwrap.json"}
    for name in public:  # nor does any of the bytes that lie in another file, taken for what opens
        for text in json.loads((tmp_path / "keys" / name).read_text())["keys"].values():
            if isinstance(text, str):
                with pytest.raises(InvalidTag):
                    AESGCM(base64.b64decode(text)).decrypt(wrapped[:12], wrapped[12:], b"id")

    with pytest.raises(KeyVersionError, match="no key 'unwrap'"):
        intake.unwrap(version, wrapped, b"id")
    assert DATA_KEY == dispatch.unwrap(version, wrapped, b"id")
    with pytest.raises(InvalidTag):
        dispatch.unwrap(version, wrapped, b"another id")
    with pytest.raises(KeyVersionError, match="no key 'wrap'"):
        dispatch.wrap(DATA_KEY, b"id")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_its_own_keys_alone(tmp_path: Path, room: str) -> None:
    """It needs no file of another room, and has no key of another purpose."""
    whole = create_keys(tmp_path / "keys")
    for name in set(KEY_FILES) - KEYS_OF[room]:
        (tmp_path / "keys" / f"{name}.json").unlink()
    ring = load_keys(tmp_path / "keys", KEYS_OF[room])

    assert KEYS_OF[room].intersection(PURPOSES) == set(ring.peppers)
    assert all(whole.pepper(name) == ring.pepper(name) for name in ring.peppers)
    for name in set(PURPOSES) - KEYS_OF[room]:
        with pytest.raises(KeyVersionError, match=f"no key '{name}'"):
            ring.pepper(name)


def test_only_dispatch_opens_and_only_intake_seals() -> None:
    """The wall is the right to read."""
    assert ["dispatch"] == [room for room in ROOMS if UNWRAP in KEYS_OF[room]]
    assert ["intake"] == [room for room in ROOMS if WRAP in KEYS_OF[room]]


def test_a_rotation_adds_a_version_of_every_key_and_keeps_those_before(tmp_path: Path) -> None:
    """What begins takes the new keys; what began keeps its own, and what was closed before still opens."""
    folder = tmp_path / "keys"
    before = create_keys(folder)
    version, wrapped = before.wrap(DATA_KEY, b"id")
    rotated = rotate_keys(folder)
    again = rotate_keys(folder)
    rings = (before, rotated, again)

    assert [(1, 2, 3)] * len(PURPOSES) == [tuple(ring.pepper(one)[0] for ring in rings) for one in PURPOSES]
    assert [(1, 2, 3)] * len(PURPOSES) == [tuple(ring.newest(one) for ring in rings) for one in PURPOSES]
    assert [before.pepper(one) for one in PURPOSES] == [again.pepper(one, 1) for one in PURPOSES]
    assert 3 * len(PURPOSES) == len({again.pepper(one, number) for one in PURPOSES for number in (1, 2, 3)})
    assert (1, 2, 3) == tuple(ring.wrap(DATA_KEY, b"id")[0] for ring in rings)
    assert DATA_KEY == again.unwrap(version, wrapped, b"id")
    with pytest.raises(KeyRingError, match="version 4"):
        again.unwrap(4, wrapped, b"id")
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_intake_says_the_versions_of_keys_that_it_lacks(tmp_path: Path) -> None:
    """An incident begins with the newest of every key, also of those that other rooms hash with."""
    create_keys(tmp_path / "keys")
    rotate_keys(tmp_path / "keys")
    intake = load_keys(tmp_path / "keys", KEYS_OF["intake"])

    assert (2, 2) == (intake.newest("notice"), intake.newest("match"))
    with pytest.raises(KeyVersionError):
        load_keys(tmp_path / "keys", KEYS_OF["dispatch"]).newest("match")


def test_keys_with_a_fault_are_not_rotated(tmp_path: Path) -> None:
    """They stay as they are, for whoever mends them."""
    create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "match.json").write_text("{}")
    before = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}

    with pytest.raises(KeyRingError):
        rotate_keys(tmp_path / "keys")

    assert before == {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}


@pytest.mark.parametrize(("folder_mode", "mode"), [(0o700, 0o620), (0o755, 0o644), (0o755, 0o640), (0o700, 0o602)])
def test_keys_that_lie_open_are_refused(tmp_path: Path, folder_mode: int, mode: int) -> None:
    """It is said at the start, by path and with what to do."""
    create_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(folder_mode)
    (tmp_path / "keys" / "match.json").chmod(mode)

    with pytest.raises(KeyRingError, match=r"match\.json is open to others .* chmod 600"):
        load_keys(tmp_path / "keys")


def test_a_key_that_is_missing_is_named_and_never_replaced(tmp_path: Path) -> None:
    """A hash with another version would be another id: what needs the key waits, and says which one."""
    ring = create_keys(tmp_path / "keys")
    secrets = [key for keys in ring.peppers.values() for key in keys.values()]

    with pytest.raises(KeyVersionError, match="no key 'notice' of version 2") as caught:
        ring.pepper("notice", 2)

    assert isinstance(caught.value, RetryableError)
    assert not any(key.hex() in str(caught.value) or repr(key) in str(caught.value) for key in secrets)
    with pytest.raises(KeyVersionError, match="no key 'notice' of version 0"):
        ring.pepper("notice", 0)  # an incident of which nobody said what it began with


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "purpose": "match", "keys": {"1": "c2hvcnQ="}}'])
def test_broken_keys_are_told_without_the_keys(tmp_path: Path, text: str) -> None:
    """What is wrong is said by path; nothing of the file is repeated."""
    create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "match.json").write_text(text)

    with pytest.raises(KeyRingError) as caught:
        load_keys(tmp_path / "keys", {"match"})

    assert "c2hvcnQ" not in str(caught.value)


def test_the_keys_of_another_purpose_are_not_taken(tmp_path: Path) -> None:
    """A file under another's name would make hashes that can be matched."""
    folder = tmp_path / "keys"
    create_keys(folder)
    (folder / "match.json").write_bytes((folder / "lookup.json").read_bytes())

    with pytest.raises(KeyRingError, match="not those of 'match'"):
        load_keys(folder, {"match"})


def test_missing_keys_are_said_to_be_missing(tmp_path: Path) -> None:
    """The commonest mistake has its own words."""
    with pytest.raises(ConfigError, match="there are no keys of 'notice'"):  # told in a line, with status 2
        load_keys(tmp_path, {"notice"})


def test_a_ring_of_one_file_becomes_a_folder_once(tmp_path: Path) -> None:
    """Hashes stay, what was sealed opens, what is sealed from now on is closed to intake, and the old file is gone."""
    keys = {
        name: blake2b(name.encode(), digest_size=32).digest() for name in (*PURPOSES, "kek") if name != "references"
    }
    texts = {name: {"1": base64.b64encode(key).decode()} for name, key in keys.items()}
    peppers = {name: text for name, text in texts.items() if name != "kek"}
    (tmp_path / "keys.json").write_text(json.dumps({"version": 1, "kek": texts["kek"], "peppers": peppers}))
    sealed = bytes(12) + AESGCM(keys["kek"]).encrypt(bytes(12), DATA_KEY, b"id")
    ring = convert_ring(tmp_path / "keys.json", tmp_path / "keys")

    assert not (tmp_path / "keys.json").exists()
    assert {(1, keys[name]) for name in peppers} == {ring.pepper(name) for name in peppers}
    assert DATA_KEY == ring.unwrap(1, sealed, b"id")
    version, wrapped = ring.wrap(DATA_KEY, b"id")
    assert (2, DATA_KEY) == (version, ring.unwrap(version, wrapped, b"id"))
    assert set(KEY_FILES) - {VERSIONS} == set(ring.newest_versions)
