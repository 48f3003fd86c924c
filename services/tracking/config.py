"""What tracking can be told."""

from dataclasses import dataclass

from services.kit.config import Networks, ServiceConfig, networks, setting

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What tracking needs to know."""

    trusted_proxies: Networks = setting("HERAUT_TRUSTED_PROXIES", networks, default=())
