"""How texts are laid out, by kind."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from server.text.segment import Protected
from server.text.segments import Splitting, find_segments
from tests.fakes import all_at_once

SENTENCES = Path("tests/sentences.txt").read_text(encoding="utf-8").splitlines()


def segments_of(
    text: str, language: str = "en", splitting: Splitting = Splitting.SENTENCES, whole: Sequence[str] = ()
) -> list[str]:
    spans = [Protected(at, at + len(part), part) for part in whole for at in [text.index(part)]]
    return [text[start:end] for start, end in all_at_once(find_segments(text, language, splitting, spans))]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", []),
        ("   ", []),
        (" \n\t\r\n ", []),
        ("\ufeff", []),
        ("\ufeffA dog runs.", ["A dog runs."]),
        ("\ufeff\nA dog runs.", ["A dog runs."]),
        ("A dog runs.\nA cat sleeps.\n\nA man reads.", ["A dog runs.", "A cat sleeps.", "A man reads."]),
        ("A dog runs.\r\nA cat sleeps.\r\n\r\nA man reads.\r\n", ["A dog runs.", "A cat sleeps.", "A man reads."]),
        ("A dog runs.\rA cat sleeps.", ["A dog runs.", "A cat sleeps."]),
        ("one\vtwo\fthree\x85four\u2028five\u2029six", ["one", "two", "three", "four", "five", "six"]),
        ("  A dog runs.\n\tA cat sleeps.  ", ["A dog runs.", "A cat sleeps."]),
        ("\u3000A dog\u00a0runs.\u00a0", ["A dog\u00a0runs."]),
        ("A dog\nruns", ["A dog", "runs"]),
    ],
)
def test_line_breaks_blank_lines_and_blanks_at_both_ends_of_a_line_separate(text: str, segments: list[str]) -> None:
    assert segments_of(text) == segments
    assert segments_of(text, splitting=Splitting.LINES) == segments


@pytest.mark.parametrize(
    "marker",
    [
        *("- ", "* ", "• ", "•", "– ", "— ", "+ ", "-\t", "-   ", "-\u00a0", "◦ ", "▪ ", "● ", "· ", "✓ ", "☐ "),
        *("1. ", "2) ", "(3) ", "12. ", "100) ", "1.) ", "1.2. ", "2.3.1) ", "1、", "① ", "③"),
        *("a) ", "(b) ", "C) ", "(D) ", "a. ", "iv. ", "iv) ", "(iii) ", "IV. ", "II) "),
        *("# ", "## ", "###### ", "> ", ">> ", "> > ", ">", ">>", "[ ] ", "[x] ", "[X] "),
        *("> - ", "- [ ] ", "* [x] ", "> 1. ", "- a) ", "> - [ ] ", "1. [x] ", "> ## ", "- - "),
    ],
)
def test_a_list_marker_is_kept(marker: str) -> None:
    for item in ("A dog runs", "A dog runs.", "5 apples", "**keys** are lost", "“Well,” he said", "Älter", "une été"):
        if marker.endswith(">") and not item[0].isalpha():
            continue
        assert segments_of(f"{marker}{item}") == [item]
        assert segments_of(f"  {marker}{item}  \n{marker}{item}\r\n", splitting=Splitting.LINES) == [item, item]


@pytest.mark.parametrize(
    "line",
    [
        *("-5 degrees", "-5", "*bold* text", "**bold** text", "__init__ is called", "#general is a channel", "#1 fan"),
        *("3.5 kg of apples", "12:30 is late", "2024. A year", "3. 12. 2024 was a day", "1.5. 2024 was one"),
        *("e. e. cummings wrote", "J. Smith wrote", "A. Smith wrote", ">5 people", ":) hello", "(see below)"),
        *(
            "1.",
            "-",
            "***",
            "---",
            "...",
            "😊",
            "2)",
            "[x]",
            "[link](here)",
            "+33 1 55 00 12 34",
            "--help is an option",
        ),
        *("1984 was a year", "a dog runs", "I am", "i) ", "<b>Save</b>", "--", "(a)", "*", "# "),
    ],
)
def test_what_only_looks_like_a_list_marker_is_text(line: str) -> None:
    assert segments_of(line) == [line.strip()]


SENTENCE_CASES = [
    ("Hello.| How are you?| I am fine!", "en"),
    ("Hello!| How are you?", "en"),
    ("Mr. Smith is sleeping.| Dr. Brown is reading a book.", "en"),
    ("Mrs. Jones met Prof. Adams.| They talked.", "en"),
    ("J. R. R. Tolkien wrote a book.| It is long.", "en"),
    ("J.R.R. Tolkien wrote a book.| It is long.", "en"),
    ("C. S. Lewis and J. R. R. Tolkien met.| They talked.", "en"),
    ("I met Anna K. Miller.| She is old.", "en"),
    ("The book by George R. R. Martin is long.| It is good.", "en"),
    ("We chose plan B.| It works.", "en"),
    ("I live in the U.S. with Mr. J. R. Smith.| He is 3.5 years older.", "en"),
    ("The dog weighs 3.5 kg.| It is big.", "en"),
    ("We are open from 9 a.m.–5 p.m. every day.| Come in.", "en"),
    ("We eat at 5 p.m. on Mondays.| Come in.", "en"),
    ("Take fruit, e.g. this one.| It is good.", "en"),
    ("It is red, i.e. not blue.| Look.", "en"),
    ('He said "stop."| Then he left.', "en"),
    ("He said “stop.”| Then he left.", "en"),
    ("(A dog runs.)| A cat sleeps.", "en"),
    ("A dog runs (in the park).| A cat sleeps.", "en"),
    ("Really?!| Yes.", "en"),
    ("Wait...| What is that?", "en"),
    ("We can't return them…| The fee is high.", "en"),
    ("Well… maybe.| We will see.", "en"),
    ("Visit www.example.com today.| It is good.", "en"),
    ("Open notes.txt now.| It is long.", "en"),
    ("Version 2.3.1 is out.| Get it.", "en"),
    ("“A dog runs,” he said.| A cat sleeps.", "en"),
    ("Yes!!!| No.", "en"),
    ("hello.| how are you?| i am fine", "en"),
    ("It is 5 o'clock.| 'Tis late.", "en"),
    ("A dog runs.\0|A cat sleeps.", "en"),
    ("We use ASP.NET and System.Out here.| It works.", "en"),
    ("It is red.|Then he left.", "en"),
    ("A man is sleeping.| 2 dogs are playing.", "en"),
    ("See the book.[1]| It is good.", "en"),
    ("(A dog runs.)| (A cat sleeps.)| Why?", "en"),
    ('"Stop!" he said.| He left.', "en"),
    ('"Stop!"| He left.', "en"),
    ("He works at Apple Inc. with a Ph.D. in physics.| He likes it.", "en"),
    ("Wait… and see.| Then go.", "en"),
    ("Der 2. Weltkrieg war lang.| Er kam am 3. 12. 2024 an.", "de"),
    ("Přišel 3. října.| Pes běží.", "cs"),
    ("А. С. Пушкин писал.| Это т. е. хорошо.", "ru"),
    ("Hr. Svensson sover t.ex. nu.| Hund.", "sv"),
    ("개가 달린다.| 고양이가 잔다.", "ko"),
    ("کتا دوڑتا ہے۔| بلی سوتی ہے۔", "ur"),
    ("“你好。”|他说。|我很好。", "zh-Hans"),
    ("「こんにちは。」と言った。|元気ですか？|はい。", "ja"),
    ("犬が走る。|猫が寝る。", "ja"),
    ("一只狗在跑。|一只猫在睡觉！|真的吗？", "zh"),
    ("كيف حالك؟| أنا بخير.", "ar"),
    ("एक कुत्ता दौड़ता है।| एक बिल्ली सोती है।", "hi"),
    ("M. Dupont dort.| Mme Martin lit.", "fr"),
    ("Un chien court.| Un chat dort !| Quoi ?| Rien.", "fr"),
    ("« Un chien court. »| Il dort.", "fr"),
    ("Le livre de J. Dupont est long.| J. R. R. Tolkien dort.", "fr"),
    ("Take Vitamin C.| It is good.", "en"),
    ("Johann S. Bach schläft.| Das Buch von J. Meier ist lang.", "de"),
    ("Писал А. С. Пушкин.| Лев Н. Толстой спит.", "ru"),
    ("Dr. Müller schläft.| Er träumt z. B. von Hunden.", "de"),
    ("¿Cómo estás?| ¡Muy bien!| Gracias.", "es"),
    ("O Sr. Silva dorme.| Ele sonha.", "pt-BR"),
    ("Pán Novák spí.| Pes běží.", "cs"),
    ("Собака бежит.| Кошка спит.", "ru"),
    ("Σκύλος τρέχει.| Τι κάνεις;| Καλά.", "el"),
]


@pytest.mark.parametrize(("marked", "language"), SENTENCE_CASES)
def test_sentences_of_a_line_are_segments(marked: str, language: str) -> None:
    """Each case has a bar where a sentence ends."""
    assert segments_of(marked.replace("|", ""), language) == [part.strip() for part in marked.split("|")]


def test_an_emoji_between_sentences_is_lost_in_neither() -> None:
    assert segments_of("Hello! 😊 How are you?") in (["Hello! 😊", "How are you?"], ["Hello!", "😊 How are you?"])


def test_symbols_behind_the_last_sentence_belong_to_it() -> None:
    assert segments_of("See you soon! 😊") == ["See you soon! 😊"]
    assert segments_of("A dog runs. It barks. ***") == ["A dog runs.", "It barks. ***"]


@pytest.mark.parametrize(
    ("text", "whole", "segments"),
    [
        ("Use Yahoo! Mail now. It works.", ["Yahoo! Mail"], ["Use Yahoo! Mail now.", "It works."]),
        ("See Bob Who. Then Go. Now.", ["Who. Then Go"], ["See Bob Who. Then Go.", "Now."]),
        ("One. Two. Three.", ["One."], ["One.", "Two.", "Three."]),
        ("One. Two. Three.", ["Two."], ["One.", "Two.", "Three."]),
        ("One. Two. Three.", ["e. T", "o. T"], ["One. Two. Three."]),
        ("One. Two. Three.", ["One. "], ["One.", "Two.", "Three."]),
        ("One.\nTwo.\nThree.", ["One.", "Two."], ["One.", "Two.", "Three."]),
        ("One.\nTwo.\nThree.", ["One.\nTwo"], ["One.\nTwo.", "Three."]),
        ("- One.\n- Two.", ["- One"], ["- One.", "Two."]),
        ("- One.\n- Two.", ["-"], ["One.", "Two."]),
    ],
)
def test_segments_that_meet_inside_a_protected_text_are_one(text: str, whole: list[str], segments: list[str]) -> None:
    assert segments_of(text, whole=whole) == segments


def test_without_splitting_the_text_is_one_segment() -> None:
    assert segments_of(" - One. Two.\n\nThree. \n", splitting=Splitting.NONE) == ["- One. Two.\n\nThree."]
    assert segments_of(" \n ", splitting=Splitting.NONE) == []


def test_known_sentences_are_found_in_their_joined_text() -> None:
    for number in (1, 2, 3, 5, 10, 40):
        for separator in (" ", "  ", "\n", "\r\n\r\n"):
            assert segments_of(separator.join(SENTENCES[:number])) == SENTENCES[:number]


def test_a_line_longer_than_the_window_has_the_same_sentences() -> None:
    sentences = (SENTENCES * 5)[:200]
    assert segments_of(" ".join(sentences)) == sentences
    long = "the dog and " * 500 + "the cat sleep."
    assert segments_of(f"A dog runs. {long} A dog runs.") == ["A dog runs.", long, "A dog runs."]


def test_no_sentence_is_cut_where_the_splitter_looks_at_another_window() -> None:
    for num_letters in range(2, 20):
        segments = segments_of("A" * num_letters + "." + " I saw Mr. Smith." * 300)
        assert segments[1:] == ["I saw Mr. Smith."] * 300


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("| Day    | Who     |", ["Day", "Who"]),
        ("|--------|---------|", ["--------", "---------"]),
        ("| A dog runs. It is big. | Mary |  |", ["A dog runs.", "It is big.", "Mary"]),
        ("name\tA dog runs.\t\t12", ["name", "A dog runs.", "12"]),
        ("sad :(\tA dog runs.", ["sad :(", "A dog runs."]),
    ],
)
def test_the_cells_of_a_table_s_row_are_apart(text: str, cells: list[str]) -> None:
    segments = all_at_once(find_segments(text, "en", Splitting.SENTENCES))
    assert [text[start:end] for start, end in segments] == cells


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("Home | Contact | About us", ["Home", "Contact", "About us"]),
        ("News | The dog is sleeping", ["News", "The dog is sleeping"]),
        ("A dog runs. It is big. | Mary", ["A dog runs.", "It is big.", "Mary"]),
        ("Monday · Tuesday • Friday", ["Monday", "Tuesday", "Friday"]),
        ("Home > Products › Shoes", ["Home", "Products", "Shoes"]),
        ("设置 > 通用 > 关于", ["设置", "通用", "关于"]),
        ("News || Sports | | Weather |", ["News", "Sports", "Weather"]),
        ("- Start | End", ["Start", "End"]),
        ("Tea (hot) | Milk", ["Tea (hot)", "Milk"]),
        ("Name: ____ Date: __/__/____ Place: ........", ["Name:", "Date:", "Place:"]),
    ],
)
def test_the_entries_of_a_menu_or_form_are_apart(text: str, entries: list[str]) -> None:
    segments = all_at_once(find_segments(text, "en", Splitting.SENTENCES))
    assert [text[start:end] for start, end in segments] == entries


@pytest.mark.parametrize(
    "text",
    [
        *("a|b", "x > y", "a·b", "5 > 3", "and/or", "5 km / h", "he / she", "Yes / No", "Settings > General"),
        *("Click File > Open to open the file.", "Go to File > Open > Recent and choose one.", "If A > B then stop."),
        *("The probability P(A | B) is small.", "if (a || b) then", "Type cat file | grep word in the shell."),
        *("Let a · b be the product.", "Use the type String [] for this.", "The word [x] is not there."),
        *("I, ____, have read: it", "Wir suchen einen Koch / Kellner für unser Restaurant.", "He said » stop"),
    ],
)
def test_signs_within_a_sentence_part_nothing(text: str) -> None:
    segments = all_at_once(find_segments(text, "en", Splitting.SENTENCES))
    assert [text[start:end] for start, end in segments] == [text]


@pytest.mark.parametrize(
    "sentences",
    [
        ["She is no stranger to me.", "Tom was born there."],
        ["Give it to me.", "I am here."],
        ["I said no.", "He went away."],
        ["It is a work of art.", "Many people look at it."],
        ["They saw Tom and I.", "He ran."],
        ["We met in May.", "It rained."],
        ["See art. IV of the law."],
        ["He lives at no. 5 now."],
    ],
)
def test_words_that_are_mostly_no_abbreviations_end_sentences(sentences: list[str]) -> None:
    text = " ".join(sentences)
    segments = all_at_once(find_segments(text, "en", Splitting.SENTENCES))
    assert [text[start:end] for start, end in segments] == sentences
