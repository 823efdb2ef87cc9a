"""The page's endpoints over HTTP, without a browser."""

import asyncio
import json
import socket
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.page.events import compared_events
from seq2serve import AsyncClient
from seq2serve.pb import translation_pb2 as pb
from tests.fakes import PATIENCE
from tests.gateway.page.pages import deltas, get, page_for, post
from tests.integration.served import eventually, serving
from tests.integration.shipped import one_model
from tests.seq2serve.scripted import scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = ["rnn-en-fr", "lstm-en-fr", "lstm-attention-en-fr", "transformer-en-fr"]
SENTENCE = "Two young men are playing guitar in the park."


async def translate(url: str, text: str, model: str = "transformer-en-fr", **fields: Any) -> list[dict[str, Any]]:
    answer = await post(f"{url}page/translate", {"contents": [text], "model": model} | fields)
    assert answer.status == 200, answer
    return answer.events


async def test_models_are_listed_as_the_contract_has_them(url: str) -> None:
    answer = await get(f"{url}page/models")
    by_name = {model["name"]: model for model in answer.json["models"]}
    assert set(MODELS) < set(by_name)
    assert by_name["lstm-attention-en-fr"]["hasAlignment"] is True
    assert by_name["lstm-en-fr"]["hasAlignment"] is False
    assert answer.headers["cache-control"] == "no-store"


async def test_text_comes_as_events_and_the_last_one_has_all_of_it(url: str) -> None:
    events = await translate(url, "A dog sleeps. A cat runs.")
    whole = events[-1]["translation"]
    assert "".join(deltas(events)) == whole["translatedText"] == "Un chien dort. Un chat court."
    assert [segment["sourceStart"] for segment in whole["segments"]] == [0, 14]
    times = [event["milliseconds"] for event in events]
    assert times == sorted(times)
    assert times[0] > 0


async def test_tokens_bring_their_probabilities_and_attention(url: str) -> None:
    events = await translate(url, SENTENCE, decoding={"returnTokenScores": True, "returnAlignment": True})
    source = events[-1]["translation"]["sourceTokens"]
    tokens = [token for event in events for token in event["tokens"]]
    assert len(tokens) > 5
    for token in tokens:
        assert token["logProb"] <= 0
        assert len(token["alignment"]) == len(source)
        assert sum(token["alignment"]) == pytest.approx(1, abs=1e-3)


async def test_a_score_has_the_attention_of_each_head(url: str) -> None:
    pairs = [{"content": "A dog sleeps.", "translatedText": "Un chien dort."}]
    asked = {"pairs": pairs, "model": "transformer-en-fr", "returnAlignmentHeads": True}
    [score] = (await post(f"{url}page/score", asked)).json["scores"]
    assert all(len(token["alignmentHeads"]) > 1 for token in score["tokens"])


async def test_models_that_are_compared_answer_side_by_side(url: str) -> None:
    body = {"models": MODELS, "request": {"contents": [SENTENCE], "decoding": {"returnTokenScores": True}}}
    events = (await post(f"{url}page/compare", body)).events
    for model in MODELS:
        own = [event for event in events if event["model"] == model]
        assert "".join(deltas(own)) == own[-1]["translation"]["translatedText"]
        assert [event["model"] for event in await translate(url, SENTENCE, model)][-1] == model
        assert own[-1]["translation"]["translatedText"] == "".join(deltas(await translate(url, SENTENCE, model)))


async def test_a_model_that_fails_does_not_stop_those_beside_it(url: str) -> None:
    body = {"models": ["lstm-en-fr", "none"], "request": {"contents": [SENTENCE]}}
    events = (await post(f"{url}page/compare", body)).events
    [error] = [event["error"] for event in events if event["model"] == "none"]
    assert error["code"] == "NOT_FOUND"
    assert any("translation" in event for event in events if event["model"] == "lstm-en-fr")


async def test_a_translation_goes_on_from_a_beginning_that_is_given(url: str) -> None:
    events = await translate(url, "A dog sleeps in the park.", decoding={"targetPrefix": "Le petit"})
    assert events[-1]["translation"]["translatedText"].startswith("Le petit ")


