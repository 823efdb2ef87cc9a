import pytest

from loadtest.driven import DrivenModel
from loadtest.server_side import read_samples
from loadtest.soak import Soaked, left_over, problems, rates_for
from tests.loadtest.made_records import a_case, a_record


def a_model(name: str) -> DrivenModel:
    return DrivenModel(name, "1", "lstm", "int8", ("", ""), ["A sentence."])


def test_nothing_that_must_not_happen_is_no_problem() -> None:
    records = [a_record(a_case(name), [5.0] * 10) for name in "ab"] * 3
    assert problems(Soaked(records, [100.0, 103.0, 104.9], {})) == []
    assert problems(Soaked(records, [], {})) == []


@pytest.mark.parametrize(
    ("soaked", "problem"),
    [
        (Soaked([a_record(latencies=[1.0], due=2)], [], {}), "lstm-en-fr: 1 of 2 calls never ended"),
        (Soaked([a_record(errors={"INTERNAL": 1}, due=2)], [], {}), "lstm-en-fr: 1 of 2 calls ended in INTERNAL"),
        (Soaked([a_record(latencies=[])], [], {}), "lstm-en-fr: no call was answered"),
        (Soaked([a_record()], [100.0, 105.1], {}), "memory: 100 MB after the first segment, 105 MB at the end"),
        (Soaked([a_record()], [100.0, 90.0, 104.0], {"seq2serve_waiting{}": 2}), "seq2serve_waiting{} is 2 at the end"),
    ],
)
def test_each_problem_is_a_line(soaked: Soaked, problem: str) -> None:
    assert problems(soaked) == [problem]


def test_rows_that_are_held_at_the_end_are_left_over() -> None:
    text = 'seq2serve_active_rows{model="a"} 1\nseq2serve_active_rows{model="b"} 0\nseq2serve_rows_joined_total 7\n'
    assert left_over(read_samples(text)) == {"seq2serve_active_rows{'model': 'a'}": 1.0}


def test_models_share_what_each_holds_alone() -> None:
    records = [a_record(a_case("a"), rate=rate) for rate in (100.0, 200.0)]
    records += [a_record(a_case("a"), [900.0], rate=400.0), a_record(a_case("a, stream"), rate=900.0)]
    rates = rates_for([a_model("a"), a_model("b")], records, default=50.0)
    assert rates == pytest.approx({"a": 70.0, "b": 17.5})
