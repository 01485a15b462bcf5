"""A session of the server library: every step asks the handler, and says what it answered."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import smtplib
import ssl
import time

import pytest

from eilpost.mail.address import parse_address
from eilpost.mail.envelope import Envelope
from eilpost.mail.reply import Reply, reply
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.tls import server_context
from eilpost.sasl.words import Answer as CheckAnswer
from eilpost.sasl.words import CheckPassword, Failure, Granted, Reason, ServerStep
from eilpost.server import Deadlines, Handler, HangUp, Limits, Raw, Server, Session
from eilpost.server.answers import Answer, EndAnswer
from eilpost.smtp.commands import Dialect
from eilpost.smtp.events import (
    Auth,
    ChunkEnd,
    ContentEnd,
    Data,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Verify,
)
from tests.unit.server.talking import Keeper, calling

NO = reply(550, "5.7.1", "No")
LATER = reply(451, "4.7.1", "Later")


class Contrary(Handler):
    """Answers each step with the code in ``says``; what is not there is left to the server."""

    def __init__(self, **says: Answer) -> None:
        self.says = says

    def connected(self, session: Session) -> Answer:
        return self.says.get("connected")

    def hello(self, session: Session, event: Hello) -> Answer:
        return self.says.get("hello")

    def mail(self, session: Session, event: Mail) -> Answer:
        return self.says.get("mail")

    async def rcpt(self, session: Session, event: Rcpt) -> Reply | Raw | HangUp | None:
        await asyncio.sleep(0)
        said = self.says.get("rcpt")
        assert said is None or isinstance(said, Reply | Raw | HangUp)
        return said

    def data(self, session: Session, event: Data) -> Answer:
        return self.says.get("data")

    def chunk_end(self, session: Session, event: ChunkEnd) -> Answer:
        return self.says.get("chunk_end")

    def message(self, session: Session, envelope: Envelope, content: bytes) -> EndAnswer:
        return self.says.get("message")

    def reset(self, session: Session, event: Reset) -> Answer:
        return self.says.get("reset")

    def noop(self, session: Session, event: Noop) -> Answer:
        return self.says.get("noop")

    def verify(self, session: Session, event: Verify) -> Answer:
        return self.says.get("verify")

    def expand(self, session: Session, event: Expand) -> Answer:
        return self.says.get("expand")

    def help(self, session: Session, event: Help) -> Answer:
        return self.says.get("help")

    def quit(self, session: Session, event: Quit) -> Answer:
        return self.says.get("quit")

    def refused(self, session: Session, event: Refused) -> Answer:
        return self.says.get("refused")

    def starttls(self, session: Session, event: StartTls) -> Answer:
        return self.says.get("starttls")

    def auth(self, session: Session, event: Auth) -> Answer:
        return self.says.get("auth")


DIALOGUE = {
    "hello": "EHLO me.example",
    "mail": "MAIL FROM:<a@a.example>",
    "rcpt": "RCPT TO:<b@b.example>",
    "noop": "NOOP",
    "verify": "VRFY b",
    "expand": "EXPN b",
    "help": "HELP",
    "reset": "RSET",
    "refused": "NONSENSE",
    "quit": "QUIT",
}
DEFAULTS = ["250", "250", "250", "250", "252", "502", "214", "250", "500", "221"]


async def test_everything_has_an_answer_without_a_handler() -> None:
    """A handler that says nothing leaves every reply to the server."""
    async with Server(Contrary()) as server, calling(server) as caller:
        assert await caller.codes(*DIALOGUE.values()) == DEFAULTS


@pytest.mark.parametrize("step", DIALOGUE)
async def test_every_step_can_be_answered(step: str) -> None:
    """Whatever a hook answers is said in place of the server's own words."""
    async with Server(Contrary(**{step: LATER})) as server, calling(server) as caller:
        said = {}
        for name, line in DIALOGUE.items():
            [said[name]] = await caller.say(line)
            if name == step:
                break
        assert said[step] == "451 4.7.1 Later"


async def test_a_handler_may_greet_and_turn_away() -> None:
    """The banner is the handler's if it wants; a refusal there ends the session."""
    greeting = Reply(220, None, ("mx.example ESMTP here",))
    async with Server(Contrary(connected=greeting)) as server, calling(server, greeted=False) as caller:
        assert await caller.hear() == "220 mx.example ESMTP here"
    unfriendly = Contrary(connected=reply(554, "5.7.1", "Not you"))
    async with Server(unfriendly) as server, calling(server, greeted=False) as caller:
        assert await caller.rest() == b"554 5.7.1 Not you\r\n"


