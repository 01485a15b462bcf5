"""Pages about the inbox's own doings: faults on demand, and sending a caught message on (a deed)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from eilpost.inbox.contract import InboxError, Told
from eilpost.inbox.fault_rules import KEYS, WORDS, FaultError, rule_of_text
from eilpost.inbox.faults import STAGES, Rule
from eilpost.web.desk import Desk
from eilpost.web.pages import SAFE, form_of
from eilpost.web.render import rendered

MOST_FAULTS: Final = 200
_CODE: Final = re.compile(r"`([^`]*)`")

EXAMPLES: Final = (
    ("rcpt to=*@full.test reply=452", "every recipient at full.test is full for now"),
    ("end probability=30% reply=451", "three in ten messages are refused after the dot, for now"),
    ("rcpt greylist=1m", "the first attempt is put off, a later one is taken"),
    ("mail rate=10/60s", "more than ten messages in a minute: 421"),
    ("ehlo delay=5s", "slow to answer the greeting"),
    ("data every=3 drop=reset", "each third connection breaks before the content"),
    ("end bounce=5s", "taken, and a report of failure comes five seconds later"),
)
"""Faults that people begin with."""


class DeskPages:
    """The pages of one desk."""

    def __init__(self, desk: Desk, templates: Environment) -> None:
        self._desk = desk
        self._templates = templates

    def routes(self) -> list[BaseRoute]:
        """What the application mounts."""
        return [
            Route("/faults", self.faults, methods=["GET"]),
            Route("/faults", self.set_faults, methods=["POST"]),
            Route("/message/{id}/release", self.release, methods=["POST"]),
        ]

    async def faults(self, request: Request) -> Response:
        """The faults that are set, and how they are written."""
        return self._page("\n".join(rule.text for rule in self._desk.board.rules))

    async def set_faults(self, request: Request) -> Response:
        """Other faults from now on: a line each."""
        form = await form_of(request)
        if form is None:
            return self._page("", "The form is too long.", status=413)
        text = form.get("faults", [""])[0]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if len(lines) > MOST_FAULTS:
            return self._page(text, f"There are at most {MOST_FAULTS} faults.", status=400)
        try:
            rules = _rules(lines)
        except FaultError as error:
            return self._page(text, str(error), status=400)
        self._desk.board.set(rules)
        self._desk.inbox.tell(Told("faults", f"{len(rules)} faults are set"))
        return RedirectResponse("/faults", 303, headers=dict(SAFE))

    async def release(self, request: Request) -> Response:
        """Sends a message on to a real server, where that is allowed."""
        form = await form_of(request) or {}
        to = [each.strip() for each in form.get("to", [""])[0].split(",") if each.strip()]
        try:
            receipt = await self._desk.releaser.release(request.path_params["id"], to)
        except InboxError as error:
            return self._told(str(error), 409)
        outcomes = [f"{each.recipient}: {each.diagnostic or each.status}" for each in receipt.outcomes]
        return self._told("; ".join(outcomes), 200)

    def _page(self, text: str, problem: str = "", *, status: int = 200) -> Response:
        return self._render(
            "faults.html",
            {
                "text": text,
                "problem": problem,
                "count": self._desk.board.count,
                "stages": [(stage.value, words) for stage, words in STAGES.items()],
                "keys": [(row.name, _CODE.sub(r"\1", row.help)) for row in KEYS.values()],
                "words": [_CODE.sub(r"\1", row.help) for row in WORDS],
                "examples": EXAMPLES,
            },
            status,
        )

    def _told(self, what: str, status: int) -> Response:
        return self._render("released.html", {"what": what, "is_done": status == 200}, status)

    def _render(self, template: str, facts: Mapping[str, Any], status: int) -> Response:
        return HTMLResponse(rendered(self._templates, template, **facts), status, headers=dict(SAFE))


def _rules(lines: list[str]) -> tuple[Rule, ...]:
    """A fault a line; the error names which."""
    rules = []
    for number, line in enumerate(lines, 1):
        try:
            rules.append(rule_of_text(line))
        except FaultError as error:
            raise FaultError(f"Line {number}: {error}") from None
    return tuple(rules)
