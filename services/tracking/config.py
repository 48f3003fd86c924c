"""What tracking can be told."""

from dataclasses import dataclass
from pathlib import Path

from services.kit.config import Networks, ServiceConfig, networks, setting

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ServiceConfig):
    """What tracking needs to know."""

    webhooks_dir: Path | None = setting("HERAUT_WEBHOOKS_DIR", Path, default=None)
    trusted_proxies: Networks = setting("HERAUT_TRUSTED_PROXIES", networks, default=())
