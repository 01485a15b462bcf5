"""Release sends caught mail on, to those who are allowed, and never holds up taking."""

from __future__ import annotations

import pytest

from eilpost.inbox.contract import Arrived, Told
from eilpost.inbox.release import NO_RELEASE, ReleaseError, Releaser, ReleaseRules, permitted
from eilpost.inbox.store import Inbox
from eilpost.mail.envelope import Envelope
from eilpost.mail.reply import Reply, reply
from eilpost.server.handler import Handler
from eilpost.server.server import Server
from eilpost.server.session import Session
from tests.unit.inbox.samples import arrival, message


class Sink(Handler):
    """Takes what is not for eve."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    def message(self, session: Session, envelope: Envelope, content: bytes) -> Reply | None:
        """Notes the envelope."""
        self.taken.append(envelope)
        return reply(550, "5.7.1", "Not eve") if "eve" in str(envelope.recipients[0].address) else None


@pytest.mark.parametrize(
    ("rules", "to", "told"),
    [
        (NO_RELEASE, (), "--release-to"),
        (ReleaseRules("mx.test"), (), "--release-to"),
        (ReleaseRules("mx.test", allowed=("*@me.test",)), (), "bob@example.test is not allowed"),
        (ReleaseRules("mx.test", allowed=("*@me.test",)), ("a@me.test", "b@you.test"), "b@you.test is not allowed"),
        (ReleaseRules("mx.test", allowed=("*",)), tuple(f"{n}@x" for n in range(101)), "at most 100"),
    ],
)
async def test_what_is_not_allowed_is_refused(rules: ReleaseRules, to: tuple[str, ...], told: str) -> None:
    """Without a server, without an allow-list, or for others, nothing is sent; the sentence names the mend."""
    async with Inbox() as inbox:
        summary = await inbox.take(arrival(), message())
        with pytest.raises(ReleaseError, match=told):
            permitted(rules, summary, to)


async def test_rules_release_by_themselves() -> None:
    """Mail for those whom a rule names goes on in the background; who watches hears of it, refusals too."""
    sink = Sink()
    async with Server(sink) as server, Inbox() as inbox:
        rules = ReleaseRules("127.0.0.1", server.port, ("*@me.test",), ("*@me.test",), sender="dev@me.test")
        async with Releaser(inbox, rules) as releaser:
            with inbox.watch() as watcher:
                for to in ("a@me.test", "b@other.test", "eve@me.test"):
                    releaser.taken(await inbox.take(arrival(to, "c@other.test"), message()))
                told: list[str] = []
                while len(told) < 3:
                    happening = await watcher.next()
                    if isinstance(happening, Told):
                        told.append(happening.text)
                    else:
                        assert isinstance(happening, Arrived)
        assert [str(each.recipients[0].address) for each in sink.taken] == ["a@me.test", "eve@me.test"]
        assert str(sink.taken[0].reverse_path) == "<dev@me.test>"
        assert "not released to eve@me.test: smtp; 550" in told[2]


async def test_a_server_that_is_not_there_is_told() -> None:
    """The error names the server."""
    async with Inbox() as inbox, Server(Sink()) as server:
        rules = ReleaseRules("127.0.0.1", server.port, ("*",))
        await server.drain(0)
        taken = await inbox.take(arrival(), message())
        with pytest.raises(ReleaseError, match=r"127\.0\.0\.1"):
            await Releaser(inbox, rules).release(taken.id)
