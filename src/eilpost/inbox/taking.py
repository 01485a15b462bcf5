"""Mail comes into the inbox: a handler of the server library that takes everything, but for faults (a deed)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from eilpost.inbox.board import Board
from eilpost.inbox.bounce import bounce
from eilpost.inbox.contract import Arrival, InboxError, Summary, Via
from eilpost.inbox.faults import NOTHING, Drop, Effect, Facts, Rule, Stage
from eilpost.inbox.store import Draft, Inbox
from eilpost.inbox.wording import opening_of, parameters_text, plus_tags
from eilpost.mail.reply import reply
from eilpost.message.trace import protocol
from eilpost.sasl.words import Answer as Checked
from eilpost.sasl.words import CheckPassword, CheckToken, Granted, ServerStep
from eilpost.server.accounts import answer as answer_from
from eilpost.server.answers import Answer, EndAnswer, Given, HangUp
from eilpost.server.handler import Handler
from eilpost.server.session import Session
from eilpost.smtp import replies
from eilpost.smtp.events import ContentEnd, Data, Hello, Mail, Rcpt, Refused, Reset, StartTls

_NO_ROOM: Final = reply(452, "4.3.1", "The inbox cannot be written, try again later")
_CLOSING: Final = 421
_KEPT: Final = "250 2.0.0 Kept"
_OPENING: Final = "opening"
_USUAL: Final = {
    Stage.BANNER: reply(220, None, "Eilpost developer's inbox ready"),
    Stage.STARTTLS: reply(220, "2.0.0", "Ready to start TLS"),
    Stage.AUTH: reply(235, "2.7.0", "Authentication successful"),
    Stage.DATA: reply(354, None, "Start mail input"),
}
_FINE: Final = reply(250, "2.0.0", "Fine so far, and then")
Taken = Callable[[Summary], None]


@dataclass(slots=True)
class _Transaction:
    """What is noted of a session's present transaction."""

    draft: Draft | None = None
    rules: list[Rule] = field(default_factory=list)
    declared: int = 0


