"""Which versions a model's folder asks for."""

import random
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.manifest import BundleError
from server.errors import UnknownModel
from server.serving.models.policy import Policy, read_policy
from server.serving.models.versions import ModelVersions
from tests.examples import examples
from tests.fakes import MANIFEST


def read(folder: Path, text: str) -> Policy:
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return read_policy(folder / "model.toml")


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("", ["10"]),
        ('versions = "latest"', ["10"]),
        ('versions = "all"', ["1", "2", "9", "10"]),
        ('versions = ["9", 1]', ["1", "9"]),
        ("versions = [2, 2]", ["2"]),
        ("labels = {stable = 2}", ["2", "10"]),
        ('versions = ["9"]\n[labels]\na = "1"\nb = 1\n[split]\nb = 1', ["1", "9"]),
    ],
)
def test_versions_are_chosen_by_number_and_whatever_has_a_label_among_them(
    tmp_path: Path, text: str, versions: list[str]
) -> None:
    assert read(tmp_path, text).choose(["1", "10", "2", "9"]) == versions


def test_a_model_without_a_file_serves_its_latest_version(tmp_path: Path) -> None:
    assert read_policy(tmp_path / "model.toml") == Policy()
    assert Policy().choose(["9", "10"]) == ["10"]


def test_the_file_that_the_documentation_shows_is_a_policy(tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    shown = documented.partition("## Models come and go")[2].partition("```toml\n")[2]
    policy = read(tmp_path, shown.partition("```")[0])
    assert policy == Policy(("1", "2"), {"stable": "1", "canary": "2"}, {"stable": 95, "canary": 5})


def test_all_versions_that_are_wanted_and_missing_are_named() -> None:
    with pytest.raises(ValueError, match=r"^versions 3, 12 are to be served, there are 1, 2$"):
        Policy(("1", "12"), {"stable": "3"}).choose(["1", "2"])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("versions", ["Expected '=' after a key"]),
        ("version = 1\nlabel = 2", ["label: versions, labels or split expected", "version: versions, labels or"]),
        ('versions = "newest"', ["versions: 'latest', 'all' or a list of versions expected, got 'newest'"]),
        ("versions = 1", ["versions: 'latest', 'all' or a list of versions expected, got 1"]),
        ("versions = []", ["versions: 'latest', 'all' or a list of versions expected, got []"]),
        ('versions = ["a", true, 1.5, -1, ""]', [f"versions[{index}]: a version, the number" for index in range(5)]),
        ("labels = 1\nsplit = []", ["labels: a table expected, got 1"]),
        ("split = [1]", ["split: a table expected, got [1]"]),
        ("[labels]\n1a = 1\nA = 1\n'' = 1\n'a@b' = 1", ["got '1a'", "got 'A'", "got ''", "got 'a@b'"]),
        ("[labels]\na = 'one'", ["labels.a: a version, the number that its folder is named by, expected, got 'one'"]),
        ("[split]\na = 1", ["split.a: one of the labels expected (there are none)"]),
        ("[labels]\na = 1\n[split]\na = -1", ["split.a: a whole number from 0 to 1000000 expected, got -1"]),
        ("[labels]\na = 1\n[split]\na = true", ["split.a: a whole number from 0 to 1000000 expected, got True"]),
        ("[labels]\na = 1\n[split]\na = 0", ["split: a weight above 0 expected, got none"]),
        ("[labels]\n" + "\n".join(f"a{index} = 1" for index in range(9)), ["labels: at most 8 expected, got 9"]),
    ],
)
def test_every_problem_of_a_file_is_named(tmp_path: Path, text: str, problems: list[str]) -> None:
    with pytest.raises(BundleError) as raised:
        read(tmp_path, text)
    assert len(raised.value.problems) == len(problems)
    for problem, part in zip(raised.value.problems, problems, strict=True):
        assert problem.startswith(f"{tmp_path / 'model.toml'}: ")
        assert part in problem


_ANY_TOML = st.recursive(
    st.integers() | st.booleans() | st.text("ab1@'", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", min_size=1, max_size=2), inner),
    max_leaves=6,
)


@examples(2)
@given(st.dictionaries(st.sampled_from(["versions", "labels", "split", "x"]), _ANY_TOML))
def test_whatever_a_file_says_is_a_policy_or_named_as_wrong(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("policy")
    try:
        policy = read(folder, "\n".join(f"{name} = {_toml(value)}" for name, value in fields.items()))
    except BundleError:
        return
    assert fields.keys() <= {"versions", "labels", "split"}
    assert policy.split.keys() <= policy.labels.keys()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = {_toml(item)}' for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def versions(policy: Policy, *names: str) -> ModelVersions:
    """Each is its name instead of a model."""
    return ModelVersions({name: cast(Any, name) for name in names}, policy)


def picked(model: ModelVersions) -> str:
    return cast(str, model.pick())


def main(model: ModelVersions) -> str:
    return cast(str, model.main)


@pytest.mark.parametrize("weights", [(1, 1), (95, 5), (1, 999), (7, 0)])
def test_a_split_holds_within_statistical_bounds(weights: tuple[int, int]) -> None:
    random.seed(4)
    labels = {"stable": "1", "canary": "2", "old": "3"}
    policy = Policy("all", labels, dict(zip(("stable", "canary"), weights, strict=True)))
    split = versions(policy, "1", "2", "3")
    drawn = Counter(picked(split) for _ in range(20_000))
    for version, weight in zip("12", weights, strict=True):
        share = weight / sum(weights)
        assert abs(drawn[version] - 20_000 * share) <= 4 * (20_000 * share * (1 - share)) ** 0.5
    assert sum(drawn.values()) == 20_000
    assert "3" not in drawn


def test_what_is_not_served_is_left_out_of_labels_and_split() -> None:
    policy = Policy("all", {"stable": "1", "canary": "2"}, {"stable": 1, "canary": 99})
    split = versions(policy, "1", "3")
    assert (split.labels, split.split) == ({"stable": "1"}, {"stable": 1})
    assert {picked(split) for _ in range(20)} == {"1"}
    assert picked(versions(policy, "3")) == main(versions(policy, "3")) == "3"


def test_the_main_version_is_the_newest_or_what_a_split_prefers() -> None:
    assert main(versions(Policy(), "9", "10")) == "10"
    policy = Policy("all", {"a": "9", "b": "10"}, {"a": 2, "b": 1})
    assert main(versions(policy, "9", "10")) == "9"


def test_an_unknown_version_is_answered_with_those_that_are_served(tmp_path: Path) -> None:
    class Served:
        manifest = MANIFEST

    model = ModelVersions({"1": cast(Any, Served())}, Policy("all", {"stable": "1"}))
    with pytest.raises(UnknownModel, match="no model 'fake@2' is served here; served: fake@1, fake@stable"):
        model.pick("2")


def test_a_folder_without_any_version_is_named_as_that() -> None:
    with pytest.raises(
        ValueError, match="a version expected, a folder named by a number beside this file; there is none"
    ):
        Policy().choose([])
