"""The Transformer (Vaswani et al. 2017), normalised before each sublayer, with a KV cache in `step`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import attend, attend_cached, attend_memory, attend_source, no_positions, split_heads
from models.seq2seq import (
    ALIGNMENT_QUERY,
    Alignment,
    Seq2SeqModel,
    State,
    StateKind,
    StateTensor,
    check_sizes,
    padding_mask,
)


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    d_model: int = 128
    num_heads: int = 4
    d_ffn: int = 512
    num_encoder_layers: int = 4
    num_decoder_layers: int = 2
    """A deep encoder with a shallow decoder serves faster at the same quality (Kasai et al. 2020)."""
    dropout: float = 0.1
    """Dropout of each sublayer's output and of the embedded tokens (section 5.4)."""
    max_positions: int = 512

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.d_model % (2 * self.num_heads):  # the sinusoids come in pairs
            raise ValueError(f"num_heads: a divisor of half of d_model={self.d_model} expected, got {self.num_heads}")


CACHES: tuple[tuple[str, StateKind, str], ...] = (
    ("self_keys", "append", "target"),
    ("self_values", "append", "target"),
    ("cross_keys", "constant", "source"),
    ("cross_values", "constant", "source"),
)
"""State of each decoder layer: name, kind, and the dimension along which a tensor is long."""


