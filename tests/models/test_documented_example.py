"""The example of docs/adding-a-model.md, registered as the page says, is a model like all others."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from export.session import GraphSession
from models.config import load_config
from models.registry import ARCHITECTURES, architecture
from server.bundle.manifest import ENCODER, STEP
from tests.models import test_architectures, test_train
from tests.parity import test_parity
from tests.small_models import SmallModel, export_small_model, read_small_model

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
SOURCE, REGISTRATION = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[CONFIG] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[(NAME, PLACE)] = ast.literal_eval(f"{{{REGISTRATION}}}").items()

OWED: list[Callable[[str], None]] = [
    test
    for test in vars(test_architectures).values()
    if test_architectures.EVERY_ARCHITECTURE.mark in getattr(test, "pytestmark", ())
]
"""The tests that every registered architecture has to pass."""


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example as an architecture, until the tests of this file are over."""
    module_name, _, _ = PLACE.partition(":")
    path = tmp_path_factory.mktemp("example") / f"{module_name.rpartition('.')[2]}.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = spec_from_file_location(module_name, path)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module_name, module)
        spec.loader.exec_module(module)
        patch.setitem(ARCHITECTURES, NAME, PLACE)
        yield


@pytest.fixture(scope="module")
def exported(small_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallModel:
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("example")
    export_small_model(NAME, small_tokenizer, place)
    return read_small_model(NAME, place)


@pytest.fixture(scope="module")
def fp32(exported: SmallModel) -> GraphSession:
    return GraphSession(exported.fp32 / ENCODER, exported.fp32 / STEP, exported.model.state)


def test_the_page_names_the_files_of_its_example() -> None:
    module_name, _, _ = PLACE.partition(":")
    assert f"`{module_name.replace('.', '/')}.py`" in PAGE
    assert f"`models/configs/{NAME.replace('_', '-')}-en-fr.toml`" in PAGE


@pytest.mark.parametrize("test", OWED, ids=lambda test: test.__name__)
def test_it_keeps_the_contract_of_architectures(test: Callable[[str], None]) -> None:
    test(NAME)


def test_what_is_exported_computes_what_pytorch_computes(exported: SmallModel, fp32: GraphSession) -> None:
    for lengths in ((1,), (9,), (1, 4, 9, 17, 30)):
        test_parity.test_log_probabilities_are_pytorch_s_at_every_step(exported, fp32, lengths)
    test_parity.test_greedy_translations_are_pytorch_s(exported, fp32)
    test_parity.test_graphs_have_no_control_flow(exported)


def test_its_int8_bundle_is_near_to_it(exported: SmallModel, fp32: GraphSession) -> None:
    int8 = GraphSession(exported.bundle.encoder, exported.bundle.step, exported.model.state)
    test_parity.test_int8_stays_near_fp32(exported, fp32, int8)
    test_parity.test_weights_of_the_int8_bundle_are_int8(exported)


def test_it_is_trained_by_its_config(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    config = load_config(path)
    assert config.architecture == NAME
    assert config.model != architecture(NAME).settings(), "settings that say nothing"
    torch.set_num_threads(1)
    test_train.test_training_lowers_the_loss(test_train.Workplace(tmp_path), NAME)
