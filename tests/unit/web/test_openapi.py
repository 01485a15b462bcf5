"""The OpenAPI document is true: answers are what it says, whatever is asked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx

from eilpost.web.app import app
from eilpost.web.serve import WebServer
from tests.unit.inbox.samples import arrival, message, mixed
from tests.unit.web.house import house

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ENDLESS = ("/api/events", "/api/wait")


async def test_answers_are_what_the_document_says(tmp_path: Path) -> None:
    """Schemathesis asks all that ends, rightly and wrongly: no 500, no answer that is not described."""
    async with house() as made, WebServer(app(made.desk), "127.0.0.1", 0) as server:
        for content in (message(), mixed()):
            await made.inbox.take(arrival(), content)
        left_out = [word for path in ENDLESS for word in ("--exclude-path", path)]
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
            f"http://127.0.0.1:{server.port}/api/openapi.json", "--checks", CHECKS, "--max-examples", "5",
            "--phases", "coverage,fuzzing", "--seed", "1", *left_out,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        told, _ = await asking.communicate()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/api/stats")).status_code == 200
    assert b"FAILURES" not in told, told.decode()[-6_000:]
    assert b"17 passed" in told or b"18 passed" in told, told.decode()[-3_000:]
