"""The files of keys: a folder with one JSON file a purpose, which only their owner may read.

Each process reads those of its own room alone, so that in containers it need not be given any other. Without `unwrap`
every sealed payload is lost. A backup of the folder must not lie beside the database's.
"""

import base64
import fcntl
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from services.core.keys import KEY_FILES, PURPOSES, UNWRAP, VERSIONS, WRAP
from services.kit.files import lies_open, write_atomically
from services.kit.folders import open_file, open_folder
from services.kit.vault.keys import KEY_BYTES, KeyFileError, KeyRing

__all__ = ["convert_ring", "create_keys", "load_keys", "rotate_keys"]

_FORMAT = 2
_OLD_FORMAT = 1  # one file with everything
Document = dict[str, Any]


def load_keys(folder: Path, files: Collection[str] = KEY_FILES) -> KeyRing:
    """Read keys, of these purposes alone. Raises KeyFileError where one is missing, broken, or open to others."""
    documents = {name: _read(folder, name) for name in files}
    try:
        opening, newest = documents.get(UNWRAP, {}), documents.get(VERSIONS, {"keys": {}})["keys"]
        return KeyRing(
            peppers={name: _keys(documents[name]["keys"]) for name in PURPOSES if name in documents},
            wrapping=_mapped(documents.get(WRAP), X25519PublicKey.from_public_bytes),
            unwrapping=_mapped(opening, X25519PrivateKey.from_private_bytes),
            old_unwrapping=_keys(opening["symmetric"]) if opening.get("symmetric") else {},
            newest_versions={name: int(version) for name, version in newest.items()},
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        raise KeyFileError(f"a file of keys in {folder} lacks a key, or one is not {KEY_BYTES} bytes") from None


def create_keys(folder: Path) -> KeyRing:
    """Make a folder with one fresh key of each kind. Raises FileExistsError rather than lose other keys."""
    private = X25519PrivateKey.generate()
    documents: dict[str, Document] = {purpose: {"keys": {"1": _fresh()}} for purpose in PURPOSES}
    _put(folder, documents | _pair(1, private) | {VERSIONS: {"keys": dict.fromkeys(KEY_FILES[:-1], 1)}})
    return load_keys(folder)


def convert_ring(ring: Path, folder: Path) -> KeyRing:
    """Make the folder out of a ring of one file, once; the file goes when all that it held is in the folder.

    What was sealed before opens as before; what is sealed from now on, intake cannot open. Raises KeyFileError,
    OSError.
    """
    sealing, peppers = _read_ring(ring)
    documents: dict[str, Document] = {
        name: {"keys": _texts(peppers[name]) if name in peppers else {"1": _fresh()}} for name in PURPOSES
    }
    version = max(sealing) + 1
    documents |= _pair(version, X25519PrivateKey.generate())
    documents[UNWRAP]["symmetric"] = _texts(sealing)
    newest = {name: max(map(int, documents[name]["keys"])) for name in documents}
    _put(folder, documents | {VERSIONS: {"keys": newest}})
    made = load_keys(folder)
    if dict(made.old_unwrapping) != sealing or any(made.peppers[name] != keys for name, keys in peppers.items()):
        raise KeyFileError(f"{folder} does not hold what {ring} holds: it was left as it is")
    with open_folder(ring.parent) as parent:
        parent.remove(ring.name)
        parent.sync()
    return made


def _read_ring(ring: Path) -> tuple[dict[int, bytes], dict[str, dict[int, bytes]]]:
    """Return the keys of the vault and those of hashes that a ring of one file holds. Raises KeyFileError."""
    try:
        old = json.loads(ring.read_text(encoding="utf-8"))
        if old["version"] == _OLD_FORMAT:
            return _keys(old["kek"]), {name: _keys(keys) for name, keys in old["peppers"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise KeyFileError(f"the key ring at {ring} cannot be read")


def rotate_keys(folder: Path) -> KeyRing:
    """Add a fresh version of every key; the versions before stay. Raises KeyFileError, OSError.

    A reader sees each file as it was or whole, what opens comes before what closes, and the new versions are said to be
    the newest at last. Cut off in the middle, nothing begins with a key that is not there yet.
    """
    with _locked(folder):
        load_keys(folder)  # keys that have a fault stay as they are
        documents = {name: _read(folder, name) for name in KEY_FILES}
        private = X25519PrivateKey.generate()
        version = max(int(known) for name in (UNWRAP, WRAP) for known in documents[name]["keys"]) + 1
        pair = _pair(version, private)
        added = {purpose: {"keys": {str(_newest(documents[purpose]) + 1): _fresh()}} for purpose in PURPOSES} | pair
        for name in (UNWRAP, *PURPOSES, WRAP):
            documents[name]["keys"] |= added[name]["keys"]
            documents[VERSIONS]["keys"][name] = _newest(documents[name])
            _replace(folder, name, documents[name])
        _replace(folder, VERSIONS, documents[VERSIONS])
    return load_keys(folder)


def _read(folder: Path, name: str) -> Document:
    path = folder / f"{name}.json"
    try:
        with open_file(path) as file:
            _check_mode(path, os.fstat(file.fileno()))
            document = json.loads(file.read())
    except FileNotFoundError:
        raise KeyFileError(f"there are no keys of {name!r} at {path}: `heraut keys init` makes them") from None
    except (OSError, ValueError):
        raise KeyFileError(f"the keys at {path} cannot be read") from None
    if not isinstance(document, dict) or document.get("version") != _FORMAT:
        raise KeyFileError(f"the keys at {path} are not of format {_FORMAT}, the one known here")
    if document.get("purpose") != name:
        raise KeyFileError(f"the keys at {path} are not those of {name!r}")
    return document


def _check_mode(path: Path, found: os.stat_result) -> None:
    """Refuse keys that lie open to others."""
    if lies_open(path, found):
        raise KeyFileError(f"{path} is open to others ({stat.S_IMODE(found.st_mode):03o}): chmod 600 {path}")


def _put(folder: Path, documents: Mapping[str, Document]) -> None:
    """Make the folder with these files at once. Raises FileExistsError where one is there, with anything in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = f".{folder.name}.{os.getpid()}"
    with open_folder(folder.parent) as parent:
        made = parent.make(partial)
        try:
            for name, document in documents.items():
                made.write_synced(f"{name}.json", _text(name, document).encode(), mode=0o600)
            made.sync()
            try:
                parent.rename(partial, folder.name)  # unlike files, never over a folder that has something in it
            except OSError:
                raise FileExistsError(f"{folder} is there already") from None
        finally:
            made.close()
            shutil.rmtree(partial, ignore_errors=True, dir_fd=parent.descriptor)
        parent.sync()  # keys lost with a power cut are lost with all that they sealed


def _replace(folder: Path, name: str, document: Document) -> None:
    path = folder / f"{name}.json"
    # Readable for whom it was before: containers read mounted keys under a user of their own.
    write_atomically(path, _text(name, document), mode=stat.S_IMODE(path.stat().st_mode))


def _text(name: str, document: Document) -> str:
    return json.dumps({"version": _FORMAT, "purpose": name} | document, indent=1)


def _pair(version: int, private: X25519PrivateKey) -> dict[str, Document]:
    return {
        WRAP: {"keys": {str(version): base64.b64encode(private.public_key().public_bytes_raw()).decode()}},
        UNWRAP: {"keys": {str(version): base64.b64encode(private.private_bytes_raw()).decode()}},
    }


def _keys(document: Mapping[str, str]) -> dict[int, bytes]:
    keys = {int(version): base64.b64decode(text, validate=True) for version, text in document.items()}
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise ValueError
    return keys


def _mapped(document: Document | None, make: Callable[[bytes], Any]) -> dict[int, Any]:
    return {version: make(key) for version, key in _keys(document["keys"]).items()} if document else {}


def _texts(keys: Mapping[int, bytes]) -> dict[str, str]:
    return {str(version): base64.b64encode(key).decode() for version, key in keys.items()}


def _newest(document: Document) -> int:
    return max(map(int, document["keys"]))


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other rotations out; a lock on the folder leaves no file behind. Raises KeyFileError without a folder."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_folder(folder))
        except OSError:
            raise KeyFileError(f"there are no keys in {folder}") from None
        fcntl.flock(opened.descriptor, fcntl.LOCK_EX)
        yield


def main(argv: list[str]) -> int:
    """Make keys in the folder given: `python -m services.kit.vault.key_files FOLDER`."""
    if len(argv) != 1:
        print("usage: python -m services.kit.vault.key_files FOLDER", file=sys.stderr)  # noqa: T201 - a command of its own
        return 2
    create_keys(Path(argv[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
