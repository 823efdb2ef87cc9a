"""Weights of a Hugging Face checkpoint by our names, and what is missing, left over or contradictory."""

import re
from typing import Literal

import torch
from torch import Tensor

from export.checkpoints.huggingface.config import CONFIG, Family
from export.checkpoints.positions import sinusoid_halves
from models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig

_SHARED = "model.shared.weight"
_SOURCE = "model.encoder.embed_tokens.weight"
_TARGET = "model.decoder.embed_tokens.weight"
_OUTPUT = "lm_head.weight"
_BIAS = "final_logits_bias"

_PARTS = (
    ("encoder_layers.", "model.encoder.layers."),
    ("decoder_layers.", "model.decoder.layers."),
    ("encoder_norm.", "model.encoder.layer_norm."),
    ("decoder_norm.", "model.decoder.layer_norm."),
    ("encoder_embedding_norm.", "model.encoder.layernorm_embedding."),
    ("decoder_embedding_norm.", "model.decoder.layernorm_embedding."),
    (".self_attention.", ".self_attn."),
    (".cross_attention.", ".encoder_attn."),
    (".attention.", ".self_attn."),
    (".attention_norm.", ".self_attn_layer_norm."),
    (".self_norm.", ".self_attn_layer_norm."),
    (".cross_norm.", ".encoder_attn_layer_norm."),
    (".ffn_norm.", ".final_layer_norm."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".output.", ".out_proj."),
    (".ffn.inner.", ".fc1."),
    (".ffn.outer.", ".fc2."),
)
"""Our part of a layer's name, and theirs."""

_COMPUTED = re.compile(r"model\.(encoder|decoder)\.(version|embed_positions\.(weights|_float_tensor))")
"""Buffers of old files that nothing is read from: what they hold is computed."""

_NUM_SHOWN = 8
"""Names of tensors that a message lists at most."""


