"""The page in a real browser: live, by keyboard, on a telephone, with hostile mail."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from eilpost.inbox.board import Board
from eilpost.inbox.release import Releaser
from eilpost.inbox.store import Inbox
from eilpost.web.app import app
from eilpost.web.desk import Desk
from eilpost.web.guard import Accounts
from eilpost.web.serve import WebServer
from tests.peers.tools import SEARCH_PATH
from tests.unit.inbox.samples import arrival, message, mixed

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, expect
else:
    expect = pytest.importorskip("playwright.async_api").expect

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

WIDE = {"width": 1440, "height": 900}
TABLET = {"width": 1000, "height": 760}
TELEPHONE = {"width": 390, "height": 844}
PATIENCE = 10_000  # milliseconds
PICTURES = Path("build/screenshots")

HOSTILE = """
<script>window.top.hacked = 1; fetch('/elsewhere')</script><img src=x onerror="window.top.hacked=1">
<img src="{address}/picture"><link rel=stylesheet href="{address}/sheet"><iframe src="{address}/frame"></iframe>
<div style="background:url({address}/background)">Hello</div>
<style>@import url({address}/import); body{{color:red}}</style>
<a id="away" href="javascript:window.top.hacked=1">press</a><form action="{address}/form"><button>go</button></form>
<meta http-equiv="refresh" content="0;url={address}/refresh">
<svg onload="window.top.hacked=1"></svg><base href="{address}/">
"""


def html_mail(rich: str, subject: str = "Hostile") -> bytes:
    head = f"From: eve@example.test\r\nTo: bob@example.test\r\nSubject: {subject}\r\n"
    return f"{head}Content-Type: text/html; charset=utf-8\r\n\r\n{rich}\r\n".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium", path=SEARCH_PATH)
    if path is None:
        pytest.skip("no browser: chromium is not installed")
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as driver:
        made = await driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        await made.close()


@dataclass
class Site:
    """An inbox with its page, served."""

    inbox: Inbox
    board: Board
    address: str


@contextlib.asynccontextmanager
async def served(accounts: Accounts | None = None) -> AsyncIterator[Site]:
    """The whole application on a free port, as `eilpost dev` runs it."""
    async with Inbox() as inbox, Releaser(inbox) as releaser:
        board = Board()
        desk = Desk(inbox, board, releaser, "1.2.3", "127.0.0.1:1025")
        async with WebServer(app(desk, accounts=accounts), "127.0.0.1", 0) as web:
            yield Site(inbox, board, f"http://127.0.0.1:{web.port}")
            inbox.end_watching()


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """A new inbox for each test."""
    async with served() as made:
        yield made


@contextlib.asynccontextmanager
async def opened(browser: Browser, url: str, size: dict[str, int] = WIDE, **more: object) -> AsyncIterator[Page]:
    """A page of its own; a script's error fails the test."""
    context = await browser.new_context(viewport=size, **more)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    try:
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(url)
        await page.wait_for_selector("#list")
        yield page
    finally:
        await context.close()
    assert not errors


async def live(page: Page) -> None:
    await page.wait_for_selector("#live.on")


async def test_mail_arrives_by_itself(browser: Browser, site: Site) -> None:
    """A message that comes while the page is open is shown without a reload, in two tabs, and is announced."""
    async with opened(browser, site.address) as page, opened(browser, site.address) as other:
        await live(page)
        await live(other)
        await site.inbox.take(arrival(), message("Fresh mail"))
        for each in (page, other):
            await each.get_by_text("Fresh mail").first.wait_for()
            await expect(each).to_have_title(re.compile(r"^\(1\)"))
        assert "Fresh mail" in (await page.locator("#said").inner_text())
        await page.locator(".row a").click()
        await page.wait_for_selector("#message[data-id]")
        await expect(other.locator(".row.unread")).to_have_count(0)


async def test_f176_hostile_html_does_nothing(browser: Browser, site: Site) -> None:
    """F176: no script runs, and nothing at all is asked for, whatever the HTML says."""
    hits: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append((await reader.readline()).decode())
        writer.close()

    elsewhere = await asyncio.start_server(note, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}"
    taken = await site.inbox.take(arrival(), html_mail(HOSTILE.format(address=address)))
    async with opened(browser, f"{site.address}/message/{taken.id}") as page:
        frame = page.frame_locator("iframe")
        await frame.get_by_text("Hello").wait_for()
        await frame.locator("#away, a").first.click()
        assert await page.evaluate("window.hacked") is None
        assert page.url.startswith(site.address)
        assert hits == []
        await page.get_by_text("Load", exact=True).click()
        await page.get_by_text("Loaded from elsewhere").wait_for()
        for _ in range(100):
            if hits:
                break
            await asyncio.sleep(0.05)
        assert hits[0].startswith("GET /picture")
    elsewhere.close()


async def test_everything_goes_by_keyboard(browser: Browser, site: Site) -> None:
    """j and k move, enter opens, numbers choose a view, slash searches, d deletes, escape goes back."""
    for number in range(5):
        await site.inbox.take(arrival(transcript="C: QUIT"), message(f"Number {number}"))
    async with opened(browser, site.address) as page:
        await live(page)
        for key in "jjk":
            await page.keyboard.press(key)
        await page.keyboard.press("Enter")
        await page.locator("#subject", has_text="Number 4").wait_for()
        await page.keyboard.press("6")
        await page.locator(".transcript", has_text="C: QUIT").wait_for()
        await page.keyboard.press("j")
        await page.locator("#subject", has_text="Number 3").wait_for()
        await page.keyboard.press("d")
        await page.locator("#subject", has_text="Number 2").wait_for()
        await expect(page.locator(".row")).to_have_count(4)
        assert (await site.inbox.stats()).total == 4
        await page.keyboard.press("/")
        await page.keyboard.type("subject:4")
        await expect(page.locator(".row")).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(page.locator("#message[data-id]")).to_have_count(0)


