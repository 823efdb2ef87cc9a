"""A siege of a small server: it takes place, and its end says whether it was withstood."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtest.siege.__main__ import besiege, report
from loadtest.siege.attack import Bounds
from loadtest.siege.attacks import ATTACKS
from loadtest.siege.report import Sight, violations
from tests.conftest import Repositories
from tests.e2e.processes import run

NO_TIMES = Bounds(back_seconds=None)
"""That a machine which does other things beside could break."""

QUICK = ("settings-flood", "short-deadlines")
BY_NIGHT = ("silent", "settings-flood", "ping-flood", "short-deadlines")


def sights_of(names: Sequence[str], repository: Path, folder: Path) -> dict[str, Sight]:
    attacks = [dataclasses.replace(ATTACKS[name], bounds=NO_TIMES) for name in names]
    return {sight.attack.name: sight for sight in besiege(attacks, [f"--model-repository={repository}"], folder)}


@pytest.fixture(scope="module")
def repository(repository_of: Repositories) -> Path:
    return repository_of("transformer", "rnn")


@pytest.fixture(scope="module")
def sights(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sight]:
    return sights_of(QUICK, repository, tmp_path_factory.mktemp("siege"))


@pytest.mark.nightly
def test_attacks_do_what_they_say(repository: Path, tmp_path: Path) -> None:
    sights = sights_of(BY_NIGHT, repository, tmp_path)
    statuses = {name: +sight.outcome.statuses for name, sight in sights.items()}
    evidence = {name: sight.outcome.evidence for name, sight in sights.items()}
    assert statuses["silent"] == {"greeted": 500}
    flooded = statuses["settings-flood"]
    assert flooded["all processed"] + flooded["connection closed"] == flooded.total() == 3, "gRPC may call it a flood"
    assert evidence["settings-flood"]["acknowledged"] >= 20_000 * flooded["all processed"]
    assert statuses["ping-flood"] == {"connection closed": 3}
    assert evidence["ping-flood"]["GOAWAY 11"] == 3, "ENHANCE_YOUR_CALM"
    assert statuses["short-deadlines"]["DEADLINE_EXCEEDED"] >= 1000
    assert [problem for sight in sights.values() for problem in violations(sight)] == []


def test_the_honest_client_goes_on_all_the_time(sights: dict[str, Sight]) -> None:
    for sight in sights.values():
        assert abs(len(sight.during) - 20 * sight.seconds) <= 1
        assert len(sight.after) in (20, 21)
        assert violations(sight) == []
    numbers = [call.number for sight in sights.values() for call in (*sight.during, *sight.after)]
    assert numbers == sorted(set(numbers))


def test_the_servers_memory_and_calls_are_watched(sights: dict[str, Sight]) -> None:
    for sight in sights.values():
        assert 50 < sight.memory_before_mb <= sight.memory_peak_mb + 1
        assert sight.num_counted >= len(sight.during) + len(sight.after)


def test_the_exit_code_says_whether_every_bound_was_held(
    sights: dict[str, Sight], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = list(sights.values())
    assert report(seen, tmp_path) == 0
    impossible = dataclasses.replace(seen[0].attack, bounds=Bounds(memory_mb=-1000))
    assert report([*seen[1:], dataclasses.replace(seen[0], attack=impossible)], tmp_path) == 1
    assert f"{len(seen) - 1} of {len(seen)} attacks were withstood" in capsys.readouterr().out
    assert "NOT HELD: growth of the server's memory" in (tmp_path / "report.txt").read_text()


@pytest.mark.nightly
def test_a_server_that_an_attack_has_ended_is_replaced_for_the_next(repository: Path, tmp_path: Path) -> None:
    drained, garbage = besiege([ATTACKS["drained"], ATTACKS["garbage"]], [f"--model-repository={repository}"], tmp_path)
    assert drained.server_status == 0
    assert drained.outcome.statuses.total() == 200
    assert garbage.server_status is None
    assert garbage.outcome.statuses["closed by the server"] == 200
    assert {call.status for call in garbage.after} == {"OK"}


def test_one_attack_alone_is_made_by_its_name(repository: Path, tmp_path: Path) -> None:
    done = run("loadtest.siege", "--attack=garbage", f"--model-repository={repository}", f"--output={tmp_path}")
    assert done.stderr == ""
    [(num_held, num_attacks)] = re.findall(r"^(\d) of (\d) attacks were withstood$", done.stdout, re.MULTILINE)
    assert num_attacks == "1"
    assert done.returncode == (0 if num_held == "1" else 1)
