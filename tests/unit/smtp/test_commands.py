"""The table of commands."""

from __future__ import annotations

from eilpost.smtp.commands import COMMANDS, FOREIGN_VERBS, NOT_OFFERED, Argument, Dialect, Verb

# RFC 5321 §4.1.1.1 to §4.1.1.10, RFC 2033 §4.1, RFC 3030 §2: where a verb is defined, and whether text follows it.
_STANDARD = {
    "HELO": ("RFC 5321 §4.1.1.1", Argument.REQUIRED),
    "EHLO": ("RFC 5321 §4.1.1.1", Argument.REQUIRED),
    "LHLO": ("RFC 2033 §4.1", Argument.REQUIRED),
    "MAIL": ("RFC 5321 §4.1.1.2", Argument.REQUIRED),
    "RCPT": ("RFC 5321 §4.1.1.3", Argument.REQUIRED),
    "DATA": ("RFC 5321 §4.1.1.4", Argument.NONE),
    "BDAT": ("RFC 3030 §2", Argument.REQUIRED),
    "RSET": ("RFC 5321 §4.1.1.5", Argument.NONE),
    "VRFY": ("RFC 5321 §4.1.1.6", Argument.REQUIRED),
    "EXPN": ("RFC 5321 §4.1.1.7", Argument.REQUIRED),
    "HELP": ("RFC 5321 §4.1.1.8", Argument.OPTIONAL),
    "NOOP": ("RFC 5321 §4.1.1.9", Argument.OPTIONAL),
    "QUIT": ("RFC 5321 §4.1.1.10", Argument.NONE),
    "STARTTLS": ("RFC 3207 §4", Argument.NONE),
    "AUTH": ("RFC 4954 §4", Argument.REQUIRED),
    "SEND": ("RFC 821 §3.4", Argument.REQUIRED),
    "SOML": ("RFC 821 §3.4", Argument.REQUIRED),
    "SAML": ("RFC 821 §3.4", Argument.REQUIRED),
    "ETRN": ("RFC 1985 §5", Argument.REQUIRED),
    "XCLIENT": ("Postfix XCLIENT_README", Argument.REQUIRED),
    "XFORWARD": ("Postfix XFORWARD_README", Argument.REQUIRED),
}


def test_the_table_is_the_standard() -> None:
    """Each verb has the section and the argument that its RFC gives it."""
    assert {verb: (row.rfc, row.argument) for verb, row in COMMANDS.items()} == _STANDARD


def test_every_verb_but_the_dot_has_a_row() -> None:
    """CONTENT_END is no line and has no row."""
    assert {row.verb for row in COMMANDS.values()} == set(Verb) - {Verb.CONTENT_END}
    assert all(key == row.verb.value for key, row in COMMANDS.items())


def test_each_dialect_has_its_own_hello() -> None:
    """RFC 2033 §4.1: LMTP greets by LHLO, and knows neither HELO nor EHLO."""
    only_smtp = {verb for verb, row in COMMANDS.items() if row.dialects == {Dialect.SMTP}}
    only_lmtp = {verb for verb, row in COMMANDS.items() if row.dialects == {Dialect.LMTP}}

    assert only_smtp == {"HELO", "EHLO", "SEND", "SOML", "SAML", "ETRN"}
    assert only_lmtp == {"LHLO"}


def test_help_has_a_line_for_each_verb() -> None:
    """A row's syntax begins with its verb, and its help is one sentence."""
    for verb, row in COMMANDS.items():
        assert row.syntax.split()[0] == verb
        assert row.help.endswith(".")
        assert row.help.isascii()


def test_f027_f059_no_verb_stands_in_two_lists() -> None:
    """Known, not offered and foreign verbs are three different answers."""
    assert not NOT_OFFERED & set(COMMANDS)
    assert not FOREIGN_VERBS & (NOT_OFFERED | set(COMMANDS))
    assert {"TURN", "DEBUG", "WIZ", "BURL"} <= NOT_OFFERED
    assert {"GET", "POST", "HEAD", "HOST:", "CONTENT-LENGTH:"} <= FOREIGN_VERBS
