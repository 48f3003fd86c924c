"""The event log in PostgreSQL itself. `choose.py` loads it where HERAUT_LOG says so."""

from services.kit.eventlog.embedded.installation import EmbeddedInstallation
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.embedded.replay import EmbeddedDeadLetters

__all__ = ["EmbeddedDeadLetters", "EmbeddedInstallation", "EmbeddedLog"]
