"""Both clients against a whole server."""

import asyncio
from pathlib import Path

import pytest

from models.registry import ARCHITECTURES
from seq2serve import DecodingOptions, FinishReason, InvalidRequest, UnknownModel
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, serving
from tests.seq2serve.kinds import Awaiting, Blocking, Kind
from tests.small_models import SENTENCES

kinds = pytest.mark.parametrize("kind", [Blocking, Awaiting])


@kinds
async def test_one_content_has_one_translation_and_several_have_theirs_in_order(
    rnn_repository: Path, kind: Kind
) -> None:
    async with serving(rnn_repository) as served, kind(served.address) as client:
        each = [await client.translate(text) for text in SENTENCES[:3]]
        assert len({translation.translated_text for translation in each}) == 3
        assert await client.translate(SENTENCES[:3]) == each
        assert await client.translate([SENTENCES[0]]) == each[:1]


@kinds
async def test_model_languages_and_decoding_reach_the_server(repository_of: Repositories, kind: Kind) -> None:
    async with serving(repository_of("rnn", "lstm")) as served, kind(served.address) as client:
        options = DecodingOptions(max_output_tokens=3, return_token_scores=True)
        long = await client.translate(SENTENCES[0], model="lstm-en-fr", source_language_code="en")
        short = await client.translate(
            SENTENCES[0], model="lstm-en-fr", target_language_code="fr", decoding=options, timeout=PATIENCE
        )
        assert short.finish_reason == FinishReason.FINISH_REASON_MAX_OUTPUT_TOKENS
        assert len(short.hypotheses[0].tokens) == 3
        assert long.translated_text.startswith(short.translated_text)
        assert long != await client.translate(SENTENCES[0])


@kinds
async def test_a_stream_s_texts_are_the_translation_that_ends_it(rnn_repository: Path, kind: Kind) -> None:
    async with serving(rnn_repository) as served, kind(served.address) as client:
        messages = await client.stream(SENTENCES[0])
        *deltas, last = messages
        assert deltas
        assert "".join(message.text_delta for message in deltas) == last.translation.translated_text
        assert last.translation.translated_text == (await client.translate(SENTENCES[0])).translated_text
        several = await client.stream(SENTENCES[:2], decoding=DecodingOptions(max_output_tokens=2))
        assert {message.content_index for message in several} == {0, 1}


@kinds
async def test_a_stream_that_is_left_frees_its_row(rnn_repository: Path, kind: Kind) -> None:
    async with serving(rnn_repository, gated=True) as served, kind(served.address) as client:
        first = asyncio.ensure_future(client.read_first(SENTENCES[0]))
        await served.held()
        served.gate.allow_soon(5)  # after the first text the stream is left, and there may be no further step
        assert (await first).text_delta
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_code="Canceled")


@kinds
async def test_pairs_are_scored(repository_of: Repositories, kind: Kind) -> None:
    async with serving(repository_of("rnn", "transformer")) as served, kind(served.address) as client:
        best, other = [(await client.translate(text)).translated_text for text in SENTENCES[:2]]
        scores = await client.score([(SENTENCES[0], best), (SENTENCES[0], other)])
        assert scores[0].log_prob > scores[1].log_prob
        [aligned] = await client.score([(SENTENCES[0], best)], model="transformer-en-fr", return_alignment=True)
        assert aligned.word_alignment
        assert not scores[0].word_alignment


@kinds
async def test_models_are_listed_the_default_one_first(model_repository: Path, kind: Kind) -> None:
    async with serving(model_repository) as served, kind(served.address) as client:
        models = await client.list_models()
        assert models[0].name == DEFAULT_MODEL
        assert len(models) == len(ARCHITECTURES)
        assert [await client.get_model(model.name) for model in models] == models
        assert await client.get_model() == models[0]
        with pytest.raises(UnknownModel, match="no model 'none' is served here"):
            await client.get_model("none")


@pytest.mark.nightly
@kinds
async def test_an_answer_beyond_grpc_s_four_megabytes_arrives(model_repository: Path, kind: Kind) -> None:
    async with serving(model_repository) as served, kind(served.address) as client:
        options = DecodingOptions(return_token_scores=True, return_alignment=True)
        text = " ".join(SENTENCES[:12])
        answers = await client.translate([text] * 60, model="transformer-en-fr", decoding=options)
        assert sum(answer.ByteSize() for answer in answers) > 4 * 1024 * 1024


@kinds
async def test_more_contents_than_a_request_may_have_are_sent_in_several_and_stay_in_order(
    rnn_repository: Path, kind: Kind
) -> None:
    async with serving(rnn_repository, max_contents=4) as served, kind(served.address) as client:
        texts = SENTENCES[:11]
        each = [(await client.translate(text)).translated_text for text in texts]
        assert await served.metric("grpc_server_started_total", grpc_method="ListModels") == 0
        assert [answer.translated_text for answer in await client.translate(texts)] == each
        assert [answer.translated_text for answer in await client.translate(texts[:4])] == each[:4]
        ends = [message for message in await client.stream(texts) if message.HasField("translation")]
        assert {end.content_index: end.translation.translated_text for end in ends} == dict(enumerate(each))
        pairs = list(zip(texts, each, strict=True))
        assert await client.score(pairs) == [(await client.score([pair]))[0] for pair in pairs]
        assert await served.metric("grpc_server_handled_total", grpc_method="Translate", grpc_code="OK") == 11 + 3 + 1
        assert await served.metric("grpc_server_started_total", grpc_method="ListModels") == 1


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_wrong_content_is_named_by_its_place_among_all(rnn_repository: Path, kind: Kind, method: str) -> None:
    async with (
        serving(rnn_repository, max_contents=4, max_content_characters=50) as served,
        kind(served.address) as client,
    ):
        with pytest.raises(InvalidRequest) as raised:
            await getattr(client, method)([*["a"] * 9, "long " * 20, "a"])
        assert raised.value.field == "contents[9]"
        assert raised.value.message.startswith("contents[9]: ")
        with pytest.raises(InvalidRequest, match=r"pairs\[6\]"):
            await client.score([("a", "b")] * 6 + [("long " * 20, "b")])


@kinds
async def test_nothing_is_translated_to_nothing_without_a_call(kind: Kind) -> None:
    async with kind("127.0.0.1:1", timeout=0.1) as client:
        assert (await client.translate([]), await client.stream([]), await client.score([])) == ([], [], [])


@kinds
async def test_an_unknown_model_is_the_server_s_to_refuse_however_many_contents_there_are(
    rnn_repository: Path, kind: Kind
) -> None:
    async with serving(rnn_repository, max_contents=4) as served, kind(served.address) as client:
        with pytest.raises(UnknownModel, match="no model 'babel' is served here"):
            await client.translate(["a"] * 9, model="babel")


@kinds
async def test_an_option_that_does_not_exist_is_a_programmer_s_error(model_repository: Path, kind: Kind) -> None:
    async with kind("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match='has no "modle" field'):
            await client.translate("a", modle="lstm-en-fr")


@kinds
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"split_sentences": "words"}, "^split_sentences: one of sentences, lines, none expected, got 'words'$"),
        ({"priority": "high"}, "^priority: one of interactive, bulk expected, got 'high'$"),
        ({"do_not_translate": "Black Keys"}, "^do_not_translate: a list of texts expected, got 'Black Keys' alone$"),
    ],
)
async def test_a_value_that_no_option_has_is_named(kind: Kind, options: dict[str, str], problem: str) -> None:
    async with kind("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=problem):
            await client.translate("a", **options)
