"""The training of one model: its steps, its validations, and what it leaves in its folder."""

import functools
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from sentencepiece import SentencePieceProcessor
from tqdm import tqdm

from models.allocator import give_freed_memory_back
from models.checkpoint import CheckpointError, average_weights, build_model, load_weights, save_model, save_weights
from models.config import Config, TrainingConfig, load_config
from models.data.batches import Batch
from models.data.chunks import read_ahead
from models.data.corpora import Corpus, evenly
from models.data.training_text import TrainingText, read_training_text
from models.greedy import batch_size, greedy_decode, translate
from models.metrics import bleu
from models.optimizer import build_optimizers, has_fast_bfloat16
from models.parallel import Team
from models.run_folder import RunFolder
from models.seq2seq import IGNORED
from models.tokenizer import load_tokenizer

MAX_VALIDATED = 500
"""Most sentences of a validation set that are translated while a model is trained, taken evenly: a set may begin with
its easiest corpus, and an export compares what is recorded with the whole set."""


@dataclass
class Progress:
    """Where a training stands; all of it is in the resume point."""

    step: int = 0
    chunk: int = 0
    """Chunks of the training text before this one were begun, by this process; in a resume point, by any."""
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
        text: TrainingText,
        validation: dict[str, Corpus],
        folder: RunFolder,
        team: Team,
    ) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.text = text
        self.validation = {name: evenly(corpus, MAX_VALIDATED) for name, corpus in validation.items()}
        self.folder = folder
        self.team = team
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, tokenizer.get_piece_size()).to(self.device)
        self.optimizers = build_optimizers(self.model, config.training)
        self.progress = Progress()
        self.resume()
        self.began = time.monotonic() - self.progress.seconds
        self.rest = self.team.share(rest_of(config.training, self.progress.step, self.progress.seconds))
        """Share of the training that is still to come."""
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
        tokenizer = open_tokenizer(tokenizer_path)
        text, validation = read_training_text(data, config.data, config.training.seed)
        folder = RunFolder(run_folder)
        folder.check(config, tokenizer_path)
        if team.leads:
            folder.open()
        try:
            training = cls(config, tokenizer, text, validation, folder, team)
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
            problem = " ".join(str(error).split())  # PyTorch writes a line for each tensor
            raise CheckpointError(f"{self.folder.resume_point} does not fit this model: {problem}") from error
        self.folder.check_snapshots(self.progress.snapshots)

    def run(self) -> None:
        settings, progress = self.config.training, self.progress
        batches = self.batches()
        seen = Seen()
        self.began = time.monotonic() - progress.seconds
        silent = not self.team.leads
        with tqdm(total=settings.max_steps, initial=progress.step, unit="step", disable=silent) as bar:
            while self.rest > 0 and not self.is_stale():
                loss, tokens = self.train_step(next(batches))
                seen.loss, seen.tokens = seen.loss + loss * tokens, seen.tokens + tokens
                bar.update()
                if progress.step % 50 == 0:
                    rate = seen.tokens_per_second * self.team.size
                    bar.set_postfix(loss=f"{seen.mean_loss:.3f}", tokens_per_s=f"{rate:.0f}")
                self.rest = self.team.share(rest_of(settings, progress.step, time.monotonic() - self.began))
                if progress.step % settings.validation_steps == 0 or self.rest == 0:
                    self.validate(seen)
                    seen = Seen()
        self.finish()

    def batches(self) -> Iterator[Batch]:
        """This process's share of the text, without end; a resumed run begins with a chunk that was not begun."""
        batch_tokens = self.config.training.batch_tokens // self.team.size
        first = self.progress.chunk
        make = functools.partial(self.text.batches, self.tokenizer, batch_tokens=batch_tokens)
        for number, batch in read_ahead(make, first + self.team.rank, self.team.size, self.device):
            self.progress.chunk = max(self.progress.chunk, number + 1)
            yield batch

    def train_step(self, batch: Batch) -> tuple[float, int]:
        """Make one update. Returns the loss a token, in nats, and the number of tokens it was taken over."""
        settings = self.config.training
        self.model.train()
        batch = batch.to(self.device)
        expected = self.model.expected_outputs(batch.target_ids, batch.source_lengths)
        spoken = expected != IGNORED
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_fast_bfloat16(self.device)):
            features = self.model(batch.source_ids, batch.source_lengths, batch.previous_ids)
            logits = self.model.logits(features[spoken])
            loss = F.cross_entropy(logits, expected[spoken], label_smoothing=settings.label_smoothing)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        self.team.average_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.max_gradient_norm)
        factor = learning_rate_factor(self.progress.step, self.rest, settings)
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
        progress.seconds = time.monotonic() - self.began
        progress.target_tokens += tokens
        progress.chunk = max(self.team.gather(progress.chunk))
        scores = self.validation_bleu()
        give_freed_memory_back()
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
            "learning_rate": settings.learning_rate * learning_rate_factor(progress.step, self.rest, settings),
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
        rows = batch_size(self.device)
        scores = {
            corpus: bleu(translate(decode, self.tokenizer, part.sources, rows), part.references)
            for corpus, part in share
        }
        merged = {corpus: score for part in self.team.gather(scores) for corpus, score in part.items()}
        return {corpus: merged[corpus] for corpus in self.validation}

    def is_stale(self) -> bool:
        """Early stopping: too many validations since the best one."""
        since = self.progress.step - self.progress.best_step
        return since >= self.config.training.patience * self.config.training.validation_steps

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


def open_tokenizer(path: Path) -> SentencePieceProcessor:
    """Read the tokenizer. Raises CheckpointError."""
    try:
        return load_tokenizer(path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}; train one with: python -m models.tokenizer CONFIG {path}") from error


def rest_of(settings: TrainingConfig, step: int, seconds: float) -> float:
    """The share of a training that is still to come after so many steps and seconds: from 1 down to 0."""
    rest = 1 - step / settings.max_steps
    if settings.max_minutes:
        rest = min(rest, 1 - seconds / (60 * settings.max_minutes))
    return max(rest, 0.0)


def learning_rate_factor(step: int, rest: float, settings: TrainingConfig) -> float:
    """The factor of the peak learning rate: it rises linearly, stays, and falls linearly to zero with the `rest`."""
    warmup = (step + 1) / max(settings.warmup_steps, 1)
    decay = rest / max(settings.decay, 1e-9)
    return min(1.0, warmup, decay)
