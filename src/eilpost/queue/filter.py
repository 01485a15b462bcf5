"""Does an operator's filter mean this recipient? (decisions)

The store answers the same question for what lies in it; this is for what waits in memory.
AddressError, a ValueError, for a filter that names no address.
"""

from __future__ import annotations

from eilpost.mail.address import Address, parse_address, parse_domain
from eilpost.spool.contract import Filter, QueuedMessage, QueuedRecipient, State


def matches(wanted: Filter, message: QueuedMessage, recipient: QueuedRecipient, state: State, now: float) -> bool:
    """Whether ``wanted`` means this recipient, which stands in ``state``."""
    return (
        (not wanted.messages or message.id in wanted.messages)
        and (wanted.state is None or wanted.state is state)
        and (not wanted.older or now - message.received >= wanted.older)
        and _is_at(wanted.to, recipient.recipient.address)
        and _is_at(wanted.sender, message.reverse_path.mailbox)
    )


def _is_at(pattern: str, address: Address | None) -> bool:
    if not pattern:
        return True
    if address is None:
        return pattern == "<>"
    if pattern.startswith("@"):
        return address.domain == parse_domain(pattern[1:])
    return address == parse_address(pattern)
