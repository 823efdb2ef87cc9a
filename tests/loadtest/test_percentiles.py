import pytest

from loadtest.percentiles import percentile


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (50, 50), (90, 90), (95, 95), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == expected


def test_percentiles_of_few_values() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0
    assert percentile([1.0, 9.0], 50) == 1.0
    assert percentile([1.0, 9.0], 51) == 9.0
    assert percentile([], 50) is None
