"""As whom we log in at the smarthost (a deed).

The secret lies in a file that is read for each session, so that a new one counts at once, and is
shown to nobody but the smarthost: mail that goes elsewhere, be it by an operator's reroute, goes
without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eilpost.client.login import Login
from eilpost.config.schema import Relay
from eilpost.mail.next_hop import NextHop
from eilpost.route.urls import parse_smarthost
from eilpost.sasl.words import MAX_TOKEN, Credentials
from eilpost.smtp.client_results import Cause, Lost, Stage

MOST: Final = 4 * MAX_TOKEN  # octets of a secret's file


class SmarthostLogin:
    """Answers for each next hop whether, and as whom, we log in there."""

    __slots__ = ("_next_hop", "_settings")

    def __init__(self, settings: Relay) -> None:
        self._settings = settings
        self._next_hop = parse_smarthost(settings.smarthost) if settings.smarthost and settings.user else None

    def __call__(self, next_hop: NextHop) -> Login | Lost | None:
        """The login; None: there is none; or why it cannot be made now."""
        if next_hop != self._next_hop:
            return None
        settings = self._settings
        file = settings.token_file or settings.password_file
        try:
            secret = _first_line(file)
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is no text in UTF-8"
            return Lost(Stage.LOGIN, Cause.UNFIT, f"{file} cannot be read: {why}")
        if not secret:
            return Lost(Stage.LOGIN, Cause.UNFIT, f"{file} holds no secret in its first line")
        if settings.token_file:
            return Login(Credentials(settings.user, token=secret), settings.auth)
        return Login(Credentials(settings.user, secret), settings.auth, settings.plain_on_loopback)


def _first_line(file: str) -> str:
    with Path(file).open("rb") as stream:
        octets = stream.readline(MOST)
    return octets.decode().rstrip("\r\n")
