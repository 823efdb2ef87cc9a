"""translation.v1 by Connect's rules, and as server-sent events."""

import base64
import json
import struct
from typing import Any

import pytest
import requests
from google.rpc.error_details_pb2 import BadRequest

from seq2serve.pb import translation_pb2 as pb

SERVICE = "translation.v1.TranslationService"
DOG, CHIEN = "A dog sleeps.", "Un chien dort."


def post(url: str, method: str, body: Any, **headers: str) -> requests.Response:
    return requests.post(f"{url}/{SERVICE}/{method}", json=body, headers=headers, timeout=30)


def test_a_message_is_sent_and_answered_as_json(url: str) -> None:
    answer = post(url, "Translate", {"contents": [DOG], "decoding": {"beamSize": 2, "returnAlignment": True}})
    assert answer.status_code == 200
    [translation] = answer.json()["translations"]
    assert translation["translatedText"] == CHIEN
    assert translation["hypotheses"][0]["wordAlignment"] == "0-0 1-1 2-2"
    models = post(url, "ListModels", {}).json()["models"]
    assert [model["name"] for model in models] == ["transformer-en-fr", "transformer-fr-en"]
    scored = post(url, "Score", {"pairs": [{"content": DOG, "translatedText": CHIEN}]}).json()
    assert scored["scores"][0]["logProb"] < 0
    assert post(url, "GetModel", {"name": models[1]["name"]}).json()["model"]["name"] == models[1]["name"]


def test_a_message_is_sent_and_answered_in_binary(url: str) -> None:
    sent = pb.TranslateRequest(contents=[DOG]).SerializeToString()
    answer = requests.post(
        f"{url}/{SERVICE}/Translate", data=sent, headers={"content-type": "application/proto"}, timeout=30
    )
    assert pb.TranslateResponse.FromString(answer.content).translations[0].translated_text == CHIEN


def test_grpc_web_is_answered_with_a_message_and_trailers(url: str) -> None:
    sent = pb.TranslateRequest(contents=[DOG]).SerializeToString()
    body = struct.pack(">BI", 0, len(sent)) + sent
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    answer = requests.post(f"{url}/{SERVICE}/Translate", data=body, headers=headers, timeout=30).content
    _, length = struct.unpack(">BI", answer[:5])
    assert pb.TranslateResponse.FromString(answer[5 : 5 + length]).translations[0].translated_text == CHIEN
    assert b"grpc-status: 0" in answer[5 + length :].lower().replace(b":0", b": 0")


def test_a_stream_is_messages_in_envelopes(url: str) -> None:
    sent = json.dumps({"contents": [DOG]}).encode()
    headers = {"content-type": "application/connect+json"}
    body = struct.pack(">BI", 0, len(sent)) + sent
    answer = requests.post(f"{url}/{SERVICE}/StreamTranslate", data=body, headers=headers, timeout=30).content
    messages = []
    while answer:
        flags, length = struct.unpack(">BI", answer[:5])
        messages.append((flags, json.loads(answer[5 : 5 + length])))
        answer = answer[5 + length :]
    assert "".join(message.get("textDelta", "") for _, message in messages) == CHIEN
    assert messages[-1][0] == 2
    assert "error" not in messages[-1][1]


