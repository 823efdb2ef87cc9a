"""Native Marian models that cannot be imported are refused in words that name every problem."""

from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.imported import ImportProblem
from export.checkpoints.marian_npz import read
from tests.export.checkpoints.marian_files import (
    D_MODEL,
    ENCODER_FFN,
    change_arrays,
    marian_folder,
    model_options,
    piece_names,
    pieces_model,
    write_decoder,
    write_npz,
    yaml_array,
)

EN_FR = ("en", "fr")
NUM_PIECES = len(piece_names(pieces_model()))


def problems_of(folder: Path, languages: tuple[str, str] | None = EN_FR) -> list[str]:
    with pytest.raises(ImportProblem) as caught:
        read(folder, languages, "own")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("type", "s2s"),
        ("type", "transformer-new"),
        ("right-left", "true"),
        ("transformer-ffn-depth", "3"),
        ("transformer-decoder-ffn-depth", "1"),
        ("transformer-ffn-activation", "geglu"),
        ("transformer-no-projection", "true"),
        ("transformer-rnn-projection", "true"),
        ("transformer-pool", "true"),
        ("transformer-no-bias", "true"),
        ("transformer-no-affine", "true"),
        ("transformer-disable-position-embeddings", "true"),
        ("transformer-attention-mask", "alibi"),
        ("transformer-decoder-autoreg", "average-attention"),
        ("transformer-tied-layers", "\n  - 1"),
        ("transformer-postprocess-top", "a"),
        ("transformer-postprocess-emb", "r"),
        ("transformer-postprocess", "dar"),
        ("transformer-postprocess", "dhn"),
        ("transformer-preprocess", "n"),
        ("lemma-dim-emb", "64"),
        ("layer-normalization", "true"),
        ("ulr", "true"),
        ("input-types", "\n  - class"),
        ("dim-emb", "many"),
        ("dim-emb", "18"),
        ("enc-depth", "0"),
        ("enc-depth", "-1"),
        ("transformer-heads", "3"),
        ("dim-vocabs", "\n  - 100"),
        ("dim-vocabs", "\n  - 100\n  - 100\n  - 100"),
        ("dim-vocabs", "\n  - 0\n  - 100"),
        ("dim-vocabs", "100"),
        ("tied-embeddings", "maybe"),
    ],
)
def test_an_option_that_is_not_supported_is_refused_by_its_name_and_value(
    option: str, value: str, tmp_path: Path
) -> None:
    folder = marian_folder(tmp_path)
    options = model_options(NUM_PIECES, NUM_PIECES) | {option: value}
    change_arrays(folder, **{"special:model.yml": yaml_array(options)})
    (problem,) = problems_of(folder)
    assert problem.startswith("model.npz: special:model.yml: ")
    assert option in problem
    assert value.replace("\n  - ", ", ").removeprefix(", ").split("-")[-1] in problem


def test_a_recurrence_other_than_the_ssru_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(marian_folder(tmp_path, transformer_decoder_autoreg="rnn", dec_cell="gru"))
    assert "dec-cell: ssru" in problem
    assert problem.endswith("got gru")


@pytest.mark.parametrize("version", ["v1.9.0 ba94c5b9 2020-05-17 10:42:17 +0100", "v1.12.0", "unknown"])
def test_a_gelu_that_may_be_the_approximate_one_is_refused(version: str, tmp_path: Path) -> None:
    (problem,) = problems_of(marian_folder(tmp_path, transformer_ffn_activation="gelu", version=version))
    assert "transformer-ffn-activation=gelu" in problem
    assert version in problem


@pytest.mark.parametrize("version", ["v1.9.0 ba94c5b9 2020-05-17 10:42:17 +0100", "unknown"])
def test_norms_before_sublayers_are_refused_of_versions_that_left_keys_unnormalised(
    version: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(
        marian_folder(tmp_path, transformer_preprocess="n", transformer_postprocess="da", version=version)
    )
    assert "transformer-preprocess=n" in problem
    assert version in problem


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path, transformer_ffn_depth="3", right_left="true")
    (folder / "vocab.spm").unlink()
    problems = problems_of(folder, languages=None)
    for part in ("transformer-ffn-depth", "right-left", "vocab.spm", "source language", "target language"):
        assert any(part in problem for problem in problems), (part, problems)


def test_tensors_that_are_missing_unknown_misshapen_or_not_finite_are_all_named(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(
        folder,
        encoder_l1_self_Wq=None,
        encoder_l9_self_Wq=np.zeros((2, 3), np.float32),
        decoder_l1_context_bk=np.zeros((1, 5), np.float32),
        encoder_l2_ffn_b1=np.full((1, ENCODER_FFN), np.nan, np.float32),
        encoder_l2_ffn_b2=np.zeros((1, D_MODEL), np.int32),
    )
    assert sorted(problems_of(folder)) == [
        "model.npz: decoder_l1_context_bk: shape [1, 16] expected, got [1, 5]",
        "model.npz: encoder_l1_self_Wq: missing, [16, 16] expected",
        "model.npz: encoder_l2_ffn_b1: finite numbers expected",
        "model.npz: encoder_l2_ffn_b2: float32 or float16 expected, got int32",
        "model.npz: encoder_l9_self_Wq: unknown tensor, of shape [2, 3]",
    ]


def test_a_model_without_its_yaml_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(folder, **{"special:model.yml": None})
    assert "no special:model.yml" in problems_of(folder)[0]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"a: b: [", b"no colon here", b"  indented: 1"])
def test_a_yaml_that_cannot_be_read_is_refused(content: bytes, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    change_arrays(folder, **{"special:model.yml": np.frombuffer(content, np.int8)})
    assert problems_of(folder)[0].startswith("model.npz: special:model.yml: ")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_damaged_file_is_refused(share: float, tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    content = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(content[: int(len(content) * share)])
    assert problems_of(folder)[0].startswith("model.npz: no archive of arrays that can be read")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    write_npz(folder / "model.npz", {"Wemb": np.array([{}], dtype=object)})
    assert problems_of(folder)[0].startswith("model.npz: no archive of arrays that can be read")


def test_embeddings_that_are_tied_need_one_vocabulary(tmp_path: Path) -> None:
    folder = marian_folder(tmp_path)
    names = piece_names(pieces_model())
    (folder / "other.vocab.yml").write_text("".join(f'"{name}": {index}\n' for index, name in enumerate(names[::-1])))
    (folder / "source.spm").write_bytes(pieces_model())
    write_decoder(folder / "decoder.yml", "model.npz", "other.vocab.yml", "vocab.spm")
    assert any("one for both sides" in problem for problem in problems_of(folder))
