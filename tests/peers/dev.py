"""``eilpost dev`` as people run it: a process of its own, on free ports, asked by its API (deeds)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.peers.tools import PeerError, Service

_COMMAND: Final = (sys.executable, "-c", "import sys; from eilpost.cli.main import main; sys.exit(main())", "dev")
_LAST: Final = "docs/howto/developers-inbox.md"
"""What the banner's last line names."""


@dataclass(frozen=True)
class Dev:
    """A running inbox."""

    host: str
    port: int
    pop3_port: int
    page: str
    authority: Path
    web: httpx.AsyncClient = field(repr=False)

    async def found(self, search: str, seconds: int = 20) -> dict[str, Any]:
        """The newest message that a search finds, whole, when it has come."""
        answer = await self.web.get("/api/wait", params={"q": search, "timeout": seconds}, timeout=seconds + 10)
        if answer.status_code != 200:
            raise AssertionError(f"{search}: {answer.text}")
        whole = await self.web.get(f"/api/messages/{answer.json()['id']}")
        return dict(whole.raise_for_status().json())

    async def part(self, identity: str, path: str) -> bytes:
        """A part's octets."""
        return (await self.web.get(f"/api/messages/{identity}/parts/{path}")).raise_for_status().content


@contextlib.asynccontextmanager
async def eilpost_dev(directory: Path, *flags: str | Path) -> AsyncIterator[Dev]:
    """Runs it until the end of the block; PeerError with its words when it does not begin or ends badly."""
    free = "127.0.0.1:0"
    tls = directory / "tls"
    command = [*_COMMAND, "--smtp", free, "--http", free, "--pop3", free, "--tls-directory", tls, *flags]
    service = await Service.start(command, directory / "dev.log")
    try:
        await _said(service, _LAST)
        at = dict(re.findall(r"^  (SMTP|page|POP3)  (?:http://)?127\.0\.0\.1:(\d+)", service.text(), re.MULTILINE))
        page = f"http://127.0.0.1:{at['page']}"
        async with httpx.AsyncClient(base_url=page, trust_env=False) as web:
            yield Dev("127.0.0.1", int(at["SMTP"]), int(at["POP3"]), page, tls / "ca.pem", web)
    finally:
        code = await service.stop()
    if code != 0:
        raise PeerError(f"eilpost dev ended with {code}: {service.text()}")


async def _said(service: Service, words: str) -> None:
    """Returns when it has said them."""
    for _ in range(600):
        if words in service.text():
            return
        if service.exit_code is not None:
            break
        await asyncio.sleep(0.05)
    raise PeerError(f"eilpost dev did not begin: {service.text()}")
