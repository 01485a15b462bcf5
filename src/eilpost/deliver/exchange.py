"""One attempt over SMTP or LMTP: hosts → connect → greeting → transaction → meaning (a deed).

Sessions are kept for the next job to the same next hop or the same host. A kept session that turns
out to be dead before it answered anything is no failure: the job goes over a fresh one.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from eilpost.client.conversation import Conversation, Manner, converse
from eilpost.client.login import Login, is_loopback
from eilpost.client.patience import Timeouts
from eilpost.client.pool import Pool
from eilpost.client.protection import PLAIN, Protection
from eilpost.client.transcript import Tell
from eilpost.config.schema import Delivery
from eilpost.deliver.agent import Attempt, Job
from eilpost.deliver.errand import Errand
from eilpost.deliver.meaning import UNSIGNED, demanding, unreadable, unroutable
from eilpost.journal import HandshakeFailed, Journal
from eilpost.mail.encryption import Encryption
from eilpost.mail.envelope import Body, ByMode, DeliverBy, MailParameters
from eilpost.mail.next_hop import Host, Means, NextHop, Unroutable
from eilpost.mail.outcome import Fate
from eilpost.mail.status import status
from eilpost.mail.value import value
from eilpost.net.tls import KeysError, client_context
from eilpost.smtp.client_results import Cause, Lost, Stage
from eilpost.smtp.client_terms import Traits
from eilpost.smtp.client_transaction import Parcel
from eilpost.smtp.commands import Dialect
from eilpost.smtp.content import find_fault
from eilpost.spool.contract import ContentDamaged, QueuedMessage, SpoolError

HEADER_END: Final = b"\r\n\r\n"
NOWHERE: Final = Unroutable(status("4.4.4"), "no host is known for the next hop")


class FindHosts(Protocol):
    """Where a next hop is: hosts in the order in which to try them, or why there are none."""

    async def __call__(self, next_hop: NextHop, /) -> tuple[Host, ...] | Unroutable:
        """Never raises for what DNS did."""
        ...


FindLogin = Callable[[NextHop], Login | Lost | None]
"""As whom we log in at a next hop; why that cannot be; None: we do not."""


@value(frozen=True, slots=True)
class _Load:
    """What is the same in all transactions of a job. ``way`` is the next hop, as this message must go there."""

    job: Job
    way: NextHop
    traits: Traits
    octets: bytes | None
    verified: bool
    parameters: MailParameters

    def parcel(self, batch: list[int]) -> Parcel:
        message, recipients = self.job.message, self.job.recipients
        chosen = recipients if len(batch) == len(recipients) else tuple(recipients[at] for at in batch)
        return Parcel(message.reverse_path, chosen, self.parameters, self.traits, self.octets, self.verified)


class Exchange:
    """Attempts jobs over sessions that it opens, keeps and ends."""

    __slots__ = ("_contexts", "_find_hosts", "_find_login", "_journal", "_loop", "_manner", "_manners", "_now", "_pool",
                 "_settings", "_success", "_usual")  # fmt: skip

    def __init__(
        self,
        settings: Delivery,
        find_hosts: FindHosts,
        *,
        hostname: str,
        dialect: Dialect,
        success: Fate,
        now: Callable[[], float] = time.time,
        tell: Tell | None = None,
        find_login: FindLogin | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._find_login = find_login
        self._journal = journal
        self._settings = settings
        self._find_hosts = find_hosts
        self._success = success
        self._now = now
        self._manner = Manner(hostname, dialect, _timeouts(settings), tell=tell)
        self._manners: dict[tuple[Encryption, bool], Manner] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._usual = Encryption(settings.tls)
        self._pool: Pool[NextHop] = Pool(settings.idle)
        self._loop = asyncio.get_running_loop()

    async def attempt(self, job: Job) -> Attempt:
        """Tries once. ContentDamaged alone is raised: then the spool has set the message aside."""
        errand = Errand(job.recipients)
        until = self._loop.time() + self._settings.attempt_deadline
        try:
            load = await _load(job, _passed_on(job, self._now(), is_last=self._success is Fate.DELIVERED))
            kept = self._pool.take(load.way)
            if kept is not None:
                await self._transact(errand, load, kept, until, is_fresh=False)
            if errand.pending:
                await self._try_hosts(errand, load, until)
        except ContentDamaged:
            raise
        except KeysError as error:
            errand.give_up(Lost(Stage.STARTTLS, Cause.TLS, str(error)), remote=None)
        except (SpoolError, OSError) as error:  # our disk's: what the network does is a result by now
            errand.give_up(unreadable(error), remote=None)
            errand.reached = True
        outcomes = errand.outcomes(self._success, self._now())
        return Attempt(outcomes, "" if errand.reached else outcomes[-1].diagnostic)

    async def close(self) -> None:
        """Ends kept sessions politely."""
        await self._pool.close()

    def _manner_for(self, load: _Load) -> Manner | Lost:
        """How we speak on the way there, and as whom. KeysError."""
        next_hop = load.job.next_hop
        way = load.way.protection or self._usual, next_hop.implicit
        found = self._manners.get(way)
        if found is None:
            found = self._manners[way] = replace(self._manner, protection=self._protection(*way))
        login = self._find_login(next_hop) if self._find_login is not None else None
        if login is None or isinstance(login, Lost):
            return login or found
        return replace(found, login=login)

    def _protection(self, level: Encryption, implicit: bool) -> Protection:
        if level is Encryption.OFF:
            return PLAIN
        verify = level is Encryption.VERIFY
        if verify not in self._contexts:
            self._contexts[verify] = client_context(verify=verify, ca_file=self._settings.authorities)
        return Protection(level, implicit, self._contexts[verify], self._settings.tls_timeout)

    async def _try_hosts(self, errand: Errand, load: _Load, until: float) -> None:
        if load.parameters.require_tls and load.way.means is Means.MX:
            errand.give_up(UNSIGNED, remote=None)
            return
        hosts = await self._find_hosts(load.job.next_hop)
        if isinstance(hosts, Unroutable):
            errand.give_up(unroutable(hosts), remote=None)
            return
        if not hosts:
            errand.give_up(unroutable(NOWHERE), remote=None)
        manner = self._manner_for(load)
        if isinstance(manner, Lost):
            errand.give_up(manner, remote=None)
            return
        for host in hosts:
            await self._try_host(errand, load, host, manner, until)
            if not errand.pending:
                return
            if self._loop.time() >= until:
                break

    async def _try_host(self, errand: Errand, load: _Load, host: Host, manner: Manner, until: float) -> None:
        kept = self._pool.take_at(manner.way(host))
        if kept is not None:
            await self._transact(errand, load, kept, until, is_fresh=False)
        while errand.pending:
            if self._loop.time() >= until:
                errand.give_up(Lost(Stage.CONNECT, Cause.TIMEOUT, "the attempt took too long"), remote=host.name)
                return
            conversation = await converse(host, manner, until=until)
            if not isinstance(conversation, Conversation):
                result = demanding(conversation) if load.parameters.require_tls else conversation
                errand.give_up(result, remote=host.name)
                return
            if conversation.why_clear and self._journal is not None:  # F038: allowed, and noted
                self._journal(HandshakeFailed("", "relay", host.name, f"{conversation.why_clear}; sent in clear"))
            errand.reached = True
            left = len(errand.pending)
            await self._transact(errand, load, conversation, until, is_fresh=True)
            if len(errand.pending) == left:
                return

    async def _transact(
        self, errand: Errand, load: _Load, conversation: Conversation, until: float, *, is_fresh: bool
    ) -> None:
        """As many transactions as this session is good for; it is kept if it is good for more."""
        chunks = load.job.message.content.chunks if load.octets is None else None
        is_good = True
        while errand.pending and is_good:
            batch = errand.batch(conversation.offer, self._settings.recipients_per_transaction)
            transaction = await conversation.transact(load.parcel(batch), chunks, until=until)
            if not is_fresh and not transaction.heard and transaction.is_broken:
                return  # it had died, or was about to, while it was kept
            errand.reached = is_fresh = True
            before = len(errand.pending)
            errand.note(batch, transaction.final, remote=conversation.host.name, dsn=transaction.dsn)
            is_good = self._is_good_for_more(conversation)
            if len(errand.pending) == before:
                break
        if is_good:
            self._pool.keep(load.way, conversation)
        else:
            self._pool.part(conversation)

    def _is_good_for_more(self, conversation: Conversation) -> bool:
        return conversation.messages < self._settings.messages_per_connection and not conversation.is_spent


def _timeouts(settings: Delivery) -> Timeouts:
    return Timeouts(
        connect=settings.connect_timeout,
        command=settings.greeting_timeout,
        data=settings.data_timeout,
        block=settings.block_timeout,
        end=settings.end_timeout,
    )


async def _load(job: Job, parameters: MailParameters) -> _Load:
    message = job.message
    octets = message.content.octets
    is_text = message.parameters.body is not Body.BINARY
    # What came as text was looked at when it came; the rest is looked at when it is at hand.
    is_binary = not is_text and (octets is None or find_fault(octets) is not None)
    traits = Traits(message.size, message.has_8bit, await _has_8bit_header(message, octets), is_binary)
    way = replace(job.next_hop, encryption=Encryption.VERIFY) if parameters.require_tls else job.next_hop
    return _Load(job, way, traits, octets, verified=True, parameters=parameters)


def _passed_on(job: Job, now: float, *, is_last: bool) -> MailParameters:
    """What is asked of the next server; ``is_last``: mail ends there."""
    parameters = job.message.parameters
    by = parameters.deliver_by
    if by is None and not parameters.require_tls:
        return parameters
    if is_last and (not job.next_hop.port or is_loopback(job.next_hop.host)):
        parameters = replace(parameters, require_tls=False)  # octets that never leave this machine
    return parameters if by is None else replace(parameters, deliver_by=_left(by, job, now, is_last=is_last))


def _left(by: DeliverBy, job: Job, now: float, *, is_last: bool) -> DeliverBy | None:
    """What is left of a deadline; nothing is told to where mail ends (RFC 2852 §4.1.4)."""
    seconds = int(job.message.received + by.seconds - now)
    return None if is_last else replace(by, seconds=max(1, seconds) if by.mode is ByMode.RETURN else seconds)


async def _has_8bit_header(message: QueuedMessage, octets: bytes | None) -> bool:
    """Asked only where it decides something: of messages that came with SMTPUTF8."""
    if not (message.has_8bit and message.parameters.smtputf8):
        return False
    if octets is not None:
        return not octets.partition(HEADER_END)[0].isascii()
    header = b""
    async for chunk in message.content.chunks():
        header += chunk
        end = header.find(HEADER_END)
        if end >= 0:
            return not header[:end].isascii()
    return not header.isascii()
