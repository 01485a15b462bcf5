"""May this client send to this recipient? Never relay for strangers (decisions).

Whatever an address looks like, two facts decide: where it leads, and whether the client is
trusted. A look-up that fails is 451, never a permission (I13).
"""

from __future__ import annotations

from eilpost.config.schema import Limits, Role
from eilpost.mail.reply import Reply
from eilpost.policy import verdicts
from eilpost.policy.facts import Client, Standing


def judge(client: Client, limits: Limits, standing: Standing, *, recipients: int) -> Reply:
    """The answer to RCPT. ``recipients`` counts those already accepted in this transaction."""
    if recipients >= limits.recipients:
        return verdicts.TOO_MANY_RECIPIENTS  # RFC 5321 §4.5.3.1.10
    match standing:
        case Standing.HERE:
            return verdicts.RECIPIENT_OK
        case Standing.ELSEWHERE:
            return verdicts.RECIPIENT_OK if may_relay(client) else verdicts.NO_RELAY
        case Standing.UNKNOWN:
            return verdicts.NO_SUCH_MAILBOX  # F156
        case Standing.UNDECIDED:
            return verdicts.UNDECIDED


def may_relay(client: Client) -> bool:
    """Whether this client may send to others' domains; LMTP delivers here and nowhere else."""
    return (client.trusted or client.logged_in) and client.role is not Role.LMTP


def may_ask(client: Client) -> bool:
    """Whether VRFY and EXPN get real answers: trusted networks and who has logged in (F111)."""
    return client.trusted or bool(client.account)
