"""What the service refuses or gives up, with which status, message and details, and what becomes of the others."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
import pytest_asyncio
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle, BundleError
from server.decoding.graphs.backend import Backend, BackendOptions
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, Served, answer, refusal, request, serving
from tests.small_models import MAX_OUTPUT_TOKENS, SENTENCES


@pytest.fixture
async def served(repository_of: Repositories) -> AsyncIterator[Served]:
    async with serving(repository_of("rnn", "lstm"), max_contents=3, max_content_characters=500) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(rnn_repository: Path) -> AsyncIterator[Served]:
    """One server for all requests that leave no trace."""
    async with serving(rnn_repository, max_contents=3, max_content_characters=500) as server:
        yield server


DOG_TO_CAT = {"source_term": "dog", "target_term": "cat"}

BAD_REQUESTS = [
    (request(), "contents", "1 to 3 expected, got 0"),
    (request(*"abcd"), "contents", "1 to 3 expected, got 4"),
    (request("x" * 501), "contents[0]", "at most 500 characters expected, got 501"),
    (request("a", mime_type="text/markdown"), "mime_type", "text/plain or text/html expected, got 'text/markdown'"),
    (request("a", split_sentences=9), "split_sentences", "one of SENTENCE_SPLITTING_UNSPECIFIED, "),
    (request("a", priority=7), "priority", "one of PRIORITY_UNSPECIFIED, PRIORITY_INTERACTIVE, PRIORITY_BULK expected"),
    (request("a", do_not_translate=["x"] * 101), "do_not_translate", "at most 100 expected, got 101"),
    (request("a", do_not_translate=["x", ""]), "do_not_translate[1]", "a text that is not blank expected, got ''"),
    (request("a", do_not_translate=["x" * 201]), "do_not_translate[0]", "at most 200 characters expected, got 201"),
    (
        request("a", max_output_tokens=-1),
        "decoding.max_output_tokens",
        f"1 to {MAX_OUTPUT_TOKENS} expected, or 0 for the server's own, got -1",
    ),
    (
        request("a", max_output_tokens=MAX_OUTPUT_TOKENS + 1),
        "decoding.max_output_tokens",
        f"1 to {MAX_OUTPUT_TOKENS} expected, or 0 for the server's own, got {MAX_OUTPUT_TOKENS + 1}",
    ),
    *(
        (request("a", decoding={name: value}), f"decoding.{name}", problem)
        for name, value, problem in [
            ("beam_size", -1, "1 to 8 expected, or 0 for 1, got -1"),
            ("beam_size", 9, "1 to 8 expected, or 0 for 1, got 9"),
            ("num_hypotheses", 2, "1 to 1, the beam_size, expected, or 0 for 1, got 2"),
            ("length_penalty", 10.5, "0 to 10 expected, got 10.5"),
            ("length_penalty", math.nan, "0 to 10 expected, got nan"),
            ("coverage_penalty", -0.5, "0 to 10 expected, got -0.5"),
            ("coverage_penalty", 0.5, f"a model that has alignments expected, got {DEFAULT_MODEL}"),
            ("return_alignment", True, f"a model that has alignments expected, got {DEFAULT_MODEL}"),
            ("return_alignment_heads", True, f"a model that has alignments expected, got {DEFAULT_MODEL}"),
            ("use_shortlist", True, f"a model that has a shortlist expected, got {DEFAULT_MODEL}"),
            ("patience", math.inf, "above 0 to 10 expected, or 0 for 1, got inf"),
            ("min_output_tokens", MAX_OUTPUT_TOKENS + 1, f"0 to {MAX_OUTPUT_TOKENS} expected, got "),
            ("temperature", 11.0, "0 to 10 expected, got 11"),
            ("top_k", 5, "a temperature above 0 beside it expected, got 0"),
            ("top_p", 0.5, "a temperature above 0 beside it expected, got 0"),
            ("seed", 0, "a temperature above 0 beside it expected, got 0"),
            ("target_prefix", " ", "a text that is not blank expected, got ' '"),
            ("no_repeat_ngram_size", -2, f"1 to {MAX_OUTPUT_TOKENS} expected, or 0 for none, got -2"),
            ("repetition_penalty", 0.5, "1 to 10 expected, or 0 for 1, got 0.5"),
            ("forbidden_phrases", ["a"] * 65, "at most 64 expected, got 65"),
            ("target_prefix", "cat " * 9999, f"at most {50 * MAX_OUTPUT_TOKENS} characters expected, got 39996"),
        ]
    ),
    (
        request("a", decoding={"min_output_tokens": 5}, max_output_tokens=4),
        "decoding.min_output_tokens",
        "0 to 4 expected, got 5",
    ),
    (
        request("a", decoding={"temperature": 1, "beam_size": 2}),
        "decoding.beam_size",
        "no temperature beside it expected, got 1",
    ),
    (
        request("a", decoding={"temperature": 1, "glossary": {"name": "x"}}),
        "decoding.glossary",
        "no temperature beside it expected, got 1",
    ),
    (
        request("a", decoding={"temperature": 1, "top_p": 1.5}),
        "decoding.top_p",
        "0 to 1 expected, got 1.5",
    ),
    (
        request("a", decoding={"temperature": 1, "num_hypotheses": 9}),
        "decoding.num_hypotheses",
        "1 to 8 expected, or 0 for 1, got 9",
    ),
    (
        request("a", decoding={"forbidden_phrases": ["b", " "]}),
        "decoding.forbidden_phrases[1]",
        "a text that is not blank expected, got ' '",
    ),
    (
        request("a", decoding={"forbidden_phrases": ["b", "\u200b"]}),
        "decoding.forbidden_phrases[1]",
        "a text that has something to forbid expected, got '\\u200b'",
    ),
    (
        request("the dog, the dog", decoding={"glossary": {"entries": [DOG_TO_CAT]}}, max_output_tokens=1),
        "decoding.glossary",
        "prefix and terms of at most 1 tokens, the output limit, expected, got ",
    ),
    (
        request("a", decoding={"forbidden_phrases": ["x" * 201]}),
        "decoding.forbidden_phrases[0]",
        "at most 200 characters expected, got 201",
    ),
    (
        request("a", decoding={"forbidden_phrases": ["cat"], "target_prefix": "the cat"}),
        "decoding.forbidden_phrases[0]",
        "a text that is not in decoding.target_prefix expected, got 'cat'",
    ),
    (
        request("the dog", decoding={"forbidden_phrases": ["cat"], "glossary": {"entries": [DOG_TO_CAT]}}),
        "decoding.forbidden_phrases[0]",
        "a text that is not in decoding.glossary expected, got 'cat'",
    ),
    (
        request(
            "the dog",
            decoding={"target_prefix": "the old house", "glossary": {"entries": [DOG_TO_CAT]}},
            max_output_tokens=3,
        ),
        "decoding.target_prefix",
        "at most 3 tokens, the output limit, expected, got ",
    ),
    (
        request("a", decoding={"glossary": {"name": "x"}}),
        "decoding.glossary.name",
        "one of the model's glossaries (none) expected, got 'x'",
    ),
    (
        request("a", decoding={"glossary": {"entries": [DOG_TO_CAT, {"source_term": "!", "target_term": ""}]}}),
        "decoding.glossary.entries[1].target_term",
        "a text that is not blank expected, got ''",
    ),
    (
        request("a", decoding={"glossary": {"entries": [DOG_TO_CAT] * 1001}}),
        "decoding.glossary.entries",
        "at most 1000 expected, got 1001",
    ),
    (
        request("a", source_language_code="de"),
        "source_language_code",
        "the language pairs served here are en-fr, got 'de'",
    ),
    (
        request("a", source_language_code="d" * 9000),
        "source_language_code",
        f"a code such as en or pt-BR expected; the language pairs served here are en-fr, got '{'d' * 50}…'",
    ),
    (
        request("a", model=DEFAULT_MODEL, target_language_code="de"),
        "target_language_code",
        f"model '{DEFAULT_MODEL}' serves en-fr, got 'de'",
    ),
]


async def test_a_text_given_for_a_model_s_name_is_not_found(served: Served) -> None:
    code, message, _ = await refusal(served.translate("a", model="x" * 9000))
    assert code == grpc.StatusCode.NOT_FOUND
    assert message.startswith(f"model: no model '{'x' * 50}…' is served here; served: ")


async def test_contents_within_the_limits_are_not_too_large_for_grpc(rnn_repository: Path) -> None:
    """5 MB, of characters of four bytes, where gRPC's own limit would be 4 MB; refused for what they are."""
    async with serving(rnn_repository) as served:
        bad = request(*["\U0001f600" * 10_000] * 127, "x" * 10_001)
        code, message, _ = await refusal(served.stub.Translate(bad, timeout=PATIENCE))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("contents[127]: at most 10000 characters expected")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
