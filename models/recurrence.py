"""LSTM layers over whole sequences and over one step: in PyTorch, and as one ONNX operator when exported."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run_lstm(lstm: nn.LSTM, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A one-layer LSTM, of one or two directions, over padded sequences from a zero state.

    inputs: [batch, length, d_input]; lengths: int64 [batch]. Padding is never read.
    Returns outputs [batch, length, directions * d_hidden] (zero behind the length), and the final hidden and cell
    state, each [batch, directions * d_hidden].
    """
    if torch.onnx.is_in_onnx_export():
        return _run_lstm_onnx(lstm, inputs, lengths)
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    outputs, (hidden, cell) = lstm(packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
    return padded, hidden.transpose(0, 1).flatten(1), cell.transpose(0, 1).flatten(1)


def _run_lstm_onnx(lstm: nn.LSTM, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ONNX's LSTM operator: its `sequence_lens` does what packing does, which the exporter cannot express."""
    directions = 2 if lstm.bidirectional else 1
    suffixes = ("", "_reverse")[:directions]
    size = lstm.hidden_size

    def weights(name: str, axis_size: int) -> Tensor:
        """PyTorch's gates i, f, g, o in ONNX's order i, o, f, g: [directions, 4 * d_hidden, axis_size]."""
        stacked = []
        for suffix in suffixes:
            i, f, g, o = getattr(lstm, f"{name}_l0{suffix}").reshape(4, size, axis_size)
            stacked.append(torch.cat([i, o, f, g]))
        return torch.stack(stacked)

    biases = torch.cat([weights("bias_ih", 1), weights("bias_hh", 1)], dim=1).squeeze(2)
    batch, length = inputs.shape[:2]
    outputs, hidden, cell = torch.onnx.ops.symbolic_multi_out(
        "LSTM",
        [
            inputs.transpose(0, 1),
            weights("weight_ih", lstm.input_size),
            weights("weight_hh", size),
            biases,
            lengths.to(torch.int32),
        ],
        attrs={"hidden_size": size, "direction": "bidirectional" if directions == 2 else "forward"},
        dtypes=(inputs.dtype,) * 3,
        shapes=((length, directions, batch, size), (directions, batch, size), (directions, batch, size)),
        version=22,
    )
    # [length, directions, batch, d_hidden] -> [batch, length, directions * d_hidden]
    outputs = outputs.permute(2, 0, 1, 3).flatten(2)
    return outputs, hidden.transpose(0, 1).flatten(1), cell.transpose(0, 1).flatten(1)


def lstm_cell(lstm: nn.LSTM, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of a one-layer LSTM: inputs [rows, d_input], hidden and cell [rows, d_hidden] -> hidden, cell.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; both products in one.
    """
    input_weight, hidden_weight, input_bias, hidden_bias = cast(list[Tensor], lstm.all_weights[0])
    weight = torch.cat([input_weight, hidden_weight], dim=1)
    gates = nn.functional.linear(torch.cat([inputs, hidden], dim=1), weight, input_bias + hidden_bias)
    i, f, g, o = gates.chunk(4, dim=1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell
