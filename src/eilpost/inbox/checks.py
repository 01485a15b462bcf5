"""What is odd about a message, and what a reader would notice of it (a table; decisions).

Each row is one look at a message: its name, and the function that returns its findings. Nothing is
fetched: a link is judged by what it says. Rates and names of mail clients are from their vendors' documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from eilpost.inbox import mime
from eilpost.inbox.contract import Kept
from eilpost.mail.value import value
from eilpost.message.encoded_words import display, printable
from eilpost.message.header import Header, scan

LOOKED_AT: Final = 500_000
"""Characters of HTML and of text that are looked at."""
MOST: Final = 200
"""Links or pictures that are listed."""
CLIPPED: Final = 102_000
"""Octets of HTML behind which Gmail shows a link instead of the rest."""
BIG: Final = 10_000_000
LONGEST_LINE: Final = 998
"""Octets without the line end, RFC 5322 §2.1.1."""


class Level(Enum):
    """How much a finding matters."""

    __hash__ = object.__hash__

    FINE = "fine"
    NOTE = "note"
    WARNING = "warning"


@value(frozen=True, slots=True)
class Finding:
    """One thing that was seen."""

    level: Level
    text: str


@value(frozen=True, slots=True)
class Link:
    """A link or a picture: where it leads, what the reader sees, and what is wrong with it (or nothing)."""

    url: str
    text: str
    fault: str = ""


@value(frozen=True, slots=True)
class Seen:
    """What all looks share: the message, read once."""

    kept: Kept
    content: bytes
    header: Header
    root: mime.Part
    plain: str
    rich: str
    links: tuple[Link, ...]
    pictures: tuple[Link, ...]


@value(frozen=True, slots=True)
class Look:
    """One row: what is looked at, why, and what finds it."""

    name: str
    why: str
    find: Callable[[Seen], Iterator[Finding]]


@value(frozen=True, slots=True)
class Report:
    """The findings of one look."""

    look: Look
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst of them."""
        levels = {finding.level for finding in self.findings}
        return Level.WARNING if Level.WARNING in levels else Level.NOTE if Level.NOTE in levels else Level.FINE


def see(kept: Kept, content: bytes) -> Seen:
    """Reads the message once for all looks."""
    root = mime.parse(content)
    plain, rich = mime.bodies(content, root, LOOKED_AT)
    return Seen(kept, content, scan(content), root, plain, rich, links_of(rich, plain), pictures_of(rich, root))


def reports(seen: Seen) -> tuple[Report, ...]:
    """All looks at a message, in the table's order."""
    return tuple(Report(look, tuple(look.find(seen)) or (Finding(Level.FINE, "Nothing to say."),)) for look in LOOKS)


# ── links and pictures ──

