"""What the decoder reads before it writes: the translation is the one that a forced prefix of the same tokens has, and
the tokens are in none of it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from models.seq2seq import EOS
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished, Sentence, Written
from tests.conftest import SmallModels
from tests.fakes import Outcomes
from tests.integration.test_batch_invariance import decode_together, engine_of, random_sources
from tests.small_models import SmallModel

LANGUAGE, OTHER = 17, 23
SOURCES = random_sources()[:20]


@pytest.fixture(scope="module", params=["lstm", "transformer"])
def small(request: pytest.FixtureRequest, small_model: SmallModels) -> SmallModel:
    return small_model(request.param)


def options(**fields: Any) -> DecodingOptions:
    return DecodingOptions(**{"max_output_tokens": 15} | fields)


def decode(small: SmallModel, decoding: DecodingOptions, max_rows: int = 16) -> list[Finished]:
    return decode_together(small, [(source, decoding) for source in SOURCES], max_rows)


@pytest.mark.parametrize("start_ids", [(LANGUAGE,), (LANGUAGE, OTHER)])
@pytest.mark.parametrize("fields", [{}, {"beam_size": 4}, {"beam_size": 3, "no_repeat_ngram_size": 9}])
def test_it_writes_what_it_would_write_behind_a_prefix(
    small: SmallModel, fields: dict[str, Any], start_ids: tuple[int, ...]
) -> None:
    hidden = decode(small, options(start_ids=start_ids, **fields))
    number = len(start_ids)
    seen = decode(small, options(prefix=start_ids, **fields, max_output_tokens=15 + number))
    for one, other in zip(hidden, seen, strict=True):
        assert [hypothesis.output_ids for hypothesis in one.hypotheses] == [
            hypothesis.output_ids[number:] for hypothesis in other.hypotheses
        ]
        assert one.hypotheses[0].log_prob > other.hypotheses[0].log_prob  # which has the prefix's as well


def test_languages_make_a_difference(small: SmallModel) -> None:
    """Else the tests here would compare nothing."""
    one, other, none = (decode(small, options(start_ids=start_ids)) for start_ids in ((LANGUAGE,), (OTHER,), ()))
    for left, right in ((one, other), (one, none), (other, none)):
        same = sum(a.hypotheses[0].output_ids == b.hypotheses[0].output_ids for a, b in zip(left, right, strict=True))
        assert same < len(SOURCES) / 2


def test_a_prefix_comes_behind_it_and_counts_as_written(small: SmallModel) -> None:
    both = decode(small, options(start_ids=(LANGUAGE,), prefix=(30, 31), token_log_probs=True))
    seen = decode(small, options(prefix=(LANGUAGE, 30, 31), token_log_probs=True, max_output_tokens=16))
    for one, other in zip(both, seen, strict=True):
        [written], [longer] = one.hypotheses, other.hypotheses
        assert written.output_ids == longer.output_ids[1:]
        assert written.output_ids[:2] == [30, 31]
        assert written.token_log_probs == pytest.approx(longer.token_log_probs[1:], abs=1e-5)


def test_a_translation_that_is_given_is_scored_behind_it(small: SmallModel) -> None:
    both = decode(small, options(start_ids=(LANGUAGE,), forced_ids=(30, 31), token_log_probs=True))
    seen = decode(small, options(forced_ids=(LANGUAGE, 30, 31), token_log_probs=True))
    for one, other in zip(both, seen, strict=True):
        assert one.hypotheses[0].output_ids == [30, 31]
        assert one.hypotheses[0].token_log_probs == pytest.approx(other.hypotheses[0].token_log_probs[1:], abs=1e-5)


def test_a_greedy_sentence_and_a_plain_beam_stay_what_they_are() -> None:
    assert options(start_ids=(LANGUAGE,)).is_plain_greedy
    assert options(start_ids=(LANGUAGE,), beam_size=4).is_plain_beam


def written(outcomes: Outcomes, keys: Sequence[int]) -> list[list[int]]:
    return [
        [id_ for event in outcomes.events(key) if isinstance(event, Written) for id_ in event.part.output_ids]
        for key in keys
    ]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_streams_tell_nothing_of_it(small: SmallModel, beam_size: int) -> None:
    decoding = options(start_ids=(LANGUAGE, OTHER), beam_size=beam_size)
    outcomes, engine = Outcomes(), engine_of(small, 16)
    keys = range(len(SOURCES))
    engine.submit([Sentence(SOURCES[key], decoding, outcomes.listener(key), streams=True) for key in keys])
    engine.run()
    for key, told in zip(keys, written(outcomes, keys), strict=True):
        assert outcomes.best(key).output_ids[: len(told)] == told
    assert any(written(outcomes, keys))


def test_one_that_is_cancelled_at_its_start_leaves_its_rows_to_others(small: SmallModel) -> None:
    decoding = options(start_ids=(LANGUAGE, OTHER), beam_size=4)
    expected = decode(small, decoding)
    outcomes, engine = Outcomes(), engine_of(small, 16)
    for index, source in enumerate(SOURCES):
        [cancelled] = engine.submit([Sentence([40, EOS], decoding, outcomes.listener(("cancelled", index)))])
        engine.submit([Sentence(source, decoding, outcomes.listener(index))])
        for _ in range(index % 3):
            engine.turn()
        engine.cancel([cancelled])
        engine.turn()
    engine.run()
    for index, whole in enumerate(expected):
        finished = outcomes.finished(index)
        assert [one.output_ids for one in finished.hypotheses] == [one.output_ids for one in whole.hypotheses]


def test_a_translation_may_have_all_of_its_tokens_behind_it(small: SmallModel) -> None:
    """The buffers have places for both."""
    manifest = small.bundle.manifest
    longer = dataclasses.replace(manifest, forced_target=(LANGUAGE, OTHER))
    bundle = dataclasses.replace(small.bundle, manifest=longer)
    most = manifest.max_output_tokens
    decoding = options(start_ids=(LANGUAGE, OTHER), max_output_tokens=most, min_output_tokens=most)
    [finished] = decode_together(dataclasses.replace(small, bundle=bundle), [(SOURCES[0], decoding)], 2)
    assert len(finished.hypotheses[0].output_ids) == most
