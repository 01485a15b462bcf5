"""Which local parts are the same, and which we give to accounts of our own (decisions).

Mail for others keeps its local part untouched (RFC 5321 §2.4). For addresses that we own we may
say more: letters of ASCII are compared without case, the rest in NFC and nothing further (F191).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
"""Controls, bidi and zero-width signs, tags, unassigned characters, line ends, blanks (F193)."""

_ASCII_LOWER: Final = {ord(upper): ord(upper) + 32 for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

_WRITTEN_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that one language mixes: UTS 39 §5.2, highly restrictive."""

_LOOKALIKES: Final = {
    "\u0430": "a",  # CYRILLIC SMALL LETTER A
    "\u0435": "e",  # CYRILLIC SMALL LETTER IE
    "\u043e": "o",  # CYRILLIC SMALL LETTER O
    "\u0440": "p",  # CYRILLIC SMALL LETTER ER
    "\u0441": "c",  # CYRILLIC SMALL LETTER ES
    "\u0443": "y",  # CYRILLIC SMALL LETTER U
    "\u0445": "x",  # CYRILLIC SMALL LETTER HA
    "\u0456": "i",  # CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I
    "\u0458": "j",  # CYRILLIC SMALL LETTER JE
    "\u0455": "s",  # CYRILLIC SMALL LETTER DZE
    "\u0501": "d",  # CYRILLIC SMALL LETTER KOMI DE
    "\u04bb": "h",  # CYRILLIC SMALL LETTER SHHA
    "\u04cf": "l",  # CYRILLIC SMALL LETTER PALOCHKA
    "\u0432": "b",  # CYRILLIC SMALL LETTER VE
    "\u043a": "k",  # CYRILLIC SMALL LETTER KA
    "\u043c": "m",  # CYRILLIC SMALL LETTER EM
    "\u043d": "h",  # CYRILLIC SMALL LETTER EN
    "\u0442": "t",  # CYRILLIC SMALL LETTER TE
    "\u03b1": "a",  # GREEK SMALL LETTER ALPHA
    "\u03bf": "o",  # GREEK SMALL LETTER OMICRON
    "\u03c1": "p",  # GREEK SMALL LETTER RHO
    "\u03bd": "v",  # GREEK SMALL LETTER NU
    "\u03b9": "i",  # GREEK SMALL LETTER IOTA
    "\u03ba": "k",  # GREEK SMALL LETTER KAPPA
    "\u03c4": "t",  # GREEK SMALL LETTER TAU
    "\u03c5": "u",  # GREEK SMALL LETTER UPSILON
    "\u03c7": "x",  # GREEK SMALL LETTER CHI
    "\u0261": "g",  # LATIN SMALL LETTER SCRIPT G
    "\u0131": "i",  # LATIN SMALL LETTER DOTLESS I
}
"""Letters of other scripts that look like a Latin one: the common ones of UTS 39's table."""


def fold(local_part: str) -> str:
    """The form in which local parts of ours are compared."""
    if local_part.isascii():
        return local_part.lower()
    return unicodedata.normalize("NFC", local_part).translate(_ASCII_LOWER)


def refusal(local_part: str) -> str:
    """Why no account of ours may be called so; empty when it may."""
    if not local_part:
        return "it is empty"
    for char in local_part:
        if unicodedata.category(char) in _HIDDEN:
            return f"it holds U+{ord(char):04X}, which cannot be seen"
    composed = unicodedata.normalize("NFC", local_part)
    if unicodedata.normalize("NFKC", composed) != composed:
        return "it holds full-width or other compatibility characters"
    if unicodedata.category(composed[0]).startswith("M"):
        return "it begins with a combining mark"
    return ""


def doubts(local_part: str, others: Iterable[str]) -> tuple[str, ...]:
    """What an operator should know before such an account is made (F190): one clause each.

    ``others`` are the local parts of the accounts at the same domain.
    """
    found: list[str] = []
    scripts = scripts_of(local_part)
    if len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER):
        found.append(f"it mixes letters of {' and '.join(sorted(name.title() for name in scripts))}")
    shape = skeleton(local_part)
    alike = (o for o in others if not (local_part.isascii() and o.isascii()) and skeleton(o) == shape)
    found += [f"it looks like the account {other!r}" for other in alike]
    return tuple(found)


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of the letters in ``text``: the first word of each letter's Unicode name."""
    letters = (char for char in text if unicodedata.category(char).startswith("L"))
    return frozenset(unicodedata.name(char, "UNKNOWN").partition(" ")[0] for char in letters)


def skeleton(local_part: str) -> str:
    """Equal for local parts that look alike; never compared for delivery."""
    folded = unicodedata.normalize("NFC", local_part).casefold()
    return "".join(_LOOKALIKES.get(char, char) for char in folded)
