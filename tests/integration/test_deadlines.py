"""Deadlines that pass before the answer is there."""

from pathlib import Path

import grpc
import pytest

from tests.integration.served import DEFAULT_MODEL, request, serving
from tests.small_models import SENTENCES


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_a_deadline_that_passes_frees_the_row_and_is_answered_as_such(rnn_repository: Path, method: str) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = getattr(served.stub, method)(request(SENTENCES[0]), timeout=0.3)
        assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method=method, grpc_code="DeadlineExceeded")
        labels = {"model": DEFAULT_MODEL, "outcome": "deadline_exceeded"}
        assert await served.metric("seq2serve_request_seconds_count", **labels) == 1
        served.gate.open()
        neighbour = await served.translate(SENTENCES[1])
        assert neighbour.translations[0].translated_text
        await served.wait_for_metric(0, "seq2serve_active_rows", model=DEFAULT_MODEL)
        written = await served.metric("seq2serve_batch_rows_sum", model=DEFAULT_MODEL)
        assert written <= neighbour.translations[0].output_token_count + 2
