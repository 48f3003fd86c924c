"""Bearer tokens that are JWTs (RFC 7519): those of an identity provider for people, and those that machines sign.

PyJWT does all of JOSE. Here is what it is told: which algorithms, which key, which claims, and by which clock.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import aiohttp
import jwt

from services.core.clock import Clock
from services.kit.errors import HerautError
from services.kit.principals.identity_provider import IdentityProvider, open_session
from services.kit.principals.key_set import DEFAULT_ALGORITHMS, VerifyingKey, asymmetric, read_pem

__all__ = [
    "REASONS",
    "MachineKey",
    "MachineKeys",
    "OidcVerifier",
    "Reason",
    "RefusedToken",
    "Signed",
    "Subject",
    "key_id",
]

Reason = Literal[
    "bad-signature",
    "expired",
    "malformed",
    "missing-claim",
    "not-yet-valid",
    "replayed",
    "too-long-lived",
    "too-many",
    "unknown-key",
    "wrong-algorithm",
    "wrong-audience",
    "wrong-issuer",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

_LONGEST = 8192  # characters of a token: one with many roles has 2,000 to 4,000
_LEEWAY = 30.0  # seconds that two clocks may differ
_LONGEST_NAME = 255  # characters of a subject (OpenID Connect Core 1.0, 2), also of other ids and names
_MACHINE_LIFE = 300.0  # seconds: a machine makes a token for each request
_TOKENS_REMEMBERED = 20_000  # for each machine: sixty a second for as long as a token can live

_CLAIMS = ("exp", "iat", "iss", "aud", "sub")
# Of the checks of PyJWT those by its own clock are off: ours can be held still.
_JWT = jwt.PyJWT({"verify_exp": False, "verify_nbf": False, "verify_iat": False, "enforce_minimum_key_length": True})
_REASONS: Mapping[type[jwt.PyJWTError], Reason] = {
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidAudienceError: "wrong-audience",
    jwt.InvalidIssuerError: "wrong-issuer",
    jwt.InvalidSignatureError: "bad-signature",
    jwt.MissingRequiredClaimError: "missing-claim",
}


class RefusedToken(HerautError):  # noqa: N818 - what it is about
    """A token that opens nothing. `reason` is a short code, one of REASONS; nothing of the token is repeated."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Subject(NamedTuple):
    """Whom an identity provider vouches for: `subject` is unique and lasting within `issuer`.

    `name` is for people to read, and nothing is decided by it: whoever it is may be free to change it.
    """

    issuer: str
    subject: str
    name: str | None


class MachineKey(NamedTuple):
    """A public key in PEM, and the one subject that may sign with its other half."""

    subject: str
    pem: str


class Signed(NamedTuple):
    """Who signed a token, its id (`jti`), and until when it could be shown again."""

    subject: str
    jti: str
    until: datetime


class _Header(NamedTuple):
    kid: str
    algorithm: str


