"""Clients that go away before they are answered."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.served import DEFAULT_MODEL, answer, request, serving
from tests.small_models import SENTENCES


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_a_client_that_goes_away_frees_its_rows(rnn_repository: Path, method: str) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = asyncio.ensure_future(answer(served, method, request(*SENTENCES[:2])))
        await served.held()
        call.cancel()
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method=method, grpc_code="Canceled")
        served.gate.open()
        await served.wait_for_metric(2, "seq2serve_rows_left_total", model=DEFAULT_MODEL)
        await served.wait_for_metric(0, "seq2serve_active_rows", model=DEFAULT_MODEL)
        written = await served.metric("seq2serve_batch_rows_sum", model=DEFAULT_MODEL)
        assert written == 2, "one step, in which both were when the client left"
