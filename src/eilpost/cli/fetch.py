"""``eilpost fetch``: fetches mail by POP3: lists it, shows it, saves it to a Maildir (a deed)."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from eilpost.cli.dialogue import shown
from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import example, json_option
from eilpost.cli.output import Column, note, say, show
from eilpost.cli.secret import asked_login
from eilpost.client.login import Login, login_as
from eilpost.client.pop3 import LoginRefused, NoMessage, PopClient, PopError, Waiting
from eilpost.client.protection import protection
from eilpost.config.values import Endpoint, parse_endpoint
from eilpost.inbox import mime
from eilpost.maildrop.delivery import Maildirs
from eilpost.maildrop.maildir import NotStored, sync_directory
from eilpost.message import encoded_words
from eilpost.message.header import scan
from eilpost.net.tls import KeysError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PORTS: Final = {"off": 110, "starttls": 110, "implicit": 995}
STATE_NAME: Final = "eilpost-fetched"
READ_MOST: Final = 16_000_000
"""Octets of a message that is shown."""

_FIELDS: Final = ("From", "To", "Cc", "Date", "Subject")

_COLUMNS: Final = (
    Column("no", "number", right=True),
    Column("octets", "octets", right=True),
    Column("date", "date"),
    Column("from", "from"),
    Column("subject", "subject"),
    Column("uidl", "uidl"),
)


def server_options(function: F) -> F:
    """Where the mail is, how to get there, and as whom."""
    for option in reversed((
        click.option("--server", metavar="HOST[:PORT]", required=True, help="The POP3 server."),
        click.option("--tls", type=click.Choice(["implicit", "starttls", "off"]), default="implicit",
                     show_default=True, help="How to encrypt."),
        click.option("--insecure", is_flag=True, help="Do not check the server's certificate."),
        click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
                     help="The authorities to trust, PEM; else the system's."),
        click.option("--user", metavar="NAME", required=True, help="As whom to log in."),
        click.option("--auth", default="auto", metavar="MECH", show_default=True,
                     help="The login: a SASL mechanism, APOP, USER, or the best that both have."),
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
        click.option("--token-stdin", is_flag=True, help="Read an OAuth token from standard input."),
        click.option("--plain-on-loopback", is_flag=True,
                     help="Say the password in clear to a server on this machine."),
        click.option("--transcript", is_flag=True, help="Show the dialogue on standard error."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.group(epilog=example("eilpost fetch list --server pop.example.org --user anna@example.org"))
def fetch() -> None:
    """Fetch mail by POP3.

    The password comes from --password-stdin, from $EILPOST_PASSWORD, or is asked for.
    """


@fetch.command(
    "list",
    epilog=example("eilpost fetch list --server pop.example.org --user anna@example.org"),
)
@server_options
@json_option
def list_(as_json: bool, **given: Any) -> None:
    """List the messages that wait."""

    async def work(client: PopClient) -> list[dict[str, Any]]:
        waiting = {each.number: each for each in await client.messages()}
        return [_row(waiting[number], header) async for number, header in client.headers(list(waiting))]

    show(_run(given, work), _COLUMNS, as_json=as_json, nothing="there is no mail")


@fetch.command(
    "read",
    epilog=example("eilpost fetch read 1 --server pop.example.org --user anna@example.org"),
)
@click.argument("number", type=click.IntRange(min=1))
@server_options
def read(number: int, **given: Any) -> None:
    """Show a message: its main fields and its text."""

    async def work(client: PopClient) -> bytes:
        octets = bytearray()
        async for piece in client.message(number):
            octets += piece
            if len(octets) > READ_MOST:
                raise CommandError(f"message {number} is larger than {READ_MOST} octets; save it", Exit.DATAERR)
        return bytes(octets)

    for line in _readable(_run(given, work)):
        say(line)


@fetch.command(
    "save",
    epilog=example("eilpost fetch save ~/Maildir --server pop.example.org --user anna@example.org --delete"),
)
@click.argument("maildir", type=click.Path(file_okay=False))
@server_options
@click.option("--delete", is_flag=True, help="Delete from the server what is saved.")
def save(maildir: str, delete: bool, **given: Any) -> None:
    """Save new messages to a Maildir.

    What was fetched before is not fetched again: the file eilpost-fetched in the Maildir names it.
    """
    endpoint = _endpoint(given)
    state = _State(Path(maildir), f"{endpoint} {given['user']}")

    async def work(client: PopClient) -> tuple[int, int]:
        waiting = await client.messages()
        if waiting and not waiting[0].uidl:
            raise PopError("the server has no UIDL, so nothing would tell what was fetched before")
        new = [each for each in waiting if not state.knows(each.uidl)]
        await _save_all(client, new, maildir, state)
        if delete:
            await client.delete([each.number for each in waiting if state.knows(each.uidl)])
        state.keep_only({each.uidl for each in waiting} if not delete else set())
        return len(new), len(waiting)

    saved, there = _run(given, work)
    say(f"{saved} saved, {there - saved} known already" + (", all deleted from the server" if delete and there else ""))


async def _save_all(client: PopClient, new: Sequence[Waiting], maildir: str, state: _State) -> None:
    from eilpost.cli.progress import Bar

    maildirs = Maildirs(socket.gethostname())
    try:
        with Bar("fetching", len(new)) if sys.stderr.isatty() and len(new) > 1 else nullcontext() as bar:
            for each in new:
                try:
                    [result] = await maildirs.deliver_stream([(maildir, ())], client.message(each.number))
                except NoMessage as error:
                    note(f"message {each.number} is not given: {error}")
                    continue
                if isinstance(result, NotStored):
                    raise CommandError(f"{maildir}: {result.why}", Exit.CANTCREAT)
                state.add(each.uidl)
                if bar is not None:
                    bar.advance()
    finally:
        await maildirs.close()


class _State:
    """Names of messages that were saved, of one account each line; written as soon as each is safe."""

    def __init__(self, maildir: Path, account: str) -> None:
        self._path = maildir / STATE_NAME
        self._account = account
        self._lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        self._known = {line.removeprefix(f"{account} ") for line in self._lines if line.startswith(f"{account} ")}

    def knows(self, uidl: str) -> bool:
        """Whether this message was saved before."""
        return uidl in self._known

    def add(self, uidl: str) -> None:
        """It is saved."""
        self._known.add(uidl)
        self._lines.append(f"{self._account} {uidl}")
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(f"{self._lines[-1]}\n")
            file.flush()
            os.fsync(file.fileno())

    def keep_only(self, uidls: set[str]) -> None:
        """Forgets messages that the server has no more."""
        gone = {f"{self._account} {uidl}" for uidl in self._known - uidls}
        if not gone or not self._path.exists():
            return
        self._lines = [line for line in self._lines if line not in gone]
        temporary = self._path.with_name(f"{STATE_NAME}.new")
        temporary.write_text("".join(f"{line}\n" for line in self._lines), "utf-8")
        temporary.replace(self._path)
        sync_directory(str(self._path.parent))


# --- the session


def _endpoint(given: Mapping[str, Any]) -> Endpoint:
    try:
        return parse_endpoint(given["server"], PORTS[given["tls"]])
    except ValueError as error:
        raise click.BadParameter(f"{given['server']!r}: {error}", param_hint="--server") from None


def _run(given: Mapping[str, Any], work: Callable[[PopClient], Awaitable[T]]) -> T:
    endpoint = _endpoint(given)
    asked = asked_login({**given, "stdin": None, "text_file": None, "eml": ()})
    login = login_as(
        asked["user"], asked.get("password"), asked.get("token"), asked["auth"],
        plain_on_loopback=asked["plain_on_loopback"],
    )  # fmt: skip
    assert login is not None
    try:
        way = protection(given["tls"], verify=not given["insecure"], ca_file=given["ca_file"] or "")
        tell = _tell if given["transcript"] else None
        return asyncio.run(_session(PopClient(endpoint.host, endpoint.port, protection=way, tell=tell), login, work))
    except KeysError as error:
        raise CommandError(str(error), Exit.CONFIG) from None
    except LoginRefused as error:
        raise CommandError(f"{endpoint}: {error}", Exit.NOPERM) from None
    except NoMessage as error:
        raise CommandError(f"{endpoint}: {error}", Exit.NOINPUT) from None
    except PopError as error:
        raise CommandError(f"{endpoint}: {error}", Exit.UNAVAILABLE) from None


async def _session(client: PopClient, login: Login, work: Callable[[PopClient], Awaitable[T]]) -> T:
    async with client:
        await client.log_in(login)
        return await work(client)


def _tell(side: str, line: bytes) -> None:
    click.echo(shown(side, line), err=True)


# --- what is shown


def _row(waiting: Waiting, octets: bytes) -> dict[str, Any]:
    header = scan(octets)
    texts = {name: encoded_words.display(header.first(name.encode()) or b"") for name in ("Date", "From", "Subject")}
    return {
        "number": waiting.number, "octets": waiting.octets, "date": texts["Date"].strip(),
        "from": texts["From"].strip(), "subject": texts["Subject"].strip(), "uidl": waiting.uidl,
    }  # fmt: skip


def _readable(content: bytes) -> list[str]:
    """The main fields and the text; whatever could steer a terminal is escaped when it is shown."""
    header = scan(content)
    lines = [
        f"{name}: {encoded_words.display(value).strip()}" for name in _FIELDS for value in header.all(name.encode())
    ]
    root = mime.parse(content)
    plain, rich = mime.bodies(content, root)
    text = plain or mime.words_of(rich)
    return [*lines, "", *text.rstrip("\n").split("\n")]
