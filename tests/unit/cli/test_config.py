"""``eilpost config`` and ``eilpost domain``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from eilpost.cli.exits import Exit


def test_a_good_configuration_checks(run: Any, config_file: Path) -> None:
    """A usable file exits with 0 and says so."""
    result = run("config", "check")

    assert result.code == Exit.OK
    assert result.out == f"{config_file}: no errors, no warnings\n"


def test_everything_wrong_is_listed(run: Any, config_file: Path) -> None:
    """Errors and warnings are listed with file and line, and exit with EX_CONFIG; JSON is one array."""
    config_file.write_text(config_file.read_text() + "[limits]\nrecipents = 3\nhops = -1\n")
    result = run("config", "check")
    assert result.code == Exit.CONFIG
    assert result.out.splitlines() == [
        f"error: {config_file}:12: limits.recipents: unknown key; the nearest is 'recipients'",
        f"error: {config_file}:13: limits.hops: expected at least 1, but found -1",
        f"{config_file}: 2 errors, no warnings",
    ]

    result = run("config", "check", "--json")
    assert result.code == Exit.CONFIG
    assert [(problem["line"], problem["key"]) for problem in json.loads(result.out)] == [
        (12, "limits.recipents"), (13, "limits.hops"),
    ]  # fmt: skip


def test_a_warning_does_not_fail(run: Any, config_file: Path) -> None:
    """Warnings are listed and the exit code is 0."""
    config_file.write_text(config_file.read_text() + "[limits]\nrecipients = 99\n")
    result = run("config", "check")

    assert result.code == Exit.OK
    assert "warning: " in result.out
    assert "RFC 5321" in result.out


def test_settings_are_shown_with_where_they_come_from(
    run: Any, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value in force comes from the default, a line of the file, or a variable."""
    monkeypatch.setenv("EILPOST_LIMITS__HOPS", "30")
    rows = {row["key"]: row for row in json.loads(run("config", "show", "--json").out)}

    assert rows["queue.expire"] == {"key": "queue.expire", "value": '"5d"', "from": "default"}
    assert rows["domain[2].name"]["from"] == f"{config_file}:9"
    assert rows["limits.hops"] == {"key": "limits.hops", "value": "30", "from": "$EILPOST_LIMITS__HOPS"}


def test_some_settings_are_shown(run: Any, config_file: Path) -> None:
    """Keys and sections choose; an unknown one names the nearest."""
    result = run("config", "show", "queue.retry", "dns")
    keys = [line.split()[0] for line in result.out.splitlines()]
    assert keys == ["KEY", "dns.servers", "dns.timeout", "dns.cache", "queue.retry"]

    result = run("config", "show", "queue.rety")
    assert result.code == Exit.USAGE
    assert "the nearest is 'queue.retry'" in result.err


def test_the_reference_is_a_file_to_begin_with(run: Any) -> None:
    """What is printed is TOML; --markdown prints the manual's page."""
    assert tomllib.loads(run("config", "reference").out)["server"]["hostname"] == "mx.example.org"
    assert run("config", "reference", "--markdown").out.startswith("# Configuration\n")


def test_a_setting_is_explained(run: Any, config_file: Path) -> None:
    """Its sentence, type, default, variable and value here are told."""
    out = run("config", "explain", "limits.recipients").out

    assert "RFC 5321" in out
    assert "EILPOST_LIMITS__RECIPIENTS" in out
    assert "here:     100 (limits.recipients, from default)" in out


def test_explaining_needs_no_configuration(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration the table alone answers; a bare name finds its section."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EILPOST_CONFIG", raising=False)

    assert "here:" not in run("config", "explain", "queue.retry").out
    assert "queue.retry: " in run("config", "explain", "queue").out
    assert "'queue.retry'" in run("config", "explain", "retry").err


def test_domains_are_listed(run: Any, config_file: Path) -> None:
    """Domains are shown as people read them, and as they are compared in JSON."""
    assert "bücher.example  lmtp://127.0.0.1:24" in run("domain", "list").out
    assert [row["domain"] for row in json.loads(run("domain", "list", "--json").out)] == [
        "example.test", "xn--bcher-kva.example",
    ]  # fmt: skip
