"""All models in one go, on one large GPU: teachers first, then every student on their translations.

    python -m models.course models/configs/gpu --data data --output FOLDER

Reads the configs of a folder: `teacher-*.toml` are trained side by side; then each translates the text of its direction
into the file that the students' configs name as `data.distilled`; then all others are trained side by side. How long
each takes is in its config (`max_minutes`). The small models leave most of such a card idle when trained alone.
docs/training.md says how long the shipped models took.

FOLDER gets a folder for each student, its weights in fp16, ready for `models.release`. Interrupted, the same command
goes on: finished trainings end at once, others go on from their last validation.
"""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from models.checkpoint import CheckpointError, load_checkpoint, save_model
from models.config import Config, ConfigError, load_config

RUNS = Path("runs")
_SHIPPED = ("config.toml", "tokenizer.model", "metrics.jsonl", "curves.png")


class CourseError(Exception):
    """A command of the course failed; the message has the end of what it said."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.course", description="Train teachers, then students.")
    parser.add_argument("configs", type=Path, help="folder of configs, e.g. models/configs/gpu")
    parser.add_argument("--data", type=Path, required=True, help="the corpora's folder")
    parser.add_argument("--tokenizer", type=Path, default=Path("models/configs/tokenizer.model"))
    parser.add_argument("--output", type=Path, required=True, help="where the students' folders are written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run_course(arguments.configs, arguments.data, arguments.tokenizer, arguments.output)
    except (CheckpointError, ConfigError, CourseError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on")


def run_course(configs: Path, data: Path, tokenizer: Path, output: Path) -> None:
    """Raises CheckpointError, ConfigError or CourseError."""
    every = {path: load_config(path) for path in sorted(configs.glob("*.toml"))}
    teachers = {path: config for path, config in every.items() if path.stem.startswith("teacher-")}
    students = {path: config for path, config in every.items() if path not in teachers}
    if not students:
        raise ConfigError(f"{configs}: no config of a student, which is any but teacher-*.toml")
    train = ["models.train", "--data", str(data), "--tokenizer", str(tokenizer), "--processes", "1"]
    side_by_side([*train, str(path)] for path in teachers)
    side_by_side(
        ["models.distil", "--data", str(data), str(student), str(RUNS / teacher.stem), distilled]
        for teacher, config in teachers.items()
        for distilled, student in distilled_files(students, config).items()
    )
    side_by_side([*train, str(path)] for path in students)
    for path in students:
        pack(RUNS / path.stem, output / path.stem)


def distilled_files(students: dict[Path, Config], teacher: Config) -> dict[str, Path]:
    """File that students of a teacher's direction read -> the config of one of them."""
    return {
        config.data.distilled: path
        for path, config in students.items()
        if config.data.distilled and config.data.direction == teacher.data.direction
    }


def side_by_side(commands: Iterable[Sequence[str]]) -> None:
    """Run modules at the same time, and wait for all. Raises CourseError if one failed."""
    started: list[tuple[Sequence[str], Path, subprocess.Popen[bytes]]] = []
    RUNS.mkdir(exist_ok=True)
    for command in commands:
        log = RUNS / f"{command[0]}-{Path(command[-1]).stem}.log"
        with log.open("w") as file:
            process = subprocess.Popen([sys.executable, "-m", *command], stdout=file, stderr=subprocess.STDOUT)
        started.append((command, log, process))
    try:
        failed = [(command, log) for command, log, process in started if process.wait()]
    except KeyboardInterrupt:
        for _, _, process in started:
            process.terminate()
            process.wait()
        raise
    if failed:
        raise CourseError("; ".join(f"{' '.join(command)}: {log.read_text()[-2000:]}" for command, log in failed))


def pack(run: Path, folder: Path) -> None:
    """Copy what a release is made of, the weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _SHIPPED:
        shutil.copyfile(run / name, folder / name)
    _, model, _ = load_checkpoint(run)
    save_model(model.state_dict(), folder, torch.float16)


if __name__ == "__main__":
    main()
