"""Asks the service of this container whether it is ready; the image's health check.

    python -m services.kit.probe            exit status 0 = ready, 1 = not, or nobody answers

It goes by the settings of the service, and imports no more than it needs: it runs every few seconds for years.
"""

import os
import ssl
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection

__all__ = ["is_ready", "main"]

_PATIENCE = 3.0  # seconds


def is_ready(environ: Mapping[str, str]) -> bool:
    """Tell whether the service of these settings says that it is ready."""
    connection = _connection(environ)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):  # among the first ssl.SSLError
        return False
    finally:
        connection.close()


def _connection(environ: Mapping[str, str]) -> HTTPConnection:
    host = environ.get("HERAUT_HTTP_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where it listens, not we
    port = int(environ.get("HERAUT_HTTP_PORT") or 8080)
    if certificate := environ.get("HERAUT_TLS_CERT"):
        # It has to have the key of this very certificate, whatever name that bears.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(certificate)
        return HTTPSConnection(host, port, timeout=_PATIENCE, context=context)
    return HTTPConnection(host, port, timeout=_PATIENCE)


def main() -> int:
    """Ask, and return the exit status."""
    try:
        return 0 if is_ready(os.environ) else 1
    except (OSError, ValueError) as error:
        print(f"the settings cannot be used: {type(error).__name__}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1


if __name__ == "__main__":
    sys.exit(main())
