"""The reference, rendered from the tables (a deed; each page is a grammar).

python docs/render.py            writes docs/reference/ again
python docs/render.py --check    tells which pages are out of date; exit code 1 when one is
python docs/render.py --man DIR  writes the manual page of the command into DIR
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Final

from eilpost.cli import manual
from eilpost.cli.main import eilpost as command_line
from eilpost.cli.sendmail_flags import FLAGS, Takes
from eilpost.config import reference
from eilpost.config.schema import Limits
from eilpost.config.settings import SETTINGS
from eilpost.control.operations import OPERATIONS
from eilpost.inbox import fault_rules, faults, search
from eilpost.journal import EVENTS, Level
from eilpost.mail.reply import Reply, Severity
from eilpost.mail.status import MEANINGS
from eilpost.policy import verdicts
from eilpost.pop3 import replies as pop3_replies
from eilpost.pop3.capabilities import CAPABILITIES
from eilpost.pop3.commands import COMMANDS as POP3_COMMANDS
from eilpost.pop3.phases import PHASES as POP3_PHASES
from eilpost.pop3.replies import Answer
from eilpost.receive.roles import ROLES
from eilpost.smtp import replies
from eilpost.smtp.commands import COMMANDS, NOT_OFFERED, Verb
from eilpost.smtp.extensions import EXTENSIONS
from eilpost.smtp.phases import PHASES, Moves, Phase
from eilpost.web import api_types

DOCS: Final = Path(__file__).resolve().parent
SOURCE: Final = DOCS.parent / "src"
REFERENCE: Final = DOCS / "reference"
NOTE: Final = "<!-- Rendered by docs/render.py from the tables; change those. -->\n"

Row = Sequence[object]


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """A word in the typeface of code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def codes(words: Iterable[object]) -> str:
    """Sorted words in the typeface of code."""
    return ", ".join(code(word) for word in sorted(map(str, words)))


def page(title: str, introduction: str, *parts: str) -> str:
    """A page with its note, title and parts."""
    return "\n".join([NOTE, f"# {title}\n", f"{introduction}\n", *parts])


def commands() -> str:
    """The verbs."""
    rows = (
        (
            code(row.syntax),
            ", ".join(sorted(d.value for d in row.dialects)),
            row.help,
            codes(each.keyword for each in EXTENSIONS.values() if row.verb.value in each.verbs),
            row.rfc,
        )
        for row in COMMANDS.values()
    )
    return page(
        "Commands",
        "What a client may say. Whether it may say it now stands in [phases](phases.md); what comes with an extension, "
        "in [extensions](extensions.md).",
        table(("command", "dialect", "what it does", "offered by", "defined in"), rows),
        f"These verbs of others are known and answered 502 5.5.1: {codes(NOT_OFFERED)}.\n",
    )


def extensions() -> str:
    """The service extensions."""
    rows = (
        (code(row.keyword), codes(row.verbs), codes(row.mail), codes(row.rcpt), row.rfc) for row in EXTENSIONS.values()
    )
    return page(
        "Extensions",
        "What the answer to EHLO and LHLO offers, on both sides. A parameter whose extension was not offered is "
        "refused with 555 5.5.4.",
        table(("keyword", "commands", "parameters of MAIL", "parameters of RCPT", "defined in"), rows),
    )


def phases() -> str:
    """The phases: as a picture and as rows."""
    return page(
        "Phases",
        "A session is in one phase. A command without a row in its phase is out of order, 503 5.5.1. A command with a "
        "row may come, and its reply decides whether the phase changes. Server and client read the same table.",
        "```text\n" + "\n".join(_picture()) + "```\n",
        "2yz and the like are the classes of replies that move the session; every other reply leaves it where it is. "
        "`.` is the end of the content: the dot, or the last chunk. A reply 421 ends the session in any phase.\n",
        "These commands mean the same in every phase that allows commands: "
        f"{', '.join(f'`{verb.value}` {_moves(moves)}' for verb, moves in _everywhere().items())}.\n",
    )


