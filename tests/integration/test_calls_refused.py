"""Calls that a server refuses: what they are told, what the log has of them, and what is counted."""

import logging
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from server.errors import Unauthenticated
from server.serving.metrics import Metrics
from server.serving.protocols.pb import inference_pb2
from tests.fakes import MANIFEST, PATIENCE
from tests.integration.served import refusal, serving
from tests.integration.shipped import one_model


async def test_a_method_that_a_service_does_not_have_is_named(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served:
        call: Any = served.channel.unary_unary("/grpc.health.v1.Health/List")
        code, message, _ = await refusal(call(b"", timeout=PATIENCE))
        assert (code, message) == (grpc.StatusCode.UNIMPLEMENTED, "no method 'List' is served here")


async def test_unreadable_probes_are_one_line_a_second(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(one_model(tmp_path)) as served:
        call: Any = served.channel.unary_unary("/grpc.health.v1.Health/Check")
        for _ in range(50):
            code, _, _ = await refusal(call(b"\xff", timeout=PATIENCE))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert len([line for line in caplog.messages if "a message of the contract expected" in line]) < 10


async def test_a_name_that_ends_before_its_version_unloads_nothing(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served:
        for method in ("RepositoryModelLoad", "RepositoryModelUnload"):
            call: Any = served.channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            body = inference_pb2.RepositoryModelUnloadRequest(model_name="rnn-en-fr@").SerializeToString()
            code, message, _ = await refusal(call(body, timeout=PATIENCE))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert message == "model_name: a version behind @ expected, got 'rnn-en-fr@'"


def test_every_way_that_a_request_ends_is_forgotten_with_its_version() -> None:
    metrics = Metrics()
    metrics.know(MANIFEST)
    metrics.requests.end(MANIFEST.name, MANIFEST.version, Unauthenticated.reason.lower(), 1.0, 1)
    metrics.forget(MANIFEST)
    assert MANIFEST.name not in generate_latest(metrics.registry).decode()
