import itertools
import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.text.glossary import Glossary, words
from server.text.words import split_words
from tests.examples import examples
from tests.fakes import all_at_once
from tests.text.step_times import longest_step


def of(entries: dict[str, str], base: Glossary | None = None) -> Glossary:
    return Glossary(entries.items(), base)


CAT = of({"cat": "chat", "black cat": "chat noir", "cat food": "croquettes"})

source_words = st.lists(st.sampled_from(["a", "b", "c", "."]), max_size=10)
entries = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(" ".join), st.text("xyz", min_size=1)
)


def terms_in(glossary: Glossary, text: str) -> list[str]:
    return [target for target, _, _ in all_at_once(glossary.terms_in(text))]


def found_in(text: str, *terms: str) -> list[str]:
    """What stands in the text where the terms are found."""
    glossary = Glossary((term, "x") for term in terms)
    return [text[start:end] for _, start, end in all_at_once(glossary.terms_in(text))]


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


@pytest.mark.parametrize(
    "text",
    [
        *("cat.", "(cat)", "“cat”", "'cat'", "the\ncat\t", "a cat-", "cat—dog", "cat--dog", "cat/dog", "cat…", "cat?!"),
        *(
            "cat...dog",
            "cat™",
            "cat,dog",
            "_cat_",
            "*cat*",
            "`cat`",
            "<b>cat</b>",
            "#cat",
            "x\u00a0cat",
            "cat\x00",
            "¡cat!",
        ),
        *("dogs' cat", "cat\u3000", "«cat»", "cat: a", "猫cat", "cat猫", "😊cat😊"),
    ],
)
def test_punctuation_and_white_space_end_a_word(text: str) -> None:
    assert found_in(text, "cat") == ["cat"]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        *(("can", text) for text in ["can't", "can’t", "CAN'T", "can`t", "canʼt", "can＇t", "can't.", "pecan", "cans"]),
        *(("t", text) for text in ["can't", "can’t", "isn‘t"]),
        *(
            ("mail", text)
            for text in ["e-mail", "e\u2010mail", "e\u2011mail", "e–mail", "e−mail", "e-mail's", "E-MAIL"]
        ),
        *(
            ("5", text)
            for text in ["3.5", "5.3", "15", "1.5.2", "3,5", "1,500", "-3.5", "v5", "5th", "2–5", "3．5", "५5"]
        ),
        *(("U", text) for text in ["U.S", "U.S.", "U.S.A."]),
        *(("net", text) for text in ["ASP.NET", "example.net", "net.example"]),
        *(
            ("cat", text)
            for text in ["my_cat", "cat\u0301", "co\u0301cat", "cat\u00adalogue", "cat\u200balogue", "ＣＡＴＳ"]
        ),
        *(("1", text) for text in ["½", "1½", "①②", "1²"]),
        *(("कि", text) for text in ["किताब"]),
        *(("lega", text) for text in ["col·lega"]),
        *(("cat", text) for text in ["", " ", ".", "ca t", "c-a-t", "ct"]),
    ],
)
def test_nothing_is_found_inside_a_word(term: str, text: str) -> None:
    assert found_in(text, term) == []


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("can't", "You can’t, can't you?", ["can’t", "can't"]),
        ("can’t", "You can't.", ["can't"]),
        ("e-mail", "an e‑mail, an E–Mail, an e-mail", ["e‑mail", "E–Mail", "e-mail"]),
        ("3.5", "3.5 or 3．5.", ["3.5", "3．5"]),
        ("U.S", "the U.S. Army, U.S", ["U.S", "U.S"]),
        ("U.S.", "in the U.S.", ["U.S."]),
        ("C++", "C++, (C++) and C.", ["C++", "C++"]),
        ("C#", "C# and F#", ["C#"]),
        (".NET", "uses .NET.", [".NET"]),
        ("ASP.NET", "uses asp.net.", ["asp.net"]),
        ("AT&T", "AT&T and ＡＴ＆Ｔ", ["AT&T", "ＡＴ＆Ｔ"]),
        ("R&D", "our R&D.", ["R&D"]),
        ("TCP/IP", "over TCP/IP", ["TCP/IP"]),
        ("Mr.", "Mr. Smith", ["Mr."]),
        ("3,5", "3,5 and 3, 5", ["3,5"]),
        ("rock 'n' roll", "Rock ’n’ Roll!", ["Rock ’n’ Roll"]),
        ("...", "and … so ...", ["…", "..."]),
        ("—", "a – b", ["–"]),
        ("😊", "I love 😊.", ["😊"]),
        ("❤️", "I ❤ and ❤️", ["❤", "❤"]),
        ("fish", "a ﬁsh", ["ﬁsh"]),
        ("café", "cafe\u0301 café CAFÉ", ["cafe\u0301", "café", "CAFÉ"]),
        ("café", "cafe", []),
        ("Straße", "STRASSE strasse", ["STRASSE", "strasse"]),
        ("kg", "5 ㎏ and 5㎏", ["㎏", "㎏"]),
        ("½", "½ and 1⁄2", ["½", "1⁄2"]),
        ("catalogue", "cat\u00adalogue", ["cat\u00adalogue"]),
        ("cat", "\ufeffcat\u200b \u202acat\u202c", ["cat", "cat"]),
        ("black cat", "black\u200b \u00a0cat", ["black\u200b \u00a0cat"]),
        ("猫", "我喜欢猫。", ["猫"]),
        ("猫が", "猫が好き", ["猫が"]),
        ("テスト", "テストです", ["テスト"]),
        ("แมว", "แมวดำ", ["แมว"]),
        ("हिन्दी", "हिन्दी में", ["हिन्दी"]),
        ("кошка", "КОШКА и кошка", ["КОШКА", "кошка"]),
        ("Hawaiʻi", "hawai'i", ["hawai'i"]),
        ("col·lega", "El COL·LEGA", ["COL·LEGA"]),
        ("snake_case", "in snake_case", ["snake_case"]),
        ("1,000", "1,000 or 1,000,000", ["1,000"]),
    ],
)
def test_a_term_is_found_as_people_write_it(term: str, text: str, found: list[str]) -> None:
    assert found_in(text, term) == found


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


