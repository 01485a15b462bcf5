"""Does an operator's filter mean this recipient? (decisions)

The store answers the same question for what lies in it; this is for what waits in memory. ``<>`` as
sender means reports.
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.address import Address, parse_address, parse_domain
from eilpost.spool.contract import Filter, QueuedMessage, QueuedRecipient, State

_NULL: Final = "<>"


def matches(wanted: Filter, message: QueuedMessage, recipient: QueuedRecipient, state: State, now: float) -> bool:
    """Whether ``wanted`` means this recipient, which stands in ``state``."""
    return (
        (not wanted.messages or message.id in wanted.messages)
        and (wanted.state is None or wanted.state is state)
        and (not wanted.older or now - message.received >= wanted.older)
        and _is_at(wanted.to, recipient.recipient.address)
        and _is_at(wanted.sender, message.reverse_path.mailbox)
    )


def check(wanted: Filter) -> None:
    """AddressError, a ValueError, if the filter names something that is no address."""
    for pattern in (wanted.to, wanted.sender):
        if pattern and pattern != _NULL:
            _parse(pattern)


def _is_at(pattern: str, address: Address | None) -> bool:
    if not pattern:
        return True
    if address is None or pattern == _NULL:
        return address is None and pattern == _NULL
    meant = _parse(pattern)
    return address == meant if isinstance(meant, Address) else address.domain == meant


def _parse(pattern: str) -> Address | str:
    return parse_domain(pattern[1:]) if pattern.startswith("@") else parse_address(pattern)
