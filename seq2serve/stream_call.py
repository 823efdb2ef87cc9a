"""A stream that is begun again where it broke, as often as it takes, and looks like one that never did.

The same request gives the same text from the same version of a model, whoever decodes it and whatever is decoded beside
it: it is this version that is asked again. So what was delivered before
comes again, and is skipped: text by its characters, whatever pieces it comes in, and tokens by their number. Nothing is
sent or awaited here.
"""

import logging
from dataclasses import dataclass, field

import grpc

from seq2serve.attempts import Attempts
from seq2serve.errors import Internal, Unavailable, translation_error
from seq2serve.pb import translation_pb2 as pb

_logger = logging.getLogger("seq2serve")


class StreamCall:
    """The contents of a request, a few with a server at a time, until each has its translation.

    Whoever sends it asks for `next_request` until it `is_finished`, hands in all messages of the answer, and then how
    the answer ended.
    """

    def __init__(self, request: pb.TranslateRequest, max_contents: int, attempts: Attempts) -> None:
        """`max_contents` of a request that is sent."""
        self._rest = pb.TranslateRequest()
        self._rest.CopyFrom(request)
        self._rest.ClearField("contents")
        self._open = {index: _Content(text) for index, text in enumerate(request.contents)}
        """Contents without translations, by their places in the request."""
        self._sent: list[int] = []
        """Places of the contents of the request that was sent last."""
        self._max_contents = max_contents
        self._attempts = attempts
        self._is_answered = False
        """Whether a message of the answer has come."""
        self._version = ""
        """What has begun to answer, as a request names it."""
        self._is_pinned = False
        """Whether the request that was sent last asks for just this version."""
        decoding = request.decoding
        self._is_deterministic = not decoding.temperature or decoding.HasField("seed")

    @property
    def is_finished(self) -> bool:
        return not self._open

    @property
    def seconds_left(self) -> float:
        """Timeout of what is sent now."""
        return self._attempts.seconds_left

    def next_request(self) -> pb.TranslateRequest:
        """What to send now."""
        self._sent = list(self._open)[: self._max_contents]
        self._is_answered = False
        request = pb.TranslateRequest(contents=[self._open[index].text for index in self._sent])
        request.MergeFrom(self._rest)
        self._is_pinned = bool(self._version) and any(self._open[index].is_begun for index in self._sent)
        if self._is_pinned:
            request.model = self._version
        for content in self._open.values():
            content.begin()
        return request

    def take(self, message: pb.StreamTranslateResponse) -> pb.StreamTranslateResponse | None:
        """What the caller is told of a message of the answer; None if all of it was told before.

        Raises Unavailable if the text is not the one that was begun.
        """
        self._is_answered = True
        self._version = f"{message.model}@{message.model_version}" if message.model_version else ""
        index = message.content_index = self._sent[message.content_index]
        content = self._open[index]
        if not content.skip(message):
            raise Unavailable(
                grpc.StatusCode.UNAVAILABLE,
                f"contents[{index}]: the stream broke, and when it was begun again its text had another beginning",
            )
        ends = message.HasField("translation")
        if ends:
            del self._open[index]
        if ends or message.text_delta or message.tokens:
            self._attempts.succeed()
            return message
        return None

    def end_answer(self) -> None:
        """The answer ended without an error; there may be contents that are not sent yet. Raises Internal if any that
        was sent is still without its translation."""
        missing = [index for index in self._sent if index in self._open]
        if missing:
            raise Internal(grpc.StatusCode.INTERNAL, f"contents[{missing[0]}]: the stream ended before its translation")

    def delay_after(self, error: grpc.RpcError) -> float:
        """Seconds after which to send the next request. Raises the TranslationError where there is none: decoding at
        random gives another text each time."""
        if self._is_pinned and error.code() is grpc.StatusCode.NOT_FOUND:  # another version may write the same
            self._version = ""
            return 0.0
        raised = translation_error(error, self._sent)
        if not self._is_deterministic and any(content.is_begun for content in self._open.values()):
            raise raised
        delay = self._attempts.delay_after(raised, was_broken=self._is_answered)
        if self._is_answered:
            _logger.info("a stream broke, and is begun again: %s", raised)
        return delay


@dataclass
class _Content:
    text: str
    """What to translate."""
    told: list[str] = field(default_factory=list)
    """Its translation as far as it was delivered, in pieces."""
    num_told_tokens: int = 0
    awaited: str = ""
    """What comes again of the text that was delivered."""
    num_awaited_tokens: int = 0

    @property
    def is_begun(self) -> bool:
        return bool(self.told or self.num_told_tokens)

    def begin(self) -> None:
        """Another answer begins."""
        self.awaited = "".join(self.told)
        self.num_awaited_tokens = self.num_told_tokens

    def skip(self, message: pb.StreamTranslateResponse) -> bool:
        """Take from the message what was delivered before, and remember the rest as delivered. False if the text is
        another."""
        num_known = min(len(self.awaited), len(message.text_delta))
        if message.text_delta[:num_known] != self.awaited[:num_known]:
            return False
        self.awaited = self.awaited[num_known:]
        if message.HasField("translation") and self.awaited:
            return False
        if num_known:
            message.text_delta = message.text_delta[num_known:]
        num_tokens = min(self.num_awaited_tokens, len(message.tokens))
        self.num_awaited_tokens -= num_tokens
        del message.tokens[:num_tokens]
        self.num_told_tokens += len(message.tokens)
        if message.text_delta:
            self.told.append(message.text_delta)
        return True
