"""Settings of Marian are read as it writes them, and as people edit them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoints.flat_yaml import NotFlatYaml, parse_flat_yaml
from tests.examples import examples


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("key: value", "value"),
        ("key: two words", "two words"),
        ("key:", ""),
        ('key: ""', ""),
        ("key: ''", ""),
        ('key: "[eos]"', "[eos]"),
        ('key: "a # b"  # comment', "a # b"),
        ("key: value # comment", "value"),
        ("key: a#b", "a#b"),
        ("key: 'it''s'", "it's"),
        ('key: "tab\\there"', "tab\there"),
        ("key: 0.6", "0.6"),
        ("key: C:\\models\\a.npz", "C:\\models\\a.npz"),
        ("key: http://host/a", "http://host/a"),
        ("key:   spaces   ", "spaces"),
        ("key: value\r", "value"),
        ("key:\n  - a\n  - b", ("a", "b")),
        ("key:\n- a\n- b", ("a", "b")),
        ("key:\n  - a\n\n  # comment\n  - b", ("a", "b")),
        ("key:\n  []", ()),
        ("key: []", ()),
        ("key: [a, b]", ("a", "b")),
        ("key: [a]  # comment", ("a",)),
        ("key: [\"a\", 'b',]", ("a", "b")),
        ('key:\n  - "a b"\n  - 1', ("a b", "1")),
        ("---\n# comment\nkey: value\n...", "value"),
    ],
)
def test_a_value_is_read_as_it_was_meant(text: str, value: str | tuple[str, ...]) -> None:
    assert parse_flat_yaml(f"before: 1\n{text}\nafter: 2\n") == {"before": "1", "key": value, "after": "2"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("key", 2),
        ("- item", 2),
        ("key: value\n- item", 3),
        ("key:\n  nested: 1", 3),
        ("  key: value", 2),
        ("before: again", 2),
        ("key: [a, b", 2),
        ('key: "open', 2),
        ('key: "a" b', 2),
        ('key: "\\q"', 2),
        ("key: [a]\n  [b]", 3),
        ("&anchor", 2),
    ],
)
def test_a_line_that_is_not_flat_is_named(text: str, line: int) -> None:
    with pytest.raises(NotFlatYaml, match=rf"^line {line}: .* got '"):
        parse_flat_yaml(f"before: 1\n{text}\n")


@examples(2)
@given(st.text(st.sampled_from("ab:- '\"[]#,\n\\\t"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NotFlatYaml):
        parse_flat_yaml(text)
