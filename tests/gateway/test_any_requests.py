"""Whatever bytes come over HTTP are answered or refused, and an honest client beside them is answered all the time.
`make fuzz-http` has many more of them."""

from pathlib import Path

import pytest

from tests.e2e.processes import ServerProcess
from tests.fuzz.over_http import failures_in, running_gateway, send_all


@pytest.mark.parametrize("num_connections", [150, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_an_honest_client_is_answered_beside_any_requests(
    server: ServerProcess, tmp_path: Path, num_connections: int
) -> None:
    log = tmp_path / "gateway.log"
    with running_gateway(server.address, log) as target:
        outcome = await send_all(target, seed=1, num_connections=num_connections)
    assert outcome.problems == []
    assert failures_in(log) == []
    assert {"200", "400", "404", "405"} <= outcome.statuses.keys()
