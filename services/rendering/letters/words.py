"""The words that letters share, as plain values: for typst, and for print houses that compose themselves. Pure."""

from typing import Any

from services.core.incident import Incident
from services.rendering.wording.wording import Section, Wording, plain_website

__all__ = ["sender_of", "words_of"]

_LABELS = {
    "date": "label_date",
    "reference": "label_reference",
    "subject": "label_subject",
    "phone": "label_phone",
    "return-to": "return_to",
    "page": "page",
}


def sender_of(incident: Incident) -> dict[str, Any]:
    """Return who writes."""
    sender = incident.controller
    return {
        "name": sender.name,
        "address": sender.address,
        "phone": sender.phone,
        "email": sender.email,
        "website": plain_website(sender.website) if sender.website else "",
    }


def words_of(wording: Wording) -> dict[str, Any]:
    """Return what the letter says, with the labels around it."""
    return {
        "lang": wording.language.split("-", 1)[0].lower(),
        "subject": wording.subject,
        "opening": wording.opening,
        "sections": [_section(section) for section in wording.sections],
        "closing": wording.closing,
        "signatory": wording.signatory,
        "labels": {"earlier": wording.earlier, **{name: wording.phrases[key] for name, key in _LABELS.items()}},
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "heading": section.heading,
        "paragraphs": section.paragraphs,
        "lists": [
            {
                "lead": part.lead,
                "items": [{"label": i.label, "mark": i.mark, "advice": i.advice} for i in part.items],
            }
            for part in section.lists
        ],
    }
