"""How a person is named: on an envelope, and in a salutation. Pure.

The family name is the one that the person uses, and is written as it is given. The name from birth and the partner's
only tell what somebody may be called, not what they choose to be (that is the BRP's *naamgebruik*, which a record does
not have): beside a family name they are not looked at. Without one, the name is made of them: `Jansen-de Vries` for
who was born De Vries and has a partner Jansen, else the one that is given.
"""

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
    if not family or contact.prefix or "'" in family or _CURLY in family:
        family = _family(contact)
    return f"{first} {family}" if first and family else first or family


def named(contact: Contact) -> tuple[str, ...]:
    """Return the name as lines of an envelope: one, or none where nothing is known of it."""
    name = full_name(contact)
    return (name,) if name else ()


def surname(contact: Contact) -> str:
    """Return the family name with its prefix, with the capital that Dutch wants where no name stands before it."""
    name = _family(contact)
    first = name[:1]
    return name if first.isupper() else first.upper() + name[1:]


def _family(contact: Contact) -> str:
    """Return the family name with its prefix: the one in use, else what is made of the names that are known."""
    prefix = contact.prefix
    if contact.family_name:
        return _with_prefix(prefix, contact.family_name)
    own = _with_prefix(prefix, contact.birth_name)  # the register's prefix belongs to the name from birth
    partners = _with_prefix("" if own else prefix, contact.partner_name)
    if own and partners and own.casefold() != partners.casefold():
        return f"{partners}-{own}"
    return own or partners


def _with_prefix(prefix: str, family: str) -> str:
    """Return prefix and family name, as people write them together: `van Dijk`, `d'Ancona`; a prefix alone is none.

    Sources often give the prefix twice, in its own field and before the name.
    """
    if "'" in family or _CURLY in family:
        family = _JOINED.sub(r"\1", family)
    if not prefix or not family:
        return family
    before = prefix if prefix[-1] in _APOSTROPHES and _IS_JOINED(prefix) else f"{prefix} "
    return family if family[: len(before)].casefold() == before.casefold() else before + family
