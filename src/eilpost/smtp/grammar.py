"""Command lines into words: verbs, paths, parameters, greetings (a grammar).

RFC 5321 §4.1.1 and §4.1.2 give the forms, RFC 6531 widens them to UTF-8. A line that breaks a
form raises ``SyntaxRefusal``, which carries the reply the peer is due. There are two grammars for
MAIL and RCPT: the strict one, and with ``typed`` the forms that people type (a space after the
colon, no brackets). This module is the only place that knows the difference.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from eilpost.mail.address import MAX_LABEL, MAX_LOCAL_PART, Address, AddressError, parse_domain, parse_local_part
from eilpost.mail.envelope import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    NULL_REVERSE_PATH,
    ForwardPath,
    MailParameters,
    RcptParameters,
    ReversePath,
)
from eilpost.mail.reply import Reply
from eilpost.smtp import replies
from eilpost.smtp.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, Parameter, ParameterError

MAX_PATH: Final = 256  # octets with the brackets, RFC 5321 §4.5.3.1.3
MAX_HELLO: Final = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_CHUNK_DIGITS: Final = 10  # F021: more octets than any message may have

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_PLAIN_PATH = rf"<([{_ATEXT}]++(?:\.[{_ATEXT}]++)*+)@([A-Za-z0-9]++(?:[.\-][A-Za-z0-9]++)*+)>(?: ++|\Z)"
_PLAIN_MAIL = re.compile(rf"[Ff][Rr][Oo][Mm]:{_PLAIN_PATH}", re.ASCII)
_PLAIN_RCPT = re.compile(rf"[Tt][Oo]:{_PLAIN_PATH}", re.ASCII)
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>')
_SOURCE_ROUTE = re.compile(r"@[^:\s,]+(?:,@[^:\s,]+)*:(?=.)")
_BARE_PATH = re.compile(r"[^\s<>]+")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*", re.ASCII)
_VALUE = re.compile(r"[!-<>-~\u0080-\U0010ffff]+")
_HELLO_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", re.ASCII)
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,254}", re.ASCII)
_CHUNK = re.compile(rf"([0-9]{{1,{MAX_CHUNK_DIGITS}}})(?: +(LAST))?", re.ASCII | re.IGNORECASE)


class SyntaxRefusal(Exception):
    """A line breaks the grammar; ``reply`` is what the peer is told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def parse_line(line: bytes) -> tuple[str, str]:
    """The verb in capitals and the argument of a line without its CRLF.

    SyntaxRefusal on control characters and broken UTF-8, and on a verb beyond ASCII (F057).
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise SyntaxRefusal(replies.NOT_A_COMMAND) from None
    if not text.isprintable() and _CONTROL.search(text):
        raise SyntaxRefusal(replies.NOT_A_COMMAND)
    verb, _, argument = text.partition(" ")
    if not verb.isascii():  # A long s in capitals is an S: what looks like a verb would be one.
        raise SyntaxRefusal(replies.NOT_A_COMMAND)
    return verb.upper(), argument.rstrip(" ")


def parse_hello(argument: str) -> str:
    """The name a peer gives itself: a domain, more loosely than RFC 5321 wants, or a literal.

    It is ASCII, since SMTPUTF8 is not agreed on before the answer (RFC 6531 §3.7.1).
    """
    if len(argument) > MAX_HELLO:
        raise SyntaxRefusal(replies.BAD_HELLO)
    if argument.startswith("["):
        try:
            return parse_domain(argument)
        except AddressError:
            return _loose_literal(argument)
    if not _HELLO_NAME.fullmatch(argument):
        raise SyntaxRefusal(replies.BAD_HELLO)
    return argument


def _loose_literal(argument: str) -> str:
    # Many clients greet with [::1], without the tag that RFC 5321 §4.1.3 wants. Nothing
    # is decided by the name, so nothing is gained by refusing it.
    try:
        return parse_domain(f"[IPv6:{argument[1:]}")
    except AddressError:
        raise SyntaxRefusal(replies.BAD_HELLO) from None


def parse_mail(argument: str, allowed: frozenset[str], *, typed: bool) -> tuple[ReversePath, MailParameters]:
    """``FROM:<reverse-path> parameters``; ``allowed`` holds the parameters we announced."""
    found = _PLAIN_MAIL.match(argument)
    mailbox = None if found is None else _plain(found)
    if found is not None and mailbox is not None:
        return ReversePath(mailbox), _mail_parameters(argument[found.end() :], allowed)
    path, rest = _after_keyword(argument, "FROM:", replies.NO_FROM, typed=typed)
    parameters = _mail_parameters(rest, allowed)
    if path == "<>":
        return NULL_REVERSE_PATH, parameters
    if not parameters.smtputf8 and not path.isascii():
        raise SyntaxRefusal(replies.NEEDS_SMTPUTF8)  # F058, RFC 6531 §3.5
    return ReversePath(_mailbox(path, replies.BAD_REVERSE_PATH)), parameters


def parse_rcpt(
    argument: str, allowed: frozenset[str], *, typed: bool, smtputf8: bool
) -> tuple[ForwardPath, RcptParameters]:
    """``TO:<forward-path> parameters``; ``smtputf8`` as the transaction's MAIL declared it."""
    found = _PLAIN_RCPT.match(argument)
    mailbox = None if found is None else _plain(found)
    if found is not None and mailbox is not None:
        return ForwardPath(mailbox), _rcpt_parameters(argument[found.end() :], allowed)
    path, rest = _after_keyword(argument, "TO:", replies.NO_TO, typed=typed)
    parameters = _rcpt_parameters(rest, allowed)
    if path.lower() == "<postmaster>":  # RFC 5321 §4.5.1
        return ForwardPath(Address("postmaster", "")), parameters
    if not smtputf8 and not path.isascii():
        raise SyntaxRefusal(replies.NEEDS_SMTPUTF8)
    return ForwardPath(_mailbox(path, replies.BAD_FORWARD_PATH)), parameters


