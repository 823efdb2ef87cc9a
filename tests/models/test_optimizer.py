import pytest
import torch

from models.config import TrainingConfig
from models.optimizer import Muon, build_optimizers, orthogonalised
from models.registry import ARCHITECTURES
from tests.small_models import VOCABULARY_SIZE, build_random_model


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8)])
def test_an_update_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    singular_values = torch.linalg.svdvals(
        orthogonalised(torch.randn(3, *shape) * torch.tensor([0.01, 1, 100])[:, None, None])
    )
    assert singular_values.shape == (3, min(shape))
    assert ((singular_values > 0.5) & (singular_values < 1.5)).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_muon_gets_the_matrices_that_are_no_tables(architecture: str) -> None:
    model = build_random_model(architecture)
    adam, muon = build_optimizers(model, TrainingConfig())
    assert isinstance(muon, Muon)
    matrices = [parameter for group in muon.param_groups for parameter in group["params"]]
    assert matrices
    assert all(matrix.ndim == 2 and matrix.shape[0] != VOCABULARY_SIZE for matrix in matrices)
    others = [parameter for group in adam.param_groups for parameter in group["params"]]
    assert len(matrices) + len(others) == len(list(model.parameters()))
    assert all(other.ndim == 1 or other.shape[0] == VOCABULARY_SIZE for other in others)
