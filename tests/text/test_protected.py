import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.protected import find_protected, in_every_form
from tests.fakes import all_at_once
from tests.text.protected_literals import literals
from tests.text.step_times import longest_step


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Visit https://www.example.com/path/page.html?id=42 for more.",
            ["https://www.example.com/path/page.html?id=42"],
        ),
        ("See http://example.com.", ["http://example.com"]),
        ("See http://example.com/a, or not", ["http://example.com/a"]),
        ("(see https://example.com/a)", ["https://example.com/a"]),
        ("https://en.wikipedia.org/wiki/Dog_(disambiguation)", ["https://en.wikipedia.org/wiki/Dog_(disambiguation)"]),
        ("(https://en.wikipedia.org/wiki/Dog_(animal)).", ["https://en.wikipedia.org/wiki/Dog_(animal)"]),
        ('He said "https://example.com/x" twice', ["https://example.com/x"]),
        ("<https://example.com/x>", ["https://example.com/x"]),
        ("Is it https://example.com/?q=1&b=2#top?", ["https://example.com/?q=1&b=2#top"]),
        ("ftp://ftp.example.org/pub/a.tar.gz", ["ftp://ftp.example.org/pub/a.tar.gz"]),
        ("Go to www.example.org now", ["www.example.org"]),
        ("Go to WWW.Example.ORG!", ["WWW.Example.ORG"]),
        ("mailto:anna@example.org.", ["mailto:anna@example.org"]),
        ("read example.com/docs/start first", ["example.com/docs/start"]),
        ("read docs.example.co.uk/a-b_c?x=1.", ["docs.example.co.uk/a-b_c?x=1"]),
        ("https://de.wikipedia.org/wiki/Übung ist", ["https://de.wikipedia.org/wiki/Übung"]),
        ("请看https://example.com/a。谢谢", ["https://example.com/a"]),
        ("http://localhost:8080/x and http://[::1]/y", ["http://localhost:8080/x", "http://[::1]/y"]),
        ("postgres://user:secret@db:5432/name", ["postgres://user:secret@db:5432/name"]),
        ("at example.com.", ["example.com"]),
    ],
)
def test_addresses_of_the_web_are_protected_without_the_punctuation_behind_them(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jane.doe@example.org about the dog.", ["jane.doe@example.org"]),
        ("Write to jane.doe@example.org.", ["jane.doe@example.org"]),
        ("<j+tag@mail.example.co.uk>", ["j+tag@mail.example.co.uk"]),
        ("a_b-c@x-y.de, z@q.fr", ["a_b-c@x-y.de", "z@q.fr"]),
        ("'jane@example.org'", ["jane@example.org"]),
        ("Hello @anna!", ["@anna"]),
        ("Hello @anna_b, @b.c-d.", ["@anna_b", "@b.c-d"]),
        ("@user@mastodon.social says", ["@user@mastodon.social"]),
        ("meet @ noon", []),
        ("a@b", []),
    ],
)
def test_mail_addresses_and_names_are_protected(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"Open C:\Users\anna\notes.txt now.", [r"C:\Users\anna\notes.txt"]),
        (r"Open C:\Program Files\App\app.exe now.", [r"C:\Program Files\App\app.exe"]),
        (r"copy C:\a to D:\b.", [r"C:\a", r"D:\b"]),
        (r"on \\server\share\file.txt, yes", [r"\\server\share\file.txt"]),
        ("Run /usr/local/bin/x now", ["/usr/local/bin/x"]),
        ("in /etc/hosts.", ["/etc/hosts"]),
        ("(~/a/b)", ["~/a/b"]),
        ("run ./x.py and ../y/z.sh", ["./x.py", "../y/z.sh"]),
        ("edit src/main.py, please", ["src/main.py"]),
        ("edit server/text/reading.py.", ["server/text/reading.py"]),
        ("the folder /tmp/ is", ["/tmp/"]),
        ("Open README.md or notes.txt.", ["README.md", "notes.txt"]),
        ("and/or", []),
        ("100 km/h", ["100 km/h"]),
        ("and km/h", []),
        ("he/she runs", []),
        ("either / or", []),
        ("a dog. The cat", []),
        ("a dog.The cat", []),
        ("etc. and so on", []),
        ("c:\\", ["c:\\"]),
    ],
)
def test_paths_are_protected_and_slashes_between_words_are_not(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in #general now", ["#general"]),
        ("#dogs #cats-and-more, #2024goals", ["#dogs", "#cats-and-more", "#2024goals"]),
        ("issue #42.", ["#42"]),
        ("# heading", []),
        ("#", []),
        ("C# is a language", []),
        ("## two", []),
    ],
)
def test_tags_are_protected(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    "placeholder",
    [
        *("{0}", "{}", "{name}", "{name!r:>10}", "{{ name }}", "{{name}}", "{{ user.first_name }}", "{{ x | upper }}"),
        *("${name}", "${user.name}", "${a + b}", "#{name}", "%{count}", "{0:N2}", "{amount:.2f}", "{0,10}", "{a[0].b}"),
        *("%s", "%d", "%5.2f", "%1$s", "%2$d", "%(name)s", "%(count)d", "%@", "%ld", "%-10s", "%05d", "%USER%"),
        *("%%", "%1", "%12", "%L1", "<%= user.name %>", "<% end %>"),
        *("$name", "{% if user %}", "{count, plural, one {# dog} other {# dogs}}", "{value:{width}}"),
        "{gender, select, male {He} female {She} other {{name}}}",
        "{when, date, short}",
    ],
)
def test_placeholders_are_protected(placeholder: str) -> None:
    assert literals(f"Hello {placeholder}, a dog") == [placeholder]
    assert literals(placeholder) == [placeholder]
    assert literals(f"({placeholder})") == [placeholder]
    assert literals(f"A dog {placeholder}.") == [placeholder]
    assert literals(f"Only 9 {placeholder}")[-1] == placeholder
    assert literals(f"Only 3.5 {placeholder}")[-1] == placeholder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Set max_value to first_name.", ["max_value", "first_name"]),
        ("in MAX_VALUE, _private_name, __MSG_title__", ["MAX_VALUE", "_private_name", "__MSG_title__"]),
        ("see my_file.txt and a_b@c.de", ["my_file.txt", "a_b@c.de"]),
        ("_ and __ and a _ b", []),
        ("Name: ____________ Date: __/__/____", ["____________", "__/__/____"]),  # to be filled in
        ("Name____ and __-__", ["____", "__-__"]),
    ],
)
def test_words_with_low_lines_inside_are_names_of_programs(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is **very** *important*.", ["**", "**", "*", "*"]),
        ("***Stop!*** (*now*)", ["***", "***", "*", "*"]),
        ("The _big dog_ runs, __fast__ indeed", ["_", "_", "__", "__"]),
        ("The price* is fair", ["*"]),
        ("2*3, 2 * 3, a ** b, ****", []),
    ],
)
def test_signs_of_emphasis_are_protected(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a % sign", "{a dog runs}", "{", "}", "}{", "a { b c } d"),
        *("5%s", "US$ is", "a $ sign", '{"key": "a dog"}', "%", "100%discount"),
    ],
)
def test_signs_of_placeholders_alone_protect_nothing(text: str) -> None:
    assert [found for found in literals(text) if "%" in found or "{" in found or "$" in found] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{0}{1}", ["{0}", "{1}"]),
        ("%s%s", ["%s", "%s"]),
        ("%dx%d", ["%d", "%d"]),
        ("{ {0} and {name} }", ["{0}", "{name}"]),
        ("{{0}", ["{0}"]),
        ("Hello {0}, you have %s new messages.", ["{0}", "%s"]),
    ],
)
def test_placeholders_beside_each_other_are_told_apart(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("I love Red Hat and Red Hats", "Red Hat", ["Red Hat"]),
        ("apple Apple APPLE", "Apple", ["Apple"]),
        ("Apple's pie, Apple.", "Apple", ["Apple", "Apple"]),
        ("the dog’s house", "dog's", ["dog’s"]),
        ("the dog's house", "dog’s", ["dog's"]),
        ("C++ and C+++", "C++", ["C++", "C++"]),
        ("a cafe\u0301 here", "cafe", []),
        ("pineapple", "apple", []),
        ("(c) Foo", "(c)", ["(c)"]),
        ("aaaa", "aa", []),
        ("我爱北京", "北京", []),
        ("", "x", []),
        ("x", "", []),
    ],
)
def test_listed_texts_are_protected_as_whole_words(text: str, term: str, expected: list[str]) -> None:
    assert literals(text, term) == expected


