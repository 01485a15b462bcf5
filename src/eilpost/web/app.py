"""The application: API, Mailpit's API and pages behind one guard (a deed)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from eilpost.web.api import Api
from eilpost.web.bodies import answer
from eilpost.web.desk import Desk
from eilpost.web.desk_pages import DeskPages
from eilpost.web.gate import Rules
from eilpost.web.guard import Accounts, Guard
from eilpost.web.mailpit import Mailpit
from eilpost.web.pages import Pages
from eilpost.web.render import environment

NO_RULES = Rules()


def app(
    desk: Desk, *, rules: Rules = NO_RULES, accounts: Accounts | None = None, more: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """What a web server runs for an inbox; ``more`` are routes that come before ours."""
    templates = environment()
    pages = Pages(desk.inbox, templates, server=desk.server, release=_destination(desk))
    faces = (Mailpit(desk), Api(desk), DeskPages(desk, templates), pages)
    routes: list[BaseRoute] = [*more, *(route for face in faces for route in face.routes())]
    handlers = {404: _missing, 405: _not_so, 500: _broken}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), rules, accounts or Accounts({}))


def _destination(desk: Desk) -> str:
    """Where a caught message may be sent on; empty where it may not."""
    rules = desk.releaser.rules
    return f"{rules.host}:{rules.port}" if rules.is_possible else ""


async def _missing(request: Request, error: Exception) -> Response:
    return answer({"error": "there is nothing here; /api/openapi.json says what is where"}, 404)


async def _not_so(request: Request, error: Exception) -> Response:
    refused = answer({"error": f"{request.method} means nothing here"}, 405)
    if isinstance(error, HTTPException):
        refused.headers.update(error.headers or {})  # Allow: which methods do
    return refused


async def _broken(request: Request, error: Exception) -> Response:
    return answer({"error": "something went wrong here; the log says what"}, 500)
