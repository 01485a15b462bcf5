"""What replies and mishaps mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.outcome import Fate
from eilpost.mail.reply import Reply, reply
from eilpost.mail.status import MEANINGS, status
from eilpost.smtp.client_meaning import meaning, outcome_of
from eilpost.smtp.client_results import Answered, Cause, Lost, Stage
from eilpost.smtp.client_terms import Unsuitable


@pytest.mark.parametrize(
    ("stage", "said", "fate", "code"),
    [
        (Stage.END, reply(250, "2.6.0", "in"), Fate.RELAYED, "2.6.0"),
        (Stage.END, reply(250, None, "in"), Fate.RELAYED, "2.0.0"),
        (Stage.RCPT, reply(550, None, "no"), Fate.FAILED, "5.1.1"),
        (Stage.RCPT, reply(550, "5.7.1", "no"), Fate.FAILED, "5.7.1"),
        (Stage.END, reply(550, None, "spam"), Fate.FAILED, "5.7.1"),
        (Stage.MAIL, reply(553, None, "you"), Fate.FAILED, "5.1.7"),
        (Stage.RCPT, reply(452, None, "many"), Fate.DEFERRED, "4.5.3"),
        (Stage.MAIL, reply(452, None, "disk"), Fate.DEFERRED, "4.3.1"),
        (Stage.END, reply(552, None, "big"), Fate.FAILED, "5.3.4"),
        (Stage.DATA, reply(421, None, "bye"), Fate.DEFERRED, "4.3.2"),
        (Stage.RCPT, reply(556, None, "null MX"), Fate.FAILED, "5.1.10"),
        (Stage.RCPT, reply(599, None, "?"), Fate.FAILED, "5.0.0"),
        (Stage.LOGIN, reply(535, "5.7.8", "wrong"), Fate.DEFERRED, "4.7.8"),
        (Stage.LOGIN, reply(535, None, "wrong"), Fate.DEFERRED, "4.7.8"),
    ],
)
def test_a_reply_has_fate_and_status(stage: Stage, said: Reply, fate: Fate, code: str) -> None:
    """The digit gives the fate; the peer's code, or else the table, the status."""
    found = meaning(Answered(stage, said), Fate.RELAYED)
    assert (found.fate, str(found.status)) == (fate, code)
    assert found.diagnostic == f"smtp; {said}"


@given(
    st.sampled_from([stage for stage in Stage if stage not in {Stage.LOGIN, Stage.STARTTLS}]),
    st.integers(min_value=400, max_value=599),
)
def test_every_reply_gets_a_registered_status_of_its_class(stage: Stage, code: int) -> None:
    """Whatever the code, the status has its class and is registered."""
    found = meaning(Answered(stage, Reply(code, None, ("x",))), Fate.RELAYED)
    assert found.status.klass == code // 100
    assert found.status.meaning
    assert (found.status.subject, found.status.detail) in MEANINGS


@pytest.mark.parametrize(
    ("stage", "cause", "code"),
    [
        (Stage.CONNECT, Cause.UNREACHABLE, "4.4.1"),
        (Stage.CONNECT, Cause.TIMEOUT, "4.4.1"),
        (Stage.GREETING, Cause.TIMEOUT, "4.4.2"),
        (Stage.DATA, Cause.DROPPED, "4.4.2"),
        (Stage.MAIL, Cause.PROTOCOL, "4.5.0"),
        (Stage.LOGIN, Cause.UNFIT, "4.7.0"),
    ],
)
def test_what_is_no_reply_defers(stage: Stage, cause: Cause, code: str) -> None:
    """F146: broken connections and protocols are reasons to try again."""
    found = meaning(Lost(stage, cause, "it broke"), Fate.RELAYED)
    assert (found.fate, str(found.status)) == (Fate.DEFERRED, code)
    assert found.diagnostic == f"it broke while {stage.value}"


def test_f143_a_possible_duplicate_is_told() -> None:
    """After the end of the content, nobody knows whether the server has it."""
    found = meaning(Lost(Stage.END, Cause.TIMEOUT, "silence"), Fate.RELAYED)
    assert found.diagnostic.endswith("the message may be delivered more than once")


def test_what_does_not_suit_is_ours() -> None:
    """What was decided here has no remote host, and its class decides."""
    from tests.unit.deliver.errands import recipient

    result = Unsuitable(status("5.6.3"), "8 bit")
    outcome = outcome_of(recipient("bob"), result, success=Fate.RELAYED, remote="mx", when=1.0, dsn=True)
    assert (outcome.fate, outcome.remote, outcome.dsn_passed_on) == (Fate.FAILED, None, False)
    assert meaning(Unsuitable(status("4.3.0"), "disk"), Fate.RELAYED).fate is Fate.DEFERRED
