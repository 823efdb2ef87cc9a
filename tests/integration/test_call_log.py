"""A line in the log for each call: who asked, how it ended, and how long each phase took."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from log_format import JsonFormatter, TextFormatter
from seq2serve.pb import translation_pb2 as pb
from tests.fakes import PATIENCE
from tests.integration.keyed import bearer, key, write_keys
from tests.integration.served import Served, eventually, refusal, request, serving
from tests.integration.shipped import one_model

METHOD = "translation.v1.TranslationService/"
SECRET = "Swordfish"
PHASES = ("queue_ms", "encode_ms", "decode_ms", "detokenise_ms")


async def lines(caplog: pytest.LogCaptureFixture, number: int) -> list[dict[str, Any]]:
    """The calls' lines, as JSON, once there are so many: a line is written a moment after its answer."""

    async def have_come() -> bool:
        return len(_records(caplog)) >= number

    await eventually(have_come)
    written = [JsonFormatter().format(record) for record in _records(caplog)]
    assert not any("\n" in line or SECRET in line for line in written)
    assert len(written) == number
    return [json.loads(line) for line in written]


def _records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if hasattr(record, "fields")]


async def translate(served: Served, **metadata: str) -> pb.TranslateResponse:
    with_key = (*bearer("translator"), *metadata.items())
    return await served.stub.Translate(request(f"My {SECRET} sleeps."), timeout=PATIENCE, metadata=with_key)


async def test_every_call_has_a_line_with_its_phases(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keys = write_keys(tmp_path, key("translator"))
    async with serving(one_model(tmp_path), keys=keys, log_format="json", cache_megabytes=1) as served:
        await translate(served, **{"x-request-id": "first"})
        [line] = await lines(caplog, 1)
        assert line["level"] == "INFO"
        assert (line["request_id"], line["caller"], line["code"]) == ("first", "translator", "OK")
        assert (line["method"], line["model"], line["version"]) == (METHOD + "Translate", "rnn-en-fr", "1")
        assert line["source_tokens"] > 2
        assert line["output_tokens"] > 2
        assert all(line[phase] >= 0 for phase in PHASES)
        assert sum(line[phase] for phase in PHASES) <= line["total_ms"]
        assert line["decode_ms"] > 0

        await translate(served)  # which the cache has
        line = (await lines(caplog, 2))[-1]
        assert line["source_tokens"] == 0
        assert "decode_ms" not in line

        code, _, _ = await refusal(served.stub.Translate(request(SECRET), timeout=PATIENCE))
        line = (await lines(caplog, 3))[-1]
        assert line["code"] == code.name == "UNAUTHENTICATED"
        assert "model" not in line


async def test_every_request_of_a_stream_has_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(one_model(tmp_path), log_format="json") as served:
        good = pb.TranslateStreamRequest(id="a", request=request(f"{SECRET} sleeps."))
        bad = pb.TranslateStreamRequest(id="b", request=request("a", model=SECRET))
        async for _ in served.stub.TranslateStream(iter([good, bad]), timeout=PATIENCE):
            pass
        *answered, stream = await lines(caplog, 3)
        assert sorted(line["code"] for line in answered) == ["NOT_FOUND", "OK"]
        assert [line.get("model") for line in sorted(answered, key=lambda line: line["code"])] == [None, "rnn-en-fr"]
        assert stream["code"] == "OK"
        assert "model" not in stream


async def test_slow_calls_alone_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(one_model(tmp_path), gated=True, slow_request_ms=300) as served:
        code, _, _ = await refusal(served.stub.Translate(request("a", model=SECRET), timeout=PATIENCE))
        assert code is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError):  # nothing is decoded while the gate is shut
            await served.stub.Translate(request(f"{SECRET} sleeps."), timeout=0.4)
        [line] = await lines(caplog, 1)
        assert (line["level"], line["code"]) == ("WARNING", "DEADLINE_EXCEEDED")
        assert line["total_ms"] > 300
        assert line["model"] == "rnn-en-fr"
        [text] = [TextFormatter("%(message)s").format(record) for record in _records(caplog)]
        assert text.startswith(f"slow call request_id={line['request_id']} caller=ipv4:")
        assert f" total_ms={line['total_ms']} model=rnn-en-fr" in text


def test_a_traceback_is_a_field_of_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("server", logging.ERROR, "", 0, "%s failed", ("a",), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "a failed"
    assert line["exception"].endswith("ValueError: two\nlines")
    assert line["time"].endswith("+00:00")
