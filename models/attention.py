"""Attention of one new position over a cache, in place: in PyTorch, and as one ONNX operator when exported."""

import torch
from torch import Tensor


def attend_cached(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, last: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Write one position of the cache, then attend to all positions up to it.

    query, key, value: [rows, heads * head_size]; keys, values: [rows, heads, positions, head_size] buffers;
    last: int64 [rows], the position that is written, and the last one that is attended to.
    Returns the context [rows, heads * head_size] and both buffers, written in place.

    Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1). In ONNX it is ONNX Runtime's
    `GroupQueryAttention` with as many key heads as query heads: the only attention operator of its CPU provider that
    works on the real length of each row, so that neither cost nor result depends on the neighbours' lengths or on
    the buffer's size, and that writes in place where past and present are bound to one buffer.
    """
    rows, heads, positions, head_size = keys.shape
    if torch.onnx.is_in_onnx_export():
        return _attend_cached_onnx(query, key, value, keys, values, last, scale)
    row = torch.arange(rows, device=keys.device)
    keys[row, :, last] = key.view(rows, heads, head_size)
    values[row, :, last] = value.view(rows, heads, head_size)
    # [rows, heads, 1, head_size] x [rows, heads, head_size, positions]
    scores = query.view(rows, heads, 1, head_size) @ keys.transpose(2, 3) * scale
    beyond = torch.arange(positions, device=keys.device) > last.unsqueeze(1)  # [rows, positions]
    weights = scores.masked_fill(beyond[:, None, None], float("-inf")).softmax(dim=-1)
    return (weights @ values).view(rows, heads * head_size), keys, values


def _attend_cached_onnx(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, last: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    rows, heads, positions, head_size = keys.shape
    context, keys, values = torch.onnx.ops.symbolic_multi_out(
        "com.microsoft::GroupQueryAttention",
        [
            query.unsqueeze(1),  # [rows, 1, heads * head_size]
            key.unsqueeze(1),
            value.unsqueeze(1),
            keys,
            values,
            last.to(torch.int32),  # the operator's `seqlens_k`: total length of each row, less one
            torch.scalar_tensor(positions, dtype=torch.int32),
        ],
        attrs={"num_heads": heads, "kv_num_heads": heads, "scale": scale},
        dtypes=(query.dtype, keys.dtype, values.dtype),
        shapes=((rows, 1, heads * head_size), keys.shape, values.shape),
        version=1,
    )
    return context.squeeze(1), keys, values
