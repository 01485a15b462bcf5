"""The slow hashes, in a few threads, with no more waiting than the settings say (a deed).

Whoever the user is, a check costs one Argon2id: an unknown user, one without a password and one
whose hash is of another kind pay for a hash that nobody has (F108). What is more, of an imported
hash, goes away at its first login, when it is made anew.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from eilpost.directory.kept import NOTHING, Kept, User
from eilpost.directory.passwords import PasswordError, is_app_password, keep, prepare
from eilpost.directory.schemes import SchemeError, verify
from eilpost.mail.value import value

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Result = TypeVar("Result")


@value(frozen=True, slots=True)
class Match:
    """The password was right; ``renewed`` is the same password kept in today's form."""

    app_password: str = ""
    renewed: Kept | None = None


class PoolFull(Exception):
    """Too many checks wait already (F109)."""


class HashPool:
    """Threads for hashes; the event loop only waits."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "hashing")
        self._most = threads + waiting
        self._busy = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of the work; PoolFull at once."""
        if self._busy >= self._most:
            raise PoolFull
        self._busy += 1
        try:
            future = self._threads.submit(work)
        except BaseException:
            self._busy -= 1
            raise
        loop = asyncio.get_running_loop()
        # Who is gone still occupies a thread: only the end of the work gives its place back.
        future.add_done_callback(lambda _: _tell(loop, self._left))
        return await asyncio.wrap_future(future)

    def _left(self) -> None:
        self._busy -= 1

    def close(self) -> None:
        """Forgets what waits; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _tell(loop: asyncio.AbstractEventLoop, left: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(left)


class Hasher:
    """Argon2id with its costs."""

    def __init__(self, argon2: PasswordHasher | None = None) -> None:
        from argon2 import PasswordHasher

        self.argon2 = argon2 or PasswordHasher()
        self._decoy = _decoy(self.argon2)

    def check(self, user: User | None, password: str, *, renew: bool) -> Match | None:
        """None: it is not the password; all the work is done here, in whatever thread."""
        for app in user.app_passwords if user is not None else ():
            if is_app_password(password, app.hash):
                return Match(app.name)
        kept = user.kept if user is not None else NOTHING
        ours = kept.password.startswith("$argon2")
        right = self._is(kept.password if ours else self._decoy, password)
        if kept.password and not ours:
            right = _other(kept.password, password)
        if not right:
            return None
        outdated = not ours or self.argon2.check_needs_rehash(kept.password)
        return Match(renewed=_renewed(kept, password, self.argon2) if renew and outdated else None)

    def _is(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        try:
            prepared = prepare(password)
        except PasswordError:
            prepared = ""  # nobody's; the work is done all the same
        try:
            return self.argon2.verify(hashed, prepared) and bool(prepared)
        except (ValueError, VerificationError):
            return False


def _other(hashed: str, password: str) -> bool:
    try:
        return verify(hashed, password)
    except SchemeError:
        return False


def _renewed(kept: Kept, password: str, argon2: PasswordHasher) -> Kept | None:
    try:
        return keep(password, cram=bool(kept.secret), hasher=argon2)
    except PasswordError:
        return None


def _decoy(argon2: PasswordHasher) -> str:
    """A hash of the same costs that no password has."""
    salt, digest = (base64.b64encode(bytes(size)).decode().rstrip("=") for size in (argon2.salt_len, argon2.hash_len))
    costs = f"m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
