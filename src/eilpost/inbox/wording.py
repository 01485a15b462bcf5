"""What an envelope asked for as people write it, and tags that addresses carry (a grammar)."""

from __future__ import annotations

from eilpost.inbox.digest import tag_names
from eilpost.inbox.fault_rules import rule_of_address
from eilpost.mail.envelope import Envelope, MailParameters, RcptParameters


def parameters_text(envelope: Envelope) -> str:
    """The parameters of MAIL on one line, and those of each RCPT that had any on one line each."""
    lines = [_of_mail(envelope.parameters)]
    for each in envelope.recipients:
        asked = _of_rcpt(each.parameters)
        if asked:
            lines.append(f"{each.address}: {asked}")
    return "\n".join(line for line in lines if line)[:20_000]


def _of_mail(given: MailParameters) -> str:
    words = []
    if given.size is not None:
        words.append(f"SIZE={given.size}")
    if given.body is not None:
        words.append(f"BODY={given.body.value}")
    if given.smtputf8:
        words.append("SMTPUTF8")
    if given.ret is not None:
        words.append(f"RET={given.ret.value}")
    if given.envid is not None:
        words.append(f"ENVID={given.envid}")
    return " ".join(words)


def _of_rcpt(given: RcptParameters) -> str:
    words = []
    if given.notify is not None:
        words.append(f"NOTIFY={','.join(sorted(each.value for each in given.notify))}")
    if given.orcpt is not None:
        words.append(f"ORCPT={given.orcpt}")
    return " ".join(words)


def opening_of(transcript: str) -> str:
    """What was said before the first transaction: banner, EHLO, STARTTLS, AUTH."""
    lines = transcript.split("\n")
    first = next((at for at, line in enumerate(lines) if line[3:8].upper() == "MAIL "), len(lines))
    return "\n".join(lines[:first])


def plus_tags(recipients: tuple[str, ...]) -> tuple[str, ...]:
    """What stands behind the plus of the recipients' addresses, unless it asks for a fault."""
    found = []
    for address in recipients:
        local_part = address.rpartition("@")[0]
        before, plus, detail = local_part.partition("+")
        if plus and before and rule_of_address(address) is None:
            found.append(detail)
    return tag_names(found)
