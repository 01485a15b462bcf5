"""Whether settings make sense together (decisions).

``convert`` has looked at each value alone. Here an error is what would lose mail, open a relay or
keep the server from starting; a warning is what an operator hardly means.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eilpost.config.problem import Finding, KeyPath, Severity
from eilpost.config.schema import CHAIN_NAME, KB, KEY_NAME, MINUTE, Config, Role
from eilpost.config.values import Endpoint, parse_endpoint
from eilpost.mail.address import AddressError, parse_address, to_unicode
from eilpost.mail.encryption import Encryption
from eilpost.route.urls import parse_smarthost

SMTP_PORT: Final = 25
RFC_RECIPIENTS: Final = 100  # RFC 5321 §4.5.3.1.8
RFC_MESSAGE_SIZE: Final = 64 * KB  # RFC 5321 §4.5.3.1.7
RFC_IDLE: Final = 10 * MINUTE  # RFC 1939 §3
RFC_END_TIMEOUT: Final = 10 * MINUTE  # RFC 5321 §4.5.3.2.6
_WIDE: Final = {4: 8, 6: 19}  # prefix lengths below which a relay network is bigger than anybody's
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})
_READABLE_BY_ALL: Final = 0o004
_SAFE_URL: Final = re.compile(r"https://[^/@]+|http://(?:127\.0\.0\.1|\[::1\])(?::\d+)?(?:/|\Z)", re.ASCII)
_FROM_USERS: Final = frozenset({Role.SUBMISSION, Role.SUBMISSIONS, Role.POP3, Role.POP3S})
_ENCRYPTED: Final = frozenset({Role.SUBMISSIONS, Role.POP3S})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class FileFact:
    """What the loader saw of a file that the configuration names.

    ``fault`` is what is wrong inside, ``warning`` what an operator should know of it.
    """

    exists: bool
    mode: int = 0
    fault: str = ""
    warning: str = ""


def check(config: Config, files: Mapping[str, FileFact]) -> tuple[Finding, ...]:
    """All findings, in the order of the rules; ``files`` are facts by path."""
    facts = _Facts(config, files)
    return tuple(finding for rule in RULES for finding in rule(facts))


@dataclass(frozen=True, slots=True)
class _Facts:
    config: Config
    files: Mapping[str, FileFact]


def _warning(path: KeyPath, what: str) -> Finding:
    return Finding(path, what, Severity.WARNING)


def _hostname(facts: _Facts) -> Iterator[Finding]:
    path = ("server", "hostname")
    name = facts.config.server.hostname
    labels = name.split(".")
    if labels[-1].isdigit():
        yield Finding(path, f"{name} is an IP address or part of one; expected a host name")
    elif len(labels) == 1 or labels[-1] == "localdomain" or name.endswith(".localhost"):
        yield _warning(path, f"{name} is no name that others can look up; many servers refuse mail from it")


def _data_directory(facts: _Facts) -> Iterator[Finding]:
    if not facts.config.server.data:
        yield Finding(("server", "data"), "is empty; expected the directory for spool, accounts and mail")


def _listeners(facts: _Facts) -> Iterator[Finding]:
    listeners = facts.config.listen
    if not listeners:
        yield _warning(("listen",), "there is no [[listen]], so no mail can come in")
    seen: list[tuple[int, Endpoint]] = []
    for number, listener in enumerate(listeners):
        endpoint = parse_endpoint(listener.address)
        path: KeyPath = ("listen", number, "address")
        for other, earlier in seen:
            if _collide(endpoint, earlier):
                yield Finding(path, f"{endpoint} is taken by listen[{other + 1}] already ({earlier})")
                break
        seen.append((number, endpoint))


def _collide(one: Endpoint, other: Endpoint) -> bool:
    if one.path or other.path:
        return one.path == other.path
    if one.port != other.port or one.port == 0:
        return False
    if one.host == other.host:
        return True
    return (":" in one.host) == (":" in other.host) and not _WILDCARDS.isdisjoint({one.host, other.host})


def _lmtp_open_to_all(facts: _Facts) -> Iterator[Finding]:
    for number, listener in enumerate(facts.config.listen):
        endpoint = parse_endpoint(listener.address)
        if listener.role is Role.LMTP and endpoint.port == 25:  # RFC 2033 §5
            yield Finding(("listen", number, "address"), "LMTP must not be spoken on port 25")
        if listener.role is Role.LMTP and endpoint.host in _WILDCARDS:
            yield _warning(("listen", number, "address"), "LMTP without login listens on every address of this machine")


def _domains(facts: _Facts) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, domain in enumerate(facts.config.domain):
        if domain.name in seen:
            what = f"{to_unicode(domain.name)} is domain[{seen[domain.name] + 1}] already"
            yield Finding(("domain", number, "name"), what)
        seen.setdefault(domain.name, number)
    if not seen and any(listener.role not in _FROM_USERS for listener in facts.config.listen):
        yield _warning(("domain",), "there is no [[domain]], so mail for nobody is accepted")


def _delivery(facts: _Facts) -> Iterator[Finding]:
    for number, domain in enumerate(facts.config.domain):
        if not domain.deliver:
            yield Finding(("domain", number, "deliver"), "is empty; expected maildir, or an LMTP server")
        if not domain.verify and domain.deliver == "maildir":
            what = "false has no meaning with maildir: unknown names have no mailbox"
            yield _warning(("domain", number, "verify"), what)
        if not domain.verify and domain.catch_all:
            yield _warning(("domain", number, "catch_all"), "is never used when verify is false")


def _local_addresses(facts: _Facts) -> Iterator[Finding]:
    """A catch-all or postmaster at a domain that is nearly one of ours is a slip of the pen."""
    wanted: list[tuple[KeyPath, str]] = [(("server", "postmaster"), facts.config.server.postmaster)]
    wanted += [(("domain", number, "catch_all"), domain.catch_all) for number, domain in enumerate(facts.config.domain)]
    names = [domain.name for domain in facts.config.domain]
    for path, text in wanted:
        domain = parse_address(text).domain if text else ""
        near = difflib.get_close_matches(domain, names, n=1, cutoff=0.85) if domain and domain not in names else []
        if near:
            yield _warning(path, f"{domain} is not a domain of this server; the nearest is {near[0]}")


def _relay_networks(facts: _Facts) -> Iterator[Finding]:
    path = ("relay", "networks")
    networks = [_canonical(ipaddress.ip_network(text)) for text in facts.config.relay.networks]
    whole: list[Network] = [
        *ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network)),
        *ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv6Network)),
    ]
    if any(net.prefixlen == 0 for net in whole):
        yield Finding(path, "everybody may relay: this is an open relay; name only your own networks")
        return
    for net in whole:
        if net.prefixlen < _WIDE[net.version]:
            yield _warning(path, f"{net} is wider than any network of your own; everybody in it may relay")


def _canonical(network: Network) -> Network:
    """IPv4 clients are compared as IPv4, even when written as ``::ffff:0:0/96`` (F071)."""
    if network.version == 6 and network.prefixlen >= 96:
        mapped = ipaddress.IPv6Address(network.network_address).ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _smarthost(facts: _Facts) -> Iterator[Finding]:
    smarthost = facts.config.relay.smarthost
    if not smarthost:
        return
    next_hop = parse_smarthost(smarthost)
    target = Endpoint(next_hop.host, next_hop.port)
    for number, listener in enumerate(facts.config.listen):
        if _collide(target, parse_endpoint(listener.address)):
            yield Finding(("relay", "smarthost"), f"leads back to listen[{number + 1}] of this server: a loop")


def _smarthost_login(facts: _Facts) -> Iterator[Finding]:
    relay = facts.config.relay
    named = [name for name, file in (("password_file", relay.password_file), ("token_file", relay.token_file)) if file]
    if not relay.user:
        if named:
            yield Finding(("relay", "user"), f"is missing; {named[0]} is the secret of somebody")
        return
    if not relay.smarthost:
        yield Finding(("relay", "user"), "logs in at the smarthost, and there is none")
    elif len(named) != 1:
        yield Finding(("relay", "password_file"), "is missing; a login needs it, or token_file, and not both")
    for name in named:
        file = relay.token_file if name == "token_file" else relay.password_file
        if not facts.files[file].exists:
            yield Finding(("relay", name), f"there is no file {file}")
        elif facts.files[file].mode & _READABLE_BY_ALL:
            yield _warning(("relay", name), f"{file} can be read by everybody on this machine; chmod 600 mends it")
    if relay.smarthost and parse_smarthost(relay.smarthost).protection is not Encryption.VERIFY:
        yield _warning(
            ("relay", "smarthost"),
            "is not verified, so no password is shown to it, only SCRAM and CRAM-MD5 are spoken; "
            "write smtps://, or ?tls=verify",
        )


def _standards(facts: _Facts) -> Iterator[Finding]:
    limits = facts.config.limits
    if limits.recipients < RFC_RECIPIENTS:
        yield _warning(("limits", "recipients"), f"is {limits.recipients}; RFC 5321 wants at least {RFC_RECIPIENTS}")
    if limits.message_size < RFC_MESSAGE_SIZE:
        yield _warning(("limits", "message_size"), "is below the 64 KB that RFC 5321 wants at least")
    if limits.command_deadline < 5 * MINUTE:  # RFC 5321 §4.5.3.2.7
        yield _warning(("limits", "command_deadline"), "is below the 5 minutes that RFC 5321 wants at least")
    if facts.config.delivery.end_timeout < RFC_END_TIMEOUT:
        yield _warning(
            ("delivery", "end_timeout"), "is below the 10 minutes of RFC 5321; a short wait makes duplicates"
        )


def _sizes(facts: _Facts) -> Iterator[Finding]:
    limits = facts.config.limits
    if limits.header_size > limits.message_size:
        yield _warning(("limits", "header_size"), "is above limits.message_size and has no effect")
    if limits.memory < facts.config.spool.inline:
        yield Finding(("limits", "memory"), "is below spool.inline: one message would not fit")
    if limits.connections_per_client > limits.connections:
        yield _warning(("limits", "connections_per_client"), "is above limits.connections and has no effect")


def _queue(facts: _Facts) -> Iterator[Finding]:
    queue = facts.config.queue
    if not queue.retry:
        yield Finding(("queue", "retry"), 'is empty; expected at least one wait, such as ["5m"]')
    elif queue.expire < queue.retry[0]:
        yield _warning(("queue", "expire"), "is shorter than the first wait: mail is tried once only")
    if queue.delay_warning >= queue.expire > 0 and queue.delay_warning:
        yield _warning(("queue", "delay_warning"), "is not before queue.expire: no delay is ever reported")
    if queue.destination_concurrency > queue.concurrency:
        yield _warning(("queue", "destination_concurrency"), "is above queue.concurrency and has no effect")


def _keys(facts: _Facts) -> Iterator[Finding]:
    tls = facts.config.tls
    if bool(tls.certificate) != bool(tls.key):
        missing = "key" if tls.certificate else "certificate"
        yield Finding(("tls", missing), "is missing; certificate and key come together")
    named: list[tuple[KeyPath, str]] = [(("tls", "certificate"), tls.certificate), (("tls", "key"), tls.key)]
    for place in tls.directories:
        named += [(("tls", "directories"), f"{place}/{name}") for name in (CHAIN_NAME, KEY_NAME)]
    for path, file in named:
        yield from _inspected(facts, path, file)
        if file and (file == tls.key or file.endswith(KEY_NAME)) and facts.files[file].mode & _READABLE_BY_ALL:
            yield _warning(path, f"{file} can be read by everybody on this machine; chmod 600 mends it")
    yield from _inspected(facts, ("tls", "client_authorities"), tls.client_authorities)
    yield from _inspected(facts, ("delivery", "authorities"), facts.config.delivery.authorities)


def _inspected(facts: _Facts, path: KeyPath, file: str) -> Iterator[Finding]:
    """What is to be said of a file with keys or certificates."""
    if not file:
        return
    fact = facts.files[file]
    if not fact.exists:
        yield Finding(path, f"there is no file {file}")
    elif fact.fault:
        yield Finding(path, f"{file} {fact.fault}")
    elif fact.warning:
        yield _warning(path, f"{file} {fact.warning}")


def _encrypted_roles(facts: _Facts) -> Iterator[Finding]:
    if facts.config.tls.pairs:
        return
    for number, listener in enumerate(facts.config.listen):
        if listener.role in _ENCRYPTED:
            yield Finding(
                ("listen", number, "role"),
                f"{listener.role.value} is encrypted from the first octet and needs [tls] certificate and key",
            )


def _alias_file(facts: _Facts) -> Iterator[Finding]:
    """Without its aliases a server would refuse mail that it should take; so it does not start."""
    path = facts.config.aliases.file
    if path and not facts.files[path].exists:
        yield Finding(("aliases", "file"), f"there is no file {path}")
    elif path and facts.files[path].fault:
        yield Finding(("aliases", "file"), f"{path}: {facts.files[path].fault}")


def _fetching(facts: _Facts) -> Iterator[Finding]:
    config = facts.config
    if config.pop3.idle < RFC_IDLE:
        yield _warning(("pop3", "idle"), "is below the 10 minutes that RFC 1939 wants at least")
    if config.pop3.apop:
        yield _warning(("pop3", "apop"), "APOP rests on MD5; clients that can do SCRAM or TLS need no APOP")
    for number, listener in enumerate(config.listen):
        if listener.role is Role.POP3 and not config.tls.pairs and not config.auth.plain_on_loopback:
            what = "has no TLS to offer: set [tls] certificate and key, or users log in by SCRAM alone"
            yield _warning(("listen", number, "role"), what)


def _after_pop(facts: _Facts) -> Iterator[Finding]:
    rules = facts.config.smtp_after_pop
    if not rules.enabled:
        return
    path = ("smtp_after_pop", "enabled")
    what = "lets everybody behind the address of a user who has fetched mail send as that user; login is safer"
    yield _warning(path, what)
    if not any(listener.role.is_pop3 for listener in facts.config.listen):
        yield _warning(path, "has no effect without a listener with the role pop3 or pop3s")
    if not rules.tls_only:
        yield _warning(("smtp_after_pop", "tls_only"), "false opens relaying by a login that others could overhear")


def _login_directory(facts: _Facts) -> Iterator[Finding]:
    """A directory that cannot be asked would tell every user that they are wrong, or keep them all waiting."""
    directory = facts.config.directory
    file = ("directory", "file")
    if directory.kind == "passwd" or (directory.kind == "sql" and not directory.database):
        if not directory.file:
            yield Finding(file, f"is missing; kind {directory.kind!r} reads it")
        elif not facts.files[directory.file].exists:
            yield Finding(file, f"there is no file {directory.file}")
        elif facts.files[directory.file].mode & _READABLE_BY_ALL:
            yield _warning(file, f"{directory.file} can be read by everybody on this machine; chmod 640 mends it")
    if directory.kind == "sql" and not any(f":{name}" in directory.query for name in ("user", "local")):
        yield Finding(("directory", "query"), "names neither :user nor :local, so everybody would be the same user")
    if directory.kind == "dovecot":
        if not facts.files[directory.socket].exists:
            yield _warning(
                ("directory", "socket"), f"there is no {directory.socket}; logins wait until Dovecot makes it"
            )
        if any(name.startswith(("SCRAM", "CRAM")) for name in facts.config.auth.mechanisms):
            yield _warning(("auth", "mechanisms"), "SCRAM and CRAM-MD5 are not offered: Dovecot shows no keys")


def _oauth(facts: _Facts) -> Iterator[Finding]:
    oauth = facts.config.oauth
    if oauth.introspection and oauth.jwks:
        yield Finding(("oauth", "jwks"), "is one way, introspection is another; set one of them")
    for name, url in (("introspection", oauth.introspection), ("jwks", oauth.jwks)):
        if url and not _SAFE_URL.match(url):
            yield Finding(("oauth", name), f"{url} is not encrypted: write https://")
    if oauth.jwks and not (oauth.issuer and oauth.audience):
        yield _warning(("oauth", "audience"), "without issuer and audience every token of this authority logs in")
    if oauth.client_secret_file and not facts.files[oauth.client_secret_file].exists:
        yield Finding(("oauth", "client_secret_file"), f"there is no file {oauth.client_secret_file}")
    if not (oauth.introspection or oauth.jwks) and {"OAUTHBEARER", "XOAUTH2"} & set(facts.config.auth.mechanisms):
        yield _warning(("auth", "mechanisms"), "tokens log nobody in: [oauth] names no authority")


def _senders(facts: _Facts) -> Iterator[Finding]:
    for number, sender in enumerate(facts.config.sender):
        for text in sender.addresses:
            try:
                parse_address(f"x{text}" if text.startswith("@") else text)
            except AddressError as error:
                what = f"{text!r} is neither an address nor a domain as @example.org: {error}"
                yield Finding(("sender", number, "addresses"), what)


def _login_places(facts: _Facts) -> Iterator[Finding]:
    if facts.config.auth.on_mx:
        yield _warning(("auth", "on_mx"), "the whole Internet may guess passwords on mx; users belong on submission")


RULES: Final[tuple[Callable[[_Facts], Iterator[Finding]], ...]] = (
    _hostname, _data_directory, _listeners, _lmtp_open_to_all, _domains, _delivery, _local_addresses,
    _relay_networks, _smarthost, _smarthost_login,
    _standards, _sizes, _queue, _keys, _encrypted_roles, _fetching, _after_pop,
    _alias_file,
    _login_directory, _oauth, _senders, _login_places,
)  # fmt: skip
