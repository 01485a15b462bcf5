"""Faults and releases by page."""

from __future__ import annotations

from eilpost.inbox.release import ReleaseRules
from eilpost.server.handler import Handler
from eilpost.server.server import Server
from eilpost.web.desk_pages import EXAMPLES, MOST_FAULTS
from tests.unit.inbox.samples import arrival, message
from tests.unit.web.house import house


async def test_faults_are_set_a_line_each() -> None:
    """What was typed holds at once and is shown again; an empty box clears all; remarks are left out."""
    async with house() as made:
        answer = await made.web.post("/faults", data={"faults": "# a remark\nrcpt reply=452\n\nend delay=1s\n"})
        assert answer.status_code == 303
        assert [rule.text for rule in made.desk.board.rules] == ["rcpt reply=452", "end delay=1s"]
        assert "rcpt reply=452\nend delay=1s" in (await made.web.get("/faults")).text
        await made.web.post("/faults", data={"faults": ""})
        assert made.desk.board.rules == ()


async def test_a_wrong_fault_is_told_by_its_line() -> None:
    """What was set before stays, the text stays in the box, and the error names line and mend."""
    async with house() as made:
        await made.web.post("/faults", data={"faults": "rcpt reply=452"})
        answer = await made.web.post("/faults", data={"faults": "rcpt reply=550\nrcpt replay=550"})
        assert answer.status_code == 400
        assert "Line 2" in answer.text
        assert "rcpt replay=550" in answer.text
        assert [rule.text for rule in made.desk.board.rules] == ["rcpt reply=452"]
        many = "rcpt reply=452\n" * (MOST_FAULTS + 1)
        assert (await made.web.post("/faults", data={"faults": many})).status_code == 400


async def test_the_examples_are_faults() -> None:
    """Every example of the page can be set as it stands."""
    async with house() as made:
        await made.web.post("/faults", data={"faults": "\n".join(line for line, _ in EXAMPLES)})
        assert len(made.desk.board.rules) == len(EXAMPLES)


async def test_f179_faults_are_not_set_from_elsewhere() -> None:
    """F179: another site's page cannot set faults or release mail."""
    async with house() as made:
        for path in ("/faults", "/message/x/release", "/messages"):
            answer = await made.web.post(
                path, data={"faults": "rcpt reply=550"}, headers={"Origin": "https://evil.example"}
            )
            assert answer.status_code == 403
        assert made.desk.board.rules == ()


async def test_release_is_off_unless_allowed() -> None:
    """Without a server nothing is sent, and the page says what would allow it."""
    async with house() as made:
        taken = await made.inbox.take(arrival(), message())
        answer = await made.web.post(f"/message/{taken.id}/release", data={"to": ""})
        assert answer.status_code == 409
        assert "--release-to" in answer.text
        assert "Send it on" not in (await made.web.get(f"/message/{taken.id}/again")).text


async def test_a_message_is_sent_on_by_page() -> None:
    """With leave the form is there, and the message goes to the server."""
    async with Server(Handler(), port=0) as server:
        rules = ReleaseRules("127.0.0.1", server.port, allowed=("*@example.test",))
        async with house(release=rules) as made:
            taken = await made.inbox.take(arrival(), message())
            assert "Send it on" in (await made.web.get(f"/message/{taken.id}/again")).text
            answer = await made.web.post(f"/message/{taken.id}/release", data={"to": ""})
            assert answer.status_code == 200
            assert "bob@example.test" in answer.text
