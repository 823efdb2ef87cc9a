import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.shapes import Part, parse_shape, users_at


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("50x30", [Part(50, 50, 30.0)]),
        ("0-500x120", [Part(0, 500, 120.0)]),
        ("50x30,500x5.5,50x30", [Part(50, 50, 30.0), Part(500, 500, 5.5), Part(50, 50, 30.0)]),
        (" 1x1 , 2-1x1 ", [Part(1, 1, 1.0), Part(2, 1, 1.0)]),
    ],
)
def test_shapes_are_read(text: str, parts: list[Part]) -> None:
    assert parse_shape(text) == parts


@pytest.mark.parametrize(
    "text", ["", "50", "x5", "50x", "50x0", "-5x3", "5x-3", "5x3,", "5x3;5x3", "1e3x5", "5 x3", "५x3x"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--shape: parts such as 50x30 or 50-500x120 expected, got "):
        parse_shape(text)


@pytest.mark.parametrize(
    ("seconds", "users"), [(0, 10), (9.9, 10), (10, 0), (15, 50), (19.99, 100), (20, 7), (20.9, 7), (21, None)]
)
def test_users_at_a_time(seconds: float, users: int | None) -> None:
    assert users_at(parse_shape("10x10,0-100x10,7x1"), seconds) == users


@given(st.lists(st.builds(Part, st.integers(0, 99), st.integers(0, 99), st.integers(1, 9)), min_size=1))
def test_what_is_written_is_read(parts: list[Part]) -> None:
    text = ",".join(f"{part.first}-{part.last}x{part.seconds}" for part in parts)
    assert parse_shape(text) == parts
    assert users_at(parts, sum(part.seconds for part in parts)) is None
