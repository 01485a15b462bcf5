"""The table of extensions and the grammars of their parameters."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.envelope import Body, MailParameters, Notify, RcptParameters, Ret
from eilpost.smtp.commands import COMMANDS
from eilpost.smtp.extensions import (
    ALL,
    EXTENSIONS,
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    ParameterError,
    decode_xtext,
    encode_xtext,
    parameters_of,
)


def mail(keyword: str, value: str | None) -> object:
    """What MAIL's parameter of this keyword is read as."""
    return MAIL_PARAMETERS[keyword].parse(value)


def rcpt(keyword: str, value: str | None) -> object:
    """What RCPT's parameter of this keyword is read as."""
    return RCPT_PARAMETERS[keyword].parse(value)


def test_every_parameter_belongs_to_an_extension_and_to_a_field() -> None:
    """The tables agree: parameters have a grammar, a field and an extension; verbs have a row."""
    assert parameters_of("MAIL", ALL) == set(MAIL_PARAMETERS)
    assert parameters_of("RCPT", ALL) == set(RCPT_PARAMETERS)
    assert {row.field for row in MAIL_PARAMETERS.values()} == {f.name for f in dataclasses.fields(MailParameters)}
    assert {row.field for row in RCPT_PARAMETERS.values()} == {f.name for f in dataclasses.fields(RcptParameters)}
    assert all(verb in COMMANDS for row in EXTENSIONS.values() for verb in row.verbs)
    assert all(keyword == row.keyword for keyword, row in EXTENSIONS.items())


def test_every_extension_is_the_one_of_its_standard() -> None:
    """Keyword, source and what it adds to MAIL, RCPT and the verbs are as registered."""
    assert {row.keyword: (row.rfc, row.verbs | row.mail | row.rcpt) for row in EXTENSIONS.values()} == {
        "PIPELINING": ("RFC 2920", set()),
        "SIZE": ("RFC 1870", {"SIZE"}),
        "8BITMIME": ("RFC 6152", {"BODY"}),
        "BINARYMIME": ("RFC 3030", {"BODY"}),
        "CHUNKING": ("RFC 3030", {"BDAT"}),
        "ENHANCEDSTATUSCODES": ("RFC 2034", set()),
        "SMTPUTF8": ("RFC 6531", {"SMTPUTF8"}),
        "DSN": ("RFC 3461", {"RET", "ENVID", "NOTIFY", "ORCPT"}),
        "LIMITS": ("RFC 9422", set()),
        "STARTTLS": ("RFC 3207", {"STARTTLS"}),
        "AUTH": ("RFC 4954", {"AUTH"}),
        "SEND": ("RFC 821", {"SEND"}),
        "SOML": ("RFC 821", {"SOML"}),
        "SAML": ("RFC 821", {"SAML"}),
        "ETRN": ("RFC 1985", {"ETRN"}),
        "XCLIENT": ("Postfix XCLIENT_README", {"XCLIENT"}),
        "XFORWARD": ("Postfix XFORWARD_README", {"XFORWARD"}),
        "FUTURERELEASE": ("RFC 4865", {"HOLDFOR", "HOLDUNTIL"}),
        "DELIVERBY": ("RFC 2852", {"BY"}),
        "MT-PRIORITY": ("RFC 6710", {"MT-PRIORITY"}),
        "REQUIRETLS": ("RFC 8689", {"REQUIRETLS"}),
        "NO-SOLICITING": ("RFC 3865", {"SOLICIT"}),
        "RRVS": ("RFC 7293", {"RRVS"}),
    }


