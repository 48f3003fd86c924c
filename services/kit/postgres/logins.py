"""The logins of the rooms: each has a role of its own to log in as, and may be nobody else in the database.

Where an operator names no login, one is made: its URL, password included, lies in a file of its own in the folder
`logins` of the data directory, readable by its owner alone. The database holds only what PostgreSQL keeps of a
password. The owner of the database makes the logins, and no service ever has his.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from services.core.rooms import ROOMS
from services.kit.errors import ConfigError
from services.kit.files import write_atomically
from services.kit.postgres.pool import Connection, Pool

__all__ = [
    "FOLDER",
    "check_login",
    "fresh_password",
    "logged_in_as",
    "made_logins",
    "make_logins",
    "password_of",
    "role_of",
    "write_login",
]

FOLDER = "logins"  # in the data directory
# What a URL may say of who logs in, beside its user and password.
_WHO = frozenset({"user", "password", "passfile", "sslcert", "sslkey", "sslpassword"})


def role_of(room: str) -> str:
    """Return the role that a room works as, and logs in as unless its URL says otherwise."""
    return f"heraut_{room}"


def fresh_password() -> str:
    """Return a password that nobody can guess: 192 bits, of characters that no URL and no statement trips over."""
    return secrets.token_urlsafe(24)


def logged_in_as(url: str, login: str, password: str) -> str:
    """Return the URL of the same database for another login."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in _WHO], quote_via=quote)
    who = f"{quote(login, safe='')}:{quote(password, safe='')}"
    return urlunsplit((parts.scheme, f"{who}@{place}", parts.path, query.replace("/", "%2F"), ""))


def password_of(url: str) -> str | None:
    """Return the password that a URL logs in with, None where it has none."""
    password = urlsplit(url).password
    return None if password is None else unquote(password)


def make_logins(folder: Path, owner: str, rooms: Iterable[str]) -> dict[str, str]:
    """Return a URL for each of these rooms, for the database at `owner`; passwords are made where there are none.

    Each URL is in the folder afterwards. A password that is there already stays. Raises OSError.
    """
    known = made_logins(folder)
    urls = {room: logged_in_as(owner, role_of(room), _password(known.get(room))) for room in rooms}
    for room, url in urls.items():
        if known.get(room) != url:
            write_login(folder, room, url)
    return urls


def made_logins(folder: Path) -> dict[str, str]:
    """Return the URLs that were made, by room. Raises OSError where one cannot be read."""
    files = {room: folder / f"{room}.url" for room in ROOMS}
    return {room: file.read_text(encoding="utf-8").strip() for room, file in files.items() if file.exists()}


def write_login(folder: Path, name: str, url: str) -> None:
    """Keep a URL for who has this name, readable by us alone. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.url", url, mode=0o600)


def _password(url: str | None) -> str:
    return (password_of(url) if url else None) or fresh_password()


async def check_login(pool: Pool, room: str) -> None:
    """See that whoever logged in may work as this room and as nobody else.

    Raises ConfigError: a room that was taken over could do whatever its login may do, whichever role it has taken on.
    """
    async with pool.acquire() as connection:
        wider = await _wider_rights(connection, room)
    if wider:
        raise ConfigError(
            f"HERAUT_DATABASE_URL_{room.upper()} logs in as {wider}: a room has a login of its own, as `heraut migrate`"
            " makes it"
        )


async def _wider_rights(connection: Connection, room: str) -> str | None:
    """Return in a word or two what a session may be beside the room, None where that is nothing."""
    unlimited = await connection.fetchval(
        "select rolsuper or rolbypassrls or rolcreaterole from pg_roles where rolname = session_user"
    )
    if unlimited:
        return "a user without limits"
    owns = await connection.fetchval(
        "select pg_has_role(session_user, relowner, 'member') from pg_class where oid = 'log.log'::regclass"
    )
    if owns:
        return "the owner of the database"
    others = [role_of(other) for other in ROOMS if other != room]
    also = await connection.fetchval(
        "select rolname from pg_roles where rolname = any($1) and pg_has_role(session_user, oid, 'member') limit 1",
        others,
    )
    return None if also is None else str(also)
