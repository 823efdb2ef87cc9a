"""Answers with very much attention, which take seconds to be written as JSON: nobody else waits for them."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest
import requests
from google.protobuf.json_format import MessageToJson

from gateway.json_text import MANY_BYTES, write_json
from seq2serve.pb import translation_pb2 as pb

ASKED: dict[str, Any] = {
    "contents": ["A dog sleeps and two young men are playing guitar in the park " * 8],
    "splitSentences": "SENTENCE_SPLITTING_NONE",
    "decoding": {"beamSize": 5, "numHypotheses": 5, "minOutputTokens": 60, "returnAlignmentHeads": True},
}
MOST_SECONDS = 0.3
"""That a small request may take meanwhile; the event loop would be held for three."""


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("num_weights", [3, MANY_BYTES])
def test_large_and_small_messages_are_written_as_protobuf_writes_them(num_weights: int, indent: int | None) -> None:
    token = pb.OutputToken(token="▁é\u2028", alignment=[index / 7 for index in range(num_weights)])
    message = pb.PairScore(log_prob=-1.5, tokens=[token] * 2)
    assert asyncio.run(write_json(message, indent=indent)) == MessageToJson(message, indent=indent)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/stream",
        pytest.param("/page/translate", marks=pytest.mark.nightly),
        pytest.param("/translation.v1.TranslationService/Translate", marks=pytest.mark.nightly),
    ],
)
def test_others_are_answered_while_a_large_answer_is_written(url: str, path: str) -> None:
    answers: list[requests.Response] = []

    def ask() -> None:
        answers.append(requests.post(url + path, json=ASKED, timeout=60))

    waited = [0.0]
    with requests.Session() as session:
        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive():
            started = time.monotonic()
            assert session.get(f"{url}/health", timeout=60).status_code == 200
            waited.append(time.monotonic() - started)
            time.sleep(0.01)
        asking.join()
    [answer] = answers
    assert answer.status_code == 200
    assert _num_weights(answer.text) > 100_000
    assert max(waited) < MOST_SECONDS


def _num_weights(text: str) -> int:
    """Of the last translation that an answer has."""
    messages = [line[6:] for line in text.split("\n") if line.startswith("data: ")] or [text]
    last: dict[str, Any] = next(
        told for told in map(json.loads, reversed(messages)) if "translation" in told or "translations" in told
    )
    translation = last.get("translation") or last["translations"][0]
    tokens = [token for hypothesis in translation["hypotheses"] for token in hypothesis["tokens"]]
    return sum(len(head["weights"]) for token in tokens for head in token["alignmentHeads"])