class OidcVerifier:
    """Verifies the tokens that one identity provider gives out for one audience (RFC 9068, OpenID Connect Core 1.0).

    Without `jwks_url` the provider is asked where its keys are. Raises ValueError where an algorithm is not asymmetric
    or an address is neither https nor on this machine. To be closed at the end.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        clock: Clock,
        algorithms: Iterable[str] = DEFAULT_ALGORITHMS,
        jwks_url: str | None = None,
        session_factory: Callable[[], aiohttp.ClientSession] = open_session,
        timeout: float = 5.0,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._algorithms = asymmetric(algorithms)
        self._provider = IdentityProvider(
            issuer,
            self._algorithms,
            clock=clock,
            jwks_url=jwks_url,
            session_factory=session_factory,
            timeout=timeout,
        )

    async def verify(self, token: str) -> Subject:
        """Return whom the token is about. Raises RefusedToken, IdentityProviderDown."""
        header = _read_header(token, self._algorithms)
        key = await self._provider.key(header.kid)
        claims = _read_claims(token, header, key, self._audience, self._issuer)
        _check_times(claims, self._clock)
        return Subject(self._issuer, _text(claims, "sub"), _shown_name(claims))

    async def close(self) -> None:
        """Close the connections to the identity provider."""
        await self._provider.close()


class MachineKeys:
    """Verifies tokens that machines sign themselves, one for each request (the client assertion of RFC 7523, 3).

    A token opens once. What was used is remembered here until the token has expired, for this process; `Signed` has
    what others of the installation know it by. Raises ValueError where an algorithm is not asymmetric.
    """

    def __init__(self, audience: str, *, clock: Clock, algorithms: Iterable[str] = DEFAULT_ALGORITHMS) -> None:
        self._audience = audience
        self._clock = clock
        self._algorithms = asymmetric(algorithms)
        self._used: defaultdict[str, _UsedIds] = defaultdict(_UsedIds)  # by subject: there are as many as have keys

    def check(self, pem: str) -> None:
        """Raise ValueError, with words for who brought it, where this is no public key that could verify a token."""
        read_pem(pem, self._algorithms)

    def verify(self, token: str, keys: Mapping[str, MachineKey]) -> Signed:
        """Return who signed the token, which is used up by this. Raises RefusedToken.

        `keys` are those of all machines, by `kid`; one machine's key opens for no other.
        """
        header = _read_header(token, self._algorithms)
        key = keys.get(header.kid)
        claims = _read_claims(token, header, self._read(key), self._audience, key and key.subject, "jti")
        issued, expires = _check_times(claims, self._clock)
        subject = _text(claims, "sub")
        if subject != claims["iss"]:
            raise RefusedToken("wrong-issuer")
        if expires - issued > _MACHINE_LIFE:
            raise RefusedToken("too-long-lived")
        jti, end = _text(claims, "jti"), expires + _LEEWAY
        self._used[subject].take(jti, end, self._clock.now().timestamp())
        return Signed(subject, jti, datetime.fromtimestamp(end, UTC))

    def forget(self, signed: Signed) -> None:
        """Let a token be used once more: nobody could tell whether it had been used elsewhere."""
        self._used[signed.subject].give_back(signed.jti)

    def _read(self, key: MachineKey | None) -> VerifyingKey | None:
        """Return the key; one that cannot be read verifies nothing."""
        try:
            return key and read_pem(key.pem, self._algorithms)
        except ValueError:
            return None


class _UsedIds:
    """The ids of tokens that one machine has used and that could be used again: `jti` (RFC 7519, 4.1.7)."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._by_end: list[tuple[float, str]] = []  # a heap

    def take(self, jti: str, end: float, now: float) -> None:
        """Note that an id is used, which nobody can do again before `end`. Raises RefusedToken."""
        while self._by_end and self._by_end[0][0] <= now:
            self._ids.discard(heapq.heappop(self._by_end)[1])
        if jti in self._ids:
            raise RefusedToken("replayed")
        if len(self._ids) >= _TOKENS_REMEMBERED:
            raise RefusedToken("too-many")  # to forget one instead would let it be used again
        self._ids.add(jti)
        heapq.heappush(self._by_end, (end, jti))

    def give_back(self, jti: str) -> None:
        """Forget an id."""
        self._ids.discard(jti)


def key_id(token: str) -> str:
    """Return the id of the key that a token names, of which nothing is verified. Raises RefusedToken."""
    return _named_key(_unverified_header(token))


def _named_key(header: Mapping[str, Any]) -> str:
    if not header.get("kid"):
        raise RefusedToken("unknown-key")
    return str(header["kid"])


def _unverified_header(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST or not token.isascii() or token.count(".") != 2:
        raise RefusedToken("malformed")
    try:
        # The header alone: the library takes its time with each character, and would read the others twice.
        header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")
    except jwt.PyJWTError:
        raise RefusedToken("malformed") from None
    if "crit" in header:  # we understand no extension, so none may be critical (RFC 7515, 4.1.11)
        raise RefusedToken("malformed")
    return header


def _read_header(token: str, algorithms: frozenset[str]) -> _Header:
    """Return what the header may say: which key, by which algorithm; `jku`, `jwk`, `x5c`, `x5u` are not looked at."""
    header = _unverified_header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise RefusedToken("wrong-algorithm")
    return _Header(_named_key(header), algorithm)


def _read_claims(
    token: str, header: _Header, key: VerifyingKey | None, audience: str, issuer: str | None, *required: str
) -> dict[str, Any]:
    """Return the claims, under a signature that holds; their times are not checked yet."""
    if key is None:
        raise RefusedToken("unknown-key")
    if header.algorithm not in key.algorithms:
        raise RefusedToken("wrong-algorithm")
    try:
        return _JWT.decode(
            token,
            key.public,
            [header.algorithm],
            {"require": [*_CLAIMS, *required]},
            audience=audience,
            issuer=issuer,
        )
    except jwt.PyJWTError as error:
        raise RefusedToken(_REASONS.get(type(error), "malformed")) from None


def _check_times(claims: Mapping[str, Any], clock: Clock) -> tuple[float, float]:
    """Return when the token was issued and when it expires, both checked, in seconds of the epoch."""
    now = clock.now().timestamp()
    issued, expires = _seconds(claims["iat"]), _seconds(claims["exp"])
    if max(issued, _seconds(claims.get("nbf", issued))) > now + _LEEWAY:
        raise RefusedToken("not-yet-valid")
    if expires <= now - _LEEWAY:
        raise RefusedToken("expired")
    return issued, expires


def _seconds(value: object) -> float:
    """Return a NumericDate (RFC 7519, 2)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedToken("malformed")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that can be stored and compared as it is."""
    value = claims[name]
    if value == "":
        raise RefusedToken("missing-claim")
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise RefusedToken("malformed")
    return value


def _shown_name(claims: Mapping[str, Any]) -> str | None:
    """Return the name to show, None where there is none that can be shown (OpenID Connect Core 1.0, 5.1)."""
    for value in (claims.get("name"), claims.get("preferred_username")):
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable():
            return value
    return None
