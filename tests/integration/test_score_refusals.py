"""What is wrong with a request for scores, by field, limit and value."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from seq2serve.pb import translation_pb2 as pb
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, OVERLONG_SENTENCE, Served, refusal, serving
from tests.small_models import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(rnn_repository: Path) -> AsyncIterator[Served]:
    async with serving(rnn_repository, max_contents=3, max_content_characters=500) as server:
        yield server


def pair(content: str = "the cat", translated_text: str = "the cat") -> pb.ScoredPair:
    return pb.ScoredPair(content=content, translated_text=translated_text)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("bad", "field", "problem"),
    [
        (pb.ScoreRequest(), "pairs", "1 to 3 expected, got 0"),
        (pb.ScoreRequest(pairs=[pair()] * 4), "pairs", "1 to 3 expected, got 4"),
        (pb.ScoreRequest(pairs=[pair(), pair(content="")]), "pairs[1].content", "a text that is not blank expected"),
        (pb.ScoreRequest(pairs=[pair(translated_text=" ")]), "pairs[0].translated_text", "a text that is not blank"),
        (pb.ScoreRequest(pairs=[pair(content="\ufeff")]), "pairs[0].content", "a text with something to translate"),
        (pb.ScoreRequest(pairs=[pair("12:30", "12:30")]), "pairs[0].content", "a text with something to translate"),
        (
            pb.ScoreRequest(pairs=[pair(translated_text="x" * 501)]),
            "pairs[0].translated_text",
            "at most 500 characters",
        ),
        (
            pb.ScoreRequest(pairs=[pair(content=OVERLONG_SENTENCE)]),
            "pairs[0].content",
            f"sentences of 1 to {MAX_SOURCE_TOKENS} tokens expected, got one of ",
        ),
        (
            pb.ScoreRequest(pairs=[pair(translated_text=OVERLONG_SENTENCE)]),
            "pairs[0].translated_text",
            f"sentences of 1 to {MAX_OUTPUT_TOKENS - 1} tokens expected, got one of ",
        ),
        (
            pb.ScoreRequest(pairs=[pair(content="The cat sleeps. She smiled.")]),
            "pairs[0].translated_text",
            "as many sentences as the content has, 2, expected, got 1",
        ),
        (
            pb.ScoreRequest(pairs=[pair()], return_alignment=True),
            "return_alignment",
            f"a model that has alignments expected, got {DEFAULT_MODEL}",
        ),
    ],
)
async def test_what_is_wrong_with_a_request_for_scores_is_named(
    shared: Served, bad: pb.ScoreRequest, field: str, problem: str
) -> None:
    code, message, _ = await refusal(shared.stub.Score(bad, timeout=PATIENCE))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(f"{field}: {problem}")
