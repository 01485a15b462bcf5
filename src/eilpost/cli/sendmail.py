"""``eilpost-sendmail``: what programs call sendmail, mailq and newaliases (a deed).

It hands the message to the running server and returns when it is durable there. Nothing is queued
here: when the server does not answer, the exit code is 75, and who calls tries again.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from eilpost.cli.exits import Exit
from eilpost.cli.sendmail_flags import FlagError, Mode, Order, parse

if TYPE_CHECKING:
    import socket

    from eilpost.cli.sendmail_submit import Settings
    from eilpost.mail.address import Address
    from eilpost.smtp.client_results import Result
    from eilpost.smtp.client_transaction import Parcel

_BLOCK: Final = 65536


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line; returns the exit code."""
    gc.disable()  # nothing lives long enough here to be worth looking for
    from eilpost.cli.sendmail_submit import SettingsError
    from eilpost.mail.address import AddressError

    words = sys.argv[1:] if arguments is None else arguments
    try:
        order = parse(os.path.basename(sys.argv[0]), words)
        return _MODES[order.mode](order)
    except FlagError as error:
        return _fail(str(error), Exit.USAGE)
    except AddressError as error:
        return _fail(str(error), Exit.DATAERR)
    except SettingsError as error:
        return _fail(str(error), Exit.CONFIG)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except OSError as error:
        return _fail(f"{error.strerror or error}", Exit.TEMPFAIL)


def _fail(sentence: str, code: Exit) -> int:
    text = "".join(char if char.isprintable() else "?" for char in sentence)
    print(f"eilpost-sendmail: {text}", file=sys.stderr)
    return code


def _deliver(order: Order) -> int:
    from eilpost.cli.sendmail_submit import connect, read_settings, submit

    if not order.recipients and not order.from_header:
        raise FlagError("no recipient is given; name one, or use -t to take them from the header")
    settings = read_settings(order.config)
    parcel = _parcel(order, settings, sys.stdin.buffer.read())
    if not parcel.recipients:
        return _fail("the message names no recipient in To, Cc or Bcc", Exit.DATAERR)
    try:
        connection = connect(settings)
    except OSError as error:
        return _fail(f"{settings.socket}: {error.strerror}; is `eilpost serve` running?", Exit.TEMPFAIL)
    with connection:
        results = submit(connection, parcel, settings, _show if order.verbose else None)
    return _tell(parcel, results)


def _parcel(order: Order, settings: Settings, octets: bytes) -> Parcel:
    from eilpost.cli.sendmail_message import content, header_recipients, with_author
    from eilpost.cli.sendmail_submit import address_of, user
    from eilpost.mail.envelope import MailParameters, RcptParameters, Recipient, ReversePath
    from eilpost.smtp.client_terms import traits_of
    from eilpost.smtp.client_transaction import Parcel

    name, full_name = user()
    me = address_of(name, settings)
    sender = me if order.sender is None else _sender(order.sender, settings)
    octets = content(octets, ignore_dots=order.ignore_dots)
    found = [*order.recipients, *(header_recipients(octets) if order.from_header else ())]
    wishes = RcptParameters(notify=order.notify)
    recipients = dict.fromkeys(Recipient(address_of(text, settings), wishes) for text in found)
    octets = with_author(octets, sender or me, full_name if order.name is None else order.name)
    traits = traits_of(octets)
    parameters = MailParameters(smtputf8=traits.has_8bit_header, ret=order.ret, envid=order.envid)
    return Parcel(ReversePath(sender), tuple(recipients), parameters, traits, octets, verified=not traits.is_binary)


def _sender(text: str, settings: Settings) -> Address | None:
    """The mailbox that ``-f`` names; None for the null reverse-path."""
    from eilpost.cli.sendmail_submit import address_of

    return None if text in ("", "<>") else address_of(text, settings)


