"""Students of Firefox and Bergamot, `.bin`, are what their `.npz` was before it was made int8."""

import struct
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoints import marian_npz
from export.checkpoints.firefox import read, recognises
from export.checkpoints.imported import ImportProblem, Language
from export.checkpoints.marian_binary import INTGEMM8_BROWSERMT, INTGEMM8_MARIAN, read_binary
from tests.examples import examples
from tests.export.checkpoints.marian_files import (
    Arrays,
    model_arrays,
    model_options,
    piece_names,
    pieces_model,
    write_bin,
    write_npz,
)
from tests.export.checkpoints.marian_runs import load_model, score
from tests.export.checkpoints.test_lexical_shortlist import shortlist_bytes

SSRU = {
    "transformer_decoder_autoreg": "rnn",
    "dec_cell": "ssru",
    "transformer_ffn_activation": "relu",
    "transformer_decoder_dim_ffn": "0",
    "version": "v1.9.56 4c0ef17 2021-01-25 19:12:14 +0000",
}
MODEL = "model.enfr.intgemm.alphas.bin"
KINDS = {"browsermt": (INTGEMM8_BROWSERMT, True), "marian-dev": (INTGEMM8_MARIAN, False)}
NAMES = piece_names(pieces_model())


def student_arrays(source: int = len(NAMES), target: int = len(NAMES), /, **changed: str) -> Arrays:
    """With the factors of activations that Firefox's files have beside the weights."""
    arrays = model_arrays(model_options(source, target, **{**SSRU, **changed}))
    alphas = {f"{name}_QuantMultA": np.full((1, 1), 20, np.float32) for name in arrays if "_W" in name}
    return {**arrays, **alphas, "none_QuantMultA": np.full((1, 1), 12, np.float32)}


