"""The made-up incident: somebody broke into the computers of a laboratory and took five kinds of data."""

from datetime import datetime, timedelta
from typing import Any

from services.core.addressee import AddresseeRole
from services.core.channel import CHANNELS, TO_THE_ADDRESS

__all__ = ["CATEGORIES", "CODES", "made_up_incident"]

# Code, labels in Dutch and English, and the code of the advice about it in the library. No label stands in any other
# text of a notice, so that the check can read the categories from a letter.
CATEGORIES = (
    ("address", "adresgegevens", "address details", "name-address"),
    ("bsn", "burgerservicenummer (BSN)", "citizen service number (BSN)", "bsn"),
    ("contact", "contactgegevens", "contact details", "email"),
    ("test-result", "uitslag van onderzoek", "test result", "test-result"),
    ("doctor", "naam van de huisarts", "name of the general practitioner", "doctor"),
)

CODES = tuple(category[0] for category in CATEGORIES)

# The channels that need paper and postage come last: they are for those whom no other reaches.
_CHANNELS = tuple(channel.label for channel in sorted(CHANNELS, key=lambda channel: channel & TO_THE_ADDRESS))

_CONTENT = {
    "nature": (
        "Bij een inbraak in de computers van ons laboratorium zijn gegevens gestolen.",
        "In a break-in at the computers of our laboratory data was stolen.",
    ),
    "apology": (
        "Wij bieden u onze excuses aan. Wij hadden deze gegevens beter moeten beschermen.",
        "We are very sorry. We should have protected this data better.",
    ),
    "notTaken": (
        "Wachtwoorden en gegevens van een bank zijn niet gelekt. Die hebben wij niet.",
        "Passwords and bank details were not leaked. We do not have them.",
    ),
    "whereNow": (
        "De inbrekers hebben een kopie. Wij hebben die tot nu toe niet op internet gevonden.",
        "The burglars have a copy. Up to now we have not found it on the internet.",
    ),
    "consequences": (
        "Criminelen kunnen zich met deze gegevens voordoen als iemand anders, of u proberen op te lichten.",
        "Criminals may use it to pretend to be somebody else, or try to deceive you.",
    ),
    "measures": (
        "Wij hebben het lek gedicht en het datalek gemeld bij de Autoriteit Persoonsgegevens.",
        "We closed the leak and reported the breach to the data protection authority.",
    ),
    "advice": (
        "Wees de komende tijd voorzichtig met telefoontjes, berichten en brieven van onbekenden.",
        "Be careful in the coming time with calls, messages and letters from people you do not know.",
    ),
    "contact": (
        "Vraag naar onze functionaris voor gegevensbescherming, mevrouw De Wit.",
        "Ask for our data protection officer, Ms De Wit.",
    ),
}


_TITLES = {
    "general": (
        "Uw gegevens zijn gestolen bij Laboratorium De Proef",
        "Your data was stolen from Laboratorium De Proef",
    ),
    "possible": (
        "Uw gegevens zijn misschien gestolen bij Laboratorium De Proef",
        "Your data may have been stolen from Laboratorium De Proef",
    ),
    "supplement": (
        "Wij weten meer over de inbraak bij Laboratorium De Proef",
        "We know more about the break-in at Laboratorium De Proef",
    ),
}

# Of those who read on somebody's behalf: a title for whom it is certain, and one for whom it is not. The other texts
# are true whoever reads them: none speaks of data as its reader's own.
_READERS = {
    AddresseeRole.GUARDIAN: ("Gegevens van uw kind", "Data of your child"),
    AddresseeRole.NEXT_OF_KIN: ("Gegevens van uw overleden naaste", "Data of your relative who has died"),
    AddresseeRole.REPRESENTATIVE: (
        "Gegevens van iemand die u vertegenwoordigt",
        "Data of somebody whom you represent",
    ),
}

# What is said otherwise to those of whom it is not known whether their data was taken.
_POSSIBLE = {
    "nature": (
        "Bij een inbraak in de computers van ons laboratorium zijn gegevens gestolen. Wij weten niet precies welke.",
        "In a break-in at the computers of our laboratory data was stolen. We do not know exactly which.",
    ),
    "consequences": (
        "Als criminelen deze gegevens hebben, kunnen zij zich voordoen als iemand anders, of u proberen op te lichten.",
        "If criminals have this data, they can pretend to be somebody else, or try to deceive you.",
    ),
    "apology": (
        "Wij vinden dit heel vervelend voor u, ook omdat wij u nu geen zekerheid kunnen geven.",
        "We are very sorry, also because we cannot give you certainty now.",
    ),
    "notTaken": (
        "Wachtwoorden en gegevens van een bank zijn er niet bij. Die hebben wij niet.",
        "Passwords and bank details are not among it. We do not have them.",
    ),
}


def made_up_incident(now: datetime) -> dict[str, Any]:
    """Return the document (interfaces: `PUT /v1/incidents/{incidentId}`) of an incident three days before `now`."""
    return {
        "title": _both(*_TITLES["general"]),
        "awareAt": (now - timedelta(hours=20)).isoformat(timespec="seconds"),
        "occurredAt": (now - timedelta(days=3)).isoformat(timespec="seconds"),
        "controller": {
            "name": "Stichting Laboratorium De Proef",
            "address": ["Postbus 1", "1000 AA  AMSTERDAM"],
            "phone": "0800 0001",
            "phoneAbroad": "+31 20 000 00 01",
            "email": "fg@deproef.example.org",
            "website": "https://deproef.example.org/datalek",
            "signatory": "drs. M. de Boer\ndirecteur",
        },
        "languages": ["nl", "en"],
        "channels": list(_CHANNELS),
        "compromisedChannels": [],
        "dataCategories": [_category(*category) for category in CATEGORIES],
        "content": {block: _both(*words) for block, words in _CONTENT.items()},
        "variants": [
            {
                "when": {"certainty": "possible"},
                "title": _both(*_TITLES["possible"]),
                "content": {block: _both(*words) for block, words in _POSSIBLE.items()},
            },
            {"when": {"kind": "supplement"}, "title": _both(*_TITLES["supplement"])},
            {"when": {"certainty": "possible", "kind": "supplement"}, "title": _both(*_TITLES["supplement"])},
            *(variant for reader in _READERS for variant in _titles_for(reader)),
        ],
        "fourEyes": False,
    }


def _titles_for(reader: AddresseeRole) -> list[dict[str, Any]]:
    dutch, english = _READERS[reader]
    where = "Laboratorium De Proef"
    return [
        {
            "when": {"reader": reader},
            "title": _both(f"{dutch} zijn gestolen bij {where}", f"{english} was stolen from {where}"),
        },
        {
            "when": {"reader": reader, "certainty": "possible"},
            "title": _both(
                f"{dutch} zijn misschien gestolen bij {where}", f"{english} may have been stolen from {where}"
            ),
        },
    ]


def _category(code: str, dutch: str, english: str, advice: str) -> dict[str, Any]:
    return {"code": code, "label": _both(dutch, english), "advice": advice}


def _both(dutch: str, english: str) -> dict[str, str]:
    return {"nl": dutch, "en": english}
