"""The table of phases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.reply import Severity
from eilpost.smtp.commands import Verb
from eilpost.smtp.phases import PHASES, Phase, follow

POSITIVE, INTERMEDIATE = Severity.POSITIVE, Severity.INTERMEDIATE
TRANSIENT, PERMANENT = Severity.TRANSIENT, Severity.PERMANENT

_HELLO_READY: set[Phase] = {Phase.HELLO, Phase.READY, Phase.TRANSACTION, Phase.RECIPIENTS, Phase.CHUNKS, Phase.SPOILT}


def walk(*steps: tuple[Verb, Severity]) -> Phase:
    """The phase after these commands and replies, from the greeting on."""
    phase = Phase.HELLO
    for verb, severity in steps:
        phase = follow(phase, verb, severity)
    return phase


def test_a_message_by_data() -> None:
    """RFC 5321 §3.3: MAIL, RCPT, DATA, content, and the session is ready again."""
    start = ((Verb.EHLO, POSITIVE), (Verb.MAIL, POSITIVE), (Verb.RCPT, POSITIVE))

    assert walk(*start) is Phase.RECIPIENTS
    assert walk(*start, (Verb.DATA, INTERMEDIATE)) is Phase.CONTENT
    for severity in (POSITIVE, TRANSIENT, PERMANENT):
        assert walk(*start, (Verb.DATA, INTERMEDIATE), (Verb.CONTENT_END, severity)) is Phase.READY


def test_a_message_by_chunks() -> None:
    """RFC 3030 §2: chunks follow each other; a refused one leaves RSET and QUIT alone."""
    start = ((Verb.EHLO, POSITIVE), (Verb.MAIL, POSITIVE), (Verb.RCPT, POSITIVE))

    assert walk(*start, (Verb.CONTENT_END, POSITIVE)) is Phase.READY
    assert walk(*start, (Verb.BDAT, POSITIVE), (Verb.BDAT, POSITIVE)) is Phase.CHUNKS
    assert walk(*start, (Verb.BDAT, POSITIVE), (Verb.CONTENT_END, POSITIVE)) is Phase.READY
    assert walk(*start, (Verb.BDAT, TRANSIENT)) is Phase.SPOILT
    assert walk(*start, (Verb.BDAT, POSITIVE), (Verb.BDAT, PERMANENT)) is Phase.SPOILT
    assert walk(*start, (Verb.BDAT, PERMANENT), (Verb.RSET, POSITIVE)) is Phase.READY


@pytest.mark.parametrize(
    ("phase", "verb"),
    [
        (Phase.HELLO, Verb.MAIL),
        (Phase.READY, Verb.RCPT),
        (Phase.READY, Verb.DATA),
        (Phase.TRANSACTION, Verb.DATA),
        (Phase.TRANSACTION, Verb.BDAT),
        (Phase.SPOILT, Verb.BDAT),
        (Phase.SPOILT, Verb.MAIL),
        (Phase.CONTENT, Verb.QUIT),
        (Phase.CLOSED, Verb.NOOP),
    ],
)
def test_f049_commands_out_of_order_have_no_row(phase: Phase, verb: Verb) -> None:
    """RFC 5321 §4.1.4: what may not come now has no row."""
    assert verb not in PHASES[phase]
    with pytest.raises(KeyError):
        follow(phase, verb, POSITIVE)


@pytest.mark.parametrize("phase", [Phase.TRANSACTION, Phase.RECIPIENTS, Phase.CHUNKS])
def test_f050_mail_comes_once(phase: Phase) -> None:
    """A second MAIL is out of order, and the transaction stays."""
    assert Verb.MAIL not in PHASES[phase]


@pytest.mark.parametrize("phase", sorted(_HELLO_READY - {Phase.HELLO}, key=str))
@pytest.mark.parametrize("verb", [Verb.EHLO, Verb.HELO, Verb.LHLO, Verb.RSET])
def test_f051_a_greeting_resets(phase: Phase, verb: Verb) -> None:
    """RFC 5321 §4.1.4: EHLO in mid-transaction is as RSET, when it is accepted."""
    assert follow(phase, verb, POSITIVE) is Phase.READY
    assert follow(phase, verb, PERMANENT) is phase


def test_f022_chunks_and_data_do_not_mix() -> None:
    """RFC 3030 §2: after BDAT comes no DATA, and after the last chunk no chunk."""
    assert Verb.DATA not in PHASES[Phase.CHUNKS]
    assert Verb.BDAT not in PHASES[Phase.READY]


@pytest.mark.parametrize("verb", [Verb.NOOP, Verb.HELP, Verb.VRFY, Verb.EXPN, Verb.RSET])
def test_some_commands_need_no_greeting(verb: Verb) -> None:
    """RFC 5321 §4.1.4: these may come before EHLO, and change nothing."""
    assert follow(Phase.HELLO, verb, POSITIVE) is Phase.HELLO


def test_quit_ends_every_phase_of_commands() -> None:
    """RFC 5321 §4.1.1.10: QUIT may come at any time, and 221 ends the session."""
    for phase in _HELLO_READY:
        assert follow(phase, Verb.QUIT, POSITIVE) is Phase.CLOSED


@pytest.mark.parametrize("phase", sorted(_HELLO_READY - {Phase.READY}, key=str))
def test_f034_f060_tls_and_logins_begin_between_transactions(phase: Phase) -> None:
    """RFC 3207 §4 and RFC 4954 §4: after EHLO and not in a transaction."""
    assert not {Verb.STARTTLS, Verb.AUTH} & PHASES[phase].keys()


def test_a_login_goes_on_until_it_is_decided() -> None:
    """RFC 4954 §4: 334 asks for a response; every other reply ends the exchange."""
    assert follow(Phase.READY, Verb.AUTH, INTERMEDIATE) is Phase.EXCHANGE
    assert follow(Phase.EXCHANGE, Verb.AUTH, INTERMEDIATE) is Phase.EXCHANGE
    for severity in (POSITIVE, TRANSIENT, PERMANENT):
        assert follow(Phase.READY, Verb.AUTH, severity) is Phase.READY
        assert follow(Phase.EXCHANGE, Verb.AUTH, severity) is Phase.READY


def test_every_phase_has_its_rows() -> None:
    """The table covers all phases; before the greeting and after the end nothing may come."""
    assert set(PHASES) == set(Phase)
    assert not PHASES[Phase.GREETING]
    assert not PHASES[Phase.CLOSED]
    assert set(PHASES[Phase.CONTENT]) == {Verb.CONTENT_END}
    assert set(PHASES[Phase.EXCHANGE]) == {Verb.AUTH}
    assert not PHASES[Phase.HANDSHAKE]


@given(st.sampled_from(Phase), st.sampled_from(Verb), st.sampled_from([TRANSIENT, PERMANENT]))
def test_a_refusal_never_begins_anything(phase: Phase, verb: Verb, severity: Severity) -> None:
    """A 4yz or 5yz leaves the phase, ends the content or the login, or spoils the chunks; it opens nothing."""
    if verb in PHASES[phase]:
        after = follow(phase, verb, severity)
        assert after is phase or verb in (Verb.CONTENT_END, Verb.BDAT, Verb.AUTH)
