"""The made-up incident: somebody broke into the computers of a laboratory and took five kinds of data."""

from datetime import datetime, timedelta
from typing import Any

from services.core.channel import CHANNELS, TO_THE_ADDRESS

__all__ = ["CATEGORIES", "CODES", "made_up_incident"]

# Code, label and advice of each category: (code, label nl, label en, advice nl, advice en). No label stands in any
# other text of this file, so that the check can read the categories from a letter.
CATEGORIES = (
    ("address", "adresgegevens", "address details", None, None),
    ("bsn", "burgerservicenummer (BSN)", "citizen service number (BSN)",
     "Let op post over leningen of abonnementen die u niet hebt aangevraagd.",
     "Watch for mail about loans or subscriptions that you did not ask for."),
    ("contact", "contactgegevens", "contact details",
     "Klik niet op links in berichten over dit datalek.", "Do not follow links in messages about this breach."),
    ("test-result", "uitslag van onderzoek", "test result", None, None),
    ("doctor", "naam van uw huisarts", "name of your general practitioner", None, None),
)  # fmt: skip

CODES = tuple(category[0] for category in CATEGORIES)

# The channels that need paper and postage come last: they are for those whom no other reaches.
_CHANNELS = tuple(channel.label for channel in sorted(CHANNELS, key=lambda channel: channel & TO_THE_ADDRESS))

_CONTENT = {
    "nature": (
        "Bij een inbraak in de computers van ons laboratorium zijn gegevens gestolen, ook gegevens van u.",
        "In a break-in at the computers of our laboratory data was stolen, yours among it.",
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


def made_up_incident(now: datetime) -> dict[str, Any]:
    """Return the document (interfaces: `PUT /v1/incidents/{incidentId}`) of an incident three days before `now`."""
    return {
        "title": "Datalek bij Laboratorium De Proef",
        "awareAt": (now - timedelta(hours=20)).isoformat(timespec="seconds"),
        "occurredAt": (now - timedelta(days=3)).isoformat(timespec="seconds"),
        "controller": {
            "name": "Stichting Laboratorium De Proef",
            "address": ["Postbus 1", "1000 AA  AMSTERDAM"],
            "phone": "0800 0001",
            "email": "fg@deproef.example.org",
            "website": "https://deproef.example.org/datalek",
        },
        "languages": ["nl", "en"],
        "channels": list(_CHANNELS),
        "compromisedChannels": [],
        "dataCategories": [_category(*category) for category in CATEGORIES],
        "content": {block: {"nl": dutch, "en": english} for block, (dutch, english) in _CONTENT.items()},
        "fourEyes": False,
    }


def _category(
    code: str, dutch: str, english: str, dutch_advice: str | None, english_advice: str | None
) -> dict[str, Any]:
    category: dict[str, Any] = {"code": code, "label": {"nl": dutch, "en": english}}
    if dutch_advice and english_advice:
        category["advice"] = {"nl": dutch_advice, "en": english_advice}
    return category
