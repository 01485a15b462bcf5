"""``eilpost serve``: the mail system in the foreground (a deed).

Order matters: the configuration is read and ports are bound while we may still be root; then root
is given up, and only then anything of a peer's is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import click

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.cli.options import config_option, example

if TYPE_CHECKING:
    from eilpost.config.schema import Config
    from eilpost.system import System

NO_CERTIFICATE: Final = (
    "there is no certificate, so STARTTLS is not offered and mail comes in clear; get one with "
    "`certbot certonly --standalone -d NAME` and name its files in [tls]"
)


@click.command(epilog=example("eilpost serve -c /etc/eilpost/eilpost.toml", "eilpost serve --demo"))
@config_option
@click.option("--demo", is_flag=True, help="Run with a demo domain and accounts under ./var/demo, on loopback alone.")
def serve(config_file: str | None, demo: bool) -> None:
    """Run the mail system in the foreground.

    SIGTERM ends it when what runs is finished; SIGHUP reads the configuration again. It says
    "ready" on standard error, and to systemd, when it serves.
    """
    from eilpost.config.load import load_all
    from eilpost.config.schema import Role

    if demo:
        from eilpost.cli.demo import prepare

        config_file = prepare()
    loaded = load_all(config_file)
    for warning in loaded.warnings:
        click.echo(f"eilpost: warning: {warning}", err=True)
    if not loaded.config.tls.pairs and any(row.role is not Role.LMTP for row in loaded.config.listen):
        click.echo(f"eilpost: warning: {NO_CERTIFICATE}", err=True)
    _run(loaded.config, config_file, announce=_announce_demo(loaded.config) if demo else None)


def _announce_demo(config: Config) -> Callable[[], None]:
    from eilpost.cli.demo import announce

    return lambda: announce(config)


def _run(config: Config, config_file: str | None, *, announce: Callable[[], None] | None) -> None:
    from eilpost.config.load import load_all
    from eilpost.journal import Level, Warned
    from eilpost.logs.sink import LogSink
    from eilpost.net import daemon
    from eilpost.net.listen import ListenError
    from eilpost.net.tls import KeysError
    from eilpost.policy.peer import RESERVED_FILES, fitting
    from eilpost.system import System, bind, prepare_data

    user = _user(config)
    prepare_data(config, user=user)
    try:
        doors = bind(config)
    except ListenError as error:
        raise CommandError(str(error), Exit.UNAVAILABLE) from None
    files = daemon.raise_file_limit(config.limits.connections + RESERVED_FILES)
    if user:
        daemon.become(user)
    journal = LogSink(Level[config.log.level.upper()], config.log.format)

    def reread() -> Config:
        again = load_all(config_file).config
        journal.level = Level[again.log.level.upper()]
        return again

    try:
        if daemon.is_root() and config.server.user:
            journal(Warned("running as root", f"there is no user {config.server.user!r}; make it, or set server.user"))
        room = fitting(config.limits, files).connections
        if room < config.limits.connections:
            journal(Warned("few open files allowed", f"{files}, so {room} connections at most; raise LimitNOFILE"))
        _loop(lambda: _serve(lambda: System(config, doors, journal, reread, files), announce))
    except KeysError as error:
        raise CommandError(str(error), Exit.CONFIG) from None
    finally:
        journal.close()


def _user(config: Config) -> str:
    """Whom to become: nobody else, unless we are root and the user exists."""
    from eilpost.net import daemon

    name = config.server.user
    return name if name and daemon.is_root() and daemon.user_exists(name) else ""


def _loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The fastest event loop there is; asyncio's own where uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


async def _serve(make: Callable[[], System], announce: Callable[[], None] | None) -> None:
    from eilpost.net import daemon

    system = make()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        daemon.notify("STOPPING=1")
        system.stop()

    def reload() -> None:
        # What is wrong is in the log by now; a signal has nobody to tell.
        with contextlib.suppress(Exception):
            system.reload()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)

    def ready() -> None:
        daemon.notify("READY=1")
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        if announce is not None:
            announce()

    await system.run(ready)
