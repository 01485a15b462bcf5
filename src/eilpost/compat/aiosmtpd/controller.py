"""``aiosmtpd.controller``: servers that are started and stopped, with and without a thread (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from eilpost.compat.aiosmtpd.smtp import SMTP

READY_TIMEOUT: Final = 5.0
GRACE: Final = 0.5


class BaseController:
    """What all controllers have: a handler, the SMTP parameters, and a server."""

    def __init__(
        self,
        handler: Any,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        server_kwargs: dict[str, Any] | None = None,
        **SMTP_parameters: Any,
    ) -> None:
        self.handler = handler
        self.loop = loop if loop is not None else asyncio.new_event_loop()
        self.ssl_context = ssl_context
        self.server: asyncio.Server | None = None
        self.smtpd: SMTP | None = None
        self.SMTP_kwargs: dict[str, Any] = dict(server_kwargs or {}, **SMTP_parameters)
        if server_hostname is not None:
            self.SMTP_kwargs["hostname"] = server_hostname
        self._connections: set[SMTP] = set()

    def factory(self) -> SMTP:
        """The protocol of one more connection; override it for one of your own."""
        return SMTP(self.handler, **self.SMTP_kwargs)

    def _connection(self) -> SMTP:
        self.smtpd = smtpd = self.factory()
        self._connections = {each for each in self._connections if each.finished is None or not each.finished.done()}
        self._connections.add(smtpd)
        return smtpd

    async def _listen(self) -> asyncio.Server:
        raise NotImplementedError("which address is a matter of the kind of controller")

    async def _begin(self) -> None:
        self.server = await self._listen()

    async def finalize(self) -> None:
        """Takes no more connections and ends the open ones."""
        server, self.server = self.server, None
        if server is None:
            return
        server.close()
        for smtpd in self._connections:
            smtpd.stop()
        tasks = [smtpd.finished for smtpd in self._connections if smtpd.finished is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._cleanup()

    def _cleanup(self) -> None:
        """What is left to do when the server is closed."""


class _Inet(BaseController):
    """On a host name and a port; ``port`` 0 takes a free one, which ``port`` then tells."""

    def __init__(
        self,
        handler: Any,
        hostname: str | None = None,
        port: int = 8025,
        loop: asyncio.AbstractEventLoop | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(handler, loop, **parameters)
        self.hostname = hostname or "127.0.0.1"
        self.port = port

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connection, self.hostname, self.port, ssl=self.ssl_context)
        self.port = server.sockets[0].getsockname()[1]
        return server


class _Unix(BaseController):
    """On a Unix socket."""

    def __init__(
        self,
        handler: Any,
        unix_socket: str | Path,
        loop: asyncio.AbstractEventLoop | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(handler, loop, **parameters)
        self.unix_socket = str(unix_socket)

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_unix_server(self._connection, self.unix_socket, ssl=self.ssl_context)

    def _cleanup(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.unix_socket)


class _Threaded(BaseController):
    """In a thread with an event loop of its own."""

    def __init__(self, *arguments: Any, ready_timeout: float = READY_TIMEOUT, **parameters: Any) -> None:
        super().__init__(*arguments, **parameters)
        self.ready_timeout = ready_timeout
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Starts; aiosmtpd has no such thing."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops."""
        self.stop()

    def start(self) -> None:
        """Returns when connections are taken; OSError when the address cannot be had."""
        if self._thread is not None:
            raise AssertionError("SMTP daemon already running")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        try:
            started.result(self.ready_timeout)
        except BaseException:
            self._thread = None
            raise

    def _run(self, started: Future[None]) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._begin())
        except Exception as error:
            started.set_exception(error)
            self.loop.close()
            return
        started.set_result(None)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def stop(self, no_assert: bool = False) -> None:
        """Ends the sessions and the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            if no_assert:
                return
            raise AssertionError("SMTP daemon not running")
        self._in_loop(self.finalize())
        self.loop.call_soon_threadsafe(self.loop.stop)
        thread.join()

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result()


class _Unthreaded(BaseController):
    """In an event loop that the program runs itself."""

    def begin(self) -> None:
        """Takes connections whenever the loop runs; to be called while it does not."""
        self.loop.run_until_complete(self._begin())

    def end(self) -> None:
        """Ends it, if the loop runs as soon as possible."""
        if self.loop.is_running():
            self.loop.create_task(self.finalize())
        else:
            self.loop.run_until_complete(self.finalize())


class Controller(_Threaded, _Inet):
    """A thread that serves a port."""


class UnixSocketController(_Threaded, _Unix):
    """A thread that serves a Unix socket."""


class UnthreadedController(_Unthreaded, _Inet):
    """A port, in the program's own loop."""


class UnixSocketUnthreadedController(_Unthreaded, _Unix):
    """A Unix socket, in the program's own loop."""
