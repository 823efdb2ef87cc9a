"""What becomes of the engine's events: texts, deltas, and a listener that cannot read them."""

import asyncio
import functools
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.pb import translation_pb2 as pb
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import QueueFull
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished, Written
from server.serving.access.caller import Caller
from server.serving.engines.pool import EnginePool
from server.serving.metrics import Metrics
from server.serving.models.backlog import Backlog
from server.serving.models.served import ServedModel
from server.serving.requests.content_result import ContentResult
from server.serving.requests.open_request import OpenRequest
from server.serving.requests.parsed import KeptSegment, ParsedContent, ParsedSegment, TranslationRequest
from server.text.carriers import Carried
from server.text.reading import Reading
from server.text.segment import Protected, Segment
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer, Tokenizers
from tests.fakes import EOS, MANIFEST, NO_PIECES, PATIENCE, FakeBackend, InProcess, all_at_once, greedy, post
from tests.text.step_times import longest_step


class Words(SentencePieceTokenizer):
    """Each id is a word."""

    def __init__(self) -> None:
        self.eos = EOS
        self.names = list("abcdefghijkl")

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        return list(range(len(text))), [(at, at + 1) for at in range(len(text))]

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        return self.decode(ids), [(2 * at, 2 * at + 1) for at in range(len(ids))]


def parsed(source_ids: list[int], options: DecodingOptions, start: int = 0) -> ParsedSegment:
    """A segment of one letter."""
    reading = Reading("a", range(2), (), is_upper=False, num_unreadable=0)
    return ParsedSegment(Segment("a", range(start, start + 2)), reading, source_ids, options)


def result(num_segments: int, num_hypotheses: int = 1, **options: Any) -> ContentResult:
    """Of a content of letters with blanks between them."""
    items: list[str | KeptSegment | ParsedSegment] = []
    for number in range(num_segments):
        items += [" "] * bool(number)
        items.append(parsed([4, EOS], DecodingOptions(max_output_tokens=9, **options), 2 * number))
    content = ParsedContent(" ".join("a" * num_segments), tuple(items))
    return ContentResult(
        content, num_hypotheses, Tokenizers.one(Words()), tells_alignment=options.get("alignment", False)
    )


def delta_of(content: ContentResult) -> str:
    all_at_once(content.settle())
    return content.take_delta().text


def finished(*hypotheses: tuple[list[int], float], ending: Ending = Ending.EOS) -> Finished:
    return Finished([Hypothesis(ids, log_prob, ending=ending, score=log_prob) for ids, log_prob in hypotheses])


def translation_of(content: ContentResult) -> pb.Translation:
    translation = pb.Translation()
    all_at_once(content.write_translation(translation))
    return translation


def tokens_of(content: ContentResult) -> list[pb.OutputToken]:
    """Those that were not told before."""
    answer = pb.StreamTranslateResponse()
    all_at_once(content.settle())
    all_at_once(content.write_tokens(content.take_delta(), answer))
    return list(answer.tokens)


def test_what_lies_between_segments_is_told_with_them() -> None:
    content = result(3)
    deltas = [delta_of(content)]
    for segment, output in enumerate(([5, 6], [7], [8])):
        content.update(segment, finished((output, -1.0)))
        deltas.append(delta_of(content))
    assert deltas == ["", "5 6 ", "7 ", "8"]
    assert translation_of(content).translated_text == "5 6 7 8"


def test_text_of_a_later_segment_waits_for_those_before() -> None:
    content = result(2)
    content.update(1, Written(Hypothesis([7])))
    assert delta_of(content) == ""
    content.update(0, Written(Hypothesis([5])))
    assert delta_of(content) == "5"
    content.update(0, finished(([5, 6], -1.0)))
    assert delta_of(content) == " 6 7"
    content.update(1, finished(([7], -0.5), ending=Ending.LIMIT))
    assert delta_of(content) == ""
    translation = translation_of(content)
    assert translation.score == pytest.approx(-1.5 / (3 + 1))
    assert translation.finish_reason == pb.FINISH_REASON_MAX_OUTPUT_TOKENS


def test_hypotheses_of_segments_are_combined_by_the_sum_of_their_scores() -> None:
    content = result(2, num_hypotheses=3)
    content.update(0, finished(([5], -1.0), ([6], -1.5)))
    content.update(1, finished(([7], -2.0), ([8], -2.25), ([9], -9.0)))
    translation = translation_of(content)
    assert [hypothesis.translated_text for hypothesis in translation.hypotheses] == ["5 7", "5 8", "6 7"]
    assert [hypothesis.score for hypothesis in translation.hypotheses] == [-3.0, -3.25, -3.5]


def test_of_combinations_with_one_text_the_best_is_there() -> None:
    content = result(2, num_hypotheses=3)
    content.update(0, finished(([5], -1.0), ([5, 6], -1.3)))
    content.update(1, finished(([6, 7], -1.0), ([7], -1.2)))
    hypotheses = translation_of(content).hypotheses
    assert [hypothesis.translated_text for hypothesis in hypotheses] == ["5 6 7", "5 7", "5 6 6 7"]
    assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx([-2.0, -2.2, -2.3])


