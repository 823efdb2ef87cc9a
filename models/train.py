"""Train one model from its config file.

    python -m models.train models/configs/transformer.toml [--data FOLDER] [--run FOLDER]

An interrupted run goes on where it stopped when the same command is given again.
"""

import argparse
import fcntl
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np
import torch
import torch.nn.functional as F
from sentencepiece import SentencePieceProcessor
from tqdm import tqdm

from models.batches import Batch, Pair, encode_pairs, epoch_batches
from models.checkpoint import (
    CheckpointError,
    average_weights,
    build_model,
    load_resume_point,
    load_weights,
    save_resume_point,
    save_weights,
)
from models.config import Config, ConfigError, TrainingConfig, load_config
from models.corpora import Corpus, CorpusError, data_folder, read_corpus
from models.curves import plot_curves
from models.greedy import translate
from models.metrics import bleu
from models.optimizer import build_optimizers
from models.seq2seq import IGNORED
from models.tokenizer import load_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train one model.")
    parser.add_argument("config", type=Path, help="e.g. models/configs/transformer.toml")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--run", type=Path, help="the run's folder (default: runs/<name of the config>)")
    parser.add_argument("--tokenizer", type=Path, default=Path("checkpoints/tokenizer.model"))
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may let its background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        run_folder = arguments.run or Path("runs") / arguments.config.stem
        data = data_folder(arguments.data)
        with Training.prepare(arguments.config, data, arguments.tokenizer, run_folder) as training:
            training.run()
    except (ConfigError, CorpusError, CheckpointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on from the last validation")


@dataclass
class Progress:
    """Where a training stands; all of it is in the resume point."""

    step: int = 0
    target_tokens: int = 0
    seconds: float = 0.0
    best_bleu: float = -1.0
    best_step: int = 0
    snapshots: list[int] = field(default_factory=list)
    """Steps whose weights are kept for averaging, oldest first."""


class Training:
    """One run: its model, data and optimizer, and the folder that it writes."""

    def __init__(
        self,
        config: Config,
        tokenizer: SentencePieceProcessor,
        pairs: list[Pair],
        validation: dict[str, Corpus],
        folder: Path,
    ) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.pairs = pairs
        self.validation = validation
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, tokenizer.get_piece_size()).to(self.device)
        self.optimizers = build_optimizers(self.model, config.training)
        self.progress = Progress()
        self._lock = lock(folder)
        if self.resume_path.exists():
            try:
                self.resume()
            except CheckpointError:
                self._lock.close()
                raise

    @classmethod
    def prepare(cls, config_path: Path, data: Path, tokenizer_path: Path, folder: Path) -> "Training":
        """Everything that can be wrong is found here, before anything in the run's folder is touched."""
        config = load_config(config_path)
        try:
            tokenizer = load_tokenizer(tokenizer_path)
        except OSError as error:
            raise CheckpointError(
                f"{tokenizer_path} is missing: train it with: python -m models.tokenizer {tokenizer_path}"
            ) from error
        pairs: list[Pair] = []
        validation = {}
        for corpus, repeats in config.data.corpora.items():
            train = read_corpus(data, corpus, "train")
            pairs += encode_pairs(tokenizer, train.sources, train.targets, config.data.max_length) * repeats
            validation[corpus] = read_corpus(data, corpus, "val")
        if not pairs:
            raise CorpusError(f"{data}: no training pair is shorter than data.max_length={config.data.max_length}")
        earlier = folder / "config.toml"
        if earlier.exists():
            before = load_config(earlier)
            if (before.architecture, before.model) != (config.architecture, config.model):
                raise CheckpointError(f"{folder} holds another model ({earlier}): choose another --run")
        (folder / "snapshots").mkdir(parents=True, exist_ok=True)
        training = cls(config, tokenizer, pairs, validation, folder)
        shutil.copyfile(config_path, earlier)
        shutil.copyfile(tokenizer_path, folder / "tokenizer.model")
        return training

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another training have the folder."""
        self._lock.close()

    @property
    def resume_path(self) -> Path:
        return self.folder / "resume.pt"

    def snapshot_path(self, step: int) -> Path:
        return self.folder / "snapshots" / f"{step}.safetensors"

    def resume(self) -> None:
        point = load_resume_point(self.resume_path)
        try:
            self.model.load_state_dict(point["model"])
            for optimizer, optimizer_state in zip(self.optimizers, point["optimizers"], strict=True):
                optimizer.load_state_dict(optimizer_state)
            self.progress = Progress(**point["progress"])
            torch.set_rng_state(point["random"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{self.resume_path} does not fit this model: {error}") from error

    def run(self) -> None:
        settings = self.config.training
        bar = tqdm(total=settings.max_steps, initial=self.progress.step, unit="step", dynamic_ncols=True)
        batches = self.batches()
        seen_loss, seen_tokens, started = 0.0, 0, time.monotonic()
        while self.progress.step < settings.max_steps and not self.is_stale():
            loss, tokens = self.train_step(next(batches))
            seen_loss, seen_tokens = seen_loss + loss * tokens, seen_tokens + tokens
            bar.update()
            if self.progress.step % 50 == 0:
                rate = seen_tokens / (time.monotonic() - started)
                bar.set_postfix(loss=f"{seen_loss / seen_tokens:.3f}", tokens_per_s=f"{rate:.0f}")
            if self.progress.step % settings.validation_steps == 0 or self.progress.step == settings.max_steps:
                elapsed = time.monotonic() - started
                self.validate(seen_loss / max(seen_tokens, 1), seen_tokens, elapsed, bar)
                seen_loss, seen_tokens, started = 0.0, 0, time.monotonic()
        bar.close()
        self.finish()

    def batches(self) -> Iterator[Batch]:
        """Epoch after epoch; a resumed run begins a new epoch, shuffled by its step."""
        while True:
            generator = np.random.default_rng([self.config.training.seed, self.progress.step])
            yield from epoch_batches(self.pairs, self.config.training.batch_tokens, generator)

    def train_step(self, batch: Batch) -> tuple[float, int]:
        """One update. Returns the loss a token, in nats, and the number of tokens it was taken over."""
        settings = self.config.training
        self.model.train()
        batch = batch.to(self.device)
        expected = self.model.expected_outputs(batch.target_ids, batch.source_lengths)
        features = self.model(batch.source_ids, batch.source_lengths, batch.previous_ids)
        spoken = expected != IGNORED
        logits = self.model.logits(features[spoken])
        loss = F.cross_entropy(logits, expected[spoken], label_smoothing=settings.label_smoothing)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.max_gradient_norm)
        factor = learning_rate_factor(self.progress.step, settings)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
        self.progress.step += 1
        return loss.item(), int(spoken.sum())

    def validate(self, train_loss: float, tokens: int, seconds: float, bar: Any) -> None:
        """BLEU on every corpus's validation part, a snapshot, a resume point, a line of metrics, the plot."""
        progress, settings = self.progress, self.config.training
        progress.seconds += seconds
        progress.target_tokens += tokens
        scores = self.validation_bleu()
        mean = sum(scores.values()) / len(scores)
        save_weights(self.model.state_dict(), self.snapshot_path(progress.step))
        progress.snapshots.append(progress.step)
        if mean > progress.best_bleu:
            progress.best_bleu, progress.best_step = mean, progress.step
        for step in progress.snapshots[: -settings.average_snapshots]:
            if step != progress.best_step:
                self.snapshot_path(step).unlink(missing_ok=True)
        progress.snapshots = [step for step in progress.snapshots if self.snapshot_path(step).exists()]
        save_resume_point(
            {
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "progress": vars(progress),
                "random": torch.get_rng_state(),
            },
            self.resume_path,
        )
        record = {
            "step": progress.step,
            "target_tokens": progress.target_tokens,
            "seconds": round(progress.seconds, 1),
            "tokens_per_second": round(tokens / seconds, 1),
            "learning_rate": settings.learning_rate * learning_rate_factor(progress.step, settings),
            "train_loss": round(train_loss, 4),
            "bleu": {corpus: round(score, 2) for corpus, score in scores.items()},
        }
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        plot_curves(self.folder / "metrics.jsonl", self.folder / "curves.png")
        bar.write(json.dumps(record))

    def validation_bleu(self) -> dict[str, float]:
        """Cased sacreBLEU of greedy translations, by corpus."""
        self.model.eval()
        return {
            corpus: bleu(translate(self.model, self.tokenizer, part.sources), part.references)
            for corpus, part in self.validation.items()
        }

    def is_stale(self) -> bool:
        """Early stopping: too many validations since the best one."""
        since = self.progress.step - self.progress.best_step
        return since > self.config.training.patience * self.config.training.validation_steps

    def finish(self) -> None:
        """The final model: the last snapshots' average, if it is better than the best single one."""
        latest = self.progress.snapshots[-self.config.training.average_snapshots :]
        averaged = average_weights([self.snapshot_path(step) for step in latest])
        self.model.load_state_dict(averaged)
        scores = self.validation_bleu()
        if sum(scores.values()) / len(scores) < self.progress.best_bleu:
            load_weights(self.model, self.snapshot_path(self.progress.best_step))
            scores = self.validation_bleu()
        save_weights(self.model.state_dict(), self.folder / "model.safetensors")
        print(f"finished: {self.folder / 'model.safetensors'}, validation BLEU {scores}")


def lock(folder: Path) -> TextIO:
    """Held while the file is open: two trainings in one folder would mix their results. Raises CheckpointError."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise CheckpointError(f"{folder}: another training is running there") from error
    return file


def learning_rate_factor(step: int, settings: TrainingConfig) -> float:
    """Linear warm-up, a plateau, linear decay to zero: the factor of the peak learning rate."""
    warmup = (step + 1) / max(settings.warmup_steps, 1)
    decay = (settings.max_steps - step) / max(settings.decay_steps, 1)
    return max(min(1.0, warmup, decay), 0.0)


if __name__ == "__main__":
    main()
