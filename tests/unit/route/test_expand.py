"""Who gets what is sent to an address that is at home here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.schema import Aliases, Domain
from eilpost.mail.address import Address, parse_address
from eilpost.mail.envelope import NO_RCPT_PARAMETERS, Notify, RcptParameters, Recipient
from eilpost.route.expand import (
    Elsewhere,
    Expanded,
    Expansion,
    Homes,
    Known,
    Loop,
    TooDeep,
    TooMany,
    Unknown,
    distinct,
    expand,
    homes,
)

ACCOUNTS = ("anna@a.test", "bob@a.test", "eva@b.test")
ALIASES: dict[str, tuple[str, ...]] = {
    "team@a.test": ("anna@a.test", "bob@a.test", "far@far.test"),
    "all@a.test": ("team@a.test", "anna@a.test", "eva@b.test"),
    "bob@a.test": ("bob@a.test", "copy@far.test"),
    "one@a.test": ("two@a.test",),
    "two@a.test": ("one@a.test",),
    "half@a.test": ("one@a.test", "anna@a.test", "gone@a.test"),
    "dead@a.test": ("gone@a.test",),
    "deep1@a.test": ("deep2@a.test",),
    "deep2@a.test": ("deep3@a.test",),
    "deep3@a.test": ("anna@a.test",),
    "crowd@a.test": tuple(f"m{number}@far.test" for number in range(11)),
    "anna+list@a.test": ("eva@b.test",),
}
DOMAINS = (
    Domain("a.test"),
    Domain("b.test", catch_all="eva@b.test"),
    Domain("dove.test", deliver="lmtp://127.0.0.1:24", verify=False),
    Domain("lost.test", catch_all="nobody@lost.test"),
)
TABLE = homes(DOMAINS, Aliases(depth=3, members=10))


def lookup(address: Address) -> Known | None:
    """A directory that does not mind case."""
    text = str(address).lower()
    account = parse_address(text) if text in ACCOUNTS else None
    members = tuple(map(parse_address, ALIASES.get(text, ())))
    return Known(account, members) if account or members else None


def ask(text: str, parameters: RcptParameters = NO_RCPT_PARAMETERS, table: Homes = TABLE) -> Expansion:
    """Expands one address as written."""
    address = Address(text, "") if "@" not in text else parse_address(text)
    return expand(address, parameters, table, lookup)


def targets(text: str, table: Homes = TABLE) -> list[str]:
    """The addresses it leads to."""
    found = ask(text, table=table)
    assert isinstance(found, Expanded), found
    return [str(recipient.address) for recipient in found.recipients]


def test_an_account_is_its_own_recipient() -> None:
    """An account keeps its parameters and has no other name."""
    wishes = RcptParameters(notify=frozenset({Notify.NEVER}))
    assert ask("anna@a.test", wishes) == Expanded((Recipient(parse_address("anna@a.test"), wishes),))


def test_aliases_lead_on_and_each_target_counts_once() -> None:
    """Nested aliases are resolved depth first; whoever is met again is left out."""
    assert targets("all@a.test") == ["anna@a.test", "bob@a.test", "copy@far.test", "far@far.test", "eva@b.test"]


def test_an_alias_that_names_itself_means_the_account() -> None:
    """``bob: bob, copy@far.test`` delivers to the account and to the copy."""
    assert targets("bob@a.test") == ["bob@a.test", "copy@far.test"]


def test_targets_keep_name_and_wishes_of_the_recipient() -> None:
    """RFC 3461 §5.2.7: an alias's targets carry the original recipient and what its sender asked for."""
    wishes = RcptParameters(notify=frozenset({Notify.SUCCESS, Notify.FAILURE}))
    found = ask("deep3@a.test", wishes)
    expected = RcptParameters(wishes.notify, "rfc822;deep3@a.test")
    given_address = parse_address("deep3@a.test")
    assert found == Expanded((Recipient(parse_address("anna@a.test"), expected, given_address),))


def test_a_given_orcpt_is_kept() -> None:
    """The sender's own ORCPT goes before the alias's name."""
    found = ask("deep3@a.test", RcptParameters(orcpt="rfc822;old@far.test"))
    assert isinstance(found, Expanded)
    assert found.recipients[0].parameters.orcpt == "rfc822;old@far.test"


