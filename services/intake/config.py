"""Intake's settings: those that every service has, and what letters have to fit."""

from dataclasses import dataclass
from datetime import timedelta

from services.core.channel import CHANNEL_NAMES
from services.kit.config import ServiceConfig, duration, setting, takes
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE, named_profile

__all__ = ["Config"]


_CHANNELS = tuple(CHANNEL_NAMES.values())


@takes(f"some of {', '.join(_CHANNELS)}, with commas between them")
def channels(text: str) -> tuple[str, ...]:
    """Parse names of channels, each once."""
    named = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if not set(named) <= set(_CHANNELS):
        raise ValueError(f"must be some of {', '.join(_CHANNELS)}, with commas between them")
    return named


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What intake needs to know."""

    # A synthetic person goes through all rooms so often; unset = none does.
    synthetic_every: timedelta | None = setting("HERAUT_SYNTHETIC_EVERY", duration, default=None)
    synthetic_channels: tuple[str, ...] = setting("HERAUT_SYNTHETIC_CHANNELS", channels, default=_CHANNELS)
    # Longer than all rooms take behind a wave, shorter than anybody should wait to hear of a standstill.
    synthetic_lost_after: timedelta = setting("HERAUT_SYNTHETIC_LOST_AFTER", duration, default=timedelta(minutes=5))
    # Documents are proved by it, before anybody is told.
    print_profile: Profile = setting("HERAUT_PRINT_PROFILE", named_profile, default=USUAL_PROFILE)
