"""Greedy decoding in PyTorch by `encode` and `step`: for validation, and as the reference of the server's engine."""

from collections.abc import Callable, Sequence

import torch
from sentencepiece import SentencePieceProcessor

from models.data.batches import pad_sources
from models.seq2seq import BOS, EOS, PAD, UNKNOWN, Seq2SeqModel

NEVER_WRITTEN = [PAD, UNKNOWN, BOS]
"""Ids that no translation contains."""


def not_written(position: int) -> list[int]:
    """Ids that no translation has at a position: at the first one, also its end, as a translation of something is not
    empty."""
    return NEVER_WRITTEN if position else [*NEVER_WRITTEN, EOS]


def max_output(source: Sequence[int]) -> int:
    """The limit of output tokens: more than any good translation of the source has. The server's default is the
    same."""
    return 2 * len(source) + 10


@torch.inference_mode()
def greedy_decode(model: Seq2SeqModel, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """One padded batch of sources, each ending with EOS -> output ids without EOS, at most `max_output` of each."""
    max_target = max(map(max_output, sources))
    device = next(model.parameters()).device
    source_ids, source_lengths = (tensor.to(device) for tensor in pad_sources(sources))
    state = model.start_state(source_ids, source_lengths, max_target)
    rows = len(sources)
    previous_ids = torch.full((rows,), BOS, device=device)
    finished = torch.zeros(rows, dtype=torch.bool, device=device)
    outputs = []
    for position in range(max_target):
        logits, next_state = model.step(previous_ids, torch.full((rows,), position, device=device), state)
        state.update(next_state)
        logits[:, not_written(position)] = float("-inf")
        previous_ids = logits.argmax(dim=1).masked_fill(finished, EOS)
        finished |= previous_ids == EOS
        if finished.all():
            break
        outputs.append(previous_ids)
    rows_ids: list[list[int]] = torch.stack(outputs, dim=1).tolist()
    written = [ids[: ids.index(EOS)] if EOS in ids else ids for ids in rows_ids]
    return [ids[: max_output(source)] for ids, source in zip(written, sources, strict=True)]


def translate(
    decode: Callable[[Sequence[Sequence[int]]], list[list[int]]],
    tokenizer: SentencePieceProcessor,
    sources: Sequence[str],
    batch_size: int = 128,
) -> list[str]:
    """Translations of any number of sentences, in order; decoded in batches of like length.

    decode: sources, each ending with EOS -> output ids without EOS.
    """
    ids = [[*source, EOS] for source in tokenizer.encode(list(sources))]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    translations = [""] * len(ids)
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        for index, output in zip(indices, decode([ids[index] for index in indices]), strict=True):
            translations[index] = tokenizer.decode(output)
    return translations
