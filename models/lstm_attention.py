"""Seq2Seq with LSTMs and attention in every decoder step (Luong et al. 2015, global attention, score `dot`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.attention import attend_memory, no_positions
from models.recurrence import lstm_cell, run_lstm
from models.seq2seq import ALIGNMENT_QUERY, Alignment, Seq2SeqModel, State, StateTensor, check_sizes, padding_mask


@dataclass(frozen=True, kw_only=True)
class LstmAttentionConfig:
    d_embedding: int = 128
    d_hidden: int = 256
    """Width of the decoder; each direction of the encoder has half of it."""
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.d_hidden % 2:
            raise ValueError(f"d_hidden: an even number expected, got {self.d_hidden}")


class LstmAttention(Seq2SeqModel):
    def __init__(self, config: LstmAttentionConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.state = (
            StateTensor("keys", "constant", (1, "source", config.d_hidden)),
            StateTensor("values", "constant", (1, "source", config.d_hidden)),
            StateTensor("source_last", "constant", (), torch.int32),
            StateTensor("hidden", "replace", (config.d_hidden,)),
            StateTensor("cell", "replace", (config.d_hidden,)),
        )
        self.alignment = Alignment("keys", 1.0)
        self.embedding = nn.Embedding(vocabulary_size, config.d_embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)  # also the output layer
        self.encoder = nn.LSTM(config.d_embedding, config.d_hidden // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(config.d_embedding, config.d_hidden, batch_first=True)
        self.combine = nn.Linear(2 * config.d_hidden, config.d_embedding)  # W_c of equation 5, with a bias
        self.dropout = nn.Dropout(config.dropout)

    def encode_source(self, source_ids: Tensor, source_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encoder memory [batch, source, d_hidden], the decoder's first hidden and cell state [batch, d_hidden]."""
        return run_lstm(self.encoder, self.dropout(self.embedding(source_ids)), source_lengths)

    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        memory, hidden, cell = self.encode_source(source_ids, source_lengths)
        x = self.dropout(self.embedding(previous_ids))  # [batch, target, d_embedding]
        x, _ = self.decoder(x, (hidden.unsqueeze(0), cell.unsqueeze(0)))  # [batch, target, d_hidden]
        scores = x @ memory.transpose(1, 2)  # [batch, target, source]
        real = padding_mask(source_lengths, source_ids.shape[1]).unsqueeze(1)
        context = scores.masked_fill(~real, float("-inf")).softmax(dim=-1) @ memory  # [batch, target, d_hidden]
        return self.attentional(context, x)

    def attentional(self, context: Tensor, hidden: Tensor) -> Tensor:
        """tanh(W_c [c; h]) (equation 5): both [..., d_hidden] -> [..., d_embedding]."""
        return self.dropout(torch.tanh(self.combine(self.dropout(torch.cat([context, hidden], dim=-1)))))

    def logits(self, features: Tensor) -> Tensor:
        return nn.functional.linear(features, self.embedding.weight)  # tied with the embedding

    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        memory, hidden, cell = self.encode_source(source_ids, source_lengths)
        return {
            "keys": memory.unsqueeze(1),  # of one head; and the values are the same
            "values": memory.unsqueeze(1).clone(),
            "source_last": (source_lengths - 1).to(torch.int32),
            "hidden": hidden,
            "cell": cell,
        }

    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        hidden, cell = lstm_cell(self.decoder, self.embedding(previous_ids), state["hidden"], state["cell"])
        query = hidden.unsqueeze(1)  # [rows, 1, d_hidden]
        context, keys, values = attend_memory(
            query, no_positions(query), state["keys"], state["values"], state["source_last"], scale=1.0
        )
        next_state = {"hidden": hidden, "cell": cell, "keys": keys, "values": values, ALIGNMENT_QUERY: query}
        return self.logits(self.attentional(context.squeeze(1), hidden)), next_state
