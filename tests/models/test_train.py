"""A tiny corpus trains from end to end, in seconds."""

import functools
import gzip
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.checkpoint import CheckpointError, average_weights, load_checkpoint
from models.config import ConfigError, TrainingConfig
from models.data.corpora import CorpusError
from models.greedy import greedy_decode, translate
from models.parallel import Team, run_team
from models.registry import ARCHITECTURES
from models.tokenizer import train_tokenizer
from models.training import Training, learning_rate_factor, rest_of

SUBJECTS = {"the dog": "le chien", "the cat": "le chat", "the child": "l'enfant", "the man": "l'homme"}
VERBS = {"sees": "voit", "hears": "entend", "follows": "suit"}
PAIRS = [
    (f"{subject} {verb} {thing}.", f"{SUBJECTS[subject]} {VERBS[verb]} {SUBJECTS[thing]}.")
    for subject, verb, thing in itertools.product(SUBJECTS, VERBS, SUBJECTS)
]

TRAINED, VALIDATED = PAIRS[:-6], PAIRS[-6:]

CONFIG = """
architecture = "{architecture}"
[model]
{model}
[data]
mix = {{ tatoeba = 1 }}
[training]
max_steps = {max_steps}
batch_tokens = 200
learning_rate = 0.005
warmup_steps = 10
decay = 0.3
validation_steps = 40
label_smoothing = 0.0
patience = {patience}
"""

TINY = "d_hidden = 16\nd_embedding = 16"