def test_of_overlapping_parts_the_one_that_begins_first_or_else_the_longer_one_wins() -> None:
    assert literals("see https://example.com/@anna/12345 now", "example", "anna") == ["https://example.com/@anna/12345"]
    assert literals("New York City", "New York", "York City", "New") == ["New York"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Click <b>here</b>!", ["<b>", "</b>"]),
        ('a <a href="x" class="y">dog</a><br/>', ['<a href="x" class="y">', "</a>", "<br/>"]),
        ("x < y and z > w", []),
        ("I <3 dogs <", []),
    ],
)
def test_tags_in_plain_text_are_protected(text: str, expected: list[str]) -> None:
    assert literals(text) == expected


def test_a_plain_sentence_has_nothing_to_protect() -> None:
    assert literals("A man is sleeping in a green room, and his dog (a poodle) isn't; why?") == []


@pytest.mark.parametrize("text", ["The Café noir is here.", "The Cafe\u0301 noir is here."])
@pytest.mark.parametrize("listed", ["Café noir", "Cafe\u0301 noir"])
def test_listed_texts_are_found_however_their_letters_are_encoded(text: str, listed: str) -> None:
    assert literals(text, *in_every_form([listed])) == [text[4:-9]]


NASTY = [
    *("<", "<a ", "<a>", "</"),
    *("{", "}", "{}", "{a", "{{", "{a:", "a@", "@a", "@", "a.", "a.b@", "/a", "/", "./", "a/", "1,", "1"),
    *("1 ", "12 ", "+1 ", "http://", "http://a)", "http://a(", "www.", "www.a", "mailto:", "#", "#a", "%"),
    *("%(", "%(a", "%1$", "$", "${", "$a", "\\", "\\\\a", "a\\", "C:\\a ", "C:\\", "v1.", "A-", "A-1"),
    *("a1", "abcdef1", "a-", "😊", "😊 ", "\u200d", "👨\u200d", "🇫", "1\ufe0f", "é", "a\u0301", " ", ":"),
    *("1:", "f:", "(", "(1", "{,", "{a,", "{a,plural,", "a.com/", "a_", "+", "0 00", "x.y"),
    *("_", "a_b ", ":a", " :+", ":aa:", "<%", "%%", " %1", "-", "->", "=", "/*", "*", " :)", " :("),
    *("https://a.b/c?d=", "1x", "1-", "0x", "--", "\x00", "a'", "’", "{[", "{a[", "$1", "€", "-€1.1"),
]


