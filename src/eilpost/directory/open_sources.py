"""Opens the directory that the settings name (a table; a deed)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from eilpost.config.schema import Config
from eilpost.directory.dovecot import DovecotSocket
from eilpost.directory.embedded import Embedded
from eilpost.directory.last_use import LastUse
from eilpost.directory.passwd_source import PasswdFile
from eilpost.directory.source import Sources
from eilpost.directory.sql import SqlQuery


@dataclass(frozen=True, slots=True)
class Opened:
    """Whom to ask, and how to end it."""

    sources: Sources
    close: Callable[[], None]


def open_sources(config: Config, data: str) -> Opened:
    """``data`` is the directory in use. SourceError, DirectoryError when it cannot be used at all."""
    return _OPEN[config.directory.kind](config, data)


def default_domain(config: Config) -> str:
    """The domain of user names without one; empty when nobody can know."""
    if config.directory.domain:
        return config.directory.domain
    return config.domain[0].name if len(config.domain) == 1 else ""


def _store(config: Config, data: str) -> Opened:
    source = Embedded(data)
    return Opened(
        Sources(finder=source, keeper=source, pepper=source.pepper(), domain=default_domain(config)), source.close
    )


def _passwd(config: Config, data: str) -> Opened:
    source = PasswdFile(config.directory.file, default_domain(config))
    return Opened(Sources(finder=source, pepper=LastUse(data).pepper(), domain=default_domain(config)), _nothing)


def _sql(config: Config, data: str) -> Opened:
    source = SqlQuery(config.directory)
    return Opened(Sources(finder=source, pepper=LastUse(data).pepper(), domain=default_domain(config)), source.close)


def _dovecot(config: Config, data: str) -> Opened:
    source = DovecotSocket(config.directory.socket, config.directory.timeout)
    return Opened(Sources(checker=source, pepper=LastUse(data).pepper(), domain=default_domain(config)), source.close)


def _nothing() -> None:
    """A file is open only while it is read."""


_OPEN: Final[Mapping[str, Callable[[Config, str], Opened]]] = {
    "store": _store,
    "passwd": _passwd,
    "sql": _sql,
    "dovecot": _dovecot,
}
