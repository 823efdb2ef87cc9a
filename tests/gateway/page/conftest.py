from collections.abc import AsyncIterator

import pytest_asyncio

from tests.gateway.page.pages import page_for
from tests.integration.served import Served, serving
from tests.integration.shipped_models import REPOSITORY


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(REPOSITORY, default_model="transformer-en-fr") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def url(served: Served) -> AsyncIterator[str]:
    async with page_for(served.address) as url:
        yield url
