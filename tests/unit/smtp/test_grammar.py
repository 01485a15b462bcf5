"""The grammar of command lines: RFC 5321 §4.1, RFC 6531, and the tricks of the fault catalogue."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address
from eilpost.mail.envelope import NULL_REVERSE_PATH, Body, MailParameters, Notify, RcptParameters, Ret
from eilpost.mail.reply import Reply
from eilpost.smtp import grammar, replies
from eilpost.smtp.extensions import STANDARD, parameters_of

MAIL = parameters_of("MAIL", STANDARD)
RCPT = parameters_of("RCPT", STANDARD)
NONE: frozenset[str] = frozenset()


def mail(argument: str, allowed: frozenset[str] = MAIL, *, typed: bool = False) -> tuple[str, MailParameters] | str:
    """The reverse-path as text with the parameters, or the beginning of the refusal."""
    try:
        path, parameters = grammar.parse_mail(argument, allowed, typed=typed)
    except grammar.SyntaxRefusal as refusal:
        return _head(refusal.reply)
    return str(path), parameters


def rcpt(argument: str, *, typed: bool = False, smtputf8: bool = False) -> str | Address:
    """The forward-path's mailbox, or the beginning of the refusal."""
    try:
        return grammar.parse_rcpt(argument, RCPT, typed=typed, smtputf8=smtputf8)[0].mailbox
    except grammar.SyntaxRefusal as refusal:
        return _head(refusal.reply)


def _head(reply: Reply) -> str:
    return f"{reply.code} {reply.status}"


# --- lines


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b"NOOP", "NOOP", ""),
        (b"mail from:<a@b>  ", "MAIL", "from:<a@b>"),
        (b"NOOP  two  words", "NOOP", " two  words"),
        (b"", "", ""),
        (b" MAIL", "", "MAIL"),
        ("NOOP ü\u2028".encode(), "NOOP", "ü\u2028"),
    ],
)
def test_a_line_is_a_verb_and_an_argument(line: bytes, verb: str, argument: str) -> None:
    """RFC 5321 §2.4: verbs are known in any case; blanks at the end mean nothing."""
    assert grammar.parse_line(line) == (verb, argument)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"NOOP a\0b", id="nul"),
        pytest.param(b"NOOP \x80", id="no-utf-8"),
        pytest.param(b"NOOP \x1b[31m", id="escape"),
        pytest.param(b"NO\rOP", id="cr"),
        pytest.param(b"MAIL\tFROM:<a@b>", id="tab"),
        pytest.param(b"NOOP \x7f", id="del"),
        pytest.param("R\u017fET".encode(), id="long-s-is-no-s"),
        pytest.param("MA\u0131L FROM:<a@b>".encode(), id="dotless-i-is-no-i"),
        pytest.param(b"NOOP \xed\xa0\x80", id="surrogate"),
    ],
)
def test_f057_lines_that_are_no_commands(line: bytes) -> None:
    """Control characters, broken UTF-8 and verbs beyond ASCII are refused with 500 5.5.2."""
    with pytest.raises(grammar.SyntaxRefusal) as refusal:
        grammar.parse_line(line)
    assert refusal.value.reply is replies.NOT_A_COMMAND


@given(st.binary(max_size=80))
def test_any_line_is_split_or_refused(line: bytes) -> None:
    """No octets raise anything but a refusal; a verb that comes out is ASCII in capitals."""
    try:
        verb, _ = grammar.parse_line(line)
    except grammar.SyntaxRefusal:
        return
    assert verb.isascii()
    assert verb == verb.upper()


# --- greetings


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("mx.example.test", "mx.example.test"),
        ("MX", "MX"),
        ("my_machine", "my_machine"),
        ("localhost.", "localhost."),
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
        ("[::1]", "[IPv6:::1]"),
        ("x" * 255, "x" * 255),
    ],
)
def test_f052_greetings(argument: str, name: str) -> None:
    """RFC 5321 §4.1.1.1: a domain or an address literal; what hurts nobody is let pass."""
    assert grammar.parse_hello(argument) == name


