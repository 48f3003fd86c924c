"""The providers' own records as hand-overs. Nothing here reads Heraut's database or topics."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from email import message_from_string
from email.message import Message
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.core.channel import Channel
from services.demo.checking.hand_over import AddressBook, HandOver
from services.demo.checking.letters import letters
from services.demo.checking.reading import read_notice
from services.demo.made_up.expectation import ToldPerson
from services.demo.provider_records import read_provider_records, record_file

__all__ = ["READERS", "emails", "hand_overs", "portal_messages"]


def hand_overs(
    records: Path, print_dir: Path, incident_id: str, persons: Iterable[ToldPerson], workers: Executor
) -> Iterator[HandOver]:
    """Return all hand-overs: those that the stand-ins kept in the folder `records`, and the letters of an incident."""
    book = AddressBook(persons)
    for channel, read in READERS.items():
        yield from read(record_file(records, channel), book)
    yield from letters(print_dir, incident_id, book, workers)


def portal_messages(file: Path, book: AddressBook) -> Iterator[HandOver]:
    """Return the messages that the portal took."""
    for record in read_provider_records(file):
        told = read_notice(f"{record['body']}\n")
        fault = None if record["reference"] in told.references else "reference"
        shown = book.reached_by(Channel.PORTAL, record["recipient"])
        yield HandOver("portal", record["at"], shown, record["reference"], told, fault)


def emails(file: Path, book: AddressBook) -> Iterator[HandOver]:
    """Return the e-mails that the mail server took."""
    for record in read_provider_records(file):
        # By default the library leaves headers undecoded, which takes a quarter of the time of its newer policy.
        message = message_from_string(record["message"])
        addressed = str(message["To"] or "").rpartition("<")[2].rstrip("> ")
        recipient = record["recipient"].lower()
        fault = None if addressed.lower() == recipient else "addressee"
        told, notice = read_notice(f"{_text_part(message)}\n"), str(message["X-Heraut-Notice"])
        shown = book.reached_by(Channel.EMAIL, recipient)
        yield HandOver("email", record["at"], shown, notice, told, fault)


def _text_part(message: Message) -> str:
    """Return the plain text of a message, empty where it has none."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return content.decode(part.get_content_charset("utf-8"), "replace")
    return ""


# What reads the records of each stand-in.
READERS: Final[Mapping[Channel, Callable[[Path, AddressBook], Iterator[HandOver]]]] = MappingProxyType(
    {Channel.PORTAL: portal_messages, Channel.EMAIL: emails}
)
