"""What `special:model.yml` of a Marian model says about its layers, as settings of `EncoderDecoder`.

Marian's options are checked one by one: what changes the computation and is not supported is refused by its name and
value, and a key that is not known here is a warning.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from export.checkpoints.flat_yaml import NotFlatYaml, Settings, parse_flat_yaml
from export.checkpoints.imported import ImportProblem
from export.checkpoints.marian_options import KNOWN, NORMS, ONLY, SIZES
from models.encoder_decoder import EncoderDecoderConfig

MODEL_YAML = "special:model.yml"

LAYER_NORM_EPSILON = 1e-9
"""Marian's, of every norm."""

NUM_POSITIONS = 512
"""Rows of the table of sinusoids; Marian itself has no limit. `max-length` of most trainings is below."""

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_EXACT_GELU = (1, 12, 42)
"""Oldest version whose gelu was seen to have the error function; in 1.12.0 it was x * sigmoid(1.702 x)."""
_PRE_NORM = (1, 10, 0)
"""First version that normalises keys and values of self-attention where a norm is before it."""


_DECODED_OTHERWISE = (
    "{}: of a model with norms before its sublayers, `marian decode` (seen in v1.12.42) takes earlier target positions "
    "unnormalised, other than in training and in `marian score`; here they are as in training"
)


@dataclass(frozen=True, kw_only=True)
class MarianModel:
    """What a model's YAML says."""

    settings: EncoderDecoderConfig
    """With a row for the decoder's first input behind each vocabulary's own, and with 512 positions of sinusoids, or as
    many as are learned."""
    learns_positions: bool
    aligns_last_layer: bool
    """Whether the layer that guided alignment trains, if there was any, is the decoder's last one."""
    version: str
    warnings: tuple[str, ...]


def read_model_yaml(arrays: Mapping[str, npt.NDArray[np.generic]], file: str) -> Settings:
    """The options within a model; raises ImportProblem."""
    array = arrays.get(MODEL_YAML)
    if array is None:
        raise ImportProblem(
            f"{file}: no {MODEL_YAML}, which says what the model is: no model of Marian, or an older one"
        )
    try:
        return parse_flat_yaml(array.tobytes().rstrip(b"\0").decode())  # older versions write one NUL, newer ones many
    except (UnicodeDecodeError, NotFlatYaml) as error:
        raise ImportProblem(f"{file}: {MODEL_YAML}: {error}") from None


def read_settings(options: Settings, shapes: Mapping[str, Sequence[int]], file: str) -> MarianModel:
    """Settings of a model with these options and tensors; raises ImportProblem with everything that is not
    supported."""
    problems = [problem for key, values in ONLY.items() for problem in _unsupported(options, key, values)]
    sizes = {key: _size(options, key, default, problems) for key, default in SIZES.items()}
    source, target = _vocabulary_sizes(options, problems)
    version = _text(options.get("version", "not said"))
    norm = _norm(options, version, problems)
    is_rnn = options.get("transformer-decoder-autoreg") == "rnn"
    if is_rnn and options.get("dec-cell") != "ssru":
        problems.append(_expected("dec-cell", "ssru, beside transformer-decoder-autoreg: rnn", options.get("dec-cell")))
    activation = _activation(options, version, problems)
    if sizes["dim-emb"] and (sizes["dim-emb"] % 2 or sizes["dim-emb"] < 4):
        problems.append(_expected("dim-emb", "an even number of at least 4", sizes["dim-emb"]))
    if sizes["transformer-heads"] and sizes["dim-emb"] % sizes["transformer-heads"]:
        problems.append(
            _expected("transformer-heads", f"a divisor of dim-emb={sizes['dim-emb']}", sizes["transformer-heads"])
        )
    shares, ties = _ties(options)
    if shares and source != target:
        problems.append(
            f"dim-vocabs: one size for both, whose embeddings are tied, expected, got {source} and {target}"
        )
    if problems:
        raise ImportProblem(*(f"{file}: {MODEL_YAML}: {problem}" for problem in problems))
    learned = shapes.get("Wpos")
    positions = learned[0] if learned is not None and len(learned) == 2 else NUM_POSITIONS
    settings = EncoderDecoderConfig(
        source_vocabulary=source + 1,
        target_vocabulary=target + 1,
        d_model=sizes["dim-emb"],
        num_encoder_layers=sizes["enc-depth"],
        num_decoder_layers=sizes["dec-depth"],
        num_encoder_heads=sizes["transformer-heads"],
        num_decoder_heads=sizes["transformer-heads"],
        d_encoder_ffn=sizes["transformer-dim-ffn"],
        d_decoder_ffn=sizes["transformer-decoder-dim-ffn"] or sizes["transformer-dim-ffn"],
        norm=norm,
        final_norm=_operations(options, "transformer-postprocess-top") == "n",
        embedding_norm=_operations(options, "transformer-postprocess-emb") == "n",
        activation=activation,
        embedding_scale=1.0 if learned is not None else math.sqrt(sizes["dim-emb"]),
        max_source_positions=positions,
        max_target_positions=positions,
        decoder="ssru" if is_rnn else "self-attention",
        shares_embeddings=shares,
        ties_output=ties,
        output_bias=options.get("output-omit-bias") != "true",
        layer_norm_epsilon=LAYER_NORM_EPSILON,
    )
    layer = options.get("transformer-guided-alignment-layer", "last")
    warnings = [
        f"{file}: {MODEL_YAML}: {key}={_text(options[key])} is not known here, and is taken to change nothing"
        for key in sorted(options.keys() - KNOWN)
    ]
    if norm == "pre" and not is_rnn:
        warnings.append(_DECODED_OTHERWISE.format(file))
    return MarianModel(
        settings=settings,
        learns_positions=learned is not None,
        aligns_last_layer=layer in ("last", str(sizes["dec-depth"])),
        version=version,
        warnings=tuple(warnings),
    )


