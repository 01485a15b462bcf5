"""Eilpost: mail server, client, developer's inbox and protocol library.

What programs reach for stands here and is loaded when it is asked for, so that ``import
eilpost.smtp`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eilpost.client import Client, send
    from eilpost.server import Server, ThreadedServer

__all__ = ["Client", "Server", "ThreadedServer", "send"]

_HOMES: Final = MappingProxyType(
    dict.fromkeys(("Client", "send"), "eilpost.client") | dict.fromkeys(("Server", "ThreadedServer"), "eilpost.server")
)
"""Where each name lives."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
