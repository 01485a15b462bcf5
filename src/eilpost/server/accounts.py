"""Names and passwords from a mapping, as the answers that login mechanisms ask for (decisions).

For tests, tools and small programs: passwords are kept as they are. A server with users of its own
answers in ``Handler.check``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from eilpost.sasl.scram_keys import derive, fake_keys
from eilpost.sasl.words import (
    Answer,
    CheckPassword,
    Failure,
    FindScram,
    FindSecret,
    Granted,
    Reason,
    Secret,
    ServerStep,
)

ITERATIONS: Final = 4096  # RFC 7677 §4; keys are derived at each login here
_WRONG: Final = Failure(Reason.CREDENTIALS)


def answer(accounts: Mapping[str, str], ask: ServerStep) -> Answer:
    """What a directory of these accounts says; accounts are called as users spell them."""
    match ask:
        case CheckPassword(name, password):
            known = accounts.get(name, "")
            same = hmac.compare_digest(known.encode(), password.encode())
            return Granted(name) if same and name in accounts else _WRONG
        case FindSecret(name):
            account = name if name in accounts else None
            return Secret(account, accounts.get(name, "nobody's").encode())
        case FindScram(name, hash_name):
            salt = f"salt of {name}".encode()
            keys = derive(name, accounts[name], salt, ITERATIONS, hash_name) if name in accounts else None
            return keys or fake_keys(name, b"nobody", ITERATIONS, hash_name)
        case _:
            return _WRONG
