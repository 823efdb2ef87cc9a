"""What counts as right, and what explains a refusal."""

from dataclasses import replace
from typing import Any

import pytest

from tests.together.judgement import ANY, LIMITED_CLIENT, Asked, Chronicle, Span, problem_of, served_by
from tests.together.site import POLICIES

TEXTS = {"1": {"a": "un", "b": "deux"}, "2": {"a": "UN", "b": "DEUX"}, "3": {"a": "Un", "b": "Deux"}}
PRESENT = ("1", "2", "3")
RIGHT = Asked("somebody", "stable", ["a", "b"], 10.0, 11.0, ["un", "deux"], "1")


@pytest.fixture
def chronicle() -> Chronicle:
    """The first policy until 20, the second one from 22 at the latest."""
    made = Chronicle(kills=[Span(12.0, 14.0)], rotations=[Span(30.0, 30.0)])
    made.serve(served_by(POLICIES[0], PRESENT), 0.0, 0.0)
    made.serve(served_by(POLICIES[1], PRESENT), 20.0, 22.0)
    return made


def refused(code: str, began: float, ended: float, **fields: Any) -> Asked:
    return replace(RIGHT, began=began, ended=ended, texts=(), version=None, code=code, **fields)


def test_a_policy_says_what_may_answer_by_which_name() -> None:
    served = served_by(POLICIES[0], PRESENT)
    assert [set(served[name]) for name in ("stable", "canary", "3")] == [{"1"}, {"2"}, {"3"}]
    assert served[ANY] == {"1", "2"}
    assert served_by(POLICIES[2], PRESENT) == {"3": {"3"}, ANY: {"3"}}


def test_an_answer_is_that_of_the_version_that_it_names_and_that_was_asked_for(chronicle: Chronicle) -> None:
    assert problem_of(RIGHT, chronicle, TEXTS) == ""
    assert problem_of(replace(RIGHT, version=None), chronicle, TEXTS) == ""
    assert "version 2 answered" in problem_of(replace(RIGHT, version="2"), chronicle, TEXTS)
    assert "answered" in problem_of(replace(RIGHT, texts=["un", "DEUX"]), chronicle, TEXTS)
    assert "is not served by that name" in problem_of(replace(RIGHT, named="canary"), chronicle, TEXTS)


@pytest.mark.parametrize(("began", "ended", "is_right"), [(19.0, 19.5, True), (19.0, 21.0, True), (22.5, 23.0, False)])
def test_a_version_answers_until_another_policy_is_in_force(
    chronicle: Chronicle, began: float, ended: float, is_right: bool
) -> None:
    asked = replace(RIGHT, began=began, ended=ended)
    assert (problem_of(asked, chronicle, TEXTS) == "") is is_right


@pytest.mark.parametrize(
    ("asked", "is_explained"),
    [
        (refused("UNAVAILABLE", 11.0, 12.5), True),
        (refused("UNAVAILABLE", 14.5, 15.0), False),
        (refused("NOT_FOUND", 19.0, 23.0, named="1"), True),
        (refused("NOT_FOUND", 18.0, 19.0, named="1"), False),
        (refused("UNAUTHENTICATED", 29.0, 31.0), True),
        (refused("UNAUTHENTICATED", 30.5, 31.0), False),
        (refused("RESOURCE_EXHAUSTED", 1.0, 2.0, client=LIMITED_CLIENT, retry_seconds=0.5), True),
        (refused("RESOURCE_EXHAUSTED", 1.0, 2.0, client=LIMITED_CLIENT), False),
        (refused("RESOURCE_EXHAUSTED", 1.0, 2.0, retry_seconds=0.5), False),
        (refused("INTERNAL", 12.0, 13.0), False),
    ],
)
def test_a_refusal_has_to_be_explained_by_what_was_done(chronicle: Chronicle, asked: Asked, is_explained: bool) -> None:
    assert (problem_of(asked, chronicle, TEXTS) == "") is is_explained
