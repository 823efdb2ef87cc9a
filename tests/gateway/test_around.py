"""What holds for every API: leaving, limits, keys, headers, an absent server."""

import asyncio
import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway.metrics import Metrics
from gateway.serve import listening
from seq2serve.addresses import Address
from tests.fakes import PATIENCE
from tests.gateway.running import gateway_here, gateway_process
from tests.integration.keyed import KEYS, key, write_keys
from tests.integration.served import serving
from tests.integration.shipped import one_model

DOG = "A dog sleeps."
BODY = {"q": DOG, "source": "en", "target": "fr"}
CONTRACT = {"contents": [DOG]}
SERVICE = "translation.v1.TranslationService"


async def post(url: str, path: str = "/translate", body: Any = None, **headers: str) -> requests.Response:
    return await asyncio.to_thread(requests.post, url + path, json=body or BODY, headers=headers, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/translate", '{"q": "A dog sleeps.", "source": "en", "target": "fr"}'),
        ("/v1/stream", '{"contents": ["A dog sleeps."]}'),
        ("/translation.v1.TranslationService/Translate", '{"contents": ["A dog sleeps."]}'),
    ],
)
async def test_a_client_that_leaves_has_nothing_more_decoded(tmp_path: Path, path: str, body: str) -> None:
    async with serving(one_model(tmp_path), gated=True) as served, gateway_here(served.address) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
        connection.request("POST", path, body, {"content-type": "application/json"})
        await served.held()
        connection.close()
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_code="Canceled")


