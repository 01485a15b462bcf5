"""``eilpost queue``: see and steer mail that waits (a deed).

Everything goes through the control socket of the running server. Without one, what only looks
reads the store itself, and says so; what changes needs the server.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import config_option, example, json_option, yes_option
from eilpost.cli.output import Column, cell, moment, note, say, show_json, show_table
from eilpost.cli.output import show as show_rows
from eilpost.config.load import load
from eilpost.config.units import UnitError, parse_duration
from eilpost.control.call import SOCKET_NAME, CallError, NotAllowed, NotRunning, call
from eilpost.control.operations import OPERATIONS, prepare
from eilpost.spool.contract import State

Row = Mapping[str, Any]

_EXITS: Final = {"usage": Exit.USAGE, "spool": Exit.TEMPFAIL, "fault": Exit.SOFTWARE, "protocol": Exit.PROTOCOL}

_FILTER_OPTIONS: Final = (
    click.argument("messages", nargs=-1, metavar="[ID]..."),
    click.option("--to", default="", metavar="ADDRESS", help="Recipients with this address, or @domain."),
    click.option("--from", "sender", default="", metavar="ADDRESS", help="Senders likewise; <> are reports."),
    click.option("--older", default="", metavar="AGE", help="Accepted longer ago than this: 90s, 2h, 3d."),
    click.option("--state", default=None, type=click.Choice([state.value for state in State]), help="In this state."),
)


def _filtered(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTER_OPTIONS):
        function = option(function)
    return function


def _all_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--all", "everything", is_flag=True, help="Mean the whole queue.")(function)


@click.group(epilog=example("eilpost queue list --to @example.org", "eilpost queue retry --older 2h"))
def queue() -> None:
    """See and steer mail that waits."""


def _command(name: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose help begins with its row's sentence; the docstring says more."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        text = f"{OPERATIONS[name].help}\n\n{function.__doc__}"
        return queue.command(name=name, help=text, epilog=example(*lines))(function)

    return decorate


# ── looking ──


@_command("list", "eilpost queue list --state deferred --older 2h")
@_filtered
@config_option
@json_option
def list_queue(config_file: str | None, as_json: bool, **given: Any) -> None:
    """One line for each recipient; JSON has one object for each message."""
    found = _look(config_file, "list", _filter(**given))
    if as_json:
        show_json(list(found))
        return
    now = time.time()
    rows = [_list_row(entry, recipient, now) for entry in found for recipient in entry["recipients"]]
    show_rows(rows, _LIST, as_json=False, nothing="the queue is empty, or holds nothing that the filter means")


_LIST: Final = (
    Column("ID", "id"),
    Column("Age", "age", right=True),
    Column("Size", "size", right=True),
    Column("From", "from"),
    Column("To", "to"),
    Column("State", "state"),
    Column("Tries", "attempts", right=True),
    Column("Next", "next", right=True),
    Column("Last reply", "last"),
)
_LAST_WIDTH: Final = 60


def _list_row(entry: Row, recipient: Row, now: float) -> Row:
    last = recipient["last"]
    reply = f"{last['status']} {last['diagnostic']}" if last else ""
    return {
        "id": entry["id"],
        "age": age(now - entry["received"]),
        "size": size(entry["size"]),
        "from": entry["reverse_path"],
        "to": recipient["address"],
        "state": recipient["state"],
        "attempts": recipient["attempts"],
        "next": _next(recipient, now),
        "last": reply if len(reply) <= _LAST_WIDTH else reply[: _LAST_WIDTH - 1] + "…",
    }


def _next(recipient: Row, now: float) -> str:
    if recipient["state"] != State.DEFERRED.value:
        return "-"
    wait = recipient["due"] - now
    return f"in {age(wait)}" if wait > 0 else "now"


@_command("show", "eilpost queue show 1mk2s7q8v3a", "eilpost queue show 1mk2s7q8v3a --header")
@click.argument("message", metavar="ID")
@click.option("--content", is_flag=True, help="Print the message itself, as it is stored.")
@click.option("--header", is_flag=True, help="Print the message's header.")
@config_option
@json_option
def show(message: str, content: bool, header: bool, config_file: str | None, as_json: bool) -> None:
    """An entry with the last reply for each recipient, and what its status means."""
    items = _look(config_file, "show", {"messages": [message], "content": content, "header": header})
    entry = next(items)
    if content or header:
        _print_octets(items)
    elif as_json:
        show_json([entry])
    else:
        for line in _described(entry, time.time()):
            say(line)


def _print_octets(items: Iterator[Row]) -> None:
    """As they are for a pipe; a terminal is given no control characters (case 155)."""
    for item in items:
        octets = base64.b64decode(item["octets"])
        if not sys.stdout.isatty():
            click.echo(octets, nl=False)
            continue
        for line in octets.decode("utf-8", "replace").splitlines():
            say(line.replace("\t", "    "))


def _described(entry: Row, now: float) -> Iterator[str]:
    yield f"Message     {entry['id']}"
    yield f"From        {entry['reverse_path']}"
    yield f"Accepted    {moment(entry['received'])}, {age(now - entry['received'])} ago"
    yield f"Size        {size(entry['size'])}"
    for label, key in (
        ("Message-ID", "message_id"),
        ("Account", "account"),
        ("Session", "session"),
        ("Envid", "envid"),
    ):
        if entry[key]:
            yield f"{label:<11} {entry[key]}"
    for recipient in entry["recipients"]:
        yield ""
        yield from _described_recipient(recipient, now)


def _described_recipient(recipient: Row, now: float) -> Iterator[str]:
    given = f" (given as {recipient['given']})" if recipient["given"] else ""
    yield f"To          {recipient['address']}{given}"
    yield f"State       {recipient['state']}, {_count(recipient['attempts'], 'attempt')} made"
    if recipient["next_hop"]:
        yield f"Rerouted    {recipient['next_hop']}"
    if recipient["state"] == State.DEFERRED.value:
        yield f"Next        {moment(recipient['due'])}, {_next(recipient, now)}"
    last = recipient["last"]
    if last:
        host = f" by {last['remote']}" if last["remote"] else ""
        yield f"Last        {moment(last['when'])}: {last['fate']}{host}"
        yield f"Reply       {last['diagnostic']}"
        yield f"Status      {last['status']}" + (f": {last['meaning']}" if last["meaning"] else "")


@_command("stats", "eilpost queue stats --json")
@config_option
@json_option
def stats(config_file: str | None, as_json: bool) -> None:
    """Counts by state, the fullest domains and, from a running server, the destinations."""
    found = next(_look(config_file, "stats", {}))
    destinations = _destinations(config_file)
    if as_json:
        show_json([{**found, "destinations": destinations}])
        return
    say(f"{_count(found['messages'], 'message')}, {_count(sum(found['recipients'].values()), 'recipient')}, "
        f"{size(found['octets'])}")  # fmt: skip
    for state, number in found["recipients"].items():
        say(f"  {state:<9} {number}")
    if found["oldest"] is not None:
        say(f"  the oldest was accepted {age(time.time() - found['oldest'])} ago")
    if found["domains"]:
        say("")
        _table(found["domains"], (Column("Domain", "domain"), Column("Recipients", "recipients", right=True)))
    if destinations:
        say("")
        _table(destinations, _DESTINATIONS)


_DESTINATIONS: Final = (
    Column("Next hop", "next_hop"),
    Column("Health", "health"),
    Column("Waiting", "waiting", right=True),
    Column("Attempts", "attempts", right=True),
    Column("Limit", "limit", right=True),
    Column("Why", "why"),
)


def _table(rows: list[Row], columns: tuple[Column, ...]) -> None:
    show_table(columns, [[cell(row[column.key]) for column in columns] for row in rows])


def _destinations(config_file: str | None) -> list[Row]:
    try:
        return list(call(_socket(config_file), "destinations", {}))
    except (NotRunning, NotAllowed, CallError, TimeoutError):
        return []


# ── changing ──


def _change_command(name: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    """The decorators that all changes share."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        return _command(name, *lines)(_filtered(_all_option(config_option(json_option(function)))))

    return decorate


