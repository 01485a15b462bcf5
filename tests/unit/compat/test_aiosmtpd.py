"""Programs written for aiosmtpd run over our server, and say what they say there.

Each test runs with ours; where aiosmtpd can be imported, also with it, so that the two are compared.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import mailbox
import smtplib
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import pytest

# aiosmtpd warns of logins without TLS, and of hooks in their older form.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use the 5-argument handle_EHLO:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]
CONTENT: Final = b"From: anna@a.example\r\nSubject: hello\r\n\r\nHello.\r\n.dot\r\n"


class Library(NamedTuple):
    """One of the two."""

    name: str
    controller: ModuleType
    handlers: ModuleType
    smtp: ModuleType


@pytest.fixture(params=["eilpost.compat.aiosmtpd", "aiosmtpd"])
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """Ours, and aiosmtpd itself where it is installed."""
    name: str = request.param
    if name != "aiosmtpd":
        yield _library(name)
        return
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed, so there is nothing to compare with")
    # It leaves sockets to the garbage collector: they are collected here, where nobody else is warned.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield _library(name)
        gc.collect()


def _library(name: str) -> Library:
    return Library(name, *(importlib.import_module(f"{name}.{part}") for part in ("controller", "handlers", "smtp")))


def free_port() -> int:
    """aiosmtpd cannot take port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(library: Library, handler: Any, **parameters: Any) -> Iterator[Any]:
    """A started controller."""
    controller = library.controller.Controller(handler, hostname="127.0.0.1", port=free_port(), **parameters)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


def test_the_example_of_its_documentation(library: Library) -> None:
    """A handler with RCPT and DATA hooks sees what it expects, and its replies are said."""
    seen: list[Any] = []

    class ExampleHandler:
        async def handle_RCPT(
            self, server: Any, session: Any, envelope: Any, address: str, rcpt_options: list[str]
        ) -> str:
            if not address.endswith("@example.com"):
                return "550 not relaying to that domain"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            seen.extend([envelope.mail_from, envelope.rcpt_tos, envelope.content, session.host_name])
            seen.extend([session.peer[0], session.extended_smtp, envelope.original_content == envelope.content])
            return "250 Message accepted for delivery"

    with (
        running(library, ExampleHandler()) as controller,
        smtplib.SMTP("127.0.0.1", controller.port, local_hostname="me.example") as client,
    ):
        assert client.ehlo()[0] == 250
        refused = client.sendmail("a@example.com", ["b@example.com", "c@elsewhere.example"], CONTENT)
        assert refused == {"c@elsewhere.example": (550, b"not relaying to that domain")}
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        assert client.data(CONTENT) == (250, b"Message accepted for delivery")
    assert seen[:4] == ["a@example.com", ["b@example.com"], CONTENT, "me.example"]
    assert seen[4:7] == ["127.0.0.1", True, True]


def test_every_hook_is_called(library: Library) -> None:
    """HELO, EHLO in both forms, NOOP, VRFY, MAIL, RSET and QUIT have their hooks."""

    class Old:
        async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str) -> str:
            session.host_name = hostname
            return "250 HELP"

        async def handle_HELO(self, server: Any, session: Any, envelope: Any, hostname: str) -> str:
            session.host_name = hostname
            return "250 old friend"

        async def handle_NOOP(self, server: Any, session: Any, envelope: Any, arg: str) -> str:
            return "250 noop"

        async def handle_VRFY(self, server: Any, session: Any, envelope: Any, address: str) -> str:
            return f"250 {address}"

        async def handle_MAIL(
            self, server: Any, session: Any, envelope: Any, address: str, mail_options: list[str]
        ) -> str:
            envelope.mail_from = address
            envelope.mail_options.extend(mail_options)
            return "250 " + " ".join(sorted(mail_options))

        async def handle_RSET(self, server: Any, session: Any, envelope: Any) -> str:
            assert envelope.mail_from is None
            return "250 forgotten"

        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
            return "221 so long"

    class New(Old):
        async def handle_EHLO(  # type: ignore[override]
            self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
        ) -> list[str]:
            session.host_name = hostname
            assert all(each.startswith("250-") for each in responses[:-1])
            return ["250-X-ONE", "250 X-TWO"]

    with running(library, New()) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
        assert client.ehlo("me") == (250, b"X-ONE\nX-TWO")
    with running(library, Old()) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
        assert client.helo("me") == (250, b"old friend")
        code, said = client.ehlo("me")
        assert (code, said.splitlines()[-1]) == (250, b"HELP")
        assert client.noop() == (250, b"noop")
        assert client.verify("anna@a.example") == (250, b"anna@a.example")
        assert client.docmd("MAIL FROM:<a@a.example> SIZE=10 BODY=8BITMIME") == (250, b"BODY=8BITMIME SIZE=10")
        assert client.rset() == (250, b"forgotten")
        assert client.quit() == (221, b"so long")


