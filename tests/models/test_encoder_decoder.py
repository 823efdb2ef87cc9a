"""The Transformer as others train it, against PyTorch's own layers, and its decoding with others' special ids."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.beam_search import BeamOptions, beam_search
from models.data.batches import pad_sources
from models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from models.greedy import greedy_decode, max_output
from models.seq2seq import ALIGNMENT_QUERY, OutputIds
from tests.foreign_models import FOREIGN, VOCABULARY_SIZE, build_foreign_model

EVERY_KIND = pytest.mark.parametrize("kind", FOREIGN)

SOURCES = [[7, 8, 9, 10, 4], [11], [4, 5, 6, 7, 8, 9, 10, 11, 40], [4, 3]]
TARGETS = torch.randint(0, VOCABULARY_SIZE, (4, 9), generator=torch.Generator().manual_seed(2))


def reference_logits(model: EncoderDecoder, source: Sequence[int], previous_ids: Tensor) -> Tensor:
    """Logits of one sentence by PyTorch's layers, which are given the weights by their names: [target, vocabulary]."""
    config, weights = model.config, model.state_dict()
    tables = ("embedding", "embedding") if config.shares_embeddings else ("source_embedding", "target_embedding")
    sides: list[Tensor] = []
    for side, table, ids in zip(("source", "target"), tables, (torch.tensor(source), previous_ids), strict=True):
        embedded = weights[f"{table}.weight"][ids] * config.embedding_scale
        sides.append((embedded + weights[f"{side}_positions"][: len(ids)]).unsqueeze(0))
    x, y = sides
    if config.embedding_norm:
        x, y = norm(model, "encoder_embedding_norm", x), norm(model, "decoder_embedding_norm", y)
    for index in range(config.num_encoder_layers):
        x = encoder_layer(model, f"encoder_layers.{index}")(x)
    x = norm(model, "encoder_norm", x) if config.final_norm else x
    for index in range(config.num_decoder_layers):
        if config.decoder == "ssru":
            y = ssru_layer(model, f"decoder_layers.{index}", y, x)
        else:
            causal = nn.Transformer.generate_square_subsequent_mask(y.shape[1])
            y = decoder_layer(model, f"decoder_layers.{index}")(y, x, tgt_mask=causal)
    y = norm(model, "decoder_norm", y) if config.final_norm else y
    logits = y[0] @ weights[f"{tables[1]}.weight" if config.ties_output else "output.weight"].T
    return logits + weights["output_bias"] if config.output_bias else logits


def norm(model: EncoderDecoder, name: str, x: Tensor) -> Tensor:
    weights, epsilon = model.state_dict(), model.config.layer_norm_epsilon
    centred = x - x.mean(dim=-1, keepdim=True)
    scaled = centred / (centred.square().mean(dim=-1, keepdim=True) + epsilon).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def encoder_layer(model: EncoderDecoder, name: str) -> nn.TransformerEncoderLayer:
    config = model.config
    layer = nn.TransformerEncoderLayer(
        config.d_model,
        config.num_encoder_heads,
        config.d_encoder_ffn,
        activation=activation(config),
        layer_norm_eps=config.layer_norm_epsilon,
        batch_first=True,
        norm_first=config.norm == "pre",
    ).eval()
    layer.load_state_dict(
        attention_weights(model, f"{name}.attention", "self_attn")
        | renamed(model, {"ffn.inner": "linear1", "ffn.outer": "linear2"}, name)
        | renamed(model, {"attention_norm": "norm1", "ffn_norm": "norm2"}, name)
    )
    return layer


def decoder_layer(model: EncoderDecoder, name: str) -> nn.TransformerDecoderLayer:
    config = model.config
    layer = nn.TransformerDecoderLayer(
        config.d_model,
        config.num_decoder_heads,
        config.d_decoder_ffn,
        activation=activation(config),
        layer_norm_eps=config.layer_norm_epsilon,
        batch_first=True,
        norm_first=config.norm == "pre",
    ).eval()
    layer.load_state_dict(
        attention_weights(model, f"{name}.self_attention", "self_attn")
        | attention_weights(model, f"{name}.cross_attention", "multihead_attn")
        | renamed(model, {"ffn.inner": "linear1", "ffn.outer": "linear2"}, name)
        | renamed(model, {"self_norm": "norm1", "cross_norm": "norm2", "ffn_norm": "norm3"}, name)
    )
    return layer


