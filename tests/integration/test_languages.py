"""Models of several languages behind the real server: what reaches the model, and what callers see of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
import pytest_asyncio

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle, write_manifest
from server.decoding.graphs.backend import BackendOptions
from server.serving.example import example_arguments
from tests.fakes import PATIENCE
from tests.integration.served import Served, refusal, request, serving
from tests.small_models import MAX_SOURCE_TOKENS
from tests.speaking import WORDS, SpeakingBackend, write_marian_bundle, write_nllb_bundle

ROOT = Path(__file__).parents[2]

SENTENCE = "the train is near the table."


class Speaking:
    """A server of one model of several languages, and what has reached the model."""

    def __init__(self, served: Served, backends: list[SpeakingBackend]) -> None:
        self.served = served
        self._backends = backends

    @property
    def backend(self) -> SpeakingBackend:
        return self._backends[0]

    def anew(self) -> Self:
        """The same server, as if nothing had reached the model yet."""
        self.backend.read.clear()
        self.backend.starts.clear()
        return self

    async def __call__(self, *contents: str, **fields: Any) -> list[str]:
        answer = await self.served.translate(*contents, **fields)
        return [translation.translated_text for translation in answer.translations]


@asynccontextmanager
async def speaking(repository: Path, name: str, **settings: Any) -> AsyncIterator[Speaking]:
    backends: list[SpeakingBackend] = []

    def open_backend(bundle: Bundle, options: BackendOptions) -> SpeakingBackend:
        backends.append(SpeakingBackend(bundle, options))
        return backends[-1]

    async with serving(repository, open_backend=open_backend, default_model=name, **settings) as served:
        yield Speaking(served, backends)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started_nllb(small_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Speaking]:
    repository = tmp_path_factory.mktemp("nllb")
    write_nllb_bundle(repository, small_tokenizer)
    async with speaking(repository, "nllb") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started_marian(small_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Speaking]:
    repository = tmp_path_factory.mktemp("marian")
    write_marian_bundle(repository, small_tokenizer)
    async with speaking(repository, "marian") as started:
        yield started


@pytest.fixture
def nllb(started_nllb: Speaking) -> Speaking:
    return started_nllb.anew()


@pytest.fixture
def marian(started_marian: Speaking) -> Speaking:
    return started_marian.anew()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def languages(source: str, target: str) -> dict[str, Any]:
    return {"source_language_code": source, "target_language_code": target}


EN_FR, EN_DE, FR_EN = languages("en", "fr"), languages("en", "de"), languages("fr", "en")


async def test_every_sentence_has_the_tokens_of_its_languages(nllb: Speaking) -> None:
    text = "the train is near. the table is near.\n\n- the car."
    assert await nllb(text, **EN_DE) == ["man the train is near. man the table is near.\n\n- man the car."]
    assert await nllb("le train.", **FR_EN) == ["near le train."]
    assert [(read[0], read[-1]) for read in nllb.backend.read] == [("eng_Latn", "</s>")] * 3 + [("fra_Latn", "</s>")]
    assert nllb.backend.starts == {("</s>", "deu_Latn"), ("</s>", "eng_Latn")}


async def test_a_source_may_say_what_it_is_to_become(marian: Speaking) -> None:
    text = "the train is near. the table is near."
    assert await marian(text, target_language_code="fr") == ["cat the train is near. cat the table is near."]
    assert await marian(text, **EN_DE) == ["man the train is near. man the table is near."]
    assert [read[0] for read in marian.backend.read] == [">>fra<<"] * 2 + [">>deu<<"] * 2
    assert all(read[-1] == "</s>" and read.count("</s>") == 1 for read in marian.backend.read)
    assert marian.backend.starts == {("<pad>",)}


KINDS: list[dict[str, Any]] = [
    {},
    {"beam_size": 4, "num_hypotheses": 2},
    {"beam_size": 3, "no_repeat_ngram_size": 9},
    {"return_token_scores": True, "return_alignment": True},
    {"temperature": 0.01, "seed": 3},
    {"min_output_tokens": 3},
    {"repetition_penalty": 1.01},
]


@pytest.mark.parametrize("decoding", KINDS)
async def test_the_language_is_in_no_translation_however_it_is_decoded(
    nllb: Speaking, decoding: dict[str, Any]
) -> None:
    [translation] = (await nllb.served.translate(SENTENCE, **EN_FR, decoding=decoding)).translations
    assert translation.translated_text == f"cat {SENTENCE}"
    [read] = nllb.backend.read
    assert translation.source_token_count == len(read)
    assert translation.output_token_count == len(read) - 1  # without the end and the source's language, with the word
    best = translation.hypotheses[0]
    if decoding.get("return_token_scores"):
        assert [token.token for token in best.tokens] == [f"▁{WORDS['fr']}", *read[1:-1], "</s>"]
        assert [token.log_prob for token in best.tokens] == pytest.approx([-0.1] * len(best.tokens))
        assert list(translation.source_tokens) == read
        assert {len(token.alignment) for token in best.tokens} == {len(read)}
        assert best.word_alignment.endswith(" ".join(f"{word}-{word + 1}" for word in range(6)))
    assert translation.score == pytest.approx(-0.1, abs=1e-3)


@pytest.mark.parametrize("fields", [EN_FR, EN_DE])
@pytest.mark.parametrize("beam_size", [1, 4])
async def test_a_stream_tells_the_translation_alone(nllb: Speaking, fields: dict[str, Any], beam_size: int) -> None:
    decoding = {"beam_size": beam_size, "return_token_scores": True}
    messages = await nllb.served.stream(f"{SENTENCE} the car.", **fields, decoding=decoding)
    word = WORDS[fields["target_language_code"]]
    text = f"{word} {SENTENCE} {word} the car."
    assert "".join(message.text_delta for message in messages) == text == messages[-1].translation.translated_text
    tokens = [token.token for message in messages for token in message.tokens]
    assert tokens == [token.token for token in messages[-1].translation.hypotheses[0].tokens]
    assert not [token for token in tokens if "Latn" in token]
    assert tokens.count("</s>") == 2


@pytest.mark.parametrize("decoding", [{}, {"beam_size": 3}, {"temperature": 0.01, "seed": 1}])
async def test_a_prefix_comes_behind_the_language(nllb: Speaking, decoding: dict[str, Any]) -> None:
    """The model goes on where it would be without the prefix."""
    [read] = (await nllb("the car is near.", **EN_FR)) and nllb.backend.read
    decoding = {**decoding, "target_prefix": "man", "return_token_scores": True}
    [translation] = (await nllb.served.translate("the car is near.", **EN_FR, decoding=decoding)).translations
    assert translation.translated_text == "man the car is near."
    assert [token.token for token in translation.hypotheses[0].tokens] == ["▁man", *read[1:-1], "</s>"]
    assert nllb.backend.starts == {("</s>", "fra_Latn")}


async def test_glossary_and_forbidden_phrases_are_the_target_s(marian: Speaking) -> None:
    glossary = pb.Glossary(entries=[pb.GlossaryEntry(source_term="train", target_term="bus")])
    decoding = {"glossary": glossary, "forbidden_phrases": ["table"], "return_token_scores": True}
    [translation] = (await marian.served.translate(SENTENCE, **EN_FR, decoding=decoding)).translations
    assert "bus" in translation.translated_text.split()
    assert "table" not in translation.translated_text
    assert translation.translated_text.startswith("cat ")


@pytest.mark.parametrize(
    ("html", "translation"),
    [
        ("the <b>train</b> is near.", "cat the <b>train</b> is near."),
        ("the train is <i>near</i> the table.", "cat the train is <i>near</i> the table."),
    ],
)
async def test_tags_go_around_the_words_that_attend_to_what_they_enclosed(
    nllb: Speaking, html: str, translation: str
) -> None:
    """Not around their neighbours, by the one token that is before the text."""
    assert await nllb(html, **EN_FR, mime_type="text/html") == [translation]


async def test_a_translation_that_is_given_is_scored_behind_its_language(nllb: Speaking, marian: Speaking) -> None:
    for started in (nllb, marian):
        pair = pb.ScoredPair(content="the car is near.", translated_text="man the car is near.")
        message = pb.ScoreRequest(pairs=[pair], **EN_DE, return_alignment=True)
        [score] = (await started.served.stub.Score(message, timeout=PATIENCE)).scores
        assert score.score == pytest.approx(-0.1)
        [read] = started.backend.read
        assert [token.token for token in score.tokens] == ["▁man", *read[1:-1], "</s>"]
        assert list(score.source_tokens) == read
        message = pb.ScoreRequest(pairs=[pair], **EN_FR)
        [other] = (await started.served.stub.Score(message, timeout=PATIENCE)).scores
        assert other.log_prob < score.log_prob - 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            languages("en", ""),
            "target_language_code: a language of model 'nllb' expected (fra_Latn, deu_Latn), got none",
        ),
        ({}, "target_language_code: a language of model 'nllb' expected (eng_Latn, fra_Latn, deu_Latn), got none"),
        (
            languages("", "fr"),
            "source_language_code: a language of model 'nllb' expected (eng_Latn, deu_Latn), got none",
        ),
        (
            {"model": "nllb", **languages("en", "es")},
            "target_language_code: model 'nllb' serves deu_Latn-eng_Latn, deu_Latn-fra_Latn, eng_Latn-deu_Latn, "
            "eng_Latn-fra_Latn, fra_Latn-deu_Latn, fra_Latn-eng_Latn, got 'es'",
        ),
    ],
)
async def test_languages_that_are_not_named_or_not_served_are_refused_by_every_method(
    nllb: Speaking, fields: dict[str, Any], message: str
) -> None:
    stub = nllb.served.stub
    scored = pb.ScoreRequest(pairs=[pb.ScoredPair(content="a", translated_text="a")], **fields)
    for call in (stub.Translate(request("a", **fields)), stub.Score(scored), anext(stream(stub, fields))):
        code, details, _ = await refusal(call)
        assert (code, details) == (grpc.StatusCode.INVALID_ARGUMENT, message)
    assert not nllb.backend.read


async def stream(stub: Any, fields: dict[str, Any]) -> AsyncIterator[pb.StreamTranslateResponse]:
    async for message in stub.StreamTranslate(request("a", **fields)):
        yield message


async def test_languages_are_listed(nllb: Speaking) -> None:
    [model] = (await nllb.served.stub.ListModels(pb.ListModelsRequest())).models
    codes = ["eng_Latn", "fra_Latn", "deu_Latn"]
    assert (list(model.source_language_codes), list(model.target_language_codes)) == (codes, codes)
    pairs = [(pair.source_language_code, pair.target_language_code) for pair in model.language_pairs]
    assert pairs == [(source, target) for source in codes for target in codes if source != target]


async def test_the_command_line_lists_languages_and_says_which_one_is_lacking(nllb: Speaking) -> None:
    server = ["--server", nllb.served.address]
    listed = await command_line(*server, "--list-models")
    pairs = ("eng_Latn-fra_Latn", "eng_Latn-deu_Latn", "fra_Latn-eng_Latn", "deu_Latn-fra_Latn")
    assert all(pair in listed for pair in pairs)
    refused = await command_line(*server, "--all-models", "--from", "en", "the car.")
    assert "a language of model 'nllb' expected (fra_Latn, deu_Latn), got none" in refused


async def command_line(*arguments: str) -> str:
    """All that the command line writes."""
    command = (sys.executable, "-m", "seq2serve", *arguments)
    ended = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    written, _ = await ended.communicate()
    return written.decode()


async def test_sources_and_targets_that_differ_are_listed(marian: Speaking) -> None:
    [model] = (await marian.served.stub.ListModels(pb.ListModelsRequest())).models
    assert (list(model.source_language_codes), list(model.target_language_codes)) == (["en"], ["fra", "deu"])


async def test_the_example_names_what_the_model_has_to_be_told(nllb: Speaking) -> None:
    models = nllb.served.app.registry.models
    assert example_arguments(models[models.default].main) == (
        '--from eng_Latn --to fra_Latn "Two young men are playing guitar in the park."'
    )


@pytest.mark.parametrize("text", ["</s>", "<unk>", "eng_Latn", "deu_Latn the car", "a </s> <pad> <mask> b", "<s>"])
async def test_what_a_text_says_is_no_token_of_the_model_s(nllb: Speaking, text: str) -> None:
    await nllb(f"the car {text} is near", **EN_FR)
    for source, *inner, end in nllb.backend.read:
        assert (source, end) == ("eng_Latn", "</s>")
        assert not {"</s>", "<s>", "<pad>", "<mask>", "eng_Latn", "fra_Latn", "deu_Latn"} & set(inner)


@pytest.mark.parametrize("text", [">>deu<< the car is near.", "the car >>fra<< is near.", "</s> the car"])
async def test_a_text_does_not_choose_its_language(marian: Speaking, text: str) -> None:
    await marian(text, target_language_code="fr")
    for language, *inner, _ in marian.backend.read:
        assert language == ">>fra<<"
        assert not {">>fra<<", ">>deu<<", "</s>"} & set(inner)


async def test_long_sentences_are_cut_with_room_for_the_language_in_each_part(nllb: Speaking) -> None:
    words = "the train and the table and the car and " * 30
    [text] = await nllb(words, **EN_FR)
    reads = nllb.backend.read
    assert len(reads) > 3
    for read in reads:
        assert (read[0], read[-1]) == ("eng_Latn", "</s>")
        assert len(read) <= MAX_SOURCE_TOKENS
    assert text.replace("cat ", "").split() == words.split()
    assert sum(len(read) > MAX_SOURCE_TOKENS - 15 for read in reads) >= len(reads) - 1


async def test_languages_share_a_batch_and_a_cache_and_are_not_mixed_up(small_tokenizer: Path, tmp_path: Path) -> None:
    write_nllb_bundle(tmp_path, small_tokenizer)
    async with speaking(tmp_path, "nllb", cache_megabytes=1) as started:
        for _ in range(2):
            for fields, word in (EN_FR, "cat"), (EN_DE, "man"), (languages("fr", "de"), "man"), (FR_EN, "near"):
                assert await started(SENTENCE, **fields) == [f"{word} {SENTENCE}"]
        assert len(started.backend.read) == 4


@pytest.mark.parametrize("write", [write_nllb_bundle, write_marian_bundle])
async def test_a_piece_without_an_id_is_read_as_the_unknown_one(
    small_tokenizer: Path, tmp_path: Path, write: Callable[..., Bundle]
) -> None:
    bundle = write(tmp_path, small_tokenizer)
    spec = bundle.manifest.source_tokenizer
    assert spec.pieces
    path = bundle.path(spec.pieces)
    table = [f"no{name}" if name == "▁train" else name for name in json.loads(path.read_text())]
    path.write_text(json.dumps(table))
    write_manifest(bundle.folder, bundle.manifest)
    async with speaking(tmp_path, bundle.manifest.name) as started:
        await started.served.translate(SENTENCE, **EN_FR, max_output_tokens=2)
        [read] = started.backend.read
        assert read.count("<unk>") == 1


async def test_the_right_one_of_several_models_answers_by_language(small_tokenizer: Path, tmp_path: Path) -> None:
    write_nllb_bundle(tmp_path, small_tokenizer)
    write_marian_bundle(tmp_path, small_tokenizer)
    async with speaking(tmp_path, "marian") as started:
        for fields, model in (EN_FR, "marian"), (FR_EN, "nllb"), (languages("de", "fr"), "nllb"):
            assert (await started.served.translate("le train.", **fields)).model == model