class Taking(Handler):
    """Every login is good unless ``accounts`` are given; ``plus_tags`` makes ``anna+sale@`` a message tagged sale."""

    __slots__ = ("_board", "_bounces", "_inbox", "_open", "_plus_tags", "_taken")

    def __init__(self, inbox: Inbox, board: Board, *, plus_tags: bool = True, taken: Taken | None = None) -> None:
        self._inbox = inbox
        self._board = board
        self._plus_tags = plus_tags
        self._taken = taken
        self._open: dict[int, _Transaction] = {}
        self._bounces: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Bounces that are not due yet are never sent."""
        for task in tuple(self._bounces):
            task.cancel()
        await asyncio.gather(*self._bounces, return_exceptions=True)

    # --- steps

    def connected(self, session: Session) -> Answer:
        """Faults before the banner and in its place."""
        if not (self._board.holds_at(Stage.CONNECT) or self._board.holds_at(Stage.BANNER)):
            return None
        return self._greet(session)

    async def _greet(self, session: Session) -> Given:
        for stage in (Stage.CONNECT, Stage.BANNER):
            given = await self._do(session, stage, self._board.ask(Facts(stage, session.peer[0])))
            if given is not None:
                return given
        return None

    def hello(self, session: Session, event: Hello) -> Answer:
        """Faults at EHLO; a new greeting ends what was begun."""
        self._end(session)
        return self._at(session, Stage.EHLO)

    def starttls(self, session: Session, event: StartTls) -> Answer:
        """Faults at STARTTLS."""
        return self._at(session, Stage.STARTTLS)

    def check(self, session: Session, ask: ServerStep) -> Checked | Awaitable[Checked]:
        """Any name and password will do, unless accounts were given."""
        match ask:
            case _ if session.accounts:
                return answer_from(session.accounts, ask)
            case CheckPassword(name=name) | CheckToken(name=name):
                return Granted(name)
            case _:
                return answer_from(session.accounts, ask)

    def authenticated(self, session: Session, account: str) -> Answer:
        """Faults at AUTH."""
        return self._at(session, Stage.AUTH)

    def mail(self, session: Session, event: Mail) -> Answer:
        """Faults at MAIL; the sender's own address may ask for one."""
        self._end(session)
        sender = str(event.reverse_path.mailbox or "")
        rule = self._board.of_address(sender, Stage.MAIL)
        if rule is None and not self._board.rules:
            return None
        transaction = self._transaction(session)
        transaction.declared = event.parameters.size or 0
        facts = Facts(Stage.MAIL, session.peer[0], sender, (), transaction.declared)
        return self._answer(session, Stage.MAIL, self._board.ask(facts, (rule,) if rule else ()))

    def rcpt(self, session: Session, event: Rcpt) -> Answer:
        """Faults at RCPT; the recipient's address may ask for one, here or later."""
        address = str(event.forward_path.mailbox)
        rule = self._board.of_address(address)
        if rule is None and not self._board.holds_at(Stage.RCPT):
            return None
        now: tuple[Rule, ...] = ()
        if rule is not None and rule.stage is Stage.RCPT:
            now = (rule,)
        elif rule is not None:
            self._transaction(session).rules.append(rule)
        size = self._transaction(session).declared
        facts = Facts(Stage.RCPT, session.peer[0], _sender(session), (address,), size)
        return self._answer(session, Stage.RCPT, self._board.ask(facts, now))

    def data(self, session: Session, event: Data) -> Answer:
        """Faults at DATA."""
        return self._answer(session, Stage.DATA, self._ask(session, Stage.DATA, self._transaction(session).declared))

    def content(self, session: Session, octets: bytes) -> Awaitable[None] | None:
        """Pieces go to a draft, which writes blocks while they come."""
        transaction = self._transaction(session)
        if transaction.draft is None:
            transaction.draft = self._inbox.draft()
        return transaction.draft.feed(octets)

    def end(self, session: Session, event: ContentEnd) -> EndAnswer:
        """Faults after the dot, else the message is kept."""
        effect = self._ask(session, Stage.END, event.size)
        return self._keep(session, effect)

    def refused(self, session: Session, event: Refused) -> Answer:
        """A content that the server refuses leaves nothing."""
        transaction = self._open.get(session.id)
        return self._give_up(session) if transaction is not None and transaction.draft is not None else None

    async def _give_up(self, session: Session) -> None:
        await self._abandon(session)

    def reset(self, session: Session, event: Reset) -> Answer:
        """What was begun is forgotten."""
        self._end(session)
        return None

    def disconnected(self, session: Session, reason: str) -> Awaitable[None] | None:
        """What was begun is forgotten."""
        transaction = self._open.pop(session.id, None)
        return transaction.draft.abandon() if transaction is not None and transaction.draft is not None else None

    # --- keeping

    async def _keep(self, session: Session, effect: Effect) -> Given:
        transaction = self._transaction(session)
        draft = transaction.draft or self._inbox.draft()
        given = await self._do(session, Stage.END, effect)
        if given is not None:
            self._inbox.count_refused()
            await self._abandon(session)
            return given
        try:
            summary = await draft.commit(self._arrival(session))
        except InboxError:
            await self._abandon(session)
            return _NO_ROOM
        self._open.pop(session.id, None)
        if session.transcript is not None:
            session.transcript.begin_anew()
        if effect.bounce is not None:
            self._bounce_later(summary, effect.bounce)
        if self._taken is not None:
            self._taken(summary)
        return reply(250, "2.0.0", f"{_KEPT[10:]} as {summary.id}")

    def _arrival(self, session: Session) -> Arrival:
        recipients = tuple(str(each.address) for each in session.recipients)
        tls = session.tls
        via = Via(
            peer=session.peer[0],
            helo=session.helo,
            protocol=protocol(
                extended=session.extended,
                tls=tls is not None,
                login=session.account is not None,
                utf8=session.parameters.smtputf8,
            ),
            login=session.account or "",
            mechanism=session.mechanism,
            tls=str(tls) if tls is not None else "",
        )
        return Arrival(
            reverse_path=_sender(session),
            recipients=recipients,
            received=time.time(),
            via=via,
            tags=plus_tags(recipients) if self._plus_tags else (),
            parameters=parameters_text(session.envelope),
            transcript=self._transcript(session),
        )

    def _transcript(self, session: Session) -> str:
        """How the session began, and what was said since the message before: a long one costs no more than a short."""
        if session.transcript is None:
            return ""
        said = str(session.transcript).removeprefix(f"S: {_KEPT} as ")
        opening = session.notes.get(_OPENING)
        if opening is None:
            session.notes[_OPENING] = opening_of(said)
            return f"{said}\nS: {_KEPT}"
        _, _, since = said.partition("\n")  # the end of the reply to the message before
        return f"{opening}\n# {session.messages} messages before this one\n{since}\nS: {_KEPT}"

    def _bounce_later(self, summary: Summary, seconds: float) -> None:
        task = asyncio.get_running_loop().create_task(self._bounce(summary, seconds))
        self._bounces.add(task)
        task.add_done_callback(self._bounces.discard)

    async def _bounce(self, summary: Summary, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(InboxError):  # deleted meanwhile, or the inbox is closing
            notice = bounce(summary, await self._inbox.content(summary.id), time.time())
            if notice is not None:
                await self._inbox.take(*notice)

    # --- faults

    def _at(self, session: Session, stage: Stage) -> Answer:
        if not self._board.holds_at(stage):
            return None
        return self._answer(session, stage, self._board.ask(Facts(stage, session.peer[0])))

    def _ask(self, session: Session, stage: Stage, size: int) -> Effect:
        transaction = self._open.get(session.id)
        more = transaction.rules if transaction is not None else ()
        if not more and not self._board.holds_at(stage):
            return NOTHING
        recipients = tuple(str(each.address) for each in session.recipients)
        return self._board.ask(Facts(stage, session.peer[0], _sender(session), recipients, size), more)

    def _answer(self, session: Session, stage: Stage, effect: Effect) -> Answer:
        return None if effect is NOTHING else self._do(session, stage, effect)

    async def _do(self, session: Session, stage: Stage, effect: Effect) -> Given:
        """Waits, then says or ends; None goes on as usual."""
        if effect.slow:
            session.read_rate = effect.slow
        if session.transcript is not None and effect.rules:
            session.transcript.note(session.seconds, f"fault: {'; '.join(effect.rules)}")
        if effect.delay:
            await asyncio.sleep(effect.delay)
        said = effect.reply
        if effect.half:
            octets = replies.encode(said or _USUAL.get(stage, _FINE))
            return HangUp(octets[: len(octets) // 2])
        if effect.drop is not Drop.NO:
            return HangUp(replies.encode(said) if said else b"", abort=effect.drop is Drop.RESET)
        if said is not None and said.code == _CLOSING:
            return HangUp(replies.encode(said))  # RFC 5321 §3.8: it closes the connection
        return said

    # --- transactions

    def _transaction(self, session: Session) -> _Transaction:
        found = self._open.get(session.id)
        if found is None:
            found = self._open[session.id] = _Transaction()
        return found

    def _end(self, session: Session) -> None:
        self._open.pop(session.id, None)

    async def _abandon(self, session: Session) -> None:
        transaction = self._open.pop(session.id, None)
        if transaction is not None and transaction.draft is not None:
            with contextlib.suppress(InboxError):  # what is left is removed at the next start
                await transaction.draft.abandon()


def _sender(session: Session) -> str:
    return str(session.reverse_path.mailbox or "")
