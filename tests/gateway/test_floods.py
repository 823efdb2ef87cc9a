"""Much at once: texts of an array, and requests that some library warns of."""

import logging
import signal
import socket

import pytest
import requests

from gateway.logs import SparseWarnings
from tests.e2e.processes import ServerProcess
from tests.fakes import PATIENCE
from tests.gateway.running import gateway_process

SERVICE = "translation.v1.TranslationService"


def test_an_array_of_more_texts_than_anybody_waits_for_is_refused(url: str) -> None:
    texts = ["a"] * 500_000
    langs = {"source": "en", "target": "fr"}
    for path, body, problem in (
        ("/translate", {"q": texts, **langs}, "Invalid request: q: at most 10000 texts expected, got 500000"),
        (
            "/v2/translate",
            {"text": texts, "target_lang": "FR"},
            "Invalid request: text: at most 10000 texts expected, got 500000",
        ),
        (f"/{SERVICE}/Translate", {"contents": texts}, "contents: 1 to 128 expected, got 500000"),
        ("/v1/stream", {"contents": texts}, "Invalid request: contents: at most 10000 texts expected, got 500000"),
    ):
        answer = requests.post(url + path, json=body, timeout=PATIENCE)
        assert answer.status_code == 400, answer.text[:200]
        assert problem in answer.json().values()
    answer = requests.post(f"{url}/translate", json={"q": texts[:300], **langs}, timeout=PATIENCE)
    assert len(answer.json()["translatedText"]) == 300


def test_no_client_fills_the_log(server: ServerProcess) -> None:
    with gateway_process(server.address) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"no HTTP\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
            form = requests.post(
                f"{gateway.url}/translate",
                data=b"--a\r\nwrong",
                headers={"content-type": "multipart/form-data; boundary=b"},
                timeout=PATIENCE,
            )
            assert form.status_code == 400
        gateway.process.send_signal(signal.SIGINT)
        _, log = gateway.process.communicate(timeout=PATIENCE)
    assert log.count("Invalid HTTP request received.") == 1
    assert len(log.splitlines()) == 2


def test_how_many_warnings_were_left_out_is_told_beside_their_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = SparseWarnings()

    def warn() -> object:
        """The fields of what is written."""
        place = {"levelno": logging.WARNING, "pathname": "a.py", "lineno": 1}
        record = logging.makeLogRecord(place | {"fields": {"file": "b"}})
        return vars(record)["fields"] if sparse.filter(record) else None

    assert [warn(), warn(), warn()] == [{"file": "b"}, None, None]
    monkeypatch.setattr("gateway.logs._QUIET_SECONDS", 0.0)
    assert warn() == {"file": "b", "omitted": 2}
