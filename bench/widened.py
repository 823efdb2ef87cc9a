"""A Transformer made larger without changing what it computes (Chen et al. 2016, Net2Net).

Every dimension of the residual stream, of the heads and of the feed-forward layers is repeated, and each product's
weights are divided by how often its inputs are. Layers that are added have random weights, and outputs in which the
copies of one input cancel. Tokens that are added have random embeddings, and logits far below all others.

The model is as expensive as any of its size: no weight is zero, no two matrices are the same (CTranslate2 keeps equal
ones once), and no operator looks for columns that repeat.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.transformer import Transformer, TransformerConfig

UNUSED_LOGIT = -50.0
"""About what the logit of an added token is, whatever the input: exp(-50) adds nothing to a softmax."""

TILT = 0.1
"""Added to one copy of each output feature and taken from the next: known embeddings do not see it, added ones do."""

QUERIES = ("qkv", "query")
"""Products whose first outputs are queries."""

OUTPUTS = ("output", "outer")
"""Products through which a layer adds to the residual stream."""

CANCELLING_SPREAD = 1e-3
"""Standard deviation of weights that cancel. In int8 they do so up to rounding, which is as much smaller."""


class Copies:
    """Where each dimension of a wide model comes from: int64 indices into the dimensions of the small one."""

    def __init__(self, small: TransformerConfig, wide: TransformerConfig) -> None:
        """Raises ValueError for a size that is no multiple of the small one, or copies that do not come in pairs."""
        self._d_model = small.d_model
        size, wide_size = (config.d_model // config.num_heads for config in (small, wide))
        self.times_residual = _multiple("d_model", small.d_model, wide.d_model)
        self.times_head_size = _multiple("head size", size, wide_size)
        times_heads = _multiple("num_heads", small.num_heads, wide.num_heads)
        times_hidden = _multiple("d_ffn", small.d_ffn, wide.d_ffn)
        if self.times_residual % 2:
            raise ValueError(f"d_model: an even multiple of {small.d_model} expected, got {wide.d_model}")
        self.residual = torch.arange(small.d_model).repeat_interleave(self.times_residual)
        heads = torch.arange(small.d_model).view(small.num_heads, size).repeat_interleave(times_heads, dim=0)
        self.heads = heads.repeat_interleave(self.times_head_size, dim=1).flatten()
        """Of queries, keys, values and contexts."""
        self.hidden = torch.arange(small.d_ffn).repeat_interleave(times_hidden)

    def of_product(self, name: str) -> tuple[Tensor, Tensor]:
        """Of the outputs and the inputs of a layer's product, by its name."""
        return {
            "qkv": (self._heads_of(3), self.residual),
            "query": (self.heads, self.residual),
            "key_value": (self._heads_of(2), self.residual),
            "output": (self.residual, self.heads),
            "inner": (self.hidden, self.residual),
            "outer": (self.residual, self.hidden),
        }[name]

    def _heads_of(self, number: int) -> Tensor:
        """Of several projections in one product."""
        return torch.cat([self.heads + projection * self._d_model for projection in range(number)])


