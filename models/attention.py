"""Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1): in PyTorch, and as one operator when exported.

Of a whole source to itself, it is ONNX's `Attention`. Of one new position to a cache, it is ONNX Runtime's
`GroupQueryAttention` with as many key heads as query heads: the only attention operator of its CPU provider that works
on the real length of each row, so that neither cost nor result depends on the neighbours' lengths or on the buffer's
size, and that writes in place where past and present are bound to one buffer.
"""

import torch
from torch import Tensor

from models.seq2seq import padding_mask

_TOTAL_LENGTH = 2
"""The operator's `total_sequence_length`. The real lengths are those of each row; all that matters is that this is not
1, the new position alone, which would be a prompt, and not more than the buffers have."""


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, num_heads: int, scale: float) -> Tensor:
    """Attend where the mask is true.

    query [batch, length, d_model]; key, value [batch, memory, d_model]; mask bool, broadcast to [batch, heads, length,
    memory]. Returns the context, shaped as query. Written out, because the exporter's own form of it guards against
    rows without any real position, which do not occur, at every call.
    """
    query, key, value = (split_heads(part, num_heads) for part in (query, key, value))
    bias = torch.zeros(mask.shape, dtype=query.dtype, device=query.device).masked_fill(~mask, float("-inf"))
    scores = (query * scale) @ key.transpose(2, 3) + bias
    context: Tensor = scores.softmax(dim=-1) @ value
    return context.transpose(1, 2).flatten(2)


def attend_source(
    query: Tensor, key: Tensor, value: Tensor, source_lengths: Tensor, num_heads: int, scale: float
) -> Tensor:
    """Every source position attends to all real ones: query, key, value [batch, source, d_model], source_lengths int64
    [batch] -> like query."""
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic(
            "Attention",
            [query, key, value, None, None, None, source_lengths],
            attrs={"q_num_heads": num_heads, "kv_num_heads": num_heads, "scale": scale},
            dtype=query.dtype,
            shape=query.shape,
            version=24,
        )
    real = padding_mask(source_lengths, query.shape[1])[:, None, None]
    return attend(query, key, value, real, num_heads, scale)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """[batch, length, d_model] -> [batch, heads, length, head_size]."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def attend_cached(
    qkv: Tensor, keys: Tensor, values: Tensor, last: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Write one position of the cache, then attend to all positions up to it.

    qkv: [rows, 1, 3 * heads * head_size], the query, key and value of the new position; keys, values: [rows, heads,
    positions, head_size] buffers; last: int32 [rows], the position that is written, and the last one that is attended
    to. Returns the context [rows, 1, heads * head_size] and both buffers, written in place.
    """
    if torch.onnx.is_in_onnx_export():
        return _attend_onnx(qkv, None, keys, values, last, scale)
    query, key, value = qkv.chunk(3, dim=-1)
    rows, heads, _, head_size = keys.shape
    row = torch.arange(rows, device=keys.device)
    keys[row, :, last] = key.view(rows, heads, head_size)
    values[row, :, last] = value.view(rows, heads, head_size)
    return attend_memory(query, no_positions(query), keys, values, last, scale)


def no_positions(x: Tensor) -> Tensor:
    """[rows, 1, d] -> [rows, 0, d]."""
    return x[:, :0]


def attend_memory(
    query: Tensor, nothing: Tensor, keys: Tensor, values: Tensor, last: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Attend to all positions of the buffers up to `last`; shapes are those of `attend_cached`, with the query alone.

    nothing: [rows, 0, heads * head_size], the keys and the values that are new. Every layer of a model can use one.

    The buffers are returned too, unchanged: the operator shares them where they are bound as its outputs, and copies
    them where they are not.
    """
    if torch.onnx.is_in_onnx_export():
        return _attend_onnx(query, nothing, keys, values, last, scale)
    rows, heads, positions, head_size = keys.shape
    # [rows, heads, 1, head_size] x [rows, heads, head_size, positions]
    scores = query.view(rows, heads, 1, head_size) @ keys.transpose(2, 3) * scale
    beyond = torch.arange(positions, device=keys.device) > last.unsqueeze(1)  # [rows, positions]
    weights = scores.masked_fill(beyond[:, None, None], float("-inf")).softmax(dim=-1)
    return (weights @ values).view(rows, 1, heads * head_size), keys, values


def attend_once(query: Tensor, keys: Tensor, values: Tensor, lengths: Tensor, scale: float) -> Tensor:
    """What `attend_memory` computes, where the buffers are not kept: as an operator that does not return them, and so
    copies none. lengths int64 [rows], the positions of keys and values that are real. Returns the context."""
    if torch.onnx.is_in_onnx_export():
        query = split_heads(query, keys.shape[1])
        context = torch.onnx.ops.symbolic(
            "Attention",
            [query, keys, values, None, None, None, lengths],
            attrs={"scale": scale},
            dtype=query.dtype,
            shape=query.shape,
            version=24,
        )
        return context.transpose(1, 2).flatten(2)
    return attend_memory(query, no_positions(query), keys, values, lengths - 1, scale)[0]


def _attend_onnx(
    query: Tensor, new: Tensor | None, keys: Tensor, values: Tensor, last: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """new: both the keys and the values that are written; None where they are packed with the query."""
    rows, heads, _, head_size = keys.shape
    context, keys, values = torch.onnx.ops.symbolic_multi_out(
        "com.microsoft::GroupQueryAttention",
        [
            query,
            new,
            new,
            keys,
            values,
            last,  # the operator's `seqlens_k`: total length of each row, less one
            torch.scalar_tensor(_TOTAL_LENGTH, dtype=torch.int32),
        ],
        attrs={"num_heads": heads, "kv_num_heads": heads, "scale": scale},
        dtypes=(query.dtype, keys.dtype, values.dtype),
        shapes=((rows, 1, heads * head_size), keys.shape, values.shape),
        version=1,
    )
    return context, keys, values
