"""The last wall before a provider: nobody who is nobody comes to it, whatever went wrong before."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.core.channel import CHANNELS, Channel
from services.core.synthetic import SYNTHETIC_INCIDENT
from services.dispatch.breaker import Breaker
from services.dispatch.domain import Round, Work
from services.dispatch.errors import SyntheticError
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import Ending, HandOver, Result
from services.dispatch.sending.handing_over import HandingOver
from services.dispatch.sending.turns import ProviderTurns
from services.dispatch.sending.watching import Watching
from services.kit.postgres import Pool
from services.kit.testing import FakeClock
from services.rendering.contact import Contact
from services.wire.testing import FakeIncidents
from tests.unit.dispatch.people import CREATED, REFERENCES, TRAITS, a_contact, an_incident, some_notices


class _Provider:
    """Takes whatever it is given, and keeps it."""

    def __init__(self, channel: Channel) -> None:
        self.traits = TRAITS[channel]
        self.given: list[str] = []

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Take a round."""
        assert go()
        self.given.append(work.notices.incident_id)
        return HandOver([Result(Ending.ACCEPTED)] * len(work.notices))

    async def close(self) -> None:
        """Let go of nothing."""


class _Payloads:
    async def contacts(self, one: Round) -> Sequence[Contact | None]:
        """Return the same for everybody."""
        return [a_contact()] * len(one)


def _handing_over(provider: _Provider) -> HandingOver:
    channel = provider.traits.channel
    metrics, clock = DispatchMetrics(CollectorRegistry(), channel, "test"), FakeClock()
    return HandingOver(
        provider=provider, payloads=_Payloads(), references=REFERENCES, clock=clock, metrics=metrics,
        incidents=FakeIncidents(an_incident(SYNTHETIC_INCIDENT), an_incident()),
        watching=Watching(Breaker(), provider.traits, clock, metrics),
        since=datetime.min.replace(tzinfo=UTC), turns=ProviderTurns(cast("Pool", None), clock, None),
    )  # fmt: skip


def _round(incident_id: str) -> Round:
    notices = some_notices(2)
    notices.incident_id = incident_id
    return Round(0, notices, [0, 0], CREATED, parts=[(1, 2)])


@pytest.mark.parametrize("channel", CHANNELS)
async def test_no_provider_is_ever_given_a_synthetic_person(channel: Channel) -> None:
    """The process ends rather than hand it over, on each channel; anybody else goes."""
    provider = _Provider(channel)
    handing_over = _handing_over(provider)
    with pytest.raises(SyntheticError):
        await handing_over.results(_round(SYNTHETIC_INCIDENT), (), lambda: True)
    before = [*provider.given]
    await handing_over.results(_round("lab-2026"), (), lambda: True)

    assert ([], ["lab-2026"]) == (before, provider.given)
