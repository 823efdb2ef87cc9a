"""A request that has one answer, and how a caller's many texts become several of them."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import grpc

from seq2serve.attempts import Attempts
from seq2serve.errors import translation_error
from seq2serve.pb import translation_pb2 as pb

Request = TypeVar("Request", pb.TranslateRequest, pb.ScoreRequest, pb.ListModelsRequest, pb.GetModelRequest)
Texts = TypeVar("Texts", pb.TranslateRequest, pb.ScoreRequest)


class UnaryCall(Generic[Request]):
    """What to send, and after a failure when to send it again. It does neither, nor does it wait."""

    def __init__(self, request: Request, attempts: Attempts, places: Sequence[int] = ()) -> None:
        """`places`: where the request's texts are among all that the caller gave."""
        self.request: Request = request
        self._attempts = attempts
        self._places = places

    @property
    def seconds_left(self) -> float:
        """Timeout of what is sent now."""
        return self._attempts.seconds_left

    def delay_after(self, error: grpc.RpcError) -> float:
        """Seconds after which to send the request again. Raises the TranslationError where that is not to be."""
        return self._attempts.delay_after(translation_error(error, self._places))


def parts(request: Texts, field: str, max_texts: int) -> list[tuple[Texts, range]]:
    """The request in parts that have at most `max_texts` of its contents or pairs, whatever `field` names, each with
    their places in the whole. None of a request without any."""
    texts = getattr(request, field)
    places = [range(start, min(start + max_texts, len(texts))) for start in range(0, len(texts), max_texts)]
    if len(places) == 1:
        return [(request, places[0])]
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField(field)
    found = []
    for place in places:
        part = type(request)()
        part.CopyFrom(rest)
        getattr(part, field).extend(texts[place.start : place.stop])
        found.append((part, place))
    return found
