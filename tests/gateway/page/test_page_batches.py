"""The running batches as events, for pages that look at them."""

import asyncio
import http.client
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import PATIENCE
from tests.gateway.page.pages import get, page_for
from tests.gateway.running import gateway_process
from tests.integration.keyed import KEYS, key, write_keys
from tests.integration.served import DEFAULT_MODEL, serving
from tests.integration.shipped import one_model

METHOD = "WatchBatches"


@contextmanager
def events_of(url: str, headers: dict[str, str] | None = None) -> Iterator[Iterator[dict[str, Any]]]:
    """The events, for as long as they are wanted."""
    host, _, _ = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    try:
        connection.request("GET", "/page/batches", headers=headers or {})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
    finally:
        connection.close()


def watch(url: str, num_events: int, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    with events_of(url, headers) as events:
        return [next(events) for _ in range(num_events)]


async def test_batches_are_told_as_events_until_the_page_leaves(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, page_for(served.address) as url:
        [batch] = (await asyncio.to_thread(watch, url, 2))[1]["batches"]
        assert (batch["model"], batch["version"], batch["engine"], batch["maxRows"]) == (DEFAULT_MODEL, "1", 0, 64)
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method=METHOD, grpc_code="Canceled")


async def test_pages_share_one_call_and_see_who_joins_and_leaves(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, page_for(served.address) as url:

        def sentences() -> list[list[float]]:
            with events_of(url) as events:
                for event in events:
                    left = [one for batch in event["batches"] for one in batch["leftSentences"]]
                    if left:
                        return left
            return []

        pages = [asyncio.create_task(asyncio.to_thread(sentences)) for _ in range(5)]
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method=METHOD)
        while not all(page.done() for page in pages):
            await served.translate("A dog sleeps.")
            await asyncio.sleep(0.05)
        for page in pages:
            for _, rows, reserved, source, output, is_bulk, submitted, joined, left in await page:
                assert (rows, reserved, is_bulk) == (1, 1, 0)
                assert source > 3
                assert output > 1
                assert submitted <= joined <= left
        assert await served.metric("grpc_server_started_total", grpc_method=METHOD) == 1


async def test_who_may_watch_is_the_servers_to_say(tmp_path: Path) -> None:
    keys = write_keys(tmp_path, key("watcher"), key("reader"))
    async with serving(one_model(tmp_path), keys=keys) as served, page_for(served.address) as url:
        answer = await get(f"{url}page/batches")
        assert (answer.status, answer.json["error"]["code"]) == (401, "UNAUTHENTICATED")
        authorization = {"authorization": f"Bearer {KEYS['watcher']}"}
        assert await asyncio.to_thread(watch, url, 1, authorization)
        with pytest.raises(AssertionError, match="403"):
            await asyncio.to_thread(watch, url, 1, {"authorization": f"Bearer {KEYS['reader']}"})


async def test_a_server_that_ends_is_an_event(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, page_for(served.address) as url:

        def last() -> dict[str, Any]:
            with events_of(url) as events:
                return list(events)[-1]

        told = asyncio.create_task(asyncio.to_thread(last))
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method=METHOD)
        await served.stop()
        assert (await told)["error"]["code"] == "UNAVAILABLE"


async def test_a_gateway_does_not_wait_for_pages_that_watch(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served:
        with gateway_process(served.address) as gateway:

            def leave() -> float:
                with events_of(gateway.url) as events:
                    next(events)
                    began = time.monotonic()
                    gateway.process.send_signal(signal.SIGINT)
                    assert list(events)[-1]["error"]["message"] == "the gateway is ending"
                    assert gateway.process.wait(PATIENCE) == 0
                    return time.monotonic() - began

            assert await asyncio.to_thread(leave) < 5