async def test_content_can_be_refused_before_and_after() -> None:
    """A hook refuses DATA, a chunk, or the whole message."""
    async with Server(Contrary(data=LATER)) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.codes("DATA") == ["451"]
    async with Server(Contrary(message=NO)) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.send() == "550 5.7.1 No"
        assert await caller.codes("RCPT TO:<b@b.example>") == ["503"]
    async with Server(Contrary(chunk_end=NO)) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.codes("BDAT 4\r\nab") == ["550"]


async def test_chunks_make_one_message() -> None:
    """What came by BDAT is one content."""
    handler = Keeper()
    async with Server(handler) as server, calling(server) as caller:
        await caller.begin()
        caller.writer.write(b"BDAT 6\r\nSubjecBDAT 8 LAST\r\nt: x\r\n\r\n")
        assert (await caller.hear())[:3] == "250"
        assert (await caller.hear())[:3] == "250"
    assert handler.messages[0][1] == b"Subject: x\r\n\r\n"[:14]


async def test_content_streams() -> None:
    """A handler that overrides ``content`` is given pieces as they come, and is waited for."""

    class Streaming(Handler):
        def __init__(self) -> None:
            self.pieces: list[bytes] = []

        async def content(self, session: Session, octets: bytes) -> None:
            await asyncio.sleep(0)
            self.pieces.append(octets)

        async def end(self, session: Session, event: ContentEnd) -> Reply:
            return reply(250, "2.0.0", f"{event.size} octets")

    handler = Streaming()
    content = b"".join(b"line %06d\r\n" % number for number in range(40_000))
    async with Server(handler) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.send(content) == f"250 2.0.0 {len(content)} octets"
    assert b"".join(handler.pieces) == content
    assert len(handler.pieces) > 1


async def test_a_bug_in_a_hook_costs_one_reply() -> None:
    """A hook that raises is answered 451, is told, and the session goes on."""

    class Buggy(Handler):
        def __init__(self) -> None:
            self.errors: list[Exception] = []

        def mail(self, session: Session, event: Mail) -> Answer:
            raise ZeroDivisionError

        def failed(self, session: Session, error: Exception) -> Answer:
            self.errors.append(error)
            return None

        def content(self, session: Session, octets: bytes) -> None:
            raise KeyError("x")

    class BuggyLater(Buggy):
        def mail(self, session: Session, event: Mail) -> Answer:
            return None

    handler = Buggy()
    async with Server(handler) as server, calling(server) as caller:
        assert await caller.codes("EHLO a", "MAIL FROM:<>", "NOOP") == ["250", "451", "250"]
    assert [type(error) for error in handler.errors] == [ZeroDivisionError]
    handler = BuggyLater()
    async with Server(handler) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.send() == "451 4.3.0 Something went wrong here, try again later"
        await caller.begin()
    assert [type(error) for error in handler.errors] == [KeyError]


async def test_a_server_can_misbehave_on_purpose() -> None:
    """Half a reply and a dropped connection; octets that are no reply; a reply in pieces."""
    async with Server(Contrary(mail=HangUp(b"25"))) as server, calling(server) as caller:
        await caller.say("EHLO me")
        caller.writer.write(b"MAIL FROM:<>\r\n")
        assert await caller.rest() == b"25"
    async with Server(Contrary(mail=HangUp(abort=True))) as server, calling(server) as caller:
        await caller.say("EHLO me")
        caller.writer.write(b"MAIL FROM:<>\r\n")
        with contextlib.suppress(ConnectionError):
            assert await caller.rest() == b""
    odd = Raw(b"999 what\r\n", reply(250, None, "Ok"))
    async with Server(Contrary(mail=odd)) as server, calling(server) as caller:
        assert await caller.say("EHLO me", "MAIL FROM:<>", "RCPT TO:<a@b.example>") != []

    class Slow(Handler):
        async def noop(self, session: Session, event: Noop) -> Raw:
            for octet in b"250 slo":
                await session.say(bytes((octet,)))
                await asyncio.sleep(0)
            return Raw(b"wly\r\n", reply(250, None, "slowly"))

    async with Server(Slow()) as server, calling(server) as caller:
        assert await caller.say("NOOP") == ["250 slowly"]


async def test_recipients_errors_and_junk_are_limited() -> None:
    """One recipient too many is 452; too many errors or useless commands end the session."""
    limits = Limits(recipients=1, errors=2, junk=5)
    async with Server(limits=limits) as server, calling(server) as caller:
        await caller.begin()
        assert await caller.codes("RCPT TO:<c@c.example>") == ["452"]
        assert await caller.codes("X", "Y") == ["500", "500"]
        assert await caller.rest() == b"421 4.7.0 Too many errors\r\n"
    async with Server(limits=limits) as server, calling(server) as caller:
        assert await caller.codes(*["NOOP"] * 5) == ["250"] * 5
        assert await caller.rest() == b"421 4.7.0 Too many commands without effect\r\n"


