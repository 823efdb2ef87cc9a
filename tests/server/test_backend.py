"""Graphs that are not what the manifest says are refused before they serve anything."""

import dataclasses
import shutil
from pathlib import Path

import onnx
import pytest

from server.backend import Backend, BackendOptions
from server.bundle import STEP, Bundle, BundleError
from tests.conftest import SmallModels

OPTIONS = BackendOptions(max_rows=2, num_threads=1)


@pytest.fixture
def bundle(small_model: SmallModels, tmp_path: Path) -> Bundle:
    original = small_model("lstm").bundle
    folder = tmp_path / "1"
    shutil.copytree(original.folder, folder)
    return Bundle(folder, original.manifest)


def test_a_state_that_is_never_written_is_refused(bundle: Bundle) -> None:
    model = onnx.load(bundle.step)
    outputs = model.graph.output
    outputs.remove(next(output for output in outputs if output.name == "next_cell"))
    onnx.save(model, bundle.folder / STEP)
    with pytest.raises(BundleError, match=r"step\.onnx: outputs are missing that the manifest promises: \['next_cell'"):
        Backend(bundle, OPTIONS)


def test_a_state_that_the_manifest_does_not_name_is_refused(bundle: Bundle) -> None:
    state = tuple(spec for spec in bundle.manifest.state if spec.name != "cell")
    with pytest.raises(BundleError, match=r"encoder\.onnx: outputs \['cell', 'hidden'\]"):
        Backend(Bundle(bundle.folder, dataclasses.replace(bundle.manifest, state=state)), OPTIONS)


def test_a_file_that_is_no_graph_is_refused_by_name(bundle: Bundle) -> None:
    bundle.step.write_bytes(b"nonsense")
    with pytest.raises(BundleError, match=r"step\.onnx: "):
        Backend(bundle, OPTIONS)
