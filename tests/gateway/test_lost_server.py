"""A server that is gone, or not yet there."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from seq2serve.reachability import RESTART_SECONDS
from tests.e2e.processes import server_process
from tests.e2e.waiting import eventually
from tests.fakes import PATIENCE
from tests.gateway.running import gateway_process
from tests.integration.shipped import one_model

DOG = "A dog sleeps."
BODY = {"q": DOG, "source": "en", "target": "fr"}
CONTRACT = {"contents": [DOG]}
SERVICE = "translation.v1.TranslationService"


def test_an_absent_server_is_said_and_its_return_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_process(f"127.0.0.1:{port}", "--timeout-seconds=2", "--log-format=json") as gateway:
        paths = {
            "/translate": BODY,
            "/v1/stream": CONTRACT,
            "/page/translate": CONTRACT,
            f"/{SERVICE}/Translate": CONTRACT,
        }
        answers = posted_at_once(gateway.url, paths)
        away = answers["/translate"]
        assert (away.status_code, away.headers.get("retry-after")) in ((503, "1"), (504, None))
        for answer in answers.values():
            assert str(port) not in answer.text, "where the server is, is nobody's business"
        assert requests.get(f"{gateway.url}/health", timeout=PATIENCE).json() == {"status": "ok"}
        assert requests.get(f"{gateway.url}/ready", timeout=PATIENCE).status_code == 503
        with server_process(one_model(tmp_path), listen=f"127.0.0.1:{port}") as server:
            eventually(lambda: requests.get(f"{gateway.url}/ready", timeout=PATIENCE).ok, "it has not been found")
            assert requests.post(f"{gateway.url}/translate", params=BODY, timeout=PATIENCE).ok
            server.process.send_signal(signal.SIGSTOP)  # busy, to whoever asks
            try:
                assert requests.get(f"{gateway.url}/ready", timeout=PATIENCE).ok
            finally:
                server.process.send_signal(signal.SIGCONT)
        gateway.process.send_signal(signal.SIGINT)
        _, log = gateway.process.communicate(timeout=PATIENCE)
        assert gateway.process.returncode == 0
        assert '"route": "/translate", "method": "POST", "status": 200' in log
        assert "dog" not in log


def test_a_server_that_is_gone_is_said_soon_by_every_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_process(f"127.0.0.1:{port}") as gateway:
        time.sleep(RESTART_SECONDS)
        bodies: dict[str, dict[str, Any]] = {
            "/translate": BODY,
            "/v2/translate": {"text": [DOG], "source_lang": "EN", "target_lang": "FR"},
            "/v1/stream": CONTRACT,
            f"/{SERVICE}/Translate": CONTRACT,
            f"/{SERVICE}/GetModel": {},
            "/page/translate": CONTRACT,
        }
        compared = "/page/compare"
        answers = posted_at_once(gateway.url, bodies | {compared: {"models": ["a", "b"], "request": CONTRACT}})
        for path in bodies:
            assert answers[path].status_code == 503, (path, answers[path].text)
            assert "no server answers" in answers[path].text
            assert answers[path].elapsed.total_seconds() < 2, path
        assert answers[compared].text.count('"code": "UNAVAILABLE"') == 2


def posted_at_once(url: str, bodies: dict[str, Any]) -> dict[str, requests.Response]:
    """The answers by path."""
    with ThreadPoolExecutor(len(bodies)) as threads:
        posted = {
            path: threads.submit(requests.post, url + path, json=body, timeout=PATIENCE)
            for path, body in bodies.items()
        }
    return {path: answer.result() for path, answer in posted.items()}
