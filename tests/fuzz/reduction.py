"""A case that fails, made smaller: fewer contents, fewer options, shorter texts. Hypothesis's own way takes thousands
of attempts for texts as these are."""

import time
from collections.abc import Callable, Iterator

from google.protobuf.message import Message

from seq2serve.pb import translation_pb2 as pb
from tests.fuzz.cases import Case

_MAX_ATTEMPTS = 1000
_MAX_SECONDS = 60.0
"""An attempt that gets no answer takes long."""


def reduced(case: Case, fails: Callable[[Case], bool]) -> Case:
    """`fails`: whether a case fails in the same way."""
    num_attempts, started = 0, time.monotonic()
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(case):
            num_attempts += 1
            if num_attempts > _MAX_ATTEMPTS or time.monotonic() > started + _MAX_SECONDS:
                return case
            if fails(candidate):
                case, is_smaller = candidate, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """The smallest first."""
    for request in (case.request, case.beside):
        if case.request != case.beside:
            yield Case(request, request, case.alone)
    contents = list(case.request.contents)
    if len(contents) > 1:
        for index in range(len(contents)):
            yield _with_contents(case, [contents[index]])
        for index in range(len(contents)):
            yield _with_contents(case, contents[:index] + contents[index + 1 :])
        return
    for request in _with_fewer_options(case.request):
        yield Case(request, case.beside if case.beside != case.request else request, 0)
    for text in _shorter(contents[0]):
        yield _with_contents(case, [text])


def _with_contents(case: Case, contents: list[str]) -> Case:
    requests = []
    for request in (case.request, case.beside):
        changed = pb.TranslateRequest()
        changed.CopyFrom(request)
        changed.contents[:] = contents
        requests.append(changed)
    return Case(requests[0], requests[1], min(case.alone, len(contents) - 1))


def _with_fewer_options(request: pb.TranslateRequest) -> Iterator[pb.TranslateRequest]:
    for field, _ in request.ListFields():
        if field.name not in ("contents", "model", "mime_type", "decoding"):
            yield _without(request, lambda changed: changed, field.name)
    for field, _ in request.decoding.ListFields():
        yield _without(request, lambda changed: changed.decoding, field.name)


def _without(
    request: pb.TranslateRequest, part: Callable[[pb.TranslateRequest], Message], field: str
) -> pb.TranslateRequest:
    changed = pb.TranslateRequest()
    changed.CopyFrom(request)
    part(changed).ClearField(field)
    return changed


def _shorter(text: str) -> Iterator[str]:
    size = len(text) // 2
    while size:
        for start in range(0, len(text), size):
            yield text[:start] + text[start + size :]
        size //= 2
