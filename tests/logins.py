"""How each room logs in to the databases of this test run: as itself, with a password of its own."""

from services.core.rooms import ROOMS
from services.kit.postgres import logged_in_as, role_of

__all__ = ["login_settings", "own_login", "own_logins"]


def own_login(owner: str, room: str) -> str:
    """Return where a room logs in to the database at `owner`."""
    return logged_in_as(owner, role_of(room), f"password-of-{room}")


def own_logins(owner: str) -> dict[str, str]:
    """Return the same of each room, as `migrate` takes it."""
    return {room: own_login(owner, room) for room in ROOMS}


def login_settings(owner: str) -> dict[str, str]:
    """Return the same as settings of services."""
    return {f"HERAUT_DATABASE_URL_{room.upper()}": url for room, url in own_logins(owner).items()}
