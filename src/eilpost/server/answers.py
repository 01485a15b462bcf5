"""What a handler may answer, and what is answered when it says nothing (words).

Most handlers answer with a ``Reply`` or None. The other two are for servers that misbehave on
purpose: half a reply and a dropped connection, and octets that are no reply at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final

from eilpost.mail.reply import Reply, reply
from eilpost.mail.value import value


@value(frozen=True, slots=True)
class HangUp:
    """Says ``octets``, perhaps half a reply, and ends the connection; ``abort`` resets it and loses what is unsent."""

    octets: bytes = b""
    abort: bool = False


@value(frozen=True, slots=True)
class Raw:
    """Sends ``octets`` as they are; the session goes on as if ``meaning`` had been said."""

    octets: bytes
    meaning: Reply


Given = Reply | Raw | HangUp | None
"""None: what the server says by itself."""

Answer = Given | Awaitable[Given]

EndAnswer = Given | Sequence[Reply] | Awaitable[Given | Sequence[Reply]]
"""To the end of the content; in LMTP a sequence is one reply for each accepted recipient, in their order."""

SENDER_OK: Final = reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK: Final = reply(250, "2.1.5", "Recipient ok")
NEEDS_TLS: Final = reply(530, "5.7.0", "Say STARTTLS first")  # RFC 3207 §4
NEEDS_LOGIN: Final = reply(530, "5.7.0", "Log in first")  # RFC 4954 §6
CHUNK_OK: Final = reply(250, "2.0.0", "Chunk ok")
CONTENT_OK: Final = reply(250, "2.0.0", "Message accepted")
CANNOT_VERIFY: Final = reply(252, "2.5.0", "Send some mail, we will see")
NO_EXPANSION: Final = reply(502, "5.5.1", "Lists are not shown")
TOO_MANY_RECIPIENTS: Final = reply(452, "4.5.3", "Too many recipients")  # RFC 5321 §4.5.3.1.10
TOO_MANY_ERRORS: Final = reply(421, "4.7.0", "Too many errors")
TOO_MUCH_JUNK: Final = reply(421, "4.7.0", "Too many commands without effect")
BUSY: Final = reply(421, "4.3.2", "Too many connections, try again later")
STOPPING: Final = reply(421, "4.3.2", "Going down, try again later")
TOO_SLOW: Final = reply(421, "4.4.2", "Timeout")
INTERNAL: Final = reply(451, "4.3.0", "Something went wrong here, try again later")
BROKEN: Final = reply(421, "4.3.0", "Something went wrong here, try again later")
