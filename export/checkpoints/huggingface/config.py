"""config.json and generation_config.json of a Hugging Face checkpoint, against what its family computes.

The families' layers are fixed by code that reads only some keys. A key that would change what is computed, and has a
value that is not supported here, is a problem; keys that nobody knows are listed in a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from export.checkpoints.huggingface.known import GENERATION, READ, WITHOUT_EFFECT
from export.checkpoints.json_files import read_object
from models.encoder_decoder import EncoderDecoderConfig

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the layers of a `model_type` are, whatever its configuration says, and what its keys are by default."""

    architecture: str
    """The class with encoder, decoder and output layer."""
    norm: Literal["pre", "post"]
    final_norm: bool
    embedding_norm: bool
    output_bias: bool
    learned_positions: bool
    position_offset: int
    """Row of the table of positions that the first token is at."""
    activation: str
    scale_embedding: bool
    start_id: int | None
    pad_id: int
    eos_id: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the code never reads, with the only value that what it computes goes with."""


FAMILIES = {
    "marian": Family(
        architecture="MarianMTModel",
        norm="post",
        final_norm=False,
        embedding_norm=False,
        output_bias=True,
        learned_positions=False,
        position_offset=0,
        activation="gelu",
        scale_embedding=False,
        start_id=58100,
        pad_id=58100,
        eos_id=0,
        fixed={"normalize_before": False, "add_final_layer_norm": False, "normalize_embedding": False},
    ),
    "m2m_100": Family(
        architecture="M2M100ForConditionalGeneration",
        norm="pre",
        final_norm=True,
        embedding_norm=False,
        output_bias=False,
        learned_positions=False,
        position_offset=2,
        activation="relu",
        scale_embedding=True,
        start_id=2,
        pad_id=1,
        eos_id=2,
        fixed={"normalize_before": True, "add_final_layer_norm": True, "normalize_embedding": False},
    ),
    "mbart": Family(
        architecture="MBartForConditionalGeneration",
        norm="pre",
        final_norm=True,
        embedding_norm=True,
        output_bias=True,
        learned_positions=True,
        position_offset=2,
        activation="gelu",
        scale_embedding=False,
        start_id=None,
        pad_id=1,
        eos_id=2,
        fixed={"normalize_before": True, "add_final_layer_norm": True, "normalize_embedding": True},
    ),
}
"""model_type -> family."""

_ACTIVATIONS: dict[str, Literal["relu", "swish", "gelu"]] = {
    "relu": "relu",
    "swish": "swish",
    "silu": "swish",
    "gelu": "gelu",
}

_LAYER_NORM_EPSILON = 1e-5
"""PyTorch's default, which all these families are computed with."""

_MAX_SIZE, _MAX_LAYERS, _MAX_POSITIONS = 2**22, 256, 2**16
"""More than any model has: what is above is a damaged file, and would take all memory."""

_FIXED = {"is_encoder_decoder": True, "is_decoder": False, "quantization_config": None, "add_cross_attention": False}
"""Keys of all families that change what is computed, and the only value that is supported."""


