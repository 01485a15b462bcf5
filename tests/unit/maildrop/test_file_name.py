"""What a message's file is called."""

from __future__ import annotations

from eilpost.maildrop.file_name import host_part, unique_name, with_size


def test_a_name_holds_time_process_number_and_host() -> None:
    """The form is that of maildir(5), with the size where readers look for it."""
    name = unique_name(1_700_000_000.25, 42, 7, "c0ffee", "mx.example.test")
    assert name == "1700000000.M250000P42Q7Rc0ffee.mx.example.test"
    assert with_size(name, 4160).endswith(",S=4160")


def test_f166_a_host_name_cannot_end_the_name() -> None:
    """Slash and colon, which mean something in a Maildir, are written as maildir(5) says."""
    assert host_part("a/b:c\n") == "a\\057b\\072c\\012"
    assert len(host_part("x" * 1000)) == 100
