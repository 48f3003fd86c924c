"""Which commit runs is read from the tree, whatever shape it has."""

from pathlib import Path

from services.core.version import COMMIT_FILE, commit_in

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_branch_leads_to_its_commit(tmp_path: Path) -> None:
    """Whether the branch lies in a file of its own or among the packed ones."""
    _written(tmp_path / ".git" / "HEAD", "ref: refs/heads/main\n")
    _written(tmp_path / ".git" / "packed-refs", f"# pack-refs\n{'f' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n")
    packed = commit_in(tmp_path)
    _written(tmp_path / ".git" / "refs" / "heads" / "main", f"{'e' * 40}\n")

    assert (COMMIT[:12], "e" * 12) == (packed, commit_in(tmp_path))


def test_a_further_working_tree_has_its_own_head(tmp_path: Path) -> None:
    """Its `.git` is a file, and its branches lie in the folder of all."""
    _written(tmp_path / "tree" / ".git", f"gitdir: {tmp_path}/shared/worktrees/tree\n")
    _written(tmp_path / "shared" / "worktrees" / "tree" / "HEAD", "ref: refs/heads/side\n")
    _written(tmp_path / "shared" / "worktrees" / "tree" / "commondir", "../..\n")
    _written(tmp_path / "shared" / "refs" / "heads" / "side", COMMIT)

    assert COMMIT[:12] == commit_in(tmp_path / "tree")


def test_an_image_says_what_it_was_made_from(tmp_path: Path) -> None:
    """There is no repository in it; without that file nobody knows."""
    before = commit_in(tmp_path)
    _written(tmp_path / COMMIT_FILE, f"{COMMIT}\n")

    assert ("unknown", COMMIT[:12]) == (before, commit_in(tmp_path))


def test_a_detached_head_is_the_commit(tmp_path: Path) -> None:
    """Continuous integration checks out commits, not branches."""
    _written(tmp_path / ".git" / "HEAD", COMMIT)

    assert COMMIT[:12] == commit_in(tmp_path)
