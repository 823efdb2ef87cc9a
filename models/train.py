"""Train one model from its config file.

    python -m models.train models/configs/transformer.toml [--data FOLDER] [--run FOLDER] [--processes N]

An interrupted run goes on where it stopped when the same command is given again.
"""

import argparse
import functools
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from sentencepiece import SentencePieceProcessor
from torch.multiprocessing.spawn import ProcessException
from tqdm import tqdm

from models.batches import Batch, Pair, encode_pairs, epoch_batches, epoch_passes
from models.checkpoint import (
    CheckpointError,
    average_weights,
    build_model,
    load_weights,
    save_model,
    save_weights,
)
from models.config import Config, ConfigError, TrainingConfig, load_config
from models.corpora import Corpus, CorpusError, data_folder, read_corpus
from models.greedy import greedy_decode, translate
from models.metrics import bleu
from models.optimizer import build_optimizers
from models.parallel import Team, run_team
from models.run_folder import RunFolder
from models.seq2seq import IGNORED
from models.tokenizer import load_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train one model.")
    parser.add_argument("config", type=Path, help="e.g. models/configs/transformer.toml")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--run", type=Path, help="the run's folder (default: runs/<name of the config>)")
    parser.add_argument("--tokenizer", type=Path, default=Path("checkpoints/tokenizer.model"))
    default = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=default, help=f"that train together (default: {default})")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error(f"--processes: at least 1 expected, got {arguments.processes}")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may let its background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        run_team(arguments.processes, functools.partial(train, arguments))
    except ProcessException:
        sys.exit(1)  # the process has said why
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on from the last validation")


def train(arguments: argparse.Namespace, team: Team) -> None:
    """The whole run of one process of the team."""
    folder = arguments.run or Path("runs") / arguments.config.stem
    try:
        data = data_folder(arguments.data)
        with Training.prepare(arguments.config, data, arguments.tokenizer, folder, team) as training:
            training.run()
    except (ConfigError, CorpusError, CheckpointError) as error:
        if team.leads:  # the others find the same, and must not end the leader before it has said so
            sys.exit(f"error: {error}")


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


@dataclass
class Seen:
    """What was trained on since the last validation."""

    loss: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def mean_loss(self) -> float:
        return self.loss / max(self.tokens, 1)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / (time.monotonic() - self.started)


