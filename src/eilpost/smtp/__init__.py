"""The protocol library: SMTP and LMTP machines without input or output (standard library alone).

A machine is loaded when it is asked for: who only sends, such as ``eilpost-sendmail``, does not wait for the server's.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eilpost.smtp.claims import Claims, Missing
    from eilpost.smtp.client import ClientConnection
    from eilpost.smtp.client_events import Answer, AuthChallenge, AuthDone, ClientEvent, Dismissal, Greeting
    from eilpost.smtp.commands import Dialect, Verb
    from eilpost.smtp.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
    from eilpost.smtp.events import (
        NEED_DATA,
        Auth,
        AuthResponse,
        ChunkEnd,
        CommandEvent,
        Content,
        ContentEnd,
        Data,
        Disconnected,
        Etrn,
        Event,
        Expand,
        Hello,
        Help,
        Mail,
        NeedData,
        Noop,
        Quit,
        Rcpt,
        Refused,
        Reset,
        StartTls,
        Verify,
        XClient,
        XForward,
    )
    from eilpost.smtp.phases import Phase
    from eilpost.smtp.server import ServerConnection, ServerSettings

__all__ = [
    "NEED_DATA", "Answer", "Auth", "AuthChallenge", "AuthDone", "AuthResponse", "ChunkEnd", "Claims",
    "ClientConnection", "ClientEvent", "CommandEvent", "Content", "ContentEnd", "Data", "Dialect", "Disconnected",
    "Dismissal", "Etrn", "Event", "Expand", "Greeting", "Hello", "Help", "LocalProtocolError", "Mail", "Missing",
    "NeedData", "Noop", "Phase", "ProtocolError", "Quit", "Rcpt", "Refused", "RemoteProtocolError", "Reset",
    "ServerConnection", "ServerSettings", "StartTls", "Verb", "Verify", "XClient", "XForward",
]  # fmt: skip

_HOMES: Final = MappingProxyType(
    dict.fromkeys(("Claims", "Missing"), "eilpost.smtp.claims")
    | dict.fromkeys(("ClientConnection",), "eilpost.smtp.client")
    | dict.fromkeys(
        ("Answer", "AuthChallenge", "AuthDone", "ClientEvent", "Dismissal", "Greeting"), "eilpost.smtp.client_events"
    )
    | dict.fromkeys(("Dialect", "Verb"), "eilpost.smtp.commands")
    | dict.fromkeys(("LocalProtocolError", "ProtocolError", "RemoteProtocolError"), "eilpost.smtp.errors")
    | dict.fromkeys(
        (
            "NEED_DATA",
            "Auth",
            "AuthResponse",
            "ChunkEnd",
            "CommandEvent",
            "Content",
            "ContentEnd",
            "Data",
            "Disconnected",
            "Etrn",
            "Event",
            "Expand",
            "Hello",
            "Help",
            "Mail",
            "NeedData",
            "Noop",
            "Quit",
            "Rcpt",
            "Refused",
            "Reset",
            "StartTls",
            "Verify",
            "XClient",
            "XForward",
        ),
        "eilpost.smtp.events",
    )
    | dict.fromkeys(("Phase",), "eilpost.smtp.phases")
    | dict.fromkeys(("ServerConnection", "ServerSettings"), "eilpost.smtp.server")
)
"""Where each name lives."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
