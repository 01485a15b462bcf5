"""Who has mail here: an account, or an alias that stands for others (words)."""

from __future__ import annotations

from eilpost.mail.address import Address
from eilpost.mail.value import value


@value(frozen=True, slots=True)
class Account:
    """A mailbox of ours; ``address`` is spelled as its owner wants it, ``created`` is Unix time."""

    address: Address
    created: float
    can_log_in: bool = False


@value(frozen=True, slots=True)
class Alias:
    """An address that stands for others, which may be aliases in turn, and may be itself."""

    address: Address
    members: tuple[Address, ...]
