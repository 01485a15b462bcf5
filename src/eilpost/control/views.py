"""How the queue is told to programs: plain values for JSON, made from the spool's words (a grammar).

Times are Unix time. Text from peers stays raw here: whoever shows it escapes it.
"""

from __future__ import annotations

from typing import Any

from eilpost.mail.outcome import Outcome
from eilpost.queue.destination import DestinationView
from eilpost.spool.contract import Entry, QueuedRecipient, Stats

Row = dict[str, Any]


def entry_row(entry: Entry) -> Row:
    """A message with its recipients."""
    message = entry.message
    parameters = message.parameters
    return {
        "id": message.id,
        "received": message.received,
        "size": message.size,
        "reverse_path": str(message.reverse_path),
        "message_id": message.message_id,
        "account": message.account,
        "session": message.session,
        "body": parameters.body.value if parameters.body else None,
        "smtputf8": parameters.smtputf8,
        "ret": parameters.ret.value if parameters.ret else None,
        "envid": parameters.envid,
        "recipients": [_recipient_row(item) for item in entry.recipients],
    }


def _recipient_row(item: QueuedRecipient) -> Row:
    recipient = item.recipient
    notify = recipient.parameters.notify
    return {
        "address": str(recipient.address),
        "given": str(recipient.given) if recipient.given else None,
        "state": item.state.value,
        "attempts": item.attempts,
        "due": item.due,
        "warned": item.warned,
        "next_hop": item.next_hop or None,
        "notify": sorted(wish.value for wish in notify) if notify is not None else None,
        "orcpt": recipient.parameters.orcpt,
        "last": _outcome_row(item.last) if item.last else None,
    }


def _outcome_row(outcome: Outcome) -> Row:
    return {
        "fate": outcome.fate.value,
        "status": str(outcome.status),
        "meaning": outcome.status.meaning,
        "diagnostic": outcome.diagnostic,
        "remote": outcome.remote,
        "when": outcome.when,
    }


def stats_row(stats: Stats) -> Row:
    """Counts over the whole queue."""
    return {
        "messages": stats.messages,
        "recipients": {state.value: number for state, number in stats.recipients.items()},
        "octets": stats.octets,
        "oldest": stats.oldest,
        "domains": [{"domain": domain, "recipients": number} for domain, number in stats.domains],
    }


def destination_row(destination: DestinationView) -> Row:
    """How a next hop fares."""
    return {
        "next_hop": destination.next_hop,
        "health": destination.health.value,
        "waiting": destination.waiting,
        "attempts": destination.attempts,
        "limit": destination.limit,
        "rest": destination.rest,
        "why": destination.why,
    }
