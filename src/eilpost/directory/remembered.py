"""Passwords that were right a moment ago, without the passwords (a deed).

Kept is a keyed hash of account and password, with a key that lives and dies with this process; and
beside it one of what the directory kept then: another password there, and nothing is remembered.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from typing import Final

from eilpost.directory.hashing import Match
from eilpost.directory.kept import User

MOST: Final = 10_000


class Remembered:
    """For so many seconds; 0 remembers nothing."""

    __slots__ = ("_found", "_key", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._found: OrderedDict[bytes, tuple[bytes, float, Match]] = OrderedDict()

    def find(self, user: User, password: str, now: float) -> Match | None:
        """How the password was right, if it was and nothing has changed."""
        digest = self._digest(user.account, password)
        found = self._found.get(digest)
        if found is None:
            return None
        state, until, match = found
        if now >= until or not hmac.compare_digest(state, self._state(user)):
            del self._found[digest]
            return None
        return match

    def note(self, user: User, password: str, match: Match, now: float) -> None:
        """It was right just now."""
        if self._seconds > 0:
            entry = (self._state(user), now + self._seconds, Match(match.app_password))
            self._found[self._digest(user.account, password)] = entry
            if len(self._found) > MOST:
                self._found.popitem(last=False)

    def _digest(self, *texts: str) -> bytes:
        return hmac.digest(self._key, "\0".join(texts).encode("utf-8", "surrogatepass"), "sha256")

    def _state(self, user: User) -> bytes:
        return self._digest(user.kept.password, *(app.hash for app in user.app_passwords))
