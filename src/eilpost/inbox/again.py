"""How to send a caught message again by hand: lines to copy (a grammar)."""

from __future__ import annotations

import shlex
from typing import Final

from eilpost.inbox.contract import Kept

MOST_NAMED: Final = 50
"""Recipients that a line names."""


def eilpost_line(kept: Kept, page: str, server: str) -> str:
    """Fetches it from the page and sends it with our own client."""
    recipients = " ".join(f"--to {shlex.quote(each)}" for each in kept.summary.recipients[:MOST_NAMED])
    return (
        f"curl -s {shlex.quote(raw(kept, page))} | eilpost send --server {shlex.quote(server)} "
        f"--from {shlex.quote(kept.summary.reverse_path)} {recipients} --eml -"
    )


def curl_line(kept: Kept, page: str, server: str) -> str:
    """Fetches it from the page and sends it with curl."""
    recipients = " ".join(f"--mail-rcpt {shlex.quote(each)}" for each in kept.summary.recipients[:MOST_NAMED])
    return (
        f"curl -s {shlex.quote(raw(kept, page))} | curl -s {shlex.quote(f'smtp://{server}')} "
        f"--mail-from {shlex.quote(kept.summary.reverse_path)} {recipients} --upload-file -"
    )


def raw(kept: Kept, page: str) -> str:
    """Where the whole message is."""
    return f"{page.rstrip('/')}/message/{kept.summary.id}/raw"
