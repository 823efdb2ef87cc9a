"""Greedy decoding in PyTorch by `encode` and `step`: for validation, and as the reference of the server's engine."""

from collections.abc import Callable, Sequence

import torch
from sentencepiece import SentencePieceProcessor

from models.data.batches import pad_sources
from models.seq2seq import EOS, Seq2SeqModel


def max_output(source: Sequence[int]) -> int:
    """The limit of output tokens: more than any good translation of the source has. The server's default is the
    same."""
    return 2 * len(source) + 10


@torch.inference_mode()
def greedy_decode(model: Seq2SeqModel, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """One padded batch of sources, each with its end -> output ids without theirs, at most `max_output` of each."""
    ids = model.output_ids
    num_given = len(ids.start) - 1
    max_target = num_given + max(map(max_output, sources))
    device = next(model.parameters()).device
    source_ids, source_lengths = (tensor.to(device) for tensor in pad_sources(sources))
    state = model.start_state(source_ids, source_lengths, max_target)
    rows = len(sources)
    finished = torch.zeros(rows, dtype=torch.bool, device=device)
    outputs = []
    for position in range(ids.first_position, max_target):
        if position <= num_given:
            previous_ids = torch.full((rows,), ids.start[position], device=device)
        logits, next_state = model.step(previous_ids, torch.full((rows,), position, device=device), state)
        state.update(next_state)
        if position < num_given:
            continue
        logits[:, ids.not_written(position - num_given)] = float("-inf")
        previous_ids = logits.argmax(dim=1).masked_fill(finished, ids.eos)
        finished |= previous_ids == ids.eos
        if finished.all():
            break
        outputs.append(previous_ids)
    rows_ids: list[list[int]] = torch.stack(outputs, dim=1).tolist()
    written = [row[: row.index(ids.eos)] if ids.eos in row else row for row in rows_ids]
    return [row[: max_output(source)] for row, source in zip(written, sources, strict=True)]


def batch_size(device: torch.device) -> int:
    """Sentences that are decoded together: so many that the device is busy with them, not with beginning."""
    return 4096 if device.type == "cuda" else 128


def translate(
    decode: Callable[[Sequence[Sequence[int]]], list[list[int]]],
    tokenizer: SentencePieceProcessor,
    sources: Sequence[str],
    rows: int = 128,
) -> list[str]:
    """Translations of any number of sentences, in order; decoded in batches of like length, `rows` together.

    decode: sources, each ending with EOS -> output ids without EOS.
    """
    ids = [[*source, EOS] for source in tokenizer.encode(list(sources))]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    translations = [""] * len(ids)
    for start in range(0, len(order), rows):
        indices = order[start : start + rows]
        for index, output in zip(indices, decode([ids[index] for index in indices]), strict=True):
            translations[index] = tokenizer.decode(output)
    return translations
