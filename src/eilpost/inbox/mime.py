"""The parts of a message: a bounded, linear reading of its MIME structure (a grammar).

Nothing here fails, whatever comes, and nothing is copied but headers: a part is a span of the content. What is
nested deeper, or is more, than the limits allow is one opaque part (F087). RFC 2045, 2046, 2231, 2183.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from eilpost.mail.value import value
from eilpost.message import encoded_words
from eilpost.message.header import Header, scan

MAX_DEPTH: Final = 50
MAX_PARTS: Final = 1_000
_HEADER_LIMIT: Final = 64_000
_PARAMETERS: Final = 64
_WORK: Final = 6  # how often each octet may be looked at before the rest is opaque

_PARAMETER: Final = re.compile(r';\s*([^\s=;"]{1,100})\s*=\s*("(?:[^"\\]|\\.)*+"?|[^;]*+)', re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED: Final = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+\-]{1,100}/[a-z0-9!#$&^_.+\-]{1,100}")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")
_TAG: Final = re.compile(r"<[^<>]*+>")
_BREAK: Final = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h[1-6]|/?table|/?ul|/?ol)\b[^<>]*+>", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[ \t\u00a0]+")
_LINES: Final = re.compile(r"\s*\n\s*\n\s*")
_UNSEEN: Final = ("script", "style", "head", "title")


@value(frozen=True, slots=True)
class Part:
    """One part. ``path`` is ``1`` for a message that is no multipart, else ``1``, ``2``, ``2.1`` …; the root is ``""``.

    ``head`` is where its header begins, ``start`` to ``end`` its body, all offsets into the content. ``kind`` is the
    media type in lower case; ``name`` the file's name as the sender gave it, never a path to use.
    """

    path: str
    kind: str
    charset: str
    name: str
    disposition: str
    content_id: str
    encoding: str
    head: int
    start: int
    end: int
    parts: tuple[Part, ...] = ()

    @property
    def is_multipart(self) -> bool:
        """True when it holds parts and no content of its own."""
        return bool(self.parts)

    @property
    def is_text(self) -> bool:
        """True for what is read as part of the message: text or HTML that is no attachment."""
        return self.kind in ("text/plain", "text/html") and self.disposition != "attachment" and not self.name

    @property
    def is_inline(self) -> bool:
        """True for what the HTML shows: a picture with a Content-ID."""
        return not self.is_text and self.disposition != "attachment" and bool(self.content_id)

    @property
    def is_attachment(self) -> bool:
        """True for a leaf that is neither read nor shown in place."""
        return not self.parts and not self.is_text and not self.is_inline

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def leaves(self) -> Iterator[Part]:
        """The parts that hold content, in order."""
        return (part for part in self.walk() if not part.parts)


@value(frozen=True, slots=True)
class Parameters:
    """A field's value and its parameters, RFC 2045 §5.1 with RFC 2231: names in lower case."""

    value: str
    named: dict[str, str]


class _Budget:
    """How much may still be looked at; spent by the whole message."""

    __slots__ = ("octets", "parts")

    def __init__(self, octets: int) -> None:
        self.octets = octets * _WORK + 100_000
        self.parts = MAX_PARTS


def parse(content: bytes) -> Part:
    """The structure of a message."""
    return _part(content, 0, len(content), "", 0, "text/plain", _Budget(len(content)))


def _part(content: bytes, head: int, end: int, path: str, depth: int, default: str, budget: _Budget) -> Part:
    header = scan(content[head : min(end, head + _HEADER_LIMIT)])
    start = min(end, head + header.body)
    declared = parameters(header.first(b"content-type") or b"")
    kind = declared.value if _TYPE.fullmatch(declared.value) else default
    parts: tuple[Part, ...] = ()
    boundary = declared.named.get("boundary", "")
    if kind.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        parts = _children(content, start, end, boundary, path, depth, inner, budget)
    if not parts and kind.startswith("multipart/"):
        kind = "text/plain" if not boundary else kind  # RFC 2046 §5.1.1: without one it cannot be read
    return _described(header, declared, kind, path or ("" if parts else "1"), head, start, end, parts)


def _described(
    header: Header, declared: Parameters, kind: str, path: str, head: int, start: int, end: int, parts: tuple[Part, ...]
) -> Part:
    where = parameters(header.first(b"content-disposition") or b"")
    return Part(
        path=path,
        kind=kind,
        charset=declared.named.get("charset", "")[:60],
        name=_file_name(where.named.get("filename") or declared.named.get("name", "")),
        disposition=where.value[:40],
        content_id=encoded_words.display(header.first(b"content-id") or b"", 300).strip("<> "),
        encoding=encoded_words.display(header.first(b"content-transfer-encoding") or b"", 40).strip().lower(),
        head=head,
        start=start,
        end=end,
        parts=parts,
    )


def _children(
    content: bytes, start: int, end: int, boundary: str, path: str, depth: int, default: str, budget: _Budget
) -> tuple[Part, ...]:
    found: list[Part] = []
    for first, last in _between(content, start, end, boundary.encode("utf-8", "replace")[:200], budget):
        budget.parts -= 1
        name = f"{path}.{len(found) + 1}" if path else str(len(found) + 1)
        found.append(_part(content, first, last, name, depth + 1, default, budget))
    return tuple(found)


