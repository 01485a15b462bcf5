"""``value``: how a frozen value is declared (words).

To the type checker it is ``dataclasses.dataclass``, frozen and slotted, and an assignment to a field
is an error there. At run time the fields could be set: a truly frozen dataclass sets its own fields
one by one through ``object.__setattr__``, which made a value of ten fields take 1.7 µs, six times
as long as this one; a message makes some thirty values on its way (docs/decisions/0009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen, slots, order=False, eq=True):
        """The decorator; values compare and hash by their fields, or with ``eq=False`` by what they are."""
        assert frozen and slots
        return dataclass(slots=True, eq=eq, unsafe_hash=eq, order=order)


__all__ = ["value"]
