"""What tracking can be told: nothing beyond what every service is."""

from dataclasses import dataclass

from services.kit.config import ServiceConfig

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What tracking needs to know."""
