"""The certificate that a process shows to its callers, looked at again for as long as it runs."""

import asyncio
import logging
import ssl
from pathlib import Path

from services.kit.errors import ConfigError
from services.kit.retry import pause_until

__all__ = ["ServerCertificate"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 5.0  # seconds; certificates are renewed days before they end


class ServerCertificate:
    """A certificate and its key in PEM files; who connects after they changed is shown the new ones."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load them. Raises ConfigError where they cannot be read, or are not each other's."""
        self._files = (certificate, key)
        self._seen = self._state()
        self.context = _server_context()
        try:
            self._load_into(self.context)
        except OSError as error:  # among them ssl.SSLError
            raise ConfigError(f"HERAUT_TLS_CERT, HERAUT_TLS_KEY: {error.strerror or type(error).__name__}") from None

    def renew(self) -> bool:
        """Load the files where they changed, and tell whether that was done. A pair with a fault is left alone."""
        state = self._state()
        if state == self._seen:
            return False
        try:
            # First into one that nobody uses: half a pair would be left in the other.
            self._load_into(_server_context())
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


def _server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325, 3.1.1
    return context
