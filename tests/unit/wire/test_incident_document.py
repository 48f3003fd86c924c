"""The incident document is checked whole."""

from typing import Any

import pytest

from services.core.addressee import AddresseeRole
from services.core.channel import Channel
from services.core.policy import KEYS, Correction, OnIdentityConflict, Policy, Stop, in_words
from services.core.variants import Certainty, Kind, Reading
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
        ({"correction": "sometimes"}, "policy.correction"),
        ({"correction": True}, "policy.correction"),
        ({"cascade": "bounced"}, "policy.cascade"),
        ({"cascade": [{"when": "lost"}]}, "policy.cascade[0].when"),
        ({"cascade": [{"when": "bounced"}, {"when": "bounced"}]}, "policy.cascade[1].when"),
        ({"cascade": [{"when": "unread"}]}, "policy.cascade[0].afterDays"),
        ({"cascade": [{"when": "bounced", "afterDays": 3}]}, "policy.cascade[0].afterDays"),
        ({"pace": 5}, "policy.pace"),
        ({"pace": {"perWeek": 5}}, "policy.pace.perWeek"),
        ({"pace": {"perDay": 0}}, "policy.pace.perDay"),
        ({"pace": {"perChannel": {"fax": 5}}}, "policy.pace.perChannel.fax"),
        ({"pace": {"perChannel": {"letter": True}}}, "policy.pace.perChannel.letter"),
        ({"pace": {"callCentre": {}}}, "policy.pace.callCentre.callsPerDay"),
        ({"pace": {"callCentre": {"callsPerDay": 5, "shareOfCallers": 2}}}, "policy.pace.callCentre.shareOfCallers"),
    ],
)
def test_a_policy_that_cannot_be_understood_is_refused(policy: object, field: str) -> None:
    """A rule that is misspelt is never the default in silence."""
    with pytest.raises(InvalidDocument) as caught:
        parse_incident("lab", 1, document(policy=policy))

    assert [field] == [problem["field"] for problem in caught.value.problems]


@pytest.mark.parametrize("choice", Correction)
def test_corrections_are_chosen(choice: Correction) -> None:
    """Each word that stands for a choice gives it; left out, nobody is corrected."""
    given = parse_incident("lab", 1, document(policy={"correction": choice.value}))

    assert choice is given.policy.correction
    assert Correction.NONE is Policy().correction


def test_what_is_shown_of_a_policy_can_be_put_again() -> None:
    """Every rule is shown with a word that documents take, those that were left out as well."""
    pace = {"perDay": 500, "perChannel": {"letter": 90}, "callCentre": {"callsPerDay": 40, "shareOfCallers": 0.1}}
    stop = {"refused": 0.2, "bounced": 0.3, "returned": 1, "complaints": 0.01}
    words: dict[str, object] = {"onIdentityConflict": "hold", "bareJoins": "hold", "correction": "always"}
    cascade = [{"when": "returned"}, {"when": "unread", "afterDays": 14}]
    given = words | {"pace": pace, "stop": stop, "minors": {"underAge": 12}, "cascade": cascade}
    shown = in_words(parse_incident("lab", 1, document(policy=given)).policy)

    assert given == shown
    assert shown == in_words(parse_incident("lab", 1, document(policy=shown)).policy)
    assert set(shown) == KEYS == set(in_words(Policy()))
    assert Policy() == parse_incident("lab", 1, document(policy=in_words(Policy()))).policy


def test_a_stop_rule_that_is_left_out_is_the_default() -> None:
    """Each rule is by itself."""
    assert Stop(refused=0.25) == parse_incident("lab", 1, document(policy={"stop": {"refused": 0.25}})).policy.stop


@pytest.mark.parametrize(
    ("stop", "field"),
    [
        ({"refused": 0}, "refused"),
        ({"bounced": 1.5}, "bounced"),
        ({"returned": True}, "returned"),
        ({"open": 0.1}, "open"),
    ],
)
def test_a_stop_rule_is_a_share(stop: dict[str, object], field: str) -> None:
    """More than nothing, at most everything; and no rule that nobody looks at."""
    with pytest.raises(InvalidDocument, match=rf"policy\.stop\.{field}"):
        parse_incident("lab", 1, document(policy={"stop": stop}))


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


WORDS = {"nl": "tekst", "en": "text"}


def _problems(**changes: Any) -> list[str]:
    """Return the places of the faults of a document that is right but for these changes."""
    with pytest.raises(InvalidDocument) as caught:
        parse_incident("lab", 1, document(**changes))
    return [problem["field"] for problem in caught.value.problems]


def test_advice_differs_by_who_reads_it() -> None:
    """Advice of the library has words of its own for some readers; a document's own come before them."""
    own = {"nl": "Bel ons.", "en": "Call us."}
    categories = [
        {"code": "a", "label": WORDS, "advice": "test-result"},
        {"code": "b", "label": WORDS, "advice": "test-result", "adviceFor": {"next-of-kin": own}},
        {"code": "c", "label": WORDS, "advice": WORDS},
    ]
    library, both, without = parse_incident("lab", 1, document(dataCategories=categories)).categories
    kin = AddresseeRole.NEXT_OF_KIN

    assert "huisarts" in library.advice_to(AddresseeRole.SELF, "nl")
    assert "huisarts" not in library.advice_to(kin, "nl")
    assert ("Bel ons.", "tekst") == (both.advice_to(kin, "nl"), without.advice_to(kin, "nl"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "adviceFor"),
        ({"self": WORDS}, "adviceFor.self"),
        ({"guardian": {"nl": "tekst"}}, "adviceFor.guardian.en"),
        ({"guardian": "rain"}, "adviceFor.guardian"),
    ],
)
def test_advice_to_others_is_whole_or_refused(given: object, field: str) -> None:
    """As any other text."""
    categories = [{"code": "a", "label": WORDS, "advice": "bsn", "adviceFor": given}]

    assert [f"dataCategories[0].{field}"] == _problems(dataCategories=categories)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_is_one_of_our_days(at: str) -> None:
    """What has no calendar day here could be written in no notice."""
    assert ["awareAt"] == _problems(awareAt=at)