segment_hypotheses = st.lists(
    st.tuples(st.integers(4, 9).map(lambda id_: [id_]), st.integers(-9, 0).map(lambda score: score / 4)),
    min_size=1,
    max_size=6,
    unique_by=lambda hypothesis: hypothesis[0][0],
).map(lambda hypotheses: sorted(hypotheses, key=lambda hypothesis: -hypothesis[1]))


@given(segments=st.lists(segment_hypotheses, min_size=1, max_size=4), num_hypotheses=st.integers(1, 8))
def test_combinations_are_the_best_of_all_that_there_are(
    segments: list[list[tuple[list[int], float]]], num_hypotheses: int
) -> None:
    content = result(len(segments), num_hypotheses)
    for index, hypotheses in enumerate(segments):
        content.update(index, finished(*hypotheses))
    score_of: dict[str, float] = {}
    for combination in itertools.product(*segments):
        text = " ".join(str(id_) for [id_], _ in combination)
        score_of[text] = max(sum(score for _, score in combination), score_of.get(text, -math.inf))
    answered = [(one.translated_text, one.score) for one in translation_of(content).hypotheses]
    assert [score for _, score in answered] == sorted(score_of.values(), reverse=True)[:num_hypotheses]
    assert all(score_of[text] == score for text, score in answered)
    assert len({text for text, _ in answered}) == len(answered)


def test_combining_many_segments_takes_time_in_proportion_to_their_number() -> None:
    """Steps are counted, as time says little on a busy machine."""
    num_steps = []
    for num_segments in (40, 80):
        content = result(num_segments, num_hypotheses=8)
        for index in range(num_segments):
            content.update(index, finished(*[([number], -number / 7) for number in range(8)]))
        num_steps.append(len(list(content.write_translation(pb.Translation()))))
    assert num_steps[1] <= 2.2 * num_steps[0]


def with_alternatives(num_segments: int) -> ContentResult:
    """Segments that each have an alternative in which the name 9 stands in for a span."""
    items = []
    for number in range(num_segments):
        segment = parsed([4, EOS], greedy(9), number)
        reading = replace(segment.reading, carried=(Carried("9", Protected(0, 1, "{x}")),))
        alternative = replace(segment, source_ids=[4, 9, EOS], reading=reading)
        items.append(replace(segment, alternative=alternative))
    return ContentResult(ParsedContent("a" * num_segments, tuple(items)), 1, Tokenizers.one(Words()))


def test_an_alternative_is_answered_where_it_is_more_probable_whatever_ends_first() -> None:
    for order in itertools.permutations(range(4)):
        content = with_alternatives(2)
        ends = [([5], -4.0), ([6], -4.0), ([7, 9], -3.0), ([8, 9], -3.8)]
        for number in order:
            assert not content.is_finished
            content.update(number, finished(ends[number]))
            delta_of(content)
        translation = translation_of(content)
        assert translation.translated_text == "7 {x}6"
        assert [segment.source_token_count for segment in translation.segments] == [3, 2]
        assert translation.source_token_count == 5


def settle_alternatives(num_segments: int) -> Steps[None]:
    content = with_alternatives(num_segments)
    for number in range(num_segments):
        content.update(number, finished(([5], -4.0)))
        content.update(num_segments + number, finished(([7, 9], -3.0)))
    return content.settle()


def test_choosing_among_many_alternatives_takes_time_in_proportion_to_their_number() -> None:
    seconds = []
    for num_segments in (500, 2000):
        longest, total = longest_step(functools.partial(settle_alternatives, num_segments))
        assert longest < 0.015  # a fifth of it where nobody else uses the machine
        seconds.append(total)
    assert seconds[1] < 8 * seconds[0]


def test_what_comes_while_tokens_are_written_is_told_the_next_time() -> None:
    content = result(1, token_log_probs=True)
    content.update(0, Written(Hypothesis([5], token_log_probs=[-1.0])))
    delta = content.take_delta()
    content.update(0, Written(Hypothesis([6, 7], token_log_probs=[-2.0, -3.0])))
    answer = pb.StreamTranslateResponse()
    all_at_once(content.write_tokens(delta, answer))
    assert [token.log_prob for token in answer.tokens] == [-1.0]
    assert [token.log_prob for token in tokens_of(content)] == [-2.0, -3.0]


def test_a_large_answer_is_written_in_as_many_steps_as_it_has_tokens() -> None:
    content = result(3, alignment=True, token_log_probs=True)
    for index in range(3):
        attention = [np.array([0.75, 0.25], np.float32)] * 9
        whole = Hypothesis([5] * 8, -3.0, token_log_probs=[-1.0] * 9, attention=attention, ending=Ending.EOS)
        content.update(index, Finished([whole]))
    assert len(list(content.write_translation(pb.Translation()))) >= 3 * 9


