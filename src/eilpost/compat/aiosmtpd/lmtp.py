"""``aiosmtpd.lmtp``: the same protocol in LMTP (a deed)."""

from __future__ import annotations

from eilpost.compat.aiosmtpd.smtp import SMTP
from eilpost.smtp.commands import Dialect


class LMTP(SMTP):
    """One connection in LMTP; unlike aiosmtpd's it gives one reply for each recipient (RFC 2033 §4.2)."""

    dialect = Dialect.LMTP