@pytest.mark.parametrize(
    "argument",
    ["a b", "<script>", "x" * 256, "[127.0.0.999]", "[", "[]", "[::1", "bücher.test", "-a", ".a", "a;b", "[IPv6:x]"],
)
def test_f052_bad_greetings(argument: str) -> None:
    """Greetings with what no name holds are refused; beyond ASCII nothing is agreed yet (RFC 6531 §3.7.1)."""
    with pytest.raises(grammar.SyntaxRefusal) as refusal:
        grammar.parse_hello(argument)
    assert refusal.value.reply is replies.BAD_HELLO


# --- paths


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        ("<v@ours.example>", Address("v", "ours.example")),
        ("<V.w+x@OURS.Example>", Address("V.w+x", "ours.example")),
        ("<v@xn--bcher-kva.example>", Address("v", "xn--bcher-kva.example")),
        ("<v@a--b.example>", Address("v", "a--b.example")),
        ('<"v w"@ours.example>', Address("v w", "ours.example")),
        ('<"v"@ours.example>', Address("v", "ours.example")),
        ('<""@ours.example>', Address("", "ours.example")),
        ('<"a>b"@ours.example>', Address("a>b", "ours.example")),
        ("<v@[203.0.113.9]>", Address("v", "[203.0.113.9]")),
        ("<v@[IPv6:0:0::1]>", Address("v", "[IPv6:::1]")),
        ("<v@203.0.113.9>", Address("v", "203.0.113.9")),
        ("<v@" + "a" * 63 + ">", Address("v", "a" * 63)),
        ("<v@" + ("a" * 63 + ".") * 2 + "example>", Address("v", ("a" * 63 + ".") * 2 + "example")),
        ("<" + "v" * 64 + "@ours.example>", Address("v" * 64, "ours.example")),
        ("<Postmaster>", Address("postmaster", "")),
        pytest.param("<v%evil.example@ours.example>", Address("v%evil.example", "ours.example"), id="f062"),
        pytest.param("<evil.example!v@ours.example>", Address("evil.example!v", "ours.example"), id="f063"),
        pytest.param('<"v@evil.example"@ours.example>', Address("v@evil.example", "ours.example"), id="f064"),
        pytest.param("<@ours.example:v@evil.example>", Address("v", "evil.example"), id="f065"),
        pytest.param("<@a.example,@b.example:v@evil.example>", Address("v", "evil.example"), id="f065-two"),
        pytest.param('<@ours.example:"v@x"@evil.example>', Address("v@x", "evil.example"), id="f065-quoted"),
        pytest.param("<a/b@ours.example>", Address("a/b", "ours.example"), id="f073"),
        pytest.param("<user+$(id)@ours.example>", "501 5.1.3", id="f074"),
        pytest.param("<-oQDIR@ours.example>", Address("-oQDIR", "ours.example"), id="f075"),
    ],
)
def test_f061_f075_what_a_path_means(path: str, mailbox: Address | str) -> None:
    """What is judged is the exact mailbox that is spelled: nothing is rewritten, a route is ignored."""
    assert rcpt(f"TO:{path}") == mailbox


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("<v@evil.example@ours.example>", id="f066"),
        pytest.param("<v@ours.example@evil.example>", id="f066-other-way"),
        pytest.param("<v@[203.0.113.999]>", id="f067"),
        pytest.param("<v@[x400:abc]>", id="f067-tag"),
        pytest.param("<v@ours.example.>", id="f068-dot"),
        pytest.param("<v@ours..example>", id="f068-dots"),
        pytest.param("<v@-ours.example>", id="f068-hyphen"),
        pytest.param("<v@ours-.example>", id="f068-hyphen-dot"),
        pytest.param("<v@ours.-example>", id="f068-dot-hyphen"),
        pytest.param("<v@" + "a" * 64 + ">", id="f068-label"),
        pytest.param("<v@" + "a" * 64 + ".b>", id="f068-label-in-two"),
        pytest.param("<v@" + "abcdefgh." * 28 + "example>", id="path-of-257"),
        pytest.param("<v(comment)@evil.example>", id="f072-comment"),
        pytest.param("<v@evil(x).example>", id="f072-comment-in-domain"),
        pytest.param("<.@ours.example>", id="f073-dot"),
        pytest.param("<..@ours.example>", id="f073-dots"),
        pytest.param("<../../../../etc/cron.d/x@ours.example>", id="f073-up"),
        pytest.param("<" + "v" * 65 + "@ours.example>", id="f073-long"),
        pytest.param("<" + '"' + "v" * 65 + '"' + "@ours.example>", id="f073-long-quoted"),
        pytest.param("<user+../../x@ours.example>", id="f074"),
        pytest.param("<v@>", id="no-domain"),
        pytest.param("<@ours.example>", id="no-local-part"),
        pytest.param("<v>", id="no-at"),
        pytest.param("<>", id="null"),
        pytest.param("< >", id="blank"),
        pytest.param("<v w@ours.example>", id="blank-inside"),
        pytest.param('<"v"w@ours.example>', id="half-quoted"),
        pytest.param("<@ours.example:>", id="route-alone"),
    ],
)
def test_f066_f074_paths_that_are_none(path: str) -> None:
    """What no mailbox can be spelled like is refused with 501 5.1.3, as a sender with 501 5.1.7."""
    assert rcpt(f"TO:{path}") == "501 5.1.3"
    if path != "<>":
        assert mail(f"FROM:{path}") == "501 5.1.7"


