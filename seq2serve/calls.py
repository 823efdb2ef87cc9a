"""Calls about many texts: one that the server refuses does not stop the others."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Self, TypeVar

from seq2serve.client import Client
from seq2serve.errors import InvalidRequest
from seq2serve.lines import HTML_CUTS, LINES_PER_CALL, PLAIN_CUTS, BadLine, calls_of
from seq2serve.pb import translation_pb2 as pb
from seq2serve.requests import ScoreOptions, TranslateOptions

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Calls:
    """Calls to one server, by one model and with the same options. Threads may share them. Every call raises
    TranslationError, and ValueError for an option that does not exist."""

    def __init__(self, client: Client, options: TranslateOptions) -> None:
        self._client = client
        self._options = options
        self._limits = _limits(client, options["model"])

    @property
    def decoding(self) -> pb.DecodingOptions:
        return self._options["decoding"]

    @property
    def max_contents(self) -> int:
        """Of one call."""
        return min(LINES_PER_CALL, self._limits.max_contents or LINES_PER_CALL)

    @property
    def max_characters(self) -> int:
        """Of one content."""
        return self._limits.max_content_characters or sys.maxsize

    @property
    def cuts(self) -> Sequence[str]:
        """Where a text is cut that has more."""
        return HTML_CUTS if self._options.get("mime_type") == "text/html" else PLAIN_CUTS

    def of_each_model(self) -> dict[str, Self]:
        """The same calls, by each of the server's models that serves the languages: those of the options, or the
        default model's where there are none."""
        models = self._client.list_models()
        source, target = self._languages
        if not source and not target:
            for pairs in (model.language_pairs for model in models if model.is_default):
                if len(pairs) == 1:  # of several, the server says that one has to be chosen
                    source, target = pairs[0].source_language_code, pairs[0].target_language_code
        self._ask_for("", source, target)  # raises where no model serves them
        calls = {}
        for model in models:
            with suppress(InvalidRequest):  # it serves others
                self._ask_for(model.name, source, target)
                calls[model.name] = type(self)(self._client, {**self._options, "model": model.name})
        return calls

    def _ask_for(self, model: str, source: str, target: str) -> None:
        """A call without anything to decode: it raises InvalidRequest where the server does not serve the languages,
        or the model not them. Which codes are one language is for the server to say."""
        self._client.translate(" ", model=model, source_language_code=source, target_language_code=target)

    @property
    def _languages(self) -> tuple[str, str]:
        """Source and target language as they were given; empty where they were not."""
        return self._options.get("source_language_code", ""), self._options.get("target_language_code", "")

    def translate(self, contents: Sequence[str]) -> list[pb.Translation | BadLine]:
        """The translation of each content, or why the server refuses it."""
        answers: list[pb.Translation | BadLine] = []
        for call in calls_of(contents, self.max_contents, len):
            answers += self._answer_each(lambda some: self._client.translate(some, **self._options), call)
        return answers

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[pb.PairScore | BadLine]:
        """The score of each pair, or why the server refuses it."""
        source, target = self._languages
        options: ScoreOptions = {
            "model": self._options["model"],
            "source_language_code": source,
            "target_language_code": target,
            "return_alignment": self.decoding.return_alignment,
        }
        return self._answer_each(lambda some: self._client.score(some, **options), pairs)

    def stream(self, content: str) -> Iterator[str]:
        """A translation's text as it is decoded. Raises BadLine where the server refuses the content."""
        try:
            with closing(self._client.stream(content, **self._options)) as messages:
                yield from (message.text_delta for message in messages)
        except InvalidRequest as error:
            raise _refusal(error) from error

    def _answer_each(
        self, call: Callable[[Sequence[_Item]], Sequence[_Answer]], items: Sequence[_Item]
    ) -> list[_Answer | BadLine]:
        if not items:
            return []
        try:
            return list(call(items))
        except InvalidRequest as error:
            problem = _refusal(error)
        if len(items) == 1:
            return [problem]
        middle = len(items) // 2
        return self._answer_each(call, items[:middle]) + self._answer_each(call, items[middle:])


def _limits(client: Client, model: str) -> pb.ModelLimits:
    """Those of the model; none where there is no such model, which calls will say."""
    models = client.list_models()
    name = model.partition("@")[0]  # a version, or a label of one, may stand behind it
    limits = [known.limits for known in models if known.name == name or (known.is_default and not name)]
    return limits[0] if limits else pb.ModelLimits()


def _refusal(error: InvalidRequest) -> BadLine:
    """What is wrong with a text. Raises the error where it is not about texts, but about the whole request."""
    violations = error.field_violations
    if not all(violation.field.startswith(("contents", "pairs")) for violation in violations):
        raise error
    # Without the number that the text had in its request.
    parts = [(violation.field.partition("].")[2], violation.description) for violation in violations]
    return BadLine("; ".join(": ".join(filter(None, part)) for part in parts) or error.message)