def parse_name(argument: str, *, smtputf8: bool) -> tuple[str, bool]:
    """``string [SMTPUTF8]`` of VRFY and EXPN, RFC 6531 §3.7.4.2; ``smtputf8`` tells whether we announced it.

    The second value says whether the reply may be UTF-8.
    """
    name, _, parameter = argument.rpartition(" ")
    if smtputf8 and name and parameter.upper() == "SMTPUTF8":
        return name.rstrip(" "), True
    if not argument.isascii():
        raise SyntaxRefusal(replies.NEEDS_SMTPUTF8)
    return argument, False


def parse_etrn(argument: str) -> tuple[str, str]:
    """``domain``, ``@domain`` or ``#queue`` of ETRN: the name, and its option (RFC 1985 §5)."""
    option = argument[0] if argument[0] in "@#" else ""
    name = argument[len(option) :]
    if option == "#":
        if not _QUEUE.fullmatch(name):
            raise SyntaxRefusal(replies.BAD_ETRN)
        return name, option
    try:
        return parse_domain(name), option
    except AddressError:
        raise SyntaxRefusal(replies.BAD_ETRN) from None


def _after_keyword(argument: str, keyword: str, refusal: Reply, *, typed: bool) -> tuple[str, str]:
    """Splits ``FROM:<a@b> SIZE=1`` into the path with its brackets and the parameters."""
    if argument[: len(keyword)].upper() != keyword:
        raise SyntaxRefusal(refusal)
    text = argument[len(keyword) :]
    if typed:
        text = text.lstrip(" ")
    found = _PATH.match(text)
    if found is not None:
        path, rest = found[0], text[found.end() :]
    elif typed and (found := _BARE_PATH.match(text)) is not None:
        path, rest = f"<{found[0]}>", text[found.end() :]
    else:
        raise SyntaxRefusal(refusal)
    if rest and rest[0] != " ":
        raise SyntaxRefusal(refusal)
    return path, rest.strip(" ")


def _plain(found: re.Match[str]) -> Address | None:
    """A path of the common kind, read at once; None leaves it to the whole grammar."""
    local_part, domain = found.groups()
    if len(local_part) > MAX_LOCAL_PART or len(domain) > MAX_LABEL:
        return None
    return Address(local_part, domain.lower())


def _mailbox(path: str, refusal: Reply) -> Address:
    if len(path.encode()) > MAX_PATH:
        raise SyntaxRefusal(refusal)
    text = path[1:-1]
    route = _SOURCE_ROUTE.match(text)
    if route is not None:  # RFC 5321 §3.6.1 and appendix C: accepted and ignored (F065)
        text = text[route.end() :]
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise SyntaxRefusal(refusal)
    try:
        return Address(parse_local_part(local_part), parse_domain(domain))
    except AddressError:
        raise SyntaxRefusal(refusal) from None


def _mail_parameters(text: str, allowed: frozenset[str]) -> MailParameters:
    if not text:
        return NO_MAIL_PARAMETERS
    return MailParameters(**_parameters(text, allowed, MAIL_PARAMETERS))


def _rcpt_parameters(text: str, allowed: frozenset[str]) -> RcptParameters:
    if not text:
        return NO_RCPT_PARAMETERS
    return RcptParameters(**_parameters(text, allowed, RCPT_PARAMETERS))


def _parameters(text: str, allowed: frozenset[str], table: dict[str, Parameter]) -> dict[str, Any]:
    """``KEY=value KEY …`` into fields. Unknown is 555, twice or malformed 501 (F053, F055)."""
    fields: dict[str, Any] = {}
    for word in text.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        if not _KEYWORD.fullmatch(keyword) or (equals and not _VALUE.fullmatch(value)):
            raise SyntaxRefusal(replies.bad_parameter("Parameters are KEYWORD or KEYWORD=value"))
        keyword = keyword.upper()
        row = table.get(keyword)
        if row is None or keyword not in allowed:
            raise SyntaxRefusal(replies.unknown_parameter(keyword))
        if row.field in fields:
            raise SyntaxRefusal(replies.bad_parameter(f"{keyword} is given twice"))
        try:
            fields[row.field] = row.parse(value if equals else None)
        except ParameterError as error:
            raise SyntaxRefusal(replies.bad_parameter(str(error))) from None
    return fields


class Chunk(NamedTuple):
    """BDAT's argument, RFC 3030 §2."""

    size: int
    last: bool


def parse_chunk(argument: str) -> Chunk:
    """``octets [LAST]``; digits alone, at most ten (F021)."""
    found = _CHUNK.fullmatch(argument)
    if found is None:
        raise SyntaxRefusal(replies.BAD_CHUNK)
    return Chunk(int(found[1]), found[2] is not None)
