"""The headers a part of a message is handed out with: it is saved, or shown as a picture, and never run (a grammar)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from eilpost.inbox.mime import Part
from eilpost.web.frame import PICTURES

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._ -]")
_FALLBACK: Final = "attachment"
NOTHING: Final = "default-src 'none'; sandbox; frame-ancestors 'self'"
"""The policy of what is no page: even a browser that shows it runs and fetches nothing (F178)."""


def headers(part: Part, *, save: bool) -> dict[str, str]:
    """Type, disposition and policy of a part. What is no picture is octets to be saved, whatever it calls itself."""
    shown = part.kind in PICTURES and not save
    return {
        "Content-Type": part.kind if shown else "application/octet-stream",
        "Content-Disposition": disposition(file_name(part), save=not shown),
        "Content-Security-Policy": NOTHING,
        "X-Content-Type-Options": "nosniff",
    }


def disposition(name: str, *, save: bool) -> str:
    """RFC 6266 §4.3, RFC 8187: a plain name for old browsers, the real one beside it; no octet of it is syntax."""
    plain = _UNSAFE.sub("_", name)[:100].strip(". ") or _FALLBACK
    return f"{'attachment' if save else 'inline'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='')}"


def file_name(part: Part) -> str:
    """The name to save a part by: what its sender called it, without a path, or one made from its place."""
    name = part.name.replace("\\", "/").rpartition("/")[2].strip(". ")
    return name or f"part-{part.path or '1'}.{_suffix(part.kind)}"


def _suffix(kind: str) -> str:
    return {"text/plain": "txt", "text/html": "html", "message/rfc822": "eml"}.get(kind, "bin")
