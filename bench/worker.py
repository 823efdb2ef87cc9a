"""One system in a process of its own, so that its memory is its own: lines of JSON in, lines of JSON out."""

import sys
from pathlib import Path

from bench.made import opus_size_paths
from bench.systems import OurEngine, System
from bench.text_worker import work

LISTED = "-listed"
"""Behind the name of a model: translate with a vocabulary shortlist."""


def open_system(name: str, threads: int, folder: Path) -> System:
    """`name` is <engine>:<model>:<precision>; `folder` holds what the benchmark has made."""
    engine, model, precision = name.split(":")
    is_listed, model = model.endswith(LISTED), model.removesuffix(LISTED)
    # Each is imported where it is needed: the others are no part of the process in which one is measured.
    if engine == "ctranslate2":
        from bench.ctranslate2_system import CTranslate2

        wide = model == "opus-size"
        made = opus_size_paths(folder).ctranslate2 if wide else folder / f"ctranslate2-{precision}"
        return CTranslate2(made, precision, threads, is_listed)
    if engine == "pytorch":
        from bench.pytorch_system import PyTorch

        without = model.endswith("-without-cache")
        return PyTorch(Path("checkpoints") / shipped(model.removesuffix("-without-cache")), not without, threads)
    if model == "opus-size":
        return OurEngine(opus_size_paths(folder).bundle, threads, is_listed)
    repository = Path("model_repository") if precision == "int8" else folder / precision
    return OurEngine(repository / shipped(model) / "1", threads)


def shipped(architecture: str) -> str:
    """The name of the shipped model from English to French of that architecture."""
    return f"{architecture.replace('_', '-')}-en-fr"


def main() -> None:
    system = open_system(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    work(system, "sources")


if __name__ == "__main__":
    main()
