"""Names and passwords as they are compared: SASLprep, RFC 4013, and the names that can be asked for (a grammar)."""

from __future__ import annotations

import stringprep
import unicodedata
from typing import Final

from eilpost.sasl.words import MAX_NAME, MAX_PASSWORD

_UCD = unicodedata.ucd_3_2_0  # stringprep is bound to Unicode 3.2: RFC 3454 §7
_PROHIBITED: Final = (  # RFC 4013 §2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str | None:
    """The text as RFC 4013 prepares a query; None when it holds what is prohibited, or nothing is left of it."""
    if text.isascii():
        return text if text.isprintable() and text else None
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    # Code points that Unicode 3.2 did not know stay as they are, as RFC 3454 §7 says for queries.
    prepared = _UCD.normalize("NFKC", mapped)
    if not prepared or any(prohibited(char) for char in prepared for prohibited in _PROHIBITED):
        return None
    return prepared if _directions_agree(prepared) else None


def _directions_agree(text: str) -> bool:
    """RFC 3454 §6: what runs from right to left does so from its first to its last character, and alone."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    if any(map(stringprep.in_table_d2, text)):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])


def user_name(octets: bytes) -> str | None:
    """A name that may be somebody's: RFC 8265 §3.3 without the folding of case, which is the directory's.

    None when it holds spaces, controls, what is invisible, or a look-alike that Unicode would fold
    into another character: such a name is nobody's.
    """
    text = utf8(octets, MAX_NAME)
    if not text or any(unicodedata.category(char)[0] in "CZ" for char in text):
        return None
    composed = unicodedata.normalize("NFC", text)
    return composed if unicodedata.normalize("NFKC", composed) == composed else None


def password(octets: bytes) -> str | None:
    """A password as a client sent it; None when it is none."""
    return utf8(octets, MAX_PASSWORD) or None


def utf8(octets: bytes, limit: int) -> str | None:
    """Text of at most ``limit`` octets without NUL; None when it is something else."""
    if len(octets) > limit or b"\0" in octets:
        return None
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None
