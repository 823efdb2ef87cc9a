import pytest

from loadtest.report import Round, merge, percentile, table


def measured(latencies: list[float], seconds: float = 2.0, errors: tuple[str, ...] = ()) -> Round:
    return Round(seconds, latencies, output_tokens=10 * len(latencies), errors=list(errors), client_cpu=0.25)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_is_the_nearest_rank(percent: int, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == expected


def test_percentiles_of_few_calls() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0
    assert percentile([1.0, 9.0], 50) == 1.0
    assert percentile([1.0, 9.0], 51) == 9.0
    assert percentile([], 50) is None


def test_rounds_are_merged_by_call_and_not_by_round() -> None:
    result = merge("transformer-en-fr", [measured([1.0] * 9), measured([100.0], seconds=6.0)])
    assert (result.latency_ms["p50"], result.latency_ms["p90"], result.latency_ms["p95"]) == (1.0, 1.0, 100.0)
    assert result.requests_per_second == 10 / 8
    assert result.requests_per_second_by_round == [9 / 2, 1 / 6]
    assert result.output_tokens_per_second == 100 / 8


def test_failures_are_counted_and_each_kind_is_shown_once() -> None:
    result = merge("m", [measured([1.0], errors=("UNAVAILABLE: x",)), measured([], errors=("UNAVAILABLE: x", "a"))])
    assert (result.failures, result.errors) == (3, ["UNAVAILABLE: x", "a"])


def test_the_table_has_a_line_for_each_model_and_survives_one_that_answered_nothing() -> None:
    lines = table([merge("a", [measured([1.0, 2.0])]), merge("b", [measured([])])]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:3] == ["a", "1.0", "2.0"]
    assert lines[2].split()[:2] == ["b", "-"]
