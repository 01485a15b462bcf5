"""Addresses of ours on a command line, and the directory they stand in (a deed)."""

from __future__ import annotations

import difflib

from eilpost.cli.errors import CommandError
from eilpost.cli.exits import Exit
from eilpost.config.schema import Config
from eilpost.directory.store import Store
from eilpost.mail.address import Address, AddressError, parse_address, parse_domain


def open_store(config: Config) -> Store:
    """The directory of this configuration, made if it is missing."""
    return Store(config.server.data, config.server.user)


def address_of(text: str) -> Address:
    """The address that the argument is."""
    try:
        return parse_address(text)
    except AddressError as error:
        raise CommandError(f"{text!r} is no address: {error}; write it as anna@example.org", Exit.DATAERR) from None


def hosted(text: str, config: Config) -> Address:
    """The address, which must be at a domain of ours."""
    address = address_of(text)
    check_domain(address.domain, config)
    return address


def hosted_domain(text: str, config: Config) -> str:
    """The domain that the argument names, which must be ours."""
    try:
        domain = parse_domain(text)
    except AddressError as error:
        raise CommandError(f"{text!r} is no domain: {error}", Exit.DATAERR) from None
    check_domain(domain, config)
    return domain


def check_domain(domain: str, config: Config) -> None:
    """Refuses a domain that is not at home here, with the nearest one that is."""
    names = [row.name for row in config.domain]
    if domain in names:
        return
    near = difflib.get_close_matches(domain, names, n=1)
    hint = f"the nearest that is one is {near[0]}" if near else "add it as a [[domain]] to the configuration"
    raise CommandError(f"{domain} is no domain of this server; {hint}", Exit.NOHOST)
