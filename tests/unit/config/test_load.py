"""Finding and reading the configuration."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from eilpost.config.load import find, load, load_all
from eilpost.config.problem import ConfigError
from eilpost.config.schema import LogFormat, Role
from eilpost.net.dev_certificate import prepare

MINIMAL = """\
[server]
hostname = "mx.example.test"
[[listen]]
role = "mx"
address = "127.0.0.1:2525"
[[domain]]
name = "example.test"
"""
TLS = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'


def write(directory: Path, text: str) -> Path:
    file = directory / "eilpost.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(directory: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(directory, text), environment or {})
    return [str(problem).removeprefix(f"{directory}/") for problem in caught.value.problems]


def test_the_contracts_example_is_read(tmp_path: Path) -> None:
    """The example of the documentation gives the values it shows."""
    text = (
        MINIMAL
        + """
[relay]
networks = ["127.0.0.0/8"]
smarthost = "smtp://127.0.0.1:2626"
[dns]
servers = ["127.0.0.1:5353"]
[queue]
retry = ["5m", 900, "1h30m"]
expire = "5d"
[limits]
message_size = "25MB"
[log]
format = "json"
[spool]
inline = 1024
"""
    )
    config = load(write(tmp_path, text), {})

    assert config.server.hostname == "mx.example.test"
    assert config.server.data == str(tmp_path / "var")
    assert config.listen[0].role is Role.MX
    assert config.queue.retry == (300.0, 900.0, 5400.0)
    assert config.limits.message_size == 25_000_000
    assert config.log.format is LogFormat.JSON
    assert config.spool.inline == 1024


def test_an_unknown_key_names_file_line_and_nearest(tmp_path: Path) -> None:
    """A misspelt key is an error with its line and the key that was meant."""
    found = problems(tmp_path, MINIMAL + "[limits]\nrecipents = 100\n")

    assert found == ["eilpost.toml:9: limits.recipents: unknown key; the nearest is 'recipients'"]


def test_an_unknown_section_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt section is an error with its line and the section that was meant."""
    assert problems(tmp_path, MINIMAL + "[qeue]\n") == ["eilpost.toml:8: qeue: unknown section; the nearest is 'queue'"]


def test_a_key_outside_its_section_is_told_where_it_belongs(tmp_path: Path) -> None:
    """A known key in the wrong place is told its section."""
    found = problems(tmp_path, "recipients = 100\n" + MINIMAL + "[tls]\nsmarthost = 1\n")

    assert found == [
        "eilpost.toml:1: recipients: unknown section; a setting of that name belongs in [limits]",
        "eilpost.toml:10: tls.smarthost: unknown key; one of that name belongs in [relay]",
    ]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Wrong types and values in several places are one error with several problems."""
    text = """\
[server]
[[listen]]
role = "pop4"
address = "127.0.0.1"
[limits]
message_size = true
recipients = 0
[queue]
retry = ["soon"]
jitter = 2
[log]
level = "loud"
[relay]
networks = ["10.1.2.3/8"]
[domain]
name = "x"
"""
    endpoint = "host:port, [v6]:port or unix:/path, the port from 0 to 65535"
    assert problems(tmp_path, text) == [
        'eilpost.toml:1: server.hostname: is missing and has no default, such as hostname = "mx.example.org"',
        (
            'eilpost.toml:3: listen[1].role: expected "mx", "submission", "submissions", "lmtp", "pop3" or "pop3s", '
            'but found "pop4"'
        ),
        f'eilpost.toml:4: listen[1].address: expected {endpoint}, but found "127.0.0.1"',
        'eilpost.toml:6: limits.message_size: expected a size such as "25MB", "256KB" or "1GiB", but found true',
        "eilpost.toml:7: limits.recipients: expected at least 1, but found 0",
        'eilpost.toml:9: queue.retry: expected a duration such as "90s", "5m", "4h" or "5d", but found "soon"',
        "eilpost.toml:10: queue.jitter: expected at most 1, but found 2",
        'eilpost.toml:12: log.level: expected "error", "warning", "info" or "debug", but found "loud"',
        'eilpost.toml:14: relay.networks: expected 10.0.0.0/8, without bits beyond the mask, but found "10.1.2.3/8"',
        "eilpost.toml:15: domain: expected the section as [[domain]], in double brackets",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('deliver = "mx:example.test"', "does not deliver here"),
        ("deliver = 3", "expected a text in quotes, but found 3"),
        ("verify = 1", "expected true or false, but found 1"),
        ('catch_all = "nobody"', "expected an address"),
        ('name = "-x-"', "expected a domain"),
    ],
)
def test_values_of_a_domain_are_judged(tmp_path: Path, line: str, expected: str) -> None:
    """Each kind of text has its own grammar, and its error says what is expected."""
    text = MINIMAL.replace('name = "example.test"', line if line.startswith("name") else f'name = "a.test"\n{line}')

    assert expected in problems(tmp_path, text)[0]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    """A syntax error names file and line in one sentence."""
    assert problems(tmp_path, "[server]\nhostname = mx\n") == ["eilpost.toml:2: is no TOML: invalid value"]


def test_f192_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Octets that are not UTF-8 are an error that says so; a byte order mark is not."""
    file = tmp_path / "eilpost.toml"
    file.write_bytes(b'[server]\nhostname = "\xff"\n')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(file, {})

    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load(file, {}).server.hostname == "mx.example.test"


