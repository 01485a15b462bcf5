"""Finds, reads and judges the configuration (a deed)."""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from eilpost.config.check import FileFact, check
from eilpost.config.convert import Reading, convert
from eilpost.config.lines import find_lines, line_of
from eilpost.config.overlay import PREFIX, Overlay, lay_over
from eilpost.config.problem import ConfigError, Finding, KeyPath, Problem, Severity, show_path
from eilpost.config.schema import Config, Kind
from eilpost.config.values import GRAMMARS, Complaint, Grammar
from eilpost.mail.next_hop import NextHop
from eilpost.route.aliases_file import parse_aliases
from eilpost.route.urls import NextHopError, parse_deliver, parse_smarthost

VARIABLE: Final = "EILPOST_CONFIG"
PLACES: Final = (Path("eilpost.toml"), Path("/etc/eilpost/eilpost.toml"))
_AT = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def _url(parse: Callable[[str], NextHop]) -> Grammar:
    """Routing's grammar as a setting's: the text stays as it is."""

    def read(text: str) -> str:
        try:
            if text:
                parse(text)
        except NextHopError as error:
            raise Complaint(str(error)) from None
        return text

    return read


_GRAMMARS: Final[Mapping[Kind, Grammar]] = {
    **GRAMMARS,
    Kind.DELIVERY: _url(parse_deliver),
    Kind.SMARTHOST: _url(parse_smarthost),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from; ``line`` 0 with a place is an environment variable."""

    place: str = ""
    line: int = 0

    def __str__(self) -> str:
        if not self.place:
            return "default"
        return f"{self.place}:{self.line}" if self.line else self.place


@dataclass(frozen=True, slots=True)
class Loaded:
    """A usable configuration, its file (None: all from the environment), and what is to be warned of."""

    config: Config
    file: Path | None
    origins: Mapping[KeyPath, Origin]
    warnings: tuple[Problem, ...]


def load(file: Path | str | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration; ConfigError with every error that was found."""
    return load_all(file, environment).config


def load_all(file: Path | str | None = None, environment: Mapping[str, str] = os.environ) -> Loaded:
    """The configuration with where each value comes from; ConfigError with errors and warnings."""
    path = find(file, environment)
    text = _read(path) if path else ""
    source = _Source(path, find_lines(text) if path else {}, lay_over(_parse(path, text), environment))
    result = convert(source.overlay.tree, Reading(_GRAMMARS, _resolver(path)))
    problems = [source.variable_problem(name, finding) for name, finding in source.overlay.findings]
    problems += map(source.problem, result.findings)
    if result.config is None or problems:
        raise ConfigError(_in_order(problems))
    problems += map(source.problem, check(result.config, _look(result.config)))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(_in_order(problems))
    return Loaded(result.config, path, source.origins(), _in_order(problems))


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.place, problem.line)))


def find(file: Path | str | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file: as given, of $EILPOST_CONFIG, or the first that exists; None when variables say it all."""
    named = file or environment.get(VARIABLE)
    if named:
        return Path(named)
    for place in PLACES:
        if place.is_file():
            return place
    if any(name.startswith(PREFIX) and "__" in name for name in environment):
        return None
    looked = ", ".join(map(str, PLACES))
    what = f"no configuration found at {looked}; name one with -c FILE, or write one with: eilpost config reference"
    raise ConfigError((Problem(Severity.ERROR, "", 0, "", what),))


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path | None
    lines: Mapping[KeyPath, int]
    overlay: Overlay

    def problem(self, finding: Finding) -> Problem:
        variable = self.overlay.variables.get(finding.path)
        key = show_path(finding.path)
        if variable:
            return Problem(finding.severity, f"${variable}", 0, key, finding.what)
        place = str(self.path) if self.path else "environment"
        return Problem(finding.severity, place, line_of(finding.path, self.lines), key, finding.what)

    def variable_problem(self, name: str, finding: Finding) -> Problem:
        return Problem(finding.severity, f"${name}", 0, "", finding.what)

    def origins(self) -> dict[KeyPath, Origin]:
        found = {path: Origin(str(self.path), line) for path, line in self.lines.items()}
        return found | {path: Origin(f"${name}") for path, name in self.overlay.variables.items()}


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"is not UTF-8 (octet {error.start + 1})") from None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None


def _unreadable(path: Path, what: str, line: int = 0) -> ConfigError:
    return ConfigError((Problem(Severity.ERROR, str(path), line, "", what),))


def _parse(path: Path | None, text: str) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        what = _AT.sub("", str(error))
        raise _unreadable(path, f"is no TOML: {what[:1].lower()}{what[1:]}", line) from None


@dataclass(frozen=True, slots=True)
class _Base:
    directory: Path

    def __call__(self, text: str) -> str:
        return os.path.normpath(self.directory / text) if text else ""


def _resolver(path: Path | None) -> _Base:
    return _Base(path.absolute().parent if path else Path.cwd())


def _look(config: Config) -> dict[str, FileFact]:
    """Facts about the files that the configuration names."""
    facts = _look_at_keys(config) | {
        name: _stat(name) for name in (config.directory.file, config.directory.socket) if name
    }
    secrets = (config.relay.password_file, config.relay.token_file, config.oauth.client_secret_file)
    facts |= {name: _stat(name) for name in secrets if name}
    aliases = config.aliases.file
    return facts | {aliases: _read_through(aliases)} if aliases else facts


def _look_at_keys(config: Config) -> dict[str, FileFact]:
    """Certificates and keys: that they are there, belong together, and for how long they are good."""
    tls = config.tls
    others = (tls.certificate, tls.key, tls.client_authorities, config.delivery.authorities)
    facts = {name: _stat(name) for name in (*others, *(name for pair in tls.pairs for name in pair)) if name}
    for certificate, key in tls.pairs:
        if facts[certificate].exists and facts[key].exists:
            facts[certificate] = _see(certificate, facts[certificate])
            if not facts[certificate].fault:
                facts[key] = replace(facts[key], fault=_mismatch(certificate, key))
    return facts


def _see(certificate: str, fact: FileFact) -> FileFact:
    from eilpost.trust.certificate import CertificateError, expiry, read

    try:
        return replace(fact, warning=expiry(read(Path(certificate).read_bytes()), time.time()))
    except PermissionError:
        return fact  # whoever runs the server may be allowed
    except (CertificateError, OSError) as error:
        return replace(fact, fault=_cause(error))


def _mismatch(certificate: str, key: str) -> str:
    from eilpost.trust.certificate import CertificateError, fits

    try:
        is_fitting = fits(Path(certificate).read_bytes(), Path(key).read_bytes())
    except PermissionError:
        return ""
    except (CertificateError, OSError) as error:
        return _cause(error)
    return "" if is_fitting else f"is not the key of {certificate}"


def _cause(error: ValueError | OSError) -> str:
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _stat(name: str) -> FileFact:
    try:
        return FileFact(True, os.stat(name).st_mode)
    except PermissionError:
        return FileFact(True)  # whoever runs the server may be allowed
    except OSError:
        return FileFact(False)


def _read_through(name: str) -> FileFact:
    fact = _stat(name)
    try:
        if fact.exists:
            parse_aliases(Path(name).read_text(encoding="utf-8"))
    except PermissionError:
        return fact
    except OSError as error:
        return FileFact(True, fact.mode, f"cannot be read: {error.strerror}")
    except ValueError as error:
        return FileFact(True, fact.mode, str(error))
    return fact