class Workplace:
    """A folder with a corpus, a tokenizer and a config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = folder / "tokenizer.model"
        self.run = folder / "run"
        self.resume_point = self.run / "resume.pt"
        self.config = folder / "config.toml"
        if not self.tokenizer.exists():  # it is no copy of one
            self._fill()

    def _fill(self) -> None:
        for part, pairs in (("train", TRAINED), ("val", VALIDATED)):
            for language, side in (("en", 0), ("fr", 1)):
                path = self.folder / "data" / "tatoeba" / f"{part}.{language}.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(gzip.compress("".join(f"{pair[side]}\n" for pair in pairs).encode()))
        train_tokenizer([sentence for pair in PAIRS for sentence in pair], self.tokenizer, 60)

    def prepare(
        self,
        architecture: str = "lstm_attention",
        max_steps: int = 160,
        model: str = "dropout = 0.0",
        patience: int = 99,
    ) -> Training:
        self.write_config(architecture, max_steps, model, patience)
        return Training.prepare(self.config, self.folder / "data", self.tokenizer, self.run)

    def write_config(
        self, architecture: str = "lstm_attention", max_steps: int = 160, model: str = "", patience: int = 99
    ) -> None:
        self.config.write_text(
            CONFIG.format(architecture=architecture, model=model, max_steps=max_steps, patience=patience)
        )

    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    torch.set_num_threads(1)
    return Workplace(tmp_path)


@pytest.fixture(scope="module")
def folder_of_a_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    workplace = Workplace(tmp_path_factory.mktemp("trained"))
    with workplace.prepare(max_steps=40, model=TINY) as training:
        training.run()
    return workplace.folder


@pytest.fixture
def trained(folder_of_a_training: Path, tmp_path: Path) -> Workplace:
    """A copy of a workplace whose model has been trained for 40 steps."""
    return Workplace(shutil.copytree(folder_of_a_training, tmp_path, dirs_exist_ok=True))


@pytest.mark.parametrize("architecture", ["lstm_attention", pytest.param("transformer", marks=pytest.mark.nightly)])
def test_a_tiny_corpus_is_learnt_from_end_to_end(workplace: Workplace, architecture: str) -> None:
    small = "d_model = 64\nd_ffn = 64" if architecture == "transformer" else "d_embedding = 64\nd_hidden = 64"
    with workplace.prepare(architecture, max_steps=200, model=f"{small}\ndropout = 0.0") as training:
        training.run()
    _, model, tokenizer = load_checkpoint(workplace.run)
    assert translate(functools.partial(greedy_decode, model), tokenizer, ["the dog sees the cat."]) == [
        "le chien voit le chat."
    ]
    assert (workplace.run / "curves.png").stat().st_size > 0


@pytest.mark.parametrize(
    "architecture",
    [name for name in ARCHITECTURES if name != "encoder_decoder"],  # its checkpoints are imported
)
def test_training_lowers_the_loss(workplace: Workplace, architecture: str) -> None:
    with workplace.prepare(architecture, model="") as training:
        batches = training.batches()
        first = training.train_step(next(batches))[0]
        for _ in range(15):
            last = training.train_step(next(batches))[0]
    assert last < 0.9 * first


def test_an_interrupted_training_goes_on_from_its_last_validation(workplace: Workplace) -> None:
    with workplace.prepare(max_steps=40, model=TINY) as first:
        first.run()
    # What `finish` chose is in the model now; training goes on from what it had.
    weights = load_file(workplace.run / "snapshots" / "40.safetensors")
    with workplace.prepare(max_steps=80, model=TINY) as second:
        assert second.progress.step == 40
        torch.testing.assert_close(second.model.state_dict(), weights, rtol=0, atol=0)
        for mine, theirs in zip(first.optimizers, second.optimizers, strict=True):
            assert mine.state_dict()["state"].keys() == theirs.state_dict()["state"].keys()
            torch.testing.assert_close(mine.state_dict()["state"], theirs.state_dict()["state"], rtol=0, atol=0)
        second.run()
    assert [record["step"] for record in workplace.metrics()] == [40, 80]


def test_a_run_may_go_on_by_another_recipe_and_keeps_the_first(trained: Workplace) -> None:
    recipe = trained.config.read_text()
    trained.write_config(max_steps=80, model=TINY)
    trained.config.write_text(trained.config.read_text().replace("learning_rate = 0.005", "learning_rate = 0.001"))
    with Training.prepare(trained.config, trained.folder / "data", trained.tokenizer, trained.run) as second:
        second.train_step(next(second.batches()))
        assert second.optimizers[0].param_groups[0]["peak_lr"] == 0.001
    assert (trained.run / "config.until-40.toml").read_text() == recipe
    assert (trained.run / "config.toml").read_text() == trained.config.read_text()
    trained.prepare(max_steps=120, model=TINY).__exit__()  # the second recipe has trained nothing that was kept
    assert (trained.run / "config.until-40.toml").read_text() == recipe


def test_a_run_s_own_config_may_be_given(trained: Workplace) -> None:
    own = trained.run / "config.toml"
    with Training.prepare(own, trained.folder / "data", trained.tokenizer, trained.run) as second:
        assert second.progress.step == 40
    assert "max_steps = 40" in own.read_text()


def test_training_stops_when_bleu_no_longer_rises(workplace: Workplace) -> None:
    with workplace.prepare(max_steps=10_000, patience=1, model="d_hidden = 2\nd_embedding = 2") as training:
        training.run()
    assert training.progress.step < 10_000


def test_two_trainings_do_not_share_a_folder(workplace: Workplace) -> None:
    with workplace.prepare(), pytest.raises(CheckpointError, match="another training is running"):
        workplace.prepare()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("corpus", r"train\.fr\.gz cannot be read"),
        ("config", r"unknown key: model\.droput"),
        ("model", "holds another model"),
        ("tokenizer", r"tokenizer\.model is not .*choose another --run"),
        ("no tokenizer", r"tokenizer\.model: .*train one with"),
        ("resume point", r"resume\.pt is damaged"),
        ("no resume point", "holds a finished model, and no resume point"),
    ],
)
def test_what_is_wrong_is_said_and_harms_no_earlier_result(trained: Workplace, damage: str, problem: str) -> None:
    model = TINY
    if damage == "corpus":
        (trained.folder / "data" / "tatoeba" / "train.fr.gz").write_bytes(b"nonsense")
    elif damage == "config":
        model = "droput = 0.0"
    elif damage == "model":
        model = "d_hidden = 8"
    elif damage == "tokenizer":
        train_tokenizer([sentence for pair in PAIRS[:9] for sentence in pair], trained.tokenizer, 60)
    elif damage == "no tokenizer":
        trained.tokenizer.write_bytes(b"nonsense")
    elif damage == "resume point":
        (trained.run / "resume.pt").write_bytes(b"nonsense")
    else:
        (trained.run / "resume.pt").unlink()
    kept = {path.name: path.read_bytes() for path in trained.run.iterdir() if path.is_file()}
    with pytest.raises((CorpusError, ConfigError, CheckpointError), match=problem):
        trained.prepare(max_steps=40, model=model)
    assert {path.name: path.read_bytes() for path in trained.run.iterdir() if path.is_file()} == kept


@pytest.mark.nightly
def test_two_processes_train_one_model(workplace: Workplace) -> None:
    workplace.write_config(max_steps=40, model=TINY)
    command = [sys.executable, "-m", "models.train", str(workplace.config), "--processes", "2"]
    command += ["--data", str(workplace.folder / "data"), "--tokenizer", str(workplace.tokenizer)]
    done = subprocess.run([*command, "--run", str(workplace.run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [record] = workplace.metrics()
    with workplace.prepare(max_steps=40, model=TINY) as alone:
        batches = alone.batches()
        tokens = [int((next(batches).target_ids > 0).sum()) for _ in range(40)]
    # They share the batches' size, so that the recipe is the same, whatever the number of processes.
    assert 0.9 * sum(tokens) < record["target_tokens"] < 1.5 * sum(tokens)  # smaller batches are better filled
    load_checkpoint(workplace.run)


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.nightly)])
def test_a_bad_config_is_reported_by_every_number_of_processes(workplace: Workplace, processes: str) -> None:
    workplace.write_config(model="droput = 0.0")
    command = [sys.executable, "-m", "models.train", str(workplace.config), "--processes", processes]
    done = subprocess.run([*command, "--run", str(workplace.run)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("unknown key: model.droput") == 1


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    settings = TrainingConfig(max_steps=100, warmup_steps=10, decay=0.4)
    factors = [learning_rate_factor(step, rest_of(settings, step, seconds=0), settings) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:60] == [1.0] * 51
    assert factors[80] == pytest.approx(0.5)
    assert factors[100] == 0.0
    assert factors == sorted(factors[:60]) + sorted(factors[60:], reverse=True)


def test_the_average_of_snapshots_is_their_mean(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(paths):
        save_file({"weight": torch.tensor([float(number), 3.0 * number])}, path)
    assert average_weights(paths)["weight"].tolist() == [1.0, 3.0]


def test_the_better_one_of_average_and_best_snapshot_is_the_final_model(workplace: Workplace) -> None:
    """The best snapshot's weights, given by hand; the average with a ruined one is no match for it."""
    with workplace.prepare(max_steps=120, model="d_embedding = 64\nd_hidden = 64\ndropout = 0.0") as training:
        training.run()
        best = workplace.run / "snapshots" / f"{training.progress.best_step}.safetensors"
        ruined = {name: torch.randn_like(tensor) for name, tensor in load_file(best).items()}
        save_file(ruined, workplace.run / "snapshots" / "999.safetensors")
        training.progress.snapshots = [training.progress.best_step, 999]
        training.finish()
    torch.testing.assert_close(load_file(workplace.run / "model.safetensors"), load_file(best), rtol=0, atol=0)


