"""HTML mail made harmless: an allow-list, then a frame that can do nothing (a grammar).

Three fences stand behind one another, and each would be enough: nh3 lets through what it knows and nothing else;
the frame's policy allows no script, no form, no request; the frame itself is a sandbox without an origin.
Pictures that the message brings are put into the page as data, so that not even they are asked for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import nh3

from eilpost.inbox import mime
from eilpost.mail.value import value

HTML_LIMIT: Final = 2_000_000
"""Characters of HTML that are shown."""
PICTURES_LIMIT: Final = 8_000_000
"""Octets of the message's own pictures that are shown in it."""

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What may be shown as a picture. Not SVG: it is a document that can hold scripts (F178)."""

_TAGS: Final = (
    nh3.ALLOWED_TAGS | {"font", "center", "style", "html", "body", "head", "u", "big", "strike", "section", "address"}
) - {"map", "area"}
_LAYOUT: Final = {
    "align", "valign", "width", "height", "bgcolor", "border", "cellpadding", "cellspacing", "style", "class", "dir",
    "lang", "title", "color", "face", "size", "role", "aria-label", "hspace", "vspace", "nowrap",
}  # fmt: skip
_ATTRIBUTES: Final = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()} | {
    "*": _LAYOUT,
    "img": {"src", "alt"},
    "a": {"href", "name"},
    "td": {"colspan", "rowspan", "headers", "scope", "background"},
    "th": {"colspan", "rowspan", "headers", "scope", "background"},
    "table": {"background", "summary"},
    "body": {"background", "text", "link"},
}
_SCHEMES: Final = {"http", "https", "mailto", "tel", "cid", "data"}
_CID: Final = re.compile(r"cid:(.{1,500})", re.IGNORECASE)
_DATA_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_REMOTE: Final = re.compile(
    r"""(?:\b(?:src|background|srcset|poster)\s*=\s*["']?\s*|url\(\s*["']?\s*)(?:https?:)?//""", re.IGNORECASE
)
_LOADS: Final = frozenset({"src", "background"})

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:{}; sandbox allow-popups{}; {}"
_ANCESTORS: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

_PAGE: Final = (
    '<!doctype html><html lang="und"><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta name="viewport" content="width=device-width"><title>Message</title>'
    "<style>html{{background:#fff;color:#111;font:16px/1.5 system-ui,sans-serif}}body{{margin:12px;"
    "overflow-wrap:anywhere}}img{{max-width:100%}}</style>{}</html>"
)


@value(frozen=True, slots=True)
class Frame:
    """A page for the frame, and the headers it needs. ``remote`` counts what would be fetched from elsewhere."""

    html: str
    headers: Mapping[str, str]
    remote: int


def remote_count(rich: str) -> int:
    """How many things the HTML would fetch from elsewhere."""
    return sum(1 for _ in _REMOTE.finditer(rich[:HTML_LIMIT]))


def frame(content: bytes, root: mime.Part, *, remote: bool) -> Frame:
    """The HTML of a message, harmless; pictures from elsewhere only when ``remote`` was asked for."""
    _, rich = mime.bodies(content, root, HTML_LIMIT)
    pictures = _pictures(content, root)

    def keep(tag: str, attribute: str, text: str) -> str | None:
        return _source(text, pictures, remote=remote) if attribute in _LOADS else _harmless(attribute, text)

    clean = nh3.clean(
        rich[:HTML_LIMIT],
        tags=_TAGS,
        clean_content_tags={"script", "title", "noscript", "template"},
        attributes=_ATTRIBUTES,
        attribute_filter=keep,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    sources = " https: http:" if remote else ""
    policy = _POLICY.format(sources, " allow-popups-to-escape-sandbox", _ANCESTORS)
    return Frame(_PAGE.format(clean), MappingProxyType({"Content-Security-Policy": policy}), remote_count(rich))


def _source(text: str, pictures: Mapping[str, str], *, remote: bool) -> str | None:
    """A picture of the message as data; one from elsewhere stays out unless it was asked for."""
    if (own := _CID.fullmatch(text.strip())) is not None:
        return pictures.get(own[1].strip("<>"))
    if _DATA_PICTURE.fullmatch(text.strip()):
        return text
    return text if remote and text.lower().lstrip().startswith(("http:", "https:")) else None


def _harmless(attribute: str, text: str) -> str | None:
    """Links lead where they lead, but never to data or to parts."""
    if attribute == "href" and text.lower().lstrip().startswith(("data:", "cid:")):
        return None
    return text


def _pictures(content: bytes, root: mime.Part) -> dict[str, str]:
    """The message's own pictures by their Content-ID."""
    found: dict[str, str] = {}
    left = PICTURES_LIMIT
    for part in root.leaves():
        name = part.content_id.strip("<> ")
        if name and part.kind in PICTURES and part.end - part.start <= 2 * left:
            octets = mime.decoded(content, part)
            left -= len(octets)
            if left >= 0:
                found[name] = f"data:{part.kind};base64,{base64.b64encode(octets).decode()}"
    return found
