"""A message that was caught, as a test looks at it: what it holds, and assertions that say what differs (words)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from html.parser import HTMLParser
from typing import Final

_URL: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_SHOWN: Final = 60  # lines of a text that a failure shows


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the text: its file name, media type and decoded content."""

    name: str
    kind: str
    content: bytes = field(repr=False)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """The target of a link."""
        self.found += [value for key, value in attrs if tag == "a" and key == "href" and value]


def differ(what: str, wanted: str, found: str) -> None:
    """AssertionError with a difference, line by line, unless both are the same."""
    if wanted == found:
        return
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "wanted", "found", lineterm="", n=3)
    raise AssertionError(f"{what} differs:\n" + "\n".join(lines))


def _shown(text: str) -> str:
    lines = text.splitlines()
    more = [f"… and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    return "\n".join(f"  | {line}" for line in [*lines[:_SHOWN], *more])


@dataclass(frozen=True)
class Message:
    """One caught message.

    ``sender`` and ``recipients`` are the envelope's, ``sender`` empty for the null reverse-path;
    ``login`` is the name that was logged in with. ``content`` is what came after DATA.
    """

    id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    login: str = ""
    tls: str = ""
    transcript: str = field(default="", repr=False)

    @cached_property
    def parsed(self) -> EmailMessage:
        """The message as Python's ``email`` reads it."""
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def subject(self) -> str:
        """The subject, decoded; empty when there is none."""
        return self.header("Subject")

    def header(self, name: str) -> str:
        """The first field of this name, decoded; empty when there is none."""
        return str(self.parsed.get(name, ""))

    @cached_property
    def text(self) -> str:
        """The plain text, with line feeds; empty when there is none."""
        return self._body("plain")

    @cached_property
    def html(self) -> str:
        """The HTML, with line feeds; empty when there is none."""
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.parsed.get_body(preferencelist=(kind,))
        return str(part.get_content()).replace("\r\n", "\n") if isinstance(part, EmailMessage) else ""

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Where its links lead: those of the HTML, then the addresses in the text; each once."""
        reader = _Links()
        reader.feed(self.html)
        return tuple(dict.fromkeys((*reader.found, *_URL.findall(self.text))))

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """Its attachments, in their order."""
        return tuple(_attachment(part) for part in self.parsed.iter_attachments())

    def __str__(self) -> str:
        return f"from {self.sender or '<>'} to {', '.join(self.recipients)}: {self.subject!r}"

    # --- assertions

    def assert_envelope(self, *, sender: str | None = None, recipients: Iterable[str] | None = None) -> None:
        """The envelope is this; recipients in any order."""
        __tracebackhide__ = True
        if sender is not None:
            differ("the sender of the envelope", sender, self.sender)
        if recipients is not None:
            differ("the recipients of the envelope", "\n".join(sorted(recipients)), "\n".join(sorted(self.recipients)))

    def assert_header(self, name: str, value: str | None) -> None:
        """The field has this value, decoded; None: there is no such field."""
        __tracebackhide__ = True
        found = self.parsed.get(name)
        if found is None or value is None:
            if found is value:
                return
            names = ", ".join(self.parsed.keys())
            raise AssertionError(
                f"there is no {name}; there are: {names}" if found is None else f"{name} is there: {found}"
            )
        differ(name, value, str(found))

    def assert_text(self, text: str) -> None:
        """The plain text is this, line ends and blanks at the end aside."""
        __tracebackhide__ = True
        differ("the text", text.replace("\r\n", "\n").strip(), self.text.strip())

    def assert_contains(self, *pieces: str) -> None:
        """Each piece stands in the text, or in the HTML."""
        __tracebackhide__ = True
        for piece in pieces:
            if piece not in self.text and piece not in self.html:
                raise AssertionError(f"{piece!r} is not in the message:\n{_shown(self.text or self.html)}")

    def assert_link(self, url: str) -> None:
        """A link leads there."""
        __tracebackhide__ = True
        if url not in self.links:
            raise AssertionError(f"no link leads to {url}; the links are:\n{_shown(_lines(self.links))}")

    def assert_attachment(self, name: str, *, kind: str | None = None, content: bytes | None = None) -> Attachment:
        """There is an attachment of this name, of this media type and content where they are given; it."""
        __tracebackhide__ = True
        found = next((each for each in self.attachments if each.name == name), None)
        if found is None:
            names = [f"{each.name} ({each.kind}, {len(each.content)} octets)" for each in self.attachments]
            raise AssertionError(f"there is no attachment {name}; there are:\n{_shown(_lines(names))}")
        if kind is not None:
            differ(f"the type of {name}", kind, found.kind)
        if content is not None and content != found.content:
            size = f"{len(content)} octets are wanted, {len(found.content)} were found"
            raise AssertionError(
                f"the content of {name} differs: {size}, first at octet {_first(content, found.content)}"
            )
        return found

    def assert_transcript(self, *lines: str) -> None:
        """These lines were said in this order, such as ``C: STARTTLS``; a line may be the beginning of one."""
        __tracebackhide__ = True
        said = iter(self.transcript.splitlines())
        for line in lines:
            if not any(each.startswith(line) for each in said):
                raise AssertionError(f"{line!r} was not said, or not then:\n{_shown(self.transcript)}")


def _attachment(part: EmailMessage) -> Attachment:
    octets = part.get_payload(decode=True)
    return Attachment(part.get_filename() or "", part.get_content_type(), octets if isinstance(octets, bytes) else b"")


def _lines(items: Sequence[str]) -> str:
    return "\n".join(items) or "(none)"


def _first(wanted: bytes, found: bytes) -> int:
    pairs = enumerate(zip(wanted, found, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(wanted), len(found)))
