"""What a letter as PDF costs in dispatch, from the contacts to the files in the print folder: CPU of one process.

    python -m loadtests.letters [--letters 1024] [--rounds 8] [--odd 0.0] [--marked]

Each round is another print file, of people with names, streets and places of their own. `address` makes the columns,
`set` the PDF, `read` reads it again, `manifest` says what is in it; `hand over` is all of it, with whom it is addressed
to and syncing to disk. The quickest round counts, as the machine may do other things. `--odd` is the share of people
whose names a typesetter has to set; with `--marked` each sheet has a DataMatrix.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import defaultdict
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import msgspec

from loadtests.marked import marked_profile
from loadtests.python_build import python_build
from loadtests.yardstick import yardstick
from services.dispatch.channels.letter import PrintFolder
from services.dispatch.domain import Work
from services.rendering.contact import Contact
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import address_box, fit_envelope
from services.rendering.letters.manifest import Content, manifest
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE, named_profile
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
    parser.add_argument("--letters", type=int, default=1024, help="in a file")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--odd", type=float, default=0.0)
    parser.add_argument("--marked", action="store_true", help="with a DataMatrix on each sheet")
    of = parser.parse_args()
    rng = random.Random(1)  # noqa: S311 - made-up people need no secrets
    works = [_work(rng, at, of.letters, of.odd) for at in range(of.rounds)]
    with tempfile.TemporaryDirectory() as folder:
        profile = named_profile(str(marked_profile(Path(folder)))) if of.marked else USUAL_PROFILE
        times, size = _by_stage(works, profile)
        times["hand over"] = asyncio.run(_handed_over(PrintFolder(Path(folder), profile=profile), works))
    print(python_build(), yardstick())
    best = [f"{stage} {min(taken[1:]) / of.letters * 1e6:.0f} us" for stage, taken in times.items()]
    print(f"{', '.join(best)}, {size / of.letters:.0f} bytes")


def _by_stage(works: list[Work], profile: Profile) -> tuple[dict[str, list[float]], int]:
    """Return the CPU of each stage and round, and the bytes of the last file."""
    typesetter, times, size = Typesetter(profile), defaultdict(list), 0
    for work in works:
        clock = [time.process_time()]
        job = _job(work, profile)
        clock.append(time.process_time())
        pdf, extents = typesetter.set(job)
        clock.append(time.process_time())
        first_pages, pages = zip(*extents, strict=True)
        content, digest = Content(".pdf", pdf, first_pages, pages, profile.marked), sha256(pdf).hexdigest()
        agree(pdf, job, content, digest)
        clock.append(time.process_time())
        msgspec.json.encode(manifest(job, content, digest, profile, "20260820-0-normal-1"))
        clock.append(time.process_time())
        for stage, (begun, ended) in zip(("address", "set", "read", "manifest"), pairwise(clock), strict=True):
            times[stage].append(ended - begun)
        size = len(pdf)
    return times, size


async def _handed_over(provider: PrintFolder, works: list[Work]) -> list[float]:
    """Return the CPU of each hand-over."""
    times = []
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


def _job(work: Work, profile: Profile) -> PrintJob:
    fitted = [fit_envelope(found, address_box(profile)) for contact in work.contacts if (found := envelope(contact))]
    envelopes = [one for one in fitted if one]
    assert len(envelopes) == len(work.contacts)
    return print_job(work.name, work, envelopes, Wordings(on_paper=True), work.round.created_at)


if __name__ == "__main__":
    main()
