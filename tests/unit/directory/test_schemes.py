"""Hashes that others made: each is Dovecot's or libcrypt's own work."""

from __future__ import annotations

import contextlib

import pytest

from eilpost.directory.schemes import SCHEMES, SchemeError, check, scram_keys, scram_text, split, verify

PASSWORD = "grün geheim"
MADE = (
    "{SHA}1Veq2G6uO83FQkJRtnMqfv+QHMk=",
    "{SSHA}ongVjxVQOCevTTDSIuOeasbb/LUNyNkU",
    "{SHA256}s+mo1nk3IUEkfzAODOOQMRsSU8RW10rkHTMuZPJinsA=",
    "{SSHA256}9N8zsKbygSkBAVkkm8C+LjZMG4z4lSPJiamiRpDTALe1axy+",
    "{SHA512}E3PR29tP+sPyg0Yrmepq/4pTpr7kRIrg2CR7Rp38VoQDGufyg+1Gf9i5k0MPX00+ddaV1+3pYrN/0ReOS21Uzg==",
    "{SSHA512}eWtTXLuJZhj7Nqb+2j32y8wXmk7iqD9xIiZoKDB7XSCzp+uOiYLH6J33rYo3VuxEZ8oIxOm5BUFnNFHAIJW0o91uJlY=",
    "{SHA256-CRYPT}$5$lTWllUlBIwxdBs2C$z/T.OyIzP/XT5HEzQyovfImFNsuf30p3zYlmeTyXns0",
    "{SHA512-CRYPT}$6$DFGCQHsDmGdkHWth$ZUD2HlG7LRjk9.TTsV3r2nrLLb7q3jbELeLyx1J0m5Nbi2OT9djV4j7iKcC537amli8tBhYrBNVPz6ugfGY2o1",
    "{BLF-CRYPT}$2y$05$7juaj4OYk2P9KwJgIJVcxuwuRaeMquMd2VqvsXJy5XwXSb/9JJqjy",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$JIKmRgua9SIcMGdDWJkrPQ$qPNzJhY4oIqFgaUDJpd9VIJ9DscJPfV1Vym/FTFbPrM",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$FQh8k3N9RguyftVsdOsQFQ$d9mRlcbza128DQR4ZBvQwZkmYhUha6rQXHh4VISSh5Y",
    "{PBKDF2}$1$SltnRLKZrXi4HWnB$5000$beca23d2940612d835403b8d0593a75a2d358515",
    "{SCRAM-SHA-1}4096,+YvzQIfxYs+qvtDofFJdiQ==,P9jucNaNqs1H8asKMZqnyyQu5FM=,VV3FmntanWAY4R0epMptp3DvoSQ=",
    "{SCRAM-SHA-256}4096,B5MNAGIIC30D4S7jZbA/eg==,TrW2UZw/ZUYbcaF19oAbvJ0JHcQivlSdisI0mdx49io=,OnC0PMAiU2OwX8u99x8Bh30f3o2QGYoJmy2fXQamblY=",
    "{MD5-CRYPT}$1$A.tYOSin$oWHfrnSLn1kr9kTMC8fzk/",
    "{PLAIN}grün geheim",
    "{SSHA256.HEX}c66e7dbec1733192c054486d93da8affe59374b5b2348e4070ad39032568851161a2f0bf",
    "{SHA512-CRYPT.B64}JDYkdW5BbXMzQ01XTTFsTTAyYSRFUmROalpRbUZEYjB2VVRKMGJKT0JGZ2FvM2ZtbFZ2TnJyeWtJNWo4WVB1VnRINldRa1BaZ2JRaEdUQWpxdlE3OVl2bnN2Q0dIRFVlc3c3OVlsTlNsLg==",
    "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$Yz1ZVlNC2Q2MRnU0QnKp07hyoPlwdyNBWSn7f7MR9GD",
)


@pytest.mark.parametrize("hashed", MADE, ids=lambda hashed: hashed[:14])
def test_a_hash_of_others_is_checked(hashed: str) -> None:
    """The password fits, each other one does not, whatever tool made the hash."""
    assert check(hashed) == ""
    assert verify(hashed, PASSWORD)
    for other in ("grun geheim", "grün geheim ", "", "grün geheim\0x"):
        assert not verify(hashed, other)


@pytest.mark.parametrize(
    ("hashed", "why"),
    [
        ("{NTLM}0011", "the scheme {NTLM} is not known"),
        ("{SSHA}%%%", "it is no base64"),
        ("{SHA.HEX}xyz", "it is no hexadecimal"),
        ("{SCRAM-SHA-1}4096,aa", "SCRAM-SHA-1 has iterations, a salt and two keys"),
        ("{PLAIN}", "it has no hash"),
    ],
)
def test_what_cannot_be_checked_is_told(hashed: str, why: str) -> None:
    """An operator learns why, and nobody is let in."""
    assert check(hashed) == why
    with contextlib.suppress(SchemeError):
        assert not verify(hashed, PASSWORD)


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize("rest", ["", "x", "$", "*0", "!", "$1$$", "1,,,", "\0", "ü", "$y$"])
def test_a_broken_hash_lets_nobody_in(name: str, rest: str) -> None:
    """Whatever stands there, the answer is no or SchemeError, also for the empty password."""
    for password in ("", "anything else"):
        with contextlib.suppress(SchemeError):
            assert not verify(f"{{{name}}}{rest}", password)


def test_the_name_and_its_encoding_are_split_off() -> None:
    """{SCHEME.ENCODING} in any case; without a name it is crypt's or Argon2's."""
    assert split("{ssha512.hex}00") == ("SSHA512", "HEX", "00")
    assert split("$6$salt$x") == ("CRYPT", "", "$6$salt$x")
    assert split("$argon2id$v=19$") == ("ARGON2", "", "$argon2id$v=19$")


def test_scram_keys_are_spelled_as_dovecot_does() -> None:
    """What is read is written the same again (RFC 5802 §3)."""
    text = MADE[12].partition("}")[2]
    assert scram_text(scram_keys("SCRAM-SHA-1", "", text)) == text
