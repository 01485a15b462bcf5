"""Pages are rendered here, change nothing by being looked at, and let nothing in from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from eilpost.inbox.contract import NoMessage, Sorting
from eilpost.inbox.search import EVERYTHING
from eilpost.inbox.store import Inbox
from eilpost.web.pages import FORM_LIMIT, Pages
from eilpost.web.render import environment
from eilpost.web.views import VIEWS
from tests.unit.inbox.samples import arrival, message, mixed

HX = {"HX-Request": "true"}


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """An empty inbox with mailboxes by login."""
    async with Inbox(sorting=Sorting.LOGIN) as made:
        yield made


@pytest.fixture
async def browser(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pages alone."""
    app = Starlette(routes=Pages(inbox, environment(), server="127.0.0.1:1025").routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inbox.test") as client:
        yield client


async def test_an_empty_inbox_says_how_to_fill_it(browser: httpx.AsyncClient) -> None:
    """The first page tells what to type."""
    page = await browser.get("/")
    assert page.status_code == 200
    assert "eilpost send --server 127.0.0.1:1025" in page.text


async def test_the_list_shows_what_came_and_a_search_finds_it(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """Subjects are listed, the newest first; a search leaves out the others; a bad one says what is wrong."""
    for number in range(3):
        await inbox.take(arrival(login="anna"), message(f"subject{number}"))
    page = (await browser.get("/")).text
    assert page.index("subject2") < page.index("subject0")
    assert "subject1" not in (await browser.get("/", params={"q": "subject:subject2"})).text
    assert "the nearest is" in (await browser.get("/", params={"q": "subjct:x"})).text
    assert "Nothing found" in (await browser.get("/", params={"in": "nobody"})).text


async def test_long_lists_have_pages(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """Fifty on a page; older ones behind a link that keeps the search."""
    for number in range(51):
        await inbox.take(arrival(), message(f"n{number:03}"))
    first = (await browser.get("/", params={"q": "subject:n"})).text
    assert "n000" not in first
    assert "q=subject%3An&amp;start=50" in first
    assert "n000" in (await browser.get("/", params={"q": "subject:n", "start": "50"})).text


@pytest.mark.parametrize("view", VIEWS)
async def test_each_view_shows_something(inbox: Inbox, browser: httpx.AsyncClient, view: str) -> None:
    """Each tab of a message with all kinds of parts is shown, alone and with the page around it."""
    taken = await inbox.take(arrival(transcript="S: 220 hello\nC: QUIT"), mixed())
    alone = await browser.get(f"/message/{taken.id}/{view}", headers=HX)
    whole = await browser.get(f"/message/{taken.id}/{view}")
    assert alone.status_code == whole.status_code == 200
    assert alone.text.lstrip().startswith("<article")
    assert whole.text.startswith("<!doctype html>")
    assert 'aria-current="page"' in alone.text


async def test_opening_a_message_reads_it(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """A message that was shown is read."""
    taken = await inbox.take(arrival(), message())
    await browser.get(f"/message/{taken.id}")
    assert (await inbox.get(taken.id)).summary.is_read


async def test_f176_the_frame_is_a_page_of_its_own(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """F176: HTML comes with a policy that sandboxes it; the page frames it in a sandbox without an origin."""
    taken = await inbox.take(arrival(), mixed())
    framed = await browser.get(f"/message/{taken.id}/frame")
    assert "sandbox" in framed.headers["Content-Security-Policy"]
    assert "script-src" not in framed.headers["Content-Security-Policy"]
    page = (await browser.get(f"/message/{taken.id}/html")).text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


async def test_f177_markup_in_fields_is_text(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """F177: subject, names and addresses are text, isolated in their direction."""
    hostile = '<img src=x onerror="alert(1)">\u202egpj.exe'
    taken = await inbox.take(arrival(f'"{hostile}"@example.test', transcript=hostile), message(hostile, hostile))
    for path in ("/", *(f"/message/{taken.id}/{view}" for view in VIEWS)):
        page = (await browser.get(path)).text
        assert "<img src=x" not in page
        assert "\u202e" not in page


@pytest.mark.parametrize("path", ["/", "/list", "/help", "/message/none", "/message/none/raw", "/message/none/frame"])
async def test_every_answer_is_fenced(browser: httpx.AsyncClient, path: str) -> None:
    """A policy, no guessing of types, no referrer for others, nothing kept in caches."""
    page = await browser.get(path)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"


async def test_pages_load_nothing_from_elsewhere(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """Scripts, styles and icons are our own files, and they are there."""
    page = (await browser.get("/")).text
    for name in ("style.css", "page.js", "theme.js", "htmx.min.js", "icon.svg"):
        assert f"/static/{name}" in page
        assert (await browser.get(f"/static/{name}")).status_code == 200
    assert "https://" not in page
    assert (await browser.get("/static/../pages.py")).status_code == 404


async def test_parts_and_the_whole_are_handed_out(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """The message as it came; a picture shown; a file saved under its name; what is not there is 404."""
    taken = await inbox.take(arrival(), mixed())
    raw = await browser.get(f"/message/{taken.id}/raw")
    assert raw.content == mixed()
    assert raw.headers["Content-Disposition"].startswith("attachment")
    assert (await browser.get(f"/message/{taken.id}/part/2")).headers["Content-Type"] == "image/png"
    pdf = await browser.get(f"/message/{taken.id}/part/3")
    assert pdf.content == b"%PDF-1"
    assert pdf.headers["Content-Type"] == "application/octet-stream"
    assert "%C3%A4%20b.pdf" in pdf.headers["Content-Disposition"]
    assert (await browser.get(f"/message/{taken.id}/part/9")).status_code == 404
    assert (await browser.get(f"/message/{taken.id}/nonsense")).status_code == 404


async def test_buttons_change_what_was_chosen(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """Read, unread, tags, delete: for the chosen ones, and no others."""
    first, second = [await inbox.take(arrival(), message(f"s{n}")) for n in range(2)]
    await browser.post("/messages", data={"deed": "read", "id": first.id}, headers=HX)
    assert (await inbox.get(first.id)).summary.is_read
    assert not (await inbox.get(second.id)).summary.is_read
    await browser.post("/messages", data={"deed": "unread", "id": first.id}, headers=HX)
    assert not (await inbox.get(first.id)).summary.is_read
    await browser.post("/messages", data={"deed": "tags", "id": first.id, "tags": "a, b"}, headers=HX)
    assert (await inbox.get(first.id)).summary.tags == ("a", "b")
    answer = await browser.post("/messages", data={"deed": "delete", "id": first.id}, headers=HX)
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (204, "changed")
    with pytest.raises(NoMessage):
        await inbox.get(first.id)
    assert (await inbox.get(second.id)).summary.subject == "s1"


async def test_delete_all_deletes_what_the_list_has(inbox: Inbox, browser: httpx.AsyncClient) -> None:
    """With a search: what it finds. A form without script gets the list back."""
    for subject in ("keep", "go", "go"):
        await inbox.take(arrival(), message(subject))
    answer = await browser.post("/messages", data={"deed": "delete", "all": "1", "q": "subject:go"})
    assert answer.status_code == 303
    assert [each.subject for each in (await inbox.search(EVERYTHING)).messages] == ["keep"]


@pytest.mark.parametrize("path", ["/messages", "/message/x/raw"])
async def test_f179_looking_changes_nothing(inbox: Inbox, browser: httpx.AsyncClient, path: str) -> None:
    """F179: what changes something is posted; a link cannot do it."""
    taken = await inbox.take(arrival(), message())
    await browser.get(path, params={"deed": "delete", "id": taken.id})
    assert (await inbox.stats()).total == 1


async def test_f183_a_form_has_an_end(browser: httpx.AsyncClient) -> None:
    """F183: a form of more than 100,000 octets is refused; fields without end too."""
    assert (await browser.post("/messages", content=b"id=" + b"x" * FORM_LIMIT)).status_code == 413
    many = "&".join(["id=x"] * 5000).encode()
    assert (await browser.post("/messages", content=many)).status_code == 413
    assert (await browser.post("/messages", data={"deed": "explode", "id": "x"})).status_code == 400
