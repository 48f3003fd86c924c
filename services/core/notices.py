"""Notices as columns: what deduplication, routing and dispatch hand to each other."""

from dataclasses import dataclass, field, fields

__all__ = [
    "FLAG_DECEASED",
    "FLAG_MAYBE_TOLD",
    "FLAG_NOT_AT_ADDRESS",
    "FLAG_RETRACTED",
    "FLAG_SECRET_ADDRESS",
    "Notices",
]

FLAG_DECEASED = 1
FLAG_SECRET_ADDRESS = 2
FLAG_NOT_AT_ADDRESS = 4
FLAG_RETRACTED = 8  # this member (id, version) no longer belongs to this pseudonym
FLAG_MAYBE_TOLD = 16  # an e-mail of this notice went out, or did not: nobody can know


@dataclass(slots=True)
class Notices:
    """Released notices of one incident version and one partition; every list has one entry a notice.

    `members`, `versions` and `pseudonyms` say for whom the data of the bearer was sealed, the member whose
    contact data is used, and `slots` where in the vault it lies (0 = nowhere). `channels` is the mask of channels
    that there is data for. `supersedes` is empty bytes for a first notice; `told_*` is what the notices before
    said, so a supplement can name what is new. Times are milliseconds since 1970, UTC.
    """

    incident_id: str
    incident_version: int
    ids: list[bytes] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    pseudonyms: list[bytes] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    supersedes: list[bytes] = field(default_factory=list)
    exposed: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    told_exposed: list[int] = field(default_factory=list)
    told_confirmed: list[int] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    cohorts: list[str] = field(default_factory=list)
    accepted_at: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)  # number of the attempt, from 1; 0 = none made yet
    tried: list[int] = field(default_factory=list)  # mask of the channels that refused

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: list[int]) -> "Notices":
        """Return the notices at these positions, in that order."""
        picked = Notices(self.incident_id, self.incident_version)
        for name in COLUMNS:
            column = getattr(self, name)
            setattr(picked, name, [column[row] for row in rows])
        return picked


COLUMNS = tuple(f.name for f in fields(Notices) if f.name not in {"incident_id", "incident_version"})
