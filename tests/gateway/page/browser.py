"""Debian's Chromium, headless, and what it must never do on the page: complain, ask others, run what a text brings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}: apt-get install chromium, or name another in CHROMIUM"
)

_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-gpu"]

MOST_MILLISECONDS = 15_000
"""That anything on the page may take."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


class Tab:
    """A page of the browser, at the URL of the gateway."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        """What the console said, what was thrown, which other hosts were asked, which dialogs came up."""
        self.may_fail_to_load = False
        """Whether the console may say that something was not loaded, as where the server is away."""
        page.set_default_timeout(MOST_MILLISECONDS)
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        page.on("request", lambda request: self._ask(request.url))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (self.may_fail_to_load and "Failed to load resource" in text):
            self.complaints.append(f"console: {text}")

    def _ask(self, url: str) -> None:
        if not url.startswith(self.url):
            self.complaints.append(f"request: {url}")

    async def open(self, view: str = "translate", **state: str) -> None:
        await self.page.goto("about:blank")  # so that the address alone does not count as the same page
        await self.page.goto(f"{self.url}#{urlencode({'view': view, **state}, quote_via=quote)}")

    async def wait_for_text(self, selector: str, text: str) -> None:
        await self.page.locator(selector, has_text=text).first.wait_for()

    async def evaluate(self, expression: str) -> Any:
        return await self.page.evaluate(expression)


@asynccontextmanager
async def tab_at(browser: Browser, url: str, **context: Any) -> AsyncIterator[Tab]:
    """A tab in a context of its own. At its end it may have no complaints."""
    opened = await browser.new_context(**{"locale": "en-GB", "reduced_motion": "no-preference"} | context)
    tab = Tab(await opened.new_page(), url)
    try:
        yield tab
        assert not tab.complaints
    finally:
        await opened.close()
