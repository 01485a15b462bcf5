"""The wiring: the one module that knows every room, and lets none know another (a deed).

    listeners ─▶ reception ─▶ spool ─▶ manager ─▶ agents

What needs root comes first (``Sockets``), then root is given up, then ``System`` runs. It starts
from the inside out and stops from the outside in: nobody is let in before there is a place for
their mail, and the spool closes last.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eilpost.config.problem import ConfigError
from eilpost.config.schema import Config, Limits, Listen, Role
from eilpost.config.values import Endpoint, parse_endpoint
from eilpost.control.channel import Channel
from eilpost.control.desk import Desk
from eilpost.deliver.agent import Agent
from eilpost.deliver.credentials import SmarthostLogin
from eilpost.deliver.lmtp import Lmtp
from eilpost.deliver.local import Local
from eilpost.deliver.relay import Relay
from eilpost.directory.after_pop import AfterPop
from eilpost.directory.alias_file import AliasFile
from eilpost.directory.authenticator import Authenticator
from eilpost.directory.lookup import Directory
from eilpost.directory.oauth import token_checker
from eilpost.directory.open_sources import open_sources
from eilpost.directory.store import DirectoryError
from eilpost.journal import Journal, SystemChanged, Warned
from eilpost.mail.address import Address, parse_address
from eilpost.mail.answer import Found
from eilpost.mail.next_hop import Means, NextHop
from eilpost.maildrop.delivery import Maildirs
from eilpost.maildrop.drops import MaildirDrops
from eilpost.maildrop.place import place
from eilpost.net import daemon, listen
from eilpost.net.clock import SystemClock
from eilpost.net.dns import Resolver
from eilpost.net.hosts import Hosts
from eilpost.net.tls import KeyPair, Keys, KeysError, Lock
from eilpost.policy.peer import fitting, parse_networks
from eilpost.queue.manager import Manager
from eilpost.receive.authenticate import Logins
from eilpost.receive.house import BLOCK, House, Ways
from eilpost.receive.inquiry import Inquiry
from eilpost.receive.ownership import ownership
from eilpost.receive.reception import Reception
from eilpost.receive.roles import ROLES
from eilpost.retrieve import house as retrieve
from eilpost.retrieve.door import Retrieval
from eilpost.route import choose, expand, mx
from eilpost.spool.contract import Entry, SpoolError, State
from eilpost.spool.sqlite import SqliteSpool

SUBMIT_SOCKET: Final = "submit.sock"
CONTROL_SOCKET: Final = "control.sock"
SUBMIT_MODE: Final = 0o666
"""Every local user may send; who it was is known by the socket's credentials."""

UNIX_MODE: Final = 0o660
GRACE: Final = 8.0
"""Seconds that sessions and attempts under way have to end; systemd waits 90."""

FILES: Final = 65_536
"""Open files that a system counts on when nobody says how many it may have."""

REVERSE_BUDGET: Final = 2.0
"""Seconds to find a client's name in DNS (F133)."""

NAMES_TRIED: Final = 3
"""Names of one address that are looked at."""


@dataclass(frozen=True, slots=True)
class Door:
    """A bound listener, and what comes in by it."""

    role: Role
    listener: listen.Listener


def bind(config: Config) -> tuple[Door, ...]:
    """Binds every address of the configuration. ListenError; may need root."""
    passed = listen.passed_sockets()
    doors = [Door(row.role, listen.Listener(_socket(parse_endpoint(row.address), passed))) for row in config.listen]
    submit = str(Path(config.server.data) / SUBMIT_SOCKET)
    doors.append(Door(Role.SUBMISSION, listen.Listener(listen.bind_unix(submit, SUBMIT_MODE, passed))))
    listen.refuse_unused(passed)
    return tuple(doors)


def _socket(endpoint: Endpoint, passed: list[socket.socket]) -> socket.socket:
    if endpoint.path:
        return listen.bind_unix(endpoint.path, UNIX_MODE, passed)
    return listen.bind_tcp(endpoint.host, endpoint.port, passed)


