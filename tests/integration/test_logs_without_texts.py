"""The log says who asked and how it ended, and nothing of what was translated."""

import logging
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.served import refusal, request, serving
from tests.integration.shipped import one_model

SECRET = "Swordfish"


async def test_no_text_of_a_request_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(one_model(tmp_path), max_content_characters=100) as served:
        answer = await served.translate(f"My password is {SECRET}.", f"{SECRET} https://example.org/{SECRET}")
        assert SECRET in answer.translations[1].translated_text
        await served.stream(SECRET)
        for refused in (
            request(SECRET * 100),
            request(SECRET, target_language_code=SECRET),
            request("a", mime_type=SECRET),
            request("a", model=SECRET),
            request("a", decoding={"forbidden_phrases": [SECRET * 50]}),
            request("a", decoding={"target_prefix": SECRET * 1000}),
        ):
            code, _, _ = await refusal(served.stub.Translate(refused))
            assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        broken: Any = served.channel.unary_unary("/translation.v1.TranslationService/Translate")
        code, _, _ = await refusal(broken(b"\xff" + SECRET.encode()))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "is refused: request: a message of the contract expected, got " in caplog.text
    assert SECRET not in caplog.text
