"""The operator's commands, over a real store and a real manager."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from eilpost.control.operations import OPERATIONS, Arguments, OperationError, prepare
from eilpost.deliver.agent import Attempt, Job
from eilpost.journal import Operated, Reported
from eilpost.spool.contract import State
from tests.unit.control.conftest import CONTENT, Office, relayed


async def do(office: Office, name: str, **arguments: Any) -> list[Any]:
    operation, parsed = prepare(name, arguments)
    return [item async for item in operation.run(office.desk, parsed)]


async def test_list_shows_each_message_with_its_recipients(office: Office) -> None:
    """What waits is listed oldest first, with state, attempts and the last reply."""
    first = await office.send("x@one.test", "y@two.test")
    await office.send("z@two.test")
    rows = await do(office, "list")
    assert rows[0]["id"] == first.message.id
    assert [len(row["recipients"]) for row in rows] == [2, 1]
    recipient = rows[0]["recipients"][0]
    assert (recipient["state"], recipient["attempts"], recipient["last"]["status"]) == ("deferred", 1, "4.2.1")
    assert recipient["last"]["meaning"] == "the mailbox is disabled"


async def test_list_obeys_the_filter(office: Office) -> None:
    """Only those recipients are listed that the filter means."""
    await office.send("x@one.test", "y@two.test")
    [row] = await do(office, "list", to="@two.test")
    assert [item["address"] for item in row["recipients"]] == ["y@two.test"]
    assert await do(office, "list", sender="nobody@here.test") == []
    assert await do(office, "list", older=3600.0) == []
    assert await do(office, "list", state="held") == []


async def test_list_goes_page_by_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than a page is whole and without repetition."""
    monkeypatch.setattr("eilpost.control.desk.PAGE", 3)
    sent = [(await office.send(f"u{number}@one.test")).message.id for number in range(8)]
    assert [row["id"] for row in await do(office, "list")] == sent


async def test_show_gives_the_entry_and_the_content(office: Office) -> None:
    """A message is shown with its octets as stored, or its header alone."""
    entry = await office.send("x@one.test")
    row, *pieces = await do(office, "show", messages=[entry.message.id], content=True)
    assert row["id"] == entry.message.id
    assert b"".join(base64.b64decode(piece["octets"]) for piece in pieces) == CONTENT
    _, header = await do(office, "show", messages=[entry.message.id], header=True)
    assert base64.b64decode(header["octets"]) == b"Subject: hello\r\n\r\n"


async def test_show_says_when_there_is_no_such_message(office: Office) -> None:
    """An id that is not in the queue is an error with a reason."""
    with pytest.raises(OperationError, match="may have gone out"):
        await do(office, "show", messages=["00000000000"])


async def test_stats_count(office: Office) -> None:
    """Messages, recipients by state and the fullest domains are counted."""
    await office.send("x@one.test", "y@two.test")
    [row] = await do(office, "stats")
    assert (row["messages"], row["recipients"]["deferred"]) == (1, 2)
    assert {item["domain"] for item in row["domains"]} == {"one.test", "two.test"}


async def test_retry_makes_due_now(office: Office) -> None:
    """Recipients that wait for their time are tried at once."""
    await office.send("x@one.test")
    office.agent.script = relayed
    assert await do(office, "retry", to="@one.test") == [{"recipients": 1}]
    while await do(office, "list"):
        await asyncio.sleep(0.002)
    assert office.tried() == ["x@one.test", "x@one.test"]
    assert [event.operation for event in office.events if isinstance(event, Operated)] == ["retry"]


async def test_hold_and_release(office: Office) -> None:
    """Held recipients wait for an operator, whatever their time."""
    await office.send("x@one.test", "y@two.test")
    assert await do(office, "hold", to="x@one.test") == [{"recipients": 1}]
    assert await do(office, "retry", all=True) == [{"recipients": 1}]
    [row] = await do(office, "list", state="held")
    assert [item["address"] for item in row["recipients"]] == ["x@one.test"]
    office.agent.script = relayed
    assert await do(office, "release", to="x@one.test") == [{"recipients": 1}]


