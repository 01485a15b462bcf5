"""The protocol library: SMTP and LMTP machines without input or output (standard library alone)."""

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
