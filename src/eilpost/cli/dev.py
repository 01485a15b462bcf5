"""``eilpost dev``: the developer's inbox in the foreground; every choice is a flag and a variable (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import example

if TYPE_CHECKING:
    from eilpost.cli.dev_choices import Chosen

VARIABLES: Final = "EILPOST_DEV"


class Many(click.types.StringParamType):
    """A text of which a variable holds several, with semicolons."""

    envvar_list_splitter: ClassVar[str] = ";"


MANY: Final = Many()


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _many(*names: str, metavar: str, help: str) -> Decorator:
    return click.option(*names, multiple=True, type=MANY, metavar=metavar, help=f"{help} May be given again.")


@click.command(
    context_settings={"auto_envvar_prefix": VARIABLES, "show_default": True},
    epilog=example(
        "eilpost dev",
        "eilpost dev --keep mail.db --newest 10000 --mailboxes login",
        "eilpost dev --fault 'rcpt to=*@full.test reply=452' --fault 'end rate=10/60s'",
        "EILPOST_DEV_SMTP=0.0.0.0:1025 EILPOST_DEV_HTTP=off eilpost dev",
    ),
)
@click.option("--smtp", default="127.0.0.1:1025", metavar="ADDRESS", help="Where mail is taken.")
@click.option("--http", default="127.0.0.1:8025", metavar="ADDRESS", help="The page and the API; off for neither.")
@click.option("--pop3", default="127.0.0.1:1110", metavar="ADDRESS", help="Where mail is fetched; off for nowhere.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="FILE", help="Keep mail in this file, else in memory.")
@click.option("--newest", default=0, type=click.IntRange(0), metavar="N", help="Keep the newest N alone; 0 is all.")
@click.option("--age", default="0s", metavar="TIME", help="Delete mail that is older: 12h, 7d; 0s is never.")
@click.option(
    "--mailboxes", default="none", type=click.Choice(["none", "login", "domain", "tag"]), help="What keeps them apart."
)
@click.option("--size", default="100MB", metavar="SIZE", help="The biggest message that is taken.")
@_many("--fault", metavar="RULE", help="A fault on demand: 'rcpt to=*@full.test reply=452'.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="Faults from a TOML file: [[fault]].")
@click.option("--address-faults/--no-address-faults", default=True, help="Addresses such as anna+550@ ask for faults.")
@click.option("--plus-tags/--no-plus-tags", default=True, help="Mail to anna+sale@ is tagged sale.")
@_many(
    "--account", metavar="NAME:PASSWORD", help="Only these may send, with SMTP AUTH; none given: any login, or none."
)
@click.option("--tls/--no-tls", default=True, help="Offer STARTTLS, with a certificate of its own.")
@click.option("--tls-directory", type=click.Path(path_type=Path), metavar="DIR", help="Where its certificate lies.")
@click.option("--release-to", default="", metavar="HOST:PORT", help="A real server that messages may be sent on to.")
@_many("--release-allow", metavar="PATTERN", help="Who may be written to by release: '*@example.org'.")
@_many("--release-auto", metavar="PATTERN", help="Whose mail is released by itself.")
@click.option("--release-from", default="", metavar="ADDRESS", help="The sender of released mail, else its own.")
@_many("--webhook", metavar="URL", help="Each arrival is posted there as JSON.")
@_many("--user", metavar="NAME:PASSWORD", help="Who may sign in at the page; needed beyond loopback.")
@_many("--token", metavar="TOKEN", help="A bearer token for the API.")
@_many("--http-name", metavar="NAME", help="A name by which the page is called, besides localhost and addresses.")
@_many("--http-origin", metavar="ORIGIN", help="Another site that may use the API: https://app.test.")
@_many("--import", "imports", metavar="PATH", help="Begin with this mail: .eml, mbox, Maildir, or a directory of .eml.")
@click.option("--export", type=click.Path(path_type=Path), metavar="PATH", help="Write what --keep holds, and end.")
@click.option("--format", "form", default="mbox", type=click.Choice(["mbox", "maildir", "eml"]), help="Of --export.")
@click.option("--quiet", is_flag=True, help="Say nothing at the start.")
def dev(**given: Any) -> None:
    """Take every mail, deliver none, and show it.

    For those who write programs that send mail: point them at port 1025 and look at
    http://127.0.0.1:8025. Any login is good, STARTTLS works, faults come on demand, and an API
    (Mailpit's too) tells tests what came. Each option is also a variable, EILPOST_DEV_ and its
    name, several with semicolons between.
    """
    from eilpost.cli.dev_choices import choose
    from eilpost.cli.serve import _loop

    chosen = choose(given)
    _loop(lambda: _export(chosen) if chosen.export is not None else _run(chosen))


async def _run(chosen: Chosen) -> None:
    from eilpost.cli.dev_house import DevHouse
    from eilpost.inbox.contract import InboxError
    from eilpost.net.listen import ListenError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with DevHouse(chosen) as house:
            if not chosen.quiet:
                click.echo(house.banner(), err=True)
            await _import(chosen, house)
            await stop.wait()
            house.inbox.end_watching()
    except (ListenError, InboxError) as error:
        raise CommandError(_mended(str(error)), Exit.UNAVAILABLE) from None


async def _import(chosen: Chosen, house: Any) -> None:
    from eilpost.inbox.transfer import import_path

    for path in chosen.imports:
        count = await import_path(house.inbox, path)
        click.echo(f"{count} messages from {path}", err=True)


async def _export(chosen: Chosen) -> None:
    from eilpost.inbox.contract import InboxError
    from eilpost.inbox.store import Inbox
    from eilpost.inbox.transfer import Form, export

    assert chosen.export is not None
    try:
        async with Inbox(chosen.service.keep) as inbox:
            count = await export(inbox, chosen.export, Form(chosen.form))
    except InboxError as error:
        raise CommandError(str(error), Exit.CANTCREAT) from None
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"{count} messages in {chosen.export}", err=True)


def _mended(text: str) -> str:
    """A busy port is the commonest trouble: another inbox runs. Port 0 takes a free one."""
    if "change the address, or what uses it" not in text:
        return text
    flags = "--smtp, --http or --pop3 127.0.0.1:0"
    return f"{text.partition('; change')[0]}; end what uses it, or let {flags} take a free port"
