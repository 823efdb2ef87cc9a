"""Put all that a course of trainings needs into one folder, for a machine that has a GPU and no network.

    python -m models.pack models/configs/gpu FOLDER [--data FOLDER] [--tokenizer FILE]

FOLDER gets the code, the configs, the tokenizer, and of the corpora the parts that the configs' mixes are trained and
validated on. There, with PyTorch, sentencepiece, sacrebleu, safetensors, matplotlib and tqdm installed,

    python3 -m models.course configs --data data --tokenizer tokenizer.model --output trained

trains teachers and students; `models.release` makes checkpoints of what is in `trained`.
"""

import argparse
import shutil
import sys
from pathlib import Path

from models.config import ConfigError, load_config
from models.data.corpora import CorpusError, all_sources, data_folder
from models.data.training_text import VALIDATION_DOMAINS, sources_of

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.pack", description="Pack a course of trainings.")
    parser.add_argument("configs", type=Path, help="folder of configs, e.g. models/configs/gpu")
    parser.add_argument("folder", type=Path, help="must not exist")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--tokenizer", type=Path, default=Path("models/configs/tokenizer.model"))
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"folder: one that does not exist expected, got {arguments.folder}")
    try:
        size = pack(arguments.configs, arguments.folder, data_folder(arguments.data), arguments.tokenizer)
    except (ConfigError, CorpusError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"wrote {arguments.folder}: {size / 2**20:.0f} MiB")


def pack(configs: Path, folder: Path, data: Path, tokenizer: Path) -> int:
    """Write the folder. Returns its size in bytes. Raises ConfigError, CorpusError or OSError."""
    paths = sorted(configs.glob("*.toml"))
    if not paths:
        raise ConfigError(f"{configs}: no config is in this folder")
    trained = {name for path in paths for name in sources_of(load_config(path).data)}
    validated = {name for name, source in all_sources().items() if source.domain in VALIDATION_DOMAINS}
    shutil.copytree(ROOT / "models", folder / "models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(configs, folder / "configs")
    shutil.copyfile(tokenizer, folder / "tokenizer.model")
    for name in sorted(trained | validated):
        source = all_sources()[name]
        files = [path for part in ("train", "val") for path in sorted((data / source.folder).glob(f"{part}.*.gz"))]
        if not files and name in trained:
            raise CorpusError(f"{data / source.folder} has no training text")
        for path in files:
            (folder / "data" / source.folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "data" / source.folder / path.name)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
