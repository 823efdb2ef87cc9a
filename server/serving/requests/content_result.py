"""What an engine has told of one content's segments, and the texts, deltas and answer that this becomes."""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from seq2serve.pb import translation_pb2 as pb
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.sentence import Finished, Written
from server.serving.requests.parse import Segment
from server.serving.requests.word_alignment import num_words, word_pairs
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer

_REASONS = {
    Ending.EOS: pb.FINISH_REASON_END_OF_SENTENCE,
    Ending.LIMIT: pb.FINISH_REASON_MAX_OUTPUT_TOKENS,
    Ending.CONSTRAINTS: pb.FINISH_REASON_CONSTRAINTS,
}
"""How a content ended: the last of these that one of its segments ended with."""


class Part(NamedTuple):
    """One hypothesis of one segment."""

    text: str
    hypothesis: Hypothesis


class Combined(NamedTuple):
    """One hypothesis of each of the first segments."""

    text: str
    score: float
    """The sum of theirs."""
    parts: tuple[Part, ...]


class Delta(NamedTuple):
    """What of a content was not told before, as it was at one moment: later events do not change it."""

    text: str
    parts: list[Part]
    tokens: range
    """Numbers of the tokens that are to be told, counted over all parts; none where nobody asked for tokens."""


class ContentResult:
    def __init__(self, segments: Sequence[Segment], num_hypotheses: int, tokenizer: Tokenizer) -> None:
        self._segments = segments
        self._num_hypotheses = num_hypotheses
        self._tokenizer = tokenizer
        self._options = segments[0].options
        self._tells_tokens = self._options.token_log_probs or self._options.alignment
        self._certain = [Hypothesis() for _ in segments]
        """What was told so far of each unfinished segment."""
        self._parts: list[list[Part]] = [[] for _ in segments]
        """Of finished segments: the best hypotheses, the best first, no text twice. More of one segment than there are
        to be of all together are in none of the best combinations."""
        self._num_characters_sent = 0
        self._num_tokens_sent = 0

    def update(self, segment: int, event: Written | Finished) -> None:
        if isinstance(event, Finished):
            by_text: dict[str, Part] = {}
            for hypothesis in event.hypotheses:
                text = self._tokenizer.decode(hypothesis.output_ids)
                by_text.setdefault(text, Part(text, hypothesis))
                if len(by_text) == self._num_hypotheses:
                    break
            self._parts[segment] = list(by_text.values())
        else:
            certain = self._certain[segment]
            certain.output_ids += event.part.output_ids
            certain.token_log_probs += event.part.token_log_probs
            certain.attention += event.part.attention

    @property
    def is_finished(self) -> bool:
        return all(self._parts)

    def take_delta(self) -> Delta:
        """Text and tokens that have become certain since the last call: segments in order, up to the first unfinished
        one."""
        certain = []
        for parts, hypothesis in zip(self._parts, self._certain, strict=True):
            certain.append(parts[0] if parts else Part(self._tokenizer.decode(hypothesis.output_ids), hypothesis))
            if not parts:
                break
        text = " ".join(part.text for part in certain if part.text)
        if not self.is_finished:
            text = text.rstrip(" ")  # whether a space follows is known with the next word
        delta = text[self._num_characters_sent :]
        self._num_characters_sent += len(delta)
        num_tokens = sum(part.hypothesis.num_scored for part in certain) if self._tells_tokens else 0
        tokens = range(self._num_tokens_sent, num_tokens)
        self._num_tokens_sent = num_tokens
        return Delta(delta, certain, tokens)

    def write_tokens(self, delta: Delta, answer: pb.StreamTranslateResponse) -> Steps[None]:
        yield from self._write_tokens(delta.parts, delta.tokens, answer)

    def write_translation(self, answer: pb.Translation) -> Steps[None]:
        """Written in place: protobuf copies a message that is given to another."""
        combinations = yield from self._best()
        best = combinations[0]
        parts = [part.hypothesis for part in best.parts]
        num_scored = sum(part.num_scored for part in parts)
        answer.translated_text = best.text
        answer.score = sum(part.log_prob for part in parts) / max(num_scored, 1)
        answer.finish_reason = _reason(best.parts)
        answer.source_token_count = sum(len(segment.source_ids) for segment in self._segments)
        answer.output_token_count = sum(len(part.output_ids) for part in parts)
        for combined in combinations:
            yield from self._write_hypothesis(combined, answer.hypotheses.add())
        answer.source_tokens.extend(self._source_tokens())

    def write_score(self, answer: pb.PairScore) -> Steps[None]:
        """Of a translation that was given."""
        [[part]] = self._parts
        answer.log_prob = part.hypothesis.log_prob
        answer.score = part.hypothesis.log_prob / part.hypothesis.num_scored
        yield from self._write_tokens([part], range(part.hypothesis.num_scored), answer)
        answer.source_tokens.extend(self._source_tokens())
        answer.word_alignment = yield from self._word_alignment([part])

    def _best(self) -> Steps[list[Combined]]:
        """The best ways to take one hypothesis of each segment, by the sum of their scores; no text twice."""
        best = [Combined("", 0.0, ())]
        for parts in self._parts:
            longer = [(before.score + part.hypothesis.score, before, part) for before in best for part in parts]
            longer.sort(key=itemgetter(0), reverse=True)
            by_text: dict[str, Combined] = {}
            for score, before, part in longer:
                text = f"{before.text} {part.text}" if before.text and part.text else before.text or part.text
                if text not in by_text:
                    by_text[text] = Combined(text, score, (*before.parts, part))
                if len(by_text) == self._num_hypotheses:
                    break
            best = list(by_text.values())
            yield
        return best

    def _write_hypothesis(self, combined: Combined, answer: pb.Hypothesis) -> Steps[None]:
        answer.translated_text = combined.text
        answer.score = combined.score
        answer.finish_reason = _reason(combined.parts)
        if self._tells_tokens:
            num_tokens = sum(part.hypothesis.num_scored for part in combined.parts)
            yield from self._write_tokens(combined.parts, range(num_tokens), answer)
        answer.word_alignment = yield from self._word_alignment(combined.parts)

    def _write_tokens(
        self, parts: Sequence[Part], numbers: range, answer: pb.StreamTranslateResponse | pb.Hypothesis | pb.PairScore
    ) -> Steps[None]:
        """Those with these numbers, counted over all parts."""
        options, source_offset, first = self._options, 0, 0
        for segment, (_, hypothesis) in zip(self._segments, parts, strict=False):
            ids = [*hypothesis.output_ids, self._tokenizer.eos]  # the end is a token where the model wrote it
            num_tokens = hypothesis.num_scored
            for position in range(max(numbers.start - first, 0), min(numbers.stop - first, num_tokens)):
                token = answer.tokens.add(token=self._tokenizer.names[ids[position]])
                if options.token_log_probs:
                    token.log_prob = hypothesis.token_log_probs[position]
                if options.alignment:
                    token.alignment_start = source_offset
                    token.alignment.extend(hypothesis.attention[position].tolist())
                yield
            first += num_tokens
            source_offset += len(segment.source_ids)

    def _source_tokens(self) -> list[str]:
        if not self._options.alignment:
            return []
        return [self._tokenizer.names[id_] for segment in self._segments for id_ in segment.source_ids]

    def _word_alignment(self, parts: Sequence[Part]) -> Steps[str]:
        if not self._options.alignment:
            return ""
        pairs = []
        source_offset = output_offset = 0
        names = self._tokenizer.names
        for segment, (_, hypothesis) in zip(self._segments, parts, strict=True):
            source_pieces = [names[id_] for id_ in segment.source_ids[:-1]]
            output_pieces = [names[id_] for id_ in hypothesis.output_ids]
            pairs += [
                f"{source_offset + source}-{output_offset + output}"
                for source, output in word_pairs(source_pieces, output_pieces, hypothesis.attention)
            ]
            source_offset += num_words(source_pieces)
            output_offset += num_words(output_pieces)
            yield
        return " ".join(pairs)


def _reason(parts: Sequence[Part]) -> pb.FinishReason:
    return max(
        (_REASONS[part.hypothesis.ending] for part in parts if part.hypothesis.ending),
        default=pb.FINISH_REASON_UNSPECIFIED,
    )
