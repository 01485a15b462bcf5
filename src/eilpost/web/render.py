"""Templates and the filters they use (a grammar).

Jinja escapes by itself, user text is never a template (F188), and a name that is missing is an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from eilpost.inbox.contract import Mailbox

_TURNING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNITS: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def size(octets: int) -> str:
    """Octets as people say it: ``4.2 KB``."""
    for factor, unit in _UNITS:
        if octets >= factor:
            return f"{octets / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{octets} B"


def stamp(when: float) -> str:
    """Unix time for a ``datetime`` attribute."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")


def clock(when: float) -> str:
    """Unix time as the page shows it until the browser knows the reader's zone."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def person(mailbox: Mailbox) -> str:
    """The name where there is one, else the address."""
    return mailbox.name or mailbox.address


def full(mailbox: Mailbox) -> str:
    """Name and address."""
    return f"{mailbox.name} <{mailbox.address}>" if mailbox.name else mailbox.address


def tame(text: Any) -> Any:
    """What is put into a page, without characters that turn the direction of what stands beside them (F177)."""
    return _TURNING.sub("\ufffd", text) if type(text) is str else text


def environment() -> Environment:
    """The templates, ready to render."""
    built = Environment(
        loader=PackageLoader("eilpost.web"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=tame,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    built.filters.update(size=size, stamp=stamp, clock=clock, person=person, full=full)
    return built


def rendered(templates: Environment, name: str, **facts: Any) -> str:
    """A page or a piece of one."""
    return templates.get_template(name).render(facts)
