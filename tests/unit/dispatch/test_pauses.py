"""What may begin while cohorts are cancelled."""

from services.core.cohort import Cohort
from services.dispatch.pauses import Pauses
from services.wire.testing import FakeIncidents
from tests.unit.dispatch.people import an_incident, some_notices


class _Cohorts(FakeIncidents):
    changes = 1


def test_a_correction_of_a_cancelled_cohort_goes() -> None:
    """What its members bear is held, to be called back; a notice that says that nothing was taken is not."""
    incident = an_incident()
    notices = some_notices(2, incident, exposed=[1, 0], confirmed=[0, 0])
    cohort = Cohort(
        incident.incident_id, notices.cohorts[0], 1, "source", None,
        auto_release=False, sealed=False, released=False, cancelled=True,
    )  # fmt: skip
    pauses = Pauses(_Cohorts(cohort))

    assert [True, False] == pauses.held(notices, 0)
    assert (True, False) == (pauses.holds(notices, 0), pauses.holds(notices.pick([1]), 0))
