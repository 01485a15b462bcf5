"""``eilpost-sendmail``, in the process and as programs call it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eilpost.cli import sendmail
from eilpost.mail.envelope import Notify, Ret
from eilpost.mail.reply import reply
from tests.unit.cli import sink
from tests.unit.cli.conftest import Result

Run = Callable[..., Result]


class _Input:
    """Standard input with octets behind it."""

    def __init__(self, octets: bytes) -> None:
        self.buffer = io.BytesIO(octets)


@pytest.fixture
def call(config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command; ``given`` is what stands on standard input, ``program`` its name."""

    def act(*arguments: str, given: bytes = b"", program: str = "sendmail") -> Result:
        monkeypatch.setattr(sys, "stdin", _Input(given))
        monkeypatch.setattr(sys, "argv", [f"/usr/sbin/{program}"])
        code = sendmail.main(list(arguments))
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return act


@pytest.fixture
def server(config_file: Path) -> Iterator[sink.Sink]:
    """A server where the configuration's data lies."""
    data = config_file.parent / "var"
    data.mkdir()
    with sink.running(data / "submit.sock") as running:
        yield running


def test_a_message_is_handed_over(call: Run, server: sink.Sink) -> None:
    """Text on standard input goes to the recipients named, from the user, and nothing is said."""
    assert call("-f", "cron@example.test", "anna@example.test", "bob", given=b"Subject: x\n\nhello\n") == Result(
        0, "", ""
    )
    (taken,) = server.taken
    assert taken.reverse_path == "<cron@example.test>"
    assert taken.names == ["anna@example.test", "bob@example.test"]
    assert taken.content.endswith(b"Subject: x\r\n\r\nhello\r\n")
    assert taken.content.startswith(b"From: ")


def test_recipients_from_the_header(call: Run, server: sink.Sink) -> None:
    """``-t`` adds those of To, Cc and Bcc to those named, each once."""
    given = b"From: a@far.test\nTo: Anna <anna@example.test>, bob\nBcc: eva@far.test\n\nx\n.\ny\n"
    assert call("-t", "-i", "bob", given=given).code == 0
    (taken,) = server.taken
    assert taken.names == ["bob@example.test", "anna@example.test", "eva@far.test"]
    assert taken.content.endswith(b"x\r\n.\r\ny\r\n")


def test_the_wishes_for_reports_are_passed_on(call: Run, server: sink.Sink) -> None:
    """``-N``, ``-R`` and ``-V`` become NOTIFY, RET and ENVID."""
    assert call("-Nnever", "-Rhdrs", "-Vid7", "-f", "<>", "anna", given=b"x").code == 0
    (taken,) = server.taken
    assert (taken.reverse_path, taken.parameters.ret, taken.parameters.envid) == ("<>", Ret.HEADERS, "id7")
    assert taken.recipients[0][1].notify == frozenset({Notify.NEVER})


def test_octets_beyond_ascii_go_as_they_are(call: Run, server: sink.Sink) -> None:
    """An 8-bit text and header need no flag."""
    assert call("anna", given="Subject: Grüße\n\nschön\n".encode()).code == 0
    assert "Subject: Grüße\r\n\r\nschön\r\n".encode() in server.taken[0].content


def test_the_dialogue_is_shown_on_request(call: Run, server: sink.Sink) -> None:
    """``-v`` writes both sides to standard error."""
    said = call("-v", "anna", given=b"x\n" * 100).err
    assert "S: 220 sink.example.test" in said
    assert "C: RCPT TO:<anna@example.test>" in said


@pytest.mark.parametrize(
    ("recipients", "code", "told"),
    [
        (["nobody"], 67, "nobody@example.test: smtp; 550 5.1.1"),
        (["anna", "nobody"], 67, "nobody@example.test"),
        (["anna", "later"], 75, "later@example.test: smtp; 451"),
        (["nobody", "later"], 75, "nobody@example.test"),
        (["a b@example.test"], 65, "local part"),
        (["a@b@example.test"], 65, ""),
    ],
)
def test_who_is_not_taken_is_told(call: Run, server: sink.Sink, recipients: list[str], code: int, told: str) -> None:
    """Exit 67 for names that nobody has, 75 where trying again helps, 65 for what is no address."""
    result = call(*recipients, given=b"x\n")
    assert result.code == code
    assert told in result.err
    assert [taken.names for taken in server.taken] == ([["anna@example.test"]] if "anna" in recipients else [])


def test_content_that_is_refused_is_told(call: Run, server: sink.Sink) -> None:
    """A message bigger than the server takes is exit 65."""
    assert call("anna", given=b"x" * 1_000_001).code == 65


def test_f014_a_nul_is_not_dropped(call: Run, server: sink.Sink) -> None:
    """Content that the server takes only as binary goes as binary, octet by octet."""
    assert call("anna", given=b"Subject: x\n\na\0b\n").code == 0
    assert b"a\0b\r\n" in server.taken[0].content


