"""What a letter as PDF costs in dispatch, from the contacts to the files in the print folder: CPU of one process.

    python -m loadtests.letters [--letters 256] [--rounds 8] [--odd 0.0]

Each round is another print file, of people with names, streets and places of their own. `set` is the PDF alone; `read`
reads it again; `hand over` is all of it, with the address, the manifest, and syncing to disk. The quickest round
counts, as the machine may do other things. `--odd` is the share of people whose names a typesetter has to set.
"""

import argparse
import asyncio
import random
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from loadtests.python_build import python_build
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.domain import Work
from services.rendering.contact import Contact
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import fit_envelope
from services.rendering.letters.manifest import Content
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.letters.read_back import agree
from services.rendering.wording.wording import Wordings
from tests.unit.dispatch.people import a_contact, an_id, some_work

_PARTS = (
    "ba", "de", "ho", "ver", "mei", "jan", "sen", "ks", "el", "boer", "dijk", "ten", "hof", "kra", "van", "staf", "Æg",
    "To", "wes", "ter", "ij", "oe", "ffe", "ft", "ü", "é",
)  # fmt: skip
_ODD = "\u0301"  # an accent of its own, behind a letter


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=256, help="in a file")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--odd", type=float, default=0.0)
    of = parser.parse_args()
    rng = random.Random(1)  # noqa: S311 - made-up people need no secrets
    works = [_work(rng, at, of.letters, of.odd) for at in range(of.rounds)]
    typesetter, jobs = Typesetter(), [_job(work) for work in works]
    setting, reading, size = [], [], 0
    for job in jobs:
        began = time.process_time()
        pdf, extents = typesetter.set(job)
        made = time.process_time()
        first_pages, pages = zip(*extents, strict=True)
        agree(pdf, job, Content(".pdf", pdf, first_pages, pages), sha256(pdf).hexdigest())
        setting.append(made - began)
        reading.append(time.process_time() - made)
        size = len(pdf)
    with tempfile.TemporaryDirectory() as folder:
        whole = asyncio.run(_handed_over(Path(folder), works))
    print(python_build())
    best = [min(times[1:]) / of.letters * 1e6 for times in (setting, reading, whole)]
    print(f"set {best[0]:.0f} us, read {best[1]:.0f} us, hand over {best[2]:.0f} us, {size / of.letters:.0f} bytes")


async def _handed_over(folder: Path, works: list[Work]) -> list[float]:
    """Return the CPU of each hand-over."""
    provider, times = PrintFolder(folder), []
    for work in works:
        began = time.process_time()
        handed = await provider.hand_over(work, lambda: True)
        times.append(time.process_time() - began)
        assert handed.printed is not None
        assert handed.printed.letters == len(work.contacts)
    return times


def _work(rng: random.Random, at: int, count: int, odd: float) -> Work:
    ids = sorted(an_id((at, row)) for row in range(count))
    return some_work(count, contacts=[_person(rng, odd) for _ in range(count)], ids=ids)


def _person(rng: random.Random, odd: float) -> Contact:
    return a_contact(
        family_name=_name(rng) + (_ODD if rng.random() < odd else ""),
        street=f"{_name(rng)}straat",
        house_number=str(rng.randrange(1, 999)),
        postcode=f"{rng.randrange(1000, 9999)}{rng.choice('ABCDE')}{rng.choice('ABCDE')}",
        city=_name(rng),
    )


def _name(rng: random.Random) -> str:
    return "".join(rng.choice(_PARTS) for _ in range(4)).capitalize()


def _job(work: Work) -> PrintJob:
    fitted = [fit_envelope(found) for contact in work.contacts if (found := envelope(contact))]
    envelopes = [one for one in fitted if one]
    assert len(envelopes) == len(work.contacts)
    return print_job(work.name, work, envelopes, Wordings(on_paper=True), work.round.created_at)


if __name__ == "__main__":
    main()
