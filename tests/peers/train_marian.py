"""Train a model of real size with Marian itself, to be imported and measured beside `marian decode`.

    python -m tests.peers.train_marian WORK --minutes 90
    python -m tests.peers.train_marian WORK --commands          # what to run then

It takes PyPI's pymarian (see `marian.py`) and the corpora (`--data`). WORK gets the training text, a SentencePiece
vocabulary of 8,000 pieces, the model, and `sentences.en`, source sentences for the import's `--text`. Training goes on
where it was interrupted.
"""

import argparse
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from models.data.corpora import DEFAULT_FOLDER, CorpusError, data_folder, read_corpus
from tests.peers.marian import pymarian

CORPORA = ("multi30k",)
"""Whose training text is the model's, and on whose test sets it is measured."""

NUM_TEXT_SENTENCES = 4000
BEAM_SIZE = 4

OPTIONS: dict[str, object] = {
    "type": "transformer",
    "dim-vocabs": "8000 8000",
    "dim-emb": 256,
    "enc-depth": 4,
    "dec-depth": 1,
    "transformer-heads": 8,
    "transformer-dim-ffn": 1024,
    "transformer-ffn-activation": "relu",
    "transformer-dropout": 0.1,
    "tied-embeddings-all": "true",
    "max-length": 100,
    "mini-batch-words": 1500,
    "maxi-batch": 500,
    "learn-rate": 0.001,
    "lr-warmup": 400,
    "lr-decay-inv-sqrt": 400,
    "label-smoothing": 0.1,
    "clip-norm": 1,
    "exponential-smoothing": 0.001,
    "seed": 1,
    "save-freq": 500,
    "disp-freq": 100,
    "valid-freq": 500,
    "valid-metrics": "ce-mean-words",
    "early-stopping": 20,
    "beam-size": BEAM_SIZE,
    "normalize": 1,
    "overwrite": "true",
    "relative-paths": "true",
}
"""Of `marian train`, beside its files."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers.train_marian", description="Train a model with Marian."
    )
    parser.add_argument("work", type=Path, help="folder of everything that is written")
    parser.add_argument(
        "--data", type=Path, help=f"the corpora's folder (default: $SEQ2SERVE_DATA, else {DEFAULT_FOLDER})"
    )
    parser.add_argument("--minutes", type=float, default=90, help="after which the training ends (default: 90)")
    parser.add_argument("--threads", type=int, default=2, help="cores (default: 2)")
    parser.add_argument("--commands", action="store_true", help="only print what measures the trained model")
    arguments = parser.parse_args()
    command = pymarian()
    if command is None:
        sys.exit("error: no command pymarian, and none in the variable PYMARIAN")
    if not arguments.commands:
        try:
            write_text(data_folder(arguments.data), arguments.work)
        except CorpusError as error:
            sys.exit(f"error: {error}")
        train(command, arguments.work, arguments.minutes, arguments.threads)
    print(measuring(command, arguments.work.resolve()))


def write_text(data: Path, work: Path) -> None:
    """Training and validation text of all corpora in a row, and sentences for the import. Raises CorpusError."""
    work.mkdir(parents=True, exist_ok=True)
    for part in ("train", "val"):
        corpora = [read_corpus(data, corpus, part) for corpus in CORPORA]
        for code, texts in (
            ("en", [text for corpus in corpora for text in corpus.sources]),
            ("fr", [text for corpus in corpora for text in corpus.targets]),
        ):
            (work / f"{part}.{code}").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    texts = (work / "train.en").read_text(encoding="utf-8").splitlines(keepends=True)
    every = max(1, len(texts) // NUM_TEXT_SENTENCES)
    (work / "sentences.en").write_text("".join(texts[::every]), encoding="utf-8")


def train(command: str, work: Path, minutes: float, threads: int) -> None:
    """Train until the time is over or validation has stopped to improve; Marian saves the model when it is asked to
    end."""
    (work / "model").mkdir(exist_ok=True)
    options = {
        "model": "model/model.npz",
        "train-sets": "train.en train.fr",
        "valid-sets": "val.en val.fr",
        "vocabs": "model/vocab.spm model/vocab.spm",
        "log": "train.log",
        "cpu-threads": threads,
        **OPTIONS,
    }
    arguments = [word for key, value in options.items() for word in (f"--{key}", *str(value).split())]
    training = subprocess.Popen([command, "train", *arguments, "--quiet-validation"], cwd=work)
    try:
        status = training.wait(minutes * 60)
    except subprocess.TimeoutExpired:
        training.send_signal(signal.SIGTERM)
        status = training.wait()
    if not (work / "model" / "model.npz").is_file():
        sys.exit(f"error: {command} train: exit status {status}, and no model")


def measuring(command: str, work: Path) -> str:
    """Commands that import the model and score it, decoded by Marian and served, with the same beam."""
    model, vocabulary = work / "model" / "model.npz", work / "model" / "vocab.spm"
    repository = work / "model_repository"
    decode = shlex.join([command, "decode", "-m", str(model), "-v", str(vocabulary), str(vocabulary), "--quiet"])
    served = (
        f"python -m seq2serve --model marian-en-fr --beam-size {BEAM_SIZE} --length-penalty 1 --split-sentences none"
    )
    return f"""
python -m export --import {model.parent} {repository}/marian-en-fr/1 --text {work}/sentences.en --languages en-fr
python -m server --model-repository {repository} --default-model marian-en-fr &
python -m models.evaluate --output {work}/quality.json \\
    marian="{decode} -b {BEAM_SIZE} -n 1 --cpu-threads 2 --mini-batch 16 --maxi-batch 100" \\
    served="{served}"

BLEU on test_2016_flickr of `served` is expected within 0.3 of `marian`."""


if __name__ == "__main__":
    main()