def test_f077_nothing_is_expanded() -> None:
    """What other systems expand is literal text here."""
    assert rcpt("TO:<${run{/bin/sh}}@localhost>") == Address("${run{/bin/sh}}", "localhost")
    assert rcpt("TO:<${run{/bin/sh -c id}}@localhost>") == "501 5.1.3"


def test_f076_no_shell_in_a_sender() -> None:
    """RFC 5321 §4.1.2: a local part holds neither blanks nor semicolons without quotes."""
    assert mail("FROM:<;for i in 0 1 2 3;do read r;done;sh;exit 0;>") == "501 5.1.7"


def test_f072_encoded_words_stay_as_they_are() -> None:
    """An encoded word is not decoded: its characters are the local part."""
    assert rcpt("TO:<=?utf-8?q?v=40evil?=@ours.example>") == Address("=?utf-8?q?v=40evil?=", "ours.example")


@pytest.mark.parametrize(
    "argument",
    ["", "<a@b>", "FROM", "FROM <a@b>", "FROM:", "FROM: <a@b>", "FROM:a@b", "FROM:<a@b", "FROM:a@b>", "FROM:<a@b>x",
     "FROM:<a@b><c@d>", "FROM:<<a@b>>", "TO:<a@b>", 'FROM:<"a@b>', "FROM:<a@b>\u00a0SIZE=1"],
)  # fmt: skip
def test_f056_the_strict_form(argument: str) -> None:
    """RFC 5321 §4.1.1.2: no blank after the colon, brackets, nothing behind them but parameters."""
    assert mail(argument) == "501 5.5.4"


@pytest.mark.parametrize(
    "argument",
    ["FROM: <a@b.test> SIZE=1", "from:a@b.test SIZE=1", "From:   a@b.test   size=1", "FROM:<a@b.test>  SIZE=1 "],
)
def test_f056_the_forms_that_people_type(argument: str) -> None:
    """Where people type, a blank after the colon and missing brackets are understood, and mean the same."""
    assert mail(argument, typed=True) == ("<a@b.test>", MailParameters(size=1))


@pytest.mark.parametrize("argument", ["FROM: a@b@c", "FROM:", "FROM: <a@b", "FROM: a@b>"])
def test_f056_typed_forms_have_their_rules_too(argument: str) -> None:
    """What people type must still be an address."""
    assert str(mail(argument, typed=True)).startswith("501 5.")


def test_the_null_reverse_path() -> None:
    """RFC 5321 §4.5.5: <> is a sender, with parameters as well, and never a recipient."""
    assert grammar.parse_mail("FROM:<>", NONE, typed=False)[0] is NULL_REVERSE_PATH
    assert mail("FROM:<> SIZE=5 RET=HDRS") == ("<>", MailParameters(size=5, ret=Ret.HEADERS))
    assert rcpt("TO:<>") == "501 5.1.3"


@pytest.mark.parametrize("path", ["<ü@b.test>", "<a@bücher.test>", '<"ü"@b.test>', "<@ü.test:a@b.test>"])
def test_f058_addresses_beyond_ascii_need_smtputf8(path: str) -> None:
    """RFC 6531 §3.5: 553 5.6.7 without the parameter; with it they are addresses like others."""
    assert mail(f"FROM:{path}") == "553 5.6.7"
    assert rcpt(f"TO:{path}") == "553 5.6.7"
    assert isinstance(mail(f"FROM:{path} SMTPUTF8"), tuple)
    assert isinstance(rcpt(f"TO:{path}", smtputf8=True), Address)


