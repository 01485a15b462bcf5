"""Who has mail here: an account, or an alias that stands for others (words)."""

from __future__ import annotations

from dataclasses import dataclass

from eilpost.mail.address import Address


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox of ours; ``address`` is spelled as its owner wants it, ``created`` is Unix time."""

    address: Address
    created: float
    can_log_in: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for others, which may be aliases in turn, and may be itself."""

    address: Address
    members: tuple[Address, ...]