def ssru_layer(model: EncoderDecoder, name: str, x: Tensor, memory: Tensor) -> Tensor:
    """As Marian writes it, normalised behind each sublayer."""
    weights = {key.removeprefix(f"{name}."): value for key, value in model.state_dict().items()}
    cell = torch.zeros(model.config.d_model)
    hidden = []
    for vector in x[0]:
        forget = torch.sigmoid(weights["recurrence.forget.weight"] @ vector + weights["recurrence.forget.bias"])
        cell = forget * cell + (1 - forget) * (weights["recurrence.input.weight"] @ vector)
        hidden.append(cell.clamp(min=0))
    x = norm(model, f"{name}.self_norm", x + torch.stack(hidden))
    cross = nn.MultiheadAttention(model.config.d_model, model.config.num_decoder_heads, batch_first=True)
    cross.load_state_dict(attention_weights(model, f"{name}.cross_attention", ""))
    x = norm(model, f"{name}.cross_norm", x + cross(x, memory, memory, need_weights=False)[0])
    inner = (x @ weights["ffn.inner.weight"].T + weights["ffn.inner.bias"]).clamp(min=0)
    return norm(model, f"{name}.ffn_norm", x + inner @ weights["ffn.outer.weight"].T + weights["ffn.outer.bias"])


def activation(config: EncoderDecoderConfig) -> nn.Module:
    return {"relu": nn.ReLU(), "swish": nn.SiLU(), "gelu": nn.GELU()}[config.activation]


def attention_weights(model: EncoderDecoder, name: str, torch_name: str) -> dict[str, Tensor]:
    weights, prefix = model.state_dict(), f"{torch_name}." if torch_name else ""
    joined = {
        f"{prefix}in_proj_{kind}": torch.cat([weights[f"{name}.{part}.{kind}"] for part in ("query", "key", "value")])
        for kind in ("weight", "bias")
    }
    return joined | {f"{prefix}out_proj.{kind}": weights[f"{name}.output.{kind}"] for kind in ("weight", "bias")}


def renamed(model: EncoderDecoder, names: dict[str, str], prefix: str) -> dict[str, Tensor]:
    weights = model.state_dict()
    return {
        f"{new}.{kind}": weights[f"{prefix}.{old}.{kind}"] for old, new in names.items() for kind in ("weight", "bias")
    }


@EVERY_KIND
@torch.no_grad()
def test_a_padded_batch_computes_what_pytorch_s_layers_compute_of_each_sentence(kind: str) -> None:
    model = build_foreign_model(kind)
    logits = model.logits(model(*pad_sources(SOURCES), TARGETS))
    for row, source in enumerate(SOURCES):
        torch.testing.assert_close(logits[row], reference_logits(model, source, TARGETS[row]), rtol=1e-4, atol=1e-4)


@EVERY_KIND
@torch.no_grad()
def test_step_after_step_equals_forward(kind: str) -> None:
    model = build_foreign_model(kind)
    expected = model.logits(model(*pad_sources(SOURCES), TARGETS))
    state = model.start_state(*pad_sources(SOURCES), max_target=TARGETS.shape[1])
    for position in range(TARGETS.shape[1]):
        logits, next_state = model.step(TARGETS[:, position], torch.full((len(SOURCES),), position), state)
        state.update(next_state)
        torch.testing.assert_close(logits, expected[:, position], rtol=1e-4, atol=1e-4)


@EVERY_KIND
@torch.no_grad()
def test_an_encoder_that_reads_the_start_token_gives_the_state_that_a_step_leaves(kind: str) -> None:
    model = build_foreign_model(kind)
    ids = dataclasses.replace(model.output_ids, start=(*model.output_ids.start[:1], 50), encodes_start=False)
    model.output_ids = ids
    start = torch.full((len(SOURCES),), ids.start[0])
    expected = model.start_state(*pad_sources(SOURCES), max_target=4)
    expected.update(model.step(start, torch.zeros(len(SOURCES), dtype=torch.int32), expected)[1])
    model.output_ids = dataclasses.replace(ids, encodes_start=True)
    state = model.start_state(*pad_sources(SOURCES), max_target=4)
    assert state.keys() == expected.keys() - {ALIGNMENT_QUERY}
    for name, value in state.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    model.output_ids = ids
    one = greedy_decode(model, SOURCES)
    model.output_ids = dataclasses.replace(ids, encodes_start=True)
    assert greedy_decode(model, SOURCES) == one


@EVERY_KIND
@torch.no_grad()
def test_every_weight_of_the_state_dict_counts(kind: str) -> None:
    """Keys' biases apart, which add the same to all scores of a query."""
    model = build_foreign_model(kind)
    before = model.logits(model(*pad_sources(SOURCES), TARGETS))
    for name, weight in model.state_dict().items():
        if name.endswith("key.bias"):
            continue
        original = weight.clone()
        weight += torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        assert not torch.allclose(model.logits(model(*pad_sources(SOURCES), TARGETS)), before), name
        weight.copy_(original)


