"""Tensors of a Marian model by the names of `EncoderDecoder`'s state dict."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from export.checkpoints.imported import ImportProblem
from export.checkpoints.marian_settings import MarianModel
from export.checkpoints.positions import sinusoid_halves
from models.encoder_decoder import EncoderDecoderConfig

Arrays = Mapping[str, npt.NDArray[np.generic]]

_OUTPUT = "decoder_ff_logit_out"
_NOT_WEIGHTS = "special:"
"""How the name begins of what is no weight."""


class _Place(NamedTuple):
    """Where a tensor of `EncoderDecoder` is in Marian's file."""

    ours: str
    theirs: str
    shape: tuple[int, ...]
    """In Marian's file."""
    is_row: bool = False
    """Whether it is a vector, which Marian writes as a matrix of one row."""
    is_transposed: bool = False
    """Marian multiplies from the left, so that its matrices are [inputs, outputs]."""
    has_start: bool = False
    """Whether a row of zeros is added, of the decoder's first input."""


def marian_weights(model: MarianModel, arrays: Arrays, file: str) -> dict[str, Tensor]:
    """Every weight of the model, float32, its tables of positions included; raises ImportProblem with all tensors that
    are missing, unknown, of another shape or not finite."""
    places = list(_places(model, arrays))
    problems = []
    weights: dict[str, Tensor] = {}
    for place in places:
        array = arrays.get(place.theirs)
        problem = _problem(place, array)
        if problem is not None:
            problems.append(f"{file}: {place.theirs}: {problem}")
        elif array is not None:
            weights[place.ours] = _tensor(place, array)
    known = {place.theirs for place in places}
    problems += [
        f"{file}: {name}: unknown tensor, of shape {list(array.shape)}"
        for name, array in arrays.items()
        if name not in known and not name.startswith(_NOT_WEIGHTS) and not name.endswith("_QuantMultA")
    ]
    if problems:
        raise ImportProblem(*problems)
    if not model.learns_positions:
        settings = model.settings
        for name, rows in (("source", settings.max_source_positions), ("target", settings.max_target_positions)):
            weights[f"{name}_positions"] = sinusoid_halves(rows, settings.d_model, "i/(d/2-1)")
    return weights


def _problem(place: _Place, array: npt.NDArray[np.generic] | None) -> str | None:
    if array is None:
        return f"missing, {list(place.shape)} expected"
    if array.shape != place.shape:
        return f"shape {list(place.shape)} expected, got {list(array.shape)}"
    if array.dtype not in (np.float32, np.float16):
        return f"float32 or float16 expected, got {array.dtype}"
    if not np.isfinite(array).all():
        return "finite numbers expected"
    return None


def _tensor(place: _Place, array: npt.NDArray[np.generic]) -> Tensor:
    values = np.asarray(array, np.float32)
    if place.is_row:
        values = values[0]
    if place.is_transposed:
        values = values.T
    if place.has_start:
        values = np.concatenate([values, np.zeros_like(values[:1])])
    return torch.from_numpy(np.array(values, order="C"))


def _places(model: MarianModel, arrays: Arrays) -> Iterator[_Place]:
    settings = model.settings
    yield from _embeddings(settings)
    yield from _output(settings, arrays)
    if model.learns_positions:
        shape = (settings.max_source_positions, settings.d_model)
        yield _Place("source_positions", "Wpos", shape)
        yield _Place("target_positions", "Wpos", shape)
    for side in ("encoder", "decoder"):
        if settings.embedding_norm:
            yield from _norm(f"{side}_embedding_norm", f"{side}_emb", settings, suffix="_pre")
        if settings.final_norm:
            yield from _norm(f"{side}_norm", f"{side}_top", settings, suffix="")
    for index in range(settings.num_encoder_layers):
        ours, theirs = f"encoder_layers.{index}", f"encoder_l{index + 1}"
        yield from _attention(f"{ours}.attention", f"{ours}.attention_norm", f"{theirs}_self", settings)
        yield from _ffn(ours, theirs, settings.d_encoder_ffn, settings)
    for index in range(settings.num_decoder_layers):
        ours, theirs = f"decoder_layers.{index}", f"decoder_l{index + 1}"
        if settings.decoder == "ssru":
            yield from _recurrence(ours, theirs, settings)
        else:
            yield from _attention(f"{ours}.self_attention", f"{ours}.self_norm", f"{theirs}_self", settings)
        yield from _attention(f"{ours}.cross_attention", f"{ours}.cross_norm", f"{theirs}_context", settings)
        yield from _ffn(ours, theirs, settings.d_decoder_ffn, settings)