async def test_a_message_that_is_too_big_is_refused() -> None:
    """Beyond the limit the server refuses, announced or not, and the handler has the last word."""
    async with Server(Keeper(), limits=Limits(message_size=100)) as server, calling(server) as caller:
        assert "SIZE 100" in (await caller.say("EHLO me"))[0]
        assert await caller.codes("MAIL FROM:<> SIZE=101") == ["552"]
        await caller.begin()
        assert (await caller.send(b"x" * 99 + b"\r\n")).startswith("552 5.3.4")


async def test_who_says_nothing_is_told_to_go() -> None:
    """A client that sends no command in time gets 421, and so does one that stops in its content."""
    handler = Keeper()
    deadlines = Deadlines(command=0.05, content=0.05)
    async with Server(handler, deadlines=deadlines) as server:
        async with calling(server) as caller:
            assert await caller.rest() == b"421 4.4.2 Timeout\r\n"
        async with calling(server) as caller:
            await caller.begin()
            await caller.say("DATA")
            caller.writer.write(b"half")
            assert await caller.rest() == b"421 4.4.2 Timeout\r\n"
    assert handler.reasons == ["deadline", "deadline"]


async def test_lmtp_answers_for_each_recipient() -> None:
    """In LMTP a sequence of replies is one for each recipient."""

    class Choosy(Handler):
        def message(self, session: Session, envelope: Envelope, content: bytes) -> EndAnswer:
            return [NO if each.address.local_part == "no" else reply(250, None, "Ok") for each in envelope.recipients]

    async with Server(Choosy(), dialect=Dialect.LMTP) as server, calling(server) as caller:
        assert await caller.codes("LHLO me", "MAIL FROM:<>", "RCPT TO:<a@b.example>", "RCPT TO:<no@b.example>") == [
            "250", "250", "250", "250",
        ]  # fmt: skip
        assert await caller.send() == "250 Ok"
        assert await caller.hear() == "550 5.7.1 No"
    async with Server(Choosy()) as server, calling(server) as caller:
        await caller.begin("no@b.example")
        assert await caller.send() == "550 5.7.1 No"


async def test_the_transcript_holds_both_sides_and_no_content() -> None:
    """A session's transcript has the lines of both sides; content is counted."""
    handler = Keeper()
    async with Server(handler, transcript=True, hostname="mx.example") as server, calling(server) as caller:
        await caller.begin()
        await caller.send()
        await caller.say("QUIT")
        await handler.gone.wait()
    lines = str(handler.sessions[0].transcript).splitlines()
    assert lines[:2] == ["S: 220 mx.example ESMTP Eilpost", "C: EHLO me.example"]
    assert lines[-7:] == [
        "C: DATA",
        "S: 354 Send the content, end it with a line that is a dot",
        "#: 26 octets of content",
        "C: .",
        "S: 250 2.0.0 Message accepted",
        "C: QUIT",
        "S: 221 2.0.0 Bye",
    ]


async def test_the_session_tells_who_it_is() -> None:
    """A handler sees the peer, the greeting, the envelope and what it noted; recipients can be replaced."""
    seen: list[object] = []

    class Looking(Handler):
        def rcpt(self, session: Session, event: Rcpt) -> Answer:
            session.notes["rcpt"] = event.forward_path
            seen.extend([session.peer[0], session.helo, session.extended, session.phase.value, session.hostname])
            return None

        def data(self, session: Session, event: Data) -> Answer:
            session.redirect(parse_address("else@where.example"))
            seen.append(session.seconds >= 0)
            return None

        def message(self, session: Session, envelope: Envelope, content: bytes) -> EndAnswer:
            seen.extend([session.notes["rcpt"], str(envelope.recipients[0].address), session.local[1] > 0])
            return None

    async with Server(Looking(), hostname="mx.example") as server, calling(server) as caller:
        await caller.begin()
        await caller.send()
    assert seen[:6] == ["127.0.0.1", "me.example", True, "transaction", "mx.example", True]
    assert [str(each) for each in seen[6:]] == ["<bob@b.example>", "else@where.example", "True"]


# --- TLS and logins


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> DevCertificate:
    """A certificate for localhost, by an authority of its own."""
    return prepare(tmp_path_factory.mktemp("certificate"), ["localhost"], time.time())


def trusting(certificate: DevCertificate) -> ssl.SSLContext:
    """A client that knows the authority."""
    return ssl.create_default_context(cafile=certificate.authority)


