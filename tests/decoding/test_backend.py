"""Graphs that are not what the manifest says are refused before they serve anything, and padding changes nothing."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.registry import ARCHITECTURES
from server.bundle.manifest import STEP, Bundle, BundleError
from server.decoding.graphs.backend import Backend, BackendOptions
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_source_is_encoded_alike_alone_and_padded(small_model: SmallModels, architecture: str) -> None:
    backend = Backend(small_model(architecture).bundle, OPTIONS)
    generator = np.random.default_rng(0)
    for _ in range(10):
        lengths = generator.integers(2, 30, 6)
        sources = [generator.integers(4, 60, length).tolist() for length in lengths]
        together = backend.encode(sources)
        for number, source in enumerate(sources):
            backend.state.write(0, together, number, len(source))
            padded = {name: buffer[0].copy() for name, buffer in backend.state.current.items()}
            backend.state.write(0, backend.encode([source]), 0, len(source))
            for name, buffer in backend.state.current.items():
                assert np.array_equal(padded[name], buffer[0]), name


def first_step(bundle: Bundle, heads: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """What a row attends to in its first step: by the heads that count, [source], and by all, [heads, source]."""
    assert bundle.manifest.alignment
    alignment = dataclasses.replace(bundle.manifest.alignment, heads=heads)
    backend = Backend(Bundle(bundle.folder, dataclasses.replace(bundle.manifest, alignment=alignment)), OPTIONS)
    source = [20, 30, 40, 50, 3]
    backend.state.write(0, backend.encode([source]), 0, len(source))
    backend.previous_ids[:] = bundle.manifest.special_ids.start
    backend.step(1)
    means, by_head = backend.attention([0], len(source), by_head=True)
    assert by_head is not None
    assert np.array_equal(means, backend.attention([0], len(source)).mean), "the same without the heads"
    return means[0], by_head[0]


def test_the_heads_that_align_are_those_that_count(small_model: SmallModels) -> None:
    bundle = small_model("transformer").bundle
    alignment = bundle.manifest.alignment
    assert alignment
    [num_heads] = [spec.shape[0] for spec in bundle.manifest.state if spec.name == alignment.keys]
    assert isinstance(num_heads, int)
    assert num_heads > 1
    each = [first_step(bundle, (head,))[0] for head in range(num_heads)]
    assert not np.allclose(each[0], each[1])
    for heads in (None, (1, 0), (1,)):
        mean, by_head = first_step(bundle, heads)
        np.testing.assert_allclose(mean, np.mean([each[head] for head in heads or range(num_heads)], axis=0), atol=1e-6)
        np.testing.assert_allclose(by_head, each, atol=1e-6)


def test_a_shortlist_of_another_vocabulary_is_refused(small_model: SmallModels) -> None:
    bundle = small_model("transformer").bundle
    for manifest, problem in (
        (
            dataclasses.replace(bundle.manifest, target_vocabulary_size=301),
            "of 300 tokens, not of the model's vocabulary",
        ),
        (dataclasses.replace(bundle.manifest, source_vocabulary_size=301), "for 300 source tokens, not those of the"),
    ):
        with pytest.raises(BundleError, match=problem):
            Backend(Bundle(bundle.folder, manifest), OPTIONS)
