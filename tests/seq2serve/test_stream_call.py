"""Streams that break anywhere, answered by servers that cut the same text into other pieces: no server, no waiting."""

from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.attempts import MAX_ATTEMPTS, Attempts
from seq2serve.errors import InvalidRequest, TranslationError, Unavailable, UnknownModel
from seq2serve.pb import translation_pb2 as pb
from seq2serve.stream_call import StreamCall
from tests.examples import examples
from tests.fakes import FakeClock


class Broken(grpc.RpcError):
    """A status without details."""

    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "broken"

    def trailing_metadata(self) -> tuple[()]:
        return ()


def stream_call(*contents: str, max_contents: int = 100, **decoding: Any) -> StreamCall:
    request = pb.TranslateRequest(contents=contents, model="m", decoding=pb.DecodingOptions(**decoding))
    clock = FakeClock()
    return StreamCall(request, max_contents, Attempts(clock.now + 60.0, True, clock))


def delta(index: int, text: str, *tokens: str) -> pb.StreamTranslateResponse:
    written = [pb.OutputToken(token=token) for token in tokens]
    return pb.StreamTranslateResponse(content_index=index, text_delta=text, tokens=written)


def end(index: int, text: str, *tokens: str) -> pb.StreamTranslateResponse:
    message = pb.StreamTranslateResponse(content_index=index, tokens=[pb.OutputToken(token=token) for token in tokens])
    message.translation.translated_text = text
    return message


