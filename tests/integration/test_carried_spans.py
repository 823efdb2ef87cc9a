"""Protected spans that a model carries through itself: written where it writes their reserved pieces, and put back
where it loses them."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import pytest
import pytest_asyncio

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import TOKENIZER, BundleError, write_manifest
from server.bundle.span_pieces import RESERVED
from server.text.protected import find_protected
from tests.carrying import CarryingBackend, Script, write_carrying_bundle
from tests.fakes import all_at_once
from tests.integration.served import Served, serving
from tests.small_models import MAX_SOURCE_TOKENS, SPAN_PIECES, SmallModel

pytestmark = pytest.mark.asyncio(loop_scope="module")

A, B, C, D = SPAN_PIECES
HTML = "text/html"


class Carrying:
    """A server with a carrying model."""

    def __init__(self, served: Served, script: Script) -> None:
        self.served = served
        self.script = script

    async def __call__(self, *contents: str, **fields: object) -> list[str]:
        """Translations, which the stream's deltas are as well."""
        answer = await self.served.translate(*contents, **fields)
        texts = [translation.translated_text for translation in answer.translations]
        deltas = [""] * len(contents)
        for message in await self.served.stream(*contents, **fields):
            deltas[message.content_index] += message.text_delta
        assert deltas == texts
        return texts


@asynccontextmanager
async def serving_carrying(
    repository: Path, tokenizer: Path, has_alignment: bool = True, **settings: Any
) -> AsyncIterator[Carrying]:
    script = Script()
    write_carrying_bundle(repository, tokenizer, has_alignment=has_alignment)
    open_backend = partial(CarryingBackend, script=script)
    async with serving(repository, open_backend=open_backend, **settings) as served:
        yield Carrying(served, script)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def with_attention(carrying_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Carrying]:
    async with serving_carrying(tmp_path_factory.mktemp("models"), carrying_tokenizer) as carrying:
        yield carrying


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def without_attention(
    carrying_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Carrying]:
    async with serving_carrying(tmp_path_factory.mktemp("models"), carrying_tokenizer, False) as carrying:
        yield carrying


@pytest.fixture
def carrying(with_attention: Carrying) -> Carrying:
    with_attention.script.begin(lambda text: text)
    return with_attention


CARRIED = [
    "{name} is waiting at the bus stop.",
    "The old man reads {name} to the dog.",
    "Visit https://example.com/a?b=1 at night.",
    "The train leaves at 12:30.",
    "See https://example.com/",
    "@anna is late.",
    "{a} and {b} and {c} and {d} are late.",
    "{a}{b} is late.",
    "{name}'s dog is late.",
    "The man reads Привет, and smiled.",
    "Do you know (https://example.com/a) or {b}?",
    "The dog ❤ the cat at night.",
    "My sister works at <%= place %> now.",
]


async def test_a_copied_carrier_is_the_span_in_its_place(carrying: Carrying) -> None:
    answer = await carrying.served.translate(*CARRIED)
    assert [translation.translated_text for translation in answer.translations] == CARRIED
    assert len(carrying.script.read) == 2 * len(CARRIED)  # with the carriers, and without
    assert await carrying(*CARRIED, mime_type=HTML) == [re.sub("&", "&amp;", text) for text in CARRIED]


@pytest.mark.parametrize(("num_more", "is_carried"), [(1, True), (9, False)])
async def test_a_carrier_is_answered_unless_it_makes_the_sentence_less_probable(
    carrying: Carrying, num_more: int, is_carried: bool
) -> None:
    """Each token costs a tenth of a nat."""
    with_carrier = f"{A} is{' late' * num_more}"
    carrying.script.begin(lambda text: with_carrier if A in text else "late is")
    assert await carrying("{name} is late") == ["{name} is late" if is_carried else "{name} late is"]
    carrying.script.begin(lambda text: f"{A} is late" if A in text else f"late is {A}")
    assert await carrying("{name} is late") == ["{name} is late"]


