"""This project's Transformer as a CTranslate2 model, through the public specification classes.

`python -m bench.ctranslate2_model int8|float32 FOLDER` converts the shipped checkpoint.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ctranslate2.specs import common_spec, transformer_spec
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn

from bench.ctranslate2_system import CTranslate2
from models.checkpoint import TOKENIZER, load_checkpoint
from models.greedy import greedy_decode
from models.seq2seq import BOS
from models.transformer import DecoderLayer, EncoderLayer, Transformer

SHIPPED = Path("checkpoints/transformer-en-fr")
SENTENCES = Path("loadtest/sentences/en.txt")

MIN_EQUAL = 0.96
"""Least share of greedy translations in fp32 that equal PyTorch's, token for token; sums in another order may change a
translation that is nearly undecided."""


def convert(
    model: Transformer, tokenizer: Path, quantization: str, folder: Path, vocabulary_map: Path | None = None
) -> None:
    """Write the model to `folder`, with its tokenizer, a SentencePiece model. `quantization`: CTranslate2's "int8" or
    "float32"; `vocabulary_map`: a file in its format."""
    config = model.config
    spec = transformer_spec.TransformerSpec.from_config(
        (config.num_encoder_layers, config.num_decoder_layers),
        config.num_heads,
        pre_norm=True,
        activation=common_spec.Activation.RELU,
    )
    embedding = _array(model.embedding.weight)
    spec.encoder.embeddings[0].weight = embedding
    spec.decoder.embeddings.weight = embedding
    spec.decoder.projection.weight = embedding
    for side, norm in ((spec.encoder, model.encoder_norm), (spec.decoder, model.decoder_norm)):
        side.scale_embeddings = True
        side.position_encodings.encodings = _array(model.sinusoids)
        _norm(side.layer_norm, norm)
    for layer, encoder_layer in zip(spec.encoder.layer, model.encoder_layers, strict=True):
        _encoder_layer(layer, encoder_layer)
    for layer, decoder_layer in zip(spec.decoder.layer, model.decoder_layers, strict=True):
        _decoder_layer(layer, decoder_layer)
    vocabulary = pieces_of(tokenizer)
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    if vocabulary_map:
        spec.register_vocabulary_mapping(str(vocabulary_map))
    spec.config.add_source_eos = True
    spec.config.decoder_start_token = vocabulary[BOS]
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    shutil.rmtree(folder, ignore_errors=True)  # CTranslate2 writes over no vocabulary map
    folder.mkdir(parents=True)
    spec.save(str(folder))
    shutil.copyfile(tokenizer, folder / TOKENIZER)


def pieces_of(tokenizer: Path) -> list[str]:
    """The pieces of a SentencePiece model, by id."""
    processor = SentencePieceProcessor(model_file=str(tokenizer))
    return [processor.id_to_piece(id_) for id_ in range(processor.get_piece_size())]


def convert_shipped(quantization: str, folder: Path) -> None:
    """Convert the shipped Transformer. Raises RuntimeError unless its weights compute in fp32 what PyTorch computes."""
    _, model, tokenizer = load_checkpoint(SHIPPED)
    assert isinstance(model, Transformer)
    convert(model, SHIPPED / TOKENIZER, quantization, folder)
    if quantization == "float32":
        eos = tokenizer.eos_id()
        sources = [[*ids, eos] for ids in tokenizer.encode(SENTENCES.read_text(encoding="utf-8").splitlines()[:50])]
        expected = [greedy_decode(model, [source])[0] for source in sources]
        num_equal = sum(map(list.__eq__, CTranslate2(folder, quantization, 1).translate(sources, 1, 1), expected))
        if num_equal < MIN_EQUAL * len(sources):
            raise RuntimeError(f"converted weights: {num_equal} of {len(sources)} translations are PyTorch's")


def _encoder_layer(spec: Any, layer: EncoderLayer) -> None:
    _norm(spec.self_attention.layer_norm, layer.attention_norm)
    _linear(spec.self_attention.linear[0], layer.attention.qkv)
    _linear(spec.self_attention.linear[1], layer.attention.output)
    _ffn(spec.ffn, layer)


def _decoder_layer(spec: Any, layer: DecoderLayer) -> None:
    _norm(spec.self_attention.layer_norm, layer.self_norm)
    _linear(spec.self_attention.linear[0], layer.self_attention.qkv)
    _linear(spec.self_attention.linear[1], layer.self_attention.output)
    _norm(spec.attention.layer_norm, layer.cross_norm)
    _linear(spec.attention.linear[0], layer.cross_attention.query)
    _linear(spec.attention.linear[1], layer.cross_attention.key_value)
    _linear(spec.attention.linear[2], layer.cross_attention.output)
    _ffn(spec.ffn, layer)


def _ffn(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:
    _norm(spec.layer_norm, layer.ffn_norm)
    _linear(spec.linear_0, layer.ffn.inner)
    _linear(spec.linear_1, layer.ffn.outer)


def _norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _linear(spec: Any, linear: nn.Linear) -> None:
    spec.weight, spec.bias = _array(linear.weight), _array(linear.bias)


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.detach().float().numpy().copy()
    return array


if __name__ == "__main__":
    convert_shipped(sys.argv[1], Path(sys.argv[2]))
