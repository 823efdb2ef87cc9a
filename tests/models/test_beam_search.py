"""The reference, against enumeration, and against greedy decoding."""

import itertools

import pytest
import torch

from models.beam_search import BeamOptions, beam_search
from models.data.batches import pad_sources
from models.greedy import greedy_decode
from models.registry import ARCHITECTURES
from models.seq2seq import BOS, EOS, OUR_IDS, Seq2SeqModel
from tests.small_models import VOCABULARY_SIZE, build_random_model

SOURCE = [7, 8, 9, 10, EOS]


def fond_of_ending(logit: float = 7.0) -> Seq2SeqModel:
    """With so much more for EOS: a random model as good as never ends a sentence by itself."""
    model = build_random_model("lstm")
    logits = model.logits
    bonus = logit * torch.nn.functional.one_hot(torch.tensor(EOS), VOCABULARY_SIZE)
    setattr(model, "logits", lambda features: logits(features) + bonus)  # noqa: B010
    return model


@torch.inference_mode()
def total_log_prob(model: Seq2SeqModel, output: list[int]) -> float:
    """By `forward`, with no decoding."""
    previous_ids = torch.tensor([[BOS, *output[:-1]]])
    log_probs = model.logits(model(*pad_sources([SOURCE]), previous_ids)).log_softmax(dim=-1)[0]
    return float(log_probs[torch.arange(len(output)), torch.tensor(output)].sum())


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all_short_outputs(name: str) -> None:
    model = build_random_model(name)
    options = BeamOptions(beam_size=VOCABULARY_SIZE, length_penalty=0.0, patience=1e9)
    found = beam_search(model, SOURCE, options, max_output_tokens=2)
    words = [id_ for id_ in range(VOCABULARY_SIZE) if id_ not in OUR_IDS.not_written(0)]
    likely = sorted(words, key=lambda id_: -total_log_prob(model, [id_]))[:9]
    enumerated = [*([word, EOS] for word in likely), *map(list, itertools.product(likely, likely[:5]))]
    best = sorted(enumerated, key=lambda output: -total_log_prob(model, output))[:3]
    by_output = {tuple(h.ids if h.reached_limit else [*h.ids, EOS]): h.log_prob for h in found}
    assert tuple(best[0]) in by_output
    for output in enumerated:
        if tuple(output) in by_output:
            assert by_output[tuple(output)] == pytest.approx(total_log_prob(model, output), abs=1e-3)
    assert found[0].log_prob >= total_log_prob(model, best[0]) - 1e-3


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_beam_of_one_is_greedy(name: str) -> None:
    model = build_random_model(name)
    best, *others = beam_search(model, SOURCE, BeamOptions(beam_size=1))
    assert others == []
    assert [best.ids] == greedy_decode(model, [SOURCE])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_hypotheses_are_distinct_ranked_and_scored_as_forward_scores_them(name: str) -> None:
    model = build_random_model(name)
    options = BeamOptions(beam_size=4, length_penalty=1.0)
    found = beam_search(model, SOURCE, options, max_output_tokens=12)
    assert 4 <= len(found) <= 8
    assert len({tuple(h.ids) for h in found}) == len(found)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    for hypothesis in found:
        output = hypothesis.ids if hypothesis.reached_limit else [*hypothesis.ids, EOS]
        assert hypothesis.log_prob == pytest.approx(total_log_prob(model, output), abs=1e-2)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob * 6 / (5 + len(output)))


def test_patience_asks_for_more_finished_hypotheses() -> None:
    model = fond_of_ending()
    hasty, patient = (
        beam_search(model, SOURCE, BeamOptions(beam_size=3, patience=patience), max_output_tokens=60)
        for patience in (1.0, 3.0)
    )
    assert len(hasty) < len(patient)
    assert patient[0].score >= hasty[0].score


def test_a_higher_length_penalty_prefers_longer_hypotheses() -> None:
    model = fond_of_ending()
    short, long = (
        beam_search(model, SOURCE, BeamOptions(beam_size=5, length_penalty=alpha, patience=3.0), max_output_tokens=60)[
            0
        ]
        for alpha in (0.0, 30.0)
    )
    assert len(short.ids) < len(long.ids)


@pytest.mark.parametrize("size", [1, 4])
def test_no_hypothesis_is_empty_however_fond_of_ending_the_model_is(size: int) -> None:
    """They begin with the most probable other tokens, and then all end."""
    model = fond_of_ending(40.0)
    words = [id_ for id_ in range(VOCABULARY_SIZE) if id_ not in OUR_IDS.not_written(0)]
    likely = sorted(words, key=lambda id_: -total_log_prob(model, [id_]))[:size]
    found = beam_search(model, SOURCE, BeamOptions(beam_size=size, length_penalty=0.0))
    assert [hypothesis.ids for hypothesis in found] == [[word] for word in likely]
    assert [hypothesis.log_prob for hypothesis in found] == pytest.approx(
        [total_log_prob(model, [word, EOS]) for word in likely], abs=1e-3
    )


def test_greedy_decoding_writes_a_token_however_fond_of_ending_the_model_is() -> None:
    model = fond_of_ending(40.0)
    [best] = beam_search(model, SOURCE, BeamOptions(beam_size=1))
    [output, _] = greedy_decode(model, [SOURCE, [*SOURCE[:2], EOS]])
    assert len(output) == 1
    assert output == best.ids
