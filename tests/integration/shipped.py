"""A repository of one shipped model, for tests to which models do not matter: it loads quickly."""

from pathlib import Path

from tests.e2e.processes import ROOT
from tests.integration.served import DEFAULT_MODEL


def one_model(folder: Path) -> Path:
    repository = folder / "models"
    repository.mkdir()
    (repository / DEFAULT_MODEL).symlink_to(ROOT / "model_repository" / DEFAULT_MODEL)
    return repository
