"""The commands as a manual: one tree, shown as a man page or as Markdown (a grammar)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import click

from eilpost.cli.exits import Exit

_EXITS: Final[Mapping[Exit, str]] = {
    Exit.OK: "done",
    Exit.USAGE: "the command line is wrong",
    Exit.DATAERR: "an address or other input is wrong",
    Exit.NOINPUT: "a file is missing",
    Exit.NOUSER: "there is no such account or alias",
    Exit.NOHOST: "the domain is not at home here",
    Exit.UNAVAILABLE: "a server does not answer",
    Exit.SOFTWARE: "a fault of Eilpost",
    Exit.CANTCREAT: "it exists already",
    Exit.IOERR: "reading or writing failed",
    Exit.TEMPFAIL: "try again later",
    Exit.NOPERM: "not permitted",
    Exit.CONFIG: "the configuration is wrong",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: how it is called, what it does, its options, and examples."""

    path: str
    usage: str
    text: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]


def entries(command: click.Command, path: str = "eilpost", parent: click.Context | None = None) -> Iterator[Entry]:
    """The command and all below it, in the order of their help."""
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    records = (
        parameter.get_help_record(context)
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
    )
    options = tuple(record for record in records if record is not None)
    yield Entry(path, usage, _paragraphs(command.help or ""), options, _examples(command.epilog or ""))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from entries(inner, f"{path} {name}", context)


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip())


def _examples(epilog: str) -> tuple[str, ...]:
    _, _, lines = epilog.partition("Example:\n")
    return tuple(line.strip() for line in lines.splitlines())


def markdown(root: click.Command) -> str:
    """One page: a heading for each command, its usage, options and examples."""
    parts = ["# Commands\n"]
    for entry in entries(root):
        parts += [f"## `{entry.path}`\n", f"```\n{entry.usage}\n```\n", *(f"{part}\n" for part in entry.text)]
        if entry.options:
            rows = "\n".join(f"| `{_cell(names)}` | {_cell(text)} |" for names, text in entry.options)
            parts.append(f"| option | what it does |\n|---|---|\n{rows}\n")
        if entry.examples:
            parts.append("```console\n" + "\n".join(f"$ {line}" for line in entry.examples) + "\n```\n")
    rows = "\n".join(f"| {int(code)} | `EX_{code.name}` | {meaning} |" for code, meaning in _EXITS.items())
    return "\n".join([*parts, "## Exit codes\n", f"| code | name | meaning |\n|---|---|---|\n{rows}\n"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def man_page(root: click.Command, version: str) -> str:
    """``eilpost.1`` in man(7)."""
    top, *rest = entries(root)
    lines = [f'.TH EILPOST 1 "" "Eilpost {version}" "Mail"', ".SH NAME", f"eilpost \\- {_roff(top.text[0])}"]
    lines += [".SH SYNOPSIS", f".B {_roff(top.usage)}", ".SH OPTIONS", *_man_options(top), ".SH COMMANDS"]
    for entry in rest:
        lines += [f".SS {_roff(entry.usage)}", *_joined(".PP", entry.text), *_man_options(entry), *_man_examples(entry)]
    lines += [".SH EXAMPLES", *_man_examples(top), ".SH EXIT STATUS"]
    for code, meaning in _EXITS.items():
        lines += [".TP", f".B {int(code)}", _roff(meaning)]
    lines += [".SH FILES", ".TP", ".I eilpost.toml, /etc/eilpost/eilpost.toml"]
    lines += ["The configuration, where neither \\-c nor EILPOST_CONFIG names another."]
    return "\n".join(lines) + "\n"


def _joined(macro: str, paragraphs: tuple[str, ...]) -> Iterator[str]:
    for part in paragraphs:
        yield from (macro, _roff(part))


def _man_options(entry: Entry) -> Iterator[str]:
    for names, text in entry.options:
        yield from (".TP", f".B {_roff(names)}", _roff(text))


def _man_examples(entry: Entry) -> Iterator[str]:
    if entry.examples:
        yield from (".PP", ".nf", *(f"    {_roff(line)}" for line in entry.examples), ".fi")


def _roff(text: str) -> str:
    r"""Text that troff leaves alone: no escapes, no requests, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
