"""What the API is asked and answers: each operation a row, its bodies as types (a table; words).

The server looks operations up here, and the OpenAPI document is written from the same rows.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eilpost.inbox.contract import Count, Kept, Listing, Stats, Summary
from eilpost.mail.value import value


class Which(msgspec.Struct, forbid_unknown_fields=True):
    """Messages by id, or all that a search finds in a mailbox; nothing given is all messages."""

    ids: list[str] = msgspec.field(default_factory=list)
    q: str = ""
    mailbox: str | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of which messages."""

    ids: list[str] = msgspec.field(default_factory=list)
    q: str = ""
    mailbox: str | None = None
    read: bool | None = None
    tags: list[str] | None = None


class Recipients(msgspec.Struct, forbid_unknown_fields=True):
    """To whom; nobody named is the envelope's recipients."""

    to: list[str] = msgspec.field(default_factory=list)


class NewName(msgspec.Struct, forbid_unknown_fields=True):
    """A tag's new name."""

    name: str


class FaultList(msgspec.Struct, forbid_unknown_fields=True):
    """All faults, in the order in which they are asked; each an object with the keys of a fault."""

    faults: list[dict[str, str | int | float | bool]]


class Done(msgspec.Struct):
    """How many messages it was about."""

    count: int


class PartView(msgspec.Struct):
    """One part of a message; ``path`` is what ``/parts/`` wants."""

    path: str
    kind: str
    name: str
    disposition: str
    content_id: str
    size: int
    parts: list[PartView]


class MessageView(msgspec.Struct):
    """A message with how it came, its text, its HTML (as sent: hostile), and its parts."""

    message: Kept
    text: str
    html: str
    parts: PartView


class OutcomeView(msgspec.Struct):
    """What became of one recipient of a release."""

    recipient: str
    fate: str
    diagnostic: str


class Problem(msgspec.Struct):
    """What was wrong, in one sentence."""

    error: str


@value(frozen=True, slots=True)
class Parameter:
    """One of a query's parameters; ``kind`` is int or str."""

    name: str
    kind: type
    help: str


Q: Final = Parameter("q", str, "A search, as on the page: `from:anna -has:attachment`")
MAILBOX: Final = Parameter("mailbox", str, "Only this mailbox, when mailboxes are kept apart")
START: Final = Parameter("start", int, "How many to leave out")
LIMIT: Final = Parameter("limit", int, "How many at most; 50 unless given, 1,000 at most")


@value(frozen=True, slots=True)
class Operation:
    """One row. ``result`` None is octets or a stream of ``media``."""

    name: str
    method: str
    path: str
    help: str
    result: Any = None
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    media: str = "application/json"
    status: int = 200
    takes: str = "application/json"


OPERATIONS: Final = (
    Operation("list", "GET", "/messages", "List or search messages, the newest first", Listing,
              parameters=(Q, MAILBOX, START, LIMIT)),
    Operation("put", "POST", "/messages", "Put a message into the inbox; the body is an .eml", Summary,
              body=bytes, status=201, takes="message/rfc822",
              parameters=(Parameter("from", str, "The envelope's sender; else the header's"),
                          Parameter("to", str, "The envelope's recipients, with commas; else the header's"))),
    Operation("change", "PATCH", "/messages", "Set the read flag, or the tags, of messages", Done, Change),
    Operation("delete", "DELETE", "/messages", "Delete messages; without ids and search, all of them", Done, Which),
    Operation("get", "GET", "/messages/{id}", "A message; `latest` is the newest one", MessageView),
    Operation("raw", "GET", "/messages/{id}/raw", "A message as it came", media="message/rfc822"),
    Operation("transcript", "GET", "/messages/{id}/transcript", "The SMTP session that brought a message",
              media="text/plain"),
    Operation("part", "GET", "/messages/{id}/parts/{path}", "One part, decoded; saved, never shown",
              media="application/octet-stream"),
    Operation("release", "POST", "/messages/{id}/release", "Send a message on to the real server", list[OutcomeView],
              Recipients),
    Operation("wait", "GET", "/wait", "Wait until a message matches, and answer with it; 408 when none came", Summary,
              parameters=(Q, MAILBOX, Parameter("timeout", int, "Seconds to wait at most; 10 unless given"),
                          Parameter("after", int, "Only messages with a number above this one"))),
    Operation("mailboxes", "GET", "/mailboxes", "The mailboxes that hold something", list[Count]),
    Operation("tags", "GET", "/tags", "The tags in use", list[Count]),
    Operation("rename_tag", "PATCH", "/tags/{tag}", "Give a tag another name", Done, NewName),
    Operation("delete_tag", "DELETE", "/tags/{tag}", "Take a tag from all messages", Done),
    Operation("stats", "GET", "/stats", "Numbers about the inbox", Stats),
    Operation("faults", "GET", "/faults", "The faults that are set", FaultList),
    Operation("set_faults", "PUT", "/faults", "Replace all faults", FaultList, FaultList),
    Operation("clear_faults", "DELETE", "/faults", "Remove all faults", FaultList),
    Operation("events", "GET", "/events", "Arrivals and changes as server-sent events", media="text/event-stream"),
    Operation("export", "GET", "/export", "All messages as an mbox", media="application/mbox", parameters=(MAILBOX,)),
)  # fmt: skip