@pytest.mark.parametrize(("bad", "field", "problem"), BAD_REQUESTS)
async def test_what_is_wrong_with_a_request_is_named_by_field_limit_and_value(
    shared: Served, method: str, bad: pb.TranslateRequest, field: str, problem: str
) -> None:
    code, message, details = await refusal(answer(shared, method, bad))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(f"{field}: {problem}")
    bad_request = details["BadRequest"]
    assert isinstance(bad_request, BadRequest)
    [violation] = bad_request.field_violations
    assert (violation.field, f"{violation.field}: {violation.description}") == (field, message)


async def test_an_alignment_that_would_be_larger_than_an_answer_may_be_is_refused(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "transformer")) as served:
        large = request(
            *["The cat sleeps on the roof of the car. " * 10] * 99,
            model="transformer-en-fr",
            decoding={"return_alignment": True, "beam_size": 8, "num_hypotheses": 8},
        )
        code, message, _ = await refusal(served.stub.Translate(large, timeout=PATIENCE))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert message.startswith("decoding.return_alignment: an answer of at most 5000000 weights expected, got ")


async def test_heads_count_for_all_hypotheses_that_a_search_may_end_with(repository_of: Repositories) -> None:
    """The engine keeps and sends them all, however few are answered."""
    async with serving(repository_of("rnn", "transformer")) as served:

        def asked(**decoding: Any) -> pb.TranslateRequest:
            decoding["return_alignment_heads"] = True
            return request(*[SENTENCES[0]] * 128, model="transformer-en-fr", max_output_tokens=30, decoding=decoding)

        answer = await served.stub.Translate(asked(), timeout=PATIENCE)
        assert len(answer.translations) == 128
        code, message, _ = await refusal(served.stub.Translate(asked(beam_size=8, patience=10.0), timeout=PATIENCE))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        expected = "decoding.return_alignment_heads: an answer of at most 5000000 weights expected, got "
        assert message.startswith(expected)
        assert message.endswith("; of each head, those of all hypotheses that the search may end with)")


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        ("\u200b", r"animals\.tsv: line 1: a source term, a tab and a target term expected"),
        ("x" * 201, r"animals\.tsv: line 1: terms of at most 200 characters expected, got one of 201"),
    ],
)
async def test_a_glossary_file_that_the_model_cannot_write_stops_the_start(
    rnn_repository: Path, term: str, problem: str
) -> None:
    folder = rnn_repository / DEFAULT_MODEL / "glossaries"
    folder.mkdir()
    (folder / "animals.tsv").write_text(f"cat\t{term}\n", encoding="utf-8")
    try:
        with pytest.raises(BundleError, match=problem):
            async with serving(rnn_repository):
                pass
    finally:
        (folder / "animals.tsv").unlink()
        folder.rmdir()


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_an_unknown_model_is_not_found_and_the_served_ones_are_named(served: Served, method: str) -> None:
    code, message, details = await refusal(answer(served, method, request("a", model="babel")))
    assert code == grpc.StatusCode.NOT_FOUND
    assert message.startswith(f"model: no model 'babel' is served here; served: {DEFAULT_MODEL}, ")
    assert details["ErrorInfo"] == ErrorInfo(reason="UNKNOWN_MODEL", domain="seq2serve")


