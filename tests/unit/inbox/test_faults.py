"""Faults on demand: rules, their text, and what they decide."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox.fault_rules import (
    KEYS,
    WORDS,
    FaultError,
    rule_of,
    rule_of_address,
    rule_of_text,
    rules_of,
)
from eilpost.inbox.faults import STAGES, Drop, Effect, Facts, Memory, Rule, Stage, judge


def decide(
    *texts: str, facts: Facts | None = None, times: int = 1, step: float = 1.0, dice: float = 0.5
) -> list[Effect]:
    """What rules decide, asked several times in a row."""
    rules = [rule_of_text(text) for text in texts]
    memory = Memory()
    known = facts or Facts(Stage.RCPT, "127.0.0.1", "anna@shop.test", ("bob@full.test",), 2_000)
    return [judge(rules, known, memory, step * number, lambda: dice) for number in range(times)]


def said(effects: list[Effect]) -> list[int]:
    """The codes of the replies, 0 for none."""
    return [each.reply.code if each.reply else 0 for each in effects]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rcpt reply=550", 550),
        ("rcpt to=*@full.test reply=452", 452),
        ("rcpt to=*@FULL.test reply=452", 452),
        ("rcpt to=*@other.test reply=452", 0),
        ("rcpt from=anna@* reply=550", 550),
        ("rcpt from=eve@* reply=550", 0),
        ("rcpt larger=1k reply=552", 552),
        ("rcpt larger=2k reply=552", 0),
        ("mail reply=550", 0),
        ("rcpt probability=0.6 reply=451", 451),
        ("rcpt probability=40% reply=451", 0),
    ],
)
def test_conditions(text: str, code: int) -> None:
    """A rule holds when its stage and all its conditions do."""
    assert said(decide(text)) == [code]


def test_every_nth_time() -> None:
    """``every=3`` holds for the third and the sixth."""
    assert said(decide("rcpt every=3 reply=451", times=6)) == [0, 0, 451, 0, 0, 451]


def test_only_so_many_times() -> None:
    """``times=2`` ends the rule after two."""
    assert said(decide("rcpt times=2 reply=451", times=4)) == [451, 451, 0, 0]


def test_a_rate_is_throughput() -> None:
    """More than two in ten seconds are told 421; who slows down gets through again."""
    assert said(decide("rcpt rate=2/10s", times=13)) == [0, 0, *[421] * 8, 0, 0, 421]


def test_greylisting() -> None:
    """The first try, and all before the time is over, are told 451; the next one passes."""
    assert said(decide("rcpt greylist=3s", times=5)) == [451, 451, 451, 0, 0]


def test_delays_add_up_and_the_first_answer_decides() -> None:
    """Delays and slowness of all rules before hold too."""
    (effect,) = decide("rcpt delay=1s", "rcpt delay=500ms slow=10", "rcpt reply=550", "rcpt drop=reset delay=9s")
    assert (effect.delay, effect.slow, said([effect]), effect.drop) == (1.5, 10, [550], Drop.NO)
    assert len(effect.rules) == 3


def test_the_reply_may_be_written_out() -> None:
    """Code, status and text; a code alone has the usual ones."""
    assert str(decide("rcpt reply='452 4.2.2 No room'")[0].reply) == "452 4.2.2 No room"
    assert str(decide("rcpt reply=452")[0].reply) == "452 4.2.2 Mailbox full, try again later"
    assert str(decide("rcpt reply=499")[0].reply) == "499 4.0.0 Fault on demand"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no stage"),
        ("rcpt", "does nothing"),
        ("rcpt every=3", "does nothing"),
        ("rcpt reply=250", "no reply"),
        ("rcpt reply='550 4.1.1 x'", "begins with 5"),
        ("rcpt reply='550 a\x1bb'", "no reply"),
        ("rcpt rpely=550", "no key"),
        ("rcpt delay=2d", "no time"),
        ("rcpt delay=99h", "at most an hour"),
        ("rcpt slow=fast", "no size"),
        ("rcpt every=0 reply=550", "no count"),
        ("rcpt probability=2 reply=550", "no probability"),
        ("rcpt rate=10 reply=550", "no rate"),
        ("rcpt drop=gently", "close or reset"),
        ("rcpt half=no", "leave the key out"),
        ("rcpt to= reply=550", "pattern"),
        ("rcpt reply='550", "quote"),
        ("mail to=a@b reply=550", "can at rcpt, data, end"),
        ("connect reply=550", "cannot hold at connect"),
        ("rcpt bounce=1s", "can at end"),
    ],
)
def test_mistakes_name_the_mend(text: str, told: str) -> None:
    """What can never hold, or means nothing, is an error that says what would."""
    with pytest.raises(FaultError, match=told):
        rule_of_text(text)


def test_objects_and_texts_are_the_same() -> None:
    """A ``[[fault]]`` table, an API object and a flag give the same rule; its text gives it again."""
    rule = rule_of({"stage": "end", "to": "a b@x", "reply": "554 5.7.1 No, thanks", "every": 2, "half": True})
    assert rule_of_text(rule.text) == rule
    with pytest.raises(FaultError, match="fault 2: "):
        rules_of([{"stage": "rcpt", "reply": 550}, {"stage": "rcpt", "reply": [1]}])


@given(st.text(max_size=100))
def test_any_text_is_a_rule_or_an_error(text: str) -> None:
    """Nothing but FaultError comes out, and an address never raises."""
    with contextlib.suppress(FaultError):
        assert isinstance(rule_of_text(text), Rule)
    rule_of_address(text)
    rule_of_address(f"anna+{text}@example.test")


@pytest.mark.parametrize(
    ("address", "stage", "text"),
    [
        ("anna+550@x.test", Stage.RCPT, "rcpt reply=550"),
        ("anna+news+452-end@x.test", Stage.END, "end reply=452"),
        ("anna+delay5@x.test", Stage.RCPT, "rcpt delay=5s"),
        ("anna+slow@x.test", Stage.RCPT, "rcpt slow=1000"),
        ("anna+slow50-data@x.test", Stage.DATA, "data slow=50"),
        ("anna+DROP-end@x.test", Stage.END, "end drop=close"),
        ("anna+reset@x.test", Stage.RCPT, "rcpt drop=reset"),
        ("anna+half@x.test", Stage.RCPT, "rcpt half=yes"),
        ("anna+grey@x.test", Stage.RCPT, "rcpt greylist=60s"),
        ("anna+bounce5@x.test", Stage.END, "end bounce=5s"),
    ],
)
def test_addresses_ask_for_faults(address: str, stage: Stage, text: str) -> None:
    """What stands behind the last plus is a fault for this address."""
    rule = rule_of_address(address)
    assert rule is not None
    assert (rule.stage, rule.text.partition(" stage")[0]) == (stage, text)


@pytest.mark.parametrize(
    "address", ["anna@x.test", "anna+news@x.test", "+550@x.test", "anna+250@x.test", "a+bounce-rcpt@x"]
)
def test_other_addresses_do_not(address: str) -> None:
    """A tag that is no fault stays a tag."""
    assert rule_of_address(address) is None


def test_tables_are_whole() -> None:
    """Every stage, key and word has its line of help."""
    assert set(STAGES) == set(Stage)
    assert all(row.help for row in KEYS.values())
    assert all(row.help for row in WORDS)
