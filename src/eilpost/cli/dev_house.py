"""The developer's inbox with all its doors: SMTP, POP3, the page and the API (a deed)."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Self

from argon2 import PasswordHasher

from eilpost.cli.dev_choices import Chosen, Endpoint
from eilpost.inbox.fetching import Fetching
from eilpost.inbox.service import Service
from eilpost.inbox.store import Inbox
from eilpost.net.dev_certificate import DevCertificate, prepare
from eilpost.net.tls import server_context
from eilpost.web.app import app
from eilpost.web.desk import Desk
from eilpost.web.guard import Accounts
from eilpost.web.hooks import Hooks
from eilpost.web.serve import WebServer


class DevHouse:
    """Use ``async with``; what each door listens on is known then."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._stack = contextlib.AsyncExitStack()
        self._certificate: DevCertificate | None = None
        self.smtp: Endpoint | None = None
        self.http: Endpoint | None = None
        self.pop3: Endpoint | None = None
        self.inbox: Inbox

    async def __aenter__(self) -> Self:
        """Opens all doors, or none."""
        async with contextlib.AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes them, the last one first."""
        await self._stack.aclose()

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        chosen = self._chosen
        choices = chosen.service
        if chosen.tls_directory is not None:
            self._certificate = self._prepare(chosen.tls_directory, stack)
            choices = dataclasses.replace(choices, tls=server_context(self._certificate.pair))
        service = await stack.enter_async_context(Service(choices))
        self.inbox = service.inbox
        self.smtp = Endpoint(choices.host, service.server.port)
        if chosen.pop3 is not None:
            fetching = Fetching(self.inbox, chosen.pop3.host, chosen.pop3.port, choices.accounts)
            await stack.enter_async_context(fetching)
            self.pop3 = Endpoint(chosen.pop3.host, fetching.port)
        await stack.enter_async_context(Hooks(self.inbox, chosen.webhooks))
        if chosen.http is not None:
            desk = Desk(
                self.inbox,
                service.board,
                service.releaser,
                version("eilpost"),
                str(self.smtp),
                str(choices.keep or "memory"),
            )
            hasher = PasswordHasher()
            accounts = Accounts({name: hasher.hash(text) for name, text in chosen.users.items()}, chosen.tokens)
            web = WebServer(app(desk, rules=chosen.rules, accounts=accounts), chosen.http.host, chosen.http.port)
            await stack.enter_async_context(web)
            self.http = Endpoint(chosen.http.host, web.port)

    def _prepare(self, directory: Path, stack: contextlib.AsyncExitStack) -> DevCertificate:
        """A home that cannot be written to gets a certificate for this run."""
        try:
            return prepare(directory, ["localhost"], time.time())
        except OSError:
            passing = stack.enter_context(tempfile.TemporaryDirectory(prefix="eilpost-dev-"))
            return prepare(Path(passing), ["localhost"], time.time())

    def banner(self) -> str:
        """What runs where, and what to type next."""
        keep = self._chosen.service.keep
        lines = [
            "",
            f"Eilpost keeps every mail {f'in {keep}' if keep else 'in memory'} and delivers none; Ctrl-C ends it.",
            "",
        ]
        lines.append(f"  SMTP  {self.smtp}   point your program here; any login, STARTTLS")
        if self.http is not None:
            lines.append(f"  page  http://{self.http}/   and the API: http://{self.http}/api/openapi.json")
        if self.pop3 is not None:
            lines.append(f"  POP3  {self.pop3}   any login")
        if self._certificate is not None:
            lines.append(f"  TLS   to verify it, trust {self._certificate.authority}")
        lines += ["", "Type in another terminal:", ""]
        lines.append(
            f"  eilpost send --server {self.smtp} --from me@example.test --to you@example.test \\\n"
            '      --subject Hello --body "My first express mail."'
        )
        if self.http is not None:
            lines.append(f"  curl http://{self.http}/api/messages")
        lines.append("  (mail to anna+550@example.test is refused on demand: docs/howto/developers-inbox.md)")
        return "\n".join([*lines, ""])
