"""Accounts: who the principals of an installation are and how each is recognised, as the principals file says it.

The file is JSON: `{"version": 1, "principals": [{"name", "roles", "sources"?, "tokens"?, "subject"?, "keys"?,
"certificates"?, "topic"?, "kafkaUser"?}]}`. It holds no secret: of tokens only hashes, of machines only public keys.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from services.core.access import Principal, Role
from services.kit.errors import ConfigError
from services.kit.principals.bearer_jwt import MachineKey
from services.kit.principals.client_certificate import NAMED, names_of
from services.kit.principals.tokens import StoredToken, token_id_of

__all__ = ["Account", "Accounts", "read_accounts", "with_token"]

_FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KEYS = frozenset({"name", "roles", "sources", "tokens", "subject", "keys", "certificates", "topic", "kafkaUser"})
_MAX_TEXT = 200  # characters of a source, subject or user: as long as a source may be


@dataclass(frozen=True, slots=True)
class Account:
    """A principal, and all by which it can be recognised."""

    principal: Principal
    tokens: tuple[StoredToken, ...] = ()
    subject: str | None = None  # at the identity provider of the installation (`sub` of OpenID Connect)
    keys: Mapping[str, str] = field(default_factory=dict)  # key id -> public key (PEM) of a machine that signs itself
    topic: str | None = None  # where it alone may write its events: who writes there counts as this principal
    kafka_user: str | None = None  # the brokers' name for it, who gets the right to write
    certificates: tuple[str, ...] = ()  # that it shows, by thumbprint or subject: `client_certificate`

    @property
    def name(self) -> str:
        """Return the principal's name."""
        return self.principal.name

    def as_json(self) -> dict[str, Any]:
        """Return the account as it stands in the file."""
        given = {
            "name": self.name,
            "roles": sorted(self.principal.roles),
            "sources": sorted(self.principal.sources),
            "tokens": [_token_json(token) for token in self.tokens],
            "subject": self.subject,
            "keys": dict(self.keys),
            "certificates": list(self.certificates),
            "topic": self.topic,
            "kafkaUser": self.kafka_user,
        }
        return {key: value for key, value in given.items() if value}


