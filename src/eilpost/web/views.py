"""The ways to look at a message: a tab each (a table; words and grammars).

A row names the tab, its template, the key that opens it, and what its template needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from eilpost.inbox import again, checks, field_words, mime
from eilpost.inbox.contract import Kept
from eilpost.mail.value import value
from eilpost.message.encoded_words import display
from eilpost.message.header import scan
from eilpost.web import attachments
from eilpost.web.frame import PICTURES, remote_count

TEXT_LIMIT: Final = 1_000_000
"""Characters of text or source that a page shows; the whole is a download."""
MOST_FIELDS: Final = 500
MOST_PARTS: Final = 300
_LINK: Final = re.compile(r"https?://[^\s<>\"']{1,2000}[^\s<>\"'.,;:!?)\]]")


@value(frozen=True, slots=True)
class Looked:
    """A message and all that a view may need of it; ``page`` and ``server`` are where this inbox is."""

    kept: Kept
    content: bytes
    root: mime.Part
    transcript: str
    page: str
    server: str


@value(frozen=True, slots=True)
class View:
    """One row."""

    name: str
    title: str
    key: str
    template: str
    facts: Callable[[Looked], Mapping[str, Any]]


def _html(looked: Looked) -> Mapping[str, Any]:
    _, rich = mime.bodies(looked.content, looked.root, TEXT_LIMIT)
    return {"remote": remote_count(rich)}


def _text(looked: Looked) -> Mapping[str, Any]:
    plain, rich = mime.bodies(looked.content, looked.root, TEXT_LIMIT)
    text = plain if plain.strip() else mime.words_of(rich)
    return {
        "pieces": linked(text[:TEXT_LIMIT]),
        "made_of_html": not plain.strip() and bool(rich),
        "cut": len(text) > TEXT_LIMIT,
    }


def linked(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, and which of them are links."""
    pieces: list[tuple[str, bool]] = []
    position = 0
    for found in _LINK.finditer(text):
        pieces += [(text[position : found.start()], False), (found[0], True)]
        position = found.end()
    return [*pieces, (text[position:], False)]


def _source(looked: Looked) -> Mapping[str, Any]:
    shown = looked.content[:TEXT_LIMIT].decode("utf-8", "replace").replace("\r\n", "\n")
    return {"source": _visible(shown), "cut": len(looked.content) > TEXT_LIMIT}


_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def _visible(text: str) -> str:
    """Control characters and turners of direction as their numbers: the source shows what is there (F177)."""
    return _HIDDEN.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)


def _headers(looked: Looked) -> Mapping[str, Any]:
    fields = [
        (
            display(field.name, 100),
            display(field.value, 4000),
            field_words.explain(field.name.decode("ascii", "replace")),
        )
        for field, _ in zip(scan(looked.content).fields(), range(MOST_FIELDS), strict=False)
    ]
    return {"fields": fields}


def _parts(looked: Looked) -> Mapping[str, Any]:
    rows = [
        {
            "part": part,
            "depth": part.path.count(".") + 1 if part.path else 0,
            "name": attachments.file_name(part),
            "size": part.end - part.start,
            "path": part.path or "1",
        }
        for part, _ in zip(looked.root.walk(), range(MOST_PARTS), strict=False)
    ]
    return {"rows": rows}


def _attachments(looked: Looked) -> Mapping[str, Any]:
    leaves = [part for part in looked.root.leaves() if part.is_attachment or part.is_inline][:MOST_PARTS]
    return {
        "files": [
            {
                "part": part,
                "path": part.path or "1",
                "name": attachments.file_name(part),
                "size": len(mime.decoded(looked.content, part)),
                "is_picture": part.kind in PICTURES,
                "text": _beginning(looked.content, part),
            }
            for part in leaves
        ]
    }


def _beginning(content: bytes, part: mime.Part) -> str:
    """The first lines of a text that is attached."""
    if not part.kind.startswith("text/"):
        return ""
    return _visible(mime.text_of(content, part, 4000)[:2000])


def _transcript(looked: Looked) -> Mapping[str, Any]:
    lines = looked.transcript.splitlines()
    return {"lines": [(line[:1] if line[:2] in ("C:", "S:") else "", line) for line in lines]}


def _checks(looked: Looked) -> Mapping[str, Any]:
    seen = checks.see(looked.kept, looked.content)
    return {"reports": checks.reports(seen), "links": seen.links, "pictures": seen.pictures}


def _again(looked: Looked) -> Mapping[str, Any]:
    return {
        "eilpost_line": again.eilpost_line(looked.kept, looked.page, looked.server),
        "curl_line": again.curl_line(looked.kept, looked.page, looked.server),
    }


def _nothing(looked: Looked) -> Mapping[str, Any]:
    return {}


VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        row.name: row
        for row in (
            View("html", "HTML", "1", "view_html.html", _html),
            View("text", "Text", "2", "view_text.html", _text),
            View("attachments", "Attachments", "3", "view_attachments.html", _attachments),
            View("headers", "Headers", "4", "view_headers.html", _headers),
            View("envelope", "Envelope", "5", "view_envelope.html", _nothing),
            View("transcript", "Transcript", "6", "view_transcript.html", _transcript),
            View("parts", "Parts", "7", "view_parts.html", _parts),
            View("source", "Source", "8", "view_source.html", _source),
            View("checks", "Checks", "9", "view_checks.html", _checks),
            View("again", "Send again", "0", "view_again.html", _again),
        )
    }
)


def first_view(looked: Looked) -> View:
    """What is shown when nobody chose: the HTML where there is some, else the text."""
    has_html = any(part.is_text and part.kind == "text/html" for part in looked.root.leaves())
    return VIEWS["html" if has_html else "text"]


def offered(looked: Looked) -> tuple[View, ...]:
    """The views that have something to show."""
    has_html = any(part.is_text and part.kind == "text/html" for part in looked.root.leaves())
    has_files = any(part.is_attachment or part.is_inline for part in looked.root.leaves())
    absent = {"html": not has_html, "attachments": not has_files}
    return tuple(view for view in VIEWS.values() if not absent.get(view.name, False))