def _everywhere() -> Mapping[Verb, Moves]:
    return PHASES[Phase.SPOILT]


def _picture() -> list[str]:
    lines = []
    for phase, rows in PHASES.items():
        special = {verb: moves for verb, moves in rows.items() if _everywhere().get(verb) != moves}
        lines.append(phase.value + ("" if rows else "   (no command may come)"))
        arrows = [(verb.value, _moves(moves)) for verb, moves in special.items()]
        if rows.keys() >= _everywhere().keys():
            arrows.append(("…", "and what is allowed everywhere"))
        for number, (verb, arrow) in enumerate(arrows, 1):
            lines.append(f"  {'└' if number == len(arrows) else '├'}─ {verb:<5} {arrow}")
        lines.append("")
    return lines


def _moves(moves: Moves) -> str:
    if len(moves) == len(Severity) and len(set(moves.values())) == 1:
        return f"─any reply─▶ {next(iter(moves.values())).value}"
    ways = {phase: [s.value for s, to in moves.items() if to is phase] for phase in dict.fromkeys(moves.values())}
    return (
        ", ".join(f"─{'/'.join(f'{digit}yz' for digit in digits)}─▶ {phase.value}" for phase, digits in ways.items())
        or "(stays)"
    )


def reply_page() -> str:
    """The fixed replies."""
    return page(
        "Replies",
        "What a client is told. The first digit says what to do: 2 done, 3 go on, 4 try again later, 5 never. Trouble "
        "of our own is always 4yz. Replies that carry an id, an address or a parameter are made on the way.",
        "## From the grammar and the phases\n",
        _replies(replies),
        "## From policy\n",
        _replies(verdicts),
    )


def _replies(module: ModuleType) -> str:
    found = [(name, value) for name, value in vars(module).items() if isinstance(value, Reply)]
    rows = (
        (r.code, r.status or "", " ".join(r.lines), code(name))
        for name, r in sorted(found, key=lambda each: (each[1].code, str(each[1].status), each[0]))
    )
    return table(("code", "status", "text", "name"), rows)


def status_codes() -> str:
    """The enhanced status codes."""
    rows = ((code(f"X.{subject}.{detail}"), meaning) for (subject, detail), meaning in MEANINGS.items())
    return page(
        "Enhanced status codes",
        "X is the class: 2 success, 4 try again, 5 never (RFC 3463, RFC 5248). The class tells a program what to do, "
        "the rest tells a person why.",
        table(("code", "what it says"), rows),
    )


def settings() -> str:
    """The configuration."""
    return NOTE + "\n" + reference.render()


def roles() -> str:
    """The listeners' roles."""
    rows = (
        (code(row.role.value), row.dialect.value, "yes" if row.typed else "", "yes" if row.repairs else "")
        for row in ROLES.values()
    )
    return page(
        "Roles",
        "What a listener is for, set by `role` in a `[[listen]]` section.",
        table(("role", "dialect", "takes forms that people type", "completes new messages (RFC 6409 §8)"), rows),
    )


def journal() -> str:
    """The journal's events."""
    parts = []
    for event in EVENTS:
        rows = ((code(field.name), str(field.type)) for field in fields(event))
        parts += [
            f"## {event.event}\n",
            f"{_sentences(event.__doc__)} Level: {event.level.name.lower()}.\n",
            table(("field", "type"), rows),
        ]
    return page(
        "Journal events",
        "What can happen to mail. Each log line is one of these events. The names of events and fields are a public "
        "interface: they may be added to, not changed. Levels: "
        + ", ".join(level.name.lower() for level in Level)
        + ".",
        *parts,
    )


def _sentences(doc: str | None) -> str:
    return " ".join((doc or "").replace("``", "`").split())


