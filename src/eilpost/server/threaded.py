"""A server in a thread of its own, for programs that have no event loop (a deed)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from eilpost.server.server import Server

T = TypeVar("T")


class ThreadedServer:
    """Runs a ``Server`` in a thread: ``with ThreadedServer(Server(handler)) as server: …``.

    The handler's hooks are called in that thread. ``loop_factory`` may be ``uvloop.new_event_loop``.
    """

    def __init__(self, server: Server, *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.server = server
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Listens when it returns; ListenError when the address cannot be had."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends all sessions and the thread."""
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.server.port

    @property
    def address(self) -> str:
        """``host:port`` or ``unix:path``."""
        return self.server.address

    def start(self) -> None:
        """Starts the thread; returns when connections are taken. ListenError."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="eilpost-server", daemon=True)
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise

    def stop(self, grace: float | None = None) -> None:
        """Ends the sessions, as ``Server.drain`` does, and the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._call(self.server.drain(grace))
        thread.join()

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs a coroutine in the server's loop; what it returns. TimeoutError after ``timeout`` seconds."""
        return self._call(work, timeout)

    def _call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the server is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def _run(self, started: Future[None]) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self.server.start())
            except BaseException as error:
                self._loop = None
                started.set_exception(error)
                return
            started.set_result(None)
            runner.run(self.server.serve_forever())
            self._loop = None
