"""Replies as text and parameters as words, the way aiosmtpd's hooks have them (a grammar)."""

from __future__ import annotations

import re
from typing import Final

from eilpost.mail.envelope import MailParameters, RcptParameters, ReversePath
from eilpost.mail.reply import Reply
from eilpost.smtp.extensions import encode_xtext

_LINE: Final = re.compile(r"([2-5]\d\d)(?:[ -](.*))?", re.DOTALL)


def parse_status(text: str | bytes) -> Reply:
    """``"250 OK"``, or several lines; ValueError when it is no reply."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    found = [_LINE.fullmatch(line) for line in text.rstrip("\r\n").splitlines()]
    whole = [each for each in found if each is not None]
    if not whole or len(whole) < len(found):
        raise ValueError(f"a hook's status begins with a reply code, and {text!r} does not")
    return Reply(int(whole[-1][1]), None, tuple(each[2] or "" for each in whole))


def address_of(path: ReversePath) -> str:
    """The reverse-path as aiosmtpd spells it; the null one is ``<>``."""
    return "<>" if path.mailbox is None else str(path.mailbox)


def mail_options(given: MailParameters) -> list[str]:
    """The parameters of MAIL as a client spells them."""
    words = [
        ("SIZE", given.size),
        ("BODY", given.body and given.body.value),
        ("RET", given.ret and given.ret.value),
        ("ENVID", given.envid and encode_xtext(given.envid)),
    ]
    return [f"{key}={value}" for key, value in words if value is not None] + ["SMTPUTF8"] * given.smtputf8


def rcpt_options(given: RcptParameters) -> list[str]:
    """The parameters of RCPT as a client spells them."""
    words: list[str] = []
    if given.notify is not None:
        words.append("NOTIFY=" + ",".join(sorted(each.value for each in given.notify)))
    if given.orcpt is not None:
        kind, _, address = given.orcpt.partition(";")
        words.append(f"ORCPT={kind};{encode_xtext(address)}")
    return words
