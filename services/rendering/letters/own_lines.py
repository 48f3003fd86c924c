"""What is a person's own on the first page of a letter, by whatever it is put there. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.rendering.letters.fitting import fit_greeting
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile import Profile

__all__ = ["OwnLines", "as_json", "own_lines"]


class OwnLines(NamedTuple):
    """A person's lines, with the sizes of text that fit their boxes."""

    address: Sequence[str]
    size: float
    date: str
    reference: str
    earlier: str
    greeting: str
    greeting_size: float
    greeting_top: float  # mm
    kix: str


def own_lines(job: PrintJob, greeting_tops: Sequence[float], profile: Profile) -> list[OwnLines]:
    """Return everybody's lines; `greeting_tops` says by form where the salutation stands, in mm from the top."""
    width = profile.text_width
    greetings = [
        fit_greeting(greeting, own.wording.phrases["dear_unnamed"], width)
        for greeting, own in zip(job.greetings, job.words, strict=True)
    ]
    rows = zip(job.addresses, job.sizes, job.references, job.earlier, greetings, job.kix, job.words, strict=True)
    return [
        OwnLines(address, size, own.date, reference, earlier, greeting, small, greeting_tops[own.number - 1], kix)
        for address, size, reference, earlier, (greeting, small), kix, own in rows
    ]


def as_json(own: OwnLines) -> dict[str, Any]:
    """Return somebody's lines as typst takes them."""
    return {name.replace("_", "-"): value for name, value in own._asdict().items()}
