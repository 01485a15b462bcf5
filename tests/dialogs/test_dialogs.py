"""Every dialogue, whole and octet by octet: against the bare machine, and over a socket to a running server."""

from __future__ import annotations

import itertools
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Eilpost]:
    """One server for all dialogues with the same settings."""
    trusted, settings = json.loads(request.param)
    setup = Setup(
        roles=ROLES,
        trusted=trusted,
        accounts=("anna@example.test", "berta@example.test"),
        settings={"limits.connections_per_client": 1000, "limits.messages_per_minute": 0, **dict(settings)},
    )
    with scratch("dialogs") as directory:
        async with eilpost(directory, setup) as running:
            yield running


ON_SOCKET = sorted((d for d in DIALOGUES if d.ground is not Ground.MACHINE), key=setting_of)
PAIRS = [
    pytest.param(setting, dialogue, id=dialogue.name)
    for setting, group in itertools.groupby(ON_SOCKET, setting_of)
    for dialogue in group
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize(("server", "dialogue"), PAIRS, indirect=["server"])
@pytest.mark.asyncio(loop_scope="module")
async def test_socket(server: Eilpost, dialogue: Dialogue, split: bool) -> None:
    """The running server answers as the dialogue says."""
    await run_over_socket(dialogue, "127.0.0.1", server.ports[dialogue.role.value], split=split)