def _between(content: bytes, start: int, end: int, boundary: bytes, budget: _Budget) -> Iterator[tuple[int, int]]:
    """The spans between delimiter lines; one that is missing ends with what is around it (RFC 2046 §5.1.2)."""
    delimiter = b"--" + boundary
    budget.octets -= end - start
    at, begins, is_last = _line(content, delimiter, start, end)
    while at >= 0 and not is_last and budget.octets > 0 and budget.parts > 0:
        first = begins
        at, begins, is_last = _line(content, delimiter, first, end)
        yield first, end if at < 0 else max(at - 2, first)


def _line(content: bytes, delimiter: bytes, start: int, end: int) -> tuple[int, int, bool]:
    """Where the next delimiter line begins and ends, and whether it is the closing one; -1 when there is none."""
    at = start if content.startswith(delimiter, start, end) else _next(content, delimiter, start, end)
    while at >= 0:
        after = at + len(delimiter)
        newline = content.find(b"\r\n", after, end)
        newline = end if newline < 0 else newline
        rest = content[after : min(newline, after + 200)].rstrip(b" \t")
        if rest in (b"", b"--"):  # Else it is another boundary that begins like this one.
            return at, min(newline + 2, end), rest == b"--"
        at = _next(content, delimiter, after, end)
    return -1, end, True


def _next(content: bytes, delimiter: bytes, start: int, end: int) -> int:
    found = content.find(b"\r\n" + delimiter, start, end)
    return found + 2 if found >= 0 else -1


def parameters(raw: bytes) -> Parameters:
    """What a Content-Type or Content-Disposition says, bounded in everything."""
    text = raw[:8_000].decode("utf-8", "replace")
    first = text.partition(";")[0].strip().lower()
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(text)):
        if count >= _PARAMETERS:
            break
        name = _CONTINUED.fullmatch(found[1].lower())
        if name is not None:
            pieces.setdefault(name[1], []).append((int(name[2] or 0), bool(name[3]), _unquoted(found[2])))
    return Parameters(first, {name: _joined(items) for name, items in pieces.items()})


def _unquoted(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    return _PAIR.sub(r"\1", text[1:].removesuffix('"'))


def _joined(items: list[tuple[int, bool, str]]) -> str:
    """RFC 2231 §3 and §4: pieces in order, charset before the first one, percent signs decoded."""
    items = sorted(items, key=lambda item: item[0])
    if not items[0][1]:
        return "".join(text for _, _, text in items)
    charset, _, rest = items[0][2].partition("'")
    rest = rest.partition("'")[2]
    octets = unquote_to_bytes(rest) + b"".join(
        unquote_to_bytes(text) if is_encoded else text.encode() for _, is_encoded, text in items[1:]
    )
    return encoded_words.decode(octets, charset)


def is_type(main: str, sub: str) -> bool:
    """True for the two halves of a media type that can be attached."""
    return bool(_TYPE.fullmatch(f"{main}/{sub}".lower())) and main.lower() not in ("multipart", "message")


def _file_name(text: str) -> str:
    return encoded_words.display(text.encode("utf-8", "replace"), 255).strip()


# ── what is in a part ──


def decoded(content: bytes, part: Part, limit: int | None = None) -> bytes:
    """The octets of a part without their transfer encoding; at most about ``limit``."""
    end = part.end if limit is None else min(part.end, part.start + 2 * limit)
    octets = content[part.start : end]
    match part.encoding:
        case "base64":
            octets = _base64(octets)
        case "quoted-printable":
            octets = binascii.a2b_qp(octets)
    return octets if limit is None else octets[:limit]


def _base64(octets: bytes) -> bytes:
    octets = _NOT_BASE64.sub(b"", octets)
    octets = octets[: len(octets) - (len(octets) % 4 == 1)]
    return binascii.a2b_base64(octets + b"=" * (-len(octets) % 4))


def text_of(content: bytes, part: Part, limit: int | None = None) -> str:
    """The text of a part, with line ends as ``\\n``."""
    text = encoded_words.decode(decoded(content, part, limit), part.charset or "utf-8")
    return text.replace("\r\n", "\n")


def bodies(content: bytes, root: Part, limit: int | None = None) -> tuple[str, str]:
    """What a person reads: all plain text, and all HTML, of the message."""
    plain: list[str] = []
    rich: list[str] = []
    for part in root.leaves():
        if part.is_text:
            (plain if part.kind == "text/plain" else rich).append(text_of(content, part, limit))
    return "\n".join(plain), "\n".join(rich)


def words_of(rich: str) -> str:
    """The words that HTML shows, for search and preview; not for display as HTML."""
    text = _without_unseen(rich)
    text = html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text)))
    return _LINES.sub("\n\n", _BLANKS.sub(" ", text)).strip()


def _without_unseen(text: str) -> str:
    """Without elements that are never shown; one that never ends takes all that is left."""
    lower = text.lower()
    if len(lower) != len(text):
        return text  # A letter whose small form is longer: offsets would be wrong.
    for name in _UNSEEN:
        kept: list[str] = []
        position, opening, closing = 0, f"<{name}", f"</{name}"
        while (found := lower.find(opening, position)) >= 0:
            if lower[found + len(opening) : found + len(opening) + 1] not in (">", " ", "\n", "\t", "/"):
                kept.append(text[position : found + len(opening)])
                position = found + len(opening)
                continue
            kept.append(text[position:found])
            position = lower.find(closing, found)
            position = len(text) if position < 0 else position
        kept.append(text[position:])
        text = "".join(kept)
        lower = text.lower()
    return text