def test_without_a_server_the_caller_tries_again(call: Run) -> None:
    """Exit 75 with the cause and the mend."""
    result = call("anna", given=b"x")
    assert result.code == 75
    assert "submit.sock: No such file or directory; is `eilpost serve` running?" in result.err


def test_a_server_that_refuses_everybody_is_tried_again(call: Run, config_file: Path) -> None:
    """A 421 at the greeting is exit 75; so is a server that hangs up."""
    (config_file.parent / "var").mkdir()
    path = config_file.parent / "var" / "submit.sock"
    with sink.running(path, greeting=reply(421, "4.3.2", "Stopping")):
        result = call("anna", given=b"x")
    assert (result.code, "421 4.3.2 Stopping" in result.err) == (75, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "eilpost.toml: No such file or directory"),
        ("[server", "eilpost config check"),
        ("[server]\n", "neither a domain nor a host name"),
        ("domain = 7\n[server]\nhostname = 8\n", "neither a domain nor a host name"),
    ],
)
def test_a_configuration_that_does_not_help_is_told(call: Run, config_file: Path, text: str | None, told: str) -> None:
    """Exit 78 with the file and the cause."""
    config_file.unlink() if text is None else config_file.write_text(text)
    result = call("anna", given=b"x")
    assert (result.code, told in result.err) == (78, True)


def test_without_any_configuration(call: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 78, and where one would be looked for; the host name serves where no domain is at home."""
    monkeypatch.delenv("EILPOST_CONFIG")
    monkeypatch.setattr("eilpost.cli.sendmail_submit._PLACES", (str(tmp_path / "none"), "/nowhere/eilpost.toml"))
    result = call("anna", given=b"x")
    assert (result.code, "/nowhere/eilpost.toml" in result.err) == (78, True)


@pytest.mark.parametrize(("arguments", "code"), [(["-y"], 64), ([], 64), (["-bd"], 64)])
def test_a_wrong_command_line_is_told(call: Run, arguments: list[str], code: int) -> None:
    """Exit 64 with one sentence."""
    result = call(*arguments, given=b"To: anna\n\nx")
    assert result.code == code
    assert result.err.count("\n") == 1


def test_a_header_without_recipients(call: Run, server: sink.Sink) -> None:
    """``-t`` with nobody to send to is exit 65."""
    assert call("-t", given=b"Subject: x\n\n").code == 65


def test_aliases_are_checked(call: Run, config_file: Path) -> None:
    """``newaliases`` counts the aliases of the file, or names the line that is wrong."""
    assert "no file of aliases" in call(program="newaliases").out
    aliases = config_file.parent / "aliases"
    config_file.write_text(config_file.read_text() + f'[aliases]\nfile = "{aliases}"\n')
    aliases.write_text("team: anna, bob\n")
    assert "1 aliases, longest 2 members" in call("-bi").out
    aliases.write_text("team: |/bin/cat\n")
    result = call("-bi")
    assert (result.code, "line 1" in result.err) == (78, True)
    aliases.unlink()
    assert call("-bi").code == 78


def _process(config_file: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "import sys; from eilpost.cli.sendmail import main; sys.exit(main())", *arguments]
    environment = os.environ | {"EILPOST_CONFIG": str(config_file)}
    return subprocess.run(command, input=given, capture_output=True, env=environment, timeout=30, check=False)


def test_smtp_on_standard_input(config_file: Path, server: sink.Sink) -> None:
    """``-bs`` passes a session on, both ways, to its end."""
    dialogue = b"EHLO me\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<anna@example.test>\r\nBDAT 11 LAST\r\n"
    result = _process(config_file, "-bs", given=dialogue + b"x: y\r\n\r\nz\r\nQUIT\r\n")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"220 sink.example.test")
    assert result.stdout.endswith(b"221 2.0.0 Bye\r\n")
    assert server.taken[0].content == b"x: y\r\n\r\nz\r\n"


def test_smtp_on_standard_input_without_a_server(config_file: Path) -> None:
    """``-bs`` says 421 to its client when the server is not there."""
    result = _process(config_file, "-bs")
    assert (result.returncode, result.stdout[:10]) == (75, b"421 4.3.2 ")


def test_a_submission_loads_no_more_than_it_needs(config_file: Path, server: sink.Sink) -> None:
    """Neither asyncio nor the email package nor a command-line library is imported on the way."""
    code = (
        "import sys; from eilpost.cli.sendmail import main; code = main(); "
        "heavy = {'asyncio', 'argparse', 'click', 'email', 'rich', 'dns', 'uvloop', 'pathlib', 'threading'}; "
        "print(sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code, "anna"],
        input=b"From: a@b.test\n\nx\n",
        capture_output=True,
        env=os.environ | {"EILPOST_CONFIG": str(config_file)},
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == b"[]\n"


@pytest.mark.parametrize("program", ["sendmail", "mailq", "newaliases"])
def test_help_shows_the_flags_and_an_example(call: Run, program: str) -> None:
    """``--help`` lists the flags that mean something and shows the command at work."""
    result = call("--help", program=program)
    assert (result.code, result.err) == (0, "")
    assert "\n  -f VALUE" in result.out
    assert "\nExample:\n" in result.out