def test_a_path_in_letters_of_all_scripts_becomes_a_labels() -> None:
    """RFC 6531 §3.3: the domain is compared as A-labels, the local part stays."""
    assert rcpt("TO:<jürgen@BÜCHER.example>", smtputf8=True) == Address("jürgen", "xn--bcher-kva.example")


@given(st.text('aB1.-@<>":[]\\ ü,;', max_size=24), st.booleans())
def test_any_path_is_an_address_or_a_refusal(text: str, typed: bool) -> None:
    """No text raises anything but a refusal, and what is understood means itself when it is written again."""
    found = rcpt(f"TO:{text}", typed=typed, smtputf8=True)
    if isinstance(found, Address):
        assert rcpt(f"TO:<{found}>", smtputf8=True) == found


@given(st.from_regex(r"<[A-Za-z0-9.+\-]{1,10}@[A-Za-z0-9.\-]{1,12}>", fullmatch=True))
def test_the_plain_path_is_no_second_grammar(path: str) -> None:
    """The short way for common paths gives what the whole grammar gives: a route in front forces that one."""
    assert rcpt(f"TO:{path}") == rcpt(f"TO:<@route.example:{path[1:]}")


# --- parameters


def test_all_parameters_of_mail() -> None:
    """RFC 1870, 6152, 6531 and 3461: each parameter finds its field, in any case and order."""
    assert mail("FROM:<a@b> size=7 body=8bitmime SMTPUTF8 RET=full ENVID=a+2Bb") == (
        "<a@b>",
        MailParameters(size=7, body=Body.EIGHT_BIT, smtputf8=True, ret=Ret.FULL, envid="a+b"),
    )


def test_all_parameters_of_rcpt() -> None:
    """RFC 3461 §4: NOTIFY and ORCPT."""
    _, parameters = grammar.parse_rcpt(
        "TO:<a@b> NOTIFY=success,FAILURE ORCPT=rfc822;x+2By@z", RCPT, typed=False, smtputf8=False
    )
    assert parameters == RcptParameters(frozenset({Notify.SUCCESS, Notify.FAILURE}), "rfc822;x+y@z")


@pytest.mark.parametrize(
    ("parameters", "head"),
    [
        pytest.param("SIZE=99999999999999999999", None, id="f053-twenty-digits"),
        pytest.param("SIZE=100000000000000000000", "501 5.5.4", id="f053-too-many-digits"),
        pytest.param("SIZE=-1", "501 5.5.4", id="f053-negative"),
        pytest.param("SIZE=1 SIZE=2", "501 5.5.4", id="f053-twice"),
        pytest.param("SIZE=", "501 5.5.4", id="f053-empty"),
        pytest.param("SIZE", "501 5.5.4", id="f053-no-value"),
        pytest.param("SIZE=0x10", "501 5.5.4", id="f053-hexadecimal"),
        pytest.param("SIZE=\u0661", "501 5.5.4", id="f053-arabic-digit"),
        pytest.param("FOO=1", "555 5.5.4", id="f055-unknown"),
        pytest.param("AUTH=<>", "555 5.5.4", id="f055-not-offered"),
        pytest.param("SIZE=1\u00a0", "501 5.5.4", id="f055-strange-blank"),
        pytest.param("NOTIFY=NEVER", "555 5.5.4", id="f055-rcpt-only"),
        pytest.param("BODY=7BIT BODY=8BITMIME", "501 5.5.4", id="f055-twice"),
        pytest.param("BODY=9BIT", "501 5.5.4", id="f055-body"),
        pytest.param("RET=", "501 5.5.4", id="f055-ret-empty"),
        pytest.param("RET=BODY", "501 5.5.4", id="f055-ret"),
        pytest.param("ENVID=+ZZ", "501 5.5.4", id="f055-xtext"),
        pytest.param("ENVID=" + "x" * 101, "501 5.5.4", id="f055-envid-long"),
        pytest.param("SMTPUTF8=1", "501 5.5.4", id="f055-flag"),
        pytest.param("=1", "501 5.5.4", id="f055-no-keyword"),
        pytest.param("-X=1", "501 5.5.4", id="f055-keyword"),
        pytest.param("SIZE=1=2", "501 5.5.4", id="f055-equals"),
    ],
)
def test_f053_f055_parameters_of_mail(parameters: str, head: str | None) -> None:
    """RFC 5321 §4.1.1.11: unknown is 555, malformed or repeated 501."""
    found = mail(f"FROM:<a@b> {parameters}")
    assert found == head if head else isinstance(found, tuple)


