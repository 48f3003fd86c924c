"""Intake's settings: those that every service has, and no others."""

from dataclasses import dataclass

from services.kit.config import ServiceConfig

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What intake needs to know."""