async def test_one_array_is_one_request(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, gateway_here(served.address) as url:
        assert (await post(url, body=BODY | {"q": [DOG] * 100})).status_code == 200
        rpc = {"grpc_method": "Translate", "grpc_code": "OK"}
        await served.wait_for_metric(1, "grpc_server_handled_total", **rpc)


async def test_keys_are_the_servers(tmp_path: Path) -> None:
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=1)
    keys = write_keys(tmp_path, limited, key("other"), key("reader"))
    async with serving(one_model(tmp_path), keys=keys) as served, gateway_here(served.address) as url:
        assert (await post(url)).status_code == 400
        assert (await post(url)).json()["error"] == "Please contact the server operator to get an API key"
        wrong = await post(url, body=BODY | {"api_key": "wrong"})
        assert (wrong.status_code, wrong.json()["error"]) == (403, "Invalid API key")
        for sent in ({"authorization": f"Bearer {KEYS['other']}"}, {"x-api-key": KEYS["other"]}):
            assert (await post(url, **sent)).status_code == 200
        several = await post(url, body=BODY | {"q": [DOG, DOG], "api_key": KEYS["other"]})
        assert several.status_code == 200
        assert (await post(url, body=BODY | {"api_key": KEYS["reader"]})).status_code == 403
        deepl = {"text": [DOG], "source_lang": "EN", "target_lang": "FR"}
        headers = {"authorization": f"DeepL-Auth-Key {KEYS['other']}"}
        assert (await post(url, "/v2/translate", deepl, **headers)).status_code == 200
        assert (await post(url, "/v2/translate", deepl)).status_code == 403
        assert (await post(url, "/v1/stream", CONTRACT)).status_code == 401
        unknown = await post(url, "/translation.v1.TranslationService/Translate", CONTRACT)
        assert (unknown.status_code, unknown.json()["code"]) == (401, "unauthenticated")
        settings = await asyncio.to_thread(requests.get, f"{url}/frontend/settings", timeout=PATIENCE)
        assert (settings.json()["keyRequired"], settings.json()["charLimit"]) == (True, -1)
        ready = await asyncio.to_thread(requests.get, f"{url}/ready", timeout=PATIENCE)
        assert ready.status_code == 200

        assert (await post(url, body=BODY | {"api_key": KEYS["translator"]})).status_code == 200
        refused = await post(url, body=BODY | {"api_key": KEYS["translator"]})
        assert refused.status_code == 429
        assert refused.json()["error"].startswith("Slowdown: key translator may have 1 source tokens a second")
        told = {name: refused.headers[name] for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining")}
        assert told == {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
        assert int(refused.headers["Retry-After"]) == int(refused.headers["X-RateLimit-Reset"]) >= 1


async def test_what_is_too_much_is_refused(tmp_path: Path) -> None:
    async with (
        serving(one_model(tmp_path), gated=True) as served,
        gateway_here(served.address, max_requests=1, max_body_kilobytes=1) as url,
    ):
        large = await post(url, body=BODY | {"q": "x" * 2000})
        assert (large.status_code, "at most 1024 bytes expected, got 20" in large.json()["error"]) == (413, True)
        chunks = await asyncio.to_thread(
            requests.post, f"{url}/translate", data=iter([b"q=", b"x" * 2000]), timeout=PATIENCE
        )
        assert chunks.status_code == 413
        waiting = asyncio.create_task(post(url))
        await served.held()
        refused = await post(url, "/v2/translate")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"message": "1 requests are being answered, which is the limit"}
        served.gate.open()
        assert (await waiting).status_code == 200


async def test_a_burst_gets_through_in_order(tmp_path: Path) -> None:
    """More requests than a connection to the server may have calls at a time."""
    async with serving(one_model(tmp_path)) as served, gateway_here(served.address) as url:
        ended: list[int] = []

        async def ask(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            body = f"q=A+dog+number+{number}+sleeps.&source=en&target=fr".encode()
            head = f"POST /translate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            ended.append(number)
            writer.close()

        tasks = []
        for number in range(200):
            tasks.append(asyncio.create_task(ask(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert max(abs(place - number) for place, number in enumerate(ended)) < 128


async def test_health_is_told_however_many_requests_there_are(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path), gated=True) as served, gateway_here(served.address, max_requests=1) as url:
        waiting = asyncio.create_task(post(url))
        await served.held()
        assert (await post(url)).status_code == 429
        health = await asyncio.to_thread(requests.get, f"{url}/health", timeout=PATIENCE)
        assert health.status_code == 200
        refused = await post(url, "/translation.v1.TranslationService/Translate", CONTRACT)
        assert (refused.status_code, refused.json()["code"]) == (429, "resource_exhausted")
        served.gate.open()
        await waiting


async def test_what_nobody_has_thought_of_is_answered_like_all_else(tmp_path: Path) -> None:
    """Here the folder of the glossaries goes."""
    folder = tmp_path / "glossaries"
    glossary = {"name": "a", "source_lang": "en", "target_lang": "fr", "entries": "a\tb", "entries_format": "tsv"}
    async with serving(one_model(tmp_path)) as served, gateway_here(served.address, glossaries=str(folder)) as url:
        folder.rmdir()
        failed = await post(url, "/v2/glossaries", glossary, **{"x-request-id": "mine"})
        assert (failed.status_code, failed.json()) == (500, {"message": "internal error"})
        assert (failed.headers["x-request-id"], failed.headers["cache-control"]) == ("mine", "no-store")
        listed = await asyncio.to_thread(requests.get, f"{url}/v2/glossaries", timeout=PATIENCE)
        assert listed.json() == {"glossaries": []}


async def test_requests_are_counted_by_route_and_method_of_the_contract(tmp_path: Path) -> None:
    metrics = Metrics()
    async with serving(one_model(tmp_path)) as served, gateway_here(served.address, metrics=metrics) as url:
        await post(url)
        await post(url, "/v2/translate", {"text": [DOG], "target_lang": "FR"})
        await post(url, "/translation.v1.TranslationService/Translate", CONTRACT)
        await post(url, "/translation.v1.TranslationService/GetModel", {"name": "none"})
        await post(url, "/nowhere/A+dog")
    counted = {
        (sample.labels["route"], sample.labels["status"])
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "seq2serve_gateway_requests_total"
    }
    assert counted == {
        ("/translate", "200"),
        ("/v2/translate", "200"),
        ("/translation.v1.TranslationService/Translate", "200"),
        ("/translation.v1.TranslationService/GetModel", "404"),
        ("none", "404"),
    }


@pytest.mark.parametrize("path", ["/translate", "/v2/translate", "/v1/stream"])
def test_compressed_bodies_are_refused_by_name(url: str, path: str) -> None:
    body, headers = gzip.compress(json.dumps(BODY).encode()), {"content-encoding": "gzip"}
    answer = requests.post(url + path, data=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 415
    assert "Invalid request: Content-Encoding: none expected, got 'gzip'" in answer.json().values()


async def test_bodies_take_no_more_memory_and_time_than_they_may(tmp_path: Path) -> None:
    """Sixteen of the largest ones, and a body that does not end is waited for no longer than an answer would be."""
    host = "127.0.0.1"
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    async with gateway_here("127.0.0.1:1", max_body_kilobytes=1, timeout_seconds=2) as url:
        port = int(url.rpartition(":")[2])
        slow = [await asyncio.open_connection(host, port) for _ in range(16)]
        for _, writer in slow:
            writer.write(head + b"x" * 990)
        over = await eventually_refused(url)
        assert (over.status_code, over.headers["retry-after"]) == (429, "1")
        assert over.json() == {"error": "the bodies of all requests have 16384 bytes, which is the limit"}
        for reader, writer in slow:
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert answer.endswith(b'{"error":"the body has not come within 2 s"}')
            writer.close()
        assert (await post(url, body={"q": "x" * 700})).status_code == 400


async def eventually_refused(url: str) -> requests.Response:
    """Once what others have sent has been read."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await post(url, body={"q": "x" * 700})).status_code == 400:
            pass
    return answer


@pytest.mark.parametrize("host", ["127.0.0.1", "", "::1"])
def test_no_part_of_an_answer_waits_for_the_one_before(host: str) -> None:
    """Head and body are two writes; with Nagle's algorithm the body waits for the client's delayed acknowledgement."""
    with (
        listening(Address(host)) as listener,
        socket.create_connection((host or "127.0.0.1", listener.getsockname()[1])),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_pages_of_other_sites_may_call_where_they_are_named(tmp_path: Path) -> None:
    ours = {"origin": "https://ours.example"}
    async with serving(one_model(tmp_path)) as served:
        async with gateway_here(served.address, cors_origins="https://ours.example/") as url:
            assert (await post(url, **ours)).headers["access-control-allow-origin"] == "https://ours.example"
            other = await post(url, origin="https://other.example")
            assert "access-control-allow-origin" not in other.headers
            headers = ours | {
                "access-control-request-method": "POST",
                "access-control-request-headers": "connect-protocol-version",
            }
            asked = await asyncio.to_thread(requests.options, f"{url}/translate", headers=headers, timeout=PATIENCE)
            assert asked.status_code == 200
            assert "connect-protocol-version" in asked.headers["access-control-allow-headers"]
        async with gateway_here(served.address) as url:
            assert "access-control-allow-origin" not in (await post(url, **ours)).headers


def test_every_answer_says_that_it_is_data(url: str) -> None:
    for path in ("/languages", "/nowhere", "/v2/nowhere"):
        answer = requests.get(url + path, headers={"x-request-id": "mine"}, timeout=PATIENCE)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-request-id"] == "mine"
        assert "server" not in answer.headers
    assert requests.get(f"{url}/translate", timeout=PATIENCE).json() == {"error": "Method Not Allowed"}
    assert requests.get(f"{url}/v2/nowhere", timeout=PATIENCE).json() == {"message": "Not Found"}


def test_ctrl_c_lets_what_runs_end(server: Any) -> None:
    with gateway_process(server.address) as gateway:
        texts = [f"A man number {number} is playing guitar in the park." for number in range(1000)]
        with requests.post(
            f"{gateway.url}/v1/stream", json={"contents": texts[:100]}, stream=True, timeout=30
        ) as answer:
            lines = answer.iter_lines()
            next(lines)
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGINT)
            assert list(lines)[-3:-1] == [b"event: end", b"data: {}"]
        assert gateway.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--listen=0.0.0.0:0"], "listen: 0.0.0.0:0 can be reached from other machines: tls_certificate and tls_key"),
        (["--max-requests=0"], "max_requests: at least 1 expected, got 0"),
        (["--cors-origins=ours.example"], "cors_origins: * or origins such as https://example.org expected, got"),
        (["--tls-key=a"], "tls_certificate and tls_key: both expected, or neither"),
        (["--server=nowhere"], "address: host:port"),
        (["--log-format=xml"], "log_format: text or json expected, got 'xml'"),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], problem: str) -> None:
    command = [sys.executable, "-m", "gateway", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert problem in done.stderr