def student_folder(folder: Path, kind: str = "browsermt", **changed: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_bin(folder / MODEL, student_arrays(**changed), *KINDS[kind])
    (folder / "vocab.enfr.spm").write_bytes(pieces_model())
    return folder


def problems_of(folder: Path, languages: tuple[str, str] | None = None) -> list[str]:
    with pytest.raises(ImportProblem) as caught:
        read(folder, languages, "own")
    return list(caught.value.problems)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", [{}, {"transformer_decoder_autoreg": "self-attention"}])
def test_weights_are_those_of_the_npz_within_half_a_step_of_int8(
    kind: str, changed: dict[str, str], tmp_path: Path
) -> None:
    imported = read(student_folder(tmp_path, kind, **changed), None, "own")
    write_npz(tmp_path / "model.npz", {k: v for k, v in student_arrays(**changed).items() if "Quant" not in k})
    exact = marian_npz.read(tmp_path, ("en", "fr"), "own")
    assert imported.settings == exact.settings
    assert imported.weights.keys() == exact.weights.keys()
    for name, weight in imported.weights.items():
        step = exact.weights[name].abs().max() / 127 if weight.ndim == 2 and "positions" not in name else 0
        assert (weight - exact.weights[name]).abs().max() <= step / 2 + 1e-6, name
    assert imported.family == "firefox"
    assert imported.alignment_heads == (0,)


def test_a_student_scores_as_its_npz_does(tmp_path: Path) -> None:
    fixture = Path(__file__).parent / "fixtures" / "student"
    exact = marian_npz.read(fixture, ("en", "fr"), "own")
    (tmp_path / "vocab.enfr.spm").write_bytes((fixture / "vocab.spm").read_bytes())
    with np.load(fixture / "model.npz") as archive:
        write_bin(tmp_path / MODEL, dict(archive), *KINDS["browsermt"])
    imported = read(tmp_path, None, "own")
    pair = ("Do you speak French?", "Parlez-vous français ?")
    ours, theirs = (score(load_model(each), each, *pair) for each in (imported, exact))
    assert ours == pytest.approx(theirs, abs=0.05)


def test_the_languages_are_in_the_models_name_and_the_callers_go_before_them(tmp_path: Path) -> None:
    folder = student_folder(tmp_path)
    assert read(folder, None, "own").languages == (
        Language(code="en", is_target=False),
        Language(code="fr", is_source=False),
    )
    assert [language.code for language in read(folder, ("de", "it"), "own").languages] == ["de", "it"]
    (folder / MODEL).rename(folder / "model.bin")
    assert len(problems_of(folder)) == 2
    assert read(folder, ("en", "fr"), "own").provenance["file"] == "model.bin"


def test_split_vocabularies(tmp_path: Path) -> None:
    target = piece_names(pieces_model(reverse=True, byte_fallback=True))
    arrays = student_arrays(len(NAMES), len(target), tied_embeddings="true")
    del arrays["none_QuantMultA"]
    write_bin(tmp_path / MODEL, arrays, *KINDS["browsermt"])
    (tmp_path / "srcvocab.enfr.spm").write_bytes(pieces_model())
    (tmp_path / "trgvocab.enfr.spm").write_bytes(pieces_model(reverse=True, byte_fallback=True))
    imported = read(tmp_path, None, "own")
    assert not imported.shares_vocabulary
    assert not imported.settings.shares_embeddings
    assert imported.settings.ties_output
    assert imported.source.names is not None
    assert imported.target.names is not None
    assert (len(imported.source.names), len(imported.target.names)) == (len(NAMES) + 1, len(target) + 1)
    assert target.index("<0x0A>") in imported.never_written


def test_packed_files_are_named(tmp_path: Path) -> None:
    folder = student_folder(tmp_path)
    (folder / "vocab.enfr.spm").rename(folder / "vocab.enfr.spm.gz")
    assert any("not packed" in problem for problem in problems_of(folder))
    (folder / "vocab.enfr.spm.gz").rename(folder / "vocab.enfr.spm")
    (folder / "model.bin").write_bytes((folder / MODEL).read_bytes())
    assert any(f"got model.bin, {MODEL}" in problem for problem in problems_of(folder))


def test_it_recognises_models_and_not_those_of_other_toolkits(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    (tmp_path / "lex.50.50.enfr.s2t.bin").write_bytes(b"")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert not recognises(tmp_path)
    (tmp_path / MODEL).write_bytes(b"")
    assert recognises(tmp_path)
    (tmp_path / "config.json").write_text("{}")  # CTranslate2 has a model.bin
    assert not recognises(tmp_path)


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    folder = student_folder(tmp_path)
    content = (folder / MODEL).read_bytes()
    for length in [*range(0, 400, 7), *range(400, len(content), 1999), len(content) - 300]:
        (folder / MODEL).write_bytes(content[:length])
        (problem,) = problems_of(folder)
        assert problem.startswith(f"{MODEL}: "), length


SMALL: Arrays = {
    "Wemb": np.ones((4, 2), np.float32),
    "l1_W": np.arange(6, dtype=np.float32).reshape(2, 3),
    "l1_b": np.array([[0.5, -2]], np.float32),
    "special:model.yml": np.frombuffer(b"a: b\0\0", np.int8),
}


@examples(2)
@given(st.lists(st.tuples(st.integers(0, 330), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_file_with_any_bytes_changed_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        write_bin(path, SMALL, *KINDS["browsermt"])
        content = bytearray(path.read_bytes())
        for at, byte in changes:
            content[at] = byte
        path.write_bytes(content)
        with suppress(ImportProblem):
            assert all(array.size for array in read_binary(path).values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_item_is_what_was_written(kind: str, tmp_path: Path) -> None:
    write_bin(tmp_path / "model.bin", SMALL, *KINDS[kind])
    arrays = read_binary(tmp_path / "model.bin")
    assert list(arrays) == list(SMALL)
    for name, array in arrays.items():
        np.testing.assert_allclose(array.astype(np.float32), SMALL[name], atol=0.02)
    assert arrays["l1_W"].dtype == np.float32
    assert arrays["special:model.yml"].tobytes() == b"a: b\0\0"


@pytest.mark.parametrize(
    ("at", "layout", "value", "problem"),
    [
        (0, "<Q", 2, "a binary model of version 1 expected, got 2"),
        (8, "<Q", 1 << 40, "at most 65536 items expected"),
        (16, "<Q", 1, "an item's name of 2 to 4096 bytes expected, got 1"),
        (16, "<Q", 4, "an item's name in ASCII that ends with NUL expected"),
        (24, "<Q", 0x999, "Wemb: type: one of 0x404, 0x402, 0x101, 0x4101, 0x10001 expected, got 0x999"),
        (32, "<Q", 17, "an item of at most 16 dimensions expected, got 17"),
        (40, "<Q", 3, "Wemb: at least 12 bytes of data expected, got 3"),
        (40, "<Q", 1 << 60, "the file ends early"),
    ],
)
def test_a_header_that_is_damaged_is_refused_by_what_is_wrong(
    at: int, layout: str, value: int, problem: str, tmp_path: Path
) -> None:
    write_bin(tmp_path / "model.bin", SMALL, *KINDS["browsermt"])
    content = bytearray((tmp_path / "model.bin").read_bytes())
    struct.pack_into(layout, content, at, value)
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ImportProblem, match=f"model.bin: .*{problem}"):
        read_binary(tmp_path / "model.bin")


@pytest.mark.parametrize("quotient", [0.0, -1.0, float("nan"), float("inf")])
def test_integers_without_a_divisor_are_refused(quotient: float, tmp_path: Path) -> None:
    write_bin(tmp_path / "model.bin", {"l1_W": np.ones((2, 3), np.float32)}, *KINDS["browsermt"])
    content = bytearray((tmp_path / "model.bin").read_bytes())
    struct.pack_into("<f", content, 256 + 6, quotient)
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ImportProblem, match="l1_W: a positive divisor of its integers expected"):
        read_binary(tmp_path / "model.bin")


def test_the_shortlist_beside_the_model_is_of_its_vocabularies(tmp_path: Path) -> None:
    folder = student_folder(tmp_path)
    assert read(folder, None, "own").shortlist is None
    lexicon = folder / "lex.50.50.enfr.s2t.bin"
    lexicon.write_bytes(shortlist_bytes([[5]] * len(NAMES)))
    shortlist = read(folder, None, "own").shortlist
    assert shortlist is not None
    assert shortlist.candidates.tolist() == [[5]] * len(NAMES)
    lexicon.write_bytes(shortlist_bytes([[5]] * (len(NAMES) + 1)))
    with pytest.raises(ImportProblem, match="source tokens expected"):
        read(folder, None, "own")
    lexicon.rename(f"{lexicon}.gz")
    with pytest.raises(ImportProblem, match=r"lex.50.50.enfr.s2t.bin.gz: a shortlist that is not packed expected"):
        read(folder, None, "own")