class Keys:
    """Both files, read key by key; a value that is wrong becomes a problem, and the default is given in its place."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self.config = read_object(folder / CONFIG, problems)
        self._generation = read_object(folder / GENERATION_CONFIG, problems, required=False)
        self._problems = problems

    def generation(self, name: str) -> Any:
        """A key of generation: generation_config.json's, else config.json's, else None."""
        value = self._generation.get(name)
        return self.config.get(name) if value is None else value

    def size(self, name: str, default: int, most: int = _MAX_SIZE) -> int:
        return self._integer(CONFIG, name, self.config.get(name), default, least=1, most=most)

    def token_id(self, name: str, default: int | None, num_rows: int) -> int:
        """An id of the target vocabulary, where generation looks for it."""
        value = self.generation(name)
        if value is None and default is None:
            self._problems.append(f"{CONFIG}: {name} is missing")
        where = CONFIG if self._generation.get(name) is None else GENERATION_CONFIG
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        index = self._integer(where, name, value, default or 0, least=0)
        if index >= num_rows:
            self._problems.append(f"{where}: {name}={index}: less than {num_rows} expected, the size of the vocabulary")
        return index

    def flag(self, name: str, default: bool) -> bool:
        value = self.config.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self._problems.append(f"{CONFIG}: {name}={value!r}: true or false expected")
        return default

    def activation(self, default: str) -> Literal["relu", "swish", "gelu"]:
        value = self.config.get("activation_function", default)
        if isinstance(value, str) and value in _ACTIVATIONS:
            return _ACTIVATIONS[value]
        expected = ", ".join(_ACTIVATIONS)
        self._problems.append(f"{CONFIG}: activation_function={value!r}: one of {expected} is supported")
        return "relu"

    def _integer(self, file: str, name: str, value: Any, default: int, least: int, most: int = _MAX_SIZE) -> int:
        if value is None:
            return default
        if type(value) is int and least <= value <= most:
            return value
        self._problems.append(f"{file}: {name}={value!r}: an integer from {least} to {most} expected")
        return default


def check_supported(keys: Keys, family: Family, problems: list[str], warnings: list[str]) -> None:
    """Whether the checkpoint is a translation model of the family as its code computes it."""
    for name, expected in {**_FIXED, **family.fixed}.items():
        value = keys.config.get(name, expected)
        if value is not None and value != expected:
            problems.append(f"{CONFIG}: {name}={_shown(value)}: only {_shown(expected)} is supported")
    architectures = keys.config.get("architectures")
    if architectures and architectures != [family.architecture]:
        problems.append(f"{CONFIG}: architectures={architectures!r}: {family.architecture} expected")
    unknown = keys.config.keys() - READ - WITHOUT_EFFECT - GENERATION - _FIXED.keys()
    if unknown:
        warnings.append(
            f"{CONFIG}: keys that nothing is known of, and that were not used: {', '.join(sorted(unknown))}"
        )


def read_settings(keys: Keys, family: Family, problems: list[str]) -> EncoderDecoderConfig | None:
    """Sizes and options; None, and a problem, where they contradict each other. Whether both sides share one table is
    declared by Marian's `share_encoder_decoder_embeddings`, and is so in all other families."""
    shares = keys.flag("share_encoder_decoder_embeddings", True) if family.architecture == "MarianMTModel" else True
    source_vocabulary = keys.size("vocab_size", 50265)
    d_model = keys.size("d_model", 1024)
    positions = keys.size("max_position_embeddings", 1024, _MAX_POSITIONS)
    try:
        return EncoderDecoderConfig(
            source_vocabulary=source_vocabulary,
            target_vocabulary=source_vocabulary if shares else keys.size("decoder_vocab_size", source_vocabulary),
            d_model=d_model,
            num_encoder_layers=keys.size("encoder_layers", 12, _MAX_LAYERS),
            num_decoder_layers=keys.size("decoder_layers", 12, _MAX_LAYERS),
            num_encoder_heads=keys.size("encoder_attention_heads", 16),
            num_decoder_heads=keys.size("decoder_attention_heads", 16),
            d_encoder_ffn=keys.size("encoder_ffn_dim", 4096),
            d_decoder_ffn=keys.size("decoder_ffn_dim", 4096),
            norm=family.norm,
            final_norm=family.final_norm,
            embedding_norm=family.embedding_norm,
            activation=keys.activation(family.activation),
            embedding_scale=d_model**0.5 if keys.flag("scale_embedding", family.scale_embedding) else 1.0,
            max_source_positions=positions,
            max_target_positions=positions,
            decoder="self-attention",
            shares_embeddings=shares,
            ties_output=keys.flag("tie_word_embeddings", True),
            output_bias=family.output_bias,
            layer_norm_epsilon=_LAYER_NORM_EPSILON,
        )
    except ValueError as error:
        problems.append(f"{CONFIG}: {error}")
        return None


def _shown(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, repr(value)) if _is_plain(value) else repr(value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)