_ANCHOR: Final = re.compile(r"<a\b([^<>]{0,4000})>(.{0,2000}?)</a", re.IGNORECASE | re.DOTALL)
_PICTURE: Final = re.compile(r"<img\b([^<>]{0,4000})>", re.IGNORECASE)
_ATTRIBUTE: Final = r"""\b{}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"""
_HREF: Final = re.compile(_ATTRIBUTE.format("href"), re.IGNORECASE)
_SRC: Final = re.compile(_ATTRIBUTE.format("src"), re.IGNORECASE)
_ALT: Final = re.compile(_ATTRIBUTE.format("alt"), re.IGNORECASE)
_BARE: Final = re.compile(r"""\bhttps?://[^\s<>"']{1,2000}""", re.IGNORECASE)
_ADDRESS_LIKE: Final = re.compile(
    r"^\s*(?:https?://)?((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})(?:[/:?#\s].*)?$", re.IGNORECASE | re.DOTALL
)
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|%7B%7B|\$\{|<%|\[\[|example\.invalid", re.IGNORECASE)
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "cid", "data", ""})


def links_of(rich: str, plain: str) -> tuple[Link, ...]:
    """The links of the HTML, or of the text where there is no HTML; at most 200."""
    if not rich.strip():
        return tuple(
            Link(found[0], found[0], _link_fault(found[0], ""))
            for found, _ in zip(_BARE.finditer(plain), range(MOST), strict=False)
        )
    found = (
        (_value(_HREF, each[1]), printable(mime.words_of(each[2])[:200])) for each in _ANCHOR.finditer(rich[:LOOKED_AT])
    )
    return tuple(
        Link(printable(url), text, _link_fault(url, text)) for (url, text), _ in zip(found, range(MOST), strict=False)
    )


def pictures_of(rich: str, root: mime.Part) -> tuple[Link, ...]:
    """The pictures that the HTML names; at most 200."""
    here = {part.content_id.strip("<>") for part in root.leaves() if part.content_id}
    found = ((_value(_SRC, each[1]), each[1]) for each in _PICTURE.finditer(rich[:LOOKED_AT]))
    return tuple(
        Link(printable(url[:500]), printable(_value(_ALT, attributes)), _picture_fault(url, attributes, here))
        for (url, attributes), _ in zip(found, range(MOST), strict=False)
    )


def _value(pattern: re.Pattern[str], attributes: str) -> str:
    found = pattern.search(attributes)
    return "" if found is None else (found[1] or found[2] or found[3] or "").strip()


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _link_fault(url: str, text: str) -> str:
    scheme = url.partition(":")[0].lower() if ":" in url else ""
    if not url or url == "#":
        return "leads nowhere"
    if _PLACEHOLDER.search(url):
        return "a placeholder was not filled in"
    if scheme not in _SCHEMES:
        return f"{scheme[:20]}: is removed by mail clients"
    if not scheme and not url.startswith("#"):
        return "is relative: a message has no place that it could be relative to"
    shown = _ADDRESS_LIKE.match(text)
    if shown and _host(url) and not _related(shown[1].lower(), _host(url)):
        return f"shows {shown[1].lower()} and leads to {_host(url)}: looks like phishing"
    if scheme == "http":
        return "is not encrypted"
    return ""


def _related(one: str, other: str) -> bool:
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _picture_fault(url: str, attributes: str, here: set[str]) -> str:
    if not url:
        return "has no source"
    if _PLACEHOLDER.search(url):
        return "a placeholder was not filled in"
    if url.lower().startswith("cid:") and url[4:] not in here:
        return "names a part that the message does not have"
    if url.lower().startswith("data:"):
        return "data: pictures are not shown by Gmail and Outlook; attach it and use cid:"
    if not _ALT.search(attributes) and "alt=" not in attributes.lower():
        return "has no alt text: readers who do not see it learn nothing"
    return ""


def _links(seen: Seen) -> Iterator[Finding]:
    yield from (
        Finding(Level.WARNING, f"{link.url[:120] or '(empty)'} {link.fault}.") for link in seen.links if link.fault
    )


def _pictures(seen: Seen) -> Iterator[Finding]:
    yield from (
        Finding(Level.NOTE, f"{each.url[:120] or '(empty)'} {each.fault}.") for each in seen.pictures if each.fault
    )
    tiny = sum(
        bool(re.search(r"\b(?:width|height)\s*=\s*[\"']?[01]\b", found[1])) for found in _PICTURE.finditer(seen.rich)
    )
    if tiny:
        yield Finding(Level.NOTE, f"{tiny} picture{'s' * (tiny > 1)} of one pixel: tells its sender who reads.")


# ── header and envelope ──

_SINGLE: Final = (
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
)


def _header(seen: Seen) -> Iterator[Finding]:
    """RFC 5322 §3.6: what must be there, and what may be there once."""
    for name, why in (("from", "RFC 5322 §3.6.2"), ("date", "RFC 5322 §3.6.1")):
        if not seen.header.has(name.encode()):
            yield Finding(Level.WARNING, f"There is no {name.title()} field, and there must be ({why}).")
    if not seen.header.has(b"message-id"):
        yield Finding(Level.NOTE, "There is no Message-ID: replies cannot refer to it, and filters dislike it.")
    if not (seen.header.first(b"subject") or b"").strip():
        yield Finding(Level.NOTE, "There is no subject.")
    for name in _SINGLE:
        if (count := seen.header.count(name.encode())) > 1:
            yield Finding(Level.WARNING, f"{name.title()} is there {count} times, and may be there once.")
    if any(octet > 127 for octet in seen.header.octets):
        yield Finding(Level.NOTE, "The header has characters beyond ASCII: only servers with SMTPUTF8 may take it on.")


def _envelope(seen: Seen) -> Iterator[Finding]:
    summary = seen.kept.summary
    sender, reverse_path = summary.sender.address.lower(), summary.reverse_path.lower()
    if sender and reverse_path and sender.rpartition("@")[2] != reverse_path.rpartition("@")[2]:
        yield Finding(
            Level.NOTE, f"From is {sender}, the reverse-path is {reverse_path}: SPF alone will not align for DMARC."
        )
    if not reverse_path:
        yield Finding(Level.NOTE, "The reverse-path is null: a report, or mail that must not be bounced.")
    if summary.bcc:
        yield Finding(Level.NOTE, f"Blind copies went to {', '.join(summary.bcc[:10])}.")
    if seen.header.has(b"bcc"):
        yield Finding(Level.WARNING, "There is a Bcc field: everybody who gets the message can read it.")


def _signatures(seen: Seen) -> Iterator[Finding]:
    for field in seen.header.all(b"dkim-signature")[:10]:
        tags = dict(part.strip().partition("=")[::2] for part in display(field, 4000).split(";"))
        yield Finding(
            Level.FINE, f"Signed (DKIM) by {tags.get('d', '?').strip()}, selector {tags.get('s', '?').strip()}."
        )
    for field in seen.header.all(b"received-spf")[:10]:
        yield Finding(Level.FINE, f"SPF: {display(field, 200)}")
    if not seen.header.has(b"dkim-signature"):
        yield Finding(Level.NOTE, "There is no DKIM signature. That is usual before the last server on the way out.")


# ── text and form ──


def _text(seen: Seen) -> Iterator[Finding]:
    if seen.rich.strip() and not seen.plain.strip():
        yield Finding(Level.WARNING, "There is HTML and no plain text: add a text/plain part for those who read that.")
    if not seen.rich.strip() and not seen.plain.strip():
        yield Finding(Level.NOTE, "There is no text at all.")
    if _PLACEHOLDER.search(seen.plain[:LOOKED_AT]) or _PLACEHOLDER.search(mime.words_of(seen.rich)):
        yield Finding(Level.WARNING, "The text has what looks like a placeholder that was not filled in.")


def _size(seen: Seen) -> Iterator[Finding]:
    if len(seen.content) > BIG:
        yield Finding(Level.WARNING, f"It has {len(seen.content) / 1e6:.1f} MB: many servers take 10 MB and no more.")
    if (size := len(seen.rich.encode())) > CLIPPED:
        yield Finding(Level.WARNING, f"Its HTML has {size / 1000:.0f} KB: Gmail cuts it off behind 102 KB.")
    longest = max(map(len, seen.content[:BIG].split(b"\r\n")), default=0)
    if longest > LONGEST_LINE:
        yield Finding(Level.WARNING, f"A line has {longest} octets; RFC 5322 §2.1.1 allows {LONGEST_LINE}.")


_SHOUTED: Final = re.compile(r"\b[A-Z]{4,}\b")
_BAIT: Final = re.compile(
    r"\b(?:act now|click here|free money|100% free|risk.free|winner|urgent(?:ly)?|limited time|no obligation|viagra)\b",
    re.IGNORECASE,
)


def _spam(seen: Seen) -> Iterator[Finding]:
    subject = seen.kept.summary.subject
    if len(_SHOUTED.findall(subject)) > 1 or subject.count("!") > 1:
        yield Finding(Level.NOTE, "The subject shouts: capitals or exclamation marks.")
    found = {each.lower() for each in _BAIT.findall(f"{subject} {seen.plain[:LOOKED_AT]} {mime.words_of(seen.rich)}")}
    if found:
        yield Finding(Level.NOTE, f"Words that filters know: {', '.join(sorted(found))}.")
    words = len(mime.words_of(seen.rich).split())
    if seen.pictures and words < 20:
        yield Finding(
            Level.NOTE, f"{len(seen.pictures)} pictures and {words} words: filters take that for hidden text."
        )
    is_bulk = seen.header.has(b"list-id") or (seen.header.first(b"precedence") or b"").lower() == b"bulk"
    if is_bulk and not seen.header.has(b"list-unsubscribe"):
        yield Finding(Level.WARNING, "Mail to many without List-Unsubscribe: Gmail and Yahoo refuse that.")


@value(frozen=True, slots=True)
class Unknown:
    """HTML or CSS that some mail clients do not know."""

    what: str
    clients: str
    pattern: re.Pattern[str]


def _unknown(what: str, clients: str, pattern: str) -> Unknown:
    return Unknown(what, clients, re.compile(pattern, re.IGNORECASE))


UNKNOWN: Final = (
    _unknown("<script>", "all remove it", r"<script\b"),
    _unknown("<form> and <input>", "Outlook and most web mail remove them", r"<(?:form|input|button)\b"),
    _unknown("<video> and <audio>", "Gmail and Outlook do not play them", r"<(?:video|audio)\b"),
    _unknown("<iframe>, <object>, <embed>", "all remove them", r"<(?:iframe|object|embed)\b"),
    _unknown("<svg>", "Gmail and Outlook remove it", r"<svg\b"),
    _unknown("<link> to a style sheet", "Gmail and Outlook ignore it", r"<link\b"),
    _unknown(
        "background pictures by CSS", "Outlook for Windows ignores them", r"background(?:-image)?\s*:[^;\"']*url\("
    ),
    _unknown("display: flex or grid", "Outlook for Windows ignores it", r"display\s*:\s*(?:inline-)?(?:flex|grid)"),
    _unknown("position", "Gmail and Outlook ignore it", r"position\s*:\s*(?:absolute|fixed|sticky|relative)"),
    _unknown("@font-face and @import", "Gmail and Outlook ignore them", r"@(?:font-face|import)\b"),
    _unknown("@media queries", "Outlook for Windows and Gmail with foreign accounts ignore them", r"@media\b"),
    _unknown("CSS variables", "Outlook and Yahoo ignore them", r"var\(\s*--"),
    _unknown("border-radius", "Outlook for Windows ignores it", r"border-radius\s*:"),
    _unknown("animation and transition", "Gmail and Outlook ignore them", r"(?:animation|transition)\s*:"),
    _unknown("event handlers (onclick …)", "all remove them", r"\son[a-z]{3,20}\s*="),
)


def _clients(seen: Seen) -> Iterator[Finding]:
    text = seen.rich[:LOOKED_AT]
    yield from (Finding(Level.NOTE, f"{each.what}: {each.clients}.") for each in UNKNOWN if each.pattern.search(text))


LOOKS: Final = (
    Look("Header", "what must be there, and what may be there only once", _header),
    Look("Envelope", "what servers see beside what readers see", _envelope),
    Look("Text", "something to read for everybody", _text),
    Look("Links", "where they lead, and what they say", _links),
    Look("Pictures", "sources, alt text, and traces", _pictures),
    Look("Size", "what servers take and clients show", _size),
    Look("Mail clients", "HTML and CSS that some do not know", _clients),
    Look("Filters", "traits that look like spam", _spam),
    Look("Signatures", "DKIM and SPF, when there", _signatures),
)