async def test_many_are_chosen_and_deleted(browser: Browser, site: Site) -> None:
    """Choosing shows the buttons; they change what was chosen, and the rest stays."""
    for number in range(4):
        await site.inbox.take(arrival(), message(f"Number {number}"))
    async with opened(browser, site.address) as page:
        await live(page)
        for number in (0, 2):
            await page.locator(".row input").nth(number).check()
        await page.get_by_role("toolbar").get_by_role("button", name="Delete", exact=True).click()
        await expect(page.locator(".row")).to_have_count(2)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Delete all").click()
        await page.get_by_text("Waiting for the first mail").wait_for()
        assert (await site.inbox.stats()).total == 0


async def test_an_attachment_is_saved(browser: Browser, site: Site) -> None:
    """The attachments' view shows pictures and hands files out under their names."""
    taken = await site.inbox.take(arrival(), mixed())
    async with opened(browser, f"{site.address}/message/{taken.id}/attachments") as page:
        async with page.expect_download() as download:
            await page.locator(".files li", has_text="b.pdf").get_by_text("Save").click()
        assert (await download.value).suggested_filename.endswith("b.pdf")


async def test_a_telephone_shows_one_room_at_a_time(browser: Browser, site: Site) -> None:
    """The list, then the message with a way back; nothing is wider than the screen."""
    taken = await site.inbox.take(arrival(), mixed())
    async with opened(browser, site.address, TELEPHONE, has_touch=True, is_mobile=True) as page:
        await page.locator(".row a").tap()
        await page.wait_for_selector(f"#message[data-id='{taken.id}']")
        assert not await page.locator("#list").is_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.locator(".back").tap()
        await expect(page.locator("#message[data-id]")).to_have_count(0)
        assert await page.locator("#list").is_visible()


async def test_it_works_without_scripts(browser: Browser, site: Site) -> None:
    """Lists, messages, search and deletion are links and forms."""
    await site.inbox.take(arrival(), message("Plain"))
    async with opened(browser, site.address, java_script_enabled=False) as page:
        await page.locator("#search").fill("subject:plain")
        await page.locator("#search").press("Enter")
        await page.locator(".row a").click()
        assert "some words" in await page.locator("#message").inner_text()
        await page.locator("form.one .danger").click()
        assert (await site.inbox.stats()).total == 0


async def test_names_and_roles_are_there_for_screen_readers(browser: Browser, site: Site) -> None:
    """Every control has a name, the page has its landmarks, and a way past them."""
    taken = await site.inbox.take(arrival(), mixed())
    async with opened(browser, f"{site.address}/message/{taken.id}") as page:
        nameless = await page.evaluate(
            """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), iframe')].filter(it =>
            !(it.textContent.trim() || it.getAttribute('aria-label') || it.title || it.labels?.length)).length"""
        )
        assert nameless == 0
        for role in ("banner", "main", "search", "article"):
            assert await page.get_by_role(role).count() == 1, role
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"


async def test_faults_are_set_by_page(browser: Browser, site: Site) -> None:
    """An example is added by a press, and set by another; a slip is told with its line, and nothing changes."""
    async with opened(browser, f"{site.address}/faults") as page:
        await page.locator("[data-add]").first.click()
        await page.get_by_role("button", name="Set these").click()
        await expect(page.get_by_role("textbox", name="Faults that are set")).to_have_value(re.compile("full.test"))
        assert len(site.board.rules) == 1
        await page.get_by_role("textbox", name="Faults that are set").fill("rcpt replay=1")
        await page.get_by_role("button", name="Set these").click()
        await page.get_by_role("alert").get_by_text("Line 1").wait_for()
        assert len(site.board.rules) == 1


async def test_f184_who_does_not_sign_in_sees_nothing(browser: Browser) -> None:
    """F184: without a password there is no page; with it, list, message and live arrival work."""
    accounts = Accounts({"anna": PasswordHasher(time_cost=1, memory_cost=32).hash("secret")})
    async with served(accounts) as site:
        stranger = await browser.new_context()
        answer = await stranger.request.get(site.address)
        assert answer.status == 401
        await stranger.close()
        async with opened(browser, site.address, http_credentials={"username": "anna", "password": "secret"}) as page:
            await live(page)
            await site.inbox.take(arrival(), message("Private"))
            await page.locator(".row a", has_text="Private").click()
            await page.locator("#subject", has_text="Private").wait_for()


@pytest.mark.parametrize("count", [0, 1, 10_000])
async def test_it_looks_right_in_every_size(browser: Browser, site: Site, count: int) -> None:
    """Three sizes, both themes, with none, one and ten thousand messages; the pictures are for the docs."""
    for start in range(0, count, 500):
        await asyncio.gather(
            *(
                site.inbox.take(arrival(), message(f"Order {n} has been shipped"))
                for n in range(start, min(start + 500, count))
            )
        )
    for name, size in (("wide", WIDE), ("tablet", TABLET), ("telephone", TELEPHONE)):
        for theme in ("light", "dark"):
            async with opened(browser, site.address, size, color_scheme=theme) as page:
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert await page.locator(".row").count() == min(count, 50)
                await live(page)
                await page.screenshot(path=PICTURES / f"{name}-{theme}-{count}.png")
