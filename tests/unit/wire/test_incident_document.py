"""The incident document is checked whole."""

from typing import Any

import pytest

from services.core.channel import Channel
from services.core.policy import RULES, OnIdentityConflict, Policy, in_words
from services.wire.incident_document import InvalidDocument, normal_form, parse_incident


def document(**changes: Any) -> dict[str, Any]:
    """Make a document that is right, with changes."""
    words = {"nl": "tekst", "en": "text"}
    return {
        "title": "Inbraak bij het laboratorium",
        "awareAt": "2025-07-06T09:00:00+02:00",
        "controller": {
            "name": "BVO",
            "address": ["Postbus 1", "3500 AA Utrecht"],
            "phone": "030",
            "email": "a@b.example",
        },
        "languages": ["nl", "en"],
        "channels": ["portal", "email", "letter"],
        "compromisedChannels": ["email"],
        "dataCategories": [{"code": "name", "label": words}, {"code": "bsn", "label": words, "advice": words}],
        "content": dict.fromkeys(["nature", "consequences", "measures", "advice", "contact"], words),
    } | changes


def test_a_right_document_is_read() -> None:
    """Compromised channels are allowed but not usable; the order is kept."""
    incident = parse_incident("lab", 1, document())

    assert incident.usable_channels == (Channel.PORTAL, Channel.LETTER)
    assert [category.code for category in incident.categories] == ["name", "bsn"]
    assert incident.language_for("en-GB") == "en"
    assert incident.language_for("tr") == "nl"


def test_all_faults_come_at_once() -> None:
    """Whoever writes the document mends it in one go; every fault names its field."""
    wrong = document(
        title=" ",
        awareAt="2025-07-06",
        channels=["fax", "letter", "letter"],
        content={"nature": {"nl": "tekst"}},
        surprise=1,
        dataCategories=[{"code": "a", "label": {"nl": "x", "en": "y"}}, {"code": "a", "label": {"nl": "x", "en": "y"}}],
    )

    with pytest.raises(InvalidDocument) as caught:
        parse_incident("lab", 1, wrong)

    fields = {problem["field"] for problem in caught.value.problems}
    assert {"title", "awareAt", "channels[0]", "channels", "content.nature.en", "surprise", "dataCategories"} <= fields
    assert "content.advice" in fields


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"dataCategories": [1]}, {"controller": []}])
def test_anything_else_is_invalid(value: Any) -> None:
    """Whatever JSON comes, the answer is a list of faults and never a crash."""
    with pytest.raises(InvalidDocument):
        parse_incident("lab", 1, value)


@pytest.mark.parametrize(("given", "expected"), [({}, False), ({"fourEyes": False}, False), ({"fourEyes": True}, True)])
def test_four_eyes_are_asked_for(given: dict[str, bool], expected: bool) -> None:  # noqa: FBT001 - a row of a table
    """Left out, one principal releases alone."""
    assert expected is parse_incident("lab", 1, document(**given)).four_eyes


@pytest.mark.parametrize("value", [None, 1, "true", "", []])
def test_four_eyes_are_open_or_closed(value: Any) -> None:
    """Nothing is guessed about who may release."""
    with pytest.raises(InvalidDocument, match="fourEyes: must be true or false"):
        parse_incident("lab", 1, document(fourEyes=value))


def test_the_order_of_keys_says_nothing() -> None:
    """The same document spelled in another order is the same version."""
    right = document()

    assert normal_form(right) == normal_form(dict(reversed(right.items())))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, OnIdentityConflict.TELL_APART),
        ({"onIdentityConflict": "tell-apart"}, OnIdentityConflict.TELL_APART),
        ({"onIdentityConflict": "hold"}, OnIdentityConflict.HOLD),
    ],
)
def test_a_rule_that_is_left_out_is_the_default(policy: dict[str, str], expected: OnIdentityConflict) -> None:
    """And so is a policy that is left out."""
    assert expected == parse_incident("lab", 1, document(policy=policy)).policy.on_identity_conflict
    assert Policy() == parse_incident("lab", 1, document()).policy


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ("hold", "policy"),
        (None, "policy"),
        ({"onIdentityConflict": "shrug"}, "policy.onIdentityConflict"),
        ({"onIdentityConflict": ["hold"]}, "policy.onIdentityConflict"),
        ({"onidentityconflict": "hold"}, "policy.onidentityconflict"),
    ],
)
def test_a_policy_that_cannot_be_understood_is_refused(policy: object, field: str) -> None:
    """A rule that is misspelt is never the default in silence."""
    with pytest.raises(InvalidDocument) as caught:
        parse_incident("lab", 1, document(policy=policy))

    assert [field] == [problem["field"] for problem in caught.value.problems]


def test_what_is_shown_of_a_policy_can_be_put_again() -> None:
    """Every rule is shown with a word that documents take, those that were left out as well."""
    shown = in_words(parse_incident("lab", 1, document(policy={"onIdentityConflict": "hold"})).policy)

    assert {"onIdentityConflict": "hold"} == shown
    assert shown == in_words(parse_incident("lab", 1, document(policy=shown)).policy)
    assert set(RULES) == set(shown)


@pytest.mark.parametrize("email", ["Info <a@b.example>", "a@b.example, c@d.example", "a", "a..b@c.example", "a@b\r\n"])
def test_a_sender_is_one_plain_address(email: str) -> None:
    """What no mail could be written from is refused while somebody is there to mend it."""
    with pytest.raises(InvalidDocument, match=r"controller\.email"):
        parse_incident("lab", 1, document(controller=document()["controller"] | {"email": email}))


def test_texts_are_by_language() -> None:
    """A key that is no language tag is not kept along."""
    with pytest.raises(InvalidDocument, match="language tag"):
        parse_incident(
            "lab", 1, document(title="T", content=document()["content"] | {"advice": {"nl": "a", "en": "b", "\0": "c"}})
        )
