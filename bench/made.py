"""Models that the benchmark makes for itself, once; they are kept until what they are made from changes."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from bench.process import BenchError

SHIPPED = Path("checkpoints/transformer-en-fr")
SMALL = Path("bench/small_transformer")
"""What the model of OPUS-MT's size is made from, see `opus_size.py`."""

SOURCES = (
    str(SHIPPED),
    str(SMALL),
    "models",
    "export",
    "server/bundle",
    "bench/ctranslate2_model.py",
    "bench/opus_size.py",
    "bench/widened.py",
)
"""What the models are made from: a change here makes them anew."""

OPUS_SIZE = "opus-size-en-fr"
"""A small Transformer, widened to the size of OPUS-MT's models: name of its bundle."""


class OpusSize(NamedTuple):
    repository: Path
    bundle: Path
    ctranslate2: Path


def tokenizer(checkpoint: Path) -> SentencePieceProcessor:
    """That of a checkpoint."""
    return SentencePieceProcessor(model_file=str(checkpoint / "tokenizer.model"))


def float32_repository(folder: Path) -> Path:
    """A model repository with the shipped Transformer in fp32."""
    return _exported(folder / "float32")


def without_cache_repository(folder: Path) -> Path:
    """A model repository with the shipped Transformer in fp32, whose step recomputes what the KV cache would hold."""
    return _exported(folder / "without-cache", "--without-cache")


def ctranslate2(folder: Path, precision: str) -> Path:
    """The shipped Transformer for CTranslate2, "int8" or "float32"."""
    made = folder / f"ctranslate2-{precision}"
    if not _is_fresh(made / "config.json"):
        _run("bench.ctranslate2_model", precision, str(made))
    return made


def opus_size(folder: Path, data: Path) -> OpusSize:
    """The model of OPUS-MT's size, see `opus_size.py`; `data`: the corpora's folder."""
    paths = opus_size_paths(folder)
    if not _is_fresh(paths.bundle / "model.json"):
        _run("bench.opus_size", str(folder), "--data", str(data))
    return paths


def opus_size_paths(folder: Path) -> OpusSize:
    repository = folder / "opus-size" / "repository"
    return OpusSize(repository, repository / OPUS_SIZE / "1", folder / "opus-size" / "ctranslate2")


def _exported(repository: Path, *flags: str) -> Path:
    bundle = repository / "transformer-en-fr" / "1"
    if not _is_fresh(bundle / "model.json"):
        _run("export", str(SHIPPED), str(bundle), "--precision", "fp32", "--replace", *flags)
    return repository


def _is_fresh(made: Path) -> bool:
    files = [file for source in map(Path, SOURCES) for file in (source, *source.rglob("*")) if file.is_file()]
    return made.exists() and made.stat().st_mtime > max(file.stat().st_mtime for file in files)


def _run(module: str, *arguments: str) -> None:
    print(f"once: python -m {module} {' '.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{module}: {done.stderr.strip()[-500:]}")
    print(done.stdout, end="", flush=True)
