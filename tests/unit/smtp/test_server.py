"""The server's machine: RFC 5321 §4, RFC 2033, RFC 2920, RFC 3030, and the fault catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.reply import Reply, reply
from eilpost.smtp import replies
from eilpost.smtp.commands import COMMANDS, Dialect, Verb
from eilpost.smtp.errors import LocalProtocolError
from eilpost.smtp.events import (
    NEED_DATA,
    ChunkEnd,
    Content,
    ContentEnd,
    Data,
    Disconnected,
    Event,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    Verify,
)
from eilpost.smtp.extensions import ALL, STANDARD
from eilpost.smtp.phases import Phase
from eilpost.smtp.server import DISCARD_FACTOR, LINE_DISCARD_FACTOR, ServerConnection, ServerSettings

GREETING = reply(220, None, "mx.example.test")
SMALL = ServerSettings(message_size=40, line=512)
LMTP = ServerSettings(dialect=Dialect.LMTP)
ENVELOPE = b"EHLO client.example\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"


@dataclass
class Talk:
    """A machine and somebody who answers for it; what happened is kept."""

    settings: ServerSettings = field(default_factory=ServerSettings)
    verdicts: tuple[Reply | None, ...] = ()
    events: list[Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    content: bytes = b""
    _answered: int = 0

    def __post_init__(self) -> None:
        self.machine = ServerConnection(self.settings)
        self.machine.greet(GREETING)

    def feed(self, octets: bytes) -> Talk:
        """Gives the machine octets and answers all it has to say."""
        self.machine.receive_data(octets)
        while self.machine.phase is not Phase.CLOSED and (event := self.machine.next_event()) is not NEED_DATA:
            assert not isinstance(event, type(NEED_DATA))
            self._note(event)
            if isinstance(event, Content):
                self.content += event.octets
            elif isinstance(event, Disconnected):
                break
            else:
                answer = self.machine.send(self._verdict(event)).decode()
                self.said += [line[:9] if line[4:5].isdigit() else line[:3] for line in answer.splitlines()]
        return self

    def judge(self, *verdicts: Reply | None) -> Talk:
        """From now on these are the session's verdicts, in turn; None is a good one."""
        self.verdicts, self._answered = verdicts, 0
        return self

    def end(self) -> Talk:
        """The peer closes."""
        return self.feed(b"")

    def _note(self, event: Event) -> None:
        last = self.events[-1] if self.events else None
        if isinstance(event, Content) and isinstance(last, Content):
            self.events[-1] = Content(last.octets + event.octets)
        else:
            self.events.append(event)

    def _verdict(self, event: Event) -> Reply:
        """What the session says: its own refusal when it is the grammar's, else the verdict whose turn it is."""
        if isinstance(event, Refused):
            return event.reply
        own = self.verdicts[self._answered % len(self.verdicts)] if self.verdicts else None
        self._answered += 1
        if own is not None:
            return own
        match event:
            case Hello():
                return self.machine.hello_reply("mx.example.test")
            case Data():
                return replies.SEND_CONTENT
            case ContentEnd(refusal=Reply() as refusal):
                return refusal
            case Quit():
                return replies.BYE
            case _:
                return replies.OK

    @property
    def last(self) -> Event:
        """The last event."""
        return self.events[-1]


def ready(settings: ServerSettings | None = None, octets: bytes = b"") -> Talk:
    """After EHLO or LHLO, and these octets; what was said before them is forgotten."""
    talk = Talk(settings or ServerSettings())
    talk.feed(b"LHLO client.example\r\n" if talk.settings.dialect is Dialect.LMTP else b"EHLO client.example\r\n")
    talk.said.clear()
    talk.events.clear()
    return talk.feed(octets) if octets else talk


def in_transaction(settings: ServerSettings | None = None, parameters: bytes = b"", recipients: int = 1) -> Talk:
    """With a recipient or more."""
    talk = ready(settings, b"MAIL FROM:<a@b.test>" + parameters + b"\r\n" + b"RCPT TO:<c@d.test>\r\n" * recipients)
    talk.said.clear()
    talk.events.clear()
    return talk


def in_content(settings: ServerSettings | None = None) -> Talk:
    """After 354."""
    talk = in_transaction(settings).feed(b"DATA\r\n")
    assert talk.said == ["354"]
    talk.said.clear()
    talk.events.clear()
    return talk


# --- a session


def test_a_whole_session() -> None:
    """RFC 5321 §3: greeting, hello, a transaction, the next one, farewell."""
    talk = Talk().feed(ENVELOPE + b"DATA\r\n")
    assert talk.machine.phase is Phase.CONTENT
    talk.feed(b"Subject: x\r\n\r\n..\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nNOOP a b\r\nHELP mail\r\nQUIT\r\n")

    assert [type(event) for event in talk.events] == [
        Hello, Mail, Rcpt, Data, Content, ContentEnd, Mail, Reset, Noop, Help, Quit,
    ]  # fmt: skip
    assert talk.content == b"Subject: x\r\n\r\n.\r\n"
    assert talk.events[5] == ContentEnd(17)
    assert talk.events[9] == Help("mail")
    assert talk.machine.phase is Phase.CLOSED


