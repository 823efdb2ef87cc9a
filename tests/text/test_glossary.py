from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.glossary import Glossary, read_glossary, words
from tests.fakes import all_at_once


def of(entries: dict[str, str], base: Glossary | None = None) -> Glossary:
    return Glossary(entries.items(), base)


CAT = of({"cat": "chat", "black cat": "chat noir", "cat food": "croquettes"})

source_words = st.lists(st.sampled_from(["a", "b", "c", "."]), max_size=10)
entries = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(" ".join), st.text("xyz", min_size=1)
)


def terms_in(glossary: Glossary, text: str) -> list[str]:
    return [target for target, _, _ in all_at_once(glossary.terms_in(text))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "glossary.tsv"


def test_a_term_is_found_as_often_as_the_text_has_it_in_order() -> None:
    glossary = of({"cat": "chat", "dog": "chien"})
    assert terms_in(glossary, "A cat, a dog and a cat.") == ["chat", "chien", "chat"]


def test_the_longest_term_wins_and_its_words_count_once() -> None:
    assert terms_in(CAT, "the black cat") == ["chat noir"]
    assert terms_in(CAT, "cat food for the black cat, cat") == ["croquettes", "chat noir", "chat"]


def test_of_terms_that_overlap_the_first_one_wins() -> None:
    assert terms_in(CAT, "black cat food") == ["chat noir"]


def test_whole_words_are_compared() -> None:
    assert terms_in(CAT, "cats concatenate a bobcat") == []


@pytest.mark.parametrize("text", ["CAT", "Cat", "cAt"])
def test_letter_case_does_not_count_in_the_text(text: str) -> None:
    assert terms_in(CAT, text) == ["chat"]


def test_letter_case_does_not_count_in_the_source_term_and_is_kept_in_the_target() -> None:
    assert terms_in(of({"NATO Straße": "OTAN"}), "nato STRASSE") == ["OTAN"]


@pytest.mark.parametrize("text", ["cat.", "(cat)", "“cat”", "cat's", "black-cat", "the\ncat\t"])
def test_punctuation_and_white_space_end_a_word(text: str) -> None:
    assert terms_in(of({"cat": "chat"}), text) == ["chat"]


def test_white_space_of_any_kind_stands_between_the_words_of_a_term() -> None:
    assert terms_in(CAT, "black \n cat") == ["chat noir"]


def test_punctuation_between_the_words_of_a_term_keeps_them_apart() -> None:
    assert terms_in(CAT, "it is black, cat") == ["chat"]


def test_punctuation_of_a_term_has_to_be_there() -> None:
    glossary = of({"e.g.": "p. ex.", "C++": "C++"})
    assert terms_in(glossary, "e.g. C ++") == ["p. ex.", "C++"]
    assert terms_in(glossary, "eg C+") == []


def test_a_term_is_found_with_its_place_in_the_text() -> None:
    text = "STRASSE: a  black\tCat."
    found = all_at_once(of({"straße": "rue"}, base=CAT).terms_in(text))
    assert [(target, text[start:end]) for target, start, end in found] == [
        ("rue", "STRASSE"),
        ("chat noir", "black\tCat"),
    ]


def test_an_empty_glossary_and_an_empty_text_have_no_terms() -> None:
    assert terms_in(of({}), "the cat") == []
    assert terms_in(CAT, "") == []


@given(own=entries, of_base=entries, text=source_words)
def test_terms_are_those_that_a_plain_scan_finds(own: dict[str, str], of_base: dict[str, str], text: list[str]) -> None:
    entries = {**of_base, **own}
    expected, at = [], 0
    while at < len(text):
        for end in range(len(text), at, -1):
            term = " ".join(text[at:end])
            if term in entries:
                expected.append(entries[term])
                at = end
                break
        else:
            at += 1
    assert terms_in(of(own, base=of(of_base)), " ".join(text)) == expected


def test_a_glossary_wins_over_its_base_where_they_differ() -> None:
    both = of({"Cat": "matou", "big black cat": "grand chat noir"}, base=CAT)
    assert terms_in(both, "a cat, a black cat, a big black cat") == ["matou", "chat noir", "grand chat noir"]
    assert terms_in(CAT, "cat") == ["chat"]


def test_the_longer_terms_of_the_base_are_still_found() -> None:
    assert terms_in(of({"dog": "chien", "black": "noir"}, base=CAT), "black cat and dog") == ["chat noir", "chien"]


def test_all_target_terms_are_named() -> None:
    assert sorted([target for _, target in CAT.entries]) == ["chat", "chat noir", "croquettes"]


def test_of_equal_source_terms_the_last_one_counts() -> None:
    assert terms_in(Glossary([("cat", "chat"), ("Cat", "matou")]), "cat") == ["matou"]
    assert terms_in(Glossary([("Cat", "chat"), ("Cat", "matou")]), "cat") == ["matou"]


def test_of_equal_source_terms_the_last_one_counts_whatever_their_letter_case() -> None:
    assert terms_in(Glossary([("Cat", "chat"), ("cat", "matou"), ("Cat", "minou")]), "cat") == ["minou"]


@given(st.text("aBßÉ7.'- "))
def test_words_do_not_depend_on_letter_case_or_the_space_around(text: str) -> None:
    assert words(f"  {text} \n") == words(text) == words(text.casefold())


def test_a_file_has_a_term_and_its_translation_in_each_line(path: Path) -> None:
    path.write_text("black cat\tchat noir\n dog \t chien \n", encoding="utf-8")
    glossary = read_glossary(path)
    assert [target for _, target in glossary.entries] == ["chat noir", "chien"]
    assert terms_in(glossary, "A dog and a black cat") == ["chien", "chat noir"]


def test_blank_lines_and_comments_of_a_file_are_passed_over(path: Path) -> None:
    path.write_text("# animals\twith a tab\n\n  \ncat\tchat\n", encoding="utf-8")
    assert [target for _, target in read_glossary(path).entries] == ["chat"]


def test_an_empty_file_is_a_glossary_without_terms(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    assert [target for _, target in read_glossary(path).entries] == []


@pytest.mark.parametrize(
    "line",
    ["cat", "cat chat", "cat\t", "\tchat", "cat\tchat\tnoun", " \tchat", "cat\t "],
    ids=["no tab", "a space", "no target", "no source", "three columns", "blank source", "blank target"],
)
def test_a_line_of_another_form_is_refused_by_its_number(path: Path, line: str) -> None:
    path.write_text(f"# animals\n\ndog\tchien\n{line}\nbird\toiseau\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^line 4: ") as refused:
        read_glossary(path)
    assert repr(line) in str(refused.value)


def test_no_more_of_a_line_is_quoted_than_can_be_read(path: Path) -> None:
    path.write_text("x" * 5000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^line 1: ") as refused:
        read_glossary(path)
    assert len(str(refused.value)) < 200


def test_a_file_that_is_not_there_is_an_error(path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read_glossary(path)


def test_a_line_that_is_not_utf_8_is_refused_by_its_number(path: Path) -> None:
    path.write_bytes("cat\tchat\nchild\tbébé\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"^line 2: "):
        read_glossary(path)


def test_a_byte_order_mark_is_no_part_of_the_first_term(path: Path) -> None:
    path.write_text("cat\tchat\n", encoding="utf-8-sig")
    assert terms_in(read_glossary(path), "the cat") == ["chat"]
