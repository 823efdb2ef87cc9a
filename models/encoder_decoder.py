"""The Transformer (Vaswani et al. 2017) as others train it: Marian, M2M100 and NLLB, mBART-50, OpenNMT, and students of
Firefox, whose decoder is an SSRU.

Where they differ is a setting here, and their tables of positions, computed or learned, are weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import no_positions, split_heads
from models.encoder_decoder_layers import (
    Activation,
    Decoder,
    DecoderLayer,
    EncoderLayer,
    LayerSettings,
    joined_linear,
)
from models.seq2seq import ALIGNMENT_QUERY, Alignment, Seq2SeqModel, State, StateTensor, check_sizes, padding_mask
from models.transformer import look_up, sinusoids


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """What a checkpoint's layers are; the defaults are those of no checkpoint, but of a small model to be trained."""

    source_vocabulary: int = 32_000
    target_vocabulary: int = 32_000
    d_model: int = 256
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    num_encoder_heads: int = 4
    num_decoder_heads: int = 4
    d_encoder_ffn: int = 1024
    d_decoder_ffn: int = 1024
    norm: Literal["pre", "post"] = "pre"
    """Whether a sublayer's input is normalised, or its output together with the residual connection."""
    final_norm: bool = True
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
    decoder: Decoder = "self-attention"
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

    def __init__(self, config: EncoderDecoderConfig, vocabulary_size: int | None = None) -> None:
        """vocabulary_size: of both sides, in place of the settings' own sizes."""
        super().__init__()
        if vocabulary_size is not None:
            config = replace(config, source_vocabulary=vocabulary_size, target_vocabulary=vocabulary_size)
        self.config = config
        self.alignment = Alignment(
            f"cross_keys_{config.num_decoder_layers - 1}", (config.d_model // config.num_decoder_heads) ** -0.5
        )
        if config.shares_embeddings:
            self.embedding = _embedding(config.source_vocabulary, config.d_model)
        else:
            self.source_embedding = _embedding(config.source_vocabulary, config.d_model)
            self.target_embedding = _embedding(config.target_vocabulary, config.d_model)
        self.source_positions: Tensor
        self.target_positions: Tensor
        self.register_buffer("source_positions", sinusoids(config.max_source_positions, config.d_model))
        self.register_buffer("target_positions", sinusoids(config.max_target_positions, config.d_model))
        encoder = LayerSettings(
            d_model=config.d_model,
            num_heads=config.num_encoder_heads,
            d_ffn=config.d_encoder_ffn,
            activation=config.activation,
            norm=config.norm,
            layer_norm_epsilon=config.layer_norm_epsilon,
        )
        decoder = replace(encoder, num_heads=config.num_decoder_heads, d_ffn=config.d_decoder_ffn)
        encoder_layers = nn.ModuleList(EncoderLayer(encoder) for _ in range(config.num_encoder_layers))
        self.encoder_layers = cast(Sequence[EncoderLayer], encoder_layers)
        decoder_layers = nn.ModuleList(DecoderLayer(decoder, config.decoder) for _ in range(config.num_decoder_layers))
        self.decoder_layers = cast(Sequence[DecoderLayer], decoder_layers)
        self.encoder_embedding_norm = _norm(config, config.embedding_norm)
        self.decoder_embedding_norm = _norm(config, config.embedding_norm)
        self.encoder_norm = _norm(config, config.final_norm)
        self.decoder_norm = _norm(config, config.final_norm)
        if not config.ties_output:
            self.output = nn.Linear(config.d_model, config.target_vocabulary, bias=False)
        self.output_bias = None
        if config.output_bias:
            bound = config.d_model**-0.5  # as nn.Linear's
            self.output_bias = nn.Parameter(torch.empty(config.target_vocabulary).uniform_(-bound, bound))
        self.state = (
            StateTensor("source_last", "constant", (), torch.int32),
            *(
                tensor._replace(name=f"{tensor.name}_{index}")
                for index, layer in enumerate(self.decoder_layers)
                for tensor in layer.state
            ),
        )

    def embed_source(self, ids: Tensor) -> Tensor:
        """Tokens and positions: [batch, source] -> [batch, source, d_model]."""
        table = (self.embedding if self.config.shares_embeddings else self.source_embedding).weight
        tokens = scaled_rows(partial(F.embedding, ids), table, self.config.embedding_scale)
        return self.encoder_embedding_norm(tokens + self.source_positions[: ids.shape[1]])

    def target_table(self) -> Tensor:
        """Embeddings of target tokens, not scaled: [target_vocabulary, d_model]."""
        return (self.embedding if self.config.shares_embeddings else self.target_embedding).weight

    def encode_source(self, source_ids: Tensor, source_lengths: Tensor) -> Tensor:
        """Encoder memory [batch, source, d_model]."""
        x = self.embed_source(source_ids)
        for layer in self.encoder_layers:
            x = layer(x, source_lengths)
        return self.encoder_norm(x)

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        memory = self.encode_source(source_ids, source_lengths)
        real = padding_mask(source_lengths, memory.shape[1])[:, None, None]
        tokens = F.embedding(previous_ids, self.target_table()) * self.config.embedding_scale
        x = self.decoder_embedding_norm(tokens + self.target_positions[: previous_ids.shape[1]])
        for layer in self.decoder_layers:
            x = layer(x, memory, real)
        return self.decoder_norm(x)

    def logits(self, features: Tensor) -> Tensor:
        weight = self.target_table() if self.config.ties_output else self.output.weight
        return F.linear(features, weight, self.output_bias)

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        memory = self.encode_source(source_ids, source_lengths)
        # Of all layers in one product, [batch, source, layers * 2 * d_model]: one change of shape is enough then.
        attentions = [layer.cross_attention for layer in self.decoder_layers]
        projected = joined_linear(memory, [part for each in attentions for part in (each.key, each.value)])
        num_heads = self.config.num_decoder_heads
        keys_values = split_heads(projected, 2 * len(attentions) * num_heads).split(num_heads, dim=1)
        names = [f"{name}_{index}" for index in range(len(attentions)) for name in ("cross_keys", "cross_values")]
        state: State = dict(zip(names, keys_values, strict=True))
        state["source_last"] = (source_lengths - 1).to(torch.int32)
        if self.output_ids.encodes_start:
            return state | self._read_start(keys_values, source_lengths)
        for tensor in self.state:
            if tensor.kind == "replace":
                state[tensor.name] = torch.zeros(
                    source_ids.shape[0], *cast(tuple[int, ...], tensor.shape), device=memory.device
                )
        return state

    def _read_start(self, keys_values: Sequence[Tensor], source_lengths: Tensor) -> State:
        """The state behind the start token. keys_values: of the encoder memory, those of each layer in turn."""
        state: State = {}
        token = self.target_table()[self.output_ids.start[0]] * self.config.embedding_scale
        # Equal in all rows as far as the first layer's look at the source: an exported graph holds it as constants.
        x = self.decoder_embedding_norm(token + self.target_positions[0])[None, None]
        for index, layer in enumerate(self.decoder_layers):
            keys, values = keys_values[2 * index : 2 * index + 2]
            x, own = layer.begin(x, keys, values, source_lengths)
            for name, value in own.items():
                state[f"{name}_{index}"] = value.expand(source_lengths.shape[0], *value.shape[1:])
        return state

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        tokens = scaled_rows(partial(look_up, index=previous_ids), self.target_table(), self.config.embedding_scale)
        x = self.decoder_embedding_norm(tokens + look_up(self.target_positions, positions))
        nothing = no_positions(x)
        next_state: State = {}
        for index, layer in enumerate(self.decoder_layers):
            own = {tensor.name: state[f"{tensor.name}_{index}"] for tensor in layer.state}
            x, query, own = layer.step(x, nothing, positions, state["source_last"], own)
            next_state.update({f"{name}_{index}": value for name, value in own.items()})
        next_state[ALIGNMENT_QUERY] = query  # of the last layer
        return self.logits(self.decoder_norm(x.squeeze(1))), next_state


def scaled_rows(find: Callable[[Tensor], Tensor], table: Tensor, scale: float) -> Tensor:
    """The rows that `find` finds in a table, scaled. An exported graph holds the scaled table; PyTorch scales the rows,
    as the table may be large."""
    return find(table * scale) if torch.onnx.is_in_onnx_export() else find(table) * scale


def _embedding(vocabulary_size: int, d_model: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary_size, d_model)
    nn.init.normal_(embedding.weight, std=d_model**-0.5)
    return embedding


def _norm(config: EncoderDecoderConfig, is_there: bool) -> nn.Module:
    return nn.LayerNorm(config.d_model, config.layer_norm_epsilon) if is_there else nn.Identity()
