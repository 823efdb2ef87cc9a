"""What the gateway adds to a call is measured of calls that were answered alike."""

import pytest

from bench.gateway import GRPC, added, measure, table, ways
from bench.html_report import text_table
from bench.process import BenchError

COLUMNS = {GRPC: [4.0, 5.0, 9.0], "Connect": [5.0, 7.5, 8.0]}


def test_what_is_added_is_the_difference_of_medians() -> None:
    assert added(COLUMNS) == {"Connect": 2.5}
    assert text_table(table(COLUMNS, "title")).splitlines()[-1].split() == ["Connect", "7.500", "8.000", "2.500"]


def test_ways_that_translate_differently_are_not_compared() -> None:
    with pytest.raises(BenchError, match="one translation expected of 'A', got"):
        measure({GRPC: str.lower, "Connect": str}, ["A"])


@pytest.mark.nightly
def test_every_way_is_measured() -> None:
    with ways() as translates:
        [taken] = measure(translates, ["A dog sleeps."])
    assert list(taken) == [GRPC, "LibreTranslate", "Connect"]
    assert all(milliseconds > 0 for milliseconds in taken.values())
