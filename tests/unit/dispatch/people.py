"""Made-up people, incidents and rounds for the tests of dispatch."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.notices import Notices
from services.dispatch.channels import email, letter, portal
from services.dispatch.domain import Batch, Round, Work
from services.dispatch.provider import Traits
from services.dispatch.rounds import rounds_of
from services.dispatch.sending.references import ReferencesByIncident
from services.rendering.contact import Contact
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import fit_envelope
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.wording.wording import Wordings
from services.wire.incident_document import parse_incident
from tests.keys import FIRST_KEYS, a_ring

KEYS = a_ring()
REFERENCES = ReferencesByIncident(KEYS)
CREATED = datetime(2026, 8, 20, 9, 30, tzinfo=UTC)

TRAITS: Mapping[Channel, Traits] = {
    Channel.LETTER: letter.AS_PDF,
    Channel.EMAIL: email.TRAITS,
    Channel.PORTAL: portal.TRAITS,
}

DOCUMENT: dict[str, Any] = {
    "title": "Uw gegevens zijn gestolen bij een laboratorium",
    "awareAt": "2026-08-06T09:00:00+02:00",
    "occurredAt": "2026-07-06T00:00:00+02:00",
    "controller": {
        "name": "Bevolkingsonderzoek Voorbeeld",
        "address": ["Postbus 1234", "3500 AB  UTRECHT"],
        "phone": "0800 0123",
        "email": "vragen@bevolkingsonderzoek.example",
        "website": "https://bevolkingsonderzoek.example/",
    },
    "languages": ["nl", "en"],
    "channels": ["portal", "email", "letter"],
    "compromisedChannels": [],
    "dataCategories": [
        {
            "code": "name",
            "label": {"nl": "uw naam, adres en geboortedatum", "en": "your name, address and date of birth"},
        },
        {
            "code": "bsn",
            "label": {"nl": "uw burgerservicenummer (BSN)", "en": "your citizen service number (BSN)"},
            "advice": {
                "nl": "Geef uw BSN aan niemand die daar onverwacht om vraagt. Ziet u dat iemand uw BSN misbruikt? "
                "Meld dat bij het Centraal Meldpunt Identiteitsfraude, telefoon 088 900 1000.",
                "en": "Give your BSN to nobody who asks for it unexpectedly. Do you see it being misused? "
                "Tell the Central Identity Theft and Error Reporting Centre, telephone 088 900 1000.",
            },
        },
        {
            "code": "test",
            "label": {"nl": "de uitslag van uw uitstrijkje", "en": "the result of your smear test"},
            "advice": {
                "nl": "Belt iemand u over uw uitslag die u niet kent? Hang op en bel zelf uw huisarts.",
                "en": "Does a stranger call about your result? Hang up and call your own doctor.",
            },
        },
        {
            "code": "email",
            "label": {"nl": "uw e-mailadres", "en": "your e-mail address"},
            "advice": {
                "nl": "Klik niet op links in e-mails die u niet verwacht.",
                "en": "Do not click on links in e-mails that you do not expect.",
            },
        },
    ],
    "content": {
        "nature": {
            "nl": "Criminelen hebben ingebroken in de computers van het laboratorium dat uitstrijkjes voor ons "
            "onderzoekt. Zij hebben daar gegevens gekopieerd, en een deel daarvan op internet gezet.",
            "en": "Criminals broke into the computers of the laboratory that examines smear tests for us. They copied "
            "data there and put part of it on the internet.",
        },
        "consequences": {
            "nl": "Criminelen kunnen uw gegevens gebruiken om u op te lichten. Zij kunnen zich voordoen als uw bank, "
            "uw huisarts of de overheid, en overtuigend lijken omdat zij veel van u weten.",
            "en": "Criminals can use your data to defraud you. They can pose as your bank, your doctor or the "
            "government, and seem convincing because they know much about you.",
        },
        "measures": {
            "nl": "Wij sturen geen gegevens meer naar dit laboratorium. Wij hebben aangifte gedaan en de Autoriteit "
            "Persoonsgegevens ingelicht. Deskundigen zoeken uit hoe dit kon gebeuren.",
            "en": "We no longer send data to this laboratory. We reported it to the police and to the Dutch Data "
            "Protection Authority. Experts are finding out how this could happen.",
        },
        "advice": {
            "nl": "Wees extra alert op telefoontjes, berichten en brieven die u niet verwacht.\n\nGeef nooit codes of "
            "wachtwoorden door, ook niet als iemand veel van u weet.\n\nGebruikt u hetzelfde wachtwoord op meer "
            "plekken? Verander het dan.",
            "en": "Be extra wary of calls, messages and letters that you do not expect.\n\nNever pass on codes or "
            "passwords, even if somebody knows much about you.",
        },
        "contact": {
            "nl": "Onze functionaris gegevensbescherming is mevrouw A. de Wit. Wij zijn op werkdagen bereikbaar van "
            "8.00 tot 20.00 uur.",
            "en": "Our data protection officer is Ms A. de Wit. We can be reached on working days from 8 a.m. to "
            "8 p.m.",
        },
    },
    "fourEyes": False,
}


def an_incident(incident_id: str = "lab-2026", version: int = 1, **changes: Any) -> Incident:
    """Return an incident with all that a notice needs."""
    return parse_incident(incident_id, version, DOCUMENT | changes, FIRST_KEYS)


def an_id(name: object) -> bytes:
    """Return sixteen bytes that `name` alone decides."""
    return blake2b(repr(name).encode(), digest_size=16).digest()


def a_contact(**changes: str) -> Contact:
    """Return somebody with an address, an e-mail address and a portal."""
    fields = {
        "initials": "J.A.",
        "prefix": "van den",
        "family_name": "Berg",
        "street": "Borgesiusstraat",
        "house_number": "103",
        "house_letter": "c",
        "postcode": "2583XL",
        "city": "Scheveningen",
        "email": "j.vandenberg@mail.example",
        "portal_id": "portal-1",
    }
    return Contact(**(fields | changes))


def some_notices(count: int, incident: Incident | None = None, **columns: Sequence[Any]) -> Notices:
    """Return notices about name, number and result, the last only possible; `columns` replaces whole columns."""
    about = incident or an_incident()
    values: dict[str, Sequence[Any]] = {
        "ids": sorted(an_id(("notice", at)) for at in range(count)),  # as rounds of letters have them
        "members": [an_id(("member", at)) for at in range(count)],
        "versions": [1] * count,
        "slots": [0] * count,
        "pseudonyms": [an_id(("person", at)) for at in range(count)],
        "revisions": [1] * count,
        "supersedes": [b""] * count,
        "exposed": [0b0111] * count,
        "confirmed": [0b0011] * count,
        "told_exposed": [0] * count,
        "told_confirmed": [0] * count,
        "channels": [int(Channel.PORTAL | Channel.EMAIL | Channel.LETTER)] * count,
        "flags": [0] * count,
        "languages": ["nl"] * count,
        "cohorts": ["wave-1"] * count,
        "accepted_at": [int(CREATED.timestamp() * 1000)] * count,
        "attempts": [1] * count,
        "tried": [0] * count,
        "carriers": [("wave-1",)] * count,
    }
    given: dict[str, Any] = {name: list(column) for name, column in (values | columns).items()}
    return Notices(about.incident_id, about.version, **given)


def a_round(notices: Notices, channel: Channel = Channel.LETTER) -> Round:
    """Return the one round that these notices make."""
    (found,) = rounds_of(TRAITS[channel], 0, [a_batch(notices)], CREATED)
    return found


def a_batch(notices: Notices, number: int = 1, partition: int = 0, print_job: bytes | None = None) -> Batch:
    """Return notices as a batch that nothing happened to yet."""
    return Batch(number, partition, notices, 0, CREATED, print_job)


def some_work(
    count: int,
    channel: Channel = Channel.LETTER,
    contacts: Sequence[Contact] | None = None,
    incident: Incident | None = None,
    **columns: Sequence[Any],
) -> Work:
    """Return a round that is ready to be handed over."""
    about = incident or an_incident()
    people = contacts or [
        a_contact(family_name=f"Berg{at}", portal_id=f"portal-{at}", email=f"p{at}@mail.example") for at in range(count)
    ]
    notices = some_notices(count, about, **columns)
    return Work(a_round(notices, channel), about, people, *REFERENCES.of(about, notices))


def some_letters(count: int, **of_work: Any) -> PrintJob:
    """Return the print job that `some_work` of letters makes."""
    work = some_work(count, **of_work)
    found = [envelope(contact) for contact in work.contacts]
    fitted = [fit_envelope(one) for one in found if one]
    return print_job(work.name, work, [one for one in fitted if one], Wordings(on_paper=True), work.round.created_at)
