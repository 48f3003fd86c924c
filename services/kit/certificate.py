"""A certificate of our own, shown to callers or to who is called, and looked at again for as long as a process runs."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.files import lies_open
from services.kit.retry import pause_until

__all__ = ["Certificate", "calling", "listening"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 5.0  # seconds; certificates are renewed days before they end


class Certificate:
    """A certificate and its key in PEM files; connections that begin after they changed show the new ones.

    `make` gives a context without them. `settings` are the variables that name the files.
    """

    def __init__(self, certificate: Path, key: Path, make: Callable[[], ssl.SSLContext], settings: str) -> None:
        """Load them. Raises ConfigError where they cannot be read, are not each other's, or the key lies open."""
        self._files = (certificate, key)
        self._make = make
        self._seen = self._state()
        self.context = make()
        try:
            if lies_open(key):
                raise ConfigError(f"{settings}: the key is open to others: chmod 600 {key}")
            self._load_into(self.context)
        except OSError as error:  # among them ssl.SSLError
            raise ConfigError(f"{settings}: {error.strerror or type(error).__name__}") from None

    def renew(self) -> bool:
        """Load the files where they changed, and tell whether that was done. A pair with a fault is left alone."""
        state = self._state()
        if state == self._seen:
            return False
        try:
            # First into one that nobody uses: half a pair would be left in the other.
            self._load_into(self._make())
            self._load_into(self.context)
        except OSError as error:
            logger.warning("the new certificate is not taken", extra={"error_class": type(error).__name__})
            return False
        self._seen = state
        logger.info("the certificate was renewed")
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until `stop`."""
        while not stop.is_set():
            self.renew()
            await pause_until(stop, _LOOK_EVERY)

    def _load_into(self, context: ssl.SSLContext) -> None:
        certificate, key = self._files
        # With an empty password a key that has one is a fault; without any, a terminal would be asked.
        context.load_cert_chain(certificate, key, password="")

    def _state(self) -> tuple[tuple[int, int], ...] | None:
        try:
            return tuple((found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files))
        except OSError:
            return None


def listening(client_authority: Path | None = None) -> ssl.SSLContext:
    """Return a context for who is called; with an authority, callers may show a certificate that it signed.

    Raises ConfigError where the authority's certificate cannot be read.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if client_authority is not None:
        # Whether one is needed, each route says: probes come without.
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(client_authority)
        except OSError as error:
            raise ConfigError(f"HERAUT_TLS_CLIENT_CA: {error.strerror or type(error).__name__}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325, 3.1.1
    return context


def calling(authorities: Path | None, setting: str) -> ssl.SSLContext:
    """Return a context for who calls: who answers proves its name, by these authorities or those of the system.

    Raises ConfigError, with the variable that names the file.
    """
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise ConfigError(f"{setting}: {error.strerror or type(error).__name__}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
