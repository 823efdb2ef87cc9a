import json
from pathlib import Path

import pytest
import torch

from export.checkpoints import read_checkpoint
from models.encoder_decoder import EncoderDecoder
from tests.export.checkpoints.parity import GOLDEN, SOURCES, STRIDE, TOLERANCE, imported_log_probs, parity_folders

EXPECTED: dict[str, list[list[float]]] = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", EXPECTED)
@torch.inference_mode()
def test_an_import_computes_what_its_own_toolkit_computes(kind: str, tmp_path: Path) -> None:
    imported = read_checkpoint(parity_folders(tmp_path)[kind].write())
    model = EncoderDecoder(imported.settings).eval()
    model.load_state_dict(imported.weights)
    difference = imported_log_probs(model, imported, SOURCES[0])[:, ::STRIDE] - torch.tensor(EXPECTED[kind])
    assert float(difference.abs().max()) <= TOLERANCE


def test_every_kind_is_compared_with_its_own_toolkit(tmp_path: Path) -> None:
    assert parity_folders(tmp_path).keys() == EXPECTED.keys()