class Secured(Keeper):
    """Notes what TLS and login came to."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    async def secured(self, session: Session) -> None:
        """Noted."""
        assert session.tls is not None
        self.seen.append(session.tls.version)

    def authenticated(self, session: Session, account: str) -> Answer:
        """Noted."""
        self.seen.append((account, session.mechanism))
        return None


async def test_starttls_and_login(certificate: DevCertificate) -> None:
    """After STARTTLS logins are offered; mail is taken from who logged in, and not before."""
    handler = Secured()
    server = Server(
        handler,
        tls=server_context(certificate.pair),
        accounts={"anna": "secret"},
        tls_required=True,
        login_required=True,
        transcript=True,
    )

    def talk(mechanism: str) -> None:
        with smtplib.SMTP("localhost", server.port) as client:
            client.ehlo()
            assert client.docmd("MAIL FROM:<a@a.example>") == (530, b"5.7.0 Say STARTTLS first")
            assert client.docmd("AUTH PLAIN AGFubmEAc2VjcmV0")[0] == 538
            client.starttls(context=trusting(certificate))
            client.ehlo()
            assert not client.has_extn("starttls")
            assert client.docmd("MAIL FROM:<a@a.example>") == (530, b"5.7.0 Log in first")
            client.esmtp_features["auth"] = mechanism
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                client.login("anna", "wrong")
            assert client.login("anna", "secret") == (235, b"2.7.0 Logged in")
            client.sendmail("a@a.example", ["b@b.example"], b"Subject: x\r\n\r\n")

    async with server:
        await asyncio.to_thread(talk, "PLAIN")
        await asyncio.to_thread(talk, "LOGIN")
    assert [each for each in handler.seen if isinstance(each, tuple)] == [("anna", "PLAIN"), ("anna", "LOGIN")]
    assert [session.account for session in handler.sessions] == ["anna", "anna"]
    for session in handler.sessions:
        said = str(session.transcript)
        assert "C: AUTH PLAIN" in said or "C: (not shown)" in said
        for secret in (b"secret", b"wrong", b"\0anna\0secret", b"\0anna\0wrong"):
            assert base64.b64encode(secret).decode() not in said


async def test_tls_from_the_first_octet(certificate: DevCertificate) -> None:
    """With ``implicit_tls`` the handshake comes first; who speaks in clear gets nothing."""
    handler = Keeper()
    server = Server(handler, tls=server_context(certificate.pair), implicit_tls=True)

    def talk() -> None:
        with smtplib.SMTP_SSL("localhost", server.port, context=trusting(certificate)) as client:
            client.sendmail("a@a.example", ["b@b.example"], b"Subject: x\r\n\r\n")
            assert not client.has_extn("starttls")

    async with server:
        await asyncio.to_thread(talk)
        async with calling(server, greeted=False) as caller:
            caller.writer.write(b"EHLO me.example\r\n")
            assert not (await caller.rest()).startswith(b"220")
    assert len(handler.messages) == 1
    assert handler.reasons == ["quit", "handshake"]


async def test_a_handler_checks_logins_itself() -> None:
    """``check`` is asked by every mechanism; a hook may refuse the login before and after."""

    class Open(Handler):
        def __init__(self, allow: bool) -> None:
            self.allow = allow

        async def check(self, session: Session, ask: ServerStep) -> CheckAnswer:
            assert isinstance(ask, CheckPassword)
            return Granted(f"{ask.name}@example.test") if self.allow else Failure(Reason.UNAVAILABLE)

        async def authenticated(self, session: Session, account: str) -> Reply | None:
            return NO if account.startswith("eve") else None

    def plain(name: str) -> str:
        return "AUTH PLAIN " + base64.b64encode(f"\0{name}\0x".encode()).decode()

    async with Server(Open(True), mechanisms=("PLAIN",), plain_text=True) as server:
        async with calling(server) as caller:
            assert "AUTH PLAIN" in (await caller.say("EHLO me"))[0]
            assert await caller.codes(plain("eve"), plain("anna"), plain("anna")) == ["550", "235", "503"]
        async with calling(server) as caller:
            assert await caller.codes("EHLO me", "AUTH PLAIN", "*") == ["250", "334", "501"]
            assert await caller.codes("AUTH LOGIN", "AUTH PLAIN %") == ["504", "501"]
            assert await caller.codes("AUTH PLAIN YQ==") == ["501"]
    async with Server(Open(False), mechanisms=("PLAIN",), plain_text=True) as server, calling(server) as caller:
        assert await caller.codes("EHLO me", plain("anna")) == ["250", "454"]


async def test_login_and_starttls_can_fail_on_purpose(certificate: DevCertificate) -> None:
    """A hook answers STARTTLS and AUTH like everything else."""
    handler = Contrary(starttls=reply(454, "4.7.0", "No TLS now"), auth=reply(454, "4.7.0", "Later"))
    server = Server(handler, tls=server_context(certificate.pair), accounts={"anna": "x"}, plain_text=True)
    async with server, calling(server) as caller:
        assert await caller.codes("EHLO me", "STARTTLS") == ["250", "454"]
        assert await caller.codes("AUTH PLAIN AGFubmEAeA==") == ["454"]
        assert await caller.codes("MAIL FROM:<>") == ["250"]
