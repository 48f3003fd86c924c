"""Recognises who calls: by a token, or by what an identity provider or a machine signed."""

import logging
from pathlib import Path

from services.core.access import Principal
from services.core.clock import Clock
from services.kit.config import ServiceConfig
from services.kit.errors import ConfigError, HerautError
from services.kit.files import state_of
from services.kit.principals.accounts import Account, Accounts
from services.kit.principals.bearer_jwt import MachineKeys, OidcVerifier, RefusedToken, key_id
from services.kit.principals.file import load_accounts
from services.kit.principals.spent_tokens import SpentTokens, token_digest

__all__ = ["Authenticator", "PrincipalsFile", "UnknownCaller", "authenticator_of"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 1.0  # seconds: a revoked principal is out after so long at most
_MAX_CREDENTIAL = 8_192  # characters; a JWT with many claims has some thousands


class UnknownCaller(HerautError):  # noqa: N818 - it says who asks, not that something failed
    """Nobody is recognised by what was shown. `reason` is a short code; what was shown is never repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PrincipalsFile:
    """The accounts of the principals file as it stands; it is read again soon after it changed.

    A file that is gone or cannot be used any more leaves the accounts as they were, and the log tells of it: a slip in
    it must neither open the service nor lock everybody out.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._seen = state_of(path)
        self._accounts = load_accounts(path)
        self._looked_at = clock.monotonic()

    @property
    def accounts(self) -> Accounts:
        """Return the accounts as of a second ago at most."""
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._look()
        return self._accounts

    def _look(self) -> None:
        state = state_of(self._path)
        if state == self._seen:
            return
        self._seen = state
        if state is None:
            logger.error("the principals file is gone: those known before go on being known")
            return
        try:
            self._accounts = load_accounts(self._path)
            logger.info("the principals file was read again")
        except ConfigError:
            logger.exception("the principals file cannot be used: those known before go on being known")


class Authenticator:
    """Recognises a caller by a credential: a token of ours, a JWT of the identity provider, or one a machine signed.

    `people` checks those of the identity provider; None = there is none. With `certificates_needed` nobody is
    recognised who shows no certificate, whatever else they show. `spent` says which tokens of machines were used up
    anywhere in the installation; without it, this process alone knows. To be closed at the end.
    """

    def __init__(
        self,
        file: PrincipalsFile,
        clock: Clock,
        machines: MachineKeys,
        people: OidcVerifier | None = None,
        *,
        certificates_needed: bool = False,
        spent: SpentTokens | None = None,
    ) -> None:
        self._file, self._clock = file, clock
        self._certificates_needed, self._spent = certificates_needed, spent
        self._machines, self._people = machines, people

    async def recognise(self, credential: str, certificate: bytes | None = None) -> Principal:
        """Return whose credential it is; without one, whose certificate.

        `certificate` is what the caller shows, which TLS has verified. Raises UnknownCaller, and IdentityProviderDown.
        """
        if self._certificates_needed and certificate is None:
            raise UnknownCaller("no-certificate")
        if not credential and certificate is not None:
            return _known(self._file.accounts.of_certificate(certificate))
        if not credential:
            raise UnknownCaller("no-credential")
        if len(credential) > _MAX_CREDENTIAL or not credential.isascii():
            raise UnknownCaller("malformed")
        if credential.count(".") != 2:  # a JWT has three parts
            return _known(self._file.accounts.of_token(credential, self._clock.now()))
        try:
            return _known(await self._by_signature(credential))
        except RefusedToken as error:
            raise UnknownCaller(error.reason) from None

    async def _by_signature(self, credential: str) -> Account | None:
        accounts = self._file.accounts
        if key_id(credential) in accounts.keys:
            return accounts.named(await self._by_machine(credential, accounts))
        if self._people is None:
            raise UnknownCaller("unknown-key")
        return accounts.of_subject((await self._people.verify(credential)).subject)

    async def _by_machine(self, credential: str, accounts: Accounts) -> str:
        """Return which machine signed, of whom nobody has seen this token before."""
        signed = self._machines.verify(credential, accounts.keys)
        if self._spent is None:
            return signed.subject
        try:
            is_new = await self._spent.spend(token_digest(signed.subject, signed.jti), signed.until)
        except BaseException:
            self._machines.forget(signed)
            raise
        if not is_new:
            raise RefusedToken("replayed")
        return signed.subject

    async def close(self) -> None:
        """Close the connections to the identity provider."""
        if self._people:
            await self._people.close()


def authenticator_of(
    config: ServiceConfig, file: PrincipalsFile, clock: Clock, spent: SpentTokens | None = None
) -> Authenticator:
    """Return the authenticator that the settings ask for. Raises ConfigError where they cannot be used."""
    audience, algorithms = config.auth_audience, config.auth_algorithms
    try:
        machines = MachineKeys(audience, clock=clock, algorithms=algorithms)
        people = config.auth_oidc_issuer and OidcVerifier(
            config.auth_oidc_issuer, audience, clock=clock, algorithms=algorithms, jwks_url=config.auth_oidc_jwks_url
        )
    except ValueError as error:
        raise ConfigError(f"HERAUT_AUTH_*: {error}") from None
    needed = config.tls_clients == "required"
    return Authenticator(file, clock, machines, people or None, certificates_needed=needed, spent=spent)


def _known(account: Account | None) -> Principal:
    if account is None:
        raise UnknownCaller("unknown-principal")
    return account.principal