def test_variants_are_read_the_most_special_first() -> None:
    """A plain text does for a variant of one language; every other has all languages."""
    variants = [
        {"when": {"group": "clinic"}, "content": {"nature": WORDS}},
        {"when": {"certainty": "possible", "kind": "supplement", "language": "nl"}, "title": "Misschien"},
    ]
    incident = parse_incident("lab", 1, document(variants=variants))

    assert ["variants[1]", "variants[0]"] == [variant.place for variant in incident.variants]
    assert ("clinic",) == incident.groups
    assert "Misschien" == incident.said_to(Reading("nl", Certainty.POSSIBLE, Kind.SUPPLEMENT)).title
    assert "Inbraak bij het laboratorium" == incident.said_to(Reading("nl", Certainty.POSSIBLE, Kind.FIRST)).title


@pytest.mark.parametrize(
    ("variant", "field"),
    [
        ("x", "variants[0]"),
        ({"when": {"kind": "first"}}, "variants[0]"),
        ({"when": {}, "title": WORDS}, "variants[0].when"),
        ({"title": WORDS}, "variants[0].when"),
        ({"when": {"kind": "first"}, "title": WORDS, "colour": "red"}, "variants[0].colour"),
        ({"when": {"mood": "sad"}, "title": WORDS}, "variants[0].when.mood"),
        ({"when": {"certainty": "likely"}, "title": WORDS}, "variants[0].when.certainty"),
        ({"when": {"kind": 1}, "title": WORDS}, "variants[0].when.kind"),
        ({"when": {"group": "a b"}, "title": WORDS}, "variants[0].when.group"),
        ({"when": {"language": "de"}, "title": WORDS}, "variants[0].when.language"),
        ({"when": {"reader": "neighbour"}, "title": WORDS}, "variants[0].when.reader"),
        ({"when": {"kind": "first"}, "title": {"nl": "tekst"}}, "variants[0].title.en"),
        ({"when": {"kind": "first"}, "title": "tekst"}, "variants[0].title"),
        ({"when": {"language": "nl"}, "title": WORDS}, "variants[0].title.en"),
        ({"when": {"kind": "first"}, "content": {"nature": {"nl": "tekst"}}}, "variants[0].content.nature.en"),
        ({"when": {"kind": "first"}, "content": {"weather": WORDS}}, "variants[0].content.weather"),
    ],
)
def test_a_variant_that_is_not_whole_is_refused_with_its_place(variant: object, field: str) -> None:
    """No reader would find half of a text, or a text that was meant for others."""
    assert field in _problems(variants=[variant])


def test_two_variants_never_have_the_same_conditions() -> None:
    """Nobody could say which of them is read."""
    variant = {"when": {"kind": "first"}, "title": WORDS}

    assert ["variants[1].when"] == _problems(variants=[variant, variant])


def test_a_language_without_sentences_of_our_own_is_refused() -> None:
    """A Polish notice would have Dutch headings, and say in Dutch whether the data were taken for certain."""
    words = WORDS | {"pl": "tekst"}

    assert ["languages[1]"] == _problems(
        languages=["nl", "pl"],
        dataCategories=[{"code": "name", "label": words}],
        content=dict.fromkeys(["nature", "consequences", "measures", "advice", "contact"], words),
    )


def test_a_title_is_there_in_every_language() -> None:
    """English letters have an English subject; a plain text is in the first language, and stands for no other."""
    assert {"nl": "Lek", "en": "Leak"} == parse_incident("lab", 1, document(title={"nl": "Lek", "en": "Leak"})).title
    assert {"nl": "Lek"} == parse_incident("lab", 1, document(title="Lek")).title
    assert ["title.en"] == _problems(title={"nl": "Lek"})


def test_advice_is_taken_from_the_library_by_its_code() -> None:
    """In every language that the incident offers."""
    categories = [{"code": "number", "label": WORDS, "advice": "bsn"}]
    (category,) = parse_incident("lab", 1, document(dataCategories=categories)).categories

    assert category.advice is not None
    assert {"nl", "en"} == set(category.advice)
    assert all("88 900 1000" in text for text in category.advice.values())
    assert ["dataCategories[0].advice"] == _problems(dataCategories=[{"code": "a", "label": WORDS, "advice": "rain"}])


def test_more_blocks_may_be_there() -> None:
    """An apology, what was not taken and where the data is now; each in every language."""
    whole = document()["content"]
    incident = parse_incident("lab", 1, document(content=whole | {"apology": WORDS, "notTaken": WORDS}))

    assert {"apology", "notTaken"} <= set(incident.content)
    assert ["content.whereNow.en"] == _problems(content=whole | {"whereNow": {"nl": "tekst"}})


@pytest.mark.parametrize("minors", [{"underAge": 19}, {"underAge": -1}, {"underAge": True}, {"age": 16}, [], "16"])
def test_minors_by_another_age_are_refused(minors: Any) -> None:
    """Beyond eighteen nobody is a minor, and a slip is told with its place."""
    with pytest.raises(InvalidDocument, match=r"policy\.minors"):
        parse_incident("lab", 1, document(policy={"minors": minors}))
