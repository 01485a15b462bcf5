"""APOP's digest, RFC 1939 §7: MD5 over the greeting's timestamp and the shared secret (a grammar)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

_TIMESTAMP: Final = re.compile(rb"<[\x21-\x3b\x3d\x3f-\x7e]{1,128}@[\x21-\x3b\x3d\x3f-\x7e]{1,255}>", re.ASCII)


def timestamp(greeting: bytes) -> bytes | None:
    """The ``<process.clock@host>`` of a greeting; None where there is none.

    A server that chooses it with care can learn a password's first letters from the digests
    (CVE-2007-1558), so nothing is digested but what has the exact form of a message-id.
    """
    found = _TIMESTAMP.search(greeting)
    return found.group() if found else None


def digest(said: bytes, secret: bytes) -> bytes:
    """The digest, in lower-case hexadecimal."""
    return hashlib.md5(said + secret, usedforsecurity=False).hexdigest().encode()


def proves(said: bytes, secret: bytes, proof: bytes) -> bool:
    """Whether who sent ``proof`` knows the secret; takes the same time for each wrong proof."""
    return hmac.compare_digest(digest(said, secret), proof)
