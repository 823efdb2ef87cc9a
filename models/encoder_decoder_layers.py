"""The layers of `models.encoder_decoder`: normalised before each sublayer or behind it, of any activation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import attend, attend_cached, attend_memory, attend_once, attend_source, split_heads
from models.seq2seq import StateTensor
from models.ssru import Ssru

Activation = Literal["relu", "swish", "gelu"]
Decoder = Literal["self-attention", "ssru"]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"relu": F.relu, "swish": F.silu, "gelu": F.gelu}


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """What the layers of one side, encoder or decoder, have in common."""

    d_model: int
    num_heads: int
    d_ffn: int
    activation: Activation
    norm: Literal["pre", "post"]
    layer_norm_epsilon: float


class EncoderLayer(nn.Module):
    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        self.attention = Attention(settings)
        self.attention_norm = SublayerNorm(settings)
        self.ffn = FeedForward(settings)
        self.ffn_norm = SublayerNorm(settings)

    def forward(self, x: Tensor, source_lengths: Tensor) -> Tensor:
        """x [batch, source, d_model], source_lengths int64 [batch] -> like x."""
        attention = self.attention
        query, key, value = attention.query_key_value(self.attention_norm.before(x)).chunk(3, dim=-1)
        context = attend_source(query, key, value, source_lengths, attention.num_heads, attention.scale)
        x = self.attention_norm.after(x + attention.output(context))
        return self.ffn_norm.after(x + self.ffn(self.ffn_norm.before(x)))


class DecoderLayer(nn.Module):
    """Target positions know those before them by self-attention, or by a recurrence in its place."""

    def __init__(self, settings: LayerSettings, decoder: Decoder) -> None:
        super().__init__()
        heads, size = settings.num_heads, settings.d_model // settings.num_heads
        if decoder == "ssru":
            self.recurrence = Ssru(settings.d_model)
        else:
            self.self_attention = SelfAttention(settings)
        self.self_norm = SublayerNorm(settings)
        self.cross_attention = Attention(settings)
        self.cross_norm = SublayerNorm(settings)
        self.ffn = FeedForward(settings)
        self.ffn_norm = SublayerNorm(settings)
        self.state = (
            *self.past.state,
            StateTensor("cross_keys", "constant", (heads, "source", size)),
            StateTensor("cross_values", "constant", (heads, "source", size)),
        )

    @property
    def past(self) -> "SelfAttention | Ssru":
        """The sublayer that knows earlier positions."""
        return self.recurrence if hasattr(self, "recurrence") else self.self_attention

    def forward(self, x: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """x [batch, target, d_model], memory [batch, source, d_model], real bool [batch, 1, 1, source] -> like x."""
        x = self.self_norm.after(x + self.past(self.self_norm.before(x)))
        cross = self.cross_attention
        query = cross.query(self.cross_norm.before(x))
        context = attend(query, cross.key(memory), cross.value(memory), real, cross.num_heads, cross.scale)
        x = self.cross_norm.after(x + cross.output(context))
        return self.ffn_norm.after(x + self.ffn(self.ffn_norm.before(x)))

    def step(
        self, x: Tensor, nothing: Tensor, positions: Tensor, source_last: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One position of every row: x [rows, 1, d_model], nothing [rows, 0, d_model], positions and source_last
        [rows], the layer's state by name -> like x, the query to the encoder memory, like x, and the next state, with
        buffers written in place.
        """
        mixed, next_state = self.past.step(self.self_norm.before(x), positions, state)
        x = self.self_norm.after(x + mixed)
        cross = self.cross_attention
        query = cross.query(self.cross_norm.before(x))
        context, keys, values = attend_memory(
            query, nothing, state["cross_keys"], state["cross_values"], source_last, cross.scale
        )
        x = self.cross_norm.after(x + cross.output(context))
        x = self.ffn_norm.after(x + self.ffn(self.ffn_norm.before(x)))
        return x, query, {**next_state, "cross_keys": keys, "cross_values": values}

    def begin(
        self, x: Tensor, keys: Tensor, values: Tensor, source_lengths: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The first position: x [rows, 1, d_model], or [1, 1, d_model] for what is equal in all rows; keys and values
        of the encoder memory, [rows, heads, source, head_size]; source_lengths int64 [rows] -> [rows, 1, d_model], and
        the earlier positions' state behind it, with as many rows as x."""
        mixed, state = self.past.begin(self.self_norm.before(x))
        x = self.self_norm.after(x + mixed)
        cross = self.cross_attention
        query = cross.query(self.cross_norm.before(x)).expand(keys.shape[0], -1, -1)
        context = attend_once(query, keys, values, source_lengths, cross.scale)
        x = self.cross_norm.after(x + cross.output(context))
        return self.ffn_norm.after(x + self.ffn(self.ffn_norm.before(x))), state


class Attention(nn.Module):
    """The four projections of multi-head attention, each with weights of its own."""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        self.num_heads = settings.num_heads
        self.scale: float = (settings.d_model // settings.num_heads) ** -0.5
        self.query = nn.Linear(settings.d_model, settings.d_model)
        self.key = nn.Linear(settings.d_model, settings.d_model)
        self.value = nn.Linear(settings.d_model, settings.d_model)
        self.output = nn.Linear(settings.d_model, settings.d_model)

    def query_key_value(self, x: Tensor) -> Tensor:
        """All three in one product: x [batch, length, d_model] -> [batch, length, 3 * d_model]."""
        return joined_linear(x, (self.query, self.key, self.value))


class SelfAttention(Attention):
    """Attention of target positions to themselves and to those before them."""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__(settings)
        shape = (settings.num_heads, "target", settings.d_model // settings.num_heads)
        self.state = (StateTensor("self_keys", "append", shape), StateTensor("self_values", "append", shape))

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, target, d_model] -> like x."""
        position = torch.arange(x.shape[1], device=x.device)
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        return self.output(attend(query, key, value, position <= position.unsqueeze(1), self.num_heads, self.scale))

    def step(self, x: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """One position of every row: x [rows, 1, d_model] -> like x, and the caches, written in place."""
        context, keys, values = attend_cached(
            self.query_key_value(x), state["self_keys"], state["self_values"], positions, self.scale
        )
        return self.output(context), {"self_keys": keys, "self_values": values}

    def begin(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The first position, which attends to itself alone: x [rows, 1, d_model] -> like x, and its key and value,
        [rows, heads, 1, head_size]."""
        key, value = joined_linear(x, (self.key, self.value)).chunk(2, dim=-1)
        state = {"self_keys": split_heads(key, self.num_heads), "self_values": split_heads(value, self.num_heads)}
        return self.output(value), state


class FeedForward(nn.Module):
    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        self.inner = nn.Linear(settings.d_model, settings.d_ffn)
        self.outer = nn.Linear(settings.d_ffn, settings.d_model)
        self.activation = _ACTIVATIONS[settings.activation]

    def forward(self, x: Tensor) -> Tensor:
        """x [..., d_model] -> like x."""
        return self.outer(self.activation(self.inner(x)))


class SublayerNorm(nn.LayerNorm):
    """Normalises what a sublayer reads, or what it and the residual connection give together."""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__(settings.d_model, settings.layer_norm_epsilon)
        self.is_first = settings.norm == "pre"

    def before(self, x: Tensor) -> Tensor:
        return self(x) if self.is_first else x

    def after(self, x: Tensor) -> Tensor:
        return x if self.is_first else self(x)


def joined_linear(x: Tensor, layers: Sequence[nn.Linear]) -> Tensor:
    """Outputs of several layers, side by side, in one product. An exported graph holds their joined weights."""
    return F.linear(x, torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers]))