@torch.no_grad()
def widen(small: Transformer, config: TransformerConfig, vocabulary_size: int) -> Transformer:
    """A model of another size, in evaluation mode, whose logits of the small one's tokens are the small one's.

    Added layers come first, so that the last layer, whose attention is the alignment, is the small model's last. Raises
    ValueError for sizes that cannot be reached.
    """
    copies = Copies(small.config, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _widen(small, Transformer(config, vocabulary_size).eval(), copies)


def _widen(small: Transformer, wide: Transformer, copies: Copies) -> Transformer:
    config, vocabulary_size = wide.config, wide.embedding.num_embeddings
    num_known = small.embedding.num_embeddings
    # embed() multiplies by the root of d_model.
    scale = copies.times_residual**-0.5
    wide.embedding.weight[:num_known] = small.embedding.weight[:, copies.residual] * scale
    wide.embedding.weight[num_known:] = _unused_embeddings(vocabulary_size - num_known, config.d_model)
    wide.sinusoids = small.sinusoids[: config.max_positions, copies.residual]
    depth = {"num_encoder_layers": config.num_encoder_layers, "num_decoder_layers": config.num_decoder_layers}
    fresh = Transformer(dataclasses.replace(small.config, **depth), 1)
    _widen_layers(wide.encoder_layers, small.encoder_layers, fresh.encoder_layers, copies)
    _widen_layers(wide.decoder_layers, small.decoder_layers, fresh.decoder_layers, copies)
    _widen_norm(wide.encoder_norm, small.encoder_norm, copies)
    _widen_norm(wide.decoder_norm, small.decoder_norm, copies)
    # As many copies of each feature meet as many of each embedding, which have been scaled once.
    wide.decoder_norm.weight.mul_(scale)
    wide.decoder_norm.bias.mul_(scale).add_(TILT * _alternating(config.d_model))
    return wide


def _unused_embeddings(number: int, d_model: int) -> Tensor:
    """[number, d_model], each of them opposite to the tilt of the output features, by a random amount a dimension."""
    amounts = 0.5 + torch.rand(number, d_model // 2).repeat_interleave(2, dim=1)
    return amounts * _alternating(d_model) * UNUSED_LOGIT / (TILT * d_model)


def _alternating(number: int) -> Tensor:
    return torch.tensor([1.0, -1.0]).repeat(number // 2)


def _widen_layers(
    wide: Sequence[nn.Module], small: Sequence[nn.Module], fresh: Sequence[nn.Module], copies: Copies
) -> None:
    """`fresh`: layers of the small model's size, from which those that are added are made."""
    num_added = len(wide) - len(small)
    if num_added < 0:
        raise ValueError(f"layers: at least {len(small)} expected, got {len(wide)}")
    for layer, origin in zip(wide, [*fresh[:num_added], *small], strict=True):
        _widen_layer(layer, origin, copies)
    for layer in wide[:num_added]:
        _cancel_outputs(layer, copies)


def _widen_layer(wide: nn.Module, small: nn.Module, copies: Copies) -> None:
    for path, module in wide.named_modules():
        origin = small.get_submodule(path)
        if isinstance(module, nn.LayerNorm) and isinstance(origin, nn.LayerNorm):
            _widen_norm(module, origin, copies)
        elif isinstance(module, nn.Linear) and isinstance(origin, nn.Linear):
            name = path.rpartition(".")[2]
            _widen_linear(module, origin, *copies.of_product(name))
            if name in QUERIES:
                _scale_queries(module, copies)


def _cancel_outputs(layer: nn.Module, copies: Copies) -> None:
    for path, module in layer.named_modules():
        name = path.rpartition(".")[2]
        if name in OUTPUTS and isinstance(module, nn.Linear):
            _, inputs = copies.of_product(name)
            nn.init.normal_(module.weight, std=CANCELLING_SPREAD)
            num_inputs = int(inputs.max()) + 1
            sums = torch.zeros(module.out_features, num_inputs).index_add(1, inputs, module.weight)
            module.weight -= (sums * (num_inputs / module.in_features))[:, inputs]
            nn.init.zeros_(module.bias)


def _scale_queries(projection: nn.Linear, copies: Copies) -> None:
    """Products of queries and keys grow with the size of a head, their divisor only with its root."""
    num_queries, factor = len(copies.heads), math.sqrt(copies.times_head_size)
    projection.weight[:num_queries] /= factor
    projection.bias[:num_queries] /= factor


def _widen_linear(wide: nn.Linear, small: nn.Linear, outputs: Tensor, inputs: Tensor) -> None:
    wide.weight.copy_(small.weight[outputs][:, inputs] * (small.in_features / wide.in_features))
    wide.bias.copy_(small.bias[outputs])


def _widen_norm(wide: nn.LayerNorm, small: nn.LayerNorm, copies: Copies) -> None:
    wide.weight.copy_(small.weight[copies.residual])
    wide.bias.copy_(small.bias[copies.residual])


def _multiple(name: str, small: int, wide: int) -> int:
    times, rest = divmod(wide, small)
    if rest or not times:
        raise ValueError(f"{name}: a multiple of {small} expected, got {wide}")
    return times