def test_a_name_beyond_ascii_is_kept_as_utf8() -> None:
    """RFC 6533 §3: the original recipient beyond ASCII has the type utf-8."""
    found = expand(Address("ännä", "b.test"), NO_RCPT_PARAMETERS, TABLE, lookup)
    assert isinstance(found, Expanded)
    assert found.recipients[0].parameters.orcpt == "utf-8;ännä@b.test"


@pytest.mark.parametrize(("text", "expected"), [("anna+x@a.test", "anna@a.test"), ("ANNA@a.test", "anna@a.test")])
def test_a_maildir_belongs_to_the_account_as_it_is_spelt(text: str, expected: str) -> None:
    """Sub-addresses and other cases lead to the one account, and the given name is kept."""
    found = ask(text)
    assert isinstance(found, Expanded)
    (recipient,) = found.recipients
    assert str(recipient.address) == expected
    assert recipient.given == parse_address(text)


def test_a_sub_address_that_is_an_alias_goes_first() -> None:
    """The whole name is asked for before its part left of the delimiter."""
    assert targets("anna+list@a.test") == ["eva@b.test"]


def test_a_sub_address_of_an_alias_is_the_alias() -> None:
    """What stands behind the delimiter is not passed on to an alias's members."""
    assert targets("bob+x@a.test") == ["bob@a.test", "copy@far.test"]


@pytest.mark.parametrize("text", ['"anna+../../x"@a.test', '"anna+$(id)"@a.test', "anna+@a.test"])
def test_f074_what_stands_behind_the_delimiter_names_nothing(text: str) -> None:
    """A hostile sub-address leads to the account and no further."""
    assert targets(text) == ["anna@a.test"]


@pytest.mark.parametrize("text", ["+x@a.test", "gone+anna@a.test", "gone@a.test"])
def test_nobody_of_this_name(text: str) -> None:
    """A name that neither the directory nor a rule knows is unknown: 5.1.1."""
    found = ask(text)
    assert found == Unknown(parse_address(text))
    assert str(found.status) == "5.1.1"


def test_without_a_delimiter_there_are_no_sub_addresses() -> None:
    """An empty ``aliases.delimiter`` leaves names whole."""
    table = homes(DOMAINS, Aliases(delimiter=""))
    assert isinstance(ask("anna+x@a.test", table=table), Unknown)


@pytest.mark.parametrize(
    "text",
    ['"v%evil.test"@a.test', "v%evil.test@a.test", "evil.test!v@a.test", '"v@evil.test"@a.test', '"../../etc"@a.test'],
)
def test_f062_f063_f064_f073_local_parts_are_one_name(text: str) -> None:
    """Percent signs, bangs, quoted at-signs and slashes mean nothing: nobody has such a name."""
    assert isinstance(ask(text), Unknown)


@pytest.mark.parametrize("text", ["v@evil.test", "v@sub.a.test", "v@a.test.evil.test", "v@[127.0.0.1]"])
def test_f061_f067_f069_other_domains_are_elsewhere(text: str) -> None:
    """A domain that is not ours, letter by letter, is for policy to judge."""
    assert ask(text) == Elsewhere(parse_address(text))


def test_a_catch_all_gets_what_nobody_has() -> None:
    """Unknown names of a domain with a catch-all lead to it."""
    assert targets("whoever@b.test") == ["eva@b.test"]


def test_a_catch_all_that_nobody_has_catches_nothing() -> None:
    """A catch-all that leads to an unknown name, itself included, leaves the name unknown."""
    assert isinstance(ask("whoever@lost.test"), Unknown)
    assert isinstance(ask("nobody@lost.test"), Unknown)


def test_an_unverified_domain_takes_every_name_as_it_is() -> None:
    """An LMTP server that knows its own users gets the address as it was given, sub-address and case too."""
    assert targets("Whoever+x@dove.test") == ["Whoever+x@dove.test"]


def test_an_unverified_domains_alias_may_name_itself() -> None:
    """``x: x, copy`` at an LMTP domain means the name at the LMTP server."""
    table = {parse_address("x@dove.test"): Known(None, (parse_address("x@dove.test"), parse_address("c@far.test")))}
    found = expand(parse_address("x@dove.test"), NO_RCPT_PARAMETERS, TABLE, table.get)
    assert isinstance(found, Expanded)
    assert [str(recipient.address) for recipient in found.recipients] == ["x@dove.test", "c@far.test"]


