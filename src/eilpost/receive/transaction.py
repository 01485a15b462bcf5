"""One transaction on its way in: its envelope as it grows, its content as it arrives (a deed).

The header is looked at once, when it is there; the body goes to the draft as it comes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from eilpost.mail.envelope import Envelope, MailParameters, Recipient, ReversePath
from eilpost.message import header as headers
from eilpost.message import trace
from eilpost.message.submission import Repairs
from eilpost.policy.facts import ContentFacts
from eilpost.route.expand import distinct
from eilpost.spool.contract import Draft, SpoolError

_HEADER_END: Final = b"\r\n\r\n"
_NO_REPAIRS: Final = Repairs(b"", (), ())

Mend = Callable[[headers.Header], Repairs]


class Transaction:
    """MAIL to the end of the content. ``accepted`` counts the RCPTs that were answered 250."""

    __slots__ = ("_head", "_limit", "_mend", "accepted", "draft", "header", "parameters", "recipients", "repairs",
                 "reverse_path")  # fmt: skip

    def __init__(self, reverse_path: ReversePath, parameters: MailParameters) -> None:
        self.reverse_path = reverse_path
        self.parameters = parameters
        self.recipients: list[Recipient] = []
        self.accepted = 0
        self.draft: Draft | None = None
        self.header: headers.Header | None = None
        self._head: bytes | bytearray = b""
        self.repairs = _NO_REPAIRS
        self._limit = 0
        self._mend: Mend | None = None

    def add(self, recipients: tuple[Recipient, ...]) -> None:
        """One RCPT was accepted and leads to these."""
        self.accepted += 1
        self.recipients.extend(recipients)

    def envelope(self) -> Envelope:
        """What goes to the spool, each recipient once."""
        found = tuple(self.recipients) if len(self.recipients) == 1 else distinct(self.recipients)
        return Envelope(self.reverse_path, found, self.parameters)

    def begin_content(self, draft: Draft, *, header_limit: int, mend: Mend | None) -> None:
        """The content comes next; ``mend`` says what a new message lacks and has too much of."""
        self.draft = draft
        self._limit = header_limit
        self._mend = mend

    async def take(self, octets: bytes) -> None:
        """The next octets of the content. SpoolFull, SpoolClosed."""
        assert self.draft is not None
        if self.header is not None:
            await self.draft.write(octets)
            return
        if not self._head and _HEADER_END in octets:
            self._head = octets  # the usual case: the header comes whole, and is not copied
            await self._take_header()
            return
        head = self._head = self._head if isinstance(self._head, bytearray) else bytearray()
        searched = max(0, len(head) - len(_HEADER_END) + 1)
        head += octets
        if head.find(_HEADER_END, searched) >= 0 or len(head) > self._limit + len(_HEADER_END):
            await self._take_header()

    async def finish(self) -> headers.Header:
        """The content is complete; its header."""
        if self.header is None:
            await self._take_header()
        assert self.header is not None
        return self.header

    async def _take_header(self) -> None:
        assert self.draft is not None
        octets, self._head = bytes(self._head), b""
        self.header = header = headers.scan(octets, self._limit)
        if self._mend is not None:
            self.repairs = self._mend(header)
            if self.repairs.cuts:
                octets = headers.without(octets, self.repairs.cuts)
        if octets:
            await self.draft.write(octets)

    def facts(self, size: int) -> ContentFacts:
        """What policy wants to know of a finished content."""
        header = self.header
        assert header is not None
        return ContentFacts(
            size=size,
            hops=trace.hops(header),
            header_too_big=header.over_limit,
            header_8bit=not header.octets.isascii(),
            smtputf8=self.parameters.smtputf8,
            troubles=tuple(trouble.value for trouble in self.repairs.troubles) if self.repairs.troubles else (),
        )

    async def discard(self) -> None:
        """Nothing of it is kept; what a store that is closed cannot remove, its next start does."""
        if self.draft is not None:
            with contextlib.suppress(SpoolError):
                await self.draft.discard()