def _meant(name: str, everything: bool, given: dict[str, Any]) -> dict[str, Any]:
    """The filter as the server is told it; nothing said means nothing, never the whole queue."""
    arguments = _filter(**given)
    if not arguments and not everything:
        raise CommandError(
            f"say which messages, by ID or by a filter, or say --all to {name} the whole queue", Exit.USAGE
        )
    return {**arguments, "all": everything}


def _change(name: str, done: str, config_file: str | None, as_json: bool, given: dict[str, Any], **more: str) -> None:
    meant = _meant(name, given.pop("everything"), given)
    result = next(_ask(config_file, name, {**meant, **more}))
    if as_json:
        show_json([result])
    else:
        say(f"{_count(result['recipients'], 'recipient')} {done}")


@_change_command("retry", "eilpost queue retry --to @example.org", "eilpost queue retry --all")
def retry(config_file: str | None, as_json: bool, **given: Any) -> None:
    """Destinations that were found down are tried too."""
    _change("retry", "are due now", config_file, as_json, given)


@_change_command("hold", "eilpost queue hold --from spammer@example.org")
def hold(config_file: str | None, as_json: bool, **given: Any) -> None:
    """Held mail does not expire while it is held."""
    _change("hold", "held", config_file, as_json, given)


@_change_command("release", "eilpost queue release --from anna@example.org")
def release(config_file: str | None, as_json: bool, **given: Any) -> None:
    """The opposite of hold."""
    _change("release", "released", config_file, as_json, given)


