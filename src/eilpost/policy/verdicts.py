"""The replies that policy gives (a table; words).

RFC 5321 §4.2, RFC 3463, RFC 5248. Our own trouble is 4yz, never 5yz: mail is lost by a wrong 5yz.
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.reply import Reply, reply

SENDER_OK: Final = reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK: Final = reply(250, "2.1.5", "Recipient ok")
CHUNK_OK: Final = reply(250, "2.0.0", "Chunk ok")
CONTENT_OK: Final = reply(250, "2.6.0", "Content ok")

NOT_FOR_STRANGERS: Final = reply(530, "5.7.0", "Only for our users: log in first")
NOT_YOURS: Final = reply(553, "5.7.1", "That sender's address is not yours")
UNDECIDED_SENDER: Final = reply(451, "4.3.5", "Whose address that is cannot be said now")
NO_RELAY: Final = reply(550, "5.7.1", "Relaying denied")
NO_SUCH_MAILBOX: Final = reply(550, "5.1.1", "No such mailbox here")
UNDECIDED: Final = reply(451, "4.3.5", "The recipient cannot be resolved now")
TOO_MANY_RECIPIENTS: Final = reply(452, "4.5.3", "Too many recipients")
TOO_MANY_MESSAGES: Final = reply(421, "4.7.0", "Too many messages on one connection")
TOO_FAST: Final = reply(450, "4.7.1", "Too many messages in a short time, try again later")

TOO_MANY_ERRORS: Final = reply(421, "4.7.0", "Too many errors")
TOO_MUCH_JUNK: Final = reply(421, "4.7.0", "Too many commands without effect")
TOO_MANY_CONNECTIONS: Final = reply(421, "4.7.0", "Too many connections from your address")
BUSY: Final = reply(421, "4.3.2", "Too many connections, try again later")
STOPPING: Final = reply(421, "4.3.2", "Going down, try again later")
TOO_SLOW: Final = reply(421, "4.4.2", "Timeout")
EARLY: Final = reply(554, "5.5.0", "You spoke before you were greeted")

NO_MEMORY: Final = reply(452, "4.3.1", "Too much mail at once, try again later")
NO_SPACE: Final = reply(452, "4.3.1", "Not enough storage, try again later")
CLOSED: Final = reply(451, "4.3.0", "Mail cannot be stored now, try again later")
INTERNAL: Final = reply(421, "4.3.0", "Something went wrong here, try again later")  # RFC 5321 §3.8: closing

HEADER_TOO_BIG: Final = reply(552, "5.3.4", "The header is bigger than the limit")
LOOPING: Final = reply(554, "5.4.6", "Too many hops: the message is looping")
NEEDS_SMTPUTF8: Final = reply(550, "5.6.9", "A header beyond ASCII needs SMTPUTF8")

CANNOT_VERIFY: Final = reply(252, "2.5.0", "Send some mail, we will see")
NO_EXPANSION: Final = reply(502, "5.7.2", "Lists are not shown")
EMPTY_LIST: Final = reply(550, "5.1.1", "No such list here")
BEYOND_ASCII: Final = reply(550, "5.6.8", "The answer is an address beyond ASCII, which replies here are not")
ELSEWHERE: Final = reply(252, "2.5.0", "Not ours, but we would take mail for it")


def bad_author(trouble: str) -> Reply:
    """A submitted message whose author is missing or doubtful (RFC 6409 §8)."""
    return reply(550, "5.6.0", trouble[:1].upper() + trouble[1:])