async def test_spans_go_where_the_model_writes_them(carrying: Carrying) -> None:
    carrying.script.begin(lambda text: f"{B}, not {A}, is late." if B in text else f"Nobody saw {A}!")
    assert await carrying("{one} and {two} are late.", "{one} is late.") == [
        "{two}, not {one}, is late.",
        "Nobody saw {one}!",
    ]


LOST = [
    (f"{A} is late.", "is late."),
    (f"The man and {A} and {B} are late.", f"The man and {A} are late."),
    (f"The man and {A} are late.", f"The man and {A} are {A} late."),
    (f"The man and {A} are late.", f"{D} The {B} man and {A} are {C}late. {D}"),
    (f"The man and {A} and {B} are late.", f"{B}{B} The man and {C} and are late."),
    ("The man is late.", f"{A} The man {B} is late.{C}"),
    (f"{A} and {B} and {C} and {D} are late.", "are late."),
]


@pytest.mark.parametrize("has_alignment", [True, False])
@pytest.mark.parametrize(("source", "written"), LOST)
async def test_what_is_lost_doubled_or_invented_is_mended(
    with_attention: Carrying, without_attention: Carrying, source: str, written: str, has_alignment: bool
) -> None:
    carrying = with_attention if has_alignment else without_attention
    literals = ["{a}", "https://b.org/x", "10:45", "@dora"]
    content = source
    for piece, literal in zip(SPAN_PIECES, literals, strict=True):
        content = content.replace(piece, literal)
    carrying.script.begin(lambda _: written)
    [text] = await carrying(content)
    assert not RESERVED.search(text)
    for literal in literals:
        assert text.count(literal) == content.count(literal)
    assert "  " not in text
    assert text == text.strip()
    words = re.findall("[a-zT]+", RESERVED.sub("", written))
    without = re.sub("|".join(map(re.escape, literals)), "", text)
    assert re.findall("[a-zT]+", without) == words


async def test_a_lost_span_goes_where_the_model_attends_to_it(carrying: Carrying) -> None:
    carrying.script.begin(lambda text: text.replace(f"{A} ", ""))
    assert await carrying("The man and {name} are late.") == ["The man and {name} are late."]


async def test_a_hypothesis_that_carries_all_spans_is_answered_before_one_that_does_not(carrying: Carrying) -> None:
    # The second best token, a full stop, is written by some hypotheses in place of what is doubled.
    without = f"late{' late' * 25}"  # less probable than either
    carrying.script.begin(lambda text: f"{A} is late{A}" if A in text else without)
    decoding = {"beam_size": 4, "num_hypotheses": 4, "max_output_tokens": 32}
    answer = await carrying.served.translate("{name} is late", decoding=decoding)
    [translation] = answer.translations
    texts = [hypothesis.translated_text for hypothesis in translation.hypotheses]
    assert texts[0] == translation.translated_text == "{name} is late."
    assert all(text.count("{name}") == 1 for text in texts)


async def test_emoji_at_the_ends_stand_beside_the_sentence(carrying: Carrying) -> None:
    texts = ["👍 The cat sleeps.", "The cat sleeps 👍", "The cat sleeps 👍!", "🐕 🐕 {a} sleeps 👍."]
    assert await carrying(*texts) == texts
    assert set(carrying.script.read) == {
        "The cat sleeps.",
        "The cat sleeps",
        "The cat sleeps!",
        f"{A} sleeps.",
        "sleeps.",
    }


async def test_more_spans_than_pieces_are_carried_in_part(carrying: Carrying) -> None:
    text = "{a}, {b}, {c}, {d}, {e} and {f} are late."
    [translated] = await carrying(text)
    assert all(translated.count(f"{{{letter}}}") == 1 for letter in "abcdef")
    assert translated.startswith("{a}, {b}, {c}, {d}")
    assert translated.endswith("are late.")


