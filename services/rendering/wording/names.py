"""How a person is named: on an envelope, and in a salutation. Pure."""

from services.rendering.contact import Contact

__all__ = ["full_name", "surname"]


def full_name(contact: Contact) -> str:
    """Return the name as on an envelope: initials (else the given name), prefix, family name."""
    first, prefix, family = contact.initials or contact.given_name, contact.prefix, contact.family_name
    if first and family:
        return f"{first} {prefix} {family}" if prefix else f"{first} {family}"
    return " ".join(filter(None, (first, prefix, family)))


def surname(contact: Contact) -> str:
    """Return the family name with its prefix, with the capital that Dutch wants where no name stands before it."""
    name = f"{contact.prefix} {contact.family_name}" if contact.prefix else contact.family_name
    first = name[:1]
    return name if first.isupper() else first.upper() + name[1:]