class Weights:
    """Takes a checkpoint's tensors one by one; what is missing or of another shape becomes a problem, and so does, at
    last, what nobody took."""

    def __init__(self, tensors: dict[str, Tensor], file: str, problems: list[str], warnings: list[str]) -> None:
        self._tensors = dict(tensors)
        self._file = file
        self._problems = problems
        self._warnings = warnings
        self._missing: list[str] = []

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name; zeros where it is missing or has another shape."""
        if name not in self._tensors:
            self._missing.append(name)
            return torch.zeros(shape)
        tensor = self._tensors.pop(name)
        if tuple(tensor.shape) == shape:
            return tensor
        self._problems.append(f"{self._file}: {name} is {list(tensor.shape)}, {CONFIG} asks for {list(shape)}")
        return torch.zeros(shape)

    def take_optional(self, name: str, shape: tuple[int, ...]) -> Tensor | None:
        return self.take(name, shape) if name in self._tensors else None

    def take_tied(self, names: tuple[str, ...], shape: tuple[int, ...], *, declared: bool) -> Tensor:
        """The first of several names for one table that is in the file. The others go with it: where they are declared
        to be one, values that differ are no part of the model, and a warning says so; else they are a problem."""
        there = [name for name in names if name in self._tensors]
        if not there:
            return self.take(names[0], shape)
        table = self.take(there[0], shape)
        for name in there[1:]:
            other = self._tensors.pop(name)
            if torch.equal(other, table):
                continue
            differs = f"{self._file}: {name} differs from {there[0]}"
            if declared:
                self._warnings.append(f"{differs}, and {CONFIG} declares them to be one: {there[0]} is used for both")
            else:
                self._problems.append(f"{differs}: they have to be one table")
        return table

    def finish(self) -> None:
        """Say what was missing, and what is left over."""
        left = [name for name in self._tensors if not _COMPUTED.fullmatch(name)]
        for names, what in ((self._missing, "missing"), (left, "not known of this model")):
            if names:
                more = f" and {len(names) - _NUM_SHOWN} more" if len(names) > _NUM_SHOWN else ""
                self._problems.append(
                    f"{self._file}: tensors that are {what}: {', '.join(sorted(names)[:_NUM_SHOWN])}{more}"
                )


def check_tables(tensors: dict[str, Tensor], settings: EncoderDecoderConfig, file: str) -> list[str]:
    """What is wrong with the sizes of the embeddings: what else there is depends on them."""
    sides: dict[tuple[str, ...], int]
    if settings.shares_embeddings:
        sides = {(_SHARED, _SOURCE, _TARGET, _OUTPUT): settings.source_vocabulary}
    else:
        sides = {(_SOURCE,): settings.source_vocabulary, (_TARGET, _OUTPUT): settings.target_vocabulary}
    problems = []
    for names, num_rows in sides.items():
        shapes = {name: list(tensors[name].shape) for name in names if name in tensors}
        if not shapes:
            problems.append(f"{file}: no embeddings: {' or '.join(names)} expected")
        problems += [
            f"{file}: {name} is {shape}, {CONFIG} asks for {[num_rows, settings.d_model]}"
            for name, shape in shapes.items()
            if shape != [num_rows, settings.d_model]
        ]
    return problems


def collect(
    weights: Weights, settings: EncoderDecoderConfig, family: Family, positions: Literal["own", "marian"]
) -> dict[str, Tensor]:
    """The state dict of an `EncoderDecoder` with these settings."""
    named = _tables(weights, settings)
    with torch.device("meta"):
        expected = EncoderDecoder(settings).state_dict()
    for name, tensor in expected.items():
        if name.startswith(("encoder_", "decoder_")):
            named[name] = weights.take(_their_name(name), tuple(tensor.shape))
    if settings.output_bias:
        named["output_bias"] = weights.take(_BIAS, (1, settings.target_vocabulary)).squeeze(0)
    for ours, theirs, rows in (
        ("source_positions", "model.encoder.embed_positions.weight", settings.max_source_positions),
        ("target_positions", "model.decoder.embed_positions.weight", settings.max_target_positions),
    ):
        named[ours] = _positions(weights, theirs, rows, settings.d_model, family, positions)
    weights.finish()
    return named


def _tables(weights: Weights, settings: EncoderDecoderConfig) -> dict[str, Tensor]:
    """Embeddings, and the output layer where it has weights of its own.

    Files hold one tied table under one of its names, or under all of them; junk under `lm_head.weight` is known from
    converted checkpoints, so that the embedding counts before it.
    """
    source_shape = (settings.source_vocabulary, settings.d_model)
    target_shape = (settings.target_vocabulary, settings.d_model)
    output = (_OUTPUT,) if settings.ties_output else ()
    named = {}
    if settings.shares_embeddings:
        named["embedding.weight"] = weights.take_tied(
            (_SHARED, _SOURCE, _TARGET, *output), target_shape, declared=settings.ties_output
        )
    else:
        named["source_embedding.weight"] = weights.take(_SOURCE, source_shape)
        named["target_embedding.weight"] = weights.take_tied((_TARGET, *output), target_shape, declared=True)
    if not settings.ties_output:
        named["output.weight"] = weights.take(_OUTPUT, target_shape)
    return named


def _positions(
    weights: Weights, name: str, rows: int, d_model: int, family: Family, positions: Literal["own", "marian"]
) -> Tensor:
    """A table of positions [rows, d_model] whose row 0 is the first token's: the file's where it has one, else computed
    as the family does; with `marian`, as Marian itself does."""
    offset = family.position_offset
    if family.learned_positions:
        return weights.take(name, (rows + offset, d_model))[offset:]
    stored = weights.take_optional(name, (rows + offset, d_model))
    if positions == "marian":
        return sinusoid_halves(rows, d_model, "i/(d/2-1)")
    if stored is not None:
        return stored[offset:]
    return sinusoid_halves(rows, d_model, "i/(d/2-1)" if offset else "2i/d", first=offset)


def _their_name(name: str) -> str:
    for ours, theirs in _PARTS:
        name = name.replace(ours, theirs, 1)
    return name
