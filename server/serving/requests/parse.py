"""From a protobuf request to a valid one: parsed at the edge, so that inside only valid requests exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from seq2serve.pb import translation_pb2 as pb
from server.errors import InvalidRequest, shown
from server.messages.options import DecodingOptions
from server.serving.models.catalogue import Models, ServedModel
from server.serving.requests.options import OptionLimits, RequestedOptions, no_alignment, parse_options
from server.text.segments import segment
from server.text.steps import Steps

MAX_ALIGNMENT_WEIGHTS = 5_000_000
"""Of one answer, which is then of some 20 MB."""


@dataclass(frozen=True)
class RequestLimits:
    max_contents: int
    max_content_characters: int
    max_segments: int
    """Of all contents together; more could never be queued."""
    options: OptionLimits


@dataclass(frozen=True)
class Segment:
    """A content, or a part of one, that is decoded as one sentence."""

    source_ids: list[int]
    """Ends with EOS."""
    options: DecodingOptions


@dataclass(frozen=True)
class TranslationRequest:
    model: ServedModel
    contents: list[list[Segment]]
    """Of each content its segments: one, or several where the content was longer than the model's limit."""
    num_hypotheses: int
    is_repeatable: bool
    """Whether the same request has the same answer, whenever it comes."""

    @property
    def num_alignment_weights(self) -> int:
        """That the answer may have; 0 where no alignment was asked for."""
        segments = [segment for content in self.contents for segment in content if segment.options.alignment]
        num_weights = sum(segment.options.max_output_tokens * len(segment.source_ids) for segment in segments)
        return self.num_hypotheses * num_weights


def parse_request(message: pb.TranslateRequest, models: Models, limits: RequestLimits) -> Steps[TranslationRequest]:
    """Raises InvalidRequest or UnknownModel, naming the field, the limit and the value."""
    model = models.select(message.model, message.source_language_code, message.target_language_code)
    _check_number(message.contents, "contents", limits)
    options = yield from parse_options(message.decoding, model, limits.options)
    contents: list[list[Segment]] = []
    num_segments = 0
    for index, text in enumerate(message.contents):
        content = yield from _parse_content(text, f"contents[{index}]", options, limits)
        contents.append(content)
        num_segments += len(content)
        if num_segments > limits.max_segments:
            so_far = f"{num_segments} in the first {index + 1} contents"
            raise InvalidRequest(
                "contents", f"at most {limits.max_segments} segments of the model's length expected, got {so_far}"
            )
    request = TranslationRequest(model, contents, options.num_hypotheses, options.is_repeatable)
    _check_alignment_size(request, "decoding.return_alignment")
    return request


def parse_score_request(message: pb.ScoreRequest, models: Models, limits: RequestLimits) -> Steps[TranslationRequest]:
    """Translations that are given, as sentences whose decoding is forced. Raises like `parse_request`."""
    model = models.select(message.model, message.source_language_code, message.target_language_code)
    _check_number(message.pairs, "pairs", limits)
    if message.return_alignment and model.manifest.alignment is None:
        raise no_alignment("return_alignment", model)
    contents = []
    for index, pair in enumerate(message.pairs):
        source_ids = _tokens(pair.content, f"pairs[{index}].content", model, limits)
        yield
        if len(source_ids) > model.manifest.max_source_tokens:
            raise InvalidRequest(
                f"pairs[{index}].content",
                f"a text of at most {model.manifest.max_source_tokens} tokens expected, got {len(source_ids)}",
            )
        field = f"pairs[{index}].translated_text"
        forced_ids = _tokens(pair.translated_text, field, model, limits)[:-1]
        most = model.manifest.max_output_tokens - 1  # a place for its end
        if len(forced_ids) > most:
            raise InvalidRequest(field, f"a text of at most {most} tokens expected, got {len(forced_ids)}")
        options = DecodingOptions(
            max_output_tokens=most + 1,
            forced_ids=tuple(forced_ids),
            token_log_probs=True,
            alignment=message.return_alignment,
        )
        contents.append([Segment(source_ids, options)])
        yield
    request = TranslationRequest(model, contents, num_hypotheses=1, is_repeatable=True)
    _check_alignment_size(request, "return_alignment")
    return request


def _check_alignment_size(request: TranslationRequest, field: str) -> None:
    num_weights = request.num_alignment_weights
    if num_weights > MAX_ALIGNMENT_WEIGHTS:
        raise InvalidRequest(
            field,
            f"an answer of at most {MAX_ALIGNMENT_WEIGHTS} weights expected, got {num_weights} "
            "(hypotheses times output limits times source tokens)",
        )


def _check_number(contents: Sequence[object], field: str, limits: RequestLimits) -> None:
    if not 1 <= len(contents) <= limits.max_contents:
        raise InvalidRequest(field, f"1 to {limits.max_contents} expected, got {len(contents)}")


def _check_text(text: str, field: str, limits: RequestLimits) -> None:
    if not text.strip():
        raise InvalidRequest(field, f"a text that is not blank expected, got {shown(text)}")
    if len(text) > limits.max_content_characters:
        raise InvalidRequest(field, f"at most {limits.max_content_characters} characters expected, got {len(text)}")


def _tokens(text: str, field: str, model: ServedModel, limits: RequestLimits) -> list[int]:
    """Ids of a whole text, ending with EOS."""
    _check_text(text, field, limits)
    ids = model.tokenizer.encode(text)
    _check_something(ids, text, field)
    return ids


def _check_something(ids: list[int], text: str, field: str) -> None:
    if len(ids) == 1:  # EOS alone: control characters, say
        raise InvalidRequest(field, f"a text that has something to translate expected, got {shown(text)}")


def _parse_content(text: str, field: str, options: RequestedOptions, limits: RequestLimits) -> Steps[list[Segment]]:
    _check_text(text, field, limits)
    max_source = options.model.manifest.max_source_tokens
    sources = yield from segment(text, options.model.tokenizer, max_source)
    longest = max(sources, key=len)
    _check_something(longest, text, field)
    if len(longest) > max_source:
        raise InvalidRequest(field, f"sentences of at most {max_source} tokens expected, got one of {len(longest)}")
    segments = []
    for index, ids in enumerate(sources):
        own_options = yield from options.for_segment(ids, index == 0, field)
        segments.append(Segment(ids, own_options))
        yield
    return segments
