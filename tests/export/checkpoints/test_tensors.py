import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch

from export.checkpoints.imported import ImportProblem
from export.checkpoints.tensors import read_tensors
from tests.export.checkpoints.folders import Layout, write_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([0.5, -1.5]), "c": torch.zeros(1)}


@pytest.mark.parametrize("layout", get_args(Layout))
def test_every_layout_holds_the_same_tensors(layout: Layout, tmp_path: Path) -> None:
    write_tensors(tmp_path, TENSORS, layout)
    stored = read_tensors(tmp_path)
    assert stored.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(stored.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert len(stored.sha256) == 64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_another_precision_are_computed_with_in_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    write_tensors(tmp_path, {name: tensor.to(dtype) for name, tensor in TENSORS.items()}, "safetensors")
    stored = read_tensors(tmp_path)
    assert {tensor.dtype for tensor in stored.tensors.values()} == {torch.float32}
    assert stored.dtypes == str(dtype).removeprefix("torch.")


def test_safetensors_are_preferred_where_both_kinds_lie_side_by_side(tmp_path: Path) -> None:
    write_tensors(tmp_path, {"old": torch.zeros(1)}, "zip")
    write_tensors(tmp_path, TENSORS, "safetensors")
    assert read_tensors(tmp_path).file == "model.safetensors"


def _cut(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])


def _fill_with_noise(folder: Path) -> None:
    next(folder.glob("*.safetensors")).write_bytes(b"noise" * 100)


def _empty(folder: Path) -> None:
    next(folder.glob("*.safetensors")).write_bytes(b"")


def _leave_a_pointer(folder: Path) -> None:
    next(folder.glob("*.safetensors")).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n")


def _replace_with_pickle(content: object) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        next(folder.glob("*.safetensors")).unlink()
        torch.save(content, folder / "pytorch_model.bin")

    return replace


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_cut, "model.safetensors cannot be read"),
        (_fill_with_noise, "model.safetensors cannot be read"),
        (_empty, "model.safetensors cannot be read"),
        (_leave_a_pointer, "git lfs pull"),
        (_replace_with_pickle({"model": argparse.Namespace(lr=1)}), "more than tensors"),
        (_replace_with_pickle({"model": {"w": torch.zeros(1)}}), "a state dict expected"),
        (_replace_with_pickle([torch.zeros(1)]), "a state dict expected, tensors by name, got list"),
        (lambda folder: next(folder.glob("*.safetensors")).unlink(), "no tensors"),
    ],
)
def test_a_damaged_file_is_named(damage: Callable[[Path], None], expected: str, tmp_path: Path) -> None:
    write_tensors(tmp_path, TENSORS, "safetensors")
    damage(tmp_path)
    with pytest.raises(ImportProblem, match=expected):
        read_tensors(tmp_path)


def test_every_missing_shard_is_named(tmp_path: Path) -> None:
    write_tensors(tmp_path, TENSORS, "sharded safetensors")
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ImportProblem, match=r"00001-of-00002.safetensors is missing.*00002-of-00002"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": ["a"]}, {"weight_map": {"a": "../a.bin"}}])
def test_an_index_that_names_no_files_beside_it_is_refused(index: object, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ImportProblem, match=r"index.json: "):
        read_tensors(tmp_path)


def test_quantised_and_broken_values_are_both_named(tmp_path: Path) -> None:
    tensors = {"q": torch.zeros(2, dtype=torch.int8), "n": torch.tensor([float("nan")]), "i": torch.tensor([torch.inf])}
    write_tensors(tmp_path, tensors, "safetensors")
    with pytest.raises(ImportProblem) as raised:
        read_tensors(tmp_path)
    assert {problem.split(": ")[1].split()[0] for problem in raised.value.problems} == {"q", "n", "i"}