def test_the_names_of_the_weights_are_those_that_the_model_documents() -> None:
    """Readers of checkpoints rely on them."""

    def names(kind: str) -> set[str]:
        weights = build_foreign_model(kind).state_dict()
        return {name for name in weights if ".1." not in name}  # one layer of several

    def both(*modules: str) -> set[str]:
        return {f"{module}.{kind}" for module in modules for kind in ("weight", "bias")}

    attention = ("query", "key", "value", "output")
    encoder = both(
        *(f"encoder_layers.0.attention.{part}" for part in attention),
        "encoder_layers.0.attention_norm",
        "encoder_layers.0.ffn.inner",
        "encoder_layers.0.ffn.outer",
        "encoder_layers.0.ffn_norm",
    )
    positions = {"source_positions", "target_positions"}
    self_attention = both(*(f"decoder_layers.0.self_attention.{part}" for part in attention))
    recurrence = {"decoder_layers.0.recurrence.input.weight", *both("decoder_layers.0.recurrence.forget")}
    decoder = both(
        "decoder_layers.0.self_norm",
        *(f"decoder_layers.0.cross_attention.{part}" for part in attention),
        "decoder_layers.0.cross_norm",
        "decoder_layers.0.ffn.inner",
        "decoder_layers.0.ffn.outer",
        "decoder_layers.0.ffn_norm",
    )
    always = positions | encoder | decoder
    final = both("encoder_norm", "decoder_norm")
    embedding_norms = both("encoder_embedding_norm", "decoder_embedding_norm")
    separate = {"source_embedding.weight", "target_embedding.weight", "output_bias"}
    assert names("marian") == always | self_attention | {"embedding.weight", "output_bias"}
    assert names("firefox") == always | recurrence | {"embedding.weight", "output_bias"}
    assert names("m2m100") == always | self_attention | final | {"embedding.weight"}
    assert names("mbart") == always | self_attention | final | embedding_norms | {"embedding.weight", "output_bias"}
    assert names("marian-separate") == always | self_attention | separate
    assert names("opennmt") == always | self_attention | final | separate | {"output.weight"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"num_encoder_heads": 5}, "num_encoder_heads: a divisor of d_model=256 expected, got 5"),
        ({"num_decoder_heads": 3}, "num_decoder_heads: a divisor of d_model=256 expected, got 3"),
        ({"source_vocabulary": 7}, "shares_embeddings: .* given as 7 and 32000"),
        ({"num_decoder_layers": 0}, "num_decoder_layers: at least 1 expected, got 0"),
    ],
)
def test_settings_that_make_no_model_are_refused(changes: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        dataclasses.replace(EncoderDecoderConfig(), **changes)


def free_run(model: EncoderDecoder, source: Sequence[int]) -> list[int]:
    """Greedy decoding without any state: the whole prefix anew for every token."""
    ids = model.output_ids
    written: list[int] = []
    while len(written) < max_output(source):
        features = model(*pad_sources([source]), torch.tensor([[*ids.start, *written]]))
        logits = model.logits(features[0, -1])
        for id_ in ids.never_written if written else (*ids.never_written, ids.eos):
            logits[id_] = float("-inf")
        if int(logits.argmax()) == ids.eos:
            break
        written.append(int(logits.argmax()))
    return written


@EVERY_KIND
@torch.no_grad()
def test_decoding_begins_with_the_model_s_start_and_writes_none_of_its_special_ids(kind: str) -> None:
    model = build_foreign_model(kind)
    expected = [free_run(model, source) for source in SOURCES]
    assert greedy_decode(model, SOURCES) == expected
    assert not {id_ for ids in expected for id_ in ids} & {*model.output_ids.never_written, model.output_ids.eos}
    for source, ids in zip(SOURCES, expected, strict=True):
        [best] = beam_search(model, source, BeamOptions(beam_size=1))
        assert best.ids == ids


@torch.no_grad()
def test_what_a_translation_is_made_to_begin_with_counts_for_the_next_tokens_and_not_for_its_score() -> None:
    model = build_foreign_model("m2m100")
    source, start = SOURCES[0], model.output_ids.start
    best = beam_search(model, source, BeamOptions(beam_size=3))[0]
    log_probs = model.logits(model(*pad_sources([source]), torch.tensor([[*start, *best.ids]])))[0].log_softmax(dim=-1)
    written = best.ids if best.reached_limit else [*best.ids, model.output_ids.eos]
    positions = range(len(start) - 1, len(start) - 1 + len(written))
    assert best.log_prob == pytest.approx(float(log_probs[[*positions], written].sum()), abs=1e-4)
    one = greedy_decode(model, SOURCES)
    model.output_ids = dataclasses.replace(model.output_ids, start=(2, 51))
    assert greedy_decode(model, SOURCES) != one, "another language, another translation"


def test_the_end_is_not_written_first() -> None:
    ids = OutputIds(start=(9,), eos=0, never_written=(9, 1))
    assert ids.not_written(0) == [9, 1, 0]
    assert ids.not_written(1) == [9, 1]
