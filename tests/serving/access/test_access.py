"""From metadata to a caller, and what becomes of it when the keys change."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import RateLimited, RoleMissing, TooManyCalls, Unauthenticated
from server.keys.key_file import ADMIN, READ, TRANSLATE, Key, digest, new_key
from server.serving.access.access import Access

WEB = new_key()


def key(text: str = WEB, name: str = "web", **fields: Any) -> Key:
    return Key(name=name, sha256=digest(text), roles=frozenset([TRANSLATE]), **fields)


def held(access: Access, text: str = WEB) -> Any:
    return access.caller_of((("x-api-key", text),), "peer")


def test_without_keys_a_connection_is_the_caller() -> None:
    caller = Access().caller_of((("x-api-key", WEB),), "ipv4:127.0.0.1:9")
    assert caller.name == "ipv4:127.0.0.1:9"
    caller.require(ADMIN)
    caller.check(10**9)


def test_all_calls_of_a_key_are_one_caller_whatever_their_connection() -> None:
    access = Access([key()])
    one, other = (access.caller_of((("x-api-key", WEB),), peer) for peer in ("one", "other"))
    assert one is other
    assert one.name == "web"


@pytest.mark.parametrize(
    "tables",
    [
        [],
        [key(new_key())],  # another key, of the same name
        [key(name="renamed")],
        [key(new_key()), key(name="renamed")],
    ],
    ids=["gone", "replaced", "renamed", "both"],
)
def test_a_key_that_has_gone_has_nothing_more_decoded_in_a_call_that_runs(tables: list[Key]) -> None:
    access = Access([key()])
    caller = held(access)
    caller.enter()
    caller.check(1)
    access.use(tables)
    for refused in (lambda: caller.check(1), lambda: caller.require(TRANSLATE), caller.require_key):
        with pytest.raises(Unauthenticated, match="not known any more"):
            refused()
    caller.leave()
    assert caller.usage.num_running == 0
    access.use([key()])
    held(access).check(1)
    with pytest.raises(Unauthenticated):
        caller.check(1)


def test_a_call_that_runs_goes_on_when_other_keys_come_and_its_limits_change() -> None:
    access = Access([key()])
    caller = held(access)
    access.use([key(new_key(), "other"), key(max_calls=7)])
    caller.require(TRANSLATE)
    caller.check(1)
    assert held(access) is caller


def test_a_role_that_is_taken_away_is_missing_in_a_call_that_runs() -> None:
    access = Access([key()])
    caller = held(access)
    caller.require(TRANSLATE)
    access.use([Key(name="web", sha256=digest(WEB), roles=frozenset([READ]))])
    with pytest.raises(RoleMissing):
        caller.require(TRANSLATE)
    caller.require(READ)


def test_what_a_name_has_used_and_has_running_outlives_a_change_of_its_key() -> None:
    access = Access([key(max_calls=1, source_tokens_per_second=1, burst_source_tokens=5)])
    first = held(access)
    first.enter()
    first.charge(5)
    second = new_key()
    access.use([key(second, max_calls=1, source_tokens_per_second=1, burst_source_tokens=5)])
    with pytest.raises(Unauthenticated):
        held(access).require(TRANSLATE)
    with pytest.raises(TooManyCalls):
        held(access, second).check_calls()
    first.leave()  # the call that was begun with the first key
    held(access, second).check_calls()
    with pytest.raises(RateLimited):
        held(access, second).require(TRANSLATE)
    first.charge(7)
    assert [holder.usage.num_source_tokens for holder in access.holders] == [12]


def test_who_is_beyond_its_rate_may_still_read() -> None:
    access = Access([Key(name="web", sha256=digest(WEB), roles=frozenset([ADMIN]), source_tokens_per_second=1)])
    caller = held(access)
    caller.charge(1000)
    caller.require(READ)
    with pytest.raises(RateLimited):
        caller.require(TRANSLATE)


def test_a_rate_without_a_burst_allows_ten_seconds_worth_at_once() -> None:
    caller = held(Access([key(source_tokens_per_second=7)]))
    caller.charge(69)
    caller.check(1)
    caller.charge(1)
    with pytest.raises(RateLimited):
        caller.check(2)


_values = st.text(st.characters(codec="ascii")) | st.binary(max_size=40)
_names = st.sampled_from(["x-api-key", "authorization", "x-request-id", "key-bin"])


@given(st.lists(st.tuples(_names, _values), max_size=6))
def test_whatever_is_sent_in_place_of_a_key_is_a_stranger(metadata: list[tuple[str, str | bytes]]) -> None:
    caller = Access([key()]).caller_of(tuple(metadata), "peer")
    assert caller.name == "peer"
    for refused in (lambda: caller.require(READ), caller.require_key):
        with pytest.raises(Unauthenticated):
            refused()


def test_asking_who_calls_takes_microseconds() -> None:
    keys = [key(new_key(), f"k{number}") for number in range(999)]
    access = Access([*keys, key(source_tokens_per_second=10**12, max_calls=5)])
    metadata = (("user-agent", "grpc-python"), ("x-request-id", "a" * 32), ("authorization", f"Bearer {WEB}"))

    def call() -> None:
        caller = access.caller_of(metadata, "peer")
        caller.require(TRANSLATE)
        caller.check_calls()
        caller.enter()
        caller.check(20)
        caller.charge(20)
        caller.leave()

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(1000):
            call()
        return (time.perf_counter() - began) / 1000

    best = min(seconds() for _ in range(5))
    print(f"{1e6 * best:.1f} us")
    assert best < 50e-6
