"""Directories of others: a passwd file, a query, and what they have in common."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import Config, Directory, Domain, Duration, Server
from eilpost.directory.dovecot import DovecotSocket
from eilpost.directory.kept import Kept, User
from eilpost.directory.open_sources import default_domain, open_sources
from eilpost.directory.passwd_file import Entry, Skipped, parse
from eilpost.directory.passwd_source import PasswdFile
from eilpost.directory.source import Peer, SourceError, kept_by_hash
from eilpost.directory.sql import SqlQuery
from eilpost.mail.address import parse_address

ANNA = parse_address("anna@example.test")
SSHA = "{SSHA256}9N8zsKbygSkBAVkkm8C+LjZMG4z4lSPJiamiRpDTALe1axy+"
SCRAM = "4096,+YvzQIfxYs+qvtDofFJdiQ==,P9jucNaNqs1H8asKMZqnyyQu5FM=,VV3FmntanWAY4R0epMptp3DvoSQ="
HERE = Peer("s", "submission", "192.0.2.1", tls=True)


async def test_a_passwd_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """The first line of a name counts; a file that is gone is our trouble, and no wrong password."""
    file = tmp_path / "users"
    file.write_text(f"anna:{SSHA}\nANNA@example.test:{{PLAIN}}x\n")
    source = PasswdFile(file, "example.test")
    assert await source.find(parse_address("Anna@example.test")) == User("anna@example.test", Kept(SSHA))
    assert await source.find(parse_address("bert@example.test")) is None

    file.write_text("bert:{PLAIN}y z\n")
    assert await source.find(ANNA) is None
    found = await source.find(parse_address("bert@example.test"))
    assert found == User("bert@example.test", Kept("{PLAIN}y z", secret="y z"))

    os.unlink(file)
    with pytest.raises(SourceError, match="No such file"):
        await source.find(ANNA)


def test_scram_keys_of_others_are_keys() -> None:
    """A {SCRAM-SHA-1} proves SCRAM as well as PLAIN."""
    assert kept_by_hash("{SCRAM-SHA-1}" + SCRAM) == Kept("{SCRAM-SHA-1}" + SCRAM, scram_sha1=SCRAM)
    assert kept_by_hash("$6$x$y") == Kept("$6$x$y")


@given(st.text(max_size=200), st.sampled_from(["", "example.test"]))
def test_whatever_a_file_holds_is_an_entry_or_a_reason(text: str, domain: str) -> None:
    """No line breaks the reading of the others."""
    rows = parse(text, domain)
    assert all(isinstance(row, Entry) or (isinstance(row, Skipped) and row.why) for row in rows)
    assert len(rows) <= text.count("\n") + 1


def database(path: Path) -> Directory:
    """A SQLite file with one user, and the settings for it."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (address TEXT, password TEXT)")
        connection.execute("INSERT INTO users VALUES ('anna@example.test', ?)", (SSHA,))
    connection.close()
    return Directory(kind="sql", file=str(path))


async def test_a_query_is_asked_with_bound_values(tmp_path: Path) -> None:
    """What a client calls itself is never a part of the query."""
    source = SqlQuery(database(tmp_path / "users.db"))
    assert await source.find(ANNA) == User("anna@example.test", Kept(SSHA))
    assert await source.find(parse_address("\"x' OR '1'='1\"@example.test")) is None
    source.close()


async def test_a_query_may_name_the_account(tmp_path: Path) -> None:
    """A column account spells the address; :local and :domain are its parts."""
    settings = database(tmp_path / "users.db")
    query = "SELECT 'Anna@' || :domain AS account, password FROM users WHERE address LIKE :local || '@%'"
    source = SqlQuery(Directory(kind="sql", file=settings.file, query=query))
    assert await source.find(ANNA) == User("Anna@example.test", Kept(SSHA))
    source.close()


@pytest.mark.parametrize("query", ["SELECT nothing FROM nowhere", "DELETE FROM users", "no sql"])
async def test_a_broken_query_is_our_trouble(tmp_path: Path, query: str) -> None:
    """SourceError, and the database stays as it was."""
    settings = database(tmp_path / "users.db")
    source = SqlQuery(Directory(kind="sql", file=settings.file, query=query))
    with pytest.raises(SourceError, match="the database says"):
        await source.find(ANNA)
    source.close()