class Training:
    """One run: its model, data and optimizers, and the folder that it writes."""

    def __init__(
        self,
        config: Config,
        tokenizer: SentencePieceProcessor,
        corpora: list[tuple[list[Pair], int]],
        validation: dict[str, Corpus],
        folder: RunFolder,
        team: Team,
    ) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.corpora = corpora
        self.validation = validation
        self.folder = folder
        self.team = team
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, tokenizer.get_piece_size()).to(self.device)
        self.optimizers = build_optimizers(self.model, config.training)
        self.progress = Progress()
        self.resume()
        torch.manual_seed(config.training.seed + 1000 * self.progress.step + team.rank)  # for dropout

    @classmethod
    def prepare(
        cls, config_path: Path, data: Path, tokenizer_path: Path, run_folder: Path, team: Team | None = None
    ) -> Self:
        """Everything that can be wrong is found here, before anything in the run's folder is touched.

        Raises ConfigError, CorpusError or CheckpointError.
        """
        team = team or Team()
        config = load_config(config_path)
        try:
            tokenizer = load_tokenizer(tokenizer_path)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"{tokenizer_path}: {error}; train one with: python -m models.tokenizer {tokenizer_path}"
            ) from error
        corpora = []
        validation = {}
        for corpus, repeats in config.data.corpora.items():
            train = read_corpus(data, corpus, "train")
            corpora.append((encode_pairs(tokenizer, train.sources, train.targets, config.data.max_length), repeats))
            validation[corpus] = read_corpus(data, corpus, "val")
        if not any(pairs for pairs, _ in corpora):
            raise CorpusError(f"{data}: no training pair is shorter than data.max_length={config.data.max_length}")
        folder = RunFolder(run_folder)
        folder.check(config, tokenizer_path)
        if team.leads:
            folder.open()
        try:
            training = cls(config, tokenizer, corpora, validation, folder, team)
        except CheckpointError:
            folder.close()
            raise
        if team.leads:
            folder.describe(config_path, tokenizer_path, training.progress.step)
        return training

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another training have the folder."""
        self.folder.close()

    def resume(self) -> None:
        """Go on where an earlier run stopped, if there was one. Raises CheckpointError."""
        point = self.folder.load_resume_point()
        if point is None:
            return
        try:
            self.model.load_state_dict(point["model"])
            for optimizer, optimizer_state in zip(self.optimizers, point["optimizers"], strict=True):
                peaks = [group["peak_lr"] for group in optimizer.param_groups]
                optimizer.load_state_dict(optimizer_state)
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["peak_lr"] = peak  # the config's, which may be another now
            self.progress = Progress(**point["progress"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{self.folder.resume_point} does not fit this model: {error}") from error

    def run(self) -> None:
        settings, progress = self.config.training, self.progress
        batches = self.batches()
        seen = Seen()
        silent = not self.team.leads
        with tqdm(total=settings.max_steps, initial=progress.step, unit="step", disable=silent) as bar:
            while progress.step < settings.max_steps and not self.is_stale():
                loss, tokens = self.train_step(next(batches))
                seen.loss, seen.tokens = seen.loss + loss * tokens, seen.tokens + tokens
                bar.update()
                if progress.step % 50 == 0:
                    rate = seen.tokens_per_second * self.team.size
                    bar.set_postfix(loss=f"{seen.mean_loss:.3f}", tokens_per_s=f"{rate:.0f}")
                if progress.step % settings.validation_steps == 0 or progress.step == settings.max_steps:
                    self.validate(seen)
                    seen = Seen()
        self.finish()

    def batches(self) -> Iterator[Batch]:
        """Epoch after epoch, this process's share; a resumed run begins a new epoch, shuffled by its step."""
        size, rank = self.team.size, self.team.rank
        while True:
            generator = np.random.default_rng([self.config.training.seed, self.progress.step])
            batch_tokens = self.config.training.batch_tokens // size
            passes = epoch_passes(self.corpora, generator)
            batches = itertools.chain.from_iterable(epoch_batches(part, batch_tokens, generator) for part in passes)
            shares = 0
            while len(share := list(itertools.islice(batches, size))) == size:
                shares += 1
                yield share[rank]
            if not shares:
                raise CorpusError(f"an epoch has fewer batches than the {size} processes: take fewer --processes")

    def train_step(self, batch: Batch) -> tuple[float, int]:
        """Make one update. Returns the loss a token, in nats, and the number of tokens it was taken over."""
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
        self.team.average_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.max_gradient_norm)
        factor = learning_rate_factor(self.progress.step, settings)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
        self.progress.step += 1
        return loss.item(), int(spoken.sum())

    def validate(self, seen: Seen) -> None:
        """BLEU on every corpus's validation part, a snapshot, a resume point, a line of metrics, the plot."""
        progress, settings = self.progress, self.config.training
        seconds = time.monotonic() - seen.started
        tokens = sum(self.team.gather(seen.tokens))
        progress.seconds += seconds
        progress.target_tokens += tokens
        scores = self.validation_bleu()
        mean = sum(scores.values()) / len(scores)
        if mean > progress.best_bleu:
            progress.best_bleu, progress.best_step = mean, progress.step
        latest = sorted({*progress.snapshots, progress.step})[-settings.average_snapshots :]
        progress.snapshots = sorted({progress.best_step, *latest})
        if not self.team.leads:
            return
        save_weights(self.model.state_dict(), self.folder.snapshot(progress.step))
        self.folder.save_resume_point(
            {
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "progress": vars(progress),
            }
        )
        self.folder.keep_snapshots(progress.snapshots)  # last: no resume point names one that is gone
        record = {
            "step": progress.step,
            "target_tokens": progress.target_tokens,
            "seconds": round(progress.seconds, 1),
            "tokens_per_second": round(tokens / seconds, 1),
            "learning_rate": settings.learning_rate * learning_rate_factor(progress.step, settings),
            "train_loss": round(seen.mean_loss, 4),
            "bleu": {corpus: round(score, 2) for corpus, score in scores.items()},
        }
        self.folder.record(record)
        tqdm.write(json.dumps(record))

    def validation_bleu(self) -> dict[str, float]:
        """Cased sacreBLEU of greedy translations, by corpus; each process takes its share of the corpora."""
        self.model.eval()
        decode = functools.partial(greedy_decode, self.model)
        share = itertools.islice(self.validation.items(), self.team.rank, None, self.team.size)
        scores = {
            corpus: bleu(translate(decode, self.tokenizer, part.sources), part.references) for corpus, part in share
        }
        merged = {corpus: score for part in self.team.gather(scores) for corpus, score in part.items()}
        return {corpus: merged[corpus] for corpus in self.validation}

    def is_stale(self) -> bool:
        """Early stopping: too many validations since the best one."""
        since = self.progress.step - self.progress.best_step
        return since > self.config.training.patience * self.config.training.validation_steps

    def finish(self) -> None:
        """The final model: the last snapshots' average, if it is better than the best single one."""
        self.team.gather(None)  # the leader has written the last snapshot
        latest = self.progress.snapshots[-self.config.training.average_snapshots :]
        self.model.load_state_dict(average_weights([self.folder.snapshot(step) for step in latest]))
        scores = self.validation_bleu()
        if sum(scores.values()) / len(scores) < self.progress.best_bleu:
            load_weights(self.model, self.folder.snapshot(self.progress.best_step))
            scores = self.validation_bleu()
        if self.team.leads:
            save_model(self.model.state_dict(), self.folder.path)
            print(f"finished: {self.folder.model}, validation BLEU {scores}")


def learning_rate_factor(step: int, settings: TrainingConfig) -> float:
    """Linear warm-up, a plateau, linear decay to zero: the factor of the peak learning rate."""
    warmup = (step + 1) / max(settings.warmup_steps, 1)
    decay = (settings.max_steps - step) / max(settings.decay_steps, 1)
    return max(min(1.0, warmup, decay), 0.0)


if __name__ == "__main__":
    main()
