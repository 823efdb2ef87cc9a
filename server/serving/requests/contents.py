"""From a content to its segments: laid out, read as the model can, tokenised, and cut where they are too long."""

import dataclasses
from collections.abc import Sequence

from server.errors import InvalidRequest
from server.messages.options import DecodingOptions
from server.serving.requests.options import RequestedOptions
from server.serving.requests.parsed import KeptSegment, ParsedContent, ParsedSegment
from server.serving.requests.required_terms import FoundTerms
from server.text.carriers import carriers_of
from server.text.markup import lay_out_html, write_untranslated
from server.text.protected import find_protected, in_every_form
from server.text.reading import Reading, read
from server.text.segment import Layout, Protected, Segment
from server.text.segments import Splitting, cut, find_segments, lay_out
from server.text.stand_in import with_stand_ins
from server.text.steps import Steps


class ContentParser:
    """Parses the contents of one request."""

    def __init__(
        self, options: RequestedOptions, splitting: Splitting, is_html: bool, do_not_translate: tuple[str, ...]
    ) -> None:
        self._options = options
        self._model = options.model
        self._direction = options.direction
        self._tokenizer = options.model.tokenizers.source
        self._max_tokens = options.model.manifest.max_source_tokens - options.direction.num_added
        """Of a segment's text."""
        self._splitting = splitting
        self._is_html = is_html
        self._do_not_translate = in_every_form(do_not_translate)
        self._carriers_of = carriers_of(options.model.manifest.span_pieces)

    def parse(self, text: str, field: str, max_segments: int) -> Steps[ParsedContent]:
        """`max_segments`: where it has more to decode, the rest is not parsed, for the request will be refused.

        Raises InvalidRequest where what the options require does not fit.
        """
        items: list[str | KeptSegment | ParsedSegment] = []
        num_segments = 0
        layout = yield from self._lay_out(text)
        for item in layout:
            if num_segments > max_segments:
                break
            if isinstance(item, str):
                items.append(item)
                continue
            yield
            parsed = yield from self._parse_segment(item, num_segments == 0, field, text, self._max_tokens)
            num_segments += sum(1 + (one.alternative is not None) for one in parsed if isinstance(one, ParsedSegment))
            items += parsed
        return ParsedContent(text, tuple(items))

    def _lay_out(self, text: str) -> Steps[Layout]:
        if self._is_html:
            return (yield from lay_out_html(text, self._find_segments, self._find_protected))
        protected = yield from self._find_protected(text)
        return (yield from lay_out(text, self._direction.source_code, self._splitting, protected))

    def _find_segments(self, text: str, whole: Sequence[Protected]) -> Steps[list[tuple[int, int]]]:
        return find_segments(text, self._direction.source_code, self._splitting, whole)

    def _find_protected(self, text: str) -> Steps[list[Protected]]:
        return find_protected(text, self._do_not_translate)

    def _parse_segment(
        self, segment: Segment, is_first: bool, field: str, content: str, max_tokens: int
    ) -> Steps[Sequence[str | KeptSegment | ParsedSegment]]:
        """A segment, or the parts of at most `max_tokens` of one that is too long, with what lies between them."""
        parsed = yield from self._read(segment, is_first, field, content)
        if isinstance(parsed, KeptSegment) or self._fits(parsed.source_ids):
            return (parsed,)
        if max_tokens < 1:
            raise InvalidRequest(field, f"a text that can be cut into {self._max_tokens} tokens expected")
        parts = yield from cut(segment, self._count_tokens, max_tokens)
        items: list[str | KeptSegment | ParsedSegment] = []
        end = segment.start
        for part in parts:
            items.append(content[end : part.start])
            is_first = is_first and not any(isinstance(item, ParsedSegment) for item in items)
            # What is read of a part may have more tokens than its text has: then it is cut again, into smaller ones.
            items += yield from self._parse_segment(part, is_first, field, content, max_tokens // 2)
            end = part.end
        items.append(content[end : segment.end])
        return [item for item in items if item]

    def _count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text))

    def _source_ids(self, text: str) -> list[int]:
        return self._direction.source_ids(self._tokenizer.encode(text))

    def _fits(self, source_ids: list[int]) -> bool:
        return len(source_ids) <= self._model.manifest.max_source_tokens

    def _read(self, segment: Segment, is_first: bool, field: str, content: str) -> Steps[KeptSegment | ParsedSegment]:
        options = self._options
        found = (yield from options.terms.find(segment)) if options.terms else None
        if found:
            segment = dataclasses.replace(segment, protected=found.protected)
        carrying = yield from self._read_with_pieces(segment)
        if carrying and options.common.num_samples:  # which have no alternative, as the better of two is no sample
            reading = carrying
        else:
            reading = yield from read(segment, self._model.source_alphabet)
        source_ids = self._source_ids(reading.text)
        if not reading.text:
            text = (yield from write_untranslated(segment)) if found else content[segment.start : segment.end]
            return KeptSegment(segment, text, reading.num_unreadable)
        own = options.for_segment(
            source_ids,
            options.terms.required(found, reading, len(self._direction.before)) if options.terms and found else (),
            is_first,
            needs_alignment=self._needs_alignment(segment, reading),
            field=field,
        )
        parsed = self._parsed(segment, reading, source_ids, own, options.prefix if is_first else "")
        if not reading.protected or options.common.num_samples:
            return parsed
        other = carrying if self._model.manifest.span_pieces else self._read_with_names(segment, reading)
        return dataclasses.replace(parsed, alternative=self._alternative(other, parsed, found, is_first, field))

    def _read_with_pieces(self, segment: Segment) -> Steps[Reading | None]:
        """The segment with span pieces in place of those of its spans that may be words of it; None if there are none,
        or it is too long with them."""
        reading = yield from read(segment, self._model.source_alphabet, self._carriers_of)
        return reading if reading.carried and self._fits(self._source_ids(reading.text)) else None

    def _read_with_names(self, segment: Segment, reading: Reading) -> Reading | None:
        """Likewise with names, for a model without span pieces."""
        other = None if segment.elements else with_stand_ins(reading, self._model.source_alphabet)
        return other if other and self._fits(self._source_ids(other.text)) else None

    def _alternative(
        self, reading: Reading | None, parsed: ParsedSegment, found: FoundTerms | None, is_first: bool, field: str
    ) -> ParsedSegment | None:
        """The segment read in another way, if there is one."""
        if reading is None:
            return None
        options = self._options
        source_ids = self._source_ids(reading.text)
        own = options.for_segment(
            source_ids,
            options.terms.required(found, reading, len(self._direction.before)) if options.terms and found else (),
            is_first,
            # It is answered only if it has written all that it carries.
            needs_alignment=self._needs_alignment(parsed.segment, dataclasses.replace(reading, carried=())),
            field=field,
        )
        return self._parsed(parsed.segment, reading, source_ids, own, parsed.prefix)

    def _needs_alignment(self, segment: Segment, reading: Reading) -> bool:
        return self._model.manifest.alignment is not None and needs_alignment(segment, reading)

    def _parsed(
        self, segment: Segment, reading: Reading, source_ids: list[int], options: DecodingOptions, prefix: str
    ) -> ParsedSegment:
        num_before = len(self._direction.before)
        return ParsedSegment(segment, reading, source_ids, options, prefix, num_before=num_before)


def needs_alignment(segment: Segment, reading: Reading) -> bool:
    """Whether something has to be put back amid words, or has if the model loses it: at the ends it is clear where it
    belongs."""
    if segment.elements:
        return True
    text = reading.text
    places = [*(at for at, _ in reading.protected), *(text.index(one.carrier) for one in reading.carried)]
    return any(any(map(str.isalnum, text[:at])) and any(map(str.isalnum, text[at:])) for at in places)
