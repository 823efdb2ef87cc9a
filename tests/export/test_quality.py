"""When BLEU says that something is wrong with a model."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.errors import ExportError
from export.quality import check_bleu, recorded_bleu

SCORES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0, 100), min_size=1)


@pytest.mark.parametrize(
    ("measured", "recorded"),
    [
        ({"a": 53.3, "b": 40.3}, {"a": 53.42, "b": 40.66}),
        ({"a": 11.29, "b": 3.77}, {"a": 11.29, "b": 3.91}),
        ({"a": 52.0, "b": 43.0}, {"a": 53.4, "b": 40.7}),  # the average is another compromise
        ({"a": 30.0}, {}),  # no metrics
        ({"a": 30.0}, {"b": 50.0}),  # of other corpora
        ({"a": 30.0, "b": 0.2}, {}),  # it has never learnt the one
        ({"a": 30.0, "b": 0.2}, {"a": 30.0, "b": 0.2}),
        ({"a": 1.4}, {"a": 1.5}),
    ],
)
def test_a_model_that_translates_about_as_well_as_training_said_passes(
    measured: dict[str, float], recorded: dict[str, float]
) -> None:
    check_bleu(measured, recorded)


@pytest.mark.parametrize(
    ("measured", "recorded", "problem"),
    [
        ({"a": 0.0}, {}, r"is near zero \(a/val: 0\.00\): .* training just begun\?"),
        ({"a": 0.0, "b": 0.9}, {}, r"is near zero \(a/val: 0\.00; b/val: 0\.90\)"),
        ({"a": 0.3}, {"a": 0.31}, r"is near zero \(a/val: 0\.30, metrics\.jsonl has 0\.31\)"),
        (
            {"a": 0.3},
            {"a": 53.0},
            r"far below .*recorded \(a/val: 0\.30, metrics\.jsonl has 53\.00\): .* gone on",
        ),
        ({"a": 40.0}, {"a": 53.0}, r"far below"),
        ({"a": 53.0, "b": 20.0}, {"a": 53.0, "b": 40.0}, r"recorded \(b/val: 20\.00, metrics\.jsonl has 40\.00\)"),
        ({"a": 2.0}, {"a": 3.9}, r"far below"),
    ],
)
def test_a_model_that_does_not_is_refused_with_the_likely_causes_and_the_flag(
    measured: dict[str, float], recorded: dict[str, float], problem: str
) -> None:
    with pytest.raises(ExportError, match=problem) as raised:
        check_bleu(measured, recorded)
    for word in ("tokenizer.model", "model.safetensors", "--allow-low-bleu"):
        assert word in str(raised.value)


@given(SCORES)
def test_what_training_recorded_itself_passes_wherever_anything_was_learnt(scores: dict[str, float]) -> None:
    scores["a"] = max(scores.get("a", 0.0), 1.0)
    check_bleu(scores, scores)


@given(SCORES, st.floats(0, 0.8))
def test_a_fifth_less_is_refused_on_any_corpus_of_more_than_ten_bleu(scores: dict[str, float], factor: float) -> None:
    scores["a"] = max(scores.get("a", 0.0), 10.1)
    with pytest.raises(ExportError, match="a/val"):
        check_bleu({**scores, "a": factor * scores["a"]}, scores)


def test_the_best_validation_of_the_run_is_what_is_expected(tmp_path: Path) -> None:
    assert recorded_bleu(tmp_path) == {}
    records = [
        {"step": 1, "bleu": {"a": 1.0, "b": 60.0}},
        {"step": 2, "bleu": {"a": 30.0, "b": 50.0}},
        {"step": 3, "bleu": {"a": 40.0, "b": 20.0}},
        {"step": 4},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert recorded_bleu(tmp_path) == {"a": 30.0, "b": 50.0}