async def test_hold_reaches_what_waits_in_memory(office: Office) -> None:
    """A recipient whose turn has not come is taken out of the manager; one under way is not."""
    going = asyncio.Event()

    async def slow(job: Job) -> Attempt:
        await going.wait()
        return relayed(job)

    office.agent.script = slow
    for number in range(3):
        entry = await office.send(f"u{number}@one.test", hand_over=False)
    office.manager.wake()
    while office.agent.busy == 0:
        await asyncio.sleep(0.002)
    assert await do(office, "hold", messages=[entry.message.id], state="active") == [{"recipients": 1}]
    assert await do(office, "hold", to="u0@one.test") == [{"recipients": 0}]
    going.set()
    await office.settled()
    assert office.tried() == ["u0@one.test", "u1@one.test"]
    [row] = await do(office, "list")
    assert (row["id"], row["recipients"][0]["state"]) == (entry.message.id, "held")


async def test_drop_forgets_without_a_report(office: Office) -> None:
    """Dropped mail is gone and nobody is told."""
    await office.send("x@one.test")
    assert await do(office, "drop", all=True) == [{"recipients": 1}]
    assert await do(office, "list") == []
    assert not [event for event in office.events if isinstance(event, Reported)]


async def test_fail_tells_the_sender(office: Office) -> None:
    """Mail that is given up is reported to its sender with the operator's words."""
    await office.send("x@one.test")
    assert await do(office, "fail", to="x@one.test", reason="the domain is gone") == [{"recipients": 1}]
    await office.settled()
    [row] = await do(office, "list")
    assert (row["reverse_path"], row["recipients"][0]["address"]) == ("<>", "a@here.test")
    _, *pieces = await do(office, "show", messages=[row["id"]], content=True)
    assert b"the domain is gone" in b"".join(base64.b64decode(piece["octets"]) for piece in pieces)


async def test_reroute_sends_another_way(office: Office) -> None:
    """Rerouted recipients are tried at their new next hop, now."""
    await office.send("x@one.test")
    office.agent.script = relayed
    await do(office, "reroute", all=True, next_hop="smtp://other.test:2525")
    office.manager.wake()
    while await do(office, "list"):
        await asyncio.sleep(0.002)
    assert str(office.agent.jobs[-1].next_hop) == "smtp://other.test:2525"


async def test_a_next_hop_that_cannot_be_read_changes_nothing(office: Office) -> None:
    """A mistake in the next hop is told, not stored."""
    await office.send("x@one.test")
    with pytest.raises(ValueError, match="next hop"):
        await do(office, "reroute", all=True, next_hop="other.test")
    [row] = await do(office, "list")
    assert row["recipients"][0]["next_hop"] is None


@pytest.mark.parametrize("name", [row.name for row in OPERATIONS.values() if row.changes])
def test_a_change_of_everything_must_be_said(name: str) -> None:
    """A change without a filter is refused unless the whole queue is named."""
    with pytest.raises(OperationError, match="--all"):
        prepare(name, {})
    operation, parsed = prepare(name, {"all": True})
    assert (operation.name, parsed.all) == (name, True)


@pytest.mark.parametrize(
    "arguments", [{"nonsense": 1}, {"older": "long"}, {"state": "lost"}, [], "text", {"reason": "x"}, {"messages": 3}]
)
def test_arguments_that_make_no_sense_are_refused(arguments: object) -> None:
    """Unknown parameters and values of a wrong type are told, never ignored."""
    with pytest.raises(OperationError):
        prepare("list", arguments)


def test_rows_name_parameters_that_exist() -> None:
    """Each row's parameters are fields of the arguments, and its key is its name."""
    for name, row in OPERATIONS.items():
        assert name == row.name
        assert set(row.parameters) <= set(Arguments.__struct_fields__)
        assert row.help.endswith(".")
    assert {state.value for state in State} >= {"deferred", "held"}