class System:
    """The running mail system."""

    def __init__(
        self,
        config: Config,
        doors: Iterable[Door],
        journal: Journal,
        reread: Callable[[], Config],
        files: int = FILES,
    ) -> None:
        self._config = config
        self._files = files
        self._reread = reread
        self._doors = tuple(doors)
        self._journal = journal
        self._stop = asyncio.Event()
        self._routes = choose.routes(config.domain, config.relay)
        self._keys = self._open_keys(config)

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serves until ``stop`` is called. SpoolError, DirectoryError when it cannot begin."""
        self._journal(SystemChanged("starting"))
        data = Path(self._config.server.data)
        self._directory = self._open_directory(self._config)
        self._sources = open_sources(self._config, self._config.server.data)
        self._authenticator = Authenticator(
            self._sources.sources, self._config.auth, self._journal, tokens=token_checker(self._config.oauth)
        )
        spool = await SqliteSpool.open(data / "spool", settings=self._config.spool, journal=self._journal)
        try:
            await self._serve(spool, data, on_ready)
        finally:
            await spool.close()
            self._authenticator.close()
            self._sources.close()
            self._directory.close()
            self._journal(SystemChanged("stopped"))

    async def _serve(self, spool: SqliteSpool, data: Path, on_ready: Callable[[], None]) -> None:
        resolver = Resolver(self._config.dns)
        agents = self._agents(resolver, data)
        manager = Manager(
            spool, agents, self._choose, self._config, self._journal, SystemClock(), random.SystemRandom().random
        )
        self._after_pop = AfterPop(data) if self._config.smtp_after_pop.enabled else None
        desk = Desk(spool, manager, self._journal, time.time, self._reload_for_operator)
        self._reception = self._open_reception(spool, manager, resolver, desk)
        drops = MaildirDrops(lambda account: self._home(parse_address(account)))
        self._retrieval = self._open_retrieval(drops)
        channel = Channel(data / CONTROL_SOCKET, desk, self._journal)
        await manager.start()
        await channel.start()
        for door in self._doors:
            tls = self._keys.asking if self._keys is not None and _is_implicit(door.role) else None
            enter = self._retrieval.door(door.role) if door.role.is_pop3 else self._reception.door(door.role)
            await door.listener.start(enter, tls)
        self._journal(SystemChanged("ready", ", ".join(f"{d.role.value} {d.listener.address}" for d in self._doors)))
        on_ready()
        await self._stop.wait()
        self._journal(SystemChanged("stopping"))
        for door in self._doors:
            door.listener.close()
        await asyncio.gather(self._reception.stop(GRACE), self._retrieval.stop(GRACE))
        drops.close()
        await channel.stop()
        await manager.stop(GRACE)
        for agent in agents.values():
            await agent.close()
        await resolver.close()

    def stop(self) -> None:
        """Takes nothing new, lets finish what runs, then ``run`` returns."""
        self._stop.set()

    def reload(self) -> None:
        """Reads the configuration again; a wrong one is told, and the old one stays (E59)."""
        try:
            config = self._reread()
            directory = self._open_directory(config)
            sources = open_sources(config, self._config.server.data)
            self._reload_keys(config)
        except (ConfigError, DirectoryError, KeysError, OSError) as error:
            self._journal(Warned("the new configuration is not used", str(error).replace("\n", "; ")))
            raise
        self._warn_of_restart(config)
        self._directory.close()
        self._directory = directory
        before, self._sources = self._sources, sources
        self._authenticator.reload(sources.sources, config.auth, token_checker(config.oauth))
        self._routes = choose.routes(config.domain, config.relay)
        limits = fitting(config.limits, self._files)
        logins = self._logins(config, limits)
        networks = parse_networks(config.relay.networks)
        self._reception.reload(limits, networks, self._inquiry(config), logins)
        self._retrieval.reload(_retrieve_rules(config, limits), networks, logins.authenticator, keys=logins.keys)
        before.close()
        self._journal(SystemChanged("reloaded"))

    async def _reload_for_operator(self) -> None:
        self.reload()

    def _warn_of_restart(self, config: Config) -> None:
        """What cannot change while running is named."""
        for what, before, after in (
            ("listen", self._config.listen, config.listen),
            ("server", self._config.server, config.server),
            ("dns", self._config.dns, config.dns),
            ("delivery", self._config.delivery, config.delivery),
            ("queue", self._config.queue, config.queue),
            ("spool", self._config.spool, config.spool),
            ("auth.hashing_threads", self._config.auth.hashing_threads, config.auth.hashing_threads),
            ("smtp_after_pop", self._config.smtp_after_pop.enabled, config.smtp_after_pop.enabled),
        ):
            if before != after:
                self._journal(Warned("restart needed", f"[{what}] has changed and counts from the next start"))

    # --- the rooms

    def _open_keys(self, config: Config) -> Keys | None:
        if not config.tls.pairs:
            return None
        return Keys(_lock(config), lambda why: self._journal(Warned("certificate", why)))

    def _reload_keys(self, config: Config) -> None:
        if self._keys is not None and config.tls.pairs:
            self._keys.reload(_lock(config))
        elif self._keys is not None or config.tls.pairs:
            self._journal(Warned("restart needed", "[tls] came or went, and counts from the next start"))

    def _open_directory(self, config: Config) -> Directory:
        aliases = None
        if config.aliases.file:
            aliases = AliasFile(config.aliases.file, lambda why: self._journal(Warned("aliases", why)))
        return Directory(self._config.server.data, aliases)  # another place counts from the next start

    def _inquiry(self, config: Config) -> Inquiry:
        return Inquiry(
            expand.homes(config.domain, config.aliases, config.server.postmaster),
            lambda address: self._directory.known(address),
            self._journal,
        )

    def _logins(self, config: Config, limits: Limits) -> Logins:
        granted = ownership(config.sender, config.aliases.delimiter)
        keys = self._sources.sources.finder is not None
        starttls, hostname = self._keys is not None, config.server.hostname
        return Logins(config.auth, limits, hostname, self._authenticator, granted, keys=keys, starttls=starttls)

    def _open_reception(self, spool: SqliteSpool, manager: Manager, resolver: Resolver, desk: Desk) -> Reception:
        config = self._config

        def accept(entry: Entry) -> None:
            if entry.recipients[0].state is State.ACTIVE:
                manager.accept(entry)
            else:
                manager.leave(entry)

        async def reverse(address: str) -> str:
            return await _verified_name(resolver, address)

        look_up = reverse if config.server.reverse_dns else None
        inline = max(config.spool.inline, BLOCK)
        ways = Ways(spool, manager.waits_until, accept, daemon.user_name, look_up, inline, desk.retry)
        limits = fitting(config.limits, self._files)
        house = House(
            config.server.hostname,
            limits,
            self._inquiry(config),
            self._logins(config, limits),
            ways,
            self._journal,
            self._keys,
            config.tls.handshake_deadline,
        )
        after_pop = self._after_pop.account if self._after_pop is not None else None
        return Reception(house, parse_networks(config.relay.networks), after_pop)

    def _open_retrieval(self, drops: MaildirDrops) -> Retrieval:
        config = self._config
        ways = retrieve.Ways(
            self._authenticator,
            drops,
            self._after_pop.open if self._after_pop is not None else None,
            self._keys.asking if self._keys is not None else None,
            self._sources.sources.finder is not None,
            lambda: self._reception.guests,
        )
        rules = _retrieve_rules(config, fitting(config.limits, self._files))
        house = retrieve.House(config.server.hostname, rules, ways, self._journal)
        return Retrieval(house, parse_networks(config.relay.networks), daemon.user_name)

    def _agents(self, resolver: Resolver, data: Path) -> dict[Means, Agent]:
        config = self._config
        hosts = Hosts(resolver, config.delivery, ourselves=_ourselves(config), system_names=not config.dns.servers)
        login = SmarthostLogin(config.relay)
        hostname = config.server.hostname
        relay = Relay(config.delivery, hosts.hosts, hostname=hostname, find_login=login, journal=self._journal)
        return {
            Means.MX: relay,
            Means.SMTP: relay,
            Means.LMTP: Lmtp(config.delivery, hostname=config.server.hostname),
            Means.MAILDIR: Local(Maildirs(config.server.hostname), self._home),
        }

    def _home(self, address: Address) -> str | None:
        account = self._directory.account(address)
        if account is not None:
            home = account.address
        elif address.is_postmaster:
            home = Address("postmaster", address.domain)  # RFC 5321 §4.5.1: taken with or without an account
        else:
            return None
        return f"{self._config.server.data}/mail/{place(home)}"

    def _choose(self, address: Address, reroute: str) -> NextHop:
        return choose.choose(address, self._routes, reroute)


def _ourselves(config: Config) -> mx.Self:
    """Our names, and our addresses where the port of other mail servers is ours too (RFC 5321 §5.1)."""
    own = [_mx_endpoint(row) for row in config.listen if row.role is Role.MX]
    addresses = {end.host for end in own if end.port == config.delivery.port and end.host not in ("0.0.0.0", "::", "")}
    return mx.Self(frozenset({config.server.hostname.lower()}), frozenset(addresses))


def _is_implicit(role: Role) -> bool:
    """Whether TLS begins with the first octet."""
    return role is Role.POP3S or (role in ROLES and ROLES[role].implicit)


def _retrieve_rules(config: Config, limits: Limits) -> retrieve.Rules:
    return retrieve.Rules(limits, config.auth, config.pop3, config.smtp_after_pop, config.tls.handshake_deadline)


def _lock(config: Config) -> Lock:
    """What our handshakes follow."""
    pairs = tuple(KeyPair(certificate, key) for certificate, key in config.tls.pairs)
    return Lock(pairs, config.tls.minimum, config.tls.client_authorities)


def _mx_endpoint(row: Listen) -> Endpoint:
    return parse_endpoint(row.address)


async def _verified_name(resolver: Resolver, address: str) -> str:
    """The name DNS gives to an address, if the name leads back to it; empty if not, or not in time."""
    try:
        async with asyncio.timeout(REVERSE_BUDGET):
            names = await resolver.names(address)
            for name in names.records[:NAMES_TRIED] if isinstance(names, Found) else ():
                addresses = await (resolver.ipv6 if ":" in address else resolver.ipv4)(name)
                if isinstance(addresses, Found) and address in addresses.records:
                    return name
    except TimeoutError:
        pass
    return ""


def prepare_data(config: Config, *, user: str) -> None:
    """Makes the data directory for ``user``, where one is given. OSError says why it cannot be used."""
    data = Path(config.server.data)
    if not data.exists():
        data.mkdir(mode=0o711, parents=True)  # also where the mask would let everybody write (E33)
    if user and not daemon.may_write(str(data), user):
        if any(data.iterdir()):
            why = f"it is not writable by {user}, whom the server becomes; mend it with: chown -R {user} {data}"
            raise PermissionError(errno.EACCES, why, str(data))
        daemon.give(str(data), user)
    # Local users reach the submission socket; what is private lies in directories of its own.
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o711 != 0o711:
        data.chmod(mode | 0o711)


__all__ = ["Door", "SpoolError", "System", "bind", "prepare_data"]
