"""What is wrong with a request, in the words that DeepL's libraries know."""

from starlette.exceptions import HTTPException

from gateway.errors import problem_of, refusal
from seq2serve import InvalidRequest, TranslationError, Unauthenticated

_NAMES = {
    "contents": "text",
    "source_language_code": "source_lang",
    "target_language_code": "target_lang",
    "decoding.glossary.name": "glossary_id",
    "decoding.glossary": "glossary_id",
    "decoding.glossary.entries": "glossary_id",
}


def refuse(error: TranslationError) -> HTTPException:
    refused = refusal(error, _NAMES)
    if isinstance(error, Unauthenticated):
        return HTTPException(403, f"Authorization failed: {refused.detail}")
    if isinstance(error, InvalidRequest):
        problem = problem_of(error, _NAMES)
        field = problem.partition(":")[0]
        if field in ("source_lang", "target_lang"):
            return HTTPException(400, f"Value for '{field}' not supported. {problem}")
        return HTTPException(400, f"Bad request. {problem}")
    return refused