def test_ehlo_announces_and_helo_does_not() -> None:
    """RFC 5321 §4.1.1.1: one keyword a line after EHLO, one line after HELO; LIMITS only with limits."""
    machine = ServerConnection(ServerSettings(message_size=7, limits=("RCPTMAX=9",)))
    machine.greet(GREETING)
    machine.receive_data(b"EHLO a\r\nHELO b\r\n")
    machine.next_event()
    extended = machine.hello_reply("mx")
    machine.send(extended)
    machine.next_event()

    assert extended.lines == (
        "mx", "8BITMIME", "BINARYMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=9", "PIPELINING",
        "SIZE 7", "SMTPUTF8",
    )  # fmt: skip
    assert machine.hello_reply("mx") == reply(250, None, "mx")
    assert "LIMITS" not in " ".join(ServerSettings().keywords())


def test_helo_after_ehlo_takes_the_extensions_back() -> None:
    """RFC 5321 §4.1.4: the last accepted greeting counts; a refused one changes nothing."""
    talk = ready(octets=b"HELO a\r\nMAIL FROM:<a@b.test> SIZE=1\r\nEHLO b c\r\nMAIL FROM:<a@b.test> SIZE=1\r\n")
    assert talk.said == ["250", "555 5.5.4", "501 5.5.4", "555 5.5.4"]
    talk.feed(b"EHLO b\r\nHELO b c\r\nMAIL FROM:<a@b.test> SIZE=1\r\n")
    assert talk.said[-2:] == ["501 5.5.4", "250 2.0.0"]


def test_a_greeting_that_policy_refuses_offers_nothing() -> None:
    """The session may refuse a hello; then the phase and the offer stay as they were."""
    talk = Talk(verdicts=(reply(550, "5.7.1", "no"), None)).feed(b"EHLO a\r\n")
    assert talk.machine.phase is Phase.HELLO
    talk.feed(b"HELO a\r\nMAIL FROM:<a@b.test> SIZE=1\r\n")
    assert talk.said == ["550 5.7.1", "250", "555 5.5.4"]


def test_a_session_may_be_refused() -> None:
    """RFC 5321 §3.1: 554 instead of the greeting; nothing that comes is looked at."""
    machine = ServerConnection(ServerSettings())
    assert machine.greet(reply(554, "5.3.2", "no")) == b"554 5.3.2 no\r\n"
    machine.receive_data(b"EHLO a\r\n")
    assert machine.next_event() is NEED_DATA
    assert (machine.phase, machine.buffered) == (Phase.CLOSED, 0)


def test_f017_octets_before_the_greeting_wait_and_those_after_quit_are_dropped() -> None:
    """Before 220 nothing is understood, and after 221 nothing is kept."""
    machine = ServerConnection(ServerSettings())
    machine.receive_data(b"EHLO a\r\n")
    assert (machine.next_event(), machine.buffered) == (NEED_DATA, 8)
    machine.greet(GREETING)
    assert machine.next_event() == Hello(Verb.EHLO, "a")

    talk = ready(octets=b"QUIT\r\nMAIL FROM:<a@b.test>\r\n")
    assert (talk.said, talk.machine.buffered) == (["221 2.0.0"], 0)
    talk.machine.receive_data(b"MAIL FROM:<a@b.test>\r\n")
    assert talk.machine.next_event() is NEED_DATA
    talk.machine.receive_data(b"")
    assert talk.machine.next_event() == Disconnected()
    assert talk.machine.buffered == 0


