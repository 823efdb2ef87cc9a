"""What an engine has told of one content's segments, and the texts, deltas and answer that this becomes."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from seq2serve.pb import translation_pb2 as pb
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.sentence import Finished, Written
from server.serving.requests.parse import Segment
from server.serving.requests.word_alignment import num_words, word_pairs
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


class ContentResult:
    def __init__(self, segments: Sequence[Segment], num_hypotheses: int, tokenizer: Tokenizer) -> None:
        self._segments = segments
        self._num_hypotheses = num_hypotheses
        self._tokenizer = tokenizer
        self._options = segments[0].options
        self._certain = [Hypothesis() for _ in segments]
        """What was told so far of each unfinished segment."""
        self._parts: list[list[Part]] = [[] for _ in segments]
        """The hypotheses of each finished segment, the best first, no text twice."""
        self._num_characters_sent = 0
        self._num_tokens_sent = 0

    def update(self, segment: int, event: Written | Finished) -> None:
        if isinstance(event, Finished):
            by_text: dict[str, Part] = {}
            for hypothesis in event.hypotheses:
                text = self._tokenizer.decode(hypothesis.output_ids)
                by_text.setdefault(text, Part(text, hypothesis))
            self._parts[segment] = list(by_text.values())
        else:
            certain = self._certain[segment]
            certain.output_ids += event.part.output_ids
            certain.token_log_probs += event.part.token_log_probs
            certain.attention += event.part.attention

    @property
    def is_finished(self) -> bool:
        return all(self._parts)

    def take_delta(self) -> tuple[str, list[pb.OutputToken]]:
        """Text and tokens that have become certain since the last call: segments in order, up to the first unfinished
        one. Tokens are there only where they were asked for."""
        certain = []
        for parts, hypothesis in zip(self._parts, self._certain, strict=True):
            certain.append(parts[0] if parts else Part(self._tokenizer.decode(hypothesis.output_ids), hypothesis))
            if not parts:
                break
        text = _joined(certain)
        if not self.is_finished:
            text = text.rstrip(" ")  # whether a space follows is known with the next word
        delta = text[self._num_characters_sent :]
        self._num_characters_sent += len(delta)
        tokens = self._tokens(certain, self._num_tokens_sent)
        self._num_tokens_sent += len(tokens)
        return delta, tokens

    def translation(self) -> pb.Translation:
        best, *others = self._best()
        parts = [part.hypothesis for part in best]
        num_scored = sum(part.num_scored for part in parts)
        return pb.Translation(
            translated_text=_joined(best),
            score=sum(part.log_prob for part in parts) / max(num_scored, 1),
            finish_reason=_reason(best),
            source_token_count=sum(len(segment.source_ids) for segment in self._segments),
            output_token_count=sum(len(part.output_ids) for part in parts),
            hypotheses=[self._hypothesis(parts) for parts in (best, *others)],
            source_tokens=self._source_tokens(),
        )

    def score(self) -> pb.PairScore:
        """The answer for a translation that the caller gave."""
        [part] = self._best()[0]
        return pb.PairScore(
            log_prob=part.hypothesis.log_prob,
            score=part.hypothesis.log_prob / part.hypothesis.num_scored,
            tokens=self._tokens([part], 0),
            source_tokens=self._source_tokens(),
            word_alignment=self._word_alignment([part]),
        )

    def _best(self) -> list[tuple[Part, ...]]:
        """The best ways to take one hypothesis of each segment, by the sum of their scores; no text twice."""
        best: list[tuple[Part, ...]] = [()]
        for parts in self._parts:
            longer = [(*before, part) for before, part in itertools.product(best, parts)]
            by_text: dict[str, tuple[Part, ...]] = {}
            for combined in sorted(longer, key=_score, reverse=True):
                by_text.setdefault(_joined(combined), combined)
            best = list(by_text.values())[: self._num_hypotheses]
        return best

    def _hypothesis(self, parts: Sequence[Part]) -> pb.Hypothesis:
        return pb.Hypothesis(
            translated_text=_joined(parts),
            score=_score(parts),
            finish_reason=_reason(parts),
            tokens=self._tokens(parts, 0),
            word_alignment=self._word_alignment(parts),
        )

    def _tokens(self, parts: Sequence[Part], start: int) -> list[pb.OutputToken]:
        """The output tokens from number `start` on, counted over all parts; none where nobody asked."""
        options = self._options
        if not options.token_log_probs and not options.alignment:
            return []
        offsets = [0, *itertools.accumulate(len(segment.source_ids) for segment in self._segments)]
        tokens = []
        first = 0
        for index, (_, hypothesis) in enumerate(parts):
            ids = hypothesis.output_ids + [self._tokenizer.eos] * (hypothesis.ending is Ending.EOS)
            for position in range(max(start - first, 0), len(ids)):
                token = pb.OutputToken(token=self._tokenizer.names[ids[position]])
                if options.token_log_probs:
                    token.log_prob = hypothesis.token_log_probs[position]
                if options.alignment:
                    token.alignment_start = offsets[index]
                    token.alignment.extend(hypothesis.attention[position].tolist())
                tokens.append(token)
            first += len(ids)
        return tokens

    def _source_tokens(self) -> list[str]:
        if not self._options.alignment:
            return []
        return [self._tokenizer.names[id_] for segment in self._segments for id_ in segment.source_ids]

    def _word_alignment(self, parts: Sequence[Part]) -> str:
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
        return " ".join(pairs)


def _joined(parts: Sequence[Part]) -> str:
    return " ".join(part.text for part in parts if part.text)


def _score(parts: Sequence[Part]) -> float:
    return sum(part.hypothesis.score for part in parts)


def _reason(parts: Sequence[Part]) -> pb.FinishReason:
    return max(
        (_REASONS[part.hypothesis.ending] for part in parts if part.hypothesis.ending),
        default=pb.FINISH_REASON_UNSPECIFIED,
    )
