"""A valid request: each content as what is written as it is, what is kept, and what is decoded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from server.bundle.alignment_heads import num_heads
from server.messages.options import DecodingOptions
from server.serving.models.served import ServedModel
from server.text.reading import Reading
from server.text.segment import Segment


@dataclass(frozen=True)
class KeptSegment:
    """A segment with nothing to translate: it is in the translation as it is."""

    segment: Segment
    text: str
    """What is written."""
    num_unreadable: int
    """Code points that the vocabulary lacks."""


@dataclass(frozen=True)
class GivenTranslation:
    """The translation of a segment that is to be scored."""

    segment: Segment
    """Where it is in the whole translation."""
    reading: Reading
    """What of it the model is made to write."""


@dataclass(frozen=True)
class ParsedSegment:
    """A segment that is decoded as one sentence."""

    segment: Segment
    reading: Reading
    source_ids: list[int]
    """Token ids of the reading's text, with what the model's template adds."""
    options: DecodingOptions
    prefix: str = ""
    """Text that the translation begins with, as it was given; `options.prefix` is what the model is made to write."""
    given: GivenTranslation | None = None
    """Set where a translation is scored."""
    num_before: int = 0
    """Source ids before those of the text."""
    alternative: "ParsedSegment | None" = None
    """The same segment with carriers in place of its protected spans. Both are decoded, and one of them is answered."""


@dataclass(frozen=True)
class ParsedContent:
    text: str
    """As it was sent."""
    items: tuple[str | KeptSegment | ParsedSegment, ...]
    """In order; what is a string is written as it is."""
    given: str = ""
    """The whole translation, where one is scored."""

    @cached_property
    def segments(self) -> list[ParsedSegment]:
        """What is translated by decoding, in order."""
        return [item for item in self.items if isinstance(item, ParsedSegment)]

    @cached_property
    def sentences(self) -> list[ParsedSegment]:
        """What is decoded: the segments in order, and behind them their alternatives."""
        segments = self.segments
        return [*segments, *(segment.alternative for segment in segments if segment.alternative)]

    def with_segments(self, segments: Iterable[ParsedSegment]) -> "ParsedContent":
        """The same content, with other segments in place of its own, in order."""
        others = iter(segments)
        return replace(
            self, items=tuple(next(others) if isinstance(item, ParsedSegment) else item for item in self.items)
        )

    def translated(self, translations: Iterable[str]) -> str:
        """The whole translation, from those of the segments."""
        texts = iter(translations)
        return "".join(
            next(texts) if isinstance(item, ParsedSegment) else item.text if isinstance(item, KeptSegment) else item
            for item in self.items
        )


@dataclass(frozen=True)
class TranslationRequest:
    model: ServedModel
    contents: list[ParsedContent]
    num_hypotheses: int
    is_repeatable: bool
    """Whether the same request has the same answer, whenever it comes."""
    tells_alignment: bool = False
    """Whether the answer has alignments. Segments may be decoded with them for other reasons."""
    is_bulk: bool = False
    """Whether requests that somebody waits for are given more."""

    @property
    def segments(self) -> Iterator[ParsedSegment]:
        """What is translated by decoding, of all contents."""
        return (segment for content in self.contents for segment in content.segments)

    @property
    def num_alignment_weights(self) -> int:
        """Weights that the answer may have, with alternatives; 0 where no alignment was asked for. Where it is asked
        for by head, those of each head count of all hypotheses that the searches may end with: the engine has to keep
        and to send them."""
        if not self.tells_alignment:
            return 0
        heads, num_weights = num_heads(self.model.manifest), 0
        for sentence in (sentence for content in self.contents for sentence in content.sentences):
            options = sentence.options
            num_matrices = self.num_hypotheses + (heads * options.max_finished if options.alignment_heads else 0)
            num_weights += num_matrices * options.max_output_tokens * len(sentence.source_ids)
        return num_weights
