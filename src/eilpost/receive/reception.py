"""The door: connections become sessions, are counted, and are led out at the end (a deed).

One reception serves all listeners; what its sessions share is the house.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count

from eilpost.config.schema import Limits, Role
from eilpost.mail.reply import Reply
from eilpost.net.stream import Stream
from eilpost.policy import peer as peers
from eilpost.policy import verdicts
from eilpost.policy.facts import Client
from eilpost.receive.authenticate import Logins
from eilpost.receive.house import House
from eilpost.receive.inquiry import Inquiry
from eilpost.receive.roles import ROLES, RoleRow
from eilpost.receive.session import Session
from eilpost.smtp import replies

_REFUSAL_DEADLINE = 5.0


class Reception:
    """Everybody who is connected, and what they share."""

    def __init__(
        self, house: House, networks: tuple[peers.Network, ...], after_pop: Callable[[str], str] | None = None
    ) -> None:
        self._house = house
        self._networks = networks
        self._after_pop = after_pop  # SMTP-after-POP: the account that an address may send as
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._by_client: dict[str, int] = {}
        self._ids = count(1)
        self._base = f"{int(time.time()) & 0xFFFFFF:x}"

    # --- connections

    @property
    def guests(self) -> int:
        """How many are connected."""
        return self._house.guests

    def door(self, role: Role) -> Callable[[Stream], None]:
        """What a listener of this role calls for each connection."""
        row = ROLES[role]

        def connected(stream: Stream) -> None:
            self._connected(row, stream)

        return connected

    def reload(self, limits: Limits, networks: tuple[peers.Network, ...], inquiry: Inquiry, logins: Logins) -> None:
        """New rules, for the sessions to come and the open ones' next commands."""
        self._house.limits, self._house.inquiry, self._house.logins = limits, inquiry, logins
        self._networks = networks

    def _connected(self, row: RoleRow, stream: Stream) -> None:
        client = self._client(row.role, stream)
        if client is None:
            stream.abort()
            return
        of_client = self._by_client.get(client.key, 0) + 1
        refusal = peers.admit(client, self._house.limits, in_all=self._house.guests + 1, of_client=of_client)
        if self._house.stopping:
            refusal = verdicts.STOPPING
        if refusal is not None:
            if row.implicit:
                stream.abort()  # no handshake for those who are not let in, and no word would be understood
            else:
                self._turn_away(stream, refusal)
            return
        self._by_client[client.key] = of_client
        self._house.guests += 1
        id = f"{self._base}.{next(self._ids):x}"
        session = Session(self._house, row, client, stream, id)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._left(session))

    def _client(self, role: Role, stream: Stream) -> Client | None:
        """Who it is. A TCP peer that is gone already has no address either, and must not pass for a local user."""
        address, _ = stream.peer
        if address:
            client = peers.identify(role, address, self._networks)
            account = self._after_pop(client.address) if self._after_pop is not None else ""
            return peers.after_pop(client, account)
        uid = stream.peer_uid()
        return None if uid is None else peers.identify_local(role, self._house.ways.user_name(uid))

    @staticmethod
    def _turn_away(stream: Stream, refusal: Reply) -> None:
        stream.write(replies.encode(refusal))
        stream.deadline = asyncio.get_running_loop().time() + _REFUSAL_DEADLINE
        stream.close()

    def _left(self, session: Session) -> None:
        del self._sessions[session]
        self._house.guests -= 1
        key = session.client.key
        left = self._by_client[key] - 1
        if left:
            self._by_client[key] = left
        else:
            del self._by_client[key]

    async def stop(self, grace: float) -> None:
        """Ends idle sessions with 421 at once, the others after their transaction or ``grace`` seconds."""
        self._house.stopping = True
        for session in tuple(self._sessions):
            session.stop()
        tasks = tuple(self._sessions.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