def test_errors_have_the_servers_code_words_and_details(url: str) -> None:
    answer = post(url, "Translate", {"contents": ["x" * 10001]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert answer.json()["message"] == "contents[0]: at most 10000 characters expected, got 10001"
    details = {detail["type"]: detail["value"] for detail in answer.json()["details"]}
    packed = base64.b64decode(details["google.rpc.BadRequest"] + "==")
    assert BadRequest.FromString(packed).field_violations[0].field == "contents[0]"
    late = post(url, "Translate", {"contents": [DOG] * 100}, **{"connect-timeout-ms": "1"})
    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    wrong = post(url, "Translate", {"content": DOG})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_argument")
    assert wrong.json()["message"] == "contents: 1 to 128 expected, got 0"


def enveloped(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


@pytest.mark.parametrize("body", [b"", enveloped(b"{}"), enveloped(b'{"contents": ["A dog."]}') * 2])
def test_a_stream_in_both_directions_is_refused_by_name(url: str, body: bytes) -> None:
    address = f"{url}/{SERVICE}/TranslateStream"
    answer = requests.post(address, data=body, headers={"content-type": "application/connect+json"}, timeout=30)
    flags, length = struct.unpack(">BI", answer.content[:5])
    error = json.loads(answer.content[5 : 5 + length])["error"]
    assert (answer.status_code, flags, error["code"]) == (200, 2, "unimplemented")
    assert error["message"].startswith("TranslateStream: a stream in both directions needs HTTP/2")
    web = requests.post(address, data=body, headers={"content-type": "application/grpc-web+proto"}, timeout=30)
    assert b"grpc-status: 12" in web.content.lower().replace(b":12", b": 12")


@pytest.mark.parametrize(
    ("method", "kind", "status", "code"),
    [
        ("Translate", "text/plain", 415, "unknown"),
        ("Translate", "application/connect+json", 415, "unknown"),
        ("Translate", "application/grpc", 415, "unknown"),
        ("StreamTranslate", "application/json", 415, "unknown"),
        ("Nothing", "application/json", 404, "unimplemented"),
    ],
)
def test_what_connect_does_not_have_is_refused_in_its_form(
    url: str, method: str, kind: str, status: int, code: str
) -> None:
    answer = requests.post(f"{url}/{SERVICE}/{method}", data=b"{}", headers={"content-type": kind}, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 415:
        assert answer.json()["message"].endswith(f"expected, got {kind!r}")
        assert answer.headers["accept-post"]


def test_headers_and_texts_that_utf_8_does_not_have_are_named(url: str) -> None:
    key = requests.post(
        f"{url}/{SERVICE}/Translate", json={"contents": [DOG]}, headers={"x-api-key": b"\xe9"}, timeout=30
    )
    assert (key.status_code, key.json()["message"]) == (400, "api_key: visible ASCII characters expected, and no space")
    wrong = post(url, "Translate", {"contents": [DOG], "priority": "\ud800"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_argument")
    assert requests.get(f"{url}/{SERVICE}/Translate", timeout=30).headers["allow"] == "POST"
    packed = post(url, "Translate", {"contents": [DOG]}, **{"content-encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (501, "unimplemented")


def test_events_have_text_tokens_and_attention(url: str) -> None:
    body: dict[str, Any] = {"contents": [DOG], "decoding": {"returnAlignment": True, "returnTokenScores": True}}
    with requests.post(f"{url}/v1/stream", json=body, stream=True, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        events = [event.split("\n") for event in answer.content.decode().split("\n\n") if event]
    assert [name for name, *_ in events][-1] == "event: end"
    messages = [json.loads(data.removeprefix("data: ")) for name, data in events if name == "event: message"]
    assert "".join(message.get("textDelta", "") for message in messages) == CHIEN
    tokens = [token for message in messages for token in message.get("tokens", [])]
    assert len(tokens) >= 3
    assert all(abs(sum(token["alignment"]) - 1) < 0.01 and token["logProb"] <= 0 for token in tokens)


def test_attention_comes_by_head_where_it_is_asked_for(url: str) -> None:
    body: dict[str, Any] = {"contents": [DOG], "decoding": {"returnAlignmentHeads": True}}
    whole = post(url, "Translate", body).json()["translations"][0]["hypotheses"][0]["tokens"]
    answer = requests.post(f"{url}/v1/stream", json=body, timeout=30)
    messages = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    streamed = [token for message in messages for token in message.get("tokens", [])]
    num_heads = post(url, "GetModel", {}).json()["model"]["alignmentHeadCount"]
    assert num_heads > 1
    assert whole == streamed
    for token in streamed:
        heads = [head["weights"] for head in token["alignmentHeads"]]
        assert len(heads) == num_heads
        assert [sum(weights) / num_heads for weights in zip(*heads, strict=True)] == pytest.approx(
            token["alignment"], abs=1e-6
        )


def test_a_stream_that_cannot_begin_is_answered_with_the_status(url: str) -> None:
    answer = requests.post(f"{url}/v1/stream", json={"contents": [DOG], "model": "none"}, timeout=30)
    assert answer.status_code == 404
    assert "no model 'none'" in answer.json()["error"]
    for wrong in (
        {"content": DOG},
        {"contents": ["\ud800"]},
        {"contents": [DOG], "priority": "\ud800"},
        {"contents": 5},
    ):
        assert requests.post(f"{url}/v1/stream", json=wrong, timeout=30).status_code == 400
    assert requests.post(f"{url}/v1/stream", json={"contents": ["A dog 🐶."]}, timeout=30).status_code == 200
