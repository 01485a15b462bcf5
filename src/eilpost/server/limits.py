"""How much and how long: what one client may take of a server (words)."""

from __future__ import annotations

from eilpost.mail.value import value


@value(frozen=True, slots=True)
class Limits:
    """Counts, and octets; what is beyond a limit is answered 4yz or 5yz by the server itself.

    ``connections`` holds for all clients together, ``connections_per_peer`` for one address;
    0 is no limit. ``errors`` are 5yz replies and ``junk`` commands that move no mail, both counted
    since the last message that was accepted.
    """

    connections: int = 1000
    connections_per_peer: int = 0
    message_size: int = 25_000_000
    recipients: int = 1000
    line: int = 4096
    errors: int = 100
    junk: int = 1000


@value(frozen=True, slots=True)
class Deadlines:
    """Seconds until the server gives up: 421 4.4.2 and the connection ends.

    ``command``: until the next whole command (RFC 5321 §4.5.3.2.7 wants five minutes). ``content``:
    until the next piece of a content. ``handshake``: for TLS. ``session``: for all of it. ``drain``:
    for a client that does not take our replies. ``farewell``: for one that does not take our last words.
    """

    command: float = 300.0
    content: float = 180.0
    handshake: float = 30.0
    session: float = 86_400.0
    drain: float = 60.0
    farewell: float = 10.0