async def test_a_sentence_that_fits_without_carriers_alone_is_not_cut(carrying: Carrying) -> None:
    for number in range(30, 60):
        text = " ".join(["{a} {b} {c} late"] + ["a"] * number)
        answer = await carrying.served.translate(text)
        [translation] = answer.translations
        assert all(translation.translated_text.count(f"{{{letter}}}") == 1 for letter in "abc")
        assert all(segment.source_token_count <= MAX_SOURCE_TOKENS for segment in translation.segments)
        if len(translation.segments) == 1:
            longest = number
    assert f"{A} {B} {C} late" + longest * " a" not in carrying.script.read
    assert "late" + longest * " a" in carrying.script.read


async def test_alignments_are_of_words_as_sent(carrying: Carrying) -> None:
    carrying.script.begin(lambda text: f"at night {A} sleeps" if A in text else text)
    answer = await carrying.served.translate("{{ user name }} sleeps at night", decoding={"return_alignment": True})
    [hypothesis] = answer.translations[0].hypotheses
    assert hypothesis.translated_text == "at night {{ user name }} sleeps"
    assert hypothesis.word_alignment == "5-0 6-1 0-2 4-6"


async def test_a_prefix_is_as_it_was_given_and_carries_nothing(carrying: Carrying) -> None:
    for prefix in (f"The{A}", f"{A} ", "{name}", "The "):
        [text] = await carrying("{name} is late.", decoding={"target_prefix": prefix})
        assert text.startswith(prefix)
        assert text.removeprefix(prefix).count("{name}") == 1
        assert not RESERVED.search(text.removeprefix(prefix))


async def test_users_reserved_characters_are_kept_as_what_cannot_be_read(carrying: Carrying) -> None:
    texts = [f"The {A} man is late.", f"{A} is late.", f"{A}", f"The man is {{x}} late {B}{A}.", f"a{A}b is late."]
    ways: list[dict[str, Any]] = [{}, {"mime_type": HTML}, {"split_sentences": pb.SENTENCE_SPLITTING_NONE}]
    for fields in ways:
        assert await carrying(*texts, **fields) == texts
    glossary = {"entries": [{"source_term": "man", "target_term": f"m{A}n"}]}
    assert await carrying(texts[0], decoding={"glossary": glossary}) == [f"The {A} m{A}n is late."]
    forbidden = {"forbidden_phrases": [A, f"the {A}"]}
    assert await carrying("{name} is late.", decoding=forbidden) == ["{name} is late."]


async def test_terms_stand_beside_carried_spans(carrying: Carrying) -> None:
    glossary = {"entries": [{"source_term": "man", "target_term": "dog"}]}
    carrying.script.begin(lambda text: text.replace("man", "dog"))
    [text] = await carrying("The man and {name} are late.", decoding={"glossary": glossary})
    assert text == "The dog and {name} are late."


async def test_a_text_in_capitals_is_read_in_small_letters(carrying: Carrying) -> None:
    texts = ["{name} ATE LATE.", "A LATE DATE AT https://example.com/now AND 12:30!"]
    assert await carrying(*texts) == texts
    assert set(carrying.script.read) == {
        f"{A} ate late.",
        "Ate late.",
        f"A late date at {A} and {B}!",
        "A late date at and!",
    }


TAGGED = [
    "<p>The <b>{name}</b> is <i>late</i> at night.</p>",
    "<b>{a} and</b> the man are <a href='x'>at https://example.com/</a>.",
    "The <code>x &lt; y</code> is <b>late</b>.",
    "<b>The man</b> and {a}<br>{b} is late.",
    "The <i>old</i> <img src='a'> man reads &lt;b&gt; and {a}.",
]


async def test_tags_go_around_carried_spans(carrying: Carrying) -> None:
    assert await carrying(*TAGGED, mime_type=HTML) == TAGGED
    carrying.script.begin(lambda text: f"late {A} is" if A in text else text)
    assert await carrying("<b>{name}</b> is <i>late</i>", mime_type=HTML) == ["<i>late</i> <b>{name}</b> is"]


