"""The file of aliases in sendmail's form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.mail.address import Address, parse_address
from eilpost.route.aliases_file import AliasesError, AliasLine, parse_aliases


def local(name: str) -> Address:
    """An address without a domain."""
    return Address(name, "")


def test_names_and_members_of_all_forms_are_read() -> None:
    """Plain names, whole addresses, quoted local parts, brackets and literals are members."""
    text = 'sales: anna, bob@far.test, "c d"@far.test, <eva@far.test>, f@[IPv6:2001:db8::1]\n"odd name": anna\n'
    sales, odd = parse_aliases(text)
    assert sales.name == local("sales")
    assert sales.members == (
        local("anna"),
        parse_address("bob@far.test"),
        Address("c d", "far.test"),
        parse_address("eva@far.test"),
        parse_address("f@[IPv6:2001:db8::1]"),
    )
    assert odd == AliasLine(2, local("odd name"), (local("anna"),))


def test_continuations_comments_and_empty_lines() -> None:
    """A line that begins with a blank goes on with the one before; comments and empty lines do not matter."""
    text = "# head\n\nteam: anna,\n\tbob,\n# between\n   \n carl\r\nroot: anna\n"
    assert parse_aliases(text) == (
        AliasLine(3, local("team"), (local("anna"), local("bob"), local("carl"))),
        AliasLine(8, local("root"), (local("anna"),)),
    )


def test_a_member_counts_once() -> None:
    """The same member twice is one; commas without a member between them are nothing."""
    assert parse_aliases("a: b,, b ,c,")[0].members == (local("b"), local("c"))


def test_a_backslash_before_the_aliass_own_name_is_understood() -> None:
    """sendmail's ``anna: \\anna, bob`` keeps a copy in the account."""
    assert parse_aliases("anna: \\anna, bob")[0].members == (local("anna"), local("bob"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: b\nc: |/bin/cat", "line 2: .*a program"),
        ('c: "|/bin/cat -n, x"', "line 1: .*a program"),
        ("c: anna, /var/mail/c", "a file"),
        ('c: "/var/mail/c"', "a file"),
        ("c: :include:/etc/shadow", "a list in another file"),
        ("c: anna, :include:/etc/shadow, bob", "a list in another file"),
    ],
)
def test_f162_programs_files_and_includes_are_refused(text: str, why: str) -> None:
    """What would run a program, write a file or read another one is refused with its line."""
    with pytest.raises(AliasesError, match=why):
        parse_aliases(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("anna", "line 1: an alias is written as"),
        (": anna", "an alias is written as"),
        ("\n\tanna", "line 2: .*continues no line"),
        ("a:", "a has no members"),
        ("a: b: c", "':' stands where a comma should"),
        ('a: "b', "stands where a comma should"),
        ("a: b c", "'?b c'? is no address"),
        ("a: b@c..d", "is no address"),
        ("a: <>", "nothing is no address"),
        ("a: b\nA: c", "line 2: A has its members already in line 1"),
        ("a: \\b", "skips an alias"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, why: str) -> None:
    """Each mistake has its line and one sentence."""
    with pytest.raises(AliasesError, match=why) as caught:
        parse_aliases(text)
    assert caught.value.line == text.count("\n") + 1


@given(st.text(alphabet='ab:,"\\|/ \t\n\r#@.<>[]\x85é', max_size=60))
def test_any_text_is_aliases_or_an_error(text: str) -> None:
    """Whatever the file holds, its aliases have members, or AliasesError names a line of it."""
    line, members = 1, [True]
    try:
        members = [bool(alias.members) for alias in parse_aliases(text)]
    except AliasesError as error:
        line = error.line
    assert all(members)
    assert 1 <= line <= text.count("\n") + 1
