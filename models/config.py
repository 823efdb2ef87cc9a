"""One TOML file describes one model: its architecture, its settings, its data, its training."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.registry import ARCHITECTURES, architecture


class ConfigError(ValueError):
    """A config that cannot be used; the message lists every problem in it."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    corpora: dict[str, int] = field(default_factory=lambda: {"multi30k": 1, "tatoeba": 1})
    """Corpus name -> how often its training part is read in one epoch: the balance of domains."""
    max_length: int = 100
    """Longest sentence, in tokens, that is trained on; longer pairs are left out."""

    def __post_init__(self) -> None:
        for corpus, repeats in self.corpora.items():
            if type(repeats) is not int or repeats < 1:
                raise ValueError(f"corpora.{corpus}: an integer of at least 1 expected, got {repeats!r}")
        if not self.corpora:
            raise ValueError("corpora: at least one expected, got none")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    seed: int = 1
    max_steps: int = 20_000
    batch_tokens: int = 1500
    """Tokens in a batch, source or target, whichever are more, padding included; processes share it."""
    learning_rate: float = 2e-3
    """Peak of Adam's learning rate, for embeddings, norms and biases."""
    matrix_learning_rate: float = 0.02
    """Peak of Muon's learning rate, for the weight matrices."""
    warmup_steps: int = 1000
    decay_steps: int = 6000
    """The learning rate rises linearly, stays, and falls linearly to zero over the last `decay_steps`."""
    label_smoothing: float = 0.1
    max_gradient_norm: float = 1.0
    validation_steps: int = 1000
    """Steps from one validation, and snapshot, to the next."""
    patience: int = 10
    """Validations without a better BLEU after which training stops early."""
    average_snapshots: int = 4
    """Snapshots whose weights are averaged into the final model, if that is better than the best one."""

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_tokens", "validation_steps", "patience", "average_snapshots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: at least 1 expected, got {getattr(self, name)}")
        if self.label_smoothing >= 1:
            raise ValueError(f"label_smoothing: less than 1 expected, got {self.label_smoothing}")


@dataclass(frozen=True, kw_only=True)
class Config:
    architecture: str
    model: Any
    """The architecture's own settings, e.g. `TransformerConfig`."""
    data: DataConfig
    training: TrainingConfig


def load_config(path: Path) -> Config:
    """Read a config. Raises ConfigError naming every unknown key and every value of a wrong type or range."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    problems: list[str] = []
    for key in table.keys() - {"architecture", "model", "data", "training"}:
        problems.append(f"unknown key: {key}")
    name = table.get("architecture")
    if name not in ARCHITECTURES:
        raise ConfigError(f"{path}: architecture: one of {', '.join(ARCHITECTURES)} expected, got {name!r}")
    model = _section(architecture(name).settings, "model", table, problems)
    data = _section(DataConfig, "data", table, problems)
    training = _section(TrainingConfig, "training", table, problems)
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    return Config(architecture=name, model=model, data=data, training=training)


def _section(settings: type[Any], name: str, table: dict[str, Any], problems: list[str]) -> Any:
    """One dataclass from one table; what is wrong is added to `problems`, and defaults stand in for it."""
    values = table.get(name, {})
    if not isinstance(values, dict):
        problems.append(f"{name}: a table expected, got {values!r}")
        return settings()
    fields = {f.name: f for f in dataclasses.fields(settings)}
    defaults = settings()
    accepted = {}
    for key, value in values.items():
        if key not in fields:
            problems.append(f"unknown key: {name}.{key}")
            continue
        default = getattr(defaults, key)
        expected = type(default)
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not expected:
            problems.append(f"{name}.{key}: {expected.__name__} expected, got {value!r}")
        elif isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            problems.append(f"{name}.{key}: at least 0 expected, got {value!r}")
        else:
            accepted[key] = value
    try:
        return settings(**accepted)
    except ValueError as error:
        problems.append(f"{name}.{error}")
        return defaults
