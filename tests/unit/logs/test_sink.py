"""The thread that writes the log."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eilpost.config.schema import LogFormat
from eilpost.journal import Level, Removed, SystemChanged, Warned
from eilpost.logs.sink import LogSink


def clock() -> float:
    """A clock that stands still."""
    return 1764000000.25


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file to log to."""
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


def lines(fd: int) -> list[str]:
    """What was written."""
    return os.pread(fd, 10_000_000, 0).decode().splitlines()


def test_events_become_lines_in_order(file: int) -> None:
    """Every event is a line with its time, in the order of the calls, and close writes all."""
    sink = LogSink(fd=file, clock=clock)
    for number in range(1000):
        sink(Warned(f"n{number}"))
    sink.close()

    assert lines(file) == [f"2025-11-24T16:00:00.250Z warning what=n{number}" for number in range(1000)]
    assert sink.lost == 0


def test_events_below_the_level_are_not_written(file: int) -> None:
    """The level holds from one event to the next, as a reload changes it."""
    sink = LogSink(Level.WARNING, fd=file, clock=clock)
    sink(SystemChanged("ready"))
    sink.level = Level.DEBUG
    sink(Removed("m1"))
    sink.close()

    assert [line.split()[1] for line in lines(file)] == ["removed"]


def test_the_format_may_be_json(file: int) -> None:
    """With JSON each line is an object."""
    sink = LogSink(format=LogFormat.JSON, fd=file, clock=clock)
    sink(SystemChanged("ready"))
    sink.close()

    assert lines(file)[0].startswith('{"time":"2025-11-24T16:00:00.250Z","event":"system","level":"info"')


def test_many_threads_may_write(file: int) -> None:
    """Events of several threads come whole."""
    sink = LogSink(fd=file, clock=clock)

    def write() -> None:
        for _ in range(200):
            sink(Warned("x" * 50))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()

    assert len(lines(file)) == 800
    assert all(len(line) == len(lines(file)[0]) for line in lines(file))


@pytest.mark.parametrize("blocking", [True, False])
def test_e29_a_stopped_reader_costs_lines_and_no_time(blocking: bool) -> None:
    """When nobody reads, calls return, the buffer is bounded, and the gap is told afterwards."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    sink = LogSink(fd=writer, clock=clock, capacity=100)
    for _ in range(5000):
        sink(Warned("x" * 500))

    lost = sink.lost
    assert lost > 3000

    received = bytearray()

    def drain() -> None:
        while chunk := os.read(reader, 65536):
            received.extend(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    sink.close(timeout=10)
    os.close(writer)
    thread.join()
    os.close(reader)

    events = [line.split()[1] for line in received.decode().splitlines()]
    told = [int(line.partition("count=")[2]) for line in received.decode().splitlines() if "lines-lost" in line]
    assert events.count("warning") + sum(told) == 5000
    assert sum(told) == lost


def test_e29_close_does_not_wait_for_a_reader_that_never_reads() -> None:
    """Close gives up after its time."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink = LogSink(fd=writer, clock=clock)
    for _ in range(1000):
        sink(Warned("x" * 500))
    sink.close(timeout=0.05)

    os.close(reader)
    os.close(writer)


def test_e29_a_broken_descriptor_is_survived() -> None:
    """A descriptor that takes nothing costs the events and raises nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    sink = LogSink(fd=writer, clock=clock)
    sink(Warned("nobody reads this"))
    sink.close()
    sink(Warned("nor this"))
    os.close(writer)

    assert sink.lost == 2
