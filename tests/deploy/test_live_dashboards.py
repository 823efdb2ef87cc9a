"""The dashboards over a real Prometheus; under load, `python -m deploy.live_dashboards` looks at their numbers."""

import shutil
from pathlib import Path

import pytest

from deploy.live_dashboards import empty_after_one_call, watched_server

PROMETHEUS = shutil.which("prometheus")


@pytest.mark.skipif(not PROMETHEUS, reason="prometheus, of Debian's package of that name, is not there")
def test_one_call_and_one_failure_show_in_every_panel(tmp_path: Path) -> None:
    with watched_server(tmp_path, str(PROMETHEUS)) as watched:
        # A panel of what is not there is empty: this one is not, whatever it says of the others.
        missing = {"title": "of no series", "targets": [{"expr": "seq2serve_no_such_total", "legendFormat": ""}]}
        watched.dashboards["planted"] = {"panels": [missing]}
        assert empty_after_one_call(watched) == ["planted, after one call and one failure: of no series: empty"]
