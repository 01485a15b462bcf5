"""``eilpost send``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from eilpost.cli.main import main
from eilpost.mail.reply import reply
from eilpost.smtp.commands import Dialect
from tests.unit.cli import sink
from tests.unit.cli.conftest import Result, Run

FROM_TO = ("--from", "Anna <anna@a.test>", "--to", "bob@b.test")


@pytest.fixture
def server() -> Iterator[sink.Sink]:
    """A server on loopback."""
    with sink.running() as running:
        yield running


@pytest.fixture
def send(run: Run, server: sink.Sink) -> Run:
    """Sends to it."""

    def act(*arguments: str) -> Result:
        return run("send", "--server", server.address, *arguments)

    return act


def test_a_composed_message(send: Run, server: sink.Sink, tmp_path: Path) -> None:
    """Options become fields, text and attachment; Bcc is in the envelope alone; each recipient has a line."""
    attachment = tmp_path / "picture.png"
    attachment.write_bytes(b"\x89PNG")
    result = send(
        *FROM_TO, "--cc", "C <c@b.test>", "--bcc", "d@b.test", "--subject", "Grüße", "--body", "Hällo",
        "--attach", str(attachment), "--header", "X-Note: 1",
    )  # fmt: skip
    assert result.code == 0
    assert result.out.splitlines() == [f"{name}@b.test: accepted, 250 2.0.0 Kept as 1" for name in ("bob", "c", "d")]
    (taken,) = server.taken
    assert (taken.reverse_path, taken.names) == ("<anna@a.test>", ["bob@b.test", "c@b.test", "d@b.test"])
    message = message_from_bytes(taken.content, policy=SMTP)
    assert (message["Subject"], message["X-Note"], message["Bcc"]) == ("Grüße", "1", None)
    assert message["Date"]
    assert message["Message-ID"]
    assert [part.get_content_type() for part in message.walk()] == ["multipart/mixed", "text/plain", "image/png"]


def test_text_from_a_file_and_from_standard_input(
    send: Run, server: sink.Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--file`` and ``-`` give the text."""
    file = tmp_path / "text"
    file.write_text("from a file\n")
    assert send(*FROM_TO, "--file", str(file)).code == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from input\n")))
    assert main(["send", "--server", server.address, *FROM_TO, "-"]) == 0
    assert [taken.content.rpartition(b"\r\n\r\n")[2] for taken in server.taken] == [
        b"from a file\r\n",
        b"from input\r\n",
    ]


def test_whole_messages_go_as_they_are(send: Run, server: sink.Sink, tmp_path: Path) -> None:
    """``--eml`` sends the octets of the file; the envelope comes from the header unless it is given."""
    octets = b"From: a@a.test\r\nTo: b@b.test\r\nX:  odd \r\n\r\n..\r\n.\r\nend\r\n"
    file = tmp_path / "m.eml"
    file.write_bytes(octets)
    assert send("--eml", str(file)).code == 0
    assert send("--eml", str(file), "--from", "<>", "--to", "x@b.test").code == 0
    assert [taken.content for taken in server.taken] == [octets, octets]
    assert [(taken.reverse_path, taken.names) for taken in server.taken] == [
        ("<a@a.test>", ["b@b.test"]),
        ("<>", ["x@b.test"]),
    ]


