"""One TOML file describes one model: its architecture, its settings, its data, its training."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.data.augment import Shares
from models.data.corpora import LANGUAGES, Direction, all_sources
from models.data.made import MADE
from models.registry import ARCHITECTURES, architecture


class ConfigError(ValueError):
    """A config that cannot be used; the message lists every problem in it."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    source_language: str = "en"
    target_language: str = "fr"
    mix: dict[str, float] = field(default_factory=lambda: {"captions": 0.5, "everyday": 0.5})
    """Domain, or corpus, -> its share of the sentence pairs that are trained on."""
    augment: Shares = field(default_factory=Shares)
    distilled: str = ""
    """File that `models.distil` has written, with a teacher's translations of the training text; none if empty."""
    distilled_share: float = 0.7
    """Share of the pairs that have a teacher's translation whose target it is."""
    bpe_dropout: float = 0.0
    """Share of merges that are left out at random when text is encoded (Provilkov et al. 2020)."""
    max_length: int = 128
    """Longest sentence, in tokens, that is trained on; longer pairs are left out."""

    def __post_init__(self) -> None:
        if {self.source_language, self.target_language} != set(LANGUAGES):
            languages = f"{self.source_language!r} and {self.target_language!r}"
            raise ValueError(f"source_language, target_language: {' and '.join(LANGUAGES)} expected, got {languages}")
        domains = {source.domain for source in all_sources().values()}
        for name, share in self.mix.items():
            if name not in domains and name not in all_sources() and name not in MADE:
                expected = ", ".join(dict.fromkeys([*sorted(domains), *MADE, *all_sources()]))
                raise ValueError(f"mix.{name}: one of {expected} expected")
            if type(share) not in (int, float) or not 0 < share < math.inf:
                raise ValueError(f"mix.{name}: a number above 0 expected, got {share!r}")
        if not self.mix:
            raise ValueError("mix: at least one domain or corpus expected, got none")
        for name in ("bpe_dropout", "distilled_share"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name}: at most 1 expected, got {getattr(self, name)}")

    @property
    def direction(self) -> Direction:
        return Direction(self.source_language, self.target_language)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    seed: int = 1
    max_steps: int = 20_000
    max_minutes: float = 0.0
    """Minutes after which a training ends at the latest, interruptions not counted; 0: however long it takes."""
    batch_tokens: int = 6000
    """Tokens in a batch, source or target, whichever are more, padding included; processes share it."""
    learning_rate: float = 2e-3
    """Peak of Adam's learning rate, for embeddings, norms and biases."""
    matrix_learning_rate: float = 0.02
    """Peak of Muon's learning rate, for the weight matrices."""
    warmup_steps: int = 1000
    decay: float = 0.5
    """The learning rate rises linearly, stays, and falls linearly to zero over this last share of the training."""
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
        if self.decay > 1:
            raise ValueError(f"decay: at most 1 expected, got {self.decay}")
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
        if dataclasses.is_dataclass(expected):
            accepted[key] = _section(expected, f"{name}.{key}", {f"{name}.{key}": value}, problems)
            continue
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not expected:
            problems.append(f"{name}.{key}: {expected.__name__} expected, got {value!r}")
        elif isinstance(value, int | float) and not isinstance(value, bool) and not 0 <= value < math.inf:
            problems.append(f"{name}.{key}: a finite number, at least 0, expected, got {value!r}")
        else:
            accepted[key] = value
    try:
        return settings(**accepted)
    except ValueError as error:
        problems.append(f"{name}.{error}")
        return defaults
