"""What every registered architecture owes: the same tests for all of them, present and to come."""

import dataclasses

import pytest
import torch

from models.data.batches import pad, pad_sources
from models.lstm import Lstm, reverse
from models.registry import ARCHITECTURES
from models.seq2seq import ALIGNMENT_QUERY, BOS, EOS, PAD, Seq2SeqModel
from tests.small_models import VOCABULARY_SIZE, build_random_model

EVERY_ARCHITECTURE = pytest.mark.parametrize("name", ARCHITECTURES)

SOURCES = [[7, 8, 9, 10, EOS], [11, EOS], [4, 5, 6, 7, 8, 9, 10, 11, EOS], [4, EOS]]
TARGETS = [[BOS, 20, 21], [BOS, 22, 23], [BOS, 24, 25], [BOS, 26, 27]]


def step_through(model: Seq2SeqModel, sources: list[list[int]], previous_ids: torch.Tensor) -> torch.Tensor:
    """Logits of every position by `step`: [rows, target, vocabulary]."""
    rows, target = previous_ids.shape
    state = model.start_state(*pad_sources(sources), max_target=target)
    logits = []
    for position in range(target):
        step_logits, next_state = model.step(previous_ids[:, position], torch.full((rows,), position), state)
        state.update(next_state)
        logits.append(step_logits)
    return torch.stack(logits, dim=1)


@EVERY_ARCHITECTURE
@torch.inference_mode()
def test_step_after_step_equals_forward(name: str) -> None:
    model = build_random_model(name)
    previous_ids = torch.randint(4, VOCABULARY_SIZE, (len(SOURCES), 12))
    previous_ids[:, 0] = BOS
    source_ids, source_lengths = pad_sources(SOURCES)
    expected = model.logits(model(source_ids, source_lengths, previous_ids))
    torch.testing.assert_close(step_through(model, SOURCES, previous_ids), expected, rtol=1e-3, atol=1e-3)


@EVERY_ARCHITECTURE
@torch.inference_mode()
def test_rows_at_different_positions_share_a_step(name: str) -> None:
    model = build_random_model(name)
    previous_ids = torch.tensor(TARGETS)
    expected = step_through(model, SOURCES[:2], previous_ids[:2])
    state = model.start_state(*pad_sources(SOURCES[:2]), max_target=3)
    _, stepped = model.step(previous_ids[:2, 0], torch.tensor([0, 0]), state)
    fresh = model.start_state(*pad_sources(SOURCES[:2]), max_target=3)
    for key, tensor in fresh.items():  # row 0 is at its first position, row 1 at its second
        tensor[1] = stepped.get(key, tensor)[1]
    logits, _ = model.step(previous_ids[[0, 1], [0, 1]], torch.tensor([0, 1]), fresh)
    torch.testing.assert_close(logits[0], expected[0, 0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(logits[1], expected[1, 1], rtol=1e-3, atol=1e-3)


@EVERY_ARCHITECTURE
@torch.inference_mode()
def test_padding_changes_nothing(name: str) -> None:
    model = build_random_model(name)
    previous_ids = torch.tensor(TARGETS)
    together = step_through(model, SOURCES, previous_ids)
    for row, source in enumerate(SOURCES):
        alone = step_through(model, [source], previous_ids[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-3, atol=1e-3)


@EVERY_ARCHITECTURE
@torch.inference_mode()
def test_the_declared_state_is_what_encode_and_step_give(name: str) -> None:
    model = build_random_model(name)
    source_ids, source_lengths = pad_sources(SOURCES)
    encoded = model.encode(source_ids, source_lengths)
    assert set(encoded) == {tensor.name for tensor in model.state if tensor.kind != "append"}
    state = model.start_state(source_ids, source_lengths, max_target=6)
    _, next_state = model.step(torch.full((len(SOURCES),), BOS), torch.zeros(len(SOURCES), dtype=torch.int64), state)
    sizes = {"source": source_ids.shape[1], "target": 6}
    for tensor in model.state:
        shape = (len(SOURCES), *(sizes[dim] if isinstance(dim, str) else dim for dim in tensor.shape))
        assert state[tensor.name].shape == shape
        assert state[tensor.name].dtype == tensor.dtype
        if tensor.kind != "constant":
            assert next_state[tensor.name].shape == shape
    assert set(next_state) <= set(state) | ({ALIGNMENT_QUERY} if model.alignment else set())


@EVERY_ARCHITECTURE
def test_every_weight_is_trained(name: str) -> None:
    model = build_random_model(name)
    source_ids, source_lengths = pad_sources(SOURCES)
    model.logits(model(source_ids, source_lengths, pad(TARGETS))).logsumexp(dim=-1).sum().backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_a_source_is_reversed_within_its_length() -> None:
    ids, lengths = pad_sources([[5, 6, 7, EOS], [8, EOS]])
    assert reverse(ids, lengths).tolist() == [[EOS, 7, 6, 5], [EOS, 8, PAD, PAD]]


@torch.inference_mode()
def test_the_lstm_reads_the_source_as_its_settings_say() -> None:
    model = build_random_model("lstm")
    assert isinstance(model, Lstm)
    ids, lengths = pad_sources(SOURCES)
    backwards = model.encode(ids, lengths)
    model.config = dataclasses.replace(model.config, reverse_source=False)
    torch.testing.assert_close(model.encode(reverse(ids, lengths), lengths), backwards)
    assert not torch.allclose(model.encode(ids, lengths)["hidden"], backwards["hidden"])


@torch.inference_mode()
def test_the_rnn_writes_one_token_for_each_source_token() -> None:
    model = build_random_model("rnn")
    logits = step_through(model, SOURCES, torch.full((len(SOURCES), 10), BOS))
    ends = logits.argmax(dim=2) == EOS
    for row, source in enumerate(SOURCES):
        num_tokens = len(source) - 1
        assert not ends[row, :num_tokens].any()
        assert ends[row, num_tokens:].all()


@torch.inference_mode()
def test_without_its_cache_the_transformer_computes_the_same() -> None:
    model = build_random_model("transformer")
    previous_ids = torch.randint(4, VOCABULARY_SIZE, (len(SOURCES), 9))
    with_cache = step_through(model, SOURCES, previous_ids)
    without = step_through(model.without_cache(), SOURCES, previous_ids)
    torch.testing.assert_close(without, with_cache, rtol=1e-3, atol=1e-3)


def test_a_model_without_appended_state_has_no_cache_to_leave_out() -> None:
    with pytest.raises(ValueError, match="Lstm has no cache"):
        build_random_model("lstm").without_cache()
