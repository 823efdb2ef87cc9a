"""Load tests of the shipped models, from the command line to the records."""

from pathlib import Path

import pytest

from loadtest.records import read_records
from server.serving.models.repository import read_repository
from tests.e2e.processes import ROOT, run


@pytest.mark.nightly
def test_every_model_is_measured_and_the_server_is_stopped(tmp_path: Path) -> None:
    """The real repository: the load test's server serves the default model by its shipped name."""
    done = run("loadtest", "--rate=20", "--seconds=1", "--rounds=1", f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    records = read_records(tmp_path / "records.jsonl")
    names = {bundle.manifest.name for bundle in read_repository(ROOT / "model_repository")}
    assert {record.case.name for record in records} == names
    assert len({record.case.architecture for record in records}) == 4
    for record in records:
        assert len(record.latencies_ms) == record.due > 0
        assert record.errors == {}
        assert 1 <= min(record.source_tokens) <= max(record.source_tokens) < 128
        assert record.output_tokens >= record.due
        assert record.server.requests >= record.due
        assert record.server.p50_ms
        assert record.server.p50_ms < record.percentile(100)
        assert record.server.rows_per_step
        assert record.server.engine_cores is not None
        assert record.machine.calibration_ms > 0
        assert f"{record.case.name}, " in done.stdout
    assert any(path.suffix != ".jsonl" for path in tmp_path.glob("report*"))


@pytest.mark.nightly
def test_a_short_soak_of_all_models_loses_nothing(tmp_path: Path) -> None:
    done = run("loadtest", "--soak=0.1", f"--output={tmp_path}")
    assert done.returncode in (0, 1), done.stderr
    assert "never ended" not in done.stdout
    assert "at the end\n" not in done.stdout.replace("MB at the end\n", "")
    assert "soak: 0.1 of 0.1 minutes, " in done.stdout
