"""``eilpost send``: a mail user agent for people and scripts (a deed)."""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import click

from eilpost.cli.dialogue import explained, shown
from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import example, json_option
from eilpost.cli.output import note, say, show_json
from eilpost.cli.secret import LOGIN_REFUSED, asked_login
from eilpost.client import Client, ClientError, MessageError, NotConnected, Receipt
from eilpost.client.client import own_name
from eilpost.client.prepare import Given
from eilpost.config.values import Endpoint, parse_endpoint
from eilpost.mail.outcome import Fate, Outcome
from eilpost.mail.reply import Reply
from eilpost.message.compose import Attachment, ComposeError, Letter, compose
from eilpost.message.dates import format as format_date
from eilpost.message.mailboxes import addresses
from eilpost.net.tls import KeysError
from eilpost.sasl.choose import AUTO
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.smtp.commands import Dialect

_SESSIONS: Final = 4
_STDIN: Final = "-"
_UNKNOWN_KIND: Final = "application/octet-stream"
_LARGE: Final = 1_000_000  # octets from which on it may take a while

_CODES: Final[Mapping[Fate, Exit]] = MappingProxyType({
    Fate.DEFERRED: Exit.TEMPFAIL,
    Fate.FAILED: Exit.UNAVAILABLE,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Item:
    """One message to send: what it is called, and its envelope where the header does not tell."""

    name: str
    message: Given
    sender: str | None = None
    recipients: tuple[str, ...] | None = None


class _Bar(Protocol):
    def advance(self) -> None:
        """One message is done."""
        ...


@click.command(
    epilog=example(
        "eilpost send --server 127.0.0.1:2525 --from anna@example.org --to berta@example.org --subject Hi --body Hello",
        "eilpost send --server mx.example.org --eml message.eml --transcript --explain",
        "pass show mail | eilpost send --server smtp.example.org:587 --user anna --password-stdin --eml message.eml",
        "date | eilpost send --from cron@example.org --to ops@example.org --subject Time -",
    )
)
@click.argument("stdin", metavar="[-]", required=False, type=click.Choice(["-"]))
@click.option(
    "--server",
    metavar="HOST:PORT",
    default="localhost:25",
    show_default=True,
    help="Where to send it: host:port, [v6]:port or unix:/path.",
)
@click.option("--from", "sender", metavar="ADDRESS", help="The author, and the reverse-path; <> is the null one.")
@click.option("--to", multiple=True, metavar="ADDRESS", help="A recipient; repeat it for more.")
@click.option("--cc", multiple=True, metavar="ADDRESS", help="A recipient of a copy.")
@click.option("--bcc", multiple=True, metavar="ADDRESS", help="A recipient that the others do not see.")
@click.option("--subject", default="", help="The subject.")
@click.option("--body", help="The text.")
@click.option(
    "--file",
    "text_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="A file with the text; - is standard input.",
)
@click.option(
    "--eml",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="A file with a whole message, or - for standard input; repeat it for more.",
)
@click.option("--attach", multiple=True, type=click.Path(exists=True, dir_okay=False), help="A file to attach.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A further header field.")
@click.option(
    "--tls",
    type=click.Choice(["off", "starttls", "implicit"]),
    default="off",
    show_default=True,
    help="How to encrypt: not at all, after STARTTLS, or from the first octet.",
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The authorities to check the server's certificate against; else the system's.",
)
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.option("--user", metavar="NAME", help="Log in; the password is asked for, or is in $EILPOST_PASSWORD.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--token-stdin", is_flag=True, help="Read an OAuth token from there; it may be in $EILPOST_TOKEN too.")
@click.option(
    "--auth",
    type=click.Choice([AUTO, *MECHANISMS], case_sensitive=False),
    default=AUTO,
    help="How to log in; else the best that both have.",
)
@click.option("--plain-on-loopback", is_flag=True, help="Show a server on this machine the password without TLS.")
@click.option("--lmtp", is_flag=True, help="Speak LMTP.")
@click.option("--hello", default="", metavar="NAME", help="How to greet; else by this host's name.")
@click.option("--transcript", is_flag=True, help="Show the dialogue on standard error.")
@click.option("--explain", is_flag=True, help="With each line of the dialogue, show what it means.")
@json_option
def send(**given: Any) -> int:
    """Send a message.

    The text comes from --body, --file or, with -, from standard input. --eml sends whole messages as they are;
    sender and recipients then come from their headers unless --from and --to are given.
    """  # fmt: skip
    endpoint = _endpoint(given["server"])
    login = asked_login(given)
    try:
        items = _whole(given) if given["eml"] else [_composed(given)]
        results = asyncio.run(_send_all(items, endpoint, login, given))
    except KeysError as error:
        raise CommandError(f"--ca: {error}", Exit.NOINPUT) from None
    except (MessageError, ComposeError) as error:
        raise CommandError(str(error), Exit.DATAERR) from None
    except NotConnected as error:
        raise CommandError(f"{endpoint}: {error}", _code(error.reply)) from None
    return _tell(items, results, as_json=given["as_json"])


def _code(said: Reply | None) -> Exit:
    """For a server that takes no mail from us."""
    if said is None:
        return Exit.UNAVAILABLE
    if said.code in LOGIN_REFUSED:
        return Exit.NOPERM
    return Exit.TEMPFAIL if said.is_transient else Exit.UNAVAILABLE


def _endpoint(text: str) -> Endpoint:
    try:
        return parse_endpoint(text, 25)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--server") from None


# --- what is sent


def _composed(given: Mapping[str, Any]) -> _Item:
    sources = [name for name in ("body", "text_file", "stdin") if given[name] is not None]
    if len(sources) > 1:
        raise click.UsageError("give the text once only")
    if not sources and not given["attach"]:
        raise click.UsageError("give the text: --body TEXT, --file FILE or - for standard input; or --eml FILE")
    if given["sender"] is None:
        raise click.UsageError("say who sends it: --from ADDRESS")
    recipients = _addresses([*given["to"], *given["cc"], *given["bcc"]])
    if not recipients:
        raise click.UsageError("say who gets it: --to ADDRESS")
    sender = given["sender"]
    letter = Letter(
        "" if sender == "<>" else sender,
        given["to"],
        given["cc"],
        given["subject"],
        _text(sources[0], given) if sources else "",
        given["headers"],
        [_attachment(Path(file)) for file in given["attach"]],
    )
    host = own_name().strip("[]")
    message = compose(letter, date=_date(), message_id=f"<{secrets.token_hex(12)}@{host}>")
    return _Item("", message, _envelope_sender(sender), recipients)


def _date() -> str:
    now = time.time()
    return format_date(now, time.localtime(now).tm_gmtoff)


def _text(source: str, given: Mapping[str, Any]) -> str:
    if source == "body":
        return str(given["body"])
    file = _STDIN if source == "stdin" else given["text_file"]
    try:
        return _octets(file).decode()
    except UnicodeDecodeError:
        what = "standard input" if file == _STDIN else file
        raise CommandError(f"{what} is no text in UTF-8; send it by --attach", Exit.DATAERR) from None


def _octets(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()


def _attachment(file: Path) -> Attachment:
    kind, encoding = mimetypes.guess_type(file.name)
    return Attachment(file.name, kind if kind and not encoding else _UNKNOWN_KIND, file.read_bytes())


def _whole(given: Mapping[str, Any]) -> list[_Item]:
    wrong = [name for name in ("body", "text_file", "stdin", "subject", "headers", "attach") if given[name]]
    if wrong:
        raise click.UsageError("--eml sends messages as they are: no text, subject, header or attachment goes with it")
    sender = None if given["sender"] is None else _envelope_sender(given["sender"])
    recipients = _addresses([*given["to"], *given["cc"], *given["bcc"]]) or None
    return [_Item(file, _octets(file), sender, recipients) for file in given["eml"]]


def _addresses(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for value in values for address in addresses(value)))


def _envelope_sender(text: str) -> str:
    if text in ("", "<>"):
        return ""
    return next(addresses(text), text)


# --- how it is sent


async def _send_all(
    items: Sequence[_Item], endpoint: Endpoint, login: Mapping[str, Any], given: Mapping[str, Any]
) -> list[Receipt | ClientError]:
    """A result for each message, in order; a session that does not come about ends it all."""
    watched = given["transcript"] or given["explain"]
    client = Client(
        endpoint.path or endpoint.host,
        endpoint.port,
        dialect=Dialect.LMTP if given["lmtp"] else Dialect.SMTP,
        hostname=given["hello"],
        size=1 if watched else _SESSIONS,
        tell=_teller(given["explain"]) if watched else None,
        tls=given["tls"],
        verify=not given["insecure"],
        ca_file=given["ca"] or "",
        **login,
    )
    with _progress(items, quiet=watched) as bar:
        async with client:
            places = asyncio.Semaphore(_SESSIONS)

            async def one(item: _Item) -> Receipt | ClientError:
                async with places:
                    try:
                        return await client.send(item.message, sender=item.sender, recipients=item.recipients)
                    except MessageError as error:
                        if len(items) == 1:
                            raise
                        return error
                    finally:
                        if bar is not None:
                            bar.advance()

            return list(await asyncio.gather(*map(one, items)))


def _teller(explain: bool) -> Any:
    def tell(side: str, line: bytes) -> None:
        click.echo(shown(side, line), err=True)
        if explain and (meaning := explained(side, line)):
            note(f"     {meaning}")

    return tell


def _progress(items: Sequence[_Item], *, quiet: bool) -> AbstractContextManager[_Bar | None]:
    """A bar for a person who waits: for many messages, or for a large one."""
    large = any(isinstance(item.message, bytes) and len(item.message) > _LARGE for item in items)
    if quiet or not sys.stderr.isatty() or (len(items) < 2 and not large):
        return nullcontext()
    from eilpost.cli.progress import Bar

    return Bar("sending", len(items) if len(items) > 1 else None)


# --- what became of it


def _tell(items: Sequence[_Item], results: Sequence[Receipt | ClientError], *, as_json: bool) -> int:
    rows = [row for item, result in zip(items, results, strict=True) for row in _rows(item, result)]
    if as_json:
        show_json([{key: value for key, value in row.items() if key != "code"} for row in rows])
    else:
        for row in rows:
            where = f"{row['file']}: " if len(items) > 1 else ""
            line = f"{where}{row['recipient'] or '-'}: {row['fate']}, {row['diagnostic'].removeprefix('smtp; ')}"
            (say if row["code"] is Exit.OK else note)(line)
    return max((row["code"] for row in rows), default=Exit.OK)


def _rows(item: _Item, result: Receipt | ClientError) -> list[dict[str, Any]]:
    if isinstance(result, Receipt):
        return [_row(item, outcome) for outcome in result.outcomes]
    return [{"file": item.name, "recipient": "", "fate": "not sent", "status": "", "diagnostic": str(result),
             "code": Exit.DATAERR}]  # fmt: skip


def _row(item: _Item, outcome: Outcome) -> dict[str, Any]:
    code = _CODES.get(outcome.fate, Exit.OK)
    if outcome.fate is Fate.FAILED and outcome.status.subject == 1:
        code = Exit.NOUSER
    return {
        "file": item.name,
        "recipient": str(outcome.recipient),
        "fate": "accepted" if outcome.fate is Fate.RELAYED else outcome.fate.value,  # all that a client can know
        "status": str(outcome.status),
        "diagnostic": outcome.diagnostic,
        "code": code,
    }
