"""What a POP3 server can offer (a table; words).

One row a capability: the verb that comes with it, whether it stands only before the login, where
it is defined and what it means. CAPA lists those of the listener's settings (RFC 2449 §5).
"""

from __future__ import annotations

from typing import Final

from eilpost.mail.value import value
from eilpost.pop3.commands import Verb


@value(frozen=True, slots=True)
class Capability:
    """One row. ``verbs`` are refused where the capability is not offered."""

    keyword: str
    verbs: tuple[Verb, ...]
    before_login_only: bool
    rfc: str
    meaning: str


CAPABILITIES: Final[dict[str, Capability]] = {
    row.keyword: row
    for row in (
        Capability("USER", (Verb.USER, Verb.PASS), True, "RFC 2449 §6.2", "login by USER and PASS"),
        Capability("SASL", (Verb.AUTH,), True, "RFC 5034 §3", "login by these mechanisms"),
        Capability("STLS", (Verb.STLS,), True, "RFC 2595 §4", "TLS on this connection"),
        Capability("TOP", (Verb.TOP,), False, "RFC 2449 §6.1", "headers alone"),
        Capability("UIDL", (Verb.UIDL,), False, "RFC 2449 §6.8", "names of messages that never change"),
        Capability("RESP-CODES", (), False, "RFC 2449 §6.4", "codes in brackets say why"),
        Capability("AUTH-RESP-CODE", (), False, "RFC 3206 §6", "a failed login says whose fault it was"),
        Capability("PIPELINING", (), False, "RFC 2449 §6.6", "commands may be sent without waiting"),
        Capability("LOGIN-DELAY", (), False, "RFC 2449 §6.5", "the seconds between two logins"),
        Capability("EXPIRE", (), False, "RFC 2449 §6.7", "the days that mail is kept"),
        Capability("UTF8", (Verb.UTF8,), False, "RFC 6856 §2", "UTF-8 in headers, names and passwords"),
        Capability("LANG", (Verb.LANG,), False, "RFC 6856 §3", "the language of answers"),
        Capability("IMPLEMENTATION", (), False, "RFC 2449 §6.9", "which program this is"),
    )
}

NEEDED: Final[dict[Verb, str]] = {verb: row.keyword for row in CAPABILITIES.values() for verb in row.verbs}
"""The capability without which a verb is not offered."""
