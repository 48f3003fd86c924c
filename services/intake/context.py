"""What every use case of intake works with."""

from dataclasses import dataclass

from services.core.clock import Clock
from services.intake.metrics import IntakeMetrics
from services.intake.records.hashes import HashesByIncident
from services.intake.store import Store
from services.kit.postgres import Pool
from services.kit.vault import Vault
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE

__all__ = ["SOURCE", "Context"]

SOURCE = "intake"  # the name under which intake's stage, blocks and totals go


@dataclass(frozen=True, slots=True)
class Context:
    """Connections, keys and settings, put together once in `app`."""

    pool: Pool
    clock: Clock
    store: Store
    vault: Vault
    hashes: HashesByIncident
    partitions: int
    metrics: IntakeMetrics
    # The log lies outside the database: what is committed is heard by others once it is published.
    log_outside: bool = False
    print_profile: Profile = USUAL_PROFILE
