"""The server library: a handler says what becomes of mail, the server does the rest (deeds).

``from eilpost.server import Server, Handler`` reaches for what programs use; each name is loaded when
it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eilpost.server.answers import Answer, EndAnswer, HangUp, Raw
    from eilpost.server.handler import Handler
    from eilpost.server.limits import Deadlines, Limits
    from eilpost.server.server import Server
    from eilpost.server.session import Session
    from eilpost.server.threaded import ThreadedServer
    from eilpost.server.transcript import Side, Transcript

__all__ = [
    "Answer",
    "Deadlines",
    "EndAnswer",
    "Handler",
    "HangUp",
    "Limits",
    "Raw",
    "Server",
    "Session",
    "Side",
    "ThreadedServer",
    "Transcript",
]  # fmt: skip

_HOMES: Final = MappingProxyType(
    dict.fromkeys(("Answer", "EndAnswer", "HangUp", "Raw"), "answers")
    | dict.fromkeys(("Deadlines", "Limits"), "limits")
    | dict.fromkeys(("Side", "Transcript"), "transcript")
    | {"Handler": "handler", "Server": "server", "Session": "session", "ThreadedServer": "threaded"}
)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return vars(import_module(f"{__name__}.{home}"))[name]
