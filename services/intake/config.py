"""Intake's settings: those that every service has, and what letters have to fit."""

from dataclasses import dataclass

from services.kit.config import ServiceConfig, setting
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE, named_profile

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What intake needs to know."""

    # Documents are proved by it, before anybody is told.
    print_profile: Profile = setting("HERAUT_PRINT_PROFILE", named_profile, default=USUAL_PROFILE)
