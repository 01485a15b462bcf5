"""Addresses: RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3, and the tricks of the fault catalogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import (
    MAX_ADDRESS,
    Address,
    AddressError,
    parse_address,
    parse_domain,
    parse_local_part,
    to_unicode,
)

_ATEXT = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-äßж漢", min_size=1, max_size=8)
_QUOTABLE = st.text(
    st.characters(codec="utf-8", exclude_characters="\u2028\u2029", exclude_categories=["Cc", "Cs"]), max_size=12
)
_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
_DOMAIN = st.lists(_LABEL, min_size=1, max_size=4).map(".".join)
_LITERAL = st.one_of(
    st.ip_addresses(v=4).map(lambda ip: f"[{ip}]"), st.ip_addresses(v=6).map(lambda ip: f"[IPv6:{ip}]")
)


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("anna@example.test", "anna", "example.test"),
        ("Anna@EXAMPLE.Test", "Anna", "example.test"),
        ("a.b-c+news@x", "a.b-c+news", "x"),
        ("!#$%&'*+/=?^_`{|}~-@example.test", "!#$%&'*+/=?^_`{|}~-", "example.test"),
        ('"anna"@example.test', "anna", "example.test"),
        ('"an na"@example.test', "an na", "example.test"),
        ('"a\\"b\\\\c"@example.test', 'a"b\\c', "example.test"),
        ('""@example.test', "", "example.test"),
        ("пётр@example.test", "пётр", "example.test"),
        ("anna@bücher.example", "anna", "xn--bcher-kva.example"),
        ("anna@BÜCHER。example", "anna", "xn--bcher-kva.example"),
        ("anna@xn--bcher-kva.example", "anna", "xn--bcher-kva.example"),
        ("anna@[192.0.2.1]", "anna", "[192.0.2.1]"),
        ("anna@[ipv6:2001:DB8::0:1]", "anna", "[IPv6:2001:db8::1]"),
    ],
)
def test_an_address_has_a_decoded_local_part_and_a_comparable_domain(text: str, local_part: str, domain: str) -> None:
    """An address is kept as decoded local part and lower-case A-labels or canonical literal."""
    assert parse_address(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "anna", "anna@", "@example.test", " anna@example.test", "anna@example.test ", "an na@example.test",
        ".anna@example.test", "anna.@example.test", "an..na@example.test", "anna@.test", "anna@example..test",
        "anna@-example.test", "anna@example-.test", "anna@exa_mple.test", "anna@exam ple.test", '"anna@example.test',
        '"an"na@example.test', '"a\x00b"@example.test', "an\rna@example.test", "anna@[192.0.2.256]", "anna@[192.0.2.1",
        "anna@[]", "anna@[", "anna@[IPv6:]", "anna@[IPv6:fe80::1%eth0]", "anna@[x-tag:abc]", "anna@[1.2.3.4]x",
    ],
)  # fmt: skip
def test_what_breaks_the_grammar_is_no_address(text: str) -> None:
    """Text that breaks RFC 5321 §4.1.2 is refused with a reason."""
    with pytest.raises(AddressError, match=r"\w+"):
        parse_address(text)


def test_f064_a_quoted_at_sign_stays_in_the_local_part() -> None:
    """A quoted local part is one token, whatever stands in it."""
    address = parse_address('"v@evil.example"@ours.example')

    assert (address.local_part, address.domain) == ("v@evil.example", "ours.example")
    assert str(address) == '"v@evil.example"@ours.example'


@pytest.mark.parametrize("text", ["v@evil.example@ours.example", "v@ours.example@evil.example", "v@@ours.example"])
def test_f066_two_at_signs(text: str) -> None:
    """An address with two unquoted @ is none."""
    with pytest.raises(AddressError):
        parse_address(text)


@pytest.mark.parametrize("local_part", ["v%evil.example", "evil.example!v"])
def test_f062_f063_percent_and_bang_are_characters(local_part: str) -> None:
    """Percent hack and bang path mean nothing: they are part of a name."""
    assert parse_address(f"{local_part}@ours.example") == Address(local_part, "ours.example")


@pytest.mark.parametrize("domain", ["ours.example.", "ours.example\x00.evil", "ours.example\n", "ours.example。"])
def test_f068_a_domain_ends_with_its_last_label(domain: str) -> None:
    """A trailing dot, NUL or line end is no part of a domain."""
    with pytest.raises(AddressError):
        parse_domain(domain)


@pytest.mark.parametrize("text", ["v(comment)@evil.example", "=?utf-8?q?v=40evil?=x<@ours.example"])
def test_f072_comments_are_not_read(text: str) -> None:
    """Comments are not known in an envelope."""
    with pytest.raises(AddressError):
        parse_address(text)


def test_f072_encoded_words_are_not_decoded() -> None:
    """What looks like an encoded word is a name of odd letters."""
    assert parse_address("=?utf-8?q?v=40evil?=@ours.example").local_part == "=?utf-8?q?v=40evil?="


@pytest.mark.parametrize(("size", "fits"), [(64, True), (65, False)])
def test_f073_a_local_part_has_at_most_64_octets(size: int, fits: bool) -> None:
    """RFC 5321 §4.5.3.1.1: 64 octets, counted in UTF-8."""
    for local_part in ("a" * size, "ä" * (size // 2) + "a" * (size % 2)):
        if fits:
            assert parse_local_part(local_part) == local_part
        else:
            with pytest.raises(AddressError):
                parse_local_part(local_part)
            with pytest.raises(AddressError):
                parse_address(f"{local_part}@example.test")


def test_f076_shell_characters_need_quotes() -> None:
    """A local part with blanks and semicolons is refused, with or without a domain."""
    with pytest.raises(AddressError):
        parse_address(";for i in 0 1;do read r;done;sh;exit 0;")


def test_f132_long_domains_are_refused_before_they_are_decoded() -> None:
    """A domain has at most 255 octets and labels of 63 (RFC 1035 §2.3.4), before and after conversion."""
    with pytest.raises(AddressError):
        parse_domain("ä" * 100_000)
    with pytest.raises(AddressError):
        parse_domain(".".join(["漢字" * 10] * 20))
    with pytest.raises(AddressError):
        parse_domain("a" * 64 + ".example")
    with pytest.raises(AddressError):
        parse_domain(".".join(["a" * 60] * 5))

    with pytest.raises(AddressError):
        parse_address("a@" + "b." * 100_000 + "c")

    assert parse_domain("a" * 63 + ".example") == "a" * 63 + ".example"


@pytest.mark.parametrize("text", ["anna\ud800@x", '"\udfff"@x', "an\x85na@x", "an\u2028na@x", "anna@\ud800.example"])
def test_f192_what_is_no_character_is_no_address(text: str) -> None:
    """Surrogates, control characters and line separators beyond ASCII are refused."""
    with pytest.raises(AddressError):
        parse_address(text)


@pytest.mark.parametrize("text", ["anna＠example.test", "anna@[ıPv6:::1]", "anna@[１.2.3.4]"])
def test_f193_look_alikes_are_not_taken_for_ascii(text: str) -> None:
    """A full-width @, a dotless i in a tag or a full-width digit in a literal is refused."""
    with pytest.raises(AddressError):
        parse_address(text)


def test_f189_both_forms_of_a_domain_are_one() -> None:
    """U-labels and A-labels of one domain compare equal, and people see the former."""
    assert parse_domain("Bücher.example") == parse_domain("XN--BCHER-KVA.example")
    assert to_unicode("xn--bcher-kva.example") == "bücher.example"
    assert to_unicode("xn--a.example") == "xn--a.example"
    assert to_unicode("example.test") == "example.test"


def test_an_address_knows_what_it_is() -> None:
    """An address tells whether it is ASCII, a literal, and postmaster's."""
    assert parse_address("anna@bücher.example").is_ascii
    assert not parse_address("änna@example.test").is_ascii
    assert parse_address("anna@[192.0.2.1]").is_literal
    assert Address("PostMaster", "").is_postmaster
    assert not parse_address("postmaster2@example.test").is_postmaster
    assert str(Address("postmaster", "")) == "postmaster"


@given(st.one_of(_QUOTABLE, _ATEXT), st.one_of(_DOMAIN, _LITERAL))
def test_an_address_written_is_the_address_read(local_part: str, domain: str) -> None:
    """Writing an address and reading it gives the same address."""
    address = Address(local_part, parse_domain(domain))
    try:
        again = parse_address(str(address))
    except AddressError:
        assert len(str(address).rpartition("@")[0].encode()) > 64
    else:
        assert again == address


@given(st.text(st.sampled_from('ab@."\\[]<> :1ä\u2028\ud800%!\r\n'), max_size=30))
def test_text_is_an_address_or_an_address_error(text: str) -> None:
    """Any text is an address that survives writing and reading, or it raises AddressError."""
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert len(str(address).encode()) <= MAX_ADDRESS
    assert not any(char in str(address) for char in "\r\n\x00")


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_short_way_and_the_long_way_agree(local_part: str, domain: str) -> None:
    """An address is what its local part and its domain are on their own."""
    text = f"{local_part}@{domain}"
    try:
        whole: Address | None = parse_address(text)
    except AddressError:
        whole = None
    try:
        parts: Address | None = Address(parse_local_part(local_part), parse_domain(domain))
    except AddressError:
        parts = None
    assert whole == parts
