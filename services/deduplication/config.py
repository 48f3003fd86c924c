"""What deduplication needs to know."""

from dataclasses import dataclass

from services.kit.config import ServiceConfig

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """Nothing beside what every service needs."""
