"""The door: connections become POP3 sessions, are counted, and are led out at the end (a deed)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from eilpost.config.schema import Role
from eilpost.directory.authenticator import Authenticator
from eilpost.mail.reply import Reply
from eilpost.net.stream import Stream
from eilpost.policy import peer as peers
from eilpost.policy import verdicts
from eilpost.policy.facts import Client
from eilpost.pop3 import replies
from eilpost.pop3.replies import Answer
from eilpost.retrieve.house import House, Rules
from eilpost.retrieve.session import Session

_REFUSAL_DEADLINE: Final = 5.0


class Retrieval:
    """Everybody who is fetching mail, and what they share."""

    def __init__(self, house: House, networks: tuple[peers.Network, ...], user_name: Callable[[int], str]) -> None:
        self.house = house
        self._networks = networks
        self._user_name = user_name
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._by_client: dict[str, int] = {}
        self._ids = count(1)
        self._base = f"{int(time.time()) & 0xFFFFFF:x}p"

    def door(self, role: Role) -> Callable[[Stream], None]:
        """What a listener of this role calls for each connection."""

        def connected(stream: Stream) -> None:
            self._connected(role, stream)

        return connected

    def reload(
        self, rules: Rules, networks: tuple[peers.Network, ...], authenticator: Authenticator, *, keys: bool
    ) -> None:
        """New rules, for the sessions to come and the open ones' next commands."""
        self.house.rules, self._networks = rules, networks
        self.house.ways.authenticator, self.house.ways.keys = authenticator, keys

    def _connected(self, role: Role, stream: Stream) -> None:
        client = self._client(role, stream)
        if client is None:
            stream.abort()
            return
        house, tls = self.house, role is Role.POP3S
        of_client = self._by_client.get(client.key, 0) + 1
        refusal = peers.admit(client, house.rules.limits, in_all=house.in_all + 1, of_client=of_client)
        if refusal is not None or house.stopping:
            self._turn_away(stream, replies.STOPPING if house.stopping else _in_pop3(refusal), silent=tls)
            return
        self._by_client[client.key] = of_client
        house.guests += 1
        session = Session(house, client, stream, f"{self._base}.{next(self._ids):x}", tls=tls)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._left(session))

    def _client(self, role: Role, stream: Stream) -> Client | None:
        """Who it is. A TCP peer that is gone already has no address either, and must not pass for a local user."""
        address, _ = stream.peer
        if address:
            return peers.identify(role, address, self._networks)
        uid = stream.peer_uid()
        return None if uid is None else peers.identify_local(role, self._user_name(uid))

    @staticmethod
    def _turn_away(stream: Stream, words: Answer, *, silent: bool) -> None:
        """Before a handshake there is nobody to talk to."""
        if not silent:
            stream.write(replies.encode(words))
        stream.deadline = asyncio.get_running_loop().time() + _REFUSAL_DEADLINE
        stream.close()

    def _left(self, session: Session) -> None:
        del self._sessions[session]
        self.house.guests -= 1
        key = session.client.key
        left = self._by_client[key] - 1
        if left:
            self._by_client[key] = left
        else:
            del self._by_client[key]

    async def stop(self, grace: float) -> None:
        """Ends idle sessions at once, the others after their command or ``grace`` seconds."""
        self.house.stopping = True
        for session in tuple(self._sessions):
            session.stop()
        tasks = tuple(self._sessions.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


def _in_pop3(refusal: Reply | None) -> Answer:
    return replies.TOO_MANY_CONNECTIONS if refusal is verdicts.TOO_MANY_CONNECTIONS else replies.BUSY
