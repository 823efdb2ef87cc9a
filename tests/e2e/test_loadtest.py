import json
from pathlib import Path

from server.serving.models.repository import read_repository
from tests.e2e.processes import ROOT, run


def test_every_model_is_loaded_and_reported_and_the_server_is_stopped(tmp_path: Path) -> None:
    """The real repository: the load test's server serves the default model by its shipped name."""
    arguments = ["--users", "2", "--seconds", "1", "--rounds", "1", "--output", str(tmp_path)]
    done = run("loadtest", *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    names = {bundle.manifest.name for bundle in read_repository(ROOT / "model_repository")}
    assert {result["name"] for result in report["results"]} == names
    for result in report["results"]:
        assert result["requests"] > 0
        assert result["failures"] == 0
        assert f"{result['name']}  " in done.stdout
    assert (tmp_path / "report.png").stat().st_size > 0