def limits() -> str:
    """What is bounded, by setting and by standard."""
    rows = (
        (code(row.key), code(_default(row.key)), row.sentence) for row in SETTINGS.values() if row.section == "limits"
    )
    assert set(SETTINGS) >= {f"limits.{field.name}" for field in fields(Limits)}
    return page(
        "Limits",
        "Nothing a stranger sends is without a bound.",
        "## Set by the operator\n",
        table(("setting", "default", "what it bounds"), rows),
        "## Set by the standards and by us\n",
        table(("limit", "value", "what it is", "where"), _constants()),
    )


def _default(key: str) -> str:
    row = SETTINGS[key]
    return reference.show_value(row, row.default)


CONSTANT: Final = re.compile(r"^(MAX_\w+): Final = ([\d_]+)  # (.+)$", re.MULTILINE)


def _constants() -> Iterable[Row]:
    for path in sorted(SOURCE.rglob("*.py")):
        for name, value, comment in CONSTANT.findall(path.read_text()):
            yield code(name), value.replace("_", ""), comment, code(path.relative_to(SOURCE).as_posix())


def command_line_page() -> str:
    """Every command with its options and examples, and the exit codes."""
    return page("The command line", "", manual.markdown(command_line).partition("\n")[2])


def sendmail() -> str:
    """The flags of sendmail."""
    rows = ((code(f"-{row.letter}"), TAKES[row.takes], row.help) for row in FLAGS.values())
    return page(
        "eilpost-sendmail",
        "What programs call to send mail: meant to be linked as `sendmail`, `mailq` and `newaliases`. It reads a "
        "message on standard input, hands it to the running server, and ends when the message is durable there. When "
        "the server does not answer it ends with 75, and who called tries again.",
        "```sh\nprintf 'Subject: Hello\\n\\nMy first express mail.\\n' | eilpost-sendmail anna@example.test\n```\n",
        table(("flag", "argument", "what it means"), rows),
    )


TAKES: Final = {Takes.NOTHING: "", Takes.ATTACHED: "may stick to it", Takes.ARGUMENT: "one"}


def operations() -> str:
    """The operator's commands."""
    rows = (
        (code(row.name), row.help, codes(row.parameters), "yes" if row.look else "", "yes" if row.changes else "")
        for row in OPERATIONS.values()
    )
    return page(
        "Operations",
        "What an operator can ask of a running server, over the control socket. `eilpost queue` is a face of this "
        "table. What looks only works without a server too; what changes mail wants a filter, or `all`.",
        table(("operation", "what it does", "parameters", "without a server", "changes mail"), rows),
    )


def developers_inbox() -> str:
    """Faults, searches and the API of the developer's inbox."""
    stages = ((code(stage.value), text) for stage, text in faults.STAGES.items())
    keys = ((code(row.name), "condition" if row.is_condition else "action", row.help) for row in KEYS)
    words = (
        (row.help.partition(": ")[0], row.help.partition(": ")[2], code(row.stage.value)) for row in fault_rules.WORDS
    )
    texts = ((code(number), code(status), text) for number, (status, text) in fault_rules.TEXTS.items())
    filters = ((code(f"{row.name}:"), row.help) for row in search.FILTERS.values())
    calls = (
        (code(f"{row.method} /api{row.path}"), row.help, codes(each.name for each in row.parameters)) for row in CALLS
    )
    return page(
        "The developer's inbox",
        "What `eilpost dev` can be asked for. Its flags are in [the command line](command-line.md), and [a page of its "
        "own](../howto/developers-inbox.md) says how to use it.",
        "## Faults\n\nA fault names a stage, conditions and actions: `rcpt to=*@full.test reply=452 probability=0.3`. "
        "In TOML it is a `[[fault]]` table, in the API an object, with the same keys and `stage`.\n",
        table(("stage", "when"), stages),
        table(("key", "kind", "what it means"), keys),
        "## Faults by the address itself\n\nWhat stands behind the last plus of an address asks for a fault; `-data` "
        "or `-end` behind it moves the fault there. In the sender's address it holds at MAIL.\n",
        table(("address", "what happens", "stage"), words),
        "## Replies without a text of their own\n",
        table(("code", "status", "text"), texts),
        "## Searches\n\nAll terms must hold; `-` or `!` in front turns one around; quotes find exact words in a row.\n",
        table(("filter", "finds"), filters),
        "## The API\n\n`/api/openapi.json` describes every body. Beside it stands, under `/api/v1/`, the part of "
        "Mailpit's API v1 that client libraries use.\n",
        table(("call", "what it does", "parameters"), calls),
    )


