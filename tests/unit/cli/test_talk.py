"""``eilpost talk`` through its entry point: piped, on a terminal, over TLS, recorded and played again."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eilpost.cli.exits import Exit
from eilpost.testing.dialog import parse
from eilpost.testing.dialog_socket import run_over_socket
from tests.unit.cli.authority import Authority
from tests.unit.cli.conftest import Run

Script = Callable[["Line"], None]


class Line:
    """The server's side of a connection, for a script."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._context = context
        self._file = connection.makefile("rb")

    def say(self, *lines: str) -> None:
        self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the client is gone")
        return line.decode().rstrip("\r\n")

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def encrypt(self) -> None:
        self._file.close()
        self._connection = self._context.wrap_socket(self._connection, server_side=True)
        self._file = self._connection.makefile("rb")


@contextlib.contextmanager
def serving(script: Script, authority: Authority) -> Iterator[int]:
    """A server that plays ``script`` for each connection; its port."""
    context = authority.server_context()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            line = Line(connection, context)
            try:
                script(line)
            except OSError:
                pass  # the client has its own opinion, which the test looks at
            finally:
                line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.pem)
    return str(file)


def slides(line: Line) -> None:
    """The server of the founding document's dialogue (slide 7)."""
    line.say("220 mp021 ESMTP")
    while True:
        match line.hear().lower():
            case "ehlo anna":
                line.say("250-mp021", "250-8BITMIME", "250-AUTH CRAM-MD5 LOGIN PLAIN", "250 STARTTLS")
            case "auth login":
                line.say("334 VXNlcm5hbWU6")
                line.hear()
                line.say("334 UGFzc3dvcmQ6")
                line.say("235 2.7.0 Go ahead" if line.hear() == "Z2VoZWlt" else "535 5.7.8 no")
            case "starttls":
                line.say("220 2.0.0 Go ahead")
                line.encrypt()
            case "data":
                line.say("354 Go ahead")
                while line.hear() != ".":
                    pass
                line.say("250 2.0.0 Message accepted")
            case "quit":
                line.say("221 2.0.0 bye")
                return
            case _:
                line.say("250 2.0.0 ok")


SLIDE_7 = """\
ehlo anna
auth login
anna@example.test
geheim
mail from: anna@example.test
rcpt to: berta@example.test
data
subject: a first mail

This is the content. A dot alone on a line ends it.
.
quit
"""


def test_the_slides_dialogue_is_typed(run: Run, authority: Authority) -> None:
    """Slide 7, line by line: what people type works, and no secret is shown."""
    with serving(slides, authority) as port:
        done = run("talk", f"localhost:{port}", given=SLIDE_7)
    assert done.code == Exit.OK, done.err
    assert "S: 235 2.7.0 Go ahead" in done.out
    assert "S: 250 2.0.0 Message accepted" in done.out
    assert "that is: Password:" in done.out
    assert "geheim" not in done.out + done.err
    assert "\x1b" not in done.out


async def test_what_was_recorded_can_be_played(run: Run, authority: Authority, tmp_path: Path) -> None:
    """The file is a dialogue, holds no secret, and goes through with the password given; TLS included."""
    file = tmp_path / "slides.dialog"
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    typed = SLIDE_7.replace("auth login", "starttls\nehlo anna\nauth login", 1)
    with serving(slides, authority) as port:
        done = run("talk", f"localhost:{port}", "--ca", str(ca), "--record", str(file), given=typed)
        assert done.code == Exit.OK, done.err
        text = file.read_text()
        assert "geheim" not in text
        assert "Z2VoZWlt" not in text
        await run_over_socket(parse(text), "127.0.0.1", port, passwords={"anna@example.test": "geheim"})


def test_starttls_says_what_was_negotiated(run: Run, authority: Authority, ca_file: str) -> None:
    """Version, cipher, the certificate's names and who verified it are told."""
    with serving(slides, authority) as port:
        done = run("talk", f"localhost:{port}", "--tls", "starttls", "--ca", ca_file, given="quit\n")
    assert done.code == Exit.OK, done.err
    assert "TLSv1.3, TLS_" in done.out
    assert "certificate for localhost" in done.out
    assert "verified for localhost" in done.out


def test_a_certificate_that_nobody_vouches_for_ends_it(run: Run, authority: Authority) -> None:
    """Nothing is said to a server that is not who it should be, unless --insecure says so."""
    with serving(slides, authority) as port:
        done = run("talk", f"localhost:{port}", "--tls", "starttls", given="quit\n")
        assert done.code == Exit.PROTOCOL
        assert "--insecure does without" in done.err
        assert "Traceback" not in done.err
        done = run("talk", f"localhost:{port}", "--tls", "starttls", "--insecure", given="quit\n")
        assert done.code == Exit.OK
        assert "NOT verified" in done.out


