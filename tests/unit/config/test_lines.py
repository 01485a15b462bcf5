"""Lines of keys in TOML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eilpost.config.lines import find_lines, line_of

TEXT = '''\
# [comment]
top = 1
[server]
hostname = "a # b"   # = x
note = """
[not.a.section]
key = 1
"""
[[listen]]
role = "mx"

[[ listen ]]
list = [
  "a = b",  # [x]
  { inner = 1 },
]
after = 'it'
relay.networks = []
"quoted = key" = 2
[listen.sub]
x = 1
'''


def test_keys_and_sections_have_lines() -> None:
    """Sections, repeated sections, dotted and quoted keys are found on the lines where they begin."""
    lines = find_lines(TEXT)

    assert lines[("top",)] == 2
    assert lines[("server",)] == 3
    assert lines[("server", "hostname")] == 4
    assert lines[("server", "note")] == 5
    assert lines[("listen", 0)] == 9
    assert lines[("listen", 0, "role")] == 10
    assert lines[("listen", 1)] == 12
    assert lines[("listen", 1, "list")] == 13
    assert lines[("listen", 1, "after")] == 17
    assert lines[("listen", 1, "relay", "networks")] == 18
    assert lines[("listen", 1, "quoted = key")] == 19
    assert lines[("listen", 1, "sub", "x")] == 21


def test_text_in_values_is_no_key() -> None:
    """Strings, comments and lists hold no statements."""
    assert ("not", "a", "section") not in find_lines(TEXT)
    assert not any("key" in path for path in find_lines(TEXT))


def test_a_missing_key_has_the_line_around_it() -> None:
    """For what does not stand in the file, the nearest section around it is named, or nothing."""
    lines = find_lines(TEXT)

    assert line_of(("listen", 1, "address"), lines) == 12
    assert line_of(("elsewhere", "key"), lines) == 0


_WORD = st.sampled_from(["alpha", "beta", "gamma"])
_VALUE = st.sampled_from(['"x = 1"', "[1,\n 2]", "'''\n[a]\nb = 2\n'''", "{ a = 1 }", "3 # [x]", "'\"'", '"\\""'])


@given(st.lists(_VALUE, max_size=8))
def test_values_never_hide_the_keys_behind_them(values: list[str]) -> None:
    """Whatever a value holds, the next key is found on its own line."""
    text, expected, number = "", {}, 1
    for position, value in enumerate(values):
        expected[(f"key{position}",)] = number
        text += f"key{position} = {value}\n"
        number += value.count("\n") + 1

    assert find_lines(text) == expected


@given(st.text(max_size=60))
def test_any_text_ends(text: str) -> None:
    """The reader ends without an exception even on what is no TOML."""
    find_lines(text)
