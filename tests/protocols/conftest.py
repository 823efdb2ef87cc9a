"""One client process for all tests of protocols."""

from collections.abc import Iterator

import pytest

from tests.protocols.clients import ClientProcess, client_process


@pytest.fixture(scope="session")
def foreign() -> Iterator[ClientProcess]:
    with client_process() as process:
        yield process