def test_a_text_that_two_hypotheses_share_is_there_once_with_the_better_score() -> None:
    content = result(1, num_hypotheses=3)
    content.update(0, finished(([4], -1.0), ([5], -1.5), ([5], -2.0), ([6], -3.0)))
    hypotheses = translation_of(content).hypotheses
    assert [(hypothesis.translated_text, hypothesis.score) for hypothesis in hypotheses] == [
        ("4", -1.0),
        ("5", -1.5),
        ("6", -3.0),
    ]


def test_tokens_are_told_once_and_stand_over_their_own_segment_s_source() -> None:
    content = result(2, alignment=True, token_log_probs=True)
    rows = [np.array([0.75, 0.25], np.float32), np.array([0.5, 0.5], np.float32)]
    content.update(1, Written(Hypothesis([7], token_log_probs=[-3.0], attention=[rows[1]])))
    content.update(0, Written(Hypothesis([5], token_log_probs=[-1.0], attention=[rows[0]])))
    first = tokens_of(content)
    whole = Hypothesis([5], -3.0, token_log_probs=[-1.0, -2.0], attention=rows, ending=Ending.EOS)
    content.update(0, Finished([whole]))
    second = tokens_of(content)
    assert [(token.token, token.log_prob) for token in first] == [("f", -1.0)]
    assert [(token.token, token.log_prob) for token in second] == [("d", -2.0), ("h", -3.0)]
    assert (list(first[0].alignment), first[0].alignment_start) == ([0.75, 0.25], 0)
    assert (list(second[1].alignment), second[1].alignment_start) == ([0.5, 0.5], 2)


class Unreadable(SentencePieceTokenizer):
    def decode(self, ids: list[int]) -> str:
        raise IndexError("secret of the tokenizer")


async def test_what_cannot_be_read_fails_its_own_request_alone(small_tokenizer: Path, tokenizer: Tokenizer) -> None:
    metrics = Metrics()
    engine = InProcess(MANIFEST, FakeBackend(4), NO_PIECES, Limits(4, 100), post, EngineMetrics("fake"))

    def opened(own: Tokenizer, source: list[int]) -> OpenRequest:
        content = ParsedContent("a", (parsed(source, greedy(9)),))
        request = TranslationRequest(
            ServedModel(MANIFEST, Tokenizers.one(own), engine, Backlog(1.0)), [content], 1, True
        )
        return OpenRequest(request, Caller("somebody"), math.inf, streams=False, metrics=metrics.requests)

    # Of one length, so that they end in the same step.
    with opened(Unreadable(small_tokenizer, EOS), [3, 5, EOS]) as bad, opened(tokenizer, [3, 6, EOS]) as good:
        all_at_once(bad.submit())
        all_at_once(good.submit())
        engine.run()
        assert await asyncio.wait_for(bad.news(), PATIENCE) == [0]
        assert await asyncio.wait_for(good.news(), PATIENCE) == [0]
        with pytest.raises(IndexError):
            translation_of(bad.results[0])
        assert translation_of(good.results[0]).translated_text


async def test_a_request_that_is_left_while_it_is_submitted_keeps_no_places(tokenizer: Tokenizer) -> None:
    pool = EnginePool(100, 1, 0.02, lambda: None)
    content = ParsedContent("a", tuple(parsed([3, EOS], greedy(9), 2 * number) for number in range(100)))
    model = ServedModel(MANIFEST, Tokenizers.one(tokenizer), pool, Backlog(1.0))
    request = TranslationRequest(model, [content], 1, True)
    for caller in ("somebody", "somebody else"):
        with OpenRequest(request, Caller(caller), math.inf, streams=False, metrics=Metrics().requests) as left:
            steps = left.submit()
            for _ in range(101):  # the last of them submits the first sentences
                next(steps)
            with pytest.raises(QueueFull):
                all_at_once(OpenRequest(request, Caller("a third"), math.inf, False, Metrics().requests).submit())
            steps.close()
    pool.close()


def test_what_has_nothing_to_translate_is_finished_from_the_start() -> None:
    kept = KeptSegment(Segment("...", range(1, 5)), "...", 0)
    content = ContentResult(ParsedContent(" ... ", (" ", kept, " ")), 1, Tokenizers.one(Words()))
    assert content.is_finished
    assert content.take_delta().text == " ... "
    translation = translation_of(content)
    assert translation.translated_text == " ... "
    assert translation.finish_reason == pb.FINISH_REASON_NOTHING_TO_TRANSLATE
    [segment] = translation.segments
    assert (segment.source_start, segment.source_end, segment.translation_start, segment.translation_end) == (
        1,
        4,
        1,
        4,
    )
    assert segment.finish_reason == pb.FINISH_REASON_NOTHING_TO_TRANSLATE
