"""E-mail addresses."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from services.intake.records.email import _PLAIN, normal_email

LOCALS = st.text(alphabet="abZ09._+-", min_size=1, max_size=12)
DOMAINS = st.text(alphabet="ab09.-x", min_size=1, max_size=14)


@given(LOCALS, DOMAINS, st.sampled_from(["nl", "com", "n1", "x", "xn--p1ai"]))
def test_pattern_and_library_agree(local: str, domain: str, top: str) -> None:
    """Whatever the quick pattern takes, the library takes too, and spells the same."""
    text = f"{local}@{domain}.{top}"
    if _PLAIN.fullmatch(text):
        known = validate_email(text, check_deliverability=False)

        assert text == known.normalized


@given(LOCALS, DOMAINS, st.sampled_from(["nl", "com", "n1", "NL"]))
def test_answer_is_the_librarys(local: str, domain: str, top: str) -> None:
    """An address is taken exactly where the library takes it."""
    text = f"{local}@{domain}.{top}"
    try:
        expected: str | None = validate_email(text, check_deliverability=False).ascii_email
    except EmailNotValidError:
        expected = None

    assert expected == normal_email(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jan@Example.NL", "Jan@example.nl"),  # the local part is the receiver's business
        ("jan@münchen.de", "jan@xn--mnchen-3ya.de"),
        ("jan@example.test", "jan@example.test"),
        ("jan@localhost", None),
        ("jän@example.nl", None),
        ("a@x.nl\r\nRCPT TO:<evil@x.nl>", None),
        ("Jan <jan@example.nl>", None),
        ("a@x.nl,b@x.nl", None),
        ('"a b"@example.nl', None),
        ("jan@[127.0.0.1]", None),
        ("a" * 65 + "@example.nl", None),
        ("a@" + "b" * 250 + ".nl", None),
    ],
)
def test_odd_addresses(text: str, expected: str | None) -> None:
    """Nothing that could steer a mail server gets through."""
    assert expected == normal_email(text)
