"""From a protobuf request to a valid one: parsed at the edge, so that inside only valid requests exist."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seq2serve.glossary_file import MAX_TERM_CHARACTERS
from seq2serve.pb import translation_pb2 as pb
from server.errors import InvalidRequest, shown
from server.messages.options import DecodingOptions
from server.serving.engines.places import own_places
from server.serving.models.catalogue import Models, Selected
from server.serving.requests.contents import ContentParser
from server.serving.requests.options import OptionLimits, no_alignment, parse_options
from server.serving.requests.parsed import GivenTranslation, ParsedContent, ParsedSegment, TranslationRequest
from server.text.carriers import carriers_of, same_carriers
from server.text.folding import plain
from server.text.protected import find_protected
from server.text.reading import read
from server.text.segment import Segment
from server.text.segments import Splitting, lay_out
from server.text.steps import Steps

MAX_ALIGNMENT_WEIGHTS = 5_000_000
"""Weights of one answer, which is then of some 20 MB."""

PLAIN, HTML = "text/plain", "text/html"

_SPLITTINGS = {
    pb.SENTENCE_SPLITTING_UNSPECIFIED: Splitting.SENTENCES,
    pb.SENTENCE_SPLITTING_SENTENCES: Splitting.SENTENCES,
    pb.SENTENCE_SPLITTING_LINES: Splitting.LINES,
    pb.SENTENCE_SPLITTING_NONE: Splitting.NONE,
}


@dataclass(frozen=True)
class RequestLimits:
    max_contents: int
    max_content_characters: int
    max_segments: int
    """Segments of all contents together; more could never be queued. Of a bulk request fewer, see `own_places`."""
    max_do_not_translate: int
    options: OptionLimits


def parse_request(message: pb.TranslateRequest, models: Models, limits: RequestLimits) -> Steps[TranslationRequest]:
    """Raises InvalidRequest or UnknownModel, naming the field, the limit and the value."""
    return (yield from parse_requests([message], models, limits))


def parse_requests(
    messages: Sequence[pb.TranslateRequest], models: Models, limits: RequestLimits
) -> Steps[TranslationRequest]:
    """Requests that are decoded as one: the contents of the first, then those of the next. They differ in nothing but
    what holds for each of their sentences, and have equal parts of the limit of segments. Raises like
    `parse_request`."""
    first, each = messages[0], replace(limits, max_segments=limits.max_segments // len(messages))
    selected = models.select(first.model, first.source_language_code, first.target_language_code)
    parsed = []
    with selected.model.uses.one():  # the open request, which begins in the same turn, is the next use
        for message in messages:
            parsed.append((yield from _parse_selected(message, selected, each)))
    contents = [content for one in parsed for content in one.contents]
    return replace(parsed[0], contents=contents, is_repeatable=all(one.is_repeatable for one in parsed))


def _parse_selected(
    message: pb.TranslateRequest, selected: Selected, limits: RequestLimits
) -> Steps[TranslationRequest]:
    _check_number(message.contents, "contents", limits)
    for index, text in enumerate(message.contents):
        _check_length(text, f"contents[{index}]", limits)
    if message.mime_type not in ("", PLAIN, HTML):
        raise InvalidRequest("mime_type", f"{PLAIN} or {HTML} expected, got {shown(message.mime_type)}")
    if message.split_sentences not in _SPLITTINGS:
        names = ", ".join(pb.SentenceSplitting.keys())
        raise InvalidRequest("split_sentences", f"one of {names} expected, got {message.split_sentences}")
    if message.priority not in pb.Priority.values():
        names = ", ".join(pb.Priority.keys())
        raise InvalidRequest("priority", f"one of {names} expected, got {message.priority}")
    _check_do_not_translate(message.do_not_translate, limits)
    options = yield from parse_options(message.decoding, selected, limits.options)
    parser = ContentParser(
        options,
        _SPLITTINGS[message.split_sentences],
        is_html=message.mime_type == HTML,
        do_not_translate=tuple(message.do_not_translate),
    )
    contents: list[ParsedContent] = []
    num_segments = 0
    is_bulk = message.priority == pb.PRIORITY_BULK
    max_segments = own_places(limits.max_segments, is_bulk)
    for index, text in enumerate(message.contents):
        content = yield from parser.parse(text, f"contents[{index}]", max_segments - num_segments)
        contents.append(content)
        num_segments += len(content.sentences)
        if num_segments > max_segments:
            so_far = f"{num_segments} or more in the first {index + 1} contents"
            raise InvalidRequest("contents", f"at most {max_segments} segments expected, got {so_far}")
    request = TranslationRequest(
        selected.model,
        contents,
        options.num_hypotheses,
        options.is_repeatable,
        tells_alignment=options.common.alignment,
        is_bulk=is_bulk,
    )
    _check_alignment_size(request, message.decoding.return_alignment_heads, "decoding.")
    return request


def parse_score_request(message: pb.ScoreRequest, models: Models, limits: RequestLimits) -> Steps[TranslationRequest]:
    """Translations that are given, as sentences whose decoding is forced. Raises like `parse_request`."""
    selected = models.select(message.model, message.source_language_code, message.target_language_code)
    with selected.model.uses.one():
        return (yield from _parse_selected_score(message, selected, limits))


def _parse_selected_score(
    message: pb.ScoreRequest, selected: Selected, limits: RequestLimits
) -> Steps[TranslationRequest]:
    model = selected.model
    _check_number(message.pairs, "pairs", limits)
    for name in ("return_alignment", "return_alignment_heads"):
        if getattr(message, name) and model.manifest.alignment is None:
            raise no_alignment(name, model)
    common = DecodingOptions(
        max_output_tokens=model.manifest.max_output_tokens,
        start_ids=selected.direction.start_ids,
        token_log_probs=True,
        alignment=message.return_alignment or message.return_alignment_heads,
        alignment_heads=message.return_alignment_heads,
    )
    contents = []
    for index, pair in enumerate(message.pairs):
        content = yield from _parse_pair(pair, f"pairs[{index}]", selected, common, limits)
        contents.append(content)
    request = TranslationRequest(
        model, contents, num_hypotheses=1, is_repeatable=True, tells_alignment=common.alignment
    )
    num_segments = sum(1 for _ in request.segments)
    if num_segments > limits.max_segments:
        raise InvalidRequest("pairs", f"at most {limits.max_segments} sentences expected, got {num_segments}")
    _check_alignment_size(request, common.alignment_heads)
    return request


def _parse_pair(
    pair: pb.ScoredPair, field: str, selected: Selected, common: DecodingOptions, limits: RequestLimits
) -> Steps[ParsedContent]:
    """As many sentences on both sides; if the source is one, so is its translation. `common`: the options of all
    sentences, without what they have to be."""
    model, direction = selected
    source_field, target_field = f"{field}.content", f"{field}.translated_text"
    for text, name in ((pair.content, source_field), (pair.translated_text, target_field)):
        _check_length(text, name, limits)
        if not text.strip():
            raise InvalidRequest(name, f"a text that is not blank expected, got {shown(text)}")
    sources = yield from _sentences(pair.content, direction.source_code, Splitting.SENTENCES)
    nothing = InvalidRequest(source_field, f"a text with something to translate expected, got {shown(pair.content)}")
    if not sources:
        raise nothing
    splitting = Splitting.SENTENCES if len(sources) > 1 else Splitting.NONE
    targets = yield from _sentences(pair.translated_text, direction.target_code, splitting)
    if len(targets) != len(sources):
        expected = f"as many sentences as the content has, {len(sources)}, expected"
        raise InvalidRequest(target_field, f"{expected}, got {len(targets)}")
    scored = []
    carriers = carriers_of(model.manifest.span_pieces)
    for source, target in zip(sources, targets, strict=True):
        reading = yield from read(source, model.source_alphabet, carriers)
        given = GivenTranslation(
            target, (yield from read(target, model.target_alphabet, same_carriers(reading.carried)))
        )
        if not reading.text and not given.reading.text:
            continue  # it is kept as it is
        source_ids = direction.source_ids(model.tokenizers.source.encode(reading.text or plain(source.text)))
        _check_tokens(len(source_ids), model.manifest.max_source_tokens, source.text, source_field)
        forced_ids = model.tokenizers.target.encode(given.reading.text or plain(target.text))
        most = model.manifest.max_output_tokens - 1  # a place for its end
        _check_tokens(len(forced_ids), most, target.text, target_field)
        options = replace(common, forced_ids=tuple(forced_ids))
        num_before = len(direction.before)
        scored.append(ParsedSegment(source, reading, source_ids, options, given=given, num_before=num_before))
        yield
    if not scored:
        raise nothing
    return ParsedContent(pair.content, tuple(scored), given=pair.translated_text)


def _sentences(text: str, language: str, splitting: Splitting) -> Steps[list[Segment]]:
    protected = yield from find_protected(text, ())
    layout = yield from lay_out(text, language, splitting, protected)
    return [item for item in layout if isinstance(item, Segment)]


def _check_tokens(number: int, most: int, text: str, field: str) -> None:
    if not 1 <= number <= most:
        problem = f"sentences of 1 to {most} tokens expected, got one of {number}: {shown(text)}"
        raise InvalidRequest(field, problem)


def _check_alignment_size(request: TranslationRequest, by_head: bool, prefix: str = "") -> None:
    """`prefix`: of the fields' names."""
    num_weights = request.num_alignment_weights
    if num_weights > MAX_ALIGNMENT_WEIGHTS:
        field = "return_alignment_heads" if by_head else "return_alignment"
        heads = "; of each head, those of all hypotheses that the search may end with" if by_head else ""
        raise InvalidRequest(
            prefix + field,
            f"an answer of at most {MAX_ALIGNMENT_WEIGHTS} weights expected, got {num_weights} "
            f"(hypotheses times output limits times source tokens{heads})",
        )


def _check_number(contents: Sequence[object], field: str, limits: RequestLimits) -> None:
    if not 1 <= len(contents) <= limits.max_contents:
        raise InvalidRequest(field, f"1 to {limits.max_contents} expected, got {len(contents)}")


def _check_length(text: str, field: str, limits: RequestLimits) -> None:
    if len(text) > limits.max_content_characters:
        raise InvalidRequest(field, f"at most {limits.max_content_characters} characters expected, got {len(text)}")


def _check_do_not_translate(texts: Sequence[str], limits: RequestLimits) -> None:
    if len(texts) > limits.max_do_not_translate:
        raise InvalidRequest("do_not_translate", f"at most {limits.max_do_not_translate} expected, got {len(texts)}")
    for index, text in enumerate(texts):
        field = f"do_not_translate[{index}]"
        if not text.strip():
            raise InvalidRequest(field, f"a text that is not blank expected, got {shown(text)}")
        if len(text) > MAX_TERM_CHARACTERS:
            raise InvalidRequest(field, f"at most {MAX_TERM_CHARACTERS} characters expected, got {len(text)}")
