"""Every dialogue, whole and octet by octet: against the bare machine, and over a socket to a running server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eilpost.testing.dialog import Dialogue, Ground, parse
from eilpost.testing.dialog_machine import run_on_machine
from eilpost.testing.dialog_socket import run_over_socket
from tests.peers.eilpost import Eilpost, Setup, eilpost
from tests.peers.tools import scratch

ROOM = Path(__file__).parent
DIALOGUES = [parse(path.read_text(), path.stem) for path in sorted(ROOM.glob("*.dialog"))]
ROLES = ("mx", "submission", "lmtp")


def setting_of(dialogue: Dialogue) -> str:
    """What a server must be started with; dialogues that agree share one."""
    return json.dumps([dialogue.trusted, sorted(dialogue.settings.items())])


def named(dialogues: list[Dialogue]) -> list[object]:
    """Parameters with the dialogues' names."""
    return [pytest.param(dialogue, id=dialogue.name) for dialogue in dialogues]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("dialogue", named([d for d in DIALOGUES if d.ground is not Ground.SOCKET]))
def test_machine(dialogue: Dialogue, split: bool) -> None:
    """The bare machine answers as the dialogue says."""
    run_on_machine(dialogue, split=split)


class Servers:
    """A running server for each combination of settings, started when it is first asked for."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Eilpost] = {}

    async def get(self, dialogue: Dialogue) -> Eilpost:
        """The server that this dialogue needs."""
        wanted = setting_of(dialogue)
        if wanted not in self._running:
            directory = self._stack.enter_context(scratch("dialogs"))
            self._running[wanted] = await self._stack.enter_async_context(eilpost(directory, _setup(dialogue)))
        return self._running[wanted]


def _setup(dialogue: Dialogue) -> Setup:
    wide = {"limits.connections_per_client": 1000, "limits.messages_per_minute": 0}
    return Setup(
        roles=ROLES,
        trusted=dialogue.trusted,
        accounts=("anna@example.test", "berta@example.test"),
        settings={**wide, **dialogue.settings},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[Servers]:
    """All of them are stopped at the end, and have to end with 0."""
    async with contextlib.AsyncExitStack() as stack:
        yield Servers(stack)


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("dialogue", named([d for d in DIALOGUES if d.ground is not Ground.MACHINE]))
@pytest.mark.asyncio(loop_scope="module")
async def test_socket(servers: Servers, dialogue: Dialogue, split: bool) -> None:
    """The running server answers as the dialogue says."""
    server = await servers.get(dialogue)
    await run_over_socket(dialogue, "127.0.0.1", server.ports[dialogue.role.value], split=split)
