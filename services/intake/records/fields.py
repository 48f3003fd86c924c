"""The fields of a member record, each defined once. Pure.

The Python names, the names in CSV and JSON, what is sealed, the limits of texts, the columns that a CSV needs and
the description of the interface all follow from `MemberFields`: a field is added by adding its line here.
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_type_hints

import msgspec

from services.core.addressee import MAX_ADDRESS_LINES

__all__ = [
    "FIELDS",
    "FIELD_NAMES",
    "MAX_REF",
    "MAX_TEXT",
    "SEALED",
    "SHORT_TEXTS",
    "TEXTS",
    "Field",
    "Kind",
    "MemberFields",
    "is_name",
    "values_of",
]

MAX_TEXT = 200  # characters: longer than any name or street in the registers, short enough for an address window
MAX_REF = 64  # characters of a memberRef
_MAX_EMAIL = 254  # characters: the limit of RFC 5321
_MAX_ADDRESS = 420  # characters of six lines, each as long as a window shows, and more
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")

Text = TypeVar("Text")
Number = TypeVar("Number")
Word = TypeVar("Word")
Codes = TypeVar("Codes")
Flag = TypeVar("Flag")


class Kind(Enum):
    """What a field holds, by the name of its type variable."""

    TEXT = "Text"
    NUMBER = "Number"  # a text that many sources write in JSON as a number, without quotes
    WORD = "Word"  # one of a few words
    CODES = "Codes"  # a list; in CSV one text with bars between
    FLAG = "Flag"


class About(NamedTuple):
    """What holds for a field, beside its name and kind."""

    meaning: str
    example: Any  # a value that is accepted as it stands
    sealed: bool = False  # stored in the vault, because a notice needs it
    limit: int = MAX_TEXT  # characters of a text
    required: bool = False  # a CSV must have the column
    lines: int = 0  # of a text that is as many lines at most, with bars between; in JSON also a list of them


_NO_TEXT: Any = ""
_NO_CODES: Any = ()
_NO: Any = False
_UNSAID: Any = None  # not the same as `false`, which contradicts another record's `true`


class MemberFields(msgspec.Struct, Generic[Text, Number, Word, Codes, Flag], rename="camel", gc=False):
    """The fields, in the order in which they are stored and sealed; a field that is not given has its default.

    The type variables stand for what a field holds: the value of one record in `Record`, and the cells of many
    rows in `RecordColumns`.
    """

    member_ref: Annotated[
        Number, About("The source's own reference, unique in its cohort", "A-1", limit=MAX_REF, required=True)
    ] = _NO_TEXT
    bsn: Annotated[Number, About("Dutch citizen service number", "999990019")] = _NO_TEXT
    person_key: Annotated[Text, About("Pseudonym under a shared key, 64 hex digits", "0123456789abcdef" * 4)] = _NO_TEXT
    initials: Annotated[Text, About("Initials", "J.P.", sealed=True)] = _NO_TEXT
    given_name: Annotated[Text, About("Given name", "Jan", sealed=True)] = _NO_TEXT
    prefix: Annotated[Text, About("What stands before the family name", "van der", sealed=True)] = _NO_TEXT
    family_name: Annotated[
        Text, About("Family name as the person uses it, without its prefix", "Berg", sealed=True)
    ] = _NO_TEXT
    birth_name: Annotated[
        Text,
        About("Family name from birth, with its prefix; printed where there is no familyName", "de Vries", sealed=True),
    ] = _NO_TEXT
    partner_name: Annotated[
        Text,
        About(
            "Partner's family name, with its prefix; printed before the birthName where there is no familyName",
            "Jansen",
            sealed=True,
        ),
    ] = _NO_TEXT
    birth_date: Annotated[
        Text, About("Date of birth, YYYY-MM-DD; 00 for an unknown part", "1970-03-05", sealed=True)
    ] = _NO_TEXT
    street: Annotated[Text, About("Street", "Kerkstraat", sealed=True)] = _NO_TEXT
    house_number: Annotated[Number, About("House number without letter and addition", "12", sealed=True)] = _NO_TEXT
    house_letter: Annotated[Text, About("Letter after the house number", "A", sealed=True)] = _NO_TEXT
    house_number_addition: Annotated[Text, About("Addition to the house number", "bis", sealed=True)] = _NO_TEXT
    postcode: Annotated[Text, About("Postcode, in the Netherlands 1234AB", "1234AB", sealed=True)] = _NO_TEXT
    city: Annotated[Text, About("City", "Utrecht", sealed=True)] = _NO_TEXT
    country: Annotated[
        Text, About("Country, ISO 3166 alpha-2 or a name; NL where it is not given", "BE", sealed=True)
    ] = _NO_TEXT
    care_of: Annotated[Text, About("Who takes the letter in at this address", "Zorghuis Oost", sealed=True)] = _NO_TEXT
    email: Annotated[Text, About("E-mail address", "j.berg@example.nl", sealed=True, limit=_MAX_EMAIL)] = _NO_TEXT
    portal_id: Annotated[Text, About("Account at the portal", "p-1", sealed=True)] = _NO_TEXT
    language: Annotated[Text, About("Language, BCP 47; nl where it is not given", "en", sealed=True)] = _NO_TEXT
    addressee: Annotated[
        Text, About("To whom a letter is addressed, in place of the name", "Familie Berg", sealed=True)
    ] = _NO_TEXT
    salutation: Annotated[
        Text, About("How a notice begins, in place of ours", "Geachte mevrouw Van der Berg", sealed=True)
    ] = _NO_TEXT
    address_lines: Annotated[
        Text,
        About(
            "The address as it is printed below the addressee, in place of ours",
            "Postbus 12|3500 AB  UTRECHT",
            sealed=True,
            limit=_MAX_ADDRESS,
            lines=MAX_ADDRESS_LINES,
        ),
    ] = _NO_TEXT
    role: Annotated[
        Word,
        About(
            "What the reader is to the person: self (where it is not given), guardian, next-of-kin or representative",
            "guardian",
            sealed=True,
        ),
    ] = _NO_TEXT
    data_categories: Annotated[
        Codes, About("Codes of the incident's data categories that were hit", ["name", "bsn"], required=True)
    ] = _NO_CODES
    certainty: Annotated[Word, About("confirmed (where it is not given) or possible", "possible")] = _NO_TEXT
    deceased: Annotated[Flag, About("The person has died", True)] = _UNSAID
    secret_address: Annotated[Flag, About("The registers keep the address secret", True)] = _NO
    not_at_address: Annotated[Flag, About("The person does not live at this address", True)] = _NO


class Field(NamedTuple):
    """One field of a member record."""

    attribute: str  # its name in Python
    name: str  # its name in CSV and JSON
    kind: Kind
    about: About


def _fields() -> tuple[Field, ...]:
    hints = get_type_hints(MemberFields, include_extras=True)
    named = zip(MemberFields.__struct_fields__, MemberFields.__struct_encode_fields__, strict=True)
    return tuple(
        Field(attribute, name, Kind(hints[attribute].__origin__.__name__), hints[attribute].__metadata__[0])
        for attribute, name in named
    )


FIELDS = _fields()
FIELD_NAMES = tuple(field.name for field in FIELDS)
SEALED = tuple(field for field in FIELDS if field.about.sealed)
TEXTS = tuple(field for field in FIELDS if field.kind in {Kind.TEXT, Kind.NUMBER})
SHORT_TEXTS = tuple(field for field in TEXTS if field.about.limit < MAX_TEXT)


def values_of(attributes: Iterable[str]) -> Callable[[Any], Any]:
    """Return a function that gives these attributes of a record as a tuple, in this order.

    Compiled, it takes as long as code written by hand; `attrgetter` takes twice as long, and this runs once a person.
    """
    values = "".join(f"record.{attribute}, " for attribute in attributes)
    compiled: Callable[[Any], Any] = eval(f"lambda record: ({values})")  # noqa: S307 - the names are our own
    return compiled


def is_name(text: str) -> bool:
    """Tell whether a text may be repeated as the name of a column or key: it has the shape of one."""
    return _NAME.fullmatch(text) is not None
