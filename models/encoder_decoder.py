"""The Transformer (Vaswani et al. 2017) as others train it: Marian, M2M100 and NLLB, mBART-50, OpenNMT, and the students
of Firefox, whose decoder is an SSRU.

Where they differ is a setting here, and their tables of positions, computed or learned, are weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import no_positions, split_heads
from models.encoder_decoder_layers import Activation, DecoderLayer, EncoderLayer, LayerSizes, Norm
from models.seq2seq import ALIGNMENT_QUERY, Alignment, Seq2SeqModel, State, StateTensor, check_sizes, padding_mask
from models.transformer import look_up, sinusoids


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """What a checkpoint's layers are; the defaults are a small Marian model's."""

    source_vocabulary: int = 32_000
    target_vocabulary: int = 32_000
    d_model: int = 256
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    num_encoder_heads: int = 4
    num_decoder_heads: int = 4
    d_encoder_ffn: int = 1024
    d_decoder_ffn: int = 1024
    norm: Literal["pre", "post"] = "post"
    """Whether a sublayer's input is normalised, or its output together with the residual connection."""
    final_norm: bool = False
    """Whether the last layer's output is normalised, of encoder and decoder."""
    embedding_norm: bool = False
    """Whether the sum of token and position is normalised, in encoder and decoder."""
    activation: Activation = "swish"
    """Of the feed-forward layers; gelu is the exact one, with the error function."""
    embedding_scale: float = 16.0
    """Factor of the embedded tokens: often the square root of d_model."""
    max_source_positions: int = 512
    """Rows of the source's table of positions: the first token is at row 0."""
    max_target_positions: int = 512
    """Rows of the target's table of positions: the decoder's first input is at row 0."""
    decoder: Literal["self-attention", "ssru"] = "self-attention"
    """How a target position knows those before it."""
    shares_embeddings: bool = True
    """Whether source and target tokens are embedded by one table."""
    ties_output: bool = True
    """Whether the output layer's weights are the target tokens' embedding."""
    output_bias: bool = True
    layer_norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self)
        for name in ("num_encoder_heads", "num_decoder_heads"):
            if self.d_model % getattr(self, name):
                raise ValueError(f"{name}: a divisor of d_model={self.d_model} expected, got {getattr(self, name)}")
        if self.shares_embeddings and self.source_vocabulary != self.target_vocabulary:
            raise ValueError(
                "shares_embeddings: source_vocabulary and target_vocabulary are one, but they are given as "
                f"{self.source_vocabulary} and {self.target_vocabulary}"
            )


class EncoderDecoder(Seq2SeqModel):
    """The model. Its weights, by the names of the state dict; every `weight` of two dimensions but the tables is
    [outputs, inputs], every norm has a `weight` and a `bias`, and N counts from 0:

        embedding.weight [vocabulary, d_model]                            with shares_embeddings
        source_embedding.weight [source_vocabulary, d_model],
        target_embedding.weight [target_vocabulary, d_model]              without
        source_positions [max_source_positions, d_model]
        target_positions [max_target_positions, d_model]
        encoder_embedding_norm, decoder_embedding_norm                    with embedding_norm
        encoder_layers.N.attention.{query,key,value,output}.{weight,bias}
        encoder_layers.N.attention_norm
        encoder_layers.N.ffn.{inner,outer}.{weight,bias}
        encoder_layers.N.ffn_norm
        encoder_norm                                                      with final_norm
        decoder_layers.N.self_attention.{query,key,value,output}.{weight,bias}    decoder: self-attention
        decoder_layers.N.recurrence.input.weight,
        decoder_layers.N.recurrence.forget.{weight,bias}                  decoder: ssru
        decoder_layers.N.self_norm                                        also of the recurrence
        decoder_layers.N.cross_attention.{query,key,value,output}.{weight,bias}
        decoder_layers.N.cross_norm
        decoder_layers.N.ffn.{inner,outer}.{weight,bias}
        decoder_layers.N.ffn_norm
        decoder_norm                                                      with final_norm
        output.weight [target_vocabulary, d_model]                        without ties_output
        output_bias [target_vocabulary]                                   with output_bias

    The output bias may be minus infinity for tokens that are never written.
    """

    config: EncoderDecoderConfig

    def __init__(self, config: EncoderDecoderConfig, vocabulary_size: int | None = None) -> None:
        """vocabulary_size: of both sides, in place of the settings' own sizes."""
        super().__init__()
        if vocabulary_size is not None:
            config = replace(config, source_vocabulary=vocabulary_size, target_vocabulary=vocabulary_size)
        self.config = config
