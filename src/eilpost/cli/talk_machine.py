"""A dialogue by hand without its terminal and its socket: lines and octets in, actions out (a grammar).

What is typed goes to the server as it stands, but for a few words of ours: ``starttls`` (``stls``)
goes on in TLS, ``auth`` and ``pass`` do the encoding and ask for what must not be seen, the
content gets its dots, ``?`` explains, and a backslash before a line sends it without any help.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from eilpost.cli import talk_explain
from eilpost.cli.talk_login import WHAT_TO_ASK, Login, NewTerms, choose, credentials
from eilpost.cli.talk_record import Recorder
from eilpost.cli.talk_words import Action, Ask, Heard, Protocol, Send, Show, Upgrade
from eilpost.sasl import apop
from eilpost.sasl.mechanisms import MECHANISMS, Mechanism

_GREETING: Final = "(greeting)"
_CONTENT_END: Final = "."
_CHUNK: Final = re.compile(r"BDAT +(\d{1,10})( +LAST)? *", re.IGNORECASE)
_POP3_LISTS: Final = frozenset({"CAPA", "RETR", "TOP"})
_POP3_LISTS_ALONE: Final = frozenset({"LIST", "UIDL", "AUTH"})
_SECRET_LINE: Final = re.compile(r"(AUTH +[^ ]+|PASS|APOP +[^ ]+) +[^ ].*", re.IGNORECASE)


class Mode(Enum):
    """What a typed line is."""

    COMMAND = "command"
    CONTENT = "content"
    CHUNK = "chunk"
    RESPONSE = "response"  # of a login by hand
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Pending:
    """A reply that is due: to which verb, and whether it is a list that a dot ends (POP3)."""

    verb: str
    is_list: bool = False


class Talk:
    """One connection; ``record`` is told what is said."""

    def __init__(self, protocol: Protocol | None, record: Recorder, terms: NewTerms, *, secured: bool) -> None:
        self.protocol = protocol
        self.mode = Mode.COMMAND
        self.offers: dict[str, str] = {}
        self._record = record
        self._terms = terms
        self._secured = secured
        self._pending = deque([Pending(_GREETING)])
        self._rest = b""
        self._more_came = False
        self._lines: list[str] = []
        self._last: Heard | None = None
        self._recipients = 0
        self._chunk_left = 0
        self._chunk_last = False
        self._login: Login | None = None
        self._answer: Callable[[str], list[Action]] | None = None
        self._user = ""
        self._stamp: bytes | None = None
        if protocol is not None:
            record.speaks(protocol)

    # --- where it stands

    @property
    def is_waiting(self) -> bool:
        """Whether the server has to speak next."""
        return bool(self._pending) and self.mode is not Mode.CLOSED

    @property
    def prompt(self) -> str:
        """What stands before the next line."""
        return "C| " if self.mode in (Mode.CONTENT, Mode.CHUNK) else "C: "

    def may_remember(self, line: str) -> bool:
        """Whether a line may go into a history: content and secrets may not."""
        return self.mode is Mode.COMMAND and not _SECRET_LINE.fullmatch(line.removeprefix("\\"))

    def stop_waiting(self) -> None:
        """The person does not want to wait for what is due."""
        self._pending.clear()

    # --- what is typed

    def typed(self, line: str) -> list[Action]:
        """A line of the person."""
        if self.mode in _TYPED:
            return _TYPED[self.mode](self, line)
        if not line.strip():
            return []
        if line.startswith("?"):
            return self._explain(line[1:].strip())
        if line.startswith("\\"):
            return self._command(line[1:])
        verb, _, argument = line.strip().partition(" ")
        help_of = _HELPED.get(verb.upper())
        return help_of(self, line, argument.strip()) if help_of else self._command(line)

    def answered(self, text: str | None) -> list[Action]:
        """The answer to what was asked; None cancels."""
        answer, self._answer = self._answer, None
        if answer is None or text is None:
            return [Show("", "cancelled")]
        return answer(text)

    def _explain(self, word: str) -> list[Action]:
        if not word:
            return [*self.explained(), Show("", "? WORD explains a word, ?? these commands")]
        return [Show("", line) for line in talk_explain.word(word)]

    def explained(self) -> list[Action]:
        """What the last reply means."""
        return [Show("", line) for line in talk_explain.reply(self._last)]

    def _command(self, line: str) -> list[Action]:
        """Sends a line as it stands."""
        secret = _SECRET_LINE.fullmatch(line)
        if secret is None:
            self._record.sent(line)
        else:
            self._record.logged_in_by_hand()
        self._expect(line)
        shown = f"{secret[1]} (not shown)" if secret else line
        return [Send(line.encode("utf-8", "surrogateescape") + b"\r\n"), *_echo(shown)]

    def _expect(self, line: str) -> None:
        """What the server will answer to it."""
        verb, _, argument = line.strip().partition(" ")
        verb = verb.upper()
        if self.protocol is Protocol.POP3:
            is_list = verb in _POP3_LISTS or (verb in _POP3_LISTS_ALONE and not argument.strip())
            if verb == "USER":
                self._user = argument.strip()
            self._pending.append(Pending(verb, is_list))
            return
        chunk = _CHUNK.fullmatch(line.strip())
        if chunk is not None and int(chunk[1]):
            self._chunk_left = int(chunk[1])
            self.mode = Mode.CHUNK
            self._chunk_last = chunk[2] is not None
        elif chunk is not None and chunk[2]:
            self._end_content()
        else:
            self._pending.append(Pending(verb))

    def _content(self, line: str) -> list[Action]:
        """A line of the content, with the dot that RFC 5321 §4.5.2 wants before a dot."""
        ends = line == _CONTENT_END
        if line.startswith(".") and not ends:
            line = f".{line}"
        self._record.sent(line)
        if ends:
            self.mode = Mode.COMMAND
            self._end_content()
        return [Send(line.encode("utf-8", "surrogateescape") + b"\r\n"), *_echo(line)]

    def _end_content(self) -> None:
        """LMTP answers for each recipient (RFC 2033 §4.2)."""
        replies = self._recipients if self.protocol is Protocol.LMTP else 1
        self._recipients = 0
        self._pending.extend([Pending(_CONTENT_END)] * max(1, replies))

    def _chunk(self, line: str) -> list[Action]:
        octets = line.encode("utf-8", "surrogateescape") + b"\r\n"
        if len(octets) > self._chunk_left:
            return [Show("", f"only {self._chunk_left} octets of the chunk are left, and that is {len(octets)}")]
        self._chunk_left -= len(octets)
        self._record.sent(line)
        if not self._chunk_left:
            self.mode = Mode.COMMAND
            if self._chunk_last:
                self._end_content()
            else:
                self._pending.append(Pending("BDAT"))
        return [Send(octets), *_echo(line)]

    def _response(self, line: str) -> list[Action]:
        """The answer to a 334 that somebody encodes alone: it may be a password."""
        self.mode = Mode.COMMAND
        self._pending.append(Pending("AUTH"))
        return [Send(line.encode() + b"\r\n"), *_echo("(a response, not shown)")]

    # --- words of ours

    def _starttls(self, line: str, argument: str) -> list[Action]:
        return self._command("STLS" if self.protocol is Protocol.POP3 else "STARTTLS")

    def _auth(self, line: str, argument: str) -> list[Action]:
        """``auth [mechanism [name]]``."""
        mechanism, _, name = argument.partition(" ")
        row = MECHANISMS.get(mechanism.upper() or choose(self._offered(), secured=self._secured))
        if row is None:
            offered = ", ".join(self._offered()) or "nothing yet; EHLO or CAPA asks"
            what = f"{mechanism} is not known here" if mechanism else "no mechanism fits"
            return [Show("", f"{what}; the server offers {offered}; \\auth sends the command as it stands")]
        if name:
            return self._ask_secret(row, name.strip())
        self._answer = lambda given: self._ask_secret(row, given)
        return [Ask("User name")]

    def _offered(self) -> list[str]:
        return self.offers.get("SASL" if self.protocol is Protocol.POP3 else "AUTH", "").upper().split()

    def _ask_secret(self, row: Mechanism, name: str) -> list[Action]:
        what = WHAT_TO_ASK[row.wants]
        if not what:
            return self._log_in(row, name, "")
        self._answer = lambda secret: self._log_in(row, name, secret)
        return [Ask(what, secret=True)]

    def _log_in(self, row: Mechanism, name: str, secret: str) -> list[Action]:
        login = Login(row.name, row.client(credentials(row, name, secret), self._terms()))
        turn = login.begin()
        if turn.given_up:
            return list(turn.actions)
        self._login = login
        self._record.logged_in(row.name, name)
        self._pending.append(Pending("AUTH"))
        if row.plain_text and not self._secured:
            return [Show("", "careful: without TLS, everybody on the way can read the secret"), *turn.actions]
        return list(turn.actions)

    def _pass(self, line: str, argument: str) -> list[Action]:
        """``pass``: asks, so that nobody looks over a shoulder."""
        if self.protocol is not Protocol.POP3:
            return self._command(line)
        if argument:
            return self._say_secret("PASS", argument)
        self._answer = lambda secret: self._say_secret("PASS", secret)
        return [Ask("Password", secret=True)]

    def _say_secret(self, verb: str, secret: str) -> list[Action]:
        self._record.logged_in(verb, self._user)
        self._pending.append(Pending(verb))
        return [Send(f"{verb} {secret}\r\n".encode()), Show("C", f"{verb} (not shown)")]

    def _apop_command(self, line: str, argument: str) -> list[Action]:
        """``apop name``: computes the digest (RFC 1939 §7)."""
        if self.protocol is not Protocol.POP3 or not self._stamp or not argument or " " in argument:
            return self._command(line)
        self._answer = lambda secret: self._digest(argument, secret)
        return [Ask("Password", secret=True)]

    def _digest(self, name: str, secret: str) -> list[Action]:
        self._record.logged_in("APOP", name)
        self._pending.append(Pending("APOP"))
        assert self._stamp is not None
        digest = apop.digest(self._stamp, secret.encode())
        return [Send(b"APOP %s %s\r\n" % (name.encode(), digest)), Show("C", f"APOP {name} (a digest, not shown)")]

    # --- what the server says

    def received(self, octets: bytes) -> list[Action]:
        """Octets of the server; an empty string says that it closed."""
        if not octets:
            self.mode = Mode.CLOSED
            self._pending.clear()
            self._record.closed()
            return [Show("", "the server has closed the connection")]
        *lines, self._rest = (self._rest + octets).split(b"\n")
        actions: list[Action] = []
        for number, line in enumerate(lines, 1):
            self._more_came = number < len(lines) or bool(self._rest)
            actions += self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
        return actions

    def _line(self, text: str) -> list[Action]:
        self._lines.append(text)
        shown: list[Action] = [Show("S", text)]
        if self.protocol is None:
            self.protocol = _protocol(text)
            self._record.speaks(self.protocol)
        if self._goes_on(text):
            return shown
        heard, self._lines = Heard(tuple(self._lines)), []
        return shown + self._heard(heard)

    def _goes_on(self, text: str) -> bool:
        """Whether the reply has more lines."""
        if self.protocol is not Protocol.POP3:
            return text[:3].isdigit() and text[3:4] == "-"
        is_list = bool(self._pending) and self._pending[0].is_list and self._lines[0].startswith("+OK")
        return is_list and (text != "." or len(self._lines) == 1)

    def _heard(self, reply: Heard) -> list[Action]:
        pending = self._pending.popleft() if self._pending else Pending("")
        self._last = reply
        if self._login is not None and pending.verb == "AUTH":
            return self._go_on_with_login(self._login, reply)
        if reply.is_challenge and pending.verb == "AUTH":
            self.mode = Mode.RESPONSE
            self._record.logged_in_by_hand()
            return [Show("", "your response, in base64; it is not recorded. * cancels")]
        self._record.heard(reply)
        follow = _HEARD.get(pending.verb)
        return follow(self, reply) if follow else []

    def _go_on_with_login(self, login: Login, reply: Heard) -> list[Action]:
        if reply.is_challenge:
            self._pending.append(Pending("AUTH"))
            turn = login.go_on(reply.text)
            if turn.given_up:
                self._login = None
                self._pending[-1] = Pending("(cancelled)")
            return list(turn.actions)
        self._login = None
        self._record.heard(reply)
        if reply.is_positive:
            return list(login.accepted())
        login.refused()
        return []

    def _on_greeting(self, reply: Heard) -> list[Action]:
        self._stamp = apop.timestamp(reply.lines[0].encode())
        return []

    def _on_hello(self, reply: Heard) -> list[Action]:
        if reply.is_positive:
            self.offers = dict(_offer(line) for line in reply.lines[1:] if line.strip(" ."))
            self._recipients = 0
        return []

    def _on_rcpt(self, reply: Heard) -> list[Action]:
        self._recipients += reply.is_positive
        return []

    def _on_reset(self, reply: Heard) -> list[Action]:
        self._recipients = 0 if reply.is_positive else self._recipients
        return []

    def _on_data(self, reply: Heard) -> list[Action]:
        if reply.code != "354":
            return []
        self.mode = Mode.CONTENT
        return [Show("", "the content; a dot alone on a line ends it, and other dots are taken care of")]

    def _on_quit(self, reply: Heard) -> list[Action]:
        if reply.is_positive:
            self._pending.append(Pending("(the end)"))
        return []

    def _on_starttls(self, reply: Heard) -> list[Action]:
        if not reply.is_positive:
            return []
        if self._more_came:
            self.mode = Mode.CLOSED
            return [Show("", "the server spoke in the clear behind its yes: the connection cannot be trusted")]
        self._record.secured()
        self._secured = True
        self.offers.clear()  # RFC 3207 §4.2: nothing learnt before counts
        return [Upgrade()]


def _offer(line: str) -> tuple[str, str]:
    """``250-SIZE 100`` or, in CAPA, ``SASL PLAIN``: the keyword and its argument."""
    text = line[4:] if line[:3].isdigit() else line
    keyword, _, argument = text.partition(" ")
    return keyword.upper(), argument


def _protocol(greeting: str) -> Protocol:
    if greeting.startswith(("+", "-")):
        return Protocol.POP3
    return Protocol.LMTP if "LMTP" in greeting.upper() else Protocol.SMTP


def _echo(line: str) -> list[Action]:
    return [Show("C", line)]


_TYPED: Final[Mapping[Mode, Callable[[Talk, str], list[Action]]]] = MappingProxyType({
    Mode.CONTENT: Talk._content,
    Mode.CHUNK: Talk._chunk,
    Mode.RESPONSE: Talk._response,
})  # fmt: skip

_HELPED: Final[Mapping[str, Callable[[Talk, str, str], list[Action]]]] = MappingProxyType({
    "STARTTLS": Talk._starttls,
    "STLS": Talk._starttls,
    "AUTH": Talk._auth,
    "PASS": Talk._pass,
    "APOP": Talk._apop_command,
})  # fmt: skip

_HEARD: Final[Mapping[str, Callable[[Talk, Heard], list[Action]]]] = MappingProxyType({
    _GREETING: Talk._on_greeting,
    "EHLO": Talk._on_hello,
    "LHLO": Talk._on_hello,
    "HELO": Talk._on_hello,
    "CAPA": Talk._on_hello,
    "RCPT": Talk._on_rcpt,
    "MAIL": Talk._on_reset,
    "RSET": Talk._on_reset,
    "DATA": Talk._on_data,
    "QUIT": Talk._on_quit,
    "STARTTLS": Talk._on_starttls,
    "STLS": Talk._on_starttls,
})  # fmt: skip
"""What a reply to each verb means for the dialogue."""
