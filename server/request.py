"""From a protobuf request to a valid one: parsed at the edge, so that inside only valid requests exist."""

from dataclasses import dataclass

from server.errors import InvalidRequest, shown
from server.pb import translation_pb2 as pb
from server.repository import Models, ServedModel
from server.text import segment


@dataclass(frozen=True)
class RequestLimits:
    max_contents: int
    max_content_characters: int
    max_segments: int
    """Of all contents together; more could never be queued."""


@dataclass(frozen=True)
class ContentRequest:
    """One of the contents, ready to be decoded."""

    segments: list[list[int]]
    """Token ids, each ending with EOS: one segment, or several where the content was longer than the model's limit."""
    max_output_tokens: list[int]
    """Of each segment."""


@dataclass(frozen=True)
class TranslationRequest:
    model: ServedModel
    contents: list[ContentRequest]


def parse_request(message: pb.TranslateRequest, models: Models, limits: RequestLimits) -> TranslationRequest:
    """Raises InvalidRequest or UnknownModel, naming the field, the limit and the value."""
    model = models.select(message.model, message.source_language_code, message.target_language_code)
    if not 1 <= len(message.contents) <= limits.max_contents:
        raise InvalidRequest("contents", f"1 to {limits.max_contents} expected, got {len(message.contents)}")
    requested = message.decoding.max_output_tokens
    if not 0 <= requested <= model.manifest.max_output_tokens:
        raise InvalidRequest(
            "decoding.max_output_tokens",
            f"1 to {model.manifest.max_output_tokens} expected, or 0 for the server's own, got {requested}",
        )
    contents: list[ContentRequest] = []
    num_segments = 0
    for index, text in enumerate(message.contents):
        contents.append(_parse_content(text, f"contents[{index}]", model, requested, limits))
        num_segments += len(contents[-1].segments)
        if num_segments > limits.max_segments:
            so_far = f"{num_segments} in the first {index + 1} contents"
            raise InvalidRequest(
                "contents", f"at most {limits.max_segments} segments of the model's length expected, got {so_far}"
            )
    return TranslationRequest(model, contents)


def _parse_content(
    text: str, field: str, model: ServedModel, max_output_tokens: int, limits: RequestLimits
) -> ContentRequest:
    if not text.strip():
        raise InvalidRequest(field, f"a text that is not blank expected, got {shown(text)}")
    if len(text) > limits.max_content_characters:
        raise InvalidRequest(field, f"at most {limits.max_content_characters} characters expected, got {len(text)}")
    max_source = model.manifest.max_source_tokens
    segments = segment(text, model.tokenizer, max_source)
    longest = max(map(len, segments))
    if longest == 1:  # EOS alone: control characters, say
        raise InvalidRequest(field, f"a text that has something to translate expected, got {shown(text)}")
    if longest > max_source:
        raise InvalidRequest(field, f"sentences of at most {max_source} tokens expected, got one of {longest}")
    return ContentRequest(
        segments,
        [max_output_tokens or min(2 * len(ids) + 10, model.manifest.max_output_tokens) for ids in segments],
    )
