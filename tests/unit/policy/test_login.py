"""Which logins are offered to whom, and how failures are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eilpost.config.schema import SASL_MECHANISMS, Auth, Limits, Role
from eilpost.policy import login, sender, verdicts
from eilpost.policy.facts import Client
from eilpost.policy.recipient import may_relay
from eilpost.sasl.words import Reason

ALL = Auth(mechanisms=SASL_MECHANISMS)
USER = Client(Role.SUBMISSION, "192.0.2.1", "192.0.2.1", False)
HOME = replace(USER, address="127.0.0.1")
LOCAL = replace(USER, address="")


@pytest.mark.parametrize(
    ("client", "rules", "secured", "plain"),
    [
        (USER, ALL, False, False),
        (USER, ALL, True, True),
        (USER, replace(ALL, plain_on_loopback=True), False, False),
        (HOME, ALL, False, False),
        (HOME, replace(ALL, plain_on_loopback=True), False, True),
        (replace(HOME, address="::1"), replace(ALL, plain_on_loopback=True), False, True),
        (LOCAL, ALL, False, True),
    ],
)
def test_rfc4954_section_9_plain_text_is_offered_where_nobody_listens(
    client: Client, rules: Auth, secured: bool, plain: bool
) -> None:
    """Over TLS, on a local socket, and on loopback by setting."""
    offered = login.offered(client, rules, secured=secured, certificate=False)
    assert ("PLAIN" in offered, "LOGIN" in offered, "XOAUTH2" in offered) == (plain, plain, plain)
    assert ("SCRAM-SHA-256-PLUS" in offered) is secured
    assert "SCRAM-SHA-256" in offered
    assert "EXTERNAL" not in offered


def test_a_certificate_and_a_directory_without_keys() -> None:
    """EXTERNAL needs a verified certificate; who only says yes or no can do no SCRAM."""
    assert "EXTERNAL" in login.offered(USER, ALL, secured=True, certificate=True)
    offered = login.offered(USER, ALL, secured=True, certificate=False, keys=False)
    assert offered == ("OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN")


@pytest.mark.parametrize(
    ("role", "on_mx", "taken"),
    [
        (Role.SUBMISSION, False, True),
        (Role.SUBMISSIONS, False, True),
        (Role.MX, False, False),
        (Role.MX, True, True),
        (Role.LMTP, True, False),
    ],
)
def test_f118_where_login_is_a_word(role: Role, on_mx: bool, taken: bool) -> None:
    """On submission; on mx by setting; never on lmtp."""
    rules = replace(ALL, on_mx=on_mx)
    assert login.takes_logins(role, rules) is taken
    assert bool(login.offered(replace(USER, role=role), rules, secured=True, certificate=False)) is taken


def test_what_is_not_offered_says_why() -> None:
    """538 where TLS would help, 504 where nothing does."""
    assert login.refusal("PLAIN", ("PLAIN",), ALL) is None
    assert login.refusal("PLAIN", (), ALL) is login.NEEDS_TLS
    assert login.refusal("PLAIN", (), replace(ALL, mechanisms=("LOGIN",))) is login.NO_SUCH_MECHANISM
    assert login.refusal("GSSAPI", ("PLAIN",), ALL) is login.NO_SUCH_MECHANISM


def test_f110_each_failure_has_its_reply() -> None:
    """All of them; who is wrong, and why, is one text; our own trouble is 454."""
    assert set(login.FAILURES) == set(Reason)
    assert len({str(login.FAILURES[each]) for each in (Reason.CREDENTIALS, Reason.BINDING)}) == 1
    assert str(login.FAILURES[Reason.UNAVAILABLE]).startswith("454 4.7.0")
    assert str(login.FAILURES[Reason.THROTTLED]).startswith("421 4.7.0")


def test_who_has_logged_in_may_send_as_themselves() -> None:
    """530 before, 250 after, 553 for others' addresses, 451 when nobody can say (F117)."""
    user = replace(USER, account="anna@example.test", logged_in=True)
    assert sender.judge(USER, Limits(), messages=0, rate_allowed=True) is verdicts.NOT_FOR_STRANGERS
    for owned, verdict in (
        (True, verdicts.SENDER_OK),
        (False, verdicts.NOT_YOURS),
        (None, verdicts.UNDECIDED_SENDER),
    ):
        assert sender.judge(user, Limits(), messages=0, rate_allowed=True, owned=owned) is verdict
    assert sender.author(True) is verdicts.CONTENT_OK
    assert sender.author(False) is verdicts.NOT_YOURS
    assert may_relay(user)
    assert not may_relay(USER)
