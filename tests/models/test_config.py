from pathlib import Path

import pytest

from models.config import ConfigError, load_config
from models.registry import ARCHITECTURES
from models.transformer import TransformerConfig

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "models" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", [*CONFIGS, *sorted(CONFIGS[0].parent.glob("*/*.toml"))], ids=lambda path: path.stem)
def test_every_config_loads(path: Path) -> None:
    load_config(path)


def test_all_shipped_models_share_their_mix_of_domains() -> None:
    shipped = [path for path in CONFIGS if (ROOT / "checkpoints" / path.stem).is_dir()]
    assert len({str(load_config(path).data.mix) for path in shipped}) == 1


def test_what_is_not_given_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('architecture = "transformer"\n[model]\nd_ffn = 99\n')
    config = load_config(path)
    assert config.model == TransformerConfig(d_ffn=99)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        'architecture = "lstm"\ncolour = 1\n'
        "[model]\nd_hiden = 3\nreverse_source = 1\n"
        '[training]\nmax_steps = -1\nseed = "a"\n'
    )
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    for problem in (
        "unknown key: colour",
        "unknown key: model.d_hiden",
        "model.reverse_source: bool expected, got 1",
        "training.max_steps: a finite number, at least 0, expected, got -1",
        "training.seed: int expected, got 'a'",
    ):
        assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('architecture = "abacus"', f"one of {', '.join(ARCHITECTURES)} expected, got 'abacus'"),
        ("architecture = ", "config.toml"),
        ('architecture = "rnn"\nmodel = 3', "model: a table expected, got 3"),
        ('architecture = "rnn"\n[data.mix]\nlaw = nan', r"data\.mix\.law: a number above 0 expected, got nan"),
        ('architecture = "rnn"\n[data.mix]\nlaw = inf', r"data\.mix\.law: a number above 0 expected, got inf"),
        ('architecture = "rnn"\n[training]\nlearning_rate = inf', r"learning_rate: a finite number, .* got inf"),
        ('architecture = "rnn"\n[training]\nmax_minutes = nan', r"max_minutes: a finite number, .* got nan"),
        (
            'architecture = "rnn"\n[data.augment]\ncapitals = 0.9\nlist_line = 0.2',
            r"data\.augment\.capitals, list_line: shares of 1 in all at most expected, got 1\.1",
        ),
    ],
)
def test_a_config_that_cannot_be_read_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_config(path)


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("architecture", "text", "problem"),
    [
        ("transformer", "[model]\nnum_heads = 3", "model.num_heads: a divisor of half of d_model=128 expected, got 3"),
        ("transformer", "[model]\nnum_heads = 0", "model.num_heads: at least 1 expected, got 0"),
        ("lstm", "[model]\ndropout = 2.0", r"model.dropout: less than 1 expected, got 2\.0"),
        ("lstm_attention", "[model]\nd_hidden = 7", "model.d_hidden: an even number expected, got 7"),
        ("rnn", "[model]\nd_hidden = 0", "model.d_hidden: at least 1 expected, got 0"),
        (
            "rnn",
            '[data]\nmix = { tatoeba = "2" }',
            "mix.tatoeba: a number above 0 expected, got '2'",
        ),
        ("rnn", "[data]\nmix = {}", "data.mix: at least one domain or corpus expected, got none"),
        ("rnn", "[training]\nvalidation_steps = 0", "training.validation_steps: at least 1 expected, got 0"),
        ("rnn", "[training]\naverage_snapshots = 0", "training.average_snapshots: at least 1 expected, got 0"),
        ("rnn", "[training]\nlabel_smoothing = 1.5", r"training.label_smoothing: less than 1 expected, got 1\.5"),
    ],
)
def test_values_that_no_model_could_be_trained_with_are_refused(
    tmp_path: Path, architecture: str, text: str, problem: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'architecture = "{architecture}"\n{text}\n')
    with pytest.raises(ConfigError, match=problem):
        load_config(path)
