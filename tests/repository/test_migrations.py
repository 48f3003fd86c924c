"""Rule 9: migrations are named and ordered, and say whether they run before or after the code."""

import re
from pathlib import Path

import pytest

from deploy.migrations import SQUAWK, main
from services.core.rooms import ROOMS

SERVICES = Path(__file__).parents[2] / "services"
NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


def test_migrations_are_named_and_numbered_without_gaps() -> None:
    """A migration's place in the order, and its side of the deployment, can be read from its name."""
    folders = sorted(SERVICES.glob("*/migrations"))
    assert {"kit", *ROOMS} == {folder.parent.name for folder in folders}
    for folder in folders:
        names = sorted(path.name for path in folder.glob("*.sql"))
        matches = [NAME.fullmatch(name) for name in names]
        assert all(matches), folder
        assert [int(match[1]) for match in matches if match] == list(range(1, len(names) + 1)), folder


@pytest.mark.skipif(not SQUAWK.exists(), reason="this environment is older than its lock file, which has squawk")
@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("0002_pre_more.sql", "alter table notices add column more bigint;", 0),
        ("0002_pre_new.sql", "create table more (id bigint primary key); create index by_id on more (id);", 0),
        ("0002_pre_less.sql", "alter table notices drop column more;", 1),
        ("0002_pre_other.sql", "alter table notices rename column more to less;", 1),
        ("0002_pre_all.sql", "alter table notices add column more text not null;", 1),
        ("0002_pre_locking.sql", "create index by_more on notices (more);", 1),
        ("0002_post_less.sql", "alter table notices drop column more; drop table gone;", 0),
        ("0002_post_other.sql", "alter table notices rename column more to less;", 1),
        ("more.sql", "select 1;", 1),
    ],
)
def test_what_breaks_running_code_is_found(name: str, text: str, status: int, tmp_path: Path) -> None:
    """Before the code only what is added, after it also what is taken away; what locks a table is looked at."""
    (tmp_path / name).write_text(text)

    assert status == main([str(tmp_path / name)])


def test_squawk_is_among_the_locked_tools() -> None:
    """Continuous integration skips no migration."""
    lock = (SERVICES.parent / "requirements-dev.lock").read_text(encoding="utf-8")

    assert "\nsquawk-cli==" in lock
