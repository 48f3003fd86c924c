"""Made-up people to whom every wording of an incident is addressed: for proofs and previews. Pure."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from services.core.addressee import AddresseeRole
from services.core.channel import ALL_CHANNELS
from services.core.incident import Incident
from services.core.notices import Notices
from services.core.variants import Kind, Reading, certainty_of
from services.rendering.contact import Contact

__all__ = [
    "ARABIC",
    "CHILD",
    "CHINESE",
    "DEAD",
    "LONGEST",
    "ODD",
    "REPRESENTED",
    "USUAL",
    "Sample",
    "Samples",
    "samples_of",
]

USUAL = Contact(
    initials="J.A.", prefix="van den", family_name="Berg", street="Borgesiusstraat", house_number="103",
    house_letter="c", postcode="2583XL", city="Scheveningen", email="j.vandenberg@mail.example", portal_id="portal-1",
)  # fmt: skip
LONGEST = Contact(
    initials="M.A.J.W.C.H.", prefix="van der", family_name="Schimmelpenninck van der Oye-Wittewaall van Stoetwegen",
    street="Burgemeester van Heemstra van Froma en Eibersburgstraat van de Nieuwe Hoofdweg", house_number="12345",
    house_number_addition="appartement 12 links", postcode="1234AB",
    city="Westerhaar-Vriezenveensewijk gemeente Twenterand",
    care_of="Stichting Bewindvoering en Curatele Noord-Oost Nederland, afdeling Inkomensbeheer",
    email=f"{'een.heel.lange.naam' * 3}@mail.example", portal_id="p" * 64,
)  # fmt: skip
ODD = Contact(
    initials="Đ.", family_name="Nguyễn-Παππά Київський", street="Łódź'straße", house_number="7",
    house_number_addition="III", postcode="1017AB", city="'s-Gravenhage", email="odd@mail.example", portal_id="ø",
)  # fmt: skip
CHILD = Contact(
    given_name="Noor", prefix="d'", family_name="Ancona-Verhoeven", street="Lindelaan", house_number="8",
    postcode="3511AB", city="Utrecht", email="gezin@mail.example", portal_id="portal-2", role=AddresseeRole.GUARDIAN,
)  # fmt: skip
DEAD = Contact(
    initials="H.", prefix="'t", family_name="Hooft", street="Kerkstraat", house_number="35",
    house_number_addition="III", postcode="1017GC", city="Amsterdam", email="familie@mail.example",
    portal_id="portal-3", role=AddresseeRole.NEXT_OF_KIN,
)  # fmt: skip
ARABIC = Contact(
    given_name="محمد", family_name="عبد الرحمن", street="Moskeeplein", house_number="89", postcode="3531BX",
    city="Utrecht", email="arabic@mail.example", portal_id="portal-5",
)  # fmt: skip
CHINESE = Contact(
    family_name="王小明", street="Zeedijk", house_number="106", postcode="1012BB", city="Amsterdam",
    email="chinese@mail.example", portal_id="portal-6",
)  # fmt: skip
REPRESENTED = Contact(
    initials="P.", birth_name="de Wit", partner_name="Postma", care_of="Bewindvoering Noord", street="Postweg",
    house_number="2", postcode="9711AB", city="Groningen", email="bewind@mail.example", portal_id="portal-4",
    role=AddresseeRole.REPRESENTATIVE,
)  # fmt: skip
_REFERENCE, _EARLIER = "7K2M-9QXR-4TBN-W3HC", "2P8V-6JDS-5GZA-1FYE"
_BEFORE = b"before".ljust(16)


class Sample(NamedTuple):
    """One notice of the samples: what is known of its reader, and which of the people it is."""

    reading: Reading
    person: str
    note: str = ""  # what is special about its facts


@dataclass(frozen=True, slots=True)
class Samples:
    """Notices to made-up people, as everything that renders is given notices. `samples` has one entry a row."""

    incident: Incident
    notices: Notices
    samples: Sequence[Sample]
    contacts: Sequence[Contact] = ()
    references: Sequence[str] = ()
    earlier: Sequence[str] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    def pick(self, rows: list[int]) -> "Samples":
        """Return the notices at these positions."""
        return Samples(
            self.incident,
            self.notices.pick(rows),
            [self.samples[row] for row in rows],
            [self.contacts[row] for row in rows],
            [self.references[row] for row in rows],
            [self.earlier[row] for row in rows],
            self.groups,
        )

    def different(self) -> "Samples":
        """Return the notices that say something else of the incident, one of each kind."""
        seen: dict[Hashable, int] = {}
        for row, sample in enumerate(self.samples):
            said, reading = self.incident.said_to(sample.reading), sample.reading
            kind = reading.language, reading.reader, reading.kind, sample.note
            about = kind, said.title, tuple(sorted(said.content.items()))
            seen.setdefault(about, row)
        return self.pick(list(seen.values()))


def samples_of(incident: Incident, people: Mapping[str, Contact]) -> Samples:
    """Return a notice to each of these people, or who reads for them, for every language, certainty, kind and group."""
    facts = list(_facts(incident))
    readers = {person: AddresseeRole(contact.role or AddresseeRole.SELF) for person, contact in people.items()}
    found = [
        Sample(reading._replace(reader=readers[person]), person, known.note)
        for reading, known in facts
        for person in people
    ]
    notices = Notices(incident.incident_id, incident.version)
    for at, (reading, known) in enumerate(one for one in facts for _ in people):
        _add(notices, at, reading, known)
    again = [sample.reading.kind is not Kind.FIRST for sample in found]
    return Samples(
        incident,
        notices,
        found,
        contacts=[people[sample.person] for sample in found],
        references=[_REFERENCE] * len(found),
        earlier=[_EARLIER if later else "" for later in again],
        groups={group: group for group in incident.groups},
    )


class _Facts(NamedTuple):
    """What is said of somebody, and what was said before, as masks of categories."""

    exposed: int
    confirmed: int
    told_exposed: int = 0
    told_confirmed: int = 0
    note: str = ""


def _facts(incident: Incident) -> Iterator[tuple[Reading, _Facts]]:
    """Return who may read something, with facts that make it so; what cannot be with so few categories is left out."""
    everything = (1 << len(incident.categories)) - 1
    for language, group in product(incident.languages, ("", *incident.groups)):
        for kind, facts in product(Kind, _of_kinds(everything)):
            if facts.note in _NOTES[kind]:
                yield Reading(language, certainty_of(facts.exposed, facts.confirmed), kind, group), facts


def _of_kinds(everything: int) -> Iterator[_Facts]:
    """Return facts of each certainty, for a first notice, for a supplement to it and for a correction of it."""
    rest = everything >> 1  # less the last category
    for confirmed in dict.fromkeys((everything, 0, 1)):
        yield _Facts(everything, confirmed)
        yield _Facts(everything, confirmed, 1, 0, note="more")
    for confirmed in dict.fromkeys((rest, 0, 1 & rest)) if rest else ():
        yield _Facts(rest, confirmed, everything, everything, note="less")
    yield _Facts(0, 0, everything, everything, note="nothing")


_NOTES = {Kind.FIRST: {""}, Kind.SUPPLEMENT: {"more"}, Kind.CORRECTION: {"less", "nothing"}}


def _add(notices: Notices, at: int, reading: Reading, known: _Facts) -> None:
    first = reading.kind is Kind.FIRST
    row = {
        "ids": at.to_bytes(16), "members": at.to_bytes(16), "versions": 1, "slots": 0, "pseudonyms": at.to_bytes(16),
        "revisions": 1 if first else 2, "supersedes": b"" if first else _BEFORE, "exposed": known.exposed,
        "confirmed": known.confirmed, "told_exposed": known.told_exposed, "told_confirmed": known.told_confirmed,
        "channels": ALL_CHANNELS,
        "flags": 0, "languages": reading.language, "cohorts": reading.group or "cohort", "accepted_at": 0,
        "attempts": 1, "tried": 0, "carriers": (reading.group or "cohort",),
    }  # fmt: skip
    for name, value in row.items():
        getattr(notices, name).append(value)
