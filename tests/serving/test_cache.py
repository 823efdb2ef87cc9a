import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.messages.hypothesis import Hypothesis
from server.messages.options import DecodingOptions, RequiredTerm
from server.messages.sentence import Finished
from server.serving.metrics import Metrics
from server.serving.requests.cache import TranslationCache, key_of, size_of
from tests.fakes import MANIFEST


def finished(num_tokens: int = 1, num_hypotheses: int = 1) -> Finished:
    return Finished([Hypothesis([7] * num_tokens) for _ in range(num_hypotheses)])


def with_attention(num_tokens: int, num_source_tokens: int, num_heads: int = 0) -> Finished:
    attention = [np.ones(num_source_tokens, np.float32) for _ in range(num_tokens)]
    by_head = [np.ones((num_heads, num_source_tokens), np.float32) for _ in range(num_tokens if num_heads else 0)]
    return Finished([Hypothesis([7] * num_tokens, attention=attention, attention_by_head=by_head)])


class Cache:
    """A cache with the metrics that it counts."""

    def __init__(self, max_bytes: int) -> None:
        self.metrics = Metrics()
        self.cache = TranslationCache(max_bytes, self.metrics.cache)
        self.get, self.put = self.cache.get, self.cache.put

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is not None
        return value

    @property
    def num_bytes(self) -> float:
        return self.metric("seq2serve_cache_bytes")


ONE = size_of(finished())


def test_what_was_put_is_found_under_its_key_alone() -> None:
    cache, kept = Cache(10 * ONE), finished()
    cache.put(("a", 1), kept)
    assert cache.get(("a", 1)) is kept
    assert cache.get(("a", 2)) is None


def test_the_least_recently_used_leaves_first() -> None:
    cache = Cache(2 * ONE)
    cache.put("a", finished())
    cache.put("b", finished())
    cache.get("a")
    cache.put("c", finished())
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_as_many_leave_as_a_large_one_needs() -> None:
    cache = Cache(3 * ONE)
    for key in "abc":
        cache.put(key, finished())
    cache.put("d", finished(num_hypotheses=2))
    assert [cache.get(key) is not None for key in "abcd"] == [False, False, True, True]


def test_one_that_is_larger_than_the_cache_drives_nothing_out() -> None:
    cache = Cache(2 * ONE)
    cache.put("a", finished())
    cache.put("large", finished(num_hypotheses=30))
    assert cache.get("large") is None
    assert cache.get("a") is not None


def test_one_that_fills_the_cache_to_the_last_byte_is_kept() -> None:
    cache = Cache(ONE)
    cache.put("a", finished())
    assert cache.get("a") is not None
    assert cache.num_bytes == ONE


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = Cache(0)
    cache.put("a", finished(num_tokens=0))
    assert cache.get("a") is None


def test_what_is_put_again_counts_once() -> None:
    cache = Cache(10 * ONE)
    cache.put("a", finished())
    cache.put("a", finished())
    assert cache.num_bytes == ONE


def test_hits_misses_and_bytes_are_counted() -> None:
    cache = Cache(10 * ONE)
    cache.get("a")
    cache.put("a", finished())
    cache.get("a")
    cache.get("a")
    assert cache.metric("seq2serve_cache_lookups_total", result="hit") == 2.0
    assert cache.metric("seq2serve_cache_lookups_total", result="miss") == 1.0
    assert cache.num_bytes == ONE


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (finished(num_tokens=3), finished(num_tokens=4)),
        (finished(num_hypotheses=1), finished(num_hypotheses=2)),
        (finished(num_tokens=3), with_attention(3, 5)),
        (with_attention(3, 5), with_attention(3, 500)),
        (with_attention(3, 5), with_attention(3, 5, num_heads=1)),
    ],
)
def test_tokens_hypotheses_and_attention_take_room(less: Finished, more: Finished) -> None:
    assert size_of(less) < size_of(more)


def test_attention_takes_at_least_the_bytes_of_its_arrays() -> None:
    assert size_of(with_attention(30, 100)) >= 30 * 100 * 4
    assert size_of(with_attention(30, 100, num_heads=8)) >= 30 * 100 * 4 * 9


@given(
    max_bytes=st.integers(0, 3000),
    puts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(1, 3)), max_size=20),
)
def test_no_more_bytes_are_kept_than_are_allowed(max_bytes: int, puts: list[tuple[int, int, int]]) -> None:
    cache = Cache(max_bytes)
    for key, num_tokens, num_hypotheses in puts:
        cache.put(key, finished(num_tokens, num_hypotheses))
        kept = [found for found in map(cache.get, range(6)) if found]
        assert sum(map(size_of, kept)) == cache.num_bytes <= max_bytes


def options(phrase: str = "a", term: int = 4, **others: Any) -> DecodingOptions:
    """Made anew, as every request's are."""
    return DecodingOptions(
        max_output_tokens=9,
        forbidden_phrases=(phrase,),
        required_terms=(RequiredTerm((term,), range(1)),),
        **others,
    )


def test_a_key_is_the_same_for_what_is_asked_again_and_for_nothing_else() -> None:
    key = key_of(MANIFEST, [5, 6, 3], options())
    assert key_of(MANIFEST, [5, 6, 3], options()) == key
    same_under_another_version = dataclasses.replace(MANIFEST, version="2")
    assert key_of(same_under_another_version, [5, 6, 3], options()) == key
    others = [
        key_of(dataclasses.replace(MANIFEST, name="other"), [5, 6, 3], options()),
        key_of(MANIFEST, [5, 3], options()),
        key_of(MANIFEST, [5, 6, 3], options(phrase="b")),
        key_of(MANIFEST, [5, 6, 3], options(term=5)),
        key_of(MANIFEST, [5, 6, 3], options(beam_size=2)),
        key_of(MANIFEST, [5, 6, 3], options(length_penalty=1.0)),
    ]
    assert len({key, *others}) == 7


def test_a_key_is_small_whatever_was_asked_for() -> None:
    assert len(key_of(MANIFEST, [5] * 999, options(phrase="b" * 999))) <= 64
