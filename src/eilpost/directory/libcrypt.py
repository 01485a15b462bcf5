"""The system's own ``crypt``: every hash that an /etc/shadow may hold, yescrypt included (a deed)."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hmac
from collections.abc import Callable
from typing import Final

_WORKSPACE: Final = 262_144
"""More than any libcrypt's ``struct crypt_data``: libxcrypt's has 32,768 octets, glibc's old one 131,232."""

_Crypt = Callable[[bytes, bytes, object], bytes | None]


class CryptMissing(Exception):
    """This machine has no libcrypt; the message is a clause."""


@functools.cache
def _load() -> _Crypt:
    for name in (ctypes.util.find_library("crypt"), "libcrypt.so.1", "libcrypt.so.2"):
        if name is None:
            continue
        try:
            crypt_r = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        crypt_r.restype = ctypes.c_char_p
        crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        return crypt_r
    raise CryptMissing("this machine has no libcrypt to check such a hash")


def verify(password: bytes, hashed: str) -> bool:
    """Whether the hash is that of the password; other threads run meanwhile. CryptMissing."""
    if b"\0" in password or not hashed.isascii() or len(hashed) < 2:
        return False  # to C both would be shorter than they are
    wanted = hashed.encode()
    # Own memory for each call makes it safe in threads.
    found = _load()(password, wanted, ctypes.create_string_buffer(_WORKSPACE))
    # A hash that cannot be is answered with a text that begins with "*", crypt(3).
    return found is not None and not found.startswith(b"*") and hmac.compare_digest(found, wanted)