async def test_a_translation_scores_as_it_was_written(carrying: Carrying) -> None:
    def translate(text: str) -> str:
        return text.replace(f"{A} and {B}", f"{B} and {A}")

    texts = ["{a} and {b} are late.", "The man is late.", "Visit https://example.com/ now."]
    carrying.script.begin(translate)
    answer = await carrying.served.translate(*texts)
    pairs = [
        pb.ScoredPair(content=text, translated_text=translation.translated_text)
        for text, translation in zip(texts, answer.translations, strict=True)
    ]
    scored = await carrying.served.stub.Score(pb.ScoreRequest(pairs=pairs))
    for score, translation in zip(scored.scores, answer.translations, strict=True):
        assert score.score == pytest.approx(translation.score)
    given = pb.ScoredPair(content="The man is late.", translated_text=f"{A} is late.")
    raw = pb.ScoredPair(content="The man is late.", translated_text=A)
    scored = await carrying.served.stub.Score(pb.ScoreRequest(pairs=[given, raw]))
    assert [token.token for token in scored.scores[1].tokens][:2] == ["▁", "<unk>"]


async def test_a_cached_sentence_serves_every_span(carrying_tokenizer: Path, tmp_path: Path) -> None:
    async with serving_carrying(tmp_path, carrying_tokenizer, cache_megabytes=1) as carrying:
        assert await carrying("{one} is late.") == ["{one} is late."]
        assert await carrying("https://two.org/ is late.") == ["https://two.org/ is late."]
        assert sorted(carrying.script.read) == ["is late.", f"{A} is late."]


async def test_samples_are_all_answered(carrying: Carrying) -> None:
    carrying.script.begin(lambda text: text.replace(A, ""))
    decoding = {"temperature": 1.5, "num_hypotheses": 6, "seed": 5, "max_output_tokens": 12}
    answer = await carrying.served.translate("The man and {name} are late.", decoding=decoding)
    texts = [hypothesis.translated_text for hypothesis in answer.translations[0].hypotheses]
    assert len(texts) == 6
    assert all(text.count("{name}") == 1 and not RESERVED.search(text) for text in texts)


async def test_an_output_limit_loses_no_span(carrying: Carrying) -> None:
    for limit in range(1, 12):
        [text] = await carrying("The man and {a} and {b} are late.", max_output_tokens=limit)
        assert text.count("{a}") == text.count("{b}") == 1


async def test_random_weights_lose_no_span(
    carrying_tokenizer: Path, small_model: Callable[[str], SmallModel], tmp_path: Path
) -> None:
    bundle = small_model("transformer").bundle
    folder = tmp_path / bundle.manifest.name / bundle.manifest.version
    copytree(bundle.folder, folder)
    copyfile(carrying_tokenizer, folder / TOKENIZER)
    write_manifest(folder, replace(bundle.manifest, span_pieces=SPAN_PIECES))
    ways: list[dict[str, Any]] = [{}, {"beam_size": 4, "num_hypotheses": 3}, {"use_shortlist": True}]
    ways += [{"return_alignment": True}, {"temperature": 2.0, "num_hypotheses": 4}]
    async with serving(tmp_path, default_model=bundle.manifest.name) as served:
        for decoding in ways:
            answer = await served.translate(*CARRIED, decoding=decoding)
            for text, translation in zip(CARRIED, answer.translations, strict=True):
                for hypothesis in translation.hypotheses:
                    assert not RESERVED.search(hypothesis.translated_text)
                    for span in all_at_once(find_protected(text, ())):
                        assert hypothesis.translated_text.count(span.literal) == 1


async def test_a_tokenizer_without_the_pieces_is_refused(small_tokenizer: Path, tmp_path: Path) -> None:
    write_carrying_bundle(tmp_path, small_tokenizer, span_pieces=("\ue000", "\ue001"))
    with pytest.raises(BundleError, match=r"no piece for U\+E000, U\+E001"):
        async with serving(tmp_path):
            pass
