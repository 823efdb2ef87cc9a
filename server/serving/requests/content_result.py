"""What an engine has told of one content's segments, and the texts, deltas and answer that this becomes."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from seq2serve.pb import translation_pb2 as pb
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.sentence import Finished, Written
from server.serving.requests.combinations import Combined, best_combinations
from server.serving.requests.parsed import KeptSegment, ParsedContent, ParsedSegment
from server.serving.requests.part import Part, beginning, finished_part, streams
from server.serving.requests.word_alignment import WordAligner
from server.text.carriers import carries_by_pieces
from server.text.steps import Steps
from server.text.tokenizer import Tokenizers

_REASONS = {
    Ending.EOS: pb.FINISH_REASON_END_OF_SENTENCE,
    Ending.LIMIT: pb.FINISH_REASON_MAX_OUTPUT_TOKENS,
    Ending.CONSTRAINTS: pb.FINISH_REASON_CONSTRAINTS,
}
"""How a content ended: the last of these that one of its segments ended with."""

_LEAST_GAIN = 0.5
"""Nats by which a translation with names in place of protected spans has to be more probable than one without: less
lets it win by chance where a span is no word of the sentence (measured in docs/quality.md)."""

_MOST_LOSS = 0.5
"""Nats a span piece by which a translation with them may be less probable than one without: a model that was trained to
carry them is nearly sure of them where they belong, and is not where they do not."""


class Delta(NamedTuple):
    """What of a content was not told before, as it was at one moment: later events do not change it."""

    text: str
    hypotheses: list[Hypothesis]
    """Of the first segments, as far as they are known."""
    tokens: range
    """Numbers of the tokens that are to be told, counted over all segments; none where nobody asked for tokens."""


class ContentResult:
    def __init__(
        self, content: ParsedContent, num_hypotheses: int, tokenizers: Tokenizers, tells_alignment: bool = False
    ) -> None:
        """`tells_alignment`: whether the answer has alignments; see TranslationRequest."""
        self._content = content
        self._segments = list(content.segments)
        """The alternative in place of a segment, once it is chosen."""
        self._num_hypotheses = num_hypotheses
        self._tokenizers = tokenizers
        self._tells_alignment = tells_alignment
        self._tells_log_probs = bool(self._segments) and self._segments[0].options.token_log_probs
        self._with_alternatives = [number for number, segment in enumerate(self._segments) if segment.alternative]
        """Segments that have one, in order; the alternatives are the sentences behind all segments."""
        self._alternatives = {
            number: index for index, number in enumerate(self._with_alternatives, len(self._segments))
        }
        """Numbers of their sentences, by the segment's."""
        self._certain: defaultdict[int, Hypothesis] = defaultdict(Hypothesis)
        """What was told so far of unfinished sentences, by the sentence's number."""
        self._ended: dict[int, list[Hypothesis]] = {}
        """Hypotheses of finished sentences that are no texts yet, by the sentence's number."""
        self._settling: set[int] = set()
        """Segments of which all sentences have ended, and that are no texts yet."""
        self._parts: list[list[Part]] = [[] for _ in self._segments]
        """Of finished segments the best hypotheses as texts, the best first, no text twice. More of one segment than
        there are to be of all together are in none of the best combinations."""
        self._num_characters_sent = 0
        self._num_tokens_sent = 0

    def update(self, number: int, event: Written | Finished) -> None:
        """`number`: of the content's sentences."""
        if isinstance(event, Finished):
            self._ended[number] = event.hypotheses
            rank = number - len(self._segments)
            segment = self._with_alternatives[rank] if rank >= 0 else number
            if segment in self._ended and self._alternatives.get(segment, segment) in self._ended:
                self._settling.add(segment)
        else:
            certain = self._certain[number]
            certain.output_ids += event.part.output_ids
            certain.token_log_probs += event.part.token_log_probs
            certain.attention += event.part.attention
            certain.attention_by_head += event.part.attention_by_head

    def settle(self) -> Steps[None]:
        """Make texts of what has ended; to be done before anything is taken or written."""
        while self._settling:
            number = self._settling.pop()
            hypotheses = self._ended.pop(number)
            if number in self._alternatives:
                yield from self._choose(number, hypotheses, self._ended.pop(self._alternatives[number]))
            else:
                self._parts[number] = yield from self._texts(self._segments[number], hypotheses)
            yield

    def _choose(self, number: int, hypotheses: list[Hypothesis], others: list[Hypothesis]) -> Steps[None]:
        """Take a segment's alternative if the model finds it about as probable as that without the spans, although it
        is longer, and has written all that it was to carry."""
        segment = self._segments[number]
        assert segment.alternative
        least = hypotheses[0].log_prob + _least_gain(segment.alternative)
        if any(other.log_prob >= least for other in others):
            parts = yield from self._texts(segment.alternative, others)
            if parts and parts[0].is_intact and parts[0].hypothesis.log_prob >= least:
                self._segments[number] = segment.alternative
                self._parts[number] = parts
                return
        self._parts[number] = yield from self._texts(segment, hypotheses)

    def _texts(self, segment: ParsedSegment, hypotheses: list[Hypothesis]) -> Steps[list[Part]]:
        """As many as are to be answered, the best first, no text twice: only those that have carried all spans where
        there are such, unless they are samples."""
        intact: dict[str, Part] = {}
        mended: dict[str, Part] = {}
        for hypothesis in hypotheses:
            part = yield from finished_part(segment, hypothesis, self._tokenizers)
            if part:
                is_mended = not part.is_intact and not segment.options.num_samples
                (mended if is_mended else intact).setdefault(part.text, part)
            if len(intact) == self._num_hypotheses:
                break
            yield
        return list((intact or mended).values())[: self._num_hypotheses]

    @property
    def is_finished(self) -> bool:
        """Whether all segments have ended and are texts."""
        return all(self._parts)

    def take_delta(self) -> Delta:
        """Text and tokens that have become certain since the last call: segments in order, up to the first unfinished
        one."""
        texts: list[str] = []
        hypotheses: list[Hypothesis] = []
        for item in self._content.items:
            if not isinstance(item, ParsedSegment):
                texts.append(item.text if isinstance(item, KeptSegment) else item)
                continue
            if parts := self._parts[len(hypotheses)]:
                texts.append(parts[0].text)
                hypotheses.append(parts[0].hypothesis)
                continue
            certain = self._certain[len(hypotheses)]
            if streams(item):
                texts.append(beginning(item, certain.output_ids, self._tokenizers.target))
            if not item.alternative:
                hypotheses.append(certain)
            break
        delta = "".join(texts)[self._num_characters_sent :]
        self._num_characters_sent += len(delta)
        num_tokens = sum(hypothesis.num_scored for hypothesis in hypotheses) if self._tells_tokens else 0
        tokens = range(self._num_tokens_sent, num_tokens)
        self._num_tokens_sent = num_tokens
        return Delta(delta, hypotheses, tokens)

    @property
    def _tells_tokens(self) -> bool:
        return self._tells_log_probs or self._tells_alignment

    def write_tokens(self, delta: Delta, answer: pb.StreamTranslateResponse) -> Steps[None]:
        yield from self._write_tokens(delta.hypotheses, delta.tokens, answer)

    def write_translation(self, answer: pb.Translation) -> Steps[None]:
        """Written in place: protobuf copies a message that is given to another."""
        yield from self.settle()
        combinations = yield from best_combinations(self._parts, self._num_hypotheses)
        best = combinations[0]
        hypotheses = [part.hypothesis for part in best.parts]
        answer.score = _mean_log_prob(hypotheses)
        answer.finish_reason = _reason(hypotheses)
        answer.source_token_count = sum(len(segment.source_ids) for segment in self._segments)
        answer.output_token_count = sum(len(hypothesis.output_ids) for hypothesis in hypotheses)
        answer.translated_text = yield from self._write_segments(best.parts, answer)
        texts = set()
        for combined in combinations:
            text = self._content.translated(part.text for part in combined.parts)
            if text not in texts:
                texts.add(text)
                yield from self._write_hypothesis(combined, text, answer.hypotheses.add())
        answer.source_tokens.extend(self._source_tokens())

    def write_score(self, answer: pb.PairScore) -> Steps[None]:
        """Of a translation that was given."""
        yield from self.settle()
        hypotheses = [part.hypothesis for [part] in self._parts]
        answer.log_prob = sum(hypothesis.log_prob for hypothesis in hypotheses)
        answer.score = _mean_log_prob(hypotheses)
        num_tokens = sum(hypothesis.num_scored for hypothesis in hypotheses)
        yield from self._write_tokens(hypotheses, range(num_tokens), answer)
        answer.source_tokens.extend(self._source_tokens())
        answer.word_alignment = yield from self._word_alignment([part for [part] in self._parts])

    def _write_segments(self, parts: Sequence[Part], answer: pb.Translation) -> Steps[str]:
        """Each segment with its place in the content and in the translation, which is returned."""
        texts: list[str] = []
        end, number = 0, 0
        for item in self._content.items:
            if isinstance(item, str):
                texts.append(item)
                end += len(item)
                continue
            yield
            told = answer.segments.add(
                source_start=item.segment.start,
                source_end=item.segment.end,
                translation_start=end,
                finish_reason=pb.FINISH_REASON_NOTHING_TO_TRANSLATE,
                is_cut=item.segment.is_cut,
            )
            if isinstance(item, ParsedSegment):
                segment, hypothesis = self._segments[number], parts[number].hypothesis
                texts.append(parts[number].text)
                told.score = _mean_log_prob([hypothesis])
                told.finish_reason = _reason([hypothesis])
                told.source_token_count = len(segment.source_ids)
                told.output_token_count = len(hypothesis.output_ids)
                told.unreadable_character_count = segment.reading.num_unreadable
                number += 1
            else:
                texts.append(item.text)
                told.unreadable_character_count = item.num_unreadable
            end += len(texts[-1])
            told.translation_end = end
        return "".join(texts)

    def _write_hypothesis(self, combined: Combined, text: str, answer: pb.Hypothesis) -> Steps[None]:
        hypotheses = [part.hypothesis for part in combined.parts]
        answer.translated_text = text
        answer.score = combined.score
        answer.finish_reason = _reason(hypotheses)
        if self._tells_tokens:
            num_tokens = sum(hypothesis.num_scored for hypothesis in hypotheses)
            yield from self._write_tokens(hypotheses, range(num_tokens), answer)
        answer.word_alignment = yield from self._word_alignment(combined.parts)

    def _write_tokens(
        self,
        hypotheses: Sequence[Hypothesis],
        numbers: range,
        answer: pb.StreamTranslateResponse | pb.Hypothesis | pb.PairScore,
    ) -> Steps[None]:
        """Those with these numbers, counted over all segments."""
        source_offset, first, target = 0, 0, self._tokenizers.target
        for segment, hypothesis in zip(self._segments, hypotheses, strict=False):
            ids = [*hypothesis.output_ids, target.eos]  # the end is a token where the model wrote it
            num_tokens = hypothesis.num_scored
            for position in range(max(numbers.start - first, 0), min(numbers.stop - first, num_tokens)):
                token = answer.tokens.add(token=target.names[ids[position]])
                if self._tells_log_probs:
                    token.log_prob = hypothesis.token_log_probs[position]
                if self._tells_alignment:
                    token.alignment_start = source_offset
                    token.alignment.extend(hypothesis.attention[position].tolist())
                    if hypothesis.attention_by_head:
                        by_head = hypothesis.attention_by_head[position].tolist()
                        token.alignment_heads.extend(pb.HeadAlignment(weights=weights) for weights in by_head)
                yield
            first += num_tokens
            source_offset += len(segment.source_ids)

    def _source_tokens(self) -> list[str]:
        if not self._tells_alignment:
            return []
        return [self._tokenizers.source.names[id_] for segment in self._segments for id_ in segment.source_ids]

    def _word_alignment(self, parts: Sequence[Part]) -> Steps[str]:
        if not self._tells_alignment:
            return ""
        aligner = WordAligner(self._content.with_segments(self._segments), self._tokenizers)
        return (yield from aligner.align(parts))


def _mean_log_prob(hypotheses: Sequence[Hypothesis]) -> float:
    """Of all tokens; 0 where there are none."""
    num_scored = sum(hypothesis.num_scored for hypothesis in hypotheses)
    return sum(hypothesis.log_prob for hypothesis in hypotheses) / max(num_scored, 1)


def _reason(hypotheses: Sequence[Hypothesis]) -> pb.FinishReason:
    return max(
        (_REASONS[hypothesis.ending] for hypothesis in hypotheses if hypothesis.ending),
        default=pb.FINISH_REASON_NOTHING_TO_TRANSLATE,
    )


def _least_gain(alternative: ParsedSegment) -> float:
    carried = alternative.reading.carried
    return -_MOST_LOSS * len(carried) if carries_by_pieces(carried) else _LEAST_GAIN