def test_only_what_is_offered_may_be_asked() -> None:
    """RFC 5321 §4.1.1.11: a parameter is known when its extension was announced."""
    assert parameters_of("MAIL", frozenset({"SIZE", "PIPELINING"})) == {"SIZE"}
    assert parameters_of("MAIL", frozenset({"BINARYMIME", "CHUNKING"})) == {"BODY"}  # RFC 3030 §3
    assert parameters_of("RCPT", frozenset({"SIZE"})) == frozenset()
    assert parameters_of("RCPT", frozenset()) == frozenset()


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("SIZE", "0", 0),
        ("SIZE", "99999999999999999999", 99999999999999999999),
        ("BODY", "8bitmime", Body.EIGHT_BIT),
        ("BODY", "BINARYMIME", Body.BINARY),
        ("SMTPUTF8", None, True),
        ("RET", "full", Ret.FULL),
        ("RET", "HDRS", Ret.HEADERS),
        ("ENVID", "QQ314159", "QQ314159"),
        ("ENVID", "a+20b+2Bc", "a b+c"),
    ],
)
def test_mail_parameters_are_read(keyword: str, value: str | None, expected: object) -> None:
    """Good values become words, without regard to case where the standard has none."""
    assert mail(keyword, value) == expected


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SIZE", None), ("SIZE", ""),
        ("SIZE", "-1"), ("SIZE", "+1"), ("SIZE", "1e3"), ("SIZE", "٣"), ("SIZE", "1" * 21),
        ("BODY", None), ("BODY", "9BIT"), ("SMTPUTF8", ""), ("SMTPUTF8", "yes"), ("RET", None), ("RET", ""),
        ("RET", "BODY"), ("ENVID", None), ("ENVID", ""), ("ENVID", "+ZZ"), ("ENVID", "a+2"), ("ENVID", "a=b"),
        ("ENVID", "a b"), ("ENVID", "+0A"), ("ENVID", "+C3+A4"), ("ENVID", "x" * 101),
    ],
)  # fmt: skip
def test_f053_f055_bad_mail_parameters_are_errors(keyword: str, value: str | None) -> None:
    """A value that breaks its grammar raises ParameterError with a sentence for the peer."""
    with pytest.raises(ParameterError, match=r"\w+ \w+"):
        mail(keyword, value)


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("NOTIFY", "NEVER", {Notify.NEVER}),
        ("NOTIFY", "success,FAILURE", {Notify.SUCCESS, Notify.FAILURE}),
        ("ORCPT", "rfc822;anna@example.test", "rfc822;anna@example.test"),
        ("ORCPT", "rfc822;anna+2Bnews@example.test", "rfc822;anna+news@example.test"),
        ("ORCPT", "x400;/c+3Dde", "x400;/c=de"),
        ("ORCPT", "utf-8;ann\\x{E4}@example.test", "utf-8;annä@example.test"),
        ("ORCPT", "UTF-8;annä@example.test", "UTF-8;annä@example.test"),
        ("ORCPT", "utf-8;a\\x{5C}\\x{2B}\\x{1F600}@x", "utf-8;a\\+😀@x"),
        ("ORCPT", "utf-8;\\x{2B}41@x", "utf-8;+41@x"),
        ("ORCPT", "utf-8;a+2Bb\\c@x", "utf-8;a+2Bb\\c@x"),
    ],
)
def test_rcpt_parameters_are_read(keyword: str, value: str, expected: object) -> None:
    """NOTIFY is a set of wishes, ORCPT a type and a decoded address (RFC 3461 §4, RFC 6533 §3)."""
    assert rcpt(keyword, value) == expected


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("NOTIFY", None), ("NOTIFY", ""), ("NOTIFY", "NEVER,SUCCESS"), ("NOTIFY", "SUCCESS,SUCCESS"),
        ("NOTIFY", "SUCCESS,"), ("NOTIFY", "ALWAYS"), ("ORCPT", None), ("ORCPT", ""), ("ORCPT", "rfc822"),
        ("ORCPT", "rfc822;"), ("ORCPT", ";anna@x"), ("ORCPT", "rfc 822;a@x"), ("ORCPT", "rfc822;a b@x"),
        ("ORCPT", "rfc822;a+0D+0ABcc:x"), ("ORCPT", "rfc822;a+ZZ"), ("ORCPT", "rfc822;annä@x"),
        ("ORCPT", "rfc822;+C3+A4@x"), ("ORCPT", "rfc822;+E4@x"), ("ORCPT", "rfc822;" + "a" * 2048),
        ("ORCPT", "utf-8;a=b@x"), ("ORCPT", "utf-8;\\x{D800}@x"),
        ("ORCPT", "utf-8;\\x{110000}@x"), ("ORCPT", "utf-8;\\x{0A}@x"), ("ORCPT", "utf-8;\\x{85}@x"),
        ("ORCPT", "utf-8;\\x{2028}@x"), ("ORCPT", "utf-8;a\ud800@x"),
    ],
)  # fmt: skip
def test_f055_bad_rcpt_parameters_are_errors(keyword: str, value: str | None) -> None:
    """A value that breaks its grammar, is too long or hides a control character is refused."""
    with pytest.raises(ParameterError, match=r"\w+ \w+"):
        rcpt(keyword, value)


@given(st.text(st.characters(codec="utf-8")))
def test_xtext_written_is_the_text_read(text: str) -> None:
    """RFC 3461 §4: every text survives xtext, which is printable ASCII without blanks."""
    encoded = encode_xtext(text)

    assert decode_xtext(encoded) == text
    assert all("!" <= char <= "~" and char != "=" for char in encoded)


@given(st.sampled_from([*MAIL_PARAMETERS.values(), *RCPT_PARAMETERS.values()]), st.none() | st.text(max_size=60))
def test_a_value_is_read_or_refused(row: object, value: str | None) -> None:
    """No value makes a parameter's grammar raise anything but ParameterError."""
    try:
        row.parse(value)  # type: ignore[attr-defined]
    except ParameterError:
        return


@given(st.from_regex(r"(utf-8|rfc822);(\\x\{[0-9A-F]{1,7}\}|\+[0-9A-F]{2}|[a-zä@])*", fullmatch=True))
def test_orcpt_is_never_more_than_one_line(value: str) -> None:
    """Whatever ORCPT spells, what is kept has no control character and can be written as UTF-8."""
    try:
        decoded = rcpt("ORCPT", value)
    except ParameterError:
        return
    assert isinstance(decoded, str)
    assert decoded.encode()
    assert len(decoded.splitlines()) == 1
