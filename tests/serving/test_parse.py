import dataclasses
from pathlib import Path

import pytest

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle
from server.decoding.engine import Engine
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import InvalidRequest, UnknownModel
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models, ServedModel
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits, parse_request
from server.text.tokenizer import Tokenizer
from tests.fakes import MANIFEST, FakeBackend, post

MAX_SOURCE_TOKENS, MAX_OUTPUT_TOKENS = 40, 60
LIMITS = RequestLimits(max_contents=3, max_content_characters=400, max_segments=5, options=OptionLimits(6, 3, 2))


@pytest.fixture
def models(tokenizer: Tokenizer) -> Models:
    manifest = dataclasses.replace(MANIFEST, max_source_tokens=MAX_SOURCE_TOKENS, max_output_tokens=MAX_OUTPUT_TOKENS)

    def load(bundle: Bundle) -> ServedModel:
        engine = Engine(manifest, FakeBackend(1), Limits(1, 1), 1, post, EngineMetrics("fake"))
        return ServedModel(manifest, tokenizer, engine, Backlog(1.0))

    return Models([Bundle(Path("fake"), manifest)], "fake", load)


def message(*contents: str, max_output_tokens: int = 0, model: str = "") -> pb.TranslateRequest:
    decoding = pb.DecodingOptions(max_output_tokens=max_output_tokens)
    return pb.TranslateRequest(contents=contents, model=model, decoding=decoding)


def test_contents_become_ids_in_their_order(models: Models, tokenizer: Tokenizer) -> None:
    parsed = parse_request(message("The cat sleeps.", "She smiled."), models, LIMITS)
    assert [[segment.source_ids for segment in content] for content in parsed.contents] == [
        [tokenizer.encode("The cat sleeps.")],
        [tokenizer.encode("She smiled.")],
    ]


def test_the_default_output_limit_is_twice_the_source_and_ten_more(models: Models) -> None:
    [content] = parse_request(message("She smiled."), models, LIMITS).contents
    assert content[0].options.max_output_tokens == 2 * len(content[0].source_ids) + 10


def test_the_default_output_limit_stays_within_the_model_s(models: Models) -> None:
    [content] = parse_request(
        message("The boy with the blue cap is riding his bicycle downhill."), models, LIMITS
    ).contents
    assert 2 * len(content[0].source_ids) + 10 > MAX_OUTPUT_TOKENS
    assert content[0].options.max_output_tokens == MAX_OUTPUT_TOKENS


@pytest.mark.parametrize("requested", [1, MAX_OUTPUT_TOKENS])
def test_a_requested_output_limit_is_taken(models: Models, requested: int) -> None:
    [content] = parse_request(message("She smiled.", max_output_tokens=requested), models, LIMITS).contents
    assert content[0].options.max_output_tokens == requested


def test_an_overlong_content_is_split_and_each_segment_has_an_output_limit(models: Models) -> None:
    [content] = parse_request(message("The cat sleeps on the roof of the car. " * 4), models, LIMITS).contents
    assert len(content) > 1
    for segment in content:
        assert segment.options.max_output_tokens == min(2 * len(segment.source_ids) + 10, MAX_OUTPUT_TOKENS)


@pytest.mark.parametrize(
    ("request_message", "field", "problem"),
    [
        (message(), "contents", "1 to 3 expected, got 0"),
        (message(*"abcd"), "contents", "1 to 3 expected, got 4"),
        (message("a", ""), "contents[1]", "a text that is not blank expected, got ''"),
        (message(" \n"), "contents[0]", r"a text that is not blank expected, got ' \n'"),
        (message("x" * 401), "contents[0]", "at most 400 characters expected, got 401"),
        (
            message("a", max_output_tokens=-1),
            "decoding.max_output_tokens",
            "1 to 60 expected, or 0 for the server's own, got -1",
        ),
        (
            message("a", max_output_tokens=61),
            "decoding.max_output_tokens",
            "1 to 60 expected, or 0 for the server's own, got 61",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_field_limit_and_value(
    models: Models, request_message: pb.TranslateRequest, field: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_request(request_message, models, LIMITS)
    assert (raised.value.field, raised.value.problem) == (field, problem)


def test_more_segments_than_could_ever_be_queued_are_refused(models: Models) -> None:
    text = "The cat sleeps on the roof of the car. " * 10
    [content] = parse_request(message(text), models, dataclasses.replace(LIMITS, max_segments=100)).contents
    num_segments = len(content)
    assert num_segments > 1
    parse_request(message(text), models, dataclasses.replace(LIMITS, max_segments=num_segments))
    with pytest.raises(InvalidRequest) as raised:
        parse_request(message(text, "She smiled."), models, dataclasses.replace(LIMITS, max_segments=num_segments))
    assert raised.value.field == "contents"
    assert raised.value.problem == (
        f"at most {num_segments} segments of the model's length expected, "
        f"got {num_segments + 1} in the first 2 contents"
    )


def test_an_overlong_sentence_is_refused_with_its_number_of_tokens(models: Models, tokenizer: Tokenizer) -> None:
    long = "the cat " * 20 + "sleeps."
    with pytest.raises(InvalidRequest) as raised:
        parse_request(message("She smiled. " + long), models, LIMITS)
    assert raised.value.field == "contents[0]"
    assert raised.value.problem == (
        f"sentences of at most 40 tokens expected, got one of {len(tokenizer.encode(long))}"
    )


def test_the_model_is_looked_for_before_the_contents(models: Models) -> None:
    with pytest.raises(UnknownModel, match="no model 'x' is served here; served: fake"):
        parse_request(message(model="x"), models, LIMITS)
