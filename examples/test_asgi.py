"""FastAPI and Starlette: an ``async`` view sends with Eilpost's client; the inbox has it."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage

import pytest

pytest.importorskip("starlette", reason="Starlette, on which FastAPI stands, is not installed")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from eilpost import Client
from eilpost.testing.smtp_inbox import SmtpInbox


def application(host: str, port: int) -> Starlette:
    """What is tested; in FastAPI the view is the same."""

    async def welcome(request: Request) -> PlainTextResponse:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "shop@shop.example", "anna@a.example", "Welcome"
        message.set_content("Hello!\n")
        async with Client(host, port) as client:
            receipt = await client.send(message)
        receipt.raise_for_failures()
        return PlainTextResponse("sent")

    return Starlette(routes=[Route("/welcome", welcome)])


async def call(app: Starlette, path: str) -> int:
    """A GET request, without a server; the status."""
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    return int(said[0]["status"])


def test_mail_of_an_asgi_application_arrives(smtp_inbox: SmtpInbox) -> None:
    """The view answers after the server took the mail."""
    app = application(smtp_inbox.host, smtp_inbox.port)
    assert asyncio.run(call(app, "/welcome")) == 200
    smtp_inbox.wait_for(to="anna@a.example", subject="Welcome").assert_text("Hello!")
