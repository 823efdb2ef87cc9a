"""Train one model from its config file.

    python -m models.train models/configs/transformer-en-fr.toml [--data FOLDER] [--run FOLDER] [--processes N]

An interrupted run goes on where it stopped when the same command is given again.
"""

import argparse
import functools
import os
import signal
import sys
import threading
from pathlib import Path

import torch
from tqdm import tqdm

from models.allocator import keep_freed_memory
from models.checkpoint import CheckpointError
from models.config import ConfigError, load_config
from models.data.corpora import CorpusError, data_folder
from models.parallel import Team, TeamError, run_team
from models.run_folder import RunFolder
from models.training import Training, open_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train one model.")
    parser.add_argument("config", type=Path, help="e.g. models/configs/transformer-en-fr.toml")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--run", type=Path, help="the run's folder (default: runs/<name of the config>)")
    parser.add_argument("--tokenizer", type=Path, default=Path("models/configs/tokenizer.model"))
    default = 1 if torch.cuda.is_available() else len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=default, help=f"that train together (default: {default})")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error(f"--processes: at least 1 expected, got {arguments.processes}")
    run = RunFolder(arguments.run or Path("runs") / arguments.config.stem)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may let its background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        config = load_config(arguments.config)  # before any process is started
        open_tokenizer(arguments.tokenizer)
        run.check(config, arguments.tokenizer)
        run_team(arguments.processes, functools.partial(train, arguments, run.path))
    except (ConfigError, CorpusError, CheckpointError, TeamError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        goes_on = (
            "goes on from the last validation" if run.resume_point.exists() else "begins anew: nothing was kept yet"
        )
        sys.exit(f"interrupted: the same command {goes_on}")


def train(arguments: argparse.Namespace, folder: Path, team: Team) -> None:
    """The whole run of one process of the team. Raises ConfigError, CorpusError or CheckpointError."""
    keep_freed_memory()
    tqdm.set_lock(threading.RLock())  # its own, for processes, has a semaphore, which one that is ended leaves behind
    data = data_folder(arguments.data)
    with Training.prepare(arguments.config, data, arguments.tokenizer, folder, team) as training:
        training.run()


if __name__ == "__main__":
    main()
