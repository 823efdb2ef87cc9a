"""The recurrent network that translation began with: one output token for each input token.

    h_t = sigmoid(W_hx x_t + W_hh h_{t-1})
    y_t = W_yh h_t                                (both with biases)

Sutskever et al. 2014, section 2, recall it as the starting point of their work. Output t sees the source up to
token t and nothing of the output before it, and the output is as long as the input: the model is a baseline, and is
meant to be poor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.seq2seq import EOS, IGNORED, PAD, Seq2SeqModel, State, StateTensor, check_sizes

IMPOSSIBLE = -30.0
"""Logit of what must not be written: no more probable than 1e-13, yet near enough that label smoothing, which gives
every token a share, adds little to the loss for it."""


@dataclass(frozen=True, kw_only=True)
class RnnConfig:
    d_embedding: int = 128
    d_hidden: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)


class Rnn(Seq2SeqModel):
    def __init__(self, config: RnnConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.state = (
            StateTensor("inputs", "constant", ("source",), torch.int64),
            StateTensor("source_length", "constant", (), torch.int64),
            StateTensor("hidden", "replace", (config.d_hidden,)),
        )
        self.embedding = nn.Embedding(vocabulary_size, config.d_embedding)
        self.input = nn.Linear(config.d_embedding, config.d_hidden)  # W_hx
        self.recurrent = nn.Linear(config.d_hidden, config.d_hidden, bias=False)  # W_hh
        self.output = nn.Linear(config.d_hidden, vocabulary_size)  # W_yh
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.embedding.weight)
        nn.init.orthogonal_(self.recurrent.weight, gain=4.0)  # a sigmoid's slope is at most 1/4

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        target_length = previous_ids.shape[1]
        inputs = self.input(self.dropout(self.embedding(source_ids)))  # [batch, source, d_hidden]
        hidden = inputs.new_zeros(source_ids.shape[0], self.config.d_hidden)
        features = []
        for current in inputs.unbind(dim=1)[:target_length]:
            hidden = torch.sigmoid(current + self.recurrent(hidden))
            features.append(hidden)
        x = torch.stack(features, dim=1)
        x = F.pad(x, (0, 0, 0, target_length - x.shape[1]))  # [batch, target, d_hidden]
        # The length decides where the sentence ends, not the network: one more feature says whether it is over.
        position = torch.arange(target_length, device=x.device)
        over = position >= (source_lengths - 1).unsqueeze(1)
        return torch.cat([self.dropout(x), over.unsqueeze(2).to(x.dtype)], dim=2)

    def logits(self, features: Tensor) -> Tensor:
        hidden, over = features[..., :-1], features[..., -1:] > 0
        scores = self.output(hidden)
        is_end = torch.arange(scores.shape[-1], device=scores.device) == EOS
        # Nothing but the end once it is over, and never the end before.
        return scores.masked_fill(over | is_end, IMPOSSIBLE).masked_fill(over & is_end, 0.0)

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        hidden = self.embedding.weight.new_zeros(source_ids.shape[0], self.config.d_hidden)
        # An exported graph may not return an input as it is: a sum makes it an output.
        return {"inputs": source_ids + 0, "source_length": source_lengths + 0, "hidden": hidden}

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        inputs, end = state["inputs"], state["source_length"] - 1
        current = inputs.gather(1, torch.minimum(positions, end).unsqueeze(1)).squeeze(1)  # [rows]
        hidden = torch.sigmoid(self.input(self.embedding(current)) + self.recurrent(state["hidden"]))
        over = (positions >= end).unsqueeze(1).to(hidden.dtype)
        return self.logits(torch.cat([hidden, over], dim=1)), {"hidden": hidden}

    def expected_outputs(self, target_ids: Tensor, source_lengths: Tensor) -> Tensor:
        """The target's tokens as far as the source reaches; the end is not learnt, being the source's end."""
        position = torch.arange(target_ids.shape[1], device=target_ids.device)
        silent = (position >= (source_lengths - 1).unsqueeze(1)) | (target_ids == PAD) | (target_ids == EOS)
        return target_ids.masked_fill(silent, IGNORED)