async def test_a_message_beyond_the_transport_s_limit_is_refused(served: Served) -> None:
    code, _, _ = await refusal(served.translate("x" * 5_000_000))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_refused_request_leaves_nothing_in_the_engine(served: Served) -> None:
    await refusal(served.translate(SENTENCES[0], "x" * 10_001))
    await served.translate(SENTENCES[0])
    assert await served.metric("seq2serve_rows_joined_total", model=DEFAULT_MODEL) == 1


async def test_a_request_that_breaks_every_decode_loop_hides_their_inside_and_the_server_goes_on(
    repository_of: Repositories, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Backend):
        def warm_up(self, source: list[int]) -> None:
            pass

        def step(self, num_rows: int) -> NoReturn:
            raise RuntimeError("secret of the backend")

    def open_backend(bundle: Bundle, options: BackendOptions) -> Backend:
        return (Broken if bundle.manifest.name == DEFAULT_MODEL else Backend)(bundle, options)

    async with serving(repository_of("rnn", "lstm"), open_backend=open_backend) as served:
        metadata = (("x-request-id", "of mine"),)
        code, message, details = await refusal(served.stub.Translate(request(SENTENCES[0]), metadata=metadata))
        assert (code, message) == (grpc.StatusCode.INTERNAL, "decoding this sentence failed")
        assert details["RequestInfo"] == RequestInfo(request_id="of mine")
        assert (await served.translate(SENTENCES[0], model="lstm-en-fr")).translations[0].translated_text
        assert await served.stop(), "no engine's end is the server's"
    assert "secret of the backend" in caplog.text
