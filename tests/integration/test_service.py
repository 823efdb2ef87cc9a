"""What the service answers, over a real connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from export.session import GraphSession
from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.text.tokenizer import Tokenizer
from tests.conftest import SmallModels
from tests.integration.served import DEFAULT_MODEL, OVERLONG_SENTENCE, Served, request, serving
from tests.small_models import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS, SENTENCES, SmallModel

OVERLONG = " ".join(SENTENCES[:4])
"""More tokens than a model takes at once, in several sentences."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(model_repository: Path) -> AsyncIterator[Served]:
    async with serving(model_repository) as server:
        yield server


def expected(small: SmallModel, tokenizer: Tokenizer, text: str) -> str:
    """What the graphs write by themselves."""
    session = GraphSession(small.bundle.encoder, small.bundle.step, small.model.state)
    [output] = session.decode([[*tokenizer.encode(text), EOS]])
    return tokenizer.decode(output)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_contents_are_answered_in_their_order_by_what_the_model_says(
    served: Served, small_model: SmallModels, tokenizer: Tokenizer, architecture: str
) -> None:
    contents = SENTENCES[:8]
    answer = await served.translate(*contents, model=f"{architecture}-en-fr")
    assert (answer.model, answer.model_version) == (f"{architecture}-en-fr", "1")
    for text, translation in zip(contents, answer.translations, strict=True):
        assert translation.translated_text == expected(small_model(architecture), tokenizer, text)
        assert translation.source_token_count == len(tokenizer.encode(text)) + 1
        assert 0 < translation.output_token_count <= 2 * translation.source_token_count + 10
        assert translation.score < 0


async def test_two_clients_at_once_share_a_batch_and_get_their_own_answers(
    rnn_repository: Path, small_model: SmallModels, tokenizer: Tokenizer
) -> None:
    async with serving(rnn_repository, gated=True) as served, grpc.aio.insecure_channel(served.address) as channel:
        first = asyncio.ensure_future(served.translate(SENTENCES[0]))
        await served.held()
        second = asyncio.ensure_future(pb_grpc.TranslationServiceStub(channel).Translate(request(SENTENCES[1])))
        while await served.metric("seq2serve_rows_joined_total", model=DEFAULT_MODEL) < 2:
            await asyncio.to_thread(served.gate.allow, 1)
            assert not first.done()
        served.gate.open()
        for call, text in ((first, SENTENCES[0]), (second, SENTENCES[1])):
            [translation] = (await call).translations
            assert translation.translated_text == expected(small_model("rnn"), tokenizer, text)


async def test_no_model_named_is_the_default_one(served: Served) -> None:
    answer = await served.translate(SENTENCES[0])
    assert answer == await served.translate(SENTENCES[0], model=DEFAULT_MODEL)
    assert answer.model == DEFAULT_MODEL


async def test_the_language_pair_may_be_named(served: Served) -> None:
    pair = {"source_language_code": "en", "target_language_code": "fr"}
    assert await served.translate(SENTENCES[0], **pair) == await served.translate(SENTENCES[0])


async def test_a_text_is_its_sentences_with_what_stands_between_them(served: Served) -> None:
    text = f"  {SENTENCES[0]} {SENTENCES[1]}\r\n\r\n- {SENTENCES[2]}\n\t{SENTENCES[3]} "
    whole, *parts = (await served.translate(text, *SENTENCES[:4])).translations
    first, second, third, fourth = (part.translated_text for part in parts)
    assert whole.translated_text == f"  {first} {second}\r\n\r\n- {third}\n\t{fourth} "
    assert whole.source_token_count == sum(part.source_token_count for part in parts)
    assert whole.output_token_count == sum(part.output_token_count for part in parts)
    assert whole.finish_reason == pb.FINISH_REASON_END_OF_SENTENCE
    for segment, sentence, part in zip(whole.segments, SENTENCES, parts, strict=False):
        assert text[segment.source_start : segment.source_end] == sentence
        translated = whole.translated_text[segment.translation_start : segment.translation_end]
        assert translated == part.translated_text
        assert segment.score == part.score
        assert segment.source_token_count == part.source_token_count


async def test_a_sentence_over_the_model_s_limit_is_cut_and_says_so(served: Served, tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode(OVERLONG_SENTENCE)) >= MAX_SOURCE_TOKENS
    [translation] = (await served.translate(OVERLONG_SENTENCE)).translations
    assert len(translation.segments) > 1
    assert all(segment.is_cut for segment in translation.segments)
    assert all(segment.source_token_count <= MAX_SOURCE_TOKENS for segment in translation.segments)


