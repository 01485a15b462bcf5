"""Our client logs in at a Postfix whose logins Dovecot answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from eilpost.client import Client, NotConnected, send
from tests.interop.conftest import arrived
from tests.interop.contents import content
from tests.peers import dovecot_auth as dovecot_peer
from tests.peers import postfix as postfix_peer
from tests.peers.dovecot_auth import dovecot_auth
from tests.peers.postfix import Postfix, delivering, postfix
from tests.peers.tools import scratch

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
ANNA: Final = "anna@elsewhere.example"
CARL: Final = "carl@elsewhere.example"
PASSWORD: Final = "fjärd, fjäll = 3"
MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "auto")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs() -> AsyncIterator[Postfix]:
    """Postfix that takes mail after a login alone."""
    if reason := postfix_peer.unavailable() or dovecot_peer.unavailable():
        pytest.skip(reason)
    with scratch("sasl") as directory:
        async with dovecot_auth(directory / "dovecot", {ANNA: PASSWORD}) as socket:
            settings = delivering("elsewhere.example", directory / "mail", "carl") | {
                "smtpd_sasl_auth_enable": "yes",
                "smtpd_sasl_type": "dovecot",
                "smtpd_sasl_path": str(socket),
                "smtpd_sasl_security_options": "noanonymous",
                "smtpd_client_restrictions": "permit_sasl_authenticated, reject",
                "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
                "smtpd_delay_reject": "yes",
            }
            async with postfix(directory / "postfix", settings) as peer:
                yield peer


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_each_mechanism(theirs: Postfix, mechanism: str) -> None:
    """Every mechanism that Debian's Dovecot offers, with a password beyond ASCII."""
    async with Client(
        "127.0.0.1", theirs.port, user=ANNA, password=PASSWORD, auth=mechanism, plain_on_loopback=True
    ) as client:
        receipt = await client.send(content("plain", f"sasl-{mechanism}"), sender=ANNA, recipients=[CARL])
    assert receipt.is_complete
    await arrived(theirs.directory.parent / "mail" / "carl", f"sasl-{mechanism}")


async def test_a_script(theirs: Postfix) -> None:
    """The blocking driver logs in as well."""

    def act() -> bool:
        message = content("plain", "sasl-script")
        return send(
            message, "127.0.0.1", theirs.port, sender=ANNA, recipients=[CARL], user=ANNA, password=PASSWORD
        ).is_complete

    assert await asyncio.to_thread(act)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_password(theirs: Postfix, mechanism: str) -> None:
    """A wrong one is refused with 535."""
    with pytest.raises(NotConnected) as told:
        await Client(
            "127.0.0.1", theirs.port, user=ANNA, password="wrong", auth=mechanism, plain_on_loopback=True
        ).__aenter__()
    assert told.value.reply is not None
    assert told.value.reply.code == 535


async def test_without_a_login(theirs: Postfix) -> None:
    """Without one nothing is taken."""
    async with Client("127.0.0.1", theirs.port) as client:
        receipt = await client.send(content("plain", "sasl-none"), sender=ANNA, recipients=[CARL])
    assert not receipt.is_complete
