"""The command line that programs know from sendmail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.cli.sendmail_flags import FLAGS, FlagError, Mode, Order, parse
from eilpost.mail.envelope import Notify, Ret


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("anna", Order(recipients=("anna",))),
        ("-t", Order(from_header=True)),
        ("-t -i", Order(from_header=True, ignore_dots=True)),
        ("-ti", Order(from_header=True, ignore_dots=True)),
        ("-oi -t", Order(from_header=True, ignore_dots=True)),
        ("-o i anna", Order(ignore_dots=True, recipients=("anna",))),
        ("-oem -odb -om anna", Order(recipients=("anna",))),
        ("-f a@b.test anna", Order(sender="a@b.test", recipients=("anna",))),
        ("-fa@b.test anna", Order(sender="a@b.test", recipients=("anna",))),
        ("-ra@b.test anna", Order(sender="a@b.test", recipients=("anna",))),
        ("-itfa@b.test", Order(sender="a@b.test", from_header=True, ignore_dots=True)),
        ("-F Anna anna", Order(name="Anna", recipients=("anna",))),
        ("-bm anna", Order(recipients=("anna",))),
        ("-bs", Order(mode=Mode.STDIO)),
        ("-bp", Order(mode=Mode.LIST)),
        ("-b p", Order(mode=Mode.LIST)),
        ("-bi", Order(mode=Mode.ALIASES)),
        ("-I", Order(mode=Mode.ALIASES)),
        ("-ba anna", Order(recipients=("anna",))),
        ("-q", Order(mode=Mode.FLUSH, flush=("--all",))),
        ("-qI1abc", Order(mode=Mode.FLUSH, flush=("1abc",))),
        ("-qR@far.test", Order(mode=Mode.FLUSH, flush=("--to", "@far.test"))),
        ("-qSa@b.test", Order(mode=Mode.FLUSH, flush=("--from", "a@b.test"))),
        ("-q30m anna", Order(recipients=("anna",))),
        ("-N never anna", Order(notify=frozenset({Notify.NEVER}), recipients=("anna",))),
        ("-Nsuccess,delay a", Order(notify=frozenset({Notify.SUCCESS, Notify.DELAY}), recipients=("a",))),
        ("-R hdrs anna", Order(ret=Ret.HEADERS, recipients=("anna",))),
        ("-V id7 anna", Order(envid="id7", recipients=("anna",))),
        ("-v anna", Order(verbose=True, recipients=("anna",))),
        ("-C /x.toml anna", Order(config="/x.toml", recipients=("anna",))),
        ("-B 8BITMIME -O DeliveryMode=b -X log -L tag -h 3 -p smtp -A c -x y -U -G -n -m -c -s -e q -d0.1 anna",
         Order(recipients=("anna",))),
        ("-i -- -strange", Order(ignore_dots=True, recipients=("-strange",))),
        ("anna -t", Order(recipients=("anna", "-t"))),
        ("-", Order(recipients=("-",))),
    ],
)  # fmt: skip
def test_command_lines_mean_what_sendmail_means(line: str, expected: Order) -> None:
    """Flags stand alone or together, arguments stick or follow, and words end the flags."""
    assert parse("sendmail", line.split()) == expected


def test_the_null_reverse_path_is_an_empty_word() -> None:
    """``-f ''`` names no sender, which is not the same as naming none."""
    assert parse("sendmail", ["-f", "", "anna"]).sender == ""


@pytest.mark.parametrize(("program", "mode"), [("mailq", Mode.LIST), ("newaliases", Mode.ALIASES)])
def test_other_names_have_other_tasks(program: str, mode: Mode) -> None:
    """Called by another name, the command does what that name says."""
    assert parse(program, []).mode is mode


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-y", "-y is no flag"),
        ("-f", "-f needs an argument"),
        ("-bd", "eilpost serve"),
        ("-bv anna", "not offered"),
        ("-bz", "-bz is unknown"),
        ("-N maybe", "it takes never"),
        ("-N never,delay", "never stands alone"),
        ("-R all", "it takes full or hdrs"),
        ("-V ä", "printable characters"),
    ],
)
def test_wrong_command_lines_are_told(line: str, why: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(FlagError, match=why):
        parse("sendmail", line.split())


@given(st.lists(st.text(alphabet="-" + "".join(FLAGS) + "x@", max_size=6), max_size=6))
def test_any_words_are_an_order_or_an_error(words: list[str]) -> None:
    """Whatever the words, the parser ends with an order or a FlagError."""
    try:
        order = parse("sendmail", words)
    except FlagError:
        return
    assert set(order.recipients) <= set(words)