def test_gradients_are_averaged_over_the_team(tmp_path: Path) -> None:
    run_team(2, functools.partial(average_in_team, tmp_path))
    assert torch.load(tmp_path / "0.pt").tolist() == torch.load(tmp_path / "1.pt").tolist() == [[1.5, 1.5]]


def average_in_team(folder: Path, team: Team) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    model(torch.full((1, 2), float(team.rank + 1))).sum().backward()  # the gradient is 1 in one process, 2 in the other
    team.average_gradients(model)
    torch.save(model.weight.grad, folder / f"{team.rank}.pt")


def test_a_damaged_checkpoint_is_named(trained: Workplace) -> None:
    with pytest.raises(CheckpointError, match=r"config\.toml is missing"):
        load_checkpoint(trained.folder / "none")
    weights = trained.run / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(trained.run)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            lambda run: (run / "snapshots" / "40.safetensors").unlink(),
            r"resume\.pt needs .*40\.safetensors: put it back",
        ),
        (lambda run: (run / "metrics.jsonl").write_text('{"step": 40}\n{"st'), r"metrics\.jsonl: line 2: .*remove the"),
        (lambda run: (run / "resume.pt").write_bytes(b"PK"), r"is damaged.*remove .* to begin anew, or choose another"),
        (lambda run: torch.save({"model": {}}, run / "resume.pt"), r"resume\.pt does not fit this model: [^\n]*$"),
    ],
)
def test_what_a_training_cannot_go_on_from_is_said_before_it_begins(
    trained: Workplace, damage: Callable[[Path], object], problem: str
) -> None:
    damage(trained.run)
    with pytest.raises(CheckpointError, match=problem):
        trained.prepare(max_steps=80, model=TINY)


def test_a_folder_whose_resume_point_was_removed_is_not_begun_anew(trained: Workplace) -> None:
    for name in ("resume.pt", "model.safetensors"):
        (trained.run / name).unlink()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, and no resume point"):
        trained.prepare(max_steps=80, model=TINY)


def test_a_damaged_snapshot_is_named(tmp_path: Path) -> None:
    path = tmp_path / "40.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"40\.safetensors: "):
        average_weights([path])


def test_a_training_that_stopped_early_stops_at_once_when_it_is_given_again(workplace: Workplace) -> None:
    with workplace.prepare(max_steps=10_000, patience=1, model="d_hidden = 2\nd_embedding = 2") as training:
        training.run()
    stopped = training.progress.step
    assert stopped == training.progress.best_step + 40
    with workplace.prepare(max_steps=10_000, patience=1, model="d_hidden = 2\nd_embedding = 2") as again:
        again.run()
    assert again.progress.step == stopped


@pytest.mark.nightly
def test_a_team_interrupted_goes_on_with_chunks_that_none_of_it_has_begun(workplace: Workplace) -> None:
    """Stopped with its processes by SIGTERM, as service managers do."""
    workplace.write_config(max_steps=100_000, model=TINY)
    command = [sys.executable, "-m", "models.train", str(workplace.config), "--processes", "2"]
    command += ["--data", str(workplace.folder / "data"), "--tokenizer", str(workplace.tokenizer)]
    with subprocess.Popen([*command, "--run", str(workplace.run)], stderr=subprocess.PIPE, text=True) as team:
        while not workplace.resume_point.exists():
            assert team.poll() is None
            time.sleep(0.05)
        team.terminate()
        _, said = team.communicate()
    assert team.returncode == 1
    assert said.rstrip().endswith("interrupted: the same command goes on from the last validation")
    assert torch.load(workplace.resume_point, weights_only=True)["progress"]["chunk"] == 2
