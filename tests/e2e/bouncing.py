"""Mail servers that report, in the words of Postfix, that a mail could not be delivered."""

import smtplib

from tests.unit.dispatch.bounces.made import POSTFIX

__all__ = ["MAILBOX", "bounce"]

MAILBOX = "retour@ministerie.example"


def bounce(port: int, address: str) -> int:
    """Report to this address, where mails go back to, that one could not be delivered; returns the answer's code."""
    with smtplib.SMTP("127.0.0.1", port, "relay.example", timeout=10) as client:
        client.ehlo()
        client.mail("")
        client.rcpt(address)
        return client.data(POSTFIX)[0]
