"""The client: drives the machine over a network, for programs and for the agents (deeds).

``from eilpost.client import Client`` reaches for what programs use; it is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eilpost.client.blocking import send
    from eilpost.client.client import Client
    from eilpost.client.patience import Timeouts
    from eilpost.client.receipt import ClientError, MessageError, NotConnected, NotDelivered, Receipt

__all__ = ["Client", "ClientError", "MessageError", "NotConnected", "NotDelivered", "Receipt", "Timeouts", "send"]

_HOMES: Final = MappingProxyType(
    {"send": "blocking", "Client": "client", "Timeouts": "patience"}
    | dict.fromkeys(("ClientError", "MessageError", "NotConnected", "NotDelivered", "Receipt"), "receipt")
)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return vars(import_module(f"{__name__}.{home}"))[name]
