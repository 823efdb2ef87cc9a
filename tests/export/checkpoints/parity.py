"""What imported checkpoints compute, to be compared with the toolkit that they come from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from export.checkpoints.huggingface.known import M2M100, MBART50
from export.checkpoints.imported import Imported
from models.encoder_decoder import EncoderDecoder
from tests.export.checkpoints import folders
from tests.export.checkpoints.folders import Folder

GOLDEN = Path(__file__).with_name("transformers.json")
"""Log-probabilities by transformers, of the first source and every thirteenth id: `python -m tests.peers --write`."""
STRIDE = 13

SOURCES = ([17, 40, 9, 101, 33, 33, 5, 0], [12, 2], [*range(30, 58), 2])
"""Ids, one source a list."""
TARGET = [20, 31, 9, 9, 77, 102, 4, 60, 51]

TOLERANCE = 1e-4
"""Nats."""


def parity_folders(folder: Path) -> dict[str, Folder]:
    """One checkpoint of every kind, of the same sizes whatever SentencePiece's trainer makes of the text."""
    return {
        "marian": folders.marian(folder / "marian", rows=320),
        "marian of several targets": folders.marian(folder / "targets", rows=320, tokens=(">>fra<<", ">>deu<<")),
        "marian of two vocabularies": folders.marian(folder / "separate", separate=True, rows=320),
        "m2m100": folders.m2m100(folder / "m2m100", codes=M2M100, named=False),
        "nllb": _with_rows(folders.nllb(folder / "nllb"), 320),
        "mbart50": _with_rows(folders.mbart50(folder / "mbart50", codes=MBART50), 320),
    }


def _with_rows(folder: Folder, num_rows: int) -> Folder:
    folder.config["vocab_size"] = num_rows
    folder.tensors["model.shared.weight"] = folders.embedding("shared", num_rows, pad_row=1)
    if "final_logits_bias" in folder.tensors:
        folder.tensors["final_logits_bias"] = folders.random_values("bias", (1, num_rows))
    return folder


def imported_log_probs(model: EncoderDecoder, imported: Imported, source: Sequence[int]) -> Tensor:
    """Log-probabilities along TARGET, [target, vocabulary]."""
    lengths = torch.tensor([len(source)])
    features = model(torch.tensor([source]), lengths, torch.tensor([[imported.start_id, *TARGET]]))
    return model.logits(features)[0].log_softmax(dim=-1)


def greedy(
    model: EncoderDecoder, imported: Imported, source: Sequence[int], forced: Sequence[int], num_tokens: int
) -> list[int]:
    """Exactly `num_tokens` ids, the forced ones first, step by step; no end is written."""
    state = model.start_state(torch.tensor([source]), torch.tensor([len(source)]), num_tokens)
    previous, written = imported.start_id, list[int]()
    for position in range(num_tokens):
        logits, following = model.step(torch.tensor([previous]), torch.tensor([position]), state)
        state.update(following)
        logits[:, [*imported.never_written, imported.eos_id]] = float("-inf")
        previous = forced[position] if position < len(forced) else int(logits.argmax())
        written.append(previous)
    return written


def write_golden(log_probs: Mapping[str, list[list[float]]]) -> None:
    """By kind: a line a target position."""
    kinds = [
        f" {json.dumps(kind)}: [\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]"
        for kind, rows in log_probs.items()
    ]
    GOLDEN.write_text("{\n" + ",\n".join(kinds) + "\n}\n", encoding="utf-8")