def test_variables_override(tmp_path: Path) -> None:
    """EILPOST_SECTION__KEY overrides texts, numbers, durations, lists and repeated sections."""
    environment = {
        "EILPOST_SERVER__HOSTNAME": "other.example.test",
        "EILPOST_LIMITS__RECIPIENTS": "500",
        "EILPOST_LIMITS__MESSAGE_SIZE": "1MiB",
        "EILPOST_QUEUE__RETRY": "1m, 2m",
        "EILPOST_QUEUE__JITTER": "0.5",
        "EILPOST_RELAY__NETWORKS": '["127.0.0.0/8", "::1/128"]',
        "EILPOST_DELIVERY__PREFER_IPV6": "false",
        "EILPOST_LISTEN__1__ADDRESS": "127.0.0.1:2000",
        "EILPOST_LISTEN__2__ROLE": "lmtp",
        "EILPOST_LISTEN__2__ADDRESS": "unix:lmtp",
        "EILPOST_DEBUG": "1",
    }
    loaded = load_all(write(tmp_path, MINIMAL), environment)
    config = loaded.config

    assert config.server.hostname == "other.example.test"
    assert config.limits.recipients == 500
    assert config.limits.message_size == 2**20
    assert config.queue.retry == (60.0, 120.0)
    assert config.queue.jitter == 0.5
    assert config.relay.networks == ("127.0.0.0/8", "::1/128")
    assert config.delivery.prefer_ipv6 is False
    assert [listener.address for listener in config.listen] == ["127.0.0.1:2000", f"unix:{tmp_path}/lmtp"]
    assert str(loaded.origins[("limits", "recipients")]) == "$EILPOST_LIMITS__RECIPIENTS"
    assert str(loaded.origins[("domain", 0, "name")]) == f"{tmp_path}/eilpost.toml:7"


def test_wrong_variables_are_named(tmp_path: Path) -> None:
    """A variable that names no setting, or holds a wrong value, is an error that names the variable."""
    environment = {
        "EILPOST_LIMITS__RECIPENTS": "1",
        "EILPOST_LIMIT__HOPS": "1",
        "EILPOST_LISTEN__9__ROLE": "mx",
        "EILPOST_LIMITS__HOPS": "many",
    }
    assert problems(tmp_path, MINIMAL, environment) == [
        '$EILPOST_LIMITS__HOPS: limits.hops: expected a whole number, but found "many"',
        "$EILPOST_LIMITS__RECIPENTS: unknown key of [limits]; the nearest is 'recipients'",
        "$EILPOST_LIMIT__HOPS: unknown section; the nearest is 'limits'",
        "$EILPOST_LISTEN__9__ROLE: there are 1 [[listen]]; name one by its number, the next as EILPOST_LISTEN__2__ROLE",
    ]


