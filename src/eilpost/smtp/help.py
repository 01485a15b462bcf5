"""HELP, from the table of commands (a grammar; RFC 5321 §4.1.1.8)."""

from __future__ import annotations

from collections.abc import Mapping

from eilpost.mail.reply import Reply, reply
from eilpost.smtp.commands import Command


def help_reply(topic: str, commands: Mapping[str, Command]) -> Reply:
    """What these commands are, or what one of them is; 504 for what is none of them."""
    row = commands.get(topic.upper())
    if row is not None:
        # A reply is ASCII (RFC 5321 §4.2), and a question mark tells nobody where to read on.
        return reply(214, "2.0.0", row.syntax, row.help, row.rfc.replace("§", "section "))
    if topic:
        return reply(504, "5.5.4", "No help for that; HELP alone lists the commands")
    return reply(214, "2.0.0", "Commands:", " ".join(commands), "HELP command explains one")
