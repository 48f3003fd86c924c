"""Certificates in PEM files: our own, and those of the authorities that we trust.

They are looked at again whenever a connection begins, so that renewing them, or trusting somebody no longer, is writing
files: no restart, and no job that could have stopped. Connections that stand go on as they began.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from services.kit.errors import ConfigError
from services.kit.files import FileState, lies_open, state_of

__all__ = ["OwnPair", "calling", "listening"]

logger = logging.getLogger(__name__)


class OwnPair(NamedTuple):
    """A certificate of our own and its key; both may be in one file. `settings` are the variables that name them."""

    certificate: Path
    key: Path
    settings: str


def listening(own: OwnPair, client_authority: Path | None = None) -> ssl.SSLContext:
    """Return a context for who is called; with an authority, callers may show a certificate that it signed.

    Raises ConfigError where a file cannot be read, the pair is none, or the key lies open.
    """

    def make() -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        if client_authority is not None:
            # Whether one is needed, each route says: probes come without.
            context.verify_mode = ssl.CERT_OPTIONAL
            _trust(context, client_authority, "HERAUT_TLS_CLIENT_CA")
        return _finished(context, own)

    authorities = [client_authority] if client_authority else []
    return _Renewed(ssl.PROTOCOL_TLS_SERVER).made_by(_Maker(make, [own.certificate, own.key, *authorities]))


def calling(authorities: Path | None, setting: str, own: OwnPair | None = None) -> ssl.SSLContext:
    """Return a context for who calls: who answers proves its name, by these authorities or those of the system.

    `own` is shown to who asks for it. Raises ConfigError as `listening` does, with the variable that names the file.
    """

    def make() -> ssl.SSLContext:
        context = ssl.create_default_context() if authorities is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if authorities is not None:
            _trust(context, authorities, setting)
        return _finished(context, own)

    system = ssl.get_default_verify_paths().cafile
    trusted = [authorities] if authorities else [Path(system)] if system else []
    return _Renewed(ssl.PROTOCOL_TLS_CLIENT).made_by(_Maker(make, [*trusted, *(own[:2] if own else ())]))


class _Maker:
    """Makes a context of files, anew when they changed. Files with a fault are left alone, and the log says so once."""

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        self._make, self._files = make, files
        self._seen = self._state()  # before they are read: what changes meanwhile is read again
        self._made = make()

    def context(self) -> ssl.SSLContext:
        """Return the context of the files as they are now, or as they last could be used."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._made = self._make()
            except ConfigError as fault:
                logger.error("new certificates are not taken, those before go on: %s", fault)  # noqa: TRY400 - in words
            else:
                logger.info("certificates were read again")
        return self._made

    def _state(self) -> list[FileState | None]:
        return [state_of(file) for file in self._files]


class _Renewed(ssl.SSLContext):
    """Begins each connection by the context of its maker; asyncio and uvloop ask a context for nothing else.

    By itself it would trust nobody and show nothing, so a library that asked for more would not connect.
    """

    _maker: _Maker

    def made_by(self, maker: _Maker) -> "_Renewed":
        """Return it, with its maker."""
        self._maker = maker
        return self

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection."""
        return self._maker.context().wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a connection on a socket of its own."""
        return self._maker.context().wrap_socket(*arguments, **options)


def _finished(context: ssl.SSLContext, own: OwnPair | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325, 3.1.1
    if own is None:
        return context
    try:
        if lies_open(own.key):
            raise ConfigError(f"{own.settings}: the key is open to others: chmod 600 {own.key}")
        # With an empty password a key that has one is a fault; without any, a terminal would be asked.
        context.load_cert_chain(own.certificate, own.key, password="")
    except OSError as error:  # among them ssl.SSLError
        raise ConfigError(f"{own.settings}: {error.strerror or type(error).__name__}") from None
    return context


def _trust(context: ssl.SSLContext, authorities: Path, setting: str) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise ConfigError(f"{setting}: {error.strerror or type(error).__name__}") from None
