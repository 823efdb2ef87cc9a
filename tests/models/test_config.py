from pathlib import Path

import pytest

from models.config import ConfigError, load_config
from models.registry import ARCHITECTURES
from models.transformer import TransformerConfig

CONFIGS = sorted((Path(__file__).parents[2] / "models" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_loads(path: Path) -> None:
    config = load_config(path)
    assert config.architecture in ARCHITECTURES


def test_all_shipped_models_share_their_data() -> None:
    assert len({str(load_config(path).data) for path in CONFIGS}) == 1


def test_every_architecture_has_a_config() -> None:
    assert {load_config(path).architecture for path in CONFIGS} == set(ARCHITECTURES)


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
        "training.max_steps: at least 0 expected, got -1",
        "training.seed: int expected, got 'a'",
    ):
        assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('architecture = "gru"', "one of rnn, lstm, lstm_attention, transformer expected, got 'gru'"),
        ("architecture = ", "config.toml"),
        ('architecture = "rnn"\nmodel = 3', "model: a table expected, got 3"),
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
