"""Which words somebody reads."""

from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.addressee import AddresseeRole
from services.core.variants import (
    Certainty,
    Kind,
    Reading,
    Said,
    Text,
    Variant,
    When,
    certainty_of,
    said_to,
    special_first,
)

LANGUAGES = ("nl", "en")
GROUPS = ("", "clinic", "doctor")
BLOCKS = ("nature", "advice")
READINGS = [Reading(*one) for one in product(LANGUAGES, Certainty, Kind, GROUPS, AddresseeRole)]


def _text(name: str, languages: Sequence[str] = LANGUAGES) -> Text:
    return {language: f"{language} {name}" for language in languages}


GENERAL = {block: _text(f"general {block}") for block in BLOCKS}


@st.composite
def some_variants(draw: st.DrawFn) -> tuple[Variant, ...]:
    """Draw variants as documents have them: whole in their languages, no two with the same conditions."""
    whens = draw(
        st.lists(
            st.builds(
                When,
                st.none() | st.sampled_from(Certainty),
                st.none() | st.sampled_from(Kind),
                st.none() | st.sampled_from(GROUPS[1:]),
                st.none() | st.sampled_from(LANGUAGES),
                st.none() | st.sampled_from(AddresseeRole),
            ),
            max_size=6,
            unique=True,
        )
    )
    found = []
    for at, when in enumerate(whens):
        meant = (when.language,) if when.language else LANGUAGES
        title = _text(f"title {at}", meant) if draw(st.booleans()) else None
        blocks = draw(st.sets(st.sampled_from(BLOCKS)))
        found.append(
            Variant(when, title, {block: _text(f"{block} {at}", meant) for block in blocks}, f"variants[{at}]")
        )
    return special_first(found)


def _said(reading: Reading, variants: Sequence[Variant]) -> Said:
    return said_to(reading, _text("title"), GENERAL, variants)


def _conditions(when: When) -> int:
    return sum(one is not None for one in (when.certainty, when.kind, when.group, when.reader))


@given(some_variants(), st.sampled_from(READINGS))
def test_every_text_is_there_in_the_readers_language(variants: tuple[Variant, ...], reading: Reading) -> None:
    """Whatever variants there are, nothing is missing, and nothing is of another language."""
    said = _said(reading, variants)

    assert set(BLOCKS) == set(said.content)
    assert {reading.language} == {text[:2] for text in [said.title, *said.content.values()]}


@given(some_variants(), st.sampled_from(READINGS))
def test_a_text_is_of_the_most_special_variant_that_has_it(variants: tuple[Variant, ...], reading: Reading) -> None:
    """A variant that does not hold for a reader is never read, and none that holds has more conditions."""
    said = _said(reading, variants)
    for block in BLOCKS:
        place = said.places[block].removesuffix(f"content.{block}").rstrip(".")
        chosen = next((one.when for one in variants if one.place == place), When())
        able = [
            one.when for one in variants if one.when.holds(reading) and reading.language in one.content.get(block, {})
        ]

        assert chosen.holds(reading)
        assert max(map(_conditions, able), default=0) == _conditions(chosen)
        assert (block in said.own) == (chosen.reader is not None)


@given(some_variants(), st.sampled_from(READINGS), st.randoms())
def test_the_order_in_a_document_says_nothing(variants: tuple[Variant, ...], reading: Reading, random: Random) -> None:
    """Two that write the same variants in another order say the same."""
    other = list(variants)
    random.shuffle(other)

    assert _said(reading, variants) == _said(reading, special_first(other))


@given(some_variants())
def test_all_languages_choose_alike_where_variants_are_for_all(variants: tuple[Variant, ...]) -> None:
    """Nobody reads something else because of their language alone."""
    for_all = special_first(one for one in variants if one.when.language is None)
    for certainty, kind, group in product(Certainty, Kind, GROUPS):
        dutch, english = (_said(Reading(language, certainty, kind, group), for_all).places for language in LANGUAGES)

        assert dutch == english


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (When(Certainty.POSSIBLE, Kind.SUPPLEMENT), When(Certainty.POSSIBLE)),
        (When(Certainty.POSSIBLE), When(reader=AddresseeRole.GUARDIAN)),
        (When(reader=AddresseeRole.GUARDIAN), When(kind=Kind.SUPPLEMENT)),
        (When(Certainty.POSSIBLE), When(kind=Kind.SUPPLEMENT)),
        (When(kind=Kind.SUPPLEMENT), When(group="clinic")),
        (When(group="clinic"), When(language="nl")),
        (When(Certainty.POSSIBLE), When(group="clinic", language="nl")),
        (When(Certainty.POSSIBLE, language="nl"), When(Certainty.POSSIBLE)),
    ],
)
def test_what_is_more_special(first: When, second: When) -> None:
    """More conditions first; then certainty, reader, kind, group; a language decides between equals alone."""
    variants = [Variant(when, None, {}) for when in (second, first)]

    assert [first, second] == [one.when for one in special_first(variants)]


@pytest.mark.parametrize(
    ("exposed", "confirmed", "expected"),
    [(3, 3, Certainty.CONFIRMED), (3, 1, Certainty.MIXED), (3, 0, Certainty.POSSIBLE), (1, 1, Certainty.CONFIRMED)],
)
def test_certainty_of_facts_as_a_whole(exposed: int, confirmed: int, expected: Certainty) -> None:
    """Some certain and some not is neither."""
    assert expected == certainty_of(exposed, confirmed)
