"""An open mailbox as its session sees it: numbers from 1, marks, totals (decisions)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eilpost.maildrop.drop import Item


class Mailbox:
    """Messages by their numbers, and which of them are marked to be deleted.

    A marked message is not there for anybody until RSET (RFC 1939 §5).
    """

    __slots__ = ("_items", "_marked", "octets")

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._marked: set[int] = set()
        self.octets = sum([item.octets for item in items])

    @property
    def count(self) -> int:
        """Messages without a mark."""
        return len(self._items) - len(self._marked)

    @property
    def marked(self) -> list[int]:
        """Positions in the drop, from 0, of what is to be deleted."""
        return sorted(self._marked)

    def find(self, number: int) -> Item | None:
        """The message of that number, if there is one without a mark."""
        if not 1 <= number <= len(self._items) or number - 1 in self._marked:
            return None
        return self._items[number - 1]

    def mark(self, number: int) -> bool:
        """DELE; False when there is no such message."""
        item = self.find(number)
        if item is None:
            return False
        self._marked.add(number - 1)
        self.octets -= item.octets
        return True

    def reset(self) -> None:
        """RSET."""
        self.octets += sum([self._items[position].octets for position in self._marked])
        self._marked.clear()

    def sizes(self) -> Iterator[str]:
        """Lines of LIST."""
        return (f"{position + 1} {item.octets}" for position, item in self._unmarked())

    def names(self) -> Iterator[str]:
        """Lines of UIDL."""
        return (f"{position + 1} {item.uidl}" for position, item in self._unmarked())

    def _unmarked(self) -> Iterator[tuple[int, Item]]:
        marked = self._marked
        return (row for row in enumerate(self._items) if row[0] not in marked) if marked else enumerate(self._items)
