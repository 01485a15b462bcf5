"""HTML mail is shown, and can do nothing."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eilpost.inbox import mime
from eilpost.web.frame import frame, remote_count

PIXEL = b"\x89PNG\r\n\x1a\npixel"


def html_mail(rich: str) -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\n\r\n" + rich.encode() + b"\r\n"


def shown(rich: str, *, remote: bool = False) -> str:
    content = html_mail(rich)
    return frame(content, mime.parse(content), remote=remote).html


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href=" jAvAsCrIpT:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "<svg onload=alert(1)><animate onbegin=alert(1)></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<base href='https://evil.example/'>",
    "<meta http-equiv='refresh' content='0;url=https://evil.example'>",
    "<iframe src='https://evil.example'></iframe>",
    "<object data='https://evil.example'></object><embed src='https://evil.example'>",
    "<form action='https://evil.example'><input name=password></form>",
    "<link rel=stylesheet href='https://evil.example/a.css'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<style>@import 'https://evil.example/a.css';</style></style><script>alert(1)</script>",
)


@pytest.mark.parametrize("rich", HOSTILE)
def test_f176_nothing_of_it_runs(rich: str) -> None:
    """F176: what runs, refreshes, frames or sends is not in the page."""
    lower = shown(rich).lower()
    for word in ("<script", "onerror", "onload", "onbegin", "javascript:", "<svg", "<base", 'http-equiv="refresh"',
                 "<iframe", "<object", "<embed", "<form", "<input", "<link", "<template", "data:text"):  # fmt: skip
        assert word not in lower.replace("&lt;", "(").replace("title=", "("), (word, lower)


@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<", ">", '"', "'", "<!--", "-->", "<b>", "</style>", "<style>", "\x00"]), max_size=8
    )
)
def test_f176_no_mixture_of_it_runs(pieces: list[str]) -> None:
    """Pieces of attacks in any order open no element that could act."""
    opened = Opened()
    opened.feed(shown("".join(pieces)).partition("</style>")[2])
    assert not opened.tags & {"script", "iframe", "object", "embed", "form", "base", "meta", "link", "svg", "math"}
    assert not {name for name in opened.attributes if name.startswith("on")}


class Opened(HTMLParser):
    """The elements that a browser would open: what stands in a style sheet is text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_f176_the_frame_allows_nothing() -> None:
    """The policy of the frame forbids scripts, forms and requests, and puts it into a sandbox."""
    content = html_mail("<p>Hello</p>")
    policy = frame(content, mime.parse(content), remote=False).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "http" not in policy


def test_remote_pictures_are_off_until_asked() -> None:
    """Pictures from elsewhere have no source at first; with leave they have, and the policy lets them in."""
    rich = '<img src="https://elsewhere.example/a.png" alt="a"><td background="http://elsewhere.example/b">x</td>'
    assert "elsewhere" not in shown(rich)
    assert "https://elsewhere.example/a.png" in shown(rich, remote=True)
    content = html_mail(rich)
    assert (
        "img-src data: https: http:"
        in frame(content, mime.parse(content), remote=True).headers["Content-Security-Policy"]
    )


@pytest.mark.parametrize(
    ("rich", "count"),
    [
        ('<img src="https://a.example/x">', 1),
        ("<img src='//a.example/x'><div style=\"background:url(https://b.example/y)\">", 2),
        ('<a href="https://a.example">x</a><img src="cid:a">', 0),
    ],
)
def test_what_is_remote_is_counted(rich: str, count: int) -> None:
    """Links are not counted: they are followed by hand."""
    assert remote_count(rich) == count


def test_own_pictures_are_shown_as_data() -> None:
    """A picture that HTML names by its Content-ID stands in the page itself."""
    content = (
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        b'<img src="cid:logo@a">'
        b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <logo@a>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(PIXEL)
        + b"\r\n--b--\r\n"
    )
    made = frame(content, mime.parse(content), remote=False).html
    assert f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}" in made


def test_a_svg_is_no_picture() -> None:
    """F178: a picture that is a document stays out."""
    content = (
        b'Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:a">'
        b"\r\n--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <a>\r\n\r\n<svg onload=alert(1)>\r\n--b--\r\n"
    )
    made = frame(content, mime.parse(content), remote=False).html
    assert "svg" not in made


def test_what_mail_is_made_of_stays() -> None:
    """Tables, inline styles, style sheets and links are shown; links open elsewhere and tell nothing."""
    made = shown('<style>.a{color:red}</style><table width="600" bgcolor="#fff"><tr><td style="color:red" class="a">'
                 '<a href="https://shop.example/">Shop</a></td></tr></table>')  # fmt: skip
    assert ".a{color:red}" in made
    assert 'bgcolor="#fff"' in made
    assert 'style="color:red"' in made
    assert 'target="_blank"' in made
    assert "noopener" in made
