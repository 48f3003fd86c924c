"""`heraut settings`: every setting, with its form, its default, who needs it, and whether it is set here."""

import os

import click
from rich.markup import escape

from services.cli.console import Fault, out, print_json, table
from services.cli.options import json_option
from services.cli.settings_list import Described, described_settings

__all__ = ["settings"]


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@json_option
def settings(words: tuple[str, ...], *, as_json: bool) -> None:
    """List the settings, or those whose name, process or meaning has each WORD. No value is shown: some are passwords.

    All are environment variables; what may be a secret can be given as a file, `<NAME>_FILE`.
    """
    found = [one for one in described_settings() if all(word.lower() in _text(one) for word in words)]
    if not found:
        raise Fault(f"no setting has {' and '.join(words)}", 1)
    if as_json:
        print_json([_as_json(one) for one in found])
    elif out.is_terminal:
        _show(found)
    else:
        rows = [[one.name, one.form, one.otherwise, one.who, _given(one) or "", one.meaning] for one in found]
        table(None, ("variable", "form", "default", "for", "given", "meaning"), rows, left=6)


def _text(one: Described) -> str:
    return f"{one.name} {one.who} {one.meaning}".lower()


def _given(one: Described) -> str | None:
    """Return by which variable it is set here, None where it is not."""
    names = [one.name, *([f"{one.name}_FILE"] if one.secret else [])]
    return next((name for name in names if os.environ.get(name)), None)


def _as_json(one: Described) -> dict[str, object]:
    return {**one._asdict(), "given": _given(one)}


def _show(found: list[Described]) -> None:
    for one in found:
        given = " [green]given here[/]" if _given(one) else ""
        out.print(f"[bold]{one.name}[/]{'*' if one.secret else ''} [cyan]{escape(one.otherwise)}[/]{given}")
        out.print(f"    {escape(one.meaning)}")
        out.print(f"    [dim]{escape(one.form)}; for {one.who}[/]")
    out.print("[dim]* may be given as a file: <NAME>_FILE[/]")
