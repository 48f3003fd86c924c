"""Who reads a notice: the person that it is about, or whoever answers for them. Pure.

What a source says wins. Where it says nothing, the parents or carers of a minor are written to (art. 12(1) and recital
58 GDPR ask for words that the reader understands; a parent decides for who is under 16, art. 5 UAVG).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from services.core.addressee import AddresseeRole
from services.rendering.contact import Contact
from services.rendering.told import Told
from services.rendering.wording.names import full_name, named, surname

__all__ = ["addressee_lines", "addressees_of", "greeting", "greeting_in", "role_of", "roles_of"]

_GUARDIAN: Final = AddresseeRole.GUARDIAN.value
_DAY_MS: Final = 86_400_000
_ENDS_A_SALUTATION: Final = (",", "!", ":")


def roles_of(told: Told) -> list[str]:
    """Return for each notice what its reader is to the person that it is about; empty = the person."""
    under_age, days = told.incident.policy.minors.under_age, told.notices.accepted_at
    return [_role(contact, at, under_age) for contact, at in zip(told.contacts, days, strict=True)]


def role_of(told: Told, row: int) -> str:
    """Return it of one notice."""
    return _role(told.contacts[row], told.notices.accepted_at[row], told.incident.policy.minors.under_age)


def _role(contact: Contact, accepted_at: int, under_age: int) -> str:
    """Return what a source says; else a minor is who was one when the record was accepted (ms since 1970).

    So a notice says the same however often it is made.
    """
    if contact.role or not contact.birth_date:
        return contact.role
    return _GUARDIAN if contact.birth_date > _latest_birth(accepted_at // _DAY_MS, under_age) else ""


@cache
def _latest_birth(day: int, age: int) -> str:
    """Return the latest birth date of who has this age on a day (counted from 1970), as dates are written.

    A part that is not known is 00: so it makes nobody a minor who need not be one.
    """
    on = datetime.fromtimestamp(day * _DAY_MS / 1000, UTC).date()
    return f"{on.year - age:04}-{on.month:02}-{on.day:02}"


def addressee_lines(words: Mapping[str, Any], contact: Contact, role: str) -> tuple[str, ...]:
    """Return whom a letter is addressed to, as it stands above the address; empty where nobody is named."""
    if contact.addressee:
        return (contact.addressee,)
    name = full_name(contact)
    if role and name:
        return (words[f"to_{role}"], name)
    return (name,) if name else ()


def addressees_of(told: Told, words_of: Callable[[str], Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return of each letter whom it is addressed to; `words_of` gives the phrases of a language."""
    incident = told.incident
    if not any(roles := roles_of(told)) and not any(contact.addressee for contact in told.contacts):
        return list(map(named, told.contacts))
    languages = told.notices.languages
    return [
        addressee_lines(words_of(incident.language_for(language)), contact, role)
        for contact, role, language in zip(told.contacts, roles, languages, strict=True)
    ]


def greeting(words: Mapping[str, Any], contact: Contact, role: str = "") -> str:
    """Return the salutation of one notice."""
    return greeting_in(words, role)(contact)


def greeting_in(words: Mapping[str, Any], role: str = "") -> Callable[[Contact], str]:
    """Return a function that writes salutations in a language: for many people, its phrases are looked up once.

    Nobody's gender is known, so none is guessed; what a source says is taken over. Who reads for somebody else sees
    for whom: a family has more than one child.
    """
    name_of = surname if words["name_in_greeting"] == "surname" and not role else full_name
    around_name, unnamed = words[f"dear_{role}" if role else "dear"].split("{name}"), str(words["dear_unnamed"])

    def write(contact: Contact) -> str:
        if contact.salutation:
            said = contact.salutation
            if role and (name := full_name(contact)) and name.casefold() not in said.casefold():
                return str(words["about_name"]).format(salutation=said.rstrip("".join(_ENDS_A_SALUTATION)), name=name)
            return said if said.endswith(_ENDS_A_SALUTATION) else f"{said},"
        name = name_of(contact)
        return name.join(around_name) if name else unnamed

    return write
