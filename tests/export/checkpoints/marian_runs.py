"""What an imported Marian model does with texts, as `marian score` and `marian decode` do it."""

from collections.abc import Sequence

import torch
from sentencepiece import SentencePieceProcessor

from export.checkpoints.imported import Imported, PieceTable
from models.encoder_decoder import EncoderDecoder

MAX_LENGTH_FACTOR = 3
"""Tokens of a translation for each of its source, the end included: Marian cuts longer ones off."""


def load_model(imported: Imported) -> EncoderDecoder:
    torch.set_num_threads(1)
    model = EncoderDecoder(imported.settings).eval()
    model.load_state_dict(imported.weights, strict=True)
    return model


def text_ids(table: PieceTable, text: str, unknown_id: int | None) -> list[int]:
    assert unknown_id is not None
    processor = SentencePieceProcessor(model_file=str(table.sentencepiece))
    assert table.names is not None
    ids = {name: index for index, name in enumerate(table.names)}
    return [ids.get(piece, unknown_id) for piece in processor.encode(text, out_type=str)]


@torch.inference_mode()
def score(model: EncoderDecoder, imported: Imported, source: str, target: str) -> float:
    """Log-probability of a translation, in nats."""
    source_ids = [*text_ids(imported.source, source, imported.unknown_id), imported.eos_id]
    target_ids = [*text_ids(imported.target, target, imported.unknown_id), imported.eos_id]
    previous = torch.tensor([[imported.start_id, *target_ids[:-1]]])
    features = model.forward(torch.tensor([source_ids]), torch.tensor([len(source_ids)]), previous)
    logits = model.logits(features[0])
    logits[:, imported.start_id] = float("-inf")  # which Marian's vocabulary does not have
    return logits.log_softmax(-1)[range(len(target_ids)), target_ids].sum().item()


@torch.inference_mode()
def greedy(model: EncoderDecoder, imported: Imported, source: str) -> str:
    """The translation that takes the most probable token each time, step by step."""
    source_ids = [*text_ids(imported.source, source, imported.unknown_id), imported.eos_id]
    max_length = MAX_LENGTH_FACTOR * len(source_ids)
    state = model.start_state(torch.tensor([source_ids]), torch.tensor([len(source_ids)]), max_length)
    output: list[int] = []
    while len(output) < max_length and imported.eos_id not in output:
        previous = torch.tensor([output[-1] if output else imported.start_id])
        logits, next_state = model.step(previous, torch.tensor([len(output)]), state)
        state.update(next_state)
        logits[:, list(imported.never_written)] = float("-inf")
        output.append(int(logits.argmax()))
    return decode(imported.target, [token for token in output if token != imported.eos_id])


def decode(table: PieceTable, ids: Sequence[int]) -> str:
    assert table.names is not None
    processor = SentencePieceProcessor(model_file=str(table.sentencepiece))
    text: str = processor.decode([table.names[index] for index in ids])
    return text
