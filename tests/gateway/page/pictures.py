"""The pictures of the page in docs/pictures: python -m tests.gateway.page.pictures.

Debian's Chromium shows what a server of the shipped models answers. Takes half a minute; look at them before they are
committed.
"""

import argparse
import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.processes import ROOT, server_process
from tests.gateway.page.browser import chromium, tab_at
from tests.gateway.page.pages import page_for

MOST_BYTES = 120_000
COLOURS = 160
TEXT = "Two young men are playing guitar in the park."
LETTER = (
    "A dog sleeps. Two young men are playing guitar in the park.\n\n"
    "- The woman in the red coat is reading a book.\n- It is raining.\n\nSee https://example.org/plan."
)


async def _translated(page: Page) -> None:
    segment = page.locator(".segment").nth(1)
    await segment.wait_for()
    await segment.click()
    await page.locator(".alternatives li").nth(2).wait_for()


async def _lit(page: Page) -> None:
    await page.locator(".segment").nth(1).hover()
    await page.evaluate("scrollTo(0, 0)")


async def _raced(page: Page) -> None:
    await page.locator(".place").nth(3).wait_for()


async def _inside(page: Page) -> None:
    await page.locator(".cell").first.wait_for()
    slider = page.get_by_role("slider")
    await slider.focus()
    await slider.press("Home")
    for _ in range(5):
        await slider.press("ArrowRight")
    await page.evaluate("document.activeElement.blur()")


async def _at_work(page: Page) -> None:
    await page.locator(".engine").nth(3).wait_for()
    await page.get_by_role("button", name="Translate them").click()
    path = page.get_by_role("article", name="transformer-en-fr", exact=True).locator("path").first
    await expect(path).to_have_attribute("d", re.compile(r"(M[^M]+){60}"), timeout=15_000)
    await page.evaluate("scrollTo(0, 0)")


class Picture(NamedTuple):
    name: str
    view: str
    state: dict[str, str]
    ready: Callable[[Page], Awaitable[None]]
    width: int = 1100
    height: int = 720
    scheme: str = "light"


PICTURES = (
    Picture("page-translate", "translate", {"text": LETTER}, _translated, height=860),
    Picture("page-compare", "compare", {"text": TEXT, "slow": "50"}, _raced, height=760),
    Picture("page-inside", "inside", {"text": TEXT}, _inside, height=1010, scheme="dark"),
    Picture("page-batch", "batch", {"amount": "200", "span": "10"}, _at_work, height=1300),
    Picture("page-narrow", "translate", {"text": LETTER.partition("\n")[0], "lang": "ko"}, _lit, 390, 700),
)


async def draw(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with server_process(ROOT / "model_repository", **{"default-model": "transformer-en-fr"}) as server:
        async with page_for(server.address) as url, chromium() as browser:
            for picture in PICTURES:
                options: dict[str, Any] = {"viewport": {"width": picture.width, "height": picture.height}}
                async with tab_at(browser, url, color_scheme=picture.scheme, **options) as tab:
                    await tab.open(picture.view, **picture.state)
                    await picture.ready(tab.page)
                    shown = small(await tab.page.screenshot())
                path = folder / f"{picture.name}.png"
                path.write_bytes(shown)
                print(f"{path}: {len(shown)} bytes")
                assert len(shown) <= MOST_BYTES


def small(png: bytes) -> bytes:
    """The same picture with few colours, which is what it has but for the edges of letters."""
    written = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.page.pictures")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs/pictures")
    asyncio.run(draw(parser.parse_args().folder))
