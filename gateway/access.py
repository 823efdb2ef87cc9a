"""Around every request: its id, the headers that every answer has, what is counted, and a line of the log that has
nothing of its text."""

import logging
import time
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.callers import REQUEST_ID, request_id_in
from gateway.errors import error_response
from gateway.metrics import Metrics

CLIENT_LEFT = 499
"""Status of a request whose client did not wait for the answer, as proxies count it."""

_NO_ROUTE = "none"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that does not have its own. The APIs answer data, and no browser is to do anything with it."""

_logger = logging.getLogger(__name__)


class AccessMiddleware:
    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute], logs_requests: bool) -> None:
        """`logs_requests`: whether each has a line in the log."""
        self._app = app
        self._metrics = metrics
        self._paths = {id(endpoint): path for endpoint, path in _paths_of(routes)}
        self._logs_requests = logs_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_in(Headers(scope=scope))
        sent = [(name, value) for name, value in scope["headers"] if name != REQUEST_ID.encode()]
        scope["headers"] = [*sent, (REQUEST_ID.encode(), request_id.encode())]
        scope.setdefault("state", {})
        status = CLIENT_LEFT
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                is_started = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID] = request_id
            await send(message)

        began = time.perf_counter()
        self._metrics.running.inc()
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:  # which nobody has thought of; the HTTP server writes it into the log
            if not is_started:
                failed = error_response(scope["path"], 500, "internal error")
                await failed(scope, receive, send_with_headers)
            status = 500
            raise
        finally:
            self._metrics.running.dec()
            self._tell(scope, request_id, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        """Names the route, and not the path or the query string: either may have a caller's text in it."""
        route = self._paths.get(id(scope.get("endpoint")), _NO_ROUTE)
        if scope["state"].get("is_left"):
            status = CLIENT_LEFT
        self._metrics.count(route, scope["method"], status, seconds)
        if self._logs_requests:
            fields = {
                "route": route,
                "method": scope["method"],
                "status": status,
                "milliseconds": round(seconds * 1e3, 2),
                "request_id": request_id,
            }
            _logger.info("request", extra={"fields": fields})


def _paths_of(routes: Iterable[BaseRoute], prefix: str = "") -> Iterable[tuple[object, str]]:
    """Each route's endpoint, and its path with the names of its parameters."""
    for route in routes:
        if isinstance(route, Route):
            yield route.endpoint, prefix + route.path
        elif isinstance(route, Mount):
            yield route.app, prefix + route.path
            yield from _paths_of(route.routes, prefix + route.path)