def _show(side: bytes, octets: bytes) -> None:
    """``-v``: each line of the dialogue, the long ones cut."""
    lines = octets.decode("utf-8", "replace").split("\r\n")
    for line in lines[:20]:
        shown = "".join(char if char.isprintable() else "?" for char in line[:200])
        if shown:
            print(f"{side.decode()}: {shown}", file=sys.stderr)
    if len(lines) > 20:
        print(f"{side.decode()}: … {len(octets)} octets", file=sys.stderr)


def _tell(parcel: Parcel, results: list[Result]) -> int:
    """The exit code, and a line for each recipient that was not taken."""
    from eilpost.mail.outcome import Fate
    from eilpost.smtp.client_meaning import meaning
    from eilpost.smtp.client_results import Answered, Stage

    codes = {Exit.OK}
    for recipient, result in zip(parcel.recipients, results, strict=True):
        meant = meaning(result, Fate.RELAYED)
        if meant.fate is Fate.RELAYED:
            continue
        unknown = isinstance(result, Answered) and result.stage is Stage.RCPT
        permanent = Exit.NOUSER if unknown else Exit.DATAERR
        codes.add(Exit.TEMPFAIL if meant.fate is Fate.DEFERRED else permanent)
        _fail(f"{recipient.address}: {meant.diagnostic}", Exit.OK)
    return max(codes)


def _talk(order: Order) -> int:
    """``-bs``: standard input and output are the client's side of a session."""
    from eilpost.cli.sendmail_submit import connect, read_settings

    settings = read_settings(order.config)
    try:
        connection = connect(settings)
    except OSError as error:
        sys.stdout.write("421 4.3.2 The mail system does not answer\r\n")
        sys.stdout.flush()
        return _fail(f"{settings.socket}: {error.strerror}; is `eilpost serve` running?", Exit.TEMPFAIL)
    import threading

    connection.settimeout(None)
    # A daemon: when the server ends the session, nobody waits for more input.
    threading.Thread(target=_pass_on, args=(connection,), daemon=True).start()
    with connection:
        while octets := connection.recv(_BLOCK):
            sys.stdout.buffer.write(octets)
            sys.stdout.buffer.flush()
    return Exit.OK


def _pass_on(connection: socket.socket) -> None:
    """Standard input to the server, and its end."""
    import contextlib
    import socket

    with contextlib.suppress(OSError):
        while octets := os.read(sys.stdin.fileno(), _BLOCK):
            connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)


def _eilpost(order: Order, *words: str) -> int:
    """The same by the operator's command, which takes longer to load."""
    from eilpost.cli.main import main as eilpost

    return eilpost([*words, *(("-c", order.config) if order.config else ())])


def _aliases(order: Order) -> int:
    """``newaliases``: the file needs no building, it is read when it changes. Loading the configuration checks it."""
    from eilpost.config.load import load
    from eilpost.config.problem import ConfigError
    from eilpost.route.aliases_file import parse_aliases

    try:
        file = load(order.config).aliases.file
        if not file:
            print("There is no file of aliases; `eilpost alias list` shows the others.")
            return Exit.OK
        with open(file, encoding="utf-8") as stream:
            found = parse_aliases(stream.read())
    except ConfigError as error:
        return _fail(str(error), Exit.CONFIG)
    longest = max((len(row.members) for row in found), default=0)
    print(f"{file}: {len(found)} aliases, longest {longest} members; changes are seen without newaliases")
    return Exit.OK


def _help(_order: Order) -> int:
    from eilpost.cli.sendmail_flags import usage

    print(usage())
    return Exit.OK


_MODES: Final[Mapping[Mode, Callable[[Order], int]]] = MappingProxyType({
    Mode.DELIVER: _deliver,
    Mode.STDIO: _talk,
    Mode.LIST: lambda order: _eilpost(order, "queue", "list"),
    Mode.FLUSH: lambda order: _eilpost(order, "queue", "retry", *order.flush),
    Mode.ALIASES: _aliases,
    Mode.HELP: _help,
})  # fmt: skip
