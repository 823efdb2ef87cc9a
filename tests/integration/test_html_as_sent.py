"""Pages and fragments of HTML through the shipped models: they stay HTML, with every tag in its place."""

import html
from html.parser import HTMLParser

import pytest

from tests.integration.served import Served
from tests.integration.shipped_models import MODELS, translated

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Tags(HTMLParser):
    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {attributes}")
        if tag not in ("br", "img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


PAGES = [
    "<p>A dog runs. A cat sleeps.</p>",
    '<p>This is <a href="/rex?id=1&amp;v=2" title="Rex &gt; Bo">Rex</a>, a <b>very</b> big dog.</p>',
    "<p>A man &amp; a woman are in the <em>park</em>.<br>They are <strong>happy <i>today</i></strong>.</p>",
    "<ul><li>A dog</li><li>A cat <code>x = 1</code></li></ul>",
    '<p>A dog runs <img src="a.png" alt="x"> in the park.</p><script>var s = "A dog";</script>',
    '<p>He eats <span class="notranslate">WuffPuff</span> every day.</p><p translate="no">A dog</p>',
]


@pytest.mark.parametrize("model", MODELS)
async def test_html_stays_html_with_every_tag(served: Served, model: str) -> None:
    outputs = await translated(served, *PAGES, model=model, mime_type="text/html")
    for page, output in zip(PAGES, outputs, strict=True):
        assert sorted(Tags(output).tags) == sorted(Tags(page).tags)
    assert "<code>x = 1</code>" in outputs[3]
    assert '<script>var s = "A dog";</script>' in outputs[4]
    assert '<span class="notranslate">WuffPuff</span>' in outputs[5]
    assert '<p translate="no">A dog</p>' in outputs[5]
    first, second = await translated(served, "A dog runs.", "A cat sleeps.", model=model)
    assert outputs[0] == f"<p>{first} {second}</p>"


async def test_tags_go_around_the_words_that_translate_what_they_enclosed(served: Served) -> None:
    pages = {
        "A <b>red</b> car is in the park.": "<b>rouge</b>",
        "The <i>black</i> dog runs.": "<i>noir</i>",
        "A dog runs in the <b>park</b>.": "<b>parc</b>",
    }
    outputs = await translated(served, *pages, mime_type="text/html")
    for output, tagged in zip(outputs, pages.values(), strict=True):
        assert tagged in output


@pytest.mark.parametrize("name", ["{{ a < b }}", "Привет&Со"])
async def test_what_stands_for_a_word_in_html_remains_escaped(served: Served, name: str) -> None:
    content = f"<p>{html.escape(name)} is sleeping &amp; reading.</p>"
    [translation] = (await served.translate(content, mime_type="text/html")).translations
    assert html.escape(name) in translation.translated_text
    assert "&" not in translation.translated_text.replace("&amp;", "").replace("&lt;", "")
    [segment] = translation.segments
    part = translation.translated_text[segment.translation_start : segment.translation_end]
    assert f"<p>{part}</p>" == translation.translated_text
