"""However many are refused, the log has a line a second."""

import logging

import pytest

from server.errors import Unauthenticated
from server.serving.access.refusals import RefusalLog
from tests.serving.access.test_bucket import Clock


def test_a_flood_is_a_line_a_second_that_says_how_many_there_were(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = RefusalLog(clock)
    with caplog.at_level(logging.WARNING):
        for number in range(1000):
            log.note(str(number), "ipv4:127.0.0.1:1", Unauthenticated("no key was sent"))
        clock.now += 1
        log.note("last", "key web", Unauthenticated("no key was sent"))
        clock.now += 1
        log.note("alone", "key web", Unauthenticated("no key was sent"))
    said = "is refused: no key was sent; send a key as `authorization: Bearer <key>` or `x-api-key: <key>`"
    assert caplog.messages == [
        f"request 0 of ipv4:127.0.0.1:1 {said}",
        f"request last of key web {said}; 999 others before it",
        f"request alone of key web {said}",
    ]
