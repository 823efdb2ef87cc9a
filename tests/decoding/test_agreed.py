"""What a beam that streams may tell: what all of its hypotheses agree on."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.search.beam import BeamSearch
from server.messages.hypothesis import Attention, Hypothesis
from server.messages.options import DecodingOptions
from tests.decoding.scripted_models import (
    EOS,
    PIECES,
    SPECIAL_IDS,
    attention_behind,
    beams,
    heads_behind,
    random_model,
    seeds,
    sure_model,
)


@given(seed=seeds, options=beams, spread=st.sampled_from([1.0, 4.0]))
def test_what_was_told_is_what_the_best_hypothesis_begins_with(
    seed: int, options: DecodingOptions, spread: float
) -> None:
    """Whichever it will be, and whenever one asks."""
    model = random_model(seed, spread=spread)
    search = BeamSearch(options, SPECIAL_IDS, PIECES)
    told = Hypothesis()
    while search.live:
        ids = [hypothesis.output_ids for hypothesis in search.live]
        attention = Attention(*(np.stack(list(map(behind, ids))) for behind in (attention_behind, heads_behind)))
        search.advance(np.stack(list(map(model, ids))), attention)
        part = search.take_agreed()
        if part:
            assert part.output_ids
            told.output_ids += part.output_ids
            told.token_log_probs += part.token_log_probs
            told.attention += part.attention
            told.attention_by_head += part.attention_by_head
        assert search.take_agreed() is None, "nothing is told twice"
    final, number = search.ranked()[0], len(told.output_ids)
    assert final.output_ids[:number] == told.output_ids
    assert final.token_log_probs[:number] == told.token_log_probs
    assert len(told.attention) == len(told.attention_by_head) == number
    assert all(map(np.array_equal, final.attention, told.attention))
    assert all(map(np.array_equal, final.attention_by_head, told.attention_by_head))


def test_what_all_hypotheses_agree_on_is_told_while_they_live() -> None:
    model = sure_model({4: -0.1}, {5: -0.1, 6: -0.2}, {7: -0.1}, {EOS: -0.1})
    search = BeamSearch(DecodingOptions(max_output_tokens=9, beam_size=2), SPECIAL_IDS, PIECES)
    told = []
    while search.live:
        ids = [hypothesis.output_ids for hypothesis in search.live]
        search.advance(np.stack(list(map(model, ids))), None)
        part = search.take_agreed()
        told.append(part.output_ids if part else [])
    assert told == [[4], [], [], []]


def test_a_beam_of_one_tells_every_token_at_once() -> None:
    model = sure_model({4: -0.1}, {5: -0.1}, {EOS: -0.1})
    search = BeamSearch(DecodingOptions(max_output_tokens=9), SPECIAL_IDS, PIECES)
    told = []
    while search.live:
        search.advance(model(search.live[0].output_ids)[None], None)
        part = search.take_agreed()
        told.append(part.output_ids if part else [])
    assert told == [[4], [5], []]
