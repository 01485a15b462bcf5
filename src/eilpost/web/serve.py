"""The web server inside our event loop: uvicorn without signals, workers or a log of its own (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn
from starlette.types import ASGIApp

from eilpost.net.listen import bind_tcp

_GRACE = 3
_HEADER_LIMIT = 64_000


class _Embedded(uvicorn.Server):
    """Signals belong to whoever runs the loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when it listens."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leaves them alone."""
        yield


class WebServer:
    """Use ``async with``; ``port`` 0 takes a free one. ListenError when the address cannot be had."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._app = app
        self._host, self._asked_port = host, port
        self._socket: socket.socket | None = None
        self._server: _Embedded | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def __aenter__(self) -> WebServer:
        """Takes requests from now on."""
        self._socket = bind_tcp(self._host, self._asked_port, [])
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            http="h11",
            h11_max_incomplete_event_size=_HEADER_LIMIT,
            limit_concurrency=1_000,
            timeout_graceful_shutdown=_GRACE,
            proxy_headers=False,
        )
        self._server = _Embedded(config)
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        await self._server.ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answers what was asked, then ends."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        if self._socket is not None:
            self._socket.close()