async def test_a_translation_that_is_typed_has_a_score(url: str) -> None:
    pairs = [{"content": "A dog sleeps.", "translatedText": text} for text in ("Un chien dort.", "Un chat mange.")]
    answer = await post(f"{url}page/score", {"pairs": pairs, "model": "transformer-en-fr"})
    good, bad = answer.json["scores"]
    assert bad["score"] < good["score"] < 0
    assert good["tokens"][0]["token"] == "▁Un"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("translate", b"", "body"),
        ("translate", b"\xff", "body"),
        ("translate", b"[" * 100_000, "body"),
        ("translate", [], "body"),
        ("translate", {"contents": 7}, "body"),
        ("translate", {"contents": ["\ud800"]}, "body"),
        ("translate", {"contents": ["A dog."], "nothing": 1}, "body"),
        ("translate", {"contents": []}, "contents"),
        ("translate", {"contents": ["A dog.", "A cat."]}, "contents"),
        ("translate", {"contents": ["A dog."], "splitSentences": 9}, "splitSentences"),
        ("translate", {"contents": ["A dog."], "priority": 9}, "priority"),
        ("translate", {"contents": ["A dog."], "decoding": {"beamSize": 9999}}, "decoding.beam_size"),
        ("compare", {"models": [], "request": {"contents": ["A dog."]}}, "models"),
        ("compare", {"models": ["lstm-en-fr"] * 13, "request": {"contents": ["A dog."]}}, "models"),
        ("compare", {"models": [1], "request": {"contents": ["A dog."]}}, "models"),
        ("compare", {"models": ["lstm-en-fr"]}, "request"),
        ("score", {"pairs": []}, "pairs"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(url: str, path: str, body: object, field: str) -> None:
    answer = await post(f"{url}page/{path}", body)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["field"]) == (400, "INVALID_ARGUMENT", field)
    assert error["message"].startswith(field)


async def test_a_model_that_is_not_there_is_not_found(url: str) -> None:
    answer = await post(f"{url}page/translate", {"contents": ["A dog."], "model": "none"})
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


async def test_events_are_ascii_whatever_the_text(url: str) -> None:
    text = "A dog sleeps.\u2028\n\ndata: {}\r\n</script><script>alert(1)</script> 🐶 개"
    events = await translate(url, text)  # which splits at blank lines, and reads JSON
    assert "".join(deltas(events)) == events[-1]["translation"]["translatedText"]
    assert "🐶 개" in events[-1]["translation"]["translatedText"]


async def test_the_page_may_load_nothing_from_elsewhere(url: str) -> None:
    for path in ("", "page/static/main.js", "page/models"):
        headers = (await get(url + path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    folder = Path(__file__).parents[3] / "gateway/page/static"
    for file in folder.rglob("*.*"):
        if file.suffix in (".js", ".css", ".html"):
            text = file.read_text(encoding="utf-8")
            assert "http://www.w3.org" in text or "http" not in text.replace("HTTP", ""), file


async def test_nothing_outside_the_pages_files_is_served(url: str) -> None:
    for path in ("page/static/../routes.py", "page/static/%2e%2e/routes.py", "page/static/"):
        assert (await get(url + path)).status == 404


async def test_a_server_that_is_away_is_said_to_be_and_answers_when_it_is_back(tmp_path: Path) -> None:
    repository = one_model(tmp_path)
    async with serving(repository) as first:
        port = first.app.port
        async with page_for(first.address) as url:
            assert (await get(f"{url}page/models")).status == 200
            await first.stop()
            answer = await get(f"{url}page/models")
            assert (answer.status, answer.json["error"]["code"]) == (503, "UNAVAILABLE")
            async with serving(repository, listen=f"127.0.0.1:{port}"):

                async def is_back() -> bool:
                    return (await get(f"{url}page/models")).status == 200

                await eventually(is_back)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("translate", b'{"contents": ["A dog sleeps in the park."]}'),
        ("compare", b'{"models": ["rnn-en-fr"], "request": {"contents": ["A dog sleeps in the park."]}}'),
    ],
)
async def test_who_leaves_before_the_first_event_stops_the_decoding(tmp_path: Path, path: str, body: bytes) -> None:
    async with serving(one_model(tmp_path), gated=True) as held, page_for(held.address) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
            head = f"POST /page/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            await asyncio.to_thread(connection.sendall, head.encode() + body)
            await held.held()
        await held.wait_for_metric(1, "grpc_server_handled_total", grpc_code="Canceled")


@pytest.mark.parametrize("num_read", [1, 20])
async def test_a_comparison_that_is_read_slowly_has_all_and_can_be_left(num_read: int) -> None:
    """Ten translations have twenty events, and sixteen may wait."""
    requests = [pb.TranslateRequest(contents=["A dog."], model=str(number)) for number in range(10)]
    async with (
        asyncio.timeout(PATIENCE),
        scripted("Un chien.") as (_, address),
        AsyncClient(address) as client,
        aclosing(compared_events(client, requests)) as events,
    ):
        told = [json.loads(await anext(events))]
        await asyncio.sleep(0.3)  # all would have come
        told += [json.loads(await anext(events)) for _ in range(num_read - 1)]
    assert len(told) == num_read


@pytest.mark.nightly
async def test_fifty_streams_at_once_are_all_answered(url: str) -> None:
    texts = [f"{SENTENCE} A dog sleeps." * (1 + number % 3) for number in range(50)]
    answers = await asyncio.gather(*(translate(url, text, MODELS[number % 4]) for number, text in enumerate(texts)))
    for number, events in enumerate(answers):
        assert "".join(deltas(events)) == events[-1]["translation"]["translatedText"]
        assert events[-1]["model"] == MODELS[number % 4]
