"""The operator's commands (a table; a deed).

A row holds the name, the sentence that help shows, the parameters and the function. The socket
looks a request up here; the command line takes its help from here. An operation yields items, each
of which becomes one line of the answer: entries of a list, pieces of a content, or one result.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from eilpost.control.desk import Desk, Reading, entries
from eilpost.control.views import destination_row, entry_row, stats_row
from eilpost.route.urls import parse_next_hop
from eilpost.spool.contract import Content, ContentDamaged, Filter, State

_HEADER_LIMIT: Final = 1_000_000


class OperationError(ValueError):
    """The request cannot be done as it was given; the message says why and what would be right."""


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request may say. An empty filter means nothing but with ``all``."""

    messages: tuple[str, ...] = ()
    to: str = ""
    sender: str = ""
    older: float = 0.0
    state: State | None = None
    all: bool = False
    next_hop: str = ""
    reason: str = ""
    content: bool = False
    header: bool = False

    @property
    def filter(self) -> Filter:
        """The recipients that are meant."""
        return Filter(self.messages, self.to, self.sender, self.older, self.state)


NO_FILTER: Final = Filter()

Items = AsyncIterator[Any]
Run = Callable[[Desk, Arguments], Items]
Look = Callable[[Reading, Arguments], Items]


# ── looking ──


async def list_entries(spool: Reading, arguments: Arguments) -> Items:
    """Each entry with those of its recipients that are meant."""
    async for entry in entries(spool, arguments.filter):
        yield entry_row(entry)


async def show(spool: Reading, arguments: Arguments) -> Items:
    """One entry whole; then its content, or its header, in pieces."""
    if len(arguments.messages) != 1:
        raise OperationError("show wants the id of one message")
    found = await spool.find(Filter(messages=arguments.messages), limit=1)
    if not found:
        raise OperationError(f"no message {arguments.messages[0]} is in the queue; it may have gone out already")
    yield entry_row(found[0])
    if arguments.content or arguments.header:
        async for piece in _pieces(found[0].message.content, header=arguments.header):
            yield {"octets": base64.b64encode(piece).decode()}


async def _pieces(content: Content, *, header: bool) -> AsyncIterator[bytes]:
    try:
        if header:
            yield await _header(content)
            return
        async for chunk in content.chunks():
            yield chunk
    except ContentDamaged as error:
        raise OperationError(f"the content cannot be read: {error}") from error


async def _header(content: Content) -> bytes:
    """Up to and with the empty line; a header without an end is cut."""
    octets = b""
    async for chunk in content.chunks():
        octets += chunk
        end = octets.find(b"\r\n\r\n")
        if end >= 0:
            return octets[: end + 4]
        if len(octets) > _HEADER_LIMIT:
            break
    return octets[:_HEADER_LIMIT]


async def stats(spool: Reading, _arguments: Arguments) -> Items:
    """One row of counts."""
    yield stats_row(await spool.stats())


def looking(look: Look) -> Run:
    """An operation that needs the store alone, and so works without a server too."""
    return lambda desk, arguments: look(desk.spool, arguments)


# ── changing ──


async def _retry(desk: Desk, arguments: Arguments) -> Items:
    yield _changed(await desk.retry(arguments.filter))


async def _hold(desk: Desk, arguments: Arguments) -> Items:
    yield _changed(await desk.hold(arguments.filter))


async def _release(desk: Desk, arguments: Arguments) -> Items:
    yield _changed(await desk.release(arguments.filter))


async def _drop(desk: Desk, arguments: Arguments) -> Items:
    yield _changed(await desk.drop(arguments.filter))


async def _fail(desk: Desk, arguments: Arguments) -> Items:
    yield _changed(await desk.fail(arguments.filter, arguments.reason or "returned by the postmaster"))


async def _reroute(desk: Desk, arguments: Arguments) -> Items:
    if arguments.next_hop:
        parse_next_hop(arguments.next_hop)
    yield _changed(await desk.reroute(arguments.filter, arguments.next_hop))


def _changed(recipients: int) -> dict[str, int]:
    return {"recipients": recipients}


# ── the server itself ──


async def _destinations(desk: Desk, _arguments: Arguments) -> Items:
    for destination in desk.destinations():
        yield destination_row(destination)


async def _reload(desk: Desk, _arguments: Arguments) -> Items:
    await desk.reload()
    yield {"reloaded": True}


async def _ping(_desk: Desk, _arguments: Arguments) -> Items:
    yield {"alive": True}


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. ``look`` is set where a store opened for reading is enough; ``changes`` needs a filter or ``all``."""

    name: str
    help: str
    parameters: tuple[str, ...]
    run: Run
    look: Look | None = None
    changes: bool = False


_FILTER: Final = ("messages", "to", "sender", "older", "state")
_CHANGE: Final = (*_FILTER, "all")


def _looks(name: str, sentence: str, parameters: tuple[str, ...], look: Look) -> Operation:
    return Operation(name, sentence, parameters, looking(look), look)


OPERATIONS: Final[dict[str, Operation]] = {
    row.name: row
    for row in (
        _looks("list", "List what is in the queue, oldest first.", _FILTER, list_entries),
        _looks(
            "show", "Show one message: envelope, recipients, last replies.", ("messages", "content", "header"), show
        ),
        _looks("stats", "Count what is in the queue.", (), stats),
        Operation("retry", "Try waiting recipients now.", _CHANGE, _retry, changes=True),
        Operation("hold", "Keep recipients from being tried until they are released.", _CHANGE, _hold, changes=True),
        Operation("release", "Let held recipients go; they are tried now.", _CHANGE, _release, changes=True),
        Operation("drop", "Forget recipients; nobody is told.", _CHANGE, _drop, changes=True),
        Operation("fail", "Give recipients up; their senders are told.", (*_CHANGE, "reason"), _fail, changes=True),
        Operation("reroute", "Send recipients another way.", (*_CHANGE, "next_hop"), _reroute, changes=True),
        Operation("destinations", "Show how next hops fare.", (), _destinations),
        Operation("reload", "Read the configuration again.", (), _reload),
        Operation("ping", "Say that the server is there.", (), _ping),
    )
}


def prepare(name: str, arguments: object) -> tuple[Operation, Arguments]:
    """The row and the arguments of a request; OperationError when it makes no sense."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise OperationError(f"there is no operation {name!r}; there are {', '.join(OPERATIONS)}")
    try:
        parsed = msgspec.convert(arguments, Arguments)
    except msgspec.ValidationError as error:
        raise OperationError(f"{name}: {error}") from error
    if not isinstance(arguments, dict) or not arguments.keys() <= set(operation.parameters):
        raise OperationError(f"{name} takes {', '.join(operation.parameters) or 'nothing'}")
    if operation.changes and parsed.filter == NO_FILTER and not parsed.all:
        raise OperationError(f"{name} without a filter would mean the whole queue; say so with --all")
    return operation, parsed