@pytest.mark.parametrize("content", ["", "   ", "\n\r\n", "...", "***", "12:30", "\N{DOG FACE}", "\u4f60\u597d"])
async def test_what_has_nothing_to_translate_comes_back_as_it_is(served: Served, content: str) -> None:
    kept, translated = (await served.translate(content, SENTENCES[0])).translations
    assert kept.translated_text == content
    assert kept.finish_reason == pb.FINISH_REASON_NOTHING_TO_TRANSLATE
    assert translated.finish_reason == pb.FINISH_REASON_END_OF_SENTENCE
    [message] = [one for one in await served.stream(content) if one.WhichOneof("event") == "translation"]
    assert message.translation == kept


@pytest.mark.parametrize(
    ("limit", "reason"),
    [(3, pb.FINISH_REASON_MAX_OUTPUT_TOKENS), (MAX_OUTPUT_TOKENS, pb.FINISH_REASON_END_OF_SENTENCE)],
)
async def test_the_finish_reason_says_whether_the_limit_cut_the_translation(
    served: Served, limit: int, reason: pb.FinishReason
) -> None:
    [translation] = (await served.translate(SENTENCES[0], max_output_tokens=limit)).translations
    assert translation.finish_reason == reason
    assert (translation.output_token_count == limit) == (reason == pb.FINISH_REASON_MAX_OUTPUT_TOKENS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_streamed_text_adds_up_to_the_translation_which_comes_last(served: Served, architecture: str) -> None:
    contents, model = [SENTENCES[0], OVERLONG, SENTENCES[5]], f"{architecture}-en-fr"
    messages = await served.stream(*contents, model=model)
    answer = await served.translate(*contents, model=model)
    for index, translation in enumerate(answer.translations):
        own = [message for message in messages if message.content_index == index]
        events = [message.WhichOneof("event") for message in own]
        assert len(events) >= 2  # how many depends on how fast they are sent
        assert events == ["text_delta"] * (len(events) - 1) + ["translation"]
        assert "".join(message.text_delta for message in own) == translation.translated_text
        assert own[-1].translation == translation
    assert {(message.model, message.model_version) for message in messages} == {(model, "1")}


async def test_streamed_text_arrives_while_the_rest_is_still_being_decoded(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = served.stub.StreamTranslate(request(SENTENCES[0]))
        await served.held()
        await asyncio.to_thread(served.gate.allow, 4)
        messages = aiter(call)
        first = await anext(messages)
        assert first.text_delta
        served.gate.open()
        rest = [message async for message in messages]
        assert rest[-1].translation.translated_text.startswith(first.text_delta)


async def test_models_are_listed_with_what_a_client_has_to_know(served: Served) -> None:
    models = (await served.stub.ListModels(pb.ListModelsRequest())).models
    others = sorted(f"{name}-en-fr" for name in ARCHITECTURES if f"{name}-en-fr" != DEFAULT_MODEL)
    assert [model.name for model in models] == [DEFAULT_MODEL, *others]
    assert [model.is_default for model in models] == [True] + [False] * len(others)
    assert models[0] == pb.Model(
        name=DEFAULT_MODEL,
        versions=["1"],
        architecture="rnn",
        language_pairs=[pb.LanguagePair(source_language_code="en", target_language_code="fr")],
        precision="int8",
        limits=pb.ModelLimits(
            max_contents=128,
            max_content_characters=10_000,
            max_source_tokens=MAX_SOURCE_TOKENS,
            max_output_tokens=MAX_OUTPUT_TOKENS,
            max_beam_size=8,
            glossary_beam_size=4,
            max_forbidden_phrases=64,
            max_glossary_entries=1000,
            max_do_not_translate=100,
        ),
        quality_scores=[pb.QualityScore(test_set="none/test", metric="BLEU", value=12.5)],
        is_default=True,
        source_language_codes=["en"],
        target_language_codes=["fr"],
        licence="CC0-1.0",
        training_texts=[pb.TrainingText(name="dice", licence="public domain")],
    )


async def test_a_request_id_is_made_or_taken_from_the_client_and_sent_back(served: Served) -> None:
    own = served.stub.Translate(request(SENTENCES[0]), metadata=(("x-request-id", "my own"),))
    assert dict(await own.trailing_metadata())["x-request-id"] == "my own"
    made = [dict(await call.trailing_metadata())["x-request-id"] for call in await several_calls(served)]
    assert len(set(made)) == 3


async def several_calls(served: Served) -> list[grpc.aio.UnaryUnaryCall[pb.TranslateRequest, pb.TranslateResponse]]:
    calls = [served.stub.Translate(request(SENTENCES[0])) for _ in range(3)]
    for call in calls:
        await call
    return calls
