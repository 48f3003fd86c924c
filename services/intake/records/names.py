"""By which of its names a record is matched. Pure.

A person goes by the family name, the name from birth, the partner's, or both (the BRP's *naamgebruik*). A record is
matched by one of them: the family name, which is the one in use; where it is not given the name from birth, which
stays; else the partner's.

Records of one number are compared by more (`witnesses`). The name from birth is the person's own, whatever is used:
who is called by it in another record is not somebody else for that, as who never changed names is not. The partner's
name is the partner's as well, whose records some sources file under the same number: it counts only where the name in
use is not given, and may be made of it.
"""

from typing import Final

from services.intake.records.record import Record, RecordColumns

__all__ = ["BETWEEN", "compared_name", "compared_names", "matched_name", "matched_names"]

BETWEEN: Final = "\n"  # of two names: no text of a checked record has a line end in it
_OTHER_NAMES: Final = frozenset({"birth_name", "partner_name"})


def matched_name(record: Record) -> str:
    """Return the name by which a record is matched; empty where it has none."""
    return record.family_name or record.birth_name or record.partner_name or ""


def matched_names(columns: RecordColumns) -> list[str]:
    """Return it of each row."""
    if _is_plain(columns):
        return columns.family_name
    given = zip(columns.family_name, columns.birth_name, columns.partner_name, strict=True)
    return [family or birth or partner for family, birth, partner in given]


def compared_name(record: Record) -> str:
    """Return the names by which a record is compared with others of its number, with `BETWEEN` between them."""
    if not (record.birth_name or record.partner_name):
        return record.family_name or ""
    return _compared(record.family_name or "", record.birth_name or "", record.partner_name or "")


def compared_names(columns: RecordColumns) -> list[str]:
    """Return them of each row."""
    if _is_plain(columns):
        return columns.family_name
    return list(map(_compared, columns.family_name, columns.birth_name, columns.partner_name))


def _compared(family: str, birth: str, partner: str) -> str:
    one, other = (family, birth) if family else (birth, partner)
    return f"{one}{BETWEEN}{other}" if one and other else one or other


def _is_plain(columns: RecordColumns) -> bool:
    """Tell whether no row has another name than the family name: most sources have no column for any."""
    return columns.left_out >= _OTHER_NAMES or not (any(columns.birth_name) or any(columns.partner_name))
