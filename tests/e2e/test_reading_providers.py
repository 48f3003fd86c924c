"""The check reads what dispatch's adapters really hand over: print files, portal messages and e-mails."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import pytest

from services.core.facts import Facts
from services.core.ids import print_job_id
from services.core.incident import Incident
from services.core.notices import Notices
from services.demo.checking.check import check
from services.demo.checking.hand_over import AddressBook
from services.demo.checking.letters import letters
from services.demo.checking.providers import emails, portal_messages
from services.demo.made_up.expectation import Expectation, SentRecord
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import Person, make_people
from services.demo.provider_records import ProviderRecords
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.domain import Round, Work
from services.dispatch.sending.references import ReferencesByIncident
from services.rendering.contact import Contact
from services.rendering.messages.email import Letterbox
from services.rendering.messages.plain_text import PlainTexts
from services.wire.incident_document import parse_incident
from tests.keys import FIRST_KEYS, a_ring

NOW = datetime(2026, 8, 20, 9, 30, tzinfo=UTC)
FACTS = (Facts(0b00001, 0b00001), Facts(0b10011, 0), Facts(0b11111, 0b00111))


def _expectation(count: int) -> Expectation:
    expectation = Expectation()
    expectation.follow(SentRecord(person, FACTS[person.number % len(FACTS)]) for person in make_people(count, seed=4))
    return expectation


def _work(expectation: Expectation, incident: Incident) -> Work:
    notices = Notices(incident.incident_id, incident.version)
    for person in expectation.persons:
        _add(notices, person.known_as[0], person.facts)
    print_job = print_job_id("letter", [(one, 1) for one in notices.ids])
    one = Round(0, notices, [0] * len(notices), NOW, print_job)
    contacts = [_contact(person.known_as[0]) for person in expectation.persons]
    return Work(one, incident, contacts, *ReferencesByIncident(a_ring()).of(incident, notices))


def _add(notices: Notices, person: Person, facts: Facts) -> None:
    row = {
        "ids": blake2b(str(person.number).encode(), digest_size=16).digest(), "members": b"", "versions": 1, "slots": 0,
        "pseudonyms": b"", "revisions": 1, "supersedes": b"", "exposed": facts.exposed, "confirmed": facts.confirmed,
        "told_exposed": 0, "told_confirmed": 0, "channels": 7, "flags": 0, "languages": person.language,
        "cohorts": "wave-1", "accepted_at": 0, "attempts": 1, "tried": 0, "carriers": ("wave-1",),
    }  # fmt: skip
    for name, value in row.items():
        getattr(notices, name).append(value)


def _contact(person: Person) -> Contact:
    return Contact(
        person.initials, person.given_name, person.prefix, person.family_name, person.street, person.house_number,
        person.house_letter, person.house_number_addition, person.postcode, person.city, person.country,
        email=person.email or "x@example.org", portal_id=person.portal_id,
    )  # fmt: skip


def _incident() -> Incident:
    return parse_incident("try", 1, made_up_incident(NOW), FIRST_KEYS)


@pytest.mark.parametrize("letter_format", ["pdf", "ndjson"])
async def test_letters_are_read_as_their_receivers_would(tmp_path: Path, letter_format: str) -> None:
    """Everybody's letter is found in the print folder, with the right name, address, reference and facts."""
    expectation = _expectation(60)
    folder = PrintFolder(tmp_path, letter_format)
    await folder.hand_over(_work(expectation, _incident()), lambda: True)
    await folder.close()
    with ThreadPoolExecutor(1) as workers:
        found = letters(tmp_path, "try", AddressBook(expectation.persons), workers)
        verdict = check(expectation, list(found))

    assert ([], 60, True) == (verdict.examples, verdict.told, verdict.holds)


def test_mail_is_read_as_its_receivers_would(tmp_path: Path) -> None:
    """Everybody's e-mail is found in the mail server's records."""
    expectation = _expectation(60)
    for person in [told.known_as[0] for told in expectation.persons]:
        person.email = person.email or f"somebody{person.number}@example.org"
    work = _work(expectation, _incident())
    records, letterbox = ProviderRecords(tmp_path / "email.ndjson"), Letterbox()
    for row in range(len(work.contacts)):
        mail = letterbox.mail(work, row, NOW)
        assert mail
        records.append({"at": 1, "recipient": mail.recipient, "message": mail.body.decode()})
    verdict = check(expectation, list(emails(records.path, AddressBook(expectation.persons))))

    assert ([], 60, True) == (verdict.examples, verdict.told, verdict.holds)


def test_portal_messages_are_read_as_their_receivers_would(tmp_path: Path) -> None:
    """Everybody's message is found in the portal's records."""
    expectation = _expectation(60)
    for person in [told.known_as[0] for told in expectation.persons]:
        person.portal_id = person.portal_id or f"mp-{person.number:08d}"
    work = _work(expectation, _incident())
    records, texts = ProviderRecords(tmp_path / "portal.ndjson"), PlainTexts()
    for row, contact in enumerate(work.contacts):
        wording = texts.wording(work, row)
        body = texts.top(wording, work, row) + texts.tail(wording)
        reference = work.references[row]
        records.append(
            {"at": 1, "key": reference, "recipient": contact.portal_id, "reference": reference, "body": body}
        )
    verdict = check(expectation, list(portal_messages(records.path, AddressBook(expectation.persons))))

    assert ([], 60, True) == (verdict.examples, verdict.told, verdict.holds)
