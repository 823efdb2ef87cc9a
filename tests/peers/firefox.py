"""A student as Firefox ships it, in Mozilla's engine and imported: greedy translations.

It takes PyPI's fxtranslate, which rounds activations to int8 as well, and embeddings; the import computes with the same
int8 weights. So what a student knows by heart has to be the same, and what it babbles need not.
"""

import tempfile
from pathlib import Path

import numpy as np

from export.checkpoints.firefox import read
from export.checkpoints.marian_binary import INTGEMM8_BROWSERMT
from tests.export.checkpoints.marian_files import Arrays, write_bin
from tests.export.checkpoints.marian_runs import greedy, load_model

FIXTURES = Path(__file__).parents[1] / "export" / "checkpoints" / "fixtures"
LARGEST_ACTIVATION = 6.0
"""Of the student's; larger ones are cut off in Mozilla's engine."""

NUM_LEARNED = 8
"""Sentences at the beginning of the fixture's, which the student knows by heart."""


def compare() -> list[str]:
    """What differs, in words; also prints how much."""
    try:
        from fxtranslate import Translator
    except ImportError:
        return ["firefox: PyPI's fxtranslate is not installed"]
    sources = (FIXTURES / "sentences.en").read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = (FIXTURES / "student" / "vocab.spm").read_bytes()
        (folder / "vocab.enfr.spm").write_bytes(vocabulary)
        binary = folder / "model.enfr.intgemm.alphas.bin"
        write_bin(binary, student_arrays(), INTGEMM8_BROWSERMT, quantises_embeddings=True)
        engine = Translator(binary.read_bytes(), vocabulary, vocabulary)
        theirs = [engine.translate(source) for source in sources]
        imported = read(folder, None, "own")
        model = load_model(imported)
        ours = [greedy(model, imported, source) for source in sources]
    same = [left == right for left, right in zip(ours, theirs, strict=True)]
    learned = sum(same[:NUM_LEARNED])
    print(f"firefox ({engine.backend()}): {learned} of {NUM_LEARNED} learned translations, {sum(same)} of {len(same)}")
    if learned < NUM_LEARNED:
        return [f"firefox: {learned} of {NUM_LEARNED} translations that were learned by heart are the same"]
    return []


def student_arrays() -> Arrays:
    """Arrays of the fixture's student, with the factors by which activations are quantised (`_QuantMultA`)."""
    with np.load(FIXTURES / "student" / "model.npz") as archive:
        arrays: Arrays = dict(archive)
    products = [name for name in arrays if "_W" in name and "_ln_" not in name]
    factor = np.full((1, 1), 127 / LARGEST_ACTIVATION, np.float32)
    return {**arrays, **{f"{name}_QuantMultA": factor for name in (*products, "Wemb", "none")}}