@pytest.mark.parametrize("text", ["postmaster@a.test", "PostMaster@a.test"])
def test_every_domain_has_a_postmaster(text: str) -> None:
    """RFC 5321 §4.5.1: postmaster leads to ``server.postmaster``, or to the domain's own account of this name."""
    assert targets(text) == ["postmaster@a.test"]
    assert targets(text, homes(DOMAINS, Aliases(), "anna@a.test")) == ["anna@a.test"]
    assert targets(text, homes(DOMAINS, Aliases(), "postmaster@a.test")) == ["postmaster@a.test"]


def test_the_bare_postmaster_is_that_of_the_first_domain() -> None:
    """RFC 5321 §4.5.1: ``<postmaster>`` needs no domain."""
    found = ask("postmaster")
    assert found == Expanded((Recipient(parse_address("postmaster@a.test"), given=Address("postmaster", "")),))


def test_the_bare_postmaster_of_a_server_without_domains() -> None:
    """Without a domain ``server.postmaster`` gets it; without that either nobody does."""
    table = homes((), Aliases(), "boss@far.test")
    assert targets("postmaster", table) == ["boss@far.test"]
    assert isinstance(ask("postmaster", table=homes((), Aliases())), Elsewhere)


def test_f162_aliases_that_lead_only_to_each_other_are_a_loop() -> None:
    """``one: two`` and ``two: one`` defer with 4.3.5: the operator is at fault, not the sender."""
    found = ask("one@a.test")
    assert found == Loop(parse_address("one@a.test"))
    assert str(found.status) == "4.3.5"


def test_f162_a_loop_among_others_does_no_harm() -> None:
    """Members that loop add nothing; an unknown one stays, so that its failure is reported."""
    assert targets("half@a.test") == ["anna@a.test", "gone@a.test"]


def test_an_alias_of_nobody_is_unknown() -> None:
    """An alias whose members are all unknown is refused at once."""
    assert isinstance(ask("dead@a.test"), Unknown)


def test_f162_depth_is_bounded() -> None:
    """An alias deeper than ``aliases.depth`` is deferred, one that is just as deep is not."""
    assert targets("deep1@a.test") == ["anna@a.test"]
    table = homes(DOMAINS, Aliases(depth=2))
    assert ask("deep1@a.test", table=table) == TooDeep(parse_address("deep3@a.test"))


def test_f162_members_are_bounded() -> None:
    """An alias with more members than ``aliases.members`` is deferred."""
    assert ask("crowd@a.test") == TooMany(parse_address("crowd@a.test"))


def test_f083_the_recipients_of_a_transaction_count_once() -> None:
    """The first of several equal recipients stays, with its wishes."""
    anna, bob = parse_address("anna@a.test"), parse_address("bob@a.test")
    first = Recipient(anna, RcptParameters(notify=frozenset({Notify.NEVER})))
    assert distinct([first, Recipient(bob), Recipient(anna)]) == (first, Recipient(bob))


NAMES = st.sampled_from("abcdef")


@given(st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=4), max_size=6), st.sets(NAMES), NAMES)
def test_expansion_ends_and_finds_whom_aliases_reach(
    aliases: dict[str, list[str]], accounts: set[str], start: str
) -> None:
    """For any aliases the answer is bounded, without doubles, and its accounts are reachable ones."""

    def find(address: Address) -> Known | None:
        name = address.local_part
        members = tuple(Address(member, "a.test") for member in aliases.get(name, ()))
        account = address if name in accounts else None
        return Known(account, members) if account or members else None

    table = homes(DOMAINS, Aliases(depth=20))
    found = expand(Address(start, "a.test"), NO_RCPT_PARAMETERS, table, find)
    if isinstance(found, Expanded):
        names = [recipient.address.local_part for recipient in found.recipients]
        assert len(set(names)) == len(names)
        assert set(names) <= _reachable(start, aliases.get)
    else:
        assert isinstance(found, Unknown | Loop)


def _reachable(start: str, members: Callable[[str], list[str] | None]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for member in members(waiting.pop()) or ():
            if member not in found:
                found.add(member)
                waiting.append(member)
    return found
