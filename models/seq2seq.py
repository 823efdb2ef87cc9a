"""What every architecture offers, and nothing of how it works.

A model is trained by `forward` (teacher forcing), and decoded by `encode` once and `step` once a token. What `step`
needs from one token to the next is declared in `state`, as data, so that export and server can carry it without
knowing the architecture.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
"""Special ids, the same in every vocabulary of this project (the tokenizer is trained with them)."""

ALIGNMENT_QUERY = "alignment_query"

IGNORED = -100
"""Target id whose position adds nothing to the loss (PyTorch's default `ignore_index`)."""

StateKind = Literal["constant", "replace", "append"]
State = dict[str, Tensor]


class StateTensor(NamedTuple):
    """Declaration of one state tensor; its leading dimension, the rows, is not listed in `shape`."""

    name: str
    kind: StateKind
    """constant: written once when a row joins; replace: rewritten by every step; append: grows by one position a
    step, written in place."""
    shape: tuple[int | str, ...]
    """Numbers, or the named dimensions `source` and `target`."""
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True, kw_only=True)
class OutputIds:
    """Ids that mean something to whoever decodes; the defaults are those of this project's own vocabularies."""

    start: tuple[int, ...] = (BOS,)
    """What the decoder reads before it writes, one id a position: its start token, and what every translation is made
    to begin with, which is no part of it; the token of the target language, say."""
    eos: int = EOS
    never_written: tuple[int, ...] = (PAD, UNKNOWN, BOS)
    encodes_start: bool = False
    """Whether `encode` reads the first of `start`, and gives the state behind it. Worth it where others follow, as a
    sentence then takes no step more for them."""

    @property
    def first_position(self) -> int:
        """The position of the first step."""
        return int(self.encodes_start)

    def not_written(self, num_written: int) -> list[int]:
        """Ids that no translation goes on with: as long as nothing is written also its end, as a translation of
        something is not empty."""
        return [*self.never_written] if num_written else [*self.never_written, self.eos]


OUR_IDS = OutputIds()


class Alignment(NamedTuple):
    """Where `step` looks at the source: softmax(scale * query . keys), averaged over heads.

    `step` gives the query, under the name of ALIGNMENT_QUERY; the keys are state already. So the weights can be
    computed for the rows that want them, at no cost for the others.
    """

    keys: str
    """State tensor [rows, heads, source, head_size]."""
    scale: float


class Seq2SeqModel(nn.Module, ABC):
    """An encoder and a decoder.

    Shapes are written [batch, source, ...] in training and [rows, ...] in decoding: a row is one hypothesis of the
    running batch.
    """

    state: tuple[StateTensor, ...]
    alignment: Alignment | None = None
    output_ids: OutputIds = OUR_IDS

    @abstractmethod
    def forward(self, source_ids: Tensor, source_lengths: Tensor, previous_ids: Tensor) -> Tensor:
        """Decoder features of every target position under teacher forcing.

        source_ids: int64 [batch, source], padded with PAD; source_lengths: int64 [batch];
        previous_ids: int64 [batch, target], the target shifted right, beginning with the start token.
        Returns float32 [batch, target, features]; `logits` turns them into scores over the vocabulary, so that
        training can leave out the padding before the widest product of the model.
        """

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Unnormalised log-probabilities: float32 [..., features] -> [..., vocabulary]."""

    @abstractmethod
    def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
        """The constant state and the first value of the replaced state, by name, each [batch, ...].

        Appended state is not among them: it begins empty. With `output_ids.encodes_start`, which not every architecture
        knows, it is: it has one position then, that of the start token, and replaced state is what the start token
        makes of it.
        """

    @abstractmethod
    def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        """One token for every row: previous_ids, positions integers [rows] -> logits [rows, vocabulary], next state.

        `positions` counts from 0 for the start token; rows may stand at different positions. The next state holds the
        replaced tensors, and every buffer that the step writes in place: appended tensors, [rows, ..., target, ...],
        get position `positions[row]`. Constant tensors may be left out; attention's keys and values, where they are
        returned, are not copied at every step. For a model with an alignment the next state also holds
        ALIGNMENT_QUERY, [rows, 1, heads * head_size], which is no state, but what the alignment of this position is
        computed from.
        """

    def expected_outputs(self, target_ids: Tensor, source_lengths: Tensor) -> Tensor:
        """What each output position is trained to say, int64 [batch, target]; IGNORED where it says nothing."""
        return target_ids.masked_fill(target_ids == PAD, IGNORED)

    def without_cache(self) -> "Seq2SeqModel":
        """The same model with a `step` that recomputes what its appended state would hold, to measure what that buys.

        Raises ValueError for a model that appends no state.
        """
        raise ValueError(f"{type(self).__name__} has no cache to leave out")

    def start_state(self, source_ids: Tensor, source_lengths: Tensor, max_target: int) -> State:
        """`encode`, with buffers of `max_target` positions for the appended tensors, empty but for what it has read."""
        state = self.encode(source_ids, source_lengths)
        sizes = {"source": source_ids.shape[1], "target": max_target}
        for tensor in self.state:
            if tensor.kind == "append":
                shape = [sizes[dim] if isinstance(dim, str) else dim for dim in tensor.shape]
                buffer = torch.zeros(source_ids.shape[0], *shape, dtype=tensor.dtype, device=source_ids.device)
                if tensor.name in state:
                    buffer.narrow(1 + tensor.shape.index("target"), 0, 1).copy_(state[tensor.name])
                state[tensor.name] = buffer
        return state


def check_sizes(settings: Any) -> None:
    """Check an architecture's settings: sizes of at least 1, dropout below 1. Raises ValueError."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if type(value) is int and value < 1:
            raise ValueError(f"{field.name}: at least 1 expected, got {value}")
        if field.name == "dropout" and value >= 1:
            raise ValueError(f"dropout: less than 1 expected, got {value}")


def padding_mask(lengths: Tensor, width: int) -> Tensor:
    """Real positions of padded sequences: lengths [batch] -> bool [batch, width]."""
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)
