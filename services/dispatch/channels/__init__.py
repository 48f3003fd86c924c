"""The table of channels: which settings a channel reads, and which module here hands its notices over.

An adapter is loaded when its channel is opened, so that no process loads the libraries of another channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol, TypeVar, cast

from services.core.channel import Channel
from services.core.clock import Clock
from services.dispatch.config import (
    Config,
    LetterConfig,
    PortalConfig,
    ProviderAddress,
    provider_addresses,
)
from services.dispatch.mail_config import EmailConfig
from services.dispatch.provider import Provider

__all__ = ["ADAPTERS", "PROVIDER_ADDRESSES", "Adapter", "AdapterModule", "open_provider"]

C_contra = TypeVar("C_contra", bound=Config, contravariant=True)


class AdapterModule(Protocol[C_contra]):
    """What a module of this folder has; `C_contra` is the class of its channel's settings."""

    def open_provider(self, config: C_contra, clock: Clock, /) -> Provider:
        """Return the provider that these settings name."""
        ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """A channel's place in the table; `module` is the name of a module of this folder."""

    config: type[Config]
    module: str

    def load(self) -> AdapterModule[Config]:
        """Import the module, and with it the libraries of its provider."""
        return cast("AdapterModule[Config]", import_module(f"{__name__}.{self.module}"))


ADAPTERS: Final[Mapping[Channel, Adapter]] = MappingProxyType(
    {
        Channel.LETTER: Adapter(LetterConfig, "letter"),
        Channel.EMAIL: Adapter(EmailConfig, "email"),
        Channel.PORTAL: Adapter(PortalConfig, "portal"),
    }
)

# The addresses that all channels together must be given.
PROVIDER_ADDRESSES: Final[tuple[ProviderAddress, ...]] = tuple(
    address for adapter in ADAPTERS.values() for address in provider_addresses(adapter.config)
)


def open_provider(channel: Channel, config: Config, clock: Clock) -> Provider:
    """Return the provider of a channel. Raises TypeError where the settings are those of another one."""
    adapter = ADAPTERS[channel]
    if not isinstance(config, adapter.config):
        raise TypeError(f"the settings of the channel {channel.label} are a {adapter.config.__name__}")
    return adapter.load().open_provider(config, clock)