def _embeddings(settings: EncoderDecoderConfig) -> Iterator[_Place]:
    source = (settings.source_vocabulary - 1, settings.d_model)
    target = (settings.target_vocabulary - 1, settings.d_model)
    if settings.shares_embeddings:
        yield _Place("embedding.weight", "Wemb", source, has_start=True)
    else:
        yield _Place("source_embedding.weight", "encoder_Wemb", source, has_start=True)
        yield _Place("target_embedding.weight", "decoder_Wemb", target, has_start=True)


def _output(settings: EncoderDecoderConfig, arrays: Arrays) -> Iterator[_Place]:
    size, d_model = settings.target_vocabulary - 1, settings.d_model
    if not settings.ties_output and f"{_OUTPUT}_W" in arrays:  # as older versions wrote it
        yield _Place("output.weight", f"{_OUTPUT}_W", (d_model, size), is_transposed=True, has_start=True)
    elif not settings.ties_output:
        yield _Place("output.weight", f"{_OUTPUT}_Wt", (size, d_model), has_start=True)
    if settings.output_bias:
        yield _Place("output_bias", f"{_OUTPUT}_b", (1, size), is_row=True, has_start=True)


def _attention(ours: str, our_norm: str, theirs: str, settings: EncoderDecoderConfig) -> Iterator[_Place]:
    d_model = settings.d_model
    for name, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("output", "o")):
        yield from _linear(f"{ours}.{name}", f"{theirs}_W{letter}", f"{theirs}_b{letter}", d_model, d_model)
    yield from _sublayer_norm(our_norm, f"{theirs}_Wo", settings)


def _ffn(ours: str, theirs: str, d_ffn: int, settings: EncoderDecoderConfig) -> Iterator[_Place]:
    yield from _linear(f"{ours}.ffn.inner", f"{theirs}_ffn_W1", f"{theirs}_ffn_b1", settings.d_model, d_ffn)
    yield from _linear(f"{ours}.ffn.outer", f"{theirs}_ffn_W2", f"{theirs}_ffn_b2", d_ffn, settings.d_model)
    yield from _sublayer_norm(f"{ours}.ffn_norm", f"{theirs}_ffn_ffn", settings)


def _recurrence(ours: str, theirs: str, settings: EncoderDecoderConfig) -> Iterator[_Place]:
    d_model = settings.d_model
    yield _Place(f"{ours}.recurrence.input.weight", f"{theirs}_rnn_W", (d_model, d_model), is_transposed=True)
    yield from _linear(f"{ours}.recurrence.forget", f"{theirs}_rnn_Wf", f"{theirs}_rnn_bf", d_model, d_model)
    place = "rnn" if settings.norm == "pre" else "rnn_ffn"
    yield from _sublayer_norm(f"{ours}.self_norm", f"{theirs}_{place}", settings)


def _linear(ours: str, weight: str, bias: str, num_inputs: int, num_outputs: int) -> Iterator[_Place]:
    yield _Place(f"{ours}.weight", weight, (num_inputs, num_outputs), is_transposed=True)
    yield _Place(f"{ours}.bias", bias, (1, num_outputs), is_row=True)


def _sublayer_norm(ours: str, theirs: str, settings: EncoderDecoderConfig) -> Iterator[_Place]:
    yield from _norm(ours, theirs, settings, suffix="_pre" if settings.norm == "pre" else "")


def _norm(ours: str, theirs: str, settings: EncoderDecoderConfig, suffix: str) -> Iterator[_Place]:
    yield _Place(f"{ours}.weight", f"{theirs}_ln_scale{suffix}", (1, settings.d_model), is_row=True)
    yield _Place(f"{ours}.bias", f"{theirs}_ln_bias{suffix}", (1, settings.d_model), is_row=True)
