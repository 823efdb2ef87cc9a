import hashlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from bench.opus_size import extended_tokenizer, logit_difference
from bench.widened import widen
from models.greedy import greedy_decode
from models.seq2seq import EOS
from models.transformer import Transformer, TransformerConfig
from tests.small_models import SENTENCES

ROOT = Path(__file__).parents[2]
SMALL = TransformerConfig(
    d_model=16, num_heads=2, d_ffn=24, num_encoder_layers=2, num_decoder_layers=1, dropout=0.0, max_positions=64
)
VOCABULARY_SIZE = 40
SOURCES = [[5, 9, 17, 4, EOS], [30, EOS]]


@pytest.fixture(scope="module")
def small() -> Transformer:
    """Of random weights, biases and normalisations, none of them as it is at the start of a training."""
    torch.manual_seed(0)
    model = Transformer(SMALL, VOCABULARY_SIZE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def config(
    residual: int, head_size: int, hidden: int, encoder_layers: int = 2, decoder_layers: int = 1
) -> TransformerConfig:
    return TransformerConfig(
        d_model=16 * residual,
        num_heads=2 * residual // head_size,
        d_ffn=24 * hidden,
        num_encoder_layers=encoder_layers,
        num_decoder_layers=decoder_layers,
        dropout=0.0,
        max_positions=64,
    )


WIDTHS = [(2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (6, 3)]
"""Times the residual stream and the size of a head."""


@settings(deadline=None, max_examples=12)
@given(
    widths=st.sampled_from(WIDTHS),
    hidden=st.integers(1, 3),
    added_layers=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    num_added=st.sampled_from([0, 1, 60]),
)
def test_a_widened_model_computes_what_it_was_made_from(
    small: Transformer, widths: tuple[int, int], hidden: int, added_layers: tuple[int, int], num_added: int
) -> None:
    # Copies of a hidden dimension cancel in an added layer, where there are some.
    hidden = max(hidden, 2) if any(added_layers) else hidden
    wide_config = config(*widths, hidden, 2 + added_layers[0], 1 + added_layers[1])
    wide = widen(small, wide_config, VOCABULARY_SIZE + num_added)
    assert wide.embedding.weight.shape == (VOCABULARY_SIZE + num_added, wide_config.d_model)
    assert logit_difference(small, wide, SOURCES) < 1e-4
    assert greedy_decode(wide, SOURCES) == greedy_decode(small, SOURCES)


def test_added_tokens_are_never_written_and_add_nothing_to_a_softmax(small: Transformer) -> None:
    wide = widen(small, config(4, 2, 2, 3, 2), 1000)
    with torch.inference_mode():
        source = torch.tensor([[*range(4, 24), EOS]])
        features = wide(source, torch.tensor([source.shape[1]]), source[:, :-1])
        logits: Tensor = wide.logits(features)[..., VOCABULARY_SIZE:]
    assert -100 < logits.min() <= logits.max() < -20


def test_no_weight_of_a_product_is_zero_and_no_two_are_the_same_matrix(small: Transformer) -> None:
    """CTranslate2 keeps equal matrices once, which would make the model cheaper than others of its size."""
    wide = widen(small, config(4, 2, 2, 4, 3), VOCABULARY_SIZE)
    weights = [weight for name, weight in wide.named_parameters() if weight.dim() == 2]
    assert all((weight != 0).all() for weight in weights)
    assert len({hashlib.sha256(weight.detach().numpy().tobytes()).digest() for weight in weights}) == len(weights)


def test_the_same_model_is_made_each_time(small: Transformer) -> None:
    before = torch.get_rng_state()
    first, second = (widen(small, config(2, 2, 2, 3, 2), 50).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wide", "message"),
    [
        (config(1, 1, 1), "d_model: an even multiple of 16 expected, got 16"),
        (config(2, 1, 1, 1), "layers: at least 2 expected, got 1"),
        (TransformerConfig(d_model=32, num_heads=2, d_ffn=36), "d_ffn: a multiple of 24 expected, got 36"),
        (TransformerConfig(d_model=40, num_heads=2, d_ffn=48), "d_model: a multiple of 16 expected, got 40"),
    ],
)
def test_a_size_that_cannot_be_reached_is_named(small: Transformer, wide: TransformerConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        widen(small, wide, VOCABULARY_SIZE)


def test_an_extended_tokenizer_reads_and_writes_as_before(tmp_path: Path) -> None:
    shipped = ROOT / "bench" / "small_transformer" / "tokenizer.model"
    path = tmp_path / "tokenizer.model"
    path.write_bytes(extended_tokenizer(shipped.read_bytes(), 5000))
    before, after = (SentencePieceProcessor(model_file=str(file)) for file in (shipped, path))
    assert after.get_piece_size() == 5000
    texts = [*SENTENCES, "<unused4000> <unused4999>", "été\t😀"]
    assert after.encode(texts) == before.encode(texts)
    assert after.decode(after.encode(texts)) == before.decode(before.encode(texts))
    assert [after.id_to_piece(id_) for id_ in range(4000)] == [before.id_to_piece(id_) for id_ in range(4000)]