def _unsupported(options: Settings, key: str, values: tuple[str, ...]) -> list[str]:
    given = options.get(key, values[0])
    items = (given,) if isinstance(given, str) else given
    if key in options and all(item in values for item in items):
        return []
    if key not in options and key != "type":
        return []
    return [_expected(key, " or ".join(value or "none" for value in values), given if key in options else None)]


def _size(options: Settings, key: str, default: str, problems: list[str]) -> int:
    least = 0 if key == "transformer-decoder-dim-ffn" else 1
    value = options.get(key, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and least <= int(value) <= 10**6:
        return int(value)
    problems.append(_expected(key, f"a whole number from {least} to 1000000", value))
    return 0


def _vocabulary_sizes(options: Settings, problems: list[str]) -> tuple[int, int]:
    sizes = options.get("dim-vocabs", ())
    if (
        isinstance(sizes, tuple)
        and len(sizes) == 2
        and all(s.isascii() and s.isdigit() and 1 <= int(s) <= 10**7 for s in sizes)
    ):
        return int(sizes[0]), int(sizes[1])
    problems.append(_expected("dim-vocabs", "two sizes, of the source and of the target", sizes or None))
    return 0, 0


def _norm(options: Settings, version: str, problems: list[str]) -> Literal["pre", "post"]:
    """Where a sublayer is normalised; problems of all four options of normalising are added."""
    for key in ("transformer-postprocess-emb", "transformer-postprocess-top"):
        if _operations(options, key) not in ("", "n"):
            problems.append(_expected(key, "n for a norm, or nothing, beside d for dropout", options.get(key)))
    keys = ("transformer-preprocess", "transformer-postprocess")
    before, after = (_operations(options, key) for key in keys)
    if (before, after) not in (("", "an"), ("n", "a")):
        given = ", ".join(f"{key}={_text(options.get(key, NORMS[key]))!r}" for key in keys)
        expected = "nothing and an (a norm behind), or n and a (before), beside d for dropout"
        problems.append(f"{given}: {expected}, expected")
    if before == "n" and not _is_at_least(version, _PRE_NORM):
        problems.append(_too_old("transformer-preprocess=n", version, _PRE_NORM))
    return "pre" if before == "n" else "post"


def _operations(options: Settings, key: str) -> str:
    """What is done at a place, without dropout, which translation does not have."""
    return _text(options.get(key, NORMS[key])).replace("d", "")


def _activation(options: Settings, version: str, problems: list[str]) -> Literal["swish", "relu", "gelu"]:
    name = options.get("transformer-ffn-activation", "swish")
    if name == "gelu" and not _is_at_least(version, _EXACT_GELU):
        problems.append(_too_old("transformer-ffn-activation=gelu", version, _EXACT_GELU))
    return "relu" if name == "relu" else "gelu" if name == "gelu" else "swish"


def _is_at_least(version: str, least: tuple[int, int, int]) -> bool:
    match = _VERSION.match(version)
    return match is not None and tuple(map(int, match.groups())) >= least


def _too_old(what: str, version: str, least: tuple[int, int, int]) -> str:
    first = ".".join(map(str, least))
    return f"{what} of version {version}: v{first} or newer expected, older ones compute something else under that name"


def _ties(options: Settings) -> tuple[bool, bool]:
    """Whether source and target share their embeddings, and whether the output layer is the target's."""
    everything = options.get("tied-embeddings-all") == "true"
    return (
        everything or options.get("tied-embeddings-src") == "true",
        everything or options.get("tied-embeddings") == "true",
    )


def _expected(key: str, expected: str, value: object) -> str:
    got = "nothing" if value is None else _text(value) if isinstance(value, str | tuple) else value
    return f"{key}: {expected} expected, got {got}"


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else f"[{', '.join(value)}]"