class Accounts:
    """All accounts of an installation, found by what a caller shows. `keys` are those of machines, by their ids."""

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self._by_name = {account.name: account for account in accounts}
        self._by_subject = {one.subject: one for one in self._by_name.values() if one.subject}
        self._by_certificate = {name: one for one in self._by_name.values() for name in one.certificates}
        self._by_topic = {one.topic: one for one in self._by_name.values() if one.topic}
        self.keys = {kid: MachineKey(one.name, pem) for one in self._by_name.values() for kid, pem in one.keys.items()}
        self._by_token = {token.token_id: (one, token) for one in self._by_name.values() for token in one.tokens}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Account | None:
        """Return the account of this name."""
        return self._by_name.get(name)

    def of_subject(self, subject: str) -> Account | None:
        """Return the account of a person whom the identity provider knows by this subject."""
        return self._by_subject.get(subject)

    def of_certificate(self, der: bytes) -> Account | None:
        """Return the account of who shows this certificate, which TLS has verified; its own name counts first."""
        return next((self._by_certificate[name] for name in names_of(der) if name in self._by_certificate), None)

    def of_topic(self, topic: str) -> Account | None:
        """Return the account of whoever writes to a topic."""
        return self._by_topic.get(topic)

    def of_token(self, text: str, now: datetime) -> Account | None:
        """Return the account that a token belongs to; None where it is unknown or has expired."""
        found = self._by_token.get(token_id_of(text) or "")
        return found[0] if found and found[1].is_valid(text, now) else None

    @property
    def producers(self) -> dict[str, str | None]:
        """Return the topics that principals write to, each with the brokers' name for its principal."""
        return {topic: account.kafka_user for topic, account in sorted(self._by_topic.items())}

    def with_account(self, account: Account) -> "Accounts":
        """Return the accounts with this one added, or in place of the one of its name."""
        return Accounts((self._by_name | {account.name: account}).values())

    def without(self, name: str) -> "Accounts":
        """Return the accounts without the one of this name."""
        return Accounts(account for account in self._by_name.values() if account.name != name)

    def as_file(self) -> str:
        """Return the text of the principals file."""
        document = {"version": _FORMAT, "principals": [account.as_json() for account in self._by_name.values()]}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def read_accounts(text: bytes) -> Accounts:
    """Read a principals file. Raises ConfigError with a line for each fault; it repeats names, and no hash or key."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ConfigError("the principals file is not JSON") from None
    if not isinstance(document, dict) or document.get("version") != _FORMAT:
        raise ConfigError(f"the principals file is not of format {_FORMAT}, the one known here")
    entries = document.get("principals")
    if not isinstance(entries, list):
        raise ConfigError("principals: must be a list")
    reader = _Reader()
    accounts = [reader.account(f"principals[{at}]", entry) for at, entry in enumerate(entries)]
    if not reader.faults:
        reader.expect_unique(accounts)
    if reader.faults:
        raise ConfigError("\n".join(reader.faults))
    return Accounts(accounts)


class _Reader:
    """Reads entries and collects all faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def account(self, place: str, entry: Any) -> Account:
        """Read one entry; what it returns counts only where there is no fault."""
        nobody = Account(Principal("", frozenset()))
        if not isinstance(entry, dict):
            self.faults.append(f"{place}: must be an object")
            return nobody
        self.faults += [f"{place}.{key[:64]}: is not known" for key in sorted(set(entry) - _KEYS)]
        name = entry.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self.faults.append(f"{place}.name: must be 1 to 64 of a-z, 0-9, dot, hyphen, underscore")
            return nobody
        roles, sources = self._roles(place, entry.get("roles")), self._texts(f"{place}.sources", entry.get("sources"))
        if bool(sources) != (Role.SOURCE in roles):
            self.faults.append(f"{place}.sources: the role source, and no other, needs sources that it speaks for")
        account = Account(
            Principal(name, frozenset(roles), frozenset(sources)),
            tuple(self._tokens(f"{place}.tokens", entry.get("tokens"))),
            self._text(f"{place}.subject", entry.get("subject")),
            self._pems(f"{place}.keys", entry.get("keys")),
            self._text(f"{place}.topic", entry.get("topic")),
            self._text(f"{place}.kafkaUser", entry.get("kafkaUser")),
            self._certificates(f"{place}.certificates", entry.get("certificates")),
        )
        if account.topic and len(sources) != 1:
            self.faults.append(f"{place}.topic: a topic speaks for one source")
        if account.kafka_user and not account.topic:
            self.faults.append(f"{place}.kafkaUser: is there for a topic alone")
        return account

    def expect_unique(self, accounts: list[Account]) -> None:
        """Add a fault for each name, subject, topic, certificate, key id and token id that two accounts have."""
        for word, values in (
            ("name", [one.name for one in accounts]),
            ("subject", [one.subject for one in accounts if one.subject]),
            ("topic", [one.topic for one in accounts if one.topic]),
            ("certificate", [name for one in accounts for name in one.certificates]),
            ("key", [kid for one in accounts for kid in one.keys]),
            ("token", [token.token_id for one in accounts for token in one.tokens]),
        ):
            self.faults += [f"{word} {value}: two principals have it" for value in _twice(values)]

    def _roles(self, place: str, given: Any) -> list[Role]:
        known = {role.value for role in Role}
        if not isinstance(given, list) or not given or not all(isinstance(r, str) and r in known for r in given):
            self.faults.append(f"{place}.roles: must be a list of {', '.join(sorted(known))}")
            return []
        return [Role(role) for role in given]

    def _texts(self, place: str, given: Any) -> list[str]:
        if given is not None and not isinstance(given, list):
            self.faults.append(f"{place}: must be a list")
            return []
        return [self._text(f"{place}[{at}]", text) or "" for at, text in enumerate(given or [])]

    def _text(self, place: str, given: Any) -> str | None:
        if given is None:
            return None
        if not isinstance(given, str) or not given.strip() or len(given) > _MAX_TEXT or not given.isprintable():
            self.faults.append(f"{place}: must be a text of 1 to {_MAX_TEXT} characters")
            return None
        return given

    def _pems(self, place: str, given: Any) -> dict[str, str]:
        if given is None:
            return {}
        if not isinstance(given, dict) or not all(isinstance(pem, str) for pem in given.values()):
            self.faults.append(f"{place}: must map key ids to public keys (PEM)")
            return {}
        return dict(given)

    def _certificates(self, place: str, given: Any) -> tuple[str, ...]:
        listed = given if isinstance(given, list) else [] if given is None else [None]
        if not all(isinstance(name, str) and NAMED.fullmatch(name) for name in listed):
            self.faults.append(f"{place}: must be a list of sha256:<64 hex digits> and subject:<CN=...>")
            return ()
        return tuple(listed)

    def _tokens(self, place: str, given: Any) -> list[StoredToken]:
        if given is not None and not isinstance(given, list):
            self.faults.append(f"{place}: must be a list")
            return []
        tokens = [_token(entry) for entry in given or []]
        self.faults += [f"{place}[{at}]: is not a token's hash with its times" for at, t in enumerate(tokens) if not t]
        return [token for token in tokens if token]


def _token(entry: Any) -> StoredToken | None:
    try:
        token = StoredToken(
            entry["id"],
            entry["sha256"],
            datetime.fromisoformat(entry["createdAt"]),
            datetime.fromisoformat(entry["expiresAt"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    aware = token.created_at.tzinfo is not None and token.expires_at.tzinfo is not None
    return token if aware and isinstance(token.token_id, str) and _DIGEST.fullmatch(token.digest) else None


def _token_json(token: StoredToken) -> dict[str, str]:
    return {
        "id": token.token_id,
        "sha256": token.digest,
        "createdAt": token.created_at.isoformat(timespec="seconds"),
        "expiresAt": token.expires_at.isoformat(timespec="seconds"),
    }


def _twice(values: Iterable[str]) -> list[str]:
    return sorted(value for value, times in Counter(values).items() if times > 1)


def with_token(account: Account, token: StoredToken) -> Account:
    """Return the account with one more token."""
    return replace(account, tokens=(*account.tokens, token))