class Transformer(Seq2SeqModel):
    def __init__(self, config: TransformerConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        heads, size = config.num_heads, config.d_model // config.num_heads
        self.state = (
            StateTensor("source_last", "constant", (), torch.int32),
            *(
                StateTensor(f"{name}_{layer}", kind, (heads, dimension, size))
                for layer in range(config.num_decoder_layers)
                for name, kind, dimension in CACHES
            ),
        )
        # Of the last layer: it agrees best with what statistical alignment finds (docs/adr/0006).
        self.alignment = Alignment(f"cross_keys_{config.num_decoder_layers - 1}", size**-0.5)
        self.embedding = nn.Embedding(vocabulary_size, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        self.sinusoids: Tensor
        self.register_buffer("sinusoids", sinusoids(config.max_positions, config.d_model), persistent=False)
        encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.encoder_layers = cast(Sequence[EncoderLayer], encoder_layers)
        self.encoder_norm = nn.LayerNorm(config.d_model)
        decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.decoder_layers = cast(Sequence[DecoderLayer], decoder_layers)
        self.decoder_norm = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def embed(self, ids: Tensor) -> Tensor:
        """Token plus position (section 3.4 and 3.5), of sequences from their beginning: [batch, length] -> [batch,
        length, d_model]."""
        tokens = F.embedding(ids, self.scaled_embedding())
        return self.dropout(tokens + self.sinusoids[: ids.shape[1]])

    def embed_next(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Token plus position of one token a row: ids, positions [rows] -> [rows, 1, d_model]."""
        return look_up(self.scaled_embedding(), ids) + look_up(self.sinusoids, positions)

    def scaled_embedding(self) -> Tensor:
        return self.embedding.weight * math.sqrt(self.config.d_model)

    def encode_source(self, source_ids: Tensor, source_lengths: Tensor) -> Tensor:
        """Encoder memory [batch, source, d_model]."""
        x = self.embed(source_ids)
        for layer in self.encoder_layers:
            x = layer(x, source_lengths)
        return self.encoder_norm(x)

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        memory = self.encode_source(source_ids, source_lengths)
        return self.decode(memory, padding_mask(source_lengths, memory.shape[1])[:, None, None], previous_ids)

    def decode(self, memory: Tensor, real: Tensor, previous_ids: Tensor) -> Tensor:
        """Features of all positions of previous_ids [batch, target]: [batch, target, d_model]. `real` is the source's
        mask, [batch, 1, 1, source]."""
        position = torch.arange(previous_ids.shape[1], device=previous_ids.device)
        x = self.embed(previous_ids)
        causal = position <= position.unsqueeze(1)  # each position sees itself and those before it
        for layer in self.decoder_layers:
            x = layer(x, causal, memory, real)
        return self.decoder_norm(x)

    def logits(self, features: Tensor) -> Tensor:
        return F.linear(features, self.embedding.weight)  # tied with the embedding

    def without_cache(self) -> "TransformerWithoutCache":
        return TransformerWithoutCache(self)

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        memory = self.encode_source(source_ids, source_lengths)
        # Of all layers in one product, [batch, source, layers * 2 * d_model]: one change of shape is enough then.
        projections = [layer.cross_attention.key_value for layer in self.decoder_layers]
        weight = torch.cat([projection.weight for projection in projections])
        bias = torch.cat([projection.bias for projection in projections])
        num_heads = self.config.num_heads
        keys_values = split_heads(F.linear(memory, weight, bias), 2 * len(projections) * num_heads)
        names = [f"{name}_{layer}" for layer in range(len(projections)) for name in ("cross_keys", "cross_values")]
        state: State = dict(zip(names, keys_values.split(num_heads, dim=1), strict=True))
        state["source_last"] = (source_lengths - 1).to(torch.int32)
        return state

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        x = self.embed_next(previous_ids, positions)
        nothing = no_positions(x)
        next_state: State = {}
        for index, layer in enumerate(self.decoder_layers):
            caches = {name: state[f"{name}_{index}"] for name, _, _ in CACHES}
            x, query, caches = layer.step(x, nothing, positions, state["source_last"], caches)
            next_state.update({f"{name}_{index}": cache for name, cache in caches.items()})
        next_state[ALIGNMENT_QUERY] = query  # of the last layer
        return self.logits(self.decoder_norm(x.squeeze(1))), next_state


class TransformerWithoutCache(Seq2SeqModel):
    """A Transformer that runs its decoder over the whole prefix at every step; for comparison."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer
        self.state = (
            StateTensor("memory", "constant", ("source", transformer.config.d_model)),
            StateTensor("source_length", "constant", (), torch.int64),
            StateTensor("prefix", "append", ("target",), torch.int64),
        )

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        features: Tensor = self.transformer(source_ids, source_lengths, previous_ids)
        return features

    def logits(self, features: Tensor) -> Tensor:
        return self.transformer.logits(features)

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        memory = self.transformer.encode_source(source_ids, source_lengths)
        return {"memory": memory, "source_length": source_lengths + 0}

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        positions = positions.long()  # what scatters and counts has 64 bits
        prefix = state["prefix"].scatter(1, positions.unsqueeze(1), previous_ids.unsqueeze(1))  # [rows, target]
        # Only as far as the longest row reaches, in source and prefix: the buffers may be much longer.
        num_source = int(state["source_length"].max().item())
        num_target = int(positions.max().item()) + 1
        for length, capacity in ((num_source, state["memory"].shape[1]), (num_target, prefix.shape[1])):
            torch._check(length >= 1)
            torch._check(length <= capacity)
        features = self.transformer.decode(
            state["memory"][:, :num_source],
            padding_mask(state["source_length"], num_source)[:, None, None],
            prefix[:, :num_target],
        )
        at_position = features[torch.arange(positions.shape[0], device=positions.device), positions]
        return self.logits(at_position), {"prefix": prefix}


class EncoderLayer(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = SelfAttention(config)
        self.ffn_norm = nn.LayerNorm(config.d_model)
        self.ffn = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, source_lengths: Tensor) -> Tensor:
        """x [batch, source, d_model], source_lengths int64 [batch] -> like x."""
        attention = self.attention
        query, key, value = attention.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        context = attend_source(query, key, value, source_lengths, attention.num_heads, attention.scale)
        x = x + self.dropout(attention.output(context))
        return x + self.dropout(self.ffn(self.ffn_norm(x)))


class DecoderLayer(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(config.d_model)
        self.self_attention = SelfAttention(config)
        self.cross_norm = nn.LayerNorm(config.d_model)
        self.cross_attention = CrossAttention(config)
        self.ffn_norm = nn.LayerNorm(config.d_model)
        self.ffn = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, causal: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """x [batch, target, d_model], causal bool [target, target]; memory [batch, source, d_model], real bool
        [batch, 1, 1, source] -> like x."""
        x = x + self.dropout(self.self_attention(self.self_norm(x), causal))
        x = x + self.dropout(self.cross_attention(self.cross_norm(x), memory, real))
        return x + self.dropout(self.ffn(self.ffn_norm(x)))

    def step(
        self, x: Tensor, nothing: Tensor, positions: Tensor, source_last: Tensor, caches: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One position of every row: x [rows, 1, d_model], nothing [rows, 0, d_model] -> like x, the query to the
        encoder memory, like x, and the caches of `CACHES`, written in place.
        """
        attention = self.self_attention
        context, self_keys, self_values = attend_cached(
            attention.qkv(self.self_norm(x)), caches["self_keys"], caches["self_values"], positions, attention.scale
        )
        x = x + attention.output(context)
        cross = self.cross_attention
        query = cross.query(self.cross_norm(x))
        context, cross_keys, cross_values = attend_memory(
            query, nothing, caches["cross_keys"], caches["cross_values"], source_last, cross.scale
        )
        x = x + cross.output(context)
        x = x + self.ffn(self.ffn_norm(x))
        return x, query, dict(zip(caches, (self_keys, self_values, cross_keys, cross_values), strict=True))


class SelfAttention(nn.Module):
    """Multi-head self-attention, the three projections in one product."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.scale = (config.d_model // config.num_heads) ** -0.5
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [batch, length, d_model], mask bool to [batch, heads, length, length] -> like x."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.output(attend(query, key, value, mask, self.num_heads, self.scale))


class CrossAttention(nn.Module):
    """Multi-head encoder-decoder attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.scale = (config.d_model // config.num_heads) ** -0.5
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key_value = nn.Linear(config.d_model, 2 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """memory [batch, source, d_model] -> keys and values, each like it."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return keys, values

    def forward(self, x: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """x [batch, target, d_model] -> like x."""
        key, value = self.keys_values(memory)
        return self.output(attend(self.query(x), key, value, real, self.num_heads, self.scale))


class FeedForward(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ffn)
        self.outer = nn.Linear(config.d_ffn, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., d_model] -> like x."""
        return self.outer(F.relu(self.inner(x)))


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Sequences of length 1: table [entries, size], index [rows] -> [rows, 1, size]."""
    if torch.onnx.is_in_onnx_export():
        # From a table of that shape, so that no step has to reshape anything.
        return torch.onnx.ops.symbolic(
            "Gather", [table.unsqueeze(1), index], dtype=table.dtype, shape=(index.shape[0], 1, table.shape[1])
        )
    return F.embedding(index, table).unsqueeze(1)


def sinusoids(positions: int, d_model: int) -> Tensor:
    """Sine and cosine of geometrically spaced wavelengths (section 3.5): [positions, d_model]."""
    frequencies = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    angles = torch.arange(positions).unsqueeze(1) * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
