"""The control socket, with the blocking client at its other end."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eilpost.control import channel as module
from eilpost.control.call import CallError, NotRunning, call
from eilpost.control.channel import Channel, ControlSocketError
from eilpost.control.operations import prepare
from tests.unit.control.conftest import Office


@pytest.fixture
async def path(office: Office, tmp_path: Path) -> AsyncIterator[Path]:
    """A channel that serves the office."""
    served = tmp_path / "control.sock"
    channel = Channel(served, office.desk, office.events.append)
    await channel.start()
    yield served
    await channel.stop()
    assert not served.exists()


async def ask(path: Path, operation: str, **arguments: Any) -> list[Any]:
    return await asyncio.to_thread(lambda: list(call(path, operation, arguments, timeout=10.0)))


async def raw(path: Path, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(octets)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_items_come_back_in_order(path: Path, office: Office) -> None:
    """A question is answered by its items and an end."""
    for number in range(5):
        await office.send(f"u{number}@one.test")
    rows = await ask(path, "list")
    assert [row["recipients"][0]["address"] for row in rows] == [f"u{number}@one.test" for number in range(5)]
    assert await ask(path, "ping") == [{"alive": True}]
    assert await ask(path, "reload") == [{"reloaded": True}]
    assert office.reloads == ["now"]
    assert [row["health"] for row in await ask(path, "destinations")] == []


async def test_only_our_user_can_open_it(path: Path) -> None:
    """The socket's file is for its owner alone."""
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600


async def test_others_are_not_heard(office: Office, tmp_path: Path) -> None:
    """Another user who got hold of the socket is hung up on, whatever the file's mode."""
    path = tmp_path / "control.sock"
    channel = Channel(path, office.desk, office.events.append, heard=frozenset({65533}))
    await channel.start()
    with pytest.raises(NotRunning, match="its own user alone"):
        await ask(path, "ping")
    await channel.stop()


async def test_mistakes_are_told_in_one_sentence(path: Path) -> None:
    """A request that makes no sense gets a reason, and the connection serves the next."""
    with pytest.raises(CallError, match="there is no operation 'dance'") as caught:
        await ask(path, "dance")
    assert caught.value.kind == "usage"
    with pytest.raises(CallError, match="--all"):
        await ask(path, "drop")
    lines = (await raw(path, b'nonsense\n{"operation": "ping"}\n')).splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["error", "kind"], ["item"], ["end"]]


async def test_a_closed_store_is_told(path: Path, office: Office) -> None:
    """Trouble of the store is an answer of its own kind."""
    await office.spool.close()
    with pytest.raises(CallError) as caught:
        await ask(path, "hold", all=True)
    assert caught.value.kind == "spool"


async def test_a_request_without_end_is_refused(path: Path) -> None:
    """A line beyond the limit is refused; memory stays bounded."""
    assert b"longer than" in await raw(path, b"x" * 600_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ).map(lambda value: json.dumps({"operation": "list", "arguments": value}).encode())
)
def test_any_request_is_answered_with_items_or_an_error(line: bytes) -> None:
    """Whatever comes, the parser returns or says ValueError."""
    try:
        name, arguments = module._parse(line)
        prepare(name, arguments)
    except ValueError:
        pass


async def test_a_stale_socket_is_replaced(office: Office, tmp_path: Path) -> None:
    """What a crash left behind does not keep the server from starting."""
    path = tmp_path / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    channel = Channel(path, office.desk, office.events.append)
    await channel.start()
    assert await ask(path, "ping") == [{"alive": True}]
    await channel.stop()


async def test_a_socket_that_answers_is_left_alone(path: Path, office: Office) -> None:
    """A second server does not take the first one's socket."""
    with pytest.raises(ControlSocketError, match="another server"):
        await Channel(path, office.desk, office.events.append).start()
    assert await ask(path, "ping") == [{"alive": True}]


async def test_a_file_in_the_way_is_left_alone(office: Office, tmp_path: Path) -> None:
    """Something that is no socket is never removed."""
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="is no socket"):
        await Channel(path, office.desk, office.events.append).start()
    assert path.read_text() == "precious"


async def test_without_a_server_the_client_says_so(tmp_path: Path) -> None:
    """No socket, or one that nobody listens on, is not an OSError with a number."""
    with pytest.raises(NotRunning):
        await ask(tmp_path / "control.sock", "ping")
