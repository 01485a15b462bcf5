"""One login, whatever protocol carries it: a mechanism's generator, and the directory that answers it (a deed).

SMTP and POP3 sessions drive it the same way::

    step = await exchange.begin()
    while isinstance(step, Challenge):
        step = await exchange.respond(what the client says to step.octets)   # None: it cancelled

``step`` is then a Success or a Failure, noted and counted. A session that ends before calls ``abandon``.
"""

from __future__ import annotations

from eilpost.directory.authenticator import Authenticator
from eilpost.directory.source import Peer
from eilpost.sasl.mechanisms import Mechanism
from eilpost.sasl.words import Answer, Challenge, Failure, Reason, Result, ServerTerms, Success

Step = Challenge | Success | Failure


class Exchange:
    """From the first message to success or failure."""

    __slots__ = ("_authenticator", "_mechanism", "_name", "_peer", "_server")

    def __init__(
        self,
        authenticator: Authenticator,
        mechanism: Mechanism,
        initial: bytes | None,
        terms: ServerTerms,
        peer: Peer,
    ) -> None:
        self._authenticator = authenticator
        self._mechanism = mechanism.name
        self._server = mechanism.server(initial, terms)
        self._peer = peer
        self._name: str | None = None

    async def begin(self) -> Step:
        """The first step."""
        return await self._go_on(None)

    async def respond(self, octets: bytes | None) -> Step:
        """The client's response to the challenge; None: it cancelled (RFC 4954 §4)."""
        if octets is None:
            self._server.close()
            return self._settle(Failure(Reason.CANCELLED))
        return await self._go_on(octets)

    def abandon(self) -> None:
        """The client went away. Its try counts as one: else a guess could be had by hanging up on the answer."""
        self._server.close()

    async def _go_on(self, answer: Answer | None) -> Step:
        while True:
            try:
                step = next(self._server) if answer is None else self._server.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return self._settle(result)
            if isinstance(step, Challenge):
                return step
            self._name = step.name
            answer = await self._authenticator.answer(step, self._peer)

    def _settle(self, result: Result) -> Result:
        self._authenticator.settle(self._name, result, self._mechanism, self._peer)
        return result
