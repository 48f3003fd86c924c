"""Who the tests are, and an authenticator that knows them."""

from pathlib import Path

from notification.topics import COHORT

from services.core.access import Principal, Role
from services.core.clock import Clock
from services.kit.config import ServiceConfig, load
from services.kit.principals import Account, Accounts, Authenticator, PrincipalsFile, authenticator_of
from services.kit.testing import make_principals

__all__ = [
    "APPROVER",
    "AUDITOR",
    "COLLEAGUE",
    "LAB",
    "OPERATOR",
    "OTHER",
    "PRINCIPALS",
    "SCRAPE",
    "KnownProducers",
    "authenticator",
    "bearer",
]

OPERATOR = Account(Principal("operator", frozenset({Role.OPERATOR})))
COLLEAGUE = Account(Principal("colleague", frozenset({Role.OPERATOR, Role.APPROVER})))
APPROVER = Account(Principal("approver", frozenset({Role.APPROVER})))
AUDITOR = Account(Principal("auditor", frozenset({Role.AUDITOR})))
SCRAPE = Account(Principal("scrape", frozenset({Role.SCRAPE})))
# Two sources; the first one may send events too.
LAB = Account(Principal("lab", frozenset({Role.SOURCE}), frozenset({"lab"})), topic=COHORT)
OTHER = Account(Principal("other", frozenset({Role.SOURCE}), frozenset({"other"})))
PRINCIPALS = (OPERATOR, COLLEAGUE, APPROVER, AUDITOR, SCRAPE, LAB, OTHER)


class KnownProducers:
    """Accounts that stand still."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = Accounts(accounts)


def authenticator(path: Path, clock: Clock) -> Authenticator:
    """Return an authenticator of the principals in a file."""
    config = load(ServiceConfig, {"HERAUT_PRINCIPALS_FILE": str(path)})
    return authenticator_of(config, PrincipalsFile(path, clock), clock)


def bearer(path: Path, name: str = "operator") -> dict[str, str]:
    """Make a file of all these principals, and return the header by which one of them is known."""
    return {"Authorization": f"Bearer {make_principals(path, *PRINCIPALS)[name]}"}
