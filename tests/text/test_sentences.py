"""What the sentence splitter itself must survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.sentences import find_sentences
from tests.examples import examples
from tests.fakes import all_at_once
from tests.text.step_times import longest_step


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u3000", "\u2009", "\u1680", "\x85"])
def test_any_white_space_may_stand_between_a_letter_and_a_full_stop(blank: str) -> None:
    line = f"She ran. A{blank}. A dog runs."
    sentences = [line[start:end] for start, end in all_at_once(find_sentences(line, "en"))]
    assert sentences == ["She ran.", f"A{blank}. A dog runs."]


@pytest.mark.parametrize("unit", [".... ", ": ._", '."" ', "1. "])
def test_a_long_line_without_letters_takes_time_that_grows_with_it(unit: str) -> None:
    line = (unit * 100_000)[:100_000].strip()
    longest, total = longest_step(lambda: find_sentences(line, "en"))
    assert longest < 0.1
    assert total < 1.0  # its square took half a minute


lines = st.lists(st.sampled_from([*"aAé.!?…1 \"'()\u00a0\u202f\u3000\u0301你"]) | st.characters(), max_size=12).map(
    "".join
)


@examples(3)
@given(lines.map(str.strip), st.sampled_from(["en", "fr", "de", "ja"]))
def test_sentences_are_in_order_and_all_that_is_not_white_space(line: str, language: str) -> None:
    end = 0
    for start, sentence_end in all_at_once(find_sentences(line, language)):
        assert end <= start < sentence_end
        assert not line[end:start].strip()
        end = sentence_end
    assert end == len(line)
