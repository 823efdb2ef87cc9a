"""Small models with random weights, of the kinds that others train."""

from dataclasses import dataclass

import torch

from models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from models.seq2seq import OutputIds


@dataclass(frozen=True)
class Foreign:
    settings: EncoderDecoderConfig
    ids: OutputIds


VOCABULARY_SIZE = 60
_PAD = VOCABULARY_SIZE - 1

_SMALL = EncoderDecoderConfig(
    source_vocabulary=VOCABULARY_SIZE,
    target_vocabulary=VOCABULARY_SIZE,
    d_model=32,
    num_encoder_layers=2,
    num_decoder_layers=2,
    num_encoder_heads=4,
    num_decoder_heads=4,
    d_encoder_ffn=48,
    d_decoder_ffn=48,
    embedding_scale=32**0.5,
    max_source_positions=300,
    max_target_positions=320,
)


def _changed(**changes: object) -> EncoderDecoderConfig:
    return EncoderDecoderConfig(**(vars(_SMALL) | changes))


_MARIAN_IDS = OutputIds(start=(_PAD,), eos=0, never_written=(1, _PAD))
_MULTILINGUAL_IDS = OutputIds(start=(2, 50), eos=2, never_written=(0, 1, 3, 50, 51), encodes_start=True)
"""The decoder begins with the end, and the target's language."""

FOREIGN = {
    "marian": Foreign(_changed(norm="post", final_norm=False, activation="swish"), _MARIAN_IDS),
    "m2m100": Foreign(
        _changed(norm="pre", final_norm=True, activation="relu", output_bias=False),
        _MULTILINGUAL_IDS,
    ),
    "mbart": Foreign(
        _changed(norm="pre", final_norm=True, embedding_norm=True, activation="gelu", embedding_scale=1.0),
        _MULTILINGUAL_IDS,
    ),
    "opennmt": Foreign(  # two vocabularies, and sides of different sizes
        _changed(
            source_vocabulary=80,
            num_encoder_layers=1,
            num_encoder_heads=2,
            d_encoder_ffn=40,
            shares_embeddings=False,
            ties_output=False,
            activation="relu",
            layer_norm_epsilon=1e-6,
        ),
        OutputIds(start=(2,), eos=3, never_written=(0, 1, 2)),
    ),
    "marian-separate": Foreign(
        _changed(norm="post", final_norm=False, source_vocabulary=80, shares_embeddings=False, activation="gelu"),
        _MARIAN_IDS,
    ),
    "firefox": Foreign(
        _changed(norm="post", final_norm=False, activation="relu", decoder="ssru", num_decoder_heads=2), _MARIAN_IDS
    ),
}
"""Kinds of models, by who trains them: settings, and the ids that decoding has to know."""


def build_foreign_model(kind: str, seed: int = 7) -> EncoderDecoder:
    """Every weight is random, those of norms, biases and positions too, so that none can be left out unnoticed; the
    start token's embedding is zero where Marian's is, and no token of `never_written` of a bias can win."""
    foreign = FOREIGN[kind]
    torch.manual_seed(seed)
    model = EncoderDecoder(foreign.settings).eval()
    model.output_ids = foreign.ids
    weights = model.state_dict()
    for name, weight in weights.items():
        if weight.dim() == 1:
            weight.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.3)
        elif "embedding" in name or "positions" in name or name == "output.weight":
            weight.normal_(0.0, weight.shape[1] ** -0.5)
        else:
            weight.normal_(0.0, 1.5 * weight.shape[1] ** -0.5)
    if foreign.ids == _MARIAN_IDS:
        weights["embedding.weight" if foreign.settings.shares_embeddings else "target_embedding.weight"][_PAD] = 0.0
        weights["output_bias"][[*foreign.ids.never_written]] = float("-inf")
    return model