class Told:
    """What a caller has of each content."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.tokens: dict[int, list[str]] = {}
        self.ends: list[int] = []

    def add(self, message: pb.StreamTranslateResponse | None) -> None:
        if message is None:
            return
        index = message.content_index
        assert index not in self.ends, "nothing follows a translation"
        assert message.HasField("translation") or message.text_delta or message.tokens
        self.texts[index] = self.texts.get(index, "") + message.text_delta
        self.tokens.setdefault(index, []).extend(token.token for token in message.tokens)
        if message.HasField("translation"):
            assert message.translation.translated_text == self.texts[index]
            self.ends.append(index)


TEXTS = st.text("ab ", max_size=12)


@st.composite
def answers(draw: st.DrawFn, requested: list[str]) -> list[pb.StreamTranslateResponse]:
    """What a server sends for contents, each of which is its own translation and has its characters as tokens: deltas
    of any length, those of different contents in any order."""
    queues = []
    for index, text in enumerate(requested):
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
        pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        late = len(pieces[-1]) if draw(st.booleans()) else 0  # the last tokens may come with the translation
        messages = [delta(index, piece, *piece) for piece in pieces if piece]
        if late and messages:
            del messages[-1].tokens[:]
        queues.append([*messages, end(index, text, *(text[len(text) - late :] if late and messages else ""))])
    order = draw(st.permutations([index for index, queue in enumerate(queues) for _ in queue]))
    return [queues[index].pop(0) for index in order]


@examples(2)
@given(st.data(), st.lists(TEXTS, min_size=1, max_size=4), st.integers(1, 4))
def test_wherever_it_breaks_no_text_has_anything_twice_or_misses_anything(
    data: st.DataObject, contents: list[str], max_contents: int
) -> None:
    stream, told = stream_call(*contents, max_contents=max_contents), Told()
    while not stream.is_finished:
        request = stream.next_request()
        assert request.model == "m"
        assert 1 <= len(request.contents) <= max_contents
        messages = data.draw(answers(list(request.contents)))
        num_arrived = data.draw(st.integers(min(1, len(messages)), len(messages)))
        was_told = len(told.ends), told.texts.copy()
        for message in messages[:num_arrived]:
            told.add(stream.take(message))
        if num_arrived == len(messages):
            stream.end_answer()
            continue
        try:
            stream.delay_after(Broken())
        except TranslationError:  # it has broken in vain too often
            assert (len(told.ends), told.texts) == was_told
            return
    assert told.texts == dict(enumerate(contents))
    assert told.tokens == {index: list(text) for index, text in enumerate(contents)}
    assert sorted(told.ends) == list(range(len(contents)))


def test_only_what_is_not_finished_is_asked_for_again_under_its_old_place() -> None:
    stream, told = stream_call("a", "b", "c"), Told()
    stream.next_request()
    for message in (delta(1, "B"), end(1, "B"), delta(2, "C")):
        told.add(stream.take(message))
    stream.delay_after(Broken())
    assert list(stream.next_request().contents) == ["a", "c"]
    for message in (delta(0, "A"), end(0, "A"), delta(1, "CC"), end(1, "CC")):
        told.add(stream.take(message))
    stream.end_answer()
    assert stream.is_finished
    assert told.texts == {0: "A", 1: "B", 2: "CC"}


@pytest.mark.parametrize("messages", [[delta(0, "the cat")], [delta(0, "a")], [delta(0, "the"), end(0, "the")]])
def test_a_text_that_comes_otherwise_the_second_time_ends_the_stream(
    messages: list[pb.StreamTranslateResponse],
) -> None:
    stream = stream_call("x")
    stream.next_request()
    assert stream.take(delta(0, "the dog"))
    stream.delay_after(Broken())
    stream.next_request()
    *before, other = messages
    assert [stream.take(message) for message in before] == [None] * len(before)
    with pytest.raises(Unavailable, match=r"contents\[0\]: .* another beginning"):
        stream.take(other)


def answered_by(version: str, message: pb.StreamTranslateResponse) -> pb.StreamTranslateResponse:
    message.model, message.model_version = "m", version
    return message


def test_what_has_begun_is_asked_of_the_same_version_again_and_what_has_not_of_any() -> None:
    stream = stream_call("a", "b", "c", max_contents=2)
    assert stream.next_request().model == "m"
    stream.take(answered_by("7", delta(0, "A")))
    stream.delay_after(Broken())
    request = stream.next_request()
    assert (request.model, list(request.contents)) == ("m@7", ["a", "b"])
    for message in (delta(0, "A"), end(0, "A"), end(1, "")):
        stream.take(answered_by("7", message))
    stream.end_answer()
    assert stream.next_request().model == "m", "c has not begun"


def test_a_version_that_is_gone_is_replaced_by_one_that_may_write_the_same() -> None:
    stream = stream_call("a")
    stream.next_request()
    stream.take(answered_by("7", delta(0, "AB")))
    stream.delay_after(Broken())
    assert stream.next_request().model == "m@7"
    assert stream.delay_after(Broken(grpc.StatusCode.NOT_FOUND)) == 0
    assert stream.next_request().model == "m"
    assert stream.take(answered_by("8", delta(0, "A"))) is None
    with pytest.raises(Unavailable, match="another beginning"):
        stream.take(answered_by("8", end(0, "")))


def test_a_model_that_is_not_there_is_an_error_whatever_has_begun() -> None:
    stream = stream_call("a")
    stream.next_request()
    with pytest.raises(UnknownModel):
        stream.delay_after(Broken(grpc.StatusCode.NOT_FOUND))


def is_resumed(stream: StreamCall, *messages: pb.StreamTranslateResponse) -> bool:
    stream.next_request()
    for message in messages:
        stream.take(message)
    try:
        stream.delay_after(Broken())
    except Unavailable:
        return False
    return True


def test_samples_are_resumed_only_with_a_seed_or_before_anything_was_told_of_them() -> None:
    assert is_resumed(stream_call("a", temperature=1.0, seed=0), delta(0, "A"))
    assert not is_resumed(stream_call("a", temperature=1.0), delta(0, "A"))
    assert is_resumed(stream_call("a", "b", temperature=1.0), delta(0, "A"), end(0, "A"))
    assert not is_resumed(stream_call("a", "b", temperature=1.0), delta(0, "A"), end(0, "A"), delta(1, "", "t"))


def test_what_is_unavailable_before_it_has_begun_is_tried_once_more_than_grpc_has() -> None:
    stream = stream_call("a")
    assert [is_resumed(stream), is_resumed(stream)] == [True, False]


def test_a_stream_that_breaks_again_and_again_without_anything_new_is_given_up() -> None:
    stream = stream_call("a")
    assert is_resumed(stream, delta(0, "A"))
    assert [is_resumed(stream, delta(0, "A")) for _ in range(MAX_ATTEMPTS)] == [True] * (MAX_ATTEMPTS - 2) + [False] * 2


def test_a_wrong_request_is_not_sent_again() -> None:
    stream = stream_call("a")
    stream.next_request()
    stream.take(delta(0, "A"))
    with pytest.raises(InvalidRequest):
        stream.delay_after(Broken(grpc.StatusCode.INVALID_ARGUMENT))


def test_an_answer_without_a_translation_is_an_error() -> None:
    stream = stream_call("a", "b")
    stream.next_request()
    stream.take(end(0, ""))
    with pytest.raises(TranslationError, match=r"contents\[1\]: the stream ended before its translation"):
        stream.end_answer()


def test_nothing_to_translate_is_no_call() -> None:
    assert stream_call().is_finished
