"""The client that programs use: gives a message, gets an outcome for each recipient (a deed).

One ``Client`` may be used by many tasks at once. Its sessions are kept between messages; a kept
one that the server has given up meanwhile is replaced without a word, and after an error nothing
of the transaction stays behind.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from eilpost.client.conversation import Conversation, Manner, converse
from eilpost.client.login import login_as
from eilpost.client.patience import RFC_TIMEOUTS, Timeouts
from eilpost.client.pool import Pool
from eilpost.client.prepare import Given, prepare
from eilpost.client.protection import protection
from eilpost.client.receipt import NotConnected, Receipt
from eilpost.client.transcript import Tell
from eilpost.mail.address import Address
from eilpost.mail.envelope import NO_MAIL_PARAMETERS, MailParameters, Recipient
from eilpost.mail.next_hop import Host
from eilpost.mail.outcome import Fate
from eilpost.mail.reply import Reply
from eilpost.sasl.choose import AUTO
from eilpost.smtp.client_meaning import outcome_of
from eilpost.smtp.client_results import Answered, Result, Stage
from eilpost.smtp.client_transaction import Parcel, Transaction
from eilpost.smtp.commands import Dialect


class Client:
    """Sends mail to one server.

    ``host`` is a name, an address, or, with port 0, the path of a Unix socket. ``size`` sessions
    at most are open at once; each is kept for ``idle`` seconds. ``hostname`` is what we greet
    with. ``tell`` is called with ``"C"`` or ``"S"`` and each line; the content is cut short.

    ``tls`` is off, starttls or implicit. The server's certificate is checked against the authorities in
    ``ca_file``, else the system's, unless ``verify`` is False; ``context`` replaces both.

    ``user`` logs in, with a ``password`` or an OAuth ``token``; ``auth`` names a mechanism, else it
    is the best that both have. A secret is shown to a verified server over TLS alone, or where
    ``plain_on_loopback`` says so to one on this machine.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 25,
        *,
        dialect: Dialect = Dialect.SMTP,
        hostname: str = "",
        timeouts: Timeouts = RFC_TIMEOUTS,
        source: str | None = None,
        size: int = 4,
        idle: float = 30.0,
        tell: Tell | None = None,
        tls: str = "off",
        verify: bool = True,
        ca_file: str = "",
        context: ssl.SSLContext | None = None,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        auth: str = AUTO,
        plain_on_loopback: bool = False,
    ) -> None:
        self._host = Host(host, host, port)
        self._manner = Manner(
            hostname or own_name(), dialect, timeouts, source, tell,
            login_as(user, password, token, auth, plain_on_loopback=plain_on_loopback),
            protection(tls, verify=verify, ca_file=ca_file, context=context),
        )  # fmt: skip
        self._size = size
        self._idle = idle
        self._success = Fate.DELIVERED if dialect is Dialect.LMTP else Fate.RELAYED
        self._pool: Pool[Host] | None = None
        self._places: asyncio.Semaphore | None = None

    async def __aenter__(self) -> Self:
        """Connects, so that a server that is not there shows at once; NotConnected."""
        self._pool = Pool(self._idle)
        self._places = asyncio.Semaphore(self._size)
        self._pool.keep(self._host, await self._connect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Says QUIT to all sessions."""
        await self.close()

    async def close(self) -> None:
        """Ends all sessions; the client may be entered again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def send(
        self,
        message: Given,
        *,
        sender: str | Address | None = None,
        recipients: Iterable[str | Address | Recipient] | None = None,
        parameters: MailParameters = NO_MAIL_PARAMETERS,
    ) -> Receipt:
        """Sends a message; what became of each recipient.

        Sender and recipients come from the header unless given; ``sender=""`` is the null
        reverse-path. A refusal is an outcome, not an error. MessageError: there is nothing that
        could be sent. NotConnected: there is no session to send it over.
        """
        if self._pool is None or self._places is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        parcel = prepare(message, sender, recipients, parameters)
        async with self._places:
            transaction = await self._transact(self._pool, parcel)
        return receipt_of(parcel, transaction, self._success, self._host.name, time.time())

    async def _transact(self, pool: Pool[Host], parcel: Parcel) -> Transaction:
        while (conversation := pool.take(self._host)) is not None:
            transaction = await conversation.transact(parcel)
            if transaction.heard or not transaction.is_broken:
                break
        else:
            conversation = await self._connect()
            transaction = await conversation.transact(parcel)
        if conversation.is_spent:
            pool.part(conversation)
        else:
            pool.keep(self._host, conversation)
        return transaction

    async def _connect(self) -> Conversation:
        conversation = await converse(self._host, self._manner)
        if isinstance(conversation, Conversation):
            return conversation
        raise NotConnected(conversation)


def receipt_of(parcel: Parcel, transaction: Transaction, success: Fate, remote: str, when: float) -> Receipt:
    """The receipt for a finished transaction."""
    outcomes = tuple(
        outcome_of(recipient, result, success=success, remote=remote, when=when, dsn=transaction.dsn)
        for recipient, result in zip(parcel.recipients, transaction.final, strict=True)
    )
    return Receipt(outcomes, _last_word(transaction.final))


def _last_word(results: Iterable[Result]) -> Reply | None:
    said = [item.reply for item in results if isinstance(item, Answered) and item.stage is Stage.END]
    return said[-1] if said else None


def own_name() -> str:
    """How we greet: our name if it has a dot, else our address as a literal (RFC 5321 §4.1.3)."""
    name = socket.getfqdn()
    if "." in name and name.isascii() and not name.endswith((".arpa", ".localdomain")):
        return name
    return "[127.0.0.1]"
