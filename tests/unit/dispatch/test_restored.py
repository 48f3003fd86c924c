"""What is done about attempts once a database was set back: for each provider that there is."""

from importlib import import_module
from pathlib import Path

import pytest

from services.dispatch import channels
from services.dispatch.provider import ProviderClass, Traits
from services.dispatch.restored import AFTERWARDS, Afterwards, afterwards

_WAYS = {
    ProviderClass.BLIND: Afterwards.LISTED,
    ProviderClass.ASKED: Afterwards.ASKED,
    ProviderClass.IDEMPOTENT: Afterwards.REPEATED,
}


def _traits() -> list[Traits]:
    names = sorted(path.stem for path in Path(str(channels.__file__)).parent.glob("[a-z]*.py"))
    modules = [import_module(f"{channels.__name__}.{name}") for name in names]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Traits)]


def test_each_provider_has_its_way() -> None:
    """A new provider is not forgotten, and each is dealt with as its adapter can be."""
    expected = {one.name: Afterwards.READ if one.makes_files else _WAYS[one.provider_class] for one in _traits()}

    assert expected == AFTERWARDS
    assert {"smtp", "print", "portal"} < expected.keys()


@pytest.mark.parametrize(
    ("providers", "way"),
    [
        ([], None),
        (["print"], Afterwards.READ),
        (["smtp"], Afterwards.LISTED),
        (["mail-api", "notify"], Afterwards.LISTED),
        (["notify", "print"], Afterwards.LISTED),
        (["one that is gone"], Afterwards.LISTED),
    ],
)
def test_of_several_providers_nobody_alone_can_tell(providers: list[str], way: Afterwards | None) -> None:
    """Nor can one be asked that this release does not know."""
    assert way == afterwards(providers)
