"""A teacher's translations, and who learns from them."""

import gzip
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models import distil
from models.checkpoint import load_checkpoint
from models.config import load_config
from models.course import distilled_files, pack
from models.data.training_text import read_distilled
from tests.models.test_train import TINY, TRAINED, Workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    torch.set_num_threads(1)
    return Workplace(tmp_path)


def run_distil(monkeypatch: pytest.MonkeyPatch, workplace: Workplace, teacher: str, output: Path) -> None:
    arguments = [str(workplace.config), teacher, str(output), "--data", str(workplace.folder / "data")]
    monkeypatch.setattr(sys, "argv", ["distil", *arguments])
    distil.main()


def test_a_teacher_translates_each_sentence_of_the_training_text_once(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write_config()
    shout = f"""shout={sys.executable} -c 'import sys; sys.stdout.write(sys.stdin.read().upper())'"""
    run_distil(monkeypatch, workplace, shout, workplace.folder / "new" / "distilled.tsv.gz")
    made = read_distilled(workplace.folder / "new" / "distilled.tsv.gz")
    assert made == {source: source.upper() for source, _ in TRAINED}


def test_what_a_teacher_loses_of_the_spans_is_no_example(workplace: Workplace) -> None:
    workplace.write_config()
    sources = [source for source, _ in TRAINED]
    output = workplace.folder / "distilled.tsv.gz"
    kept = sources[0]
    distil.distil(
        workplace.config,
        lambda asked: [source if source == kept else f"{source} \ue000" for source in asked],
        workplace.folder / "data",
        output,
    )
    assert read_distilled(output) == {kept: kept}


def test_what_was_written_with_its_translation_needs_no_teacher(workplace: Workplace) -> None:
    workplace.write_config()
    workplace.config.write_text(workplace.config.read_text().replace("tatoeba = 1", "tatoeba = 1, phrases = 1"))
    output = workplace.folder / "distilled.tsv.gz"
    distil.distil(workplace.config, list, workplace.folder / "data", output)
    assert set(read_distilled(output)) == {source for source, _ in TRAINED}


def test_a_teacher_that_fails_leaves_the_earlier_file(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.write_config()
    output = workplace.folder / "distilled.tsv.gz"
    output.write_bytes(gzip.compress(b"a\tb\n"))
    with pytest.raises(SystemExit, match="exit status 1"):
        run_distil(monkeypatch, workplace, f"broken={sys.executable} -c 'raise SystemExit(1)'", output)
    assert read_distilled(output) == {"a": "b"}


def test_a_teacher_of_the_other_direction_is_refused(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    with workplace.prepare(max_steps=40, model=TINY) as training:
        training.run()
    backwards = '[data]\nsource_language = "fr"\ntarget_language = "en"'
    workplace.config.write_text(workplace.config.read_text().replace("[data]", backwards))
    with pytest.raises(SystemExit, match="translates en-fr, fr-en expected"):
        run_distil(monkeypatch, workplace, str(workplace.run), workplace.folder / "distilled.tsv.gz")


def test_students_read_the_teacher_of_their_direction(tmp_path: Path) -> None:
    """And one file is made for all that name it."""
    for name, source, target in (("a", "en", "fr"), ("b", "en", "fr"), ("c", "fr", "en")):
        (tmp_path / f"{name}.toml").write_text(
            f'architecture = "rnn"\n[data]\nsource_language = "{source}"\ntarget_language = "{target}"\n'
            f'distilled = "{source}-{target}.tsv.gz"\n'
        )
    students = {path: load_config(path) for path in sorted(tmp_path.glob("*.toml"))}
    files = distilled_files(students, students[tmp_path / "a.toml"])
    assert files == {"en-fr.tsv.gz": tmp_path / "b.toml"}


def test_what_is_packed_is_a_finished_model_of_half_the_size(workplace: Workplace) -> None:
    with workplace.prepare(max_steps=40, model=TINY) as training:
        training.run()
    pack(workplace.run, workplace.folder / "packed")
    load_checkpoint(workplace.folder / "packed")
    assert (workplace.folder / "packed" / "SHA256SUMS").exists()
    weights = load_file(workplace.folder / "packed" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
