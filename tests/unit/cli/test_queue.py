"""``eilpost queue``, through a control socket and without one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eilpost.cli import queue as module
from eilpost.config.schema import Config, Queue, Server, Spool
from eilpost.control.call import SOCKET_NAME
from eilpost.control.channel import Channel
from eilpost.control.desk import Desk
from eilpost.deliver.agent import Attempt, Job
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import Envelope, Recipient, ReversePath
from eilpost.mail.next_hop import Means, NextHop
from eilpost.mail.outcome import Fate
from eilpost.net.clock import SystemClock
from eilpost.queue.manager import Manager
from eilpost.spool.sqlite import SqliteSpool
from eilpost.testing.agents import ScriptedAgent, answer
from tests.unit.cli.conftest import Run

CONTENT = b"Subject: hello\r\nX-Trick: \x1b[2J\r\n\r\nhello\r\n"
CLOCK = SystemClock()


def deferred(job: Job) -> Attempt:
    return answer(job, Fate.DEFERRED, "4.2.2", "smtp; 452 full \x1b[31mred", clock=CLOCK)


def to_mx(address: Address, _reroute: str) -> NextHop:
    return NextHop(Means.MX, address.domain)


async def serve(data: Path, recipients: tuple[str, ...], ready: Callable[[], None] | None, stop: asyncio.Event) -> None:
    """A queue whose mail was deferred once; with ``ready``, its control socket until ``stop``."""
    spool = await SqliteSpool.open(data / "spool", settings=Spool(), journal=lambda event: None)
    config = Config(server=Server(hostname="mx.example.test"), queue=Queue())
    agents = dict.fromkeys(Means, ScriptedAgent(deferred))
    manager = Manager(spool, agents, to_mx, config, lambda event: None, CLOCK, lambda: 0.5)
    await manager.start()
    for text in recipients:
        draft = spool.draft()
        await draft.write(CONTENT)
        envelope = Envelope(ReversePath(parse_address("a@example.test")), (Recipient(parse_address(text)),))
        manager.accept(await spool.commit(draft, envelope, received=CLOCK.now(), claim=True))
    while manager.in_memory:
        await CLOCK.sleep(0.002)

    async def reload() -> None:
        return None

    if ready is not None:
        channel = Channel(
            data / SOCKET_NAME, Desk(spool, manager, lambda event: None, CLOCK.now, reload), lambda e: None
        )
        await channel.start()
        ready()
        await stop.wait()
        await channel.stop()
    await manager.stop(1.0)
    await spool.close()


RECIPIENTS = ("x@one.test", "y@two.test", '"odd name"@two.test')


@pytest.fixture
def data(config_file: Path) -> Path:
    """The data directory of the configuration."""
    directory = config_file.parent / "var"
    directory.mkdir()
    return directory


@pytest.fixture
def server(data: Path) -> Iterator[None]:
    """A server with three recipients that wait."""
    started = threading.Event()
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        await serve(data, RECIPIENTS, started.set, stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(10)
    yield
    loop, stop = handles[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.fixture
def store(data: Path) -> None:
    """What a server that has stopped left behind."""
    asyncio.run(serve(data, RECIPIENTS, None, asyncio.Event()))


def first_id(run: Run) -> str:
    return str(json.loads(run("queue", "list", "--json").out)[0]["id"])


@pytest.mark.usefixtures("server")
def test_list_is_a_table_for_people(run: Run) -> None:
    """One line for each recipient tells its state and the last reply, without control characters."""
    result = run("queue", "list")
    head, *lines = result.out.splitlines()
    assert head.split()[:3] == ["ID", "AGE", "SIZE"]
    assert [line.split()[5:7] for line in lines[:2]] == [
        ["<a@example.test>", "x@one.test"],
        ["<a@example.test>", "y@two.test"],
    ]
    assert "4.2.2 smtp; 452 full \\x1b[31mred" in lines[0]
    assert "\x1b" not in result.out


@pytest.mark.usefixtures("server")
def test_list_is_one_array_for_programs(run: Run) -> None:
    """JSON has one object for each message, with its recipients."""
    rows = json.loads(run("queue", "list", "--json", "--to", "@two.test").out)
    assert [row["recipients"][0]["address"] for row in rows] == ["y@two.test", '"odd name"@two.test']


@pytest.mark.usefixtures("server")
def test_show_tells_all_of_one_message(run: Run) -> None:
    """Envelope, recipients, and what the last status means in plain words."""
    result = run("queue", "show", first_id(run))
    assert "From        <a@example.test>" in result.out
    assert "State       deferred, 1 attempt made" in result.out
    assert "Status      4.2.2: the mailbox is full" in result.out
    assert "\x1b" not in result.out


@pytest.mark.usefixtures("server")
def test_show_prints_the_message(run: Run) -> None:
    """--content gives a pipe the octets as they are stored, --header their beginning."""
    key = first_id(run)
    assert run("queue", "show", key, "--content").out.encode() == CONTENT
    assert run("queue", "show", key, "--header").out.endswith("X-Trick: \x1b[2J\r\n\r\n")


@pytest.mark.usefixtures("server")
def test_changes_say_how_many(run: Run) -> None:
    """Hold, release, retry and fail tell how many recipients they meant."""
    assert run("queue", "hold", "--to", "@two.test").out == "2 recipients held\n"
    assert run("queue", "release", "--to", "y@two.test").out == "1 recipient released\n"
    assert json.loads(run("queue", "drop", "--state", "held", "--yes", "--json").out) == [{"recipients": 1}]
    assert run("queue", "fail", "--to", "x@one.test", "--reason", "gone").out == "1 recipient failed\n"
    assert run("queue", "reroute", "--to", "@two.test", "--via", "smtp://other.test").code == 0


@pytest.mark.usefixtures("server")
def test_a_change_of_everything_must_be_said(run: Run) -> None:
    """Without a filter nothing is changed, unless --all is said."""
    result = run("queue", "retry")
    assert (result.code, result.out) == (64, "")
    assert "--all" in result.err
    assert run("queue", "retry", "--all").out == "3 recipients are due now\n"


@pytest.mark.usefixtures("server")
def test_drop_asks(run: Run) -> None:
    """Mail is dropped only after a yes."""
    assert run("queue", "drop", "--all", given="n\n").code != 0
    assert len(json.loads(run("queue", "list", "--json").out)) == 3
    assert run("queue", "drop", "--all", given="y\n").out.endswith("3 recipients dropped\n")


def test_drop_asks_only_what_it_can_do(run: Run) -> None:
    """Nobody is asked for a yes to a drop that means nothing."""
    result = run("queue", "drop", given="y\n")
    assert result.code == 64
    assert result.err.startswith("eilpost: say which messages")


@pytest.mark.usefixtures("server")
def test_mistakes_are_one_sentence(run: Run) -> None:
    """A filter that makes no sense, or a message that is gone, is told in one line."""
    for arguments in (("list", "--to", "nonsense"), ("list", "--older", "long"), ("show", "00000000000")):
        result = run("queue", *arguments)
        assert (result.code, result.out) == (64, "")
        assert len(result.err.splitlines()) == 1


@pytest.mark.usefixtures("server")
def test_stats_count(run: Run) -> None:
    """Messages, recipients and octets are counted, for people and for programs."""
    assert run("queue", "stats").out.startswith("3 messages, 3 recipients, ")
    [row] = json.loads(run("queue", "stats", "--json").out)
    assert (row["messages"], row["recipients"]["deferred"]) == (3, 3)


@pytest.mark.usefixtures("store")
def test_without_a_server_looking_goes_on(run: Run) -> None:
    """The store itself is read, and one line says so."""
    result = run("queue", "list", "--json")
    assert [row["recipients"][0]["address"] for row in json.loads(result.out)] == list(RECIPIENTS)
    assert len(result.err.splitlines()) == 1
    assert "not running" in result.err
    assert run("queue", "show", first_id(run), "--content").out.encode() == CONTENT
    assert run("queue", "stats").out.startswith("3 messages")
    assert run("queue", "list", "--to", "nonsense").code == 64


@pytest.mark.usefixtures("store")
def test_without_a_server_nothing_is_changed(run: Run) -> None:
    """A change needs the server; the sentence names the mend."""
    result = run("queue", "retry", "--all")
    assert result.code == 69
    assert "eilpost serve" in result.err


@pytest.mark.usefixtures("data")
def test_without_a_store_nothing_was_taken(run: Run) -> None:
    """A data directory without a spool is told, not raised."""
    result = run("queue", "list")
    assert result.code == 66
    assert "no mail was ever taken" in result.err


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (59.9, "59 s"), (61, "1 min"), (7300, "2 h"), (400_000, "4 d")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    """A span is told in its biggest fitting unit."""
    assert module.age(seconds) == text


def test_sizes_are_short() -> None:
    """Octets are told in their biggest fitting unit."""
    assert [module.size(octets) for octets in (12, 4096, 25_000_000)] == ["12 B", "4.1 KB", "25.0 MB"]
