import dataclasses
from typing import Any

import pytest

from models.seq2seq import EOS
from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import AlignmentSpec, StateSpec
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import InvalidRequest, UnknownModel
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits, parse_request
from server.serving.requests.parsed import TranslationRequest
from server.text.tokenizer import Tokenizer, Tokenizers
from tests.fakes import MANIFEST, NO_PIECES, FakeBackend, InProcess, all_at_once, post

MAX_SOURCE_TOKENS, MAX_OUTPUT_TOKENS = 40, 60
LIMITS = RequestLimits(
    max_contents=3, max_content_characters=400, max_segments=5, max_do_not_translate=2, options=OptionLimits(6, 3, 2)
)


@pytest.fixture
def models(tokenizer: Tokenizer) -> Models:
    return models_of(tokenizer)


def models_of(tokenizer: Tokenizer, **fields: Any) -> Models:
    """One model that is served. `fields`: of its manifest."""
    manifest = dataclasses.replace(
        MANIFEST, max_source_tokens=MAX_SOURCE_TOKENS, max_output_tokens=MAX_OUTPUT_TOKENS, **fields
    )
    engine = InProcess(manifest, FakeBackend(1), NO_PIECES, Limits(1, 1), post, EngineMetrics("fake"))
    model = ServedModel(manifest, Tokenizers.one(tokenizer), engine, Backlog(1.0))
    return Models(["fake"], [ModelVersions({"1": model})])


def parse(request: pb.TranslateRequest, models: Models, limits: RequestLimits) -> TranslationRequest:
    return all_at_once(parse_request(request, models, limits))


def message(*contents: str, max_output_tokens: int = 0, model: str = "") -> pb.TranslateRequest:
    decoding = pb.DecodingOptions(max_output_tokens=max_output_tokens)
    return pb.TranslateRequest(contents=contents, model=model, decoding=decoding)


def test_contents_become_ids_in_their_order(models: Models, tokenizer: Tokenizer) -> None:
    parsed = parse(message("The cat sleeps.", "She smiled."), models, LIMITS)
    assert [[segment.source_ids for segment in content.segments] for content in parsed.contents] == [
        [[*tokenizer.encode("The cat sleeps."), EOS]],
        [[*tokenizer.encode("She smiled."), EOS]],
    ]


def test_the_default_output_limit_is_twice_the_source_and_ten_more(models: Models) -> None:
    [content] = parse(message("She smiled."), models, LIMITS).contents
    assert content.segments[0].options.max_output_tokens == 2 * len(content.segments[0].source_ids) + 10


def test_the_default_output_limit_stays_within_the_model_s(models: Models) -> None:
    [content] = parse(message("The boy with the blue cap is riding his bicycle downhill."), models, LIMITS).contents
    assert 2 * len(content.segments[0].source_ids) + 10 > MAX_OUTPUT_TOKENS
    assert content.segments[0].options.max_output_tokens == MAX_OUTPUT_TOKENS


@pytest.mark.parametrize("requested", [1, MAX_OUTPUT_TOKENS])
def test_a_requested_output_limit_is_taken(models: Models, requested: int) -> None:
    [content] = parse(message("She smiled.", max_output_tokens=requested), models, LIMITS).contents
    assert content.segments[0].options.max_output_tokens == requested


def test_each_sentence_of_a_content_is_decoded_by_itself(models: Models, tokenizer: Tokenizer) -> None:
    [content] = parse(message("The cat sleeps. She smiled.\n\n The boy runs. "), models, LIMITS).contents
    assert [segment.source_ids for segment in content.segments] == [
        [*tokenizer.encode(sentence), EOS] for sentence in ("The cat sleeps.", "She smiled.", "The boy runs.")
    ]
    assert [item for item in content.items if isinstance(item, str)] == [" ", "\n\n ", " "]


def test_a_sentence_longer_than_the_model_s_limit_is_cut_and_says_so(models: Models) -> None:
    text = "the cat sleeps on the roof of the car, " * 8 + "and smiles."
    [content] = parse(message(text), models, dataclasses.replace(LIMITS, max_segments=20)).contents
    assert len(content.segments) > 1
    assert all(segment.segment.is_cut for segment in content.segments)
    assert all(len(segment.source_ids) <= MAX_SOURCE_TOKENS for segment in content.segments)
    for segment in content.segments:
        assert segment.options.max_output_tokens == min(2 * len(segment.source_ids) + 10, MAX_OUTPUT_TOKENS)
    pieces = [item if isinstance(item, str) else item.segment.text for item in content.items]
    assert "".join(pieces) == text


@pytest.mark.parametrize(
    ("request_message", "field", "problem"),
    [
        (message(), "contents", "1 to 3 expected, got 0"),
        (message(*"abcd"), "contents", "1 to 3 expected, got 4"),
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
        parse(request_message, models, LIMITS)
    assert (raised.value.field, raised.value.problem) == (field, problem)


def test_more_segments_than_could_ever_be_queued_are_refused(models: Models) -> None:
    text = "The cat sleeps on the roof. " * 5
    parse(message(text), models, LIMITS)
    for contents in ([text, "She smiled."], [text + "She smiled."]):
        with pytest.raises(InvalidRequest) as raised:
            parse(message(*contents), models, LIMITS)
        assert raised.value.field == "contents"
        assert raised.value.problem.startswith("at most 5 segments expected, got 6 or more in the first ")


@pytest.mark.parametrize("blank", ["", " ", "\n", " \r\n\t"])
def test_a_blank_content_has_nothing_to_decode(models: Models, blank: str) -> None:
    contents = parse(message("She smiled.", blank), models, LIMITS).contents
    assert [len(content.segments) for content in contents] == [1, 0]
    assert contents[1].translated([]) == blank


def test_the_model_is_looked_for_before_the_contents(models: Models) -> None:
    with pytest.raises(UnknownModel, match="no model 'x' is served here; served: fake"):
        parse(message(model="x"), models, LIMITS)


@pytest.mark.parametrize(("by_head", "num_matrices"), [(False, 1), (True, 1 + 4 * 9)])
def test_weights_of_a_sentence_count_for_each_way_in_which_it_is_decoded(
    tokenizer: Tokenizer, by_head: bool, num_matrices: int
) -> None:
    """Matrices: of the hypothesis that is answered, and of four heads of the nine with which a beam of five may end."""
    keys = StateSpec(name="keys", kind="constant", shape=(4, "source", 8), dtype="float32")
    aligned = models_of(tokenizer, state=(*MANIFEST.state, keys), alignment=AlignmentSpec(keys="keys", scale=1.0))
    asked = message("The cat sleeps. The cat sees {name} at night.", max_output_tokens=7)
    asked.decoding.MergeFrom(pb.DecodingOptions(beam_size=5, return_alignment=True, return_alignment_heads=by_head))
    parsed = parse(asked, aligned, LIMITS)
    [content] = parsed.contents
    assert (len(content.segments), len(content.sentences)) == (2, 3)
    num_source = sum(len(sentence.source_ids) for sentence in content.sentences)
    assert parsed.num_alignment_weights == num_matrices * 7 * num_source
