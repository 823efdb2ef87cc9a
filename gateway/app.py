"""The application: every API's routes in one list, and around them what holds for all of them."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from gateway.access import AccessMiddleware
from gateway.bounds import BoundsMiddleware
from gateway.callers import REQUEST_ID
from gateway.connect import connect_routes
from gateway.deepl.routes import deepl_routes
from gateway.errors import answer_error, answer_refusal
from gateway.events import event_routes
from gateway.health import PATHS, health_routes
from gateway.libretranslate.routes import libretranslate_routes
from gateway.metrics import Metrics
from gateway.page.batches import Batches
from gateway.page.routes import page_routes
from gateway.settings import Settings
from gateway.spec.routes import spec_routes
from log_format import JSON
from seq2serve import AsyncClient, TranslationError

_TOLD_HEADERS = ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", REQUEST_ID)
_CONNECT_HEADERS = ("Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin")
_PREFLIGHT_SECONDS = 7200


def build_app(
    client: AsyncClient, settings: Settings, metrics: Metrics | None = None, batches: Batches | None = None
) -> Starlette:
    """`client`: of the server that translates; whoever made it closes it. `batches`: for who ends them, as they do not
    end by themselves."""
    routes = routes_of(client, settings, batches or Batches())
    middleware = [
        Middleware(
            AccessMiddleware,
            metrics=metrics or Metrics(),
            routes=routes,
            logs_requests=settings.log_format == JSON,
        )
    ]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
                expose_headers=[*_TOLD_HEADERS, *_CONNECT_HEADERS],
                max_age=_PREFLIGHT_SECONDS,
            )
        )
    middleware.append(
        Middleware(
            BoundsMiddleware,
            max_body_bytes=settings.max_body_bytes,
            max_requests=settings.max_requests,
            always_answered=PATHS,
            body_seconds=settings.timeout_seconds,
        )
    )
    handlers = {HTTPException: answer_refusal, TranslationError: answer_error}
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    app.router.redirect_slashes = False  # else it would lead where a Host header says
    return app


def routes_of(client: AsyncClient, settings: Settings, batches: Batches) -> list[BaseRoute]:
    """Of every API. The first that fits answers."""
    return [
        *health_routes(client),
        *libretranslate_routes(client, settings),
        *deepl_routes(client, settings),
        *connect_routes(client, settings),
        *event_routes(client, settings),
        *spec_routes(),
        *page_routes(client, batches),
    ]