@pytest.mark.parametrize(
    ("parameters", "head"),
    [
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("NOTIFY=DELAY,DELAY", "501 5.5.4"),
        ("NOTIFY=", "501 5.5.4"),
        ("ORCPT=rfc822;" + "x" * 2000, "501 5.5.4"),
        ("ORCPT=rfc822", "501 5.5.4"),
        ("ORCPT=rfc822;a+0Ab", "501 5.5.4"),
        ("SIZE=1", "555 5.5.4"),
    ],
)
def test_f055_parameters_of_rcpt(parameters: str, head: str) -> None:
    """RFC 3461 §4.1 and §4.2: wishes that contradict themselves and addresses that are none are refused."""
    assert rcpt(f"TO:<a@b> {parameters}") == head


def test_what_is_not_announced_is_not_known() -> None:
    """RFC 5321 §4.1.1.11: after HELO there are no parameters."""
    assert mail("FROM:<a@b> SIZE=1", NONE) == "555 5.5.4"
    assert mail("FROM:<> SIZE=1", NONE) == "555 5.5.4"
    assert mail("FROM:<a@b>", NONE) == ("<a@b>", MailParameters())


@given(st.text("SIZEBODY=18,+; <>ü\u2028", max_size=24))
def test_any_parameters_are_understood_or_refused(text: str) -> None:
    """No text raises anything but a refusal of class 501, 553 or 555."""
    found = mail(f"FROM:<a@b> {text}")
    assert isinstance(found, tuple) or re.match("501 5|553 5|555 5", found)


# --- chunks, names


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [
        ("0", grammar.Chunk(0, False)),
        ("0 LAST", grammar.Chunk(0, True)),
        ("10  last", grammar.Chunk(10, True)),
        ("0000000010", grammar.Chunk(10, False)),
        ("9999999999", grammar.Chunk(9_999_999_999, False)),
    ],
)
def test_chunks(argument: str, chunk: grammar.Chunk) -> None:
    """RFC 3030 §2: a number of octets, and LAST."""
    assert grammar.parse_chunk(argument) == chunk


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "LAST",
        "99999999999999999999",
        "-1",
        "0x10",
        "+5",
        "5 LAST x",
        "5LAST",
        "5 LA\u017fT",
        "1.0",
        "1 2",
        "\u0665",
    ],
)
def test_f021_bad_chunks(argument: str) -> None:
    """Digits only, and no more than ten."""
    with pytest.raises(grammar.SyntaxRefusal) as refusal:
        grammar.parse_chunk(argument)
    assert refusal.value.reply is replies.BAD_CHUNK


@pytest.mark.parametrize(
    ("argument", "offered", "found"),
    [
        ("anna", True, ("anna", False)),
        ("anna smtputf8", True, ("anna", True)),
        ("anna SMTPUTF8", False, ("anna SMTPUTF8", False)),
        ("ärger SMTPUTF8", True, ("ärger", True)),
        ("Anna Berg  SMTPUTF8", True, ("Anna Berg", True)),
        ("SMTPUTF8", True, ("SMTPUTF8", False)),
    ],
)
def test_names_to_verify(argument: str, offered: bool, found: tuple[str, bool]) -> None:
    """RFC 6531 §3.7.4.2: VRFY and EXPN may carry SMTPUTF8 behind the name."""
    assert grammar.parse_name(argument, smtputf8=offered) == found


@pytest.mark.parametrize(("argument", "offered"), [("ärger", True), ("ärger SMTPUTF8", False)])
def test_f058_names_beyond_ascii_need_smtputf8(argument: str, offered: bool) -> None:
    """RFC 6531 §3.7.4.2: without the parameter a name is ASCII."""
    with pytest.raises(grammar.SyntaxRefusal) as refusal:
        grammar.parse_name(argument, smtputf8=offered)
    assert refusal.value.reply is replies.NEEDS_SMTPUTF8