def test_a_dash_is_standard_input(send: Run, server: sink.Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--eml -`` and ``--file -`` read standard input."""
    octets = b"From: a@a.test\r\nTo: b@b.test\r\n\r\nwhole\r\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    assert main(["send", "--server", server.address, "--eml", "-"]) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\n")))
    assert main(["send", "--server", server.address, *FROM_TO, "--file", "-"]) == 0
    assert server.taken[0].content == octets
    assert server.taken[1].content.endswith(b"\r\n\r\ntext\r\n")


def test_many_messages(send: Run, server: sink.Sink, tmp_path: Path) -> None:
    """Several files are several messages; one that cannot be sent does not stop the others."""
    files = []
    for number in range(12):
        file = tmp_path / f"{number}.eml"
        file.write_bytes(b"From: a@a.test\nTo: b%d@b.test\n\nx\n" % number if number != 5 else b"To: nobody\n\n")
        files += ["--eml", str(file)]
    result = send(*files)
    assert result.code == 65
    assert len(server.taken) == 11
    assert "5.eml: -: not sent, the message has no sender" in result.err
    assert "7.eml: b7@b.test: accepted, 250 2.0.0 Kept as 1" in result.out


def test_json(send: Run) -> None:
    """``--json`` is one array with a row for each recipient."""
    result = send(*FROM_TO, "--to", "nobody@b.test", "--body", "x", "--json")
    assert json.loads(result.out) == [
        {"file": "", "recipient": "bob@b.test", "fate": "accepted", "status": "2.0.0",
         "diagnostic": "smtp; 250 2.0.0 Kept as 1"},
        {"file": "", "recipient": "nobody@b.test", "fate": "failed", "status": "5.1.1",
         "diagnostic": "smtp; 550 5.1.1 No such mailbox here"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipients", "code"), [(["nobody"], 67), (["full"], 69), (["later"], 75), (["bob", "nobody", "later"], 75)]
)
def test_refusals_have_their_exit_codes(send: Run, recipients: list[str], code: int) -> None:
    """67 for a name nobody has, 69 for another refusal, 75 where trying again helps."""
    words = [word for name in recipients for word in ("--to", f"{name}@b.test")]
    result = send("--from", "a@a.test", *words, "--body", "x")
    assert result.code == code
    assert len(result.err.splitlines()) == len([name for name in recipients if name != "bob"])


def test_the_dialogue_with_its_meaning(send: Run) -> None:
    """``--transcript`` shows both sides, ``--explain`` the meaning of each line."""
    result = send(*FROM_TO, "--body", "x", "--transcript")
    assert "C: MAIL FROM:<anna@a.test>" in result.err
    assert "S: 250 2.0.0 Kept as 1" in result.err
    assert "RFC" not in result.err
    assert "     Names one recipient; repeat it for more." in send(*FROM_TO, "--body", "x", "--explain").err


def test_a_greeting_of_ones_own(send: Run, server: sink.Sink) -> None:
    """``--hello`` says how to greet."""
    send(*FROM_TO, "--body", "x", "--hello", "me.a.test", "--tls", "off")
    assert server.hellos == ["me.a.test"]


def test_lmtp(run: Run, tmp_path: Path) -> None:
    """``--lmtp`` delivers over LMTP, by a Unix socket too."""
    with sink.running(tmp_path / "lmtp", dialect=Dialect.LMTP) as server:
        result = run("send", "--lmtp", "--server", server.address, *FROM_TO, "--body", "x")
    assert (result.code, result.out) == (0, "bob@b.test: delivered, 250 2.0.0 Kept as 1\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give the text:"),
        ((*FROM_TO,), "give the text:"),
        ((*FROM_TO, "--body", "x", "-"), "give the text once only"),
        (("--to", "b@b.test", "--body", "x"), "say who sends it"),
        (("--from", "a@a.test", "--body", "x"), "say who gets it"),
        (("--eml", __file__, "--subject", "x"), "--eml sends messages as they are"),
        (("--eml", "/no/such/file"), "does not exist"),
        ((*FROM_TO, "--body", "x", "--tls", "maybe"), "is not one of"),
    ],
)
def test_wrong_usage_is_told(send: Run, arguments: tuple[str, ...], why: str) -> None:
    """Exit 64 with one sentence that names the mend."""
    result = send(*arguments)
    assert result.code == 64
    assert why in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((*FROM_TO, "--subject", "a\nb", "--body", "x"), "single line"),
        (("--from", "a@a.test", "--to", "b@@b.test", "--body", "x"), "b@@b.test"),
        (("--eml", __file__), "no sender"),
    ],
)
def test_wrong_input_is_told(send: Run, arguments: tuple[str, ...], why: str) -> None:
    """Exit 65 with one sentence."""
    result = send(*arguments)
    assert (result.code, why in result.err) == (65, True), result.err


def test_text_that_is_none(send: Run, tmp_path: Path) -> None:
    """A binary file is no text; the sentence says what to do with it."""
    file = tmp_path / "x"
    file.write_bytes(b"\xff\xfe")
    result = send(*FROM_TO, "--file", str(file))
    assert (result.code, "--attach" in result.err) == (65, True)


def test_no_server(run: Run) -> None:
    """Exit 69 when nobody listens, 75 when the server says 421, 64 for what is no address."""
    with sink.running() as gone:
        address = gone.address
    result = run("send", "--server", address, *FROM_TO, "--body", "x")
    assert (result.code, address in result.err) == (69, True)
    with sink.running(greeting=reply(421, "4.3.2", "Stopping")) as busy:
        assert run("send", "--server", busy.address, *FROM_TO, "--body", "x").code == 75
    assert run("send", "--server", "a:b:c", *FROM_TO, "--body", "x").code == 64


def test_progress_for_a_person_who_waits(
    send: Run, server: sink.Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal many messages, or a large one, have a bar, which is gone at the end."""
    monkeypatch.setattr("eilpost.cli.send.sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("eilpost.cli.send._LARGE", 10)
    file = tmp_path / "m.eml"
    file.write_bytes(b"From: a@a.test\nTo: b@b.test\n\nx\n")
    assert send("--eml", str(file), "--eml", str(file)).code == 0
    assert send("--eml", str(file)).code == 0
    assert len(server.taken) == 3