def test_replies_are_due_one_by_one() -> None:
    """RFC 2920 §3.2: a command is judged in the phase that its predecessors' replies made."""
    machine = ready().machine
    machine.receive_data(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n")
    assert isinstance(machine.next_event(), Mail)
    with pytest.raises(LocalProtocolError, match="Mail"):
        machine.next_event()
    machine.send(reply(450, "4.7.1", "later"))
    assert machine.next_event() == Refused(b"RCPT TO:<c@d.test>", replies.OUT_OF_ORDER)
    machine.send(replies.OUT_OF_ORDER)
    with pytest.raises(LocalProtocolError, match="no reply"):
        machine.send(replies.OK)


def test_a_reply_of_no_class_is_our_bug_and_moves_nothing() -> None:
    """A code outside 2yz to 5yz raises before anything changes."""
    machine = ready().machine
    machine.receive_data(b"MAIL FROM:<a@b.test>\r\n")
    machine.next_event()
    with pytest.raises(KeyError):
        machine.send(Reply(999, None, ("?",)))
    machine.send(replies.OK)
    assert machine.phase is Phase.TRANSACTION


def test_421_closes_from_everywhere() -> None:
    """RFC 5321 §3.8: 421 to any command ends the session, and so does ``close`` out of turn."""
    gone = reply(421, "4.3.2", "Going down")
    machine = in_transaction().machine
    machine.receive_data(b"NOOP\r\nNOOP\r\n")
    machine.next_event()
    assert machine.send(gone) == b"421 4.3.2 Going down\r\n"
    assert (machine.phase, machine.buffered, machine.next_event()) == (Phase.CLOSED, 0, NEED_DATA)

    machine = in_content().machine
    machine.receive_data(b"half a line")
    machine.next_event()
    assert machine.close(gone) == b"421 4.3.2 Going down\r\n"
    machine.receive_data(b"\r\n.\r\n")
    assert (machine.phase, machine.next_event()) == (Phase.CLOSED, NEED_DATA)


def test_read_octets_are_not_kept() -> None:
    """An idle session holds no buffer of what it has understood."""
    talk = in_content().feed(b"x" * 60_000 + b"\r\n.\r\nNOOP\r\nNO")
    assert talk.machine.buffered == 2
    talk.feed(b"OP\r\n")
    assert talk.machine._buffer == b""


def test_a_mutable_buffer_is_copied() -> None:
    """What the caller does with its buffer afterwards changes nothing."""
    machine = ready().machine
    octets = bytearray(b"NOOP\r\n")
    machine.receive_data(octets)  # type: ignore[arg-type]
    octets[:] = b"QUIT\r\n"
    assert machine.next_event() == Noop()


# --- A: framing


@pytest.mark.parametrize(
    "imposter",
    [
        pytest.param(b"\n.\n", id="f001"),
        pytest.param(b"\n.\r\n", id="f002"),
        pytest.param(b"\r\n.\n", id="f003"),
        pytest.param(b"\r.\r", id="f004"),
        pytest.param(b"\r.\r\n", id="f005"),
        pytest.param(b"\n.\r", id="f006a"),
        pytest.param(b"\r.\n", id="f006b"),
        pytest.param(b"\r\n.\r\r\n", id="f007"),
        pytest.param(b"\r\r\n.\r\r\n", id="f008"),
        pytest.param(b"\r\n\0.\r\n", id="f009"),
        pytest.param(b"\0", id="f010"),
        pytest.param(b"a\rb", id="f011"),
        pytest.param(b"X: a\nBcc: v@x.test\r\n", id="f012"),
    ],
)
def test_f001_f012_smuggled_commands_are_never_read(imposter: bytes) -> None:
    """RFC 5321 §2.3.8 and §4.1.1.4: 554 5.6.0 and the end of the session, however it is cut."""
    octets = b"Subject: x\r\n\r\nbody" + imposter + b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<c@d.test>\r\n"
    for size in (1, 2, 7, len(octets)):
        talk = in_content()
        for at in range(0, len(octets), size):
            talk.feed(octets[at : at + size])
        assert talk.said == ["554 5.6.0"]
        assert isinstance(talk.last, Refused)
        assert (talk.last.line, talk.last.fatal) == (b"DATA", True)
        assert talk.machine.phase is Phase.CLOSED


def test_f014_a_dot_alone_in_a_chunk_is_content() -> None:
    """RFC 3030 §2: chunks have no dots taken off and no end mark."""
    talk = in_transaction().feed(b"BDAT 13 LAST\r\na\r\n.\r\n..b\r\n\r\nNOOP\r\n")
    assert talk.content == b"a\r\n.\r\n..b\r\n\r\n"
    assert talk.said == ["250 2.0.0", "250 2.0.0"]


def test_f016_content_before_354_is_refused() -> None:
    """RFC 2920 §3.1: DATA is the last of its group; what follows is neither content nor commands."""
    talk = in_transaction().feed(b"DATA\r\nSubject: early\r\n\r\n.\r\n")
    assert talk.last == Refused(b"DATA", replies.EARLY_TALKER, fatal=True)
    assert talk.machine.phase is Phase.CLOSED


@pytest.mark.parametrize("line", [b"DATA\r\n", b"data x\r\n"])
def test_f016_what_follows_a_data_out_of_order_is_not_obeyed(line: bytes) -> None:
    """It may be the content of a sender who did not wait: somebody else's words, no commands."""
    talk = ready(octets=b"MAIL FROM:<a@b.test>\r\n" + line + b"MAIL FROM:<evil@x.test>\r\n")
    assert talk.said == ["250 2.0.0", "554 5.5.0"]
    assert talk.machine.phase is Phase.CLOSED


def test_data_at_the_end_of_a_group_is_what_pipelining_is_for() -> None:
    """RFC 2920 §3.1: a group may end in DATA."""
    talk = Talk().feed(ENVELOPE + b"DATA\r\n")
    assert (talk.last, talk.machine.phase) == (Data(), Phase.CONTENT)


def test_what_follows_the_content_is_read_in_turn() -> None:
    """RFC 2920 §3.1: the next transaction may be sent behind the end mark."""
    talk = in_content().feed(b"a\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
    assert talk.said == ["250 2.0.0"] * 3 + ["354"]


def test_f018_a_chunk_that_is_cut_off_is_no_content() -> None:
    """The peer closes within a chunk: no end of content, no reply."""
    talk = in_transaction().feed(b"BDAT 5 LAST\r\nabc").end()
    assert talk.events == [Content(b"abc"), Disconnected()]
    assert talk.said == []


def test_f019_quit_in_a_chunk_is_content() -> None:
    """The octets that a chunk has announced are octets, whatever they look like."""
    talk = in_transaction().feed(b"BDAT 11 LAST\r\nabcdeQUIT\r\n")
    assert talk.events == [Content(b"abcdeQUIT\r\n"), ContentEnd(11)]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (b"", "503 5.5.1"),
        (b"MAIL FROM:<a@b.test>\r\n", "554 5.5.1"),
        (b"HELO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n", "503 5.5.1"),
    ],
)
def test_f020_the_octets_of_a_refused_chunk_are_taken(before: bytes, said: str) -> None:
    """RFC 3030 §2: they follow whatever the answer is, and the next command is found behind them."""
    talk = ready(octets=before)
    talk.said.clear()
    talk.feed(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert talk.said == [said, "250 2.0.0"]
    assert isinstance(refused := talk.events[-2], Refused)
    assert (refused.line, refused.fatal) == (b"BDAT 6 LAST", False)
    assert talk.content == b""


def test_f020_before_ehlo_as_well() -> None:
    """A chunk out of the blue is swallowed too."""
    talk = Talk().feed(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
    assert talk.said == ["503 5.5.1", "250 2.0.0"]


def test_f020_without_chunking_the_session_ends() -> None:
    """Who never heard of CHUNKING and sends chunks cannot be understood any more."""
    talk = in_transaction(ServerSettings(extensions=STANDARD - {"CHUNKING"})).feed(b"BDAT 6 LAST\r\nQUIT\r\n")
    assert talk.events == [Refused(b"BDAT 6 LAST", replies.NOT_OFFERED, fatal=True)]


@pytest.mark.parametrize("size", ["99999999999999999999", "-1", "0x10", "+5", "", "5 FIRST", "9999999999"])
def test_f021_a_chunk_without_a_size_ends_the_session(size: str) -> None:
    """Where the next command begins nobody knows: 501 5.5.4, or 552 5.3.4 for what is far too much."""
    talk = in_transaction().feed(f"BDAT {size}\r\nQUIT\r\n".encode())
    assert talk.said in (["501 5.5.4"], ["552 5.3.4"])
    assert talk.machine.phase is Phase.CLOSED


def test_f022_chunks_and_data_do_not_mix() -> None:
    """RFC 3030 §2: DATA after BDAT is 503, and so is BDAT after the last one."""
    talk = in_transaction().feed(b"BDAT 3\r\nabc").feed(b"DATA\r\n").feed(b"BDAT 0 LAST\r\nBDAT 3 LAST\r\nabc")
    assert talk.said == ["250 2.0.0", "503 5.5.1", "250 2.0.0", "503 5.5.1"]
    assert talk.content == b"abc"


def test_f023_binary_content_needs_chunks() -> None:
    """RFC 3030 §3: BODY=BINARYMIME and DATA do not go together; by BDAT every octet passes."""
    talk = in_transaction(parameters=b" BODY=BINARYMIME").feed(b"DATA\r\n")
    assert (talk.said, talk.machine.phase) == (["503 5.5.1"], Phase.RECIPIENTS)
    talk.feed(b"BDAT 5 LAST\r\n\n\r\0\xff\r")
    assert talk.events[-2:] == [Content(b"\n\r\0\xff\r"), ContentEnd(5)]


def test_binarymime_is_refused_where_it_is_not_offered() -> None:
    """RFC 3030 §4: BODY=BINARYMIME is a value of an extension of its own."""
    talk = ready(ServerSettings(extensions=STANDARD - {"BINARYMIME"}), b"MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n")
    assert talk.said == ["501 5.5.4"]


@pytest.mark.parametrize("octets", [b"a\nb", b"a\rb", b"a\0b", b"abc\r"])
def test_f024_text_in_chunks_has_line_ends_too(octets: bytes) -> None:
    """RFC 3030 §3: the last chunk is taken whole, then refused; the session goes on."""
    size = str(len(octets)).encode()
    talk = in_transaction().feed(b"BDAT " + size + b" LAST\r\n" + octets + b"MAIL FROM:<>\r\n")
    assert talk.said == ["554 5.6.0", "250 2.0.0"]

    talk = in_transaction().feed(b"BDAT " + size + b"\r\n" + octets + b"BDAT 1 LAST\r\nxRSET\r\n")
    expected = (
        ["250 2.0.0", "554 5.6.0", "250 2.0.0"] if octets.endswith(b"\r") else ["554 5.6.0", "503 5.5.1", "250 2.0.0"]
    )
    assert talk.said == expected


def test_a_line_end_may_lie_across_chunks() -> None:
    """RFC 3030 §2: a chunk may end anywhere."""
    talk = in_transaction().feed(b"BDAT 2\r\na\rBDAT 0\r\nBDAT 2 LAST\r\n\nb")
    assert talk.said == ["250 2.0.0"] * 3
    assert talk.content == b"a\r\nb"
    assert [event for event in talk.events if not isinstance(event, Content)] == [
        ChunkEnd(2), ChunkEnd(0), ContentEnd(4),
    ]  # fmt: skip


def test_a_refused_chunk_spoils_the_transaction() -> None:
    """RFC 3030 §2: after a chunk's refusal only RSET helps; chunks are still swallowed."""
    talk = in_transaction().judge(reply(452, "4.3.1", "full"), None)
    talk.feed(b"BDAT 1\r\nxBDAT 6\r\nQUIT\r\nRCPT TO:<c@d.test>\r\nRSET\r\nMAIL FROM:<>\r\n")
    assert talk.said[:4] == ["452 4.3.1", "503 5.5.1", "503 5.5.1", "250 2.0.0"]


def test_a_refused_command_between_chunks_spoils_nothing() -> None:
    """What is out of order among chunks is refused, and the content goes on."""
    talk = in_transaction().feed(b"BDAT 1\r\nxMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nNOOP\r\nBDAT 1 LAST\r\ny")
    assert talk.said == ["250 2.0.0", "503 5.5.1", "503 5.5.1", "250 2.0.0", "250 2.0.0"]
    assert talk.content == b"xy"


@pytest.mark.parametrize("line", [b"RSET\r\n", b"EHLO again\r\n"])
def test_rset_and_ehlo_end_chunks(line: bytes) -> None:
    """RFC 5321 §4.1.4: the transaction is gone, with its chunks, its faults and its size."""
    talk = in_transaction(SMALL).feed(b"BDAT 30\r\n" + b"x" * 30 + line)
    talk.feed(b"MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 30 LAST\r\n" + b"y" * 30)
    assert talk.last == ContentEnd(30)


def test_f026_a_connection_that_drops_before_the_dot() -> None:
    """No end of content, so nothing to keep."""
    talk = in_content().feed(b"Subject: x\r\n\r\nhalf\r\n.").end()
    assert talk.last == Disconnected()
    assert talk.said == []
    assert talk.machine.next_event() == Disconnected()


@pytest.mark.parametrize(
    "line",
    [b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"Host: x", b"content-length: 3", b"PROXY TCP4 1.1.1.1 2.2.2.2 3 4"],
)
def test_f027_other_protocols_are_cut_off(line: bytes) -> None:
    """What begins like HTTP is answered 521, and nothing behind it is read."""
    talk = Talk().feed(line + b"\r\nEHLO a\r\n")
    assert talk.events == [Refused(line, replies.OTHER_PROTOCOL, fatal=True)]


@pytest.mark.parametrize("rest", [b"", b"\x01\x02\x00\x01", b"\n", b"\x01\r\nEHLO a\r\n"])
def test_f028_tls_on_a_plain_port(rest: bytes) -> None:
    """Two octets of a ClientHello are enough; none of it comes back."""
    whole, torn = Talk().feed(b"\x16\x03" + rest), Talk().feed(b"\x16").feed(b"\x03").feed(rest)
    assert whole.events == torn.events == [Refused(b"\x16\x03", replies.OTHER_PROTOCOL, fatal=True)]
    assert b"\x16" not in replies.encode(replies.OTHER_PROTOCOL)


def test_f028_only_the_first_octets_are_a_client_hello() -> None:
    """Later, and with another version, they are control characters like others."""
    talk = Talk().feed(b"\x16\x01\r\n\x16\x03\r\nNOOP\r\n")
    assert talk.said == ["500 5.5.2", "500 5.5.2", "250 2.0.0"]


def test_f028_the_second_version_of_proxy() -> None:
    """Its signature ends in a bare LF: the session ends."""
    talk = Talk().feed(b"\r\n\r\n\0\r\nQUIT\n\x21\x11")
    assert talk.said == ["500 5.5.1", "500 5.5.1", "500 5.5.2", "554 5.6.0"]
    assert talk.machine.phase is Phase.CLOSED


# --- C: commands and their order


@pytest.mark.parametrize("size", [513, 514, 4000, LINE_DISCARD_FACTOR * 512])
def test_f046_a_long_line_is_refused_and_the_next_one_read(size: int) -> None:
    """RFC 5321 §4.5.3.1.4: 500 5.5.2; of the line its beginning is told."""
    line = b"NOOP " + b"x" * (size - 6) + b"\r"
    for cut in (1, 300, 513, size + 1):
        talk = ready(SMALL)
        octets = line + b"\nNOOP\r\n"
        for at in range(0, len(octets), cut):
            talk.feed(octets[at : at + cut])
        assert talk.events == [Refused(line[:80], replies.LINE_TOO_LONG), Noop()]


def test_f046_a_line_at_the_limit_is_read() -> None:
    """The limit is the longest line that is understood, without its LF."""
    assert ready(SMALL, b"NOOP " + b"x" * 506 + b"\r\n").last == Noop()


@pytest.mark.parametrize("cut", [1, 500, 9000])
def test_f046_a_line_without_an_end_ends_the_session(cut: int) -> None:
    """It is thrown away up to a bound; then 421."""
    talk = ready(SMALL)
    octets = b"x" * (LINE_DISCARD_FACTOR * 512 + 1) + b"\r\nNOOP\r\n"
    for at in range(0, len(octets), cut):
        talk.feed(octets[at : at + cut])
        assert talk.machine.buffered <= 512
    assert talk.events == [Refused(b"x" * 80, replies.ENDLESS_LINE, fatal=True)]


@pytest.mark.parametrize("cut", [1, 512, 3000])
def test_f046_a_bare_lf_ends_no_long_line_either(cut: int) -> None:
    """RFC 5321 §2.3.8 holds for lines that are thrown away as well."""
    talk = ready(SMALL)
    octets = b"x" * 2000 + b"\nMAIL FROM:<a@b.test>\r\n"
    for at in range(0, len(octets), cut):
        talk.feed(octets[at : at + cut])
    assert talk.events == [Refused(b"x" * 80, replies.BARE_LINE_END, fatal=True)]


def test_f047_unknown_verbs() -> None:
    """RFC 5321 §4.2.4: 500 for what nobody knows, 502 for what others know."""
    talk = ready(octets=b"FOO\r\n\r\nXYZZY a b\r\nETRN x\r\nAUTH PLAIN\r\nSTARTTLS\r\n")
    assert talk.said == ["500 5.5.1"] * 3 + ["502 5.5.1"] * 3


def test_f049_commands_out_of_order() -> None:
    """RFC 5321 §4.1.4: MAIL before EHLO, RCPT before MAIL, DATA before RCPT."""
    talk = Talk().feed(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n")
    assert talk.said == ["503 5.5.1"] * 3
    talk = ready(octets=b"RCPT TO:<a@b.test>\r\nMAIL FROM:<a@b.test>\r\nDATA\r\n")
    assert talk.said == ["503 5.5.1", "250 2.0.0", "554 5.5.1"]


def test_f049_data_when_all_recipients_were_refused() -> None:
    """RFC 5321 §3.3: 554, and the transaction waits for better recipients."""
    talk = ready(octets=b"MAIL FROM:<a@b.test>\r\n").judge(reply(550, "5.1.1", "no"))
    talk.feed(b"RCPT TO:<a@b.test>\r\nDATA\r\n")
    assert talk.said[1:] == ["550 5.1.1", "554 5.5.1"]
    assert (talk.machine.phase, talk.machine.accepted_recipients) == (Phase.TRANSACTION, 0)


def test_f050_a_second_mail() -> None:
    """The first transaction stays."""
    talk = in_transaction().feed(b"MAIL FROM:<x@y.test>\r\nDATA\r\n")
    assert talk.said == ["503 5.5.1", "354"]


def test_f051_ehlo_in_the_midst_is_rset() -> None:
    """RFC 5321 §4.1.4: recipients and parameters are forgotten."""
    talk = in_transaction(parameters=b" SMTPUTF8")
    assert talk.machine.accepted_recipients == 1
    talk.feed(b"EHLO again\r\n")
    assert (talk.machine.phase, talk.machine.accepted_recipients) == (Phase.READY, 0)
    talk.feed(b"MAIL FROM:<a@b.test>\r\n" + "RCPT TO:<ü@b.test>\r\n".encode())
    assert talk.said[-1] == "553 5.6.7"


def test_f052_a_bad_hello_leaves_the_transaction() -> None:
    """RFC 5321 §4.1.4: a greeting that is not accepted changes nothing."""
    talk = in_transaction().feed(b"EHLO\r\nEHLO <x>\r\nDATA\r\n")
    assert talk.said == ["501 5.5.4", "501 5.5.4", "354"]


def test_f053_a_size_over_the_limit() -> None:
    """RFC 1870 §6.1: 552 5.3.4 at MAIL; the limit itself is allowed."""
    talk = ready(SMALL, b"MAIL FROM:<a@b.test> SIZE=41\r\nMAIL FROM:<a@b.test> SIZE=99999999999999999999\r\n")
    talk.feed(b"MAIL FROM:<a@b.test> SIZE=40\r\n")
    assert talk.said == ["552 5.3.4", "552 5.3.4", "250 2.0.0"]


@pytest.mark.parametrize("cut", [1, 3, 200])
def test_f054_content_over_the_limit_is_read_and_refused(cut: int) -> None:
    """The counted octets decide: at most the limit is handed on, the rest is read to the dot, then 552."""
    octets = b"x" * 60 + b"\r\n.\r\nNOOP\r\n"
    talk = in_content(SMALL)
    for at in range(0, len(octets), cut):
        talk.feed(octets[at : at + cut])
    assert talk.events == [Content(b"x" * 40), ContentEnd(62, replies.TOO_BIG), Noop()]


@pytest.mark.parametrize("cut", [1, 50, 500])
def test_f054_far_too_much_content_ends_the_session(cut: int) -> None:
    """There is a ceiling for what is read in vain."""
    octets = b"x" * (DISCARD_FACTOR * 40 + 1) + b"\r\n.\r\n"
    talk = in_content(SMALL)
    for at in range(0, len(octets), cut):
        talk.feed(octets[at : at + cut])
    assert talk.events == [Content(b"x" * 40), Refused(b"DATA", replies.TOO_BIG, fatal=True)]


def test_f054_chunks_over_the_limit() -> None:
    """The sum of the chunks counts; each one is taken, the first above the limit is refused."""
    talk = in_transaction(SMALL).feed(b"BDAT 30\r\n" + b"x" * 30 + b"BDAT 30\r\n" + b"y" * 30 + b"NOOP\r\n")
    assert talk.said == ["250 2.0.0", "552 5.3.4", "250 2.0.0"]
    assert (talk.content, talk.machine.phase) == (b"x" * 30 + b"y" * 10, Phase.SPOILT)

    talk = in_transaction(SMALL).feed(b"BDAT 50 LAST\r\n" + b"x" * 50 + b"NOOP\r\n")
    assert talk.events == [Content(b"x" * 40), ContentEnd(50, replies.TOO_BIG), Noop()]


def test_f054_a_chunk_that_is_far_too_big_is_not_waited_for() -> None:
    """Nobody reads hundreds of megabytes in vain."""
    talk = in_transaction(SMALL).feed(b"BDAT 161\r\n")
    assert talk.events == [Refused(b"BDAT 161", replies.TOO_BIG, fatal=True)]


def test_f057_a_bare_lf_ends_no_command() -> None:
    """RFC 5321 §2.3.8: 554 5.6.0, and what follows is not obeyed."""
    talk = ready(octets=b"NOOP\nMAIL FROM:<a@b.test>\r\n")
    assert talk.events == [Refused(b"NOOP", replies.BARE_LINE_END, fatal=True)]


def test_f057_strange_octets_in_a_line() -> None:
    """500 5.5.2, with the line as it came for the log."""
    talk = ready(octets=b"NOOP \0\x80\x1b\r\r\nNOOP\r\n")
    assert talk.events == [Refused(b"NOOP \0\x80\x1b\r", replies.NOT_A_COMMAND), Noop()]


def test_f058_smtputf8_counts_for_the_whole_transaction() -> None:
    """RFC 6531 §3.4: MAIL declares it, RCPT relies on it."""
    talk = in_transaction(parameters=b" SMTPUTF8").feed("RCPT TO:<ü@b.test>\r\n".encode())
    assert isinstance(talk.last, Rcpt)
    assert talk.last.forward_path.mailbox == Address("ü", "b.test")
    talk = in_transaction().feed("RCPT TO:<ü@b.test>\r\n".encode())
    assert talk.said == ["553 5.6.7"]


@pytest.mark.parametrize("verb", ["ETRN x", "TURN", "DEBUG", "WIZ", "XCLIENT NAME=x", "XFORWARD NAME=x"])
def test_f059_verbs_of_other_days(verb: str) -> None:
    """502 5.5.1 for all of them."""
    assert ready(octets=f"{verb}\r\n".encode()).said == ["502 5.5.1"]


def test_arguments() -> None:
    """RFC 5321 §4.1.1: DATA, RSET and QUIT have none, NOOP and HELP may have one, the others must."""
    talk = (
        in_transaction()
        .feed(b"DATA x\r\n")
        .feed(b"RSET x\r\nQUIT x\r\nNOOP x y\r\nHELP\r\nHELP x\r\nVRFY\r\nEXPN \r\n")
    )
    assert talk.said == ["501 5.5.4"] * 3 + ["250 2.0.0"] * 3 + ["501 5.5.4"] * 2
    assert ready(octets=b"MAIL\r\nMAIL TO:<a@b.test>\r\nHELO\r\n").said == ["501 5.5.4"] * 3
    assert ready(octets=b"RSET \r\nQUIT  \r\n").said == ["250 2.0.0", "221 2.0.0"]  # blanks are no argument


def test_vrfy_and_expn() -> None:
    """RFC 5321 §4.1.1.6 and RFC 6531 §3.7.4.2: a name, and whether the reply may be UTF-8."""
    talk = ready(octets="VRFY anna\r\nEXPN ärger SMTPUTF8\r\nVRFY ärger\r\n".encode())
    assert talk.events[:2] == [Verify("anna"), Expand("ärger", smtputf8=True)]
    assert talk.said == ["250 2.0.0", "250 2.0.0", "553 5.6.7"]
    assert Talk().feed(b"HELO a\r\nVRFY anna SMTPUTF8\r\n").last == Verify("anna SMTPUTF8")


def test_some_commands_need_no_greeting() -> None:
    """RFC 5321 §4.1.4: NOOP, RSET, HELP, VRFY, EXPN and QUIT may come first."""
    talk = Talk().feed(b"NOOP\r\nRSET\r\nHELP\r\nVRFY a\r\nEXPN a\r\nQUIT\r\n")
    assert talk.said == ["250 2.0.0"] * 5 + ["221 2.0.0"]


def test_typed_forms_where_people_type() -> None:
    """The submission port understands what people type; elsewhere the form is strict (F056)."""
    line = b"mail from: anna@example.test\r\n"
    assert ready(octets=line).said == ["501 5.5.4"]
    talk = ready(ServerSettings(typed=True), line + b"rcpt to: berta@example.test\r\n")
    assert isinstance(talk.last, Rcpt)
    assert talk.last.forward_path.mailbox == Address("berta", "example.test")


# --- LMTP


def test_lmtp_has_its_own_hello() -> None:
    """RFC 2033 §4.1: LHLO and not EHLO; in SMTP the other way round."""
    talk = Talk(LMTP).feed(b"EHLO a\r\nHELO a\r\nLHLO a\r\n")
    assert talk.said[:3] == ["500 5.5.1", "500 5.5.1", "250"]
    assert Talk().feed(b"LHLO a\r\n").said == ["500 5.5.1"]


def test_lmtp_answers_for_each_recipient() -> None:
    """RFC 2033 §4.2: one reply for each accepted recipient, the same or each its own."""
    talk = in_transaction(LMTP, recipients=3).feed(b"DATA\r\n").feed(b"x\r\n.\r\n")
    assert talk.said == ["354"] + ["250 2.0.0"] * 3

    machine = in_transaction(LMTP, recipients=2).feed(b"DATA\r\n").machine
    machine.receive_data(b"x\r\n.\r\n")
    assert machine.next_event() == Content(b"x\r\n")
    assert machine.next_event() == ContentEnd(3)
    with pytest.raises(LocalProtocolError):
        machine.send_each([replies.OK])
    answers = [replies.OK, reply(452, "4.2.2", "Full")]
    assert machine.send_each(answers) == b"250 2.0.0 Ok\r\n452 4.2.2 Full\r\n"
    assert (machine.phase, machine.accepted_recipients) == (Phase.READY, 0)


def test_lmtp_counts_the_accepted_only() -> None:
    """A refused recipient has had its answer."""
    talk = ready(LMTP).judge(None, None, reply(550, "5.1.1", "no"), None, None)
    talk.feed(b"MAIL FROM:<>\r\n" + b"RCPT TO:<c@d.test>\r\n" * 3 + b"BDAT 1 LAST\r\nx")
    assert talk.said == ["250 2.0.0", "250 2.0.0", "550 5.1.1", "250 2.0.0", "250 2.0.0", "250 2.0.0"]


def test_lmtp_answers_for_each_recipient_after_chunks() -> None:
    """RFC 2033 §4.2 with RFC 3030: one reply a chunk, one for each recipient after the last."""
    talk = in_transaction(LMTP, recipients=2).feed(b"BDAT 1\r\nxBDAT 1 LAST\r\ny")
    assert talk.said == ["250 2.0.0"] * 3
    talk = in_transaction(LMTP, recipients=2).feed(b"BDAT 1 LAST\r\n\n")
    assert talk.said == ["554 5.6.0"] * 2


@pytest.mark.parametrize("octets", [b"DATA\r\n", b"BDAT 1 LAST\r\nx"])
def test_lmtp_without_an_accepted_recipient(octets: bytes) -> None:
    """RFC 2033 §4.2: 503, once."""
    talk = ready(LMTP, b"MAIL FROM:<>\r\n" + octets)
    assert talk.said == ["250 2.0.0", "503 5.5.1"]


def test_only_the_content_is_answered_for_each() -> None:
    """``send_each`` is for the end of the content and nothing else."""
    machine = in_transaction(LMTP).machine
    machine.receive_data(b"NOOP\r\n")
    machine.next_event()
    with pytest.raises(LocalProtocolError):
        machine.send_each([replies.OK])


# --- properties

LINES = (
    b"EHLO client.example", b"HELO x", b"LHLO x", b"MAIL FROM:<a@b.test>", b"MAIL FROM:<> BODY=BINARYMIME",
    b"MAIL FROM:<a@b.test> SIZE=39 SMTPUTF8", b"mail from:<a b>", b"RCPT TO:<c@d.test>", b"RCPT TO:<x@y@z>", b"DATA",
    b"RSET", b"NOOP", b"VRFY a", b"HELP", b"QUIT", b"FOO", b"", b"x" * 600, b"NOOP \0", b"GET / HTTP/1.0",
    b"BDAT x", b"BDAT 400", b"x" * 9000, b"STARTTLS",
)  # fmt: skip
CONTENT = st.lists(
    st.sampled_from((b"a", b"\r\n", b".", b"\r\n.", b"\r", b"\n", b"\0", b"x" * 17, b"\r\n.\r\n", b"\xff")), max_size=8
).map(b"".join)


def chunk(octets: bytes, last: bool) -> bytes:
    """BDAT with its octets."""
    return b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" * last, octets)


COMMANDS_TO_RECIPIENT = st.just(ENVELOPE.replace(b"EHLO", b"LHLO")) | st.just(ENVELOPE)
GROUPS = st.lists(
    st.one_of(
        st.sampled_from(LINES).map(lambda line: line + b"\r\n"),
        st.sampled_from(LINES[:12]).map(lambda line: line + b"\r\n"),
        COMMANDS_TO_RECIPIENT,
        st.builds(chunk, CONTENT, st.booleans()),
        CONTENT.map(lambda octets: b"DATA\r\n" + octets + b"\r\n.\r\n"),
        st.binary(max_size=5),
    ),
    max_size=10,
).map(b"".join)
VERDICTS = st.lists(
    st.sampled_from(
        (None, None, None, None, reply(451, "4.3.0", "t"), reply(550, "5.7.1", "p"), reply(421, "4.3.2", "x"))
    ),
    max_size=9,
).map(tuple)
# DATA must be the last of its group, so how the input is cut behind it is the one cut that counts (F016).
AFTER_DATA = re.compile(rb"(?i)data[^\n]*\n")


def groups(octets: bytes) -> list[bytes]:
    """The octets cut behind each line that holds DATA."""
    edges = [0, *(found.end() for found in AFTER_DATA.finditer(octets)), len(octets)]
    return [octets[start:end] for start, end in pairwise(edges) if start < end]


@given(
    GROUPS,
    VERDICTS,
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.sampled_from((SMALL, ServerSettings(dialect=Dialect.LMTP, message_size=40, line=512))),
)
def test_f015_the_input_may_be_split_anywhere(
    octets: bytes, verdicts: tuple[Reply | None, ...], sizes: list[int], settings: ServerSettings
) -> None:
    """However the input is cut, the events and replies are the same, and nothing raises."""
    whole, torn, single = (Talk(settings, verdicts) for _ in range(3))
    for group in groups(octets):
        whole.feed(group)
        at, turn = 0, 0
        while at < len(group):
            size = sizes[turn % len(sizes)]
            torn.feed(group[at : at + size])
            at, turn = at + size, turn + 1
        for octet in group:
            single.feed(bytes((octet,)))
    for talk in (whole, torn, single):
        talk.end()

    assert whole.events == torn.events == single.events
    assert whole.said == torn.said == single.said
    assert whole.machine.phase is torn.machine.phase is single.machine.phase


@given(GROUPS, VERDICTS)
def test_what_holds_of_every_session(octets: bytes, verdicts: tuple[Reply | None, ...]) -> None:
    """Content never passes the limit, comes only with recipients, and nothing comes after a fatal refusal."""
    talk = Talk(SMALL, verdicts)
    for group in groups(octets):
        talk.feed(group)
    size = 0
    for event in talk.events:
        if isinstance(event, Content):
            assert event.octets
            size += len(event.octets)
        elif isinstance(event, ContentEnd | Mail):
            size = 0
        assert size <= SMALL.message_size
        if isinstance(event, ContentEnd) and event.refusal is None:
            assert event.size <= SMALL.message_size
    fatal = [event for event in talk.events if isinstance(event, Refused) and event.fatal]
    assert fatal == talk.events[-1:] or not fatal
    assert talk.machine.phase is Phase.CLOSED or not fatal


@given(st.binary(max_size=300))
def test_any_octets_may_come(octets: bytes) -> None:
    """Random octets are refused or understood; none raise, before, in and after content."""
    for talk in (Talk(), in_transaction(), in_content(), Talk(LMTP)):
        talk.feed(octets).end()


def test_every_verb_of_the_table_is_understood() -> None:
    """A row of the table of commands has its event."""
    for verb in COMMANDS:
        talk = Talk(LMTP if verb == "LHLO" else ServerSettings(extensions=ALL)).feed(f"{verb} x\r\n".encode())
        assert isinstance(talk.last, Refused | Hello | Noop | Verify | Expand | Help)
        assert talk.said[0] != "500 5.5.1"