KEYS: Final = tuple(fault_rules.KEYS.values())
CALLS: Final = api_types.OPERATIONS

SUPPORT: Final = {"yes": "complete", "partial": "in part", "planned": "to come", "no": "no"}


def rfcs() -> str:
    """The standards and how far we keep them."""
    listed = tomllib.loads((DOCS / "rfc.toml").read_text())["rfc"]
    rows = (
        (f"RFC {row['number']}", row["title"], SUPPORT[row["support"]], row.get("note", ""))
        for row in sorted(listed, key=lambda row: int(row["number"]))
    )
    return page(
        "Standards",
        "The documents that Eilpost is written by. A test holds this list against the code and the tests: what is kept "
        "completely or in part is cited at the line that obeys it.",
        table(("document", "title", "kept", "note"), rows),
    )


def pop3() -> str:
    """POP3: commands, capabilities, phases and answers."""
    commands = ((code(row.syntax), row.help, row.rfc) for row in POP3_COMMANDS.values())
    offered = ((code(row.keyword), codes(v.value for v in row.verbs), row.meaning, row.rfc)
               for row in CAPABILITIES.values())  # fmt: skip
    moves = (
        (
            phase.value,
            code(verb.value),
            move.ok.value if move.ok else "(stays)",
            move.err.value if move.err else "(stays)",
        )
        for phase, rows in POP3_PHASES.items()
        for verb, move in rows.items()
    )
    said = ((code(answer), code(name)) for name, answer in vars(pop3_replies).items() if isinstance(answer, Answer))
    return page(
        "POP3",
        "What a client that fetches mail may say, what CAPA offers, where each answer leads, and the fixed answers.",
        "## Commands\n",
        table(("command", "what it does", "defined in"), commands),
        "## Capabilities\n",
        table(("keyword", "commands", "what it means", "defined in"), offered),
        "## Phases\n",
        "A command without a row in its phase is out of order, -ERR.\n",
        table(("phase", "command", "+OK leads to", "-ERR leads to"), moves),
        "## Answers\n",
        table(("answer", "name"), said),
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "command-line": command_line_page,
    "commands": commands,
    "developers-inbox": developers_inbox,
    "eilpost-sendmail": sendmail,
    "extensions": extensions,
    "journal": journal,
    "limits": limits,
    "operations": operations,
    "phases": phases,
    "pop3": pop3,
    "replies": reply_page,
    "rfcs": rfcs,
    "roles": roles,
    "settings": settings,
    "status-codes": status_codes,
}


def render() -> dict[Path, str]:
    """Every page with its text."""
    return {REFERENCE / f"{name}.md": make().rstrip("\n") + "\n" for name, make in PAGES.items()}


def stale() -> list[str]:
    """The pages that do not say what the tables say."""
    return [
        str(path.relative_to(DOCS.parent))
        for path, text in render().items()
        if not path.exists() or path.read_text() != text
    ]


def main() -> None:
    """Writes, or checks."""
    match sys.argv[1:]:
        case []:
            for path, text in render().items():
                path.write_text(text)
        case ["--check"]:
            if found := stale():
                sys.exit(f"out of date: {', '.join(found)}; say: make reference")
        case ["--man", directory]:
            Path(directory).mkdir(parents=True, exist_ok=True)
            (Path(directory) / "eilpost.1").write_text(manual.man_page(command_line, version("eilpost")))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
