"""How a person is named: on an envelope, and in a salutation. Pure."""

import re

from services.rendering.contact import Contact

__all__ = ["full_name", "named", "surname"]

_CURLY = "\N{RIGHT SINGLE QUOTATION MARK}"
_APOSTROPHES = f"'{_CURLY}"
# French and Italian particles that are written together with the name; 't is a word of its own.
_JOINED = re.compile(rf"(?i)(?<![\w{_APOSTROPHES}])((?:d|l|dell|dall|sant)[{_APOSTROPHES}]) +(?=\w)")
_IS_JOINED = re.compile(rf"(?i)(?:.* )?(?:d|l|dell|dall|sant)[{_APOSTROPHES}]").fullmatch


def full_name(contact: Contact) -> str:
    """Return the name as on an envelope: initials (else the given name), prefix, family name."""
    first, family = contact.initials or contact.given_name, contact.family_name
    if contact.prefix or "'" in family or _CURLY in family:
        family = _with_prefix(contact)
    return f"{first} {family}" if first and family else first or family


def named(contact: Contact) -> tuple[str, ...]:
    """Return the name as lines of an envelope: one, or none where nothing is known of it."""
    name = full_name(contact)
    return (name,) if name else ()


def surname(contact: Contact) -> str:
    """Return the family name with its prefix, with the capital that Dutch wants where no name stands before it."""
    name = _with_prefix(contact)
    first = name[:1]
    return name if first.isupper() else first.upper() + name[1:]


def _with_prefix(contact: Contact) -> str:
    """Return prefix and family name, as people write them together: `van Dijk`, `d'Ancona`.

    Sources often give the prefix twice, in its own field and before the name.
    """
    prefix, family = contact.prefix, contact.family_name
    if "'" in family or _CURLY in family:
        family = _JOINED.sub(r"\1", family)
    if not prefix:
        return family
    before = prefix if prefix[-1] in _APOSTROPHES and _IS_JOINED(prefix) else f"{prefix} "
    return family if family[: len(before)].casefold() == before.casefold() else before + family
