"""What a server offers in its answer to EHLO or LHLO (a grammar).

RFC 5321 §4.1.1.1 gives the form, RFC 1870 the argument of SIZE, RFC 9422 those of LIMITS, RFC 4954
those of AUTH; servers from before it spell ``AUTH=PLAIN LOGIN``, some beside the other spelling. Lines
that break the form offer nothing; no server is refused for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final

from eilpost.mail.reply import Reply
from eilpost.mail.value import value

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*", re.ASCII)
_LIMIT = re.compile(r"([A-Za-z0-9\-]+)=([1-9][0-9]{0,5})", re.ASCII)  # RFC 9422 §3
_OLD_AUTH = re.compile(r"\AAUTH=", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_NO_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@value(frozen=True, slots=True)
class Offer:
    """The extensions a server announced.

    ``arguments`` has a row for each keyword, in capitals. ``size`` is the biggest message in
    octets; ``rcpt_max``, ``rcpt_domain_max`` and ``mail_max`` are its LIMITS. None means: no limit
    is known. ``mechanisms`` are those of AUTH, in capitals and in the server's order.
    """

    name: str = ""
    keywords: frozenset[str] = frozenset()
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_ARGUMENTS)
    size: int | None = None
    rcpt_max: int | None = None
    rcpt_domain_max: int | None = None
    mail_max: int | None = None
    mechanisms: tuple[str, ...] = ()

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


NOTHING: Final = Offer()
"""What a server offers that was greeted with HELO."""


def parse_offer(reply: Reply) -> Offer:
    """The offer in a positive answer to EHLO or LHLO."""
    arguments: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        keyword, *words = (_OLD_AUTH.sub("AUTH ", line) if "=" in line else line).split() or [""]
        if keyword.upper() == "AUTH":
            words = [*dict.fromkeys((*arguments.pop("AUTH", ()), *words))]
        if _KEYWORD.fullmatch(keyword):
            arguments.setdefault(keyword.upper(), tuple(words))
    limits = {
        found[1].upper(): int(found[2])
        for found in map(_LIMIT.fullmatch, arguments.get("LIMITS", ()))
        if found is not None
    }
    return Offer(
        name=(reply.lines[0].split() or [""])[0],
        keywords=frozenset(arguments),
        arguments=MappingProxyType(arguments),
        size=_size(arguments.get("SIZE", ())),
        rcpt_max=limits.get("RCPTMAX"),
        rcpt_domain_max=limits.get("RCPTDOMAINMAX"),
        mail_max=limits.get("MAILMAX"),
        mechanisms=tuple(word.upper() for word in arguments.get("AUTH", ())),
    )


def _size(words: tuple[str, ...]) -> int | None:
    if not words or not _NUMBER.fullmatch(words[0]):
        return None
    return int(words[0]) or None  # RFC 1870 §4: 0 says that no limit is in force