def test_a_term_without_a_word_is_refused() -> None:
    for blank in ("", " \n", "\u200b", "\x00"):
        with pytest.raises(ValueError, match="a word expected"):
            Glossary([(blank, "x")])


any_text = st.text(
    st.one_of(
        st.sampled_from("aB1ßİﬁ½…ﷺ'’-–.,_ \t\u0301\u00ad\u200b猫कि+&😊´¨"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=30,
)


@given(text=any_text)
@examples(2)
def test_every_word_of_any_text_is_found_where_it_stands(text: str) -> None:
    split = all_at_once(split_words(text))
    assert [word.start for word in split] == sorted(word.start for word in split)
    for word, following in itertools.pairwise(split):
        assert word.start < word.end <= following.start
    for word in split:
        part = text[word.start : word.end]
        assert words(part) == (word.key,)
        spans = [(start, end) for _, start, end in all_at_once(Glossary([(part, "x")]).terms_in(text))]
        assert (word.start, word.end) in spans
    skipped = text
    for word in reversed(split):
        skipped = skipped[: word.start] + skipped[word.end :]
    assert words(skipped) == ()


@given(
    before=st.lists(st.sampled_from(["the", "(", "e-", "'", "猫", "a.b", "1,"])),
    after=st.sampled_from(["", ".", "?", ")"]),
)
@settings(max_examples=50)
@pytest.mark.parametrize("term", ["cat", "black cat", "can't", "e-mail", "C++", ".NET", "AT&T", "U.S.", "3.5", "naïve"])
def test_a_term_between_other_words_is_found_once(term: str, before: list[str], after: str) -> None:
    left = "".join(f"{word} " for word in before)
    text = f"{left}{term} {after} the end"
    assert [(start, end) for _, start, end in all_at_once(Glossary([(term, "x")]).terms_in(text))] == [
        (len(left), len(left) + len(term))
    ]


@given(word=st.from_regex(r"[a-zé]{1,8}", fullmatch=True), joiner=st.sampled_from(["", "'", "’", "-", "‑", "."]))
@settings(max_examples=50)
def test_a_word_is_not_found_in_a_longer_one(word: str, joiner: str) -> None:
    assert found_in(f"Z{joiner}{word} {word}{joiner}Z Z{joiner}{word}{joiner}Z", word) == []


def _entries(terms: Iterable[str]) -> list[tuple[str, str]]:
    return [(term, "x") for term in terms]


MOST = 10_000
HEAVY = {
    "punctuation": (_entries("+" * length + "x" for length in range(1, 200)), "+" * MOST),
    "terms that nearly are there": (_entries("a " * length + "b" for length in range(1, 99)), "a " * (MOST // 2)),
    "terms that begin each other": (_entries("a" + "+" * length for length in range(1, 200)), "a~" * (MOST // 2)),
    "a thousand terms": (_entries("a " * (number % 90) + str(number) for number in range(1000)), "a " * (MOST // 2)),
    "one word": (_entries(["a" * 200]), "a" * MOST),
    "joined words": (_entries(["a"]), "a-" * (MOST // 2)),
    "numbers": (_entries(["1"]), "1," * (MOST // 2)),
    "marks": (_entries(["a"]), "\u0301\u0316" * (MOST // 2)),
    "marks on signs": (_entries(["a"]), "+\u0301\u0316\u0301\u0316" * (MOST // 5)),
    "characters that stand for many": (_entries(["a"]), "ﷺ+" * (MOST // 2)),
    "fractions": (_entries("1⁄2 " * length + "x" for length in range(1, 40)), "½ " * (MOST // 2)),
    "invisible characters": (_entries(["a"]), "a\u200b" * (MOST // 2)),
}


@pytest.mark.parametrize("name", HEAVY)
def test_the_work_between_two_turns_is_short_whatever_the_text(name: str) -> None:
    entries, text = HEAVY[name]
    glossary = Glossary(entries)
    longest, _ = longest_step(lambda: glossary.terms_in(text))
    assert longest < 0.015  # several times that of a quiet machine


@pytest.mark.parametrize("name", HEAVY)
def test_the_work_grows_with_the_length_of_the_text_and_no_faster(name: str) -> None:
    entries, text = HEAVY[name]
    glossary = Glossary(entries)
    short, long = (min(_seconds(glossary, text[:length]) for _ in range(2)) for length in (MOST // 4, MOST))
    assert long < 8 * short + 0.002  # 16 times, were it quadratic


def _seconds(glossary: Glossary, text: str) -> float:
    before = time.thread_time()
    all_at_once(glossary.terms_in(text))
    return time.thread_time() - before
