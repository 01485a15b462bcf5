"""Which mechanism a client takes."""

from __future__ import annotations

from typing import Any

import pytest

from eilpost.sasl.choose import NoMechanism, choose
from eilpost.sasl.mechanisms import MECHANISMS
from eilpost.sasl.words import Credentials
from tests.unit.sasl.both import BINDING, END_POINT

ANNA = Credentials("anna", "secret")
OAUTH = Credentials("anna", token="t")


@pytest.mark.parametrize(
    ("offered", "given", "taken"),
    [
        (tuple(MECHANISMS), {"private": True, "bindings": (BINDING,)}, "SCRAM-SHA-256-PLUS"),
        (tuple(MECHANISMS), {"private": True, "bindings": (END_POINT,)}, "SCRAM-SHA-256"),
        (tuple(MECHANISMS), {"private": True}, "SCRAM-SHA-256"),
        (("login", "plain", "cram-md5"), {"private": False}, "CRAM-MD5"),
        (("LOGIN", "PLAIN"), {"private": True}, "PLAIN"),
        (("LOGIN",), {"private": True}, "LOGIN"),
        (("LOGIN", "PLAIN"), {"private": True, "wanted": "login"}, "LOGIN"),
        (tuple(MECHANISMS), {"private": True, "bindings": (END_POINT,), "wanted": "SCRAM-SHA-256-PLUS"},
         "SCRAM-SHA-256-PLUS"),
        (tuple(MECHANISMS), {"private": True, "credentials": OAUTH}, "OAUTHBEARER"),
        (("XOAUTH2", "PLAIN"), {"private": True, "credentials": OAUTH}, "XOAUTH2"),
        (tuple(MECHANISMS), {"private": True, "certificate": True, "credentials": Credentials("")}, "EXTERNAL"),
    ],
)  # fmt: skip
def test_the_best_that_both_have(offered: tuple[str, ...], given: dict[str, Any], taken: str) -> None:
    """The first row of the table that the server offers and that the credentials fit; or the one that was asked for."""
    row = choose(offered, **({"credentials": ANNA} | given))
    assert row is MECHANISMS[taken]


@pytest.mark.parametrize(
    ("offered", "given", "said"),
    [
        ((), {"private": True}, "offers no login"),
        (("PLAIN", "LOGIN"), {"private": False}, "without verified TLS"),
        (("PLAIN",), {"private": False, "wanted": "PLAIN"}, "no verified TLS"),
        (("GSSAPI",), {"private": True}, "GSSAPI"),
        (("PLAIN",), {"private": True, "wanted": "GSSAPI"}, "no login that we know"),
        (("PLAIN",), {"private": True, "wanted": "LOGIN"}, "does not offer LOGIN (it offers PLAIN)"),
        (("XOAUTH2",), {"private": True, "wanted": "XOAUTH2"}, "needs an OAuth token"),
        (("EXTERNAL",), {"private": True, "wanted": "EXTERNAL"}, "needs a TLS client certificate"),
        (("SCRAM-SHA-1-PLUS",), {"private": True, "wanted": "SCRAM-SHA-1-PLUS"}, "needs TLS"),
    ],
)
def test_why_there_is_none(offered: tuple[str, ...], given: dict[str, Any], said: str) -> None:
    """Where no mechanism can be taken, a sentence says why."""
    answer = choose(offered, ANNA, **given)
    assert isinstance(answer, NoMechanism)
    assert said in answer.reason
