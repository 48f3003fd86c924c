"""Headers as one column."""

from hypothesis import given
from hypothesis import strategies as st

from services.kit.eventlog.headers import decode_headers, encode_headers


@given(st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=300)), max_size=8))
def test_headers_survive_packing(headers: list[tuple[str, bytes]]) -> None:
    """Any names and values come back in their order, repeated and empty ones too."""
    assert decode_headers(encode_headers(headers)) == tuple(headers)


def test_no_headers_take_no_room() -> None:
    """Nearly every block has none."""
    assert encode_headers(()) is None
    assert decode_headers(None) == ()