@pytest.mark.parametrize("kind", NASTY)
def test_the_longest_content_of_any_kind_takes_short_steps(kind: str) -> None:
    text = kind * (10_000 // len(kind))
    longest, total = longest_step(lambda: find_protected(text, [kind, kind * 100, "a"]))
    assert longest < 0.02
    assert total < 0.2


@given(
    st.text(alphabet=st.sampled_from("a1Z .,:/@#%{}$\\()-+_'’é😊\u200d\ufe0f🇫"), max_size=40),
    st.lists(st.text(max_size=3)),
)
def test_parts_are_in_order_and_disjoint_and_not_empty(text: str, listed: list[str]) -> None:
    found = all_at_once(find_protected(text, listed))
    ends = [0, *(span.end for span in found)]
    assert all(end <= span.start < span.end for end, span in zip(ends, found, strict=False))
    assert all(text[span.start : span.end] == span.literal for span in found)
    assert found == all_at_once(find_protected(text, listed))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Click <b>Save</b> now", ["<b>", "</b>"]),
        ("<i>I was waiting", ["<i>"]),
        ('<font color="#ff0000">Stop!</font>', ['<font color="#ff0000">', "</font>"]),
        ("one<br/>two<BR />three", ["<br/>", "<BR />"]),
        ("<x id='1'/> items", ["<x id='1'/>"]),
        ("a < b and c > d", []),
        ("if a<b and c>d", []),
        ("I <3 you", []),
        ("<>", []),
    ],
)
def test_tags_of_markup_are_protected_in_plain_texts(text: str, tags: list[str]) -> None:
    assert [span.literal for span in all_at_once(find_protected(text, ()))] == tags


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Run `make serve` now.", ["`make serve`"]),
        ("Call ``a `` twice", ["``a ``"]),
        ("```python\nThe dog runs.\n```\nA dog", ["```python\nThe dog runs.\n```"]),
        ("```\nA dog\n```\nA cat\n```", ["```\nA dog\n```", "```"]),
        ("```a\n```b", ["```a", "```b"]),
        ("    ```\nA dog", ["    ```"]),
        ("It`s a dog", []),
        ("`", []),
    ],
)
def test_code_in_markdown_is_protected(text: str, code: list[str]) -> None:
    assert [span.literal for span in all_at_once(find_protected(text, ()))] == code