async def test_a_dovecot_that_is_not_there_is_our_trouble(tmp_path: Path) -> None:
    """SourceError with the socket's name."""
    with pytest.raises(SourceError, match="cannot be asked"):
        await DovecotSocket(str(tmp_path / "none"), 1.0).check(ANNA, "x", HERE)


async def _served(path: Path, script: list[bytes]) -> tuple[Callable[[], Awaitable[object]], list[bytes]]:
    """A Dovecot by script: its greeting, then an answer for each request."""
    heard: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        writer.write(script[0])
        heard.append(await reader.readline())
        heard.append(await reader.readline())
        for answer in script[1:]:
            heard.append(await reader.readline())
            writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)

    async def stop() -> None:
        server.close()
        await asyncio.gather(*tasks)

    return stop, heard


HANDSHAKE = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tab\nDONE\n"


async def test_dovecot_is_asked_by_its_own_protocol(tmp_path: Path) -> None:
    """AUTH PLAIN with the client's address; OK names the user, FAIL is no, a trouble of its own is neither."""
    path = tmp_path / "auth"
    script = [HANDSHAKE, b"OK\t1\tuser=Anna@example.test\n", b"FAIL\t2\tuser=anna\n", b"FAIL\t3\ttemp\n"]
    stop, heard = await _served(path, script)
    source = DovecotSocket(str(path), 5.0)
    assert await source.check(ANNA, "ge\theim", HERE) == "Anna@example.test"
    assert await source.check(ANNA, "x", HERE) is None
    with pytest.raises(SourceError, match="trouble of its own"):
        await source.check(ANNA, "x", HERE)

    assert (
        heard[2] == b"AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.1\tsecured\tresp=AGFubmFAZXhhbXBsZS50ZXN0AGdlCWhlaW0=\n"
    )
    source.close()
    await stop()


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"VERSION\t2\t0\nDONE\n", "another version"),
        (b"VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n", "does not offer PLAIN"),
        (b"x" * 20_000, "cannot be asked"),
    ],
)
async def test_a_strange_dovecot_is_refused(tmp_path: Path, greeting: bytes, why: str) -> None:
    """Each mishap is a sentence, never an answer."""
    path = tmp_path / "auth"
    stop, _ = await _served(path, [greeting])
    source = DovecotSocket(str(path), 5.0)
    with pytest.raises(SourceError, match=why):
        await source.check(ANNA, "x", HERE)
    source.close()
    await stop()


async def test_a_dovecot_that_breaks_off_is_called_again(tmp_path: Path) -> None:
    """Who waited is told at once, and the next one gets a new connection."""
    path = tmp_path / "auth"
    stop, _ = await _served(path, [HANDSHAKE, b"OK\t1\n"])
    source = DovecotSocket(str(path), 5.0)
    assert await source.check(ANNA, "x", HERE) == "anna@example.test"
    source.close()
    assert await source.check(ANNA, "x", HERE) == "anna@example.test"
    source.close()
    await stop()


@pytest.mark.parametrize("kind", ["store", "passwd", "sql", "dovecot"])
async def test_each_kind_is_opened(tmp_path: Path, kind: str) -> None:
    """What the settings name is whom a login asks."""
    config = Config(
        Server("mx.example.test", str(tmp_path)),
        domain=(Domain("example.test"),),
        directory=Directory(kind=kind, file=str(tmp_path / "x"), timeout=Duration(1.0)),
    )
    opened = open_sources(config, str(tmp_path))
    assert (opened.sources.finder is None) == (kind == "dovecot")
    assert len(opened.sources.pepper) == 32
    assert opened.sources.domain == "example.test"
    opened.close()


def test_the_domain_of_bare_names() -> None:
    """As the setting says, else the only domain, else none."""
    one, two = (Domain("a.test"),), (Domain("a.test"), Domain("b.test"))
    server = Server("mx.example.test")
    assert default_domain(Config(server, domain=one)) == "a.test"
    assert default_domain(Config(server, domain=two)) == ""
    assert default_domain(Config(server, domain=two, directory=Directory(domain="b.test"))) == "b.test"
