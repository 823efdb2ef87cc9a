"""Answers with very much attention, which take seconds to be written as JSON: nobody else waits for them."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest
import requests
from google.protobuf.json_format import MessageToJson

from gateway.json_text import MANY_BYTES, MOST_BYTES, write_json
from seq2serve.pb import translation_pb2 as pb
from tests.gateway.running import gateway_here
from tests.seq2serve.scripted import scripted

ASKED: dict[str, Any] = {
    "contents": ["A dog sleeps and two young men are playing guitar in the park " * 8],
    "splitSentences": "SENTENCE_SPLITTING_NONE",
    "decoding": {"beamSize": 5, "numHypotheses": 5, "minOutputTokens": 60, "returnAlignmentHeads": True},
}
MOST_SECONDS = 0.3
"""That a small request may take meanwhile; the event loop would be held for three."""


@pytest.mark.parametrize("num_weights", [3, MANY_BYTES])
def test_large_and_small_messages_are_written_as_protobuf_writes_them(num_weights: int) -> None:
    token = pb.OutputToken(token="▁é\u2028", alignment=[index / 7 for index in range(num_weights)])
    message = pb.PairScore(log_prob=-1.5, tokens=[token] * 2)
    assert asyncio.run(write_json(message)) == MessageToJson(message, indent=None)


async def test_an_answer_that_would_not_fit_the_memory_as_json_is_refused_and_in_binary_it_is_whole() -> None:
    large = "x" * (MOST_BYTES + 1)
    body = {"contents": ["A dog."]}
    sent = pb.TranslateRequest(contents=body["contents"]).SerializeToString()
    method = "/translation.v1.TranslationService/Translate"

    async with scripted(large) as (_, address), gateway_here(address) as url:

        async def post(path: str, **sent: Any) -> requests.Response:
            return await asyncio.to_thread(requests.post, url + path, **sent, timeout=60)

        refused = await post(method, json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_argument")
        problem = refused.json()["message"]
        assert problem.startswith(
            "decoding.return_alignment_heads, return_alignment: an answer of at most 4000000 bytes"
        )
        assert "got one of 4000" in problem
        whole = await post(method, data=sent, headers={"content-type": "application/proto"})
        assert pb.TranslateResponse.FromString(whole.content).translations[0].translated_text == large

        page = await post("/page/translate", json=body)
        assert (page.status_code, page.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
        events = await post("/v1/stream", json=body)
        assert events.text.startswith('event: error\ndata: {"code": "INVALID_ARGUMENT", "error": "decoding.return')


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
