"""What a client gets for each of the decoding options, over a real connection."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio

from models.seq2seq import EOS
from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import read_bundle
from server.decoding.graphs.backend import Backend, BackendOptions
from server.text.tokenizer import Tokenizer
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import Served, serving
from tests.small_models import SENTENCES

ATTENDING = ["lstm_attention-en-fr", "transformer-en-fr"]
MODELS = ["rnn-en-fr", "lstm-en-fr", *ATTENDING]
LISTED = ["lstm-en-fr", *ATTENDING]
TEXT = SENTENCES[0]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(model_repository: Path) -> AsyncIterator[Served]:
    async with serving(model_repository) as server:
        yield server


async def translate(served: Served, model: str, text: str = TEXT, **decoding: Any) -> pb.Translation:
    [translation] = (await served.translate(text, model=model, decoding=decoding)).translations
    return translation


def texts(translation: pb.Translation) -> list[str]:
    return [hypothesis.translated_text for hypothesis in translation.hypotheses]


@pytest.mark.parametrize("model", MODELS)
async def test_n_best_is_sorted_and_distinct_and_the_translation_is_the_best(served: Served, model: str) -> None:
    for text in SENTENCES[:5]:
        translation = await translate(served, model, text, beam_size=5, num_hypotheses=5)
        assert 1 < len(texts(translation)) <= 5
        assert len(set(texts(translation))) == len(texts(translation))
        scores = [hypothesis.score for hypothesis in translation.hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert translation.translated_text == texts(translation)[0]
        assert translation.finish_reason == translation.hypotheses[0].finish_reason


@pytest.mark.parametrize("model", MODELS)
async def test_a_beam_of_one_is_greedy(served: Served, model: str) -> None:
    for text in SENTENCES:
        greedy = await translate(served, model, text)
        # The token scores have it decoded by a beam search, not among the greedy rows.
        beam = await translate(served, model, text, beam_size=1, return_token_scores=True)
        assert (beam.translated_text, beam.finish_reason) == (greedy.translated_text, greedy.finish_reason)
        assert beam.score == pytest.approx(greedy.score, abs=1e-4)
        assert [hypothesis.translated_text for hypothesis in greedy.hypotheses] == [greedy.translated_text]


async def test_what_only_a_beam_has_does_not_change_a_greedy_translation(served: Served) -> None:
    options: dict[str, Any] = {"patience": 10.0, "length_penalty": 10.0}
    greedy = await translate(served, MODELS[1], **options)
    searched = await translate(served, MODELS[1], return_token_scores=True, **options)
    assert searched.translated_text == greedy.translated_text == (await translate(served, MODELS[1])).translated_text


async def test_requests_with_different_options_share_steps(served: Served) -> None:
    await asyncio.gather(*(translate(served, MODELS[1], beam_size=size) for size in (1, 2, 3, 4)))
    alone = [await translate(served, MODELS[1], beam_size=size) for size in (1, 2, 3, 4)]
    together = await asyncio.gather(*(translate(served, MODELS[1], beam_size=size) for size in (1, 2, 3, 4)))
    assert [texts(translation) for translation in together] == [texts(translation) for translation in alone]


@pytest.mark.parametrize("model", MODELS)
async def test_more_alpha_never_ranks_a_shorter_hypothesis_higher(served: Served, model: str) -> None:
    best = [
        (await translate(served, model, beam_size=4, length_penalty=alpha)).output_token_count for alpha in (0, 1, 10)
    ]
    assert best == sorted(best)


@pytest.mark.parametrize("model", MODELS)
async def test_the_same_seed_gives_the_same_samples_whatever_else_is_asked(served: Served, model: str) -> None:
    options: dict[str, Any] = {"temperature": 2.0, "num_hypotheses": 4, "seed": 11}
    alone = await translate(served, model, **options)
    assert len(texts(alone)) > 1
    both = await served.translate(SENTENCES[1], TEXT, model=model, decoding=options)
    assert texts(both.translations[1]) == texts(alone)
    other = await translate(served, model, **(options | {"seed": 12}))
    assert texts(other) != texts(alone)
    fewer = await translate(served, model, **(options | {"num_hypotheses": 1}))
    assert set(texts(fewer)) <= set(texts(alone))


async def test_without_a_seed_every_request_draws_anew(served: Served) -> None:
    drawn = {(await translate(served, MODELS[1], temperature=2.0)).translated_text for _ in range(8)}
    assert len(drawn) > 1


async def test_one_most_probable_token_to_draw_from_is_greedy(served: Served) -> None:
    greedy = await translate(served, MODELS[1])
    for restriction in ({"top_k": 1}, {"top_p": 1e-6}):
        drawn = await translate(served, MODELS[1], temperature=2.0, **restriction)
        assert drawn.translated_text == greedy.translated_text


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("beam_size", [1, 4])
async def test_a_forced_prefix_is_kept(served: Served, model: str, beam_size: int) -> None:
    translation = await translate(
        served, model, target_prefix="the old house", beam_size=beam_size, num_hypotheses=beam_size
    )
    for text in texts(translation):
        assert text.startswith("the old house")


@pytest.mark.parametrize("model", LISTED)
async def test_lengths_stay_between_their_limits(served: Served, model: str) -> None:
    for text in SENTENCES[:4]:
        translation = await translate(served, model, text, min_output_tokens=17, max_output_tokens=20, beam_size=3)
        assert 17 <= translation.output_token_count <= 20


async def test_the_server_s_own_limit_leaves_room_for_the_least_length(served: Served) -> None:
    translation = await translate(served, MODELS[1], "Hello.", min_output_tokens=60)
    assert translation.output_token_count >= 60


@pytest.mark.parametrize("model", LISTED)
async def test_no_n_gram_is_repeated(served: Served, model: str) -> None:
    for text in SENTENCES[:4]:
        options: dict[str, Any] = {
            "beam_size": 2,
            "num_hypotheses": 2,
            "no_repeat_ngram_size": 2,
            "return_token_scores": True,
        }
        translation = await translate(served, model, text, **options)
        for hypothesis in translation.hypotheses:
            tokens = [token.token for token in hypothesis.tokens]
            pairs = list(itertools.pairwise(tokens))
            assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("model", LISTED)
async def test_a_forbidden_phrase_is_in_no_hypothesis(served: Served, model: str) -> None:
    plain = await translate(served, model, beam_size=4, num_hypotheses=4)
    phrase = plain.translated_text.split()[1]
    options: dict[str, Any] = {"beam_size": 4, "num_hypotheses": 4, "forbidden_phrases": [phrase]}
    for text in texts(await translate(served, model, **options)):
        assert not any(word.startswith(phrase) for word in text.split())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("max_output_tokens", [0, 12])
async def test_a_glossary_is_honoured_even_where_there_is_hardly_room(
    served: Served, model: str, max_output_tokens: int
) -> None:
    glossary = pb.Glossary(
        entries=[
            pb.GlossaryEntry(source_term="Cat", target_term="old boat"),
            pb.GlossaryEntry(source_term="the roof", target_term="green tree"),
        ]
    )
    text = "The cat sleeps on the roof. The cats roof."
    options: dict[str, Any] = {"glossary": glossary, "max_output_tokens": max_output_tokens, "num_hypotheses": 0}
    translation = await translate(served, model, text, **options)
    assert translation.translated_text.count("old boat") == 1
    assert translation.translated_text.count("green tree") == 1


async def test_a_glossary_of_the_model_repository_is_served_and_entries_of_the_request_win(
    model_repository: Path,
) -> None:
    folder = model_repository / MODELS[1] / "glossaries"
    folder.mkdir()
    (folder / "animals.tsv").write_text("# of cats\n\ncat\told boat\n", encoding="utf-8")
    try:
        async with serving(model_repository) as served:
            listed = {model.name: model for model in (await served.stub.ListModels(pb.ListModelsRequest())).models}
            assert list(listed[MODELS[1]].glossaries) == ["animals"]
            assert list(listed[MODELS[0]].glossaries) == []
            named = await translate(served, MODELS[1], "The cat sleeps.", glossary=pb.Glossary(name="animals"))
            assert "old boat" in named.translated_text
            entry = pb.GlossaryEntry(source_term="cat", target_term="green tree")
            both = pb.Glossary(name="animals", entries=[entry])
            mixed = await translate(served, MODELS[1], "The cat sleeps.", glossary=both)
            assert "green tree" in mixed.translated_text
            assert "old boat" not in mixed.translated_text
    finally:
        (folder / "animals.tsv").unlink()
        folder.rmdir()


@pytest.mark.parametrize("model", MODELS)
async def test_token_scores_add_up_and_the_score_of_the_same_translation_is_the_same(
    served: Served, tokenizer: Tokenizer, model: str
) -> None:
    for text in SENTENCES[:6]:
        translation = await translate(served, model, text, beam_size=2, return_token_scores=True)
        [hypothesis] = translation.hypotheses
        log_probs = [token.log_prob for token in hypothesis.tokens]
        assert sum(log_probs) / len(log_probs) == pytest.approx(translation.score, abs=1e-4)
        ended = translation.finish_reason == pb.FINISH_REASON_END_OF_SENTENCE
        assert len(log_probs) == translation.output_token_count + ended
        ids = [tokenizer.names.index(token.token) for token in hypothesis.tokens]
        if ended and translation.translated_text and [*tokenizer.encode(translation.translated_text), EOS] == ids:
            request = pb.ScoreRequest(
                pairs=[pb.ScoredPair(content=text, translated_text=translation.translated_text)], model=model
            )
            [score] = (await served.stub.Score(request, timeout=PATIENCE)).scores
            assert [token.log_prob for token in score.tokens] == pytest.approx(log_probs, abs=1e-4)
            assert score.log_prob == pytest.approx(sum(log_probs), abs=1e-3)
            assert score.score == pytest.approx(translation.score, abs=1e-4)


async def test_what_is_kept_as_it_is_is_not_scored(served: Served) -> None:
    sentences = [("A dog runs.", "Un chien court."), ("A cat sleeps.", "Un chat dort.")]
    pairs = [pb.ScoredPair(content=content, translated_text=text) for content, text in sentences]
    with_kept = pb.ScoredPair(
        content="\n12:30\n".join(content for content, _ in sentences),
        translated_text="\n12:30\n".join(text for _, text in sentences),
    )
    request = pb.ScoreRequest(pairs=[*pairs, with_kept])
    *alone, whole = (await served.stub.Score(request, timeout=PATIENCE)).scores
    assert whole.log_prob == pytest.approx(sum(score.log_prob for score in alone), abs=1e-3)
    assert [token.token for token in whole.tokens] == [token.token for score in alone for token in score.tokens]


async def test_scores_come_in_the_order_of_the_pairs(served: Served) -> None:
    pairs = [pb.ScoredPair(content=TEXT, translated_text=SENTENCES[index]) for index in range(5)]
    alone = []
    for pair in pairs:
        alone += (await served.stub.Score(pb.ScoreRequest(pairs=[pair]), timeout=PATIENCE)).scores
    together = (await served.stub.Score(pb.ScoreRequest(pairs=pairs), timeout=PATIENCE)).scores
    assert [score.log_prob for score in together] == pytest.approx([score.log_prob for score in alone], abs=1e-4)
    assert len({score.log_prob for score in together}) == 5
    assert all(score.tokens[-1].token == "</s>" for score in together)


@pytest.mark.parametrize("model", ATTENDING)
async def test_alignments_are_a_matrix_over_the_source_and_pairs_of_words(served: Served, model: str) -> None:
    for text in SENTENCES[:5]:
        translation = await translate(served, model, text, beam_size=3, num_hypotheses=3, return_alignment=True)
        assert len(translation.source_tokens) == translation.source_token_count
        assert translation.source_tokens[-1] == "</s>"
        for hypothesis in translation.hypotheses:
            matrix = np.array([token.alignment for token in hypothesis.tokens])
            assert matrix.shape[1] == len(translation.source_tokens)
            np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-4)
            pairs = [tuple(map(int, pair.split("-"))) for pair in hypothesis.word_alignment.split()]
            assert [output for _, output in pairs] == list(range(len(hypothesis.translated_text.split())))
            assert all(0 <= source < len(text.split()) for source, _ in pairs)


@pytest.mark.parametrize("model", ATTENDING)
@pytest.mark.parametrize(
    "decoding",
    [
        {},
        {"beam_size": 4, "num_hypotheses": 4},
        {"temperature": 1.0, "seed": 3, "num_hypotheses": 2},
        {"target_prefix": "the old"},
        {"use_shortlist": True, "coverage_penalty": 0.2},
    ],
)
async def test_heads_are_told_where_asked_for_and_their_mean_is_the_alignment(
    served: Served, model: str, decoding: dict[str, Any]
) -> None:
    described = (await served.stub.GetModel(pb.GetModelRequest(name=model), timeout=PATIENCE)).model
    assert list(described.counted_alignment_heads) == list(range(described.alignment_head_count))
    assert described.alignment_head_count == (1 if model == ATTENDING[0] else 4)
    text = f"{TEXT} {SENTENCES[1]}"
    messages = await served.stream(text, model=model, decoding=decoding | {"return_alignment_heads": True})
    translation = messages[-1].translation
    assert [token for message in messages for token in message.tokens] == list(translation.hypotheses[0].tokens)
    tokens = [token for hypothesis in translation.hypotheses for token in hypothesis.tokens]
    assert {token.alignment_start for token in tokens} == {0, translation.segments[0].source_token_count}
    for token in tokens:
        heads = np.array([head.weights for head in token.alignment_heads])
        assert heads.shape == (described.alignment_head_count, len(token.alignment))
        np.testing.assert_allclose(heads.sum(axis=1), 1.0, atol=1e-4)
        np.testing.assert_allclose(heads.mean(axis=0), token.alignment, atol=1e-6)
    plain = await translate(served, model, text, **decoding, return_alignment=True)
    for token in tokens:
        token.ClearField("alignment_heads")
    assert translation == plain


async def test_a_score_has_heads_where_asked_for(served: Served) -> None:
    asked = pb.ScoreRequest(
        pairs=[pb.ScoredPair(content=TEXT, translated_text=SENTENCES[1])], model=MODELS[3], return_alignment_heads=True
    )
    [score] = (await served.stub.Score(asked, timeout=PATIENCE)).scores
    assert score.tokens
    for token in score.tokens:
        heads = np.array([head.weights for head in token.alignment_heads])
        np.testing.assert_allclose(heads.mean(axis=0), token.alignment, atol=1e-6)
    assert score.word_alignment
    asked.return_alignment_heads = False
    [plain] = (await served.stub.Score(asked, timeout=PATIENCE)).scores
    assert not any(token.alignment or token.alignment_heads for token in plain.tokens)
    asked.return_alignment_heads, asked.model = True, MODELS[0]
    with pytest.raises(grpc.aio.AioRpcError, match="return_alignment_heads: a model that has alignments expected"):
        await served.stub.Score(asked, timeout=PATIENCE)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("decoding", [{}, {"beam_size": 4}, {"temperature": 1.0, "seed": 3}])
async def test_a_stream_with_token_scores_tells_every_token_once(
    served: Served, model: str, decoding: dict[str, Any]
) -> None:
    options = decoding | {"return_token_scores": True, "return_alignment": model in ATTENDING}
    for text in SENTENCES[:4]:
        messages = await served.stream(text, model=model, decoding=options)
        translation = messages[-1].translation
        assert "".join(message.text_delta for message in messages) == translation.translated_text
        assert [token for message in messages for token in message.tokens] == list(translation.hypotheses[0].tokens)
        assert translation.hypotheses[0].tokens


async def test_a_beam_streams_before_it_ends(served: Served) -> None:
    """What all live hypotheses agree on is sent at once: of many sentences, some have agreed early."""
    num_deltas = []
    for text in SENTENCES:
        messages = await served.stream(text, model=MODELS[1], decoding={"beam_size": 3})
        num_deltas.append(sum(bool(message.text_delta) for message in messages))
    assert max(num_deltas) > 1


@pytest.mark.parametrize("model", LISTED)
async def test_a_shortlist_is_what_the_model_writes_from(served: Served, model_repository: Path, model: str) -> None:
    tokenizer = served.app.registry.models[model].main.tokenizers.target
    backend = Backend(read_bundle(model_repository / model / "1"), BackendOptions(max_rows=1, num_threads=1))
    differs = False
    for text in SENTENCES[:8]:
        listed = await translate(served, model, text, use_shortlist=True, return_token_scores=True)
        allowed = set(backend.shortlist([*tokenizer.encode(text), EOS], ()).tolist())
        ids = {tokenizer.names.index(token.token) for token in listed.hypotheses[0].tokens}
        assert ids <= allowed
        assert math.isfinite(listed.score)
        differs |= listed.translated_text != (await translate(served, model, text)).translated_text
    assert differs


async def test_a_cache_answers_what_was_asked_before_and_nothing_else(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm", "lstm_attention"), cache_megabytes=1) as served:
        first = await translate(served, MODELS[2], beam_size=2, return_alignment=True)
        steps = await served.metric("seq2serve_step_seconds_count", model=MODELS[2])
        again = await translate(served, MODELS[2], beam_size=2, return_alignment=True)
        assert again == first
        assert await served.metric("seq2serve_step_seconds_count", model=MODELS[2]) == steps
        assert await served.metric("seq2serve_cache_lookups_total", result="hit") == 1
        streamed = await served.stream(TEXT, model=MODELS[2], decoding={"beam_size": 2, "return_alignment": True})
        assert streamed[-1].translation == first
        assert "".join(message.text_delta for message in streamed) == first.translated_text
        assert await served.metric("seq2serve_cache_bytes") > 0
        await translate(served, MODELS[2], beam_size=3, return_alignment=True)
        await translate(served, MODELS[1], beam_size=2)
        assert await served.metric("seq2serve_cache_lookups_total", result="hit") == 2
        drawn = {(await translate(served, MODELS[1], temperature=2.0)).translated_text for _ in range(8)}
        assert len(drawn) > 1
        assert await served.metric("seq2serve_cache_lookups_total", result="hit") == 2
        seeded = [await translate(served, MODELS[1], temperature=2.0, seed=1) for _ in range(2)]
        assert seeded[0] == seeded[1]
        assert await served.metric("seq2serve_cache_lookups_total", result="hit") == 3


async def test_a_repeated_content_of_one_request_is_answered_for_each(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm", "lstm_attention"), cache_megabytes=1) as served:
        for _ in range(2):
            answer = await served.translate(TEXT, SENTENCES[1], TEXT, model=MODELS[1])
            first, other, again = answer.translations
            assert first == again != other
