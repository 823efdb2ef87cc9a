"""Beam search in PyTorch by `encode` and `step`, one sentence at a time: plain, slow, and the reference for any other.

1. At most `beam_size` hypotheses live; at first there is one, which is empty.
2. A step scores every continuation of every live hypothesis by its total log-probability, and looks at the
   2 * beam_size best. Those that end, and are among the first beam_size, are finished; of the others the best
   beam_size live on. An end of the empty hypothesis is no continuation, as a translation of something is not empty;
   the log-probabilities of the others stay what they are.
3. It stops when `patience` * beam_size hypotheses are finished (Kasai et al. 2022), or at the limit of output tokens,
   where those that live are finished as they are. A beam of one has no patience: it is greedy decoding.
4. Finished hypotheses are ranked by log-probability / length penalty, ((5 + length) / 6) ** alpha, their end counted in
   the length, plus the coverage penalty, beta times the sum over source tokens of log(min(attention, 1)), of all
   attention that they got (Wu et al. 2016, equation 14).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from models.data.batches import pad_sources
from models.greedy import max_output
from models.seq2seq import ALIGNMENT_QUERY, Seq2SeqModel


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    beam_size: int = 5
    length_penalty: float = 0.6
    """alpha: 0 ranks by log-probability alone, more prefers longer hypotheses."""
    coverage_penalty: float = 0.0
    """beta: only for models that have an alignment."""
    patience: float = 1.0


class Hypothesis(NamedTuple):
    ids: list[int]
    """Without the end."""
    log_prob: float
    """Sum over the tokens, the end included where it was written."""
    score: float
    """What the hypothesis is ranked by."""
    reached_limit: bool


@torch.inference_mode()
def beam_search(
    model: Seq2SeqModel, source: Sequence[int], options: BeamOptions, max_output_tokens: int | None = None
) -> list[Hypothesis]:
    """Finished hypotheses of one source, with its end; the best first.

    max_output_tokens: `max_output` of the source where it is not given.
    """
    limit = max_output_tokens or max_output(source)
    ids = model.output_ids
    num_given = len(ids.start) - 1
    size = options.beam_size
    device = next(model.parameters()).device
    source_ids, source_lengths = (tensor.to(device) for tensor in pad_sources([source]))
    state = model.start_state(source_ids, source_lengths, num_given + limit)
    num_wanted = options.patience * size if size > 1 else 1
    written: list[list[int]] = [[]]
    attended = torch.zeros(1, len(source), device=device)  # [live, source]
    totals = torch.zeros(1, device=device, dtype=torch.float64)
    finished: list[Hypothesis] = []
    for position in range(ids.first_position, num_given):
        previous = torch.tensor([ids.start[position]], device=device)
        state.update(model.step(previous, torch.full_like(previous, position), state)[1])
    for position in range(limit):
        previous = torch.tensor([tokens[-1] if tokens else ids.start[-1] for tokens in written], device=device)
        logits, next_state = model.step(previous, torch.full_like(previous, num_given + position), state)
        state.update(next_state)
        if options.coverage_penalty:
            attended = attended + attention(model, state)
        log_probs = logits.log_softmax(dim=1)  # [live, vocabulary]
        log_probs[:, ids.not_written(position)] = float("-inf")
        scores = totals.unsqueeze(1) + log_probs.double()
        totals, indices = scores.flatten().sort(descending=True, stable=True)  # of equals the first
        candidates = zip(totals[: 2 * size], indices[: 2 * size].tolist(), strict=True)
        parents: list[int] = []
        tokens: list[int] = []
        survivors: list[Tensor] = []
        for rank, (total, index) in enumerate(candidates):
            parent, token = divmod(index, scores.shape[1])
            if total == float("-inf"):
                break
            if token == ids.eos:
                if rank < size:
                    finished.append(
                        _finish(written[parent], float(total), position + 1, attended[parent], options, False)
                    )
            elif len(parents) < size:
                parents.append(parent)
                tokens.append(token)
                survivors.append(total)
        if not parents or len(finished) >= num_wanted:
            break
        written = [[*written[parent], token] for parent, token in zip(parents, tokens, strict=True)]
        totals, attended = torch.stack(survivors), attended[parents]
        state = {name: tensor[parents] for name, tensor in state.items()}
    else:
        cut = zip(written, totals.tolist(), attended, strict=True)
        finished += [_finish(tokens, total, len(tokens), mass, options, True) for tokens, total, mass in cut]
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)


def attention(model: Seq2SeqModel, state: Mapping[str, Tensor]) -> Tensor:
    """What the last step attended to: [rows, source], each row summing to 1."""
    assert model.alignment
    keys = state[model.alignment.keys]  # [rows, heads, source, head_size]
    query = state[ALIGNMENT_QUERY].view(keys.shape[0], keys.shape[1], 1, keys.shape[3])
    weights = (query @ keys.transpose(2, 3) * model.alignment.scale).softmax(dim=-1)
    return weights.squeeze(2).mean(dim=1)


def _finish(
    ids: list[int], log_prob: float, length: int, attended: Tensor, options: BeamOptions, reached_limit: bool
) -> Hypothesis:
    penalty = ((5 + length) / 6) ** options.length_penalty
    coverage = (
        options.coverage_penalty * float(attended.clamp(1e-9, 1.0).log().sum()) if options.coverage_penalty else 0
    )
    return Hypothesis(ids, log_prob, log_prob / penalty + coverage, reached_limit)