def test_variables_alone_are_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, variables are enough; paths are relative to where the command runs."""
    monkeypatch.chdir(tmp_path)
    config = load(None, {"EILPOST_SERVER__HOSTNAME": "mx.example.test", "EILPOST_DOMAIN__1__NAME": "example.test"})

    assert config.domain[0].name == "example.test"
    assert config.server.data == str(tmp_path / "var")


def test_the_file_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-c comes before $EILPOST_CONFIG, which comes before ./eilpost.toml; none at all is an error."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no configuration found"):
        find(None, {})
    write(tmp_path, MINIMAL)

    assert find("a.toml", {"EILPOST_CONFIG": "b.toml"}) == Path("a.toml")
    assert find(None, {"EILPOST_CONFIG": "b.toml"}) == Path("b.toml")
    assert find(None, {}) == Path("eilpost.toml")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A file that is named but missing is an error, never silently another file."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", {})


def test_f189_domains_are_kept_as_a_labels(tmp_path: Path) -> None:
    """A domain in Unicode is kept in the form that is compared."""
    config = load(write(tmp_path, MINIMAL.replace("example.test", "bücher.example")), {})

    assert config.domain[0].name == "xn--bcher-kva.example"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Files, sockets and the data directory are seen from where the configuration lies."""
    (tmp_path / "aliases").write_text("root: anna\n")
    text = MINIMAL.replace("127.0.0.1:2525", "unix:run/smtp").replace(
        'name = "example.test"', 'name = "example.test"\ndeliver = "lmtp+unix:run/lmtp"'
    )
    config = load(write(tmp_path, text + '[aliases]\nfile = "aliases"\n'), {})

    assert config.listen[0].address == f"unix:{tmp_path}/run/smtp"
    assert config.domain[0].deliver == f"lmtp+unix:{tmp_path}/run/lmtp"
    assert config.aliases.file == str(tmp_path / "aliases")


def test_a_broken_alias_file_is_an_error(tmp_path: Path) -> None:
    """A server without its aliases would refuse mail it should take, so it does not start."""
    (tmp_path / "aliases").write_text("root: |/bin/sh\n")

    assert "line 1" in problems(tmp_path, MINIMAL + '[aliases]\nfile = "aliases"\n')[0]
    assert "there is no file" in problems(tmp_path, MINIMAL + '[aliases]\nfile = "missing"\n')[0]


def test_a_key_that_all_may_read_is_warned_of(tmp_path: Path) -> None:
    """A private key readable by everybody loads with a warning that tells the mend."""
    made = prepare(tmp_path, [], time.time())
    loaded = load_all(write(tmp_path, MINIMAL + TLS), {})
    assert not loaded.warnings
    Path(made.pair.key).chmod(0o644)
    loaded = load_all(write(tmp_path, MINIMAL + TLS), {})
    assert [problem.what.partition("; ")[2] for problem in loaded.warnings] == ["chmod 600 mends it"]


def test_a_certificate_about_to_expire_is_warned_of(tmp_path: Path) -> None:
    """What is nearly or already over is told, and still used."""
    for age, word in ((390, "expires in 7 days"), (400, "has expired"), (-1, "not valid yet")):
        directory = tmp_path / str(age)
        prepare(directory, [], time.time() - age * 86_400)
        (warning,) = load_all(write(directory, MINIMAL + TLS), {}).warnings
        assert word in warning.what


def test_a_certificate_and_a_foreign_key_are_an_error(tmp_path: Path) -> None:
    """Files that hold nothing of use, or do not belong together, keep the server from starting."""
    made, other = prepare(tmp_path, [], time.time()), prepare(tmp_path / "other", [], time.time())
    file = write(tmp_path, MINIMAL + TLS)
    for octets, word in ((Path(other.pair.key).read_bytes(), "is not the key of"), (b"", "holds no private key")):
        Path(made.pair.key).write_bytes(octets)
        with pytest.raises(ConfigError, match=word):
            load_all(file, {})
    Path(made.pair.certificate).write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="holds no certificate"):
        load_all(file, {})


def test_directories_hold_further_certificates(tmp_path: Path) -> None:
    """Directories as certbot makes them are looked into like [tls] certificate and key."""
    further = tmp_path / "live"
    made = prepare(further, ["example.net"], time.time())
    prepare(tmp_path, [], time.time())
    text = MINIMAL + TLS + 'directories = ["live"]\n'
    with pytest.raises(ConfigError, match=r"there is no file .*live/fullchain\.pem"):
        load_all(write(tmp_path, text), {})
    Path(made.pair.certificate).rename(further / "fullchain.pem")
    Path(made.pair.key).rename(further / "privkey.pem")
    assert load_all(write(tmp_path, text), {}).config.tls.pairs == (
        (f"{tmp_path}/certificate.pem", f"{tmp_path}/key.pem"),
        (f"{further}/fullchain.pem", f"{further}/privkey.pem"),
    )


def test_submissions_needs_a_certificate(tmp_path: Path) -> None:
    """A listener that is encrypted from the first octet cannot do without."""
    text = MINIMAL + '[[listen]]\nrole = "submissions"\naddress = "127.0.0.1:2465"\n'
    with pytest.raises(ConfigError, match=r"needs \[tls\] certificate and key"):
        load_all(write(tmp_path, text), {})
