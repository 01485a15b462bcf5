"""What ``eilpost dev`` was told, checked: each mistake is a sentence that names the flag (a deed)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.config.units import UnitError, parse_duration, parse_size
from eilpost.inbox.contract import Retention, Sorting
from eilpost.inbox.fault_rules import FaultError, rule_of_text, rules_of
from eilpost.inbox.faults import Rule
from eilpost.inbox.release import ReleaseRules
from eilpost.inbox.service import Choices
from eilpost.web.gate import Rules, is_loopback
from eilpost.web.hooks import HookError, checked

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """All of it; ``http`` and ``pop3`` are None where they are off."""

    service: Choices
    http: Endpoint | None
    pop3: Endpoint | None
    tls_directory: Path | None
    users: Mapping[str, str] = field(repr=False)
    tokens: tuple[str, ...] = field(repr=False)
    rules: Rules
    webhooks: tuple[str, ...]
    imports: tuple[Path, ...]
    export: Path | None
    form: str
    quiet: bool


def choose(given: Mapping[str, Any]) -> Chosen:
    """The choices; CommandError names what is wrong and what would be right."""
    smtp = _endpoint("--smtp", given["smtp"])
    http = None if given["http"] == "off" else _endpoint("--http", given["http"])
    users, tokens = _pairs("--user", given["user"]), tuple(given["token"])
    if http is not None and not is_loopback(http.host) and not (users or tokens):
        raise _wrong(
            "--http",
            f"{http} can be reached from other machines, and nobody would have to sign in; "
            "add --user NAME:PASSWORD (or EILPOST_DEV_USER), or listen on 127.0.0.1",
        )
    if given["export"] is not None and given["keep"] is None:
        raise _wrong("--export", "there is nothing to write; name the file with --keep")
    return Chosen(
        service=_service(given, smtp),
        http=http,
        pop3=None if given["pop3"] == "off" else _endpoint("--pop3", given["pop3"]),
        tls_directory=(given["tls_directory"] or _data_directory()) if given["tls"] else None,
        users=users,
        tokens=tokens,
        rules=Rules(frozenset(name.lower() for name in given["http_name"]), frozenset(given["http_origin"])),
        webhooks=tuple(_read("--webhook", checked, url) for url in given["webhook"]),
        imports=tuple(Path(path) for path in given["imports"]),
        export=given["export"],
        form=given["form"],
        quiet=given["quiet"],
    )


def _service(given: Mapping[str, Any], smtp: Endpoint) -> Choices:
    return Choices(
        host=smtp.host,
        port=smtp.port,
        keep=given["keep"],
        retention=Retention(given["newest"], _read("--age", parse_duration, given["age"])),
        sorting=Sorting(given["mailboxes"]),
        faults=_faults(given),
        by_address=given["address_faults"],
        plus_tags=given["plus_tags"],
        accounts=_pairs("--account", given["account"]),
        message_size=_read("--size", parse_size, given["size"]),
        release=_release(given),
    )


def _faults(given: Mapping[str, Any]) -> tuple[Rule, ...]:
    rules = tuple(_read("--fault", rule_of_text, text) for text in given["fault"])
    path = given["faults"]
    if path is None:
        return rules
    try:
        tables = tomllib.loads(Path(path).read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong("--faults", f"{path}: {error}") from None
    listed = tables.get("fault", [])
    if tables.keys() - {"fault"} or not isinstance(listed, list):
        raise _wrong("--faults", f"{path}: has [[fault]] tables and nothing else")
    return rules + _read(f"--faults {path}", rules_of, listed)


def _release(given: Mapping[str, Any]) -> ReleaseRules:
    if not given["release_to"]:
        if given["release_allow"] or given["release_auto"]:
            raise _wrong("--release-to", "names the server that messages are released to; it is missing")
        return ReleaseRules()
    server = _endpoint("--release-to", given["release_to"])
    if not given["release_allow"]:
        raise _wrong("--release-allow", "names who may be written to, as '*@example.org'; it is missing")
    allowed, automatic = tuple(given["release_allow"]), tuple(given["release_auto"])
    return ReleaseRules(server.host, server.port, allowed, automatic, given["release_from"])


def _endpoint(flag: str, text: str) -> Endpoint:
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise _wrong(flag, f"{text!r} is no address; write 127.0.0.1:1025, or [::1]:1025")
    return Endpoint(host or "127.0.0.1", int(port))


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """Names with passwords; an error never shows the password."""
    pairs = {}
    for text in texts:
        name, colon, password = text.partition(":")
        if not (colon and name and password):
            raise _wrong(flag, "is written NAME:PASSWORD")
        pairs[name] = password
    return pairs


def _read(flag: str, read: Callable[[Any], T], text: Any) -> T:
    try:
        return read(text)
    except UnitError as error:
        raise _wrong(flag, f"{text!r} is not {error}") from None
    except (FaultError, HookError) as error:
        raise _wrong(flag, str(error)) from None


def _wrong(flag: str, text: str) -> CommandError:
    return CommandError(f"{flag}: {text}", Exit.USAGE)


def _data_directory() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(base) / "eilpost" / "dev"
