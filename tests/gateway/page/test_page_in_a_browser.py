"""The page as people use it, in Debian's Chromium."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

pytest.importorskip("playwright", reason="no playwright")

from playwright.async_api import Browser, Route, expect

from tests.gateway.page.browser import MOST_MILLISECONDS, Tab, chromium, needs_chromium, tab_at
from tests.gateway.page.pages import page_for
from tests.integration.served import serving
from tests.integration.shipped import one_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_chromium]

TEXT = "A dog sleeps. Two young men are playing guitar in the park."
FIRST, SECOND = "Un chien dort.", "Deux jeunes hommes jouent de la guitare dans le parc."
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'>{{alert(3)}}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser, url: str) -> AsyncIterator[Tab]:
    async with tab_at(browser, url) as tab:
        yield tab


async def test_segments_light_up_with_their_source(tab: Tab) -> None:
    await tab.open()
    await tab.page.get_by_label("Text to translate").fill(TEXT)
    await tab.wait_for_text(".segment", FIRST)
    await tab.page.locator(".segment", has_text=SECOND).hover()
    await expect(tab.page.locator(".backdrop mark")).to_have_text("Two young men are playing guitar in the park.")
    assert "text=A+dog" in tab.page.url
    await tab.page.reload()
    await tab.wait_for_text(".segment", FIRST)


async def test_a_segment_can_be_said_otherwise(tab: Tab) -> None:
    await tab.open(text=TEXT)
    segment = tab.page.locator(".segment", has_text=SECOND)
    await segment.focus()
    await segment.press("Enter")
    others = tab.page.locator(".alternatives li")
    await others.nth(1).wait_for()
    other = await others.nth(1).locator("span").first.inner_text()
    await others.nth(1).locator("button").press("Enter")
    await tab.wait_for_text(".segment", other)
    assert await tab.evaluate("document.activeElement.textContent") == other


@pytest.mark.nightly
async def test_glossary_and_names_reach_the_server(tab: Tab) -> None:
    await tab.open(text="The dog sees Black Keys.", glossary="dog = toutou", keep="Black Keys")
    await tab.wait_for_text(".target", "toutou")
    await tab.wait_for_text(".target", "Black Keys")


async def test_four_architectures_race(tab: Tab) -> None:
    await tab.open("compare", text=TEXT, slow="10")
    await tab.page.locator(".place").nth(3).wait_for()
    names = await tab.page.locator(".lane h2").all_text_contents()
    assert names == ["rnn-en-fr", "lstm-en-fr", "lstm-attention-en-fr", "transformer-en-fr"]
    places = await tab.page.locator(".place").all_text_contents()
    assert sorted(place[-1] for place in places) == ["1", "2", "3", "4"]
    assert await tab.page.locator(".lane").last.locator(".token").count() > 10


async def test_attention_is_drawn_step_by_step(tab: Tab) -> None:
    await tab.open("inside", text="A dog sleeps.", model="transformer-en-fr")
    cells = tab.page.locator(".cell")
    await cells.first.wait_for()
    names = await tab.page.locator("figure text.word").all_text_contents()
    num_source = names.index("end") + 1
    assert "".join(names).replace("·", "") == "Adogsleeps.endUnchiendort.end"
    assert await cells.count() == num_source * (len(names) - num_source)
    slider = tab.page.get_by_role("slider")
    await slider.focus()
    await slider.press("Home")
    await expect(tab.page.locator(".reading")).to_contain_text("“Un”")
    await slider.press("ArrowRight")
    await expect(tab.page.locator(".reading")).to_contain_text("“chien”")
    await expect(tab.page.locator(".reading")).to_contain_text("attends to dog")


async def test_each_head_is_looked_at_by_keyboard_in_the_step_that_was_chosen(tab: Tab) -> None:
    await tab.open("inside", text="A dog sleeps.", model="transformer-en-fr")
    page, most = tab.page, MOST_MILLISECONDS
    reading, choice = page.locator(".reading"), page.get_by_label("Attention of")
    await expect(choice).to_have_text("all heads (mean)head 1head 2head 3head 4", use_inner_text=False)
    slider = page.get_by_role("slider")
    await slider.press("Home")
    await slider.press("ArrowRight")
    await expect(reading).to_contain_text("“chien”")
    cell = page.locator(".cell").nth(1)
    seen = {await reading.inner_text(): await cell.get_attribute("style")}
    await choice.focus()
    for number in range(1, 5):
        before = await reading.inner_text()
        await page.keyboard.press("ArrowDown")
        assert await choice.input_value() == str(number)
        await expect(reading).not_to_have_text(before, timeout=most)
        seen[await reading.inner_text()] = await cell.get_attribute("style")
    assert len(seen) == len(set(seen.values())) == 5
    assert all("“chien”" in text for text in seen)
    assert "head=4" in page.url
    await page.keyboard.press("Home")
    await expect(reading).to_have_text(next(iter(seen)), timeout=most)
    await tab.open("inside", text="A dog sleeps.", model="lstm-attention-en-fr", head="3")
    await page.locator(".cell").first.wait_for()
    assert await choice.count() == 0


async def test_the_mean_is_drawn_where_the_heads_are_refused(tab: Tab) -> None:
    async def refuse(route: Route) -> None:
        if json.loads(route.request.post_data or "")["decoding"].get("returnAlignmentHeads"):
            refusal = {"error": {"code": "INVALID_ARGUMENT", "message": "decoding.return_alignment_heads: too many"}}
            await route.fulfill(body=f"data: {json.dumps(refusal)}\n\n")
        else:
            await route.continue_()

    await tab.page.route("**/page/translate", refuse)
    await tab.open("inside", text="A dog sleeps.", model="transformer-en-fr", head="3")
    await tab.wait_for_text("[role=alert]", "decoding.return_alignment_heads: too many")
    await tab.page.locator(".cell").first.wait_for()
    assert await tab.page.locator(".branch").count() > 2
    await tab.page.get_by_label("Attention of").select_option("0")
    await expect(tab.page.locator(".problem")).to_have_count(0)


@pytest.mark.nightly
async def test_models_without_attention_say_so(tab: Tab) -> None:
    for model in ("rnn-en-fr", "lstm-en-fr"):
        await tab.open("inside", text="A dog sleeps.", model=model)
        await tab.page.locator(".vector").wait_for()
        await tab.wait_for_text("h2", "One vector, no attention")
        assert await tab.page.locator(".cell").count() == 0
        assert await tab.page.locator(".formulas math").count() > 0


@pytest.mark.nightly
async def test_of_a_long_text_the_beginning_is_drawn(tab: Tab) -> None:
    await tab.open("inside", text=TEXT * 80, model="transformer-en-fr")
    await tab.wait_for_text(".quiet", "The text is long")
    assert 0 < await tab.page.locator(".cell").count() <= 64 * 64
    assert len(await tab.page.locator(".chip").all()) == 64


async def test_a_translation_goes_on_from_another_word_and_is_scored(tab: Tab) -> None:
    await tab.open("inside", text="A dog sleeps in the park.", model="transformer-en-fr")
    await tab.page.locator(".chip", has_text="chien").click()
    await tab.page.keyboard.type("petit chien")
    await tab.page.keyboard.press("Enter")
    await tab.wait_for_text(".result", "Un petit chien ")
    await tab.page.get_by_label("Your translation").fill("Un chat mange.")
    await tab.page.get_by_role("button", name="Score").click()
    await tab.wait_for_text(".figures", "nats in all")
    assert await tab.page.locator(".branch").count() > 2


async def test_the_running_batches_are_seen_while_they_work(tab: Tab) -> None:
    await tab.open("batch", amount="50", span="30", model="transformer-en-fr")
    lane = tab.page.get_by_role("article", name="transformer-en-fr", exact=True)
    await lane.wait_for()
    assert not await lane.locator("path").first.get_attribute("d")
    await tab.page.get_by_role("button", name="Translate them").click()
    most = MOST_MILLISECONDS
    await expect(lane.locator("path").first).to_have_attribute("d", re.compile(r"(M[^M]+){50}"), timeout=most)
    tokens = tab.page.get_by_role("row", name="transformer-en-fr ").get_by_role("cell").last
    await expect(tokens).to_have_text("0", timeout=most)
    await expect(tab.page.get_by_role("button", name="Translate them")).to_be_enabled(timeout=most)


async def test_texts_stay_texts(tab: Tab) -> None:
    for view in ("translate", "compare", "inside", "batch"):
        names = ("glossary", "keep", "prefix", "typed", "model", "lang", "theme", "slow", "span", "amount")
        fields = dict.fromkeys(names, ATTACK)
        await tab.open(view, text=f"A dog. {ATTACK}", **fields)
        await tab.page.locator(".target, .problem, .engine").first.wait_for()
    for kind in ("img", "script:not([src])"):
        assert await tab.page.locator(kind).count() == 0


async def test_names_and_answers_of_models_stay_texts(tab: Tab, url: str) -> None:
    async def rename(route: Route) -> None:
        answer = await route.fetch()
        models = (await answer.json())["models"]
        await route.fulfill(json={"models": [model | {"name": ATTACK, "architecture": ATTACK} for model in models]})

    async def attack(route: Route) -> None:
        told = {"textDelta": ATTACK, "tokens": [], "model": ATTACK, "milliseconds": 1}
        failed = {"error": {"code": "INTERNAL", "message": ATTACK}}
        await route.fulfill(body="".join(f"data: {json.dumps(event)}\n\n" for event in (told, failed)))

    await tab.page.route("**/page/models", rename)
    await tab.page.route("**/page/translate", attack)
    await tab.open(text="A dog.")
    await tab.wait_for_text(".problem", ATTACK)
    assert await tab.page.locator("img, script:not([src])").count() == 0


@pytest.mark.nightly
async def test_an_error_is_said_by_its_field(tab: Tab) -> None:
    tab.may_fail_to_load = True  # the console has every refusal
    await tab.open(text="A dog.", glossary="\n".join(f"word{number} = mot" for number in range(5000)))
    await tab.wait_for_text("[role=alert]", "glossary")


@pytest.mark.nightly
async def test_a_server_that_is_lost_comes_back(browser: Browser, tmp_path: Path) -> None:
    repository = one_model(tmp_path)
    async with serving(repository) as first:
        port = first.app.port
        async with page_for(first.address) as url, tab_at(browser, url) as tab:
            tab.may_fail_to_load = True
            await tab.open(text="A dog sleeps.")
            await tab.page.locator(".segment").wait_for()
            await first.stop()
            source = tab.page.get_by_label("Text to translate")
            await source.fill("A cat sleeps.")
            await tab.wait_for_text(".loss p", "The server does not answer")
            async with serving(repository, listen=f"127.0.0.1:{port}"):
                await tab.wait_for_text(".loss p", "The server is back")
                assert await source.input_value() == "A cat sleeps."
                await tab.wait_for_text(".segment", "chat")
