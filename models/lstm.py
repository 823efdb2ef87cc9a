"""Seq2Seq with LSTMs (Sutskever et al. 2014): the encoder's final state is all that the decoder knows.

One layer where the paper has four, and a projection before the softmax, whose weights are the embedding's.

The encoder reads the source in reverse order, which brings its first words near to the output's first words
(section 3.3 of the paper).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.recurrence import lstm_cell, run_lstm
from models.seq2seq import Seq2SeqModel, State, StateTensor, check_sizes, padding_mask


@dataclass(frozen=True, kw_only=True)
class LstmConfig:
    d_embedding: int = 128
    d_hidden: int = 256
    dropout: float = 0.1
    reverse_source: bool = True

    def __post_init__(self) -> None:
        check_sizes(self)


class Lstm(Seq2SeqModel):
    def __init__(self, config: LstmConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.state = (
            StateTensor("hidden", "replace", (config.d_hidden,)),
            StateTensor("cell", "replace", (config.d_hidden,)),
        )
        self.embedding = nn.Embedding(vocabulary_size, config.d_embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)  # also the output layer
        self.encoder = nn.LSTM(config.d_embedding, config.d_hidden, batch_first=True)
        self.decoder = nn.LSTM(config.d_embedding, config.d_hidden, batch_first=True)
        self.output = nn.Linear(config.d_hidden, config.d_embedding)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        hidden, cell = self.encode(source_ids, source_lengths).values()
        x = self.dropout(self.embedding(previous_ids))  # [batch, target, d_embedding]
        x, _ = self.decoder(x, (hidden.unsqueeze(0), cell.unsqueeze(0)))  # [batch, target, d_hidden]
        return self.output(self.dropout(x))  # [batch, target, d_embedding]

    def logits(self, features: Tensor) -> Tensor:
        return nn.functional.linear(features, self.embedding.weight)  # tied with the embedding

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        if self.config.reverse_source:
            source_ids = reverse(source_ids, source_lengths)
        x = self.dropout(self.embedding(source_ids))  # [batch, source, d_embedding]
        _, hidden, cell = run_lstm(self.encoder, x, source_lengths)
        return {"hidden": hidden, "cell": cell}

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        hidden, cell = lstm_cell(self.decoder, self.embedding(previous_ids), state["hidden"], state["cell"])
        return self.logits(self.output(hidden)), {"hidden": hidden, "cell": cell}


def reverse(ids: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence back to front within its length, padding left behind it: [batch, length] -> like ids."""
    width = ids.shape[1]
    position = torch.arange(width, device=ids.device)
    mirrored = lengths.unsqueeze(1) - 1 - position
    return ids.gather(1, torch.where(padding_mask(lengths, width), mirrored, position))