@_change_command("drop", "eilpost queue drop --from spammer@example.org --yes")
@yes_option
def drop(config_file: str | None, as_json: bool, yes: bool, **given: Any) -> None:
    """The mail is gone afterwards."""
    if not yes:
        _meant("drop", given["everything"], {key: value for key, value in given.items() if key != "everything"})
        what = "the whole queue" if given["everything"] else "what the filter means"
        click.confirm(f"Drop {what} for ever, without a report to anybody?", abort=True, err=True)
    _change("drop", "dropped", config_file, as_json, given)


@_change_command("fail", "eilpost queue fail 1mk2s7q8v3a --reason 'the domain is gone'")
@click.option("--reason", default="", metavar="TEXT", help="What the sender is told.")
def fail(config_file: str | None, as_json: bool, reason: str, **given: Any) -> None:
    """A report goes to the sender, who may have asked for none."""
    _change("fail", "failed", config_file, as_json, given, reason=reason)


@_change_command("reroute", "eilpost queue reroute --to @example.org --via smtp://mx2.example.org")
@click.option(
    "--via", required=True, metavar="NEXT-HOP", help="smtp://host:port, mx:domain, lmtp://…; '' by rule again."
)
def reroute(config_file: str | None, as_json: bool, via: str, **given: Any) -> None:
    """They are tried there now."""
    _change("reroute", "rerouted", config_file, as_json, given, next_hop=via)


# ── the two ways to the queue ──


def _filter(messages: tuple[str, ...], to: str, sender: str, older: str, state: str | None) -> dict[str, Any]:
    """What of the filter was given."""
    try:
        seconds = parse_duration(older) if older else 0.0
    except UnitError as error:
        raise CommandError(f"--older {older!r} is no age: write {error}", Exit.USAGE) from None
    given = {"messages": list(messages), "to": to, "sender": sender, "older": seconds, "state": state}
    return {key: value for key, value in given.items() if value}


def _data(config_file: str | None) -> Path:
    return Path(load(config_file).server.data)


def _socket(config_file: str | None) -> Path:
    return _data(config_file) / SOCKET_NAME


def _ask(config_file: str | None, operation: str, arguments: Row) -> Iterator[Any]:
    """What the server answers."""
    try:
        yield from call(_socket(config_file), operation, arguments)
    except CallError as error:
        raise CommandError(str(error), _EXITS.get(error.kind, Exit.SOFTWARE)) from None
    except NotAllowed as error:
        raise CommandError(str(error), Exit.NOPERM) from None
    except NotRunning as error:
        raise CommandError(f"{error}; start it with 'eilpost serve' to change the queue", Exit.UNAVAILABLE) from None
    except TimeoutError:
        raise CommandError("the server does not answer in time; try again later", Exit.TEMPFAIL) from None


def _look(config_file: str | None, operation: str, arguments: Row) -> Iterator[Any]:
    """What the server answers, or else the store itself."""
    socket = _socket(config_file)
    try:
        first = call(socket, "ping", {})
        next(first, None)
    except NotRunning:
        note("the server is not running; this is read from its store")
        yield from _read(_data(config_file), operation, arguments)
        return
    except (NotAllowed, CallError, TimeoutError):
        pass  # the question itself says what is wrong
    yield from _ask(config_file, operation, arguments)


def _read(data: Path, operation: str, arguments: Row) -> Iterator[Any]:
    """Items from the store, as the server would give them."""
    # Only who finds no server pays for these imports.
    import asyncio

    directory = data / "spool"
    if not directory.exists():
        raise CommandError(f"{directory} does not exist: no mail was ever taken here", Exit.NOINPUT)
    try:
        yield from asyncio.run(_collect(directory, operation, arguments))
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from None


async def _collect(directory: Path, operation: str, arguments: Row) -> list[Any]:
    from eilpost.spool.readonly import open_readonly

    row, parsed = prepare(operation, dict(arguments))
    assert row.look is not None, operation
    spool = open_readonly(directory)
    try:
        return [item async for item in row.look(spool, parsed)]
    finally:
        await spool.close()


# ── for people ──


_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))
_SIZES: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def age(seconds: float) -> str:
    """A span in its biggest fitting unit: ``2 h``."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def size(octets: int) -> str:
    """Octets in their biggest fitting unit: ``4.1 KB``."""
    for unit, name in _SIZES:
        if octets >= unit:
            return f"{octets / unit:.1f} {name}"
    return f"{octets} B"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