def test_implicit_tls_comes_before_the_greeting(run: Run, authority: Authority, ca_file: str) -> None:
    """submissions and pop3s speak TLS from the first octet, RFC 8314 §3."""

    def script(line: Line) -> None:
        line.encrypt()
        slides(line)

    with serving(script, authority) as port:
        done = run("talk", f"localhost:{port}", "--tls", "implicit", "--ca", ca_file, given="quit\n")
    assert done.code == Exit.OK, done.err
    assert "S: 221 2.0.0 bye" in done.out


def test_the_end_of_input_says_quit(run: Run, authority: Authority) -> None:
    """Ctrl-D is a polite farewell."""
    with serving(slides, authority) as port:
        done = run("talk", f"127.0.0.1:{port}", given="noop\n")
    assert done.code == Exit.OK
    assert "C: QUIT" in done.out
    assert "S: 221 2.0.0 bye" in done.out


def test_half_a_content_is_not_sent_as_a_whole(run: Run, authority: Authority) -> None:
    """Input that ends within the content gives no message, and says so."""
    with serving(slides, authority) as port:
        done = run("talk", f"127.0.0.1:{port}", given="data\nhalf\n")
    assert done.code == Exit.DATAERR
    assert "not sent" in done.out


def test_replies_are_explained_when_wanted(run: Run, authority: Authority) -> None:
    """--explain says after each reply what ? would."""
    with serving(slides, authority) as port:
        done = run("talk", f"127.0.0.1:{port}", "--explain", given="ehlo anna\nquit\n")
    assert "220: yes; the server is ready" in done.out
    assert "8BITMIME: an extension, RFC 6152" in done.out


def test_f155_what_a_server_says_cannot_steer_the_terminal(run: Run, authority: Authority) -> None:
    """Escape sequences in a reply are spelled out."""

    def script(line: Line) -> None:
        line.say("220 \x1b]0;owned\x07 hello")
        line.hear()
        line.say("221 bye")

    with serving(script, authority) as port:
        done = run("talk", f"127.0.0.1:{port}", given="quit\n")
    assert "\\x1b]0;owned\\x07" in done.out


def test_nobody_there_is_one_sentence(run: Run) -> None:
    """A server that does not answer gives an exit code and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run("talk", f"127.0.0.1:{port}", given="")
    assert done.code == Exit.UNAVAILABLE
    assert "no connection" in done.err
    assert done.err.count("\n") == 1


def test_a_silent_server_is_not_waited_for_for_ever(run: Run, authority: Authority) -> None:
    """--timeout bounds the wait for a reply; whoever scripts it may try again."""
    with serving(lambda line: [line.hear()].clear(), authority) as port:
        done = run("talk", f"127.0.0.1:{port}", "--timeout", "0.2", given="")
    assert done.code == Exit.TEMPFAIL
    assert "says nothing" in done.err


class Screen:
    """A real terminal with somebody at its keys."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-c", "import sys; from eilpost.cli.main import main; sys.exit(main())", *arguments]
        environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**environ, "TERM": "xterm", **(environment or {})},
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self._judged = 0

    def until(self, text: str) -> None:
        """Waits for a text behind the last one that was waited for."""
        begin = time.monotonic()
        while (at := self.seen.find(text, self._judged)) < 0:
            assert time.monotonic() - begin < 20, self.seen
            if select.select([self._master], [], [], 1)[0]:
                try:
                    self.seen += os.read(self._master, 4096).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(self.seen) from None
        self._judged = at + len(text)

    def keys(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)


def test_at_a_terminal_there_is_history_and_no_password_is_seen(authority: Authority) -> None:
    """Line editing, completion and history work, secrets have no echo, replies have colours."""
    with serving(slides, authority) as port:
        screen = Screen("talk", f"127.0.0.1:{port}")
        screen.until("220 mp021")
        screen.until("C: ")
        screen.keys("eh\tanna\n")  # completed
        screen.until("250 STARTTLS")
        screen.until("C: ")
        screen.keys("auth login\n")
        screen.until("User name: ")
        screen.keys("anna@example.test\n")
        screen.until("Password: ")
        screen.keys("geheim\n")
        screen.until("235 2.7.0")
        screen.until("C: ")
        screen.keys("nooop\x1b[D\x1b[D\x7f\n")  # two to the left, one back
        screen.until("250 2.0.0 ok")
        screen.until("C: ")
        screen.keys("\x1b[A\x1b[A\x1b[A\n")  # noop, auth login, ehlo: the password is not among them
        screen.until("250 STARTTLS")
        screen.until("C: ")
        screen.keys("\x04")
        screen.until("221 2.0.0 bye")
        assert screen.end() == Exit.OK
    assert "geheim" not in screen.seen
    assert "\x1b[32m" in screen.seen


def test_no_color_is_obeyed(authority: Authority) -> None:
    """With NO_COLOR a terminal gets plain text."""
    with serving(slides, authority) as port:
        screen = Screen("talk", f"127.0.0.1:{port}", environment={"NO_COLOR": "1"})
        screen.until("220 mp021")
        screen.until("C: ")
        screen.keys("quit\n")
        screen.until("221 2.0.0 bye")
        assert screen.end() == Exit.OK
    assert "\x1b[3" not in screen.seen
