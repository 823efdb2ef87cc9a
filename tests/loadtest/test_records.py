import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.records import Machine, Record, ServerSide, append_record, read_records
from tests.loadtest.made_records import a_case, a_record

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.builds(
    a_record,
    st.builds(a_case, texts, decoding=st.dictionaries(texts, st.integers() | st.booleans() | texts, max_size=3)),
    st.lists(finite, max_size=5),
    round=st.integers(0, 9),
    rate=finite,
    errors=st.dictionaries(texts, st.integers(0, 9), max_size=2),
    saturated=texts,
    server=st.builds(ServerSide, p50_ms=st.none() | finite, requests=st.integers(0, 9)),
    machine=st.builds(Machine, calibration_ms=finite, processor=texts, cores=st.integers(1, 9), commit=texts),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(records, max_size=3))
def test_records_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, written: list[Record]) -> None:
    path = tmp_path_factory.mktemp("run") / "folder" / "records.jsonl"
    for record in written:
        append_record(path, record)
    assert read_records(path) == written


@pytest.mark.parametrize("kept", [0.001, 0.3, 0.99])
def test_a_line_that_was_cut_off_is_left_out_and_harms_no_other(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "records.jsonl"
    append_record(path, a_record(round=0))
    line = path.read_text()
    path.write_text(line + line[: math.ceil(kept * len(line)) - 1])
    append_record(path, a_record(round=1))
    assert [record.round for record in read_records(path)] == [0, 1]


def test_there_are_no_records_without_a_file(tmp_path: Path) -> None:
    assert read_records(tmp_path / "records.jsonl") == []


@pytest.mark.parametrize(
    ("answered", "errors", "share"),
    [(3, {}, 0.0), (3, {"UNAVAILABLE": 1}, 0.25), (0, {"UNKNOWN": 1, "INTERNAL": 1}, 1.0), (0, {}, 1.0)],
)
def test_the_share_of_errors_is_that_of_all_counted_calls(answered: int, errors: dict[str, int], share: float) -> None:
    assert a_record(latencies=[1.0] * answered, errors=errors).error_share == share


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert a_record(latencies=[float(number) for number in range(100, 0, -1)]).percentile(percent) == expected


def test_no_latency_is_an_infinite_percentile() -> None:
    assert a_record(latencies=[]).percentile(50) == math.inf


def test_fields_that_later_versions_add_have_defaults() -> None:
    needed = {field.name for field in dataclasses.fields(Record) if field.default is field.default_factory}
    assert {"first_text_ms", "errors", "saturated", "server", "due"}.isdisjoint(needed)
