"""Is the gateway alive, and does the server behind it answer?"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.errors import problem_of
from seq2serve import AsyncClient, DeadlineExceeded, Overloaded, PermissionDenied, TranslationError, Unauthenticated

HEALTH, READY = "/health", "/ready"
PATHS = (HEALTH, READY)
"""Answered however much else there is to answer: who asks may end a process that does not."""

READY_SECONDS = 2.0
"""The most that whoever asks waits. A server that has answered before, and now takes longer, is busy, and more calls
wait for it; one that is gone is told as such."""


def health_routes(client: AsyncClient) -> list[BaseRoute]:
    has_answered = False

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        nonlocal has_answered
        try:
            await client.list_models(timeout=READY_SECONDS)
        except (Unauthenticated, PermissionDenied, Overloaded):  # it answers, and callers bring keys of their own
            pass
        except TranslationError as error:
            if not (has_answered and isinstance(error, DeadlineExceeded)):
                return JSONResponse({"status": "unavailable", "error": problem_of(error, {})}, 503)
        has_answered = True
        return JSONResponse({"status": "ok"})

    return [Route(HEALTH, health), Route(READY, ready)]
