"""The application: every API's routes in one list, and around them what holds for all of them."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from gateway.health import health_routes
from gateway.settings import Settings
from seq2serve import AsyncClient


def build_app(client: AsyncClient, settings: Settings) -> Starlette:
    """`client`: of the server that translates; whoever made it closes it."""
    return Starlette(routes=routes(client, settings))


def routes(client: AsyncClient, settings: Settings) -> list[BaseRoute]:
    """Of every API. The first that fits answers."""
    return [
        *health_routes(client),
    ]
