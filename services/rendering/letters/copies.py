"""Copies of letters for screens: what was printed, in one layout with tags for those who have it read out to them.

They keep to PDF/UA-1 (ISO 14289-1) and PDF/A-2a (ISO 19005-2), which stamped files cannot: a stamp is no part of the
text that it stands in. What only the post reads, bar code and sheet marks, is left out.
"""

from collections.abc import Iterator

import orjson

from services.rendering.letters.forms import form_data
from services.rendering.letters.own_lines import as_json, own_lines
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.typeset import Template

__all__ = ["Copies"]

_STANDARDS = ("a-2a", "ua-1")


class Copies:
    """Makes copies for one print profile, in colours of screens. Used by one thread at a time."""

    def __init__(self, profile: Profile = USUAL_PROFILE) -> None:
        self._profile = profile.on_screen()
        self._template = Template("form.typ", self._profile, _STANDARDS, tagged=True)

    def of(self, job: PrintJob) -> Iterator[bytes]:
        """Return a copy of each letter of a job. Takes some hundredths of a second each.

        Raises UnfitError where the sender's lines do not fit a letter.
        """
        incident, at = job.told.incident, int(job.created_at.timestamp())
        lines = own_lines(job, [0.0] * len(job.shared), self._profile)
        for own, shared in zip(lines, job.words, strict=True):
            data = form_data(incident, shared, self._profile) | {"own": as_json(own)}
            yield self._template.pdf(orjson.dumps(data), at)