def login(port: int) -> None:
    """Three clients: one who does not log in, one with a wrong password, one with the right one."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        assert client.ehlo("me")[0] == 250
        assert client.mail("a@a.example")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            client.login("anna", "wrong")
    with smtplib.SMTP("127.0.0.1", port) as client:
        assert client.login("anna", "secret")[0] == 235
        client.sendmail("a@a.example", ["b@b.example"], CONTENT)


def test_login(library: Library) -> None:
    """An authenticator is given the credentials; what it keeps is in the session."""
    seen: list[Any] = []

    def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, auth_data: Any) -> Any:
        seen.append((mechanism, auth_data.login, auth_data.password))
        good = auth_data.password == b"secret"
        return library.smtp.AuthResult(success=good, handled=False, auth_data="anna's" if good else None)

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            seen.append((session.authenticated, session.auth_data))
            return "250 OK"

    parameters = {"authenticator": authenticator, "auth_required": True, "auth_require_tls": False}
    with running(library, Handler(), **parameters) as controller:
        login(controller.port)
    assert ("PLAIN", b"anna", b"wrong") in seen or ("LOGIN", b"anna", b"wrong") in seen
    assert seen[-1] == (True, "anna's")


def test_the_handlers_that_come_with_it(library: Library, tmp_path: Path) -> None:
    """Debugging prints, Mailbox delivers, Message parses, Proxy passes on, Sink forgets."""
    printed = io.StringIO()
    found: list[EmailMessage] = []

    class Parsed(library.handlers.Message):  # type: ignore[name-defined,misc]
        def handle_message(self, message: EmailMessage) -> None:
            found.append(message)

    class ParsedLater(library.handlers.AsyncMessage):  # type: ignore[name-defined,misc]
        async def handle_message(self, message: EmailMessage) -> None:
            await asyncio.sleep(0)
            found.append(message)

    def send(handler: Any) -> None:
        with running(library, handler) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
            client.sendmail("a@a.example", ["b@b.example", "c@c.example"], CONTENT)

    send(library.handlers.Sink())
    send(library.handlers.Debugging(printed))
    assert "MESSAGE FOLLOWS" in printed.getvalue()
    assert "X-Peer: ('127.0.0.1'," in printed.getvalue()
    assert printed.getvalue().endswith("Hello.\n.dot\n------------ END MESSAGE ------------\n")
    send(library.handlers.Mailbox(tmp_path / "mail"))
    [delivered] = mailbox.Maildir(str(tmp_path / "mail"))
    assert delivered["Subject"] == "hello"
    with running(library, Parsed()) as behind:
        send(library.handlers.Proxy("127.0.0.1", behind.port))
    send(ParsedLater())
    assert [message["X-RcptTo"] for message in found] == ["b@b.example, c@c.example"] * 2
    assert "X-Peer" in found[0]
    assert found[1]["X-MailFrom"] == "a@a.example"


def test_errors_of_hooks(library: Library) -> None:
    """A hook that raises is answered 500, or as ``handle_exception`` says."""

    class Raising:
        async def handle_NOOP(self, server: Any, session: Any, envelope: Any, arg: str) -> str:
            raise ValueError("what")

    class Explaining(Raising):
        async def handle_exception(self, error: Exception) -> str:
            return f"542 {type(error).__name__}"

    with running(library, Raising()) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
        client.ehlo("me")
        assert client.noop() == (500, b"Error: (ValueError) what")
    with running(library, Explaining()) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
        client.ehlo("me")
        assert client.noop() == (542, b"ValueError")


def test_a_protocol_of_ones_own(library: Library) -> None:
    """``factory`` may return a subclass with a command of its own, and with its own parameters."""

    def own(base: Any) -> Any:
        class Own(base):  # type: ignore[misc]
            async def smtp_PING(self, arg: str | None) -> None:
                await self.push(f"250 pong {arg}")

        return Own

    class OwnController(library.controller.Controller):  # type: ignore[name-defined,misc]
        def factory(self) -> Any:
            return own(library.smtp.SMTP)(self.handler, ident="Own 1.0", hostname="own.example")

    controller = OwnController(library.handlers.Sink(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        with smtplib.SMTP() as client:
            assert client.connect("127.0.0.1", controller.port) == (220, b"own.example Own 1.0")
            client.ehlo("me")
            assert client.docmd("PING", "x") == (250, b"pong x")
    finally:
        controller.stop()


def test_limits_and_decoding(library: Library) -> None:
    """``data_size_limit`` and ``decode_data`` are heeded."""
    seen: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            seen.append(envelope.content)
            return "250 OK"

    with (
        running(library, Handler(), data_size_limit=100, decode_data=True) as controller,
        smtplib.SMTP("127.0.0.1", controller.port) as client,
    ):
        client.sendmail("a@a.example", ["b@b.example"], CONTENT)
        with pytest.raises((smtplib.SMTPSenderRefused, smtplib.SMTPDataError), match="552"):
            client.sendmail("a@a.example", ["b@b.example"], CONTENT + b"x" * 100)
    assert seen == [CONTENT.decode()]


def test_sockets_and_loops_of_all_kinds(library: Library, tmp_path: Path) -> None:
    """A Unix socket; and a server in the program's own loop."""
    path = tmp_path / "smtp.sock"
    controller = library.controller.UnixSocketController(library.handlers.Sink(), str(path))
    controller.start()
    try:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            assert raw.recv(100).startswith(b"220")
    finally:
        controller.stop()
    loop = asyncio.new_event_loop()
    unthreaded = library.controller.UnthreadedController(
        library.handlers.Sink(), hostname="127.0.0.1", port=free_port(), loop=loop
    )
    unthreaded.begin()

    async def greeting() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", unthreaded.port)
        line = await reader.readline()
        writer.close()
        return line

    assert loop.run_until_complete(greeting()).startswith(b"220")
    unthreaded.end()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def test_ours_takes_port_0_and_is_a_context_manager() -> None:
    """What aiosmtpd cannot: a free port that is told, and ``with``."""
    from eilpost.compat.aiosmtpd.controller import Controller
    from eilpost.compat.aiosmtpd.handlers import Sink

    with Controller(Sink(), port=0) as controller, smtplib.SMTP("127.0.0.1", controller.port) as client:
        assert client.noop()[0] == 250
    with pytest.raises(AssertionError):
        controller.stop()
    controller.stop(no_assert=True)
    taken = Controller(Sink(), port=free_port())
    with taken, pytest.raises(OSError, match="in use"):
        Controller(Sink(), port=taken.port).start()


def test_lmtp_answers_for_each_recipient() -> None:
    """LMTP is spoken as RFC 2033 §4.2 wants it."""
    from eilpost.compat.aiosmtpd.controller import Controller
    from eilpost.compat.aiosmtpd.lmtp import LMTP

    class LmtpController(Controller):
        def factory(self) -> LMTP:
            return LMTP(self.handler)

    with LmtpController(object(), port=0) as controller, smtplib.LMTP("127.0.0.1", controller.port) as client:
        client.ehlo("me")
        client.mail("a@a.example")
        client.rcpt("b@b.example")
        client.rcpt("c@c.example")
        assert client.data(CONTENT) == (250, b"OK")
        assert client.getreply() == (250, b"OK")


def test_no_secret_is_printed() -> None:
    """Credentials hide their password."""
    from eilpost.compat.aiosmtpd.smtp import LoginPassword

    assert "secret" not in f"{LoginPassword(b'anna', b'secret')} {LoginPassword(b'anna', b'secret')!r}"
