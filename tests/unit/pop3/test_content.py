"""Line ends, dots and the beginning of a message, however it is cut."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from eilpost.pop3.content import CrlfWriter, DotReader, DotWriter, TopCutter, dotted, with_crlf

MAIL = st.lists(st.sampled_from([b"\r\n", b".", b"..", b"a", b"\r", b"", b"\r\n.", b"x" * 40])).map(b"".join)
ANY = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b".", b"a"])).map(b"".join)
CUTS = st.lists(st.integers(0, 200))


def pieces(octets: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The octets, cut at these places."""
    at = 0
    for cut in sorted({cut for cut in cuts if cut < len(octets)}):
        yield octets[at:cut]
        at = cut
    yield octets[at:]


def stuffed(octets: bytes, cuts: list[int]) -> bytes:
    """What goes onto the wire."""
    writer = DotWriter()
    return b"".join(map(writer.write, pieces(octets, cuts))) + writer.end()


@given(MAIL, CUTS)
def test_f174_dots_are_the_same_however_the_content_is_cut(octets: bytes, cuts: list[int]) -> None:
    """Each line that begins with a dot gets another one, and the end is a dot alone (RFC 1939 §3)."""
    whole = octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"
    lines = whole.split(b"\r\n")[:-1]
    expected = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"
    assert stuffed(octets, cuts) == expected


@given(MAIL, CUTS, CUTS)
@example(b".", [], [1, 2, 3])
def test_what_is_written_is_read_again(octets: bytes, cuts: list[int], more: list[int]) -> None:
    """The client's reader takes off what the server's writer put on, and leaves what follows."""
    wire = stuffed(octets, cuts) + b"+OK next\r\n"
    reader, content, consumed, ended = DotReader(), b"", 0, False
    for piece in pieces(wire, more):
        if not ended:
            found = reader.read(piece)
            content, consumed, ended = content + found.octets, consumed + found.consumed, found.ended
    assert ended
    assert wire[consumed:] == b"+OK next\r\n"
    assert content == octets + (b"" if octets.endswith(b"\r\n") or not octets else b"\r\n")


@given(ANY, CUTS)
def test_line_ends_become_cr_lf_however_the_content_is_cut(octets: bytes, cuts: list[int]) -> None:
    """LF and CR LF become CR LF, and a CR that ends no line stays."""
    writer = CrlfWriter()
    found = b"".join(map(writer.write, pieces(octets, cuts))) + writer.end()
    assert found == octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") == with_crlf(octets)


@given(MAIL, MAIL, st.integers(0, 6), CUTS)
def test_top_gives_the_header_and_so_many_lines(header: bytes, body: bytes, lines: int, cuts: list[int]) -> None:
    """TOP gives all up to the empty line, and then as many lines as were asked for (RFC 1939 §7)."""
    octets = header + b"\r\n\r\n" + body
    cutter = TopCutter(lines)
    found = b"".join(map(cutter.write, pieces(octets, cuts)))
    end = (b"\r\n" + octets).find(b"\r\n\r\n") + 2
    kept = octets[end:].split(b"\n", lines)[:lines]
    assert found == octets[:end] + b"\n".join(kept) + (b"\n" if octets[end:].count(b"\n") >= lines > 0 else b"")


@given(MAIL)
@example(b"")
@example(b"\r\n.")
def test_f174_a_whole_message_is_written_as_its_pieces_are(octets: bytes) -> None:
    """F174: in one go or piece by piece, the same goes onto the wire."""
    assert b"".join(dotted(octets)) == stuffed(octets, [])
