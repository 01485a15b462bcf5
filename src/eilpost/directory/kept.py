"""What a directory keeps of somebody who may log in (words)."""

from __future__ import annotations

from dataclasses import field

from eilpost.mail.value import value


@value(frozen=True, slots=True)
class AppPassword:
    """A password of one program: ``name`` is its owner's word for it, times are Unix time, 0.0 is never."""

    name: str
    hash: str = field(repr=False)
    created: float
    last_used: float = 0.0
    last_client: str = ""


@value(frozen=True, slots=True)
class Kept:
    """Everything by which a password can be proved; what is not kept is empty.

    ``password`` is a hash as ``schemes`` reads them. The SCRAM keys are ``schemes.scram_text``.
    ``secret`` is the password itself: CRAM-MD5 and APOP cannot do with less.
    """

    password: str = field(default="", repr=False)
    scram_sha256: str = field(default="", repr=False)
    scram_sha1: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)


NOTHING = Kept()


@value(frozen=True, slots=True)
class User:
    """Somebody a directory knows; ``account`` is the address as the directory spells it."""

    account: str
    kept: Kept = NOTHING
    app_passwords: tuple[AppPassword, ...] = ()
