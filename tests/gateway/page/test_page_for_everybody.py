"""By night: every view for everybody who uses it, at every width, in every language and colour, without a mouse."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

pytest.importorskip("playwright", reason="no playwright")

from playwright.async_api import Browser

from tests.gateway.page.browser import Tab, chromium, needs_chromium, tab_at

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.nightly, needs_chromium]

TEXT = "Two young men are playing guitar in the park. A dog sleeps."

VIEWS = {"translate": ".segment", "compare": ".place-1", "inside": ".formulas math", "batch": ".engine .strip"}
"""What each of them has when it is done."""

AXE_VERSION = "4.14.1"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that finds what shuts people out, from npm, or from the file that AXE names."""
    if given := os.environ.get("AXE"):
        return Path(given).read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(["npm", "pack", "--silent", f"axe-core@{AXE_VERSION}"], cwd=folder, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no axe-core: {error}")
    with tarfile.open(folder / f"axe-core-{AXE_VERSION}.tgz") as archive:
        file = archive.extractfile("package/axe.min.js")
        return io.TextIOWrapper(file, encoding="utf-8").read() if file else ""


async def open_view(tab: Tab, view: str, **state: str) -> None:
    await tab.open(view, text=TEXT, slow="1", **state)
    await tab.page.locator(VIEWS[view]).first.wait_for()
    if view == "inside":
        await tab.page.locator(".cell, .vector").first.wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
async def test_axe_finds_nothing(browser: Browser, url: str, axe: str, view: str, theme: str) -> None:
    async with tab_at(browser, url, reduced_motion="reduce", bypass_csp=True) as tab:
        for model in ("transformer-en-fr", "lstm-en-fr") if view == "inside" else ("transformer-en-fr",):
            await open_view(tab, view, theme=theme, model=model, glossary="wrong", typed="Deux hommes")
            if view == "translate":
                await tab.page.locator(".segment").first.click()
                await tab.page.locator(".alternatives li").first.wait_for()
            await tab.evaluate(axe)
            found = await tab.evaluate("axe.run({resultTypes: ['violations']})")
            told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
            assert not told, json.dumps(told, indent=1)


@pytest.mark.parametrize("language", ["en", "fr", "ko"])
@pytest.mark.parametrize("view", VIEWS)
async def test_nothing_hangs_out_at_360_pixels(browser: Browser, url: str, view: str, language: str) -> None:
    async with tab_at(browser, url, viewport={"width": 360, "height": 740}) as tab:
        await open_view(tab, view, lang=language)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert await tab.evaluate("document.documentElement.lang") == language
        body = await tab.page.locator("#page").inner_text()
        assert "undefined" not in body
        assert "{" not in body


async def test_all_languages_have_the_same_texts() -> None:
    folder = Path(__file__).parents[3] / "gateway/page/static/texts"
    program = "const {default: texts} = await import(process.argv[1]); console.log(JSON.stringify(texts))"
    told = {}
    for file in folder.glob("*.js"):
        command = ["node", "--input-type=module", "-e", program, str(file)]
        told[file.stem] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    names = {language: set(texts) for language, texts in told.items()}
    assert names["fr"] == names["ko"] == names["en"]


async def test_all_of_it_works_without_a_mouse(browser: Browser, url: str) -> None:
    async with tab_at(browser, url) as tab:
        await tab.open()
        await tab.page.get_by_label("Text to translate").wait_for()
        press = tab.page.keyboard.press
        reached = []
        for _ in range(30):
            await press("Tab")
            reached.append(await tab.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"))
            if await tab.evaluate("document.activeElement.matches('.growing textarea')"):
                break
        assert "Skip to the content" in reached
        await tab.page.keyboard.type(TEXT)
        await tab.page.locator(".segment").first.wait_for()
        while not await tab.evaluate("document.activeElement.matches('.segment')"):
            await press("Tab")
        assert await tab.page.locator(".backdrop mark").count() == 1
        await press("Space")
        await tab.page.locator(".alternatives li").first.wait_for()
        await press("Escape")
        assert await tab.evaluate("document.activeElement.matches('.segment')")
        assert await tab.page.locator(".alternatives").count() == 0


async def test_the_browsers_steps_back_lead_to_the_view_before(browser: Browser, url: str) -> None:
    async with tab_at(browser, url) as tab:
        await open_view(tab, "translate")
        await tab.page.get_by_role("link", name="Compare").click()
        await tab.page.locator(".lane").first.wait_for()
        await tab.page.go_back()
        await tab.page.locator(".segment").first.wait_for()


async def test_motion_can_be_reduced(browser: Browser, url: str) -> None:
    async with tab_at(browser, url, reduced_motion="reduce") as tab:
        await tab.open("compare", text=TEXT, slow="500")
        await tab.page.locator(".place-1").wait_for(timeout=5000)  # at 500 times slower it would be much later
